"""Whether the entries of a file of plain data are what they should be, before any of them is used.

Somebody else may have written the file, or a disk may have damaged it. What stands in it is compared with a
table from dotted names to kinds; an entry that is not there is told by name when it is asked for.
"""

import math
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import yaml

from mixlab.utils.values import LARGEST_SEED

__all__ = [
    "LARGEST",
    "NUMBER",
    "OBJECT",
    "PATH",
    "SEED",
    "SWITCH",
    "TEXT",
    "WHOLE",
    "Entries",
    "Kind",
    "each",
    "find_fault",
    "is_number",
    "is_path",
    "is_text",
    "is_whole",
    "list_of",
    "or_null",
]

LARGEST = 1 << 48
"""Largest whole number that a size or a count may be."""

_LONGEST_PATH, _LONGEST_NAME = 3000, 255  # characters, and bytes: systems allow 4,095 bytes and 255


def is_text(found: object) -> bool:
    """Tell whether it is a text that files and messages can hold: no lone surrogate in it, and no NUL."""
    if not isinstance(found, str) or "\0" in found:
        return False
    try:
        found.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_whole(found: object, low: int = 0, high: int = LARGEST) -> bool:
    """Tell whether it is a whole number within bounds."""
    return isinstance(found, int) and not isinstance(found, bool) and low <= found <= high


def is_number(found: object) -> bool:
    """Tell whether it is a finite number that a float can be."""
    if isinstance(found, bool) or not isinstance(found, int | float):
        return False
    try:
        return math.isfinite(float(found))
    except OverflowError:
        return False


def is_path(found: object) -> bool:
    """Tell what a system can take for a path: else looking for it raises errors of other kinds."""
    if not isinstance(found, str) or "\0" in found or len(found) > _LONGEST_PATH:
        return False
    try:
        return all(len(os.fsencode(part)) <= _LONGEST_NAME for part in found.split("/"))
    except UnicodeEncodeError:
        return False


class Kind(NamedTuple):
    """What an entry should be: a test of its value, and what it is in words."""

    holds: Callable[[Any], bool]
    words: str


TEXT = Kind(is_text, "a text")
WHOLE = Kind(is_whole, "a whole number from 0")
SEED = Kind(lambda x: is_whole(x, 0, LARGEST_SEED), "a whole number from 0 to 2**63 - 1")
NUMBER = Kind(is_number, "a finite number")
SWITCH = Kind(lambda x: isinstance(x, bool), "true or false")
PATH = Kind(is_path, "a path")
OBJECT = Kind(lambda x: isinstance(x, Mapping) and all(map(is_text, x)), "an object")


def each(kind: Kind) -> Kind:
    """Return the kind of an object all of whose values are of a kind."""
    return Kind(
        lambda x: OBJECT.holds(x) and all(map(kind.holds, x.values())), f"an object of {kind.words} each"
    )


def list_of(kind: Kind) -> Kind:
    """Return the kind of a list all of whose entries are of a kind."""
    return Kind(lambda x: isinstance(x, list) and all(map(kind.holds, x)), f"a list of {kind.words} each")


def or_null(kind: Kind) -> Kind:
    """Return the kind of what may be null, as NaN is written."""
    return Kind(lambda x: x is None or kind.holds(x), f"{kind.words} or null")


def find_fault(data: Mapping[str, Any], kinds: Mapping[str, Kind]) -> str:
    """Return what is expected of the first entry that is there and cannot be, and what was found; or ''.

    Args:
        data: What a file holds.
        kinds: By the dotted name of an entry; what holds others stands before them.
    """
    for name, kind in kinds.items():
        found: Any = data
        for part in name.split("."):
            found = found.get(part, _ABSENT) if isinstance(found, Mapping) else _ABSENT
        if found is not _ABSENT and not kind.holds(found):
            return f"{kind.words} as {name!r}, found {repr(found)[:200]}"
    return ""


_ABSENT = object()


class Entries(dict[str, Any]):
    """An object of a file, which tells what it lacks by name.

    Args:
        data: The object; objects in it become such, too.
        refuse: Makes the error that says an entry is missing, from its dotted name.
        place: Dotted name of the object itself; '' for that of the whole file.
    """

    def __init__(
        self,
        data: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
        refuse: Callable[[str], Exception] = KeyError,
        place: str = "",
    ) -> None:
        self._refuse, self._place = refuse, place
        super().__init__(
            {
                name: Entries(x, refuse, f"{place}{name}.") if isinstance(x, Mapping) else x
                for name, x in dict(data).items()
            }
        )

    def __missing__(self, name: str) -> Any:  # noqa: ANN401 - there is none
        raise self._refuse(f"{self._place}{name}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Be pickled and copied as a plain dict: errors are told where the file was read."""
        return dict, (dict(self),)


yaml.SafeDumper.add_representer(Entries, lambda dumper, entries: dumper.represent_dict(entries))
