"""Labels out of file names: what sounds, what is missing, what is a mix, and which words are a title."""

from collections import Counter
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from mixlab.corpora._names import folder_parser, split_words
from mixlab.corpora._song_names import doubt, left_out, song_labels
from mixlab.errors import TaxonomyError
from mixlab.taxonomy import Resolution, load_label_map, load_taxonomy, resolve_stem, stem_evidence
from tests.errors import raises

TREE = load_taxonomy()


def nodes(name: str) -> set[str]:
    parser = folder_parser()
    return set(resolve_stem(parser.label_map, parser.labels(name)).nodes)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("08_ElecGtr3Mic", ["elec", "gtr", "3", "mic"]),
        ("SFXVox", ["sfx", "vox"]),
        ("LeadVoxDT2", ["lead", "vox", "dt", "2"]),
        ("hi-hat (open)", ["hi", "hat", "open"]),
        ("Drums&Perc", ["drums", "&", "perc"]),
        ("\u00dcberGitarre", ["\u00fcber", "gitarre"]),
        ("808", ["808"]),
        ("", []),
    ],
)
def test_split_words(name: str, words: list[str]) -> None:
    assert split_words(name) == words


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("violins", {"violin"}),
        ("08_ElecGtr3Mic", {"electric-guitar"}),
        ("Vocals30", {"voice"}),
        ("PianoSynth30", {"piano", "synthesizer"}),
        ("Strings_Violin", {"violin"}),
        ("SaxTenor", {"tenor-saxophone"}),
        ("stem 3 - piano (dry)", {"piano"}),
        ("SFXVox", {"voice"}),
        ("TR-808", {"drum-machine"}),
        ("acoustic-guitar", {"acoustic-guitar"}),
        ("acousticguitar", {"acoustic-guitar"}),
        ("ukuleles", {"ukulele"}),
    ],
)
def test_names_of_one_part(name: str, expected: set[str]) -> None:
    assert nodes(name) == expected


@pytest.mark.parametrize("name", ["BassDrums30", "bassdrums", "Drums & Bass", "bass+drums", "Bass_And_Drums"])
def test_bass_and_drums_on_one_stem(name: str) -> None:
    assert "drums" in nodes(name)
    assert "electric-bass" in nodes(name)
    assert "bass-drum" not in nodes(name)


def test_heading_and_neighbour() -> None:
    parser = folder_parser()
    assert parser.labels("Keys_Rhodes") == ("rhodes",)
    # Where these sound it need not be the drum set.
    assert len(parser.labels("DrumsPerc")) == len(parser.labels("PercAndDrums")) == 2


def test_unknown_names_stay_whole() -> None:
    parser = folder_parser()
    for name, label in [("07_Zzurnaz2 L", "zzurnaz"), ("ZzyzxLead", "zzyzx lead")]:
        assert parser.labels(name) == (label,)
        with raises(TaxonomyError, code="unknown-label", mentions=label):
            resolve_stem(parser.label_map, parser.labels(name))
    assert parser.labels("12") == ()


@pytest.mark.parametrize("name", ["Room", "SFX 3", "click", "Lead"])
def test_names_of_no_instrument_are_ignored(name: str) -> None:
    parser = folder_parser()
    assert resolve_stem(parser.label_map, parser.labels(name)).ignored


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("01_Drums", True),
        ("Lead Vox 2", True),
        ("FX", True),
        ("Kick & Snare", True),
        ("BassDrums", True),
        ("Strings (Room)", True),
        ("Piano Man", False),
        ("Bellsong", False),
        ("12", False),
        ("", False),
    ],
)
def test_a_name_that_says_only_what_sounds(name: str, known: bool) -> None:
    assert folder_parser().is_known(name) is known


@given(st.text(max_size=40))
def test_any_name_gives_clean_labels(name: str) -> None:
    parser = folder_parser()
    labels = parser.labels(name)
    assert labels == parser.labels(name)
    assert len(set(labels)) == len(labels)
    assert all(label and label == " ".join(label.split()) for label in labels)
    assert labels or not any(word.isalpha() for word in split_words(name))


@given(st.sampled_from(sorted(load_label_map("folder").rows)), st.integers(0, 99))
@example("struck, shaken or scraped body", 0)  # the longest: five words
def test_every_row_of_the_map_is_found_again(label: str, take: int) -> None:
    """A file named after a row means what the row means, whatever its take number."""
    label_map = load_label_map("folder")
    expected = label_map.resolve(label)
    assert expected is not None
    if not expected.nodes or not label.isascii() or any(c.isdigit() for c in label) or label.endswith("*"):
        return
    found = resolve_stem(label_map, folder_parser().labels(f"{take:02d}_{label.title()}{take}"))
    taxonomy = load_taxonomy()
    assert found.nodes
    assert {taxonomy.family(n) for n in found.nodes} & {taxonomy.family(n) for n in expected.nodes}


