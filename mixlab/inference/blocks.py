"""A signal that comes in blocks ``(channels, samples)``: its rate, its windows, its level."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import soxr
from numpy.typing import NDArray

from mixlab.audio.io import FLOOR_DB, FloatArray
from mixlab.audio.levels import FRAME_S, FRAMES_PER_HOP, frame_energies

__all__ = ["Meter", "Progress", "at_rate", "cut_windows", "metered", "moment_edges", "peak_gain"]

Progress = Callable[[float], None]
"""Called with the seconds that were done since the last call."""


def peak_gain(blocks: Iterable[FloatArray]) -> float:
    """Return what brings a signal's peak to full scale, as far as clips are lifted in training."""
    from mixlab.training.clips.reading import LEAST_PEAK

    peak = max((float(np.abs(block).max(initial=0.0)) for block in blocks), default=0.0)
    return 1.0 / max(peak, LEAST_PEAK)


def at_rate(blocks: Iterator[FloatArray], rate: int, sample_rate: int, channels: int) -> Iterator[FloatArray]:
    """Bring blocks ``(channels, samples)`` from one rate to another, in Hz."""
    if rate == sample_rate:
        yield from blocks
        return
    # One a channel: they are of the same length, and mono is what it always was.
    streams = [
        soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="HQ") for _ in range(channels)
    ]
    for block in blocks:
        yield np.stack([stream.resample_chunk(row) for stream, row in zip(streams, block, strict=True)])
    rest = np.zeros(0, np.float32)
    yield np.stack([stream.resample_chunk(rest, last=True) for stream in streams])


def cut_windows(blocks: Iterator[FloatArray], window: int, hop: int) -> Iterator[tuple[int, FloatArray]]:
    """Yield ``(start, samples)`` every hop, and one flush with the end; a short signal once, padded."""
    held, first, following = np.zeros((1, 0), np.float32), 0, 0
    for block in blocks:
        held = np.concatenate([held, block], axis=1) if held.shape[1] else block
        while following + window <= first + held.shape[1]:
            yield following, held[:, following - first : following - first + window].copy()
            following += hop
        # The last window's worth stays, for the one that is flush with the end.
        drop = max(min(following, first + held.shape[1] - window) - first, 0)
        held, first = held[:, drop:], first + drop
    end = first + held.shape[1]
    if 0 < end < window:
        yield 0, np.pad(held, ((0, 0), (0, window - end)))
    elif end and following - hop + window < end:
        yield end - window, held[:, -window:].copy()


class Meter:
    """Measures levels of a signal that comes in blocks; of stereo the mean power of its channels."""

    def __init__(self, sample_rate: int) -> None:
        """Start with nothing measured; ``sample_rate`` in Hz."""
        self.samples = 0
        self._frame = max(round(FRAME_S * sample_rate), 1)
        self.sample_rate = sample_rate
        self._rest = np.zeros((1, 0), np.float32)
        self._energies: list[NDArray[np.float64]] = []

    def add(self, block: FloatArray) -> None:
        """Measure the next block."""
        self.samples += block.shape[1]
        signal = np.concatenate([self._rest, block], axis=1) if self._rest.shape[1] else block
        hop = self._frame * FRAMES_PER_HOP
        whole = signal.shape[1] // hop * hop
        self._energies.append(self._measure(signal[:, :whole]))
        self._rest = signal[:, whole:]

    def _measure(self, signal: FloatArray) -> NDArray[np.float64]:
        energies = [frame_energies(channel, self._frame) for channel in signal]
        return np.asarray(np.mean(energies, axis=0)) if len(energies) > 1 else energies[0]

    def levels_db(self, edges_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the RMS level in dBFS between neighbouring edges, to within a frame of ``FRAME_S``."""
        rest = self._measure(self._rest)
        total = np.concatenate([[0.0], np.cumsum(np.concatenate([*self._energies, rest]))])
        places = np.minimum(np.rint(edges_s * self.sample_rate / self._frame).astype(int), len(total) - 1)
        places[-1] = len(total) - 1
        samples = np.maximum(np.diff(np.minimum(places * self._frame, self.samples)), 1)
        power = np.maximum(np.diff(total[places]) / samples, 10 ** (FLOOR_DB / 10))
        return np.asarray(10 * np.log10(power))


def metered(blocks: Iterator[FloatArray], meter: Meter, progress: Progress | None) -> Iterator[FloatArray]:
    """Yield the blocks, measured, and say how many seconds of them are done."""
    for block in blocks:
        meter.add(block)
        yield block
        if progress is not None:
            progress(block.shape[1] / meter.sample_rate)


def moment_edges(starts_s: NDArray[np.float64], window_s: float, duration_s: float) -> NDArray[np.float64]:
    """Return the ``(K + 1,)`` bounds of the moments: half-way between the middles of the windows."""
    middles = starts_s + window_s / 2
    return np.concatenate([[0.0], (middles[1:] + middles[:-1]) / 2, [duration_s]])
