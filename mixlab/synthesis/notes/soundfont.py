"""SoundFonts (.sf2) as libraries: their presets, which the synthesizer plays."""

import re
import struct
from pathlib import Path

from mixlab.synthesis.notes.library import Findings, NoteInstrument, resolve_name
from mixlab.synthesis.soundfonts import read_parts

__all__ = ["LAYOUT", "claims", "read"]

LAYOUT = "SoundFont"
_PRESET = struct.Struct("<20sHHHIII")  # sfPresetHeader of the SoundFont 2.04 specification, section 7.2
_DRUMS = 128


def claims(folder: Path) -> bool:
    """Tell whether the folder holds SoundFonts."""
    return any(folder.glob("*.sf2"))


def read(folder: Path) -> Findings:
    """Read the presets of a folder's SoundFonts: its drum kits, and those whose names mean an instrument."""
    found = Findings()
    for path in sorted(folder.glob("*.sf2")):
        try:
            presets = _presets(path)
        except (OSError, ValueError) as error:
            found.problem(path, f"no SoundFont: {error}")
            continue
        for name, bank, program in presets:
            meaning = resolve_name(_drums(name) if bank == _DRUMS else name)
            if meaning is None or meaning.ignored or bank not in (0, _DRUMS):
                found.problem(path, f"preset {bank}:{program} {name!r} means no instrument that is known")
                continue
            # Files of one drum kit often have it in the first bank.
            drums = bank == _DRUMS or meaning.nodes == ("drums",)
            found.instruments.append(
                NoteInstrument(path.stem, name, meaning.nodes, kit=drums, soundfont=(path, program, drums))
            )
    return found


def _drums(name: str) -> str:
    """Return what a preset of the drum bank is: a drum set, or what its own name says."""
    if re.search(r"[78]0[789]|electr|techno|dance|analog|house|hip.?hop|machine", name, re.IGNORECASE):
        return "drum machine"
    return (
        name if re.search(r"orch|fx|ethnic|percussion|latin|brush hits", name, re.IGNORECASE) else "drum set"
    )


def _presets(path: Path) -> list[tuple[str, int, int]]:
    """Return name, bank and program of each preset."""
    data = read_parts(path).get("phdr")
    if data is None:
        raise ValueError("it has no phdr chunk")
    presets = []
    # The last header is a mark of the end.
    headers = data.tobytes()
    for at in range(0, len(headers) - 2 * _PRESET.size + 1, _PRESET.size):
        name, program, bank, *_ = _PRESET.unpack_from(headers, at)
        presets.append((name.partition(b"\0")[0].decode("latin-1").strip(), bank, program))
    return presets
