"""Corpus: what the catalog holds, what is missing, what is wrong, and whether its splits leak."""

from collections.abc import Callable

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import texts as words
from app.components import corpus_charts as charts
from app.components.clicks import go_to
from app.components.parts import choose_part
from app.data import corpus as data
from app.data.mixes import Location, get_catalog
from app.links import SPLITS, Allowed
from app.views import header
from app.views.corpus_classes import (
    ACROSS,
    LISTED,
    UNITS,
    show_classes,
    show_distributions,
    show_tree,
)
from app.views.corpus_parts import first_page, plural
from app.views.corpus_problems import METHODS, show_leakage, show_problems
from app.views.corpus_stems import show_stems
from mixlab import MixlabError
from mixlab.catalog.browse import ORDERS
from mixlab.catalog.statistics import QUANTITIES, STATES, Selection, Totals

__all__ = ["show"]

ANY = "any instrument"
TABS = ("Classes", "Tree", "Distributions", "Stems", "Problems", "Leakage")
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
    views: dict[str, Callable[[Location, Selection, Totals], None]] = {
        "Classes": show_classes,
        "Tree": show_tree,
        "Distributions": show_distributions,
        "Stems": show_stems,
        "Problems": show_problems,
        "Leakage": show_leakage,
    }
    part = choose_part(TABS, key="show")
    if found.stems or part in ("Problems", "Leakage"):
        views[part](location, selection, found)
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
        on_change=first_page,
        width=190,
    )
    splits = row.multiselect(
        "Split",
        SPLITS,
        key="splits",
        bind="query-params",
        placeholder="all splits",
        on_change=first_page,
        width=150,
    )
    instrument = row.selectbox(
        "Instrument",
        [ANY, *data.instruments(location)],
        key="instrument",
        bind="query-params",
        width=190,
        on_change=first_page,
        help="Stems in which this instrument, or one below it in the tree, is certain to sound.",
    )
    state = row.selectbox(
        "Stems",
        STATES,
        key="stems",
        bind="query-params",
        on_change=first_page,
        width=150,
        help="Usable stems are those that mixes are sampled from: their instrument is known, and they sound.",
    )
    text = row.text_input(
        "Search",
        key="search",
        bind="query-params",
        on_change=first_page,
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
    first_page()


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
        f":orange-badge[! {count:,} {plural('problem', count)}]" if count else ":green-badge[✓ no problems]"
    )
    row = container.container(horizontal=True, gap="small")
    for badge, tab in ((leaks, "Leakage"), (trouble, "Problems")):
        row.button(badge, key=f"open {tab}", type="tertiary", on_click=go_to, kwargs={"show": tab},
                   help=f"Opens the tab {tab}")  # fmt: skip
