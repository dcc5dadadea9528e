"""Work that goes on without the page: how far it is, a button that stops it, and what it said."""

from collections.abc import Callable

import streamlit as st

from app import texts as words
from app.data import detached
from mixlab.utils.detached import WorkStatus

__all__ = ["ended_now", "show"]

EVERY_S = 1.0
_ENDED = "work_ended"
SAID = {
    "done": "Done.",
    "stopped": "Stopped. What was finished is kept, and the next start goes on from there.",
    "failed": "It ended with an error.",
    "killed": "Its process was ended from outside: by want of memory, or with the machine. What was finished "
              "is kept, and the next start goes on from there.",
}  # fmt: skip


def show(status: WorkStatus, *, finished: Callable[[WorkStatus], None] | None = None) -> None:
    """Show how work stands; while it is at work, look again every second.

    Args:
        status: How it stands now.
        finished: Shows what came of it, once it is done.
    """
    with st.container(border=True):
        st.markdown(f"**{words.escape(status.title)}**")
        if status.at_work:
            st.fragment(_live, run_every=EVERY_S)(str(status.folder))
            return
        if status.state == "done":
            st.success(SAID["done"], icon=":material/check:")
            if finished is not None:
                finished(status)
            return
        told = st.info if status.state == "stopped" else st.error
        told(SAID[status.state])
        _log(str(status.folder), expanded=status.state != "stopped")


def ended_now(folder: str) -> bool:
    """Tell once whether work on a folder has just ended while this page looked on."""
    if st.session_state.get(_ENDED) != folder:
        return False
    del st.session_state[_ENDED]
    return True


def _live(folder: str) -> None:
    status = detached.get_status(folder)
    if status is None or not status.at_work:
        st.cache_data.clear()  # what was found in folders before
        st.session_state[_ENDED] = folder
        st.rerun()
    row = st.container(horizontal=True, vertical_alignment="center")
    row.progress(status.share, words.escape(_where(status)))
    stopping = status.state == "stopping"
    row.button(
        "Stop" if not stopping else "Stop at once",
        key=f"stop_{folder}", icon=":material/stop:", on_click=detached.stop, args=(folder,),
        help="It saves what is finished and ends; started again, it goes on from there.",
    )  # fmt: skip
    if stopping:
        st.caption("It saves and ends …")
    else:
        st.caption("It goes on when this page is left or closed, and is found here again.")
    _log(folder, expanded=False)


def _where(status: WorkStatus) -> str:
    step = status.steps[status.step] if status.steps else ""
    of = f"Step {status.step + 1} of {len(status.steps)}: {step}" if len(status.steps) > 1 else step
    counted = f": {status.done} of {status.total}" if status.total else ""
    return f"{of}, {status.what}{counted}" if status.what else of


def _log(folder: str, *, expanded: bool) -> None:
    with st.expander("What it says", expanded=expanded):
        st.code(detached.log_of(folder) or "(nothing yet)", language=None, wrap_lines=True)
