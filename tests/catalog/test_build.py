"""Building a catalog: labels, problems, resuming after a kill, updating, and the same result every time."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest

import mixlab.catalog.build
import mixlab.catalog.journal
from mixlab.audio.loudness import Measurement, measure
from mixlab.catalog.build import BuildReport, build_catalog
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.journal import JOURNAL, Journal
from mixlab.catalog.scan import label_rows
from mixlab.corpora.base import StemEntry
from mixlab.errors import CatalogError, ConfigError, CorpusError, UnknownLabelError
from mixlab.taxonomy import LabelMap, Resolution
from tests.errors import raises
from tests.stem_files import make_corpus, tone, write, write_sidecar

DATA = ("stems.parquet", "activity.npy", "active.npy", "problems.csv")


def build(out: Path, root: Path, **options: Any) -> BuildReport:
    return build_catalog(out, {"folder": root}, **({"progress": False, "workers": 1} | options))


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in DATA}


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are measured from now on."""
    seen: list[str] = []

    def spy(path: Path) -> Measurement:
        seen.append("/".join(path.parts[-2:]))
        return measure(path)

    monkeypatch.setattr(mixlab.catalog.build, "measure_place", spy)
    return seen


def test_a_corpus_becomes_a_catalog(tmp_path: Path) -> None:
    make_corpus(tmp_path / "audio", 4, ("violin", "piano"))
    report = build(tmp_path / "catalog", tmp_path / "audio")
    catalog = Catalog.open(tmp_path / "catalog")
    assert report.content_hash == catalog.content_hash
    assert (report.songs, report.stems, report.drawable, report.measured) == (4, 8, 8, 8)
    assert report.hours == pytest.approx(8 / 3600)
    assert list(catalog.column("key")) == sorted(catalog.column("key"))
    stem = catalog.stem(catalog.find("folder/song01/0"))
    assert (stem.nodes, stem.part, stem.family) == (("violin",), "violin", "bowed-string")
    assert (stem.sample_rate, stem.frames, stem.channels) == (8000, 8000, 1)
    assert (stem.active_s, stem.problems, stem.ignored, stem.drawable) == (pytest.approx(1.0), (), "", True)
    assert not (tmp_path / "catalog" / JOURNAL).exists()


def test_every_kind_of_bad_file_is_listed_and_survived(tmp_path: Path) -> None:
    root = tmp_path / "audio"
    rows = make_corpus(root, 3, ("violin", "piano"))
    bad = {
        "garbage": lambda p: p.write_bytes(b"no audio"),
        "empty": lambda p: write(p, np.zeros((1, 0))),
        "truncated": lambda p: (write(p, tone(3.0)), p.write_bytes(p.read_bytes()[:30_000])),
        "nan": lambda p: write(p, np.full((1, 8000), np.nan), subtype="FLOAT"),
        "silent": lambda p: write(p, np.zeros((1, 8000))),
        "clipped": lambda p: write(p, np.clip(tone(amplitude=9.0, frequency_hz=50.0), -1, 1)),
        "long": lambda p: write(p, tone(9.0)),
    }
    for name, spoil in bad.items():
        path = root / "song00" / f"{name}.wav"
        spoil(path)
        rows.append(
            {"file": f"song00/{name}.wav", "label": "trumpet", "song": "song00", "artist": "artist 0"}
        )
    write_sidecar(root, rows)
    report = build(tmp_path / "catalog", root)
    catalog = Catalog.open(tmp_path / "catalog")
    kinds = {p.path.split("/")[1].split(".")[0]: set() for p in catalog.problems()}
    for problem in catalog.problems():
        kinds[problem.path.split("/")[1].split(".")[0]].add(problem.kind)
    assert kinds == {
        "garbage": {"unreadable"},
        "empty": {"empty"},
        "truncated": {"truncated", "short"},
        "nan": {"nan", "silent", "short"},
        "silent": {"silent", "short"},
        "clipped": {"clipped", "short"},
        "0": {"short"},
        "1": {"short"},
    }
    drawable = {
        s.path.split("/")[1]: s.drawable for s in map(catalog.stem, range(len(catalog))) if s.song == "song00"
    }
    assert [name for name, usable in sorted(drawable.items()) if not usable] == [
        "empty.wav",
        "garbage.wav",
        "nan.wav",
        "silent.wav",
    ]
    assert report.drawable == len(catalog) - 4
    assert report.problems["short"] == 6


