"""Means over seeds, with what the choice of songs and the choice of seeds leave open, stated apart.

Two things make a score what it is by chance: which songs happen to be in the test set, and which seed the
training had. For the songs, whole songs are sampled with replacement, once per resample and alike for all
seeds and conditions that share a test set; the seeds' scores are averaged within each resample. For the
seeds, the scores of the seeds are taken as they are: their spread, and Student's interval of their mean.
"""

import math
import warnings
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import ttest_1samp, ttest_ind

from mixlab.evaluation.arrays import Bools, Floats, Integers, count_undefined, mean_defined
from mixlab.evaluation.bootstrap import LEVEL, MIN_SONGS, Interval, interval_of, song_weights
from mixlab.evaluation.cells import Cells
from mixlab.evaluation.measured import Measured, measure
from mixlab.evaluation.metrics import METRICS, Metric, MetricInfo, metrics_for
from mixlab.evaluation.predictions import Predictions
from mixlab.evaluation.regression import NUMBER_METRICS, mean_predictor, measure_numbers
from mixlab.evaluation.scoring import chance_cells
from mixlab.evaluation.thresholds import ORACLES, choose_thresholds, class_prevalence, fit_thresholds

__all__ = [
    "F1_ABOVE_CHANCE",
    "ConditionScores",
    "Estimate",
    "RunScores",
    "difference",
    "estimate",
    "score_run",
    "test_set_id",
]

F1_ABOVE_CHANCE = MetricInfo(
    "f1_above_chance",
    "F1 above chance level",
    "F1 minus that of saying yes to every mix, per class: both on the same songs in each resample",
    needs_threshold=True,
    lowest=-1.0,
)


@dataclass(frozen=True)
class RunScores:
    """Scores of one run on one split.

    Attributes:
        measured: Every metric by its name, and ``F1_ABOVE_CHANCE``; with resamples, but for what is only a
            detail and judges no decisions, such as the calibration error.
        chance: The same of the baseline, which gives every mix each class's frequency on validation and says
            yes to all; without resamples. Of a regression, of the mean of training.
        support: ``(C,)`` known positives; none of a regression, nor anything else by class.
        songs: ``(C,)`` songs with known positives.
        validation_prevalence: ``(C,)`` frequency on validation.
        n_items: Mixes.
        n_songs: Songs.
        test_set: What mixes these are, see ``test_set_id``.
        groups: What its songs are called: ``groups`` where clips were scored.
    """

    measured: Mapping[str, Measured]
    chance: Mapping[str, Measured]
    support: Integers
    songs: Integers
    validation_prevalence: Floats
    n_items: int
    n_songs: int
    test_set: str
    groups: str = "songs"

    @property
    def of_numbers(self) -> bool:
        """Whether it is a regression, scored by ``NUMBER_METRICS``."""
        return not self.measured.keys().isdisjoint(NUMBER_METRICS)


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its intervals.

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
        over: What the interval ``songs`` is over: ``groups`` where clips were scored.
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
    over: str = "songs"

    def scaled(self, factor: float) -> "Estimate":
        """Return the same in another unit: 100 for per cent."""

        def ends(interval: Interval | None) -> Interval | None:
            return None if interval is None else Interval(interval.low * factor, interval.high * factor)

        numbers = {name: getattr(self, name) * factor for name in ("value", "spread", "low", "high")}
        return replace(self, **numbers, songs=ends(self.songs), seeds=ends(self.seeds))

    @property
    def significant_over_songs(self) -> bool:
        """Whether the whole interval over songs lies on one side of 0; for differences."""
        return self.songs is not None and self.songs.excludes_zero

    @property
    def significant_over_seeds(self) -> bool:
        """Whether the whole interval over seeds lies on one side of 0; for differences."""
        return self.seeds is not None and self.seeds.excludes_zero

    @property
    def significant(self) -> bool:
        """Whether both intervals do; with one seed, which has no interval, that over songs."""
        return self.significant_over_songs and (self.seeds is None or self.significant_over_seeds)


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
        found = estimate(values, None if sparse else resampled, wanted=self.wanted)
        info = _measured(runs[0], metric, column).metric if runs else None
        return replace(found, over=_groups(runs), seeds=_within(found.seeds, info))

    def by_seed(self, metric: str, column: int | None = None) -> list[float]:
        """Return the same of every seed, in the order of ``runs``."""
        return [float(value) for value in _collect(list(self.runs.values()), metric, column)[0]]


