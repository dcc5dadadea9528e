"""Charts of runs and sweeps: a table in, an Altair chart out. Shape and text say what colour says."""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import altair as alt
import pandas as pd
import streamlit as st

__all__ = [
    "Palette",
    "confusion_bars",
    "difference_dots",
    "f1_dots",
    "history_lines",
    "palette",
    "pr_curve",
    "sweep_lines",
    "tree_icicle",
]

ROW = 24
"""Height of a class in a chart, in pixels."""

Chart: TypeAlias = alt.LayerChart | alt.FacetChart

UNIT = alt.Scale(domain=[0, 1])


class Palette(NamedTuple):
    """Colours of one scheme: two runs, what stands behind, and the ramp of F1 with its texts.

    ``switch`` is the F1 at which both texts have the same contrast, 4.5.
    """

    first: str
    second: str
    quiet: str
    low: str
    high: str
    on_low: str
    on_high: str
    page: str
    switch: float


LIGHT = Palette(
    "#0f6b8f", "#b3541e", "#8a929c", "#e6f0f4", "#0f5f80", "#000000", "#ffffff", "#ffffff", switch=0.79
)
DARK = Palette(
    "#5bb8dc", "#f0a36b", "#7d8590", "#16303b", "#7fd0ef", "#ffffff", "#000000", "#0e1117", switch=0.5
)


def palette() -> Palette:
    """Return the colours of the scheme that the page has."""
    return DARK if st.context.theme.type == "dark" else LIGHT


def _classes(names: Sequence[str], title: str = "") -> alt.Y:
    return alt.Y("class:N", sort=list(names), title=title or None, axis=alt.Axis(labelLimit=170, ticks=False))


def _height(rows: int) -> int:
    return 30 + ROW * max(rows, 2)


def f1_dots(table: pd.DataFrame, names: Sequence[str], runs: Sequence[str]) -> Chart:
    """Draw F1 with its interval per class.

    Args:
        table: Columns ``class``, ``run``, ``F1``, ``low``, ``high``, ``positive``, ``songs``, ``support``
            (``enough`` or ``little``), ``prior F1``; a row per class and run, F1 NaN where undefined.
        names: Classes, from top to bottom.
        runs: Names of the runs; the second is drawn as diamonds.
    """
    colours = palette()
    # One legend for colour and shape together; its symbols are hollow, as nothing fills both kinds of dots.
    legend = (
        alt.Legend(orient="top", title=None, labelLimit=300, symbolFillColor="transparent")
        if len(runs) > 1
        else None
    )
    colour = alt.Color(
        "run:N",
        scale=alt.Scale(domain=list(runs), range=[colours.first, colours.second][: len(runs)]),
        legend=legend,
    )
    offset: dict[str, Any] = {"yOffset": alt.YOffset("run:N", sort=list(runs))} if len(runs) > 1 else {}
    tips = [
        alt.Tooltip("class:N"),
        alt.Tooltip("run:N"),
        *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("F1", "low", "high", "prior F1")),
        alt.Tooltip("positive:Q", title="positive mixes"),
        alt.Tooltip("songs:Q"),
    ]
    full = dict(zip(runs, (colours.first, colours.second), strict=False))
    ink = [
        colours.page if little else full[run]
        for run, little in zip(table["run"], table["support"] == "little", strict=True)
    ]
    defined = table.assign(ink=ink)[table["F1"].notna()]
    base = alt.Chart(defined).encode(y=_classes(names), tooltip=tips, **offset)
    x = alt.X("F1:Q", scale=UNIT, title="F1", axis=alt.Axis(orient="top", tickCount=5))
    prior = base.mark_tick(thickness=2, size=12, color=colours.quiet).encode(x=alt.X("prior F1:Q"))
    rule = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q"), x2="high:Q", color=colour)
    dots = base.mark_point(size=75, strokeWidth=2, opacity=1).encode(
        x=x,
        color=colour,
        shape=alt.Shape(
            "run:N",
            legend=legend,
            scale=alt.Scale(domain=list(runs), range=["circle", "diamond"][: len(runs)]),
        ),
        # Hollow: filled with the page's own colour, so that its interval does not run through it.
        fill=alt.Fill("ink:N", scale=None, legend=None),
    )
    missing = table[table["F1"].isna()].drop_duplicates("class")
    text = (
        alt.Chart(missing)
        .mark_text(align="left", dx=4, color=colours.quiet, fontSize=12)
        .encode(x=alt.datum(0), y=_classes(names), text=alt.value("undefined: no mix is known to hold it"))
    )
    return alt.layer(prior, rule, dots, text).properties(
        height=_height(len(names) * (2 if len(runs) > 1 else 1))
    )


