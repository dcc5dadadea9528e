"""What all charts share: colours of a light and a dark page, legends, axes, and what the pointer shows."""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

import altair as alt
import pandas as pd

__all__ = [
    "DARK",
    "LIGHT",
    "PICK",
    "ROW",
    "UNIT",
    "Chart",
    "Palette",
    "Table",
    "clickable",
    "cycled",
    "height_of",
    "legend",
    "rows_axis",
    "tell_apart",
    "tips",
]

Chart: TypeAlias = alt.LayerChart | alt.FacetChart
"""A chart of this package: one in layers, or such ones side by side."""
Table: TypeAlias = pd.DataFrame

ROW = 24
"""Height of a row, in pixels."""

_ABOVE = 80  # pixels: the axis above the rows, its title, and the margins

UNIT = alt.Scale(domain=[0, 1])
"""The scale of what lies between 0 and 1."""
SHAPES = ("circle", "diamond", "square", "triangle-up", "cross", "triangle-down", "triangle-right")


class Palette(NamedTuple):
    """Colours of one scheme, light or dark.

    Attributes:
        series: What stands side by side: runs, conditions, curves; the first also stands alone.
        quiet: What stands behind: chance, texts of less weight.
        low: Where a ramp from 0 to 1 begins.
        high: Where it ends.
        on_low: Ink on the ramp's beginning and on the page.
        on_high: Ink on the ramp's end.
        page: The page itself.
        faint: Marks that do not count.
        frame: Outlines of what is chosen.
        switch: Value of the ramp at which both inks have the same contrast, 4.5.
    """

    series: tuple[str, ...]
    quiet: str
    low: str
    high: str
    on_low: str
    on_high: str
    page: str
    faint: str
    frame: str
    switch: float

    def of(self, names: Sequence[str], name: str) -> str:
        """Return the colour of one of several names."""
        return self.series[list(names).index(name) % len(self.series)]


LIGHT = Palette(
    ("#0f6b8f", "#b3541e", "#3f7d3c", "#7a4f9a", "#8a6d00", "#5d6d7e", "#a3324a", "#2f7f86"),
    "#6d7680", "#e6f0f4", "#0f5f80", "#000000", "#ffffff", "#ffffff", "#b4d1dd", "#c77700", switch=0.79,
)  # fmt: skip
"""Colours on a light page."""
DARK = Palette(
    ("#5bb8dc", "#f0a36b", "#8fca85", "#c39be0", "#e0c255", "#a9b6c3", "#f08a9b", "#6fd0c9"),
    "#8d959f", "#16303b", "#7fd0ef", "#ffffff", "#000000", "#171614", "#2c4f5e", "#f0b65b", switch=0.5,
)  # fmt: skip
"""Colours on a dark page."""


def cycled(values: Sequence[Any], names: Sequence[str]) -> alt.Scale:
    """Return a scale that gives each name one of some values, in turn."""
    return alt.Scale(domain=list(names), range=[values[k % len(values)] for k in range(len(names))])


def legend(names: Sequence[str], *, hollow: bool = True) -> Any:  # noqa: ANN401 - a legend, or none
    """Return one legend for colour and shape together; None where there is but one name.

    Args:
        names: What it explains.
        hollow: Whether its symbols are, as nothing fills all kinds of dots.
    """
    if len(names) < 2:
        return None
    fill: dict[str, Any] = {"symbolFillColor": "transparent", "symbolStrokeWidth": 2} if hollow else {}
    return alt.Legend(orient="top", title=None, labelLimit=300, columns=3, symbolOpacity=1, **fill)


def rows_axis(names: Sequence[str], field: str = "row", *, labels: bool = True) -> alt.Y:
    """Return an upright axis of names, from top to bottom; without ``labels`` for panels beside the first."""
    axis = alt.Axis(labelLimit=360, ticks=False, labels=labels)
    return alt.Y(f"{field}:N", sort=list(names), title=None, axis=axis)


def tips(number: str = ".3f", **columns: str) -> list[alt.Tooltip]:
    """Return what the pointer shows: columns by the names that it gives them.

    Args:
        number: How numbers are written.
        columns: By column, a name and, after a colon, ``N`` for text, ``Q`` for a number, ``d`` for a whole
            one.
    """
    found = []
    for column, about in columns.items():
        title, _, kind = about.rpartition(":")
        text = {"Q": number, "d": ",d"}.get(kind)
        shown: dict[str, Any] = {"format": text} if text else {}
        found.append(alt.Tooltip(f"{column}:{'N' if kind == 'N' else 'Q'}", title=title, **shown))
    return found


def height_of(rows: int) -> int:
    """Return the height of a chart of so many rows, in pixels: pages take it for that of all there is."""
    return _ABOVE + ROW * max(rows, 2)


def tell_apart(field: str, names: Sequence[str], colours: Palette, *, hollow: bool = True) -> dict[str, Any]:
    """Return the encodings that tell names apart: colour and shape with one legend; for one, a colour."""
    if len(names) < 2:
        return {"color": alt.value(colours.series[0])}
    key = legend(names, hollow=hollow)
    return {
        "color": alt.Color(f"{field}:N", scale=cycled(colours.series, names), legend=key),
        "shape": alt.Shape(f"{field}:N", scale=cycled(SHAPES, names), legend=key),
    }


PICK = "pick"
"""Name of the selection that clicks fill in charts that ``clickable`` returned."""


AnyChart = TypeVar("AnyChart", bound=Chart | alt.Chart)


def clickable(chart: AnyChart, *fields: str) -> AnyChart:
    """Return a chart whose marks can be clicked: the selection ``PICK`` then holds values of the mark.

    Args:
        chart: The chart.
        fields: Columns of its table, whose values the selection holds.
    """
    point = alt.selection_point(name=PICK, fields=list(fields), toggle=False)
    drawn: AnyChart = chart.add_params(point).configure_mark(cursor="pointer")
    return drawn
