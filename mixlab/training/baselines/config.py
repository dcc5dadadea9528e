"""The settings of a classical baseline."""

from dataclasses import dataclass, field
from functools import partial
from typing import Literal, get_args

from mixlab.errors import ConfigError
from mixlab.models import ModelConfig
from mixlab.utils.values import check_names, check_setting

__all__ = ["RANDOM", "BaselineConfig"]

FeatureKind = Literal["descriptors", "embeddings"]
ClassifierKind = Literal["forest", "logistic", "svm"]
Level = Literal["auto", "peak", "as_mixed"]

RANDOM = "random"
"""Stands for random weights where a setting names weights."""


@dataclass(frozen=True)
class BaselineConfig:
    """Features, classifier and mixes of a classical baseline.

    Attributes:
        features: ``descriptors``: MFCC with deltas and spectral statistics; ``embeddings``: what a frozen
            backbone gives.
        classifier: ``forest`` (random forest), ``logistic`` (regression) or ``svm`` (linear), one per class.
        weights: Whose embeddings: a run folder, a checkpoint file, a name that 'mixlab weights' lists, or
            ``random`` for a backbone of random weights, the control of what pretraining is worth.
        pretrained_stream: Which stream of a multi-stream checkpoint.
        model: Network of a checkpoint that 'mixlab weights' does not know, and of random weights.
        level: ``peak`` scales each mix to full scale before it is embedded, as published models were given
            mastered music; ``as_mixed`` leaves it; ``auto`` is ``peak`` for checkpoint files alone.
        items: Training mixes: the first of the training stream.
        val_size: Fixed musical mixes that thresholds and ``strengths`` are chosen on.
        test_size: Fixed musical mixes scored at the end; keep both as in the runs to compare with.
        seed: Of the training stream and the classifier.
        eval_seed: Of validation and test mixes; leave it, so that all are scored on the same mixes.
        trees: Trees of a forest.
        min_leaf: Fewest mixes in a leaf of a tree.
        strengths: Regularisation of the linear classifiers (scikit-learn's C, small is strong); the one
            with the best macro AP on validation is taken, the same for all classes.
        balanced: Weigh positives and negatives of a class alike.
        workers: Processes that mix and compute features, and threads that fit; 0 takes all processors.
        bootstrap: Resamples behind the confidence intervals of the report.
        metrics: Metrics of one's own, as ``train.metrics``.
    """

    features: FeatureKind = "descriptors"
    classifier: ClassifierKind = "forest"
    weights: str = ""
    pretrained_stream: int | None = None
    model: ModelConfig = field(default_factory=ModelConfig)
    level: Level = "auto"
    items: int = 4000
    val_size: int = 1000
    test_size: int = 1000
    seed: int = 0
    eval_seed: int = 0
    trees: int = 300
    min_leaf: int = 2
    strengths: tuple[float, ...] = (0.001, 0.01, 0.1, 1.0)
    balanced: bool = False
    workers: int = 0
    bootstrap: int = 1000
    metrics: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            ConfigError: a value is out of its range or contradicts another; the message names it.
        """
        for name, kind in (("features", FeatureKind), ("classifier", ClassifierKind), ("level", Level)):
            choices = get_args(kind)
            _check(getattr(self, name) in choices, name, f"one of {', '.join(choices)}", getattr(self, name))
        for name in ("items", "val_size", "test_size", "trees", "min_leaf"):
            _check(getattr(self, name) >= 1, name, "1 or more", getattr(self, name))
        for name in ("seed", "eval_seed", "workers", "bootstrap"):
            _check(getattr(self, name) >= 0, name, "0 or more", getattr(self, name))
        good = bool(self.strengths) and all(strength > 0 for strength in self.strengths)
        _check(good, "strengths", "numbers above 0", self.strengths)
        check_names("baseline.metrics", self.metrics)
        if self.features == "embeddings" and not self.weights:
            raise ConfigError(
                "baseline.features=embeddings needs a model: set baseline.weights to a run folder, a file, a "
                f"name that 'mixlab weights' lists, or {RANDOM}.",
                code="missing-setting",
            )
        if self.features == "descriptors" and self.weights:
            raise ConfigError(
                "baseline.weights is set, but baseline.features=descriptors would not use it; set "
                "baseline.features=embeddings.",
                code="conflicting-settings",
            )


_check = partial(check_setting, "baseline")
