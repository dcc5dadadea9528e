"""The tables of a study: text for people, CSV with every number for programs."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixlab.evaluation import Interval
from mixlab.evaluation.arrays import mean_defined
from mixlab.evaluation.metrics import BUILT_IN
from mixlab.evaluation.regression import NUMBER_METRICS
from mixlab.evaluation.report import Table
from mixlab.studies.results import ConditionResult, StudyResults, condition_difference
from mixlab.studies.statistics import F1_ABOVE_CHANCE, Estimate, RunScores
from mixlab.utils.csv import csv_text

__all__ = [
    "above_chance_table",
    "chance_note",
    "chance_scores",
    "class_table",
    "differences_csv",
    "differences_table",
    "estimates_csv",
    "own_tables",
    "runs_csv",
    "score_text",
    "significance_mark",
    "summary_table",
]


def score_text(e: Estimate, digits: int = 3, *, sign: bool = False) -> str:
    """Return ``0.812 (0.790-0.834) ±0.004``: mean, 95 % over songs, standard deviation over seeds."""
    if not math.isfinite(e.value):
        return "-"
    plus = "+" if sign else ""
    text = f"{e.value:{plus}.{digits}f}"
    if e.songs is not None:
        to = " to " if sign or e.songs.low < 0 else "-"
        text += f" ({e.songs.low:{plus}.{digits}f}{to}{e.songs.high:{plus}.{digits}f})"
    if math.isfinite(e.spread):
        text += f" ±{e.spread:.{digits}f}"
    return text


def _seeds(result: ConditionResult) -> str:
    wanted = result.test.wanted
    return str(wanted) if len(result.test.runs) == wanted else f"{len(result.test.runs)} of {wanted}"


def _shown(results: StudyResults, metrics: Sequence[str] | None) -> list[str]:
    """Return the metrics of a table: those asked for and the user's own; None asks for all."""
    own = [metric.name for metric in results.metrics if metric.source != BUILT_IN]
    return list(dict.fromkeys([*metrics, *own])) if metrics else [metric.name for metric in results.metrics]


def summary_table(
    results: StudyResults, metrics: Sequence[str] | None = None, *, title: str = "test scores"
) -> Table:
    """Return a row per condition: mean over seeds, 95 % over songs in brackets, deviation over seeds."""
    metrics = _shown(results, metrics)
    several = len(results.tasks) > 1
    rows = [
        (
            c.condition.label,
            *([c.condition.task or "mixes"] if several else []),
            _seeds(c),
            *(score_text(c.test.of(metric)) for metric in metrics),
        )
        for c in results.conditions
    ]
    titles = (results.metric(metric).mean_title for metric in metrics)
    header = ("condition", *(["task"] if several else []), "seeds", *titles)
    return Table(f"{title}: {_over(results)}", header, tuple(rows), 0)


def _over(results: StudyResults) -> str:
    return f"mean over seeds (95 % over {results.words.groups}) ±SD over seeds"


def significance_mark(e: Estimate) -> str:
    """Return ``*`` where a difference is significant over songs, and ``+`` where it is over seeds."""
    return ("*" if e.significant_over_songs else "") + ("+" if e.significant_over_seeds else "")


def differences_table(
    results: StudyResults,
    reference: ConditionResult,
    metrics: Sequence[str] | None = None,
    *,
    title: str = "",
) -> Table:
    """Return each condition minus the reference; ``*`` significant over songs, ``+`` over seeds.

    Conditions with other classes than the reference's are left out: there is nothing to subtract.
    """
    metrics = _shown(results, metrics)
    words, rows = reference.words, []
    for c in results.conditions:
        if c is reference or c.condition.task != reference.condition.task:
            continue
        found = [condition_difference(reference, c, metric) for metric in metrics]
        note = "" if results.paired(reference, c) or not c.test.runs else f" (other {words.items})"
        scores = (f"{score_text(e, sign=True)}{significance_mark(e)}" for e in found)
        rows.append((c.condition.label + note, *scores))
    head = title or f"differences to '{reference.condition.label}', by paired resamples of {words.groups}"
    header = ("condition", *(results.metric(metric).mean_title for metric in metrics))
    signs = f"* significant at 95 % over {words.groups}, + over seeds"
    return Table(f"{head}; {signs}", header, tuple(rows), 0)


