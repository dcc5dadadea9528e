"""What a study says in words: verdicts that follow from the numbers by fixed rules."""

import math
from collections.abc import Sequence

import numpy as np

from mixlab.evaluation.metrics import METRICS
from mixlab.studies.paper_results import TABLE_1, WEAK
from mixlab.studies.results import ConditionResult, StudyResults, class_values, condition_difference
from mixlab.studies.statistics import F1_ABOVE_CHANCE, Estimate
from mixlab.studies.tables import score_text

__all__ = [
    "above_chance_lines",
    "best_condition",
    "difference_line",
    "effect_lines",
    "leakage_lines",
    "optimum_lines",
    "rare_columns",
    "rare_lines",
    "share_best",
    "significance_text",
    "split_lines",
    "transfer_lines",
]

RARE_PREVALENCE = 0.15
"""A class present in fewer of the validation mixes than this counts as rare."""

MIN_RARE = 3

MULTIPLE_COMPARISONS = (
    "the more classes and conditions are looked at, the more are significant by chance alone"
)
"""Stands below every list of what is significant."""


def significance_text(e: Estimate) -> str:
    """Say whether a difference is more than the choice of songs, and of seeds, explains."""
    if not math.isfinite(e.value):
        return "undefined"
    if e.songs is None:
        return "without an interval over songs"
    if e.seeds is None:
        over = "significant over songs" if e.significant_over_songs else "not significant over songs"
        return f"{over}; one seed cannot tell of others"
    if e.significant_over_songs and e.significant_over_seeds:
        return "significant at 95 %, over songs and over seeds"
    if e.significant_over_songs:
        return "significant over songs, but not over seeds"
    if e.significant_over_seeds:
        return "significant over seeds, but not over songs"
    return "not significant, neither over songs nor over seeds"


def _significantly_better(e: Estimate) -> bool:
    return e.value > 0 and e.significant


def difference_line(name: str, e: Estimate) -> str:
    """Return a difference with both intervals and the verdict."""
    seeds = "" if e.seeds is None else f", over seeds {e.seeds.low:+.3f} to {e.seeds.high:+.3f}"
    songs = "" if e.songs is None else f" (over songs {e.songs.low:+.3f} to {e.songs.high:+.3f}{seeds})"
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
        lines.append(f"share of the resamples of songs in which each value is best: {listed}")
    return [*lines, _verdict(axis, at, [e for _, e in found])]


def _verdict(axis: str, at: float, found: Sequence[Estimate]) -> str:
    if len(found) < 2:
        significant = bool(found) and _significantly_better(found[0])
        more = (
            "it is better than the other end"
            if significant
            else "not even the difference to the other end is significant"
        )
        return f"verdict: the optimum, {axis}={at:g}, is an end of the range, not inside it; {more}"
    if all(map(_significantly_better, found)):
        return f"verdict: there is an optimum inside the range, {axis}={at:g}, better than both ends"
    if any(map(_significantly_better, found)):
        return f"verdict: {axis}={at:g} lies inside the range, but differs significantly from one end only"
    return f"verdict: {axis}={at:g} lies inside the range, but differs significantly from neither end"


def rare_columns(results: StudyResults, condition: ConditionResult) -> list[int]:
    """Return the classes to bring up, rarest first.

    Those with a prevalence below ``RARE_PREVALENCE``, the ``MIN_RARE`` rarest, and those that the paper
    recognises badly.
    """
    validation_prevalence = class_values(condition.test.runs, "validation_prevalence")
    order = [int(c) for c in np.argsort(validation_prevalence, kind="stable")]
    return [
        c
        for k, c in enumerate(order)
        if k < MIN_RARE or validation_prevalence[c] < RARE_PREVALENCE or results.labels[c] in WEAK
    ]


def rare_lines(results: StudyResults, reference: ConditionResult, columns: Sequence[int]) -> list[str]:
    """Say for every factor what it brings every rare class, in F1, where that is significant."""
    lines = []
    for c in results.done:
        if c is reference or not results.paired(reference, c):
            continue
        parts = []
        for column in columns:
            e = condition_difference(reference, c, "f1", column)
            if not math.isfinite(e.value):
                parts.append(f"{results.labels[column]} undefined")
                continue
            parts.append(f"{results.labels[column]} {e.value:+.3f}{_significance_mark(e)}")
        lines.append(f"{c.condition.label}, F1 against '{reference.condition.label}': {', '.join(parts)}")
    lines.append(
        "'*' stands where the difference is significant at 95 % over songs and over seeds, '(songs)' where "
        "it is over songs and one seed leaves no other interval; " + MULTIPLE_COMPARISONS
    )
    return lines


def _significance_mark(e: Estimate) -> str:
    if not e.significant:
        return ""
    return " (songs)" if e.seeds is None else "*"


def transfer_lines(results: StudyResults) -> list[str]:
    """Say what pretraining is worth: against scratch, a random backbone, and the best classical baseline."""
    scratch = results.condition("scratch")
    if scratch is None:
        return ["training from scratch is not done, so there is nothing to compare with yet"]
    transfer_modes = [
        c for name in ("finetune", "frozen", "last") if (c := results.condition(name)) is not None
    ]
    lines = [_ap_line(c, scratch) for c in transfer_modes]
    frozen, random = results.condition("frozen"), results.condition("random_frozen")
    if frozen is not None and random is not None:
        lines.append(_ap_line(frozen, random) + " (the same head: what the pretrained weights are worth)")
    classical = best_condition(
        [c for c in results.done if c.condition.command == "baseline"], "average_precision"
    )
    best = best_condition([*transfer_modes, scratch], "average_precision")
    if classical is not None and best is not None:
        lines.append(_ap_line(best, classical) + " (each the best of its kind on validation)")
    # Not said where the user asked for some ways only.
    names = {c.condition.name for c in results.conditions}
    if "last" not in names and {"scratch", "frozen", "finetune", "random_frozen"} <= names:
        lines.append("no row trains the last layer alone: these weights bring no head of their own")
    return [*lines, *_paper_order(results)]


