"""Runs: what is detected instead of what."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from app.components import run_tables
from app.components.clicks import show_clickable
from app.components.theme import palette
from app.data import runs as runs_data
from app.views import runs_listen
from app.views.runs_choice import RunSelection
from app.views.runs_classes import behind, listen_to
from mixlab.evaluation.charts import confusion_bars, confusion_matrix, confusion_table

__all__ = ["show_confusions"]

EVERY = "any class"
MOST_PAIRS = 15
MOST_ROWS = 500


def show_confusions(selection: "RunSelection") -> None:
    """Show what is decided instead of what: as a matrix where there is one class each, else by pairs."""
    if selection.table.single_label:
        _matrices(selection)
        return
    missed = st.selectbox(
        "Missed class", [EVERY, *selection.table.labels], key="missed", bind="query-params", width=330
    )
    items = selection.units.items
    for name, run in selection.names.items():
        if selection.other is not None:
            st.caption(name)
        found = runs_data.get_confusions(run, selection.split, selection.at)
        if missed != EVERY:
            found = tuple(one for one in found if one.missed == missed)
        table = run_tables.confusion_table(found)
        if table.empty:
            st.info("No class is added more often than usual where this one is missed.")
            continue
        show_clickable(
            confusion_bars(table.head(MOST_PAIRS), items=items, colours=palette()),
            ["missed", "added"],
            _open_pair,
            key=f"pairs {name}",
            alt="Pairs of a missed and a falsely added class, with their counts and how many to expect.",
        )
        behind(
            table.drop(columns="pair").head(MOST_ROWS),
            f"{min(len(table), MOST_ROWS)} of {len(table)} pairs",
            share=st.column_config.NumberColumn(format="percent"),
            usual=st.column_config.NumberColumn(format="percent"),
            expected=st.column_config.NumberColumn(format="%.1f"),
            excess=st.column_config.NumberColumn(format="%.1f"),
        )
    st.caption(
        f"missed → added: {items} in which the first class sounds and is not predicted while the second, "
        "which does not sound, is. Bar: how many; the upright mark: how many there would be if the second "
        f"were added as often as in all {items} without it. Sorted by what is beyond that. Several classes "
        f"sound at once, so a miss and an addition in one {selection.units.item} are a hint, no proof, that "
        "one was taken for the other. A click opens them."
    )


def _open_pair(mark: Mapping[str, Any]) -> None:
    listen_to(str(mark["missed"]), kind="false negatives", added=str(mark["added"]))


def _open_cell(mark: Mapping[str, Any]) -> None:
    truth, decided = str(mark["truth"]), str(mark["decided"])
    right = truth == decided
    listen_to(
        truth, kind="hits" if right else "false negatives", added=runs_listen.ANY_OTHER if right else decided
    )


def _matrices(selection: "RunSelection") -> None:
    """Show the confusion matrix of every run that decides for one class each."""
    items = selection.units.items
    for name, run in selection.names.items():
        if selection.other is not None:
            st.caption(name)
        table = runs_data.get_table(run, selection.split)
        if not table.single_label:
            st.info("This run decides on each class by itself, so that it has no confusion matrix.")
            continue
        cells = confusion_table(table.labels, table.cells.confusion_matrix())
        show_clickable(
            confusion_matrix(cells, table.labels, items, colours=palette()),
            ["truth", "decided"],
            _open_cell,
            key=f"matrix {name}",
            width=min(320 + 40 * len(table.labels), 1100),
            alt="A row for each class in truth, a column for each that was decided for, counts in the cells.",
        )
        mistakes = cells[(cells["truth"] != cells["decided"]) & (cells["count"] > 0)]
        behind(
            mistakes.sort_values("count", ascending=False, kind="stable")
            .head(MOST_ROWS)
            .rename(columns={"truth": "in truth", "decided": "decided for", "count": items}),
            "the mistakes, the most frequent first",
            share=st.column_config.NumberColumn("of the class", format="percent"),
        )
    st.caption(
        f"Rows: the class in truth; columns: the class with the highest score; figures: {items}. The "
        "stronger the colour, the larger the share of the row: on the diagonal that is the class's recall. "
        "A click opens what a cell counts."
    )
