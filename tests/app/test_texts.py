"""What the explorer says in words."""

from app.texts import effect_names, effect_table
from mixlab import Catalog, MixConfig
from mixlab.mixing.sampler import RecipeSampler


def test_values_of_every_effect_are_said_in_words(toy: Catalog) -> None:
    recipe = RecipeSampler(toy, MixConfig(effects={"preset": "wild"})).sample(0, 0, 3)
    names = [("piano", "somewhere")] * len(recipe.sources)
    table = effect_table(recipe, names)
    assert len(set(effect_names(recipe, names))) == sum(len(s.effects) for s in recipe.sources) + len(
        recipe.effects
    )
    assert not table.map(lambda text: "(" in str(text) or "e-" in str(text)).any().any()
