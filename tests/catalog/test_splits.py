"""Splits: nothing related crosses, shares hold, rare families are spread, every song is placed."""

import csv
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from random import Random

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mixlab.catalog.splits import (
    SHARES,
    SPLITS,
    Song,
    assign_splits,
    clusters,
    empty_cells,
    find_leaks,
    read_splits,
)
from mixlab.errors import ConfigError
from mixlab.taxonomy import load_label_map, load_taxonomy
from tests.errors import raises

FAMILIES = ("voice", "percussion", "brass")


def song(number: int, artist: str | None = None, corpus: str = "medleydb", **more: object) -> Song:
    return Song(f"{corpus}/{number:04d}", corpus, f"artist {number}" if artist is None else artist, **more)


def random_songs(count: int, artists: int, seed: int) -> list[Song]:
    chance = Random(seed)
    return [
        song(
            number,
            f"Artist {chance.randrange(artists)}",
            chance.choice(["medleydb", "slakh", "folder@x"]),
            groups=tuple(
                chance.sample(["midi:a", "midi:b", "msd:c", "song:d"], chance.choice([0, 0, 0, 1, 2]))
            ),
            families=frozenset(chance.sample(FAMILIES, chance.randrange(len(FAMILIES) + 1))),
            corpus_split=chance.choice(["", "omitted", *SPLITS]),
            usable=chance.random() < 0.8,
            instruments=frozenset(chance.sample(["oboe", "sitar", "kazoo"], chance.choice([0, 0, 1, 2]))),
        )
        for number in range(count)
    ]


def song_graphs() -> st.SearchStrategy[list[Song]]:
    # A few numbers are sampled, the songs follow from them: many sampled songs would take seconds.
    return st.builds(random_songs, st.integers(0, 40), st.integers(1, 60), st.integers(0, 2**32))


@given(songs=song_graphs(), seed=st.integers(0, 99))
def test_artist_split_never_leaks(songs: list[Song], seed: int) -> None:
    result = assign_splits(songs, "artist", seed)
    assert find_leaks(songs, result.assignment).clean


@given(songs=song_graphs(), method=st.sampled_from(["artist", "random", "corpus"]), seed=st.integers(0, 99))
def test_every_song_is_placed_whatever_the_order(songs: list[Song], method: str, seed: int) -> None:
    result = assign_splits(songs, method, seed)
    assert set(result.assignment) == {s.key for s in songs}
    assert set(result.assignment.values()) <= set(SPLITS)
    assert assign_splits(songs[::-1], method, seed) == result
    assert set(result.empty) == set(empty_cells(songs, result.assignment))


@given(songs=song_graphs())
def test_clusters_partition_the_songs(songs: list[Song]) -> None:
    found = clusters(songs)
    assert sorted(i for cluster in found for i in cluster) == list(range(len(songs)))
    where = {i: number for number, cluster in enumerate(found) for i in cluster}
    for i, one in enumerate(songs):
        for k, other in enumerate(songs):
            if one.artist == other.artist or set(one.groups) & set(other.groups):
                assert where[i] == where[k]


def test_relation_is_transitive_and_crosses_corpora() -> None:
    songs = [
        song(0, "A", groups=("midi:x",)),
        song(1, "B", "slakh", groups=("midi:x", "msd:y")),
        song(2, "C", "musdb18hq", groups=("msd:y",)),
        song(3, "D"),
    ]
    assert clusters(songs) == [(0, 1, 2), (3,)]


def test_artists_are_compared_without_case_spaces_and_punctuation() -> None:
    songs = [song(0, "Liz Nelson"), song(1, "LizNelson", "musdb18hq"), song(2, "liz-nelson"), song(3, "???")]
    assert clusters(songs) == [(0, 1, 2), (3,)]


@pytest.mark.parametrize("method", ["artist", "random"])
@pytest.mark.parametrize("seed", range(3))
def test_shares_hold_in_every_corpus(method: str, seed: int) -> None:
    songs = [song(n, corpus="one") for n in range(200)] + [song(n, f"a {n // 2}", "two") for n in range(60)]
    result = assign_splits(songs, method, seed)
    for corpus, total in (("one", 200), ("two", 60)):
        count = Counter(result.assignment[s.key] for s in songs if s.corpus == corpus)
        for split in SPLITS:
            assert abs(count[split] - SHARES[split] * total) <= 2, (corpus, split)


