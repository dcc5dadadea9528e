"""The table of metrics: what scores, intervals, reports, charts, pages, comparisons and studies know of each.

A metric is a function of known cells, so that no unknown target can change it: of each class's known mixes,
each mix's known classes, or all known cells at once. How it is averaged, resampled and shown follows from its
row in ``METRICS``. A row of one's own is given by name, as ``package.module:name`` or by a Python entry point
of the group ``mixlab.metrics``; see ``docs/evaluation.md``.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from mixlab.evaluation.arrays import Bools, Floats, Integers, divide
from mixlab.evaluation.cells import Over
from mixlab.utils.decode import later

__all__ = [
    "METRICS",
    "N_BINS",
    "SCORE_EPSILON",
    "Metric",
    "MetricInfo",
    "average_precision_at",
    "f_scores",
    "metrics_for",
]

SCORE_EPSILON = 1e-7
"""Scores are kept this far from 0 and 1 in the loss: float32 probabilities resolve no more."""

N_BINS = 15
"""Bins of equal width over 0..1 (Guo et al., On Calibration of Modern Neural Networks, 2017, section 2)."""

BUILT_IN = "mixlab"
MICRO = "micro_"

MOST_WEIGHTS = 4_000_000
"""Weights of cells that are held at once while resampling."""


class Resample(Protocol):
    """Computes a metric of many resamples of songs at once."""

    def __call__(self, values: Floats, present: Bools, song: Integers, weights: Floats) -> Floats:
        """Return the metric of B resamples ``(B,)``, NaN where undefined.

        Args:
            values: ``(n,)`` scores; decisions as 0 and 1 where the metric needs a threshold.
            present: ``(n,)`` True where the class is present.
            song: ``(n,)`` number of each cell's song.
            weights: ``(B, S)`` how often each resample has each song.
        """


@dataclass(frozen=True)
class MetricInfo:
    """What a reader of a report must know of a metric.

    Attributes:
        name: Its key in files.
        title: What tables, charts and pages call it.
        definition: What it is, in a line.
        needs_threshold: Whether it judges decisions; else scores as they are.
        higher_is_better: Whether more of it is better.
        over: ``class``: per class over its known mixes, and the mean over the classes (macro); ``item``: the
            mean over the mixes, each over its known classes; ``all``: over all known cells at once (micro).
        needs_positives: Undefined where no cell is known to be present, and never asked for then.
        lowest: Least value that it can have.
        highest: Greatest; None where there is no bound.
        detail: A figure beside others: in reports alone, without an interval, and nothing to compare by.
        beside_chance: Whether what the baseline scores says something beside it.
        single_label: Whether it is of single-label runs alone, where exactly one class is right.
        source: ``mixlab``, or where one's own was found.
    """

    name: str
    title: str
    definition: str = ""
    needs_threshold: bool = False
    higher_is_better: bool = True
    over: Over = "class"
    needs_positives: bool = True
    lowest: float = 0.0
    highest: float | None = 1.0
    detail: bool = False
    beside_chance: bool = True
    single_label: bool = later(False)
    source: str = BUILT_IN

    @property
    def pooled(self) -> bool:
        """Whether it is a metric of classes over all known cells at once (micro)."""
        return self.source == BUILT_IN and self.name.startswith(MICRO)

    @property
    def mean_title(self) -> str:
        """What the value over all classes is called."""
        return f"macro {self.title}" if self.over == "class" else self.title

    def better(self, a: float, b: float) -> bool:
        """Whether a is better than b."""
        return a > b if self.higher_is_better else a < b


@dataclass(frozen=True)
class Metric(MetricInfo):
    """A metric: what ``MetricInfo`` says, and how it is computed.

    Attributes:
        function: Takes scores in [0, 1] ``(n,)`` (decisions, if it needs a threshold) and ``(n,)`` True where
            the class is present, of known targets alone; returns a number, NaN where it is undefined.
        resample: Gives the same of many resamples at once; None calls ``function`` for each of them.
    """

    function: Callable[[Floats, Bools], float] = lambda values, present: math.nan
    resample: Resample | None = None

    @property
    def info(self) -> MetricInfo:
        """The metric without its functions."""
        return MetricInfo(**{name: getattr(self, name) for name in MetricInfo.__dataclass_fields__})


def f_scores(tp: ArrayLike, predicted: ArrayLike, support: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Return precision, recall and F1 from counts: true positives, predictions, known positives.

    All three are NaN without known positives. With positives but no prediction they are 0, as in the paper's
    brass class.
    """
    tp, predicted, support = (np.asarray(x, np.float64) for x in (tp, predicted, support))
    precision = np.where(support > 0, divide(tp, predicted, empty=0.0), math.nan)
    f1 = np.where(support > 0, divide(2 * tp, predicted + support), math.nan)
    return precision, divide(tp, support), f1


