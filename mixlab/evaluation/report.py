"""Reports as text: the tables of one split's scores and of a comparison, for terminals and Markdown."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mixlab.evaluation.bootstrap import MAX_UNDEFINED, MIN_SONGS, Interval
from mixlab.evaluation.measured import Score
from mixlab.evaluation.metrics import BUILT_IN, N_BINS, MetricInfo
from mixlab.evaluation.paired import Comparison, Difference
from mixlab.evaluation.results import ClassScores, SplitScores
from mixlab.utils.tables import align

__all__ = [
    "Table",
    "comparison_tables",
    "format_comparison",
    "format_comparison_markdown",
    "format_markdown",
    "format_text",
    "metric_columns",
    "metric_figures",
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
        aligned = align([self.header, *self.rows], right=range(1, len(self.header)))
        rule = "-" * max(map(len, aligned))
        lines = [self.title, rule]
        for i, line in enumerate(aligned):
            lines.append(line)
            if i in (0, len(self.rows) - self.n_last):
                lines.append(rule)
        return "\n".join(lines)

    def markdown(self) -> str:
        """Return the table as Markdown."""
        head = [f"| {' | '.join(self.header)} |", f"|{'---|' + '---:|' * (len(self.header) - 1)}"]
        return "\n".join([f"{self.title}:", "", *head, *(f"| {' | '.join(row)} |" for row in self.rows)])


def _number(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"


def _range(interval: Interval | None) -> str:
    if interval is None:
        return "-"
    return f"{interval.low:.2f}{'-' if interval.low >= 0 else ' to '}{interval.high:.2f}"


def score_tables(scores: SplitScores) -> tuple[Table, ...]:
    """Return the tables of a report: decisions at thresholds, scores as they are, and details of these.

    Each has a row per class, then macro, families and instruments (where there are two levels), micro.
    ``positive`` counts the mixes with the class among those in which it is known, ``songs`` the songs
    with it. A threshold with ``*`` had no positive on validation to be fitted on.
    """
    own = [m for m in scores.metrics if m.over == "class"]
    decided = [m for m in own if m.needs_threshold]
    ranked = [m for m in own if not m.needs_threshold and not m.detail]
    details = [m for m in own if not m.needs_threshold and m.detail]
    n_averages = 2 + len(scores.levels)
    tables = [
        ("decisions, at thresholds fitted on validation", _with_support(scores, _per_class(scores, decided))),
        ("scores, without any threshold", _per_class(scores, ranked)),
        ("calibration", _per_class(scores, details)),
    ]
    return tuple(
        Table(title, rows[0], tuple(rows[1:]), n_averages) for title, rows in tables if len(rows[0]) > 1
    )


def _with_support(scores: SplitScores, rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Put support in front of decisions, and their thresholds behind."""
    means = (scores.oracle_f1, *(level.oracle_f1 for level in scores.levels))
    support = [("positive", "songs"), *((f"{k.support}/{k.known}", str(k.songs)) for k in scores.classes)]
    support += [("", "")] * (1 + len(means))
    at = [("threshold", "oracle F1"), *((_threshold(k), _number(k.oracle_f1)) for k in scores.classes)]
    at += [*(("", _number(f1)) for f1 in means), ("", "")]
    return [(row[0], *s, *row[1:], *a) for row, s, a in zip(rows, support, at, strict=True)]


def _threshold(k: ClassScores) -> str:
    return _number(k.threshold) + ("" if k.threshold_fitted else "*")


def _per_class(scores: SplitScores, metrics: Sequence[MetricInfo]) -> list[tuple[str, ...]]:
    """Return header and rows of metrics that are computed per class."""
    whole = [("macro", scores.scores), *((level.name, level.scores) for level in scores.levels)]
    rows = [(k.name, k.scores) for k in scores.classes] + whole
    micro = {m.name: scores.scores.get(f"micro_{m.name}") for m in metrics}
    return [
        ("class", *(title for m in metrics for title in metric_columns(m))),
        *((name, *(cell for m in metrics for cell in metric_figures(m, of[m.name]))) for name, of in rows),
        ("micro", *(cell for m in metrics for cell in metric_figures(m, micro[m.name]))),
    ]


def metric_columns(metric: MetricInfo) -> tuple[str, ...]:
    """Return the titles of a metric's columns: its value, its interval, what the baseline scores."""
    interval = () if metric.detail else ("95 %",)
    return (metric.title, *interval, *((f"chance {metric.title}",) if metric.beside_chance else ()))


def metric_figures(metric: MetricInfo, score: Score | None) -> tuple[str, ...]:
    """Return the cells of a metric's columns; empty ones where it has no such score."""
    if score is None:
        return ("",) * len(metric_columns(metric))
    interval = () if metric.detail else (_range(score.interval),)
    return (_number(score.value), *interval, *((_number(score.chance),) if metric.beside_chance else ()))


