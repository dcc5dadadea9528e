"""The instruments that the demo composer writes for, and how each real corpus would call them.

Pitches are MIDI numbers within the instrument's natural range.
"""

from dataclasses import dataclass

__all__ = ["FAMILIES", "INSTRUMENTS", "PIECES", "Instrument", "SlakhPatch"]

FAMILIES = ("voice", "percussion", "bowed-string", "plucked-string", "woodwind", "brass", "key", "synth")

# General MIDI drum notes by piece, in the groups that a session engineer would put on one microphone.
PIECES: dict[str, tuple[int, ...]] = {
    "kick": (35, 36),
    "snare": (37, 38, 40),
    "hihat": (42, 44, 46),
    "tom": (41, 43, 45, 47, 48, 50),
    "overheads": (49, 51, 53, 55, 57, 59),
}


@dataclass(frozen=True)
class SlakhPatch:
    """How Slakh files a sound: the MIDI program it was asked for and the patch that answered."""

    program: int
    program_name: str
    inst_class: str
    plugins: tuple[str, ...]


@dataclass(frozen=True)
class Instrument:
    """One playable sound.

    Attributes:
        id: Key in ``INSTRUMENTS``.
        family: One of ``FAMILIES``.
        programs: General MIDI programs (0-based) to choose from; kit numbers if ``drum_kit``.
        low: Lowest MIDI pitch.
        high: Highest MIDI pitch.
        medleydb: Label in MedleyDB's vocabulary.
        secrets: Label in the cleaned Mixing Secrets metadata; '' where it has none.
        file_word: Instrument word in a Cambridge-MT file name (``ElecGtr``).
        drum_kit: Rendered from the drum bank; pitches then name pieces.
        notes: Drum-bank notes it plays, for small percussion.
        mono: Plays one note at a time.
        irmas: IRMAS class code, or ''.
        openmic: OpenMIC class, or ''.
        jamendo: MTG-Jamendo instrument tags.
        slakh: Slakh's patch, or None where Slakh has no such sound.
    """

    id: str
    family: str
    programs: tuple[int, ...]
    low: int
    high: int
    medleydb: str = ""
    secrets: str = ""
    file_word: str = ""
    drum_kit: bool = False
    notes: tuple[int, ...] = ()
    mono: bool = False
    irmas: str = ""
    openmic: str = ""
    jamendo: tuple[str, ...] = ()
    slakh: SlakhPatch | None = None


def _sl(program: int, name: str, inst_class: str, *plugins: str) -> SlakhPatch:
    return SlakhPatch(program, name, inst_class, plugins)


_LEADS = ("december_saw.nkm", "cheesy_lead.nkm", "hybrid_lead.nkm", "pimped_analog_saw.nkm")
_PADS = ("across_the_pacific.nkm", "cerulean.nkm", "drifting_apart.nkm", "dawn_chorus.nkm")
_KITS = ("session_kit_full.nkm", "pop_kit.nkm", "funk_kit.nkm", "garage_kit_lite.nkm")
_CHOIRS = ("choir_a.nkm", "choir_e.nkm", "choir_o.nkm")
_STRINGS = "Strings (continued)"

_VOICE = [
    Instrument("female singer", "voice", (53, 85), 57, 79, "female singer", "female singer", "LeadVox",
               mono=True, irmas="voi", openmic="voice", jamendo=("voice",)),
    Instrument("male singer", "voice", (53, 85), 45, 67, "male singer", "male singer", "LeadVox",
               mono=True, irmas="voi", openmic="voice", jamendo=("voice",)),
    Instrument("vocalists", "voice", (53, 52), 50, 76, "vocalists", "vocalists", "BackingVox",
               irmas="voi", openmic="voice", jamendo=("voice",)),
    Instrument("choir", "voice", (52, 53), 48, 79, "choir", "choir", "Choir",
               openmic="voice", jamendo=("voice",), slakh=_sl(52, "Choir Aahs", _STRINGS, *_CHOIRS)),
]  # fmt: skip

