"""Notes as Standard MIDI Files, for the synthesizer and for the demo of Slakh2100."""

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mixlab.synthesis.events import Note

__all__ = ["encode_midi", "midi_part"]


def midi_part(
    notes: Sequence[Note],
    program: int,
    drum_kit: bool,
    name: str = "",
    controls: Mapping[int, int] | None = None,
) -> Any:  # noqa: ANN401 - pretty_midi has no types
    """Return a ``pretty_midi.Instrument`` that plays the notes, with controllers set at the start.

    A note that is struck again while it sounds ends there, as a key does: a MIDI channel holds a pitch once.
    """
    from pretty_midi import ControlChange, Instrument

    part = Instrument(program, drum_kit, name)
    part.control_changes = [ControlChange(number, value, 0.0) for number, value in (controls or {}).items()]
    part.notes = _as_played(notes)
    return part


def _as_played(notes: Sequence[Note]) -> list[Any]:
    from pretty_midi import Note as MidiNote

    played: list[Any] = []
    sounding: dict[int, Any] = {}
    for note in sorted(notes):
        before = sounding.get(note.pitch)
        if before is not None:
            before.end = min(before.end, note.start_s)
        each = MidiNote(note.velocity, note.pitch, note.start_s, note.start_s + note.duration_s)
        sounding[note.pitch] = each
        played.append(each)
    return [each for each in played if each.end > each.start]


def encode_midi(
    parts: Iterable[Any], tempo_bpm: float, resolution: int, seconds: float | None = None
) -> bytes:
    """Return a Standard MIDI File of parts, in one tempo.

    Args:
        parts: ``pretty_midi.Instrument`` objects, one a track.
        tempo_bpm: Beats a minute.
        resolution: Ticks a beat.
        seconds: Let the file last this long, whatever sounds; None for to the last note.
    """
    from pretty_midi import ControlChange, PrettyMIDI

    score = PrettyMIDI(resolution=resolution, initial_tempo=tempo_bpm)
    score.instruments.extend(parts)
    if seconds is not None:
        # A controller that says what already holds.
        score.instruments[0].control_changes.append(ControlChange(93, 0, seconds))
    data = io.BytesIO()
    score.write(data)
    return data.getvalue()
