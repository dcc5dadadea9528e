"""What a stream is made of, without rendering: close to what rendering gives, and exact where it can be."""

from typing import Any

import numpy as np
import pytest

from mixlab import Catalog, MixConfig, render_mix, sample_recipe
from mixlab.mixing.effects_config import EffectsConfig
from mixlab.mixing.stream_rates import StreamRates, estimate_labels, stream_rates

ITEMS = 40


def share_of_equal_cells(toy: Catalog, config: MixConfig) -> float:
    """Return in how many cells of target and mask the estimate is what rendering gives."""
    equal = []
    for index in range(ITEMS):
        recipe = sample_recipe(toy, config, 3, 0, index)
        mix = render_mix(recipe, toy)
        target, mask = estimate_labels(toy, recipe)
        equal.append((target == mix.target) & (mask == mix.mask))
    return float(np.mean(equal))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"label_rule": "present"},
        {"min_active_s": 0.5, "uncertain": "absent", "full": True, "p_musical": 1.0},
        {"label_rule": "audible", "audible_db": -12.0},
        {"label_rule": "audible", "audible_db": -12.0, "snr_db": (0.0, 30.0)},
        {"p_negative": 0.5},
    ],
)
def test_labels_are_estimated_as_they_are_rendered(toy: Catalog, settings: dict[str, Any]) -> None:
    config = MixConfig(duration_s=0.5, **{"min_active_s": 0.3, **settings})
    assert share_of_equal_cells(toy, config) >= 0.97


def test_without_a_rule_and_effects_the_estimate_is_exact(toy: Catalog) -> None:
    config = MixConfig(duration_s=0.5, label_rule="present", effects=EffectsConfig.none())
    assert share_of_equal_cells(toy, config) == 1.0


def test_counts_are_those_of_the_recipes(toy: Catalog) -> None:
    config = MixConfig(p_negative=0.2)
    rates = stream_rates(toy, config, seed=7, split="train", items=ITEMS)
    recipes = [sample_recipe(toy, config, 7, 0, index) for index in range(ITEMS)]
    kinds = ["noise" if recipe.noise else recipe.kind for recipe in recipes]
    assert rates.items == ITEMS
    assert rates.kinds == {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
    sizes = [len(recipe.sources) for recipe in recipes]
    assert rates.sources == {size: sizes.count(size) for size in sorted(set(sizes))}
    assert rates.mean_sources == pytest.approx(np.mean(sizes))
    targets = np.array([estimate_labels(toy, recipe)[0] for recipe in recipes])
    np.testing.assert_array_equal(rates.present, targets.sum(axis=0))
    np.testing.assert_array_equal(np.diag(rates.together), rates.present)
    np.testing.assert_array_equal(rates.together, rates.together.T)
    assert rates.mean_classes == pytest.approx(targets.sum(axis=1).mean())
    assert sum(rates.classes.values()) == ITEMS


def test_settings_change_the_rates(toy: Catalog) -> None:
    def counted(**settings: Any) -> StreamRates:
        return stream_rates(toy, MixConfig(**settings), seed=0, split="train", items=ITEMS)

    usual = counted()
    assert counted(p_musical=1.0).kinds == {"musical": ITEMS}
    assert counted(max_sources=2).mean_sources < usual.mean_sources
    assert counted(label_rule="audible", audible_db=-0.1).present.sum() < usual.present.sum()
    assert counted(label_set="musdb4").names != usual.names


def test_nothing_counted_is_nothing(toy: Catalog) -> None:
    rates = StreamRates.of(toy, ("a", "b"), ())
    assert (rates.items, rates.mean_sources, rates.mean_classes) == (0, 0.0, 0.0)
    assert rates.together.tolist() == [[0, 0], [0, 0]]
