"""A study to be started: the command is the plan, and what it will take is said before."""

from dataclasses import replace
from pathlib import Path

import pytest

from mixlab.catalog.catalog import Catalog
from mixlab.cli.main import main
from mixlab.errors import ConfigError
from mixlab.studies.starting import StudyOrder, estimate_cost, read_settings
from mixlab.training.run import Run
from mixlab.utils.plain import plain
from tests.errors import raises
from tests.tiny_sweep import MIX
from tests.tiny_sweep import TRAIN as TINY

TRAIN = replace(TINY, num_workers=0)


@pytest.fixture
def order(toy: Catalog, tmp_path: Path) -> StudyOrder:
    """Three values, one of them with many digits, and two seeds, in trainings of seconds."""
    return StudyOrder(str(toy.path), str(tmp_path / "out"), (0.0, 0.1234567, 1.0), (0, 1), MIX, TRAIN)


def test_the_command_is_the_plan(
    order: StudyOrder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text(order.settings_text(), encoding="utf-8")
    assert read_settings(settings) == (MIX, TRAIN)
    assert main([*order.arguments(settings), "--dry_run"]) == 0
    said = capsys.readouterr().out
    assert "6 runs" in said
    assert all(trial.name in said for trial in order.plan().trials())


def test_a_run_of_the_same_cost_says_how_long_it_takes(
    order: StudyOrder, toy: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mixlab.studies.starting.default_workers", lambda: 2)
    run = Run.create(tmp_path / "like", {"mix": plain(MIX), "train": plain(TRAIN)}, {"seed": 0})
    run.write_metrics({"epoch": 1, "seconds": 100.0})
    own = estimate_cost(order, toy, [run])
    assert (own.runs, own.how) == (6, "by the run like: 100.0 s for an epoch of 16 mixes")
    longer = replace(order, train=replace(TRAIN, epochs=3))
    assert estimate_cost(longer, toy, [run]).seconds - own.seconds == pytest.approx(6 * 2 * 100)
    # Two at a time are twice as quick on two processors, and six no quicker than two.
    seconds = [estimate_cost(replace(order, parallel=n), toy, [run]).seconds for n in (2, 6)]
    assert seconds == pytest.approx([own.seconds / 2, own.seconds / 2])
    # A network of another size says nothing of this one.
    other = replace(TRAIN, model=replace(TRAIN.model, width=8))
    assert "measured just now" in estimate_cost(replace(order, train=other), toy, [run]).how


def test_settings_of_something_else_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("clips: {}\ntrain: {}\n", encoding="utf-8")
    with raises(ConfigError, code="invalid-setting", mentions=(str(file), "clips")):
        read_settings(file)
