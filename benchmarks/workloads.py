"""What is measured: three kinds of mixes, sampled once and then made by every alternative."""

from dataclasses import replace

from mixlab.catalog.catalog import Catalog
from mixlab.mixing.config import MixConfig
from mixlab.mixing.effects_config import EffectsConfig
from mixlab.mixing.recipe import MixRecipe
from mixlab.mixing.sampler import RecipeSampler

W = "W"
PAPER = "paper"
NO_EFFECTS = "no effects"

DESCRIPTIONS = {
    W: "non-musical, 4 sources of 4 s at 16 kHz mono; gain, one filter, pitch ±2 semitones, stretch "
    "0.8-1.25, each with p = 0.5",
    PAPER: "the defaults of `MixConfig`: p_musical 0.4, 1 to 5 sources of 4 s, the same effects",
    NO_EFFECTS: "as W, but read, brought to 16 kHz and summed without any effect",
}


def workload(name: str, engine: str = "vocoder") -> MixConfig:
    """Return the configuration of a workload."""
    if name == PAPER:
        return MixConfig(engine=engine)
    heavy = MixConfig(p_musical=0.0, p_single_source=0.0, min_sources=4, max_sources=4, engine=engine)
    return heavy if name == W else replace(heavy, effects=EffectsConfig.none())


def sample_recipes(catalog: Catalog, name: str, count: int) -> list[MixRecipe]:
    """Return the first recipes of a workload."""
    sampler = RecipeSampler(catalog, workload(name))
    return [sampler.sample(0, 0, index) for index in range(count)]


def with_engine(recipe: MixRecipe, engine: str) -> MixRecipe:
    """Return the same recipe for another pitch and time engine."""
    return replace(recipe, render=replace(recipe.render, engine=engine))