def pr_curve(curves: pd.DataFrame, points: pd.DataFrame, runs: Sequence[str]) -> Chart:
    """Draw precision against recall, the chosen thresholds on it, and lines of equal F1 behind.

    Args:
        curves: Columns ``run``, ``threshold``, ``precision``, ``recall``, ``F1``, ``TP``, ``FP``, ``FN``.
        points: The same columns, a row per run.
        runs: Names of the runs; the second is dashed.
    """
    colours = palette()
    colour = alt.Color(
        "run:N",
        scale=alt.Scale(domain=list(runs), range=[colours.first, colours.second][: len(runs)]),
        legend=alt.Legend(orient="top", title=None, labelLimit=300) if len(runs) > 1 else None,
    )
    x = alt.X("recall:Q", scale=UNIT)
    y = alt.Y("precision:Q", scale=UNIT)
    tips = [
        alt.Tooltip("run:N"),
        *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("threshold", "precision", "recall", "F1")),
        *(alt.Tooltip(f"{name}:Q", format="d") for name in ("TP", "FP", "FN")),
    ]
    iso = alt.Chart(_iso_f1())
    behind = iso.mark_line(strokeWidth=1, strokeDash=[2, 4], color=colours.quiet).encode(
        x=x, y=y, detail="F1:N"
    )
    told = (
        iso.transform_filter("datum.recall == 1")
        .mark_text(align="right", dx=-3, dy=-9, color=colours.quiet, fontSize=11)
        .encode(x=x, y=y, text=alt.Text("label:N"))
    )
    line = (
        alt.Chart(curves)
        .mark_line(strokeWidth=2, interpolate="linear")
        .encode(
            x=x,
            y=y,
            color=colour,
            order="threshold:Q",
            strokeDash=alt.StrokeDash(
                "run:N", legend=None, scale=alt.Scale(domain=list(runs), range=[[1, 0], [6, 3]][: len(runs)])
            ),
        )
    )
    catch = (
        alt.Chart(curves).mark_point(size=120, opacity=0, filled=True).encode(x=x, y=y, tooltip=tips)
    )  # what the pointer finds
    dot = (
        alt.Chart(points)
        .mark_point(size=170, filled=True, opacity=1, stroke=colours.page, strokeWidth=2)
        .encode(
            x=x,
            y=y,
            color=colour,
            tooltip=tips,
            shape=alt.Shape(
                "run:N",
                legend=None,
                scale=alt.Scale(domain=list(runs), range=["circle", "diamond"][: len(runs)]),
            ),
        )
    )
    return alt.layer(behind, told, line, catch, dot).properties(height=340)


def _iso_f1() -> pd.DataFrame:
    rows = []
    for f1 in (0.2, 0.4, 0.6, 0.8):
        lowest = f1 / (2 - f1)
        for step in range(41):
            recall = lowest + (1 - lowest) * step / 40
            rows.append((f1, recall, f1 * recall / (2 * recall - f1), f"F1 {f1:g}"))
    return pd.DataFrame(rows, columns=["F1", "recall", "precision", "label"])


