"""The set of real recordings: Qt resources are read, and windows are labelled by the stems that sound."""

import struct
import zlib
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from benchmarks.qt_resources import read_resources
from benchmarks.real_recordings import GUITAR_AND_BAND, Stem, make_recordings, make_song
from mixlab.audio.io import probe, write_wav
from mixlab.errors import CorpusError
from tests.errors import raises

RATE = 8000
FILES = {"a/one.ogg": b"OggS one", "a/deep/two.ogg": b"OggS two" * 50, "three.txt": b""}


def make_resource(files: dict[str, bytes], version: int = 3, packed: tuple[str, ...] = ()) -> bytes:
    """Write what Qt's rcc writes: nodes breadth first, a folder's children side by side."""
    paths = {*files, *(str(above) for path in files for above in PurePosixPath(path).parents)}
    order = sorted(map(PurePosixPath, paths), key=lambda path: (len(path.parts), path.parent, path.name))
    names, blocks, places = b"", b"", {}
    for path in order:
        held = files.get(str(path), b"")
        if str(path) in packed:
            held = struct.pack(">I", len(held)) + zlib.compress(held)
        places[path] = len(names), len(blocks)
        names += struct.pack(">HI", len(path.name), 7) + path.name.encode("utf-16-be")
        blocks += struct.pack(">I", len(held)) + held if str(path) in files else b""
    nodes = b""
    for path in order:
        name_at, block_at = places[path]
        if str(path) in files:
            nodes += struct.pack(">IHHHI", name_at, int(str(path) in packed), 0, 1, block_at)
        else:
            inner = [other for other in order if other.parent == path != other]
            nodes += struct.pack(">IHII", name_at, 2, len(inner), order.index(inner[0]))
        nodes += b"" if version == 1 else struct.pack(">Q", 99)
    head = 20 + 4 * (version == 3)
    offsets = struct.pack(">4I", version, head, head + len(nodes), head + len(nodes) + len(blocks))
    return b"qres" + offsets + bytes(4 * (version == 3)) + nodes + blocks + names


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("packed", [(), ("a/deep/two.ogg",)])
def test_a_resource_gives_its_files(version: int, packed: tuple[str, ...]) -> None:
    assert read_resources(make_resource(FILES, version, packed)) == FILES


def test_damaged_resources_are_refused() -> None:
    whole = make_resource(FILES, packed=("a/deep/two.ogg",))
    with pytest.raises(ValueError, match="expected a Qt resource"):
        read_resources(b"RIFF" + whole[4:])
    with pytest.raises(ValueError, match="version 1 to 3"):
        read_resources(whole[:4] + struct.pack(">I", 9) + whole[8:])
    for end in range(20, len(whole) - 1):
        try:
            read_resources(whole[:end])
        except ValueError as error:
            assert "Qt resource" in str(error)  # noqa: PT017 - some cuts leave files whole


def tone(*spans: tuple[float, float], level: float = 0.3) -> np.ndarray:
    """60 s of a tone within the spans, silence elsewhere."""
    t = np.arange(60 * RATE) / RATE
    on = np.any([(t >= start) & (t < end) for start, end in spans], axis=0)
    return np.asarray(level * on * np.sin(2 * np.pi * 220 * t), np.float32)[None]


def test_windows_are_labelled_by_the_stems_that_sound(tmp_path: Path) -> None:
    song = tmp_path / "song"
    song.mkdir()
    write_wav(song / "voice.wav", tone((0, 10), (20, 30)), RATE)
    write_wav(song / "keys.wav", tone((10, 30)), RATE)
    write_wav(song / "faint.wav", tone((20, 30), level=0.003), RATE)
    stems = (Stem("voice", ("singer",)), Stem("keys", ("piano",), ("synth",)), Stem("faint", ("violin",)))
    rows = list(make_song(tmp_path / "out", song, "mine", stems, most=6))
    assert [row[:3] + row[4:] for row in rows] == [
        ("mine/mix-0020.flac", "piano|singer", "synth|violin", "mix"),
        ("mine/voice-0000.flac", "singer", "", ""),
        ("mine/voice-0020.flac", "singer", "", ""),
        ("mine/keys-0010.flac", "piano", "synth", ""),
        ("mine/keys-0020.flac", "piano", "synth", ""),
    ]
    assert {row[3] for row in rows} == {"mine"}
    assert {probe(tmp_path / "out" / row[0]).frames for row in rows} == {10 * RATE}


def test_a_set_is_made_of_what_is_there(tmp_path: Path) -> None:
    band = tmp_path / "packages/frets/songs/Some Band/A Song"
    band.mkdir(parents=True)
    write_wav(band / "guitar.wav", tone((0, 30)), RATE)
    (band / "guitar.wav").rename(band / "guitar.ogg")  # what is in a file counts, not its name
    write_wav(band / "song.wav", tone((10, 60)), RATE)
    (band / "song.ini").write_text("[song]")
    resource = tmp_path / "packages/gcompris/rcc/instruments.rcc"
    resource.parent.mkdir(parents=True)
    sound = (band / "song.wav").read_bytes()
    resource.write_bytes(
        make_resource({"x/horn.ogg": sound, "x/drum_kit.ogg": sound, "x/horn.svg": b"<svg>"})
    )
    clips = make_recordings(tmp_path / "out", tmp_path / "packages", tmp_path / "none")
    assert {(clip.key, kind) for clip, kind in zip(clips.clips, clips.kinds, strict=True)} == {
        *((f"some-band-a-song/mix-{at:04d}.flac", "mix") for at in (10, 20)),
        *((f"some-band-a-song/guitar-{at:04d}.flac", "solo") for at in (0, 20)),
        ("gcompris/horn.ogg", "solo"),
    }
    known = dict(zip((clip.key for clip in clips.clips), clips.mask.sum(axis=1), strict=True))
    assert known["some-band-a-song/mix-0010.flac"] == 3  # plucked string, guitar, electric guitar
    assert GUITAR_AND_BAND[1].unknown == ("*",)
    with raises(CorpusError, code="layout-not-found", mentions="real_recordings"):
        make_recordings(tmp_path / "empty", tmp_path / "none", None)
