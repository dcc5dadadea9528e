"""What a report holds, as values."""

import math
from dataclasses import dataclass

from mixlab.evaluation.bootstrap import Interval
from mixlab.evaluation.calibration import Calibration
from mixlab.evaluation.metrics import Consistency, Hierarchical

__all__ = ["Averages", "ClassScores", "ConsistentScores", "LevelScores", "SplitScores"]


@dataclass(frozen=True)
class ClassScores:
    """Scores of one class. Undefined values are NaN.

    Attributes:
        name: Output of the label set.
        known: Mixes whose target is known.
        support: Known positives.
        songs: Songs with known positives.
        predicted: Predicted positives among the known.
        precision: TP / (TP + FP); 0 when nothing was predicted; NaN without known positives.
        recall: TP / (TP + FN); NaN without known positives.
        f1: Harmonic mean; NaN without known positives.
        average_precision: Area under the precision-recall curve; NaN without known positives.
        roc_auc: NaN unless both positives and negatives are known.
        threshold: Decision threshold, fitted on validation.
        threshold_fitted: False where validation had no positive and 0.5 was taken.
        validation_prevalence: The class's frequency on validation, which the baseline predicts for every mix.
        chance_f1: F1 of the baseline at its best threshold, which is to predict always.
        chance_average_precision: Average precision of the baseline: the prevalence in this split.
        f1_interval: Bootstrap interval over songs; None where fewer than ``MIN_SONGS`` songs hold positives.
        average_precision_interval: As ``f1_interval``.
        oracle_threshold: The threshold that this split's own targets like best. Never used for decisions.
        oracle_f1: F1 at the oracle threshold: what no honest threshold can exceed.
        ece: Expected calibration error; NaN without known targets.
        brier: Brier score; NaN without known targets.
        chance_ece: Expected calibration error of the baseline.
        chance_brier: Brier score of the baseline.
    """

    name: str
    known: int
    support: int
    songs: int
    predicted: int
    precision: float
    recall: float
    f1: float
    average_precision: float
    roc_auc: float
    threshold: float
    threshold_fitted: bool
    validation_prevalence: float
    chance_f1: float
    chance_average_precision: float
    f1_interval: Interval | None = None
    average_precision_interval: Interval | None = None
    oracle_threshold: float = math.nan
    oracle_f1: float = math.nan
    ece: float = math.nan
    brier: float = math.nan
    chance_ece: float = math.nan
    chance_brier: float = math.nan


@dataclass(frozen=True)
class Averages:
    """Macro (mean over the defined classes) or micro (all known cells pooled) scores.

    ``f1_undefined``, ``average_precision_undefined`` and ``roc_auc_undefined`` count the classes that a
    macro mean leaves out; they are 0 in a micro average. Each resample behind an interval of a macro mean
    averages the classes that the mean itself does; ``f1_dropped``, ``average_precision_dropped`` and
    ``roc_auc_dropped`` count the resamples that were left out because one of these was undefined in them.
    """

    precision: float
    recall: float
    f1: float
    average_precision: float
    roc_auc: float
    f1_undefined: int = 0
    average_precision_undefined: int = 0
    roc_auc_undefined: int = 0
    f1_dropped: int = 0
    average_precision_dropped: int = 0
    roc_auc_dropped: int = 0
    f1_interval: Interval | None = None
    average_precision_interval: Interval | None = None
    roc_auc_interval: Interval | None = None


@dataclass(frozen=True)
class LevelScores:
    """Macro scores over the classes of one level.

    Attributes:
        name: ``families`` are the outputs that none other contains, ``instruments`` all below them.
        n_classes: Outputs of the level; ``macro`` counts those it leaves out.
        macro: Means over the level's classes.
        chance_macro: The baseline's.
        oracle_f1: Mean of ``ClassScores.oracle_f1``.
        calibration: Means over the level's classes.
    """

    name: str
    n_classes: int
    macro: Averages
    chance_macro: Averages
    oracle_f1: float
    calibration: Calibration


@dataclass(frozen=True)
class ConsistentScores:
    """Scores after ``taxonomy.hierarchy.consistent_max``, with thresholds fitted on validation for these.

    Decisions are closed upwards: a class that is predicted brings in its ancestors, whatever their own
    thresholds say. So neither scores nor decisions contradict the tree, which ``consistency`` shows.
    """

    macro: Averages
    micro: Averages
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
        loss: Mean binary cross-entropy over known cells.
        classes: Scores per class.
        macro: Means over the classes.
        micro: All known cells pooled.
        chance_loss: The baseline's loss.
        chance_macro: The baseline's means.
        chance_micro: The baseline's pooled scores.
        hierarchical: Hierarchical P, R and F1 of the model as it is; None without parents.
        consistency: Contradictions of the model as it is; None without parents.
        oracle_f1: Mean F1 at thresholds fitted on this split itself: an upper bound, never a result.
        calibration: Means over the classes.
        levels: Families and instruments apart; empty where the label set has one level.
        consistent: The same model made hierarchy-consistent; None where the label set has one level.
    """

    split: str
    n_items: int
    n_groups: int
    n_resamples: int
    loss: float
    classes: tuple[ClassScores, ...]
    macro: Averages
    micro: Averages
    chance_loss: float
    chance_macro: Averages
    chance_micro: Averages
    hierarchical: Hierarchical | None
    consistency: Consistency | None
    oracle_f1: float = math.nan
    calibration: Calibration | None = None
    levels: tuple[LevelScores, ...] = ()
    consistent: ConsistentScores | None = None
