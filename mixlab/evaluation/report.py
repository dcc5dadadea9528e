"""Reports as text: the tables of one split's scores and of a comparison, for terminals and Markdown."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mixlab.evaluation import (
    MAX_UNDEFINED,
    MIN_SONGS,
    Averages,
    Comparison,
    Difference,
    Interval,
    SplitScores,
)

__all__ = [
    "Table",
    "comparison_tables",
    "format_comparison",
    "format_comparison_markdown",
    "format_markdown",
    "format_text",
    "score_tables",
    "summary_lines",
]


@dataclass(frozen=True)
class Table:
    """A table of text cells.

    Attributes:
        title: One line above it.
        header: Names of the columns.
        rows: Rows of as many cells; ``-`` is an undefined value, or no interval.
        n_last: How many rows at the end are averages, set off by a line.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_last: int

    def text(self) -> str:
        """Return the table as aligned plain text."""
        cells = [self.header, *self.rows]
        widths = [max(len(row[i]) for row in cells) for i in range(len(self.header))]
        rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
        lines = [self.title, rule]
        for i, row in enumerate(cells):
            padded = [
                row[0].ljust(widths[0]),
                *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)),
            ]
            lines.append("  ".join(padded).rstrip())
            if i in (0, len(self.rows) - self.n_last):
                lines.append(rule)
        return "\n".join(lines)

    def markdown(self) -> str:
        """Return the table as Markdown."""
        head = [f"| {' | '.join(self.header)} |", f"|{'---|' + '---:|' * (len(self.header) - 1)}"]
        return "\n".join([f"{self.title}:", "", *head, *(f"| {' | '.join(row)} |" for row in self.rows)])


