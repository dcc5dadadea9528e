"""Corpus: classes by corpus or split, the instrument tree, and how quantities are distributed."""

from collections.abc import Mapping
from functools import partial
from typing import Any, cast

import pandas as pd
import streamlit as st

from app import texts as words
from app.components import corpus_charts as charts
from app.components.clicks import go_to, when_picked
from app.components.theme import palette
from app.data import corpus as data
from app.data.mixes import Location
from app.views.corpus_parts import behind, first_page, plural
from mixlab.catalog.statistics import ALL, QUANTITIES, Across, Selection, Totals
from mixlab.evaluation.charts import PICK
from mixlab.taxonomy import load_taxonomy

__all__ = ["ACROSS", "LISTED", "UNITS", "show_classes", "show_distributions", "show_tree"]

UNITS = ("stems", "songs", "active hours")
ACROSS = ("corpus", "split")
LISTED = ("rarest first", "as in the label set")


def show_classes(location: Location, selection: Selection, found: Totals) -> None:
    """Show how often each class occurs, by corpus or split; a cell opens the stems that it counts."""
    row = st.container(horizontal=True, vertical_alignment="bottom")
    titles = data.label_sets()
    labels = str(
        row.selectbox(
            "Label set",
            list(titles),
            key="labels",
            bind="query-params",
            width=190,
            help="\n\n".join(f"**{name}**: {title}" for name, title in titles.items()),
        )
    )
    across = cast(
        "Across",
        row.segmented_control(
            "Columns",
            ACROSS,
            default=ACROSS[0],
            key="across",
            bind="query-params",
            required=True,
            width="content",
        )
        or ACROSS[0],
    )
    unit = str(
        row.segmented_control(
            "Unit", UNITS, default=UNITS[0], key="unit", bind="query-params", required=True, width="content"
        )
        or UNITS[0]
    )
    listed = row.segmented_control(
        "Classes", LISTED, default=LISTED[0], key="sorted_by", bind="query-params", required=True,
        width="content",
    )  # fmt: skip
    rare = listed != LISTED[1]
    table = data.classes(location, selection, labels, across)
    table = charts.rarest_first(table, across, unit) if rare else table
    cells = table[table[across] != ALL]
    empty = cells[cells["stems"] == 0]
    st.vega_lite_chart(
        data.heat_spec(location, selection, labels, across, unit, rare, palette()),
        key="heat",
        on_select=when_picked("heat", partial(_open_cell, labels, across, selection)),
        selection_mode=PICK,
        alt=f"Heat table of {unit} by class and {across}; {len(empty)} of {len(cells)} cells are empty. "
        "The numbers are in the table below.",
    )
    st.markdown(_say_empty(empty, len(cells), across))
    behind(
        charts.heat_table(table, across, unit),
        "Usable stems in which the class is certain to sound. A stem counts for several classes: a violin is "
        "a bowed string too. *unknown*: stems of which it is open whether the class sounds in them; models "
        "are neither trained nor scored on those.",
    )


def _open_cell(label_set: str, across: Across, selection: Selection, cell: Mapping[str, Any]) -> None:
    """List the stems that a cell of the heat table counts; Back returns."""
    if not cell["stems"]:
        return
    of = str(cell[across])
    where = {} if of == ALL else {"corpora" if across == "corpus" else "splits": [of]}
    # Cells count usable stems; of those of a state that holds no usable ones there are none.
    state = {"stems": "usable"} if selection.state == "all" else {}
    instrument = data.class_option(label_set, str(cell["class"]))
    go_to("stem", **where, **state, instrument=instrument, show="Stems")
    first_page()


def _open_bar(quantity: str, bar: Mapping[str, Any]) -> None:
    """List the stems that a bar of a histogram counts; Back returns."""
    go_to("stem", within=f"{quantity}:{float(bar['from']):g}:{float(bar['to']):g}", show="Stems")
    first_page()


def _say_empty(empty: pd.DataFrame, count: int, across: str) -> str:
    if empty.empty:
        return "No cell is empty: every class occurs everywhere."
    groups = empty.groupby(across, sort=False)["class"]
    named = "; ".join(
        f"**{words.escape(str(group))}** has no {words.escape(', '.join(names))}" for group, names in groups
    )
    return f"{len(empty)} of {count} cells are empty, marked *{charts.NONE}*: {named}."


def show_tree(location: Location, selection: Selection, found: Totals) -> None:
    """Show how often each instrument of the tree occurs."""
    table = data.tree(location, selection)
    everything = st.toggle("Also instruments that are certain in no stem", key="absent", bind="query-params")
    shown = table if everything else table[table["stems"] > 0]
    st.caption(
        "Usable stems. Each line counts its own stems and all below it, each once: the branches of one line "
        "may add up to less, where a corpus names a section or a family only, or to more, where a stem holds "
        "several instruments."
    )
    branches = [
        "\u2003" * depth + ("└ " if depth else "") + name
        for depth, name in zip(shown["depth"], shown["name"], strict=True)
    ]
    most = max(1, int(table["stems"].max()))
    st.dataframe(
        pd.DataFrame(
            {
                "instrument": branches,
                "stems": shown["stems"],
                "own": shown["own"],
                "songs": shown["songs"],
                "active hours": shown["active hours"],
                "may hold it": shown["unknown"],
                "Hornbostel-Sachs": shown["hs"],
            }
        ),
        hide_index=True,
        height=min(35 * (len(shown) + 1) + 3, 640),
        column_config={
            "instrument": st.column_config.TextColumn(width="medium"),
            "stems": st.column_config.ProgressColumn(
                format="%d", min_value=0, max_value=most, help="It or something below it is certain to sound."
            ),
            "own": st.column_config.NumberColumn(
                format="%d", help="Of these, stems that name nothing below it."
            ),
            "active hours": st.column_config.NumberColumn(format="%.2f"),
            "may hold it": st.column_config.NumberColumn(
                format="%d", help="Stems of which it is open whether the instrument sounds in them."
            ),
        },
        alt="The instrument tree with the number of stems, songs and active hours of each instrument.",
    )
    there, nodes = int((table["stems"] > 0).sum()), len(load_taxonomy().nodes)
    st.caption(f"{there} of the tree's {nodes} instruments and families occur.")


def show_distributions(location: Location, selection: Selection, found: Totals) -> None:
    """Show how quantities are distributed; a bar opens the stems that it counts."""
    columns = st.columns(2, gap="large")
    for number, quantity in enumerate(QUANTITIES):
        one = data.distribution(location, selection, quantity)
        with columns[number % 2]:
            st.markdown(f"**{quantity.capitalize()}**")
            if one.table.empty:
                st.info("No stem of this selection has a value.")
                continue
            most = one.table.iloc[int(one.table["count"].argmax())]
            st.vega_lite_chart(
                data.histogram_spec(location, selection, quantity, palette()),
                key=f"histogram {quantity}",
                on_select=when_picked(f"histogram {quantity}", partial(_open_bar, quantity)),
                selection_mode=PICK,
                alt=f"Histogram of {quantity} over {one.table['count'].sum():,} {one.counted}; most of them, "
                f"{most['count']:,.0f}, lie from {most['from']:g} to {most['to']:g} {one.unit}.",
            )
            if one.left_out:
                st.caption(f"{one.left_out:,} {plural('stem', one.left_out)} without a value left out.")
            behind(one.table)
