"""The files of a catalog folder: their schema, how they are read, hashed and replaced.

``mixlab.catalog`` is the interface; this module keeps its promise that a reader sees one generation
of the files or another, never a mixture, whatever a writer does or however it dies.
"""

import hashlib
import io
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mixlab.catalog.meta import find_meta_fault
from mixlab.corpora.base import Problem
from mixlab.errors import CatalogError
from mixlab.utils.csv import csv_text, guarded
from mixlab.utils.files import make_folder, told_as_output_error, write_atomic
from mixlab.utils.locks import hold_folder
from mixlab.utils.remote import Place, as_place
from mixlab.utils.yaml import load_json

__all__ = [
    "ACTIVITY_DB",
    "DATA_FILES",
    "META",
    "PROBLEMS",
    "PROBLEM_FIELDS",
    "SCHEMA",
    "SCHEMA_VERSION",
    "WRITTEN_COLUMNS",
    "CatalogFiles",
    "column_numbers",
    "data_file",
    "finish_commit",
    "hash_content",
    "hold_catalog",
    "is_unfinished",
    "load_files",
    "name_generation",
    "parse_meta",
    "write_catalog",
]

ACTIVITY_DB = -50.0
"""A hop counts as active from this level on: dBFS RMS of the stem itself, the same for all corpora."""

SCHEMA_VERSION = 2

_TEXTS = pa.list_(pa.string())
SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("corpus", pa.string()),
        ("song", pa.string()),
        ("stem", pa.string()),
        ("part", pa.string()),
        ("path", pa.string()),
        ("labels", _TEXTS),
        ("nodes", _TEXTS),
        ("ignored", pa.string()),
        ("family", pa.string()),
        ("artist", pa.string()),
        ("title", pa.string()),
        ("album", pa.string()),
        ("genre", pa.string()),
        ("corpus_split", pa.string()),
        ("split", pa.string()),
        ("groups", _TEXTS),
        ("bleed", pa.bool_()),
        ("bleed_nodes", _TEXTS),
        ("gain", pa.float32()),
        ("offset_s", pa.float64()),
        ("licence", pa.string()),
        ("sample_rate", pa.int32()),
        ("frames", pa.int64()),
        ("channels", pa.int16()),
        ("duration_s", pa.float32()),
        ("loudness_lufs", pa.float32()),
        ("peak_db", pa.float32()),
        ("audio_hash", pa.string()),
        ("time_reference", pa.int64()),
        ("active_s", pa.float32()),
        ("hop_offset", pa.int64()),
        ("n_hops", pa.int32()),
        ("active_offset", pa.int64()),
        ("problems", _TEXTS),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("drawable", pa.bool_()),
    ]
)

WRITTEN_COLUMNS = ("split", "hop_offset", "n_hops", "active_offset")
"""Columns that follow from the others; whoever builds a catalog decides the rest."""

# What a sampled mix can depend on. Left out: times, absolute roots, loudness and the hash of the audio (the
# last bits of lossy files may differ between machines) and the split, which is hashed on top so that a view
# can change it.
_HASHED = (
    "key",
    "path",
    "nodes",
    "part",
    "bleed",
    "bleed_nodes",
    "groups",
    "gain",
    "offset_s",
    "sample_rate",
    "frames",
    "channels",
    "size",
    "drawable",
)

_STEMS = "stems.parquet"
_ACTIVITY = "activity.npy"
_ACTIVE = "active.npy"
PROBLEMS = "problems.csv"
META = "catalog.json"
_GENERATION_DIGITS = 12  # of the name that data files carry until the last step of a commit
DATA_FILES = (_STEMS, _ACTIVITY, _ACTIVE, PROBLEMS)
PROBLEM_FIELDS = ("corpus", "song", "stem", "path", "kind", "message")


def _hash_base(columns: Mapping[str, Sequence[Any] | NDArray[Any]], activity: NDArray[np.float16]) -> str:
    digest = hashlib.sha256(f"mixlab catalog {SCHEMA_VERSION}\n".encode())
    for row in zip(*(columns[name] for name in _HASHED), strict=True):
        plain = [value.item() if isinstance(value, np.generic) else value for value in row]
        digest.update(json.dumps(plain, ensure_ascii=True, separators=(",", ":")).encode() + b"\n")
    digest.update(np.ascontiguousarray(activity, dtype="<f2").tobytes())
    return digest.hexdigest()


def hash_content(base: str, splits: Iterable[str]) -> str:
    """Return the content hash of a catalog: its rows and activity, and the split of each row."""
    return hashlib.sha256(f"{base}\n{','.join(splits)}".encode()).hexdigest()[:16]


