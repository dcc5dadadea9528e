"""The study of predominant instruments: what it trains, and that s2 follows from s1."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mixlab.catalog.catalog import Catalog
from mixlab.corpora.clips.config import ClipsConfig
from mixlab.errors import ConfigError, WeightsError
from mixlab.evaluation.predictions import Predictions
from mixlab.mixing.config import MixConfig
from mixlab.models import ModelConfig
from mixlab.studies.base import StudyRequest
from mixlab.studies.engine import run_study
from mixlab.studies.experiments.predominant import STUDY
from mixlab.studies.folder import StudyFolder
from mixlab.studies.predominant.aggregation import divided
from mixlab.studies.predominant.grid import PredominantSettings, conversion_start, name_of
from mixlab.studies.predominant.paper import TABLE_1, TABLE_2
from mixlab.studies.registry import build_study
from mixlab.studies.reports import write_study_report
from mixlab.training.clips.config import WindowConfig
from mixlab.training.clips.records import aggregate
from mixlab.training.config import TrainConfig
from tests.errors import raises
from tests.studies import test_reports as made_up

MODEL = ModelConfig("resnet18", 22050, 2048, 512, n_mels=128, f_max=11025, magnitude="ln")


def request(data: str = "clips", **settings: Any) -> StudyRequest:
    return StudyRequest(
        mix=MixConfig(sample_rate=22050),
        train=TrainConfig(model=MODEL, loss="softmax"),
        seeds=(0, 1, 2),
        data=data,  # type: ignore[arg-type]
        tasks={"instruments": ClipsConfig("irmas")},
        windows=WindowConfig(aggregation="s2"),
        settings=settings,
    )


def test_the_paper_s_two_tables_are_what_is_trained() -> None:
    plan = STUDY.plan(request())
    assert plan.train.loss == "bce"
    assert plan.windows.aggregation == "s1"
    trained = {condition.name: condition for condition in plan.trained}
    wanted = {name_of(*key) for key in TABLE_2} | {name_of("resnet50", "pretrained", c) for c in TABLE_1}
    lite = {name_of("efficientnet_lite0", start) for start in ("random", "pretrained")}
    assert set(trained) == wanted | lite
    for name, condition in trained.items():
        settings = plan.settings(condition)
        network, start = condition.values["network"], condition.values["start"]
        assert settings["train"].model.architecture == network
        assert settings["train"].transfer == {"random": "scratch", "pretrained": "finetune"}[start]
        assert settings["train"].pretrained == ("" if start == "random" else f"imagenet_{network}")
        assert condition.threshold == "common"
        oracle = plan.condition(f"{name}_oracle")
        assert oracle is not None
        assert (oracle.same_runs_as, oracle.threshold) == (name, "common_on_test")
    assert len(plan.trials()) == 3 * len(trained)


def test_stereo_has_no_row_on_mixes() -> None:
    plan = STUDY.plan(request("mixes"))
    assert all(condition.task == "" for condition in plan.conditions)
    assert "stereo" not in {condition.values["conversion"] for condition in plan.trained}
    assert "zero_pad" in {condition.values["conversion"] for condition in plan.trained}


@pytest.mark.parametrize(
    ("settings", "code", "mentions"),
    [
        ({"conversions": ["rgb"]}, "invalid-setting", ("rgb", "zero_pad")),
        ({"pretrained": ["resnet34"]}, "conflicting-settings", ("resnet34", "resnet18")),
        ({"networks": ["resnet18"], "conversions_of": "resnet50"}, "conflicting-settings", ("resnet50",)),
        ({"networks": []}, "conflicting-settings", ("none",)),
        ({"network": ["resnet18"]}, "unknown-setting", ("network", "networks")),
    ],
)
def test_settings_that_cannot_be_are_named(
    settings: dict[str, Any], code: str, mentions: tuple[str, ...]
) -> None:
    with raises(ConfigError, code=code, mentions=mentions):
        STUDY.settings_of(request(**settings))


def test_conversions_are_the_paper_s_network_s_or_the_first_one_s() -> None:
    assert PredominantSettings().converted == "resnet50"
    lite = PredominantSettings(networks=("efficientnet_lite0", "resnet18"), pretrained=())
    assert (lite.converted, conversion_start(lite)) == ("efficientnet_lite0", "random")


def test_absent_weights_are_said_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIXLAB_WEIGHTS", str(tmp_path))
    with raises(WeightsError, code="weights-not-fetched", mentions=("mixlab weights get imagenet_resnet18",)):
        STUDY.check(STUDY.plan(request()))
    STUDY.check(STUDY.plan(request(pretrained=[])))
    with raises(WeightsError, code="weights-not-found", mentions=("my.pth",)):
        STUDY.check(STUDY.plan(request(networks=["resnet18"], weights={"resnet18": "my.pth"})))


def test_s2_follows_from_s1() -> None:
    """Whatever the number of windows: as computed from the windows themselves."""
    rng = np.random.default_rng(0)
    rows = np.repeat(np.arange(6), [1, 2, 3, 9, 4, 2])
    windows = rng.random((len(rows), 4)).astype(np.float32)
    windows[rows == 5] = 0  # no class at all: nothing to divide by
    found, s1 = aggregate(windows, rows, "s1")
    _, s2 = aggregate(windows, rows, "s2")
    n = len(found)
    empty = np.array([""] * n, dtype=object)
    predictions = Predictions(
        labels=("a", "b", "c", "d"),
        split=np.array(["test"] * n, dtype=object),
        index=found,
        group=empty,
        scores=s1,
        targets=np.zeros((n, 4), np.float32),
        mask=np.ones((n, 4), np.bool_),
        mix_id=empty,
        attempt=np.zeros(n, np.int64),
        recipes=empty,
    )
    np.testing.assert_allclose(divided(predictions).scores, s2, rtol=1e-6)


def test_runs_made_elsewhere_stand_beside_the_study_s_own(toy: Catalog, tmp_path: Path) -> None:
    """They have no network and no conversion of the study's: in its own tables they have no row."""
    asked = made_up.request(
        data="mixes",
        seeds=(0,),
        settings={"networks": ["resnet18"], "pretrained": [], "conversions": ["zero_pad"]},
    )
    noise = {name_of("resnet18", "random"): 0.5, name_of("resnet18", "random", "zero_pad"): 0.9}
    first, second = (StudyFolder(tmp_path / name) for name in "ab")
    run_study(first, build_study("predominant", asked), toy, launcher=made_up.Pretender(noise))
    also = {"an earlier one": (str(first.run_path("resnet18_random-seed0")),)}
    plan = build_study("predominant", replace(asked, also=also))
    run_study(second, plan, toy, launcher=made_up.Pretender(noise))
    report, _ = write_study_report(second, n_resamples=20)
    assert [row[0] for row in report.lead.rows] == ["baseline [2] of the paper", "ResNet18", "ResNet18"]
    summary = next(table for table in report.tables if "macro and by rank" in table.title)
    assert "an earlier one" in [row[0] for row in summary.rows]
