"""Matched mixes: other songs, within the budgets, on one grid of beats and in one key; nothing else moves."""

import math
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mixlab.audio.tempo_key import Beats, Key
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.song_table import SONG_FILE, load_song_table
from mixlab.errors import CatalogError, ConfigError, RecipeError
from mixlab.mixing.config import KINDS, MatchingConfig, MixConfig
from mixlab.mixing.dataset import MixDataset
from mixlab.mixing.effects import PitchShift, TimeStretch
from mixlab.mixing.matching import beat_grid
from mixlab.mixing.recipe import MixRecipe, SourceRecipe
from mixlab.mixing.rendering import render_mix
from mixlab.mixing.sampler import RecipeSampler, sample_recipe
from mixlab.taxonomy.pitched import is_unpitched
from tests.errors import raises
from tests.toy import analysed_copy, write_songs

MATCHED = MixConfig(strategies={"matched": 1.0}, duration_s=2.0, p_single_source=0.0)


@pytest.fixture(scope="module")
def known(toy: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """The toy catalog with a table of its songs."""
    return analysed_copy(toy, tmp_path_factory.mktemp("known") / "catalog")


def song_of(source: SourceRecipe) -> tuple[str, str]:
    corpus, song, _ = source.stem.split("/")
    return corpus, song


def rate_of(source: SourceRecipe) -> float:
    return next((e.rate for e in source.effects if isinstance(e, TimeStretch)), 1.0)


def shift_of(source: SourceRecipe) -> float:
    return next((e.semitones for e in source.effects if isinstance(e, PitchShift)), 0.0)


def pitched(catalog: Catalog, source: SourceRecipe) -> bool:
    return not is_unpitched(catalog.column("nodes")[catalog.find(source.stem)])


@pytest.mark.parametrize("index", range(60))
def test_sources_are_of_different_songs_on_one_grid_of_beats_and_in_one_key(
    known: Catalog, index: int
) -> None:
    table, recipe = load_song_table(known), sample_recipe(known, MATCHED, 3, 0, index)
    assert recipe.kind == "matched"
    songs = [song_of(source) for source in recipe.sources]
    assert len(set(songs)) == len(songs)
    assert {corpus for corpus, _ in songs} == {recipe.corpus}
    assert (rate_of(recipe.sources[0]), shift_of(recipe.sources[0])) == (1.0, 0.0)
    key = None
    first = recipe.sources[0]
    own = np.array(table.songs[song_of(first)].beats.times_s) - first.start_s
    for source in recipe.sources:
        facts, rate, shift = table.songs[song_of(source)], rate_of(source), shift_of(source)
        assert 1 / 1.15 - 1e-9 <= rate <= 1.15 + 1e-9
        beats = (np.array(facts.beats.times_s) - source.start_s) / rate
        inside = [b[(b >= 0) & (b <= 2.0)] for b in (own, beats)]
        few, many = sorted(inside, key=len)
        # The excerpt starts on a grid of 20 ms, beats of the table are rounded to 0.1 ms.
        assert np.abs(few[:, None] - np.concatenate([many, [few[0] - 9]])[None]).min(axis=1).max() < 0.012
        if not pitched(known, source):
            assert shift == 0.0
            continue
        key = key or facts.key
        away = facts.key.scale + shift + facts.key.tuning - key.scale - key.tuning
        assert abs(away - 12 * round(away / 12)) < 0.021
        assert abs(shift - (key.tuning - facts.key.tuning)) <= 3 + 0.021


def test_matched_mixes_render_and_replay_to_the_same_bytes_without_the_table(
    known: Catalog, tmp_path: Path
) -> None:
    recipe = sample_recipe(known, MATCHED, 0, 0, 1)
    bare = tmp_path / "bare"
    shutil.copytree(known.path, bare, ignore=shutil.ignore_patterns(SONG_FILE))
    again = render_mix(MixRecipe.from_json(recipe.to_json()), Catalog.open(bare, roots=known.roots))
    assert np.array_equal(again.mixture, render_mix(recipe, known).mixture)
    assert again.mixture.any()


def test_relations_keep_copies_apart(known: Catalog) -> None:
    """Of songs that are one piece, a mix has one: here all songs are."""
    sampler = RecipeSampler(known, MATCHED)
    songs = known.column("song")
    for index in range(40):
        recipe = sampler.sample(0, 0, index)
        candidates = sampler._candidates["non_musical"][recipe.corpus]
        number = {songs[s.parts[0][0]]: n for n, s in enumerate(candidates.songs)}
        used: set[int] = set()
        for source in recipe.sources:
            own = number[song_of(source)[1]]
            assert own not in used
            used |= {own, *(n for corpus, n in candidates.songs[own].duplicates if corpus == recipe.corpus)}


def test_songs_that_are_not_known_well_enough_are_left_out(toy: Catalog, tmp_path: Path) -> None:
    catalog = analysed_copy(toy, tmp_path / "catalog")
    write_songs(catalog, beats=Beats(tuple(np.arange(0, 7, 0.5)), 120.0, 0.4))
    with raises(RecipeError, code="nothing-to-match", mentions=("mixlab analyse", "0.5")):
        RecipeSampler(catalog, MATCHED)
    RecipeSampler(catalog, replace(MATCHED, matched=MatchingConfig(min_confidence=0.3)))
    write_songs(catalog, beats=Beats(tuple(np.arange(0, 7, 0.5)), 120.0, 0.9), key=Key(0, "major", 0.2))
    recipes = [sample_recipe(catalog, MATCHED, 0, 0, index) for index in range(30)]
    assert not any(pitched(catalog, source) for recipe in recipes for source in recipe.sources)


def test_balance_and_other_corpora_keep_the_laws(known: Catalog) -> None:
    config = replace(MATCHED, balance=1.0, cross_corpus=True, max_sources=8)
    recipes = [sample_recipe(known, config, 0, 0, index) for index in range(40)]
    for recipe in recipes:
        songs = [song_of(source) for source in recipe.sources]
        assert len(set(songs)) == len(songs)
    assert max(len({song_of(s)[0] for s in recipe.sources}) for recipe in recipes) == 2
    assert max(len(recipe.sources) for recipe in recipes) > 3


def test_lengths_vary_and_classes_one_by_one_are_refused(known: Catalog) -> None:
    recipes = [sample_recipe(known, replace(MATCHED, min_duration_s=1.0), 0, 0, index) for index in range(30)]
    assert len({recipe.render.duration_s for recipe in recipes}) > 5
    for recipe in recipes:
        for source in recipe.sources:
            _, song = song_of(source)
            assert source.start_s + recipe.render.duration_s * rate_of(source) < 7.2, song
    with raises(ConfigError, code="conflicting-settings", mentions="mix.one_of_each"):
        RecipeSampler(known, replace(MATCHED, one_of_each=True))


def test_two_shares_are_what_p_musical_is(known: Catalog) -> None:
    two = MixConfig(strategies={"musical": 0.3, "non_musical": 0.7}, duration_s=2.0)
    one = MixConfig(p_musical=0.3, duration_s=2.0)
    for index in range(40):
        assert sample_recipe(known, two, 0, 0, index) == sample_recipe(known, one, 0, 0, index)


def test_a_share_that_grows_moves_no_other_item(known: Catalog) -> None:
    def kinds(matched: float) -> list[str]:
        shares = {"musical": 0.4, "matched": matched, "non_musical": 0.6 - matched}
        sampler = RecipeSampler(known, replace(MATCHED, strategies=shares))
        return [sampler.sample(0, 0, index).kind for index in range(200)]

    none, some, all_ = kinds(0.0), kinds(0.3), kinds(0.6)
    assert set(some) == set(KINDS)
    assert [k == "musical" for k in none] == [k == "musical" for k in some] == [k == "musical" for k in all_]
    for before, after in zip(none, some, strict=True):
        assert after == before or (before, after) == ("non_musical", "matched")


def test_hashes_stay_without_matched_mixes_and_hold_the_table_with_them(known: Catalog, toy: Catalog) -> None:
    assert MixConfig(strategies={}, matched=MatchingConfig()).content_hash == MixConfig().content_hash
    assert known.content_hash == toy.content_hash
    plain = [MixDataset(c, MixConfig(duration_s=2.0)).content_hash for c in (known, toy)]
    assert plain[0] == plain[1]
    table = load_song_table(known).content_hash
    assert table in MixDataset(known, MATCHED).content_hash
    assert table not in MixDataset(known, MATCHED, split="validation").content_hash


def test_a_catalog_without_a_table_names_the_command(toy: Catalog, tmp_path: Path) -> None:
    with raises(CatalogError, code="songs-not-analysed", mentions=f"mixlab analyse {toy.path}"):
        RecipeSampler(toy, MATCHED)
    with raises(CatalogError, code="songs-not-analysed", mentions="mixlab analyse"):
        sample_recipe(toy, MixConfig(duration_s=2.0), 0, 0, 0, kind="matched")
    sample_recipe(toy, MixConfig(duration_s=2.0), 0, 0, 0)


@pytest.mark.parametrize(
    ("settings", "code", "mentions"),
    [
        ({"strategies": {"musical": 0.5}}, "invalid-setting", "add up to 1"),
        ({"strategies": {"musical": 1.5, "matched": -0.5}}, "invalid-setting", "mix.strategies"),
        ({"strategies": {"musical": 0.5, "random": 0.5}}, "unknown-setting", ("'random'", "non_musical")),
        (
            {"strategies": {"matched": 1.0}, "p_musical": 0.7},
            "conflicting-settings",
            ("0.7", "mix.p_musical"),
        ),
        ({"matched": {"max_stretch": 0.5}}, "invalid-setting", ("mix.matched.max_stretch", "0.5")),
        ({"matched": {"max_semitones": 7}}, "invalid-setting", ("mix.matched.max_semitones", "7")),
    ],
)
def test_strategies_that_cannot_be_are_refused(settings: dict, code: str, mentions: object) -> None:
    with raises(ConfigError, code=code, mentions=mentions):
        MixConfig(**settings)


def test_evaluation_is_musical_whatever_the_strategies() -> None:
    assert MATCHED.for_evaluation().shares == {"musical": 1.0, "non_musical": 0.0, "matched": 0.0}


def test_a_grid_is_the_regression_line_of_beats_and_none_where_they_are_uneven() -> None:
    rng = np.random.default_rng(0)
    beats = 0.3 + 0.5 * np.arange(40) + rng.normal(0.0, 0.004, 40)
    grid = beat_grid(beats, 10.0, 4.0)
    assert grid is not None
    assert abs(grid[1] - 0.5) < 0.003
    assert abs((grid[0] - 0.3) / 0.5 - round((grid[0] - 0.3) / 0.5)) < 0.01
    assert beat_grid(np.delete(beats, 19), 10.0, 4.0) is None
    assert beat_grid(beats[:4], 1.0, 4.0) is None
    assert beat_grid(beats, 60.0, 4.0) is None


@pytest.mark.slow
def test_sampling_takes_less_than_a_millisecond_at_25000_stems() -> None:
    from benchmarks.big import make_big_catalog, write_big_songs

    catalog = Catalog.open(make_big_catalog(25_000))
    write_big_songs(catalog)
    sampler = RecipeSampler(catalog, replace(MATCHED, duration_s=4.0, strategies={"matched": 1.0}))
    sampler.sample(0, 0, 0)
    spent = []
    for index in range(500):
        begin = time.thread_time()
        sampler.sample(0, 0, index)
        spent.append(time.thread_time() - begin)
    assert math.isfinite(sum(spent))
    assert np.median(spent) < 1e-3
