"""Results of a study with made-up conditions of one score each, where tables and claims need no runs."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

from mixlab.evaluation.metrics import METRICS
from mixlab.studies.plan import Condition
from mixlab.studies.results import ConditionResult, StudyResults
from mixlab.studies.state import StudyCatalog
from mixlab.studies.statistics import ConditionScores, Estimate


@dataclasses.dataclass(frozen=True)
class Scores(ConditionScores):
    """Has the same estimate for every metric."""

    estimate: Estimate = dataclasses.field(default_factory=lambda: Estimate(float("nan"), 0))

    def of(self, metric: str, column: int | None = None) -> Estimate:
        """Return it."""
        return self.estimate


def scored(condition: Condition, estimate: Estimate | None) -> ConditionResult:
    """Return a condition with a score; None where it is not done."""
    runs = {} if estimate is None else {0: SimpleNamespace(chance={}, of_numbers=False)}
    scores = Scores(runs, 1, estimate or Estimate(float("nan"), 0))  # type: ignore[arg-type]
    return ConditionResult(condition, scores, scores, dict.fromkeys(runs, Path()), ("a",), ("x", "y"))


def study(conditions: Sequence[ConditionResult]) -> StudyResults:
    """Return the results of a study."""
    metrics = tuple(metric.info for metric in METRICS.values())
    data = StudyCatalog("clips", "0" * 16)
    return StudyResults(
        "made",
        "Made up",
        {},
        (0,),
        ("x", "y"),
        (None, None),
        metrics,
        (),
        tuple(conditions),
        (),
        "",
        data,
        (),
        0,
    )