def test_shares_count_usable_songs_only() -> None:
    songs = [song(n, usable=n % 2 == 0) for n in range(200)]
    count = Counter(
        split for key, split in assign_splits(songs).assignment.items() if int(key.split("/")[1]) % 2 == 0
    )
    assert count == {"train": 65, "validation": 17, "test": 18} or count == {
        "train": 65,
        "validation": 18,
        "test": 17,
    }


@pytest.mark.parametrize("seed", range(5))
def test_a_family_of_three_artists_is_in_every_split(seed: int) -> None:
    songs = [
        song(n, families=frozenset({"voice"} | ({"brass"} if n in (3, 50, 77) else set())))
        for n in range(100)
    ]
    result = assign_splits(songs, "artist", seed)
    assert result.empty == ()
    assert {result.assignment[songs[n].key] for n in (3, 50, 77)} == set(SPLITS)


@pytest.mark.parametrize("seed", range(5))
def test_a_rare_instrument_is_spread_within_the_shares(seed: int) -> None:
    songs = [song(n, instruments=frozenset({"oboe"} if n % 20 == 7 else ())) for n in range(100)]
    songs += [song(n, "One Band", "tiny", instruments=frozenset({"zither"})) for n in range(4)]
    placed = assign_splits(songs, "artist", seed).assignment
    assert {placed[songs[n].key] for n in range(7, 100, 20)} == set(SPLITS)
    assert {placed[s.key] for s in songs[100:]} == {"train"}
    count = Counter(placed[s.key] for s in songs[:100])
    assert all(abs(count[split] - 100 * SHARES[split]) <= 1 for split in SPLITS)


@pytest.mark.parametrize("seed", range(5))
def test_many_rare_instruments_do_not_upset_the_shares(seed: int) -> None:
    songs = [song(n, instruments=frozenset({f"instrument {n // 5}"})) for n in range(80)]
    count = Counter(assign_splits(songs, "artist", seed).assignment.values())
    assert {split: abs(count[split] - 80 * SHARES[split]) <= 1 for split in SPLITS} == dict.fromkeys(
        SPLITS, True
    )


def test_a_family_of_two_artists_can_be_learned_and_tested() -> None:
    songs = [song(n, families=frozenset({"brass"} if n < 2 else {"voice"})) for n in range(30)]
    assert assign_splits(songs).empty == (("brass", "validation"),)


def test_a_large_artist_does_not_end_up_in_a_small_split() -> None:
    songs = [song(n, "Big Band" if n < 30 else "", families=frozenset({"brass"})) for n in range(60)]
    assert assign_splits(songs).assignment[songs[0].key] == "train"


@pytest.mark.parametrize("count", [1, 2])
def test_a_corpus_of_few_artists_is_split_with_a_note(count: int) -> None:
    songs = [song(n, f"artist {n % count}") for n in range(7)]
    result = assign_splits(songs)
    assert "train" in result.assignment.values()
    assert len(result.notes) == 1
    assert "too few for three splits" in result.notes[0]


def test_seeds_differ_and_repeat() -> None:
    songs = [song(n) for n in range(50)]
    for method in ("artist", "random"):
        first = assign_splits(songs, method, 1)
        assert assign_splits(songs[::-1], method, 1).assignment == first.assignment
        assert assign_splits(songs, method, 2).assignment != first.assignment


def test_random_split_of_a_corpus_does_not_depend_on_the_others() -> None:
    one = [song(n, corpus="one") for n in range(20)]
    two = [song(n, corpus="two") for n in range(20)]
    alone, both = assign_splits(one, "random"), assign_splits([*two, *one], "random")
    assert {key: both.assignment[key] for key in alone.assignment} == alone.assignment
    assert [both.assignment[s.key] for s in one] != [both.assignment[s.key] for s in two]