def tree_icicle(table: pd.DataFrame, levels: int, rows: int) -> Chart:
    """Draw the tree as boxes, families at the left, coloured by F1 with the figure in each.

    Args:
        table: Columns ``class``, ``level``, ``top``, ``bottom``, ``F1`` (NaN where undefined), ``figure``,
            ``positive``.
        levels: How many there are.
        rows: Rows of the drawing.
    """
    colours = palette()
    table = table.assign(right=table["level"] + 1, middle=(table["top"] + table["bottom"]) / 2)
    base = alt.Chart(table).encode(
        x=alt.X("level:Q", scale=alt.Scale(domain=[0, levels]), axis=None),
        x2="right:Q",
        y=alt.Y("top:Q", scale=alt.Scale(domain=[0, rows], reverse=True), axis=None),
        y2="bottom:Q",
        tooltip=[
            "class:N",
            alt.Tooltip("figure:N", title="F1"),
            alt.Tooltip("positive:Q", title="positive mixes"),
        ],
    )
    ramp = alt.Scale(domain=[0, 1], range=[colours.low, colours.high])
    boxes = base.mark_rect(stroke=colours.page, strokeWidth=2, cornerRadius=3).encode(
        color=alt.condition(
            "isValid(datum.F1)",
            alt.Color("F1:Q", scale=ramp, legend=alt.Legend(orient="top", title="F1", gradientLength=160)),
            alt.value("transparent"),
        )
    )
    table["ink"] = [
        colours.quiet if pd.isna(f1) else colours.on_high if f1 > colours.switch else colours.on_low
        for f1 in table["F1"]
    ]
    written = alt.Chart(table).encode(
        y=alt.Y("middle:Q", scale=alt.Scale(domain=[0, rows], reverse=True), axis=None),
        color=alt.Color("ink:N", scale=None, legend=None),
    )
    domain = alt.Scale(domain=[0, levels])
    names = written.mark_text(align="left", dx=8, fontSize=13, limit=130).encode(
        x=alt.X("level:Q", scale=domain), text="class:N"
    )
    figures = written.mark_text(align="right", dx=-8, fontSize=13, fontWeight="bold").encode(
        x=alt.X("right:Q", scale=domain), text="figure:N"
    )
    layers = alt.layer(boxes, names + figures).properties(height=50 + 26 * rows)
    drawn: alt.LayerChart = layers.resolve_scale(color="independent")
    return drawn


def confusion_bars(table: pd.DataFrame) -> Chart:
    """Draw pairs of classes: how many mixes are to be expected, and how many more there are.

    Args:
        table: Columns ``pair``, ``expected``, ``mixes``, ``excess``, ``missed``, ``added``, ``share``,
            ``usual``, in the order to be drawn.
    """
    colours = palette()
    y = alt.Y("pair:N", sort=list(table["pair"]), title=None, axis=alt.Axis(labelLimit=230, ticks=False))
    tips: list[Any] = [
        "missed:N",
        "added:N",
        "mixes:Q",
        *(alt.Tooltip(f"{name}:Q", format=".1f") for name in ("expected", "excess")),
        *(alt.Tooltip(f"{name}:Q", format=".0%") for name in ("share", "usual")),
    ]
    base = alt.Chart(table).encode(y=y, tooltip=tips)
    bar = base.mark_bar(color=colours.first, size=12, cornerRadiusEnd=2).encode(
        x=alt.X("mixes:Q", title="mixes", axis=alt.Axis(tickMinStep=1))
    )
    tick = base.mark_tick(color=colours.second, thickness=3, size=18).encode(x="expected:Q")
    return alt.layer(bar, tick).properties(height=_height(len(table)))


def history_lines(table: pd.DataFrame, best: pd.DataFrame, runs: Sequence[str], title: str) -> Chart:
    """Draw curves over epochs.

    Args:
        table: Columns ``run``, ``epoch``, ``curve``, ``value``.
        best: Columns ``run``, ``epoch``: the epoch whose weights were kept.
        runs: Names of the runs; the second is drawn thin.
        title: Of the vertical axis.
    """
    colours = palette()
    curves = list(dict.fromkeys(table["curve"]))
    colour = alt.Color(
        "curve:N",
        scale=alt.Scale(domain=curves, range=[colours.first, colours.second, colours.quiet][: len(curves)]),
        legend=alt.Legend(orient="top", title=None),
    )
    dash = alt.StrokeDash(
        "run:N",
        scale=alt.Scale(domain=list(runs), range=[[1, 0], [5, 3]][: len(runs)]),
        legend=alt.Legend(orient="top", title=None, labelLimit=300) if len(runs) > 1 else None,
    )
    x = alt.X("epoch:Q", axis=alt.Axis(tickMinStep=1, format="d"), scale=alt.Scale(zero=False, nice=False))
    tips = ["run:N", "curve:N", alt.Tooltip("epoch:Q", format="d"), alt.Tooltip("value:Q", format=".4f")]
    lines = (
        alt.Chart(table)
        .mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=36))
        .encode(
            x=x,
            y=alt.Y("value:Q", title=title, scale=alt.Scale(zero=False, padding=8)),
            color=colour,
            strokeDash=dash,
            shape=alt.Shape("curve:N", scale=alt.Scale(domain=curves)),
            tooltip=tips,
        )
    )
    rule = alt.Chart(best).mark_rule(color=colours.quiet, strokeDash=[3, 3]).encode(x="epoch:Q")
    return alt.layer(rule, lines).properties(height=260)


