"""Cached access to run folders, by plain values only; the pages on runs get everything from here.

Objects that are shared between sessions (predictions, tables) are read-only by agreement.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from app.links import RunLocation
from mixlab import Catalog, Mix, MixConfig, MixlabError, MixRecipe
from mixlab.audio.io import encode_wav, probe
from mixlab.corpora.clips import Clip, ClipsConfig
from mixlab.errors import RunError
from mixlab.evaluation import Comparison, Difference, check_same_items, compare
from mixlab.evaluation.error_analysis import Confusion, Kind, adding, confusions, precision_recall, ranked
from mixlab.evaluation.marks import Mark, read_marks
from mixlab.evaluation.predictions import Predictions
from mixlab.evaluation.regression import score_numbers
from mixlab.evaluation.results import SplitScores
from mixlab.evaluation.source_levels import class_levels
from mixlab.evaluation.subsets import Subset, by_class, by_facts, by_level, subset_scores
from mixlab.evaluation.thresholding import (
    Decided,
    Fixed,
    SplitTable,
    decide_at,
    fixed_scores,
    paired_f1,
    split_table,
)
from mixlab.studies.locations import RUN, Found, FoundReports, find_folders, find_reports
from mixlab.training.run import Run
from mixlab.utils.entries import is_number
from mixlab.utils.yaml import load_json

if TYPE_CHECKING:
    from mixlab.inference.benchmark import ExternalReport
    from mixlab.inference.scorer import Scorer
    from mixlab.inference.source_scores import SourceScores

__all__ = [
    "FITTED",
    "MOST_CELLS",
    "clip_names",
    "clip_wav",
    "default_locations",
    "divisions",
    "find_found",
    "find_published",
    "find_run",
    "get_clip",
    "get_comparison",
    "get_confusions",
    "get_curve",
    "get_decided",
    "get_differences",
    "get_external",
    "get_fixed",
    "get_indices",
    "get_info",
    "get_item",
    "get_marks",
    "get_metrics",
    "get_numbers",
    "get_predictions",
    "get_ranked",
    "get_recipe",
    "get_source_scores",
    "get_subsets",
    "get_table",
    "has_external",
    "has_model",
    "look_again",
    "mismatch",
    "read_reports",
    "row_of_index",
    "run_mix_config",
    "run_model",
    "stored_recipe",
]

FITTED: float | None = None
"""Stands for the thresholds fitted on validation, one per class."""

MOST_CELLS = 100_000
"""Up to so many mixes times classes, differences of AP and ROC-AUC are resampled while one waits."""

NAMES = ("runs", "studies", "sweeps")
DEEP, NEAR = 4, 1
_FILES = ("run.json", "predictions.parquet", "report.json", "metrics.csv")


# ---- where they lie ----


def default_locations(catalog: str = "") -> tuple[tuple[str, int], ...]:
    """Return the folders in which runs and studies are looked for, and how deep.

    ``MIXLAB_RUNS`` if it is set. Else ``runs``, ``studies`` and ``sweeps``, in the folder the server was
    started in and beside the catalog, and what lies directly beside the catalog.

    Args:
        catalog: Folder of the catalog that is open; '' for none.
    """
    named = os.environ.get("MIXLAB_RUNS")
    if named:
        return ((str(Path(named).expanduser().resolve()), DEEP),)
    bases = [Path.cwd()]
    locations: list[tuple[Path, int]] = []
    if catalog:
        beside = Path(catalog).expanduser().resolve().parent
        locations.append((beside, NEAR))
        bases += [beside] if beside != bases[0] else []
    locations += [(base / name, DEEP) for base in bases for name in NAMES]
    locations.append((bases[0] / "demo-output", NEAR))
    return tuple((str(location), depth) for location, depth in locations if location.is_dir())


@st.cache_resource(ttl=5, max_entries=16, show_spinner=False)
def find_found(locations: tuple[tuple[str, int], ...], marker: str = RUN) -> tuple[Found, ...]:
    """Return the runs, or with ``STUDY`` the studies, below some folders."""
    return find_folders(marker, [(Path(location), depth) for location, depth in locations])


@st.cache_resource(ttl=5, max_entries=16, show_spinner=False)
def find_published(locations: tuple[tuple[str, int], ...]) -> tuple[FoundReports, ...]:
    """Return the reports of published weights below some folders."""
    return find_reports([(Path(location), depth) for location, depth in locations])


def look_again() -> None:
    """Forget what was found."""
    find_found.clear()
    find_published.clear()


def find_run(found: Sequence[Found], name: str) -> RunLocation | None:
    """Return the run of a name among those found, or None. A name is never taken as a path."""
    path = next((one.path for one in found if one.name == name), None)
    return None if path is None else RunLocation(name, str(path), tuple(map(_time, _files(path))))


def _files(path: Path) -> list[Path]:
    return [path / name for name in _FILES]


def _time(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


# ---- what they hold ----


@st.cache_data(max_entries=64, show_spinner=False)
def get_info(location: RunLocation) -> dict[str, Any]:
    """Return ``run.json``."""
    return Run.open(location.path).info


@st.cache_data(max_entries=64, show_spinner=False)
def get_metrics(location: RunLocation) -> list[dict[str, float]]:
    """Return a row per epoch."""
    return Run(Path(location.path)).metrics()


@st.cache_resource(max_entries=4, show_spinner="Reading predictions …")
def get_predictions(location: RunLocation) -> Predictions:
    """Return the stored predictions."""
    return Run.open(location.path).predictions()


@st.cache_resource(max_entries=8, show_spinner=False)
def get_table(location: RunLocation, split: str) -> SplitTable:
    """Return one split, ready for any threshold; resampled as the run's report is."""
    info = get_info(location)
    return split_table(
        get_predictions(location),
        split,
        info.get("labels", {}).get("parents"),
        seed=int(info.get("eval_seed", 0)),
    )


