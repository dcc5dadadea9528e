"""One preset of a SoundFont as a SoundFont of its own, which sounds the same and is read in no time.

The synthesizer reads all of a SoundFont for each part that it plays: of 140 MB most is never heard.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from mixlab.synthesis.soundfonts import COMPRESSED, ROM, read_parts

__all__ = ["font_excerpt"]

# Records of the SoundFont 2.04 specification, section 7.
_PRESET = np.dtype([("name", "V20"), ("program", "<u2"), ("bank", "<u2"), ("bag", "<u2"), ("rest", "V12")])
_INSTRUMENT = np.dtype([("name", "V20"), ("bag", "<u2")])
_BAG = np.dtype([("gen", "<u2"), ("mod", "<u2")])
_GENERATOR = np.dtype([("kind", "<u2"), ("amount", "<i2")])
_MODULATOR = np.dtype("V10")
_PLACES = ("start", "end", "loop_start", "loop_end")
_SAMPLE = np.dtype(
    [("name", "V20"), *((name, "<u4") for name in _PLACES), ("rate", "V6"), ("link", "<u2"), ("kind", "<u2")]
)

_DRUMS = 128
_INSTRUMENT_OF, _SAMPLE_OF = 41, 53
_MOVES = {0: 1, 1: 1, 2: 1, 3: 1, 4: 32768, 12: 32768, 45: 32768, 50: 32768}
"""Generators that move the places of a sample, and by how many samples each unit does."""

_NEAR = 64
"""Samples on both sides of one that are kept, as a synthesizer reads a little beyond its ends."""

_SOUND = "smpl"
_TABLES = ("phdr", "pbag", "pmod", "pgen", "inst", "ibag", "imod", "igen", "shdr")
_Parts = Mapping[str, np.ndarray]


def font_excerpt(path: Path, program: int, drum_kit: bool) -> bytes | None:
    """Return a SoundFont with what the synthesizer plays for a program of a SoundFont, and nothing else.

    Args:
        path: The SoundFont.
        program: MIDI program, or the number of a drum kit. For one that the file lacks the synthesizer plays
            its first drum kit, or the preset with the lowest bank and program.
        drum_kit: Of the drum bank.

    Returns:
        The file's content; None where the whole is needed, as it is no SoundFont of 16 bits in order, or has
        what the synthesizer treats in ways of its own: zones that name nothing, banks from 32768 on.
    """
    try:
        parts = read_parts(path)
        if not {_SOUND, *_TABLES} <= parts.keys() or "sm24" in parts:
            return None
        if parts[_SOUND][:4].tobytes() == b"OggS":  # an .sf3 by another name, which the synthesizer refuses
            return None
        return _excerpt(parts, program, drum_kit)
    except (IndexError, ValueError):
        # The synthesizer knows better what is wrong with it, and whether it matters.
        return None


def _excerpt(parts: _Parts, program: int, drum_kit: bool) -> bytes:
    presets = _records(parts, "phdr", _PRESET)
    chosen = _chosen(presets[:-1], program, drum_kit)
    of_presets = _level(presets, chosen, parts, "p", _INSTRUMENT_OF)
    instruments = _numbers(of_presets["pgen"], _INSTRUMENT_OF)
    of_instruments = _level(_records(parts, "inst", _INSTRUMENT), instruments, parts, "i", _SAMPLE_OF)
    samples = _numbers(of_instruments["igen"], _SAMPLE_OF)
    moved = sum(_farthest(each) for each in (of_presets["pgen"], of_instruments["igen"]))
    headers, sound = _samples(parts, samples, _NEAR + moved)
    info = {name: each for name, each in parts.items() if name not in (_SOUND, *_TABLES)}
    made = {"phdr": of_presets["head"], **of_presets, "inst": of_instruments["head"], **of_instruments}
    lists = (
        _list(b"INFO", info.items()),
        _list(b"sdta", [(_SOUND, sound)]),
        _list(b"pdta", [(name, made.get(name, headers)) for name in _TABLES]),
    )
    return _riff(b"RIFF", b"sfbk" + b"".join(lists))


def _records(parts: _Parts, name: str, kind: np.dtype) -> np.ndarray:
    return np.frombuffer(parts[name].tobytes(), kind)


def _chosen(presets: np.ndarray, program: int, drum_kit: bool) -> np.ndarray:
    """Return the numbers of the presets that the synthesizer takes for a program."""
    if (presets["bank"] >= 1 << 15).any():
        raise ValueError("a bank is beyond 32767")
    ids = presets["bank"].astype(np.int64) << 16 | presets["program"]
    for wanted in (_DRUMS << 16 | program, _DRUMS << 16) if drum_kit else (program,):
        if (ids == wanted).any():
            return np.flatnonzero(ids == wanted)
    return np.flatnonzero(ids == ids.min())


def _level(
    heads: np.ndarray, chosen: np.ndarray, parts: _Parts, level: str, naming: int
) -> dict[str, np.ndarray]:
    """Return the records of chosen presets (``p``) or instruments (``i``), with marks of the end.

    A zone without the generator ``naming`` is one for all others, and so the first of several.
    """
    tables = {
        name: _records(parts, level + name, kind)
        for name, kind in (("bag", _BAG), ("gen", _GENERATOR), ("mod", _MODULATOR))
    }
    bags, kept = tables["bag"], {name: [each[:0]] for name, each in tables.items()}
    firsts, count = [], {"bag": 0, "gen": 0, "mod": 0}
    for number in chosen:
        first, stop = int(heads["bag"][number]), int(heads["bag"][number + 1])
        named = [
            naming in tables["gen"]["kind"][bags["gen"][n] : bags["gen"][n + 1]] for n in range(first, stop)
        ]
        if not (named and named[-1] and all(named[1:])):
            raise ValueError(f"{level}bag has a zone that names nothing")
        firsts.append(count["bag"])
        moved = bags[first:stop].copy()
        for name in ("gen", "mod"):
            begin, end = int(bags[name][first]), int(bags[name][stop])
            if not begin <= end <= len(tables[name]):
                raise ValueError(f"{level}{name} ends at {len(tables[name])}, not at {end}")
            moved[name] += np.uint16(count[name] - begin & 0xFFFF)
            kept[name].append(tables[name][begin:end])
            count[name] += end - begin
        kept["bag"].append(moved)
        count["bag"] += stop - first
    head = heads[[*chosen, len(heads) - 1]]
    head["bag"] = [*firsts, count["bag"]]
    kept["bag"].append(np.array([(count["gen"], count["mod"])], _BAG))
    for name, kind in (("gen", _GENERATOR), ("mod", _MODULATOR)):
        kept[name].append(np.zeros(1, kind))
    return {"head": head, **{level + name: np.concatenate(each) for name, each in kept.items()}}


def _numbers(generators: np.ndarray, kind: int) -> np.ndarray:
    """Return what generators of a kind name, and have them name these by their order."""
    named = generators["kind"] == kind
    numbers, order = np.unique(generators["amount"][named].astype(np.uint16), return_inverse=True)
    generators["amount"][named] = order
    return numbers.astype(np.int64)


def _farthest(generators: np.ndarray) -> int:
    """Return by how many samples generators move a place at most."""
    sizes = np.abs(generators["amount"].astype(np.int64))
    return sum(int(sizes[generators["kind"] == kind].max(initial=0)) * unit for kind, unit in _MOVES.items())


def _samples(parts: _Parts, chosen: np.ndarray, near: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the headers of chosen samples, with a mark of the end, and the samples, with what is near."""
    headers, data = _records(parts, "shdr", _SAMPLE), parts["smpl"]
    data = data[: len(data) // 2 * 2].view("<i2")
    kept = headers[[*chosen, len(headers) - 1]]
    if (kept["kind"][:-1] & (COMPRESSED | ROM)).any():
        raise ValueError("a sample is compressed, or not in the file")
    sounds, at = [], 0
    for header in kept[:-1]:
        first = max(min(int(header[name]) for name in _PLACES) - near, 0)
        stop = max(int(header[name]) for name in _PLACES)
        if stop > len(data):
            raise ValueError(f"smpl ends at {len(data)}, not at {stop}")
        sounds.append(data[first : stop + near])
        for name in _PLACES:
            header[name] = int(header[name]) - first + at
        at += len(sounds[-1])
        if at > len(data) + 2 * _NEAR * len(kept):
            raise ValueError("its samples overlap by more than all of them")
    links = np.searchsorted(chosen, kept["link"][:-1])
    there = np.isin(kept["link"][:-1], chosen)
    kept["link"][:-1] = np.where(there, links, 0)
    return kept, np.concatenate(sounds) if sounds else data[:0]


def _list(kind: bytes, parts: Iterable[tuple[str, np.ndarray]]) -> bytes:
    content = b"".join(_riff(name.encode("latin-1"), each.tobytes()) for name, each in parts)
    return _riff(b"LIST", kind + content)


def _riff(name: bytes, content: bytes) -> bytes:
    return name + len(content).to_bytes(4, "little") + content + bytes(len(content) % 2)
