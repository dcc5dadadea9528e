"""Corpus: what indexing found wrong, and whether the splits leak."""

import pandas as pd
import streamlit as st

from app import texts as words
from app.data import corpus as data
from app.data.mixes import Location
from app.views.corpus_parts import DOWNLOAD, PAGE_ROWS, plural
from mixlab.catalog.browse import PROBLEM_MEANINGS, SplitVerdict
from mixlab.catalog.statistics import Selection, Totals
from mixlab.taxonomy import load_taxonomy

__all__ = ["METHODS", "show_leakage", "show_problems"]

OWN_SPLITS = "the catalog's own"
METHODS = (OWN_SPLITS, "artist", "random", "corpus")


def show_problems(location: Location, selection: Selection, found: Totals) -> None:
    """Show what indexing found wrong, by kind and one by one."""
    table = data.problems(location, selection.corpora)
    if table.empty:
        st.success("Indexing found no problems.", icon=":material/check_circle:")
        return
    counts = table["kind"].value_counts()
    kinds = pd.DataFrame(
        {
            "kind": counts.index,
            "problems": counts.to_numpy(),
            "meaning": [PROBLEM_MEANINGS.get(kind, "") for kind in counts.index],
        }
    )
    st.caption("What indexing found. Of the filters above, that of the corpus applies.")
    st.dataframe(
        kinds,
        hide_index=True,
        height="content",
        column_config={"meaning": st.column_config.TextColumn(width="large")},
    )
    every = "all kinds"
    kind = st.selectbox("Kind", [every, *counts.index], key="problem", bind="query-params", width=220)
    listed = table if kind in (every, None) else table[table["kind"] == kind]
    _list_rows(listed, "problems", "problems.csv", "What was found wrong, and where.")


def _list_rows(table: pd.DataFrame, noun: str, file: str, alt: str) -> None:
    """Show the first rows of a table, and offer all of them."""
    if len(table) > PAGE_ROWS:
        st.caption(f"The first {PAGE_ROWS} of {len(table):,} {noun}; the file has all of them.")
    st.dataframe(table.head(PAGE_ROWS), hide_index=True, alt=alt)
    st.download_button(
        f"{noun.capitalize()} (CSV)",
        lambda: data.table_csv(table),
        file,
        "text/csv",
        icon=DOWNLOAD,
        on_click="ignore",
        key=f"save {file}",
    )


def show_leakage(location: Location, selection: Selection, found: Totals) -> None:
    """Show whether the splits are apart, and what crosses."""
    method = st.selectbox(
        "Judge",
        METHODS,
        key="judged",
        bind="query-params",
        width=220,
        help="The splits that the catalog has, or what another way to split would give. Nothing is changed.",
    )
    own = method in (OWN_SPLITS, None)
    verdict = data.verdict(location, None if own else str(method))
    _say_verdict(verdict)
    if len(verdict.leaks):
        st.markdown("**What crosses**")
        _list_rows(verdict.leaks, "crossings", "crossings.csv", "Artists and groups in several splits.")
    st.markdown("**Songs by artist and split**")
    artists = verdict.artists.assign(
        crosses=["✗ crosses" if crosses else "in one split" for crosses in verdict.artists["crosses"]]
    )
    _list_rows(artists, "artists", "artists.csv", "Songs of each artist in each split.")


def _say_verdict(verdict: SplitVerdict) -> None:
    text = words.escape(verdict.text)
    if verdict.clean and not verdict.unnamed:
        st.success(text, icon=":material/verified:")
    elif verdict.clean:
        st.warning(text, icon=":material/help:")
    else:
        st.error(text, icon=":material/warning:")
    notes = [
        f"Judged is the split *{verdict.method}*. The filters above do not apply: they would hide leaks."
    ]
    if verdict.unnamed:
        notes.append(
            f"Of {verdict.unnamed:,} {plural('song', verdict.unnamed)} no artist is known, so they are not "
            "in the list below. That they are safe is known only as far as copies of a recording or of a "
            "MIDI file can tell."
        )
    names = load_taxonomy().nodes
    notes += [f"No {names[family].name} in {split}." for family, split in verdict.empty]
    st.caption(" ".join(notes))
