"""Effects on the sign and the sides of a sound, which leave it what it is.

They are the cheapest augmentations that source separation is trained with: Uhlich et al. 2017 (Improving
music source separation based on deep neural networks through data augmentation and network blending,
ICASSP) swap channels at random, Demucs (Defossez et al. 2019) flips the sign as well.
"""

from dataclasses import dataclass

from mixlab.audio.io import FloatArray
from mixlab.mixing.effects.base import Effect
from mixlab.utils.random import Stream

__all__ = ["Polarity", "SwapChannels"]


@dataclass(frozen=True)
class Polarity(Effect):
    """Every sample with the other sign.

    Example:
        >>> import numpy as np
        >>> from mixlab.mixing.effects import Polarity
        >>> Polarity().apply(np.float32([[0.5, -0.25]]), 16_000).tolist()
        [[-0.5, 0.25]]
    """

    stage = "either"

    @classmethod
    def sample(cls, rng: Stream) -> "Polarity":
        """Return the effect; nothing of it is a matter of chance."""
        return cls()

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        """See ``Effect.apply``."""
        return -audio


@dataclass(frozen=True)
class SwapChannels(Effect):
    """Left is right; a mono sound stays as it is."""

    stage = "either"

    @classmethod
    def sample(cls, rng: Stream) -> "SwapChannels":
        """Return the effect; nothing of it is a matter of chance."""
        return cls()

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        """See ``Effect.apply``."""
        return audio[::-1].copy()
