"""Charts of what a model gets wrong: precision against recall, the tree of classes, confusions."""

import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixlab.evaluation.charts.style import (
    LIGHT,
    ROW,
    SHAPES,
    UNIT,
    Chart,
    Palette,
    Table,
    cycled,
    height_of,
    legend,
    rows_axis,
    tips,
)

__all__ = ["confusion_bars", "confusion_matrix", "confusion_table", "recall_curve", "tree_chart"]


def recall_curve(curves: Table, points: Table, runs: Sequence[str], *, colours: Palette = LIGHT) -> Chart:
    """Draw precision against recall, the chosen thresholds on it, and lines of equal F1 behind.

    Args:
        curves: Columns ``run``, ``threshold``, ``precision``, ``recall``, ``F1``, ``TP``, ``FP``, ``FN``.
        points: The same columns, a row per run.
        runs: Names of the runs; the second is dashed.
        colours: Of the page.
    """
    shown = {name: f"{name}:Q" for name in ("threshold", "precision", "recall", "F1")}
    place: dict[str, Any] = {"x": alt.X("recall:Q", scale=UNIT), "y": alt.Y("precision:Q", scale=UNIT)}
    pointer = tips(run="run:N", **shown, **{name: f"{name}:d" for name in ("TP", "FP", "FN")})
    key = legend(runs, hollow=False)
    if key is not None:
        key["symbolStrokeWidth"] = 0  # or the symbol of a dashed line were dashed, too
    colour = alt.Color("run:N", scale=cycled(colours.series, runs), legend=key)
    shape = alt.Shape("run:N", legend=None, scale=cycled(SHAPES, runs))
    dash = alt.StrokeDash("run:N", legend=None, scale=cycled(([1, 0], [6, 3]), runs))
    equal = alt.Chart(_equal_f1())
    curve, dot = alt.Chart(curves), alt.Chart(points)
    behind = equal.mark_line(strokeWidth=1, strokeDash=[2, 4], color=colours.quiet)
    names = equal.transform_filter("datum.recall == 1").mark_text(
        align="right", dx=-3, dy=-9, color=colours.quiet, fontSize=11
    )
    return alt.layer(
        behind.encode(detail="F1:N", **place),
        names.encode(text="label:N", **place),
        curve.mark_line(strokeWidth=2).encode(color=colour, order="threshold:Q", strokeDash=dash, **place),
        # What the pointer finds: a line alone is too thin for it.
        curve.mark_point(size=120, opacity=0, filled=True).encode(tooltip=pointer, **place),
        dot.mark_point(size=170, filled=True, opacity=1, stroke=colours.page, strokeWidth=2).encode(
            color=colour, tooltip=pointer, shape=shape, **place
        ),
    ).properties(height=340)


def _equal_f1() -> Table:
    rows = []
    for f1 in (0.2, 0.4, 0.6, 0.8):
        lowest = f1 / (2 - f1)
        for step in range(41):
            recall = lowest + (1 - lowest) * step / 40
            rows.append((f1, recall, f1 * recall / (2 * recall - f1), f"F1 {f1:g}"))
    return pd.DataFrame(rows, columns=["F1", "recall", "precision", "label"])


def tree_chart(table: Table, *, items: str = "mixes", colours: Palette = LIGHT) -> Chart:
    """Draw the tree as boxes, families at the left, coloured by F1 with the figure in each.

    Args:
        table: Columns ``class``, ``level``, ``top``, ``bottom``, ``F1`` (NaN where undefined), ``figure``,
            ``positive``.
        items: What is counted.
        colours: Of the page.
    """
    levels, rows = int(table["level"].max()) + 1, int(table["bottom"].max())
    ink = [
        colours.quiet if pd.isna(f1) else colours.on_high if f1 > colours.switch else colours.on_low
        for f1 in table["F1"]
    ]
    table = table.assign(right=table["level"] + 1, middle=(table["top"] + table["bottom"]) / 2, ink=ink)
    across = alt.Scale(domain=[0, levels])
    down: dict[str, Any] = {"scale": alt.Scale(domain=[0, rows], reverse=True), "axis": None}
    ramp = alt.Scale(domain=[0, 1], range=[colours.low, colours.high])
    key = alt.Legend(orient="top", title="F1", gradientLength=160)
    boxes = (
        alt.Chart(table)
        .mark_rect(stroke=colours.page, strokeWidth=2, cornerRadius=3)
        .encode(
            x=alt.X("level:Q", scale=across, axis=None),
            x2="right:Q",
            y=alt.Y("top:Q", **down),
            y2="bottom:Q",
            tooltip=tips(**{"class": "class:N", "figure": "F1:N", "positive": f"positive {items}:d"}),
            color=alt.condition(
                "isValid(datum.F1)", alt.Color("F1:Q", scale=ramp, legend=key), alt.value("transparent")
            ),
        )
    )
    written = alt.Chart(table).encode(
        y=alt.Y("middle:Q", **down), color=alt.Color("ink:N", scale=None, legend=None)
    )
    names = written.mark_text(align="left", dx=8, fontSize=13, limit=130)
    figures = written.mark_text(align="right", dx=-8, fontSize=13, fontWeight="bold")
    texts = names.encode(x=alt.X("level:Q", scale=across), text="class:N") + figures.encode(
        x=alt.X("right:Q", scale=across), text="figure:N"
    )
    drawn: Chart = (
        alt.layer(boxes, texts).properties(height=50 + 26 * rows).resolve_scale(color="independent")
    )
    return drawn


