"""Tables and texts of runs: numbers in, data frames and words out."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mixlab.evaluation import METRICS, MIN_SONGS, Difference, Interval, SplitScores
from mixlab.evaluation.error_analysis import Confusion, TreeBox
from mixlab.evaluation.measured import Score
from mixlab.evaluation.thresholding import Decided, Fixed, SplitTable, chance_f1

__all__ = [
    "FEW",
    "class_order",
    "class_table",
    "confusion_table",
    "curve_table",
    "difference_dots",
    "difference_table",
    "dot_table",
    "external_dots",
    "external_table",
    "figure",
    "history_table",
    "is_little",
    "point_table",
    "say_interval",
    "tree_table",
]

FEW = 30
"""Known positives below which a class's scores are drawn hollow."""

WORST = "worst first"
ORDERS = (WORST, "best first", "as in the label set", "by support")

LOSSES = {"train_loss": "training", "validation_loss": "validation"}
_NONE = {"low": math.nan, "high": math.nan}


def figure(value: float, digits: int = 3) -> str:
    """Return a number as text; an undefined one as a dash."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"


def say_interval(interval: Interval | None) -> str:
    """Return an interval as text; a missing one in words."""
    return "no interval" if interval is None else f"95 %: {interval.low:.3f} to {interval.high:.3f}"


def is_little(decided: Decided, column: int) -> bool:
    """Tell whether a class has so few positives that its scores mean little."""
    return bool(decided.support[column] < FEW or decided.songs[column] < MIN_SONGS)


def class_order(labels: Sequence[str], decided: Decided, order: str) -> list[int]:
    """Return columns in the order of ``ORDERS``; undefined ones last where F1 orders them."""
    columns = list(range(len(labels)))
    if order in ORDERS[:2]:
        f1, sign = decided.values("f1"), 1 if order == WORST else -1
        return sorted(columns, key=lambda c: sign * f1[c] if math.isfinite(f1[c]) else math.inf)
    return sorted(columns, key=lambda c: -int(decided.support[c])) if order == "by support" else columns


def class_table(
    table: SplitTable, decided: Decided, fixed: Fixed, order: Sequence[int], fitted: bool
) -> pd.DataFrame:
    """Return one row per class: support, decisions at the threshold, scores without one."""
    chance = chance_f1(table)
    rows = [
        {
            "class": table.labels[c],
            "positive": int(decided.support[c]),
            "known": int(decided.known[c]),
            "songs": int(decided.songs[c]),
            "threshold": float(decided.thresholds[c]),
            "P": decided.of_class("precision", c).value,
            "R": decided.of_class("recall", c).value,
            **_with_ends(_columns("F1"), decided.of_class("f1", c)),
            "chance F1": chance[c],
            **_fixed_columns(fixed, c),
            "remark": _remark(table, decided, c, fitted),
        }
        for c in order
    ]
    made = pd.DataFrame(rows).rename(columns={"songs": table.units.groups})
    return made.drop(columns="threshold") if table.single_label else made


def _with_ends(names: tuple[str, str, str], score: Score) -> dict[str, float]:
    """Return a score and the ends of its interval, NaN where there is none."""
    low, high = (math.nan, math.nan) if score.interval is None else (score.interval.low, score.interval.high)
    return dict(zip(names, (score.value, low, high), strict=True))


def _columns(title: str) -> tuple[str, str, str]:
    return title, f"{title} from", f"{title} to"


def _fixed_columns(fixed: Fixed, column: int) -> dict[str, float]:
    shown = [metric for metric in fixed.metrics if metric.name in fixed.classes and not metric.detail]
    columns: dict[str, float] = {}
    for metric in shown:
        columns |= _with_ends(_columns(metric.title), fixed.classes[metric.name][column])
    return columns


def _remark(table: SplitTable, decided: Decided, column: int, fitted: bool) -> str:
    said = []
    if not decided.support[column]:
        said.append("undefined: no known positive")
    elif is_little(decided, column):
        said.append("little support")
    if fitted and not (table.single_label or table.fitted.fitted[column]):
        said.append("threshold not fitted: no positive on validation")
    return "; ".join(said)


def dot_table(table: SplitTable, runs: Mapping[str, Decided], order: Sequence[int]) -> pd.DataFrame:
    """Return what the dots of F1 are drawn from, a row per class and run."""
    chance = chance_f1(table)
    return pd.DataFrame(
        [
            {
                "row": table.labels[c],
                "run": name,
                **_with_ends(("value", "low", "high"), decided.of_class("f1", c)),
                "chance": chance[c],
                "positive": int(decided.support[c]),
                "songs": int(decided.songs[c]),
                "hollow": is_little(decided, c),
            }
            for c in order
            for name, decided in runs.items()
        ]
    )


def curve_table(curves: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Return precision-recall curves by run as one table."""
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "run": name,
                    **{key: curve[key] for key in ("threshold", "precision", "recall")},
                    "F1": curve["f1"],
                    **{key: np.asarray(curve[key.lower()]).astype(int) for key in ("TP", "FP", "FN")},
                }
            )
            for name, curve in curves.items()
        ],
        ignore_index=True,
    )


