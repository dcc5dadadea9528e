"""Audition: hear one mix of the stream, source by source, beside its effects, labels and recipe."""

from dataclasses import replace
from functools import partial
from random import randrange

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import texts as words
from app.components.mount import play, show_strip
from app.data import mixes as data
from app.data import runs as runs_data
from app.data.mixes import Location
from app.links import (
    BY_P,
    MIX_KINDS,
    SPLITS,
    Allowed,
    Between,
    Item,
    Link,
    RunLocation,
    bypass_pairs,
    make_query,
    read_link,
)
from app.views import header, runs_locations, settings
from mixlab import Catalog, Mix, MixConfig, MixlabError, MixRecipe
from mixlab.audio.io import encode_wav
from mixlab.mixing.effect_presets import PRESETS
from mixlab.mixing.preview import label_tree

__all__ = ["show", "whole_number"]

DOWNLOAD = ":material/download:"
RANDOM_BELOW = 100_000


def show(location: Location) -> None:
    """Show the page for a catalog."""
    try:
        catalog = data.get_catalog(location)
        link = _remember_link(catalog)
        text = settings.current("audition")
        # Whatever comes and goes has a container that stays: what follows is then not built anew.
        with st.container():
            run = _run_of_link(location)
        offered = _offered(location, run, text)
        header.check_address(_allowed(offered))
        item, contains = _controls(location, run, text, offered)
        with st.container():
            if _is_foreign(link, catalog):
                return
        with st.spinner("Mixing …", show_time=False):
            _show_item(location, catalog, item, contains, link)
    except MixlabError as error:
        st.error(words.escape(str(error)))


# ---- links ----


def _remember_link(catalog: Catalog) -> Link:
    """Return what the link said that opened this session; from then on the address names the open catalog."""
    if "link" not in st.session_state:
        link = read_link(st.query_params.to_dict())
        st.session_state["link"] = tuple(link)
        st.query_params.pop("mix", None)
        if link.catalog:
            return link  # kept in the address until it is accepted
    link = Link(*st.session_state["link"])
    if not link.catalog and st.query_params.get("catalog") != catalog.content_hash:
        st.query_params["catalog"] = catalog.content_hash
    return link


def _accept() -> None:
    st.session_state["link"] = tuple(Link())


def _is_foreign(link: Link, catalog: Catalog) -> bool:
    """Warn when the link was made on another catalog, instead of playing something else."""
    if link.catalog in ("", catalog.content_hash):
        return False
    st.warning(
        f"This link was made on another catalog (hash `{words.escape(link.catalog[:16])}`). The one that is "
        f"open has hash `{catalog.content_hash}`, so seed and index would give **another mix**. Open the "
        "catalog that the link was made on: write its folder into the field under Catalog.",
        icon=":material/link_off:",
    )
    st.button("Show what this address gives here", on_click=_accept)
    return True


def _check_mix(link: Link, recipe: MixRecipe) -> None:
    """Warn when the link named another recipe than the one sampled; once, since then the user moves on."""
    if link.mix and link.mix != recipe.content_hash:
        st.warning(
            f"The link names the mix `{words.escape(link.mix[:16])}`, this mixlab samples "
            f"`{recipe.content_hash}` from the same address: it was made with another release or other "
            "settings. The recipe file, where it was saved, still gives the old one."
        )
    _accept()


def _run_of_link(location: Location) -> RunLocation | None:
    """Return the run that the address names: its settings sample the mixes, its own are as it was scored."""
    name = st.query_params.get("from_run")
    if not name:
        return None
    run = runs_data.find_run(runs_data.find_found(runs_locations.locations(location)), name)
    if run is None:
        st.warning(
            f"The address names the run **{words.escape(name)}**, which is not among those found here, so "
            "mixes are sampled with the default settings. The Runs page says where runs are looked for.",
            icon=":material/link_off:",
        )
        return None
    row = st.container(horizontal=True, vertical_alignment="center")
    row.caption(
        f":material/query_stats: With the settings of the run **{words.escape(name)}**; validation and test "
        "are the very mixes that it was scored on."
    )
    row.button("Leave the run", on_click=_leave_run, type="tertiary")
    return run


def _leave_run() -> None:
    st.query_params.pop("from_run", None)


# ---- controls ----


def _offered(location: Location, run: RunLocation | None, text: str) -> tuple[str, ...]:
    """Return what a mix can be asked to hold: classes of the settings' label set, and instruments."""
    item = Item(MixConfig.p_musical, 0, 0, "train", run=run, settings="" if run else text)
    try:
        return data.instrument_names(location, data.training_config(item).label_set)
    except MixlabError:  # settings that are refused, of which the drawer tells
        return data.instrument_names(location)


