"""Cached rows of the table of runs, by plain values only, and what two of them differ in."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from app.data import runs as runs_data
from app.links import RunLocation
from mixlab import MixlabError
from mixlab.evaluation import Difference, SplitScores
from mixlab.studies.overview import RunOverview, differing_settings, read_overview, report_differences

__all__ = [
    "difference_rows",
    "folder_of",
    "get_overview",
    "run_table",
    "score_differences",
    "setting_table",
]

ALL = "all classes"


@st.cache_resource(max_entries=2000, show_spinner=False)
def get_overview(location: RunLocation) -> RunOverview:
    """Return a run's settings and scores."""
    return read_overview(location.path)


def folder_of(name: str) -> str:
    """Return the folder that a run was found in, as names of runs give it."""
    return name.rpartition("/")[0] or name


def run_table(runs: Mapping[RunLocation, RunOverview], split: str, settings: Sequence[str]) -> pd.DataFrame:
    """Return one row per run: how it stands, its scores over all classes, some of its settings.

    Args:
        runs: The runs.
        split: ``test`` or ``validation``.
        settings: Which settings become columns.
    """
    metrics = {
        metric.name: metric.mean_title
        for run in runs.values()
        if split in run.splits
        for metric in run.splits[split].metrics
        if not metric.detail
    }
    rows = []
    for location, run in runs.items():
        part = run.splits.get(split)
        row: dict[str, object] = {"run": location.name, "status": run.status or "cannot be read"}
        row["items"] = None if part is None else part.n_items
        row |= {title: _value(part, name) for name, title in metrics.items()}
        row["seed"] = str(run.settings.get("train.seed", ""))
        row["made by"] = run.command
        row |= {name: _text(run.settings.get(name)) for name in settings if name != "train.seed"}
        row["remark"] = "; ".join(filter(None, (run.note, run.problem)))
        rows.append(row)
    return pd.DataFrame(rows)


def _value(part: SplitScores | None, metric: str) -> float:
    found = None if part is None else part.scores.get(metric)
    return math.nan if found is None else found.value


def _text(value: object) -> str:
    return "" if value is None else str(value)


def score_differences(
    a: RunLocation, b: RunLocation, split: str
) -> tuple[dict[str, tuple[Difference, ...]], str]:
    """Return the scores of two runs and b - a by metric, and why they are not paired; '' where they are.

    Paired are runs on the same mixes or clips: then there are intervals over songs. Of others the reports are
    put beside each other.
    """
    why = ""
    if a.is_scored and b.is_scored:
        try:
            why = runs_data.mismatch(a, b, split)
            if not why:
                return dict(runs_data.get_comparison(a, b, split).rows), ""
        except MixlabError as error:
            why = str(error)
    first, second = get_overview(a).splits.get(split), get_overview(b).splits.get(split)
    if first is None or second is None:
        missing = a.name if first is None else b.name
        return {}, why or f"{missing} has no scores on {split}. 'mixlab evaluate' makes them."
    return report_differences(first, second), why or "One of them keeps no predictions."


def difference_rows(found: Mapping[str, Sequence[Difference]], titles: Mapping[str, str]) -> pd.DataFrame:
    """Return one row per score: over all classes first, then class by class.

    Args:
        found: Differences by metric, as ``score_differences`` returns them.
        titles: What each metric is called over all classes and per class, by its name.
    """
    rows = []
    for name, differences in found.items():
        for one in differences:
            whole = one.name in ("all", "macro", "micro")
            rows.append(
                {
                    "score": titles.get(name, name),
                    "of": ALL if whole else one.name,
                    "A": one.a,
                    "B": one.b,
                    "B - A": one.difference,
                    "from": math.nan if one.interval is None else one.interval.low,
                    "to": math.nan if one.interval is None else one.interval.high,
                    "95 %": _verdict(one),
                }
            )
    table = pd.DataFrame(rows, columns=["score", "of", "A", "B", "B - A", "from", "to", "95 %"])
    return table.sort_values("of", key=lambda of: of != ALL, kind="stable").reset_index(drop=True)


def _verdict(one: Difference) -> str:
    if not math.isfinite(one.difference):
        return "undefined"
    if one.interval is None:
        return "no interval"
    return "excludes 0" if one.excludes_zero else "holds 0"


def setting_table(a: RunOverview, b: RunOverview) -> pd.DataFrame:
    """Return the settings in which two runs differ."""
    return pd.DataFrame(differing_settings(a, b), columns=["setting", "A", "B"])
