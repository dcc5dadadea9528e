"""A subset holds the songs that fit and nothing else, keeps their splits, and mixes as the whole does."""

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mixlab import Catalog, MixConfig, MixDataset, pack_catalog, subset_catalog
from mixlab.catalog.pack import PackReader, default_pack_folder, open_reader
from mixlab.catalog.readers import CatalogReader
from mixlab.catalog.song_table import load_song_table
from mixlab.cli.main import main
from mixlab.errors import CatalogError, ConfigError
from mixlab.mixing.rendering import render_mix
from mixlab.mixing.sampler import sample_recipe
from tests.errors import raises
from tests.toy import analysed_copy, make_own_catalog, steady

CONFIG = MixConfig(duration_s=1.0)

# song, artist, genre, seconds, labels of the stems
SONGS = (
    ("one", "Ann", "Jazz", 3.0, ("violin", "piano")),
    ("two", "Ann", "jazz", 6.0, ("trumpet", "drum set")),
    ("three", "B. B.", "Rock", 5.0, ("violin", "drum set", "string section")),
    ("four", "", "Rock", 2.0, ("piano",)),
    ("five", "Cid", "", 4.0, ("male singer", "crowd")),
)


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    stems: list[dict[str, object]] = [
        {
            "song": song,
            "artist": artist,
            "genre": genre,
            "label": label,
            "audio": steady(220 + 30 * n, seconds),
        }
        for song, artist, genre, seconds, labels in SONGS
        for n, label in enumerate(labels)
    ]
    return make_own_catalog(tmp_path_factory.mktemp("songs"), stems)


def names(catalog: Catalog) -> set[str]:
    return set(catalog.column("song"))


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"genres": ["JAZZ"]}, {"one", "two"}),
        ({"genres": ["Jazz", "Rock"], "min_duration_s": 5.0}, {"two", "three"}),
        ({"artists": ["ann", "BB"]}, {"one", "two", "three"}),
        ({"min_duration_s": 4.0}, {"two", "three", "five"}),
        ({"classes": ["violin"]}, {"one", "three"}),
        ({"classes": ["bowed string", "singer"]}, {"one", "three", "five"}),
        ({"classes": ["gel"], "label_set": "irmas11", "corpora": ["folder"]}, None),
        ({"corpora": ["folder"]}, {"one", "two", "three", "four", "five"}),
        ({"artists": ["Ann"], "classes": ["drums"]}, {"two"}),
    ],
)
def test_the_songs_that_fit_are_kept_whole(
    songs: Catalog, tmp_path: Path, filters: dict[str, Any], expected: set[str] | None
) -> None:
    if expected is None:
        with raises(CatalogError, code="empty-subset", mentions=(5, "corpora", 0, "classes")):
            subset_catalog(songs, tmp_path / "some", **filters)
        assert not (tmp_path / "some").exists()
        return
    report = subset_catalog(songs, tmp_path / "some", **filters)
    some = Catalog.open(tmp_path / "some")
    assert names(some) == expected
    assert set(some.column("key")) == {key for key in songs.column("key") if key.split("/")[1] in expected}
    assert report.content_hash == some.content_hash
    assert report.songs == (len(expected), 5)
    assert report.stems == (len(some), len(songs))
    assert sum(report.left_out.values()) == 5 - len(expected)
    assert report.splits == {"train": len(expected), "validation": 0, "test": 0}


def test_what_is_not_stated_is_counted(songs: Catalog, tmp_path: Path) -> None:
    report = subset_catalog(songs, tmp_path / "some", artists=["Ann", "Cid"], genres=["jazz"])
    assert report.left_out == {"artists": 2, "genres": 1}
    assert report.unstated == {"artists": 1, "genres": 1}


def test_only_stems_of_the_classes_where_that_is_asked(songs: Catalog, tmp_path: Path) -> None:
    subset_catalog(songs, tmp_path / "some", classes=["violin", "drums"], keep="stems")
    some = Catalog.open(tmp_path / "some")
    assert sorted(some.column("part")) == ["drums", "drums", "violin", "violin"]


def test_rows_levels_and_problems_are_those_of_the_whole(songs: Catalog, tmp_path: Path) -> None:
    subset_catalog(songs, tmp_path / "some", genres=["Rock"])
    some = Catalog.open(tmp_path / "some")
    for row in range(len(some)):
        stem = some.stem(row)
        place = songs.find(stem.key)
        moved = {name: getattr(stem, name) for name in ("hop_offset", "active_offset")}
        assert replace(songs.stem(place), **moved) == stem
        np.testing.assert_array_equal(some.envelope(row), songs.envelope(place))
        np.testing.assert_array_equal(some.active_cumulative(row), songs.active_cumulative(place))
        assert some.audio_path(row) == songs.audio_path(place)
    kept = {f"{p.corpus}/{p.song}" for p in some.problems()}
    assert kept <= {"folder/three", "folder/four", "folder/"}
    of_those = [p for p in songs.problems() if p.song in ("three", "four")]
    assert [p for p in some.problems() if p.song] == of_those