def _allowed(offered: tuple[str, ...]) -> dict[str, Allowed]:
    """Return what values of an address the controls take."""
    return {
        "p": Between(0, 1), "seed": Between(0, data.LAST_INDEX), "index": Between(0, data.LAST_INDEX),
        "split": SPLITS, "mix_kind": MIX_KINDS, "effects": tuple(PRESETS),
        "contains": offered,
    }  # fmt: skip


def whole_number(row: DeltaGenerator, label: str, key: str, width: int, last: int = data.LAST_INDEX) -> int:
    """Show a field for a number from 0 on, which stands in the address, and return it."""
    # "min" is 0 here; a default beside a value that a step sets makes Streamlit print a stack trace.
    box = partial(row.number_input, label, 0, last, "min", width=width)
    try:
        return int(box(key=key, bind="query-params"))
    except OverflowError:  # Streamlit's, where an address says 1e999
        return int(box(key=f"{key} beside"))


def _controls(
    location: Location, run: RunLocation | None, text: str, offered: tuple[str, ...]
) -> tuple[Item, tuple[str, ...]]:
    """Show what decides the mix; all of it stands in the address."""
    # Of such widths that all of it stands in one line of a screen of 1280 pixels.
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall", key="controls")
    split = str(
        row.selectbox("Split", SPLITS, key="split", bind="query-params", width=112,
                      help="Validation and test are as models are scored on them: musical, no effects.")
    )  # fmt: skip
    mix_kind = row.selectbox("Kind of mix", MIX_KINDS, key="mix_kind", bind="query-params", width=140)
    seed = whole_number(row, "Seed", "seed", 95)
    index = whole_number(row, "Index", "index", 130)
    if "contains" in st.session_state:  # classes of another label set are none of this one
        st.session_state["contains"] = [name for name in st.session_state["contains"] if name in offered]
    contains = row.multiselect(
        "Must contain", offered, key="contains", bind="query-params", width=215,
        placeholder="anything",
        help="Classes, or instruments of the tree. Previous, next and random then go to the nearest index "
             "that has all of them.",
    )  # fmt: skip
    p = row.slider(
        "p_musical", 0.0, 1.0, MixConfig.p_musical, 0.05, key="p", bind="query-params", width=160,
        disabled=split != "train" or mix_kind != BY_P or settings.sets_shares(text),
        help="Share of musical mixes. What decides is sampled first and alone, so moving the slider "
             "flips each index at most once and leaves its musical and its non-musical form as they are.",
    )  # fmt: skip
    preset = row.selectbox(
        "Effects", list(PRESETS), key="effects", bind="query-params", width=112,
        disabled=split != "train" or run is not None,
        help="Preset of effects. paper: gain, filters, pitch shift and time stretch; studio and wild follow "
             "them with those that recordings have. The stems stay the same.",
    )  # fmt: skip
    item = Item(round(float(p), 4), int(seed), int(index), split, str(mix_kind or BY_P), run=run)
    if split == "train" and run is None:
        item = replace(item, preset=str(preset))
    wanted = tuple(contains)
    item = settings.settle("audition", location, item, row)
    show_strip(
        {
            "items": data.get_strip(location, item),
            "current": item.index,
            "stream": f"{location.path} {item.seed} {item.split}",
            "note": _strip_note(item),
        },
        "index",
    )
    with st.container():
        if wanted and not data.has_classes(location, item, wanted):
            named = words.escape(" and ".join(wanted))
            st.info(f"This mix does not have **{named}**. Next goes to one that does.")
    return item, wanted


def _strip_note(item: Item) -> str:
    if item.mix_kind != BY_P:
        return f"All are forced to be {item.mix_kind}."
    if item.split != "train":
        return "Models are scored on musical mixes only."
    return "Choose one to hear it."


def _go(location: Location, item: Item, step: str, wanted: tuple[str, ...]) -> None:
    """Go to the previous, the next or a random index, or on from it to the nearest that holds the classes."""
    # Any index will do for "random": what is sampled there is still decided by seed and index alone.
    steps = {"previous": item.index - 1, "next": item.index + 1, "random": randrange(RANDOM_BELOW)}
    target: int | None = steps[step]
    if not 0 <= steps[step] <= data.LAST_INDEX:
        return
    try:
        if wanted:
            start = replace(item, index=steps[step])
            target = data.find_index(location, start, wanted, -1 if step == "previous" else 1)
    except MixlabError as error:
        st.toast(str(error), icon=":material/error:")
        return
    if target is None:
        st.toast(
            f"No {' and '.join(wanted)} among the nearest 1000 mixes of this split and kind.",
            icon=":material/search_off:",
        )
    else:
        st.session_state["index"] = target


# ---- the mix ----