def test_corpus_split_is_kept_and_the_rest_follows_its_relatives() -> None:
    songs = [
        song(0, corpus_split="train"),
        song(1, corpus_split="test", groups=("midi:x",)),
        song(2, corpus_split="omitted", groups=("midi:x",)),
        song(3, corpus_split=""),
        song(4, corpus_split="validation"),
    ]
    result = assign_splits(songs, "corpus")
    assert [result.assignment[s.key] for s in songs] == ["train", "test", "test", "train", "validation"]
    assert result.notes == (
        "2 songs of medleydb are in none of its splits: 1 follow their relatives, 1 go to train.",
    )


def test_a_corpus_without_a_split_of_its_own_is_split_by_artist() -> None:
    songs = [song(n, corpus="bare") for n in range(40)] + [song(n, corpus_split="test") for n in range(3)]
    result = assign_splits(songs, "corpus")
    assert Counter(result.assignment[s.key] for s in songs[:40])["train"] == 26
    assert "bare has no split of its own" in result.notes[0]


def test_a_corpus_without_a_split_follows_its_relatives_in_others() -> None:
    fixed = [song(n, f"artist {n}", "split", corpus_split=SPLITS[n % 3]) for n in range(30)]
    bare = [song(n, f"artist {n}", "bare") for n in range(60)]
    result = assign_splits([*fixed, *bare], "corpus")
    assert find_leaks([*fixed, *bare], result.assignment).clean
    assert [result.assignment[s.key] for s in bare[:30]] == [s.corpus_split for s in fixed]
    # The shares are those of the whole corpus, so the rest makes up for what was given.
    count = Counter(result.assignment[s.key] for s in bare)
    assert count["train"] == 39
    assert result.notes == (
        "bare has no split of its own; it is split by artist, but 30 of its songs follow their relatives "
        "in other corpora.",
    )


@given(songs=song_graphs(), seed=st.integers(0, 99))
def test_corpus_split_leaks_only_where_the_corpora_do(songs: list[Song], seed: int) -> None:
    placed = assign_splits(songs, "corpus", seed).assignment
    for cluster in clusters(songs):
        own = {songs[i].corpus_split for i in cluster} & set(SPLITS)
        others = {placed[songs[i].key] for i in cluster if songs[i].corpus_split not in SPLITS}
        assert len(others) <= 1
        if own and others:
            assert others == {next(s for s in ("test", "validation", "train") if s in own)}


def test_unknown_method_is_refused() -> None:
    with raises(ConfigError, code="invalid-setting", mentions=("artist", "random", "corpus", "song")):
        assign_splits([song(1)], "song")


def test_leaks_are_found_and_named() -> None:
    songs = [
        song(0, "Liz Nelson"),
        song(1, "liznelson"),
        song(2, groups=("midi:x",)),
        song(3, groups=("midi:x",)),
        song(4, groups=("msd:y",)),
        song(5, groups=("msd:y",)),
    ]
    placed = dict(
        zip((s.key for s in songs), ["train", "test", "train", "validation", "test", "test"], strict=True)
    )
    report = find_leaks(songs, placed)
    assert [(leak.kind, leak.key) for leak in report.leaks] == [("artist", "Liz Nelson"), ("midi", "x")]
    assert report.leaks[0].songs == {"train": (songs[0].key,), "test": (songs[1].key,)}
    assert report.verdict.startswith(
        "LEAKAGE: 1 of 1 shared artist keys, 1 of 1 shared midi keys cross splits; 1 test"
    )
    assert report.checked == {"artist": 1, "midi": 1, "msd": 1}


def test_a_clean_division_says_so() -> None:
    songs = [song(0, "A"), song(1, "A")]
    report = find_leaks(songs, {s.key: "test" for s in songs})
    assert report.clean
    assert report.verdict.startswith("No leakage")


NOBODY = ("", "  ", "Unknown", "unknown artist", "Various Artists", "various", "N/A", "none", "V.A.", "TBA")


