"""Sets of effects by name, and effects that serve sources and the mixture: sampled, stored and replayed."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mixlab import Catalog, MixConfig, MixDataset, MixLoader, MixRecipe, render_mix
from mixlab.audio.loudness import loudness_lufs
from mixlab.errors import ConfigError
from mixlab.mixing.effect_presets import PRESETS
from mixlab.mixing.effects import EFFECTS, effect_name
from mixlab.mixing.effects.mastering import Mastering
from mixlab.mixing.effects.noise import Noise
from mixlab.mixing.effects_config import EffectsConfig
from mixlab.mixing.sampler import RecipeSampler
from tests.errors import raises

NONE = EffectsConfig.none()


def sampler(catalog: Catalog, **effects: Any) -> RecipeSampler:
    return RecipeSampler(catalog, MixConfig(duration_s=1.0, effects=effects))


def test_presets_hold_built_in_effects_that_need_nothing_more() -> None:
    """No preset needs a folder of the user's, or a package or program that may not be there."""
    for entries in PRESETS.values():
        names = {entry["effect"] for entry in entries}
        assert names <= set(EFFECTS) - {"reverb", "convolution", "background"}


def test_only_other_presets_change_hashes() -> None:
    hashes = {name: MixConfig(effects={"preset": name}).content_hash for name in PRESETS}
    assert hashes["paper"] == MixConfig().content_hash
    assert len(set(hashes.values())) == len(PRESETS)
    with raises(ConfigError, code="invalid-setting", mentions=("effects.preset", "studio", "concert")):
        MixConfig(effects={"preset": "concert"})


def test_a_preset_follows_the_four_and_moves_nothing(toy: Catalog) -> None:
    paper, studio, none = (sampler(toy, preset=name) for name in ("paper", "studio", "none"))
    seen = set()
    for index in range(20):
        plain, more, bare = (one.sample(0, 0, index) for one in (paper, studio, none))
        assert bare == replace(plain, sources=tuple(replace(s, effects=()) for s in plain.sources)) or any(
            effect_name(type(e)) == "time_stretch" for s in plain.sources for e in s.effects
        )
        for before, after in zip(plain.sources, more.sources, strict=True):
            assert after.effects[: len(before.effects)] == before.effects
            assert replace(after, effects=before.effects) == before
            seen |= {effect_name(type(e)) for e in after.effects[len(before.effects) :]}
        seen |= {effect_name(type(e)) for e in more.effects}
    assert seen == {entry["effect"] for entry in PRESETS["studio"]}


@pytest.mark.parametrize("preset", ["studio", "wild"])
def test_mixes_of_a_preset_replay_and_keep_their_labels(toy: Catalog, preset: str) -> None:
    many = sampler(toy, preset=preset)
    for index in range(4):
        recipe = many.sample(3, 0, index)
        again = MixRecipe.from_json(recipe.to_json())
        assert again == recipe
        mix = render_mix(recipe, toy)
        np.testing.assert_array_equal(render_mix(again, toy).mixture, mix.mixture)
        dry = replace(
            recipe, sources=tuple(replace(s, effects=s.effects[:0]) for s in recipe.sources), effects=()
        )
        known = mix.mask & render_mix(dry, toy).mask
        if not any(effect_name(type(e)) == "time_stretch" for s in recipe.sources for e in s.effects):
            np.testing.assert_array_equal(mix.target[known], render_mix(dry, toy).target[known])


def test_workers_make_the_mixes_of_single_items(toy: Catalog) -> None:
    config = MixConfig(duration_s=1.0, effects={"preset": "wild"})
    dataset = MixDataset(toy, config, epoch_size=6, batch_size=3, seed=4)
    found = [batch["audio"].numpy() for batch in MixLoader(dataset, num_workers=2)]
    expected = [render_mix(dataset.recipe(index), toy).mixture for index in range(6)]
    np.testing.assert_array_equal(np.concatenate(found), np.stack(expected))


