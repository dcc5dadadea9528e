"""Recipes are plain data: they survive encoding, and bad ones are refused with a reason."""

import json
import re
from dataclasses import Field, fields, replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mixlab.catalog.catalog import Catalog
from mixlab.errors import ConfigError, RecipeError, TaxonomyError
from mixlab.mixing.config import MixConfig
from mixlab.mixing.dataset import MixDataset
from mixlab.mixing.effects import EFFECTS, Gain
from mixlab.mixing.effects_config import EffectsConfig, GainRange
from mixlab.mixing.noise_floor import NoiseFloor
from mixlab.mixing.recipe import RECIPE_VERSION, MixRecipe, SourceRecipe
from mixlab.mixing.rendering import render_mix
from mixlab.mixing.sampler import sample_recipe
from mixlab.utils.plain import plain
from tests.errors import raises


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.floats(0, 1), st.sampled_from(["as_recorded", "loudness"]))
def test_encoding_keeps_everything(toy: Catalog, index: int, p_musical: float, level: str) -> None:
    recipe = sample_recipe(toy, MixConfig(p_musical=p_musical, level=level), 3, 1, index)  # type: ignore[arg-type]
    assert MixRecipe.from_json(recipe.to_json()) == recipe
    assert MixRecipe.from_json(recipe.to_json()).content_hash == recipe.content_hash


def test_recipes_hold_effects_by_their_stable_names(toy: Catalog) -> None:
    recipe = sample_recipe(toy, MixConfig(p_musical=0.0), 0, 0, 0)
    names = {
        e["effect"]
        for i in range(20)
        for s in sample_recipe(toy, MixConfig(), 0, 0, i).encode()["sources"]
        for e in s["effects"]
    }
    assert names <= set(EFFECTS)
    assert {"gain", "pitch_shift", "time_stretch"} <= names
    assert recipe.encode()["version"] == RECIPE_VERSION


@pytest.mark.parametrize(
    ("change", "code", "mentions"),
    [
        (lambda d: d.update(version=99), "recipe-version", ("3", "99")),
        (lambda d: d.pop("seed"), "invalid-recipe", "seed"),
        (lambda d: d.update(sead=1), "invalid-recipe", "sead"),
        (lambda d: d.update(index="7"), "invalid-recipe", ("index", "7")),
        (lambda d: d.update(sources=[]), "invalid-recipe", ()),
        (lambda d: d.update(sources={}), "invalid-recipe", ("sources", "dict")),
        (lambda d: d["sources"][0].pop("stem"), "invalid-recipe", "stem"),
        (
            lambda d: d["render"].update(label_rule="Active"),
            "invalid-recipe",
            ("present", "active", "label_rule"),
        ),
        (lambda d: d["render"].update(uncertain="x"), "invalid-recipe", ("mask", "absent", "uncertain", "x")),
        (lambda d: d["render"].update(channels=7), "invalid-recipe", ("channels", "1", "2", "7")),
        (
            lambda d: d["render"].update(sample_rate=0),
            "invalid-recipe",
            ("sample_rate", "4000", "192000", "0"),
        ),
        (lambda d: d["render"].update(duration_s=-1.0), "invalid-recipe", ("duration_s", "0.1", "600")),
        (lambda d: d.update(kind=5), "invalid-recipe", ("kind", "musical", "non_musical", "5")),
        (
            lambda d: d["sources"][0].update(start_s=float("nan")),
            "recipe-out-of-range",
            ("start_s", "1e6", "nan"),
        ),
        (lambda d: d["sources"][0].update(level_db=1e9), "recipe-out-of-range", ("level_db", "200")),
        (lambda d: d["sources"][0].update(effects=[3]), "unknown-effect", "3"),
        (lambda d: d["render"].update(tempo=3), "invalid-recipe", ("render", "tempo", "[]")),
    ],
)
def test_bad_recipes_are_refused(toy: Catalog, change, code: str, mentions: object) -> None:  # type: ignore[no-untyped-def]
    data = sample_recipe(toy, MixConfig(), 0, 0, 0).encode()
    change(data)
    with raises(RecipeError, code=code, mentions=mentions):
        MixRecipe.from_json(json.dumps(data))


def test_text_that_is_no_json_is_refused() -> None:
    with raises(RecipeError, code="invalid-recipe"):
        MixRecipe.from_json("{")
    with raises(RecipeError, code="invalid-recipe", mentions=("JSON", "list")):
        MixRecipe.from_json("[]")


