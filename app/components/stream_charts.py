"""Charts of the Stream page: rates of training mixes beside those of validation."""

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixlab.evaluation.charts import Chart, Palette, dots
from mixlab.mixing.stream_rates import StreamRates

__all__ = [
    "MOST_TOGETHER",
    "TRAINING",
    "VALIDATION",
    "class_chart",
    "class_table",
    "size_chart",
    "size_table",
    "together_chart",
    "together_table",
]

TRAINING, VALIDATION = "training", "validation"
MOST_TOGETHER = 20
"""Classes that a chart of pairs has room for."""

_Z = 1.959963984540054
_ROW_PX = 26


def interval(count: int, items: int) -> tuple[float, float]:
    """Return the 95 % interval of a share by Wilson's formula: that of so many mixes, not of the songs."""
    share, square = count / items, _Z**2 / items
    middle = (share + square / 2) / (1 + square)
    half = _Z / (1 + square) * np.sqrt(share * (1 - share) / items + square / (4 * items))
    return max(float(middle - half), 0.0), min(float(middle + half), 1.0)


def class_table(rates: dict[str, StreamRates]) -> pd.DataFrame:
    """Return one row per class and stream: share of its mixes with the class, with ends, and unknown ones."""
    rows = [
        {
            "row": name,
            "run": who,
            "value": one.present[c] / one.items,
            "low": interval(int(one.present[c]), one.items)[0],
            "high": interval(int(one.present[c]), one.items)[1],
            "unknown": one.unknown[c] / one.items,
        }
        for who, one in rates.items()
        for c, name in enumerate(one.names)
    ]
    return pd.DataFrame(rows)


def class_chart(rates: dict[str, StreamRates], colours: Palette) -> Chart:
    """Draw the share of mixes with each class, a dot with its interval for each stream."""
    first = next(iter(rates.values()))
    return dots(
        class_table(rates), first.names, "share of mixes with the class", runs=list(rates), number=".1%",
        scale=alt.Scale(domainMin=0), more={"unknown": "unknown:Q"}, colours=colours,
    )  # fmt: skip


def together_table(rates: StreamRates, other: StreamRates | None = None) -> pd.DataFrame:
    """Return of each pair the share of the row's mixes that have the column's class, too.

    Args:
        rates: Of a stream.
        other: What is taken from it, for a difference.
    """
    kept = np.sort(np.argsort(-rates.present, kind="stable")[:MOST_TOGETHER])
    shares = _conditional(rates) - (0.0 if other is None else _conditional(other))
    return pd.DataFrame(
        [
            {
                "class": rates.names[a],
                "also": rates.names[b],
                "share": float(shares[a, b]),
                "mixes": int(rates.together[a, b]),
                "of": int(rates.present[a]),
            }
            for a in kept
            for b in kept
            if a != b
        ]
    )


def _conditional(rates: StreamRates) -> NDArray[np.float64]:
    counts = rates.present[:, None].astype(float)
    shares: NDArray[np.float64] = np.full(rates.together.shape, np.nan)
    np.divide(rates.together, counts, out=shares, where=counts > 0)
    return shares


def together_chart(table: pd.DataFrame, colours: Palette, *, difference: bool) -> alt.LayerChart:
    """Draw pairs of classes as a map with percentages in it; of a difference, those from -100 to 100."""
    known = table[table["share"].notna()]
    if difference:
        top = max(float(known["share"].abs().max()) if len(known) else 0.0, 0.01)
        scale = alt.Scale(
            domain=[-top, 0, top],
            range=[colours.series[1], colours.page, colours.series[0]],
            interpolate="rgb",
        )
        dark = known["share"].abs() > 0.6 * top
    else:
        top = max(float(known["share"].max()) if len(known) else 0.0, 0.01)
        scale = alt.Scale(domain=[0, top], range=[colours.low, colours.high])
        dark = known["share"] > colours.switch * top
    shown = [f"{round(100 * share):+d}" if difference else f"{100 * share:.0f}" for share in known["share"]]
    cells = known.assign(ink=np.where(dark, colours.on_high, colours.on_low), shown=shown)
    names = list(dict.fromkeys(table["class"]))
    across = alt.Axis(
        orient="top", labelAngle=-90, labelLimit=110, ticks=False, domain=False, labelOverlap=False
    )
    down = alt.Axis(labelLimit=130, ticks=False, domain=False, labelOverlap=False, labelFlush=False)
    base = alt.Chart(cells).encode(
        x=alt.X("also:N", sort=names, title="has this class, too (%)", axis=across),
        y=alt.Y("class:N", sort=names, title="of the mixes with", axis=down),
        tooltip=[alt.Tooltip("class:N", title="of the mixes with"), alt.Tooltip("also:N", title="have"),
                 alt.Tooltip("share:Q", format="+.1%" if difference else ".1%"),
                 alt.Tooltip("mixes:Q", format=","), alt.Tooltip("of:Q", format=",")],
    )  # fmt: skip
    areas = base.mark_rect(cornerRadius=2).encode(color=alt.Color("share:Q", scale=scale, legend=None))
    figures = base.mark_text(fontSize=11).encode(text="shown:N", color=alt.Color("ink:N", scale=None))
    chart: alt.LayerChart = (
        alt.layer(areas, figures)
        .resolve_scale(color="independent")
        .properties(height=_ROW_PX * max(len(names), 4) + 130)
    )
    return chart


def size_table(rates: dict[str, StreamRates], what: str) -> pd.DataFrame:
    """Return one row per number of ``sources`` or ``classes`` and stream: the share of mixes with so many."""
    counts = {who: getattr(one, what) for who, one in rates.items()}
    last = max((number for found in counts.values() for number in found), default=0)
    return pd.DataFrame(
        [
            {"number": number, "stream": who, "share": found.get(number, 0) / rates[who].items}
            for who, found in counts.items()
            for number in range(last + 1)
        ]
    )


def size_chart(table: pd.DataFrame, what: str, colours: Palette) -> alt.Chart:
    """Draw how many mixes have how many sources or classes, as bars side by side."""
    names = list(dict.fromkeys(table["stream"]))
    key = alt.Legend(orient="top", title=None) if len(names) > 1 else None
    scale = alt.Scale(domain=names, range=list(colours.series[: len(names)]))
    chart: alt.Chart = (
        alt.Chart(table)
        .mark_bar()
        .encode(
            x=alt.X("number:O", title=f"{what} in a mix", axis=alt.Axis(labelAngle=0)),
            xOffset=alt.XOffset("stream:N", sort=names),
            y=alt.Y("share:Q", title="share of mixes", axis=alt.Axis(format=".0%")),
            color=alt.Color("stream:N", scale=scale, legend=key),
            tooltip=[
                alt.Tooltip("stream:N"),
                alt.Tooltip("number:O", title=what),
                alt.Tooltip("share:Q", format=".1%"),
            ],
        )
        .properties(height=260)
    )
    return chart
