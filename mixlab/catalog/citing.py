"""What to cite for the corpora of a catalog, under which licences they are, and what of it is not known."""

import sys
from collections import Counter
from dataclasses import dataclass
from importlib import import_module

from mixlab.catalog.catalog import Catalog
from mixlab.corpora import folder, get_adapter
from mixlab.corpora.base import Adapter
from mixlab.corpora.via_mirdata import PREFIX
from mixlab.errors import ConfigError, CorpusError, MissingDependencyError
from mixlab.utils.bibtex import Reference, is_bibtex, read_bibtex

__all__ = ["CorpusCitation", "cite_corpora", "references"]


@dataclass(frozen=True)
class CorpusCitation:
    """What to cite for one corpus of a catalog.

    Attributes:
        corpus: Its name in the catalog.
        songs: How many songs of it are there.
        stems: How many stems.
        citation: BibTeX, or a sentence; '' where nothing is known.
        licences: Licences as the rows of the stems say, with the number of stems; without those of which
            none is known.
        unlicensed: Number of stems of which no licence is known.
        note: What else to know, or ''.
        unknown: Why there is no citation, or ''.
    """

    corpus: str
    songs: int
    stems: int
    citation: str
    licences: tuple[tuple[str, int], ...]
    unlicensed: int
    note: str = ""
    unknown: str = ""


def references(citation: str) -> list[Reference]:
    """Return the entries of a citation; none where it is a sentence or cannot be read as BibTeX."""
    return read_bibtex(citation) if is_bibtex(citation) else []


def cite_corpora(catalog: Catalog) -> list[CorpusCitation]:
    """Return what to cite for each corpus of a catalog, those with stems in it, by name."""
    corpora, songs, licences = (catalog.column(name) for name in ("corpus", "song", "licence"))
    found = []
    for name in sorted(set(corpora)):
        rows = [row for row, corpus in enumerate(corpora) if corpus == name]
        counts = Counter(str(licences[row]).strip() for row in rows)
        unlicensed = counts.pop("", 0) + counts.pop(folder.LICENCE, 0)
        citation, note, unknown = _of_adapter(name)
        found.append(
            CorpusCitation(
                corpus=name,
                songs=len({songs[row] for row in rows}),
                stems=len(rows),
                citation=citation,
                licences=tuple(sorted(counts.items(), key=lambda each: (-each[1], each[0]))),
                unlicensed=unlicensed,
                note=note,
                unknown=unknown,
            )
        )
    return found


def _of_adapter(corpus: str) -> tuple[str, str, str]:
    """Return citation and note of a corpus, and why there is no citation where there is none."""
    kind = corpus.partition("@")[0]
    if kind == folder.NAME:
        return "", "", "a folder of one's own: cite where its recordings are from"
    if kind.startswith(f"{PREFIX}:"):
        return _of_mirdata(kind.partition(":")[2])
    try:
        adapter: Adapter = get_adapter(kind)
    except (CorpusError, ConfigError, MissingDependencyError):
        return "", "", f"no adapter {kind!r} is installed here that could say it: ask whoever wrote it"
    return adapter.citation.strip(), str(getattr(adapter, "citing_note", "")), ""


def _of_mirdata(dataset: str) -> tuple[str, str, str]:
    try:
        module = import_module(f"mirdata.datasets.{dataset}")
    except ImportError:
        missing = "mirdata" not in sys.modules
        why = "mirdata, which knows it, is not installed here: pip install 'mixlab[corpora]'"
        return "", "", why if missing else f"the mirdata that is installed here has no dataset {dataset!r}"
    citation = str(getattr(module, "BIBTEX", "")).strip()
    return citation, "", "" if citation else f"mirdata states no reference for {dataset!r}"
