"""Where links of the pages lead on the site: files outside ``docs`` that are pages there, too."""

import os
import re
from collections.abc import Callable
from pathlib import PurePosixPath

__all__ = ["COPIES", "navigation", "rewrite"]

COPIES = {
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
    "CHANGELOG.md": "project/changelog.md",
    "benchmarks/results/latest.md": "project/speed-figures.md",
    "benchmarks/results/harm.md": "project/harm-figures.md",
}
"""Pages that lie elsewhere in the checkout, by where the site has them."""

_STANDS_FOR = {
    **{source: f"docs/{page}" for source, page in COPIES.items()},
    "README.md": "docs/index.md",
    "mixlab/cli/main.py": "docs/commands/index.rst",
    "mixlab/__init__.py": "docs/api/index.rst",
}
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)")


def rewrite(text: str, page: str, written_to: str = "") -> str:
    """Return a page with its links as the site wants them.

    Args:
        text: The page, in Markdown.
        page: Where it lies in the checkout, such as ``docs/stream.md``.
        written_to: Where the site has it, below ``docs``; by default it stays where it is.
    """
    folder = PurePosixPath(page).parent
    new_folder = PurePosixPath("docs", written_to).parent if written_to else folder

    def moved(match: re.Match[str]) -> str:
        target = os.path.normpath(folder / match[1])
        return os.path.relpath(_STANDS_FOR.get(target, target), new_folder)

    return outside_code(text, lambda part: _LINK.sub(moved, part))


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """Return a page that was changed outside its blocks of code."""
    parts = re.split(r"(^ *```.*?^ *```$)", text, flags=re.DOTALL | re.MULTILINE)
    return "".join(part if place % 2 else change(part) for place, part in enumerate(parts))


def navigation(home: str) -> str:
    """Return the home page with the site's navigation: its headings with the links below them.

    Args:
        home: The home page, in Markdown, with links as the site wants them.
    """
    trees = []
    for section in re.split(r"^## ", home, flags=re.MULTILINE)[1:]:
        found = re.findall(r"^- \[([^\]]*)\]\(([\w/.-]+)\.(?:md|rst|ipynb)\)", section, flags=re.MULTILINE)
        pages = [f"{words} <{page}>" for words, page in found]
        if pages:
            caption = section.partition("\n")[0]
            trees.append("\n".join(["```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```"]))
    return "\n\n".join([home, *trees, ""])
