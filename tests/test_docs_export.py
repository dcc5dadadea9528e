"""The page on exports is true: its commands and its example run, and its table names what is written."""

import re
import shlex
from pathlib import Path

import pytest

from mixlab import Catalog
from mixlab.cli.main import main
from tests.conftest import REPO

PAGE = (REPO / "docs" / "export.md").read_text(encoding="utf-8")


def test_the_commands_and_the_example_of_the_page_run(
    toy: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = PAGE.replace("demo-output/catalog", str(toy.path))
    text = re.sub(r"--items \d+", "--items 4", text).replace("--workers 8", "--workers 1")
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    assert len(lines) == 7
    for line in lines:
        command, _, target = line.partition(" > ")
        capsys.readouterr()
        program, *arguments = shlex.split(command)
        assert program == "mixlab"
        assert main(arguments) == 0
        if target:
            Path(target).write_text(capsys.readouterr().out)
    epoch = "torch.Size([4, 1, 64000]) [0, 1, 2, 3]\n"
    for code, said in zip(
        re.findall(r"```python\n(.*?)```", text, re.DOTALL), (2 * epoch, "4 (1, 64000)\n"), strict=True
    ):
        capsys.readouterr()
        exec(code, {})
        assert capsys.readouterr().out == said
    for folder, files in {
        "shards": {"data/train-000000.tar"},
        "dataset": {"data/train-000000.parquet"},
        "files": {"data/train-000000/000000000.flac", "data/train-000000/items.jsonl", "labels.csv"},
    }.items():
        for name in {*files, "README.md", "export.json"}:
            assert (tmp_path / folder / name).is_file()
            assert name.rpartition("/")[2].replace("000000000", "KEY") in PAGE
