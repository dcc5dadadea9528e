"""Settings replaced by their dotted names: what a condition of a study changes, and what none may."""

import difflib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from mixlab.errors import ConfigError
from mixlab.mixing.config import MixConfig
from mixlab.training.config import TrainConfig, from_plain
from mixlab.utils.plain import plain

__all__ = ["check_settings", "replace_settings", "settings_of"]

FIXED = {
    "train.seed": "--seeds sets the seeds, the same for every condition",
    "train.eval_seed": "every condition is scored on the same mixes",
    "train.val_size": "every condition is scored on the same mixes",
    "train.test_size": "every condition is scored on the same mixes",
    "train.bootstrap": "the intervals are the study's",
}
"""Settings that no condition may change, and why."""

_OPEN_KEYS = ("mix.corpus_weights", "train.model.parameters", "baseline.model.parameters")
"""Settings whose keys are the user's own."""


def settings_of(
    mix: MixConfig, train: TrainConfig, overrides: Mapping[str, Any]
) -> tuple[MixConfig, TrainConfig]:
    """Return the base settings with some replaced, by their dotted names.

    Raises:
        ConfigError: there is no such setting, a value that cannot be, or one that all conditions share.
    """
    found = replace_settings({"mix": mix, "train": train}, overrides)
    return found["mix"], found["train"]


def replace_settings(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with some replaced, by their dotted names.

    Args:
        base: Dataclasses by section.
        overrides: Values by ``section.name``, which may go deeper.

    Raises:
        ConfigError: there is no such setting, a value that cannot be, or one that all conditions share.
    """
    if not overrides:
        return dict(base)
    check_settings(overrides, base)
    data: dict[str, Any] = {name: plain(section) for name, section in base.items()}
    for name, value in overrides.items():
        *path, last = name.split(".")
        place: dict[str, Any] = data
        for key in path:
            place = place[key]
        place[last] = deepcopy(plain(value))
    touched = {name.partition(".")[0] for name in overrides}
    found = {
        name: from_plain(type(section), data[name]) if name in touched else section
        for name, section in base.items()
    }
    if "train" in touched:
        _check_network(found["train"])
    return found


def _check_network(train: TrainConfig) -> None:
    """See that a network can be built; better now than in the middle of a study."""
    from mixlab.models import resolve

    resolve(train.model)


def check_settings(names: Mapping[str, Any] | Sequence[str], base: Mapping[str, Any]) -> None:
    """Refuse names that are no settings, or that must be the same in every condition.

    Args:
        names: Dotted names.
        base: Dataclasses by section.

    Raises:
        ConfigError: the message names the nearest setting.
    """
    known = _dotted({name: plain(section) for name, section in base.items()})
    for name in names:
        if name in FIXED:
            raise ConfigError(f"{name} cannot be varied: {FIXED[name]}.", code="fixed-setting")
        if name in known or name.rpartition(".")[0] in _OPEN_KEYS:
            continue
        close = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        such = next(example for section, example in _EXAMPLES.items() if section in base)
        raise ConfigError(
            f"There is no setting {name!r}.{hint} 'mixlab {such[0]} --print_config' lists them, such as "
            f"{such[1]}.",
            code="unknown-setting",
        )


_EXAMPLES = {
    "baseline": ("baseline", "baseline.classifier"),
    "clips": ("train-clips", "clips.largest or windows.duration_s"),
    "mix": ("train", "mix.p_musical or train.model.width"),
}
"""By section: the command that lists its settings, and some of them."""


def _dotted(data: Mapping[str, Any], prefix: str = "") -> list[str]:
    names = []
    for key, value in data.items():
        names.append(f"{prefix}{key}")
        if isinstance(value, Mapping):
            names += _dotted(value, f"{prefix}{key}.")
    return names
