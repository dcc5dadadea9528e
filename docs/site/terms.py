"""The words of the glossary, and where a text uses them."""

import re
from functools import cache

from docs.site.public import REPO

__all__ = ["anchor", "find", "glossary"]

COMMON = frozenset(
    re.findall(
        r"\w+",
        """absent accuracy active baseline clip condition detected epoch family group head index interval item
        kind leak location node number oracle part present run sample significant solo song source threshold
        trial unknown window""",
    )
)
"""Terms that are everyday words: linking each would point away from what a sentence says."""


@cache
def glossary() -> dict[str, str]:
    """Return the terms that are linked, in lower case, with what they mean."""
    text = (REPO / "docs" / "glossary.md").read_text(encoding="utf-8")
    found = {}
    for entry in re.split(r"^- ", text, flags=re.MULTILINE)[1:]:
        entry = entry.partition("\n\n")[0]
        plain = " ".join(re.sub(r"[*`]|\]\([^)]*\)|\[", "", entry).split())
        for term in re.findall(r"\*\*([^*]+)\*\*", entry):
            if term.lower() not in COMMON:
                found[term.lower()] = plain
    return found


def anchor(term: str) -> str:
    """Return the anchor of a term on the page of the glossary."""
    return "term-" + re.sub(r"[^a-z0-9]+", "-", term.lower()).strip("-")


def find(text: str, terms: dict[str, str]) -> list[tuple[int, int, str]]:
    """Return where terms are first used in a text: start, end and the term, in order, without overlap.

    Args:
        text: Plain text.
        terms: The terms to look for, in lower case; a plural counts.
    """
    words = "|".join(re.escape(term) for term in sorted(terms, key=len, reverse=True))
    found: dict[str, tuple[int, int, str]] = {}
    for match in re.finditer(rf"(?<![\w-])({words})s?(?![\w-])", text, re.IGNORECASE):
        term = match[1].lower()
        found.setdefault(term, (match.start(), match.end(), term))
    return sorted(found.values())
