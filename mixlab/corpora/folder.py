"""Any folder of stems: one folder per song, or a single folder that is one song.

Source: your own recordings, downloads, or unpacked Cambridge-MT zips.
Licence: unknown unless the sidecar says so.
Layout: every folder below the root that holds audio is a song, at any depth; a root with audio in it is
a song itself. Folders for buses (``Song/Drums/kick.wav``) are part of their song, ``train``, ``valid``
and ``test`` are splits, ``stems`` and the like count for nothing, and in folders of one instrument
(``drums/Piano Man.wav``) the folder is the label and the file the song: see
:mod:`mixlab.corpora._folder_layout`. What was taken for what is said after the index. Hidden files are
left out. Files that are the song's mix (``mix``, ``<song>_MIX``, ``<song>_Full_Preview``) or hold
everything but something (``no_vocals``, ``Instrumental``, ``Backing Track``) are ignored for that reason.

A song's id is its folder's name; deeper folders are joined with ``~`` (``Artist~Song``). The artist is
what the folder's name says (``Artist_Title_Full``, ``Artist - Title`` with any dash), else the folder
that it lies in where such folders are many and small enough (:mod:`mixlab.corpora._folder_artists`),
else unknown: ''.

The label comes from the file name: ``08_ElecGtr3Mic.wav``, ``Vocals30.mp3``, ``violins.mp3``;
``BassDrums30`` names two, of which at least one sounds. The title of the song, from its folder or
because its files begin or end with it, is taken off before. A file that says nothing
(``Drums/01.wav``) has the label of its folder. Names that say nothing known are reported with the
row to add to the label map; where an unknown word stands before an instrument (``Zork Harp``), what
it is stays open, and the problem ``unsure-label`` says so.

A file ``stems.csv``, in the root or in a song's folder, says it better. Its columns:

* ``file`` (required): path of the audio file relative to the ``stems.csv``.
* ``label``: instrument; several are separated by ``;``. Empty: from the file name.
* ``song``, ``artist``, ``title``, ``album``, ``genre``, ``licence``: text. Songs of one artist
  never cross splits.
* ``split``: ``train``, ``validation`` or ``test``.
* ``bleed``: ``yes`` if other instruments can be heard; ``bleed_labels``: which, separated by ``;``.
* ``gain``: linear factor at which the stem sums to the mix (or ``gain_db``).
* ``offset_s``: start in the song, in seconds. Without one, the files' own time stamps (Broadcast WAV)
  say where a stem starts.

Files that it does not list are labelled by their names, and counted after the index. Semicolons or tabs
for commas, UTF-16 or cp1252, backslashes, other case and common column names (``filename``,
``instrument``) are understood. Whatever else does not fit stops the index with its row.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

from mixlab.corpora._folder_artists import artists_of_folders
from mixlab.corpora._folder_buses import Names
from mixlab.corpora._folder_layout import Placed, read_layout
from mixlab.corpora._folder_words import is_generic, plain_title, split_artist, without_number
from mixlab.corpora._keys import artist_keys, known_artist, normalise, song_keys, spaced
from mixlab.corpora._names import NameParser, folder_parser
from mixlab.corpora._paths import is_file
from mixlab.corpora._sidecar import SIDECAR, SidecarRow, read_sidecars
from mixlab.corpora._skipped import list_skipped
from mixlab.corpora._song_names import doubt, left_out, song_labels
from mixlab.corpora._tree import TreeScan, check_root, nothing_found
from mixlab.corpora.base import Scan, ScanOptions, StemEntry
from mixlab.corpora.metadata import Labels, MetadataFile
from mixlab.corpora.mixing_secrets import identify
from mixlab.errors import CorpusError

__all__ = ["ADAPTER", "CITATION", "LICENCE", "NAME", "SIDECAR", "Folder", "labels_by_name"]

NAME = "folder"
LICENCE = "unknown (your own files)"
CITATION = "Your own recordings; cite their source."
_LAYOUT = "<root>/<song>/<stem>.wav (flac, mp3, ogg, aiff), or <root>/<stem>.wav for a single song"
_MAX_DEPTH = 32
_MOST_SHOWN, _MOST_COPIES = 20, 4
_JOIN = "~"
_CAMBRIDGE = re.compile(r"(?P<song>[^_]+_[^_]+?)_(?:Full|Excerpt\w*)(?:_.*)?", re.IGNORECASE)


class Folder:
    """Adapter for folders of stems; see the module's docstring for layout and sidecar."""

    name = NAME
    label_map = "folder"
    licence = LICENCE
    citation = CITATION
    description = "Any folder of stems, labelled by file names or a stems.csv"

    def scan(self, root: Path, options: ScanOptions) -> Scan:
        """Walk ``root`` and return its stems, problems and notes.

        Raises:
            CorpusError: ``root`` is missing or holds no audio file, or a ``stems.csv`` cannot be used as it
                is, or puts the files of one song into two splits.
        """
        root = check_root(root, NAME, _LAYOUT)
        scan = TreeScan(NAME, root, follow_links=options.follow_links)
        folders = _folders(scan, root)
        audio = [scan.relative(path) for folder in folders for path in scan.files(folder)]
        nothing = len(folders) == 1 or scan.found_nothing  # else problems say what was refused
        if not audio and nothing and not any(is_file(folder / SIDECAR) for folder in folders):
            raise nothing_found(root, NAME, _LAYOUT)
        sidecars = read_sidecars(scan, folders, audio)
        layout = read_layout(audio, root.name or "song", folder_parser(), sidecars.folders)
        for path, reason in layout.skipped:
            scan.problem("skipped", reason, path=path)
        labels: list[tuple[str, ...]] = []
        for song in _songs(layout.files, sidecars.rows, root.name or "song", scan.note):
            _report_several(song, scan)
            for entry in _entries(song, folder_parser()):
                scan.add(entry)
                labels.append(entry.labels)
                if message := doubt(entry.labels):
                    where = {"song": entry.song, "stem": entry.stem, "path": entry.path}
                    scan.problem("unsure-label", message, **where)
        for note in filter(None, (*layout.notes, *sidecars.notes, left_out(labels))):
            scan.note(note)
        read = set(audio)
        list_skipped(scan, lambda path: scan.relative(path) in read)
        return scan.finish()

    def read_labels(self, file: MetadataFile) -> Labels | None:
        """Return the labels of a ``stems.csv``; what the names of files say is for ``mixlab index``."""
        if not file.has_columns("file", "label") or file.path.name != SIDECAR:
            return None
        cells = file.cells({"label": "", "bleed_labels": ""})
        return Labels.of("stems.csv of a folder", (p for c in cells for p in c.split(";") if p.strip()))


