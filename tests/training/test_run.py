"""Run folders: what is written comes back, and whatever is missing or broken is named."""

import json
import math
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mixlab.errors import MissingDependencyError, RunError
from mixlab.evaluation import score_splits
from mixlab.evaluation.predictions import Predictions
from mixlab.evaluation.results import Provenance, Report
from mixlab.training.run import Run, provenance, read_tensors
from mixlab.utils.plain import plain
from tests.errors import raises
from tests.tiny_run import write_run

CONFIG = {"catalog": "catalog", "out": "run", "mix": {"p_musical": 0.4}, "train": {"seed": 3}}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", CONFIG, {"seed": 3})


def predictions(n: int = 6, rng: np.random.Generator | None = None) -> Predictions:
    rng = rng or np.random.default_rng(0)
    return Predictions(
        labels=("voice", "élan"),
        split=np.array(["validation"] * 2 + ["test"] * (n - 2), dtype=object),
        index=np.arange(n),
        group=np.array([f"corpus/song{i % 3}" for i in range(n)], dtype=object),
        scores=rng.random((n, 2)).astype(np.float32),
        targets=(rng.random((n, 2)) < 0.5).astype(np.float32),
        mask=rng.random((n, 2)) < 0.7,
        mix_id=np.array([f"{i:016x}" for i in range(n)], dtype=object),
        attempt=np.arange(n, dtype=np.int64) % 2,
        recipes=np.array([json.dumps({"index": i}) for i in range(n)], dtype=object),
    )


def report() -> Report:
    """Made-up scores; no mix of the test is known to hold the second class."""
    made, mask = predictions(12), np.ones((12, 2), np.bool_)
    targets = np.stack([np.arange(12) % 2, np.arange(12) < 2], axis=1).astype(np.float32)
    scored = score_splits(replace(made, targets=targets, mask=mask), [None, None], n_resamples=10)
    who = Provenance("train", 3, 0, "c" * 16, "two", "l" * 16, {"mixlab": "0"})
    return Report(scored.splits, "", {"validation": 0, "test": 1}, **scored.card(), provenance=who)


def assert_same(a: Predictions, b: Predictions) -> None:
    assert a.labels == b.labels
    for field in fields(Predictions)[1:]:
        x, y = getattr(a, field.name), getattr(b, field.name)
        np.testing.assert_array_equal(x, y)
        assert np.asarray(x).dtype == np.asarray(y).dtype, field.name


def test_a_new_run_opens_with_what_it_was_made_of(run: Run) -> None:
    again = Run.open(run.path)
    assert again.config == CONFIG
    assert again.info["status"] == "training"
    assert again.info["seed"] == 3
    assert again.info["versions"]["torch"]
    assert again.metrics() == []
    assert not again.has_model


def test_updates_keep_the_rest(run: Run) -> None:
    run.update(status="interrupted", precision="bf16")
    info = Run.open(run.path).info
    assert (info["status"], info["precision"], info["seed"]) == ("interrupted", "bf16", 3)
    with raises(
        RunError, code="invalid-setting", mentions=("training", "interrupted", "trained", "evaluated", "done")
    ):
        run.update(status="done")


def test_a_folder_in_use_is_refused(run: Run, tmp_path: Path) -> None:
    with raises(RunError, code="run-exists", mentions="--out"):
        Run.create(run.path, CONFIG, {})
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "todo.txt").write_text("x")
    with raises(RunError, code="folder-not-empty"):
        Run.create(tmp_path / "notes", CONFIG, {})
    assert [p.name for p in (tmp_path / "notes").iterdir()] == ["todo.txt"]


def test_metrics_of_epochs_before_a_resume_are_replaced(run: Run) -> None:
    for epoch in (1, 2, 3):
        run.write_metrics({"epoch": epoch, "train_loss": 1 / epoch, "best": 1})
    run.write_metrics({"epoch": 2, "train_loss": 0.25, "validation_average_precision": math.nan})
    rows = run.metrics()
    assert [row["epoch"] for row in rows] == [1, 2]
    assert rows[1]["train_loss"] == 0.25
    assert math.isnan(rows[1]["validation_average_precision"])
    expected = ("epoch", "step", "train_loss", "validation_average_precision", "lr_head", "lr_backbone")
    assert tuple(rows[0]) == (*expected, "items_per_s", "seconds", "best")


def test_weights_and_card_come_back(run: Run) -> None:
    state = {
        "a": torch.randn(3, 4),
        "b": torch.arange(3),
        "c": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
    }
    run.write_model(state, {"config": {"width": 4}})
    run.update_card(thresholds={"voice": 0.25})
    loaded, card = Run.open(run.path).read_model()
    assert all(torch.equal(loaded[name], state[name]) for name in state)
    assert card["config"] == {"width": 4}
    assert card["thresholds"] == {"voice": 0.25}
    (run.path / "model.safetensors").write_bytes(b"broken")
    with raises(RunError, code="run-damaged"):
        run.read_model()
    (run.path / "model.safetensors").unlink()
    with raises(RunError, code="run-incomplete", mentions=("mixlab train", "--config")):
        run.read_model()


def test_predictions_come_back(run: Run) -> None:
    written = predictions()
    run.write_predictions(written)
    assert_same(run.predictions(), written)
    test = run.predictions().only("test")
    assert len(test) == 4
    assert test.index.tolist() == [2, 3, 4, 5]
    assert_same(Predictions.join([written.only("validation"), written.only("test")]), written)


