"""Packs: every stem at the model's rate as 16-bit integers, memory-mapped, so that reading is free.

A pack is a folder of shards (``shard-*.i16``, raw little-endian 16-bit samples), one JSON file
beside each shard (what it holds, its checksum), and ``pack.json``. Each stem is scaled to use all 16 bits;
its scale stands in the index. A recipe reads from a pack what it reads from the files, to within half a
step of 1/32767 of the stem's own peak, and so renders: but phase vocoders, Rubber Band too, answer so small
a change with other phases, so sources with pitch and time effects agree in sound, not in samples.

A pack serves a stem only where it holds the audio that the catalog describes: each entry carries a
fingerprint of the samples it was made from, and the file must not have changed since it was indexed or
packed. Other stems are read from their files, and a warning says how many. Where the files are not at hand,
or lie at a URL, the fingerprint alone decides. A pack may lie at a URL itself: then of its shards only what
is mixed is fetched.
"""

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.io import FloatArray
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.pack_index import INDEX, Entry, PackIndex, damaged, read_index, verify_pack
from mixlab.catalog.readers import CatalogReader, Span, find_mark
from mixlab.errors import AudioError, CatalogError
from mixlab.utils.hashing import text_digest
from mixlab.utils.remote import (
    Place,
    RemoteInfo,
    RemotePath,
    as_place,
    changed_meanwhile,
    denied_as_missing,
    read_ranges,
)

__all__ = ["Pack", "PackReader", "default_pack_folder", "find_pack", "fingerprint", "open_reader"]

_AHEAD_BYTES = 1 << 26
"""Most that is fetched beforehand of a pack at a URL, for one batch."""

FileMark = tuple[int, int]
"""Size of a file in bytes and time of its last change in nanoseconds."""


def default_pack_folder(catalog: Catalog, sample_rate: int, channels: int) -> Path:
    """Return where a catalog's pack lies unless told otherwise: within the catalog's folder."""
    return catalog.path / "packs" / f"{sample_rate}-{channels}ch"


def find_pack(catalog: Catalog, sample_rate: int, channels: int) -> Place | None:
    """Return the folder of a catalog's pack, or that of the nearest catalog of which it is a subset."""
    own = default_pack_folder(catalog, sample_rate, channels)
    folders = [home / own.relative_to(catalog.path).as_posix() for home in _homes(catalog)]
    return next((folder for folder in folders if _has_index(folder)), None)


def _has_index(folder: Place) -> bool:
    """Tell whether a pack lies in a folder; one that may not be read is none."""
    try:
        with denied_as_missing():
            return (folder / INDEX).is_file()
    except FileNotFoundError:
        return False


def _homes(catalog: Catalog) -> list[Place]:
    """Return the folder of a catalog, and those of what it is a subset of, the nearest first."""
    return [as_place(catalog.place), *(as_place(one["path"]) for one in reversed(catalog.subset_of))]


def fingerprint(catalog: Catalog, stem: int) -> str:
    """Return 16 hex digits that change with the audio a stem was indexed from, wherever its file lies."""
    row = [
        str(catalog.column(name)[stem]) for name in ("key", "audio_hash", "frames", "sample_rate", "channels")
    ]
    return text_digest("|".join(row))


def file_mark(path: Place) -> FileMark | None:
    """Return size and time of change of a file, None where there is none."""
    mark = find_mark(path)
    return (mark[-2], mark[-1]) if mark else None


def is_same_file(mark: FileMark, known: FileMark) -> bool:
    """Tell whether a file is as it was known: of the same size and time of change.

    Archives and some file systems keep times to a second, or two; such a time counts as the same.
    """
    (size, time_ns), (known_size, known_ns) = mark, known
    cut = (time_ns % 1_000_000_000 == 0) != (known_ns % 1_000_000_000 == 0)
    return size == known_size and (time_ns == known_ns or (cut and abs(time_ns - known_ns) < 2_000_000_000))


