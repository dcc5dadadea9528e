"""Inspecting runs: the same numbers as a report, at any threshold; curves, mistakes and points as defined."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_recall_curve

from mixlab.errors import ConfigError, RunError
from mixlab.evaluation import compare, score_splits
from mixlab.evaluation.error_analysis import KINDS, confusions, precision_recall, ranked, tree_boxes
from mixlab.evaluation.predictions import Predictions
from mixlab.evaluation.thresholding import chance_f1, decide_at, fixed_scores, paired_f1, split_table
from mixlab.studies import StudyFolder
from mixlab.studies.curves import axes_of, class_effects, points_of, study_status, unfinished_trials
from mixlab.studies.locations import RUN, STUDY, find_folders
from mixlab.studies.results import load_results
from tests.errors import raises
from tests.studies.test_reports import INSIDE, made_up

LABELS = ("voice", "key", "singer", "piano", "theremin")
PARENTS = (None, None, 0, 1, None)
N = 240


def predictions(seed: int = 0, noise: float = 1.0) -> Predictions:
    """Of 40 songs, some cells unknown, no theremin anywhere in the test mixes."""
    rng = np.random.default_rng(0)
    targets = (rng.random((N, 5)) < [0.5, 0.4, 0.3, 0.06, 0.0]).astype(np.float32)
    logits = 3 * targets - 1.5 + noise * np.random.default_rng([seed, 5]).standard_normal((N, 5))
    return Predictions(
        labels=LABELS,
        split=np.array(["validation", "test"] * (N // 2), dtype=object),
        index=np.arange(N) // 2,
        group=np.array([f"corpus/song{i % 40}" for i in rng.permutation(N)], dtype=object),
        # Rounded, so that scores tie.
        scores=np.round(1 / (1 + np.exp(-logits)), 2).astype(np.float32),
        targets=targets,
        mask=rng.random((N, 5)) < 0.9,
        mix_id=np.array([f"{i:016x}" for i in range(N)], dtype=object),
        attempt=np.zeros(N, np.int64),
        recipes=np.array([f'{{"index": {i // 2}}}' for i in range(N)], dtype=object),
    )


def same(a: float | None, b: float | None) -> bool:
    a, b = (math.nan if x is None else x for x in (a, b))
    return (math.isnan(a) and math.isnan(b)) or a == pytest.approx(b, abs=1e-12)


# ---- at thresholds ----


@pytest.mark.parametrize("split", ["validation", "test"])
def test_at_fitted_thresholds_the_numbers_are_the_reports(split: str) -> None:
    report = score_splits(predictions(), PARENTS, n_resamples=200, seed=3).splits[split]
    found = decide_at(split_table(predictions(), split, PARENTS, n_resamples=200, seed=3))
    for c, row in enumerate(report.classes):
        own = (found.known[c], found.support[c], found.songs[c], found.predicted[c], found.thresholds[c])
        assert own == (row.known, row.support, row.songs, row.predicted, row.threshold)
        for name in ("precision", "recall", "f1"):
            assert same(found.of_class(name, c).value, row.scores[name].value)
            assert found.of_class(name, c).interval == row.scores[name].interval
    for name in found.measured:
        expected = replace(report.scores[name], chance=math.nan)
        assert repr(found.over_all(name)) == repr(expected)


@pytest.mark.parametrize("at", [0.0, 0.3, 0.5, 0.77, 1.0])
def test_at_any_threshold_f1_is_scikit_learns(at: float) -> None:
    table = split_table(predictions(), "test", PARENTS, n_resamples=0)
    found, part = decide_at(table, at), predictions().only("test")
    for c in range(len(LABELS)):
        known = part.mask[:, c]
        if not part.targets[known, c].any():
            assert math.isnan(found.values("f1")[c])
            continue
        decided = part.scores[known, c].astype(float) >= at
        assert same(found.values("f1")[c], f1_score(part.targets[known, c], decided, zero_division=0))
    assert found.over_all("f1").interval is None


def test_a_table_leads_back_to_the_predictions() -> None:
    part = predictions().only("test")
    table = split_table(predictions(), "test", PARENTS)
    np.testing.assert_array_equal(table.scores, part.scores[table.rows])
    assert [table.songs[song] for song in table.cells.song] == part.group[table.rows].tolist()
    with raises(ConfigError, code="predictions-not-found", mentions="train"):
        split_table(predictions(), "train", PARENTS)
    broken = predictions()
    broken.scores[1] = np.nan
    with raises(ConfigError, code="training-diverged"):
        split_table(broken, "test", PARENTS)


def test_paired_differences_are_those_of_compare() -> None:
    a, b = predictions(0), predictions(1, noise=2.0)
    tables = [split_table(run, "test", PARENTS, n_resamples=200, seed=4) for run in (a, b)]
    found = paired_f1(tables[0], *map(decide_at, tables))
    compared = compare(a, b, parents=PARENTS, n_resamples=200, seed=4).rows
    expected = [*compared["f1"], replace(compared["micro_f1"][0], name="micro")]
    assert [row.name for row in found] == [*LABELS, "macro", "families", "instruments", "micro"]
    for own, row in zip(found, expected, strict=True):
        told = (own.name, own.songs, own.interval, own.dropped)
        assert told == (row.name, row.songs, row.interval, row.dropped)
        assert same(own.difference, row.difference)
        assert same(own.better, row.better)


def test_ranking_scores_are_read_from_the_report_of_these_very_predictions() -> None:
    report = score_splits(predictions(), PARENTS, n_resamples=50).splits["test"]
    table = split_table(predictions(), "test", PARENTS)
    read, computed = fixed_scores(table, report), fixed_scores(table, None)
    assert (read.reported, computed.reported) == (True, False)
    assert [m.name for m in read.metrics] == [m.name for m in computed.metrics]
    for name in ("average_precision", "roc_auc"):
        assert read.classes[name] == tuple(k.scores[name] for k in report.classes)
        assert repr([k.value for k in read.classes[name]]) == repr([k.value for k in computed.classes[name]])
        assert read.scores[name] == report.scores[name]
        assert computed.scores[name].interval is None
        assert read.scores[name].undefined == computed.scores[name].undefined == 1
    assert repr(chance_f1(table).tolist()) == repr([k.scores["f1"].chance for k in report.classes])
    other = predictions()
    other.targets[:40] = 1.0
    assert not fixed_scores(split_table(other, "test", PARENTS), report).reported


# ---- mistakes ----


@pytest.mark.parametrize("column", range(4))
def test_the_curve_is_scikit_learns_and_meets_the_decisions(column: int) -> None:
    table = split_table(predictions(), "test", PARENTS)
    known = table.known[:, column]
    precision, recall, thresholds = precision_recall_curve(
        table.present[known, column], table.scores[known, column]
    )
    curve = precision_recall(table, column)
    np.testing.assert_allclose(curve["precision"], precision[:-1])
    np.testing.assert_allclose(curve["recall"], recall[:-1])
    for place in range(0, len(thresholds), 7):
        found = decide_at(table, thresholds[place])
        assert same(found.values("f1")[column], curve["f1"][place])
        assert found.tp[column] == curve["tp"][place]
        assert found.predicted[column] == curve["tp"][place] + curve["fp"][place]
    thin = precision_recall(table, column, most=10)
    assert len(thin["recall"]) <= 12
    assert thin["recall"][[0, -1]].tolist() == curve["recall"][[0, -1]].tolist()


def test_an_undefined_class_has_no_curve() -> None:
    assert len(precision_recall(split_table(predictions(), "test", PARENTS), 4)["recall"]) == 0


@pytest.mark.parametrize("column", range(5))
@pytest.mark.parametrize("at", [0.2, 0.6])
def test_ranked_mixes_are_the_counts_of_the_decisions(column: int, at: float) -> None:
    table = split_table(predictions(), "test", PARENTS)
    found = decide_at(table, at)
    rows = {kind: ranked(table, column, at, kind) for kind in KINDS}
    assert len(rows["hits"]) == found.tp[column]
    assert len(rows["false positives"]) == found.predicted[column] - found.tp[column]
    assert len(rows["false negatives"]) == found.support[column] - found.tp[column]
    for kind, own in rows.items():
        scores = table.scores[own, column]
        assert np.all(np.diff(scores) >= 0) if kind == "false negatives" else np.all(np.diff(scores) <= 0)


def test_confusions_count_mixes_in_which_both_happen() -> None:
    table = split_table(predictions(noise=3.0), "test", PARENTS)
    decided = table.scores >= 0.5
    found = {(one.missed, one.added): one for one in confusions(table, np.full(5, 0.5))}
    assert found
    for a, missed in enumerate(LABELS):
        for b, added in enumerate(LABELS):
            out = table.present[:, a] & ~decided[:, a]
            absent = table.known[:, b] & ~table.present[:, b]
            mixes = int((out & absent & decided[:, b]).sum())
            usual = (absent & decided[:, b]).sum() / max(absent.sum(), 1)
            expected = (out & absent).sum() * usual
            one = found.get((missed, added))
            assert (one is not None) == (mixes > 0 and mixes > expected)
            if one is not None:
                assert (one.mixes, one.possible) == (mixes, int((out & absent).sum()))
                assert same(one.excess, mixes - expected)
    excess = [one.excess for one in found.values()]
    assert excess == sorted(excess, reverse=True)


def test_the_tree_is_resampled_without_overlap() -> None:
    boxes = {box.column: box for box in tree_boxes((None, 0, 0, None, 1, 1))}
    assert sorted(boxes) == list(range(6))
    for child, parent in ((1, 0), (2, 0), (4, 1), (5, 1)):
        assert boxes[child].level == boxes[parent].level + 1
        assert boxes[parent].top <= boxes[child].top < boxes[child].bottom <= boxes[parent].bottom
    leaves = [boxes[c] for c in (4, 5, 2, 3)]
    assert [(box.top, box.bottom) for box in leaves] == [(0, 1), (1, 2), (2, 3), (3, 4)]


# ---- where runs lie ----


def test_folders_are_found_by_what_they_hold(tmp_path: Path) -> None:
    for name in ("runs/b10", "runs/b2", "runs/b2/inner", "runs/.hidden", "sweeps/s/runs/x", "too/deep/a/b/c"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / RUN).touch()
    (tmp_path / "sweeps" / "s" / STUDY).touch()
    places = [(tmp_path / "runs", 2), (tmp_path / "sweeps", 4), (tmp_path / "too", 2), (tmp_path / "no", 3)]
    assert [one.name for one in find_folders(RUN, places)] == ["runs/b2", "runs/b10", "sweeps/s/runs/x"]
    assert [one.path for one in find_folders(STUDY, places)] == [tmp_path / "sweeps" / "s"]
    assert [one.name for one in find_folders(RUN, [(tmp_path / "runs" / "b2", 0)])] == ["b2"]
    twice = find_folders(RUN, [(tmp_path / "runs", 1), (tmp_path, 2)])
    assert len({one.path for one in twice}) == len({one.name for one in twice}) == len(twice)


# ---- sweeps ----


@pytest.fixture(scope="module")
def study(toy: object, tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """A study in which 0.4 is clearly best, one of its nine runs failed."""
    path = tmp_path_factory.mktemp("studies")
    return made_up("p_musical", toy, path, INSIDE, fail=("p1-seed2",), grid=(0.0, 0.4, 1.0))


def test_points_hold_the_means_over_seeds(study: StudyFolder) -> None:
    results = load_results(study, n_resamples=0)
    (axis,) = axes_of(results)
    assert (axis.name, axis.title, axis.numeric) == ("mix.p_musical", "p_musical", True)
    points = points_of(results, axis, "average_precision")
    assert [(p.x, p.line, p.estimate.n_seeds) for p in points] == [(0.0, "", 3), (0.4, "", 3), (1.0, "", 2)]
    assert points[2].estimate.missing == 1
    for point, condition in zip(points, results.conditions, strict=True):
        values = [run.measured["average_precision"].mean for run in condition.test.runs.values()]
        assert point.estimate.value == pytest.approx(np.mean(values))
    voice = points_of(results, axis, "f1", 0, split="validation")
    assert voice[1].estimate == results.conditions[1].validation.of("f1", 0)


def test_what_matters_most_comes_first_and_undefined_last(study: StudyFolder) -> None:
    results = load_results(study, n_resamples=0)
    (axis,) = axes_of(results)
    effects = class_effects(results, axis, "average_precision")
    assert effects[-1].name == "theremin"
    assert math.isnan(effects[-1].effect)
    values = [e.effect for e in effects[:-1]]
    assert values == sorted(values, reverse=True)
    assert effects[0].best == 0.4
    lower = replace(results, metrics=tuple(replace(m, higher_is_better=False) for m in results.metrics))
    assert class_effects(lower, axis, "average_precision")[0].best != 0.4
    first = effects[0]
    estimates = [p.estimate for p in points_of(results, axis, "average_precision", first.column)]
    noise = np.mean([e.spread**2 / e.n_seeds for e in estimates])
    assert first.effect == pytest.approx(math.sqrt(np.var([e.value for e in estimates], ddof=1) - noise))
    assert first.span == pytest.approx(max(e.value for e in estimates) - min(e.value for e in estimates))


def test_a_second_axis_gives_lines_and_no_axis_gives_conditions(study: StudyFolder) -> None:
    results = load_results(study, n_resamples=0)
    conditions = tuple(
        replace(
            c, condition=replace(c.condition, values={**c.condition.values, "mix.max_sources": 3 + n % 2})
        )
        for n, c in enumerate(results.conditions)
    )
    two = replace(results, conditions=conditions, vary={**results.vary, "mix.max_sources": (3, 4)})
    assert [axis.title for axis in axes_of(two)] == ["p_musical", "max_sources"]
    points = points_of(two, axes_of(two)[0], "f1")
    assert [p.line for p in points] == ["max_sources=3", "max_sources=4", "max_sources=3"]
    (axis,) = axes_of(replace(results, vary={}))
    assert [p.x for p in points_of(results, axis, "f1")] == [c.condition.label for c in results.conditions]


def test_the_status_names_what_fills_the_grid(study: StudyFolder, tmp_path: Path) -> None:
    status = study_status(study)
    assert len(status.done) == 8
    assert status.counts == {"done": 8, "failed": 1}
    (missing,) = unfinished_trials(status)
    assert (missing.name, missing.error) == ("p1-seed2", "it was told to fail")
    assert missing.command == f"mixlab train --config {study.plan_path('p1-seed2')}"
    assert not status.at_work
    with raises(RunError, code="study-not-found"):
        study_status(StudyFolder(tmp_path))
