"""What recipes must be, whatever the seed: pure, of one kind, within one split, where stems sound."""

import gc
import math
import weakref
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixlab.audio.io import HOP_S, write_wav
from mixlab.audio.loudness import loudness_lufs
from mixlab.catalog.build import build_catalog
from mixlab.catalog.catalog import Catalog
from mixlab.errors import RecipeError
from mixlab.mixing.config import MixConfig
from mixlab.mixing.dataset import MixDataset
from mixlab.mixing.effect_plan import total_rate
from mixlab.mixing.effects import PitchShift, TimeStretch
from mixlab.mixing.effects_config import EffectsConfig, GainRange, StretchRange
from mixlab.mixing.recipe import MixRecipe
from mixlab.mixing.rendering import render_mix
from mixlab.mixing.sampler import POSITION_GRID_S, RecipeSampler, sample_recipe
from tests.errors import raises
from tests.toy import RATE, make_corpus, make_own_catalog, steady

indices = st.integers(0, 10**9)


def songs(recipe: MixRecipe) -> list[str]:
    return [source.stem.rsplit("/", 1)[0] for source in recipe.sources]


@settings(max_examples=40)
@given(indices, st.integers(0, 50), st.integers(0, 2**62))
def test_drawing_is_pure(toy: Catalog, index: int, epoch: int, seed: int) -> None:
    again = Catalog.open(toy.path)
    assert sample_recipe(toy, MixConfig(), seed, epoch, index) == sample_recipe(
        again, MixConfig(), seed, epoch, index
    )


@settings(max_examples=60)
@given(indices)
def test_musical_means_one_song_one_position_and_different_parts(toy: Catalog, index: int) -> None:
    recipe = sample_recipe(toy, MixConfig(p_musical=1.0), 0, 0, index)
    assert recipe.kind == "musical"
    assert len(set(songs(recipe))) == 1
    assert len({source.start_s for source in recipe.sources}) == 1
    parts = [toy.stem(toy.find(source.stem)).part for source in recipe.sources]
    assert len(set(parts)) == len(parts)
    effects = [effect for source in recipe.sources for effect in source.effects]
    assert not any(isinstance(effect, (PitchShift, TimeStretch)) for effect in effects)


@settings(max_examples=60)
@given(indices, st.booleans(), st.floats(0, 1))
def test_non_musical_means_never_two_sources_of_one_song(
    toy: Catalog, index: int, cross_corpus: bool, balance: float
) -> None:
    config = MixConfig(p_musical=0.0, cross_corpus=cross_corpus, balance=balance, max_sources=12)
    recipe = sample_recipe(toy, config, 0, 0, index)
    assert recipe.kind == "non_musical"
    assert len(set(songs(recipe))) == len(recipe.sources)
    if not cross_corpus:
        assert {source.stem.split("/")[0] for source in recipe.sources} == {recipe.corpus}


@settings(max_examples=60)
@given(indices, st.sampled_from(["train", "validation", "test"]), st.floats(0, 1))
def test_a_mix_never_crosses_splits(toy: Catalog, index: int, split: str, p_musical: float) -> None:
    recipe = sample_recipe(toy, MixConfig(p_musical=p_musical), 0, 0, index, split=split)
    assert {toy.stem(toy.find(source.stem)).split for source in recipe.sources} == {split}


@settings(max_examples=60)
@given(indices, st.floats(0, 1), st.floats(0, 1))
def test_p_musical_flips_each_index_at_most_once(toy: Catalog, index: int, a: float, b: float) -> None:
    low, high = sorted((a, b))
    kinds = [sample_recipe(toy, MixConfig(p_musical=p), 0, 0, index).kind for p in (0.0, low, high, 1.0)]
    assert kinds[0] == "non_musical"
    assert kinds[-1] == "musical"
    assert kinds == sorted(kinds, key=("non_musical", "musical").index)


