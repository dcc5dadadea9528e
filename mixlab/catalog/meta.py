"""What ``catalog.json`` must hold before anything of it is used: somebody else may have written it."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from mixlab.utils.entries import is_number as _is_number
from mixlab.utils.entries import is_path as _is_path
from mixlab.utils.entries import is_text as _is_text
from mixlab.utils.entries import is_whole as _is_whole

__all__ = ["find_meta_fault"]

_GENERATION = re.compile(r"[0-9a-f]{12}")  # it becomes a part of the names of files


def _is_place(found: object) -> bool:
    return (
        isinstance(found, Mapping)
        and _is_path(found.get("path"))
        and bool(found["path"])
        and _is_path(found.get("relative", ""))
    )


def _is_split(found: object) -> bool:
    return (
        isinstance(found, Mapping)
        and _is_text(found.get("method"))
        and _is_whole(found.get("seed"), -(1 << 63), (1 << 64) - 1)
    )


_Test = Callable[[Any], bool]
_ENTRIES: dict[str, tuple[_Test, str]] = {
    "content_hash": (_is_text, "a text"),
    "base_hash": (_is_text, "a text"),
    "generation": (lambda x: isinstance(x, str) and bool(_GENERATION.fullmatch(x)), "12 hex digits"),
    "roots": (
        lambda x: isinstance(x, Mapping) and all(map(_is_place, x.values())),
        "an object with {path: FOLDER} for each corpus",
    ),
    "split": (_is_split, "an object with 'method', a text, and 'seed', a whole number"),
    "activity_db": (lambda x: _is_number(x) and abs(x) < 1e6, "a finite number of dB"),
    "measure_version": (_is_whole, "a whole number from 0"),
    "hops": (_is_whole, "a whole number from 0"),
    "active_counts": (_is_whole, "a whole number from 0"),
}
_OPTIONAL: dict[str, tuple[_Test, str]] = {
    "follow_links": (lambda x: isinstance(x, bool), "true or false"),
    "subset_of": (lambda x: isinstance(x, list) and all(map(_is_place, x)), "a list of {path: FOLDER}"),
}


def find_meta_fault(meta: Mapping[str, Any]) -> str:
    """Return what is expected of the first entry that is missing or cannot be, and what was found; or ''.

    Args:
        meta: The object that ``catalog.json`` holds.
    """
    for name, (_, expected) in _ENTRIES.items():
        if name not in meta:
            return f"{expected} as {name!r}, found no such entry"
    for name, (is_good, expected) in (_ENTRIES | _OPTIONAL).items():
        if name in meta and not is_good(meta[name]):
            return f"{expected} as {name!r}, found {repr(meta[name])[:200]}"
    return ""
