"""The conditions of the study of preprocessing: a grid, and smaller training sets."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from mixlab.errors import ConfigError
from mixlab.models.config import FrequencyWeighting, Magnitude
from mixlab.studies.base import StudyRequest
from mixlab.studies.plan import Condition

__all__ = [
    "MAGNITUDES",
    "METRIC",
    "TASK",
    "WEIGHTINGS",
    "WORDS",
    "PreprocessingSettings",
    "name_of",
    "per_cent",
    "preprocessing_conditions",
]

MAGNITUDES: tuple[Magnitude, ...] = ("decibel", "linear")
WEIGHTINGS: tuple[FrequencyWeighting, ...] = ("per_frequency", "a_weighting", "bypass")
"""Weightings of frequencies in the order of the thesis."""

WORDS: Mapping[str, str] = {
    "per_frequency": "per-frequency",
    "a_weighting": "A-weighting",
    "bypass": "bypass",
}
METRIC = "roc_auc"
"""The thesis's score."""

TASK = "tags"
"""The clips of the study."""


@dataclass(frozen=True)
class PreprocessingSettings:
    """Settings of the study.

    Attributes:
        sizes: Parts of the training set, in (0, 1), with which decibels and power are trained, too, without
            weighting and scale; the thesis has .16, .32 and .64. Smaller sets lie within larger ones.
        scale: Factor of the conditions with scaling.
        training_items: On mixes, where the stream has no end: the training set is its first so many mixes,
            again and again, as ``train.distinct_items``; at most ``train.epoch_size``. 0 takes as many as
            an epoch has.
    """

    sizes: tuple[float, ...] = (0.16, 0.32, 0.64)
    scale: float = 10.0
    training_items: int = 0

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            ConfigError: a value is out of its range.
        """
        if not all(0 < size < 1 for size in self.sizes) or len(set(self.sizes)) < len(self.sizes):
            raise ConfigError(
                f"settings.sizes must be different parts of the training set in (0, 1), got {self.sizes}.",
                code="invalid-setting",
            )
        if not 0 < self.scale < math.inf or self.scale == 1:
            raise ConfigError(
                f"settings.scale must be a factor above 0 other than 1, got {self.scale}.",
                code="invalid-setting",
            )
        if self.training_items < 0:
            raise ConfigError(
                f"settings.training_items must be 0 or more, got {self.training_items}.",
                code="invalid-setting",
            )


def name_of(
    magnitude: str, weighting: FrequencyWeighting = "bypass", *, scaled: bool = False, size: float = 1.0
) -> str:
    """Return the name of a condition."""
    if size != 1:
        return f"{magnitude}_size{per_cent(size)}"
    return f"{magnitude}_{weighting}{'_scaled' if scaled else ''}"


def per_cent(size: float) -> str:
    """Return a part as per cent, without the sign."""
    return f"{100 * size:g}"


def preprocessing_conditions(request: StudyRequest, settings: PreprocessingSettings) -> list[Condition]:
    """Return the grid, bypass first, then decibels and power with less data."""
    grid = [
        _condition(request, settings, magnitude, weighting, scaled=scaled)
        for magnitude, scaled, weighting in product(MAGNITUDES, (False, True), reversed(WEIGHTINGS))
    ]
    smaller = [
        _condition(request, settings, magnitude, "bypass", size=size)
        for magnitude, size in product(MAGNITUDES, sorted(settings.sizes))
    ]
    return [*grid, *smaller]


def _condition(
    request: StudyRequest,
    settings: PreprocessingSettings,
    magnitude: Magnitude,
    weighting: FrequencyWeighting,
    *,
    scaled: bool = False,
    size: float = 1.0,
) -> Condition:
    scale = settings.scale if scaled else 1.0
    words = f"{WORDS[weighting]}, x{scale:g}" if size == 1 else f"{per_cent(size)} % of the training set"
    model = {
        "magnitude": magnitude,
        "frequency_weighting": weighting,
        "standardise": True,
        "scale": scale,
    }
    own = {f"train.model.{name}": value for name, value in model.items()}
    return Condition(
        name=name_of(magnitude, weighting, scaled=scaled, size=size),
        label=f"{magnitude}, {words}",
        overrides={**own, **_size_overrides(request, settings, size)},
        values={"magnitude": magnitude, "weighting": weighting, "scale": scale, "size": size},
        task=TASK if request.data == "clips" else "",
    )


def _size_overrides(request: StudyRequest, settings: PreprocessingSettings, size: float) -> dict[str, Any]:
    """Return what limits the training set, and keeps the number of steps."""
    train = request.train
    if request.data != "clips":
        whole = settings.training_items or train.epoch_size
        return {"train.distinct_items": max(1, round(size * whole))}
    if size == 1:
        return {}
    longer = {
        f"train.{name}": math.ceil(getattr(train, name) / size)
        for name in ("epochs", "patience", "lr_step_epochs", "warmup_epochs")
    }
    whole_fraction = request.tasks[TASK].train_fraction
    return {**longer, "clips.train_fraction": size * whole_fraction}
