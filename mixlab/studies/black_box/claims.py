"""What the study says of the paper's claims, by fixed rules over intervals."""

import math
from collections.abc import Mapping, Sequence

from mixlab.studies.black_box.conditions import EXTREMES, FIVE, name_of
from mixlab.studies.black_box.tables import METRIC, ClassLoudness, own_tasks, subset_sizes
from mixlab.studies.claims import claim_line, no_difference, told, untold
from mixlab.studies.findings import difference_line
from mixlab.studies.results import ConditionResult, StudyResults, condition_difference
from mixlab.studies.statistics import Estimate

__all__ = ["MARGIN", "claim_lines", "disparity"]

MARGIN = 0.02
"""Accuracy: the paper takes differences below two points for none."""


def claim_lines(results: StudyResults, loudness: Mapping[str, Sequence[ClassLoudness]]) -> list[str]:
    """Say of each claim of the paper whether it shows here.

    Args:
        results: The study.
        loudness: Of each task's classes; empty where the clips are not there any more.
    """
    tasks = own_tasks(results)
    return [
        *(line for task in tasks for line in _feasible(results, task)),
        *(line for task in tasks for line in _against_forest(results, task)),
        *_level_for_forest(results, tasks),
        *_level_for_network(results, tasks, loudness),
        *_fewer_classes(results),
        *_at_eight_levels(results),
        *_by_loudness(results),
        *(line for task in tasks for line in _in_colour(results, task)),
        *(line for task in tasks for line in _random(results, task)),
    ]


def _pair(results: StudyResults, a: str, b: str) -> tuple[ConditionResult, ConditionResult] | None:
    """Return two conditions that were scored on the same clips; None where one is not done."""
    first, second = results.condition(a), results.condition(b)
    if first is None or second is None or not results.paired(first, second):
        return None
    return first, second


def _difference(results: StudyResults, a: str, b: str) -> Estimate | None:
    """Return the second minus the first in accuracy, where both are done."""
    pair = _pair(results, a, b)
    return None if pair is None else condition_difference(*pair, METRIC)


def _intervals(e: Estimate) -> list[tuple[float, float]]:
    return [(i.low, i.high) for i in (e.songs, e.seeds) if i is not None]


def _beyond(e: Estimate, level: float) -> bool | None:
    """Say whether a score lies above a level: None where an interval holds it, or there is none."""
    ends = _intervals(e)
    if e.songs is None or not math.isfinite(level):
        return None
    if all(low > level for low, _ in ends):
        return True
    return False if all(high < level for _, high in ends) else None


def _apart(a: Estimate, b: Estimate) -> bool | None:
    """Say whether a is above b, of different clips: None where their intervals over groups overlap."""
    if a.songs is None or b.songs is None:
        return None
    if a.songs.low > b.songs.high:
        return True
    return False if a.songs.high < b.songs.low else None


def _n_clips(condition: ConditionResult | None) -> int:
    return max((run.n_items for run in condition.test.runs.values()), default=0) if condition else 0


def _chance(condition: ConditionResult) -> float:
    """Return what always saying the class that is most frequent on validation scores."""
    found = [run.chance[METRIC].mean for run in condition.test.runs.values() if METRIC in run.chance]
    return sum(found) / len(found) if found else math.nan


def _per_cent(e: Estimate) -> str:
    songs = "" if e.songs is None else f" ({100 * e.songs.low:.1f}-{100 * e.songs.high:.1f})"
    return f"{100 * e.value:.1f} %{songs}" if math.isfinite(e.value) else "-"


def _feasible(results: StudyResults, task: str) -> list[str]:
    claim = f"{task}: a network for pictures, as a black box, classifies music"
    found = results.condition(name_of(task, "network", "normalised"))
    if found is None:
        return []
    accuracy, chance = found.test.of(METRIC), _chance(found)
    why = f"accuracy {_per_cent(accuracy)}, chance level {100 * chance:.1f} %"
    return [told(claim, _beyond(accuracy, chance), why)]


def _against_forest(results: StudyResults, task: str) -> list[str]:
    e = _difference(results, name_of(task, "forest", "normalised"), name_of(task, "network", "normalised"))
    if e is None:
        return []
    line = difference_line(f"{task}: 'network' minus 'forest', normalised, accuracy", e)
    return [f"{line} (the paper has the network below the forest, about level, or above it, by task)"]


def _level_for_forest(results: StudyResults, tasks: Sequence[str]) -> list[str]:
    claim = "the level of clips makes no difference to the forest"
    found = {task: e for task in tasks if (e := _level_effect(results, task, "forest")) is not None}
    if not found:
        return []
    verdicts = [
        no_difference(e, MARGIN, _n_clips(results.condition(name_of(task, "forest", "normalised"))))
        for task, e in found.items()
    ]
    holds = False if False in verdicts else True if all(verdicts) else None
    listed = ", ".join(f"{task} {100 * e.value:+.1f}" for task, e in found.items())
    why = f"normalised minus unprocessed in points: {listed} (none: within ±{100 * MARGIN:g} with intervals)"
    return [told(claim, holds, why)]


def _level_effect(results: StudyResults, task: str, classifier: str) -> Estimate | None:
    return _difference(
        results, name_of(task, classifier, "unprocessed"), name_of(task, classifier, "normalised")
    )


