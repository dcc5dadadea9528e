"""Who plays together: the line-ups of the demo songs, corpus by corpus.

They imitate what is in the real corpora: drums, bass, guitars, voices and piano nearly everywhere,
brass, woodwind and bowed strings in few songs each; chamber groups with bleed in MedleyDB, many takes
of one guitar in Mixing Secrets, a band plus colours in Slakh.
"""

from dataclasses import dataclass

from mixlab.synthesis.compose import PartSpec

__all__ = ["MEDLEYDB", "MIXING_SECRETS", "Ensemble", "line_up", "slakh_ensemble"]


@dataclass(frozen=True)
class Ensemble:
    """A line-up.

    Attributes:
        style: Key of ``harmony.STYLES``.
        genre: Genre in MedleyDB's words.
        parts: The parts, leaders before their doubles.
        live: Recorded in one room: the stems bleed, and a main microphone pair records everything.
        shared: Positions of two parts that were recorded onto one file (Mixing Secrets' list labels).
    """

    style: str
    genre: str
    parts: tuple[PartSpec, ...]
    live: bool = False
    shared: tuple[int, int] | None = None


def line_up(*parts: str) -> tuple[PartSpec, ...]:
    """Read ``instrument/role`` or ``instrument/double:2`` (along with part 2)."""
    specs = []
    for part in parts:
        instrument, role = part.split("/")
        name, _, leader = role.partition(":")
        specs.append(PartSpec(instrument, name, int(leader) if leader else None))
    return tuple(specs)


MEDLEYDB: tuple[Ensemble, ...] = (
    Ensemble("rock", "Rock", line_up(
        "drum set/drums", "electric bass/bass", "distorted electric guitar/comp",
        "distorted electric guitar/double:2", "male singer/lead")),
    Ensemble("jazz", "Jazz", line_up(
        "tenor saxophone/lead", "piano/comp", "upright bass/bass", "drum set/drums")),
    Ensemble("classical", "Classical", line_up("violin/lead", "violin/answer", "viola/inner", "cello/bass")),
    Ensemble("ballad", "Singer/Songwriter", line_up(
        "acoustic guitar/comp", "female singer/lead", "piano/arp", "electric bass/bass",
        "shaker/percussion")),
    Ensemble("dance", "Electronic/Fusion", line_up(
        "synth lead/arp", "synth pad/pad", "bass synth/bass", "drum machine/drums", "fx/pad",
        "female singer/lead")),
    Ensemble("classical", "Classical", line_up(
        "flute/lead", "oboe/answer", "clarinet/inner", "french horn/inner", "bassoon/bass")),
    Ensemble("pop", "Pop", line_up(
        "female singer/lead", "vocalists/pad", "clean electric guitar/comp", "electric bass/bass",
        "drum set/drums",
        "piano/comp")),
    Ensemble("classical", "Classical", line_up(
        "trumpet/lead", "trumpet/answer", "french horn/inner", "trombone/inner", "tuba/bass")),
    Ensemble("folk", "World/Folk", line_up(
        "accordion/comp", "violin/solo", "acoustic guitar/comp", "upright bass/bass", "male singer/lead",
        "tambourine/percussion")),
    Ensemble("jazz", "Jazz", line_up(
        "muted trumpet/lead", "vibraphone/comp", "clean electric guitar/solo", "upright bass/bass",
        "drum set/drums")),
    Ensemble("orchestral", "Classical", line_up(
        "violin section/lead", "cello section/bass", "flute/answer", "french horn/inner", "trumpet/stabs",
        "timpani/timpani"), live=True),
    Ensemble("funk", "Rock", line_up(
        "male singer/lead", "brass section/stabs", "electronic organ/comp", "electric bass/bass",
        "drum set/drums")),
    Ensemble("ballad", "Musical Theatre", line_up(
        "female singer/lead", "male singer/answer", "piano/comp", "cello/counter"), live=True),
    Ensemble("folk", "World/Folk", line_up(
        "banjo/comp", "harmonica/solo", "male singer/lead", "upright bass/bass", "claps/percussion")),
    Ensemble("hiphop", "Rap", line_up(
        "drum machine/drums", "bass synth/bass", "electric piano/comp", "female singer/lead", "fx/pad")),
    Ensemble("folk", "World/Folk", line_up(
        "bamboo flute/lead", "sitar/solo", "auxiliary percussion/percussion", "synth pad/pad")),
)  # fmt: skip

