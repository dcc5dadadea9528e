"""Predictions of any model are scored as those of a run: against scikit-learn, and as a report says."""

import json
import re
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from mixlab import Catalog
from mixlab.errors import ConfigError, TaxonomyError
from mixlab.evaluation import (
    SplitScores,
    class_prevalence,
    fit_thresholds,
    format_text,
    score,
    score_split,
)
from mixlab.taxonomy import load_label_set, load_taxonomy
from mixlab.utils.decode import Source
from mixlab.utils.plain import plain
from tests.conftest import REPO
from tests.errors import raises

N, C = 120, 15
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


@pytest.fixture
def data(rng: np.random.Generator) -> Arrays:
    targets = (rng.random((N, C)) < 0.3).astype(np.float32)
    scores = np.round(np.clip(0.3 * targets + 0.7 * rng.random((N, C)), 0, 1), 2).astype(np.float32)
    return scores, targets, rng.random((N, C)) < 0.8


def test_scores_of_every_class_are_those_of_scikit_learn(data: Arrays) -> None:
    scores, targets, mask = data
    found = score(scores, targets, mask, thresholds=0.4, n_resamples=0)
    for c, one in enumerate(found.classes):
        y, s = targets[mask[:, c], c], scores[mask[:, c], c]
        precision, recall, f1, _ = sk.precision_recall_fscore_support(y, s >= 0.4, average="binary")
        expected = {
            "precision": precision,
            "recall": recall,
            "f1": f1,
            "average_precision": sk.average_precision_score(y, s),
            "roc_auc": sk.roc_auc_score(y, s),
            "brier": sk.brier_score_loss(y, s),
        }
        for name, value in expected.items():
            assert one.scores[name].value == pytest.approx(value), name
        assert (one.known, one.support, one.predicted) == (len(y), y.sum(), (s >= 0.4).sum())
        assert one.name == f"class {c}"
    pooled = sk.f1_score(targets[mask], scores[mask] >= 0.4)
    assert found.scores["micro_f1"].value == pytest.approx(pooled)
    macro = np.mean([one.scores["average_precision"].value for one in found.classes])
    assert found.scores["average_precision"].value == pytest.approx(macro)


def test_it_is_what_a_report_says(data: Arrays) -> None:
    scores, targets, mask = data
    labels = load_label_set("mixtures15")
    songs = [f"song {n // 4}" for n in range(N)]
    fitted, prevalence = fit_thresholds(scores, targets, mask), class_prevalence(targets, mask)
    found = score(scores, targets, mask, labels=labels, thresholds=fitted, groups=songs, n_resamples=40)
    reported = score_split(
        "test",
        labels.names,
        scores,
        targets,
        mask,
        thresholds=fitted,
        prevalence=prevalence,
        groups=songs,
        parents=labels.parents(load_taxonomy()),
        n_resamples=40,
        units=found.units,
    )
    assert json.dumps(plain(found)) == json.dumps(plain(reported))
    assert found.levels
    assert found.consistent is not None
    assert found.scores["f1"].interval is not None


def test_tensors_of_any_kind_are_taken(data: Arrays) -> None:
    scores, targets, mask = data
    expected = plain(score(scores, targets, mask, n_resamples=0))
    tensors = torch.from_numpy(scores).requires_grad_(), torch.from_numpy(targets), torch.from_numpy(mask)
    assert plain(score(*tensors, n_resamples=0)) == expected
    half = torch.from_numpy(scores).bfloat16()
    assert plain(score(half, targets.tolist(), tensors[2].int(), n_resamples=0)) == plain(
        score(half.float(), targets, mask, n_resamples=0)
    )


def test_unknown_targets_have_no_influence(data: Arrays) -> None:
    scores, targets, mask = data
    changed = np.where(mask, targets, np.nan)
    assert plain(score(scores, changed, mask, n_resamples=20)) == plain(
        score(scores, targets, mask, n_resamples=20)
    )
    whole = score(scores, targets, None, n_resamples=0)
    assert {one.known for one in whole.classes} == {N}


def test_thresholds_are_one_number_or_one_for_each_class(data: Arrays) -> None:
    at = np.linspace(0.2, 0.8, C)
    names = [f"n{c}" for c in range(C)]
    found = [
        score(*data, labels=names, thresholds=given, n_resamples=0)
        for given in (at, at.tolist(), dict(zip(names, at, strict=True)))
    ]
    assert [one.threshold for one in found[0].classes] == at.tolist()
    assert plain(found[0]) == plain(found[1]) == plain(found[2])
    assert {one.threshold for one in score(*data, n_resamples=0).classes} == {0.5}


