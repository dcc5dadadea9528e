"""Corpus: what the catalog holds, what is missing, what is wrong, and whether its splits leak."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import texts as words
from app.components import corpus_charts as charts
from app.components.clicks import go_to, when_picked
from app.components.theme import palette
from app.data import corpus as data
from app.data.mixes import Location, get_catalog
from app.links import SPLITS, Allowed
from app.views import header
from mixlab import MixlabError
from mixlab.catalog.browse import EXCERPT_S, ORDERS, PROBLEM_MEANINGS, SplitVerdict
from mixlab.catalog.statistics import ALL, QUANTITIES, STATES, Across, Selection, Totals
from mixlab.evaluation.charts import PICK
from mixlab.taxonomy import load_taxonomy

__all__ = ["PAGE_ROWS", "show"]

ANY = "any instrument"
DOWNLOAD = ":material/download:"
UNITS = ("stems", "songs", "active hours")
ACROSS = ("corpus", "split")
LISTED = ("rarest first", "as in the label set")
TABS = ("Classes", "Tree", "Distributions", "Stems", "Problems", "Leakage")
PAGE_ROWS = 100
"""Rows of a table that are sent to the browser at once."""

OWN_SPLITS = "the catalog's own"
METHODS = (OWN_SPLITS, "artist", "random", "corpus")
FILTERS = {"corpora": [], "splits": [], "instrument": ANY, "stems": STATES[0], "search": ""}
"""Keys of the filters, as addresses have them, and their values when nothing is filtered."""
WITHIN = "within"
"""What stands for a bar of a histogram in addresses: its quantity and both edges."""
CONTROLS = (
    *FILTERS, "show", "labels", "across", "unit", "sorted_by", "absent", "sort", "down", "page", "stem",
    "problem", "judged", WITHIN,
)  # fmt: skip


def show(location: Location) -> None:
    """Show the page for a catalog."""
    try:
        header.check_address(_allowed(location))
        _show(location)
        header.offer_view(CONTROLS)
    except MixlabError as error:
        st.error(words.escape(str(error)))


def _allowed(location: Location) -> dict[str, Allowed]:
    """Return what values of an address the controls take."""
    return {
        "corpora": data.corpora(location), "splits": SPLITS, "instrument": (ANY, *data.instruments(location)),
        "stems": STATES, "show": TABS, "labels": tuple(data.label_sets()), "across": ACROSS, "unit": UNITS,
        "sorted_by": LISTED, "sort": tuple(ORDERS), "judged": METHODS,
    }  # fmt: skip


def _show(location: Location) -> None:
    selection = _filters(location)
    found = data.count(location, selection)
    # Filled last: judging the splits of a big catalog takes a second.
    remarks = _totals(found).container(width="content")
    tabs = st.tabs(TABS, key="show", bind="query-params")
    views: tuple[Callable[[Location, Selection, Totals], None], ...] = (
        _classes,
        _tree,
        _distributions,
        _stems,
        _problems,
        _leakage,
    )
    for name, tab, view in zip(TABS, tabs, views, strict=True):
        if tab.open:
            with tab:
                if found.stems or name in ("Problems", "Leakage"):
                    view(location, selection, found)
                else:
                    _nothing(location)
    st.caption("This page answers on this machine only, and reads no audio but the catalog's.")
    _remarks(location, remarks)


# ---- what is looked at ----


def _filters(location: Location) -> Selection:
    """Show the filters; all of them stand in the address."""
    row = st.container(horizontal=True, vertical_alignment="bottom")
    names = data.corpora(location)
    corpora = row.multiselect(
        "Corpus",
        names,
        key="corpora",
        bind="query-params",
        placeholder="all corpora",
        on_change=_first_page,
        width=190,
    )
    splits = row.multiselect(
        "Split",
        SPLITS,
        key="splits",
        bind="query-params",
        placeholder="all splits",
        on_change=_first_page,
        width=150,
    )
    instrument = row.selectbox(
        "Instrument",
        [ANY, *data.instruments(location)],
        key="instrument",
        bind="query-params",
        width=190,
        on_change=_first_page,
        help="Stems in which this instrument, or one below it in the tree, is certain to sound.",
    )
    state = row.selectbox(
        "Stems",
        STATES,
        key="stems",
        bind="query-params",
        on_change=_first_page,
        width=150,
        help="Usable stems are those that mixes are sampled from: their instrument is known, and they sound.",
    )
    text = row.text_input(
        "Search",
        key="search",
        bind="query-params",
        on_change=_first_page,
        width=190,
        placeholder="song, artist, remark …",
    )
    node, label = data.instruments(location).get(str(instrument), ("", None))
    return Selection(
        tuple(sorted(corpora)),
        tuple(sorted(splits)),
        node,
        state,
        str(text or "").strip(),
        label,
        _within(),
    )


def _within() -> tuple[str, float, float] | None:
    """Return the bar of a histogram that the address names, and offer to leave it."""
    text = st.query_params.get(WITHIN, "")
    st.session_state[WITHIN] = text  # for the copied link
    quantity, *edges = text.split(":")
    try:
        low, high = map(float, edges)
    except ValueError:
        return None
    if quantity not in QUANTITIES:
        return None
    row = st.container(horizontal=True, vertical_alignment="center")
    row.markdown(f"Only **{quantity}** from **{low:g}** to **{high:g}**, as clicked under Distributions.")
    row.button("Leave it", icon=":material/close:", type="tertiary", on_click=_leave_bar)
    return quantity, low, high


def _leave_bar() -> None:
    st.query_params.pop(WITHIN, None)
    _first_page()


def _first_page() -> None:
    st.session_state["page"] = 1


def _clear() -> None:
    for key, value in FILTERS.items():
        st.session_state[key] = value
    _leave_bar()


def _nothing(location: Location) -> None:
    if len(get_catalog(location)):
        st.info("No stem of the catalog matches these filters.", icon=":material/filter_alt_off:")
        st.button("Clear the filters", on_click=_clear)
    else:
        st.info("This catalog holds no stems. The tab Problems says what was found instead.")


def _totals(found: Totals) -> DeltaGenerator:
    """Show how much there is; return the line, which has room for more."""
    row = st.container(horizontal=True, vertical_alignment="center")
    usable = "all usable" if found.usable == found.stems else f"{found.usable:,} usable"
    share = 100 * found.active_hours / found.hours if found.hours else 0.0
    for name, value, about in (
        (
            "Songs",
            f"{found.songs:,}",
            f"{found.stems / found.songs:.1f} stems each" if found.songs else "none",
        ),
        ("Stems", f"{found.stems:,}", usable if found.stems else "none"),
        (
            "Hours",
            charts.say_number(found.hours, "active hours"),
            f"{3600 * found.hours / max(1, found.stems):.0f} s per stem",
        ),
        ("Active hours", charts.say_number(found.active_hours, "active hours"), f"{share:.0f} % of the time"),
    ):
        row.metric(name, value, about, delta_color="off", delta_arrow="off", width=150)
    return row


def _remarks(location: Location, container: DeltaGenerator) -> None:
    """Say in one line whether the catalog as a whole is sound."""
    count = len(data.problems(location, ()))
    verdict = data.verdict(location, None)
    leaks = ":green-badge[✓ no leakage between splits]" if verdict.clean else ":red-badge[✗ splits leak]"
    if verdict.clean and verdict.unnamed:
        leaks = ":orange-badge[? splits: no leak found, artists unknown]"
    trouble = (
        f":orange-badge[! {count:,} {_plural('problem', count)}]" if count else ":green-badge[✓ no problems]"
    )
    row = container.container(horizontal=True, gap="small")
    for badge, tab in ((leaks, "Leakage"), (trouble, "Problems")):
        row.button(badge, key=f"open {tab}", type="tertiary", on_click=go_to, kwargs={"show": tab},
                   help=f"Opens the tab {tab}")  # fmt: skip


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"


def _behind(table: pd.DataFrame, note: str = "") -> None:
    """Show the table behind a chart."""
    with st.expander("The numbers as a table"):
        if note:
            st.caption(note)
        st.dataframe(table, hide_index=True)


# ---- classes and tree ----


def _classes(location: Location, selection: Selection, found: Totals) -> None:
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
    _behind(
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
    _first_page()


def _open_bar(quantity: str, bar: Mapping[str, Any]) -> None:
    """List the stems that a bar of a histogram counts; Back returns."""
    go_to("stem", within=f"{quantity}:{float(bar['from']):g}:{float(bar['to']):g}", show="Stems")
    _first_page()


def _say_empty(empty: pd.DataFrame, count: int, across: str) -> str:
    if empty.empty:
        return "No cell is empty: every class occurs everywhere."
    groups = empty.groupby(across, sort=False)["class"]
    named = "; ".join(
        f"**{words.escape(str(group))}** has no {words.escape(', '.join(names))}" for group, names in groups
    )
    return f"{len(empty)} of {count} cells are empty, marked *{charts.NONE}*: {named}."


def _tree(location: Location, selection: Selection, found: Totals) -> None:
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


# ---- distributions ----


def _distributions(location: Location, selection: Selection, found: Totals) -> None:
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
                st.caption(f"{one.left_out:,} {_plural('stem', one.left_out)} without a value left out.")
            _behind(one.table)


# ---- stems ----


def _stems(location: Location, selection: Selection, found: Totals) -> None:
    row = st.container(horizontal=True, vertical_alignment="bottom")
    order = str(
        row.selectbox(
            "Sort by", list(ORDERS), key="sort", bind="query-params", width=160, on_change=_first_page
        )
    )
    down = row.toggle("Descending", key="down", bind="query-params", on_change=_first_page)
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
    _behind(curve.rename(columns={"from": "from (s)", "to": "to (s)", "level": "level (dBFS)"}))


# ---- problems ----


def _problems(location: Location, selection: Selection, found: Totals) -> None:
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


# ---- leakage ----


def _leakage(location: Location, selection: Selection, found: Totals) -> None:
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
            f"Of {verdict.unnamed:,} {_plural('song', verdict.unnamed)} no artist is known, so they are not "
            "in the list below. That they are safe is known only as far as copies of a recording or of a "
            "MIDI file can tell."
        )
    names = load_taxonomy().nodes
    notes += [f"No {names[family].name} in {split}." for family, split in verdict.empty]
    st.caption(" ".join(notes))
