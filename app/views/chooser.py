"""The field in which the catalog is chosen; every page shows it, here or there."""

from contextlib import suppress

import streamlit as st
from streamlit.errors import StreamlitAPIException

from app.data import mixes as data

__all__ = ["choose", "chosen_path", "show"]

_KEY = "catalog_path"


def chosen_path() -> str:
    """Return the catalog's folder as chosen, or the one to start with."""
    chosen = str(st.session_state.get(_KEY) or "").strip()
    if chosen:
        return chosen
    path = data.default_catalog()
    # Where the field is shown already, as on a page that was left before it was complete, it stays as it is.
    with suppress(StreamlitAPIException):
        st.session_state[_KEY] = path
    return path


def show() -> None:
    """Show the field. It is no part of a link: an address must not open folders."""
    st.text_input(
        "Catalog folder", key=_KEY, persist_state="session", help="As `mixlab index` made it; Enter opens it."
    )


def choose(path: str) -> None:
    """Open another catalog, as if its folder were typed into the field."""
    st.session_state[_KEY] = path


def forget() -> None:
    """Look for a catalog anew, as when the page is opened."""
    st.session_state.pop(_KEY, None)
