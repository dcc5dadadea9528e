"""Two models on the same mixes: differences with intervals, from resamples that both share."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixlab.errors import ConfigError
from mixlab.evaluation.arrays import Floats, count_undefined
from mixlab.evaluation.bootstrap import MIN_SONGS, Interval, interval_of, song_weights
from mixlab.evaluation.cells import Cells
from mixlab.evaluation.measured import Measured, measure
from mixlab.evaluation.metrics import METRICS, Metric, MetricInfo, metrics_for
from mixlab.evaluation.predictions import Predictions
from mixlab.evaluation.regression import NUMBER_METRICS, measure_numbers
from mixlab.evaluation.scoring import level_columns
from mixlab.evaluation.thresholds import fit_thresholds
from mixlab.evaluation.units import CLIPS, MIXES, Units
from mixlab.mixing.config import LABEL_RULES
from mixlab.utils.decode import Source, later, read_json

__all__ = ["Comparison", "Difference", "check_same_items", "compare", "differences"]

COMPARISON_SCHEMA = 2

ALL = "all"
"""Name of the row of a metric that is not computed per class."""


@dataclass(frozen=True)
class Difference:
    """One score of two models.

    Attributes:
        name: Class, ``macro``, a level, or ``all`` for a metric that is not computed per class.
        songs: Songs with known positives; those of all classes together for means.
        a: The first model's score; NaN where undefined.
        b: The second model's.
        difference: b - a.
        interval: Of the difference; None where fewer than ``MIN_SONGS`` songs hold positives.
        better: Share of the resamples in which b is better; NaN without resamples.
        dropped: Resamples left out, as the score is undefined in them.
    """

    name: str
    songs: int
    a: float
    b: float
    difference: float
    interval: Interval | None = None
    better: float = math.nan
    dropped: int = 0

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of 0."""
        return self.interval is not None and self.interval.excludes_zero


@dataclass(frozen=True)
class Comparison:
    """Two models on the same mixes.

    Attributes:
        split: The split that was compared.
        n_items: Mixes.
        n_groups: Songs.
        n_resamples: Resamples of songs, the same for both models.
        metrics: What is compared, in the order of tables.
        rows: By metric: per class, then macro and, if there are two levels, families and instruments; a
            single row for a metric that is not computed per class. What needs a threshold is decided at each
            model's own, fitted on its validation scores.
        a: Folder of the first run; '' where no runs were compared.
        b: Folder of the second.
        single_label: Whether each model decided for the highest score, without thresholds.
        units: What items and groups are called.
    """

    split: str
    n_items: int
    n_groups: int
    n_resamples: int
    metrics: tuple[MetricInfo, ...]
    rows: dict[str, tuple[Difference, ...]]
    a: str = ""
    b: str = ""
    single_label: tuple[bool, bool] = later((False, False))
    units: Units = later(MIXES)  # noqa: RUF009 - a field

    @classmethod
    def load(cls, file: str | Path) -> "Comparison":
        """Read what ``mixlab compare --out FOLDER`` wrote into ``comparison.json``.

        Raises:
            RunError: there is none, it is damaged, or another release of mixlab wrote it.
        """
        written_by = "mixlab compare RUN RUN --out FOLDER"
        data = read_json(Path(file), written_by)
        return Source(str(file), written_by).decode_file(cls, data, COMPARISON_SCHEMA)

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as dicts and lists, as ``comparison.json`` keeps it."""
        return {"schema": COMPARISON_SCHEMA, **asdict(self)}


ADVICE = {
    False: "Runs can be compared when they were scored with the same catalog, label set, train.eval_seed, "
    "train.val_size and train.test_size, and the same evaluation settings of the mixing.",
    True: "Runs on clips can be compared when they were made with the same settings under 'clips' (corpus, "
    "task, classes, splits and split_seed), on the same files.",
}
"""What makes runs comparable: on mixes, on clips."""


def check_same_items(a: Predictions, b: Predictions) -> None:
    """Refuse predictions that are not of the same classes and mixes (or clips) with the same targets.

    Raises:
        ConfigError: they differ; the message says in what, and what makes them comparable.
    """
    advice, items = ADVICE[a.units == CLIPS], a.units.items
    if a.labels != b.labels or (a.quantity is None) != (b.quantity is None):
        raise ConfigError(
            f"The runs have different classes: {_predicted(a)} and {_predicted(b)}. {advice}",
            code="runs-not-comparable",
        )
    if len(a) != len(b):
        raise ConfigError(
            f"The runs were scored on {len(a)} and on {len(b)} {items}. {advice}", code="runs-not-comparable"
        )
    differing = np.flatnonzero((a.mix_id != b.mix_id) | (a.index != b.index))
    if len(differing):
        first = int(differing[0])
        raise ConfigError(
            f"The runs were scored on different {items}: {len(differing)} of {len(a)} differ, first "
            f"at item {a.index[first]}, by {_where(str(a.recipes[first]), str(b.recipes[first]))}. {advice}",
            code="runs-not-comparable",
        )
    known = a.mask & b.mask
    if (a.mask != b.mask).any() or (a.targets[known] != b.targets[known]).any():
        raise ConfigError(
            f"The runs have the same {items} but different targets: they were labelled by other rules "
            f"({', '.join(LABEL_RULES)}), or corpora or labels changed in between. Score both again with "
            "'mixlab evaluate', or compare runs with the same rules.",
            code="runs-not-comparable",
        )


def _predicted(predictions: Predictions) -> str:
    """Say what is predicted, in messages."""
    quantity = predictions.quantity
    return ", ".join(predictions.labels) if quantity is None else f"the number {quantity.title}"


def _where(a: str, b: str) -> str:
    """Name the fields in which two recipes differ."""
    try:
        first, second = json.loads(a), json.loads(b)
        names = [name for name in first.keys() | second.keys() if first.get(name) != second.get(name)]
    except (ValueError, RecursionError, AttributeError):
        names = []
    return ", ".join(sorted(names)) or "the item's place"


def compare(
    a: Predictions,
    b: Predictions,
    *,
    split: str = "test",
    parents: Sequence[int | None] | None = None,
    metrics: Sequence[Metric] = tuple(METRICS.values()),
    n_resamples: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Compare two models on the mixes of one split.

    In each resample the same songs are sampled for both, so what makes a song hard for either cancels
    out: the interval of the difference is narrower than two separate intervals suggest.

    Args:
        a: Predictions of validation and ``split``.
        b: The same of another model.
        split: Which mixes to compare on.
        parents: Parent output of each class, for means per level; None leaves them out.
        metrics: What to compare by; what is only a detail is left out.
        n_resamples: Bootstrap resamples; 0 leaves intervals out.
        seed: Seed of the bootstrap.

    Raises:
        ConfigError: the models were not scored on the same mixes, or there are none of this split.
    """
    first, second = a.only(split), b.only(split)
    check_same_items(first, second)
    if not len(first):
        raise ConfigError(f"The runs hold no predictions of split {split!r}.", code="predictions-not-found")
    if first.quantity is not None:
        return _compare_numbers(first, second, n_resamples, seed)
    sides = _cells(a, first), _cells(b, second)
    weights = song_weights(sides[0].n_songs, n_resamples, seed)
    single = a.single_label and b.single_label
    compared = [metric for metric in metrics_for(metrics, single_label=single) if not metric.detail]
    rows = {}
    for metric in compared:
        one, other = (measure(metric, cells, weights) for cells in sides)
        rows[metric.name] = differences(a.labels, parents, sides[0], one, other)
    return Comparison(
        split=split,
        n_items=len(first),
        n_groups=sides[0].n_songs,
        n_resamples=0 if weights is None else len(weights),
        metrics=tuple(metric.info for metric in compared),
        rows=rows,
        single_label=(a.single_label, b.single_label),
        units=a.units,
    )


