"""What an item without any instrument sounds like: silence, or the noise of a quiet room or line."""

import math
from dataclasses import dataclass

import numpy as np

from mixlab.audio.io import FloatArray, amplitude
from mixlab.utils.random import Stream

__all__ = ["NoiseFloor"]

SILENT_DB = -96.0
"""Below this level, that of the rounding of 16 bits, a noise floor is digital silence."""

_SLOPES_DB = (-6.0, 0.0)
_LOWEST_HZ = 20.0
_OCTAVE_DB = 20.0 * math.log10(2.0)


@dataclass(frozen=True)
class NoiseFloor:
    """Noise in place of sources.

    Attributes:
        level_db: RMS of every channel in dBFS; below ``SILENT_DB`` there is nothing.
        slope_db: Change of its spectrum in dB per octave: 0 is white, -3 pink, -6 brown. Nothing lies
            below 20 Hz.
        seed: Of the noise.
    """

    level_db: float
    slope_db: float
    seed: int

    @classmethod
    def sample(cls, stream: Stream, level_db: tuple[float, ...]) -> "NoiseFloor":
        """Sample a noise floor: level uniform in dB, slope uniform from brown to white."""
        return cls(stream.uniform(*level_db), stream.uniform(*_SLOPES_DB), stream.below(2**32))

    @property
    def silent(self) -> bool:
        """Whether it is digital silence."""
        return self.level_db < SILENT_DB

    def render(self, channels: int, samples: int, sample_rate: int) -> FloatArray:
        """Return float32 ``(channels, samples)``; the channels are independent of each other."""
        if self.silent:
            return np.zeros((channels, samples), dtype=np.float32)
        white = np.random.default_rng(self.seed).standard_normal((channels, samples), dtype=np.float32)
        hertz = np.fft.rfftfreq(samples, 1.0 / sample_rate)
        shape = np.where(
            hertz < _LOWEST_HZ, 0.0, np.maximum(hertz, _LOWEST_HZ) ** (self.slope_db / _OCTAVE_DB)
        )
        noise = np.fft.irfft(np.fft.rfft(white, axis=1) * shape, samples, axis=1)
        rms = np.sqrt(np.mean(noise**2, axis=1, keepdims=True))
        scaled: FloatArray = (noise * (amplitude(self.level_db) / rms)).astype(np.float32)
        return scaled
