"""Find the libraries of recorded notes in folders, whatever their layout."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from mixlab.errors import CorpusError
from mixlab.synthesis.notes import hydrogen, pitch_folder, sfz, soundfont
from mixlab.synthesis.notes.library import Findings, NoteLibrary
from mixlab.synthesis.notes.named_notes import NSYNTH, PHILHARMONIA, TINYSOL

__all__ = ["LAYOUTS", "find_libraries"]


class Layout(NamedTuple):
    """How libraries of a kind are told from others, and read."""

    name: str
    claims: Callable[[Path], bool]
    read: Callable[[Path], Findings]


LAYOUTS: tuple[Layout, ...] = (
    Layout(hydrogen.LAYOUT, hydrogen.claims, hydrogen.read),
    Layout(sfz.LAYOUT, sfz.claims, sfz.read),
    Layout(soundfont.LAYOUT, soundfont.claims, soundfont.read),
    Layout(pitch_folder.LAYOUT, pitch_folder.claims, pitch_folder.read),
    *(Layout(each.layout, each.claims, each.read) for each in (NSYNTH, TINYSOL, PHILHARMONIA)),
)
"""Every layout that is known; the first that claims a folder reads it."""

_MAX_DEPTH = 12
_LICENCE_FILES = ("LICENCE.txt", "LICENSE.txt", "LICENSE", "LICENSE.md", "COPYING", "copyright")


def find_libraries(folders: Sequence[Path]) -> list[NoteLibrary]:
    """Return the libraries in the folders given, and in those below them, by their paths.

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
        raise CorpusError(
            f"Expected recorded notes below {shown}, found none in a layout that is known: {known}.",
            code="layout-not-found",
        )
    return libraries


def _below(folder: Path, depth: int) -> Iterator[NoteLibrary]:
    layout = next((each for each in LAYOUTS if each.claims(folder)), None)
    if layout is not None:
        found = layout.read(folder)
        licence = _licence(folder) or (hydrogen.licence(folder) if layout.name == hydrogen.LAYOUT else "")
        yield NoteLibrary(
            found.instruments[0].library if found.instruments else folder.name,
            folder,
            layout.name,
            licence,
            tuple(found.instruments),
            tuple(found.problems),
        )
    elif depth < _MAX_DEPTH:
        for inner in sorted(folder.iterdir()):
            if inner.is_dir() and not inner.name.startswith(".") and not inner.is_symlink():
                yield from _below(inner, depth + 1)


def _licence(folder: Path) -> str:
    """Return the first line of a licence's file in the folder or the one above it; '' where there is none."""
    for place in (folder, folder.parent):
        for name in _LICENCE_FILES:
            file = place / name
            if file.is_file():
                lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
                return next((line.strip()[:200] for line in lines if line.strip()), "")
    return ""
