"""Scores that look at the tree of classes: hierarchical precision and recall, and contradictions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mixlab.evaluation.arrays import Bools
from mixlab.evaluation.metrics import f_scores

__all__ = ["Consistency", "Hierarchical", "close_upwards", "consistency", "hierarchical"]


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


def close_upwards(decisions: ArrayLike, parents: Sequence[int | None]) -> Bools:
    """Return decisions in which every predicted class carries its ancestors.

    Args:
        decisions: ``(N, C)`` decisions.
        parents: For each class the index of its nearest ancestor among the classes, or None.

    Example:
        >>> from mixlab.evaluation import close_upwards
        >>> close_upwards([[False, True]], parents=[None, 0]).tolist()  # the second is a kind of the first
        [[True, True]]
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
    """Return hierarchical precision, recall and F1: micro over sets of known cells closed under ancestors.

    Example:
        >>> from mixlab.evaluation import hierarchical
        >>> found = hierarchical([[1, 1]], [[1, 0]], [[True, True]], parents=[None, 0])
        >>> found.precision, found.recall
        (0.5, 1.0)
    """
    m = np.asarray(mask, np.bool_)
    closed = close_upwards(np.asarray(decisions, np.bool_) & m, parents)
    t = close_upwards((np.asarray(targets) > 0.5) & m, parents)
    p, r, f = f_scores((closed & t & m).sum(), (closed & m).sum(), (t & m).sum())
    return Hierarchical(float(p), float(r), float(f))


def consistency(
    scores: ArrayLike, decisions: ArrayLike, mask: ArrayLike, parents: Sequence[int | None]
) -> Consistency:
    """Count contradictions between children and their parents where both are known, before any repair.

    Example:
        >>> from mixlab.evaluation import consistency
        >>> consistency([[0.2, 0.6]], [[False, True]], [[True, True]], parents=[None, 0]).pairs
        1
    """
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
