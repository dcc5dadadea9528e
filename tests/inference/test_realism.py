"""The measure of realism: a published tagger's scores of mixes, held against their labels."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from mixlab.audio.io import write_wav
from mixlab.catalog.catalog import Catalog
from mixlab.cli.main import main
from mixlab.corpora.clips.base import Clip, ClipSet
from mixlab.errors import ConfigError, MixlabError, RunError, WeightsError
from mixlab.inference import clip_scores
from mixlab.inference import realism as module
from mixlab.inference.published import THRESHOLD, published_scorer
from mixlab.inference.realism import judge_scores, measure_realism, realism_of_sounds
from mixlab.inference.realism_result import Realism, measure_of
from mixlab.inference.realism_text import format_markdown, format_text
from mixlab.inference.scorer import Scorer, whole_scores
from mixlab.mixing.config import MixConfig
from mixlab.mixing.dataset import MixDataset
from mixlab.mixing.effects_config import EffectsConfig
from mixlab.models import ModelConfig, build_model
from mixlab.taxonomy import load_label_set, load_taxonomy
from mixlab.utils.plain import plain
from tests.errors import raises
from tests.tagged_trees import RATE, sound

MIX = MixConfig(duration_s=2.0)
N_MIXES = 12


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    file = tmp_path_factory.mktemp("weights") / "jamendo_crnn.pth"
    torch.save(build_model(ModelConfig(architecture="crnn"), 50).state_dict(), file)
    return file


def level_scorer(window_s: float = 1.0, **changed: object) -> Scorer:
    """A scorer of two unrelated classes that says how loud a window is, and half of that."""

    def compute(audio: np.ndarray) -> np.ndarray:
        level = np.sqrt((audio**2).mean(axis=(1, 2)))
        return np.stack([level, level / 2], axis=1).astype(np.float32)

    plain = Scorer(compute, ("a", "b"), (None, None), np.full(2, 0.5), RATE, window_s, "levels", fitted=True)
    return replace(plain, **changed)  # type: ignore[arg-type]


def test_a_whole_excerpt_scores_the_mean_of_windows_that_overlap_by_half(rng: np.random.Generator) -> None:
    audio = rng.uniform(-0.5, 0.5, (3, 1, round(2.2 * RATE))).astype(np.float32)
    found = whole_scores(level_scorer(), audio, RATE)
    starts = [0, RATE // 2, RATE, audio.shape[2] - RATE]
    windows = np.stack([np.sqrt((audio[:, :, a : a + RATE] ** 2).mean(axis=(1, 2))) for a in starts])
    np.testing.assert_allclose(found[:, 0], windows.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(found[:, 1], found[:, 0] / 2, rtol=1e-5)


def test_rate_level_channels_and_length_are_the_scorers(rng: np.random.Generator) -> None:
    t = np.arange(2 * RATE) / RATE
    audio = (0.1 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)[None, None]
    plain = whole_scores(level_scorer(), audio, RATE)
    again = whole_scores(level_scorer(), np.repeat(audio, 2, axis=2), 2 * RATE)  # an octave lower, as long
    np.testing.assert_allclose(again, plain, rtol=2e-2)
    lifted = whole_scores(level_scorer(level="peak"), audio, RATE)
    np.testing.assert_allclose(lifted, 10 * plain, rtol=1e-3)
    stereo = whole_scores(level_scorer(channels=2), audio, RATE)
    np.testing.assert_allclose(stereo, plain, rtol=1e-5)
    mono = whole_scores(level_scorer(), np.concatenate([audio, 0 * audio], axis=1), RATE)
    np.testing.assert_allclose(mono, plain / 2, rtol=1e-5)
    short = whole_scores(level_scorer(min_samples=RATE), audio[:, :, : RATE // 4], RATE)
    np.testing.assert_allclose(short, plain / 2, rtol=1e-2)  # a quarter of the energy


def test_what_finds_all_measures_one_and_what_says_the_same_the_prevalence(rng: np.random.Generator) -> None:
    labels = load_label_set("mixtures15")
    scorer = level_scorer(labels=labels.names, parents=labels.parents(load_taxonomy()),
                          thresholds=np.full(15, 0.5))  # fmt: skip
    targets = (rng.uniform(size=(60, 15)) < 0.4).astype(np.float32)
    mask = np.ones((60, 15), bool)
    songs = [f"song {k % 12}" for k in range(60)]
    perfect = judge_scores(scorer, targets, targets, mask, songs, n_resamples=20)
    assert measure_of(perfect).value == pytest.approx(1.0)
    blind = measure_of(judge_scores(scorer, 0 * targets, targets, mask, songs, n_resamples=0))
    assert blind.value == pytest.approx(targets[:, :8].mean(axis=0).mean())
    assert blind.chance == pytest.approx(blind.value)


def test_the_measure_is_that_of_the_mixes_and_their_labels(
    toy: Catalog, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure() -> Realism:
        return measure_realism(
            toy, weights, cache=tmp_path, mix=MIX, n_mixes=N_MIXES, seed=4, n_resamples=20, workers=1
        )

    found = measure()
    dataset = MixDataset(toy, MIX.for_evaluation(), split="test", seed=4, epoch_size=N_MIXES, batch_size=1,
                         rank=0, world_size=1)  # fmt: skip
    items = [dataset.item(index) for index in range(N_MIXES)]
    scorer = published_scorer(weights, device="cpu")
    columns = [dataset.labels.names.index(name) for name in scorer.labels]
    audio = np.stack([item["audio"].numpy() for item in items])
    targets, mask = (
        np.stack([item[name].numpy() for item in items])[:, columns] for name in ("target", "mask")
    )
    songs = [dataset.recipe(index).sources[0].stem.rpartition("/")[0] for index in range(N_MIXES)]
    expected = judge_scores(scorer, whole_scores(scorer, audio, RATE), targets, mask, songs, n_resamples=20)
    assert [k.name for k in found.mixes.classes] == list(scorer.labels)
    assert [k.support for k in found.mixes.classes] == [k.support for k in expected.classes]
    assert found.measure.value == pytest.approx(measure_of(expected).value, abs=1e-6)
    assert found.unsaid == ("woodwind", "brass", "singer", "electric bass")
    text = format_text(found)
    assert "macro of families" in text
    assert "no tag speaks of woodwind, brass, singer, electric bass" in " ".join(text.split())
    assert format_markdown(found).startswith("# Realism: ")

    def fail(*_: object) -> None:
        raise AssertionError("scored again")

    monkeypatch.setattr(module, "whole_scores", fail)
    assert plain(measure().to_dict()) == plain(found.to_dict())
    # Other mixes have other scores.
    with raises(MixlabError, code="items-failed", mentions="scored again"):
        measure_realism(toy, weights, cache=tmp_path, mix=MIX, n_mixes=N_MIXES, seed=5, workers=1)


def test_recordings_stand_beside_the_mixes(
    toy: Catalog, weights: Path, other_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The families of recordings are judged; where labels speak of violins alone, bowed strings are not."""
    for number in range(6):
        write_wav(tmp_path / f"{number}.wav", sound([200.0 + 90 * number], 2.0, number)[None], RATE)
    names = ("key", "violin")
    own = load_label_set('{"name": "own", "outputs": [{"name": "key", "nodes": ["key"]}, '
                         '{"name": "violin", "nodes": ["violin"]}]}')  # fmt: skip
    clips = ClipSet(
        corpus="own",
        task="",
        classes=names,
        clips=tuple(Clip(str(n), tmp_path / f"{n}.wav", f"group {n}") for n in range(6)),
        targets=np.array([[n % 2, n < 2] for n in range(6)], np.float32),
        mask=np.ones((6, 2), np.bool_),
        label_set=own,
        source="by hand",
    )
    seen: list[int] = []
    found = measure_realism(toy, weights, cache=tmp_path / "cache", mix=MIX, n_mixes=4, n_resamples=0,
                            workers=1, recordings=clips, progress=seen.append)  # fmt: skip
    assert found.recordings is not None
    known = {k.name: (k.support, k.known) for k in found.recordings.classes if k.known}
    assert known == {"key": (3, 6), "violin": (2, 6)}
    assert sum(seen) == 6
    text = " ".join(format_text(found).split())
    assert "recordings (by hand): 6 clips of 6 groups" in text
    # Half of the recordings hold keys: the mixes are judged as if half of them did.
    both = found.at_prevalence
    assert both is not None
    assert [name for name, value in both.classes.items() if np.isfinite(value)] == ["key"]
    assert (both.mixes, both.recordings) == (
        both.classes["key"],
        next(k for k in found.recordings.classes if k.name == "key").scores["average_precision"].value,
    )
    assert f"mixes {both.mixes:.3f}, recordings {both.recordings:.3f}" in text
    clips.clips[0].path.write_bytes(b"no audio")
    seen.clear()
    several = measure_realism(toy, weights, also=[other_weights], cache=tmp_path / "cache", mix=MIX,
                              n_mixes=4, n_resamples=0, workers=1, recordings=clips,
                              progress=seen.append)  # fmt: skip
    assert several.recordings is not None
    assert (several.recordings.n_items, sum(seen)) == (5, 12)
    assert all(each.recordings is not None and 0 < each.recordings <= 1 for each in several.alone)
    assert f"(recordings {several.alone[0].recordings:.3f})" in " ".join(format_text(several).split())

    def measure(clips: ClipSet) -> Realism:
        return measure_realism(toy, weights, cache=tmp_path / "cache", mix=MIX, n_mixes=4, n_resamples=0,
                               workers=1, recordings=clips)  # fmt: skip

    again = measure(clips)
    assert again.recordings is not None
    assert again.recordings.n_items == 5
    # What was scored is kept, but for what could not be read; another part of a file is another clip.
    scored: list[int] = []
    true_scores = clip_scores.score_clips

    def count(clips: ClipSet, *args: object, **settings: object) -> object:
        scored.append(len(clips))
        return true_scores(clips, *args, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(clip_scores, "score_clips", count)
    once = measure(clips)
    assert scored == [1]
    assert plain(once.to_dict()) == plain(again.to_dict())
    part = replace(clips.clips[1], end_s=1.0)
    measure(replace(clips, clips=(clips.clips[0], part, *clips.clips[2:])))
    assert scored == [1, 2]


def test_settings_that_are_not_those_of_the_mixes_are_named(
    toy: Catalog, weights: Path, tmp_path: Path
) -> None:
    def measure(mix: MixConfig, *, effects: bool = False) -> Realism:
        return measure_realism(toy, weights, cache=tmp_path, mix=mix, n_mixes=4, n_full=0, n_resamples=0,
                               effects=effects, workers=1)  # fmt: skip

    plain_mix = measure(MIX)
    assert plain_mix.left_out == ()
    loud = replace(MIX, p_musical=0.1, effects=EffectsConfig(preset="studio"))
    without = measure(loud)
    assert without.left_out == ("p_musical", "effects")
    assert "these are mixes for evaluation: mix.p_musical, mix.effects (--effects true" in " ".join(
        format_text(without).split()
    )
    assert without.mix_hash == plain_mix.mix_hash
    having = measure(loud, effects=True)
    assert having.left_out == ("p_musical",)
    assert having.mix_hash != plain_mix.mix_hash
    assert "--effects" not in format_text(having)
    values = [
        [k.scores["roc_auc"].value for k in each.mixes.classes] for each in (plain_mix, without, having)
    ]
    np.testing.assert_array_equal(values[0], values[1])
    scores = [np.load(file)["values"] for file in sorted(tmp_path.rglob("*.npz"))]
    assert len(scores) == 2
    assert not np.array_equal(scores[0], scores[1])


@pytest.fixture(scope="module")
def other_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a tagger that says other classes too: woodwind, but no guitars."""
    torch.manual_seed(4)
    file = tmp_path_factory.mktemp("weights") / "mtat_musicnn.pth"
    torch.save(build_model(ModelConfig(architecture="musicnn"), 50).state_dict(), file)
    return file


def test_of_several_taggers_the_mean_of_log_odds_counts_where_all_speak(
    toy: Catalog, weights: Path, other_weights: Path, tmp_path: Path
) -> None:
    def measure(*names: Path) -> Realism:
        return measure_realism(toy, names[0], also=names[1:], cache=tmp_path, mix=MIX, n_mixes=N_MIXES,
                               seed=4, n_resamples=0, workers=1)  # fmt: skip

    both, one, two = measure(weights, other_weights), measure(weights), measure(other_weights)
    dataset = MixDataset(toy, MIX.for_evaluation(), split="test", seed=4, epoch_size=N_MIXES, batch_size=1,
                         rank=0, world_size=1)  # fmt: skip
    items = [dataset.item(index) for index in range(N_MIXES)]
    audio = np.stack([item["audio"].numpy() for item in items])
    odds = {}
    for file in (weights, other_weights):
        scorer = published_scorer(file, device="cpu")
        scores = whole_scores(scorer, audio, RATE).astype(float)
        odds[file] = dict(zip(scorer.labels, np.log(scores / (1 - scores)).T, strict=True))
    for found in both.mixes.classes:
        column = dataset.labels.names.index(found.name)
        truth = np.array([item["target"][column] for item in items])
        known = np.array([item["mask"][column] for item in items], bool)
        if not 0 < truth[known].sum() < known.sum():
            continue
        mean = (odds[weights][found.name] + odds[other_weights][found.name]) / 2
        expected = average_precision_score(truth[known], mean[known])
        assert found.scores["average_precision"].value == pytest.approx(expected, abs=1e-6)
    assert [k.name for k in both.mixes.classes] == [
        k.name for k in one.mixes.classes if k.name in odds[other_weights]
    ]
    assert both.unsaid == tuple(name for name in dataset.labels.names
                                if not (name in odds[weights] and name in odds[other_weights]))  # fmt: skip
    assert "woodwind" in both.unsaid
    assert "woodwind" not in two.unsaid
    # The first says no family that the other does not: by itself it measures what it measured alone.
    assert [each.weights for each in both.alone] == ["jamendo_crnn", "mtat_musicnn"]
    assert both.alone[0].mixes == pytest.approx(one.measure.value)
    families = ("voice", "percussion", "bowed string", "plucked string", "key", "synth")
    of = {k.name: k.scores["average_precision"].value for k in two.mixes.classes}
    assert both.alone[1].mixes == pytest.approx(np.nanmean([of[name] for name in families]))
    assert one.alone == ()
    assert {k.threshold for found in (both, one, two) for k in found.mixes.classes} == {THRESHOLD}
    text = " ".join(format_text(both).split())
    assert "macro average precision of jamendo_crnn and mtat_musicnn on 12 test mixes" in text
    assert f"over the same families: jamendo_crnn {both.alone[0].mixes:.3f}; mtat_musicnn" in text
    assert "not all taggers can say woodwind, brass," in text
    assert plain(both.to_dict())["alone"][1]["weights"] == "mtat_musicnn"


def test_full_mixes_have_all_stems_of_a_song(
    toy: Catalog, weights: Path, other_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TAGGERS", (str(weights), str(other_weights)))

    def measure(mix: MixConfig, n_mixes: int, n_full: int, seconds: float = 3.0) -> Realism:
        return measure_realism(toy, cache=tmp_path, mix=mix, n_mixes=n_mixes, n_full=n_full,
                               full_seconds=seconds, seed=4, n_resamples=20, workers=1)  # fmt: skip

    found = measure(MIX, 4, 8)
    assert found.weights == "jamendo_crnn and mtat_musicnn"
    assert found.full is not None
    assert (found.mixes.n_items, found.full.n_items, found.full_seconds) == (4, 8, 3.0)
    # As if the settings asked for such mixes alone.
    settings = replace(MIX, full=True, duration_s=3.0)
    alone = measure(settings, 8, 8)
    assert alone.full is None
    assert not alone.too_short
    assert plain([k.scores for k in alone.mixes.classes]) == plain([k.scores for k in found.full.classes])
    assert [each.full for each in found.alone] == [each.mixes for each in alone.alone]
    dataset = MixDataset(toy, settings.for_evaluation(), split="test", seed=4, epoch_size=8, batch_size=1,
                         rank=0, world_size=1)  # fmt: skip
    voice = dataset.labels.names.index("voice")
    items = [dataset.item(index) for index in range(8)]
    assert found.full.classes[0].support == sum(float(item["target"][voice]) for item in items)
    full = measure_of(found.full)
    text = " ".join(format_text(found).split())
    assert f"full mixes {full.value:.3f} (95 % " in text
    assert "all stems of a song over 3 s, 8 mixes of" in text
    assert f"jamendo_crnn {found.alone[0].mixes:.3f} (full mixes {found.alone[0].full:.3f})" in text
    assert "the same in full mixes" in format_markdown(found)
    # What songs cannot fill is left out, and said.
    none = measure(MIX, 4, 8, seconds=10.0)
    assert none.full is None
    assert none.too_short
    assert "no full mixes: no song of the split is 10 s long" in " ".join(format_text(none).split())
    without = measure(MIX, 4, 0)
    assert (without.full, without.too_short) == (None, False)
    assert "full mixes" not in format_text(without)


def test_taggers_that_were_given_other_mixes_are_not_averaged(
    toy: Catalog, weights: Path, other_weights: Path, tmp_path: Path
) -> None:
    def measure(also: list[Path]) -> None:
        measure_realism(toy, weights, also=also, cache=tmp_path, mix=MIX, n_mixes=4, n_resamples=0, workers=1)

    measure([])
    (kept,) = tmp_path.rglob("*.npz")
    with np.load(kept) as held:
        values = dict(held)
    # As if a file could not be read when the first tagger scored.
    values["attempt"][1] = 1
    np.savez(kept, **values)
    measure([])
    with raises(MixlabError, code="items-failed", mentions=str(tmp_path)):
        measure([other_weights])


def test_a_tagger_counts_once_and_some_class_is_said_by_all(
    toy: Catalog, weights: Path, other_weights: Path, tmp_path: Path
) -> None:
    with raises(ConfigError, code="repeated-option", mentions="given twice"):
        measure_realism(toy, weights, also=[weights], cache=tmp_path, mix=MIX)
    with raises(ConfigError, code="training-overlap", mentions="trained on composed songs"):
        measure_realism(toy, weights, also=["mixlab_tagger"], cache=tmp_path, mix=MIX)
    run = tmp_path.parent / "a-run"
    run.mkdir(exist_ok=True)
    (run / "run.json").write_text("{}")
    with raises(WeightsError, code="unknown-weights", mentions="published taggers"):
        measure_realism(toy, weights, also=[run], cache=tmp_path, mix=MIX)
    with pytest.raises(TypeError, match="list of names"):
        measure_realism(toy, weights, also=str(other_weights), cache=tmp_path, mix=MIX)
    own = (
        '{"name": "own", "outputs": [{"name": "woodwind", "nodes": ["woodwind"]}, '
        '{"name": "electric guitar", "nodes": ["electric-guitar"]}]}'
    )
    with raises(RunError, code="label-set-mismatch", mentions="no class that all of"):
        measure_realism(toy, weights, also=[other_weights], cache=tmp_path, mix=replace(MIX, label_set=own))
    assert not list(tmp_path.iterdir())


def test_the_command_writes_what_it_prints(
    toy: Catalog, weights: Path, other_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "realism"
    arguments = ["realism", str(toy.path), "--weights", str(weights), "--out", str(out), "--mixes", "4",
                 "--mix.duration_s", "2", "--workers", "1", "--resamples", "0"]  # fmt: skip
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert "macro average precision of jamendo_crnn on 4 test mixes" in text
    data = json.loads((out / "realism.json").read_text())
    assert data["weights"] == "jamendo_crnn"
    assert data["catalog"] == toy.content_hash
    assert data["mixes"]["n_items"] == 4
    assert (out / "realism.md").is_file()
    assert main([*arguments, "--also", str(other_weights)]) == 0
    assert "jamendo_crnn and mtat_musicnn on 4 test mixes" in capsys.readouterr().out
    assert [each["weights"] for each in json.loads((out / "realism.json").read_text())["alone"]] == [
        "jamendo_crnn", "mtat_musicnn"
    ]  # fmt: skip
    assert main([*arguments, "--full_mixes", "3", "--full_seconds", "2"]) == 0
    assert "all stems of a song over 2 s, 3 mixes of" in capsys.readouterr().out
    assert json.loads((out / "realism.json").read_text())["full"]["n_items"] == 3
    assert main([*arguments, "--also", f"{weights},{other_weights}"]) == 2
    assert "--also" in capsys.readouterr().err
    assert main([*arguments, "--labels", "x.csv"]) == 2
    assert "--recordings FOLDER" in capsys.readouterr().err


def test_sounds_are_scored_one_by_one(weights: Path, rng: np.random.Generator) -> None:
    low, high = sound([220.0], 2.0, 0), sound([1760.0], 2.0, 1)
    names, scores = realism_of_sounds([(low[None], RATE), (high[None], RATE)], weights)
    assert scores.shape == (2, len(names))
    alone = realism_of_sounds([(high[None], RATE)], weights)[1]
    np.testing.assert_allclose(scores[1], alone[0], atol=1e-6)


def test_what_cannot_be_measured_is_refused_before_the_work(
    toy: Catalog, weights: Path, tmp_path: Path
) -> None:
    for settings, mixes, full in ((MixConfig(channels=2), 4, 4), (MIX, 0, 4), (MIX, 4, -1)):
        with raises(ConfigError, code="mono-required" if settings is not MIX else "invalid-setting"):
            measure_realism(toy, weights, cache=tmp_path, mix=settings, n_mixes=mixes, n_full=full)
    with raises(ConfigError, code="invalid-setting", mentions="duration_s"):
        measure_realism(toy, weights, cache=tmp_path, mix=MIX, n_mixes=4, full_seconds=0.0)
    with raises(WeightsError, code="weights-not-found"):
        measure_realism(toy, "nowhere.pth", cache=tmp_path, mix=MIX)
    assert not list(tmp_path.iterdir())


def test_only_families_count_in_the_mean_at_the_prevalence_of_recordings() -> None:
    scorer = level_scorer(
        labels=("voice", "singer", "key"), parents=(None, 0, None), thresholds=np.full(3, 0.5)
    )
    scores = np.array([[0.9, 0.1, 0.2], [0.2, 0.8, 0.4], [0.8, 0.9, 0.6], [0.1, 0.3, 0.8]])
    truth, known = (
        np.array([[1, 1, 0], [0, 0, 1], [1, 0, 0], [0, 0, 1]], np.float32),
        np.ones((4, 3), np.bool_),
    )
    recordings = judge_scores(scorer, scores[:, ::-1], truth, known, list("abcd"), n_resamples=0)
    found = module._at_prevalence(scorer, recordings, scores, truth, known)
    own = {of.name: of.scores["average_precision"].value for of in recordings.classes}
    assert list(found.classes) == ["voice", "singer", "key"]
    assert found.mixes == pytest.approx((found.classes["voice"] + found.classes["key"]) / 2)
    assert found.recordings == pytest.approx((own["voice"] + own["key"]) / 2)
    assert found.classes["singer"] != pytest.approx(found.mixes)
