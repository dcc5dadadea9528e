"""Names of pitches, as files of recorded notes have them."""

import re

__all__ = ["PITCH", "midi_pitch"]

_STEPS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_SIGNS = {"": 0, "#": 1, "s": 1, "♯": 1, "b": -1, "♭": -1}

PITCH = r"(?P<step>[A-Ga-g])(?P<sign>[#s♯b♭]?)(?P<octave>-?\d)"
"""A pattern of a pitch's name: ``C4``, ``A#3``, ``As3``, ``Bb2``."""

_ALONE = re.compile(PITCH)


def midi_pitch(name: str) -> int | None:
    """Return the MIDI number of a pitch's name, C4 being 60, or None where it is none.

    >>> midi_pitch("A4"), midi_pitch("As3"), midi_pitch("Bb2"), midi_pitch("H2")
    (69, 58, 46, None)
    """
    found = _ALONE.fullmatch(name.strip())
    if found is None:
        return None
    step = _STEPS[found["step"].lower()] + _SIGNS[found["sign"]]
    return step + 12 * (int(found["octave"]) + 1)