def class_table(
    results: StudyResults,
    conditions: Sequence[ConditionResult],
    metric: str,
    columns: Sequence[int] | None = None,
) -> Table:
    """Return a row per class: support, the chance level, and a column per condition.

    The classes are those of the first condition; conditions with other ones are left out.
    """
    if not conditions:
        return Table(f"{metric} per class", ("class",), (), 0)
    conditions = [c for c in conditions if c.labels == conditions[0].labels]
    first, labels, words = conditions[0].test.runs, conditions[0].labels, conditions[0].words
    rows = []
    for c in range(len(labels)) if columns is None else columns:
        runs = list(first.values())
        support = sum(int(r.support[c]) for r in runs) / len(runs)
        songs = sum(int(r.songs[c]) for r in runs) / len(runs)
        guess = mean_defined(np.array([chance_scores(r, metric)[c] for r in runs]))
        rows.append(
            (
                labels[c],
                f"{support:.0f}",
                f"{songs:.0f}",
                f"{guess:.3f}" if math.isfinite(guess) else "-",
                *(score_text(condition.test.of(metric, c)) for condition in conditions),
            )
        )
    name = results.metric(metric).title
    header = (
        "class",
        f"positive {words.items}",
        words.groups,
        f"{name} at chance level",
        *(c.condition.label for c in conditions),
    )
    whose = chance_note(results, conditions)
    title = f"{name} per class: {_over(results)}{whose}"
    return Table(title, header, tuple(rows), 0)


def own_tables(results: StudyResults) -> list[Table]:
    """Return a table per task and metric of the user's own that is computed per class."""
    own = [m for m in results.metrics if m.source != BUILT_IN and m.over == "class"]
    return [
        class_table(one, one.done, metric.name)
        for metric in own
        for one in results.by_task()
        if metric in one.metrics
    ]


def above_chance_table(results: StudyResults, conditions: Sequence[ConditionResult]) -> Table:
    """Return a row per class: how far its F1 is above that at chance level, and that of its lowest run.

    All conditions must have the same classes.
    """
    rows = []
    for c, name in enumerate(conditions[0].labels if conditions else ()):
        found = [condition.test.of(F1_ABOVE_CHANCE.name, c) for condition in conditions]
        lowest = (f"{e.low:+.3f}" if math.isfinite(e.low) else "-" for e in found)
        rows.append(
            (name, *itertools.chain(*zip((score_text(e, sign=True) for e in found), lowest, strict=True)))
        )
    header = (
        "class",
        *itertools.chain(*((c.condition.label, f"{c.condition.label}: lowest run") for c in conditions)),
    )
    title = f"F1 above chance level (always saying yes, on the same {results.words.groups}): {_over(results)}"
    return Table(title, header, tuple(rows), 0)


def chance_note(results: StudyResults, conditions: Sequence[ConditionResult]) -> str:
    """Say whose mixes support and guess are those of, where not all conditions are scored on the same."""
    if all(results.paired(conditions[0], condition) for condition in conditions[1:]):
        return ""
    words = conditions[0].words
    return f"; {words.items}, {words.groups} and chance level are those of '{conditions[0].condition.label}'"


def chance_scores(scores: RunScores, metric: str) -> NDArray[np.float64]:
    """Return ``(C,)`` what saying the same for every mix scores on these mixes."""
    return scores.chance[metric].values


