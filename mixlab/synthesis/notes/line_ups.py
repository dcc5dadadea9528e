"""Who plays together in composed songs, of the instruments that there are.

A template is a style and its slots: ``role=instrument|instrument``. ``@family`` stands for any solo
instrument of a family, a number before a slot is the chance that it is filled, and ``double:2`` plays along
with the third slot.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from mixlab.synthesis.compose import PartSpec
from mixlab.synthesis.ensembles import Ensemble
from mixlab.synthesis.notes.casting import Seat

__all__ = ["LINE_UPS", "TEMPLATES", "LineUps", "Template", "choose_ensembles"]

LineUps = Literal["records", "balanced"]
LINE_UPS: tuple[LineUps, ...] = get_args(LineUps)

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
        weight: How often it is chosen for line-ups as on records, against others.
    """

    style: str
    genre: str
    slots: tuple[str, ...]
    hall: bool = False
    weight: float = 1.0


_SING = "female singer|male singer"
_SOLO = "@woodwind|@brass|@bowed-string|@voice"
_STRUM = "acoustic guitar|acoustic guitar|acoustic guitar|mandolin|ukulele"
_ELECTRIC = "clean electric guitar|electric guitar"
_SHAKEN = "maracas|shaker|tambourine|claps|snaps|claves|cowbell|woodblock"
_ORGAN = "electronic organ|organ"

