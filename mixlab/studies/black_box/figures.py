"""The paper's Figures 4 and 5: accuracies of Table 2 as bars, and loudness per class."""

import math
from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd

from mixlab.evaluation.charts import Chart, bars, figure, panel
from mixlab.studies.black_box.conditions import LEVEL_OF, name_of
from mixlab.studies.black_box.tables import METRIC, ClassLoudness, own_tasks
from mixlab.studies.results import ConditionResult, StudyResults

__all__ = ["accuracy_bars", "loudness_bars"]


def accuracy_bars(results: StudyResults, classifier: str, title: str, *, note: str = "") -> alt.VConcatChart:
    """Draw a group of bars per task, unprocessed and normalised, for one classifier."""
    rows, marks, tasks = [], [], own_tasks(results)
    for task in tasks:
        for level in LEVEL_OF:
            found = results.condition(name_of(task, classifier, level))
            if found is not None:
                rows.append({"row": task, "run": level, **_score(found), "chance": _chance(found)})
                marks += [{"row": task, "run": level, "value": value} for value in found.test.by_seed(METRIC)]
    chart = bars(_table(rows), tasks, tuple(LEVEL_OF), "accuracy", marks=_table(marks))
    below = "black line: chance level, always saying the most frequent class"
    return figure([panel(chart, width=90 + 80 * len(tasks))], title, below, note=note)


def _table(rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["row", "run", "value", "low", "high", "chance"])


def _score(condition: ConditionResult) -> dict[str, float]:
    e = condition.test.of(METRIC)
    low, high = (math.nan, math.nan) if e.songs is None else (e.songs.low, e.songs.high)
    return {"value": e.value, "low": low, "high": high}


def _chance(condition: ConditionResult) -> float:
    found = [run.chance[METRIC].mean for run in condition.test.runs.values() if METRIC in run.chance]
    return float(np.mean(found)) if found else math.nan


def loudness_bars(found: Mapping[str, Sequence[ClassLoudness]], *, note: str = "") -> alt.VConcatChart:
    """Draw a bar per class and task: mean RMS, with a deviation to both sides."""
    panels = list[Chart]()
    for task, classes in found.items():
        rows = [
            {
                "row": one.name,
                "run": "RMS",
                "value": one.mean,
                "low": max(one.mean - one.deviation, 0.0),
                "high": one.mean + one.deviation,
                "chance": math.nan,
            }
            for one in classes
        ]
        names = [one.name for one in classes]
        chart = bars(_table(rows), names, ("RMS",), "RMS, of full scale")
        panels.append(panel(chart, task, width=60 + 40 * len(names)))
    below = "bars: mean over the clips of a class; lines: one standard deviation to both sides"
    return figure(panels, "Loudness per class", below, columns=min(3, len(panels)), note=note)