_BOWED = [
    Instrument("violin", "bowed-string", (40, 110), 55, 91, "violin", "violin", "Violin", mono=True,
               irmas="vio", openmic="violin", jamendo=("violin", "strings"),
               slakh=_sl(40, "Violin", "Strings", "violin_solo.nkm")),
    Instrument("viola", "bowed-string", (41,), 48, 81, "viola", "viola", "Viola", mono=True,
               jamendo=("strings",), slakh=_sl(41, "Viola", "Strings", "viola_solo.nkm")),
    Instrument("cello", "bowed-string", (42,), 36, 70, "cello", "cello", "Cello", mono=True,
               irmas="cel", openmic="cello", jamendo=("strings",),
               slakh=_sl(42, "Cello", "Strings", "cello_solo.nkm")),
    Instrument("double bass", "bowed-string", (43,), 28, 52, "double bass", "double bass", "DoubleBass",
               mono=True, slakh=_sl(43, "Contrabass", "Strings", "double_bass_solo.nkm")),
    Instrument("upright bass", "bowed-string", (32,), 28, 53, "double bass", "double bass", "DoubleBass",
               mono=True, openmic="bass", jamendo=("bass",),
               slakh=_sl(32, "Acoustic Bass", "Bass", "upright_bass.nkm", "jazz_upright.nkm")),
    Instrument("violin section", "bowed-string", (48,), 55, 88, "violin section", "violins", "Violins",
               jamendo=("strings",), slakh=_sl(40, "Violin", "Strings", "violin_ensemble.nkm")),
    Instrument("cello section", "bowed-string", (48, 49), 36, 64, "cello section", "cellos", "Cellos",
               jamendo=("strings",), slakh=_sl(42, "Cello", "Strings", "cello_ensemble.nkm")),
    Instrument("string section", "bowed-string", (48, 49, 44), 43, 84, "string section", "string section",
               "Strings", jamendo=("strings",),
               slakh=_sl(48, "String Ensemble 1", _STRINGS, "string_ensemble.nkm",
                         "session_strings_pro_2_ensemble_modern.nkm")),
]  # fmt: skip

_PLUCKED = [
    Instrument("acoustic guitar", "plucked-string", (25, 24), 40, 76, "acoustic guitar", "acoustic guitar",
               "AcousticGtr", irmas="gac", openmic="guitar", jamendo=("acousticguitar", "guitar"),
               slakh=_sl(24, "Acoustic Guitar (nylon)", "Guitar", "nylon_guitar.nkm", "nylon_guitar2.nkm")),
    Instrument("clean electric guitar", "plucked-string", (27, 26, 28), 40, 79, "clean electric guitar",
               "clean electric guitar", "ElecGtr", irmas="gel", openmic="guitar",
               jamendo=("electricguitar", "guitar"),
               slakh=_sl(26, "Electric Guitar (jazz)", "Guitar", "jazz_guitar.nkm", "jazz_guitar2.nkm",
                         "funk_guitar.nkm")),
    Instrument("distorted electric guitar", "plucked-string", (30, 29), 40, 79, "distorted electric guitar",
               "distorted electric guitar", "ElecGtr", irmas="gel", openmic="guitar",
               jamendo=("electricguitar", "guitar"),
               slakh=_sl(30, "Distortion Guitar", "Guitar", "elektrik_guitar.nkm", "rock_guitar.nkm",
                         "rhythm_rock_guitar.nkm")),
    Instrument("electric bass", "plucked-string", (33, 34, 35, 36), 28, 50, "electric bass", "electric bass",
               "BassDI", mono=True, openmic="bass", jamendo=("bass",),
               slakh=_sl(33, "Electric Bass (finger)", "Bass", "scarbee_pre_bass.nkm", "pop_bass.nkm",
                         "classic_bass.nkm", "scarbee_mm_bass.nkm")),
    Instrument("banjo", "plucked-string", (105,), 50, 76, "banjo", "banjo", "Banjo", openmic="banjo"),
    Instrument("harp", "plucked-string", (46,), 40, 88, "harp", "harp", "Harp",
               slakh=_sl(46, "Orchestral Harp", "Strings", "harp.nkm")),
    Instrument("sitar", "plucked-string", (104,), 48, 72, "sitar", "sitar", "Sitar"),
]  # fmt: skip