ADAPTER = Folder()


def _folders(scan: TreeScan, root: Path) -> list[Path]:
    """Return all folders, those above first; one that a link leads to comes once, by its own name."""
    found: list[Path] = []
    seen: set[Path] = set()
    waiting, links = [root], list[Path]()
    while waiting or links:
        folder = waiting.pop() if waiting else links.pop(0)
        if folder.resolve() in seen:
            scan.problem("skipped", "It is a link to a folder that is read already.", path=folder)
            continue
        seen.add(folder.resolve())
        found.append(folder)
        below = scan.folders(folder)
        if below and len(folder.relative_to(root).parts) >= _MAX_DEPTH:
            scan.problem("skipped", f"Folders more than {_MAX_DEPTH} deep are not read.", path=folder)
            continue
        for child in below:
            (links if child.is_symlink() else waiting).append(child)
    return sorted(found, key=lambda folder: (len(folder.parts), folder))


@dataclass(frozen=True)
class _File:
    """An audio file with what its folders and the sidecar say of it."""

    placed: Placed
    row: SidecarRow | None


@dataclass(frozen=True)
class _Song:
    """A song and its files; ``artist`` is '' where nothing says who plays it."""

    id: str
    files: tuple[_File, ...]
    title: str
    artist: str = ""
    split: str = ""
    ties: tuple[str, ...] = ()


# Songs ----------------------------------------------------------------------------------------------


def _songs(
    placed: Sequence[Placed], rows: Mapping[str, SidecarRow], root_name: str, note: Callable[[str], None]
) -> list[_Song]:
    """Put files together to songs, and say of each whose it is and what may be another form of it."""
    songs = _with_artists(placed, rows, root_name, note)
    _check_splits(songs)
    return _tied(songs)


def _with_artists(
    placed: Sequence[Placed], rows: Mapping[str, SidecarRow], root_name: str, note: Callable[[str], None]
) -> list[_Song]:
    """Put files together to songs, and say of each whose it is."""
    keys = _song_keys(placed, rows, root_name)
    ids = _song_ids(keys.values(), root_name)
    files: dict[str, list[_File]] = defaultdict(list)
    for one in placed:
        files[ids[keys[one.path]]].append(_File(one, rows.get(one.path)))
    songs = [_named(song, tuple(found)) for song, found in sorted(files.items())]
    above = {song.id: song.files[0].placed.above for song in songs}
    artists = artists_of_folders(above, {song.id for song in songs if song.artist})
    if artists.note:
        note(artists.note)
    return [replace(song, artist=song.artist or artists.names.get(song.id, "")) for song in songs]


