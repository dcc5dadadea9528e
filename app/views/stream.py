"""Stream: the next mixes at some settings, each to be heard in place, and what training sees of classes."""

from dataclasses import replace
from typing import cast

import pandas as pd
import streamlit as st

from app import texts as words
from app.components import stream_charts as charts
from app.components.mount import show_mixes
from app.components.parts import choose_part
from app.components.theme import palette
from app.data import mixes as data
from app.data import stream as stream_data
from app.data.mixes import Location
from app.links import Allowed, Between, Item, make_query
from app.views import header, settings
from app.views.audition import whole_number
from app.views.runs_classes import behind
from mixlab import MixConfig, MixlabError
from mixlab.mixing.effect_presets import PRESETS
from mixlab.mixing.stream_rates import StreamRates

__all__ = ["show"]

SIZES = (24, 48, 96)
LAST = data.LAST_INDEX - max(SIZES)
PLAYED, OPENED = "stream played", "stream opened"
TABS = ("Classes", "Together", "Polyphony")
DIFFERENCE = "difference"
ALLOWED: dict[str, Allowed] = {
    "p": Between(0, 1), "seed": Between(0, data.LAST_INDEX), "index": Between(0, LAST),
    "effects": tuple(PRESETS),
}  # fmt: skip
"""What values of an address the controls take."""


def show(location: Location) -> None:
    """Show the page for a catalog."""
    try:
        catalog = data.get_catalog(location)
        _go_to_audition()
        header.check_address(ALLOWED)
        item, count = _controls(location)
        header.offer_link(make_query(item, (), (), catalog.content_hash, ""))
        left, right = st.columns([11, 9], gap="medium")
        with left:
            _table(location, item, count)
        with right:
            _rates(location, item)
    except MixlabError as error:
        st.error(words.escape(str(error)))


def _controls(location: Location) -> tuple[Item, int]:
    """Show what decides the stream; all of it stands in the address, under the names that Audition has."""
    text = settings.current("stream")
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall", key="controls")
    p = row.slider(
        "p_musical", 0.0, 1.0, MixConfig.p_musical, 0.05, key="p", bind="query-params", width=180,
        disabled=settings.sets_shares(text), help="Share of musical mixes.",
    )  # fmt: skip
    preset = row.selectbox(
        "Effects", list(PRESETS), key="effects", bind="query-params", width=130, help="Preset of effects."
    )
    seed = whole_number(row, "Seed", "seed", 115)
    index = whole_number(row, "From index", "index", 130, LAST)
    count = row.segmented_control(
        "Mixes", SIZES, default=SIZES[0], key="rows", bind="query-params", required=True, width="content"
    )
    row.button(
        "Next mixes", icon=":material/keyboard_double_arrow_right:", key="next_mixes", on_click=_turn,
        args=(int(count or SIZES[0]),),
    )  # fmt: skip
    item = Item(round(float(p), 4), seed, index, "train", preset=str(preset))
    return settings.settle("stream", location, item, row), int(count or SIZES[0])


def _turn(count: int) -> None:
    st.session_state["index"] = min(int(st.session_state["index"]) + count, LAST)


# ---- the mixes ----


@st.fragment
def _table(location: Location, item: Item, count: int) -> None:
    """Show the mixes; playing one runs this part alone, and renders that mix only."""
    if st.session_state.get(OPENED) is not None:
        st.rerun()
    stream = f"{location.path} {replace(item, index=0)}"
    played = st.session_state.get(PLAYED)
    sound = None
    if played is not None and item.index <= played < item.index + count:
        try:
            sound = {"stream": stream, "index": played,
                     "wav": stream_data.get_sound(location, replace(item, index=played))}  # fmt: skip
        except MixlabError as error:
            st.error(words.escape(str(error)))
    show_mixes(
        {
            "rows": stream_data.get_rows(location, item, count),
            "stream": stream,
            "family": f"{location.path} {item.seed}",
            "sound": sound,
            "caption": f"Training mixes {item.index} to {item.index + count - 1} of seed {item.seed}",
        },
        PLAYED, OPENED,
    )  # fmt: skip
    st.caption(
        "Classes are those that the levels of the recordings let expect. Only what is played is rendered; "
        "Audition has the exact labels with their reasons."
    )


