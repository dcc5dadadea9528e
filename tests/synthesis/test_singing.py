"""The singing stand-in: what holds of every voice, of its source, its vowels and its words."""

import numpy as np
import pytest
from numpy.typing import NDArray

from mixlab.synthesis.events import Note
from mixlab.synthesis.modelled import player_for
from mixlab.synthesis.players import SAMPLE_RATE
from mixlab.synthesis.singing import Choir, Singer, Voice
from mixlab.synthesis.singing.glottis import SHAPES, highest_pitches, pulse, pulse_tables
from mixlab.synthesis.singing.lyrics import lines_of, write_lyrics
from mixlab.synthesis.singing.phonemes import CONSONANTS, RATE, VOWELS, vowel_formants
from mixlab.synthesis.singing.tracks import Tracks, make_tracks

MELODY = [Note(0.3 + 0.4 * k, 0.38, 57 + (0, 3, 5, 7)[k % 4], 90) for k in range(6)]
CHORD = [Note(0.2, 1.0, pitch, 80) for pitch in (50, 57, 62)]
PARTS = {"female singer": MELODY, "male singer": MELODY, "vocalists": CHORD, "choir": CHORD}


def spectrum_db(audio: NDArray[np.floating], rate: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return frequencies and levels against the highest, with sidelobes below -90 dB."""
    window = np.blackman(len(audio))
    levels = np.abs(np.fft.rfft(audio * window)) + 1e-12
    return np.fft.rfftfreq(len(audio), 1 / rate), 20 * np.log10(levels / levels.max())


def pitch_cents(audio: NDArray[np.floating], near_hz: float) -> float:
    """Return by how many cents the fundamental lies above ``near_hz``: its phase over the whole sound."""
    time = np.arange(len(audio)) / SAMPLE_RATE
    beat = audio * np.exp(-2j * np.pi * near_hz * time)
    width = SAMPLE_RATE // 20
    slow = np.convolve(beat, np.hanning(width), "valid")[::100]
    turned = np.unwrap(np.angle(slow))
    hz = (turned[-1] - turned[0]) / (2 * np.pi) / (100 * (len(turned) - 1) / SAMPLE_RATE)
    return float(1200 * np.log2(1 + hz / near_hz))


@pytest.mark.parametrize("instrument", sorted(PARTS))
@pytest.mark.parametrize("seconds", [1.0001, 2.5])
def test_a_part_has_its_length_and_never_clips(instrument: str, seconds: float) -> None:
    player = player_for(instrument, np.random.default_rng(1))
    assert player is not None
    audio = player.play(PARTS[instrument], seconds, np.random.default_rng(2))
    assert audio.shape == (round(seconds * SAMPLE_RATE),)
    assert audio.dtype == np.float32
    assert np.isfinite(audio).all()
    assert 0.2 < np.abs(audio).max() < 1.0


def test_the_same_seed_gives_the_same_samples_and_another_seed_another_voice() -> None:
    def sung(voice: int, performance: int) -> NDArray[np.float32]:
        player = player_for("female singer", np.random.default_rng(voice))
        assert player is not None
        return player.play(MELODY[:3], 1.5, np.random.default_rng(performance))

    assert sung(1, 2).tobytes() == sung(1, 2).tobytes()
    assert sung(1, 2).tobytes() != sung(1, 3).tobytes()
    assert sung(1, 2).tobytes() != sung(2, 2).tobytes()


def test_without_notes_and_long_after_them_it_is_silent() -> None:
    singer = Singer(Voice(size=1.0))
    assert not singer.play([], 1.0, np.random.default_rng(0)).any()
    assert not singer.play([Note(3.0, 1.0, 60, 90)], 1.0, np.random.default_rng(0)).any()
    audio = singer.play([Note(1.5, 0.5, 60, 90)], 4.0, np.random.default_rng(0))
    assert not audio[: round(0.6 * SAMPLE_RATE)].any()
    assert not audio[round(2.6 * SAMPLE_RATE) :].any()
    assert np.abs(audio[round(1.5 * SAMPLE_RATE) : 2 * SAMPLE_RATE]).max() > 0.3


@pytest.mark.parametrize(("size", "pitch"), [(0.0, 48), (0.0, 60), (1.0, 65), (1.0, 76)])
def test_a_held_note_has_the_written_pitch(size: float, pitch: int) -> None:
    audio = Singer(Voice(size=size, breath=0.005)).play(
        [Note(0.5, 3.0, pitch, 95)], 4.0, np.random.default_rng(5)
    )
    held = audio[round(0.9 * SAMPLE_RATE) : round(3.2 * SAMPLE_RATE)]
    assert abs(pitch_cents(held, 440 * 2 ** ((pitch - 69) / 12))) < 10


def test_vibrato_begins_late_and_has_its_rate_and_depth() -> None:
    voice = Voice(size=1.0, vibrato_hz=5.5, vibrato_cents=60, vibrato_delay_s=0.5, drift_cents=0.5, scoop=0.0)
    pitch = 12 * np.log2(tracks_of([Note(0.5, 4.0, 69, 90)], voice, 5.0).values[0] / 440)
    frame_s = 5.0 / len(pitch)
    early = pitch[round(0.6 / frame_s) : round(0.8 / frame_s)]
    late = pitch[round(2.0 / frame_s) : round(4.0 / frame_s)]
    assert np.ptp(early) < 0.1
    assert 0.35 < np.abs(late - late.mean()).max() < 0.9
    spectrum = np.abs(np.fft.rfft((late - late.mean()) * np.hanning(len(late)), 1 << 16))
    assert np.fft.rfftfreq(1 << 16, frame_s)[spectrum.argmax()] == pytest.approx(5.5, abs=0.8)


def tracks_of(notes: list[Note], voice: Voice, seconds: float) -> Tracks:
    """Return the tracks of a line."""
    rng = np.random.default_rng(3)
    frames = round(seconds * RATE / 32)
    return make_tracks(write_lyrics(notes, rng), voice, frames, 32 / RATE, rng)


def sound(
    tracks: dict[int, float], formants: NDArray[np.float64], seconds: float = 2.0
) -> NDArray[np.float64]:
    """Return the kernel's sound with constant tracks, at ``RATE``."""
    from mixlab.synthesis._kernels.voice import HOP, sing

    frames = round(seconds * RATE) // HOP + 1
    values = np.zeros((8, frames))
    values[7] = 270.0
    values[4:6] = (5000.0,)
    for row, value in tracks.items():
        values[row] = value
    full = np.tile(np.concatenate([[270.0], formants]), (frames, 1))
    widths = np.tile(np.concatenate([[100.0], np.full(len(formants), 60.0)]), (frames, 1))
    out = np.zeros((frames - 1) * HOP)
    wobble = np.zeros((2, 4))
    sing(float(RATE), values, full, widths, pulse_tables(RATE), highest_pitches(), wobble, 0.0, 0.0,
         np.uint64(7), out)  # fmt: skip
    return out


@pytest.mark.parametrize("vowel", sorted(VOWELS))
@pytest.mark.parametrize("size", [0, 1, 2])
def test_a_whispered_vowel_has_the_formants_of_the_table(vowel: str, size: int) -> None:
    formants = vowel_formants(vowel, size)
    assert tuple(formants[:3]) == VOWELS[vowel][size]
    audio = sound({2: 0.1}, formants, 4.0)
    blocks = audio[4096 : len(audio) // 2048 * 2048].reshape(-1, 2048) * np.hanning(2048)
    power = (np.abs(np.fft.rfft(blocks, axis=1)) ** 2).mean(axis=0)
    hz = np.fft.rfftfreq(2048, 1 / RATE)
    for formant in formants[:3]:
        near = (hz > formant - 200) & (hz < formant + 200)
        away = np.abs(hz - formant) < 60
        assert power[near & away].max() > 2.0 * np.median(power[near])


@pytest.mark.parametrize("pitch_hz", [110.0, 440.0, 1046.5])
def test_a_pulse_has_nothing_between_its_partials(pitch_hz: float) -> None:
    audio = sound({0: pitch_hz, 1: 1.0, 6: 1.5}, vowel_formants("a", 1.0))[RATE // 2 :]
    hz, levels = spectrum_db(audio, RATE)
    between = np.abs(hz / pitch_hz - np.round(hz / pitch_hz)) * pitch_hz > 0.35 * pitch_hz
    assert levels[between].max() < -60


def test_glottal_pulses_return_to_where_they_began_and_press_makes_them_bright() -> None:
    bright = []
    for rd in SHAPES:
        one = pulse(rd)
        assert abs(one.mean()) < 1e-6
        assert one.min() == pytest.approx(-1.0, abs=0.02)
        spectrum = np.abs(np.fft.rfft(one))
        bright.append((spectrum[8:40] ** 2).sum() / (spectrum**2).sum())
    assert bright == sorted(bright, reverse=True)


def test_who_sings_above_the_first_formant_opens_the_mouth() -> None:
    tracks = tracks_of([Note(0.2, 1.5, 84, 90)], Voice(size=1.0), 2.0)
    held = slice(round(0.5 * RATE / 32), round(1.2 * RATE / 32))
    assert (tracks.formants[held, 1] > tracks.values[0, held]).all()


def test_an_s_hisses_before_the_vowel() -> None:
    voice = Voice(size=1.0, breath=0.002)
    line = write_lyrics([Note(0.5, 1.0, 60, 90)], np.random.default_rng(0))
    rng = np.random.default_rng(0)
    word = [line[0]._replace(onset="s", vowel="a", glide="a", coda="")]
    tracks = make_tracks(word, voice, round(2 * RATE / 32), 32 / RATE, rng)
    at = {s: round(s * RATE / 32) for s in (0.43, 0.45, 0.47, 0.6, 0.8, 1.2)}
    assert tracks.values[3, at[0.43] : at[0.47]].min() > 10 * tracks.values[1, at[0.45]]
    assert not tracks.values[3, at[0.6] : at[1.2]].any()
    assert tracks.values[1, at[0.8]] > 0.3


def test_every_note_gets_a_syllable_within_its_time() -> None:
    rng = np.random.default_rng(4)
    notes = [Note(0.25 * k, 0.25 if k % 7 else 0.12, 60 + k % 5, 90) for k in range(60)]
    words = write_lyrics(notes, rng)
    assert [word.pitch for word in words] == [note.pitch for note in notes]
    for word, note in zip(words, notes, strict=True):
        assert word.start_s == note.start_s
        assert word.start_s < word.end_s <= note.start_s + note.duration_s + 1e-9
        assert word.vowel in VOWELS
        assert {word.onset, word.coda} - {""} <= set(CONSONANTS)
    assert sum(word.first for word in words) > 1
    assert len({(word.onset, word.vowel) for word in words}) > 10


def test_chords_become_lines_of_one_note_at_a_time() -> None:
    chords = [Note(float(k), 0.9, pitch + k, 80) for k in range(4) for pitch in (50, 57, 62)]
    lines = lines_of(chords)
    assert [[note.pitch for note in line] for line in lines] == [
        [pitch + k for k in range(4)] for pitch in (62, 57, 50)
    ]


def test_a_choir_sings_every_note_of_a_chord() -> None:
    choir = Choir(Voice(size=1.0, vibrato_cents=5), Voice(size=0.0, vibrato_cents=5), singers=2)
    audio = choir.play([note._replace(duration_s=2.0) for note in CHORD], 2.5, np.random.default_rng(1))
    hz, levels = spectrum_db(audio[round(0.5 * SAMPLE_RATE) : round(2 * SAMPLE_RATE)], SAMPLE_RATE)
    for note in CHORD:
        fundamental = 440 * 2 ** ((note.pitch - 69) / 12)
        near = np.abs(hz / fundamental - 1) < 0.02
        assert levels[near].max() > levels[(hz > 20) & (hz < 60)].max() + 20