def _song_keys(
    placed: Iterable[Placed], rows: Mapping[str, SidecarRow], root_name: str
) -> dict[str, tuple[str, ...]]:
    """Return path -> what its song is known by before it has an id: the user's word, or its folders.

    The user's word for a song that is there means that song, in whatever Unicode form the disk has it.
    """
    folders = {_composed(one.song or (root_name,)): one.song for one in placed}
    keys = {}
    for one in placed:
        row = rows.get(one.path)
        word = _composed(row.song.split("/")) if row is not None and row.song else None
        keys[one.path] = one.song if word is None else folders.get(word, word)
    return keys


def _composed(parts: Iterable[str]) -> tuple[str, ...]:
    return tuple(unicodedata.normalize("NFC", part) for part in parts)


def _song_ids(keys: Iterable[tuple[str, ...]], root_name: str) -> dict[tuple[str, ...], str]:
    """Return an id for every song; different songs have different ids, whatever others there are.

    ``~`` stands between folders. Two songs that would still be spelled alike (``A/B`` and ``A~B``, or one
    name in two Unicode forms) both get a short hash of their folders.
    """
    plain = {key: _JOIN.join(_composed(key or (root_name,))) for key in dict.fromkeys(keys)}
    counts = Counter(plain.values())
    return {key: song if counts[song] == 1 else f"{song} ({_hash(key)})" for key, song in plain.items()}


def _hash(parts: Sequence[str]) -> str:
    return blake2b("/".join(parts).encode(), digest_size=3).hexdigest()


def _named(song_id: str, files: tuple[_File, ...]) -> _Song:
    """Return a song with artist, title and split, as far as the sidecar or its folder say."""
    said = [file.row for file in files if file.row is not None]
    own = next((row.song for row in said if row.song), "")
    artist, title = name_song(own or files[0].placed.title)
    above = () if own else reversed(files[0].placed.above)
    found = (artist, *(name_song(folder[-1])[0] for folder in above))
    artists = {known_artist(row.artist) for row in said} - {""}
    splits = {row.split for row in said if row.split} or {file.placed.split for file in files}
    return _Song(
        song_id,
        files,
        title=next((row.title for row in said if row.title), title),
        artist=artists.pop() if len(artists) == 1 else next(filter(None, found), ""),
        split=max(splits),
        ties=tuple(sorted({tie for file in files for tie in file.placed.ties})),
    )


def name_song(name: str) -> tuple[str, str]:
    """Return artist and title of a song as its folder's name has them; ('', title) without an artist."""
    match = _CAMBRIDGE.fullmatch(name)
    if match:
        artist, title = map(spaced, identify(match["song"]))
        return artist, title
    return split_artist(name)


def _check_splits(songs: Iterable[_Song]) -> None:
    wrong = []
    for song in songs:
        said = {file.row.split: file.row.where for file in song.files if file.row is not None}
        said.pop("", None)
        where = said or {file.placed.split: file.placed.path for file in song.files if file.placed.split}
        if len(where) > 1:
            listed = ", ".join(f"{split} ({place})" for split, place in sorted(where.items()))
            wrong.append(f"  {song.id}: {listed}")
    if wrong:
        raise CorpusError(
            "The files of one song are put into several splits; give one split to each song.\n"
            + "\n".join(wrong[:_MOST_SHOWN]),
            code="split-overlap",
        )


def _tied(songs: Sequence[_Song]) -> list[_Song]:
    """Tie songs that have one title, where it is not known that different artists play them.

    What is in brackets, numbers in front and words such as "take 2" behind do not make another title. A
    title that more than a few songs have says nothing, nor does one that is all there is in several folders.
    """
    same: dict[str, list[_Song]] = defaultdict(list)
    for song in songs:
        title = plain_title(song.title)
        if not is_generic(title):
            same[normalise(title)].append(song)
    alone = Counter(_parent(song) for song in songs)
    tied = {
        song.id: f"title:{title}"
        for title, group in same.items()
        if 1 < len(group) <= _MOST_COPIES
        and not all(song.artist for song in group)
        and not all(_parent(song) and alone[_parent(song)] == 1 for song in group)
        for song in group
    }
    return [replace(song, ties=(*song.ties, tied[song.id])) if song.id in tied else song for song in songs]


