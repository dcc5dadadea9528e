"""The paper's tables with our scores: accuracies by task, by number of classes, and loudness per class."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mixlab.corpora.clips.base import ClipSet
from mixlab.evaluation.report import Table
from mixlab.studies.black_box.conditions import EXTREMES, FIVE, LEVEL_OF, name_of
from mixlab.studies.black_box.paper import (
    AUGMENTED,
    EXTREMES_ACCURACY,
    FIVE_ACCURACY,
    SOURCE,
    TABLE_2,
    TABLE_3,
    TABLE_4,
)
from mixlab.studies.paper_tables import Beside, paper_table
from mixlab.studies.results import StudyResults
from mixlab.training.baselines.clip_features import ClipFeatures

__all__ = [
    "METRIC",
    "ClassLoudness",
    "class_loudness",
    "follow_up_table",
    "loudness_table",
    "main_table",
    "own_tasks",
    "subset_sizes",
]

METRIC = "accuracy"
"""The paper's score."""


def own_tasks(results: StudyResults) -> list[str]:
    """Return the tasks of Table 2: those that a forest was fitted on."""
    of = (c.condition for c in results.conditions)
    return list(dict.fromkeys(c.task for c in of if c.name.startswith(name_of(c.task, "forest", ""))))


def subset_sizes(results: StudyResults) -> dict[int, str]:
    """Return the tasks of the largest classes by their number, the most first."""
    known, found = own_tasks(results), {}
    for task in dict.fromkeys(c.condition.task for c in results.conditions):
        sizes = [task.removeprefix(base) for base in known if task.startswith(base)]
        if task not in known and (size := next((text for text in sizes if text.isdecimal()), "")):
            found[int(size)] = task
    return dict(sorted(found.items(), reverse=True))


def main_table(results: StudyResults) -> Table:
    """Return Table 2: a row per task, network and forest, unprocessed and normalised, in per cent."""
    rows: list[list[str | Beside]] = []
    for task in own_tasks(results):
        paper = TABLE_2.get(task)
        theirs = {
            f"{classifier}_{level}": getattr(paper, f"{classifier}_{level}", math.nan)
            for classifier in ("network", "forest")
            for level in LEVEL_OF
        }
        found = [
            Beside(name_of(task, *name.split("_")), METRIC, paper=value) for name, value in theirs.items()
        ]
        rows.append([paper.title if paper else task, str(_n_classes(results, task)), *found])
    header = (
        "task",
        "classes",
        *(f"{kind}, {level}" for kind in ("network", "forest") for level in LEVEL_OF),
    )
    where = f"{SOURCE}, Table 2 (Inception v3; Marsyas and a random forest)"
    return paper_table(results, "accuracy in %", header, rows, source=where, scale=100, digits=1)


def _n_classes(results: StudyResults, task: str) -> int:
    return max((len(c.labels) for c in results.conditions if c.condition.task == task), default=0)


def follow_up_table(results: StudyResults) -> Table | None:
    """Return Table 3 and the other experiments of section 6, in per cent; None where there are none."""
    rows: list[list[str | Beside]] = []
    sizes = subset_sizes(results)
    for n, task in sizes.items():
        name = name_of(task, "network", "normalised")
        rows.append([f"the {n} largest classes", str(n), Beside(name, METRIC, TABLE_3.get(n, math.nan))])
    for n, task in sizes.items():
        name = name_of(task, "repeated", "normalised")
        if any(c.condition.name == name for c in results.conditions):
            paper = AUGMENTED if n == max(TABLE_3) else math.nan
            rows.append([f"the {n} largest, each clip at eight levels", str(n), Beside(name, METRIC, paper)])
    for task, title, paper in (
        (FIVE, "five classes by loudness", FIVE_ACCURACY),
        (EXTREMES, "the quietest and the loudest fifth", EXTREMES_ACCURACY),
    ):
        name = name_of(task, "network", "unprocessed")
        if any(c.condition.name == name for c in results.conditions):
            rows.append([title, str(_n_classes(results, task) or "-"), Beside(name, METRIC, paper)])
    if not rows:
        return None
    where = f"{SOURCE}, Table 3 and section 6 (Extended Ballroom)"
    header = ("clips", "classes", "network")
    return paper_table(results, "accuracy in %", header, rows, source=where, scale=100, digits=1)


@dataclass(frozen=True)
class ClassLoudness:
    """Loudness of the clips of a class.

    Attributes:
        name: Of the class.
        mean: Mean RMS, a fraction of full scale.
        deviation: Standard deviation over clips; NaN with one.
        n_clips: Clips that could be read.
    """

    name: str
    mean: float
    deviation: float
    n_clips: int


def class_loudness(clips: ClipSet, found: ClipFeatures) -> tuple[ClassLoudness, ...]:
    """Return mean and deviation of the RMS of each class's clips.

    Args:
        clips: The task, for the names of its classes.
        found: Their loudness, as ``measure_loudness`` gives it.
    """
    rows = []
    for column, name in enumerate(clips.classes):
        own = found.values[found.clips.targets[:, column] > 0.5, 0].astype(np.float64)
        mean = float(own.mean()) if len(own) else math.nan
        deviation = float(own.std(ddof=1)) if len(own) > 1 else math.nan
        rows.append(ClassLoudness(name, mean, deviation, len(own)))
    return tuple(rows)


def loudness_table(found: Mapping[str, Sequence[ClassLoudness]]) -> Table:
    """Return Table 4: mean and deviation of RMS per class, ours beside the paper's, for tasks by name."""
    header = ("task: class", "mean", "mean (paper)", "deviation", "deviation (paper)", "clips")
    title = (
        "loudness per class: RMS as recorded, a fraction of full scale, mean and standard deviation over all "
        f"clips of each class; (paper): {SOURCE}, Table 4, measured on other data"
    )
    return Table(title, header, tuple(_loudness_rows(found)), 0)


def _loudness_rows(found: Mapping[str, Sequence[ClassLoudness]]) -> Iterator[tuple[str, ...]]:
    for task, classes in found.items():
        for one in classes:
            mean, deviation = TABLE_4.get((task, one.name.lower()), (math.nan, math.nan))
            yield (
                f"{task}: {one.name}",
                _number(one.mean),
                _number(mean),
                _number(one.deviation),
                _number(deviation),
                str(one.n_clips),
            )


def _number(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "-"