@pytest.mark.parametrize(
    ("values", "code", "mentions"),
    [
        ({"p_musical": 1.2}, "invalid-setting", ("mix.p_musical", "0", "1", "1.2")),
        (
            {"min_sources": 4, "max_sources": 2},
            "invalid-setting",
            ("1", "min_sources", "max_sources", "1000", "4", "2"),
        ),
        ({"duration_s": 0.0}, "invalid-setting", ("mix.duration_s", "0.1", "600", "0.0")),
        ({"sample_rate": 16}, "invalid-setting", "mix.sample_rate"),
        ({"channels": 3}, "invalid-setting", ("mix.channels", "1", "2", "3")),
        ({"min_active_s": 5.0}, "invalid-setting", ("mix.min_active_s", "duration_s", "5.0")),
        ({"audible_db": 3.0}, "invalid-setting", "mix.audible_db"),
        ({"bleed": "some"}, "invalid-setting", ("exclude", "musical_only", "allow", "some", "mix.bleed")),
        ({"corpus_weights": {"a": -1.0}}, "invalid-setting", "mix.corpus_weights"),
        ({"engine": "sox"}, "unknown-engine", "sox"),
    ],
)
def test_bad_settings_are_refused(values: dict[str, object], code: str, mentions: object) -> None:
    with raises(ConfigError, code=code, mentions=mentions):
        MixConfig(**values)  # type: ignore[arg-type]


NUMBERS = [f for f in fields(MixConfig) if f.type in (int, float)]
"""Every field of the configuration that is a number."""


@pytest.mark.parametrize("field", fields(MixConfig), ids=lambda f: f.name)
@pytest.mark.parametrize(
    "value", [None, "x", float("nan"), float("inf"), [1, {}], {"x": "y"}, object(), -1e9, b"x"]
)
def test_no_field_takes_a_value_of_another_kind(field: Field[object], value: object) -> None:
    with pytest.raises((ConfigError, TaxonomyError), match=f"(?i){field.name.replace('_', '.')}") as caught:
        MixConfig(**{field.name: value})  # type: ignore[arg-type]
    assert caught.value.code in (
        "invalid-setting",
        "unknown-setting",
        "unknown-engine",
        "plugin-not-found",
        "invalid-plugin-name",
    )


@pytest.mark.parametrize("field", NUMBERS, ids=lambda f: f.name)
@pytest.mark.parametrize("value", ["4", True, 1e308, -1e308, pytest.param(10**400, id="huge"), 1 + 2j, [4.0]])
def test_numbers_are_numbers_within_their_range(field: Field[object], value: object) -> None:
    with raises(ConfigError, code="invalid-setting", mentions=(field.name,)):
        MixConfig(**{field.name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "code", "mentions"),
    [
        ({"sample_rate": 16000.5}, "invalid-setting", ("mix.sample_rate", "16000.5")),
        ({"full": 1}, "invalid-setting", ("mix.full", "1")),
        ({"full": "no"}, "invalid-setting", ("no", "mix.full")),
        ({"corpora": "medleydb"}, "invalid-setting", ("texts", "medleydb", "mix.corpora")),
        ({"corpora": [5]}, "invalid-setting", ("mix.corpora", "5")),
        ({"corpus_weights": {"a": "2"}}, "invalid-setting", ("2", "mix.corpus_weights.a")),
        ({"corpus_weights": {5: 2}}, "invalid-setting", ("name", "mix.corpus_weights", "5")),
        ({"corpus_weights": [("a", 1)]}, "invalid-setting", "mix.corpus_weights"),
        ({"level": "Loudness"}, "invalid-setting", ("as_recorded", "loudness", "Loudness", "mix.level")),
        ({"effects": {"gian": {}}}, "unknown-setting", ("gian", "gain", "mix.effects")),
        ({"effects": {"gain": {"P": 0}}}, "unknown-setting", ("p", "db", "P", "effects.gain")),
        (
            {"effects": {"gain": None}},
            "invalid-setting",
            ("effects.gain", "GainRange"),
        ),
        ({"effects": {"gain": {"p": "1"}}}, "invalid-setting", ("1", "effects.gain.p")),
        ({"effects": {"gain": {"db": 3}}}, "invalid-setting", ("effects.gain.db", "2", "3")),
        ({"effects": {"gain": {"db": [1, 2, 3]}}}, "invalid-setting", ("effects.gain.db", "2")),
        ({"effects": {"gain": {"db": [6, -6]}}}, "invalid-setting", "effects.gain.db"),
        ({"effects": {"gain": {"db": ["-6", 6]}}}, "invalid-setting", ("-6", "effects.gain.db")),
        ({"effects": {"filter": {"kinds": "peak"}}}, "invalid-setting", "effects.filter.kinds"),
        ({"effects": {"filter": {"q": [0.5, float("nan")]}}}, "invalid-setting", "effects.filter.q"),
        ({"effects": {"pitch_shift": {"p": 2}}}, "invalid-setting", ("effects.pitch_shift.p", "0")),
        ({"effects": {"time_stretch": {"rate": (0, 2)}}}, "invalid-setting", "effects.time_stretch.rate"),
        ({"effects": GainRange()}, "invalid-setting", ("mix.effects", "EffectsConfig", "gain")),
        ({"effects": EffectsConfig}, "invalid-setting", ("mix.effects", "EffectsConfig")),
        ({"silence_db": -40.0}, "invalid-setting", "mix.silence_db"),
        ({"min_sources": 0}, "invalid-setting", ("1", "min_sources")),
    ],
)
def test_wrong_settings_are_named(values: dict[str, object], code: str, mentions: object) -> None:
    with raises(ConfigError, code=code, mentions=mentions):
        MixConfig(**values)  # type: ignore[arg-type]