def _number(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"


def _numbers(*values: float) -> tuple[str, ...]:
    return tuple(_number(value) for value in values)


def _range(interval: Interval | None) -> str:
    return "-" if interval is None else f"{interval.low:.2f}-{interval.high:.2f}"


_DECISIONS = (
    "class",
    "positive",
    "songs",
    "P",
    "R",
    "F1",
    "95 %",
    "chance F1",
    "threshold",
    "oracle F1",
)

_RANKING = ("class", "AP", "95 %", "chance AP", "ROC-AUC", "ECE", "chance ECE", "Brier", "chance Brier")


def score_tables(scores: SplitScores) -> tuple[Table, Table]:
    """Return the two tables of a report: decisions at thresholds, and scores as they are.

    Each has a row per class, then macro, families and instruments (where there are two levels), micro.
    ``positive`` counts the mixes with the class among those in which it is known, ``songs`` the songs
    with it. A threshold with ``*`` had no positive on validation to be fitted on.
    """
    averages = list(_averages(scores))
    decisions = [
        (
            k.name,
            f"{k.support}/{k.known}",
            str(k.songs),
            *_numbers(k.precision, k.recall, k.f1),
            _range(k.f1_interval),
            _number(k.chance_f1),
            _number(k.threshold) + ("" if k.threshold_fitted else "*"),
            _number(k.oracle_f1),
        )
        for k in scores.classes
    ]
    ranking = [
        (
            k.name,
            _number(k.average_precision),
            _range(k.average_precision_interval),
            *_numbers(k.chance_average_precision, k.roc_auc, k.ece, k.chance_ece, k.brier, k.chance_brier),
        )
        for k in scores.classes
    ]
    for name, a, chance, oracle, calibration in averages:
        f1 = (*_numbers(a.precision, a.recall, a.f1), _range(a.f1_interval), _number(chance.f1))
        decisions.append((name, "", "", *f1, "", oracle))
        ap = (_number(a.average_precision), _range(a.average_precision_interval))
        ranking.append((name, *ap, *_numbers(chance.average_precision, a.roc_auc), *calibration))
    return (
        Table("decisions, at thresholds fitted on validation", _DECISIONS, tuple(decisions), len(averages)),
        Table("scores, without any threshold", _RANKING, tuple(ranking), len(averages)),
    )


def _averages(scores: SplitScores) -> Iterator[tuple[str, Averages, Averages, str, tuple[str, ...]]]:
    """Yield the rows of averages: name, scores, baseline, oracle F1, calibration."""
    whole = (scores.macro, scores.chance_macro, scores.oracle_f1, scores.calibration)
    levels = [(k.name, k.macro, k.chance_macro, k.oracle_f1, k.calibration) for k in scores.levels]
    for name, a, chance, oracle, c in (("macro", *whole), *levels):
        calibration = ("-",) * 4 if c is None else _numbers(c.ece, c.chance_ece, c.brier, c.chance_brier)
        yield name, a, chance, _number(oracle), calibration
    yield "micro", scores.micro, scores.chance_micro, "", ("",) * 4


def summary_lines(scores: SplitScores) -> list[str]:
    """Return what the tables leave to say: loss, undefined classes, intervals, thresholds, hierarchy."""
    macro, n_classes = scores.macro, len(scores.classes)
    lines = [
        f"loss {_number(scores.loss)} (chance level {_number(scores.chance_loss)}), over known targets only"
    ]
    lines.append(
        f"macro averages over {n_classes - macro.f1_undefined} of {n_classes} classes for F1, "
        f"{n_classes - macro.average_precision_undefined} for AP, {n_classes - macro.roc_auc_undefined} for "
        "ROC-AUC; the others are undefined here (-) and left out"
    )
    if scores.n_resamples:
        lines.append(
            f"95 % intervals from {scores.n_resamples} resamples of songs; none (-) where fewer than "
            f"{MIN_SONGS} songs hold positives"
        )
        lines.append(
            f"macro intervals drop resamples in which one of their classes is undefined: {macro.f1_dropped} "
            f"for F1, {macro.average_precision_dropped} for AP, {macro.roc_auc_dropped} for ROC-AUC; no "
            f"interval (-) where that is more than {100 * MAX_UNDEFINED:.0f} %"
        )
    unfitted = [k.name for k in scores.classes if not k.threshold_fitted]
    if unfitted:
        lines.append(f"* threshold 0.5, no positive on validation to fit it on: {', '.join(unfitted)}")
    lines.append(
        f"oracle F1 takes the threshold that these {scores.split} targets like best: an upper bound, not a "
        "result"
    )
    if scores.calibration is not None:
        lines.append(
            f"ECE in {scores.calibration.n_bins} bins of equal width, higher by chance where mixes are few; "
            "saying the prevalence for every mix gives a low ECE too, so judge by the Brier score (lower is "
            "better)"
        )
    return lines + _hierarchy_lines(scores)


def _hierarchy_lines(scores: SplitScores) -> list[str]:
    # A label set without parents has no hierarchy to speak of.
    if scores.hierarchical is None or scores.consistency is None or not scores.consistency.pairs:
        return []
    h, c = scores.hierarchical, scores.consistency
    lines = [
        f"hierarchical P {_number(h.precision)}, R {_number(h.recall)}, F1 {_number(h.f1)}",
        f"a child scores above its parent in {100 * c.score_violations:.1f} % of {c.pairs} pairs, and is "
        f"predicted without it in {100 * c.decision_violations:.1f} %",
    ]
    if scores.consistent is not None:
        k = scores.consistent
        lines.append(
            f"made hierarchy-consistent (a family scores at least what its instruments do): macro F1 "
            f"{_number(k.macro.f1)}, macro AP {_number(k.macro.average_precision)}, hierarchical F1 "
            f"{_number(k.hierarchical.f1)}; contradictions {100 * k.consistency.score_violations:.1f} % and "
            f"{100 * k.consistency.decision_violations:.1f} %"
        )
    return lines


def format_text(scores: SplitScores) -> str:
    """Return the split's tables and summary as aligned plain text, 100 columns wide for mixtures15."""
    return _text(score_tables(scores), summary_lines(scores))


def format_markdown(scores: SplitScores) -> str:
    """Return the split's tables and summary as Markdown."""
    return _markdown(score_tables(scores), summary_lines(scores))


def _text(tables: Iterable[Table], lines: Iterable[str]) -> str:
    import textwrap

    notes = [textwrap.fill(f"- {line}", 100, subsequent_indent="  ") for line in lines]
    return "\n\n".join([*(table.text() for table in tables), "\n".join(notes)])


def _markdown(tables: Iterable[Table], lines: Iterable[str]) -> str:
    return "\n\n".join([*(table.markdown() for table in tables), "\n".join(f"- {line}" for line in lines)])


_COMPARED = ("class", "songs", "A", "B", "B - A", "95 % of B - A", "B better", "")


def comparison_tables(comparison: Comparison) -> tuple[Table, Table]:
    """Return the tables of average precision and of F1 of two runs; ``*`` where the interval excludes 0."""
    n_classes = sum(
        row.name not in ("macro", "families", "instruments") for row in comparison.average_precision
    )
    return (
        _compared("average precision (AP)", comparison.average_precision, n_classes),
        _compared("F1, each run at thresholds fitted on its own validation scores", comparison.f1, n_classes),
    )


def _compared(title: str, rows: Sequence[Difference], n_classes: int) -> Table:
    cells = []
    for row in rows:
        interval = row.interval
        spread = "-" if interval is None else f"{interval.low:+.3f} to {interval.high:+.3f}"
        change = f"{row.difference:+.3f}" if math.isfinite(row.difference) else "-"
        better = f"{100 * row.above_zero:.0f} %" if math.isfinite(row.above_zero) else "-"
        mark = "*" if row.excludes_zero else ""
        cells.append((row.name, str(row.songs), *_numbers(row.a, row.b), change, spread, better, mark))
    return Table(title, _COMPARED, tuple(cells), len(cells) - n_classes)


def _comparison_lines(comparison: Comparison) -> list[str]:
    macro = next(row for row in comparison.roc_auc if row.name == "macro")
    spread = macro.interval
    interval = "" if spread is None else f" ({spread.low:+.3f} to {spread.high:+.3f})"
    lines = [
        f"macro ROC-AUC {_number(macro.a)} and {_number(macro.b)}, difference "
        f"{_number(macro.difference)}{interval}"
    ]
    if comparison.n_resamples:
        lines += [
            f"paired intervals from {comparison.n_resamples} resamples of songs, the same for both runs; "
            f"none (-) where fewer than {MIN_SONGS} songs hold positives. 'B better' is the share of "
            "resamples in which B scores higher",
            "means drop resamples in which one of their classes is undefined: "
            f"{_dropped(comparison.average_precision)} for macro AP, {_dropped(comparison.f1)} for macro F1",
        ]
    marked = [row.name for row in (*comparison.average_precision, *comparison.f1) if row.excludes_zero]
    n_tests = sum(row.interval is not None for row in (*comparison.average_precision, *comparison.f1))
    lines.append(
        f"* the interval excludes 0: {len(marked)} of {n_tests} do; about {0.05 * n_tests:.1f} would by "
        "chance if the runs were equally good"
    )
    lines.append(
        "one run each: the interval covers the choice of songs, not that of the training seed. Choosing "
        "between runs by test scores is tuning on the test set; choose with --split validation"
    )
    return lines


def _dropped(rows: Sequence[Difference]) -> int:
    return next(row.dropped for row in rows if row.name == "macro")


def format_comparison(comparison: Comparison) -> str:
    """Return the comparison of two runs as aligned plain text."""
    return _text(comparison_tables(comparison), _comparison_lines(comparison))


def format_comparison_markdown(comparison: Comparison) -> str:
    """Return the comparison of two runs as Markdown."""
    return _markdown(comparison_tables(comparison), _comparison_lines(comparison))
