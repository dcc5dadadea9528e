"""A run on a full disk, under two processes or with leftovers of a killed one stays whole and goes on."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from mixlab.catalog.catalog import Catalog
from mixlab.errors import MixlabError, OutputError, RunError
from mixlab.evaluation.results import Report
from mixlab.mixing.config import MixConfig
from mixlab.mixing.effects_config import EffectsConfig
from mixlab.models import ModelConfig
from mixlab.training import TrainConfig, evaluate_run, train
from mixlab.training.run import Run
from mixlab.utils.locks import LOCK
from tests.errors import raises
from tests.small_disk import small_disk, until_it_fits
from tests.tiny_run import write_run

RATE = 8000
MIX = MixConfig(duration_s=0.5, sample_rate=RATE, max_sources=3, effects=EffectsConfig.none())
CONFIG = TrainConfig(
    model=ModelConfig(sample_rate=RATE, f_max=4000, n_fft=256, hop=128, n_mels=16, width=4),
    epochs=2,
    epoch_size=16,
    batch_size=8,
    val_size=16,
    test_size=16,
    precision="fp32",
    accelerator="cpu",
    tensorboard=True,
    bootstrap=10,
)


def in_another_thread(call, *arguments, **named):  # type: ignore[no-untyped-def]
    """Call something as another process would."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call, *arguments, **named).result()


def test_a_run_that_another_process_writes_is_refused(toy: Catalog, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    with run.held():
        with raises(RunError, code="run-in-use", mentions=run.path):
            in_another_thread(evaluate_run, run, catalog=toy)
        with run.held():  # scoring belongs to training
            pass
    assert not (run.path / LOCK).exists()


def test_a_new_run_is_not_begun_twice_at_once(toy: Catalog, tmp_path: Path) -> None:
    with Run(tmp_path / "run").held(), raises(RunError, code="run-in-use", mentions=tmp_path / "run"):
        in_another_thread(train, toy, tmp_path / "run", MIX, CONFIG)
    assert not (tmp_path / "run").exists()


def test_only_the_first_process_of_a_training_holds_it(tmp_path: Path) -> None:
    with Run(tmp_path / "run").held(), Run(tmp_path / "run").held(first=False):
        pass
    with Run(tmp_path / "other").held(first=False):
        assert not (tmp_path / "other").exists()


def test_a_file_in_the_place_of_a_run_is_refused_as_before(tmp_path: Path) -> None:
    (tmp_path / "run").write_bytes(b"")
    with raises(RunError, code="folder-not-empty", mentions=tmp_path / "run"), Run(tmp_path / "run").held():
        pass


def test_what_a_killed_training_left_does_not_stay_and_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / LOCK).write_bytes(b"")
    with Run(tmp_path / "run").held():
        run = write_run(tmp_path / "run")
    half = run.checkpoints / ".last.ckpt.01234567-1-01234567.tmp"
    half.write_bytes(b"half")
    with run.held():
        assert not half.exists()


def test_weights_and_their_card_are_those_of_one_epoch_on_a_full_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2000) as disk:
        run = write_run(disk.path / "run")
        state, card = run.read_model()
        disk.fill()
        with raises(
            OutputError, code="output-not-writable", mentions=("No space left on device", "Make space")
        ):
            run.write_model({name: value + 1 for name, value in state.items()}, card)
        assert run.read_model()[1] == card


def test_a_run_that_could_not_begin_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64) as disk:
        filler = disk.fill()
        with raises(OutputError, code="output-not-writable", mentions="No space left on device"):
            Run.create(disk.path / "run", {"out": ""}, {})
        assert list((disk.path / "run").iterdir()) == []
        filler.unlink()
        assert Run.create(disk.path / "run", {"out": ""}, {}).info["status"] == "training"


@pytest.mark.slow
@pytest.mark.long
def test_a_training_goes_on_where_the_disk_was_full(toy: Catalog, tmp_path: Path) -> None:
    whole, expected = train(toy, tmp_path / "whole", MIX, CONFIG)
    assert expected is not None
    seen: list[int] = []
    with small_disk(tmp_path / "disk", 8) as disk:
        out = disk.path / "run"

        def go_on() -> tuple[Run, Report | None]:
            return train(toy, out, MIX, CONFIG, resume=(out / "run.json").is_file())

        def look() -> None:
            if (out / "run.json").is_file():
                seen.append(len(Run.open(out).metrics()))  # readable at any moment

        (run, report), failed = until_it_fits(disk, 60, go_on, disk.path, look)
        assert failed >= 3
        assert seen == sorted(seen)
        assert report is not None
        assert report.test.scores == expected.test.scores
        assert (run.path / "model.safetensors").read_bytes() == (
            whole.path / "model.safetensors"
        ).read_bytes()
        rows = [[row["train_loss"] for row in one.metrics()] for one in (run, whole)]
        assert rows[0] == rows[1]
        # Scoring a run on a full disk is an error, and changes nothing; then it is as it was.
        disk.kib += 4000
        disk.grow(0)
        before = (run.path / "report.json").read_bytes()
        filler = disk.fill()
        with raises(OutputError, code="output-not-writable", mentions="No space left on device"):
            evaluate_run(run, catalog=toy)
        assert (run.path / "report.json").read_bytes() == before
        filler.unlink()
        assert evaluate_run(run, catalog=toy).test.scores == expected.test.scores


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_root_that_goes_away_in_mid_epoch_ends_a_training_that_goes_on_when_it_is_back(
    tmp_path: Path, num_workers: int
) -> None:
    from mixlab.catalog.build import build_catalog
    from tests.toy import make_corpus

    make_corpus(tmp_path / "one", 10, seed=3)
    build_catalog(tmp_path / "catalog", {"folder": tmp_path / "one"}, workers=1, progress=False)
    config = replace(CONFIG, tensorboard=False, num_workers=num_workers)
    whole, expected = train(tmp_path / "catalog", tmp_path / "whole", MIX, config)
    assert expected is not None

    def lose(line: str) -> None:
        if line.startswith("epoch 1/"):
            (tmp_path / "one").rename(tmp_path / "away")

    with raises(MixlabError, code="root-not-found", mentions=tmp_path / "one"):
        train(tmp_path / "catalog", tmp_path / "run", MIX, config, report=lose)
    (tmp_path / "away").rename(tmp_path / "one")
    run, report = train(tmp_path / "catalog", tmp_path / "run", MIX, config, resume=True)
    assert report is not None
    assert report.test.scores == expected.test.scores
    assert (run.path / "model.safetensors").read_bytes() == (whole.path / "model.safetensors").read_bytes()