def _counted(column: int) -> Callable[[Floats, Bools], float]:
    def score(decided: Floats, present: Bools) -> float:
        hit = np.asarray(decided, np.bool_)
        return float(f_scores((hit & present).sum(), hit.sum(), present.sum())[column])

    return score


def _resample_counted(column: int) -> Resample:
    def resample(values: Floats, present: Bools, song: Integers, weights: Floats) -> Floats:
        # Counts add up over songs, so that a resample of songs is a row of a matrix product.
        tp, predicted, support = (
            weights @ np.bincount(song, cells, weights.shape[1])
            for cells in (values * present, values, present)
        )
        return f_scores(tp, predicted, support)[column]

    return resample


def _label_ranking(scores: Floats, present: Bools) -> float:
    # Ties count against, as in scikit-learn, whose own function takes far longer for a single item.
    reached = scores[None, :] >= scores[present][:, None]
    return float(((reached & present).sum(axis=1) / reached.sum(axis=1)).mean())


def _all_right(decided: Floats, present: Bools) -> float:
    return float(np.array_equal(decided, present))


def _average_precision(scores: Floats, present: Bools) -> float:
    return float(average_precision_score(present, scores))


def average_precision_at(prevalence: float, scores: ArrayLike, present: ArrayLike) -> float:
    """Return what the average precision would be if the class were present more or less often.

    Items with the class weigh together as much as ``prevalence`` says, those without it the rest, so that
    the scores of two sets of items can be held against each other at one chance level.

    Args:
        prevalence: The share of items with the class, from 0 to 1.
        scores: ``(n,)``.
        present: ``(n,)`` 1 or True where the class is present.

    Returns:
        The average precision, 0 to 1; NaN without items of both kinds, or where all or none are to be of one.

    Example:
        >>> from mixlab.evaluation import average_precision_at
        >>> average_precision_at(0.5, [0.9, 0.8, 0.7], [1, 0, 1])
        0.75
    """
    found, values = np.asarray(present) > 0.5, np.asarray(scores, np.float64)
    if not 0.0 < prevalence < 1.0 or found.all() or not found.any():
        return math.nan
    weights = np.where(found, prevalence / found.sum(), (1.0 - prevalence) / (~found).sum())
    return float(average_precision_score(found, values, sample_weight=weights))


def _roc_auc(scores: Floats, present: Bools) -> float:
    return math.nan if present.all() else float(roc_auc_score(present, scores))


def _weighted_curve(scores: Floats, present: Bools, weights: Floats) -> tuple[Floats, Floats]:
    """Cumulated weights of true and false positives at each distinct score, highest first."""
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    w, p = weights[:, order], present[order]
    return np.cumsum(w * p, axis=1)[:, ends], np.cumsum(w * ~p, axis=1)[:, ends]


def _weighted_average_precision(tp: Floats, fp: Floats) -> Floats:
    precision = divide(tp, tp + fp, empty=0.0)
    return divide((np.diff(tp, axis=1, prepend=0.0) * precision).sum(axis=1), tp[:, -1])


def _weighted_roc_auc(tp: Floats, fp: Floats) -> Floats:
    heights = (tp + np.concatenate([np.zeros((len(tp), 1)), tp[:, :-1]], axis=1)) / 2
    return divide((np.diff(fp, axis=1, prepend=0.0) * heights).sum(axis=1), tp[:, -1] * fp[:, -1])


