"""Extended Ballroom: excerpts of 30 s of 13 dances, and their XML.

A dance is its tempo, its metre and its groove; who plays is no help, for all dances have the same few
line-ups. The nine large dances have as many tracks as asked for, the four small ones a tenth as many, three
at least, as in the real set. From six tracks of a dance on, every third is by the artist of the one before,
and the last one repeats the first at a slightly other tempo (``time``).
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np

from mixlab.synthesis.clip_trees.base import ClipTree, TreeItem, TreeOptions
from mixlab.synthesis.compose import compose
from mixlab.synthesis.ensembles import line_up
from mixlab.synthesis.harmony import Style
from mixlab.synthesis.names import artist_name, song_title
from mixlab.synthesis.plan import sample_sound
from mixlab.synthesis.stems import write_sound
from mixlab.synthesis.synth import SAMPLE_RATE, Room, Sound, render_part

__all__ = ["DANCES", "TREE"]

_TAIL_S = 0.3
_STREAM = 44
_ENOUGH = 6
"""From so many tracks of a dance on, artists have second ones and a track is repeated."""
_SMALL = ("Pasodoble", "Salsa", "Slowwaltz", "Wcswing")
_LINE_UPS = tuple(
    line_up(*parts)
    for parts in (
        ("accordion/lead", "piano/comp", "upright bass/bass", "drum set/drums"),
        ("tenor saxophone/lead", "string section/pad", "electric bass/bass", "drum set/drums"),
        ("female singer/lead", "acoustic guitar/comp", "electric bass/bass", "drum set/drums"),
    )
)

DANCES = {
    "Chacha": Style((120, 128), groove="latin", bass=("tumbao",), comp=("montuno",)),
    "Foxtrot": Style(
        (112, 120), groove="swing", bass=("walking",), comp=("charleston",), swing=0.64, jazz=True
    ),
    "Jive": Style((164, 176), groove="rock", bass=("quarters",), comp=("offbeat",), swing=0.6),
    "Pasodoble": Style(
        (118, 124), groove="train", bass=("fifths",), comp=("power", "quarters"), modes=("minor",)
    ),
    "Quickstep": Style((196, 208), groove="swing", bass=("fifths",), comp=("oompah",), jazz=True),
    "Rumba": Style((98, 108), groove="ballad", bass=("tumbao",), comp=("halves",), modes=("minor",)),
    "Salsa": Style((180, 200), groove="latin", bass=("tumbao",), comp=("montuno",), modes=("minor",)),
    "Samba": Style((96, 104), groove="funk", bass=("syncopated",), comp=("offbeat",), modes=("major",)),
    "Slowwaltz": Style((84, 90), (3,), "none", ("roots",), ("halves",), modes=("major",)),
    "Tango": Style((124, 132), groove="boom", bass=("quarters",), comp=("quarters",), modes=("minor",)),
    "Viennesewaltz": Style((174, 184), (3,), "pop", ("roots",), ("oompah",), modes=("major",)),
    "Waltz": Style((84, 92), (3,), "ballad", ("fifths",), ("oompah",), modes=("major",)),
    "Wcswing": Style((104, 116), groove="boom", bass=("syncopated",), comp=("charleston",), swing=0.6),
}
"""Tempo, metre and patterns of each dance; imitations, in what the composer knows."""


@dataclass(frozen=True)
class _Track:
    """One track: who plays what, and its row of the XML."""

    id: int
    dance: str
    artist: int
    line_up: int
    sounds: tuple[Sound, ...]
    room: Room
    seed: tuple[int, ...]
    speed: float = 1.0
    repeats: int = 0


def _tracks(options: TreeOptions) -> Iterator[_Track]:
    for d, dance in enumerate(DANCES):
        count = options.recordings if dance not in _SMALL else max(3, options.recordings // 10)
        made: list[_Track] = []
        for k in range(count):
            artist = 1000 * d + (k - 1 if count >= _ENOUGH and k % 3 == 2 else k)
            rng = np.random.default_rng([options.seed, _STREAM, artist])
            chosen = int(rng.integers(len(_LINE_UPS)))
            track = _Track(
                id=100_000 + 1000 * d + k,
                dance=dance,
                artist=artist,
                line_up=chosen,
                sounds=tuple(sample_sound(part, rng) for part in _LINE_UPS[chosen]),
                room=Room(round(float(rng.uniform(0.2, 0.8)), 2), int(rng.integers(2**31))),
                seed=(options.seed, _STREAM, d, k, 1),
            )
            if dance not in _SMALL and count >= _ENOUGH and k == count - 1:
                track = replace(made[0], id=track.id, speed=0.97, repeats=made[0].id)
            made.append(track)
        yield from made


def _plan(options: TreeOptions) -> Sequence[TreeItem]:
    assert options.soundfont is not None
    return [
        TreeItem(f"{track.dance}/{track.id}.mp3", partial(_write, track, options.soundfont, options.track_s))
        for track in _tracks(options)
    ]


def _write(track: _Track, soundfont: Path, seconds: float, path: Path) -> None:
    style, rng = DANCES[track.dance], np.random.default_rng(track.seed)
    low, high = style.tempo
    paced = replace(style, tempo=(low * track.speed, high * track.speed))
    parts = compose(paced, _LINE_UPS[track.line_up], max(seconds - _TAIL_S, 2.0), rng).parts
    audio = np.sum(
        [
            render_part(notes, sound, track.room, seconds, soundfont, channels=1)
            for notes, sound in zip(parts, track.sounds, strict=True)
        ],
        axis=0,
    )
    # Loudness differs from track to track, as in the real set.
    peak = 0.3 + 0.6 * float(np.random.default_rng([*track.seed, 2]).uniform())
    audio *= np.float32(peak / max(float(np.abs(audio).max()), 1e-9))
    write_sound(path, audio.T.astype(np.float32), SAMPLE_RATE, "MP3")


def _finish(root: Path, options: TreeOptions) -> None:
    tracks = list(_tracks(options))
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<extendedballroom>"]
    for dance, style in DANCES.items():
        lines.append(f"  <{dance}>")
        lines += [_song(root, track, style, options.seed) for track in tracks if track.dance == dance]
        lines.append(f"  </{dance}>")
    text = "\n".join([*lines, "</extendedballroom>"]) + "\n"
    (root / "extendedballroom_v1.1.xml").write_text(text, encoding="utf-8")


def _song(root: Path, track: _Track, style: Style, seed: int) -> str:
    fields = {
        "id": str(track.id),
        "album": song_title(seed, _STREAM + 1, track.artist),
        "artist": artist_name(seed, _STREAM, track.artist),
        "title": song_title(seed, _STREAM, track.repeats or track.id),
        "bpm": str(round(sum(style.tempo) / 2 * track.speed)),
        "hash": hashlib.md5((root / f"{track.dance}/{track.id}.mp3").read_bytes()).hexdigest(),
        "time": str(track.repeats or ""),
    }
    held = " ".join(f"{name}={quoteattr(text)}" for name, text in fields.items() if text)
    return f"    <song {held}/>"


TREE = ClipTree(
    "extended_ballroom",
    "extended_ballroom",
    "composed music in 13 imitated dances of three line-ups, played by one SoundFont: tempo, metre and "
    "groove alone tell them apart, without any player's nuance",
    _plan,
    _finish,
)
