"""Run folders: everything one training leaves behind. Nothing else reads or writes these files.

======================  =================================================================================
``run.json``            schema, status, seeds, versions, git commit, catalog, label set, parameters
``config.yaml``         the resolved configuration; ``mixlab train --config`` takes it back
``metrics.csv``         one row per epoch
``checkpoints/``        ``last.ckpt``, from which training goes on; embeddings of ``train.cached_items``
``model.safetensors``   weights of the best epoch so far; of a baseline what it has fitted
``model.json``          their card: architecture, classes, input, where they come from, thresholds
``predictions.parquet`` per mix of validation and test: its name, scores, targets, mask, recipe; the
                        recipes are the fixed test set: each renders to its mix and its stored target again
``report.json``, ``.md``  the scores
``tensorboard/``        the same curves for TensorBoard
======================  =================================================================================

Files are written under a temporary name and renamed, so that a reader never sees half of one.
"""

import csv
import json
import math
import platform
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from numpy.typing import NDArray

from mixlab import __version__
from mixlab.errors import MissingDependencyError, RunError
from mixlab.evaluation.predictions import Predictions
from mixlab.evaluation.results import Report
from mixlab.evaluation.units import CLIPS, MIXES, TRACKS, Quantity, Units
from mixlab.training.run_entries import CARD_ENTRIES, CONFIG_ENTRIES, RUN_ENTRIES
from mixlab.utils.csv import csv_text
from mixlab.utils.decode import Source
from mixlab.utils.entries import Entries, Kind, find_fault, is_text
from mixlab.utils.files import (
    check_writable,
    discard_damaged,
    make_folder,
    remove_leftovers,
    write_atomic,
    write_together,
)
from mixlab.utils.locks import LOCK, hold_folder
from mixlab.utils.plain import plain
from mixlab.utils.yaml import load_json, load_yaml

if TYPE_CHECKING:
    from torch import Tensor


__all__ = ["Run", "provenance", "read_tensors"]

SCHEMA_VERSION = 2

_FIRST, _LAST = ("epoch", "step", "train_loss"), ("lr_head", "lr_backbone", "items_per_s", "seconds", "best")
"""Columns of ``metrics.csv`` on both sides of those of validation.

``seconds`` counts training and validation of the epoch, ``items_per_s`` only training.
"""

STATUSES = ("training", "interrupted", "trained", "evaluated")