def _go_to_audition() -> None:
    """Open in Audition the mix whose button was pressed; what else decides it goes there by itself."""
    index = st.session_state.pop(OPENED, None)
    if index is not None:
        settings.go_to(int(index))
        audition = st.Page(lambda: None, title="Audition", url_path="audition", default=True)
        st.switch_page(audition, query_params={})


# ---- what it is made of ----


def _rates(location: Location, item: Item) -> None:
    with st.spinner("Counting …", show_time=False):
        training = stream_data.get_rates(location, item)
        validation = stream_data.get_validation(location, item)
    rates = {charts.TRAINING: training}
    st.markdown(_say("Training", training))
    if isinstance(validation, str):
        st.caption(f"There is no validation to compare with. {words.escape(validation)}")
    else:
        rates[charts.VALIDATION] = validation
        st.markdown(_say("Validation", validation))
    shows = dict(zip(TABS, (_classes, _together, _polyphony), strict=True))
    shows[choose_part(TABS, key="of")](rates)
    st.caption(
        f"Of the first {training.items} mixes of seed {item.seed}, labelled by the levels that the catalog "
        "has of the recordings: nothing is rendered for it. Validation is as models are scored on it: "
        "musical, without effects."
    )


def _say(who: str, rates: StreamRates) -> str:
    kinds = {
        "musical": "musical",
        "non_musical": "non-musical",
        "matched": "matched",
        "noise": "without instruments",
    }
    shares = ", ".join(
        f"{100 * rates.kinds[kind] / rates.items:.0f} % {name}"
        for kind, name in kinds.items()
        if kind in rates.kinds
    )
    return f"**{who}**: {shares}; {rates.mean_sources:.1f} sources, {rates.mean_classes:.1f} classes a mix."


def _classes(rates: dict[str, StreamRates]) -> None:
    st.altair_chart(
        charts.class_chart(rates, palette()),
        alt=f"Share of {' and '.join(rates)} mixes with each class, with 95 % intervals.",
    )
    table = charts.class_table(rates).pivot_table(
        index="row", columns="run", values=["value", "unknown"], sort=False
    )
    pairs = cast("list[tuple[str, str]]", table.columns.to_list())
    table.columns = pd.Index([f"{who} {'present' if what == 'value' else what}" for what, who in pairs])
    behind(
        table.reset_index(names="class"), "the rates of classes",
        **dict.fromkeys(table.columns, st.column_config.NumberColumn(format="percent")),
    )  # fmt: skip


def _together(rates: dict[str, StreamRates]) -> None:
    options = [*rates, DIFFERENCE] if len(rates) > 1 else list(rates)
    chosen = st.segmented_control(
        "Mixes that are counted", options, default=options[0], key="pairs", bind="query-params",
        required=True, label_visibility="collapsed",
    )  # fmt: skip
    if chosen == DIFFERENCE:
        table = charts.together_table(rates[charts.TRAINING], rates[charts.VALIDATION])
        said = "training less validation, in percentage points"
    else:
        table, said = charts.together_table(rates[str(chosen)]), f"{chosen} mixes"
    st.altair_chart(
        charts.together_chart(table, palette(), difference=chosen == DIFFERENCE),
        alt=f"Which classes sound together: {said}.",
    )
    if len(next(iter(rates.values())).names) > charts.MOST_TOGETHER:
        st.caption(f"The {charts.MOST_TOGETHER} classes that training has most of.")
    behind(table, f"classes together, {said}")


def _polyphony(rates: dict[str, StreamRates]) -> None:
    for what in ("sources", "classes"):
        table = charts.size_table(rates, what)
        st.altair_chart(
            charts.size_chart(table, what, palette()),
            alt=f"Share of mixes by their number of {what}, {' and '.join(rates)}.",
        )
        behind(table, f"numbers of {what}")
