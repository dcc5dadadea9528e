"""Divide clips by group: cut a part off, take a share, each class as evenly as its groups allow.

Pure functions over rows of a ``ClipSet``. The *home* of a group is the rarest class it holds: a group of
several classes is counted there, where it is needed most.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from mixlab.corpora.clips.base import ClipSet
from mixlab.utils.random import open_stream

__all__ = ["NO_CLASS", "cap_rows", "cut_groups", "homes", "share_of_rows"]

NO_CLASS = -1
"""Home of groups that hold none of the classes."""


def homes(clips: ClipSet, rows: Sequence[int]) -> dict[str, int]:
    """Return the home of every group among some rows: the column of its rarest class, else ``NO_CLASS``.

    The rarest is the one that the fewest groups hold, of equals the first.
    """
    held: dict[str, set[int]] = {}
    for row in rows:
        held.setdefault(clips.clips[row].group, set()).update(np.flatnonzero(clips.targets[row]).tolist())
    groups = Counter(column for columns in held.values() for column in columns)
    return {
        group: min(columns, key=lambda column: (groups[column], column), default=NO_CLASS)
        for group, columns in held.items()
    }


def cut_groups(clips: ClipSet, rows: Sequence[int], fraction: float, seed: int, purpose: str) -> list[int]:
    """Return the rows of whole groups that are cut off: of each class as close to a share as groups allow.

    Of a class with two groups or more at least one is cut and at least one stays; a lone group stays.

    Args:
        clips: The clips.
        rows: What is divided.
        fraction: Share of the clips of each class that is cut.
        seed: Another seed cuts other groups.
        purpose: ``test`` or ``validation``: each has an order of its own.
    """
    cut: set[str] = set()
    for _, groups in _ordered(clips, rows, seed, purpose):
        cut.update(_nearest(groups, fraction))
    return [row for row in rows if clips.clips[row].group in cut]


def share_of_rows(clips: ClipSet, rows: Sequence[int], fraction: float, seed: int) -> list[int]:
    """Return the rows of a share of each class's clips, whole groups; smaller shares are subsets."""
    if fraction >= 1:
        return list(rows)
    kept: set[str] = set()
    for _, groups in _ordered(clips, rows, seed, "share"):
        total, seen = sum(groups.values()), 0
        for group, count in groups.items():
            if seen and seen + count / 2 > fraction * total:
                break
            kept.add(group)
            seen += count
    return [row for row in rows if clips.clips[row].group in kept]


def cap_rows(clips: ClipSet, rows: Sequence[int], most: int, seed: int) -> list[int]:
    """Return at most so many rows of each class: whole groups, the last of them as far as there is room.

    A row counts for every class that it holds, whatever else its group holds; those of none count together.
    """
    if not most:
        return list(rows)
    order = {
        group: place
        for _, groups in _ordered(clips, rows, seed, "share")
        for place, group in enumerate(groups)
    }
    taken: Counter[int] = Counter()
    kept = []
    for row in sorted(rows, key=lambda row: (order[clips.clips[row].group], row)):
        columns = np.flatnonzero(clips.targets[row]).tolist() or [NO_CLASS]
        if all(taken[column] < most for column in columns):
            taken.update(columns)
            kept.append(row)
    return sorted(kept)


def _ordered(
    clips: ClipSet, rows: Sequence[int], seed: int, purpose: str
) -> list[tuple[int, Mapping[str, int]]]:
    """Return for each class its groups, in an order of their own, with their numbers of clips."""
    home = homes(clips, rows)
    counts = Counter(clips.clips[row].group for row in rows)
    by_class: dict[int, list[str]] = defaultdict(list)
    for group in sorted(home):
        by_class[home[group]].append(group)
    return [(column, _shuffled(groups, counts, seed, purpose)) for column, groups in sorted(by_class.items())]


def _shuffled(groups: Iterable[str], counts: Mapping[str, int], seed: int, purpose: str) -> dict[str, int]:
    # Each group has a place of its own, so that others may come and go without moving it.
    places = {group: open_stream(seed, 0, 0, f"clips {purpose} {group}").unit() for group in groups}
    return {group: counts[group] for group in sorted(places, key=lambda group: (places[group], group))}


def _nearest(groups: Mapping[str, int], fraction: float) -> list[str]:
    """Return the first groups that come closest to a share: at least one of several, never all."""
    names = list(groups)
    if len(names) < 2:
        return []
    wanted = fraction * sum(groups.values())
    sizes = np.cumsum([groups[name] for name in names])[:-1]
    return names[: int(np.argmin(np.abs(sizes - wanted))) + 1]
