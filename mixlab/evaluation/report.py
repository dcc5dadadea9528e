"""Reports as text: the tables of one split's scores and of a comparison, for terminals and Markdown."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mixlab.evaluation.bootstrap import MAX_UNDEFINED, MIN_SONGS, Interval
from mixlab.evaluation.measured import Score
from mixlab.evaluation.metrics import BUILT_IN, METRICS, N_BINS, MetricInfo
from mixlab.evaluation.paired import Comparison, Difference
from mixlab.evaluation.results import ClassScores, SplitScores
from mixlab.evaluation.thresholds import RULES
from mixlab.evaluation.units import Quantity, Units
from mixlab.utils.tables import align

__all__ = [
    "Table",
    "comparison_tables",
    "confusion_tables",
    "format_comparison",
    "format_comparison_markdown",
    "format_markdown",
    "format_text",
    "metric_columns",
    "metric_figures",
    "most_confused",
    "score_tables",
    "summary_lines",
]

MOST_COLUMNS, MOST_MISTAKES = 12, 20
"""Up to so many classes text holds the confusion matrix; else so many of the most frequent mistakes."""


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
    """Return the tables of a report: decisions, scores as they are, details of these, and other decisions.

    The first three have a row per class, then macro, families and instruments (where there are two levels),
    micro. ``positive`` counts the mixes with the class among those in which it is known, ``songs`` the songs
    with it. A threshold with ``*`` had no positive on validation to be fitted on. Then come the decisions at
    thresholds that were chosen in other ways, or, for single-label runs, what was taken for what. A
    regression has one table of its own.
    """
    if scores.quantity is not None:
        return (_number_table(scores, scores.quantity),)
    own = [m for m in scores.metrics if m.over == "class"]
    decided = [m for m in own if m.needs_threshold]
    ranked = [m for m in own if not m.needs_threshold and not m.detail]
    details = [m for m in own if not m.needs_threshold and m.detail]
    n_averages = 2 + len(scores.levels)
    tables = [
        (_how_decided(scores), _with_support(scores, _per_class(scores, decided))),
        ("scores, without any threshold", _per_class(scores, ranked)),
        ("calibration", _per_class(scores, details)),
    ]
    shown = [Table(title, rows[0], tuple(rows[1:]), n_averages) for title, rows in tables if len(rows[0]) > 1]
    return (*shown, *_by_rules(scores), *confusion_tables(scores))


def _number_table(scores: SplitScores, quantity: Quantity) -> Table:
    """Return the scores of predicted numbers beside those of the reference."""
    rows = []
    for metric in scores.metrics:
        one = scores.scores[metric.name]
        title = metric.title if metric.higher_is_better else f"{metric.title} (lower is better)"
        rows.append((title, _number(one.value), _range(one.interval), _number(one.chance)))
    header = ("score", "", "95 %", "mean of training")
    return Table(f"predicted numbers: {quantity.title}", header, tuple(rows), 0)


def _number_lines(scores: SplitScores, quantity: Quantity) -> list[str]:
    """Say what the table of predicted numbers leaves to say."""
    groups, item, items = scores.units.groups, scores.units.item, scores.units.items
    lines = [f"{metric.title}: {metric.definition}" for metric in scores.metrics]
    lines.append(
        f"mean of training: what saying {quantity.mean:.4g} for every {item} gives, the mean over the "
        f"training {items} (SD {quantity.deviation:.4g}); its correlation is undefined (-)"
    )
    if scores.n_resamples:
        lines.append(f"95 % intervals from {scores.n_resamples} resamples of {groups}")
    elif scores.n_groups < MIN_SONGS:
        lines.append(_too_few(scores.n_groups, groups))
    return lines


def _how_decided(scores: SplitScores) -> str:
    if scores.single_label:
        return "decisions for the class with the highest score, without thresholds"
    return f"decisions, at thresholds {'as given' if scores.thresholds_given else 'fitted on validation'}"


def _by_rules(scores: SplitScores) -> tuple[Table, ...]:
    """Return the table of decisions at thresholds that were chosen in other ways."""
    if not scores.rules:
        return ()
    info = {metric.name: metric for metric in scores.metrics} | dict(METRICS)
    names = list(scores.rules[0].scores)
    titles = RULES | ({"fitted": "per class, as given"} if scores.thresholds_given else {})
    rows = [
        (titles[one.rule], _number(one.threshold), *(_number(one.scores[name]) for name in names))
        for one in scores.rules
    ]
    header = ("thresholds", "at", *(info[name].mean_title for name in names))
    return (Table("decisions at thresholds chosen in other ways", header, tuple(rows), 0),)


def confusion_tables(scores: SplitScores) -> tuple[Table, ...]:
    """Return what was taken for what in a single-label run: the whole table, or the most frequent mistakes.

    Args:
        scores: Of a split; there is no table where each item may have several labels.
    """
    if not scores.confusion:
        return ()
    names, items = [k.name for k in scores.classes], scores.units.items
    if len(names) <= MOST_COLUMNS:
        header = (f"{items} of", *(f"({n})" for n in range(1, len(names) + 1)))
        rows = [
            (f"({n}) {name}", *map(str, row))
            for n, (name, row) in enumerate(zip(names, scores.confusion, strict=True), start=1)
        ]
        return (Table("confusion matrix: in truth (rows), decided for (columns)", header, tuple(rows), 0),)
    found = most_confused(scores)[:MOST_MISTAKES]
    mistakes = [(f"{a} taken for {b}", str(n), f"{100 * n / of:.0f} %") for a, b, n, of in found]
    header = ("mistake", items, "of the class")
    return (Table(f"the {len(found)} most frequent mistakes", header, tuple(mistakes), 0),)


def most_confused(scores: SplitScores) -> list[tuple[str, str, int, int]]:
    """Return the mistakes of a single-label run, the most frequent first.

    Returns:
        The class in truth, the one decided for, in how many items, and of how many of the class.
    """
    names, table = [k.name for k in scores.classes], scores.confusion
    pairs = ((a, b) for a in range(len(table)) for b in range(len(table)) if a != b and table[a][b])
    found = [(names[a], names[b], table[a][b], sum(table[a])) for a, b in pairs]
    return sorted(found, key=lambda one: -one[2])


def _with_support(scores: SplitScores, rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Put support in front of decisions, and their thresholds behind, where there are any."""
    means = (scores.oracle_f1, *(level.oracle_f1 for level in scores.levels))
    groups = scores.units.groups
    support = [("positive", groups), *((f"{k.support}/{k.known}", str(k.songs)) for k in scores.classes)]
    support += [("", "")] * (1 + len(means))
    if scores.single_label:
        return [(row[0], *s, *row[1:]) for row, s in zip(rows, support, strict=True)]
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
    if scores.quantity is not None:
        return _number_lines(scores, scores.quantity)
    compared = [m for m in scores.metrics if not m.detail]
    per_class, n_classes = [m for m in compared if m.over == "class"], len(scores.classes)
    groups = scores.units.groups
    others = [m for m in compared if m.over != "class" and not m.pooled]
    lines = [_over_all(m, scores.scores[m.name], scores.units) for m in others]
    if scores.single_label:
        lines += _single_label_lines(scores)
    counts = [f"{n_classes - scores.scores[m.name].undefined} for {m.title}" for m in per_class]
    lines.append(
        f"macro averages over so many of {n_classes} classes: {', '.join(counts)}; the others are undefined "
        "here (-) and left out"
    )
    if scores.n_resamples:
        dropped = [f"{scores.scores[m.name].dropped} for {m.title}" for m in per_class]
        lines.append(
            f"95 % intervals from {scores.n_resamples} resamples of {groups}; none (-) where fewer than "
            f"{MIN_SONGS} {groups} hold positives"
        )
        lines.append(
            "macro intervals drop resamples in which one of their classes is undefined: "
            f"{', '.join(dropped)}; no interval (-) where that is more than {100 * MAX_UNDEFINED:.0f} %"
        )
    elif scores.n_groups < MIN_SONGS:
        lines.append(_too_few(scores.n_groups, groups))
    unfitted = [k.name for k in scores.classes if not k.threshold_fitted]
    if unfitted and not scores.single_label:
        lines.append(f"* threshold 0.5, no positive on validation to fit it on: {', '.join(unfitted)}")
    if not scores.single_label:
        lines.append(
            f"oracle: thresholds that these {scores.split} targets like best, an upper bound, not a result"
        )
    if "ece" in scores.scores:
        lines.append(
            f"ECE in {N_BINS} bins of equal width, higher by chance where {scores.units.items} are few; "
            f"saying the prevalence for every {scores.units.item} gives a low ECE too, so judge by the Brier "
            "score (lower is better)"
        )
    lines += [f"{m.title} is {m.source}: {_what(m)}" for m in scores.metrics if m.source != BUILT_IN]
    return lines + _hierarchy_lines(scores)


