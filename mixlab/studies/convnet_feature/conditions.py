"""What the study trains: a source network, then classifiers on its blocks' activations and on baselines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

from mixlab.errors import ConfigError
from mixlab.studies.plan import Condition

__all__ = [
    "SOURCE",
    "ConvnetFeatureSettings",
    "all_conditions",
    "layer_subsets",
    "name_of",
    "strategy",
    "target_tasks",
]

SOURCE = "source"
"""Name of the condition that trains the source network, and of its task where it is one of clips."""

MFCC, RANDOM = "mfcc", "random"
MOST_BLOCKS = 9
"""Of more blocks, strategies would not be single digits."""


@dataclass(frozen=True)
class ConvnetFeatureSettings:
    """Settings of the study; the source network is ``train.model``, trained as ``train`` says.

    Attributes:
        weights: Weights of a source network that is there: a run folder, a file, or a name that 'mixlab
            weights' lists; '' trains one, on the task ``source`` where there is one, else on mixes of the
            catalog.
        subsets: Which blocks are tried: ``all`` subsets of them, or ``few``: each alone, and all together.
        classifier: ``svm`` with a radial kernel, as Choi et al., or ``logistic`` regression; on a task of
            numbers support vector or ridge regression.
        random: Whether the activations of a network of random weights are tried.
    """

    weights: str = ""
    subsets: Literal["all", "few"] = "all"
    classifier: Literal["svm", "logistic"] = "svm"
    random: bool = True


def target_tasks(tasks: Mapping[str, Any]) -> list[str]:
    """Return the tasks that features are tried on: all but the source's.

    Raises:
        ConfigError: there are none, or the source's is one of numbers.
    """
    if getattr(tasks.get(SOURCE), "value", ""):
        raise ConfigError(
            f"tasks.{SOURCE}.value: the source network is trained on classes, found the number "
            f"{tasks[SOURCE].value!r}. Leave it out.",
            code="conflicting-settings",
        )
    found = [task for task in tasks if task != SOURCE]
    if not found:
        raise ConfigError(
            "The study convnet_feature needs clips of one target task at least: set tasks.NAME.corpus and "
            "tasks.NAME.root, as configs/studies/convnet_feature.yaml does; found "
            f"{', '.join(tasks) or 'none'}.",
            code="missing-setting",
        )
    return found


def layer_subsets(n_blocks: int, which: str) -> list[tuple[int, ...]]:
    """Return the subsets of blocks that are tried, by size, the largest first.

    Raises:
        ConfigError: the network has too many blocks for their names.
    """
    if not 2 <= n_blocks <= MOST_BLOCKS:
        raise ConfigError(
            f"The study convnet_feature takes a network of 2 to {MOST_BLOCKS} blocks, train.model has "
            f"{n_blocks}. Choose another, such as fcn with five.",
            code="invalid-setting",
        )
    sizes = range(n_blocks, 0, -1) if which == "all" else (n_blocks, 1)
    blocks = range(1, n_blocks + 1)
    return [subset for size in sizes for subset in combinations(blocks, size)]


def strategy(layers: Sequence[int]) -> str:
    """Return what Choi et al. call a subset of blocks: ``135``."""
    return "".join(map(str, layers))


def name_of(task: str, features: str) -> str:
    """Return the name of a condition: ``genre_convnet_135``, ``genre_mfcc``."""
    return f"{task}_{features}"


def all_conditions(
    tasks: Mapping[str, Any], settings: ConvnetFeatureSettings, model: Mapping[str, Any], n_blocks: int
) -> list[Condition]:
    """Return the source network's training, if there is one, and the classifiers of every target task.

    Args:
        tasks: The request's tasks.
        settings: Settings.
        model: Settings of the network, plain.
        n_blocks: Of the source network.
    """
    conditions = []
    if not settings.weights:
        conditions.append(Condition(SOURCE, "source network", task=SOURCE if SOURCE in tasks else ""))
    shared = {"baseline.classifier": settings.classifier, "baseline.model": dict(model)}
    of_source: dict[str, Any] = {"baseline.features": "convnet"}
    if settings.weights:
        of_source["baseline.weights"] = settings.weights
    starts_from = "" if settings.weights else SOURCE
    for task in target_tasks(tasks):
        for layers in layer_subsets(n_blocks, settings.subsets):
            chosen = {} if len(layers) == n_blocks else {"baseline.layers": list(layers)}
            conditions.append(
                Condition(
                    name_of(task, f"convnet_{strategy(layers)}"),
                    f"{task}: convnet {strategy(layers)}",
                    {**shared, **of_source, **chosen},
                    command="baseline",
                    task=task,
                    starts_from=starts_from,
                )
            )
        others = {MFCC: ("MFCC", {"baseline.features": "mfcc"})}
        if settings.random:
            own = {"baseline.features": "convnet", "baseline.weights": "random"}
            others[RANDOM] = ("random convnet, all blocks", own)
        conditions += [
            Condition(
                name_of(task, features), f"{task}: {title}", {**shared, **own}, command="baseline", task=task
            )
            for features, (title, own) in others.items()
        ]
    return conditions
