"""The phase vocoder of ``mixlab.audio.phase_vocoder`` on a batch of sources.

The same algorithm with the same rules, arranged for a device that does much at once: all transforms, peaks,
regions and attacks of all frames of all sources come first. Left is what each frame needs of the one before.
A rotation of ``previous output / earlier frame`` is the previous rotation times ``previous frame / earlier
frame``, of which only the first factor is not known beforehand. So a bin's phase is a phase of the previous
frame, looked up at the bin's peak, plus a number: one look-up and one addition per frame.

Phases are 32-bit integers, a full turn being 2**32: they wrap as angles do, and do not drift.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import pad

from mixlab.audio._kernels.vocoder import ATTACK_FRAMES, ATTACK_RISE
from mixlab.audio.phase_vocoder import OVERLAP

__all__ = ["Spans", "stretch"]

_QUARTER_TURN, _HALF_TURN = 1 << 30, -(1 << 31)

# Memory that a block of frames may take: some of a processor's, or of a GPU's, as it can do much at once.
_BLOCK_BYTES = {"cpu": 64 << 20, "cuda": 4 << 30}
_BYTES_PER_SAMPLE = 100


@dataclass(frozen=True)
class Spans:
    """What is stretched to what; one value per source.

    Attributes:
        lengths: int64 ``(sources,)``: samples that there are.
        needed: int64 ``(sources,)``: samples to make.
        factors: float64 ``(sources,)``: tempo change.
        bins: int64 ``(sources,)``: number of the lowest bins of each spectrum to keep.
    """

    lengths: Tensor
    needed: Tensor
    factors: Tensor
    bins: Tensor


def stretch(audio: Tensor, spans: Spans, most: int, size: int, *, block: int | None = None) -> Tensor:
    """Play each source faster or slower at the same pitch.

    Args:
        audio: float32 ``(sources, channels, samples)``, zero after the end of a source.
        spans: Lengths and factors, on the same device as ``audio``.
        most: Largest of ``spans.needed``.
        size: Length of a frame in samples, a power of two.
        block: Frames to work on at a time, which bounds the memory and changes nothing else.

    Returns:
        float32 ``(sources, channels, most)``, zero after the end of a source.
    """
    hop = size // OVERLAP
    count, channels, _ = audio.shape
    frames = math.ceil((most + size // 2) / hop) + (size // 2 - 1) // hop
    block = block or max(_BLOCK_BYTES[audio.device.type] // (_BYTES_PER_SAMPLE * count * channels * size), 1)
    starts, padded = _place_frames(audio, spans, frames, size)
    out = audio.new_zeros((frames + OVERLAP - 1, count, channels, hop))
    state = _State.at_rest(count, channels, size // 2 + 1, audio.device)
    for begin in range(0, frames, block):
        turned = _turn_frames(padded, starts[begin : begin + block], spans, size, state)
        parts = (torch.fft.irfft(turned, n=size) * _window(size, 0.375 * OVERLAP, audio.device)).split(
            hop, -1
        )
        for n in reversed(range(OVERLAP)):
            out[begin + n : begin + n + len(turned)] += parts[n]
    made = out.permute(1, 2, 0, 3).flatten(-2)[..., (size // 2 - 1) // hop * hop + size // 2 :][..., :most]
    inside = torch.arange(most, device=audio.device) < spans.needed[:, None]
    return made * inside[:, None]


@lru_cache(maxsize=8)
def _window(size: int, divisor: float, device: torch.device) -> Tensor:
    """Return Hann's window, divided, as ``mixlab.audio.phase_vocoder`` rounds it."""
    turns = 2.0 * math.pi * torch.arange(size, dtype=torch.float64) / size
    return ((0.5 - 0.5 * torch.cos(turns)) / divisor).to(torch.float32).to(device)