def summary_lines(scores: SplitScores) -> list[str]:
    """Return what the tables leave to say: scores over all, what is undefined, intervals, the tree."""
    compared = [m for m in scores.metrics if not m.detail]
    per_class, n_classes = [m for m in compared if m.over == "class"], len(scores.classes)
    lines = [_over_all(m, scores.scores[m.name]) for m in compared if m.over != "class" and not m.pooled]
    counts = [f"{n_classes - scores.scores[m.name].undefined} for {m.title}" for m in per_class]
    lines.append(
        f"macro averages over so many of {n_classes} classes: {', '.join(counts)}; the others are undefined "
        "here (-) and left out"
    )
    if scores.n_resamples:
        dropped = [f"{scores.scores[m.name].dropped} for {m.title}" for m in per_class]
        lines.append(
            f"95 % intervals from {scores.n_resamples} resamples of songs; none (-) where fewer than "
            f"{MIN_SONGS} songs hold positives"
        )
        lines.append(
            "macro intervals drop resamples in which one of their classes is undefined: "
            f"{', '.join(dropped)}; no interval (-) where that is more than {100 * MAX_UNDEFINED:.0f} %"
        )
    unfitted = [k.name for k in scores.classes if not k.threshold_fitted]
    if unfitted:
        lines.append(f"* threshold 0.5, no positive on validation to fit it on: {', '.join(unfitted)}")
    lines.append(
        f"oracle F1 takes the threshold that these {scores.split} targets like best: an upper bound, not a "
        "result"
    )
    if "ece" in scores.scores:
        lines.append(
            f"ECE in {N_BINS} bins of equal width, higher by chance where mixes are few; "
            "saying the prevalence for every mix gives a low ECE too, so judge by the Brier score (lower is "
            "better)"
        )
    lines += [f"{m.title} is {m.source}: {_what(m)}" for m in scores.metrics if m.source != BUILT_IN]
    return lines + _hierarchy_lines(scores)


def _over_all(metric: MetricInfo, score: Score) -> str:
    """Say a score that no class has: over the mixes, or over all known cells."""
    interval = "" if score.interval is None else f" ({_range(score.interval)})"
    left_out = f"; undefined in {score.undefined} mixes, left out" if score.undefined else ""
    line = f"{metric.title} {_number(score.value)}{interval}, chance level {_number(score.chance)}"
    return f"{line}; {'over known targets only' if metric.over == 'all' else 'mean over the mixes'}{left_out}"


def _what(metric: MetricInfo) -> str:
    better = "higher" if metric.higher_is_better else "lower"
    return f"{metric.definition}; {better} is better" if metric.definition else f"{better} is better"


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
            f"{_number(k.scores['f1'].value)}, macro AP {_number(k.scores['average_precision'].value)}, "
            f"hierarchical F1 "
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


def comparison_tables(comparison: Comparison) -> tuple[Table, ...]:
    """Return a table per metric of classes, and one of the others; ``*`` where the interval excludes 0.

    ``B better`` is the share of the resamples in which B is better.
    """
    own = "each run at thresholds fitted on its own validation scores"
    per_class = [m for m in comparison.metrics if m.over == "class"]
    tables = [
        _compared(f"{m.title}, {own}" if m.needs_threshold else _named(m), comparison.rows[m.name])
        for m in per_class
    ]
    rest = [
        replace(row, name=f"{m.title}{'' if m.higher_is_better else ' (lower is better)'}")
        for m in comparison.metrics
        if m.over != "class"
        for row in comparison.rows[m.name]
    ]
    return (*tables, _compared("over all", rest)) if rest else tuple(tables)


def _named(metric: MetricInfo) -> str:
    better = "" if metric.higher_is_better else "; lower is better"
    return f"{metric.title}: {metric.definition}{better}" if metric.definition else f"{metric.title}{better}"


def _compared(title: str, rows: Sequence[Difference]) -> Table:
    means = sum(row.name in ("macro", "families", "instruments") for row in rows)
    cells = []
    for row in rows:
        interval = row.interval
        spread = "-" if interval is None else f"{interval.low:+.3f} to {interval.high:+.3f}"
        change = f"{row.difference:+.3f}" if math.isfinite(row.difference) else "-"
        better = f"{100 * row.better:.0f} %" if math.isfinite(row.better) else "-"
        mark = "*" if row.excludes_zero else ""
        cells.append((row.name, str(row.songs), _number(row.a), _number(row.b), change, spread, better, mark))
    return Table(title, _COMPARED, tuple(cells), means)


def _comparison_lines(comparison: Comparison) -> list[str]:
    lines, rows = [], [row for metric in comparison.metrics for row in comparison.rows[metric.name]]
    if comparison.n_resamples:
        dropped = [
            f"{row.dropped} for macro {m.title}"
            for m in comparison.metrics
            for row in comparison.rows[m.name]
            if row.name == "macro"
        ]
        lines += [
            f"paired intervals from {comparison.n_resamples} resamples of songs, the same for both runs; "
            f"none (-) where fewer than {MIN_SONGS} songs hold positives. 'B better' is the share of "
            "resamples in which B is better",
            f"means drop resamples in which one of their classes is undefined: {', '.join(dropped)}",
        ]
    marked = sum(row.excludes_zero for row in rows)
    n_tests = sum(row.interval is not None for row in rows)
    lines.append(
        f"* the interval excludes 0: {marked} of {n_tests} do; about {0.05 * n_tests:.1f} would by "
        "chance if the runs were equally good"
    )
    lines.append(
        "one run each: the interval covers the choice of songs, not that of the training seed. Choosing "
        "between runs by test scores is tuning on the test set; choose with --split validation"
    )
    return lines


def format_comparison(comparison: Comparison) -> str:
    """Return the comparison of two runs as aligned plain text."""
    return _text(comparison_tables(comparison), _comparison_lines(comparison))


def format_comparison_markdown(comparison: Comparison) -> str:
    """Return the comparison of two runs as Markdown."""
    return _markdown(comparison_tables(comparison), _comparison_lines(comparison))
