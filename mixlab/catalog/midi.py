"""Read beats and notes of a MIDI file, by pretty_midi."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixlab.errors import CorpusError, MissingDependencyError

__all__ = ["Score", "read_midi"]


@dataclass(frozen=True)
class Score:
    """What a MIDI file says.

    Attributes:
        beats_s: Its beats in seconds, by its tempo changes and metres.
        onsets_s: Where notes start, in seconds, drums included.
        pitch_classes: Seconds that each pitch class sounds, ``(12,)``, drums left out.
    """

    beats_s: NDArray[np.float64]
    onsets_s: NDArray[np.float64]
    pitch_classes: NDArray[np.float64]


def read_midi(path: Path) -> Score:
    """Return beats and notes of a file.

    Raises:
        CorpusError: it is no MIDI file that can be read.
        MissingDependencyError: pretty_midi is not installed.
    """
    try:
        import pretty_midi
    except ImportError as error:
        raise MissingDependencyError(
            "MIDI files are read by the package pretty_midi, which is not installed: "
            "pip install 'mixlab[matched]'."
        ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tempo changes on other tracks than the first, which are read
            midi = pretty_midi.PrettyMIDI(str(path))
        beats = np.asarray(midi.get_beats(), dtype=np.float64)
    except Exception as error:  # whatever its parser trips over
        raise CorpusError(
            f"{path} is no MIDI file that can be read, so beats and key are estimated: {error!r}.",
            code="unreadable-file",
        ) from error
    notes = [(note, instrument.is_drum) for instrument in midi.instruments for note in instrument.notes]
    profile = np.zeros(12)
    for note, is_drum in notes:
        profile[note.pitch % 12] += 0.0 if is_drum else note.end - note.start
    return Score(beats, np.array(sorted(note.start for note, _ in notes)), profile)
