"""Any dataset of the mirdata library that has multitracks, as the corpus ``mirdata:NAME``.

Source and licence: the dataset's own, as mirdata states them.
Layout: the folder that mirdata calls ``data_home``.

mirdata describes a dataset by an index file that ``dataset.download()`` fetches; nothing is
downloaded here. One track of a multitrack is one stem. Its label is the first of ``plugin_name``,
``midi_program_name`` (as ``program:...``) and ``instrument`` that it has, else what its id names;
its split is mirdata's, where there is one.

Traps, and what is done:

* Only a few datasets have multitracks; others are refused with the reason.
* Track attributes read metadata files when they are used and raise what those reads raise; that
  is a problem of the one track.
* Index paths are not trusted: files outside the root are problems.
* Slakh has an adapter of its own that reads more; ``mirdata:slakh`` gives the same labels.
"""

import os
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from mixlab.corpora._fields import labels_of, text
from mixlab.corpora._folder_words import split_of
from mixlab.corpora._keys import artist_keys, known_artist
from mixlab.corpora._names import folder_parser
from mixlab.corpora._skipped import list_skipped
from mixlab.corpora._tree import TreeScan, check_root, nothing_found
from mixlab.corpora.base import Scan, ScanOptions, StemEntry
from mixlab.corpora.metadata import MetadataFile
from mixlab.corpora.slakh import duplicate_keys, stem_labels
from mixlab.errors import CorpusError, MissingDependencyError
from mixlab.taxonomy import load_label_map

__all__ = ["PREFIX", "MirdataAdapter"]

PREFIX = "mirdata"


