"""From a study's run folders to scores: the same mixes, the same targets, and what is missing."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mixlab.errors import MixlabError, RunError
from mixlab.evaluation.metrics import Metric, MetricInfo
from mixlab.evaluation.own_metrics import find_metrics
from mixlab.evaluation.predictions import Predictions
from mixlab.evaluation.regression import NUMBER_METRICS
from mixlab.mixing.config import MixConfig
from mixlab.studies.folder import StudyFolder
from mixlab.studies.pairing import CommonMixes, CommonTargets, at_rate
from mixlab.studies.plan import Condition
from mixlab.studies.state import StudyCatalog, StudyState, TrialState
from mixlab.studies.statistics import ConditionScores, Estimate, RunScores, difference, score_run
from mixlab.training.config import from_plain
from mixlab.training.run import Run

__all__ = [
    "CLIPS",
    "MIXES",
    "ConditionResult",
    "StudyResults",
    "Words",
    "class_values",
    "condition_difference",
    "load_results",
]


@dataclass(frozen=True)
class Words:
    """What a report calls what was scored.

    Attributes:
        items: What each score is of.
        groups: What intervals sample.
    """

    items: str
    groups: str


MIXES, CLIPS = Words("mixes", "songs"), Words("clips", "groups")
_BOTH = Words("mixes or clips", "songs or groups")


@dataclass(frozen=True)
class ConditionResult:
    """A condition and its scores.

    Attributes:
        condition: The condition.
        test: Scores on the test items.
        validation: Scores on the validation items, without intervals: for choices, not for reports.
        runs: Folder of each seed's run; of a mean of several, that of the first.
        mixes: Names of the sets of test items of its seeds; conditions with the same ones are paired.
        labels: Class names; empty where no run is done.
        parents: Parent output of each class.
    """

    condition: Condition
    test: ConditionScores
    validation: ConditionScores
    runs: Mapping[int, Path]
    mixes: tuple[str, ...]
    labels: tuple[str, ...] = ()
    parents: tuple[int | None, ...] = ()

    @property
    def of_numbers(self) -> bool:
        """Whether its runs are regressions; False where none is done."""
        return any(run.of_numbers for run in self.test.runs.values())

    @property
    def words(self) -> Words:
        """What its items and groups are called."""
        return CLIPS if self.condition.task else MIXES


@dataclass(frozen=True)
class StudyResults:
    """Everything that a report of a study needs.

    Attributes:
        kind: ``sweep`` or the study's name.
        title: One line for people.
        vary: Varied settings and their values, for a grid.
        seeds: Seeds of every condition.
        labels: Class names; empty where its tasks have different ones, see ``by_task``.
        parents: Parent output of each class.
        metrics: What the scores are, in the order of tables.
        details: Further ones, such as precision and recall, for tables that ask for them.
        conditions: In the order of the plan.
        states: What became of every training.
        note: A remark that must stand beside the numbers, or ''.
        data: What the study was started with.
        problems: Runs that could not be read, or are not paired with the rest, and why.
        n_resamples: Bootstrap resamples behind the intervals over songs, or over groups of clips.
    """

    kind: str
    title: str
    vary: Mapping[str, tuple[Any, ...]]
    seeds: tuple[int, ...]
    labels: tuple[str, ...]
    parents: tuple[int | None, ...]
    metrics: tuple[MetricInfo, ...]
    details: tuple[MetricInfo, ...]
    conditions: tuple[ConditionResult, ...]
    states: tuple[TrialState, ...]
    note: str
    data: StudyCatalog
    problems: tuple[str, ...]
    n_resamples: int

    def condition(self, name: str) -> ConditionResult | None:
        """Return a condition by its name; None where the study has none, or no run of it."""
        found = next((c for c in self.conditions if c.condition.name == name), None)
        return found if found is not None and found.test.runs else None

    def metric(self, name: str) -> MetricInfo:
        """Return what is known of a metric."""
        return next(metric for metric in (*self.metrics, *self.details) if metric.name == name)

    @property
    def catalog_hash(self) -> str:
        """Of the catalog the study was started with, or of its clips."""
        return self.data.content_hash

    @property
    def done(self) -> tuple[ConditionResult, ...]:
        """The conditions that have a run at least."""
        return tuple(c for c in self.conditions if c.test.runs)

    @property
    def unfinished(self) -> tuple[TrialState, ...]:
        """Trainings that are not done."""
        return tuple(s for s in self.states if s.status != "done")

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks that conditions with runs are on, '' for mixes, in the order of the plan."""
        return tuple(dict.fromkeys(c.condition.task for c in self.done))

    @property
    def words(self) -> Words:
        """What items and groups are called."""
        found = {c.words for c in self.done or self.conditions}
        return found.pop() if len(found) == 1 else _BOTH

    def of_task(self, task: str) -> "StudyResults":
        """Return the results on one task: its conditions, classes and metrics.

        Raises:
            RunError: no run on it is done.
        """
        own = tuple(c for c in self.conditions if c.condition.task == task)
        if not any(c.test.runs for c in own):
            raise RunError(f"No run on the task {task!r} of this study is done.", code="nothing-to-report")
        labels, parents = _common_outputs(own)
        measured = _measured(own)
        return replace(
            self,
            labels=labels,
            parents=parents,
            conditions=own,
            metrics=tuple(metric for metric in self.metrics if metric.name in measured),
            details=tuple(metric for metric in self.details if metric.name in measured),
        )

    def by_task(self) -> tuple["StudyResults", ...]:
        """Return the results on each task that has a run, in the order of the plan."""
        return tuple(self.of_task(task) for task in self.tasks)

    def paired(self, a: ConditionResult, b: ConditionResult) -> bool:
        """Whether two conditions were scored on the same items with the same targets."""
        return set(a.mixes) == set(b.mixes) and a.labels == b.labels