def test_real_file_names_of_mixing_secrets(shared: Path) -> None:
    """6720 raw files: what the name says agrees with what people heard."""
    label_map, heard_map = folder_parser().label_map, load_label_map("mixing_secrets")
    outcome: Counter[str] = Counter()
    for path in sorted((shared / "datasets" / "mixing_secrets" / "metadata").glob("*.yaml")):
        sheet = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
        raws = [raw for stem in sheet["stems"].values() for raw in (stem["raw"] or {}).values()]
        title = path.name.removesuffix("_METADATA.yaml")
        named = song_labels([Path(raw["filename"]).stem for raw in raws], (title,))
        for raw in raws:
            label = raw["instrument"]
            heard = resolve_stem(heard_map, label if isinstance(label, list) else [label])
            try:
                found = resolve_stem(label_map, named[Path(raw["filename"]).stem])
            except TaxonomyError:
                outcome["unmapped"] += 1
                continue
            outcome[_compared(heard, found)] += 1
    total = sum(outcome.values())
    assert total == 6720
    assert outcome["agrees"] / total > 0.983, outcome
    assert outcome["other family"] / total < 0.001, outcome
    assert outcome["unmapped"] / total < 0.006, outcome


def _compared(heard: Resolution, named: Resolution) -> str:
    if not heard.nodes or not named.nodes:
        return "agrees" if not heard.nodes and not named.nodes else "one ignored"
    closure = TREE.closure(heard.nodes)
    if any(node in closure or closure & TREE.descendants(node) for node in named.nodes):
        return "agrees"
    shared_families = {TREE.family(n) for n in named.nodes} & {TREE.family(n) for n in heard.nodes}
    return "same family" if shared_families else "other family"


# What is missing, what is a mix -----------------------------------------------------------------


def resolved(name: str) -> Resolution:
    parser = folder_parser()
    return resolve_stem(parser.label_map, parser.labels(name))


@pytest.mark.parametrize(
    "name",
    [
        *(
            "no_vocals",
            "No Drums",
            "novocals",
            "NoVox",
            "minus_drums",
            "Song (No Drums)",
            "w/o bass",
            "w/o Vox",
        ),
        *("without drums", "Mix without the vocals", "ohne Gesang", "ohne Schlagzeug", "sans batterie"),
        *("senza voce", "sin voz", "zonder zang", "drumless", "Drumless Track", "bassless", "less vocals"),
        *(
            "vocal-less",
            "-drums",
            "Song (-drums)",
            "Song -bass",
            "all but drums",
            "everything except the piano",
        ),
        *("Instrumental", "Song_Instrumental", "Guitar Song (Instrumental)", "karaoke", "Karaoke Version"),
        *("Backing Track", "Guitar Backing Track", "backingtrack", "accompaniment", "Piano Accompaniment"),
        *("w_o Vox", "w-o drums", "W.O. Bass", "wo vocals", "14 -drums", "02_no lead vocals", "NO_DRUMS"),
        *("playback", "minus one", "Piano minus one", "music only", "residual", "vocals_residual"),
        *("Vocal Up Mix", "TV Mix", "play along", "Drum Play Along"),
    ],
)
def test_everything_but_something_is_no_stem(name: str) -> None:
    assert resolved(name) == Resolution((), "everything but an instrument or the voice, not a stem")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Drums (no kick)", {"drums"}),
        ("Drums without cymbals", {"drums"}),
        ("Vocals no harmonies", {"voice"}),
        ("LeadVox_NoPitchProcessing", {"singer", "rapper"}),
        ("Vocals (no reverb)", {"voice"}),
        ("Guitar no fx", {"guitar"}),
        ("Piano without delay", {"piano"}),
        ("Piano No. 2", {"piano"}),
        ("Guitar No 3", {"guitar"}),
        ("Fretless Bass", {"electric-bass"}),
        ("Drums -Kick", {"kick-drum"}),
        ("DRUM KICK -M82", {"kick-drum"}),
        ("Acapella", {"voice"}),
        ("a cappella mix", {"voice"}),
    ],
)
def test_what_a_stem_may_be_without_and_still_be_one(name: str, expected: set[str]) -> None:
    assert nodes(name) == expected


WHOLE = "the whole song, not a stem"


@pytest.mark.parametrize(
    "name",
    [
        *(
            "mix",
            "Mixture",
            "01_Mix_2",
            "2mix",
            "2 Mix",
            "rough mix",
            "RUFF MIX",
            "final mix v2",
            "Final Mix 48k",
        ),
        *(
            "Print",
            "Stereo Out",
            "stereo out 1",
            "Main Out",
            "bounce",
            "Bounce 3",
            "mixdown",
            "reference",
            "Master",
        ),
        *("Master v2", "PREMASTER", "Full Song", "full_mix", "Demo", "Artist_Title_Full_Preview"),
        *("Guitar Song_Full_Preview", "Piano Man preview", "Radio Edit", "Mix Bus", "Original Mix"),
    ],
)
def test_a_mix_of_the_song_is_no_stem(name: str) -> None:
    assert resolved(name) == Resolution((), WHOLE)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Piano Man Mix",
            "Piano Man Master",
            "Piano_Man_Bounce",
            "Guitar Zeppelin Rough Mix",
            "Piano Man Final",
        ),
        *(
            "Drum Machine Love Mixdown",
            "Piano Man Print",
            "Guitar Song",
            "Who I Am MIX",
            "Organ Donor reference",
        ),
    ],
)
def test_a_mix_under_a_name_with_other_words_is_no_stem(name: str) -> None:
    assert "the song or of a part" in (resolved(name).ignored or "")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Drum Mix", {"drums"}),
        ("Drums Bus", {"drums"}),
        ("Drum Bounce", {"drums"}),
        ("Vocal Mix", {"voice"}),
        ("BGV Master", {"singer", "rapper"}),
        ("StringsMix", {"bowed-string"}),
        ("Gtr Mix 2", {"guitar"}),
        ("Lead Vox Print", {"singer", "rapper"}),
        ("Bass Final", {"electric-bass", "synth-bass", "double-bass"}),
        ("Piano Export", {"piano"}),
        ("Violin Stereo Out", {"violin"}),
        ("Mixolydian Violin", {"violin"}),
    ],
)
def test_a_mix_of_one_instrument_is_its_stem(name: str, expected: set[str]) -> None:
    assert nodes(name) == expected


# Titles -----------------------------------------------------------------------------------------


def song_nodes(names: list[str], *titles: str) -> dict[str, set[str]]:
    label_map = folder_parser().label_map
    return {
        name: set(resolve_stem(label_map, labels).nodes)
        for name, labels in song_labels(names, titles).items()
    }


@pytest.mark.parametrize(
    "pattern",
    [
        *(
            "PianoMan - {}",
            "01 Piano Man - {}",
            "{} - Piano Man",
            "{}_PianoMan_120bpm",
            "piano_man_{}",
            "{} (Piano Man)",
        ),
        *(
            "Billy Joel - Piano Man - {}",
            "PianoMan_{}_take1",
            "Piano Man {}",
            "[Piano Man] {} 02",
            "PIANO MAN {} L",
        ),
    ],
)
@pytest.mark.parametrize(
    "titles", [(), ("Piano Man",), ("Billy Joel - Piano Man",), ("BillyJoel_PianoMan_Full",)]
)
def test_titles_are_taken_off_wherever_they_stand(pattern: str, titles: tuple[str, ...]) -> None:
    kinds = {"Bass": "electric-bass", "Drums": "drums", "Violin": "violin"}
    found = song_nodes([pattern.format(kind) for kind in kinds], *titles)
    for kind, node in kinds.items():
        assert node in found[pattern.format(kind)]
        assert "piano" not in found[pattern.format(kind)]


@pytest.mark.parametrize(
    ("name", "titles"),
    [
        ("Piano Man - Violin", ("Piano Man",)),
        ("Violin - Piano Man", ("Piano Man",)),
        ("01_PianoMan_Violin", ("Billy Joel - Piano Man",)),
        ("Violin_PianoMan_120bpm", ("Billy Joel", "Piano Man")),
        ("Violin", ("Piano Man",)),
        ("Drum Machine Love Violin 2", ("Drum Machine Love",)),
        ("Without You - Violin", ("Without You",)),
        ("No Bass No Cry Violin", ("No Bass No Cry",)),
    ],
)
def test_a_title_is_taken_off_one_file_too(name: str, titles: tuple[str, ...]) -> None:
    assert song_nodes([name, "Drums"], *titles)[name] == {"violin"}


def test_a_title_of_nothing_but_an_instrument_is_told_by_its_files() -> None:
    found = song_labels(["Guitar_MIX", "Bass", "Drums"], ("Guitar",))
    assert found["Guitar_MIX"] == ("mix",)
    # In a folder of guitars it is the bus of the guitars.
    assert song_labels(["Guitar_MIX", "Guitar 1", "Guitar 2"], ("Guitar",))["Guitar_MIX"] == ("guitar",)
    assert song_labels(["Piano - Bass", "Piano - Drums"]) == {
        "Piano - Bass": ("bass",),
        "Piano - Drums": ("drums",),
    }


@pytest.mark.parametrize("title", ["Guitar Song", "Yellow Piano", "Lonely Harp", "Big Drums"])
@pytest.mark.parametrize("pattern", ["{title} - {}", "{} - {title}", "{title} {}", "{}_{title}"])
@pytest.mark.parametrize("given", [True, False])
def test_titles_of_known_words_only(title: str, pattern: str, given: bool) -> None:
    names = [pattern.format(part, title=title) for part in ("Bass", "Violin", "Vox", "Mix")]
    found = song_labels([*names, title, "click"], (title,) if given else ())
    label_map = folder_parser().label_map
    assert [found[name] for name in names] == [("bass",), ("violin",), ("vox",), ("mix",)]
    assert resolve_stem(label_map, found[title]).ignored


