"""The bars of Choi et al. as dots: each combination of blocks, a panel per task, beside the baselines."""

import math

import altair as alt
import pandas as pd

from mixlab.evaluation.charts import Chart, dots, figure, panel
from mixlab.studies.convnet_feature.tables import metric_of, results_by_task
from mixlab.studies.results import ConditionResult, StudyResults

__all__ = ["feature_dots"]


def feature_dots(results: StudyResults, *, note: str = "") -> alt.VConcatChart:
    """Draw a panel per task and a row per feature, its interval over groups and every seed."""
    panels = list[Chart]()
    for task, own in results_by_task(results).items():
        metric = metric_of(own)
        rows = [_row(c, metric) for c in own.done]
        marks = [
            {"row": _title(c), "kind": "seed", "value": value}
            for c in own.done
            for value in c.test.by_seed(metric)
        ]
        chart = dots(
            pd.DataFrame(rows), [_title(c) for c in own.done], "", marks=pd.DataFrame(marks), labels=True
        )
        panels.append(panel(chart, f"{task}: {own.metric(metric).mean_title}", width=220))
    below = "numbers: blocks of the source network, 1 the lowest"
    return figure(panels, results.title, below, columns=min(3, len(panels)), note=note)


def _title(condition: ConditionResult) -> str:
    one = condition.condition
    return one.label.removeprefix(f"{one.task}: ").removeprefix("convnet ")


def _row(condition: ConditionResult, metric: str) -> dict[str, object]:
    e = condition.test.of(metric)
    low, high = (math.nan, math.nan) if e.songs is None else (e.songs.low, e.songs.high)
    return {"row": _title(condition), "run": _title(condition), "value": e.value, "low": low, "high": high}
