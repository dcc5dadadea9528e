"""The figures of the study of preprocessing, after the thesis's Figs. 5.4, 5.5 and 5.6."""

import math
from itertools import product

import altair as alt
import pandas as pd

from mixlab.evaluation.charts import LIGHT, Chart, figure, lines, panel, tips
from mixlab.evaluation.charts.style import cycled, legend
from mixlab.studies.preprocessing.excerpts import BINS, Excerpts, Histogram
from mixlab.studies.preprocessing.grid import MAGNITUDES, METRIC, WEIGHTINGS, WORDS, name_of
from mixlab.studies.preprocessing.tables import sizes_of
from mixlab.studies.preprocessing.thesis import FIG_5_5, FIG_5_5_SIZES
from mixlab.studies.results import ConditionResult, StudyResults

__all__ = ["grid_bars", "histograms", "size_curves", "spectra"]

THESIS = "the thesis (other data)"
_TITLES = {"decibel": "decibels", "linear": "power"}


def grid_bars(results: StudyResults, *, note: str = "") -> alt.VConcatChart:
    """Draw Fig. 5.5: four groups of bars, by magnitude and scale; hollow diamonds are the thesis's values."""
    rows, marks, groups = [], [], []
    for number, (magnitude, scaled) in enumerate(product(MAGNITUDES, (False, True))):
        scale = _scale(results, magnitude) if scaled else "x1"
        groups.append(f"{1 + number // 2}{'s' if scaled else ''}: {_TITLES[magnitude]}, {scale}")
        for weighting in WEIGHTINGS:
            c = results.condition(name_of(magnitude, weighting, scaled=scaled))
            own = {"group": groups[-1], "weighting": WORDS[weighting]}
            if c is not None:
                rows.append({**own, **_estimate(c)})
                marks += [{**own, "kind": "seed", "value": v} for v in c.test.by_seed(METRIC)]
            paper = FIG_5_5[magnitude, 10 if scaled else 1][weighting]
            marks.append({**own, "kind": THESIS, "value": paper})
    chart = _bars(pd.DataFrame(rows), pd.DataFrame(marks), groups)
    below = "bars do not begin at 0; strokes: seeds; hollow diamonds: the thesis's values, on other data"
    return figure([panel(chart, width=620)], results.title, below, note=note)


def _scale(results: StudyResults, magnitude: str) -> str:
    c = results.condition(name_of(magnitude, scaled=True))
    return "scaled" if c is None else f"x{float(c.condition.values['scale']):g}"


def _estimate(c: ConditionResult) -> dict[str, float]:
    e = c.test.of(METRIC)
    low, high = (math.nan, math.nan) if e.songs is None else (e.songs.low, e.songs.high)
    return {"value": e.value, "low": low, "high": high, "seeds": e.n_seeds}


def _bars(table: pd.DataFrame, marks: pd.DataFrame, groups: list[str]) -> Chart:
    names = [WORDS[weighting] for weighting in WEIGHTINGS]
    shown = pd.concat([table["value"], table["low"], table["high"], marks["value"]])
    low, high = float(shown.min()), float(shown.max())
    margin = 0.1 * (high - low or 0.1)
    bottom = max(0.0, low - margin)
    scale = alt.Scale(domain=[bottom, min(1.0, high + margin)], nice=False, zero=False)
    y = alt.Y("value:Q", title="ROC-AUC", scale=scale)
    axis = alt.Axis(labelAngle=0, labelLimit=200, ticks=False)
    beside = {
        "x": alt.X("group:N", sort=groups, title=None, axis=axis),
        "xOffset": alt.XOffset("weighting:N", sort=names),
    }
    fill = alt.Color("weighting:N", scale=cycled(LIGHT.series, names), legend=legend(names, hollow=False))
    shows = tips(group="group:N", weighting="weighting:N", value="ROC-AUC:Q", low="from:Q", high="to:Q")
    base = alt.Chart(table.assign(bottom=bottom))
    seeds, paper = marks[marks["kind"] == "seed"], marks[marks["kind"] != "seed"]
    diamond = alt.Chart(paper).mark_point(
        shape="diamond", size=70, stroke=LIGHT.on_low, fill=LIGHT.page, opacity=1
    )
    return alt.layer(
        base.mark_bar().encode(y=y, y2="bottom:Q", color=fill, tooltip=shows, **beside),
        base.mark_rule(color=LIGHT.on_low).encode(y=alt.Y("low:Q"), y2="high:Q", **beside),
        alt.Chart(seeds).mark_tick(color=LIGHT.on_low, thickness=1, size=7).encode(y=y, **beside),
        diamond.encode(y=y, tooltip=tips(kind="of:N", value="ROC-AUC:Q"), **beside),
    ).properties(height=300)


