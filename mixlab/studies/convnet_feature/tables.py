"""Tables of the study: features by task, and all combinations of blocks."""

from collections.abc import Sequence

from mixlab.evaluation.report import Table
from mixlab.studies.convnet_feature.conditions import MFCC, RANDOM, SOURCE, name_of
from mixlab.studies.findings import best_condition
from mixlab.studies.results import ConditionResult, StudyResults
from mixlab.studies.tables import score_text

__all__ = [
    "all_blocks",
    "best_subset",
    "convnets",
    "layer_table",
    "lead_table",
    "metric_of",
    "results_by_task",
    "top_block",
]


def results_by_task(results: StudyResults) -> dict[str, StudyResults]:
    """Return the results on each target task that has some."""
    return {task: results.of_task(task) for task in results.tasks if task not in ("", SOURCE)}


def metric_of(results: StudyResults) -> str:
    """Return the score of a task: R2 of numbers, accuracy where clips have one class each, else macro AP."""
    names = [metric.name for metric in results.metrics]
    return next((name for name in ("r2", "accuracy") if name in names), "average_precision")


def convnets(results: StudyResults) -> dict[str, ConditionResult]:
    """Return the conditions on blocks of the source network that are done, by their strategies."""
    return _by_strategy(results.done)


def _by_strategy(conditions: Sequence[ConditionResult]) -> dict[str, ConditionResult]:
    found = {}
    for c in conditions:
        task, _, layers = c.condition.name.partition("_convnet_")
        if task == c.condition.task and layers:
            found[layers] = c
    return found


def all_blocks(results: StudyResults) -> ConditionResult | None:
    """Return the condition on all blocks of a task; None while it is not done, whatever else is."""
    planned = _by_strategy(results.conditions)
    return convnets(results).get(max(planned, key=len, default=""))


def top_block(results: StudyResults) -> ConditionResult | None:
    """Return the condition on the last block alone, what usual transfer takes; None while it is not done."""
    planned = _by_strategy(results.conditions)
    return convnets(results).get(max((layers for layers in planned if len(layers) == 1), default=""))


def best_subset(results: StudyResults) -> ConditionResult | None:
    """Return the combination of blocks that is best on validation, where choices belong."""
    return best_condition(list(convnets(results).values()), metric_of(results))


def lead_table(results: StudyResults) -> Table:
    """Return a row per task: the combination chosen on validation, all blocks, the last one, and others."""
    rows = []
    for task, own in results_by_task(results).items():
        metric, best = metric_of(own), best_subset(own)
        chosen = best.condition.name.rpartition("_")[2] if best else "-"
        kinds = (best, all_blocks(own), top_block(own))
        others = (own.condition(name_of(task, features)) for features in (MFCC, RANDOM))
        title = own.metric(metric).mean_title
        rows.append((task, title, chosen, *(_score(c, metric) for c in (*kinds, *others))))
    header = (
        "task",
        "score",
        "chosen",
        "chosen on validation",
        "all blocks",
        "last block alone",
        "MFCC",
        "random convnet",
    )
    over = f"test scores: mean over seeds (95 % over {results.words.groups}) ±SD over seeds"
    return Table(f"features by task; {over}", header, tuple(rows), 1)


def _score(condition: ConditionResult | None, metric: str) -> str:
    return "-" if condition is None else score_text(condition.test.of(metric))


def layer_table(results: StudyResults) -> Table:
    """Return a row per combination of blocks, a column per task, and in brackets the rank within the task."""
    tasks = results_by_task(results)
    strategies = list(dict.fromkeys(layers for own in tasks.values() for layers in convnets(own)))
    rows = [(layers, *(_ranked(own, layers) for own in tasks.values())) for layers in strategies]
    title = "combinations of blocks, 1 the lowest: test score, and its rank among those of the task"
    return Table(title, ("blocks", *tasks), tuple(rows), 0)


def _ranked(results: StudyResults, layers: str) -> str:
    found, metric = convnets(results), metric_of(results)
    if layers not in found:
        return "-"
    scores = _values(list(found.values()), metric)
    own = found[layers].test.of(metric).value
    return f"{own:.3f} (#{1 + sum(value > own for value in scores)})"


def _values(conditions: Sequence[ConditionResult], metric: str) -> list[float]:
    return [c.test.of(metric).value for c in conditions]