@st.cache_resource(max_entries=8, show_spinner=False)
def get_numbers(location: RunLocation, split: str) -> SplitScores | None:
    """Return the scores of one split of a regression, from its predictions; None for a run of classes."""
    found = get_predictions(location)
    if found.quantity is None:
        return None
    return score_numbers(found, split, seed=int(get_info(location).get("eval_seed", 0)))


@st.cache_resource(max_entries=64, show_spinner=False)
def get_decided(location: RunLocation, split: str, at: float | None) -> Decided:
    """Return all that follows from thresholds: one for all classes, or ``FITTED``."""
    return decide_at(get_table(location, split), at)


@st.cache_resource(max_entries=8, show_spinner="Ranking …")
def get_fixed(location: RunLocation, split: str) -> Fixed:
    """Return the scores that no moved threshold changes."""
    try:
        report = Run.open(location.path).report().splits.get(split)
    except MixlabError:
        report = None
    return fixed_scores(get_table(location, split), report)


@st.cache_data(max_entries=256, show_spinner=False)
def get_curve(location: RunLocation, split: str, column: int) -> dict[str, Any]:
    """Return the precision-recall curve of a class."""
    return precision_recall(get_table(location, split), column)


@st.cache_data(max_entries=16, show_spinner=False)
def get_confusions(location: RunLocation, split: str, at: float | None) -> tuple[Confusion, ...]:
    """Return what is detected instead of what."""
    return confusions(get_table(location, split), get_decided(location, split, at).thresholds)


def get_ranked(
    location: RunLocation, split: str, at: float | None, column: int, kind: Kind, added: int | None = None
) -> list[int]:
    """Return rows of the split's table: the mixes of one kind, the clearest first.

    Args:
        location: The run.
        split: The split.
        at: One threshold for all classes, or ``FITTED``.
        column: The class.
        kind: One of ``KINDS``.
        added: Only those in which this class is falsely detected; None for all.
    """
    table, thresholds = get_table(location, split), get_decided(location, split, at).thresholds
    rows = ranked(table, column, float(thresholds[column]), kind)
    return [int(row) for row in (rows if added is None else adding(table, rows, thresholds, added))]


# ---- one by one ----


def get_marks(location: RunLocation) -> dict[tuple[str, str, str], Mark]:
    """Return what was marked by ear, as it stands on disk right now: another tab may have marked, too."""
    return read_marks(location.path)


def get_item(location: RunLocation, split: str, row: int) -> tuple[str, int, str]:
    """Return name, index and group of a row of the split's table."""
    stored, table = get_predictions(location), get_table(location, split)
    at = _rows(location, split)[table.rows[row]]
    return str(stored.mix_id[at]), int(stored.index[at]), str(stored.group[at])


def row_of_index(location: RunLocation, split: str, index: int) -> int | None:
    """Return the row of the split's table that has an index of the split; None where none has it."""
    table = get_table(location, split)
    found = np.flatnonzero(get_indices(location, split)[table.rows] == index)
    return int(found[0]) if len(found) else None


def has_model(location: RunLocation) -> bool:
    """Tell whether there is something that can score sound again: a network, a baseline, an ensemble."""
    return Run(Path(location.path)).has_model


@st.cache_resource(max_entries=2, show_spinner="Loading the model …")
def _scorer(location: RunLocation) -> "Scorer":
    from mixlab.inference.opening import open_run

    return open_run(location.path)


