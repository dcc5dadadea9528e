"""Effects of one's own: found by name, sampled beside the others, stored, replayed, and looked at."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pytest

from mixlab import Catalog, MixConfig, MixDataset, MixLoader, MixRecipe, render_mix, sample_recipe
from mixlab.audio.io import FloatArray
from mixlab.errors import AudioError, ConfigError, RecipeError
from mixlab.mixing.custom_effects import apply_checked
from mixlab.mixing.effect_plan import apply_effects, plan_effects
from mixlab.mixing.effects import Effect, Gain, LowShelf, PitchShift
from mixlab.mixing.effects.dynamics import Compressor
from mixlab.mixing.effects_config import EffectsConfig
from mixlab.mixing.hop_levels import Changes
from mixlab.mixing.sampler import RecipeSampler
from tests import own_effects
from tests.errors import raises
from tests.own_effects import HISS, TREMOLO, Echo, Gate, Hiss, Tremolo
from tests.toy import BrokenReader

NONE = EffectsConfig.none()
RATE = 16000


def config_with(*custom: object, **settings: Any) -> MixConfig:
    """Every effect of one's own, none of the four."""
    entries = [{"effect": c, "p": 1.0} if isinstance(c, str) else c for c in custom]
    return MixConfig(effects=replace(NONE, custom=entries), duration_s=2.0, **settings)


def sounding(catalog: Catalog, **settings: Any) -> MixRecipe:
    """A mix of one source, on its own all the time."""
    config = MixConfig(effects=NONE, p_single_source=1.0, p_musical=0.0, duration_s=2.0, **settings)
    for index in range(50):
        recipe = sample_recipe(catalog, config, 0, 0, index)
        if render_mix(recipe, catalog).sources[0].active.all():
            return recipe
    raise AssertionError("no source of the toy catalog sounds all the time")


def with_effects(recipe: MixRecipe, *effects: Effect) -> MixRecipe:
    return replace(recipe, sources=tuple(replace(s, effects=effects) for s in recipe.sources))


# --- Configuration ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        TREMOLO,
        [TREMOLO],
        Tremolo,
        [Tremolo],
        ({"effect": Tremolo},),
        {"effect": TREMOLO, "p": 0.5},
    ],
)
def test_an_effect_is_named_by_its_module_or_given_as_a_class(given: Any) -> None:
    config = EffectsConfig(custom=given)
    assert config.custom == [{"effect": TREMOLO, "p": 0.5}]
    assert config.custom_effects[0].kind is Tremolo


def test_settings_are_plain_data_whatever_they_came_as() -> None:
    given = EffectsConfig(custom=[{"effect": Tremolo, "p": 1, "rate_hz": (2, 3)}])
    assert given == EffectsConfig(custom=[{"rate_hz": [2, 3], "p": 1.0, "effect": TREMOLO}])
    assert MixConfig(effects=json.loads(json.dumps(asdict(given)))).effects == given
    effect = given.custom_effects[0].sample(own_effects.Stream(1))
    assert isinstance(effect, Tremolo)
    assert 2.0 <= effect.rate_hz <= 3.0


def test_hashes_change_with_effects_of_ones_own_only() -> None:
    assert MixConfig(effects={"custom": []}).content_hash == MixConfig().content_hash
    hashes = [
        config_with(*entries).content_hash
        for entries in ((), (TREMOLO,), (HISS,), (TREMOLO, HISS), ({"effect": TREMOLO, "depth": [0, 0.1]},))
    ]
    assert len(set(hashes)) == len(hashes)


def test_reading_a_configuration_needs_no_plug_in_but_sampling_does(toy: Catalog) -> None:
    config = config_with("an_effect_that_is_not_here:Tremolo")
    assert config.for_evaluation().effects.custom == []
    with raises(ConfigError, code="plugin-not-found", mentions="an_effect_that_is_not_here"):
        RecipeSampler(toy, config)


