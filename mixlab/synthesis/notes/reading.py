"""Find the libraries of recorded notes in folders, whatever their layout."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from mixlab.errors import CorpusError
from mixlab.synthesis.notes import hydrogen, pitch_folder, sfz, soundfont
from mixlab.synthesis.notes.files import named_folder
from mixlab.synthesis.notes.library import Findings, NoteLibrary
from mixlab.synthesis.notes.licences import licence_of
from mixlab.synthesis.notes.named_notes import NSYNTH, PHILHARMONIA, TINYSOL

__all__ = ["LAYOUTS", "find_libraries"]


def _nothing(_folder: Path) -> str:
    return ""


class Layout(NamedTuple):
    """How libraries of a kind are told from others, and read.

    Attributes:
        name: What it is called.
        claims: Whether a folder is a library of this kind.
        read: Reads one.
        too_few: Why a folder that is none is passed over though it has such files, '' where it has none.
    """

    name: str
    claims: Callable[[Path], bool]
    read: Callable[[Path], Findings]
    too_few: Callable[[Path], str] = _nothing


LAYOUTS: tuple[Layout, ...] = (
    Layout(hydrogen.LAYOUT, hydrogen.claims, hydrogen.read),
    Layout(sfz.LAYOUT, sfz.claims, sfz.read),
    Layout(soundfont.LAYOUT, soundfont.claims, soundfont.read),
    Layout(pitch_folder.LAYOUT, pitch_folder.claims, pitch_folder.read, pitch_folder.too_few),
    *(Layout(each.layout, each.claims, each.read, each.too_few) for each in (NSYNTH, TINYSOL, PHILHARMONIA)),
)
"""Every layout that is known; the first that claims a folder reads it."""

_MAX_DEPTH = 12
_SHOWN = 3


def find_libraries(folders: Sequence[Path]) -> list[NoteLibrary]:
    """Return the libraries in the folders given, and in those below them, by their paths.

    A folder with too few notes for a library is there as one without instruments, whose problem says so.

    Raises:
        CorpusError: a folder is missing, or none of them holds a library.
    """
    for folder in folders:
        if not folder.is_dir():
            raise CorpusError(
                f"Expected a folder of recorded notes at {folder}, found none. Check --notes.",
                code="root-not-found",
            )
    libraries = [each for folder in folders for each in _below(folder.resolve(), 0)]
    if folders and not any(each.instruments for each in libraries):
        known = ", ".join(layout.name for layout in LAYOUTS)
        shown = ", ".join(map(str, folders))
        problems = [f" {path}: {message}." for library in libraries for path, message in library.problems]
        passed = "".join(problems[:_SHOWN])
        raise CorpusError(
            f"Expected recorded notes below {shown}, found none in a layout that is known: {known}.{passed}",
            code="layout-not-found",
        )
    return libraries


def _below(folder: Path, depth: int) -> Iterator[NoteLibrary]:
    layout = next((each for each in LAYOUTS if each.claims(folder)), None)
    if layout is not None:
        found = layout.read(folder)
        names = {each.library for each in found.instruments}
        several = len(names) > 1
        name = named_folder(folder).name if several else next(iter(names), folder.name)
        own = hydrogen.licence(folder) if layout.name == hydrogen.LAYOUT else ""
        yield NoteLibrary(
            name,
            folder,
            layout.name,
            licence_of(folder, own, hydrogen.FILE),
            tuple(replace(each, within=name) if several else each for each in found.instruments),
            tuple(found.problems),
        )
        return
    for passed in LAYOUTS:
        if message := passed.too_few(folder):
            yield NoteLibrary(folder.name, folder, passed.name, "", (), ((str(folder), message),))
    if depth < _MAX_DEPTH:
        for inner in sorted(folder.iterdir()):
            if inner.is_dir() and not inner.name.startswith(".") and not inner.is_symlink():
                yield from _below(inner, depth + 1)
