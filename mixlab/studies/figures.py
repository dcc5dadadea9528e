"""The figures of a study: tables of its scores, drawn by the charts that pages show as well."""

import math
from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd

from mixlab.evaluation.charts import UNIT, Chart, bars, dots, figure, lines, panel
from mixlab.studies.curves import Axis, point_table, points_of, seed_table
from mixlab.studies.paper_results import PaperRow
from mixlab.studies.results import ConditionResult, StudyResults
from mixlab.studies.tables import chance_note, chance_scores

__all__ = ["class_bars", "class_curves", "class_dots", "curves", "score_dots"]

_PANELS = ("roc_auc", "average_precision", "loss")


def curves(
    results: StudyResults,
    axis: Axis,
    *,
    metrics: Sequence[str] = _PANELS,
    mark: float | None = None,
    note: str = "",
) -> alt.VConcatChart:
    """Draw metrics against a setting; ``mark`` is a value of it to point out."""
    panels = [
        panel(
            _curve(results, axis, metric, at=mark), results.metric(metric).mean_title, width=300, height=250
        )
        for metric in metrics
    ]
    return figure(panels, results.title, columns=len(panels), note=note)


def class_curves(results: StudyResults, axis: Axis, metric: str, *, note: str = "") -> alt.VConcatChart:
    """Draw a metric of every class against a setting, in small multiples."""
    panels = list[Chart]()
    for column, name in enumerate(results.labels):
        songs = max((int(r.songs[column]) for c in results.done for r in c.test.runs.values()), default=0)
        chart = _curve(results, axis, metric, column, small=True)
        what = results.words.groups if songs != 1 else results.words.groups.removesuffix("s")
        panels.append(panel(chart, f"{name} ({songs} {what})", width=170, height=120))
    return figure(
        panels, f"{results.metric(metric).title} per class against {axis.name}", columns=5, note=note
    )


def _curve(
    results: StudyResults,
    axis: Axis,
    metric: str,
    column: int | None = None,
    *,
    small: bool = False,
    at: float | None = None,
) -> Chart:
    """Draw means as a line, their intervals over songs as a band, every seed as a dot."""
    table = point_table(points_of(results, axis, metric, column), over="songs")
    marks = seed_table(results, axis, metric, column)
    return lines(table, "", axis.name, band=True, small=small, marks=marks, at=at)


def _row(c: ConditionResult, metric: str, column: int | None = None) -> dict[str, object]:
    """Return what a condition's dot or bar is drawn from."""
    e = c.test.of(metric, column)
    low, high = (math.nan, math.nan) if e.songs is None else (e.songs.low, e.songs.high)
    return {"row": c.condition.label, "run": c.condition.label, "value": e.value, "low": low, "high": high}


def _marks(c: ConditionResult, metric: str, column: int | None = None) -> list[dict[str, object]]:
    """Return the score of every seed of a condition."""
    values = c.test.by_seed(metric, column)
    return [
        {"row": c.condition.label, "run": c.condition.label, "value": value, "kind": "seed"}
        for value in values
    ]


def score_dots(
    results: StudyResults,
    *,
    metrics: Sequence[str] = ("roc_auc", "average_precision", "loss", "f1"),
    paper: Mapping[str, PaperRow] | None = None,
    note: str = "",
) -> alt.VConcatChart:
    """Draw a panel per metric and a row per condition; ``paper`` holds rows of its Table 1 by their names."""
    conditions, panels = results.done, list[Chart]()
    labels = [c.condition.label for c in conditions]
    for metric in metrics:
        marks = [mark for c in conditions for mark in _marks(c, metric)]
        for c in conditions:
            row = (paper or {}).get(c.condition.name)
            if row is not None and metric in _PANELS:
                marks.append({"row": c.condition.label, "kind": "the paper", "value": getattr(row, metric)})
        table = pd.DataFrame([_row(c, metric) for c in conditions])
        chart = dots(table, labels, "", marks=pd.DataFrame(marks), labels=not panels)
        panels.append(panel(chart, results.metric(metric).mean_title, width=200))
    return figure(panels, results.title, columns=len(panels), note=note)


def class_dots(
    results: StudyResults, conditions: Sequence[ConditionResult], columns: Sequence[int], *, note: str = ""
) -> alt.VConcatChart:
    """Draw F1 of classes, a panel each and a row per condition; a tick marks chance level."""
    across, panels = min(4, max(1, len(columns))), list[Chart]()
    labels = [c.condition.label for c in conditions]
    for place, column in enumerate(columns):
        table = pd.DataFrame([_row(c, "f1", column) for c in conditions]).assign(
            chance=_chance(conditions, "f1", column)
        )
        marks = pd.DataFrame([mark for c in conditions for mark in _marks(c, "f1", column)])
        chart = dots(table, labels, "", marks=marks, scale=UNIT, labels=place % across == 0)
        panels.append(panel(chart, results.labels[column], width=200))
    below = f"F1; grey ticks: chance level{chance_note(results, conditions)}"
    return figure(panels, results.title, below, columns=across, note=note)


def _chance(conditions: Sequence[ConditionResult], metric: str, column: int) -> float:
    """Return the chance level of a class, averaged over the runs of the first condition."""
    found = [float(chance_scores(r, metric)[column]) for c in conditions[:1] for r in c.test.runs.values()]
    return float(np.nanmean(found)) if np.isfinite(found).any() else math.nan


def class_bars(
    results: StudyResults, conditions: Sequence[ConditionResult], metric: str = "f1", *, note: str = ""
) -> alt.VConcatChart:
    """Draw bars per class, a bar per condition, every seed as a stroke; a line marks chance level."""
    rows, marks, names = [], [], []
    for column, name in enumerate(results.labels):
        runs = [r for c in conditions[:1] for r in c.test.runs.values()]
        support = sum(int(r.support[column]) for r in runs) / max(1, len(runs))
        names.append(f"{name}\n{support:.0f}")
        own = {"row": names[-1], "chance": _chance(conditions, metric, column)}
        rows += [{**_row(c, metric, column), **own} for c in conditions]
        marks += [{**mark, **own} for c in conditions for mark in _marks(c, metric, column)]
    chart = bars(
        pd.DataFrame(rows),
        names,
        [c.condition.label for c in conditions],
        results.metric(metric).title,
        marks=pd.DataFrame(marks),
    )
    width = 60 + len(names) * (45 + 12 * len(conditions))
    below = f"below each class: its positive test {results.words.items}; black line: chance level"
    below += chance_note(results, conditions)
    return figure([panel(chart, width=width)], results.title, below, note=note)
