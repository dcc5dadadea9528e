"""Runs on the same clips are compared clip by clip, whatever made them; other clips are refused."""

from pathlib import Path

import pytest

from mixlab.cli.main import main
from mixlab.corpora.clips import ClipsConfig
from mixlab.evaluation import CLIPS, Comparison
from mixlab.models import ModelConfig
from mixlab.training.baselines import ClipBaselineConfig, run_clip_baseline
from mixlab.training.clips.config import WindowConfig
from tests.clip_run import write_clip_run
from tests.training.clips.tone_clips import RATE, make_tones


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network's run on tones, one of a classical baseline, and one on the tones divided otherwise."""
    folder = tmp_path_factory.mktemp("compared")
    tones = make_tones(folder / "tones", groups=12, seconds=0.2)
    write_clip_run(folder / "network", tones, noise=4.0)
    config = ClipBaselineConfig(
        features="mfcc", classifier="logistic", model=ModelConfig(sample_rate=RATE, f_max=4000), workers=1,
        bootstrap=10,
    )  # fmt: skip
    for name, seed in (("classical", 0), ("divided", 1)):
        clips = ClipsConfig("folder", str(tones), split_seed=seed)
        run_clip_baseline(clips, folder / name, WindowConfig(0.2), config)
    return folder


def test_a_baseline_is_compared_with_a_network_on_the_same_clips(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = str(folder / "network"), str(folder / "classical")
    assert main(["compare", a, b, "--resamples", "50", "--out", str(folder / "out")]) == 0
    compared = Comparison.load(folder / "out" / "comparison.json")
    assert (compared.units, compared.single_label) == (CLIPS, (True, True))
    (accuracy,) = compared.rows["accuracy"]
    assert accuracy.b > accuracy.a + 0.1  # tones of three pitches are easy, and the network's scores noise
    out = capsys.readouterr().out
    assert f"the same {compared.n_items} clips from {compared.n_groups} recordings" in out
    assert "song" not in out


def test_clips_that_are_divided_otherwise_are_refused_with_what_to_set(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(folder / "network"), str(folder / "divided")]) == 2
    error = capsys.readouterr().err
    assert "different clips" in error
    assert "split_seed" in error
