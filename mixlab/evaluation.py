"""Scores of a multi-label classifier, as pure functions over arrays.

Shapes: ``scores``, ``targets`` and ``mask`` are ``(N, C)``: N mixes, C classes. Scores are
probabilities in [0, 1], targets 0 or 1, and ``mask`` is True where a target is known. Unknown cells never
count, for or against, in any score. What cannot be computed is NaN, is left out of macro averages, and
is counted.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from mixlab.errors import ConfigError

__all__ = [
    "Averages",
    "ClassScores",
    "Coherence",
    "Hierarchical",
    "Interval",
    "SplitScores",
    "Thresholds",
    "average_precision",
    "bootstrap_weights",
    "close_upwards",
    "coherence",
    "decide",
    "fit_thresholds",
    "hierarchical",
    "masked_bce",
    "precision_recall_f1",
    "prior_probabilities",
    "roc_auc",
    "score_split",
    "weighted_average_precision",
    "weighted_roc_auc",
]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SCORE_EPSILON = 1e-7
"""Scores are kept this far from 0 and 1 in the loss: float32 probabilities resolve no more."""

DEFAULT_THRESHOLD = 0.5

MIN_SONGS = 3
"""Songs with positives that a class needs for an interval: resamples of fewer tell next to nothing."""


@dataclass(frozen=True)
class Interval:
    """A bootstrap percentile interval."""

    low: float
    high: float


@dataclass(frozen=True)
class Thresholds:
    """Decision thresholds: class c is predicted where its score is at least ``values[c]``.

    Attributes:
        values: ``(C,)`` thresholds in [0, 1].
        fitted: ``(C,)`` False where validation had no positive to fit on and 0.5 was taken.
    """

    values: Floats
    fitted: Bools


@dataclass(frozen=True)
class ClassScores:
    """Scores of one class. Undefined values are NaN.

    Attributes:
        name: Output of the label set.
        known: Mixes whose target is known.
        support: Known positives.
        songs: Songs with known positives.
        predicted: Predicted positives among the known.
        precision: TP / (TP + FP); 0 when nothing was predicted; NaN without known positives.
        recall: TP / (TP + FN); NaN without known positives.
        f1: Harmonic mean; NaN without known positives.
        average_precision: Area under the precision-recall curve; NaN without known positives.
        roc_auc: NaN unless both positives and negatives are known.
        threshold: Decision threshold, fitted on validation.
        threshold_fitted: False where validation had no positive and 0.5 was taken.
        prior: The class's frequency on validation, which the baseline predicts for every mix.
        prior_f1: F1 of the baseline at its best threshold, which is to predict always.
        prior_average_precision: Average precision of the baseline: the prevalence in this split.
        f1_interval: Bootstrap interval over songs; None where fewer than ``MIN_SONGS`` songs hold positives.
        average_precision_interval: As ``f1_interval``.
    """

    name: str
    known: int
    support: int
    songs: int
    predicted: int
    precision: float
    recall: float
    f1: float
    average_precision: float
    roc_auc: float
    threshold: float
    threshold_fitted: bool
    prior: float
    prior_f1: float
    prior_average_precision: float
    f1_interval: Interval | None = None
    average_precision_interval: Interval | None = None


@dataclass(frozen=True)
class Averages:
    """Macro (mean over the defined classes) or micro (all known cells pooled) scores.

    ``f1_undefined``, ``average_precision_undefined`` and ``roc_auc_undefined`` count the classes that a
    macro mean leaves out; they are 0 in a micro average. Each resample behind an interval of a macro mean
    averages the classes that the mean itself does; ``f1_dropped``, ``average_precision_dropped`` and
    ``roc_auc_dropped`` count the resamples that were left out because one of these was undefined in them.
    """

    precision: float
    recall: float
    f1: float
    average_precision: float
    roc_auc: float
    f1_undefined: int = 0
    average_precision_undefined: int = 0
    roc_auc_undefined: int = 0
    f1_dropped: int = 0
    average_precision_dropped: int = 0
    roc_auc_dropped: int = 0
    f1_interval: Interval | None = None
    average_precision_interval: Interval | None = None
    roc_auc_interval: Interval | None = None


@dataclass(frozen=True)
class Hierarchical:
    """Hierarchical precision, recall and F1 (Kiritchenko et al.): micro over sets closed under ancestors.

    An unknown cell neither counts nor brings in its ancestors.
    """

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Coherence:
    """How often predictions contradict the tree, over all (mix, child, parent) triples with both known.

    Attributes:
        pairs: Number of triples.
        score_violations: Share where the child scores higher than its parent.
        decision_violations: Share where the child is predicted and its parent is not.
    """

    pairs: int
    score_violations: float
    decision_violations: float


@dataclass(frozen=True)
class SplitScores:
    """Everything computed for one split, beside the prior baseline.

    ``n_resamples`` counts the bootstrap resamples that were drawn: 0 for a single song.
    """

    split: str
    n_items: int
    n_groups: int
    n_resamples: int
    loss: float
    classes: tuple[ClassScores, ...]
    macro: Averages
    micro: Averages
    prior_loss: float
    prior_macro: Averages
    prior_micro: Averages
    hierarchical: Hierarchical | None
    coherence: Coherence | None


def _check(scores: ArrayLike, targets: ArrayLike, mask: ArrayLike) -> tuple[Floats, Bools, Bools]:
    s, t, m = np.asarray(scores, np.float64), np.asarray(targets), np.asarray(mask, np.bool_)
    if s.ndim != 2 or s.shape != t.shape or s.shape != m.shape:
        raise ConfigError(
            f"Scores, targets and mask must share one shape (N, C); got {s.shape}, {t.shape}, {m.shape}."
        )
    if not np.isfinite(s).all():
        raise ConfigError("Scores hold NaN or infinity: the model diverged, so there is nothing to score.")
    return s, np.asarray(t > 0.5, np.bool_), m


def _mean(values: Floats) -> float:
    """Mean of the defined values; NaN when none is."""
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if defined.size else math.nan


def _undefined(values: Floats) -> int:
    return int((~np.isfinite(values)).sum())


def _divide(a: ArrayLike, b: ArrayLike, empty: float = math.nan) -> Floats:
    top, bottom = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(b, np.float64))
    result: Floats = np.divide(top, bottom, out=np.full(top.shape, empty), where=bottom != 0)
    return result


def masked_bce(scores: ArrayLike, targets: ArrayLike, mask: ArrayLike) -> float:
    """Return the mean binary cross-entropy over the known cells; NaN when none is known."""
    s, t, m = _check(scores, targets, mask)
    s = np.clip(s, SCORE_EPSILON, 1 - SCORE_EPSILON)
    losses = -np.where(t, np.log(s), np.log1p(-s))
    return float(losses[m].mean()) if m.any() else math.nan


def fit_thresholds(scores: ArrayLike, targets: ArrayLike, mask: ArrayLike) -> Thresholds:
    """Choose for each class the threshold with the highest F1; give it validation data only.

    Candidates lie half-way between neighbouring distinct scores, so that a threshold does not sit on a
    single item's score. Of equally good ones the highest is taken. A class without known positives
    gets 0.5 and ``fitted`` False.
    """
    s, t, m = _check(scores, targets, mask)
    n_classes = s.shape[1]
    values, fitted = np.full(n_classes, DEFAULT_THRESHOLD), np.zeros(n_classes, np.bool_)
    for c in range(n_classes):
        known = m[:, c]
        if t[known, c].any():
            values[c], fitted[c] = _best_threshold(s[known, c], t[known, c]), True
    return Thresholds(values, fitted)


def _best_threshold(scores: Floats, positive: Bools) -> float:
    order = np.argsort(-scores, kind="stable")
    s = scores[order]
    ends = np.flatnonzero(np.append(np.diff(s) != 0, True))
    f1 = 2 * np.cumsum(positive[order])[ends] / (ends + 1 + positive.sum())
    best = int(np.argmax(f1))
    below = s[ends[best + 1]] if best + 1 < len(ends) else 0.0
    return float((s[ends[best]] + below) / 2)


def decide(scores: ArrayLike, thresholds: ArrayLike) -> Bools:
    """Return ``(N, C)`` decisions: score at least the class's threshold."""
    return np.asarray(np.asarray(scores, np.float64) >= np.asarray(thresholds, np.float64)[None, :])


