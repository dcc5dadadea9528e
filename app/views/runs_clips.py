"""Runs on clips: what is wrong and right, to listen to, and what a run says of one item."""

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from app import texts as words
from app.data import runs as runs_data
from mixlab.corpora.clips import Clip
from mixlab.errors import MixlabError

if TYPE_CHECKING:
    from app.views.runs_choice import RunSelection

__all__ = ["hear_clips", "say_scores"]

TRUTH = {True: "present", False: "absent"}
YES = {True: "yes", False: "no"}


def hear_clips(selection: "RunSelection", column: int, rows: list[int]) -> None:
    """Show some clips of a list, each to be heard as its corpus holds it.

    Args:
        selection: What is looked at.
        column: The class.
        rows: Rows of the split's table.
    """
    try:
        clips = [runs_data.get_clip(selection.run, selection.split, row) for row in rows]
    except MixlabError as error:
        st.info(f"These cannot be heard here. {words.escape(str(error))}", icon=":material/volume_off:")
        return
    of, played = st.session_state.get("played", ("", -1))
    with st.container(border=True):
        if of == _of(selection) and played in rows:
            _player(selection, column, played, clips[rows.index(played)])
        else:
            st.caption("Choose a clip below to hear it here.")
    for row, clip in zip(rows, clips, strict=True):
        _clip_row(selection, column, row, clip, chosen=of == _of(selection) and row == played)


def _of(selection: "RunSelection") -> str:
    return f"{selection.run.path} {selection.split}"


def _clip_row(selection: "RunSelection", column: int, row: int, clip: Clip, *, chosen: bool) -> None:
    line = st.container(horizontal=True, vertical_alignment="center", key=f"clip_{row}")
    line.button(
        "Hear",
        icon=":material/volume_up:" if chosen else ":material/play_arrow:",
        type="primary" if chosen else "secondary",
        key=f"hear_{row}", on_click=_hear, args=(_of(selection), row),
    )  # fmt: skip
    line.markdown(f"**{float(selection.table.scores[row, column]):.3f}**", width=56)
    line.markdown(f"{words.escape(clip.key)} :small[:gray[{words.escape(clip.group)}]]")


def _hear(of: str, row: int) -> None:
    st.session_state["played"] = (of, row)


def _player(selection: "RunSelection", column: int, row: int, clip: Clip) -> None:
    st.markdown(f"**{words.escape(clip.key)}** :small[:gray[{words.escape(clip.group)}]]")
    try:
        st.audio(runs_data.clip_wav(clip), format="audio/wav", alt=f"Clip {clip.key}")
    except MixlabError as error:
        st.info(words.escape(str(error)), icon=":material/volume_off:")
    say_scores(selection, row, selection.table.labels[column])


def say_scores(selection: "RunSelection", row: int, label: str) -> None:
    """Show what the run says of one item: of a class in a line, of those with the highest scores in a table.

    Args:
        selection: What is looked at.
        row: Row of the split's table.
        label: The class.
    """
    table = scores_of(selection, row)
    own = table[table["class"] == label].iloc[0]
    at = f", threshold {own['threshold']:.3f}" if "threshold" in table else ""
    st.caption(
        f"{words.escape(label)}: score {own['score']:.3f}{at}, in truth {own['in truth']}. What the model "
        "detects in it:"
    )
    st.dataframe(
        table.head(6), hide_index=True, height="content",
        column_config={
            "score": st.column_config.ProgressColumn(format="%.3f", min_value=0.0, max_value=1.0),
            "threshold": st.column_config.NumberColumn(format="%.3f"),
        },
    )  # fmt: skip


def scores_of(selection: "RunSelection", row: int) -> pd.DataFrame:
    """Return what the model says of one item, the highest score first."""
    table, at = selection.table, selection.decided.thresholds
    highest = int(table.scores[row].argmax())
    rows = [
        {
            "class": name,
            "score": float(table.scores[row, c]),
            "threshold": float(at[c]),
            "predicted": YES[c == highest if table.single_label else bool(table.scores[row, c] >= at[c])],
            "in truth": TRUTH[bool(table.present[row, c])] if table.known[row, c] else "unknown",
        }
        for c, name in enumerate(table.labels)
    ]
    made = pd.DataFrame(rows).sort_values("score", ascending=False, kind="stable")
    return made.drop(columns="threshold") if table.single_label else made
