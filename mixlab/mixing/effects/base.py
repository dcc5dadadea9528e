"""What an effect is: a class that samples its values first and applies them later, without randomness."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from mixlab.audio.io import FloatArray
from mixlab.utils.random import Stream

__all__ = ["Effect", "Range", "Stage", "value_info"]

Stage = Literal["source", "mixture"]
"""What an effect is applied to: each source by itself, or their sum."""

Range = tuple[float, float]
"""The lowest and the highest value that may be sampled, in the unit of the setting."""


class Effect:
    """Base of all effects. A subclass is a frozen dataclass; its fields are the values that recipes hold.

    Fields are numbers, texts, true or false, or tuples of these. What an effect needs of chance, ``sample``
    turns into values (noise: into the seed of a generator), so that ``apply`` always gives the same.

    Attributes:
        stage: ``source`` for an effect on each source, ``mixture`` for one on the sum of them, ``either`` for
            one that serves as both: where it is named, ``stage`` says which (each source by default).
        changes_pitch_or_time: Such an effect is for sources of non-musical mixes only: those of a musical
            mix would no longer fit together.
        adds_other_sound: What it adds is not the instrument's: noise in a pause makes no label unknown.
    """

    stage: ClassVar[Stage | Literal["either"]] = "source"
    changes_pitch_or_time: ClassVar[bool] = False
    adds_other_sound: ClassVar[bool] = False

    @classmethod
    def stages(cls) -> tuple[Stage, ...]:
        """Return where the effect may stand, its default first."""
        return ("source", "mixture") if cls.stage == "either" else (cls.stage,)

    @classmethod
    def sample(cls, rng: Stream) -> "Effect":
        """Return an effect with random values; all chance comes from ``rng``.

        What a subclass takes besides, by keyword and with a default, are the settings of the effect.
        """
        raise NotImplementedError

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        """Return ``audio``, float32 ``(channels, samples)``, changed; the array passed in stays as it is.

        It has the same shape; only the built-in time stretch changes the length.
        """
        raise NotImplementedError

    @classmethod
    def content_hash(cls, settings: Mapping[str, Any]) -> str:
        """Return a short hash of what values depend on besides ``rng``, as a folder's files; '' if nothing.

        Where it has changed, the same seed samples other values: a saved position is refused, and a training
        does not go on.

        Args:
            settings: Those that ``sample`` is given.
        """
        return ""

    def shortfall(self, audio: FloatArray, sample_rate: int) -> str:
        """Say in words what an effect on the mixture could not do as its values ask; '' if nothing.

        ``Mix.notes`` has it. An effect that always does what it is asked for leaves this as it is.

        Args:
            audio: What ``apply`` returned, float32 ``(channels, samples)``.
            sample_rate: In Hz.
        """
        return ""


def value_info(title: str, unit: str = "", low: float = -math.inf, high: float = math.inf) -> dict[str, Any]:
    """Return the ``metadata`` of an effect's field: what people read of it, and what a recipe may hold.

    Without it, a value is shown by its name (``rate_hz`` as *rate* in Hz) and has no limits.
    """
    return {"title": title, "unit": unit, "range": (low, high)}
