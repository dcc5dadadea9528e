"""Scores as probabilities: a logistic curve for each class, fitted on mixes whose labels are known.

Of several models the mean of such probabilities counts (``mean_scores``).

Platt, "Probabilistic outputs for support vector machines", 1999. Curves of ``mixlab_tagger`` and of some
published weights come with mixlab, fitted on composed songs; ``mixlab ensemble`` fits others.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixlab.errors import WeightsError
from mixlab.models.shipped_model import shipped_curves

__all__ = [
    "calibrate",
    "calibrated",
    "curved_odds",
    "known_curves",
    "log_odds",
    "mean_scores",
    "probabilities",
]

Floats = NDArray[np.float64]

_TINY = 1e-6


def calibrate(scores: Floats, targets: NDArray[Any], mask: NDArray[np.bool_]) -> Floats:
    """Return slope and offset ``(C, 2)`` of the logistic curve that turns scores into probabilities.

    A class without known positives or negatives keeps its scores. A curve that falls would turn a member's
    judgement upside down: such a member says the class's frequency for everything.

    Args:
        scores: ``(N, C)`` in [0, 1].
        targets: ``(N, C)`` 1 present, 0 absent.
        mask: ``(N, C)`` True where that is known.
    """
    from sklearn.linear_model import LogisticRegression

    curves = np.tile([1.0, 0.0], (scores.shape[1], 1))
    for c in range(scores.shape[1]):
        known = mask[:, c]
        truth = targets[known, c] > 0.5
        if not truth.any() or truth.all():
            continue
        fitted = LogisticRegression(C=1e3).fit(log_odds(scores[known, c])[:, None], truth)
        slope, offset = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
        curves[c] = (slope, offset) if slope > 0 else (0.0, float(log_odds(truth.mean())))
    return curves


def calibrated(scores: Floats, curves: Floats) -> Floats:
    """Return scores ``(..., C)`` as probabilities by curves of ``calibrate``."""
    return probabilities(curved_odds(scores, curves))


def curved_odds(scores: Any, curves: Any) -> Floats:  # noqa: ANN401 - arrays
    """Return the log odds of ``calibrated``."""
    slope, offset = np.asarray(curves, np.float64).T
    return np.asarray(slope * log_odds(scores) + offset)


def log_odds(values: Any) -> Floats:  # noqa: ANN401 - an array or a number
    """Return ``log(p / (1 - p))`` of scores, which are kept a millionth away from 0 and 1."""
    inside = np.clip(np.asarray(values, np.float64), _TINY, 1 - _TINY)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def probabilities(odds: Floats) -> Floats:
    """Return the probabilities of log odds."""
    return np.asarray(1 / (1 + np.exp(-odds)), np.float64)


def mean_scores(
    odds: Sequence[Floats],
    columns: Sequence[Sequence[int]],
    parents: Sequence[int | None],
    *,
    of_odds: bool = False,
) -> Floats:
    """Return what several models say together: of each class the mean over those that say it.

    An instrument that a model cannot say, where it says the family, gets its probability of the family times
    the share in it that the others give the instrument, P(instrument | family). Else the instrument would be
    the others' word alone, and the family, which scores at least what its instruments do, in effect as well.

    Args:
        odds: Of each model the log odds ``(N, C_m)`` of the classes that it says.
        columns: Of each model which of the C classes these are. Of each class at least one model says it.
        parents: Of each of the C classes the index of its nearest ancestor; None where there is none, or
            nobody is to follow it.
        of_odds: Whether the mean of log odds counts, in place of that of probabilities.

    Returns:
        ``(N, C)`` in [0, 1].
    """
    all_odds = np.zeros((len(odds), len(odds[0]), len(parents)))
    says = np.zeros((len(odds), len(parents)), bool)
    for m, (own, of) in enumerate(zip(odds, columns, strict=True)):
        all_odds[m][:, list(of)] = own
        says[m, list(of)] = True
    _follow_families(all_odds, says, parents)
    values = all_odds if of_odds else probabilities(all_odds)
    mean = np.where(says[:, None], values, 0).sum(axis=0) / says.sum(axis=0)
    return probabilities(mean) if of_odds else np.asarray(mean)


def _follow_families(odds: Floats, says: NDArray[np.bool_], parents: Sequence[int | None]) -> None:
    """Fill in, of members that cannot say a class, probabilities of its parent times the others' share in it.

    Args:
        odds: ``(members, N, C)``, 0 where a member does not say a class; filled in place.
        says: ``(members, C)``; filled in place.
        parents: Of each class the index of its nearest ancestor, or None.
    """
    for c in sorted(range(len(parents)), key=lambda c: _depth(c, parents)):
        parent = parents[c]
        if parent is None:
            continue
        know, lack = says[:, c] & says[:, parent], ~says[:, c] & says[:, parent]
        if know.any() and lack.any():
            shares = probabilities(odds[know, :, c]) / probabilities(odds[know, :, parent])
            share = np.minimum(shares, 1.0).mean(axis=0)  # where the tree does not hold, all of the family
            odds[lack, :, c] = log_odds(probabilities(odds[lack, :, parent]) * share)
            says[lack, c] = True


def _depth(c: int, parents: Sequence[int | None]) -> int:
    parent = parents[c]
    return 0 if parent is None else 1 + _depth(parent, parents)


def known_curves(weights: str, sha256: str, label_set: str) -> dict[str, tuple[float, float]] | None:
    """Return slope and offset by class, of published weights whose curves come with mixlab; else None.

    Args:
        weights: Their name, as ``mixlab weights`` lists it.
        sha256: Of their file: curves of another file do not count.
        label_set: The content hash of the label set that their tags are raised to.

    Raises:
        WeightsError: the file with the curves is damaged.
    """
    known = _read_curves(shipped_curves())
    of = known["members"].get(weights)
    if of is None or of["sha256"] != sha256 or known["label_set"] != label_set:
        return None
    return {name: (slope, offset) for name, (slope, offset) in of["curves"].items()}


def _read_curves(file: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        found["label_set"]
        for of in found["members"].values():
            of["sha256"]
            of["curves"] = {
                str(k): (float(slope), float(offset)) for k, (slope, offset) in of["curves"].items()
            }
            if not np.isfinite(list(of["curves"].values())).all():
                raise ValueError("not all of its values are numbers")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"The curves of known weights, {file}, cannot be read ({type(error).__name__}: {error}). The "
            "installation is damaged: install mixlab again.",
            code="invalid-weights",
        ) from error
    return found
