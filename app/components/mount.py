"""Register the components with Streamlit, and show them."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from app.components.files import read_component

__all__ = ["copy_link", "join_steps", "play", "show_mixes", "show_strip"]


def _component(name: str) -> Any:  # noqa: ANN401 - a callable whose keywords are its events
    html, css, js = (read_component(name, kind) for kind in ("html", "css", "js"))
    return st.components.v2.component(f"mixlab_{name}", html=html, css=css, js=js)


_PLAYER = _component("player")
_STRIP = _component("strip")
_MIXES = _component("mix_table")
_COPY_LINK = _component("copy_link")
_STEPS = _component("steps")


def play(payload: bytes, key: str = "player", on_step: Callable[[str], None] | None = None) -> None:
    """Show the player.

    Args:
        payload: What ``app.components.payload`` or ``app.components.heat`` packs.
        key: Of the component.
        on_step: Called with ``previous``, ``next`` or ``random``, where the payload has these steps.
    """

    def step() -> None:
        chosen = st.session_state[key].step
        if chosen is not None and on_step is not None:
            on_step(str(chosen))

    _PLAYER(data=payload, key=key, on_step_change=step)


def show_strip(data: dict[str, Any], index_key: str) -> None:
    """Show the strip of neighbouring indices; a click writes its index into ``st.session_state``."""

    def go() -> None:
        chosen = st.session_state["strip"].go
        if chosen is not None:
            st.session_state[index_key] = int(chosen)

    _STRIP(data=data, key="strip", on_go_change=go)


def show_mixes(data: dict[str, Any], play_key: str, open_key: str) -> None:
    """Show a table of mixes; its buttons write an index into ``st.session_state``, to play or open it."""

    def keep(event: str, key: str) -> None:
        chosen = getattr(st.session_state["mix_table"], event)
        if chosen is not None:
            st.session_state[key] = int(chosen)

    _MIXES(
        data=data,
        key="mix_table",
        on_play_change=lambda: keep("play", play_key),
        on_open_change=lambda: keep("open", open_key),
    )


def copy_link(query: str) -> None:
    """Show a button that copies the address of this page with ``query``."""
    _COPY_LINK(data={"query": query}, key="copy_link", width="content")


def join_steps() -> None:
    """Let the browser's history have one entry per click, and the page follow a change of light and dark."""
    st.html("<style>.st-key-steps_place { display: none; }</style>")
    with st.container(key="steps_place"):
        _STEPS(key="steps", on_scheme_change=lambda: None)
