"""Items without any instrument: every label is known to be absent, and nothing else of the stream moves."""

from dataclasses import replace

import numpy as np
import pytest

from app.components.payload import Take, pack_mix
from app.data.mixes import _with_mixture_effects
from app.texts import describe
from mixlab.catalog.catalog import Catalog
from mixlab.errors import ConfigError, RecipeError
from mixlab.mixing.config import MixConfig
from mixlab.mixing.dataset import MixDataset
from mixlab.mixing.export import to_jams, to_labels
from mixlab.mixing.gpu.raw import prepare_batch
from mixlab.mixing.grouping import group_sources
from mixlab.mixing.noise_floor import NoiseFloor
from mixlab.mixing.preview import label_tree, without_effects
from mixlab.mixing.recipe import MixRecipe
from mixlab.mixing.rendering import render_mix
from mixlab.mixing.sampler import sample_recipe
from tests.errors import raises

PLAIN = MixConfig(duration_s=1.0)
SOME = replace(PLAIN, p_negative=0.5, mixture_lufs=(-30.0, -30.0), snr_db=(0.0, 3.0))
ALL = MixConfig(duration_s=1.0, p_negative=1.0, negative_db=(-60.0, -40.0), channels=2, label_set="musdb4")


def test_as_many_items_as_asked_for_are_negative_and_the_others_stay(toy: Catalog) -> None:
    config = replace(PLAIN, p_negative=0.5)
    recipes = [(sample_recipe(toy, config, 0, 0, i), sample_recipe(toy, PLAIN, 0, 0, i)) for i in range(200)]
    negative = [recipe for recipe, _ in recipes if recipe.noise]
    assert 70 <= len(negative) <= 130
    assert all(not recipe.sources for recipe in negative)
    assert all(recipe == plain for recipe, plain in recipes if not recipe.noise)
    silent = sum(recipe.noise.silent for recipe in negative if recipe.noise)
    assert 0 < silent < len(negative)
    assert config.for_evaluation().p_negative == 0.0


@pytest.mark.parametrize("channels", [1, 2])
def test_noise_has_its_level_and_replays(toy: Catalog, channels: int) -> None:
    config = replace(ALL, channels=channels)
    for index in range(4):
        recipe = sample_recipe(toy, config, 0, 0, index)
        assert MixRecipe.from_json(recipe.to_json()) == recipe
        assert recipe.noise is not None
        mix = render_mix(recipe, toy)
        again = render_mix(MixRecipe.from_json(recipe.to_json()), toy)
        assert mix.mixture.tobytes() == again.mixture.tobytes()
        rms_db = 20 * np.log10(np.sqrt(np.mean(mix.mixture.astype(np.float64) ** 2, axis=1)))
        np.testing.assert_allclose(rms_db, recipe.noise.level_db, atol=0.01)
        assert replace(recipe, noise=replace(recipe.noise, seed=1)).mix_id != recipe.mix_id


def test_below_the_last_bit_there_is_nothing() -> None:
    assert not NoiseFloor(-97.0, 0.0, 1).render(2, 1000, 8000).any()
    assert NoiseFloor(-95.0, 0.0, 1).render(2, 1000, 8000).any()


def test_brown_noise_falls_by_six_decibels_per_octave() -> None:
    noise = NoiseFloor(-20.0, -6.0, 3).render(1, 1 << 17, 16000)[0]
    power = np.abs(np.fft.rfft(noise)) ** 2
    hertz = np.fft.rfftfreq(len(noise), 1 / 16000)
    bands = [power[(hertz >= low) & (hertz < 1.1 * low)].mean() for low in (250.0, 500.0, 1000.0, 2000.0)]
    np.testing.assert_allclose(np.diff(10 * np.log10(bands)), -6.0, atol=1.0)


def test_every_label_is_known_to_be_absent(toy: Catalog) -> None:
    mix = render_mix(sample_recipe(toy, ALL, 0, 0, 0), toy)
    assert mix.sources == ()
    assert not mix.target.any()
    assert mix.mask.all()
    target, mask = mix.frames
    assert target.shape == mask.shape == (4, 10)
    assert mask.all()
    assert not target.any()
    assert {e.state for e in mix.explain()} == {"absent"}
    groups = group_sources(mix)
    assert groups.mask.all()
    assert not groups.audio.any()
    np.testing.assert_array_equal(groups.ungrouped, mix.mixture)


def test_batches_may_hold_some(toy: Catalog) -> None:
    dataset = MixDataset(toy, SOME, epoch_size=8, batch_size=8, frames=True, sources=True)
    batch = dataset.batch(0)
    negative = [dataset.recipe(i).noise is not None for i in range(8)]
    assert any(negative)
    assert not all(negative)
    for row, found in enumerate(negative):
        assert bool(batch["sources"][row].any()) != found
        if found:
            assert not batch["target"][row].any()
            assert batch["mask"][row].all()


def test_what_is_shown_of_a_mix_shows_it(toy: Catalog) -> None:
    recipe = sample_recipe(toy, ALL, 0, 0, 0)
    mix = render_mix(recipe, toy)
    assert "Without instruments" in describe(mix)
    assert {row.state for row in label_tree(mix)} == {"absent"}
    assert without_effects(recipe) == recipe
    assert to_labels(mix)["sources"] == []
    assert to_jams(mix)["annotations"][0]["data"] == []
    takes = _with_mixture_effects(Take("mix", "This mix", "", mix.mixture), mix)
    assert len(pack_mix(mix, "name", [], takes)) > mix.mixture.nbytes


def test_recipes_have_sources_or_noise(toy: Catalog) -> None:
    data = sample_recipe(toy, ALL, 0, 0, 0).encode()
    with raises(RecipeError, code="invalid-recipe", mentions="noise"):
        MixRecipe.decode({**data, "sources": sample_recipe(toy, PLAIN, 0, 0, 0).encode()["sources"]})
    with raises(RecipeError, code="recipe-out-of-range", mentions="level_db"):
        MixRecipe.decode({**data, "noise": {**data["noise"], "level_db": 30.0}})
    with raises(ConfigError, code="invalid-setting", mentions="mix.p_negative"):
        MixConfig(p_negative=1.5)
    with raises(ConfigError, code="unsupported-device", mentions="mix.p_negative"):
        prepare_batch([sample_recipe(toy, ALL, 0, 0, 0)], toy)
