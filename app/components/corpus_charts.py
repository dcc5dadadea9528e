"""Charts of the Corpus page: tables in, Altair charts out. Every mark that has a colour has a text too."""

import altair as alt
import numpy as np
import pandas as pd

from mixlab.catalog.statistics import ALL, Histogram
from mixlab.evaluation.charts import Palette

__all__ = [
    "FLOOR_DB",
    "curve_chart",
    "heat_chart",
    "heat_table",
    "histogram_chart",
    "rarest_first",
    "say_number",
]

FLOOR_DB = -80.0
"""Lowest level that a curve shows."""

NONE = "none"
_ROW_PX = 26


def say_number(value: float, unit: str) -> str:
    """Return a number for people: hours with a digit, other things whole."""
    if unit != "active hours":
        return f"{value:,.0f}"
    return (
        f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 0.1 or value == 0 else f"{value:.3f}"
    )


def rarest_first(table: pd.DataFrame, across: str, unit: str) -> pd.DataFrame:
    """Return a class table with its classes in another order: those of which there is least first."""
    total = table[table[across] == ALL].set_index("class")[unit]
    place = {name: n for n, name in enumerate(total.sort_values(kind="stable").index)}
    order = np.lexsort((table["class"].map(place), table[across].map(_places(table[across]))))
    return table.iloc[order].reset_index(drop=True)


def _places(names: pd.Series) -> dict[str, int]:
    return {name: n for n, name in enumerate(dict.fromkeys(names))}


def heat_table(table: pd.DataFrame, across: str, unit: str) -> pd.DataFrame:
    """Return the numbers behind a heat table, one row per class: its groups, their sum, and ``unknown``."""
    wide = table.pivot_table(index="class", columns=across, values=unit, sort=False)
    groups = list(dict.fromkeys(table[across]))
    unknown = table[table[across] == ALL].set_index("class")["unknown"]
    wide = wide.reindex(list(dict.fromkeys(table["class"])))[groups].assign(unknown=unknown)
    whole = groups if unit != "active hours" else []
    return wide.astype(dict.fromkeys(whole, int)).reset_index()


def heat_chart(table: pd.DataFrame, across: str, unit: str, colours: Palette) -> alt.LayerChart:
    """Return a heat table with its numbers in the cells; empty cells are dashed and say so.

    The last column has the sums, without a colour.
    """
    cells, one = table, table[across] == ALL
    empty, top = cells["stems"] == 0, max(float(cells[unit][~one].max()), 1e-9)
    ink = np.where(np.sqrt(cells[unit] / top) > colours.switch, colours.on_high, colours.on_low)
    ink = np.where(one, colours.on_low, np.where(empty, colours.quiet, ink))
    shown = [NONE if none else say_number(n, unit) for n, none in zip(cells[unit], empty, strict=True)]

    def order(names: pd.Series) -> list[str]:
        return list(dict.fromkeys(names))

    side = alt.Axis(title=None, labelLimit=130, domain=False, ticks=False, labelFlush=False)
    top_axis = alt.Axis(
        orient="top",
        labelAngle=0,
        labelExpr="split(datum.label, '_')",  # in lines, which are narrower
        title=None,
        labelLimit=110,
        labelOverlap=False,
        labelFlush=False,
        domain=False,
        ticks=False,
    )
    base = alt.Chart(cells.assign(empty=empty, shown=shown, ink=ink, sum=one)).encode(
        x=alt.X(f"{across}:N", sort=order(cells[across]), axis=top_axis, scale=alt.Scale(paddingInner=0.01)),
        y=alt.Y("class:N", sort=order(cells["class"]), axis=side, scale=alt.Scale(paddingInner=0.08)),
        tooltip=[alt.Tooltip("class:N"), alt.Tooltip(f"{across}:N"), alt.Tooltip("stems:Q", format=","),
                 alt.Tooltip("songs:Q", format=","), alt.Tooltip("active hours:Q", format=",.2f"),
                 alt.Tooltip("unknown:Q", format=",", title="may hold it")],
    )  # fmt: skip
    scale = alt.Scale(type="sqrt", domain=[0, top], range=[colours.low, colours.high])
    filled = (
        base.transform_filter("!datum.empty && !datum.sum")
        .mark_rect(cornerRadius=2, aria=False)  # the text on it says all
        .encode(color=alt.Color(f"{unit}:Q", scale=scale, legend=None))
    )
    hollow = base.transform_filter("datum.empty && !datum.sum").mark_rect(
        fillOpacity=0, stroke=colours.quiet, strokeDash=[3, 3], strokeOpacity=0.7, cornerRadius=2, aria=False
    )
    text = base.mark_text(fontSize=12).encode(text="shown:N", color=alt.Color("ink:N", scale=None))
    height = _ROW_PX * cells["class"].nunique() + 30
    layers = alt.layer(filled, hollow, text).resolve_scale(color="independent")
    chart: alt.LayerChart = layers.properties(height=height)
    return chart


