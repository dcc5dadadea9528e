"""One classifier over all classes, for items of exactly one class each: its answer is the most probable.

Of strengths and kernel widths the pair with the best accuracy on validation is taken. The items of validation
come from other groups than those of training, as the corpora here say whose recordings they are; Choi et
al. 2017 choose by cross-validation over clips.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from mixlab.audio.io import FloatArray
from mixlab.errors import ConfigError
from mixlab.training.baselines.clip_config import STRENGTHS, ClipBaselineConfig
from mixlab.training.baselines.softmax import fit_last_layer, softmax

__all__ = ["Labelled", "SingleLabelClassifier", "fit_single_label"]

Scorer = Callable[[FloatArray], NDArray[Any]]
"""From features ``(N, D)`` to probabilities ``(N, K)`` of the K classes that training has."""

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
    def constant(self) -> tuple[int, ...]:
        """Classes that training does not have: their probability is 0."""
        return tuple(c for c in range(self.n_classes) if c not in self.known)

    def scores(self, values: FloatArray) -> NDArray[np.float32]:
        """Return probabilities ``(N, C)``, float32, for features ``(N, D)``."""
        found = np.zeros((len(values), self.n_classes), np.float32)
        if len(values):
            found[:, list(self.known)] = self.scorer(values)
        return found


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


def _forest(training: Labelled, validation: Labelled, config: ClipBaselineConfig) -> Fitted:
    model = RandomForestClassifier(
        config.trees,
        min_samples_leaf=config.min_leaf,
        class_weight=_weight(config),
        random_state=config.seed,
        n_jobs=config.workers or -1,
    )
    return model.fit(training.values, training.classes).predict_proba, {}


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
    return layer.scores, {}


def _logistic(training: Labelled, validation: Labelled, config: ClipBaselineConfig) -> Fitted:
    scaler = StandardScaler().fit(training.values)
    scaled = scaler.transform(training.values)

    def fit(strength: float) -> Scorer:
        model = LogisticRegression(
            C=strength, class_weight=_weight(config), max_iter=2000, random_state=config.seed
        ).fit(scaled, training.classes)
        return lambda values: np.asarray(model.predict_proba(scaler.transform(values)))

    strengths = config.strengths or STRENGTHS["logistic"]
    (strength,), scorer = _best(fit, [(c,) for c in sorted(strengths)], training, validation)
    return scorer, {"strength": strength}


def _svm(training: Labelled, validation: Labelled, config: ClipBaselineConfig) -> Fitted:
    scaler = StandardScaler().fit(training.values)
    scaled = scaler.transform(training.values)

    def fit(strength: float, gamma: float) -> Scorer:
        model = SVC(
            C=strength, gamma=gamma, class_weight=_weight(config), break_ties=True, random_state=config.seed
        ).fit(scaled, training.classes)
        return lambda values: _logits(model.decision_function(scaler.transform(values)))

    strengths = sorted(config.strengths or STRENGTHS["svm"])
    gammas = sorted({gamma or 1 / scaled.shape[1] for gamma in config.gammas})
    chosen, logits = _best(fit, list(itertools.product(strengths, gammas)), training, validation)
    temperature = _temperature(logits, validation, _places(validation, training))
    return lambda values: softmax(logits(values) / temperature), {
        "strength": chosen[0],
        "gamma": chosen[1],
        "temperature": temperature,
    }


def _weight(config: ClipBaselineConfig) -> str | None:
    return "balanced" if config.balanced else None


def _logits(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one column per class also for two, of which scikit-learn gives one distance."""
    return distances if distances.ndim == 2 else np.stack([-distances, distances], axis=1) / 2


def _best(
    fit: Callable[..., Scorer],
    settings: Sequence[tuple[float, ...]],
    training: Labelled,
    validation: Labelled,
) -> tuple[tuple[float, ...], Scorer]:
    """Return the settings whose classifier is most accurate on validation, the first among equals."""
    places = _places(validation, training)
    best: tuple[tuple[float, ...], Scorer] | None = None
    best_share = -1.0
    for setting in settings:
        scorer = fit(*setting)
        right = scorer(validation.values).argmax(axis=1) == places if len(places) else np.zeros(1)
        if best is None or right.mean() > best_share:
            best, best_share = (setting, scorer), float(right.mean())
    assert best is not None  # there is at least one setting
    return best


def _places(items: Labelled, training: Labelled) -> NDArray[np.int64]:
    """Return ``(N,)`` the column of each item's class among those that training has; -1 for others."""
    known = {int(c): k for k, c in enumerate(np.unique(training.classes))}
    return np.array([known.get(int(c), -1) for c in items.classes], np.int64)


def _temperature(logits: Scorer, items: Labelled, places: NDArray[np.int64]) -> float:
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
