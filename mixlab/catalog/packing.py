"""Write packs: resample every usable stem once into shards of 16-bit integers; ``pack`` reads them.

Shards are written under a temporary name and renamed, so a pack that was interrupted goes on with the
shards it lacks. A shard that is there is kept where its stems are those that are planned, and its samples
have the checksum that they were written with. One process at a time writes a pack. A stem that cannot be read
is reported and left to the files, and so is one whose file has changed since it was indexed: the pack would
hold other audio than the catalog describes.
"""

import json
import math
import re
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.io import FloatArray
from mixlab.audio.loudness import measure
from mixlab.audio.resampling import read_resampled
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.pack import FileMark, default_pack_folder, file_mark, fingerprint, is_same_file
from mixlab.catalog.pack_index import (
    PACK_VERSION,
    Entry,
    Shard,
    file_checksum,
    read_shard,
    write_index,
    write_shard_index,
)
from mixlab.catalog.roots import refuse_lost_root
from mixlab.errors import AudioError, CatalogError, ConfigError, MixlabError
from mixlab.utils.files import check_writable, open_atomic
from mixlab.utils.hashing import text_digest
from mixlab.utils.locks import hold_folder
from mixlab.utils.parallel import Engine, default_workers, map_items
from mixlab.utils.remote import Place

__all__ = ["PackReport", "pack_catalog"]

SHARD_BYTES = 128 * 1024 * 1024
_PEAK = 32767.0
_NAME = re.compile(r"(shard-\d{5,}-[0-9a-f]{16})\.(i16|json)")


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


@dataclass(frozen=True)
class _Source:
    """A stem to pack: its file, the corpus and the root of that, and what the catalog says of it."""

    key: str
    fingerprint: str
    path: Place
    corpus: str
    root: Place
    frames: int
    sample_rate: int
    audio_hash: str
    mark: FileMark


@dataclass(frozen=True)
class _Task:
    """One shard to write; plain data, so that it travels to a worker."""

    folder: Path
    number: int
    sample_rate: int
    channels: int
    stems: tuple[_Source, ...]

    @property
    def identity(self) -> str:
        """Hash of what the shard should hold; one with another identity is written anew."""
        names = [(source.key, source.fingerprint) for source in self.stems]
        text = json.dumps([PACK_VERSION, self.sample_rate, self.channels, names])
        return text_digest(text)

    def samples(self, source: _Source) -> int:
        """Return how many samples per channel a stem has in the shard."""
        return _packed_samples(source.frames, source.sample_rate, self.sample_rate)

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


def _write_shard(task: _Task) -> list[str] | MixlabError:
    """Write a shard; return the problems of its stems, or the error that stops the work."""
    try:
        return _make_shard(task)
    except MixlabError as error:
        return error


def _make_shard(task: _Task) -> list[str]:
    entries, problems, offset = [], [], 0
    digest = blake2b(digest_size=16)
    with open_atomic(task.path) as file:
        for source in task.stems:
            try:
                # Asked before reading: a file that changes meanwhile has another mark afterwards.
                size, time_ns = file_mark(source.path) or (-1, 0)
                audio = _read(source, task)
            except AudioError as error:
                refuse_lost_root(source.corpus, source.root)
                problems.append(f"{source.key}: {error}")
                continue
            integers, scale = _quantize(audio)
            data = integers.tobytes()
            file.write(data)
            digest.update(data)
            place = task.path.name, offset, integers.shape[1], scale
            entries.append(Entry(source.key, source.fingerprint, *place, size, time_ns))
            offset += integers.size
    shard = Shard(task.identity, digest.hexdigest(), offset * 2, tuple(entries), tuple(problems))
    write_shard_index(task.path, shard)
    return problems


