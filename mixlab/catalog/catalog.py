"""The catalog: one table of stems plus their measured activity, in a folder of its own.

A catalog folder holds ``stems.parquet`` (one row per stem), ``activity.npy`` (every RMS envelope end
to end), ``active.npy`` (running counts of active hops), ``problems.csv`` and ``catalog.json`` (schema
version, roots, content hash). It never holds audio. Opening one is quick and cheap on memory: the
table is decoded column by column when asked for, the envelopes are memory-mapped, and worker
processes share their pages.
"""

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mixlab.catalog.fetching import fetch_catalog, find_origin
from mixlab.catalog.splits import SPLITS, Song, SplitResult, assign_splits, plain_name
from mixlab.catalog.storage import (
    ACTIVITY_DB,
    PROBLEM_FIELDS,
    PROBLEMS,
    SCHEMA,
    SCHEMA_VERSION,
    CatalogFiles,
    column_numbers,
    data_file,
    hash_content,
    load_files,
)
from mixlab.corpora.base import Problem
from mixlab.errors import CatalogError, CatalogMismatchError
from mixlab.taxonomy import load_taxonomy
from mixlab.utils.csv import unguarded
from mixlab.utils.remote import Place, RemotePath, as_place

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ACTIVITY_DB", "SCHEMA_VERSION", "Catalog", "Stem", "songs_from_columns"]


@dataclass(frozen=True)
class Stem:
    """One row of the catalog: a single-instrument file of a song.

    Attributes:
        key: ``corpus/song/stem``, unique within the catalog.
        corpus: Name of the corpus, which is also the name of its root.
        song: Id of the song within its corpus.
        stem: Id of the stem within its song.
        part: The stem's node ids joined with ``|``; stems of one song with one part are double tracks.
        path: Path below the corpus root, POSIX separators.
        labels: Raw labels of the corpus.
        nodes: Taxonomy nodes; several mean that where the stem sounds at least one of them does.
        ignored: Why the stem has no node, or '' for a usable stem.
        family: The family that all nodes share, or ''.
        artist: Artist group, or '' where the corpus names none.
        title: Title of the song, or ''.
        album: Title of the album, or ''.
        genre: Genre as the corpus states it, or ''.
        corpus_split: The corpus's own split, or ''.
        split: ``train``, ``validation`` or ``test``.
        groups: Further keys that must not cross splits.
        bleed: The file may hold sound of other instruments.
        bleed_nodes: Which ones; ``*`` stands for any.
        gain: Linear factor at which the stem sums to the song's mix.
        offset_s: Time of the first sample within the song, in seconds.
        licence: Licence of the audio.
        sample_rate: In Hz; 0 for an unreadable file.
        frames: Samples per channel that really decode.
        channels: Number of channels.
        duration_s: ``frames / sample_rate``.
        loudness_lufs: Integrated loudness (ITU-R BS.1770-4); NaN when silent or under 0.4 s.
        peak_db: Highest sample in dBFS, -120 for silence.
        audio_hash: 16 hex digits that name the decoded samples; '' where nothing decodes.
        time_reference: The file's own time stamp in samples since midnight, -1 where it has none.
        active_s: Time at or above the activity threshold, in seconds.
        hop_offset: First entry of the envelope in ``activity.npy``.
        n_hops: Length of the envelope.
        active_offset: First entry of the running count in ``active.npy`` (``n_hops + 1`` entries).
        problems: Kinds of problems found, such as ``clipped``.
        size: Size of the file in bytes.
        mtime_ns: Time of the file's last change.
        drawable: Nodes are known and there is sound to sample.

    Example:
        >>> from mixlab import Catalog
        >>> stem = Catalog.open("my-catalog").stem(0)
        >>> stem.labels, stem.nodes, stem.family
        (('drum set',), ('drums',), 'percussion')
    """

    key: str
    corpus: str
    song: str
    stem: str
    part: str
    path: str
    labels: tuple[str, ...]
    nodes: tuple[str, ...]
    ignored: str
    family: str
    artist: str
    title: str
    album: str
    genre: str
    corpus_split: str
    split: str
    groups: tuple[str, ...]
    bleed: bool
    bleed_nodes: tuple[str, ...]
    gain: float
    offset_s: float
    licence: str
    sample_rate: int
    frames: int
    channels: int
    duration_s: float
    loudness_lufs: float
    peak_db: float
    audio_hash: str
    time_reference: int
    active_s: float
    hop_offset: int
    n_hops: int
    active_offset: int
    problems: tuple[str, ...]
    size: int
    mtime_ns: int
    drawable: bool


