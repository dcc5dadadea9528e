"""Parts of the tree that are not whole branches: a node's kinds but for some, and what is left of all."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from mixlab.taxonomy.tree import Taxonomy

__all__ = ["Region", "subtract"]


class Region(NamedTuple):
    """What is left of branches of the tree when others are taken out.

    Attributes:
        nodes: Topmost nodes that lie in it with all that is below them.
        vague: Nodes of which only kinds that the tree does not name lie in it, each with the nodes below
            that are out: a bass drum which is no kick drum.
    """

    nodes: tuple[str, ...]
    vague: tuple[tuple[str, tuple[str, ...]], ...]


def subtract(
    taxonomy: Taxonomy, nodes: Iterable[str], excluded: Collection[str], unsure: Collection[str] = ()
) -> Region:
    """Return what lies at or below ``nodes`` and neither at nor below ``excluded``.

    Args:
        taxonomy: The instrument tree.
        nodes: Topmost nodes.
        excluded: Nodes that are taken out with all that is below them.
        unsure: Nodes whose unnamed kinds are out, though all nodes below them may be in.
    """
    inside = {n for top in nodes for n in (top, *taxonomy.descendants(top))}
    inside -= {n for top in excluded for n in (top, *taxonomy.descendants(top))}
    barred = taxonomy.closure([*excluded, *unsure])
    whole = inside - barred
    tops = [n for n in taxonomy.nodes if n in whole and not whole.intersection(taxonomy.ancestors(n))]
    vague = [
        (n, tuple(x for x in taxonomy.nodes if x in taxonomy.descendants(n) and x in excluded))
        for n in taxonomy.nodes
        if n in (inside & barred).difference(unsure) and whole.isdisjoint(taxonomy.descendants(n))
    ]
    return Region(tuple(tops), tuple(vague))
