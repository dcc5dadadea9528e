"""Fitted baselines are kept as plain arrays, score new audio as when they were made, and unpickle nothing."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from mixlab.catalog.catalog import Catalog
from mixlab.cli.main import main
from mixlab.corpora.clips import open_clips
from mixlab.errors import RunError
from mixlab.inference.benchmark import ExternalReport
from mixlab.inference.clip_scores import score_clips
from mixlab.inference.opening import open_run
from mixlab.training.baselines import Features, run_baseline, run_clip_baseline
from mixlab.training.baselines.classifiers import fit_linear, kernel_of, scaling
from mixlab.training.baselines.fitted import FittedBaseline, load_baseline
from mixlab.training.baselines.scorers import Constant, FittedScores, Forest, Linear, Part
from mixlab.training.clips.config import WindowConfig
from mixlab.training.clips.reading import read_clip
from mixlab.training.run import Run
from tests.errors import raises
from tests.tagged_trees import make_irmas
from tests.tone_clips import RATE as TONE_RATE
from tests.tone_clips import make_tones
from tests.training.test_baselines import CONFIG, MIX, MODEL, RATE
from tests.training.test_clip_baselines import FAST, WHOLE, clips_of

D, K = 9, 4


@pytest.fixture
def data(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features to fit on, the class of each, and features to score."""
    values = rng.standard_normal((240, D)).astype(np.float32)
    return values, values[:, :K].argmax(axis=1), rng.standard_normal((80, D)).astype(np.float32)


def fitted_scores(data: tuple[np.ndarray, np.ndarray, np.ndarray]) -> FittedScores:
    """One of each kind, seven classes in all; the last is of none."""
    values, classes, _ = data
    scaler = StandardScaler().fit(values)
    scaled = scaler.transform(values)
    line = LogisticRegression().fit(scaled, classes == 0)
    parts = (
        Part(Constant(0.25), (0,)),
        Part(Linear(*scaling(scaler), line.coef_.T, line.intercept_, "sigmoid"), (1,), (0.8, -0.1)),
        Part(
            Forest.of_trees(RandomForestClassifier(7, random_state=0).fit(values, classes).estimators_),
            (2, 3, 4, 5),
        ),
        Part(kernel_of(SVC(gamma=0.1).fit(scaled, classes == 1), scaler, "sigmoid"), (6,)),
    )
    return FittedScores(parts, 8)


@pytest.mark.parametrize("balanced", [None, "balanced"])
@pytest.mark.parametrize("several", [False, True])
def test_trees_give_what_scikit_learn_gives(data: Any, several: bool, balanced: str | None) -> None:
    values, classes, others = data
    targets = classes if several else classes > 1
    forest = RandomForestClassifier(30, min_samples_leaf=2, class_weight=balanced, random_state=0)
    forest.fit(values, targets)
    # Values of training lie on thresholds' sides, too.
    for found in (others, values, np.zeros((0, D), np.float32)):
        wanted = forest.predict_proba(found) if len(found) else np.zeros((0, K if several else 2))
        np.testing.assert_allclose(Forest.of_trees(forest.estimators_)(found), wanted, atol=1e-7)


def test_values_on_a_threshold_go_the_same_way() -> None:
    """Thresholds are between two float32 values: rounded to the nearest, one would take the other's way."""
    low = np.nextafter(np.float32(4), np.float32(8))
    values = np.array([low, np.nextafter(low, np.float32(8))], np.float32)[:, None]
    forest = RandomForestClassifier(5, bootstrap=False, random_state=0).fit(values, [0, 1])
    np.testing.assert_array_equal(Forest.of_trees(forest.estimators_)(values), [[1, 0], [0, 1]])


@pytest.mark.parametrize("several", [False, True])
def test_a_kernel_gives_what_scikit_learn_gives(data: Any, several: bool) -> None:
    values, classes, others = data
    scaler = StandardScaler().fit(values)
    model = SVC(C=2, gamma=0.1, break_ties=True)
    model.fit(scaler.transform(values), classes if several else classes > 1)
    wanted = model.decision_function(scaler.transform(others))
    kernel = kernel_of(model, scaler, "softmax")
    kernel.check(D)
    found = kernel.distances(others)
    np.testing.assert_allclose(found if several else found[:, 1] - found[:, 0], wanted, atol=1e-9)


def test_a_line_gives_what_scikit_learn_gives(data: Any) -> None:
    values, classes, others = data
    scaler = StandardScaler().fit(values)
    for model in (LogisticRegression(), LinearSVC()):
        model.fit(scaler.transform(values), classes > 1)
        wanted = 1 / (1 + np.exp(-model.decision_function(scaler.transform(others))))
        line = Linear(*scaling(scaler), model.coef_.T, model.intercept_, "sigmoid")
        np.testing.assert_allclose(line(others)[:, 0], wanted, atol=1e-6)