MIXING_SECRETS: tuple[Ensemble, ...] = (
    Ensemble("rock", "Rock", line_up(
        "drum set/drums", "electric bass/bass", "distorted electric guitar/comp",
        "distorted electric guitar/double:2", "distorted electric guitar/solo", "male singer/lead",
        "male singer/double:5")),
    Ensemble("funk", "Funk", line_up(
        "drum set/drums", "electric bass/bass", "clavinet/comp", "trumpet/stabs", "tenor saxophone/stabs",
        "trombone/stabs", "congas/percussion", "male singer/lead")),
    Ensemble("pop", "Pop", line_up(
        "drum machine/drums", "synth lead/solo", "synth pad/pad", "bass synth/bass", "female singer/lead",
        "female singer/double:4", "vocalists/pad")),
    Ensemble("orchestral", "Film", line_up(
        "violin section/lead", "cello section/bass", "french horn/inner", "flute/answer", "oboe/inner",
        "bassoon/inner", "harp/arp", "timpani/timpani", "choir/pad"), shared=(4, 5)),
    Ensemble("folk", "Folk", line_up(
        "acoustic guitar/comp", "male singer/lead", "harmonica/solo", "banjo/arp", "upright bass/bass"),
        shared=(0, 1)),
    Ensemble("classical", "Chamber", line_up(
        "violin/lead", "viola/inner", "cello/inner", "double bass/bass"), live=True),
    Ensemble("latin", "Latin", line_up(
        "congas/percussion", "bongo/percussion", "shaker/percussion", "trumpet/lead", "trombone/stabs",
        "piano/comp", "upright bass/bass", "flute/solo")),
    Ensemble("ballad", "Singer/Songwriter", line_up(
        "piano/arp", "female singer/lead", "cello/counter", "acoustic guitar/comp", "drum set/drums",
        "electric bass/bass")),
    Ensemble("dance", "Electronica", line_up(
        "drum machine/drums", "synth lead/arp", "synth pad/pad", "bass synth/bass", "fx/pad",
        "electric piano/comp",
        "female singer/lead")),
    Ensemble("folk", "Klezmer", line_up(
        "clarinet/lead", "accordion/comp", "acoustic guitar/comp", "tuba/bass", "tambourine/percussion")),
    Ensemble("rock", "Metal", line_up(
        "drum set/drums", "electric bass/bass", "distorted electric guitar/comp",
        "distorted electric guitar/double:2", "distorted electric guitar/double:2",
        "distorted electric guitar/solo", "male singer/lead")),
    Ensemble("jazz", "Jazz", line_up(
        "soprano saxophone/lead", "clean electric guitar/comp", "upright bass/bass", "drum set/drums",
        "vibraphone/solo")),
    Ensemble("pop", "Gospel", line_up(
        "electronic organ/comp", "piano/comp", "choir/lead", "electric bass/bass", "drum set/drums",
        "tambourine/percussion", "brass section/stabs")),
    Ensemble("orchestral", "World", line_up(
        "sitar/lead", "kalimba/arp", "recorder/answer", "taiko/timpani", "choir/pad")),
)  # fmt: skip

_STYLES = ("rock", "pop", "latin", "ballad", "funk", "dance", "jazz", "folk")
_PIANOS = ("piano", "electric piano", "piano", "tack piano", "piano", "harpsichord")
_GUITARS = ("clean electric guitar", "acoustic guitar", "distorted electric guitar")
_WOODWIND = (
    "flute",
    "clarinet",
    "tenor saxophone",
    "oboe",
    "soprano saxophone",
    "piccolo",
    "english horn",
    "bassoon",
)
_BRASS = ("trumpet", "trombone", "french horn", "muted trumpet", "tuba")
_BOWED = ("violin", "cello", "viola", "violin section", "string section")
_MALLETS = ("vibraphone", "marimba", "glockenspiel", "xylophone", "tubular bells", "celesta", "harp")
_ORGANS = ("electronic organ", "combo organ", "pipe organ")


def slakh_ensemble(k: int) -> Ensemble:
    """Return the line-up of Slakh song ``k``: drums, bass, guitar, piano, and three or four colours.

    Any five songs in a row hold voice, brass, woodwind, bowed string and synth, so that small
    validation and test splits miss none of them.
    """
    turn = k // 5
    wind, brass, bowed = (each[turn % len(each)] for each in (_WOODWIND, _BRASS, _BOWED))
    other_wind = _WOODWIND[(turn + 3) % len(_WOODWIND)]
    mallet, organ = _MALLETS[k % len(_MALLETS)], _ORGANS[turn % len(_ORGANS)]
    colours = (
        (f"{wind}/lead", "string section/pad", f"{mallet}/arp"),
        (f"{brass}/lead", "choir/pad", "synth pad/pad"),
        (f"{bowed}/lead", "synth pad/pad", f"{other_wind}/counter"),
        ("synth lead/lead", "choir/pad", "brass section/stabs", f"{organ}/comp"),
        (f"{other_wind}/lead", f"{organ}/comp", "violin/answer"),
    )[k % 5]
    style = _STYLES[k % len(_STYLES)]
    bass = "upright bass" if style in ("jazz", "folk") else "electric bass"
    guitar = _GUITARS[k % len(_GUITARS)]
    band = ["drum set/drums", f"{bass}/bass", f"{guitar}/comp", f"{_PIANOS[k % len(_PIANOS)]}/comp"]
    if k % 3 == 0:
        band.append(f"{guitar}/double:2")
    return Ensemble(style, style, line_up(*band, *colours))
