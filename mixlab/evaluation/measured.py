"""One metric on one split: its values, the same of every resample of songs, and what follows for means."""

import math
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mixlab.evaluation.arrays import Bools, Floats, Integers, count_undefined, divide, mean_defined
from mixlab.evaluation.bootstrap import LEVEL, Interval, interval_of
from mixlab.evaluation.cells import Cells, Part
from mixlab.evaluation.metrics import Metric, MetricInfo
from mixlab.utils.plugins import running

__all__ = ["Measured", "Score", "apply", "measure", "resample", "resample_by_hand"]


@dataclass(frozen=True)
class Score:
    """A metric's value on a split.

    Attributes:
        value: NaN where it is undefined.
        chance: The same of the chance-level baseline; NaN where none was scored.
        interval: Bootstrap interval over songs; None without resamples, or with too few songs with positives.
        undefined: Classes (of a metric over items: mixes) that a mean leaves out.
        dropped: Resamples that the interval leaves out, as a class of the mean is undefined in them.
    """

    value: float
    chance: float = math.nan
    interval: Interval | None = None
    undefined: int = 0
    dropped: int = 0


@dataclass(frozen=True, eq=False)
class Measured:
    """A metric's values, and those of every resample.

    Attributes:
        metric: Which metric.
        values: ``(C,)`` per class, ``(1,)`` for a metric over items or over all cells; NaN where undefined.
        resampled: ``(B, C)`` or ``(B, 1)``, the same of each resample; None without.
        left_out: Mixes that a mean over items leaves out.
    """

    metric: MetricInfo
    values: Floats
    resampled: Floats | None = None
    left_out: int = 0

    def only(self, columns: ArrayLike) -> "Measured":
        """Return some of the classes; all there is of a metric that has no classes."""
        if self.metric.over != "class":
            return self
        at = np.asarray(columns, np.int64)
        resampled = None if self.resampled is None else self.resampled[:, at]
        return Measured(self.metric, self.values[at], resampled)

    @property
    def defined(self) -> Bools:
        """Where the values are defined."""
        return np.asarray(np.isfinite(self.values))

    @property
    def mean(self) -> float:
        """Mean of the defined values; NaN without any."""
        return mean_defined(self.values)

    def resampled_mean(self, among: Bools | None = None) -> Floats | None:
        """Return the mean in every resample ``(B,)``; NaN where a class of it is undefined.

        Each averages the same classes, as its mean would else be of another quantity.

        Args:
            among: ``(C,)`` the classes of the mean; None for those that are defined.
        """
        among = self.defined if among is None else among
        if self.resampled is None:
            return None
        if not among.any():
            return np.full(len(self.resampled), math.nan)
        return np.asarray(self.resampled[:, among].mean(axis=1))

    def score(self, chance: "Measured | None" = None, *, interval: bool = True) -> Score:
        """Return the mean over the classes as a score, or the value of a metric that has none."""
        resampled = self.resampled_mean() if interval else None
        return Score(
            value=self.mean,
            chance=math.nan if chance is None else chance.mean,
            interval=None if resampled is None else interval_of(resampled, LEVEL),
            undefined=count_undefined(self.values) if self.metric.over == "class" else self.left_out,
            dropped=0 if resampled is None or not self.defined.any() else count_undefined(resampled),
        )

    def of_class(self, column: int, chance: "Measured | None" = None, *, interval: bool = True) -> Score:
        """Return the score of one class."""
        resampled = self.resampled if interval else None
        return Score(
            value=float(self.values[column]),
            chance=math.nan if chance is None else float(chance.values[column]),
            interval=None if resampled is None else interval_of(resampled[:, column], LEVEL),
        )


def _is_defined(metric: Metric, part: Part) -> bool:
    return bool(part.present.any() if metric.needs_positives else len(part.present))


def apply(metric: Metric, part: Part) -> float:
    """Return a metric of some known cells; NaN where it is undefined.

    Raises:
        ConfigError: the metric fails, or gives something that is no number.
    """
    if not _is_defined(metric, part):
        return math.nan
    values: Any = part.decisions if metric.needs_threshold else part.scores
    with _running(metric, part):
        return float(metric.function(values, part.present))


def _running(metric: Metric, part: Part) -> AbstractContextManager[None]:
    cells = f"{len(part.present)} known cells, {part.present.sum()} of them present,"
    return running("metric", metric.name, f"({metric.source}) on {cells}")


def resample_by_hand(metric: Metric, part: Part, weights: Floats) -> Floats:
    """Return a metric of every resample ``(B,)``, each cell taken as often as its song was sampled."""
    rows = (np.repeat(np.arange(len(part.song)), row[part.song].astype(np.int64)) for row in weights)
    return np.array([apply(metric, part.take(kept)) for kept in rows])


def resample(metric: Metric, part: Part, weights: Floats) -> Floats:
    """Return a metric of every resample ``(B,)``; NaN where it is undefined."""
    if not _is_defined(metric, part):
        return np.full(len(weights), math.nan)
    if metric.resample is None:
        return resample_by_hand(metric, part, weights)
    values: Any = part.decisions if metric.needs_threshold else part.scores
    with _running(metric, part):
        return metric.resample(values, part.present, part.song, weights)


def measure(
    metric: Metric, cells: Cells, weights: Floats | None = None, *, like: Floats | None = None,
    changed: Bools | None = None,
) -> Measured:  # fmt: skip
    """Compute a metric of a split, and of resamples of its songs.

    Args:
        metric: The metric; one that is only a detail is not resampled.
        cells: The split.
        weights: ``(B, S)`` how often each resample has each song; None for no resamples.
        like: ``(B, C)`` resamples of the same metric, of cells that differ only in some classes, to be taken
            over: they are what takes the time. For metrics of classes that need no threshold.
        changed: ``(C,)`` the classes that differ from ``like``; None for all.
    """
    if metric.over == "item":
        return _measure_items(metric, cells, weights)
    parts = list(cells.parts(metric.over))
    values = np.array([apply(metric, part) for part in parts])
    if weights is None or metric.detail:
        return Measured(metric, values)
    resampled = np.empty((len(weights), len(parts)))
    for c, part in enumerate(parts):
        same = like is not None and changed is not None and not changed[c]
        resampled[:, c] = like[:, c] if like is not None and same else resample(metric, part, weights)
    return Measured(metric, values, resampled)


def _measure_items(metric: Metric, cells: Cells, weights: Floats | None) -> Measured:
    """Average over the mixes in which the metric is defined; sums add up over songs."""
    values = np.array([apply(metric, part) for part in cells.parts("item")])
    defined = np.isfinite(values)
    mean, left_out = np.array([mean_defined(values)]), int((~defined).sum())
    if weights is None or metric.detail:
        return Measured(metric, mean, None, left_out)
    song: Integers = cells.song[defined]
    sums, counts = (np.bincount(song, x, cells.n_songs) for x in (values[defined], np.ones(len(song))))
    return Measured(metric, mean, divide(weights @ sums, weights @ counts)[:, None], left_out)
