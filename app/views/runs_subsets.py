"""Runs: scores by what mixes are made of, corpus, polyphony, level, kind, and what else sounds."""

import math

import numpy as np
import pandas as pd
import streamlit as st

from app import texts as words
from app.components import run_tables
from app.components.theme import palette
from app.data import runs as runs_data
from app.data.mixes import Location, get_catalog
from app.views.runs_choice import RunSelection
from app.views.runs_classes import behind
from mixlab import MixlabError
from mixlab.evaluation.charts import UNIT, dots
from mixlab.evaluation.subsets import Subset

__all__ = ["subsets"]

ALL = "all classes"
LEVEL, OTHERS = "level", "other classes"
TITLES = {"sources": "polyphony"}
"""What divisions are called, where that is not their name."""
MOST_ROWS = 60


def subsets(location: Location | None, selection: RunSelection) -> None:
    """Show the scores of parts of the split.

    Args:
        location: The open catalog, from which levels are known; or None.
        selection: What is looked at.
    """
    labels, items = list(selection.table.labels), selection.units.items
    row = st.container(horizontal=True, vertical_alignment="bottom")
    of = str(
        row.selectbox("Scores of", [ALL, *labels], key="scores_of", bind="query-params", width=190) or ALL
    )
    column = labels.index(of) if of in labels else None
    known = [*runs_data.divisions(selection.run, selection.split), LEVEL, OTHERS]
    options = {TITLES.get(name, name): name for name in known}
    title = row.segmented_control(
        f"Divide the {items} by", list(options), default=next(iter(options)), key="subset",
        bind="query-params", required=True,
        help="Polyphony is the number of sources; level is that of the class relative to the whole mix.",
    )  # fmt: skip
    by = options.get(str(title), known[0])
    if by in (LEVEL, OTHERS) and column is None:
        st.info(f"Choose a class under *Scores of*: {title} divides the {items} by what stands to it.")
        return
    catalog_hash = runs_data.get_info(selection.run).get("catalog", {}).get("content_hash")
    if by == LEVEL and (location is None or get_catalog(location).content_hash != catalog_hash):
        st.info("Levels come from the run's catalog; open it under Catalog.", icon=":material/folder_off:")
        return
    path = location.path if location is not None and by == LEVEL else ""
    for name, run in selection.names.items():
        if selection.other is not None:
            st.caption(name)
        try:
            found = runs_data.get_subsets(run, selection.split, selection.at, by, column, path)
        except MixlabError as error:
            st.info(words.escape(str(error)))
            return
        _show(selection, found, f"{'micro F1' if column is None else f'F1 of {of}'} by {title}")
    said = (
        f"Dot: {'micro F1, over all known cells' if column is None else 'F1 of the class'}; line: its 95 % "
    )
    said += f"interval over {selection.units.groups}. Hollow: fewer than {run_tables.FEW} positives."
    if by == OTHERS:
        said += f" Only {items} in which it is known whether the other class sounds."
    st.caption(said)


def _show(selection: RunSelection, found: tuple[Subset, ...], title: str) -> None:
    table = pd.DataFrame([_row(one) for one in found])
    if table.empty:
        st.info(f"None of the {selection.units.items} falls into any of these parts.")
        return
    points = table.head(MOST_ROWS).rename(
        columns={"subset": "row", "F1": "value", "F1 from": "low", "F1 to": "high"}
    )
    st.altair_chart(
        dots(
            points.assign(hollow=points["positive"] < run_tables.FEW), list(points["row"]), title, scale=UNIT,
            more={"positive": "positive:d", "items": f"{selection.units.items}:d"},
            undefined="undefined: no known positive", colours=palette(),
        ),
        alt=f"{title}, with 95 % intervals; the table below holds the numbers.",
    )  # fmt: skip
    behind(table.rename(columns={"items": selection.units.items, "songs": selection.units.groups}), title)


def _row(one: Subset) -> dict[str, object]:
    ends = one.f1.interval
    return {
        "subset": one.name,
        "items": one.items,
        "songs": one.songs,
        "positive": one.positives,
        "P": one.precision.value,
        "R": one.recall.value,
        "F1": one.f1.value if np.isfinite(one.f1.value) else math.nan,
        "F1 from": math.nan if ends is None else ends.low,
        "F1 to": math.nan if ends is None else ends.high,
    }
