"""MedleyDB V1 and V2: 196 songs as stems and raw recordings, annotated by hand.

Source: https://medleydb.weebly.com (Zenodo 1649325 and 1715175, on request).
Licence: CC BY-NC-SA 4.0 (audio).
Layout: ``<root>/{Audio,V1,V2,.}/<id>/<id>_STEMS/<id>_STEM_NN.wav`` and
``<id>_RAW/<id>_RAW_NN_MM.wav``, with ``<id>_METADATA.yaml`` in the song's folder or in
``<root>/Metadata``. WAV, 44.1 kHz, 16 bit; stems stereo, raws mono.

Traps, and what is done:

* Stems sum to the mix only with weights: ``mixing_coefficients_version2.yaml``, looked for in the
  root, in the metadata folders and in ``resources`` beside them, becomes ``gain``.
* ``has_bleed`` is per song. Stems that the errata list as bleeding are flagged one by one.
* One artist has several spellings, and one ``artist`` (NYU) covers several ids: songs that share
  the id's first part or the artist are one group. Movements of one work share the first part.
* The metadata folder describes songs without public audio; only songs with a folder are read.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mixlab.corpora._fields import mapping_of, text
from mixlab.corpora._keys import artist_keys, common_artists, known_artist, song_keys, spaced
from mixlab.corpora._medley_format import (
    UNSIGNED,
    MetadataStore,
    SongSheet,
    find_song_folders,
    known_extras,
    metadata_folders,
    sheet_labels,
)
from mixlab.corpora._skipped import list_skipped
from mixlab.corpora._split_folders import folder_split
from mixlab.corpora._tree import TreeScan, check_root, nothing_found
from mixlab.corpora.base import Scan, ScanOptions, StemEntry
from mixlab.corpora.metadata import Labels, MetadataFile, leaves

__all__ = ["ADAPTER", "CITATION", "LICENCE", "NAME", "MedleyDB"]

NAME = "medleydb"
LICENCE = "CC BY-NC-SA 4.0"
CITATION = """
@inproceedings{bittner2014medleydb,
  author = {Bittner, Rachel M. and Salamon, Justin and Tierney, Mike and Mauch, Matthias and
            Cannam, Chris and Bello, Juan P.},
  title = {{MedleyDB}: A Multitrack Dataset for Annotation-Intensive {MIR} Research},
  booktitle = {15th International Society for Music Information Retrieval Conference (ISMIR)},
  year = {2014},
}
@inproceedings{bittner2016medleydb,
  author = {Bittner, Rachel M. and Wilkins, Julia and Yip, Hanna and Bello, Juan P.},
  title = {{MedleyDB} 2.0: New Data and a System for Sustainable Data Collection},
  booktitle = {ISMIR, late-breaking and demo papers},
  year = {2016},
}
"""
_LAYOUT = "<root>/{Audio,V1,V2}/<Artist_Title>/<Artist_Title>_STEMS/*.wav with <Artist_Title>_METADATA.yaml"

# Errata, type 1: bleed in files of songs that are not (or were not always) tagged as bleeding.
_BLEEDING = frozenset(
    {
        ("BrandonWebster_DontHearAThing", "S02"),
        ("ClaraBerryAndWooldog_Boys", "S01"),
        ("ClaraBerryAndWooldog_Boys", "S05"),
        ("Creepoid_OldTree", "S02_R01"),
        ("LizNelson_ImComingHome", "S02"),
        ("Lushlife_ToynbeeSuite", "S12"),
        ("TheScarletBrand_LesFleursDuMal", "S08"),
    }
)


class MedleyDB:
    """Adapter for MedleyDB; see the module's docstring for layout and traps."""

    name = NAME
    label_map = "medleydb"
    licence = LICENCE
    citation = CITATION
    description = "MedleyDB V1 and V2: stems, or raws on request"
    citing_note = "The first is of MedleyDB, the second of the songs of version 2."

    def scan(self, root: Path, options: ScanOptions) -> Scan:
        """Walk ``root`` and return its stems and problems.

        Raises:
            CorpusError: ``root`` is missing or holds no MedleyDB song.
        """
        root = check_root(root, NAME, _LAYOUT)
        scan = TreeScan(NAME, root, metadata_folders(options), follow_links=options.follow_links)
        store = MetadataStore(scan, options, folder_first=False)
        folders = {folder.name: folder for folder in find_song_folders(scan)}
        if not folders:
            raise nothing_found(root, NAME, _LAYOUT)
        sheets = {song: sheet for song, folder in folders.items() if (sheet := store.sheet(folder))}
        names = {song: _artist_names(sheet) for song, sheet in sheets.items()}
        artists = common_artists({song: spellings for song, spellings in names.items() if spellings})
        weights = _mixing_weights(scan, store)
        for song, sheet in sheets.items():
            _add_song(scan, folders[song], sheet, artists.get(song, ""), weights, options.raws)
        list_skipped(scan, known_extras(list(folders.values()), options.raws))
        return scan.finish()

    def read_labels(self, file: MetadataFile) -> Labels | None:
        """Return the labels of a sheet, of the corpus's own lists, or of a file of activations."""
        sheet = sheet_labels(file.mapping)
        if sheet is not None and sheet[0] != "mixing secrets":
            return Labels.of("MedleyDB sheet" if sheet[0] else UNSIGNED, sheet[1])
        if {"strings", "winds", "percussion"} <= set(file.mapping):
            return Labels.of("MedleyDB taxonomy", leaves(file.mapping))
        if file.mapping and file.path.name == "instrument_f0_type.json":
            return Labels.of("MedleyDB f0 types", file.mapping)
        if file.has_columns("start_time", "instrument_label"):
            return Labels.of("MedleyDB source ids", file.cells({"instrument_label": ""}))
        return None


