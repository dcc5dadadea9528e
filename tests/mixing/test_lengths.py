"""Mixes of several lengths: each item has its own, and a batch says which."""

from dataclasses import replace

import numpy as np
import pytest

from mixlab.catalog.catalog import Catalog
from mixlab.errors import ConfigError
from mixlab.mixing.config import MixConfig
from mixlab.mixing.dataset import MixDataset
from mixlab.mixing.gpu import DeviceLoader
from mixlab.mixing.loader import MixLoader
from mixlab.mixing.rendering import render_mix
from mixlab.mixing.sampler import sample_recipe
from tests.errors import raises

CONFIG = MixConfig(duration_s=2.0, min_duration_s=0.5, label_set="musdb4")


def test_lengths_are_spread_over_their_range_and_stand_in_the_recipe(toy: Catalog) -> None:
    lengths = [sample_recipe(toy, CONFIG, 0, 0, index).render.duration_s for index in range(300)]
    assert set(lengths) == {round(0.5 + 0.1 * step, 3) for step in range(16)}
    assert np.mean(lengths) == pytest.approx(1.25, abs=0.1)


def test_the_length_moves_no_choice_of_song_or_number_of_sources(toy: Catalog) -> None:
    plain = replace(CONFIG, min_duration_s=0.0)
    for index in range(20):
        one, other = (sample_recipe(toy, config, 0, 0, index) for config in (CONFIG, plain))
        assert [source.stem for source in one.sources] == [source.stem for source in other.sources]
    longest = replace(CONFIG, min_duration_s=2.0)
    assert sample_recipe(toy, longest, 0, 0, 0) == sample_recipe(toy, plain, 0, 0, 0)


def test_batches_say_how_long_each_mix_is_and_are_silent_behind_it(toy: Catalog) -> None:
    dataset = MixDataset(toy, CONFIG, epoch_size=6, batch_size=6, frames=True, sources=True, groups=True)
    batch = dataset.batch(0)
    for row in range(6):
        mix = dataset.mix(row)
        samples = int(batch["length"][row])
        assert samples == mix.mixture.shape[1] == dataset.item(row)["length"]
        np.testing.assert_array_equal(batch["audio"][row, :, :samples], mix.mixture)
        for name in ("audio", "sources", "groups", "ungrouped"):
            assert not batch[name][row, ..., samples:].any()
        np.testing.assert_array_equal(batch["sources"][row, 0, :, :samples], mix.sources[0].audio)
        frames = mix.frames[0].shape[1]
        assert not batch["frame_mask"][row, :, frames:].any()
        np.testing.assert_array_equal(batch["frame_target"][row, :, :frames], mix.frames[0])
    assert len(set(batch["length"].tolist())) > 1


def test_workers_give_the_same(toy: Catalog) -> None:
    dataset = MixDataset(toy, CONFIG, epoch_size=8, batch_size=4)
    for one, two in zip(MixLoader(dataset), MixLoader(dataset, num_workers=1), strict=True):
        for name in ("audio", "length", "target"):
            np.testing.assert_array_equal(one[name], two[name])


def test_recipes_of_any_length_replay(toy: Catalog) -> None:
    recipe = sample_recipe(toy, CONFIG, 0, 0, 3)
    assert render_mix(recipe, toy).mixture.shape == (1, round(recipe.render.duration_s * 16000))
    assert CONFIG.for_evaluation().min_duration_s == 0.0


def test_what_cannot_be_is_refused(toy: Catalog) -> None:
    for settings in ({"min_duration_s": 3.0}, {"min_duration_s": 0.2}, {"min_duration_s": -1.0}):
        with raises(ConfigError, code="invalid-setting", mentions="mix.min_duration_s"):
            replace(CONFIG, **settings)
    with raises(ConfigError, code="unsupported-device", mentions="mix.min_duration_s"):
        DeviceLoader(MixDataset(toy, CONFIG), device="cpu")