def hold_catalog(folder: Path) -> AbstractContextManager[None]:
    """Keep other processes from writing to a catalog's folder for as long as the ``with`` block lasts.

    Raises:
        CatalogError: another process writes there.
        OutputError: nothing can be written there.
    """
    return hold_folder(
        folder,
        lambda: CatalogError(
            f"Another run is writing the catalog {folder}. Wait for it, or stop it.", code="catalog-in-use"
        ),
    )


def _read_meta(folder: Path) -> dict[str, Any]:
    path = folder / META
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        where = f"no {META} in it" if folder.is_dir() else "a file" if folder.exists() else "no such folder"
        raise CatalogError(
            f"Expected a catalog at {folder}, found {where}. Make one with: "
            f"mixlab index {folder} --root medleydb=/path/to/MedleyDB",
            code="catalog-not-found",
        ) from error
    except OSError as error:
        raise CatalogError(
            f"{path} is damaged: {error}. Run mixlab index {folder} again.", code="catalog-damaged"
        ) from error
    return parse_meta(content, str(path), str(folder))


def parse_meta(content: bytes, path: str, folder: str) -> dict[str, Any]:
    """Return what a ``catalog.json`` holds, checked.

    Args:
        content: Its bytes.
        path: Where it lies, for messages.
        folder: The catalog's folder, for messages.

    Raises:
        CatalogError: it is damaged, or of another version.
    """
    try:
        meta = load_json(content.decode())
    except ValueError as error:
        raise CatalogError(
            f"{path} is damaged: {error}. Run mixlab index {folder} again.", code="catalog-damaged"
        ) from error
    found = meta.get("schema") if isinstance(meta, dict) else None
    if found != SCHEMA_VERSION:
        raise CatalogError(
            f"Expected catalog schema version {SCHEMA_VERSION} in {path}, found {found!r}. "
            f"Run mixlab index {folder} again with this version of mixlab.",
            code="catalog-version",
        )
    if fault := find_meta_fault(meta):
        raise CatalogError(
            f"{path} is damaged: expected {fault}. Run mixlab index {folder} again.", code="catalog-damaged"
        )
    return dict(meta)


def data_file(folder: Path, name: str, generation: str) -> Path:
    """Find a data file; until the rename after a commit, it carries its generation in its name.

    The generation is that of a ``catalog.json`` that was checked: 12 hex digits, and no path.
    """
    fresh = folder / f"{name}.{generation}"
    return fresh if fresh.exists() else folder / name


def _damaged(path: Path, what: str) -> CatalogError:
    return CatalogError(
        f"{path} is damaged: {what}. Run mixlab index {path.parent} again.", code="catalog-damaged"
    )


def _load_array(path: Path, dtype: str, expected: int) -> NDArray[Any]:
    try:
        with path.open("rb") as file:
            if np.lib.format.read_magic(file) != (1, 0):
                raise ValueError("expected version 1.0 of the format of NumPy")
            shape, _, found = np.lib.format.read_array_header_1_0(file)
            start, size = file.tell(), os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        raise
    except Exception as error:  # NumPy evaluates the header's text, and raises what that raises
        raise _damaged(path, f"its header cannot be read ({type(error).__name__}: {error})") from error
    if found != np.dtype(dtype) or shape != (expected,):
        raise _damaged(path, f"expected {expected} values of {dtype}, found {shape} of {found}")
    if size < start + expected * found.itemsize:
        raise _damaged(path, f"expected {expected * found.itemsize} bytes of values, found {size - start}")
    if not expected:
        return np.zeros(0, dtype)
    # Without the class memmap, whose slices take microseconds; the base keeps the file mapped.
    return np.memmap(path, dtype, "r", offset=start, shape=(expected,)).view(np.ndarray)


def _load_table(path: Path) -> pa.Table:
    try:
        # Not pq.read_table, which loads pandas: a second of work for nothing. Not by several threads
        # either: they would stay, and processes that are forked later have no use for them.
        with pq.ParquetFile(path, memory_map=True, pre_buffer=False) as file:
            table = file.read(use_threads=False)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError, LookupError) as error:
        raise _damaged(path, str(error)) from error
    found_names = set(table.column_names)  # a list made anew at each look
    missing = [name for name in SCHEMA.names if name not in found_names]
    if missing:
        raise _damaged(path, f"it lacks the columns {', '.join(missing)}")
    for field in SCHEMA:
        found = table.column(field.name)
        if found.type != field.type:
            raise _damaged(path, f"expected {field.type} in {field.name!r}, found {found.type}")
        if pa.types.is_integer(field.type) and found.null_count:
            raise _damaged(path, f"{found.null_count} numbers in {field.name!r} are missing")
    return table


