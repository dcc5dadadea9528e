"""FMA: tracks of the Free Music Archive with one top genre, in the official split.

Source: Defferrard, Benzi, Vandergheynst and Bresson 2017, "FMA: a dataset for music analysis" (ISMIR);
metadata CC BY 4.0, each track under its own licence.
Layout: ``fma_metadata/tracks.csv`` and one of ``fma_small``, ``fma_medium``, ``fma_large``, ``fma_full`` with
``NNN/NNNNNN.mp3``; the root holds both, or is the folder of the audio beside that of the metadata.

Traps, and what is done:

* ``tracks.csv`` has two rows of headings and a third that names the index.
* 21 tracks of FMA medium hold less than 30 s, 15 of them nothing at all (mdeff/fma, issues 8 and 41): they
  are left out, and said so.
* Only ``genre_top`` is one genre per track; large and full hold tracks without one, which are left out.
* small is a part of medium, and medium of large: the folder of the audio says which is meant.
* The split keeps artists apart; a group is an artist.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mixlab.corpora._folder_words import split_of
from mixlab.corpora.clips._sets import one_class_each
from mixlab.corpora.clips.base import AudioFiles, Clip, ClipCorpus, ClipSet
from mixlab.errors import CorpusError

__all__ = ["CORPUS", "EMPTY", "SHORT", "read_fma"]

EMPTY = frozenset(
    {1486, 5574, 65753, 80391, 98558, 98559, 98560, 98571, 99134, 105247, 108925, 126981, 127336, 133297,
     143992}
)  # fmt: skip
"""Tracks whose files hold no audio."""

SHORT = frozenset({98565, 98566, 98567, 98568, 98569, 108924})
"""Tracks whose files hold less than 30 s."""

_SUBSETS = {
    "fma_small": ("small",),
    "fma_medium": ("small", "medium"),
    "fma_large": ("small", "medium", "large"),
    "fma_full": ("small", "medium", "large", ""),
}
_COLUMNS = (("set", "split"), ("set", "subset"), ("track", "genre_top"), ("artist", "id"))


class _Track(NamedTuple):
    number: int
    split: str
    subset: str
    genre: str
    artist: str


def read_fma(root: Path, task: str) -> ClipSet:
    """Read the tracks of a subset of FMA that have one top genre.

    Raises:
        CorpusError: the tables or the audio are not there, or there are several folders of audio.
    """
    folder, table = _places(root)
    subsets = _SUBSETS[folder.name]
    tracks = [track for track in _tracks(table) if track.subset in subsets]
    labelled = [track for track in tracks if track.genre]
    whole = [track for track in labelled if track.number not in EMPTY | SHORT]
    audio = AudioFiles()
    rows, missing = [], []
    for track in whole:
        key = f"{track.number:06d}"
        file = audio.find(folder / key[:3] / f"{key}.mp3")
        if file is None:
            missing.append(key)
        else:
            rows.append((Clip(key, file, f"artist {track.artist}", track.split), track.genre))
    if not rows:
        raise CorpusError(
            f"None of the {len(whole)} tracks of {table} is below {folder} (such as 000/000002.mp3).",
            code="audio-not-found",
        )
    return one_class_each(
        "fma",
        task,
        rows,
        source="read by mixlab: neither mirdata nor torchaudio has a loader for its genres",
        notes=_notes(folder, tracks, labelled, whole),
        missing=missing,
    )


def _notes(folder: Path, tracks: list[_Track], labelled: list[_Track], whole: list[_Track]) -> Iterator[str]:
    yield f"{folder.name}, by its top genre, in the official split"
    if faulty := len(labelled) - len(whole):
        yield f"{faulty} tracks whose files hold nothing, or less than 30 s, are left out"
    if without := len(tracks) - len(labelled):
        yield f"{without} tracks without a top genre are left out"


def _places(root: Path) -> tuple[Path, Path]:
    """Return the folder of the audio and the table of tracks."""
    folders = [root] if root.name in _SUBSETS else [root / name for name in _SUBSETS]
    there = [folder for folder in folders if folder.is_dir()]
    if len(there) > 1:
        raise CorpusError(
            f"{root} holds {', '.join(folder.name for folder in there)}: which is meant? Give one of these "
            "folders as the root; the metadata are found beside it.",
            code="layout-not-found",
        )
    if not there:
        raise CorpusError(
            f"Expected {root}/fma_small (or medium, large, full) with NNN/NNNNNN.mp3, found none.",
            code="layout-not-found",
        )
    tables = [place / "fma_metadata" / "tracks.csv" for place in (root, root.parent)]
    table = next((table for table in tables if table.is_file()), None)
    if table is None:
        raise CorpusError(
            f"Expected {tables[0]} or {tables[1]}; fma_metadata.zip of mdeff/fma holds it.",
            code="metadata-not-found",
        )
    return there[0], table


def _tracks(table: Path) -> Iterator[_Track]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file)
            heads = list(zip(next(rows, []), next(rows, []), strict=False))
            index = next(rows, [""])
            if any(column not in heads for column in _COLUMNS) or index[:1] != ["track_id"]:
                names = ", ".join(f"{part} {name}" for part, name in _COLUMNS)
                raise CorpusError(
                    f"{table}: expected two rows of headings with {names}, and a third that begins with "
                    "track_id. Restore it from fma_metadata.zip.",
                    code="invalid-table",
                )
            places = [heads.index(column) for column in _COLUMNS]
            for row in rows:
                yield _track(table, rows.line_num, row, places)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"{table}: cannot be read as a table ({error}).", code="unreadable-file") from error


def _track(table: Path, line: int, row: list[str], places: list[int]) -> _Track:
    try:
        split, subset, genre, artist = (row[place] for place in places)
        return _Track(int(row[0]), split_of(split), subset, genre, artist)
    except (ValueError, IndexError) as error:
        raise CorpusError(
            f"{table}, line {line}: expected a track's number and {len(places)} cells, found {row[:1]}.",
            code="invalid-table",
        ) from error


CORPUS = ClipCorpus("fma", ("genre_top",), read_fma)
