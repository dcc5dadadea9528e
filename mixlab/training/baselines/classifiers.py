"""One scikit-learn classifier per class, each fitted on the mixes in which its class is known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from mixlab.audio.io import FloatArray
from mixlab.evaluation import METRICS, Cells, class_prevalence, measure
from mixlab.training.baselines.clip_config import ClipBaselineConfig
from mixlab.training.baselines.config import BaselineConfig
from mixlab.training.baselines.features import Features
from mixlab.training.baselines.scorers import (
    Constant,
    FittedScores,
    Forest,
    Kernel,
    Linear,
    Part,
    Scorer,
    logits,
    of_last_layer,
)
from mixlab.training.baselines.softmax import fit_last_layer

__all__ = [
    "Classifier",
    "fit_alone",
    "fit_forest",
    "fit_kernel",
    "fit_linear",
    "fit_softmax",
    "kernel_of",
    "scaling",
]

Fit = Callable[[NDArray[np.bool_], NDArray[np.bool_]], Scorer]
"""Fits a scorer of one class; takes which rows are known ``(N,)``, and its presence in these."""


@dataclass(frozen=True)
class Classifier:
    """C classifiers behind one set of features.

    Attributes:
        fitted: What scores the classes.
        constant: Classes that were always or never present in training: they get their training frequency.
        strength: scikit-learn's C of a linear classifier or of one with a kernel; None for others.
        gamma: Width of the kernel; None without one.
    """

    fitted: FittedScores
    constant: tuple[int, ...]
    strength: float | None = None
    gamma: float | None = None

    @property
    def chosen(self) -> dict[str, float]:
        """What was chosen on validation, by name."""
        found = {"strength": self.strength, "gamma": self.gamma}
        return {name: value for name, value in found.items() if value is not None}

    def scores(self, values: FloatArray) -> NDArray[np.float32]:
        """Return probabilities ``(N, C)``, float32, for features ``(N, D)``."""
        return self.fitted.scores(values)


def _per_class(training: Features, fit: Fit) -> tuple[FittedScores, tuple[int, ...]]:
    """Fit every class on its known rows; ``fit`` takes which rows these are, and their presence."""
    parts: list[Part] = []
    constant = []
    for c in range(training.targets.shape[1]):
        rows = training.mask[:, c]
        present = training.targets[rows, c] > 0.5
        if present.all() or not present.any():
            scorer: Scorer = Constant(float(class_prevalence(present, np.ones_like(present))))
            constant.append(c)
        else:
            scorer = fit(rows, present)
        parts.append(Part(scorer, (c,)))
    return FittedScores(tuple(parts), len(parts)), tuple(constant)


def scaling(scaler: StandardScaler) -> tuple[FloatArray, FloatArray]:
    """Return what a fitted scaler subtracts from float32 features, and what it divides them by."""
    return scaler.mean_.astype(np.float32), scaler.scale_.astype(np.float32)


def kernel_of(model: SVC, scaler: StandardScaler, link: Literal["sigmoid", "softmax"]) -> Kernel:
    """Take a support vector machine out of its object.

    Args:
        model: Fitted.
        scaler: What its features went through.
        link: ``sigmoid`` for one class against its absence.
    """
    return Kernel(
        *scaling(scaler),
        support=model.support_vectors_,
        dual=model.dual_coef_,
        counts=model.n_support_,
        biases=model.intercept_,
        gamma=float(model._gamma),
        temperature=1.0,
        link=link,
    )


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
        found = Forest.of_trees(model.fit(training.values[rows], present).estimators_)
        return replace(found, leaves=found.leaves[:, 1:])  # of absent and present

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

    def fit(strength: float) -> Fit:
        return _linear_fit(scaled, scaler, kind, strength, balanced, seed)

    best = _best(fit, [(strength,) for strength in strengths], training, validation)
    return best if kind == "logistic" else _calibrated(best, validation)


def fit_kernel(
    training: Features,
    validation: Features,
    *,
    strengths: tuple[float, ...],
    gammas: tuple[float, ...],
    balanced: bool = False,
    seed: int = 0,
) -> Classifier:
    """Fit a support vector machine with a radial kernel per class, on standardised features.

    Strength and width are chosen together, and distances become probabilities, as ``fit_linear`` does both.

    Args:
        training: Features of training items; unknown cells are left out, class by class.
        validation: Features of validation items.
        strengths: Values of scikit-learn's C to choose from.
        gammas: Widths of the kernel to choose from; 0 is 1 over the number of values.
        balanced: Weigh positives and negatives alike.
        seed: Of the solver.
    """
    scaler = StandardScaler().fit(training.values)
    scaled = scaler.transform(training.values)
    weight = "balanced" if balanced else None

    def fit(strength: float, gamma: float) -> Fit:
        def fit_class(rows: NDArray[np.bool_], present: NDArray[np.bool_]) -> Scorer:
            model = SVC(C=strength, gamma=gamma or "auto", class_weight=weight, random_state=seed)
            model.fit(scaled[rows], present)
            return kernel_of(model, scaler, "sigmoid")

        return fit_class

    return _calibrated(_best(fit, list(product(strengths, gammas)), training, validation), validation)


def fit_softmax(
    training: Features,
    *,
    steps: int,
    batch_size: int,
    learning_rate: float,
    standardise: bool,
    seed: int = 0,
) -> Classifier:
    """Train a new last layer by gradient descent, a sigmoid per class; see ``mixlab...baselines.softmax``.

    Args:
        training: Features of training items; unknown cells are left out.
        steps: Of gradient descent.
        batch_size: Items a step.
        learning_rate: Of gradient descent.
        standardise: Whether features get mean 0 and deviation 1 first.
        seed: Of first weights and batches.

    Raises:
        ConfigError: it did not converge.
    """
    layer = fit_last_layer(
        training.values,
        training.targets,
        training.mask,
        single_label=False,
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        standardise=standardise,
        seed=seed,
    )
    n_classes = training.targets.shape[1]
    part = Part(of_last_layer(layer), tuple(range(n_classes)))
    return Classifier(FittedScores((part,), n_classes), ())


def fit_alone(training: Features, config: BaselineConfig | ClipBaselineConfig) -> Classifier:
    """Fit the forest or the new last layer of some settings: what needs no validation.

    Args:
        training: Features of training items.
        config: Settings, whose ``classifier`` is ``forest`` or ``softmax``.

    Raises:
        ConfigError: the last layer did not converge.
    """
    if config.classifier == "forest":
        return fit_forest(
            training,
            trees=config.trees,
            min_leaf=config.min_leaf,
            balanced=config.balanced,
            seed=config.seed,
            workers=config.workers or -1,
        )
    return fit_softmax(
        training,
        steps=config.steps,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        standardise=config.standardise,
        seed=config.seed,
    )


def _best(
    fit: Callable[..., Fit],
    settings: Sequence[tuple[float, ...]],
    training: Features,
    validation: Features,
) -> Classifier:
    """Return the classifier of the settings with the best macro average precision on validation."""
    best: Classifier | None = None
    best_value = -np.inf
    for setting in settings:
        candidate = Classifier(*_per_class(training, fit(*setting)), *setting)
        value = _macro_ap(candidate.scores(validation.values), validation)
        if best is None or value > best_value:
            best, best_value = candidate, value
    assert best is not None  # there is at least one setting
    return best


def _linear_fit(
    scaled: FloatArray,
    scaler: StandardScaler,
    kind: str,
    strength: float,
    balanced: bool,
    seed: int,
) -> Fit:
    weight = "balanced" if balanced else None

    def fit(rows: NDArray[np.bool_], present: NDArray[np.bool_]) -> Scorer:
        if kind == "logistic":
            model: Any = LogisticRegression(C=strength, class_weight=weight, max_iter=2000, random_state=seed)
        else:
            model = LinearSVC(
                C=strength, class_weight=weight, max_iter=20_000, random_state=seed, dual="auto"
            )
        model.fit(scaled[rows], present)
        return Linear(*scaling(scaler), model.coef_.T, model.intercept_, "sigmoid")

    return fit


def _macro_ap(scores: NDArray[np.float32], truth: Features) -> float:
    value = measure(METRICS["average_precision"], Cells.checked(scores, truth.targets, truth.mask)).mean
    return value if np.isfinite(value) else 0.0


def _calibrated(classifier: Classifier, validation: Features) -> Classifier:
    """Bend each class's scores by a logistic curve in their logits, where validation has both kinds."""
    parts = [_bent(part, classifier.constant, validation) for part in classifier.fitted.parts]
    return replace(classifier, fitted=replace(classifier.fitted, parts=tuple(parts)))


def _bent(part: Part, constant: Sequence[int], validation: Features) -> Part:
    (c,) = part.columns
    rows = validation.mask[:, c]
    present = validation.targets[rows, c] > 0.5
    if c in constant or present.all() or not present.any():
        return part
    curve = LogisticRegression().fit(logits(part.scores(validation.values[rows])), present)
    return replace(part, curve=(float(curve.coef_.item()), float(curve.intercept_.item())))
