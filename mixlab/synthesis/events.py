"""Notes, in beats while they are written and in seconds once they are played."""

from typing import NamedTuple

__all__ = ["Event", "Note"]


class Event(NamedTuple):
    """A written note: position and length in beats, MIDI pitch, strength 0..1."""

    beat: float
    length: float
    pitch: int
    strength: float


class Note(NamedTuple):
    """A played note: start and duration in seconds, MIDI pitch, MIDI velocity 1..127."""

    start_s: float
    duration_s: float
    pitch: int
    velocity: int
