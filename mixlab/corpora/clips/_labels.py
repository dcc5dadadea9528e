"""Label sets of classes that are instruments, bound to nodes of the tree."""

from collections.abc import Mapping, Sequence

from mixlab.taxonomy import LabelSet, Output
from mixlab.utils.hashing import ordered_digest

__all__ = ["bound_labels", "labels_of_columns"]


def bound_labels(name: str, title: str, nodes: Mapping[str, Sequence[str]]) -> LabelSet:
    """Return a label set of these classes, in order, each with the nodes that it stands for."""
    outputs = tuple(Output(each, tuple(bound)) for each, bound in nodes.items())
    return LabelSet(name, title, outputs, ordered_digest([[o.name, o.nodes] for o in outputs]))


def labels_of_columns(labels: LabelSet, columns: Sequence[int]) -> LabelSet:
    """Return the label set of some of the classes; its name says that it is a part."""
    chosen = {labels.outputs[column].name: labels.outputs[column].nodes for column in columns}
    return bound_labels(f"{labels.name}-part", f"{labels.title}, a part", chosen)
