"""Means over seeds, with what the choice of songs and the choice of seeds leave open, stated apart.

Two things make a score what it is by chance: which songs happen to be in the test set, and which seed the
training had. For the songs, whole songs are sampled with replacement, once per resample and alike for all
seeds and conditions that share a test set; the seeds' scores are averaged within each resample. For the
seeds, the scores of the seeds are taken as they are: their spread, and Student's interval of their mean.
"""

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from mixlab.evaluation import (
    MIN_SONGS,
    Interval,
    bootstrap_weights,
    class_prevalence,
    decide,
    fit_thresholds,
)
from mixlab.evaluation.arrays import Bools, Floats, check_arrays, count_undefined, divide, mean_defined
from mixlab.evaluation.bootstrap import interval_of, resample, resample_f1, songs_with
from mixlab.evaluation.metrics import (
    SCORE_EPSILON,
    average_precision,
    masked_bce,
    precision_recall_f1,
    prf,
    roc_auc,
)
from mixlab.evaluation.predictions import Predictions

__all__ = [
    "CLASS_METRICS",
    "F1_ABOVE_CHANCE",
    "METRICS",
    "ConditionScores",
    "Estimate",
    "RunScores",
    "difference",
    "estimate",
    "score_run",
    "test_set_id",
]

CLASS_METRICS = ("average_precision", "f1", "roc_auc")
METRICS = ("roc_auc", "average_precision", "loss", "f1", "micro_f1")
"""Scores over all classes: macro means, the loss, and the micro F1."""

F1_ABOVE_CHANCE = "f1_above_chance"
"""F1 minus that of saying yes to every mix, per class: both on the same songs in each resample."""

LEVEL = 0.95