def size_curves(results: StudyResults, *, note: str = "") -> alt.VConcatChart:
    """Draw ROC-AUC against the size of the training set, for decibels and power."""
    rows, marks = [], []
    for magnitude, size in product(MAGNITUDES, sizes_of(results)):
        c = results.condition(name_of(magnitude, size=size))
        if c is None:
            continue
        own = {"x": 100 * size, "line": _TITLES[magnitude]}
        rows.append({**own, **_estimate(c)})
        marks += [{**own, "value": value} for value in c.test.by_seed(METRIC)]
    thesis = {**FIG_5_5_SIZES, 1.0: FIG_5_5["decibel", 1]["bypass"]}
    empty = {"low": math.nan, "high": math.nan, "seeds": 1}
    rows += [
        {"x": 100 * size, "line": f"decibels, {THESIS}", "value": value, **empty}
        for size, value in thesis.items()
    ]
    curve = lines(
        pd.DataFrame(rows),
        "ROC-AUC",
        "training set (%)",
        band=True,
        marks=pd.DataFrame(marks) if marks else None,
    )
    return figure([panel(curve, width=520)], "ROC-AUC by size of the training set", note=note)


def histograms(excerpts: Excerpts, *, note: str = "") -> alt.VConcatChart:
    """Draw Fig. 5.6: how often magnitudes have which value, with logarithmic compression and without."""
    panels = [panel(_histogram(one), _TITLES[one.magnitude], width=340) for one in excerpts.histograms]
    below = (
        f"{excerpts.n_histogram} training excerpts, each standardised; {BINS} bins, whose shares add up to 1"
    )
    return figure(panels, "Magnitudes of mel bands", below, columns=2, note=note)


def _histogram(one: Histogram) -> Chart:
    table = pd.DataFrame({"low": one.edges[:-1], "high": one.edges[1:], "share": one.shares})
    bars = alt.Chart(table).mark_bar(color=LIGHT.series[0], stroke=LIGHT.series[0], strokeWidth=0.3)
    return alt.layer(
        bars.encode(
            x=alt.X("low:Q", bin="binned", title="standardised magnitude", scale=alt.Scale(nice=False)),
            x2="high:Q",
            y=alt.Y("share:Q", title="share"),
            tooltip=tips(".4f", low="from:Q", high="to:Q", share="share:Q"),
        )
    ).properties(height=240)


def spectra(excerpts: Excerpts, *, note: str = "") -> alt.VConcatChart:
    """Draw Fig. 5.4: the mean of every band, by weighting of frequencies."""
    table = pd.DataFrame(
        {"hz": hz, "weighting": WORDS[one.weighting], "value": value}
        for one in excerpts.spectra
        for hz, value in zip(excerpts.centres_hz, one.values, strict=True)
    )
    names = [WORDS[weighting] for weighting in WEIGHTINGS]
    curve = alt.Chart(table).mark_line(strokeWidth=2)
    drawn = alt.layer(
        curve.encode(
            x=alt.X("hz:Q", title="centre of the band (Hz)", scale=alt.Scale(type="log", nice=False)),
            y=alt.Y("value:Q", title="standardised decibels", scale=alt.Scale(zero=False)),
            color=alt.Color(
                "weighting:N", scale=cycled(LIGHT.series, names), legend=legend(names, hollow=False)
            ),
            tooltip=tips(weighting="weighting:N", hz="Hz:Q", value="mean:Q"),
        )
    )
    below = f"mean over {excerpts.n_spectrum} training excerpts and their frames; each is standardised last"
    return figure([panel(drawn, width=560, height=280)], "Average spectrum", below, note=note)
