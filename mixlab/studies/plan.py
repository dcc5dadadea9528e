"""What a study is to run: conditions, seeds, and the complete settings of every training."""

import difflib
import itertools
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from mixlab.errors import ConfigError
from mixlab.mixing.config import LABEL_RULES, MixConfig
from mixlab.training.config import TrainConfig, from_plain
from mixlab.utils.plain import plain
from mixlab.utils.yaml import load_yaml

__all__ = [
    "Condition",
    "Plan",
    "Trial",
    "check_settings",
    "grid_conditions",
    "parse_seeds",
    "parse_vary",
    "settings_of",
]

FIXED = {
    "train.seed": "--seeds sets the seeds, the same for every condition",
    "train.eval_seed": "every condition is scored on the same mixes",
    "train.val_size": "every condition is scored on the same mixes",
    "train.test_size": "every condition is scored on the same mixes",
    "train.bootstrap": "the intervals are the study's",
}
"""Settings that no condition may change, and why."""

_OPEN_KEYS = ("mix.corpus_weights", "train.model.parameters")
"""Settings whose keys are the user's own."""


@dataclass(frozen=True)
class Condition:
    """One point of a study.

    Attributes:
        name: Part of the names of its runs; unique in the study, safe in file names.
        label: What tables and figures call it.
        overrides: Settings that differ from the base, by dotted name (``mix.p_musical``).
        splits: '' trains on the catalog as it is; ``artist``, ``random`` or ``corpus`` divide its songs
            anew, another division for every seed.
        values: The varied settings of a grid, for axes and tables; empty for others.
        runs: Run folders that exist already and belong here, one per seed; then nothing is trained.
        threshold: ``fitted`` decides at thresholds fitted on validation, ``half`` at 0.5.
        same_runs_as: Name of the condition whose runs are scored here in another way; '' for its own.
        command: ``train``, or ``baseline`` for a classical baseline; then ``overrides`` may name
            ``baseline.*`` instead of ``train.*``.
    """

    name: str
    label: str
    overrides: Mapping[str, Any] = field(default_factory=dict)
    splits: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    runs: tuple[str, ...] = ()
    threshold: str = "fitted"
    same_runs_as: str = ""
    command: str = "train"

    @property
    def trains(self) -> bool:
        """Whether the study trains runs of this condition's own."""
        return not self.runs and not self.same_runs_as


