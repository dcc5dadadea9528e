"""MUSDB18-HQ and MoisesDB, and the keys that tie one recording in several corpora together."""

import csv
from pathlib import Path

import pytest
import yaml

from mixlab.corpora import CORPORA, medleydb, mixing_secrets, musdb18hq
from mixlab.corpora._folder_words import split_artist
from mixlab.corpora._keys import artist_keys, common_artists, normalise, song_keys, spaced
from mixlab.corpora._medley_format import parse_sheet
from mixlab.errors import CorpusError
from mixlab.taxonomy import load_label_map, resolve_stem
from tests.corpora import trees
from tests.corpora.trees import MOISES_IDS, by_key, kinds, medley_song, medley_stems, scan, touch
from tests.errors import raises

MUSDB, MOISES = CORPORA["musdb18hq"], CORPORA["moisesdb"]


def test_musdb_tree(tmp_path: Path) -> None:
    result = scan(MUSDB, trees.musdb18hq(tmp_path))
    stems = by_key(result)
    validation = stems["Actions - One Minute Smile/other"]
    assert (validation.labels, validation.corpus_split, validation.artist) == (
        ("other",),
        "validation",
        "Actions",
    )
    assert stems["The Doppler Shift - Atrophy/bass"].corpus_split == "train"
    assert stems["BKS - Too Much/vocals"].corpus_split == "train"
    assert not any(stem.stem == "mixture" for stem in result.stems)
    # The song is in both folders: the first is read, and lacks three files.
    assert kinds(result)["BKS - Too Much", ""] == "duplicate-song"
    assert kinds(result)["BKS - Too Much", "drums"] == "missing-file"


def test_musdb_in_the_wrong_format_says_so(tmp_path: Path) -> None:
    touch(tmp_path / "train" / "A - B.stem.mp4")
    with raises(CorpusError, code="layout-not-found", mentions=("1", ".mp4", "MUSDB18", ".stem.mp4")):
        scan(MUSDB, tmp_path)


def test_musdb_validation_songs_and_labels(shared: Path) -> None:
    listed = (shared / "datasets" / "musdb18" / "validation_tracks.txt").read_text().splitlines()
    assert set(musdb18hq._VALIDATION) == {line.strip() for line in listed if line.strip()}
    label_map = load_label_map("musdb18hq")
    assert [bool(resolve_stem(label_map, (stem,)).nodes) for stem in musdb18hq._STEMS] == [
        True,
        True,
        True,
        False,
    ]


def test_moisesdb_tree(tmp_path: Path) -> None:
    result = scan(MOISES, trees.moisesdb(tmp_path))
    stems = by_key(result)
    banjo, voice = (stems[f"{MOISES_IDS[0]}/{s}"] for s in ("other_plucked_id1", "vocals_id2"))
    assert banjo.labels == ("other plucked: banjo, mandolin, ukulele, harp etc",)
    assert banjo.path == f"moisesdb_v0.1/{MOISES_IDS[0]}/other_plucked/id1.wav"
    assert (banjo.bleed, voice.bleed) == (False, True)
    assert (banjo.artist, banjo.title, banjo.genre) == ("Some Band", "Song", "rock")
    nameless = stems[f"{MOISES_IDS[1]}/vocals_id2"]
    assert (nameless.artist, nameless.title, nameless.groups) == ("", "7", ())
    found = [(p.song, p.kind) for p in result.problems]
    bad = MOISES_IDS[2]
    assert found.count((bad, "bad-metadata")) == 2
    assert (bad, "missing-file") in found
    assert (bad, "path-outside-root") in found
    assert ("bad-json", "bad-metadata") in found
    assert ("bad-list", "bad-metadata") in found


def test_every_real_moisesdb_label_resolves(shared: Path) -> None:
    taxonomy = yaml.safe_load((shared / "datasets" / "moisesdb" / "taxonomy.json").read_text())
    label_map = load_label_map(MOISES.label_map)
    kinds_by_stem = taxonomy["stemName -> trackType"]
    assert len(kinds_by_stem) == 11
    module = __import__(type(MOISES).__module__, fromlist=["track_labels"])
    for stem, kinds_of in kinds_by_stem.items():
        for kind in kinds_of:
            for spelling in (stem, stem.replace(" ", "_")):
                (label,) = module.track_labels(spelling, kind)
                assert label_map.resolve(label) is not None, label


