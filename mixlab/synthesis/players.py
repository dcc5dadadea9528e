"""Who plays a part: what recorded notes, singing voices and synthesizers have in common."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mixlab.synthesis.events import Note
from mixlab.synthesis.synth import SAMPLE_RATE

__all__ = ["SAMPLE_RATE", "Player", "PlayerFinder"]


class Player(Protocol):
    """Plays the notes of one part; the room, the equaliser and the level come later, from the song."""

    def play(self, notes: Sequence[Note], seconds: float, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return the dry sound of a part.

        Args:
            notes: What is played, in order of start. What lies beyond ``seconds`` is left out.
            seconds: Length of the result; a note that still sounds there is faded out.
            rng: Source of every decision: the same notes and stream give the same samples.

        Returns:
            float32 ``(samples,)``, mono at ``SAMPLE_RATE``, of exactly ``round(seconds * SAMPLE_RATE)``
            samples. Without notes it is silent. Levels between notes are those of the instrument; the
            level of the whole means nothing, but no sample is beyond 1.
        """
        ...


class PlayerFinder(Protocol):
    """Knows who can play an instrument: a library of recorded notes, say, or a synthesizer."""

    def find(self, instrument: str, rng: np.random.Generator) -> Player | None:
        """Return a player for one part.

        Args:
            instrument: Key of ``mixlab.synthesis.instruments.INSTRUMENTS``.
            rng: Decides among several (another singer, another patch).

        Returns:
            None where there is none for this instrument.
        """
        ...
