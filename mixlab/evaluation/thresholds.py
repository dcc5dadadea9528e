"""Decision thresholds, fitted on validation, and what a class's frequency there says."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mixlab.evaluation.arrays import Bools, Floats, check_arrays
from mixlab.taxonomy.hierarchy import ancestry_from_parents, consistent_max

__all__ = ["Thresholds", "class_prevalence", "consistent_thresholds", "decide", "fit_thresholds"]

DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True)
class Thresholds:
    """Decision thresholds: class c is predicted where its score is at least ``values[c]``.

    Attributes:
        values: ``(C,)`` thresholds in [0, 1].
        fitted: ``(C,)`` False where validation had no positive to fit on and 0.5 was taken.
    """

    values: Floats
    fitted: Bools

    @classmethod
    def none(cls, n_classes: int) -> "Thresholds":
        """Return those of a single-label run, which decides without any: NaN for every class."""
        return cls(np.full(n_classes, np.nan), np.zeros(n_classes, np.bool_))


def fit_thresholds(scores: ArrayLike, targets: ArrayLike, mask: ArrayLike) -> Thresholds:
    """Choose for each class the threshold with the highest F1; give it validation data only.

    Candidates lie half-way between neighbouring distinct scores, so that a threshold does not sit on a
    single item's score. Of equally good ones the highest is taken. A class without known positives
    gets 0.5 and ``fitted`` False.
    """
    s, t, m = check_arrays(scores, targets, mask)
    n_classes = s.shape[1]
    values, fitted = np.full(n_classes, DEFAULT_THRESHOLD), np.zeros(n_classes, np.bool_)
    for c in range(n_classes):
        known = m[:, c]
        if t[known, c].any():
            values[c], fitted[c] = _best_threshold(s[known, c], t[known, c]), True
    return Thresholds(values, fitted)


def _best_threshold(scores: Floats, positive: Bools) -> float:
    order = np.argsort(-scores, kind="stable")
    s = scores[order]
    ends = np.flatnonzero(np.append(np.diff(s) != 0, True))
    f1 = 2 * np.cumsum(positive[order])[ends] / (ends + 1 + positive.sum())
    best = int(np.argmax(f1))
    below = s[ends[best + 1]] if best + 1 < len(ends) else 0.0
    return float((s[ends[best]] + below) / 2)


def consistent_thresholds(
    scores: ArrayLike, targets: ArrayLike, mask: ArrayLike, parents: Sequence[int | None]
) -> Thresholds:
    """Fit thresholds as ``fit_thresholds`` does, on the scores after ``consistent_max``."""
    s, t, m = check_arrays(scores, targets, mask)
    return fit_thresholds(consistent_max(s, ancestry_from_parents(parents)), t, m)


def decide(scores: ArrayLike, thresholds: ArrayLike) -> Bools:
    """Return ``(N, C)`` decisions: score at least the class's threshold."""
    return np.asarray(np.asarray(scores, np.float64) >= np.asarray(thresholds, np.float64)[None, :])


def class_prevalence(targets: ArrayLike, mask: ArrayLike) -> Floats:
    """Return each class's frequency among its known cells, ``(k + 1) / (n + 2)``.

    The added counts keep the baseline's loss finite for a class that was never (or always) seen.
    """
    t, m = np.asarray(targets) > 0.5, np.asarray(mask, np.bool_)
    return np.asarray(((t & m).sum(0) + 1) / (m.sum(0) + 2), np.float64)
