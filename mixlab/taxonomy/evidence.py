"""What sounding stems prove about the tree: present, unknown, and by default absent."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from mixlab.taxonomy.tree import ANYTHING, Taxonomy

__all__ = ["Closures", "Evidence", "State", "combine_evidence", "stem_evidence"]

State = Literal["present", "unknown", "absent"]

Closures = frozenset[frozenset[str]]
"""Alternatives of which at least one sounds, each as a node with all its ancestors."""


@dataclass(frozen=True)
class Evidence:
    """What is known about the tree: present nodes, unknown nodes; every other node is absent.

    Both sets are disjoint. ``present`` is closed under ancestors, and the ancestors of an
    unknown node are present or unknown, never absent.

    Attributes:
        present: Nodes that certainly sound.
        unknown: Nodes that may sound.
        one_of: For each stem that is one of several instruments, these: at least one of them sounds,
            though each alone is unknown. Ask ``state`` about an output of several nodes.
    """

    present: frozenset[str]
    unknown: frozenset[str]
    one_of: frozenset[Closures] = frozenset()

    def state(self, nodes: Iterable[str]) -> State:
        """Return whether any of ``nodes`` sounds: ``present``, ``absent``, or ``unknown``.

        It is present when one of them is, or when every instrument that a stem can be lies at or
        below one of them: a bass that is electric, upright or synthetic is a bass of these three.
        """
        asked = frozenset(nodes)
        if asked & self.present:
            return "present"
        if any(all(asked & closure for closure in closures) for closures in self.one_of):
            return "present"
        return "unknown" if asked & self.unknown else "absent"


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
        One of: the alternatives, where there are several.

    Raises:
        TaxonomyError: a node is not in the tree.

    Example:
        >>> from mixlab import load_taxonomy
        >>> from mixlab.taxonomy import stem_evidence
        >>> section = stem_evidence(load_taxonomy(), ["violin", "cello"])
        >>> section.state(["bowed-string"]), section.state(["violin"]), section.state(["piano"])
        ('present', 'unknown', 'absent')
    """
    if not nodes or ANYTHING in bleed_nodes:
        unknown: set[str] = set(taxonomy.nodes)
    else:
        unknown = set().union(*(taxonomy.possible(n) for n in (*nodes, *bleed_nodes)))
    closures = frozenset(taxonomy.closure((n,)) for n in nodes)
    present = frozenset.intersection(*closures) if closures else frozenset[str]()
    one_of = frozenset((closures,)) if len(closures) > 1 else frozenset[Closures]()
    return Evidence(present, frozenset(unknown - present), one_of)


def combine_evidence(evidences: Iterable[Evidence]) -> Evidence:
    """Return what several stems that sound together prove: present wins over unknown.

    Example:
        >>> from mixlab import load_taxonomy
        >>> from mixlab.taxonomy import combine_evidence, stem_evidence
        >>> tree = load_taxonomy()
        >>> section, violin = stem_evidence(tree, ["violin", "cello"]), stem_evidence(tree, ["violin"])
        >>> both = combine_evidence([section, violin])
        >>> both.state(["violin"]), both.state(["cello"])
        ('present', 'unknown')
    """
    present: set[str] = set()
    unknown: set[str] = set()
    one_of: set[Closures] = set()
    for evidence in evidences:
        present |= evidence.present
        unknown |= evidence.unknown
        one_of |= evidence.one_of
    return Evidence(frozenset(present), frozenset(unknown - present), frozenset(one_of))