_WOODWIND = [
    Instrument("flute", "woodwind", (73,), 60, 91, "flute", "flute", "Flute", mono=True, irmas="flu",
               openmic="flute", slakh=_sl(73, "Flute", "Pipe", "flute.nkm", "flute_essential.nkm")),
    Instrument("piccolo", "woodwind", (72,), 74, 96, "piccolo", "", "Piccolo", mono=True,
               slakh=_sl(72, "Piccolo", "Pipe", "piccolo.nkm")),
    Instrument("recorder", "woodwind", (74,), 67, 91, "recorder", "recorder", "Recorder", mono=True),
    Instrument("pan flute", "woodwind", (75,), 60, 88, "panpipes", "", "PanFlute", mono=True),
    Instrument("bamboo flute", "woodwind", (77,), 58, 84, "bamboo flute", "ethnoflute", "EthnoFlute",
               mono=True),
    Instrument("clarinet", "woodwind", (71,), 50, 86, "clarinet", "clarinet", "Clarinet", mono=True,
               irmas="cla", openmic="clarinet",
               slakh=_sl(71, "Clarinet", "Reed", "clarinet.nkm", "clarinet_essential.nkm")),
    Instrument("oboe", "woodwind", (68,), 58, 87, "oboe", "oboe", "Oboe", mono=True,
               slakh=_sl(68, "Oboe", "Reed", "oboe.nkm", "french_oboe.nkm")),
    Instrument("english horn", "woodwind", (69,), 52, 79, "english horn", "", "EnglishHorn", mono=True,
               slakh=_sl(69, "English Horn", "Reed", "english_horn.nkm")),
    Instrument("bassoon", "woodwind", (70,), 34, 67, "bassoon", "bassoon", "Bassoon", mono=True,
               slakh=_sl(70, "Bassoon", "Reed", "bassoon.nkm", "bassoon_essential.nkm")),
    Instrument("soprano saxophone", "woodwind", (64,), 56, 84, "soprano saxophone", "saxophone", "Sax",
               mono=True, irmas="sax", openmic="saxophone",
               slakh=_sl(64, "Soprano Sax", "Reed", "saxophone_essential.nkm")),
    Instrument("tenor saxophone", "woodwind", (66,), 44, 75, "tenor saxophone", "tenor saxophone", "SaxTenor",
               mono=True, irmas="sax", openmic="saxophone",
               slakh=_sl(66, "Tenor Sax", "Reed", "tenor_sax.nkm", "tenor_saxophone.nkm")),
    Instrument("baritone saxophone", "woodwind", (67,), 36, 68, "baritone saxophone", "baritone saxophone",
               "SaxBari", mono=True, irmas="sax", openmic="saxophone",
               slakh=_sl(67, "Baritone Sax", "Reed", "baritone_saxophone.nkm")),
    Instrument("harmonica", "woodwind", (22,), 60, 84, "harmonica", "harmonica", "Harmonica", mono=True),
]  # fmt: skip

_BRASS = [
    Instrument("trumpet", "brass", (56,), 55, 82, "trumpet", "trumpet", "Trumpet", mono=True, irmas="tru",
               openmic="trumpet", slakh=_sl(56, "Trumpet", "Brass", "trumpet.nkm", "trumpet_1.nkm")),
    Instrument("muted trumpet", "brass", (59,), 55, 82, "trumpet", "trumpet", "Trumpet", mono=True,
               irmas="tru", openmic="trumpet", slakh=_sl(59, "Muted Trumpet", "Brass", "muted_trumpet.nkm")),
    Instrument("trombone", "brass", (57,), 40, 70, "trombone", "trombone", "Trombone", mono=True,
               openmic="trombone", slakh=_sl(57, "Trombone", "Brass", "tenor_trombone.nkm", "trombone.nkm")),
    Instrument("french horn", "brass", (60,), 41, 74, "french horn", "frenchhorn", "FrenchHorn", mono=True,
               slakh=_sl(60, "French Horn", "Brass", "horn_1_essential.nkm", "horn_2_essential.nkm")),
    Instrument("tuba", "brass", (58,), 28, 55, "tuba", "tuba", "Tuba", mono=True,
               slakh=_sl(58, "Tuba", "Brass", "tuba.nkm")),
    Instrument("brass section", "brass", (61,), 48, 79, "brass section", "brass", "Brass",
               slakh=_sl(61, "Brass Section", "Brass", "session_horns_pro_keyswitch_generic_section.nkm",
                         "brass_quartet_essential.nkm")),
]  # fmt: skip