def test_switching_an_effect_off_draws_the_same_stems(toy: Catalog) -> None:
    config = MixConfig()
    without = replace(config, effects=EffectsConfig(gain=GainRange(p=0.0)))
    for index in range(50):
        one, other = sample_recipe(toy, config, 0, 0, index), sample_recipe(toy, without, 0, 0, index)
        assert [(s.stem, s.start_s) for s in one.sources] == [(s.stem, s.start_s) for s in other.sources]


@settings(max_examples=80)
@given(indices, st.floats(0.1, 2.0))
def test_excerpts_start_on_the_grid_and_stems_sound_in_them(
    toy: Catalog, index: int, min_active_s: float
) -> None:
    config = MixConfig(p_musical=0.0, duration_s=2.0, min_active_s=min_active_s)
    for source in sample_recipe(toy, config, 0, 0, index).sources:
        assert source.start_s / POSITION_GRID_S == pytest.approx(
            round(source.start_s / POSITION_GRID_S), abs=1e-6
        )
        i = toy.find(source.stem)
        read_s = config.duration_s * total_rate(source.effects)
        assert 0 <= source.start_s <= max(toy.stem(i).duration_s - read_s, 0) + 1e-6
        cumulative = toy.active_cumulative(i)
        first = math.ceil(source.start_s / HOP_S - 1e-6)
        last = min(math.floor((source.start_s + read_s) / HOP_S + 1e-6), len(cumulative) - 1)
        needed = math.ceil(min_active_s * total_rate(source.effects) / HOP_S - 1e-9)
        reachable = min(needed, int(cumulative[-1]), math.floor(read_s / HOP_S + 1e-9))
        # whole hops within the excerpt; one may be lost at either end to the grid
        assert int(cumulative[last]) - int(cumulative[first]) >= reachable - 2


@settings(max_examples=40)
@given(indices)
def test_musical_positions_are_those_where_most_chosen_stems_sound(toy: Catalog, index: int) -> None:
    config = MixConfig(p_musical=1.0, duration_s=1.0, min_active_s=0.5)
    recipe = sample_recipe(toy, config, 0, 0, index)

    def sounding(start_hop: int) -> int:
        counts = [toy.active_cumulative(toy.find(source.stem)) for source in recipe.sources]
        return sum(int(c[min(start_hop + 10, len(c) - 1)]) - int(c[start_hop]) >= 5 for c in counts)

    most = max(sounding(hop) for hop in range(60))
    start = int(recipe.sources[0].start_s / HOP_S + 1e-6)
    assert sounding(start) == most


def test_bleeding_stems_stay_out_of_non_musical_mixes_unless_allowed(toy: Catalog) -> None:
    def sampled(bleed: str, p_musical: float) -> set[bool]:
        config = MixConfig(p_musical=p_musical, bleed=bleed)  # type: ignore[arg-type]
        recipes = [sample_recipe(toy, config, 0, 0, index) for index in range(300)]
        return {toy.stem(toy.find(source.stem)).bleed for recipe in recipes for source in recipe.sources}

    assert sampled("musical_only", 0.0) == {False}
    assert sampled("musical_only", 1.0) == {False, True}
    assert sampled("exclude", 1.0) == {False}
    assert sampled("allow", 0.0) == {False, True}


def test_corpora_are_equally_likely_whatever_their_size_and_weights_shift_that(toy: Catalog) -> None:
    even = Counter(sample_recipe(toy, MixConfig(), 0, 0, i).corpus for i in range(2000))
    assert even["folder"] / 2000 == pytest.approx(0.5, abs=0.04)
    weighted = MixConfig(corpus_weights={"folder@two": 3.0})
    shifted = Counter(sample_recipe(toy, weighted, 0, 0, i).corpus for i in range(2000))
    assert shifted["folder@two"] / 2000 == pytest.approx(0.75, abs=0.04)
    only = MixConfig(corpora=("folder",))
    assert {sample_recipe(toy, only, 0, 0, i).corpus for i in range(50)} == {"folder"}