class MirdataAdapter:
    """Adapter for one mirdata dataset with multitracks.

    Args:
        dataset: Name of the dataset in mirdata.
        version: Version of the index; None tries all that are on the disk, the default first.
    """

    def __init__(self, dataset: str, version: str | None = None) -> None:
        self.dataset = dataset
        self.version = version
        self.name = f"{PREFIX}:{dataset}"
        self.label_map = "slakh" if dataset == "slakh" else "folder"
        self.licence = f"as stated by mirdata for {dataset}"
        self.citation = f"See mirdata.initialize({dataset!r}).cite()"
        self.description = f"Dataset {dataset} as the mirdata library describes it"

    def scan(self, root: Path, options: ScanOptions) -> Scan:
        """Read mirdata's index and return the stems found below ``root``.

        Raises:
            MissingDependencyError: mirdata is not installed.
            CorpusError: ``root`` is missing, the dataset is unknown, has no multitracks or no
                index on this machine, or none of its files lies below ``root``.
        """
        mirdata = _import_mirdata()
        root = check_root(root, self.name, f"the data_home of mirdata.initialize({self.dataset!r})")
        if self.dataset not in mirdata.list_datasets():
            raise CorpusError(
                f"mirdata has no dataset {self.dataset!r}; 'mirdata.list_datasets()' names those it has.",
                code="unknown-corpus",
            )
        scan = TreeScan(self.name, root, follow_links=options.follow_links)
        dataset = self._initialize(mirdata, scan)
        licence = text(getattr(dataset, "_license_info", "")) or self.licence
        for song in _strings(dataset.mtrack_ids):
            self._add_song(scan, dataset, song, licence)
        indexed = _indexed_files(dataset)
        list_skipped(scan, lambda path: scan.relative(path) in indexed)
        if not len(scan):
            raise nothing_found(root, self.name, "the files named in mirdata's index", self._download_hint())
        return scan.finish()

    def read_labels(self, file: MetadataFile) -> None:
        """Know no file: mirdata reads the dataset's metadata itself."""

    def _download_hint(self) -> str:
        return (
            "mixlab downloads nothing: run dataset.download() yourself, with "
            f"dataset = mirdata.initialize({self.dataset!r}, data_home=<root>)."
        )

    def _initialize(self, mirdata: Any, scan: TreeScan) -> Any:  # noqa: ANN401 - mirdata has no types
        """Return the dataset of the first version whose index is on this machine and fits the root."""
        module = import_module(f"mirdata.datasets.{self.dataset}")
        versions = [self.version] if self.version else ["default", *_other_versions(module)]
        usable = []
        for version in versions:
            try:
                dataset = mirdata.initialize(self.dataset, data_home=str(scan.root), version=version)
                if getattr(dataset, "_multitrack_class", None) is None or not dataset.mtrack_ids:
                    raise CorpusError(
                        f"mirdata's dataset {self.dataset!r} has no multitracks: there are no stems to mix. "
                        "Use a corpus with stems, or the 'folder' corpus on its files.",
                        code="no-multitracks",
                    )
            except FileNotFoundError:
                continue
            except (ValueError, KeyError, AttributeError) as error:
                raise CorpusError(
                    f"mirdata's index of {self.dataset!r} (version {version!r}) cannot be read: {error}. "
                    f"{self._download_hint()}",
                    code="unreadable-file",
                ) from error
            usable.append(dataset)
            if _fits(dataset, scan):
                return dataset
        if usable:
            return usable[0]
        raise CorpusError(
            f"mirdata's index of {self.dataset!r} is not on this machine. {self._download_hint()} "
            "(download(['index']) fetches the index alone.)",
            code="metadata-not-found",
        )

    def _add_song(self, scan: TreeScan, dataset: Any, song: str, licence: str) -> None:  # noqa: ANN401
        try:
            multitrack = dataset.multitrack(song)
            tracks = {stem: dataset.track(stem) for stem in _strings(multitrack.track_ids)}
        except _READ_ERRORS as error:
            scan.problem(
                "bad-metadata", f"mirdata cannot load multitrack {song!r}: {_reason(error)}.", song=song
            )
            return
        if not scan.claim_song(song.replace("/", "_"), scan.root / song):
            return
        artist = known_artist(text(_attribute(multitrack, "artist")))
        common: dict[str, Any] = {
            "song": song.replace("/", "_"),
            "artist": artist,
            "title": text(_attribute(multitrack, "title")) or song,
            "genre": text(_attribute(multitrack, "genre")),
            "groups": tuple(sorted({*artist_keys(artist), *_duplicate_keys(multitrack)})),
            "bleed": self.dataset in _BLEEDING,
            "licence": licence,
        }
        for track_id, track in tracks.items():
            split = text(_attribute(track, "split"))
            for stem, audio in _audio_files(_stem_id(track_id, song), track):
                path = _below(scan, audio, song, stem)
                if path is None:
                    continue
                try:
                    labels = self._labels(stem, track)
                except _READ_ERRORS as error:
                    message = f"mirdata cannot read track {track_id!r}: {_reason(error)}."
                    scan.problem("bad-metadata", message, song=song, stem=stem)
                    continue
                split = split_of(split)
                scan.add(StemEntry(stem=stem, path=path, labels=labels, corpus_split=split, **common))

    def _labels(self, stem: str, track: Any) -> tuple[str, ...]:  # noqa: ANN401
        if self.dataset in _LABELS:
            return (_LABELS[self.dataset],)
        fields = {name: getattr(track, name, None) for name in ("plugin_name", "midi_program_name")}
        return (
            stem_labels(fields, load_label_map(self.label_map))
            or labels_of(getattr(track, "instrument", None))
            or folder_parser().labels(stem)
        )


# What mirdata's loaders raise on files that are absent or not as expected.
_READ_ERRORS = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    AssertionError,
    RecursionError,
    yaml.YAMLError,
)
# Microphones of a choir, each in front of one singer, have no instrument attribute.
_LABELS = {"dagstuhl_choirset": "singer"}
# One room (the choir), and stems made by source separation (the jazz trios).
_BLEEDING = frozenset({"dagstuhl_choirset", "jtd"})
# Tried in this order; the choir has one path per microphone, the driest last.
_AUDIO_ATTRIBUTES = ("audio_path", "audio_paths", "audio_dyn_path", "audio_hsm_path", "audio_lrx_path")


