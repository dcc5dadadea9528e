"""The line above every page: which catalog is open, where runs are looked for, a link to this very view."""

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import streamlit as st

from app.components.mount import copy_link
from app.data import mixes as data
from app.data.mixes import Location
from app.links import Allowed, bad_values
from app.texts import escape as escape_text
from app.views import chooser, runs_locations
from mixlab import MixlabError

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

__all__ = ["check_address", "offer_link", "offer_view", "show"]

# Streamlit leaves a band above every page and every sidebar, writes figures as large as headings, and texts
# of charts, code and buttons in colours that are hard to read.
STYLE = """<style>
.stMainBlockContainer { padding: 3.4rem 2rem 3rem; }
[data-testid="stSidebarHeader"] { height: 2.6rem; padding-bottom: 0; margin-bottom: 0; }
.mixlab-head { margin: 0; line-height: 1.35; overflow-wrap: anywhere; }
.mixlab-head h1 { display: inline; margin: 0; padding: 0; font-size: 1em; font-weight: 700; }
.mixlab-head h2 {
  position: absolute; width: 1px; height: 1px; padding: 0; overflow: hidden; clip-path: inset(50%);
}
.mixlab-head code { font-size: 0.85em; color: inherit; background: none; padding: 0; }
[data-testid="stMetricValue"] { font-size: 1.4rem; padding-bottom: 0; }
[data-testid="stCaptionContainer"] { color: inherit; opacity: 0.8; }
[data-testid="stCaptionContainer"] code { font-size: 0.9em; }
.stElementContainer:has(> [data-testid="stButtonGroup"]), [data-testid="stButtonGroup"] { max-width: 100%; }
[data-testid="stButtonGroup"] button[data-variant="segmented_control"] { min-height: 2.5rem; }
/* As Streamlit's own tabs look. */
[class*="st-key-parts_"] [role="radiogroup"] {
  width: 100%; gap: 0 1rem; border-bottom: 2px solid color-mix(in srgb, currentColor 20%, transparent);
}
[class*="st-key-parts_"] [role="radio"] {
  flex: none; padding: 0; border: 0; border-bottom: 2px solid transparent; border-radius: 0;
  margin-bottom: -2px; background: none;
}
[class*="st-key-parts_"] [role="radio"][data-selected] {
  border-bottom-color: currentColor; background: none;
}
[data-testid="stVegaLiteChart"] :is(.role-axis, .role-legend, .role-header, .role-title) text {
  fill: currentColor;
}
.stApp .token.keyword { color: light-dark(#0b57a4, #79b8ff); }
.stApp .token.string { color: light-dark(#0a6b2b, #7ee29a); }
.stApp .token.number { color: light-dark(#0a6470, #7fd8d0); }
.stApp button[kind^="primary"]:not(:disabled) * { color: light-dark(#ffffff, #171614); }
@media (min-width: 1200px) {
  /* Beside the drawer too, what decides the mix stands in one line. */
  .st-key-controls { flex-wrap: nowrap; }
  .st-key-controls > * { flex-shrink: 1; min-width: 0; }
  .st-key-controls > :is(.st-key-mix_kind, .st-key-rows, .st-key-next_mixes, .st-key-open_drawer) {
    flex-shrink: 0;
  }
}
@media (max-width: 640px) { .stMainBlockContainer { padding: 3.4rem 1rem 3rem; } }
</style>"""
_SEEN = "seen_catalog"
_PLACE: ContextVar["DeltaGenerator | None"] = ContextVar("link_place", default=None)