MOST_FIGURES = 25
"""Up to so many classes the cells of a confusion matrix have their figures in them."""


def confusion_table(names: Sequence[str], counts: NDArray[np.int64]) -> Table:
    """Return what ``confusion_matrix`` draws: a row per cell of counts ``(C, C)``, rows in truth."""
    sums = counts.sum(axis=1)
    rows = [
        (truth, decided, int(counts[a, b]), counts[a, b] / sums[a] if sums[a] else math.nan)
        for a, truth in enumerate(names)
        for b, decided in enumerate(names)
    ]
    return pd.DataFrame(rows, columns=["truth", "decided", "count", "share"])


def confusion_matrix(table: Table, names: Sequence[str], items: str, *, colours: Palette = LIGHT) -> Chart:
    """Draw what was decided (columns) of what is true (rows) as a map, with the number of items in each cell.

    Args:
        table: From ``confusion_table``: columns ``truth``, ``decided``, ``count``, ``share`` (of the row; NaN
            for an empty one).
        names: The classes, in the order of rows and columns.
        items: What is counted: ``clips``.
        colours: Of the page.
    """
    ink = [colours.on_high if share > colours.switch else colours.on_low for share in table["share"]]
    table = table.assign(ink=ink)
    # No label may be left out, as Vega does where they come close.
    under = alt.Axis(orient="top", labelAngle=-90, labelLimit=140, ticks=False, labelOverlap=False)
    x = alt.X("decided:N", sort=list(names), title="decided for", axis=under)
    y = alt.Y(
        "truth:N",
        sort=list(names),
        title="in truth",
        axis=alt.Axis(labelLimit=200, ticks=False, labelOverlap=False),
    )
    ramp = alt.Scale(domain=[0, 1], range=[colours.low, colours.high])
    key = alt.Legend(title=f"share of the class's {items}", format=".0%", gradientLength=120)
    pointer = [
        *tips(truth="in truth:N", decided="decided for:N", count=f"{items}:d"),
        *tips(".0%", share="share of the class:Q"),
    ]
    base = alt.Chart(table).encode(x=x, y=y, tooltip=pointer)
    shade = alt.condition(
        "isValid(datum.share)", alt.Color("share:Q", scale=ramp, legend=key), alt.value("transparent")
    )
    layers: list[Any] = [base.mark_rect(stroke=colours.page, strokeWidth=1).encode(color=shade)]
    if len(names) <= MOST_FIGURES:
        figures = base.transform_filter("datum.count > 0").mark_text(fontSize=12)
        layers.append(figures.encode(text="count:Q", color=alt.Color("ink:N", scale=None, legend=None)))
    # The height is that of all there is: the names above the columns take their part of it.
    side = 120 + ROW * max(len(names), 4)
    drawn: Chart = alt.layer(*layers).properties(height=side).resolve_scale(color="independent")
    return drawn


def confusion_bars(table: Table, *, items: str = "mixes", colours: Palette = LIGHT) -> Chart:
    """Draw pairs of classes: how many mixes are to be expected, and how many more there are.

    Args:
        table: Columns ``pair``, ``expected``, ``mixes``, ``excess``, ``missed``, ``added``, ``share``,
            ``usual``, in the order to be drawn.
        items: What is counted.
        colours: Of the page.
    """
    pointer = [
        *tips(
            ".1f",
            missed="missed:N",
            added="added:N",
            mixes=f"{items}:d",
            expected="expected:Q",
            excess="excess:Q",
        ),
        *tips(".0%", share="share:Q", usual="usual:Q"),
    ]
    base = alt.Chart(table).encode(y=rows_axis(list(table["pair"]), "pair"), tooltip=pointer)
    bar = base.mark_bar(color=colours.series[0], size=12, cornerRadiusEnd=2)
    # With an edge in the page's colour, to be seen on every bar.
    edge = base.mark_tick(color=colours.page, thickness=6, size=18)
    tick = base.mark_tick(color=colours.series[1], thickness=3, size=18)
    return alt.layer(
        bar.encode(x=alt.X("mixes:Q", title=items, axis=alt.Axis(tickMinStep=1))),
        edge.encode(x="expected:Q"),
        tick.encode(x="expected:Q"),
    ).properties(height=height_of(len(table)))
