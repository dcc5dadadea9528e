"""Our own pitch and time engine: a phase vocoder without a single call to a trigonometric function.

A stretch reads two frames of the input one *synthesis* hop apart. What a partial's phase did between
them is what it has to do between two output frames, so a rotation of the spectrum by the complex
number ``previous output / earlier frame`` carries the phase on: no angle is ever computed or unwrapped
(Laroche and Dolson 1999, with the frame pair of Puckette 1995). One rotation is found per spectral peak
and turns its whole region (identity phase locking, same paper), and a region whose energy jumps up
between the two frames is an attack: it keeps the phases of the input, which is what makes a click a
click (after Roebel 2003, who decides by a centre of gravity). Pitch is the same stretch next to a
resampling; the stretch also drops the bins that would end up above half the sample rate.

The work is done by ``mixlab.audio._kernels.vocoder``, compiled by numba, without the GIL.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType

import numpy as np

from mixlab.audio.io import FloatArray

__all__ = ["Vocoder"]

# Frames of 64 ms keep attacks sharp and hold partials apart that lie 60 Hz apart or more; hops are a
# quarter of that, the least overlap at which squared Hann windows sum to a constant.
FRAME_S = 0.064
OVERLAP = 4

# Resampling: places between two samples that the filter is known for, the shape of its window, and where it
# falls to a half, as a part of half the sample rate.
_STEPS = 2048
_KAISER_BETA = 5.5
_CUTOFF = 0.93


def _kernels() -> ModuleType:
    """Import the kernels when they are needed: numba takes its time."""
    from mixlab.audio._kernels import vocoder as vocoder_kernels

    return vocoder_kernels


def _aligned(*shape: int) -> FloatArray:
    """Return an empty array that begins with a cache line, which is worth a tenth of the time."""
    buffer = np.empty(math.prod(shape) + 16, np.float32)
    start = -(buffer.ctypes.data // 4) % 16
    return buffer[start : start + math.prod(shape)].reshape(shape)


@lru_cache(maxsize=1)
def _filters() -> FloatArray:
    """Return the windowed sinc for every place between two samples, ``(places + 1, taps)``."""
    place = np.arange(_STEPS + 1)[:, None] / _STEPS
    taps = _kernels().TAPS
    t = np.arange(taps) - (taps // 2 - 1) - place
    window = np.i0(_KAISER_BETA * np.sqrt(np.clip(1.0 - (t / (taps // 2)) ** 2, 0.0, None)))
    rows = np.sinc(_CUTOFF * t) * window
    filters = _aligned(*rows.shape)
    filters[:] = rows / rows.sum(axis=1, keepdims=True)
    return filters


def _play(audio: FloatArray, ratio: float) -> FloatArray:
    """Play ``(channels, samples)`` ``ratio`` times as fast; leaves the low-pass to the stretch."""
    kernels = _kernels()
    channels, samples = audio.shape
    wanted = math.ceil(samples / ratio)
    made = -(-wanted // 4) * 4
    head = kernels.TAPS // 2 - 1
    padded = np.zeros((channels, samples + 2 * kernels.TAPS + math.ceil(4 * ratio)), np.float32)
    padded[:, head : head + samples] = audio
    out = np.empty((channels, made), np.float32)
    kernels.resample(padded, ratio, _filters(), out)
    return out[:, :wanted]


# --- Engine ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Plan:
    """Windows and twiddle factors of one frame size."""

    size: int
    hop: int
    windows: FloatArray
    twiddles: FloatArray


@lru_cache(maxsize=8)
def _plan(size: int) -> _Plan:
    hann = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(size) / size)
    # Half for taking two real spectra apart; the sum of squared windows; the inverse transform.
    windows = np.stack([0.5 * hann, hann / (0.375 * OVERLAP * size)]).astype(np.float32)
    quarter = np.arange(size // 4)
    tables = []
    for position in (quarter, quarter // 4 * 4):
        turns = np.exp(-2j * np.pi * np.outer([1, 2, 3], position) / size)
        tables.append(np.stack([turns.real, turns.imag], axis=1).ravel())
    twiddles = _aligned(2, 6 * len(quarter))
    twiddles[:] = tables
    return _Plan(size, size // OVERLAP, windows, twiddles)


def _change_length(audio: FloatArray, factor: float, samples: int, top: float, plan: _Plan) -> FloatArray:
    """Return ``samples`` samples of ``audio`` played ``factor`` times as fast at the same pitch.

    ``top`` is the highest frequency to keep, as a part of half the sample rate.
    """
    size, hop = plan.size, plan.hop
    channels, length = audio.shape
    lead = (size // 2 - 1) // hop
    count = math.ceil((samples + size // 2) / hop) + lead
    count += count % 2
    # Frames before the first sample stand where they do in the output: what comes before is silence.
    numbers = np.arange(-lead, count - lead)
    centres = np.round(np.where(numbers < 0, numbers * hop, numbers * (hop * factor))).astype(np.int64)
    pad = (lead + 1) * hop
    padded = np.zeros((channels, pad + length + 2 * size + hop), np.float32)
    padded[:, pad + size // 2 : pad + size // 2 + length] = audio
    out = np.zeros((channels, (count - 1) * hop + size), np.float32)
    # Rows a little apart: streams at the same place within 4 KiB pages get into each other's way.
    scratch = _aligned(4, size + 64)
    starts = np.minimum(centres, length + size // 2) + pad
    _kernels().stretch(
        padded, starts, hop, int(top * size / 2) + 1, plan.windows, plan.twiddles, scratch, out
    )
    origin = lead * hop + size // 2
    return out[:, origin : origin + samples]


class Vocoder:
    """Changes pitch and duration with the phase vocoder that this module describes.

    Holds no sound between calls: it may be shared by threads, and lets them run by releasing the GIL.

    Args:
        frame_s: Length of a frame in seconds; the power of two of samples nearest to it is taken. Longer
            frames (0.128) keep low, close chords cleaner and attacks less sharp.
    """

    def __init__(self, frame_s: float = FRAME_S) -> None:
        """Choose the frame."""
        self._frame_s = frame_s

    def process(self, audio: FloatArray, sample_rate: int, semitones: float, rate: float) -> FloatArray:
        """Return ``audio`` shifted by ``semitones`` and played ``rate`` times as fast.

        Args:
            audio: float32 ``(channels, samples)``. All channels get the same phase rotations, so the
                stereo image stays.
            sample_rate: In Hz.
            semitones: Pitch change, -24 to 24.
            rate: Tempo change, 0.25 to 4.

        Returns:
            float32 ``(channels, round(samples / rate))``. Sample ``n`` holds what sounded at sample
            ``n * rate`` of the input; nothing is cut off at the head or the tail.
        """
        ratio = 2.0 ** (semitones / 12.0)
        samples = round(audio.shape[1] / rate)
        audio = np.ascontiguousarray(audio, dtype=np.float32)
        if samples == 0:
            return np.zeros((audio.shape[0], 0), np.float32)
        # A higher pitch is stretched in any case: that takes away what it moves past half the sample rate.
        if ratio > 1.0 or not math.isclose(rate, ratio, rel_tol=1e-9):
            size = max(64, 2 ** round(math.log2(self._frame_s * sample_rate)))
            needed = math.ceil(samples * ratio) + 1
            audio = _change_length(audio, rate / ratio, needed, min(1.0, 1.0 / ratio), _plan(size))
        if ratio != 1.0:
            audio = _play(audio, ratio)
        missing = max(samples - audio.shape[1], 0)
        return np.pad(audio, ((0, 0), (0, missing))) if missing else audio[:, :samples].copy()
