"""A new last layer, trained by gradient descent on features that are computed once.

What TensorFlow's ``retrain`` did to an image network, and what the black-box transfer paper used it for
(sections 4 and 5): one fully connected layer from zero biases and small random weights, plain gradient
descent at a fixed rate, and batches in which each class is equally frequent, whatever its number of items:
a class is drawn, then one of its items. The paper raises the number of steps to 8,000 and leaves all else
at its default (100 items a step, rate 0.01).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from mixlab.audio.io import FloatArray
from mixlab.errors import ConfigError

__all__ = ["LastLayer", "fit_last_layer", "sigmoid", "softmax"]

FIRST_DEVIATION = 0.001
"""Of the random weights that training starts from, as in ``retrain``."""


@dataclass(frozen=True)
class LastLayer:
    """A fully connected layer.

    Attributes:
        weights: ``(D, C)`` float32.
        biases: ``(C,)`` float32.
        mean: ``(D,)`` what is subtracted from features first.
        deviation: ``(D,)`` what they are divided by.
        single_label: Whether its scores are a softmax over classes, else a sigmoid of each.
    """

    weights: FloatArray
    biases: FloatArray
    mean: FloatArray
    deviation: FloatArray
    single_label: bool

    def scores(self, values: FloatArray) -> NDArray[np.float64]:
        """Return probabilities ``(N, C)`` for features ``(N, D)``."""
        logits = (values - self.mean) / self.deviation @ self.weights + self.biases
        return (softmax if self.single_label else sigmoid)(logits.astype(np.float64))


def fit_last_layer(
    values: FloatArray,
    targets: NDArray[np.float32],
    mask: NDArray[np.bool_],
    *,
    single_label: bool,
    steps: int = 8000,
    batch_size: int = 100,
    learning_rate: float = 0.01,
    standardise: bool = False,
    seed: int = 0,
) -> LastLayer:
    """Train a layer; without ``single_label`` each class is a logistic regression on its known items.

    Args:
        values: ``(N, D)`` features.
        targets: ``(N, C)`` 1 present, 0 absent.
        mask: ``(N, C)`` True where known.
        single_label: Whether each item has exactly one class; else batches are drawn from all items alike.
        steps: Of gradient descent.
        batch_size: Items a step.
        learning_rate: Of gradient descent.
        standardise: Whether features get mean 0 and deviation 1 first.
        seed: Of first weights and batches.

    Raises:
        ConfigError: the weights have grown beyond all bounds.
    """
    rng = np.random.default_rng(seed)
    mean, deviation = _scaling(values, standardise)
    inputs = ((values - mean) / deviation).astype(np.float32)
    n_values, n_classes = inputs.shape[1], targets.shape[1]
    weights = (FIRST_DEVIATION * rng.standard_normal((n_values, n_classes))).astype(np.float32)
    biases = np.zeros(n_classes, np.float32)
    groups = [np.flatnonzero(c) for c in targets.T > 0.5] if single_label else [np.arange(len(inputs))]
    groups = [rows for rows in groups if len(rows)]
    score = softmax if single_label else sigmoid
    # One thread: products of a hundred rows are over before a second one has begun.
    with threadpool_limits(1, user_api="blas"):
        for _ in range(steps):
            rows = _sample(rng, groups, batch_size)
            x, known = inputs[rows], mask[rows]
            counts = batch_size if single_label else np.maximum(known.sum(axis=0), 1)
            wrong = np.where(known, score(x @ weights + biases) - targets[rows], 0) / counts
            weights -= learning_rate * (x.T @ wrong.astype(np.float32))
            biases -= learning_rate * wrong.sum(axis=0).astype(np.float32)
    if not (np.isfinite(weights).all() and np.isfinite(biases).all()):
        raise ConfigError(
            "The last layer did not converge: its weights are not finite numbers. Lower "
            "baseline.learning_rate, or set baseline.standardise to true.",
            code="training-diverged",
        )
    return LastLayer(weights, biases, mean, deviation, single_label)


def _scaling(values: FloatArray, standardise: bool) -> tuple[FloatArray, FloatArray]:
    if not standardise:
        return np.zeros(values.shape[1], np.float32), np.ones(values.shape[1], np.float32)
    deviation = values.std(axis=0)
    return values.mean(axis=0), np.where(deviation > 0, deviation, 1).astype(np.float32)


def _sample(rng: np.random.Generator, groups: list[NDArray[np.int64]], size: int) -> NDArray[np.int64]:
    """Draw items: a group first, all alike, then one of its items."""
    counts = np.array([len(rows) for rows in groups])
    firsts = np.cumsum(counts) - counts
    of = rng.integers(len(groups), size=size)
    return np.asarray(np.concatenate(groups)[firsts[of] + rng.integers(counts[of])], np.int64)


def softmax(logits: NDArray[Any]) -> NDArray[Any]:
    """Return the softmax of each row of ``(N, C)``."""
    grown = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(grown / grown.sum(axis=1, keepdims=True))


def sigmoid(logits: NDArray[Any]) -> NDArray[Any]:
    """Return the sigmoid of each logit."""
    # From the smaller side, so that the exponential never overflows.
    small = np.exp(-np.abs(logits))
    return np.asarray(np.where(logits >= 0, 1 / (1 + small), small / (1 + small)))
