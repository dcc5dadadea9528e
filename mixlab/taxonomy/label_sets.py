"""Label sets: ``taxonomy/labels/<label set>.yaml``, the ordered outputs of a model."""

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from mixlab.errors import ConfigError, TaxonomyError
from mixlab.taxonomy.evidence import Evidence, State
from mixlab.taxonomy.regions import subtract
from mixlab.taxonomy.tree import Taxonomy, load_taxonomy, read_yaml
from mixlab.utils.hashing import ordered_digest
from mixlab.utils.plugins import find, running
from mixlab.utils.resources import resource_path
from mixlab.utils.yaml import load_json, load_yaml

__all__ = [
    "LabelSet",
    "Output",
    "is_shipped",
    "keep_label_set",
    "label_set_id",
    "label_set_names",
    "load_label_set",
]


_SHOWN = 20


@dataclass(frozen=True)
class Output:
    """One output of a model.

    Attributes:
        name: The output's name, unique in its label set.
        nodes: Usually one node; several mean any of them; none means that the output is not an
            instrument (a genre tag), so it is always unknown. Of an output with exclusions, the topmost
            nodes that it holds with all that is below them.
        vague: See ``Region``.
        given: What its file says of it, where that is more than its nodes.
    """

    name: str
    nodes: tuple[str, ...]
    vague: tuple[tuple[str, tuple[str, ...]], ...] = ()
    given: "_Given | None" = None

    @property
    def is_instrument(self) -> bool:
        """Whether it is bound to the tree at all; else nothing that sounds tells of it."""
        return bool(self.nodes or self.vague)

    def state(self, evidence: Evidence) -> State:
        """Return whether it sounds, by what is known: ``present``, ``absent`` or ``unknown``."""
        if not self.is_instrument:
            return "unknown"
        state = evidence.state(self.nodes)
        if state == "absent" and any(_may_be(evidence, node, out) for node, out in self.vague):
            return "unknown"
        return state

    def contents(self) -> dict[str, Any]:
        """Return what its file holds, as plain data."""
        given = self.given or _Given(nodes=self.nodes)
        nodes = {"rest": True} if given.rest else {"nodes": list(given.nodes)}
        lists = {"not": given.excluded, "stems": given.stems}
        return {"name": self.name, **nodes, **{key: list(of) for key, of in lists.items() if of}}


def _may_be(evidence: Evidence, node: str, out: Sequence[str]) -> bool:
    """Tell whether a node may sound as a kind of it that is none of those that are out."""
    if node in evidence.unknown:
        return True
    return node in evidence.present and evidence.present.isdisjoint(out)


@dataclass(frozen=True)
class _Given:
    """What a file says of an output: its nodes less those that are excluded, or the rest of the tree.

    Attributes:
        nodes: As written.
        excluded: Nodes that are taken out (``not``).
        rest: Whether it is what no other output holds.
        stems: Stems without nodes that are it by their corpus's definition, as ``corpus:label``.
    """

    nodes: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    rest: bool = False
    stems: tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)