_KEY = [
    Instrument("piano", "key", (0, 1), 33, 91, "piano", "piano", "Piano", irmas="pia", openmic="piano",
               jamendo=("piano",),
               slakh=_sl(0, "Acoustic Grand Piano", "Piano", "grand_piano.nkm", "the_grandeur.nkm",
                         "alicias_keys.nkm", "upright_piano.nkm")),
    Instrument("tack piano", "key", (3,), 40, 88, "tack piano", "", "TackPiano", openmic="piano",
               jamendo=("piano",), slakh=_sl(3, "Honky-tonk Piano", "Piano", "ragtime_piano.nkm")),
    Instrument("electric piano", "key", (4, 5), 40, 88, "electric piano", "electric piano", "Rhodes",
               jamendo=("electricpiano", "keyboard"),
               slakh=_sl(4, "Electric Piano 1", "Piano", "scarbee_mark_I.nkm", "wurly_ep.nkm")),
    Instrument("harpsichord", "key", (6,), 41, 86, "harpsichord", "harpsichord", "Harpsichord",
               slakh=_sl(6, "Harpsichord", "Piano", "harpsichord.nkm")),
    Instrument("clavinet", "key", (7,), 40, 79, "", "clavinet", "Clavinet", jamendo=("keyboard",)),
    Instrument("celesta", "key", (8,), 60, 91, slakh=_sl(8, "Celesta", "Chromatic Percussion",
               "celesta.nkm")),
    Instrument("electronic organ", "key", (16, 17, 18), 36, 84, "electronic organ", "electronic organ",
               "Hammond", irmas="org", openmic="organ", jamendo=("keyboard",),
               slakh=_sl(16, "Drawbar Organ", "Organ", "tonewheel_organ_b3.nkm", "jazz_organ.nkm")),
    # Slakh answers the programs Accordion and Harmonica with organ patches: the name lies, the patch tells.
    Instrument("combo organ", "key", (18, 16), 48, 84, "electronic organ", "electronic organ", "Hammond",
               irmas="org", openmic="organ", jamendo=("keyboard",),
               slakh=_sl(22, "Harmonica", "Organ", "transistor_compact.nkm", "transistor_continental.nkm")),
    Instrument("pipe organ", "key", (19,), 36, 84, "pipe organ", "", "Organ", irmas="org", openmic="organ",
               slakh=_sl(19, "Church Organ", "Organ", "organ_kh_grprplenum_manual.nkm")),
    Instrument("accordion", "key", (21, 23), 48, 86, "accordion", "accordion", "Accordion",
               openmic="accordion"),
]  # fmt: skip

_SYNTH = [
    Instrument("synth lead", "synth", (80, 81, 87, 83), 48, 86, "synthesizer", "synthesizer", "SynthLead",
               openmic="synthesizer", jamendo=("synthesizer", "computer"), mono=True,
               slakh=_sl(81, "Lead 2 (sawtooth)", "Synth Lead", *_LEADS)),
    Instrument("synth pad", "synth", (89, 90, 88, 95), 45, 81, "synthesizer", "synthesizer", "SynthPad",
               openmic="synthesizer", jamendo=("synthesizer", "computer"),
               slakh=_sl(89, "Pad 2 (warm)", "Synth Pad", *_PADS)),
    Instrument("bass synth", "synth", (38, 39), 28, 50, "synthesizer", "bass synth", "BassSynth", mono=True,
               openmic="synthesizer", jamendo=("synthesizer", "bass")),
]  # fmt: skip

