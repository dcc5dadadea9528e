"""``mixlab index`` and ``mixlab catalog``: what they print, write and refuse."""

import csv
import re
from pathlib import Path

import pytest

from mixlab.catalog.catalog import Catalog
from mixlab.cli.commands.catalog import catalog, class_counts, column_counts, format_table
from mixlab.cli.commands.index import index
from mixlab.errors import ConfigError, MixlabError
from tests.errors import raises
from tests.stem_files import make_corpus


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of two corpora: six songs by three artists, and one song with a broken file."""
    place = tmp_path_factory.mktemp("commands")
    make_corpus(place / "one", 6, ("violin", "piano", "string section"), artists=3)
    make_corpus(place / "two", 1, ("drums", "male singer"), lowest_hz=1000.0)
    (place / "two" / "song00" / "1.wav").write_bytes(b"garbage")
    roots = [f"folder={place / 'one'}", f"folder@two={place / 'two'}"]
    assert index(place / "catalog", roots, workers=1) == 0
    return place / "catalog"


def test_index_says_what_it_found_and_what_comes_next(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = folder.parent / "two"
    index(tmp_path / "catalog", [f"folder@two={two}"], workers=1)
    lines = capsys.readouterr().out.splitlines()
    assert "stems     2 in 1 songs: folder@two 2" in lines
    assert "usable    1 stems" in lines
    assert f"problems  unreadable 1  (all in {tmp_path / 'catalog' / 'problems.csv'})" in lines
    assert any(line.startswith("note      folder@two has only 1 artist group") for line in lines)
    assert f"next: mixlab catalog {tmp_path / 'catalog'}" in lines
    index(tmp_path / "catalog", [f"folder@two={two}"], workers=1)
    assert "measured  1 files" in capsys.readouterr().out  # the broken one is tried again


@pytest.mark.parametrize(
    ("roots", "code"),
    [
        (None, "missing-setting"),
        ([], "missing-setting"),
        (["folder"], "malformed-option"),
        (["=x"], "malformed-option"),
        (["folder=a", "folder=b"], "repeated-option"),
    ],
)
def test_index_refuses_bad_roots(tmp_path: Path, roots: list[str] | None, code: str) -> None:
    with raises(ConfigError, code=code, mentions="--root"):
        index(tmp_path / "catalog", roots)


def test_class_counts_tell_certain_from_unknown(folder: Path) -> None:
    table = class_counts(Catalog.open(folder))
    bowed, violin = table["bowed string", "all", "all"], table["violin", "all", "all"]
    assert (bowed.stems, bowed.unknown) == (12, 0)
    assert (violin.stems, violin.unknown) == (6, 6)  # a string section may hold violins
    assert (len(violin.songs), len(violin.artists)) == (6, 3)
    assert violin.hours == pytest.approx(6 / 3600)
    assert table["brass", "all", "all"].stems == 0
    assert table["drums", "folder@two", "all"].stems == 1
    assert ("drums", "folder", "all") not in table


@pytest.mark.parametrize("by", ["family", "corpus", "split"])
def test_splits_and_corpora_add_up(folder: Path, by: str) -> None:
    opened = Catalog.open(folder)
    table = column_counts(opened, by)
    total = int(opened.column("drawable").sum())
    if by == "corpus":
        assert sum(c.stems for (name, _, split), c in table.items() if "all" not in (name, split)) == total
    elif by == "split":
        assert sum(c.stems for (name, corpus, _), c in table.items() if "all" not in (name, corpus)) == total
    else:
        assert (
            sum(c.stems for (_, corpus, split), c in table.items() if "all" not in (corpus, split)) == total
        )


@pytest.mark.parametrize("by", ["class", "family", "corpus", "split"])
def test_tables_fit_and_align(folder: Path, by: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert catalog(folder, by=by) == 0
    text = capsys.readouterr().out
    table = text.split("\n\n")[1].splitlines()
    assert table[0].startswith(by)
    assert max(map(len, table)) <= 100
    assert "problems  unreadable 1" in text
    assert "No leakage" in text


def test_leakage_of_another_split_is_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    catalog(folder, by="split", splits="random", seed=1)
    text = capsys.readouterr().out
    assert "split by random, seed 1" in text
    assert "LEAKAGE" in text
    assert re.search(r"^  artist artist \d: 1 in ", text, re.MULTILINE)


def test_problems_are_listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    catalog(folder, problems=True)
    text = capsys.readouterr().out
    assert text.startswith("1 problems: unreadable 1")
    assert "unreadable  folder@two/song00/1  song00/1.wav" in text


def test_the_table_goes_to_a_csv_file_in_full(folder: Path, tmp_path: Path) -> None:
    catalog(folder, csv=tmp_path / "classes.csv")
    with (tmp_path / "classes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:4] == ["class", "corpus", "split", "stems"]
    assert {row["split"] for row in rows} == {"all", "train", "validation", "test"}
    catalog(folder, problems=True, csv=tmp_path / "problems.csv")
    assert (tmp_path / "problems.csv").read_text().startswith("corpus,song,stem,path,kind,message\n")


def test_other_label_sets_count_too(folder: Path) -> None:
    table = class_counts(Catalog.open(folder), "irmas11")
    assert any(count.stems == 6 for (_, corpus, split), count in table.items() if corpus == split == "all")
    with raises(MixlabError, code="plugin-not-found"):
        class_counts(Catalog.open(folder), "nolabels")


def test_empty_columns_are_left_out() -> None:
    assert format_table([("name", "gone", "n"), ("a", "", "1"), ("bcdefg", "", "22")]) == (
        "name     n\na        1\nbcdefg  22"
    )
