"""Two runs on the same mixes: their difference, how sure it is, and when there is none to speak of."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mixlab import evaluation as ev
from mixlab.cli.main import main
from mixlab.errors import ConfigError
from mixlab.evaluation import compare
from mixlab.evaluation.predictions import Predictions
from mixlab.evaluation.report import comparison_tables, format_comparison, format_comparison_markdown
from mixlab.training.run import Run
from tests.errors import raises

NAMES = ("voice", "brass", "singer", "piano")
PARENTS = (None, None, 0, None)
N = 240


def predictions(noise: float, seed: int = 1, songs: int = 20) -> Predictions:
    """Scores of a model that hears through so much noise; the mixes are always the same."""
    rng = np.random.default_rng(0)
    targets = (rng.random((N, 4)) < [0.5, 0.2, 0.4, 0.3]).astype(np.float32)
    mask = rng.random((N, 4)) < 0.9
    logits = targets + noise * np.random.default_rng(seed).standard_normal((N, 4))
    return Predictions(
        labels=NAMES,
        split=np.array(["validation", "test"] * (N // 2), dtype=object),
        index=np.arange(N) // 2,
        group=np.array([f"corpus/song{i // 2 % songs}" for i in range(N)], dtype=object),
        scores=(1 / (1 + np.exp(-logits))).astype(np.float32),
        targets=targets,
        mask=mask,
        mix_id=np.array([f"{i:016x}" for i in range(N)], dtype=object),
        attempt=np.zeros(N, np.int64),
        recipes=np.array(
            [json.dumps({"index": i // 2, "catalog_hash": "abc"}) for i in range(N)], dtype=object
        ),
    )


def row(rows: tuple[ev.Difference, ...], name: str) -> ev.Difference:
    return next(r for r in rows if r.name == name)


def test_values_are_those_of_each_run_alone() -> None:
    a, b = predictions(0.5), predictions(1.0, seed=2)
    comparison = compare(a, b, parents=PARENTS, n_resamples=50)
    for which, run in (("a", a), ("b", b)):
        scores = ev.score_splits(run, PARENTS, n_resamples=0).splits["test"]
        for c, k in enumerate(scores.classes):
            assert getattr(comparison.rows["average_precision"][c], which) == pytest.approx(
                k.scores["average_precision"].value
            )
            assert getattr(comparison.rows["f1"][c], which) == pytest.approx(k.scores["f1"].value)
            assert getattr(comparison.rows["roc_auc"][c], which) == pytest.approx(k.scores["roc_auc"].value)
            assert comparison.rows["f1"][c].songs == k.songs
        for level in scores.levels:
            assert getattr(row(comparison.rows["f1"], level.name), which) == pytest.approx(
                level.scores["f1"].value
            )
        assert getattr(row(comparison.rows["f1"], "macro"), which) == pytest.approx(scores.scores["f1"].value)
        for name in ("micro_f1", "loss"):
            assert getattr(comparison.rows[name][0], which) == pytest.approx(scores.scores[name].value)
    for found in itertools.chain(*comparison.rows.values()):
        assert found.difference == pytest.approx(found.b - found.a)


def test_a_run_does_not_differ_from_itself() -> None:
    a = predictions(0.8)
    comparison = compare(a, a, n_resamples=50)
    for found in itertools.chain(*comparison.rows.values()):
        assert found.difference == 0
        assert found.interval == ev.Interval(0, 0)
        assert found.better == 0
        assert not found.excludes_zero


def test_exchanging_the_runs_turns_every_sign() -> None:
    a, b = predictions(0.5), predictions(1.0, seed=2)
    there, back = compare(a, b, n_resamples=50), compare(b, a, n_resamples=50)
    for x, y in zip(there.rows["average_precision"], back.rows["average_precision"], strict=True):
        assert x.difference == pytest.approx(-y.difference)
        assert x.interval.low == pytest.approx(-y.interval.high)
        assert x.better == pytest.approx(1 - y.better)


def test_a_clearly_better_run_is_found_so() -> None:
    macro = row(
        compare(predictions(2.0), predictions(0.2, seed=2), n_resamples=100).rows["average_precision"],
        "macro",
    )
    assert macro.difference > 0.2
    assert macro.excludes_zero
    assert macro.better == 1


def test_a_lower_loss_is_better() -> None:
    (loss,) = compare(predictions(2.0), predictions(0.2, seed=2), n_resamples=50).rows["loss"]
    assert loss.difference < 0
    assert loss.excludes_zero
    assert loss.better == 1


def test_pairing_takes_out_what_both_runs_share() -> None:
    """Songs that are hard for both make each score uncertain, but not their difference."""
    a = predictions(1.0)
    b = replace(a, scores=np.clip(a.scores + 0.01 * (a.targets - 0.5), 0, 1).astype(np.float32))
    paired = row(compare(a, b, n_resamples=200).rows["average_precision"], "macro")
    alone = ev.score_splits(a, PARENTS, n_resamples=200).splits["test"].scores["average_precision"].interval
    assert paired.interval.high - paired.interval.low < (alone.high - alone.low) / 4
    assert paired.excludes_zero


def test_classes_of_few_songs_have_no_interval_and_undefined_ones_no_value() -> None:
    a, b = predictions(0.5), predictions(1.0, seed=2)
    song = np.arange(N) // 2 % 20
    targets = a.targets.copy()
    targets[:, 1], targets[:, 3] = song < 2, 0
    a, b = replace(a, targets=targets), replace(b, targets=targets)
    comparison = compare(a, b, n_resamples=50)
    brass, piano = comparison.rows["average_precision"][1], comparison.rows["average_precision"][3]
    assert brass.interval is None
    assert brass.dropped > 0
    assert np.isnan(piano.difference)
    assert piano.interval is None
    macro = row(comparison.rows["average_precision"], "macro")
    assert macro.a == pytest.approx(np.mean([comparison.rows["average_precision"][c].a for c in range(3)]))
    assert "nan" not in format_comparison(comparison)


def test_one_song_gives_differences_without_intervals() -> None:
    comparison = compare(predictions(0.5, songs=1), predictions(1.0, songs=1))
    assert comparison.n_resamples == 0
    assert all(found.interval is None for found in comparison.rows["f1"])
    assert "nan" not in format_comparison_markdown(comparison)


def test_what_cannot_be_compared_is_refused() -> None:
    a = predictions(0.5)
    with raises(ConfigError, code="runs-not-comparable"):
        compare(a, replace(a, labels=("voice", "brass", "singer", "key")))
    with raises(ConfigError, code="runs-not-comparable", mentions=("120", "0")):
        compare(a, a.only("validation"))
    with raises(ConfigError, code="predictions-not-found", mentions="train"):
        compare(a, a, split="train")
    ids, texts = a.mix_id.copy(), a.recipes.copy()
    ids[5], texts[5] = "f" * 16, texts[5].replace("abc", "def")
    other = replace(a, mix_id=ids, recipes=texts)
    with raises(ConfigError, code="runs-not-comparable", mentions=("1", "120", "2", "catalog_hash")):
        compare(a, other)
    assert compare(a, other, split="validation", n_resamples=0).n_items == 120
    # How a recipe is written, or how its mix is labelled, makes no other mix of it.
    assert compare(a, replace(a, recipes=texts), n_resamples=0).n_items == 120
    flipped = np.where(a.mask, 1 - a.targets, a.targets)
    with raises(ConfigError, code="runs-not-comparable"):
        compare(a, replace(a, targets=flipped))
    with raises(ConfigError, code="runs-not-comparable"):
        compare(a, replace(a, mask=~a.mask))


def test_the_text_fits_into_100_columns_and_marks_what_excludes_zero() -> None:
    comparison = compare(predictions(2.0), predictions(0.2, seed=2), parents=PARENTS, n_resamples=100)
    text = format_comparison(comparison)
    assert max(len(line) for line in text.splitlines()) <= 100
    *tables, last = comparison_tables(comparison)
    for table, name in zip(tables, ("average_precision", "roc_auc", "f1"), strict=True):
        rows = comparison.rows[name]
        assert [cells[0] for cells in table.rows] == [r.name for r in rows]
        assert [cells[-1] == "*" for cells in table.rows] == [r.excludes_zero for r in rows]
        assert table.n_last == len(rows) - 4
    assert [cells[0] for cells in last.rows] == ["LRAP", "loss (lower is better)", "micro F1"]
    assert "Choosing between runs by test scores" in " ".join(text.split())


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Run, Run]:
    made = []
    for name, noise in (("first", 1.5), ("second", 0.3)):
        labels = {"outputs": list(NAMES), "parents": list(PARENTS)}
        run = Run.create(tmp_path / name, {}, {"labels": labels, "note": "demo numbers"})
        run.write_predictions(predictions(noise))
        made.append(run)
    return made[0], made[1]


def test_the_command_prints_and_writes(
    runs: tuple[Run, Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(run.path) for run in runs]
    assert main(["compare", *paths, "--resamples", "50", "--out", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert f"A = {paths[0]}" in out
    assert "test: the same 120 mixes from 20 songs" in out
    assert "(demo numbers)" in out
    stored = ev.Comparison.load(tmp_path / "out" / "comparison.json")
    assert (stored.a, stored.b) == (paths[0], paths[1])
    assert [r.name for r in stored.rows["f1"]] == [*NAMES, "macro", "families", "instruments"]
    assert (tmp_path / "out" / "comparison.md").read_text().startswith("# first (A) and second (B)")


def test_the_command_refuses_other_mixes_in_one_line(
    runs: tuple[Run, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    stored = runs[1].predictions()
    runs[1].write_predictions(replace(stored, mix_id=stored.mix_id[::-1].copy()))
    assert main(["compare", str(runs[0].path), str(runs[1].path)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "120 of 120 differ" in err
