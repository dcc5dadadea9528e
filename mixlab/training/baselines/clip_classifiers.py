"""The classifier of a baseline on clips: one over all classes, one per class, or a regression on a number."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.io import FloatArray
from mixlab.evaluation.units import Quantity
from mixlab.training.baselines.classifiers import Classifier, fit_alone, fit_kernel, fit_linear
from mixlab.training.baselines.clip_config import STRENGTHS, ClipBaselineConfig
from mixlab.training.baselines.clip_features import ClipFeatures
from mixlab.training.baselines.features import Features
from mixlab.training.baselines.regression import Numbered, fit_number
from mixlab.training.baselines.scorers import FittedScores
from mixlab.training.baselines.single_label import Labelled, fit_single_label

__all__ = ["FittedOnClips", "fit_on_clips"]


@dataclass(frozen=True)
class FittedOnClips:
    """A classifier of clips.

    Attributes:
        scores: From features ``(N, D)`` to probabilities ``(N, C)``, float32; to predicted numbers ``(N, 1)``
            of a regression.
        constant: Classes that get a constant score, as training holds none of them, or nothing else.
        chosen: What was chosen on validation, by name.
        quantity: What number is predicted; None for classes.
        fitted: What scores the classes; None of a regression.
    """

    scores: Callable[[FloatArray], NDArray[np.float32]]
    constant: tuple[int, ...]
    chosen: dict[str, float]
    quantity: Quantity | None = None
    fitted: FittedScores | None = None


def fit_on_clips(
    training: ClipFeatures, validation: ClipFeatures, config: ClipBaselineConfig, *, single_label: bool
) -> FittedOnClips:
    """Fit the classifier that the settings name.

    Args:
        training: What it learns from.
        validation: What settings are chosen on.
        config: Settings.
        single_label: Whether every clip has exactly one class; then it is one classifier over all classes.

    Raises:
        ConfigError: training holds one class only, or one number only, or a last layer did not converge.
    """
    if training.clips.value:
        return _fit_number(training, validation, config)
    if single_label:
        learned, chosen_on = (Labelled(part.values, part.clips.targets) for part in (training, validation))
        whole = fit_single_label(learned, chosen_on, config)
        return FittedOnClips(whole.scores, whole.constant, whole.chosen, fitted=whole.fitted)
    each = _fit_each(_features(training), _features(validation), config)
    return FittedOnClips(each.scores, each.constant, each.chosen, fitted=each.fitted)


def _fit_number(
    training: ClipFeatures, validation: ClipFeatures, config: ClipBaselineConfig
) -> FittedOnClips:
    learned, chosen_on = (Numbered(part.values, part.clips.numbers) for part in (training, validation))
    name, unit = training.clips.value, training.clips.unit
    fitted = fit_number(learned, chosen_on, config, name=name)
    return FittedOnClips(
        lambda values: fitted.predict(values)[:, None],
        (),
        fitted.chosen,
        Quantity(name, unit, fitted.mean, fitted.deviation),
    )


def _features(part: ClipFeatures) -> Features:
    return Features(part.values, part.clips.targets, part.clips.mask, np.zeros(len(part.values), np.int64))


def _fit_each(training: Features, validation: Features, config: ClipBaselineConfig) -> Classifier:
    if config.classifier in ("forest", "softmax"):
        return fit_alone(training, config)
    strengths = tuple(sorted(config.strengths or STRENGTHS[config.classifier]))
    if config.classifier == "svm":
        return fit_kernel(
            training,
            validation,
            strengths=strengths,
            gammas=config.gammas,
            balanced=config.balanced,
            seed=config.seed,
        )
    return fit_linear(training, validation, strengths=strengths, balanced=config.balanced, seed=config.seed)
