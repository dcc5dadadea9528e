"""One classifier over all classes, for items of exactly one class each: its answer is the most probable.

Of strengths and kernel widths the pair with the best accuracy on validation is taken. The items of validation
come from other groups than those of training, as the corpora here say whose recordings they are; Choi et
al. 2017 choose by cross-validation over clips.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from mixlab.audio.io import FloatArray
from mixlab.errors import ConfigError
from mixlab.training.baselines.classifiers import kernel_of, scaling
from mixlab.training.baselines.clip_config import STRENGTHS, ClipBaselineConfig
from mixlab.training.baselines.scorers import (
    FittedScores,
    Forest,
    Kernel,
    Linear,
    Part,
    Scorer,
    of_last_layer,
)
from mixlab.training.baselines.softmax import fit_last_layer, softmax

__all__ = ["Labelled", "SingleLabelClassifier", "fit_single_label"]

Logits = Callable[[FloatArray], NDArray[Any]]
"""From features ``(N, D)`` to what is highest for the most probable of the K classes that training has."""

_HOTTEST = 6.0  # temperatures from e^-6 to e^6


@dataclass(frozen=True)
class Labelled:
    """Features of N items beside their classes.

    Attributes:
        values: ``(N, D)`` float32.
        targets: ``(N, C)`` 1 for the class of each, else 0.
    """

    values: FloatArray
    targets: NDArray[np.float32]

    @property
    def classes(self) -> NDArray[np.int64]:
        """``(N,)`` number of the class of each."""
        return np.asarray(self.targets.argmax(axis=1), np.int64)


@dataclass(frozen=True)
class SingleLabelClassifier:
    """A classifier over C classes.

    Attributes:
        scorer: Gives the probabilities of the classes that training has.
        known: Their numbers.
        n_classes: C.
        chosen: What was chosen on validation, by name.
    """

    scorer: Scorer
    known: tuple[int, ...]
    n_classes: int
    chosen: dict[str, float] = field(default_factory=dict)

    @property
    def fitted(self) -> FittedScores:
        """What scores the classes; the probability of those that training does not have is 0."""
        return FittedScores((Part(self.scorer, self.known),), self.n_classes)

    @property
    def constant(self) -> tuple[int, ...]:
        """Classes that training does not have: their probability is 0."""
        return tuple(c for c in range(self.n_classes) if c not in self.known)

    def scores(self, values: FloatArray) -> NDArray[np.float32]:
        """Return probabilities ``(N, C)``, float32, for features ``(N, D)``."""
        return self.fitted.scores(values)


def fit_single_label(
    training: Labelled, validation: Labelled, config: ClipBaselineConfig
) -> SingleLabelClassifier:
    """Fit the classifier that the settings name.

    Args:
        training: What it learns from.
        validation: What settings are chosen on; where it is empty, the first of each is taken.
        config: Settings.

    Raises:
        ConfigError: training has one class only, or the last layer did not converge.
    """
    known = tuple(int(c) for c in np.unique(training.classes))
    if len(known) < 2:
        raise ConfigError(
            f"A classifier needs training clips of two classes at least, found {len(known)}: look at "
            "clips.classes and at the splits.",
            code="empty-selection",
        )
    fit = {"forest": _forest, "logistic": _logistic, "svm": _svm, "softmax": _softmax}[config.classifier]
    scorer, chosen = fit(training, validation, config)
    return SingleLabelClassifier(scorer, known, training.targets.shape[1], chosen)


Fitted = tuple[Scorer, dict[str, float]]
Fit = TypeVar("Fit", bound=Scorer)


def _forest(training: Labelled, validation: Labelled, config: ClipBaselineConfig) -> Fitted:
    model = RandomForestClassifier(
        config.trees,
        min_samples_leaf=config.min_leaf,
        class_weight=_weight(config),
        random_state=config.seed,
        n_jobs=config.workers or -1,
    )
    return Forest.of_trees(model.fit(training.values, training.classes).estimators_), {}


def _softmax(training: Labelled, validation: Labelled, config: ClipBaselineConfig) -> Fitted:
    known = np.unique(training.classes)
    layer = fit_last_layer(
        training.values,
        training.targets[:, known],
        np.ones((len(training.values), len(known)), np.bool_),
        single_label=True,
        steps=config.steps,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        standardise=config.standardise,
        seed=config.seed,
    )
    return of_last_layer(layer), {}


def _logistic(training: Labelled, validation: Labelled, config: ClipBaselineConfig) -> Fitted:
    scaler = StandardScaler().fit(training.values)
    scaled = scaler.transform(training.values)

    def fit(strength: float) -> Linear:
        model = LogisticRegression(
            C=strength, class_weight=_weight(config), max_iter=2000, random_state=config.seed
        ).fit(scaled, training.classes)
        weights, biases = model.coef_.T, model.intercept_
        if len(biases) == 1:  # two classes: half of it speaks for one, and half against the other
            weights, biases = (np.concatenate([-x, x], axis=-1) / 2 for x in (weights, biases))
        return Linear(*scaling(scaler), weights, biases, "softmax")

    strengths = config.strengths or STRENGTHS["logistic"]
    (strength,), scorer = _best(fit, [(c,) for c in sorted(strengths)], training, validation, lambda x: x)
    return scorer, {"strength": strength}


def _svm(training: Labelled, validation: Labelled, config: ClipBaselineConfig) -> Fitted:
    scaler = StandardScaler().fit(training.values)
    scaled = scaler.transform(training.values)

    def fit(strength: float, gamma: float) -> Kernel:
        model = SVC(
            C=strength, gamma=gamma, class_weight=_weight(config), break_ties=True, random_state=config.seed
        ).fit(scaled, training.classes)
        return kernel_of(model, scaler, "softmax")

    strengths = sorted(config.strengths or STRENGTHS["svm"])
    gammas = sorted({gamma or 1 / scaled.shape[1] for gamma in config.gammas})
    settings = list(itertools.product(strengths, gammas))
    chosen, kernel = _best(fit, settings, training, validation, lambda found: found.distances)
    temperature = _temperature(kernel.distances, validation, _places(validation, training))
    return replace(kernel, temperature=temperature), {
        "strength": chosen[0],
        "gamma": chosen[1],
        "temperature": temperature,
    }


def _weight(config: ClipBaselineConfig) -> str | None:
    return "balanced" if config.balanced else None


def _best(
    fit: Callable[..., Fit],
    settings: Sequence[tuple[float, ...]],
    training: Labelled,
    validation: Labelled,
    decides: Callable[[Fit], Logits],
) -> tuple[tuple[float, ...], Fit]:
    """Return the settings whose classifier is most accurate on validation, the first among equals."""
    places = _places(validation, training)
    best: tuple[tuple[float, ...], Fit] | None = None
    best_share = -1.0
    for setting in settings:
        scorer = fit(*setting)
        right = decides(scorer)(validation.values).argmax(axis=1) == places if len(places) else np.zeros(1)
        if best is None or right.mean() > best_share:
            best, best_share = (setting, scorer), float(right.mean())
    assert best is not None  # there is at least one setting
    return best


def _places(items: Labelled, training: Labelled) -> NDArray[np.int64]:
    """Return ``(N,)`` the column of each item's class among those that training has; -1 for others."""
    known = {int(c): k for k, c in enumerate(np.unique(training.classes))}
    return np.array([known.get(int(c), -1) for c in items.classes], np.int64)


def _temperature(logits: Logits, items: Labelled, places: NDArray[np.int64]) -> float:
    """Return what logits are divided by so that their softmax fits validation best.

    One number for all classes: it makes probabilities of distances and changes no decision (Guo et al. 2017,
    "On calibration of modern neural networks").
    """
    rows = np.flatnonzero(places >= 0)
    if not len(rows):
        return 1.0
    found = logits(items.values[rows])

    def loss(log_temperature: float) -> float:
        shown = softmax(found / np.exp(log_temperature))[np.arange(len(rows)), places[rows]]
        return float(-np.log(np.maximum(shown, 1e-12)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-_HOTTEST, _HOTTEST), method="bounded").x))