def _collect(runs: Sequence[RunScores], metric: str, column: int | None) -> tuple[Floats, Floats | None]:
    """Return ``(S,)`` values, and ``(S, B)`` resamples or None."""
    found = [_measured(run, metric, column) for run in runs]
    values = np.array([one.mean for one in found], np.float64)
    resampled = [resampled for one in found if (resampled := one.resampled_mean()) is not None]
    return values, np.stack(resampled) if resampled and len(resampled) == len(runs) else None


def _within(interval: Interval | None, info: MetricInfo | None) -> Interval | None:
    """Return the part of an interval in which a metric can lie: Student's knows no bounds."""
    if interval is None or info is None:
        return interval
    highest = math.inf if info.highest is None else info.highest
    return Interval(max(interval.low, info.lowest), min(interval.high, highest))


def _groups(runs: Sequence[RunScores]) -> str:
    """Return what intervals of some runs are over."""
    return next((run.groups for run in runs), "songs")


_KNOWN: Mapping[str, MetricInfo] = {
    **{name: metric.info for name, metric in METRICS.items()},
    **NUMBER_METRICS,
    F1_ABOVE_CHANCE.name: F1_ABOVE_CHANCE,
}
"""Metrics that runs of one kind have, and those of another have not."""


def _measured(run: RunScores, metric: str, column: int | None) -> Measured:
    """Return a metric of a run; undefined where only runs of another kind have it, such as accuracy."""
    if metric not in run.measured and (known := _KNOWN.get(metric)) is not None:
        return Measured(known, np.array([math.nan]))
    return run.measured[metric] if column is None else run.measured[metric].only([column])


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
        songs=None if averaged is None else interval_of(averaged),
        seeds=_over_seeds(kept),
        spread=spread,
        low=float(kept.min()),
        high=float(kept.max()),
        dropped=0 if averaged is None else count_undefined(averaged),
    )


def _over_seeds(values: Floats, against: Floats | None = None) -> Interval | None:
    """Return Student's interval of the mean; None with one value.

    Args:
        values: ``(S,)`` a score per seed.
        against: Scores of other seeds, from whose mean the difference is taken: the interval is then Welch's.
    """
    samples = [x[np.isfinite(x)] for x in (values, against) if x is not None]
    if min(map(len, samples)) < 2:
        return None
    with warnings.catch_warnings():
        # SciPy warns of seeds that agree, for which a test makes no sense; their interval is a point.
        warnings.simplefilter("ignore", RuntimeWarning)
        test = ttest_1samp(*samples, 0) if against is None else ttest_ind(*samples, equal_var=False)
        low, high = test.confidence_interval(LEVEL)
    mean = float(samples[0].mean() - (samples[1].mean() if against is not None else 0))
    return Interval(float(low), float(high)) if math.isfinite(low) else Interval(mean, mean)


