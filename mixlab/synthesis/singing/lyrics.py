"""What is sung: a syllable for every note, in a language that does not exist."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mixlab.synthesis.events import Note

__all__ = ["Syllable", "lines_of", "write_lyrics"]

_VOWELS = {"a": 5, "E": 4, "i": 4, "V": 3, "O": 3, "u": 2.5, "ae": 2, "I": 2.5, "U": 1, "R": 0.7}
_GLIDES = {"a": ("I", "U"), "E": ("I",), "O": ("U", "I")}
_ONSETS = {
    "": 3, "l": 3, "m": 3, "n": 3, "d": 2.5, "w": 2, "r": 2, "y": 1.5, "b": 2, "g": 1.2, "s": 2.5, "sh": 1.2,
    "t": 2.2, "k": 2, "p": 1.2, "f": 1.2, "h": 2, "v": 1.2, "z": 0.6,
}  # fmt: skip
_QUICK = {"": 4, "l": 3, "n": 2, "d": 3, "m": 1.5, "w": 1, "y": 1, "b": 1.5, "t": 1}
_CODAS = {"": 9, "n": 2, "m": 1.2, "s": 1.5, "t": 1, "ng": 1, "d": 0.7, "l": 1, "z": 0.6}
_HOOKS = ("la", "na", "oh", "ah", "ooh", "doo")
_HOOK_SOUNDS = {
    "la": ("l", "a"), "na": ("n", "a"), "oh": ("", "O"), "ah": ("", "a"), "ooh": ("", "u"), "doo": ("d", "u"),
}  # fmt: skip
_SHORT_S = 0.17
_PAUSE_S = 0.1
_LONGEST_PHRASE_S = 6.0
_BREATH_S = 0.28


class Syllable(NamedTuple):
    """A sung note.

    Attributes:
        start_s: Where its vowel begins; the consonant comes before.
        end_s: Where it ends.
        pitch: MIDI pitch.
        strength: 0..1.
        onset: Key of ``CONSONANTS``, or ''.
        vowel: Key of ``VOWELS``.
        glide: The vowel it ends on; the same where it does not change.
        coda: Key of ``CONSONANTS`` after the vowel, or ''.
        first: Begins a phrase, after a breath.
        last: Ends a phrase.
    """

    start_s: float
    end_s: float
    pitch: int
    strength: float
    onset: str
    vowel: str
    glide: str
    coda: str
    first: bool
    last: bool


def _choose(weights: dict[str, float], rng: np.random.Generator) -> str:
    chances = np.cumsum(list(weights.values()))
    return list(weights)[int(np.searchsorted(chances, float(rng.uniform(0, chances[-1])), side="right"))]


def lines_of(notes: Sequence[Note]) -> list[list[Note]]:
    """Divide notes into lines of one voice each, the highest first: chords become lines of a choir."""
    lines: list[list[Note]] = []
    for note in sorted(notes, key=lambda note: (round(note.start_s, 1), -note.pitch)):
        free = [line for line in lines if line[-1].start_s + 0.06 < note.start_s]
        if free:
            # The line that ended nearest in pitch goes on; a note that still sounds there is cut.
            line = min(free, key=lambda line: abs(line[-1].pitch - note.pitch))
            line.append(note)
        else:
            lines.append([note])
    for line in lines:
        line.sort()
    return sorted(lines, key=lambda line: -float(np.mean([note.pitch for note in line])))


def write_lyrics(notes: Sequence[Note], rng: np.random.Generator, vocalise: bool = False) -> list[Syllable]:
    """Return a syllable for every note of a line, with phrases and room for breath.

    Args:
        notes: One voice, in order of start.
        rng: Chooses sounds.
        vocalise: Sing on a few vowels, as backing singers do, rather than words.
    """
    syllables: list[Syllable] = []
    sung = list(notes)
    hook = _HOOK_SOUNDS[str(rng.choice(_HOOKS))]
    onset, vowel = hook
    began = sung[0].start_s if sung else 0.0
    first = True
    for k, note in enumerate(sung):
        following = sung[k + 1] if k + 1 < len(sung) else None
        end = note.start_s + note.duration_s
        if following is not None:
            end = min(end, following.start_s)
        pause = following is None or following.start_s - end > _PAUSE_S
        long_phrase = end - began > _LONGEST_PHRASE_S and note.duration_s > 0.4
        last = pause or long_phrase
        if last and following is not None and following.start_s - end < _BREATH_S:
            # Who sings on has to breathe somewhere: the phrase's last note gives up its end.
            end = max(note.start_s + 0.5 * note.duration_s, following.start_s - _BREATH_S)
        short = note.duration_s < _SHORT_S
        melisma = not first and not vocalise and float(rng.random()) < 0.16
        if vocalise:
            if first and float(rng.random()) < 0.4:
                onset, vowel = _HOOK_SOUNDS[str(rng.choice(_HOOKS))]
            sound = (onset if first or float(rng.random()) < 0.3 else "", vowel)
        elif melisma:
            sound = ("", syllables[-1].vowel)
        else:
            sound = (_choose(_QUICK if short else _ONSETS, rng), _choose(_VOWELS, rng))
        glides = _GLIDES.get(sound[1], ())
        glide = str(rng.choice(glides)) if glides and not short and float(rng.random()) < 0.35 else sound[1]
        coda = "" if short or vocalise or float(rng.random()) < 0.35 else _choose(_CODAS, rng)
        syllables.append(
            Syllable(note.start_s, end, note.pitch, note.velocity / 127, *sound, glide, coda, first, last)
        )
        first = last
        if last and following is not None:
            began = following.start_s
    return syllables
