"""Marks of charts as links: a click goes to what the mark counts, and the browser's Back returns."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st
from streamlit.errors import StreamlitAPIException

from mixlab.evaluation.charts import PICK, Chart, clickable

__all__ = ["go_to", "show_clickable", "when_picked"]

Go = Callable[[Mapping[str, Any]], None]
"""What a click does, given the values of the fields of the mark that was clicked."""


def go_to(*forget: str, **values: object) -> None:
    """Set controls, as a user would, wherever they are, and their part of the address.

    Args:
        forget: Further parts of the address that go: they say something of what was shown before.
        values: Values by the keys of the controls.
    """
    for key, value in values.items():
        st.session_state[key] = value
        # A control that is shown brings its own part of the address up to date. One of a tab that is opened
        # only now does not before the next rerun, and until then Back or a link would miss it.
        try:
            st.query_params[key] = [str(one) for one in value] if isinstance(value, list) else str(value)
        except StreamlitAPIException:  # it is shown
            continue
    for key in forget:
        if key in st.query_params:
            del st.query_params[key]


def when_picked(key: str, go: Go) -> Callable[[], None]:
    """Return what to call when a mark of the chart of a key is clicked."""

    def picked() -> None:
        found = st.session_state[key].selection.get(PICK)
        mark = found[0] if isinstance(found, Sequence) and found else found
        if isinstance(mark, Mapping) and mark and None not in mark.values():
            go(mark)

    return picked


def show_clickable(
    chart: Chart, fields: Sequence[str], go: Go, *, key: str, alt: str, width: int | None = None
) -> None:
    """Show a chart whose marks are links.

    Args:
        chart: The chart.
        fields: Columns of its table that ``go`` is given.
        go: What a click does.
        key: Of the chart.
        alt: What it shows, in words.
        width: In pixels; None for all there is.
    """
    size: dict[str, Any] = {} if width is None else {"width": width}
    st.altair_chart(
        clickable(chart, *fields),
        key=key,
        on_select=when_picked(key, go),
        selection_mode=PICK,
        alt=alt,
        **size,
    )
