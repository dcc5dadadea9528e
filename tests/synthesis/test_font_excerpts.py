"""A preset by itself sounds as in its SoundFont, sample for sample, and what is odd is left whole."""

import struct
from pathlib import Path

import numpy as np
import pytest

from mixlab.synthesis.events import Note
from mixlab.synthesis.font_excerpts import font_excerpt
from mixlab.synthesis.midi import encode_midi, midi_part
from mixlab.synthesis.synth import default_soundfont
from tests.synthesis.test_soundfonts import chunk

TABLES = ("phdr", "pbag", "pmod", "pgen", "inst", "ibag", "imod", "igen", "shdr")
FRAMES = 3000


def played(font: bytes, program: int, drum_kit: bool) -> bytes:
    """Play notes of many pitches and strengths."""
    import midirenderer

    rng = np.random.default_rng(program)
    notes = [Note(0.2 * n, 0.7, int(rng.integers(24, 96)), int(rng.integers(1, 128))) for n in range(15)]
    part = midi_part(notes, program, drum_kit, controls={91: 40, 93: 40})
    wave: bytes = midirenderer.render_wave_from(font, encode_midi([part], 120.0, 10_000, 4.0))
    assert np.frombuffer(wave[44:], "<i2").any()
    return wave


@pytest.mark.parametrize(
    ("program", "drum_kit"),
    [(0, False), (19, False), (40, False), (81, False), (127, False), (0, True), (25, True), (99, True)],
)
def test_a_preset_sounds_as_in_its_soundfont(program: int, drum_kit: bool) -> None:
    whole = default_soundfont().read_bytes()
    excerpt = font_excerpt(default_soundfont(), program, drum_kit)
    assert excerpt is not None
    assert len(excerpt) < 0.15 * len(whole)
    assert played(excerpt, program, drum_kit) == played(whole, program, drum_kit)


def small_font(path: Path, changes: dict[str, bytes] | None = None, move: tuple[int, int] = (0, 0)) -> Path:
    """Write two presets, of bank 0 and 3, programs 5 and 9, of an instrument each; both play in stereo.

    The first instrument has samples 0 and 3 of four, the second 1 and 2; ``move`` is a generator of each.
    """
    rng = np.random.default_rng(0)
    sound = [(3000 * rng.standard_normal(FRAMES)).astype("<i2").tobytes() + bytes(92) for _ in range(4)]
    samples, at = b"", 0
    for number, link in enumerate((3, 2, 1, 0)):
        places = (at, at + FRAMES, at + 500, at + FRAMES - 100)
        samples += struct.pack("<20s5IBbHH", b"noise", *places, 44100, 60, 0, link, 4 if number < 2 else 2)
        at += FRAMES + 46
    generators = [(58, 60), (54, 1), (17, 65036), (53, 0), (54, 1), (17, 500), move, (53, 3)]
    generators += [(54, 1), (53, 1), (54, 1), (53, 2), (0, 0)]
    tables = {
        "phdr": b"".join(
            struct.pack("<20sHHHIII", name, program, bank, bag, 0, 0, 0)
            for name, program, bank, bag in ((b"one", 5, 0, 0), (b"two", 9, 3, 2), (b"EOP", 0, 0, 3))
        ),
        "pbag": struct.pack("<8H", 0, 0, 1, 1, 2, 1, 3, 1),
        "pmod": bytes(20),
        "pgen": struct.pack("<8H", 48, 60, 41, 0, 41, 1, 0, 0),
        "inst": b"".join(
            struct.pack("<20sH", name, bag) for name, bag in ((b"one", 0), (b"two", 3), (b"EOI", 5))
        ),
        "ibag": struct.pack("<12H", 0, 0, 1, 0, 4, 0, 8, 0, 10, 0, 12, 0),
        "imod": bytes(10),
        "igen": b"".join(struct.pack("<2H", *each) for each in generators),
        "shdr": samples + b"EOS".ljust(46, b"\0"),
        **(changes or {}),
    }
    lists = (
        chunk(b"LIST", b"INFO" + chunk(b"ifil", struct.pack("<2H", 2, 4)) + chunk(b"INAM", b"small\0")),
        chunk(b"LIST", b"sdta" + chunk(b"smpl", b"".join(sound))),
        chunk(b"LIST", b"pdta" + b"".join(chunk(name.encode(), tables[name]) for name in TABLES)),
    )
    path.write_bytes(chunk(b"RIFF", b"sfbk" + b"".join(lists)))
    return path


@pytest.mark.parametrize("move", [(0, 0), (0, 700), (12, 0), (2, 300), (3, 65236)])
def test_zones_for_all_moved_samples_and_stereo(tmp_path: Path, move: tuple[int, int]) -> None:
    path = small_font(tmp_path / "small.sf2", move=move)
    excerpt = font_excerpt(path, 5, False)
    assert excerpt is not None
    assert played(excerpt, 5, False) == played(path.read_bytes(), 5, False)
    assert len(excerpt) < 0.7 * path.stat().st_size
    headers = excerpt[excerpt.index(b"shdr") + 8 :]
    links = [struct.unpack_from("<H", headers, 46 * n + 42)[0] for n in range(2)]
    assert links == [1, 0]


