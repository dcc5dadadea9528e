"""Any folder of stems: one folder per song, or a single folder that is one song.

Source: your own recordings, downloads, or unpacked Cambridge-MT zips.
Licence: unknown unless the sidecar says so.
Layout: every folder at most three levels below the root that holds audio (wav, flac, mp3, ogg,
aiff) is a song; a root with audio in it is a song itself. Hidden files are left out. Files that are
the song's mix (``mix``, ``<song>_MIX``, ``<song>_Full_Preview``) or hold everything but something
(``no_vocals``, ``Instrumental``, ``Backing Track``) are ignored for that reason.

The label comes from the file name: ``08_ElecGtr3Mic.wav``, ``Vocals30.mp3``, ``violins.mp3``;
``BassDrums30`` names two, of which at least one sounds. The title of the song, from its folder or
because its files begin or end with it, is taken off before. Names that say nothing known are
reported with the row to add to the label map; where an unknown word stands before an instrument
(``Zork Harp``), what it is stays open, and the problem ``unsure-label`` says so.

A file ``stems.csv``, in the root or in a song's folder, says it better. Its columns:

* ``file`` (required): path of the audio file relative to the ``stems.csv``.
* ``label`` (required): instrument; several are separated by ``;``. Empty: from the file name.
* ``song``, ``artist``, ``title``, ``album``, ``genre``, ``licence``: text. Songs of one artist
  never cross splits; without an artist each song stands alone.
* ``split``: ``train``, ``validation`` or ``test``.
* ``bleed``: ``yes`` if other instruments can be heard; ``bleed_labels``: which, separated by ``;``.
* ``gain``: linear factor at which the stem sums to the mix; ``offset_s``: start in the song, in
  seconds. Without one, the files' own time stamps (Broadcast WAV) say where a stem starts.

Files that it does not list are labelled by their names. A folder called ``Artist_Title_Full`` or
``Artist - Title`` gives artist and title.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mixlab.corpora._keys import artist_keys, song_keys, spaced
from mixlab.corpora._skipped import list_skipped
from mixlab.corpora._song_names import doubt, song_labels
from mixlab.corpora._tree import TreeScan, check_root, is_file, nothing_found, truthy
from mixlab.corpora.mixing_secrets import identify
from mixlab.entries import Scan, ScanOptions, StemEntry
from mixlab.file_kinds import is_read

__all__ = ["ADAPTER", "CITATION", "LICENCE", "NAME", "SIDECAR", "Folder"]

NAME = "folder"
LICENCE = "unknown (your own files)"
CITATION = "Your own recordings; cite their source."
SIDECAR = "stems.csv"
_LAYOUT = "<root>/<song>/<stem>.wav (flac, mp3, ogg, aiff), or <root>/<stem>.wav for a single song"
_MAX_DEPTH = 3

_CAMBRIDGE = re.compile(r"(?P<song>[^_]+_[^_]+?)_(?:Full|Excerpt\w*)(?:_.*)?", re.IGNORECASE)
_SPLITS = {
    "": "",
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
}


class Folder:
    """Adapter for folders of stems; see the module's docstring for layout and sidecar."""

    name = NAME
    label_map = "folder"
    licence = LICENCE
    citation = CITATION
    description = "Any folder of stems, labelled by file names or a stems.csv"

    def scan(self, root: Path, options: ScanOptions) -> Scan:
        """Walk ``root`` and return its stems and problems; ``options`` change nothing here.

        Raises:
            CorpusError: ``root`` is missing or holds no audio file.
        """
        root = check_root(root, NAME, _LAYOUT)
        scan = TreeScan(NAME, root, follow_links=options.follow_links)
        folders = list(_walk(scan, root, _MAX_DEPTH))
        rows = _read_sidecars(scan, folders)
        found = {folder: scan.files(folder) for folder in folders}
        nothing = len(folders) == 1 or scan.found_nothing  # else problems say what was refused
        if not any(found.values()) and not rows and nothing:
            raise nothing_found(root, NAME, _LAYOUT)
        for folder, paths in found.items():
            _add_folder(scan, folder, paths, rows)
        list_skipped(scan, lambda path: path.parent in found and is_read(path.name) and is_file(path))
        return scan.finish()


ADAPTER = Folder()


def _walk(scan: TreeScan, folder: Path, depth: int) -> Iterable[Path]:
    yield folder
    if depth > 0:
        for below in scan.folders(folder):
            yield from _walk(scan, below, depth - 1)