@dataclass(frozen=True)
class RunScores:
    """Scores of one run on one split.

    Attributes:
        values: By metric of ``METRICS``.
        resampled: The same of every resample, ``(B,)``; empty without resamples.
        classes: By metric of ``CLASS_METRICS`` and ``F1_ABOVE_CHANCE``, ``(C,)``; NaN where undefined.
        class_resampled: The same of every resample, ``(B, C)``.
        support: ``(C,)`` known positives.
        songs: ``(C,)`` songs with known positives.
        validation_prevalence: ``(C,)`` frequency on validation.
        prevalence: ``(C,)`` frequency on this split, the AP of saying the same for every mix; NaN without
            positives.
        chance_f1: ``(C,)`` F1 of predicting each class always, which is what the prior comes to.
        n_items: Mixes.
        n_songs: Songs.
        test_set: What mixes these are, see ``test_set_id``.
    """

    values: Mapping[str, float]
    resampled: Mapping[str, Floats]
    classes: Mapping[str, Floats]
    class_resampled: Mapping[str, Floats]
    support: NDArray[np.int64]
    songs: NDArray[np.int64]
    validation_prevalence: Floats
    prevalence: Floats
    chance_f1: Floats
    n_items: int
    n_songs: int
    test_set: str


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds and how sure it is.

    Attributes:
        value: Mean over the seeds in which it is defined; NaN when it is in none.
        n_seeds: Seeds behind it.
        missing: Seeds that have no run yet, or in which it is undefined.
        songs: 95 % bootstrap interval over songs; None without resamples, or where too few songs hold
            positives.
        seeds: 95 % Student's interval of the mean over seeds, or Welch's of a difference between runs
            whose seeds do not belong together; None with one seed.
        spread: Standard deviation over seeds; NaN with one.
        low: Lowest seed.
        high: Highest seed.
        dropped: Resamples left out, as the score is undefined in them.
    """

    value: float
    n_seeds: int
    missing: int = 0
    songs: Interval | None = None
    seeds: Interval | None = None
    spread: float = math.nan
    low: float = math.nan
    high: float = math.nan
    dropped: int = 0

    @property
    def significant_over_songs(self) -> bool:
        """Whether the whole interval over songs lies on one side of 0; for differences."""
        return _one_side(self.songs)

    @property
    def significant_over_seeds(self) -> bool:
        """Whether the whole interval over seeds lies on one side of 0; for differences."""
        return _one_side(self.seeds)

    @property
    def significant(self) -> bool:
        """Whether both intervals do; with one seed, which has no interval, that over songs."""
        return self.significant_over_songs and (self.seeds is None or self.significant_over_seeds)


def _one_side(interval: Interval | None) -> bool:
    return interval is not None and (interval.low > 0 or interval.high < 0)


@dataclass(frozen=True)
class ConditionScores:
    """Scores of a condition's runs, by seed; seeds without a run are absent.

    Attributes:
        runs: Scores by seed.
        wanted: Seeds that the study asks for.
    """

    runs: Mapping[int, RunScores]
    wanted: int

    def of(self, metric: str, column: int | None = None) -> Estimate:
        """Return a metric over all classes, or of one class."""
        runs = list(self.runs.values())
        values, resampled = _collect(runs, metric, column)
        sparse = column is not None and any(int(run.songs[column]) < MIN_SONGS for run in runs)
        return estimate(values, None if sparse else resampled, wanted=self.wanted)

    def by_seed(self, metric: str, column: int | None = None) -> list[float]:
        """Return the same of every seed, in the order of ``runs``."""
        return [float(value) for value in _collect(list(self.runs.values()), metric, column)[0]]


def _collect(runs: Sequence[RunScores], metric: str, column: int | None) -> tuple[Floats, Floats | None]:
    """Return ``(S,)`` values, and ``(S, B)`` resamples or None."""
    if column is None:
        values = np.array([run.values[metric] for run in runs], np.float64)
        resampled = [run.resampled[metric] for run in runs if metric in run.resampled]
    else:
        values = np.array([run.classes[metric][column] for run in runs], np.float64)
        resampled = [run.class_resampled[metric][:, column] for run in runs if metric in run.class_resampled]
    return values, np.stack(resampled) if resampled and len(resampled) == len(runs) else None


def estimate(values: Floats, resampled: Floats | None, *, wanted: int | None = None) -> Estimate:
    """Average over seeds.

    Args:
        values: ``(S,)`` one score per seed; NaN where undefined.
        resampled: ``(S, B)`` the same in each resample of songs; None without.
        wanted: Seeds asked for; None for S.
    """
    values = np.asarray(values, np.float64)
    defined = np.isfinite(values)
    n = int(defined.sum())
    missing = (len(values) if wanted is None else wanted) - n
    if not n:
        return Estimate(math.nan, 0, missing)
    kept, mean = values[defined], float(values[defined].mean())
    averaged = None if resampled is None else np.asarray(resampled, np.float64)[defined].mean(axis=0)
    spread = float(kept.std(ddof=1)) if n > 1 else math.nan
    return Estimate(
        value=mean,
        n_seeds=n,
        missing=missing,
        songs=None if averaged is None else interval_of(averaged, LEVEL),
        seeds=_students(mean, spread, n),
        spread=spread,
        low=float(kept.min()),
        high=float(kept.max()),
        dropped=0 if averaged is None else count_undefined(averaged),
    )


def _students(mean: float, spread: float, n: int) -> Interval | None:
    if n < 2:
        return None
    half = float(student.ppf((1 + LEVEL) / 2, n - 1)) * spread / math.sqrt(n)
    return Interval(mean - half, mean + half)


def _welch(a: Floats, b: Floats) -> Interval | None:
    """Return Welch's interval of mean(b) - mean(a), of independent samples; None with one value of either."""
    a, b = a[np.isfinite(a)], b[np.isfinite(b)]
    if min(len(a), len(b)) < 2:
        return None
    mean, parts = float(b.mean() - a.mean()), [float(x.var(ddof=1)) / len(x) for x in (a, b)]
    if not any(parts):
        return Interval(mean, mean)
    degrees = sum(parts) ** 2 / sum(v**2 / (len(x) - 1) for v, x in zip(parts, (a, b), strict=True))
    half = float(student.ppf((1 + LEVEL) / 2, degrees)) * math.sqrt(sum(parts))
    return Interval(mean - half, mean + half)


def difference(
    a: ConditionScores, b: ConditionScores, metric: str, column: int | None = None, *, by_seed: bool = True
) -> Estimate:
    """Return b - a, over the seeds that both have.

    Where two runs share a test set, the same songs are sampled for both in each resample (a paired
    bootstrap); where they do not, the samples are independent of each other.

    Args:
        a: Scores of one condition.
        b: Scores of the other.
        metric: Of ``METRICS``, or with ``column`` of ``CLASS_METRICS`` or ``F1_ABOVE_CHANCE``.
        column: A class; None for the metric over all.
        by_seed: Seeds of the same number belong together. Where that means nothing, as for runs made
            elsewhere or on songs that every seed divides anew, the means are compared: the interval over
            seeds is then Welch's, of independent samples, and there is no spread, lowest or highest seed.
    """
    common = [seed for seed in a.runs if seed in b.runs]
    wanted = max(a.wanted, b.wanted)
    if by_seed and common:
        left, right = [a.runs[s] for s in common], [b.runs[s] for s in common]
    else:
        left, right = list(a.runs.values()), list(b.runs.values())
    if not left or not right:
        return Estimate(math.nan, 0, wanted)
    (va, da), (vb, db) = _collect(left, metric, column), _collect(right, metric, column)
    sparse = column is not None and any(int(run.songs[column]) < MIN_SONGS for run in (*left, *right))
    paired = by_seed and bool(common)
    seeds, counts = None, (0, 0)
    if not paired:
        seeds, counts = _welch(va, vb), (int(np.isfinite(va).sum()), int(np.isfinite(vb).sum()))
        va, vb = (np.array([mean_defined(v)]) for v in (va, vb))
        da, db = (None if d is None else d.mean(axis=0, keepdims=True) for d in (da, db))
    usable = da is not None and db is not None and da.shape == db.shape and not sparse
    resampled = db - da if usable and da is not None and db is not None else None
    found = estimate(vb - va, resampled, wanted=wanted if paired else None)
    if paired or not found.n_seeds:
        return found
    missing = max(a.wanted - counts[0], b.wanted - counts[1])
    return replace(found, n_seeds=min(counts), missing=missing, seeds=seeds, low=math.nan, high=math.nan)