def test_what_means_the_same_is_the_same_configuration() -> None:
    plain_values = MixConfig(
        duration_s=4.0, sample_rate=16000, p_musical=0.5, full=True, corpora=("a",),
        corpus_weights={"a": 2.0}, effects=EffectsConfig(gain=GainRange(p=0.0, db=(-6.0, 6.0))),
    )  # fmt: skip
    other = MixConfig(
        duration_s=4, sample_rate=16000.0, p_musical=np.float64(0.5), full=np.bool_(True), corpora=["a"],
        corpus_weights={"a": np.int64(2)}, effects={"gain": {"p": 0, "db": [-6, np.float32(6)]}},
    )  # type: ignore[arg-type]  # fmt: skip
    assert other == plain_values
    assert other.content_hash == plain_values.content_hash
    assert json.dumps(plain(other)) == json.dumps(plain(plain_values))


def test_the_hash_of_a_configuration_follows_its_values() -> None:
    config = MixConfig()
    assert config.content_hash == MixConfig().content_hash
    assert config.content_hash != replace(config, p_musical=0.5).content_hash
    assert config.content_hash != config.for_evaluation().content_hash


OWN = """
outputs:
- name: any bass
  nodes: [electric-bass, synth-bass, double-bass]
- {name: violin, nodes: [violin]}
"""
SAME = (
    "# the same, written otherwise\noutputs: [{nodes: [electric-bass, synth-bass, double-bass],\n"
    "  name: 'any bass'}, {nodes: [violin], name: violin}]"
)


def test_a_label_set_of_ones_own_travels_with_configuration_and_recipe(
    toy: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "own.yaml").write_text(OWN)
    (tmp_path / "there" / "copy.yml").write_text(SAME)
    monkeypatch.chdir(tmp_path)
    paths = ["own.yaml", "./own.yaml", str(tmp_path / "own.yaml"), "there/copy.yml", "there/../own.yaml"]
    configs = [MixConfig(label_set=path) for path in paths]
    recipes = [sample_recipe(toy, config, 0, 0, 0) for config in configs]
    texts = [recipe.to_json() for recipe in recipes]
    targets = [render_mix(recipe, toy).target.tolist() for recipe in recipes]
    assert len({config.content_hash for config in configs}) == 1
    assert len({config.for_evaluation().content_hash for config in configs}) == 1
    assert len({recipe.content_hash for recipe in recipes}) == 1
    states = [MixDataset(toy, config, epoch_size=32).content_hash for config in configs]
    assert len(set(states)) == 1

    (tmp_path / "own.yaml").unlink()
    monkeypatch.chdir(tmp_path / "there")
    for config, recipe, text, target in zip(configs, recipes, texts, targets, strict=True):
        read = MixRecipe.from_json(text)
        assert (read, read.content_hash) == (recipe, recipe.content_hash)
        assert render_mix(read, toy).target.tolist() == target
        assert render_mix(read, toy).labels.names == ("any bass", "violin")
        assert MixConfig(**yaml.safe_load(yaml.safe_dump(plain(config)))) == config
    held = json.loads(texts[0])["render"]["label_set"]
    assert held == {"name": "own", "outputs": yaml.safe_load(OWN)["outputs"]}


