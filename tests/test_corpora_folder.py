"""Folders of stems: labels out of file names, the sidecar, what counts as a song."""

from collections import Counter
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from mixlab.corpora import CORPORA
from mixlab.corpora._names import folder_parser, is_mixture, split_words
from mixlab.errors import TaxonomyError
from mixlab.taxonomy import load_label_map, load_taxonomy, resolve_stem
from tests.corpora import trees
from tests.corpora.trees import by_key, kinds, scan, touch

ADAPTER = CORPORA["folder"]


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
    for name, label in [("07_Zurnazurna2 L", "zurnazurna"), ("ZzyzxLead", "zzyzx lead")]:
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


@pytest.mark.parametrize(
    ("name", "song", "expected"),
    [
        ("mix", "Song", True),
        ("Mixture", "Song", True),
        ("01_Mix_2", "Song", True),
        ("Artist_Title_MIX", "Artist_Title", True),
        ("PianoMan_MIX", "PianoMan", True),
        ("Artist_Title_Full_Preview", "x", True),
        ("StringsMix", "Song", False),
        ("Mixolydian Guitar", "Song", False),
        ("Piano", "Song", False),
        ("", "Song", False),
    ],
)
def test_is_mixture(name: str, song: str, expected: bool) -> None:
    assert is_mixture(name, song, folder_parser()) is expected


@pytest.mark.parametrize(
    ("names", "shared_words"),
    [
        (["PianoMan - Bass", "PianoMan - Drums", "PianoMan - Mix"], 2),
        (["Gtr_1", "Gtr_2"], 0),
        (["Bass Drum", "Bass Clarinet"], 0),
        (["Electric Guitar", "Electric Bass"], 0),
        (["Guitar Lead", "Guitar Bass"], 0),
        (["PianoMan - Bass"], 0),
        ([], 0),
    ],
)
def test_words_of_the_title_are_not_labels(names: list[str], shared_words: int) -> None:
    assert folder_parser().shared_words(names) == shared_words


def test_title_in_front_of_every_file(tmp_path: Path) -> None:
    for name in ("PianoMan - Bass.wav", "PianoMan - Drums.wav", "PianoMan - Mix.wav"):
        touch(tmp_path / "song" / name)
    found = {entry.stem: entry.labels for entry in scan(ADAPTER, tmp_path).stems}
    assert found == {"PianoMan - Bass": ("bass",), "PianoMan - Drums": ("drums",)}


def test_fixture_tree(tmp_path: Path) -> None:
    result = scan(ADAPTER, trees.folder(tmp_path))
    stems = by_key(result)
    assert sorted(stems) == [
        "ArtistName_SongTitle_Full/01_Kick",
        "ArtistName_SongTitle_Full/08_ElecGtr3Mic",
        "ArtistName_SongTitle_Full/09_ElecGtr3DI",
        "ArtistName_SongTitle_Full/10_LeadVoxDT",
        "one/BassDrums30",
        "one/PianoSynth30",
        "one/Vocals30",
        "three/Drums",
        "two/a",
        "two/b",
    ]
    kick = stems["ArtistName_SongTitle_Full/01_Kick"]
    assert (kick.artist, kick.title) == ("Artist Name", "Song Title")
    assert "song:artistname/songtitle" in kick.groups
    assert (stems["one/Vocals30"].artist, stems["one/Vocals30"].groups) == ("", ())
    a, b = stems["two/a"], stems["two/b"]
    assert (a.labels, a.artist, a.corpus_split) == (("violin", "cello"), "Some Band", "train")
    assert (a.bleed, a.bleed_labels, a.gain) == (True, ("piano",), 0.5)
    assert (b.bleed, b.gain, b.corpus_split) == (False, 1.0, "")
    found = Counter((p.song, p.stem, p.kind) for p in result.problems)
    assert found["two", "b", "bad-metadata"] == 2
    assert kinds(result)["", "gone.wav"] == "missing-file"
    assert kinds(result)["", "../../../../etc/passwd"] == "path-outside-root"
    assert kinds(result)["", ""] == "bad-metadata"  # the sidecar without its columns


def test_single_folder_is_one_song(tmp_path: Path) -> None:
    for name in ("drums.wav", "bass.aiff", "violins.MP3", "Mix.wav"):
        touch(tmp_path / "My Song" / name)
    result = scan(ADAPTER, tmp_path / "My Song")
    assert {entry.song for entry in result.stems} == {"My Song"}
    assert [entry.stem for entry in result.stems] == ["bass", "drums", "violins"]


def test_one_name_in_two_formats(tmp_path: Path) -> None:
    for name in ("bass.wav", "bass.mp3", "drums.wav"):
        touch(tmp_path / "song" / name)
    assert [entry.stem for entry in scan(ADAPTER, tmp_path).stems] == ["bass.mp3", "bass.wav", "drums"]


def test_sidecar_in_the_root_may_regroup_files(tmp_path: Path) -> None:
    for name in ("x1.wav", "x2.wav", "sub/x3.wav"):
        touch(tmp_path / name)
    touch(
        tmp_path / "stems.csv",
        "\ufefffile,Label,song,artist,split,licence,offset_s\n"
        "x1.wav,violin,First,A,test,CC0,1.5\n"
        "./x2.wav,cello,Second,A,val,,\n"
        "sub/x3.wav,mix of everything,Second,B,,,\n",
    )
    result = scan(ADAPTER, tmp_path)
    assert result.problems == []
    found = by_key(result)
    assert sorted(found) == ["First/x1", "Second/x2", "Second/x3"]
    first = found["First/x1"]
    assert (first.labels, first.corpus_split, first.licence, first.offset_s) == (
        ("violin",),
        "test",
        "CC0",
        1.5,
    )
    assert found["Second/x2"].corpus_split == "validation"
    assert found["Second/x3"].labels == ("mix of everything",)


def test_song_folder_sidecar_beats_the_one_above(tmp_path: Path) -> None:
    touch(tmp_path / "song" / "a.wav")
    touch(tmp_path / "stems.csv", "file,label\nsong/a.wav,violin\n")
    touch(tmp_path / "song" / "stems.csv", "file,label\na.wav,cello\n")
    assert scan(ADAPTER, tmp_path).stems[0].labels == ("cello",)


# Real names and audio --------------------------------------------------------------------------


def test_real_audio(shared: Path) -> None:
    result = scan(ADAPTER, shared / "real_audio")
    assert result.problems == []
    label_map = load_label_map(ADAPTER.label_map)
    found = {key: set(resolve_stem(label_map, e.labels).nodes) for key, e in by_key(result).items()}
    assert found["trackswitch/violins"] == {"violin"}
    assert found["waveform-playlist/PianoSynth30"] == {"piano", "synthesizer"}
    assert {"drums", "electric-bass"} <= found["waveform-playlist/BassDrums30"]
    assert found["waveform-playlist/Guitar30"] == {"guitar"}
    assert len(found) == 8
    assert all(found.values())


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
