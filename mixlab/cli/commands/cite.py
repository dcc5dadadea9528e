"""``mixlab cite``: what to cite for mixlab, and for what a catalog holds."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mixlab import __version__
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.citing import CorpusCitation, cite_corpora, references
from mixlab.cli.commands.options import parse_pairs
from mixlab.studies.papers import PAPERS
from mixlab.synthesis.made_here import NOT_KNOWN, MadeHere, made_here
from mixlab.utils.remote import RemotePath

if TYPE_CHECKING:
    from mixlab.training.run import Run

__all__ = ["MIXLAB", "cite"]

MIXLAB = f"""
@software{{mixlab,
  author = {{{{The mixlab contributors}}}},
  title = {{mixlab: endless, exactly labelled training mixes from multitrack recordings}},
  version = {{{__version__}}},
  year = {{2026}},
  license = {{MIT}},
}}
"""


@dataclass
class _Section:
    """What is said of one thing: its heading, references, facts, and what of it is not known."""

    head: str
    citation: str = ""
    facts: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def cite(
    catalog: Path | None = None,
    run: Path | None = None,
    format: Literal["text", "bibtex"] = "text",
    root: list[str] | None = None,
) -> int:
    """Print what to cite for mixlab and for what a catalog holds, with licences and with what is not known.

    Of each corpus: its reference, and the licences that the rows of its stems state. Songs that mixlab made
    itself (composed, or demo corpora in the layout of a real one) are told by the record beside them: then it
    is the libraries and SoundFonts that played them whose licences hold. Without a catalog: mixlab, and the
    papers whose experiments it repeats. What is not known is said in lines of its own; nothing is guessed.

    Args:
        catalog: Catalog folder, as 'mixlab index' makes it.
        run: A run, for the published weights that it started from, was taught by, or is made of.
        format: text, or bibtex for an entry each, with all else as comments.
        root: Where a corpus lies now, as NAME=FOLDER, if it has moved since indexing.
    """
    sections = [_Section("mixlab", MIXLAB, ["licence: MIT"])]
    if catalog is None and run is None:
        undated = [entry.key for entry in references(PAPERS) if "year" not in entry.fields]
        unknown = [f"the year of {key}: its text does not say" for key in undated]
        sections.append(_Section("papers whose experiments mixlab repeats", PAPERS, unknown=unknown))
    if catalog is not None:
        opened = Catalog.open(catalog, roots=parse_pairs(root, "--root"))
        sections += [_of_corpus(each, _made(opened, each.corpus)) for each in cite_corpora(opened)]
    if run is not None:
        sections += _of_run(run)
    print("\n".join(_text(sections) if format == "text" else _bibtex(sections)))
    return 0


def _made(opened: Catalog, corpus: str) -> MadeHere | str | None:
    """Return what made the songs of a corpus, a text where its root cannot be looked at, None for others."""
    place = opened.roots[corpus]
    if isinstance(place, RemotePath):
        return "its root is a URL"
    return made_here(place) if place.is_dir() else "its root is not there"


def _of_corpus(found: CorpusCitation, made: MadeHere | str | None) -> _Section:
    section = _Section(f"{found.corpus}: {found.songs} songs, {found.stems} stems")
    if isinstance(made, MadeHere):
        section.facts.append(
            f"made by {made.command}: nothing of it is from another corpus, in whose layout it may be"
        )
        section.facts += [f"sound of {name}: {licence or NOT_KNOWN}" for name, licence in made.sounds]
        section.unknown += [
            f"the licence of {name}, which played {found.corpus}: "
            f"{licence.removeprefix(NOT_KNOWN).strip(', ') or 'see its source'}"
            for name, licence in made.sounds
            if not licence or licence.startswith(NOT_KNOWN)
        ]
        section.unknown += [f"what played {found.corpus}: {made.fault}"] if made.fault else []
        return section
    section.citation = found.citation
    section.facts += [f"licence: {licence} ({stems} stems)" for licence, stems in found.licences]
    section.facts += [found.note] if found.note else []
    section.unknown += [f"what to cite for {found.corpus}: {found.unknown}"] if found.unknown else []
    if found.unlicensed:
        section.unknown.append(f"the licence of {found.unlicensed} of {found.stems} stems of {found.corpus}")
    if isinstance(made, str):
        section.unknown.append(f"whether mixlab made {found.corpus} itself: {made}")
    return section


def _of_run(path: Path) -> Iterator[_Section]:
    """Yield what to cite for weights: those that a run started from, was taught by, or is made of."""
    from mixlab.training.run import Run

    run = Run.open(path)
    card: Mapping[str, Any] = run.card
    if "ensemble" in card:
        yield from _of_members(run)
        return
    started, teacher = card.get("pretrained_file"), card.get("teacher")
    if started is None and "classifier" in card:
        yield _Section(f"run {path}", facts=["it is a baseline without published weights: nothing to cite"])
    elif started is None:
        yield _Section(f"run {path}", facts=["it started from random weights: nothing to cite for them"])
    while started is not None:
        yield _of_weights(started, f"from which {path} started")
        started = started.get("started_from")
    if teacher is not None:
        yield _of_weights(teacher, f"which taught {path}")


def _of_members(run: "Run") -> Iterator[_Section]:
    """Yield what to cite for the members of an ensemble: published weights, or runs."""
    from mixlab.inference.ensemble import ensemble_members
    from mixlab.models.pretrained import CHECKPOINTS

    for place, sha256 in ensemble_members(run):
        known = next((entry for entry in CHECKPOINTS.values() if entry.sha256 == sha256), None)
        if known is None and (Path(place) / "run.json").is_file():
            yield from _of_run(Path(place))
        else:
            facts = {"known_as": None if known is None else known.name, "path": place}
            yield _of_weights(facts, f"of which {run.path} is made")


def _of_weights(facts: Mapping[str, Any], how: str) -> _Section:
    from mixlab.models.checkpoint_references import checkpoint_references
    from mixlab.models.pretrained import CHECKPOINTS

    name, path = facts.get("known_as"), facts.get("path")
    entry = CHECKPOINTS.get(str(name))
    section = _Section(f"weights {name or path}, {how}")
    if entry is None:
        section.unknown.append(f"what to cite for the weights {path}: no published file")
        return section
    section.citation = checkpoint_references(entry)
    section.facts += [
        f"project: {entry.project or 'mixlab'}",
        f"licence: code {entry.licence_code}; weights {entry.licence_weights}",
        f"data: {entry.trained_on}",
    ]
    return section


def _text(sections: list[_Section]) -> list[str]:
    lines: list[str] = []
    for section in sections:
        entries = references(section.citation)
        said = [entry.line() for entry in entries] or [section.citation]
        lines += [section.head, *(f"  {text}" for text in (*said, *section.facts) if text), ""]
    missing = [text for section in sections for text in section.unknown]
    lines += ["not known", *(f"  {text}" for text in missing)] if missing else ["not known: nothing"]
    return lines


def _bibtex(sections: list[_Section]) -> list[str]:
    lines: list[str] = []
    known: set[str] = set()
    for section in sections:
        entries = references(section.citation)
        notes = [] if entries or not section.citation else [section.citation]
        notes += [*section.facts, *(f"not known: {text}" for text in section.unknown)]
        lines += [_comment(text) for text in (section.head, *notes)]
        lines += [entry.bibtex() for entry in entries if entry.key not in known]
        known |= {entry.key for entry in entries}
        lines += [] if entries else [""]
    return lines


def _comment(text: str) -> str:
    """Return a line that BibTeX passes over: an at sign would begin an entry."""
    return "% " + " ".join(text.split()).replace("@", "(at)")