def precision_recall_f1(
    decisions: ArrayLike, targets: ArrayLike, mask: ArrayLike
) -> tuple[Floats, Floats, Floats]:
    """Return precision, recall and F1 per class ``(C,)`` over the known cells.

    A class without known positives is undefined (NaN) in all three. With positives but no prediction,
    precision, recall and F1 are 0, as in the paper's brass class.
    """
    d, t, m = np.asarray(decisions, np.bool_), np.asarray(targets) > 0.5, np.asarray(mask, np.bool_)
    return _prf((d & t & m).sum(0), (d & m).sum(0), (t & m).sum(0))


def _prf(tp: ArrayLike, predicted: ArrayLike, support: ArrayLike) -> tuple[Floats, Floats, Floats]:
    tp, predicted, support = (np.asarray(x, np.float64) for x in (tp, predicted, support))
    precision = np.where(support > 0, _divide(tp, predicted, empty=0.0), math.nan)
    return (
        precision,
        _divide(tp, support),
        np.where(support > 0, _divide(2 * tp, predicted + support), math.nan),
    )


def average_precision(scores: ArrayLike, targets: ArrayLike, mask: ArrayLike) -> Floats:
    """Return the average precision per class ``(C,)`` over known cells; NaN without known positives."""
    s, t, m = _check(scores, targets, mask)
    result = np.full(s.shape[1], math.nan)
    for c in range(s.shape[1]):
        known = m[:, c]
        if t[known, c].any():
            result[c] = average_precision_score(t[known, c], s[known, c])
    return result