def column_numbers(column: pa.ChunkedArray) -> NDArray[Any]:
    """Copy a column of numbers or truth values; Arrow's own way to NumPy would load pandas for it."""
    if column.null_count:  # not in a catalog that mixlab wrote
        return np.array(column.to_numpy())
    dtype = np.dtype(column.type.to_pandas_dtype())
    parts = [np.empty(0, dtype)]
    for chunk in column.chunks:
        values, first, count = chunk.buffers()[1], chunk.offset, len(chunk)
        if count and dtype == np.bool_:
            bits = np.unpackbits(np.frombuffer(values, np.uint8), bitorder="little")
            parts.append(bits[first : first + count].astype(np.bool_))
        elif count:
            parts.append(np.frombuffer(values, dtype, count, first * dtype.itemsize))
    return np.concatenate(parts)


def _check_places(path: Path, table: pa.Table, hops: int, counts: int) -> None:
    """See to it that every row's part of the arrays lies within them."""
    names = ("hop_offset", "active_offset", "n_hops")
    first, first_count, n = (column_numbers(table.column(name)).astype(np.int64) for name in names)
    good = (first >= 0) & (n >= 0) & (first <= hops - n) & (first_count >= 0) & (first_count < counts - n)
    if not good.all():
        raise _damaged(path, f"row {int(np.argmin(good))} says that its activity lies where there is none")


@dataclass(frozen=True)
class CatalogFiles:
    """One generation of a catalog's files, opened.

    Attributes:
        meta: ``catalog.json``.
        table: ``stems.parquet``.
        activity: All envelopes end to end, memory-mapped.
        active: All running counts of active hops end to end, memory-mapped.
    """

    meta: dict[str, Any]
    table: pa.Table
    activity: NDArray[np.float16]
    active: NDArray[np.uint32]


def load_files(folder: Path) -> CatalogFiles:
    """Open one consistent generation, also while an index run is committing the next one."""
    problem: FileNotFoundError | None = None
    for _ in range(5):
        meta = _read_meta(folder)
        generation = str(meta["generation"])
        try:
            stems = data_file(folder, _STEMS, generation)
            files = CatalogFiles(
                meta,
                _load_table(stems),
                _load_array(data_file(folder, _ACTIVITY, generation), "<f2", int(meta["hops"])),
                _load_array(data_file(folder, _ACTIVE, generation), "<u4", int(meta["active_counts"])),
            )
            _check_places(stems, files.table, len(files.activity), len(files.active))
        except FileNotFoundError as error:
            problem = error
            continue
        except CatalogError:
            if _read_meta(folder)["generation"] == generation:
                raise
            continue
        if _read_meta(folder)["generation"] == generation:
            return files
    raise CatalogError(
        f"The catalog {folder} is incomplete: {problem or 'it keeps changing'}. "
        f"Run mixlab index {folder} again.",
        code="catalog-incomplete",
    )


