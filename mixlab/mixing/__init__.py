"""From a catalog to labelled mixes: configuration, sampled recipes, rendering, dataset and loader."""

from typing import TYPE_CHECKING

from mixlab.utils.lazy import lazy_names

if TYPE_CHECKING:
    from mixlab.mixing.config import MixConfig, RenderSettings
    from mixlab.mixing.dataset import MixDataset
    from mixlab.mixing.effects import EffectsConfig
    from mixlab.mixing.recipe import MixRecipe, SourceRecipe
    from mixlab.mixing.rendering import Mix, Source, render
    from mixlab.mixing.sampler import Drawer, draw

__all__ = [
    "Drawer",
    "EffectsConfig",
    "Mix",
    "MixConfig",
    "MixDataset",
    "MixRecipe",
    "RenderSettings",
    "Source",
    "SourceRecipe",
    "draw",
    "render",
]

_HOMES = {
    "config": ("MixConfig", "RenderSettings"),
    "dataset": ("MixDataset",),
    "effects": ("EffectsConfig",),
    "recipe": ("MixRecipe", "SourceRecipe"),
    "rendering": (
        "Mix",
        "Source",
        "render",
    ),
    "sampler": (
        "Drawer",
        "draw",
    ),
}

__getattr__ = lazy_names(__name__, _HOMES)
