"""Write songs as Mixing Secrets lays them out, with its habits.

Drums, loops, synths and effects are summed (sum / n) into ``<id>_STEM_<group>.wav``; every other stem
keeps its raw file's name; files are mono or stereo, and some songs have 24 bits. There is no mix: the
library offers a preview MP3 instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixlab.synthesis.instruments import INSTRUMENTS
from mixlab.synthesis.medley_layout import TAIL_S, song_sheet, write_sheet
from mixlab.synthesis.plan import SongPlan
from mixlab.synthesis.stems import (
    RenderedSong,
    add_bleed,
    break_file,
    render_pieces,
    render_song,
    to_pcm,
    write_audio,
)

__all__ = ["broken_secrets_file", "write_secrets_song"]

FloatArray = NDArray[np.float32]
# Recorded in stereo; everything else is one microphone.
_STEREO = frozenset(
    {
        "piano",
        "choir",
        "vocalists",
        "harp",
        "violin section",
        "cello section",
        "synth pad",
        "synth lead",
        "fx",
    }
)
_KITS = ("drum set", "drum machine")
_WORDS = {"kick": "Kick", "snare": "Snare", "hihat": "HiHat", "tom": "Tom", "overheads": "Overheads"}


@dataclass(frozen=True)
class _Stem:
    """A stem's file: its name, its group ('' for a file of its own), and the parts on it."""

    name: str
    group: str
    parts: tuple[int, ...]


def broken_secrets_file(plan: SongPlan) -> str:
    """Return the path of the song's damaged file, relative to the corpus root; '' if it has none."""
    return f"{plan.id}/{plan.id}_STEMS/{_stem_files(plan)[-1].name}" if plan.broken else ""


def write_secrets_song(plan: SongPlan, folder: Path, seconds: float, soundfont: Path) -> None:
    """Write one song's folder: stems, metadata, and raws where the plan asks for them."""
    names = [part.instrument for part in plan.ensemble.parts]
    channels = [2 if plan.ensemble.live or name in _STEREO else 1 for name in names]
    # Kits are rendered piece by piece.
    kits = [k for k, name in enumerate(names) if name in _KITS]
    song = render_song(plan, seconds, soundfont, channels, TAIL_S, skip=kits)
    if plan.ensemble.live:
        leaking = add_bleed(song.stems, np.random.default_rng([*plan.seed, 6]))
        song = RenderedSong(song.composition, leaking)
    subtype = "PCM_24" if plan.number % 3 == 1 else "PCM_16"
    entries: dict[str, Any] = {}
    number = 1
    for s, stem in enumerate(_stem_files(plan), start=1):
        tracks = _tracks(plan, stem, song, seconds, soundfont, number)
        number += len(tracks)
        # The script that made the real stems summed the raw files and divided by their number.
        audio = np.sum(list(tracks.values()), axis=0) / np.float32(len(tracks))
        write_audio(folder / f"{plan.id}_STEMS" / stem.name, to_pcm(audio, subtype), subtype)
        if plan.raws:
            for filename, track in tracks.items():
                write_audio(folder / f"{plan.id}_RAW" / filename, to_pcm(track, subtype), subtype)
        entries[f"S{s:02d}"] = _entry(plan, stem, list(tracks))
    if plan.ensemble.live:
        name = "01_Pair_OverheadORTF.wav"
        everything = np.sum(song.stems, axis=0) * np.float32(0.6)
        write_audio(folder / f"{plan.id}_STEMS" / name, to_pcm(everything, subtype), subtype)
        raw = {"R01": {"filename": name, "instrument": "Pair_OverheadORTF"}}
        last = {"component": "", "filename": name, "instrument": "main system", "raw": raw}
        entries[f"S{len(entries) + 1:02d}"] = last
    _write_metadata(plan, folder, entries)
    if plan.broken:
        break_file(folder / Path(broken_secrets_file(plan)).relative_to(plan.id), plan.broken)


