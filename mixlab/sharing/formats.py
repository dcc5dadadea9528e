"""The three forms of a shard: a tar file for webdataset, a Parquet file for Hugging Face, a folder of files.

Each is written from items in their order and holds nothing of the time, the machine or the user, so that the
same items give the same bytes.
"""

import io
import json
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mixlab.sharing.encoding import AudioFormat, ExportedItem
from mixlab.utils.files import make_folder, open_atomic, write_atomic

__all__ = ["ITEMS_FILE", "ExportFormat", "features", "open_shard", "shard_name"]

ExportFormat = Literal["webdataset", "huggingface", "folder"]

ITEMS_FILE = "items.jsonl"
"""In each folder of the format ``folder``: what is known of its items, a line each."""

_SUFFIXES: dict[ExportFormat, str] = {"webdataset": ".tar", "huggingface": ".parquet", "folder": ""}
_ROWS_AT_ONCE = 50

Add = Callable[[ExportedItem], None]


def shard_name(form: ExportFormat, split: str, number: int) -> str:
    """Return the name of a shard's file or folder within ``data``."""
    return f"{split}-{number:06d}{_SUFFIXES[form]}"


def open_shard(
    form: ExportFormat, path: Path, audio: AudioFormat, classes: Sequence[str], rate: int
) -> AbstractContextManager[Add]:
    """Open a shard; what is handed to the function that comes with it is in it when the block ends.

    Args:
        form: Which of the three forms.
        path: The file or folder, which is there when the block ends, and not when it fails; of a folder, its
            list of items is.
        audio: Format of the audio files.
        classes: Names of the classes.
        rate: Sample rate in Hz.
    """
    if form == "webdataset":
        return _open_tar(path, audio)
    if form == "huggingface":
        return _open_parquet(path, audio, classes, rate)
    return _open_folder(path, audio)


# --- webdataset ------------------------------------------------------------------------------------------


@contextmanager
def _open_tar(path: Path, audio: AudioFormat) -> Iterator[Add]:
    with open_atomic(path) as file, tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        yield partial(_add_to_tar, tar, audio)


def _add_to_tar(tar: tarfile.TarFile, audio: AudioFormat, item: ExportedItem) -> None:
    members = {
        audio: item.audio,
        "json": _json(item.about).encode(),
        "target.npy": _npy(item.target),
        "mask.npy": _npy(item.mask),
        **{f"source_{n:02d}.{audio}": source for n, source in enumerate(item.sources)},
    }
    for name, data in members.items():
        info = tarfile.TarInfo(f"{item.key}.{name}")  # its time and its owner are 0
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _json(data: object) -> str:
    return json.dumps(data, allow_nan=False, separators=(",", ":"))


# --- Hugging Face ----------------------------------------------------------------------------------------


def features(classes: Sequence[str], rate: int) -> dict[str, Any]:
    """Return the columns of the Parquet files as the package ``datasets`` describes them."""
    audio = {"sampling_rate": rate, "_type": "Audio"}
    label = {"names": list(classes), "_type": "ClassLabel"}
    texts = ("kind", "corpus", "mix_id", "source_stems", "about")

    def value(dtype: str) -> dict[str, Any]:
        return {"dtype": dtype, "_type": "Value"}

    def many(of: dict[str, Any]) -> dict[str, Any]:
        return {"feature": of, "_type": "List"}

    kind, corpus, mix_id, stems, about = (
        value("string") if name != "source_stems" else many(value("string")) for name in texts
    )
    return {
        "audio": audio,
        "labels": many(label),
        "unknown": many(label),
        "target": many(value("float32")),
        "mask": many(value("bool")),
        "item": value("int64"),
        "epoch": value("int64"),
        "index": value("int64"),
        "kind": kind,
        "corpus": corpus,
        "mix_id": mix_id,
        "sources": many(audio),
        "source_stems": stems,
        "about": about,
    }


def _arrow_type(feature: dict[str, Any]) -> pa.DataType:
    if feature["_type"] == "Audio":
        return pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    if feature["_type"] == "List":
        return pa.list_(_arrow_type(feature["feature"]))
    if feature["_type"] == "ClassLabel":
        return pa.int64()
    return {"string": pa.string(), "int64": pa.int64(), "float32": pa.float32(), "bool": pa.bool_()}[
        feature["dtype"]
    ]


@contextmanager
def _open_parquet(path: Path, audio: AudioFormat, classes: Sequence[str], rate: int) -> Iterator[Add]:
    columns = features(classes, rate)
    known = json.dumps({"info": {"features": columns}})
    schema = pa.schema(
        [(name, _arrow_type(feature)) for name, feature in columns.items()], metadata={"huggingface": known}
    )
    rows: list[dict[str, Any]] = []
    with open_atomic(path) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:

        def flush() -> None:
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            rows.clear()

        def add(item: ExportedItem) -> None:
            rows.append(_row(item, audio))
            if len(rows) == _ROWS_AT_ONCE:
                flush()

        yield add
        if rows:
            flush()


def _row(item: ExportedItem, audio: AudioFormat) -> dict[str, Any]:
    known = ("item", "epoch", "index", "kind", "corpus", "mix_id")
    return {
        "audio": {"bytes": item.audio, "path": f"{item.key}.{audio}"},
        "labels": np.flatnonzero((item.target > 0) & item.mask).tolist(),
        "unknown": np.flatnonzero(~item.mask).tolist(),
        "target": item.target.tolist(),
        "mask": item.mask.tolist(),
        **{name: item.about[name] for name in known},
        "sources": [
            {"bytes": source, "path": f"{item.key}.source_{n:02d}.{audio}"}
            for n, source in enumerate(item.sources)
        ],
        "source_stems": [source["stem"] for source in item.about["sources"]],
        "about": _json(item.about),
    }


# --- A folder of files -----------------------------------------------------------------------------------


@contextmanager
def _open_folder(path: Path, audio: AudioFormat) -> Iterator[Add]:
    make_folder(path)
    lines: list[str] = []
    names = {ITEMS_FILE}
    (path / ITEMS_FILE).unlink(missing_ok=True)

    def add(item: ExportedItem) -> None:
        files = {f"{item.key}.{audio}": item.audio}
        files |= {f"{item.key}.source_{n:02d}.{audio}": source for n, source in enumerate(item.sources)}
        for name, data in files.items():
            write_atomic(path / name, data, sync=False)
        names.update(files)
        own = {"files": list(files), "target": item.target.tolist(), "mask": item.mask.tolist()}
        lines.append(_json({**own, **item.about}))

    yield add
    for stale in path.iterdir():
        if stale.name not in names:
            stale.unlink()  # of a run that was stopped here
    write_atomic(path / ITEMS_FILE, "".join(f"{line}\n" for line in lines))
