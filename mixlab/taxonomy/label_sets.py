"""Label sets: ``taxonomy/labels/<label set>.yaml``, the ordered outputs of a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixlab.errors import TaxonomyError
from mixlab.resources import resource_path
from mixlab.taxonomy.evidence import Evidence
from mixlab.taxonomy.tree import Taxonomy, load_taxonomy, read_yaml, short_hash

__all__ = ["LabelSet", "Output", "label_set_names", "load_label_set"]


@dataclass(frozen=True)
class Output:
    """One output of a model.

    Attributes:
        name: The output's name, unique in its label set.
        nodes: Usually one node; several mean any of them; none means that the output is not an
            instrument (a genre tag), so it is always unknown.
    """

    name: str
    nodes: tuple[str, ...]


@dataclass(frozen=True)
class LabelSet:
    """An ordered list of outputs.

    Attributes:
        name: Stable name (``mixtures15``).
        title: One line for people.
        outputs: The outputs, in the order of the model's columns.
        content_hash: 16 hex digits that change with names, nodes or order.
    """

    name: str
    title: str
    outputs: tuple[Output, ...]
    content_hash: str

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the outputs, in order."""
        return tuple(output.name for output in self.outputs)

    def __len__(self) -> int:
        return len(self.outputs)

    def encode(self, evidence: Evidence) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Turn evidence into a target and its mask.

        An output is 1 when any of its nodes is certain to sound, or it is certain that one of them
        does (a stem is one of several instruments, all of them the output's); unknown when one may
        sound (or the output has no nodes), else 0.

        Returns:
            Target ``(C,)`` float32 of 0 and 1, and mask ``(C,)`` bool, True where the target is
            known. The target is 0 wherever the mask is False.
        """
        target = np.zeros(len(self.outputs), dtype=np.float32)
        mask = np.ones(len(self.outputs), dtype=np.bool_)
        for i, output in enumerate(self.outputs):
            state = evidence.state(output.nodes) if output.nodes else "unknown"
            target[i] = state == "present"
            mask[i] = state != "unknown"
        return target, mask

    def parents(self, taxonomy: Taxonomy) -> tuple[int | None, ...]:
        """Return for each output the index of the nearest output that it implies, or None.

        Output P is implied by output C when each node of C lies at or below a node of P: then
        C = 1 gives P = 1, and P = 0 gives C = 0. Used to make predictions coherent.
        """
        return tuple(self._parent(i, taxonomy) for i in range(len(self.outputs)))

    def _parent(self, child: int, taxonomy: Taxonomy) -> int | None:
        nodes = self.outputs[child].nodes
        candidates = []
        for i, output in enumerate(self.outputs):
            distance = _distance(taxonomy, nodes, output.nodes)
            # Two outputs that imply each other mean the same; neither is the other's parent.
            if i != child and distance is not None and _distance(taxonomy, output.nodes, nodes) is None:
                candidates.append((distance, i))
        return min(candidates)[1] if candidates else None


def _distance(taxonomy: Taxonomy, child: Sequence[str], parent: Sequence[str]) -> int | None:
    """Return the steps from the child's nodes up to the parent's, or None if one never meets them."""
    total = 0
    for node in child:
        line = (node, *taxonomy.ancestors(node))
        steps = next((i for i, candidate in enumerate(line) if candidate in parent), None)
        if steps is None:
            return None
        total += steps
    return total if child else None


def label_set_names() -> tuple[str, ...]:
    """Return the names of the shipped label sets."""
    return tuple(sorted(p.stem for p in resource_path("taxonomy", "labels").glob("*.yaml")))


def load_label_set(name_or_path: str) -> LabelSet:
    """Load a shipped label set by name, or one's own from a YAML file.

    Raises:
        TaxonomyError: unknown name, or an inconsistent file; the message names the output.
    """
    if name_or_path.endswith((".yaml", ".yml")):
        return _read_label_set(Path(name_or_path))
    if name_or_path not in label_set_names():
        raise TaxonomyError(
            f"No label set {name_or_path!r}; there are {', '.join(label_set_names())}, "
            "or give the path of a YAML file (ending in .yaml)."
        )
    return _shipped_label_set(name_or_path)


@lru_cache(maxsize=8)
def _shipped_label_set(name: str) -> LabelSet:
    return _read_label_set(resource_path("taxonomy", "labels", f"{name}.yaml"))


def _read_label_set(path: Path) -> LabelSet:
    data = read_yaml(path)
    entries = data.get("outputs") if isinstance(data, dict) else None
    if not isinstance(entries, list) or not entries:
        raise TaxonomyError(f"{path}: expected a mapping with a list 'outputs', found {type(data).__name__}.")
    taxonomy = load_taxonomy()
    outputs: dict[str, Output] = {}
    for number, entry in enumerate(entries, start=1):
        where = f"{path}, output {number}"
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise TaxonomyError(f"{where}: expected a mapping with a text 'name', found {entry!r}.")
        nodes = entry.get("nodes")
        if not isinstance(nodes, list) or not all(isinstance(n, str) for n in nodes):
            raise TaxonomyError(
                f"{where} ({entry['name']}): expected a list 'nodes' of ids, found {nodes!r}."
            )
        if entry["name"] in outputs:
            raise TaxonomyError(f"{where}: output {entry['name']!r} occurs twice; names must be unique.")
        for node in nodes:
            if node not in taxonomy.nodes:
                raise TaxonomyError(
                    f"{where} ({entry['name']}): node {node!r} is not in the tree; see 'mixlab taxonomy'."
                )
        outputs[entry["name"]] = Output(entry["name"], tuple(nodes))
    name = data.get("name") if isinstance(data.get("name"), str) else path.stem
    title = data.get("title") if isinstance(data.get("title"), str) else name
    digest = short_hash([[o.name, o.nodes] for o in outputs.values()])
    return LabelSet(name, title, tuple(outputs.values()), digest)
