"""Single-label runs: the highest score decides, thresholds have no part in it, and numbers agree."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics as sk

from mixlab import evaluation as ev
from mixlab.errors import ConfigError
from mixlab.evaluation.predictions import Predictions
from mixlab.evaluation.report import (
    confusion_tables,
    format_comparison,
    format_markdown,
    format_text,
    most_confused,
)
from tests.errors import raises

LABELS = ("flute", "oboe", "cello", "tuba")
N, C, GROUPS = 120, len(LABELS), 12


def predictions(noise: float = 1.0, seed: int = 0) -> Predictions:
    """Made-up clips of one class each, in two splits; several of one recording."""
    rng = np.random.default_rng(7)
    truth = rng.choice(C, N, p=[0.5, 0.3, 0.15, 0.05])
    targets = np.eye(C, dtype=np.float32)[truth]
    logits = 2 * targets + noise * np.random.default_rng(seed).standard_normal((N, C))
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Predictions(
        labels=LABELS,
        split=np.array(["validation", "test"] * (N // 2), dtype=object),
        index=np.arange(N) // 2,
        group=np.array([f"recording{n // 2 % GROUPS}" for n in range(N)], dtype=object),
        scores=scores.astype(np.float32),
        targets=targets,
        mask=np.ones((N, C), np.bool_),
        mix_id=np.array([f"clip{n}" for n in range(N)], dtype=object),
        attempt=np.zeros(N, np.int64),
        recipes=np.array([f'{{"clip": {n}}}' for n in range(N)], dtype=object),
        single_label=True,
    )


@pytest.fixture(scope="module")
def scored() -> ev.SplitScores:
    return ev.score_splits(predictions(), (None,) * C, n_resamples=100).splits["test"]


def truth_and_guess(part: Predictions) -> tuple[np.ndarray, np.ndarray]:
    return part.targets.argmax(axis=1), part.scores.argmax(axis=1)


def test_decisions_are_those_of_scikit_learn_from_the_highest_score(scored: ev.SplitScores) -> None:
    true, guess = truth_and_guess(predictions().only("test"))
    precision, recall, f1, support = sk.precision_recall_fscore_support(true, guess, zero_division=0)
    for c, k in enumerate(scored.classes):
        found = [k.scores[name].value for name in ("precision", "recall", "f1")]
        np.testing.assert_allclose([*found, k.support], [precision[c], recall[c], f1[c], support[c]])
    accuracy = sk.accuracy_score(true, guess)
    for name in ("accuracy", "micro_precision", "micro_recall", "micro_f1"):
        assert scored.scores[name].value == pytest.approx(accuracy)
    assert scored.scores["recall"].value == pytest.approx(sk.balanced_accuracy_score(true, guess))
    interval = scored.scores["accuracy"].interval
    assert interval.low < accuracy < interval.high


def test_no_threshold_is_fitted_or_reported(scored: ev.SplitScores) -> None:
    assert scored.single_label
    assert np.isnan([k.threshold for k in scored.classes]).all()
    assert not any(k.threshold_fitted for k in scored.classes)
    assert np.isnan([k.oracle_f1 for k in scored.classes]).all()
    card = ev.score_splits(predictions(), (None,) * C, n_resamples=0).card()
    assert card == {"thresholds": {}, "consistent_thresholds": {}}


def test_chance_decides_for_the_class_most_frequent_on_validation(scored: ev.SplitScores) -> None:
    everything = predictions()
    usual = everything.only("validation").targets.sum(axis=0).argmax()
    share = (truth_and_guess(everything.only("test"))[0] == usual).mean()
    assert scored.scores["accuracy"].chance == pytest.approx(share)
    assert [k.scores["recall"].chance for k in scored.classes] == [float(c == usual) for c in range(C)]


def test_runs_for_several_labels_have_no_accuracy_and_keep_their_thresholds() -> None:
    several = ev.score_splits(replace(predictions(), single_label=False), (None,) * C, n_resamples=0)
    part = several.splits["test"]
    assert "accuracy" not in part.scores
    assert not part.single_label
    assert all(0 <= k.threshold <= 1 for k in part.classes)
    scores = several.splits["test"].scores["average_precision"]
    assert (
        scores
        == ev.score_splits(predictions(), (None,) * C, n_resamples=0)
        .splits["test"]
        .scores["average_precision"]
    )  # ranking does not hang on decisions


@pytest.mark.parametrize("spoil", ["two", "none", "unknown"])
def test_targets_that_are_not_single_label_are_refused(spoil: str) -> None:
    made = predictions()
    targets, mask = made.targets.copy(), made.mask.copy()
    targets[4] = {"two": [1, 1, 0, 0], "none": 0, "unknown": targets[4]}[spoil]
    mask[4, 3] = spoil != "unknown"
    with raises(ConfigError, code="invalid-setting", mentions=("exactly one", "item 2", "train.loss=bce")):
        ev.score_splits(replace(made, targets=targets, mask=mask), (None,) * C, n_resamples=0)


def test_the_first_of_equal_scores_is_decided_for() -> None:
    cells = ev.Cells.checked([[0.4, 0.4, 0.2], [0.1, 0.1, 0.8]], [[1, 0, 0], [0, 0, 1]], np.ones((2, 3)),
                             single_label=True)  # fmt: skip
    assert cells.decisions.tolist() == [[True, False, False], [False, False, True]]


def test_two_runs_are_compared_by_accuracy_on_the_same_clips() -> None:
    good, bad = predictions(0.5), predictions(3.0)
    compared = ev.compare(bad, good, n_resamples=100)
    (row,) = compared.rows["accuracy"]
    values = [(np.equal(*truth_and_guess(run.only("test")))).mean() for run in (bad, good)]
    assert [row.a, row.b] == pytest.approx(values)
    assert row.excludes_zero
    assert "accuracy" not in ev.compare(bad, replace(good, single_label=False), n_resamples=0).rows


def test_the_confusion_matrix_is_scikit_learns_and_stands_in_the_report(scored: ev.SplitScores) -> None:
    part = predictions().only("test")
    expected = sk.confusion_matrix(*truth_and_guess(part), labels=range(C))
    np.testing.assert_array_equal(scored.confusion, expected)
    (table,) = confusion_tables(scored)
    assert [row[0] for row in table.rows] == [f"({n}) {name}" for n, name in enumerate(LABELS, start=1)]
    assert [[int(cell) for cell in row[1:]] for row in table.rows] == expected.tolist()
    assert table.markdown() in format_markdown(scored)
    a, b, count, of = most_confused(scored)[0]
    np.fill_diagonal(expected, 0)
    assert count == expected.max() == expected[LABELS.index(a), LABELS.index(b)]
    assert of == sum(scored.confusion[LABELS.index(a)])


def test_of_many_classes_text_holds_the_most_frequent_mistakes() -> None:
    rng = np.random.default_rng(0)
    n, c = 400, 30
    targets = np.eye(c)[rng.integers(c, size=n)]
    scores = rng.random((n, c)) * 0.5 + 0.4 * targets
    none = ev.Thresholds.none(c)
    full = ev.score_split(
        "test", [f"speaker {k}" for k in range(c)], scores, targets, np.ones((n, c), bool), thresholds=none,
        prevalence=np.full(c, 1 / c), groups=[f"g{k % 40}" for k in range(n)], n_resamples=0,
        single_label=True, units=ev.CLIPS,
    )  # fmt: skip
    (table,) = confusion_tables(full)
    assert len(table.rows) == 20
    counts = [int(row[1]) for row in table.rows]
    assert counts == sorted(counts, reverse=True)
    assert max(len(line) for line in format_text(full).splitlines()) <= 100


def test_the_text_speaks_of_clips_and_of_the_highest_score(scored: ev.SplitScores) -> None:
    text = format_markdown(replace(scored, units=ev.CLIPS))
    for word in ("song", "mixes", "oracle", "threshold 0.5", "fitted"):
        assert word not in text
    assert "decisions for the class with the highest score, without thresholds" in text
    assert "resamples of recordings" in text
    assert "| accuracy |" not in text  # it has no class: it stands below the tables
    assert f"accuracy {scored.scores['accuracy'].value:.3f}" in text


def test_the_text_of_a_comparison_says_how_each_run_decides() -> None:
    good, several = predictions(0.5), replace(predictions(3.0), single_label=False)
    for a, b, said in (
        (good, good, "each run decides for the class with its highest score"),
        (good, several, "A decides for its highest score, B at thresholds"),
        (several, several, "each run at thresholds fitted on its own validation scores"),
    ):
        assert said in format_comparison(ev.compare(a, b, n_resamples=0))


def test_two_recordings_give_no_interval_of_anything_and_the_report_says_why() -> None:
    whole = predictions()
    two = replace(whole, group=np.where(whole.index % 2, "one", "other").astype(object))
    scored = ev.score_splits(two, (None,) * C, n_resamples=50).splits["test"]
    kept = [*scored.scores.values(), *(s for k in scored.classes for s in k.scores.values())]
    assert [score.interval for score in kept] == [None] * len(kept)
    compared = ev.compare(two, replace(two, scores=predictions(seed=1).scores), n_resamples=50)
    for text in (format_text(scored), format_comparison(compared)):
        assert "no 95 % intervals: they take 3 songs or more, and here are 2" in " ".join(text.split())