# Weights add up, genre by genre, to the 122 songs of MedleyDB: 22 Classical, 22 Singer/Songwriter, 20 Rock
# (with Funk), 18 World/Folk (with Latin), 13 Electronic/Fusion, 11 Jazz, 10 Pop, 4 Musical Theatre, 2 Rap.
# The chances of slots in classical music, folk and singers' songs bring drums, strings and winds near to the
# shares that they have in MedleyDB's songs of these genres.
TEMPLATES: tuple[Template, ...] = (
    Template("rock", "Rock", (
        "kit=drum set", "bass=electric bass", "comp=distorted electric guitar",
        ".6 double:2=distorted electric guitar", f".4 strum={_ELECTRIC}", f".2 pad={_ORGAN}",
        ".2 hands=piano", f".9 lead={_SING}|@voice", ".4 solo=distorted electric guitar"), weight=10),
    Template("rock", "Rock", (
        "kit=drum set", "bass=electric bass", f"strum={_ELECTRIC}", ".4 strum=acoustic guitar",
        f".4 comp={_ORGAN}|electric piano|piano", f"lead={_SING}|@voice",
        ".3 solo=distorted electric guitar", f".3 percussion={_SHAKEN}"), weight=6),
    Template("funk", "Funk", (
        "kit=drum set", "bass=electric bass", f"comp={_ELECTRIC}|clavinet",
        f".6 comp=electric piano|clavinet|{_ORGAN}", ".5 stabs=trumpet|brass section",
        ".5 stabs=saxophone|tenor saxophone|alto saxophone", ".4 stabs=trombone", f".8 lead={_SING}|@voice",
        ".3 percussion=congas|cowbell|tambourine"), weight=4),
    Template("pop", "Pop", (
        "kit=drum set|drum machine", "bass=electric bass|bass synth", "hands=piano|piano|electric piano",
        f"lead={_SING}|@voice", ".5 pad=synth pad|string section", f".5 strum=acoustic guitar|{_ELECTRIC}",
        ".3 arp=synth lead", ".3 pad=vocalists|choir", f".3 percussion={_SHAKEN}"), weight=5),
    Template("pop", "Pop", (
        "kit=drum set|drum machine", "bass=electric bass", "strum=acoustic guitar", f"lead={_SING}|@voice",
        f".5 arp={_ELECTRIC}", ".4 pad=synth pad|string section|organ", ".3 hands=piano", ".3 pad=vocalists",
        f".4 percussion={_SHAKEN}"), weight=3),
    Template("pop", "Pop", (
        "kit=drum machine|drum set", "bass=bass synth", "pad=synth pad", ".7 arp=synth lead",
        f"lead={_SING}", ".3 solo=synth lead", f".3 strum={_ELECTRIC}", ".3 hands=piano"), weight=2),
    Template("ballad", "Singer/Songwriter", (
        "pick=acoustic guitar", f"lead={_SING}|@voice", ".2 counter=cello|violin", ".7 kit=drum set",
        ".7 bass=electric bass", f".4 arp={_ELECTRIC}", ".3 hands=piano"), weight=7),
    Template("folk", "Singer/Songwriter", (
        f"strum={_STRUM}", f"lead={_SING}|@voice", ".7 kit=drum set", ".7 bass=electric bass",
        ".3 solo=harmonica|violin", f".3 percussion={_SHAKEN}"), weight=7),
    Template("ballad", "Singer/Songwriter", (
        "hands=piano", f"lead={_SING}|@voice", ".7 kit=drum set", ".7 bass=electric bass",
        ".4 pad=string section|synth pad", ".2 counter=cello|violin", ".3 pick=acoustic guitar"), weight=8),
    Template("ballad", "Musical Theatre", (
        "hands=piano", "lead=female singer|male singer", ".5 answer=male singer|female singer",
        ".4 counter=cello", ".4 pad=string section|choir", ".2 arp=pizzicato strings"), weight=4),
    Template("folk", "World/Folk", (
        f"strum={_STRUM}|banjo", f"lead=violin|violin|flute|{_SING}|@woodwind",
        ".4 answer=violin|cello|flute", ".3 pick=acoustic guitar|banjo|harp",
        ".2 comp=accordion|harmonium", ".3 kit=drum set", f".4 percussion=djembe|bongo|congas|{_SHAKEN}",
        ".4 bass=upright bass|electric bass"), weight=10),
    Template("folk", "World/Folk", (
        "comp=harmonium|accordion", f"lead=violin|{_SOLO}", "percussion=djembe|bongo|congas",
        ".4 pick=sitar|harp|acoustic guitar"), weight=3),
    Template("latin", "Latin", (
        "percussion=congas|bongo|djembe", f"percussion={_SHAKEN}", "comp=piano",
        "bass=electric bass|electric bass|upright bass", f"lead={_SING}|trumpet|flute|@brass|@woodwind",
        ".4 stabs=trombone|brass section", ".3 strum=acoustic guitar", ".5 kit=drum set"), weight=5),
    Template("dance", "Electronic/Fusion", (
        "kit=drum machine|drum set", "bass=bass synth", "pad=synth pad", "arp=synth lead",
        f".5 lead={_SING}|@voice|synth lead", ".3 hands=piano|electric piano"), weight=8),
    Template("pop", "Ambient", (
        "pad=synth pad", "arp=synth lead|piano|harp|bass synth", ".4 pad=string section|choir",
        ".4 lead=synth lead|flute|cello|@voice", f".2 percussion={_SHAKEN}", ".5 bass=bass synth"), weight=5),
    Template("jazz", "Jazz", (
        "kit=drum set", "bass=upright bass|electric bass|double bass", "tune=piano"), weight=4),
    Template("jazz", "Jazz", (
        "kit=drum set", "bass=upright bass|electric bass", f"comp=piano|{_ELECTRIC}|electric piano",
        "lead=saxophone|trumpet|clarinet|flute|trombone|tenor saxophone|alto saxophone|vibraphone",
        f".5 solo=@brass|@woodwind|vibraphone|{_ELECTRIC}"), weight=7),
    Template("hiphop", "Rap", (
        "kit=drum machine|drum set", "bass=bass synth|electric bass", "hands=electric piano|piano",
        f".7 lead={_SING}|@voice", ".4 pad=string section|synth pad", ".3 solo=trumpet|saxophone|flute"),
        weight=2),
    Template("classical", "Classical", ("tune=piano",), hall=True, weight=2),
    Template("classical", "Classical", ("pick=acoustic guitar", ".5 lead=acoustic guitar|flute|violin"),
             hall=True, weight=0.5),
    Template("classical", "Classical", (
        "lead=violin", "answer=violin|viola", "inner=viola|cello", "bass=cello|cello|double bass"), hall=True,
        weight=5),
    Template("classical", "Classical", (
        "lead=violin|violin|violin|cello|flute|clarinet", "hands=piano"), hall=True, weight=4),
    Template("classical", "Classical", (
        f"lead={_SING}", "hands=piano", ".3 counter=violin|cello|clarinet"), hall=True, weight=2),
    Template("classical", "Classical", (
        f"lead={_SOLO}", "comp=piano|harp|organ|harpsichord|harmonium"), hall=True, weight=1),
    Template("classical", "Classical", ("lead=violin|cello", "answer=cello|clarinet|flute", "hands=piano"),
             hall=True, weight=2.5),
    Template("classical", "Classical", (
        "lead=flute|piccolo", "answer=oboe|clarinet", "inner=clarinet|english horn|saxophone",
        "inner=french horn", "bass=bassoon|bass clarinet"), hall=True, weight=0.5),
    Template("classical", "Classical", (
        "lead=trumpet", ".6 answer=trumpet|french horn", "inner=french horn|trombone", "inner=trombone",
        "bass=tuba|trombone"), hall=True, weight=0.5),
    Template("orchestral", "Classical", (
        "lead=violin section|string section|violin", "inner=viola|cello|string section",
        "bass=cello section|cello|cello|double bass", ".7 inner=french horn|trombone",
        ".7 answer=flute|clarinet|oboe|@woodwind", ".4 stabs=trumpet|brass section",
        ".3 arp=harp", ".4 timpani=timpani", ".2 pad=choir", ".3 inner=bassoon",
        ".3 arp=pizzicato strings"), hall=True, weight=3.5),
    Template("classical", "Classical", ("arp=harp|piano|xylophone|marimba|acoustic guitar",
             "lead=flute|clarinet|xylophone|vibraphone|glockenspiel|violin"), hall=True, weight=0.5),
)  # fmt: skip
_NOT_SOLO = frozenset(
    {"violin section", "cello section", "string section", "brass section", "choir", "vocalists",
     "double bass", "upright bass", "tuba", "bassoon", "pizzicato strings"}
)  # fmt: skip


