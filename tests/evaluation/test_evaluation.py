"""Scores agree with scikit-learn where nothing is masked, and with arithmetic by hand where something is."""

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    f1_score,
    log_loss,
    precision_recall_curve,
    precision_recall_fscore_support,
    roc_auc_score,
)

from mixlab import evaluation as ev
from mixlab.errors import ConfigError
from mixlab.evaluation.bootstrap import song_weights
from mixlab.evaluation.predictions import Predictions
from mixlab.evaluation.report import format_markdown, format_text, score_tables, summary_lines
from tests.errors import raises

N, C = 200, 4
NAMES = ("voice", "brass", "singer", "piano")
PARENTS = (None, None, 0, None)


@pytest.fixture
def data(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    targets = (rng.random((N, C)) < [0.6, 0.1, 0.4, 0.3]).astype(np.float32)
    # Rounded, so that there are ties.
    scores = np.round(np.clip(0.3 * targets + 0.7 * rng.random((N, C)), 0, 1), 2).astype(np.float32)
    return scores, targets, np.ones((N, C), bool)


def report(scores, targets, mask, **kwargs) -> ev.SplitScores:
    settings_ = {
        "thresholds": ev.fit_thresholds(scores, targets, mask),
        "prevalence": ev.class_prevalence(targets, mask),
        "groups": [f"song{i % 20}" for i in range(len(scores))],
        "parents": PARENTS,
        "n_resamples": 50,
    }
    return ev.score_split("test", NAMES, scores, targets, mask, **(settings_ | kwargs))


def per_class(metric: str, scores, targets, mask) -> np.ndarray:
    return ev.measure(ev.METRICS[metric], ev.Cells.checked(scores, targets, mask)).values


def loss(scores, targets, mask) -> float:
    return float(per_class("loss", scores, targets, mask)[0])


def precision_recall_f1(decisions, targets, mask) -> list[np.ndarray]:
    decided = np.asarray(decisions, np.float64)
    return [per_class(name, decided, targets, mask) for name in ("precision", "recall", "f1")]


def same(a: object, b: object) -> bool:
    """Equality in which NaN equals NaN."""
    return repr(asdict(a)) == repr(asdict(b))


def test_unmasked_scores_are_those_of_sklearn(data) -> None:
    scores, targets, mask = data
    decisions = ev.decide(scores, np.full(C, 0.5))
    p, r, f = precision_recall_f1(decisions, targets, mask)
    expected = precision_recall_fscore_support(targets, decisions, zero_division=0)
    np.testing.assert_allclose([p, r, f], expected[:3])
    np.testing.assert_allclose(
        per_class("average_precision", scores, targets, mask),
        average_precision_score(targets, scores, average=None),
    )
    np.testing.assert_allclose(
        per_class("roc_auc", scores, targets, mask), roc_auc_score(targets, scores, average=None)
    )
    expected_loss = np.mean(
        [log_loss(targets[:, c], np.clip(scores[:, c].astype(float), 1e-7, 1 - 1e-7)) for c in range(C)]
    )
    assert loss(scores, targets, mask) == pytest.approx(expected_loss)
    full = report(scores, targets, mask)
    best = ev.decide(scores, [k.threshold for k in full.classes])
    assert full.scores["f1"].value == pytest.approx(f1_score(targets, best, average="macro"))
    assert full.scores["micro_f1"].value == pytest.approx(f1_score(targets, best, average="micro"))
    assert full.scores["micro_average_precision"].value == pytest.approx(
        average_precision_score(targets, scores, average="micro")
    )
    assert full.scores["micro_roc_auc"].value == pytest.approx(
        roc_auc_score(targets, scores, average="micro")
    )
    assert full.scores["roc_auc"].value == pytest.approx(roc_auc_score(targets, scores))


def test_masked_scores_are_those_of_the_known_items(data, rng: np.random.Generator) -> None:
    scores, targets, _ = data
    mask = rng.random((N, C)) < 0.7
    ap, auc = (
        per_class("average_precision", scores, targets, mask),
        per_class("roc_auc", scores, targets, mask),
    )
    for c in range(C):
        known = mask[:, c]
        assert ap[c] == pytest.approx(average_precision_score(targets[known, c], scores[known, c]))
        assert auc[c] == pytest.approx(roc_auc_score(targets[known, c], scores[known, c]))


def test_masked_targets_change_nothing(data, rng: np.random.Generator) -> None:
    scores, targets, _ = data
    mask = rng.random((N, C)) < 0.7
    other = np.where(mask, targets, 1 - targets)
    assert not np.array_equal(other, targets)
    assert same(report(scores, targets, mask), report(scores, other, mask))


def test_masked_scores_change_nothing(data, rng: np.random.Generator) -> None:
    scores, targets, _ = data
    mask = rng.random((N, C)) < 0.7
    other = np.where(mask, scores, rng.random((N, C)))
    first = report(scores, targets, mask)
    assert first.consistency is not None
    assert 0 < first.consistency.pairs < N
    # Made hierarchy-consistent, a class answers for its descendants also where their targets are unknown.
    second = report(other, targets, mask)
    assert not same(first.consistent, second.consistent)
    assert same(replace(first, consistent=None), replace(second, consistent=None))


def test_thresholds_reach_the_best_f1_there_is(data) -> None:
    scores, targets, mask = data
    thresholds = ev.fit_thresholds(scores, targets, mask)
    f1 = precision_recall_f1(ev.decide(scores, thresholds.values), targets, mask)[2]
    for c in range(C):
        p, r, _ = precision_recall_curve(targets[:, c], scores[:, c])
        best = np.max(2 * p * r / np.maximum(p + r, 1e-12))
        assert f1[c] == pytest.approx(best)
    assert thresholds.fitted.all()


@settings(max_examples=50, deadline=None)
@given(
    hnp.arrays(np.float64, 12, elements=st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0])),
    st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_no_threshold_beats_the_fitted_one(scores: np.ndarray, positive: list[bool]) -> None:
    targets = np.array(positive)[:, None]
    mask = np.ones((12, 1), bool)
    fitted = ev.fit_thresholds(scores[:, None], targets, mask)
    if not any(positive):
        assert fitted.values[0] == 0.5
        assert not fitted.fitted[0]
        return

    def f1(threshold: float) -> float:
        return float(precision_recall_f1(ev.decide(scores[:, None], [threshold]), targets, mask)[2][0])

    assert f1(fitted.values[0]) >= max(f1(t) for t in np.linspace(0, 1.01, 102)) - 1e-12


