"""Recordings of one's own with what sounds in them: a table of nodes of the instrument tree.

Layout: a folder of audio and a table. Columns: ``file`` (below the folder), ``present`` and ``unknown``, each
any number of instruments, groups or families with ``|`` or ``;`` between; and, where they are known,
``group``, ``start`` and ``end`` in seconds, ``kind`` (solo, mix) and ``key``.

What a row says of the whole tree:

* ``present``: a node sounds, and so do its ancestors. Which of its descendants sound is not known: a guitar
  may be electric or not.
* ``unknown``: a node may sound, and so may its descendants and its ancestors; ``*`` stands for all nodes.
* All else is absent.

Traps, and what is done:

* A row that cannot be used stops the reading with its line: a wrong label is worse than no table.
* Labels are ids and names of nodes, and the names that people give to stems (the label map ``folder``), where
  several nodes may be meant: of these at least one sounds. A name of a node always means the node.
* A node that is both present and unknown is an error; a family that is present with an instrument of it
  unknown is not.
* A clip of several families is a mix, one of a single family, where no other can sound, a solo, unless
  ``kind`` says otherwise. All other clips are neither.
* Without ``group``, each file is a group of its own, which the notes say.
* Rows whose file is not there are listed as missing, not refused.
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mixlab.corpora.clips._clip_rows import check_clips, clip_of, none_there, read_own_table
from mixlab.corpora.clips._labels import bound_labels
from mixlab.corpora.clips.base import MIX, SOLO, AudioFiles, Clip, ClipSet
from mixlab.errors import CorpusError
from mixlab.taxonomy import Taxonomy, load_label_map, load_taxonomy
from mixlab.taxonomy.evidence import Evidence, combine_evidence, stem_evidence
from mixlab.taxonomy.label_maps import normalise_label
from mixlab.taxonomy.tree import ANYTHING

__all__ = ["COLUMNS", "RECORDINGS", "read_recordings"]

RECORDINGS = "recordings"
"""Name of the corpus in reports."""

COLUMNS = ("file", "present", "unknown", "group", "start", "end", "kind", "key")

TABLE = "clips.csv"
"""Name of the table in the folder of the audio, where nothing else is said."""

_BETWEEN = re.compile(r"[|;]")
_KINDS = {"": "", "solo": SOLO, "solos": SOLO, "mix": MIX, "mixes": MIX}


class _Row(NamedTuple):
    clip: Clip
    there: bool
    grouped: bool
    evidence: Evidence
    named: tuple[str, ...]
    kind: str


def read_recordings(root: str | Path, labels: str | Path | None = None) -> ClipSet:
    """Read a folder of recordings and the table of what sounds in them.

    The classes are the eight families, all nodes that are present somewhere, and their ancestors.

    Args:
        root: The folder of the audio.
        labels: The table; where it does not lie at that path, the one below the folder. None is
            ``clips.csv`` in the folder.

    Raises:
        CorpusError: there is no table, a row cannot be used (the message names its line), or no recording is
            there.
    """
    folder = Path(root)
    table = _find_table(folder, labels)
    rows = _read(table, folder)
    kept = [row for row in rows if row.there]
    if not kept:
        raise none_there(table, [row.clip for row in rows], str(folder))
    classes = bound_labels(RECORDINGS, "Nodes of a table of recordings", _classes(kept))
    encoded = [classes.encode(row.evidence) for row in kept]
    return ClipSet(
        corpus=RECORDINGS,
        task=folder.resolve().name + ("" if table.name == TABLE else f"-{table.stem}"),
        classes=classes.names,
        clips=tuple(row.clip for row in kept),
        targets=np.stack([target for target, _ in encoded]),
        mask=np.stack([known for _, known in encoded]),
        label_set=classes,
        source=f"read by mixlab from {table.name}",
        notes=tuple(_notes(kept)),
        missing=tuple(row.clip.key for row in rows if not row.there),
        kinds=tuple(row.kind for row in kept),
        named=_named(kept),
    )


def _find_table(folder: Path, labels: str | Path | None) -> Path:
    if labels is None or Path(labels).is_file():
        return folder / TABLE if labels is None else Path(labels)
    return folder / labels


def _read(table: Path, folder: Path) -> list[_Row]:
    found = read_own_table(table, COLUMNS)
    said = f"{table}: expected the columns file and present (and, if known, {', '.join(COLUMNS[2:])})"
    if lacking := [name for name in COLUMNS[:2] if name not in found.header]:
        raise CorpusError(
            f"{said}; {lacking[0]} is not among {', '.join(found.header)}.", code="invalid-table"
        )
    if unknown := [name for name in found.header if name and name not in COLUMNS]:
        raise CorpusError(f"{said}; there is no use for {unknown[0]!r}.", code="invalid-table")
    if not found.rows:
        raise CorpusError(f"{table}: expected a row per clip, found none.", code="empty-table")
    audio = AudioFiles()
    rows = [
        _parse(f"{table}, row {row.number}", folder, dict(zip(found.header, row.cells, strict=True)), audio)
        for row in found.rows
    ]
    check_clips(table, found.rows, [row.clip for row in rows])
    return rows


def _parse(where: str, folder: Path, cells: Mapping[str, str], audio: AudioFiles) -> _Row:
    taxonomy = load_taxonomy()
    clip, there = clip_of(where, folder, cells, audio)
    present = _nodes(where, "present", cells)
    unknown = _nodes(where, "unknown", cells)
    single = [nodes[0] for nodes in present.values() if len(nodes) == 1]
    if both := [label for label, nodes in unknown.items() if set(nodes).intersection(single)]:
        raise CorpusError(
            f"{where}: {both[0]!r} is both present and unknown; leave it in one of the columns.",
            code="repeated-entry",
        )
    evidence = _evidence(taxonomy, list(present.values()), [n for nodes in unknown.values() for n in nodes])
    kind = _kind(where, cells.get("kind", ""), taxonomy, evidence)
    return _Row(clip, there, bool(cells.get("group")), evidence, tuple(single), kind)


def _nodes(where: str, column: str, cells: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return the nodes of every label of a cell: one of them is meant."""
    labels = dict.fromkeys(filter(None, map(str.strip, _BETWEEN.split(cells.get(column, "")))))
    return {label: _meant(where, column, label) for label in labels}


