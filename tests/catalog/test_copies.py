"""Equal audio is found whatever container, gain, rate or encoder it went through; different audio is not."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from mixlab.audio.loudness import measure
from mixlab.catalog.copies import Sound, audio_groups, describe_ties, find_ties
from mixlab.catalog.storage import ACTIVITY_DB
from tests.played import played
from tests.stem_files import tone, write

RATE = 22050


def sound(path: Path, song: str, stem: str = "a", label: str = "violin") -> Sound:
    found = measure(path)
    return Sound(
        song,
        stem,
        found.audio_hash,
        found.envelope,
        ACTIVITY_DB,
        found.loudness_lufs,
        found.peak_db,
        found.channels,
        label,
    )


def lossy(path: Path, audio: np.ndarray, level: float) -> Path:
    soundfile.write(path, audio.T, RATE, format=path.suffix[1:].upper(), compression_level=level)
    return path


COPIES = {
    "equal": lambda p, x: write(p / "b.wav", x, RATE),
    "24 bits": lambda p, x: write(p / "b.wav", x, RATE, "PCM_24"),
    "FLAC": lambda p, x: write(p / "b.flac", x, RATE),
    "AIFF": lambda p, x: write(p / "b.aiff", x, RATE),
    "quieter": lambda p, x: write(p / "b.wav", x * 0.3, RATE),
    "louder": lambda p, x: write(p / "b.wav", x * 1.5, RATE),
    "inverted": lambda p, x: write(p / "b.wav", -x, RATE),
    "channels swapped": lambda p, x: write(p / "b.wav", x[::-1], RATE),
    "at 44.1 kHz": lambda p, x: write(p / "b.wav", soxr.resample(x.T, RATE, 44100).T, 44100),
    "at 16 kHz": lambda p, x: write(p / "b.wav", soxr.resample(x.T, RATE, 16000).T, 16000),
    "OGG": lambda p, x: lossy(p / "b.ogg", x, 0.4),
    "MP3": lambda p, x: lossy(p / "b.mp3", x, 0.2),
    "the mono sum": lambda p, x: write(p / "b.wav", x.mean(axis=0, keepdims=True), RATE),
    "a hop longer": lambda p, x: write(p / "b.wav", np.pad(x, ((0, 0), (0, 2205))), RATE),
}


@pytest.mark.parametrize("name", COPIES)
@pytest.mark.parametrize("seed", range(3))
def test_copies_are_found(tmp_path: Path, name: str, seed: int) -> None:
    audio = played(seed)
    one = sound(write(tmp_path / "a.wav", audio, RATE), "c/one")
    other = sound(COPIES[name](tmp_path, audio), "c/two")
    stranger = sound(write(tmp_path / "c.wav", played(seed + 100), RATE), "c/three")
    ties = find_ties([stranger, one, other])
    assert [tie.stems for tie in ties] == [(1, 2)]
    assert not ties[0].plain
    assert audio_groups([stranger, one, other], ties) == {
        "c/one": ("audio:c/one/a",),
        "c/two": ("audio:c/one/a",),
    }


def test_a_mono_copy_of_two_equal_channels_is_found(tmp_path: Path) -> None:
    audio = played(1)[:1]
    one = sound(write(tmp_path / "a.wav", audio, RATE), "c/one")
    other = sound(write(tmp_path / "b.wav", np.repeat(audio, 2, axis=0), RATE), "c/two")
    assert one.audio_hash != other.audio_hash
    assert [tie.stems for tie in find_ties([one, other])] == [(0, 1)]


def test_different_audio_of_one_length_is_not_tied(tmp_path: Path) -> None:
    sounds = [sound(write(tmp_path / f"{n}.wav", played(n, 6.0), RATE), f"c/{n:02d}") for n in range(40)]
    assert find_ties(sounds) == []


@pytest.mark.parametrize(("apart_db", "tied"), [(0.1, True), (0.3, False)])
def test_levels_that_hardly_change_must_agree_all_the_more(apart_db: float, tied: bool) -> None:
    """Levels that spread by 1 dB agree by chance within what an encoder does to those of music."""
    rng = np.random.default_rng(0)
    levels = np.stack([rng.normal(-20, 1, 400)] * 2)
    levels[1] += rng.normal(0, apart_db, 400)
    sounds = [
        Sound(f"c/{n}", "a", f"{n}", own.astype(np.float16), ACTIVITY_DB, -20.0)
        for n, own in enumerate(levels)
    ]
    assert bool(find_ties(sounds)) == tied


def test_one_rhythm_in_other_sounds_is_not_tied(tmp_path: Path) -> None:
    """A pattern that every song has: other sounds peak and weigh otherwise."""
    pattern = np.repeat(np.random.default_rng(0).uniform(0.01, 0.3, 60), RATE // 10)
    noise = np.random.default_rng(1).standard_normal(len(pattern))
    one = sound(write(tmp_path / "a.wav", tone(6.0, amplitude=1.0, rate=RATE) * pattern, RATE), "c/one")
    two = sound(
        write(tmp_path / "b.wav", tone(6.0, amplitude=1.0, frequency_hz=60.0, rate=RATE) * pattern, RATE),
        "c/two",
    )
    three = sound(write(tmp_path / "c.wav", (noise * pattern * 0.2)[None], RATE), "c/three")
    assert find_ties([one, two, three]) == []


@pytest.mark.parametrize(
    "audio",
    [
        tone(6.0, rate=RATE),
        np.full((1, 6 * RATE), 0.1, dtype=np.float32),
        np.random.default_rng(0).uniform(-0.1, 0.1, (1, 6 * RATE)).astype(np.float32),
        np.pad(tone(0.3, rate=RATE), ((0, 0), (0, 5 * RATE))),
    ],
    ids=["a tone", "a constant", "steady noise", "a click"],
)
def test_what_is_plain_does_not_tie_songs_that_differ(tmp_path: Path, audio: np.ndarray) -> None:
    path = write(tmp_path / "plain.wav", audio, RATE)
    sounds = []
    for n in range(5):
        sounds += [
            sound(path, f"c/{n}", "plain"),
            sound(write(tmp_path / f"{n}.wav", played(n), RATE), f"c/{n}", "own"),
        ]
    ties = find_ties(sounds)
    assert [(len(tie.stems), tie.plain) for tie in ties] == [(5, True)]
    assert audio_groups(sounds, ties) == {}
    found = describe_ties(sounds, ties)
    assert [(f.song, f.kind) for f in found] == [(f"c/{n}", "shared-audio") for n in range(1, 5)]
    assert "too short or too steady to tell songs apart" in found[0].message


def metronome(bpm: float, accent_db: float, seconds: float = 20.0) -> np.ndarray:
    """Clicks of 60 ms, every fourth louder."""
    audio, t = np.zeros(round(seconds * RATE)), np.arange(round(0.06 * RATE)) / RATE
    for beat in range(int((seconds - 0.1) * bpm / 60)):
        at = round(beat * 60 / bpm * RATE)
        level = 0.3 * 10 ** (-accent_db * (beat % 4 > 0) / 20)
        audio[at : at + len(t)] += level * np.sin(2 * np.pi * 1000 * t) * np.exp(-30 * t)
    return audio[None].astype(np.float32)


@pytest.mark.parametrize("bpm", [60, 72, 97, 113, 120, 133.3, 150, 178])
@pytest.mark.parametrize("accent_db", [0.0, 3.0, 6.0])
def test_a_metronome_does_not_tie_songs_that_differ(tmp_path: Path, bpm: float, accent_db: float) -> None:
    path = write(tmp_path / "click.wav", metronome(bpm, accent_db), RATE)
    sounds = [sound(path, f"c/{n}", "click") for n in range(3)]
    sounds += [sound(write(tmp_path / f"{n}.wav", played(n), RATE), f"c/{n}", "own") for n in range(3)]
    ties = find_ties(sounds)
    assert [tie.plain for tie in ties] == [True]
    assert audio_groups(sounds, ties) == {}


def test_songs_whose_whole_audio_is_plain_and_equal_are_tied(tmp_path: Path) -> None:
    low = write(tmp_path / "low.wav", tone(1.0), 8000)
    high = write(tmp_path / "high.wav", tone(1.0, frequency_hz=700.0), 8000)
    sounds = [
        sound(low, "c/one", "x"),
        sound(high, "c/one", "y"),
        sound(low, "c/two", "p"),
        sound(high, "c/two", "q"),
        sound(low, "c/three", "x"),
    ]
    ties = find_ties(sounds)
    groups = audio_groups(sounds, ties)
    assert set(groups) == {"c/one", "c/two"}
    assert groups["c/one"] == groups["c/two"] == ("audio:c/one/x", "audio:c/one/y")


def test_a_stem_in_two_formats_is_twice_in_its_song(tmp_path: Path) -> None:
    audio = played(1)
    sounds = [
        sound(write(tmp_path / "bass.wav", audio, RATE), "c/one", "bass.wav"),
        sound(lossy(tmp_path / "bass.mp3", audio, 0.2), "c/one", "bass.mp3"),
        sound(write(tmp_path / "drums.wav", played(2), RATE), "c/one", "drums"),
    ]
    ties = find_ties(sounds)
    assert audio_groups(sounds, ties) == {}
    assert [(f.stem, f.kind) for f in describe_ties(sounds, ties)] == [("bass.mp3", "duplicate-audio")]


def test_silence_is_never_a_copy(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", np.zeros((1, 8000)), 8000)
    sounds = [sound(path, "c/one"), sound(path, "c/two")]
    assert all(tie.plain for tie in find_ties(sounds))


def test_findings_name_both_places_and_labels_that_disagree(tmp_path: Path) -> None:
    loop = write(tmp_path / "loop.wav", played(1), RATE)
    other = write(tmp_path / "other.wav", played(2), RATE)
    sounds = [
        sound(loop, "c/one", "drums", "drum set"),
        sound(other, "c/one", "bass", "electric bass"),
        sound(loop, "c/two", "beat", "piano"),
        sound(write(tmp_path / "third.wav", played(3), RATE), "c/two", "keys", "piano"),
        sound(loop, "d/one", "drums", "drum set"),
        sound(other, "d/one", "bass", "electric bass"),
        sound(other, "d/one", "bass again", "electric bass"),
    ]
    ties = find_ties(sounds)
    found = {(f.song, f.stem): (f.kind, f.message) for f in describe_ties(sounds, ties)}
    assert {place: kind for place, (kind, _) in found.items()} == {
        ("c/two", ""): "shared-audio",
        ("d/one", ""): "duplicate-audio",
        ("d/one", "bass again"): "duplicate-audio",
    }
    assert "1 of 2 audible stems of c/two are the audio of stems of c/one" in found["c/two", ""][1]
    assert "beat is drums, but labelled piano instead of drum set" in found["c/two", ""][1]
    assert "3 of 3 audible stems of d/one" in found["d/one", ""][1]
    assert "same audio as stem bass of its song" in found["d/one", "bass again"][1]
    groups = audio_groups(sounds, ties)
    assert set(groups["c/one"]) == {"audio:c/one/drums", "audio:c/one/bass"}
    assert groups["c/two"] == ("audio:c/one/drums",)


def test_a_part_of_even_level_is_found_as_itself_and_not_as_another(tmp_path: Path) -> None:
    """A compressed guitar: levels within a decibel, which still are its own."""
    sounds = []
    for n in range(4):
        chance = np.random.default_rng(n)
        level = 10 ** (np.repeat(chance.normal(0, 0.7, 120), RATE // 10) / 20)
        audio = (0.1 * level * chance.standard_normal((2, len(level)))).astype(np.float32)
        sounds.append(sound(write(tmp_path / f"{n}.wav", audio, RATE), f"c/{n}"))
        if n == 2:
            sounds.append(sound(write(tmp_path / "copy.wav", 0.5 * audio, RATE), "c/copy"))
    assert [(tie.stems, tie.plain) for tie in find_ties(sounds)] == [((2, 3), False)]


def test_many_songs_of_one_length_are_compared_in_seconds() -> None:
    chance = np.random.default_rng(0)
    envelopes = chance.uniform(-45, -5, (3000, 300)).astype(np.float16)
    envelopes[2999] = envelopes[7] - np.float16(6)
    sounds = [
        Sound(f"c/{n}", "a", f"{n}", envelope, ACTIVITY_DB, peak_db=float(envelope.max()))
        for n, envelope in enumerate(envelopes)
    ]
    assert [tie.stems for tie in find_ties(sounds)] == [(7, 2999)]
