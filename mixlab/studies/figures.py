"""The figures of a study, PNG and SVG, drawn with matplotlib without a display."""

import io
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mixlab.errors import MissingDependencyError
from mixlab.studies.paper_results import PaperRow
from mixlab.studies.results import CellResult, StudyResults
from mixlab.studies.statistics import Estimate
from mixlab.studies.tables import NAMES, guess_of, prior_scores

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["class_bars", "class_curves", "class_dots", "curves", "dots", "have_matplotlib", "numeric_axis"]

FORMATS = ("png", "svg")
_COLOURS = ("#1f6f8b", "#d1603d", "#5b8c5a", "#8e6c8a", "#b08d2f", "#5d6d7e", "#a23e48", "#3a7ca5")
_PANELS = ("roc_auc", "average_precision", "loss")


def have_matplotlib() -> bool:
    """Whether figures can be drawn here."""
    from importlib.util import find_spec

    return find_spec("matplotlib") is not None


def _figure(width: float, height: float) -> "Figure":
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError(
            "Figures need matplotlib, not installed here: pip install 'mixlab[plot]'."
        ) from error
    return Figure(figsize=(width, height), layout="constrained")


def _files(figure: "Figure", note: str) -> dict[str, bytes]:
    """Return the figure in every format, the same bytes each time."""
    import matplotlib

    if note:
        figure.supxlabel(note, fontsize=8, color="0.35")
    found = {}
    for kind in FORMATS:
        buffer = io.BytesIO()
        with matplotlib.rc_context({"svg.hashsalt": "mixlab", "svg.fonttype": "none"}):
            metadata: dict[str, Any] = {"Date": None} if kind == "svg" else {"Software": None}
            figure.savefig(buffer, format=kind, dpi=130, metadata=metadata)
        found[kind] = buffer.getvalue()
    return found


def numeric_axis(results: StudyResults) -> str:
    """Return the first varied setting whose values are numbers, to draw along; '' where there is none."""
    for name, values in results.vary.items():
        if len(values) > 1 and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values):
            return name
    return ""


def _lines(results: StudyResults, axis: str) -> dict[str, list[CellResult]]:
    """Return the cells of each line: those that agree in everything but what is drawn along."""
    lines: dict[str, list[CellResult]] = {}
    for c in results.done:
        if axis in c.cell.values:
            rest = ", ".join(f"{k.rpartition('.')[2]}={v}" for k, v in c.cell.values.items() if k != axis)
            lines.setdefault(rest, []).append(c)
    return {name: sorted(cells, key=lambda c: float(c.cell.values[axis])) for name, cells in lines.items()}


def _estimate(c: CellResult, metric: str, column: int | None) -> Estimate:
    return c.test.of(metric, column)


def _by_seed(c: CellResult, metric: str, column: int | None) -> list[float]:
    runs = c.test.runs.values()
    return [float(r.values[metric] if column is None else r.classes[metric][column]) for r in runs]


def _draw_line(
    axes: Any,  # noqa: ANN401 - matplotlib's axes
    cells: Sequence[CellResult],
    axis: str,
    of: Callable[[CellResult], Estimate],
    seeds: Callable[[CellResult], Sequence[float]],
    colour: str,
    label: str,
) -> None:
    """Draw the means as a line, the interval over songs as a band, every seed as a dot."""
    x = [float(c.cell.values[axis]) for c in cells]
    found = [of(c) for c in cells]
    low = [math.nan if e.songs is None else e.songs.low for e in found]
    high = [math.nan if e.songs is None else e.songs.high for e in found]
    axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.plot(x, [e.value for e in found], color=colour, marker="o", markersize=3.5, label=label or None)
    for place, c in zip(x, cells, strict=True):
        values = seeds(c)
        axes.plot([place] * len(values), values, ".", color=colour, markersize=3, alpha=0.6)