def test_a_stem_that_starts_late_is_not_short(tmp_path: Path) -> None:
    root = tmp_path / "audio"
    write(root / "s" / "a.wav", tone(5.0))
    write(root / "s" / "b.wav", tone(2.0))
    rows = [{"file": "s/a.wav", "label": "violin"}, {"file": "s/b.wav", "label": "piano", "offset_s": "3"}]
    write_sidecar(root, rows)
    assert build(tmp_path / "one", root).problems == {}
    rows[1]["offset_s"] = "1"
    write_sidecar(root, rows)
    assert build(tmp_path / "two", root).problems == {"short": 1}


def test_a_missing_root_is_refused(tmp_path: Path) -> None:
    with raises(CorpusError, code="root-not-found"):
        build(tmp_path / "catalog", tmp_path / "none")
    with raises(CorpusError, code="missing-setting"):
        build_catalog(tmp_path / "catalog", {})
    with raises(CorpusError, code="plugin-not-found", mentions="medleybd"):
        build_catalog(tmp_path / "catalog", {"medleybd": tmp_path})
    with raises(CorpusError, code="unknown-corpus", mentions="slakh"):
        build(tmp_path / "catalog", tmp_path, metadata={"slakh": tmp_path})


def test_a_list_of_splits_of_other_songs_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "audio" / "s" / "violin.wav", tone(5.0))
    (tmp_path / "splits.csv").write_text("song,split\nfolder/other,test\n")
    with raises(ConfigError, code="unknown-song", mentions=("splits.csv", "folder/s")):
        build(tmp_path / "catalog", tmp_path / "audio", splits=tmp_path / "splits.csv")


def test_a_corpus_of_one_song_is_built_with_a_note(tmp_path: Path) -> None:
    make_corpus(tmp_path / "audio", 1)
    report = build(tmp_path / "catalog", tmp_path / "audio")
    assert set(Catalog.open(tmp_path / "catalog").column("split")) == {"train"}
    assert "only 1 artist group" in report.notes[0]
    assert ("bowed-string", "test") in report.empty


def test_unmapped_labels_are_found_before_anything_is_measured(tmp_path: Path, measured: list[str]) -> None:
    root = tmp_path / "audio"
    rows = make_corpus(root, 2, ("violin", "piano"))
    rows[0]["label"], rows[3]["label"] = "Theorbo Deluxe Xyz", "Zzyzx"
    write_sidecar(root, rows)
    with raises(
        UnknownLabelError, code="unknown-label", mentions=("Theorbo Deluxe Xyz", "2", "Zzyzx", "--unmapped")
    ):
        build(tmp_path / "catalog", root)
    assert measured == []
    report = build(tmp_path / "catalog", root, on_unmapped="ignore")
    assert report.problems == {"unmapped-label": 2}
    catalog = Catalog.open(tmp_path / "catalog")
    stem = catalog.stem(catalog.find("folder/song00/0"))
    assert (stem.nodes, stem.drawable, stem.part) == ((), False, "")
    assert stem.ignored == "unmapped label 'Theorbo Deluxe Xyz'"
    extra = tmp_path / "mine.csv"
    extra.write_text("label,nodes,ignored,note\nTheorbo Deluxe Xyz,guitar,,\nZzyzx,,noise,\n")
    report = build(tmp_path / "catalog", root, labels_extra={"folder": extra})
    assert (report.drawable, report.problems, len(measured)) == (3, {}, 4)
    assert Catalog.open(tmp_path / "catalog").stem(0).nodes == ("guitar",)


def test_two_roots_of_one_kind_are_two_corpora(tmp_path: Path) -> None:
    make_corpus(tmp_path / "one", 2)
    make_corpus(tmp_path / "two", 3)
    roots = {"folder": tmp_path / "one", "folder@mine": tmp_path / "two"}
    report = build_catalog(tmp_path / "catalog", roots, workers=1, progress=False)
    assert report.corpora == {"folder": 4, "folder@mine": 6}
    catalog = Catalog.open(tmp_path / "catalog")
    assert catalog.audio_path(catalog.find("folder@mine/song02/0")) == tmp_path / "two" / "song02" / "0.wav"
    assert report.leaks.clean


MAP = LabelMap(
    "test",
    {
        "violin": Resolution(("violin",), None),
        "piano": Resolution(("piano",), None),
        "Main System": Resolution((), "whole band"),
    },
    "test.csv",
)


