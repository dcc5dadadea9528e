"""Several players of one part, each a little out of tune and of time with the others."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixlab.synthesis.events import Note
from mixlab.synthesis.players import SAMPLE_RATE, Player

__all__ = ["SectionPlayer"]


@dataclass(frozen=True)
class SectionPlayer:
    """Players in unison, each of the notes within its own range.

    Attributes:
        members: The pitches that each can play, and the player.
    """

    members: tuple[tuple[frozenset[int], Player], ...]

    def play(self, notes: Sequence[Note], seconds: float, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return the sum of the members, its peak below full scale."""
        out = np.zeros(round(seconds * SAMPLE_RATE), np.float32)
        for (pitches, player), stream in zip(self.members, rng.spawn(len(self.members)), strict=True):
            out += player.play([note for note in notes if note.pitch in pitches], seconds, stream)
        peak = float(np.abs(out).max(initial=0.0))
        return out * np.float32(0.9 / peak) if peak > 0.9 else out
