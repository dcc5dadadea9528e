"""Counterparts, dry forms, searches, spectrograms and label trees of mixes."""

import io
import zipfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from mixlab import Catalog, MixConfig, MixRecipe, render_mix, sample_recipe
from mixlab.errors import ConfigError
from mixlab.mixing.preview import (
    MEL_BANDS,
    active_spans,
    find_classes,
    holds_classes,
    label_tree,
    loudness_lufs,
    mel_image,
    other_kinds,
    without_effects,
    zip_mix,
)
from mixlab.taxonomy import load_taxonomy
from tests.errors import raises
from tests.toy import make_own_catalog, steady

RATE = 16000


@pytest.fixture(scope="module")
def recipe(toy: Catalog) -> MixRecipe:
    """A recipe in which every source has an effect, and one has two."""
    for index in range(300):
        sampled = sample_recipe(toy, MixConfig(), 0, 0, index, kind="non_musical")
        counts = [len(source.effects) for source in sampled.sources]
        if len(counts) > 1 and min(counts) >= 1 and counts[0] >= 2:
            return sampled
    raise AssertionError("no such recipe in 300")


def test_leaving_out_effects_leaves_all_else(recipe: MixRecipe, toy: Catalog) -> None:
    dry = without_effects(recipe)
    assert all(source.effects == () for source in dry.sources)
    assert [(s.stem, s.start_s, s.level_db) for s in dry.sources] == [
        (s.stem, s.start_s, s.level_db) for s in recipe.sources
    ]
    assert without_effects(dry) == dry
    assert render_mix(dry, toy).recipe == dry


def test_only_the_named_effects_are_left_out(recipe: MixRecipe) -> None:
    less = without_effects(recipe, [(0, 1), (0, 1), (7, 0)])
    assert less.sources[0].effects == (recipe.sources[0].effects[:1] + recipe.sources[0].effects[2:])
    assert less.sources[1:] == recipe.sources[1:]
    assert without_effects(recipe, []) == recipe


def test_the_twin_of_a_twin_is_the_first() -> None:
    assert other_kinds("musical") == ("non_musical", "matched")
    assert other_kinds("matched") == ("musical", "non_musical")
    assert other_kinds("non_musical") == ("musical", "matched")


@pytest.mark.parametrize("step", [1, -1])
def test_the_nearest_index_with_a_class_is_found(toy: Catalog, step: int) -> None:
    config, start = MixConfig(), 40
    found = find_classes(toy, config, ["violin"], seed=3, start=start, step=step)
    assert found is not None
    passed = range(start, found, step)
    sampled = [
        holds_classes(sample_recipe(toy, config, 3, 0, index), toy, ["violin"]) for index in (*passed, found)
    ]
    assert sampled == [False] * len(passed) + [True]
    assert render_mix(sample_recipe(toy, config, 3, 0, found), toy).target[10] == 1.0


def test_a_search_finds_a_class_that_holds_whatever_a_stem_can_be(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        "outputs: [{name: bass, nodes: [electric-bass, synth-bass, double-bass]}, "
        "{name: e, nodes: [electric-bass]}]"
    )
    catalog = make_own_catalog(tmp_path, [{"song": "a", "label": "bass", "audio": steady(60, 6)}])
    recipe = sample_recipe(catalog, MixConfig(label_set=str(own)), 0, 0, 0)
    assert [holds_classes(recipe, catalog, [name]) for name in ("bass", "e")] == [True, False]


def test_all_of_what_is_asked_for_is_held(toy: Catalog) -> None:
    recipes = [sample_recipe(toy, MixConfig(), 0, 0, index) for index in range(30)]
    names = ("violin", "key", "bowed-string")
    held = [[holds_classes(recipe, toy, [name]) for name in names] for recipe in recipes]
    assert [holds_classes(recipe, toy, names) for recipe in recipes] == [all(one) for one in held]
    assert any(map(all, held))
    assert any(any(one) and not all(one) for one in held)
    assert all(one[2] for one in held if one[0])  # a violin is a bowed string, whose node has another name


