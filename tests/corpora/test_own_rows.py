"""What an adapter outside mixlab may get wrong in its rows: refused by name, or said among the problems."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
import soundfile

from mixlab import Catalog, build_catalog
from mixlab.corpora import Scan, ScanOptions, StemEntry, check_scan, get_adapter
from mixlab.errors import ConfigError, CorpusError
from tests.errors import raises

ROWS = [
    StemEntry(f"Song {number}", stem, f"{number}/{stem}.wav", (label,), f"Artist {number}")
    for number in range(3)
    for stem, label in (("a", "violin"), ("b", "piano"))
]


class Given:
    """An adapter of rows that a test gives it."""

    name = "given"
    label_map = "folder"
    licence = citation = description = "none"
    found: object = None

    def scan(self, root: Path, options: ScanOptions) -> object:
        """Return what the test gave."""
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    def read_labels(self, file: object) -> None:
        """Know no file."""


GIVEN = f"{__name__}:Given"


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    rng = np.random.default_rng(3)
    for row in ROWS:
        path = tmp_path / "root" / row.path
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * rng.standard_normal(8000), 8000)
    yield tmp_path / "root"
    Given.found = None
    Given.name = "given"


def index(root: Path, found: object) -> Catalog:
    Given.found = Scan(found) if isinstance(found, list) else found
    build_catalog(root.parent / "catalog", {GIVEN: root}, workers=1, progress=False)
    return Catalog.open(root.parent / "catalog")


def said(catalog: Catalog) -> list[tuple[str, str, str]]:
    return [(problem.song, problem.stem, problem.kind) for problem in catalog.problems()]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("gain", float("nan")),
        ("gain", -3.0),
        ("gain", "loud"),
        ("gain", True),
        ("gain", 1e39),
        ("offset_s", float("nan")),
        ("offset_s", float("inf")),
        ("offset_s", -1.0),
        ("bleed", "yes"),
        ("bleed_labels", "piano"),
        ("path", Path("0/a.wav")),
        ("path", ""),
        ("path", "a\0b.wav"),
        ("labels", (3,)),
        ("labels", "violin"),
        ("labels", ["violin"]),
        ("groups", None),
        ("artist", None),
        ("title", "\ud800"),
        ("song", ""),
        ("song", "a/b"),
        ("stem", " "),
        ("corpus_split", "training"),
    ],
)
def test_a_value_that_no_row_can_hold_is_refused_with_its_place(
    field: str, value: object, root: Path
) -> None:
    bad = replace(ROWS[0], **{field: value})
    place = f"given/{bad.song}/{bad.stem}"
    with raises(CorpusError, code="unfit-plugin", mentions=(GIVEN, place, field, "expected", "1 values")):
        index(root, [bad, *ROWS[1:]])


def test_a_split_of_another_name_is_said_with_those_there_are(root: Path) -> None:
    rows = [replace(row, corpus_split="training") for row in ROWS]
    with raises(
        CorpusError,
        code="unfit-plugin",
        mentions=("'training'", "train, validation, test", "6 values", "1 more"),
    ):
        index(root, rows)


def test_numbers_of_numpy_and_whole_numbers_are_numbers(root: Path) -> None:
    rows = [replace(ROWS[0], gain=np.float32(0.5), offset_s=1), replace(ROWS[1], gain=0), *ROWS[2:]]
    catalog = index(root, rows)
    assert sorted(catalog.column("gain").tolist()) == [0.0, 0.5, 1.0, 1.0, 1.0, 1.0]
    assert sorted(catalog.column("offset_s").tolist())[-1] == 1.0


@pytest.mark.parametrize("path", ["../secret.wav", "0/../../secret.wav", "/secret.wav", "link/secret.wav"])
def test_a_path_out_of_the_root_is_not_read(path: str, root: Path) -> None:
    outside = root.parent / "outside" / "secret.wav"
    outside.parent.mkdir()
    for place in (outside, root.parent / "secret.wav"):
        soundfile.write(place, np.full(8000, 0.1), 8000)
    (root / "link").symlink_to(outside.parent)
    path = str(root.parent / "secret.wav") if path.startswith("/") else path
    catalog = index(root, [replace(ROWS[0], path=path), *ROWS[1:]])
    assert len(catalog) == len(ROWS) - 1
    assert ("Song 0", "a", "path-outside-root") in said(catalog)


def test_a_root_of_paths_that_all_leave_it_is_refused(root: Path) -> None:
    with raises(CorpusError, code="no-usable-stem", mentions="path-outside-root"):
        index(root, [replace(row, path=f"../{row.path}") for row in ROWS])


def test_a_stem_twice_is_used_once_and_said(root: Path) -> None:
    catalog = index(root, [*ROWS, replace(ROWS[1], path="2/b.wav"), ROWS[2]])
    assert len(catalog) == len(ROWS)
    found = Counter(entry for entry in said(catalog) if entry[2] == "duplicate-stem")
    assert found == {("Song 0", "b", "duplicate-stem"): 1, ("Song 1", "a", "duplicate-stem"): 1}
    assert catalog.column("path")[catalog.find("given/Song 0/b")] == "0/b.wav"


@pytest.mark.parametrize("labels", [(), ("",)])
def test_a_stem_without_a_label_is_said(labels: tuple[str, ...], root: Path) -> None:
    catalog = index(root, [replace(ROWS[0], labels=labels), *ROWS[1:]])
    assert not catalog.column("drawable")[catalog.find("given/Song 0/a")]
    assert ("Song 0", "a", "no-label") in said(catalog)


@pytest.mark.parametrize(
    "found",
    [None, {"stems": []}, Scan(None), Scan([None]), Scan(["a"]), Scan(ROWS, problems=["bad"])],  # type: ignore[list-item, arg-type]
)
def test_what_is_no_scan_is_refused(found: object, root: Path) -> None:
    with raises(CorpusError, code="unfit-plugin", mentions=(GIVEN, "Scan")):
        index(root, found)


@pytest.mark.parametrize("name", [None, "", "a/b", "a@b"])
def test_a_name_that_no_catalog_can_hold_is_refused(name: str, root: Path) -> None:
    Given.name = name
    with raises(CorpusError, code="unfit-plugin", mentions=(GIVEN, "'name'", repr(name))):
        get_adapter(GIVEN)


def test_the_check_of_a_large_corpus_takes_no_time(tmp_path: Path) -> None:
    rows = [
        replace(ROWS[0], song=f"s{k // 10}", stem=str(k), path=f"s{k // 10}/{k}.wav") for k in range(25_000)
    ]
    start = perf_counter()
    scan = check_scan("given", Given(), tmp_path, Scan(rows), False)  # type: ignore[arg-type]
    assert len(scan.stems) == len(rows)
    assert perf_counter() - start < 5.0


def test_a_scan_that_fails_says_whose_it_is_and_where(root: Path) -> None:
    with raises(ConfigError, code="plugin-failed", mentions=(GIVEN, "KeyError", Path(__file__).name)):
        index(root, KeyError("choir"))
    with raises(CorpusError, code="metadata-not-found", mentions="no tapes"):
        index(root, CorpusError("no tapes", code="metadata-not-found"))
