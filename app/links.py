"""Links: a query that reopens exactly one mix, and what a page checks when it is opened by one."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias
from urllib.parse import urlencode

__all__ = [
    "BY_P",
    "MIX_KINDS",
    "PAPER",
    "SPLITS",
    "Allowed",
    "Between",
    "Item",
    "Link",
    "RunLocation",
    "bad_values",
    "bypass_pairs",
    "make_query",
    "read_link",
]

BY_P = "by p_musical"
PAPER = "paper"
"""The preset of effects that mixes have by default."""
MIX_KINDS = (BY_P, "musical", "non-musical", "matched")
SPLITS = ("train", "validation", "test")


class RunLocation(NamedTuple):
    """A run on disk; the times of its files' last changes make the caches forget what was there before."""

    name: str
    path: str
    modified_ns: tuple[int, ...]

    @property
    def is_scored(self) -> bool:
        """Whether there are predictions to look at."""
        return self.modified_ns[1] > 0


@dataclass(frozen=True)
class Item:
    """What decides a mix, in plain values: they key the caches and travel in links.

    Attributes:
        p: ``p_musical``.
        seed: Seed of the stream.
        index: Item of its epoch 0.
        split: One of ``SPLITS``.
        mix_kind: One of ``MIX_KINDS``: by ``p``, or the kind that is forced.
        bypass: Effects left out, as pairs of source and effect, counted from 0.
        run: The run whose settings sample it, and whose own recipe it is where it was scored on it; None
            for the defaults.
        preset: Effects of training mixes that no run samples, by the name of their preset.
        settings: All other settings of mixes that no run samples, as ``app.settings.encode`` returns them.
    """

    p: float
    seed: int
    index: int
    split: str
    mix_kind: str = BY_P
    bypass: tuple[tuple[int, int], ...] = ()
    run: RunLocation | None = None
    preset: str = PAPER
    settings: str = ""


class Link(NamedTuple):
    """What a link says beyond the controls: hashes of the catalog and of the recipe; '' when it does not."""

    catalog: str = ""
    mix: str = ""


def make_query(
    item: Item,
    contains: Sequence[str],
    bypass: Sequence[str],
    catalog_hash: str,
    mix_hash: str,
    *,
    run: str = "",
) -> str:
    """Return the query of a link, values that are defaults today included, since defaults may change.

    Args:
        item: What is looked at.
        contains: Classes and instruments that are looked for.
        bypass: Names of the effects left out, as their buttons have them.
        catalog_hash: Hash of the catalog, so that no other one answers the link.
        mix_hash: Hash of the recipe, so that another one is noticed.
        run: Name of the run whose settings sample it, or ''.
    """
    values: dict[str, object] = {
        "p": f"{item.p:g}",
        "seed": item.seed,
        "index": item.index,
        "split": item.split,
        "mix_kind": item.mix_kind,
        "effects": item.preset,
    }
    if item.settings:
        values["settings"] = item.settings
    if contains:
        values["contains"] = list(contains)
    if bypass:
        values["bypass"] = list(bypass)
    if run:
        values["from_run"] = run
    return urlencode(values | {"catalog": catalog_hash, "mix": mix_hash}, doseq=True)


def read_link(query: Mapping[str, str]) -> Link:
    """Return what a query says about catalog and recipe."""
    return Link(query.get("catalog", ""), query.get("mix", ""))


class Between(NamedTuple):
    """Numbers that an address may have for a control, ends included."""

    low: float
    high: float


Allowed: TypeAlias = Between | Sequence[str]
"""What an address may have for a control: numbers of a range, or one or several of some words."""


def bad_values(query: Mapping[str, Sequence[str]], allowed: Mapping[str, Allowed]) -> tuple[str, ...]:
    """Return what of a query no control can take, in words: each value, and what was expected.

    Args:
        query: All values by key.
        allowed: What controls take; other keys are not looked at.
    """
    said = []
    for key, expected in allowed.items():
        for value in query.get(key, ()):
            if isinstance(expected, Between):
                if not _lies_between(value, expected):
                    said.append(f"{key}={value} (expected {expected.low:g} to {expected.high:g})")
            elif value not in expected:
                shown = ", ".join(expected[:8]) + (" ..." if len(expected) > 8 else "")
                said.append(f"{key}={value} (expected {shown})")
    return tuple(said)


def _lies_between(value: str, expected: Between) -> bool:
    try:
        return expected.low <= float(value) <= expected.high
    except ValueError:
        return False


def bypass_pairs(names: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Return source and effect, counted from 0, of buttons such as ``1.2 piano: gain 3 dB``.

    Effects on the mixture, ``0.1 mixture: ...``, have the source -1.
    """
    found = (re.match(r"(\d{1,6})\.(\d{1,6}) ", name) for name in names)
    return tuple(sorted((int(m[1]) - 1, int(m[2]) - 1) for m in found if m))