class LabelSet:
    """An ordered list of outputs.

    Attributes:
        name: Stable name (``mixtures15``).
        title: One line for people.
        outputs: The outputs, in the order of the model's columns.
        content_hash: 16 hex digits that change with names, nodes or order.

    Example:
        >>> from mixlab import load_label_set, load_taxonomy
        >>> from mixlab.taxonomy import stem_evidence
        >>> labels = load_label_set("musdb4")
        >>> labels.names
        ('vocals', 'drums', 'bass', 'other')
        >>> target, known = labels.encode(stem_evidence(load_taxonomy(), ["drums"]))
        >>> target.tolist(), known.tolist()
        ([0.0, 1.0, 0.0, 0.0], [True, True, True, True])
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

    def __repr__(self) -> str:
        """Say its name and its first classes."""
        shown = ", ".join(self.names[:_SHOWN]) + (", ..." if len(self) > _SHOWN else "")
        return f"LabelSet({self.name!r}, {len(self)} classes: {shown})"

    def contents(self) -> dict[str, Any]:
        """Return what its file holds, as plain data."""
        title = {} if self.title == self.name else {"title": self.title}
        return {"name": self.name, **title, "outputs": [output.contents() for output in self.outputs]}

    def to_text(self) -> str:
        """Return its contents as one line of JSON, which ``load_label_set`` reads."""
        return json.dumps(self.contents(), ensure_ascii=False)

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
            state = output.state(evidence)
            target[i] = state == "present"
            mask[i] = state != "unknown"
        return target, mask

    @cached_property
    def bound(self) -> Mapping[str, int]:
        """Stems without nodes that are an output by definition: ``corpus:label`` -> index of the output."""
        return {
            stem: i
            for i, output in enumerate(self.outputs)
            for stem in (output.given.stems if output.given else ())
        }

    def nodes_of(self, corpus: str, labels: Sequence[str], nodes: tuple[str, ...]) -> tuple[str, ...]:
        """Return the nodes of which one sounds in a stem, as this label set understands it.

        Args:
            corpus: The stem's corpus, with or without ``@`` and what follows.
            labels: Its labels as its corpus writes them.
            nodes: Its nodes by the label map.

        Returns:
            Its own nodes; where it has none, those of the output to which its only label is bound.
        """
        if nodes or not self.bound or len(labels) != 1:
            return nodes
        output = self.bound.get(f"{corpus.partition('@')[0]}:{labels[0]}")
        return nodes if output is None else self.outputs[output].nodes

    def parents(self, taxonomy: Taxonomy) -> tuple[int | None, ...]:
        """Return for each output the index of the nearest output that it implies, or None.

        Output P is implied by output C when each node of C lies at or below a node of P: then
        C = 1 gives P = 1, and P = 0 gives C = 0. Used to make predictions hierarchy-consistent. Of outputs
        that mean the same, each is the parent of the one before it.
        """
        return tuple(self._parent(i, taxonomy) for i in range(len(self.outputs)))

    def _parent(self, child: int, taxonomy: Taxonomy) -> int | None:
        nodes = self.outputs[child].nodes
        candidates = []
        for i, output in enumerate(self.outputs):
            distance = taxonomy.steps_up(nodes, output.nodes)
            # Outputs that imply each other mean the same: each is the parent of the one before it, so that
            # what implies one of them implies all, and nothing goes in circles.
            same = taxonomy.implies(output.nodes, nodes)
            if i != child and distance is not None and (i > child or not same):
                candidates.append((distance, i))
        return min(candidates)[1] if candidates else None


@lru_cache(maxsize=1)
def label_set_names() -> tuple[str, ...]:
    """Return the names of the shipped label sets.

    Example:
        >>> from mixlab.taxonomy import label_set_names
        >>> {"irmas11", "mixtures15", "musdb4", "openmic20"} <= set(label_set_names())
        True
    """
    return tuple(sorted(p.stem for p in resource_path("taxonomy", "labels").glob("*.yaml")))


GROUP = "mixlab.label_sets"
"""Entry points of label sets in other packages."""

_ENDINGS = (".yaml", ".yml")


def load_label_set(name_path_or_text: str) -> LabelSet:
    """Load a shipped label set by name, or one's own from a file, from its contents, or from Python.

    Args:
        name_path_or_text: A name (``mixtures15``); a path that ends in ``.yaml`` or ``.yml``; what such a
            file holds, as text that begins with ``{`` (see ``keep_label_set``); or
            ``package.module:NAME`` or an entry point of the group ``mixlab.label_sets``, which is a mapping
            as in a file, the path of a file, a ``LabelSet``, or a function that returns one of these.

    Raises:
        TaxonomyError: unknown name, or an inconsistent file; the message names file, output and key.

    Example:
        >>> from mixlab import load_label_set
        >>> labels = load_label_set("mixtures15")
        >>> len(labels), "violin" in labels.names
        (15, True)
    """
    text = name_path_or_text
    if not isinstance(text, str):
        raise TaxonomyError(
            f"A label set is given by its name or the path of a YAML file, found {text!r}.", code="wrong-type"
        )
    if text.lstrip().startswith("{"):
        return _parse_text(text)
    if text.lower().endswith(_ENDINGS):
        path = Path(text).expanduser()
        return _parse_label_set(read_yaml(path), str(path), path.stem)
    return _shipped_label_set(text) if text in label_set_names() else _plugin_label_set(text)


def _plugin_label_set(name: str) -> LabelSet:
    shipped = dict.fromkeys(label_set_names())
    try:
        found: object = find(name, shipped, GROUP, "label set")
        with running("label set", name):
            found = found() if callable(found) else found
    except ConfigError as error:
        raise TaxonomyError(
            f"{error} Or give the path of a YAML file (ending in .yaml).", code=error.code
        ) from error
    if isinstance(found, LabelSet):
        found = found.contents()
    if isinstance(found, str | Path):
        return _parse_label_set(read_yaml(Path(found)), str(found), Path(found).stem)
    return _parse_label_set(found, f"The label set {name}", name.rpartition(":")[2])


def keep_label_set(name_path_or_text: str) -> str:
    """Return what stands for a label set wherever it is read again: a shipped one's name, or all contents.

    The contents of one's own are one line of JSON, which ``load_label_set`` takes: equal files give equal
    lines however they are formatted and wherever they lie.

    Raises:
        TaxonomyError: as ``load_label_set``.
    """
    labels = load_label_set(name_path_or_text)
    return name_path_or_text if is_shipped(name_path_or_text) else labels.to_text()


def label_set_id(name_path_or_text: str) -> str:
    """Return what tells a label set from another: a shipped one's name, or the hash of one's own outputs."""
    return (
        name_path_or_text if is_shipped(name_path_or_text) else load_label_set(name_path_or_text).content_hash
    )


def is_shipped(name_path_or_text: str) -> bool:
    """Tell whether a label set is given by the name of a shipped one."""
    return name_path_or_text in label_set_names()


@lru_cache(maxsize=8)
def _shipped_label_set(name: str) -> LabelSet:
    path = resource_path("taxonomy", "labels", f"{name}.yaml")
    return _parse_label_set(read_yaml(path), str(path), path.stem)


@lru_cache(maxsize=64)
def _parse_text(text: str) -> LabelSet:
    where = "The label set that is given as text"
    try:
        data = load_json(text)  # first: YAML reads some of JSON's texts otherwise
    except (ValueError, RecursionError):
        try:
            data = load_yaml(text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise TaxonomyError(f"{where}: not valid YAML ({error}).", code="invalid-syntax") from error
    return _parse_label_set(data, where, "own")


_KEYS = ("name", "title", "outputs")
_OUTPUT_KEYS = ("name", "nodes", "not", "rest", "stems")


def _parse_label_set(data: object, source: str, stem: str) -> LabelSet:
    """Check what a file holds; ``stem`` names a label set whose file does not."""
    if not isinstance(data, dict) or "outputs" not in data:
        found = f"the keys {', '.join(map(str, data))}" if isinstance(data, dict) else type(data).__name__
        raise TaxonomyError(
            f"{source}: expected a mapping with a list 'outputs', found {found}.", code="invalid-entry"
        )
    _check_keys(data, _KEYS, source)
    entries = data["outputs"]
    if not isinstance(entries, list) or not entries:
        raise TaxonomyError(
            f"{source}: 'outputs' must be a list of at least one output ({{name: ..., nodes: [...]}}), "
            f"found {entries!r}.",
            code="invalid-entry",
        )
    given: dict[str, _Given] = {}
    for number, entry in enumerate(entries, start=1):
        output, said = _parse_output(entry, f"{source}, output {number}")
        if output in given:
            raise TaxonomyError(
                f"{source}, output {number}: output {output!r} occurs twice; names must be unique.",
                code="repeated-entry",
            )
        given[output] = said
    outputs = _make_outputs(given, source)
    name = _text(data, "name", stem, source)
    title = _text(data, "title", name, source)
    return LabelSet(name, title, outputs, ordered_digest([_hashed(output) for output in outputs]))


def _hashed(output: Output) -> list[Any]:
    own: list[Any] = [output.name, output.nodes]
    return [*own, output.vague, output.given.stems] if output.given else own


def _make_outputs(given: Mapping[str, _Given], source: str) -> tuple[Output, ...]:
    """Find the nodes of every output, of the rest last."""
    taxonomy = load_taxonomy()
    made = {name: _make_output(name, said) for name, said in given.items() if not said.rest}
    rests = [name for name, said in given.items() if said.rest]
    if len(rests) > 1:
        raise TaxonomyError(
            f"{source}: one output can be the rest, found {', '.join(map(repr, rests))}.",
            code="repeated-entry",
        )
    for name in rests:
        others = [node for output in made.values() for node in output.nodes]
        unsure = [node for output in made.values() for node, _ in output.vague]
        said = given[name]
        region = subtract(taxonomy, taxonomy.families, [*others, *said.excluded], unsure)
        made[name] = Output(name, *region, said)
    for output in made.values():
        if output.given and not output.nodes and not output.vague:
            raise TaxonomyError(
                f"{source}, output {output.name!r}: its exclusions leave nothing of it; take one out.",
                code="invalid-entry",
            )
    stems = [stem for said in given.values() for stem in said.stems]
    for place, stem in enumerate(stems):
        if stem in stems[:place]:
            raise TaxonomyError(
                f"{source}: the stem {stem!r} is bound twice; keep one.", code="repeated-entry"
            )
    return tuple(made[name] for name in given)


def _make_output(name: str, said: _Given) -> Output:
    if not said.excluded and not said.stems:
        return Output(name, said.nodes)
    return Output(name, *subtract(load_taxonomy(), said.nodes, said.excluded), said)


def _check_keys(data: Mapping[object, object], known: Sequence[str], where: str) -> None:
    for key in data:
        if key not in known:
            close = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"the keys are {', '.join(known)}."
            raise TaxonomyError(f"{where}: unknown key {key!r}; {hint}", code="unknown-field")


def _text(data: Mapping[str, object], key: str, default: str, where: str) -> str:
    value = data.get(key, default)
    if not isinstance(value, str) or not value.strip():
        # YAML reads no, 5 and 1.10 as a truth value and numbers.
        raise TaxonomyError(
            f"{where}: {key!r} must be text, found {value!r}; put it in quotes.", code="invalid-entry"
        )
    return value


def _parse_output(entry: object, where: str) -> tuple[str, _Given]:
    """Return the name of an output and what its file says of it."""
    if not isinstance(entry, dict):
        raise TaxonomyError(
            f"{where}: expected a mapping with a text 'name', found {entry!r}.", code="invalid-entry"
        )
    _check_keys(entry, _OUTPUT_KEYS, where)
    if "name" not in entry:
        raise TaxonomyError(
            f"{where}: expected a mapping with a text 'name', found {entry!r}.", code="invalid-entry"
        )
    name = _text(entry, "name", "", where)
    where = f"{where} ({name})"
    rest = entry.get("rest", False)
    if not isinstance(rest, bool) or (rest and "nodes" in entry):
        raise TaxonomyError(
            f"{where}: 'rest' is true or false, and stands in place of 'nodes'; found {entry!r}.",
            code="invalid-entry",
        )
    nodes = () if rest else _nodes(entry.get("nodes"), "nodes", where)
    excluded = _nodes(entry.get("not", []), "not", where)
    return name, _Given(nodes, excluded, rest, _stems(entry.get("stems", []), where))


def _nodes(found: object, key: str, where: str) -> tuple[str, ...]:
    if not isinstance(found, list) or not all(isinstance(n, str) for n in found):
        raise TaxonomyError(
            f"{where}: expected a list {key!r} of ids, such as [piano], found {found!r}; "
            "[] is for an output that is no instrument.",
            code="invalid-entry",
        )
    taxonomy = load_taxonomy()
    for place, node in enumerate(found):
        if node not in taxonomy.nodes:
            close = difflib.get_close_matches(node, taxonomy.nodes, n=1)
            hint = f"did you mean {close[0]!r}?" if close else "see 'mixlab taxonomy'."
            raise TaxonomyError(f"{where}: node {node!r} is not in the tree; {hint}", code="unknown-node")
        if node in found[:place]:
            raise TaxonomyError(
                f"{where}: node {node!r} stands twice in {key!r}; take one out.", code="repeated-entry"
            )
    return tuple(found)


def _stems(found: object, where: str) -> tuple[str, ...]:
    if not isinstance(found, list) or not all(isinstance(n, str) and n.partition(":")[2] for n in found):
        raise TaxonomyError(
            f"{where}: expected a list 'stems' of corpora and their labels, such as ['musdb18hq:other'], "
            f"found {found!r}.",
            code="invalid-entry",
        )
    return tuple(found)
