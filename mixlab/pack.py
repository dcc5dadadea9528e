"""Packs: every stem at the model's rate as 16-bit integers, memory-mapped, so that reading is free.

A pack is a folder of shards (``shard-*.i16``, raw little-endian 16-bit samples), one JSON file
beside each shard (what it holds, its checksum), and ``pack.json``. Each stem is scaled to use all 16 bits;
its scale stands in the index. A recipe reads from a pack what it reads from the files, to within half a
step of 1/32767 of the stem's own peak, and so renders: but phase vocoders, Rubber Band too, answer so small
a change with other phases, so sources with pitch and time effects agree in sound, not in samples.

Shards are written under a temporary name and renamed, so a pack that was interrupted goes on with the
shards it lacks. A stem that cannot be read is reported and left to the files.
"""

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixlab.audio import FloatArray
from mixlab.catalog import Catalog
from mixlab.errors import AudioError, CatalogError
from mixlab.files import check_writable, make_folder, open_atomic, write_atomic
from mixlab.parallel import Engine, map_items
from mixlab.reading import CatalogReader
from mixlab.resampling import read_resampled

__all__ = ["Pack", "PackReader", "PackReport", "default_pack_folder", "open_reader", "pack_catalog"]

PACK_VERSION = 2
SHARD_BYTES = 128 * 1024 * 1024
_INDEX = "pack.json"
_PEAK = 32767.0


@dataclass(frozen=True)
class _Entry:
    """Where a stem lies in a pack.

    Attributes:
        key: Key of the stem.
        fingerprint: Of the file it was made from; another one means that the pack is out of date.
        shard: File name of the shard.
        offset: First sample of its first channel in the shard.
        samples: Samples per channel; the channels follow one another.
        scale: Factor from integers to samples.
    """

    key: str
    fingerprint: str
    shard: str
    offset: int
    samples: int
    scale: float


@dataclass(frozen=True)
class PackReport:
    """What packing did.

    Attributes:
        folder: The pack.
        stems: Stems in the pack.
        left_out: Usable stems that the budget had no room for; they are read from their files.
        bytes: Size of all shards.
        kept: Shards that were there already.
        written: Shards written now.
        problems: Stems that could not be read, and why.
    """

    folder: Path
    stems: int
    left_out: int
    bytes: int
    kept: int
    written: int
    problems: tuple[str, ...]


def default_pack_folder(catalog: Catalog, sample_rate: int, channels: int) -> Path:
    """Return where a catalog's pack lies unless told otherwise: within the catalog's folder."""
    return catalog.path / "packs" / f"{sample_rate}-{channels}ch"


def fingerprint(catalog: Catalog, stem: int) -> str:
    """Return 16 hex digits that change with the file a stem was indexed from."""
    row = [
        str(catalog.column(name)[stem])
        for name in ("key", "path", "size", "frames", "sample_rate", "channels")
    ]
    return blake2b("|".join(row).encode(), digest_size=8).hexdigest()


@dataclass(frozen=True)
class _Task:
    """One shard to write; plain data, so that it travels to a worker."""

    folder: Path
    number: int
    sample_rate: int
    channels: int
    stems: tuple[tuple[str, str, Path, int, int], ...]
    """Key, fingerprint, path, frames and sample rate of each stem."""

    @property
    def identity(self) -> str:
        """Hash of what the shard should hold; one with another identity is written anew."""
        names = [(key, mark) for key, mark, *_ in self.stems]
        text = json.dumps([PACK_VERSION, self.sample_rate, self.channels, names])
        return blake2b(text.encode(), digest_size=8).hexdigest()

    @property
    def path(self) -> Path:
        """Where it lies: named by what it holds, so that no shard takes the place of one that is in use."""
        return self.folder / f"shard-{self.number:05d}-{self.identity}.i16"


def _packed_samples(frames: int, rate: int, sample_rate: int) -> int:
    return math.ceil(frames * sample_rate / rate)


def _quantize(audio: FloatArray) -> tuple[NDArray[np.int16], float]:
    """Return integers and the factor that turns them back."""
    peak = float(np.abs(audio).max(initial=0.0))
    scale = (peak or 1.0) / _PEAK
    return np.rint(audio * np.float32(1.0 / scale)).astype("<i2"), scale