def test_thresholds_by_hand() -> None:
    scores = np.array([[0.9], [0.8], [0.4], [0.2]])
    mask = np.ones((4, 1), bool)
    assert ev.fit_thresholds(scores, [[1], [1], [0], [0]], mask).values[0] == pytest.approx(0.6)
    assert ev.fit_thresholds(scores, [[1], [1], [1], [1]], mask).values[0] == pytest.approx(0.1)


def test_class_without_positives_is_undefined_counted_and_left_out(data) -> None:
    scores, targets, mask = data
    targets = targets.copy()
    targets[:, 1] = 0
    full = report(scores, targets, mask)
    brass = full.classes[1]
    assert brass.support == 0
    assert not brass.threshold_fitted
    assert brass.threshold == 0.5
    for name in ("precision", "recall", "f1", "average_precision", "roc_auc"):
        assert math.isnan(brass.scores[name].value)
        assert math.isnan(brass.scores[name].chance)
    assert (
        full.scores["f1"].undefined
        == full.scores["average_precision"].undefined
        == full.scores["roc_auc"].undefined
        == 1
    )
    others = [k.scores["f1"].value for k in full.classes if k.name != "brass"]
    assert full.scores["f1"].value == pytest.approx(np.mean(others))
    text = format_text(full)
    assert "0.500*" in text
    assert "of 4 classes: 3 for AP, 3 for ROC-AUC, 3 for F1" in text
    assert "no positive on validation to fit it on: brass" in text


def test_class_without_negatives_has_no_roc_auc(data) -> None:
    scores, targets, mask = data
    targets = targets.copy()
    targets[:, 0] = 1
    full = report(scores, targets, mask)
    assert math.isnan(full.classes[0].scores["roc_auc"].value)
    assert full.classes[0].scores["f1"].value == 1.0
    assert full.scores["roc_auc"].undefined == 1
    assert full.scores["f1"].undefined == 0


def test_nothing_predicted_scores_zero() -> None:
    p, r, f = precision_recall_f1([[False], [False]], [[1], [0]], [[True], [True]])
    assert (p[0], r[0], f[0]) == (0.0, 0.0, 0.0)


