"""Baselines on labelled clips: features once per clip, classifiers over all classes or one per class."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from mixlab.cli.main import main
from mixlab.corpora.clips import ClipsConfig, open_clips
from mixlab.errors import ConfigError, MixlabError, RunError
from mixlab.models import ModelConfig, block_features, build_model
from mixlab.training.baselines import ClipBaselineConfig, clip_features, run_clip_baseline
from mixlab.training.baselines.clip_features import Hearing, compute_clip_features
from mixlab.training.baselines.embeddings import block_columns
from mixlab.training.baselines.mfcc import N_MFCC, MfccStatistics, mfcc_statistics
from mixlab.training.baselines.single_label import Labelled, fit_single_label
from mixlab.training.baselines.softmax import fit_last_layer, softmax
from mixlab.training.clips.config import WindowConfig
from mixlab.training.clips.reading import read_clip
from mixlab.training.run import Run
from tests.errors import raises
from tests.tone_clips import RATE, make_table, make_tones

MODEL = ModelConfig(sample_rate=RATE, f_max=4000, n_fft=256, hop=128, n_mels=16, width=4)
WHOLE = WindowConfig(duration_s=0)
FAST = ClipBaselineConfig(model=MODEL, trees=20, steps=300, workers=1, bootstrap=5, gammas=(0.0,))
CONVNET = replace(FAST, features="convnet", weights="random", classifier="logistic")


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tones(tmp_path_factory.mktemp("clips") / "tones")


def clips_of(root: Path, **settings: object) -> ClipsConfig:
    return ClipsConfig(root=str(root), **settings)  # type: ignore[arg-type]


def accuracy(run: Run) -> float:
    test = run.predictions().only("test")
    return float((test.scores.argmax(axis=1) == test.targets.argmax(axis=1)).mean())


def blobs(rng: np.random.Generator, n: int = 90, n_classes: int = 3, spread: float = 0.5) -> Labelled:
    """Items around a point for each class."""
    classes = np.arange(n) % n_classes
    points = 3 * np.eye(n_classes, 5)
    values = points[classes] + spread * rng.standard_normal((n, 5))
    return Labelled(values.astype(np.float32), np.eye(n_classes, dtype=np.float32)[classes])


@pytest.mark.parametrize("classifier", ["forest", "logistic", "svm", "softmax"])
def test_pitches_are_told_apart(tones: Path, tmp_path: Path, classifier: str) -> None:
    config = replace(FAST, features="mfcc", classifier=classifier)
    run, report = run_clip_baseline(clips_of(tones), tmp_path / "run", WHOLE, config, cache=tmp_path)
    assert run.info["command"] == "baseline-clips"
    assert run.info["status"] == "evaluated"
    assert run.single_label
    test = run.predictions().only("test")
    np.testing.assert_allclose(test.scores.sum(axis=1), 1, atol=1e-4)
    assert accuracy(run) == 1
    assert report.splits["test"].n_items == len(test)
    assert not {*test.group} & {*run.predictions().only("validation").group}


@pytest.mark.parametrize("classifier", ["forest", "logistic", "svm", "softmax"])
def test_several_labels_have_a_classifier_each(tmp_path: Path, classifier: str) -> None:
    root = make_table(tmp_path / "table")
    config = replace(FAST, classifier=classifier)
    clips = ClipsConfig(corpus="csv", root=str(root))
    run, report = run_clip_baseline(clips, tmp_path / "run", WHOLE, config)
    assert not run.single_label
    test = run.predictions().only("test")
    assert {tuple(row) for row in test.targets.tolist()} > {(1.0, 1.0)}
    assert np.mean((test.scores > 0.5) == (test.targets > 0.5)) >= 0.75
    assert len(report.splits["test"].classes) == 2


def test_what_was_scored_can_be_scored_again_and_compared(
    tones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, features in (("a", "mfcc"), ("b", "descriptors")):
        options = ["--baseline.features", features, "--baseline.workers", "1", "--baseline.trees", "10"]
        options += ["--baseline.model.sample_rate", str(RATE), "--baseline.bootstrap", "20"]
        where = ["--out", str(tmp_path / name), "--clips.root", str(tones), "--cache", str(tmp_path / "f")]
        assert main(["baseline-clips", *where, "--windows.duration_s", "0", *options]) == 0
    before = Run.open(tmp_path / "a").predictions().scores
    assert main(["evaluate", str(tmp_path / "a")]) == 0
    np.testing.assert_array_equal(Run.open(tmp_path / "a").predictions().scores, before)
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    assert "accuracy" in capsys.readouterr().out.lower()


def test_the_same_settings_give_the_same_scores(tones: Path, tmp_path: Path) -> None:
    runs = [
        run_clip_baseline(
            clips_of(tones), tmp_path / f"{k}" / "run", WHOLE, replace(CONVNET, classifier=kind)
        )[0]
        for k, kind in enumerate(("softmax", "softmax"))
    ]
    np.testing.assert_array_equal(runs[0].predictions().scores, runs[1].predictions().scores)


def test_features_are_those_of_the_clip(tones: Path, tmp_path: Path) -> None:
    clips = open_clips(clips_of(tones))
    found = compute_clip_features(clips, Hearing(WHOLE, RATE), MfccStatistics(RATE), tmp_path, workers=1)
    assert found.values.shape == (len(clips), 6 * N_MFCC)
    audio = read_clip(clips.clips[3], RATE, 1, WHOLE)
    np.testing.assert_allclose(found.values[3], mfcc_statistics(audio, RATE), rtol=1e-5)


def test_a_clip_s_features_are_the_mean_over_its_windows(tones: Path, tmp_path: Path) -> None:
    clips, halves = open_clips(clips_of(tones)), WindowConfig(duration_s=0.25, overlap=0)
    found = compute_clip_features(clips, Hearing(halves, RATE), MfccStatistics(RATE), tmp_path, workers=1)
    audio = read_clip(clips.clips[0], RATE, 1, halves)
    parts = [mfcc_statistics(half, RATE) for half in np.split(audio, 2, axis=1)]
    np.testing.assert_allclose(found.values[0], np.mean(parts, axis=0), rtol=1e-4)


def test_classes_classifiers_and_blocks_compute_nothing_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_tones(tmp_path / "tones", groups=4, clips=1, names=("low", "middle", "high"))
    config = replace(FAST, features="mfcc")
    cache = tmp_path / "features"
    run_clip_baseline(clips_of(root), tmp_path / "a", WHOLE, config, cache=cache)

    def never(block: object) -> dict[str, str]:
        raise AssertionError("computed again")

    monkeypatch.setattr(clip_features, "_compute", never)
    fewer = clips_of(root, classes=["low", "high"], split_seed=3, splits="grouped")
    run, _ = run_clip_baseline(fewer, tmp_path / "b", WHOLE, replace(config, classifier="svm"), cache=cache)
    assert run.predictions().labels == ("high", "low")
    # Another level is heard otherwise.
    with raises(MixlabError, code="items-failed", mentions="computed again"):
        run_clip_baseline(fewer, tmp_path / "c", replace(WHOLE, level="peak"), config, cache=cache)


def test_blocks_are_columns_of_what_is_kept(
    tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "features"
    run, _ = run_clip_baseline(clips_of(tones), tmp_path / "all", WHOLE, CONVNET, cache=cache)
    assert run.info["fitted"]["values"] == 4 + 4 + 8 + 16
    monkeypatch.setattr(clip_features, "_compute", lambda block: pytest.fail("computed again"))
    some, _ = run_clip_baseline(
        clips_of(tones), tmp_path / "some", WHOLE, replace(CONVNET, layers=(4, 1)), cache=cache
    )
    assert some.info["fitted"]["values"] == 4 + 16
    assert "blocks 1, 4" in some.info["features"]
    with raises(ConfigError, code="invalid-setting", mentions=("baseline.layers", 4, 5)):
        run_clip_baseline(
            clips_of(tones), tmp_path / "none", WHOLE, replace(CONVNET, layers=(5,)), cache=cache
        )


def test_columns_of_blocks_stand_in_their_order() -> None:
    assert block_columns((2, 3, 1), (3, 1)).tolist() == [0, 1, 5]
    assert block_columns((2, 3, 1), ()).tolist() == list(range(6))


def test_embeddings_of_a_file_are_those_of_its_network(tones: Path, tmp_path: Path) -> None:
    torch.manual_seed(3)
    model = build_model(MODEL, 2).eval()
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    config = replace(CONVNET, weights=str(tmp_path / "weights.pth"))
    cache = tmp_path / "features"
    run_clip_baseline(clips_of(tones), tmp_path / "run", WHOLE, config, cache=cache)
    clips = open_clips(clips_of(tones))
    audio = torch.from_numpy(read_clip(clips.clips[0], RATE, 1, WHOLE))[None]
    with torch.inference_mode():
        expected = torch.cat(block_features(model, audio), dim=1)[0]
    kept = np.concatenate([np.load(file)["values"] for file in cache.glob("clips-*/*.npz")])
    assert np.abs(kept - expected.numpy()).max(axis=1).min() < 1e-5


def test_a_stop_costs_a_block(tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_features, "BLOCK", 8)
    clips, hearing, extractor = open_clips(clips_of(tones)), Hearing(WHOLE, RATE), MfccStatistics(RATE)
    real = clip_features._compute
    seen: list[int] = []

    def stopped(block: clip_features._Block) -> dict[str, str]:
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(len(block.clips))
        return real(block)

    monkeypatch.setattr(clip_features, "_compute", stopped)
    with pytest.raises(KeyboardInterrupt):
        compute_clip_features(clips, hearing, extractor, tmp_path, workers=1)
    monkeypatch.setattr(clip_features, "_compute", real)
    done = len(list(tmp_path.rglob("*.npz")))
    assert done == 2
    found = compute_clip_features(clips, hearing, extractor, tmp_path, workers=1)
    assert len(list(tmp_path.rglob("*.npz"))) == 3
    fresh = compute_clip_features(clips, hearing, extractor, tmp_path / "other", workers=1)
    np.testing.assert_array_equal(found.values, fresh.values)


def test_a_damaged_file_is_made_again(tones: Path, tmp_path: Path) -> None:
    clips, hearing, extractor = open_clips(clips_of(tones)), Hearing(WHOLE, RATE), MfccStatistics(RATE)
    first = compute_clip_features(clips, hearing, extractor, tmp_path, workers=1)
    file = next(tmp_path.rglob("*.npz"))
    file.write_bytes(file.read_bytes()[:100])
    with pytest.warns(RuntimeWarning, match="made anew"):
        again = compute_clip_features(clips, hearing, extractor, tmp_path, workers=1)
    np.testing.assert_array_equal(again.values, first.values)


def test_what_a_killed_process_has_left_is_in_nobodys_way(tones: Path, tmp_path: Path) -> None:
    left = tmp_path / "run" / ".config.yaml.0123abcd-1-0123abcd.tmp"
    left.parent.mkdir()
    left.write_bytes(b"half")
    config = replace(FAST, features="mfcc")
    run, _ = run_clip_baseline(clips_of(tones), tmp_path / "run", WHOLE, config)
    assert not left.exists()
    with raises(RunError, code="folder-not-empty", mentions="--out"):
        run_clip_baseline(clips_of(tones), run.path, WHOLE, config)


def test_unreadable_clips_are_named_at_the_end(tmp_path: Path) -> None:
    root = make_tones(tmp_path / "tones")
    (root / "low" / "low 0" / "0.wav").write_bytes(b"no sound")
    soundfile.write(root / "high" / "high 1" / "0.wav", np.zeros(0, np.float32), RATE)
    said: list[str] = []
    config = replace(FAST, features="mfcc")
    run, _ = run_clip_baseline(clips_of(root), tmp_path / "run", WHOLE, config, report=said.append)
    unread = {key for held in run.info["unreadable_clips"].values() for key in held}
    assert unread == {"low/low 0/0", "high/high 1/0"}
    rows = run.info["fitted"]["clips"] + len(run.predictions())
    assert rows == 24 - 2
    assert any("could not be read" in line for line in said)
    text = (tmp_path / "run" / "report.md").read_text(encoding="utf-8")
    assert "0.wav" in text
    # A file that was restored is read: nothing that is wrong with it is kept.
    soundfile.write(root / "high" / "high 1" / "0.wav", 0.1 * np.ones(RATE, np.float32), RATE)
    again, _ = run_clip_baseline(clips_of(root), tmp_path / "again", WHOLE, config)
    assert {key for held in again.info["unreadable_clips"].values() for key in held} == {"low/low 0/0"}


def test_a_clip_that_ends_the_work_is_found_and_the_rest_kept(
    tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips, hearing, extractor = open_clips(clips_of(tones)), Hearing(WHOLE, RATE), MfccStatistics(RATE)
    real = clip_features._compute
    bad = clips.clips[5]

    def dying(block: clip_features._Block) -> dict[str, str]:
        if bad in block.clips:
            raise MemoryError("no room")
        return real(block)

    monkeypatch.setattr(clip_features, "_compute", dying)
    with raises(MixlabError, code="items-failed", mentions=(1, bad.key, "no room")):
        compute_clip_features(clips, hearing, extractor, tmp_path, workers=1)
    kept = np.concatenate([np.load(file)["names"] for file in tmp_path.rglob("*.npz")])
    assert len(kept) == len(clips) - 1


def test_a_split_without_a_readable_clip_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "tones"
    for split in ("train", "valid", "test"):
        make_tones(root / split, groups=1)
    for file in (root / "valid").rglob("*.wav"):
        file.write_bytes(b"no sound")
    with raises(ConfigError, code="unreadable-audio", mentions="validation"):
        run_clip_baseline(clips_of(root), tmp_path / "run", WHOLE, replace(FAST, features="mfcc"))
    assert not (tmp_path / "run").exists()


def test_too_short_windows_are_refused_and_short_clips_filled(tones: Path, tmp_path: Path) -> None:
    short = WindowConfig(duration_s=0.05)
    deep = replace(CONVNET, model=replace(MODEL, n_mels=64))
    with raises(ConfigError, code="audio-too-short"):
        run_clip_baseline(clips_of(tones), tmp_path / "run", short, deep)
    deep = replace(CONVNET, model=replace(MODEL, n_mels=128, hop=256))
    run, _ = run_clip_baseline(clips_of(tones), tmp_path / "run", WHOLE, deep)
    assert accuracy(run) >= 0.5


def test_a_folder_in_use_is_left_alone(tones: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").touch()
    with raises(RunError, code="folder-not-empty"):
        run_clip_baseline(clips_of(tones), tmp_path / "run", WHOLE, FAST)


@pytest.mark.parametrize(
    ("change", "code", "mentions"),
    [
        ({"features": "convnet"}, "missing-setting", ("baseline.weights", "random")),
        ({"weights": "random"}, "conflicting-settings", ("baseline.weights", "descriptors")),
        ({"layers": (1,)}, "conflicting-settings", "baseline.layers"),
        ({"features": "convnet", "weights": "random", "layers": (0,)}, "invalid-setting", "baseline.layers"),
        ({"classifier": "forests"}, "invalid-setting", ("baseline.classifier", "softmax")),
        ({"gammas": ()}, "invalid-setting", "baseline.gammas"),
        ({"learning_rate": 0.0}, "invalid-setting", "baseline.learning_rate"),
        ({"steps": 0}, "invalid-setting", "baseline.steps"),
    ],
)
def test_settings_that_cannot_be_are_refused(change: dict[str, object], code: str, mentions: object) -> None:
    with raises(ConfigError, code=code, mentions=mentions):
        replace(FAST, **change)  # type: ignore[arg-type]


def test_mfcc_statistics_are_means_and_deviations(rng: np.random.Generator) -> None:
    noise = (0.1 * rng.standard_normal((1, RATE))).astype(np.float32)
    soft, loud = mfcc_statistics(noise, RATE), mfcc_statistics(2 * noise, RATE)
    moved = np.abs(loud - soft) > 1e-2
    # Level is the first coefficient's mean alone: no deviation and no difference knows it.
    assert np.flatnonzero(moved).tolist() == [0]
    for audio in (np.zeros((1, RATE), np.float32), noise[:, :100]):
        assert np.isfinite(mfcc_statistics(audio, RATE)).all()


@pytest.mark.parametrize("classifier", ["forest", "logistic", "svm", "softmax"])
def test_one_classifier_over_all_classes(rng: np.random.Generator, classifier: str) -> None:
    config = replace(FAST, classifier=classifier, seed=1)
    fitted = fit_single_label(blobs(rng), blobs(rng, 30), config)
    test = blobs(rng, 60)
    scores = fitted.scores(test.values)
    assert scores.shape == (60, 3)
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-4)
    assert (scores.argmax(axis=1) == test.classes).mean() > 0.95


@pytest.mark.parametrize("classifier", ["forest", "logistic", "svm", "softmax"])
def test_a_class_that_training_lacks_gets_nothing(rng: np.random.Generator, classifier: str) -> None:
    training, validation = blobs(rng), blobs(rng, 30)
    rows = training.classes != 1
    training = Labelled(training.values[rows], training.targets[rows])
    fitted = fit_single_label(training, validation, replace(FAST, classifier=classifier))
    assert fitted.constant == (1,)
    scores = fitted.scores(validation.values)
    assert not scores[:, 1].any()
    assert (scores.argmax(axis=1) == validation.classes)[validation.classes != 1].all()
    one = Labelled(training.values[training.classes == 0], training.targets[training.classes == 0])
    with raises(ConfigError, code="empty-selection", mentions=1):
        fit_single_label(one, validation, FAST)


def test_the_machine_s_settings_are_the_best_on_validation(rng: np.random.Generator) -> None:
    """Rings around a point: a kernel much wider than them, or much narrower, tells nothing."""
    angle, n = rng.uniform(0, 2 * np.pi, 300), 300
    classes = np.arange(n) % 2
    radius = 1.0 + 2 * classes + 0.1 * rng.standard_normal(n)
    values = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).astype(np.float32)
    targets = np.eye(2, dtype=np.float32)[classes]
    parts = [Labelled(values[a:b], targets[a:b]) for a, b in ((0, 150), (150, 220), (220, 300))]
    config = replace(FAST, classifier="svm", gammas=(1e-6, 1.0, 1e6), strengths=(0.1, 8.0))
    fitted = fit_single_label(parts[0], parts[1], config)
    assert fitted.chosen["gamma"] == 1.0
    assert (fitted.scores(parts[2].values).argmax(axis=1) == parts[2].classes).mean() > 0.95


def test_probabilities_of_distances_fit_validation(rng: np.random.Generator) -> None:
    training, validation = blobs(rng, spread=2.0), blobs(rng, 300, spread=2.0)
    fitted = fit_single_label(training, validation, replace(FAST, classifier="svm"))
    shown = fitted.scores(validation.values)
    right = shown.argmax(axis=1) == validation.classes
    assert shown.max(axis=1).mean() == pytest.approx(right.mean(), abs=0.06)


def test_the_last_layer_draws_classes_alike(rng: np.random.Generator) -> None:
    """Of features that say nothing it learns how frequent each class is among what it was given."""
    values = np.zeros((100, 3), np.float32)
    targets = np.eye(2, dtype=np.float32)[(np.arange(100) < 10).astype(int)]
    layer = fit_last_layer(values, targets, np.ones((100, 2), np.bool_), single_label=True, steps=2000)
    np.testing.assert_allclose(layer.scores(values[:1])[0], [0.5, 0.5], atol=0.05)


def test_the_last_layer_is_a_logistic_regression_per_class(rng: np.random.Generator) -> None:
    """Of several labels: the frequency among known cells, whatever unknown ones hold."""
    values = np.zeros((200, 2), np.float32)
    targets = np.stack([np.arange(200) % 4 == 0, np.ones(200, bool)], axis=1).astype(np.float32)
    mask = np.ones((200, 2), np.bool_)
    mask[100:, 1] = False
    targets[100:, 1] = 0
    layer = fit_last_layer(values, targets, mask, single_label=False, steps=4000, learning_rate=0.05)
    found = layer.scores(values[:1])[0]
    assert found[0] == pytest.approx(0.25, abs=0.05)
    assert found[1] > 0.95


def test_a_step_goes_down_the_gradient(rng: np.random.Generator) -> None:
    """One step from nearly nothing: weights are the rate times what torch says of the loss."""
    data = blobs(rng, 6)
    layer = fit_last_layer(
        data.values,
        data.targets,
        np.ones_like(data.targets, np.bool_),
        single_label=True,
        steps=1,
        batch_size=5000,
        learning_rate=1.0,
    )
    weights = torch.zeros(5, 3, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(
        torch.from_numpy(data.values) @ weights, torch.from_numpy(data.classes)
    )
    loss.backward()
    np.testing.assert_allclose(layer.weights, -weights.grad.numpy(), atol=0.06)


def test_a_rate_that_is_too_high_is_said(rng: np.random.Generator) -> None:
    data = blobs(rng)
    values = (1e20 * data.values).astype(np.float32)
    with (
        np.errstate(all="ignore"),
        raises(ConfigError, code="training-diverged", mentions="baseline.learning_rate"),
    ):
        fit_last_layer(
            values, data.targets, np.ones_like(data.targets, np.bool_), single_label=True, learning_rate=1e20
        )


def test_softmax_is_safe_from_overflow() -> None:
    np.testing.assert_allclose(softmax(np.array([[1e4, 0.0], [-1e4, -1e4]])), [[1, 0], [0.5, 0.5]])


def test_an_error_of_the_network_is_not_taken_for_a_bad_clip(tones: Path, tmp_path: Path) -> None:
    without_blocks = replace(MODEL, architecture="tests.models.networks:MelMean")
    with raises(ConfigError, code="unfit-plugin", mentions=("MelMean", "block_names")):
        run_clip_baseline(clips_of(tones), tmp_path / "run", WHOLE, replace(CONVNET, model=without_blocks))
