"""What a medium does to frequencies: a random equaliser curve, the limits of a band, a telephone."""

from dataclasses import dataclass, field

import numpy as np

from mixlab.audio.convolution import convolve, curve_response
from mixlab.audio.filters import cascade, pass_sections
from mixlab.audio.io import FloatArray, fit_length, resample
from mixlab.mixing.effects.base import Effect, Range, value_info
from mixlab.utils.random import Stream

__all__ = ["BandLimit", "EqCurve", "Telephone"]

_OCTAVES_HZ = tuple(62.5 * 2.0**n for n in range(9))
"""Centres of the equaliser's bands, from 62.5 Hz to 16 kHz."""

_TELEPHONE_RATE = 8000
_MU = 255.0


@dataclass(frozen=True)
class EqCurve(Effect):
    """A curve of gains, one per octave from 62.5 Hz to 16 kHz; its phase is the least that it can have.

    Attributes:
        gains_db: Nine gains; between the octaves they follow straight lines.
    """

    stage = "either"
    gains_db: tuple[float, ...] = field(metadata=value_info("gains from 62.5 Hz, per octave", "dB"))

    @classmethod
    def sample(cls, rng: Stream, step_db: Range = (-4.0, 4.0), most_db: float = 9.0) -> "EqCurve":
        """Sample a walk over the octaves, each a step from the one below, around a mean of 0 dB."""
        walk = np.cumsum([rng.uniform(*step_db) for _ in _OCTAVES_HZ])
        return cls(tuple(float(gain) for gain in np.clip(walk - walk.mean(), -most_db, most_db)))

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        """See ``Effect.apply``."""
        return convolve(audio, curve_response(_OCTAVES_HZ[: len(self.gains_db)], self.gains_db, sample_rate))


@dataclass(frozen=True)
class BandLimit(Effect):
    """The band that a medium lets pass, by Butterworth filters of 24 dB per octave.

    Attributes:
        low_hz: Lower limit, 3 dB down.
        high_hz: Upper limit, 3 dB down; one above 0.45 of the sample rate is brought down to that.
    """

    stage = "either"
    low_hz: float = field(metadata=value_info("from", "Hz", 1.0, 20000.0))
    high_hz: float = field(metadata=value_info("to", "Hz", 100.0, 1e6))

    @classmethod
    def sample(
        cls, rng: Stream, low_hz: Range = (30.0, 250.0), high_hz: Range = (2500.0, 7000.0)
    ) -> "BandLimit":
        """Sample two limits, log-uniform."""
        return cls(rng.log_uniform(*low_hz), rng.log_uniform(*high_hz))

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        """See ``Effect.apply``."""
        low = pass_sections("high_pass", self.low_hz, 4, sample_rate)
        return cascade(audio, [*low, *pass_sections("low_pass", self.high_hz, 4, sample_rate)])


@dataclass(frozen=True)
class Telephone(Effect):
    """A telephone line: 300 to 3400 Hz (ITU-T G.712), 8 kHz, eight bits by the mu-law (ITU-T G.711).

    Attributes:
        low_hz: Lower limit of the band.
        high_hz: Upper limit, below 4 kHz.
    """

    stage = "either"
    low_hz: float = field(metadata=value_info("from", "Hz", 50.0, 1000.0))
    high_hz: float = field(metadata=value_info("to", "Hz", 1500.0, 3900.0))

    @classmethod
    def sample(
        cls, rng: Stream, low_hz: Range = (250.0, 350.0), high_hz: Range = (3000.0, 3500.0)
    ) -> "Telephone":
        """Sample two limits, uniform."""
        return cls(rng.uniform(*low_hz), rng.uniform(*high_hz))

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        """See ``Effect.apply``; levels of the line are those of the sound, whose peak is its full scale."""
        limited = BandLimit(self.low_hz, self.high_hz).apply(audio, sample_rate)
        peak = float(np.abs(limited).max(initial=0.0))
        if peak == 0.0:
            return limited
        line = resample(limited / np.float32(peak), sample_rate, _TELEPHONE_RATE)
        code = np.round(np.log1p(_MU * np.abs(line).clip(0.0, 1.0)) / np.log1p(_MU) * 127.0) / 127.0
        line = (np.sign(line) * np.expm1(code * np.log1p(_MU)) / _MU * peak).astype(np.float32)
        return fit_length(resample(line, _TELEPHONE_RATE, sample_rate), audio.shape[1])