def _array(column: pa.ChunkedArray) -> NDArray[Any]:
    """Turn a column into NumPy: numbers as they are, texts as objects, lists as tuples; read-only.

    Equal texts and equal lists are one object: most columns repeat a few values thousands of times.
    """
    kind = column.type
    known: dict[Any, Any] = {}
    if pa.types.is_list(kind):
        rows = column.combine_chunks()
        if isinstance(rows, pa.ChunkedArray):  # a column without rows keeps its chunks
            rows = pa.concat_arrays(rows.chunks) if rows.num_chunks else pa.array([], kind)
        values = [known.setdefault(value, value) for value in rows.flatten().to_pylist()]
        offsets = rows.offsets.to_pylist()
        first = offsets[0] if offsets else 0
        out = np.empty(len(rows), dtype=object)
        for i in range(len(rows)):
            row = tuple(values[offsets[i] - first : offsets[i + 1] - first])
            out[i] = known.setdefault(row, row)
    elif pa.types.is_string(kind):
        out = np.empty(len(column), dtype=object)
        out[:] = [known.setdefault(value, value) for value in column.to_pylist()]
    else:
        out = column_numbers(column)
    out.flags.writeable = False
    return out


SONG_COLUMNS = ("corpus", "song", "artist", "groups", "family", "nodes", "corpus_split", "drawable")
"""What the division of songs depends on."""


def _certain_instruments(nodes: tuple[str, ...]) -> frozenset[str]:
    """Return the nodes below the families that sound wherever a stem with ``nodes`` does."""
    taxonomy = load_taxonomy()
    if not nodes or not set(nodes) <= taxonomy.nodes.keys():
        return frozenset()
    return frozenset.intersection(*(taxonomy.closure([node]) for node in nodes)) - set(taxonomy.families)


def songs_from_columns(columns: Mapping[str, Sequence[Any] | NDArray[Any]]) -> list[Song]:
    """Gather the rows of a catalog into songs, in the order of their first rows.

    Args:
        columns: The columns of ``SONG_COLUMNS``.
    """
    closures: dict[tuple[str, ...], frozenset[str]] = {}
    songs: dict[str, dict[str, Any]] = {}
    for corpus, song, artist, groups, family, nodes, own, drawable in zip(
        *(columns[name] for name in SONG_COLUMNS), strict=True
    ):
        entry = songs.setdefault(
            f"{corpus}/{song}",
            {
                "corpus": corpus,
                "artist": artist,
                "groups": set(),
                "families": set(),
                "instruments": set(),
                "own": "",
                "usable": False,
            },
        )
        entry["groups"].update(groups)
        if artist and entry["artist"] and artist != entry["artist"]:
            entry["groups"].add(f"artist:{plain_name(artist)}")
        entry["artist"] = entry["artist"] or artist
        entry["own"] = entry["own"] or own
        if drawable:
            entry["usable"] = True
            if family:
                entry["families"].add(family)
            if nodes not in closures:
                closures[nodes] = _certain_instruments(nodes)
            entry["instruments"] |= closures[nodes]
    return [
        Song(
            key,
            entry["corpus"],
            entry["artist"],
            tuple(sorted(entry["groups"])),
            frozenset(entry["families"]),
            entry["own"],
            entry["usable"],
            frozenset(entry["instruments"]),
        )
        for key, entry in songs.items()
    ]