def curves(
    results: StudyResults,
    axis: str,
    *,
    metrics: Sequence[str] = _PANELS,
    mark: float | None = None,
    note: str = "",
) -> dict[str, bytes]:
    """Draw metrics against a setting; ``mark`` is a value of it to point out."""
    figure = _figure(4.2 * len(metrics), 3.6)
    panels = figure.subplots(1, len(metrics), squeeze=False)[0]
    lines = _lines(results, axis)
    for axes, metric in zip(panels, metrics, strict=True):
        for k, (name, cells) in enumerate(lines.items()):
            _draw_line(
                axes,
                cells,
                axis,
                partial(_estimate, metric=metric, column=None),
                partial(_by_seed, metric=metric, column=None),
                _COLOURS[k % len(_COLOURS)],
                name,
            )
        if mark is not None:
            axes.axvline(mark, color="0.6", linestyle=":", linewidth=1)
        axes.set_title(NAMES[metric], fontsize=10)
        axes.set_xlabel(axis)
        axes.grid(color="0.92")
    if any(lines):
        panels[0].legend(fontsize=8)
    figure.suptitle(results.title, fontsize=11)
    return _files(figure, note)


def class_curves(results: StudyResults, axis: str, metric: str, *, note: str = "") -> dict[str, bytes]:
    """Draw a metric of every class against a setting, in small multiples."""
    n_columns = 5
    n_rows = math.ceil(len(results.labels) / n_columns)
    figure = _figure(2.5 * n_columns, 2.1 * n_rows)
    panels = figure.subplots(n_rows, n_columns, sharex=True, squeeze=False).ravel()
    for column, (axes, name) in enumerate(zip(panels, results.labels, strict=False)):
        for k, cells in enumerate(_lines(results, axis).values()):
            _draw_line(
                axes,
                cells,
                axis,
                partial(_estimate, metric=metric, column=column),
                partial(_by_seed, metric=metric, column=column),
                _COLOURS[k % len(_COLOURS)],
                "",
            )
        songs = max((int(r.songs[column]) for c in results.done for r in c.test.runs.values()), default=0)
        axes.set_title(f"{name} ({songs} songs)", fontsize=9)
        axes.tick_params(labelsize=8)
        axes.grid(color="0.92")
    for axes in panels[len(results.labels) :]:
        axes.set_visible(False)
    named = {"f1": "F1", "average_precision": "AP", "roc_auc": "ROC-AUC"}[metric]
    figure.suptitle(f"{named} per class against {axis}", fontsize=11)
    return _files(figure, note)


def _draw_dots(
    axes: Any,  # noqa: ANN401 - matplotlib's axes
    found: Sequence[Estimate],
    seeds: Sequence[Sequence[float]],
) -> None:
    """Draw one row per estimate: mean, interval over songs as a bar, seeds as small dots."""
    for y, (e, values) in enumerate(zip(found, seeds, strict=True)):
        colour = _COLOURS[y % len(_COLOURS)]
        if e.songs is not None:
            axes.plot([e.songs.low, e.songs.high], [y, y], color=colour, linewidth=3, alpha=0.35)
        axes.plot(e.value, y, "o", color=colour, markersize=6)
        axes.plot(values, [y] * len(values), "|", color="0.25", markersize=8)
    axes.grid(axis="x", color="0.92")
    axes.set_ylim(len(found) - 0.4, -0.6)


def dots(
    results: StudyResults,
    *,
    metrics: Sequence[str] = ("roc_auc", "average_precision", "loss", "f1"),
    paper: dict[str, PaperRow] | None = None,
    note: str = "",
) -> dict[str, bytes]:
    """Draw a panel per metric and a row per cell; ``paper`` holds rows of its Table 1 by cell name."""
    cells = results.done
    figure = _figure(2.2 + 2.6 * len(metrics), 1.4 + 0.34 * len(cells))
    panels = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    for axes, metric in zip(panels, metrics, strict=True):
        seeds = [_by_seed(c, metric, None) for c in cells]
        _draw_dots(axes, [c.test.of(metric) for c in cells], seeds)
        for y, c in enumerate(cells):
            row = (paper or {}).get(c.cell.name)
            if row is not None and metric in _PANELS:
                axes.plot(getattr(row, metric), y, "D", markerfacecolor="none", markeredgecolor="0.3")
        axes.set_title(NAMES[metric], fontsize=10)
        axes.tick_params(labelsize=8)
    panels[0].set_yticks(range(len(cells)), [c.cell.label for c in cells])
    figure.suptitle(results.title, fontsize=11)
    return _files(figure, note)


