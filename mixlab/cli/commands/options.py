"""Options that several commands share."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mixlab.errors import ConfigError

if TYPE_CHECKING:
    from mixlab.mixing.config import MixConfig

__all__ = ["parse_pairs", "settings_for_split"]


def parse_pairs(values: Sequence[str] | None, option: str) -> dict[str, str]:
    """Turn ``NAME=PATH`` options into a dictionary, in their order; a path may be a URL.

    Raises:
        ConfigError: a value has no ``=``, an empty side, or a name that came before.
    """
    pairs: dict[str, str] = {}
    for value in values or ():
        name, equals, path = value.partition("=")
        if not equals or not name or not path:
            raise ConfigError(
                f"{option} takes NAME=PATH, such as medleydb=/data/MedleyDB; found {value!r}.",
                code="malformed-option",
            )
        if name in pairs:
            raise ConfigError(
                f"{option} names {name!r} twice: {pairs[name]} and {path}.", code="repeated-option"
            )
        pairs[name] = path
    return pairs


def settings_for_split(config: "MixConfig", split: str, evaluation: bool | None) -> "MixConfig":
    """Return the settings that mixes of a split are sampled by.

    Args:
        config: As they were given.
        split: The split.
        evaluation: Whether as for evaluation; None for what is usual for the split.
    """
    return config.for_evaluation() if (split != "train" if evaluation is None else evaluation) else config
