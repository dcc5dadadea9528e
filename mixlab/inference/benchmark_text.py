"""An external report as text, for the terminal and as Markdown."""

from collections.abc import Mapping, Sequence

from mixlab.evaluation import Score, SplitScores
from mixlab.evaluation.report import Table, metric_columns, metric_figures
from mixlab.inference.benchmark import TABLES, ExternalReport, PartScores
from mixlab.inference.scorer import said_of_thresholds

__all__ = ["SHOWN_MISSING", "format_markdown", "format_text", "say_missing"]

SHOWN_MISSING = 5
"""So many clips without a file are named where a line says that there are some."""


def _table(title: str, scores: SplitScores, scored_by: dict[str, str]) -> Table:
    # No calibration: it would be judged at the prevalence of another corpus.
    metrics = [m for m in scores.metrics if m.over == "class" and (m.needs_threshold or not m.detail)]

    def figures(of: Mapping[str, Score]) -> list[str]:
        return [cell for m in metrics for cell in metric_figures(m, of[m.name])]

    header = (
        "class",
        "scored by",
        "positive",
        "groups",
        *(title for m in metrics for title in metric_columns(m)),
    )
    rows = [
        (k.name, scored_by[k.name], f"{k.support}/{k.known}", str(k.songs), *figures(k.scores))
        for k in scores.classes
    ]
    return Table(title, header, (*rows, ("macro", "", "", "", *figures(scores.scores))), 1)


def _tables(report: ExternalReport, outputs: Sequence[str]) -> list[Table]:
    outputs_of = {m.name: " | ".join(outputs[k] for k in m.columns) for m in report.matches}
    # Tags carry their category in front, which would only widen the column.
    stands_for = {
        name: "any of " + ", ".join(label.rpartition("---")[2] for label in classes)
        for name, classes in report.rolled_up.items()
    }
    tables = [
        _table(title, report.tables[name], stands_for if name == "rolled_up" else outputs_of)
        for name, title in TABLES.items()
        if name in report.tables
    ]
    return tables + [
        _table(f"{_part(part)}: {name}", scores, outputs_of)
        for part in report.apart
        for name, scores in part.tables.items()
        if name != "family"
    ]


def _listed(names: Sequence[str], most: int = 12) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _windows(report: ExternalReport) -> str:
    return report.windows or f"mean score of windows of {report.window_s:g} s"


def _lines(report: ExternalReport) -> list[str]:
    lines = [f"corpus {report.source}", *report.notes]
    if report.not_evaluable:
        lines.append(
            "not evaluable, as no output says anything of them; left out of all means: "
            + _listed(report.not_evaluable)
        )
    said = said_of_thresholds(report.thresholds_from)
    lines.append(f"P, R and F1 at thresholds {said}; nothing was fitted on this corpus")
    lines.append(
        "chance AP is that of the same score for every clip, chance F1 that of predicting the class always"
    )
    undefined = {
        name: scores.scores["average_precision"].undefined
        for name, scores in report.tables.items()
        if scores.scores["average_precision"].undefined
    }
    if undefined:
        counts = ", ".join(f"{count} in '{name}'" for name, count in undefined.items())
        lines.append(f"classes without positives are undefined (-) and left out of means: {counts}")
    if report.missing:
        lines.append(say_missing(report))
    if report.problems:
        lines.append(f"{_clips(len(report.problems))} could not be read: {'; '.join(report.problems[:3])}")
    return lines


def _clips(n: int) -> str:
    return "1 clip" if n == 1 else f"{n:,} clips"


def _part(part: PartScores) -> str:
    groups = "1 group" if part.n_groups == 1 else f"{part.n_groups:,} groups"
    return f"{part.name}, {_clips(part.n_clips)} from {groups}"


def say_missing(report: ExternalReport) -> str:
    """Say which clips have no file: the first few by name, and where all are listed."""
    n = len(report.missing)
    more = "; all are under 'missing' in the report's JSON" if n > SHOWN_MISSING else ""
    left_out = f"{_clips(n)} {'has no file and is' if n == 1 else 'have no file and are'} left out"
    return f"{left_out}: {_listed(report.missing, SHOWN_MISSING)}{more}"


def _head(report: ExternalReport) -> str:
    return (
        f"{report.benchmark} {report.part}: {_clips(report.n_clips)} from {report.n_groups} recordings or "
        f"artists, {_windows(report)}"
    )


def format_text(report: ExternalReport, outputs: Sequence[str]) -> str:
    """Return the report as aligned plain text.

    Args:
        report: The report.
        outputs: Names of the run's outputs.
    """
    import textwrap

    notes = [textwrap.fill(f"- {line}", 100, subsequent_indent="  ") for line in _lines(report)]
    note = [f"scored by {report.model}"] if report.model else []
    note += [f"({report.note})"] if report.note else []
    tables = [table.text() for table in _tables(report, outputs)]
    return "\n\n".join(["\n".join([_head(report), *note]), *tables, "\n".join(notes)])


def format_markdown(report: ExternalReport, outputs: Sequence[str]) -> str:
    """Return the report as Markdown; arguments as for ``format_text``."""
    note = [f"Scored by {report.model}."] if report.model else []
    note += [f"**{report.note[0].upper()}{report.note[1:]}.**"] if report.note else []
    tables = [table.markdown() for table in _tables(report, outputs)]
    lines = "\n".join(f"- {line}" for line in _lines(report))
    return "\n\n".join([f"# {_head(report)}", *note, *tables, lines]) + "\n"