def condition_difference(
    reference: ConditionResult, condition: ConditionResult, metric: str, column: int | None = None
) -> Estimate:
    """Return a condition's score minus the reference's, as ``difference`` does.

    Seeds belong together unless one of the conditions shows runs made elsewhere, or the two divide the songs
    in different ways, so that the seeds have no mixes in common; then the means are compared. Between
    conditions with different classes it is undefined.
    """
    if condition.labels and reference.labels and condition.labels != reference.labels:
        return Estimate(math.nan, 0)
    elsewhere = condition.condition.runs or reference.condition.runs
    by_seed = not elsewhere and condition.condition.splits == reference.condition.splits
    return difference(reference.test, condition.test, metric, column, by_seed=by_seed)


def load_results(
    folder: StudyFolder,
    *,
    n_resamples: int = 1000,
    seed: int = 0,
    known: dict[Hashable, tuple[RunScores, RunScores]] | None = None,
) -> StudyResults:
    """Score every finished run of a study on common targets, also by the metrics of ``train.metrics``.

    Args:
        folder: The study.
        n_resamples: Bootstrap resamples of songs.
        seed: Of the bootstrap.
        known: Scores of this study's runs from calls before, which are not computed again; new ones are
            added. For whoever watches a study while it runs.

    Raises:
        RunError: there is no study, or none of its runs is done.
    """
    stored = folder.read_state()
    metrics = find_metrics(stored.base["train"].get("metrics", ()))
    loader = _Loader(folder, stored, metrics, n_resamples, seed, {} if known is None else known)
    conditions = tuple(map(loader.load, stored.conditions))
    if not any(condition.test.runs for condition in conditions):
        raise RunError(
            f"No run of {folder.path} is done, so there is nothing to report." + _first(loader.problems),
            code="nothing-to-report",
        )
    _check_classes(folder, conditions)
    labels, parents = _common_outputs(conditions)
    measured = _measured(conditions)
    every = [*(metric.info for metric in metrics), *NUMBER_METRICS.values()]
    used = [metric for metric in every if metric.name in measured]
    return StudyResults(
        kind=stored.kind,
        title=stored.title,
        vary=stored.vary,
        seeds=stored.seeds,
        labels=labels,
        parents=parents,
        metrics=tuple(metric for metric in used if not metric.detail),
        details=tuple(metric for metric in used if metric.detail),
        conditions=conditions,
        states=folder.states(),
        note="; ".join(sorted(loader.notes - {""})),
        data=stored.catalog,
        problems=tuple(loader.problems),
        n_resamples=n_resamples,
    )


