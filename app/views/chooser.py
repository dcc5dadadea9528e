"""The field in which the catalog is chosen; every page shows it, here or there."""

import streamlit as st

from app.data import mixes as data

__all__ = ["choose", "chosen_path", "show"]

_KEY = "catalog_path"


def chosen_path() -> str:
    """Return the catalog's folder as chosen, or the one to start with."""
    if not st.session_state.get(_KEY):
        st.session_state[_KEY] = data.default_catalog()
    return str(st.session_state[_KEY]).strip()


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
