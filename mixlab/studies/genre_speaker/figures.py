"""The figures of the study of genre and speaker: accuracy of every condition, and confusion matrices."""

import altair as alt
import pandas as pd

from mixlab.evaluation.charts import UNIT, Chart, confusion_matrix, confusion_table, dots, figure, panel
from mixlab.studies.genre_speaker.grid import METRIC
from mixlab.studies.genre_speaker.tables import chance_of, confusion_of
from mixlab.studies.results import ConditionResult, StudyResults

__all__ = ["accuracy_dots", "confusion_maps"]


def accuracy_dots(results: StudyResults, *, note: str = "") -> alt.VConcatChart:
    """Draw accuracy, a panel per task and a row per condition; ticks mark naming the most frequent class."""
    panels = list[Chart]()
    for own in results.by_task():
        labels = [c.condition.label for c in own.done]
        table = pd.DataFrame([_row(c) for c in own.done])
        marks = pd.DataFrame(
            {"row": c.condition.label, "run": c.condition.label, "value": value, "kind": "seed"}
            for c in own.done
            for value in c.test.by_seed(METRIC)
        )
        chart = dots(table, labels, "", marks=marks, scale=UNIT)
        panels.append(panel(chart, f"accuracy, {own.done[0].condition.task}", width=260))
    below = "grey ticks: naming the most frequent class"
    return figure(panels, results.title, below, columns=1, note=note)


def _row(c: ConditionResult) -> dict[str, object]:
    e = c.test.of(METRIC)
    low, high = (float("nan"), float("nan")) if e.songs is None else (e.songs.low, e.songs.high)
    label = c.condition.label
    return {"row": label, "run": label, "value": e.value, "low": low, "high": high, "chance": chance_of(c)}


def confusion_maps(
    results: StudyResults, conditions: list[ConditionResult], *, note: str = ""
) -> alt.VConcatChart:
    """Draw the confusion matrix of each condition: shares of each class in truth, over all seeds."""
    panels = [panel(_map(c), c.condition.label, width=280, height=280) for c in conditions]
    below = "rows: classes in truth; columns: decided for; shares of the row, over all seeds"
    return figure(panels, results.title, below, columns=2, note=note)


def _map(c: ConditionResult) -> Chart:
    return confusion_matrix(confusion_table(c.labels, confusion_of(c)), c.labels, "clips")
