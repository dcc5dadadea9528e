"""The README is true: its first example runs as it stands, its commands exist."""

import re
from pathlib import Path

import pytest

from mixlab.catalog import Catalog
from mixlab.cli import COMMANDS


@pytest.fixture(scope="module")
def readme() -> str:
    return (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
def test_the_first_example_runs(readme: str, toy: Catalog) -> None:
    code = (
        blocks(readme, "python")[0]
        .replace("demo-output/catalog", str(toy.path))
        .replace("range(20)", "range(2)")
    )
    assert len([line for line in code.splitlines() if line.strip()]) == 10
    scope: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), scope)
    assert scope["step"] == 1
    assert scope["loss"].item() > 0  # type: ignore[attr-defined]
    exec(compile(blocks(readme, "python")[1], "README.md", "exec"), scope)
    assert scope["mix"].recipe == scope["recipe"]  # type: ignore[attr-defined]


def test_every_command_that_is_named_exists(readme: str) -> None:
    named = set(re.findall(r"^mixlab ([a-z-]+)", "\n".join(blocks(readme, "sh")), flags=re.MULTILINE))
    assert named
    assert named <= set(COMMANDS)


def test_both_newcomer_commands_are_named(readme: str) -> None:
    for command in ("make demo", "make test"):
        assert command in readme
