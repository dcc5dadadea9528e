"""Who plays together in composed songs, of the instruments that there are.

A template is a style and its slots: ``role=instrument|instrument``. ``@family`` stands for any solo
instrument of a family, a number before a slot is the chance that it is filled, and ``double:2`` plays along
with the third slot.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mixlab.synthesis.compose import PartSpec
from mixlab.synthesis.ensembles import Ensemble
from mixlab.synthesis.notes.casting import Seat

__all__ = ["TEMPLATES", "Template", "choose_ensembles"]

_SLOT = re.compile(r"(?:(\.\d) )?([a-z]+)(?::(\d))?=(.+)")
_CANDIDATES = 12
"""Line-ups of which the one that leaves the families most even is taken."""


@dataclass(frozen=True)
class Template:
    """A style, a genre in MedleyDB's words, and slots.

    Attributes:
        style: Key of ``harmony.STYLES``.
        genre: Genre.
        slots: As the module says.
        hall: Recorded in a hall rather than in a studio.
        weight: How often it is tried, against others.
    """

    style: str
    genre: str
    slots: tuple[str, ...]
    hall: bool = False
    weight: float = 1.0


_SING = "female singer|male singer"
_SOLO = "@woodwind|@brass|@bowed-string|@voice"
_STRUM = "acoustic guitar|mandolin|ukulele"
_ELECTRIC = "clean electric guitar|electric guitar"
_SHAKEN = "maracas|shaker|tambourine|claps|snaps|claves|cowbell|woodblock"

TEMPLATES: tuple[Template, ...] = (
    Template("rock", "Rock", (
        "drums=drum set", "bass=electric bass", "comp=distorted electric guitar",
        ".5 double:2=distorted electric guitar", f".4 comp={_ELECTRIC}",
        ".3 comp=organ|electronic organ|piano",
        f".8 lead={_SING}|@voice", ".4 solo=distorted electric guitar|saxophone|harmonica"), weight=1.5),
    Template("pop", "Pop", (
        "drums=drum set|drum machine", "bass=electric bass|bass synth",
        f"comp=piano|{_STRUM}|{_ELECTRIC}|electric piano", ".5 pad=synth pad|string section|organ",
        f"lead={_SING}|@voice|@woodwind|@brass", f".4 arp={_ELECTRIC}|synth lead|piano|harp",
        ".3 pad=vocalists|choir", f".3 percussion={_SHAKEN}"), weight=1.5),
    Template("ballad", "Singer/Songwriter", (
        f"comp=piano|{_STRUM}", f"lead={_SING}|{_SOLO}", ".6 counter=cello|violin|@brass|@woodwind",
        ".4 drums=drum set", ".5 bass=electric bass|double bass", f".4 arp={_STRUM}|harp|piano"),
        weight=1.5),
    Template("folk", "World/Folk", (
        f"comp={_STRUM}|banjo", f"lead={_SING}|violin|flute|harmonica|@woodwind",
        f".5 arp={_STRUM}|banjo|harp",
        ".4 comp=harmonium|accordion", f".5 percussion=djembe|bongo|congas|{_SHAKEN}",
        ".5 bass=upright bass|double bass|electric bass")),
    Template("jazz", "Jazz", (
        "drums=drum set", "bass=upright bass|electric bass", f"comp=piano|{_ELECTRIC}|electric piano",
        "lead=saxophone|trumpet|clarinet|flute|trombone|tenor saxophone|alto saxophone|vibraphone",
        f".5 solo=@brass|@woodwind|vibraphone|{_ELECTRIC}")),
    Template("funk", "Funk", (
        "drums=drum set", "bass=electric bass", f"comp={_ELECTRIC}|clavinet",
        ".6 comp=organ|electric piano|electronic organ|clavinet", "stabs=trumpet|brass section",
        ".7 stabs=saxophone|tenor saxophone|alto saxophone", ".6 stabs=trombone", f".6 lead={_SING}|@voice",
        ".3 percussion=congas|cowbell|tambourine")),
    Template("latin", "Latin", (
        "percussion=congas|bongo|djembe", f"percussion={_SHAKEN}", f"comp=piano|{_STRUM}",
        "bass=electric bass|upright bass", f"lead=trumpet|flute|{_SING}|@brass|@woodwind",
        ".5 stabs=trombone|brass section", ".3 drums=drum set")),
    Template("dance", "Electronic/Fusion", (
        "drums=drum machine|drum set", "bass=bass synth|electric bass", "pad=synth pad|organ",
        "arp=synth lead|synth pad", f".6 lead={_SING}|@voice|synth lead", ".4 comp=piano|electric piano")),
    Template("hiphop", "Rap", (
        "drums=drum machine|drum set", "bass=bass synth|electric bass", "comp=electric piano|piano",
        f".7 lead={_SING}|@voice", ".4 pad=string section|synth pad", ".3 solo=trumpet|saxophone|flute")),
    Template("pop", "Ambient", (
        "pad=synth pad|string section|choir", "arp=synth lead|piano|harp|bass synth",
        ".5 lead=synth lead|flute|cello|@voice", f".4 percussion={_SHAKEN}", ".4 bass=bass synth"),
        weight=0.8),
    Template("classical", "Classical", (
        "lead=violin", "answer=violin|viola", "inner=viola|cello", "bass=cello|double bass"), hall=True),
    Template("classical", "Classical", (
        f"lead={_SOLO}", "comp=piano|harp|organ|harpsichord|harmonium"), hall=True, weight=1.5),
    Template("classical", "Classical", ("lead=violin|cello", "answer=cello|clarinet|flute", "comp=piano"),
             hall=True),
    Template("classical", "Classical", (
        "lead=flute|piccolo", "answer=oboe|clarinet", "inner=clarinet|english horn|saxophone",
        "inner=french horn", "bass=bassoon|bass clarinet"), hall=True),
    Template("classical", "Classical", (
        "lead=trumpet", ".6 answer=trumpet|french horn", "inner=french horn|trombone", "inner=trombone",
        "bass=tuba|trombone"), hall=True, weight=1.5),
    Template("orchestral", "Classical", (
        "lead=violin section|string section|violin", "bass=cello section|double bass|cello",
        "inner=french horn|trombone", "answer=flute|clarinet|oboe|@woodwind",
        ".5 stabs=trumpet|brass section",
        ".4 arp=harp", ".4 timpani=timpani", ".3 pad=choir", ".3 inner=bassoon"), hall=True, weight=1.5),
    Template("folk", "World/Folk", (
        "comp=harmonium|accordion|organ", f"lead={_SOLO}", "percussion=djembe|bongo|congas",
        ".4 arp=sitar|harp|acoustic guitar"), weight=0.8),
    Template("folk", "Singer/Songwriter", (f"comp={_STRUM}", f"lead={_STRUM}|{_SING}|@voice"), weight=1.2),
    Template("classical", "Classical", ("arp=harp|piano|xylophone|marimba|acoustic guitar",
             "lead=flute|clarinet|xylophone|vibraphone|glockenspiel|violin"), hall=True, weight=0.8),
)  # fmt: skip
_NOT_SOLO = frozenset(
    {"violin section", "cello section", "string section", "brass section", "choir", "vocalists",
     "double bass", "upright bass", "tuba", "bassoon"}
)  # fmt: skip


def choose_ensembles(seats: Mapping[str, Seat], count: int, seed: int) -> list[tuple[Ensemble, bool]]:
    """Choose the line-ups of all songs, so that the families stay as even as they can.

    Args:
        seats: What can be played.
        count: Number of songs.
        seed: Decides them.

    Returns:
        Each song's line-up, and whether it is recorded in a hall; empty where no template can be filled.
    """
    rng = np.random.default_rng([seed, 51])
    weights = np.array([each.weight for each in TEMPLATES])
    families: Counter[str] = Counter({seat.family: 0 for seat in seats.values() if seat.family})
    used: Counter[str] = Counter()
    chosen = []
    for _ in range(count):
        candidates = []
        for at in rng.choice(len(TEMPLATES), size=_CANDIDATES, p=weights / weights.sum()):
            template = TEMPLATES[int(at)]
            parts = tuple(_fill(template, seats, used, rng))
            if len(parts) >= 2:
                candidates.append((template, parts))
        if not candidates:
            continue
        template, parts = min(candidates, key=lambda each: _unevenness(families, seats, each[1]))
        held = {seats[part.instrument].family for part in parts}
        families.update(held - {""})
        used.update({part.instrument for part in parts})
        chosen.append((Ensemble(template.style, template.genre, parts), template.hall))
    return chosen


def _unevenness(families: Counter[str], seats: Mapping[str, Seat], parts: Sequence[PartSpec]) -> float:
    """Return how uneven the families would be with these parts, as the spread of their counts."""
    held = {seats[part.instrument].family for part in parts}
    counts = np.array([count + (family in held) for family, count in families.items()], float)
    return float(counts.std() / max(counts.mean(), 1e-9))


def _fill(
    template: Template, seats: Mapping[str, Seat], used: Counter[str], rng: np.random.Generator
) -> Iterator[PartSpec]:
    """Yield the parts of a template; a slot that nobody can play is left out."""
    places: dict[int, int] = {}
    taken: list[str] = []
    for number, slot in enumerate(template.slots):
        match = _SLOT.fullmatch(slot)
        if match is None:
            raise ValueError(f"no slot: {slot!r}")
        chance, role, leader, names = match.groups()
        skipped = chance is not None and rng.random() >= float(chance)
        able = [each for each in _names(names, seats) if each not in taken or leader or role == "answer"]
        # What was seldom taken so far comes first.
        weights = np.array([1.0 / (1 + used[each]) for each in able])
        choice = able[int(rng.choice(len(able), p=weights / weights.sum()))] if able else ""
        if skipped or not choice or (leader and int(leader) not in places):
            continue
        places[number] = len(taken)
        taken.append(choice)
        yield PartSpec(choice, role, places[int(leader)] if leader else None)


def _names(names: str, seats: Mapping[str, Seat]) -> list[str]:
    found: dict[str, None] = {}
    for name in names.split("|"):
        if name.startswith("@"):
            solo = (k for k, seat in seats.items() if seat.family == name[1:] and k not in _NOT_SOLO)
            found.update(dict.fromkeys(solo))
        elif name in seats:
            found[name] = None
    return list(found)