def choose_ensembles(
    seats: Mapping[str, Seat], count: int, seed: int, line_ups: LineUps = "records"
) -> list[tuple[Ensemble, bool]]:
    """Choose the line-ups of all songs.

    Args:
        seats: What can be played.
        count: Number of songs.
        seed: Decides them.
        line_ups: ``records``: as frequent as they are on records; ``balanced``: so that the families stay as
            even as they can.

    Returns:
        Each song's line-up, and whether it is recorded in a hall; empty where no template can be filled.
    """
    rng = np.random.default_rng([seed, 51])
    families: Counter[str] = Counter({seat.family: 0 for seat in seats.values() if seat.family})
    used: Counter[str] = Counter()
    chosen = []
    for tried in _tried(count, line_ups, rng):
        candidates: list[tuple[Template, tuple[PartSpec, ...]]] = []
        for template in tried:
            parts = tuple(_fill(template, seats, used if line_ups == "balanced" else Counter(), rng))
            if len(parts) >= min(2, len(template.slots)):
                candidates.append((template, parts))
            if candidates and line_ups == "records":
                break
        if not candidates:
            continue
        template, parts = min(candidates, key=lambda each: _unevenness(families, seats, each[1]))
        held = {seats[part.instrument].family for part in parts}
        families.update(held - {""})
        used.update({part.instrument for part in parts})
        chosen.append((Ensemble(template.style, template.genre, parts), template.hall))
    return chosen


def _tried(count: int, line_ups: LineUps, rng: np.random.Generator) -> Iterator[list[Template]]:
    """Yield the templates to try for each song.

    For line-ups as on records the first of them are in their shares, as nearly as whole songs can be; the
    others stand by for what cannot be played.
    """
    weights = np.array([each.weight for each in TEMPLATES])
    shares = weights / weights.sum() if line_ups == "records" else np.full(len(weights), 1.0 / len(weights))
    first = np.searchsorted(np.cumsum(shares), (np.arange(count) + rng.random()) / count)
    for at in rng.permutation(np.minimum(first, len(TEMPLATES) - 1)):
        others = rng.choice(len(TEMPLATES), size=_CANDIDATES, p=shares)
        yield [TEMPLATES[int(k)] for k in ([at, *others] if line_ups == "records" else others)]


def _unevenness(families: Counter[str], seats: Mapping[str, Seat], parts: Sequence[PartSpec]) -> float:
    """Return how uneven the families would be with these parts, as the spread of their counts."""
    held = {seats[part.instrument].family for part in parts}
    counts = np.array([count + (family in held) for family, count in families.items()], float)
    return float(counts.std() / max(counts.mean(), 1e-9))


def _fill(
    template: Template, seats: Mapping[str, Seat], used: Mapping[str, int], rng: np.random.Generator
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
        likely = _names(names, seats)
        able = [each for each in likely if each not in taken or leader or role == "answer"]
        # What was seldom taken so far comes first, where there is to be as much of all.
        weights = np.array([likely[each] / (1 + used[each]) for each in able])
        choice = able[int(rng.choice(len(able), p=weights / weights.sum()))] if able else ""
        if skipped or not choice or (leader and int(leader) not in places):
            continue
        places[number] = len(taken)
        taken.append(choice)
        yield PartSpec(choice, role, places[int(leader)] if leader else None)


def _names(names: str, seats: Mapping[str, Seat]) -> dict[str, float]:
    """Return who can fill a slot, and how likely: each alternative alike, those of a family share one."""
    found: dict[str, float] = {}
    for name in names.split("|"):
        if name.startswith("@"):
            able = [k for k, seat in seats.items() if seat.family == name[1:] and k not in _NOT_SOLO]
        else:
            able = [name] if name in seats else []
        for each in able:
            found[each] = found.get(each, 0.0) + 1.0 / len(able)
    return found
