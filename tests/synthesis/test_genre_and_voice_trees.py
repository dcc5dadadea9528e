"""The trees of GTZAN, FMA and VCTK: what their files are, who is in which split, and who really speaks."""

import ast
import csv
import io
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixlab.corpora.clips.gtzan import filtered_splits
from mixlab.synthesis import voices
from mixlab.synthesis.clip_trees import fma, vctk
from mixlab.synthesis.clip_trees.base import TreeOptions
from mixlab.synthesis.clip_trees.making import clip_trees, make_clip_trees
from mixlab.synthesis.genres import FMA_LINE_UPS, GTZAN_LINE_UPS, plan_track, render_track
from mixlab.synthesis.synth import default_soundfont

pytest.importorskip("midirenderer")
pytest.importorskip("pretty_midi")

OPTIONS = TreeOptions(recordings=2, track_s=2.0)


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trees")
    make_clip_trees(out, ["gtzan", "fma", "vctk"], OPTIONS, workers=1)
    return out


def test_gtzan_is_mono_tracks_by_genre(trees: Path) -> None:
    files = sorted((trees / "gtzan").rglob("*.wav"))
    splits = filtered_splits()
    for genre in GTZAN_LINE_UPS:
        assert sorted(splits[file.stem] for file in files if file.parent.name == genre) == ["test", "train"]
    assert len(files) == 2 * len(GTZAN_LINE_UPS)
    for file in files:
        info = soundfile.info(file)
        assert (info.samplerate, info.channels, info.subtype) == (22_050, 1, "PCM_16")
        assert info.duration == pytest.approx(2.0)
        assert 0.5 < np.abs(soundfile.read(file)[0]).max() < 1


def fma_rows(root: Path) -> list[dict[tuple[str, str], str]]:
    with (root / "fma_metadata" / "tracks.csv").open(encoding="utf-8", newline="") as file:
        parts, names, ids, *rows = csv.reader(file)
    assert ids[0] == "track_id"
    assert len(parts) == 53
    return [dict(zip(zip(parts, names, strict=True), row, strict=True)) for row in rows]


def test_fma_s_tables_name_its_tracks(trees: Path) -> None:
    root, rows = trees / "fma", fma_rows(trees / "fma")
    files = {int(file.stem): file for file in root.rglob("*.mp3")}
    assert {int(row["", ""]) for row in rows} == set(files)
    for number, file in files.items():
        assert file.relative_to(root).as_posix() == f"fma_medium/{number // 1000:03d}/{number:06d}.mp3"
    info = soundfile.info(next(iter(files.values())))
    assert (info.samplerate, info.channels, info.format) == (44_100, 2, "MP3")
    with (root / "fma_metadata" / "genres.csv").open(encoding="utf-8", newline="") as file:
        titles = {int(row["genre_id"]): row["title"] for row in csv.DictReader(file)}
    assert len(titles) == 16
    for row in rows:
        (genre,) = ast.literal_eval(row["track", "genres"])
        assert titles[genre] == row["track", "genre_top"]


def test_fma_s_artists_are_in_one_split_and_one_genre(trees: Path) -> None:
    held: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for row in fma_rows(trees / "fma"):
        held[row["artist", "id"]].add((row["set", "split"], row["track", "genre_top"]))
    assert all(len(each) == 1 for each in held.values())
    for genre in FMA_LINE_UPS:
        splits = {split for each in held.values() for split, other in each if other == genre}
        assert splits == {"training", "validation", "test"}


def test_fma_s_genres_are_as_unequal_as_the_roots_of_the_real_counts() -> None:
    counts = fma.artists_of(20)
    assert counts["Rock"] > counts["Electronic"] > counts["Hip-Hop"] > counts["Soul-RnB"] >= 3
    assert counts["Rock"] / counts["Classical"] == pytest.approx((7103 / 619) ** 0.5, rel=0.1)
    assert sum(counts.values()) == pytest.approx(200, abs=3)


def test_an_artist_keeps_the_sounds_from_track_to_track() -> None:
    one, other = (plan_track(FMA_LINE_UPS["Folk"], (0, 1, 2), number) for number in (0, 1))
    assert one.ensemble == other.ensemble
    assert one.room == other.room
    assert [s.program for s in one.sounds] == [s.program for s in other.sounds]
    font = default_soundfont()
    assert not np.array_equal(render_track(one, font, 1, 3.0), render_track(other, font, 1, 3.0))


def test_torchaudio_reads_the_tree_of_vctk(trees: Path) -> None:
    torchaudio = pytest.importorskip("torchaudio")
    for microphone in ("mic1", "mic2"):
        found = torchaudio.datasets.VCTK_092(str(trees / "vctk"), mic_id=microphone)
        speakers = {speaker for speaker, _ in found._sample_ids}
        assert len(found) == 2 * len(speakers)
        assert sorted(speakers) == vctk.speakers_of(OPTIONS)
    root = trees / "vctk" / vctk.AUDIO
    for file in root.rglob("*.flac"):
        info = soundfile.info(file)
        assert (info.samplerate, info.channels) == (48_000, 1)
        assert (trees / "vctk" / vctk.TEXT / file.parent.name / f"{file.stem[:-5]}.txt").is_file()
    listed = (trees / "vctk" / vctk.ROOT / "speaker-info.txt").read_text(encoding="utf-8").splitlines()
    assert listed[0].startswith("ID")
    assert [line.split()[0] for line in listed[1:]] == vctk.speakers_of(OPTIONS)


