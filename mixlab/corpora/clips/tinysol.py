"""TinySOL: single notes of 14 instruments, each by one player, in five folds.

Source: Cella et al. 2020, "OrchideaSOL: a dataset of extended instrumental techniques for computer-aided
orchestration" (ICMC); CC BY 4.0.
Layout: ``annotation/TinySOL_metadata.csv`` and ``audio/<Family>/<Instrument>/ordinario/<note>.wav``, as
mirdata fetches it, or both without these folders (``TinySOL/...``), where a note is ``BTb-ord-F#1-pp-N-N``.

Traps, and what is done:

* Five folds are no split: fold 0 is the test part and fold 1 the validation part, the others train. Published
  results are means over all five.
* Each instrument is one instrument by one player: no division can say how a model does on another one. A
  group is a pitch of an instrument, with its dynamics and strings. The folds divide these groups, which the
  notes count; ``splits: grouped`` keeps them whole.
* Some notes are others that were shifted in pitch (``R100u`` and the like at the end of a name).
"""

from pathlib import Path

from mixlab.corpora.clips._labels import bound_labels
from mixlab.corpora.clips._sets import home_of_table, one_class_each, read_table
from mixlab.corpora.clips.base import AudioFiles, Clip, ClipCorpus, ClipSet
from mixlab.errors import CorpusError

__all__ = ["CORPUS", "INSTRUMENTS", "read_tinysol"]

INSTRUMENTS = {
    "Accordion": ("accordion",),
    "Alto Saxophone": ("alto-saxophone",),
    "Bass Tuba": ("tuba",),
    "Bassoon": ("bassoon",),
    "Cello": ("cello",),
    "Clarinet in B-flat": ("clarinet",),
    "Contrabass": ("double-bass",),
    "Flute": ("flute",),
    "French Horn": ("french-horn",),
    "Oboe": ("oboe",),
    "Trombone": ("trombone",),
    "Trumpet in C": ("trumpet",),
    "Viola": ("viola",),
    "Violin": ("violin",),
    "Violoncello": ("cello",),
}
"""Instruments as the table spells them, with their nodes of the instrument tree."""

_TABLE = "TinySOL_metadata.csv"
_COLUMNS = ("Path", "Fold", "Family", "Instrument (in full)", "Pitch")
_PARTS = {0: "test", 1: "validation"}


def read_tinysol(root: Path, task: str) -> ClipSet:
    """Read the notes that are there.

    Raises:
        CorpusError: the table is not there or a row of it cannot be used, or no note is there.
    """
    home, table = home_of_table(root, "TinySOL", ("tinysol",), _TABLE)
    audio = AudioFiles()
    rows, missing = [], []
    for line, row in read_table(table, _COLUMNS):
        name, fold = row["Instrument (in full)"], row["Fold"]
        if name not in INSTRUMENTS or not fold.isdigit():
            raise CorpusError(
                f"{table}, line {line}: expected one of {', '.join(INSTRUMENTS)} in a fold from 0 to 4, "
                f"found {name!r} in {fold!r}.",
                code="unknown-label",
            )
        path = Path(row["Path"])
        places = (home / "audio" / path, home / "TinySOL" / path, home / path)
        found = next(filter(None, map(audio.find, places)), None)
        if found is None:
            missing.append(path.stem)
        else:
            clip = Clip(path.stem, found, f"{name} {row['Pitch']}", _PARTS.get(int(fold), "train"))
            rows.append((clip, name if task == "instrument" else row["Family"]))
    if not rows:
        raise CorpusError(
            f"None of the {len(missing)} notes of {table} is below {home / 'audio'}.", code="audio-not-found"
        )
    instruments = task == "instrument"
    return one_class_each(
        "tinysol",
        task,
        rows,
        classes=tuple(INSTRUMENTS) if instruments else (),
        label_set=bound_labels("tinysol", "Instruments of TinySOL", INSTRUMENTS) if instruments else None,
        source="read by mixlab: the index of mirdata's loader is a download, and says the same",
        notes=(
            "fold 0 is the test part and fold 1 the validation part; published results are means over all",
            "one instrument by one player stands for each class",
        ),
        missing=missing,
    )


CORPUS = ClipCorpus("tinysol", ("instrument", "family"), read_tinysol)
