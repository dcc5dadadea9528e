"""The journal of an unfinished build: what was measured is kept, however the build ends."""

import base64
import json
import os
import time
import zlib
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from mixlab.audio.loudness import MEASURE_VERSION, Measurement
from mixlab.errors import CatalogError, OutputError
from mixlab.utils.files import make_folder, output_error, told_as_output_error, try_lock

__all__ = ["JOURNAL", "FileKey", "Journal"]

JOURNAL = "measured.journal"
_SYNC_S = 2.0

FileKey = tuple[str, str, int, int]
"""Corpus, path below its root, size, time of change: a file that need not be measured again."""


class Journal:
    """Measurements of an unfinished build, one checked line each, appended as they come.

    A line that was cut off by a kill, or damaged, fails its checksum and is dropped.
    """

    def __init__(self, folder: Path) -> None:
        self.path = make_folder(folder) / JOURNAL
        self._finished = False
        self._file = self._open_locked(folder)
        # Read under the lock only: another run may have been writing until a moment ago.
        self.found, good = self._read()
        with told_as_output_error(self.path):
            self._file.truncate(good)
        self._synced = time.monotonic()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.sync()
        except OutputError:
            # What a full disk has cut off is dropped when it is read; closing would fail once more.
            with suppress(OSError):
                self._file.close()
            if error is None:
                raise
            return
        if self._finished:
            # Under the lock, or a run that has just opened the file would lose it. Windows allows it only
            # once the file is closed.
            with suppress(PermissionError):
                self.path.unlink(missing_ok=True)
        self._file.close()
        if self._finished and os.name == "nt":
            self.path.unlink(missing_ok=True)

    def _open_locked(self, folder: Path) -> BinaryIO:
        while True:
            try:
                file = self.path.open("ab")
            except OSError as error:
                raise output_error(self.path, error) from error
            if not try_lock(file):
                file.close()
                raise CatalogError(
                    f"Another run is writing the catalog {folder}. Wait for it, or stop it.",
                    code="catalog-in-use",
                )
            # A run that finished between opening and locking has removed the file that was opened.
            if self.path.exists() and os.path.samestat(os.fstat(file.fileno()), self.path.stat()):
                return file
            file.close()

    def _read(self) -> tuple[dict[FileKey, Measurement], int]:
        """Return the measurements, and where the last complete line ends."""
        data = self.path.read_bytes() if self.path.exists() else b""
        good = data.rfind(b"\n") + 1
        found = {}
        for line in data[:good].splitlines():
            checksum, _, text = line.partition(b" ")
            if checksum == b"%08x" % zlib.crc32(text):
                with suppress(ValueError, LookupError, TypeError, AttributeError, RecursionError):
                    # Whole, and none of ours all the same: measured again.
                    record = json.loads(text)
                    if record.pop("version") == MEASURE_VERSION:
                        key = tuple(record.pop("file"))
                        found[key] = _decode(record)
        return found, good

    def add(self, key: FileKey, measurement: Measurement) -> None:
        """Append one measurement; it is on the disk within two seconds.

        Raises:
            OutputError: it cannot be written; those before it are kept.
        """
        record = {"version": MEASURE_VERSION, "file": key, **_encode(measurement)}
        text = json.dumps(record).encode()
        with told_as_output_error(self.path):
            self._file.write(b"%08x %s\n" % (zlib.crc32(text), text))
            self._file.flush()
        if time.monotonic() - self._synced > _SYNC_S:
            self.sync()

    def sync(self) -> None:
        """Make sure that everything is on the disk."""
        with told_as_output_error(self.path):
            self._file.flush()
            os.fsync(self._file.fileno())
        self._synced = time.monotonic()

    def finish(self) -> None:
        """Say that the catalog has been written: the journal is deleted when it is closed."""
        self._finished = True


_RECORD: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("sample_rate", "frames", "channels", "time_reference"), int),
    **dict.fromkeys(("loudness_lufs", "peak_db"), (int, float)),
    "audio_hash": str,
}


def _encode(measurement: Measurement) -> dict[str, Any]:
    record = asdict(measurement)
    record["envelope"] = base64.b64encode(measurement.envelope.astype("<f2").tobytes()).decode()
    return record


def _decode(record: dict[str, Any]) -> Measurement:
    envelope = np.frombuffer(base64.b64decode(record.pop("envelope")), dtype="<f2")
    problems = tuple((kind, message) for kind, message in record.pop("problems"))
    for name, kind in _RECORD.items():
        if not isinstance(record[name], kind) or isinstance(record[name], bool):
            raise TypeError(f"{name} is another kind of value")
    if not all(isinstance(text, str) for pair in problems for text in pair):
        raise TypeError("a problem is no text")
    return Measurement(envelope=envelope, problems=problems, **record)
