"""Regression on clips: a number that features hold is found, and what cannot be is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixlab.cli.main import main
from mixlab.corpora.clips import ClipsConfig
from mixlab.errors import ConfigError, RunError
from mixlab.inference import Tagger
from mixlab.training.baselines import ClipBaselineConfig, evaluate_clip_baseline, run_clip_baseline
from mixlab.training.baselines.regression import TITLES, Numbered, fit_number
from mixlab.training.clips import train_on_clips
from mixlab.training.clips.config import WindowConfig
from mixlab.training.run import Run
from tests.errors import raises
from tests.tone_clips import RATE, tone

FAST = ClipBaselineConfig(features="mfcc", trees=20, workers=1, bootstrap=20, gammas=(0.0,))
FAST = replace(FAST, model=replace(FAST.model, sample_rate=RATE))
WHOLE = WindowConfig(duration_s=0)


def make_pitches(root: Path, *, groups: int = 24, seconds: float = 0.3) -> ClipsConfig:
    """A table of tones with their pitch in semitones; one clip has none, one cannot be read."""
    rows, rng = ["file,group,value_pitch"], np.random.default_rng(5)
    root.mkdir(parents=True)
    for k in range(groups * 2):
        pitch = 40 + 40 * rng.random()
        audio = tone(440 * 2 ** ((pitch - 69) / 12), seconds, 0.3, k)
        soundfile.write(root / f"{k}.wav", audio.astype(np.float32), RATE, "FLOAT")
        rows.append(f"{k}.wav,{k // 2},{'' if k == 7 else f'{pitch:.4f}'}")
    (root / "10.wav").write_bytes(b"no sound")
    (root / "clips.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return ClipsConfig(corpus="csv", root=str(root), value="pitch")


def line(rng: np.random.Generator, n: int, *, noise: float = 0.0) -> Numbered:
    """Items whose number is a linear function of a feature."""
    values = rng.standard_normal((n, 4)).astype(np.float32)
    return Numbered(values, 500 + 30 * values[:, 1].astype(float) + noise * rng.standard_normal(n))


def r2(true: np.ndarray, found: np.ndarray) -> float:
    return float(1 - np.square(true - found).sum() / np.square(true - true.mean()).sum())


@pytest.mark.parametrize(("classifier", "least"), [("logistic", 0.99), ("svm", 0.95), ("forest", 0.85)])
def test_a_linear_function_of_a_feature_is_found(
    rng: np.random.Generator, classifier: str, least: float
) -> None:
    config = replace(FAST, classifier=classifier)
    test = line(rng, 80)
    fitted = fit_number(line(rng, 300), line(rng, 80), config)
    assert r2(test.numbers, fitted.predict(test.values)) > least


@pytest.mark.parametrize("classifier", sorted(TITLES))
def test_the_unit_of_a_number_changes_nothing(rng: np.random.Generator, classifier: str) -> None:
    parts, config = [line(rng, 60, noise=10.0) for _ in range(3)], replace(FAST, classifier=classifier)
    in_other = [Numbered(part.values, 128 * part.numbers) for part in parts]
    one, other = fit_number(*parts[:2], config), fit_number(*in_other[:2], config)
    assert one.chosen == other.chosen
    np.testing.assert_allclose(other.predict(parts[2].values), 128 * one.predict(parts[2].values), rtol=1e-4)


def test_settings_are_those_with_the_least_error_on_validation(rng: np.random.Generator) -> None:
    """A kernel much wider than what is to be told, or much narrower, tells nothing."""

    def wave(n: int) -> Numbered:
        values = rng.uniform(-1.7, 1.7, (n, 1)).astype(np.float32)
        return Numbered(values, np.sin(4 * values[:, 0].astype(float)))

    config = replace(FAST, classifier="svm", gammas=(1e-6, 1.0, 1e6), strengths=(0.1, 8.0))
    fitted, test = fit_number(wave(150), wave(60), config), wave(60)
    assert fitted.chosen == {"strength": 8.0, "gamma": 1.0}
    assert r2(test.numbers, fitted.predict(test.values)) > 0.9


def test_a_number_that_never_changes_is_refused_by_its_name(rng: np.random.Generator) -> None:
    part = line(rng, 10)
    same = Numbered(part.values, np.full(10, 120.0))
    with raises(ConfigError, code="constant-target", mentions=("tempo", 120, 10)):
        fit_number(same, part, replace(FAST, classifier="svm"), name="tempo")


def test_a_last_layer_has_no_regression(rng: np.random.Generator) -> None:
    with raises(ConfigError, code="conflicting-settings", mentions=("baseline.classifier", "softmax", "svm")):
        fit_number(line(rng, 10), line(rng, 10), replace(FAST, classifier="softmax"))


def test_a_run_of_numbers_from_clips_to_its_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = make_pitches(tmp_path / "tones")
    runs = {}
    for kind in ("svm", "logistic"):
        config = replace(FAST, classifier=kind)
        run, report = run_clip_baseline(clips, tmp_path / kind, WHOLE, config, cache=tmp_path / "f")
        runs[kind] = run, report
        assert report.test.scores["r2"].chance <= 0
        assert report.test.scores["r2"].value > (0.4 if kind == "svm" else 0.0)
        assert report.test.scores["r2"].interval is not None
    run, report = runs["svm"]
    assert not run.single_label
    found = run.predictions()
    assert (found.labels, found.scores.shape[1]) == (("pitch",), 1)
    assert found.quantity == run.quantity == report.test.quantity
    assert found.quantity is not None
    rows = [row.split(",") for row in Path(clips.root, "clips.csv").read_text().split()[1:]]
    assert set(found.targets[:, 0]) <= {np.float32(number) for _, _, number in rows if number}
    unread = {key for held in run.info["unreadable_clips"].values() for key in held}
    assert unread == {"10.wav"}
    assert run.info["fitted"]["clips"] + len(found) == 48 - 2
    assert any("1 clips whose pitch is not known" in note for note in run.info["clips"]["notes"])
    text = (run.path / "report.md").read_text(encoding="utf-8")
    assert "support vector regression" in text
    assert "threshold" not in text
    again = evaluate_clip_baseline(Run.open(run.path))
    assert again.test.scores["r2"] == report.test.scores["r2"]
    assert main(["evaluate", str(run.path)]) == 0
    assert main(["compare", str(tmp_path / "svm"), str(tmp_path / "logistic")]) == 0
    assert "R2" in capsys.readouterr().out
    with raises(RunError, code="wrong-run-kind", mentions="pitch"):
        Tagger.load(run.path)
    (run.path / "run.json").write_text((run.path / "run.json").read_text().replace('"deviation"', '"spread"'))
    with raises(RunError, code="run-damaged", mentions="deviation"):
        Run.open(run.path).predictions()


def test_networks_are_trained_on_classes(tmp_path: Path) -> None:
    with raises(ConfigError, code="conflicting-settings", mentions=("clips.value", "pitch")):
        train_on_clips(ClipsConfig("csv", str(tmp_path), value="pitch"), tmp_path / "run")
