"""Key, chords and form of a song: what all of its parts share."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

__all__ = ["STYLES", "Bar", "Chord", "Frame", "Style", "sample_frame"]

_MODES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
}
# Scale degrees (0-based), one chord a bar, repeated over a section.
_PROGRESSIONS = {
    "major": ((0, 4, 5, 3), (0, 5, 3, 4), (5, 3, 0, 4), (0, 3, 0, 4), (0, 3, 4, 3), (0, 2, 3, 4)),
    "mixolydian": ((0, 6, 3, 0), (0, 3, 6, 3), (0, 6, 0, 3)),
    "minor": ((0, 5, 2, 6), (0, 3, 5, 4), (0, 6, 5, 6), (0, 5, 3, 4), (0, 2, 6, 3)),
    "dorian": ((0, 3, 0, 3), (0, 6, 3, 0), (0, 2, 3, 0)),
}
_JAZZ = {
    "major": ((1, 4, 0, 5), (0, 5, 1, 4), (2, 5, 1, 4)),
    "mixolydian": ((0, 3, 0, 4), (0, 3, 1, 4)),
    "minor": ((0, 3, 1, 4), (1, 4, 0, 0), (0, 5, 1, 4)),
    "dorian": ((0, 3, 0, 3), (0, 1, 2, 1)),
}


@dataclass(frozen=True)
class Style:
    """What a genre asks of tempo, metre, harmony and patterns.

    Attributes:
        tempo: Range in beats per minute.
        metres: Beats per bar to choose from.
        groove: Name of the drum groove.
        bass: Names of bass patterns to choose from.
        comp: Names of accompaniment patterns to choose from.
        swing: Part of a beat at which the off-beat eighth falls (0.5 is straight).
        jazz: Use seventh chords and jazz progressions.
        modes: Modes to choose from.
    """

    tempo: tuple[float, float]
    metres: tuple[int, ...] = (4,)
    groove: str = "rock"
    bass: tuple[str, ...] = ("roots", "eighths")
    comp: tuple[str, ...] = ("quarters", "strum")
    swing: float = 0.5
    jazz: bool = False
    modes: tuple[str, ...] = ("major", "minor")


STYLES: dict[str, Style] = {
    "rock": Style((112, 148), groove="rock", bass=("eighths", "roots"), comp=("power", "strum")),
    "pop": Style((96, 126), groove="pop", bass=("roots", "syncopated"), comp=("quarters", "strum")),
    "ballad": Style((72, 92), (4, 3), "ballad", ("roots", "fifths"), ("strum", "halves")),
    "folk": Style((92, 120), (4, 3), "train", ("fifths",), ("strum", "oompah"), modes=("major", "dorian")),
    "jazz": Style((112, 168), (4, 3), "swing", ("walking",), ("charleston",), 0.64, True),
    "funk": Style((96, 114), groove="funk", bass=("syncopated",), comp=("offbeat", "charleston"),
                  jazz=True, modes=("dorian", "mixolydian")),
    "latin": Style((92, 116), groove="latin", bass=("tumbao",), comp=("montuno", "offbeat")),
    "dance": Style((118, 130), groove="floor", bass=("pulse", "offbeats"), comp=("offbeat", "halves"),
                   modes=("minor", "dorian")),
    "hiphop": Style((82, 98), groove="boom", bass=("syncopated", "roots"), comp=("halves", "offbeat"),
                    jazz=True, modes=("minor", "dorian")),
    "classical": Style((84, 126), (4, 3), "none", ("roots", "quarters"), ("halves",)),
    "orchestral": Style((80, 120), (4, 3), "none", ("roots", "quarters"), ("halves",), modes=("minor",
                          "major")),
}  # fmt: skip


class Chord(NamedTuple):
    """A chord: pitch class of its root, and of all its tones from the root upwards."""

    root: int
    tones: tuple[int, ...]


@dataclass(frozen=True)
class Bar:
    """One bar: its place, its chord, its section, and whether it is the section's last."""

    index: int
    chord: Chord
    section: str
    first: bool
    last: bool


