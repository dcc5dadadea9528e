"""Who can play what: the composer's instruments, by recorded notes, other players or SoundFonts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixlab.synthesis.events import Note
from mixlab.synthesis.instruments import INSTRUMENTS, Instrument
from mixlab.synthesis.notes.amplifier import AmplifiedPlayer
from mixlab.synthesis.notes.library import NoteInstrument, NoteLibrary
from mixlab.synthesis.notes.manners import manner_of
from mixlab.synthesis.notes.sampler import RecordedPlayer
from mixlab.synthesis.notes.sections import SectionPlayer
from mixlab.synthesis.players import Player
from mixlab.synthesis.synth import Sound, play_dry
from mixlab.taxonomy.label_maps import load_label_map
from mixlab.taxonomy.tree import load_taxonomy

__all__ = ["MORE_INSTRUMENTS", "Seat", "SoundFontPlayer", "cast", "family_of", "node_of"]

_MORE = (
    Instrument("saxophone", "woodwind", (65, 66), 46, 81, "", mono=True),
    Instrument("alto saxophone", "woodwind", (65,), 49, 81, "alto saxophone", mono=True),
    Instrument("bass clarinet", "woodwind", (71,), 38, 70, "bass clarinet", mono=True),
    Instrument("organ", "key", (19, 16), 36, 84),
    Instrument("harmonium", "key", (20,), 36, 79, "harmonium"),
    Instrument("mandolin", "plucked-string", (25,), 55, 86, "mandolin"),
    Instrument("ukulele", "plucked-string", (24,), 60, 81, "ukulele"),
    Instrument("electric guitar", "plucked-string", (27,), 40, 79),
    Instrument("pizzicato strings", "bowed-string", (45,), 36, 86),
    Instrument("djembe", "percussion", (0,), 62, 64, drum_kit=True, notes=(64, 63, 62)),
    Instrument("maracas", "percussion", (0,), 70, 70, "maracas", drum_kit=True, notes=(70,)),
    Instrument("claves", "percussion", (0,), 75, 75, drum_kit=True, notes=(75,)),
    Instrument("woodblock", "percussion", (0,), 76, 77, drum_kit=True, notes=(76, 77)),
    Instrument("cowbell", "percussion", (0,), 56, 56, "cowbell", drum_kit=True, notes=(56,)),
    Instrument("snaps", "percussion", (0,), 39, 39, "snaps", drum_kit=True, notes=(39,)),
)

MORE_INSTRUMENTS: Mapping[str, Instrument] = {**INSTRUMENTS, **{each.id: each for each in _MORE}}
"""The composer's instruments, and those that libraries have beyond them."""

# What each is by its node, where no label map of a corpus says it.
_NODES = {
    "saxophone": "saxophone", "organ": "organ", "electric guitar": "electric-guitar", "djembe": "djembe",
    "claves": "claves", "woodblock": "woodblock", "snaps": "snaps", "upright bass": "double-bass",
    "celesta": "celesta", "clavinet": "clavinet", "kalimba": "kalimba", "taiko": "taiko",
    "tack piano": "tack-piano", "combo organ": "electronic-organ", "electronic organ": "electronic-organ",
    "synth lead": "synth-lead", "synth pad": "synth-pad", "bass synth": "synth-bass",
    "muted trumpet": "muted-trumpet", "tubular bells": "tubular-bells",
}  # fmt: skip

# Sections that several players of these make.
_SECTIONS = {
    "violin section": ("violin",), "cello section": ("cello",),
    "string section": ("violin", "viola", "cello"), "brass section": ("trumpet", "trombone"),
}  # fmt: skip
_UNPLUCKED = frozenset({"upright bass", "pizzicato strings"})
"""Played by plucking, which libraries of bowed notes lack."""

# What is played for a piece that a kit lacks, the nearest first.
_STAND_INS = {
    37: (38, 40), 38: (40, 37), 40: (38,), 42: (44, 46), 44: (42,), 46: (42,), 49: (57, 55, 51), 51: (53, 49),
    50: (48, 47, 45, 43), 48: (50, 47), 47: (48, 45, 50, 43), 45: (47, 43, 41), 43: (41, 45, 47), 36: (35,),
}  # fmt: skip


