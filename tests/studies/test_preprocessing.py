"""The study of preprocessing: its conditions, its claims on made-up runs, and what excerpts hold."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mixlab.catalog.catalog import Catalog
from mixlab.corpora.clips.config import ClipsConfig
from mixlab.errors import ConfigError
from mixlab.evaluation import Interval
from mixlab.evaluation.predictions import Predictions
from mixlab.mixing.config import MixConfig
from mixlab.models import ModelConfig, build_model
from mixlab.studies.base import StudyRequest, can_draw
from mixlab.studies.engine import run_study
from mixlab.studies.experiments.preprocessing import Preprocessing
from mixlab.studies.folder import StudyFolder
from mixlab.studies.plan import Condition, Trial
from mixlab.studies.preprocessing.claims import (
    _doubling,
    log_lines,
    more_than_chance,
    scale_lines,
    size_lines,
    weighting_lines,
)
from mixlab.studies.preprocessing.excerpts import BINS, measure, measure_excerpts
from mixlab.studies.preprocessing.first_bias import BiasPair, bias_lines, bias_table, mean_first_bias
from mixlab.studies.preprocessing.grid import WEIGHTINGS, name_of
from mixlab.studies.preprocessing.tables import sizes_of
from mixlab.studies.registry import build_study
from mixlab.studies.reports import write_study_report
from mixlab.studies.results import load_results
from mixlab.studies.statistics import Estimate
from mixlab.training import TrainConfig
from tests.errors import raises
from tests.studies import made_results
from tests.studies import test_reports as made_up

STUDY = Preprocessing()
RATE = 8000
MODEL = ModelConfig(sample_rate=RATE, f_max=4000, n_fft=256, hop=128, n_mels=16, width=4)


def request(data: str, **changes: Any) -> StudyRequest:
    train = TrainConfig(model=MODEL, precision="fp32", epochs=6, patience=2, epoch_size=400, batch_size=8)
    tasks = {"tags": ClipsConfig(root="clips", train_fraction=0.5)} if data == "clips" else {}
    mix = MixConfig(duration_s=0.5, sample_rate=RATE, max_sources=3)
    return made_up.request(data=data, mix=mix, train=train, tasks=tasks, **changes)


def by_name(conditions: Any) -> dict[str, Condition]:
    return {condition.name: condition for condition in conditions}


def test_the_grid_is_the_thesis_s() -> None:
    """Two magnitudes, three weightings, two scales, all standardised; then smaller sets of both."""
    found = by_name(STUDY.conditions(request("clips")))
    assert len(found) == 2 * 3 * 2 + 2 * 3
    grid = [c for c in found.values() if c.values["size"] == 1]
    own = "train.model."
    shapes = {
        (c.overrides[own + "magnitude"], c.overrides[own + "frequency_weighting"], c.overrides[own + "scale"])
        for c in grid
    }
    assert shapes == {(m, w, s) for m in ("decibel", "linear") for w in WEIGHTINGS for s in (1.0, 10.0)}
    assert {c.overrides[own + "standardise"] for c in found.values()} == {True}
    assert {c.task for c in found.values()} == {"tags"}
    assert next(iter(found)) == name_of("decibel", "bypass")
    assert len({c.label for c in found.values()}) == len(found)


def test_smaller_training_sets_are_trained_on_as_long() -> None:
    """On clips a quarter of them four times as many epochs; on mixes epochs keep their size."""
    settings = {"sizes": [0.25], "training_items": 200}
    on_clips = by_name(STUDY.conditions(request("clips", settings=settings)))[name_of("linear", size=0.25)]
    assert on_clips.overrides["clips.train_fraction"] == pytest.approx(0.125)
    assert (on_clips.overrides["train.epochs"], on_clips.overrides["train.patience"]) == (24, 8)
    on_mixes = by_name(STUDY.conditions(request("mixes", settings=settings)))
    assert on_mixes[name_of("linear", size=0.25)].overrides["train.distinct_items"] == 50
    assert on_mixes[name_of("decibel", "bypass")].overrides["train.distinct_items"] == 200
    assert "train.epochs" not in on_mixes[name_of("linear", size=0.25)].overrides
    whole = by_name(STUDY.conditions(request("mixes")))[name_of("decibel", "bypass")]
    assert whole.overrides["train.distinct_items"] == 400


@pytest.mark.parametrize(
    ("settings", "code", "mentions"),
    [
        ({"sizes": [0.5, 1.0]}, "invalid-setting", ("settings.sizes", "1.0")),
        ({"sizes": [0.5, 0.5]}, "invalid-setting", "settings.sizes"),
        ({"scale": 1.0}, "invalid-setting", "settings.scale"),
        ({"training_items": -1}, "invalid-setting", "settings.training_items"),
        ({"size": [0.5]}, "unknown-setting", ("size", "sizes")),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], code: str, mentions: Any) -> None:
    with raises(ConfigError, code=code, mentions=mentions):
        build_study("preprocessing", request("mixes", settings=settings))


def test_networks_without_a_mel_front_end_are_refused() -> None:
    own = request("mixes")
    model = ModelConfig("rawnet2", sample_rate=RATE)
    plan = build_study("preprocessing", replace(own, train=replace(own.train, model=model)))
    with raises(ConfigError, code="invalid-study", mentions=("model.magnitude", "rawnet2")):
        plan.trials()


class Pretender(made_up.Pretender):
    """Makes runs up in which magnitude alone counts, and scale where it is told to."""

    def __init__(self, *, scale_hurts: bool = False, log_helps: bool = True) -> None:
        super().__init__({})
        self.scale_hurts, self.log_helps = scale_hurts, log_helps

    def predictions(self, trial: Trial, groups: list[str], world: int) -> Predictions:
        log = trial.condition.startswith("decibel")
        noise = 0.5 if log and self.log_helps else 1.2
        noise *= 3 if self.scale_hurts and trial.condition.endswith("scaled") else 1
        size = trial.condition.partition("_size")[2]
        noise *= (100 / float(size)) ** 0.5 if size else 1
        return made_up.predictions(noise, 10 * trial.seed + log, groups=groups, world=world)


def made(launcher: Pretender, toy: Catalog, folder: Path) -> StudyFolder:
    study = StudyFolder(folder)
    asked = request("mixes", seeds=(0, 1), settings={"sizes": [0.32]})
    run_study(study, build_study("preprocessing", asked), toy, launcher=launcher)
    return study


def test_claims_follow_from_the_runs(toy: Catalog, tmp_path: Path) -> None:
    study = made(Pretender(), toy, tmp_path / "a")
    write_study_report(study, n_resamples=30)
    text = (study.path / "report.md").read_text()
    assert "weighting of frequencies makes no difference: shows here. 0 of 12 differences" in text
    assert "scaling makes no difference: shows here. 0 of 6" in text
    # Two seeds say little of other seeds.
    assert "power needs about twice the data of decibels: cannot be told here. decibels with 32 %" in text
    assert "the same by macro AP, which the thesis does not have: " in text
    assert "larger (there 3.4 times as large): cannot be told here" in text
    assert "0.847" in text  # the thesis's own, beside ours
    assert "| 32 % |" in text
    assert "mean absolute bias of" not in text  # made-up runs have no weights
    for name in ("figure", "sizes", "histograms", "spectra"):
        assert (study.path / f"{name}.png").is_file() is can_draw()


def test_claims_do_not_follow_where_the_runs_say_otherwise(toy: Catalog, tmp_path: Path) -> None:
    study = made(Pretender(scale_hurts=True, log_helps=False), toy, tmp_path)
    results = load_results(study, n_resamples=30)
    assert weighting_lines(results)[0].startswith("weighting of frequencies makes no difference: shows here")
    (scale,) = scale_lines(results)
    assert not scale.startswith("scaling makes no difference: shows here")
    assert ", 0 with their intervals within" in scale
    assert log_lines(results)[0].startswith("decibels always beat power: cannot be told here. 0 of 6")
    assert "shows here" not in size_lines(results)[1]


def test_some_differences_are_significant_by_chance() -> None:
    assert [more_than_chance(k, 6) for k in range(3)] == [False, False, True]
    assert [more_than_chance(k, 12) for k in range(4)] == [False, False, False, True]


def test_excerpts_are_kept_with_the_study(toy: Catalog, tmp_path: Path) -> None:
    """A report can be written again where the audio is no longer there."""
    study = made(Pretender(), toy, tmp_path / "study")
    found = measure_excerpts(study)
    assert (found.n_histogram, found.n_spectrum) == (100, 200)
    state = (study.path / "study.json").read_text()
    (study.path / "study.json").write_text(state.replace(str(toy.path), str(tmp_path / "gone")))
    assert measure_excerpts(study) == found
    (study.path / "excerpts.json").unlink()
    write_study_report(study, n_resamples=10)
    assert "magnitudes of training excerpts are not shown: " in (study.path / "report.md").read_text()


def falling_noise(n: int) -> Tensor:
    """Excerpts of different levels, weaker towards high frequencies, as music is."""
    torch.manual_seed(0)
    spectrum = torch.fft.rfft(torch.randn(n, 1, RATE))
    slope = torch.linspace(1, 60, spectrum.shape[-1]) ** -1.0
    level = torch.logspace(-2, -0.5, n)[:, None, None]
    return level * torch.fft.irfft(spectrum * slope, n=RATE) / 0.1


def test_excerpts_show_what_the_blocks_do() -> None:
    found = measure(falling_noise(40), MODEL)
    log, linear = found.histograms
    assert (log.magnitude, linear.magnitude) == ("decibel", "linear")
    assert len(log.shares) == BINS == len(linear.edges) - 1
    assert sum(log.shares) == pytest.approx(1) == sum(linear.shares)
    assert abs(log.skewness) < 1 < linear.skewness
    assert max(linear.shares) > 0.5 > max(log.shares)
    flat, weighted, bypass = (np.array(one.values) for one in found.spectra)
    assert np.std(flat) < 0.05 < np.std(bypass)
    lowest, middle = 0, int(np.argmin(np.abs(np.array(found.centres_hz) - 1000)))
    assert weighted[lowest] - weighted[middle] < bypass[lowest] - bypass[middle] - 1
    with raises(ConfigError, code="conflicting-settings", mentions=("rawnet2", "model.standardise")):
        measure(falling_noise(2), ModelConfig("rawnet2", sample_rate=RATE))


def test_the_first_convolution_s_biases() -> None:
    model = build_model(MODEL, 2)
    conv = model.get_submodule("layer1.conv")
    assert isinstance(conv, nn.Conv2d)
    nn.init.constant_(conv.bias, -0.5)
    assert mean_first_bias(model) == pytest.approx(0.5)
    assert np.isnan(mean_first_bias(nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.Linear(2, 2))))
    assert np.isnan(mean_first_bias(nn.Linear(2, 2)))


def test_bias_claims_follow_from_ratios() -> None:
    def lines(*ratios: float) -> str:
        pair = BiasPair("decibel", "bypass", tuple(1.0 for _ in ratios), ratios)
        return bias_lines([pair])[0]

    assert "shows here. geometric mean over 3 pairs of runs 3.40" in lines(3.2, 3.4, 3.6125)
    assert ": does not show here" in lines(0.98, 1.0, 1.03)
    assert ": cannot be told here" in lines(0.5, 9.0)
    assert ": cannot be told here" in lines(2.0)
    table = bias_table([BiasPair("linear", "a_weighting", (0.1, 0.3), (0.2, 0.9))]).markdown()
    assert "| linear, A-weighting | 0.2000 | 0.5500 | 2.50 |" in table


def test_half_the_data_is_as_good_only_where_seeds_agree() -> None:
    def line(seeds: Interval) -> str:
        return _doubling({0.5: Estimate(0.0, 3, songs=Interval(-0.002, 0.002), seeds=seeds)})

    assert ": shows here" in line(Interval(-0.005, 0.005))
    assert ": cannot be told here" in line(Interval(-0.1, 0.1))


def test_runs_made_elsewhere_are_no_size_of_the_training_set() -> None:
    own = made_results.scored(Condition("decibel_bypass", "own", values={"size": 1.0}), Estimate(0.5, 1))
    other = made_results.scored(Condition("also1", "theirs", runs=("there",)), Estimate(0.5, 1))
    assert sizes_of(made_results.study([own, other])) == [1.0]
