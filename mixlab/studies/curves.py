"""A sweep as points along an axis, with what the seeds leave open, while it is still running or after."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from mixlab.studies.folder import StudyFolder
from mixlab.studies.forecast import seconds_left
from mixlab.studies.results import ConditionResult, StudyResults
from mixlab.studies.state import TrialState
from mixlab.studies.statistics import Estimate

__all__ = [
    "CONDITION",
    "P_MUSICAL",
    "Axis",
    "ClassEffect",
    "Point",
    "StudyStatus",
    "axes_of",
    "class_effects",
    "numeric_axis",
    "point_table",
    "points_of",
    "seed_table",
    "study_status",
    "unfinished_trials",
]

CONDITION = "condition"
P_MUSICAL = "mix.p_musical"


@dataclass(frozen=True)
class Axis:
    """What varies from point to point.

    Attributes:
        name: The setting, dotted; ``CONDITION`` where a study lists its conditions.
        title: What stands at the axis.
        numeric: Whether all its values are numbers.
    """

    name: str
    title: str
    numeric: bool


@dataclass(frozen=True)
class Point:
    """A score of one condition.

    Attributes:
        condition: Name of the condition.
        x: Where it stands: a number on a numeric axis, else text.
        line: What the other varied settings are, in words; '' where none is varied.
        estimate: Mean over seeds and its intervals; NaN where no run is done.
    """

    condition: str
    x: float | str
    line: str
    estimate: Estimate


@dataclass(frozen=True)
class ClassEffect:
    """How much an axis matters to one class.

    Attributes:
        name: The class.
        column: Its place among the classes.
        effect: Standard deviation of the means along the axis that the seeds' own spread does not explain:
            ``sqrt(var(means) - mean(spread^2 / seeds))``, 0 where that is negative; several lines are
            averaged. With one seed nothing is taken off. NaN where fewer than two points are defined.
        span: Highest mean minus lowest.
        spread: Standard deviation over seeds, root mean square over the points; NaN with one seed.
        best: Where the mean is best.
        support: Known positives in the test set, averaged over the runs.
    """

    name: str
    column: int
    effect: float
    span: float
    spread: float
    best: float | str
    support: float


@dataclass(frozen=True)
class StudyStatus:
    """How a study stands right now, without a look at its scores.

    Attributes:
        kind: ``sweep`` or the study's name.
        title: One line for people.
        updated: When its list was written last.
        labels: Label of each condition by its name.
        seeds: Seeds of every condition.
        states: What became of every training.
        at_work: Whether a process works on it.
        done: Names of the runs that are done; when they change, there is more to score.
        parallel: Trainings at a time.
        vary: Values of each varied setting of a grid.
        catalog: What it trains on.
    """

    kind: str
    title: str
    updated: str
    labels: Mapping[str, str]
    seeds: tuple[int, ...]
    states: tuple[TrialState, ...]
    at_work: bool
    done: tuple[str, ...]
    parallel: int = 1
    vary: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    catalog: str = ""

    def word(self, state: TrialState) -> str:
        """Return the status of a run: one that waits for its turn is ``queued``, not missing."""
        return "queued" if self.at_work and state.status == "missing" else state.status

    @property
    def counts(self) -> Mapping[str, int]:
        """Runs by status, those that wait for their turn as ``queued``."""
        return Counter(map(self.word, self.states))

    @property
    def seconds_left(self) -> float | None:
        """How long it takes to the end, by the epochs that are done; None while nobody can tell."""
        return seconds_left(self.states, {}, parallel=self.parallel) if self.at_work else None


def study_status(folder: StudyFolder) -> StudyStatus:
    """Return how a study stands; cheap enough to be asked every few seconds.

    Raises:
        RunError: there is no study, or its list is damaged.
    """
    stored, states = folder.read_state(), folder.states()
    return StudyStatus(
        kind=stored.kind,
        title=stored.title,
        updated=stored.updated,
        labels={condition.name: condition.label for condition in stored.conditions},
        seeds=stored.seeds,
        states=states,
        at_work=folder.is_locked(),
        done=tuple(state.name for state in states if state.status == "done"),
        parallel=stored.parallel,
        vary=stored.vary,
        catalog=stored.catalog.path,
    )


def unfinished_trials(status: StudyStatus) -> tuple[TrialState, ...]:
    """Return the trainings that somebody must start: neither done, running nor queued."""
    return tuple(s for s in status.states if status.word(s) not in ("done", "running", "queued"))


def axes_of(results: StudyResults) -> tuple[Axis, ...]:
    """Return what a study can be drawn against, ``p_musical`` first; its conditions where nothing varies."""
    names = sorted((name for name, values in results.vary.items() if len(values) > 1), key=_rank)
    axes = [
        Axis(name, name.rpartition(".")[2], all(_is_number(value) for value in results.vary[name]))
        for name in names
    ]
    return tuple(axes) or (Axis(CONDITION, "condition", False),)


def numeric_axis(results: StudyResults) -> Axis | None:
    """Return the first varied setting whose values are numbers, to draw along; None where there is none."""
    names = [
        name for name, values in results.vary.items() if len(values) > 1 and all(map(_is_number, values))
    ]
    return Axis(names[0], names[0].rpartition(".")[2], numeric=True) if names else None


def _rank(name: str) -> tuple[bool, str]:
    return name != P_MUSICAL, name


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def points_of(
    results: StudyResults, axis: Axis, metric: str, column: int | None = None, *, split: str = "test"
) -> tuple[Point, ...]:
    """Return a point per condition, those without a run included, in the order of the plan.

    Args:
        results: The study.
        axis: One of ``axes_of``.
        metric: Of ``results.metrics``; with ``column`` one that is computed per class.
        column: A class; None for the metric over all.
        split: ``test`` or ``validation``.
    """
    return tuple(
        Point(
            c.condition.name,
            *_place(results, axis, c),
            (c.test if split == "test" else c.validation).of(metric, column),
        )
        for c in results.conditions
        if axis.name == CONDITION or axis.name in c.condition.values
    )


def point_table(points: Sequence[Point], *, over: Literal["songs", "seeds"]) -> pd.DataFrame:
    """Return points as a chart takes them, with one of their two intervals.

    Returns:
        Columns ``x``, ``line``, ``value``, ``low``, ``high``, ``SD over seeds``, ``seeds``, ``missing``.
    """
    rows = []
    for p in points:
        e = p.estimate
        interval = e.songs if over == "songs" else e.seeds
        low, high = (math.nan, math.nan) if interval is None else (interval.low, interval.high)
        rows.append((p.x, p.line, e.value, low, high, e.spread, e.n_seeds, e.missing))
    columns = ["x", "line", "value", "low", "high", "SD over seeds", "seeds", "missing"]
    return pd.DataFrame(rows, columns=columns)


def seed_table(
    results: StudyResults, axis: Axis, metric: str, column: int | None = None, *, split: str = "test"
) -> pd.DataFrame:
    """Return the score of every seed of every point.

    Returns:
        Columns ``x``, ``line``, ``value``, ``seed``, and ``run``, the folder of its run.
    """
    conditions = {c.condition.name: c for c in results.conditions}
    rows = []
    for p in points_of(results, axis, metric, column):
        condition = conditions[p.condition]
        scores = condition.test if split == "test" else condition.validation
        for seed, value in zip(scores.runs, scores.by_seed(metric, column), strict=True):
            rows.append((p.x, p.line, value, seed, str(condition.runs[seed])))
    return pd.DataFrame(rows, columns=["x", "line", "value", "seed", "run"])


def _place(results: StudyResults, axis: Axis, found: ConditionResult) -> tuple[float | str, str]:
    if axis.name == CONDITION:
        return found.condition.label, ""
    values: Mapping[str, Any] = found.condition.values
    others = [
        f"{name.rpartition('.')[2]}={value}"
        for name, value in values.items()
        if name != axis.name and len(results.vary.get(name, ())) > 1
    ]
    x = values[axis.name]
    return (float(x) if axis.numeric else str(x)), ", ".join(others)


def class_effects(results: StudyResults, axis: Axis, metric: str) -> tuple[ClassEffect, ...]:
    """Return how much an axis matters to each class, the most first; undefined ones last."""
    runs = [run for c in results.conditions for run in c.test.runs.values()]
    sign = 1 if results.metric(metric).higher_is_better else -1
    found = []
    for column, name in enumerate(results.labels):
        points = [p for p in points_of(results, axis, metric, column) if math.isfinite(p.estimate.value)]
        means = [p.estimate.value for p in points]
        found.append(
            ClassEffect(
                name=name,
                column=column,
                effect=_effect(points),
                span=max(means) - min(means) if len(means) > 1 else math.nan,
                spread=_spread(points),
                best=max(points, key=lambda p: sign * p.estimate.value).x if points else "",
                support=float(np.mean([int(run.support[column]) for run in runs])) if runs else 0.0,
            )
        )
    return tuple(sorted(found, key=lambda e: -e.effect if math.isfinite(e.effect) else math.inf))


def _effect(points: Sequence[Point]) -> float:
    variances = []
    for line in {p.line for p in points}:
        own = [p.estimate for p in points if p.line == line]
        if len(own) < 2:
            continue
        noise = [e.spread**2 / e.n_seeds for e in own if math.isfinite(e.spread)]
        between = float(np.var([e.value for e in own], ddof=1))
        variances.append(between - (float(np.mean(noise)) if noise else 0.0))
    return math.sqrt(max(float(np.mean(variances)), 0.0)) if variances else math.nan


def _spread(points: Sequence[Point]) -> float:
    squares = [p.estimate.spread**2 for p in points if math.isfinite(p.estimate.spread)]
    return math.sqrt(float(np.mean(squares))) if squares else math.nan
