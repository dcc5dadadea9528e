"""One split's predictions, prepared so that every number follows a moved threshold at once.

Counts add up over songs, so that F1 of a resample of songs is a row of a product of two small matrices. With
the seed of a run's evaluation the intervals are those of its report.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from mixlab.errors import ConfigError
from mixlab.evaluation.arrays import Bools, Floats, Integers
from mixlab.evaluation.bootstrap import MIN_SONGS, song_weights
from mixlab.evaluation.cells import Cells
from mixlab.evaluation.measured import Measured, Score, measure
from mixlab.evaluation.metrics import METRICS, MetricInfo
from mixlab.evaluation.paired import Difference, differences
from mixlab.evaluation.predictions import Predictions
from mixlab.evaluation.results import SplitScores
from mixlab.evaluation.scoring import chance_cells
from mixlab.evaluation.thresholds import Thresholds, class_prevalence, fit_thresholds
from mixlab.evaluation.units import MIXES, Units

__all__ = [
    "Decided",
    "Fixed",
    "SplitTable",
    "chance_f1",
    "decide_at",
    "fixed_scores",
    "paired_f1",
    "split_table",
]


@dataclass(frozen=True, eq=False)
class SplitTable:
    """Scores and targets of one split, ordered by song.

    Attributes:
        split: Name of the split.
        labels: The C class names.
        parents: Parent output of each class.
        cells: Scores, targets and songs; nothing is decided yet.
        rows: ``(N,)`` where each mix stands among the predictions' rows of this split.
        songs: Names of the songs.
        fitted: Thresholds fitted on validation; NaN for single-label runs.
        weights: ``(B, S)`` how often each resample samples each song; None with fewer than two songs.
        prevalence: ``(C,)`` frequency of each class on validation, which is all that the baseline knows.
        single_label: Whether the highest score decides, and thresholds have no part in it.
        units: What items and groups are called.
    """

    split: str
    labels: tuple[str, ...]
    parents: tuple[int | None, ...]
    cells: Cells
    rows: Integers
    songs: tuple[str, ...]
    fitted: Thresholds
    weights: Floats | None
    prevalence: Floats
    single_label: bool = False
    units: Units = MIXES

    def __len__(self) -> int:
        return len(self.cells)

    @property
    def scores(self) -> Floats:
        """``(N, C)`` scores."""
        return self.cells.scores

    @property
    def present(self) -> Bools:
        """``(N, C)`` True where the class is known to be present."""
        return self.cells.present

    @property
    def known(self) -> Bools:
        """``(N, C)`` True where the target is known."""
        return self.cells.known


@dataclass(frozen=True, eq=False)
class Decided:
    """What follows from thresholds.

    Attributes:
        thresholds: ``(C,)`` the thresholds.
        known: ``(C,)`` mixes whose target is known.
        support: ``(C,)`` known positives.
        songs: ``(C,)`` songs with known positives.
        predicted: ``(C,)`` predicted among the known.
        tp: ``(C,)`` of these, present.
        measured: Metrics that need a threshold, by name.
    """

    thresholds: Floats
    known: Integers
    support: Integers
    songs: Integers
    predicted: Integers
    tp: Integers
    measured: Mapping[str, Measured]

    def of_class(self, metric: str, column: int) -> Score:
        """Return the score of one class; without an interval where fewer than ``MIN_SONGS`` songs hold it."""
        return self.measured[metric].of_class(column, interval=bool(self.songs[column] >= MIN_SONGS))

    def values(self, metric: str) -> Floats:
        """Return a metric of every class ``(C,)``; NaN where undefined."""
        return self.measured[metric].values

    def over_all(self, metric: str) -> Score:
        """Return the mean over the classes, or the score over all known cells."""
        return self.measured[metric].score()


@dataclass(frozen=True, eq=False)
class Fixed:
    """Scores that no moved threshold changes: of metrics that need none, or at the thresholds of the report.

    Attributes:
        metrics: What they are, in the order of tables.
        classes: Per class, by the name of the metric.
        scores: Over all classes, by name.
        reported: Whether they are those of the run's report. If not, they are computed here, without
            intervals.
    """

    metrics: tuple[MetricInfo, ...]
    classes: Mapping[str, tuple[Score, ...]]
    scores: Mapping[str, Score]
    reported: bool


def split_table(
    predictions: Predictions,
    split: str,
    parents: Sequence[int | None] | None = None,
    *,
    n_resamples: int = 1000,
    seed: int = 0,
) -> SplitTable:
    """Prepare one split of a run's predictions.

    Args:
        predictions: Of validation and ``split``.
        split: Which mixes to look at.
        parents: Parent output of each class; None for classes without a tree.
        n_resamples: Resamples of songs; 0 leaves intervals out.
        seed: Seed of the resamples, ``train.eval_seed`` for the report's own.

    Raises:
        ConfigError: there are no predictions of the split, scores are not finite, or they are predicted
            numbers.
    """
    if predictions.quantity is not None:
        raise ConfigError(
            f"This run predicts a number, {predictions.quantity.title}: there are no classes to decide on.",
            code="wrong-type",
        )
    part, fitted_on = predictions.only(split), predictions.only("validation")
    if not len(part):
        raise ConfigError(f"The run holds no predictions of split {split!r}.", code="predictions-not-found")
    groups = part.group.astype(str)
    rows = np.argsort(groups, kind="stable")
    groups = groups[rows]
    single = predictions.single_label
    columns = part.scores[rows], part.targets[rows], part.mask[rows], groups.tolist()
    cells = Cells.checked(*columns, single_label=single)
    return SplitTable(
        split=split,
        labels=part.labels,
        parents=tuple(parents) if parents is not None else (None,) * len(part.labels),
        cells=cells,
        rows=rows,
        songs=tuple(np.unique(groups).tolist()),
        fitted=Thresholds.none(len(part.labels))
        if single
        else fit_thresholds(fitted_on.scores, fitted_on.targets, fitted_on.mask),
        weights=song_weights(cells.n_songs, n_resamples, seed),
        prevalence=class_prevalence(fitted_on.targets, fitted_on.mask),
        single_label=single,
        units=predictions.units,
    )


def decide_at(table: SplitTable, thresholds: ArrayLike | None = None) -> Decided:
    """Return every number that follows from thresholds.

    Args:
        table: The split.
        thresholds: ``(C,)``, or one number for all classes; None for those fitted on validation. A
            single-label run decides for the highest score, whatever they are.
    """
    chosen = table.fitted.values if thresholds is None else np.asarray(thresholds, np.float64)
    at = np.array(np.broadcast_to(chosen, (len(table.labels),)))
    cells = table.cells if table.single_label else replace(table.cells, decisions=table.scores >= at)
    decided = cells.decisions & cells.known
    return Decided(
        thresholds=at,
        known=np.asarray(cells.known.sum(0), np.int64),
        support=np.asarray(cells.present.sum(0), np.int64),
        songs=cells.songs_with(cells.present),
        predicted=np.asarray(decided.sum(0), np.int64),
        tp=np.asarray((decided & cells.present).sum(0), np.int64),
        measured={
            name: measure(metric, cells, table.weights)
            for name, metric in METRICS.items()
            if metric.needs_threshold and (table.single_label or not metric.single_label)
        },
    )


def fixed_scores(table: SplitTable, report: SplitScores | None) -> Fixed:
    """Return the scores of a split that no threshold moves, from its report where it is of these predictions.

    Resampling them takes a pass over all mixes per class and resample, so it is done once, when a run is
    evaluated, and read from there.

    Args:
        table: The split.
        report: Its part of the run's report; None where there is none.
    """
    if report is not None and _is_of(report, table):
        shown = tuple(m for m in report.metrics if not (m.needs_threshold and m.name in METRICS))
        per_class = [m.name for m in shown if m.over == "class"]
        classes = {name: tuple(k.scores[name] for k in report.classes) for name in per_class}
        return Fixed(shown, classes, {m.name: report.scores[m.name] for m in shown}, reported=True)
    measured = [measure(metric, table.cells) for metric in METRICS.values() if not metric.needs_threshold]
    own = [one for one in measured if one.metric.over == "class"]
    return Fixed(
        metrics=tuple(one.metric for one in measured),
        classes={one.metric.name: tuple(map(one.of_class, range(len(table.labels)))) for one in own},
        scores={one.metric.name: one.score() for one in measured},
        reported=False,
    )


def _is_of(report: SplitScores, table: SplitTable) -> bool:
    """Whether a report's split is of these predictions: the same classes, mixes and positives."""
    return (
        report.n_items == len(table)
        and [k.name for k in report.classes] == list(table.labels)
        and [k.support for k in report.classes] == table.present.sum(0).tolist()
    )


def chance_f1(table: SplitTable) -> Floats:
    """Return ``(C,)`` F1 of predicting each class always, which any model should beat; NaN if undefined.

    Of single-label runs it is that of the class most frequent on validation, for every item.
    """
    baseline = chance_cells(table.cells, table.prevalence, single_label=table.single_label)
    return measure(METRICS["f1"], baseline).values


def paired_f1(table: SplitTable, a: Decided, b: Decided) -> tuple[Difference, ...]:
    """Return the F1 of two runs on the same mixes, b - a with paired intervals over songs.

    At the fitted thresholds of both this is what ``mixlab.evaluation.compare`` gives.

    Args:
        table: The split of either run; both hold the same songs and targets.
        a: What the first run decides.
        b: What the second run decides; sampled with the same seed.

    Returns:
        Per class, then macro, families and instruments (where there are two levels), micro.
    """
    rows: list[Difference] = []
    for name in ("f1", "micro_f1"):
        rows += differences(table.labels, table.parents, table.cells, a.measured[name], b.measured[name])
    return tuple(replace(row, name="micro") if row.name == "all" else row for row in rows)