def _meant(where: str, column: str, label: str) -> tuple[str, ...]:
    if label == ANYTHING and column == "unknown":
        return (ANYTHING,)
    own, known = _names(), load_label_map("folder")
    for spelt in (label, label.replace("_", " ")):
        if node := own.get(normalise_label(spelt)):
            return (node,)
        if found := known.resolve(spelt):
            if found.ignored:
                raise CorpusError(
                    f"{where}: expected an instrument as {column}, found {label!r}, which is none "
                    f"({found.ignored}). Leave it out.",
                    code="unknown-label",
                )
            return found.nodes
    close = difflib.get_close_matches(normalise_label(label), own, n=1)
    hint = f"did you mean {own[close[0]]!r}?" if close else "'mixlab taxonomy' lists them."
    raise CorpusError(
        f"{where}: expected an instrument, a group or a family of the tree as {column}, found {label!r}; "
        f"{hint}",
        code="unknown-label",
    )


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    """Return the node of every id and every name, as ``normalise_label`` spells them."""
    nodes = load_taxonomy().nodes.values()
    by_name = {normalise_label(node.name): node.id for node in nodes}
    return by_name | {node.id: node.id for node in nodes} | {n.id.replace("-", " "): n.id for n in nodes}


def _evidence(taxonomy: Taxonomy, present: Sequence[Sequence[str]], unknown: Sequence[str]) -> Evidence:
    """Return what a row says: each label of ``present`` is one of its nodes; ``unknown`` may sound."""
    stems = [stem_evidence(taxonomy, nodes) for nodes in present]
    if ANYTHING in unknown:
        stems.append(stem_evidence(taxonomy, ()))
    elif unknown:
        stems.append(Evidence(frozenset(), frozenset().union(*map(taxonomy.possible, unknown))))
    return combine_evidence(stems)


def _kind(where: str, said: str, taxonomy: Taxonomy, evidence: Evidence) -> str:
    if said.casefold() not in _KINDS:
        raise CorpusError(
            f"{where}: expected solo or mix as kind, or nothing, found {said!r}.", code="invalid-table"
        )
    families = taxonomy.families
    sounding = len(evidence.present.intersection(families))
    alone = sounding == 1 and not evidence.unknown.intersection(families)
    return _KINDS[said.casefold()] or (MIX if sounding > 1 else SOLO if alone else "")


def _classes(rows: Sequence[_Row]) -> dict[str, tuple[str, ...]]:
    """Return the classes in the order of the tree, families first, each with its node."""
    taxonomy = load_taxonomy()
    held = {*taxonomy.families, *(node for row in rows for node in row.evidence.present)}
    below = [node for node in taxonomy.nodes if node in held and node not in taxonomy.families]
    return {taxonomy.nodes[node].name: (node,) for node in (*taxonomy.families, *below)}


def _named(rows: Sequence[_Row]) -> tuple[str, ...]:
    """Return the classes that rows name themselves, in the order of the tree; the rest are above them."""
    taxonomy = load_taxonomy()
    held = {node for row in rows for node in row.named}
    return tuple(node.name for node in taxonomy.nodes.values() if node.id in held)


def _notes(rows: Sequence[_Row]) -> Iterator[str]:
    if alone := len({row.clip.path for row in rows if not row.grouped}):
        yield (
            f"{alone} files without a group are each a group of their own: where several are from one "
            "recording, say so in the column 'group', so that intervals take them together"
        )
    if nothing := sum(not row.evidence.present for row in rows):
        yield f"{nothing} clips in which nothing is known to sound show what is absent"
    yield "what a row does not name is absent, unless it is unknown; a family does not say which of its kinds"