def show(location: Location | None, title: str, *, with_chooser: bool = True) -> None:
    """Show the line: name, catalog, hash, number of stems; then Catalog, Folders and Copy link.

    Args:
        location: The open catalog, or None.
        title: Name of the page, for screen readers: the navigation shows it already.
        with_chooser: Whether the field for the catalog's folder is here; a page that has it itself says no.
    """
    st.html(STYLE)
    row = st.container(horizontal=True, vertical_alignment="center", key="head")
    row.html(
        f'<div class="mixlab-head"><h1>mixlab</h1><h2>{escape(title)}</h2>{_catalog_line(location)}</div>'
    )
    if with_chooser:
        with row.popover("Catalog", icon=":material/library_music:"):
            chooser.show()
    runs_locations.show_folders(location, row)
    _PLACE.set(row.container(width="content"))
    with st.container():  # always there, so that nothing below it moves in the page's tree
        _say_changed(location)


def offer_link(query: str) -> None:
    """Show the button that copies the address of this page with ``query``, at its place in the line."""
    place = _PLACE.get()
    if place is None:  # a page that is shown by itself
        copy_link(query)
        return
    with place:
        copy_link(query)


def offer_view(keys: Sequence[str]) -> None:
    """Offer a link that sets all controls of some keys as they are now, those at their defaults too."""
    state = {key: st.session_state[key] for key in keys if st.session_state.get(key)}
    said = {key: str(value).lower() if isinstance(value, bool) else value for key, value in state.items()}
    offer_link(urlencode(said, doseq=True))


def check_address(allowed: Mapping[str, Allowed]) -> None:
    """Say which values of the address that opened a page no control can take, until it is dismissed.

    Args:
        allowed: What the page's controls take, by their keys in addresses. To be called before they are
            shown, since each then corrects its own.
    """
    key = "bad_values " + " ".join(allowed)
    if key not in st.session_state:
        query = {name: st.query_params.get_all(name) for name in allowed if name in st.query_params}
        st.session_state[key] = bad_values(query, allowed)
    with st.container():
        bad = st.session_state[key]
        if not bad:
            return
        said = "; ".join(escape_text(one[:120]) for one in bad[:6])
        st.warning(
            f"The address has what is no setting here: {said}. Shown is what stands without it.",
            icon=":material/link_off:",
        )
        st.button("Understood", key=f"dismiss {key}", on_click=_forget, args=(key,))


def _forget(key: str) -> None:
    st.session_state[key] = ()


def _catalog_line(location: Location | None) -> str:
    if location is None:
        return " · no catalog is open"
    path = Path(location.path)
    name = escape(str(Path(*path.parts[-2:])) if len(path.parts) > 2 else str(path))
    shown = f' · <span title="{escape(str(path))}">{name}</span>'
    try:
        catalog = data.get_catalog(location)
    except MixlabError:  # the page says why
        return f"{shown} · cannot be opened"
    return f"{shown} · <code>{catalog.content_hash}</code> · {len(catalog):,} stems"


# ---- a catalog that changed under an open page ----


def _say_changed(location: Location | None) -> None:
    """Say when the catalog at the chosen folder is another one than this session last saw there, or gone."""
    path = str(Path(chooser.chosen_path()).expanduser().resolve())
    seen_path, seen_hash = st.session_state.get(_SEEN, ("", ""))
    if location is None:
        if seen_path == path:
            st.error(
                f"The catalog at `{path.replace('`', chr(39))}` is not there any more: it was moved or "
                "deleted while this page was open. Write its new folder into the field under Catalog.",
                icon=":material/folder_off:",
            )
        return
    try:
        found = data.get_catalog(location).content_hash
    except MixlabError:  # the page says why
        return
    if seen_path == location.path and seen_hash not in ("", found):
        st.warning(
            f"The catalog at `{location.path.replace('`', chr(39))}` was indexed again while this page was "
            f"open: its hash was `{seen_hash}` and is now `{found}`. Seed and index may give **other mixes** "
            "than they did.",
            icon=":material/sync_problem:",
        )
        st.button("Go on with the new catalog", on_click=_accept, args=(location.path, found))
        return
    _accept(location.path, found)


def _accept(path: str, content_hash: str) -> None:
    st.session_state[_SEEN] = (path, content_hash)
