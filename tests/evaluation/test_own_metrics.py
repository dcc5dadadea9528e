"""The page's metric works from a folder of its own, on every command that scores."""

import json
import math
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mixlab.catalog.catalog import Catalog
from mixlab.cli.main import main
from mixlab.training.run import Run
from tests.conftest import REPO
from tests.tagged_trees import make_irmas

SHORT = shlex.split(
    "--mix.duration_s 0.4 --mix.sample_rate 8000 --train.model.sample_rate 8000 --train.model.width 4 "
    "--train.model.n_mels 16 --train.model.n_fft 256 --train.model.hop 64 --train.model.f_max 4000 "
    "--train.epochs 2 --train.epoch_size 16 --train.batch_size 8 --train.val_size 16 --train.test_size 20 "
    "--train.bootstrap 20 --train.precision fp32 --train.accelerator cpu --train.tensorboard false"
)


def example() -> tuple[str, list[list[str]]]:
    """The module and the commands of the page on evaluation."""
    page = (REPO / "docs" / "evaluation.md").read_text(encoding="utf-8")
    part = page[page.index("## A metric of your own") :]
    code, commands = (
        re.findall(rf"```{kind}\n(.*?)```", part, flags=re.DOTALL)[0] for kind in ("python", "sh")
    )
    return code, [shlex.split(line)[1:] for line in commands.splitlines()]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder outside the repository with the page's metrics in a package, and Python started there."""
    (tmp_path / "work" / "my_package").mkdir(parents=True)
    (tmp_path / "work" / "my_package" / "__init__.py").touch()
    (tmp_path / "work" / "my_package" / "metrics.py").write_text(example()[0], encoding="utf-8")
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path / "work"
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_package"]:
        del sys.modules[name]


def test_the_pages_metrics_work_from_a_folder_of_their_own(
    package: Path, toy: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train, evaluate, compare = example()[1]
    train[train.index("--catalog") + 1] = str(toy.path)
    assert main([*train, *SHORT]) == 0
    run = Run.open("runs/ranked")
    rows = run.metrics()
    assert run.card["trained"]["value"] == pytest.approx(min(row["validation_ranking_loss"] for row in rows))
    shutil.copytree("runs/ranked", "runs/other")

    assert main(evaluate) == 0
    out = capsys.readouterr().out
    assert "ranking loss is my_package.metrics:RANKING_LOSS: share of the pairs in a mix" in " ".join(
        out.split()
    )
    part = run.report().splits["test"]
    ranked, specificity = (part.scores[name] for name in ("ranking_loss", "specificity"))
    assert ranked.interval.low < ranked.value < ranked.interval.high
    assert ranked.value != pytest.approx(ranked.chance)
    values = [k.scores["specificity"].value for k in part.classes]
    assert specificity.undefined == sum(map(math.isnan, values))
    assert specificity.value == pytest.approx(np.nanmean(values))
    assert "| specificity |" in (run.path / "report.md").read_text()

    assert main([*compare, "--out", "compared"]) == 0
    compared = json.loads(Path("compared/comparison.json").read_text())
    assert [row["difference"] for row in compared["rows"]["ranking_loss"]] == [0]
    assert main(["compare", "runs/ranked", "runs/other"]) == 0  # named by the settings of both runs
    assert "ranking loss" in capsys.readouterr().out
    make_irmas(tmp_path / "irmas")
    external = [
        "--run",
        "runs/ranked",
        "--root",
        str(tmp_path / "irmas"),
        "--resamples",
        "5",
        "--device",
        "cpu",
    ]
    assert main(["evaluate-on", "irmas", *external]) == 0
    tables = json.loads((run.path / "external" / "irmas-test.json").read_text())["tables"]
    assert all("ranking_loss" in table["scores"] for table in tables.values())


def test_what_cannot_be_used_is_found_before_the_work(
    package: Path, toy: Catalog, capsys: pytest.CaptureFixture[str]
) -> None:
    begin = ["train", "--catalog", str(toy.path), "--out", "runs/none", *SHORT]
    for more, said in (
        (["--train.metrics", "my_package.metrics:none"], "there is no 'none'"),
        (
            ["--train.monitor", "ranking_loss"],
            "train.monitor: expected one of average_precision, roc_auc, lrap, loss, found 'ranking_loss'",
        ),
        (["--train.metrics", "my_package.metrics:SPECIFICITY", "--train.monitor", "f1"], "found 'f1'"),
    ):
        assert main([*begin, *more]) == 2
        assert said in capsys.readouterr().err
    assert not Path("runs/none").exists()
