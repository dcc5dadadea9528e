"""Pieces of drum kits and small percussion by the words of their names."""

import re

__all__ = ["KIT_NOTES", "piece_of"]

KIT_NOTES = frozenset(range(35, 60)) - {39, 54, 56, 58}
"""General MIDI notes that belong to a drum set; the others are percussion of their own."""

# The first that matches counts: "Hat Closed" before "Hat", "Floor" before "Tom".
_PIECES: tuple[tuple[str, int, str], ...] = (
    (r"choke|roll|swish|sample|zap|fx|click(?! )|beats_", -1, ""),
    (r"sleigh|agogo|church|jingle|hand ?bell|tubular", -1, ""),
    (r"hand ?clap|^clap", 39, "claps"),
    (r"finger ?snap", 39, "snaps"),
    (r"cow ?bell", 56, "cowbell"),
    (r"tambourine", 54, "tambourine"),
    (r"maraca", 70, "maracas"),
    (r"shaker", 70, "shaker"),
    (r"bongo.*(hi|1)", 60, "bongo"),
    (r"bongo", 61, "bongo"),
    (r"djembe\d? slap", 62, "djembe"),
    (r"djembe\d? tone", 63, "djembe"),
    (r"djembe\d? bass", 64, "djembe"),
    (r"conga.*(hi|1)", 63, "conga"),
    (r"conga", 64, "conga"),
    (r"clave", 75, "claves"),
    (r"wood ?block.*hi", 76, "woodblock"),
    (r"wood ?block", 77, "woodblock"),
    (r"kick|bass ?drum", 36, "drums"),
    (r"side ?stick|stick|rim ?click", 37, "drums"),
    (r"rim ?shot", 40, "drums"),
    (r"snare.*2|snare rock", 40, "drums"),
    (r"snare", 38, "drums"),
    (r"(hat|hh|hi-hat).*(semi)", -1, ""),
    (r"pedal", 44, "drums"),
    (r"(hat|hh).*(op)|open(ed)? (hat|hh)|side ohh", 46, "drums"),
    (r"hat|hh\b", 42, "drums"),
    (r"floor|tom.*(low|lo\b)|low.*tom", 43, "drums"),
    (r"tom.*(mid|2)|mid.*tom", 47, "drums"),
    (r"tom", 50, "drums"),
    (r"splash", 55, "drums"),
    (r"china", 52, "drums"),
    (r"bell|cup", 53, "drums"),
    (r"ride", 51, "drums"),
    (r"crash", 49, "drums"),
)


def piece_of(name: str) -> tuple[int, str] | None:
    """Return the General MIDI note of a piece and what it belongs to, or None where nothing is known.

    >>> piece_of("Sabian Hat Closed"), piece_of("Bongo Hi"), piece_of("FX")
    ((42, 'drums'), (60, 'bongo'), None)
    """
    for pattern, note, owner in _PIECES:
        if re.search(pattern, name, re.IGNORECASE):
            return None if note < 0 else (note, owner)
    return None
