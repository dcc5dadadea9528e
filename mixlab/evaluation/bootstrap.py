"""Intervals by sampling songs with replacement, for all resamples and classes at once."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixlab.evaluation.arrays import Bools, Floats, count_undefined, divide
from mixlab.evaluation.metrics import prf

__all__ = [
    "MAX_UNDEFINED",
    "MIN_SONGS",
    "Interval",
    "Resampled",
    "bootstrap_weights",
    "interval_of",
    "interval_of_mean",
    "resample",
    "resample_f1",
    "songs_with",
    "weighted_average_precision",
    "weighted_roc_auc",
]

MIN_SONGS = 3
"""Songs with positives that a class needs for an interval: resamples of fewer tell next to nothing."""

MAX_UNDEFINED = 0.25
"""Share of undefined resamples above which there is no interval: a class in one song alone is missing from
more than a third, one in two songs from a seventh."""


@dataclass(frozen=True)
class Interval:
    """A bootstrap percentile interval."""

    low: float
    high: float


def bootstrap_weights(groups: Sequence[str], n_resamples: int, seed: int) -> Floats | None:
    """Return ``(n_resamples, N)`` item counts of songs sampled with replacement.

    Mixes from one song are alike, so whole songs are sampled. None where there is nothing to draw: fewer
    than two songs, or no resamples asked for.
    """
    unique, member = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    if len(unique) < 2 or n_resamples < 1:
        return None
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(len(unique), np.full(len(unique), 1 / len(unique)), size=n_resamples)
    return np.asarray(counts[:, member], np.float64)


def _weighted_curve(scores: Floats, positive: Bools, weights: Floats) -> tuple[Floats, Floats]:
    """Cumulated weights of true and false positives at each distinct score, highest first."""
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    w, p = weights[:, order], positive[order]
    return np.cumsum(w * p, axis=1)[:, ends], np.cumsum(w * ~p, axis=1)[:, ends]


def weighted_average_precision(scores: Floats, positive: Bools, weights: Floats) -> Floats:
    """Return average precision ``(B,)`` of one class for B weightings ``(B, N)`` of its items at once."""
    tp, fp = _weighted_curve(scores, positive, weights)
    precision = divide(tp, tp + fp, empty=0.0)
    return divide((np.diff(tp, axis=1, prepend=0.0) * precision).sum(axis=1), tp[:, -1])


def weighted_roc_auc(scores: Floats, positive: Bools, weights: Floats) -> Floats:
    """Return ROC-AUC ``(B,)`` of one class for B weightings ``(B, N)`` of its items at once."""
    tp, fp = _weighted_curve(scores, positive, weights)
    heights = (tp + np.concatenate([np.zeros((len(tp), 1)), tp[:, :-1]], axis=1)) / 2
    return divide((np.diff(fp, axis=1, prepend=0.0) * heights).sum(axis=1), tp[:, -1] * fp[:, -1])


def interval_of(samples: Floats, level: float) -> Interval | None:
    """Return the percentile interval of the defined values of ``(B,)``.

    None without any, and where more than ``MAX_UNDEFINED`` of them are undefined: those that are left are
    the resamples in which the rare songs happen to be, which are too much alike.
    """
    defined = samples[np.isfinite(samples)]
    if defined.size == 0 or defined.size < (1 - MAX_UNDEFINED) * samples.size:
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def interval_of_mean(samples: Floats, values: Floats, level: float) -> tuple[Interval | None, int]:
    """Return the interval of the mean over the classes defined in ``values``, and how many rows it drops.

    A row in which one of them is undefined is left out: its mean would be of another quantity.
    """
    means = samples[:, np.isfinite(values)]
    if not means.size:
        return None, 0
    means = means.mean(axis=1)
    return interval_of(means, level), count_undefined(means)


def songs_with(cells: Bools, groups: Sequence[str]) -> NDArray[np.int64]:
    """Return ``(C,)`` in how many songs each class (column) of ``cells`` occurs."""
    unique, member = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    hit = np.zeros((len(unique), cells.shape[1]), np.bool_)
    np.logical_or.at(hit, member, cells)
    return np.asarray(hit.sum(axis=0), np.int64)


@dataclass(frozen=True)
class Resampled:
    """Scores of every resample: ``(B, C)`` per class, ``(B,)`` for the micro F1."""

    f1: Floats
    average_precision: Floats
    roc_auc: Floats
    micro_f1: Floats

    def only(self, columns: NDArray[np.int64]) -> "Resampled":
        """Return the classes in ``columns``; the micro F1 stays that of all."""
        return Resampled(
            self.f1[:, columns], self.average_precision[:, columns], self.roc_auc[:, columns], self.micro_f1
        )


def _counts(d: Bools, t: Bools, m: Bools, weights: Floats) -> list[Floats]:
    """Return true positives, predictions and positives under each weighting, ``(B, C)`` each."""
    return [weights @ cells.astype(np.float64) for cells in (d & t & m, d & m, t & m)]


def resample_f1(d: Bools, t: Bools, m: Bools, weights: Floats) -> Floats:
    """Return ``(B, C)`` the F1 of decisions ``(N, C)`` under B weightings ``(B, N)``; NaN where undefined."""
    return prf(*_counts(d, t, m, weights))[2]


def resample(
    s: Floats,
    d: Bools,
    t: Bools,
    m: Bools,
    weights: Floats,
    *,
    like: Resampled | None = None,
    changed: Bools | None = None,
) -> Resampled:
    """Return the scores under B weightings ``(B, N)`` of the items; undefined ones are NaN.

    Args:
        s: ``(N, C)`` scores.
        d: ``(N, C)`` decisions.
        t: ``(N, C)`` targets.
        m: ``(N, C)`` True where known.
        weights: ``(B, N)`` counts of the items.
        like: Resamples of scores that differ only in some classes, whose AP and ROC-AUC are taken over:
            they are what takes the time.
        changed: ``(C,)`` the classes that differ from ``like``; None for all.
    """
    tp, predicted, support = _counts(d, t, m, weights)
    ap, auc = np.full((2, len(weights), s.shape[1]), math.nan)
    for c in range(s.shape[1]):
        known = m[:, c]
        if like is not None and changed is not None and not changed[c]:
            ap[:, c], auc[:, c] = like.average_precision[:, c], like.roc_auc[:, c]
        elif t[known, c].any():
            ap[:, c] = weighted_average_precision(s[known, c], t[known, c], weights[:, known])
            auc[:, c] = weighted_roc_auc(s[known, c], t[known, c], weights[:, known])
    micro = prf(tp.sum(1), predicted.sum(1), support.sum(1))[2]
    return Resampled(prf(tp, predicted, support)[2], ap, auc, micro)