def _read(source: _Source, task: _Task) -> FloatArray:
    """Read a whole stem as it was indexed; one that has changed since is an error.

    Raises:
        AudioError: it cannot be read, or has changed.
        RemoteError: its URL cannot be reached.
    """
    if isinstance(source.path, Path):
        return _read_file(source, source.path, task)
    try:
        with source.path.downloaded() as path:
            return _read_file(source, path, task)
    except AudioError as error:
        raise AudioError(f"{source.path}, fetched: {error}", code=error.code) from error
    except FileNotFoundError as error:
        raise AudioError(
            f"Expected audio at {source.path}, found no file. Check the root of its corpus "
            "(--root NAME=URL).",
            code="audio-not-found",
        ) from error


def _read_file(source: _Source, path: Path, task: _Task) -> FloatArray:
    mark = file_mark(path)
    changed = mark is not None and not is_same_file(mark, source.mark)
    if changed and measure(path).audio_hash != source.audio_hash:
        raise AudioError(
            f"Expected {source.path} as it was indexed, found other audio: the file has changed since. Run "
            "'mixlab index' again, then 'mixlab pack'.",
            code="audio-changed",
        )
    rate, frames = source.sample_rate, source.frames
    return read_resampled(path, rate, frames, 0.0, task.samples(source), task.sample_rate, task.channels)


def _is_whole(task: _Task) -> bool:
    """Tell whether a shard is there already, as planned and as written, and no file has changed since."""
    try:
        shard = read_shard(task.path, task.channels)
        planned = [(one.key, one.fingerprint, task.samples(one)) for one in task.stems]
        found = [(one.key, one.fingerprint, one.samples) for one in shard.entries]
        return (
            shard.identity == task.identity
            and found == planned
            and not shard.problems
            and task.path.stat().st_size == shard.size
            and _is_up_to_date(task, shard)
            and file_checksum(task.path) == shard.checksum
        )
    except (OSError, ValueError):
        return False


def _is_up_to_date(task: _Task, shard: Shard) -> bool:
    for source, entry in zip(task.stems, shard.entries, strict=True):
        mark = file_mark(source.path)
        known = source.mark, (entry.size, entry.time_ns)
        if mark is not None and not any(is_same_file(mark, one) for one in known):
            return False
    return True


def _find_whole(tasks: Sequence[_Task], workers: int | None, *, hidden: bool) -> list[bool]:
    """Tell which shards are there already; reading and hashing them leaves Python to other threads."""
    from tqdm import tqdm

    with ThreadPoolExecutor(workers or default_workers()) as pool:
        checked = pool.map(_is_whole, tasks)
        return list(tqdm(checked, total=len(tasks), desc="checking", unit="shard", disable=hidden))


