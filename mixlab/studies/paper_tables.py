"""Tables in the form of a paper's own: our scores with their intervals, and beside them those it prints."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from mixlab.evaluation.report import Table
from mixlab.studies.results import StudyResults
from mixlab.studies.tables import score_text

__all__ = ["Beside", "paper_table"]


@dataclass(frozen=True)
class Beside:
    """A score of ours, and what the paper has in its place.

    Attributes:
        condition: Name of the condition; without a run of it there is a dash.
        metric: Of ``StudyResults.metrics`` or ``details``.
        paper: The paper's own number, in the unit of the table; NaN where it states none.
        label: A class, for its score alone; '' for the score over all.
    """

    condition: str
    metric: str
    paper: float = math.nan
    label: str = ""


Entry: TypeAlias = str | Beside


def paper_table(
    results: StudyResults,
    title: str,
    header: Sequence[str],
    rows: Sequence[Sequence[Entry]],
    *,
    source: str,
    scale: float = 1.0,
    digits: int = 3,
) -> Table:
    """Return a table in which every column of scores is followed by the paper's own numbers.

    Args:
        results: The study.
        title: What the table is.
        header: Titles of the columns as the paper has them.
        rows: An entry per column: a text, or a score with the paper's beside it.
        source: Where the paper's numbers stand, and on which data they were measured: ``Table 1 (IRMAS)``.
        scale: Of our scores: 100 where the paper prints per cent.
        digits: Behind the point.

    In the results of a study of one's own::

        paper_table(
            results,
            "accuracy",
            ("features", "accuracy"),
            [("convnet", Beside("convnet", "accuracy", 0.89))],
            source="Table 2 (GTZAN)",
        )
    """
    scored = [any(isinstance(row[column], Beside) for row in rows) for column in range(len(header))]
    titles: list[str] = []
    for name, has_scores in zip(header, scored, strict=True):
        titles += [name, f"{name} (paper)"] if has_scores else [name]
    body = []
    for row in rows:
        texts: list[str] = []
        for entry, has_scores in zip(row, scored, strict=True):
            texts += _texts(results, entry, scale, digits) if has_scores else [str(entry)]
        body.append(tuple(texts))
    over = f"ours: mean over seeds (95 % over {results.words.groups}) ±SD over seeds"
    theirs = f"(paper): the paper's own, {source}, measured on other data"
    return Table(f"{title}; {over}; {theirs}", tuple(titles), tuple(body), 0)


def _texts(results: StudyResults, entry: Entry, scale: float, digits: int) -> list[str]:
    """Return our score and the paper's."""
    if not isinstance(entry, Beside):
        return [entry, ""]
    paper = f"{entry.paper:.{digits}f}" if math.isfinite(entry.paper) else "-"
    found = results.condition(entry.condition)
    if found is None:
        return ["-", paper]
    column = found.labels.index(entry.label) if entry.label in found.labels else None
    if entry.label and column is None:
        return ["-", paper]
    return [score_text(found.test.of(entry.metric, column).scaled(scale), digits), paper]
