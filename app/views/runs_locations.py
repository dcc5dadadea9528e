"""Where runs, studies and reports are looked for, and what is shown where none is found."""

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from app.data import runs as runs_data
from app.data.mixes import Location
from mixlab.studies.locations import RUN, STUDY, Found, FoundReports

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

__all__ = ["found_reports", "found_runs", "found_studies", "locations", "say_none", "show_folders"]

KEY = "runs_in"


def locations(location: Location | None) -> tuple[tuple[str, int], ...]:
    """Return where to look, and how deep: the folders that were typed, else the usual places."""
    typed = [part.strip() for part in str(st.session_state.get(KEY) or "").split(";") if part.strip()]
    if typed:
        return tuple((folder, runs_data.DEEP) for folder in map(_absolute, typed) if folder)
    return runs_data.default_locations(location.path if location else "")


def _absolute(typed: str) -> str:
    try:
        return str(Path(typed).expanduser().resolve())
    except (OSError, ValueError, RuntimeError):  # what cannot be a path, or the home of nobody
        return ""


def found_runs(location: Location | None) -> tuple[Found, ...]:
    """Return the runs."""
    return runs_data.find_found(locations(location), RUN)


def found_studies(location: Location | None) -> tuple[Found, ...]:
    """Return the studies and sweeps."""
    return runs_data.find_found(locations(location), STUDY)


def found_reports(location: Location | None) -> tuple[FoundReports, ...]:
    """Return the reports of published weights."""
    return runs_data.find_published(locations(location))


def show_folders(location: Location | None, row: "DeltaGenerator") -> None:
    """Show where runs, studies and reports are looked for, and let another folder be named.

    Args:
        location: The open catalog, or None.
        row: The line above the page.
    """
    with row.popover("Folders", icon=":material/folder_open:"):
        # It is no part of a link: an address must not open folders.
        st.text_input(
            "Look in", key=KEY, persist_state="session", placeholder="a folder of runs, studies or reports",
            help="Several are separated by a semicolon. Empty: the usual places. `mixlab app --runs FOLDER` "
                 "sets them from the start.",
        )  # fmt: skip
        selection = locations(location)
        runs, studies = found_runs(location), found_studies(location)
        reports = sum(len(one.files) for one in found_reports(location))
        st.caption(
            f"{_count(len(runs), 'run')}, {_count(len(studies), 'study', 'studies')} (sweeps among them) and "
            f"{_count(reports, 'report')} of published weights found below:"
        )
        looked = "\n".join(folder for folder, _ in selection)
        st.code(looked or "(none of the usual folders is there)", language=None)
        if st.button("Look again", icon=":material/refresh:"):
            runs_data.look_again()
            st.rerun()


def _count(n: int, one: str, more: str = "") -> str:
    return f"1 {one}" if n == 1 else f"{n:,} {more or one + 's'}"


def say_none(location: Location | None) -> None:
    """Say what to type while there is no run."""
    folders = (folder.replace("`", "'") for folder, _ in locations(location))
    selection = ", ".join(f"`{folder}`" for folder in folders) or "any of the usual places"
    catalog = location.path if location else "CATALOG"
    reports = (
        "The reports there are shown on the page Runs."
        if found_reports(location)
        else "Nor is there a report of `mixlab evaluate-on`."
    )
    st.markdown(f"There is no run in {selection}. {reports} Train a tagger, and look again:")
    st.code(
        f"mixlab train --catalog {catalog} --out runs/first\nmixlab app --runs runs",
        language="sh",
    )
    st.caption("`mixlab demo` does all of it at once. A folder elsewhere is opened under Folders.")