def test_single_sources_and_source_counts_follow_the_configuration(toy: Catalog) -> None:
    config = MixConfig(p_musical=0.0, p_single_source=0.3, min_sources=2, max_sources=4)
    counts = Counter(len(sample_recipe(toy, config, 0, 0, i).sources) for i in range(2000))
    assert set(counts) == {1, 2, 3, 4}
    assert counts[1] / 2000 == pytest.approx(0.3, abs=0.04)
    assert counts[3] / 2000 == pytest.approx(0.7 / 3, abs=0.04)


def test_full_takes_every_usable_stem_of_the_song(toy: Catalog) -> None:
    recipe = sample_recipe(toy, MixConfig(p_musical=1.0, full=True), 0, 0, 0)
    corpus, song, _ = recipe.sources[0].stem.split("/")
    rows = (toy.column("corpus") == corpus) & (toy.column("song") == song) & toy.column("drawable")
    assert sorted(s.stem for s in recipe.sources) == sorted(toy.column("key")[rows])


def test_balance_moves_from_uniform_songs_to_uniform_classes(toy: Catalog) -> None:
    def shares(balance: float) -> np.ndarray:
        config = MixConfig(p_musical=0.0, p_single_source=1.0, balance=balance, corpora=("folder",))
        recipes = [sample_recipe(toy, config, 0, 0, i) for i in range(2500)]
        counts = Counter(toy.stem(toy.find(r.sources[0].stem)).part for r in recipes)
        return np.array(sorted(counts.values())) / 2500

    assert shares(1.0).std() < shares(0.0).std()
    # eight cells, one per label of the toy band: each is sampled equally often
    np.testing.assert_allclose(shares(1.0), 1 / 8, atol=0.03)


def test_levels_by_loudness_are_those_of_the_sound_not_of_its_channels(tmp_path: Path) -> None:
    """One recording as mono, as two equal channels, at one side, and with sides that cancel in mono."""
    rng = np.random.default_rng(5)
    middle, sides = (0.1 * rng.standard_normal(8 * RATE).astype(np.float32) for _ in range(2))
    layouts = {
        "mono": [middle],
        "dual": [middle, middle],
        "loud": [4 * middle, 4 * middle],
        "panned": [2 * middle, 0 * middle],
        "wide": [middle + sides, middle - sides],
    }
    rows = []
    for name, channels in layouts.items():
        (tmp_path / "corpus" / name).mkdir(parents=True)
        write_wav(tmp_path / "corpus" / name / "violin.wav", np.stack(channels), RATE, subtype="FLOAT")
        rows.append(f"{name}/violin.wav,violin,{name},train")
    (tmp_path / "corpus" / "stems.csv").write_text("\n".join(["file,label,song,split", *rows, ""]))
    build_catalog(
        tmp_path / "catalog", {"folder": tmp_path / "corpus"}, split="corpus", workers=1, progress=False
    )
    catalog = Catalog.open(tmp_path / "catalog")
    own = dict(zip(catalog.column("song"), catalog.column("loudness_lufs").tolist(), strict=True))
    assert [own[name] - own["mono"] for name in layouts] == pytest.approx([0, 0, 12.04, 0, 0], abs=0.02)

    def loudness(channels: int, level: str) -> dict[str, float]:
        config = MixConfig(
            level=level, target_lufs=-30.0, channels=channels, duration_s=8.0, sample_rate=RATE,
            p_musical=1.0, effects=EffectsConfig.none(),
        )  # type: ignore[arg-type]  # fmt: skip
        mixes = [render_mix(sample_recipe(catalog, config, 0, 0, i), catalog) for i in range(60)]
        return {m.sources[0].stem.split("/")[1]: loudness_lufs(m.mixture, RATE) for m in mixes}

    mono, stereo = loudness(1, "loudness"), loudness(2, "loudness")
    assert mono == pytest.approx(dict.fromkeys(layouts, -30.0), abs=0.05)
    assert stereo == pytest.approx(
        dict.fromkeys(layouts, -30.0) | {"panned": stereo["panned"], "wide": stereo["wide"]}, abs=0.05
    )
    # what lies at the sides is heard besides: here as loud as the middle
    assert [stereo[name] for name in ("panned", "wide")] == pytest.approx([-27.0, -27.0], abs=0.1)
    recorded = loudness(1, "as_recorded")
    assert recorded["mono"] == pytest.approx(recorded["dual"], abs=0.02)


