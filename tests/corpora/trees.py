"""Tiny corpus trees in the true shape of each corpus, with what goes wrong in them.

Audio files are empty: adapters never open them. ``TREES`` has one builder for every corpus; each
puts at least two healthy songs and one of every kind of breakage into an empty folder.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from mixlab.corpora.base import Scan, ScanOptions


def touch(path: Path, content: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def dump(path: Path, data: Any) -> Path:
    return touch(path, yaml.safe_dump(data, sort_keys=True))


def scan(adapter: Any, root: Path, **options: Any) -> Scan:
    return adapter.scan(root, ScanOptions(**options))


def by_key(result: Scan) -> dict[str, Any]:
    return {f"{entry.song}/{entry.stem}": entry for entry in result.stems}


def kinds(result: Scan) -> dict[tuple[str, str], str]:
    return {(p.song, p.stem): p.kind for p in result.problems}


# MedleyDB's format ---------------------------------------------------------------------------


def medley_sheet(song: str, stems: Mapping[str, tuple[str, Any]], **fields: Any) -> dict[str, Any]:
    """Return a METADATA.yaml: ``stems`` maps S01 to (file name, label); each has one raw."""
    listed = {}
    for key, (filename, label) in stems.items():
        raw = filename if "_STEM_" not in filename else f"{song}_RAW_{key[1:]}_01.wav"
        listed[key] = {
            "component": "",
            "filename": filename,
            "instrument": label,
            "raw": {"R01": {"filename": raw, "instrument": label}},
        }
    return {
        "album": "",
        "artist": song.partition("_")[0],
        "composer": "",
        "excerpt": "no",
        "genre": "Rock",
        "has_bleed": "no",
        "instrumental": "no",
        "mix_filename": f"{song}_MIX.wav",
        "origin": "",
        "raw_dir": f"{song}_RAW",
        "stem_dir": f"{song}_STEMS",
        "stems": listed,
        "title": song.partition("_")[2],
        "version": 1.2,
    } | fields


def medley_song(
    folder: Path, stems: Mapping[str, tuple[str, Any]], metadata: Path | None = None, **fields: Any
) -> None:
    """Write the audio of a MedleyDB-style song, and its sheet beside it or into ``metadata``."""
    song = folder.name
    sheet = medley_sheet(song, stems, **fields)
    for stem in sheet["stems"].values():
        touch(folder / f"{song}_STEMS" / stem["filename"])
        for raw in stem["raw"].values():
            touch(folder / f"{song}_RAW" / raw["filename"])
    touch(folder / f"{song}_MIX.wav")
    dump((metadata or folder) / f"{song}_METADATA.yaml", sheet)


def medley_stems(song: str, *labels: Any) -> dict[str, tuple[str, Any]]:
    return {f"S{i:02d}": (f"{song}_STEM_{i:02d}.wav", label) for i, label in enumerate(labels, start=1)}


def broken_medley_songs(parent: Path, metadata: Path) -> None:
    """Add songs whose metadata is broken in every way, all below ``parent``."""
    broken = {
        "Bad_Garbage": "{[: not yaml",
        "Bad_List": "- a\n- b\n",
        "Bad_NoStems": "artist: Bad\n",
        "Bad_Bytes": "\x00\x01",
        "Bad_Deep": "[" * 5000,
    }
    for song, content in broken.items():
        touch(parent / song / f"{song}_STEMS" / f"{song}_STEM_01.wav")
        touch(metadata / f"{song}_METADATA.yaml", content)
    touch(parent / "Bad_NoSheet" / "Bad_NoSheet_STEMS" / "x.wav")
    stems = {
        "S01": {"filename": "../../../../etc/passwd", "instrument": "piano", "raw": {}},
        "S02": {"filename": "/etc/passwd", "instrument": "piano"},
        "S03": {"filename": "gone.wav", "instrument": "piano"},
        "S04": {"instrument": "piano"},
        "S05": "nonsense",
        "S06": {"filename": "good.wav", "instrument": None, "raw": "nonsense"},
        "S07": {"filename": "x" * 5000 + ".wav", "instrument": "piano"},
    }
    touch(parent / "Bad_Paths" / "Bad_Paths_STEMS" / "good.wav")
    dump(metadata / "Bad_Paths_METADATA.yaml", {"stems": stems})


def medleydb(root: Path) -> Path:
    one, two = "LizNelson_Rainfall", "NYU_Trio"
    medley_song(
        root / "V1" / one,
        medley_stems(one, "female singer", "acoustic guitar", ""),
        artist="Liz Nelson & Jennifer Davies",
        title="Rainfall",
    )
    stems = medley_stems(two, "violin", ["cello", "double bass"])
    medley_song(root / "V2" / two, stems, root / "Metadata", has_bleed="yes")
    dump(
        root / "mixing_coefficients_version2.yaml",
        {
            one: {"manual": {1: 0.5}, "audio": {1: 4.0, 2: 1.0}, "stft": {1: 4.0, 2: 2.0, 3: float("nan")}},
            two: "nonsense",
        },
    )
    broken_medley_songs(root / "V1", root / "Metadata")
    # Metadata without audio, as for the songs that are not public.
    dump(root / "Metadata" / "Absent_Song_METADATA.yaml", medley_sheet("Absent_Song", {}))
    return root


def mixing_secrets(root: Path) -> Path:
    one, two = "MR0702_Leaf", "Leaf_Wicked"
    stems: dict[str, tuple[str, Any]] = {
        "S01": (f"{one}_STEM_drums.wav", "drum set"),
        "S02": ("08_Bass.wav", "bass"),
        "S03": ("01_AcGtrVox.wav", ["acoustic guitar", "male singer"]),
    }
    medley_song(root / one, stems, root / "metadata", artist="MR0702", title="Leaf", version="3.0")
    # The copy beside the audio is the one that was not cleaned.
    dump(root / one / f"{one}_METADATA.yaml", medley_sheet(one, {"S01": ("08_Bass.wav", "Bass")}))
    medley_song(root / two, {"S01": ("03_LeadVox.wav", "male singer")}, has_bleed="yes")
    broken_medley_songs(root, root / "metadata")
    return root


# The others ------------------------------------------------------------------------------------


def slakh_track(folder: Path, suffix: str = ".flac", *, flags: bool = True, **stems: dict[str, Any]) -> None:
    """Write a Slakh track: ``S01={"plugin_name": ..., "audio": False}``; audio is there by default."""
    listed = {}
    for stem, fields in stems.items():
        given = {"plugin_name": "elektrik_guitar.nkm", "midi_program_name": "Distortion Guitar"} | fields
        has_audio = given.pop("audio", True)
        listed[stem] = {
            "audio_rendered": flags and has_audio,
            "inst_class": "Guitar",
            "program_num": 30,
        } | given
        if has_audio:
            listed[stem].setdefault("integrated_loudness", -12.8)
            touch(folder / "stems" / f"{stem}{suffix}")
    touch(folder / f"mix{suffix}")
    uuid = "1a81ae092884234f3264e2f45927f00a"
    data = {
        "UUID": uuid,
        "audio_dir": "../../../../etc",
        "lmd_midi_dir": f"lmd_matched/O/O/H/TROOHTB128F931F9DF/{uuid}.mid",
        "overall_gain": 0.18,
        "stems": listed,
    }
    dump(folder / "metadata.yaml", data)


def slakh(root: Path) -> Path:
    slakh_track(
        root / "train" / "Track00001",
        S00={},
        S01={"plugin_name": "session_kit_full.nkm", "midi_program_name": "Drums"},
        S02={"plugin_name": "None", "midi_program_name": "FX 8 (sci-fi)", "audio": False},
        S03={"plugin_name": "choir_o.nkm", "audio": False},
        S04={"audio": False, "integrated_loudness": -20.0},
        S05={"plugin_name": "/Library/Audio/Plug-Ins/Components/AGML2.component"},
        S06={"plugin_name": "never_heard_of.nkm", "midi_program_name": "Acoustic Bass"},
        S07={"plugin_name": None, "midi_program_name": None},
    )
    slakh_track(root / "omitted" / "Track00357", S02={}, S03={})
    slakh_track(root / "test" / "Track00010", S00={})
    slakh_track(root / "babyslakh_16k" / "Track00001", ".wav", flags=False, S00={})
    touch(root / "validation" / "Track00002" / "metadata.yaml", "{[")
    dump(root / "validation" / "Track00003" / "metadata.yaml", {"UUID": 1, "stems": ["S00"]})
    touch(root / "validation" / "Track00004" / "stems" / "S00.flac")
    dump(root / "validation" / "Track00005" / "metadata.yaml", {"stems": {"S00": None}})
    touch(root / "validation" / "Track00005" / "stems" / "S09.flac")
    return root


def musdb18hq(root: Path) -> Path:
    for name in (
        "train/Actions - One Minute Smile",
        "train/The Doppler Shift - Atrophy",
        "test/BKS - Too Much",
    ):
        for stem in ("mixture", "vocals", "drums", "bass", "other"):
            touch(root / name / f"{stem}.wav")
    (root / "test" / "BKS - Too Much" / "bass.wav").unlink()
    touch(root / "train" / "BKS - Too Much" / "vocals.wav")
    return root


MOISES_IDS = (
    "0f2e8a54-0000-4000-8000-000000000001",
    "0f2e8a54-0000-4000-8000-000000000002",
    "0f2e8a54-0000-4000-8000-00000000000x",
)


def moises_song(folder: Path, stems: list[Any], **fields: Any) -> None:
    """Write a MoisesDB song and an empty file for every well-formed track."""
    for stem in stems:
        for track in stem["tracks"]:
            touch(folder / stem["stemName"] / f"{track['id']}.{track['extension']}")
    data = {"song": "Song", "artist": "Some Band", "genre": "rock", "stems": stems} | fields
    touch(folder / "data.json", json.dumps(data))


def moisesdb(root: Path) -> Path:
    def track(number: int, kind: str, bleed: bool = False) -> dict[str, Any]:
        return {"id": f"id{number}", "trackType": kind, "extension": "wav", "has_bleed": bleed}

    provider = root / "moisesdb_v0.1"
    stems = [
        {"stemName": "other_plucked", "tracks": [track(1, "banjo, mandolin, ukulele, harp etc")]},
        {"stemName": "vocals", "tracks": [track(2, "lead male singer", bleed=True)]},
    ]
    moises_song(provider / MOISES_IDS[0], stems)
    moises_song(provider / MOISES_IDS[1], stems, artist=None, song=7)
    bad = provider / MOISES_IDS[2]
    broken = [
        {"stemName": "bass", "tracks": [track(9, "bass guitar"), {"trackType": "bass guitar"}]},
        {"stemName": "../../..", "tracks": [{"id": "etc/passwd", "trackType": "x", "extension": ""}]},
        "nonsense",
    ]
    touch(bad / "data.json", json.dumps({"stems": broken}))
    touch(provider / "bad-json" / "data.json", "{")
    touch(provider / "bad-list" / "data.json", "[]")
    return root


def folder(root: Path) -> Path:
    for name in (
        "Vocals30.mp3",
        "PianoSynth30.mp3",
        "BassDrums30.ogg",
        "mix.wav",
        ".hidden.wav",
        "notes.txt",
    ):
        touch(root / "one" / name)
    cambridge = root / "ArtistName_SongTitle_Full"
    for name in ("01_Kick.wav", "08_ElecGtr3Mic.wav", "09_ElecGtr3DI.wav", "10_LeadVoxDT.wav"):
        touch(cambridge / name)
    touch(cambridge / "ArtistName_SongTitle_Full_Preview.mp3")
    touch(root / "two" / "a.wav")
    touch(root / "two" / "b.flac")
    rows = [
        "file,label,artist,split,bleed,bleed_labels,gain",
        "a.wav,violin; cello,Some Band,train,yes,piano,0.5",
        "b.flac,,Some Band,,no,,",
        "b.flac,,Some Band,,no,,",
    ]
    touch(root / "two" / "stems.csv", "\n".join(rows))
    touch(root / "three" / "wav" / "Drums.wav")
    touch(root / "test" / "four" / "Drums" / "01.wav")
    touch(root / "test" / "four" / "Drums" / "Kick.wav")
    return root


def tapes(root: Path) -> Path:
    """The corpus that docs/corpora.md makes up."""
    for number in (1, 2):
        tape(root / f"2024-05-0{number}", {"01.wav": "Alto", "02.wav": "Harmonium"})
    tape(root / "missing", {"01.wav": "Alto"})
    (root / "missing" / "01.wav").unlink()
    touch(root / "broken" / "tape.json", "{")
    dump(root / "listless" / "tape.json", {"tracks": ["01.wav"]})
    touch(root / "outside" / "tape.json", json.dumps({"tracks": {"../../elsewhere.wav": "Alto"}}))
    return root


def tape(folder: Path, tracks: Mapping[str, str]) -> None:
    touch(folder / "tape.json", json.dumps({"choir": "Les Voix", "tracks": tracks}))
    for file in tracks:
        touch(folder / file)


TREES: dict[str, Callable[[Path], Path]] = {
    "medleydb": medleydb,
    "mixing_secrets": mixing_secrets,
    "slakh": slakh,
    "musdb18hq": musdb18hq,
    "moisesdb": moisesdb,
    "folder": folder,
    "tapes:Tapes": tapes,
}


def one_song(name: str, folder: Path, number: int, **fields: Any) -> str:
    """Write one healthy song of a published corpus into ``folder``; return its id."""
    if name in ("medleydb", "mixing_secrets"):
        song = f"Artist{number}_Title{number}"
        medley_song(folder / song, medley_stems(song, "piano", "violin"), **fields)
    elif name == "slakh":
        song = f"Track{number:05d}"
        slakh_track(folder / song, S00={}, S01={})
    elif name == "tapes:Tapes":
        song = f"2025-{number:05d}"
        tape(folder / song, {"01.wav": "Alto"})
    elif name == "musdb18hq":
        song = f"Artist {number} - Title {number}"
        for stem in ("mixture", "vocals", "drums", "bass", "other"):
            touch(folder / song / f"{stem}.wav")
    else:
        song = f"0f2e8a54-0000-4000-8000-{number:012d}"
        track = {"id": "id1", "trackType": "grand piano", "extension": "wav", "has_bleed": False}
        moises_song(folder / song, [{"stemName": "piano", "tracks": [track]}], **fields)
    return song
