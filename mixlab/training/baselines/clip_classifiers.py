"""The classifier of a baseline on clips: one over all classes, or one per class."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.io import FloatArray
from mixlab.training.baselines.classifiers import Classifier, fit_alone, fit_kernel, fit_linear
from mixlab.training.baselines.clip_config import STRENGTHS, ClipBaselineConfig
from mixlab.training.baselines.clip_features import ClipFeatures
from mixlab.training.baselines.features import Features
from mixlab.training.baselines.single_label import Labelled, fit_single_label

__all__ = ["FittedOnClips", "fit_on_clips"]


@dataclass(frozen=True)
class FittedOnClips:
    """A classifier of clips.

    Attributes:
        scores: From features ``(N, D)`` to probabilities ``(N, C)``, float32.
        constant: Classes that get a constant score, as training holds none of them, or nothing else.
        chosen: What was chosen on validation, by name.
    """

    scores: Callable[[FloatArray], NDArray[np.float32]]
    constant: tuple[int, ...]
    chosen: dict[str, float]


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
        ConfigError: training holds one class only, or a last layer did not converge.
    """
    if single_label:
        learned, chosen_on = (Labelled(part.values, part.clips.targets) for part in (training, validation))
        whole = fit_single_label(learned, chosen_on, config)
        return FittedOnClips(whole.scores, whole.constant, whole.chosen)
    each = _fit_each(_features(training), _features(validation), config)
    return FittedOnClips(each.scores, each.constant, each.chosen)


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