def disparity(classes: Sequence[ClassLoudness]) -> float:
    """Return how unlike in loudness a task's classes are.

    The largest difference between the mean RMS of two classes, over the mean of their deviations: above 1
    one has to go past a standard deviation of both to meet.
    """
    means = [one.mean for one in classes if math.isfinite(one.mean)]
    deviations = [one.deviation for one in classes if math.isfinite(one.deviation)]
    if len(means) < 2 or not deviations or not sum(deviations):
        return math.nan
    return (max(means) - min(means)) / (sum(deviations) / len(deviations))


def _level_for_network(
    results: StudyResults, tasks: Sequence[str], loudness: Mapping[str, Sequence[ClassLoudness]]
) -> list[str]:
    """Judge the paper's explanation: alike classes gain by normalisation, unlike ones lose a cue."""
    found = {task: e for task in tasks if (e := _level_effect(results, task, "network")) is not None}
    unlike = {task: disparity(loudness.get(task, ())) for task in found}
    lines = [
        difference_line(
            f"{task}: 'network', normalised minus unprocessed, accuracy (classes differ in loudness by "
            f"{unlike[task]:.1f} deviations)",
            e,
        )
        for task, e in found.items()
    ]
    claim = "normalisation helps where classes are alike in loudness, and costs where they are not"
    known = sorted((task for task in found if math.isfinite(unlike[task])), key=lambda task: unlike[task])
    if len(known) < 2:
        return (
            [*lines, untold(claim, "It takes two tasks at least whose loudness is known.")] if found else []
        )
    alike, other = found[known[0]], found[known[-1]]
    gains = alike.value > 0 if alike.significant else None
    costs = other.value < 0 if other.significant else None
    holds = False if False in (gains, costs) else True if gains and costs else None
    why = (
        f"the most alike is {known[0]} ({unlike[known[0]]:.1f} deviations, {100 * alike.value:+.1f} points), "
        f"the least {known[-1]} ({unlike[known[-1]]:.1f}, {100 * other.value:+.1f})"
    )
    return [*lines, told(claim, holds, why)]


def _fewer_classes(results: StudyResults) -> list[str]:
    sizes = subset_sizes(results)
    found = {
        n: c.test.of(METRIC)
        for n, task in sizes.items()
        if (c := results.condition(name_of(task, "network", "normalised"))) is not None
    }
    if len(found) < 2:
        return []
    most, fewest = max(found), min(found)
    why = (
        f"{_per_cent(found[most])} of {most} classes, {_per_cent(found[fewest])} of {fewest}; of different "
        "clips, so intervals must not overlap. Chance level rises with fewer classes, too"
    )
    return [told("accuracy rises with fewer, larger classes", _apart(found[fewest], found[most]), why)]


def _at_eight_levels(results: StudyResults) -> list[str]:
    claim = "each clip at eight levels, joined, raises accuracy"
    for task in subset_sizes(results).values():
        e = _difference(
            results, name_of(task, "network", "normalised"), name_of(task, "repeated", "normalised")
        )
        if e is not None:
            return [claim_line(claim, f"{task}: 'at eight levels' minus 'network', accuracy", e)]
    return []


def _by_loudness(results: StudyResults) -> list[str]:
    five, ends = (results.condition(name_of(task, "network", "unprocessed")) for task in (FIVE, EXTREMES))
    lines = []
    if five is not None:
        accuracy, chance = five.test.of(METRIC), _chance(five)
        above = _beyond(accuracy, chance)
        others = {
            task: c.test.of(METRIC)
            for task in own_tasks(results)
            if (c := results.condition(name_of(task, "network", "normalised"))) is not None
        }
        why = f"accuracy {_per_cent(accuracy)}, chance level {100 * chance:.1f} %"
        why += "" if above else ", from which it does not differ"
        if others:
            task = min(others, key=lambda name: others[name].value)
            why += f"; the lowest of the other tasks is {task} with {_per_cent(others[task])}"
        verdicts = [_apart(other, accuracy) for other in others.values()]
        holds = False if False in verdicts else True if verdicts and all(verdicts) else None
        lines.append(told("five classes by loudness are the hardest task of all", holds, why))
    if five is not None and ends is not None:
        high, low = ends.test.of(METRIC), five.test.of(METRIC)
        why = f"{_per_cent(high)} of two classes, {_per_cent(low)} of five; of different clips"
        lines.append(told("the quietest and the loudest are easier to tell", _apart(high, low), why))
    return lines


def _in_colour(results: StudyResults, task: str) -> list[str]:
    e = _difference(results, name_of(task, "network", "normalised"), name_of(task, "colour", "normalised"))
    if e is None:
        return []
    why = difference_line("'in colour' minus 'network', accuracy", e)
    n_clips = _n_clips(results.condition(name_of(task, "colour", "normalised")))
    return [told(f"{task}: colour makes no difference", no_difference(e, MARGIN, n_clips), why)]


def _random(results: StudyResults, task: str) -> list[str]:
    """Say what pretraining on pictures is worth: no claim of the paper, but what it rests on."""
    e = _difference(results, name_of(task, "random", "normalised"), name_of(task, "network", "normalised"))
    if e is None:
        return []
    what = f"{task}: 'network' minus 'network, random weights', accuracy"
    return [f"{difference_line(what, e)} (not in the paper: what was learned from pictures)"]
