"""Change of sample rate by a whole fraction, exact to the sample: any excerpt is that cut of the whole.

A bank of windowed-sinc filters, one per place that an output sample can have between two input samples
(160 of them from 44.1 to 16 kHz). Each output sample is one product of a row of the bank with the input
around it, always summed in the same order, so that it does not matter where reading began. That is what
lets an excerpt of a file, an excerpt of a pack and the whole file agree bit for bit, which resamplers that
run as streams (soxr, libsamplerate) promise only approximately; it is also several times quicker for
excerpts.

The filter is flat to 91 % of the lower of the two half rates and 100 dB down from as far above it on: what
little folds back lies within the last 9 %. The window is Kaiser's ("Nonrecursive digital filter design using
the I0-sinh window function", 1974).
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mixlab.audio.io import FloatArray, Readable, fit_length, open_audio, read_frames, resample, to_channels
from mixlab.utils.remote import Place

__all__ = ["Bank", "find_bank", "read_resampled", "resample_file", "resample_span"]

PASSBAND = 0.913
"""Edge of the passband, as a part of the lower half rate (as soxr at high quality)."""

STOPBAND_DB = 100.0

_LARGEST_BANK = 1 << 21
"""Values of a filter bank (8 MiB); rates whose fraction needs more go through soxr."""

_LANES = 16

_MARGIN_S = 0.02
"""Read on either side of a span that goes through soxr: more than its filter reaches."""


@dataclass(frozen=True)
class Bank:
    """Filters from one rate to another.

    Attributes:
        up: Numerator of the ratio of rates, in lowest terms: output samples ...
        down: ... per so many input samples.
        rows: float32 ``(up, taps)``: row ``p`` makes the output sample that lies ``p / up`` of the way
            from one input sample to the next.
    """

    up: int
    down: int
    rows: FloatArray

    @property
    def reach(self) -> int:
        """Input samples that an output sample needs before the one it follows."""
        return int(self.rows.shape[1]) // 2 - 1

    def span(self, first: int, samples: int) -> tuple[int, int]:
        """Return first input sample and number of them for output samples ``first`` and following."""
        start = first * self.down // self.up - self.reach
        last = (first + max(samples, 1) - 1) * self.down // self.up - self.reach
        return start, last + int(self.rows.shape[1]) - start

    def outputs(self, frames: int) -> int:
        """Return how many output samples begin within ``frames`` input samples."""
        return -(-frames * self.up // self.down)


@lru_cache(maxsize=32)
def find_bank(from_rate: int, to_rate: int) -> Bank | None:
    """Return the filters from one rate to another in Hz; None where the fraction needs too many."""
    divisor = math.gcd(from_rate, to_rate)
    up, down = to_rate // divisor, from_rate // divisor
    # In units of the input's sample rate; the transition lies around the lower half rate.
    half = 0.5 * min(1.0, to_rate / from_rate)
    width = 2.0 * half * (1.0 - PASSBAND)
    taps = (STOPBAND_DB - 7.95) / (2.285 * 2.0 * math.pi * width)  # Kaiser's estimate
    taps = _LANES * math.ceil(taps / _LANES)
    if up * taps > _LARGEST_BANK:
        return None
    beta = 0.1102 * (STOPBAND_DB - 8.7)
    place = np.arange(up)[:, None] / up
    t = np.arange(taps) - (taps // 2 - 1) - place
    window = np.i0(beta * np.sqrt(np.clip(1.0 - (t / (taps / 2)) ** 2, 0.0, None)))
    rows = np.sinc(2.0 * half * t) * window
    rows = (rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)
    rows.flags.writeable = False
    return Bank(up, down, rows)


def resample_span(audio: FloatArray, bank: Bank, first: int, samples: int) -> FloatArray:
    """Make the output samples ``first`` to ``first + samples - 1`` of a longer sound.

    Args:
        audio: float32 ``(channels, frames)``, C-contiguous: the input samples that
            ``bank.span(first, samples)`` names, no more and no less.
        bank: Filters.
        first: Number of the first output sample, counted from the sound's start; may be negative.
        samples: How many.

    Returns:
        float32 ``(channels, samples)``.
    """
    from mixlab.audio._kernels import resampling as resampling_kernels

    out = np.empty((audio.shape[0], samples), dtype=np.float32)
    if samples:
        resampling_kernels.polyphase(audio, bank.rows, bank.down, first * bank.down % bank.up, out)
    return out


def read_resampled(
    path: Place, rate: int, end: int, start_s: float, samples: int, sample_rate: int, channels: int
) -> FloatArray:
    """Open a file and read a span at another rate; see ``resample_file``.

    Raises:
        AudioError: the file is missing, damaged, or has another rate than ``rate``.
    """
    with open_audio(path) as file:
        return resample_file(file, rate, end, start_s, samples, sample_rate, channels)


def resample_file(
    file: Readable,
    rate: int,
    end: int,
    start_s: float,
    samples: int,
    sample_rate: int,
    channels: int,
) -> FloatArray:
    """Read a span of an open file at another rate, as if the whole file had been resampled and then cut.

    Args:
        file: The file.
        rate: Its sample rate in Hz.
        end: How many of its samples decode.
        start_s: Start in seconds, may be negative; the nearest sample of the result's rate counts.
        samples: Length of the result.
        sample_rate: Rate of the result in Hz.
        channels: Channels of the result.

    Returns:
        float32 ``(channels, samples)``; silence outside the file.

    Raises:
        AudioError: the file is damaged, or has another rate than ``rate``.
    """
    first = round(start_s * sample_rate)
    if rate == sample_rate:
        return _channels_of(read_frames(file, first, samples, sample_rate=rate, end=end), channels)
    bank = find_bank(rate, sample_rate)
    if bank is None:
        return _through_soxr(file, rate, end, first, samples, sample_rate, channels)
    start, frames = bank.span(first, samples)
    audio = _channels_of(read_frames(file, start, frames, sample_rate=rate, end=end), channels)
    return _silence_outside(resample_span(audio, bank, first, samples), first, rate, end, sample_rate)


def _channels_of(frames: FloatArray, channels: int) -> FloatArray:
    """Bring interleaved ``(samples, c)`` to ``(channels, samples)``; see ``to_channels``."""
    if channels == 1 and frames.shape[1] > 1:
        from mixlab.audio._kernels import resampling as resampling_kernels

        out = np.empty((1, len(frames)), dtype=np.float32)
        resampling_kernels.mono(frames, out[0])
        return out
    return np.ascontiguousarray(to_channels(frames.T, channels))


def _silence_outside(out: FloatArray, first: int, rate: int, end: int, sample_rate: int) -> FloatArray:
    """Cut off what a resampler rings beyond the file's ends, in place: outside the file there is silence."""
    out[:, : max(-first, 0)] = 0.0
    out[:, max(math.ceil(end * sample_rate / rate) - first, 0) :] = 0.0
    return out


def _through_soxr(
    file: Readable, rate: int, end: int, first: int, samples: int, sample_rate: int, channels: int
) -> FloatArray:
    """Resample between rates that have no small fraction; excerpts agree with the whole to about 1e-5.

    Reading begins where samples of both rates coincide, or excerpts would lie a part of a sample apart; such
    places can be a second apart, which is read for nothing.
    """
    divisor = math.gcd(rate, sample_rate)
    up, down = sample_rate // divisor, rate // divisor
    margin = math.ceil(_MARGIN_S * sample_rate)
    period = (first - margin) // up
    skipped = first - period * up
    frames = math.ceil((skipped + samples + margin) * rate / sample_rate)
    audio = _channels_of(read_frames(file, period * down, frames, sample_rate=rate, end=end), channels)
    audio = resample(audio, rate, sample_rate)
    out = fit_length(audio[:, skipped:], samples)
    return _silence_outside(out, first, rate, end, sample_rate)
