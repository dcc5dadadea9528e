"""Scores by what mixes are made of: corpus, polyphony, level, kind, whether another class sounds.

A model is good or bad at something: these tables say at what. Intervals are over songs, as everywhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mixlab.evaluation.arrays import Bools, Floats
from mixlab.evaluation.bootstrap import MIN_SONGS
from mixlab.evaluation.cells import Cells
from mixlab.evaluation.measured import Score, measure
from mixlab.evaluation.metrics import METRICS
from mixlab.evaluation.thresholding import SplitTable
from mixlab.utils.yaml import load_json

__all__ = [
    "ABSENT",
    "LEVEL_EDGES_DB",
    "PRESENT",
    "Subset",
    "by_class",
    "by_facts",
    "by_level",
    "subset_scores",
]

LEVEL_EDGES_DB = (-24.0, -18.0, -12.0, -6.0)
"""Edges of the subsets by level, of the sources of a class relative to the whole mix, in dB."""

PRESENT, ABSENT = "with", "without"
"""Before the name of another class: subsets by whether it is known to sound."""

Rows = NDArray[np.int64]
_METRICS = ("precision", "recall", "f1")
_MICRO = ("micro_precision", "micro_recall", "micro_f1")


@dataclass(frozen=True)
class Subset:
    """Scores of some mixes of a split.

    Attributes:
        name: What is common to them.
        items: How many mixes.
        songs: Songs that they are of.
        positives: Of one class: mixes that are known to hold it; over all classes: present cells.
        precision: Of the class, or of all known cells (micro).
        recall: Likewise.
        f1: Likewise; with an interval where ``MIN_SONGS`` songs hold positives.
    """

    name: str
    items: int
    songs: int
    positives: int
    precision: Score
    recall: Score
    f1: Score


def subset_scores(
    table: SplitTable,
    decisions: Bools,
    groups: Mapping[str, Rows],
    column: int | None = None,
) -> tuple[Subset, ...]:
    """Score subsets of a split.

    Args:
        table: The split.
        decisions: ``(N, C)`` what is predicted.
        groups: Rows of ``table`` by the name of the subset; a row may be in several.
        column: One class; None for all known cells together.

    Returns:
        One per group that has rows, in their order.
    """
    cells = replace(table.cells, decisions=decisions)
    return tuple(
        _score(name, _take(cells, rows), table.weights, column) for name, rows in groups.items() if len(rows)
    )


def _take(cells: Cells, rows: Rows) -> Cells:
    # The songs keep their numbers, so that the resamples of the split are those of every subset.
    return replace(
        cells,
        scores=cells.scores[rows],
        decisions=cells.decisions[rows],
        present=cells.present[rows],
        known=cells.known[rows],
        song=cells.song[rows],
    )


def _score(name: str, cells: Cells, weights: Floats | None, column: int | None) -> Subset:
    if column is None:
        measured = [measure(METRICS[metric], cells, weights) for metric in _MICRO]
        held, positives = cells.present.any(axis=1), int(cells.present.sum())
        enough = len(np.unique(cells.song[held])) >= MIN_SONGS
        scores = [one.score(interval=enough) for one in measured]
    else:
        own = _one_class(cells, column)
        measured = [measure(METRICS[metric], own, weights) for metric in _METRICS]
        held, positives = own.present[:, 0], int(own.present.sum())
        enough = len(np.unique(cells.song[held])) >= MIN_SONGS
        scores = [one.of_class(0, interval=enough) for one in measured]
    return Subset(name, len(cells), len(np.unique(cells.song)), positives, *scores)


def _one_class(cells: Cells, column: int) -> Cells:
    at = slice(column, column + 1)
    return replace(
        cells,
        scores=cells.scores[:, at],
        decisions=cells.decisions[:, at],
        present=cells.present[:, at],
        known=cells.known[:, at],
    )


# ---- which subsets there are ----


def by_facts(table: SplitTable, recipes: Sequence[str]) -> dict[str, dict[str, Rows]]:
    """Return subsets by what the recipes say: ``corpus``, ``kind`` and ``sources``.

    Args:
        table: The split.
        recipes: What its predictions keep of each of their rows, as JSON; in the order of the predictions.

    Returns:
        By the name of the division: rows of ``table`` by the name of the subset. A division that says
        nothing, as all items are alike in it or it is not known of them, is left out.
    """
    found: dict[str, list[str]] = {"corpus": [], "kind": [], "sources": []}
    for row in table.rows:
        said = load_json(recipes[row])
        sources = said.get("sources")
        found["corpus"].append(str(said.get("corpus", "")))
        found["kind"].append(str(said.get("kind", "")).replace("_", "-"))
        found["sources"].append("" if sources is None else _count(len(sources)))
    divisions = {name: _grouped(values) for name, values in found.items()}
    return {name: groups for name, groups in divisions.items() if len(groups) > 1}


def _count(n: int) -> str:
    return "1 source" if n == 1 else f"{n} sources"


def _grouped(names: Sequence[str]) -> dict[str, Rows]:
    array = np.asarray(names, dtype=str)
    return {name: np.flatnonzero(array == name) for name in sorted(set(names), key=_natural) if name}


def _natural(name: str) -> tuple[int, str]:
    """Order ``2 sources`` before ``10 sources``."""
    first = name.partition(" ")[0]
    return (int(first), "") if first.isdigit() else (0, name)


def by_level(levels_db: Floats) -> dict[str, Rows]:
    """Return subsets by the level of a class in the mix.

    Args:
        levels_db: ``(N,)`` level of its sources relative to the whole mix; NaN where it has none, which is in
            no subset.
    """
    edges = LEVEL_EDGES_DB
    names = [f"below {edges[0]:g} dB", *(f"{a:g} to {b:g} dB" for a, b in pairwise(edges))]
    names.append(f"{edges[-1]:g} dB and above")
    ends = zip(names, pairwise((-np.inf, *edges, np.inf)), strict=True)
    return {name: np.flatnonzero((levels_db >= low) & (levels_db < high)) for name, (low, high) in ends}


def by_class(table: SplitTable, column: int) -> dict[str, Rows]:
    """Return subsets by whether each other class sounds: two per class, ``with ...`` and ``without ...``.

    Classes that contain the one that is looked at, or are contained in it, are left out: they sound with it.

    Args:
        table: The split.
        column: The class that is looked at.
    """
    kin = {column, *_ancestors(table, column)}
    kin |= {c for c in range(len(table.labels)) if column in _ancestors(table, c)}
    groups: dict[str, Rows] = {}
    for c, name in enumerate(table.labels):
        if c not in kin:
            groups[f"{PRESENT} {name}"] = np.flatnonzero(table.present[:, c])
            groups[f"{ABSENT} {name}"] = np.flatnonzero(table.known[:, c] & ~table.present[:, c])
    return groups


def _ancestors(table: SplitTable, column: int) -> set[int]:
    found: set[int] = set()
    parent = table.parents[column]
    while parent is not None:
        found.add(parent)
        parent = table.parents[parent]
    return found
