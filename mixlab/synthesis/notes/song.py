"""Compose, play and write one song: its stems, their sum, and a table that says what they are."""

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.flac_writing import encode_flac
from mixlab.audio.io import FloatArray
from mixlab.errors import AudioError, ConfigError, MixlabError
from mixlab.synthesis.compose import Composition, compose
from mixlab.synthesis.ensembles import Ensemble
from mixlab.synthesis.filtering import filter_part
from mixlab.synthesis.levels import is_silent
from mixlab.synthesis.notes.casting import Seat, SoundFontPlayer, amplified, player_of, section_of
from mixlab.synthesis.notes.library import NoteInstrument
from mixlab.synthesis.notes.stem_chain import (
    master_gains,
    master_stem,
    place_stem,
    sample_chain,
    sample_space,
    shape_stem,
)
from mixlab.synthesis.notes.tone import balance_sections
from mixlab.synthesis.players import SAMPLE_RATE, Player, PlayerFinder
from mixlab.synthesis.stems import add_bleed
from mixlab.utils.csv import csv_text

__all__ = ["ComposedSong", "Orchestra", "render_composed", "write_composed"]

_TAIL_S = 1.0
_AMPLIFIED = ("clean electric guitar", "electric guitar")
"""Recorded without an amplifier, played through one."""


@dataclass(frozen=True)
class Orchestra:
    """All who can play.

    Attributes:
        seats: By the composer's names.
        finders: Others who know players of instruments: singers, synthesizers.
        soundfonts: SoundFonts for what nobody else plays.
    """

    seats: Mapping[str, Seat]
    finders: tuple[PlayerFinder, ...] = ()
    soundfonts: tuple[Path, ...] = ()


@dataclass(frozen=True)
class ComposedSong:
    """A song to be made.

    Attributes:
        id: Folder name.
        number: From 0.
        split: ``train``, ``validation`` or ``test``: decides whose recordings play it.
        artist: Who plays it; one artist keeps the same singers.
        title: Its title.
        ensemble: Style and parts.
        hall: In a hall, not a studio.
        bleeds: Its microphones hear all instruments.
        seed: Key of its random streams.
        tone: Stems and mix are brought near the brightness and the balance of records.
    """

    id: str
    number: int
    split: str
    artist: str
    title: str
    ensemble: Ensemble
    hall: bool
    bleeds: bool
    seed: tuple[int, ...]
    tone: bool = True


def sources_of(seat: Seat, split: str) -> Sequence[NoteInstrument]:
    """Return the sources that play in a split.

    Of two the last is for test alone, of three or more the one before for validation, too; what there is once
    plays everywhere.
    """
    count = len(seat.sources)
    if count < 2:
        return seat.sources
    if split == "test":
        return seat.sources[-1:]
    if count > 2 and split == "validation":
        return seat.sources[-2:-1]
    return seat.sources[: count - (2 if count > 2 else 1)]


def _find_player(name: str, song: ComposedSong, orchestra: Orchestra, part: int) -> tuple[Player, str]:
    """Return who plays a part, and the name of what it is played on."""
    # An artist keeps its singers and instruments.
    rng = np.random.default_rng([song.seed[0], 61, crc32(song.artist.encode()), crc32(name.encode()), part])
    seat = orchestra.seats[name]
    if seat.members:
        held = [sources_of(orchestra.seats[each], song.split) for each in seat.members]
        chosen = [each[int(rng.integers(len(each)))] for each in held]
        player = amplified(chosen[0], rng) if "guitar" in name else section_of(chosen, rng)
        return player, " + ".join(each.source for each in chosen)
    if seat.sources:
        able = sources_of(seat, song.split)
        source = able[int(rng.integers(len(able)))]
        if name in _AMPLIFIED and source.soundfont is None:
            return amplified(source, rng, clean=True), source.source
        return player_of(source), source.source
    for finder in orchestra.finders:
        found = finder.find(name, rng)
        if found is not None:
            return found, type(found).__name__
    font = orchestra.soundfonts[int(rng.integers(len(orchestra.soundfonts)))]
    program = int(rng.choice(seat.instrument.programs))
    return SoundFontPlayer(font, program, seat.instrument.drum_kit), font.name


class _Memory(threading.local):
    """Memory for stems, which a thread keeps for its next song: the system clears what is new to it."""

    def __init__(self) -> None:
        self._held = np.empty(0, np.float32)

    def stems(self, parts: int, samples: int) -> FloatArray:
        """Return room for stems ``(parts, 2, samples)``, with whatever was in it."""
        size = parts * 2 * samples
        if len(self._held) < size:
            self._held = np.empty(size, np.float32)
        return self._held[:size].reshape(parts, 2, samples)


_MEMORY = _Memory()