def _write_shard(task: _Task) -> list[str]:
    """Write one shard and its JSON file; return the problems of its stems."""
    entries, problems, offset = [], [], 0
    digest = blake2b(digest_size=16)
    with open_atomic(task.path) as file:
        for key, mark, path, frames, rate in task.stems:
            try:
                samples = _packed_samples(frames, rate, task.sample_rate)
                audio = read_resampled(path, rate, frames, 0.0, samples, task.sample_rate, task.channels)
            except AudioError as error:
                problems.append(f"{key}: {error}")
                continue
            integers, scale = _quantize(audio)
            data = integers.tobytes()
            file.write(data)
            digest.update(data)
            entries.append(_Entry(key, mark, task.path.name, offset, integers.shape[1], scale))
            offset += integers.size
    document = {
        "identity": task.identity,
        "checksum": digest.hexdigest(),
        "bytes": offset * 2,
        "entries": [asdict(entry) for entry in entries],
        "problems": problems,
    }
    _write_json(task.path.with_suffix(".json"), document)
    return problems


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    write_atomic(path, json.dumps(document))


def _is_whole(task: _Task) -> bool:
    """Tell whether a shard is there already, as planned and of its full size."""
    sidecar = task.path.with_suffix(".json")
    try:
        document = json.loads(sidecar.read_text(encoding="utf-8"))
        size = task.path.stat().st_size
    except (OSError, ValueError):
        return False
    whole = document.get("identity") == task.identity and document.get("bytes") == size
    return bool(whole and not document.get("problems"))


def _by_use(catalog: Catalog) -> list[int]:
    """Return the usable stems, those first that are drawn most often per byte.

    Corpora are equally likely, songs within a corpus, parts within a song, stems within a part.
    """
    usable = np.flatnonzero(catalog.column("drawable"))
    corpus, song, part = (catalog.column(name) for name in ("corpus", "song", "part"))
    songs: dict[str, set[str]] = {}
    parts: dict[tuple[str, str], set[str]] = {}
    stems: dict[tuple[str, str, str], int] = {}
    for i in usable.tolist():
        songs.setdefault(corpus[i], set()).add(song[i])
        parts.setdefault((corpus[i], song[i]), set()).add(part[i])
        place = (corpus[i], song[i], part[i])
        stems[place] = stems.get(place, 0) + 1
    seconds = catalog.column("duration_s")

    def cost(i: int) -> tuple[float, int]:
        options = len(songs[corpus[i]]) * len(parts[corpus[i], song[i]]) * stems[corpus[i], song[i], part[i]]
        return float(seconds[i]) * options, i

    return sorted(usable.tolist(), key=cost)


def _plan(
    catalog: Catalog,
    folder: Path,
    sample_rate: int,
    channels: int,
    budget_bytes: int | None,
    shard_bytes: int,
) -> tuple[list[_Task], int]:
    """Choose the stems that fit and cut them into shards, in the catalog's order."""
    frames, rates = catalog.column("frames"), catalog.column("sample_rate")

    def size(i: int) -> int:
        return 2 * channels * _packed_samples(int(frames[i]), int(rates[i]), sample_rate)

    order, used, chosen = _by_use(catalog), 0, []
    for i in order:
        if budget_bytes is None or used + size(i) <= budget_bytes:
            used += size(i)
            chosen.append(i)
    tasks: list[_Task] = []
    batch: list[int] = []
    filled = 0
    for i in sorted(chosen):
        if batch and filled + size(i) > shard_bytes:
            tasks.append(_task(catalog, folder, len(tasks), sample_rate, channels, batch))
            batch, filled = [], 0
        batch.append(i)
        filled += size(i)
    if batch:
        tasks.append(_task(catalog, folder, len(tasks), sample_rate, channels, batch))
    return tasks, len(order) - len(chosen)


def _task(
    catalog: Catalog, folder: Path, number: int, sample_rate: int, channels: int, stems: Sequence[int]
) -> _Task:
    keys, frames, rates = (catalog.column(name) for name in ("key", "frames", "sample_rate"))
    rows = tuple(
        (str(keys[i]), fingerprint(catalog, i), catalog.audio_path(i), int(frames[i]), int(rates[i]))
        for i in stems
    )
    return _Task(folder, number, sample_rate, channels, rows)