def roc_auc(scores: ArrayLike, targets: ArrayLike, mask: ArrayLike) -> Floats:
    """Return ROC-AUC per class ``(C,)`` over known cells; NaN unless both classes occur."""
    s, t, m = _check(scores, targets, mask)
    result = np.full(s.shape[1], math.nan)
    for c in range(s.shape[1]):
        known = m[:, c]
        if t[known, c].any() and not t[known, c].all():
            result[c] = roc_auc_score(t[known, c], s[known, c])
    return result


def prior_probabilities(targets: ArrayLike, mask: ArrayLike) -> Floats:
    """Return each class's frequency among its known cells, ``(k + 1) / (n + 2)``.

    The added counts keep the baseline's loss finite for a class that was never (or always) seen.
    """
    t, m = np.asarray(targets) > 0.5, np.asarray(mask, np.bool_)
    return np.asarray(((t & m).sum(0) + 1) / (m.sum(0) + 2), np.float64)


def close_upwards(decisions: ArrayLike, parents: Sequence[int | None]) -> Bools:
    """Return decisions in which every predicted class carries its ancestors.

    Args:
        decisions: ``(N, C)`` decisions.
        parents: For each class the index of its nearest ancestor among the classes, or None.
    """
    closed = np.array(decisions, np.bool_)
    for child in range(len(parents)):
        ancestor = parents[child]
        while ancestor is not None:
            closed[:, ancestor] |= closed[:, child]
            ancestor = parents[ancestor]
    return closed


def hierarchical(
    decisions: ArrayLike, targets: ArrayLike, mask: ArrayLike, parents: Sequence[int | None]
) -> Hierarchical:
    """Return hierarchical precision, recall and F1: micro over sets of known cells closed under ancestors."""
    m = np.asarray(mask, np.bool_)
    closed = close_upwards(np.asarray(decisions, np.bool_) & m, parents)
    t = close_upwards((np.asarray(targets) > 0.5) & m, parents)
    p, r, f = _prf((closed & t & m).sum(), (closed & m).sum(), (t & m).sum())
    return Hierarchical(float(p), float(r), float(f))


def coherence(
    scores: ArrayLike, decisions: ArrayLike, mask: ArrayLike, parents: Sequence[int | None]
) -> Coherence:
    """Count contradictions between children and their parents where both are known, before any repair."""
    s, d, m = np.asarray(scores, np.float64), np.asarray(decisions, np.bool_), np.asarray(mask, np.bool_)
    pairs = [(child, parent) for child, parent in enumerate(parents) if parent is not None]
    children, parents_ = [child for child, _ in pairs], [parent for _, parent in pairs]
    known = m[:, children] & m[:, parents_]
    total = int(known.sum())
    if not total:
        return Coherence(0, math.nan, math.nan)
    above = (s[:, children] > s[:, parents_]) & known
    alone = d[:, children] & ~d[:, parents_] & known
    return Coherence(total, float(above.sum() / total), float(alone.sum() / total))


def bootstrap_weights(groups: Sequence[str], n_resamples: int, seed: int) -> Floats | None:
    """Return ``(n_resamples, N)`` item counts of songs drawn with replacement.

    Mixes from one song are alike, so whole songs are drawn. None where there is nothing to draw: fewer
    than two songs, or no resamples asked for.
    """
    unique, member = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    if len(unique) < 2 or n_resamples < 1:
        return None
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(len(unique), np.full(len(unique), 1 / len(unique)), size=n_resamples)
    return np.asarray(counts[:, member], np.float64)


def _weighted_curve(scores: Floats, positive: Bools, weights: Floats) -> tuple[Floats, Floats]:
    """Cumulated weights of true and false positives at each distinct score, highest first."""
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    w, p = weights[:, order], positive[order]
    return np.cumsum(w * p, axis=1)[:, ends], np.cumsum(w * ~p, axis=1)[:, ends]