ADAPTER = MedleyDB()


def _artist_names(sheet: SongSheet) -> tuple[str, ...]:
    """Return the spellings of a song's artist: the sheet's field, and the first part of ``Artist_Title``."""
    prefix, _, title = sheet.song.partition("_")
    names = (known_artist(sheet.artist), known_artist(spaced(prefix)) if title else "")
    return tuple(name for name in names if name)


def _add_song(
    scan: TreeScan, folder: Path, sheet: SongSheet, artist: str, weights: Mapping[Any, Any], raws: bool
) -> None:
    prefix, _, title = sheet.song.partition("_")
    groups = {*artist_keys(*_artist_names(sheet)), *song_keys(prefix, title)}
    for stem_id, subfolder, filename, labels, stem in sheet.files(raws):
        path = scan.locate(folder, subfolder, filename, song=sheet.song, stem=stem_id)
        if path is None:
            continue
        bleeds = sheet.has_bleed or not _BLEEDING.isdisjoint({(sheet.song, stem_id), (sheet.song, stem.id)})
        scan.add(
            StemEntry(
                song=sheet.song,
                stem=stem_id,
                path=path,
                labels=labels,
                artist=artist,
                title=sheet.title or spaced(title or prefix),
                album=sheet.album,
                genre=sheet.genre,
                corpus_split=folder_split(scan.root, folder),
                groups=tuple(sorted(groups)),
                bleed=bleeds,
                gain=1.0 if raws else mixing_gain(weights.get(sheet.song), stem.id),
                licence=LICENCE,
            )
        )


def _mixing_weights(scan: TreeScan, store: MetadataStore) -> dict[Any, Any]:
    """Return the mixing coefficients file as read, the newest version there is; {} without one."""
    files = store.extra_files("mixing_coefficients*.y*ml")
    if not files:
        return {}
    return scan.load_mapping(max(files, key=lambda path: path.name)) or {}


def mixing_gain(weights: object, stem: str) -> float:
    """Return the linear gain of a stem: the manual weight, else the mean of audio and stft.

    Args:
        weights: The song's entry: ``{manual|audio|stft: {1: weight, ...}}`` (version 2), or
            ``{1: weight, ...}`` (version 1).
        stem: Stem id, ``S01``.

    Returns:
        A factor >= 0; 1.0 where the file gives no usable number.
    """
    number = int(stem[1:]) if stem[1:].isdecimal() else -1
    tables = mapping_of(weights)
    manual = _weight(mapping_of(tables.get("manual")).get(number))
    if manual is None:
        manual = _weight(tables.get(number))
    if manual is not None:
        return manual
    estimates = [_weight(mapping_of(tables.get(kind)).get(number)) for kind in ("audio", "stft")]
    known = [weight for weight in estimates if weight is not None]
    return sum(known) / len(known) if known else 1.0


def _weight(value: object) -> float | None:
    try:
        weight = float(text(value))
    except ValueError:
        return None
    return weight if math.isfinite(weight) and weight >= 0 else None
