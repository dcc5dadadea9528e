"""The study of genre and speaker: who starts from whom, on which windows, and what decides claims."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mixlab.corpora.clips.config import ClipsConfig
from mixlab.errors import ConfigError
from mixlab.evaluation.predictions import Predictions
from mixlab.studies.base import StudyRequest
from mixlab.studies.experiments.genre_speaker import GenreSpeaker
from mixlab.studies.genre_speaker.claims import above_chance, frequent_classes, recall_gap
from mixlab.studies.genre_speaker.grid import TASKS, random_of, scratch_of, transfer_of
from mixlab.studies.genre_speaker.paper import TABLE_3
from mixlab.studies.genre_speaker.tables import IN_TABLE_3, condition_in_table_3
from mixlab.studies.plan import Condition, Plan
from mixlab.studies.registry import build_study
from mixlab.studies.results import ConditionResult
from mixlab.studies.statistics import ConditionScores, score_run
from tests.errors import raises
from tests.studies import test_reports as made_up

CLASSES = ("Rock", "Pop", "Blues")
SIZES = (24, 10, 10)


def request(**settings: Any) -> StudyRequest:
    tasks = {"genre": ClipsConfig(root="fma"), "speaker": ClipsConfig(root="vctk")}
    return made_up.request(data="clips", tasks=tasks, settings=settings)


def plan(**settings: Any) -> Plan:
    return build_study("genre_speaker", request(**settings))


def test_each_network_is_trained_and_transferred_both_ways() -> None:
    found = {condition.name: condition for condition in plan().conditions}
    # ConvNet with two optimizers, RawNet2 with one, each trained and transferred; a control of each network.
    assert len(found) == 2 * (3 * 2 + 2)
    for task, other in (TASKS, TASKS[::-1]):
        for network, optimizer in (("convnet", "adadelta"), ("convnet", "adam"), ("rawnet2", "adam")):
            scratch, moved = (found[name(network, optimizer, task)] for name in (scratch_of, transfer_of))
            assert (scratch.task, scratch.starts_from) == (task, "")
            assert (moved.task, moved.starts_from) == (task, scratch_of(network, optimizer, other))
            assert moved.overrides == {**scratch.overrides, "train.transfer": "last"}
            assert scratch.overrides["train.loss"] == "softmax"
    assert found[random_of("convnet", "genre")].overrides["train.transfer"] == "random_frozen"
    assert found[random_of("convnet", "genre")].overrides["train.optimizer"] == "adam"
    assert {condition_in_table_3(*place) for place in IN_TABLE_3} <= set(found)
    assert {(network, task) for network, row in TABLE_3.items() for task in row} == set(IN_TABLE_3)


def test_windows_are_the_networks_own() -> None:
    """3 s at 22,050 Hz for ConvNet; 59,049 samples for RawNet2; a sentence is not padded to 30 s."""
    for trial in plan(speech_windows=0).trials():
        windows, train = trial.sections["windows"], trial.settings
        samples = round(windows["duration_s"] * train["model"]["sample_rate"])
        assert samples == (66_150 if "convnet" in trial.condition else 59_049)
        if trial.task == "speaker":
            assert windows["count"] == 0
    (adadelta,) = {t.settings["lr_head"] for t in plan().trials() if "adadelta" in t.condition}
    assert adadelta == 1.0


def test_settings_of_single_networks_go_to_these() -> None:
    own = {"rawnet2": {"train.epochs": 7, "train.model.parameters": {"width": 8}}}
    for trial in plan(overrides=own, random=False).trials():
        assert (trial.settings["epochs"] == 7) == ("rawnet2" in trial.condition)
        assert "random" not in trial.condition
        if "rawnet2" in trial.condition:
            assert trial.settings["model"]["parameters"] == {"width": 8}
    alone = plan(optimizers={"rawnet2": ["adam"]}).conditions
    assert {c.name.partition("_")[0] for c in alone} == {"rawnet2"}


@pytest.mark.parametrize(
    ("settings", "code", "mentions"),
    [
        (
            {"optimizers": {"resnet": ["adam"]}},
            "invalid-setting",
            ("settings.optimizers", "convnet", "resnet"),
        ),
        ({"optimizers": {"convnet": []}}, "invalid-setting", "settings.optimizers.convnet"),
        ({"optimizers": {"convnet": ["sgd"]}}, "invalid-setting", ("settings.rates", "sgd")),
        ({"overrides": {"vgg": {}}}, "invalid-setting", ("settings.overrides", "vgg")),
        ({"optimizer": {}}, "unknown-setting", ("optimizer", "optimizers")),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], code: str, mentions: Any) -> None:
    with raises(ConfigError, code=code, mentions=mentions):
        plan(**settings)


def result(right: tuple[float, ...], *, seeds: int = 2) -> ConditionResult:
    """A condition that recognises a share of the clips of each class; what it misses it takes for Rock."""
    truth = np.repeat(np.arange(len(CLASSES)), SIZES)
    place = np.concatenate([np.arange(size) / size for size in SIZES])
    decided = np.where(place < np.array(right)[truth], truth, np.where(truth == 0, 1, 0))
    count = len(truth)
    predictions = Predictions(
        labels=CLASSES,
        split=np.array(["validation"] * count + ["test"] * count, dtype=object),
        index=np.tile(np.arange(count), 2),
        group=np.array([f"artist {k}" for k in range(2 * count)], dtype=object),
        scores=np.tile(np.eye(len(CLASSES), dtype=np.float32)[decided], (2, 1)),
        targets=np.tile(np.eye(len(CLASSES), dtype=np.float32)[truth], (2, 1)),
        mask=np.ones((2 * count, len(CLASSES)), np.bool_),
        mix_id=np.array([str(k) for k in range(2 * count)], dtype=object),
        attempt=np.zeros(2 * count, np.int64),
        recipes=np.array([f"{{{k}}}" for k in range(2 * count)], dtype=object),
        single_label=True,
    )
    runs = {seed: score_run(predictions, n_resamples=200, groups="groups") for seed in range(seeds)}
    scores = ConditionScores(runs, seeds)
    condition = Condition("convnet_adam_genre", "ConvNet", task="genre")
    return ConditionResult(condition, scores, scores, dict.fromkeys(runs, Path()), ("a",), CLASSES)


def test_recall_of_frequent_classes_is_held_against_that_of_rare_ones() -> None:
    c = result((1.0, 0.5, 0.1))
    assert [CLASSES[k] for k in frequent_classes(c)] == ["Rock"]
    e = recall_gap(c)
    assert e.value == pytest.approx(1.0 - 0.3)
    assert e.songs is not None
    assert 0 < e.songs.low < 0.7 < e.songs.high
    assert e.significant
    assert recall_gap(result((0.5, 0.5, 0.5))).value == pytest.approx(0)
    assert not recall_gap(result((0.5, 0.5, 0.5))).significant
    assert recall_gap(result((0.2, 0.9, 0.9))).value < 0


def test_chance_is_the_most_frequent_class() -> None:
    c = result((1.0, 0.5, 0.1))
    accuracy = (24 + 5 + 1) / sum(SIZES)
    e = above_chance(c)
    assert e.value == pytest.approx(accuracy - 24 / sum(SIZES))
    assert c.test.of("accuracy").value == pytest.approx(accuracy)
    own = c.test.of("accuracy").songs
    assert own is not None
    assert e.songs is not None
    assert e.songs.low == pytest.approx(own.low - 24 / sum(SIZES))
    assert above_chance(result((1.0, 0.0, 0.0))).value == pytest.approx(0)


def test_the_study_needs_both_tasks() -> None:
    lacking = made_up.request(data="clips", tasks={"genre": ClipsConfig(root="fma")})
    with raises(ConfigError, code="missing-setting", mentions=("speaker", "genre_speaker")):
        build_study(GenreSpeaker.name, lacking)