def test_a_stem_too_short_to_have_a_loudness_keeps_its_level(tmp_path: Path) -> None:
    stems = [
        {"song": "a", "label": "violin", "audio": steady(440, 0.35), "gain": 0.5},
        {"song": "a", "label": "piano", "audio": steady(440, 5)},
    ]
    catalog = make_own_catalog(tmp_path, stems)
    levels = {}
    for channels in (1, 2):
        config = MixConfig(level="loudness", full=True, p_musical=1.0, channels=channels)
        levels[channels] = {s.stem[-5:]: s.level_db for s in sample_recipe(catalog, config, 0, 0, 0).sources}
    assert levels[1]["iolin"] == levels[2]["iolin"] == pytest.approx(-6.02, abs=0.01)
    assert levels[1]["piano"] - levels[2]["piano"] == pytest.approx(3.01, abs=0.001)


def test_balance_knows_a_class_that_holds_whatever_a_stem_can_be(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        "outputs:\n- {name: bass, nodes: [electric-bass, synth-bass, double-bass]}\n"
        "- {name: electric bass, nodes: [electric-bass]}\n- {name: bowed, nodes: [bowed-string]}\n"
        "- {name: violin, nodes: [violin]}\n"
    )
    labels = ["bass", "electric bass", "violin", "violin", "violin", "violin"]
    stems = [{"song": f"s{n}", "label": x, "audio": steady(220, 6)} for n, x in enumerate(labels)]
    catalog = make_own_catalog(tmp_path, stems)
    config = MixConfig(p_musical=0.0, p_single_source=1.0, balance=1.0, label_set=str(own))
    songs = Counter(
        sample_recipe(catalog, config, 0, 0, i).sources[0].stem.split("/")[1] for i in range(1200)
    )
    # three cells: the bass of some kind, the electric bass, and all violins
    assert songs["s0"] / 1200 == pytest.approx(1 / 3, abs=0.05)
    assert songs["s1"] / 1200 == pytest.approx(1 / 3, abs=0.05)


def test_loudness_levels_are_capped_upwards(toy: Catalog) -> None:
    config = MixConfig(level="loudness", target_lufs=-5.0, max_gain_db=6.0)
    levels = {s.level_db for i in range(50) for s in sample_recipe(toy, config, 0, 0, i).sources}
    assert levels == {6.0}
    soft = MixConfig(level="loudness", target_lufs=-30.0)
    recipe = sample_recipe(toy, soft, 0, 0, 0)
    for source in recipe.sources:
        assert source.level_db == pytest.approx(
            -30.0 - toy.stem(toy.find(source.stem)).loudness_lufs, abs=1e-4
        )


def test_another_activity_threshold_decides_what_can_be_sampled(tmp_path: Path) -> None:
    stems = [
        {"song": "a", "label": "violin", "audio": steady(440, 6, -30)},
        {"song": "b", "label": "piano", "audio": steady(440, 6, -57)},
    ]
    catalog = make_own_catalog(tmp_path, stems)

    def sampled(activity_db: float) -> set[str]:
        config = MixConfig(p_musical=0.0, activity_db=activity_db)
        return {
            s.stem.split("/")[1] for i in range(40) for s in sample_recipe(catalog, config, 0, 0, i).sources
        }

    assert sampled(-50.0) == {"a"}
    assert sampled(-60.0) == {"a", "b"}
    with raises(RecipeError, code="nothing-to-sample", mentions="train"):
        sampled(-20.0)


def test_excerpts_do_not_pile_up_at_the_ends_of_a_file(tmp_path: Path) -> None:
    catalog = make_own_catalog(tmp_path, [{"song": "a", "label": "violin", "audio": steady(440, 15)}])
    config = MixConfig(p_musical=0.0, effects=EffectsConfig.none())
    starts = [sample_recipe(catalog, config, 0, 0, i).sources[0].start_s for i in range(4000)]
    # 551 positions from 0 to 11 s; a uniform sample would hit each of them 7 times
    assert starts.count(0.0) < 120
    assert starts.count(11.0) < 120
    assert max(starts) <= 11.0