def _write_metadata(plan: SongPlan, folder: Path, entries: dict[str, Any]) -> None:
    """Write the metadata as this corpus fills it in: most fields empty, names run together."""
    blank = dict.fromkeys(("album", "composer", "genre", "producer", "website"), "")
    artist, title = plan.id.split("_")
    fields = {
        "artist": artist,
        "title": title,
        "origin": "Mixing Secrets",
        "instrumental": "no",
        "version": "3.0",
    }
    write_sheet(folder, plan, song_sheet(plan, entries, **blank, **fields))


def _entry(plan: SongPlan, stem: _Stem, filenames: Sequence[str]) -> dict[str, Any]:
    labels = list(dict.fromkeys(INSTRUMENTS[plan.ensemble.parts[k].instrument].secrets for k in stem.parts))
    # Two instruments on one file make a list.
    label: Any = labels if len(labels) > 1 else labels[0]
    raw = {}
    for r, filename in enumerate(filenames, start=1):
        word = filename.removesuffix(".wav").split("_", 1)[1].rstrip("0123456789")
        raw[f"R{r:02d}"] = {"filename": filename, "instrument": word if stem.group else label}
    return {"component": "", "filename": stem.name, "instrument": label, "raw": raw}


def _groups(plan: SongPlan) -> list[tuple[str, list[int]]]:
    """Return what shares a file: the group's name ('' for a file of its own), and the parts' positions."""
    names = {
        "drum set": "drums",
        "drum machine": "loops",
        "synth lead": "synth",
        "synth pad": "synth",
        "fx": "sfx",
    }
    groups: dict[str, list[int]] = {}
    shared = plan.ensemble.shared
    for k, part in enumerate(plan.ensemble.parts):
        own = f"+{shared[0] if shared and k in shared else k}"
        groups.setdefault(names.get(part.instrument, own), []).append(k)
    return [("" if key.startswith("+") else key, parts) for key, parts in groups.items()]


def _stem_files(plan: SongPlan) -> list[_Stem]:
    files, used, number = list[_Stem](), dict[str, int](), 1
    for group, parts in _groups(plan):
        if group:
            files.append(_Stem(f"{plan.id}_STEM_{group}.wav", group, tuple(parts)))
            number += {"drums": 5, "loops": 2}.get(group, len(parts))
            continue
        # A file called just "Bass" is mostly a synthesizer in this library.
        word = "".join(INSTRUMENTS[plan.ensemble.parts[k].instrument].file_word for k in parts)
        word = word.replace("BassSynth", "Bass")
        used[word] = used.get(word, 0) + 1
        name = f"{number:02d}_{word}{used[word] if used[word] > 1 else ''}.wav"
        files.append(_Stem(name, "", tuple(parts)))
        number += 1
    return files


def _tracks(
    plan: SongPlan, stem: _Stem, song: RenderedSong, seconds: float, soundfont: Path, number: int
) -> dict[str, FloatArray]:
    """Return the raw recordings behind one stem by file name; groups count on from ``number``."""
    if not stem.group:
        audio = np.sum([song.stems[k] for k in stem.parts], axis=0)
        return {stem.name: audio * np.float32(min(1.0, 0.97 / max(float(np.abs(audio).max()), 1e-9)))}
    words = [INSTRUMENTS[plan.ensemble.parts[k].instrument].file_word for k in stem.parts]
    tracks = [song.stems[k] for k in stem.parts]
    if stem.group in ("drums", "loops"):
        k = stem.parts[0]
        notes = song.composition.parts[k]
        pieces = render_pieces(notes, plan.sounds[k], plan.room, seconds, soundfont)
        words, tracks = [_WORDS[piece] for piece in pieces], list(pieces.values())
    if stem.group == "loops":
        # A loop holds several pieces: the drums on one, all that rings on the other.
        halves = [tracks[: (len(tracks) + 1) // 2], tracks[(len(tracks) + 1) // 2 :]]
        tracks = [np.sum(half, axis=0) / np.float32(len(half)) for half in halves if half]
        words = [f"Loop{r}" for r in range(1, len(tracks) + 1)]
    return {
        f"{number + r:02d}_{word}.wav": track
        for r, (word, track) in enumerate(zip(words, tracks, strict=True))
    }