def _compare_numbers(a: Predictions, b: Predictions, n_resamples: int, seed: int) -> Comparison:
    """Compare two regressions on the items of one split, by ``NUMBER_METRICS``."""
    n_groups = len(set(a.group.astype(str).tolist()))
    weights = song_weights(n_groups, n_resamples, seed)
    one, other = measure_numbers(a, weights), measure_numbers(b, weights)
    return Comparison(
        split=str(a.split[0]),
        n_items=len(a),
        n_groups=n_groups,
        n_resamples=0 if weights is None else len(weights),
        metrics=tuple(NUMBER_METRICS.values()),
        rows={name: (_row(ALL, n_groups, np.array([0]), one[name], other[name]),) for name in NUMBER_METRICS},
        units=a.units,
    )


def _cells(run: Predictions, part: Predictions) -> Cells:
    fitted_on = run.only("validation")
    columns = part.scores, part.targets, part.mask, [str(group) for group in part.group]
    if run.single_label:
        return Cells.checked(*columns, single_label=True)
    thresholds = fit_thresholds(fitted_on.scores, fitted_on.targets, fitted_on.mask)
    return Cells.checked(*columns, thresholds.values)


def differences(
    labels: Sequence[str], parents: Sequence[int | None] | None, cells: Cells, a: Measured, b: Measured
) -> tuple[Difference, ...]:
    """Return one metric of two models, b - a, with paired intervals over songs.

    Args:
        labels: The C class names.
        parents: Parent output of each class, for means per level; None leaves them out.
        cells: The split, of either model.
        a: The metric of the first model.
        b: The same of the second, resampled with the same songs.
    """
    every = int(cells.songs_with(np.any(cells.present, axis=1)[:, None])[0])
    if a.metric.over != "class":
        return (_row(ALL, every, np.array([0]), a, b),)
    songs = cells.songs_with(cells.present).tolist()
    rows = [(name, songs[c], np.array([c])) for c, name in enumerate(labels)]
    rows += [(name, every, columns) for name, columns in _means(len(labels), parents).items()]
    return tuple(_row(*row, a, b) for row in rows)


def _means(n_classes: int, parents: Sequence[int | None] | None) -> Mapping[str, NDArray[np.int64]]:
    """Return the columns that each mean is over."""
    levels = level_columns(parents) if parents and any(p is not None for p in parents) else {}
    return {"macro": np.arange(n_classes), **levels}


def _row(name: str, songs: int, columns: NDArray[np.int64], a: Measured, b: Measured) -> Difference:
    """Compare a class, or the mean over the classes of ``columns`` that are defined for both."""
    a, b = a.only(columns), b.only(columns)
    defined = a.defined & b.defined
    if not defined.any():
        return Difference(name, songs, math.nan, math.nan, math.nan)
    values = [float(one.values[defined].mean()) for one in (a, b)]
    resampled = [one.resampled_mean(defined) for one in (a, b)]
    plain = Difference(name, songs, values[0], values[1], values[1] - values[0])
    if resampled[0] is None or resampled[1] is None:
        return plain
    return _with_interval(plain, resampled[1] - resampled[0], a.metric)


def _with_interval(plain: Difference, samples: Floats, metric: MetricInfo) -> Difference:
    defined = samples[np.isfinite(samples)]
    better = defined > 0 if metric.higher_is_better else defined < 0
    return replace(
        plain,
        interval=interval_of(samples) if plain.songs >= MIN_SONGS else None,
        better=float(better.mean()) if defined.size else math.nan,
        dropped=count_undefined(samples),
    )
