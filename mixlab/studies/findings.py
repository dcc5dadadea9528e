"""What studies say in words: verdicts that follow from the numbers by fixed rules."""

import math
from collections.abc import Sequence

import numpy as np

from mixlab.studies.results import ConditionResult, StudyResults, condition_difference
from mixlab.studies.statistics import Estimate
from mixlab.studies.tables import score_text

__all__ = [
    "MULTIPLE_COMPARISONS",
    "ap_line",
    "best_condition",
    "difference_line",
    "difference_lines",
    "optimum_lines",
    "share_best",
    "significance_text",
    "significantly_better",
]


MULTIPLE_COMPARISONS = (
    "the more classes and conditions are looked at, the more are significant by chance alone"
)
"""Stands below every list of what is significant."""


def significance_text(e: Estimate) -> str:
    """Say whether a difference is more than the choice of songs, and of seeds, explains."""
    if not math.isfinite(e.value):
        return "undefined"
    if e.songs is None:
        return f"without an interval over {e.over}"
    if e.seeds is None:
        over = "significant over" if e.significant_over_songs else "not significant over"
        return f"{over} {e.over}; one seed cannot tell of others"
    if e.significant_over_songs and e.significant_over_seeds:
        return f"significant at 95 %, over {e.over} and over seeds"
    if e.significant_over_songs:
        return f"significant over {e.over}, but not over seeds"
    if e.significant_over_seeds:
        return f"significant over seeds, but not over {e.over}"
    return f"not significant, neither over {e.over} nor over seeds"


def significantly_better(e: Estimate) -> bool:
    """Return whether a difference is above 0, and significant."""
    return e.value > 0 and e.significant


def difference_line(name: str, e: Estimate) -> str:
    """Return a difference with both intervals and the verdict."""
    seeds = "" if e.seeds is None else f", over seeds {e.seeds.low:+.3f} to {e.seeds.high:+.3f}"
    songs = "" if e.songs is None else f" (over {e.over} {e.songs.low:+.3f} to {e.songs.high:+.3f}{seeds})"
    value = f"{e.value:+.3f}" if math.isfinite(e.value) else "-"
    return f"{name}: {value}{songs}: {significance_text(e)}"


def best_condition(
    conditions: Sequence[ConditionResult], metric: str, *, on: str = "validation"
) -> ConditionResult | None:
    """Return the condition with the best mean over seeds; None without any."""
    sign = _sign(conditions, metric)
    scored = [(sign * getattr(c, on).of(metric).value, -k, c) for k, c in enumerate(conditions)]
    scored = [row for row in scored if math.isfinite(row[0])]
    return max(scored, key=lambda row: row[:2])[2] if scored else None


def _sign(conditions: Sequence[ConditionResult], metric: str) -> int:
    """Return 1 where more of a metric is better, else -1."""
    runs = [run for c in conditions for run in (*c.test.runs.values(), *c.validation.runs.values())]
    return 1 if not runs or runs[0].measured[metric].metric.higher_is_better else -1


def share_best(conditions: Sequence[ConditionResult], metric: str = "average_precision") -> list[float]:
    """Return in which share of the resamples of songs each condition has the best mean over its seeds.

    NaN for all where conditions were scored on different mixes, or without resamples.
    """
    undefined = [math.nan] * len(conditions)
    resampled = [[r.measured[metric].resampled_mean() for r in c.test.runs.values()] for c in conditions]
    if len({c.mixes for c in conditions}) != 1 or any(one is None for own in resampled for one in own):
        return undefined
    means = np.stack([np.mean(np.asarray(own), axis=0) for own in resampled], axis=1)
    defined = means[np.isfinite(means).all(axis=1)]
    if not len(defined):
        return undefined
    best = np.argmax(_sign(conditions, metric) * defined, axis=1)
    return [float((best == k).mean()) for k in range(len(conditions))]


def optimum_lines(
    conditions: Sequence[ConditionResult], axis: str, metric: str = "average_precision"
) -> list[str]:
    """Say where along an axis the optimum lies, and whether it differs from the ends.

    The optimum is chosen on validation and judged on test: the highest of several test scores would be
    higher than its worth.

    Args:
        conditions: With runs, in the order of the axis.
        axis: The varied setting.
        metric: To judge by, higher is better.
    """
    if len(conditions) < 2:
        return ["too few points are done to speak of an optimum"]
    chosen, on_test = best_condition(conditions, metric), best_condition(conditions, metric, on="test")
    if chosen is None or on_test is None:
        return ["no score is defined, so there is no optimum to speak of"]
    at = chosen.condition.values[axis]
    lines = [
        f"chosen on validation, the best {axis} is {at:g}; its test score is "
        f"{score_text(chosen.test.of(metric))}"
        + (
            ""
            if on_test is chosen
            else f" (the highest on test itself is at {on_test.condition.values[axis]:g})"
        )
    ]
    ends = [c for c in (conditions[0], conditions[-1]) if c is not chosen]
    found = [(c.condition.values[axis], condition_difference(c, chosen, metric)) for c in ends]
    lines += [difference_line(f"{axis}={at:g} against the end {end:g}", e) for end, e in found]
    shares = share_best(conditions, metric)
    if all(map(math.isfinite, shares)):
        listed = ", ".join(
            f"{c.condition.values[axis]:g}: {100 * s:.0f} %" for c, s in zip(conditions, shares, strict=True)
        )
        over = chosen.words.groups
        lines.append(f"share of the resamples of {over} in which each value is best: {listed}")
    return [*lines, _verdict(axis, at, [e for _, e in found])]


def _verdict(axis: str, at: float, found: Sequence[Estimate]) -> str:
    if len(found) < 2:
        significant = bool(found) and significantly_better(found[0])
        more = (
            "it is better than the other end"
            if significant
            else "not even the difference to the other end is significant"
        )
        return f"verdict: the optimum, {axis}={at:g}, is an end of the range, not inside it; {more}"
    if all(map(significantly_better, found)):
        return f"verdict: there is an optimum inside the range, {axis}={at:g}, better than both ends"
    if any(map(significantly_better, found)):
        return f"verdict: {axis}={at:g} lies inside the range, but differs significantly from one end only"
    return f"verdict: {axis}={at:g} lies inside the range, but differs significantly from neither end"


def ap_line(condition: ConditionResult, reference: ConditionResult) -> str:
    """Return the difference of two conditions in macro AP with both intervals and the verdict."""
    e = condition_difference(reference, condition, "average_precision")
    return difference_line(f"'{condition.condition.label}' minus '{reference.condition.label}', macro AP", e)


def difference_lines(results: StudyResults, reference: ConditionResult) -> list[str]:
    """Say of every condition how its macro AP differs from the reference's."""
    others = [c for c in results.done if c is not reference and c.labels == reference.labels]
    lines = [ap_line(c, reference) for c in others if results.paired(reference, c)]
    apart = [c.condition.label for c in others if not results.paired(reference, c)]
    items = results.words.items
    return [*lines, *(f"'{label}' is scored on other {items}, so it is not compared" for label in apart)]