def _read_sidecars(scan: TreeScan, folders: Iterable[Path]) -> dict[str, dict[str, str]]:
    """Return path relative to the root -> row, for every file that a ``stems.csv`` lists.

    A row in the song's own folder beats one above it.
    """
    rows: dict[str, dict[str, str]] = {}
    for folder in folders:
        if not is_file(folder / SIDECAR):
            continue
        for row in scan.load_rows(folder / SIDECAR, ("file", "label")):
            path = scan.locate(folder, row["file"], song=row.get("song", ""), stem=row["file"])
            if path is not None:
                # "./a.wav" and "a.wav" are one file.
                rows[scan.relative((scan.root / path).resolve())] = row
    return rows


@dataclass(frozen=True)
class _Song:
    """What is known of a song before its files are looked at."""

    id: str
    artist: str = ""
    title: str = ""
    groups: tuple[str, ...] = field(default=())


def name_song(scan: TreeScan, folder: Path) -> _Song:
    """Return id, artist and title of the song in ``folder``, as far as its name says."""
    song_id = "_".join(folder.relative_to(scan.root).parts) or folder.name or "song"
    match = _CAMBRIDGE.fullmatch(folder.name)
    if match:
        artist, title = map(spaced, identify(match["song"]))
    elif " - " in folder.name:
        artist, _, title = (part.strip() for part in folder.name.partition(" - "))
    else:
        return _Song(song_id, title=folder.name)
    return _Song(song_id, artist, title)


def _add_folder(scan: TreeScan, folder: Path, paths: list[Path], rows: Mapping[str, dict[str, str]]) -> None:
    song = name_song(scan, folder)
    stems = Counter(path.stem for path in paths)
    labels = song_labels(list(stems), (folder.name, song.artist, song.title))
    for path in paths:
        row = rows.get(scan.relative(path.resolve()))
        # "bass.wav" beside "bass.mp3": both keep their suffix.
        stem = path.stem if stems[path.stem] == 1 else path.name
        entry = _entry(scan, path, stem, song, row or {}, labels[path.stem])
        scan.add(entry)
        if message := doubt(entry.labels):
            scan.problem("unsure-label", message, song=entry.song, stem=stem, path=path)


def _entry(
    scan: TreeScan, path: Path, stem: str, song: _Song, row: Mapping[str, str], named: tuple[str, ...]
) -> StemEntry:
    song_id = row.get("song", "").replace("/", "_") or song.id
    artist = row.get("artist", "") or song.artist
    title = row.get("title", "") or (song.title if song_id == song.id else song_id)
    groups = {*artist_keys(artist), *song_keys(artist, title)}
    bleed_labels = _split_list(row.get("bleed_labels", ""))
    return StemEntry(
        song=song_id,
        stem=stem,
        path=scan.relative(path),
        labels=_split_list(row.get("label", "")) or named,
        artist=artist,
        title=title,
        album=row.get("album", ""),
        genre=row.get("genre", ""),
        corpus_split=_split_name(scan, row, song_id, stem),
        groups=tuple(sorted(groups)),
        bleed=truthy(row.get("bleed")) or bool(bleed_labels),
        bleed_labels=bleed_labels,
        gain=_number(scan, row, "gain", 1.0, song_id, stem),
        licence=row.get("licence", "") or row.get("license", "") or LICENCE,
        offset_s=_number(scan, row, "offset_s", 0.0, song_id, stem) if row.get("offset_s") else None,
    )


def _split_list(value: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in value.split(";") if part.strip()))


def _split_name(scan: TreeScan, row: Mapping[str, str], song: str, stem: str) -> str:
    value = row.get("split", "")
    if value.casefold() in _SPLITS:
        return _SPLITS[value.casefold()]
    message = f"{SIDECAR}: split must be train, validation or test, found {value!r}; no split is used."
    scan.problem("bad-metadata", message, song=song, stem=stem)
    return ""


def _number(
    scan: TreeScan, row: Mapping[str, str], column: str, default: float, song: str, stem: str
) -> float:
    value = row.get(column, "")
    if not value:
        return default
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if math.isfinite(number) and number >= 0:
        return number
    message = f"{SIDECAR}: {column} must be a number >= 0, found {value!r}; {default} is used."
    scan.problem("bad-metadata", message, song=song, stem=stem)
    return default
