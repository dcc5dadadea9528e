"""NSynth: single notes of 4 s by instruments of eleven families, mono at 16 kHz.

Source: Engel et al. 2017, "Neural audio synthesis of musical notes with WaveNet autoencoders" (ICML);
CC BY 4.0.
Layout: ``nsynth-{train,valid,test}/examples.json`` and ``audio/<note>.wav``, where a note is
``keyboard_acoustic_004-060-025`` (instrument, pitch, velocity).

Tasks: ``family`` (11), ``source`` (acoustic, electronic, synthetic), ``instrument`` (1006), and those of
the black-box transfer experiments on parts of it: ``keyboard_source`` (keyboards by source),
``acoustic_family`` (acoustic notes by family), ``electronic_organ`` (electronic organs, each a class).

Traps, and what is done:

* Instruments of train are in neither other part, but those of valid and test are the same: a group is an
  instrument, and the notes say that these two share them. ``synth_lead`` is in train alone.
* ``pitch`` is a number, too: of MIDI, in semitones, 60 the middle C.
* Where the class is an instrument, the official parts cannot be used: a test of instruments never met. All is
  divided anew, and a group is a pitch of an instrument, with its velocities.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mixlab.corpora.clips._labels import bound_labels
from mixlab.corpora.clips._sets import home_of, one_class_each
from mixlab.corpora.clips.base import AudioFiles, Clip, ClipCorpus, ClipSet
from mixlab.errors import CorpusError

__all__ = ["CORPUS", "FAMILIES", "SOURCES", "read_nsynth"]

FAMILIES = (
    "bass", "brass", "flute", "guitar", "keyboard", "mallet", "organ", "reed", "string", "synth_lead",
    "vocal",
)  # fmt: skip
SOURCES = ("acoustic", "electronic", "synthetic")

_PARTS = {"nsynth-train": "train", "nsynth-valid": "validation", "nsynth-test": "test"}
# What a family holds of the instrument tree; basses and leads of synthesizers are no one instrument.
_NODES: Mapping[str, tuple[str, ...]] = {
    "bass": (), "brass": ("brass",), "flute": ("flute-family",), "guitar": ("guitar",), "keyboard": ("key",),
    "mallet": ("mallet-percussion",), "organ": ("organ",), "reed": ("reed-instrument",),
    "string": ("bowed-string",), "synth_lead": (), "vocal": ("voice",),
}  # fmt: skip


class _Task(NamedTuple):
    """How a note's class is told, and which notes take part."""

    label: Callable[[Mapping[str, Any]], str]
    takes: Callable[[Mapping[str, Any]], bool] = lambda note: True
    classes: tuple[str, ...] = ()


def _family(note: Mapping[str, Any]) -> str:
    return str(note["instrument_family_str"])


def _source(note: Mapping[str, Any]) -> str:
    return str(note["instrument_source_str"])


def _instrument(note: Mapping[str, Any]) -> str:
    return str(note["instrument_str"])


TASKS = {
    "family": _Task(_family, classes=FAMILIES),
    "source": _Task(_source, classes=SOURCES),
    "instrument": _Task(_instrument),
    "keyboard_source": _Task(_source, lambda note: _family(note) == "keyboard", SOURCES),
    "acoustic_family": _Task(_family, lambda note: _source(note) == "acoustic", FAMILIES),
    "electronic_organ": _Task(
        _instrument, lambda note: (_family(note), _source(note)) == ("organ", "electronic")
    ),
}


def read_nsynth(root: Path, task: str) -> ClipSet:
    """Read the notes of all parts that are there.

    Raises:
        CorpusError: no part is there, or one cannot be read.
    """
    holds = ["|".join(f"{part}/examples.json" for part in _PARTS)]
    home = home_of(root, "NSynth", ("nsynth",), holds, "nsynth-{train,valid,test}/examples.json")
    chosen, audio = TASKS[task], AudioFiles()
    by_instrument = chosen.label is _instrument
    rows, pitches, missing = [], list[float](), []
    for folder, split, key, note in _notes(home):
        if not chosen.takes(note):
            continue
        file = audio.find(folder / "audio" / f"{key}.wav")
        if file is None:
            missing.append(key)
            continue
        instrument = _instrument(note)
        group = f"{instrument}-{int(note['pitch']):03d}" if by_instrument else instrument
        rows.append((Clip(key, file, group, "" if by_instrument else split), chosen.label(note)))
        pitches.append(int(note["pitch"]))
    families = chosen.classes == FAMILIES
    return one_class_each(
        "nsynth",
        task,
        rows,
        classes=chosen.classes,
        label_set=bound_labels("nsynth-family", "Families of NSynth", _NODES) if families else None,
        source="read by mixlab: neither mirdata nor torchaudio has a loader",
        notes=(
            "the class is an instrument: the official parts, which share none, are divided anew by pitch"
            if by_instrument
            else "official parts: no instrument of train is in the others",
        ),
        missing=missing,
        values={"pitch": pitches},
    )


def _notes(home: Path) -> Iterator[tuple[Path, str, str, Mapping[str, Any]]]:
    for name, split in _PARTS.items():
        file = home / name / "examples.json"
        if not file.is_file():
            continue
        try:
            examples = json.loads(file.read_text(encoding="utf-8"))
            notes = [(str(key), dict(note)) for key, note in sorted(examples.items())]
            for key, note in notes:
                _family(note), _source(note), _instrument(note), int(note["pitch"])
                yield file.parent, split, key, note
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CorpusError(
                f"{file}: expected notes with instrument_str, instrument_family_str, instrument_source_str "
                f"and pitch ({type(error).__name__}: {error}). Restore it.",
                code="unreadable-file",
            ) from error


CORPUS = ClipCorpus("nsynth", tuple(TASKS), read_nsynth, values={"pitch": "semitones"})
