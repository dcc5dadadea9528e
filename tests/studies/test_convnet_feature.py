"""The study of the convnet feature: which blocks it combines, and what they start from."""

from itertools import combinations
from typing import Any

import pytest

from mixlab.corpora.clips import ClipsConfig
from mixlab.errors import ConfigError
from mixlab.mixing.config import MixConfig
from mixlab.models import ModelConfig
from mixlab.studies.base import StudyRequest
from mixlab.studies.convnet_feature.conditions import layer_subsets, name_of
from mixlab.studies.convnet_feature.tables import all_blocks, convnets, top_block
from mixlab.studies.experiments.convnet_feature import STUDY
from mixlab.studies.plan import Condition
from mixlab.studies.results import StudyResults
from mixlab.studies.statistics import Estimate
from mixlab.training.config import TrainConfig
from tests.errors import raises
from tests.studies import made_results

MODEL = ModelConfig("fcn", sample_rate=12000, f_max=6000, width=4)


def request(*tasks: str, model: ModelConfig = MODEL, **settings: Any) -> StudyRequest:
    return StudyRequest(
        mix=MixConfig(sample_rate=12000, duration_s=29.0),
        train=TrainConfig(model=model),
        seeds=(0, 1),
        data="clips",
        tasks={name: ClipsConfig("folder", f"clips/{name}") for name in tasks},
        settings=settings,
    )


def test_five_blocks_have_31_combinations() -> None:
    found = layer_subsets(5, "all")
    assert found[0] == (1, 2, 3, 4, 5)
    assert len(set(found)) == 31
    assert found[-5:] == [(1,), (2,), (3,), (4,), (5,)]
    assert layer_subsets(5, "few") == [(1, 2, 3, 4, 5), (1,), (2,), (3,), (4,), (5,)]


def test_every_task_has_all_combinations_and_the_baselines() -> None:
    plan = STUDY.plan(request("source", "genre", "dance"))
    source = plan.condition("source")
    assert source is not None
    assert (source.task, source.command) == ("source", "train-clips")
    for task in ("genre", "dance"):
        own = [condition for condition in plan.conditions if condition.task == task]
        assert len(own) == 31 + 2
        for condition in own:
            settings = plan.settings(condition)["baseline"]
            assert settings.classifier == "svm"
            assert condition.starts_from == ("source" if "_convnet_" in condition.name else "")
        mfcc = plan.condition(name_of(task, "mfcc"))
        random = plan.condition(name_of(task, "random"))
        assert mfcc is not None
        assert random is not None
        assert plan.settings(mfcc)["baseline"].features == "mfcc"
        assert plan.settings(mfcc)["baseline"].model.sample_rate == 12000
        assert plan.settings(random)["baseline"].weights == "random"
    named = plan.condition("genre_convnet_135")
    whole = plan.condition("genre_convnet_12345")
    assert named is not None
    assert whole is not None
    assert plan.settings(named)["baseline"].layers == (1, 3, 5)
    assert plan.settings(whole)["baseline"].layers == ()


def test_the_names_of_trials_are_those_of_all_subsets() -> None:
    plan = STUDY.plan(request("genre", weights="random", random=False))
    wanted = {"".join(map(str, s)) for n in range(1, 6) for s in combinations(range(1, 6), n)}
    named = {c.name.rpartition("_")[2] for c in plan.conditions if "_convnet_" in c.name}
    assert named == wanted
    assert plan.condition("source") is None


def test_without_a_task_of_its_own_the_source_is_mixes() -> None:
    plan = STUDY.plan(request("genre"))
    source = plan.condition("source")
    assert source is not None
    assert (source.task, source.command) == ("", "train")
    assert plan.on_mixes


@pytest.mark.parametrize(
    ("tasks", "settings", "code", "mentions"),
    [
        (("source",), {}, "missing-setting", ("tasks.NAME.corpus", "source")),
        (("genre",), {"subsets": "most"}, "invalid-setting", "most"),
        (("genre",), {"layers": 3}, "unknown-setting", "layers"),
    ],
)
def test_requests_that_cannot_be_are_named(
    tasks: tuple[str, ...], settings: dict[str, Any], code: str, mentions: object
) -> None:
    with raises(ConfigError, code=code, mentions=mentions):
        STUDY.plan(request(*tasks, **settings))


def test_a_network_of_too_many_blocks_is_refused() -> None:
    with raises(ConfigError, code="invalid-setting", mentions=(2, 9, 12)):
        layer_subsets(12, "all")


def test_all_blocks_and_the_last_are_not_others_while_they_are_not_done() -> None:
    """A study under way: what is done must not stand in a column of something else."""

    def results(*done: str) -> StudyResults:
        return made_results.study(
            [
                made_results.scored(
                    Condition(name_of("genre", f"convnet_{layers}"), layers, task="genre"),
                    Estimate(0.5, 1) if layers in done else None,
                )
                for layers in ("123", "12", "13", "23", "1", "2", "3")
            ]
        )

    under_way = results("12", "1", "2")
    assert set(convnets(under_way)) == {"12", "1", "2"}
    assert all_blocks(under_way) is None
    assert top_block(under_way) is None
    whole, last = all_blocks(results("12", "123")), top_block(results("1", "3"))
    assert whole is not None
    assert last is not None
    assert (whole.condition.label, last.condition.label) == ("123", "3")