@pytest.mark.parametrize(("program", "drum_kit"), [(9, False), (6, False), (5, True)])
def test_another_preset_stands_in_for_one_that_is_missing(
    tmp_path: Path, program: int, drum_kit: bool
) -> None:
    path = small_font(tmp_path / "small.sf2")
    excerpt = font_excerpt(path, program, drum_kit)
    assert excerpt == font_excerpt(path, 5, False)
    assert excerpt is not None
    assert played(excerpt, program, drum_kit) == played(path.read_bytes(), program, drum_kit)


@pytest.mark.parametrize(
    "changes",
    [
        {"phdr": bytes(38)},
        {"pbag": struct.pack("<2H", 0, 0)},
        {"pgen": struct.pack("<4H", 41, 7, 0, 0)},
        {"ibag": struct.pack("<12H", 0, 0, 1, 0, 4, 0, 80, 0, 10, 0, 12, 0)},
        {"igen": bytes(7)},
        {"shdr": struct.pack("<20s5I6x", b"far", 0, 10**6, 0, 10**6, 44100) * 5},
    ],
    ids=["no preset", "few bags", "no such instrument", "few generators", "half a generator", "no sound"],
)
def test_what_is_damaged_is_left_whole(tmp_path: Path, changes: dict[str, bytes]) -> None:
    assert font_excerpt(small_font(tmp_path / "odd.sf2", changes), 5, False) is None


def presets(*heads: tuple[int, int]) -> bytes:
    """Return headers of presets of bank 0, by program and first zone, the last of which is the mark."""
    return b"".join(struct.pack("<20sHHHIII", b"any", program, 0, zone, 0, 0, 0) for program, zone in heads)


@pytest.mark.parametrize(
    "changes",
    [
        {"phdr": presets((9, 0), (5, 2), (0, 3)), "pgen": struct.pack("<8H", 48, 60, 41, 0, 48, 60, 0, 0)},
        {"phdr": presets((9, 0), (5, 2), (7, 2), (0, 3))},
        {
            "phdr": presets((9, 0), (5, 1), (0, 3)),
            "pbag": struct.pack("<8H", 0, 0, 1, 0, 2, 0, 2, 0),
            "pmod": bytes(10),
            "pgen": struct.pack("<6H", 41, 0, 48, 60, 0, 0),
        },
        {
            "phdr": presets((9, 0), (5, 2), (0, 3)),
            "inst": b"".join(struct.pack("<20sH", b"any", zone) for zone in (0, 5, 5)),
        },
    ],
    ids=["a zone for all others alone", "no zone", "an empty zone", "an instrument without zones"],
)
def test_presets_without_a_sample_are_left_whole(tmp_path: Path, changes: dict[str, bytes]) -> None:
    # An excerpt would have no sample at all, or another one, and without any the synthesizer crashes.
    path = small_font(tmp_path / "odd.sf2", changes)
    assert font_excerpt(path, 5, False) is None
    assert font_excerpt(path, 9, False) is not None


def samples(kind: int) -> bytes:
    """Return headers of samples of one kind."""
    places = ((n * (FRAMES + 46), (n + 1) * (FRAMES + 46) - 46) for n in range(4))
    each = (struct.pack("<20s5IBbHH", b"x", at, to, at, to, 44100, 60, 0, 0, kind) for at, to in places)
    return b"".join(each) + bytes(46)


@pytest.mark.parametrize(
    "changes",
    [{"shdr": samples(0x11)}, {"shdr": samples(0x8001)}, {"phdr": presets((5, 0), (9, 2), (0, 3)).replace(
        struct.pack("<HH", 9, 0), struct.pack("<HH", 9, 1 << 15))}],
    ids=["compressed", "of a ROM", "a bank too high"],
)  # fmt: skip
def test_what_the_synthesizer_has_ways_of_its_own_with_is_left_whole(
    tmp_path: Path, changes: dict[str, bytes]
) -> None:
    assert font_excerpt(small_font(tmp_path / "odd.sf2", {"shdr": samples(1)}), 5, False) is not None
    assert font_excerpt(small_font(tmp_path / "odd.sf2", changes), 5, False) is None


def test_an_sf3_by_another_name_and_offsets_beyond_all_samples_are_left_whole(tmp_path: Path) -> None:
    path = small_font(tmp_path / "small.sf2")
    content = path.read_bytes()
    at = content.index(b"smpl") + 8
    path.write_bytes(content[:at] + b"OggS" + content[at + 4 :])
    assert font_excerpt(path, 9, False) is None
    assert font_excerpt(small_font(tmp_path / "far.sf2", move=(4, 32767)), 5, False) is None


@pytest.mark.parametrize("content", [b"", b"no SoundFont at all", chunk(b"RIFF", b"sfbk")])
def test_other_files_are_left_whole(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.sf2"
    path.write_bytes(content)
    assert font_excerpt(path, 0, False) is None
