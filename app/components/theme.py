"""Which colours a page has."""

import streamlit as st

from mixlab.evaluation.charts import DARK, LIGHT, Palette

__all__ = ["palette"]


def palette() -> Palette:
    """Return the colours of the scheme that the page has."""
    return DARK if st.context.theme.type == "dark" else LIGHT
