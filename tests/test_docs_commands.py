"""Every command that a page has its reader type exists, with the options that stand beside it."""

import re
from collections import defaultdict

import pytest
from jsonargparse import capture_parser

from docs.site.public import written_pages
from mixlab.cli import main
from tests.conftest import REPO

# Below these stand what a study, or a network of one's own, makes settings of.
OPEN = ("settings.", "tasks.", "train.model.parameters.")
PAGES = [REPO / "README.md", *written_pages()]


def typed() -> dict[str, set[tuple[str, str]]]:
    """Return what pages say to type: options with their pages, by command."""
    found = defaultdict(set)
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = "\n".join(
            re.findall(r"^ *```(?:sh|bash|console)?\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
        )
        lines = [*re.sub(r"\\\n", " ", blocks).splitlines(), *re.findall(r"`(mixlab [^`]+)`", text)]
        for line in lines:
            for name, rest in re.findall(r"^ *mixlab ([a-z][a-z-]+)((?: [^#|;&]*)?)", line):
                options = re.findall(r"(?<= )--([\w.-]+)", rest)
                found[name] |= {(option.replace("-", "_"), page.name) for option in options} | {
                    ("", page.name)
                }
    return found


TYPED = typed()


def test_pages_of_questions_are_read() -> None:
    assert {"labels.md", "splits.md"} <= {page for options in TYPED.values() for _, page in options}
    assert ("labels_extra", "labels.md") in TYPED["index"]


@pytest.mark.parametrize("name", sorted(TYPED))
def test_what_pages_have_their_reader_type_exists(name: str) -> None:
    assert name in main.COMMANDS, f"{sorted({page for _, page in TYPED[name]})} name it"
    parser = capture_parser(main.run_command, name, ["--help"])
    known = {
        option.removeprefix("--").removesuffix("+") for a in parser._actions for option in a.option_strings
    }
    groups = {option.rpartition(".")[0] for option in known}
    groups |= {option for option, _ in TYPED[name] if option.startswith(OPEN)}
    wrong = {(o, page) for o, page in TYPED[name] if o and o not in known | groups}
    assert not wrong