def test_the_chance_level_baseline_by_hand() -> None:
    """At prevalence p, predicting always has F1 2p / (1 + p), average precision p and ROC-AUC 1/2."""
    targets = np.zeros((10, 4), np.float32)
    targets[:3, 0] = targets[:5, 1] = targets[:1, 2] = targets[:8, 3] = 1
    mask = np.ones((10, 4), bool)
    full = report(np.full((10, 4), 0.5), targets, mask)
    for k, p in zip(full.classes, (0.3, 0.5, 0.1, 0.8), strict=True):
        assert k.scores["f1"].chance == pytest.approx(2 * p / (1 + p))
        assert k.scores["average_precision"].chance == pytest.approx(p)
        assert k.validation_prevalence == pytest.approx((10 * p + 1) / 12)
    assert full.scores["roc_auc"].chance == pytest.approx(0.5)
    expected = np.mean(
        [
            -(p * np.log((10 * p + 1) / 12) + (1 - p) * np.log(1 - (10 * p + 1) / 12))
            for p in (0.3, 0.5, 0.1, 0.8)
        ]
    )
    assert full.scores["loss"].chance == pytest.approx(expected)


def test_hierarchical_scores_by_hand() -> None:
    # singer (2) below voice (0): a predicted singer counts as voice too.
    targets = np.array([[1, 0, 1, 0], [1, 0, 0, 0]], np.float32)
    decisions = np.array([[0, 0, 1, 0], [0, 1, 1, 0]], bool)
    mask = np.ones((2, 4), bool)
    # closed: {voice, singer} and {voice, brass, singer}; true: {voice, singer} and {voice}
    h = ev.hierarchical(decisions, targets, mask, PARENTS)
    assert (h.precision, h.recall) == (pytest.approx(3 / 5), 1.0)
    # Unknown whether a singer: the decision does not bring in voice, which is missed, nor count itself.
    mask[1, 2] = False
    h = ev.hierarchical(decisions, targets, mask, PARENTS)
    assert (h.precision, h.recall) == (pytest.approx(2 / 3), pytest.approx(2 / 3))


def test_closure_climbs_several_levels() -> None:
    closed = ev.close_upwards([[False, False, True]], (None, 0, 1))
    assert closed.tolist() == [[True, True, True]]


def test_consistency_by_hand() -> None:
    scores = np.array([[0.9, 0, 0.95, 0], [0.9, 0, 0.1, 0], [0.2, 0, 0.7, 0], [0.5, 0, 0.5, 0]])
    mask = np.ones((4, 4), bool)
    c = ev.consistency(scores, scores > 0.6, mask, PARENTS)
    assert (c.pairs, c.score_violations, c.decision_violations) == (4, 0.5, 0.25)
    assert ev.consistency(scores, scores > 0.6, mask, (None,) * 4).pairs == 0
    mask[0, 2] = mask[1, 0] = False
    c = ev.consistency(scores, scores > 0.6, mask, PARENTS)
    assert (c.pairs, c.score_violations, c.decision_violations) == (2, 0.5, 0.5)


def test_label_sets_without_parents_say_nothing_of_a_hierarchy(data) -> None:
    flat, tree = report(*data, parents=(None,) * C), report(*data)
    assert "hierarchical P" in format_text(tree)
    assert "a child scores above" in format_text(tree)
    for text in (format_text(flat), format_markdown(flat)):
        assert "nan" not in text
        assert "hierarchical" not in text
        assert "a child" not in text


def test_bootstrap_draws_whole_songs() -> None:
    weights = song_weights(3, 100, seed=3)
    assert weights is not None
    np.testing.assert_array_equal(weights, song_weights(3, 100, seed=3))
    assert not np.array_equal(weights, song_weights(3, 100, seed=4))
    np.testing.assert_array_equal(weights.sum(axis=1), 3)
    assert song_weights(2, 100, seed=3) is None
    assert song_weights(3, 0, seed=3) is None