def prompt_folder(root: Path, folder: str, names: tuple[str, ...], seconds: float = 2.0) -> None:
    (root / folder).mkdir(parents=True)
    for k, name in enumerate(names):
        time_s = np.arange(round(8000 * seconds)) / 8000
        tone = 0.3 * np.sin(2 * np.pi * (200 + 50 * k) * time_s)
        soundfile.write(root / folder / f"{name}.wav", tone, 8000, subtype="PCM_16")


def test_one_person_in_two_languages_is_one_speaker(tmp_path: Path) -> None:
    prompt_folder(tmp_path, "en_US_f_Allison", ("hello", "vm-goodbye", "beep"))
    prompt_folder(tmp_path, "es_MX_f_Allison", ("hello",))
    prompt_folder(tmp_path, "fr_CA_f_June", ("hello", "vm-goodbye"))
    prompt_folder(tmp_path, "it_IT_m_Carlo", ("hello",), seconds=0.5)
    (tmp_path / "fr").symlink_to(tmp_path / "fr_CA_f_June")
    found = vctk.sentences(TreeOptions(recordings=9), tmp_path)
    assert {sentence.speaker for sentence in found} == {"p901", "p902"}
    said = sorted((s.speaker, s.number, s.text) for s in found)
    # Two prompts; what she says again in the other language is numbered behind them.
    assert said == [
        ("p901", 1, "hello"),
        ("p901", 2, "vm goodbye"),
        ("p901", 3, "hello"),
        ("p902", 1, "hello"),
        ("p902", 2, "vm goodbye"),
    ]


def test_one_recorded_voice_alone_is_none_to_tell_apart(tmp_path: Path) -> None:
    prompt_folder(tmp_path, "en_US_f_Allison", ("hello",))
    found = vctk.sentences(TreeOptions(recordings=2), tmp_path)
    assert {sentence.speaker for sentence in found} == {f"p8{k:02d}" for k in range(1, voices.SYNTHETIC + 1)}
    assert all(sentence.text.startswith("synthetic voice") for sentence in found)


def test_everyone_is_sent_through_the_same_codec(tmp_path: Path) -> None:
    """A file in the codec and one that is not sound alike, but for what is lost by coding twice."""
    prompt_folder(tmp_path, "plain", ("hello",))
    plain = voices.speak(voices.Prompt("hello", "English", tmp_path / "plain" / "hello.wav"))
    buffer = io.BytesIO()
    audio, _ = soundfile.read(tmp_path / "plain" / "hello.wav", dtype="float32")
    soundfile.write(buffer, audio, 8000, format="RAW", subtype="GSM610")
    (tmp_path / "hello.gsm").write_bytes(buffer.getvalue())
    coded = voices.speak(voices.Prompt("hello", "English", tmp_path / "hello.gsm"))
    np.testing.assert_allclose(coded[: len(plain)], plain, atol=0.02)
    assert np.abs(plain).max() == pytest.approx(0.7, rel=1e-5)
    # Coding is heard: it is not the tone that went in.
    assert np.abs(plain - 0.7 * audio / np.abs(audio).max()).max() > 0.01


def pitch_hz(audio: np.ndarray) -> float:
    """The median of what the highest peak of the autocorrelation says, between 80 and 300 Hz."""
    found = []
    for start in range(0, len(audio) - 1024, 512):
        frame = audio[start : start + 1024]
        similar = np.correlate(frame, frame, "full")[1023:]
        lags = np.arange(8000 // 300, 8000 // 80)
        found.append(8000 / lags[similar[lags].argmax()])
    return float(np.median(found))


def test_synthetic_voices_differ_in_pitch_and_repeat() -> None:
    first, again = (voices.synthetic_speech(0, 3, seed=0) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    pitches = [pitch_hz(voices.synthetic_speech(voice, 1, seed=0)) for voice in (0, 3, 6)]
    assert pitches[0] < 0.85 * pitches[1]
    assert pitches[1] < 0.85 * pitches[2]
    assert 1.5 < len(first) / voices.VOICE_RATE < 6


def test_speakers_that_left_the_tree_are_removed(tmp_path: Path) -> None:
    """A tree that was made with other voices keeps none of them."""
    for folder in (vctk.AUDIO, vctk.TEXT):
        for speaker in [*vctk.speakers_of(OPTIONS), "p999"]:
            (tmp_path / folder / speaker).mkdir(parents=True)
    clip_trees()["vctk"].finish(tmp_path, replace(OPTIONS, seed=1))
    assert not list(tmp_path.rglob("p999"))
    assert len(list((tmp_path / vctk.AUDIO).iterdir())) == len(vctk.speakers_of(OPTIONS))