def render_composed(
    song: ComposedSong, seconds: float, orchestra: Orchestra, stems: FloatArray | None = None
) -> tuple[Composition, FloatArray, NDArray[np.float32], list[str]]:
    """Return a song's notes, stems ``(parts, 2, samples)``, gains of ``master_gains``, and who plays each.

    Args:
        song: What is played.
        seconds: Its length.
        orchestra: Who can play.
        stems: Room for the stems, float32 of their shape; None to take new memory.

    Raises:
        MixlabError: a part cannot be played.
    """
    instruments = {name: seat.instrument for name, seat in orchestra.seats.items()}
    compose_rng, space_rng, master_rng, *streams = np.random.default_rng(song.seed).spawn(
        3 + len(song.ensemble.parts)
    )
    music_s = max(2.0, seconds - _TAIL_S)
    composition = compose(song.ensemble.style, song.ensemble.parts, music_s, compose_rng, instruments)
    space = sample_space(song.hall, space_rng)
    shaped, chains, played = [], [], []
    samples = round(seconds * SAMPLE_RATE)
    for part, (spec, notes, rng) in enumerate(
        zip(song.ensemble.parts, composition.parts, streams, strict=True)
    ):
        player, name = _find_player(spec.instrument, song, orchestra, part if spec.role == "answer" else 0)
        try:
            dry = player.play(notes, seconds, rng)
        except MixlabError as error:
            raise MixlabError(f"{song.id}, {spec.instrument} ({name}): {error}", code=error.code) from error
        if dry.shape != (samples,) or dry.dtype != np.float32:
            # Kernels do not look where a part ends: of a longer one they would write into the next.
            raise ConfigError(
                f"{song.id}, {spec.instrument} ({name}): expected a part of float32 ({samples},), found "
                f"{dry.dtype} {dry.shape}. Leave the player out.",
                code="wrong-shape",
            )
        if notes and is_silent(dry):
            raise AudioError(
                f"{song.id}, {spec.instrument} ({name}): expected sound for {len(notes)} notes, such as "
                f"{notes[0].pitch}, found silence. Leave the library out.",
                code="unreadable-audio",
            )
        family = orchestra.seats[spec.instrument].family
        chains.append(sample_chain(spec.role, space, rng, family))
        shaped.append(shape_stem(dry, chains[-1], family if song.tone else ""))
        played.append(name)
    # Halls are left as they sound; in a studio the mix is brought near the balance of records.
    tone = balance_sections(shaped) if song.tone and not song.hall else []
    if stems is None:
        stems = np.empty((len(shaped), 2, samples), np.float32)
    for audio, chain, stem in zip(shaped, chains, stems, strict=True):
        place_stem(filter_part(audio, tone), chain, stem)
    if song.bleeds:
        stems = np.stack(add_bleed(list(stems), master_rng))
    return composition, stems, master_gains(stems, song.hall, master_rng), played


def write_composed(song: ComposedSong, seconds: float, orchestra: Orchestra, folder: Path) -> None:
    """Write a song's folder: stems, mix, ``stems.csv`` for the adapter, ``song.json`` on what was composed.

    Raises:
        MixlabError: a part cannot be played.
    """
    room = _MEMORY.stems(len(song.ensemble.parts), round(seconds * SAMPLE_RATE))
    composition, stems, gains, played = render_composed(song, seconds, orchestra, room)
    folder.mkdir(parents=True)
    total = np.zeros(stems[0].shape, np.int32)
    rows: list[Sequence[object]] = [_COLUMNS]
    parts = []
    nodes = [orchestra.seats[part.instrument].node for part in song.ensemble.parts]
    for number, (spec, stem, node, source) in enumerate(
        zip(song.ensemble.parts, stems, nodes, played, strict=True), start=1
    ):
        name = f"{number:02d}_{spec.instrument.replace(' ', '_')}.flac"
        (folder / name).write_bytes(encode_flac(master_stem(stem, gains, total), SAMPLE_RATE))
        others = sorted(set(nodes) - {node, ""}) if song.bleeds else []
        rows.append(
            (name, node, song.id, song.artist, song.title, song.ensemble.genre, song.split,
             "yes" if song.bleeds else "no", ";".join(others))
        )  # fmt: skip
        parts.append({"file": name, "instrument": spec.instrument, "role": spec.role, "played_on": source})
    mix = np.clip(total, -32767, 32767, out=total).astype(np.int16)
    (folder / f"{song.id}_MIX.flac").write_bytes(encode_flac(mix, SAMPLE_RATE))
    (folder / "stems.csv").write_text(csv_text(rows, exact=True), encoding="utf-8")
    frame = composition.frame
    sheet = {"tempo_bpm": frame.tempo_bpm, "key": frame.key, "mode": frame.mode, "parts": parts}
    (folder / "song.json").write_text(json.dumps(sheet, indent=1) + "\n", encoding="utf-8")


_COLUMNS = (
    "file", "label", "song", "artist", "title", "genre", "split", "bleed", "bleed_labels",
)  # fmt: skip
