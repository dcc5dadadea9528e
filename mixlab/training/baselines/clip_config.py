"""The settings of a classical baseline on labelled clips."""

from dataclasses import dataclass, field
from functools import partial
from typing import Literal, get_args

from mixlab.models import ModelConfig
from mixlab.training.baselines.config import OF_NETWORKS, check_network
from mixlab.utils.values import check_names, check_seeds, check_setting

__all__ = ["STRENGTHS", "ClipBaselineConfig", "ClipClassifierKind", "ClipFeatureKind"]

ClipFeatureKind = Literal["descriptors", "mfcc", "embeddings", "convnet"]
ClipClassifierKind = Literal["forest", "logistic", "svm", "softmax"]

STRENGTHS = {"logistic": (0.001, 0.01, 0.1, 1.0), "svm": (0.1, 2.0, 8.0, 32.0)}
"""Values of scikit-learn's C that are tried where a configuration names none; those of the support vector
machine are the grid of Choi et al. 2017."""


@dataclass(frozen=True)
class ClipBaselineConfig:
    """Features and classifier of a baseline on clips; which clips and windows stand beside it.

    A clip's features are the mean over its windows, so that each clip is one item for the classifier.
    Where every clip has exactly one class, the classifier is one over all classes and its answer is the
    most probable; else there is one classifier per class. Where clips have a number to predict
    (``clips.value``), it is a regression.

    Attributes:
        features: ``descriptors``: MFCC with deltas and spectral statistics; ``mfcc``: mean and standard
            deviation of 20 MFCC and their first and second differences (the baseline of Choi et al. 2017);
            ``embeddings``: what a frozen network's backbone gives; ``convnet``: the mean activation of every
            channel of every block of a frozen network, blocks side by side (Choi et al. 2017).
        classifier: ``forest`` (random forest), ``logistic`` (regression), ``svm`` (support vector machine
            with a radial kernel) or ``softmax``: a new last layer trained by gradient descent, as
            TensorFlow's ``retrain`` did it. Of a number the same by a regression: a random forest, ridge
            regression, or support vector regression with a radial kernel; ``softmax`` has none.
        weights: Whose features: a run folder, a checkpoint file, a name that 'mixlab weights' lists, or
            ``random`` for a network of random weights, the control of what pretraining is worth.
        pretrained_stream: Which stream of a multi-stream checkpoint.
        model: Network of a file that 'mixlab weights' does not know, and of random weights. Its
            ``sample_rate`` is also that of ``descriptors`` and ``mfcc``.
        layers: Blocks that ``convnet`` takes, 1 the lowest; none takes all. Features of all blocks are
            kept, so that another choice computes nothing anew.
        steps: Of ``softmax``: steps of gradient descent.
        batch_size: Of ``softmax``: clips per step, drawn with classes equally frequent, as ``retrain`` draws.
        learning_rate: Of ``softmax``.
        standardise: Of ``softmax``: whether features get mean 0 and deviation 1 over the training clips
            first; ``retrain`` takes them as they are. ``logistic`` and ``svm`` always standardise.
        trees: Trees of a forest.
        min_leaf: Fewest clips in a leaf of a tree.
        strengths: scikit-learn's C, small is strong regularisation, of ``logistic`` and ``svm``; none takes
            ``STRENGTHS``. The best on validation is taken: by accuracy where clips have one class, by macro
            average precision elsewhere, the same for all classes, by squared error for a number; the
            strongest of equals. Ridge regression takes 1 / (2 C) as the weight of its penalty.
        gammas: Widths of the radial kernel of ``svm``, chosen together with C; 0 is 1 over the
            number of values.
        balanced: Weigh classes alike, whatever their number of clips; ``softmax`` always does. Of no effect
            on a number.
        seed: Of the classifier and of random weights.
        eval_seed: Of the bootstrap.
        workers: Processes that compute features, and threads that fit; 0 takes all processors.
        bootstrap: Resamples behind the confidence intervals of the report.
        metrics: Metrics of one's own, as ``train.metrics``; of classes alone.
    """

    features: ClipFeatureKind = "descriptors"
    classifier: ClipClassifierKind = "forest"
    weights: str = ""
    pretrained_stream: int | None = None
    model: ModelConfig = field(default_factory=ModelConfig)
    layers: tuple[int, ...] = ()
    steps: int = 8000
    batch_size: int = 100
    learning_rate: float = 0.01
    standardise: bool = True
    trees: int = 300
    min_leaf: int = 1
    strengths: tuple[float, ...] = ()
    gammas: tuple[float, ...] = (0.0, 2.0**-3, 2.0**-5, 2.0**-7, 2.0**-9, 2.0**-11, 2.0**-13)
    balanced: bool = False
    seed: int = 0
    eval_seed: int = 0
    workers: int = 0
    bootstrap: int = 1000
    metrics: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            ConfigError: a value is out of its range or contradicts another; the message names it.
        """
        for name, kind in (("features", ClipFeatureKind), ("classifier", ClipClassifierKind)):
            choices = get_args(kind)
            _check(getattr(self, name) in choices, name, f"one of {', '.join(choices)}", getattr(self, name))
        for name in ("steps", "batch_size", "trees", "min_leaf"):
            _check(getattr(self, name) >= 1, name, "1 or more", getattr(self, name))
        for name in ("workers", "bootstrap"):
            _check(getattr(self, name) >= 0, name, "0 or more", getattr(self, name))
        check_seeds("baseline", seed=self.seed, eval_seed=self.eval_seed)
        _check(self.learning_rate > 0, "learning_rate", "a number above 0", self.learning_rate)
        _check(all(c > 0 for c in self.strengths), "strengths", "numbers above 0", self.strengths)
        good = bool(self.gammas) and all(gamma >= 0 for gamma in self.gammas)
        _check(good, "gammas", "numbers above 0, or 0 for 1 over the number of values", self.gammas)
        check_names("baseline.metrics", self.metrics)
        check_network(self.features, self.weights, self.layers)

    @property
    def needs_network(self) -> bool:
        """Whether a frozen network computes the features."""
        return self.features in OF_NETWORKS


_check = partial(check_setting, "baseline")
