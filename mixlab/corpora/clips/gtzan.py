"""GTZAN: tracks of 30 s in ten genres, in the fault-filtered split.

Source: Tzanetakis and Cook 2002, "Musical genre classification of audio signals" (IEEE TSAP); no licence is
stated.
Layout: ``genres/<genre>/<genre>.NNNNN.wav`` (or ``.au``; mirdata's ``gtzan_genre/genres``;
``genres_original`` in a widespread copy), 100 tracks of each genre.

Traps, and what is done:

* Repeated recordings, versions, distorted tracks and one artist on both sides (Sturm 2013, "The GTZAN
  dataset: its contents, its faults, their effects on evaluation, and its future use"): the split is the
  fault-filtered one of Kereliuk, Sturm and Larsen 2015, "Deep learning and music adversaries" (IEEE Trans.
  Multimedia; 443 / 197 / 290 tracks, as torchaudio has it), which keeps artists apart. The 70 tracks it
  leaves out are left out here.
* ``jazz.00054`` cannot be read in the copies that are about: it is left out, and said so.
* Nothing in the tree names artists: each track is a group of its own, so that a division of one's own
  (``splits: grouped``) cannot keep artists apart. The notes say so.
"""

from collections.abc import Iterator
from pathlib import Path

from mixlab.corpora.clips._sets import home_of, one_class_each
from mixlab.corpora.clips.base import AudioFiles, Clip, ClipCorpus, ClipSet

__all__ = ["CORPUS", "FILTERED", "GENRES", "filtered_splits", "read_gtzan"]

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")

UNREADABLE = "jazz.00054"

FILTERED = {
    "train": {
        "blues": "29-49 73-97",
        "classical": "30-33 43-48 50-67 80-99",
        "country": "19-26 28-29 65-99",
        "disco": "5 15-20 22-37 39-45 47 49 53-54 56-57 59 61 70 73-74 89",
        "hiphop": "2-25 28-29 31-38 41-42 55-61 77-80",
        "jazz": "0-1 11-24 41 47-72",
        "metal": "2-3 5 21 24 35 46-57 59-66 69 71-72 79-80 84 86 89-99",
        "pop": "2-9 11-12 16-20 23-29 31-36 38-42 44 46 49-50 80 97-99",
        "reggae": "0-2 4 6 9 11-12 14-32 42-45 49-51 54-60 63 69",
        "rock": "0-9 16-26 57-70 91-99",
    },
    "validation": {
        "blues": "0-11 50-60",
        "classical": "0-10 68-76",
        "country": "0-7 9-18 27 41-42 45 49",
        "disco": "0 2-4 6-14 46 48 52 67-68 72 75 90 95",
        "hiphop": "81-98",
        "jazz": "2-10 25-32",
        "metal": "0-1 6-11 16-20 36-37 68 76-77 81-82",
        "pop": "10 53 55 58-62 81 83-86",
        "reggae": "61-62 70 72 74 76-78 85 92-99",
        "rock": "38 49-56 71-85",
    },
    "test": {
        "blues": "12-28 61-72 98-99",
        "classical": "11-29 34-41 49 77-79",
        "country": "30-40 43-44 46-48 50-51 53-64",
        "disco": "1 21 58 62-66 69 76-88 91-94 96-97 99",
        "hiphop": "0 26-27 30 40 43-45 51-54 62-75 99",
        "jazz": "73-99",
        "metal": "12-15 22-23 25-33 38-39 67 70 73-75 78 83 85 87-88",
        "pop": "0-1 13-14 43 63-66 69-79 82 88-96",
        "reggae": "34-40 46-48 52-53 64-68 71 79 82-84 87-90",
        "rock": "10-15 27-37 39-48 86-90",
    },
}
"""The fault-filtered split: numbers of tracks by part and genre."""

_INNER = ("genres", "genres_original", "Data/genres_original", "gtzan_genre/genres", "gtzan_mini-main/genres")


def filtered_splits() -> dict[str, str]:
    """Return the part of every track of the fault-filtered split by its key."""
    return {
        f"{genre}.{number:05d}": part
        for part, genres in FILTERED.items()
        for genre, spans in genres.items()
        for number in _numbers(spans)
    }


def _numbers(spans: str) -> Iterator[int]:
    for span in spans.split():
        first, _, last = span.partition("-")
        yield from range(int(first), int(last or first) + 1)


def read_gtzan(root: Path, task: str) -> ClipSet:
    """Read the tracks of the fault-filtered split that are there.

    Raises:
        CorpusError: no folder of genres is there.
    """
    home = home_of(root, "GTZAN", _INNER, ["blues|classical|rock"], "genres/<genre>/<genre>.NNNNN.wav")
    splits, audio = filtered_splits(), AudioFiles()
    rows, left = [], []
    for genre in GENRES:
        for name in audio.names(home / genre):
            if name not in splits:
                left.append(name)
            elif name != UNREADABLE:
                file = audio.find(home / genre / f"{name}.wav")
                assert file is not None
                rows.append((Clip(name, file, name, splits[name]), genre))
    found = {clip.key for clip, _ in rows} | {UNREADABLE}
    notes = (
        f"the fault-filtered split of Kereliuk et al. 2015, without {UNREADABLE}, which cannot be read; "
        f"{len(left)} files that it leaves out (repetitions, distortion, artists on both sides) are left out",
        "the tree names no artists: a division of one's own (clips.splits=grouped) cannot keep them apart",
    )
    return one_class_each(
        "gtzan",
        task,
        rows,
        classes=GENRES,
        source="read by mixlab: the index of mirdata's loader is a download, torchaudio reads WAV only",
        notes=notes,
        missing=sorted(set(splits) - found),
    )


CORPUS = ClipCorpus("gtzan", ("genre",), read_gtzan)
