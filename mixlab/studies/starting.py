"""A study of p_musical to be started: from which settings, as which command, and how long it will take."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from mixlab.catalog.catalog import Catalog
from mixlab.errors import ConfigError, MixlabError
from mixlab.mixing.config import MixConfig
from mixlab.mixing.rendering import render_mix
from mixlab.mixing.sampler import sample_recipe
from mixlab.studies.base import StudyRequest
from mixlab.studies.plan import Plan
from mixlab.studies.registry import build_study
from mixlab.taxonomy import load_label_set
from mixlab.training.config import TrainConfig, from_plain
from mixlab.training.run import Run
from mixlab.utils.parallel import default_workers
from mixlab.utils.plain import plain
from mixlab.utils.yaml import load_yaml

__all__ = ["Cost", "StudyOrder", "estimate_cost", "read_settings"]

_MIXES = 6
"""Mixes that are rendered to see how long one takes."""

_START_S = 15.0
"""What a training takes beside its mixes: to start, and to be scored."""

_FORWARD = 1 / 3
"""Of a training step, what scoring the same mixes takes."""


@dataclass(frozen=True)
class StudyOrder:
    """A study of p_musical that somebody wants.

    Attributes:
        catalog: Folder of the catalog.
        out: Folder of the study.
        grid: Values of p_musical.
        seeds: Of every value.
        mix: What all trainings have in common.
        train: What all trainings have in common.
        parallel: Trainings at a time.
    """

    catalog: str
    out: str
    grid: tuple[float, ...]
    seeds: tuple[int, ...]
    mix: MixConfig
    train: TrainConfig
    parallel: int = 1

    def plan(self) -> Plan:
        """Return what it would train.

        Raises:
            ConfigError: settings that cannot be.
        """
        plan = build_study(
            "p_musical", StudyRequest(mix=self.mix, train=self.train, seeds=self.seeds, grid=self.grid)
        )
        plan.trials()
        return plan

    def settings_text(self) -> str:
        """Return the file of settings that ``arguments`` names."""
        return yaml.safe_dump({"mix": plain(self.mix), "train": plain(self.train)}, sort_keys=False)

    def arguments(self, settings: Path) -> tuple[str, ...]:
        """Return what to type behind ``mixlab``, with the settings in a file."""
        return (
            *("study", "p_musical", "--config", str(settings), "--catalog", self.catalog, "--out", self.out),
            *("--grid", ",".join(f"{p!r}" for p in self.grid)),
            *("--seeds", ",".join(map(str, self.seeds)), "--parallel", str(self.parallel)),
        )


def read_settings(file: Path) -> tuple[MixConfig, TrainConfig]:
    """Return the settings of the mixing and the training in a configuration, such as a run's.

    Raises:
        ConfigError: it cannot be read, or is the configuration of something else.
    """
    try:
        data = load_yaml(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{file} cannot be read: {error}", code="invalid-setting") from error
    if not isinstance(data, Mapping) or not {"mix", "train"} <= data.keys():
        raise ConfigError(
            f"{file} holds no settings of a training on mixes: expected the sections mix and train, found "
            f"{', '.join(map(str, data)) if isinstance(data, Mapping) else type(data).__name__}.",
            code="invalid-setting",
        )
    return from_plain(MixConfig, dict(data["mix"])), from_plain(TrainConfig, dict(data["train"]))


@dataclass(frozen=True)
class Cost:
    """How long a study will take.

    Attributes:
        runs: Trainings.
        seconds: About so long, all in all.
        how: By what that is said.
    """

    runs: int
    seconds: float
    how: str


def estimate_cost(order: StudyOrder, catalog: Catalog, runs: Sequence[Run] = ()) -> Cost:
    """Say how long a study will take here: by a run that was like its own, else by a few mixes and steps.

    Early stops make it shorter, other work on the machine longer.

    Args:
        order: The study.
        catalog: What it mixes from.
        runs: Runs that are there; one with the same network and the same mixes says how quick it is here.

    Raises:
        MixlabError: a mix cannot be made, or the network not be built.
    """
    count, cores = len(order.grid) * len(order.seeds), default_workers()
    waves = math.ceil(count / order.parallel)
    own_cores = 1 + order.train.num_workers
    like = next((run for run in runs if _is_like(run, order)), None)
    if like is not None:
        epoch_s, size = _epoch(like)
        crowded = max(1.0, order.parallel * own_cores / cores) / max(1.0, own_cores / cores)
        seconds = order.train.epochs * order.train.epoch_size * epoch_s / size + _START_S
        return Cost(
            count,
            waves * crowded * seconds,
            f"by the run {like.path.name}: {epoch_s:.1f} s for an epoch of {size} mixes",
        )
    mix_s, step_s = _mix_s(order, catalog), _step_s(order.train, order.mix)
    train = order.train
    trained, scored = train.epochs * train.epoch_size, train.epochs * train.val_size + train.test_size
    # Validation and test are mixed once; validation is scored after every epoch.
    work_s = (
        trained * (mix_s + step_s) + (train.val_size + train.test_size) * mix_s + scored * step_s * _FORWARD
    )
    at_once = min(cores, order.parallel * own_cores)
    seconds = max(count * work_s / at_once, waves * work_s / own_cores) + waves * _START_S
    return Cost(
        count,
        seconds,
        f"measured just now: a mix takes {1000 * mix_s:.0f} ms to make, {1000 * step_s:.0f} ms to train on, "
        f"on one of {cores} processors, if nothing else runs",
    )


def _is_like(run: Run, order: StudyOrder) -> bool:
    """Tell whether a run has a network, mixes and epochs of the same cost."""
    try:
        config = run.config
        if not run.metrics():
            return False
        mix, train = config["mix"], config["train"]
    except (MixlabError, KeyError):
        return False
    wanted, found = plain(order.train), _known(train)
    same = ("model", "batch_size", "num_workers", "val_size")
    return all(found.get(name) == wanted[name] for name in same) and _costs(mix) == _costs(plain(order.mix))


def _known(section: object) -> Mapping[str, Any]:
    return section if isinstance(section, Mapping) else {}


def _costs(mix: object) -> list[object]:
    """Return the settings of the mixing that decide how long a mix takes."""
    names = ("duration_s", "sample_rate", "max_sources", "effects", "engine", "channels")
    return [_known(mix).get(name) for name in names]


def _epoch(run: Run) -> tuple[float, int]:
    """Return the mean seconds of a run's epochs and their mixes."""
    rows = run.metrics()
    return sum(row["seconds"] for row in rows) / len(rows), int(run.config["train"]["epoch_size"])


def _mix_s(order: StudyOrder, catalog: Catalog) -> float:
    """Return the processor seconds of a mix, on an average over the grid."""
    begin, made = 0.0, 0
    for index in range(_MIXES + 1):
        if index == 1:  # the first one compiles and reads what the others find
            begin, made = time.process_time(), 0
        p = order.grid[index % len(order.grid)]
        render_mix(sample_recipe(catalog, replace(order.mix, p_musical=p), 0, 0, index), catalog)
        made += 1
    return (time.process_time() - begin) / made


def _step_s(train: TrainConfig, mix: MixConfig) -> float:
    """Return the processor seconds of a training step for one mix, in fp32."""
    # Only here: a page that offers a study does not wait for them.
    import torch

    from mixlab.models import build_model
    from mixlab.training.losses import measure_precision

    classes = len(load_label_set(mix.label_set))
    samples = mix.render_settings().samples
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = build_model(train.model, classes)
    rates = measure_precision(model, samples, classes, batch_size=train.batch_size, device=device, steps=1)
    threads = torch.get_num_threads() if device.type == "cpu" else 1
    return threads / rates["fp32"]