def test_a_title_that_is_an_instrument_takes_nothing_from_its_stems() -> None:
    found = song_labels(["Bass_MIX", "Bass", "Bass DI", "Guitar", "Drums"], ("Bass",))
    assert found["Bass_MIX"] == ("mix",)
    assert found["Bass"] == ("bass",)
    assert found["Bass DI"] == ("bass di",)
    found = song_labels(["Acoustic Guitar", "Acoustic Bass", "Vox"], ("Acoustic",))
    assert found["Acoustic Bass"] == ("acoustic bass",)
    found = song_labels(["Drums Mix", "Drums L", "Drums Kick"], ("Drums",))
    assert found["Drums Mix"] == found["Drums L"] == ("drums",)


def test_a_file_that_is_named_after_its_song_is_no_stem() -> None:
    found = song_labels(
        ["Piano Man", "Piano Man - Bass", "Piano Man Mix", "Piano Man (No Drums)"], ("Piano Man",)
    )
    assert found["Piano Man - Bass"] == ("bass",)
    assert found["Piano Man Mix"] == ("mix",)
    label_map = folder_parser().label_map
    for name in ("Piano Man", "Piano Man Mix", "Piano Man (No Drums)"):
        assert resolve_stem(label_map, found[name]).ignored


@pytest.mark.parametrize(
    "names",
    [
        ["Piano Man (no drums)", "Piano Man (no bass)", "Piano Man (no vocals)"],
        ["Song - minus drums", "Song - minus bass", "Song - minus piano"],
        ["no drums", "no bass", "no vocals"],
        ["drums minus one", "bass minus one", "vocals minus one"],
        ["without lead vocals", "without lead guitar"],
    ],
)
@pytest.mark.parametrize("titles", [(), ("Piano Man",), ("Song",)])
def test_no_shared_word_takes_a_negation_away(names: list[str], titles: tuple[str, ...]) -> None:
    assert not any(song_nodes(names, *titles).values())


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["Gtr_1", "Gtr_2"], {"guitar"}),
        (["Bass Clarinet L", "Bass Clarinet R"], {"bass-clarinet"}),
        (["Thumb Piano", "Thumb Piano 2"], {"kalimba"}),
        (["Vox Continental 1", "Vox Continental 2"], {"transistor-organ"}),
    ],
)
def test_what_files_share_is_no_title_when_nothing_would_be_left(
    names: list[str], expected: set[str]
) -> None:
    assert all(found == expected for found in song_nodes(names).values())


def test_labels_are_not_cut_in_two_by_a_shared_word() -> None:
    assert song_nodes(["Bass Drum", "Bass Clarinet"]) == {
        "Bass Drum": {"bass-drum"},
        "Bass Clarinet": {"bass-clarinet"},
    }
    assert song_nodes(["Electric Guitar", "Electric Piano"]) == {
        "Electric Guitar": {"electric-guitar"},
        "Electric Piano": {"electric-piano"},
    }


# Known words inside other names --------------------------------------------------------------------


def present(name: str) -> set[str]:
    """Return the nodes that are certain where a file of this name sounds."""
    found = resolved(name).nodes
    return set(stem_evidence(TREE, found).present) if found else set()


def possible(name: str) -> set[str]:
    """Return the nodes that are certain or masked."""
    evidence = stem_evidence(TREE, resolved(name).nodes)
    return set(evidence.present | evidence.unknown)


