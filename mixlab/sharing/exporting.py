"""Write items as shards of a dataset: in parallel, resumable, with checksums and a dataset card.

A shard is a pure function of its items, so that any number of processes, and any number of attempts, give the
same bytes. It is written under a temporary name, renamed, and then entered in a record of its own
(``.export/NAME.json``): a shard with a record is whole, and one without is written again. When all are there,
``export.json`` lists them with their SHA-256, and ``README.md`` says what they hold.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mixlab import __version__
from mixlab.errors import AudioError, ConfigError, MixlabError
from mixlab.sharing.card import CardFacts, csv_labels, write_card
from mixlab.sharing.encoding import AudioFormat, encode_item
from mixlab.sharing.formats import ITEMS_FILE, ExportFormat, open_shard, shard_name
from mixlab.sharing.item_sources import ItemSource
from mixlab.utils.entries import NUMBER, TEXT, WHOLE, Kind, find_fault, is_path, is_text, is_whole, list_of
from mixlab.utils.files import check_writable, make_folder, remove_leftovers, write_atomic
from mixlab.utils.hashing import file_digest, ordered_digest
from mixlab.utils.locks import hold_folder
from mixlab.utils.parallel import Engine, map_items
from mixlab.utils.yaml import load_json

__all__ = ["ExportReport", "ExportSettings", "export_items", "items_per_shard", "verify_export"]

INDEX = "export.json"
DATA = "data"
_STATE = ".export"
_BEGUN = "begun.json"


@dataclass(frozen=True)
class ExportSettings:
    """How items are written.

    Attributes:
        form: ``webdataset``, ``huggingface`` or ``folder``.
        audio: ``flac`` or ``wav``.
        sources: Whether the sources are written, too.
        shard_items: Items per shard; the last one may have fewer.
    """

    form: ExportFormat
    audio: AudioFormat = "flac"
    sources: bool = False
    shard_items: int = 1000


@dataclass(frozen=True)
class ExportReport:
    """What came of an export.

    Attributes:
        items: How many items were asked for.
        written: How many are in the shards.
        shards: How many shards there are.
        kept: How many of these were there already.
        size: Bytes of all.
        scaled: How many items lay beyond full scale and were scaled down.
        left_out: What could not be rendered: number of the item, and why.
    """

    items: int
    written: int
    shards: int
    kept: int
    size: int
    scaled: int
    left_out: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class _Task:
    """A shard to write: the items ``first`` to ``last - 1``."""

    source: ItemSource
    settings: ExportSettings
    out: Path
    identity: str
    split: str
    number: int
    first: int
    last: int

    @property
    def name(self) -> str:
        return shard_name(self.settings.form, self.split, self.number)

    @property
    def record(self) -> Path:
        return self.out / _STATE / f"{self.split}-{self.number:06d}.json"

    @property
    def key(self) -> dict[str, Any]:
        return {"export": self.identity, "shard": f"{DATA}/{self.name}", "items": [self.first, self.last]}


def items_per_shard(source: ItemSource, settings: ExportSettings, megabytes: float) -> int:
    """Return how many items have, before any compression, at most so many megabytes of audio; at least 1.

    It depends on the settings alone, so that the shards are the same ones for the same settings.
    """
    render = source.settings
    signals = 1 + (source.most_sources if settings.sources else 0)
    return max(1, int(megabytes * 1e6 // (2 * render.channels * render.samples * signals)))


def export_items(
    source: ItemSource,
    out: Path,
    settings: ExportSettings,
    items: int,
    *,
    workers: int | None = None,
    engine: Engine = "local",
    progress: bool = True,
) -> ExportReport:
    """Write the first items of a source as a dataset; go on with one that was stopped.

    Items that need a file that cannot be read are left out and reported; a later call tries them again. All
    others are the same bytes for any number of workers, on any engine, and however often it was stopped.

    Args:
        source: Where the items come from.
        out: Folder of the dataset: new, empty, or of the same export, which may have had fewer items.
        settings: How the items are written.
        items: How many.
        workers: Processes; by default one per processor, or as many as the cluster has.
        engine: ``local``, or ``ray`` for a running ray cluster, whose machines must share ``out``.
        progress: Show a bar on a terminal.

    Raises:
        ConfigError: the folder holds something else, an export with other settings, or one of more items;
            or another process writes it.
        OutputError: it cannot be written.
        CatalogError: a corpus is not where the catalog says; or see ``render_mix``.
    """
    from tqdm import tqdm

    identity = {**source.about, **asdict(settings)}
    with _locked(out):
        _begin(out, identity, items)
        tasks = list(_tasks(source, out, settings, ordered_digest(identity), items))
        todo = [task for task in tasks if _read_record(task) is None]
        make_folder(out / DATA)
        for leftover in sorted((out / DATA).rglob(".*.tmp")):
            leftover.unlink(missing_ok=True)  # of a run that was stopped: nobody else writes here
        (out / INDEX).unlink(missing_ok=True)
        hidden = not (progress and sys.stderr.isatty())
        with tqdm(total=items, desc="exporting", unit="mix", disable=hidden) as bar:
            bar.update(items - sum(task.last - task.first for task in todo))
            needs = [out, *source.needs]
            for outcome in map_items(_write_shard, todo, engine=engine, workers=workers, needs=needs):
                fault = outcome.get()
                if fault is not None:
                    raise fault
                task = todo[outcome.index]
                bar.update(task.last - task.first)
        return _finish(source, out, settings, identity, tasks, kept=len(tasks) - len(todo))


def _tasks(
    source: ItemSource, out: Path, settings: ExportSettings, identity: str, items: int
) -> Iterator[_Task]:
    split = str(source.about["split"])
    for number, first in enumerate(range(0, items, settings.shard_items)):
        last = min(first + settings.shard_items, items)
        yield _Task(source.select(first, last), settings, out, identity, split, number, first, last)


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    if out.is_dir() and any(out.iterdir()) and not (out / _STATE).is_dir():
        raise ConfigError(
            f"Expected {out} to be new, empty or an export, found other files in it. Choose another folder.",
            code="folder-not-empty",
        )
    check_writable(out)
    with hold_folder(out / _STATE, lambda: _busy(out)):
        remove_leftovers(out, locked=True)
        yield


def _busy(out: Path) -> ConfigError:
    return ConfigError(
        f"Another process exports into {out}. Wait for it, or choose another folder.", code="export-in-use"
    )


def _begin(out: Path, identity: Mapping[str, Any], items: int) -> None:
    """Write down what is exported here, or check that it is the same that was begun."""
    path = out / _STATE / _BEGUN
    if path.is_file():
        begun = _read_json(path) or {}
        before, there = begun.get("identity"), begun.get("items")
        if not isinstance(before, dict) or not isinstance(there, int) or not is_whole(there):
            raise ConfigError(
                f"{path} is damaged: expected what was exported here. Choose another folder, or remove "
                f"{out}.",
                code="invalid-syntax",
            )
        differ = [name for name in {**before, **identity} if before.get(name) != identity.get(name)]
        if differ:
            said = ", ".join(f"{name} {before.get(name)!r} (now {identity.get(name)!r})" for name in differ)
            raise ConfigError(
                f"The export in {out} was begun with other settings: {said}. Go on with those, or choose "
                "another folder.",
                code="settings-changed",
            )
        if there > items:
            raise ConfigError(
                f"The export in {out} was begun with {there} items, now {items} are asked for: it "
                "can only grow. Choose another folder.",
                code="settings-changed",
            )
    write_atomic(path, json.dumps({"identity": identity, "items": items}, indent=2) + "\n")


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        data = load_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None


def _is_left_out(found: object) -> bool:
    return isinstance(found, list) and len(found) == 3 and is_whole(found[0]) and all(map(is_text, found[1:]))


def _is_file(name: str, found: object) -> bool:
    """Tell whether it is a file within the folder of an export, with its size and its SHA-256."""
    inside = is_path(name) and ".." not in Path(name).parts and not Path(name).is_absolute()
    return inside and isinstance(found, list) and len(found) == 2 and is_whole(found[0]) and is_text(found[1])


def _are_counts(found: object) -> bool:
    rows = list_of(list_of(WHOLE))
    return (
        rows.holds(found) and isinstance(found, list) and len(found) == 3 and len(set(map(len, found))) == 1
    )


_RECORD = {
    "files": Kind(
        lambda x: isinstance(x, Mapping) and all(_is_file(k, v) for k, v in x.items()),
        "files with their sizes",
    ),
    "written": WHOLE,
    "scaled": WHOLE,
    "seconds": NUMBER,
    "left_out": list_of(Kind(_is_left_out, "an item, a code and a reason")),
    "counts": Kind(_are_counts, "three rows of counts"),
    "stems": list_of(TEXT),
}


def _read_record(task: _Task, *, complete: bool = True) -> dict[str, Any] | None:
    """Return the record of a shard that is whole, with ``complete`` only where no item was left out."""
    record = _read_json(task.record)
    if record is None or record.get("key") != task.key or find_fault(record, _RECORD):
        return None
    if _RECORD.keys() - record.keys() or (complete and record["left_out"]):
        return None
    for name, (size, _) in record["files"].items():
        path = task.out / DATA / name
        if not path.is_file() or path.stat().st_size != size:
            return None
    return record


def _write_shard(task: _Task) -> MixlabError | None:
    """Write a shard and its record; return the error that stopped it, which keeps its class and code."""
    try:
        _make_shard(task)
    except MixlabError as error:
        return error
    return None


def _make_shard(task: _Task) -> None:
    settings, path = task.settings, task.out / DATA / task.name
    task.record.unlink(missing_ok=True)
    left_out: list[tuple[int, str, str]] = []
    stems: set[str] = set()
    render = task.source.recipe(task.first).render
    classes = task.source.class_names(task.first)
    counts = np.zeros((3, len(classes)), dtype=np.int64)
    scaled, written, seconds = 0, 0, 0.0
    with open_shard(settings.form, path, settings.audio, classes, render.sample_rate) as add:
        for position in range(task.first, task.last):
            try:
                mix = task.source.mix(position)
            except AudioError as error:
                left_out.append((position, error.code, str(error)))
                continue
            item = encode_item(position, mix, settings.audio, sources=settings.sources)
            add(item)
            written += 1
            scaled += item.about["file_scale_db"] < 0.0
            seconds += mix.recipe.render.duration_s
            stems.update(source.stem for source in mix.recipe.sources)
            counts += np.stack([(item.target > 0) & item.mask, (item.target == 0) & item.mask, ~item.mask])
    files = [path] if path.is_file() else sorted(path.iterdir())
    record = {
        "key": task.key,
        "files": {
            file.relative_to(task.out / DATA).as_posix(): [file.stat().st_size, file_digest(file)]
            for file in files
        },
        "written": written,
        "scaled": scaled,
        "seconds": round(seconds, 3),
        "left_out": left_out,
        "counts": counts.tolist(),
        "stems": sorted(stems),
    }
    write_atomic(task.record, json.dumps(record) + "\n")


def _finish(
    source: ItemSource,
    out: Path,
    settings: ExportSettings,
    identity: Mapping[str, Any],
    tasks: list[_Task],
    *,
    kept: int,
) -> ExportReport:
    """Write the index and the card; the index last, which says that all is there."""
    records = []
    for task in tasks:
        record = _read_record(task, complete=False)
        if record is None:
            raise MixlabError(
                f"{task.name} was written to {out / DATA} and is not there any more. Start again.",
                code="written-file-lost",
            )
        records.append(record)
    left_out = [tuple(each) for record in records for each in record["left_out"]]
    written = sum(record["written"] for record in records)
    classes = source.class_names(0)
    facts = CardFacts(
        form=settings.form,
        audio=settings.audio,
        sources=settings.sources,
        split=tasks[0].split,
        items=tasks[-1].last,
        written=written,
        scaled=sum(record["scaled"] for record in records),
        left_out=len(left_out),
        hours=sum(record["seconds"] for record in records) / 3600.0,
        shards=len(tasks),
        size=sum(size for record in records for size, _ in record["files"].values()),
        classes=classes,
        counts=np.sum([record["counts"] for record in records], axis=0).tolist(),
        stems=sorted({stem for record in records for stem in record["stems"]}),
    )
    if settings.form == "folder":
        lists = [out / DATA / task.name / ITEMS_FILE for task in tasks]
        write_atomic(out / "labels.csv", csv_labels(out, lists, classes))
    write_card(out / "README.md", source, facts, identity)
    index = {
        "mixlab": __version__,
        "export": identity,
        "items": facts.items,
        "written": written,
        "scaled": facts.scaled,
        "left_out": [{"item": item, "code": code} for item, code, _ in left_out],
        "classes": list(classes),
        "shards": [
            {
                "shard": f"{DATA}/{task.name}",
                "items": [task.first, task.last],
                "written": record["written"],
                "files": {
                    f"{DATA}/{name}": {"bytes": size, "sha256": sha}
                    for name, (size, sha) in record["files"].items()
                },
            }
            for task, record in zip(tasks, records, strict=True)
        ],
    }
    write_atomic(out / INDEX, json.dumps(index, indent=1) + "\n")
    told = tuple((item, why) for item, _, why in left_out)
    return ExportReport(facts.items, written, len(tasks), kept, facts.size, facts.scaled, told)


_SHARDS = list_of(
    Kind(
        lambda x: (
            isinstance(x, Mapping)
            and isinstance(x.get("files"), Mapping)
            and all(is_path(name) for name in x["files"])
            and all(isinstance(f, Mapping) and is_text(f.get("sha256")) for f in x["files"].values())
        ),
        "files with their SHA-256",
    )
)


def verify_export(out: Path) -> list[str]:
    """Compare every file of a finished export with its checksum.

    Returns:
        What is wrong, a line for each file; empty where all are as they were written.

    Raises:
        ConfigError: there is no finished export in the folder, or its index is damaged.
    """
    index = _read_json(out / INDEX)
    shards = index.get("shards") if index else None
    if not _SHARDS.holds(shards):
        raise ConfigError(
            f"Expected a finished export with {INDEX} in {out}, found none. Go on with the export first: the "
            "same command without --verify.",
            code="unreadable-file",
        )
    wrong: list[str] = []
    for shard in shards or ():
        for name, known in shard["files"].items():
            path = out / name
            if ".." in Path(name).parts or Path(name).is_absolute():
                wrong.append(f"{name}: leaves the folder")
            elif not path.is_file():
                wrong.append(f"{name}: missing")
            elif file_digest(path) != known["sha256"]:
                wrong.append(f"{name}: other contents than were written")
    return wrong