@dataclass(frozen=True)
class Trial:
    """One training of a study.

    Attributes:
        name: Name of its run folder.
        condition: Name of its condition.
        seed: Of weights, dropout and stream.
        splits: As in ``Condition``; the seed of the division is ``seed``.
        command: ``train`` or ``baseline``: the command, and the key of its settings.
        mix: Complete settings of the mixing, plain.
        settings: Complete settings of the training or the baseline, plain.
    """

    name: str
    condition: str
    seed: int
    splits: str
    command: str
    mix: dict[str, Any]
    settings: dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """A whole study before it runs.

    Attributes:
        kind: ``sweep`` or the name of a study.
        title: One line for people.
        conditions: At least one; the first is what the others are compared with where a study says so.
        seeds: Every condition is trained with each.
        mix: What all conditions have in common.
        train: What all conditions have in common.
        vary: Values of each varied setting of a grid; empty for lists of conditions.
    """

    kind: str
    title: str
    conditions: tuple[Condition, ...]
    seeds: tuple[int, ...]
    mix: MixConfig
    train: TrainConfig
    vary: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that names and labels are unique and something is there to do.

        Raises:
            ConfigError: no conditions, or what is none; no seeds, or names or labels that occur twice.
        """
        self._check_conditions()
        names = [condition.name for condition in self.conditions]
        # Tables and figures have a row for each label: two conditions would be drawn over each other.
        labels = [condition.label for condition in self.conditions]
        twice = sorted({name for own in (names, labels) for name in own if own.count(name) > 1})
        if not names or not self.seeds or twice:
            raise ConfigError(
                f"A study needs conditions of different names and labels, and at least one seed; "
                f"found {len(names)} conditions, "
                f"{len(self.seeds)} seeds{', twice: ' + ', '.join(twice) if twice else ''}.",
                code="invalid-study",
            )

    def _check_conditions(self) -> None:
        for condition in self.conditions:
            if not isinstance(condition, Condition):
                raise ConfigError(
                    f"The study {self.kind}: expected each condition to be a Condition (mixlab.studies), "
                    f"found {condition!r}.",
                    code="unfit-plugin",
                )
            texts = (condition.name, condition.label)
            if not all(isinstance(x, str) and x for x in texts) or not isinstance(
                condition.overrides, Mapping
            ):
                raise ConfigError(
                    f"The study {self.kind}: a condition needs a name and a label, texts that are not empty, "
                    f"and a mapping of overrides, found {condition!r}.",
                    code="unfit-plugin",
                )

    def trials(self) -> tuple[Trial, ...]:
        """Return every training, seed by seed, so that a study that is stopped has whole rows first.

        Raises:
            ConfigError: settings that cannot be; all faulty conditions are named.
        """
        settings, faults = {}, []
        for condition in self.conditions:
            if not condition.trains:
                continue
            try:
                settings[condition.name] = self._settings(condition)
            except ConfigError as error:
                faults.append(f"{condition.label}: {error}")
        if faults:
            raise ConfigError(
                "Nothing was started, as some conditions cannot be trained. " + " ".join(faults),
                code="invalid-study",
            )
        return tuple(
            Trial(
                name=f"{condition.name}-seed{seed}",
                condition=condition.name,
                seed=seed,
                splits=condition.splits,
                command=condition.command,
                mix=plain(settings[condition.name][0]),
                settings={**plain(settings[condition.name][1]), "seed": seed},
            )
            for seed in self.seeds
            for condition in self.conditions
            if condition.trains
        )

    def scored_apart(self) -> tuple[str, ...]:
        """Return labels of the conditions whose settings also change the mixes of validation and test.

        Their scores are those of other mixes, so no difference to the other conditions is paired. What
        decides labels alone does not count: all conditions are scored against the base's.
        """
        base = self._scored_on(self.mix)
        trained = (condition for condition in self.conditions if condition.trains)
        return tuple(
            condition.label for condition in trained if self._scored_on(self._settings(condition)[0]) != base
        )

    def _scored_on(self, mix: MixConfig) -> MixConfig:
        labels = {name: getattr(self.mix, name) for name in LABEL_RULES}
        return replace(mix.for_evaluation(), **labels)

    def _settings(self, condition: Condition) -> tuple[MixConfig, Any]:
        """Return the settings of a condition's mixing, and of its training or baseline."""
        if condition.command == "train":
            return settings_of(self.mix, self.train, condition.overrides)
        # Only here: studies without baselines do not wait for what these need.
        from mixlab.training.baselines import BaselineConfig

        own = {k: v for k, v in condition.overrides.items() if not k.startswith("baseline.")}
        mix, train = settings_of(self.mix, self.train, own)
        shared = {name: getattr(train, name) for name in ("eval_seed", "val_size", "test_size")}
        given = {k.partition(".")[2]: v for k, v in condition.overrides.items() if k.startswith("baseline.")}
        return mix, from_plain(BaselineConfig, {**shared, **given})


def settings_of(
    mix: MixConfig, train: TrainConfig, overrides: Mapping[str, Any]
) -> tuple[MixConfig, TrainConfig]:
    """Return the base settings with some replaced, by their dotted names.

    Raises:
        ConfigError: there is no such setting, a value that cannot be, or one that all conditions share.
    """
    if not overrides:
        return mix, train
    check_settings(overrides, mix, train)
    data = {"mix": plain(mix), "train": plain(train)}
    for name, value in overrides.items():
        *path, last = name.split(".")
        place: dict[str, Any] = data
        for key in path:
            place = place[key]
        place[last] = deepcopy(plain(value))
    touched = {name.partition(".")[0] for name in overrides}
    return (
        from_plain(MixConfig, data["mix"]) if "mix" in touched else mix,
        _checked(from_plain(TrainConfig, data["train"])) if "train" in touched else train,
    )


def _checked(train: TrainConfig) -> TrainConfig:
    """Return settings whose network can be built; better now than in the middle of a study."""
    from mixlab.models import resolve

    resolve(train.model)
    return train


