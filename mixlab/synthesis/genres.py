"""Tracks by genre: who plays them and how they sound, for demo trees in the layouts of GTZAN and FMA.

An artist keeps a line-up's sounds and room from track to track, as real ones do: who recognises the artist
knows the genre, which is why splits must not divide artists.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixlab.synthesis.ensembles import MEDLEYDB, MIXING_SECRETS, Ensemble, line_up
from mixlab.synthesis.plan import sample_sound
from mixlab.synthesis.stems import compose_plan
from mixlab.synthesis.synth import Room, Sound, render_part

__all__ = ["FMA_LINE_UPS", "GTZAN_LINE_UPS", "GenreTrack", "plan_track", "render_track"]

_TAIL_S = 0.3
_FULL_SCALE = 0.8


def _of_style(*styles: str) -> tuple[Ensemble, ...]:
    return tuple(each for each in (*MEDLEYDB, *MIXING_SECRETS) if each.style in styles)


def _own(style: str, *bands: tuple[str, ...]) -> tuple[Ensemble, ...]:
    return tuple(Ensemble(style, style, line_up(*parts)) for parts in bands)


_ROCK = tuple(each for each in _of_style("rock") if each.genre == "Rock")
_METAL = tuple(each for each in _of_style("rock") if each.genre == "Metal")

GTZAN_LINE_UPS: Mapping[str, tuple[Ensemble, ...]] = {
    "blues": _own(
        "jazz",
        ("clean electric guitar/lead", "piano/comp", "upright bass/bass", "drum set/drums"),
        ("harmonica/lead", "acoustic guitar/comp", "upright bass/bass", "drum set/drums"),
    ),
    "classical": _of_style("classical", "orchestral"),
    "country": _own(
        "folk",
        ("male singer/lead", "banjo/arp", "acoustic guitar/comp", "electric bass/bass", "drum set/drums"),
        ("violin/lead", "banjo/comp", "acoustic guitar/comp", "upright bass/bass"),
    ),
    "disco": _own(
        "dance",
        ("female singer/lead", "string section/pad", "clean electric guitar/comp", "electric bass/bass",
         "drum set/drums"),
        ("brass section/stabs", "string section/lead", "electric piano/comp", "electric bass/bass",
         "drum set/drums"),
    ),
    "hiphop": _of_style("hiphop"),
    "jazz": _of_style("jazz"),
    "metal": _METAL,
    "pop": _of_style("pop"),
    "reggae": _own(
        "latin",
        ("male singer/lead", "electronic organ/comp", "clean electric guitar/comp", "electric bass/bass",
         "drum set/drums"),
        ("brass section/lead", "electronic organ/comp", "electric bass/bass", "drum set/drums",
         "congas/percussion"),
    ),
    "rock": _ROCK,
}  # fmt: skip
"""Who plays in each of GTZAN's genres; imitations, in the composer's few styles."""

FMA_LINE_UPS: Mapping[str, tuple[Ensemble, ...]] = {
    "Rock": (*_ROCK, *_METAL),
    "Electronic": _of_style("dance"),
    "Hip-Hop": _of_style("hiphop"),
    "Folk": _of_style("folk", "ballad"),
    "Instrumental": _of_style("orchestral"),
    "Pop": _of_style("pop"),
    "International": _of_style("latin"),
    "Classical": _of_style("classical"),
    "Jazz": _of_style("jazz"),
    "Soul-RnB": _of_style("funk"),
}
"""Who plays in ten of FMA's sixteen top genres."""


@dataclass(frozen=True)
class GenreTrack:
    """A track that can be composed and rendered.

    Attributes:
        ensemble: Style and parts.
        sounds: One per part.
        room: The room.
        seed: Key of the random stream that composes it.
    """

    ensemble: Ensemble
    sounds: tuple[Sound, ...]
    room: Room
    seed: tuple[int, ...]


def plan_track(line_ups: tuple[Ensemble, ...], artist: tuple[int, ...], number: int) -> GenreTrack:
    """Plan one track of an artist.

    Args:
        line_ups: Those of its genre; the artist has one of them.
        artist: Key of the artist's random stream.
        number: Which of the artist's tracks.
    """
    rng = np.random.default_rng(artist)
    ensemble = line_ups[int(rng.integers(len(line_ups)))]
    sounds = tuple(sample_sound(part, rng) for part in ensemble.parts)
    room = Room(round(float(rng.uniform(0.2, 0.9)), 2), int(rng.integers(2**31)))
    own = np.random.default_rng([*artist, number])
    sounds = tuple(replace(each, level_db=each.level_db + float(own.normal(0, 1))) for each in sounds)
    return GenreTrack(ensemble, sounds, room, (*artist, number, 1))


def render_track(track: GenreTrack, soundfont: Path, channels: int, seconds: float) -> NDArray[np.float32]:
    """Return the track ``(channels, samples)`` at 44,100 Hz, its peak at .8 of full scale."""
    composition = compose_plan(track, seconds - _TAIL_S)
    audio = np.sum(
        [
            render_part(notes, sound, track.room, seconds, soundfont, channels)
            for notes, sound in zip(composition.parts, track.sounds, strict=True)
        ],
        axis=0,
    )
    peak = max(float(np.abs(audio).max()), 1e-9)
    scaled: NDArray[np.float32] = (audio * np.float32(_FULL_SCALE / peak)).astype(np.float32)
    return scaled
