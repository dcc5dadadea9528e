"""The demo composer, its plan and its synthesizer: what is written before any corpus is laid out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mixlab.errors import AudioError
from mixlab.synthesis.build import DEFAULT_SECONDS, DEFAULT_SONGS
from mixlab.synthesis.compose import ROLES, PartSpec, compose
from mixlab.synthesis.ensembles import MEDLEYDB, MIXING_SECRETS, slakh_ensemble
from mixlab.synthesis.events import Note
from mixlab.synthesis.harmony import STYLES
from mixlab.synthesis.instruments import FAMILIES, INSTRUMENTS
from mixlab.synthesis.plan import plan_songs
from mixlab.synthesis.stems import compose_plan
from mixlab.synthesis.tagged import plan_tagged
from mixlab.taxonomy import load_label_map, load_taxonomy
from tests.errors import raises

ENSEMBLES = [*MEDLEYDB, *MIXING_SECRETS, *(slakh_ensemble(k) for k in range(30))]


def families_of(corpus: str, label: str) -> set[str]:
    resolution = load_label_map(corpus).resolve(label)
    assert resolution is not None, f"{label!r} is not in the label map of {corpus}"
    return {load_taxonomy().family(node) for node in resolution.nodes}


@pytest.mark.parametrize("style", STYLES)
def test_a_song_keeps_to_ranges_length_and_voices(style: str) -> None:
    parts = [
        PartSpec("flute", "lead"),
        PartSpec("electric bass", "bass"),
        PartSpec("piano", "comp"),
        PartSpec("distorted electric guitar", "arp"),
        PartSpec("choir", "pad"),
        PartSpec("trumpet", "stabs"),
        PartSpec("viola", "inner"),
        PartSpec("timpani", "timpani"),
        PartSpec("drum set", "drums"),
        PartSpec("congas", "percussion"),
        PartSpec("violin", "double", 0),
    ]
    composition = compose(style, parts, 14.0, np.random.default_rng([3, 1]))
    for spec, notes in zip(parts, composition.parts, strict=True):
        instrument = INSTRUMENTS[spec.instrument]
        assert notes, spec
        assert all(instrument.low <= note.pitch <= instrument.high for note in notes), spec
        assert all(note.start_s >= 0 and note.start_s + note.duration_s <= 14.001 for note in notes), spec
        assert all(1 <= note.velocity <= 127 for note in notes), spec
        if instrument.mono:
            ends = [note.start_s + note.duration_s for note in notes]
            assert all(end <= note.start_s + 1e-6 for end, note in zip(ends, notes[1:], strict=False)), spec


def test_composing_is_a_pure_function_of_its_arguments() -> None:
    ensemble = MEDLEYDB[0]
    first, again, other = (
        compose(ensemble.style, ensemble.parts, 10.0, np.random.default_rng(seed)) for seed in (5, 5, 6)
    )
    assert first == again
    assert first.parts != other.parts


def test_melodies_keep_to_the_key_and_chords_to_their_tones() -> None:
    parts = (PartSpec("flute", "lead"), PartSpec("choir", "pad"))
    composition = compose("pop", parts, 20.0, np.random.default_rng(8))
    melody, pad = composition.parts
    assert {note.pitch % 12 for note in melody} <= set(composition.frame.scale)
    tones = {tone for bar in composition.frame.bars for tone in bar.chord.tones}
    assert {note.pitch % 12 for note in pad} <= tones


def test_parts_enter_and_leave_and_no_bar_is_bare() -> None:
    plans = plan_songs(DEFAULT_SONGS, 0)[::3]
    resting = 0
    for plan in plans:
        composition = compose_plan(plan, DEFAULT_SECONDS - 1)
        length = composition.frame.bar_s
        sounding = np.zeros((len(composition.parts), len(composition.frame.bars)), bool)
        for k, notes in enumerate(composition.parts):
            sounding[k, [min(int(note.start_s / length), sounding.shape[1] - 1) for note in notes]] = True
        resting += int((~sounding).any(axis=1).sum())
        assert sounding.any(axis=0).all(), plan.id
        # Every part offers at least one full training excerpt.
        assert ((sounding.sum(axis=1) + 1) * length >= 4.0).all(), plan.id
    assert resting > 2 * len(plans)


def test_a_double_plays_what_its_leader_plays() -> None:
    parts = (
        PartSpec("distorted electric guitar", "comp"),
        PartSpec("distorted electric guitar", "double", 0),
    )
    leader, double = compose("rock", parts, 16.0, np.random.default_rng(2)).parts
    assert len(double) <= len(leader)
    assert {note.pitch for note in double} <= {note.pitch for note in leader}
    # Another take: the same notes at slightly other times.
    assert not set(double) & set(leader)


@pytest.mark.parametrize("seed", [0, 1])
def test_every_family_has_songs_and_artists_for_three_splits(seed: int) -> None:
    plans = plan_songs(DEFAULT_SONGS, seed)
    for family in FAMILIES:
        held = [
            plan
            for plan in plans
            if any(INSTRUMENTS[part.instrument].family == family for part in plan.ensemble.parts)
        ]
        artists = {(plan.corpus, plan.artist or plan.seed) for plan in held}
        assert len(held) >= 10, family
        assert len(artists) >= 8, family
    used = {part.instrument for plan in plans for part in plan.ensemble.parts}
    assert len(used) >= 50


def test_rare_families_are_rarer_than_the_band() -> None:
    plans = plan_songs(DEFAULT_SONGS, 0)
    parts = [INSTRUMENTS[part.instrument].family for plan in plans for part in plan.ensemble.parts]
    for rare in ("brass", "woodwind"):
        for common in ("percussion", "plucked-string", "key"):
            assert parts.count(rare) < parts.count(common), (rare, common)


def test_names_are_unique_and_some_artists_have_several_songs() -> None:
    plans = plan_songs(120, 0)
    assert len({(plan.corpus, plan.id) for plan in plans}) == len(plans)
    named = [plan for plan in plans if plan.artist]
    by_corpus = {
        corpus: {p.artist for p in named if p.corpus == corpus} for corpus in ("medleydb", "mixing_secrets")
    }
    assert not by_corpus["medleydb"] & by_corpus["mixing_secrets"]
    assert sum(map(len, by_corpus.values())) < len(named)
    assert all(plan.id.count("_") == 1 for plan in named)


def test_artists_of_test_songs_have_no_others() -> None:
    named = [plan for plan in plan_songs(DEFAULT_SONGS, 0) if plan.artist]
    splits: dict[str, set[str]] = {}
    for plan in named:
        splits.setdefault(plan.artist, set()).add(plan.split)
    assert all(len(found) == 1 for found in splits.values())
    assert {"test"} in splits.values()


def test_a_smaller_plan_keeps_sounds_and_music_of_its_songs() -> None:
    few = {(plan.corpus, plan.number): plan for plan in plan_songs(12, 0)}
    many = {(plan.corpus, plan.number): plan for plan in plan_songs(48, 0)}
    for key, plan in few.items():
        if plan.corpus != "slakh2100_flac_redux":
            assert (plan.sounds, plan.ensemble, plan.seed) == (
                many[key].sounds,
                many[key].ensemble,
                many[key].seed,
            )


def test_ensembles_name_instruments_and_roles_that_exist() -> None:
    for ensemble in ENSEMBLES:
        assert ensemble.style in STYLES
        for k, part in enumerate(ensemble.parts):
            assert part.instrument in INSTRUMENTS, part
            assert part.role in ROLES, part
            assert (part.doubles is not None) == (part.role == "double"), part
            assert part.doubles is None or part.doubles < k, part


@pytest.mark.parametrize("corpus", ["medleydb", "mixing_secrets"])
def test_labels_mean_the_instrument_that_sounds(corpus: str) -> None:
    ensembles = MEDLEYDB if corpus == "medleydb" else MIXING_SECRETS
    for name in {part.instrument for ensemble in ensembles for part in ensemble.parts}:
        instrument = INSTRUMENTS[name]
        label = instrument.medleydb if corpus == "medleydb" else instrument.secrets
        expected = {instrument.family} if instrument.family else set()
        if (corpus, name) == ("mixing_secrets", "drum machine"):
            expected = set()  # there the label stands for any loop, and is ignored
        assert families_of(corpus, label) == expected, name


def test_slakh_patches_mean_the_instrument_that_sounds() -> None:
    names = {part.instrument for k in range(60) for part in slakh_ensemble(k).parts}
    for name in names:
        instrument = INSTRUMENTS[name]
        assert instrument.slakh is not None, name
        for plugin in instrument.slakh.plugins:
            assert families_of("slakh", plugin) == {instrument.family}, plugin


def test_tags_and_classes_are_those_of_the_real_corpora() -> None:
    for clip in plan_tagged(48, 14.0, 0):
        corpus = {"mtg-jamendo": "mtg_jamendo", "irmas": "irmas", "openmic-2018": "openmic2018"}[clip.corpus]
        assert clip.labels, clip.target
        for label in clip.labels:
            if corpus != "mtg_jamendo" or label.startswith("instrument---"):
                assert load_label_map(corpus).resolve(label) is not None, (corpus, label)


def test_jamendo_tags_are_among_the_top_50(shared: Path) -> None:
    top = set((shared / "datasets" / "mtg_jamendo" / "top50.txt").read_text(encoding="utf-8").split())
    tags = {tag for clip in plan_tagged(48, 14.0, 0) if clip.corpus == "mtg-jamendo" for tag in clip.labels}
    assert tags <= top


def test_slakh_numbers_avoid_known_bad_stems(shared: Path) -> None:
    import json

    bad = json.loads((shared / "datasets/slakh2100/splits/problem_stems.json").read_text(encoding="utf-8"))
    ids = {plan.id for plan in plan_songs(DEFAULT_SONGS, 0)}
    assert not ids & set(bad)


PITCHED = {
    program: min(max(60, each.low), each.high)
    for each in INSTRUMENTS.values()
    if not each.drum_kit and each.family not in ("", "percussion")
    for program in each.programs
}
"""A note in range by General MIDI program; partials of drums and bells are not harmonic."""


def _semitones_off(audio: np.ndarray, pitch: int) -> float:
    """Return how far from the pitch (MIDI number) the harmonics are strongest, within half an octave."""
    sound = audio[4410:44100] * np.hanning(39690)
    size = 1 << 18
    spectrum = np.abs(np.fft.rfft(sound, size))

    def strength(semitones: float) -> float:
        fundamental = 440.0 * 2 ** ((pitch - 69 + semitones) / 12)
        harmonics = [h for h in range(1, 9) if h * fundamental < 8000]
        return sum(spectrum[round(h * fundamental * size / 44100)] / h**0.5 for h in harmonics)

    return float(max(np.arange(-6.0, 6.0, 0.1), key=strength))


class TestRendering:
    """The synthesizer, its levels and its room."""

    @pytest.fixture(autouse=True)
    def _synthesizer(self) -> None:
        pytest.importorskip("midirenderer")
        pytest.importorskip("pretty_midi")

    def render(self, notes: tuple[Note, ...], **changes: object) -> np.ndarray:
        from mixlab.synthesis.synth import Room, Sound, default_soundfont, render_part

        sound = replace(Sound(program=0), **changes)
        return render_part(notes, sound, Room(0.3, 1), 2.0, default_soundfont())

    def test_sounds_where_notes_are_and_is_silent_elsewhere(self) -> None:
        audio = self.render((Note(0.5, 0.4, 60, 100),))
        assert audio.shape == (2, 88200)
        assert audio.dtype == np.float32
        assert not audio[:, : round(0.49 * 44100)].any()
        assert np.abs(audio[:, round(0.5 * 44100) : round(0.9 * 44100)]).max() > 0.05
        # The string has died away half a second after the note, the room 0.3 s later.
        assert not audio[:, round(1.75 * 44100) :].any()

    def test_no_notes_make_silence(self) -> None:
        assert not self.render(()).any()

    def test_louder_notes_are_louder(self) -> None:
        audio = self.render((Note(0.0, 0.3, 60, 120), Note(1.0, 0.3, 60, 40)))
        assert np.abs(audio[:, :22050]).max() > 2 * np.abs(audio[:, 44100:66150]).max()

    @pytest.mark.parametrize("program", sorted(PITCHED))
    def test_programs_sound_at_the_pitch_that_was_asked(self, program: int) -> None:
        audio = self.render((Note(0.0, 1.9, PITCHED[program], 100),), program=program, wet_db=-200.0)[0]
        assert _semitones_off(audio, PITCHED[program]) == pytest.approx(0.0, abs=0.3)

    def test_a_note_struck_again_sounds_again(self) -> None:
        struck = (Note(0.0, 1.9, 60, 100), Note(1.0, 0.5, 60, 100))
        audio = self.render(struck, program=40, wet_db=-200.0)
        first, second = audio[:, 22050:39690], audio[:, 55000:66150]
        assert np.abs(second).max() > 0.5 * np.abs(first).max()
        # The note that was struck first ended there, and does not go on below the second.
        assert np.abs(audio[:, 81000:83000]).max() < 0.2 * np.abs(second).max()

    def test_loud_chords_do_not_clip(self) -> None:
        chord = tuple(Note(0.1, 1.5, pitch, 127) for pitch in range(36, 84))
        audio = self.render(chord, program=61, wet_db=-200.0, level_db=-6.0)[0]
        # What clips stays at one value, sample after sample.
        flat = np.diff(audio) == 0
        assert not (flat & (np.abs(audio[1:]) > 0.5 * np.abs(audio).max())).any()

    def test_a_program_without_a_sound_is_named(self) -> None:
        # A kit has no piece this low.
        with raises(AudioError, code="invalid-soundfont", mentions=("TimGM6mb.sf2", "silent")):
            self.render((Note(0.0, 1.0, 1, 100),), drum_kit=True)

    def test_level_is_what_was_asked(self) -> None:
        notes = tuple(Note(k * 0.25, 0.25, 60, 100) for k in range(8))
        quiet, loud = (self.render(notes, level_db=level, wet_db=-200.0) for level in (-30.0, -18.0))
        power = (loud**2).mean() / (quiet**2).mean()
        assert 10 * np.log10(power) == pytest.approx(12.0, abs=0.1)
        assert 10 * np.log10((quiet**2).mean()) == pytest.approx(-30.0, abs=1.5)

    def test_pan_moves_the_sound(self) -> None:
        left, right = self.render((Note(0.0, 1.0, 60, 100),), pan=-1.0, wet_db=-200.0)
        assert np.abs(left).max() > 0.05
        assert np.abs(right).max() < 1e-6

    def test_a_missing_font_is_named(self, tmp_path: Path) -> None:
        from mixlab.errors import ConfigError
        from mixlab.synthesis import make_demo_corpora

        with raises(ConfigError, code="soundfont-not-found", mentions="none.sf2"):
            make_demo_corpora(tmp_path / "out", soundfonts=[tmp_path / "none.sf2"])

    def test_a_file_that_is_no_font_is_named(self, tmp_path: Path) -> None:
        from mixlab.errors import ConfigError
        from mixlab.synthesis.synth import Room, Sound, render_part

        fake = tmp_path / "fake.sf2"
        fake.write_bytes(b"no font")
        with raises(ConfigError, code="invalid-soundfont", mentions="fake.sf2"):
            render_part((Note(0.0, 1.0, 60, 100),), Sound(0), Room(0.3, 1), 2.0, fake)
