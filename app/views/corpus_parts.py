"""What the parts of the Corpus page have in common."""

import pandas as pd
import streamlit as st

__all__ = ["DOWNLOAD", "PAGE_ROWS", "behind", "first_page", "plural"]

DOWNLOAD = ":material/download:"
PAGE_ROWS = 100
"""Rows of a table that are sent to the browser at once."""


def first_page() -> None:
    """Go to the first page of the list of stems: another list has others."""
    st.session_state["page"] = 1


def plural(noun: str, count: int) -> str:
    """Return a noun as it stands behind a number."""
    return noun if count == 1 else f"{noun}s"


def behind(table: pd.DataFrame, note: str = "") -> None:
    """Show the table behind a chart."""
    with st.expander("The numbers as a table"):
        if note:
            st.caption(note)
        st.dataframe(table, hide_index=True)
