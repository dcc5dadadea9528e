"""Scores of predicted numbers: how far they are off, beside what saying the training's mean would give.

``Predictions`` of a regression hold one number per item instead of scores of classes. What is said of classes
(presence, thresholds, chance level) has no meaning for them: they have metrics of their own.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from sklearn.metrics import mean_absolute_error, r2_score

from mixlab.errors import ConfigError
from mixlab.evaluation.arrays import Floats, Integers, divide
from mixlab.evaluation.bootstrap import song_weights
from mixlab.evaluation.cells import song_numbers
from mixlab.evaluation.measured import Measured
from mixlab.evaluation.metrics import MetricInfo
from mixlab.evaluation.predictions import Predictions
from mixlab.evaluation.results import SplitScores

__all__ = ["NUMBER_METRICS", "mean_predictor", "measure_numbers", "score_numbers"]

_R2 = MetricInfo(
    "r2",
    "R2",
    "coefficient of determination: 1 for numbers that are all right, 0 for saying the mean of these very "
    "items of each, below 0 for worse",
    over="all",
    needs_positives=False,
    lowest=-math.inf,
)
_ERROR = MetricInfo(
    "mean_absolute_error",
    "mean absolute error",
    "mean distance from the true number, in its unit",
    higher_is_better=False,
    over="all",
    needs_positives=False,
    highest=None,
)
_CORRELATION = MetricInfo(
    "pearson",
    "Pearson r",
    "Pearson's correlation of predicted and true numbers, which does not see a wrong scale or an offset",
    over="all",
    needs_positives=False,
    lowest=-1.0,
)

NUMBER_METRICS: dict[str, MetricInfo] = {metric.name: metric for metric in (_R2, _ERROR, _CORRELATION)}
"""Every metric of predicted numbers by its name, in the order of tables."""


def measure_numbers(predictions: Predictions, weights: Floats | None = None) -> dict[str, Measured]:
    """Return every metric of predicted numbers, and of resamples of their groups.

    R2 and the correlation are undefined where all true numbers are equal, the correlation also where all
    predicted ones are.

    Args:
        predictions: Of one split.
        weights: ``(B, S)`` how often each resample has each of the S groups; None for no resamples.

    Raises:
        ConfigError: there are no predictions, or one of them is not finite.
    """
    predicted, true = (np.asarray(x[:, 0], np.float64) for x in (predictions.scores, predictions.targets))
    if not len(predicted):
        raise ConfigError(
            f"Expected at least one {predictions.units.item} to score.", code="predictions-not-found"
        )
    if not np.isfinite(predicted).all():
        raise ConfigError("Predicted numbers hold NaN or infinity.", code="training-diverged")
    group, _ = song_numbers(predictions.group.astype(str).tolist())
    values = {"r2": _r2(predicted, true), "mean_absolute_error": float(mean_absolute_error(true, predicted))}
    values["pearson"] = _pearson(predicted, true)
    return {
        name: Measured(
            NUMBER_METRICS[name],
            np.array([value]),
            None if weights is None else _RESAMPLES[name](predicted, true, group, weights)[:, None],
        )
        for name, value in values.items()
    }


def _r2(predicted: Floats, true: Floats) -> float:
    return math.nan if np.ptp(true) == 0 else float(r2_score(true, predicted))


def _pearson(predicted: Floats, true: Floats) -> float:
    if np.ptp(predicted) == 0 or np.ptp(true) == 0:
        return math.nan
    return float(np.corrcoef(predicted, true)[0, 1])


# Sums add up over groups, so that a resample of groups is a row of a matrix product.


def _sums(values: Floats, group: Integers, weights: Floats) -> Floats:
    return np.asarray(weights @ np.bincount(group, values, weights.shape[1]))


def _spread(values: Floats, group: Integers, weights: Floats) -> Floats:
    """Return ``(B,)`` the sum of squared distances from each resample's own mean; 0 where all are equal."""
    count = _sums(np.ones(len(values)), group, weights)
    off = values - values.mean()
    total = _sums(np.square(off), group, weights)
    left = total - divide(np.square(_sums(off, group, weights)), count, empty=0.0)
    return np.asarray(np.where(left > 1e-12 * total, left, 0.0))


def _resampled_r2(predicted: Floats, true: Floats, group: Integers, weights: Floats) -> Floats:
    off = _sums(np.square(predicted - true), group, weights)
    return 1 - divide(off, _spread(true, group, weights))


def _resampled_error(predicted: Floats, true: Floats, group: Integers, weights: Floats) -> Floats:
    count = _sums(np.ones(len(true)), group, weights)
    return divide(_sums(np.abs(predicted - true), group, weights), count)


def _resampled_pearson(predicted: Floats, true: Floats, group: Integers, weights: Floats) -> Floats:
    a, b = predicted - predicted.mean(), true - true.mean()
    count = _sums(np.ones(len(true)), group, weights)
    means = divide(_sums(a, group, weights) * _sums(b, group, weights), count, empty=0.0)
    both = np.sqrt(_spread(predicted, group, weights) * _spread(true, group, weights))
    return divide(_sums(a * b, group, weights) - means, both)


_RESAMPLES: dict[str, Callable[[Floats, Floats, Integers, Floats], Floats]] = {
    "r2": _resampled_r2,
    "mean_absolute_error": _resampled_error,
    "pearson": _resampled_pearson,
}


def mean_predictor(predictions: Predictions) -> Predictions:
    """Return what the reference says of the same items: the mean of the training items, of each.

    Raises:
        ConfigError: the predictions are of classes.
    """
    if predictions.quantity is None:
        raise ConfigError(
            "These predictions are of classes; the mean of training is the reference of numbers.",
            code="wrong-type",
        )
    return replace(predictions, scores=np.full_like(predictions.scores, predictions.quantity.mean))


def score_numbers(
    predictions: Predictions, split: str, *, n_resamples: int = 1000, seed: int = 0
) -> SplitScores:
    """Compute every score of one split of a regression, and those of the reference beside them.

    Args:
        predictions: Of a regression, of all splits.
        split: Which rows to score.
        n_resamples: Bootstrap resamples of groups; 0 leaves intervals out.
        seed: Seed of the bootstrap.

    Raises:
        ConfigError: the split has no rows, a number is not finite, or the predictions are of classes.
    """
    part = predictions.only(split)
    reference = measure_numbers(mean_predictor(part))
    n_groups = len(set(part.group.astype(str).tolist()))
    weights = song_weights(n_groups, n_resamples, seed)
    measured = measure_numbers(part, weights)
    return SplitScores(
        split=split,
        n_items=len(part),
        n_groups=n_groups,
        n_resamples=0 if weights is None else len(weights),
        metrics=tuple(NUMBER_METRICS.values()),
        classes=(),
        scores={name: one.score(reference[name]) for name, one in measured.items()},
        units=part.units,
        quantity=part.quantity,
    )