def test_evaluation_has_no_preset(toy: Catalog) -> None:
    dataset = MixDataset(toy, MixConfig(effects={"preset": "wild"}), split="validation", epoch_size=2)
    assert dataset.config.effects == NONE
    assert not dataset.recipe(0).effects


# --- Stages ----------------------------------------------------------------------------------------------


def test_one_effect_serves_sources_and_the_mixture(toy: Catalog) -> None:
    first = {"effect": "noise", "p": 1.0}
    last = {"effect": "noise", "p": 1.0, "stage": "mixture", "snr_db": [20, 20]}
    both = sampler(toy, **{**vars_of(NONE), "custom": [last, first]}).sample(0, 0, 1)
    alone = sampler(toy, **{**vars_of(NONE), "custom": [first]}).sample(0, 0, 1)
    assert both.sources == alone.sources
    assert [type(e) for e in both.effects] == [Noise]
    assert both.effects[0].snr_db == 20.0  # type: ignore[attr-defined]
    assert MixRecipe.from_json(both.to_json()) == both


def vars_of(config: EffectsConfig) -> dict[str, Any]:
    return {name: getattr(config, name) for name in ("gain", "filter", "pitch_shift", "time_stretch")}


@pytest.mark.parametrize(
    "entry", [{"effect": "mastering", "stage": "source"}, {"effect": "noise", "stage": "bus"}]
)
def test_a_stage_that_an_effect_does_not_have_is_refused(toy: Catalog, entry: dict[str, str]) -> None:
    with raises(ConfigError, code="invalid-setting", mentions=(entry["effect"], "mixture", entry["stage"])):
        sampler(toy, custom=[entry])


@pytest.mark.parametrize("stage", ["source", "mixture"])
def test_noise_in_the_pauses_of_a_source_makes_nothing_unknown(toy: Catalog, stage: str) -> None:
    entry = {"effect": "noise", "p": 1.0, "stage": stage, "snr_db": [0, 0], "noises": ["white"]}
    for index in range(6):
        recipe = sampler(toy, **{**vars_of(NONE), "custom": [entry]}).sample(0, 0, index)
        dry = replace(recipe, sources=tuple(replace(s, effects=()) for s in recipe.sources), effects=())
        noisy, plain = render_mix(recipe, toy), render_mix(dry, toy)
        for a, b in zip(noisy.frames, plain.frames, strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(noisy.mask, plain.mask)


LOUD = {"effect": "mastering", "p": 0.5, "target_lufs": [-5, -5], "most_limiting_db": 1.0}


def test_a_stream_tells_once_and_each_item_by_itself_where_mastering_fell_short(toy: Catalog) -> None:
    config = MixConfig(duration_s=1.0, effects=EffectsConfig(**vars_of(NONE), custom=[LOUD]))
    dataset = MixDataset(toy, config, epoch_size=8, batch_size=8, meta=True)
    mixes = [render_mix(dataset.recipe(index), toy) for index in range(8)]
    fell_short = [bool(mix.recipe.effects) for mix in mixes]
    assert 0 < sum(fell_short) < 8
    first = fell_short.index(True)
    with pytest.warns(UserWarning, match=f"Item {first} of epoch 0 .*-5.0") as told:
        batch = dataset.batch(0)
    assert len(told) == 1
    assert [bool(text) for text in batch["notes"]] == fell_short
    assert batch["notes"] == ["\n".join(mix.notes) for mix in mixes]
    dataset.batch(0)  # warnings are errors: it was told


def test_a_mastered_mix_has_its_loudness_and_its_peak(toy: Catalog) -> None:
    entry = {"effect": "mastering", "p": 1.0, "target_lufs": [-20, -20], "most_limiting_db": 30.0}
    recipe = sampler(toy, **{**vars_of(NONE), "custom": [entry]}).sample(0, 0, 1)
    mix = render_mix(recipe, toy)
    assert not mix.notes
    assert isinstance(recipe.effects[0], Mastering)
    assert loudness_lufs(mix.mixture, 16000) == pytest.approx(-20.0, abs=0.15)
    assert np.abs(mix.mixture).max() <= 10 ** (-1 / 20)
