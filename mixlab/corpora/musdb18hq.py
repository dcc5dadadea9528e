"""MUSDB18-HQ: 150 songs as four stems, the benchmark of music source separation.

Source: https://zenodo.org/records/3338373.
Licence: educational use only; the songs taken from MedleyDB are CC BY-NC-SA 4.0.
Layout: ``<root>/{train,valid,test}/<Artist> - <Title>/{vocals,drums,bass,other,mixture}.wav``,
44.1 kHz stereo; FLAC and other lossless copies are taken as well.

Traps, and what is done:

* 93 songs are in Mixing Secrets and 46 in MedleyDB: every song carries ``artist:`` and ``song:``
  group keys spelt as those adapters spell them, so that no overlap crosses splits.
* ``other`` is everything else on one file; the label map ignores it.
* The validation split is 14 songs of the train folder, unless the tree has a folder ``valid`` of its own.
* Songs in folders of other names, or right below the root, are read and have no split.
* MUSDB18 without HQ is one ``.stem.mp4`` per song; that is not read, and the error says so.
"""

from pathlib import Path

from mixlab.audio.file_kinds import form, is_read, why_not_read
from mixlab.corpora._folder_words import is_wrapper, split_artist
from mixlab.corpora._keys import artist_keys, song_keys
from mixlab.corpora._skipped import list_skipped
from mixlab.corpora._song_folders import song_folders
from mixlab.corpora._split_folders import folder_split, note_unknown_splits
from mixlab.corpora._tree import TreeScan, check_root, nothing_found
from mixlab.corpora.base import Scan, ScanOptions, StemEntry
from mixlab.corpora.metadata import Labels, MetadataFile

__all__ = ["ADAPTER", "CITATION", "LICENCE", "NAME", "Musdb18HQ"]

NAME = "musdb18hq"
LICENCE = "educational use only; MedleyDB songs CC BY-NC-SA 4.0"
CITATION = """
@misc{rafii2019musdb18hq,
  author = {Rafii, Zafar and Liutkus, Antoine and St{\\"o}ter, Fabian-Robert and
            Mimilakis, Stylianos Ioannis and Bittner, Rachel},
  title = {{MUSDB18-HQ} - an uncompressed version of {MUSDB18}},
  howpublished = {Zenodo},
  year = {2019},
  doi = {10.5281/zenodo.3338373},
}
"""
_LAYOUT = "<root>/{train,test}/<Artist> - <Title>/{vocals,drums,bass,other}.wav"
_STEMS = ("vocals", "drums", "bass", "other")
# Sums of stems, which tools for this corpus write beside them.
_MIXES = frozenset({"mixture", "linear_mixture", "accompaniment", "instrumental"})
_PACKED = "MUSDB18 comes as one .stem.mp4 a song: get MUSDB18-HQ, or convert each stem to WAV or FLAC."
_VALIDATION = frozenset(
    {
        "ANiMAL - Rockshow",
        "Actions - One Minute Smile",
        "Alexander Ross - Goodbye Bolero",
        "Clara Berry And Wooldog - Waltz For My Victims",
        "Fergessen - Nos Palpitants",
        "James May - On The Line",
        "Johnny Lokke - Promises & Lies",
        "Leaf - Summerghost",
        "Meaxic - Take A Step",
        "Patrick Talbot - A Reason To Leave",
        "Skelpolu - Human Mistakes",
        "Traffic Experiment - Sirens",
        "Triviul - Angelsaint",
        "Young Griffo - Pennies",
    }
)


class Musdb18HQ:
    """Adapter for MUSDB18-HQ; see the module's docstring for layout and traps."""

    name = NAME
    label_map = "musdb18hq"
    licence = LICENCE
    citation = CITATION
    description = "MUSDB18-HQ: vocals, drums and bass of 150 songs"
    citing_note = (
        "46 of its songs are from MedleyDB and 93 are also in Mixing Secrets; its track list names the "
        "source and licence of each."
    )

    def scan(self, root: Path, options: ScanOptions) -> Scan:
        """Walk ``root`` and return its stems and problems; ``options`` change nothing here.

        Raises:
            CorpusError: ``root`` is missing or holds no MUSDB18-HQ song.
        """
        root = check_root(root, NAME, _LAYOUT)
        scan = TreeScan(NAME, root, follow_links=options.follow_links)
        songs = _find_songs(scan)
        own = any(folder_split(root, folder) == "validation" for folder in songs.values())
        for song, folder in songs.items():
            _add_song(scan, song, folder, _split(song, folder_split(root, folder), own))
        if not songs:
            raise nothing_found(root, NAME, _LAYOUT, _PACKED if any(root.rglob("*.stem.mp4")) else "")
        note_unknown_splits(scan, songs.values())
        list_skipped(scan, lambda path: path.stem.casefold() in _MIXES)
        return scan.finish()

    def read_labels(self, file: MetadataFile) -> Labels | None:
        """Return the labels of the list of songs, or what the name of a stem beside its mixture says."""
        if file.header == ("track name", "genre", "source", "license"):
            return Labels.of("MUSDB18 track list", _STEMS * (len(file.rows) - 1))
        path = file.path
        if file.is_audio and path.stem in _STEMS and (path.parent / f"mixture{path.suffix}").is_file():
            return Labels.of("MUSDB18 stem", [path.stem])
        return None


ADAPTER = Musdb18HQ()


def _find_songs(scan: TreeScan) -> dict[str, Path]:
    """Return song id -> folder, of those with a file named as one of the stems or the mix."""
    order = ("train", "validation", "test", "")
    found = song_folders(scan, lambda folder: _is_song(scan, folder))
    found.sort(key=lambda folder: (order.index(folder_split(scan.root, folder)), folder.as_posix()))
    named = [(_song_id(folder), folder) for folder in found]
    return {song: folder for song, folder in named if scan.claim_song(song, folder)}


def _song_id(folder: Path) -> str:
    """Return the name of a song's folder, past one that only holds its files (``stems``, ``wav``)."""
    return folder.parent.name if is_wrapper(folder.name, folder.parent.name) else folder.name


def _is_song(scan: TreeScan, folder: Path) -> bool:
    """Return whether a folder has a stem or the mix by name, be it a link that leads nowhere, or not read."""
    names = [entry.name for entry in scan.listing(folder) if not entry.is_dir]
    audio = [name for name in names if is_read(name) or why_not_read(name)]
    return any(form(Path(name).stem) in (*_STEMS, "mixture") for name in audio)


def _split(song: str, split: str, own_validation: bool) -> str:
    """Return the split of a song; the published validation songs lie in the folder of the training songs."""
    published = split == "train" and song in _VALIDATION and not own_validation
    return "validation" if published else split


def _add_song(scan: TreeScan, song: str, folder: Path, split: str) -> None:
    artist, title = split_artist(song)
    groups = {*artist_keys(artist), *song_keys(artist, title)}
    for stem in _STEMS:
        path = scan.locate(folder, f"{stem}.wav", song=song, stem=stem)
        if path is None:
            continue
        scan.add(
            StemEntry(
                song=song,
                stem=stem,
                path=path,
                labels=(stem,),
                artist=artist,
                title=title,
                corpus_split=split,
                groups=tuple(sorted(groups)),
                licence=LICENCE,
            )
        )
