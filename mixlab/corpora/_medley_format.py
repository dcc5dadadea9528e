"""The MedleyDB song format, which Mixing Secrets uses too: one YAML file per song.

A song ``<id>`` is a folder with ``<id>_STEMS/`` and ``<id>_RAW/`` and a file
``<id>_METADATA.yaml``, beside the audio or in a metadata folder::

    artist: A Classic Education         # "has_bleed" and the like are the strings 'yes' and 'no'
    has_bleed: 'no'
    stem_dir: AClassicEducation_NightOwl_STEMS
    stems:
      S01:
        filename: AClassicEducation_NightOwl_STEM_01.wav
        instrument: electric bass       # a list where several instruments share the file
        raw:
          R01: {filename: AClassicEducation_NightOwl_RAW_01_01.wav, instrument: electric bass}

This module finds the song folders and their YAML and reads it into plain values; what the values
mean (artists, bleed, gains) is decided by the two corpus modules.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixlab.audio.file_kinds import form, is_litter
from mixlab.corpora._fields import labels_of, mapping_of, text, truthy
from mixlab.corpora._paths import is_dir, is_file
from mixlab.corpora._song_folders import song_folders
from mixlab.corpora._tree import TreeScan
from mixlab.corpora.base import ScanOptions
from mixlab.errors import CorpusError

__all__ = [
    "UNSIGNED",
    "MetadataStore",
    "RawFile",
    "SongSheet",
    "StemFile",
    "find_song_folders",
    "known_extras",
    "metadata_folders",
    "parse_sheet",
    "sheet_labels",
]

_SUFFIX = "_METADATA.yaml"
_SUFFIXES = (_SUFFIX, "_METADATA.yml")
_METADATA_NAMES = frozenset({"metadata"})


@dataclass(frozen=True)
class RawFile:
    """One raw recording of a stem, as the sheet names it."""

    id: str
    filename: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class StemFile:
    """One stem of a song, as the sheet names it."""

    id: str
    filename: str
    labels: tuple[str, ...]
    raws: tuple[RawFile, ...]


@dataclass(frozen=True)
class SongSheet:
    """The fields of a METADATA.yaml that mixlab uses."""

    song: str
    artist: str
    title: str
    album: str
    genre: str
    has_bleed: bool
    stem_dir: str
    raw_dir: str
    stems: tuple[StemFile, ...]

    def files(self, raws: bool) -> Iterator[tuple[str, str, str, tuple[str, ...], StemFile]]:
        """Yield (stem id, folder, file name, labels, stem) of every stem, or of every raw."""
        for stem in self.stems:
            if not raws:
                yield stem.id, self.stem_dir, stem.filename, stem.labels, stem
            else:
                for raw in stem.raws:
                    yield f"{stem.id}_{raw.id}", self.raw_dir, raw.filename, raw.labels, stem


UNSIGNED = "sheet in MedleyDB's format, without origin"
"""A sheet that says neither corpus is MedleyDB's, unless Mixing Secrets is asked for."""


def sheet_labels(data: Mapping[Any, Any]) -> tuple[str, list[object]] | None:
    """Return a sheet's origin in lower case and the labels of its stems and raws; None for no sheet."""
    stems = [fields for fields in mapping_of(data.get("stems")).values() if isinstance(fields, dict)]
    if not any("instrument" in fields for fields in stems):
        return None
    labels: list[object] = []
    for fields in stems:
        for entry in (fields, *mapping_of(fields.get("raw")).values()):
            value = mapping_of(entry).get("instrument") if isinstance(entry, dict) else []
            labels += value if isinstance(value, list) else [value or ""]
    return str(data.get("origin") or "").strip().casefold(), labels


def parse_sheet(song: str, data: Mapping[Any, Any]) -> tuple[SongSheet, list[tuple[str, str]]]:
    """Read the mapping of a METADATA.yaml.

    Args:
        song: Song id, from the folder.
        data: The YAML document.

    Returns:
        The sheet, and what had to be left out as (stem id, message).
    """
    complaints: list[tuple[str, str]] = []
    stems = []
    listed = data.get("stems")
    if not isinstance(listed, dict) or not listed:
        complaints.append(
            ("", f"expected a mapping 'stems' with S01, S02, ..., found {type(listed).__name__}")
        )
    for key, fields in mapping_of(listed).items():
        stem_id = text(key)
        filename = text(mapping_of(fields).get("filename"))
        if not stem_id or not filename:
            complaints.append((stem_id, f"stem {stem_id!r} has no 'filename'"))
            continue
        stems.append(
            StemFile(stem_id, filename, labels_of(fields.get("instrument")), _raws(fields.get("raw")))
        )
    sheet = SongSheet(
        song=song,
        artist=text(data.get("artist")),
        title=text(data.get("title")),
        album=text(data.get("album")),
        genre=text(data.get("genre")),
        has_bleed=truthy(data.get("has_bleed")),
        stem_dir=text(data.get("stem_dir")) or f"{song}_STEMS",
        raw_dir=text(data.get("raw_dir")) or f"{song}_RAW",
        stems=tuple(sorted(stems, key=lambda stem: stem.id)),
    )
    return sheet, complaints


