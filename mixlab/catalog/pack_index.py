"""What a pack says that it holds: ``pack.json`` and the JSON file of each shard, checked when they are read.

Both carry a checksum of their entries, that of a shard one of its samples, too. An index is used only where
it is what was written, names shards of this folder alone, and gives every stem a place of its own within one.
"""

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from hashlib import blake2b
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import Any

from mixlab.audio.io import HIGHEST_RATE, LOWEST_RATE, MOST_CHANNELS
from mixlab.errors import CatalogError
from mixlab.utils.files import write_atomic
from mixlab.utils.remote import Place, RemoteBytes

__all__ = [
    "INDEX",
    "PACK_VERSION",
    "Entry",
    "PackIndex",
    "Shard",
    "file_checksum",
    "read_index",
    "read_shard",
    "verify_pack",
    "write_index",
    "write_shard_index",
]

PACK_VERSION = 3
INDEX = "pack.json"

_SHARD = re.compile(r"shard-\d{5,9}-[0-9a-f]{16}\.i16")
_ENTRIES = '"entries": '
_MOST = 1 << 48
"""Offsets and lengths lie far below."""

_BLOCK = 1 << 22


@dataclass(frozen=True)
class Entry:
    """Where a stem lies in a pack.

    Attributes:
        key: Key of the stem.
        fingerprint: Of the audio it was made from; another one means that the pack is out of date.
        shard: File name of the shard.
        offset: First sample of its first channel in the shard.
        samples: Samples per channel; the channels follow one another.
        scale: Factor from integers to samples.
        size: Of the file when it was packed, in bytes.
        time_ns: Of the file's last change then.
    """

    key: str
    fingerprint: str
    shard: str
    offset: int
    samples: int
    scale: float
    size: int = -1
    time_ns: int = 0


_TYPES: dict[str, type] = {
    "key": str,
    "fingerprint": str,
    "shard": str,
    "offset": int,
    "samples": int,
    "scale": float,
    "size": int,
    "time_ns": int,
}


@dataclass(frozen=True)
class PackIndex:
    """The content of ``pack.json``.

    Attributes:
        sample_rate: In Hz.
        channels: Number of channels.
        entries: Of each stem, by its key.
        raw: The file's bytes.
    """

    sample_rate: int
    channels: int
    entries: Mapping[str, Entry]
    raw: bytes

    @property
    def shard_sizes(self) -> dict[str, int]:
        """Bytes that each shard has at least, by its name."""
        ends: dict[str, int] = defaultdict(int)
        for entry in self.entries.values():
            ends[entry.shard] = max(ends[entry.shard], 2 * (entry.offset + entry.samples * self.channels))
        return dict(ends)


@dataclass(frozen=True)
class Shard:
    """The content of a shard's JSON file.

    Attributes:
        identity: Hash of what it should hold.
        checksum: Of its samples.
        size: Of these in bytes.
        entries: Of its stems, in their order.
        problems: Stems that could not be read, and why.
    """

    identity: str
    checksum: str
    size: int
    entries: tuple[Entry, ...]
    problems: tuple[str, ...]


class _FaultError(ValueError):
    """Says what was expected of an index and what was found."""


def _text_checksum(text: str) -> str:
    return blake2b(text.encode(), digest_size=16).hexdigest()


def file_checksum(path: Place) -> str:
    """Return the checksum of a file, as a shard's JSON file has it: 32 hexadecimal digits.

    Raises:
        OSError: it cannot be read.
        RemoteError: its URL cannot be reached.
    """
    digest = blake2b(digest_size=16)
    if not isinstance(path, Path):
        data = RemoteBytes(path)
        for start in range(0, len(data), _BLOCK):
            digest.update(data[start : start + _BLOCK])
        return digest.hexdigest()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _write(path: Path, head: Mapping[str, Any], entries: Iterable[Entry]) -> None:
    """Write a JSON object that ends with its entries, of whose text it holds a checksum."""
    text = json.dumps([asdict(entry) for entry in entries])
    start = json.dumps({**head, "entries_checksum": _text_checksum(text)})
    write_atomic(path, f"{start[:-1]}, {_ENTRIES}{text}}}")


def write_index(folder: Path, sample_rate: int, channels: int, entries: Iterable[Entry]) -> None:
    """Write ``pack.json``.

    Raises:
        OutputError: it cannot be written.
    """
    head = {"version": PACK_VERSION, "sample_rate": sample_rate, "channels": channels}
    _write(folder / INDEX, head, entries)


