"""Medley-solos-DB: clips of 2.97 s of eight solo instruments, in the official split.

Source: Lostanlen and Cella 2016, "Deep convolutional networks on the pitch spiral for musical instrument
recognition" (ISMIR); CC BY 4.0.
Layout: ``annotation/Medley-solos-DB_metadata.csv`` (subset, instrument, instrument_id, song_id, uuid4) and
``audio/Medley-solos-DB_{subset}-{instrument_id}_{uuid4}.wav``, as mirdata fetches it, or all in one folder.

Traps, and what is done:

* Training and validation clips are cut from MedleyDB: whoever trains on mixes of MedleyDB meets these songs
  again. The notes say so; test clips are from solosDB.
* A group is a song. Clips of a song are many: their number is not that of recordings.
"""

from pathlib import Path

from mixlab.corpora._folder_words import split_of
from mixlab.corpora.clips._labels import bound_labels
from mixlab.corpora.clips._sets import home_of_table, one_class_each, read_table
from mixlab.corpora.clips.base import AudioFiles, Clip, ClipCorpus, ClipSet
from mixlab.errors import CorpusError

__all__ = ["CORPUS", "INSTRUMENTS", "read_medley_solos_db"]

INSTRUMENTS = {
    "clarinet": ("clarinet",),
    "distorted electric guitar": ("distorted-electric-guitar",),
    "female singer": ("singer",),
    "flute": ("flute",),
    "piano": ("piano",),
    "tenor saxophone": ("tenor-saxophone",),
    "trumpet": ("trumpet",),
    "violin": ("violin",),
}
"""The eight classes, in the order of ``instrument_id``, with their nodes of the instrument tree."""

_TABLE = "Medley-solos-DB_metadata.csv"
_COLUMNS = ("subset", "instrument", "instrument_id", "song_id", "uuid4")


def read_medley_solos_db(root: Path, task: str) -> ClipSet:
    """Read the clips that are there.

    Raises:
        CorpusError: the table is not there or a row of it cannot be used, or no clip is there.
    """
    home, table = home_of_table(root, "Medley-solos-DB", ("medley_solos_db",), _TABLE)
    audio = AudioFiles()
    rows, missing = [], []
    for line, row in read_table(table, _COLUMNS):
        split = split_of(row["subset"])
        if row["instrument"] not in INSTRUMENTS or not split:
            raise CorpusError(
                f"{table}, line {line}: expected one of {', '.join(INSTRUMENTS)} in training, validation or "
                f"test, found {row['instrument']!r} in {row['subset']!r}.",
                code="unknown-label",
            )
        name = f"Medley-solos-DB_{row['subset']}-{row['instrument_id']}_{row['uuid4']}.wav"
        found = next(filter(None, (audio.find(place / name) for place in (home / "audio", home))), None)
        if found is None:
            missing.append(row["uuid4"])
        else:
            clip = Clip(row["uuid4"], found, f"song {row['song_id']}", split)
            rows.append((clip, row["instrument"]))
    if not rows:
        raise CorpusError(
            f"None of the {len(missing)} clips of {table} is below {home / 'audio'}.", code="audio-not-found"
        )
    return one_class_each(
        "medley_solos_db",
        task,
        rows,
        classes=tuple(INSTRUMENTS),
        label_set=bound_labels("medley-solos-db", "Eight instruments of Medley-solos-DB", INSTRUMENTS),
        source="read by mixlab: the index of mirdata's loader is a download, and says the same",
        notes=(
            "training and validation clips are from MedleyDB: a model trained on mixes of it has met them",
        ),
        missing=missing,
    )


CORPUS = ClipCorpus("medley_solos_db", ("instrument",), read_medley_solos_db)
