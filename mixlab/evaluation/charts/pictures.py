"""Figures of several charts, as PNG and SVG, drawn without a browser or a display."""

import re
from collections.abc import Sequence
from typing import Any

import altair as alt

from mixlab.errors import MissingDependencyError
from mixlab.evaluation.charts.style import LIGHT, Chart

__all__ = ["figure", "files", "panel"]

_FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
_LINE, _GRID = "#9aa1a8", "#e6e8ea"


def panel(chart: Chart, title: str = "", *, width: int, height: int | None = None) -> Chart:
    """Return a chart as one panel of a figure: with a title, and a size of its own in pixels."""
    size: dict[str, Any] = {"width": width} if height is None else {"width": width, "height": height}
    if title:
        size["title"] = alt.TitleParams(title, fontSize=12, anchor="middle")
    drawn: Chart = chart.properties(**size)
    return drawn


def figure(panels: Sequence[Chart], *title: str, columns: int = 1, note: str = "") -> alt.VConcatChart:
    """Put panels under one title, and a note below them.

    Args:
        panels: From left to right, then from top to bottom.
        title: Its lines; the first stands out.
        columns: Panels side by side.
        note: What must be known to read them; '' for nothing.
    """
    below: dict[str, Any] = {"orient": "bottom", "fontSize": 11, "fontWeight": "normal", "color": LIGHT.quiet}
    body = alt.concat(*panels, columns=columns).resolve_scale(color="shared", shape="shared")
    if note:
        body = body.properties(title=alt.TitleParams(note, anchor="middle", **below))
    head = alt.TitleParams(title[0], subtitle=list(title[1:]), anchor="middle", fontSize=15, offset=12)
    return alt.vconcat(body, title=head)


def files(chart: alt.VConcatChart) -> dict[str, bytes]:
    """Return a figure as PNG and SVG, by ending; the same bytes each time.

    Raises:
        MissingDependencyError: vl-convert-python is not installed.
    """
    try:
        import vl_convert
    except ImportError as error:
        raise MissingDependencyError(
            "Pictures need vl-convert-python, not installed here: pip install 'mixlab[plot]'."
        ) from error
    axis: dict[str, Any] = {
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "gridColor": _GRID,
    }
    styled = (
        chart.configure(font=_FONT, background=LIGHT.page)
        .configure_axis(**axis, domainColor=_LINE, tickColor=_LINE)
        .configure_view(stroke=_GRID)
        .configure_legend(labelFontSize=11, titleFontSize=11)
    )
    with alt.data_transformers.enable("default", max_rows=None):
        drawing = styled.to_dict()
    svg = _numbered_anew(vl_convert.vegalite_to_svg(drawing))
    return {"png": vl_convert.vegalite_to_png(drawing, scale=2), "svg": svg.encode()}


def _numbered_anew(svg: str) -> str:
    """Count what is named within a drawing from 0: the library goes on counting from one to the next."""
    numbers: dict[str, int] = {}
    return re.sub(
        r'((?:id="|#)(?:clip|gradient_))(\d+)',
        lambda m: f"{m[1]}{numbers.setdefault(m[2], len(numbers))}",
        svg,
    )
