"""The files that a page of the docs has its reader write: what stands there runs."""

import re
from pathlib import Path

from tests.conftest import REPO

__all__ = ["page_files", "write_page_files"]


def page_files(page: str) -> dict[str, str]:
    """Return the files of a page by name: a line with the name in backticks, then a block with its text."""
    text = (REPO / "docs" / page).read_text(encoding="utf-8")
    return dict(re.findall(r"^`([\w.-]+)`\n\n```\w*\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE))


def write_page_files(page: str, folder: Path) -> Path:
    """Write the files of a page into a folder, and return it."""
    for name, text in page_files(page).items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder
