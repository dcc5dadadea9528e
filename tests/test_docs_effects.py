"""The page on effects is true: its code runs in a folder outside the repository, with what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mixlab import Catalog
from tests.conftest import REPO
from tests.pages import write_page_files


def run(folder: Path, *command: str) -> str:
    """Run a command in a folder, as a user would, and return what it prints."""
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_page_files("effects.md", tmp_path)


def test_the_example_mixes_replays_and_trains(folder: Path, toy: Catalog) -> None:
    script = folder / "use.py"
    script.write_text(script.read_text().replace("demo-output/catalog", str(toy.path)))
    first, second = run(folder, "use.py").splitlines()
    assert re.fullmatch(
        r"Tremolo\(rate_hz=4\.\d+, depth=0\.\d+\) \(Hiss\(level_db=-\d+\.\d+, seed=\d+\),\)", first
    )
    assert second == "True"


def test_the_command_line_finds_effects_in_the_working_folder(folder: Path, toy: Catalog) -> None:
    typed = ["--index", "0", "--mix.effects.custom", "{effect: my_effects:Tremolo, p: 1}"]
    typed += ["--mix.effects.custom", "{effect: my_effects:Hiss, p: 1}", "--mix.duration_s", "1"]
    run(folder, "-m", "mixlab.cli", "mix", str(toy.path), "--out", "mixes", *typed)
    (recipe,) = folder.glob("mixes/*/recipe.json")
    assert '"effect": "my_effects:Tremolo"' in recipe.read_text()
    run(folder, "-m", "mixlab.cli", "mix", str(toy.path), "--out", "again", "--replay", str(recipe))
    (again,) = folder.glob("again/**/mixture.wav")
    assert again.read_bytes() == (recipe.parent / "mixture.wav").read_bytes()
