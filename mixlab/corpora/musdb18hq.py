"""MUSDB18-HQ: 150 songs as four stems, the benchmark of music source separation.

Source: https://zenodo.org/records/3338373.
Licence: educational use only; the songs taken from MedleyDB are CC BY-NC-SA 4.0.
Layout: ``<root>/{train,test}/<Artist> - <Title>/{vocals,drums,bass,other,mixture}.wav``,
44.1 kHz stereo.

Traps, and what is done:

* 93 songs are in Mixing Secrets and 46 in MedleyDB: every song carries ``artist:`` and ``song:``
  group keys spelt as those adapters spell them, so that no overlap crosses splits.
* ``other`` is everything else on one file; the label map ignores it.
* The validation split is 14 songs of the train folder.
* MUSDB18 without HQ is one ``.stem.mp4`` per song; that is not read, and the error says so.
"""

from pathlib import Path

from mixlab.corpora._keys import artist_keys, song_keys
from mixlab.corpora._tree import TreeScan, check_root, nothing_found
from mixlab.entries import Scan, ScanOptions, StemEntry

__all__ = ["ADAPTER", "CITATION", "LICENCE", "NAME", "Musdb18HQ"]

NAME = "musdb18hq"
LICENCE = "educational use only; MedleyDB songs CC BY-NC-SA 4.0"
CITATION = (
    "Z. Rafii, A. Liutkus, F.-R. Stoeter, S. I. Mimilakis, R. Bittner: MUSDB18-HQ, an uncompressed "
    "version of MUSDB18. 2019. doi:10.5281/zenodo.3338373"
)
_LAYOUT = "<root>/{train,test}/<Artist> - <Title>/{vocals,drums,bass,other}.wav"
_STEMS = ("vocals", "drums", "bass", "other")
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

    def scan(self, root: Path, options: ScanOptions) -> Scan:
        """Walk ``root`` and return its stems and problems; ``options`` change nothing here.

        Raises:
            CorpusError: ``root`` is missing or holds no MUSDB18-HQ song.
        """
        root = check_root(root, NAME, _LAYOUT)
        scan = TreeScan(NAME, root)
        for split in ("train", "test"):
            if (root / split).is_dir():
                for folder in scan.folders(root / split):
                    if _is_song(folder) and scan.claim_song(folder.name, folder):
                        _add_song(scan, folder, split)
        if scan.found_nothing:
            packed = next(root.glob("*/*.stem.mp4"), None)
            hint = "These are .stem.mp4 files: get MUSDB18-HQ, or convert them to WAV." if packed else ""
            raise nothing_found(root, NAME, _LAYOUT, hint)
        return scan.finish()


ADAPTER = Musdb18HQ()


def _is_song(folder: Path) -> bool:
    return any((folder / f"{stem}.wav").is_file() for stem in (*_STEMS, "mixture"))


def parse_song(name: str) -> tuple[str, str]:
    """Return artist and title of a folder name ``Artist - Title``; the title may hold the dash."""
    artist, dash, title = name.partition(" - ")
    return (artist.strip(), title.strip()) if dash else (name, name)


def _add_song(scan: TreeScan, folder: Path, split: str) -> None:
    song = folder.name
    artist, title = parse_song(song)
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
                corpus_split="validation" if split == "train" and song in _VALIDATION else split,
                groups=tuple(sorted(groups)),
                licence=LICENCE,
            )
        )
