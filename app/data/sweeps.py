"""Cached access to studies and sweeps, by plain values only; also while they run."""

from collections.abc import Hashable
from pathlib import Path
from typing import NamedTuple

import streamlit as st

from mixlab.studies import StudyFolder
from mixlab.studies.curves import StudyStatus, study_status
from mixlab.studies.results import StudyResults, load_results
from mixlab.studies.statistics import RunScores

__all__ = ["StudyLocation", "get_results", "get_status", "location_of"]


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

    Without resamples of songs: the curve's intervals are over seeds, and a study that runs is scored anew
    whenever a run is done.
    """
    return load_results(StudyFolder(location.path), n_resamples=0, known=_known_scores(location.path))


@st.cache_resource(max_entries=4)
def _known_scores(path: str) -> dict[Hashable, tuple[RunScores, RunScores]]:
    """Return what was scored already of a study, so that a run that is done costs only its own scores."""
    return {}