@st.cache_resource(max_entries=64, show_spinner=False)
def get_source_scores(location: RunLocation, mix_hash: str, _mix: Mix) -> "SourceScores":
    """Score a mix, each source alone, and the mix without each, by the run's model.

    Args:
        location: The run.
        mix_hash: Hash of the mix's recipe.
        _mix: The mix.

    Raises:
        MixlabError: the model cannot be loaded, or the mix has no sources.
    """
    from mixlab.inference.source_scores import score_sources

    return score_sources(_scorer(location), _mix)


# ---- parts of a split ----


@st.cache_resource(max_entries=8, show_spinner=False)
def _by_facts(location: RunLocation, split: str) -> dict[str, dict[str, Any]]:
    recipes = get_predictions(location).recipes[_rows(location, split)]
    try:
        return by_facts(get_table(location, split), list(map(str, recipes)))
    except ValueError as error:
        raise RunError(
            f"{location.path}/predictions.parquet is damaged: a row says nothing of its item ({error}). Make "
            "it again with 'mixlab evaluate'.",
            code="run-damaged",
        ) from error


def divisions(location: RunLocation, split: str) -> tuple[str, ...]:
    """Return by what the items of a split can be divided, as their recipes differ in it."""
    return tuple(_by_facts(location, split))


@st.cache_resource(max_entries=64, show_spinner="Scoring the parts …")
def get_subsets(
    location: RunLocation, split: str, at: float | None, by: str, column: int | None, catalog: str = ""
) -> tuple[Subset, ...]:
    """Return the scores of parts of a split.

    Args:
        location: The run.
        split: The split.
        at: One threshold for all classes, or ``FITTED``.
        by: One of ``divisions``, ``level``, or anything else for whether other classes sound.
        column: The class; None for all together.
        catalog: Folder of the run's catalog, for levels.

    Raises:
        MixlabError: the recipes are none of mixes, or of another catalog.
    """
    table, groups = get_table(location, split), _by_facts(location, split).get(by)
    if groups is None and column is not None:
        groups = (
            by_level(_levels(location, split, column, catalog)) if by == "level" else by_class(table, column)
        )
    thresholds = get_decided(location, split, at).thresholds
    decisions = table.cells.decisions if table.single_label else table.scores >= thresholds
    return subset_scores(table, decisions, groups or {}, column)


def _levels(location: RunLocation, split: str, column: int, catalog: str) -> Any:  # noqa: ANN401 - an array
    table = get_table(location, split)
    recipes = get_predictions(location).recipes[_rows(location, split)][table.rows]
    return class_levels(Catalog.open(catalog), list(map(str, recipes)), table.labels[column])


# ---- on sound of others ----


def has_external(location: RunLocation) -> bool:
    """Tell whether a run was scored on external test sets."""
    return any(_external_files(location))


def _external_files(location: RunLocation) -> list[Path]:
    return sorted(Path(location.path, "external").glob("*.json"))


def get_external(location: RunLocation) -> "dict[str, ExternalReport | str]":
    """Return a run's reports on external test sets by name; of one that cannot be read, why."""
    return read_reports(_external_files(location))


def read_reports(files: Iterable[Path]) -> "dict[str, ExternalReport | str]":
    """Return reports on external test sets by name; of one that cannot be read, why."""
    return {file.stem: _external(str(file), _time(file)) for file in files}


@st.cache_resource(max_entries=32, show_spinner=False)
def _external(file: str, modified_ns: int) -> "ExternalReport | str":
    from mixlab.inference.benchmark import ExternalReport

    try:
        return ExternalReport.load(file)
    except MixlabError as error:
        return str(error)


# ---- two runs ----


@st.cache_data(max_entries=32, show_spinner=False)
def mismatch(a: RunLocation, b: RunLocation, split: str) -> str:
    """Say why two runs cannot be compared; '' when they can."""
    try:
        check_same_items(get_predictions(a).only(split), get_predictions(b).only(split))
    except MixlabError as error:
        return str(error)
    return ""


@st.cache_data(max_entries=32, show_spinner=False)
def get_differences(a: RunLocation, b: RunLocation, split: str, at: float | None) -> tuple[Difference, ...]:
    """Return the paired differences of F1, b - a, at the thresholds that are chosen."""
    return paired_f1(get_table(a, split), get_decided(a, split, at), get_decided(b, split, at))


@st.cache_data(max_entries=8, show_spinner="Resampling songs for both runs …")
def get_comparison(a: RunLocation, b: RunLocation, split: str) -> Comparison:
    """Return what ``mixlab compare`` gives; without intervals where that would take too long."""
    first, second, info = get_predictions(a), get_predictions(b), get_info(a)
    small = int((first.split == split).sum()) * len(first.labels) <= MOST_CELLS
    return compare(
        first,
        second,
        split=split,
        parents=info.get("labels", {}).get("parents"),
        n_resamples=1000 if small else 0,
        seed=int(info.get("eval_seed", 0)),
    )


