"""Which instruments have no pitch: those fit into any key."""

from collections.abc import Sequence
from functools import lru_cache

from mixlab.taxonomy.tree import load_taxonomy

__all__ = ["is_unpitched"]

_TUNED = ("timpani", "mallet-percussion", "lamellophone", "musical-glasses")
"""Percussion with a pitch."""


def is_unpitched(nodes: Sequence[str]) -> bool:
    """Tell whether a stem with these nodes is percussion without a pitch, whichever of them sounds."""
    return bool(nodes) and all(_is_unpitched(node) for node in nodes)


@lru_cache(maxsize=1024)
def _is_unpitched(node: str) -> bool:
    line = (node, *load_taxonomy().ancestors(node))
    return "percussion" in line and not any(tuned in line for tuned in _TUNED)
