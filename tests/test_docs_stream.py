"""The page on the stream is true: its examples run, and the files that it names do what they say."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mixlab import Catalog
from tests.conftest import REPO

NEEDED = {
    "train_accelerate.py": "accelerate",
    "train_lightning.py": "lightning",
    "train_stateful.py": "torchdata",
    "train_trainer.py": "transformers",
    "write_webdataset.py": "webdataset",
}
PRINTED = {
    "train_accelerate.py": r"process 0 of 1: 16 mixes from epoch and index \(0, 0\) to \(0, 15\)\n"
    r"process 0 of 1: 8 mixes from epoch and index \(1, 8\) to \(1, 15\)\n",
    "train_lightning.py": r"24 mixes, then 8, from epoch and index \(1, 8\) on\n",
    "train_stateful.py": r"8 mixes, then 8, from epoch and index \(1, 8\) on\n",
    "train_trainer.py": r"24 mixes, then 8, from epoch and index \(1, 8\) on\n",
    "write_webdataset.py": r"16 mixes in 1 files; the last one is (non_)?musical,\n"
    r"\(1, 32000\) samples and \(2, 15\) targets and masks\n",
}


def blocks() -> list[str]:
    text = (REPO / "docs" / "stream.md").read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


def test_the_blocks_of_the_page_run(toy: Catalog, capsys: pytest.CaptureFixture[str]) -> None:
    # The first two are run by the tests of the README, that on weights for rare classes by those of datasets.
    _, _, items, transforms, origins, _ = (
        code.replace("demo-output/catalog", str(toy.path)) for code in blocks()
    )
    exec(items, {})
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 16
    assert printed[8] == "1 [0, 1, 2, 3, 4, 5, 6, 7]"
    exec(transforms, {})
    assert capsys.readouterr().out == "torch.Size([4, 1, 48000])\n"
    exec(origins, {})
    assert re.fullmatch(r"0 2 (non_)?musical", capsys.readouterr().out.splitlines()[-1])


def test_the_page_names_every_example() -> None:
    text = (REPO / "docs" / "stream.md").read_text(encoding="utf-8")
    examples = {path.name for path in (REPO / "examples").glob("*.py")} - {"common.py"}
    assert set(re.findall(r"\(\.\./examples/(\w+\.py)\)", text)) == examples
    assert set(PRINTED) == set(NEEDED) == examples - {"separation.py"}  # which has a test of its own


# What each of several processes of the example was trained on, into a file of its own.
EACH = """
import json, os, sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
from train_accelerate import main

if __name__ == "__main__":
    seen = main(sys.argv[3:])
    (Path(sys.argv[2]) / f"{os.environ['RANK']}.json").write_text(json.dumps(seen))
"""


@pytest.mark.slow
def test_two_processes_of_accelerate_share_an_epoch_out(toy: Catalog, tmp_path: Path) -> None:
    pytest.importorskip("accelerate", reason="examples need the extra 'examples'")
    (tmp_path / "each.py").write_text(EACH, encoding="utf-8")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    given = [str(tmp_path / "each.py"), str(REPO / "examples"), str(tmp_path)]
    done = subprocess.run(
        [*launcher, *given, "--catalog", str(toy.path), "--items", "32"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    for epoch, expected in ((0, range(32)), (1, range(16, 32))):  # of epoch 1 half is skipped
        shares = [{tuple(pair) for pair in process[epoch]} for process in (first, second)]
        assert [len(process[epoch]) for process in (first, second)] == [len(expected) // 2] * 2
        assert not shares[0] & shares[1]
        assert shares[0] | shares[1] == {(epoch, index) for index in expected}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PRINTED))
def test_an_example_runs(name: str, toy: Catalog, tmp_path: Path) -> None:
    pytest.importorskip(NEEDED[name], reason="examples need the extra 'examples'")
    command = [sys.executable, str(REPO / "examples" / name), "--catalog", str(toy.path), "--items", "16"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.search(PRINTED[name] + r"\Z", done.stdout), done.stdout
