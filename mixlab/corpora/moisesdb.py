"""MoisesDB: 240 songs in up to 11 stems, each made of labelled tracks.

Source: https://github.com/moises-ai/moises-db (audio on request).
Licence: CC BY-NC-SA 4.0.
Layout: ``<root>/[<provider>/]<uuid>/data.json`` with ``<stemName>/<track id>.<extension>``
beside it; the provider folder of the release is ``moisesdb_v0.1``.

One track is one stem here, labelled ``<stemName>: <trackType>``. Traps, and what is done:

* ``has_bleed`` is per track.
* Files of one song differ in length in 50 songs; the catalog notes it, mixes are padded.
* The release has no splits; folders ``train``, ``valid`` and ``test`` of one's own are taken for them.
* Some track types are lists of instruments ("banjo, mandolin, ukulele, harp etc"): one label.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mixlab.corpora._fields import list_of, mapping_of, text, truthy
from mixlab.corpora._keys import artist_keys, known_artist, song_keys
from mixlab.corpora._skipped import list_skipped
from mixlab.corpora._song_folders import song_folders
from mixlab.corpora._split_folders import folder_split
from mixlab.corpora._tree import TreeScan, check_root, nothing_found
from mixlab.corpora.base import Scan, ScanOptions, StemEntry
from mixlab.corpora.metadata import Labels, MetadataFile

__all__ = ["ADAPTER", "CITATION", "LICENCE", "NAME", "MoisesDB"]

NAME = "moisesdb"
LICENCE = "CC BY-NC-SA 4.0"
CITATION = """
@inproceedings{pereira2023moisesdb,
  author = {Pereira, Igor and Ara{\\'u}jo, Felipe and Korzeniowski, Filip and Vogl, Richard},
  title = {{MoisesDB}: A Dataset for Source Separation Beyond 4-Stems},
  booktitle = {24th International Society for Music Information Retrieval Conference (ISMIR)},
  year = {2023},
  eprint = {2307.15913},
  archiveprefix = {arXiv},
}
"""
_LAYOUT = "<root>/<provider>/<uuid>/data.json with <stemName>/<track id>.wav"


class MoisesDB:
    """Adapter for MoisesDB; see the module's docstring for layout and traps."""

    name = NAME
    label_map = "moisesdb"
    licence = LICENCE
    citation = CITATION
    description = "MoisesDB: 240 songs, bleed known per track"
    citing_note = (
        "The project's page has since named terms of its own (NC-RCL: research only, no redistribution, no "
        "derivatives unless the artist permits them): those that came with a copy hold for it."
    )

    def scan(self, root: Path, options: ScanOptions) -> Scan:
        """Walk ``root`` and return its stems and problems.

        Raises:
            CorpusError: ``root`` is missing or holds no MoisesDB song.
        """
        root = check_root(root, NAME, _LAYOUT)
        scan = TreeScan(NAME, root, follow_links=options.follow_links)
        folders = [
            folder
            for folder in song_folders(scan, lambda f: scan.child(f, "data.json") is not None)
            if scan.claim_song(folder.name, folder)
        ]
        if not folders:
            raise nothing_found(root, NAME, _LAYOUT)
        for folder in folders:
            data = scan.load_mapping(_sheet(scan, folder), song=folder.name)
            if data is not None:
                _add_song(scan, folder, data)
        list_skipped(scan)
        return scan.finish()

    def read_labels(self, file: MetadataFile) -> Labels | None:
        """Return the labels of a song's ``data.json``, or of the list of all track types."""
        if file.path.suffix.lower() != ".json":
            return None
        if isinstance(file.mapping.get("stems"), list):
            return Labels.of("MoisesDB song", _song_labels(file.mapping["stems"]))
        groups = mapping_of(file.mapping.get("stemName -> trackType"))
        if groups:
            pairs = (f"{stem}: {kind}" for stem, kinds in groups.items() for kind in list_of(kinds))
            return Labels.of("MoisesDB track types", pairs)
        return None


ADAPTER = MoisesDB()


def _sheet(scan: TreeScan, folder: Path) -> Path:
    return scan.child(folder, "data.json") or folder / "data.json"


def _tracks(scan: TreeScan, song: str, data: Mapping[Any, Any]) -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """Yield (stem name, track) of every well-formed track; report the others."""
    stems = data.get("stems")
    if not isinstance(stems, list):
        _complain(scan, song, f"expected a list 'stems', found {type(stems).__name__}")
        return
    for stem in stems:
        stem_name = text(mapping_of(stem).get("stemName"))
        tracks = mapping_of(stem).get("tracks")
        if not stem_name or not isinstance(tracks, list):
            _complain(scan, song, "a stem without 'stemName' or list 'tracks' is left out")
            continue
        for track in tracks:
            if text(mapping_of(track).get("id")):
                yield stem_name, mapping_of(track)
            else:
                _complain(scan, song, f"a track of stem {stem_name!r} without 'id' is left out")


def _complain(scan: TreeScan, song: str, message: str) -> None:
    full = f"Metadata file 'data.json': {message}. Restore the file from the corpus."
    scan.problem("bad-metadata", full, song=song, path=f"{song}/data.json")


def track_labels(stem_name: str, track_type: object) -> tuple[str, ...]:
    """Return the labels ``<stem name>: <track type>`` with the stem name in words."""
    words = stem_name.replace("_", " ")
    types = track_type if isinstance(track_type, list) else [track_type]
    return tuple(dict.fromkeys(f"{words}: {text(kind)}" for kind in types if text(kind)))


def _song_labels(stems: Iterable[object]) -> Iterator[str]:
    """Yield a label for every track type, blank where there is none, so that it is seen."""
    for stem in map(mapping_of, stems):
        for track in list_of(stem.get("tracks")):
            kinds = track.get("trackType") if isinstance(track, dict) else []
            for kind in kinds if isinstance(kinds, list) else [kinds]:
                yield f"{stem.get('stemName', '')}: {kind}" if kind else ""


def _add_song(scan: TreeScan, folder: Path, data: Mapping[Any, Any]) -> None:
    song = folder.name
    artist, title = known_artist(text(data.get("artist"))), text(data.get("song"))
    groups = {*artist_keys(artist), *song_keys(artist, title)}
    for stem_name, track in _tracks(scan, song, data):
        track_id = text(track.get("id"))
        stem = f"{stem_name}_{track_id}".replace("/", "_")
        suffix = text(track.get("extension")).lstrip(".") or "wav"
        path = scan.locate(folder, stem_name, f"{track_id}.{suffix}", song=song, stem=stem)
        if path is None:
            continue
        scan.add(
            StemEntry(
                song=song,
                stem=stem,
                path=path,
                labels=track_labels(stem_name, track.get("trackType")),
                artist=artist,
                title=title or song,
                genre=text(data.get("genre")),
                corpus_split=folder_split(scan.root, folder),
                groups=tuple(sorted(groups)),
                bleed=truthy(track.get("has_bleed")),
                licence=LICENCE,
            )
        )