def test_a_mix_of_it_is_one_of_its_stems(songs: Catalog, tmp_path: Path) -> None:
    subset_catalog(songs, tmp_path / "some", genres=["Jazz"], min_duration_s=2.5)
    some = Catalog.open(tmp_path / "some")
    mix = render_mix(sample_recipe(some, CONFIG, 0, 0, 3), some)
    assert {source.stem.split("/")[1] for source in mix.sources} <= {"one", "two"}
    assert float(np.abs(mix.mixture).max()) > 0


def test_splits_are_kept_and_so_is_a_view_of_others(toy: Catalog, tmp_path: Path) -> None:
    for catalog in (toy, toy.with_splits("random", 5)):
        subset_catalog(catalog, tmp_path / "some", corpora=["folder@two"])
        some = Catalog.open(tmp_path / "some")
        assert set(some.roots) == set(some.column("corpus")) == {"folder@two"}
        splits = catalog.split_songs()
        assert some.split_songs() == {song: splits[song] for song in some.split_songs()}
        assert (some.split_method, some.split_seed) == (catalog.split_method, catalog.split_seed)


def test_all_of_a_catalog_mixes_as_it_did(toy: Catalog, tmp_path: Path) -> None:
    subset_catalog(toy, tmp_path / "all", min_duration_s=0.1)
    everything = Catalog.open(tmp_path / "all")
    assert everything.content_hash == toy.content_hash
    assert sample_recipe(everything, CONFIG, 1, 2, 3) == sample_recipe(toy, CONFIG, 1, 2, 3)


def test_tempo_and_key_of_its_songs_stay_known(toy: Catalog, tmp_path: Path) -> None:
    subset_catalog(toy, tmp_path / "unknown", corpora=["folder@two"])
    with raises(CatalogError, code="songs-not-analysed"):
        load_song_table(Catalog.open(tmp_path / "unknown"))
    whole = analysed_copy(toy, tmp_path / "whole")
    subset_catalog(whole, tmp_path / "some", corpora=["folder@two"])
    some = load_song_table(Catalog.open(tmp_path / "some")).songs
    assert some == {song: f for song, f in load_song_table(whole).songs.items() if song[0] == "folder@two"}
    assert some


