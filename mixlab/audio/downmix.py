"""What a model is given of a file, mono or stereo, and what is lost on the way there."""

import numpy as np

from mixlab.audio.faults import CANCELS_DB, cancels
from mixlab.audio.io import HOP_S, FloatArray, check_peak, hop_edges, to_channels
from mixlab.audio.levels import decibels, hop_power
from mixlab.errors import AudioError

__all__ = ["Downmix"]


class Downmix:
    """Brings the blocks of a file to the channels of a model, and remembers what gets lost.

    Args:
        name: The file's name, for messages.
        sample_rate: Of the file, in Hz.
        gate_db: Level in dBFS from which on its channels sound.
        channels: Of the model: 1 takes the mean of all, 2 the file's own two, or its single one twice.

    Attributes:
        sample_rate: Of the file, in Hz.
        channels: Of what ``take`` returns.
        cancelled_s: Seconds in which the channels sound, but cancel each other in mono.
        loudest_db: RMS level in dBFS of the loudest of these, over all channels.
        bad: Samples that were not finite and read as 0.
        frames: Samples per channel that were taken.
    """

    def __init__(self, name: str, sample_rate: int, gate_db: float, channels: int = 1) -> None:
        """Start with nothing heard."""
        self._name, self.sample_rate, self._gate_db, self.channels = name, sample_rate, gate_db, channels
        self.cancelled_s = 0.0
        self.loudest_db = -np.inf
        self.bad = 0
        self.frames = 0

    def take(self, block: FloatArray) -> FloatArray:
        """Return the next block, ``(channels, samples)`` of the file, with the channels of the model.

        Raises:
            AudioRangeError: a sample lies beyond what sound has.
            AudioError: the model takes stereo, and the file has more than two channels.
        """
        block = self._clean(block)
        if self.channels == 1:
            mono = np.ascontiguousarray(to_channels(block, 1))
            if len(block) > 1 and block.shape[1]:
                self._compare(np.ascontiguousarray(block), mono)
            return mono
        if len(block) not in (1, self.channels):
            raise AudioError(
                f"Expected 1 or {self.channels} channels at {self._name}, found {len(block)}: the model "
                "takes stereo, and which of these belong together nobody says. Convert the file.",
                code="channels-mismatch",
            )
        return np.ascontiguousarray(to_channels(block, self.channels))

    def _clean(self, block: FloatArray) -> FloatArray:
        self.frames += block.shape[1]
        finite = np.isfinite(block)
        if not finite.all():
            self.bad += int(np.count_nonzero(~finite))
            block = np.where(finite, block, np.float32(0.0))
        check_peak(self._name, max(float(block.max(initial=0.0)), -float(block.min(initial=0.0))))
        return block

    def _compare(self, block: FloatArray, mono: FloatArray) -> None:
        samples = block.shape[1]
        edges = hop_edges(samples, self.sample_rate)
        sides_db, mono_db = (
            decibels(hop_power(audio, 0, samples, len(edges), self.sample_rate * HOP_S))
            for audio in (block, mono)
        )
        lost = (sides_db >= self._gate_db) & cancels(mono_db, sides_db)
        if lost.any():
            self.cancelled_s += float(np.diff(np.append(edges, samples))[lost].sum()) / self.sample_rate
            self.loudest_db = max(self.loudest_db, float(sides_db[lost].max()))

    def notes(self) -> tuple[str, ...]:
        """Say what was lost, a sentence each."""
        said = []
        if self.cancelled_s >= HOP_S / 2:
            said.append(
                f"its channels cancel each other in mono for {self.cancelled_s:.1f} s, in which they reach "
                f"{self.loudest_db:.0f} dBFS: the model, which takes mono, is given "
                f"{-CANCELS_DB:g} dB less or nothing (turn the polarity of one channel over, or tag one "
                "channel)"
            )
        if self.bad:
            said.append(f"{self.bad} of its samples are NaN or infinite: they count as silence")
        return tuple(said)
