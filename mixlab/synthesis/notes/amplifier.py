"""An electric guitar through a driven amplifier and its loudspeaker."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.filters import cascade, pass_sections, section
from mixlab.audio.saturation import saturate
from mixlab.synthesis.events import Note
from mixlab.synthesis.players import SAMPLE_RATE, Player

__all__ = ["AmplifiedPlayer"]


@dataclass(frozen=True)
class AmplifiedPlayer:
    """A player whose sound drives an amplifier.

    Attributes:
        player: Who plays.
        drive_db: How far the loudest sample is above where the amplifier bends.
    """

    player: Player
    drive_db: float

    def play(self, notes: Sequence[Note], seconds: float, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return the loudspeaker's sound, its peak below full scale."""
        played = self.player.play(notes, seconds, rng)
        if not played.any():
            return played
        dry = played[None]
        tight = [
            *pass_sections("high_pass", 100.0, 2, SAMPLE_RATE),
            section("peak", 800.0, 6.0, 0.6, SAMPLE_RATE),
        ]
        driven = saturate(cascade(dry, tight), SAMPLE_RATE, self.drive_db, 0.1, "soft")
        loudspeaker = [
            *pass_sections("high_pass", 85.0, 2, SAMPLE_RATE),
            section("peak", 2600.0, 5.0, 0.9, SAMPLE_RATE),
            section("peak", 400.0, -3.0, 0.8, SAMPLE_RATE),
            *pass_sections("low_pass", 4800.0, 4, SAMPLE_RATE),
        ]
        out = cascade(driven, loudspeaker)[0]
        peak = float(np.abs(out).max())
        loud: NDArray[np.float32] = out * np.float32(0.9 / peak)
        return loud