def test_the_tables_say_where_thresholds_are_from(data: Arrays) -> None:
    scores, targets, mask = data
    given, fitted = (
        format_text(score(*data, thresholds=at, n_resamples=0))
        for at in (0.5, fit_thresholds(scores, targets, mask))
    )
    assert "thresholds as given" in given
    assert "per class, as given" in given
    assert "validation" not in given.partition("calibration")[0]
    assert "thresholds fitted on validation" in fitted


def test_it_is_stored_and_read_again(data: Arrays) -> None:
    found = score(*data, n_resamples=0)
    stored = json.loads(json.dumps(plain(found)))
    assert plain(Source("it", "score").decode(SplitScores, stored)) == plain(found)


def test_of_one_label_the_highest_decides(rng: np.random.Generator) -> None:
    right = rng.integers(0, 4, 60)
    scores = rng.dirichlet(np.ones(4), 60)
    found = score(scores, np.eye(4)[right], None, single_label=True, n_resamples=0)
    assert found.scores["accuracy"].value == pytest.approx(sk.accuracy_score(right, scores.argmax(1)))
    assert found.confusion == tuple(map(tuple, sk.confusion_matrix(right, scores.argmax(1)).tolist()))


@pytest.mark.parametrize(
    ("change", "code", "mentions"),
    [
        ({"scores": np.full((N, C), 3.5)}, "invalid-setting", ("scores", "sigmoid", "3.5")),
        ({"scores": np.full((N, C), np.nan)}, "training-diverged", "NaN"),
        ({"targets": np.full((N, C), 0.3)}, "invalid-setting", ("targets", "0.3")),
        ({"targets": np.full((N, C), np.nan)}, "invalid-setting", ("targets", "nan")),
        ({"mask": np.ones(N)}, "wrong-shape", ((N, C), (N,))),
        ({"mask": np.full((N, C), np.nan)}, "invalid-setting", ("mask", "nan")),
        ({"scores": np.zeros((N, 3))}, "wrong-shape", (N, 3)),
        ({"labels": "irmas11"}, "wrong-shape", ("labels", C, 11)),
        ({"labels": ["a"] * C}, "wrong-shape", ("labels", C, 1)),
        ({"labels": 7}, "invalid-setting", ("labels", 7)),
        ({"thresholds": [0.5, 0.5]}, "wrong-shape", ("thresholds", C, (2,))),
        ({"thresholds": 1.5}, "invalid-setting", ("thresholds", "1.5")),
        ({"thresholds": {"class 0": 0.5}}, "wrong-shape", ("thresholds", "class 14")),
        ({"prevalence": [0.1]}, "wrong-shape", ("prevalence", C)),
        ({"groups": ["one"]}, "wrong-shape", (N, "1")),
        ({"single_label": True}, "invalid-setting", "single-label"),
    ],
)
def test_what_cannot_be_scored_is_refused(
    data: Arrays, change: dict[str, Any], code: str, mentions: object
) -> None:
    given: dict[str, Any] = {**dict(zip(("scores", "targets", "mask"), data, strict=True)), **change}
    with raises(ConfigError, code=code, mentions=mentions):
        score(given.pop("scores"), given.pop("targets"), given.pop("mask"), n_resamples=0, **given)


def test_scores_in_the_place_of_the_mask_are_refused(data: Arrays) -> None:
    scores, targets, mask = data
    with raises(ConfigError, code="invalid-setting", mentions=("mask", "scores come first")):
        score(targets, mask, scores, n_resamples=0)


def test_there_is_something_to_score(data: Arrays) -> None:
    with raises(ConfigError, code="wrong-shape"):
        score(*(x[:0] for x in data))
    with raises(TaxonomyError, code="plugin-not-found", mentions="mixtures"):
        score(*data, labels="mixtures")


def test_the_example_of_the_page_runs(toy: Catalog, capsys: pytest.CaptureFixture[str]) -> None:
    page = (REPO / "docs" / "evaluation.md").read_text(encoding="utf-8")
    (code,) = [
        found for found in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "def predict" in found
    ]
    exec(code.replace("64", "12").replace("demo-output/catalog", str(toy.path)), {})
    said = capsys.readouterr().out
    assert "electric guitar" in said
    assert "thresholds fitted on validation" in said