def _report_several(song: _Song, scan: TreeScan) -> None:
    """List a folder whose files look like those of several songs; it is still read as one."""
    loose = [f for f in song.files if len(f.placed.stem) == 1 and not (f.row is not None and f.row.song)]
    titles = Names(folder_parser()).titles([file.placed.stem[0] for file in loose])
    if titles:
        shown = ", ".join(map(repr, titles[:3])) + (", ..." if len(titles) > 3 else "")
        scan.problem(
            "several-songs",
            f"The files in this folder look like {len(titles)} songs ({shown}), but are read as one: a mix "
            "may take stems of different songs for parts of one. Give each song a folder of its own, or the "
            f"column song in {SIDECAR}.",
            song=song.id,
            path=Path(loose[0].placed.path).parent.as_posix(),
        )


def _parent(song: _Song) -> tuple[str, ...]:
    above = song.files[0].placed.above
    return above[-1] if above else ()


# Stems ----------------------------------------------------------------------------------------------


def _entries(song: _Song, parser: NameParser) -> Iterable[StemEntry]:
    ids = _stem_ids(song)
    labels = _labels(song, parser)
    for file in song.files:
        path = file.placed.path
        yield _entry(song, ids[path], file, labels[path])


def _stem_ids(song: _Song) -> dict[str, str]:
    """Return path -> id: buses and name; "bass.wav" beside "bass.mp3" keep their suffixes."""
    stems = {file.placed.path: file.placed.stem for file in song.files}
    ids = {path: _JOIN.join(stem) for path, stem in stems.items()}
    with_suffix = {
        path: _JOIN.join((*stem[:-1], stem[-1] + Path(path).suffix)) for path, stem in stems.items()
    }
    for longer in (with_suffix, {path: _JOIN.join(Path(path).parts) for path in stems}):
        counts = Counter(ids.values())
        ids = {path: longer[path] if counts[stem] > 1 else stem for path, stem in ids.items()}
    return {path: unicodedata.normalize("NFC", stem) for path, stem in ids.items()}


def labels_by_name(paths: Iterable[str], root_name: str, parser: NameParser) -> dict[str, tuple[str, ...]]:
    """Return the labels that audio files get where no ``stems.csv`` says any, by path.

    Names are read as those of a whole tree: the title of the song is taken off, and a file that says nothing
    has the label of its folder. Files that are not read, such as loops of a sampler, are left out.

    Args:
        paths: Audio files below the root, POSIX separators.
        root_name: Name of the root: the title of a song that lies in it directly.
        parser: Finds labels.
    """
    layout = read_layout(paths, root_name or "song", parser)
    songs = _with_artists(layout.files, {}, root_name or "song", lambda _: None)
    return {path: labels for song in songs for path, labels in _labels(song, parser).items()}


def _labels(song: _Song, parser: NameParser) -> dict[str, tuple[str, ...]]:
    """Return path -> labels by the sidecar, else by the file's own name, else by its folder's."""
    names = Names(parser)
    own = {file.placed.path: file.placed.stem[-1] for file in song.files if not file.placed.by_folder}
    titles = (song.files[0].placed.title, song.artist, song.title)
    by_name = song_labels(list(own.values()), titles, parser)
    found = {}
    for file in song.files:
        placed = file.placed
        labels = by_name[own[placed.path]] if placed.path in own else ()
        if not names.speaks(own.get(placed.path, ""), labels, placed.folders):
            labels = next(filter(None, map(names.of_folder, placed.folders)), labels)
        found[placed.path] = (file.row.labels if file.row is not None else ()) or labels
    return found


def _entry(song: _Song, stem: str, file: _File, labels: tuple[str, ...]) -> StemEntry:
    row = file.row or SidecarRow("")
    artist = known_artist(row.artist) or song.artist
    title = row.title or song.title
    return StemEntry(
        song=song.id,
        stem=stem,
        path=file.placed.path,
        labels=labels,
        artist=artist,
        title=title,
        album=row.album,
        genre=row.genre,
        corpus_split=song.split,
        groups=tuple(
            sorted({*artist_keys(artist, without_number(artist)), *song_keys(artist, title), *song.ties})
        ),
        bleed=row.bleed,
        bleed_labels=row.bleed_labels,
        gain=row.gain,
        licence=row.licence or LICENCE,
        offset_s=row.offset_s,
    )