@dataclass(frozen=True)
class SoundFontPlayer:
    """A player by a preset of a SoundFont.

    Attributes:
        path: The file.
        program: MIDI program, or the number of a drum kit.
        drum_kit: Of the drum bank.
    """

    path: Path
    program: int
    drum_kit: bool

    def play(self, notes: Sequence[Note], seconds: float, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return the synthesizer's sound, mono.

        Raises:
            AudioError: the preset has no sound for these notes.
            ConfigError: the SoundFont cannot be read.
        """
        held = [note for note in notes if note.start_s < seconds]
        if not held:
            return np.zeros(round(seconds * 44_100), np.float32)
        return play_dry(held, Sound(self.program, self.drum_kit), seconds, self.path)


@dataclass(frozen=True)
class Seat:
    """An instrument that can be played, by one or several sources.

    Attributes:
        instrument: As the composer knows it, in the range that can be played.
        node: Its node of the instrument tree.
        family: Its family; '' for none.
        sources: Libraries' instruments that play it, in a fixed order; of a section those of each member.
        members: Seats' ids whose players make it, for sections and amplified guitars.
    """

    instrument: Instrument
    node: str
    family: str
    sources: tuple[NoteInstrument, ...] = ()
    members: tuple[str, ...] = ()


@lru_cache(maxsize=256)
def node_of(instrument: str) -> str:
    """Return the node of one of ``MORE_INSTRUMENTS``; '' for what is no instrument."""
    if instrument in _NODES:
        return _NODES[instrument]
    held = MORE_INSTRUMENTS[instrument]
    for name, label in (("medleydb", held.medleydb), ("mixing_secrets", held.secrets), ("folder", held.id)):
        found = load_label_map(name).resolve(label) if label else None
        if found is not None and found.nodes:
            return found.nodes[0] if len(found.nodes) == 1 else "percussion"
    return ""


def family_of(node: str) -> str:
    """Return the family of a node."""
    return (node, *load_taxonomy().ancestors(node))[-1] if node else ""


def cast(libraries: Sequence[NoteLibrary]) -> dict[str, Seat]:
    """Return what the libraries can play, by the composer's names, sections and amplified guitars included.

    Each instrument of a library goes to the composer's instrument whose node is nearest above its own.
    """
    found: dict[str, list[NoteInstrument]] = {}
    for library in libraries:
        for each in library.instruments:
            name = _composers_name(each)
            if name:
                found.setdefault(name, []).append(each)
    seats = {name: _seat(name, sources) for name, sources in sorted(found.items())}
    for name, members in _SECTIONS.items():
        able = tuple(each for each in members if each in seats)
        if able and able[0] == members[0] and name not in seats:
            base = MORE_INSTRUMENTS[name]
            pitches = frozenset[int]().union(*(_pitches(seats[each].sources) for each in able))
            seats[name] = Seat(_within(base, pitches), node_of(name), family_of(node_of(name)), members=able)
    for clean in ("clean electric guitar", "electric guitar"):
        if clean in seats and "distorted electric guitar" not in seats:
            name = "distorted electric guitar"
            limits = seats[clean].instrument
            base = replace(MORE_INSTRUMENTS[name], low=limits.low, high=limits.high)
            seats[name] = Seat(base, node_of(name), "plucked-string", members=(clean,))
    return seats


def _composers_name(instrument: NoteInstrument) -> str:
    """Return the composer's instrument nearest above a library's; '' where there is none."""
    if len(instrument.nodes) != 1:
        return ""
    names = {
        node_of(name): name
        for name, held in reversed(tuple(MORE_INSTRUMENTS.items()))
        if name not in _SECTIONS and name not in _UNPLUCKED and held.family
    }
    node = instrument.nodes[0]
    above = (node, *load_taxonomy().ancestors(node))
    return next((names[each] for each in above if each in names), "")


def _pitches(sources: Sequence[NoteInstrument]) -> frozenset[int]:
    held = [each.pitches() for each in sources if each.notes]
    return frozenset.intersection(*held) if held else frozenset()


def _within(instrument: Instrument, pitches: frozenset[int]) -> Instrument:
    """Return the instrument in the part of its range that can be played without a gap."""
    able = [p for p in range(instrument.low, instrument.high + 1) if p in pitches]
    if not able or instrument.drum_kit:
        return instrument
    runs = np.split(np.array(able), np.flatnonzero(np.diff(able) > 1) + 1)
    longest = max(runs, key=len)
    return replace(instrument, low=int(longest[0]), high=int(longest[-1]))


def _seat(name: str, sources: Sequence[NoteInstrument]) -> Seat:
    ordered = tuple(sorted(sources, key=lambda each: (each.library, each.name)))
    # All of them can then play whatever is written.
    base = _within(MORE_INSTRUMENTS[name], _pitches(ordered))
    return Seat(base, node_of(name), family_of(node_of(name)), ordered)


def player_of(source: NoteInstrument, *, detune_cents: float = 0.0, delay_s: float = 0.0) -> Player:
    """Return the player of a library's instrument."""
    if source.soundfont is not None:
        return SoundFontPlayer(*source.soundfont)
    manner = manner_of(source.nodes, source.kit)
    pieces = {}
    if source.kit:
        there = source.pitches()
        for piece, others in _STAND_INS.items():
            if piece not in there:
                pieces[piece] = next((each for each in others if each in there), piece)
    return RecordedPlayer(source.notes, manner, detune_cents, delay_s, pieces)


def section_of(sources: Sequence[NoteInstrument], rng: np.random.Generator) -> Player:
    """Return several players of one or more libraries' instruments, each a little apart."""
    members = []
    for source in sources:
        for _ in range(3 if len(sources) == 1 else 2):
            detune, delay = float(rng.normal(0, 7)), float(abs(rng.normal(0, 0.012)))
            members.append((source.pitches(), player_of(source, detune_cents=detune, delay_s=delay)))
    return SectionPlayer(tuple(members))


def amplified(source: NoteInstrument, rng: np.random.Generator, *, clean: bool = False) -> Player:
    """Return a guitar through an amplifier: driven hard, or just so that it colours."""
    drive_db = rng.uniform(2.0, 10.0) if clean else rng.uniform(20.0, 34.0)
    return AmplifiedPlayer(player_of(source), round(float(drive_db), 1))
