"""Read any folder of corpus metadata and say which of its labels the label maps know.

A file is recognised by its content (a MedleyDB sheet is a YAML file whose ``stems`` have an
``instrument``), not by its place, so that a whole disk, a git checkout or a folder of downloads
can be checked before anything is indexed. No audio file is opened.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from mixlab.audio.file_kinds import READ_SUFFIXES, is_litter
from mixlab.errors import TaxonomyError
from mixlab.taxonomy.label_maps import LabelMap, label_map_names, load_label_map
from mixlab.taxonomy.tree import read_yaml
from mixlab.utils.yaml import load_json

__all__ = ["CheckReport", "CorpusCheck", "Metadata", "check_folder", "read_metadata"]

AUDIO_SUFFIXES = frozenset({*READ_SUFFIXES, ".m4a", ".mp4"})
_TEXT_SUFFIXES = frozenset({".yaml", ".yml", ".json", ".csv", ".tsv", ".txt", ".lab"})
# Tables of frame values (activations, features) run to gigabytes and hold no labels in their rows.
_MAX_BYTES = 200_000_000
_IRMAS_CODES = frozenset(("cel", "cla", "flu", "gac", "gel", "org", "pia", "sax", "tru", "vio", "voi"))
_UNSIGNED_SHEET = "sheet in MedleyDB's format, without origin"
_MUSDB_STEMS = ("vocals", "drums", "bass", "other")
_GM_CLASS = re.compile(r"- (?P<name>\S.*)")
_GM_PROGRAM = re.compile(r"\d{1,3} (?P<name>\S.*)")
_IRMAS_PATH = re.compile(r"IRMAS-TrainingData[/\\](?P<code>[a-z]{3})(?:[/\\].*)?")
_BRACKETS = re.compile(r"\[([a-z_]+)\]")
_TAG = re.compile(r"(genre|instrument|mood/theme)---\S+")


@dataclass(frozen=True)
class Metadata:
    """The labels in one recognised file.

    Attributes:
        corpus: Name of the label map that they belong to.
        kind: What the file is, for people.
        labels: Raw labels with their numbers of occurrences.
    """

    corpus: str
    kind: str
    labels: Mapping[str, int]


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


def check_folder(
    folder: Path,
    corpus: str | None = None,
    extra: Path | None = None,
    name_labels: Callable[[str], Sequence[str]] | None = None,
) -> CheckReport:
    """Compare the labels in a folder of corpus metadata with the label maps.

    Args:
        folder: Folder to read, with everything below it; or a single file.
        corpus: Read this corpus's files only. Mixing Secrets shares MedleyDB's format, and is told
            by the ``origin`` in its sheets; sheets without any belong to whichever is named.
        extra: CSV of one's own rows on top of the maps.
        name_labels: Labels that the name of an audio file (without suffix) gives. With it, the
            names of all audio files are checked against the map ``folder``.

    Raises:
        TaxonomyError: ``folder`` does not exist, no such corpus, or an inconsistent ``extra``.
    """
    if not folder.exists():
        raise TaxonomyError(f"Nothing to check at {folder}: it does not exist. Give a folder of metadata.")
    if corpus is not None and corpus not in label_map_names():
        raise TaxonomyError(f"No label map {corpus!r}; there are {', '.join(label_map_names())}.")
    gathered = _Gathered(folder, corpus, name_labels)
    for path in _walk(folder):
        gathered.add(path)
    return CheckReport(
        folder,
        tuple(
            _compare(load_label_map(name, extra), gathered.labels[name]) for name in sorted(gathered.labels)
        ),
        tuple(gathered.recognised),
        tuple(gathered.skipped),
        tuple(gathered.unreadable),
    )


@dataclass
class _Gathered:
    """What was read so far."""

    folder: Path
    corpus: str | None
    name_labels: Callable[[str], Sequence[str]] | None
    labels: dict[str, Counter[str]] = field(default_factory=dict)
    recognised: list[tuple[str, str]] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)

    def add(self, path: Path) -> None:
        """Read one file and take note of what it gave."""
        name = path.relative_to(self.folder).as_posix() if path != self.folder else path.name
        if path.suffix.lower() in AUDIO_SUFFIXES:
            metadata = _audio_labels(path, self.name_labels)
            if metadata is not None and self.corpus in (None, metadata.corpus):
                self._take(metadata.corpus, metadata)
            return
        try:
            found = read_metadata(path)
        except TaxonomyError as error:
            self.unreadable.append((name, str(error).removeprefix(str(path)).lstrip(":, ")))
            return
        if isinstance(found, str):
            self.skipped.append((name, found))
        elif self.corpus in (None, found.corpus) or (
            self.corpus == "mixing_secrets" and found.kind == _UNSIGNED_SHEET
        ):
            self.recognised.append((name, found.kind))
            self._take(self.corpus or found.corpus, found)
        else:
            self.skipped.append((name, f"belongs to {found.corpus}"))

    def _take(self, corpus: str, metadata: Metadata) -> None:
        self.labels.setdefault(corpus, Counter()).update(metadata.labels)


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
        elif path.suffix.lower() in _TEXT_SUFFIXES | AUDIO_SUFFIXES:
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


def _audio_labels(path: Path, name_labels: Callable[[str], Sequence[str]] | None) -> Metadata | None:
    """Return what the place or the name of an audio file says about its instrument."""
    if name_labels is not None:
        return Metadata("folder", "", Counter(name_labels(path.stem)))
    if path.parent.name in _IRMAS_CODES:
        return Metadata("irmas", "", {path.parent.name: 1})
    if path.stem in _MUSDB_STEMS and (path.parent / f"mixture{path.suffix}").is_file():
        return Metadata("musdb18hq", "", {path.stem: 1})
    return None


def read_metadata(path: Path) -> Metadata | str:
    """Read the labels in one metadata file.

    Returns:
        The labels, or as text the reason why the file holds none.

    Raises:
        TaxonomyError: the file is broken.
    """
    try:
        size = path.stat().st_size
    except OSError as error:  # a link that leads nowhere
        raise TaxonomyError(f"{path}: cannot be read ({error}).") from error
    if size > _MAX_BYTES:
        return f"larger than {_MAX_BYTES // 1_000_000} MB"
    suffix = path.suffix.lower()
    if suffix in (".yaml", ".yml"):
        return _from_yaml(read_yaml(path))
    text = _read_text(path)
    if suffix == ".json":
        try:
            data = load_json(text)
        except ValueError as error:
            raise TaxonomyError(f"{path}: not valid JSON ({error}); correct or remove it.") from error
        return _from_json(data, path)
    if suffix in (".csv", ".lab"):
        return _from_table(_read_rows(text, ",", path), path)
    if suffix == ".tsv":
        return _from_tsv(_read_rows(text, "\t", path), path)
    return _from_lines([line.strip() for line in text.splitlines() if line.strip()])


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TaxonomyError(f"{path}: cannot be read as UTF-8 text ({error}).") from error


def _read_rows(text: str, delimiter: str, path: Path) -> list[list[str]]:
    try:
        return [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]
    except csv.Error as error:
        raise TaxonomyError(f"{path}: not a valid table ({error}); correct or remove it.") from error


def _count(corpus: str, kind: str, labels: Iterable[object]) -> Metadata:
    """Count labels; blank ones (a label the corpus left out) stay, so that they are seen."""
    return Metadata(corpus, kind, Counter(str(label).strip() for label in labels))


# --- YAML ---------------------------------------------------------------------------------------


def _from_yaml(data: object) -> Metadata | str:
    if not isinstance(data, dict):
        return "no mapping in it"
    stems = data.get("stems")
    if isinstance(stems, dict):
        entries = [s for s in stems.values() if isinstance(s, dict)]
        if any("plugin_name" in s or "midi_program_name" in s for s in entries):
            return _count("slakh", "Slakh track", _slakh_labels(entries))
        if any("instrument" in s for s in entries):
            origin = str(data.get("origin") or "").strip().casefold()
            if origin == "mixing secrets":
                return _count("mixing_secrets", "Mixing Secrets sheet", _sheet_labels(entries))
            kind = "MedleyDB sheet" if origin else _UNSIGNED_SHEET
            return _count("medleydb", kind, _sheet_labels(entries))
        return "stems without instruments"
    if {"strings", "winds", "percussion"} <= set(data):
        return _count("medleydb", "MedleyDB taxonomy", _leaves(data))
    return "no stems in it"


def _sheet_labels(stems: Iterable[Mapping[str, Any]]) -> Iterator[object]:
    for stem in stems:
        raws = stem.get("raw")
        for entry in (stem, *(raws.values() if isinstance(raws, dict) else ())):
            value = entry.get("instrument") if isinstance(entry, dict) else None
            yield from value if isinstance(value, list) else [value or ""]


def _slakh_labels(stems: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for stem in stems:
        for column, prefix in (
            ("plugin_name", ""),
            ("midi_program_name", "program:"),
            ("inst_class", "class:"),
        ):
            if stem.get(column):
                yield f"{prefix}{stem[column]}"


def _leaves(data: object) -> Iterator[object]:
    if isinstance(data, dict):
        for value in data.values():
            yield from _leaves(value)
    elif isinstance(data, list):
        for value in data:
            yield from _leaves(value)
    elif data is not None:
        yield data


# --- JSON ---------------------------------------------------------------------------------------


def _from_json(data: object, path: Path) -> Metadata | str:
    if not isinstance(data, dict) or not data:
        return "no mapping in it"
    values = list(data.values())
    if isinstance(data.get("stems"), list):
        return _count("moisesdb", "MoisesDB song", _moises_labels(data["stems"]))
    if isinstance(data.get("stemName -> trackType"), dict):
        groups = data["stemName -> trackType"].items()
        pairs = (f"{stem}: {kind}" for stem, kinds in groups if isinstance(kinds, list) for kind in kinds)
        return _count("moisesdb", "MoisesDB track types", pairs)
    if all(isinstance(v, dict) and "defs" in v for v in values):
        return _count("slakh", "Slakh patch map", _patch_labels(values))
    if all(isinstance(v, dict) and {"class", "name"} <= set(v) for v in values):
        labels = [label for v in values for label in (f"program:{v['name']}", f"class:{v['class']}")]
        return _count("slakh", "General MIDI list", labels)
    if path.name == "instrument_f0_type.json":
        return _count("medleydb", "MedleyDB f0 types", data)
    if isinstance(data.get("instrument"), dict) and "genre" in data:
        targets = (f"{category}---{tag}" for category, tags in data.items() for tag in _leaves(tags))
        return _count("mtg_jamendo", "MTG-Jamendo tag map", targets)
    if path.name == "class-map.json":
        return _count("openmic2018", "OpenMIC class map", data)
    return "no instrument labels in it"


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _moises_labels(stems: Iterable[object]) -> Iterator[str]:
    for stem in stems:
        if isinstance(stem, dict):
            for track in _list(stem.get("tracks")):
                kinds = track.get("trackType") if isinstance(track, dict) else []
                for kind in kinds if isinstance(kinds, list) else [kinds]:
                    yield f"{stem.get('stemName', '')}: {kind}" if kind else ""


def _patch_labels(groups: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for group in groups:
        yield from map(str, _list(group["defs"]))
        if group.get("class"):
            yield f"class:{group['class']}"


# --- tables and lists ---------------------------------------------------------------------------


def _from_table(rows: list[list[str]], path: Path) -> Metadata | str:
    if not rows:
        return "empty"
    header = [name.strip().casefold() for name in rows[0]]
    for corpus, kind, needed, columns in _TABLES:
        if needed <= set(header):
            return _count(corpus, kind, _columns(rows[1:], header, columns))
    if {"sample_key", "instrument"} <= set(header):
        return _count("openmic2018", "OpenMIC labels", _columns(rows[1:], header, {"instrument": ""}))
    if header == ["track name", "genre", "source", "license"]:
        return _count("musdb18hq", "MUSDB18 track list", _MUSDB_STEMS * (len(rows) - 1))
    if {"file", "label"} <= set(header) and path.name == "stems.csv":
        cells = _columns(rows[1:], header, {"label": "", "bleed_labels": ""})
        return _count(
            "folder", "stems.csv of a folder", (p for c in cells for p in c.split(";") if p.strip())
        )
    if path.name == "mixing_secrets_insts.csv":
        labels = (part for row in rows for part in row[0].split(" + "))
        return _count("mixing_secrets", "Mixing Secrets instruments", labels)
    return "no columns of a known corpus"


# corpus, kind, columns that give the table away, columns with labels -> their prefix
_TABLES: tuple[tuple[str, str, frozenset[str], Mapping[str, str]], ...] = (
    (
        "slakh",
        "Slakh stem table",
        frozenset({"plugin_name"}),
        {"plugin_name": "", "midi_program_name": "program:", "inst_class": "class:"},
    ),
    ("slakh", "Slakh stem table", frozenset({"midi_program_name"}), {"midi_program_name": "program:"}),
    ("mixing_secrets", "Cambridge-MT file labels", frozenset({"file", "label", "bleeding"}), {"label": ""}),
    (
        "medleydb",
        "MedleyDB source ids",
        frozenset({"start_time", "instrument_label"}),
        {"instrument_label": ""},
    ),
    ("irmas", "IRMAS classes", frozenset({"code", "name"}), {"code": ""}),
)


def _columns(
    rows: Iterable[Sequence[str]], header: Sequence[str], columns: Mapping[str, str]
) -> Iterator[str]:
    places = [(header.index(name), prefix) for name, prefix in columns.items() if name in header]
    for row in rows:
        for place, prefix in places:
            if place < len(row) and row[place].strip():
                yield f"{prefix}{row[place].strip()}"


def _from_tsv(rows: list[list[str]], path: Path) -> Metadata | str:
    header = [name.strip().casefold() for name in rows[0]] if rows else []
    if header[:1] == ["track_id"] and header[-1:] == ["tags"]:
        # Tags run over a varying number of further columns.
        place = len(header) - 1
        return _count(
            "mtg_jamendo", "MTG-Jamendo tags", (tag for row in rows[1:] for tag in row[place:] if tag)
        )
    if header[:1] == ["tag"]:
        if "instrument" not in path.name:
            return "tags without their category"
        return _count("mtg_jamendo", "MTG-Jamendo statistics", (f"instrument---{row[0]}" for row in rows[1:]))
    return _from_table(rows, path)


def _from_lines(lines: Sequence[str]) -> Metadata | str:
    if not lines:
        return "empty"
    if all(_TAG.fullmatch(line) for line in lines):
        return _count("mtg_jamendo", "MTG-Jamendo tag list", lines)
    if all(line in _IRMAS_CODES for line in lines):
        return _count("irmas", "IRMAS annotation", lines)
    paths = [match for line in lines if (match := _IRMAS_PATH.search(line))]
    if paths:
        return _count(
            "irmas", "IRMAS file list", (label for match in paths for label in _irmas_labels(match))
        )
    if _GM_CLASS.fullmatch(lines[0]) and all(_GM_CLASS.match(x) or _GM_PROGRAM.match(x) for x in lines):
        classes = [f"class:{m['name']}" for x in lines if (m := _GM_CLASS.fullmatch(x))]
        programs = [f"program:{m['name']}" for x in lines if (m := _GM_PROGRAM.fullmatch(x))]
        return _count("slakh", "General MIDI list", classes + programs)
    return "no labels in it"


def _irmas_labels(match: re.Match[str]) -> Iterator[str]:
    """Yield the class, which is the folder, and the drum bracket of a training file's path."""
    yield match["code"]
    # "[cla]" is clarinet or classical: only the drum bracket is unambiguous in a file name.
    brackets = _BRACKETS.findall(PurePosixPath(match[0].replace("\\", "/")).name)
    yield from (label for label in brackets if label in ("dru", "nod"))
