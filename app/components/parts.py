"""The parts of a page, of which one is open: they look like tabs, and no click on them is lost."""

from collections.abc import Sequence

import streamlit as st

__all__ = ["choose_part"]


def choose_part(names: Sequence[str], key: str) -> str:
    """Show the names of a page's parts, and return the one that is open, which stands in the address.

    It is no ``st.tabs``: there each answer of the server opens a tab again, so that one which is clicked
    while the answer to an earlier click is under way is closed, and between two messages none can be clicked.

    Args:
        names: At least one; the first is open unless another was chosen.
        key: Of the control, in the state and in addresses.
    """
    with st.container(key=f"parts_{key}"):
        chosen = st.segmented_control(
            "Part of this page", names, default=names[0], key=key, bind="query-params", required=True,
            label_visibility="collapsed", width="stretch", wrap=True,
        )  # fmt: skip
    return str(chosen or names[0])
