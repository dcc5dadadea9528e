"""Cached calls of the Corpus page, by plain values only: a catalog's place, a selection, names.

Charts are kept as specifications: Altair takes longer to check one than mixlab to count what it shows.
"""

from typing import Any, NamedTuple

import pandas as pd
import streamlit as st

from app.components import corpus_charts as charts
from app.data.mixes import Location, get_catalog
from mixlab.audio.io import encode_wav
from mixlab.catalog.browse import (
    SplitVerdict,
    busiest_start,
    judge_splits,
    level_curve,
    problem_table,
    read_excerpt,
    stem_table,
)
from mixlab.catalog.statistics import (
    Across,
    Histogram,
    Selection,
    Totals,
    class_table,
    histogram,
    known_nodes,
    totals,
    tree_table,
)
from mixlab.errors import CatalogError
from mixlab.evaluation.charts import Palette, clickable
from mixlab.taxonomy import label_set_names, load_label_set, load_taxonomy
from mixlab.utils.csv import csv_text

__all__ = [
    "StemFacts",
    "class_option",
    "classes",
    "corpora",
    "count",
    "curve_spec",
    "distribution",
    "excerpt",
    "heat_spec",
    "histogram_spec",
    "instruments",
    "label_sets",
    "nodes",
    "problems",
    "stem_curve",
    "stem_facts",
    "stems",
    "stems_csv",
    "table_csv",
    "tree",
    "verdict",
]


class StemFacts(NamedTuple):
    """What is said of one stem beside its curve.

    Attributes:
        instrument: Its name; '' where it is not known.
        song: Song, artist and corpus in words.
        duration_s: Length in seconds.
        start_s: Where its busiest excerpt begins, in seconds.
        threshold_db: Activity threshold of the catalog in dBFS.
    """

    instrument: str
    song: str
    duration_s: float
    start_s: float
    threshold_db: float


def label_sets() -> dict[str, str]:
    """Return the label sets and their titles, the default one first."""
    names = sorted(label_set_names(), key=lambda name: name != "mixtures15")
    return {name: load_label_set(name).title for name in names}


@st.cache_data(max_entries=8, show_spinner=False)
def corpora(location: Location) -> tuple[str, ...]:
    """Return the corpora of a catalog."""
    return tuple(sorted(get_catalog(location).roots))


@st.cache_data(max_entries=8, show_spinner=False)
def nodes(location: Location) -> tuple[str, ...]:
    """Return the nodes of the instrument tree that the catalog has."""
    return known_nodes(get_catalog(location))


@st.cache_data(max_entries=8, show_spinner=False)
def instruments(location: Location) -> dict[str, tuple[str, tuple[str, str] | None]]:
    """Return what stems can be filtered by: node, or label set and class, by the name that is shown.

    Nodes of the instrument tree first, then the classes that are more, or other, than one node.
    """
    found: dict[str, tuple[str, tuple[str, str] | None]] = {node: (node, None) for node in nodes(location)}
    for label_set in label_sets():
        for output in load_label_set(label_set).outputs:
            if class_option(label_set, output.name) not in found:
                found[class_option(label_set, output.name)] = ("", (label_set, output.name))
    return found


def class_option(label_set: str, name: str) -> str:
    """Return the name of a class among ``instruments``: that of its node, where it is one node."""
    outputs = {output.name: output.nodes for output in load_label_set(label_set).outputs}
    return outputs[name][0] if len(outputs[name]) == 1 else f"{name} ({label_set})"


@st.cache_data(max_entries=64, show_spinner=False)
def count(location: Location, selection: Selection) -> Totals:
    """Return the totals of a selection."""
    return totals(get_catalog(location), selection)


@st.cache_data(max_entries=64, show_spinner=False)
def classes(location: Location, selection: Selection, label_set: str, across: Across) -> pd.DataFrame:
    """Return the counts by class and corpus or split."""
    return class_table(get_catalog(location), selection, label_set, across)


@st.cache_data(max_entries=64, show_spinner=False)
def tree(location: Location, selection: Selection) -> pd.DataFrame:
    """Return the counts by node of the instrument tree."""
    return tree_table(get_catalog(location), selection)