# ---- its clips ----


@st.cache_resource(max_entries=4, show_spinner="Looking for the clips …")
def _clips_of(location: RunLocation) -> dict[tuple[Any, ...], Clip]:
    from mixlab.corpora.clips import open_clips
    from mixlab.training.clips.records import check_clips
    from mixlab.training.config import from_plain

    run = Run.open(location.path)
    clips = check_clips(run, open_clips(from_plain(ClipsConfig, run.config["clips"])))
    return {(clip.key, clip.start_s, clip.end_s): clip for clip in clips.clips}


def get_clip(location: RunLocation, split: str, row: int) -> Clip:
    """Return the clip of a row of the split's table.

    Raises:
        MixlabError: the run's clips are not where they were, or others are there.
    """
    stored = get_predictions(location).recipes[_rows(location, split)[get_table(location, split).rows[row]]]
    said = _said(location, stored)
    found = _clips_of(location).get((said["clip"], said["start_s"], said["end_s"]))
    if found is None:
        raise RunError(
            f"{location.path} names the clip {said['clip']!r}, which its corpus lacks.", code="run-damaged"
        )
    return found


def _said(location: RunLocation, stored: object) -> dict[str, Any]:
    """Return what a row of predictions says of its clip.

    Raises:
        RunError: it is none of a clip.
    """
    try:
        said = load_json(str(stored))
        end_s = said["end_s"]  # null where the clip goes to the end of its file
        if not isinstance(said["clip"], str) or not is_number(said["start_s"]) or not _is_end(end_s):
            raise TypeError("of another kind")
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{location.path}/predictions.parquet is damaged: a row names no clip ({error}). Make it again "
            "with 'mixlab evaluate'.",
            code="run-damaged",
        ) from error
    return dict(said)


def _is_end(found: object) -> bool:
    return found is None or is_number(found)


def clip_names(location: RunLocation, split: str) -> list[str]:
    """Return the corpus's own names of the clips of a split, in the order of the predictions."""
    part = get_predictions(location).only(split)
    return [str(_said(location, text)["clip"]) for text in part.recipes]


def clip_wav(clip: Clip) -> bytes:
    """Return a clip as a WAV file, at the rate and with the channels of its own file.

    Raises:
        AudioError: the file is missing or damaged.
    """
    from mixlab.training.clips.reading import read_clip

    info = probe(clip.path)
    audio = read_clip(clip, info.sample_rate, 2 if info.channels == 2 else 1)
    return encode_wav(audio, info.sample_rate)


# ---- its mixes ----


def get_recipe(location: RunLocation, split: str, row: int) -> MixRecipe:
    """Return the recipe of a row of the split's table.

    Raises:
        RecipeError: it is none of a mix, as those of a run pretrained on whole tracks, or of another version.
    """
    return get_predictions(location).recipe(_rows(location, split)[get_table(location, split).rows[row]])


@st.cache_resource(max_entries=8, show_spinner=False)
def _rows(location: RunLocation, split: str) -> Any:  # noqa: ANN401 - an array of indices
    return np.flatnonzero(get_predictions(location).split == split)


def get_indices(location: RunLocation, split: str) -> Any:  # noqa: ANN401 - an array of indices
    """Return the index of each row of the split's predictions."""
    return get_predictions(location).index[_rows(location, split)]


@st.cache_resource(max_entries=8, show_spinner=False)
def _row_of(location: RunLocation) -> dict[tuple[str, int], int]:
    stored = get_predictions(location)
    return {
        (str(split), int(index)): row
        for row, (split, index) in enumerate(zip(stored.split, stored.index, strict=True))
    }


def stored_recipe(location: RunLocation, split: str, seed: int, index: int) -> MixRecipe | None:
    """Return the recipe that a run was scored with, by its address; None where it was scored on none."""
    row = _row_of(location).get((split, index))
    if row is None:
        return None
    recipe = get_predictions(location).recipe(row)
    return recipe if (recipe.seed, recipe.split, recipe.epoch) == (seed, split, 0) else None


@st.cache_data(max_entries=16, show_spinner=False)
def run_mix_config(location: RunLocation) -> MixConfig:
    """Return the settings of the mixing that a run was trained with."""
    from mixlab.training.config import from_plain

    return from_plain(MixConfig, Run.open(location.path).config["mix"])


@st.cache_data(max_entries=64, show_spinner=False)
def run_model(location: RunLocation) -> dict[str, Any]:
    """Return the settings of a run's network; {} where it has none that can be read."""
    try:
        card = load_json((Path(location.path) / "model.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):  # its mixes play without it
        return {}
    return dict(card.get("config", {})) if isinstance(card, dict) else {}
