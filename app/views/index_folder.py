"""New catalog: a folder of recordings is looked at, its labels are checked, and it is indexed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import streamlit as st

from app import texts as words
from app.data import detached
from app.data.mixes import Location
from app.views import chooser, work_panel
from mixlab import MixlabError
from mixlab.catalog.label_preview import LabelPreview, LabelUse
from mixlab.corpora import CORPORA
from mixlab.taxonomy import load_taxonomy
from mixlab.utils.detached import WorkStatus

__all__ = ["builds", "form", "show"]

MOST_CHOICES = 40
LEAVE_OUT = ""
FOLDER_HELP = "With everything below it, such as /data/stems: a folder for each song, a file for each stem."
_CHECKED = "index_checked"


def show(location: Location | None) -> None:
    """Show the page.

    Args:
        location: The open catalog, or None; it stays open until the new one is chosen.
    """
    builds()
    form()


def builds() -> tuple[str, ...]:
    """Show the catalogs that are being made, or were, and return their folders."""
    shown = []
    for status in detached.find_builds():
        # Those that are done and open already have nothing to say.
        is_open = Path(chooser.chosen_path()).expanduser().absolute() == detached.catalog_of(status)
        if status.state != "done" or not is_open:
            work_panel.show(status, finished=_finished)
            shown.append(str(status.folder))
    return tuple(shown)


def _finished(status: WorkStatus) -> None:
    """Say what a catalog holds, and open it with one click."""
    path = detached.catalog_of(status)
    try:
        st.markdown(words.escape(detached.describe_catalog(path)))
    except MixlabError as error:
        st.error(words.escape(str(error)))
        return
    st.button(
        "Open this catalog", key=f"open_{path}", type="primary", icon=":material/folder_open:",
        on_click=chooser.choose, args=(str(path),),
    )  # fmt: skip


def form() -> None:
    """Ask for a folder, show what its labels would become, and index it."""
    st.markdown("### Index a folder of your own")
    st.caption("Nothing is copied or renamed: a catalog points at the audio.")
    row = st.container(horizontal=True, vertical_alignment="bottom")
    folder = row.text_input(
        "Folder of recordings", key="index_folder", persist_state="session", help=FOLDER_HELP, width=420
    )
    corpus = row.selectbox(
        "Laid out as", list(_layouts()), key="index_corpus", persist_state="session", width=300,
        format_func=lambda name: _layouts()[name],
    )  # fmt: skip
    out = row.text_input(
        "Folder of the catalog", value="my-catalog", key="index_out", persist_state="session", width=260
    )
    chosen = (str(corpus), folder.strip())
    if st.button("Check its labels", icon=":material/fact_check:", disabled=not folder.strip()):
        asked = st.session_state.get(_CHECKED, ("", "", 0))[2] + 1
        st.session_state[_CHECKED] = (*chosen, asked)
    checked = st.session_state.get(_CHECKED)
    if checked is None or checked[:2] != chosen:
        st.caption("The labels are looked at first; no audio is opened for that.")
        return
    try:
        _checked(detached.get_preview(*checked), out.strip() or "my-catalog")
    except MixlabError as error:
        st.error(words.escape(str(error)))


def _layouts() -> dict[str, str]:
    """Return the kinds of corpora by name, a plain folder first."""
    known = {name: adapter.description for name, adapter in CORPORA.items()}
    first = {"folder": "a folder of stems, by the names of files"}
    return first | {name: name for name in sorted(known) if name != "folder"}


def _checked(preview: LabelPreview, out: str) -> None:
    """Show what was found, let unknown labels be decided, and offer to index."""
    unknown = preview.unknown
    st.markdown(
        f"**{_count(preview.stems, 'stem')}** in {_count(preview.songs, 'song')}, "
        f"{_count(len(preview.labels), 'label')}, **{len(unknown)} unknown**."
    )
    for note in preview.notes:
        st.caption(words.escape(note))
    if preview.problems:
        with st.expander(f"{_count(len(preview.problems), 'problem')} in the tree; the rest is indexed"):
            _problems(preview)
    labels = _decide(unknown) if unknown else {}
    with st.expander("What the known labels become", expanded=not unknown):
        st.dataframe(
            pd.DataFrame([_row(use) for use in preview.labels if use.known]), hide_index=True,
            alt="Each label with its stems and what it becomes.",
        )  # fmt: skip
    if not any(use.nodes for use in preview.labels if use.known) and not any(labels.values()):
        st.warning(
            "No stem of it would have an instrument, so nothing could be mixed. Choose under *Laid out as* "
            "what the folder is, or name its files by their instruments.",
            icon=":material/warning:",
        )
    st.caption(f"The catalog goes to `{Path(out).expanduser().absolute()}`.")
    st.button(
        "Index", type="primary", icon=":material/library_add:", on_click=_start, args=(out, preview, labels)
    )
    if said := st.session_state.pop("index_said", ""):
        st.warning(words.escape(said))


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def _row(use: LabelUse) -> dict[str, object]:
    return {
        "label": use.label,
        "stems": use.stems,
        "becomes": use.meaning or f"no instrument: {use.ignored}",
        "such as": use.example,
    }


def _problems(preview: LabelPreview) -> None:
    rows = [{"kind": p.kind, "where": p.path or p.song, "what": p.message} for p in preview.problems]
    st.dataframe(pd.DataFrame(rows), hide_index=True, alt="Problems by kind, place and meaning.")


def _decide(unknown: Sequence[LabelUse]) -> dict[str, tuple[str, ...]]:
    """Show a choice for each unknown label, its guess first; return the chosen nodes by label."""
    st.markdown("These labels are in no map. What they would become is a guess: check it, or leave them out.")
    row = st.container(horizontal=True, gap="small")
    chosen = {}
    for use in unknown[:MOST_CHOICES]:
        guess, where = "|".join(use.nodes), f"Such as {words.escape(use.example)}"
        options = [*dict.fromkeys((guess, LEAVE_OUT, *load_taxonomy().nodes))]
        picked = row.selectbox(
            f"{words.escape(use.label)} ({_count(use.stems, 'stem')})", options,
            key=f"label {use.label}", format_func=_say, width=250, help=where,
        )  # fmt: skip
        chosen[use.label] = tuple(str(picked or "").split("|")) if picked else ()
    rest = unknown[MOST_CHOICES:]
    if rest:
        st.caption(f"{_count(len(rest), 'further label')}: each becomes its guess, or is left out.")
    return chosen | {use.label: use.nodes for use in rest}


def _say(choice: str) -> str:
    """Return a choice of nodes in words."""
    if choice == LEAVE_OUT:
        return "(left out)"
    nodes = load_taxonomy().nodes
    return " or ".join(nodes[node].name for node in choice.split("|"))


def _start(out: str, preview: LabelPreview, labels: Mapping[str, Sequence[str]]) -> None:
    """Start to index; what keeps it from starting is said below the button."""
    try:
        started = detached.start_index(out, preview.corpus, str(preview.folder), labels)
    except MixlabError as error:
        st.session_state["index_said"] = str(error)
        return
    if not started:
        st.session_state["index_said"] = f"Work on {out} is under way already; it is shown above."
    else:
        st.session_state.pop(_CHECKED, None)