class _Loader:
    """Reads and scores the runs of a study, condition by condition, and notes what went wrong."""

    def __init__(
        self,
        folder: StudyFolder,
        stored: StudyState,
        metrics: Sequence[Metric],
        n_resamples: int,
        seed: int,
        known: dict[Hashable, tuple[RunScores, RunScores]],
    ) -> None:
        self.folder, self.stored, self.metrics = folder, stored, metrics
        self.n_resamples, self.seed, self.known = n_resamples, seed, known
        self.targets = CommonTargets(folder.path, from_plain(MixConfig, stored.base["mix"]))
        self.mixes = CommonMixes(stored.catalog)
        self.problems: list[str] = []
        self.notes: set[str] = set()

    def load(self, condition: Condition) -> ConditionResult:
        """Return a condition with the scores of the runs that are done."""
        runs = self._runs_of(condition)
        scores, outputs = dict[int, tuple[RunScores, RunScores]](), set[_Outputs]()
        for number, members in runs.items():
            run = members[0]
            try:
                scores[number] = self._score(members, condition)
            except MixlabError as error:
                self.problems.append(f"{run.path}: {error}")
                continue
            self.notes.add(str(run.info.get("note", "")))
            labels = run.info["labels"]
            outputs.add((tuple(labels["outputs"]), tuple(labels["parents"])))
        wanted = len(condition.runs) if condition.runs else len(self.stored.seeds)
        if len({names for names, _ in outputs}) > 1:
            raise _different_classes(self.folder, condition.task)
        names, parents = next(iter(outputs), ((), ()))
        return ConditionResult(
            condition=condition,
            test=ConditionScores({number: test for number, (test, _) in scores.items()}, wanted),
            validation=ConditionScores({number: val for number, (_, val) in scores.items()}, wanted),
            runs={number: runs[number][0].path for number in scores},
            mixes=tuple(sorted({test.test_set for test, _ in scores.values()})),
            labels=names,
            parents=parents,
        )

    def _runs_of(self, condition: Condition) -> dict[int, tuple[Run, ...]]:
        """Return the scored runs of each seed: one, or all of those that a mean is of."""
        named = {one.name: one for one in self.stored.conditions}
        names = condition.mean_of or (condition.same_runs_as,)
        each = [
            _runs(self.folder, named.get(name, condition), self.stored.seeds, self.problems) for name in names
        ]
        return {seed: tuple(runs[seed] for runs in each) for seed in each[0] if all(seed in r for r in each)}

    def _score(self, runs: tuple[Run, ...], condition: Condition) -> tuple[RunScores, RunScores]:
        """Return the scores of a run, or of the mean of several, on test, with intervals, and on validation.

        Those from before are returned if they are known.
        """
        files = tuple((str(run.path), _time(run)) for run in runs)
        key = (files, condition.threshold, self.n_resamples, self.seed)
        if (scored := self.known.get(key)) is not None:
            return scored
        ground = [_on_common_ground(run, condition, self.targets, self.mixes) for run in runs]
        problem = "; ".join(text for _, text in ground if text)
        predictions = mean_predictions([found for found, _ in ground])
        predictions = at_rate(predictions, int(self.stored.base["mix"]["sample_rate"]))
        groups = (CLIPS if condition.task else MIXES).groups
        test = score_run(
            predictions,
            threshold=condition.threshold,
            metrics=self.metrics,
            n_resamples=self.n_resamples,
            seed=self.seed,
            groups=groups,
        )
        validation = score_run(
            predictions, split="validation", metrics=self.metrics, n_resamples=0, groups=groups
        )
        if problem:  # looked at again next time: a catalog may be back by then
            self.problems.append(problem)
        else:
            self.known[key] = test, validation
        return test, validation


