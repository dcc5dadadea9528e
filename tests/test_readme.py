"""The README, and what it first leads to, is true: examples run as they stand, wherever Python runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mixlab.catalog.catalog import Catalog
from mixlab.cli.main import COMMANDS
from tests.toy import make_corpus

REPO = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def readme() -> str:
    return (REPO / "README.md").read_text(encoding="utf-8")


def page(name: str) -> str:
    return (REPO / "docs" / f"{name}.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def run(code: str, folder: Path, method: str) -> str:
    """Run an example as a file of its own, where workers are started in one way; return what it prints."""
    (folder / "sitecustomize.py").write_text(
        f"import multiprocessing\nmultiprocessing.set_start_method({method!r})\n"
    )
    (folder / "example.py").write_text(code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "example.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(folder), str(REPO))), "PYTHONWARNINGS": ""},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


METHODS = ["fork", "forkserver", pytest.param("spawn", marks=pytest.mark.slow)]


@pytest.mark.parametrize("method", METHODS)
def test_the_ten_lines_run(readme: str, toy: Catalog, tmp_path: Path, method: str) -> None:
    (code,) = blocks(readme, "python")
    assert len([line for line in code.splitlines() if line.strip()]) == 10
    code = code.replace("demo-output/catalog", str(toy.path)).replace("range(20)", "range(2)")
    printed = run(code, tmp_path, method)
    assert re.match(r"torch\.Size\(\[16, 1, \d+\]\) torch\.Size\(\[16, 15\]\)\n\[\('voice', '", printed)


@pytest.mark.parametrize("method", METHODS)
def test_the_loop_of_the_stream_runs(toy: Catalog, tmp_path: Path, method: str) -> None:
    code = blocks(page("stream"), "python")[0]
    code = code.replace("demo-output/catalog", str(toy.path)).replace("range(20)", "range(2)")
    assert re.fullmatch(r"loss \d\.\d{3} after 2 steps\n", run(code, tmp_path, method))


@pytest.mark.parametrize("method", METHODS)
def test_an_item_is_had_again_and_a_catalog_made(toy: Catalog, tmp_path: Path, method: str) -> None:
    make_corpus(tmp_path / "songs", 8, seed=3)
    again, (own,) = blocks(page("stream"), "python")[1], blocks(page("catalogs"), "python")
    again = again.replace("demo-output/catalog", str(toy.path)) + "\nprint(mix.recipe == recipe)\n"
    assert run(again, tmp_path, method) == "True\n"
    own = own.replace("/data/MedleyDB", str(tmp_path / "songs")).replace("medleydb", "folder")
    assert "('voice', " in run(own, tmp_path, method)
    assert len(Catalog.open(tmp_path / "my-catalog")) == 40


def test_examples_that_start_processes_can_be_imported(readme: str) -> None:
    pages = {path.name: path.read_text(encoding="utf-8") for path in (REPO / "docs").glob("*.md")}
    started = re.compile(r"workers=[2-9]")
    found = [
        (name, code)
        for name, text in {**pages, "README.md": readme}.items()
        for code in blocks(text, "python")
        if started.search(code)
    ]
    assert len(found) >= 2
    for name, code in found:
        assert 'if __name__ == "__main__":' in code, (
            f"an example in {name} starts workers when it is imported"
        )


def test_every_command_that_is_named_exists(readme: str) -> None:
    named = set(re.findall(r"^mixlab ([a-z-]+)", "\n".join(blocks(readme, "sh")), flags=re.MULTILINE))
    assert named
    assert named <= set(COMMANDS)


def test_both_newcomer_commands_are_named(readme: str) -> None:
    for command in ("make demo", "make test"):
        assert command in readme