# name -> the most special node that is certain, and a node that must be absent
OTHER_INSTRUMENTS = """
12 String: guitar, bowed-string; 12-String Gtr: guitar, bowed-string; 04_12 String: guitar, bowed-string
String Machine: synth-strings, bowed-string; String Synth: synth-strings, bowed-string
Vox Continental: transistor-organ, voice; Vox Jaguar: transistor-organ, voice
Vox AC30: electric-guitar, voice; Thumb Piano: kalimba, piano; Finger Piano: kalimba, piano
Toy Piano: toy-piano, piano; Piano Accordion: accordion, piano; Player Piano: piano, percussion
Electric Piano: electric-piano, piano; Blues Harp: harmonica, harp; Jew's Harp: jews-harp, harp
Jaw Harp: jews-harp, harp; Autoharp: autoharp, harp; French Harp: harmonica, harp
Laser Harp: synthesizer, harp; Harp Guitar: acoustic-guitar, harp; Glass Harp: musical-glasses, harp
Glass Harmonica: musical-glasses, harmonica; Tongue Drum: idiophone, drums; Steel Drum: steel-drums, drums
Talking Drum: membranophone, drums; Slit Drum: idiophone, drums; Log Drum: idiophone, drums
Hang Drum: idiophone, drums; Taiko Drums: taiko, drums; Tenor Drum: membranophone, drums
Frame Drum: frame-drum, drums; Hand Drum: hand-drum, drums; Drum Machine: drum-machine, snare-drum
Drum Pad: electronic-percussion, bongo; Bass Drum: bass-drum, electric-bass; Gran Cassa: bass-drum, brass
Gong Drum: bass-drum, gong; Bass Flute: bass-flute, electric-bass
Bass Clarinet: bass-clarinet, electric-bass; Bass Sax: saxophone, synth
Bass Trombone: bass-trombone, electric-bass; Bass Recorder: recorder, electric-bass
Bass Oboe: oboe, synth; Bass Harmonica: harmonica, electric-bass; Bass Marimba: marimba, electric-bass
Bass Trumpet: trumpet, synth; Bass Tuba: tuba, electric-bass; Bass Voice: singer, electric-bass
Bass Kalimba: kalimba, synth; Bass Guitar: electric-bass, guitar
Electric Bass Guitar: electric-bass, guitar; Violin Bass: electric-bass, violin
P-Bass: electric-bass, double-bass; String Bass: double-bass, electric-bass
Upright Bass: double-bass, piano; Bass Fiddle: double-bass, electric-bass
Bass Ukulele: electric-bass, ukulele; Bass Synth: synth-bass, electric-bass
Moog Bass: synth-bass, electric-bass; 808 Bass: synth-bass, electric-bass
Juno Bass: synth-bass, double-bass; Guitar Synth: guitar-synthesizer, acoustic-guitar
Keytar: synthesizer, key; Synth Strings: synth-strings, violin; Synth Brass: synth-brass, brass
Synth Choir: synth-voice, voice; Juno Strings: synth-strings, bowed-string
Jupiter 8 Brass: synth-brass, brass; Prophet 5 Pad: synth-pad, key; Synth Flute: synthesizer, woodwind
Mouth Organ: harmonica, organ; Barrel Organ: pipe-organ, brass; Reed Organ: harmonium, saxophone
English Horn: english-horn, brass; Basset Horn: clarinet, brass; French Horn: french-horn, woodwind
Alphorn: brass, woodwind; Tenor Horn: brass, singer; Baritone Horn: brass, singer
Flugelhorn: flugelhorn, trumpet; Trumpet Violin: violin, brass; Viola da Gamba: bowed-string, brass
Cello Banjo: banjo, cello; Bowed Guitar: guitar, bowed-string; Bowed Piano: piano, bowed-string
Lap Steel: lap-steel-guitar, percussion; Hurdy Gurdy: bowed-string, key
Steel Guitar: steel-guitar, percussion; Piccolo Trumpet: trumpet, woodwind
Piccolo Snare: snare-drum, woodwind; Slide Whistle: flute-family, plucked-string
Bell Tree: wind-chimes, glockenspiel; Hand Bells: handbells, snare-drum; Cow Bell: cowbell, tubular-bells
Singing Bowl: idiophone, voice; Mellotron Cello: mellotron, percussion; Music Box: music-box, drums
Beat Box: beatboxing, percussion; Left Hand Piano: piano, kalimba; 1st Violin: violin, viola
2nd Guitar: guitar, bass-guitar; 3rd Trumpet: trumpet, cymbal
"""


@pytest.mark.parametrize(
    "line", [part.strip() for part in OTHER_INSTRUMENTS.replace("\n", ";").split(";") if part.strip()]
)
def test_known_words_in_the_names_of_other_instruments(line: str) -> None:
    name, _, nodes_there = line.partition(":")
    certain, absent = (part.strip() for part in nodes_there.split(","))
    for spelling in (name, name.replace(" ", "_"), f"07_{name} 2"):
        assert certain in present(spelling), spelling
        assert absent not in possible(spelling), spelling


ABBREVIATIONS = """
Gtr guitar, Gt guitar, Guit guitar, Vx voice, Vox voice, LV voice, BV voice, BVs voice, BGV voice
BGVs voice, BVox voice, OH drums, OHs drums, OHL drums, Ovhd drums, Kik kick-drum, Kck kick-drum
BD kick-drum, SD snare-drum, Snr snare-drum, Sn snare-drum, HH hi-hat, Hat hi-hat, Rd ride-cymbal
Cym cymbal, FT tom, RT tom, Tm1 tom, FlrTom tom, Rhds rhodes, Rhod rhodes, Wurli wurlitzer
Wurly wurlitzer, EGT electric-guitar, AGT acoustic-guitar, EGtr electric-guitar, AcGtr acoustic-guitar
ElGtr electric-guitar, Pno piano, Pf piano, Org organ, Syn synthesizer, Tpt trumpet, Trp trumpet
Tbn trombone, Hn french-horn, Fl flute, Ob oboe, Bsn bassoon, Sx saxophone, ASax alto-saxophone
TSax tenor-saxophone, BariSax baritone-saxophone, SopSax soprano-saxophone, Vln violin, Vn violin
Vla viola, Va viola, Vc cello, Vlc cello, Perc percussion, Tamb tambourine, Shkr shaker, Cga conga
Bgo bongo, Timb timbales, Glock glockenspiel, Xylo xylophone, Vibes vibraphone, Mar marimba, Timp timpani
Strat electric-guitar, Tele electric-guitar, LesPaul electric-guitar, PBass electric-bass
B3 hammond-organ, C3 hammond-organ, LinnDrum drum-machine, TR808 drum-machine
TR-909 drum-machine, DX7 synthesizer, Minimoog synthesizer, Juno synthesizer, Jupiter synthesizer
Prophet synthesizer, Mellotron mellotron, Farfisa transistor-organ, Bone trombone, Fiddle violin
Uke ukulele, Mando mandolin, Gesang voice, Schlagzeug drums
"""


