"""What sounding stems prove about the tree: present, unknown, and by default absent."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mixlab.taxonomy.tree import ANYTHING, Taxonomy

__all__ = ["Evidence", "combine_evidence", "stem_evidence"]


@dataclass(frozen=True)
class Evidence:
    """What is known about the tree: present nodes, unknown nodes; every other node is absent.

    Both sets are disjoint. ``present`` is closed under ancestors, and the ancestors of an
    unknown node are present or unknown, never absent.
    """

    present: frozenset[str]
    unknown: frozenset[str]


def stem_evidence(taxonomy: Taxonomy, nodes: Sequence[str], bleed_nodes: Sequence[str] = ()) -> Evidence:
    """Return what a sounding stem proves.

    Args:
        taxonomy: The instrument tree.
        nodes: The stem's nodes, of which at least one sounds. Empty: nothing is known about the
            stem, so every node is unknown.
        bleed_nodes: Nodes that may be heard besides, through bleed; ``"*"`` stands for all.

    Returns:
        Present: what all alternatives have in common (the intersection of their closures).
        Unknown: everything else that an alternative or bleed could be.

    Raises:
        TaxonomyError: a node is not in the tree.
    """
    if not nodes or ANYTHING in bleed_nodes:
        unknown: set[str] = set(taxonomy.nodes)
    else:
        unknown = set().union(*(taxonomy.possible(n) for n in (*nodes, *bleed_nodes)))
    closures = [taxonomy.closure((n,)) for n in nodes]
    present = frozenset.intersection(*closures) if closures else frozenset[str]()
    return Evidence(present, frozenset(unknown - present))


def combine_evidence(evidences: Iterable[Evidence]) -> Evidence:
    """Return what several stems that sound together prove: present wins over unknown."""
    present: set[str] = set()
    unknown: set[str] = set()
    for evidence in evidences:
        present |= evidence.present
        unknown |= evidence.unknown
    return Evidence(frozenset(present), frozenset(unknown - present))
