"""Everything at once that tools in this field get wrong without a word: songs, splits, labels, problems."""

from collections import Counter, defaultdict
from typing import Any

import pytest

from mixlab import Catalog, build_catalog
from mixlab.catalog.build import BuildReport
from mixlab.taxonomy import load_taxonomy
from tests import odd_tree

BASS = {"double-bass", "electric-bass", "synth-bass"}
MIXTURE = "the whole song, not a stem"
BUT_ONE = "everything but an instrument or the voice, not a stem"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Catalog, BuildReport]:
    folder = tmp_path_factory.mktemp("odd")
    roots = odd_tree.make(folder)
    report = build_catalog(folder / "catalog", roots, workers=1)
    return Catalog.open(folder / "catalog"), report


def rows(catalog: Catalog, corpus: str) -> list[dict[str, Any]]:
    """Return the rows of a corpus, each as a dictionary of the columns that the tests look at."""
    names = ("corpus", "song", "stem", "path", "nodes", "ignored", "artist", "split", "corpus_split",
             "offset_s", "drawable", "frames", "sample_rate")  # fmt: skip
    columns = [catalog.column(name).tolist() for name in names]
    return [row for values in zip(*columns, strict=True) if (row := dict(zip(names, values, strict=True)))
            and row["corpus"] == corpus]  # fmt: skip


def at(catalog: Catalog, corpus: str, path: str) -> dict[str, Any]:
    (found,) = [row for row in rows(catalog, corpus) if row["path"] == path]
    return found


def songs_of(catalog: Catalog, corpus: str) -> dict[str, set[str]]:
    """Return the paths of the stems of each song."""
    songs = defaultdict(set)
    for row in rows(catalog, corpus):
        songs[row["song"]].add(row["path"])
    return songs


def test_artists_are_taken_from_folders_of_songs(built: tuple[Catalog, BuildReport]) -> None:
    catalog, report = built
    found = rows(catalog, "folder@artists")
    assert len({row["song"] for row in found}) == 15
    assert {row["artist"] for row in found} == set(odd_tree.ARTISTS)
    assert all(row["path"].startswith(f"{row['artist']}/") for row in found)
    splits = defaultdict(set)
    for row in found:
        splits[row["artist"]].add(row["split"])
    assert {len(of_artist) for of_artist in splits.values()} == {1}
    assert Counter(s for of_artist in splits.values() for s in of_artist).keys() == {
        "train", "validation", "test",
    }  # fmt: skip
    assert any("10 folders of songs as their artists, for 15 songs" in note for note in report.notes)


def test_artists_that_nothing_names_are_said_to_be_unknown(built: tuple[Catalog, BuildReport]) -> None:
    catalog, report = built
    unknown = {(row["corpus"], row["song"]) for name in odd_tree.ROOTS for row in rows(catalog, name)
               if not row["artist"]}  # fmt: skip
    assert f"artists of {len(unknown)} songs are unknown: cannot be checked" in report.leaks.verdict
    assert "No leakage" not in report.leaks.verdict
    assert {song for corpus, song in unknown if corpus == "folder@instruments"} == set(odd_tree.TITLES)


@pytest.mark.parametrize("title", ["Blue Lamp – Night Bus", "Blue Lamp — Day Bus"])
def test_every_dash_parts_artist_and_title(built: tuple[Catalog, BuildReport], title: str) -> None:
    assert at(built[0], "folder@songs", f"{title}/bass.wav")["artist"] == "Blue Lamp"


def test_folders_of_buses_are_one_song(built: tuple[Catalog, BuildReport]) -> None:
    catalog = built[0]
    paths = {f"Harbour/{name}" for name in ("Drums/kick.wav", "Drums/snare.wav", "Vox/01.wav", "Bass/02.wav")}
    assert paths in songs_of(catalog, "folder@songs").values()
    nodes = {path: set(at(catalog, "folder@songs", path)["nodes"]) for path in paths}
    assert nodes == {
        "Harbour/Drums/kick.wav": {"kick-drum"},
        "Harbour/Drums/snare.wav": {"snare-drum"},
        "Harbour/Vox/01.wav": {"voice"},
        "Harbour/Bass/02.wav": BASS,
    }