@pytest.mark.parametrize(
    "pair", [part.split() for part in ABBREVIATIONS.replace("\n", ",").split(",") if part.strip()]
)
@pytest.mark.parametrize("pattern", ["{}", "03_{}", "{} L", "{}_2", "{} 01.R"])
def test_abbreviations_and_makers(pair: list[str], pattern: str) -> None:
    name, node = pair
    assert node in present(pattern.format(name))


@pytest.mark.parametrize(
    ("name", "either", "other"),
    [
        ("Cb", "double-bass", "cowbell"),
        ("Cl", "clarinet", "claps"),
        ("DB", "double-bass", "drums"),
        ("Upright", "double-bass", "upright-piano"),
        ("Jazz Bass", "electric-bass", "double-bass"),
        ("Acoustic Bass", "double-bass", "acoustic-bass-guitar"),
        ("808", "synth-bass", "drum-machine"),
        ("Vocoder", "voice", "synthesizer"),
        ("Talk Box", "voice", "electric-guitar"),
        ("Mouth Harp", "harmonica", "jews-harp"),
        ("Vox Pad", "voice", "synth-pad"),
        ("String Pad", "bowed-string", "synth-strings"),
        ("Guitar Bass", "guitar", "electric-bass"),
        ("Drum Bass", "drums", "electric-bass"),
        ("Alto", "singer", "alto-saxophone"),
        ("Leslie", "organ", "electric-guitar"),
        ("LP", "electric-guitar", "percussion"),
        ("12 Strings", "guitar", "bowed-string"),
        ("Beat", "drums", "synth"),
        ("Flute Organ", "organ", "flute-family"),
    ],
)
def test_what_a_name_leaves_open_is_masked(name: str, either: str, other: str) -> None:
    assert {either, other} <= possible(name)
    assert not {either, other} & present(name)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Audio 01",
            "Audio 1_bip",
            "Inst 3",
            "MIDI 04",
            "FX Return",
            "Rvb",
            "Verb 2",
            "Delay L",
            "Click",
            "Guide",
        ),
        *(
            "Talkback",
            "Bus 3",
            "Aux 1",
            "SFX",
            "Send A",
            "Slate",
            "Group 2",
            "Track 07",
            "VCA",
            "Key Click",
            "TB Mic",
        ),
        *("Shoe Horn", "Air Horn", "Car Horn", "Orchestra Hit", "Print", "Mono", "Take 3", "Verse", "Intro"),
    ],
)
def test_names_of_tracks_that_are_no_instrument(name: str) -> None:
    assert resolved(name).ignored


# Unknown words before an instrument -----------------------------------------------------------------

CRITICAL_WORDS = {
    "Strings": "bowed-string",
    "String": "bowed-string",
    "Piano": "piano",
    "Drum": "drums",
    "Drums": "drums",
    "Harp": "harp",
    "Organ": "organ",
    "Horn": "brass",
    "Bass": "electric-bass",
    "Guitar": "guitar",
    "Gtr": "guitar",
    "Flute": "flute",
    "Bell": "bell",
    "Bells": "bell",
}


@pytest.mark.parametrize("word", CRITICAL_WORDS)
@pytest.mark.parametrize("pattern", ["Zork {}", "Zork_{}", "05_Zork{}2", "zork-{} L"])
def test_an_unknown_word_before_an_instrument_masks_it(word: str, pattern: str) -> None:
    name = pattern.format(word)
    node = CRITICAL_WORDS[word]
    assert {node, TREE.family(node), "synth"} <= possible(name)
    assert present(name) == set()
    assert "Zork".lower() in doubt(folder_parser().labels(name))


@pytest.mark.parametrize(
    "before",
    [
        *("John", "John's", "Sarah", "My", "Left", "Right", "Clean", "Lead", "Second", "Additional", "Blue"),
        *("Verse", "Chorus", "Marshall", "SM57", "U87", "Funky", "Strummed", "Muted", "Low", "High", "Main"),
        *("Solo", "Dry", "Wet", "Live", "Fake", "Intro", "2", "02", "A", "L", "DI", "Ambient", "Distorted"),
        *("Crunchy", "Jangly", "Big", "Dirty", "2nd", "Old", "Sad", "Compressed", "Reamped", "Vintage"),
    ],
)
def test_harmless_words_before_an_instrument_mask_nothing(before: str) -> None:
    for word, node in (("Guitar", "guitar"), ("Piano", "piano"), ("Organ", "organ"), ("Harp", "harp")):
        name = f"{before} {word}"
        assert node in present(name), name
        assert doubt(folder_parser().labels(name)) == "", name


def test_punctuation_parts_an_unknown_word_from_the_instrument() -> None:
    for name in ("Zork - Piano", "Zork (Piano)", "Piano Zork", "Piano (Zork)"):
        assert present(name) >= {"piano"}, name


