"""What is shown while there is no catalog or no run: a few songs, a folder of one's own, or the demo."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from app import texts as words
from app.data import detached
from app.data.mixes import Location
from app.views import chooser, index_folder, runs_locations, work_panel
from mixlab import MixlabError
from mixlab.utils.detached import WorkStatus

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

__all__ = ["is_at_work", "offer_run", "show"]

NO_CATALOG = """\
There is no catalog at `{path}`. Three ways to one: a few songs to look around with, an index of a folder of
your own, or the demo corpora, on which a model can be trained too. A catalog that is there already is opened
by its folder."""
NO_RUN = """\
There is no trained run in {folders}. To train one on your own catalog, type

```sh
mixlab train --catalog {catalog} --out {out}     # see: mixlab train --help
```

Runs that lie elsewhere are opened under Folders. Or train a small one on demo corpora first: songs that
are composed and played on this machine. Its scores show that the steps work, and nothing about real music."""
STARTER_COST = (
    "About 10 seconds of computing and some MB: six short songs, composed and played on this machine; too "
    "few to train on."
)
COST = "Takes a few minutes and about 0.5 GB, downloads nothing, and can be stopped and started again."
RUN_COST = "Takes 5 to 10 minutes and about 0.5 GB, downloads nothing, and can be stopped and started again."


def show(path: str) -> None:
    """Show the page that stands for every page that needs a catalog.

    Args:
        path: Where a catalog was looked for.
    """
    _open_what_ended()
    st.markdown("## Welcome to mixlab")
    st.markdown(NO_CATALOG.format(path=path.replace("`", "'")))
    chooser.show()
    at_work = index_folder.builds()
    st.markdown("## Look around first")
    row = st.container(horizontal=True, gap="medium")
    _offer(
        row, "Make a few songs", STARTER_COST, detached.STARTER, at_work, detached.start_starter, first=True
    )
    _offer(row, "Make the demo corpora", COST, detached.DEMO, at_work, detached.start_demo)
    index_folder.form()


def offer_run(location: Location | None) -> None:
    """Say what to type for a run, and offer a small one in one click.

    Args:
        location: The open catalog, or None.
    """
    looked = [folder.replace("`", "'") for folder, _ in runs_locations.locations(location)]
    folders = ", ".join(f"`{folder}`" for folder in looked) or f"any of the usual places below `{Path.cwd()}`"
    catalog = (location.path if location else "my-catalog").replace("`", "'")
    st.markdown(NO_RUN.format(folders=folders, catalog=catalog, out=Path.cwd() / "runs" / "first"))
    status = detached.get_status(str(detached.DEMO))
    if work_panel.ended_now(str(detached.DEMO.absolute())) and status is not None and status.state == "done":
        _look_again()
        st.rerun()
    if status is not None and status.kind == "demo run":
        work_panel.show(status, finished=_trained)
    at_work = (str(detached.DEMO.absolute()),) if status is not None and status.at_work else ()
    name = "Make the demo corpora and train a small run"
    _offer(st.container(), name, RUN_COST, detached.DEMO, at_work, _start_run, first=True)


def _open_what_ended() -> None:
    """Open the catalog whose making was watched here to its end."""
    for status in detached.find_builds():
        if work_panel.ended_now(str(status.folder)) and status.state == "done":
            chooser.choose(str(detached.catalog_of(status)))
            st.rerun()


def _offer(
    place: "DeltaGenerator",
    name: str,
    cost: str,
    folder: Path,
    at_work: Sequence[str],
    start: Callable[[], bool],
    *,
    first: bool = False,
) -> None:
    """Show a button that starts work on a folder, unless that is under way."""
    box = place.container(width=420)
    where = folder.absolute()
    busy = str(where) in at_work
    box.button(
        name, type="primary" if first else "secondary", icon=":material/piano:", disabled=busy,
        on_click=_start, args=(start,),
    )  # fmt: skip
    box.caption(f"{cost} They go to `{where}`.")
    if said := st.session_state.pop("start_said", ""):
        box.warning(words.escape(said))


def _start(start: Callable[[], bool]) -> None:
    """Start work; where another tab or terminal was quicker, its work is what is shown."""
    try:
        start()
    except MixlabError as error:
        st.session_state["start_said"] = str(error)


def is_at_work() -> bool:
    """Tell whether the demo is being made."""
    status = detached.get_status(str(detached.DEMO))
    return status is not None and status.at_work


def _start_run() -> bool:
    return detached.start_demo(with_run=True)


def _trained(status: WorkStatus) -> None:
    """Look for runs in the usual places again, where the new one is now."""
    st.button(
        "Open it", key="open_demo_run", type="primary", icon=":material/folder_open:", on_click=_look_again
    )


def _look_again() -> None:
    st.session_state.pop(runs_locations.KEY, None)
    st.cache_data.clear()
