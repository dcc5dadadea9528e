"""Charts: a table in, an Altair chart out, for pages, notebooks and pictures alike.

Shape and text say what colour says. ``figure`` puts charts under one title, and ``files`` draws it.
"""

from mixlab.errors import MissingDependencyError

try:
    import altair  # noqa: F401 - what every module here stands on
except ImportError as error:
    raise MissingDependencyError(
        "Charts need Altair, not installed here: pip install 'mixlab[plot]'."
    ) from error

from mixlab.evaluation.charts.errors import (
    confusion_bars,
    confusion_matrix,
    confusion_table,
    recall_curve,
    tree_chart,
)
from mixlab.evaluation.charts.pictures import figure, files, panel
from mixlab.evaluation.charts.scores import bars, dots, history, lines, timeline
from mixlab.evaluation.charts.style import (
    DARK,
    LIGHT,
    PICK,
    UNIT,
    Chart,
    Palette,
    clickable,
    rows_axis,
    tips,
)

__all__ = [
    "DARK",
    "LIGHT",
    "PICK",
    "UNIT",
    "Chart",
    "Palette",
    "bars",
    "clickable",
    "confusion_bars",
    "confusion_matrix",
    "confusion_table",
    "dots",
    "figure",
    "files",
    "history",
    "lines",
    "panel",
    "recall_curve",
    "rows_axis",
    "timeline",
    "tips",
    "tree_chart",
]