def _place_frames(audio: Tensor, spans: Spans, count: int, size: int) -> tuple[Tensor, Tensor]:
    """Return where frames begin, int64 ``(frames, sources)``, in the padded sound, and that."""
    hop = size // OVERLAP
    lead = (size // 2 - 1) // hop
    front = (lead + 1) * hop
    numbers = torch.arange(-lead, count - lead, dtype=torch.float64, device=audio.device)[:, None]
    # Frames before the first sample stand where they do in the output: what comes before is silence.
    steps = torch.where(numbers < 0, torch.full_like(spans.factors, hop), hop * spans.factors)
    centres = torch.round(numbers * steps).to(torch.int64)
    starts = torch.minimum(centres, spans.lengths + size // 2) + front
    return starts, pad(audio, (front + size // 2, size + size // 2 + hop))


Planes = tuple[Tensor, Tensor]
"""Real and imaginary parts, each float32 ``(frames, sources, channels, bins)``, which is quicker apart."""


@dataclass
class _State:
    """What the next frame needs of the one before.

    Attributes:
        previous: Spectrum of its input, ``(1, sources, channels, bins)``.
        phases: int32 ``(sources, bins + 1)``: by how much its bins were turned; the last one by nothing.
        fresh: int8 ``(sources, bins + 1)``: for how many more frames a bin carries on its own phase.
    """

    previous: Planes
    phases: Tensor
    fresh: Tensor

    @classmethod
    def at_rest(cls, sources: int, channels: int, bins: int, device: torch.device) -> "_State":
        """Return the state before the first frame."""
        silence = torch.zeros((1, sources, channels, bins), device=device)
        phases = torch.zeros((sources, bins + 1), dtype=torch.int32, device=device)
        return cls((silence, silence), phases, torch.zeros_like(phases, dtype=torch.int8))


def _turn_frames(padded: Tensor, starts: Tensor, spans: Spans, size: int, state: _State) -> Tensor:
    """Return output spectra, complex64 ``(frames, sources, channels, bins)``, and move the state on."""
    earlier, now = (_transform(padded, begin, size) for begin in (starts - size // OVERLAP, starts))
    power, before = _power(now), _power(earlier)
    peaks = _find_peaks(power, spans.bins)
    attacks = _look_up(_rises(power, before), peaks)
    known, advance = _advances(_one_before(now, state.previous), earlier)
    state.previous = now[0][-1:], now[1][-1:]
    phases = _carry_phases(peaks, attacks, known, advance, state)
    angles = phases.to(torch.float32).mul_(math.pi / 2**31)[:, :, None]
    kept = (torch.arange(size // 2 + 1, device=padded.device) < spans.bins[:, None])[:, None].float()
    cos, sin = angles.cos().mul_(kept), angles.sin().mul_(kept)
    return torch.complex(now[0] * cos - now[1] * sin, now[0] * sin + now[1] * cos)


def _transform(padded: Tensor, starts: Tensor, size: int) -> Planes:
    """Return the spectra of the frames at ``starts``."""
    places = padded.unfold(-1, size, 1)
    source = torch.arange(len(padded), device=padded.device)
    spectra = torch.fft.rfft(places[source, :, starts] * _window(size, 1.0, padded.device))
    return spectra.real.contiguous(), spectra.imag.contiguous()


def _one_before(now: Planes, previous: Planes) -> Planes:
    """Return each frame's predecessor."""
    return torch.cat([previous[0], now[0][:-1]]), torch.cat([previous[1], now[1][:-1]])


def _power(spectra: Planes) -> Tensor:
    """Return power over all channels, float32 ``(frames, sources, bins)``."""
    real, imag = spectra
    power = torch.addcmul(real * real, imag, imag)
    return power.sum(2) if power.shape[2] > 1 else power[:, :, 0]


def _find_peaks(power: Tensor, bins: Tensor) -> Tensor:
    """Return for each bin the peak that it turns with, int64 ``(frames, sources, bins + 1)``.

    Peaks are local maxima over five bins; regions meet in the middle between two of them. A bin without a
    peak has the number of bins, which stands for a bin of its own at the end that never turns.
    """
    count = power.shape[-1]
    wide = pad(power, (2, 2))
    flags = (power > wide[..., :-4]) & (power > wide[..., 1:-3])
    flags &= (power >= wide[..., 3:-1]) & (power >= wide[..., 4:])
    place = torch.arange(count, dtype=torch.int32, device=power.device)
    kept = place < bins[:, None]
    flags &= kept
    ones = flags.to(torch.int32)
    # The last peak up to a bin, counted from 1, and the next from it on, counted from the end; 0 for none.
    last = torch.cummax(ones * (place + 1), -1).values
    after = torch.cummax((ones * (count - place)).flip(-1), -1).values.flip(-1)
    below, above = last - 1, count - after
    upper = ((2 * place >= below + above) & (after > 0)) | (last == 0)
    peaks = below + upper.to(torch.int32) * (above - below)
    return pad(peaks.masked_fill_(~kept, count), (0, 1), value=count).to(torch.int64)


def _look_up(values: Tensor, peaks: Tensor) -> Tensor:
    """Return for each bin the value at its peak; nothing where it has none."""
    return pad(values, (0, 1)).gather(-1, peaks)


def _rises(power: Tensor, before: Tensor) -> Tensor:
    """Tell at which bins the power of the five around has grown as in an attack."""
    now, past = (_sum_five(pad(values, (2, 2))) for values in (power, before))
    return now >= ATTACK_RISE * past


def _sum_five(wide: Tensor) -> Tensor:
    total = wide[..., :-4] + wide[..., 1:-3]
    for n in (2, 3):
        total += wide[..., n : n - 4]
    return total.add_(wide[..., 4:])


def _advances(past: Planes, earlier: Planes) -> tuple[Tensor, Tensor]:
    """Return how far each bin turns against the frame before it, over all channels.

    Returns:
        bool ``(frames, sources, bins)``, False where nothing is there to turn; and int32, the turn.
    """
    (ar, ai), (br, bi) = past, earlier
    real, imag = (ar * br).addcmul_(ai, bi).sum(2), (ai * br).sub_(ar * bi).sum(2)
    known = torch.addcmul(real * real, imag, imag) > 1e-37
    turns = torch.atan2(imag, real).mul_(2.0**31 / math.pi)
    # Half a turn is one more than fits.
    return known, turns.clamp_(-(2.0**31), 2.0**31 - 128.0).to(torch.int32)


def _carry_phases(peaks: Tensor, attacks: Tensor, known: Tensor, advance: Tensor, state: _State) -> Tensor:
    """Return by how much each bin of each frame is turned, int32 ``(frames, sources, bins)``."""
    still = peaks.shape[-1] - 1
    own = _own_phases(peaks, attacks, state)
    place = torch.arange(still + 1, device=peaks.device)
    origins = peaks + own.to(torch.int64) * (place - peaks)
    origins.masked_fill_(attacks | ~_look_up(known, origins), still)
    advance = _look_up(advance, origins)
    phases = torch.empty((len(peaks) + 1, *peaks.shape[1:]), dtype=torch.int32, device=peaks.device)
    phases[0] = state.phases
    # 0 Hz and half the sample rate are real: they can but change their sign.
    ends = phases[:, :, : still : still - 1]
    for i in range(len(peaks)):
        torch.gather(phases[i], 1, origins[i], out=phases[i + 1])
        phases[i + 1].add_(advance[i])
        ends[i + 1].add_(_QUARTER_TURN).bitwise_and_(_HALF_TURN)
    state.phases = phases[-1].clone()
    turned = phases[1:, :, :still].clone()
    # What they are turned by is the part of their region's rotation that is real.
    at_ends = (slice(None), slice(None), slice(0, still, still - 1))
    turned[at_ends] = phases[:-1].gather(-1, origins[at_ends]).add_(advance[at_ends])
    return turned


def _own_phases(peaks: Tensor, attacks: Tensor, state: _State) -> Tensor:
    """Tell, as int8, which bins carry on their own phase for having had an attack shortly before."""
    own = torch.empty(peaks.shape, dtype=torch.int8, device=peaks.device)
    renewed = attacks.to(torch.int8).mul_(ATTACK_FRAMES)
    for i in range(len(peaks)):
        torch.clamp(state.fresh.gather(1, peaks[i]), 0, 1, out=own[i])
        torch.maximum(state.fresh.sub_(own[i]), renewed[i], out=state.fresh)
    return own