def write_shard_index(path: Path, shard: Shard) -> None:
    """Write the JSON file beside a shard.

    Raises:
        OutputError: it cannot be written.
    """
    told = {"identity": shard.identity, "checksum": shard.checksum, "bytes": shard.size}
    head = {**told, "problems": list(shard.problems)}
    _write(path.with_suffix(".json"), head, shard.entries)


def _parse(text: str) -> tuple[dict[str, Any], bool]:
    """Return the object, and whether its entries are told to be what was written: older packs do not say."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _FaultError(f"expected JSON, found {error}") from error
    if not isinstance(document, dict):
        raise _FaultError("expected an object")
    checksum = document.get("entries_checksum")
    if checksum is not None and checksum != _text_checksum(text.partition(_ENTRIES)[2][:-1]):
        raise _FaultError(f"expected entries of the checksum {checksum}, found others than were written")
    return document, checksum is not None


def _integer(document: Mapping[str, Any], name: str, least: int, most: int) -> int:
    value = document.get(name)
    if type(value) is not int or not least <= value <= most:
        raise _FaultError(f"expected a number from {least} to {most} as {name!r}, found {value!r:.80}")
    return value


def _entries(document: Mapping[str, Any]) -> list[Entry]:
    """Return the entries, whose values are of the right types and in bounds, each for itself."""
    found = document.get("entries")
    if not isinstance(found, list):
        raise _FaultError("expected a list of entries")
    try:
        entries = [Entry(**one) for one in found]
    except TypeError as error:
        raise _FaultError(f"expected entries with {', '.join(_TYPES)}, found another: {error}") from error
    # A column at a time: a pack may have tens of thousands of stems, and is opened by every worker.
    columns = {field.name: list(map(attrgetter(field.name), entries)) for field in fields(Entry)}
    for name, kind in _TYPES.items():
        if not set(map(type, columns[name])) <= {kind}:
            wrong = next(value for value in columns[name] if type(value) is not kind)
            raise _FaultError(f"expected {kind.__name__} as {name!r}, found {wrong!r:.80}")
    if entries and (
        min(columns["offset"]) < 0
        or min(columns["samples"]) < 1
        or max(columns["offset"]) > _MOST
        or max(columns["samples"]) > _MOST
    ):
        raise _FaultError("expected offsets from 0 and samples from 1 on, found one beyond")
    if not all(0.0 < scale < math.inf for scale in columns["scale"]):
        raise _FaultError("expected scales above 0 and finite, found one that is not")
    for shard in set(columns["shard"]):
        if not _SHARD.fullmatch(shard):
            raise _FaultError(
                f"expected names of shards such as shard-00000-0123456789abcdef.i16, found {shard!r:.80}"
            )
    return entries


def _check_places(entries: Iterable[Entry], channels: int) -> None:
    """See to it that no two stems share samples of a shard."""
    by_shard: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_shard[entry.shard].append(entry)
    for shard, there in by_shard.items():
        there.sort(key=attrgetter("offset"))
        for one, other in pairwise(there):
            if one.offset + one.samples * channels > other.offset:
                raise _FaultError(
                    f"expected a place of its own for each stem, found {one.key!r:.80} and "
                    f"{other.key!r:.80} in the same of {shard}"
                )


def read_index(folder: Place) -> PackIndex:
    """Read ``pack.json``.

    Raises:
        CatalogError: there is none, it is damaged, or of another version.
    """
    path = folder / INDEX
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise CatalogError(
            f"Expected a pack at {folder}: {error}. Make one with 'mixlab pack'.", code="pack-not-found"
        ) from error
    try:
        document, is_told = _parse(raw.decode())
        if document.get("version") != PACK_VERSION:
            raise CatalogError(
                f"{path} is of version {document.get('version')!r:.80}, this mixlab reads {PACK_VERSION}. "
                "Remove the folder and run 'mixlab pack' again.",
                code="pack-version",
            )
        sample_rate = _integer(document, "sample_rate", LOWEST_RATE, HIGHEST_RATE)
        channels = _integer(document, "channels", 1, MOST_CHANNELS)
        entries = _entries(document)
        by_key = {entry.key: entry for entry in entries}
        if len(by_key) != len(entries):
            raise _FaultError("expected each stem once, found one twice")
        _check_places(entries, channels)
        if not is_told:
            _compare_with_shards(folder, entries, channels)
    except (_FaultError, UnicodeDecodeError) as error:
        raise damaged(path, str(error)) from error
    return PackIndex(sample_rate, channels, by_key, raw)


def damaged(path: Place, what: str) -> CatalogError:
    """Return the error of a pack of which a file is not what was written."""
    return CatalogError(
        f"{path} of a pack is damaged: {what}. Run 'mixlab pack' again: it makes anew what is damaged.",
        code="pack-damaged",
    )


def read_shard(path: Place, channels: int) -> Shard:
    """Read the JSON file beside a shard, and see to it that its entries fill the shard in their order.

    Args:
        path: The shard.
        channels: Of the pack.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged.
    """
    document, _ = _parse(path.with_suffix(".json").read_bytes().decode())
    size = _integer(document, "bytes", 0, _MOST)
    entries, at = _entries(document), 0
    for entry in entries:
        if (entry.shard, entry.offset) != (path.name, at):
            raise _FaultError(
                f"expected {entry.key!r:.80} at sample {at} of {path.name}, found it at "
                f"{entry.offset} of {entry.shard}"
            )
        at += entry.samples * channels
    if 2 * at != size:
        raise _FaultError(f"expected {size} bytes of stems, found {2 * at}")
    problems = document.get("problems")
    texts = [document.get("identity"), document.get("checksum")]
    if not isinstance(problems, list) or not all(isinstance(text, str) for text in [*texts, *problems]):
        raise _FaultError("expected texts as 'identity', 'checksum' and 'problems'")
    return Shard(document["identity"], document["checksum"], size, tuple(entries), tuple(problems))


def _by_shard(entries: Iterable[Entry]) -> dict[str, dict[str, Entry]]:
    found: dict[str, dict[str, Entry]] = defaultdict(dict)
    for entry in entries:
        found[entry.shard][entry.key] = entry
    return found


def _compare_with_shards(folder: Place, entries: Iterable[Entry], channels: int) -> None:
    """Compare an index without a checksum of its own, of an older release, with the files of its shards."""
    for name, there in _by_shard(entries).items():
        if fault := _differs(folder / name, there, channels):
            raise _FaultError(fault)


def _differs(path: Place, entries: Mapping[str, Entry], channels: int) -> str:
    """Say in what the entries of a shard differ from those in its own file; '' where they do not."""
    try:
        shard = read_shard(path, channels)
    except (OSError, ValueError) as error:
        return f"the file beside {path.name} cannot be read: {error}"
    own = {entry.key: entry for entry in shard.entries}
    for key, entry in entries.items():
        if own.get(key) != entry:
            return f"expected {key!r:.80} as the file beside {path.name} has it, found another place or scale"
    missing = own.keys() - entries.keys()
    return f"expected all stems of {path.name}, found {len(missing)} of them left out" if missing else ""


def verify_pack(folder: Place) -> list[str]:
    """Compare the index, the files of the shards and the samples in them with one another.

    Returns:
        What is wrong, a line each; nothing if all is as it was written.

    Raises:
        CatalogError: there is no pack, or one of another version.
    """
    try:
        index = read_index(folder)
    except CatalogError as error:
        if error.code != "pack-damaged":
            raise
        # What lies at a URL cannot be listed.
        there = sorted(folder.glob("shard-*.i16")) if isinstance(folder, Path) else []
        return [str(error), *_verify_shards(there)]
    wrong = []
    by_shard = _by_shard(index.entries.values())
    for name in sorted(by_shard):
        if fault := _differs(folder / name, by_shard[name], index.channels):
            wrong.append(f"{folder / INDEX}: {fault}")
    return wrong + _verify_shards([folder / name for name in sorted(by_shard)])


def _verify_shards(shards: Sequence[Place]) -> list[str]:
    wrong = []
    for path in shards:
        try:
            expected = json.loads(path.with_suffix(".json").read_bytes().decode())["checksum"]
            found = file_checksum(path)
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            wrong.append(f"{path}: it, or its checksum, cannot be read: {error}")
            continue
        if found != expected:
            wrong.append(f"{path}: expected checksum {expected}, found {found}")
    return wrong
