"""The drawer of settings: every field of ``MixConfig``, for the mix or the stream that a page shows."""

from dataclasses import replace
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import settings as texts
from app import texts as words
from app.data import mixes as data
from app.data import runs as runs_data
from app.data.mixes import Location
from app.links import PAPER, Item, RunLocation
from app.settings import Field
from app.views import runs_locations
from mixlab import MixConfig, MixlabError
from mixlab.studies.locations import Found

__all__ = ["SHARED", "before_of", "current", "go_to", "sets_shares", "settle"]

_TEXT = "settings"
"""What stands in the address, and in the session while other pages are shown."""
_SEEN = "settings seen"
"""Page and text of the latest run, by which a text that the user went to is told from one that was left."""
_TRUSTED = "settings trusted"
_OPEN, _PENDING, _ERRORS, _NOTES = "drawer", "settings typed", "settings errors", "settings notes"
_PLACE = "stream place"
SHARED = ("p", "effects", "seed", "index")
"""Controls that the pages which show a stream have in common, by their names in addresses."""
_BEFORE, _FAILED = "settings before", "settings failed"
_YAML, _RUN, _FILE = "settings yaml", "settings run", "settings file"
_STEPS = {"db": 1.0, "lufs": 1.0, "s": 0.5, "hz": 100.0, "semitones": 1.0}


def settle(page: str, location: Location, item: Item, head: DeltaGenerator) -> Item:
    """Show the drawer, or the button that opens it, and return the item with the settings chosen there.

    Args:
        page: Name of the page.
        location: The open catalog.
        item: What the page's own controls say.
        head: The row of the page's controls, for the button.
    """
    text = current(page)
    if item.run is not None:
        text = ""  # the settings are those of the run
    item = replace(item, settings=text)
    # Of validation and test mixes the page says no preset, yet training has one.
    preset = str(st.session_state.get("effects") or PAPER)
    try:
        config = data.training_config(replace(item, preset=preset))
    except MixlabError as error:
        st.warning(
            f"The settings in the address are refused, and the defaults used. {words.escape(str(error))}",
            icon=":material/link_off:",
        )
        _put("")
        item = replace(item, settings="")
        config = data.training_config(replace(item, preset=preset))
    place = {key: st.session_state[key] for key in SHARED if key in st.session_state}
    st.session_state[_PLACE] = place
    count = _count(config)
    # Beside the open drawer, whose groups say what is changed in them, there is less room.
    name = "Settings" if not count or st.session_state.get(_OPEN) else f"Settings · {count} changed"
    head.button(
        name, icon=":material/settings:", key="open_drawer", on_click=_toggle,
        type="primary" if st.session_state.get(_OPEN) else "secondary",
        help="Change any setting of the mixing, and hear the same index before and after.",
    )  # fmt: skip
    # Small screens fold the sidebar away, unless it is asked for.
    st.set_page_config(initial_sidebar_state="expanded" if st.session_state.get(_OPEN) else "auto")
    if st.session_state.get(_OPEN):
        with st.sidebar:
            _form(location, replace(item, preset=preset), config)
    return item


def current(page: str) -> str:
    """Return the settings that the address or the session has, which may still be refused.

    It comes before the page's own controls: where the page was just opened, and its address does not say
    otherwise, these have what they had on the page before. What the address names of others' code and files
    is asked for, and the page ends there.
    """
    if page != st.session_state.get(_SEEN, ("", ""))[0]:
        for key, value in st.session_state.get(_PLACE, {}).items():
            if key not in st.query_params:
                st.session_state[key] = value
    text = _text_of(page)
    _check_trust(text)
    return text


def go_to(index: int) -> None:
    """Let the page that is opened next show this index."""
    st.session_state[_PLACE] = {**st.session_state.get(_PLACE, {}), "index": index}