def test_a_row_of_ones_own_settles_a_doubt(tmp_path: Path) -> None:
    extra = tmp_path / "extra.csv"
    extra.write_text("label,nodes,ignored,note\nharp? zork harp,harmonica,,\n")
    labels = folder_parser().labels("Zork Harp")
    assert resolve_stem(load_label_map("folder", extra), labels).nodes == ("harmonica",)


def test_numbers_of_strings_and_numbers_of_tracks() -> None:
    found = song_nodes(["11 Bass", "12 Strings", "13 Vox", "14 Drums"])
    assert found["12 Strings"] == {"bowed-string"}
    found = song_nodes(["11 Bass", "12 String", "13 Vox", "14 Drums"])
    assert {"bowed-string", "plucked-string"} <= found["12 String"]
    assert song_nodes(["Bass", "12 String", "Vox"])["12 String"] == {"guitar"}
    assert song_nodes(["808 Kick", "808 Bass", "808 Clap"])["808 Bass"] == {"synth-bass"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Gtr RT", {"guitar"}),
        ("Tom Vox", {"voice"}),
        ("Vox ft John", {"voice"}),
        ("Vox DB", {"voice"}),
        ("Vox Ohs", {"voice"}),
        ("SD Vox Lead", {"singer", "rapper"}),
        ("Acoustic Violin", {"violin"}),
        ("Electric Cello", {"cello"}),
        ("Piano b3", {"piano"}),
        ("Snare3b", {"snare-drum"}),
        ("Guitar A", {"guitar"}),
        ("Guitar - Acoustic", {"acoustic-guitar"}),
        ("Drums - Kick", {"kick-drum"}),
    ],
)
def test_labels_with_other_meanings_give_way(name: str, expected: set[str]) -> None:
    assert nodes(name) == expected


def test_a_bass_among_altos_and_tenors_may_sing() -> None:
    choir = song_nodes(["04_SopranoOD", "05_AltoOD", "06_TenorOD", "07_BassOD"])
    assert {"singer", "double-bass"} <= choir["07_BassOD"]
    assert "singer" not in song_nodes(["Alto Sax", "Bass", "Drums"])["Bass"]


def test_the_players_of_horns_may_play_saxophones() -> None:
    for name in ("Horns-Tenor", "Horn Bari", "Horns_Alto 2"):
        assert {"brass", "saxophone"} <= possible(name)
        assert present(name) == set()
    assert present("Alto Horn") == {"brass"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *(("Drums", True), ("Backing Vox 2", True), ("01_Strings (close)", True), ("Drum Mix", True)),
        *(("Piano Man", False), ("Room", False), ("No Drums", False), ("Instrumental", False)),
        ("Mix", False),
        *(("Guitar Song", False), ("Zork Piano", False), ("", False), ("12", False)),
    ],
)
def test_a_name_of_an_instrument_and_nothing_else(name: str, expected: bool) -> None:
    assert folder_parser().is_instrument(name) is expected


@pytest.mark.parametrize(
    "name",
    [
        *("Drums Off", "Vocals Removed", "Vox removed L", "Drum Free", "no_other", "minus other"),
        *("drums+bass+other", "drums_bass_other", "Bass & Others", "Piano and Orchestra", "Vox & Band"),
        *("Guitar with Orchestra", "Guitar & Zork", "Zork and Guitar"),
    ],
)
def test_what_holds_unnamed_others_is_no_stem(name: str) -> None:
    assert resolved(name).ignored


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Snare Off", {"snare-drum"}),
        ("Other Guitar", {"guitar"}),
        ("Drums Other", {"drums"}),
        ("Vox Anna and Bert", {"voice"}),
        ("Drums and Loops", {"drums"}),
        ("Guitar with Room", {"guitar"}),
        ("Drums Only", {"drums"}),
        ("Piano & Voice", {"piano", "voice"}),
    ],
)
def test_company_that_is_named_or_says_nothing(name: str, expected: set[str]) -> None:
    assert nodes(name) == expected


@pytest.mark.parametrize("name", ["Mix (Drums Up)", "Bass Up Mix", "Mix Gtr Down", "Master Drums Louder"])
def test_a_mix_at_another_balance_is_no_stem(name: str) -> None:
    assert resolved(name).ignored
    assert nodes("Snare Up") == {"snare-drum"}


@pytest.mark.parametrize(
    "name",
    [
        *(
            "drums-no",
            "-1 drums",
            "w/out drums",
            "w_out Vox",
            "wout vox",
            "Bass less mix",
            "no lead",
            "bass-less",
        ),
        *("No Drums Mix", "Full Mix No Bass", "All minus drums", "Band minus drums", "Everything but vox"),
        *("Vocals Muted", "Vox Mute", "Drums Muted", "ex vocals", "Guitar Jam Track", "Practice Track"),
        *("Halbplayback", "Begleitung", "Base musicale"),
    ],
)
def test_more_ways_to_say_what_is_missing(name: str) -> None:
    assert resolved(name).ignored == "everything but an instrument or the voice, not a stem"