def test_intervals_hold_the_score_and_are_wider_for_few_songs_of_like_mixes() -> None:
    """Forty mixes of each of five songs tell what five mixes do; as 200 songs they would tell far more."""
    rng = np.random.default_rng(4)
    song = np.repeat(np.arange(5), 40)
    targets = np.tile((np.arange(N) % 2)[:, None], C).astype(np.float32)
    # How well a song is recognized is a matter of the song.
    skill = np.array([0.0, 0.1, 0.25, 0.5, 0.8])[song][:, None]
    scores = np.clip(skill * (targets - 0.5) + rng.random((N, C)), 0, 1)
    mask = np.ones((N, C), bool)
    few = report(scores, targets, mask, groups=[str(i) for i in song], n_resamples=300)
    many = report(scores, targets, mask, groups=[str(i) for i in range(N)], n_resamples=300)
    assert (few.n_groups, many.n_groups) == (5, N)
    pairs = [(few, many), *zip(few.classes, many.classes, strict=True)]
    for a, b in pairs:
        wide, narrow = (one.scores["average_precision"].interval for one in (a, b))
        assert wide is not None
        assert narrow is not None
        assert narrow.low < b.scores["average_precision"].value < narrow.high
        assert wide.high - wide.low > 1.3 * (narrow.high - narrow.low)
    assert report(scores, targets, mask, groups=["one"] * N).scores["f1"].interval is None


def test_classes_in_fewer_than_three_songs_have_no_interval(data) -> None:
    scores, targets, mask = data
    targets, mask = targets.copy(), mask.copy()
    song = np.arange(N) % 20
    targets[:, 1], targets[:, 2] = song < 2, song < 3
    full = report(scores, targets, mask)
    assert [k.songs for k in full.classes] == [20, 2, 3, 20]
    assert [k.scores["f1"].interval is None for k in full.classes] == [False, True, False, False]
    assert [k.scores["average_precision"].interval is None for k in full.classes] == [
        False,
        True,
        False,
        False,
    ]
    row = next(row for row in score_tables(full)[0].rows if row[0] == "brass")
    assert row[2] == "2"
    assert row[6] == "-"
    mask[song == 2, 2] = False
    assert report(scores, targets, mask).classes[2].songs == 2


def scored_with_a_rare_class(rare_songs: int) -> tuple[ev.SplitScores, np.ndarray]:
    """Eight songs of a mix each: a class in seven of them is found always, one in few of them never."""
    groups = [str(i) for i in range(8)]
    targets = np.array([[i < 7, i < rare_songs] for i in range(8)], np.float32)
    scores = np.stack([targets[:, 0], 0.1 * (1 - targets[:, 1])], axis=1)
    weights = song_weights(8, 400, 0)
    assert weights is not None
    full = ev.score_split(
        "test",
        ("common", "rare"),
        scores,
        targets,
        np.ones((8, 2), bool),
        thresholds=ev.Thresholds(np.full(2, 0.5), np.ones(2, bool)),
        prevalence=[0.5, 0.5],
        groups=groups,
        n_resamples=400,
    )
    return full, weights


def test_macro_intervals_average_the_same_classes_in_every_resample() -> None:
    """Where a class in two songs of eight is missing, the mean of a resample is of something else."""
    full, weights = scored_with_a_rare_class(2)
    # Wherever both classes are defined the macro F1 is 0.5.
    assert full.scores["f1"].value == 0.5
    assert full.scores["f1"].interval == ev.Interval(0.5, 0.5)
    without = int(((weights[:, :2].sum(axis=1) == 0) | (weights[:, :7].sum(axis=1) == 0)).sum())
    assert full.scores["f1"].dropped == full.scores["average_precision"].dropped == without
    assert 20 < without < 100
    assert full.n_resamples == 400
    text = " ".join(summary_lines(full))
    undefined = full.scores["roc_auc"].dropped
    said = f"is undefined: {without} for AP, {undefined} for ROC-AUC, {without} for F1"
    assert said in text
    assert "no interval (-) where that is more than 25 %" in text


def test_a_mean_whose_resamples_mostly_lack_a_class_has_no_interval() -> None:
    """A class in one song alone: what is left is a third too few, and all of it holds that song."""
    full, weights = scored_with_a_rare_class(1)
    assert full.scores["f1"].dropped >= int((weights[:, 0] == 0).sum()) > 0.25 * 400
    assert full.scores["f1"].value == 0.5
    assert full.scores["f1"].interval is None
    assert full.scores["micro_f1"].interval is not None


def test_everything_unknown_is_undefined_not_wrong(data) -> None:
    scores, targets, mask = data
    full = report(scores, targets, ~mask)
    assert math.isnan(full.scores["loss"].value)
    assert math.isnan(full.scores["f1"].value)
    assert full.scores["f1"].undefined == C