_VERSIONED = ("torch", "torchaudio", "lightning", "numpy", "scikit-learn", "soundfile", "soxr", "pedalboard")


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    source = Path(__file__).resolve().parent.parent
    try:
        done = subprocess.run(
            ["git", "-C", str(source), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _git_commit() -> dict[str, Any] | None:
    """Return commit and cleanliness of mixlab's checkout; None for an installed package."""
    top = _git("rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != Path(__file__).resolve().parent.parent:
        return None
    commit = _git("rev-parse", "--verify", "HEAD")
    return None if commit is None else {"commit": commit, "dirty": bool(_git("status", "--porcelain"))}


def provenance() -> dict[str, Any]:
    """Return what software makes a run: versions of the packages that shape numbers, git commit."""
    versions = {"mixlab": __version__, "python": platform.python_version()}
    versions |= {name: found for name in _VERSIONED if (found := _installed(name))}
    return {"versions": versions, "git": _git_commit()}


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _json_bytes(data: object) -> bytes:
    return (json.dumps(plain(data), indent=2, allow_nan=False) + "\n").encode()


def _config_bytes(config: Mapping[str, Any]) -> bytes:
    return yaml.safe_dump(plain(config), sort_keys=False, allow_unicode=True).encode()


_UNITS = {"pretrain": TRACKS, "train-clips": CLIPS, "baseline-clips": CLIPS}


class Run:
    """One run folder.

    ``Run.create`` starts one, ``Run.open`` opens one that exists, also while it trains or after it was
    stopped; methods that need a file which is not there yet say which command makes it.

    Example:
        >>> from mixlab import Run
        >>> run = Run.open("runs/first")
        >>> len(run.metrics()), "validation_average_precision" in run.metrics()[-1]  # a row per epoch
        (1, True)
        >>> run.predictions().only("test").scores.shape     # (mixes, classes)
        (24, 15)
        >>> [found.path.name for found in Run.find("runs") if found.path == run.path]   # all runs of a folder
        ['first']

    Attributes:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        """Wrap a folder without looking at it; use ``create`` or ``open``."""
        self.path = path

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @classmethod
    def create(cls, path: str | Path, config: Mapping[str, Any], info: Mapping[str, Any]) -> "Run":
        """Start a run in a new or empty folder.

        Args:
            path: The folder.
            config: The resolved configuration, plain or dataclasses.
            info: Further entries of ``run.json``.

        Raises:
            RunError: the folder already holds something.
        """
        run = cls(Path(path))
        if (run.path / "run.json").is_file():
            raise RunError(
                f"{run.path} already holds a run. Choose another --out, go on with it by --resume=true, "
                "or remove the folder.",
                code="run-exists",
            )
        run.check_empty()
        make_folder(run.path)
        now = _now()
        head = {"schema": SCHEMA_VERSION, "status": "training", "created": now, "updated": now}
        entries = _json_bytes({**head, **provenance(), **info})
        # Together: of half a run nobody could tell whether it may be replaced.
        write_together({run.path / "run.json": entries, run.path / "config.yaml": _config_bytes(config)})
        make_folder(run.checkpoints)
        return run

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """Open a run.

        Raises:
            RunError: the folder is missing, is no run, is damaged, or was written by another schema.
        """
        run = cls(Path(path))
        if not run.path.is_dir():
            why = "it is a file" if run.path.exists() else "the folder does not exist"
            raise RunError(f"No run at {run.path}: {why}. 'mixlab train' makes runs.", code="run-not-found")
        if not (run.path / "run.json").is_file():
            raise RunError(
                f"{run.path} is no run: it has no run.json. 'mixlab train' makes runs.", code="run-not-found"
            )
        schema = run.info.get("schema")
        if schema != SCHEMA_VERSION:
            raise RunError(
                f"{run.path}/run.json has schema {schema!r}, this mixlab reads {SCHEMA_VERSION}. "
                "Use the mixlab release that wrote it.",
                code="run-version",
            )
        return run

    def check_empty(self) -> None:
        """See to it that nothing is there yet.

        Raises:
            RunError: the folder holds something, or is a file.
        """
        holds = self.path.exists() and (
            not self.path.is_dir() or any(path.name != LOCK for path in self.path.iterdir())
        )
        if holds:
            raise RunError(
                f"{self.path} is not an empty folder. Choose another --out, or remove it.",
                code="folder-not-empty",
            )

    @contextmanager
    def held(self, *, first: bool = True) -> Iterator[None]:
        """Keep other processes from writing to the run, and remove what killed ones have left in it.

        Args:
            first: Whether this is the first process of the training; the others write nothing.

        Raises:
            RunError: another process trains or scores it, or the folder is a file.
            OutputError: its folder cannot be written.
        """
        if not first:
            yield
            return
        if self.path.exists() and not self.path.is_dir():
            self.check_empty()
        with hold_folder(self.path, self._busy):
            for folder in (self.checkpoints, self.path / "external"):
                remove_leftovers(folder, locked=True)
            yield

    def _busy(self) -> RunError:
        return RunError(
            f"Another process trains or scores the run {self.path}. Wait for it, stop it, or choose another "
            "--out.",
            code="run-in-use",
        )

    def check_writable(self) -> None:
        """See to it, before the work, that its results can be written into the folder.

        Raises:
            OutputError: they cannot.
        """
        check_writable(self.path)

    @property
    def checkpoints(self) -> Path:
        """Folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def tensorboard(self) -> Path:
        """Folder of TensorBoard events."""
        return self.path / "tensorboard"

    @property
    def last_checkpoint(self) -> Path:
        """Where the checkpoint lies from which training goes on; it may not exist yet."""
        return self.checkpoints / "last.ckpt"

    @property
    def info(self) -> dict[str, Any]:
        """The content of ``run.json``; what it lacks is told when it is asked for.

        Raises:
            RunError: the file is missing or damaged.
        """
        data = self._read_json("run.json", "a run that 'mixlab train' started")
        known = RUN_ENTRIES if data.get("schema") == SCHEMA_VERSION else {}
        return self._entries("run.json", data, known)

    @property
    def config(self) -> dict[str, Any]:
        """The resolved configuration: ``catalog`` and ``out`` (absolute), ``mix``, ``train``.

        Raises:
            RunError: the file is missing or damaged.
        """
        try:
            data = load_yaml((self.path / "config.yaml").read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise RunError(
                f"{self.path}/config.yaml cannot be read: {error}. The run is damaged.", code="run-damaged"
            ) from error
        if not isinstance(data, dict) or not all(map(is_text, data)):
            raise RunError(
                f"{self.path}/config.yaml holds no settings. The run is damaged.", code="run-damaged"
            )
        return self._entries("config.yaml", data, CONFIG_ENTRIES)

    @property
    def own_metrics(self) -> tuple[str, ...]:
        """Names of the metrics of one's own that its settings ask for."""
        parts = [part for part in self.config.values() if isinstance(part, Mapping)]
        return tuple(str(name) for part in parts for name in part.get("metrics", ()))

    @property
    def single_label(self) -> bool:
        """Whether exactly one class is right for each of its items, and the highest score decides."""
        return bool(self.info.get("single_label", False))

    @property
    def quantity(self) -> Quantity | None:
        """What number was predicted of each of its items, where it is a regression.

        Raises:
            RunError: what ``run.json`` says of it is damaged.
        """
        stored = self.info.get("quantity")
        made_by = "mixlab baseline-clips"
        return None if stored is None else Source(f"{self.path}/run.json", made_by).decode(Quantity, stored)

    @property
    def units(self) -> Units:
        """What its items are, and what groups of them are sampled for intervals."""
        return _UNITS.get(str(self.info.get("command", "train")), MIXES)

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write the resolved configuration, plain or dataclasses."""
        write_atomic(self.path / "config.yaml", _config_bytes(config))

    def update(self, **entries: Any) -> None:  # noqa: ANN401 - entries of a JSON file
        """Add or replace entries of ``run.json``.

        Raises:
            RunError: the status is none of ``STATUSES``.
        """
        status = entries.get("status", "training")
        if status not in STATUSES:
            raise RunError(
                f"A run's status is one of {', '.join(STATUSES)}, got {status!r}.", code="invalid-setting"
            )
        write_atomic(self.path / "run.json", _json_bytes({**self.info, **entries, "updated": _now()}))

    def _read_json(self, name: str, made_by: str) -> dict[str, Any]:
        file = self.path / name
        try:
            data = load_json(file.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise RunError(f"{file} is missing: expected {made_by}.", code="run-incomplete") from error
        except (OSError, ValueError) as error:
            raise RunError(f"{file} is damaged: {error}. {_RESTORE}", code="run-damaged") from error
        if not isinstance(data, dict):
            raise RunError(f"{file} is damaged: expected a JSON object. {_RESTORE}", code="run-damaged")
        return data

    def _entries(self, name: str, data: Mapping[str, Any], kinds: Mapping[str, Kind]) -> Entries:
        """Return what a file of this run holds, once what is known of it is of its kind."""
        file = self.path / name
        if fault := find_fault(data, kinds):
            raise RunError(f"{file} is damaged: expected {fault}. {_RESTORE}", code="run-damaged")

        def lacks(entry: str) -> RunError:
            return RunError(
                f"{file} has no {entry!r}, which is needed here: it is damaged, or another version of mixlab "
                f"wrote it. {_RESTORE}",
                code="run-incomplete",
            )

        return Entries(data, lacks)

    def write_metrics(self, row: Mapping[str, Any]) -> None:
        """Add the row of an epoch; rows of this and later epochs from before a resume are replaced.

        Args:
            row: Numbers by column, ``epoch`` among them; what is missing stays empty.
        """
        kept = [old for old in self.metrics() if old["epoch"] < row["epoch"]]
        rows = [*kept, row]
        scored = dict.fromkeys(k for values in rows for k in values if k not in (*_FIRST, *_LAST))
        columns = (*_FIRST, *scored, *_LAST)
        cells = ([_cell(values.get(name)) for name in columns] for values in rows)
        write_atomic(self.path / "metrics.csv", csv_text([columns, *cells]))

    def metrics(self) -> list[dict[str, float]]:
        """Return the rows of ``metrics.csv`` as numbers, NaN where a cell is empty; [] before the first.

        Raises:
            RunError: the file is damaged.
        """
        file = self.path / "metrics.csv"
        if not file.is_file():
            return []
        try:
            with file.open(newline="", encoding="utf-8") as handle:
                rows = [dict(row) for row in csv.DictReader(handle)]
            found = [{k: float(v) if v else math.nan for k, v in row.items()} for row in rows]
            _check_rows(found)
        except (OSError, ValueError, TypeError, csv.Error) as error:
            raise RunError(f"{file} is damaged: {error}. {_RESTORE}", code="run-damaged") from error
        return found

    def write_model(self, state: Mapping[str, "Tensor"], card: Mapping[str, Any]) -> None:
        """Write weights and their card; the card carries the weights' checksum.

        Args:
            state: State dict.
            card: Everything needed to build the model and to name its outputs.
        """
        data = _safetensors().save({k: v.detach().cpu().contiguous().clone() for k, v in state.items()})
        told = _json_bytes({**card, "sha256": sha256(data).hexdigest()})
        write_together({self.path / "model.safetensors": data, self.path / "model.json": told})

    @property
    def has_model(self) -> bool:
        """Whether there are weights, those of the best epoch so far."""
        return (self.path / "model.safetensors").is_file() and (self.path / "model.json").is_file()

    def update_card(self, **entries: Any) -> None:  # noqa: ANN401 - entries of a JSON file
        """Add or replace entries of the model's card.

        Raises:
            RunError: there is no card yet.
        """
        write_atomic(self.path / "model.json", _json_bytes({**self.card, **entries}))

    @property
    def card(self) -> dict[str, Any]:
        """The content of ``model.json``.

        Raises:
            RunError: there is none, or it is damaged.
        """
        data = self._read_json("model.json", f"a finished epoch; {self._resume_hint()}")
        return self._entries("model.json", data, CARD_ENTRIES)

    @property
    def resume_command(self) -> str:
        """What to type for the training to go on."""
        return f"mixlab {self.info.get('command', 'train')} --config {self.path}/config.yaml --resume=true"

    def _resume_hint(self) -> str:
        return f"go on with '{self.resume_command}'"

    def read_model(self) -> tuple[dict[str, "Tensor"], dict[str, Any]]:
        """Return the weights of the best epoch and their card.

        Raises:
            RunError: there are none yet, or the file differs from the one that was written.
        """
        card, file = self.card, self.path / "model.safetensors"
        if not file.is_file():
            raise RunError(
                f"{file} is missing: no epoch was finished; {self._resume_hint()}.", code="run-incomplete"
            )
        data = file.read_bytes()
        if sha256(data).hexdigest() != card.get("sha256"):
            raise RunError(
                f"{file} is damaged: its checksum differs from that in model.json.", code="run-damaged"
            )
        try:
            return dict(_safetensors().load(data)), card
        except Exception as error:  # whatever stands in a file that has the right checksum
            raise RunError(
                f"{file} holds no weights ({type(error).__name__}: {error}). {_RESTORE}", code="run-damaged"
            ) from error

    def write_embeddings(self, items: Mapping[str, "Tensor"]) -> None:
        """Write the embeddings of the mixes that a frozen backbone is trained behind."""
        data = _safetensors().save({k: v.contiguous() for k, v in items.items()})
        write_atomic(self.checkpoints / "embeddings.safetensors", data)

    def read_embeddings(self) -> dict[str, "Tensor"] | None:
        """Return what ``write_embeddings`` wrote; None when nothing was written.

        A damaged file is removed, with a warning: embeddings can be made anew.
        """
        file = self.checkpoints / "embeddings.safetensors"
        items = read_tensors(file)
        if items is not None and not _are_embeddings(items):
            discard_damaged(file, ValueError("it does not hold the embeddings of mixes"))
            return None
        return items

    def write_predictions(self, predictions: Predictions) -> None:
        """Write ``predictions.parquet``."""
        width = len(predictions.labels)

        def cells(values: NDArray[Any], kind: pa.DataType) -> pa.Array:
            return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1), kind), width)

        table = pa.table(
            {
                "split": pa.array(predictions.split, pa.string()),
                "index": pa.array(predictions.index, pa.int64()),
                "group": pa.array(predictions.group, pa.string()),
                "scores": cells(predictions.scores, pa.float32()),
                "targets": cells(predictions.targets, pa.float32()),
                "mask": cells(predictions.mask, pa.bool_()),
                "mix_id": pa.array(predictions.mix_id, pa.string()),
                "attempt": pa.array(predictions.attempt, pa.int64()),
                "recipe": pa.array(predictions.recipes, pa.string()),
            }
        ).replace_schema_metadata({"mixlab.labels": json.dumps(predictions.labels)})
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        write_atomic(self.path / "predictions.parquet", sink.getvalue().to_pybytes())

    def predictions(self) -> Predictions:
        """Return the stored predictions of validation and test.

        Raises:
            RunError: the run was not evaluated yet, or the file is damaged.
        """
        file = self.path / "predictions.parquet"
        if not file.is_file():
            raise RunError(
                f"{file} is missing; make it with 'mixlab evaluate {self.path}'.",
                code="predictions-not-found",
            )
        try:
            table = pq.read_table(file)
            if "mix_id" not in table.column_names:
                raise RunError(
                    f"{file} has no column 'mix_id': another version of mixlab wrote it. Make it again with "
                    f"'mixlab evaluate {self.path}'.",
                    code="run-damaged",
                )
            labels = tuple(load_json(table.schema.metadata[b"mixlab.labels"].decode()))
            _check_columns(table, labels)

            def cells(name: str) -> NDArray[Any]:
                values = table.column(name).combine_chunks().flatten().to_numpy(zero_copy_only=False)
                return np.asarray(values).reshape(len(table), len(labels))

            return Predictions(
                labels=labels,
                split=table.column("split").to_numpy(),
                index=table.column("index").to_numpy(),
                group=table.column("group").to_numpy(),
                scores=cells("scores"),
                targets=cells("targets"),
                mask=cells("mask"),
                mix_id=table.column("mix_id").to_numpy(),
                attempt=table.column("attempt").to_numpy(),
                recipes=table.column("recipe").to_numpy(),
                single_label=self.single_label,
                units=self.units,
                quantity=self.quantity,
            )
        except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
            raise RunError(
                f"{file} is damaged: {error}. Make it again with 'mixlab evaluate {self.path}'.",
                code="run-damaged",
            ) from error

    def write_report(self, report: Report, markdown: str) -> None:
        """Write ``report.json`` and ``report.md``."""
        write_atomic(self.path / "report.json", _json_bytes(report.to_dict()))
        write_atomic(self.path / "report.md", markdown.encode())

    def report(self) -> Report:
        """Return the content of ``report.json``.

        Raises:
            RunError: the run was not evaluated yet, or the file is damaged.
        """
        return Report.load(self.path / "report.json")

    @classmethod
    def find(cls, folder: str | Path) -> list["Run"]:
        """Return all runs below a folder, oldest first; folders that do not open are left out."""
        runs: list[Run] = []
        for file in _run_files(Path(folder)):
            try:
                runs.append(cls.open(file.parent))
            except RunError:
                continue
        return sorted(runs, key=lambda run: (str(run.info.get("created")), str(run.path)))


def _are_embeddings(items: Mapping[str, "Tensor"]) -> bool:
    """Tell whether tensors are embeddings, targets and mask, a row for each mix."""
    if set(items) != {"embedding", "target", "mask"} or any(x.ndim != 2 for x in items.values()):
        return False
    same_rows = len({len(x) for x in items.values()}) == 1
    return same_rows and items["target"].shape == items["mask"].shape


_RESTORE = "Restore it from a copy, or train anew into another folder."


def _check_rows(rows: Sequence[Mapping[str, float]]) -> None:
    """See to it that rows of ``metrics.csv`` have what every epoch has.

    Raises:
        ValueError: they have not.
    """
    for row in rows:
        missing = [name for name in (*_FIRST, *_LAST) if name not in row]
        if missing:
            raise ValueError(f"it has no column {missing[0]!r}")
        if not 1 <= row["epoch"] < 1 << 32 or row["epoch"] % 1:
            raise ValueError(f"there is no epoch {row['epoch']:g}")


def _check_columns(table: pa.Table, labels: tuple[object, ...]) -> None:
    """See to it that ``predictions.parquet`` is as ``write_predictions`` writes it.

    Raises:
        ValueError: a column is missing, of another type, or has gaps.
    """
    if not all(map(is_text, labels)) or len(set(labels)) != len(labels):
        raise ValueError("its classes are no names, or have one twice")
    texts = {name: pa.string() for name in ("split", "group", "mix_id", "recipe")}
    numbers = {name: pa.int64() for name in ("index", "attempt")}
    cells = {"scores": pa.float32(), "targets": pa.float32(), "mask": pa.bool_()}
    lists = {name: pa.list_(kind, len(labels)) for name, kind in cells.items()}
    for name, kind in (texts | numbers | lists).items():
        column = table.column(name)
        found = column.type
        is_row = pa.types.is_fixed_size_list(found) and found.list_size == len(labels)
        if found != kind and not (is_row and name in cells and found.value_type == cells[name]):
            raise ValueError(f"expected {kind} in {name!r}, found {found}")
        missing = column.null_count or (column.combine_chunks().flatten().null_count if is_row else 0)
        if missing:
            raise ValueError(f"{missing} values of {name!r} are missing")


def _run_files(folder: Path) -> Iterable[Path]:
    return folder.rglob("run.json") if folder.is_dir() else ()


def _cell(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.10g}"


def read_tensors(file: Path) -> "dict[str, Tensor] | None":
    """Return the tensors of a file that can be made anew; None where there is none, or a damaged one.

    A damaged file is removed, with a warning.

    Raises:
        MissingDependencyError: safetensors is not installed.
        OSError: the file is there and cannot be read.
    """
    if not file.is_file():
        return None
    load, data = _safetensors().load, file.read_bytes()
    try:
        return dict(load(data))
    except MemoryError:  # says nothing of the file
        raise
    except Exception as error:
        discard_damaged(file, error)
        return None


def _safetensors() -> Any:  # noqa: ANN401 - a module
    try:
        import safetensors.torch
    except ImportError as error:
        raise MissingDependencyError("Storing weights needs safetensors: install mixlab[train].") from error
    return safetensors.torch