class Pack:
    """An open pack: samples by stem key, memory-mapped or fetched; safe to share between processes.

    Attributes:
        folder: Where it lies.
        sample_rate: In Hz.
        channels: Number of channels.
    """

    def __init__(self, folder: Place) -> None:
        """Open the pack in ``folder``.

        Raises:
            CatalogError: there is no pack, it is damaged, or of another version.
            RemoteError: its URL cannot be reached.
        """
        self.folder = folder
        index = _read_whole(folder)
        self.sample_rate, self.channels = index.sample_rate, index.channels
        self.entries: Mapping[str, Entry] = index.entries
        self._shard_sizes = index.shard_sizes
        self._shards: dict[str, NDArray[np.int16]] = {}
        self._remote: dict[str, RemoteInfo] = {}

    def __len__(self) -> int:
        """Stems in the pack."""
        return len(self.entries)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open maps out: a worker opens its own, and the pages are shared anyway."""
        return {**self.__dict__, "_shards": {}, "_remote": {}}

    def verify(self) -> list[str]:
        """Read everything and compare it with its checksums; return what is wrong, nothing if all is well."""
        return verify_pack(self.folder)

    def _shard(self, folder: Path, name: str) -> NDArray[np.int16]:
        if name not in self._shards:
            path = folder / name
            try:
                # Packing may have replaced it since the index was read.
                if (size := path.stat().st_size) != self._shard_sizes[name]:
                    raise ValueError(f"{size} bytes where the index has {self._shard_sizes[name]}")
                # Without the class memmap, which is slow to slice; the base keeps the file mapped.
                self._shards[name] = np.memmap(path, dtype="<i2", mode="r").view(np.ndarray)
            except (OSError, ValueError) as error:
                raise AudioError(
                    f"Expected shard {path} of the pack, found: {error}. Run 'mixlab pack' again.",
                    code="pack-damaged",
                ) from error
        return self._shards[name]

    def integers(self, key: str) -> tuple[NDArray[np.int16], float]:
        """Return all of a stem as ``(channels, samples)`` integers, mapped or fetched, and its scale."""
        entry = self.entries[key]
        if isinstance(self.folder, RemotePath):
            return self.fetch([(key, 0, entry.samples)])[0], entry.scale
        shard = self._shard(self.folder, entry.shard)
        flat = shard[entry.offset : entry.offset + entry.samples * self.channels]
        if len(flat) != entry.samples * self.channels:
            raise self._cut_off(entry)
        return flat.reshape(self.channels, entry.samples), entry.scale

    def span(self, key: str, first: int, last: int) -> tuple[NDArray[np.int16], float]:
        """Return samples ``first`` to ``last - 1`` of a stem as ``(channels, n)`` integers, and its scale."""
        if isinstance(self.folder, RemotePath):
            return self.fetch([(key, first, last)])[0], self.entries[key].scale
        integers, scale = self.integers(key)
        return integers[:, first:last], scale

    def fetch(self, spans: Sequence[tuple[str, int, int]]) -> list[NDArray[np.int16]]:
        """Read spans of a pack at a URL, all at the same time.

        Args:
            spans: Key of a stem, first sample and the one behind the last.

        Returns:
            Each as ``(channels, n)`` integers, read-only.

        Raises:
            AudioError: a shard is missing, or not of the size that the index says.
            RemoteError: the URL cannot be reached, or a shard has changed since it was first read.
        """
        parts = []
        for key, first, last in spans:
            entry = self.entries[key]
            shard = self._check_remote(entry)
            begins = (entry.offset + channel * entry.samples for channel in range(self.channels))
            if last > first:
                parts += [(shard, 2 * (begin + first), 2 * (begin + last)) for begin in begins]
        try:
            found = iter(read_ranges(parts))
        except FileNotFoundError as error:
            raise self._no_shard(error.filename, error) from error
        return [
            np.frombuffer(
                b"".join(next(found) for _ in range(self.channels if last > first else 0)), "<i2"
            ).reshape(self.channels, max(last - first, 0))
            for _, first, last in spans
        ]

    def _check_remote(self, entry: Entry) -> RemotePath:
        """See to it that a shard at a URL is the one of the index, and stays it."""
        assert isinstance(self.folder, RemotePath)
        shard = self.folder / entry.shard
        try:
            info = shard.info()
        except FileNotFoundError as error:
            raise self._no_shard(shard, error) from error
        known = self._remote.get(entry.shard)
        if known is None:
            if info.size != self._shard_sizes[entry.shard]:
                raise self._cut_off(entry)
            self._remote[entry.shard] = info
        elif known != info:
            raise changed_meanwhile(shard, f"{known.size} bytes", f"another file of {info.size} bytes")
        return shard

    def _no_shard(self, path: object, error: OSError) -> AudioError:
        return AudioError(
            f"Expected shard {path} of the pack, found: {error}. Run 'mixlab pack' again.",
            code="pack-damaged",
        )

    def _cut_off(self, entry: Entry) -> AudioError:
        return AudioError(
            f"{entry.shard} of {self.folder} ends within {entry.key}, or is another shard: it was cut off or "
            "replaced. Run 'mixlab pack' again.",
            code="pack-damaged",
        )


def _read_whole(folder: Place) -> PackIndex:
    """Read the index of a pack, and see to it that its shards are there and long enough for it.

    Those at a URL are looked at when they are read for the first time.
    """
    while True:
        index = read_index(folder)
        if isinstance(folder, RemotePath):
            return index
        fault = _find_fault(folder, index)
        if not fault:
            return index
        # Packing replaces the index first, and removes the shards of the old one then.
        if read_index(folder).raw == index.raw:
            raise damaged(folder / INDEX, fault)


def _find_fault(folder: Path, index: PackIndex) -> str:
    for name, needed in index.shard_sizes.items():
        try:
            size = (folder / name).stat().st_size
        except OSError as error:
            return f"expected shard {name}, found none: {error.strerror}"
        if size != needed:
            return f"expected {needed} bytes in {name}, found {size}: it was cut off or replaced"
    return ""


class _Fetched(Pack):
    """A pack at a URL, some spans of which are here already."""

    def __init__(self, pack: Pack, spans: Mapping[tuple[str, int, int], NDArray[np.int16]]) -> None:
        self.__dict__.update(pack.__dict__)
        self._spans = spans

    def span(self, key: str, first: int, last: int) -> tuple[NDArray[np.int16], float]:
        """See ``Pack.span``."""
        found = self._spans.get((key, first, last))
        return super().span(key, first, last) if found is None else (found, self.entries[key].scale)


class PackReader:
    """Reads from a pack where it holds the stem as indexed, else from the file.

    Attributes:
        stale: Keys of the stems that the pack holds, but not as the catalog and the files have them.
    """

    def __init__(self, catalog: Catalog, pack: Pack) -> None:
        """Read stems of ``catalog``; entries that are out of date are not used, and a warning says so."""
        self._files = CatalogReader(catalog)
        self._pack = pack
        self._keys = catalog.column("key")
        places = {key: place for key in pack.entries if (place := _place(catalog, key)) is not None}
        fresh = [key for key, place in places.items() if _is_fresh(catalog, place, pack.entries[key])]
        self._current = frozenset(fresh)
        self.stale = tuple(key for key in places if key not in self._current)
        if self.stale:
            warnings.warn(
                _stale_message(catalog, pack, self.stale, len(places)), RuntimeWarning, stacklevel=3
            )

    @property
    def folder(self) -> Place:
        """Where the pack lies."""
        return self._pack.folder

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
        from mixlab.audio._kernels import mix as mix_kernels

        integers, head, scale = found
        end = head + integers.shape[1]
        out[:, :head] = 0.0
        out[:, end:] = 0.0
        for channel, row in zip(integers, out, strict=True):
            mix_kernels.scale_integers(channel, scale * gain, row[head:end])

    def integers(
        self, stem: int, start_s: float, samples: int, sample_rate: int, channels: int
    ) -> tuple[NDArray[np.int16], int, float] | None:
        """Return an excerpt as it lies in the pack, without copying it.

        Args:
            stem: Number of the stem in the catalog.
            start_s: Where the excerpt starts, in seconds; may be negative.
            samples: Its length.
            sample_rate: Its rate in Hz.
            channels: Its channels.

        Returns:
            int16 ``(channels, n)``, mapped and read-only: the part of the excerpt that lies within the
            stem; how many of ``samples`` come before it (silence, as what comes after it); and the factor
            from integers to samples. None where the stem is not in the pack, or at another rate or number of
            channels.
        """
        key = self._keys[stem]
        pack = self._pack
        if key not in self._current or (sample_rate, channels) != (pack.sample_rate, pack.channels):
            return None
        start = round(start_s * sample_rate)
        first, last = self._bounds(key, start, samples)
        integers, scale = pack.span(key, first, last)
        return integers, min(first - start, samples) if start < 0 else 0, scale

    def _bounds(self, key: str, start: int, samples: int) -> tuple[int, int]:
        """Return the part of an excerpt that lies within a stem."""
        total = self._pack.entries[key].samples
        first = min(max(start, 0), total)
        return first, max(min(start + samples, total), first)

    @property
    def is_remote(self) -> bool:
        """Whether the pack lies at a URL, so that it pays to say beforehand what will be read."""
        return isinstance(self._pack.folder, RemotePath)

    def sharing(self, spans: Iterable[Span]) -> "PackReader":
        """Return a reader for a set of spans; of a pack at a URL, it has fetched them all at the same time.

        Raises:
            RemoteError: the URL cannot be reached, or a shard has changed since it was first read.
        """
        if not self.is_remote:
            return self
        wanted, size, rate = dict[tuple[str, int, int], None](), 0, self._pack.sample_rate
        for stem, start_s, length_s in spans:
            key = self._keys[stem]
            if key in self._current:
                first, last = self._bounds(key, round(start_s * rate), round(length_s * rate))
                size += 2 * self._pack.channels * (last - first)
                if size <= _AHEAD_BYTES:
                    wanted[key, first, last] = None
        try:
            found = self._pack.fetch(list(wanted))
        except AudioError:
            return self  # whoever needs the stem that is damaged will say so
        ahead = copy(self)
        ahead._pack = _Fetched(self._pack, dict(zip(wanted, found, strict=True)))
        return ahead


def _is_fresh(catalog: Catalog, stem: int, entry: Entry) -> bool:
    """Tell whether a pack's entry holds the audio that a catalog describes and its file still has."""
    if fingerprint(catalog, stem) != entry.fingerprint:
        return False
    try:
        path = catalog.audio_path(stem)
    except CatalogError:  # the corpus is not at hand
        return True
    # A file at a URL is not asked for: a request for each stem, and none would say when it was changed.
    mark = file_mark(path) if isinstance(path, Path) else None
    if mark is None:
        return True
    known = int(catalog.column("size")[stem]), int(catalog.column("mtime_ns")[stem])
    return is_same_file(mark, known) or is_same_file(mark, (entry.size, entry.time_ns))