def test_bad_arrays_are_refused(data) -> None:
    scores, targets, mask = data
    with raises(ConfigError, code="wrong-shape"):
        loss(scores, targets[:, :2], mask)
    broken = scores.copy()
    broken[3, 1] = np.nan
    with raises(ConfigError, code="training-diverged"):
        report(broken, targets, mask, thresholds=ev.Thresholds(np.full(C, 0.5), np.ones(C, bool)))
    with raises(ConfigError, code="wrong-shape", mentions=("200", "4", "3")):
        report(scores, targets, mask, groups=["a", "b", "c"])


def test_oracle_thresholds_are_an_upper_bound_and_decide_nothing(data, rng: np.random.Generator) -> None:
    scores, targets, mask = data
    honest = ev.Thresholds(rng.random(C), np.ones(C, bool))
    full = report(scores, targets, mask, thresholds=honest)
    oracle = ev.fit_thresholds(scores, targets, mask)
    f1 = precision_recall_f1(ev.decide(scores, honest.values), targets, mask)[2]
    for c, k in enumerate(full.classes):
        assert k.oracle_threshold == oracle.values[c]
        assert k.oracle_f1 >= k.scores["f1"].value == f1[c]
    assert full.oracle_f1 == pytest.approx(np.mean([k.oracle_f1 for k in full.classes]))
    assert full.scores["f1"].value == pytest.approx(f1.mean())
    assert [k.threshold for k in full.classes] == honest.values.tolist()


def test_levels_are_means_over_their_classes(data) -> None:
    full = report(*data)
    families, instruments = full.levels
    assert (families.name, instruments.name) == ("families", "instruments")
    own = {"families": (0, 1, 3), "instruments": (2,)}
    for level in full.levels:
        classes = [full.classes[c] for c in own[level.name]]
        assert level.n_classes == len(classes)
        assert level.scores["f1"].value == pytest.approx(np.mean([k.scores["f1"].value for k in classes]))
        assert level.scores["average_precision"].value == pytest.approx(
            np.mean([k.scores["average_precision"].value for k in classes])
        )
        assert level.scores["f1"].chance == pytest.approx(np.mean([k.scores["f1"].chance for k in classes]))
        assert level.oracle_f1 == pytest.approx(np.mean([k.oracle_f1 for k in classes]))
        assert level.scores["brier"].value == pytest.approx(
            np.mean([k.scores["brier"].value for k in classes])
        )
    assert (
        instruments.scores["average_precision"].interval
        == full.classes[2].scores["average_precision"].interval
    )
    flat = report(*data, parents=(None,) * C)
    assert flat.levels == ()
    assert flat.consistent is None


def test_an_undefined_class_is_left_out_of_its_level_only(data) -> None:
    scores, targets, mask = data
    targets = targets.copy()
    targets[:, 1] = 0
    families, instruments = report(scores, targets, mask).levels
    assert (families.scores["f1"].undefined, instruments.scores["f1"].undefined) == (1, 0)


def test_made_consistent_nothing_contradicts_the_tree(data) -> None:
    full = report(*data)
    assert full.consistency is not None
    assert full.consistent is not None
    assert full.consistency.score_violations > 0
    assert full.consistent.consistency.pairs == full.consistency.pairs
    assert full.consistent.consistency.score_violations == 0
    assert full.consistent.consistency.decision_violations == 0
    scores, targets, mask = data
    lifted = scores.copy()
    lifted[:, 0] = np.maximum(scores[:, 0], scores[:, 2])
    again = report(lifted, targets, mask, thresholds=ev.fit_thresholds(*data))
    assert full.consistent.scores["average_precision"].value == pytest.approx(
        again.scores["average_precision"].value
    )
    fitted = ev.consistent_thresholds(scores, targets, mask, PARENTS)
    direct = report(lifted, targets, mask, thresholds=fitted)
    full = report(scores, targets, mask, consistent=fitted)
    assert full.consistent.scores["average_precision"].interval == direct.scores["average_precision"].interval
    assert full.consistent.scores["roc_auc"].interval == direct.scores["roc_auc"].interval
    np.testing.assert_array_equal(fitted.values, ev.fit_thresholds(lifted, targets, mask).values)


def test_prevalence_counts_known_targets_only() -> None:
    targets, mask = (
        np.array([[1, 0], [0, 1], [1, 1], [1, 1]]),
        np.array([[1, 0], [1, 0], [1, 0], [0, 0]], bool),
    )
    np.testing.assert_allclose(ev.class_prevalence(targets, mask), [3 / 5, 1 / 2])