def _too_few(n_groups: int, groups: str) -> str:
    return f"no 95 % intervals: they take {MIN_SONGS} {groups} or more, and here are {n_groups}"


def _single_label_lines(scores: SplitScores) -> list[str]:
    """Say what decides in a single-label run, and what follows from that."""
    item = scores.units.item
    return [
        f"each {item} has exactly one class: the highest score decides, the first among equals, and no "
        "threshold has a part in it; so micro P, R and F1 equal accuracy, and macro R is balanced accuracy",
        "the chance level of decisions is that of the class most frequent on validation, decided for every "
        f"{item}",
    ]


def _over_all(metric: MetricInfo, score: Score, units: Units) -> str:
    """Say a score that no class has: over the mixes, or over all known cells."""
    interval = "" if score.interval is None else f" ({_range(score.interval)})"
    left_out = f"; undefined in {score.undefined} {units.items}, left out" if score.undefined else ""
    line = f"{metric.title} {_number(score.value)}{interval}, chance level {_number(score.chance)}"
    over = "over known targets only" if metric.over == "all" else f"mean over the {units.items}"
    return f"{line}; {over}{left_out}"


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


_AT_THRESHOLDS = "each run at thresholds fitted on its own validation scores"
_HIGHEST = "each run decides for the class with its highest score"
_DECIDED = {
    (False, False): _AT_THRESHOLDS,
    (True, True): _HIGHEST,
    (True, False): "A decides for its highest score, B at thresholds fitted on its own validation scores",
    (False, True): "A decides at thresholds fitted on its own validation scores, B for its highest score",
}
"""How two runs decide: whether A is a single-label run, whether B is."""