def _import_mirdata() -> Any:  # noqa: ANN401 - mirdata has no types
    try:
        return import_module("mirdata")
    except ImportError as error:
        raise MissingDependencyError(
            f"Corpora named {PREFIX}:NAME need the package mirdata; install the extra 'corpora': "
            "pip install 'mixlab[corpora]'."
        ) from error


def _reason(error: Exception) -> str:
    """Return an error as one line without addresses in memory."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _other_versions(module: Any) -> list[str]:  # noqa: ANN401
    """Return the real versions of a dataset module's index besides the default."""
    indexes = module.INDEXES
    hidden = {"default", "test", indexes.get("default")}
    return [name for name in indexes if name not in hidden and not str(name).startswith("sample")]


def _strings(values: Iterable[object]) -> list[str]:
    return sorted(str(value) for value in values)


def _attribute(owner: Any, name: str) -> Any:  # noqa: ANN401
    """Return an attribute that a dataset may lack or fail to read; None then."""
    try:
        return getattr(owner, name, None)
    except _READ_ERRORS:
        return None


def _stem_id(track_id: str, song: str) -> str:
    return (track_id.removeprefix(song).lstrip("-_") or track_id).replace("/", "_")


def _audio_files(stem: str, track: Any) -> list[tuple[str, str]]:  # noqa: ANN401
    """Return (stem id, path) of a track's audio: none, one, or several players of one part."""
    value = next((v for name in _AUDIO_ATTRIBUTES if (v := _attribute(track, name))), None)
    if not isinstance(value, list | tuple):
        return [(stem, str(value))] if value else []
    return [(f"{stem}_{number}", str(path)) for number, path in enumerate(value, start=1) if path]


def _below(scan: TreeScan, audio: str, song: str, stem: str) -> str | None:
    """Return an absolute path given by mirdata relative to the root, if it is a file below it."""
    if not os.path.isabs(audio) or not audio.startswith(f"{scan.root}{os.sep}"):  # noqa: PTH117 - text, not a path yet
        message = f"mirdata's index names {audio!r}, which lies outside the root; not read."
        scan.problem("path-outside-root", message, song=song, stem=stem, path=audio)
        return None
    return scan.locate(scan.root, audio.removeprefix(f"{scan.root}{os.sep}"), song=song, stem=stem)


def _duplicate_keys(multitrack: Any) -> tuple[str, ...]:  # noqa: ANN401
    """Return the group keys of a Slakh multitrack; () for other datasets."""
    fields = {"UUID": _attribute(multitrack, "uuid"), "lmd_midi_dir": _attribute(multitrack, "lakh_midi_dir")}
    return duplicate_keys(fields)


def _indexed_files(dataset: Any) -> set[str]:  # noqa: ANN401
    """Return the paths that the index names, below the root: what is no stem there is known all the same."""
    entries = [
        *dataset._index.get("tracks", {}).values(),
        *dataset._index.get("multitracks", {}).values(),
        dataset._index.get("metadata") or {},
    ]
    pairs = [pair for entry in entries if isinstance(entry, dict) for pair in entry.values()]
    return {pair[0] for pair in pairs if isinstance(pair, list) and pair and isinstance(pair[0], str)}


def _fits(dataset: Any, scan: TreeScan) -> bool:  # noqa: ANN401
    """Return whether a track of the index has its audio below the root."""
    for song in _strings(dataset.mtrack_ids):
        for entry in dataset._index["multitracks"][song].get("tracks", ()):
            files = dataset._index["tracks"].get(entry, {})
            for pair in files.values():
                if (
                    isinstance(pair, list)
                    and pair
                    and isinstance(pair[0], str)
                    and scan.find(scan.root, pair[0])
                ):
                    return True
    return False
