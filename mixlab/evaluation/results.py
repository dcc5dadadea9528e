"""What a report holds, as values."""

import math
from dataclasses import dataclass

from mixlab.evaluation.measured import Score
from mixlab.evaluation.metrics import MetricInfo
from mixlab.evaluation.tree_scores import Consistency, Hierarchical

__all__ = ["ClassScores", "ConsistentScores", "MeanScores", "SplitScores"]


@dataclass(frozen=True)
class ClassScores:
    """Scores of one class.

    Attributes:
        name: Output of the label set.
        known: Mixes whose target is known.
        support: Known positives.
        songs: Songs with known positives.
        predicted: Predicted positives among the known.
        threshold: Decision threshold, fitted on validation.
        threshold_fitted: False where validation had no positive and 0.5 was taken.
        validation_prevalence: The class's frequency on validation, which the baseline predicts for every mix.
        oracle_threshold: The threshold that this split's own targets like best. Never used for decisions.
        oracle_f1: F1 at the oracle threshold: what no honest threshold can exceed.
        scores: By the name of each metric that is computed per class. Intervals need ``MIN_SONGS`` songs with
            positives.
    """

    name: str
    known: int
    support: int
    songs: int
    predicted: int
    threshold: float
    threshold_fitted: bool
    validation_prevalence: float
    oracle_threshold: float
    oracle_f1: float
    scores: dict[str, Score]


@dataclass(frozen=True)
class MeanScores:
    """Means over the classes of one level.

    Attributes:
        name: ``families`` are the outputs that none other contains, ``instruments`` all below them.
        n_classes: Outputs of the level; each score counts those it leaves out.
        oracle_f1: Mean of ``ClassScores.oracle_f1``.
        scores: By the name of each metric that is computed per class.
    """

    name: str
    n_classes: int
    oracle_f1: float
    scores: dict[str, Score]


@dataclass(frozen=True)
class ConsistentScores:
    """Scores after ``consistent_max``, with thresholds fitted on validation for these.

    Decisions are closed upwards: a class that is predicted brings in its ancestors, whatever their own
    thresholds say. So neither scores nor decisions contradict the tree, which ``consistency`` shows.
    """

    scores: dict[str, Score]
    hierarchical: Hierarchical
    consistency: Consistency


@dataclass(frozen=True)
class SplitScores:
    """Everything computed for one split, beside the chance-level baseline.

    Attributes:
        split: Name of the split.
        n_items: Mixes.
        n_groups: Songs.
        n_resamples: Bootstrap resamples that were sampled: 0 for a single song.
        metrics: What the scores are, in the order of tables.
        classes: Scores per class.
        scores: Scores over all classes by the name of every metric: means over the classes (macro), means
            over the mixes, or of all known cells (micro).
        oracle_f1: Mean F1 at thresholds fitted on this split itself: an upper bound, never a result.
        levels: Families and instruments apart; empty where the label set has one level.
        hierarchical: Hierarchical P, R and F1 of the model as it is; None without parents.
        consistency: Contradictions of the model as it is; None without parents.
        consistent: The same model made hierarchy-consistent; None where the label set has one level.
    """

    split: str
    n_items: int
    n_groups: int
    n_resamples: int
    metrics: tuple[MetricInfo, ...]
    classes: tuple[ClassScores, ...]
    scores: dict[str, Score]
    oracle_f1: float = math.nan
    levels: tuple[MeanScores, ...] = ()
    hierarchical: Hierarchical | None = None
    consistency: Consistency | None = None
    consistent: ConsistentScores | None = None
