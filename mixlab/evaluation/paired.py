"""Two models on the same mixes: differences with intervals, from resamples that both share."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mixlab.errors import ConfigError
from mixlab.evaluation.arrays import Floats, check_arrays, count_undefined
from mixlab.evaluation.bootstrap import (
    MIN_SONGS,
    Interval,
    Resampled,
    bootstrap_weights,
    interval_of,
    resample,
    songs_with,
)
from mixlab.evaluation.metrics import (
    average_precision,
    decide,
    fit_thresholds,
    precision_recall_f1,
    prf,
    roc_auc,
)
from mixlab.evaluation.predictions import Predictions
from mixlab.taxonomy.hierarchy import ancestry_from_parents, output_levels

__all__ = ["Comparison", "Difference", "check_same_items", "compare"]


@dataclass(frozen=True)
class Difference:
    """One score of two models.

    Attributes:
        name: Class, ``macro``, a level, or ``micro``.
        songs: Songs with known positives; those of all classes together for means.
        a: The first model's score; NaN where undefined.
        b: The second model's.
        difference: b - a.
        interval: Of the difference; None where fewer than ``MIN_SONGS`` songs hold positives.
        above_zero: Share of the resamples in which b is better; NaN without resamples.
        dropped: Resamples left out, as the score is undefined in them.
    """

    name: str
    songs: int
    a: float
    b: float
    difference: float
    interval: Interval | None = None
    above_zero: float = math.nan
    dropped: int = 0

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of 0."""
        return self.interval is not None and (self.interval.low > 0 or self.interval.high < 0)


@dataclass(frozen=True)
class Comparison:
    """Two models on the same mixes.

    Attributes:
        split: The split that was compared.
        n_items: Mixes.
        n_groups: Songs.
        n_resamples: Resamples of songs, the same for both models.
        average_precision: Per class, then macro and, if there are two levels, families and instruments.
        f1: The same and micro, each model at thresholds fitted on its own validation scores.
        roc_auc: As ``average_precision``.
    """

    split: str
    n_items: int
    n_groups: int
    n_resamples: int
    average_precision: tuple[Difference, ...]
    f1: tuple[Difference, ...]
    roc_auc: tuple[Difference, ...]


def check_same_items(a: Predictions, b: Predictions) -> None:
    """Refuse predictions that are not of the same classes and mixes with the same targets.

    Raises:
        ConfigError: they differ; the message says in what, and what makes them comparable.
    """
    advice = (
        "Runs can be compared when they were scored with the same catalog, label set, train.eval_seed, "
        "train.val_size and train.test_size, and the same evaluation settings of the mixing."
    )
    if a.labels != b.labels:
        raise ConfigError(f"The runs have different classes: {a.labels} and {b.labels}. {advice}")
    if len(a) != len(b):
        raise ConfigError(f"The runs were scored on {len(a)} and on {len(b)} mixes. {advice}")
    differing = np.flatnonzero((a.recipes != b.recipes) | (a.index != b.index))
    if len(differing):
        first = int(differing[0])
        raise ConfigError(
            f"The runs were scored on different mixes: {len(differing)} of {len(a)} recipes differ, first "
            f"at item {a.index[first]}, by {_where(str(a.recipes[first]), str(b.recipes[first]))}. {advice}"
        )
    known = a.mask & b.mask
    if (a.mask != b.mask).any() or (a.targets[known] != b.targets[known]).any():
        raise ConfigError(
            "The runs have the same recipes but different targets: corpora or labels changed in between. "
            "Score both again with 'mixlab evaluate'."
        )


def _where(a: str, b: str) -> str:
    """Name the fields in which two recipes differ."""
    try:
        first, second = json.loads(a), json.loads(b)
        names = [name for name in first.keys() | second.keys() if first.get(name) != second.get(name)]
    except (json.JSONDecodeError, AttributeError):
        names = []
    return ", ".join(sorted(names)) or "the item's place"