def test_a_label_set_may_be_given_as_a_path_object(tmp_path: Path) -> None:
    path = tmp_path / "Own.YAML"
    path.write_text(OWN)
    config = MixConfig(label_set=path)  # type: ignore[arg-type]
    assert config.label_set == MixConfig(label_set=str(path)).label_set
    assert config.label_set.startswith('{"name": "Own"')


def test_another_label_set_is_another_stream(toy: Catalog, tmp_path: Path) -> None:
    hashes = {MixConfig().content_hash}
    for number, text in enumerate([OWN, OWN.replace("[violin]", "[viola]"), OWN.replace("any bass", "bass")]):
        (tmp_path / f"{number}.yaml").write_text(text)
        hashes.add(MixConfig(label_set=str(tmp_path / f"{number}.yaml")).content_hash)
    assert len(hashes) == 4


def test_a_recipe_of_a_shipped_label_set_holds_its_name(toy: Catalog) -> None:
    recipe = sample_recipe(toy, MixConfig(label_set="openmic20"), 0, 0, 0)
    assert recipe.encode()["render"]["label_set"] == "openmic20"
    assert len(recipe.to_json()) < 2500


@pytest.mark.parametrize(
    ("held", "mentions"),
    [
        ({"outputs": [{"name": "a", "nodse": []}]}, ("nodse", "nodes")),
        ({"outputs": []}, "outputs"),
        ({}, "outputs"),
        (7, ("label_set", "7")),
        ("nowhere.yaml", "nowhere.yaml"),
    ],
)
def test_a_bad_label_set_in_a_recipe_is_refused(toy: Catalog, held: object, mentions: object) -> None:
    data = sample_recipe(toy, MixConfig(), 0, 0, 0).encode()
    data["render"]["label_set"] = held
    with raises(RecipeError, code="invalid-recipe", mentions=mentions):
        MixRecipe.decode(data)


def test_a_mix_id_names_the_audio_and_nothing_else() -> None:
    """It stays for another place in the stream and other labels, and changes with whatever is heard."""
    render = MixConfig().render_settings()
    recipe = MixRecipe("c" * 16, 0, 1, 2, 0, "test", "a", "musical", (SourceRecipe("a/b/c", 0.5),), render)
    assert re.fullmatch("[0-9a-f]{16}", recipe.mix_id)
    assert MixRecipe.from_json(recipe.to_json()).mix_id == recipe.mix_id
    labelled = replace(render, label_rule="audible", audible_db=-3.0, uncertain="absent", min_active_s=0.0)
    for same in (
        replace(recipe, seed=7, epoch=0, index=5, attempt=1, split="train"),
        replace(recipe, render=labelled),
        replace(recipe, render=replace(render, label_set="openmic20", label_hash="0" * 16)),
    ):
        assert same.mix_id == recipe.mix_id
        assert same.content_hash != recipe.content_hash
    others = [
        replace(recipe, catalog_hash="d" * 16),
        replace(recipe, sources=(SourceRecipe("a/b/c", 0.52),)),
        replace(recipe, sources=(SourceRecipe("a/b/c", 0.5, level_db=1.0),)),
        replace(recipe, sources=(*recipe.sources, SourceRecipe("a/b/d", 0.5))),
        replace(recipe, sources=(*recipe.sources, SourceRecipe("a/b/d", 0.5, snr_db=3.0))),
        replace(recipe, effects=(Gain(3.0),)),
        replace(recipe, mixture_lufs=-20.0),
        replace(recipe, sources=(), noise=NoiseFloor(-50.0, 0.0, 1)),
        replace(recipe, sources=(), noise=NoiseFloor(-50.0, 0.0, 2)),
        replace(recipe, render=replace(render, duration_s=2.0)),
        replace(recipe, render=replace(render, peak_limit=0.0)),
    ]
    assert len({recipe.mix_id, *(other.mix_id for other in others)}) == 1 + len(others)
