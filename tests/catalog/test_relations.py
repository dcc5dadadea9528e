"""Indexing ties songs that share audio, and starts stems where the time stamps of their files say."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixlab.catalog.build import BuildReport, build_catalog
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.splits import find_leaks
from mixlab.corpora.base import Problem
from mixlab.mixing.config import MixConfig
from mixlab.mixing.effects_config import EffectsConfig
from mixlab.mixing.rendering import render_mix
from mixlab.mixing.sampler import sample_recipe
from tests.played import played
from tests.stamped_files import write_stamped
from tests.stem_files import write, write_sidecar

RATE = 8000
PARTS = ("drums", "bass", "piano")


def build(place: Path, **more: Path) -> BuildReport:
    roots = {"folder": place / "audio", **more}
    return build_catalog(place / "catalog", roots, progress=False, workers=1)


def make_songs(root: Path, count: int, *, seed: int = 0) -> None:
    """Songs ``Song 00`` and so on, of three stems each, whose artists nobody knows."""
    for song in range(count):
        for place, part in enumerate(PARTS):
            audio = played(seed + 100 * song + place, 6.0, RATE)
            write(root / f"Song {song:02d}" / f"{part}.wav", audio, RATE)


def splits(catalog: Catalog) -> dict[str, str]:
    return {key.partition("/")[2]: split for key, split in catalog.split_songs().items()}


def audio_problems(catalog: Catalog) -> list[Problem]:
    return [p for p in catalog.problems() if p.kind in ("duplicate-audio", "shared-audio")]


def reformat(suffix: str) -> Callable[[Path], None]:
    def change(song: Path) -> None:
        for path in list(song.iterdir()):
            audio, rate = soundfile.read(path, always_2d=True)
            path.unlink()
            quality = {"compression_level": 0.1} if suffix == ".mp3" else {}
            soundfile.write(path.with_suffix(suffix), audio, rate, **quality)

    return change


def quieter(song: Path) -> None:
    for path in song.iterdir():
        audio, rate = soundfile.read(path)
        soundfile.write(path, 0.5 * audio, rate)


CHANGES = {"equal": lambda song: None, "FLAC": reformat(".flac"), "MP3": reformat(".mp3"), "quieter": quieter}


@pytest.mark.parametrize("change", CHANGES)
def test_copies_of_a_song_stay_with_it(tmp_path: Path, change: str) -> None:
    make_songs(tmp_path / "audio", 12)
    for song in (3, 7):
        copy = tmp_path / "audio" / f"Song {song:02d} (1)"
        shutil.copytree(tmp_path / "audio" / f"Song {song:02d}", copy)
        CHANGES[change](copy)
    report = build(tmp_path)
    catalog = Catalog.open(tmp_path / "catalog")
    placed = splits(catalog)
    assert placed["Song 03"] == placed["Song 03 (1)"]
    assert placed["Song 07"] == placed["Song 07 (1)"]
    assert set(placed.values()) == {"train", "validation", "test"}
    assert report.leaks.checked == {"audio": 6}
    assert report.leaks.verdict == (
        "As far as is known, no artist and no related songs are in two splits (6 shared audio keys); "
        "artists of 14 songs are unknown: cannot be checked."
    )
    found = audio_problems(catalog)
    assert [(p.song, p.kind) for p in found] == [(f"Song {n} (1)", "duplicate-audio") for n in ("03", "07")]
    assert (
        "3 of 3 audible stems of folder/Song 03 (1) are the audio of stems of folder/Song 03 "
        in found[0].message
    )
    groups = set(catalog.column("groups")[catalog.find("folder/Song 03 (1)/drums")])
    assert groups == {f"audio:folder/Song 03/{part}" for part in PARTS}


def test_a_random_split_of_copies_is_called_leaky(tmp_path: Path) -> None:
    make_songs(tmp_path / "audio", 8)
    for song in range(8):
        shutil.copytree(tmp_path / "audio" / f"Song {song:02d}", tmp_path / "audio" / f"Copy {song:02d}")
    build(tmp_path)
    view = Catalog.open(tmp_path / "catalog").with_splits("random", 1)
    report = find_leaks(view.songs(), view.split_songs())
    assert report.verdict.startswith("LEAKAGE: ")
    assert {leak.kind for leak in report.leaks} == {"audio"}


def test_copies_in_another_corpus_stay_together(tmp_path: Path) -> None:
    make_songs(tmp_path / "audio", 9)
    make_songs(tmp_path / "more", 3, seed=5000)
    shutil.copytree(tmp_path / "audio" / "Song 04", tmp_path / "more" / "Another name")
    build(tmp_path, **{"folder@more": tmp_path / "more"})
    catalog = Catalog.open(tmp_path / "catalog")
    placed = catalog.split_songs()
    assert placed["folder/Song 04"] == placed["folder@more/Another name"]
    assert [(p.corpus, p.song, p.kind) for p in audio_problems(catalog)] == [
        ("folder@more", "Another name", "duplicate-audio")
    ]


def test_hard_links_to_a_song_within_its_root_are_copies(tmp_path: Path) -> None:
    make_songs(tmp_path / "audio", 9)
    (tmp_path / "audio" / "Alias").mkdir()
    for path in (tmp_path / "audio" / "Song 04").iterdir():
        os.link(path, tmp_path / "audio" / "Alias" / path.name)
    build(tmp_path)
    catalog = Catalog.open(tmp_path / "catalog")
    assert splits(catalog)["Alias"] == splits(catalog)["Song 04"]
    assert [(p.song, p.kind) for p in audio_problems(catalog)] == [("Song 04", "duplicate-audio")]


def test_one_loop_in_two_songs_ties_them(tmp_path: Path) -> None:
    make_songs(tmp_path / "audio", 9)
    shutil.copy(tmp_path / "audio" / "Song 01" / "drums.wav", tmp_path / "audio" / "Song 05" / "drums.wav")
    build(tmp_path)
    catalog = Catalog.open(tmp_path / "catalog")
    assert splits(catalog)["Song 01"] == splits(catalog)["Song 05"]
    assert [(p.song, p.kind) for p in audio_problems(catalog)] == [("Song 05", "shared-audio")]


@pytest.mark.parametrize("kind", ["silence", "constant", "tone", "unnamed"])
def test_what_says_nothing_of_a_song_ties_nothing(tmp_path: Path, kind: str) -> None:
    """A silent, constant or steady stem, and one without an instrument, that every song has."""
    make_songs(tmp_path / "audio", 9)
    t = np.arange(6 * RATE) / RATE
    audio = {
        "silence": np.zeros_like(t),
        "constant": np.full_like(t, 0.2),
        "tone": 0.2 * np.sin(2 * np.pi * 1000 * t),
        "unnamed": played(77, 6.0, RATE)[0],
    }[kind]
    for song in (tmp_path / "audio").iterdir():
        write(song / ("zzzz.wav" if kind == "unnamed" else "guitar.wav"), audio[None], RATE)
    roots = {"folder": tmp_path / "audio"}
    report = build_catalog(tmp_path / "catalog", roots, on_unmapped="ignore", progress=False, workers=1)
    catalog = Catalog.open(tmp_path / "catalog")
    assert set(catalog.split_songs().values()) == {"train", "validation", "test"}
    assert report.leaks.checked == {}
    assert not any(group.startswith("audio:") for groups in catalog.column("groups") for group in groups)


def test_corrupt_samples_tie_nothing(tmp_path: Path) -> None:
    """Two stems that one corrupt sample each outshouts have nothing in common but that."""
    make_songs(tmp_path / "audio", 9)
    for number, song in enumerate(sorted((tmp_path / "audio").iterdir())):
        audio = played(500 + number, 6.0, RATE).copy()
        audio[0, 3 * RATE] = 1e6
        write(song / "guitar.wav", audio, RATE, "FLOAT")
    report = build(tmp_path)
    assert report.problems["beyond-full-scale"] == 9
    assert report.leaks.checked == {}
    assert audio_problems(Catalog.open(tmp_path / "catalog")) == []


def test_non_musical_mixes_never_hold_a_song_and_its_copy(tmp_path: Path) -> None:
    make_songs(tmp_path / "audio", 2)
    shutil.copytree(tmp_path / "audio" / "Song 00", tmp_path / "audio" / "Song 00 (1)")
    titles = ("Song 00", "Song 00 (1)", "Song 01")
    table = tmp_path / "splits.csv"
    table.write_text("song,split\n" + "".join(f"folder/{title},train\n" for title in titles))
    roots = {"folder": tmp_path / "audio"}
    build_catalog(tmp_path / "catalog", roots, splits=table, progress=False, workers=1)
    catalog = Catalog.open(tmp_path / "catalog")
    config = MixConfig(p_musical=0.0, p_single_source=0.0, duration_s=1.0, effects=EffectsConfig.none())
    songs = set()
    for index in range(60):
        held = {source.stem.split("/")[1] for source in sample_recipe(catalog, config, 0, 0, index).sources}
        assert not {"Song 00", "Song 00 (1)"} <= held
        songs |= held
    assert songs == set(titles)


# ---- time stamps ----

LATE_S = 8
HOUR = 3600 * RATE


def stamped_song(root: Path, stamps: dict[str, int | None], seconds: dict[str, float]) -> None:
    for seed, (part, stamp) in enumerate(stamps.items()):
        write_stamped(root / "Song" / f"{part}.wav", played(seed, seconds.get(part, 20.0), RATE), RATE, stamp)


def offsets(place: Path) -> dict[str, float]:
    catalog = Catalog.open(place / "catalog")
    return {catalog.column("stem")[i]: float(catalog.column("offset_s")[i]) for i in range(len(catalog))}


@pytest.mark.parametrize("start", [0, HOUR, 24 * HOUR - 1])
def test_a_stem_starts_where_its_time_stamp_says(tmp_path: Path, start: int) -> None:
    stamps = {"drums": start, "piano": start + LATE_S * RATE, "bass": start + 1}
    stamped_song(tmp_path / "audio", stamps, {"piano": 12.0})
    report = build(tmp_path)
    assert offsets(tmp_path) == {"drums": 0.0, "piano": 8.0, "bass": 1 / RATE}
    assert report.problems == {}  # it ends with the others, so it is not short
    assert (
        "Stems that start later than their song, by the time stamps in their files: 2, in 1 song."
        in report.notes
    )


def test_musical_mixes_hold_the_late_stem_where_it_belongs(tmp_path: Path) -> None:
    stamped_song(tmp_path / "audio", {"drums": HOUR, "piano": HOUR + LATE_S * RATE}, {"piano": 12.0})
    build(tmp_path)
    catalog = Catalog.open(tmp_path / "catalog")
    config = MixConfig(
        p_musical=1.0, full=True, duration_s=20.0, sample_rate=RATE, channels=2, effects=EffectsConfig.none()
    )
    recipe = sample_recipe(catalog, config, 0, 0, 0)
    starts = {s.stem.split("/")[2]: s.start_s for s in recipe.sources}
    assert starts["drums"] - starts["piano"] == pytest.approx(LATE_S, abs=1e-6)
    mix = render_mix(recipe, catalog).mixture
    begin = round(-starts["drums"] * RATE)
    drums = soundfile.read(tmp_path / "audio" / "Song" / "drums.wav")[0].T
    piano = soundfile.read(tmp_path / "audio" / "Song" / "piano.wav")[0].T
    expected = np.zeros((2, 60 * RATE), dtype=np.float32)
    at = 20 * RATE + begin
    expected[:, at : at + drums.shape[1]] += drums
    expected[:, at + LATE_S * RATE : at + LATE_S * RATE + piano.shape[1]] += piano
    expected = expected[:, 20 * RATE : 40 * RATE]
    scale = float(np.vdot(mix, expected) / np.vdot(expected, expected))
    np.testing.assert_allclose(mix, scale * expected, atol=1e-4)


def test_what_the_user_gives_wins(tmp_path: Path) -> None:
    stamped_song(tmp_path / "audio", {"drums": HOUR, "piano": HOUR + LATE_S * RATE, "bass": None}, {})
    rows = [
        {"file": "Song/drums.wav", "label": "drums", "offset_s": "0"},
        {"file": "Song/piano.wav", "label": "piano", "offset_s": "2.5"},
        {"file": "Song/bass.wav", "label": "bass", "offset_s": "1"},
    ]
    write_sidecar(tmp_path / "audio", rows)
    assert "time-stamp" not in build(tmp_path).problems
    assert offsets(tmp_path) == {"drums": 0.0, "piano": 2.5, "bass": 1.0}
    rows[1]["offset_s"] = ""
    write_sidecar(tmp_path / "audio", rows)
    assert "time-stamp" not in build(tmp_path).problems
    assert offsets(tmp_path) == {"drums": 0.0, "piano": 8.0, "bass": 1.0}


@pytest.mark.parametrize(
    ("stamps", "expected", "message"),
    [
        ({"drums": HOUR, "piano": HOUR + 8 * RATE, "bass": None}, {"piano": 8.0}, "but bass has none"),
        ({"drums": 0, "piano": HOUR}, {}, "3600.0 s apart, more than the longest file lasts"),
        ({"drums": 0, "piano": (1 << 64) - 1}, {}, "more than the longest file lasts"),
    ],
)
def test_doubtful_stamps_are_listed(
    tmp_path: Path, stamps: dict[str, int | None], expected: dict[str, float], message: str
) -> None:
    stamped_song(tmp_path / "audio", stamps, {})
    build(tmp_path)
    assert offsets(tmp_path) == dict.fromkeys(stamps, 0.0) | expected
    found = [p for p in Catalog.open(tmp_path / "catalog").problems() if p.kind == "time-stamp"]
    assert [p.song for p in found] == ["Song"]
    assert message in found[0].message


def test_a_corpus_whose_files_start_together_is_not_moved_but_listed(tmp_path: Path) -> None:
    song = tmp_path / "musdb" / "train" / "Band - Song"
    for seed, (part, stamp) in enumerate({"drums": 0, "bass": 8 * RATE, "vocals": 0}.items()):
        write_stamped(song / f"{part}.wav", played(seed, 20.0, RATE), RATE, stamp)
    write(song / "other.wav", played(9, 20.0, RATE), RATE)
    write(song / "mixture.wav", played(10, 20.0, RATE), RATE)
    build_catalog(tmp_path / "catalog", {"musdb18hq": tmp_path / "musdb"}, progress=False, workers=1)
    assert set(offsets(tmp_path).values()) == {0.0}
    found = [p for p in Catalog.open(tmp_path / "catalog").problems() if p.kind == "time-stamp"]
    assert [p.song for p in found] == ["Band - Song"]
    assert "up to 8.000 s apart, but the corpus says that they start together" in found[0].message


def test_stamps_of_stems_that_are_not_heard_do_not_count(tmp_path: Path) -> None:
    stamped_song(tmp_path / "audio", {"drums": HOUR, "piano": HOUR + 8 * RATE}, {"piano": 12.0})
    write_stamped(tmp_path / "audio" / "Song" / "guitar.wav", np.zeros((1, 8 * RATE)), RATE, 0)
    report = build(tmp_path)
    assert "time-stamp" not in report.problems
    assert offsets(tmp_path) == {"drums": 0.0, "guitar": 0.0, "piano": 8.0}


def test_indexing_again_keeps_the_starts(tmp_path: Path) -> None:
    stamped_song(tmp_path / "audio", {"drums": HOUR, "piano": HOUR + 8 * RATE}, {"piano": 12.0})
    first = build(tmp_path)
    again = build(tmp_path)
    assert (again.reused, again.content_hash) == (2, first.content_hash)
    assert offsets(tmp_path) == {"drums": 0.0, "piano": 8.0}
