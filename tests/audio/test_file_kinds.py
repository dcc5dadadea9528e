"""What a file's name says: what is read is what libsndfile reads, and litter is never a file."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixlab.audio.file_kinds import READ_SUFFIXES, form, is_litter, is_lossless, is_read, why_not_read
from mixlab.audio.io import probe

# Ending -> how soundfile writes it.
WRITTEN = {
    ".wav": ("WAV", "PCM_16"),
    ".wave": ("WAVEX", "PCM_24"),
    ".bwf": ("WAV", "FLOAT"),
    ".w64": ("W64", "PCM_16"),
    ".rf64": ("RF64", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".aiff": ("AIFF", "PCM_16"),
    ".aif": ("AIFF", "PCM_16"),
    ".aifc": ("AIFF", "FLOAT"),
    ".caf": ("CAF", "ALAC_16"),
    ".au": ("AU", "PCM_16"),
    ".snd": ("AU", "PCM_16"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
    ".ogg": ("OGG", "VORBIS"),
    ".oga": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
    ".voc": ("VOC", "PCM_16"),
    ".sph": ("NIST", "PCM_16"),
    ".nist": ("NIST", "PCM_16"),
    ".sf": ("IRCAM", "PCM_16"),
    ".ircam": ("IRCAM", "PCM_16"),
    ".8svx": ("SVX", "PCM_16"),
    ".svx": ("SVX", "PCM_16"),
    ".paf": ("PAF", "PCM_16"),
    ".avr": ("AVR", "PCM_16"),
    ".pvf": ("PVF", "PCM_16"),
    ".sds": ("SDS", "PCM_16"),
}
# No encoder for MPEG layers I and II is at hand: silent frames of layer II by hand.
MPEG_AUDIO = {".mp2", ".mp1", ".mpga"}


def test_every_ending_that_is_read_is_tried() -> None:
    assert set(WRITTEN) | MPEG_AUDIO == set(READ_SUFFIXES)
    assert all(is_read(f"A.b{ending.upper()}") for ending in READ_SUFFIXES)


@pytest.mark.parametrize("ending", sorted(WRITTEN))
def test_what_is_called_read_is_read(ending: str, tmp_path: Path) -> None:
    container, subtype = WRITTEN[ending]
    path = tmp_path / f"a{ending}"
    sound = 0.5 * np.sin(np.arange(48000) * 0.05)
    soundfile.write(path, sound, 48000, format=container, subtype=subtype)
    info = probe(path)
    assert info.sample_rate == 48000
    assert info.frames == pytest.approx(48000, abs=2400)
    if is_lossless(path.name):
        back, _ = soundfile.read(path)
        assert np.abs(back - sound).max() < 1e-4


def test_layer_ii_is_read(tmp_path: Path) -> None:
    header, frame_bytes = bytes([0xFF, 0xFD, 0xA4, 0x00]), 144 * 192_000 // 48_000
    path = tmp_path / "a.mp2"
    path.write_bytes(b"".join(header + bytes(frame_bytes - 4) for _ in range(50)))
    assert probe(path).sample_rate == 48000


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.m4a", r"cannot read \.m4a: convert, as by 'ffmpeg"),
        ("A.M4A", r"\.m4a"),
        ("Song.stem.mp4", r"\.mp4"),
        ("a.wma", "convert"),
        ("multi.mogg", "convert"),
        ("a.raw", "no header"),
        ("Artist_Title_Full.zip", "unpack"),
        ("songs.tar", "unpack"),
        ("a.wav.gz", "unpack"),
        ("a.wav.part", "not here yet"),
        (".Drums.wav.icloud", "not here yet"),
        ("stems.wav.dvc", "not here yet"),
    ],
)
def test_audio_that_is_not_read_says_why(name: str, said: str) -> None:
    import re

    assert re.search(said, why_not_read(name))
    assert not is_read(name)
    assert not is_litter(name)


@pytest.mark.parametrize(
    "name", ["notes.txt", "cover.jpg", "song.mid", "table.csv.gz", "a.pdf.part", "README"]
)
def test_other_files_say_nothing_of_audio(name: str) -> None:
    assert why_not_read(name) == ""
    assert not is_read(name)


@pytest.mark.parametrize(
    "name",
    [
        "._a.wav",
        ".DS_Store",
        ".hidden.wav",
        "__MACOSX",
        "Thumbs.db",
        "desktop.ini",
        "Desktop.ini",
        "@eaDir",
        "#recycle",
        "$RECYCLE.BIN",
        "System Volume Information",
        "lost+found",
        "a.wav@SynoEAStream",
        "Icon\r",
    ],
)
def test_litter(name: str) -> None:
    assert is_litter(name)


@pytest.mark.parametrize("name", ["a.wav", "eaDir", "Icon", "_a.wav", "MACOSX", "#1 Hit", "@Home", "thumbs"])
def test_no_litter(name: str) -> None:
    assert not is_litter(name)


def test_names_are_compared_without_case_and_in_one_unicode_form() -> None:
    assert form("Cafe\u0301.WAV") == form("caf\u00e9.wav")
    assert form("a.wav") != form("b.wav")
