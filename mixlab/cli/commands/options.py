"""Options that several commands share."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mixlab.errors import ConfigError

if TYPE_CHECKING:
    from mixlab.inference.scorer import Scorer
    from mixlab.mixing.config import MixConfig

__all__ = ["check_each_alone", "check_one_model", "choose_scorer", "parse_pairs", "settings_for_split"]


def choose_scorer(
    run: Path | None, weights: str, label_set: str, device: str, also: Sequence[str] | None = None
) -> "Scorer":
    """Return what is to score audio: a run, or published weights raised to a label set.

    Args:
        run: Folder of a run.
        weights: Published weights in its place. Without either it is the model that comes with mixlab.
        label_set: The classes that tags of published weights are raised to.
        device: Where it computes.
        also: Published weights and runs that score beside it, so that the mean counts.

    Raises:
        ConfigError: run and weights are both given, or what is to score beside them is not named one by one.
        MixlabError: what is given cannot be opened.
    """
    from mixlab.inference.opening import open_run
    from mixlab.inference.published import published_scorer
    from mixlab.models.shipped_model import SHIPPED

    check_each_alone(also or (), "--also")
    if run is not None and weights:
        check_one_model(run, weights)
    if run is not None:
        scorer = open_run(run, device=device)
    else:
        scorer = published_scorer(weights or SHIPPED, label_set, device=device)
    if not also:
        return scorer
    from mixlab.inference.joint import join_beside
    from mixlab.taxonomy import load_label_set

    if run is not None:
        from mixlab.inference.scorer import known_outputs
        from mixlab.training.run import Run

        scorer = known_outputs(scorer, Run.open(run))
    labels = load_label_set(label_set) if run is None else None
    return join_beside(scorer, also, device=device, labels=labels)


def check_one_model(run: Path | None, weights: str) -> None:
    """See to it that either a run or published weights are given.

    Raises:
        ConfigError: both are, or none.
    """
    if run is not None and weights:
        raise ConfigError(
            f"Which of the two? Give --run {run} or --weights {weights}.", code="conflicting-settings"
        )
    if run is None and not weights:
        raise ConfigError(
            "Which model? Give --run RUN, a folder made by 'mixlab train', or --weights NAME, one that "
            "'mixlab weights' lists, such as mixlab_tagger, which comes with mixlab.",
            code="missing-setting",
        )


def check_each_alone(
    models: Sequence[str], option: str, takes: str = "the name of published weights or a run's folder"
) -> None:
    """See to it that an option that is repeated for several models names one each time.

    Args:
        models: What was given.
        option: The option.
        takes: What it takes, for people.

    Raises:
        ConfigError: it names nothing, or several with commas between.
    """
    for text in models:
        if not text:
            raise ConfigError(
                f"{option} takes {takes}; found nothing.",
                code="malformed-option",
            )
        names = [name.strip() for name in text.split(",") if name.strip()]
        if "," in text and not os.path.exists(text):  # noqa: PTH110 - Path.exists fails at a long list
            raise ConfigError(
                f"{option} takes one model, and is given again for each further one; found {text!r}. Give "
                + " ".join(f"{option} {name}" for name in names or ["NAME"]),
                code="malformed-option",
            )


def parse_pairs(values: Sequence[str] | None, option: str) -> dict[str, str]:
    """Turn ``NAME=PATH`` options into a dictionary, in their order; a path may be a URL.

    Raises:
        ConfigError: a value has no ``=``, an empty side, or a name that came before.
    """
    pairs: dict[str, str] = {}
    for value in values or ():
        name, equals, path = value.partition("=")
        if not equals or not name or not path:
            raise ConfigError(
                f"{option} takes NAME=PATH, such as medleydb=/data/MedleyDB; found {value!r}.",
                code="malformed-option",
            )
        if name in pairs:
            raise ConfigError(
                f"{option} names {name!r} twice: {pairs[name]} and {path}.", code="repeated-option"
            )
        pairs[name] = path
    return pairs


def settings_for_split(config: "MixConfig", split: str, evaluation: bool | None) -> "MixConfig":
    """Return the settings that mixes of a split are sampled by.

    Args:
        config: As they were given.
        split: The split.
        evaluation: Whether as for evaluation; None for what is usual for the split.
    """
    return config.for_evaluation() if (split != "train" if evaluation is None else evaluation) else config
