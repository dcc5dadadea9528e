"""Reading a tree that nobody checked: YAML, contained paths, flags and text."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixlab.corpora._fields import labels_of, parse_yaml, text, truthy
from mixlab.corpora._tree import TreeScan
from mixlab.corpora.base import StemEntry
from tests.corpora.trees import touch


@pytest.mark.parametrize(
    "content",
    [
        "{[",
        "a: [1",
        "a\tb: \t- c\n\t- d: :",
        "!!python/object/apply:os.system ['true']",
        "? [1, 2]\n: 3",
        "a: 2014-13-45",
        "a: " + "1" * 5000,
        "[" * 1_000_000,
        "{a: " * 100_000,
        "- " * 100_000,
        "\n".join(" " * i + "a:" for i in range(1000)),
        "\x00",
    ],
    ids=lambda content: content[:12].encode("unicode_escape").decode(),
)
def test_bad_yaml_is_one_error(content: str) -> None:
    with pytest.raises(ValueError, match="not valid YAML"):
        parse_yaml(content)


def test_good_yaml_of_any_width() -> None:
    assert parse_yaml("{" + ", ".join(f"a{i}: [1, {{b: 2}}]" for i in range(500)) + "}")["a499"] == [
        1,
        {"b": 2},
    ]
    assert parse_yaml("") is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, ""), ("a\n  b", "a b"), (1975, "1975"), (["a", None, 2], "a, 2"), ({"a": 1}, ""), ([["a"]], "")],
)
def test_text(value: object, expected: str) -> None:
    assert text(value) == expected


def test_endless_lists_are_no_text() -> None:
    endless: list[Any] = ["a"]
    endless.append(endless)
    assert text(endless) == "a"
    assert labels_of(endless) == ("a",)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("yes", True),
        ("Yes", True),
        (True, True),
        (1, True),
        ("no", False),
        (None, False),
        ("", False),
        ([], False),
    ],
)
def test_truthy(value: object, expected: bool) -> None:
    assert truthy(value) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("piano", ("piano",)), (["a", "b", "a"], ("a", "b")), (None, ()), ("", ()), ([], ()), ({"a": 1}, ())],
)
def test_labels_of(value: object, expected: tuple[str, ...]) -> None:
    assert labels_of(value) == expected


@pytest.fixture
def scan(tmp_path: Path) -> TreeScan:
    touch(tmp_path / "root" / "song" / "a.wav")
    touch(tmp_path / "outside.wav")
    return TreeScan("corpus", (tmp_path / "root").resolve())


@pytest.mark.parametrize("part", ["a.wav", "./a.wav", "../song/a.wav"])
def test_files_below_the_root_are_located(scan: TreeScan, part: str) -> None:
    located = scan.locate(scan.root / "song", part, song="s", stem="t")
    assert located is not None
    assert (scan.root / located).is_file()
    assert scan.finish().problems == []


@pytest.mark.parametrize(
    "parts",
    [
        ("../../outside.wav",),
        ("..", "..", "outside.wav"),
        ("/etc/passwd",),
        ("song", "/etc/passwd"),
        ("~/x",),
        ("\\\\server\\share",),
        ("a\0b",),
        ("",),
        ("\ud800",),
    ],
)
def test_paths_that_leave_the_root_are_refused(scan: TreeScan, parts: tuple[str, ...]) -> None:
    assert scan.locate(scan.root / "song", *parts, song="s", stem="t") is None
    (problem,) = scan.finish().problems
    assert (problem.kind, problem.song, problem.stem) == ("path-outside-root", "s", "t")
    (problem.path + problem.message).encode()


@given(st.lists(st.text(max_size=12), min_size=1, max_size=4))
def test_no_metadata_path_escapes(parts: list[str]) -> None:
    scan = TreeScan("corpus", Path(__file__).resolve().parent)
    located = scan.locate(scan.root, *parts, song="s", stem="t")
    assert located is None or (scan.root / located).resolve().is_relative_to(scan.root)
    assert (located is None) == (len(scan.finish().problems) == 1)


def test_duplicates_are_problems(scan: TreeScan) -> None:
    entry = StemEntry("s", "t", "song/a.wav", ("piano",), "artist")
    scan.add(entry)
    scan.add(replace(entry, path="song/b.wav"))
    assert len(scan) == 1
    assert scan.claim_song("s", scan.root / "one")
    assert scan.claim_song("s", scan.root / "one")
    assert not scan.claim_song("s", scan.root / "two")
    result = scan.finish()
    assert result.stems == [entry]
    assert sorted(problem.kind for problem in result.problems) == ["duplicate-song", "duplicate-stem"]


@pytest.mark.parametrize(
    ("labels", "bleeds", "expected", "bleed"),
    [
        ((("piano",), ("piano",)), (None, None), ("piano",), (False, ())),
        ((("piano",), ("organ",)), (None, None), ("piano", "organ"), (False, ())),
        ((("piano",), ()), (None, None), (), (False, ())),
        ((("piano",), ("piano",)), (("drums",), None), ("piano",), (True, ("drums",))),
        ((("piano",), ("piano",)), (("drums",), ("bass",)), ("piano",), (True, ("bass", "drums"))),
        ((("piano",), ("piano",)), (("drums",), ()), ("piano",), (True, ())),
    ],
)
def test_a_file_listed_twice_is_used_once_and_keeps_what_is_sure(
    scan: TreeScan,
    labels: tuple[tuple[str, ...], tuple[str, ...]],
    bleeds: tuple[tuple[str, ...] | None, tuple[str, ...] | None],
    expected: tuple[str, ...],
    bleed: tuple[bool, tuple[str, ...]],
) -> None:
    """Of several labels at least one sounds; none means that nobody knows."""
    for stem, own, others in zip(("a", "b"), labels, bleeds, strict=True):
        flags = {"bleed": others is not None, "bleed_labels": others or ()}
        scan.add(StemEntry("s", stem, "song/a.wav", own, "artist", groups=(f"g:{stem}",), **flags))
    result = scan.finish()
    (entry,) = result.stems
    assert (entry.stem, entry.labels, (entry.bleed, entry.bleed_labels)) == ("a", expected, bleed)
    assert entry.groups == ("g:a", "g:b")
    (problem,) = result.problems
    assert (problem.kind, problem.stem, problem.path) == ("duplicate-file", "b", "song/a.wav")


def test_hidden_files_are_not_listed(scan: TreeScan) -> None:
    touch(scan.root / "song" / "._a.wav")
    touch(scan.root / ".trash" / "b.wav")
    assert [path.name for path in scan.files(scan.root / "song")] == ["a.wav"]
    assert [path.name for path in scan.folders(scan.root)] == ["song"]
    assert scan.files(scan.root / "gone") == []
    assert [problem.kind for problem in scan.finish().problems] == ["unreadable"]


def test_huge_metadata_is_not_read(scan: TreeScan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mixlab.corpora._tree._MAX_METADATA_BYTES", 10)
    assert scan.load_mapping(touch(scan.root / "m.yaml", "a: 1")) == {"a": 1}
    assert scan.load_mapping(touch(scan.root / "n.yaml", "a: 1" + " " * 20)) is None
    assert scan.load_mapping(touch(scan.root / "m.json", '{"a": 1}')) == {"a": 1}
    (problem,) = scan.finish().problems
    assert problem.kind == "bad-metadata"
    assert "24 bytes" in problem.message


def test_notes_are_handed_on(tmp_path: Path) -> None:
    tree = TreeScan("x", tmp_path)
    tree.note("took one thing for another")
    assert tree.finish().notes == ["took one thing for another"]