def test_a_copy_stays_with_its_original_and_is_named(built: tuple[Catalog, BuildReport]) -> None:
    catalog = built[0]
    copies = [at(catalog, "folder@songs", f"Pale Moon 01{end}/bass.wav") for end in ("", " (1)")]
    assert copies[0]["split"] == copies[1]["split"]
    assert copies[0]["song"] != copies[1]["song"]
    (problem,) = [p for p in catalog.problems() if p.kind == "duplicate-audio"]
    assert "Pale Moon 01 (1)" in problem.message
    keys = [f"folder@songs/Pale Moon 01{end}/bass" for end in ("", " (1)")]
    groups = [
        {g for g in catalog.column("groups")[catalog.find(key)] if g.startswith("audio:")} for key in keys
    ]
    assert groups[0] & groups[1]


def test_songs_whose_folders_read_alike_stay_two(built: tuple[Catalog, BuildReport]) -> None:
    songs = songs_of(built[0], "folder@songs")
    for path in ("Reed/North_South/bass.wav", "Reed_North/South/bass.wav"):
        assert {path} in songs.values()


def test_a_stem_starts_where_its_time_stamp_says(built: tuple[Catalog, BuildReport]) -> None:
    assert at(built[0], "folder@songs", "Late Entry/bass.wav")["offset_s"] == 0.0
    assert at(built[0], "folder@songs", "Late Entry/vocals.wav")["offset_s"] == 8.0
    assert not [p for p in built[0].problems() if p.song == "Late Entry"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no_vocals", BUT_ONE),
        ("minus_drums", BUT_ONE),
        ("Tin Roof (No Drums)", BUT_ONE),
        ("Instrumental", BUT_ONE),
        ("Backing Track", BUT_ONE),
        ("Piano Man Mix", MIXTURE),
        ("Piano Man Master", MIXTURE),
        ("Piano Man_Full_Preview", MIXTURE),
    ],
)
def test_what_is_no_stem_is_ignored_with_the_reason(
    built: tuple[Catalog, BuildReport], name: str, why: str
) -> None:
    song = "Piano Man" if "Piano" in name else "Tin Roof"
    row = at(built[0], "folder@songs", f"{song}/{name}.wav")
    assert (row["nodes"], row["ignored"], row["drawable"]) == ((), why, False)


def test_a_title_is_no_instrument(built: tuple[Catalog, BuildReport]) -> None:
    assert set(at(built[0], "folder@songs", "Piano Man/Piano Man - Bass.wav")["nodes"]) == BASS
    assert at(built[0], "folder@songs", "Piano Man/Piano Man - Drums.wav")["nodes"] == ("drums",)


@pytest.mark.parametrize(("name", "node"), odd_tree.NAMES.items())
def test_a_name_means_what_it_says_as_a_whole(
    built: tuple[Catalog, BuildReport], name: str, node: str
) -> None:
    nodes = at(built[0], "folder@songs", f"Names/{name}.wav")["nodes"]
    assert nodes
    assert all(node in load_taxonomy().closure([found]) for found in nodes)


def test_labels_come_from_folders_of_instruments(built: tuple[Catalog, BuildReport]) -> None:
    catalog, report = built
    assert songs_of(catalog, "folder@instruments") == {
        title: {f"{instrument}/{title}.wav" for instrument in ("drums", "bass", "piano")}
        for title in odd_tree.TITLES
    }
    for title in odd_tree.TITLES:
        assert at(catalog, "folder@instruments", f"drums/{title}.wav")["nodes"] == ("drums",)
        assert at(catalog, "folder@instruments", f"piano/{title}.wav")["nodes"] == ("piano",)
        assert set(at(catalog, "folder@instruments", f"bass/{title}.wav")["nodes"]) == BASS
    assert any("bass, drums, piano as a folder per instrument" in note for note in report.notes)


@pytest.mark.parametrize("corpus", ["folder@parts", "musdb18hq"])
def test_folders_of_splits_are_read_with_their_split(built: tuple[Catalog, BuildReport], corpus: str) -> None:
    found = {(row["path"].partition("/")[0], row["corpus_split"]) for row in rows(built[0], corpus)}
    assert found == {("train", "train"), ("valid", "validation"), ("test", "test")}