def weighted_average_precision(scores: Floats, positive: Bools, weights: Floats) -> Floats:
    """Return average precision ``(B,)`` of one class for B weightings ``(B, N)`` of its items at once."""
    tp, fp = _weighted_curve(scores, positive, weights)
    precision = _divide(tp, tp + fp, empty=0.0)
    return _divide((np.diff(tp, axis=1, prepend=0.0) * precision).sum(axis=1), tp[:, -1])


def weighted_roc_auc(scores: Floats, positive: Bools, weights: Floats) -> Floats:
    """Return ROC-AUC ``(B,)`` of one class for B weightings ``(B, N)`` of its items at once."""
    tp, fp = _weighted_curve(scores, positive, weights)
    heights = (tp + np.concatenate([np.zeros((len(tp), 1)), tp[:, :-1]], axis=1)) / 2
    return _divide((np.diff(fp, axis=1, prepend=0.0) * heights).sum(axis=1), tp[:, -1] * fp[:, -1])


def _interval(samples: Floats, level: float) -> Interval | None:
    defined = samples[np.isfinite(samples)]
    if defined.size == 0:
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def _macro_interval(samples: Floats, values: Floats, level: float) -> tuple[Interval | None, int]:
    """Return the interval of the mean over the classes defined in ``values``, and how many rows it drops.

    A row in which one of them is undefined is left out: its mean would be of another quantity.
    """
    means = samples[:, np.isfinite(values)]
    if not means.size:
        return None, 0
    means = means.mean(axis=1)
    return _interval(means, level), _undefined(means)


def _songs(cells: Bools, groups: Sequence[str]) -> NDArray[np.int64]:
    """Return in how many songs each class (column) of ``cells`` occurs."""
    unique, member = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    hit = np.zeros((len(unique), cells.shape[1]), np.bool_)
    np.logical_or.at(hit, member, cells)
    return np.asarray(hit.sum(axis=0), np.int64)


@dataclass(frozen=True)
class _Resampled:
    f1: Floats
    average_precision: Floats
    roc_auc: Floats
    micro_f1: Floats


def _resample(s: Floats, d: Bools, t: Bools, m: Bools, weights: Floats) -> _Resampled:
    shape = (len(weights), s.shape[1])
    tp, predicted, support = (weights @ cells.astype(np.float64) for cells in (d & t & m, d & m, t & m))
    ap, auc = np.full(shape, math.nan), np.full(shape, math.nan)
    for c in range(s.shape[1]):
        known = m[:, c]
        if t[known, c].any():
            ap[:, c] = weighted_average_precision(s[known, c], t[known, c], weights[:, known])
            auc[:, c] = weighted_roc_auc(s[known, c], t[known, c], weights[:, known])
    micro = _prf(tp.sum(1), predicted.sum(1), support.sum(1))[2]
    return _Resampled(_prf(tp, predicted, support)[2], ap, auc, micro)


@dataclass(frozen=True)
class _PerClass:
    """One value per class in each array ``(C,)``."""

    precision: Floats
    recall: Floats
    f1: Floats
    average_precision: Floats
    roc_auc: Floats


def _per_class(s: Floats, d: Bools, t: Bools, m: Bools) -> _PerClass:
    return _PerClass(*precision_recall_f1(d, t, m), average_precision(s, t, m), roc_auc(s, t, m))


def _macro(values: _PerClass, drawn: _Resampled | None, level: float) -> Averages:
    averages = Averages(
        precision=_mean(values.precision),
        recall=_mean(values.recall),
        f1=_mean(values.f1),
        average_precision=_mean(values.average_precision),
        roc_auc=_mean(values.roc_auc),
        f1_undefined=_undefined(values.f1),
        average_precision_undefined=_undefined(values.average_precision),
        roc_auc_undefined=_undefined(values.roc_auc),
    )
    if drawn is None:
        return averages
    f1, f1_dropped = _macro_interval(drawn.f1, values.f1, level)
    ap, ap_dropped = _macro_interval(drawn.average_precision, values.average_precision, level)
    auc, auc_dropped = _macro_interval(drawn.roc_auc, values.roc_auc, level)
    return replace(
        averages,
        f1_dropped=f1_dropped,
        average_precision_dropped=ap_dropped,
        roc_auc_dropped=auc_dropped,
        f1_interval=f1,
        average_precision_interval=ap,
        roc_auc_interval=auc,
    )


