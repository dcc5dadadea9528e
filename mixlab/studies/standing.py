"""Which conditions of a study are not distinguishable from its best one, by paired differences."""

from collections.abc import Sequence
from dataclasses import dataclass

from mixlab.studies.findings import best_condition
from mixlab.studies.results import ConditionResult, condition_difference
from mixlab.studies.statistics import Estimate

__all__ = ["Standing", "is_distinguishable", "standing_of"]


@dataclass(frozen=True)
class Standing:
    """How the conditions of a study stand to the one that is best on validation.

    Attributes:
        best: That one.
        level: Those that cannot be told from it, with the difference of their test scores to its own.
        apart: Those that can, likewise.
        unpaired: Those that were scored on other mixes, so that nothing is said of them.
    """

    best: ConditionResult
    level: tuple[tuple[ConditionResult, Estimate], ...]
    apart: tuple[tuple[ConditionResult, Estimate], ...]
    unpaired: tuple[ConditionResult, ...]


def is_distinguishable(difference: Estimate) -> bool:
    """Tell whether every interval that a difference has, over songs and over seeds, excludes 0."""
    intervals = [one for one in (difference.songs, difference.seeds) if one is not None]
    return bool(intervals) and all(one.excludes_zero for one in intervals)


def standing_of(conditions: Sequence[ConditionResult], metric: str) -> Standing | None:
    """Compare every condition with the best one, pair by pair on test.

    The best one is chosen on validation: the highest of several test scores is higher than its worth.

    Args:
        conditions: Of one task.
        metric: By which.

    Returns:
        None where fewer than two have a score.
    """
    done = [condition for condition in conditions if condition.test.runs]
    best = best_condition(done, metric)
    if best is None or len(done) < 2:
        return None
    level, apart = list[tuple[ConditionResult, Estimate]](), list[tuple[ConditionResult, Estimate]]()
    unpaired = list[ConditionResult]()
    for condition in done:
        if condition is best:
            continue
        if set(condition.mixes) != set(best.mixes) or condition.labels != best.labels:
            unpaired.append(condition)
            continue
        difference = condition_difference(best, condition, metric)
        (apart if is_distinguishable(difference) else level).append((condition, difference))
    return Standing(best, tuple(level), tuple(apart), tuple(unpaired))
