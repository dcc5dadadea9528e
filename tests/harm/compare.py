"""What a job has made, in a form in which equal results are equal: hashes of files, without times."""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Contents = dict[str, str]
Made = Callable[[Path], Contents]

TIMES = frozenset(
    ("created", "updated", "seconds", "epoch_s", "epoch_age_s", "items_per_s", "measured_items_per_s")
)
"""Fields of JSON files and columns of CSV files that say when something was done, or how fast."""

_LOGS = "logs"


def of_files(folder: Path) -> Contents:
    """Return a hash of every file by its name, but of temporary files and locks."""
    return {name: _hash(path.read_bytes()) for name, path in _files(folder)}


def of_runs(folder: Path) -> Contents:
    """Return a hash of every file of a run, or of a sweep, without times; of checkpoints the tensors."""
    return {name: _hash(_timeless(path)) for name, path in _files(folder) if name.split("/")[0] != _LOGS}


def differences(made: Mapping[str, str], expected: Mapping[str, str]) -> list[str]:
    """Return what differs, a line each."""
    lines = [f"missing: {name}" for name in sorted(expected.keys() - made.keys())]
    lines += [f"too much: {name}" for name in sorted(made.keys() - expected.keys())]
    both = sorted(made.keys() & expected.keys())
    return lines + [f"different: {name}" for name in both if made[name] != expected[name]]


def leftovers(folder: Path) -> list[Path]:
    """Return the temporary files in a folder."""
    return [path for path in folder.rglob("*") if path.is_file() and _is_temporary(path)]


def of_batches(notes: Path) -> Contents:
    """Return the batches that were trained on, as the forked trainings noted them down."""
    file = notes / "batches.txt"
    if not file.is_file():
        return {}
    lines = sorted(set(file.read_text(encoding="utf-8").splitlines()))
    return {f"batch {line}": "" for line in lines}


def _files(folder: Path) -> list[tuple[str, Path]]:
    found = [path for path in folder.rglob("*") if path.is_file() and not _is_temporary(path)]
    named = [(path.relative_to(folder).as_posix(), path) for path in sorted(found)]
    return [(name, path) for name, path in named if not path.name.endswith("lock")]


def _is_temporary(path: Path) -> bool:
    return path.name.startswith(".") and path.suffix == ".tmp"


def _hash(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _timeless(path: Path) -> bytes:
    if path.suffix == ".json":
        return json.dumps(_without_times(json.loads(path.read_bytes())), sort_keys=True).encode()
    if path.suffix == ".csv":
        rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))
        return json.dumps([_without_times(row) for row in rows]).encode()
    if path.suffix == ".ckpt":
        return _of_checkpoint(path)
    return path.read_bytes()


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_times(inner) for name, inner in value.items() if name not in TIMES}
    return [_without_times(inner) for inner in value] if isinstance(value, list) else value


def _of_checkpoint(path: Path) -> bytes:
    """Return what a training goes on from: weights, optimizer, schedule, where it stands in the stream.

    Which of Lightning's callbacks has written the file is left out: one of them goes by the clock.
    """
    import torch

    stored = torch.load(path, weights_only=True, map_location="cpu")
    own = {name: state for name, state in stored["callbacks"].items() if "Checkpoint" not in name}
    hashed = hashlib.blake2b(digest_size=16)
    _feed(hashed.update, {**stored, "callbacks": own})
    return hashed.digest()


def _feed(update: Callable[[bytes], None], value: Any) -> None:
    import torch

    if isinstance(value, Mapping):
        for name in sorted(value, key=str):
            update(str(name).encode())
            _feed(update, value[name])
    elif isinstance(value, list | tuple):
        for inner in value:
            _feed(update, inner)
    elif isinstance(value, torch.Tensor):
        update(value.detach().contiguous().numpy().tobytes())
    else:
        update(repr(value).encode())