@dataclass(frozen=True)
class Frame:
    """What the parts share.

    Attributes:
        style: The style it was sampled from.
        tempo_bpm: Quarter notes per minute.
        beats: Beats per bar.
        key: Pitch class of the tonic.
        mode: Name of the mode.
        scale: Pitch classes of the key.
        bars: All bars in order.
    """

    style: Style
    tempo_bpm: float
    beats: int
    key: int
    mode: str
    scale: tuple[int, ...]
    bars: tuple[Bar, ...]

    @property
    def beat_s(self) -> float:
        """Length of one beat in seconds."""
        return 60.0 / self.tempo_bpm

    @property
    def bar_s(self) -> float:
        """Length of one bar in seconds."""
        return self.beats * self.beat_s

    def sections(self) -> dict[str, list[int]]:
        """Return the bar numbers of each section's name, in order of appearance."""
        found: dict[str, list[int]] = {}
        for bar in self.bars:
            found.setdefault(bar.section, []).append(bar.index)
        return found


def _form(n_bars: int) -> list[tuple[str, int]]:
    """Share ``n_bars`` out over sections: short songs lose the outer ones, long songs repeat the middle."""
    if n_bars < 4:
        return [("verse", n_bars)]
    if n_bars < 7:
        return [("intro", 1), ("verse", (n_bars - 1) // 2), ("chorus", n_bars - 1 - (n_bars - 1) // 2)]
    if n_bars < 12:
        body = n_bars - 2
        return [("intro", 1), ("verse", body // 2), ("chorus", body - body // 2), ("outro", 1)]
    form = [("intro", 2), ("verse", 4), ("chorus", 4)]
    left = n_bars - 12
    cycle = [("bridge", 2), ("verse", 4), ("chorus", 4)]
    while left > 0:
        name, bars = cycle[(len(form) - 3) % len(cycle)]
        form.append((name, min(bars, left)))
        left -= min(bars, left)
    return [*form, ("outro", 2)]


def _chord(key: int, scale: tuple[int, ...], degree: int, seventh: bool) -> Chord:
    steps = (0, 2, 4, 6) if seventh else (0, 2, 4)
    tones = tuple((key + scale[(degree + step) % 7]) % 12 for step in steps)
    return Chord(tones[0], tones)


def sample_frame(style: Style, music_s: float, rng: np.random.Generator) -> Frame:
    """Sample key, tempo, metre, chords and form of a song that lasts at most ``music_s`` seconds."""
    tempo = float(np.round(rng.uniform(*style.tempo), 1))
    beats = int(rng.choice(style.metres, p=_metre_weights(style.metres)))
    mode = str(rng.choice(style.modes))
    key = int(rng.integers(12))
    steps = _MODES[mode]
    bars_n = max(1, int(music_s / (beats * 60.0 / tempo)))
    table = _JAZZ[mode] if style.jazz else _PROGRESSIONS[mode]
    order = rng.permutation(len(table))
    chosen = {
        name: table[order[i % len(table)]]
        for i, name in enumerate(("verse", "chorus", "bridge", "intro", "outro"))
    }
    chosen["intro"], chosen["outro"] = chosen["verse"], (3, 0) if not style.jazz else (4, 0)
    bars: list[Bar] = []
    for name, count in _form(bars_n):
        degrees = chosen[name]
        for k in range(count):
            last_of_song = len(bars) == bars_n - 1
            degree = 0 if last_of_song else degrees[k % len(degrees)]
            chord = _chord(key, steps, degree, style.jazz)
            bars.append(Bar(len(bars), chord, name, k == 0, k == count - 1))
    scale = tuple((key + step) % 12 for step in steps)
    return Frame(style, tempo, beats, key, mode, scale, tuple(bars))


def _metre_weights(metres: tuple[int, ...]) -> list[float]:
    # Quadruple metre is the rule wherever a style allows both.
    return [1.0] if len(metres) == 1 else [0.7, *[0.3 / (len(metres) - 1)] * (len(metres) - 1)]
