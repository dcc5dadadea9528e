"""The catalog on disk: opening, views, pickles, moved roots, damage, and commits that die half-way."""

import json
import math
import mmap
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mixlab.catalog.catalog import ACTIVITY_DB, Catalog, Stem, _array
from mixlab.catalog.storage import SCHEMA, WRITTEN_COLUMNS, finish_commit, write_catalog
from mixlab.corpora.base import Problem
from mixlab.errors import CatalogError, CatalogMismatchError, ConfigError
from mixlab.studies.folder import resplit
from tests.errors import raises

LISTS = {"labels", "nodes", "groups", "bleed_nodes", "problems"}


def columns_of(stems: int, songs: int = 10) -> dict[str, list[Any]]:
    """Columns of a catalog without audio behind it."""
    texts = {name: [""] * stems for name in SCHEMA.names if str(SCHEMA.field(name).type) == "string"}
    columns: dict[str, list[Any]] = {name: [0] * stems for name in SCHEMA.names}
    columns |= texts | {name: [()] * stems for name in LISTS}
    song = [i % songs for i in range(stems)]
    columns |= {
        "key": [f"demo/{s:05d}/{i:05d}" for i, s in enumerate(song)],
        "corpus": ["demo"] * stems,
        "song": [f"{s:05d}" for s in song],
        "stem": [f"{i:05d}" for i in range(stems)],
        "path": [f"{i}.wav" for i in range(stems)],
        "nodes": [("violin",) if i % 2 else ("violin", "viola") for i in range(stems)],
        "family": ["bowed-string"] * stems,
        "artist": [f"artist {s // 2}" for s in song],
        "bleed": [False] * stems,
        "drawable": [True] * stems,
        "split": ["train"] * stems,
    }
    return {
        name: column for name, column in columns.items() if name == "split" or name not in WRITTEN_COLUMNS
    }


def envelopes_of(stems: int) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.uniform(-90, -10, size=i % 7 * 10).astype("f2") for i in range(stems)]


