"""From a catalog to labelled mixes: configuration, sampled recipes, rendering, dataset and loader."""

from typing import TYPE_CHECKING

from mixlab.utils.lazy import lazy_names

if TYPE_CHECKING:
    from mixlab.mixing.config import MixConfig, RenderSettings
    from mixlab.mixing.dataset import MixDataset
    from mixlab.mixing.effects import Effect
    from mixlab.mixing.effects_config import EffectsConfig
    from mixlab.mixing.grouping import Groups, group_sources
    from mixlab.mixing.recipe import MixRecipe, SourceRecipe
    from mixlab.mixing.rendering import Mix, Source, render_mix
    from mixlab.mixing.sampler import RecipeSampler, sample_recipe

__all__ = [
    "Effect",
    "EffectsConfig",
    "Groups",
    "Mix",
    "MixConfig",
    "MixDataset",
    "MixRecipe",
    "RecipeSampler",
    "RenderSettings",
    "Source",
    "SourceRecipe",
    "group_sources",
    "render_mix",
    "sample_recipe",
]

_HOMES = {
    "config": ("MixConfig", "RenderSettings"),
    "dataset": ("MixDataset",),
    "effects": ("Effect",),
    "effects_config": ("EffectsConfig",),
    "grouping": ("Groups", "group_sources"),
    "recipe": ("MixRecipe", "SourceRecipe"),
    "rendering": (
        "Mix",
        "Source",
        "render_mix",
    ),
    "sampler": (
        "RecipeSampler",
        "sample_recipe",
    ),
}

__getattr__ = lazy_names(__name__, _HOMES)
