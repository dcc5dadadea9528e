"""One picture of the rates: a bar per method, grouped by workload, on a logarithmic axis."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd

from benchmarks.prepared import FILES
from benchmarks.tables import short
from benchmarks.workloads import DESCRIPTIONS

Result = dict[str, Any]

COLOURS = {"mixlab": "#2a6f97", "alternative": "#b8a38a", "bound": "#d9d9d9"}
SHOWN = ("mixlab, vocoder", "mixlab, rubberband", "mixlab")
TITLES = {
    "W": "W: 4 sources with pitch, time and filters",
    "paper": "The paper's settings",
    "no effects": "4 sources without effects",
}
AXIS = "mixes per second, one process on one core (logarithmic)"


def plot(result: Result, path: Path) -> bool:
    """Write the picture as SVG; return False where no workload was measured."""
    groups = {name: bars(result.get("rows", []), name) for name in DESCRIPTIONS}
    groups = {name: rows for name, rows in groups.items() if rows}
    if not groups:
        return False
    rates = [row["mixes_per_s"] for rows in groups.values() for row in rows]
    limits = (min(rates) / 1.3, max(rates) * 2.0)
    charts = [_panel(rows, TITLES[name], limits) for name, rows in groups.items()]
    picture = alt.vconcat(*charts, spacing=18).configure_view(stroke=None)
    picture.configure_axis(grid=True, gridColor="#eeeeee", domain=False, ticks=False).save(path)
    return True


def bars(rows: Sequence[Result], workload: str) -> list[Result]:
    """Return what the picture shows of a workload, quickest first."""
    chosen = [
        row
        for row in rows
        if row["workload"] == workload
        and row["mixes_per_s"]
        and row["name"] != "mixlab, loader"
        and (row["group"] != "mixlab" or row["name"] in SHOWN)
    ]
    return sorted(chosen, key=lambda row: -row["mixes_per_s"])


def _panel(rows: Sequence[Result], title: str, limits: tuple[float, float]) -> alt.LayerChart:
    table = pd.DataFrame(
        {
            "method": [f"{row['name']}, from {_origin(row)}" for row in rows],
            "rate": [row["mixes_per_s"] for row in rows],
            "text": [short(row["mixes_per_s"]) for row in rows],
            "group": [row["group"] for row in rows],
            "from": [limits[0]] * len(rows),
        }
    )
    scale = alt.Scale(type="log", domain=limits, nice=False)
    base = alt.Chart(table, height=alt.Step(17), width=460, title=alt.Title(title, anchor="start"))
    methods = alt.Y("method:N", sort=None, title=None, axis=alt.Axis(labelLimit=330, grid=False))
    shapes = base.mark_bar().encode(
        x=alt.X("from:Q", scale=scale, title=AXIS),
        x2="rate:Q",
        y=methods,
        color=alt.Color(
            "group:N", scale=alt.Scale(domain=list(COLOURS), range=list(COLOURS.values())), legend=None
        ),
    )
    words = base.mark_text(align="left", dx=4, color="#444444").encode(x="rate:Q", y=methods, text="text:N")
    return shapes + words


def _origin(row: Result) -> str:
    return "files" if row["source"] == FILES else f"a {row['source']}"
