"""What a rendered mix must be: the sum of its sources, sample-exact, labelled for what sounds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from mixlab.audio.io import HOP_S
from mixlab.audio.resampling import read_resampled
from mixlab.catalog.build import build_catalog
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.readers import CatalogReader
from mixlab.errors import AudioError, CatalogMismatchError, ConfigError
from mixlab.mixing.config import MixConfig
from mixlab.mixing.effects import Effect, Gain, LowShelf, Peak, PitchShift, TimeStretch
from mixlab.mixing.effects_config import EffectsConfig, FilterRange, GainRange, PitchRange, StretchRange
from mixlab.mixing.recipe import MixRecipe, SourceRecipe
from mixlab.mixing.rendering import Mix, render_mix
from mixlab.mixing.sampler import sample_recipe
from mixlab.taxonomy import load_taxonomy
from tests.errors import raises
from tests.toy import RATE, BrokenReader, make_corpus, make_own_catalog, steady

SILENT = EffectsConfig.none()


def recipe_of(toy: Catalog, *sources: SourceRecipe, **settings: object) -> MixRecipe:
    """A musical recipe over given sources."""
    base = sample_recipe(toy, MixConfig(p_musical=1.0, effects=SILENT, **settings), 0, 0, 0)  # type: ignore[arg-type]
    return replace(base, sources=sources)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1, 2]))
def test_the_mixture_is_the_sum_of_its_sources_sample_for_sample(
    toy: Catalog, index: int, channels: int
) -> None:
    mix = render_mix(sample_recipe(toy, MixConfig(channels=channels), 0, 0, index), toy)
    total = mix.sources[0].audio.copy()
    for source in mix.sources[1:]:
        total += source.audio
    np.testing.assert_array_equal(mix.mixture, total)
    assert mix.mixture.dtype == np.float32
    assert mix.mixture.shape == (channels, 64000)
    assert np.abs(mix.mixture).max() <= 1.0


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_rendering_has_no_randomness(toy: Catalog, index: int) -> None:
    recipe = sample_recipe(toy, MixConfig(), 0, 0, index)
    first, second = (
        render_mix(recipe, toy),
        render_mix(MixRecipe.from_json(recipe.to_json()), Catalog.open(toy.path)),
    )
    assert first.mixture.tobytes() == second.mixture.tobytes()
    np.testing.assert_array_equal(first.target, second.target)
    np.testing.assert_array_equal(first.mask, second.mask)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_untouched_stems_of_one_song_sum_to_its_linear_mix(toy: Catalog, index: int) -> None:
    config = MixConfig(p_musical=1.0, full=True, effects=SILENT, sample_rate=RATE, corpora=("folder",))
    recipe = sample_recipe(toy, config, 0, 0, index)
    mix = render_mix(recipe, toy)
    song = recipe.sources[0].stem.split("/")[1]
    root = toy.roots["folder"] / song
    whole = sum(soundfile.read(path, dtype="float32")[0] for path in sorted(root.glob("*.wav")))
    start = round(recipe.sources[0].start_s * RATE)
    expected = whole[start : start + 4 * RATE]
    if mix.scale_db:
        expected = expected * np.float32(10 ** (mix.scale_db / 20))
    np.testing.assert_allclose(mix.mixture[0], expected, atol=1e-6)


def test_a_resampled_excerpt_is_the_same_as_a_slice_of_the_resampled_file(toy: Catalog) -> None:
    stem = toy.find(str(toy.column("key")[0]))
    path = toy.audio_path(stem)
    frames = int(toy.column("frames")[stem])
    whole = read_resampled(path, RATE, frames, 0.0, round(frames / RATE * 16000), 16000, 1)
    excerpt = CatalogReader(toy).read(stem, 2.46, 32000, 16000, 1)
    first = round(2.46 * 16000)
    np.testing.assert_array_equal(excerpt, whole[:, first : first + 32000])


def test_six_decibels_double_a_source(toy: Catalog) -> None:
    key = str(toy.column("key")[1])
    plain = render_mix(recipe_of(toy, SourceRecipe(key, 1.0)), toy)
    louder = render_mix(recipe_of(toy, SourceRecipe(key, 1.0, 0.0, (Gain(6.0206),))), toy)
    levelled = render_mix(recipe_of(toy, SourceRecipe(key, 1.0, 6.0206)), toy)
    np.testing.assert_allclose(louder.mixture, 2 * plain.mixture, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(levelled.mixture, 2 * plain.mixture, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "effects", [(TimeStretch(1.25),), (TimeStretch(0.8),), (PitchShift(2.0), TimeStretch(1.25))]
)
def test_a_stretched_source_has_no_silent_tail(toy: Catalog, effects: tuple[Gain, ...]) -> None:
    # track 1 of every song sounds from start to end, and 7 s hold 4 s at any of these rates
    key = str(toy.column("key")[1])
    assert toy.stem(1).active_s == pytest.approx(7.0, abs=0.1)
    source = render_mix(recipe_of(toy, SourceRecipe(key, 1.0, 0.0, effects)), toy).sources[0]
    assert source.audio.shape == (1, 64000)
    tail = np.sqrt(np.mean(source.audio[0, -1600:] ** 2))
    body = np.sqrt(np.mean(source.audio[0, 1600:-1600] ** 2))
    assert tail > 0.8 * body
    assert source.active.all()


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**6))
def test_every_recorded_effect_changes_the_audio(toy: Catalog, index: int) -> None:
    every = EffectsConfig(GainRange(p=1.0), FilterRange(p=1.0), PitchRange(p=1.0), StretchRange(p=1.0))
    config = MixConfig(p_musical=0.0, p_single_source=1.0, effects=every, peak_limit=0.0)
    recipe = sample_recipe(toy, config, 0, 0, index)
    source = recipe.sources[0]
    assert len(source.effects) == 4
    complete = render_mix(recipe, toy).mixture
    for place in range(4):
        rest = tuple(effect for i, effect in enumerate(source.effects) if i != place)
        without = render_mix(replace(recipe, sources=(replace(source, effects=rest),)), toy).mixture
        change = np.sqrt(np.mean((complete - without) ** 2)) / np.sqrt(np.mean(complete**2) + 1e-12)
        assert change > 1e-4, source.effects[place]


@pytest.mark.parametrize("rate", [0.8, 1.25])
@pytest.mark.parametrize("effects", [(), (PitchShift(2.0),)])
def test_a_stretched_source_sounds_at_its_time(
    tmp_path: Path, rate: float, effects: tuple[Effect, ...]
) -> None:
    """What lies a second behind the start of an excerpt comes after ``1 / rate`` seconds of the mix."""
    audio = np.zeros(6 * RATE)
    audio[2 * RATE : 2 * RATE + 2000] = 0.5 * np.hanning(2000) * np.sin(np.arange(2000) * 0.3)
    catalog = make_own_catalog(tmp_path, [{"song": "a", "label": "violin", "audio": audio}])
    source = SourceRecipe(str(catalog.column("key")[0]), 1.0, 0.0, (*effects, TimeStretch(rate)))
    mix = render_mix(recipe_of(catalog, source, duration_s=3.0), catalog)
    power = np.square(mix.mixture[0], dtype=np.float64)
    found_s = np.arange(len(power)) @ power / power.sum() / mix.recipe.render.sample_rate
    expected_s = (1.0 + 1000 / RATE) / rate
    assert found_s == pytest.approx(expected_s, abs=0.002)


def test_a_loud_mixture_is_scaled_and_says_by_how_much(toy: Catalog) -> None:
    keys = [str(key) for key in toy.column("key")[:4]]
    sources = tuple(SourceRecipe(key, 0.5, 18.0) for key in keys)
    free = render_mix(recipe_of(toy, *sources, peak_limit=0.0), toy)
    limited = render_mix(recipe_of(toy, *sources), toy)
    peak = np.abs(free.mixture).max()
    assert peak > 1.0
    assert free.scale_db == 0.0
    assert np.abs(limited.mixture).max() == pytest.approx(1.0, abs=1e-5)
    assert limited.scale_db == pytest.approx(-20 * np.log10(peak), abs=1e-3)


def test_another_catalog_is_refused_by_its_hash(toy: Catalog) -> None:
    recipe = sample_recipe(toy, MixConfig(), 0, 0, 0)
    with raises(CatalogMismatchError, code="catalog-mismatch", mentions=(toy.content_hash,)):
        render_mix(recipe, toy.with_splits("random", seed=4))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["present", "active", "audible"]))
def test_labels_are_closed_under_parents(toy: Catalog, index: int, rule: str) -> None:
    mix = render_mix(sample_recipe(toy, MixConfig(label_rule=rule), 0, 0, index), toy)  # type: ignore[arg-type]
    parents = mix.labels.parents(load_taxonomy())
    for child, parent in enumerate(parents):
        if parent is None:
            continue
        if mix.target[child] == 1:
            assert mix.target[parent] == 1
            assert mix.mask[parent]
        if mix.mask[parent] and mix.target[parent] == 0:
            assert mix.mask[child]
            assert mix.target[child] == 0
    assert (mix.target[~mix.mask] == 0).all()


def states(toy: Catalog, key: str, start_s: float, **settings: object) -> dict[str, str]:
    mix = render_mix(recipe_of(toy, SourceRecipe(key, start_s), **settings), toy)
    return {label.name: label.state for label in mix.explain()}


def test_a_section_is_its_family_and_its_instrument_is_unknown(toy: Catalog) -> None:
    key = next(
        key
        for key, nodes in zip(toy.column("key"), toy.column("nodes"), strict=True)
        if nodes == ("bowed-string",)
    )
    found = states(toy, key, 0.0, label_rule="present")
    assert found["bowed string"] == "present"
    assert found["violin"] == "unknown"
    assert found["brass"] == "absent"


def test_the_label_rules_differ_where_they_should(toy: Catalog) -> None:
    # track 0 is silent from 1.0 to 2.5 s
    key = "folder/song00/00_drumset"
    quiet = {"duration_s": 1.0, "min_active_s": 0.3}
    assert states(toy, key, 1.3, label_rule="present", **quiet)["drums"] == "present"
    assert states(toy, key, 1.3, label_rule="active", **quiet)["drums"] == "absent"
    # from 0.2 s before the end of the silence on it sounds for 0.2 s only
    assert states(toy, key, 1.7, label_rule="active", **quiet)["drums"] == "unknown"
    assert states(toy, key, 1.7, label_rule="active", uncertain="absent", **quiet)["drums"] == "absent"
    assert states(toy, key, 2.6, label_rule="active", **quiet)["drums"] == "present"


def test_an_inaudible_source_is_unknown_by_the_audible_rule_and_says_so(toy: Catalog) -> None:
    keys = ["folder/song00/01_electricbass", "folder/song00/03_violin"]
    sources = (SourceRecipe(keys[0], 0.0), SourceRecipe(keys[1], 0.0, -40.0))
    audible = render_mix(recipe_of(toy, *sources, label_rule="audible"), toy)
    active = render_mix(recipe_of(toy, *sources, label_rule="active"), toy)
    why = {label.name: label for label in audible.explain()}
    assert why["violin"].state == "unknown"
    assert "dB in the mixture" in why["violin"].reason
    assert audible.sources[1].relative_db < -30
    assert {label.name: label.state for label in active.explain()}["violin"] == "present"


def test_bleed_makes_the_classes_that_could_bleed_unknown(toy: Catalog) -> None:
    stem = int(np.flatnonzero(toy.column("bleed"))[0])
    found = states(toy, str(toy.column("key")[stem]), 0.0, label_rule="present")
    bleeding = set(toy.stem(stem).bleed_nodes)
    assert bleeding
    taxonomy = load_taxonomy()
    own = taxonomy.closure(toy.stem(stem).nodes)
    for name, node in (("brass", "brass"), ("voice", "voice"), ("key", "key")):
        could = any(node in taxonomy.closure([other]) for other in bleeding)
        expected = "present" if node in own else "unknown" if could else "absent"
        assert found[name] == expected


BASSES = """
outputs:
- {name: bass, nodes: [electric-bass, synth-bass, double-bass]}
- {name: electric bass, nodes: [electric-bass]}
- {name: string or synth, nodes: [plucked-string, bowed-string, synth]}
- {name: violin, nodes: [violin]}
"""


def bass_catalog(folder: Path) -> tuple[Catalog, str]:
    """Two songs with a bass of unknown kind that sounds from 2 s on, and a label set with a class for it."""
    own = folder / "basses.yaml"
    own.write_text(BASSES)
    bass = np.concatenate([np.zeros(2 * RATE), steady(60, 8)])
    stems = [{"song": song, "label": "bass", "audio": bass} for song in ("a", "b")]
    stems += [{"song": "b", "label": "violin", "audio": steady(440, 10)}]
    return make_own_catalog(folder, stems), str(own)


def test_a_bass_of_whatever_kind_is_present_under_a_class_of_all_kinds(tmp_path: Path) -> None:
    catalog, own = bass_catalog(tmp_path)
    key = str(catalog.column("key")[0])
    mix = render_mix(recipe_of(catalog, SourceRecipe(key, 0.0), label_set=own), catalog)
    assert mix.sources[0].nodes == ("electric-bass", "synth-bass", "double-bass")
    why = {label.name: label for label in mix.explain()}
    assert [label.state for label in why.values()] == ["present", "unknown", "present", "absent"]
    assert why["bass"].reason == f"{key} sounds for 2.0 s"
    assert "is one of several: electric-bass, synth-bass, double-bass" in why["electric bass"].reason
    assert (mix.target.tolist(), mix.mask.tolist()) == ([1, 0, 1, 0], [True, False, True, True])
    target, mask = mix.frames
    assert target[0].tolist() == target[2].tolist() == [0.0] * 20 + [1.0] * 20
    assert mask[[0, 2, 3]].all()
    assert mask[1].tolist() == [True] * 20 + [False] * 20


def test_a_bass_of_whatever_kind_that_is_silent_or_too_brief_is_no_proof(tmp_path: Path) -> None:
    catalog, own = bass_catalog(tmp_path)
    key = str(catalog.column("key")[0])
    brief = {"label_set": own, "duration_s": 2.0}
    assert set(states(catalog, key, 0.0, **brief).values()) == {"absent"}
    assert states(catalog, key, 0.2, **brief)["bass"] == "unknown"
    assert states(catalog, key, 0.2, uncertain="absent", **brief)["bass"] == "absent"
    assert states(catalog, key, 0.4, **brief)["bass"] == "present"


@pytest.mark.parametrize("effect", [LowShelf(600, 12, 0.7), Peak(150, 12, 0.5), Gain(15)])
def test_noise_that_an_effect_turns_up_does_not_become_an_instrument(tmp_path: Path, effect: Effect) -> None:
    rng = np.random.default_rng(0)
    noise = 10 ** (-56 / 20) * rng.standard_normal(6 * RATE)
    audio = np.concatenate([noise, steady(220, 2)])
    catalog = make_own_catalog(tmp_path, [{"song": "a", "label": "clean electric guitar", "audio": audio}])
    base = sample_recipe(catalog, MixConfig(p_musical=1.0, effects=SILENT), 0, 0, 0)
    key = str(catalog.column("key")[0])
    mix = render_mix(replace(base, sources=(SourceRecipe(key, 0.5, 0.0, (effect,)),)), catalog)
    assert mix.sources[0].state == "uncertain"
    assert {e.name: e.state for e in mix.explain()}["electric guitar"] == "unknown"
    assert not mix.frames[0].any()


@pytest.mark.parametrize("effect", [LowShelf(300, -12, 0.7), Gain(-12)])
def test_an_instrument_that_an_effect_turns_down_stays_one(tmp_path: Path, effect: Effect) -> None:
    stems = [{"song": "a", "label": "electric bass", "audio": steady(60, 6, -45)}]
    catalog = make_own_catalog(tmp_path, stems)
    base = sample_recipe(catalog, MixConfig(p_musical=1.0, effects=SILENT), 0, 0, 0)
    key = str(catalog.column("key")[0])
    mix = render_mix(replace(base, sources=(SourceRecipe(key, 0.5, 0.0, (effect,)),)), catalog)
    assert mix.sources[0].state == "present"


@pytest.mark.parametrize(("level_db", "state"), [(-40, "present"), (-57, "unknown"), (-80, "absent")])
def test_between_sounding_and_silent_a_label_is_unknown(tmp_path: Path, level_db: float, state: str) -> None:
    audio = np.concatenate([steady(440, 5, level_db), steady(440, 5, -20)])
    catalog = make_own_catalog(tmp_path, [{"song": "a", "label": "violin", "audio": audio}])
    base = sample_recipe(catalog, MixConfig(p_musical=1.0, effects=SILENT), 0, 0, 0)
    mix = render_mix(replace(base, sources=(SourceRecipe(str(catalog.column("key")[0]), 0.5),)), catalog)
    assert {e.name: e.state for e in mix.explain()}["violin"] == state


def test_labels_that_changed_since_a_recipe_was_sampled_are_refused(toy: Catalog, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        "title: Mine\noutputs:\n- name: keys\n  nodes: [key]\n- name: strings\n  nodes: [bowed-string]\n"
    )
    recipe = sample_recipe(toy, MixConfig(label_set=str(own)), 0, 0, 0)
    assert len(render_mix(recipe, toy).target) == 2
    own.write_text(
        "title: Mine\noutputs:\n- name: keys\n  nodes: [piano]\n- name: strings\n  nodes: [violin]\n"
    )
    # the recipe holds the label set that it was sampled with; the file's new one is another
    assert render_mix(recipe, toy).labels.outputs[0].nodes == ("key",)
    changed = sample_recipe(toy, MixConfig(label_set=str(own)), 0, 0, 0)
    assert changed.render.label_hash != recipe.render.label_hash
    stale = replace(recipe, render=replace(recipe.render, label_hash="0" * 16))
    with raises(CatalogMismatchError, code="label-set-mismatch", mentions="own"):
        render_mix(stale, toy)


def test_frame_targets_follow_the_sources_hop_by_hop(toy: Catalog) -> None:
    sources = (
        SourceRecipe("folder/song00/00_drumset", 0.0),
        SourceRecipe("folder/song00/01_electricbass", 0.0),
    )
    mix = render_mix(recipe_of(toy, *sources), toy)
    target, mask = mix.frames
    assert target.shape == mask.shape == (15, 40)
    drums, bass = (mix.labels.names.index(name) for name in ("drums", "electric bass"))
    silence = slice(11, 24)  # the drum set is silent from 1.0 to 2.5 s
    assert (target[drums, silence] == 0).all()
    assert (target[drums, 27:] == 1).all()
    assert (target[bass] == 1).all()
    assert mask.all()
    assert mix.sources[0].active_s == pytest.approx(float(mix.sources[0].active.sum()) * HOP_S)


def test_frames_of_what_may_be_there_are_unknown_while_it_is_soft(tmp_path: Path) -> None:
    """A section may hold violins: whether one plays is unknown wherever the section is not silent."""
    audio = np.concatenate([steady(440, 2, -57), steady(440, 2, -20), np.zeros(4 * RATE)])
    stems = [{"song": "a", "label": "string section", "audio": audio}]
    catalog = make_own_catalog(tmp_path, stems)
    source = SourceRecipe(str(catalog.column("key")[0]), 0.0, 0.0)
    mix = render_mix(recipe_of(catalog, source, duration_s=6.0), catalog)
    names = list(mix.labels.names)
    present, known = mix.frames
    violin, strings = names.index("violin"), names.index("bowed string")
    assert not present[violin].any()
    assert [known[violin, hop] for hop in (10, 30, 50)] == [False, False, True]
    assert [known[strings, hop] for hop in (10, 30, 50)] == [False, True, True]
    assert present[strings, 30] == 1


def test_frames_say_nothing_of_classes_that_are_no_instruments(tmp_path: Path) -> None:
    audio = np.concatenate([steady(440, 2, -20), np.zeros(4 * RATE)])
    catalog = make_own_catalog(tmp_path, [{"song": "a", "label": "violin", "audio": audio}])
    source = SourceRecipe(str(catalog.column("key")[0]), 0.0, 0.0)
    mix = render_mix(recipe_of(catalog, source, duration_s=4.0, label_set="jamendo50"), catalog)
    others = [not output.nodes for output in mix.labels.outputs]
    present, known = mix.frames
    assert sum(others) > 10
    assert mix.sources[0].silent[30]  # even where nothing sounds
    assert not known[others].any()
    assert not present[others].any()
    assert known[[not other for other in others], 30].all()


def test_a_file_that_changed_after_indexing_is_an_error_that_says_so(tmp_path: Path) -> None:
    make_corpus(tmp_path / "one", 4, seed=9)
    build_catalog(tmp_path / "catalog", {"folder": tmp_path / "one"}, workers=1, progress=False)
    catalog = Catalog.open(tmp_path / "catalog")
    recipe = sample_recipe(catalog, MixConfig(effects=SILENT), 0, 0, 0)
    path = catalog.audio_path(catalog.find(recipe.sources[0].stem))
    audio, _ = soundfile.read(path)
    soundfile.write(path, audio, 48000)
    with raises(AudioError, code="audio-changed", mentions=("22050", "48000")):
        render_mix(recipe, catalog)
    path.write_bytes(b"RIFF no more")
    with raises(AudioError, code="audio-changed", mentions="12"):
        render_mix(recipe, catalog)
    path.unlink()
    with raises(AudioError, code="audio-not-found"):
        render_mix(recipe, catalog)


@pytest.mark.parametrize(
    "out",
    [
        np.empty((2, 64000), np.float32),
        np.empty((1, 1000), np.float32),
        np.empty((1, 64000)),
        np.empty((1, 128000), np.float32)[:, ::2],
    ],
)
def test_an_array_that_does_not_fit_is_not_written_to(toy: Catalog, out: np.ndarray) -> None:
    with raises(ConfigError, code="wrong-shape", mentions=("float32", "1", "64000")):
        render_mix(sample_recipe(toy, MixConfig(), 0, 0, 0), toy, out=out)


def whole_song(catalog: Catalog, start_s: float = 0.5, **settings: object) -> Mix:
    """All stems of a catalog of one song, as they are."""
    base = sample_recipe(catalog, MixConfig(p_musical=1.0, effects=SILENT, **settings), 0, 0, 0)  # type: ignore[arg-type]
    keys = [str(key) for key in catalog.column("key")]
    return render_mix(replace(base, sources=tuple(SourceRecipe(key, start_s) for key in keys)), catalog)


def states_of(mix: Mix) -> dict[str, str]:
    return {label.name: label.state for label in mix.explain()}


def melody(seed: int, seconds: float = 6.0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))


@pytest.mark.parametrize("rule", ["present", "active", "audible"])
@pytest.mark.parametrize("second", ["violin", "trumpet"])
@pytest.mark.parametrize("factor", [-1.0, -0.95])
def test_stems_that_cancel_each_other_are_not_claimed_to_sound(
    tmp_path: Path, rule: str, second: str, factor: float
) -> None:
    audio, other = melody(1), melody(2)
    stems = [("violin", audio), (second, factor * audio), ("piano", other)]
    rows = [{"song": "a", "label": label, "audio": sound} for label, sound in stems]
    mix = whole_song(make_own_catalog(tmp_path, rows), label_rule=rule)
    found = states_of(mix)
    assert (found["violin"], found["piano"]) == ("unknown", "present")
    assert found["brass" if second == "trumpet" else second] == "unknown"
    assert [source.state for source in mix.sources] == ["uncertain", "uncertain", "present"]
    assert mix.sources[0].cancelled.all()
    assert "is cancelled by other sources for 4.0 s" in mix.sources[0].reason
    target, mask = mix.frames
    place = mix.labels.names.index("violin")
    assert not target[place].any()
    assert not mask[place].any()
    assert mix.target[place] == 0
    assert not mix.mask[place]


def test_what_is_cancelled_counts_as_absent_where_all_doubt_does(tmp_path: Path) -> None:
    rows = [{"song": "a", "label": "violin", "audio": sign * melody(1)} for sign in (1.0, -1.0)]
    rows.append({"song": "a", "label": "piano", "audio": melody(2)})
    assert states_of(whole_song(make_own_catalog(tmp_path, rows), uncertain="absent"))["violin"] == "absent"


def test_a_third_take_of_a_cancelled_pair_is_heard(tmp_path: Path) -> None:
    sounds = [melody(1), -melody(1), melody(3)]
    rows = [{"song": "a", "label": "violin", "audio": sound} for sound in sounds]
    mix = whole_song(make_own_catalog(tmp_path, rows))
    assert states_of(mix)["violin"] == "present"
    assert [source.state for source in mix.sources] == ["uncertain", "uncertain", "present"]


@pytest.mark.parametrize("others", [[], [("piano", 9), ("drum set", 10), ("trumpet", 11)]])
def test_a_stem_that_takes_away_two_others_is_found(tmp_path: Path, others: list[tuple[str, int]]) -> None:
    parts = [("violin", melody(1)), ("cello", melody(2)), ("male singer", -(melody(1) + melody(2)))]
    parts += [(label, melody(seed)) for label, seed in others]
    rows = [{"song": "a", "label": label, "audio": sound} for label, sound in parts]
    mix = whole_song(make_own_catalog(tmp_path, rows))
    assert {source.state for source in mix.sources if source.cancelled.any()} == {"uncertain"}
    cancelled = {source.nodes[0] for source in mix.sources if source.cancelled.all()}
    assert {"violin", "cello"} <= cancelled
    assert len(cancelled) == 3
    assert sum(source.state == "present" for source in mix.sources) == len(others)


def test_more_sources_than_are_looked_at_in_pairs_may_cancel_as_a_whole(tmp_path: Path) -> None:
    sounds = [melody(seed) for seed in range(4)]
    labels = ["violin", "piano", "trumpet", "drum set", "male singer"]
    rows = [
        {"song": "a", "label": label, "audio": sound}
        for label, sound in zip(labels, [*sounds, -sum(sounds)], strict=True)
    ]
    mix = whole_song(make_own_catalog(tmp_path, rows))
    assert [source.state for source in mix.sources] == ["uncertain"] * 5
    assert not mix.target.any()


def test_stems_that_cancel_for_a_while_sound_before_and_after(tmp_path: Path) -> None:
    sign = np.where(np.arange(6 * RATE) < 2.5 * RATE, -1.0, 1.0)
    rows = [{"song": "a", "label": "violin", "audio": sound} for sound in (melody(1), sign * melody(1))]
    rows.append({"song": "a", "label": "piano", "audio": melody(2)})
    mix = whole_song(make_own_catalog(tmp_path, rows))
    assert states_of(mix)["violin"] == "present"
    assert "sounds for 2.0 s and is cancelled by other sources for 2.0 s" in mix.sources[0].reason
    target, mask = mix.frames
    place = mix.labels.names.index("violin")
    np.testing.assert_array_equal(target[place] > 0, np.arange(40) >= 20)
    np.testing.assert_array_equal(mask[place], np.arange(40) >= 20)


@pytest.mark.parametrize("factor", [-0.85, -0.5, 0.5, 1.0])
def test_what_is_left_of_a_pair_by_less_than_20_db_is_heard(tmp_path: Path, factor: float) -> None:
    rows = [{"song": "a", "label": "violin", "audio": sound} for sound in (melody(1), factor * melody(1))]
    rows.append({"song": "a", "label": "piano", "audio": melody(2)})
    mix = whole_song(make_own_catalog(tmp_path, rows))
    assert not any(source.cancelled.any() for source in mix.sources)
    assert states_of(mix)["violin"] == "present"


def test_effects_that_part_a_pair_bring_it_back(tmp_path: Path) -> None:
    rows = [{"song": "a", "label": "violin", "audio": sign * melody(1)} for sign in (1.0, -1.0)]
    catalog = make_own_catalog(tmp_path, rows)
    base = sample_recipe(catalog, MixConfig(p_musical=1.0, effects=SILENT), 0, 0, 0)
    keys = [str(key) for key in catalog.column("key")]
    sources = (SourceRecipe(keys[0], 0.5), SourceRecipe(keys[1], 0.5, 0.0, (Gain(-6.0),)))
    assert states_of(render_mix(replace(base, sources=sources), catalog))["violin"] == "present"


def test_unrelated_sources_are_never_taken_for_cancelled(toy: Catalog) -> None:
    for index in range(60):
        mix = render_mix(sample_recipe(toy, MixConfig(), 0, 0, index), toy)
        assert not any(source.cancelled.any() for source in mix.sources)


@pytest.mark.parametrize("offset", [0.01, -0.2])
def test_an_offset_makes_no_resting_stem_sound(tmp_path: Path, offset: float) -> None:
    rest = np.concatenate([np.zeros(5 * RATE), 0.1 * np.sin(np.arange(RATE))]) + offset
    rows = [
        {"song": "a", "label": "piano", "audio": rest},
        {"song": "a", "label": "violin", "audio": melody(1)},
    ]
    catalog = make_own_catalog(tmp_path, rows)
    assert catalog.column("active_s")[0] == pytest.approx(1.0, abs=0.11)
    assert catalog.column("problems")[0] == ("dc-offset",)
    mix = whole_song(catalog)
    assert states_of(mix)["piano"] == "absent"
    assert mix.sources[0].reason == "stays below -70 dBFS in the excerpt"
    assert not mix.frames[0][mix.labels.names.index("piano")].any()
    # Nor does it drown the others, where sources are judged by their level in the mixture.
    assert states_of(whole_song(catalog, label_rule="audible"))["violin"] == "present"
    assert mix.sources[1].relative_db == pytest.approx(0.0, abs=0.1)


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """One song: a violin whose channels cancel each other in its first half, a piano whose never do."""
    root = tmp_path_factory.mktemp("sides")
    (root / "own" / "a").mkdir(parents=True)
    left, sign = melody(1, 10.0), np.where(np.arange(10 * RATE) < 5 * RATE, -1.0, 1.0)
    for name, audio in (("violin", (left, sign * left)), ("piano", (melody(2, 10.0), melody(3, 10.0)))):
        soundfile.write(root / "own" / "a" / f"{name}.wav", np.stack(audio, axis=1), RATE, subtype="PCM_24")
    build_catalog(root / "catalog", {"folder": root / "own"}, workers=1, progress=False)
    return Catalog.open(root / "catalog")


@pytest.mark.parametrize(
    ("channels", "start_s", "state"), [(1, 0.5, "absent"), (1, 5.5, "present"), (2, 0.5, "present")]
)
def test_a_label_is_of_what_the_mix_hears_of_the_channels(
    sides: Catalog, channels: int, start_s: float, state: str
) -> None:
    violin = sides.find("folder/a/violin")
    assert sides.column("problems")[violin] == ("cancels-in-mono",)
    assert sides.column("active_s")[violin] == pytest.approx(5.0, abs=0.01)
    split = str(sides.column("split")[violin])
    base = sample_recipe(
        sides, MixConfig(p_musical=1.0, effects=SILENT, channels=channels), 0, 0, 0, split=split
    )
    sources = tuple(SourceRecipe(f"folder/a/{name}", start_s) for name in ("piano", "violin"))
    mix = render_mix(replace(base, sources=sources), sides)
    assert states_of(mix)["violin"] == state
    assert (np.abs(mix.sources[1].audio).max() > 0.01) == (state == "present")


@pytest.mark.parametrize("value", [1e6, 1e20, 3e38])
def test_stems_with_corrupt_samples_are_never_sampled(tmp_path: Path, value: float) -> None:
    make_corpus(tmp_path / "one", 3, seed=9)
    bad = tmp_path / "one" / "song00" / "01_electricbass.wav"
    audio = soundfile.read(bad, dtype="float32")[0]
    audio[20_000] = value
    soundfile.write(bad, audio, RATE, subtype="FLOAT")
    build_catalog(tmp_path / "catalog", {"folder": tmp_path / "one"}, workers=1, progress=False)
    catalog = Catalog.open(tmp_path / "catalog")
    stem = catalog.find("folder/song00/01_electricbass")
    assert catalog.column("problems")[stem] == ("beyond-full-scale",)
    assert not catalog.column("drawable")[stem]
    split = str(catalog.column("split")[stem])
    for activity_db in (-50.0, -40.0):
        config = MixConfig(full=True, p_musical=1.0, activity_db=activity_db)
        for index in range(20):
            recipe = sample_recipe(catalog, config, 0, 0, index, split=split)
            assert "folder/song00/01_electricbass" not in [source.stem for source in recipe.sources]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("peak_limit", [0.0, 1.0])
@pytest.mark.parametrize("effects", [(), (Peak(1000.0, 12.0, 1.0),), (TimeStretch(1.1),)])
def test_nothing_that_is_not_finite_leaves_rendering(
    toy: Catalog, value: float, peak_limit: float, effects: tuple[Effect, ...]
) -> None:
    keys = [str(key) for key in toy.column("key")[:3]]
    sources = tuple(SourceRecipe(key, 1.0, 0.0, effects) for key in keys)
    recipe = recipe_of(toy, *sources, peak_limit=peak_limit)
    with (
        np.errstate(all="ignore"),
        raises(AudioError, code="mix-not-finite", mentions=(keys[1],)),
    ):
        render_mix(recipe, toy, BrokenReader(toy, keys[1], value))


def test_gains_beyond_all_measure_are_refused(toy: Catalog) -> None:
    key = str(toy.column("key")[1])
    for gains in ((200.0, 200.0), (-200.0, -150.0)):
        source = SourceRecipe(key, 1.0, 0.0, tuple(Gain(db) for db in gains))
        with raises(AudioError, code="gain-out-of-range", mentions=("-200", "200", key)):
            render_mix(recipe_of(toy, source), toy)


@pytest.mark.parametrize("level_db", [-180.0, -90.0, 90.0, 180.0])
def test_extreme_levels_stay_finite_and_keep_their_labels(toy: Catalog, level_db: float) -> None:
    keys = [str(key) for key in toy.column("key")[1:3]]
    mix = render_mix(recipe_of(toy, SourceRecipe(keys[0], 1.0, level_db), SourceRecipe(keys[1], 0.0)), toy)
    assert np.isfinite(mix.mixture).all()
    assert np.abs(mix.mixture).max() <= 1.0
    assert mix.sources[0].active.all()
    assert all(np.isfinite(source.level_db) and np.isfinite(source.relative_db) for source in mix.sources)
