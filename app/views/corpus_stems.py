"""Corpus: the stems as a list, and one of them with its sound and its activity."""

import pandas as pd
import streamlit as st

from app import texts as words
from app.components.theme import palette
from app.data import corpus as data
from app.data.mixes import Location
from app.views.corpus_parts import DOWNLOAD, PAGE_ROWS, behind, first_page
from mixlab import MixlabError
from mixlab.catalog.browse import EXCERPT_S, ORDERS
from mixlab.catalog.statistics import Selection, Totals

__all__ = ["show_stems"]


def show_stems(location: Location, selection: Selection, found: Totals) -> None:
    """List the stems page by page, and play the one that is chosen."""
    row = st.container(horizontal=True, vertical_alignment="bottom")
    order = str(
        row.selectbox(
            "Sort by", list(ORDERS), key="sort", bind="query-params", width=160, on_change=first_page
        )
    )
    down = row.toggle("Descending", key="down", bind="query-params", on_change=first_page)
    pages = -(-found.stems // PAGE_ROWS)
    if int(st.session_state.get("page", 1)) > pages:
        st.session_state["page"] = pages
    with row.container(width="content"):
        at = st.pagination(pages, key="page", bind="query-params") if pages > 1 else 1
    table = data.stems(location, selection, order, down, (at - 1) * PAGE_ROWS, PAGE_ROWS)
    keys = [*(table["corpus"] + "/" + table["song"] + "/" + table["stem"])]
    row.download_button(
        "This list (CSV)",
        lambda: data.stems_csv(location, selection, order, down),
        "stems.csv",
        "text/csv",
        icon=DOWNLOAD,
        on_click="ignore",
        help=f"All {found.stems:,} stems that match the filters.",
    )
    with row:
        chosen = _chosen_stem(location, keys)
    _stem_list(table, keys, f"{selection} {order} {down} {at}")
    first = (at - 1) * PAGE_ROWS + 1
    st.caption(
        f"Stems {first:,} to {first + len(table) - 1:,} of {found.stems:,}. The box before a line chooses "
        "it. Search and sorting in the table's own menu see these only, those above see all."
    )
    if chosen:
        _stem(location, chosen)
    else:
        st.info("Choose a stem to hear it and to see when it sounds.", icon=":material/graphic_eq:")


def _stem_list(table: pd.DataFrame, keys: list[str], what: str) -> None:
    # The key holds what is listed: a line that is selected must not stay so when others take its place.
    key = f"stem list {what}"

    def choose() -> None:
        lines = st.session_state[key].selection.rows
        if lines:
            st.session_state["stem"] = keys[lines[0]]

    st.dataframe(
        table,
        key=key,
        on_select=choose,
        selection_mode="single-row",
        hide_index=True,
        height=360,
        column_config={
            "instrument": st.column_config.TextColumn(width=130),
            "song": st.column_config.TextColumn(width=150),
            "stem": st.column_config.TextColumn(width=70),
            "corpus": st.column_config.TextColumn(width=110),
            "duration (s)": st.column_config.NumberColumn(format="%.1f", width=90),
            "split": st.column_config.TextColumn(width=80),
            "artist": st.column_config.TextColumn(width=110),
            "label": st.column_config.TextColumn(width=110),
            "remarks": st.column_config.TextColumn(width=180),
            "active (%)": st.column_config.ProgressColumn(
                format="%.0f", min_value=0, max_value=100, width=90
            ),
            "loudness (LUFS)": st.column_config.NumberColumn(format="%.1f", width=110),
            "peak (dBFS)": st.column_config.NumberColumn(format="%.1f", width=90),
        },
        alt="Stems with instrument, label, artist, split, duration, activity, loudness, peak and remarks.",
    )


def _chosen_stem(location: Location, listed: list[str]) -> str:
    """Show the choice of a stem: of those that are listed, and the one that is chosen wherever it is."""
    chosen = str(st.session_state.get("stem") or st.query_params.get("stem") or "")
    if chosen not in listed and chosen and data.stem_facts(location, chosen):
        listed = [chosen, *listed]
    elif chosen and chosen not in listed:
        st.warning(f"This catalog has no stem `{chosen.replace('`', chr(39))}`.")
        st.session_state["stem"] = None
    return str(
        st.selectbox(
            "Stem",
            listed,
            index=None,
            key="stem",
            bind="query-params",
            width=260,
            placeholder="Choose here or in the table",
        )
        or ""
    )


@st.fragment
def _stem(location: Location, key: str) -> None:
    """Play a span of a stem beside its activity curve; moving the span runs nothing else."""
    facts = data.stem_facts(location, key)
    if facts is None:
        return
    st.markdown(f"**{words.escape(facts.instrument or 'instrument unknown')}** in {words.escape(facts.song)}")
    last = max(0.0, facts.duration_s - EXCERPT_S)
    start_s = 0.0
    if last > 0:
        start_s = st.slider(
            "Play from (s)",
            0.0,
            float(last),
            min(facts.start_s, float(last)),
            1.0,
            key=f"from {key}",
            format="%.0f",
            help=f"{EXCERPT_S:g} s are read from here on; it begins where the stem sounds most.",
        )
    end_s = min(start_s + EXCERPT_S, facts.duration_s)
    try:
        st.audio(data.excerpt(location, key, start_s), alt=f"{key} from {start_s:.0f} to {end_s:.0f} s")
    except MixlabError as error:
        st.error(words.escape(str(error)))
    curve = data.stem_curve(location, key)
    if curve.empty:
        return
    active_s = float((curve["to"] - curve["from"])[curve["active"]].sum())
    st.vega_lite_chart(
        data.curve_spec(location, key, (start_s, end_s), palette()),
        key="curve",
        alt=f"Level of {key} over {facts.duration_s:.0f} s; it sounds for about {active_s:.0f} s.",
    )
    st.caption(
        f"Full bars: the stem sounds, at {facts.threshold_db:g} dBFS (dashed) or above."
        + (" Framed: what plays." if end_s - start_s < facts.duration_s else "")
        + " It plays as loud as it was recorded."
    )
    behind(curve.rename(columns={"from": "from (s)", "to": "to (s)", "level": "level (dBFS)"}))
