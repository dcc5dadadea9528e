"""Scores of a multi-label classifier, as pure functions over arrays.

Shapes: ``scores``, ``targets`` and ``mask`` are ``(N, C)``: N mixes, C classes. Scores are
probabilities in [0, 1], targets 0 or 1, and ``mask`` is True where a target is known. Unknown cells never
count, for or against, in any score. What cannot be computed is NaN, is left out of macro averages, and
is counted. ``metrics`` is the table of what is computed; ``docs/evaluation.md`` defines every number of a
report.
"""

from mixlab.evaluation.bootstrap import MAX_UNDEFINED, MIN_SONGS, Interval
from mixlab.evaluation.cells import Cells
from mixlab.evaluation.measured import Measured, Score, measure
from mixlab.evaluation.metrics import (
    METRICS,
    N_BINS,
    Metric,
    MetricInfo,
    average_precision_at,
    metrics_for,
)
from mixlab.evaluation.own_metrics import check_metric, find_metrics
from mixlab.evaluation.own_predictions import score
from mixlab.evaluation.paired import Comparison, Difference, check_same_items, compare
from mixlab.evaluation.report import format_text
from mixlab.evaluation.results import (
    ClassScores,
    ConsistentScores,
    MeanScores,
    Report,
    RuleScores,
    SplitScores,
)
from mixlab.evaluation.scoring import ScoredSplits, score_split, score_splits
from mixlab.evaluation.thresholds import (
    RULES,
    Thresholds,
    choose_thresholds,
    class_prevalence,
    consistent_thresholds,
    decide,
    fit_thresholds,
)
from mixlab.evaluation.tree_scores import Consistency, Hierarchical, close_upwards, consistency, hierarchical
from mixlab.evaluation.units import CLIPS, MIXES, TRACKS, Units

__all__ = [
    "CLIPS",
    "MAX_UNDEFINED",
    "METRICS",
    "MIN_SONGS",
    "MIXES",
    "N_BINS",
    "RULES",
    "TRACKS",
    "Cells",
    "ClassScores",
    "Comparison",
    "Consistency",
    "ConsistentScores",
    "Difference",
    "Hierarchical",
    "Interval",
    "MeanScores",
    "Measured",
    "Metric",
    "MetricInfo",
    "Report",
    "RuleScores",
    "Score",
    "ScoredSplits",
    "SplitScores",
    "Thresholds",
    "Units",
    "average_precision_at",
    "check_metric",
    "check_same_items",
    "choose_thresholds",
    "class_prevalence",
    "close_upwards",
    "compare",
    "consistency",
    "consistent_thresholds",
    "decide",
    "find_metrics",
    "fit_thresholds",
    "format_text",
    "hierarchical",
    "measure",
    "metrics_for",
    "score",
    "score_split",
    "score_splits",
]
