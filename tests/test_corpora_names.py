"""Labels out of file names: what sounds, what is missing, what is a mix, and which words are a title."""

from collections import Counter
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from mixlab.corpora._names import folder_parser, split_words
from mixlab.corpora._song_names import song_labels
from mixlab.errors import TaxonomyError
from mixlab.taxonomy import Resolution, load_label_map, load_taxonomy, resolve_stem

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
        with pytest.raises(TaxonomyError, match=label):
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
    parser, taxonomy = folder_parser(), load_taxonomy()
    heard_map = load_label_map("mixing_secrets")
    outcome: Counter[str] = Counter()
    for path in sorted((shared / "datasets" / "mixing_secrets" / "metadata").glob("*.yaml")):
        sheet = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
        for stem in sheet["stems"].values():
            for raw in (stem["raw"] or {}).values():
                label = raw["instrument"]
                heard = resolve_stem(heard_map, label if isinstance(label, list) else [label])
                try:
                    named = resolve_stem(parser.label_map, parser.labels(raw["filename"].rsplit(".", 1)[0]))
                except TaxonomyError:
                    outcome["unmapped"] += 1
                    continue
                if not heard.nodes or not named.nodes:
                    outcome["agrees" if not heard.nodes and not named.nodes else "one ignored"] += 1
                    continue
                closure = taxonomy.closure(heard.nodes)
                above = {n for n in named.nodes if n in closure or closure & taxonomy.descendants(n)}
                families = {taxonomy.family(n) for n in named.nodes}
                if above:
                    outcome["agrees"] += 1
                elif families & {taxonomy.family(n) for n in heard.nodes}:
                    outcome["same family"] += 1
                else:
                    outcome["other family"] += 1
    total = sum(outcome.values())
    assert total == 6720
    assert outcome["agrees"] / total > 0.975, outcome
    assert outcome["other family"] / total < 0.005, outcome
    assert outcome["unmapped"] / total < 0.015, outcome


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
