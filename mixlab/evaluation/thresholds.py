"""Decision thresholds, fitted on validation, and what a class's frequency there says."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mixlab.evaluation.arrays import Bools, Floats, check_arrays
from mixlab.taxonomy.hierarchy import ancestry_from_parents, consistent_max
from mixlab.utils.values import refuse

__all__ = [
    "ORACLES",
    "RULES",
    "Thresholds",
    "choose_thresholds",
    "class_prevalence",
    "consistent_thresholds",
    "decide",
    "fit_thresholds",
    "is_rule",
]

DEFAULT_THRESHOLD = 0.5

RULES = {
    "fitted": "per class, from validation",
    "common": "one for all, from validation",
    "half": "0.5 for all",
    "common_on_test": "one for all, oracle",
    "fitted_on_test": "per class, oracle",
}
"""Ways to choose thresholds, and what tables call them. The first is that of reports; the last two look at
the very targets that are scored, as some published numbers do, and are never results."""

ORACLES = ("common_on_test", "fitted_on_test")


@dataclass(frozen=True)
class Thresholds:
    """Decision thresholds: class c is predicted where its score is at least ``values[c]``.

    Attributes:
        values: ``(C,)`` thresholds in [0, 1].
        fitted: ``(C,)`` False where validation had no positive to fit on and 0.5 was taken.
        common: The one threshold for all classes with the highest micro F1 on the same data; NaN where none
            was fitted.
    """

    values: Floats
    fitted: Bools
    common: float = math.nan

    @classmethod
    def none(cls, n_classes: int) -> "Thresholds":
        """Return those of a single-label run, which decides without any: NaN for every class."""
        return cls(np.full(n_classes, np.nan), np.zeros(n_classes, np.bool_))


def fit_thresholds(scores: ArrayLike, targets: ArrayLike, mask: ArrayLike) -> Thresholds:
    """Choose for each class the threshold with the highest F1; give it validation data only.

    Candidates lie half-way between neighbouring distinct scores, so that a threshold does not sit on a
    single item's score. Of equally good ones the highest is taken. A class without known positives
    gets 0.5 and ``fitted`` False. ``common`` is chosen in the same way over all known cells at once.

    Example:
        >>> from mixlab.evaluation import fit_thresholds
        >>> scores = [[0.9, 0.2], [0.6, 0.4], [0.3, 0.7], [0.2, 0.1]]
        >>> targets = [[1, 0], [1, 1], [0, 1], [0, 0]]
        >>> mask = [[True, True], [True, True], [True, True], [True, False]]
        >>> fitted = fit_thresholds(scores, targets, mask)
        >>> fitted.values.round(2).tolist(), fitted.fitted.tolist()
        ([0.45, 0.3], [True, True])
    """
    s, t, m = check_arrays(scores, targets, mask)
    n_classes = s.shape[1]
    values, fitted = np.full(n_classes, DEFAULT_THRESHOLD), np.zeros(n_classes, np.bool_)
    for c in range(n_classes):
        known = m[:, c]
        if t[known, c].any():
            values[c], fitted[c] = _best_threshold(s[known, c], t[known, c]), True
    return Thresholds(values, fitted, _best_threshold(s[m], t[m]) if t[m].any() else DEFAULT_THRESHOLD)


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
    """Return ``(N, C)`` decisions: score at least the class's threshold.

    Example:
        >>> from mixlab.evaluation import decide
        >>> decide([[0.9, 0.2], [0.4, 0.3]], [0.5, 0.3]).tolist()
        [[True, False], [False, True]]
    """
    return np.asarray(np.asarray(scores, np.float64) >= np.asarray(thresholds, np.float64)[None, :])


def choose_thresholds(rule: str, honest: Thresholds, oracle: Thresholds) -> Floats:
    """Return thresholds ``(C,)`` by one of ``RULES``, or the same for all classes.

    Args:
        rule: Its name; or a number in (0, 1) as text.
        honest: Fitted on validation.
        oracle: Fitted on what is scored.

    Raises:
        ConfigError: there is no such rule.
    """
    if not is_rule(rule):
        raise refuse("threshold", f"one of {', '.join(RULES)}, or a number between 0 and 1", rule)
    found: dict[str, ArrayLike] = {
        "fitted": honest.values,
        "common": honest.common,
        "half": DEFAULT_THRESHOLD,
        "common_on_test": oracle.common,
        "fitted_on_test": oracle.values,
    }
    at = found[rule] if rule in RULES else float(rule)
    return np.array(np.broadcast_to(at, honest.values.shape), np.float64)


def is_rule(text: object) -> bool:
    """Tell whether a text says how thresholds are chosen: one of ``RULES``, or a number in (0, 1)."""
    try:
        return text in RULES or 0 < float(str(text)) < 1
    except ValueError:
        return False


def class_prevalence(targets: ArrayLike, mask: ArrayLike) -> Floats:
    """Return each class's frequency among its known cells, ``(k + 1) / (n + 2)``.

    The added counts keep the baseline's loss finite for a class that was never (or always) seen.

    Example:
        >>> from mixlab.evaluation import class_prevalence
        >>> class_prevalence([[1, 0], [1, 1]], [[True, True], [True, False]]).round(3).tolist()
        [0.75, 0.333]
    """
    t, m = np.asarray(targets) > 0.5, np.asarray(mask, np.bool_)
    return np.asarray(((t & m).sum(0) + 1) / (m.sum(0) + 2), np.float64)
