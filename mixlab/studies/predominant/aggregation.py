"""Scores of the same runs with the other aggregation of windows, without scoring a window again.

By ``s1`` a clip has the mean of its windows, by ``s2`` their sum over its largest class. Mean and sum differ
by the number of windows, which the division takes out: ``s2`` is ``s1`` over its largest class. So runs that
were scored by ``s1`` tell what ``s2`` gives, thresholds fitted anew on validation included.
"""

from dataclasses import replace

import numpy as np

from mixlab.evaluation.metrics import METRICS
from mixlab.evaluation.predictions import Predictions
from mixlab.evaluation.thresholds import fit_thresholds
from mixlab.studies.results import ConditionResult, StudyResults
from mixlab.studies.statistics import ConditionScores, score_run
from mixlab.training.run import Run

__all__ = ["chosen_thresholds", "divided", "divided_result"]

_METRICS = tuple(METRICS[name] for name in ("f1", "micro_precision", "micro_recall", "micro_f1"))


def divided(predictions: Predictions) -> Predictions:
    """Return what ``s2`` makes of scores by ``s1``: those of each clip over their largest."""
    most = predictions.scores.max(axis=1, keepdims=True)
    scores = predictions.scores / np.where(most > 0, most, 1.0)
    return replace(predictions, scores=scores.astype(np.float32))


def divided_result(results: StudyResults, result: ConditionResult) -> ConditionResult:
    """Return a condition whose windows are put together by ``s2`` instead of ``s1``: F1 and its parts."""
    scores = {}
    for seed, path in result.runs.items():
        predictions = divided(Run.open(path).predictions())
        scores[seed] = score_run(
            predictions,
            threshold=result.condition.threshold,
            metrics=_METRICS,
            n_resamples=results.n_resamples,
            groups=result.words.groups,
        )
    condition = replace(
        result.condition,
        name=f"{result.condition.name}_s2",
        label=f"{result.condition.label}; s2",
        overrides={},
    )
    return replace(result, condition=condition, test=ConditionScores(scores, result.test.wanted))


def chosen_thresholds(result: ConditionResult, split: str) -> float:
    """Return the threshold, one for all classes, that a split likes best: the mean over the seeds."""
    found = []
    for path in result.runs.values():
        part = Run.open(path).predictions().only(split)
        found.append(fit_thresholds(part.scores, part.targets, part.mask).common)
    return float(np.mean(found))
