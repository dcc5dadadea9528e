"""Each effect does what its values say, and a chain is sampled first, applied later."""

import json
import shutil
from collections.abc import Callable
from dataclasses import fields
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from mixlab.audio.time_pitch import DEFAULT_ENGINE, ENGINES, get_engine
from mixlab.errors import ConfigError, MissingDependencyError, RecipeError
from mixlab.mixing.effect_plan import apply_effects, total_rate
from mixlab.mixing.effects import (
    EFFECTS,
    Effect,
    Gain,
    HighShelf,
    LowShelf,
    Peak,
    PitchShift,
    Polarity,
    SwapChannels,
    TimeStretch,
    decode_effect,
    describe_effect,
    effect_name,
    encode_effect,
    find_effect,
)
from mixlab.mixing.effects_config import (
    EffectsConfig,
    FilterRange,
    GainRange,
    PitchRange,
    StretchRange,
    sample_effects,
)
from mixlab.utils.random import Stream, open_stream
from tests.errors import raises

RATE = 16000

EXAMPLES: dict[str, Effect] = {
    "gain": Gain(-6.0),
    "low_shelf": LowShelf(300.0, 6.0, 0.7),
    "high_shelf": HighShelf(3000.0, -6.0, 0.7),
    "peak": Peak(1000.0, 9.0, 1.0),
    "pitch_shift": PitchShift(1.5),
    "time_stretch": TimeStretch(1.2),
    "polarity": Polarity(),
    "swap_channels": SwapChannels(),
}

SETTINGS = {name: {"folder": "sounds"} for name in ("convolution", "background")}
"""What an effect needs to be sampled at all."""

OWN = ("tests.own_effects:Tremolo", "tests.own_effects:Hiss", "tests.own_effects:Echo")
ALL = (*EFFECTS, *OWN)


@pytest.fixture(scope="module")
def folder_of_sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of users' sounds."""
    folder = tmp_path_factory.mktemp("sounds")
    decay = np.exp(-np.arange(800) / 100.0)
    for number in range(3):
        sound = (np.random.default_rng(number).standard_normal(800) * decay).astype(np.float32)
        soundfile.write(folder / f"{number}.wav", sound, 8000)
    return folder