class Catalog:
    """A read-only view of a catalog folder.

    Attributes:
        path: The folder, absolute; of a catalog at a URL, that of the copy of its tables.
        origin: The URL that it was fetched from, or None.
        content_hash: Names what can be sampled: rows, activity and splits, but not where the audio lies.
        base_hash: Names rows and activity alone, whatever the splits.
        roots: Folder of each corpus, a path or a URL.
        split_method: How the songs were split: ``artist``, ``random`` or ``corpus``.
        split_seed: Seed of the split.
        activity_db: Threshold behind ``active_cumulative``, in dBFS.
        measure_version: Version of the measuring behind its numbers.
        subset_of: Of a subset (``mixlab.catalog.subset``), what it was made of, the first catalog first:
            ``path``, ``content_hash``, ``filters``, and these in words as ``kept``. Else empty.
        derived: What others compute from this catalog and keep with it, by a name of theirs.

    Example:
        >>> from mixlab import Catalog
        >>> catalog = Catalog.open("my-catalog")
        >>> len(catalog), catalog.stem(0).key
        (130, 'folder/song00/00_drumset')
        >>> sorted(set(catalog.column("split")))
        ['test', 'train', 'validation']
    """

    def __init__(self, files: CatalogFiles, path: Path, overrides: Mapping[str, Place]) -> None:
        """Wrap what ``Catalog.open`` has read; use that to get one."""
        self._files = files
        self._n_rows = int(files.table.num_rows)
        # The same memory map as a plain array: slicing a ``memmap`` costs several times as much.
        self._active = np.asarray(files.active)
        self._overrides = dict(overrides)
        self._columns: dict[str, NDArray[Any]] = {}
        self._index: dict[str, int] | None = None
        self._splits: NDArray[np.int8] | None = None
        self._checked_roots: set[str] = set()
        self.derived: dict[str, Any] = {}
        meta = files.meta
        self.path = path
        self.origin = find_origin(path)
        self.content_hash: str = meta["content_hash"]
        self.base_hash: str = meta["base_hash"]
        self.follow_links: bool = meta.get("follow_links", False)
        self.split_method: str = meta["split"]["method"]
        self.split_seed: int = meta["split"]["seed"]
        self.activity_db: float = meta["activity_db"]
        self.measure_version: int = meta["measure_version"]
        self.subset_of: tuple[dict[str, Any], ...] = tuple(
            {**one, "path": str(self._stored_root(one))} for one in meta.get("subset_of", ())
        )
        self.roots: dict[str, Place] = {
            name: overrides.get(name) or self._stored_root(stored) for name, stored in meta["roots"].items()
        }

    @classmethod
    def open(
        cls, path: str | os.PathLike[str] | RemotePath, roots: Mapping[str, str | Place] | None = None
    ) -> "Catalog":
        """Open a catalog folder.

        Args:
            path: The folder that ``mixlab index`` wrote, or its URL (``https://host/catalog``,
                ``s3://bucket/catalog``), from which the tables are fetched once (``docs/remote.md``).
            roots: Where corpora lie now, by corpus name, if they have moved: folders or URLs.

        Raises:
            CatalogError: the folder is missing, damaged or of another schema version, or ``roots``
                names a corpus that the catalog does not hold.
            RemoteError: a URL cannot be reached.
            ConfigError: a URL holds a password, or is of no protocol that is known.
        """
        place = _absolute(path)
        folder = fetch_catalog(place) if isinstance(place, RemotePath) else place
        files = load_files(folder)
        overrides = {name: _absolute(root) for name, root in (roots or {}).items()}
        unknown = sorted(set(overrides) - set(files.meta["roots"]))
        if unknown:
            raise CatalogError(
                f"Roots given for {', '.join(unknown)}, but {place} holds "
                f"{', '.join(files.meta['roots']) or 'no corpus'}. Check the names before the '='.",
                code="unknown-corpus",
            )
        return cls(files, folder, overrides)

    def _stored_root(self, stored: Mapping[str, str]) -> Place:
        # The relative form wins, so that a folder with catalog and audio can be copied or moved whole.
        relative, absolute = stored.get("relative"), as_place(stored["path"])
        if self.origin is not None:
            at_hand = isinstance(absolute, Path) and absolute.is_dir()
            return absolute if at_hand or not relative else self.origin.beside(relative)
        if relative:
            beside = Path(os.path.normpath(self.path / relative))
            if beside.is_dir():
                return beside
        return absolute

    @property
    def place(self) -> str:
        """Where it was opened from: its URL, or its folder."""
        return str(self.origin or self.path)

    @property
    def n_stems(self) -> int:
        """Number of rows."""
        return self._n_rows

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.n_stems

    def __repr__(self) -> str:
        """Say where it lies and what it holds."""
        songs = list(self.split_songs().values())
        splits = ", ".join(f"{split} {songs.count(split)}" for split in SPLITS)
        stems = f"{self.n_stems} stems, {int(self.column('drawable').sum())} of them usable"
        corpora = ", ".join(self.roots) or "no corpus"
        return (
            f"Catalog({self.place!r}: {stems}, in {len(songs)} songs ({splits}) of {corpora}; "
            f"content {self.content_hash})"
        )

    @property
    def table(self) -> pa.Table:
        """All rows as an Arrow table, with this view's splits."""
        table = self._files.table
        if self._splits is None:
            return table
        at = table.column_names.index("split")
        return table.set_column(at, "split", pa.array(self.column("split").tolist(), pa.string()))

    def to_pandas(self) -> "pd.DataFrame":
        """Return all rows as a pandas data frame."""
        frame: pd.DataFrame = self.table.to_pandas()
        return frame

    def column(self, name: str) -> NDArray[Any]:
        """Return one column as a read-only array ``(n_stems,)``, decoded once.

        Texts come as objects, lists as objects that are tuples.

        Raises:
            CatalogError: there is no such column.
        """
        if name not in self._columns:
            if name not in SCHEMA.names:
                raise CatalogError(
                    f"The catalog has no column {name!r}; it has {', '.join(SCHEMA.names)}.",
                    code="unknown-column",
                )
            if name == "split" and self._splits is not None:
                names = np.array(SPLITS, dtype=object)[self._splits]
                names.flags.writeable = False
                self._columns[name] = names
            else:
                try:
                    self._columns[name] = _array(self._files.table.column(name))
                except UnicodeDecodeError as error:
                    raise CatalogError(
                        f"{self.path}/stems.parquet is damaged: a text in its column {name!r} is not UTF-8 "
                        f"({error}). Run mixlab index {self.path} again.",
                        code="catalog-damaged",
                    ) from error
        return self._columns[name]

    def _check_row(self, i: int) -> int:
        if not 0 <= i < self.n_stems:
            raise CatalogError(
                f"Expected a row between 0 and {self.n_stems - 1}, got {i}.", code="invalid-row"
            )
        return int(i)

    def stem(self, i: int) -> Stem:
        """Return row ``i`` as a value."""
        i = self._check_row(i)
        values = {name: self.column(name)[i] for name in SCHEMA.names}
        return Stem(**{k: v.item() if isinstance(v, np.generic) else v for k, v in values.items()})

    def find(self, key: str) -> int:
        """Return the row of a stem by its key ``corpus/song/stem``.

        Raises:
            CatalogError: there is no such stem.
        """
        if self._index is None:
            self._index = {name: i for i, name in enumerate(self.column("key"))}
        try:
            return self._index[key]
        except KeyError:
            raise CatalogError(
                f"Stem {key!r} is not in the catalog {self.path} ({self.n_stems} stems). "
                "Keys read corpus/song/stem; it may have been removed or renamed since.",
                code="unknown-stem",
            ) from None

    def audio_path(self, i: int) -> Place:
        """Return the absolute path of row ``i``'s file, or its URL.

        Raises:
            CatalogError: the root of its corpus is missing, or the stored path would leave it.
        """
        i = self._check_row(i)
        corpus, relative = str(self.column("corpus")[i]), PurePosixPath(self.column("path")[i])
        root = self.roots.get(corpus)
        if root is None:
            raise CatalogError(
                f"The catalog {self.path} knows no root for corpus {corpus!r}.", code="root-not-found"
            )
        if relative.is_absolute() or ".." in relative.parts or "\0" in str(relative):
            raise CatalogError(
                f"Stem {self.column('key')[i]!r} has the path {str(relative)!r}, which leaves its root "
                f"{root}. Run mixlab index {self.path} again.",
                code="path-outside-root",
            )
        if isinstance(root, RemotePath):
            return root.joinpath(*relative.parts)
        if corpus not in self._checked_roots:
            if not root.is_dir():
                raise CatalogError(
                    f"The root of {corpus}, {root}, does not exist. If the audio has moved, say where: "
                    f"--root {corpus}=/new/place, or Catalog.open(path, roots={{{corpus!r}: '/new/place'}}).",
                    code="root-not-found",
                )
            self._checked_roots.add(corpus)
        return root.joinpath(*relative.parts)

    def envelope(self, i: int) -> NDArray[np.float16]:
        """Return row ``i``'s RMS envelope in dBFS per 100 ms, float16 ``(n_hops,)``, memory-mapped."""
        i = self._check_row(i)
        start = int(self.column("hop_offset")[i])
        return self._files.activity[start : start + int(self.column("n_hops")[i])]

    def active_cumulative(self, i: int) -> NDArray[np.uint32]:
        """Return how many hops before each hop are active, uint32 ``(n_hops + 1,)``, memory-mapped."""
        if not 0 <= i < self._n_rows:
            self._check_row(i)
        starts, hops = self._active_places
        return self._active[starts[i] : starts[i] + hops[i] + 1]

    @cached_property
    def _active_places(self) -> tuple[memoryview, memoryview]:
        """Where each row's running counts begin, and its hops; indexing gives Python's own integers."""
        begin, hops = (np.ascontiguousarray(self.column(name)) for name in ("active_offset", "n_hops"))
        return begin.data, hops.data

    def problems(self) -> list[Problem]:
        """Read ``problems.csv``.

        Raises:
            CatalogError: the file is missing or damaged.
        """
        path = data_file(self.path, PROBLEMS, str(self._files.meta["generation"]))
        try:
            with path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
                return [Problem(**{k: unguarded(row[k]) for k in PROBLEM_FIELDS}) for row in rows]
        except (OSError, KeyError, AttributeError, csv.Error, UnicodeDecodeError) as error:
            raise CatalogError(
                f"{path} is missing or damaged: {error!r}. Run mixlab index again.", code="catalog-damaged"
            ) from error

    def songs(self) -> list[Song]:
        """Gather the rows into songs."""
        return songs_from_columns({name: self.column(name) for name in SONG_COLUMNS})

    def split_songs(self) -> dict[str, str]:
        """Return the split of each song by its key ``corpus/song``."""
        columns = (self.column(name) for name in ("corpus", "song", "split"))
        return {f"{corpus}/{song}": split for corpus, song, split in zip(*columns, strict=True)}

    def with_splits(self, method: str, seed: int = 0) -> "Catalog":
        """Return a view with other splits; files are not touched, the content hash differs.

        Args:
            method: ``artist``, ``random`` or ``corpus``.
            seed: Seed of the assignment.

        Raises:
            ConfigError: there is no such method.
        """
        result = assign_splits(self.songs(), method, seed)
        return self._view(self._split_codes(result), method, seed)

    def _split_codes(self, result: SplitResult) -> NDArray[np.int8]:
        code = {name: i for i, name in enumerate(SPLITS)}
        keys = zip(self.column("corpus"), self.column("song"), strict=True)
        return np.array([code[result.assignment[f"{c}/{s}"]] for c, s in keys], dtype=np.int8)

    def _view(self, codes: NDArray[np.int8], method: str, seed: int) -> "Catalog":
        view = Catalog(self._files, self.path, self._overrides)
        view._columns = {k: v for k, v in self._columns.items() if k != "split"}
        view._splits = codes
        view.split_method, view.split_seed = method, seed
        view.content_hash = hash_content(self.base_hash, view.column("split"))
        return view

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as path, roots and splits; the receiving process maps the files itself."""
        view = None if self._splits is None else (self._splits, self.split_method, self.split_seed)
        # The copy of one at a URL is on this machine alone; what else it may have is told by the place.
        places = (str(self.path), self.place)
        return _reopen, (places, self._overrides, view, self.content_hash)


def _absolute(given: str | os.PathLike[str] | RemotePath) -> Place:
    place = as_place(given)
    return place.expanduser().absolute() if isinstance(place, Path) else place


def _reopen(
    places: tuple[str, str],
    overrides: Mapping[str, Place],
    view: Any,  # noqa: ANN401
    content_hash: str,
) -> Catalog:
    path, place = places
    if path != place and not Path(path).is_dir():
        path = place
    catalog = Catalog.open(path, overrides)
    if view is not None and len(view[0]) == len(catalog):
        catalog = catalog._view(*view)
    if catalog.content_hash != content_hash:
        raise CatalogMismatchError(
            f"The catalog {path} was rewritten while it was in use: expected content {content_hash}, "
            f"found {catalog.content_hash}. Open it again.",
            code="catalog-changed",
        )
    return catalog
