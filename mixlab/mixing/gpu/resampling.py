"""Playing a batch faster or slower, pitch and all: the windowed sinc of ``mixlab.audio.phase_vocoder``."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from mixlab.audio._kernels.vocoder import TAPS
from mixlab.audio.phase_vocoder import _filters

__all__ = ["play"]

_ONE = 1 << 32

# Values gathered at once: 32 of input and 32 of filter for each output sample.
_BLOCK_VALUES = {"cpu": 1 << 20, "cuda": 1 << 26}


def play(audio: Tensor, ratios: Tensor, samples: int) -> Tensor:
    """Play each source ``ratios`` times as fast; what lies above the new half rate must be gone already.

    Args:
        audio: float32 ``(sources, channels, samples)``.
        ratios: float64 ``(sources,)``.
        samples: How many samples to make of each.

    Returns:
        float32 ``(sources, channels, samples)``; silence after a source's end.
    """
    rows = torch.from_numpy(_filters()).to(audio.device)
    count, channels, length = audio.shape
    head = TAPS // 2 - 1
    places = pad(audio, (head, 2 * TAPS)).unfold(-1, TAPS, 1)
    source = torch.arange(count, device=audio.device)[:, None]
    # Positions in units of 2**-32 samples, which are whole numbers and so the same on every device.
    step = torch.round(ratios * _ONE).to(torch.int64)[:, None]
    per_row = _ONE // (len(rows) - 1)
    out = torch.empty((count, channels, samples), dtype=torch.float32, device=audio.device)
    block = max(_BLOCK_VALUES[audio.device.type] // (TAPS * count * (channels + 1)), 1)
    for begin in range(0, samples, block):
        numbers = torch.arange(begin, min(begin + block, samples), device=audio.device)
        position = numbers * step
        place = ((position & (_ONE - 1)) + per_row // 2) // per_row
        taps = places[source, :, (position >> 32).clamp_(max=length + head)]
        # No matrix product: those may be set to less than float32 for training.
        made = taps.mul_(rows[place][:, :, None]).sum(-1)
        out[..., begin : begin + block] = made.transpose(1, 2)
    return out