def test_what_is_ignored_by_name_is_counted() -> None:
    labels = [folder_parser().labels(name) for name in ("Mix", "Rough Mix", "no_vocals", "Bass", "Room")]
    assert left_out(labels) == (
        "3 files are kept but ignored, for what their names say: 2 x the whole song, not a stem; "
        "1 x everything but an instrument or the voice, not a stem"
    )
    assert left_out([("bass",), ("room",), ()]) == ""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Trumpet Muted", {"muted-trumpet"}),
        ("Gtr Muted", {"guitar"}),
        ("Bass Mute", {"electric-bass", "synth-bass", "double-bass"}),
        ("SO_DJ_90_drum_loop_full", {"drums", "drum-machine"}),
        ("Zork 120 guitar loop full", {"guitar"}),
        ("Kick Off Axis", {"kick-drum"}),
        ("Kick D6", {"kick-drum"}),
        ("Clavinet D6", {"clavinet"}),
        ("Off Axis Gtr", {"guitar"}),
        ("Drum Loop (Free)", {"drums", "drum-machine"}),
        ("Guitar Loop Free", {"guitar"}),
        ("Vox Muted Trumpet", {"voice", "muted-trumpet"}),
        ("Strings (no basses)", {"bowed-string"}),
        ("Choir without sopranos", {"choir"}),
        ("Organ no pedals", {"organ"}),
    ],
)
def test_words_of_bounces_and_mutes_that_are_ways_of_playing(name: str, expected: set[str]) -> None:
    assert nodes(name) == expected


@pytest.mark.parametrize(
    ("name", "both"),
    [
        ("Gtr & Org", {"guitar", "organ"}),
        ("Piano + DB", {"piano", "double-bass"}),
        ("Vox and EP", {"voice", "electric-piano"}),
        ("Gtr and Upright", {"guitar", "double-bass"}),
        ("Vox & Tom", {"voice", "tom"}),
    ],
)
def test_a_label_with_other_meanings_counts_where_it_is_joined(name: str, both: set[str]) -> None:
    assert both <= nodes(name)
    assert present(name) == set()


@pytest.mark.parametrize(
    "name", ["Guitar Man v3", "Guitar Man 24bit", "Guitar Man [320kbps]", "Guitar Man (Remastered)"]
)
def test_a_title_with_a_version_is_no_stem(name: str) -> None:
    labels = song_labels([name, "Guitar Man Drums"], ["Guitar Man"])
    assert resolve_stem(folder_parser().label_map, labels[name]).ignored
    assert labels["Guitar Man Drums"] == ("drums",)


@pytest.mark.parametrize(
    ("name", "either", "other"),
    [
        ("Fl\u00fcgel", "grand-piano", "flugelhorn"),
        ("Brushes", "snare-drum", "drums"),
        ("Saw", "synthesizer", "idiophone"),
        ("Bones", "trombone", "idiophone"),
        ("Alto", "singer", "viola"),
        ("Bass Pan", "steel-drums", "electric-bass"),
        ("String Noise", "bowed-string", "plucked-string"),
        ("Sample Pad", "synth-pad", "electronic-percussion"),
        ("Mouth Tuba", "voice", "tuba"),
        ("Programmed Drums", "drums", "drum-machine"),
        ("D6", "clavinet", "kick-drum"),
    ],
)
def test_names_of_two_instruments_claim_neither(name: str, either: str, other: str) -> None:
    assert {either, other} <= nodes(name)
    assert not {either, other} & present(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *(("Triangle Lead", {"synth-lead"}), ("Triangle Bass", {"synth-bass"}), ("Triangle", {"triangle"})),
        *(
            ("Vocal Trumpet", {"voice"}),
            ("Viola caipira", {"steel-string-guitar"}),
            ("Tenor Pan", {"steel-drums"}),
        ),
        *(
            ("Coros", {"singer"}),
            ("Bl\u00e4ser", {"brass", "woodwind"}),
            ("Hauptgesang", {"singer", "rapper"}),
        ),
        *(("Caisse claire", {"snare-drum"}), ("Redoblante", {"snare-drum"}), ("Violonchelo", {"cello"})),
        *(("Percuss\u00e3o", {"percussion"}), ("Charleston", {"hi-hat"}), ("DrumComputer", {"drum-machine"})),
        *(
            ("BGs Hi", {"singer", "rapper"}),
            ("SNT", {"snare-drum"}),
            ("CHH", {"hi-hat"}),
            ("K In", {"kick-drum"}),
        ),
    ],
)
def test_names_of_sessions_in_many_languages(name: str, expected: set[str]) -> None:
    assert nodes(name) == expected


def test_a_file_that_is_called_as_what_heads_the_others_is_the_song() -> None:
    names = ["Voices", "Voices_Guitar", "Voices_Drums", "Voices_Bass Vox"]
    labels = song_labels(names, ["Voices"])
    assert resolve_stem(folder_parser().label_map, labels["Voices"]).ignored
    assert labels["Voices_Guitar"] == ("guitar",)
    assert song_labels(["Voices", "Guitar", "Drums"], ["Voices"])["Voices"] == ("voices",)
    assert song_labels(["Drums", "Drums_Kick", "Drums_Snare"], ["Drums"])["Drums"] == ("drums",)