def pack_catalog(
    catalog: Catalog,
    folder: Path | None = None,
    *,
    sample_rate: int = 16000,
    channels: int = 1,
    budget_bytes: int | None = None,
    workers: int | None = None,
    engine: Engine = "local",
    progress: bool = True,
    shard_bytes: int = SHARD_BYTES,
) -> PackReport:
    """Write, complete or update a pack of a catalog's usable stems.

    Args:
        catalog: The catalog.
        folder: Where to; by default within the catalog, where the dataset finds it by itself.
        sample_rate: The mixes' rate in Hz.
        channels: The mixes' channels.
        budget_bytes: Most that the shards may take; stems drawn most often per byte come first.
        workers: Processes; None for one per processor.
        engine: ``local`` or ``ray``.
        progress: Show a progress bar on a terminal.
        shard_bytes: About how large a shard becomes; also what an interruption can cost.

    Raises:
        CatalogError: there is not one usable stem, or none fits into the budget.
    """
    from tqdm import tqdm

    folder = folder or default_pack_folder(catalog, sample_rate, channels)
    check_writable(folder)
    tasks, left_out = _plan(catalog, folder, sample_rate, channels, budget_bytes, shard_bytes)
    if not tasks:
        raise CatalogError(
            f"Nothing to pack: {catalog.path} has {left_out} usable stems, and none fits into the budget of "
            f"{budget_bytes} bytes. Give a larger --budget, or see 'mixlab catalog {catalog.path}'."
        )
    make_folder(folder)
    todo = [task for task in tasks if not _is_whole(task)]
    problems: list[str] = []
    with tqdm(
        total=len(todo), desc="packing", unit="shard", disable=not (progress and sys.stderr.isatty())
    ) as bar:
        for outcome in map_items(_write_shard, todo, engine=engine, workers=workers):
            problems += outcome.value or []
            if outcome.error:
                problems.append(f"{todo[outcome.index].path.name}: {outcome.error}")
            bar.update()
    entries, size = _collect(folder, tasks)
    document = {"version": PACK_VERSION, "sample_rate": sample_rate, "channels": channels}
    _write_json(folder / _INDEX, {**document, "entries": [asdict(entry) for entry in entries]})
    _remove_others(folder, tasks)
    kept = len(tasks) - len(todo)
    return PackReport(folder, len(entries), left_out, size, kept, len(todo), tuple(problems))


def _collect(folder: Path, tasks: Iterable[_Task]) -> tuple[list[_Entry], int]:
    entries, size = [], 0
    for task in tasks:
        sidecar = task.path.with_suffix(".json")
        if not sidecar.is_file():
            continue  # its problem is listed
        document = json.loads(sidecar.read_text(encoding="utf-8"))
        if document["identity"] != task.identity:
            continue
        entries += [_Entry(**entry) for entry in document["entries"]]
        size += document["bytes"]
    return entries, size


def _remove_others(folder: Path, tasks: Iterable[_Task]) -> None:
    """Remove shards of an earlier pack, which the new index does not name; who has them open keeps them."""
    names = {task.path.stem for task in tasks}
    for path in folder.glob("shard-*"):
        if path.stem.partition(".")[0] not in names:
            path.unlink()