@pytest.mark.parametrize(
    ("labels", "bleed_labels", "expected"),
    [
        (("violin", "piano"), (), ("piano",)),
        (("violin",), (), ("*",)),
        (("violin", "piano", "Main System"), (), ("*", "piano")),
        (("violin", "piano", "unheard of"), (), ("*", "piano")),
        (("violin", "Main System"), ("piano",), ("piano",)),
        (("violin",), ("piano", "Main System"), ("*", "piano")),
    ],
)
def test_what_may_bleed(
    labels: tuple[str, ...], bleed_labels: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    entries = [
        StemEntry(
            "s", str(i), f"{i}.wav", (label,), "a", bleed=i == 0, bleed_labels=bleed_labels if i == 0 else ()
        )
        for i, label in enumerate(labels)
    ]
    rows = label_rows("test", entries, MAP, [])
    assert rows[0].bleed_nodes == expected
    assert all(row.bleed_nodes == () for row in rows[1:])


def test_one_and_two_workers_write_the_same_bytes(tmp_path: Path) -> None:
    make_corpus(tmp_path / "audio", 4)
    (tmp_path / "audio" / "song01" / "0.wav").write_bytes(b"garbage")
    one = build(tmp_path / "one", tmp_path / "audio", workers=1)
    two = build(tmp_path / "two", tmp_path / "audio", workers=2)
    assert one.content_hash == two.content_hash
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_the_same_corpus_elsewhere_has_the_same_hash(tmp_path: Path) -> None:
    make_corpus(tmp_path / "audio", 3)
    make_corpus(tmp_path / "far" / "away", 3)
    first = build(tmp_path / "one", tmp_path / "audio").content_hash
    assert build(tmp_path / "two", tmp_path / "far" / "away").content_hash == first
    write(tmp_path / "audio" / "song00" / "0.wav", tone(amplitude=0.2))
    assert build(tmp_path / "one", tmp_path / "audio").content_hash != first


def test_an_update_reads_only_what_changed(tmp_path: Path, measured: list[str]) -> None:
    root = tmp_path / "audio"
    rows = make_corpus(root, 3)
    write(root / "song02" / "0.wav", np.clip(tone(amplitude=9.0, frequency_hz=50.0), -1, 1))
    build(tmp_path / "catalog", root)
    before = contents(tmp_path / "catalog")
    assert len(measured) == 6
    measured.clear()

    assert build(tmp_path / "catalog", root).reused == 6
    assert measured == []
    assert contents(tmp_path / "catalog") == before  # problems and their messages too

    write(root / "song01" / "1.wav", tone(2.0))
    write(root / "song01" / "new.wav", tone(2.0))
    (root / "song00" / "0.wav").unlink()
    added = {"file": "song01/new.wav", "label": "trumpet", "song": "song01", "artist": "artist 1"}
    write_sidecar(root, [*rows[1:], added])
    build(tmp_path / "catalog", root)
    assert measured == ["song01/1.wav", "song01/new.wav"]
    build(tmp_path / "fresh", root)
    assert contents(tmp_path / "catalog") == contents(tmp_path / "fresh")


def test_an_unreadable_file_is_tried_again(tmp_path: Path, measured: list[str]) -> None:
    make_corpus(tmp_path / "audio", 2)
    (tmp_path / "audio" / "song01" / "0.wav").write_bytes(b"garbage")
    build(tmp_path / "catalog", tmp_path / "audio")
    measured.clear()
    build(tmp_path / "catalog", tmp_path / "audio")
    assert measured == ["song01/0.wav"]


def test_other_splits_need_no_measuring(tmp_path: Path, measured: list[str]) -> None:
    make_corpus(tmp_path / "audio", 8, artists=4)
    first = build(tmp_path / "catalog", tmp_path / "audio")
    measured.clear()
    second = build(tmp_path / "catalog", tmp_path / "audio", split="random", seed=7)
    assert measured == []
    assert second.content_hash != first.content_hash
    catalog = Catalog.open(tmp_path / "catalog")
    assert (catalog.split_method, catalog.split_seed) == ("random", 7)
    assert catalog.with_splits("artist", 0).content_hash == first.content_hash


KILLED = """
import os, signal, sys
from pathlib import Path
import mixlab.catalog.build
import mixlab.catalog.journal
from mixlab.audio.loudness import measure
left = [int(sys.argv[3])]
def count_down(path):
    if left[0] == 0:
        os.kill(os.getpid(), getattr(signal, sys.argv[4]))
    left[0] -= 1
    return measure(path)
mixlab.catalog.build.measure_place = count_down
# Started in the background, shells have their children ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
mixlab.catalog.build.build_catalog(sys.argv[1], {"folder": Path(sys.argv[2])}, workers=1, progress=False)
"""


def run_until_killed(out: Path, root: Path, after: int, name: str) -> int:
    command = [sys.executable, "-c", KILLED, str(out), str(root), str(after), name]
    return subprocess.run(command, check=False, capture_output=True).returncode


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_killed_build_goes_on_where_it_was(tmp_path: Path, measured: list[str]) -> None:
    root, out = tmp_path / "audio", tmp_path / "catalog"
    make_corpus(root, 4)
    assert run_until_killed(out, root, 3, "SIGKILL") == -signal.SIGKILL
    with raises(CatalogError, code="catalog-not-found", mentions="catalog.json"):
        Catalog.open(out)
    build(tmp_path / "uninterrupted", root)
    journal = (out / JOURNAL).read_bytes()
    for number, (left, kept) in enumerate(((journal, 3), (journal[:-50], 2), (journal + b"0000 {half", 3))):
        again = tmp_path / f"again{number}"
        again.mkdir()
        (again / JOURNAL).write_bytes(left)
        measured.clear()
        report = build(again, root)
        assert (report.reused, len(measured)) == (kept, 8 - kept)
        assert contents(again) == contents(tmp_path / "uninterrupted")
        assert report.content_hash == Catalog.open(tmp_path / "uninterrupted").content_hash
        assert not (again / JOURNAL).exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to oneself")
def test_ctrl_c_keeps_what_was_measured_and_the_old_catalog(tmp_path: Path, measured: list[str]) -> None:
    root, out = tmp_path / "audio", tmp_path / "catalog"
    make_corpus(root, 2)
    before = build(out, root).content_hash
    make_corpus(root, 4)
    for path in root.rglob("*.wav"):
        os.utime(path, ns=(1, 1))
    measured.clear()
    assert run_until_killed(out, root, 5, "SIGINT") != 0
    assert Catalog.open(out).content_hash == before
    assert build(out, root).reused == 5
    assert len(measured) == 3


def test_a_damaged_line_of_the_journal_costs_only_itself(tmp_path: Path) -> None:
    silence = np.zeros(3, dtype=np.float16)
    entry = Measurement(8000, 2400, 1, float("nan"), -3.0, silence, (("clipped", "why"),))
    with Journal(tmp_path) as journal:
        for i in range(3):
            journal.add(("folder", f"{i}.wav", i, i), entry)
    path = tmp_path / JOURNAL
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1].replace(b"2400", b"2401") + lines[2])
    with Journal(tmp_path) as journal:
        assert sorted(journal.found) == [("folder", "0.wav", 0, 0), ("folder", "2.wav", 2, 2)]
        assert journal.found["folder", "2.wav", 2, 2].problems == (("clipped", "why"),)
        assert (journal.found["folder", "0.wav", 0, 0].envelope == silence).all()