def test_set_id(part: Predictions) -> str:
    """Return a name of the fixed mixes and targets that predictions are of."""
    digest = 0
    for text in part.recipes:
        digest = zlib.crc32(str(text).encode(), digest)
    known = np.where(part.mask, part.targets > 0.5, False)
    digest = zlib.crc32(np.packbits(known).tobytes() + np.packbits(part.mask).tobytes(), digest)
    return f"{len(part)}-{digest:08x}"


def score_run(
    predictions: Predictions,
    *,
    split: str = "test",
    threshold: str = "fitted",
    n_resamples: int = 1000,
    seed: int = 0,
    only: Bools | None = None,
) -> RunScores:
    """Compute every score of one run on one split.

    Args:
        predictions: Of validation and ``split``.
        split: Which mixes to score.
        threshold: ``fitted`` on validation, or ``half`` for 0.5 in every class.
        n_resamples: Bootstrap resamples of songs; 0 for none.
        seed: Of the bootstrap; runs on the same mixes sample the same songs, others independent ones.
        only: ``(N,)`` the rows of the split to score; None for all.
    """
    fitted_on, part = predictions.only("validation"), predictions.only(split)
    s, t, m = check_arrays(part.scores, part.targets, part.mask)
    groups = np.asarray([str(group) for group in part.group])
    if only is not None:
        s, t, m, groups = s[only], t[only], m[only], groups[only]
    at = fit_thresholds(fitted_on.scores, fitted_on.targets, fitted_on.mask).values
    d = decide(s, at if threshold == "fitted" else np.full(s.shape[1], 0.5))
    known_set = test_set_id(part) + (
        "" if only is None else f"-{zlib.crc32(np.packbits(only).tobytes()):08x}"
    )
    weights = bootstrap_weights(groups.tolist(), n_resamples, seed ^ zlib.crc32(known_set.encode()))
    classes = {
        "average_precision": average_precision(s, t, m),
        "f1": precision_recall_f1(d, t, m)[2],
        "roc_auc": roc_auc(s, t, m),
    }
    always = np.ones(s.shape, np.bool_)
    chance_f1 = precision_recall_f1(always, t, m)[2]
    values = {name: mean_defined(scores) for name, scores in classes.items()}
    values["loss"] = masked_bce(s, t, m)
    values["micro_f1"] = float(prf((d & t & m).sum(), (d & m).sum(), (t & m).sum())[2])
    resampled, class_resampled = _resample(s, d, t, m, weights, classes)
    if weights is not None:
        class_resampled[F1_ABOVE_CHANCE] = class_resampled["f1"] - resample_f1(always, t, m, weights)
    return RunScores(
        values=values,
        resampled=resampled,
        classes={**classes, F1_ABOVE_CHANCE: classes["f1"] - chance_f1},
        class_resampled=class_resampled,
        support=np.asarray((t & m).sum(0), np.int64),
        songs=songs_with(t & m, groups.tolist()),
        validation_prevalence=class_prevalence(fitted_on.targets, fitted_on.mask),
        prevalence=np.where((t & m).any(0), divide((t & m).sum(0), m.sum(0)), math.nan),
        chance_f1=chance_f1,
        n_items=len(s),
        n_songs=len(np.unique(groups)),
        test_set=known_set,
    )


def _resample(
    s: Floats, d: Bools, t: Bools, m: Bools, weights: Floats | None, classes: Mapping[str, Floats]
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Return all scores of every resample: over all classes, and per class."""
    if weights is None:
        return {}, {}
    found = resample(s, d, t, m, weights)
    class_resampled = {name: getattr(found, name) for name in CLASS_METRICS}
    resampled = {}
    for name, values in class_resampled.items():
        # Every resample averages the classes that the score itself does, or is left out.
        defined = np.isfinite(classes[name])
        empty = np.full(len(weights), math.nan)
        resampled[name] = values[:, defined].mean(axis=1) if defined.any() else empty
    clipped = np.clip(s, SCORE_EPSILON, 1 - SCORE_EPSILON)
    losses = np.where(m, -np.where(t, np.log(clipped), np.log1p(-clipped)), 0.0).sum(axis=1)
    resampled["loss"] = divide(weights @ losses, weights @ m.sum(axis=1))
    resampled["micro_f1"] = found.micro_f1
    return resampled, class_resampled