@pytest.mark.parametrize("name", NOBODY)
def test_songs_without_a_known_artist_stand_alone(name: str) -> None:
    songs = [song(n, name) for n in range(40)]
    assert len(clusters(songs)) == 40
    placed = assign_splits(songs).assignment
    assert set(placed.values()) == set(SPLITS)
    report = find_leaks(songs, placed)
    assert (report.clean, report.unknown, report.checked) == (True, 40, {})
    assert report.verdict == (
        "As far as is known, no artist and no related songs are in two splits (no key is shared at all); "
        "artists of 40 songs are unknown: cannot be checked."
    )


@pytest.mark.parametrize("name", NOBODY)
def test_songs_without_an_artist_are_tied_by_their_groups(name: str) -> None:
    songs = [song(0, name, groups=("midi:x",)), song(1, name, groups=("midi:x",)), song(2, name)]
    assert clusters(songs) == [(0, 1), (2,)]
    report = find_leaks(songs, dict(zip((s.key for s in songs), ("train", "test", "test"), strict=True)))
    assert [(leak.kind, leak.key) for leak in report.leaks] == [("midi", "x")]
    assert report.verdict.endswith(
        "the artist split has none that is known; artists of 3 songs are unknown: cannot be checked."
    )


def test_an_artist_that_only_the_groups_name_is_known() -> None:
    songs = [song(0, "", groups=("artist:liznelson",)), song(1, "Liz Nelson"), song(2, "")]
    assert clusters(songs) == [(0, 1), (2,)]
    report = find_leaks(songs, {s.key: "train" for s in songs})
    assert report.checked == {"artist": 1}
    assert report.verdict.endswith("; the artist of 1 song is unknown: cannot be checked.")


def test_nobody_as_a_group_ties_nothing() -> None:
    songs = [song(n, "Various Artists", groups=("artist:variousartists",)) for n in range(3)]
    assert len(clusters(songs)) == 3


def real_songs(metadata: Path, corpus: str, artist_groups: Mapping[str, str]) -> list[Song]:
    taxonomy, label_map = load_taxonomy(), load_label_map(corpus)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    songs = []
    for path in sorted(metadata.glob("*_METADATA.yaml")):
        track = path.name.removesuffix("_METADATA.yaml")
        data = yaml.load(path.read_text(encoding="utf-8"), loader)
        labels = [
            stem["instrument"] for stem in data["stems"].values() if isinstance(stem["instrument"], str)
        ]
        nodes = {node for r in map(label_map.resolve, labels) if r for node in r.nodes}
        families = frozenset(map(taxonomy.family, nodes)) if data["has_bleed"] == "no" else frozenset()
        artist = artist_groups.get(track, track.partition("_")[0])
        instruments = frozenset(nodes if families else ()) - set(taxonomy.families)
        songs.append(Song(f"{corpus}/{track}", corpus, artist, (), families, "", bool(families), instruments))
    return songs


def test_real_corpora_have_every_family_in_every_split(shared: Path) -> None:
    datasets = shared / "datasets"
    with (datasets / "mixing_secrets" / "tracks.csv").open(newline="", encoding="utf-8") as file:
        groups = {row["track_id"]: row["artist_group"] for row in csv.DictReader(file)}
    songs = real_songs(datasets / "medleydb" / "Metadata", "medleydb", {})
    songs += real_songs(datasets / "mixing_secrets" / "metadata", "mixing_secrets", groups)
    for seed in range(5):
        result = assign_splits(songs, "artist", seed)
        assert result.empty == ()
        assert find_leaks(songs, result.assignment).clean
        for corpus in ("medleydb", "mixing_secrets"):
            count = Counter(result.assignment[s.key] for s in songs if s.corpus == corpus and s.usable)
            for split in SPLITS:
                assert count[split] / count.total() == pytest.approx(SHARES[split], abs=0.03)


def given_songs() -> list[Song]:
    return [
        Song(f"c/{i}", "c", f"artist {i // 2}", families=frozenset({"voice" if i % 3 else "brass"}))
        for i in range(40)
    ]


@pytest.mark.parametrize("method", ["artist", "random", "corpus"])
def test_given_splits_hold_exactly_their_songs_and_relatives(method: str) -> None:
    songs = given_songs()
    found = assign_splits(songs, method, 3, {"c/0": "test", "c/5": "test"}).assignment
    assert {key for key, split in found.items() if split == "test"} == {"c/0", "c/1", "c/4", "c/5"}
    assert set(found) == {song.key for song in songs}
    assert {"train", "validation"} <= set(found.values())


