"""Cached access to studies and sweeps, by plain values only; also while they run, and to start them."""

import os
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import NamedTuple

import streamlit as st

from app.data import runs as runs_data
from app.data.mixes import Location, get_catalog
from mixlab import MixlabError
from mixlab.studies import StudyFolder
from mixlab.studies.curves import P_MUSICAL, StudyStatus, study_status
from mixlab.studies.locations import STUDY, Found
from mixlab.studies.results import StudyResults, load_results
from mixlab.studies.starting import Cost, StudyOrder, estimate_cost
from mixlab.studies.statistics import RunScores
from mixlab.training.run import Run
from mixlab.utils.detached import MARKER, Step, Work, WorkStatus, tail
from mixlab.utils.resources import resource_path

__all__ = [
    "RESAMPLES",
    "SIZES",
    "StudyLocation",
    "default_out",
    "find_started",
    "get_cost",
    "get_results",
    "get_status",
    "get_work",
    "go_on",
    "has_begun",
    "is_at_work",
    "location_of",
    "log_of_run",
    "settings_of",
    "start",
]

RESAMPLES = 200
"""Resamples of songs behind the verdict; a report has more."""

SIZES = {
    "quick, to see that it works": "configs/demo.yaml",
    "for two processors": "configs/study.yaml",
    "the paper's, for a GPU": "configs/study_paper.yaml",
}
"""Files of settings by what they are for."""

KIND = "study"


class StudyLocation(NamedTuple):
    """A study on disk, and which of its runs are done by when: what its scores follow from."""

    path: str
    done: tuple[tuple[str, int], ...]


def get_status(path: str) -> StudyStatus:
    """Return how a study stands right now; never cached, as others work on it."""
    return study_status(StudyFolder(path))


def location_of(path: str, status: StudyStatus) -> StudyLocation:
    """Return a study as its scores are cached."""
    return StudyLocation(path, tuple((name, _time(Path(path) / "runs" / name)) for name in status.done))


def _time(run: Path) -> int:
    try:
        return (run / "predictions.parquet").stat().st_mtime_ns
    except OSError:
        return 0


@st.cache_resource(max_entries=4, show_spinner="Scoring the runs that are done …")
def get_results(location: StudyLocation) -> StudyResults:
    """Return the scores of all runs that are done.

    The curve's intervals are over seeds; resamples of songs are there for paired differences alone.
    """
    return load_results(StudyFolder(location.path), n_resamples=RESAMPLES, known=_known_scores(location.path))


@st.cache_resource(max_entries=4)
def _known_scores(path: str) -> dict[Hashable, tuple[RunScores, RunScores]]:
    """Return what was scored already of a study, so that a run that is done costs only its own scores."""
    return {}


# ---- studies that are started, stopped and gone on with ----


def has_begun(path: str) -> bool:
    """Tell whether a study has written how it stands; one that was just started has not."""
    return (Path(path) / STUDY).is_file()


def get_work(path: str) -> WorkStatus | None:
    """Return the work on a study that was started from a page; None where none was.

    Raises:
        RunError: what is kept of it is damaged.
    """
    return Work(path).status()


def is_at_work(path: str) -> bool:
    """Tell whether anybody works on a study, from wherever it was started."""
    return Work(path).is_at_work() or StudyFolder(path).is_locked()


def find_started(locations: tuple[tuple[str, int], ...]) -> tuple[Found, ...]:
    """Return the studies that were started from a page and have written nothing yet."""
    found = []
    for one in runs_data.find_found(locations, MARKER):
        try:
            work = Work(one.path).status()
        except MixlabError:
            continue
        if work is not None and work.kind == KIND and not has_begun(str(one.path)):
            found.append(one)
    return tuple(found)


def default_out(locations: Sequence[tuple[str, int]]) -> str:
    """Return a folder for a new study, where the page finds it: the first of its name that is free."""
    named = os.environ.get("MIXLAB_RUNS")
    base = Path(locations[0][0]) if named and locations else Path.cwd() / "studies"
    number, out = 1, base / "p_musical"
    while out.exists():
        number += 1
        out = base / f"p_musical-{number}"
    return str(out)


def settings_of(size: str, run: str = "") -> Path:
    """Return the file of settings of a size, or of a run."""
    return Path(run) / "config.yaml" if run else resource_path(*SIZES[size].split("/"))


@st.cache_data(max_entries=32, show_spinner="Seeing how long a mix and a training step take …")
def get_cost(location: Location, order: StudyOrder, runs: tuple[str, ...]) -> Cost:
    """Return how long a study will take."""
    opened = [Run(Path(path)) for path in runs]
    return estimate_cost(order, get_catalog(location), opened)


def start(order: StudyOrder) -> bool:
    """Start a study; return whether it was started, or work on its folder is under way.

    Raises:
        MixlabError: it cannot be, or its folder not be written.
    """
    order.plan()
    StudyFolder(order.out).check_usable()
    work = Work(order.out)
    step = Step("Train", order.arguments(work.path / "settings.yaml"))
    files = {"settings.yaml": order.settings_text()}
    return work.start(KIND, f"Study of {P_MUSICAL}", [step], files=files)


def go_on(path: str, *, parallel: int, values: str = "", seeds: str = "") -> bool:
    """Go on with a study, with more values of p_musical and more seeds; return whether it was started."""
    arguments = ["sweep", "--go_on", path, "--parallel", str(parallel)]
    arguments += ["--vary", f"{P_MUSICAL}={values}"] if values else []
    arguments += ["--more_seeds", seeds] if seeds else []
    return Work(path).start(KIND, "Go on", [Step("Train", tuple(arguments))])


def log_of_run(path: str, name: str, lines: int = 60) -> str:
    """Return the end of what the training of a run said."""
    return tail(StudyFolder(path).log_path(name), lines)
