"""Studies as work: a new one with what it will take, and one that is there, stopped and gone on with."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import streamlit as st

from app import texts as words
from app.data import detached
from app.data import runs as runs_data
from app.data import sweeps as data
from app.data.mixes import Location
from app.views import runs_locations
from mixlab import MixlabError
from mixlab.errors import ConfigError
from mixlab.studies.curves import P_MUSICAL, StudyStatus, unfinished_trials
from mixlab.studies.display import plain_seconds
from mixlab.studies.extending import can_grow
from mixlab.studies.grids import parse_seeds
from mixlab.studies.locations import RUN, STUDY, Found
from mixlab.studies.starting import StudyOrder, read_settings
from mixlab.utils.detached import WorkStatus
from mixlab.utils.parallel import default_workers

__all__ = ["NEW", "new_study", "work_on"]

NEW = "new_study"
"""Key of the switch that shows the form."""

GRID, SEEDS = "0,0.2,0.4,0.6,0.8,1", "0,1,2"
AS_RUN = "as the run "
_SAID = "study_said"


# ---- a new one ----


def new_study(location: Location | None) -> None:
    """Show the form of a new study, with how long it will take.

    Args:
        location: The open catalog, which it mixes from; or None.
    """
    with st.container(border=True):
        st.markdown("### New study of p_musical")
        if location is None:
            st.info("Open a catalog first: its songs are what is mixed.")
            return
        try:
            _form(location)
        except MixlabError as error:
            st.error(words.escape(str(error)))


def _form(location: Location) -> None:
    runs = _runs_on_mixes(location)
    row = st.container(horizontal=True, vertical_alignment="bottom")
    grid = row.text_input("Values of p_musical", GRID, key="study_grid", width=240)
    seeds = row.text_input(
        "Seeds", SEEDS, key="study_seeds", width=110, help="Of every value; three or more."
    )
    sizes = [*data.SIZES, *(f"{AS_RUN}{name}" for name in runs)]
    size = str(row.selectbox("Size", sizes, key="study_size", width=260))
    run = runs.get(size.removeprefix(AS_RUN), "")
    mix, train = read_settings(data.settings_of(size, run))
    row = st.container(horizontal=True, vertical_alignment="bottom")
    epochs = row.number_input("Epochs", 1, 10_000, int(train.epochs), key=f"study_epochs {size}", width=120)
    items = row.number_input(
        "Mixes an epoch", 1, 10_000_000, int(train.epoch_size), key=f"study_items {size}", width=150
    )
    most = min(2, default_workers())
    parallel = row.number_input(
        "At a time", 1, 64, most, key="study_parallel", width=110,
        help=f"Trainings beside each other; there are {default_workers()} processors.",
    )  # fmt: skip
    free = data.default_out(runs_locations.locations(location))
    out = row.text_input("Folder", key="study_out", placeholder=free, width=380)
    order = StudyOrder(
        catalog=location.path,
        out=str(Path(out.strip() or free).expanduser().absolute()),
        grid=_values(grid),
        seeds=parse_seeds(seeds),
        mix=mix,
        train=replace(train, epochs=int(epochs), epoch_size=int(items), patience=0),
        parallel=int(parallel),
    )
    order.plan()
    cost = data.get_cost(location, order, tuple(runs.values()))
    count = "1 run" if cost.runs == 1 else f"{cost.runs} runs"
    st.markdown(f"**{count}, about {plain_seconds(cost.seconds)} here**")
    st.caption(
        f"{words.escape(cost.how).capitalize()}. All are scored on the same {train.test_size} test mixes."
    )
    st.button(
        "Start the study",
        type="primary",
        icon=":material/play_arrow:",
        on_click=_start,
        args=(location, order),
    )
    say_what_was_said()


def say_what_was_said() -> None:
    """Show what kept the last click from doing what it says."""
    if said := st.session_state.pop(_SAID, ""):
        st.error(words.escape(said))


def _values(text: str) -> tuple[float, ...]:
    """Return values of p_musical.

    Raises:
        ConfigError: they are no numbers from 0 to 1, or one comes twice.
    """
    try:
        values = tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        values = ()
    if not values or not all(0 <= value <= 1 for value in values) or len(set(values)) < len(values):
        raise ConfigError(
            f"Values of p_musical are different numbers from 0 to 1 such as {GRID}; found {text!r}.",
            code="malformed-option",
        )
    return values


def _runs_on_mixes(location: Location) -> dict[str, str]:
    """Return the folders of the trained runs on mixes by their names."""
    found = {}
    for one in runs_data.find_found(runs_locations.locations(location), RUN):
        try:
            read_settings(one.path / "config.yaml")
        except MixlabError:  # on clips, a baseline, or damaged
            continue
        found[one.name] = str(one.path)
    return found


def _start(location: Location, order: StudyOrder) -> None:
    try:
        started = data.start(order)
    except MixlabError as error:
        st.session_state[_SAID] = str(error)
        return
    if not started:
        st.session_state[_SAID] = f"Work on {order.out} is under way already; choose it above."
        return
    runs_data.find_found.clear()
    st.session_state[NEW] = False
    name = next((one.name for one in all_studies(location) if str(one.path) == order.out), "")
    if name:
        st.session_state["study"] = name


def all_studies(location: Location | None) -> Sequence[Found]:
    """Return the studies that are there, those that have just been started included."""
    selection = runs_locations.locations(location)
    return sorted(
        {
            one.path: one
            for one in (
                *runs_data.find_found(selection, STUDY),
                *data.find_started(selection),
            )
        }.values(),
        key=lambda one: one.name,
    )


# ---- one that is there ----


def work_on(path: str, status: StudyStatus, work: WorkStatus | None) -> None:
    """Show what can be done with a study: stop it, go on, give it more values and seeds.

    Args:
        path: Its folder.
        status: How it stands.
        work: What was started from a page; None where nothing was.
    """
    if work is not None and work.at_work:
        _stop(path, work)
    elif status.at_work:
        st.caption("It was started in a terminal; Ctrl-C there stops it, and it can be gone on with here.")
    else:
        if work is not None and work.state in ("failed", "killed"):
            _ended(path, work)
        _go_on(path, status)
    say_what_was_said()


def _stop(path: str, work: WorkStatus) -> None:
    row = st.container(horizontal=True, vertical_alignment="center")
    stopping = work.state == "stopping"
    row.button(
        "Stop" if not stopping else "Stop at once", key="study_stop", icon=":material/stop:",
        on_click=detached.stop, args=(path,), help="The trainings save and end; nothing is lost.",
    )  # fmt: skip
    row.caption(
        "The trainings save and end …"
        if stopping
        else "It goes on when this page is left or closed, and is found here again."
    )
    with st.expander("What it says"):
        st.code(detached.log_of(path) or "(nothing yet)", language=None, wrap_lines=True)


def _ended(path: str, work: WorkStatus) -> None:
    said = "The last attempt ended with an error." if work.state == "failed" else "Its process was ended."
    with st.expander(said, icon=":material/error:"):
        st.code(detached.log_of(path) or "(nothing)", language=None, wrap_lines=True)


def _go_on(path: str, status: StudyStatus) -> None:
    missing, grows = unfinished_trials(status), can_grow(status.kind, status.vary)
    row = st.container(horizontal=True, vertical_alignment="bottom")
    parallel = row.number_input(
        "At a time", 1, 64, max(1, status.parallel), key="study_again_parallel", width=110
    )
    if missing:
        row.button(
            f"Go on ({len(missing)} left)", type="primary", icon=":material/play_arrow:", key="study_go_on",
            on_click=_start_again, args=(path, int(parallel)),
            help="With the settings, the catalog and the seeds that it has.",
        )  # fmt: skip
    with row.popover("More values or seeds", icon=":material/add:"):
        values = ""
        if grows and set(status.vary) == {P_MUSICAL}:
            values = st.text_input("Further values of p_musical", key="study_more", placeholder="0.1,0.3")
        seeds = st.text_input("Further seeds", key="study_more_seeds", placeholder="3,4")
        st.caption("What is done is kept. The best of more values is chosen among more: report them all.")
        st.button(
            "Start", key="study_extend", icon=":material/play_arrow:", on_click=_start_again,
            args=(path, int(parallel), values, seeds), disabled=not (values.strip() or seeds.strip()),
        )  # fmt: skip


def _start_again(path: str, parallel: int, values: str = "", seeds: str = "") -> None:
    try:
        texts = ",".join(f"{value:g}" for value in _values(values)) if values.strip() else ""
        more = ",".join(map(str, parse_seeds(seeds))) if seeds.strip() else ""
        if not data.go_on(path, parallel=parallel, values=texts, seeds=more):
            st.session_state[_SAID] = "Work on it is under way already."
    except MixlabError as error:
        st.session_state[_SAID] = str(error)