def class_dots(
    results: StudyResults, cells: Sequence[CellResult], columns: Sequence[int], *, note: str = ""
) -> dict[str, bytes]:
    """Draw the F1 of some classes, a panel each and a row per cell; a line marks the F1 of the prior."""
    n_rows = max(1, math.ceil(len(columns) / 4))
    n_columns = max(1, math.ceil(len(columns) / n_rows))
    figure = _figure(2.0 + 2.6 * n_columns, 0.8 + n_rows * (0.9 + 0.3 * len(cells)))
    panels = figure.subplots(n_rows, n_columns, sharey=True, squeeze=False)
    for axes, column in zip(panels.ravel(), columns, strict=False):
        seeds = [_by_seed(c, "f1", column) for c in cells]
        _draw_dots(axes, [c.test.of("f1", column) for c in cells], seeds)
        priors = [float(r.prior_f1[column]) for r in cells[0].test.runs.values()] if cells else []
        if np.isfinite(priors).any():
            axes.axvline(float(np.nanmean(priors)), color="0.5", linestyle=":")
        defined = any(math.isfinite(c.test.of("f1", column).value) for c in cells)
        axes.set_title(results.labels[column] + ("" if defined else " (undefined)"), fontsize=10)
        axes.set_xlim(-0.03, 1.03)
        axes.tick_params(labelsize=8)
    for axes in panels.ravel()[len(columns) :]:
        axes.set_visible(False)
    for row in panels:
        row[0].set_yticks(range(len(cells)), [c.cell.label for c in cells])
    figure.suptitle(f"{results.title}\nF1; dotted: the prior{guess_of(results, cells)}", fontsize=11)
    return _files(figure, note)


def class_bars(
    results: StudyResults, cells: Sequence[CellResult], metric: str = "f1", *, note: str = ""
) -> dict[str, bytes]:
    """Draw a group of bars per class, a bar per cell, every seed as a tick; a dotted line marks the prior."""
    n_classes, n_cells = len(results.labels), max(1, len(cells))
    figure = _figure(1.5 + 0.75 * n_classes + 0.1 * n_cells * n_classes, 4.4)
    axes = figure.subplots()
    width = 0.8 / n_cells
    for k, c in enumerate(cells):
        found = [c.test.of(metric, column) for column in range(n_classes)]
        x = np.arange(n_classes) - 0.4 + width * (k + 0.5)
        axes.bar(
            x, [e.value for e in found], width * 0.92, color=_COLOURS[k % len(_COLOURS)], label=c.cell.label
        )
        for column, (place, e) in enumerate(zip(x, found, strict=True)):
            values = _by_seed(c, metric, column)
            axes.plot([place] * len(values), values, "_", color="0.2", markersize=4)
            if e.songs is not None:
                axes.plot([place, place], [e.songs.low, e.songs.high], color="0.2", linewidth=1)
            elif math.isnan(e.value):
                axes.text(place, 0.01, "undefined", rotation=90, fontsize=7, ha="center", va="bottom")
    names = []
    for column, name in enumerate(results.labels):
        runs = [r for c in cells[:1] for r in c.test.runs.values()]
        support = sum(int(r.support[column]) for r in runs) / max(1, len(runs))
        names.append(f"{name}\n{support:.0f}")
        priors = [float(prior_scores(r, metric)[column]) for r in runs]
        if np.isfinite(priors).any():
            prior = float(np.nanmean(priors))
            axes.plot(
                [column - 0.42, column + 0.42], [prior, prior], color="0.1", linestyle=":", linewidth=1.2
            )
    axes.set_xticks(range(n_classes), names, rotation=45, ha="right", fontsize=8)
    axes.set_xlim(-0.6, n_classes - 0.4)
    axes.set_ylim(0, 1.02 if n_cells == 1 else 1.2)
    axes.set_yticks(np.arange(0, 1.01, 0.2))
    axes.set_ylabel({"f1": "F1", "average_precision": "AP", "roc_auc": "ROC-AUC"}[metric])
    axes.grid(axis="y", color="0.92")
    axes.set_axisbelow(True)
    axes.set_title(
        f"{results.title}\nbelow each class: its positive test mixes; dotted: the prior"
        f"{guess_of(results, cells)}",
        fontsize=10,
    )
    if n_cells > 1:
        axes.legend(fontsize=8, ncols=min(4, n_cells))
    return _files(figure, note)
