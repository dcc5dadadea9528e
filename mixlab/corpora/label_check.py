"""Read any folder of corpus metadata and say which of its labels the label maps know.

A file is recognised by its content (a MedleyDB sheet is a YAML file whose ``stems`` have an
``instrument``), not by its place, so that a whole disk, a git checkout or a folder of downloads
can be checked before anything is indexed. What a corpus's files look like its adapter knows
(``read_labels``), so that a new corpus is checked, too. No audio file is opened.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mixlab.audio.file_kinds import is_litter
from mixlab.corpora import get_adapter, installed_adapters
from mixlab.corpora.clips.registry import clip_corpora
from mixlab.corpora.metadata import (
    AUDIO_SUFFIXES,
    TEXT_SUFFIXES,
    LabelReader,
    Labels,
    MetadataFile,
    read_file,
)
from mixlab.errors import CorpusError, TaxonomyError
from mixlab.taxonomy.label_maps import LabelMap, load_label_map

__all__ = ["CheckReport", "CorpusCheck", "NameLabels", "check_folder", "label_readers", "read_labels"]

NameLabels = Callable[[Sequence[str], str], Mapping[str, Sequence[str]]]
"""From the paths of audio files below a folder, and its name, to the labels of each by path."""

_NAMES_MAP = "folder"
"""The label map that names of files are looked up in."""


@dataclass(frozen=True)
class CorpusCheck:
    """How one corpus's labels fared; each mapping is label -> occurrences.

    Attributes:
        corpus: Name of the label map.
        mapped: Labels with one node.
        ambiguous: Labels with several nodes, of which at least one sounds.
        ignored: Labels that the map ignores for a reason.
        unmapped: Labels that the map does not list.
        rows_to_add: For each unmapped label, in order, the CSV row that would map it.
    """

    corpus: str
    mapped: Mapping[str, int]
    ambiguous: Mapping[str, int]
    ignored: Mapping[str, int]
    unmapped: Mapping[str, int]
    rows_to_add: tuple[str, ...]


@dataclass(frozen=True)
class CheckReport:
    """The result of :func:`check_folder`.

    Attributes:
        folder: The folder that was read.
        corpora: One entry per corpus found, by name.
        recognised: (path relative to the folder, kind) of the files that gave labels.
        skipped: (path, reason) of metadata-like files without labels of a known corpus.
        unreadable: (path, message) of files that are broken.
    """

    folder: Path
    corpora: tuple[CorpusCheck, ...]
    recognised: tuple[tuple[str, str], ...]
    skipped: tuple[tuple[str, str], ...]
    unreadable: tuple[tuple[str, str], ...]

    @property
    def n_unmapped(self) -> int:
        """Number of distinct labels that no map lists."""
        return sum(len(c.unmapped) for c in self.corpora)


def label_readers(corpus: str | None = None) -> dict[str, LabelReader]:
    """Return who reads labels, by label map, in the order in which they are asked.

    Args:
        corpus: Who is asked first: a label map, or an adapter by any name that ``get_adapter`` takes.

    Raises:
        TaxonomyError: there is no such corpus.
    """
    clips = [corpus for corpus in clip_corpora().values() if corpus.label_map]
    known: list[LabelReader] = [*installed_adapters().values(), *clips]
    readers = {reader.label_map: reader for reader in known}
    if corpus is None or corpus in readers:
        return {name: readers[name] for name in sorted(readers, key=lambda name: name != corpus)}
    try:
        own = get_adapter(corpus)
    except CorpusError as error:
        raise TaxonomyError(
            f"No label map {corpus!r}; there are {', '.join(readers)}. {error}", code="unknown-label-map"
        ) from error
    return {own.label_map: own, **readers}


def check_folder(
    folder: Path,
    corpus: str | None = None,
    extra: Path | None = None,
    name_labels: NameLabels | None = None,
) -> CheckReport:
    """Compare the labels in a folder of corpus metadata with the label maps.

    Args:
        folder: Folder to read, with everything below it; or a single file.
        corpus: Read this corpus's files only: the name of a label map, or of an adapter. Mixing Secrets
            shares MedleyDB's format, and is told by the ``origin`` in its sheets; sheets without any belong
            to whichever is named.
        extra: CSV of one's own rows on top of the maps.
        name_labels: Labels that the names of audio files give. With it, those of all audio files are checked
            against the map ``folder``.

    Raises:
        TaxonomyError: ``folder`` does not exist, no such corpus, or an inconsistent ``extra``.
    """
    if not folder.exists():
        raise TaxonomyError(
            f"Nothing to check at {folder}: it does not exist. Give a folder of metadata.",
            code="root-not-found",
        )
    readers = label_readers(corpus)
    only = None if corpus is None else next(iter(readers))
    paths = list(_walk(folder))
    by_name = None if name_labels is None else _by_name(folder, paths, name_labels)
    gathered = _Gathered(folder, readers, only, by_name)
    for path in paths:
        gathered.add(path)
    checks = [_compare(load_label_map(name, extra), found) for name, found in gathered.labels.items()]
    return CheckReport(
        folder,
        tuple(sorted(checks, key=lambda check: check.corpus)),
        tuple(gathered.recognised),
        tuple(gathered.skipped),
        tuple(gathered.unreadable),
    )


def _by_name(folder: Path, paths: Sequence[Path], name_labels: NameLabels) -> dict[Path, Sequence[str]]:
    """Return the labels of audio files by their names, read as ``mixlab index`` reads those of a tree."""
    root = folder.parent if folder.is_file() else folder
    audio = [path for path in paths if path.suffix.lower() in AUDIO_SUFFIXES]
    found = name_labels([path.relative_to(root).as_posix() for path in audio], root.resolve().name)
    return {root / path: labels for path, labels in found.items()}


@dataclass
class _Gathered:
    """What was read so far."""

    folder: Path
    readers: Mapping[str, LabelReader]
    only: str | None
    by_name: Mapping[Path, Sequence[str]] | None
    labels: dict[str, Counter[str]] = field(default_factory=dict)
    recognised: list[tuple[str, str]] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)

    def add(self, path: Path) -> None:
        """Read one file and take note of what it gave."""
        name = path.relative_to(self.folder).as_posix() if path != self.folder else path.name
        try:
            found = read_labels(path, self.readers, self.by_name)
        except TaxonomyError as error:
            self.unreadable.append((name, str(error).removeprefix(str(path)).lstrip(":, ")))
            return
        audio = path.suffix.lower() in AUDIO_SUFFIXES
        if isinstance(found, str):
            self.skipped += [] if audio else [(name, found)]
            return
        label_map, labels = found
        if self.only not in (None, label_map):
            self.skipped += [] if audio else [(name, f"belongs to {label_map}")]
            return
        self.recognised += [] if audio else [(name, labels.kind)]
        self.labels.setdefault(label_map, Counter()).update(labels.counts)


def read_labels(
    path: Path,
    readers: Mapping[str, LabelReader],
    by_name: Mapping[Path, Sequence[str]] | None = None,
) -> tuple[str, Labels] | str:
    """Return the label map of the first corpus that knows a file, and its labels; else why there are none.

    Args:
        path: The file.
        readers: Who is asked, by label map.
        by_name: Labels that audio files have by their names; None leaves audio to the readers.

    Raises:
        TaxonomyError: the file is broken.
    """
    file = read_file(path)
    if isinstance(file, str):
        return file
    if file.is_audio and by_name is not None:
        return _NAMES_MAP, Labels.of("", by_name.get(path, ()))
    reason = ""
    for label_map, reader in readers.items():
        found = reader.read_labels(file)
        if isinstance(found, Labels):
            return label_map, found
        reason = reason or found or ""
    return reason or _nothing(file)


def _nothing(file: MetadataFile) -> str:
    if file.rows:
        return "no columns of a known corpus"
    return "no labels in it" if file.lines else "no instrument labels in it"


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the metadata and audio files in a stable order; links to folders are not followed."""
    if folder.is_file():
        yield folder
        return
    for path in sorted(folder.iterdir()):
        if is_litter(path.name):
            continue
        if path.is_dir():
            if not path.is_symlink():
                yield from _walk(path)
        elif path.suffix.lower() in TEXT_SUFFIXES | AUDIO_SUFFIXES:
            yield path


def _compare(label_map: LabelMap, counts: Mapping[str, int]) -> CorpusCheck:
    sorts: dict[str, dict[str, int]] = {"mapped": {}, "ambiguous": {}, "ignored": {}, "unmapped": {}}
    for label, count in sorted(counts.items()):
        resolution = label_map.resolve(label)
        if resolution is None:
            sort = "unmapped"
        elif resolution.ignored:
            sort = "ignored"
        else:
            sort = "mapped" if len(resolution.nodes) == 1 else "ambiguous"
        sorts[sort][label] = count
    rows = tuple(label_map.row_to_add(label) for label in sorts["unmapped"])
    return CorpusCheck(label_map.corpus, **sorts, rows_to_add=rows)