@st.cache_data(max_entries=256, show_spinner=False)
def distribution(location: Location, selection: Selection, quantity: str) -> Histogram:
    """Return the distribution of a quantity."""
    return histogram(get_catalog(location), selection, quantity)


@st.cache_data(max_entries=64, show_spinner=False)
def stems(
    location: Location, selection: Selection, order: str, descending: bool, start: int, most: int
) -> pd.DataFrame:
    """Return a page of the stems of a selection."""
    return stem_table(get_catalog(location), selection, order, descending, start, most)


def stems_csv(location: Location, selection: Selection, order: str, descending: bool) -> str:
    """Return all stems of a selection as CSV."""
    return table_csv(stem_table(get_catalog(location), selection, order, descending))


def table_csv(table: pd.DataFrame) -> str:
    """Return a table as CSV in which no text of a corpus is a formula to a spreadsheet."""
    return csv_text([list(table.columns), *table.astype(object).where(table.notna(), "").values.tolist()])


@st.cache_data(max_entries=256, show_spinner=False)
def stem_facts(location: Location, key: str) -> StemFacts | None:
    """Return what is said of a stem, or None when the catalog has none of that key."""
    catalog = get_catalog(location)
    try:
        row = catalog.find(key)
    except CatalogError:
        return None
    stem = catalog.stem(row)
    start_s = busiest_start(catalog, row)
    artist = f" by {stem.artist}" if stem.artist else ""
    return StemFacts(
        " or ".join(load_taxonomy().nodes[node].name for node in stem.nodes),
        f"{stem.title or stem.song}{artist}, {stem.corpus}",
        stem.duration_s,
        start_s,
        catalog.activity_db,
    )


@st.cache_data(max_entries=64, show_spinner=False)
def stem_curve(location: Location, key: str) -> pd.DataFrame:
    """Return a stem's level over time."""
    catalog = get_catalog(location)
    return level_curve(catalog, catalog.find(key))


@st.cache_data(max_entries=8, show_spinner=False)
def excerpt(location: Location, key: str, start_s: float) -> bytes:
    """Return a span of a stem as WAV, at the level at which it was recorded."""
    catalog = get_catalog(location)
    audio, rate = read_excerpt(catalog, catalog.find(key), start_s)
    return encode_wav(audio, rate)


@st.cache_data(max_entries=16, show_spinner=False)
def problems(location: Location, chosen: tuple[str, ...]) -> pd.DataFrame:
    """Return what indexing found wrong in some corpora; () for all."""
    return problem_table(get_catalog(location), chosen)


@st.cache_resource(max_entries=16, show_spinner=False)
def verdict(location: Location, method: str | None) -> SplitVerdict:
    """Return whether the catalog's splits leak, or those of another method. To be read, not changed."""
    return judge_splits(get_catalog(location), method)


# ---- charts ----


@st.cache_data(max_entries=64, show_spinner=False)
def heat_spec(
    location: Location,
    selection: Selection,
    label_set: str,
    across: Across,
    unit: str,
    rarest_first: bool,
    colours: Palette,
) -> dict[str, Any]:
    """Return the heat table of classes as a Vega-Lite specification."""
    table = classes(location, selection, label_set, across)
    table = charts.rarest_first(table, across, unit) if rarest_first else table
    chart = clickable(charts.heat_chart(table, across, unit, colours), "class", across, "stems")
    return dict(chart.to_dict())


@st.cache_data(max_entries=256, show_spinner=False)
def histogram_spec(
    location: Location, selection: Selection, quantity: str, colours: Palette
) -> dict[str, Any]:
    """Return the histogram of a quantity as a Vega-Lite specification."""
    found = distribution(location, selection, quantity)
    return dict(clickable(charts.histogram_chart(found, quantity, colours), "from", "to").to_dict())


@st.cache_data(max_entries=64, show_spinner=False)
def curve_spec(location: Location, key: str, span: tuple[float, float], colours: Palette) -> dict[str, Any]:
    """Return a stem's activity curve with the span that is heard as a Vega-Lite specification."""
    facts = stem_facts(location, key)
    if facts is None:
        return {}
    curve = stem_curve(location, key)
    return dict(charts.curve_chart(curve, facts.threshold_db, span, facts.duration_s, colours).to_dict())
