"""Scores of predicted numbers: against scikit-learn and SciPy, resampled by groups, beside a constant."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import mean_absolute_error, r2_score

from mixlab.errors import ConfigError
from mixlab.evaluation import compare
from mixlab.evaluation.bootstrap import song_weights
from mixlab.evaluation.predictions import Predictions
from mixlab.evaluation.regression import NUMBER_METRICS, mean_predictor, measure_numbers, score_numbers
from mixlab.evaluation.report import format_comparison, format_markdown
from mixlab.evaluation.results import Report
from mixlab.evaluation.scoring import score_splits
from mixlab.evaluation.thresholding import split_table
from mixlab.evaluation.units import CLIPS, Quantity
from mixlab.utils.plain import plain
from tests.errors import raises

QUANTITY = Quantity("tempo", "BPM", 120.0, 20.0)


def predicted(rng: np.random.Generator, noise: float = 8.0, *, n: int = 60, groups: int = 12) -> Predictions:
    true = rng.normal(125, 20, n)
    made = true + rng.normal(0, noise, n)
    names = np.array([f"g{k % groups}" for k in range(n)], dtype=object)
    texts = np.array([str(k) for k in range(n)], dtype=object)
    return Predictions(
        labels=("tempo",),
        split=np.array(["test" if k % 2 else "validation" for k in range(n)], dtype=object),
        index=np.arange(n),
        group=names,
        scores=made[:, None].astype(np.float32),
        targets=true[:, None].astype(np.float32),
        mask=np.ones((n, 1), np.bool_),
        mix_id=texts,
        attempt=np.zeros(n, np.int64),
        recipes=texts,
        units=CLIPS,
        quantity=QUANTITY,
    )


def values(predictions: Predictions) -> dict[str, float]:
    return {name: one.mean for name, one in measure_numbers(predictions).items()}


def test_scores_are_those_of_other_libraries(rng: np.random.Generator) -> None:
    data = predicted(rng)
    true, made = data.targets[:, 0].astype(float), data.scores[:, 0].astype(float)
    assert values(data) == pytest.approx(
        {
            "r2": r2_score(true, made),
            "mean_absolute_error": mean_absolute_error(true, made),
            "pearson": pearsonr(true, made).statistic,
        }
    )


def test_resamples_are_those_of_brute_force(rng: np.random.Generator) -> None:
    data = predicted(rng)
    groups = sorted(set(data.group.tolist()))
    weights = song_weights(len(groups), 40, 3)
    assert weights is not None
    found = measure_numbers(data, weights)
    for row, counts in enumerate(weights.astype(int)):
        kept = [
            np.flatnonzero(data.group == name)
            for name, n in zip(groups, counts, strict=True)
            for _ in range(n)
        ]
        again = values(data.take(np.concatenate(kept)))
        for name, one in found.items():
            assert one.resampled is not None
            assert one.resampled[row, 0] == pytest.approx(again[name], rel=1e-6)


def test_perfect_numbers_are_at_the_good_end(rng: np.random.Generator) -> None:
    data = predicted(rng)
    assert values(replace(data, scores=data.targets)) == pytest.approx(
        {"r2": 1, "mean_absolute_error": 0, "pearson": 1}
    )


def test_the_order_of_clips_does_not_matter_and_an_offset_does_not_correlate(
    rng: np.random.Generator,
) -> None:
    data = predicted(rng)
    assert values(data.take(rng.permutation(len(data)))) == pytest.approx(values(data))
    moved = values(replace(data, scores=data.scores * 2 + 50))
    assert moved["pearson"] == pytest.approx(values(data)["pearson"], rel=1e-5)
    assert moved["r2"] < 0


def test_equal_numbers_have_no_r2_and_no_correlation(rng: np.random.Generator) -> None:
    data = predicted(rng)
    same = replace(data, targets=np.full_like(data.targets, 100))
    assert math.isnan(values(same)["r2"])
    assert math.isnan(values(same)["pearson"])
    weights = song_weights(12, 10, 0)
    assert np.isnan(measure_numbers(same, weights)["r2"].resampled).all()


def test_the_reference_says_the_mean_of_training(rng: np.random.Generator) -> None:
    data = predicted(rng)
    reference = values(mean_predictor(data))
    assert reference["r2"] <= 0
    assert reference["mean_absolute_error"] == pytest.approx(np.abs(data.targets - 120).mean(), rel=1e-6)
    assert math.isnan(reference["pearson"])
    own = replace(QUANTITY, mean=float(data.targets.mean()))
    assert values(mean_predictor(replace(data, quantity=own)))["r2"] == pytest.approx(0, abs=1e-6)
    with raises(ConfigError, code="wrong-type"):
        mean_predictor(replace(data, quantity=None))


def test_intervals_are_over_groups(rng: np.random.Generator) -> None:
    data = predicted(rng)
    report = score_numbers(data, "test", n_resamples=200)
    for name in NUMBER_METRICS:
        one = report.scores[name]
        assert one.interval is not None
        assert one.interval.low <= one.value <= one.interval.high
    few = replace(data, group=np.array(["a", "b"] * 30, dtype=object))
    assert all(one.interval is None for one in score_numbers(few, "test").scores.values())


def test_a_report_of_numbers_is_read_as_it_was_written(rng: np.random.Generator) -> None:
    scored = score_splits(predicted(rng), [None], n_resamples=50)
    assert scored.card() == {"thresholds": {}, "consistent_thresholds": {}}
    test = scored.splits["test"]
    text = format_markdown(test)
    assert all(word in text for word in ("tempo (BPM)", "mean of training", "R2", "resamples of recordings"))
    assert "threshold" not in text
    provenance = {
        "command": "baseline-clips", "seed": 0, "eval_seed": 0, "catalog_hash": "", "label_set": "",
        "label_hash": "", "versions": {},
    }  # fmt: skip
    data = {
        "splits": {name: plain(split) for name, split in scored.splits.items()}, "note": "", "replaced": {},
        "thresholds": {}, "consistent_thresholds": {}, "provenance": provenance, "unreadable_tracks": {},
        "schema": 2,
    }  # fmt: skip
    again = Report.from_dict(data)
    assert again.test.quantity == QUANTITY
    assert again.test.scores["r2"] == test.scores["r2"]
    older = {name: value for name, value in plain(test).items() if name != "quantity"}
    data["splits"] = {"test": older, "validation": older}
    assert Report.from_dict(data).test.quantity is None


def test_two_regressions_are_compared_by_the_same_groups(rng: np.random.Generator) -> None:
    good = predicted(rng, 4.0)
    bad = replace(good, scores=(good.scores + rng.normal(0, 15, good.scores.shape)).astype(np.float32))
    there, back = compare(good, bad, n_resamples=200), compare(bad, good, n_resamples=200)
    for name in NUMBER_METRICS:
        (a,), (b,) = there.rows[name], back.rows[name]
        assert a.difference == pytest.approx(-b.difference)
        assert a.interval is not None
    assert there.rows["r2"][0].difference < 0 < there.rows["mean_absolute_error"][0].difference
    assert there.rows["r2"][0].better < 0.5
    assert there.rows["mean_absolute_error"][0].better < 0.5
    assert "lower is better" in format_comparison(there)
    with raises(ConfigError, code="runs-not-comparable", mentions="tempo (BPM)"):
        compare(good, replace(bad, quantity=None))


def test_numbers_are_not_decided_on(rng: np.random.Generator) -> None:
    with raises(ConfigError, code="wrong-type", mentions="tempo (BPM)"):
        split_table(predicted(rng), "test")
    broken = predicted(rng)
    broken.scores[3] = np.nan
    with raises(ConfigError, code="training-diverged"):
        measure_numbers(broken)
    with raises(ConfigError, code="predictions-not-found"):
        score_numbers(broken, "train")
