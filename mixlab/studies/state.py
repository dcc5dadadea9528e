"""How a study stands, as ``study.json`` keeps it for pages, reports and second terminals."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixlab.errors import RunError
from mixlab.studies.commands import COMMANDS
from mixlab.studies.plan import Condition
from mixlab.utils.decode import Source, later, read_json
from mixlab.utils.entries import TEXT, is_path, is_whole, list_of

__all__ = [
    "SCHEMA_VERSION",
    "STATUSES",
    "StoredTrial",
    "StudyCatalog",
    "StudyState",
    "StudyTask",
    "TrialState",
]

SCHEMA_VERSION = 2

STATUSES = ("done", "running", "interrupted", "failed", "missing")


@dataclass(frozen=True)
class TrialState:
    """What became of one training.

    Attributes:
        name: Of the run.
        condition: Its condition.
        seed: Its seed.
        kind: The command that makes it, a key of ``mixlab.studies.commands.COMMANDS``.
        status: One of ``STATUSES``.
        command: What to type to fill it; '' when it is done.
        seconds: What its training took so far; None when unknown.
        progress: Where a started one stands, in words; '' otherwise.
        error: What went wrong in the last attempt, or ''.
        epochs: Most epochs of its training; 0 for a baseline.
        items: Mixes or clips per epoch; 0 for a baseline.
        epochs_done: Epochs that it has behind it.
        epoch_s: Mean seconds of these, validation included; None before the first.
        epoch_age_s: Seconds since the last of them ended; 0 unless it is running.
    """

    name: str
    condition: str
    seed: int
    kind: str
    status: str
    command: str = ""
    seconds: float | None = None
    progress: str = ""
    error: str = ""
    epochs: int = 0
    items: int = 0
    epochs_done: int = 0
    epoch_s: float | None = None
    epoch_age_s: float = 0.0


@dataclass(frozen=True)
class StoredTrial(TrialState):
    """A training as a study's list keeps it.

    Attributes:
        path: Its run folder, relative to the study's.
    """

    path: str = ""


@dataclass(frozen=True)
class StudyTask:
    """Labelled clips that a study was started with.

    Attributes:
        name: What conditions call them.
        corpus: Where they are from.
        root: Its folder.
        classes: Number of classes.
        clips: Number of clips, of all splits.
        content_hash: Hash of their names, groups, splits and labels.
        value: The number that is predicted instead of the classes, with its unit; '' for the classes.
    """

    name: str
    corpus: str
    root: str
    classes: int
    clips: int
    content_hash: str
    value: str = later("")


@dataclass(frozen=True)
class StudyCatalog:
    """What a study was started with.

    Attributes:
        path: Folder of the catalog, or its URL; the folders of the clips of a study that has no mixes.
        content_hash: The catalog's hash by then; that of the clips of a study that has no mixes.
        tasks: Its clips; empty where it has mixes alone.
    """

    path: str
    content_hash: str
    tasks: tuple[StudyTask, ...] = later(())


@dataclass(frozen=True)
class StudyState:
    """The content of ``study.json``.

    Attributes:
        schema: ``SCHEMA_VERSION``.
        kind: ``sweep`` or the study's name.
        title: One line for people.
        updated: When it was written.
        catalog: What it trains on: the catalog, the clips, or both.
        vary: Values of each varied setting of a grid.
        seeds: Seeds of every condition.
        base: What all conditions have in common: settings of ``mix`` and ``train``; of a study on clips also
            ``windows``, and ``tasks`` with the clips of each.
        conditions: In the order of the plan.
        counts: Trainings by status.
        runs: Every training.
        precision: What all train in.
        parallel: Trainings at a time.
    """

    schema: int
    kind: str
    title: str
    updated: str
    catalog: StudyCatalog
    vary: Mapping[str, tuple[Any, ...]]
    seeds: tuple[int, ...]
    base: Mapping[str, dict[str, Any]]
    conditions: tuple[Condition, ...]
    counts: Mapping[str, int]
    runs: tuple[StoredTrial, ...]
    precision: str
    parallel: int

    @classmethod
    def load(cls, file: Path) -> "StudyState":
        """Read a study's list.

        Raises:
            RunError: there is none, it is damaged, or another release of mixlab wrote it.
        """
        written_by = "mixlab study (or sweep)"
        if not file.is_file():
            raise RunError(
                f"No study at {file.parent}: it has no {file.name}. 'mixlab sweep' and 'mixlab study' make "
                "them.",
                code="study-not-found",
            )
        data = read_json(file, written_by)
        if data.get("schema") != SCHEMA_VERSION:
            raise RunError(
                f"{file} is of another schema; use the mixlab release that wrote it.", code="study-version"
            )
        source = Source(str(file), written_by)
        state = source.decode(cls, data)
        if fault := _fault(state):
            raise source.refuse(*fault)
        return state


def _fault(state: StudyState) -> tuple[str, str] | None:
    """Return the key that says something that cannot be, and what; names become parts of paths."""
    for n, run in enumerate(state.runs):
        if not _is_name(run.name) or run.path != f"runs/{run.name}":
            return f"runs[{n}].name", f"should name a folder in runs/, found {run.name!r} at {run.path!r}"
        if run.kind not in COMMANDS:
            return f"runs[{n}].kind", f"should be one of {', '.join(COMMANDS)}, found {run.kind!r}"
        if run.status not in STATUSES:
            return f"runs[{n}].status", f"should be one of {', '.join(STATUSES)}, found {run.status!r}"
    for n, condition in enumerate(state.conditions):
        if not _is_name(condition.name):
            return f"conditions[{n}].name", f"should be fit for a file, found {condition.name!r}"
        if condition.command not in COMMANDS:
            return f"conditions[{n}].command", f"should be one of {', '.join(COMMANDS)}"
    for section in ("mix", "train"):
        if section not in state.base:
            return f"base.{section}", "is missing"
    if not is_whole(state.base["mix"].get("sample_rate"), 1, 768_000):
        return "base.mix.sample_rate", "should be a sample rate"
    metrics = state.base["train"].get("metrics", [])
    if not list_of(TEXT).holds(metrics):
        return "base.train.metrics", f"should be a list of names, found {metrics!r}"
    return None


def _is_name(text: str) -> bool:
    """Tell whether a text names one file or folder, and no way out of its own."""
    return is_path(text) and not {"/", "\\"} & set(text) and text not in ("", ".", "..")
