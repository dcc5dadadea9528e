"""Recipes are plain data: they survive encoding, and bad ones are refused with a reason."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixlab.catalog import Catalog
from mixlab.drawing import draw
from mixlab.effects import EFFECTS
from mixlab.errors import ConfigError, RecipeError
from mixlab.recipes import RECIPE_VERSION, MixConfig, MixRecipe


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.floats(0, 1), st.sampled_from(["as_recorded", "loudness"]))
def test_encoding_keeps_everything(toy: Catalog, index: int, p_musical: float, level: str) -> None:
    recipe = draw(toy, MixConfig(p_musical=p_musical, level=level), 3, 1, index)  # type: ignore[arg-type]
    assert MixRecipe.from_json(recipe.to_json()) == recipe
    assert MixRecipe.from_json(recipe.to_json()).content_hash == recipe.content_hash


def test_recipes_hold_effects_by_their_stable_names(toy: Catalog) -> None:
    recipe = draw(toy, MixConfig(p_musical=0.0), 0, 0, 0)
    names = {
        e["effect"]
        for i in range(20)
        for s in draw(toy, MixConfig(), 0, 0, i).encode()["sources"]
        for e in s["effects"]
    }
    assert names <= set(EFFECTS)
    assert {"gain", "pitch_shift", "time_stretch"} <= names
    assert recipe.encode()["version"] == RECIPE_VERSION


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(version=99), r"reads recipes of version 3, found 99"),
        (lambda d: d.pop("seed"), r"lacks \['seed'\]"),
        (lambda d: d.update(sead=1), r"has unknown \['sead'\]"),
        (lambda d: d.update(index="7"), r"needs int for 'index', found '7'"),
        (lambda d: d.update(sources=[]), r"at least one source, found none"),
        (lambda d: d.update(sources={}), r"'sources' must be a list, found dict"),
        (lambda d: d["sources"][0].pop("stem"), r"source in the recipe lacks \['stem'\]"),
        (lambda d: d["render"].update(label_rule="Active"), r"label_rule: expected one of present, active"),
        (lambda d: d["render"].update(uncertain="x"), r"uncertain: expected one of mask, absent, found 'x'"),
        (lambda d: d["render"].update(channels=7), r"channels: expected 1 or 2, found 7"),
        (lambda d: d["render"].update(sample_rate=0), r"sample_rate: expected 4000 to 192000 Hz, found 0"),
        (lambda d: d["render"].update(duration_s=-1.0), r"duration_s: expected 0\.1 to 600 seconds"),
        (lambda d: d.update(kind=5), r"'kind' must be one of \('musical', 'non_musical'\), found 5"),
        (lambda d: d["sources"][0].update(start_s=float("nan")), r"start_s below 1e6 s .* found nan"),
        (lambda d: d["sources"][0].update(level_db=1e9), r"level_db within 200 dB"),
        (lambda d: d["sources"][0].update(effects=[3]), r"Effect 3 in the recipe does not exist"),
        (lambda d: d["render"].update(tempo=3), r"recipe's 'render' lacks \[\] and has unknown \['tempo'\]"),
    ],
)
def test_bad_recipes_are_refused(toy: Catalog, change, message: str) -> None:  # type: ignore[no-untyped-def]
    data = draw(toy, MixConfig(), 0, 0, 0).encode()
    change(data)
    with pytest.raises(RecipeError, match=message):
        MixRecipe.from_json(json.dumps(data))


def test_text_that_is_no_json_is_refused() -> None:
    with pytest.raises(RecipeError, match="does not parse"):
        MixRecipe.from_json("{")
    with pytest.raises(RecipeError, match="is a JSON object, found list"):
        MixRecipe.from_json("[]")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"p_musical": 1.2}, r"mix\.p_musical: expected a number from 0 to 1, found 1\.2"),
        ({"min_sources": 4, "max_sources": 2}, r"1 <= min_sources <= max_sources, found \(4, 2\)"),
        ({"duration_s": 0.0}, r"mix\.duration_s: expected 0\.1 to 600 seconds, found 0\.0"),
        ({"sample_rate": 16}, r"mix\.sample_rate"),
        ({"channels": 3}, r"mix\.channels: expected 1 or 2, found 3"),
        ({"min_active_s": 5.0}, r"mix\.min_active_s: expected at most duration_s, found 5\.0"),
        ({"audible_db": 3.0}, r"mix\.audible_db"),
        ({"bleed": "some"}, r"mix\.bleed: expected one of exclude, musical_only, allow, found 'some'"),
        ({"corpus_weights": {"a": -1.0}}, r"mix\.corpus_weights"),
        ({"engine": "sox"}, r"Engine 'sox' does not exist"),
    ],
)
def test_bad_settings_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MixConfig(**values)  # type: ignore[arg-type]


def test_the_hash_of_a_configuration_follows_its_values() -> None:
    config = MixConfig()
    assert config.content_hash == MixConfig().content_hash
    assert config.content_hash != replace(config, p_musical=0.5).content_hash
    assert config.content_hash != config.for_evaluation().content_hash
