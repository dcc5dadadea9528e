"""The instrument tree: ``taxonomy/instruments.yaml``, checked when it is read."""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import yaml

from mixlab.errors import TaxonomyError
from mixlab.utils.hashing import ordered_digest
from mixlab.utils.resources import resource_path
from mixlab.utils.yaml import load_yaml

__all__ = ["ANYTHING", "Node", "Taxonomy", "load_taxonomy", "read_yaml"]

ANYTHING = "*"
"""As a bleed node: any instrument may be heard."""

_NODE_FIELDS = {"id", "name", "parent", "hs", "hs_body", "maybe", "note"}


@dataclass(frozen=True)
class Node:
    """One entry of the instrument tree.

    Attributes:
        id: Stable slug; what files and catalogs store.
        name: Human-readable name.
        parent: Id of the parent, or None for a family.
        hs: Hornbostel-Sachs numbers of the MIMO 2011 revision, suffixes and composites included;
            empty for the voice and for groups that the system does not know.
        hs_body: For an electrophone (class 5): number of the vibrating body, or None.
        note: Remark for people.
        maybe: Ids of nodes outside this node's own branch that cannot be excluded when it
            sounds: a drum set may hold cymbals, a snare drum alone may belong to a drum set.
    """

    id: str
    name: str
    parent: str | None
    hs: tuple[str, ...]
    hs_body: str | None
    note: str
    maybe: tuple[str, ...] = ()


class Taxonomy:
    """The instrument tree, with ancestors, descendants and closures.

    Args:
        nodes: Nodes in any order; children are reordered behind their parents.
        source: Name of the file, for messages.

    Raises:
        TaxonomyError: an id occurs twice, a parent or a ``maybe`` is unknown, or parents form a cycle.

    Example:
        >>> from mixlab import load_taxonomy
        >>> taxonomy = load_taxonomy()
        >>> taxonomy.family("violin"), "viola" in taxonomy.children("bowed-string")
        ('bowed-string', True)
    """

    def __init__(self, nodes: Iterable[Node], source: str = "taxonomy") -> None:
        by_id = _index_nodes(nodes, source)
        children: dict[str | None, list[str]] = {}
        for node in by_id.values():
            children.setdefault(node.parent, []).append(node.id)
        order = list(_preorder(children))
        if len(order) < len(by_id):
            lost = ", ".join(repr(i) for i in by_id if i not in set(order))
            raise TaxonomyError(
                f"{source}: the parents of {lost} form a cycle; "
                "give one of them a parent that leads to a family (a node without parent).",
                code="cyclic-hierarchy",
            )
        self.nodes: Mapping[str, Node] = {i: by_id[i] for i in order}
        self.families: tuple[str, ...] = tuple(children.get(None, []))
        self._children = {i: tuple(children.get(i, ())) for i in order}
        self._ancestors: dict[str, tuple[str, ...]] = {}
        for node_id, node in self.nodes.items():
            above = () if node.parent is None else (node.parent, *self._ancestors[node.parent])
            self._ancestors[node_id] = above
        self._closure = {i: frozenset((i, *self._ancestors[i])) for i in order}
        below: dict[str, set[str]] = {i: set() for i in order}
        for node_id, above in self._ancestors.items():
            for ancestor in above:
                below[ancestor].add(node_id)
        self._descendants = {i: frozenset(s) for i, s in below.items()}
        self._reach = {i: self._possible(i) for i in order}

    def _possible(self, node: str) -> frozenset[str]:
        """Return every node that cannot be excluded when ``node`` sounds."""
        possible = set(self._closure[node] | self._descendants[node])
        for owner in self._closure[node]:
            for other in self.nodes[owner].maybe:
                possible |= self._closure[other] | self._descendants[other]
        return frozenset(possible)

    @cached_property
    def content_hash(self) -> str:
        """16 hex digits that change with the tree's ids, names, parents, numbers or ``maybe``."""
        rows = [[n.id, n.name, n.parent, n.hs, n.hs_body, n.maybe] for n in self.nodes.values()]
        return ordered_digest(rows)

    def _require(self, node: str) -> str:
        if node not in self.nodes:
            close = difflib.get_close_matches(node, self.nodes, n=1)
            hint = f"did you mean {close[0]!r}?" if close else "'mixlab taxonomy' lists them."
            raise TaxonomyError(f"Node {node!r} is not in the instrument tree; {hint}", code="unknown-node")
        return node

    def ancestors(self, node: str) -> tuple[str, ...]:
        """Return the ancestors, nearest first, without the node itself."""
        return self._ancestors[self._require(node)]

    def closure(self, nodes: Iterable[str]) -> frozenset[str]:
        """Return the nodes and all their ancestors."""
        closed: set[str] = set()
        for node in nodes:
            closed |= self._closure[self._require(node)]
        return frozenset(closed)

    def descendants(self, node: str) -> frozenset[str]:
        """Return every node below ``node``, without itself."""
        return self._descendants[self._require(node)]

    def steps_up(self, below: Sequence[str], above: Sequence[str]) -> int | None:
        """Return the steps from all of ``below`` up to nodes of ``above``; None if one never meets them.

        Where there is a number, ``below`` implies ``above``: any of the former is one of the latter. Nothing
        implies anything where there are no nodes.
        """
        total = 0
        for node in below:
            line = (node, *self.ancestors(node))
            steps = next((k for k, candidate in enumerate(line) if candidate in above), None)
            if steps is None:
                return None
            total += steps
        return total if below else None

    def implies(self, below: Sequence[str], above: Sequence[str]) -> bool:
        """Whether each node of ``below`` lies at or below one of ``above``."""
        return self.steps_up(below, above) is not None

    def children(self, node: str) -> tuple[str, ...]:
        """Return the nodes directly below ``node``, in file order."""
        return self._children[self._require(node)]

    def family(self, node: str) -> str:
        """Return the family (the topmost ancestor) of ``node``."""
        return (node, *self.ancestors(node))[-1]

    def possible(self, node: str) -> frozenset[str]:
        """Return every node that cannot be excluded when ``node`` sounds.

        These are its closure, its descendants, and the closures and descendants of the
        ``maybe`` of the node and of its ancestors.
        """
        return self._reach[self._require(node)]


