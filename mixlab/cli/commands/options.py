"""Options that several commands share."""

from collections.abc import Sequence
from pathlib import Path

from mixlab.errors import ConfigError

__all__ = ["parse_pairs"]


def parse_pairs(values: Sequence[str] | None, option: str) -> dict[str, Path]:
    """Turn ``NAME=PATH`` options into a dictionary, in their order.

    Raises:
        ConfigError: a value has no ``=``, an empty side, or a name that came before.
    """
    pairs: dict[str, Path] = {}
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
        pairs[name] = Path(path)
    return pairs