def _micro(s: Floats, d: Bools, t: Bools, m: Bools, drawn: _Resampled | None, level: float) -> Averages:
    p, r, f = _prf((d & t & m).sum(), (d & m).sum(), (t & m).sum())
    flat = s[m][:, None], t[m][:, None], np.ones((int(m.sum()), 1), np.bool_)
    return Averages(
        precision=float(p),
        recall=float(r),
        f1=float(f),
        average_precision=float(average_precision(*flat)[0]),
        roc_auc=float(roc_auc(*flat)[0]),
        f1_interval=None if drawn is None else _interval(drawn.micro_f1, level),
    )


def score_split(
    split: str,
    names: Sequence[str],
    scores: ArrayLike,
    targets: ArrayLike,
    mask: ArrayLike,
    *,
    thresholds: Thresholds,
    prior: ArrayLike,
    groups: Sequence[str],
    parents: Sequence[int | None] | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> SplitScores:
    """Compute every score of one split, and those of the prior baseline beside them.

    The baseline gives every mix each class's validation frequency; at its best threshold it predicts the
    class always, so its F1 is ``2p / (1 + p)`` and its average precision ``p`` at prevalence ``p``.

    Args:
        split: Name of the split, for the report.
        names: The C class names.
        scores: ``(N, C)`` probabilities.
        targets: ``(N, C)`` targets.
        mask: ``(N, C)`` True where known.
        thresholds: Fitted on validation (``fit_thresholds``).
        prior: ``(C,)`` frequencies on validation (``prior_probabilities``).
        groups: N song ids; bootstrap intervals draw songs.
        parents: Parent output of each class, for the hierarchical scores; None leaves them out.
        n_resamples: Bootstrap resamples; 0 leaves intervals out.
        seed: Seed of the bootstrap.
        level: Coverage of the intervals.

    Raises:
        ConfigError: shapes differ, nothing is there to score, or scores are not finite.
    """
    s, t, m = _check(scores, targets, mask)
    if s.shape[1] != len(names) or len(groups) != len(s) or len(s) == 0:
        raise ConfigError(
            f"Expected at least one mix, {s.shape[1]} names and {len(s)} groups; got {len(s)} mixes, "
            f"{len(names)} names and {len(groups)} groups."
        )
    d, always = decide(s, thresholds.values), np.ones(s.shape, np.bool_)
    prior_s = np.broadcast_to(np.asarray(prior, np.float64), s.shape)
    weights = bootstrap_weights(groups, n_resamples, seed)
    drawn = None if weights is None else _resample(s, d, t, m, weights)
    values, baseline = _per_class(s, d, t, m), _per_class(prior_s, always, t, m)
    counts = np.stack([m.sum(0), (t & m).sum(0), (d & m).sum(0), _songs(t & m, groups)], axis=1)
    return SplitScores(
        split=split,
        n_items=len(s),
        n_groups=len(set(groups)),
        n_resamples=0 if weights is None else len(weights),
        loss=masked_bce(s, t, m),
        classes=tuple(
            _class_scores(
                name, c, counts[c], values, baseline, thresholds, float(prior_s[0, c]), drawn, level
            )
            for c, name in enumerate(names)
        ),
        macro=_macro(values, drawn, level),
        micro=_micro(s, d, t, m, drawn, level),
        prior_loss=masked_bce(prior_s, t, m),
        prior_macro=_macro(baseline, None, level),
        prior_micro=_micro(prior_s, always, t, m, None, level),
        hierarchical=None if parents is None else hierarchical(d, t, m, parents),
        coherence=None if parents is None else coherence(s, d, m, parents),
    )


def _class_scores(
    name: str,
    c: int,
    counts: NDArray[np.int64],
    values: _PerClass,
    baseline: _PerClass,
    thresholds: Thresholds,
    prior: float,
    drawn: _Resampled | None,
    level: float,
) -> ClassScores:
    known, support, predicted, songs = (int(n) for n in counts)
    drawn = drawn if songs >= MIN_SONGS else None
    return ClassScores(
        name=name,
        known=known,
        support=support,
        songs=songs,
        predicted=predicted,
        precision=float(values.precision[c]),
        recall=float(values.recall[c]),
        f1=float(values.f1[c]),
        average_precision=float(values.average_precision[c]),
        roc_auc=float(values.roc_auc[c]),
        threshold=float(thresholds.values[c]),
        threshold_fitted=bool(thresholds.fitted[c]),
        prior=prior,
        prior_f1=float(baseline.f1[c]),
        prior_average_precision=float(baseline.average_precision[c]),
        f1_interval=None if drawn is None else _interval(drawn.f1[:, c], level),
        average_precision_interval=None if drawn is None else _interval(drawn.average_precision[:, c], level),
    )
