"""Scores that no threshold moves, as a run's report has them: average precision and ROC-AUC."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixlab.evaluation import Interval, average_precision, roc_auc
from mixlab.evaluation.arrays import Floats, count_undefined, mean_defined
from mixlab.evaluation.thresholding import SplitTable

__all__ = ["Ranking", "ranking_of"]


@dataclass(frozen=True, eq=False)
class Ranking:
    """How well scores order the mixes; arrays are ``(C,)``, NaN where undefined.

    Attributes:
        ap: Average precision.
        low: Lower end of its 95 % interval over songs; NaN where there is none.
        high: Its upper end.
        auc: ROC-AUC.
        chance_f1: F1 of predicting the class always: what any model should beat.
        macro_ap: Mean of ``ap`` (mAP).
        macro_auc: Mean of ``auc``.
        ap_interval: Of ``macro_ap``.
        auc_interval: Of ``macro_auc``.
        ap_undefined: Classes that ``macro_ap`` leaves out.
        auc_undefined: Classes that ``macro_auc`` leaves out.
        ap_dropped: Resamples that ``ap_interval`` leaves out.
        auc_dropped: Resamples that ``auc_interval`` leaves out.
        reported: Whether it is from the run's report. If not, it is computed here, without intervals.
    """

    ap: Floats
    low: Floats
    high: Floats
    auc: Floats
    chance_f1: Floats
    macro_ap: float
    macro_auc: float
    ap_interval: Interval | None = None
    auc_interval: Interval | None = None
    ap_undefined: int = 0
    auc_undefined: int = 0
    ap_dropped: int = 0
    auc_dropped: int = 0
    reported: bool = False


def ranking_of(table: SplitTable, report: Mapping[str, Any] | None) -> Ranking:
    """Return average precision and ROC-AUC of a split, from the report where it is of these predictions.

    Resampling them takes a pass over all mixes per class and resample, so it is done once, when a run is
    evaluated, and read from there.

    Args:
        table: The split.
        report: ``report.json``; None where there is none.
    """
    part = (report or {}).get("splits", {}).get(table.split)
    support = table.support.sum(0)
    if part is None or not _is_of(part, table):
        ap = average_precision(table.scores, table.present, table.known)
        auc = roc_auc(table.scores, table.present, table.known)
        nothing = np.full(len(ap), math.nan)
        share = np.divide(support, table.known.sum(0), out=nothing.copy(), where=support > 0)
        return Ranking(
            ap,
            nothing,
            nothing,
            auc,
            2 * share / (1 + share),
            mean_defined(ap),
            mean_defined(auc),
            ap_undefined=count_undefined(ap),
            auc_undefined=count_undefined(auc),
        )
    rows, macro = part["classes"], part["macro"]
    ends = [_interval(row["average_precision_interval"]) for row in rows]
    return Ranking(
        ap=_column(rows, "average_precision"),
        low=np.array([math.nan if end is None else end.low for end in ends]),
        high=np.array([math.nan if end is None else end.high for end in ends]),
        auc=_column(rows, "roc_auc"),
        chance_f1=_column(rows, "chance_f1"),
        macro_ap=_number(macro["average_precision"]),
        macro_auc=_number(macro["roc_auc"]),
        ap_interval=_interval(macro["average_precision_interval"]),
        auc_interval=_interval(macro["roc_auc_interval"]),
        ap_undefined=macro["average_precision_undefined"],
        auc_undefined=macro["roc_auc_undefined"],
        ap_dropped=macro["average_precision_dropped"],
        auc_dropped=macro["roc_auc_dropped"],
        reported=True,
    )


def _is_of(part: Mapping[str, Any], table: SplitTable) -> bool:
    """Whether a report's split is of these predictions: the same classes, mixes and positives."""
    rows = part["classes"]
    return (
        part["n_items"] == len(table)
        and [row["name"] for row in rows] == list(table.labels)
        and [row["support"] for row in rows] == table.support.sum(0).tolist()
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _column(rows: list[dict[str, Any]], name: str) -> Floats:
    return np.array([_number(row[name]) for row in rows])


def _interval(value: Mapping[str, float] | None) -> Interval | None:
    return None if value is None else Interval(value["low"], value["high"])