def test_a_search_ends(toy: Catalog) -> None:
    assert find_classes(toy, MixConfig(), ["synth"], seed=0, start=0, tries=20) is None
    assert find_classes(toy, MixConfig(), ["synth"], seed=0, start=2, step=-1) is None
    with raises(ConfigError, code="unknown-class", mentions="kazoo"):
        find_classes(toy, MixConfig(), ["kazoo"], seed=0, start=0)


def test_a_tone_lights_up_its_own_band() -> None:
    rows = []
    for hertz in (100.0, 400.0, 1600.0, 6400.0):
        tone = np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE).astype(np.float32)[None]
        image = mel_image(tone, RATE)
        assert image.dtype == np.uint8
        assert image.shape[0] == MEL_BANDS
        assert image.max() == 255
        rows.append(int(image[:, image.shape[1] // 2].argmax()))
    assert rows == sorted(set(rows))
    mel = 2595.0 * np.log10(1.0 + np.array([30.0, 1600.0, RATE / 2]) / 700.0)
    assert rows[2] == pytest.approx(MEL_BANDS * (mel[1] - mel[0]) / (mel[2] - mel[0]), abs=2)


def test_pictures_do_not_depend_on_level_and_stay_small() -> None:
    noise = np.random.default_rng(1).standard_normal((2, 60 * RATE)).astype(np.float32)
    image = mel_image(noise[:, :RATE], RATE)
    assert np.array_equal(image, mel_image(0.25 * noise[:, :RATE], RATE))
    assert mel_image(noise, RATE).shape[1] <= 802
    assert not mel_image(np.zeros((1, RATE), dtype=np.float32), RATE).any()


def test_doubling_is_six_decibels_louder() -> None:
    noise = 0.1 * np.random.default_rng(1).standard_normal((1, 2 * RATE)).astype(np.float32)
    assert loudness_lufs(2 * noise, RATE) - loudness_lufs(noise, RATE) == pytest.approx(6.02, abs=0.01)
    assert np.isnan(loudness_lufs(np.zeros((1, RATE), dtype=np.float32), RATE))


def test_spans_cover_what_sounds(recipe: MixRecipe, toy: Catalog) -> None:
    for index in range(12):
        for source in render_mix(sample_recipe(toy, MixConfig(), 0, 0, index), toy).sources:
            spans = active_spans(source, 4.0)
            assert sum(end - start for start, end in spans) == pytest.approx(source.active_s)
            assert all(0.0 <= start < end <= 4.0 for start, end in spans)
            assert all(a[1] < b[0] for a, b in pairwise(spans))


@pytest.mark.parametrize("label_set", ["mixtures15", "irmas11", "openmic20"])
def test_the_tree_says_what_the_labels_say(toy: Catalog, label_set: str) -> None:
    for index in range(6):
        mix = render_mix(sample_recipe(toy, MixConfig(label_set=label_set), 0, 0, index), toy)
        rows = label_tree(mix)
        scored = {row.name: (row.state, row.reason) for row in rows if row.scored}
        assert scored == {said.name: (said.state, said.reason) for said in mix.explain()}
        assert all(row.reason for row in rows)


def test_the_tree_is_closed_under_parents(toy: Catalog) -> None:
    names = {node.name: node for node in load_taxonomy().nodes.values()}
    for index in range(12):
        rows = label_tree(render_mix(sample_recipe(toy, MixConfig(), 0, 0, index), toy))
        line: list[str] = []
        for row in (row for row in rows if row.name in names):
            del line[row.depth :]
            assert len(line) == row.depth
            if row.state == "present":
                assert line == ["present"] * row.depth
            line.append(row.state)


def test_the_archive_repeats_byte_for_byte(recipe: MixRecipe, toy: Catalog) -> None:
    mix = render_mix(recipe, toy)
    first = zip_mix(mix)
    assert zip_mix(mix) == first
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        names = archive.namelist()
        assert MixRecipe.from_json(archive.read("recipe.json").decode()) == recipe
    assert {"mixture.wav", "labels.json"} < set(names)
    assert sum(name.startswith("source_") for name in names) == len(recipe.sources)
