"""The settings of a classical baseline."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, get_args

from mixlab.errors import ConfigError
from mixlab.models import ModelConfig
from mixlab.utils.values import check_names, check_seeds, check_setting

__all__ = ["OF_NETWORKS", "RANDOM", "BaselineConfig", "check_network"]

FeatureKind = Literal["descriptors", "mfcc", "embeddings", "convnet"]
ClassifierKind = Literal["forest", "logistic", "svm", "softmax"]
Level = Literal["auto", "peak", "as_mixed"]

OF_NETWORKS = ("embeddings", "convnet")
"""Features that a frozen network computes."""

RANDOM = "random"
"""Stands for random weights where a setting names weights."""


@dataclass(frozen=True)
class BaselineConfig:
    """Features, classifier and mixes of a classical baseline.

    Attributes:
        features: ``descriptors``: MFCC with deltas and spectral statistics; ``mfcc``: mean and standard
            deviation of 20 MFCC and their first and second differences; ``embeddings``: what a frozen
            backbone gives; ``convnet``: the mean activation of every channel of all its blocks.
        classifier: ``forest`` (random forest), ``logistic`` (regression), ``svm`` (linear), one per class; or
            ``softmax``: a new last layer trained by gradient descent, a sigmoid per class.
        weights: Whose embeddings or activations: a run folder, a checkpoint file, a name that 'mixlab
            weights' lists, or ``random`` for a backbone of random weights, the control of what pretraining is
            worth.
        pretrained_stream: Which stream of a multi-stream checkpoint.
        model: Network of a checkpoint that 'mixlab weights' does not know, and of random weights.
        layers: Blocks that ``convnet`` takes, 1 the lowest; none takes all. Another choice computes nothing
            anew.
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
        balanced: Weigh positives and negatives of a class alike; not of ``softmax``.
        steps: Of ``softmax``: steps of gradient descent.
        batch_size: Of ``softmax``: mixes a step.
        learning_rate: Of ``softmax``.
        standardise: Of ``softmax``: whether features get mean 0 and deviation 1 first.
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
    layers: tuple[int, ...] = ()
    steps: int = 8000
    batch_size: int = 100
    learning_rate: float = 0.01
    standardise: bool = True
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
        for name in ("items", "val_size", "test_size", "trees", "min_leaf", "steps", "batch_size"):
            _check(getattr(self, name) >= 1, name, "1 or more", getattr(self, name))
        for name in ("workers", "bootstrap"):
            _check(getattr(self, name) >= 0, name, "0 or more", getattr(self, name))
        check_seeds("baseline", seed=self.seed, eval_seed=self.eval_seed)
        good = bool(self.strengths) and all(strength > 0 for strength in self.strengths)
        _check(good, "strengths", "numbers above 0", self.strengths)
        _check(self.learning_rate > 0, "learning_rate", "a number above 0", self.learning_rate)
        check_names("baseline.metrics", self.metrics)
        check_network(self.features, self.weights, self.layers)

    @property
    def needs_network(self) -> bool:
        """Whether a frozen network computes the features."""
        return self.features in OF_NETWORKS


def check_network(features: str, weights: str, layers: Sequence[int]) -> None:
    """Refuse features of a network without its weights, and settings of one where there is none.

    Raises:
        ConfigError: settings contradict each other; the message names them.
    """
    good = all(layer >= 1 for layer in layers) and len(set(layers)) == len(layers)
    _check(good, "layers", "numbers of blocks from 1, each once", layers)
    if features in OF_NETWORKS and not weights:
        raise ConfigError(
            f"baseline.features={features} needs a network: set baseline.weights to a run folder, a file, a "
            f"name that 'mixlab weights' lists, or {RANDOM}.",
            code="missing-setting",
        )
    if features not in OF_NETWORKS and weights:
        raise ConfigError(
            f"baseline.weights is set, but baseline.features={features} would not use it; set "
            f"baseline.features to {' or '.join(OF_NETWORKS)}.",
            code="conflicting-settings",
        )
    if layers and features != "convnet":
        raise ConfigError(
            f"baseline.layers chooses blocks of baseline.features=convnet; found {features}.",
            code="conflicting-settings",
        )


_check = partial(check_setting, "baseline")
