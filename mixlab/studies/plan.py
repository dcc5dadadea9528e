"""What a study is to run: conditions, seeds, and the complete settings of every training."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mixlab.corpora.clips.config import ClipsConfig
from mixlab.errors import ConfigError
from mixlab.evaluation.thresholds import RULES, is_rule
from mixlab.mixing.config import LABEL_RULES, MixConfig
from mixlab.studies.commands import COMMANDS, STARTS_AT, TrialCommand, section_kinds
from mixlab.studies.settings import replace_settings
from mixlab.training.clips.config import WindowConfig
from mixlab.training.config import TrainConfig
from mixlab.utils.decode import later
from mixlab.utils.plain import plain

__all__ = ["Condition", "Plan", "Trial", "trial_name"]


@dataclass(frozen=True)
class Condition:
    """One point of a study.

    Attributes:
        name: Part of the names of its runs; unique in the study, safe in file names.
        label: What tables and figures call it.
        overrides: Settings that differ from the base, by dotted name (``mix.p_musical``).
        splits: '' trains on the catalog as it is; ``artist``, ``random`` or ``corpus`` divide its songs
            anew, another division for every seed. Of mixes alone: clips have ``clips.splits``.
        values: The varied settings of a grid, for axes and tables; empty for others.
        runs: Run folders that exist already and belong here, one per seed; then nothing is trained.
        threshold: What decides: ``fitted``, a threshold per class that was fitted on validation; ``half``,
            0.5; a number in (0, 1) as text; ``common``, one for all classes, of the highest micro F1 on
            validation; or ``common_on_test`` and ``fitted_on_test``, the same chosen on test, which flatters,
            for papers that do so. Single-label runs decide for the class of the highest score, whatever
            stands here.
        same_runs_as: Name of the condition whose runs are scored here in another way; '' for its own.
        command: ``train``, or ``baseline`` for a classical baseline; then ``overrides`` may name
            ``baseline.*`` instead of ``train.*``. With a task these become ``train-clips`` and
            ``baseline-clips``.
        task: Name of its clips in ``Plan.tasks``; '' for mixes. Its overrides may name ``clips.*`` and
            ``windows.*`` then, instead of ``mix.*``. Differences are computed within a task.
        starts_from: Name of the condition from whose run of the same seed it starts: as
            ``train.pretrained``, or ``baseline.weights`` of a baseline. That one is trained first; where it
            failed, this one is not started.
        mean_of: Names of conditions the mean of whose scores, seed by seed, is scored here as those of one
            network: an ensemble. Nothing is trained for it.
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
    task: str = later("")
    starts_from: str = later("")
    mean_of: tuple[str, ...] = later(())

    def __post_init__(self) -> None:
        """Let a condition on clips name its command as one on mixes does."""
        if self.task and f"{self.command}-clips" in COMMANDS:
            object.__setattr__(self, "command", f"{self.command}-clips")

    @property
    def how(self) -> TrialCommand:
        """What is known of its command."""
        return COMMANDS[self.command]

    @property
    def trains(self) -> bool:
        """Whether the study trains runs of this condition's own."""
        return not self.runs and not self.same_runs_as and not self.mean_of