def _resample_curve(area: Callable[[Floats, Floats], Floats]) -> Resample:
    def resample(values: Floats, present: Bools, song: Integers, weights: Floats) -> Floats:
        rows = max(MOST_WEIGHTS // max(len(values), 1), 1)
        blocks = (weights[at : at + rows][:, song] for at in range(0, len(weights), rows))
        return np.concatenate([area(*_weighted_curve(values, present, block)) for block in blocks])

    return resample


def _losses(scores: Floats, present: Bools) -> Floats:
    s = np.clip(scores, SCORE_EPSILON, 1 - SCORE_EPSILON)
    return np.asarray(-np.where(present, np.log(s), np.log1p(-s)))


def _loss(scores: Floats, present: Bools) -> float:
    return float(_losses(scores, present).mean())


def _resample_loss(values: Floats, present: Bools, song: Integers, weights: Floats) -> Floats:
    sums = np.bincount(song, _losses(values, present), weights.shape[1])
    return divide(weights @ sums, weights @ np.bincount(song, minlength=weights.shape[1]))


def _brier(scores: Floats, present: Bools) -> float:
    return float(brier_score_loss(present, scores, pos_label=True))


def _calibration_error(scores: Floats, present: Bools) -> float:
    bins = np.clip(np.ceil(scores * N_BINS).astype(np.int64) - 1, 0, N_BINS - 1)
    gaps = np.bincount(bins, weights=present - scores, minlength=N_BINS)
    return float(np.abs(gaps).sum() / len(scores))


_AP = Metric(
    "average_precision",
    "AP",
    "average precision, the area under the precision-recall curve",
    function=_average_precision,
    resample=_resample_curve(_weighted_average_precision),
)
_AUC = Metric(
    "roc_auc",
    "ROC-AUC",
    "chance that a positive scores above a negative",
    beside_chance=False,
    function=_roc_auc,
    resample=_resample_curve(_weighted_roc_auc),
)
_F1 = Metric(
    "f1",
    "F1",
    "harmonic mean of precision and recall",
    needs_threshold=True,
    function=_counted(2),
    resample=_resample_counted(2),
)
_PRECISION = Metric(
    "precision",
    "P",
    "precision: share of the predicted that is present",
    needs_threshold=True,
    detail=True,
    beside_chance=False,
    function=_counted(0),
    resample=_resample_counted(0),
)
_RECALL = Metric(
    "recall",
    "R",
    "recall: share of the present that is predicted",
    needs_threshold=True,
    detail=True,
    beside_chance=False,
    function=_counted(1),
    resample=_resample_counted(1),
)
_LRAP = Metric(
    "lrap",
    "LRAP",
    "label ranking average precision: of each class present, the share of the present among the classes that "
    "score as high",
    over="item",
    function=_label_ranking,
)
_ACCURACY = Metric(
    "accuracy",
    "accuracy",
    "share of the items whose class has the highest score",
    needs_threshold=True,
    over="item",
    single_label=True,
    function=_all_right,
)
_LOSS = Metric(
    "loss",
    "loss",
    "mean binary cross-entropy over the known cells",
    higher_is_better=False,
    over="all",
    needs_positives=False,
    highest=None,
    function=_loss,
    resample=_resample_loss,
)
_ECE = Metric(
    "ece",
    "ECE",
    f"expected calibration error in {N_BINS} bins of equal width",
    higher_is_better=False,
    needs_positives=False,
    detail=True,
    function=_calibration_error,
)
_BRIER = Metric(
    "brier",
    "Brier",
    "Brier score: mean squared error of the scores",
    higher_is_better=False,
    needs_positives=False,
    detail=True,
    function=_brier,
)


def _micro(metric: Metric) -> Metric:
    """Return a metric of classes over all known cells at once; micro F1 is worth comparing by."""
    name, title = f"{MICRO}{metric.name}", f"micro {metric.title}"
    return replace(metric, name=name, title=title, over="all", detail=metric is not _F1)


_MICRO = tuple(map(_micro, (_PRECISION, _RECALL, _F1, _AP, _AUC)))

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (_AP, _AUC, _LRAP, _ACCURACY, _LOSS, _PRECISION, _RECALL, _F1, *_MICRO, _ECE, _BRIER)
}
"""Every metric by its name, in the order of tables."""


def metrics_for(metrics: Iterable[Metric], *, single_label: bool) -> tuple[Metric, ...]:
    """Return those of some metrics that mean something for a run: without accuracy, for several labels."""
    return tuple(metric for metric in metrics if single_label or not metric.single_label)