def test_relatives_of_songs_given_to_two_splits_are_tested_on_rather_than_trained_on() -> None:
    songs = [song(n, "One Band" if n < 5 else None) for n in range(12)]
    for others in ("train", "validation"):
        given = {songs[0].key: others, songs[1].key: "test"}
        found = assign_splits(songs, given=given).assignment
        assert [found[s.key] for s in songs[:5]] == [others, "test", "test", "test", "test"]


def test_given_splits_leak_nothing_and_keep_the_shares_of_the_rest() -> None:
    songs = given_songs()
    found = assign_splits(songs, "artist", 0, {f"c/{i}": "test" for i in range(8)}).assignment
    assert find_leaks(songs, found).clean
    validation = sum(split == "validation" for split in found.values())
    assert abs(validation - 32 * SHARES["validation"] / (1 - SHARES["test"])) <= 2


def test_songs_given_to_all_splits_leave_the_rest_to_train() -> None:
    given = {"c/0": "test", "c/2": "validation", "c/4": "train"}
    found = assign_splits(given_songs(), "artist", 0, given).assignment
    assert {key for key, split in found.items() if split != "train"} == {"c/0", "c/1", "c/2", "c/3"}


def test_given_songs_that_are_not_there_are_counted_and_unknown_splits_refused() -> None:
    result = assign_splits(given_songs(), "artist", 0, {"c/0": "test", "c/99": "test"})
    assert any("1 songs of the list are not in the corpora" in note for note in result.notes)
    with raises(ConfigError, code="unknown-split", mentions="testing"):
        assign_splits(given_songs(), "artist", 0, {"c/0": "testing"})


def test_splits_are_read_from_a_table(tmp_path: Path) -> None:
    path = tmp_path / "splits.csv"
    path.write_text("song,split\nc/0,test\nc/1,train\n")
    assert read_splits(path) == {"c/0": "test", "c/1": "train"}


@pytest.mark.parametrize(("delimiter", "encoding"), [(";", "cp1252"), ("\t", "utf-16"), (",", "utf-8-sig")])
def test_a_table_of_splits_is_read_however_it_was_saved(
    tmp_path: Path, delimiter: str, encoding: str
) -> None:
    path = tmp_path / "splits.csv"
    rows = (("Song", "split"), ("c/Café", "test"), ("c/1", "train"))
    path.write_bytes("\r\n".join(map(delimiter.join, rows)).encode(encoding))
    assert read_splits(path) == {"c/Caf\xe9": "test", "c/1": "train"}


@pytest.mark.parametrize(
    ("text", "code", "mentions"),
    [
        ("song\nc/0\n", "invalid-table", ()),
        ("song,split\nc/0,eval\n", "unknown-split", ("train", "validation", "test", "2", "eval")),
        ("song,split\nc/0,test\nc/0,train\n", "repeated-entry", ("c/0", "3")),
        ("song,split\n", "empty-table", ()),
    ],
)
def test_a_bad_table_of_splits_says_what_is_wrong(
    tmp_path: Path, text: str, code: str, mentions: object
) -> None:
    path = tmp_path / "splits.csv"
    path.write_text(text)
    with raises(ConfigError, code=code, mentions=mentions):
        read_splits(path)


def test_a_missing_table_of_splits_is_named(tmp_path: Path) -> None:
    with raises(ConfigError, code="unreadable-file"):
        read_splits(tmp_path / "none.csv")


def test_the_corpus_own_split_yields_to_the_list_with_a_note() -> None:
    songs = [song(n, corpus="slakh", corpus_split="test" if n < 4 else "train") for n in range(12)]
    result = assign_splits([*songs, song(1, "someone", "own")], "corpus", 0, {"own/0001": "test"})
    assert {key for key, split in result.assignment.items() if split == "test"} == {"own/0001"}
    assert all(result.assignment[f"slakh/{n:04d}"] == "train" for n in range(4))
    assert "4 songs of slakh's own test split are in train: the list decides test." in result.notes
