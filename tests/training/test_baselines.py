"""Classical baselines: descriptors, cached features, masked fitting, and runs that can be compared."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mixlab.catalog.catalog import Catalog
from mixlab.cli.main import main
from mixlab.errors import ConfigError, MixlabError, RunError
from mixlab.evaluation import METRICS, Cells, compare, measure
from mixlab.mixing.config import MixConfig
from mixlab.mixing.dataset import MixDataset
from mixlab.mixing.effects_config import EffectsConfig
from mixlab.models import ModelConfig
from mixlab.training.baselines import (
    BaselineConfig,
    Descriptors,
    Features,
    Mixes,
    compute_features,
    describe,
    descriptor_names,
    fit_forest,
    fit_linear,
    run_baseline,
)
from mixlab.training.baselines import features as features_module
from mixlab.training.baselines.descriptors import DescriptorConfig
from mixlab.training.baselines.embeddings import find_embeddings
from tests.errors import raises

RATE = 8000
MIX = MixConfig(duration_s=0.5, sample_rate=RATE, max_sources=3, effects=EffectsConfig.none())
MODEL = ModelConfig(sample_rate=RATE, f_max=4000, n_fft=256, hop=128, n_mels=16, width=4)
CONFIG = BaselineConfig(items=60, val_size=24, test_size=20, trees=10, workers=1, bootstrap=5)


def mixes(catalog: Catalog, n_items: int = 20, split: str = "train") -> Mixes:
    return Mixes(str(catalog.path), (), MIX, split, 0, n_items)


def tone(frequency_hz: float, gain: float = 0.3) -> np.ndarray:
    t = np.arange(RATE) / RATE
    return (gain * np.sin(2 * np.pi * frequency_hz * t)).astype(np.float32)[None]


def made_up(rng: np.random.Generator, n: int = 200) -> Features:
    """Three classes: two follow a feature, one is always absent; a third of the cells is unknown."""
    values = rng.standard_normal((n, 6)).astype(np.float32)
    targets = np.stack([values[:, 0] > 0, values[:, 1] > 0.5, np.zeros(n)], axis=1).astype(np.float32)
    return Features(values, targets, rng.uniform(size=targets.shape) > 0.33, np.zeros(n, np.int64))


def test_descriptors_have_names_and_are_finite(rng: np.random.Generator) -> None:
    names = descriptor_names(DescriptorConfig(), RATE)
    assert len(set(names)) == len(names)
    noise = (0.1 * rng.standard_normal((1, RATE))).astype(np.float32)
    for audio in (noise, np.zeros((1, RATE), np.float32), noise[:, :300], tone(440.0)):
        found = describe(audio, RATE)
        assert found.shape == (len(names),)
        assert found.dtype == np.float32
        assert np.isfinite(found).all()


def test_descriptors_say_what_they_are_called() -> None:
    names = descriptor_names(DescriptorConfig(), RATE)
    low, high, loud = (
        dict(zip(names, describe(audio, RATE), strict=True))
        for audio in (tone(200.0), tone(2000.0), tone(200.0, 0.6))
    )
    assert low["centroid p50"] == pytest.approx(200, rel=0.1)
    assert high["centroid p50"] == pytest.approx(2000, rel=0.1)
    assert high["zero crossings p50"] == pytest.approx(10 * low["zero crossings p50"], rel=0.1)
    assert loud["level p50"] == pytest.approx(2 * low["level p50"], rel=0.01)


def test_loudness_moves_the_first_coefficient_alone(rng: np.random.Generator) -> None:
    names = descriptor_names(DescriptorConfig(), RATE)
    noise = (0.1 * rng.standard_normal((1, RATE))).astype(np.float32)
    soft, loud = (dict(zip(names, describe(g * noise, RATE), strict=True)) for g in (1.0, 2.0))
    assert loud["mfcc 0 p50"] > soft["mfcc 0 p50"] + 10
    for name in ("mfcc 1 p50", "mfcc 7 p10", "delta mfcc 0 std", "contrast 1 mean", "flatness mean"):
        assert loud[name] == pytest.approx(soft[name], rel=1e-3, abs=1e-3)


def test_features_are_those_of_the_stream(toy: Catalog, tmp_path: Path) -> None:
    found = compute_features(mixes(toy), Descriptors(RATE), tmp_path, workers=1)
    dataset = MixDataset(toy, MIX, epoch_size=20, batch_size=4)
    for index in (0, 13, 19):
        item = dataset.item(index)
        np.testing.assert_array_equal(found.targets[index], item["target"])
        np.testing.assert_array_equal(found.mask[index], item["mask"])
        np.testing.assert_allclose(found.values[index], describe(item["audio"].numpy(), RATE), atol=1e-5)


def test_features_are_computed_once(toy: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features_module, "BLOCK", 8)
    first = compute_features(mixes(toy, 16), Descriptors(RATE), tmp_path, workers=1)
    computed = []
    real = features_module._compute

    def counting(block: features_module._Block) -> int:
        computed.append((block.first, block.last))
        return real(block)

    monkeypatch.setattr(features_module, "_compute", counting)
    again = compute_features(mixes(toy, 16), Descriptors(RATE), tmp_path, workers=1)
    assert computed == []
    np.testing.assert_array_equal(again.values, first.values)
    more = compute_features(mixes(toy, 20), Descriptors(RATE), tmp_path, workers=1)
    assert computed == [(16, 20)]
    np.testing.assert_array_equal(more.values[:16], first.values)
    # Another seed, split or resolution is another cache.
    for changed in (replace(mixes(toy, 8), seed=1), mixes(toy, 8, "test")):
        compute_features(changed, Descriptors(RATE), tmp_path, workers=1)
    compute_features(mixes(toy, 8), Descriptors(RATE, DescriptorConfig(n_mfcc=13)), tmp_path, workers=1)
    assert len(computed) == 4


def test_a_stop_costs_one_block(toy: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features_module, "BLOCK", 8)
    real = features_module._compute

    def failing(block: features_module._Block) -> int:
        if block.first == 8:
            raise MixlabError("the disk is full")
        return real(block)

    monkeypatch.setattr(features_module, "_compute", failing)
    with raises(MixlabError, code="items-failed", mentions=("the disk is full", "1", "3")):
        compute_features(mixes(toy), Descriptors(RATE), tmp_path, workers=1)
    kept = {file.name: file.stat().st_mtime_ns for file in tmp_path.rglob("*.npz")}
    assert len(kept) == 2
    monkeypatch.setattr(features_module, "_compute", real)
    assert len(compute_features(mixes(toy), Descriptors(RATE), tmp_path, workers=1).values) == 20
    now = {file.name: file.stat().st_mtime_ns for file in tmp_path.rglob("*.npz")}
    assert kept.items() <= now.items()


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_a_damaged_block_is_named_and_computed_again(
    toy: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: float
) -> None:
    monkeypatch.setattr(features_module, "BLOCK", 8)
    first = compute_features(mixes(toy), Descriptors(RATE), tmp_path, workers=1)
    damaged, *others = sorted(tmp_path.rglob("*.npz"))
    before = {file: file.stat().st_mtime_ns for file in others}
    data = damaged.read_bytes()
    damaged.write_bytes(data[: int(len(data) * kept)])
    with pytest.warns(RuntimeWarning, match=rf"{damaged.name} was damaged .*made anew"):
        again = compute_features(mixes(toy), Descriptors(RATE), tmp_path, workers=1)
    np.testing.assert_array_equal(again.values, first.values)
    np.testing.assert_array_equal(again.targets, first.targets)
    assert {file: file.stat().st_mtime_ns for file in others} == before
    assert damaged.read_bytes() == data


@pytest.mark.slow
def test_workers_compute_the_same(toy: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features_module, "BLOCK", 8)
    alone = compute_features(mixes(toy), Descriptors(RATE), tmp_path / "one", workers=1)
    shared = compute_features(mixes(toy), Descriptors(RATE), tmp_path / "two", workers=2)
    np.testing.assert_allclose(shared.values, alone.values, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["forest", "logistic", "svm"])
def test_unknown_cells_are_left_out(rng: np.random.Generator, kind: str) -> None:
    training, validation, test = made_up(rng), made_up(rng), made_up(rng)

    def scores(data: Features) -> np.ndarray:
        if kind == "forest":
            return fit_forest(data, trees=20).scores(test.values)
        return fit_linear(data, validation, kind=kind).scores(test.values)

    found = scores(training)
    lies = np.where(training.mask, training.targets, 1 - training.targets)
    np.testing.assert_array_equal(found, scores(replace(training, targets=lies)))
    assert ((found >= 0) & (found <= 1)).all()
    cells = Cells.checked(found, test.targets, np.ones_like(test.mask))
    precise = measure(METRICS["average_precision"], cells).values
    assert (precise[:2] > 0.9).all()
    # A class that was never present gets one constant score, by Laplace's rule.
    known = int(training.mask[:, 2].sum())
    np.testing.assert_allclose(found[:, 2], 1 / (known + 2), rtol=1e-5)


def test_the_strength_is_chosen_on_validation(rng: np.random.Generator) -> None:
    training, validation = made_up(rng), made_up(rng)
    chosen = fit_linear(training, validation, strengths=(1e-9, 1.0)).strength
    noise = replace(validation, targets=1 - validation.targets)
    assert chosen in (1e-9, 1.0)
    one = fit_linear(training, noise, strengths=(0.5,))
    assert one.strength == 0.5


def test_a_baseline_is_a_run_on_the_mixes_of_runs(toy: Catalog, tmp_path: Path) -> None:
    forest, evaluation = run_baseline(toy.path, tmp_path / "forest", MIX, CONFIG)
    linear, _ = run_baseline(toy.path, tmp_path / "linear", MIX, replace(CONFIG, classifier="logistic"))
    assert forest.info["status"] == "evaluated"
    assert forest.report().splits["test"].n_items == 20
    assert {split: s.n_items for split, s in evaluation.splits.items()} == {"validation": 24, "test": 20}
    assert "## test: 20 mixes from" in (forest.path / "report.md").read_text()
    dataset = MixDataset(toy, MIX, split="test", seed=0, epoch_size=20, batch_size=8)
    predictions = forest.predictions().only("test")
    assert list(predictions.recipes) == [dataset.recipe(index).to_json() for index in range(20)]
    compared = compare(forest.predictions(), linear.predictions(), n_resamples=5)
    assert compared.n_items == 20
    assert len(list((tmp_path / "features").iterdir())) == 3
    with raises(RunError, code="folder-not-empty"):
        run_baseline(toy.path, tmp_path / "forest", MIX, CONFIG)


def test_embeddings_of_random_weights(toy: Catalog, tmp_path: Path) -> None:
    import torch

    config = replace(CONFIG, features="embeddings", classifier="logistic", weights="random", model=MODEL)
    run, _ = run_baseline(toy.path, tmp_path / "run", MIX, config)
    assert run.info["fitted"]["values"] == 16
    assert "random weights" in run.info["features"]
    extractor = find_embeddings(config, mixes(toy, 60), tmp_path / "features")
    assert not extractor.peak
    extract = extractor.load()
    audio = torch.randn(3, 1, RATE // 2, generator=torch.Generator().manual_seed(0)).numpy()
    together = extract(audio)
    np.testing.assert_allclose(extract(audio[1:2])[0], together[1], atol=1e-5)
    # Scaled to full scale, gain does not matter; otherwise it does.
    peak = replace(extractor, peak=True)
    np.testing.assert_allclose(peak.load()(audio), peak.load()(0.1 * audio), atol=1e-4)
    assert np.abs(extract(0.1 * audio) - together).max() > 1e-3
    assert peak.content_hash != extractor.content_hash


def test_published_embeddings(shared: Path, toy: Catalog, tmp_path: Path) -> None:
    file = shared / "weights" / "jamendo_musicnn.pth"
    if not file.is_file():
        pytest.skip(f"{file} is not here")
    config = replace(CONFIG, features="embeddings", weights=str(file))
    at_16k = replace(mixes(toy), mix=replace(MIX, sample_rate=16000))
    extractor = find_embeddings(config, at_16k, tmp_path)
    assert extractor.peak
    assert "musicnn" in extractor.title
    found = extractor.load()(np.random.default_rng(0).standard_normal((2, 1, 16000)).astype(np.float32))
    assert found.shape == (2, 1506)
    assert np.isfinite(found).all()
    with raises(ConfigError, code="sample-rate-mismatch", mentions=("16000", "mix.sample_rate")):
        find_embeddings(config, mixes(toy), tmp_path)


@pytest.mark.parametrize(
    ("settings", "code", "mentions"),
    [
        ({"features": "embeddings"}, "missing-setting", "baseline.weights"),
        ({"weights": "random"}, "conflicting-settings", "features=descriptors"),
        ({"items": 0}, "invalid-setting", ("baseline.items", "1")),
        ({"classifier": "boosting"}, "invalid-setting", ("forest", "logistic", "svm", "baseline.classifier")),
        ({"strengths": ()}, "invalid-setting", "baseline.strengths"),
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, object], code: str, mentions: object) -> None:
    with raises(ConfigError, code=code, mentions=mentions):
        BaselineConfig(**settings)  # type: ignore[arg-type]


def test_the_command(toy: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    sizes = ["--mix.duration_s", "0.5", "--mix.sample_rate", str(RATE), "--baseline.items", "30"]
    sizes += ["--baseline.val_size", "12", "--baseline.test_size", "12", "--baseline.trees", "5"]
    sizes += ["--baseline.workers", "1", "--baseline.bootstrap", "2", "--cache", str(tmp_path / "kept")]
    sizes += ["--mix.effects.pitch_shift.p", "0", "--mix.effects.time_stretch.p", "0"]
    assert main(["baseline", "--catalog", str(toy.path), "--out", str(out), *sizes]) == 0
    text = capsys.readouterr().out
    assert "test: 12 mixes" in text
    assert f"mixlab compare {out} RUN" in text
    assert (tmp_path / "kept").is_dir()


def test_the_command_scores_a_baseline_again(
    toy: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, evaluation = run_baseline(toy.path, tmp_path / "run", MIX, CONFIG)
    before = (run.path / "report.md").read_text()
    for name in ("report.md", "report.json"):
        (run.path / name).unlink()
    assert main(["evaluate", str(run.path)]) == 0
    assert (run.path / "report.md").read_text() == before
    assert run.report().replaced == evaluation.replaced == {"validation": 0, "test": 0}
    text = capsys.readouterr().out
    assert "test: 20 mixes from" in text
    assert f"mixlab tag FILE --run {run.path}" in text


def test_what_a_killed_process_has_left_is_in_nobodys_way(toy: Catalog, tmp_path: Path) -> None:
    left = tmp_path / "run" / ".config.yaml.0123abcd-1-0123abcd.tmp"
    left.parent.mkdir()
    left.write_bytes(b"half")
    run, _ = run_baseline(toy.path, tmp_path / "run", MIX, CONFIG)
    assert not left.exists()
    with raises(RunError, code="folder-not-empty", mentions="--out"):
        run_baseline(toy.path, run.path, MIX, CONFIG)


def test_stereo_mixes_are_refused(toy: Catalog, tmp_path: Path) -> None:
    with raises(ConfigError, code="mono-required", mentions=("mix.channels", "2")):
        run_baseline(toy.path, tmp_path / "run", replace(MIX, channels=2), CONFIG)
    assert not (tmp_path / "run").exists()


def test_a_baseline_has_no_network_to_start_from(
    toy: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, _ = run_baseline(toy.path, tmp_path / "run", MIX, CONFIG)
    start = ["--train.transfer", "finetune", "--train.pretrained", str(run.path)]
    assert main(["train", "--catalog", str(toy.path), *start, "--out", str(tmp_path / "other")]) == 2
    said = capsys.readouterr().err
    assert "is a classical baseline and holds no network" in said
    assert "as do 'mixlab tag' and 'mixlab evaluate-on'" in said


def test_blocks_and_a_last_layer_on_mixes(toy: Catalog, tmp_path: Path) -> None:
    config = replace(
        CONFIG,
        features="convnet",
        weights="random",
        model=MODEL,
        classifier="softmax",
        steps=200,
        items=40,
        val_size=12,
        test_size=12,
    )
    run, _ = run_baseline(toy, tmp_path / "all", MIX, config)
    assert run.info["fitted"]["values"] == 4 + 4 + 8 + 16
    some, _ = run_baseline(toy, tmp_path / "some", MIX, replace(config, layers=(4, 1)))
    assert some.info["fitted"]["values"] == 4 + 16
    assert "blocks 1, 4" in some.info["features"]
    scores = some.predictions().only("test").scores
    assert np.isfinite(scores).all()
    assert scores.std() > 0
    with raises(ConfigError, code="conflicting-settings", mentions="baseline.layers"):
        replace(CONFIG, layers=(1,))