def difference(
    a: ConditionScores, b: ConditionScores, metric: str, column: int | None = None, *, by_seed: bool = True
) -> Estimate:
    """Return b - a, over the seeds that both have.

    Where two runs share a test set, the same songs are sampled for both in each resample (a paired
    bootstrap); where they do not, the samples are independent of each other.

    Args:
        a: Scores of one condition.
        b: Scores of the other.
        metric: Name of a metric; with ``column`` one that is computed per class.
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
        seeds, counts = _over_seeds(vb, va), (int(np.isfinite(va).sum()), int(np.isfinite(vb).sum()))
        va, vb = (np.array([mean_defined(v)]) for v in (va, vb))
        da, db = (None if d is None else d.mean(axis=0, keepdims=True) for d in (da, db))
    usable = da is not None and db is not None and da.shape == db.shape and not sparse
    resampled = db - da if usable and da is not None and db is not None else None
    found = replace(
        estimate(vb - va, resampled, wanted=wanted if paired else None), over=_groups([*left, *right])
    )
    if paired or not found.n_seeds:
        return found
    missing = max(a.wanted - counts[0], b.wanted - counts[1])
    return replace(found, n_seeds=min(counts), missing=missing, seeds=seeds, low=math.nan, high=math.nan)


def test_set_id(part: Predictions) -> str:
    """Return a name of the fixed mixes and targets that predictions are of."""
    digest = 0
    for text in part.recipes:
        digest = zlib.crc32(str(text).encode(), digest)
    if part.quantity is not None:
        return f"{len(part)}-{zlib.crc32(np.ascontiguousarray(part.targets).tobytes(), digest):08x}"
    known = np.where(part.mask, part.targets > 0.5, False)
    digest = zlib.crc32(np.packbits(known).tobytes() + np.packbits(part.mask).tobytes(), digest)
    return f"{len(part)}-{digest:08x}"


def score_run(
    predictions: Predictions,
    *,
    split: str = "test",
    threshold: str = "fitted",
    metrics: Sequence[Metric] = tuple(METRICS.values()),
    n_resamples: int = 1000,
    seed: int = 0,
    only: Bools | None = None,
    groups: str = "songs",
) -> RunScores:
    """Compute every score of one run on one split.

    Args:
        predictions: Of validation and ``split``.
        split: Which mixes to score.
        threshold: One of ``mixlab.evaluation.RULES``: ``fitted`` per class on validation, ``common`` to all
            classes, ``half`` for 0.5, or what this very split likes best (``common_on_test``,
            ``fitted_on_test``), which is no result; or a number as text. Single-label runs decide for the
            highest score.
        metrics: What to compute; of a regression it is ``NUMBER_METRICS``.
        n_resamples: Bootstrap resamples of songs; 0 for none.
        seed: Of the bootstrap; runs on the same mixes sample the same songs, others independent ones.
        only: ``(N,)`` the rows of the split to score; None for all.
        groups: What its songs are called.
    """
    fitted_on, part = predictions.only("validation"), predictions.only(split)
    rows = np.ones(len(part), np.bool_) if only is None else only
    known_set = test_set_id(part) + (
        "" if only is None else f"-{zlib.crc32(np.packbits(only).tobytes()):08x}"
    )
    seed ^= zlib.crc32(known_set.encode())
    if predictions.quantity is not None:
        return _score_numbers(part.take(rows), known_set, n_resamples, seed, groups)
    single = predictions.single_label
    cells = Cells.checked(
        part.scores[rows],
        part.targets[rows],
        part.mask[rows],
        part.group[rows].astype(str).tolist(),
        0.5 if single else _thresholds(threshold, fitted_on, part.take(rows)),
        single_label=single,
    )
    validation_prevalence = class_prevalence(fitted_on.targets, fitted_on.mask)
    weights = song_weights(cells.n_songs, n_resamples, seed)
    baseline = chance_cells(cells, validation_prevalence, single_label=single)
    usable = metrics_for(metrics, single_label=single)
    measured = {metric.name: measure(_resampled(metric), cells, weights) for metric in usable}
    always = measure(METRICS["f1"], chance_cells(cells, validation_prevalence), weights)
    measured[F1_ABOVE_CHANCE.name] = _above(measured["f1"], always)
    return RunScores(
        measured=measured,
        chance={metric.name: measure(metric, baseline) for metric in usable},
        support=np.asarray(cells.present.sum(0), np.int64),
        songs=cells.songs_with(cells.present),
        validation_prevalence=validation_prevalence,
        n_items=len(cells),
        n_songs=cells.n_songs,
        test_set=known_set,
        groups=groups,
    )


def _score_numbers(part: Predictions, test_set: str, n_resamples: int, seed: int, groups: str) -> RunScores:
    n_groups, none = len(set(part.group.astype(str).tolist())), np.zeros(0, np.int64)
    return RunScores(
        measured=measure_numbers(part, song_weights(n_groups, n_resamples, seed)),
        chance=measure_numbers(mean_predictor(part)),
        support=none,
        songs=none,
        validation_prevalence=np.zeros(0),
        n_items=len(part),
        n_songs=n_groups,
        test_set=test_set,
        groups=groups,
    )


def _thresholds(rule: str, fitted_on: Predictions, part: Predictions) -> Floats:
    """Return thresholds ``(C,)`` by a rule; only an oracle looks at what is scored."""
    honest = fit_thresholds(fitted_on.scores, fitted_on.targets, fitted_on.mask)
    oracle = fit_thresholds(part.scores, part.targets, part.mask) if rule in ORACLES else honest
    return choose_thresholds(rule, honest, oracle)


def _resampled(metric: Metric) -> Metric:
    """Let precision and recall have intervals, too: papers print them, and counts are resampled at once."""
    quick = metric.needs_threshold and metric.resample is not None
    return replace(metric, detail=False) if quick else metric


def _above(f1: Measured, always: Measured) -> Measured:
    resampled = None
    if f1.resampled is not None and always.resampled is not None:
        resampled = f1.resampled - always.resampled
    return Measured(F1_ABOVE_CHANCE, f1.values - always.values, resampled)
