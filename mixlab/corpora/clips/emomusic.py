"""EmoMusic ("1000 songs"): 744 excerpts of 45 s with the arousal and valence that listeners gave them.

Source: Soleymani, Caro, Schmidt, Sha and Yang 2013, "1000 songs for emotional analysis of music" (CrowdMM);
songs of the Free Music Archive, under Creative Commons licences.
Layout: ``annotations/songs_info.csv`` (song_id, Artist, Genre, "Mediaeval 2013 set" and others),
``annotations/static_annotations.csv`` (song_id, mean_arousal, std_arousal, mean_valence, std_valence), and
``clips_45seconds/<song_id>.mp3``. The layout is taken from code that reads the published archives; no tree
of it was at hand.

Numbers: ``arousal`` and ``valence``, the means over the listeners of a song, on a scale from 1 to 9. The
classes are the genres of ``songs_info.csv``, by which groups are divided.

Traps, and what is done:

* Its own division, ``development`` (619 songs) and ``evaluation`` (125), is that of MediaEval 2013; the
  latter is the test part. Choi et al. 2017 take ten folds over all songs (``splits: grouped`` divides anew).
* A group is an artist; artists may stand on both sides of its own division, which the notes count.
* Cells hold tabs and blanks around their texts, which are taken off.
* 256 of the 1000 songs were taken out as duplicates: a song without annotation has no numbers, and is left
  out where one is to be predicted.
"""

import math
from pathlib import Path

from mixlab.corpora._keys import known_artist
from mixlab.corpora.clips._sets import home_of_table, number_of, one_class_each, read_table
from mixlab.corpora.clips.base import AudioFiles, Clip, ClipCorpus, ClipSet
from mixlab.errors import CorpusError

__all__ = ["CORPUS", "read_emomusic"]

_SONGS, _RATED = "songs_info.csv", "static_annotations.csv"
_SET = "Mediaeval 2013 set"
_PARTS = {"development": "train", "evaluation": "test"}
_AUDIO = ("clips_45seconds", "clips_45sec/clips_45seconds", "clips_45sec", ".")
_VALUES = {"arousal": "points of 1 to 9", "valence": "points of 1 to 9"}


def read_emomusic(root: Path, task: str) -> ClipSet:
    """Read the excerpts that are there, with their genres, and with the numbers of those that have some.

    Raises:
        CorpusError: a table is not there or cannot be used, or no excerpt is there.
    """
    home, table = _tables(root)
    rated = _ratings(table.parent / _RATED)
    audio, rows, missing = AudioFiles(), [], []
    values: dict[str, list[float]] = {name: [] for name in _VALUES}
    for line, row in read_table(table, ("song_id", "Artist", "Genre", _SET)):
        song, genre, part = (row[name].strip() for name in ("song_id", "Genre", _SET))
        if not song or not genre or part not in _PARTS:
            raise CorpusError(
                f"{table}, line {line}: expected a song_id, a Genre, and {' or '.join(_PARTS)} as {_SET}, "
                f"found {song!r}, {genre!r} and {part!r}.",
                code="invalid-table",
            )
        found = next(filter(None, (audio.find(home / folder / f"{song}.mp3") for folder in _AUDIO)), None)
        if found is None:
            missing.append(song)
            continue
        artist = known_artist(row["Artist"].strip())
        group = f"artist {artist.casefold()}" if artist else f"song {song}"
        rows.append((Clip(song, found, group, _PARTS[part]), genre))
        for name, numbers in values.items():
            numbers.append(rated.get(song, {}).get(name, math.nan))
    if not rows:
        raise CorpusError(
            f"None of the {len(missing)} songs of {table} is below {home / _AUDIO[0]}, such as "
            f"{missing[0]}.mp3.",
            code="audio-not-found",
        )
    return one_class_each(
        "emomusic",
        task,
        rows,
        source="read by mixlab: mirdata has no loader",
        notes=("the test part is the evaluation set of MediaEval 2013", "grouped by artist"),
        missing=missing,
        values=values,
    )


def _tables(root: Path) -> tuple[Path, Path]:
    """Return the folder of the corpus and its table of songs, in ``annotations`` or beside the clips."""
    home, table = home_of_table(root, "EmoMusic", ("emomusic", "emoMusic"), _SONGS, folder="annotations")
    if not (table.parent / _RATED).is_file():
        raise CorpusError(
            f"Expected {_RATED} beside {table}, found none. Both are in the archive of annotations.",
            code="metadata-not-found",
        )
    return home, table


def _ratings(table: Path) -> dict[str, dict[str, float]]:
    """Return the numbers of each song that was rated."""
    columns = {name: f"mean_{name}" for name in _VALUES}
    found = dict[str, dict[str, float]]()
    for line, row in read_table(table, ("song_id", *columns.values())):
        song = row["song_id"].strip()
        if song in found:
            raise CorpusError(
                f"{table}, line {line}: the song {song!r} is rated twice.", code="repeated-entry"
            )
        found[song] = {
            name: number_of(row[column], f"{table}, line {line}", column) for name, column in columns.items()
        }
    return found


CORPUS = ClipCorpus("emomusic", ("genre",), read_emomusic, values=_VALUES)
