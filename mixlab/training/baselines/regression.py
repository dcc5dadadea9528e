"""A regression on features of clips: a number for each, in its unit.

Targets are brought to mean 0 and deviation 1 over the training clips, so that one grid of settings fits every
unit. Of settings, those with the least squared error on validation are taken, whose clips come from other
groups; Choi et al. 2017 choose by cross-validation over clips.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from mixlab.audio.io import FloatArray
from mixlab.errors import ConfigError
from mixlab.training.baselines.clip_config import STRENGTHS, ClipBaselineConfig

__all__ = ["TITLES", "NumberRegressor", "Numbered", "fit_number"]

TITLES = {
    "forest": "random forest regression",
    "logistic": "ridge regression",
    "svm": "support vector regression",
}
"""What ``baseline.classifier`` is where a number is predicted."""

Predictor = Callable[[FloatArray], NDArray[Any]]
"""From features ``(N, D)`` to scaled numbers ``(N,)``."""


@dataclass(frozen=True)
class Numbered:
    """Features of N items beside their numbers.

    Attributes:
        values: ``(N, D)`` float32.
        numbers: ``(N,)`` in their unit.
    """

    values: FloatArray
    numbers: NDArray[np.float64]


@dataclass(frozen=True)
class NumberRegressor:
    """A regression on features.

    Attributes:
        predictor: Gives numbers that are scaled as those of training.
        mean: Of the training numbers, in their unit.
        deviation: Standard deviation of the training numbers, above 0.
        chosen: What was chosen on validation, by name.
    """

    predictor: Predictor
    mean: float
    deviation: float
    chosen: dict[str, float] = field(default_factory=dict)

    def predict(self, values: FloatArray) -> NDArray[np.float32]:
        """Return numbers ``(N,)`` in their unit, float32, for features ``(N, D)``."""
        scaled = np.asarray(self.predictor(values), np.float64) if len(values) else np.zeros(0)
        return np.asarray(self.mean + self.deviation * scaled, np.float32)


def fit_number(
    training: Numbered, validation: Numbered, config: ClipBaselineConfig, *, name: str = "the number"
) -> NumberRegressor:
    """Fit the regression that stands for the classifier of the settings.

    Args:
        training: What it learns from.
        validation: What settings are chosen on; where it is empty, the first of each is taken.
        config: Settings; ``classifier`` is one of ``TITLES``.
        name: Of the number, in messages.

    Raises:
        ConfigError: all training items have one number, or the classifier has no regression.
    """
    if config.classifier not in TITLES:
        raise ConfigError(
            f"baseline.classifier: {name} is predicted by one of {', '.join(TITLES)}, found "
            f"{config.classifier!r}, which is for classes alone.",
            code="conflicting-settings",
        )
    mean, deviation = float(training.numbers.mean()), float(training.numbers.std())
    if np.ptp(training.numbers) == 0:
        raise ConfigError(
            f"{name} is {mean:g} for all {len(training.numbers)} training clips, so there is nothing to "
            "learn: look at clips.value, clips.classes and at the splits.",
            code="constant-target",
        )

    def scaled(items: Numbered) -> Numbered:
        return Numbered(items.values, (items.numbers - mean) / deviation)

    fit = {"forest": _forest, "logistic": _ridge, "svm": _svm}[config.classifier]
    predictor, chosen = fit(scaled(training), scaled(validation), config)
    return NumberRegressor(predictor, mean, deviation, chosen)


Fitted = tuple[Predictor, dict[str, float]]


def _forest(training: Numbered, validation: Numbered, config: ClipBaselineConfig) -> Fitted:
    model = RandomForestRegressor(
        config.trees,
        min_samples_leaf=config.min_leaf,
        random_state=config.seed,
        n_jobs=config.workers or -1,
    )
    return model.fit(training.values, training.numbers).predict, {}


def _ridge(training: Numbered, validation: Numbered, config: ClipBaselineConfig) -> Fitted:
    scaler = StandardScaler().fit(training.values)
    scaled = scaler.transform(training.values)

    def fit(strength: float) -> Predictor:
        model = Ridge(alpha=1 / (2 * strength)).fit(scaled, training.numbers)
        return lambda values: np.asarray(model.predict(scaler.transform(values)))

    strengths = sorted(config.strengths or STRENGTHS["logistic"])
    (strength,), predictor = _best(fit, [(c,) for c in strengths], validation)
    return predictor, {"strength": strength}


def _svm(training: Numbered, validation: Numbered, config: ClipBaselineConfig) -> Fitted:
    scaler = StandardScaler().fit(training.values)
    scaled = scaler.transform(training.values)

    def fit(strength: float, gamma: float) -> Predictor:
        model = SVR(C=strength, gamma=gamma).fit(scaled, training.numbers)
        return lambda values: np.asarray(model.predict(scaler.transform(values)))

    strengths = sorted(config.strengths or STRENGTHS["svm"])
    gammas = sorted({gamma or 1 / scaled.shape[1] for gamma in config.gammas})
    chosen, predictor = _best(fit, list(itertools.product(strengths, gammas)), validation)
    return predictor, {"strength": chosen[0], "gamma": chosen[1]}


def _best(
    fit: Callable[..., Predictor], settings: Sequence[tuple[float, ...]], validation: Numbered
) -> tuple[tuple[float, ...], Predictor]:
    """Return the settings with the least squared error on validation, the first among equals."""
    best: tuple[tuple[float, ...], Predictor] | None = None
    least = np.inf
    for setting in settings:
        predictor = fit(*setting)
        off = predictor(validation.values) - validation.numbers if len(validation.numbers) else np.zeros(1)
        error = float(np.square(off).mean())
        if best is None or error < least:
            best, least = (setting, predictor), error
    assert best is not None  # there is at least one setting
    return best
