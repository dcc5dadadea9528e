"""Counts and lists of a catalog: they agree with the catalog, with each other and with naive counting."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mixlab.audio.io import HOP_S, read_span
from mixlab.catalog.browse import (
    EXCERPT_S,
    ORDERS,
    PROBLEM_MEANINGS,
    busiest_start,
    judge_splits,
    level_curve,
    problem_table,
    read_excerpt,
    stem_table,
)
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.splits import SPLITS, find_leaks, known_artist
from mixlab.catalog.statistics import (
    ALL,
    QUANTITIES,
    Selection,
    class_table,
    histogram,
    known_nodes,
    select_rows,
    totals,
    tree_table,
)
from mixlab.catalog.storage import SCHEMA, WRITTEN_COLUMNS, write_catalog
from mixlab.cli.commands.catalog import class_counts
from mixlab.errors import AudioError, CatalogError, ConfigError
from mixlab.taxonomy import load_taxonomy, stem_evidence
from tests.errors import raises
from tests.odd_catalog import LONG, make_odd_catalog
from tests.toy import RATE, make_own_catalog, steady

EVERYTHING = Selection()
SELECTIONS = [
    EVERYTHING,
    Selection(corpora=("folder@two",)),
    Selection(splits=("train", "test"), state="usable"),
    Selection(node="bowed-string", text="ARTIST 1"),
    Selection(corpora=("folder", "folder@two"), splits=("validation",), node="plucked-string", state="all"),
    Selection(text="no such thing"),
]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return make_odd_catalog(tmp_path_factory.mktemp("odd"))


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """A catalog without any stem."""
    folder = tmp_path_factory.mktemp("empty")
    columns = {name: [] for name in SCHEMA.names if name not in WRITTEN_COLUMNS} | {"split": []}
    write_catalog(folder, columns, [], [], roots={}, split=("artist", 0), measure_version=1)
    return Catalog.open(folder)


def naive_rows(catalog: Catalog, selection: Selection) -> list[int]:
    taxonomy = load_taxonomy()
    found = []
    for i in range(len(catalog)):
        stem = catalog.stem(i)
        present = stem_evidence(taxonomy, stem.nodes, stem.bleed_nodes).present
        remarks = [stem.ignored or "", *stem.problems, "may bleed" if stem.bleed else ""]
        text = "\n".join([stem.key, stem.artist, stem.title, ", ".join(stem.labels), *remarks]).lower()
        state = {
            "all": True,
            "usable": stem.drawable,
            "not usable": not stem.drawable,
            "with problems": bool(stem.problems),
            "may bleed": stem.bleed,
        }
        if (
            (not selection.corpora or stem.corpus in selection.corpora)
            and (not selection.splits or stem.split in selection.splits)
            and (not selection.node or selection.node in present)
            and state[selection.state]
            and selection.text.lower() in text
        ):
            found.append(i)
    return found


# ---- selections and totals ----


@pytest.mark.parametrize("selection", SELECTIONS)
def test_a_selection_holds_the_stems_that_pass_every_filter(toy: Catalog, selection: Selection) -> None:
    rows = select_rows(toy, selection)
    assert rows.tolist() == naive_rows(toy, selection)
    found, stems = totals(toy, selection), [toy.stem(i) for i in rows]
    assert found.stems == len(stems)
    assert found.songs == len({(stem.corpus, stem.song) for stem in stems})
    assert found.usable == sum(stem.drawable for stem in stems)
    assert found.hours == pytest.approx(sum(stem.duration_s for stem in stems) / 3600)
    assert found.active_hours == pytest.approx(sum(stem.active_s for stem in stems) / 3600)


@pytest.mark.parametrize("state", ["usable", "not usable", "with problems", "may bleed"])
def test_stems_are_selected_by_their_state(odd: Catalog, state: str) -> None:
    rows = select_rows(odd, Selection(state=state))
    assert rows.tolist() == naive_rows(odd, Selection(state=state))
    assert 0 < len(rows) < len(odd) or state == "may bleed"


@pytest.mark.parametrize("text", ["clipped", "MAY BLEED", "no label"])
def test_remarks_are_searched(odd: Catalog, text: str) -> None:
    assert select_rows(odd, Selection(text=text)).tolist() == naive_rows(odd, Selection(text=text))


@pytest.mark.parametrize(
    ("selection", "mentions"),
    [
        (Selection(corpora=("three",)), ("folder", "three", "folder@two")),
        (Selection(splits=("valid",)), ("train", "validation", "test", "valid")),
        (Selection(node="kazooo"), ()),
        (Selection(state="bad"), ("all", "usable")),
    ],
)
def test_a_selection_names_what_exists(toy: Catalog, selection: Selection, mentions: object) -> None:
    with raises(ConfigError, code="invalid-setting", mentions=mentions):
        select_rows(toy, selection)


def test_known_nodes_are_those_of_the_stems(toy: Catalog) -> None:
    taxonomy = load_taxonomy()
    nodes = {node for i in range(len(toy)) for node in taxonomy.closure(toy.stem(i).nodes)}
    assert set(known_nodes(toy)) == nodes
    assert list(known_nodes(toy)) == [node for node in taxonomy.nodes if node in nodes]


# ---- classes and nodes ----


@pytest.mark.parametrize("labels", ["mixtures15", "irmas11", "jamendo50"])
@pytest.mark.parametrize("across", ["corpus", "split"])
@pytest.mark.parametrize("name", ["toy", "odd"])
def test_class_counts_agree_with_the_command(
    request: pytest.FixtureRequest, name: str, labels: str, across: str
) -> None:
    catalog: Catalog = request.getfixturevalue(name)
    expected = class_counts(catalog, labels)
    table = class_table(catalog, EVERYTHING, labels, across)
    for row in table.to_dict("records"):
        corpus, split = (row[across], ALL) if across == "corpus" else (ALL, row[across])
        count = expected.get((row["class"], corpus, split))
        found = (row["stems"], row["songs"], row["unknown"])
        assert found == ((count.stems, len(count.songs), count.unknown) if count else (0, 0, 0))
        assert row["active hours"] == pytest.approx(count.active_hours if count else 0.0, abs=1e-9)


@pytest.mark.parametrize("selection", SELECTIONS)
def test_cells_add_up_to_their_sums(toy: Catalog, selection: Selection) -> None:
    table = class_table(toy, selection)
    parts, sums = table[table["corpus"] != ALL], table[table["corpus"] == ALL].set_index("class")
    for column in ("stems", "songs", "active hours", "unknown"):
        added = parts.groupby("class")[column].sum()
        assert added.reindex(sums.index).to_list() == pytest.approx(sums[column].to_list())
    assert set(parts["corpus"]) == set(selection.corpora or toy.roots)


def test_every_class_has_a_cell_in_every_corpus(toy: Catalog) -> None:
    table = class_table(toy, Selection(text="no such thing"), across="split")
    assert len(table) == 15 * (len(SPLITS) + 1)
    assert not table[["stems", "songs", "unknown"]].to_numpy().any()


def test_a_class_table_divides_by_corpus_or_split(toy: Catalog) -> None:
    with raises(ConfigError, code="invalid-setting", mentions=("corpus", "split", "artist")):
        class_table(toy, EVERYTHING, across="artist")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["toy", "odd"])
@pytest.mark.parametrize("splits", [(), ("train",)])
def test_a_node_counts_the_union_of_what_lies_below_it(
    request: pytest.FixtureRequest, name: str, splits: tuple[str, ...]
) -> None:
    catalog: Catalog = request.getfixturevalue(name)
    taxonomy = load_taxonomy()
    own: dict[str, set[int]] = {node: set() for node in taxonomy.nodes}
    for i in naive_rows(catalog, Selection(splits=splits, state="usable")):
        present = stem_evidence(taxonomy, catalog.stem(i).nodes).present
        for node in present:
            if not present & set(taxonomy.children(node)):
                own[node].add(i)
    table = tree_table(catalog, Selection(splits=splits)).set_index("node")
    assert list(table.index) == list(taxonomy.nodes)
    for node in taxonomy.nodes:
        union = set().union(own[node], *(own[below] for below in taxonomy.descendants(node)))
        songs = {(catalog.stem(i).corpus, catalog.stem(i).song) for i in union}
        assert table.loc[node, ["stems", "own", "songs"]].tolist() == [len(union), len(own[node]), len(songs)]
        active_s = sum(catalog.stem(i).active_s for i in union)
        assert table.loc[node, "active hours"] == pytest.approx(active_s / 3600, abs=1e-9)
    assert table.loc[list(taxonomy.families), "depth"].eq(0).all()


def test_what_may_sound_is_counted_apart(odd: Catalog) -> None:
    table = tree_table(odd, Selection(corpora=("folder",))).set_index("node")
    assert table.loc["violin", ["stems", "unknown"]].tolist()[0] == 1
    assert table.loc["violin", "unknown"] >= 1  # the string section
    assert table.loc["bowed-string", "stems"] == 2


# ---- distributions ----


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("name", ["toy", "odd"])
def test_every_stem_is_in_one_bin_or_left_out(
    request: pytest.FixtureRequest, name: str, quantity: str
) -> None:
    catalog: Catalog = request.getfixturevalue(name)
    found, stems = histogram(catalog, EVERYTHING, quantity), [catalog.stem(i) for i in range(len(catalog))]
    songs = pd.Series([(stem.corpus, stem.song) for stem in stems]).value_counts()
    values = {
        "duration": [stem.duration_s for stem in stems],
        "loudness": [stem.loudness_lufs for stem in stems if math.isfinite(stem.loudness_lufs)],
        "active share": [min(100 * stem.active_s / stem.duration_s, 100) for stem in stems],
        "stems per song": songs.to_list(),
    }[quantity]
    total = len(songs) if found.counted == "songs" else len(stems)
    assert found.table["count"].sum() + found.left_out == total
    assert len(values) + found.left_out == total
    for place, row in enumerate(found.table.to_dict("records")):
        closed = quantity == "stems per song" or (
            quantity == "active share" and place == len(found.table) - 1
        )
        inside = [row["from"] <= v < row["to"] or (closed and v == row["to"]) for v in values]
        assert sum(inside) == row["count"]


def test_a_histogram_needs_a_known_quantity(toy: Catalog) -> None:
    with raises(ConfigError, code="invalid-setting", mentions=("duration", "loudness")):
        histogram(toy, EVERYTHING, "colour")


def test_an_empty_selection_and_an_empty_catalog_count_as_nothing(toy: Catalog, empty: Catalog) -> None:
    for catalog, selection in ((toy, Selection(text="no such thing")), (empty, EVERYTHING)):
        assert totals(catalog, selection).stems == 0
        assert totals(catalog, selection).songs == 0
        assert not tree_table(catalog, selection)["stems"].any()
        assert not class_table(catalog, selection)["stems"].any()
        assert stem_table(catalog, selection).empty
        for quantity in QUANTITIES:
            assert histogram(catalog, selection, quantity).table.empty
    assert known_nodes(empty) == ()
    assert problem_table(empty).empty
    assert judge_splits(empty).clean


# ---- stems ----


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("descending", [False, True])
def test_pages_hold_every_stem_once_and_in_order(odd: Catalog, order: str, descending: bool) -> None:
    whole = stem_table(odd, EVERYTHING, order, descending)
    pages = [stem_table(odd, EVERYTHING, order, descending, start, 3) for start in range(0, len(odd), 3)]
    assert [len(page) for page in pages] == [3] * 5 + [2]
    pd.testing.assert_frame_equal(pd.concat(pages, ignore_index=True), whole)
    keys = [*(whole["corpus"] + "/" + whole["song"] + "/" + whole["stem"])]
    assert sorted(keys) == sorted(odd.column("key"))
    stems = [odd.stem(odd.find(key)) for key in keys]
    values = [
        stem.active_s / stem.duration_s if order == "active share" else getattr(stem, ORDERS[order])
        for stem in stems
    ]
    known = [v for v in values if not isinstance(v, float) or not math.isnan(v)]
    assert known == sorted(known, reverse=descending)
    assert values[: len(known)] == known


def test_the_stem_list_says_what_the_catalog_says(odd: Catalog) -> None:
    table = stem_table(odd, EVERYTHING)
    for row in table.to_dict("records"):
        stem = odd.stem(odd.find(f"{row['corpus']}/{row['song']}/{row['stem']}"))
        assert row["split"] == stem.split
        assert row["artist"] == stem.artist
        assert row["duration (s)"] == pytest.approx(stem.duration_s)
        assert row["active (%)"] == pytest.approx(100 * stem.active_s / stem.duration_s)
        assert all(problem in row["remarks"] for problem in stem.problems)
        assert ("may bleed" in row["remarks"]) == stem.bleed
    assert set(table["instrument"]) >= {"violin", "piano", "acoustic guitar", ""}


def test_stems_are_sorted_by_something_known(toy: Catalog) -> None:
    with raises(ConfigError, code="invalid-setting", mentions=("name", "duration")):
        stem_table(toy, EVERYTHING, "colour")


def find(catalog: Catalog, label: str) -> int:
    return next(i for i in range(len(catalog)) if catalog.column("labels")[i] == (label,))


@pytest.mark.parametrize("points", [600, 50, 7, 1])
def test_a_curve_keeps_the_highest_levels(odd: Catalog, points: int) -> None:
    row = find(odd, LONG)
    curve, envelope = level_curve(odd, row, points), odd.envelope(row).astype(float)
    assert len(curve) <= points
    assert curve["level"].max() == envelope.max()
    assert curve["from"].to_list()[1:] == curve["to"].to_list()[:-1]
    assert (curve["from"].iloc[0], curve["to"].iloc[-1]) == (0.0, pytest.approx(65.0))
    for place in curve.to_dict("records"):
        part = envelope[round(place["from"] / HOP_S) : round(place["to"] / HOP_S)]
        assert place["level"] == part.max()
        assert place["active"] == (part >= odd.activity_db).any()


def test_the_excerpt_begins_where_the_stem_sounds_most(odd: Catalog) -> None:
    row = find(odd, LONG)
    start_s = busiest_start(odd, row)
    active = odd.envelope(row).astype(float) >= odd.activity_db
    window = round(EXCERPT_S / HOP_S)
    sums = [active[k : k + window].sum() for k in range(len(active) - window + 1)]
    assert sums[round(start_s / HOP_S)] == max(sums)
    assert busiest_start(odd, find(odd, "violin")) == 0.0


def test_only_the_span_that_is_heard_is_read(odd: Catalog) -> None:
    row = find(odd, LONG)
    audio, rate = read_excerpt(odd, row, 15.0)
    assert rate == RATE
    assert audio.shape == (1, round(EXCERPT_S * RATE))
    np.testing.assert_array_equal(audio, read_span(odd.audio_path(row), 15 * RATE, round(EXCERPT_S * RATE)))
    tail, _ = read_excerpt(odd, row, 60.0)
    assert tail.shape == (1, 5 * RATE)
    assert read_excerpt(odd, row, 1000.0)[0].shape == (1, 0)


def test_stereo_stays_stereo(toy: Catalog) -> None:
    row = int(np.flatnonzero(toy.column("corpus") == "folder@two")[0])
    audio, _ = read_excerpt(toy, row, 0.0, 1.0)
    np.testing.assert_allclose(audio[0], 2 * audio[1], atol=1e-3)


def test_a_file_outside_the_root_is_not_read(tmp_path: Path) -> None:
    catalog = make_own_catalog(tmp_path, [{"song": "a", "label": "violin", "audio": steady(440.0, 1.0)}])
    path = catalog.audio_path(0)
    secret = tmp_path / "secret.wav"
    path.rename(secret)
    with raises(AudioError, code="audio-not-found"):
        read_excerpt(catalog, 0, 0.0)
    path.symlink_to(secret)
    with raises(CatalogError, code="path-outside-root"):
        read_excerpt(catalog, 0, 0.0)


def test_a_stem_without_sound_says_so(tmp_path: Path) -> None:
    audio = steady(440.0, 1.0)
    stems = [{"song": "a", "label": label, "audio": audio} for label in ("violin", "piano")]
    first = make_own_catalog(tmp_path, stems)
    broken = first.audio_path(find(first, "piano"))
    catalog = make_own_catalog_again(tmp_path, broken)
    row = find(catalog, "piano")
    assert level_curve(catalog, row).empty
    assert busiest_start(catalog, row) == 0.0
    with raises(CatalogError, code="unreadable-audio"):
        read_excerpt(catalog, row, 0.0)


def make_own_catalog_again(folder: Path, broken: Path) -> Catalog:
    from mixlab.catalog.build import build_catalog

    broken.write_bytes(b"no audio")
    build_catalog(folder / "catalog", {"folder": folder / "own"}, split="corpus", workers=1, progress=False)
    return Catalog.open(folder / "catalog")


# ---- problems and splits ----


def test_problems_are_those_of_the_catalog(odd: Catalog) -> None:
    table = problem_table(odd)
    listed = [tuple(row) for row in table[["kind", "corpus", "song", "stem", "message"]].to_numpy()]
    assert sorted(listed) == sorted((p.kind, p.corpus, p.song, p.stem, p.message) for p in odd.problems())
    assert {"silent", "clipped"} <= set(table["kind"]) <= PROBLEM_MEANINGS.keys()
    assert problem_table(odd, ["folder"]).equals(table)  # the other corpus has none
    assert problem_table(odd, ["folder@tones"]).empty


@pytest.mark.parametrize("method", [None, "artist", "random", "corpus"])
@pytest.mark.parametrize("name", ["toy", "odd"])
def test_the_verdict_is_that_of_the_splits(
    request: pytest.FixtureRequest, name: str, method: str | None
) -> None:
    catalog: Catalog = request.getfixturevalue(name)
    found = judge_splits(catalog, method)
    judged = catalog if method is None else catalog.with_splits(method, catalog.split_seed)
    report = find_leaks(judged.songs(), judged.split_songs())
    assert (found.clean, found.text, len(found.leaks)) == (report.clean, report.verdict, len(report.leaks))
    songs = judged.split_songs()
    named = [songs[song.key] for song in judged.songs() if known_artist(song)]
    assert found.artists[list(SPLITS)].sum().to_list() == [named.count(s) for s in SPLITS]
    assert found.unnamed == len(songs) - len(named) == report.unknown
    crossing = found.artists[found.artists["crosses"]]
    assert sorted(crossing["artist"]) == sorted(leak.key for leak in report.leaks if leak.kind == "artist")
    assert (crossing[list(SPLITS)] > 0).sum(axis=1).gt(1).all()


def test_a_leaky_catalog_is_told_from_a_clean_one(toy: Catalog, odd: Catalog) -> None:
    assert judge_splits(toy).clean
    found = judge_splits(odd)
    assert not found.clean
    assert found.artists.iloc[0][["artist", "crosses", *SPLITS]].to_list() == ["Ann", True, 1, 0, 1]
    assert "LEAKAGE" in found.text
    assert found.leaks["songs"].iloc[0] == "folder/first, folder/second"
    assert judge_splits(odd, "artist").clean
    assert found.unnamed == 1  # the song without an artist


def test_a_class_and_a_bar_select_what_they_count(odd: Catalog) -> None:
    for labels in ("mixtures15", "openmic20"):
        table = class_table(odd, EVERYTHING, labels)
        for row in table[table["corpus"] == ALL].to_dict("records"):
            rows = select_rows(odd, Selection(state="usable", label=(labels, row["class"])))
            assert len(rows) == row["stems"]
    for quantity in QUANTITIES:
        for bar in histogram(odd, EVERYTHING, quantity).table.to_dict("records"):
            rows = select_rows(odd, Selection(within=(quantity, bar["from"], bar["to"])))
            stems = [odd.stem(int(row)) for row in rows]
            songs = {(stem.corpus, stem.song) for stem in stems} if quantity == "stems per song" else rows
            assert len(songs) == bar["count"]
    with raises(ConfigError, code="invalid-setting", mentions="no such"):
        select_rows(odd, Selection(label=("mixtures15", "no such")))
    with raises(ConfigError, code="invalid-setting", mentions="no such"):
        select_rows(odd, Selection(within=("no such", 0.0, 1.0)))
