"""Second-order filters on a batch: a product of spectra instead of a recursion, which a GPU does badly.

A recursive filter's impulse response never ends, but it dies away. With as many zeros after the sound as the
response takes to fall by 180 dB, the product of the sound's spectrum with the filters' transfer function is
what the recursion gives from a state of rest, to within rounding.
"""

import math

import torch
from torch import Tensor

__all__ = ["cascade"]


def cascade(audio: Tensor, sections: Tensor, ring: int) -> Tensor:
    """Apply filters one after another to each source, from a state of rest.

    Args:
        audio: float32 ``(sources, channels, samples)``.
        sections: float64 ``(sources, filters, 5)``: ``b0, b1, b2, a1, a2`` of each, ``a0`` being 1.
        ring: Samples for which the longest response sounds on.

    Returns:
        float32 ``(sources, channels, samples)``. The error is rounding of float32, relative to the loudest
        part of the sound.
    """
    samples = audio.shape[-1]
    size = _transform_size(samples + ring)
    spectrum = torch.fft.rfft(audio, n=size)
    response = _response(sections, size).to(torch.complex64)
    filtered: Tensor = torch.fft.irfft(spectrum.mul_(response[:, None]), n=size)[..., :samples]
    return filtered


def _response(sections: Tensor, size: int) -> Tensor:
    """Return the transfer functions ``(sources, size // 2 + 1)`` of filters in a row, in float64.

    In float32 the numerator and denominator of a low corner would be differences of nearly equal numbers.
    """
    omega = torch.arange(size // 2 + 1, dtype=torch.float64, device=sections.device) * (2.0 * math.pi / size)
    delay = torch.polar(torch.ones_like(omega), -omega)
    total = torch.ones((), dtype=torch.complex128, device=sections.device)
    for n in range(sections.shape[1]):
        b0, b1, b2, a1, a2 = (column[:, None] for column in sections[:, n].unbind(-1))
        total = total * (b0 + delay * (b1 + delay * b2)) / (1.0 + delay * (a1 + delay * a2))
    return total


def _transform_size(least: int) -> int:
    """Return the smallest even number from ``least`` on that has no prime factors but 2, 3 and 5."""
    best = 1 << max(math.ceil(math.log2(least)), 1)
    five = 1
    while five < best:
        odd = five
        while odd < best:
            rest = max(-(-least // odd), 2)
            best = min(best, odd << (rest - 1).bit_length())
            odd *= 3
        five *= 5
    return best