def test_a_report_comes_back_as_it_was_written(run: Run) -> None:
    """Undefined scores are null in the file, and NaN again afterwards."""
    run.write_report(report(), "# Report\n")
    text = (run.path / "report.json").read_text()
    assert "null" in text
    assert "NaN" not in text
    assert repr(run.report()) == repr(Report.load(run.path)) == repr(report())
    assert repr(Report.from_dict(json.loads(text))) == repr(report())
    assert (run.path / "report.md").read_text() == "# Report\n"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data["splits"]["test"]["classes"][0].pop("support"), "splits.test.classes[0].support"),
        (lambda data: data.update(colour=1), "colour"),
        (lambda data: data.update(schema=1), ("schema", 1)),
    ],
)
def test_a_report_that_others_wrote_is_refused_by_its_key(run: Run, change: Any, said: str) -> None:
    run.write_report(report(), "")
    data = json.loads((run.path / "report.json").read_text())
    change(data)
    (run.path / "report.json").write_text(json.dumps(data))
    mentions = said if isinstance(said, tuple) else (said,)
    with raises(RunError, code="run-damaged", mentions=("report.json", "mixlab evaluate", *mentions)):
        run.report()


def test_missing_runs_are_named(tmp_path: Path) -> None:
    with raises(RunError, code="run-not-found"):
        Run.open(tmp_path / "absent")
    (tmp_path / "notes.txt").write_text("no run")
    with raises(RunError, code="run-not-found"):
        Run.open(tmp_path / "notes.txt")
    with raises(RunError, code="run-not-found", mentions="run.json"):
        Run.open(tmp_path)


def test_incomplete_runs_say_what_completes_them(run: Run) -> None:
    with raises(RunError, code="run-incomplete", mentions=("mixlab evaluate", "report.json")):
        run.report()
    with raises(RunError, code="predictions-not-found", mentions=("mixlab evaluate", "predictions.parquet")):
        run.predictions()
    with raises(RunError, code="run-incomplete", mentions="model.json"):
        run.read_model()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"PAR1garbage", b"\x00" * 64])
def test_damaged_files_are_named(run: Run, content: bytes) -> None:
    for name in ("report.json", "model.json", "predictions.parquet"):
        (run.path / name).write_bytes(content)
    with raises(RunError, code="run-damaged", mentions="report.json"):
        run.report()
    with raises(RunError, code="run-damaged", mentions="model.json"):
        run.read_model()
    with raises(RunError, code="run-damaged", mentions="predictions.parquet"):
        run.predictions()
    (run.path / "run.json").write_bytes(content)
    with raises(RunError, code="run-damaged", mentions="run.json"):
        Run.open(run.path)


def test_damaged_config_and_metrics_are_named(run: Run) -> None:
    (run.path / "config.yaml").write_text("a: [")
    with raises(RunError, code="run-damaged", mentions="config.yaml"):
        _ = run.config
    (run.path / "config.yaml").write_text("")
    with raises(RunError, code="run-damaged", mentions="config.yaml"):
        _ = run.config
    (run.path / "metrics.csv").write_text("epoch,step\n1,two\n")
    with raises(RunError, code="run-damaged", mentions="metrics.csv"):
        run.metrics()


def test_runs_of_another_schema_are_refused(run: Run) -> None:
    (run.path / "run.json").write_text(json.dumps({"schema": 99}))
    with raises(RunError, code="run-version", mentions=("99", "2")):
        Run.open(run.path)


def test_find_lists_what_opens(run: Run, tmp_path: Path) -> None:
    Run.create(tmp_path / "more" / "second", CONFIG, {})
    broken = Run.create(tmp_path / "broken", CONFIG, {})
    (broken.path / "run.json").write_text("{")
    assert {found.path.name for found in Run.find(tmp_path)} == {"run", "second"}
    assert Run.find(tmp_path / "absent") == []


def test_nothing_half_written_stays_behind(run: Run) -> None:
    run.write_metrics({"epoch": 1})
    run.write_model({"a": torch.zeros(2)}, {})
    run.write_predictions(predictions())
    run.write_report(report(), "")
    assert not [p for p in run.path.rglob("*") if p.name.endswith(".tmp")]


def test_plain_data_is_json() -> None:
    data = {"path": Path("a/b"), "set": {1}, "array": np.arange(3), "inf": math.inf, 5: np.bool_(True)}
    assert plain(data) == {"path": "a/b", "set": [1], "array": [0, 1, 2], "inf": None, "5": True}
    assert set(provenance()) == {"versions", "git"}


def test_damaged_embeddings_are_named_and_removed(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    whole = {"embedding": torch.ones(3, 4), "target": torch.ones(3, 2), "mask": torch.ones(3, 2)}
    run.write_embeddings(whole)
    file = run.checkpoints / "embeddings.safetensors"
    assert run.read_embeddings()["target"].tolist() == [[1, 1]] * 3
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.warns(RuntimeWarning, match=r"embeddings\.safetensors was damaged .*made anew"):
        assert run.read_embeddings() is None
    assert not file.exists()


def test_embeddings_stay_where_it_is_not_they_that_are_at_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "embeddings.safetensors"
    file.write_bytes(b"whole, for all that anybody knows")
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    with raises(MissingDependencyError, code="missing-dependency", mentions="safetensors"):
        read_tensors(file)
    assert file.is_file()
