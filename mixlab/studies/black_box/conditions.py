"""What the study trains: per task two levels by two classifiers, and the experiments of section 6."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mixlab.corpora.clips.config import ClipsConfig
from mixlab.errors import ConfigError
from mixlab.studies.loudness import LEVELS, LOUDNESS_CORPUS
from mixlab.studies.plan import Condition

__all__ = [
    "EXTREMES",
    "FIVE",
    "LEVEL_OF",
    "BlackBoxSettings",
    "all_conditions",
    "all_tasks",
    "made_tasks",
    "name_of",
    "subset_name",
]

FIVE, EXTREMES = "loudness", "loudness_extremes"
"""Tasks of the clips that are sorted by loudness."""

LEVEL_OF = {"unprocessed": "as_recorded", "normalised": "peak"}
"""The paper's words for the level of clips, and ours."""

RETRAINED = {
    "baseline.features": "embeddings",
    "baseline.classifier": "softmax",
    # As TensorFlow's retrain, which all values of the paper but the number of steps are the defaults of.
    "baseline.standardise": False,
}
FOREST = {"baseline.features": "descriptors", "baseline.classifier": "forest"}


@dataclass(frozen=True)
class BlackBoxSettings:
    """Settings of the study; the network is ``train.model``.

    Attributes:
        weights: Weights of the network: a name that 'mixlab weights' lists, such as
            imagenet_efficientnet_lite0, or a file.
        steps: Steps in which the last layer is trained.
        subsets_of: The task of which the largest classes are tried alone (Table 3), and that is sorted by
            loudness; '' leaves both out. The paper takes the Extended Ballroom.
        subsets: So many of its largest classes; clips at eight levels are tried on the first.
        loudness: Whether its clips, those of all its classes, are sorted into five classes by loudness.
        random: Whether the network is also tried with random weights, which the paper does not: what is
            learned from pictures beyond what any network keeps of a spectrogram.
        colour: Whether spectrograms are also tried in colour.
    """

    weights: str = "imagenet_efficientnet_lite0"
    steps: int = 8000
    subsets_of: str = ""
    subsets: tuple[int, ...] = (9, 8, 7, 2)
    loudness: bool = True
    random: bool = True
    colour: bool = False

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            ConfigError: a value is out of its range.
        """
        if self.steps < 1 or not self.weights:
            raise ConfigError(
                f"settings.steps must be 1 or more and settings.weights a name or a file, got {self.steps} "
                f"and {self.weights!r}.",
                code="invalid-setting",
            )
        if not all(n >= 2 for n in self.subsets) or list(self.subsets) != sorted(set(self.subsets))[::-1]:
            raise ConfigError(
                f"settings.subsets must be falling numbers of classes, 2 or more, got {self.subsets}.",
                code="invalid-setting",
            )


def name_of(task: str, classifier: str, level: str) -> str:
    """Return the name of a condition: ``ballroom_network_normalised``."""
    return f"{task}_{classifier}_{level}"


def subset_name(task: str, n_classes: int) -> str:
    """Return the name of the task of the largest classes of another, as the paper has it: ``ballroom9``."""
    return f"{task}{n_classes}"


def all_tasks(tasks: Mapping[str, ClipsConfig], settings: BlackBoxSettings) -> dict[str, ClipsConfig]:
    """Return the tasks of a request, and those that are made of one of them.

    Raises:
        ConfigError: there are none, or not the one that is to be divided; or a name is taken.
    """
    if not tasks:
        raise ConfigError(
            "The study black_box needs clips: set tasks.NAME.corpus and tasks.NAME.root of one task or more, "
            "as configs/studies/black_box.yaml does.",
            code="missing-setting",
        )
    if not settings.subsets_of:
        return dict(tasks)
    if settings.subsets_of not in tasks:
        raise ConfigError(
            f"settings.subsets_of={settings.subsets_of}: there is no such task; there are "
            f"{', '.join(tasks)}.",
            code="invalid-setting",
        )
    base, made = tasks[settings.subsets_of], dict[str, ClipsConfig]()
    for n in settings.subsets:
        made[subset_name(settings.subsets_of, n)] = replace(base, largest=n, classes=[])
    if settings.loudness:
        made[FIVE] = replace(
            base,
            corpus=LOUDNESS_CORPUS,
            task=f"{base.corpus}/{base.task}" if base.task else base.corpus,
            largest=0,
            classes=[],
            max_per_class=0,
        )
        made[EXTREMES] = replace(made[FIVE], classes=[LEVELS[0], LEVELS[-1]])
    if taken := [name for name in made if name in tasks]:
        raise ConfigError(
            f"The study black_box makes a task {taken[0]!r} of {settings.subsets_of!r}: call yours "
            "otherwise.",
            code="conflicting-settings",
        )
    return {**tasks, **made}


def made_tasks(settings: BlackBoxSettings) -> tuple[str, ...]:
    """Return the names of the tasks that are made of another."""
    if not settings.subsets_of:
        return ()
    subsets = tuple(subset_name(settings.subsets_of, n) for n in settings.subsets)
    return subsets + ((FIVE, EXTREMES) if settings.loudness else ())


def all_conditions(
    tasks: Sequence[str], settings: BlackBoxSettings, model: Mapping[str, Any]
) -> list[Condition]:
    """Return the conditions of a request's tasks, then those of section 6.

    Args:
        tasks: Names of the request's tasks.
        settings: Settings.
        model: Settings of the network, plain.
    """
    of_network = {
        **RETRAINED,
        "baseline.steps": settings.steps,
        "baseline.weights": settings.weights,
        "baseline.model": dict(model),
    }
    of_forest = {**FOREST, "baseline.model": dict(model)}
    conditions = []
    for task in tasks:
        for classifier, own in (("network", of_network), ("forest", of_forest)):
            conditions += [_condition(task, classifier, level, own) for level in LEVEL_OF]
        if settings.random:
            own = {**of_network, "baseline.weights": "random"}
            conditions.append(_condition(task, "random", "normalised", own))
        if settings.colour:
            coloured = {**model, "parameters": {**model.get("parameters", {}), "colour": True}}
            own = {**of_network, "baseline.model": coloured}
            conditions.append(_condition(task, "colour", "normalised", own))
    return [*conditions, *_follow_ups(settings, of_network)]


def _condition(task: str, classifier: str, level: str, overrides: Mapping[str, Any]) -> Condition:
    titles = {
        "network": "network",
        "forest": "forest",
        "random": "network, random weights",
        "colour": "network, in colour",
        "repeated": "network, at eight levels",
    }
    repeated = {"windows.repeat_levels": True} if classifier == "repeated" else {}
    return Condition(
        name=name_of(task, classifier, level),
        label=f"{task}: {titles[classifier]}, {level}",
        overrides={**overrides, "windows.level": LEVEL_OF[level], **repeated},
        command="baseline",
        task=task,
    )


def _follow_ups(settings: BlackBoxSettings, of_network: Mapping[str, Any]) -> list[Condition]:
    """Return the conditions of section 6: the largest classes, eight levels, classes by loudness."""
    if not settings.subsets_of:
        return []
    names = [subset_name(settings.subsets_of, n) for n in settings.subsets]
    found = [_condition(name, "network", "normalised", of_network) for name in names]
    found += [_condition(name, "repeated", "normalised", of_network) for name in names[:1]]
    if settings.loudness:
        # Unprocessed: at one peak for all, most of what tells these classes would be gone.
        found += [_condition(name, "network", "unprocessed", of_network) for name in (FIVE, EXTREMES)]
    return found