def mean_predictions(parts: Sequence[Predictions]) -> Predictions:
    """Return the mean of the scores of several networks on the same items; of one, its own.

    Raises:
        RunError: they were scored on different items, or have other classes.
    """
    first = parts[0]
    order = np.lexsort((first.index, first.split.astype(str)))
    scores = [first.scores[order]]
    for other in parts[1:]:
        own = np.lexsort((other.index, other.split.astype(str)))
        if other.labels != first.labels or other.mix_id[own].tolist() != first.mix_id[order].tolist():
            raise RunError(
                "Networks that were tested on other mixes, or know other classes, have no mean.",
                code="runs-not-comparable",
            )
        scores.append(other.scores[own])
    if len(parts) == 1:
        return first
    mean = np.asarray(np.stack(scores).mean(axis=0, dtype=np.float64), dtype=np.float32)
    return replace(first.take(order), scores=mean)


_Outputs = tuple[tuple[str, ...], tuple[int | None, ...]]
"""Names and parents of the classes of a run."""


def _measured(conditions: Sequence[ConditionResult]) -> set[str]:
    """Return the names of the metrics that any run has."""
    return {name for c in conditions for run in c.test.runs.values() for name in run.measured}


def _common_outputs(conditions: Sequence[ConditionResult]) -> _Outputs:
    """Return the classes that all runs have; none where those of tasks differ."""
    found = {c.labels: c.parents for c in conditions if c.test.runs}
    return next(iter(found.items())) if len(found) == 1 else ((), ())


def _check_classes(folder: StudyFolder, conditions: Sequence[ConditionResult]) -> None:
    """Refuse runs of one task with different classes.

    Raises:
        RunError: there are such.
    """
    for task in dict.fromkeys(c.condition.task for c in conditions):
        if len({c.labels for c in conditions if c.condition.task == task and c.test.runs}) > 1:
            raise _different_classes(folder, task)


def _different_classes(folder: StudyFolder, task: str) -> RunError:
    which = f"The runs of the task {task!r} in {folder.path}" if task else f"The runs of {folder.path}"
    return RunError(
        f"{which} have different classes and cannot stand in one table.", code="runs-not-comparable"
    )


def _on_common_ground(
    run: Run, condition: Condition, targets: CommonTargets, mixes: CommonMixes
) -> tuple[Predictions, str]:
    """Return a run's predictions with the study's targets and names of mixes, and why not paired, or ''."""
    # Targets first: they are kept by the names that the run's own catalog gives its mixes.
    predictions = targets.apply(run, run.predictions())
    if not condition.runs or condition.task:  # clips have the same name in every run
        return predictions, ""
    try:
        return mixes.apply(run, predictions), ""
    except MixlabError as error:
        return predictions, (
            f"{run.path}: scored, but not paired with runs on the study's catalog, as the stems of their "
            f"mixes cannot be compared: {error}"
        )


def _time(run: Run) -> int:
    """Return when a run's predictions were written, in nanoseconds; 0 where they are missing."""
    file = run.path / "predictions.parquet"
    return file.stat().st_mtime_ns if file.is_file() else 0


def _first(problems: Sequence[str]) -> str:
    return f" {problems[0]}" if problems else ""


def _runs(
    folder: StudyFolder, condition: Condition, seeds: Sequence[int], problems: list[str]
) -> dict[int, Run]:
    """Return a condition's scored runs by seed; those made elsewhere by their own seed where it is unique."""
    if not condition.runs:
        found = {}
        for seed in seeds:
            path = folder.run_path(f"{condition.name}-seed{seed}")
            if (path / "run.json").is_file() and Run.open(path).info.get("status") == "evaluated":
                found[seed] = Run.open(path)
        return found
    opened = []
    for text in condition.runs:
        try:
            opened.append(Run.open(text))
        except RunError as error:
            problems.append(str(error))
    own = [run.info.get("seed") for run in opened]
    unique = len(set(own)) == len(own) and all(isinstance(seed, int) for seed in own)
    return {(int(run.info["seed"]) if unique else k): run for k, run in enumerate(opened)}


def class_values(runs: Mapping[int, RunScores], name: str) -> np.ndarray:
    """Return ``(C,)`` a count or frequency of the test set, averaged over runs on different sets."""
    rows = np.stack([np.asarray(getattr(run, name), np.float64) for run in runs.values()])
    return np.asarray(rows.mean(axis=0))