def histogram_chart(found: Histogram, name: str, colours: Palette) -> alt.Chart:
    """Return a histogram."""
    whole = found.unit == "stems"
    reach = 0.5 if whole else 0.0  # of whole numbers, a bin reaches halfway to its neighbours
    table = found.table.assign(low=found.table["from"] - reach, high=found.table["to"] + reach, none=0)
    ends = [alt.Tooltip("from:Q", format="~g"), alt.Tooltip("to:Q", format="~g")]
    chart: alt.Chart = (
        alt.Chart(table)
        .mark_rect(color=colours.series[0], stroke=colours.series[0], strokeOpacity=0.25, strokeWidth=1)
        .encode(
            x=alt.X(
                "low:Q",
                title=name if whole else f"{name} ({found.unit})",
                scale=alt.Scale(nice=False, zero=False),
                axis=alt.Axis(grid=False, tickMinStep=1, labelFlush=False),
            ),
            x2="high:Q",
            y=alt.Y(
                "count:Q", title=found.counted, axis=alt.Axis(tickMinStep=1, format="~s", labelFlush=False)
            ),
            y2="none:Q",
            tooltip=[*ends, alt.Tooltip("count:Q", title=found.counted, format=",")],
        )
        .properties(height=220)
    )
    return chart


def curve_chart(
    curve: pd.DataFrame, threshold_db: float, span: tuple[float, float], duration_s: float, colours: Palette
) -> alt.LayerChart:
    """Return a stem's level over time with the threshold and the span that is heard.

    Args:
        curve: As ``mixlab.catalog.browse.level_curve`` returns it.
        threshold_db: Activity threshold in dBFS.
        span: Start and end of what the player has, in seconds; it is framed when that is not all.
        duration_s: Length of the stem in seconds.
        colours: Of the page.
    """
    ink = np.where(curve["active"], colours.series[0], colours.faint)
    shown = curve.assign(level=curve["level"].clip(lower=FLOOR_DB), floor=FLOOR_DB, ink=ink)
    time = alt.Scale(domain=[0, duration_s], nice=False)
    level = alt.Scale(domain=[FLOOR_DB, 0], nice=False)
    tooltip = [
        alt.Tooltip("from:Q", format=".1f", title="from (s)"),
        alt.Tooltip("level:Q", format=".1f", title="level (dBFS)"),
        alt.Tooltip("active:N"),
    ]
    # The outlines close the gaps that rounding to pixels leaves between neighbours.
    bars = (
        alt.Chart(shown)
        .mark_rect(clip=True, strokeWidth=0.6)
        .encode(
            x=alt.X("from:Q", title="time (s)", scale=time, axis=alt.Axis(grid=False, labelFlush=False)),
            x2="to:Q",
            y=alt.Y("level:Q", title="level (dBFS)", scale=level, axis=alt.Axis(labelFlush=False)),
            y2="floor:Q",
            fill=alt.Fill("ink:N", scale=None),
            stroke=alt.Stroke("ink:N", scale=None),
            tooltip=tooltip,
        )
    )
    played = pd.DataFrame({"from": [span[0]], "to": [span[1]], "low": [FLOOR_DB], "high": [0.0]})
    window = alt.Chart(played).mark_rect(
        fill=colours.frame, fillOpacity=0.12, stroke=colours.frame, strokeWidth=1.5
    ).encode(x="from:Q", x2="to:Q", y="low:Q", y2="high:Q")  # fmt: skip
    rule = alt.Chart(pd.DataFrame({"level": [threshold_db]})).mark_rule(
        color=colours.quiet, strokeDash=[4, 3]
    ).encode(y="level:Q")  # fmt: skip
    layers = [bars, rule] if span[1] - span[0] >= duration_s else [bars, window, rule]
    return alt.LayerChart(layer=layers, height=200)
