"""Scores per class and over a hierarchy, thresholds, and the chance-level baseline."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import average_precision_score, roc_auc_score

from mixlab.evaluation.arrays import Bools, Floats, check_arrays, divide

__all__ = [
    "Consistency",
    "Hierarchical",
    "Thresholds",
    "average_precision",
    "class_prevalence",
    "close_upwards",
    "consistency",
    "decide",
    "fit_thresholds",
    "hierarchical",
    "masked_bce",
    "precision_recall_f1",
    "prf",
    "roc_auc",
]

SCORE_EPSILON = 1e-7
"""Scores are kept this far from 0 and 1 in the loss: float32 probabilities resolve no more."""

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


@dataclass(frozen=True)
class Hierarchical:
    """Hierarchical precision, recall and F1 (Kiritchenko et al.): micro over sets closed under ancestors.

    An unknown cell neither counts nor brings in its ancestors.
    """

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Consistency:
    """How often predictions contradict the tree, over all (mix, child, parent) triples with both known.

    Attributes:
        pairs: Number of triples.
        score_violations: Share where the child scores higher than its parent.
        decision_violations: Share where the child is predicted and its parent is not.
    """

    pairs: int
    score_violations: float
    decision_violations: float


def masked_bce(scores: ArrayLike, targets: ArrayLike, mask: ArrayLike) -> float:
    """Return the mean binary cross-entropy over the known cells; NaN when none is known."""
    s, t, m = check_arrays(scores, targets, mask)
    s = np.clip(s, SCORE_EPSILON, 1 - SCORE_EPSILON)
    losses = -np.where(t, np.log(s), np.log1p(-s))
    return float(losses[m].mean()) if m.any() else math.nan


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


def decide(scores: ArrayLike, thresholds: ArrayLike) -> Bools:
    """Return ``(N, C)`` decisions: score at least the class's threshold."""
    return np.asarray(np.asarray(scores, np.float64) >= np.asarray(thresholds, np.float64)[None, :])


def precision_recall_f1(
    decisions: ArrayLike, targets: ArrayLike, mask: ArrayLike
) -> tuple[Floats, Floats, Floats]:
    """Return precision, recall and F1 per class ``(C,)`` over the known cells.

    A class without known positives is undefined (NaN) in all three. With positives but no prediction,
    precision, recall and F1 are 0, as in the paper's brass class.
    """
    d, t, m = np.asarray(decisions, np.bool_), np.asarray(targets) > 0.5, np.asarray(mask, np.bool_)
    return prf((d & t & m).sum(0), (d & m).sum(0), (t & m).sum(0))


def prf(tp: ArrayLike, predicted: ArrayLike, support: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Return precision, recall and F1 from counts: true positives, predictions, known positives."""
    tp, predicted, support = (np.asarray(x, np.float64) for x in (tp, predicted, support))
    precision = np.where(support > 0, divide(tp, predicted, empty=0.0), math.nan)
    return (
        precision,
        divide(tp, support),
        np.where(support > 0, divide(2 * tp, predicted + support), math.nan),
    )


def average_precision(scores: ArrayLike, targets: ArrayLike, mask: ArrayLike) -> Floats:
    """Return the average precision per class ``(C,)`` over known cells; NaN without known positives."""
    s, t, m = check_arrays(scores, targets, mask)
    result = np.full(s.shape[1], math.nan)
    for c in range(s.shape[1]):
        known = m[:, c]
        if t[known, c].any():
            result[c] = average_precision_score(t[known, c], s[known, c])
    return result


def roc_auc(scores: ArrayLike, targets: ArrayLike, mask: ArrayLike) -> Floats:
    """Return ROC-AUC per class ``(C,)`` over known cells; NaN unless both classes occur."""
    s, t, m = check_arrays(scores, targets, mask)
    result = np.full(s.shape[1], math.nan)
    for c in range(s.shape[1]):
        known = m[:, c]
        if t[known, c].any() and not t[known, c].all():
            result[c] = roc_auc_score(t[known, c], s[known, c])
    return result


def class_prevalence(targets: ArrayLike, mask: ArrayLike) -> Floats:
    """Return each class's frequency among its known cells, ``(k + 1) / (n + 2)``.

    The added counts keep the baseline's loss finite for a class that was never (or always) seen.
    """
    t, m = np.asarray(targets) > 0.5, np.asarray(mask, np.bool_)
    return np.asarray(((t & m).sum(0) + 1) / (m.sum(0) + 2), np.float64)


def close_upwards(decisions: ArrayLike, parents: Sequence[int | None]) -> Bools:
    """Return decisions in which every predicted class carries its ancestors.

    Args:
        decisions: ``(N, C)`` decisions.
        parents: For each class the index of its nearest ancestor among the classes, or None.
    """
    closed = np.array(decisions, np.bool_)
    for child in range(len(parents)):
        ancestor = parents[child]
        while ancestor is not None:
            closed[:, ancestor] |= closed[:, child]
            ancestor = parents[ancestor]
    return closed


def hierarchical(
    decisions: ArrayLike, targets: ArrayLike, mask: ArrayLike, parents: Sequence[int | None]
) -> Hierarchical:
    """Return hierarchical precision, recall and F1: micro over sets of known cells closed under ancestors."""
    m = np.asarray(mask, np.bool_)
    closed = close_upwards(np.asarray(decisions, np.bool_) & m, parents)
    t = close_upwards((np.asarray(targets) > 0.5) & m, parents)
    p, r, f = prf((closed & t & m).sum(), (closed & m).sum(), (t & m).sum())
    return Hierarchical(float(p), float(r), float(f))


def consistency(
    scores: ArrayLike, decisions: ArrayLike, mask: ArrayLike, parents: Sequence[int | None]
) -> Consistency:
    """Count contradictions between children and their parents where both are known, before any repair."""
    s, d, m = np.asarray(scores, np.float64), np.asarray(decisions, np.bool_), np.asarray(mask, np.bool_)
    pairs = [(child, parent) for child, parent in enumerate(parents) if parent is not None]
    children, parents_ = [child for child, _ in pairs], [parent for _, parent in pairs]
    known = m[:, children] & m[:, parents_]
    total = int(known.sum())
    if not total:
        return Consistency(0, math.nan, math.nan)
    above = (s[:, children] > s[:, parents_]) & known
    alone = d[:, children] & ~d[:, parents_] & known
    return Consistency(total, float(above.sum() / total), float(alone.sum() / total))
