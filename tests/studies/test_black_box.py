"""The study of a black box: what it trains, what loudness is, and what becomes of the paper's claims."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from mixlab.corpora.clips import ClipsConfig, ClipSet, open_clips
from mixlab.errors import ConfigError, CorpusError, WeightsError
from mixlab.evaluation import Interval
from mixlab.mixing.config import MixConfig
from mixlab.models import ModelConfig
from mixlab.studies.base import StudyRequest
from mixlab.studies.black_box.claims import _by_loudness, disparity
from mixlab.studies.black_box.conditions import EXTREMES, FIVE, BlackBoxSettings, all_tasks, name_of
from mixlab.studies.black_box.paper import TABLE_2, TABLE_4
from mixlab.studies.black_box.tables import (
    ClassLoudness,
    class_loudness,
    loudness_table,
    own_tasks,
    subset_sizes,
)
from mixlab.studies.experiments.black_box import STUDY
from mixlab.studies.loudness import (
    LEVELS,
    LOUDNESS_CORPUS,
    LoudnessClasses,
    by_loudness,
    measure_loudness,
)
from mixlab.studies.plan import Condition
from mixlab.studies.results import StudyResults
from mixlab.studies.statistics import Estimate
from mixlab.training.clips.config import WindowConfig
from mixlab.training.config import TrainConfig
from tests.errors import raises
from tests.studies import made_results
from tests.tone_clips import RATE, make_tones

MODEL = ModelConfig("inception_v3", 22050, 8192, 1024, f_max=11025, spectrogram="log_frequency")


def request(*tasks: str, **settings: Any) -> StudyRequest:
    return StudyRequest(
        mix=MixConfig(),
        train=TrainConfig(model=MODEL),
        seeds=(0, 1, 2, 3, 4),
        data="clips",
        tasks={name: ClipsConfig("folder", f"clips/{name}") for name in tasks},
        windows=WindowConfig(duration_s=0),
        settings=settings,
    )


def test_table_2_is_two_levels_by_two_classifiers() -> None:
    plan = STUDY.plan(request("genre", "ballroom", random=False))
    assert [c.name for c in plan.conditions if c.task == "genre"] == [
        name_of("genre", classifier, level)
        for classifier in ("network", "forest")
        for level in ("unprocessed", "normalised")
    ]
    for condition in plan.conditions:
        settings = plan.settings(condition)
        own, windows = settings["baseline"], settings["windows"]
        assert windows.level == ("peak" if condition.name.endswith("normalised") else "as_recorded")
        assert windows.whole
        if "_forest_" in condition.name:
            assert (own.features, own.classifier) == ("descriptors", "forest")
        else:
            assert (own.features, own.classifier, own.steps) == ("embeddings", "softmax", 8000)
            assert not own.standardise
            assert own.model == MODEL
    assert len(plan.trials()) == 5 * 8


def test_section_6_is_made_of_one_task() -> None:
    plan = STUDY.plan(request("genre", "ballroom", subsets_of="ballroom", colour=True))
    assert [plan.tasks[f"ballroom{n}"].largest for n in (9, 8, 7, 2)] == [9, 8, 7, 2]
    assert plan.tasks[FIVE].corpus == LOUDNESS_CORPUS
    assert (plan.tasks[FIVE].task, plan.tasks[FIVE].root) == ("folder", "clips/ballroom")
    assert plan.tasks[EXTREMES].classes == ["loud1", "loud5"]
    repeated = plan.condition(name_of("ballroom9", "repeated", "normalised"))
    assert repeated is not None
    assert plan.settings(repeated)["windows"].repeat_levels
    five = plan.condition(name_of(FIVE, "network", "unprocessed"))
    assert five is not None
    assert plan.settings(five)["windows"].level == "as_recorded"
    coloured = plan.condition(name_of("genre", "colour", "normalised"))
    assert coloured is not None
    assert plan.settings(coloured)["baseline"].model.parameters == {"colour": True}
    random = plan.condition(name_of("genre", "random", "normalised"))
    assert random is not None
    assert plan.settings(random)["baseline"].weights == "random"


@pytest.mark.parametrize(
    ("tasks", "settings", "code", "mentions"),
    [
        ((), {}, "missing-setting", "tasks.NAME.corpus"),
        (("genre",), {"subsets_of": "ballroom"}, "invalid-setting", ("ballroom", "genre")),
        (("genre",), {"subsets": [2, 9]}, "invalid-setting", "settings.subsets"),
        (("genre",), {"steps": 0}, "invalid-setting", "settings.steps"),
        (("a", "a9"), {"subsets_of": "a"}, "conflicting-settings", "a9"),
    ],
)
def test_requests_that_cannot_be_are_named(
    tasks: tuple[str, ...], settings: dict[str, Any], code: str, mentions: object
) -> None:
    with raises(ConfigError, code=code, mentions=mentions):
        STUDY.plan(request(*tasks, **settings))


@pytest.fixture
def tones(tmp_path: Path) -> ClipSet:
    return open_clips(ClipsConfig(root=str(make_tones(tmp_path / "tones"))))


def test_loudness_is_rms_of_full_scale(tones: ClipSet, tmp_path: Path) -> None:
    clip = tones.clips[0]
    t = np.arange(RATE) / RATE
    sine = np.sin(2 * np.pi * 440 * t).astype(np.float32)
    soundfile.write(clip.path, np.stack([sine, 0 * sine], axis=1), RATE, "FLOAT")
    found = measure_loudness(tones, tmp_path / "cache")
    assert found.values[0, 0] == pytest.approx(0.5, rel=0.01)  # one of two channels: 0.71 / sqrt 2
    assert found.values.shape == (len(tones), 1)


def test_classes_by_loudness_are_fifths(tones: ClipSet, tmp_path: Path) -> None:
    sorted_clips = by_loudness(tones, tmp_path / "cache")
    levels = measure_loudness(tones, tmp_path / "cache").values[:, 0]
    assert sorted_clips.classes == LEVELS
    assert sorted_clips.single_label
    counts = sorted_clips.targets.sum(axis=0)
    assert counts.max() - counts.min() <= 1
    classes = sorted_clips.targets.argmax(axis=1)
    for quieter in range(4):
        assert levels[classes == quieter].max() < levels[classes == quieter + 1].min()
    assert [clip.group for clip in sorted_clips.clips] == [clip.group for clip in tones.clips]


def test_loudness_is_a_corpus_of_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = make_tones(tmp_path / "tones", groups=10)
    (root / "low" / "low 0" / "0.wav").write_bytes(b"no sound")
    config = ClipsConfig(LOUDNESS_CORPUS, str(root), "folder", classes=["loud1", "loud5"])
    clips = open_clips(config)
    assert clips.classes == ("loud1", "loud5")
    assert len(clips) == 15  # 39 clips, so that the first fifth has eight of them and the last seven
    assert clips.missing == ("low/low 0/0",)
    assert list((tmp_path / "cache" / "mixlab" / "features").rglob("*.npz"))
    few = open_clips(ClipsConfig(root=str(make_tones(tmp_path / "few", groups=3, clips=1)))).take(range(4))
    with raises(CorpusError, code="too-few-groups", mentions=(4, 5)):
        by_loudness(few, tmp_path / "cache")


def test_loudness_of_classes_is_mean_and_deviation(tones: ClipSet, tmp_path: Path) -> None:
    found = measure_loudness(tones, tmp_path / "cache")
    high, low = class_loudness(tones, found)
    own = found.values[tones.targets[:, 1] > 0.5, 0]
    assert (low.name, low.n_clips) == ("low", len(own))
    assert low.mean == pytest.approx(own.mean())
    assert low.deviation == pytest.approx(own.std(ddof=1))
    table = loudness_table({"genre": (ClassLoudness("Metal", 0.2, 0.1, 5), high)})
    assert table.rows[0] == ("genre: Metal", "0.20", "0.21", "0.10", "0.08", "5")
    assert table.rows[1][2] == "-"


def test_disparity_follows_the_paper_s_two_extremes() -> None:
    """Its guitars must go past a deviation of both to meet, its composers do not differ at all."""

    def of(task: str) -> float:
        rows = [ClassLoudness(name, *TABLE_4[known, name], 600) for known, name in TABLE_4 if known == task]
        return disparity(rows)

    assert of("composer") == 0
    assert of("instrument") > 1.5
    assert of("vocalist") < 1
    assert math.isnan(disparity([ClassLoudness("alone", 0.1, 0.1, 5)]))


def test_the_paper_s_tables_are_whole() -> None:
    assert len(TABLE_2) == 9
    assert len(TABLE_4) == 21
    assert TABLE_2["ballroom"].network_normalised == 62.3


def results(scores: Mapping[str, Estimate]) -> StudyResults:
    """Conditions by name, each of the task that its name begins with."""
    tasks = {name: re.sub("_(network|forest)_[a-z]+$", "", name) for name in scores}
    return made_results.study(
        [made_results.scored(Condition(n, n, task=tasks[n]), e) for n, e in scores.items()]
    )


def accuracy(value: float, margin: float = 0.02) -> Estimate:
    return Estimate(value, 3, songs=Interval(value - margin, value + margin))


def test_the_hardest_task_is_below_all_others_by_its_interval_and_theirs() -> None:
    def line(other: Estimate, more: Estimate) -> str:
        scores = {
            name_of("dance", "forest", "normalised"): accuracy(0.9),
            name_of("dance", "network", "normalised"): other,
            name_of("genre", "forest", "normalised"): accuracy(0.9),
            name_of("genre", "network", "normalised"): more,
            name_of(FIVE, "network", "unprocessed"): accuracy(0.3),
        }
        return _by_loudness(results(scores))[0]

    assert "hardest task of all: shows here" in line(accuracy(0.5), accuracy(0.9))
    assert "hardest task of all: cannot be told here" in line(accuracy(0.35, 0.2), accuracy(0.9))
    assert "hardest task of all: does not show here" in line(accuracy(0.2), accuracy(0.9))


def test_tasks_are_told_by_their_own_names() -> None:
    """Also where a name ends with a digit, or holds the name of a classifier."""
    names = ("gtzan2", "rain_forest_birds")
    scores = {name_of(task, "forest", "normalised"): accuracy(0.5) for task in names}
    scores |= {name_of("gtzan29", "network", "normalised"): accuracy(0.5)}
    scores |= {name_of("rain_forest_birds7", "network", "normalised"): accuracy(0.5)}
    made = results(scores)
    assert own_tasks(made) == list(names)
    assert subset_sizes(made) == {9: "gtzan29", 7: "rain_forest_birds7"}


def test_loudness_is_of_the_task_that_is_divided() -> None:
    tasks = {"notes": ClipsConfig("nsynth", "NSYNTH", "acoustic_family")}
    found = all_tasks(tasks, BlackBoxSettings(subsets_of="notes", subsets=(2,)))
    assert found[FIVE].task == "nsynth/acoustic_family"
    assert {"nsynth", "nsynth/acoustic_family", "folder/class"} <= set(LoudnessClasses().tasks)


def test_absent_weights_are_said_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIXLAB_WEIGHTS", str(tmp_path))
    with raises(WeightsError, code="weights-not-fetched", mentions="imagenet_inception_v3"):
        STUDY.check(STUDY.plan(request("genre", weights="imagenet_inception_v3")))
    STUDY.check(STUDY.plan(request("genre", weights="random", random=False)))
