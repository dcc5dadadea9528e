"""What indexing would make of a corpus's labels, before it is indexed: no audio is opened.

Labels that no map knows come with a guess. Whoever checked the guesses writes them as rows of a map
(``extra_rows``), which ``mixlab index --labels_extra`` takes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mixlab.catalog.scan import Row, open_roots, scan_all
from mixlab.corpora.base import Problem
from mixlab.taxonomy import LabelMap, load_label_map, load_taxonomy
from mixlab.utils.csv import csv_text

__all__ = ["LabelPreview", "LabelUse", "extra_rows", "preview_labels"]

LEFT_OUT = "left out when the folder was indexed"
"""Why a stem has no instrument whose label somebody chose to leave out."""


@dataclass(frozen=True)
class LabelUse:
    """A label as a corpus spells it, and what it becomes.

    Attributes:
        label: The label.
        stems: Stems that have it.
        example: One of them, as ``song/stem``.
        known: Whether a map lists it.
        nodes: Nodes of the instrument tree; of a label that is not known, a guess.
        ignored: Why it names no instrument; ''.
    """

    label: str
    stems: int
    example: str
    known: bool
    nodes: tuple[str, ...] = ()
    ignored: str = ""

    @property
    def meaning(self) -> str:
        """What it becomes, in words; '' where nobody knows."""
        nodes = load_taxonomy().nodes
        return " or ".join(nodes[node].name for node in self.nodes)


@dataclass(frozen=True)
class LabelPreview:
    """What a catalog of a corpus would hold.

    Attributes:
        corpus: Name of the corpus.
        folder: Its root.
        songs: Songs.
        stems: Stems.
        unlabelled: Stems to which neither the corpus nor the name of the file gives a label.
        labels: Every label, those that are not known first, then by their stems.
        problems: What is wrong with the tree and would be survived.
        notes: How the tree was read.
    """

    corpus: str
    folder: Path
    songs: int
    stems: int
    unlabelled: int
    labels: tuple[LabelUse, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]

    @property
    def unknown(self) -> tuple[LabelUse, ...]:
        """The labels that no map lists."""
        return tuple(use for use in self.labels if not use.known)


def preview_labels(corpus: str, folder: str | Path) -> LabelPreview:
    """Look at the labels of a corpus as ``build_catalog`` would.

    Args:
        corpus: Its kind, as for ``build_catalog``.
        folder: Its root.

    Raises:
        CorpusError: the root is missing or not laid out as such a corpus, or there is no such corpus.
    """
    roots = open_roots({corpus: folder}, {}, {})
    rows, problems, notes = scan_all(roots, raws=False, on_unmapped="ignore")
    (root,) = roots.values()
    label_map = load_label_map(root.adapter.label_map)
    return LabelPreview(
        corpus=corpus,
        folder=Path(folder),
        songs=len({row.entry.song for row in rows}),
        stems=len(rows),
        unlabelled=sum(not row.entry.labels for row in rows),
        labels=_uses(rows, label_map),
        problems=tuple(p for p in problems if p.kind != "unmapped-label"),
        notes=tuple(notes),
    )


def _uses(rows: Sequence[Row], label_map: LabelMap) -> tuple[LabelUse, ...]:
    counts, examples = Counter[str](), dict[str, str]()
    for row in rows:
        for label in dict.fromkeys((*row.entry.labels, *row.entry.bleed_labels)):
            counts[label] += 1
            examples.setdefault(label, f"{row.entry.song}/{row.entry.stem}")
    uses = [_use(label, stems, examples[label], label_map) for label, stems in counts.items()]
    return tuple(sorted(uses, key=lambda use: (use.known, -use.stems, use.label)))


def _use(label: str, stems: int, example: str, label_map: LabelMap) -> LabelUse:
    meaning = label_map.resolve(label)
    known = meaning is not None
    meaning = meaning or label_map.guess(label)
    if meaning is None:
        return LabelUse(label, stems, example, known)
    return LabelUse(label, stems, example, known, meaning.nodes, meaning.ignored or "")


def extra_rows(chosen: Mapping[str, Sequence[str]]) -> str:
    """Return the CSV with rows of one's own for labels that no map knows.

    Args:
        chosen: Nodes by label; none leave its stems out.
    """
    rows = [
        [label, "|".join(nodes), "" if nodes else LEFT_OUT, "chosen in the explorer"]
        for label, nodes in chosen.items()
    ]
    return csv_text([["label", "nodes", "ignored", "note"], *rows], exact=True)
