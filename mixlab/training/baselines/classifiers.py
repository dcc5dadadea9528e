"""One scikit-learn classifier per class, each fitted on the mixes in which its class is known."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from mixlab.audio.io import FloatArray
from mixlab.evaluation import METRICS, Cells, class_prevalence, measure
from mixlab.training.baselines.features import Features

__all__ = ["Classifier", "fit_forest", "fit_linear"]

Scorer = Callable[[FloatArray], NDArray[np.float64]]
"""From features ``(N, D)`` to the probability of one class ``(N,)``."""


@dataclass(frozen=True)
class Classifier:
    """C classifiers behind one set of features.

    Attributes:
        scorers: One per class.
        constant: Classes that were always or never present in training: they get their training frequency.
        strength: scikit-learn's C of a linear classifier; None for a forest.
    """

    scorers: tuple[Scorer, ...]
    constant: tuple[int, ...]
    strength: float | None = None

    def scores(self, values: FloatArray) -> NDArray[np.float32]:
        """Return probabilities ``(N, C)``, float32, for features ``(N, D)``."""
        return np.stack([scorer(values) for scorer in self.scorers], axis=1).astype(np.float32)


def _per_class(
    training: Features, fit: Callable[[NDArray[np.bool_], NDArray[np.bool_]], Scorer]
) -> tuple[tuple[Scorer, ...], tuple[int, ...]]:
    """Fit every class on its known rows; ``fit`` takes which rows these are, and their presence."""
    scorers: list[Scorer] = []
    constant = []
    for c in range(training.targets.shape[1]):
        rows = training.mask[:, c]
        present = training.targets[rows, c] > 0.5
        if present.all() or not present.any():
            scorers.append(_always(float(class_prevalence(present, np.ones_like(present)))))
            constant.append(c)
        else:
            scorers.append(fit(rows, present))
    return tuple(scorers), tuple(constant)


def _always(value: float) -> Scorer:
    return lambda values: np.full(len(values), value)


def _positive(model: Any) -> Scorer:  # noqa: ANN401 - scikit-learn carries no types
    return lambda values: np.asarray(model.predict_proba(values)[:, 1], np.float64)


def fit_forest(
    training: Features,
    *,
    trees: int = 300,
    min_leaf: int = 2,
    balanced: bool = False,
    seed: int = 0,
    workers: int = 1,
) -> Classifier:
    """Fit a random forest per class (Breiman 2001).

    Args:
        training: Features of training mixes; unknown cells are left out, class by class.
        trees: Trees per class.
        min_leaf: Fewest mixes in a leaf.
        balanced: Weigh positives and negatives alike.
        seed: Of the trees; the same one gives the same forest.
        workers: Threads; -1 takes all processors.
    """

    def fit(rows: NDArray[np.bool_], present: NDArray[np.bool_]) -> Scorer:
        model = RandomForestClassifier(
            trees,
            min_samples_leaf=min_leaf,
            class_weight="balanced" if balanced else None,
            random_state=seed,
            n_jobs=workers,
        )
        return _positive(model.fit(training.values[rows], present))

    return Classifier(*_per_class(training, fit))


def fit_linear(
    training: Features,
    validation: Features,
    *,
    kind: str = "logistic",
    strengths: tuple[float, ...] = (0.001, 0.01, 0.1, 1.0),
    balanced: bool = False,
    seed: int = 0,
) -> Classifier:
    """Fit a logistic regression or a linear support vector machine per class, on standardised features.

    The strength with the best macro average precision on validation is taken, the same for all classes. A
    support vector machine's distances become probabilities by a logistic curve fitted on validation too
    (Platt 1999).

    Args:
        training: Features of training mixes; unknown cells are left out, class by class.
        validation: Features of validation mixes.
        kind: ``logistic`` or ``svm``.
        strengths: Values of scikit-learn's C to choose from.
        balanced: Weigh positives and negatives alike.
        seed: Of the solver.
    """
    scaler = StandardScaler().fit(training.values)
    scaled = scaler.transform(training.values)
    best: Classifier | None = None
    best_value = -np.inf
    for strength in strengths:
        fit = _linear_fit(scaled, scaler, kind, strength, balanced, seed)
        candidate = Classifier(*_per_class(training, fit), strength)
        value = _macro_ap(candidate.scores(validation.values), validation)
        if best is None or value > best_value:
            best, best_value = candidate, value
    assert best is not None  # there is at least one strength
    return best if kind == "logistic" else _calibrated(best, validation)


def _linear_fit(
    scaled: FloatArray,
    scaler: Any,  # noqa: ANN401 - scikit-learn carries no types
    kind: str,
    strength: float,
    balanced: bool,
    seed: int,
) -> Callable[[NDArray[np.bool_], NDArray[np.bool_]], Scorer]:
    weight = "balanced" if balanced else None

    def fit(rows: NDArray[np.bool_], present: NDArray[np.bool_]) -> Scorer:
        if kind == "logistic":
            model: Any = LogisticRegression(C=strength, class_weight=weight, max_iter=2000, random_state=seed)
        else:
            model = LinearSVC(
                C=strength, class_weight=weight, max_iter=20_000, random_state=seed, dual="auto"
            )
        model.fit(scaled[rows], present)
        return lambda values: _sigmoid(model.decision_function(scaler.transform(values)))

    return fit


def _sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    # From the smaller side, so that the exponential never overflows.
    small = np.exp(-np.abs(values))
    return np.asarray(np.where(values >= 0, 1 / (1 + small), small / (1 + small)), np.float64)


def _macro_ap(scores: NDArray[np.float32], truth: Features) -> float:
    value = measure(METRICS["average_precision"], Cells.checked(scores, truth.targets, truth.mask)).mean
    return value if np.isfinite(value) else 0.0


def _calibrated(classifier: Classifier, validation: Features) -> Classifier:
    """Bend each class's scores by a logistic curve in their logits, where validation has both kinds."""
    tiny = 1e-7

    def logits(scores: NDArray[np.float64]) -> NDArray[np.float64]:
        inside = np.clip(scores, tiny, 1 - tiny)
        return np.asarray(np.log(inside) - np.log1p(-inside))[:, None]

    scorers = list(classifier.scorers)
    for c, scorer in enumerate(classifier.scorers):
        rows = validation.mask[:, c]
        present = validation.targets[rows, c] > 0.5
        if c in classifier.constant or present.all() or not present.any():
            continue
        curve = LogisticRegression().fit(logits(scorer(validation.values[rows])), present)
        scorers[c] = _bent(scorer, curve, logits)
    return Classifier(tuple(scorers), classifier.constant, classifier.strength)


def _bent(
    scorer: Scorer,
    curve: Any,  # noqa: ANN401 - scikit-learn carries no types
    logits: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> Scorer:
    return lambda values: np.asarray(curve.predict_proba(logits(scorer(values)))[:, 1], np.float64)
