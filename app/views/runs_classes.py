"""Runs, class by class: F1 with intervals, the table behind it, the tree."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app.components import run_tables
from app.components.clicks import go_to, show_clickable
from app.components.theme import palette
from app.data import runs as runs_data
from app.views.runs_choice import RunSelection
from mixlab.evaluation.charts import UNIT, dots, tree_chart
from mixlab.evaluation.error_analysis import tree_boxes
from mixlab.evaluation.measured import Score

__all__ = ["TABLE_ICON", "behind", "classes", "listen_to", "show_scores", "tree"]

TABLE_ICON = ":material/table_chart:"
_SCORE = st.column_config.NumberColumn(format="%.3f", width="small")
_COUNT = st.column_config.NumberColumn(format="localized", width="small")


def behind(table: pd.DataFrame, name: str, **columns: Any) -> None:  # noqa: ANN401 - column configurations
    """Show the table behind a chart, folded."""
    numbers = _floats(table)
    with st.expander(f"Table: {name}", icon=TABLE_ICON):
        st.dataframe(
            table,
            hide_index=True,
            placeholder="–",
            height="content" if len(table) <= 20 else 420,
            column_config={**dict.fromkeys(numbers, _SCORE), **columns},
            alt=f"Table: {name}",
        )


def show_scores(scores: Sequence[tuple[str, Score]]) -> None:
    """Show scores with their intervals; where there are none, in one line that says so."""
    if any(score.interval is not None for _, score in scores):
        row = st.container(horizontal=True)
        for title, score in scores:
            row.metric(
                title, run_tables.figure(score.value), run_tables.say_interval(score.interval),
                delta_color="off", delta_arrow="off", width=170,  # two on a small screen
            )  # fmt: skip
        return
    said = [f"{title} **{run_tables.figure(score.value)}**" for title, score in scores]
    st.markdown(" · ".join([*said, ":small[no intervals]"]))


def _floats(table: pd.DataFrame) -> list[str]:
    return [str(name) for name in table.columns if pd.api.types.is_float_dtype(table[name])]


def classes(selection: "RunSelection") -> None:
    """Show F1 of every class with its interval, and the table of all scores."""
    order = st.segmented_control(
        "Order", run_tables.ORDERS, default=run_tables.ORDERS[0], key="order", bind="query-params",
        required=True, label_visibility="collapsed",
    )  # fmt: skip
    table, decided, units = selection.table, selection.decided, selection.units
    always = "predicting the class always"
    if table.single_label:
        always = "deciding always for the class most frequent on validation"
    columns = run_tables.class_order(table.labels, decided, str(order))
    names = [table.labels[c] for c in columns]
    scores = selection.all_decided
    chart = dots(
        run_tables.dot_table(table, scores, columns),
        names,
        "F1",
        runs=list(scores),
        scale=UNIT,
        more={"positive": f"positive {units.items}:d", "songs": f"{units.groups}:d"},
        undefined=f"undefined: no {units.item} is known to hold it",
        pointed=True,
        colours=palette(),
    )
    show_clickable(
        chart, ["row"], _open_row, key="dots",
        alt=f"F1 of {len(names)} classes with 95 % intervals over {units.groups}; the table below holds the "
        "numbers.",
    )  # fmt: skip
    little = [table.labels[c] for c in columns if decided.support[c] > 0 and run_tables.is_little(decided, c)]
    st.caption(
        f"Dot: F1; line: its 95 % interval over {units.groups}; grey tick: F1 of {always}. Hollow: "
        f"fewer than {run_tables.FEW} positive {units.items}, or positives in fewer than 3 {units.groups}"
        + (f" ({', '.join(little)})." if little else " (none here).")
        + f" A click opens the {units.items} of the class."
    )
    for name, run in selection.names.items():
        each = runs_data.get_decided(run, selection.split, selection.at)
        fixed = runs_data.get_fixed(run, selection.split)
        own = runs_data.get_table(run, selection.split)
        if selection.other is not None:
            st.caption(name)
        _all_scores(run_tables.class_table(own, each, fixed, columns, fitted=selection.at is None), name)


def listen_to(name: str, **more: object) -> None:
    """Open the mixes or clips of a class; Back returns.

    Args:
        name: The class.
        more: Values of further controls of the tab.
    """
    go_to("item", "list", **{"look": "Listen", "class": name, **more})


def _all_scores(table: pd.DataFrame, name: str) -> None:
    counts = dict.fromkeys(("positive", "known", "songs", "recordings", "artists"), _COUNT)
    scores = _floats(table)
    st.dataframe(
        table,
        hide_index=True,
        placeholder="–",
        height="content" if len(table) <= 20 else 560,
        column_config={
            **dict.fromkeys(scores, _SCORE),
            **counts,
            "class": st.column_config.TextColumn(pinned=True),
        },
        alt=f"Support, threshold, precision, recall, F1 and all other scores of every class of {name}.",
    )


def tree(selection: "RunSelection") -> None:
    """Show the tree of classes, coloured by F1, the figure in every box."""
    table = selection.table
    boxes = tree_boxes(table.parents)
    for name, run in selection.names.items():
        decided = runs_data.get_decided(run, selection.split, selection.at)
        if selection.other is not None:
            st.caption(name)
        cells = run_tables.tree_table(boxes, table, decided)
        show_clickable(
            tree_chart(cells, items=selection.units.items, colours=palette()), ["class"], _open_class,
            key=f"tree {name}", width=min(320 * (max(box.level for box in boxes) + 1), 960),
            alt="The tree of classes as boxes with F1 in each, families at the left.",
        )  # fmt: skip
        shown = cells[["class", "level", "F1", "positive"]].assign(
            parent=[_parent(selection, box.column) for box in boxes]
        )
        behind(shown, f"the tree of {name}" if selection.other else "the tree", positive=_COUNT)
    st.caption(
        "Families at the left, their instruments beside them. The figure is F1; – is undefined (no known "
        f"positive), ° marks fewer than {run_tables.FEW} positives or 3 {selection.units.groups} with one. A "
        "family that is "
        f"detected while its instruments are not is a right family and a wrong instrument. A click opens the "
        f"{selection.units.items} of the class."
    )


def _open_row(mark: Mapping[str, Any]) -> None:
    listen_to(str(mark["row"]))


def _open_class(mark: Mapping[str, Any]) -> None:
    listen_to(str(mark["class"]))


def _parent(selection: "RunSelection", column: int) -> str:
    parent = selection.table.parents[column]
    return "" if parent is None else selection.table.labels[parent]