def comparison_tables(comparison: Comparison) -> tuple[Table, ...]:
    """Return a table per metric of classes, and one of the others; ``*`` where the interval excludes 0.

    ``B better`` is the share of the resamples in which B is better.
    """
    own = _DECIDED[comparison.single_label]
    per_class, groups = [m for m in comparison.metrics if m.over == "class"], comparison.units.groups
    tables = [
        _compared(f"{m.title}, {own}" if m.needs_threshold else _named(m), comparison.rows[m.name], groups)
        for m in per_class
    ]
    rest = [
        replace(row, name=f"{m.title}{'' if m.higher_is_better else ' (lower is better)'}")
        for m in comparison.metrics
        if m.over != "class"
        for row in comparison.rows[m.name]
    ]
    return (*tables, _compared("over all", rest, groups)) if rest else tuple(tables)


def _named(metric: MetricInfo) -> str:
    better = "" if metric.higher_is_better else "; lower is better"
    return f"{metric.title}: {metric.definition}{better}" if metric.definition else f"{metric.title}{better}"


def _compared(title: str, rows: Sequence[Difference], groups: str) -> Table:
    means = sum(row.name in ("macro", "families", "instruments") for row in rows)
    cells = []
    for row in rows:
        interval = row.interval
        spread = "-" if interval is None else f"{interval.low:+.3f} to {interval.high:+.3f}"
        change = f"{row.difference:+.3f}" if math.isfinite(row.difference) else "-"
        better = f"{100 * row.better:.0f} %" if math.isfinite(row.better) else "-"
        mark = "*" if row.excludes_zero else ""
        cells.append((row.name, str(row.songs), _number(row.a), _number(row.b), change, spread, better, mark))
    header = ("class", groups, "A", "B", "B - A", "95 % of B - A", "B better", "")
    return Table(title, header, tuple(cells), means)


def _comparison_lines(comparison: Comparison) -> list[str]:
    lines, rows = [], [row for metric in comparison.metrics for row in comparison.rows[metric.name]]
    groups = comparison.units.groups
    if comparison.n_resamples:
        dropped = [
            f"{row.dropped} for macro {m.title}"
            for m in comparison.metrics
            for row in comparison.rows[m.name]
            if row.name == "macro"
        ]
        sparse = f"; none (-) where fewer than {MIN_SONGS} {groups} hold positives" if dropped else ""
        lines.append(
            f"paired intervals from {comparison.n_resamples} resamples of {groups}, the same for both runs"
            f"{sparse}. 'B better' is the share of resamples in which B is better"
        )
        if dropped:
            lines.append(
                f"means drop resamples in which one of their classes is undefined: {', '.join(dropped)}"
            )
    elif comparison.n_groups < MIN_SONGS:
        lines.append(_too_few(comparison.n_groups, groups))
    marked = sum(row.excludes_zero for row in rows)
    n_tests = sum(row.interval is not None for row in rows)
    lines.append(
        f"* the interval excludes 0: {marked} of {n_tests} do; about {0.05 * n_tests:.1f} would by "
        "chance if the runs were equally good"
    )
    lines.append(
        f"one run each: the interval covers the choice of {groups}, not that of the training seed. Choosing "
        "between runs by test scores is tuning on the test set; choose with --split validation"
    )
    return lines


def format_comparison(comparison: Comparison) -> str:
    """Return the comparison of two runs as aligned plain text."""
    return _text(comparison_tables(comparison), _comparison_lines(comparison))


def format_comparison_markdown(comparison: Comparison) -> str:
    """Return the comparison of two runs as Markdown."""
    return _markdown(comparison_tables(comparison), _comparison_lines(comparison))