# Keys ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The Doppler Shift", "DopplerShift"),
        ("Clara Berry And Wooldog", "ClaraBerryAndWooldog"),
        ("Clara Berry & Wooldog", "Clara Berry and Wooldog"),
        ("M.E.R.C. Music", "MERCMusic"),
        ("The Wrong'Uns", "WrongUns"),
        ("Devil\u2019s Words", "DevilsWords"),
        ("Bj\u00f6rk", "BJORK"),
        ("AMContra", "AM Contra"),
        ("Music Delta", "MusicDelta"),
    ],
)
def test_spellings_of_one_name(one: str, other: str) -> None:
    assert normalise(one) == normalise(other) != ""


@pytest.mark.parametrize(
    ("one", "other"), [("Mu", "Muse"), ("Leaf", "Leafs"), ("\u97f3\u697d", "\u97f3"), ("A", "B")]
)
def test_different_names_stay_different(one: str, other: str) -> None:
    assert normalise(one) != normalise(other)


def test_keys_of_names_made_of_dropped_words() -> None:
    assert normalise("The The") == "thethe"
    assert artist_keys("", "!!!") == ()
    assert song_keys("Artist", "") == ()


def test_guests_and_brackets_give_a_second_key() -> None:
    assert "artist:triviul" in artist_keys("Triviul feat. The Fiend")
    assert "artist:eastonellises" in artist_keys("The Easton Ellises (Baumi)")
    assert set(song_keys("TrafficExperiment", "OnceMore")) <= set(
        song_keys("Traffic Experiment", "Once More (With Feeling)")
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("AngelaThomasWade", "Angela Thomas Wade"),
        ("AMContra", "AM Contra"),
        ("BKS", "BKS"),
        ("cfx", "cfx"),
        ("Come Around", "Come Around"),
    ],
)
def test_spaced(name: str, words: str) -> None:
    assert spaced(name) == words


def test_common_artists_are_transitive() -> None:
    names = {"a": ("X & Y", "P"), "b": ("X", "Q"), "c": ("Q",), "d": ("Z",), "e": ()}
    found = common_artists(names)
    assert found["a"] == found["b"] == found["c"]
    assert len({found["a"], found["d"], found["e"]}) == 3
    assert found["e"] == "e"


def test_overlap_across_three_corpora(tmp_path: Path) -> None:
    medley_song(tmp_path / "mdb" / "Meaxic_TakeAStep", medley_stems("Meaxic_TakeAStep", "piano"))
    medley_song(tmp_path / "ms" / "MR1210_JamesMay", medley_stems("MR1210_JamesMay", "piano"))
    for song in ("Meaxic - Take A Step", "James May - On The Line"):
        touch(tmp_path / "musdb" / "train" / song / "bass.wav")
    musdb = {entry.song: set(entry.groups) for entry in scan(MUSDB, tmp_path / "musdb").stems}
    (ours,) = scan(CORPORA["medleydb"], tmp_path / "mdb").stems
    assert musdb["Meaxic - Take A Step"] == set(ours.groups)
    (ours,) = scan(CORPORA["mixing_secrets"], tmp_path / "ms").stems
    assert musdb["James May - On The Line"] == set(ours.groups)


def test_every_real_overlap_of_musdb_is_tied(shared: Path) -> None:
    """All 139 overlaps share an artist key, all but two misspelt titles a song key as well."""
    datasets = shared / "datasets"
    with (datasets / "musdb18" / "overlap_with_mixing_secrets_and_medleydb.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    untied, titles_apart, overlaps = [], [], 0
    for row in rows:
        artist, title = split_artist(row["musdb_track"])
        if row["mixing_secrets_track_id"]:
            theirs = mixing_secrets.identify(row["mixing_secrets_track_id"])
            shown = spaced(mixing_secrets._SAME_ARTIST.get(theirs[0], theirs[0]))
            keys = {*artist_keys(shown, spaced(theirs[0])), *song_keys(*theirs)}
        elif row["medleydb_track_id"]:
            song = row["medleydb_track_id"]
            text = (datasets / "medleydb" / "Metadata" / f"{song}_METADATA.yaml").read_text()
            sheet, _ = parse_sheet(song, yaml.load(text, Loader=yaml.CSafeLoader))
            prefix, _, rest = song.partition("_")
            keys = {*artist_keys(*medleydb._artist_names(sheet)), *song_keys(prefix, rest)}
        else:
            continue
        overlaps += 1
        if keys.isdisjoint(artist_keys(artist)):
            untied.append(row["musdb_track"])
        if keys.isdisjoint(song_keys(artist, title)):
            titles_apart.append(row["musdb_track"])
    assert overlaps == 139
    assert untied == []
    assert titles_apart == ["Al James - Schoolboy Facination", "Patrick Talbot - Set Free Me"]