def point_table(runs: Mapping[str, Decided], column: int) -> pd.DataFrame:
    """Return where the chosen thresholds lie on the curves of a class."""
    return pd.DataFrame(
        [
            {
                "run": name,
                "threshold": float(decided.thresholds[column]),
                "precision": decided.of_class("precision", column).value,
                "recall": decided.of_class("recall", column).value,
                "F1": decided.of_class("f1", column).value,
                "TP": int(decided.tp[column]),
                "FP": int(decided.predicted[column] - decided.tp[column]),
                "FN": int(decided.support[column] - decided.tp[column]),
            }
            for name, decided in runs.items()
        ]
    )


def tree_table(boxes: Sequence[TreeBox], table: SplitTable, decided: Decided) -> pd.DataFrame:
    """Return one row per box of the tree."""
    return pd.DataFrame(
        [
            {
                "class": table.labels[box.column],
                "level": box.level,
                "top": box.top,
                "bottom": box.bottom,
                "F1": decided.values("f1")[box.column],
                "figure": figure(decided.values("f1")[box.column])
                + (" °" if is_little(decided, box.column) else ""),
                "positive": int(decided.support[box.column]),
            }
            for box in boxes
        ]
    )


def confusion_table(found: Sequence[Confusion]) -> pd.DataFrame:
    """Return one row per pair of classes."""
    columns = ["missed", "added", "mixes", "expected", "excess", "possible", "share", "usual"]
    rows = [
        (c.missed, c.added, c.mixes, c.possible * c.usual, c.excess, c.possible, c.share, c.usual)
        for c in found
    ]
    table = pd.DataFrame(rows, columns=columns)
    table.insert(0, "pair", [f"{c.missed} → {c.added}" for c in found])
    return table


def external_table(scores: SplitScores) -> pd.DataFrame:
    """Return one row per class of a table of an external report: support, and every score beside chance."""
    shown = [m for m in scores.metrics if m.over == "class" and not m.detail]
    rows = []
    for k in scores.classes:
        row: dict[str, Any] = {
            "class": k.name, "positive": k.support, "known": k.known, scores.units.groups: k.songs
        }  # fmt: skip
        for metric in shown:
            row |= _with_ends(_columns(metric.title), k.scores[metric.name])
            if metric.beside_chance:
                row[f"chance {metric.title}"] = k.scores[metric.name].chance
        rows.append(row)
    return pd.DataFrame(rows)


def external_dots(scores: SplitScores) -> pd.DataFrame:
    """Return what the dots of average precision are drawn from, a row per class."""
    rows = []
    for k in scores.classes:
        ap = k.scores["average_precision"]
        little = k.support < FEW or k.songs < MIN_SONGS
        row = {"row": k.name, **_with_ends(("value", "low", "high"), ap)}
        rows.append({**row, "chance": ap.chance, "positive": k.support, "hollow": little})
    return pd.DataFrame(rows)


def _curves(row: Mapping[str, float], kind: str) -> dict[str, str]:
    """Return what the columns of an epoch are called that belong to a chart: losses, or scores."""
    if kind == "loss":
        return LOSSES
    names = [
        key.removeprefix("validation_") for key in row if key.startswith("validation_") and key not in LOSSES
    ]
    return {f"validation_{k}": f"validation {METRICS[k].mean_title if k in METRICS else k}" for k in names}


def history_table(metrics: Mapping[str, Sequence[Mapping[str, float]]], kind: str) -> pd.DataFrame:
    """Return the learning curves of some runs, a row per run, curve and epoch that has a value."""
    rows = [
        {"run": name, "epoch": int(row["epoch"]), "curve": title, "value": row[key]}
        for name, epochs in metrics.items()
        for row in epochs
        for key, title in _curves(row, kind).items()
        if math.isfinite(row.get(key, math.nan))
    ]
    return pd.DataFrame(rows, columns=["run", "epoch", "curve", "value"])


def difference_table(differences: Sequence[Difference], groups: str = "songs") -> pd.DataFrame:
    """Return one row per class and mean: both scores, their difference, its paired interval.

    Args:
        differences: Of two runs.
        groups: What is sampled for the intervals.
    """
    rows = []
    for d in differences:
        ends = _NONE if d.interval is None else {"low": d.interval.low, "high": d.interval.high}
        verdict = "no interval" if d.interval is None else "excludes 0" if d.excludes_zero else "holds 0"
        if not math.isfinite(d.difference):
            verdict = "undefined"
        rows.append(
            {
                "class": d.name,
                groups: d.songs,
                "A": d.a,
                "B": d.b,
                "difference": d.difference,
                **ends,
                "B better": d.better,
                "verdict": verdict,
                "dropped": d.dropped,
            }
        )
    return pd.DataFrame(rows)


def difference_dots(table: pd.DataFrame) -> pd.DataFrame:
    """Return what the dots of ``difference_table`` are drawn from: filled where the interval excludes 0."""
    named = table.rename(columns={"class": "row", "difference": "value"})
    return named.assign(hollow=named["verdict"] != "excludes 0")
