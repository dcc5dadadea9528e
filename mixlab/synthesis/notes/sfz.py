"""SFZ instruments: a text file of regions, each a sample with the keys and velocities that it plays.

Known opcodes: ``sample``, ``default_path``, ``key``, ``lokey``, ``hikey``, ``pitch_keycenter``, ``lovel``,
``hivel``, ``seq_position``, ``loop_mode``, ``loop_start``, ``loop_end``, ``ampeg_release``, ``volume``,
``tune``, ``transpose``, ``offset``, ``trigger``, and ``#define``. Regions that sound on release, and keys
further than a minor third from the recorded pitch, are left out.
"""

import re
from pathlib import Path

from mixlab.synthesis.notes.library import SPREAD, Findings, RecordedNote
from mixlab.synthesis.notes.pitches import midi_pitch

__all__ = ["LAYOUT", "claims", "read"]

LAYOUT = "SFZ"
_LINE_COMMENT = re.compile(r"//[^\n]*")
_BLOCK_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_DEFINE = re.compile(r"^\s*#define\s+(\$\w+)\s+(\S+)\s*$", re.MULTILINE)
_HEADER = re.compile(r"<(\w+)>")
_OPCODE = re.compile(r"(?:^|\s)([\w$]+)=")
_LEVELS = ("global", "master", "group", "region")


def claims(folder: Path) -> bool:
    """Tell whether the folder holds SFZ files."""
    return any(folder.glob("*.sfz"))


def read(folder: Path) -> Findings:
    """Read each SFZ file of a folder as an instrument."""
    found = Findings()
    for path in sorted(folder.glob("*.sfz")):
        try:
            regions = _regions(path.read_text(encoding="utf-8", errors="replace"))
        except OSError as error:
            found.problem(path, f"cannot be read: {error}")
            continue
        notes = []
        for region in regions:
            note = _note(path.parent, region, found)
            if note is not None:
                notes.append(note)
        if notes:
            found.add(folder.name, path.stem, notes, kit=_is_kit(notes, path.stem))
        else:
            found.problem(path, "no region of it can be played")
    return found


def _is_kit(notes: list[RecordedNote], name: str) -> bool:
    alone = all(note.low == note.high == round(note.pitch) for note in notes)
    return alone and re.search(r"drum|kit|perc", name, re.IGNORECASE) is not None


def _regions(text: str) -> list[dict[str, str]]:
    """Return the opcodes of every region, with what its groups and the file set for all."""
    text = _LINE_COMMENT.sub("", _BLOCK_COMMENT.sub("", text))
    for name, value in sorted(_DEFINE.findall(text), key=lambda each: -len(each[0])):
        text = text.replace(name, value)
    text = _DEFINE.sub("", text)
    parts = _HEADER.split(text)
    held: dict[str, dict[str, str]] = {}
    control: dict[str, str] = {}
    regions = []
    for header, body in zip(parts[1::2], parts[2::2], strict=True):
        opcodes = _opcodes(body)
        if header == "control":
            control.update(opcodes)
        elif header in _LEVELS:
            level = _LEVELS.index(header)
            held[header] = opcodes
            for inner in _LEVELS[level + 1 :]:
                held.pop(inner, None)
            if header == "region":
                merged = dict(control)
                for name in _LEVELS:
                    merged.update(held.get(name, {}))
                regions.append(merged)
    return regions


def _opcodes(body: str) -> dict[str, str]:
    """Return the opcodes of a section; a value may hold blanks (``sample=My Piano C4.wav``)."""
    marks = list(_OPCODE.finditer(body))
    ends = [*(mark.start() for mark in marks[1:]), len(body)]
    found = {}
    for mark, end in zip(marks, ends, strict=True):
        found[mark[1]] = body[mark.end() : end].split("\n")[0].strip()
    return found


def _key(text: str) -> int:
    pitch = midi_pitch(text)
    return pitch if pitch is not None else int(text)


def _note(folder: Path, region: dict[str, str], found: Findings) -> RecordedNote | None:
    sample = region.get("sample", "")
    if not sample or sample.startswith("*") or region.get("trigger", "attack") not in ("attack", "first"):
        return None
    path = folder / (region.get("default_path", "") + sample).replace("\\", "/")
    if not path.is_file():
        found.problem(path, "an SFZ file names it, and there is no such file")
        return None
    try:
        return _played(path, region)
    except ValueError as error:
        found.problem(path, f"an opcode of its region cannot be read: {error}")
        return None


def _played(path: Path, region: dict[str, str]) -> RecordedNote | None:
    key = region.get("key")
    low = _key(region.get("lokey", key or "0"))
    high = _key(region.get("hikey", key or "127"))
    centre = _key(region.get("pitch_keycenter", key or "60"))
    pitch = centre - int(region.get("transpose", "0")) - float(region.get("tune", "0")) / 100.0
    low, high = max(low, round(pitch) - SPREAD), min(high, round(pitch) + SPREAD)
    if low > high:
        return None
    loop = None
    if region.get("loop_mode", "").startswith("loop") and "loop_end" in region:
        loop = (int(region.get("loop_start", "0")), int(region["loop_end"]))
    release = region.get("ampeg_release")
    return RecordedNote(
        path,
        pitch,
        low,
        high,
        softest=max(1, int(region.get("lovel", "1"))),
        loudest=int(region.get("hivel", "127")),
        turn=int(region.get("seq_position", "1")) - 1,
        gain_db=float(region.get("volume", "0")),
        start=int(region.get("offset", "0")),
        loop=loop,
        release_s=float(release) if release else None,
    )
