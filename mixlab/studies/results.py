"""From a study's run folders to scores: the same mixes, the same targets, and what is missing."""

import hashlib
import json
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mixlab.catalog.catalog import Catalog
from mixlab.errors import CatalogMismatchError, MixlabError, RunError
from mixlab.evaluation.metrics import METRICS, Metric, MetricInfo
from mixlab.evaluation.predictions import Predictions
from mixlab.mixing.config import MixConfig
from mixlab.mixing.rendering import render_mix
from mixlab.studies.folder import StudyFolder, TrialState
from mixlab.studies.plan import LABEL_FIELDS, Condition
from mixlab.studies.statistics import ConditionScores, Estimate, RunScores, difference, score_run
from mixlab.training import open_catalog
from mixlab.training.config import from_plain
from mixlab.training.run import Run
from mixlab.utils.files import discard_damaged, make_folder, open_atomic, read_arrays

__all__ = [
    "ConditionResult",
    "StudyResults",
    "class_values",
    "condition_difference",
    "load_results",
    "mixes_id",
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
        return next(metric for metric in self.metrics if metric.name == name)

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


def mixes_id(predictions: Predictions) -> str:
    """Return a name of the mixes that predictions are of, whatever their targets are."""
    digest = hashlib.sha256()
    for text in predictions.recipes:
        try:
            recipe = json.loads(str(text))
        except json.JSONDecodeError:
            recipe = str(text)
        if isinstance(recipe, dict) and isinstance(recipe.get("render"), dict):
            recipe["render"] = {k: v for k, v in recipe["render"].items() if k not in LABEL_FIELDS}
        digest.update(json.dumps(recipe, sort_keys=True).encode())
    return digest.hexdigest()[:16]


class _Targets:
    """Gives all runs on the same mixes the same targets, those of the study's own settings.

    A condition that varies how sources are labelled was scored by its own run against its own labels; to
    compare conditions, all are scored against the base's.
    """

    def __init__(self, folder: StudyFolder, mix: MixConfig) -> None:
        self.folder, self.mix = folder, mix
        self.known: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def apply(self, run: Run, predictions: Predictions) -> Predictions:
        """Return the predictions with the base's targets and mask; its stored mixes are rendered once."""
        wanted = {name: getattr(self.mix, name) for name in LABEL_FIELDS}
        try:
            own = json.loads(str(predictions.recipes[0]))["render"]
        except (json.JSONDecodeError, KeyError, TypeError, IndexError):
            return predictions
        if all(own.get(name) == value for name, value in wanted.items()):
            return predictions
        name = f"{mixes_id(predictions)}-{hashlib.sha256(repr(wanted).encode()).hexdigest()[:8]}"
        if name not in self.known:
            self.known[name] = self._stored(name) or self._render(name, run, predictions, wanted)
        targets, mask = self.known[name]
        # The recipes say what the targets are by now, so that runs on the same mixes are known as such.
        recipes = [json.loads(str(text)) for text in predictions.recipes]
        texts = [json.dumps({**recipe, "render": {**recipe["render"], **wanted}}) for recipe in recipes]
        return replace(predictions, targets=targets, mask=mask, recipes=np.array(texts, dtype=object))

    def _file(self, name: str) -> Path:
        return self.folder.path / "targets" / f"{name}.npz"

    def _stored(self, name: str) -> tuple[np.ndarray, np.ndarray] | None:
        file = self._file(name)
        if not file.is_file():
            return None
        try:
            arrays = read_arrays(file)
            return arrays["targets"], arrays["mask"]
        except (ValueError, KeyError) as error:
            discard_damaged(file, error)
            return None

    def _render(
        self, name: str, run: Run, predictions: Predictions, wanted: Mapping[str, Any]
    ) -> tuple[np.ndarray, np.ndarray]:
        catalog = open_catalog(run)
        targets, mask = np.empty_like(predictions.targets), np.empty_like(predictions.mask)
        for row, recipe in enumerate(predictions.mix_recipes()):
            mix = render_mix(replace(recipe, render=replace(recipe.render, **wanted)), catalog)
            targets[row], mask[row] = mix.target, mix.mask
        file = self._file(name)
        make_folder(file.parent)
        with open_atomic(file) as out:
            np.savez_compressed(out, targets=targets, mask=mask)
        return targets, mask


# What a catalog knows of a stem's audio: stems that agree in all of it are taken for the same.
_AUDIO = (
    "size", "sample_rate", "frames", "channels", "gain", "offset_s", "loudness_lufs", "peak_db", "active_s",
)  # fmt: skip


class _Stems:
    """Tells whether mixes of runs made elsewhere are the study's own, though their catalog is another one.

    Catalogs often differ in what is trained on alone. A mix is the same where all of its stems are: then its
    recipe is given the name of the study's catalog, and scores on it are paired.
    """

    def __init__(self, place: Mapping[str, Any]) -> None:
        self.place, self.known = place, dict[str, dict[str, tuple[Any, ...]]]()

    def apply(self, run: Run, predictions: Predictions) -> Predictions:
        """Return the predictions with the recipes of common mixes renamed.

        Raises:
            MixlabError: one of the catalogs cannot be read, or is another than it was.
        """
        own = self.place["content_hash"]
        try:
            recipes = [json.loads(str(text)) for text in predictions.recipes]
            stems = [[source["stem"] for source in recipe["sources"]] for recipe in recipes]
            hashes = {recipe["catalog_hash"] for recipe in recipes}
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise RunError(
                f"{run.path}: its predictions hold no recipes of mixlab ({type(error).__name__}: {error})."
            ) from error
        if hashes <= {own}:
            return predictions
        ours, theirs = self._ours(), self._rows(open_catalog(run))
        for recipe, keys in zip(recipes, stems, strict=True):
            if all(key in ours and ours[key] == theirs.get(key) for key in keys):
                recipe["catalog_hash"] = own
        texts = [json.dumps(recipe) for recipe in recipes]
        return replace(predictions, recipes=np.array(texts, dtype=object))

    def _ours(self) -> dict[str, tuple[Any, ...]]:
        own = self.place["content_hash"]
        if own not in self.known:
            catalog = Catalog.open(self.place["path"])
            if catalog.content_hash != own:
                raise CatalogMismatchError(
                    f"The study was made with the catalog with hash {own}, {catalog.path} has "
                    f"{catalog.content_hash}: it was indexed anew since."
                )
            self._rows(catalog)
        return self.known[own]

    def _rows(self, catalog: Catalog) -> dict[str, tuple[Any, ...]]:
        if catalog.content_hash not in self.known:
            columns = [catalog.table.column(name).to_pylist() for name in ("key", *_AUDIO)]
            self.known[catalog.content_hash] = {
                key: tuple(map(_comparable, row)) for key, *row in zip(*columns, strict=True)
            }
        return self.known[catalog.content_hash]


def _comparable(value: Any) -> Any:  # noqa: ANN401 - an entry of a table
    """Return a value that equals itself: NaN, the loudness of the shortest stems, does not."""
    return None if isinstance(value, float) and math.isnan(value) else value


def load_results(
    folder: StudyFolder,
    *,
    metrics: Sequence[Metric] = tuple(METRICS.values()),
    n_resamples: int = 1000,
    seed: int = 0,
    known: dict[Hashable, tuple[RunScores, RunScores]] | None = None,
) -> StudyResults:
    """Score every finished run of a study on common targets.

    Args:
        folder: The study.
        metrics: What to compute; what is only a detail is left out.
        n_resamples: Bootstrap resamples of songs.
        seed: Of the bootstrap.
        known: Scores of this study's runs from calls before, which are not computed again; new ones are
            added. For whoever watches a study while it runs.

    Raises:
        RunError: there is no study, or none of its runs is done.
    """
    stored = folder.read_state()
    targets = _Targets(folder, from_plain(MixConfig, stored["base"]["mix"]))
    stems = _Stems(stored["catalog"])
    problems: list[str] = []
    known = {} if known is None else known
    conditions, notes, outputs = [], set(), []
    all_conditions = {condition.name: condition for condition in folder.conditions()}
    for condition in all_conditions.values():
        runs = _runs(folder, all_conditions.get(condition.same_runs_as, condition), stored["seeds"], problems)
        test, validation, mixes = {}, {}, set()
        for number, run in runs.items():
            try:
                key = (str(run.path), _time(run), condition.threshold, n_resamples, seed)
                scored = known.get(key)
                if scored is None:
                    predictions, problem = _on_common_ground(run, condition, targets, stems)
                    scored = (
                        score_run(
                            predictions, threshold=condition.threshold, n_resamples=n_resamples, seed=seed
                        ),
                        score_run(predictions, split="validation", n_resamples=0),
                    )
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
        wanted = len(stored["seeds"]) if not condition.runs else len(condition.runs)
        scores = (ConditionScores(test, wanted), ConditionScores(validation, wanted))
        conditions.append(
            ConditionResult(condition, *scores, {n: runs[n].path for n in test}, tuple(sorted(mixes)))
        )
    if not outputs:
        raise RunError(f"No run of {folder.path} is done, so there is nothing to report." + _first(problems))
    if len({names for names, _ in outputs}) > 1:
        raise RunError(f"The runs of {folder.path} have different classes and cannot stand in one table.")
    return StudyResults(
        kind=stored["kind"],
        title=stored["title"],
        vary={name: tuple(values) for name, values in stored["vary"].items()},
        seeds=tuple(stored["seeds"]),
        labels=outputs[0][0],
        parents=outputs[0][1],
        metrics=tuple(metric.info for metric in metrics if not metric.detail),
        conditions=tuple(conditions),
        states=folder.states(),
        note="; ".join(sorted(notes - {""})),
        catalog_hash=stored["catalog"]["content_hash"],
        problems=tuple(problems),
        n_resamples=n_resamples,
    )


def _on_common_ground(
    run: Run, condition: Condition, targets: _Targets, stems: _Stems
) -> tuple[Predictions, str]:
    """Return a run's predictions with the study's targets and names of mixes, and why not paired, or ''."""
    # Targets first: a run's mixes are rendered by its own catalog, which knows them by their own name.
    predictions = targets.apply(run, run.predictions())
    if not condition.runs:
        return predictions, ""
    try:
        return stems.apply(run, predictions), ""
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
