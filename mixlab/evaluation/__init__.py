"""Scores of a multi-label classifier, as pure functions over arrays.

Shapes: ``scores``, ``targets`` and ``mask`` are ``(N, C)``: N mixes, C classes. Scores are
probabilities in [0, 1], targets 0 or 1, and ``mask`` is True where a target is known. Unknown cells never
count, for or against, in any score. What cannot be computed is NaN, is left out of macro averages, and
is counted. ``docs/evaluation.md`` defines every number of a report.
"""

from mixlab.evaluation.bootstrap import (
    MAX_UNDEFINED,
    MIN_SONGS,
    Interval,
    bootstrap_weights,
    weighted_average_precision,
    weighted_roc_auc,
)
from mixlab.evaluation.calibration import N_BINS, Calibration, brier_score, expected_calibration_error
from mixlab.evaluation.metrics import (
    Consistency,
    Hierarchical,
    Thresholds,
    average_precision,
    class_prevalence,
    close_upwards,
    consistency,
    decide,
    fit_thresholds,
    hierarchical,
    masked_bce,
    precision_recall_f1,
    roc_auc,
)
from mixlab.evaluation.paired import Comparison, Difference, check_same_items, compare
from mixlab.evaluation.results import Averages, ClassScores, ConsistentScores, LevelScores, SplitScores
from mixlab.evaluation.scoring import ScoredSplits, consistent_thresholds, score_split, score_splits

__all__ = [
    "MAX_UNDEFINED",
    "MIN_SONGS",
    "N_BINS",
    "Averages",
    "Calibration",
    "ClassScores",
    "Comparison",
    "Consistency",
    "ConsistentScores",
    "Difference",
    "Hierarchical",
    "Interval",
    "LevelScores",
    "ScoredSplits",
    "SplitScores",
    "Thresholds",
    "average_precision",
    "bootstrap_weights",
    "brier_score",
    "check_same_items",
    "class_prevalence",
    "close_upwards",
    "compare",
    "consistency",
    "consistent_thresholds",
    "decide",
    "expected_calibration_error",
    "fit_thresholds",
    "hierarchical",
    "masked_bce",
    "precision_recall_f1",
    "roc_auc",
    "score_split",
    "score_splits",
    "weighted_average_precision",
    "weighted_roc_auc",
]
