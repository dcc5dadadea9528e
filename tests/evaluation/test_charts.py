"""Charts show every row they are given, say what is undefined, and become pictures without a browser."""

import math
import re
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("altair")

from mixlab.evaluation.charts import (
    DARK,
    LIGHT,
    Palette,
    bars,
    confusion_bars,
    confusion_matrix,
    confusion_table,
    dots,
    figure,
    files,
    history,
    lines,
    panel,
    recall_curve,
    timeline,
    tree_chart,
)

CLASSES = ("voice", "brass", "theremin")
RUNS = ("A: first", "B: second")


def scores(runs: tuple[str, ...] = ("only",)) -> pd.DataFrame:
    """A row per class and run; the theremin is undefined, brass has no interval."""
    values = {"voice": (0.8, 0.7, 0.9), "brass": (0.4, math.nan, math.nan), "theremin": (math.nan,) * 3}
    return pd.DataFrame(
        [
            {
                "row": name,
                "run": run,
                "value": v,
                "low": low,
                "high": high,
                "chance": 0.3,
                "hollow": name == "brass",
            }
            for name, (v, low, high) in values.items()
            for run in runs
        ]
    )


def points(lines: tuple[str, ...] = ("",)) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"x": x, "line": line, "value": v, "low": v - 0.1, "high": v + 0.1, "seeds": 3}
            for line in lines
            for x, v in ((0.0, 0.5), (0.4, 0.75), (1.0, math.nan))
        ]
    )


def rows_of(chart: Any) -> list[list[dict[str, Any]]]:
    """The data of every layer."""
    spec = chart.to_dict()
    layers = [
        spec["data"]["name"] if "data" in spec else None,
        *(one["data"]["name"] for one in _layers(spec) if "data" in one),
    ]
    return [spec["datasets"][name] for name in layers if name]


def _layers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [deep for one in spec.get("layer", []) for deep in (one, *_layers(one))]


def legends(chart: Any) -> int:
    """How many layers ask for a legend."""
    encodings = [one.get("encoding", {}).get("color", {}) for one in _layers(chart.to_dict())]
    return sum(isinstance(one, dict) and one.get("legend") is not None for one in encodings)


def test_dots_show_every_class_and_name_those_that_are_undefined() -> None:
    chart = dots(scores(), CLASSES, "F1", undefined="no mix is known to hold it")
    shown = {row["row"]: row for rows in rows_of(chart) for row in rows}
    assert set(shown) == set(CLASSES)
    texts = [
        one["encoding"]["text"]["value"] for one in _layers(chart.to_dict()) if "text" in one["encoding"]
    ]
    assert texts == ["no mix is known to hold it"]
    assert chart.to_dict()["layer"][-1]["encoding"]["y"]["sort"] == list(CLASSES)


def test_rows_of_a_few_classes_do_not_overlap_on_a_page() -> None:
    vl_convert = pytest.importorskip("vl_convert")
    chart = dots(scores(), CLASSES, title="F1", colours=LIGHT)
    # As pages draw it: within its height lie the axis, its title and the margins, too.
    drawn = chart.properties(width=600, autosize={"type": "fit", "contains": "padding"})
    svg = vl_convert.vegalite_to_svg(drawn.to_dict())
    heights = [
        float(re.search(rf'translate\([-.\d]+,([-.\d]+)\)"[^>]*>{name}<', svg).group(1)) for name in CLASSES
    ]
    assert min(b - a for a, b in pairwise(heights)) >= 18


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_hollow_dots_are_filled_with_the_page(colours: Palette) -> None:
    rows = [row for rows in rows_of(dots(scores(), CLASSES, "F1", colours=colours)) for row in rows]
    ink = {row["row"]: row["ink"] for row in rows if "ink" in row}
    assert ink == {"voice": colours.series[0], "brass": colours.page}


def test_only_several_runs_have_a_legend() -> None:
    assert legends(dots(scores(), CLASSES, "F1", runs=RUNS[:1])) == 0
    assert legends(dots(scores(RUNS), CLASSES, "F1", runs=RUNS)) > 0
    assert legends(lines(points(), "F1", "p")) == 0
    assert legends(lines(points(("a", "b")), "F1", "p")) > 0
    assert legends(lines(points(("a", "b")), "F1", "p", small=True)) == 0


def test_more_names_than_colours_begin_anew() -> None:
    names = [f"run {n}" for n in range(len(LIGHT.series) + 1)]
    assert LIGHT.of(names, names[-1]) == LIGHT.series[0]
    chart = bars(scores(tuple(names)), CLASSES, names, "F1").to_dict()
    scale = chart["layer"][0]["encoding"]["color"]["scale"]
    assert scale["domain"] == names
    assert scale["range"] == [*LIGHT.series, LIGHT.series[0]]


def luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_every_colour_stands_out_from_the_page(colours: Palette) -> None:
    """4.5 to 1 for texts, 3 to 1 for marks: WCAG 2.1."""
    assert min(contrast(colour, colours.page) for colour in colours.series) >= 3
    assert contrast(colours.quiet, colours.page) >= 4.5
    assert contrast(colours.low, colours.on_low) >= 4.5
    assert contrast(colours.high, colours.on_high) >= 4.5
    assert len(set(colours.series)) == len(colours.series)


def every_chart() -> dict[str, Any]:
    epochs = pd.DataFrame(
        [("A", 0, "training", 0.5), ("A", 1, "training", 0.4)], columns=["run", "epoch", "curve", "value"]
    )
    best = pd.DataFrame([("A", 1)], columns=["run", "epoch"])
    names = ["run", "threshold", "precision", "recall", "F1", "TP", "FP", "FN"]
    curve = pd.DataFrame(
        [("A", 0.2, 0.5, 1.0, 0.67, 2, 2, 0), ("A", 0.6, 1.0, 0.5, 0.67, 1, 0, 1)], columns=names
    )
    boxes = ["class", "level", "top", "bottom", "F1", "figure", "positive"]
    counts = ["pair", "expected", "mixes", "excess", "missed", "added", "share", "usual"]
    tree = [("voice", 0, 0, 1, 0.5, "0.500", 3), ("singer", 1, 0, 1, math.nan, "–", 0)]
    pairs = [("voice → brass", 2.0, 5, 3.0, "voice", "brass", 0.5, 0.2)]
    frames = [("voice", 0.0, 1.0, 0.7), ("voice", 1.0, 2.0, math.nan)]
    seeds = pd.DataFrame(
        [("voice", "only", 0.8, "seed"), ("brass", "only", 0.5, "the paper")],
        columns=["row", "run", "value", "kind"],
    )
    return {
        "dots": dots(scores(), CLASSES, "F1", marks=seeds, zero=True),
        "lines": lines(points(), "F1", "p_musical", band=True, marks=points(), at=0.4),
        "names": lines(points().assign(x=["a", "b", "c"]), "F1", "condition", numeric=False),
        "bars": bars(scores(), CLASSES, ["only"], "F1", marks=seeds),
        "history": history(epochs, best, ["A"], "loss"),
        "curve": recall_curve(curve, curve[:1], ["A"]),
        "tree": tree_chart(pd.DataFrame(tree, columns=boxes)),
        "confusions": confusion_bars(
            pd.DataFrame(pairs, columns=counts)
        ),
        "timeline": timeline(
            pd.DataFrame(frames, columns=["row", "start", "end", "score"]),
            pd.DataFrame([("voice", 0.0, 1.0)], columns=["row", "start", "end"]),
            ["voice"],
            2.0,
        ),
    }  # fmt: skip


@pytest.mark.parametrize("name", list(every_chart()))
def test_every_chart_is_resampled_the_same_each_time(name: str) -> None:
    pytest.importorskip("vl_convert")
    resampled = [
        files(figure([panel(every_chart()[name], width=200)], "A title", "below", note="a note"))
        for _ in "ab"
    ]
    assert resampled[0] == resampled[1]
    assert resampled[0]["png"].startswith(b"\x89PNG")
    svg = resampled[0]["svg"].decode()
    assert all(f">{text}<" in svg for text in ("A title", "below", "a note"))


def test_a_figure_draws_more_rows_than_altair_allows_by_default() -> None:
    pytest.importorskip("vl_convert")
    many = pd.DataFrame([{"row": "voice", "start": n, "end": n + 1, "score": 0.5} for n in range(6000)])
    resampled = files(figure([panel(timeline(many, many[:1], ["voice"], 6000.0), width=100)], "long"))
    assert resampled["png"].startswith(b"\x89PNG")


def test_a_confusion_matrix_shows_every_class_in_order_and_no_share_of_an_empty_row() -> None:
    names, counts = ["tuba", "cello", "flute"], np.array([[3, 1, 0], [0, 0, 0], [1, 0, 4]])
    cells = confusion_table(names, counts)
    assert cells["count"].sum() == counts.sum()
    assert cells[cells["truth"] == "cello"]["share"].isna().all()
    spec = confusion_matrix(cells, names, "clips").to_dict()
    for layer in spec["layer"]:
        assert [layer["encoding"][axis]["sort"] for axis in ("x", "y")] == [names, names]
        assert layer["encoding"]["y"]["field"] == "truth"  # rows are true
    figures = [layer for layer in spec["layer"] if layer["mark"]["type"] == "text"]
    assert len(figures) == 1
    many = [f"speaker {k}" for k in range(30)]
    drawn = confusion_matrix(confusion_table(many, np.eye(30, dtype=int)), many, "clips")
    assert [layer["mark"]["type"] for layer in drawn.to_dict()["layer"]] == ["rect"]
