"""Tone: dull stems get treble within limits, mixes come nearer to records, one filter for all stems."""

import numpy as np

from mixlab.audio.filters import cascade
from mixlab.synthesis.events import Note
from mixlab.synthesis.notes import tone
from mixlab.synthesis.players import SAMPLE_RATE
from mixlab.synthesis.synthesizers import PatchPlayer
from mixlab.synthesis.synthesizers.keyboards import sample_drawbar_organ, sample_electric_piano

RNG = np.random.default_rng(4)


def noise(slope_db: float, seconds: float = 2.0) -> np.ndarray:
    """Noise whose power falls by so many dB an octave."""
    size = round(seconds * SAMPLE_RATE)
    spectrum = np.fft.rfft(RNG.standard_normal(size))
    hz = np.maximum(np.fft.rfftfreq(size, 1 / SAMPLE_RATE), 30.0)
    shaped = np.fft.irfft(spectrum * 10 ** (-slope_db * np.log2(hz / 30.0) / 20), size)
    return (0.1 * shaped / shaped.std()).astype(np.float32)


def test_dull_stems_get_treble_bright_ones_lose_some_and_all_within_limits() -> None:
    gains = [tone.presence_db(noise(slope), "plucked-string", "strum", False) for slope in (12, 6, 3, -3)]
    assert gains == sorted(gains, reverse=True)
    assert gains[0] == 10.0
    assert gains[-1] == -4.0
    dull = noise(5.0)
    brighter = cascade(dull[None], [tone.shelf(tone.presence_db(dull, "voice", "lead", False))])[0]
    left = tone.presence_db(brighter, "voice", "lead", False)
    assert abs(left) < 0.5 * abs(tone.presence_db(dull, "voice", "lead", False))


def test_basses_and_halls_are_darker() -> None:
    sound = noise(5.0)
    bass = tone.presence_db(sound, "plucked-string", "bass", False)
    hall = tone.presence_db(sound, "plucked-string", "strum", True)
    assert bass < hall < tone.presence_db(sound, "plucked-string", "strum", False)


def test_a_mix_comes_nearer_to_the_balance_of_records_and_parts_still_sum() -> None:
    for slope in (6.0, 1.0):
        parts = [noise(slope), 0.3 * noise(slope + 1.0)]
        sections = tone.balance_sections(parts)
        filtered = [cascade(part[None], sections)[0] for part in parts]
        before, after = (
            np.abs(tone.band_levels(each) - np.array(tone._RECORDS_DB)).max() for each in (parts, filtered)
        )
        assert after < before - 1.0
        whole = cascade((parts[0] + parts[1])[None], sections)[0]
        assert np.allclose(filtered[0] + filtered[1], whole, atol=1e-5)


def test_a_band_that_nobody_plays_in_is_left() -> None:
    time_s = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    low = (0.3 * np.sin(2 * np.pi * 60.0 * time_s)).astype(np.float32)
    kept = cascade(low[None], tone.balance_sections([low]))[0]
    spectrum = np.abs(np.fft.rfft(kept[SAMPLE_RATE // 4 :]))
    assert spectrum[int(0.75 * 3000) :].max() < 1e-3 * spectrum.max()


def test_electric_pianos_die_away_and_organs_hold() -> None:
    for sample, falls in ((sample_electric_piano, True), (sample_drawbar_organ, False)):
        for seed in range(3):
            patch, rack = sample(np.random.default_rng(seed))
            player = PatchPlayer(patch, rack)
            audio = player.play([Note(0.0, 3.0, 60, 90)], 3.5, np.random.default_rng(1))
            early, late = (audio[round(t * SAMPLE_RATE) :][: SAMPLE_RATE // 2].std() for t in (0.5, 2.4))
            assert bool(late < 0.75 * early) is falls
            spectrum = np.abs(np.fft.rfft(audio[: 2 * SAMPLE_RATE]))
            hz = 0.5 * np.flatnonzero(spectrum > 0.3 * spectrum.max())
            offset = np.abs(hz / 130.8 - np.round(hz / 130.8)) * 130.8
            assert np.all(offset < 12.0), hz  # harmonics of the octave below middle C, which sways