def _ap_line(condition: ConditionResult, reference: ConditionResult) -> str:
    e = condition_difference(reference, condition, "average_precision")
    return difference_line(f"'{condition.condition.label}' minus '{reference.condition.label}', macro AP", e)


def _paper_order(results: StudyResults) -> list[str]:
    """Say whether the means stand in the order of the paper's Table 1."""
    rows = [results.condition(name) for name in TABLE_1]
    found = [c for c in rows if c is not None]
    if len(found) < len(rows):
        return []
    lines = []
    for metric in ("roc_auc", "average_precision", "loss"):
        known = results.metric(metric)
        sign = 1 if known.higher_is_better else -1
        means = [sign * c.test.of(metric).value for c in found]
        lines.append(f"{known.mean_title} {'yes' if means == sorted(means) else 'no'}")
    return [f"in the paper's order, scratch, frozen, fine-tuned, from worst to best: {', '.join(lines)}"]


def above_chance_lines(results: StudyResults, condition: ConditionResult) -> list[str]:
    """Say which classes have an F1 above that of always saying yes: on average, in each run, over songs."""
    gains = {name: condition.test.of(F1_ABOVE_CHANCE.name, c) for c, name in enumerate(results.labels)}
    defined = {name: e for name, e in gains.items() if math.isfinite(e.value)}
    judged = {name: e for name, e in defined.items() if e.songs is not None}
    runs = len(condition.test.runs)
    tests = [("on average", defined, [name for name, e in defined.items() if e.value > 0])]
    if runs > 1:
        above = [name for name, e in defined.items() if e.low > 0 and e.n_seeds == runs]
        tests.append((f"in each of {runs} runs", defined, above))
    if judged:
        where = "in the whole 95 % interval over songs, both on the same songs in each resample"
        above = [name for name, e in judged.items() if e.value > 0 and e.significant_over_songs]
        tests.append((where, judged, above))
    lines = []
    for where, of, above in tests:
        line = f"'{condition.condition.label}', F1 above that of always saying yes {where}: "
        line += f"{len(above)} of {len(of)} classes"
        missed = [name for name in of if name not in above]
        lines.append(line + (f"; not so: {', '.join(missed)}" if missed else ""))
    if judged:
        lines.append(MULTIPLE_COMPARISONS)
    if few := [name for name in defined if name not in judged]:
        lines.append(
            f"no interval over songs (too few songs hold them, or there are no resamples): {', '.join(few)}"
        )
    if undefined := [name for name in gains if name not in defined]:
        lines.append(f"undefined, as the test mixes hold none: {', '.join(undefined)}")
    return lines


def effect_lines(results: StudyResults, without: ConditionResult) -> list[str]:
    """Say what effects bring, over all classes and for those where it is significant."""
    lines, compared = [], False
    for c in results.done:
        if c is without:
            continue
        if not results.paired(without, c):
            lines.append(f"'{c.condition.label}' is scored on other mixes, so it is not compared")
            continue
        lines.append(_ap_line(c, without))
        found = {
            name: condition_difference(without, c, "average_precision", k)
            for k, name in enumerate(results.labels)
        }
        judged = {name: e for name, e in found.items() if e.songs is not None and math.isfinite(e.value)}
        significant = [f"{name} {e.value:+.3f}" for name, e in judged.items() if e.significant]
        if not judged:
            continue
        compared = True
        seeds = any(e.seeds is not None for e in judged.values())
        over = "over songs and over seeds" if seeds else "over songs alone"
        lines.append(
            f"'{c.condition.label}' by class, AP significant at 95 % {over}: "
            f"{', '.join(significant) or 'none'}, of {len(judged)} classes with an interval"
        )
    if compared:
        lines.append(MULTIPLE_COMPARISONS)
    return [*lines, "the test mixes have no effects, whatever training has"]


def split_lines(base: ConditionResult, random: ConditionResult) -> list[str]:
    """Say what random splits promise, in a study of what brings classes up."""
    lines = leakage_lines(base, random, "base on random splits minus on the catalog's own")[:2]
    e = condition_difference(base, random, "average_precision")
    return [
        *lines,
        "artist-safe splits bring a score that holds for new artists, not a higher one: random splits, "
        "scored on songs of their own, "
        + ("promise more" if _significantly_better(e) else "do not promise significantly more here")
        + ", by macro AP",
    ]


def leakage_lines(
    safe: ConditionResult, leaky: ConditionResult, name: str = "random minus artist-safe splits"
) -> list[str]:
    """Say how much higher random splits score."""
    lines = []
    for metric in ("average_precision", "f1", "roc_auc"):
        e = condition_difference(safe, leaky, metric)
        lines.append(difference_line(f"{name}, {METRICS[metric].mean_title}", e))
    lines.append(
        "the two are scored on different songs, so the difference holds the songs' difficulty as well; every "
        "seed divides the songs anew, which evens that out only in the mean"
    )
    return lines
