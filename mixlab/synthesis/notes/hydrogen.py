"""Drum kits of the drum machine Hydrogen: ``drumkit.xml`` with instruments of velocity layers."""

from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

from mixlab.synthesis.notes.library import Findings, RecordedNote
from mixlab.synthesis.notes.pieces import piece_of

__all__ = ["FILE", "LAYOUT", "claims", "licence", "read"]

LAYOUT = "Hydrogen drum kit"
FILE = "drumkit.xml"
_LARGEST = 16 << 20


def claims(folder: Path) -> bool:
    """Tell whether the folder is a kit."""
    return (folder / FILE).is_file()


def _root(folder: Path) -> ElementTree.Element:
    """Return the kit's description; namespaces are taken off.

    Raises:
        ValueError: it is too large, has a document type of its own, or is no XML.
    """
    data = (folder / FILE).read_bytes()
    # Entities of one's own can stand for more than memory holds, and no kit needs any.
    if len(data) > _LARGEST or b"<!DOCTYPE" in data[:4096] or b"<!ENTITY" in data:
        raise ValueError("it is too large, or declares entities")
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise ValueError(f"it is no XML ({error})") from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def licence(folder: Path) -> str:
    """Return what the kit says of its licence; '' where nothing."""
    try:
        return " ".join((_root(folder).findtext("license") or "").split())
    except (OSError, ValueError):
        return ""


def read(folder: Path) -> Findings:
    """Read a kit: the drum set, and each kind of small percussion in it, as instruments."""
    found = Findings()
    try:
        root = _root(folder)
    except (OSError, ValueError) as error:
        found.problem(folder / FILE, str(error))
        return found
    owned: dict[str, list[RecordedNote]] = defaultdict(list)
    taken: dict[tuple[int, str], int] = defaultdict(int)
    for instrument in root.iter("instrument"):
        name = instrument.findtext("name") or ""
        if (piece := piece_of(name)) is None:
            found.problem(folder / FILE, f"piece {name!r} is none that is known, and is left out")
            continue
        notes = list(_layers(folder, instrument, piece[0], taken[piece], found))
        taken[piece] += bool(notes)
        owned[piece[1]] += notes
    for owner, notes in sorted(owned.items()):
        if owner == "drums":
            pieces = {round(note.pitch) for note in notes}
            if {36, 42} <= pieces and pieces & {38, 40}:
                found.add(folder.name, f"kit {folder.name}", _one_take(notes), kit=True)
        else:
            found.add(folder.name, owner, notes, kit=True)
    return found


def _one_take(notes: list[RecordedNote]) -> list[RecordedNote]:
    """Keep one drum of each piece: another kick is another sound, not another take of this one."""
    return [note for note in notes if note.turn == 0]


def _layers(
    folder: Path, instrument: ElementTree.Element, piece: int, turn: int, found: Findings
) -> list[RecordedNote]:
    layers = list(instrument.iter("layer")) or [instrument]
    notes = []
    for layer in layers:
        name = layer.findtext("filename")
        if not name:
            continue
        path = folder / name
        if not path.is_file():
            found.problem(path, "the kit names it, and there is no such file")
            continue
        try:
            low, high = (float(layer.findtext(key) or end) for key, end in (("min", 0.0), ("max", 1.0)))
        except ValueError as error:
            found.problem(path, f"its layer cannot be read: {error}")
            continue
        softest, loudest = max(1, round(127 * low)), min(127, round(127 * high))
        if softest <= loudest:
            notes.append(RecordedNote(path, piece, piece, piece, softest, loudest, turn))
    return notes