def _stale_message(catalog: Catalog, pack: Pack, stale: Sequence[str], of: int) -> str:
    indexed, *subsets = _homes(catalog)[::-1]
    again = "".join(f"'mixlab subset' again for {folder}, " for folder in subsets)
    home = next((home for home in _homes(catalog) if str(pack.folder).startswith(f"{home}{os.sep}")), None)
    return (
        f"The pack {pack.folder} is out of date for {len(stale)} of {of} stems, such as {stale[0]!r}: their "
        "files have changed since they were packed, or since the catalog was made. They are read from the "
        f"files. Run 'mixlab index' for {indexed} if it is older than the files, {again}then 'mixlab pack"
        f"{f' {home}' if home else ''}'."
    )


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
        pack: ``auto`` uses the catalog's own pack where there is one of this rate and these channels, or,
            of a subset, that of a catalog that it was made of; a folder uses the pack in it; None reads from
            the files.

    Raises:
        CatalogError: the folder given holds no pack, or one of another rate or number of channels.
    """
    if pack is None:
        return CatalogReader(catalog)
    folder = find_pack(catalog, sample_rate, channels) if pack == "auto" else as_place(pack)
    if folder is None:
        return CatalogReader(catalog)
    opened = Pack(folder)
    if (opened.sample_rate, opened.channels) != (sample_rate, channels):
        raise CatalogError(
            f"The mixes have {sample_rate} Hz and {channels} channels, the pack in {folder} "
            f"{opened.sample_rate} Hz and {opened.channels}. Make one with "
            f"'mixlab pack --sample_rate {sample_rate} --channels {channels}'.",
            code="pack-mismatch",
        )
    return PackReader(catalog, opened)