def difference_dots(table: pd.DataFrame, names: Sequence[str], title: str) -> Chart:
    """Draw differences with their paired intervals around 0.

    Args:
        table: Columns ``class``, ``difference``, ``low``, ``high``, ``verdict``.
        names: Rows, from top to bottom.
        title: Of the horizontal axis.
    """
    colours = palette()
    base = alt.Chart(table[table["difference"].notna()]).encode(
        y=_classes(names),
        tooltip=[
            "class:N",
            *(alt.Tooltip(f"{name}:Q", format="+.3f") for name in ("difference", "low", "high")),
            "verdict:N",
        ],
    )
    sure = alt.condition("datum.verdict == 'excludes 0'", alt.value(colours.first), alt.value(colours.page))
    zero = alt.Chart(pd.DataFrame({"at": [0.0]})).mark_rule(color=colours.quiet).encode(x="at:Q")
    rule = base.mark_rule(strokeWidth=2, color=colours.first).encode(x=alt.X("low:Q"), x2="high:Q")
    dots = base.mark_point(size=75, strokeWidth=2, opacity=1, stroke=colours.first).encode(
        x=alt.X("difference:Q", title=title, axis=alt.Axis(orient="top", tickCount=6)), fill=sure
    )
    return alt.layer(zero, rule, dots).properties(height=_height(len(names)))


def sweep_lines(
    table: pd.DataFrame, title: str, x_title: str, *, numeric: bool, small: bool = False
) -> Chart:
    """Draw a score along an axis: means over seeds with their intervals, and every seed as a small mark.

    Args:
        table: Columns ``x``, ``line``, ``mean``, ``low``, ``high``, ``seeds``; NaN where undefined.
        title: Of the score.
        x_title: Of the axis.
        numeric: Whether ``x`` is a number.
        small: As one of many.
    """
    colours = palette()
    kind = "Q" if numeric else "N"
    several = table["line"].nunique() > 1
    x: Any = alt.X(
        f"x:{kind}",
        title=None if small else x_title,
        sort=None,
        axis=alt.Axis(tickCount=6, labelLimit=160) if numeric else alt.Axis(labelLimit=160),
        scale=alt.Scale(padding=12, nice=False, zero=False) if numeric else alt.Undefined,
    )
    extra: dict[str, Any] = {}
    if several:
        extra["color"] = alt.Color("line:N", legend=None if small else alt.Legend(orient="top", title=None))
        extra["shape"] = alt.Shape("line:N", legend=None)
    defined = table[table["mean"].notna()]
    base = alt.Chart(defined).encode(
        x=x,
        tooltip=[
            alt.Tooltip(f"x:{kind}", title=x_title),
            *([alt.Tooltip("line:N", title="with")] if several else []),
            *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("mean", "low", "high")),
            alt.Tooltip("seeds:Q"),
        ],
        **({k: v for k, v in extra.items() if k == "color"}),
    )
    colour: dict[str, Any] = {} if several else {"color": colours.first}
    # A small chart is too low for round ends and many ticks: they would leave one number or flatten the line.
    y = alt.Y(
        "mean:Q",
        title=None if small else title,
        axis=alt.Axis(tickCount=3) if small else alt.Undefined,
        scale=alt.Scale(zero=False, padding=10, nice=not small),
    )
    rule = base.mark_rule(strokeWidth=2, **colour).encode(y=alt.Y("low:Q"), y2="high:Q")
    dots = base.mark_point(size=30 if small else 70, filled=True, opacity=1, **colour).encode(
        y=y, **({"shape": extra["shape"]} if several else {})
    )
    layers = [rule, dots]
    if numeric:
        layers.insert(0, base.mark_line(strokeWidth=1.5 if small else 2, **colour).encode(y=y))
    return alt.layer(*layers).properties(height=140 if small else 320)