def sets_shares(text: str) -> bool:
    """Tell whether settings state the share of every kind of mix, so that ``p_musical`` decides nothing."""
    try:
        return bool(texts.decode(text).strategies)
    except MixlabError:  # of which ``settle`` tells
        return False


def before_of(item: Item) -> Item | None:
    """Return the same index with the settings it is compared with; None where these are the same."""
    kept = st.session_state.get(_BEFORE)
    if kept is None and not item.settings:
        return None
    before = replace(item, **(kept or {"settings": "", "preset": PAPER}), bypass=())
    return None if before == replace(item, bypass=()) else before


# ---- the text in the address ----


def _text_of(page: str) -> str:
    """Return the settings that the address or the session has; the address goes first where it changed."""
    asked = st.query_params.get(_TEXT, "")
    seen_page, seen = st.session_state.get(_SEEN, ("", ""))
    known = str(st.session_state.get(_TEXT, ""))
    if asked != seen and (asked or page == seen_page):
        known = asked
    _put(known)
    st.session_state[_SEEN] = (page, known)
    return known


def _put(text: str) -> None:
    st.session_state[_TEXT] = text
    if text and st.query_params.get(_TEXT) != text:
        st.query_params[_TEXT] = text
    elif not text:
        st.query_params.pop(_TEXT, None)
    st.session_state[_SEEN] = (st.session_state.get(_SEEN, ("", ""))[0], text)


def _trust(text: str) -> None:
    st.session_state[_TRUSTED] = [*st.session_state.get(_TRUSTED, []), text]


def _check_trust(text: str) -> None:
    """Stop before anything is imported or read that an address names, until the user allows it."""
    if text in st.session_state.get(_TRUSTED, []):
        return
    try:
        outsiders = texts.find_outsiders(text)
    except MixlabError:
        return  # refused where it is read
    if not outsiders:
        return
    st.warning(
        f"The settings in the address name {words.escape(', '.join(outsiders))}: not part of mixlab. "
        "Code of effects would be run, and files be read. Use them if you know who made the link.",
        icon=":material/shield:",
    )
    row = st.container(horizontal=True)
    row.button("Use these settings", on_click=_trust, args=(text,))
    row.button("Take the defaults", on_click=_put, args=("",))
    st.stop()


# ---- the drawer ----


def _toggle() -> None:
    st.session_state[_OPEN] = not st.session_state.get(_OPEN, False)


def _count(config: MixConfig) -> int:
    """Return how many settings differ from their defaults, less those that have controls on the page."""
    own = ("p_musical", "effects.preset")
    return sum(f.of(config) != f.default for f in texts.all_fields() if f.path not in own)


def _form(location: Location, item: Item, config: MixConfig) -> None:
    head = st.container(horizontal=True, vertical_alignment="center")
    head.subheader("Settings", width="stretch")
    head.button("Close", key="close_drawer", on_click=_toggle, type="tertiary", icon=":material/close:")
    st.caption(
        "For training mixes. Validation and test take length, format, sources and labels from them. What "
        "differs from the defaults stands in the address."
    )
    row = st.container(horizontal=True)
    before = before_of(item)
    row.button(
        "Undo all", on_click=_undo, args=(before,), disabled=before is None, icon=":material/undo:",
        help="Back to the settings that *Before* in the player has.",
    )  # fmt: skip
    row.button(
        "Compare from here", on_click=_pin, args=(item,), disabled=before is None,
        help="*Before* in the player becomes what is heard now.",
    )  # fmt: skip
    row.button("Defaults", on_click=_store, args=(item, MixConfig()), disabled=config == MixConfig())
    for note in st.session_state.get(_NOTES, ()):
        st.info(words.escape(note))
    _opening(location, item)
    found = st.text_input(
        "Find a setting", key="settings find", placeholder="bleed, level, label …", persist_state="session"
    )
    groups = texts.grouped(found or "")
    if not groups:
        st.caption("No setting has these words in its name or description.")
    for group, shown in groups.items():
        _group(location, item, config, group, shown, searched=bool(found))
    _copying(item, config, location)