def _show_item(
    location: Location,
    catalog: Catalog,
    item: Item,
    contains: tuple[str, ...],
    link: Link,
) -> None:
    """Show player, tabs and downloads of one item."""
    checked, player, about = st.container(), st.container(), st.container()
    tabs = st.tabs(["Sources", "Effects", "Labels", "Recipe"])
    sampled = data.get_recipe(location, item)
    names = data.source_names(sampled, catalog)
    with tabs[1]:
        chosen = _bypass(sampled, names)
    item = replace(item, bypass=bypass_pairs(chosen))
    mix = data.get_mix(location, item)
    with checked:
        _check_mix(link, mix.recipe)
    with player:
        payload = data.get_payload(location, item, settings.before_of(item))
        play(payload, on_step=lambda step: _go(location, item, step, contains))
    about.markdown(words.describe(mix) + words.say_scaling(mix))
    with tabs[0]:
        st.dataframe(
            words.source_table(mix, catalog, data.get_lufs(location, item)), hide_index=True,
            column_config={
                "instrument": st.column_config.TextColumn(width="medium"),  # it may be one of several
                **{name: st.column_config.NumberColumn(format="%.1f") for name in words.LEVELS},
            },
        )  # fmt: skip
    with tabs[1]:
        _effects(sampled, names)
    with tabs[2]:
        _labels(mix, [name for name, _ in names])
    with tabs[3]:
        _recipe(mix, item, catalog)
    _downloads(location, item, mix)
    if item.index < data.LAST_INDEX:
        following = replace(item, index=item.index + 1, bypass=())
        data.prepare(location, following, settings.before_of(following), contains)
    header.offer_link(
        make_query(
            item, contains, chosen, catalog.content_hash, mix.recipe.content_hash,
            run=item.run.name if item.run else "",
        )
    )  # fmt: skip
    st.caption(
        f"mix {mix.recipe.content_hash}. This page answers on this machine only, and reads no audio but the "
        "catalog's."
    )


def _bypass(recipe: MixRecipe, names: list[tuple[str, str]]) -> list[str]:
    """Show one button per effect and return those that are switched off."""
    if st.session_state.get("bypass_of") not in (None, recipe.content_hash):
        st.session_state["bypass"] = []  # of another mix
    st.session_state["bypass_of"] = recipe.content_hash
    options = words.effect_names(recipe, names)
    return list(
        st.pills(
            "Leave out (bypass): the player goes on at the same place without them",
            options, selection_mode="multi", key="bypass", bind="query-params",
            label_visibility="visible" if options else "collapsed",
        )
    )  # fmt: skip


def _effects(recipe: MixRecipe, names: list[tuple[str, str]]) -> None:
    table = words.effect_table(recipe, names)
    if table.empty:
        st.info("This mix has no effects.")
    else:
        st.dataframe(table, hide_index=True, height="content")


def _labels(mix: Mix, names: list[str]) -> None:
    st.caption(
        f"Bold: the classes of label set {mix.labels.name}, on which models are trained; italic: other nodes "
        "of the instrument tree that were sampled. Uncertain classes enter neither the loss nor a score."
    )
    st.markdown(words.label_markdown(label_tree(mix), [source.stem for source in mix.sources], names))


def _recipe(mix: Mix, item: Item, catalog: Catalog) -> None:
    st.caption("Python that makes this very mix:")
    st.code(words.snippet(mix, item, catalog.path), language="python", wrap_lines=True)
    with st.expander("The recipe: plain data that fully determines it, given the catalog"):
        st.code(mix.recipe.to_json(indent=2), language="json", wrap_lines=True)


def _downloads(location: Location, item: Item, mix: Mix) -> None:
    rate = mix.recipe.render.sample_rate
    row = st.container(horizontal=True)
    row.download_button(
        "Mixture (WAV)", lambda: encode_wav(mix.mixture, rate, subtype="PCM_24"),
        words.file_name(mix, item, ".wav"), "audio/wav", icon=DOWNLOAD, on_click="ignore",
    )  # fmt: skip
    row.download_button(
        "Sources (ZIP)", lambda: data.get_zip(location, item),
        words.file_name(mix, item, ".zip"), "application/zip", icon=DOWNLOAD, on_click="ignore",
        help="Mixture, every source as it stands in it, recipe and labels.",
    )  # fmt: skip
    row.download_button(
        "Page (HTML)", lambda: data.get_page(location, item),
        words.file_name(mix, item, ".html"), "text/html", icon=DOWNLOAD, on_click="ignore",
        help="One file with the player, the labels and the recipe, for papers and issues. It opens without "
             "mixlab and without a network, and holds the audio.",
    )  # fmt: skip
    row.download_button(
        "Recipe (JSON)", mix.recipe.to_json(indent=2),
        words.file_name(mix, item, ".json"), "application/json", icon=DOWNLOAD, on_click="ignore",
        help="`mixlab mix CATALOG --replay FILE` makes the mix again.",
    )  # fmt: skip
