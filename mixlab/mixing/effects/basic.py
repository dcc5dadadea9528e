"""The effects of Bradl, Huber and Pernkopf 2023, section 2.3, which are fused when they are applied.

Amplitude scaling, three filters (high shelf, low shelf, peaking), pitch shifting and time stretching.
"""

from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

import numpy as np

from mixlab.audio.filters import FilterKind, Section, cascade, section
from mixlab.audio.io import FloatArray, amplitude
from mixlab.audio.time_pitch import (
    DEFAULT_ENGINE,
    FASTEST_RATE,
    LONGEST_SEMITONES,
    SLOWEST_RATE,
    get_engine,
)
from mixlab.mixing.effects.base import Effect, Range, value_info
from mixlab.utils.random import Stream

__all__ = ["Gain", "HighShelf", "LowShelf", "Peak", "PitchShift", "TimeStretch"]

F = TypeVar("F", bound="_Filter")

# What is sampled by default; the paper leaves it open.
GAIN_DB: Range = (-9.0, 6.0)
FILTER_DB: Range = (-12.0, 12.0)
FILTER_Q: Range = (0.5, 2.0)
LOW_SHELF_HZ: Range = (60.0, 800.0)
HIGH_SHELF_HZ: Range = (1500.0, 6000.0)
PEAK_HZ: Range = (100.0, 6000.0)
SEMITONES: Range = (-2.0, 2.0)
STRETCH_RATE: Range = (0.8, 1.25)


# Limits in recipes are far beyond that: outside, filters are none, or unstable.
@dataclass(frozen=True)
class Gain(Effect):
    """Amplitude scaling: +6.02 dB doubles every sample.

    Example:
        >>> import numpy as np
        >>> from mixlab.mixing.effects import Gain
        >>> Gain(20.0).apply(np.float32([[0.1, -0.2]]), 16_000).round(2).tolist()
        [[1.0, -2.0]]
    """

    gain_db: float = field(metadata=value_info("gain", "dB", -200.0, 200.0))

    @classmethod
    def sample(cls, rng: Stream, db: Range = GAIN_DB) -> "Gain":
        """Sample a gain, uniform in dB."""
        return cls(rng.uniform(*db))

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        """See ``Effect.apply``."""
        return audio * np.float32(amplitude(self.gain_db))


@dataclass(frozen=True)
class _Filter(Effect):
    """A second-order filter, applied from a state of rest.

    Attributes:
        frequency_hz: Corner or centre; one above 0.45 of the sample rate is brought down to that.
        gain_db: Gain where the filter acts, in dB.
        q: Quality factor.
    """

    kind: ClassVar[FilterKind]
    usual_hz: ClassVar[Range]
    frequency_hz: float = field(metadata=value_info("frequency", "Hz", 1.0, 1e6))
    gain_db: float = field(metadata=value_info("gain", "dB", -200.0, 200.0))
    q: float = field(metadata=value_info("quality factor", "Q", 0.01, 100.0))

    @classmethod
    def sample(
        cls: type[F], rng: Stream, hz: Range | None = None, db: Range = FILTER_DB, q: Range = FILTER_Q
    ) -> F:
        """Sample a filter: log-uniform in frequency and ``q``, uniform in dB."""
        return cls(rng.log_uniform(*(hz or cls.usual_hz)), rng.uniform(*db), rng.log_uniform(*q))

    def section(self, sample_rate: int) -> Section:
        """Return the filter's coefficients at a sample rate in Hz."""
        return section(self.kind, self.frequency_hz, self.gain_db, self.q, sample_rate)

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        """See ``Effect.apply``."""
        return cascade(audio, [self.section(sample_rate)])


class LowShelf(_Filter):
    """Low shelf: ``gain_db`` well below ``frequency_hz``, nothing well above it."""

    kind, usual_hz = "low_shelf", LOW_SHELF_HZ


class HighShelf(_Filter):
    """High shelf: ``gain_db`` well above ``frequency_hz``, nothing well below it."""

    kind, usual_hz = "high_shelf", HIGH_SHELF_HZ


class Peak(_Filter):
    """Peaking filter: ``gain_db`` at ``frequency_hz``, bandwidth by ``q``."""

    kind, usual_hz = "peak", PEAK_HZ


@dataclass(frozen=True)
class PitchShift(Effect):
    """Pitch change in semitones; the duration stays."""

    changes_pitch_or_time = True
    semitones: float = field(metadata=value_info("pitch", "semitones", -LONGEST_SEMITONES, LONGEST_SEMITONES))

    @classmethod
    def sample(cls, rng: Stream, semitones: Range = SEMITONES) -> "PitchShift":
        """Sample a shift, uniform in semitones, fractions included."""
        return cls(rng.uniform(*semitones))

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        """See ``Effect.apply``; by the default engine."""
        return get_engine(DEFAULT_ENGINE).process(audio, sample_rate, self.semitones, 1.0)


@dataclass(frozen=True)
class TimeStretch(Effect):
    """Tempo change: ``rate`` 1.25 plays 1.25 times as fast; the pitch stays."""

    changes_pitch_or_time = True
    rate: float = field(metadata=value_info("tempo", "times as fast", SLOWEST_RATE, FASTEST_RATE))

    @classmethod
    def sample(cls, rng: Stream, rate: Range = STRETCH_RATE) -> "TimeStretch":
        """Sample a rate, log-uniform."""
        return cls(rng.log_uniform(*rate))

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        """Return float32 ``(channels, about samples / rate)``; by the default engine."""
        return get_engine(DEFAULT_ENGINE).process(audio, sample_rate, 0.0, self.rate)