@pytest.fixture(autouse=True)
def sounds(folder_of_sounds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Effects find the folder by the environment."""
    monkeypatch.setenv("MIXLAB_SOUNDS", str(folder_of_sounds))


in_process = pytest.mark.parametrize("engine", ["rubberband", "rubberband_fine", "vocoder"])


def tone(frequency_hz: float, duration_s: float = 2.0, amplitude: float = 0.3) -> np.ndarray:
    t = np.arange(round(duration_s * RATE)) / RATE
    return (amplitude * np.sin(2 * np.pi * frequency_hz * t)).astype(np.float32)[None]


def noise(seed: int = 0, duration_s: float = 2.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal((1, round(duration_s * RATE)))).astype(np.float32)


def frequency(audio: np.ndarray) -> float:
    """Frequency of the strongest partial in Hz, by parabolic interpolation on a log spectrum."""
    middle = audio[0, audio.shape[1] // 4 : -audio.shape[1] // 4]
    spectrum = np.log(np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 1 << 18)) + 1e-12)
    k = int(spectrum.argmax())
    a, b, c = spectrum[k - 1 : k + 2]
    return float((k + 0.5 * (a - c) / (a - 2 * b + c)) * RATE / (1 << 18))


def cents(found: float, expected: float) -> float:
    return float(1200 * np.log2(found / expected))


def level_at(audio: np.ndarray, frequency_hz: float) -> float:
    """Amplitude of one partial in the middle of the signal."""
    middle = audio[0, RATE // 2 : RATE // 2 + RATE]
    t = np.arange(len(middle)) / RATE
    return float(2 * abs(np.mean(middle * np.exp(-2j * np.pi * frequency_hz * t))))


def streams(index: int) -> Callable[[str], Stream]:
    return lambda purpose: open_stream(0, 0, index, purpose)


def test_six_decibels_double_the_amplitude() -> None:
    audio = noise()
    np.testing.assert_allclose(Gain(6.0206).apply(audio, RATE), 2 * audio, rtol=1e-4)


@pytest.mark.parametrize("name", EXAMPLES)
@in_process
def test_every_effect_changes_the_audio_and_leaves_its_input_alone(name: str, engine: str) -> None:
    audio = np.concatenate([noise(0), noise(1)])
    before = audio.copy()
    changed = apply_effects(audio, RATE, [EXAMPLES[name]], get_engine(engine))
    np.testing.assert_array_equal(audio, before)
    assert changed.dtype == np.float32
    samples = min(changed.shape[1], audio.shape[1])
    difference = np.abs(changed[:, :samples] - audio[:, :samples]).max()
    assert difference > 0.01


def test_polarity_and_sides_come_back_when_they_are_changed_twice() -> None:
    audio = np.concatenate([noise(0), noise(1)])
    np.testing.assert_array_equal(Polarity().apply(audio, RATE), -audio)
    np.testing.assert_array_equal(SwapChannels().apply(audio, RATE), audio[[1, 0]])
    np.testing.assert_array_equal(SwapChannels().apply(noise(), RATE), noise())
    for effect in (Polarity(), SwapChannels()):
        np.testing.assert_array_equal(effect.apply(effect.apply(audio, RATE), RATE), audio)


@pytest.mark.parametrize("name", EXAMPLES)
def test_effects_keep_two_channels(name: str) -> None:
    audio = np.concatenate([noise(0), noise(1)])
    changed = apply_effects(audio, RATE, [EXAMPLES[name]], get_engine("rubberband"))
    assert changed.shape[0] == 2
    assert changed.shape[1] == pytest.approx(audio.shape[1] / total_rate([EXAMPLES[name]]), abs=2)


@pytest.mark.parametrize(
    ("effect", "boosted_hz", "untouched_hz"),
    [
        (LowShelf(300, 6.0206, 0.7), 40, 4000),
        (HighShelf(2000, 6.0206, 0.7), 7000, 100),
        (Peak(1000, 6.0206, 2), 1000, 60),
    ],
)
def test_filters_boost_where_they_should_and_nowhere_else(
    effect: Effect, boosted_hz: float, untouched_hz: float
) -> None:
    for frequency_hz, factor in ((boosted_hz, 2.0), (untouched_hz, 1.0)):
        audio = tone(frequency_hz)
        changed = apply_effects(audio, RATE, [effect], get_engine("rubberband"))
        assert level_at(changed, frequency_hz) / level_at(audio, frequency_hz) == pytest.approx(
            factor, rel=0.06
        )


@in_process
@pytest.mark.parametrize("semitones", [-12.0, -2.0, 0.37, 2.0, 12.0])
def test_pitch_shift_is_exact_to_five_cents(semitones: float, engine: str) -> None:
    shifted = apply_effects(tone(440.0), RATE, [PitchShift(semitones)], get_engine(engine))
    assert abs(cents(frequency(shifted), 440.0 * 2 ** (semitones / 12))) < 5
    assert shifted.shape[1] == pytest.approx(2 * RATE, abs=3)


@in_process
@pytest.mark.parametrize("rate", [0.5, 0.8, 1.25, 2.0])
def test_a_stretch_keeps_the_pitch_and_divides_the_length(rate: float, engine: str) -> None:
    stretched = apply_effects(tone(110.0, 4.0), RATE, [TimeStretch(rate)], get_engine(engine))
    assert abs(cents(frequency(stretched), 110.0)) < 5
    assert stretched.shape[1] == pytest.approx(4 * RATE / rate, abs=3)


@in_process
def test_pitch_and_time_together_cost_one_pass(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    real = ENGINES[engine].process

    def counted(audio: np.ndarray, rate: int, semitones: float, speed: float) -> np.ndarray:
        calls.append((semitones, speed))
        return real(audio, rate, semitones, speed)

    monkeypatch.setattr(ENGINES[engine], "process", counted)
    chain = [TimeStretch(1.25), Gain(-3.0), PitchShift(2.0), Peak(900.0, 3.0, 1.0)]
    changed = apply_effects(tone(440.0, 4.0), RATE, chain, get_engine(engine))
    assert calls == [(2.0, 1.25)]
    assert abs(cents(frequency(changed), 440.0 * 2 ** (2 / 12))) < 5
    assert changed.shape[1] == pytest.approx(4 * RATE / 1.25, abs=3)


def test_the_order_of_filter_and_pitch_matters_and_is_kept() -> None:
    audio, peak, pitch = tone(500.0), Peak(500.0, 12.0, 5.0), PitchShift(12.0)
    engine = get_engine("rubberband")
    before = apply_effects(audio, RATE, [peak, pitch], engine)  # boosted at 500 Hz, then moved
    after = apply_effects(audio, RATE, [pitch, peak], engine)  # moved to 1 kHz, out of the filter's reach
    assert level_at(before, 1000.0) > 3 * level_at(after, 1000.0)


@pytest.mark.parametrize(
    "others", list(permutations((PitchShift(2.0), Peak(500.0, 6.0, 1.0), TimeStretch(0.9))))
)
def test_a_gain_counts_once_wherever_it_stands(others: tuple[Effect, ...]) -> None:
    engine = get_engine(DEFAULT_ENGINE)
    plain = apply_effects(tone(500.0), RATE, others, engine)
    for place in range(len(others) + 1):
        chain = (*others[:place], Gain(20 * np.log10(2)), *others[place:])
        np.testing.assert_allclose(apply_effects(tone(500.0), RATE, chain, engine), 2 * plain, atol=1e-5)


@pytest.mark.skipif(shutil.which("rubberband") is None, reason="the program 'rubberband' is not installed")
def test_the_reference_engine_agrees_on_pitch_and_length() -> None:
    pytest.importorskip("pyrubberband")
    chain = [PitchShift(2.0), TimeStretch(0.8)]
    changed = apply_effects(tone(440.0), RATE, chain, get_engine("pyrubberband"))
    assert abs(cents(frequency(changed), 440.0 * 2 ** (2 / 12))) < 5
    assert changed.shape[1] == pytest.approx(2 * RATE / 0.8, abs=RATE * 0.01)


def test_a_missing_reference_program_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyrubberband")
    monkeypatch.setenv("PATH", "")
    with raises(MissingDependencyError, code="missing-dependency", mentions="rubberband-cli"):
        apply_effects(tone(440.0), RATE, [PitchShift(1.0)], get_engine("pyrubberband"))


def test_an_unknown_engine_lists_the_known_ones() -> None:
    with raises(ConfigError, code="unknown-engine", mentions=("sox", "rubberband")):
        get_engine("sox")


@given(st.integers(0, 10**9))
def test_musical_sources_keep_key_and_tempo(index: int) -> None:
    config = EffectsConfig(GainRange(p=1.0), FilterRange(p=1.0), PitchRange(p=1.0), StretchRange(p=1.0))
    names = {
        effect_name(type(effect)) for effect in sample_effects(config, streams(index), pitch_and_time=False)
    }
    assert len(names) == 2
    assert not names & {"pitch_shift", "time_stretch"}
    assert len(sample_effects(config, streams(index), pitch_and_time=True)) == 4


@given(st.integers(0, 10**9))
def test_switching_one_effect_off_leaves_the_others_as_they_were(index: int) -> None:
    everything = sample_effects(EffectsConfig(), streams(index), pitch_and_time=True)
    without = sample_effects(EffectsConfig(gain=GainRange(p=0.0)), streams(index), pitch_and_time=True)
    assert without == tuple(effect for effect in everything if not isinstance(effect, Gain))


def test_orders_and_probabilities_are_those_asked_for() -> None:
    config = EffectsConfig()
    chains = [sample_effects(config, streams(i), pitch_and_time=True) for i in range(3000)]
    for kind in (Gain, PitchShift, TimeStretch):
        share = np.mean([any(isinstance(effect, kind) for effect in chain) for chain in chains])
        assert share == pytest.approx(0.5, abs=0.04)
    both = [
        chain
        for chain in chains
        if {"gain", "pitch_shift"} <= {effect_name(type(effect)) for effect in chain}
    ]
    gain_first = np.mean(
        [
            [effect_name(type(e)) for e in chain].index("gain")
            < [effect_name(type(e)) for e in chain].index("pitch_shift")
            for chain in both
        ]
    )
    assert gain_first == pytest.approx(0.5, abs=0.08)


@given(st.integers(0, 10**9))
def test_sampled_values_lie_in_their_ranges(index: int) -> None:
    for effect in sample_effects(EffectsConfig(), streams(index), pitch_and_time=True):
        if isinstance(effect, Gain):
            assert -9.0 <= effect.gain_db <= 6.0
        elif isinstance(effect, PitchShift):
            assert -2.0 <= effect.semitones <= 2.0
        elif isinstance(effect, TimeStretch):
            assert 0.8 <= effect.rate <= 1.25 + 1e-9
        else:
            assert -12.0 <= effect.gain_db <= 12.0
            assert 60.0 <= effect.frequency_hz <= 6000.0 + 1e-6


@pytest.mark.parametrize(
    ("make", "mentions"),
    [
        (lambda: GainRange(p=1.5), ("effects.gain.p", "0", "1", "1.5")),
        (lambda: PitchRange(semitones=(3.0, -3.0)), "effects.pitch_shift.semitones"),
        (lambda: StretchRange(rate=(0.0, 1.0)), ("effects.time_stretch.rate", "0.25", "4")),
        (lambda: FilterRange(kinds=("notch",)), ("effects.filter.kinds", "low_shelf")),
    ],
)
def test_bad_ranges_are_refused(make: Callable[[], object], mentions: object) -> None:
    with raises(ConfigError, code="invalid-setting", mentions=mentions):
        make()


@pytest.mark.parametrize(
    ("data", "code", "mentions"),
    [
        ({"effect": "echo"}, "plugin-not-found", "echo"),
        ({"effect": "gain"}, "invalid-recipe", ("gain", "gain_db", "[]")),
        ({"effect": "gain", "gain_db": "loud"}, "invalid-recipe", ("loud", "gain.gain_db")),
        ({"effect": "gain", "gain_db": float("nan")}, "invalid-recipe", "gain.gain_db"),
        (
            {"effect": "time_stretch", "rate": 0.0},
            "invalid-recipe",
            ("time_stretch.rate", "0.25", "4", "0.0"),
        ),
        (
            {"effect": "pitch_shift", "semitones": 99},
            "invalid-recipe",
            ("pitch_shift.semitones", "-24", "24", "99"),
        ),
    ],
)
def test_bad_effects_in_a_recipe_are_refused(data: dict[str, object], code: str, mentions: object) -> None:
    with raises(RecipeError, code=code, mentions=mentions):
        decode_effect(data)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("gain", "gain_db", -7000.0),
        ("peak", "q", 0.0),
        ("peak", "q", -1.0),
        ("low_shelf", "frequency_hz", -5.0),
    ],
)
def test_values_that_make_no_filter_are_refused(name: str, key: str, value: float) -> None:
    data = {**encode_effect(EXAMPLES[name]), key: value}
    with raises(RecipeError, code="invalid-recipe", mentions=f"{name}.{key}"):
        decode_effect(data)


# --- What holds for every effect, built in or a user's own -------------------------------------------------


def sampled(name: str, number: int = 0) -> Effect:
    return find_effect(name).sample(open_stream(7, 0, number, name), **SETTINGS.get(name, {}))


@pytest.mark.parametrize("name", ALL)
def test_the_same_random_numbers_give_the_same_effect(name: str) -> None:
    """All chance is in the stream: other streams, and NumPy's, are of no matter."""
    first = sampled(name)
    np.random.default_rng().random()
    assert sampled(name) == first
    assert type(first) is find_effect(name)
    if fields(first):  # type: ignore[arg-type]
        assert any(sampled(name, number) != first for number in range(1, 20)) or name.endswith("Echo")


@pytest.mark.parametrize("name", ALL)
def test_values_come_back_from_recipes(name: str) -> None:
    effect = sampled(name)
    data = json.loads(json.dumps(encode_effect(effect)))
    assert data["effect"] == name == effect_name(type(effect))
    for stage in effect.stages():
        assert decode_effect(data, stage) == effect


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("channels", [1, 2])
def test_the_same_values_give_the_same_finite_audio_of_the_same_shape(name: str, channels: int) -> None:
    audio = np.concatenate([noise(n) for n in range(channels)])
    before, effect = audio.copy(), sampled(name)
    changed = effect.apply(audio, RATE)
    np.testing.assert_array_equal(audio, before)
    np.testing.assert_array_equal(effect.apply(audio, RATE), changed)
    assert changed.dtype == np.float32
    assert np.isfinite(changed).all()
    assert changed.shape[0] == channels
    assert changed.shape[1] == pytest.approx(audio.shape[1] / total_rate([effect]), abs=2)
    assert isinstance(effect, TimeStretch) or changed.shape == audio.shape
    samples = min(changed.shape[1], audio.shape[1])
    assert channels == 1 or np.abs(changed[:, :samples] - audio[:, :samples]).max() > 1e-4


@pytest.mark.parametrize("name", ALL)
def test_the_plan_does_what_apply_does(name: str) -> None:
    audio, effect = noise(), sampled(name)
    planned = apply_effects(audio, RATE, [effect], get_engine(DEFAULT_ENGINE))
    np.testing.assert_allclose(planned, effect.apply(audio, RATE), atol=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_every_effect_is_explained(name: str) -> None:
    kind = find_effect(name)
    assert (kind.__doc__ or "").strip()
    title, values = describe_effect(sampled(name))
    assert title
    assert "_" not in title + "".join(value + unit for value, unit, _ in values)


def test_values_are_described_by_their_fields_or_their_names() -> None:
    assert describe_effect(TimeStretch(1.25)) == ("time stretch", [("tempo", "times as fast", 1.25)])
    tremolo = find_effect("tests.own_effects:Tremolo")(4.0, 0.5)  # type: ignore[call-arg]
    assert describe_effect(tremolo) == ("Tremolo", [("rate", "Hz", 4.0), ("depth", "", 0.5)])
