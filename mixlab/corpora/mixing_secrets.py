"""Mixing Secrets: 258 songs of the Cambridge-MT multitrack library in MedleyDB's format.

Source: https://www.cambridge-mt.com/ms/mtk/ (audio), metadata by Gururani and Lerch (2017).
Licence: the audio is for educational use and may not be redistributed.
Layout: ``<root>/<id>/<id>_STEMS/*.wav`` and ``<id>_RAW/*.wav`` (also below ``Audio``), with
``<id>_METADATA.yaml`` in a metadata folder or in the song's folder. The copy in the metadata
folder is the cleaned one and wins.

Traps, and what is done:

* Only drums, synths, effects and loops were summed into ``<id>_STEM_drums.wav`` and the like; any
  other stem keeps its raw file's name (``08_Bass.wav``) and lies in ``_STEMS`` all the same.
* 14 labels are lists: two instruments on one file.
* 31 ids ``MRyymm_<Artist>`` come from a magazine column; the YAML gives the issue as the artist
  and the artist as the title. The artist is taken from the id, the title from a table.
* ``has_bleed`` is per song. ``ms500_raw_labels.csv`` (per file: does it bleed, and what) refines
  it when it lies in the metadata folder or the root; then clean files of bleeding songs count as
  clean, and a drum kit that bleeds only into itself does too.
* Guitars and voices come one file per take; several stems of a song are doubles of one part.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mixlab.corpora._keys import artist_keys, song_keys, spaced
from mixlab.corpora._medley_format import (
    UNSIGNED,
    MetadataStore,
    SongSheet,
    StemFile,
    find_song_folders,
    known_extras,
    metadata_folders,
    sheet_labels,
)
from mixlab.corpora._skipped import list_skipped
from mixlab.corpora._split_folders import folder_split
from mixlab.corpora._tree import TreeScan, check_root, nothing_found
from mixlab.corpora.base import Scan, ScanOptions, StemEntry
from mixlab.corpora.metadata import Labels, MetadataFile

__all__ = ["ADAPTER", "CITATION", "LICENCE", "NAME", "MixingSecrets"]

NAME = "mixing_secrets"
LICENCE = "educational use only, no redistribution (Cambridge-MT)"
CITATION = """
@inproceedings{gururani2017mixing,
  author = {Gururani, Siddharth and Lerch, Alexander},
  title = {Mixing Secrets: A Multi-Track Dataset for Instrument Recognition in Polyphonic Music},
  booktitle = {ISMIR, late-breaking and demo papers},
  year = {2017},
}
@misc{cambridgemt,
  author = {Senior, Mike},
  title = {The 'Mixing Secrets' Free Multitrack Download Library},
  howpublished = {Cambridge Music Technology},
  url = {https://cambridge-mt.com/ms/mtk/},
}
"""
_LAYOUT = "<root>/<Artist_Title>/<Artist_Title>_STEMS/*.wav with <Artist_Title>_METADATA.yaml"

_MAGAZINE_ID = re.compile(r"MR\d{4}")
_MAGAZINE_TITLES = {
    "MR0702": "Come Around",
    "MR0804": "What Is This Thing Called Love",
    "MR0811": "Word Gets Around",
    "MR0902": "The English Actor",
    "MR0903": "Big Dummy Shake",
    "MR0904": "The Road Ahead",
    "MR0905": "Celebrate",
    "MR0907": "Oral Hygiene",
    "MR0908": "Schoolboy Fascination",
    "MR0911": "Stitch Up",
    "MR0912": "All The Same",
    "MR1001": "Through My Eyes",
    "MR1002": "Sing With Me",
    "MR1003": "Signs",
    "MR1004": "If You Want Success",
    "MR1008": "Everybody's Falling Apart",
    "MR1011": "We Feel Alright",
    "MR1101": "Promises & Lies",
    "MR1103": "54",
    "MR1105": "Not You",
    "MR1106": "Dad's Glad",
    "MR1107": "What Have You Done To Me",
    "MR1111": "Run Run Run",
    "MR1202": "Kaathaadi",
    "MR1204": "Sea Of Leaves",
    "MR1205": "Mallory",
    "MR1207": "Ying Yang",
    "MR1210": "On The Line",
    "MR1212": "Children Of No-one",
    "MR1303": "Rothko",
    "MR1304": "Directions",
}
# The same people under two names; probably so for the second pair, which costs nothing to merge.
_SAME_ARTIST = {
    "MountaineeringClub": "MountaineeringClubOrchestra",
    "TimoCarlier": "TimoAndTheTimezone",
}

# What may bleed, as the per-file list writes it -> the corpus's own stem label. A value that is
# not listed ("Band") can be anything.
_BLEED_LABELS = {
    "Acoustic_Guitar": "acoustic guitar",
    "Backing_Vocal": "backingvox",
    "Bass": "bass",
    "Conga": "conga",
    "Double_Bass": "double bass",
    "Drum_Overheads": "drum set",
    "Electric_Bass": "electric bass",
    "Electric_Guitar": "elecgtr",
    "Electric_Organ": "electronic organ",
    "Lead_Vocal": "leadvox",
    "Piano": "piano",
    "Saxophone": "saxophone",
    "Synthesizer": "synthesizer",
    "Trombone": "trombone",
    "Trumpet": "trumpet",
    "metronome": "percussion",
}
_BLEED_COLUMNS = ("mixing_secrets_track_id", "file", "label", "bleeding", "bleeding_instrument")


class MixingSecrets:
    """Adapter for Mixing Secrets; see the module's docstring for layout and traps."""

    name = NAME
    label_map = "mixing_secrets"
    licence = LICENCE
    citation = CITATION
    description = "Mixing Secrets (Cambridge-MT) with MedleyDB-style metadata: stems, or raws on request"
    citing_note = "The first is of the annotations, the second of the recordings, which are their artists'."

    def scan(self, root: Path, options: ScanOptions) -> Scan:
        """Walk ``root`` and return its stems and problems.

        Raises:
            CorpusError: ``root`` is missing or holds no Mixing Secrets song.
        """
        root = check_root(root, NAME, _LAYOUT)
        scan = TreeScan(NAME, root, metadata_folders(options), follow_links=options.follow_links)
        store = MetadataStore(scan, options, folder_first=True)
        folders = find_song_folders(scan)
        if not folders:
            raise nothing_found(root, NAME, _LAYOUT)
        bleeds = _read_bleeds(scan, store)
        for folder in folders:
            sheet = store.sheet(folder)
            if sheet is not None:
                _add_song(scan, folder, sheet, bleeds.get(sheet.song, {}), options.raws)
        list_skipped(scan, known_extras(folders, options.raws))
        return scan.finish()

    def read_labels(self, file: MetadataFile) -> Labels | None:
        """Return the labels of a sheet, of the list of raw files, or of the list of instruments."""
        sheet = sheet_labels(file.mapping)
        if sheet is not None and sheet[0] in ("", "mixing secrets"):
            return Labels.of("Mixing Secrets sheet" if sheet[0] else UNSIGNED, sheet[1])
        if file.has_columns("file", "label", "bleeding"):
            return Labels.of("Cambridge-MT file labels", file.cells({"label": ""}))
        if file.rows and file.path.name == "mixing_secrets_insts.csv":
            labels = (part for row in file.rows for part in row[0].split(" + "))
            return Labels.of("Mixing Secrets instruments", labels)
        return None


ADAPTER = MixingSecrets()


def identify(song: str) -> tuple[str, str]:
    """Return (artist, title) of a song id, both as camel-case ids.

    ``MR0702_Leaf`` is by Leaf: its first part is the magazine's issue.
    """
    first, _, second = song.partition("_")
    if _MAGAZINE_ID.fullmatch(first) and second:
        artist, title = second, _MAGAZINE_TITLES.get(first, first)
    else:
        artist, title = first, second
    return artist, title


@dataclass(frozen=True)
class _Bleed:
    """What the per-file list says about one raw file."""

    kit: bool
    bleeding: bool
    sources: tuple[str, ...]


def _read_bleeds(scan: TreeScan, store: MetadataStore) -> dict[str, dict[str, _Bleed]]:
    """Return song -> raw file name -> bleed, from the first per-file list there is."""
    bleeds: dict[str, dict[str, _Bleed]] = {}
    for path in store.extra_files("*raw_labels*.csv")[:1]:
        for row in scan.load_rows(path, _BLEED_COLUMNS):
            sources = (part.strip() for part in row["bleeding_instrument"].split(","))
            bleed = _Bleed(
                kit=row["label"].startswith("Drum_"),
                bleeding=row["bleeding"].casefold() == "yes",
                sources=tuple(source for source in sources if source),
            )
            song, file = row["mixing_secrets_track_id"], row["file"]
            first = bleeds.setdefault(song, {}).setdefault(file, bleed)
            if song and first != bleed:
                bleeds[song][file] = _either(first, bleed)
                message = (
                    f"{path.name}: {file!r} is listed twice and not alike; what either row says may bleed."
                )
                scan.problem("bad-metadata", message, song=song, path=path)
    return bleeds


def _either(first: _Bleed, second: _Bleed) -> _Bleed:
    """Return what is sure of a file that two rows speak of: it bleeds if either says so."""
    bleeding = [bleed for bleed in (first, second) if bleed.bleeding]
    sources = {source for bleed in bleeding for source in bleed.sources}
    return _Bleed(
        kit=first.kit and second.kit,
        bleeding=bool(bleeding),
        sources=tuple(sorted(sources)) if all(bleed.sources for bleed in bleeding) else (),
    )


def stem_bleed(
    files: Iterable[str], listed: Mapping[str, _Bleed], song_bleeds: bool
) -> tuple[bool, tuple[str, ...]]:
    """Return whether a stem made of raw ``files`` bleeds, and the labels known to bleed in.

    Args:
        files: Names of the raw files that make up the stem.
        listed: Raw file name -> what the per-file list says; empty without the list.
        song_bleeds: The song's own flag, used for stems whose files are not all listed.

    Returns:
        (bleed, labels); no labels with ``bleed`` means that it could be anything.
    """
    names = list(files)
    known = [listed[name] for name in names if name in listed]
    kit_only = len(known) == len(names) and all(bleed.kit for bleed in known)
    sources: set[str] = set()
    unnamed = False
    for bleed in known:
        if bleed.bleeding:
            unnamed = unnamed or not bleed.sources
            sources |= {source for source in bleed.sources if not (kit_only and source.startswith("Drum_"))}
    if sources or unnamed:
        labels = {_BLEED_LABELS.get(source, "") for source in sources}
        return True, () if unnamed or "" in labels else tuple(sorted(labels))
    return (False, ()) if known and len(known) == len(names) else (song_bleeds, ())


def _add_song(
    scan: TreeScan, folder: Path, sheet: SongSheet, listed: Mapping[str, _Bleed], raws: bool
) -> None:
    artist, title = identify(sheet.song) if "_" in sheet.song else ("", sheet.song)
    shown = spaced(_SAME_ARTIST.get(artist, artist))
    groups = {*artist_keys(shown, spaced(artist)), *song_keys(artist, title)}
    for stem_id, subfolder, filename, labels, stem in sheet.files(raws):
        path = scan.locate(folder, subfolder, filename, song=sheet.song, stem=stem_id)
        if path is None:
            continue
        bleed, bleed_labels = stem_bleed(_raw_names(stem, filename, raws), listed, sheet.has_bleed)
        scan.add(
            StemEntry(
                song=sheet.song,
                stem=stem_id,
                path=path,
                labels=labels,
                artist=shown,
                title=spaced(title),
                album=sheet.album,
                genre=sheet.genre,
                corpus_split=folder_split(scan.root, folder),
                groups=tuple(sorted(groups)),
                bleed=bleed,
                bleed_labels=bleed_labels,
                licence=LICENCE,
            )
        )


def _raw_names(stem: StemFile, filename: str, raws: bool) -> list[str]:
    if raws or not stem.raws:
        return [filename]
    return [raw.filename for raw in stem.raws]
