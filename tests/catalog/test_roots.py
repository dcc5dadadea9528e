"""Roots that overlap are refused before anything is measured, however they are spelt or linked."""

import os
from pathlib import Path

import pytest

from mixlab.catalog.build import build_catalog
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.roots import check_files, check_roots
from mixlab.errors import CorpusError
from tests.errors import raises
from tests.stem_files import make_corpus

TWICE = "found one folder twice"
WITHIN = "Expected roots that do not overlap"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Folders ``a/b/c`` and ``d``, and links to them."""
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    (tmp_path / "d").mkdir()
    (tmp_path / "to_a").symlink_to(tmp_path / "a")
    (tmp_path / "to_b").symlink_to(tmp_path / "a" / "b")
    (tmp_path / "d" / "back").symlink_to(tmp_path / "a")
    return tmp_path


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a", "a"),
        ("a", "a/"),
        ("a", "a/b/.."),
        ("a", "d/../a"),
        ("a", "to_a"),
        ("a", "d/back"),
        ("a/b", "to_b"),
        ("a", "a/b"),
        ("a", "a/b/c"),
        ("a", "to_b"),
        ("to_a", "a/b"),
        ("to_a", "to_b/c"),
        ("d/back", "to_a/b/c"),
    ],
)
def test_roots_that_overlap_are_refused(tree: Path, one: str, other: str) -> None:
    for first, second in ((one, other), (other, one)):
        roots = {"folder": Path(f"{tree}/{first}"), "folder@two": Path(f"{tree}/{second}")}
        with raises(CorpusError, code="overlapping-roots") as caught:
            check_roots(roots)
        assert "folder=" in str(caught.value)
        assert "folder@two=" in str(caught.value)


@pytest.mark.parametrize(("one", "other"), [("a/b", "d"), ("a", "d"), ("a", "none"), ("none", "none")])
def test_roots_side_by_side_are_fine(tree: Path, one: str, other: str) -> None:
    (tree / "ab").mkdir()
    roots = {"folder": tree / one, "folder@two": tree / other, "folder@three": tree / "ab"}
    assert check_roots(roots) is None


def test_the_index_refuses_them_before_it_measures(tmp_path: Path) -> None:
    make_corpus(tmp_path / "one", 2)
    with raises(CorpusError, code="overlapping-roots", mentions=("folder@two=", "song00", "folder=")):
        build_catalog(
            tmp_path / "catalog", {"folder": tmp_path / "one", "folder@two": tmp_path / "one/song00"}
        )
    assert not (tmp_path / "catalog").exists()


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_a_file_of_two_corpora_is_refused(tmp_path: Path, link: object) -> None:
    make_corpus(tmp_path / "one", 2)
    make_corpus(tmp_path / "two", 2, lowest_hz=500.0)
    path, other = tmp_path / "one" / "song00" / "0.wav", tmp_path / "two" / "song01" / "1.wav"
    other.unlink()
    link(path, other)  # type: ignore[operator]
    with raises(CorpusError, code="overlapping-roots", mentions=("1", "song00/0.wav", "song01/1.wav")):
        check_files([("one", path), ("two", other), ("two", tmp_path / "none.wav")])
    check_files([("one", path), ("one", other)])  # within one corpus, equal audio ties the songs


def test_hard_links_between_corpora_stop_the_index(tmp_path: Path) -> None:
    make_corpus(tmp_path / "one", 2)
    make_corpus(tmp_path / "two", 2, lowest_hz=500.0)
    other = tmp_path / "two" / "song01" / "1.wav"
    other.unlink()
    os.link(tmp_path / "one" / "song00" / "0.wav", other)
    roots = {"folder": tmp_path / "one", "folder@two": tmp_path / "two"}
    with raises(CorpusError, code="overlapping-roots"):
        build_catalog(tmp_path / "catalog", roots, progress=False)
    build_catalog(tmp_path / "catalog", {"folder": tmp_path / "one"}, progress=False, workers=1)
    assert len(Catalog.open(tmp_path / "catalog")) == 4
