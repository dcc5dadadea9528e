"""Runs on clips: what is wrong and right, to listen to, and what a run says of one item."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from app import texts as words
from app.data import runs as runs_data
from mixlab.errors import MixlabError

if TYPE_CHECKING:
    from app.views.runs_choice import RunSelection

__all__ = ["TRUTH", "list_clips", "play_clip", "say_scores"]

TRUTH = {True: "present", False: "absent"}
YES = {True: "yes", False: "no"}


def list_clips(
    selection: "RunSelection",
    column: int,
    rows: list[int],
    chosen: int | None,
    hear: Callable[["RunSelection", int], None],
) -> None:
    """Show some clips of a list, each with a button that plays it.

    Args:
        selection: What is looked at.
        column: The class.
        rows: Rows of the split's table.
        chosen: The row that plays, or None.
        hear: Goes to a row.
    """
    try:
        clips = [runs_data.get_clip(selection.run, selection.split, row) for row in rows]
    except MixlabError as error:
        st.info(f"These cannot be heard here. {words.escape(str(error))}", icon=":material/volume_off:")
        return
    for row, clip in zip(rows, clips, strict=True):
        line = st.container(horizontal=True, vertical_alignment="center", key=f"clip_{row}")
        line.button(
            "Hear",
            icon=":material/volume_up:" if row == chosen else ":material/play_arrow:",
            type="primary" if row == chosen else "secondary",
            key=f"hear_{row}", on_click=hear, args=(selection, row),
        )  # fmt: skip
        line.markdown(f"**{float(selection.table.scores[row, column]):.3f}**", width=56)
        line.markdown(f"{words.escape(clip.key)} :small[:gray[{words.escape(clip.group)}]]")


def play_clip(selection: "RunSelection", row: int) -> None:
    """Play a clip as its corpus holds it."""
    try:
        clip = runs_data.get_clip(selection.run, selection.split, row)
        st.markdown(f"**{words.escape(clip.key)}** :small[:gray[{words.escape(clip.group)}]]")
        st.audio(runs_data.clip_wav(clip), format="audio/wav", alt=f"Clip {clip.key}")
    except MixlabError as error:
        st.info(f"It cannot be heard here. {words.escape(str(error))}", icon=":material/volume_off:")


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
