"""What the study says of the claims of Choi et al. 2017, by fixed rules over intervals."""

from collections.abc import Callable

from mixlab.studies.claims import claim_line, told, untold
from mixlab.studies.convnet_feature.conditions import MFCC, RANDOM, name_of
from mixlab.studies.convnet_feature.tables import (
    all_blocks,
    best_subset,
    convnets,
    metric_of,
    results_by_task,
    top_block,
)
from mixlab.studies.results import ConditionResult, StudyResults, condition_difference

__all__ = ["claim_lines"]

Pick = Callable[[StudyResults], ConditionResult | None]


def claim_lines(results: StudyResults) -> list[str]:
    """Say of each claim whether it shows here, task by task, and over all tasks."""

    def named(features: str) -> Pick:
        return lambda own: own.condition(name_of(own.done[0].condition.task, features))

    return [
        *_better("the convnet feature beats MFCC", results, best_subset, named(MFCC)),
        *_better(
            "what the network learned counts, not its shape alone: it beats random weights",
            results,
            all_blocks,
            named(RANDOM),
        ),
        *_better("all blocks together beat the last one alone", results, all_blocks, top_block),
        *(line for task, own in results_by_task(results).items() for line in _combinations(task, own)),
    ]


def _better(claim: str, results: StudyResults, pick: Pick, against: Pick) -> list[str]:
    """Return a claim per task, and what becomes of it in all of them."""
    lines, verdicts = [], []
    for task, own in results_by_task(results).items():
        condition, reference, metric = pick(own), against(own), metric_of(own)
        if condition is None or reference is None or condition is reference:
            continue
        e = condition_difference(reference, condition, metric)
        title = own.metric(metric).mean_title
        what = f"'{condition.condition.label}' minus '{reference.condition.label}', {title}"
        lines.append(claim_line(f"{task}: {claim}", what, e))
        verdicts.append(e.value > 0 if e.significant else None)
    if len(verdicts) > 1:
        holds = False if False in verdicts else True if all(verdicts) else None
        why = f"In {sum(v is True for v in verdicts)} of {len(verdicts)} tasks it shows"
        lines.append(told(f"in all tasks, {claim}", holds, why))
    return lines


def _combinations(task: str, results: StudyResults) -> list[str]:
    """Say whether any combination of blocks beats all of them together."""
    claim, whole = f"{task}: no combination of blocks beats all of them", all_blocks(results)
    others = [c for c in convnets(results).values() if c is not whole]
    if whole is None or not others:
        return []
    metric = metric_of(results)
    found = {c.condition.name.rpartition("_")[2]: condition_difference(whole, c, metric) for c in others}
    better = sorted(layers for layers, e in found.items() if e.significant and e.value > 0)
    worse = sum(e.significant and e.value < 0 for e in found.values())
    counted = f"{len(better)} of {len(found)} are significantly better, {worse} significantly worse"
    if better:
        return [told(claim, False, f"{counted}; better: {', '.join(better)}")]
    if worse == len(found):
        return [told(claim, True, counted)]
    return [untold(claim, counted)]
