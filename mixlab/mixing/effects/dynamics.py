"""Compressor, limiter and saturation. Their thresholds follow the sound's own level, whatever it is."""

import math
from dataclasses import dataclass, field

import numpy as np

from mixlab.audio.dynamics import compress, limit
from mixlab.audio.io import FloatArray
from mixlab.audio.noise import mean_square
from mixlab.audio.saturation import Shape, saturate
from mixlab.mixing.effects.base import Effect, Range, value_info
from mixlab.utils.random import Stream

__all__ = ["Compressor", "Limiter", "Saturation"]


@dataclass(frozen=True)
class Compressor(Effect):
    """Turns down what is louder than a threshold; nothing is turned up (``mixlab.audio.dynamics``).

    Attributes:
        threshold_db: Above the mean power of the sound.
        ratio: Decibels above the threshold that become one.
        attack_ms: Time constant of a falling gain.
        release_ms: Time constant of a rising gain.
    """

    stage = "either"
    threshold_db: float = field(metadata=value_info("threshold over the mean", "dB", -60.0, 60.0))
    ratio: float = field(metadata=value_info("ratio", ": 1", 1.0, 100.0))
    attack_ms: float = field(metadata=value_info("attack", "ms", 0.1, 1000.0))
    release_ms: float = field(metadata=value_info("release", "ms", 1.0, 5000.0))

    @classmethod
    def sample(
        cls,
        rng: Stream,
        threshold_db: Range = (-10.0, 3.0),
        ratio: Range = (2.0, 6.0),
        attack_ms: Range = (2.0, 40.0),
        release_ms: Range = (50.0, 300.0),
    ) -> "Compressor":
        """Sample a compressor: uniform in dB, log-uniform in the rest."""
        return cls(
            rng.uniform(*threshold_db),
            rng.log_uniform(*ratio),
            rng.log_uniform(*attack_ms),
            rng.log_uniform(*release_ms),
        )

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        """See ``Effect.apply``."""
        power = mean_square(audio)
        if power == 0.0:
            return audio.copy()
        return compress(
            audio,
            sample_rate,
            threshold_db=10.0 * math.log10(power) + self.threshold_db,
            ratio=self.ratio,
            attack_ms=self.attack_ms,
            release_ms=self.release_ms,
        )


@dataclass(frozen=True)
class Limiter(Effect):
    """Brings every peak below a ceiling, without clipping.

    Attributes:
        below_peak_db: How far the ceiling lies below the highest peak of the sound.
        release_ms: Time constant with which the gain rises again.
    """

    stage = "either"
    below_peak_db: float = field(metadata=value_info("ceiling below the peak", "dB", 0.0, 60.0))
    release_ms: float = field(metadata=value_info("release", "ms", 1.0, 5000.0))

    @classmethod
    def sample(
        cls, rng: Stream, below_peak_db: Range = (1.0, 10.0), release_ms: Range = (30.0, 200.0)
    ) -> "Limiter":
        """Sample a limiter: uniform in dB, log-uniform in time."""
        return cls(rng.uniform(*below_peak_db), rng.log_uniform(*release_ms))

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        """See ``Effect.apply``."""
        peak = float(np.abs(audio).max(initial=0.0))
        if peak == 0.0:
            return audio.copy()
        ceiling_db = 20.0 * math.log10(peak) - self.below_peak_db
        return limit(audio, sample_rate, ceiling_db, release_ms=self.release_ms)[0]


@dataclass(frozen=True)
class Saturation(Effect):
    """Overtones of a curve that bends or clips; the mean power stays (``mixlab.audio.saturation``).

    Attributes:
        shape: ``soft`` (hyperbolic tangent: tape, valves) or ``hard`` (clipping).
        drive_db: Peak of the sound over the bend of the curve.
        bias: Offset before the curve: 0 makes odd overtones only.
    """

    stage = "either"
    shape: Shape = field(metadata=value_info("curve"))
    drive_db: float = field(metadata=value_info("drive", "dB", -40.0, 60.0))
    bias: float = field(metadata=value_info("bias", "", -1.0, 1.0))

    @classmethod
    def sample(
        cls,
        rng: Stream,
        shapes: tuple[Shape, ...] = ("soft", "hard"),
        drive_db: Range = (0.0, 18.0),
        bias: Range = (-0.3, 0.3),
    ) -> "Saturation":
        """Sample a curve, a drive and a bias, each uniform."""
        return cls(rng.choice(shapes), rng.uniform(*drive_db), rng.uniform(*bias))

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        """See ``Effect.apply``."""
        return saturate(audio, sample_rate, self.drive_db, self.bias, self.shape)