def test_a_curve_bends_as_a_logistic_regression_does(data: Any) -> None:
    values, classes, others = data
    targets = np.eye(K, dtype=np.float32)[classes]
    features = Features(values, targets, np.ones(targets.shape, np.bool_), np.zeros(len(values), np.int64))
    bent = fit_linear(features, features, kind="svm", strengths=(0.01,)).fitted.parts[0]
    plain = replace(bent, curve=None).scores(values).astype(np.float64)
    curve = LogisticRegression().fit(np.log(plain / (1 - plain)), classes == 0)
    straight = replace(bent, curve=None).scores(others)
    wanted = curve.predict_proba(np.log(straight / (1 - straight)))[:, 1]
    np.testing.assert_allclose(bent.scores(others)[:, 0], wanted, atol=1e-5)


def test_what_was_written_scores_as_what_was_fitted(data: Any) -> None:
    fitted = fitted_scores(data)
    told, arrays = fitted.to_plain()
    again = FittedScores.from_plain(json.loads(json.dumps(told)), arrays, n_values=D, n_classes=8)
    np.testing.assert_array_equal(again.scores(data[2]), fitted.scores(data[2]))
    assert (again.scores(data[2])[:, 7] == 0).all()
    assert all(array.dtype.kind in "fi" for array in arrays.values())


def _loop(told: Any, arrays: dict[str, np.ndarray]) -> None:
    arrays["2.right"][0] = 0


def _far(told: Any, arrays: dict[str, np.ndarray]) -> None:
    arrays["2.right"][np.flatnonzero(arrays["2.feature"] < 0)[0]] = len(arrays["2.leaves"])


DAMAGES: dict[str, Callable[[Any, dict[str, np.ndarray]], object]] = {
    "a child before its parent": _loop,
    "a leaf beyond the last": _far,
    "a feature that there is not": lambda told, arrays: arrays["2.feature"].__setitem__(0, D),
    "a root beyond the last": lambda told, arrays: arrays["2.first"].__setitem__(0, 1 << 20),
    "a missing array": lambda told, arrays: arrays.pop("1.weights"),
    "another shape": lambda told, arrays: arrays.__setitem__("1.weights", np.zeros((D + 1, 1))),
    "no number": lambda told, arrays: arrays["1.weights"].__setitem__(0, np.nan),
    "no deviation": lambda told, arrays: arrays["3.deviation"].__setitem__(0, 0),
    "other counts": lambda told, arrays: arrays["3.counts"].__setitem__(0, 1),
    "another kind": lambda told, arrays: told[0].__setitem__("kind", "boosting"),
    "no probability": lambda told, arrays: told[0].__setitem__("value", 2.0),
    "a class twice": lambda told, arrays: told[0].__setitem__("columns", [1]),
    "a class too many": lambda told, arrays: told[0].__setitem__("columns", [8]),
    "fewer classes": lambda told, arrays: told[2].__setitem__("columns", [2, 3]),
    "no curve": lambda told, arrays: told[1].__setitem__("curve", ["x"]),
    "no link": lambda told, arrays: told[1].__setitem__("link", "exec"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_what_does_not_belong_together_is_refused(data: Any, damage: Callable[[Any, Any], None]) -> None:
    told, arrays = fitted_scores(data).to_plain()
    damage(told, arrays)
    with pytest.raises(ValueError, match=r"expected .* of a classifier"):
        FittedScores.from_plain(told, arrays, n_values=D, n_classes=8)


@pytest.fixture(scope="module")
def forest(toy: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A forest on the toy catalog's mixes."""
    return run_baseline(toy.path, tmp_path_factory.mktemp("baseline") / "run", MIX, CONFIG)[0].path


@pytest.fixture
def run(forest: Path, tmp_path: Path) -> Run:
    """A copy of it."""
    return Run.open(shutil.copytree(forest, tmp_path / "run"))


def song(folder: Path, rate: int = RATE, seconds: float = 2.0) -> Path:
    t = np.arange(round(seconds * rate)) / rate
    file = folder / "song.wav"
    soundfile.write(file, 0.3 * np.sin(2 * np.pi * 440 * t), rate)
    return file


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"features": "embeddings", "classifier": "logistic", "weights": "random"},
        {"features": "convnet", "classifier": "softmax", "weights": "random", "layers": (4, 1), "steps": 100},
    ],
    ids=["forest", "embeddings", "blocks"],
)
def test_a_baseline_scores_mixes_and_files_by_what_its_folder_holds(
    toy: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: dict[str, Any]
) -> None:
    config = replace(CONFIG, model=MODEL, items=40, val_size=12, test_size=12, **settings)
    made, _ = run_baseline(toy.path, tmp_path / "made", MIX, config)
    run = Run.open(shutil.move(made.path, tmp_path / "run"))
    shutil.rmtree(tmp_path / "features")  # nothing but the folder is needed
    before, report = run.predictions(), run.report()
    assert main(["evaluate", str(run.path), "--num_workers", "0"]) == 0
    after = run.predictions()
    np.testing.assert_allclose(after.scores, before.scores, atol=2e-6)
    np.testing.assert_array_equal(after.targets, before.targets)
    assert list(after.mix_id) == list(before.mix_id)
    assert set(run.card["thresholds"]) == set(run.info["labels"]["outputs"])
    assert run.report().splits["test"].n_items == report.splits["test"].n_items == 12
    capsys.readouterr()
    assert main(["tag", str(song(tmp_path)), "--run", str(run.path), "--hop", "0.5"]) == 0
    assert "song.wav" in capsys.readouterr().out
    names = {file.suffix for file in run.path.iterdir() if file.is_file()}
    assert names <= {".json", ".yaml", ".md", ".parquet", ".safetensors", ".lock", ""}


