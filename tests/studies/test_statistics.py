"""Means over seeds and their two kinds of intervals, against brute force."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from mixlab import evaluation as ev
from mixlab.evaluation.bootstrap import MIN_SONGS, song_weights
from mixlab.evaluation.cells import song_numbers
from mixlab.evaluation.predictions import Predictions
from mixlab.studies.statistics import (
    F1_ABOVE_CHANCE,
    ConditionScores,
    Estimate,
    RunScores,
    difference,
    estimate,
    score_run,
)
from mixlab.studies.statistics import test_set_id as set_id

NAMES = ("voice", "brass", "singer", "piano")
N = 160


METRICS = [name for name, metric in ev.METRICS.items() if not metric.single_label]
COMPARED = [name for name in METRICS if not ev.METRICS[name].detail]


def bootstrap_weights(groups: list[str], n_resamples: int, seed: int) -> np.ndarray:
    """How often each mix is sampled, ``(B, N)``."""
    song, n_songs = song_numbers(groups)
    return song_weights(n_songs, n_resamples, seed)[:, song]


def predictions(noise: float, seed: int, *, songs: int = 12, world: int = 0) -> Predictions:
    """Scores of a model that hears through so much noise; the mixes are those of a world."""
    rng = np.random.default_rng(world)
    targets = (rng.random((N, 4)) < [0.5, 0.2, 0.4, 0.3]).astype(np.float32)
    mask = rng.random((N, 4)) < 0.9
    logits = targets + noise * np.random.default_rng([seed, 7]).standard_normal((N, 4))
    return Predictions(
        labels=NAMES,
        split=np.array(["validation", "test"] * (N // 2), dtype=object),
        index=np.arange(N) // 2,
        group=np.array([f"corpus/song{i // 2 % songs}" for i in range(N)], dtype=object),
        scores=(1 / (1 + np.exp(-logits))).astype(np.float32),
        targets=targets,
        mask=mask,
        mix_id=np.array([f"{world}-{i:x}" for i in range(N)], dtype=object),
        attempt=np.zeros(N, np.int64),
        recipes=np.array([json.dumps({"index": i // 2, "world": world}) for i in range(N)], dtype=object),
    )


def condition(
    noise: float, seeds: tuple[int, ...] = (0, 1, 2), *, n: int = 40, world: int = 0
) -> ConditionScores:
    runs = {s: score_run(predictions(noise, s, world=world), n_resamples=n) for s in seeds}
    return ConditionScores(runs, len(seeds))


def test_a_run_has_the_scores_that_its_own_report_has() -> None:
    run = predictions(0.8, 1)
    scores, expected = (
        score_run(run, n_resamples=0),
        ev.score_splits(run, (None, None, 0, None), n_resamples=0),
    )
    test = expected.splits["test"]
    assert scores.measured["f1"].mean == pytest.approx(test.scores["f1"].value)
    assert scores.measured["average_precision"].mean == pytest.approx(test.scores["average_precision"].value)
    assert scores.measured["roc_auc"].mean == pytest.approx(test.scores["roc_auc"].value)
    assert scores.measured["micro_f1"].mean == pytest.approx(test.scores["micro_f1"].value)
    assert scores.measured["loss"].mean == pytest.approx(test.scores["loss"].value)
    np.testing.assert_allclose(scores.measured["f1"].values, [k.scores["f1"].value for k in test.classes])
    np.testing.assert_allclose(scores.chance["f1"].values, [k.scores["f1"].chance for k in test.classes])
    assert scores.support.tolist() == [k.support for k in test.classes]
    assert scores.songs.tolist() == [k.songs for k in test.classes]
    assert set(scores.measured) == {*METRICS, F1_ABOVE_CHANCE.name}


def test_half_decides_at_one_half_whatever_validation_likes() -> None:
    run = predictions(0.8, 1)
    part = run.only("test")
    d, t, m = part.scores >= 0.5, part.targets > 0.5, part.mask
    expected = np.array([f1_score(t[m[:, c], c], d[m[:, c], c]) for c in range(4)])
    np.testing.assert_allclose(
        score_run(run, threshold="half", n_resamples=0).measured["f1"].values, expected
    )
    assert score_run(run, n_resamples=0).measured["f1"].mean != pytest.approx(expected.mean())


def resampled_rows(run: Predictions, counts: np.ndarray) -> Predictions:
    """Repeat every row as often as its song was sampled."""
    return run.take(np.repeat(np.arange(len(run)), counts))


def test_resamples_are_scores_of_songs_resampled_again_averaged_over_seeds() -> None:
    """Songs are sampled once for all seeds; scores by hand on repeated rows."""
    import zlib

    runs = {s: predictions(0.8, s) for s in (0, 1, 2)}
    condition_scores = ConditionScores({s: score_run(r, n_resamples=15, seed=3) for s, r in runs.items()}, 3)
    part = runs[0].only("test")
    groups = [str(g) for g in part.group]
    weights = bootstrap_weights(groups, 15, 3 ^ zlib.crc32(set_id(part).encode()))
    by_hand = {name: np.full((15, 3), math.nan) for name in ("average_precision", "roc_auc", "loss")}
    for b, counts in enumerate(weights.astype(int)):
        for s, run in runs.items():
            again = resampled_rows(run.only("test"), counts)
            known = [again.mask[:, c] for c in range(4)]
            pairs = [(again.targets[k, c], again.scores[k, c]) for c, k in enumerate(known)]
            by_hand["average_precision"][b, s] = np.mean([average_precision_score(t, x) for t, x in pairs])
            by_hand["roc_auc"][b, s] = np.mean([roc_auc_score(t, x) for t, x in pairs])
            t, x = (np.concatenate([p[i] for p in pairs]).astype(float) for i in (0, 1))
            by_hand["loss"][b, s] = -np.mean(t * np.log(x) + (1 - t) * np.log(1 - x))
    for metric, table in by_hand.items():
        low, high = np.quantile(table.mean(axis=1), [0.025, 0.975])
        found = condition_scores.of(metric)
        assert found.songs.low == pytest.approx(low, abs=1e-6)
        assert found.songs.high == pytest.approx(high, abs=1e-6)


def test_the_gain_over_a_guess_is_resampled_on_the_same_songs() -> None:
    """F1 minus that of always saying yes, by hand on repeated rows."""
    import zlib

    run = predictions(0.5, 1)
    scores = score_run(run, n_resamples=25, seed=3)
    part, validation = run.only("test"), run.only("validation")
    at = ev.fit_thresholds(validation.scores, validation.targets, validation.mask).values
    weights = bootstrap_weights([str(g) for g in part.group], 25, 3 ^ zlib.crc32(set_id(part).encode()))

    def gain(rows: Predictions) -> list[float]:
        by_class = []
        for c in range(4):
            known = rows.mask[:, c]
            t, d = rows.targets[known, c] > 0.5, rows.scores[known, c] >= at[c]
            by_class.append(f1_score(t, d) - f1_score(t, np.ones_like(t)))
        return by_class

    np.testing.assert_allclose(scores.measured[F1_ABOVE_CHANCE.name].values, gain(part))
    by_hand = [gain(resampled_rows(part, counts)) for counts in weights.astype(int)]
    np.testing.assert_allclose(scores.measured[F1_ABOVE_CHANCE.name].resampled, by_hand)
    e = ConditionScores({0: scores}, 1).of(F1_ABOVE_CHANCE.name, 0)
    assert e.songs.low == pytest.approx(np.quantile([g[0] for g in by_hand], 0.025))


def test_beyond_both_needs_both_where_there_are_both() -> None:
    significant, insignificant = np.array([[0.1, 0.3, 0.2]] * 3), np.array([[0.1, 0.3, -0.4]] * 3)
    alike, apart = np.array([0.2, 0.21, 0.19]), np.array([0.6, 0.1, -0.1])
    assert estimate(alike, significant).significant
    assert estimate(-alike, -significant).significant
    assert not estimate(alike, insignificant).significant
    assert not estimate(apart, significant).significant
    assert not estimate(alike, None).significant
    assert estimate(alike[:1], significant[:1]).significant


def test_seeds_are_told_apart_from_songs() -> None:
    values = np.array([0.5, 0.6, 0.7])
    found = estimate(values, np.tile(values[:, None], (1, 20)))
    assert found.value == pytest.approx(0.6)
    assert (found.songs.low, found.songs.high) == pytest.approx((0.6, 0.6))
    low, high = stats.t.interval(0.95, 2, loc=0.6, scale=stats.sem(values))
    assert (found.seeds.low, found.seeds.high) == pytest.approx((low, high))
    assert (found.spread, found.low, found.high) == pytest.approx((0.1, 0.5, 0.7))
    assert found.n_seeds == 3


def test_undefined_seeds_are_left_out_and_counted() -> None:
    found = estimate(np.array([0.5, math.nan]), np.array([[0.4, 0.6], [math.nan, math.nan]]), wanted=4)
    assert (found.value, found.n_seeds, found.missing) == (0.5, 1, 3)
    assert found.seeds is None
    assert math.isnan(found.spread)
    nothing = estimate(np.array([math.nan]), None, wanted=2)
    assert math.isnan(nothing.value)
    assert (nothing.n_seeds, nothing.missing, nothing.songs) == (0, 2, None)
    assert ConditionScores({}, 3).of("f1") == replace(
        nothing, missing=3, value=ConditionScores({}, 3).of("f1").value
    )


def test_undefined_resamples_are_dropped_and_counted() -> None:
    resampled = np.array([[0.4, math.nan, 0.6, 0.5], [0.6, 0.7, 0.8, 0.7]])
    found = estimate(np.array([0.5, 0.7]), resampled)
    assert found.dropped == 1
    assert found.songs.low >= 0.5
    assert found.songs.high <= 0.7
    # One of three is too many to go by the rest.
    few = estimate(np.array([0.5, 0.7]), resampled[:, :3])
    assert (few.dropped, few.songs) == (1, None)
    assert few.value == found.value


def test_a_class_with_too_few_songs_has_no_interval_over_songs() -> None:
    run = predictions(0.8, 1)
    only_two = np.isin(run.group, ["corpus/song0", "corpus/song1"])
    run.targets[:, 1] *= only_two
    run.mask[:, 1] = True
    scores = ConditionScores({1: score_run(run, n_resamples=20)}, 1)
    assert scores.runs[1].songs[1] <= 2
    assert scores.of("f1", 1).songs is None
    assert math.isfinite(scores.of("f1", 1).value)
    assert scores.of("f1", 0).songs is not None


def test_a_class_that_never_sounds_is_undefined_and_out_of_the_mean() -> None:
    run = predictions(0.8, 1)
    run.targets[:, 1] = 0
    scores = ConditionScores({1: score_run(run, n_resamples=20)}, 1)
    assert math.isnan(scores.of("average_precision", 1).value)
    kept = [scores.of("average_precision", c).value for c in (0, 2, 3)]
    assert scores.of("average_precision").value == pytest.approx(np.mean(kept))
    assert scores.of("average_precision").dropped < 20


def test_a_condition_does_not_differ_from_itself() -> None:
    a = condition(0.8)
    for metric in COMPARED:
        found = difference(a, a, metric)
        assert found.value == 0
        assert (found.songs, found.seeds) == (ev.Interval(0, 0), ev.Interval(0, 0))
        assert not found.significant_over_songs
        assert not found.significant_over_seeds


def test_differences_are_paired_by_seed_and_by_song() -> None:
    """The interval of the difference is that of differences within each resample, not of two intervals."""
    a, b = condition(0.8), condition(0.9)
    found = difference(a, b, "average_precision")
    each = [
        b.runs[s].measured["average_precision"].mean - a.runs[s].measured["average_precision"].mean
        for s in a.runs
    ]
    assert found.value == pytest.approx(np.mean(each))
    low, high = stats.t.interval(0.95, 2, loc=np.mean(each), scale=stats.sem(each))
    assert (found.seeds.low, found.seeds.high) == pytest.approx((low, high))
    resampled = np.mean(
        [
            b.runs[s].measured["average_precision"].resampled_mean()
            - a.runs[s].measured["average_precision"].resampled_mean()
            for s in a.runs
        ],
        axis=0,
    )
    assert found.songs.low == pytest.approx(np.quantile(resampled, 0.025))
    back = difference(b, a, "average_precision")
    assert back.value == pytest.approx(-found.value)
    assert back.songs.low == pytest.approx(-found.songs.high)


def test_a_class_of_few_songs_has_no_interval_over_songs_in_any_seed() -> None:
    runs = condition(0.8, (0, 1)).runs
    assert ConditionScores(runs, 2).of("f1", 0).songs is not None
    sparse = replace(runs[1], songs=np.full_like(runs[1].songs, MIN_SONGS - 1))
    scores = ConditionScores({0: runs[0], 1: sparse}, 2)
    assert scores.of("f1", 0).songs is None
    assert scores.of("f1").songs is not None
    assert difference(ConditionScores(runs, 2), scores, "f1", 0).songs is None


def test_runs_on_the_same_mixes_draw_the_same_songs_and_others_do_not() -> None:
    """A model that is as good on every song gives resamples that vary alike, if the songs are the same."""
    a, b, c = condition(0.8), condition(0.8, (5, 6, 7)), condition(0.8, world=1)
    assert {r.test_set for r in a.runs.values()} == {r.test_set for r in b.runs.values()}
    assert a.runs[0].test_set != c.runs[0].test_set
    loss = {
        name: x.runs[min(x.runs)].measured["loss"].resampled_mean()
        for name, x in (("a", a), ("b", b), ("c", c))
    }
    weights_equal = score_run(predictions(0.8, 0), n_resamples=40).measured["loss"].resampled_mean()
    np.testing.assert_array_equal(loss["a"], weights_equal)
    assert not np.allclose(
        loss["a"] - a.runs[0].measured["loss"].mean, loss["c"] - c.runs[0].measured["loss"].mean
    )


def test_missing_seeds_leave_the_pairs_that_both_have() -> None:
    a, b = condition(0.8, (0, 1, 2)), condition(0.9, (1, 2, 3))
    found = difference(a, b, "f1")
    assert (found.n_seeds, found.missing) == (2, 1)
    apart = difference(a, condition(0.9, (8, 9)), "f1")
    assert (apart.n_seeds, apart.missing) == (2, 0)
    assert apart.seeds is not None
    nothing = difference(a, ConditionScores({}, 3), "f1")
    assert math.isnan(nothing.value)
    assert nothing.missing == 3


def test_runs_made_elsewhere_are_compared_by_their_means() -> None:
    a, b = condition(0.8, (0, 1, 2)), condition(2.0, (0, 1))
    found = difference(a, b, "average_precision", by_seed=False)
    means = [np.mean([r.measured["average_precision"].mean for r in x.runs.values()]) for x in (a, b)]
    assert found.value == pytest.approx(means[1] - means[0])
    assert found.significant_over_songs
    left, right = ([r.measured["average_precision"].mean for r in x.runs.values()] for x in (a, b))
    welch = stats.ttest_ind(right, left, equal_var=False).confidence_interval(0.95)
    assert (found.seeds.low, found.seeds.high) == pytest.approx((welch.low, welch.high))
    assert (found.n_seeds, found.missing) == (2, 0)
    assert difference(a, replace(b, wanted=3), "f1", by_seed=False).missing == 1
    assert all(math.isnan(v) for v in (found.spread, found.low, found.high))
    alone = difference(a, condition(2.0, (0,)), "average_precision", by_seed=False)
    assert alone.seeds is None
    assert alone.significant_over_songs
    same = ConditionScores({7: a.runs[0], 8: a.runs[0]}, 2)
    assert difference(same, same, "f1", by_seed=False).seeds == ev.Interval(0, 0)


@pytest.mark.parametrize("metric", ["average_precision", "f1", "roc_auc"])
def test_differences_of_a_class(metric: str) -> None:
    a, b = condition(0.3), condition(2.0)
    found = difference(a, b, metric, 0)
    assert found.value < -0.05
    assert found.significant_over_songs


def test_only_some_rows_can_be_scored() -> None:
    run = predictions(0.8, 1)
    part = run.only("test")
    rows = np.isin(part.group, ["corpus/song0", "corpus/song1", "corpus/song2", "corpus/song3"])
    scores: RunScores = score_run(run, n_resamples=5, only=rows)
    assert scores.n_items == rows.sum()
    assert scores.n_songs == len(set(part.group[rows]))
    assert scores.test_set != score_run(run, n_resamples=0).test_set
    assert isinstance(ConditionScores({0: scores}, 1).of("f1"), Estimate)