def _group(
    location: Location, item: Item, config: MixConfig, group: str, shown: tuple[Field, ...], *, searched: bool
) -> None:
    """Show a part of the form; what is folded away is not drawn, so that pages stay quick."""
    if searched:
        st.markdown(f"**{group}**")
        for field in shown:
            _field(location, item, config, field)
        return
    changed = sum(field.of(config) != field.default for field in shown)
    wrong = any(field.path in st.session_state.get(_ERRORS, {}) for field in shown)
    name = group + (f" · {changed} changed" if changed else "") + (" · ⚠" if wrong else "")
    part = st.expander(name, key=f"settings of {group}", on_change="rerun")
    if part.open:
        with part:
            for field in shown:
                _field(location, item, config, field)


def _field(location: Location, item: Item, config: MixConfig, field: Field) -> None:
    """Show one setting: its control, and the error of what was typed and is not used."""
    pending, key = st.session_state.get(_PENDING, {}), f"mix.{field.path}"
    # Set anew each time, since settings are also opened, undone and gone back to.
    st.session_state[key] = pending.get(field.path, texts.shown_value(field, config))
    differs = field.of(config) != field.default
    # Screen readers are given the label as it stands, so it has no marks of Markdown.
    mark = f" (by default {words.escape(texts.say_value(field, field.default))})" if differs else ""
    common: dict[str, Any] = {
        "label": f"{field.path}{mark}",
        "key": key,
        "help": field.about,
        "on_change": _edit,
        "args": (location, item, field.path),
    }
    if field.shape == "switch":
        st.toggle(**common)
    elif field.shape == "choice":
        options = list(dict.fromkeys([*field.choices, st.session_state[key]]))
        st.selectbox(
            options=options, accept_new_options=field.is_open, **common,
            format_func=lambda value: texts.say_value(field, value) if value in options else str(value),
        )  # fmt: skip
    elif field.shape == "whole":
        st.number_input(step=1, **common)
    elif field.shape == "number":
        st.number_input(step=_STEPS.get(field.path.rpartition("_")[2], 0.05), format="%g", **common)
    elif field.shape == "entries":
        st.text_area(placeholder="- effect: compressor\n  p: 0.5", **common)
    else:
        st.text_input(placeholder="none", **common)
    said = st.session_state.get(_ERRORS, {}).get(field.path)
    if said:
        st.error(words.escape(said), icon=":material/error:")


def _opening(location: Location, item: Item) -> None:
    """Offer to take all settings from a file, a text or a run."""
    part = st.expander(
        "Open a YAML or a run", key="settings opening", on_change="rerun", icon=":material/folder_open:"
    )
    if not part.open:
        return
    with part:
        found = runs_data.find_found(runs_locations.locations(location))
        st.selectbox(
            "Configuration of a run", [one.name for one in found], index=None, key=_RUN,
            placeholder="choose a run" if found else "there is no run", disabled=not found,
            on_change=_open_run, args=(location, item, found),
        )  # fmt: skip
        st.file_uploader(
            "A YAML file", ["yaml", "yml"], key=_FILE, on_change=_open_file, args=(location, item)
        )
        st.text_area(
            "Or YAML as text", key=_YAML, placeholder="mix:\n  balance: 0.5",
            on_change=_open_text, args=(location, item),
        )  # fmt: skip
        said = st.session_state.get(_FAILED)
        if said:
            st.error(words.escape(said))


def _copying(item: Item, config: MixConfig, location: Location) -> None:
    part = st.expander(
        "Copy YAML or Python", key="settings copying", on_change="rerun", icon=":material/content_copy:"
    )
    if not part.open:
        return
    with part:
        st.caption("What differs from the defaults; every command takes it as `--config mix.yaml`.")
        st.code(texts.yaml_lines(config), language="yaml")
        st.download_button(
            "All settings (YAML)", config.to_yaml(), "mix.yaml", "application/yaml", on_click="ignore",
            icon=":material/download:", help="The defaults of today included, since defaults may change.",
        )  # fmt: skip
        st.code(
            texts.python_lines(config, data.get_catalog(location).path, item.seed),
            language="python", wrap_lines=True,
        )  # fmt: skip


