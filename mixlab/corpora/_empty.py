"""The error for a root of which nothing can be mixed: an empty catalog helps nobody, and hides its reason."""

from collections import defaultdict
from pathlib import Path

from mixlab.corpora.base import Scan
from mixlab.errors import CorpusError

__all__ = ["refuse_empty"]

_KINDS = 6


def refuse_empty(corpus: str, root: Path, scan: Scan) -> None:
    """Refuse a scan without stems, and say what was found in their place.

    Raises:
        CorpusError: there is no stem; the message counts the problems by kind and quotes the first of each.
    """
    if scan.stems:
        return
    messages: dict[str, list[str]] = defaultdict(list)
    for problem in scan.problems:
        messages[problem.kind].append(problem.message)
    most = sorted(messages.items(), key=lambda item: (-len(item[1]), item[0]))
    found = [f"{kind} ({len(listed)}): {listed[0]}" for kind, listed in most[:_KINDS]]
    there = "\n  ".join(found) or "nothing that could be one"
    raise CorpusError(
        f"Corpus {corpus!r}: no stem can be used below {root}. Found in their place:\n  {there}",
        code="no-usable-stem",
    )