def make(folder: Path, stems: int = 20, **changes: list[Any]) -> str:
    (folder.parent / "audio").mkdir(parents=True, exist_ok=True)
    return write_catalog(
        folder,
        columns_of(stems) | changes,
        envelopes_of(stems),
        [Problem("demo", "00001", "00001", "1.wav", "clipped", 'Flat "tops", many.\nReally.')],
        roots={"demo": folder.parent / "audio"},
        split=("artist", 0),
        measure_version=1,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make(tmp_path / "catalog")
    return tmp_path / "catalog"


def test_a_catalog_divided_anew_keeps_numbers_that_its_table_rounds(tmp_path: Path) -> None:
    """The fader .8 is not a float32: hashed as read back, the same rows would seem to be others."""
    make(tmp_path / "catalog", gain=[0.8] * 20, loudness_lufs=[math.nan, *([-23.4] * 19)])
    view = Catalog.open(tmp_path / "catalog").with_splits("random", 3)
    resplit(view, tmp_path / "random")
    written = Catalog.open(tmp_path / "random")
    assert written.content_hash == view.content_hash
    assert written.split_songs() == view.split_songs()
    assert written.stem(0).gain == view.stem(0).gain == pytest.approx(0.8)
    for name in SCHEMA.names:
        np.testing.assert_array_equal(written.column(name), view.column(name), err_msg=name)
    for i in range(20):
        np.testing.assert_array_equal(written.envelope(i), view.envelope(i))
    assert written.with_splits("artist", 1).content_hash == view.with_splits("artist", 1).content_hash


def test_a_catalog_divided_anew_that_lost_something_is_not_used(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = Catalog.open(folder).with_splits("random", 3)

    def losing(where: Path, columns: dict[str, list[Any]], *rest: object, **named: object) -> str:
        return write_catalog(where, columns | {"gain": [0.5] * 20}, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("mixlab.studies.folder.write_catalog", losing)
    with raises(CatalogError, code="catalog-damaged", mentions="gain"):
        resplit(view, tmp_path / "random")


def test_rows_come_back_as_written(folder: Path) -> None:
    catalog = Catalog.open(folder)
    assert len(catalog) == catalog.n_stems == 20
    stem = catalog.stem(3)
    assert isinstance(stem, Stem)
    assert (stem.key, stem.nodes, stem.drawable, stem.gain) == ("demo/00003/00003", ("violin",), True, 0.0)
    assert catalog.stem(4).nodes == ("violin", "viola")
    assert catalog.find("demo/00003/00003") == 3
    assert catalog.audio_path(3) == folder.parent / "audio" / "3.wav"
    assert list(catalog.to_pandas()["song"]) == list(catalog.column("song"))
    assert catalog.problems()[0].message == 'Flat "tops", many.\nReally.'
    assert set(SCHEMA.names) == set(Stem.__dataclass_fields__)


def test_envelopes_and_running_counts_agree(folder: Path) -> None:
    catalog = Catalog.open(folder)
    for i, expected in enumerate(envelopes_of(20)):
        assert (catalog.envelope(i) == expected).all()
        counts = catalog.active_cumulative(i)
        assert counts[0] == 0
        assert (np.diff(counts) == (expected >= ACTIVITY_DB)).all()
    base: object = catalog.envelope(3)
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(base, mmap.mmap)


@pytest.mark.parametrize("chunks", [[], [0], [1], [20], [3, 0, 13], [9, 9, 8]])
@pytest.mark.parametrize("kind", [t for t in SCHEMA.types if not pa.types.is_list(t)], ids=str)
def test_columns_hold_what_the_table_holds(kind: pa.DataType, chunks: list[int]) -> None:
    rng = np.random.default_rng(3)
    whole = pa.array(rng.integers(0, 2, 31).tolist(), pa.int64()).cast(kind)
    # slices, so that their first values are not those of their buffers
    column = pa.chunked_array([whole.slice(5, length) for length in chunks], kind)
    found = _array(column)
    assert found.tolist() == column.to_pylist()
    assert found.dtype == (object if kind == pa.string() else kind.to_pandas_dtype())


def test_a_column_with_gaps_is_still_read() -> None:
    assert np.isnan(_array(pa.chunked_array([pa.array([1.0, None], pa.float32())]))).tolist() == [False, True]


def test_opening_drawing_and_rendering_do_not_load_pandas(toy: Catalog) -> None:
    code = (
        "import sys\n"
        "from mixlab import Catalog, MixDataset\n"
        "catalog = Catalog.open(sys.argv[1])\n"
        "assert len(catalog.problems()) >= 0 and catalog.songs() and catalog.stem(0)\n"
        "assert 'pandas' not in sys.modules, 'pandas was loaded by opening'\n"
        "MixDataset(catalog, epoch_size=16).item(0)\n"
        "assert 'pandas' not in sys.modules, 'pandas was loaded by mixing'\n"
        "print(len(catalog.to_pandas()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(toy.path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, str(len(toy))), done.stderr


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="this system does not list threads")
def test_opening_leaves_no_threads_to_processes_that_are_forked_later(toy: Catalog) -> None:
    code = (
        "import os, sys\n"
        "import pyarrow.parquet\n"
        "from mixlab import Catalog\n"
        "from mixlab.catalog.storage import SCHEMA\n"
        "before = len(os.listdir('/proc/self/task'))\n"
        "catalog = Catalog.open(sys.argv[1])\n"
        "catalog.column('nodes')\n"
        "print(len(os.listdir('/proc/self/task')) - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(toy.path)], capture_output=True, text=True)
    assert done.stdout == "0\n", done.stderr


def test_columns_are_read_only_and_cached(folder: Path) -> None:
    catalog = Catalog.open(folder)
    nodes = catalog.column("nodes")
    assert catalog.column("nodes") is nodes
    with pytest.raises(ValueError, match="read-only"):
        catalog.column("gain")[0] = 2.0
    with raises(CatalogError, code="unknown-column", mentions="colour"):
        catalog.column("colour")


@pytest.mark.parametrize("row", [-1, 20])
def test_rows_out_of_range_are_refused(folder: Path, row: int) -> None:
    with raises(CatalogError, code="invalid-row", mentions=("0", "19", row)):
        Catalog.open(folder).envelope(row)


def test_unknown_keys_are_refused(folder: Path) -> None:
    with raises(CatalogError, code="unknown-stem", mentions="demo/none/S01"):
        Catalog.open(folder).find("demo/none/S01")


def test_an_empty_catalog_opens(tmp_path: Path) -> None:
    make(tmp_path / "catalog", 0)
    catalog = Catalog.open(tmp_path / "catalog")
    assert len(catalog) == 0
    assert len(catalog.column("nodes")) == len(catalog.column("gain")) == 0
    assert len(catalog.with_splits("artist")) == 0


def test_splits_are_a_view_with_another_hash(folder: Path) -> None:
    catalog = Catalog.open(folder)
    view = catalog.with_splits("random", 3)
    assert view.content_hash != catalog.content_hash
    assert set(view.column("split")) == {"train", "validation", "test"}
    assert set(catalog.column("split")) == {"train"}
    assert view.table.column("split").to_pylist() == list(view.column("split"))
    assert view.stem(0).split == view.column("split")[0]
    assert view.split_songs() == catalog.with_splits("random", 3).split_songs()
    assert catalog.with_splits("random", 4).content_hash != view.content_hash
    with raises(ConfigError, code="invalid-setting", mentions="both"):
        catalog.with_splits("both")


def test_a_view_hashes_like_a_catalog_written_with_these_splits(folder: Path, tmp_path: Path) -> None:
    view = Catalog.open(folder).with_splits("artist", 5)
    written = make(tmp_path / "other", split=list(view.column("split")))
    assert written == view.content_hash


def test_songs_know_what_is_certain_to_sound_in_them(folder: Path) -> None:
    by_key = {song.key: song for song in Catalog.open(folder).songs()}
    assert by_key["demo/00003"].instruments >= {"violin"}
    assert "violin" not in by_key["demo/00004"].instruments  # a violin or a viola
    assert by_key["demo/00004"].families == {"bowed-string"}


def test_pickles_are_small_and_keep_roots_and_splits(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "moved").mkdir()
    view = Catalog.open(folder, roots={"demo": tmp_path / "moved"}).with_splits("random", 3)
    data = pickle.dumps(view)
    assert len(data) < 2000
    copy = pickle.loads(data)
    assert copy.content_hash == view.content_hash
    assert (copy.column("split") == view.column("split")).all()
    assert copy.audio_path(0) == tmp_path / "moved" / "0.wav"
    assert (copy.split_method, copy.split_seed) == ("random", 3)


def test_a_pickle_of_a_rewritten_catalog_is_refused(folder: Path) -> None:
    data = pickle.dumps(Catalog.open(folder))
    make(folder, 21)
    with raises(CatalogMismatchError, code="catalog-changed"):
        pickle.loads(data)


def test_the_hash_names_the_content_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    first = Catalog.open(folder).content_hash
    assert make(tmp_path / "elsewhere" / "catalog") == first
    assert make(tmp_path / "a", mtime_ns=[7] * 20, loudness_lufs=[-20.0] * 20, title=["x"] * 20) == first
    for change in (
        {"nodes": [("piano",)] * 20},
        {"bleed": [True] * 20},
        {"frames": [9] * 20},
        {"gain": [0.5] * 20},
    ):
        assert make(tmp_path / "b", **change) != first


def test_roots_can_be_moved(folder: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.mkdir()
    catalog = Catalog.open(folder, roots={"demo": str(new)})
    assert catalog.audio_path(0) == new / "0.wav"
    assert catalog.content_hash == Catalog.open(folder).content_hash
    with raises(CatalogError, code="unknown-corpus", mentions="slakh"):
        Catalog.open(folder, roots={"slakh": new})


def test_a_folder_with_catalog_and_audio_can_be_moved_whole(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder.parent, tmp_path.parent / "copy")
    copied = Catalog.open(tmp_path.parent / "copy" / "catalog")
    assert copied.audio_path(0) == tmp_path.parent / "copy" / "audio" / "0.wav"
    assert Catalog.open(folder).audio_path(0) == folder.parent / "audio" / "0.wav"


def test_a_missing_root_is_named_when_audio_is_asked_for(folder: Path) -> None:
    (folder.parent / "audio").rmdir()
    catalog = Catalog.open(folder)
    assert len(catalog.envelope(3)) == 30
    with raises(CatalogError, code="root-not-found", mentions=("--root", "demo=/new/place")):
        catalog.audio_path(0)


@pytest.mark.parametrize("path", ["../secret.wav", "/etc/passwd", "a/../../b.wav"])
def test_a_path_never_leaves_its_root(tmp_path: Path, path: str) -> None:
    make(tmp_path / "catalog", 1, path=[path])
    with raises(CatalogError, code="path-outside-root"):
        Catalog.open(tmp_path / "catalog").audio_path(0)


def test_a_missing_catalog_says_how_to_make_one(tmp_path: Path) -> None:
    with raises(CatalogError, code="catalog-not-found", mentions="mixlab index"):
        Catalog.open(tmp_path / "none")
    with raises(CatalogError, code="catalog-not-found", mentions="catalog.json"):
        Catalog.open(tmp_path)
    (tmp_path / "notes.txt").write_text("no catalog")
    with raises(CatalogError, code="catalog-not-found", mentions="mixlab index"):
        Catalog.open(tmp_path / "notes.txt")


def test_another_schema_version_is_refused(folder: Path) -> None:
    meta = json.loads((folder / "catalog.json").read_text())
    (folder / "catalog.json").write_text(json.dumps(meta | {"schema": 99}))
    with raises(CatalogError, code="catalog-version", mentions=("2", "mixlab index", "99")):
        Catalog.open(folder)


@pytest.mark.parametrize("name", ["catalog.json", "stems.parquet", "activity.npy", "active.npy"])
@pytest.mark.parametrize("damage", ["garbage", "cut", "gone"])
def test_damage_is_named(folder: Path, name: str, damage: str) -> None:
    path = folder / name
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(b"garbage" if damage == "garbage" else data[: len(data) // 2])
    missing = "catalog-not-found" if name == "catalog.json" else "catalog-incomplete"
    code = missing if damage == "gone" else "catalog-damaged"
    with raises(CatalogError, code=code, mentions="mixlab index"):
        Catalog.open(folder)


def test_a_killed_writer_leaves_the_old_catalog(folder: Path) -> None:
    before = Catalog.open(folder).content_hash
    for name in ("stems.parquet", "activity.npy"):
        (folder / f"{name}.0123456789ab").write_bytes(b"half")
    (folder / ".active.npy.0123456789ab.123-0f.tmp").write_bytes(b"half")
    assert Catalog.open(folder).content_hash == before
    finish_commit(folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "active.npy",
        "activity.npy",
        "catalog.json",
        "problems.csv",
        "stems.parquet",
    ]


def test_files_of_the_user_in_the_catalog_folder_are_left_alone(folder: Path) -> None:
    own = ["problems.csv.bak", "stems.parquet.old", "activity.npy.tmp", "active.npy.0123456789abc"]
    for name in own:
        (folder / name).write_text("mine")
    make(folder, 21)
    assert [(folder / name).read_text() for name in own] == ["mine"] * 4
    assert len(Catalog.open(folder)) == 21


@pytest.mark.parametrize("done", range(5))
def test_a_writer_killed_after_its_commit_leaves_the_new_catalog(
    folder: Path, done: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # catalog.json is replaced, then `done` of the four data files get their plain names.
    calls = []
    plain = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if Path(target).suffix in {".parquet", ".npy", ".csv"}:
            calls.append(target)
            if len(calls) > done:
                raise KeyboardInterrupt
        return plain(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        if done < 4:
            with pytest.raises(KeyboardInterrupt):
                make(folder, 21)
        else:
            make(folder, 21)
    catalog = Catalog.open(folder)
    assert len(catalog) == 21
    assert len(catalog.problems()) == 1
    finish_commit(folder)
    assert Catalog.open(folder).content_hash == catalog.content_hash


def test_a_reader_keeps_its_generation_while_the_catalog_is_rewritten(folder: Path) -> None:
    reader = Catalog.open(folder)
    make(folder, 40)
    assert len(reader) == 20
    assert (reader.envelope(13) == envelopes_of(20)[13]).all()
    assert len(reader.problems()) == 1
    assert len(Catalog.open(folder)) == 40


def test_files_are_readable_by_others(folder: Path) -> None:
    assert all(os.stat(path).st_mode & 0o044 for path in folder.iterdir())  # noqa: PTH116


def test_stems_beyond_the_first_chunk_of_a_column_are_found(tmp_path: Path) -> None:
    make(tmp_path / "catalog", 5000)
    catalog = Catalog.open(tmp_path / "catalog")
    assert catalog.column("nodes")[4999] == ("violin",)
    assert catalog.find("demo/00009/04999") == 4999