# ---- what changes them ----


def _edit(location: Location, item: Item, path: str) -> None:
    """Take what was typed into a field; what is refused stays in it, beside the reason.

    What was refused before is tried again together with it, as two fields may need each other.
    """
    pending = dict(st.session_state.get(_PENDING, {}))
    errors = dict(st.session_state.get(_ERRORS, {}))
    typed = st.session_state[f"mix.{path}"]
    for tried in ({**pending, path: typed}, {path: typed}):
        try:
            made = _made(location, item, tried)
        except MixlabError as error:
            said = str(error)
            continue
        _store(item, made)
        kept = {other: value for other, value in pending.items() if other not in tried}
        st.session_state[_PENDING] = kept
        st.session_state[_ERRORS] = {other: errors[other] for other in kept}
        return
    st.session_state[_PENDING] = {**pending, path: typed}
    st.session_state[_ERRORS] = {**errors, path: said}


def _made(location: Location, item: Item, typed: dict[str, Any]) -> MixConfig:
    """Return the settings with what was typed, after one mix was sampled with them."""
    made = texts.edited(data.training_config(item), typed)
    st.session_state[_NOTES] = data.try_settings(location, made, item)
    return made


def _open_run(location: Location, item: Item, found: tuple[Found, ...]) -> None:
    run = runs_data.find_run(found, str(st.session_state[_RUN]))
    if run is not None:
        _open(location, item, lambda: runs_data.run_mix_config(run))


def _open_file(location: Location, item: Item) -> None:
    file = st.session_state[_FILE]
    if file is not None:
        _open(location, item, lambda: _from_yaml(file.getvalue().decode("utf-8", errors="replace")))


def _open_text(location: Location, item: Item) -> None:
    _open(location, item, lambda: _from_yaml(str(st.session_state[_YAML])))


def _from_yaml(text: str) -> MixConfig:
    return MixConfig.from_yaml(f"{text}\n")  # with its end, so that it is never taken for a path


def _open(location: Location, item: Item, read: Any) -> None:  # noqa: ANN401 - a function
    st.session_state[_FAILED] = ""
    try:
        made = read()
        st.session_state[_NOTES] = data.try_settings(location, made, item)
    except MixlabError as error:
        st.session_state[_FAILED] = str(error)
        return
    st.session_state[_PENDING], st.session_state[_ERRORS] = {}, {}
    _store(item, made)


def _store(item: Item, config: MixConfig) -> None:
    """Use a configuration from now on, and keep what it is compared with."""
    if st.session_state.get(_BEFORE) is None:
        _pin(item)
    _use(texts.encode(config), config.p_musical, config.effects.preset)
    if config == MixConfig():
        st.session_state[_PENDING], st.session_state[_ERRORS], st.session_state[_NOTES] = {}, {}, ()


def _use(text: str, p: float, preset: str, run: RunLocation | None = None) -> None:
    _trust(text)
    _put(text)
    st.session_state["p"], st.session_state["effects"] = float(p), preset
    if run is None:
        st.query_params.pop("from_run", None)
    else:
        st.query_params["from_run"] = run.name


def _pin(item: Item) -> None:
    st.session_state[_BEFORE] = {
        "settings": item.settings, "p": item.p, "preset": item.preset, "run": item.run
    }  # fmt: skip


def _undo(before: Item) -> None:
    st.session_state[_PENDING], st.session_state[_ERRORS], st.session_state[_NOTES] = {}, {}, ()
    _use(before.settings, before.p, before.preset, before.run)