def _csv(header: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    return csv_text([header, *([_plain_cell(row.get(name, "")) for name in header] for row in rows)])


def _plain_cell(value: Any) -> Any:  # noqa: ANN401 - a condition of a table
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return value


_ESTIMATE = (
    "mean",
    "songs_low",
    "songs_high",
    "seeds_low",
    "seeds_high",
    "seeds_sd",
    "lowest_seed",
    "highest_seed",
    "n_seeds",
    "missing_seeds",
    "resamples_dropped",
)


def _ends(prefix: str, interval: Interval | None) -> dict[str, float]:
    low, high = (math.nan, math.nan) if interval is None else (interval.low, interval.high)
    return {f"{prefix}_low": low, f"{prefix}_high": high}


def _entries(e: Estimate) -> dict[str, Any]:
    return {
        "mean": e.value,
        **_ends("songs", e.songs),
        **_ends("seeds", e.seeds),
        "seeds_sd": e.spread,
        "lowest_seed": e.low,
        "highest_seed": e.high,
        "n_seeds": e.n_seeds,
        "missing_seeds": e.missing,
        "resamples_dropped": e.dropped,
    }


def _kinds(results: StudyResults, c: ConditionResult) -> list[tuple[str, str, int | None]]:
    """Return (metric, class, column) of everything that a condition is scored by."""
    labels = c.labels or results.labels
    whole: list[tuple[str, str, int | None]] = [
        (metric.name, "", None)
        for metric in results.metrics
        if (metric.name in NUMBER_METRICS) == c.of_numbers
    ]
    if c.of_numbers:
        return whole
    by_class = [metric.name for metric in (*results.metrics, F1_ABOVE_CHANCE) if metric.over == "class"]
    return whole + [(metric, name, c) for metric in by_class for c, name in enumerate(labels)]


def estimates_csv(results: StudyResults) -> str:
    """Return a row per condition, metric and class; an empty field is undefined, or has no interval."""
    rows = []
    for c in results.conditions:
        own = {"condition": c.condition.name, "label": c.condition.label, "task": c.condition.task}
        for metric, name, column in _kinds(results, c):
            found = {"metric": metric, "class": name} | _entries(c.test.of(metric, column))
            rows.append(own | dict(c.condition.values) | found)
    task = _task_column(results)
    return _csv(("condition", "label", *task, *results.vary, "metric", "class", *_ESTIMATE), rows)


def _task_column(results: StudyResults) -> tuple[str, ...]:
    """Return the column of tasks, where a study has clips."""
    return ("task",) if any(c.condition.task for c in results.conditions) else ()


def differences_csv(results: StudyResults, references: Sequence[ConditionResult]) -> str:
    """Return every condition minus each reference, as ``estimates_csv``."""
    rows = []
    for reference in references:
        for c in results.conditions:
            if c is reference or c.condition.task != reference.condition.task:
                continue
            for metric, name, column in _kinds(results, reference):
                e = condition_difference(reference, c, metric, column)
                rows.append(
                    {
                        "against": reference.condition.name,
                        "condition": c.condition.name,
                        "same_mixes": results.paired(reference, c),
                        "metric": metric,
                        "class": name,
                    }
                    | _entries(e)
                )
    return _csv(("against", "condition", "same_mixes", "metric", "class", *_ESTIMATE), rows)


def runs_csv(results: StudyResults) -> str:
    """Return a row per run: its own scores, on the study's common targets."""
    metrics = [metric.name for metric in results.metrics]
    rows = [
        {"condition": c.condition.name, "task": c.condition.task, **c.condition.values}
        | {"seed": seed, "run": str(c.runs[seed])}
        | _means(scores, metrics)
        | {f"validation_{name}": mean for name, mean in _means(c.validation.runs[seed], metrics).items()}
        | {"test_mixes": scores.n_items, "test_songs": scores.n_songs, "test_set": scores.test_set}
        for c in results.conditions
        for seed, scores in c.test.runs.items()
    ]
    scored = (*metrics, *(f"validation_{metric}" for metric in metrics))
    return _csv(
        ("condition", *_task_column(results), *results.vary, "seed", "run", *scored, *_TEST_SET), rows
    )


_TEST_SET = ("test_mixes", "test_songs", "test_set")


def _means(scores: RunScores, metrics: Sequence[str]) -> dict[str, float]:
    """Return the metrics of a run over all classes; those that it lacks are left out."""
    return {name: scores.measured[name].mean for name in metrics if name in scores.measured}
