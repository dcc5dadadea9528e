"""Runs side by side: the settings and scores of each, and in what two of them differ.

Everything is read from ``run.json``, ``config.yaml`` and ``report.json``; no prediction is opened.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from mixlab.errors import MixlabError
from mixlab.evaluation import Difference, SplitScores
from mixlab.mixing.config import MixConfig
from mixlab.training.config import TrainConfig, flatten
from mixlab.training.run import Run
from mixlab.utils.plain import plain

__all__ = [
    "NOT_SET",
    "RunOverview",
    "SettingDifference",
    "differing_settings",
    "read_overview",
    "report_differences",
    "varying_settings",
]

NOT_SET = "not set"
"""What stands for a setting that one of the runs does not have."""

_PLACES = ("out", "catalog")
"""Settings that say where something lies, and nothing of what is computed."""


@dataclass(frozen=True)
class RunOverview:
    """One run as a row of a table of runs.

    Attributes:
        path: Its folder.
        status: As in ``run.json``; '' where that cannot be read.
        command: What made it: ``train``, ``baseline``, ``pretrain``.
        created: When it was started, as ISO 8601 text.
        note: What must be said beside its numbers, or ''.
        settings: Resolved settings by dotted names, and beside them the hashes of catalog and label set. A
            setting that is newer than the run has its default; folders are left out.
        splits: Scores by split; empty before it was scored.
        problem: Why it cannot be read, or not all of it; '' for a sound run.
    """

    path: Path
    status: str = ""
    command: str = ""
    created: str = ""
    note: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    splits: dict[str, SplitScores] = field(default_factory=dict)
    problem: str = ""


class SettingDifference(NamedTuple):
    """A setting that two runs do not share.

    Attributes:
        name: Dotted name, as in ``config.yaml``.
        a: The first run's value as text, or ``NOT_SET``.
        b: The second run's.
    """

    name: str
    a: str
    b: str


def read_overview(path: str | Path) -> RunOverview:
    """Read what a table of runs says of one; of a damaged run as much as can be read, and why not more."""
    run = Run(Path(path))
    try:
        info, config = Run.open(path).info, run.config
    except MixlabError as error:
        return RunOverview(run.path, problem=str(error))
    splits: dict[str, SplitScores] = {}
    problem = ""
    if (run.path / "report.json").is_file():
        try:
            splits = run.report().splits
        except MixlabError as error:
            problem = str(error)
    return RunOverview(
        path=run.path,
        status=str(info.get("status", "")),
        command=str(info.get("command", "train")),
        created=str(info.get("created", "")),
        note=str(info.get("note") or ""),
        settings=_settings(config, info),
        splits=splits,
        problem=problem,
    )


def _settings(config: dict[str, Any], info: dict[str, Any]) -> dict[str, Any]:
    own = flatten({name: value for name, value in config.items() if name not in _PLACES})
    defaults = {
        name: value
        for name, value in _defaults().items()
        if name.partition(".")[0] in config and not any(key.startswith(f"{name}.") for key in own)
    }
    hashes = {
        "catalog (hash)": info.get("catalog", {}).get("content_hash"),
        "label set (hash)": info.get("labels", {}).get("content_hash"),
    }
    return {**{name: value for name, value in hashes.items() if value}, **defaults, **own}


@lru_cache(maxsize=1)
def _defaults() -> dict[str, Any]:
    return flatten({"mix": plain(MixConfig()), "train": plain(TrainConfig())})


def _say(settings: dict[str, Any], name: str) -> str:
    if name not in settings:
        return NOT_SET
    value = settings[name]
    return "none" if value is None else str(value)


def varying_settings(runs: Sequence[RunOverview]) -> tuple[str, ...]:
    """Return the settings in which runs differ, in the order in which they stand in their files."""
    readable = [run.settings for run in runs if run.settings]
    names = dict.fromkeys(name for settings in readable for name in settings)
    return tuple(name for name in names if len({_say(settings, name) for settings in readable}) > 1)


def differing_settings(a: RunOverview, b: RunOverview) -> tuple[SettingDifference, ...]:
    """Return the settings that two runs do not share, with both values."""
    return tuple(
        SettingDifference(name, _say(a.settings, name), _say(b.settings, name))
        for name in varying_settings((a, b))
    )


def report_differences(a: SplitScores, b: SplitScores) -> dict[str, tuple[Difference, ...]]:
    """Return the scores of two reports and b - a, without intervals: for runs that cannot be paired.

    They may be of different mixes, which is then a part of the difference.

    Returns:
        By the name of each metric that both have: a row for ``all``, and before it one for every class that
        both have, where the metric is computed per class.
    """
    classes = {k.name: k for k in b.classes}
    shared = {metric.name for metric in b.metrics}
    found: dict[str, tuple[Difference, ...]] = {}
    for metric in a.metrics:
        if metric.name not in shared or metric.name not in b.scores:
            continue
        rows = [
            _difference(k.name, k.songs, k.scores[metric.name].value, other.scores[metric.name].value)
            for k in a.classes
            if metric.over == "class" and (other := classes.get(k.name)) is not None
        ]
        whole = a.scores[metric.name].value, b.scores[metric.name].value
        found[metric.name] = (*rows, _difference("all", a.n_groups, *whole))
    return found


def _difference(name: str, songs: int, a: float, b: float) -> Difference:
    return Difference(name, songs, a, b, b - a)
