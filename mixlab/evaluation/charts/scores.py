"""Charts of scores: of classes and conditions, along a setting, over epochs, and over a recording."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

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
    tell_apart,
    tips,
)

__all__ = ["bars", "dots", "history", "lines", "timeline"]

DASHES = ([1, 0], [6, 3], [2, 2], [8, 2, 2, 2])
_SILENT = "#d4d4d4"


def dots(
    table: Table,
    rows: Sequence[str],
    title: str,
    *,
    runs: Sequence[str] = (),
    marks: Table | None = None,
    zero: bool = False,
    scale: alt.Scale | None = None,
    number: str = ".3f",
    more: Mapping[str, str] | None = None,
    undefined: str = "undefined",
    labels: bool = True,
    pointed: bool = False,
    colours: Palette = LIGHT,
) -> Chart:
    """Draw a row per class or condition: a dot, its interval as a line, the score of chance as a grey tick.

    Args:
        table: Columns ``row``, ``value`` (NaN where undefined), ``low``, ``high`` (NaN without an interval);
            with several runs ``run``; where they are there, ``chance``, and ``hollow``, True for dots that
            are not filled.
        rows: The rows from top to bottom.
        title: Of the horizontal axis.
        runs: Names of the runs in each row, told apart by colour and shape.
        marks: Columns ``row``, ``value``, ``kind``: strokes for the kind ``seed``, else hollow diamonds.
        zero: Whether to draw a line at 0.
        scale: Of the horizontal axis; None fits it to the values.
        number: How the pointer writes values.
        more: What else the pointer shows, as for ``tips``.
        undefined: What stands in rows without a value.
        labels: Whether the rows have their names beside them.
        pointed: Whether a pointer finds a row anywhere along it, for charts whose rows are clicked.
        colours: Of the page.
    """
    known, missing = table[table["value"].notna()], table[table["value"].isna()].drop_duplicates("row")
    y = rows_axis(rows, labels=labels)
    x = alt.X(
        "value:Q",
        scale=scale or alt.Scale(zero=False, padding=8),
        title=title or None,
        axis=alt.Axis(orient="top", tickCount=5),
    )
    named = tell_apart("run", runs, colours)
    aside: dict[str, Any] = {"yOffset": alt.YOffset("run:N", sort=list(runs))} if len(runs) > 1 else {}
    chance = {"chance": "chance:Q"} if "chance" in table else {}
    who = {"row": "class:N", "run": "run:N"} if runs else {"row": "row:N"}
    ends = {"low": "from:Q", "high": "to:Q"}
    pointer = tips(number, **who, value=f"{title or 'value'}:Q", **ends, **chance, **(more or {}))
    base = alt.Chart(_inked(known, runs, colours)).encode(y=y, tooltip=pointer, **aside)
    layers: list[Any] = []
    if pointed:
        along = {"x": alt.value(0), "x2": alt.value("width")}
        layers.append(alt.Chart(pd.DataFrame({"row": list(rows)})).mark_bar(opacity=0).encode(y=y, **along))
    if zero:
        layers.append(alt.Chart(pd.DataFrame({"at": [0.0]})).mark_rule(color=colours.quiet).encode(x="at:Q"))
    if chance:
        layers.append(base.mark_tick(thickness=2, size=12, color=colours.quiet).encode(x="chance:Q"))
    if known["low"].notna().any():  # a layer without marks would be a picture of nothing to screen readers
        layers.append(base.mark_rule(strokeWidth=2).encode(x="low:Q", x2="high:Q", color=named["color"]))
    layers += _marks(marks, x, y, colours)
    dot = base.mark_point(size=75, strokeWidth=2, opacity=1)
    layers.append(dot.encode(x=x, fill=alt.Fill("ink:N", scale=None, legend=None), **named))
    text = alt.Chart(missing).mark_text(align="left", color=colours.quiet, fontSize=12)
    layers.append(text.encode(x=alt.value(6), y=y, text=alt.value(undefined)))
    return alt.layer(*layers).properties(height=height_of(len(rows) * max(1, len(runs))))


def _inked(table: Table, runs: Sequence[str], colours: Palette) -> Table:
    """Return the table with the colour that fills each dot.

    A hollow one is filled with the page's own colour, so that its interval does not run through it.
    """
    names = table["run"] if len(runs) > 1 else [""] * len(table)
    hollow = table["hollow"] if "hollow" in table else [False] * len(table)
    full = [colours.of(runs, name) if len(runs) > 1 else colours.series[0] for name in names]
    return table.assign(ink=[colours.page if empty else ink for empty, ink in zip(hollow, full, strict=True)])


def _marks(marks: Table | None, x: alt.X, y: alt.Y, colours: Palette) -> list[alt.Chart]:
    """Draw the values of seeds as strokes, those of others as hollow diamonds."""
    if marks is None:
        return []
    encoded: dict[str, Any] = {"x": x, "y": y, "tooltip": tips(row="row:N", kind="of:N", value="value:Q")}
    marks = marks[marks["value"].notna()]
    is_seed = marks["kind"] == "seed"
    seed = alt.Chart(marks[is_seed]).mark_tick(color=colours.on_low, thickness=1, size=12)
    other = alt.Chart(marks[~is_seed]).mark_point(
        shape="diamond", size=70, stroke=colours.quiet, strokeWidth=2, opacity=1
    )
    return [seed.encode(**encoded), other.encode(**encoded)]


def lines(
    table: Table,
    title: str,
    x_title: str,
    *,
    numeric: bool = True,
    small: bool = False,
    band: bool = False,
    marks: Table | None = None,
    at: float | None = None,
    pick: bool = False,
    colours: Palette = LIGHT,
) -> Chart:
    """Draw a score along a setting: means with their intervals, and a line where the setting is a number.

    Args:
        table: Columns ``x``, ``line``, ``value``, ``low``, ``high``, ``seeds``; NaN where undefined.
        title: Of the score.
        x_title: Of the setting.
        numeric: Whether ``x`` is a number.
        small: As one of many.
        band: Whether intervals are an area instead of upright strokes; along numbers only.
        marks: Columns ``x``, ``line``, ``value``: the score of every seed, as small dots.
        at: A value of the setting to point out.
        pick: Whether points can be chosen: ``seed`` by the column ``run`` of ``marks``, ``mean`` by ``x`` and
            ``line`` of the table.
        colours: Of the page.
    """
    kind = "Q" if numeric else "N"
    names = list(dict.fromkeys(table["line"]))
    named = tell_apart("line", names, colours, hollow=False)
    if small and len(names) > 1:
        named = {key: encoding.copy() for key, encoding in named.items()}
        for encoding in named.values():
            encoding["legend"] = None
    x = _along(kind, None if small else x_title)
    # A small chart is too low for round ends and many ticks: they would leave one number or flatten the line.
    y = alt.Y(
        "value:Q",
        title=None if small else title or None,
        axis=alt.Axis(tickCount=3 if small else 6),
        scale=alt.Scale(zero=False, padding=10, nice=not small),
    )
    where = {"x": f"{x_title}:{kind}"} | ({"line": "with:N"} if len(names) > 1 else {})
    shown = tips(**where, value=f"{title or 'value'}:Q", low="from:Q", high="to:Q", seeds="seeds:d")
    known = table[table["value"].notna()]
    base = alt.Chart(known).encode(x=x, color=named["color"])
    layers: list[Any] = []
    if not len(known):
        text = alt.Chart(table[:1]).mark_text(color=colours.quiet, fontSize=12)
        layers.append(text.encode(text=alt.value("undefined")))
    if at is not None:
        rule = alt.Chart(pd.DataFrame({"x": [at]})).mark_rule(color=colours.quiet, strokeDash=[3, 3])
        layers.append(rule.encode(x=x))
    layers.append(_intervals(base, band=band and numeric))
    if numeric:
        layers.append(base.mark_line(strokeWidth=1.5 if small else 2).encode(y=y))
    if marks is not None:
        size = 9 if small else 60 if pick else 14  # what is to be clicked must be hit
        seed = alt.Chart(marks[marks["value"].notna()]).mark_circle(size=size, opacity=0.7)
        seed = seed.encode(x=x, y=y, color=named["color"])
        if pick:
            of_seed = tips(**where, seed="seed:d", value=f"{title or 'value'}:Q")
            seed = seed.encode(tooltip=of_seed).add_params(_choice("seed", ["run"]))
        layers.append(seed)
    dot = base.mark_point(size=30 if small else 70, filled=True, opacity=1).encode(
        y=y, tooltip=shown, **named
    )
    layers.append(dot.add_params(_choice("mean", ["x", "line"])) if pick else dot)
    return alt.layer(*layers).properties(height=140 if small else 320)


def _choice(name: str, columns: list[str]) -> alt.Parameter:
    """Return what lets a click choose a point."""
    return alt.selection_point(name=name, fields=columns, empty=False, toggle=False)


def _along(kind: str, title: str | None) -> alt.X:
    if kind == "N":
        return alt.X("x:N", title=title, sort=None, axis=alt.Axis(labelLimit=160))
    scale = alt.Scale(padding=12, nice=False, zero=False)
    return alt.X("x:Q", title=title, axis=alt.Axis(tickCount=6), scale=scale)


def _intervals(base: alt.Chart, *, band: bool) -> alt.Chart:
    drawn = base.mark_rule(strokeWidth=2)
    if band:
        drawn = base.transform_filter("isValid(datum.low)").mark_area(opacity=0.16)
    ends: alt.Chart = drawn.encode(y="low:Q", y2="high:Q")
    return ends


def history(table: Table, best: Table, runs: Sequence[str], title: str, *, colours: Palette = LIGHT) -> Chart:
    """Draw curves over epochs, and upright lines at the epochs whose weights were kept.

    Args:
        table: Columns ``run``, ``epoch``, ``curve``, ``value``.
        best: Columns ``run``, ``epoch``.
        runs: Names of the runs; the second is dashed.
        title: Of the upright axis.
        colours: Of the page.
    """
    curves = list(dict.fromkeys(table["curve"]))
    x = alt.X("epoch:Q", axis=alt.Axis(tickMinStep=1, format="d"), scale=alt.Scale(zero=False, nice=False))
    drawn = (
        alt.Chart(table)
        .mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=36))
        .encode(
            x=x,
            y=alt.Y("value:Q", title=title, scale=alt.Scale(zero=False, padding=8)),
            color=alt.Color(
                "curve:N", scale=cycled(colours.series, curves), legend=legend(curves, hollow=False)
            ),
            strokeDash=alt.StrokeDash("run:N", scale=cycled(DASHES, runs), legend=legend(runs, hollow=False)),
            shape=alt.Shape("curve:N", scale=cycled(SHAPES, curves)),
            tooltip=tips(".4f", run="run:N", curve="curve:N", epoch="epoch:d", value="value:Q"),
        )
    )
    rule = alt.Chart(best).mark_rule(color=colours.quiet, strokeDash=[3, 3]).encode(x="epoch:Q")
    return alt.layer(rule, drawn).properties(height=260)


def bars(
    table: Table,
    rows: Sequence[str],
    runs: Sequence[str],
    title: str,
    *,
    marks: Table | None = None,
    colours: Palette = LIGHT,
) -> Chart:
    r"""Draw a group of upright bars per class, a bar per condition, the score of chance across each group.

    Args:
        table: Columns ``row``, ``run``, ``value`` (NaN where undefined), ``low``, ``high``, ``chance``.
        rows: The classes from left to right; ``\n`` divides what stands below them.
        runs: The conditions.
        title: Of the upright axis, which goes from 0 to 1.
        marks: Columns ``row``, ``run``, ``value``: the score of every seed, as small strokes.
        colours: Of the page.
    """
    under = alt.Axis(labelAngle=-40, labelLimit=140, ticks=False, labelExpr="split(datum.label, '\\n')")
    place: dict[str, Any] = {"x": alt.X("row:N", sort=list(rows), title=None, axis=under)}
    beside: dict[str, Any] = {**place, "xOffset": alt.XOffset("run:N", sort=list(runs))}
    y = alt.Y("value:Q", title=title, scale=UNIT, axis=alt.Axis(tickCount=5))
    fill = alt.Color("run:N", scale=cycled(colours.series, runs), legend=legend(runs, hollow=False))
    base = alt.Chart(table[table["value"].notna()])
    level = alt.Chart(table.drop_duplicates("row"))
    text = alt.Chart(table[table["value"].isna()]).mark_text(angle=270, align="left", color=colours.quiet)
    layers = [
        base.mark_bar().encode(y=y, color=fill, **beside),
        # With an edge in the page's colour, to be seen on every bar.
        level.mark_tick(thickness=4, color=colours.page).encode(y="chance:Q", **place),
        level.mark_tick(thickness=2, color=colours.on_low).encode(y="chance:Q", **place),
        base.mark_rule(color=colours.on_low).encode(y="low:Q", y2="high:Q", **beside),
        text.encode(y=alt.datum(0.01), text=alt.value("undefined"), **beside),
    ]
    if marks is not None:
        seed = alt.Chart(marks[marks["value"].notna()]).mark_tick(color=colours.on_low, thickness=1, size=5)
        layers.append(seed.encode(y=y, **beside))
    return alt.layer(*layers).properties(height=300)


def timeline(
    frames: Table, spans: Table, rows: Sequence[str], duration_s: float, *, colours: Palette = LIGHT
) -> Chart:
    """Draw the scores of a recording over time: a row per class, grey where it is silent.

    Args:
        frames: Columns ``row``, ``start``, ``end`` (seconds), ``score`` (NaN in silence).
        spans: Columns ``row``, ``start``, ``end``: what is outlined, as the class is detected there.
        rows: The classes from top to bottom.
        duration_s: Length of the recording.
        colours: Of the page.
    """
    scale = alt.Scale(domain=[0, duration_s], nice=False)
    y = rows_axis(rows)
    y["scale"] = alt.Scale(paddingInner=0.2)  # or the frames of neighbours ran into each other
    place: dict[str, Any] = {
        "x": alt.X("start:Q", title="time (s)", scale=scale, axis=alt.Axis(grid=False)),
        "x2": "end:Q",
        "y": y,
    }
    key = alt.Legend(title="score", gradientLength=120)
    ramp = alt.Color("score:Q", scale=alt.Scale(domain=[0, 1], scheme="viridis"), legend=key)
    silent = alt.Chart(frames[frames["score"].isna()])
    return alt.layer(
        silent.mark_rect(color=_SILENT, stroke=_SILENT, strokeWidth=0.6).encode(**place),
        alt.Chart(frames[frames["score"].notna()]).mark_rect().encode(color=ramp, **place),
        alt.Chart(spans).mark_rect(fillOpacity=0, stroke=colours.on_low, strokeWidth=1.5).encode(**place),
    ).properties(height=ROW * len(rows))