def check_settings(names: Mapping[str, Any] | Sequence[str], mix: MixConfig, train: TrainConfig) -> None:
    """Refuse names that are no settings, or that must be the same in every condition.

    Raises:
        ConfigError: the message names the nearest setting.
    """
    known = _dotted({"mix": plain(mix), "train": plain(train)})
    for name in names:
        if name in FIXED:
            raise ConfigError(f"{name} cannot be varied: {FIXED[name]}.", code="fixed-setting")
        if name in known or name.rpartition(".")[0] in _OPEN_KEYS:
            continue
        close = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise ConfigError(
            f"There is no setting {name!r}.{hint} 'mixlab train --print_config' lists them, such as "
            "mix.p_musical or train.model.width.",
            code="unknown-setting",
        )


def _dotted(data: Mapping[str, Any], prefix: str = "") -> list[str]:
    names = []
    for key, value in data.items():
        names.append(f"{prefix}{key}")
        if isinstance(value, Mapping):
            names += _dotted(value, f"{prefix}{key}.")
    return names


def parse_vary(texts: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """Turn ``NAME=VALUE,VALUE,...`` options into values by name; values are read as YAML.

    A comma within brackets or quotation marks does not divide: ``mix.corpora=[slakh],[slakh,medleydb]``.

    Raises:
        ConfigError: no name, no value, a name or a value that comes twice.
    """
    found: dict[str, tuple[Any, ...]] = {}
    for text in texts:
        name, equals, listed = text.partition("=")
        name = name.strip()
        if not equals or not name or not listed.strip():
            raise ConfigError(
                f"--vary takes NAME=VALUE,VALUE such as mix.p_musical=0,0.4; found {text!r}.",
                code="malformed-option",
            )
        try:
            values = tuple(load_yaml(part) for part in _split_commas(listed))
        except (yaml.YAMLError, ValueError) as error:
            raise ConfigError(
                f"--vary {name}: a value cannot be read: {error}", code="malformed-option"
            ) from error
        if name in found or len({repr(value) for value in values}) < len(values):
            raise ConfigError(
                f"--vary {name}: the same name or value is given twice in {text!r}.", code="repeated-option"
            )
        found[name] = values
    return found


def _split_commas(text: str) -> list[str]:
    parts, depth, quote = [""], 0, ""
    for c in text:
        if quote:
            quote = "" if c == quote else quote
        elif c in "'\"":
            quote = c
        else:
            depth += (c in "[{") - (c in "]}")
        if c == "," and not quote and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    return parts


def parse_seeds(seeds: str | int | Sequence[int]) -> tuple[int, ...]:
    """Turn ``0,1,2`` (or a number, or a list) into seeds.

    Raises:
        ConfigError: no whole numbers of 0 or more, or one that comes twice.
    """
    parts = seeds.split(",") if isinstance(seeds, str) else [seeds] if isinstance(seeds, int) else seeds
    try:
        found = tuple(int(str(part).strip()) for part in parts)
    except ValueError as error:
        raise ConfigError(
            f"--seeds takes whole numbers such as 0,1,2; found {seeds!r}.", code="malformed-option"
        ) from error
    if not found or min(found) < 0 or len(set(found)) < len(found):
        raise ConfigError(
            f"--seeds takes different whole numbers of 0 or more; found {seeds!r}.", code="malformed-option"
        )
    return found


def grid_conditions(vary: Mapping[str, Sequence[Any]]) -> tuple[Condition, ...]:
    """Return a condition for every combination of the values, the last name changing fastest.

    Raises:
        ConfigError: nothing varies.
    """
    if not vary:
        raise ConfigError(
            "What is to vary? Give --vary NAME=VALUE,VALUE, such as mix.p_musical=0,0.4,1.",
            code="missing-setting",
        )
    conditions, names = [], set()
    for combination in itertools.product(*vary.values()):
        values = dict(zip(vary, combination, strict=True))
        label = ", ".join(f"{key}={_short(value)}" for key, value in values.items())
        name = _slug("_".join(f"{key.rpartition('.')[2]}-{_short(value)}" for key, value in values.items()))
        while name in names:
            name += "-again"
        names.add(name)
        conditions.append(Condition(name=name, label=label, overrides=values, values=values))
    return tuple(conditions)


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else "none" if value is None else str(value)


def _slug(text: str) -> str:
    """Return a text as a file name of at most 100 plain characters."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:100] or "condition"
