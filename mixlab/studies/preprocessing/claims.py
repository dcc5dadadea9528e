"""What the study of preprocessing says of the thesis's claims, by fixed rules over intervals."""

from collections.abc import Mapping, Sequence
from itertools import combinations, product

from scipy.stats import binom

from mixlab.evaluation import Interval
from mixlab.studies.claims import told
from mixlab.studies.findings import difference_line, significantly_better
from mixlab.studies.preprocessing.excerpts import Excerpts
from mixlab.studies.preprocessing.grid import MAGNITUDES, METRIC, WEIGHTINGS, name_of, per_cent
from mixlab.studies.preprocessing.tables import sizes_of
from mixlab.studies.results import StudyResults, condition_difference
from mixlab.studies.statistics import Estimate

__all__ = [
    "MARGIN",
    "histogram_lines",
    "log_lines",
    "more_than_chance",
    "scale_lines",
    "size_lines",
    "weighting_lines",
]

MARGIN = 0.01
"""ROC-AUC: of what lies within this of 0, intervals included, we say that it is no difference. The thesis's
own differences between weightings and between scales are up to .003."""


def _differences(
    results: StudyResults, pairs: Sequence[tuple[str, str]], metric: str = METRIC
) -> dict[tuple[str, str], Estimate]:
    """Return the second minus the first of pairs of conditions, where both are done."""
    found = {}
    for a, b in pairs:
        reference, condition = results.condition(a), results.condition(b)
        if reference is not None and condition is not None and results.paired(reference, condition):
            found[a, b] = condition_difference(reference, condition, metric)
    return found


def _within(e: Estimate) -> bool:
    """Whether nothing beyond the margin is likely."""
    intervals = _intervals(e)
    return bool(intervals) and all(i.low >= -MARGIN and i.high <= MARGIN for i in intervals)


def _intervals(e: Estimate) -> list[Interval]:
    return [i for i in (e.songs, e.seeds) if i is not None]


def _no_effect(claim: str, found: Mapping[tuple[str, str], Estimate], expected: int) -> str:
    """Say whether differences are none: that none is significant alone would not show it."""
    if len(found) < expected:
        return told(claim, None, f"{len(found)} of {expected} pairs are done")
    significant = sum(e.significant for e in found.values())
    within = sum(map(_within, found.values()))
    largest = max(abs(e.value) for e in found.values())
    why = (
        f"{significant} of {expected} differences in ROC-AUC significant, {within} with their intervals "
        f"within ±{MARGIN:g}; the largest is {largest:.3f}"
    )
    # Of so many differences, some are significant by chance.
    real = more_than_chance(significant, expected)
    return told(claim, False if real else True if within == expected else None, why)


def more_than_chance(significant: int, n: int) -> bool:
    """Say whether so many of ``n`` differences are significant that chance is no explanation.

    One in twenty is, where nothing is behind it; that there were so many or more must then have a probability
    below .05, as if they did not depend on each other: 2 of 6, 3 of 12.
    """
    return float(binom.sf(significant - 1, n, 0.05)) < 0.05


def weighting_lines(results: StudyResults) -> list[str]:
    """Say whether weighting of frequencies makes a difference within the four groups."""
    pairs = [
        (name_of(magnitude, a, scaled=scaled), name_of(magnitude, b, scaled=scaled))
        for magnitude, scaled in product(MAGNITUDES, (False, True))
        for a, b in combinations(WEIGHTINGS, 2)
    ]
    found = _differences(results, pairs)
    return [_no_effect("weighting of frequencies makes no difference", found, len(pairs))]


def scale_lines(results: StudyResults) -> list[str]:
    """Say whether scaling makes a difference."""
    pairs = [
        (name_of(magnitude, weighting), name_of(magnitude, weighting, scaled=True))
        for magnitude, weighting in product(MAGNITUDES, WEIGHTINGS)
    ]
    return [_no_effect("scaling makes no difference", _differences(results, pairs), len(pairs))]


def log_lines(results: StudyResults) -> list[str]:
    """Say whether decibels beat power in all six pairs."""
    pairs = [
        (name_of("linear", weighting, scaled=scaled), name_of("decibel", weighting, scaled=scaled))
        for weighting, scaled in product(WEIGHTINGS, (False, True))
    ]
    lines = []
    for metric, claim in (
        (METRIC, "decibels always beat power"),
        ("average_precision", "the same by macro AP, which the thesis does not have"),
    ):
        found = _differences(results, pairs, metric)
        better = sum(map(significantly_better, found.values()))
        worse = sum(e.value < 0 and e.significant for e in found.values())
        mean = sum(e.value for e in found.values()) / max(1, len(found))
        why = (
            f"{better} of {len(pairs)} pairs significantly better, {worse} significantly worse; decibels "
            f"minus power is {mean:+.3f} on average"
        )
        holds = True if better == len(pairs) else False if more_than_chance(worse, len(pairs)) else None
        lines.append(told(claim, holds, why))
    return lines


def size_lines(results: StudyResults) -> list[str]:
    """Say with how much of the training set decibels are as good as power with all of it."""
    linear = results.condition(name_of("linear"))
    sizes = [size for size in sizes_of(results) if size < 1]
    found = {
        size: condition_difference(linear, c, METRIC)
        for size in sizes
        if linear is not None
        and (c := results.condition(name_of("decibel", size=size))) is not None
        and results.paired(linear, c)
    }
    if not found:
        return []
    worse = [size for size, e in found.items() if e.value < 0 and e.significant]
    better = [size for size, e in found.items() if significantly_better(e)]
    listed = ", ".join(f"{per_cent(size)} %: {e.value:+.3f}" for size, e in found.items())
    line = f"decibels with a part of the training set minus power with all of it, ROC-AUC: {listed}"
    if worse:
        line += f"; significantly worse up to {per_cent(max(worse))} %"
    if better:
        line += f"; significantly better from {per_cent(min(better))} %"
    return [line, _doubling(found)]


def _doubling(found: Mapping[float, Estimate]) -> str:
    """Say whether decibels need at most half of the data that power needs."""
    claim = "power needs about twice the data of decibels"
    at_most_half = [size for size in found if size <= 0.5]
    if not at_most_half:
        return told(claim, None, "no part of at most half of the training set is done")
    size = max(at_most_half)
    e = found[size]
    why = difference_line(f"decibels with {per_cent(size)} % minus power with all", e)
    not_worse = e.songs is not None and all(i.low > -MARGIN for i in _intervals(e))
    worse = e.value < 0 and e.significant
    return told(claim, False if worse else True if not_worse else None, why)


def histogram_lines(excerpts: Excerpts) -> list[str]:
    """Say whether decibels look normal and power does not: by skewness and kurtosis, both 0 for normal."""
    by = {one.magnitude: one for one in excerpts.histograms}
    log, linear = by["decibel"], by["linear"]
    why = (
        f"skewness {log.skewness:+.1f} against {linear.skewness:+.1f}, excess kurtosis {log.kurtosis:+.1f} "
        f"against {linear.kurtosis:+.1f}; of power, {100 * max(linear.shares):.0f} % lies in one of "
        f"{len(linear.shares)} bins, of decibels {100 * max(log.shares):.0f} %"
    )
    holds = abs(log.skewness) < 1 < abs(linear.skewness) and abs(log.kurtosis) < abs(linear.kurtosis)
    claim = "decibels are distributed about normally, and power is extremely skewed"
    return [told(claim, holds, why)]