@pytest.mark.parametrize(
    ("entry", "mentions"),
    [
        (3, ("mix.effects.custom[0].effect", "package.module:Class", 3)),
        ({"p": 0.5}, ("mix.effects.custom[0].effect", None)),
        ({"effect": TREMOLO, "p": 2}, ("mix.effects.custom[0].p", 2)),
        ({"effect": TREMOLO, "p": True}, ("mix.effects.custom[0].p", True)),
        ({"effect": TREMOLO, "depth": float("nan")}, ("mix.effects.custom[0]", "depth", "nan")),
        ({"effect": TREMOLO, "depth": object}, ("mix.effects.custom[0]", "depth")),
    ],
)
def test_entries_that_cannot_be_are_refused_by_place(entry: object, mentions: tuple[object, ...]) -> None:
    with raises(ConfigError, code="invalid-setting", mentions=mentions):
        EffectsConfig(custom=[entry])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("entry", "code", "mentions"),
    [
        ({"effect": TREMOLO, "rate": [2, 8]}, "invalid-setting", ("rate", "rate_hz=(2.0, 8.0)")),
        ("pitch_shift", "conflicting-settings", "mix.effects.pitch_shift"),
        ("tests.own_effects:NoEffect", "unfit-plugin", "mixlab.mixing.Effect"),
        ("tests.own_effects:TREMOLO", "unfit-plugin", "mixlab.mixing.Effect"),
        ("tests.own_effects:Thawed", "unfit-plugin", "@dataclass(frozen=True)"),
        ("tests.own_effects:WrongStage", "unfit-plugin", ("source", "mixture", "bus")),
        ("tests.own_effects:NamedEffect", "unfit-plugin", "'effect'"),
        (
            "tests.own_effects:BigValues",
            "invalid-setting",
            ("tests.own_effects:BigValues.response", "ndarray"),
        ),
        ("tests.own_effects:NaNValue", "invalid-setting", ("tests.own_effects:NaNValue.depth", "nan")),
        ("tests.own_effects:AnotherEffect", "invalid-setting", ("AnotherEffect.sample", "Faulty()")),
        ("tests.own_effects:OwnChance", "unfit-plugin", "rng"),
        ("tests.own_effects:Random", "unfit-plugin", "seed"),
        ("tests.own_effects:InPlace", "unfit-plugin", "new array"),
        ("tests.own_effects:Shorter", "unfit-plugin", ("(2, 16000)", "(2, 15999)")),
        ("tests.own_effects:Mono", "unfit-plugin", ("(2, 16000)", "(16000,)")),
        ("tests.own_effects:Double", "unfit-plugin", ("float32", "float64")),
        ("tests.own_effects:Nothing", "unfit-plugin", "NoneType"),
        ("tests.own_effects:NotFinite", "unfit-plugin", ('{"effect": "tests.own_effects:NotFinite"}', "NaN")),
        ("tests.own_effects:Silent", "unfit-plugin", "silence"),
        ("tests.own_effects:Applyless", "unfit-plugin", "'apply'"),
        ("tests.own_effects:Sampleless", "unfit-plugin", "'sample'"),
        ("tests.own_effects:Unclassed", "unfit-plugin", ("'sample'", "@classmethod")),
        ("tests.own_effects:Raising", "plugin-failed", ("own_effects.py", "IndexError")),
        ("tests.own_effects:Unreadable", "plugin-failed", ("own_effects.py", "impulse.wav")),
        ("tests.own_effects:Rateless", "plugin-failed", ("TypeError", "apply()")),
        (
            {"effect": TREMOLO, "depth": "loud"},
            "plugin-failed",
            ('{"depth": "loud"}', "own_effects.py", "TypeError"),
        ),
        (
            {"effect": TREMOLO, "depth": 0.5},
            "plugin-failed",
            ('{"depth": 0.5}', "own_effects.py", "TypeError"),
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:.*encountered in log:RuntimeWarning")
def test_effects_that_would_make_wrong_mixes_are_refused_before_any_is_made(
    toy: Catalog, entry: Any, code: str, mentions: object
) -> None:
    name = entry if isinstance(entry, str) else entry["effect"]
    with raises(ConfigError, code=code, mentions=mentions) as refused:
        RecipeSampler(toy, config_with(entry))
    assert name.partition(":")[2] in str(refused.value)


# --- Sampling --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p_musical", [0.0, 1.0])
def test_adding_an_effect_moves_nothing_else(toy: Catalog, p_musical: float) -> None:
    """Which stems are sampled, where, at what level, and all values of the other effects stay."""
    plain = RecipeSampler(toy, MixConfig(p_musical=p_musical))
    some = RecipeSampler(toy, MixConfig(p_musical=p_musical, effects={"custom": [HISS, TREMOLO, Gate]}))
    more = [Echo, HISS, TREMOLO, TREMOLO, Gate]
    many = RecipeSampler(toy, MixConfig(p_musical=p_musical, effects={"custom": more}))
    for index in range(40):
        before, with_some, with_many = (s.sample(0, 1, index) for s in (plain, some, many))
        kept = [
            replace(s, effects=tuple(e for e in s.effects if not isinstance(e, Tremolo | Gate | Echo)))
            for s in with_many.sources
        ]
        assert replace(with_many, sources=tuple(kept), effects=()) == before
        assert with_some.effects == with_many.effects
        first = [[e for e in s.effects if isinstance(e, Tremolo)][:1] for s in with_some.sources]
        every = [[e for e in s.effects if isinstance(e, Tremolo)] for s in with_many.sources]
        assert all(a == b[: len(a)] for a, b in zip(first, every, strict=True))


def test_probabilities_are_those_asked_for_and_entries_independent(toy: Catalog) -> None:
    entries = [{"effect": TREMOLO, "p": 0.3}, {"effect": TREMOLO, "p": 0.6}, {"effect": HISS, "p": 0.5}]
    sampler = RecipeSampler(toy, MixConfig(effects=replace(NONE, custom=entries)))
    recipes = [sampler.sample(0, 0, index) for index in range(1500)]
    counts = [len(source.effects) for recipe in recipes for source in recipe.sources]
    assert np.mean(counts) == pytest.approx(0.9, abs=0.05)
    assert np.mean([n == 2 for n in counts]) == pytest.approx(0.18, abs=0.03)
    assert np.mean([bool(recipe.effects) for recipe in recipes]) == pytest.approx(0.5, abs=0.04)


def test_sources_of_musical_mixes_keep_pitch_and_time(toy: Catalog) -> None:
    config = config_with("tests.own_effects:Reverse", TREMOLO)
    musical, other = (RecipeSampler(toy, replace(config, p_musical=p)).sample(0, 0, 3) for p in (1.0, 0.0))
    assert all([type(e).__name__ for e in s.effects] == ["Tremolo"] for s in musical.sources)
    assert all([type(e).__name__ for e in s.effects] == ["Reverse", "Tremolo"] for s in other.sources)


def test_validation_and_test_have_no_effects(toy: Catalog) -> None:
    dataset = MixDataset(toy, config_with(TREMOLO, HISS), split="validation", epoch_size=4)
    recipes = [dataset.recipe(index) for index in range(4)]
    assert not any(recipe.effects or any(s.effects for s in recipe.sources) for recipe in recipes)


# --- Recipes ---------------------------------------------------------------------------------------------


def test_recipes_hold_name_and_values_and_replay(toy: Catalog) -> None:
    recipe = sample_recipe(toy, config_with(TREMOLO, HISS), 3, 1, 2)
    data = json.loads(recipe.to_json())
    assert data["effects"][0].keys() == {"effect", "level_db", "seed", "colours"}
    assert data["sources"][0]["effects"][0].keys() == {"effect", "rate_hz", "depth"}
    assert data["sources"][0]["effects"][0]["effect"] == TREMOLO
    again = MixRecipe.from_json(recipe.to_json())
    assert again == recipe
    assert again.content_hash == recipe.content_hash
    first, second = render_mix(recipe, toy), render_mix(again, toy)
    np.testing.assert_array_equal(first.mixture, second.mixture)


def test_recipes_without_mixture_effects_do_not_speak_of_them(toy: Catalog) -> None:
    assert "effects" not in sample_recipe(toy, config_with(TREMOLO), 0, 0, 0).encode()


@pytest.mark.parametrize(
    ("effect", "code", "mentions"),
    [
        ({"effect": "nowhere_at_all:Tremolo"}, "plugin-not-found", "nowhere_at_all"),
        ({"effect": TREMOLO}, "invalid-recipe", ("depth", "rate_hz", "[]")),
        ({"effect": TREMOLO, "depth": "x", "rate_hz": 3}, "invalid-recipe", (f"{TREMOLO}.depth", "'x'")),
        (
            {"effect": HISS, "level_db": -60, "seed": 1, "colours": []},
            "invalid-recipe",
            ("mixture", "source"),
        ),
    ],
)
def test_recipes_with_effects_that_cannot_be_are_refused(
    toy: Catalog, effect: dict[str, Any], code: str, mentions: object
) -> None:
    data = sample_recipe(toy, MixConfig(), 0, 0, 0).encode()
    data["sources"][0]["effects"] = [effect]
    with raises(RecipeError, code=code, mentions=mentions):
        MixRecipe.decode(data)


# --- Rendering -------------------------------------------------------------------------------------------


def test_effects_are_applied_in_the_order_of_the_recipe() -> None:
    audio = np.random.default_rng(0).normal(0, 0.1, (1, RATE)).astype(np.float32)
    chain = [Gain(-6.0), Gate(0.25, 0.5), LowShelf(200.0, 6.0, 0.7), Tremolo(4.0, 0.5), Gain(3.0)]
    expected = audio
    for effect in chain:
        expected = effect.apply(expected, RATE)
    plan = plan_effects(chain, RATE)
    assert [type(effect).__name__ for effect, _ in plan.rest] == ["Gate", "Tremolo"]
    np.testing.assert_allclose(apply_effects(audio, RATE, chain, None), expected, atol=1e-6)  # type: ignore[arg-type]


def test_a_subclass_of_a_built_in_effect_is_not_taken_for_it() -> None:
    class Inverse(Gain):
        def apply(self, audio: np.ndarray, sample_rate: int) -> np.ndarray:
            return -super().apply(audio, sample_rate)

    audio = np.ones((1, 10), dtype=np.float32)
    np.testing.assert_allclose(apply_effects(audio, RATE, [Inverse(0.0)], None), -audio)  # type: ignore[arg-type]


def test_the_mixture_is_the_sum_of_changed_sources(toy: Catalog) -> None:
    mix = render_mix(sample_recipe(toy, config_with(TREMOLO), 0, 0, 1), toy)
    np.testing.assert_allclose(mix.mixture, sum(s.audio for s in mix.sources), atol=1e-6)


def test_a_mixture_effect_works_on_the_sum_and_keeps_the_peak_limit(toy: Catalog) -> None:
    config = config_with({"effect": HISS, "p": 1.0, "level_db": -3.0})
    recipe = sample_recipe(toy, config, 0, 0, 1)
    mix, dry = render_mix(recipe, toy), render_mix(replace(recipe, effects=()), toy)
    (hiss,) = recipe.effects
    assert isinstance(hiss, Hiss)
    scale = np.float32(10.0 ** ((mix.scale_db - dry.scale_db) / 20.0))
    assert mix.scale_db < dry.scale_db
    np.testing.assert_allclose(mix.mixture, scale * hiss.apply(dry.mixture, RATE), atol=1e-6)
    assert np.abs(mix.mixture).max() <= config.peak_limit
    for wet, own in zip(mix.sources, dry.sources, strict=True):
        np.testing.assert_allclose(wet.audio, scale * own.audio, atol=1e-6)
        assert wet.relative_db == pytest.approx(own.relative_db)
        assert wet.level_db == pytest.approx(own.level_db + mix.scale_db - dry.scale_db)


def test_noise_on_the_mixture_changes_no_label(toy: Catalog) -> None:
    sampler = RecipeSampler(toy, config_with(HISS, min_sources=3))
    for index in range(10):
        recipe = sampler.sample(0, 0, index)
        mix, dry = render_mix(recipe, toy), render_mix(replace(recipe, effects=()), toy)
        np.testing.assert_array_equal(mix.target, dry.target)
        np.testing.assert_array_equal(mix.mask, dry.mask)


def test_where_an_effect_takes_the_sound_away_labels_are_unknown(toy: Catalog) -> None:
    recipe = sounding(toy)
    gated = render_mix(with_effects(recipe, Gate(0.0, 1.06)), toy).sources[0]  # 0.06 s of context before it
    np.testing.assert_array_equal(gated.changed, np.arange(20) < 10)
    assert not gated.active[:10].any()
    assert gated.active[10:].all()
    assert not gated.silent.any()
    assert gated.state == "present"
    assert "changed too much by an effect for 1.0 s" in gated.reason
    mix = render_mix(with_effects(recipe, Gate(0.0, 1.96)), toy)
    assert mix.sources[0].state == "uncertain"
    assert mix.target.sum() == 0
    target, known = mix.frames
    assert not target[:, :19].any()
    assert not known[:, :19].all()


def test_where_an_effect_takes_the_mixture_away_labels_are_unknown(toy: Catalog) -> None:
    class OnMixture(Gate):
        stage = "mixture"

    mix = render_mix(replace(sounding(toy), effects=(OnMixture(0.0, 1.0),)), toy)
    np.testing.assert_array_equal(mix.sources[0].changed, np.arange(20) < 10)
    np.testing.assert_array_equal(mix.mixture[:, : RATE - 100], 0.0)


def test_a_change_of_level_is_not_a_loss(toy: Catalog) -> None:
    recipe = sounding(toy)
    for effect in (Tremolo(1e-6, 0.0), Gain(-40.0)):
        assert not render_mix(with_effects(recipe, effect, Tremolo(5.0, 0.5)), toy).sources[0].changed.any()


def test_hops_are_compared_against_the_change_of_the_whole_sound() -> None:
    level_db = np.array([-20, -20, -20, -120], dtype=np.float32)
    assert not Changes.between(level_db, level_db - np.float32(30)).lost.any()
    softer = Changes.between(level_db, np.array([-20, -45, -20, -120], dtype=np.float32))
    np.testing.assert_array_equal(softer.lost, [False, True, False, False])
    echo = Changes.between(level_db, np.array([-20, -20, -20, -40], dtype=np.float32))
    np.testing.assert_array_equal(echo.gained, [False, False, False, True])
    faint = Changes.between(level_db, np.array([-20, -20, -20, -90], dtype=np.float32))
    assert not faint.gained.any()
    sounds, never = np.array([True, True, True, False]), np.zeros(4, dtype=np.bool_)
    np.testing.assert_array_equal(echo.touch(sounds, ~sounds), [False, False, False, True])
    assert not echo.touch(never, ~never).any()  # noise on a source that never sounds is not the instrument


@pytest.mark.parametrize("name", ["Silent", "Shorter"])
def test_a_fault_while_mixing_names_effect_and_stem(toy: Catalog, name: str) -> None:
    recipe = with_effects(sounding(toy), getattr(own_effects, name)())
    wanted = (f"tests.own_effects:{name}", recipe.sources[0].stem)
    with raises(ConfigError, code="unfit-plugin", mentions=wanted):
        render_mix(recipe, toy)


def test_a_fault_of_an_effect_is_not_that_of_a_file(toy: Catalog) -> None:
    """No other item stands in: the run ends, and the message names the effect."""
    config = MixConfig(channels=2, effects=replace(NONE, custom=[{"effect": own_effects.Stateful, "p": 1.0}]))
    with raises(ConfigError, code="plugin-failed", mentions=("tests.own_effects:Stateful", "impulse.wav")):
        MixDataset(toy, config, epoch_size=16).item(0)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
@pytest.mark.parametrize("own", [Tremolo(3.0, 0.5), Compressor(-6.0, 4.0, 5.0, 50.0)])
def test_what_a_damaged_file_holds_is_not_an_effects_fault(own: Effect, value: float) -> None:
    audio = np.full((1, RATE), 0.1, np.float32)
    audio[0, 100] = value
    with raises(AudioError, code="mix-not-finite", mentions="corpus/song/stem"):
        apply_checked(own, audio, RATE, "corpus/song/stem")


def test_an_item_of_a_damaged_file_is_replaced_though_an_effect_changes_it(toy: Catalog) -> None:
    dataset = MixDataset(toy, config_with(TREMOLO), epoch_size=8, batch_size=8)
    index = next(n for n in range(8) if dataset.recipe(n).sources)
    bad = dataset.recipe(index).sources[0].stem
    broken = MixDataset(
        toy, dataset.config, epoch_size=8, batch_size=8, reader=BrokenReader(toy, bad, np.nan)
    )
    with pytest.warns(RuntimeWarning, match=f"Item {index} of epoch 0 is replaced: .*{bad}"):
        assert broken.item(index)["attempt"] > 0


def test_a_silent_source_stays_silent(toy: Catalog) -> None:
    """Silence in, silence out: there is no sound to be lost."""
    recipe = sounding(toy)
    late = replace(recipe.sources[0], start_s=1e5, effects=(Tremolo(4.0, 0.5),))
    assert render_mix(replace(recipe, sources=(late,)), toy).sources[0].state == "silent"


def test_pitch_and_time_around_an_effect_keep_their_order_and_length(toy: Catalog) -> None:
    chain = (PitchShift(3.0), Tremolo(4.0, 0.5), PitchShift(-3.0))
    mix = render_mix(with_effects(sounding(toy), *chain), toy)
    assert mix.mixture.shape == (1, 2 * RATE)
    assert mix.sources[0].active.all()


@dataclass(frozen=True)
class Seeding(Effect):
    """Noise from NumPy's one generator, which is right as long as nothing else asks that for numbers."""

    seed: int

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        np.random.seed(self.seed)
        time.sleep(0.01)
        return audio + np.random.standard_normal(audio.shape).astype(np.float32)


def test_threads_take_turns_in_the_code_of_an_effect() -> None:
    def noise(seed: int) -> FloatArray:
        return apply_checked(Seeding(seed), np.zeros((1, 100), dtype=np.float32), RATE, "silence")

    expected = [noise(seed) for seed in range(12)]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(noise, range(12)))
    np.testing.assert_array_equal(found, expected)


# --- Streams ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_workers", [0, 2])
def test_batches_are_those_of_single_items(toy: Catalog, num_workers: int) -> None:
    dataset = MixDataset(toy, config_with(TREMOLO, HISS), epoch_size=6, batch_size=3, seed=4)
    found = [batch["audio"].numpy() for batch in MixLoader(dataset, num_workers=num_workers)]
    expected = [render_mix(dataset.recipe(index), toy).mixture for index in range(6)]
    np.testing.assert_array_equal(np.concatenate(found), np.stack(expected))