def _npy_bytes(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _problems_bytes(problems: Sequence[Problem]) -> bytes:
    rows = ([guarded(getattr(problem, name)) for name in PROBLEM_FIELDS] for problem in problems)
    return csv_text([PROBLEM_FIELDS, *rows]).encode("utf-8", errors="replace")


def _root_entry(folder: Path, root: Place) -> dict[str, str]:
    entry = {"path": str(root)}
    if isinstance(root, Path) and root.is_relative_to(folder.parent):
        entry["relative"] = Path(os.path.relpath(root, folder)).as_posix()
    return entry


def write_catalog(
    folder: Path,
    columns: Mapping[str, Sequence[Any]],
    envelopes: Sequence[NDArray[np.float16]],
    problems: Sequence[Problem],
    *,
    roots: Mapping[str, Place],
    split: tuple[str, int],
    measure_version: int,
    activity_db: float = ACTIVITY_DB,
    base_hash: str = "",
    follow_links: bool = False,
    subset_of: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Write a catalog folder; a reader sees the old catalog or the new one, never a mixture.

    The data files are written beside the old ones under names that carry the new generation, then
    ``catalog.json`` is replaced, which is the commit, then the data files get their plain names.
    After a crash before that last step, readers find the data files under either name, and the next
    writer takes the step.

    Args:
        folder: The catalog folder, absolute; made if missing.
        columns: Every column of ``SCHEMA`` but hop_offset, n_hops and active_offset.
        envelopes: One envelope per row.
        problems: What ``problems.csv`` lists.
        roots: Absolute folder or URL of each corpus.
        split: Method and seed behind the column ``split``.
        measure_version: Version of the measuring behind the numbers.
        activity_db: Threshold of activity in dBFS.
        base_hash: Hash of rows and activity, where they are those of a catalog that was read: the table
            rounds some numbers, so it would come out otherwise from what was read. By default computed.
        follow_links: Whether files may be read through links that leave their root.
        subset_of: Of a subset, the catalogs that it was made of, the first first; each has its ``path``.

    Returns:
        The content hash.
    """
    make_folder(folder)
    finish_commit(folder)
    rows, activity, active = _lay_out(columns, envelopes, activity_db)
    data = {
        _STEMS: _parquet_bytes(rows),
        _ACTIVITY: _npy_bytes(activity),
        _ACTIVE: _npy_bytes(active),
        PROBLEMS: _problems_bytes(problems),
    }
    base = base_hash or _hash_base(rows, activity)
    meta = {
        "schema": SCHEMA_VERSION,
        "content_hash": hash_content(base, rows["split"]),
        "roots": {name: _root_entry(folder, root) for name, root in roots.items()},
        "follow_links": follow_links,
        "split": {"method": split[0], "seed": split[1]},
        "activity_db": activity_db,
        "measure_version": measure_version,
        "hops": len(activity),
        "active_counts": len(active),
        "base_hash": base,
        "generation": name_generation(data),
    }
    if subset_of:
        meta["subset_of"] = [{**one, **_root_entry(folder, as_place(one["path"]))} for one in subset_of]
    for name, content in data.items():
        write_atomic(folder / f"{name}.{meta['generation']}", content)
    write_atomic(folder / META, (json.dumps(meta, indent=2) + "\n").encode())
    finish_commit(folder)
    return str(meta["content_hash"])


def _lay_out(
    columns: Mapping[str, Sequence[Any]], envelopes: Sequence[NDArray[np.float16]], activity_db: float
) -> tuple[dict[str, Sequence[Any] | NDArray[Any]], NDArray[np.float16], NDArray[np.uint32]]:
    """Return all columns, all envelopes end to end, and all running counts of active hops end to end."""
    activity = np.concatenate([np.zeros(0, "<f2"), *envelopes]).astype("<f2")
    n_hops = np.array([len(envelope) for envelope in envelopes], dtype=np.int64)
    counts = [np.concatenate([[0], np.cumsum(e >= activity_db)]).astype("<u4") for e in envelopes]
    active = np.concatenate([np.zeros(0, "<u4"), *counts]).astype("<u4")
    offsets = np.cumsum(n_hops) - n_hops
    rows: dict[str, Sequence[Any] | NDArray[Any]] = dict(columns)
    rows |= {"hop_offset": offsets, "n_hops": n_hops, "active_offset": offsets + np.arange(len(n_hops))}
    return rows, activity, active


def _parquet_bytes(rows: Mapping[str, Sequence[Any] | NDArray[Any]]) -> bytes:
    table = pa.table({f.name: pa.array(list(rows[f.name]), f.type) for f in SCHEMA}, schema=SCHEMA)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", row_group_size=1 << 20)
    return buffer.getvalue()


def name_generation(data: Mapping[str, bytes]) -> str:
    """Return 12 hex digits that change with the data files; ``catalog.json`` names them as its generation."""
    digest = hashlib.sha256()
    for name in DATA_FILES:
        digest.update(data[name])
    return digest.hexdigest()[:_GENERATION_DIGITS]


def is_unfinished(name: str) -> bool:
    """Tell whether a file is one that a writer leaves which ends before its commit."""
    return any(_unfinished(data).fullmatch(name) for data in (*DATA_FILES, META))


def _unfinished(name: str) -> re.Pattern[str]:
    """Return what matches nothing but names of our own making: a folder may hold copies that a user made."""
    generation = rf"\.[0-9a-f]{{{_GENERATION_DIGITS}}}"
    temporary = r"\.[0-9a-f-]+\.tmp"
    if name == META:
        return re.compile(rf"\.{re.escape(name)}{temporary}")
    return re.compile(rf"\.?{re.escape(name)}{generation}({temporary})?")


def finish_commit(folder: Path) -> None:
    """Give the committed data files their plain names and remove what an interrupted writer left."""
    try:
        generation = str(_read_meta(folder)["generation"])
    except CatalogError:
        generation = ""
    for name in DATA_FILES:
        ours = _unfinished(name)
        for leftover in sorted(path for path in folder.iterdir() if ours.fullmatch(path.name)):
            with told_as_output_error(leftover):
                if generation and leftover.name == f"{name}.{generation}":
                    leftover.replace(folder / name)
                else:
                    leftover.unlink()