def test_calibration_by_hand() -> None:
    scores = np.array([[0.05], [0.06], [0.95], [0.95]])
    targets, mask = np.array([[0], [1], [1], [1]]), np.ones((4, 1), bool)
    # Two bins are used: one says 0.055 and holds a half, one says 0.95 and holds only positives.
    assert per_class("ece", scores, targets, mask)[0] == pytest.approx(0.5 * abs(0.5 - 0.055) + 0.5 * 0.05)
    assert per_class("brier", scores, targets, mask)[0] == pytest.approx(
        (0.05**2 + 0.94**2 + 2 * 0.05**2) / 4
    )
    # A score on an edge belongs to the bin below it, 0 and 1 to the outermost.
    edges = np.array([[0.0], [1 / 15], [1.0]])
    assert per_class("ece", edges, [[1], [0], [1]], np.ones((3, 1), bool))[0] == pytest.approx(
        (1 - 1 / 15) / 3
    )


def test_calibration_is_that_of_sklearn(data, rng: np.random.Generator) -> None:
    scores, targets, _ = data
    scores, mask = rng.random((N, C)), rng.random((N, C)) < 0.7
    ece, brier = per_class("ece", scores, targets, mask), per_class("brier", scores, targets, mask)
    for c in range(C):
        s, t = scores[mask[:, c], c], targets[mask[:, c], c]
        share, said = calibration_curve(t, s, n_bins=ev.N_BINS)
        filled = np.histogram(s, bins=ev.N_BINS, range=(0, 1))[0]
        assert ece[c] == pytest.approx(np.abs(share - said) @ filled[filled > 0] / len(s))
        assert brier[c] == pytest.approx(brier_score_loss(t, s))


def test_calibration_of_chance_and_of_the_unknown(data) -> None:
    scores, targets, mask = data
    mask = mask.copy()
    mask[:, 3] = False
    full = report(scores, targets, mask, prevalence=[0.5, 0.5, 0.5, 0.5])
    share = targets[:, 1].mean()
    assert full.classes[1].scores["ece"].chance == pytest.approx(abs(share - 0.5))
    assert full.classes[1].scores["brier"].chance == pytest.approx(0.25)
    assert math.isnan(full.classes[3].scores["ece"].value)
    assert full.scores["ece"].undefined == 1
    assert full.scores["ece"].value == pytest.approx(
        np.mean([k.scores["ece"].value for k in full.classes[:3]])
    )
    # A class without positives is undefined in F1, but its calibration is not.
    none = report(scores, np.zeros_like(targets), mask)
    assert math.isfinite(none.classes[0].scores["ece"].value)
    assert math.isnan(none.classes[0].oracle_threshold)


def test_all_splits_are_scored_with_what_validation_fitted(data) -> None:
    scores, targets, mask = data
    half = N // 2
    predictions = Predictions(
        labels=NAMES,
        split=np.array(["validation"] * half + ["test"] * half, dtype=object),
        index=np.arange(N) % half,
        group=np.array([f"song{i % 20}" for i in range(N)], dtype=object),
        scores=scores,
        targets=targets,
        mask=mask,
        mix_id=np.array([f"{i:016x}" for i in range(N)], dtype=object),
        attempt=np.zeros(N, np.int64),
        recipes=np.array([""] * N, dtype=object),
    )
    scored = ev.score_splits(predictions, PARENTS, n_resamples=50)
    validation = scores[:half], targets[:half], mask[:half]
    thresholds = ev.fit_thresholds(*validation)
    expected = report(
        scores[half:],
        targets[half:],
        mask[half:],
        thresholds=thresholds,
        prevalence=ev.class_prevalence(*validation[1:]),
        groups=[f"song{i % 20}" for i in range(half, N)],
        consistent=ev.consistent_thresholds(*validation, PARENTS),
    )
    assert same(scored.splits["test"], expected)
    card = scored.card()
    assert card["thresholds"] == dict(zip(NAMES, thresholds.values.tolist(), strict=True))
    assert set(card["consistent_thresholds"]) == set(NAMES)
    flat = ev.score_splits(predictions, (None,) * C, n_resamples=0)
    assert flat.consistent is None
    assert flat.card()["consistent_thresholds"] == flat.card()["thresholds"]
