"""From a study's run folders to scores: the same mixes, the same targets, and what is missing."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mixlab.errors import MixlabError, RunError
from mixlab.evaluation.metrics import Metric, MetricInfo
from mixlab.evaluation.own_metrics import find_metrics
from mixlab.evaluation.predictions import Predictions
from mixlab.mixing.config import MixConfig
from mixlab.studies.folder import StudyFolder
from mixlab.studies.pairing import CommonMixes, CommonTargets
from mixlab.studies.plan import Condition
from mixlab.studies.state import TrialState
from mixlab.studies.statistics import ConditionScores, Estimate, RunScores, difference, score_run
from mixlab.training.config import from_plain
from mixlab.training.run import Run

__all__ = [
    "ConditionResult",
    "StudyResults",
    "class_values",
    "condition_difference",
    "load_results",
]


@dataclass(frozen=True)
class ConditionResult:
    """A condition and its scores.

    Attributes:
        condition: The condition.
        test: Scores on the test mixes.
        validation: Scores on the validation mixes, without intervals: for choices, not for reports.
        runs: Folder of each seed's run.
        mixes: Names of the sets of test mixes of its seeds; conditions with the same ones are paired.
    """

    condition: Condition
    test: ConditionScores
    validation: ConditionScores
    runs: Mapping[int, Path]
    mixes: tuple[str, ...]


@dataclass(frozen=True)
class StudyResults:
    """Everything that a report of a study needs.

    Attributes:
        kind: ``sweep`` or the study's name.
        title: One line for people.
        vary: Varied settings and their values, for a grid.
        seeds: Seeds of every condition.
        labels: Class names.
        parents: Parent output of each class.
        metrics: What the scores are, in the order of tables.
        details: Further ones, such as precision and recall, for tables that ask for them.
        conditions: In the order of the plan.
        states: What became of every training.
        note: A remark that must stand beside the numbers, or ''.
        catalog_hash: Of the catalog the study was started with.
        problems: Runs that could not be read, or are not paired with the rest, and why.
        n_resamples: Bootstrap resamples behind the intervals over songs.
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
    catalog_hash: str
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
    def done(self) -> tuple[ConditionResult, ...]:
        """The conditions that have a run at least."""
        return tuple(c for c in self.conditions if c.test.runs)

    @property
    def unfinished(self) -> tuple[TrialState, ...]:
        """Trainings that are not done."""
        return tuple(s for s in self.states if s.status != "done")

    def paired(self, a: ConditionResult, b: ConditionResult) -> bool:
        """Whether two conditions were scored on the same mixes with the same targets."""
        return set(a.mixes) == set(b.mixes)


def condition_difference(
    reference: ConditionResult, condition: ConditionResult, metric: str, column: int | None = None
) -> Estimate:
    """Return a condition's score minus the reference's, as ``difference`` does.

    Seeds belong together unless one of the conditions shows runs made elsewhere, or the two divide the songs
    in different ways, so that the seeds have no mixes in common; then the means are compared.
    """
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
    targets = CommonTargets(folder.path, from_plain(MixConfig, stored.base["mix"]))
    common = CommonMixes(stored.catalog)
    problems: list[str] = []
    known = {} if known is None else known
    conditions, notes, outputs = [], set(), []
    all_conditions = {condition.name: condition for condition in stored.conditions}
    for condition in all_conditions.values():
        runs = _runs(folder, all_conditions.get(condition.same_runs_as, condition), stored.seeds, problems)
        test, validation, mixes = {}, {}, set()
        for number, run in runs.items():
            key = (str(run.path), _time(run), condition.threshold, n_resamples, seed)
            try:
                scored = known.get(key)
                if scored is None:
                    predictions, problem = _on_common_ground(run, condition, targets, common)
                    scored = _score_both(predictions, condition.threshold, metrics, n_resamples, seed)
                    if problem:  # looked at again next time: a catalog may be back by then
                        problems.append(problem)
                    else:
                        known[key] = scored
                test[number], validation[number] = scored
            except MixlabError as error:
                problems.append(f"{run.path}: {error}")
                continue
            mixes.add(test[number].test_set)
            notes.add(str(run.info.get("note", "")))
            outputs.append((tuple(run.info["labels"]["outputs"]), tuple(run.info["labels"]["parents"])))
        wanted = len(stored.seeds) if not condition.runs else len(condition.runs)
        scores = (ConditionScores(test, wanted), ConditionScores(validation, wanted))
        conditions.append(
            ConditionResult(condition, *scores, {n: runs[n].path for n in test}, tuple(sorted(mixes)))
        )
    labels, parents = _common_outputs(folder, outputs, problems)
    measured = {name for one in conditions for run in one.test.runs.values() for name in run.measured}
    used = [metric for metric in metrics if metric.name in measured]
    return StudyResults(
        kind=stored.kind,
        title=stored.title,
        vary=stored.vary,
        seeds=stored.seeds,
        labels=labels,
        parents=parents,
        metrics=tuple(metric.info for metric in used if not metric.detail),
        details=tuple(metric.info for metric in used if metric.detail),
        conditions=tuple(conditions),
        states=folder.states(),
        note="; ".join(sorted(notes - {""})),
        catalog_hash=stored.catalog.content_hash,
        problems=tuple(problems),
        n_resamples=n_resamples,
    )


def _score_both(
    predictions: Predictions,
    threshold: str,
    metrics: Sequence[Metric],
    n_resamples: int,
    seed: int,
) -> tuple[RunScores, RunScores]:
    """Return the scores of test, with intervals, and of validation."""
    test = score_run(predictions, threshold=threshold, metrics=metrics, n_resamples=n_resamples, seed=seed)
    return test, score_run(predictions, split="validation", metrics=metrics, n_resamples=0)


_Outputs = tuple[tuple[str, ...], tuple[int, ...]]
"""Names and parents of the classes of a run."""


def _common_outputs(folder: StudyFolder, outputs: Sequence[_Outputs], problems: Sequence[str]) -> _Outputs:
    """Return the classes that all runs have.

    Raises:
        RunError: no run is done, or they have different classes.
    """
    if not outputs:
        raise RunError(
            f"No run of {folder.path} is done, so there is nothing to report." + _first(problems),
            code="nothing-to-report",
        )
    if len({names for names, _ in outputs}) > 1:
        raise RunError(
            f"The runs of {folder.path} have different classes and cannot stand in one table.",
            code="runs-not-comparable",
        )
    return outputs[0]


def _on_common_ground(
    run: Run, condition: Condition, targets: CommonTargets, mixes: CommonMixes
) -> tuple[Predictions, str]:
    """Return a run's predictions with the study's targets and names of mixes, and why not paired, or ''."""
    # Targets first: they are kept by the names that the run's own catalog gives its mixes.
    predictions = targets.apply(run, run.predictions())
    if not condition.runs:
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
