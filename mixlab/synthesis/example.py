"""Short songs to try a tagger on: composed and played here, so they are nobody's but yours.

They use seeds that no demo corpus has, so a model that was trained on those has never heard them.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mixlab.audio.io import FloatArray
from mixlab.errors import ConfigError
from mixlab.synthesis.ensembles import Ensemble, line_up
from mixlab.synthesis.plan import sample_sound
from mixlab.synthesis.stems import render_song
from mixlab.synthesis.synth import SAMPLE_RATE, Room, Sound, default_soundfont, require_synthesizer

__all__ = ["EXAMPLES", "EXAMPLE_S", "Example", "render_example"]

EXAMPLE_S = 24.0
_TAIL_S = 1.0
_SEED = 7_310_944
_PEAK = 0.8


@dataclass(frozen=True)
class Example:
    """A song to be rendered; it has what ``render_song`` needs.

    Attributes:
        ensemble: Style and parts.
        sounds: One per part.
        room: The room of the song.
        seed: Key of the random stream that composes it.
    """

    ensemble: Ensemble
    sounds: tuple[Sound, ...]
    room: Room
    seed: tuple[int, ...]

    @property
    def instruments(self) -> tuple[str, ...]:
        """What plays, in the composer's words."""
        return tuple(dict.fromkeys(part.instrument for part in self.ensemble.parts))


def _example(number: int, ensemble: Ensemble) -> Example:
    rng = np.random.default_rng([_SEED, number])
    sounds = tuple(sample_sound(part, rng) for part in ensemble.parts)
    return Example(ensemble, sounds, Room(0.5, int(rng.integers(2**31))), (_SEED, number, 1))


EXAMPLES: dict[str, Example] = {
    "Band": _example(
        0,
        Ensemble("pop", "Pop", line_up(
            "drum set/drums", "electric bass/bass", "piano/comp", "female singer/lead",
            "clean electric guitar/arp")),
    ),
    "Duo": _example(1, Ensemble("classical", "Classical", line_up("violin/lead", "piano/comp"))),
    "Quintet": _example(
        2,
        Ensemble("jazz", "Jazz", line_up(
            "trumpet/lead", "tenor saxophone/answer", "piano/comp", "upright bass/bass", "drum set/drums")),
    ),
}  # fmt: skip
"""Songs by name."""


@lru_cache(maxsize=len(EXAMPLES))
def render_example(name: str) -> tuple[FloatArray, int]:
    """Compose and play one of ``EXAMPLES``; the same name gives the same samples.

    Returns:
        Audio float32 ``(2, samples)`` of ``EXAMPLE_S`` seconds, read-only, and its rate in Hz.

    Raises:
        ConfigError: there is no example of that name.
        MissingDependencyError: the synthesizer is not installed.
    """
    if name not in EXAMPLES:
        raise ConfigError(
            f"Expected one of the examples {', '.join(EXAMPLES)}, got {name!r}.", code="invalid-setting"
        )
    require_synthesizer()
    example = EXAMPLES[name]
    stems = render_song(example, EXAMPLE_S, default_soundfont(), [2] * len(example.sounds), _TAIL_S).stems
    audio = np.asarray(np.sum(stems, axis=0), np.float32)
    audio *= np.float32(_PEAK / max(float(np.abs(audio).max()), 1e-9))
    audio.setflags(write=False)
    return audio, SAMPLE_RATE
