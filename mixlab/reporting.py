"""Reports as text: the table of one split's scores, for terminals and for Markdown."""

import math

from mixlab.evaluation import MIN_SONGS, Interval, SplitScores

__all__ = ["format_markdown", "format_text", "summary_lines", "table_rows"]


def _number(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"


def _range(interval: Interval | None) -> str:
    return "-" if interval is None else f"{interval.low:.2f}-{interval.high:.2f}"


_HEADER = (
    "class",
    "known",
    "positive",
    "songs",
    "P",
    "R",
    "F1",
    "95 %",
    "prior F1",
    "AP",
    "prior AP",
    "ROC-AUC",
    "threshold",
)


def table_rows(scores: SplitScores) -> list[tuple[str, ...]]:
    """Return the report's table as text cells: a header, one row per class, macro and micro.

    ``songs`` counts those with positives. ``-`` is an undefined value, or no interval; a threshold with
    ``*`` had no positive on validation to be fitted on.
    """
    rows: list[tuple[str, ...]] = [_HEADER]
    for k in scores.classes:
        threshold = _number(k.threshold) + ("" if k.threshold_fitted else "*")
        figures = (k.prior_f1, k.average_precision, k.prior_average_precision, k.roc_auc)
        start = (k.name, str(k.known), str(k.support), str(k.songs), _number(k.precision), _number(k.recall))
        f1 = (_number(k.f1), _range(k.f1_interval))
        rows.append((*start, *f1, *map(_number, figures), threshold))
    for name, a, prior in (
        ("macro", scores.macro, scores.prior_macro),
        ("micro", scores.micro, scores.prior_micro),
    ):
        figures = (prior.f1, a.average_precision, prior.average_precision, a.roc_auc)
        start = (name, "", "", "", _number(a.precision), _number(a.recall))
        rows.append((*start, _number(a.f1), _range(a.f1_interval), *map(_number, figures), ""))
    return rows


def summary_lines(scores: SplitScores) -> list[str]:
    """Return what the table leaves to say: loss, undefined classes, intervals, thresholds, hierarchy."""
    macro, n_classes = scores.macro, len(scores.classes)
    lines = [f"loss {_number(scores.loss)} (prior {_number(scores.prior_loss)}), over known targets only"]
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
            f"for F1, {macro.average_precision_dropped} for AP, {macro.roc_auc_dropped} for ROC-AUC"
        )
    unfitted = [k.name for k in scores.classes if not k.threshold_fitted]
    if unfitted:
        lines.append(f"* threshold 0.5, no positive on validation to fit it on: {', '.join(unfitted)}")
    # A label set without parents has no hierarchy to speak of.
    if scores.hierarchical is not None and scores.coherence is not None and scores.coherence.pairs:
        h, c = scores.hierarchical, scores.coherence
        lines.append(f"hierarchical P {_number(h.precision)}, R {_number(h.recall)}, F1 {_number(h.f1)}")
        lines.append(
            f"a child scores above its parent in {100 * c.score_violations:.1f} % of {c.pairs} pairs, and is "
            f"predicted without it in {100 * c.decision_violations:.1f} %"
        )
    return lines


def format_text(scores: SplitScores) -> str:
    """Return the split's table and summary as aligned plain text."""
    rows = table_rows(scores)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for i, row in enumerate(rows):
        cells = [
            row[0].ljust(widths[0]),
            *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True)),
        ]
        lines.append("  ".join(cells).rstrip())
        if i in (0, len(rows) - 3):
            lines.append("-" * (sum(widths) + 2 * (len(widths) - 1)))
    return "\n".join([*lines, "", *summary_lines(scores)])


def format_markdown(scores: SplitScores) -> str:
    """Return the split's table and summary as Markdown."""
    header, *rows = table_rows(scores)
    lines = [f"| {' | '.join(header)} |", f"|{'---|' + '---:|' * (len(header) - 1)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*lines, "", *(f"- {line}" for line in summary_lines(scores))])
