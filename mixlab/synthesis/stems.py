"""Render the stems of one planned song, and write arrays as the files of a corpus."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

from mixlab.synthesis.compose import Composition, compose
from mixlab.synthesis.ensembles import Ensemble
from mixlab.synthesis.events import Note
from mixlab.synthesis.instruments import PIECES
from mixlab.synthesis.synth import SAMPLE_RATE, Room, Sound, render_part

__all__ = [
    "Plan",
    "RenderedSong",
    "add_bleed",
    "break_file",
    "compose_plan",
    "render_pieces",
    "render_song",
    "to_pcm",
    "write_audio",
    "write_sound",
]

FloatArray = NDArray[np.float32]
_FULL = {"PCM_16": 32767, "PCM_24": 8388607}


class Plan(Protocol):
    """What rendering needs to know of a planned song or clip."""

    @property
    def ensemble(self) -> Ensemble:
        """Style and parts."""
        ...

    @property
    def sounds(self) -> tuple[Sound, ...]:
        """One sound per part."""
        ...

    @property
    def room(self) -> Room:
        """The room all parts share."""
        ...

    @property
    def seed(self) -> tuple[int, ...]:
        """Key of the random stream that composes it."""
        ...


@dataclass(frozen=True)
class RenderedSong:
    """A song's notes, and its stems ``(channels, samples)``, before any mixing."""

    composition: Composition
    stems: list[FloatArray]


def compose_plan(plan: Plan, music_s: float) -> Composition:
    """Compose what the plan asks for, ``music_s`` seconds long at most (at least two)."""
    return compose(
        plan.ensemble.style, plan.ensemble.parts, max(2.0, music_s), np.random.default_rng(plan.seed)
    )


def render_song(
    plan: Plan,
    seconds: float,
    soundfont: Path,
    channels: Sequence[int],
    tail_s: float,
    skip: Sequence[int] = (),
) -> RenderedSong:
    """Compose a song and render its parts, with ``tail_s`` seconds without notes at the end.

    ``channels`` has one number per part. Parts at the positions ``skip`` are composed but left silent.
    """
    composition = compose_plan(plan, seconds - tail_s)
    stems = [
        render_part(() if k in skip else notes, sound, plan.room, seconds, soundfont, channels[k])
        for k, (notes, sound) in enumerate(zip(composition.parts, plan.sounds, strict=True))
    ]
    return RenderedSong(composition, stems)


def render_pieces(
    notes: Sequence[Note], sound: Sound, room: Room, seconds: float, soundfont: Path
) -> dict[str, FloatArray]:
    """Render a drum set's microphones ``(1, samples)``: kick, snare, ..., each at its own healthy level."""
    tracks = {}
    for piece, pitches in PIECES.items():
        held = [note for note in notes if note.pitch in pitches]
        if held:
            audio = render_part(held, sound, room, seconds, soundfont, channels=1)
            tracks[piece] = audio * np.float32(0.7 / max(np.abs(audio).max(), 1e-6))
    return tracks


def add_bleed(stems: Sequence[FloatArray], rng: np.random.Generator) -> list[FloatArray]:
    """Return the stems with all the others leaking in, 18 to 26 dB down."""
    total = np.sum(stems, axis=0)
    gains = 10 ** (-rng.uniform(18, 26, len(stems)) / 20)
    return [stem + (total - stem) * np.float32(gain) for stem, gain in zip(stems, gains, strict=True)]


def to_pcm(audio: NDArray[np.floating], subtype: str = "PCM_16") -> NDArray[np.int32]:
    """Round ``(channels, samples)`` in -1..1 to whole numbers of the given bit depth; clip beyond."""
    full = _FULL[subtype]
    # float32 holds 24 bits: enough for the samples, so that doubles would only cost time.
    scaled = np.multiply(audio, full, dtype=audio.dtype)
    np.rint(scaled, out=scaled)
    pcm: NDArray[np.int32] = np.clip(scaled, -full, full, out=scaled).astype(np.int32)
    return pcm


def write_audio(path: Path, pcm: NDArray[np.int32], subtype: str = "PCM_16") -> None:
    """Write whole numbers ``(channels, samples)`` of the given bit depth as WAV or FLAC, by the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = pcm.T.astype(np.int16) if subtype == "PCM_16" else (pcm.T << 8)
    kind = "FLAC" if path.suffix == ".flac" else "WAV"
    write_sound(path, np.ascontiguousarray(data), SAMPLE_RATE, kind, subtype)


def write_sound(
    path: Path, data: NDArray[Any], sample_rate: int, kind: str, subtype: str | None = None
) -> None:
    """Write ``(samples,)`` or ``(samples, channels)`` as a file of a kind that libsndfile knows.

    By way of memory: where a disk is full, libsndfile takes what it could write of a FLAC for the whole.
    """
    buffer = io.BytesIO()
    soundfile.write(buffer, data, sample_rate, format=kind, subtype=subtype)
    path.write_bytes(buffer.getbuffer())


def break_file(path: Path, how: str) -> None:
    """Damage a file as happens: ``truncated`` in a copy, ``empty``, or ``corrupt`` in the middle."""
    data = path.read_bytes()
    middle = len(data) // 2
    if how == "empty":
        data = b""
    elif how == "truncated":
        data = data[: len(data) * 2 // 5]
    else:
        data = data[:middle] + bytes(range(256)) * 16 + data[middle + 4096 :]
    path.write_bytes(data)
