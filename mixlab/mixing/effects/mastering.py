"""Mastering of the mixture."""

import math
from dataclasses import dataclass, field

from mixlab.audio.io import FloatArray
from mixlab.audio.loudness import loudness_lufs
from mixlab.audio.mastering import Mastered, MasteringChain, is_reached, master
from mixlab.mixing.effects.base import Effect, Range, value_info
from mixlab.utils.random import Stream

__all__ = ["Mastering"]


@dataclass(frozen=True)
class Mastering(Effect):
    """Equaliser, glue compression, and a limiter to a target loudness (``mixlab.audio.mastering``).

    The target is not reached where the limiter would have to turn a peak down by more than
    ``most_limiting_db``; ``result`` says whether it was, and ``Mix.notes`` of a rendered mix.

    Attributes:
        low_db: Low shelf at 120 Hz.
        presence_db: Broad peak at 3 kHz.
        high_db: High shelf at 8 kHz.
        ratio: Of the compression.
        target_lufs: Integrated loudness to reach.
        ceiling_db: Highest level of a sample.
        most_limiting_db: By how much the limiter may turn a peak down.
    """

    stage = "mixture"
    low_db: float = field(metadata=value_info("low shelf", "dB", -24.0, 24.0))
    presence_db: float = field(metadata=value_info("presence", "dB", -24.0, 24.0))
    high_db: float = field(metadata=value_info("high shelf", "dB", -24.0, 24.0))
    ratio: float = field(metadata=value_info("ratio", ": 1", 1.0, 20.0))
    target_lufs: float = field(metadata=value_info("target", "LUFS", -70.0, 0.0))
    ceiling_db: float = field(metadata=value_info("ceiling", "dBFS", -60.0, 0.0))
    most_limiting_db: float = field(metadata=value_info("most limiting", "dB", 0.0, 60.0))

    @classmethod
    def sample(
        cls,
        rng: Stream,
        eq_db: Range = (-3.0, 3.0),
        ratio: Range = (1.3, 2.5),
        target_lufs: Range = (-20.0, -9.0),
        ceiling_db: float = -1.0,
        most_limiting_db: float = 9.0,
    ) -> "Mastering":
        """Sample the gains of the equaliser, the ratio and the target, each uniform."""
        low, presence, high = (rng.uniform(*eq_db) for _ in range(3))
        return cls(
            low,
            presence,
            high,
            rng.uniform(*ratio),
            rng.uniform(*target_lufs),
            ceiling_db,
            most_limiting_db,
        )

    def result(self, audio: FloatArray, sample_rate: int) -> Mastered:
        """Return the mastered sound with its loudness, and whether the target was reached."""
        chain = MasteringChain(
            self.low_db,
            self.presence_db,
            self.high_db,
            self.ratio,
            self.target_lufs,
            self.ceiling_db,
            self.most_limiting_db,
        )
        return master(audio, sample_rate, chain)

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        """See ``Effect.apply``."""
        return self.result(audio, sample_rate).audio

    def shortfall(self, audio: FloatArray, sample_rate: int) -> str:
        """See ``Effect.shortfall``: a loudness that is not the target."""
        found = loudness_lufs(audio, sample_rate)
        if not math.isfinite(found):
            return (
                f"mastering found no loudness to bring to its target of {self.target_lufs:.1f} LUFS, in "
                "silence or in less than 0.4 s"
            )
        if is_reached(found, self.target_lufs):
            return ""
        return (
            f"mastering came to {found:.1f} LUFS, its target is {self.target_lufs:.1f}: its limiter takes no "
            f"more than {self.most_limiting_db:g} dB (most_limiting_db)"
        )