def _index_nodes(nodes: Iterable[Node], source: str) -> dict[str, Node]:
    by_id: dict[str, Node] = {}
    for node in nodes:
        if node.id in by_id:
            raise TaxonomyError(
                f"{source}: node id {node.id!r} occurs twice; ids must be unique, rename one.",
                code="repeated-entry",
            )
        by_id[node.id] = node
    for node in by_id.values():
        if node.parent is not None and node.parent not in by_id:
            raise TaxonomyError(
                f"{source}: node {node.id!r} has unknown parent {node.parent!r}; "
                "use the id of another node, or no parent for a family.",
                code="unknown-node",
            )
        for other in node.maybe:
            if other not in by_id:
                raise TaxonomyError(
                    f"{source}: node {node.id!r} lists unknown node {other!r} under 'maybe'; use a node's "
                    "id.",
                    code="unknown-node",
                )
    return by_id


def _preorder(children: Mapping[str | None, Sequence[str]]) -> Iterator[str]:
    stack = list(reversed(children.get(None, ())))
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(children.get(node, ())))


def read_yaml(path: Path) -> Any:  # noqa: ANN401 - YAML holds anything; callers check the shape
    """Read one YAML document.

    Raises:
        TaxonomyError: the file cannot be read, is not UTF-8 or is not YAML; the line is named.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TaxonomyError(
            f"{path}: cannot be read as UTF-8 text ({error}).", code="unreadable-file"
        ) from error
    try:
        return load_yaml(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error) or "no reason given"
        raise TaxonomyError(
            f"{path}{where}: not valid YAML ({problem}); correct that line.", code="invalid-syntax"
        ) from error
    except (ValueError, RecursionError) as error:
        # A date such as 2014-13-45, or deep nesting, are no errors of yaml's own.
        raise TaxonomyError(
            f"{path}: not valid YAML ({type(error).__name__}: {error}).", code="invalid-syntax"
        ) from error


def load_taxonomy(path: Path | None = None) -> Taxonomy:
    """Load the instrument tree; the shipped one is read once and kept.

    Raises:
        TaxonomyError: the file is not a consistent tree; the message names the entry.

    Example:
        >>> from mixlab import load_taxonomy
        >>> load_taxonomy().ancestors("violin")
        ('bowed-string',)
    """
    if path is None:
        return _shipped_taxonomy()
    data = read_yaml(path)
    entries = data.get("nodes") if isinstance(data, dict) else None
    if not isinstance(entries, list) or not entries:
        raise TaxonomyError(
            f"{path}: expected a mapping with a list 'nodes', found {type(data).__name__}.",
            code="invalid-entry",
        )
    return Taxonomy((_parse_node(e, i, path) for i, e in enumerate(entries, start=1)), str(path))


@lru_cache(maxsize=1)
def _shipped_taxonomy() -> Taxonomy:
    return load_taxonomy(resource_path("taxonomy", "instruments.yaml"))


def _parse_node(entry: object, number: int, path: Path) -> Node:
    where = f"{path}, node {number}"
    if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
        raise TaxonomyError(
            f"{where}: expected a mapping with a text 'id', found {entry!r}.", code="invalid-entry"
        )
    where = f"{where} ({entry['id']})"
    unknown = set(entry) - _NODE_FIELDS
    if unknown:
        names = ", ".join(sorted(map(str, unknown)))
        raise TaxonomyError(
            f"{where}: unknown field {names}; the fields are {', '.join(sorted(_NODE_FIELDS))}.",
            code="unknown-field",
        )

    def text(field: str) -> str | None:
        value = entry.get(field)
        if value is not None and not isinstance(value, str):
            # YAML reads 5 and 421.1 as numbers and would lose the trailing zero of a class.
            raise TaxonomyError(
                f"{where}: field '{field}' must be text, found {value!r}; put it in quotes.",
                code="invalid-entry",
            )
        return value

    def texts(field: str) -> tuple[str, ...]:
        value = entry.get(field) or []
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise TaxonomyError(
                f"{where}: field '{field}' must be a list of quoted texts, found {value!r}.",
                code="invalid-entry",
            )
        return tuple(value)

    node_id = entry["id"]
    if node_id != "-".join(node_id.lower().split()) or "|" in node_id or node_id == ANYTHING:
        raise TaxonomyError(
            f"{where}: an id is lower case with hyphens, such as 'electric-guitar'.", code="invalid-entry"
        )
    return Node(
        id=node_id,
        name=text("name") or node_id.replace("-", " "),
        parent=text("parent"),
        hs=texts("hs"),
        hs_body=text("hs_body"),
        note=text("note") or "",
        maybe=texts("maybe"),
    )
