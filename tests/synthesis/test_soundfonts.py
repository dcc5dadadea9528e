"""SoundFonts are compared by what they hold: small files in the true format, and the one of pretty_midi."""

import struct
from pathlib import Path

import numpy as np
import pytest

from mixlab.errors import ConfigError
from mixlab.synthesis.soundfonts import SharedSamples, compare_soundfonts, overlap_lines, sample_digests
from tests.errors import raises


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def soundfont(path: Path, samples: list[bytes], *, kind: int = 1, frame: int = 2) -> Path:
    """Write the sample chunks of a SoundFont; ``frame`` bytes are one unit of start and end."""
    headers, data = b"", b""
    for number, sample in enumerate(samples):
        start, end = len(data) // frame, (len(data) + len(sample)) // frame
        name = f"sample {number}".encode().ljust(20, b"\0")
        headers += struct.pack("<20s5IBbHH", name, start, end, start, end, 44100, 60, 0, 0, kind)
        data += sample + bytes(92)
    headers += b"EOS".ljust(46, b"\0")
    lists = (
        chunk(b"LIST", b"INFO" + chunk(b"INAM", b"odd"))
        + chunk(b"LIST", b"sdta" + chunk(b"smpl", data))
        + chunk(b"LIST", b"pdta" + chunk(b"phdr", b"") + chunk(b"shdr", headers))
    )
    path.write_bytes(chunk(b"RIFF", b"sfbk" + lists))
    return path


def tone(number: int, frames: int = 500, level: float = 8000.0) -> bytes:
    return (level * np.sin(np.arange(frames) * (0.05 + 0.01 * number))).astype("<i2").tobytes()


def test_equal_samples_are_found_wherever_they_stand(tmp_path: Path) -> None:
    a = soundfont(tmp_path / "a.sf2", [tone(1), tone(2), tone(3)])
    b = soundfont(tmp_path / "b.sf2", [tone(9), tone(3), tone(1), tone(8), tone(7)])
    c = soundfont(tmp_path / "c.sf2", [tone(5)])
    found = compare_soundfonts([a], [b, c])
    assert found == [SharedSamples("a.sf2", "b.sf2", 2, 3), SharedSamples("a.sf2", "c.sf2", 0, 3)]
    assert overlap_lines(found) == [
        "Of the 3 samples of a.sf2 there are 2 in b.sf2, none in c.sf2, byte for byte.",
        "(Copies that were resampled, cut or compressed would not be recognised.)",
    ]
    assert overlap_lines(compare_soundfonts([], [a])) == []


def test_each_pair_is_told_once_and_the_same_file_too(tmp_path: Path) -> None:
    a, b, c = (soundfont(tmp_path / f"{name}.sf2", [tone(1), tone(k)]) for k, name in enumerate("abc", 3))
    pairs = [(each.held, each.other) for each in compare_soundfonts([a, b], [c])]
    assert pairs == [("a.sf2", "b.sf2"), ("a.sf2", "c.sf2"), ("b.sf2", "c.sf2")]
    assert compare_soundfonts([a], [a]) == [SharedSamples("a.sf2", "a.sf2", 2, 2)]


def test_silence_scraps_and_repeats_do_not_count(tmp_path: Path) -> None:
    quiet = [bytes(1000), tone(1, level=150.0), tone(2, frames=20), b""]
    assert sample_digests(soundfont(tmp_path / "quiet.sf2", quiet)) == frozenset()
    assert len(sample_digests(soundfont(tmp_path / "twice.sf2", [tone(1), tone(1), tone(2)]))) == 2


def test_a_change_of_one_frame_is_another_sample(tmp_path: Path) -> None:
    changed = bytearray(tone(1))
    changed[501] ^= 1
    a, b = (soundfont(tmp_path / n, [s]) for n, s in (("a.sf2", tone(1)), ("b.sf2", bytes(changed))))
    assert compare_soundfonts([a], [b])[0].shared == 0


def test_compressed_samples_are_counted_in_bytes(tmp_path: Path) -> None:
    blobs = [bytes([k]) * 333 for k in (1, 2)]
    a = soundfont(tmp_path / "a.sf3", blobs, kind=0x11, frame=1)
    b = soundfont(tmp_path / "b.sf3", blobs[1:], kind=0x11, frame=1)
    assert compare_soundfonts([a], [b]) == [SharedSamples("a.sf3", "b.sf3", 1, 2)]


def test_samples_of_a_rom_are_not_in_the_file(tmp_path: Path) -> None:
    assert sample_digests(soundfont(tmp_path / "rom.sf2", [tone(1)], kind=0x8001)) == frozenset()


def test_the_demo_soundfont_is_read() -> None:
    pytest.importorskip("pretty_midi")
    from mixlab.synthesis.synth import default_soundfont

    # It has 520 sample headers; repeats, silence and scraps do not count.
    assert len(sample_digests(default_soundfont())) == 511


@pytest.mark.parametrize(
    ("content", "mentions"),
    [
        (b"", ()),
        (b"RIFF", ("RIFF", "sfbk")),
        (b"no SoundFont at all", ("RIFF", "sfbk")),
        (chunk(b"RIFF", b"sfbk"), "smpl"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, mentions: object) -> None:
    path = tmp_path / "x.sf2"
    path.write_bytes(content)
    with raises(ConfigError, code="invalid-soundfont", mentions=mentions):
        sample_digests(path)
