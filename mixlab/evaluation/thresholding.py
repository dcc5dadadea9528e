"""One split's predictions, prepared so that every number follows a moved threshold at once.

F1 is a ratio of counts, and counts add up over songs. So true positives, predictions and positives are
counted per song, and a bootstrap over songs is a product of two small matrices, ``(resamples, songs)`` and
``(songs, classes)``, instead of a pass over all mixes per resample. With the seed of a run's evaluation
the intervals are those of its report.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mixlab.errors import ConfigError
from mixlab.evaluation import MIN_SONGS, Difference, Interval, Thresholds, bootstrap_weights, fit_thresholds
from mixlab.evaluation.arrays import Bools, Floats, count_undefined, mean_defined
from mixlab.evaluation.bootstrap import interval_of, interval_of_mean
from mixlab.evaluation.metrics import prf
from mixlab.evaluation.predictions import Predictions
from mixlab.taxonomy.hierarchy import ancestry_from_parents, output_levels

__all__ = ["Decided", "SplitTable", "Summary", "decide_at", "paired_f1", "split_table"]

LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class SplitTable:
    """Scores and targets of one split, ordered by song.

    Attributes:
        split: Name of the split.
        labels: The C class names.
        parents: Parent output of each class.
        scores: ``(N, C)`` float32.
        present: ``(N, C)`` True where the class is known to be present.
        known: ``(N, C)`` True where the target is known.
        rows: ``(N,)`` where each stands among the predictions' rows of this split.
        songs: ``(S,)`` names of the songs.
        starts: ``(S,)`` first row of each song.
        support: ``(S, C)`` known positives per song.
        fitted: Thresholds fitted on validation.
        resample_weights: ``(B, S)`` how often each resample samples each song; None with fewer than two
            songs.
    """

    split: str
    labels: tuple[str, ...]
    parents: tuple[int | None, ...]
    scores: NDArray[np.float32]
    present: Bools
    known: Bools
    rows: NDArray[np.int64]
    songs: NDArray[np.str_]
    starts: NDArray[np.int64]
    support: NDArray[np.int64]
    fitted: Thresholds
    resample_weights: Floats | None

    def __len__(self) -> int:
        return len(self.scores)

    def per_song(self, cells: Bools) -> NDArray[np.int64]:
        """Return ``(S, C)`` how many cells ``(N, C)`` of each song are True."""
        return np.asarray(np.add.reduceat(cells, self.starts, axis=0, dtype=np.int64))


@dataclass(frozen=True)
class Summary:
    """Macro or micro precision, recall and F1.

    Attributes:
        precision: NaN where undefined, as the others.
        recall: TP / (TP + FN).
        f1: F1.
        interval: Of F1, over songs; None without resamples.
        undefined: Classes that a macro mean leaves out.
        dropped: Resamples that the interval leaves out, as a class of the mean has no positive in them.
    """

    precision: float
    recall: float
    f1: float
    interval: Interval | None
    undefined: int = 0
    dropped: int = 0


@dataclass(frozen=True, eq=False)
class Decided:
    """What follows from thresholds; arrays are ``(C,)``, NaN where undefined.

    Attributes:
        thresholds: The thresholds.
        known: Mixes whose target is known.
        support: Known positives.
        songs: Songs with known positives.
        predicted: Predicted among the known.
        tp: Of these, present.
        precision: As ``mixlab.evaluation.precision_recall_f1``.
        recall: As there.
        f1: As there.
        low: Lower end of the 95 % interval of F1 over songs; NaN with fewer than ``MIN_SONGS`` songs.
        high: Its upper end.
        macro: Means over the classes.
        micro: All known cells pooled.
        f1_resampled: ``(B, C)`` F1 of every resample; ``(0, C)`` without.
        micro_resampled: ``(B,)`` micro F1 of every resample.
    """

    thresholds: Floats
    known: NDArray[np.int64]
    support: NDArray[np.int64]
    songs: NDArray[np.int64]
    predicted: NDArray[np.int64]
    tp: NDArray[np.int64]
    precision: Floats
    recall: Floats
    f1: Floats
    low: Floats
    high: Floats
    macro: Summary
    micro: Summary
    f1_resampled: Floats
    micro_resampled: Floats


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
        ConfigError: there are no predictions of the split, or scores are not finite.
    """
    inside = np.flatnonzero(predictions.split == split)
    if not len(inside):
        raise ConfigError(f"The run holds no predictions of split {split!r}.")
    songs, member = np.unique(predictions.group[inside].astype(str), return_inverse=True)
    order = np.argsort(member, kind="stable")
    rows = inside[order]
    scores = np.asarray(predictions.scores[rows], np.float32)
    if not np.isfinite(scores).all():
        raise ConfigError("Scores hold NaN or infinity: the model diverged, so there is nothing to score.")
    known = np.asarray(predictions.mask[rows], np.bool_)
    present = np.asarray(predictions.targets[rows] > 0.5, np.bool_) & known
    starts = np.searchsorted(member[order], np.arange(len(songs)))
    fitted_on = predictions.split == "validation"
    return SplitTable(
        split=split,
        labels=predictions.labels,
        parents=tuple(parents) if parents is not None else (None,) * len(predictions.labels),
        scores=scores,
        present=present,
        known=known,
        rows=order,
        songs=songs,
        starts=np.asarray(starts, np.int64),
        support=np.asarray(np.add.reduceat(present, starts, axis=0, dtype=np.int64)),
        fitted=fit_thresholds(
            predictions.scores[fitted_on], predictions.targets[fitted_on], predictions.mask[fitted_on]
        ),
        resample_weights=bootstrap_weights(songs.tolist(), n_resamples, seed),
    )


