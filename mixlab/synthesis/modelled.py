"""Players that are computed and need no recordings: voices, synthesizers and plucked bowed strings."""

from collections.abc import Callable, Mapping

import numpy as np

from mixlab.synthesis.players import Player
from mixlab.synthesis.plucked import sample_pizzicato, sample_plucked_bass
from mixlab.synthesis.singing import Choir, Singer, sample_voice
from mixlab.synthesis.synthesizers import PatchPlayer, sample_patch, sample_rack
from mixlab.synthesis.synthesizers.keyboards import sample_drawbar_organ, sample_electric_piano
from mixlab.synthesis.synthesizers.patches import FmPatch, Rack, Use

__all__ = ["MODELLED", "ModelledPlayers", "player_for"]


def _singer(sex: str) -> Callable[[np.random.Generator], Player]:
    def sample(rng: np.random.Generator) -> Player:
        # One lead in five is doubled by a second take.
        return Singer(sample_voice(sex, rng), takes=1 + int(rng.random() < 0.2))

    return sample


def _choir(fewest: int, most: int) -> Callable[[np.random.Generator], Player]:
    def sample(rng: np.random.Generator) -> Player:
        women, men = sample_voice("female", rng), sample_voice("male", rng)
        return Choir(women, men, singers=int(rng.integers(fewest, most + 1)))

    return sample


def _synthesizer(*uses: Use) -> Callable[[np.random.Generator], Player]:
    def sample(rng: np.random.Generator) -> Player:
        use = uses[int(rng.integers(len(uses)))]
        return PatchPlayer(sample_patch(use, rng), sample_rack(use, rng))

    return sample


def _keyboard(
    keyboard: Callable[[np.random.Generator], tuple[FmPatch, Rack]],
) -> Callable[[np.random.Generator], Player]:
    def sample(rng: np.random.Generator) -> Player:
        return PatchPlayer(*keyboard(rng))

    return sample


MODELLED: Mapping[str, Callable[[np.random.Generator], Player]] = {
    "female singer": _singer("female"),
    "male singer": _singer("male"),
    "vocalists": _choir(1, 2),
    "choir": _choir(3, 4),
    "synth lead": _synthesizer("lead", "lead", "pluck"),
    "synth pad": _synthesizer("pad"),
    "bass synth": _synthesizer("bass"),
    "electric piano": _keyboard(sample_electric_piano),
    "electronic organ": _keyboard(sample_drawbar_organ),
    "upright bass": sample_plucked_bass,
    "pizzicato strings": sample_pizzicato,
}
"""How a player is sampled, by the key of ``INSTRUMENTS``."""


def player_for(instrument: str, rng: np.random.Generator) -> Player | None:
    """Sample a player: another singer, another patch each time.

    Args:
        instrument: Key of ``INSTRUMENTS``.
        rng: Source of every decision.

    Returns:
        None for an instrument that is not modelled.
    """
    factory = MODELLED.get(instrument)
    return factory(rng) if factory else None


class ModelledPlayers:
    """All modelled players, as a ``PlayerFinder``."""

    def find(self, instrument: str, rng: np.random.Generator) -> Player | None:
        """Return a player for one part; None for an instrument that is not modelled."""
        return player_for(instrument, rng)