def _by_use(catalog: Catalog) -> list[int]:
    """Return the usable stems, those first that are sampled most often per byte.

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
    names = ("key", "corpus", "frames", "sample_rate", "audio_hash", "size", "mtime_ns")
    keys, corpora, frames, rates, hashes, sizes, times_ns = (catalog.column(name) for name in names)
    sources = tuple(
        _Source(
            key=str(keys[i]),
            fingerprint=fingerprint(catalog, i),
            path=catalog.audio_path(i),
            corpus=str(corpora[i]),
            root=catalog.roots[str(corpora[i])],
            frames=int(frames[i]),
            sample_rate=int(rates[i]),
            audio_hash=str(hashes[i]),
            mark=(int(sizes[i]), int(times_ns[i])),
        )
        for i in stems
    )
    return _Task(folder, number, sample_rate, channels, sources)


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
        budget_bytes: Most that the shards may take; stems sampled most often per byte come first.
        workers: Processes; None for one per processor.
        engine: ``local`` or ``ray``.
        progress: Show a progress bar on a terminal.
        shard_bytes: About how large a shard becomes; also what an interruption can cost.

    Raises:
        CatalogError: there is not one usable stem, or none fits into the budget; another process writes the
            pack; or a corpus is not where the catalog says. What was packed is kept.
        ConfigError: the catalog lies at a URL, and ``folder`` is not given.
        OutputError: it cannot be written; what was packed is kept.

    Example:
        >>> from pathlib import Path
        >>> from mixlab import Catalog, pack_catalog
        >>> catalog = Catalog.open("my-catalog")
        >>> report = pack_catalog(catalog, Path("pack-16k"), sample_rate=16_000, workers=1)
        >>> report.stems == len(catalog), report.problems
        (True, ())
    """
    if folder is None and catalog.origin is not None:
        raise ConfigError(
            f"The catalog {catalog.place} lies at a URL, where no pack can be written. Name a folder for it "
            "(--out), from which mixes read it (pack=FOLDER) and from which it can be copied to the URL.",
            code="missing-setting",
        )
    folder = folder or default_pack_folder(catalog, sample_rate, channels)
    check_writable(folder)
    tasks, left_out = _plan(catalog, folder, sample_rate, channels, budget_bytes, shard_bytes)
    if not tasks:
        raise CatalogError(
            f"Nothing to pack: {catalog.path} has {left_out} usable stems, and none fits into the budget of "
            f"{budget_bytes} bytes. Give a larger --budget, or see 'mixlab catalog {catalog.path}'.",
            code="nothing-to-pack",
        )
    with hold_folder(folder, lambda: _busy(folder)):
        hidden = not (progress and sys.stderr.isatty())
        whole = _find_whole(tasks, workers, hidden=hidden)
        todo = [task for task, is_there in zip(tasks, whole, strict=True) if not is_there]
        needs = [folder, *catalog.roots.values()]
        if any(task.path.exists() for task in todo):
            # Their names stay while what they hold may change: until they are written, no index names them.
            untouched = [task for task, is_there in zip(tasks, whole, strict=True) if is_there]
            write_index(folder, sample_rate, channels, _collect(untouched)[0])
        problems = _write_shards(todo, workers, engine, needs, hidden=hidden)
        entries, size = _collect(tasks)
        write_index(folder, sample_rate, channels, entries)
        _remove_others(folder, tasks)
    kept = len(tasks) - len(todo)
    return PackReport(folder, len(entries), left_out, size, kept, len(todo), tuple(problems))


def _busy(folder: Path) -> CatalogError:
    return CatalogError(
        f"Another process writes the pack {folder}. Wait for it, or stop it.", code="pack-in-use"
    )


def _write_shards(
    tasks: Sequence[_Task], workers: int | None, engine: Engine, needs: Sequence[Place], *, hidden: bool
) -> list[str]:
    """Write shards; return the problems of their stems, and of shards that could not be written."""
    from tqdm import tqdm

    problems: list[str] = []
    for task in tasks:
        # What is there of it is not as planned, and must not be taken for it should writing it fail.
        task.path.with_suffix(".json").unlink(missing_ok=True)
    with tqdm(total=len(tasks), desc="packing", unit="shard", disable=hidden) as bar:
        for outcome in map_items(_write_shard, tasks, engine=engine, workers=workers, needs=needs):
            if isinstance(outcome.value, MixlabError):
                raise outcome.value
            problems += outcome.value or []
            if outcome.error:
                problems.append(f"{tasks[outcome.index].path.name}: {outcome.error}")
            bar.update()
    return problems


def _collect(tasks: Iterable[_Task]) -> tuple[list[Entry], int]:
    entries: list[Entry] = []
    size = 0
    for task in tasks:
        try:
            shard = read_shard(task.path, task.channels)
        except (OSError, ValueError):
            continue  # its problem is listed
        if shard.identity == task.identity:
            entries += shard.entries
            size += shard.size
    return entries, size


def _remove_others(folder: Path, tasks: Iterable[_Task]) -> None:
    """Remove shards of an earlier pack, which the new index does not name; who has them open keeps them."""
    names = {task.path.stem for task in tasks}
    for path in folder.iterdir():
        if (found := _NAME.fullmatch(path.name)) and found[1] not in names:
            path.unlink(missing_ok=True)