def _raws(value: object) -> tuple[RawFile, ...]:
    found = [
        RawFile(text(key), text(fields.get("filename")), labels_of(fields.get("instrument")))
        for key, fields in mapping_of(value).items()
        if isinstance(fields, dict) and text(key) and text(fields.get("filename"))
    ]
    return tuple(sorted(found, key=lambda raw: raw.id))


def find_song_folders(scan: TreeScan) -> list[Path]:
    """Return the song folders below the root, each song id once, in the order of their ids.

    A song folder holds ``<id>_METADATA.yaml``, ``<id>_STEMS`` or ``<id>_RAW``; the archives put it
    below ``Audio``, ``V1``, ``V2`` or directly below the root.
    """
    found = song_folders(
        scan,
        lambda folder: _is_song(scan, folder),
        lambda folder: folder.name.casefold() not in _METADATA_NAMES,
    )
    return [folder for folder in found if scan.claim_song(folder.name, folder)]


def _is_song(scan: TreeScan, folder: Path) -> bool:
    wanted = {form(f"{folder.name}{ending}") for ending in ("_STEMS", "_RAW", *_SUFFIXES)}
    return any(form(entry.name) in wanted for entry in scan.listing(folder))


def known_extras(songs: Iterable[Path], raws: bool) -> Callable[[Path], bool]:
    """Return what says of a path that it belongs to a song and holds no stem.

    That is the song's mix, its preview, and the folder of the recordings or stems that were not asked for.
    """
    known = set(songs)
    unasked = "_stems" if raws else "_raw"

    def is_extra(path: Path) -> bool:
        if path.parent not in known:
            return False
        name = form(path.stem)
        return name in (form(f"{path.parent.name}{unasked}"), form(f"{path.parent.name}_mix")) or (
            name.endswith("_preview")
        )

    return is_extra


def metadata_folders(options: ScanOptions) -> list[Path]:
    """Return the folders outside the root from which metadata may be read."""
    if options.metadata is None:
        return []
    return [options.metadata, options.metadata.parent / "resources"]


class MetadataStore:
    """Finds and reads the YAML of songs, and further files that travel with it.

    Args:
        scan: The scan that collects problems.
        options: ``options.metadata`` is searched first when given.
        folder_first: Whether a metadata folder below the root beats a file beside the audio.

    Raises:
        CorpusError: ``options.metadata`` is given and is no folder.
    """

    def __init__(self, scan: TreeScan, options: ScanOptions, *, folder_first: bool) -> None:
        if options.metadata is not None and not is_dir(options.metadata):
            raise CorpusError(
                f"Corpus {scan.corpus!r}: the metadata folder {options.metadata} does not exist. "
                f"Expected a folder with files named <song>{_SUFFIX}.",
                code="metadata-not-found",
            )
        self._scan = scan
        self._given = [options.metadata] if options.metadata is not None else []
        self._below = [f for f in scan.folders(scan.root) if f.name.casefold() in _METADATA_NAMES]
        self._folder_first = folder_first

    def sheet(self, folder: Path) -> SongSheet | None:
        """Return the sheet of the song in ``folder``; None, with a problem, if it cannot be used."""
        song = folder.name
        places = [*self._below, folder] if self._folder_first else [folder, *self._below]
        names = [(place, f"{song}{ending}") for place in (*self._given, *places) for ending in _SUFFIXES]
        found = (self._scan.child(place, name) for place, name in names)
        path = next((candidate for candidate in found if candidate is not None), None)
        if path is None:
            self._scan.problem(
                "bad-metadata",
                f"Expected {song}{_SUFFIX} beside the audio or in a metadata folder; found none. "
                "Name the folder that holds it with the metadata option.",
                song=song,
                path=folder,
            )
            return None
        data = self._scan.load_mapping(path, song=song)
        if data is None:
            return None
        sheet, complaints = parse_sheet(song, data)
        for stem, complaint in complaints:
            message = f"Metadata file {path.name!r}: {complaint}; left out."
            self._scan.problem("bad-metadata", message, song=song, stem=stem, path=path)
        return sheet

    def extra_files(self, pattern: str) -> list[Path]:
        """Return files matching ``pattern`` in the metadata folders, their ``resources``, or the root."""
        places = [*self._given, *self._below]
        beside = [place / "resources" for place in (self._scan.root, *(p.parent for p in places))]
        folders = dict.fromkeys([*places, self._scan.root, *beside])
        return [
            path
            for folder in folders
            if is_dir(folder)
            for path in sorted(folder.glob(pattern))
            if not is_litter(path.name)
            if is_file(path)
        ]