_PERCUSSION = [
    Instrument("drum set", "percussion", (0, 8, 16, 32, 40), 35, 59, "drum set", "drum set", "Drums",
               drum_kit=True, openmic="drums", jamendo=("drums",),
               slakh=_sl(128, "Drums", "Drums", *_KITS)),
    Instrument("drum machine", "percussion", (25, 24), 35, 59, "drum machine", "drum machine", "Loop",
               drum_kit=True, openmic="drums", jamendo=("drummachine", "computer")),
    Instrument("timpani", "percussion", (47,), 38, 57, "timpani", "timpani", "Timpani", mono=True,
               slakh=_sl(47, "Timpani", "Strings", "timpani.nkm")),
    Instrument("vibraphone", "percussion", (11,), 53, 89, "vibraphone", "vibraphone", "Vibraphone",
               openmic="mallet_percussion",
               slakh=_sl(11, "Vibraphone", "Chromatic Percussion", "hybrid_keys_tube_vibraphone.nkm")),
    Instrument("marimba", "percussion", (12,), 48, 91, "marimba", "marimba", "Marimba",
               openmic="mallet_percussion",
               slakh=_sl(12, "Marimba", "Chromatic Percussion", "marimba.nkm", "marimba_essential.nkm")),
    Instrument("xylophone", "percussion", (13,), 65, 94, "xylophone", "", "Xylophone",
               openmic="mallet_percussion", slakh=_sl(13, "Xylophone", "Chromatic Percussion",
               "xylophone.nkm")),
    Instrument("glockenspiel", "percussion", (9,), 70, 94, "glockenspiel", "glockenspiel", "Glockenspiel",
               openmic="mallet_percussion",
               slakh=_sl(9, "Glockenspiel", "Chromatic Percussion", "glockenspiel.nkm")),
    Instrument("tubular bells", "percussion", (14,), 60, 77, "chimes", "tubularbells", "TubularBells",
               mono=True,
               slakh=_sl(14, "Tubular Bells", "Chromatic Percussion", "tubular_bells_metal.nkm")),
    Instrument("kalimba", "percussion", (108,), 60, 84, "", "kalimba", "Kalimba"),
    Instrument("taiko", "percussion", (116,), 40, 57, "", "taiko", "Taiko", mono=True),
    Instrument("auxiliary percussion", "percussion", (0,), 54, 76, "auxiliary percussion", "percussion",
               "Perc",
               drum_kit=True, notes=(54, 56, 70, 76)),
    Instrument("tambourine", "percussion", (0,), 54, 54, "tambourine", "tambourine", "Tambourine",
               drum_kit=True, notes=(54,)),
    Instrument("shaker", "percussion", (0,), 69, 70, "shaker", "shaker", "Shaker", drum_kit=True,
               notes=(70, 69)),
    Instrument("congas", "percussion", (0,), 62, 64, "conga", "congas", "Congas", drum_kit=True,
               notes=(63, 64, 62)),
    Instrument("bongo", "percussion", (0,), 60, 61, "bongo", "bongos", "Bongos", drum_kit=True, notes=(60,
               61)),
    Instrument("claps", "percussion", (0,), 39, 39, "claps", "claps", "Claps", drum_kit=True, notes=(39,)),
    Instrument("cymbal", "percussion", (0,), 49, 57, "cymbal", "", "Cymbals", drum_kit=True,
               openmic="cymbals",
               notes=(51, 49, 57)),
]  # fmt: skip

# A part that is no instrument: what MedleyDB calls fx/processed sound.
_FX = [Instrument("fx", "", (122, 103, 101), 48, 72, "fx/processed sound", "fx/processed sound", "SFX")]

INSTRUMENTS: dict[str, Instrument] = {
    each.id: each
    for each in (*_VOICE, *_BOWED, *_PLUCKED, *_WOODWIND, *_BRASS, *_KEY, *_SYNTH, *_PERCUSSION, *_FX)
}