@dataclass(frozen=True)
class Trial:
    """One training of a study.

    Attributes:
        name: Name of its run folder.
        condition: Name of its condition.
        seed: Of weights, dropout and stream.
        splits: As in ``Condition``; the seed of the division is ``seed``.
        command: A key of ``COMMANDS``.
        sections: Complete settings, plain, by the sections that the command takes.
        starts_from: Name of the trial whose run it starts from; '' for none.
        task: As in ``Condition``.
        items: Clips of an epoch, once they were read; 0 leaves it to the settings.
    """

    name: str
    condition: str
    seed: int
    splits: str
    command: str
    sections: Mapping[str, dict[str, Any]]
    starts_from: str = ""
    task: str = ""
    items: int = 0

    @property
    def how(self) -> TrialCommand:
        """What is known of its command."""
        return COMMANDS[self.command]

    @property
    def mix(self) -> dict[str, Any]:
        """Settings of the mixing; empty on clips."""
        return self.sections.get("mix", {})

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of the training or the baseline."""
        return self.sections[self.how.own]


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
        tasks: Labelled clips by the names that conditions call them.
        windows: How clips are cut into windows; what all conditions on clips have in common.
    """

    kind: str
    title: str
    conditions: tuple[Condition, ...]
    seeds: tuple[int, ...]
    mix: MixConfig
    train: TrainConfig
    vary: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    tasks: Mapping[str, ClipsConfig] = field(default_factory=dict)
    windows: WindowConfig = field(default_factory=WindowConfig)

    def __post_init__(self) -> None:
        """Check that names and labels are unique, what conditions name is there, and something is to do.

        Raises:
            ConfigError: no conditions, or what is none; no seeds, names or labels that occur twice; a
                command, a task or a condition to start from that is not there.
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
        faults = [fault for condition in self.conditions for fault in self._faults(condition)]
        if faults:
            raise ConfigError(f"The study {self.kind}: {' '.join(faults)}", code="invalid-study")

    @property
    def trained(self) -> tuple[Condition, ...]:
        """The conditions of which it trains runs of their own."""
        return tuple(condition for condition in self.conditions if condition.trains)

    @property
    def on_mixes(self) -> bool:
        """Whether it needs a catalog: not one of clips alone."""
        return any(not c.task for c in self.conditions) or not self.conditions

    def condition(self, name: str) -> Condition | None:
        """Return a condition by its name; None where there is none."""
        return next((condition for condition in self.conditions if condition.name == name), None)

    def _faults(self, condition: Condition) -> list[str]:
        """Say what of a condition cannot be: its command, its task, what it starts from."""
        name, faults = repr(condition.name), list[str]()
        if condition.command not in COMMANDS:
            return [f"{name} has the command {condition.command!r}; expected one of {', '.join(COMMANDS)}."]
        if condition.task and condition.task not in self.tasks:
            known = ", ".join(self.tasks) or "none"
            faults.append(f"{name} is on the task {condition.task!r}; the plan has the tasks {known}.")
        if condition.how.on_clips and not condition.task:
            faults.append(f"{name} has the command {condition.command}, so it needs a task.")
        if condition.task and condition.splits:
            faults.append(f"{name} is on clips; these are divided by clips.splits, not by 'splits'.")
        if not is_rule(condition.threshold):
            faults.append(
                f"{name} has the threshold {condition.threshold!r}; expected one of {', '.join(RULES)}, "
                "or a number between 0 and 1 as text."
            )
        for other in condition.mean_of:
            found = self.condition(other)
            if found is None or not found.trains or found.task != condition.task:
                faults.append(
                    f"{name} is the mean of {other!r}, which must be a condition of this study, on the same "
                    "task, that trains runs of its own."
                )
        return faults + self._start_faults(condition)

    def _start_faults(self, condition: Condition) -> list[str]:
        seen, at = [condition.name], condition
        while at.starts_from:
            source = self.condition(at.starts_from)
            if source is None or not source.trains or source.how.own != "train":
                return [
                    f"{at.name!r} starts from {at.starts_from!r}, which must be a condition of this study "
                    "that trains a network of its own."
                ]
            if source.name in seen:
                return [f"{' starts from '.join([*seen, source.name])}: a circle."]
            seen.append(source.name)
            at = source
        return []

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
        for condition in self.trained:
            try:
                settings[condition.name] = self.settings(condition)
            except ConfigError as error:
                faults.append(f"{condition.label}: {error}")
        if faults:
            raise ConfigError(
                "Nothing was started, as some conditions cannot be trained. " + " ".join(faults),
                code="invalid-study",
            )
        return tuple(
            self._trial(condition, seed, settings[condition.name])
            for seed in self.seeds
            for condition in self.trained
        )

    def _trial(self, condition: Condition, seed: int, settings: Mapping[str, Any]) -> Trial:
        sections = {name: plain(section) for name, section in settings.items()}
        sections[condition.how.own]["seed"] = seed
        start = trial_name(condition.starts_from, seed) if condition.starts_from else ""
        if start:
            sections[condition.how.own][STARTS_AT[condition.how.own]] = start
        return Trial(
            name=trial_name(condition.name, seed),
            condition=condition.name,
            seed=seed,
            splits=condition.splits,
            command=condition.command,
            sections=sections,
            starts_from=start,
            task=condition.task,
        )

    def scored_apart(self) -> tuple[str, ...]:
        """Return labels of the conditions whose settings also change the mixes of validation and test.

        Their scores are those of other mixes, so no difference to the other conditions is paired. What
        decides labels alone does not count: all conditions are scored against the base's.
        """
        base = self._scored_on(self.mix)
        return tuple(
            condition.label
            for condition in self.trained
            if not condition.task and self._scored_on(self.settings(condition)["mix"]) != base
        )

    def _scored_on(self, mix: MixConfig) -> MixConfig:
        labels = {name: getattr(self.mix, name) for name in LABEL_RULES}
        # Excerpts start and end at the same places at every rate: what is heard is the same.
        return replace(mix.for_evaluation(), sample_rate=self.mix.sample_rate, **labels)

    def settings(self, condition: Condition) -> dict[str, Any]:
        """Return the settings of a condition by section, as dataclasses.

        Raises:
            ConfigError: there is no such setting, or a value that cannot be.
        """
        how, overrides = condition.how, dict(condition.overrides)
        base: dict[str, Any] = {"mix": self.mix, "train": self.train, "windows": self.windows}
        if condition.task:
            base["clips"] = self.tasks[condition.task]
        if condition.starts_from:
            overrides[f"{how.own}.{STARTS_AT[how.own]}"] = condition.starts_from
        if how.own == "train":
            return replace_settings({name: base[name] for name in how.sections}, overrides)
        given = {k: v for k, v in overrides.items() if k.startswith("baseline.")}
        rest = {k: v for k, v in overrides.items() if not k.startswith("baseline.")}
        # A baseline on mixes is scored on the same ones as the trainings beside it.
        data = how.data if how.on_clips else (*how.data, "train")
        found = replace_settings({name: base[name] for name in data}, rest)
        train = found.get("train")
        shared = {name: getattr(train, name) for name in _SHARED} if train is not None else {}
        kind = section_kinds(condition.command)["baseline"]
        own = {name: found[name] for name in how.data}
        return {**own, **replace_settings({"baseline": kind(**shared)}, given)}


_SHARED = ("eval_seed", "val_size", "test_size")
"""Settings that a baseline on mixes takes from the training's."""


def trial_name(condition: str, seed: int) -> str:
    """Return the name of a trial's run folder."""
    return f"{condition}-seed{seed}"