def decide_at(table: SplitTable, thresholds: ArrayLike | None = None) -> Decided:
    """Return every number that follows from thresholds.

    Args:
        table: The split.
        thresholds: ``(C,)``, or one number for all classes; None for those fitted on validation.
    """
    chosen = table.fitted.values if thresholds is None else np.asarray(thresholds, np.float64)
    at = np.array(np.broadcast_to(chosen, (len(table.labels),)))
    decided = (table.scores >= at) & table.known
    predicted, tp = table.per_song(decided), table.per_song(decided & table.present)
    sums = tp.sum(0), predicted.sum(0), table.support.sum(0)
    precision, recall, f1 = prf(*sums)
    songs = np.asarray((table.support > 0).sum(0), np.int64)
    resampled, micro_resampled = _resample(table, tp, predicted)
    ends = [
        interval_of(resampled[:, c], LEVEL) if n >= MIN_SONGS else None for c, n in enumerate(songs.tolist())
    ]
    return Decided(
        thresholds=at,
        known=np.asarray(table.known.sum(0), np.int64),
        support=sums[2],
        songs=songs,
        predicted=sums[1],
        tp=sums[0],
        precision=precision,
        recall=recall,
        f1=f1,
        low=np.array([math.nan if end is None else end.low for end in ends]),
        high=np.array([math.nan if end is None else end.high for end in ends]),
        macro=_macro(precision, recall, f1, resampled),
        micro=_micro(sums, micro_resampled),
        f1_resampled=resampled,
        micro_resampled=micro_resampled,
    )


def _resample(
    table: SplitTable, tp: NDArray[np.int64], predicted: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Return F1 per class and micro F1 of every resample."""
    if table.resample_weights is None:
        return np.empty((0, len(table.labels))), np.empty(0)
    counts = [table.resample_weights @ cells.astype(np.float64) for cells in (tp, predicted, table.support)]
    return prf(*counts)[2], prf(*(cells.sum(axis=1) for cells in counts))[2]


def _macro(precision: Floats, recall: Floats, f1: Floats, resampled: Floats) -> Summary:
    interval, dropped = interval_of_mean(resampled, f1, LEVEL) if len(resampled) else (None, 0)
    p, r, f = (mean_defined(values) for values in (precision, recall, f1))
    return Summary(p, r, f, interval, count_undefined(f1), dropped)


def _micro(sums: tuple[NDArray[np.int64], ...], resampled: Floats) -> Summary:
    tp, predicted, support = (counts.sum() for counts in sums)
    p, r, f = (float(value) for value in prf(tp, predicted, support))
    return Summary(p, r, f, interval_of(resampled, LEVEL) if len(resampled) else None)


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
    every = int((table.support.sum(axis=1) > 0).sum())
    groups = [(name, int(a.songs[c]), np.array([c])) for c, name in enumerate(table.labels)]
    groups += [(name, every, columns) for name, columns in _levels(table)]
    rows = []
    for name, songs, columns in groups:
        columns = columns[np.isfinite(a.f1[columns]) & np.isfinite(b.f1[columns])]
        if not len(columns):
            rows.append(Difference(name, songs, math.nan, math.nan, math.nan))
            continue
        means = [float(one.f1[columns].mean()) for one in (a, b)]
        samples = b.f1_resampled[:, columns].mean(axis=1) - a.f1_resampled[:, columns].mean(axis=1)
        rows.append(_difference(name, songs, means, samples))
    pooled = [a.micro.f1, b.micro.f1]
    return (*rows, _difference("micro", every, pooled, b.micro_resampled - a.micro_resampled))


def _levels(table: SplitTable) -> list[tuple[str, NDArray[np.int64]]]:
    """Return the columns that each mean is over."""
    groups = [("macro", np.arange(len(table.labels)))]
    if any(parent is not None for parent in table.parents):
        below = output_levels(ancestry_from_parents(table.parents)) > 0
        groups += [("families", np.flatnonzero(~below)), ("instruments", np.flatnonzero(below))]
    return groups


def _difference(name: str, songs: int, means: Sequence[float], samples: Floats) -> Difference:
    defined = samples[np.isfinite(samples)]
    return Difference(
        name,
        songs,
        means[0],
        means[1],
        means[1] - means[0],
        interval_of(samples, LEVEL) if songs >= MIN_SONGS else None,
        float((defined > 0).mean()) if defined.size else math.nan,
        count_undefined(samples),
    )