@pytest.mark.skipif(sys.platform == "win32", reason="open files cannot be removed")
@pytest.mark.parametrize("removed", [False, True])
def test_the_journal_is_read_under_its_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, removed: bool
) -> None:
    """Between opening and locking, another run adds a line, or finishes and removes the journal."""
    silence = np.zeros(3, dtype=np.float16)
    with Journal(tmp_path) as journal:
        journal.add(("folder", "0.wav", 0, 0), Measurement(8000, 2400, 1, float("nan"), -3.0, silence, ()))
    path = tmp_path / JOURNAL
    line = path.read_bytes()
    path.write_bytes(b"")
    lock, calls = mixlab.catalog.journal.try_lock, []

    def late(file: BinaryIO) -> bool:
        calls.append(file)
        if len(calls) == 1 and removed:
            path.unlink()
        elif len(calls) == 1:
            path.write_bytes(line)
        return lock(file)

    monkeypatch.setattr(mixlab.catalog.journal, "try_lock", late)
    with Journal(tmp_path) as journal:
        assert len(journal.found) == (not removed)
        assert os.path.samestat(os.fstat(journal._file.fileno()), path.stat())
        with raises(CatalogError, code="catalog-in-use"):
            Journal(tmp_path)
    assert path.read_bytes() == (b"" if removed else line)


@pytest.mark.skipif(sys.platform == "win32", reason="locks are advisory on POSIX only")
def test_two_builds_at_once_are_refused(tmp_path: Path) -> None:
    make_corpus(tmp_path / "audio", 1)
    with (
        Journal(tmp_path / "catalog"),
        raises(CatalogError, code="catalog-in-use"),
    ):
        build(tmp_path / "catalog", tmp_path / "audio")


def test_a_file_that_crashes_its_worker_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(path: Path) -> Measurement:
        if path.name == "1.wav":
            raise MemoryError("too large")
        return measure(path)

    make_corpus(tmp_path / "audio", 2)
    with monkeypatch.context() as patch:
        patch.setattr(mixlab.catalog.build, "measure_place", crash)
        report = build(tmp_path / "catalog", tmp_path / "audio")
    assert report.problems == {"crashed": 2}
    assert report.drawable == 2
    assert "MemoryError: too large" in Catalog.open(tmp_path / "catalog").problems()[0].message
    assert build(tmp_path / "catalog", tmp_path / "audio").drawable == 4