def compare(
    a: Predictions,
    b: Predictions,
    *,
    split: str = "test",
    parents: Sequence[int | None] | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Comparison:
    """Compare two models on the mixes of one split.

    In each resample the same songs are sampled for both, so what makes a song hard for either cancels
    out: the interval of the difference is narrower than two separate intervals suggest.

    Args:
        a: Predictions of validation and ``split``.
        b: The same of another model.
        split: Which mixes to compare on.
        parents: Parent output of each class, for means per level; None leaves them out.
        n_resamples: Bootstrap resamples; 0 leaves intervals out.
        seed: Seed of the bootstrap.
        level: Coverage of the intervals.

    Raises:
        ConfigError: the models were not scored on the same mixes, or there are none of this split.
    """
    first, second = a.only(split), b.only(split)
    check_same_items(first, second)
    if not len(first):
        raise ConfigError(f"The runs hold no predictions of split {split!r}.")
    groups = [str(group) for group in first.group]
    weights = bootstrap_weights(groups, n_resamples, seed)
    sides = _side(a, first, weights), _side(b, second, weights)
    positive = (first.targets > 0.5) & first.mask
    counts = songs_with(positive, groups).tolist()
    every = int(songs_with(np.any(positive, axis=1)[:, None], groups)[0])
    rows = [(name, counts[c], np.array([c])) for c, name in enumerate(a.labels)]
    rows += [(name, every, columns) for name, columns in _groups(len(a.labels), parents)]
    tables = {
        kind: tuple(_row(name, songs, columns, sides, kind, level) for name, songs, columns in rows)
        for kind in ("average_precision", "f1", "roc_auc")
    }
    resampled = [side.resampled.micro_f1 for side in sides if side.resampled is not None]
    micro = _difference("micro", every, [side.micro_f1 for side in sides], resampled, level)
    return Comparison(
        split=split,
        n_items=len(first),
        n_groups=len(set(groups)),
        n_resamples=0 if weights is None else len(weights),
        average_precision=tables["average_precision"],
        f1=(*tables["f1"], micro),
        roc_auc=tables["roc_auc"],
    )


@dataclass(frozen=True)
class _Side:
    """One model's scores: values ``(C,)`` by kind, and those of the resamples."""

    values: dict[str, Floats]
    micro_f1: float
    resampled: Resampled | None


def _side(run: Predictions, part: Predictions, weights: Floats | None) -> _Side:
    fitted_on = run.only("validation")
    thresholds = fit_thresholds(fitted_on.scores, fitted_on.targets, fitted_on.mask)
    s, t, m = check_arrays(part.scores, part.targets, part.mask)
    d = decide(s, thresholds.values)
    values = {
        "average_precision": average_precision(s, t, m),
        "f1": precision_recall_f1(d, t, m)[2],
        "roc_auc": roc_auc(s, t, m),
    }
    micro_f1 = float(prf((d & t & m).sum(), (d & m).sum(), (t & m).sum())[2])
    return _Side(values, micro_f1, None if weights is None else resample(s, d, t, m, weights))


def _groups(n_classes: int, parents: Sequence[int | None] | None) -> list[tuple[str, NDArray[np.int64]]]:
    """Return the columns that each mean is over."""
    groups = [("macro", np.arange(n_classes))]
    if parents is not None and any(parent is not None for parent in parents):
        below = output_levels(ancestry_from_parents(parents)) > 0
        groups += [("families", np.flatnonzero(~below)), ("instruments", np.flatnonzero(below))]
    return groups


def _row(
    name: str, songs: int, columns: NDArray[np.int64], sides: Sequence[_Side], kind: str, level: float
) -> Difference:
    """Compare a class, or the mean over the classes of ``columns`` that are defined (for both alike)."""
    values = [side.values[kind][columns] for side in sides]
    defined = np.isfinite(values[0]) & np.isfinite(values[1])
    if not defined.any():
        return Difference(name, songs, math.nan, math.nan, math.nan)
    resampled = [
        getattr(side.resampled, kind)[:, columns[defined]].mean(axis=1)
        for side in sides
        if side.resampled is not None
    ]
    return _difference(name, songs, [float(v[defined].mean()) for v in values], resampled, level)


def _difference(
    name: str, songs: int, values: Sequence[float], resampled: Sequence[Floats], level: float
) -> Difference:
    plain = Difference(name, songs, values[0], values[1], values[1] - values[0])
    if not resampled:
        return plain
    samples = resampled[1] - resampled[0]
    defined = samples[np.isfinite(samples)]
    return replace(
        plain,
        interval=interval_of(samples, level) if songs >= MIN_SONGS else None,
        above_zero=float((defined > 0).mean()) if defined.size else math.nan,
        dropped=count_undefined(samples),
    )