class Pack:
    """An open pack: samples by stem key, memory-mapped; safe to share between processes.

    Attributes:
        folder: Where it lies.
        sample_rate: In Hz.
        channels: Number of channels.
    """

    def __init__(self, folder: Path) -> None:
        """Open the pack in ``folder``.

        Raises:
            CatalogError: there is no pack, it is damaged, or of another version.
        """
        self.folder = folder
        path = folder / _INDEX
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CatalogError(
                f"Expected a pack at {folder}: {error}. Make one with 'mixlab pack'."
            ) from error
        if document.get("version") != PACK_VERSION:
            raise CatalogError(
                f"{path} is of version {document.get('version')}, this mixlab reads {PACK_VERSION}. "
                "Remove the folder and run 'mixlab pack' again."
            )
        self.sample_rate: int = document["sample_rate"]
        self.channels: int = document["channels"]
        self.entries = {entry["key"]: _Entry(**entry) for entry in document["entries"]}
        self._shards: dict[str, NDArray[np.int16]] = {}

    def __len__(self) -> int:
        """Stems in the pack."""
        return len(self.entries)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open maps out: a worker opens its own, and the pages are shared anyway."""
        return {**self.__dict__, "_shards": {}}

    def _shard(self, name: str) -> NDArray[np.int16]:
        if name not in self._shards:
            path = self.folder / name
            try:
                # Without the class memmap, which is slow to slice; the base keeps the file mapped.
                self._shards[name] = np.memmap(path, dtype="<i2", mode="r").view(np.ndarray)
            except (OSError, ValueError) as error:
                raise AudioError(
                    f"Expected shard {path} of the pack, found: {error}. Run 'mixlab pack' again."
                ) from error
        return self._shards[name]

    def integers(self, key: str) -> tuple[NDArray[np.int16], float]:
        """Return all of a stem as ``(channels, samples)`` integers, mapped, and its scale."""
        entry = self.entries[key]
        shard = self._shard(entry.shard)
        flat = shard[entry.offset : entry.offset + entry.samples * self.channels]
        if len(flat) != entry.samples * self.channels:
            raise AudioError(
                f"{entry.shard} of {self.folder} ends within {key}: it was cut off. Run 'mixlab pack' again."
            )
        return flat.reshape(self.channels, entry.samples), entry.scale

    def verify(self) -> list[str]:
        """Read every shard and compare its checksum; return what is wrong, nothing if all is well."""
        wrong = []
        for name in sorted({entry.shard for entry in self.entries.values()}):
            path = self.folder / name
            try:
                expected = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["checksum"]
            except (OSError, ValueError, KeyError) as error:
                wrong.append(f"{path}: its checksum cannot be read: {error}")
                continue
            digest = blake2b(digest_size=16)
            if path.is_file():
                with path.open("rb") as file:
                    while block := file.read(1 << 22):
                        digest.update(block)
            if digest.hexdigest() != expected:
                wrong.append(f"{path}: expected checksum {expected}, found {digest.hexdigest()}")
        return wrong


class PackReader:
    """Reads from a pack where it holds the stem as indexed, else from the file."""

    def __init__(self, catalog: Catalog, pack: Pack) -> None:
        """Read stems of ``catalog``; entries made from other files than it indexes are not used."""
        self._files = CatalogReader(catalog)
        self._pack = pack
        self._keys = catalog.column("key")
        self._current = {
            key
            for key, entry in pack.entries.items()
            if (place := _place(catalog, key)) is not None
            and fingerprint(catalog, place) == entry.fingerprint
        }

    @property
    def packed(self) -> int:
        """How many stems of the catalog are read from the pack."""
        return len(self._current)

    def read(self, stem: int, start_s: float, samples: int, sample_rate: int, channels: int) -> FloatArray:
        """See ``Reader.read``."""
        out = np.empty((channels, samples), dtype=np.float32)
        self.read_into(out, stem, start_s, sample_rate, 1.0)
        return out

    def read_into(self, out: FloatArray, stem: int, start_s: float, sample_rate: int, gain: float) -> None:
        """See ``Reader.read_into``."""
        channels, samples = out.shape
        found = self.integers(stem, start_s, samples, sample_rate, channels)
        if found is None:
            self._files.read_into(out, stem, start_s, sample_rate, gain)
            return
        from mixlab import mix_kernels

        integers, head, scale = found
        end = head + integers.shape[1]
        out[:, :head] = 0.0
        out[:, end:] = 0.0
        for channel, row in zip(integers, out, strict=True):
            mix_kernels.scale_integers(channel, scale * gain, row[head:end])

    def integers(
        self, stem: int, start_s: float, samples: int, sample_rate: int, channels: int
    ) -> tuple[NDArray[np.int16], int, float] | None:
        """Return a chunk as it lies in the pack, without copying it.

        Args:
            stem: Number of the stem in the catalog.
            start_s: Where the chunk starts, in seconds; may be negative.
            samples: Its length.
            sample_rate: Its rate in Hz.
            channels: Its channels.

        Returns:
            int16 ``(channels, n)``, mapped and read-only: the part of the chunk that lies within the
            stem; how many of ``samples`` come before it (silence, as what comes after it); and the factor
            from integers to samples. None where the stem is not in the pack, or at another rate or number of
            channels.
        """
        key = self._keys[stem]
        pack = self._pack
        if key not in self._current or (sample_rate, channels) != (pack.sample_rate, pack.channels):
            return None
        integers, scale = pack.integers(key)
        start = round(start_s * sample_rate)
        first = min(max(start, 0), integers.shape[1])
        last = max(min(start + samples, integers.shape[1]), first)
        return integers[:, first:last], min(first - start, samples) if start < 0 else 0, scale


def _place(catalog: Catalog, key: str) -> int | None:
    try:
        return catalog.find(key)
    except CatalogError:
        return None  # packed before the stem left the corpus


def open_reader(
    catalog: Catalog, sample_rate: int, channels: int, pack: str | Path | None = "auto"
) -> CatalogReader | PackReader:
    """Return the quickest way to read a catalog's stems.

    Args:
        catalog: The catalog.
        sample_rate: The mixes' rate in Hz.
        channels: The mixes' channels.
        pack: ``auto`` uses the catalog's own pack where there is one of this rate and these channels;
            a folder uses the pack in it; None reads from the files.

    Raises:
        CatalogError: the folder given holds no pack, or one of another rate or number of channels.
    """
    if pack is None:
        return CatalogReader(catalog)
    folder = default_pack_folder(catalog, sample_rate, channels) if pack == "auto" else Path(pack)
    if pack == "auto" and not (folder / _INDEX).is_file():
        return CatalogReader(catalog)
    opened = Pack(folder)
    if (opened.sample_rate, opened.channels) != (sample_rate, channels):
        raise CatalogError(
            f"The mixes have {sample_rate} Hz and {channels} channels, the pack in {folder} "
            f"{opened.sample_rate} Hz and {opened.channels}. Make one with "
            f"'mixlab pack --sample_rate {sample_rate} --channels {channels}'."
        )
    return PackReader(catalog, opened)