def test_a_stem_with_a_single_hit_is_placed_on_it_in_both_kinds(tmp_path: Path) -> None:
    audio = np.zeros(30 * RATE)
    audio[20 * RATE : 20 * RATE + RATE // 20] = 0.5
    stems = [
        {"song": "a", "label": "crash cymbal", "audio": audio},
        {"song": "b", "label": "violin", "audio": steady(440, 5)},
    ]
    catalog = make_own_catalog(tmp_path, stems)
    for p_musical in (0.0, 1.0):
        config = MixConfig(p_musical=p_musical, effects=EffectsConfig.none())
        sources = [
            s for i in range(200) for s in sample_recipe(catalog, config, 0, 0, i).sources if "/a/" in s.stem
        ]
        assert len(sources) > 50
        assert all(16.0 <= source.start_s <= 20.0 for source in sources)


def test_stems_that_start_late_stay_together_to_the_sample(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    audio = 0.2 * rng.standard_normal(12 * RATE)
    late = round(0.013 * RATE)
    stems = [
        {"song": "a", "label": "violin", "audio": audio},
        {"song": "a", "label": "piano", "audio": -audio[late:], "offset_s": late / RATE},
    ]
    catalog = make_own_catalog(tmp_path, stems)
    config = MixConfig(p_musical=1.0, effects=EffectsConfig.none(), sample_rate=RATE, full=True)
    for index in range(10):
        mix = render_mix(sample_recipe(catalog, config, 0, 0, index), catalog)
        assert len(mix.sources) == 2
        assert np.abs(mix.mixture[0, late:]).max() < 1e-6  # they cancel


def test_two_songs_that_are_one_piece_are_never_mixed(tmp_path: Path) -> None:
    # The same song by the same artist in two corpora: its groups tie them together.
    stems = [
        {"song": f"song{n}", "label": label, "audio": steady(440, 5), "artist": "X", "title": title}
        for n, (label, title) in enumerate([("violin", "Waltz"), ("piano", "Polka")])
    ]
    catalog = make_own_catalog(tmp_path / "one", stems)
    more = [{"song": "other", "label": "trumpet", "audio": steady(330, 5), "artist": "X", "title": "Waltz"}]
    make_own_catalog(tmp_path / "two", more)
    roots = {"folder": catalog.roots["folder"], "folder@two": tmp_path / "two" / "own"}
    build_catalog(tmp_path / "both", roots, split="corpus", workers=1, progress=False)
    both = Catalog.open(tmp_path / "both")
    keys = [set(groups) for groups in both.column("groups")]
    assert any(key.startswith("song:") for key in keys[0] & keys[2])
    config = MixConfig(p_musical=0.0, p_single_source=0.0, min_sources=3, max_sources=3, cross_corpus=True)
    for index in range(60):
        names = {source.stem.split("/")[1] for source in sample_recipe(both, config, 0, 0, index).sources}
        assert not {"song0", "other"} <= names


def test_a_stem_shorter_than_the_excerpt_is_sampled_from_its_start(tmp_path: Path) -> None:
    catalog = make_own_catalog(tmp_path, [{"song": "a", "label": "violin", "audio": steady(440, 1.5)}])
    for p_musical in (0.0, 1.0):
        config = MixConfig(p_musical=p_musical, effects=EffectsConfig.none(), short_songs="allow")
        recipe = sample_recipe(catalog, config, 0, 0, 0)
        assert recipe.sources[0].start_s == 0.0
        mix = render_mix(recipe, catalog)
        assert mix.mixture.shape == (1, 64000)
        assert mix.sources[0].active_s == pytest.approx(1.5, abs=0.11)
        assert mix.sources[0].state == "present"


def songs_of(lengths_s: dict[str, float]) -> list[dict[str, object]]:
    """Two stems a song, of which the second ends early."""
    return [
        {"song": song, "label": label, "audio": steady(440, seconds)}
        for song, length_s in lengths_s.items()
        for label, seconds in (("violin", length_s), ("piano", min(length_s, 1.0)))
    ]


@pytest.mark.parametrize("duration_s", [6.2, 10.0, 60.0])
def test_mixes_longer_than_every_song_are_refused(tmp_path: Path, duration_s: float) -> None:
    catalog = make_own_catalog(tmp_path, songs_of({"a": 3.0, "b": 6.0, "c": 5.0}))
    mentions = ("train", f"mix.duration_s={duration_s:g}", "3", "6.0", "mix.short_songs", "allow")
    for p_musical in (0.0, 1.0):
        with raises(RecipeError, code="songs-too-short", mentions=mentions):
            sample_recipe(catalog, MixConfig(p_musical=p_musical, duration_s=duration_s), 0, 0, 0)
    with raises(RecipeError, code="songs-too-short", mentions=mentions):
        MixDataset(catalog, MixConfig(duration_s=duration_s))
    allowed = MixConfig(duration_s=duration_s, short_songs="allow", effects=EffectsConfig.none())
    mixture = render_mix(sample_recipe(catalog, allowed, 0, 0, 0), catalog).mixture
    assert not mixture[:, round(6.05 * 16000) :].any()


def test_only_songs_as_long_as_a_mix_are_sampled_and_the_others_counted(tmp_path: Path) -> None:
    # one that lacks less than a hop of 100 ms is as long
    catalog = make_own_catalog(tmp_path, songs_of({"a": 3.0, "b": 6.0, "c": 5.0, "d": 4.95}))
    with pytest.warns(
        UserWarning, match=r"1 of 4 songs \(folder: 1 of 4\) of split 'train' are shorter than"
    ):
        sampler = RecipeSampler(catalog, MixConfig(duration_s=5.0, balance=0.5, p_single_source=0.0))
    sampled = {s.stem.split("/")[1] for i in range(200) for s in sampler.sample(0, 0, i).sources}
    assert sampled == {"b", "c", "d"}
    # a stem that ends before its song rests, and is sampled
    stems = {s.stem.split("_")[-1] for i in range(50) for s in sampler.sample(0, 0, i).sources}
    assert stems == {"violin", "piano"}
    with pytest.warns(UserWarning, match=r"3 of 4 songs"):
        sampler = RecipeSampler(catalog, MixConfig(duration_s=5.5))
    assert {s.stem.split("/")[1] for i in range(50) for s in sampler.sample(0, 0, i).sources} == {"b"}


def test_no_song_is_played_so_fast_that_it_ends_before_the_mix(tmp_path: Path) -> None:
    catalog = make_own_catalog(tmp_path, [{"song": "a", "label": "violin", "audio": steady(440, 4.4)}])
    fast = EffectsConfig.none()
    fast = replace(fast, time_stretch=StretchRange(p=1.0, rate=(0.5, 2.0)))
    recipes = [sample_recipe(catalog, MixConfig(p_musical=0.0, effects=fast), 0, 0, i) for i in range(60)]
    rates = [total_rate(recipe.sources[0].effects) for recipe in recipes]
    assert max(rates) == pytest.approx(1.1, abs=0.001)
    assert min(rates) < 0.6
    assert [r for r in rates if r < 1.09] == [
        total_rate(
            sample_recipe(catalog, MixConfig(p_musical=0.0, effects=fast, short_songs="allow"), 0, 0, i)
            .sources[0]
            .effects
        )
        for i in range(60)
        if rates[i] < 1.09
    ]
    fastest = render_mix(recipes[int(np.argmax(rates))], catalog)
    assert np.abs(fastest.mixture[0, -1600:-200]).max() > 0.05


def test_late_stems_count_for_the_length_of_their_song(tmp_path: Path) -> None:
    late = [
        {"song": "a", "label": "violin", "audio": steady(440, 3)},
        {"song": "a", "label": "piano", "audio": steady(440, 3), "offset_s": 5.0},
    ]
    assert sample_recipe(make_own_catalog(tmp_path, late), MixConfig(duration_s=8.0), 0, 0, 0).sources


def test_songs_that_are_long_enough_are_sampled_as_ever(toy: Catalog) -> None:
    full = [MixConfig(duration_s=length_s, effects=EffectsConfig.none()) for length_s in (7.0, 7.05)]
    for config in (MixConfig(), *full):
        either = [
            sample_recipe(toy, replace(config, short_songs=x), 0, 0, i)
            for x in ("exclude", "allow")
            for i in range(40)
        ]
        assert either[:40] == either[40:]


def test_a_misspelt_corpus_is_refused_wherever_it_stands(toy: Catalog) -> None:
    with raises(RecipeError, code="unknown-corpus", mentions=("medlydb", "mix.corpus_weights")):
        sample_recipe(toy, MixConfig(corpus_weights={"medlydb": 2.0}), 0, 0, 0)


def test_catalogs_are_freed_after_drawing(toy: Catalog) -> None:
    catalog = Catalog.open(toy.path)
    sample_recipe(catalog, MixConfig(), 0, 0, 0)
    alive = weakref.ref(catalog)
    del catalog
    gc.collect()
    assert alive() is None


def test_a_split_with_nothing_to_draw_is_an_error_that_counts(toy: Catalog) -> None:
    with raises(RecipeError, code="nothing-to-sample", mentions="holdout"):
        RecipeSampler(toy, MixConfig(), "holdout")
    with raises(RecipeError, code="unknown-corpus", mentions=("medleydb", "mix.corpora")):
        RecipeSampler(toy, MixConfig(corpora=("medleydb",)))


def test_a_corpus_of_one_song_gives_single_sources_and_musical_mixes(tmp_path: Path) -> None:
    make_corpus(tmp_path / "one", 1, seed=5)
    build_catalog(tmp_path / "catalog", {"folder": tmp_path / "one"}, workers=1, progress=False)
    catalog = Catalog.open(tmp_path / "catalog")
    split = str(catalog.column("split")[0])
    recipes = [sample_recipe(catalog, MixConfig(p_musical=0.0), 0, 0, i, split=split) for i in range(30)]
    assert {len(recipe.sources) for recipe in recipes} == {1}
    musical = [sample_recipe(catalog, MixConfig(p_musical=1.0), 0, 0, i, split=split) for i in range(30)]
    assert max(len(recipe.sources) for recipe in musical) == 4


def test_a_catalog_in_which_everything_bleeds_refuses_non_musical_mixes(tmp_path: Path) -> None:
    make_corpus(tmp_path / "one", 4, seed=5, bleed_every=1)
    rows = (
        (tmp_path / "one" / "stems.csv").read_text().replace(",no\n", ",yes\n").replace(",no\r\n", ",yes\r\n")
    )
    (tmp_path / "one" / "stems.csv").write_text(rows)
    build_catalog(tmp_path / "catalog", {"folder": tmp_path / "one"}, workers=1, progress=False)
    catalog = Catalog.open(tmp_path / "catalog")
    with raises(RecipeError, code="nothing-to-sample", mentions=("allow", "mix.p_musical", "1", "mix.bleed")):
        sample_recipe(catalog, MixConfig(p_musical=0.0), 0, 0, 0)
    assert sample_recipe(catalog, MixConfig(p_musical=1.0), 0, 0, 0).kind == "musical"


class Emptied(dict[object, object]):
    """Samplers that another thread throws away the moment after one of them was looked up."""

    def __contains__(self, key: object) -> bool:
        found = super().__contains__(key)
        self.clear()
        return found

    def get(self, key: object, default: object = None) -> object:
        found = super().get(key, default)
        self.clear()
        return found


def test_threads_that_sample_with_other_settings_take_no_sampler_away(toy: Catalog) -> None:
    config = MixConfig(p_musical=0.375)
    recipe = sample_recipe(toy, config, 0, 0, 7)
    kept = toy.derived["samplers"]
    toy.derived["samplers"] = Emptied(kept)
    try:
        assert sample_recipe(toy, config, 0, 0, 7) == recipe
        assert not toy.derived["samplers"]
    finally:
        toy.derived["samplers"] = kept
