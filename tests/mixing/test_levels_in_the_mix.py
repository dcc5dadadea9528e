"""Ratios between sources, and the loudness of the mixture: measured in the mix, held by the recipe."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mixlab.audio.loudness import loudness_lufs
from mixlab.catalog.catalog import Catalog
from mixlab.errors import ConfigError, RecipeError
from mixlab.mixing.config import MixConfig
from mixlab.mixing.effects import Gain
from mixlab.mixing.effects_config import EffectsConfig
from mixlab.mixing.gpu.raw import prepare_batch
from mixlab.mixing.recipe import MixRecipe, SourceRecipe
from mixlab.mixing.rendering import render_mix
from mixlab.mixing.sampler import sample_recipe
from tests.errors import raises
from tests.toy import make_own_catalog, steady

RATIOS = MixConfig(duration_s=1.0, snr_db=(-6.0, 6.0), p_single_source=0.0)
LOUD = MixConfig(duration_s=1.0, mixture_lufs=(-40.0, -30.0))


@pytest.mark.parametrize("kind", ["musical", "non_musical"])
def test_sources_stand_at_the_ratios_that_the_recipe_states(toy: Catalog, kind: str) -> None:
    for index in range(6):
        recipe = sample_recipe(toy, RATIOS, 0, 0, index, kind=kind)  # type: ignore[arg-type]
        assert recipe.sources[0].snr_db is None
        mix = render_mix(MixRecipe.from_json(recipe.to_json()), toy)
        first = mix.sources[0]
        for sampled, source in zip(recipe.sources[1:], mix.sources[1:], strict=True):
            assert sampled.snr_db is not None
            assert -6.0 <= sampled.snr_db <= 6.0
            if source.active.any() and first.active.any():
                assert first.level_db - source.level_db == pytest.approx(sampled.snr_db, abs=0.01)


def test_the_ratio_is_that_of_the_excerpt_and_not_of_the_file(tmp_path: Path) -> None:
    swelling = np.concatenate([steady(220.0, 2.0, -40.0), steady(220.0, 2.0, -10.0)])
    stems = [
        {"song": "s", "label": "piano", "audio": swelling},
        {"song": "s", "label": "violin", "audio": swelling},
    ]
    catalog = make_own_catalog(tmp_path, stems)  # type: ignore[arg-type]
    base = sample_recipe(catalog, replace(RATIOS, effects=EffectsConfig.none(), p_musical=1.0), 0, 0, 0)
    keys = list(catalog.column("key"))
    boosted = (Gain(12.0),)
    for start_s, effects in ((0.5, ()), (2.5, ()), (0.5, boosted)):
        sources = (SourceRecipe(keys[0], 2.5), SourceRecipe(keys[1], start_s, 0.0, effects, 3.0))
        mix = render_mix(replace(base, sources=sources), catalog)
        assert mix.sources[0].level_db - mix.sources[1].level_db == pytest.approx(3.0, abs=0.01)


def test_silence_is_never_raised_to_a_ratio(tmp_path: Path) -> None:
    resting = np.concatenate([steady(220.0, 2.0), 1e-4 * steady(220.0, 2.0)])
    stems = [
        {"song": "s", "label": "piano", "audio": steady(110.0, 4.0)},
        {"song": "s", "label": "violin", "audio": resting},
    ]
    catalog = make_own_catalog(tmp_path, stems)  # type: ignore[arg-type]
    base = sample_recipe(catalog, replace(RATIOS, effects=EffectsConfig.none(), p_musical=1.0), 0, 0, 0)
    keys = list(catalog.column("key"))
    mix = render_mix(
        replace(base, sources=(SourceRecipe(keys[0], 2.5), SourceRecipe(keys[1], 2.5, snr_db=0.0))), catalog
    )
    assert mix.sources[1].level_db < -90.0


def test_ratios_and_loudness_move_nothing_else(toy: Catalog) -> None:
    for index in range(10):
        plain = sample_recipe(toy, MixConfig(duration_s=1.0, p_single_source=0.0), 0, 0, index)
        ratios, loud = (sample_recipe(toy, config, 0, 0, index) for config in (RATIOS, LOUD))
        bare = tuple(replace(source, snr_db=None) for source in ratios.sources)
        assert replace(ratios, sources=bare) == plain
        assert loud.mixture_lufs is not None
    assert "snr_db" not in plain.to_json()
    assert "mixture_lufs" not in plain.to_json()
    assert plain.mix_id != replace(plain, mixture_lufs=-20.0).mix_id


@pytest.mark.parametrize("channels", [1, 2])
def test_the_mixture_has_the_loudness_that_the_recipe_states(toy: Catalog, channels: int) -> None:
    for index in range(6):
        recipe = sample_recipe(toy, replace(LOUD, channels=channels), 0, 0, index)
        assert recipe.mixture_lufs is not None
        assert -40.0 <= recipe.mixture_lufs <= -30.0
        mix = render_mix(MixRecipe.from_json(recipe.to_json()), toy)
        assert loudness_lufs(mix.mixture, 16000) == pytest.approx(recipe.mixture_lufs, abs=0.05)
        total = mix.sources[0].audio.copy()
        for source in mix.sources[1:]:
            total += source.audio
        np.testing.assert_array_equal(mix.mixture, total)
        again = render_mix(replace(recipe, mixture_lufs=None), toy)
        np.testing.assert_array_equal(mix.target, again.target)
        np.testing.assert_array_equal(mix.mask, again.mask)


def test_the_peak_limit_comes_before_loudness(toy: Catalog) -> None:
    recipe = sample_recipe(toy, replace(LOUD, mixture_lufs=(0.0, 0.0)), 0, 0, 0)
    mix = render_mix(recipe, toy)
    assert np.abs(mix.mixture).max() == pytest.approx(1.0, abs=1e-5)
    assert loudness_lufs(mix.mixture, 16000) < 0.0


def test_evaluation_keeps_the_loudness_and_the_recorded_balance() -> None:
    config = MixConfig(snr_db=(0.0, 3.0), mixture_lufs=(-20.0, -20.0)).for_evaluation()
    assert (config.snr_db, config.mixture_lufs) == ((), (-20.0, -20.0))


@pytest.mark.parametrize(
    "settings",
    [
        {"snr_db": (3.0,)},
        {"snr_db": (5.0, -5.0)},
        {"mixture_lufs": (-20.0, 3.0)},
        {"duration_s": 0.2, "mixture_lufs": (-20.0, -10.0)},
    ],
)
def test_what_cannot_be_is_refused(toy: Catalog, settings: dict[str, object]) -> None:
    with raises(ConfigError, code="invalid-setting", mentions=f"mix.{list(settings)[-1]}"):
        MixConfig(min_active_s=0.1, **settings)  # type: ignore[arg-type]


def test_recipes_with_levels_that_cannot_be_are_refused(toy: Catalog) -> None:
    data = sample_recipe(toy, RATIOS, 0, 0, 0).encode()
    with raises(RecipeError, code="recipe-out-of-range", mentions="mixture_lufs"):
        MixRecipe.decode({**data, "mixture_lufs": "loud"})
    data["sources"][-1]["snr_db"] = 1e3
    with raises(RecipeError, code="recipe-out-of-range", mentions="snr_db"):
        MixRecipe.decode(data)


def test_a_device_renders_none_of_it(toy: Catalog) -> None:
    for config in (RATIOS, LOUD):
        with raises(ConfigError, code="unsupported-device", mentions="mix.snr_db"):
            prepare_batch([sample_recipe(toy, config, 0, 0, 0)], toy)