def test_it_says_what_it_was_made_of(
    songs: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    subset_catalog(songs, tmp_path / "some", genres=["Jazz", "Rock"])
    subset_catalog(Catalog.open(tmp_path / "some"), tmp_path / "fewer", classes=["violin"], keep="stems")
    assert [
        (one["path"], one["content_hash"], one["filters"])
        for one in Catalog.open(tmp_path / "fewer").subset_of
    ] == [
        (str(songs.path), songs.content_hash, {"genres": ["Jazz", "Rock"]}),
        (
            str(tmp_path / "some"),
            Catalog.open(tmp_path / "some").content_hash,
            {"classes": ["violin"], "label_set": "mixtures15", "keep": "stems"},
        ),
    ]
    assert songs.subset_of == ()
    assert main(["catalog", str(tmp_path / "fewer")]) == 0
    said = capsys.readouterr().out
    assert f"subset    of {songs.path}: genres Jazz, Rock\n" in said
    assert f"subset    of {tmp_path / 'some'}: classes violin; only their stems\n" in said


def test_it_reads_from_the_packs_of_what_it_was_made_of(tmp_path: Path) -> None:
    stems: list[dict[str, object]] = [
        {"song": f"s{n}", "genre": "ab"[n % 2], "label": label, "audio": steady(300, 3)}
        for n in range(4)
        for label in ("piano", "violin")
    ]
    whole = make_own_catalog(tmp_path / "here", stems)
    subset_catalog(whole, tmp_path / "here" / "some", genres=["a"])
    some = Catalog.open(tmp_path / "here" / "some")
    assert isinstance(open_reader(some, 16000, 1), CatalogReader)
    pack_catalog(whole, workers=1)
    reader = open_reader(some, 16000, 1)
    assert isinstance(reader, PackReader)
    assert reader.packed == len(some) == 4
    assert "packed" in MixDataset(some, CONFIG).content_hash
    assert isinstance(open_reader(some, 8000, 1), CatalogReader)
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    shutil.rmtree(tmp_path / "here")
    moved = Catalog.open(tmp_path / "there" / "some")
    assert isinstance(open_reader(moved, 16000, 1), PackReader)
    own = pack_catalog(moved, workers=1)
    assert own.folder == default_pack_folder(moved, 16000, 1)
    assert own.stems == 4


def test_a_stale_pack_is_told_with_the_catalogs_to_make_anew(tmp_path: Path) -> None:
    stems: list[dict[str, object]] = [
        {"song": f"s{n}", "genre": "ab"[n % 2], "label": "piano", "audio": steady(300, 3)} for n in range(4)
    ]
    whole = make_own_catalog(tmp_path / "here", stems)
    subset_catalog(whole, tmp_path / "some", genres=["a"])
    subset_catalog(Catalog.open(tmp_path / "some"), tmp_path / "few", min_duration_s=1.0)
    few = Catalog.open(tmp_path / "few")
    pack_catalog(whole, workers=1)
    changed = few.audio_path(0)
    changed.write_bytes(changed.read_bytes() + b"\0\0")
    again = re.escape(f"'mixlab subset' again for {tmp_path / 'some'}, 'mixlab subset' again for {few.path}")
    index = re.escape(f"'mixlab index' for {whole.path} ")
    with pytest.warns(RuntimeWarning, match=f"{index}.*{again}.*{re.escape(f'mixlab pack {whole.path}')}'"):
        open_reader(few, 16000, 1)
    with pytest.warns(RuntimeWarning) as told:
        open_reader(whole, 16000, 1)
    assert "subset" not in str(told[0].message)


def test_it_is_written_anew_and_takes_the_place_of_nothing_else(songs: Catalog, tmp_path: Path) -> None:
    out = tmp_path / "some"
    subset_catalog(songs, out, genres=["Jazz"])
    subset_catalog(songs, out, genres=["Rock"])
    assert names(Catalog.open(out)) == {"three", "four"}
    for folder in (songs.path, songs.path.parent):
        with raises(ConfigError, code="folder-not-empty", mentions=folder):
            subset_catalog(songs, folder, genres=["Jazz"])
    with raises(ConfigError, code="folder-not-empty", mentions=out):
        subset_catalog(Catalog.open(out), out, artists=["BB"])
    assert names(Catalog.open(songs.path)) == {"one", "two", "three", "four", "five"}


@pytest.mark.parametrize(
    ("filters", "code", "mentions"),
    [
        ({}, "missing-setting", ("corpora", "classes")),
        ({"keep": "stems", "genres": ["Jazz"]}, "missing-setting", ("stems", "classes")),
        ({"genres": ["Jaz"]}, "invalid-setting", ("genres", "Jaz", "Jazz")),
        ({"genres": ["Polka"]}, "invalid-setting", ("genres", "Polka", "Jazz", "Rock")),
        ({"artists": ["Anne"]}, "invalid-setting", ("artists", "Anne", "Ann")),
        ({"corpora": ["slakh"]}, "invalid-setting", ("corpora", "slakh", "folder")),
        ({"classes": ["violins"]}, "invalid-setting", ("classes", "violins", "violin")),
        ({"min_duration_s": -1}, "invalid-setting", ("min_duration_s", "-1.0")),
        ({"genres": ["Jazz"], "keep": "all"}, "invalid-setting", ("keep", "songs", "stems", "all")),
    ],
)
def test_what_cannot_be_filtered_by_is_refused(
    songs: Catalog, tmp_path: Path, filters: dict[str, Any], code: str, mentions: object
) -> None:
    with raises(ConfigError, code=code, mentions=mentions):
        subset_catalog(songs, tmp_path / "some", **filters)
    assert not (tmp_path / "some").exists()


def test_the_command_says_in_numbers_what_was_left_out(
    songs: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "some")
    typed = ["--genres", "jazz", "--genres", "rock", "--min_duration_s", "3", "--classes", "violin"]
    assert main(["subset", str(songs.path), out, *typed, "--keep", "stems"]) == 0
    said = capsys.readouterr().out
    for line in (
        "left out  1 songs by genres, 1 of them as the catalog does not know theirs",
        "left out  1 songs by min_duration_s",
        "left out  1 songs by classes",
        "songs     2 of 5: train 2, validation 0, test 0",
        f"stems     2 of {len(songs)}, usable 2 of",
        "empty     no song in validation, test",
    ):
        assert line in said
    assert main(["subset", str(songs.path), out, "--genres", "Jaz"]) == 2
    assert "[invalid-setting]" in capsys.readouterr().err