def test_each_window_of_a_file_scores_as_a_mix_would(run: Run) -> None:
    model = load_baseline(run)
    audio = torch.randn(3, 1, RATE // 2, generator=torch.Generator().manual_seed(0))
    wanted = model.scores(model.features(audio))
    np.testing.assert_allclose(torch.sigmoid(model(audio)).numpy(), wanted, atol=1e-6)
    assert ((wanted >= 0) & (wanted <= 1)).all()
    assert wanted.std() > 0


def test_a_probability_of_nothing_stays_nothing(data: Any) -> None:
    ends = FittedScores((Part(Constant(0.0), (0,)), Part(Constant(1.0), (1,))), 2)
    model = FittedBaseline(ends, lambda audio: audio[:, 0])
    np.testing.assert_array_equal(torch.sigmoid(model(torch.zeros(2, 1, D))), [[0, 1]] * 2)


def test_baselines_on_clips_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tones = make_tones(tmp_path / "tones")
    for classifier in ("svm", "logistic"):
        config = replace(FAST, features="mfcc", classifier=classifier)
        run, _ = run_clip_baseline(
            clips_of(tones), tmp_path / classifier, WHOLE, config, cache=tmp_path / "kept"
        )
        file = song(tmp_path, TONE_RATE)
        assert main(["tag", str(file), "--run", str(run.path), "--hop", "0.5"]) == 0
        assert "song.wav" in capsys.readouterr().out
        # A clip of one window scores as it did when the run was made.
        model, test = load_baseline(run), run.predictions().only("test")
        key = json.loads(test.recipes[0])["clip"]
        clip = next(clip for clip in open_clips(clips_of(tones)).clips if clip.key == key)
        scores = torch.softmax(model(torch.from_numpy(read_clip(clip, TONE_RATE))[None]), dim=1)
        np.testing.assert_allclose(scores[0].numpy(), test.scores[0], atol=1e-5)


@pytest.mark.parametrize("windows", [WHOLE, WindowConfig(duration_s=0.25, overlap=0.5, level="peak")])
def test_clips_are_scored_by_the_mean_of_their_windows_features(
    tmp_path: Path, windows: WindowConfig
) -> None:
    tones = make_tones(tmp_path / "tones")
    config = replace(FAST, features="mfcc", classifier="logistic")
    run, _ = run_clip_baseline(clips_of(tones), tmp_path / "run", windows, config)
    test = open_clips(clips_of(tones)).only("test")
    scores, problems = score_clips(test, open_run(run, device="cpu"), windows=windows)
    assert not problems
    predicted = run.predictions().only("test")
    keys = [json.loads(recipe)["clip"] for recipe in predicted.recipes]
    rows = [[clip.key for clip in test.clips].index(key) for key in keys]
    np.testing.assert_allclose(scores[rows], predicted.scores, atol=1e-5)


def test_an_external_test_set_is_scored_as_by_a_network(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "irmas"
    make_irmas(root)
    assert (
        main(["evaluate-on", "irmas", "--run", str(run.path), "--root", str(root), "--resamples", "0"]) == 0
    )
    report = ExternalReport.load(run.path / "external" / "irmas-test.json")
    assert report.thresholds_fitted
    assert report.n_clips > 0
    assert {found.name for found in report.tables["exact"].classes} >= {"pia", "vio"}


def test_an_old_baseline_says_how_to_make_it_again(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("model.safetensors", "model.json"):
        (run.path / name).unlink()
    with raises(RunError, code="run-incomplete", mentions=("mixlab baseline --config", str(run.path))):
        load_baseline(run)
    assert main(["tag", str(song(tmp_path)), "--run", str(run.path)]) == 2
    assert "keeps no weights" in capsys.readouterr().err
    assert main(["evaluate", str(run.path)]) == 0  # by the predictions that it holds
    assert "mixlab tag" not in capsys.readouterr().out


def test_damaged_files_are_named(run: Run) -> None:
    card = json.loads((run.path / "model.json").read_text())
    for name, value in (
        ("classifier", []),
        ("classifier", [{}]),
        ("features", {"kind": "mfcc", "values": 3}),
    ):
        (run.path / "model.json").write_text(json.dumps({**card, name: value}))
        if value:
            with raises(RunError, code="run-damaged", mentions="model.json"):
                load_baseline(run)
    file = run.path / "model.safetensors"
    (run.path / "model.json").write_text(json.dumps(card))
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with raises(RunError, code="run-damaged", mentions="checksum"):
        load_baseline(run)
