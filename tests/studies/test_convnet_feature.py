"""The study of the convnet feature: which blocks it combines, and what they start from."""

import csv
import io
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mixlab.corpora.clips import ClipsConfig
from mixlab.errors import ConfigError
from mixlab.evaluation.predictions import Predictions
from mixlab.evaluation.regression import NUMBER_METRICS
from mixlab.evaluation.units import Quantity
from mixlab.mixing.config import MixConfig
from mixlab.models import ModelConfig
from mixlab.studies.base import StudyRequest
from mixlab.studies.convnet_feature.claims import claim_lines
from mixlab.studies.convnet_feature.conditions import layer_subsets, name_of
from mixlab.studies.convnet_feature.tables import (
    all_blocks,
    best_subset,
    convnets,
    layer_table,
    lead_table,
    metric_of,
    top_block,
)
from mixlab.studies.experiments.convnet_feature import STUDY
from mixlab.studies.experiments.genre_speaker import STUDY as GENRE_SPEAKER
from mixlab.studies.plan import Condition
from mixlab.studies.results import ConditionResult, StudyResults
from mixlab.studies.statistics import ConditionScores, Estimate, RunScores, score_run
from mixlab.studies.tables import differences_csv, estimates_csv
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


def numbered(*tasks: str) -> StudyRequest:
    """A request whose tasks of these names are of numbers, beside one of classes."""
    made = request("source", "genre", *tasks)
    clips = {
        name: replace(one, corpus="extended_ballroom", value="tempo") if name in tasks else one
        for name, one in made.tasks.items()
    }
    return replace(made, tasks=clips)


def test_a_task_of_numbers_has_the_same_conditions() -> None:
    plan = STUDY.plan(numbered("tempo"))
    of_numbers = [c.name.removeprefix("tempo_") for c in plan.conditions if c.task == "tempo"]
    assert of_numbers == [c.name.removeprefix("genre_") for c in plan.conditions if c.task == "genre"]
    condition = plan.condition("tempo_mfcc")
    assert condition is not None
    assert plan.settings(condition)["clips"].value == "tempo"


def test_a_source_of_numbers_and_studies_of_classes_are_refused() -> None:
    with raises(ConfigError, code="conflicting-settings", mentions=("tasks.source.value", "tempo")):
        STUDY.plan(numbered("source"))
    STUDY.check_request(numbered("tempo"))
    with raises(ConfigError, code="conflicting-settings", mentions=("tasks.tempo.value", "genre_speaker")):
        GENRE_SPEAKER.check_request(numbered("tempo"))


def test_a_claim_is_judged_by_the_metric_of_its_task() -> None:
    """Numbers that are off by less are better, whatever sign their error has."""
    rng = np.random.default_rng(3)
    true = rng.normal(0, 1, 120)
    offs = {"convnet_12": 0.2, "convnet_1": 0.6, "convnet_2": 0.4, "mfcc": 0.9, "random": 1.2}
    results = made_results.study(
        [
            ConditionResult(
                Condition(name_of("tempo", name), f"tempo: {name}", command="baseline", task="tempo"),
                *(ConditionScores({0: scores}, 1) for scores in run_scores(true, off, rng)),
                {0: Path()},
                ("a",),
                ("tempo",),
                (None,),
            )
            for name, off in offs.items()
        ]
    )
    results = replace(results, metrics=(*results.metrics, *NUMBER_METRICS.values()), labels=(), parents=())
    own = results.of_task("tempo")
    assert metric_of(own) == "r2"
    assert {metric.name for metric in own.metrics} == set(NUMBER_METRICS)
    best = best_subset(own)
    assert best is not None
    assert best.condition.name == "tempo_convnet_12"
    lines = claim_lines(results)
    assert any(line.startswith("tempo: the convnet feature beats MFCC: shows here") for line in lines)
    assert lead_table(results).rows[0][:3] == ("tempo", "R2", "12")
    assert "(#1)" in layer_table(results).rows[0][1]
    for text in (estimates_csv(results), differences_csv(results, [results.conditions[0]])):
        kinds = {row["metric"] for row in csv.DictReader(io.StringIO(text))}
        assert kinds == set(NUMBER_METRICS)


def run_scores(true: np.ndarray, off: float, rng: np.random.Generator) -> tuple[RunScores, RunScores]:
    """Score numbers that are off by so much, in 20 groups: on test and on validation."""
    n = len(true)
    texts = np.array([str(k) for k in range(n)], dtype=object)
    made = Predictions(
        labels=("tempo",),
        split=np.array(["test" if k % 2 else "validation" for k in range(n)], dtype=object),
        index=np.arange(n),
        group=np.array([f"g{k // 2 % 20}" for k in range(n)], dtype=object),
        scores=(true + rng.normal(0, off, n))[:, None].astype(np.float32),
        targets=true[:, None].astype(np.float32),
        mask=np.ones((n, 1), np.bool_),
        mix_id=texts,
        attempt=np.zeros(n, np.int64),
        recipes=texts,
        quantity=Quantity("tempo", "BPM", 0.0, 1.0),
    )
    return (
        score_run(made, n_resamples=200, groups="groups"),
        score_run(made, split="validation", n_resamples=0, groups="groups"),
    )


def test_the_name_of_a_test_set_counts_its_numbers() -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(0, 1, 40)
    one, same = (run_scores(true, off, rng)[0].test_set for off in (0.1, 0.5))
    assert one == same
    assert run_scores(true + 0.25, 0.1, rng)[0].test_set != one


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