def test_a_table_of_the_users_own_is_read_as_it_is(built: tuple[Catalog, BuildReport]) -> None:
    catalog, report = built
    labels = {name: at(catalog, "folder@songs", f"Listed/{name}.wav")["nodes"]
              for name in ("Spur 1", "Spur 2", "Größe")}  # fmt: skip
    assert labels == {"Spur 1": ("violin",), "Spur 2": ("piano",), "Größe": ("flute",)}
    assert any("Listed/stems.csv as cp1252" in note for note in report.notes)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("Still Air/piano.wav", "dc-offset"),
        ("Wide Awake/synth.wav", "cancels-in-mono"),
        ("Hit/bass.wav", "beyond-full-scale"),
        ("Rates/bass.wav", "unsupported"),
        ("Rates/synth.wav", "unsupported"),
    ],
)
def test_what_is_no_sound_is_named_and_not_sampled(
    built: tuple[Catalog, BuildReport], path: str, kind: str
) -> None:
    assert not at(built[0], "folder@songs", path)["drawable"]
    assert kind in {p.kind for p in built[0].problems() if p.path == path}


@pytest.mark.parametrize(("name", "seconds"), [("bass.mp3", 20.0), ("drums.flac", odd_tree.SECONDS)])
def test_containers_are_read_to_their_end(
    built: tuple[Catalog, BuildReport], name: str, seconds: float
) -> None:
    row = at(built[0], "folder@songs", f"Odd Jars/{name}")
    # An encoder of MP3 pads at both ends: by less than three of its frames.
    slack = 3 * 1152 if name.endswith("mp3") else 0
    assert 0 <= row["frames"] - round(seconds * row["sample_rate"]) <= slack
    assert not [
        p for p in built[0].problems() if p.path == row["path"] and p.kind in ("truncated", "unreadable")
    ]


@pytest.mark.parametrize(
    ("path", "kind"), [("Left Out/bass.m4a", "skipped"), ("Left Out/vocals.wav", "path-outside-root")]
)
def test_what_is_not_read_is_listed(built: tuple[Catalog, BuildReport], path: str, kind: str) -> None:
    (problem,) = [p for p in built[0].problems() if p.path == path]
    assert problem.kind == kind


def test_a_converted_corpus_is_read_and_what_it_lacks_is_listed(built: tuple[Catalog, BuildReport]) -> None:
    catalog = built[0]
    found = {row["path"]: row["nodes"] for row in rows(catalog, "medleydb")}
    place = "V1/{0}/{0}_STEMS/{0}_STEM_{1}.flac"
    assert found == {
        place.format("Ann_Dawn", "01"): ("piano",),
        place.format("Ann_Dawn", "02"): ("violin",),
        place.format("Ben_Noon", "01"): ("piano",),
        place.format("Cat_Dusk", "01"): ("piano",),
        place.format("Cat_Dusk", "02"): ("violin",),
    }
    problems = [p for p in catalog.problems() if p.corpus == "medleydb"]
    assert {(p.kind, p.path) for p in problems} == {
        ("bad-metadata", "V1/Dan_Night/Dan_Night_METADATA.yaml"),
        ("broken-link", place.format("Ben_Noon", "02")),
        ("skipped", "V1/Ann_Dawn/Ann_Dawn_STEMS/click.wav"),
    }
    (twice,) = [p for p in problems if p.kind == "bad-metadata"]
    assert "'S01' is in line 4 and again in line 6" in twice.message


def test_a_deep_song_is_read_and_what_systems_leave_is_not(built: tuple[Catalog, BuildReport]) -> None:
    songs = songs_of(built[0], "folder@songs")
    deep = "Box/Disc 1/Side A/Deep Water/stems"
    assert {f"{deep}/bass.wav", f"{deep}/drums.wav"} in songs.values()
    assert {"Left Out/drums.wav"} in songs.values()


def test_nothing_else_is_wrong(built: tuple[Catalog, BuildReport]) -> None:
    """The problems are those of the files that have one, and no more; every stem has a split."""
    catalog, report = built
    assert report.problems == {
        "bad-metadata": 1,
        "beyond-full-scale": 1,
        "broken-link": 1,
        "cancels-in-mono": 1,
        "dc-offset": 1,
        "duplicate-audio": 1,
        "path-outside-root": 1,
        "short": 1,  # the jar of 4 s beside that of 20 s
        "silent": 2,
        "skipped": 2,
        "unsupported": 2,
    }
    assert set(catalog.column("split")) == {"train", "validation", "test"}
    assert report.leaks.clean
