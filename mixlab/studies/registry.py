"""The studies by name: mixlab's own, a class of one's own, or a file."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mixlab.errors import ConfigError
from mixlab.studies.base import Study, StudyRequest
from mixlab.studies.conditions import LISTED, ListedStudy, read_study
from mixlab.studies.plan import Condition, Plan
from mixlab.studies.sweep import SWEEP, Sweep
from mixlab.training.run import Run
from mixlab.utils.discovery import offered
from mixlab.utils.plugins import find, running

__all__ = ["GROUP", "build_study", "find_study", "parse_also", "studies"]

GROUP = "mixlab.studies"
"""Entry points of studies in other packages."""


def studies() -> Mapping[str, Study]:
    """Return mixlab's own studies by name: each module of ``mixlab.studies.experiments`` is one."""
    return offered("mixlab.studies.experiments", "STUDY")


def find_study(name: str) -> Study:
    """Return a study.

    Args:
        name: One of ``studies()``, ``package.module:Class``, an entry point of the group ``mixlab.studies``,
            the path of a YAML file (``mixlab.studies.conditions``), or what a study's folder calls it.

    Raises:
        ConfigError: there is no such study, or it is none.
    """
    if name.lower().endswith((".yaml", ".yml")):
        return read_study(Path(name).expanduser())
    if name in (SWEEP, LISTED):
        return Sweep() if name == SWEEP else ListedStudy()
    found: Any = find(name, studies(), GROUP, "study")
    with running("study", name):
        study = found() if isinstance(found, type) else found
    if not isinstance(study, Study):
        raise ConfigError(
            f"{name} is no study: expected a Study (mixlab.studies), found {study!r}.", code="unfit-plugin"
        )
    if missing := _missing(study):
        raise ConfigError(
            f"The study {name} lacks {', '.join(missing)}: a Study has a 'name' and a 'title', texts that "
            "are not empty, and a method 'conditions' (docs/studies.md writes one).",
            code="unfit-plugin",
        )
    return study


def _missing(study: Study) -> list[str]:
    """Return what a subclass of Study must have and has not."""
    texts = {name: getattr(study, name, None) for name in ("name", "title")}
    missing = [name for name, text in texts.items() if not isinstance(text, str) or not text.strip()]
    kind = type(study)
    if kind.conditions is Study.conditions and kind.plan is Study.plan:
        missing.append("conditions")
    return missing


def build_study(name: str, request: StudyRequest) -> Plan:
    """Return the plan of a study.

    Raises:
        ConfigError: there is no such study, or it lacks something.
    """
    study = find_study(name)
    request = replace(request, data=request.data or study.data[0])
    with running("study", name):
        study.check_request(request)
        plan = study.plan(request)
    if not isinstance(plan, Plan):
        raise ConfigError(
            f"The study {name}: plan() must return a Plan (mixlab.studies), found {plan!r}.",
            code="unfit-plugin",
        )
    _refuse_equal(name, plan.conditions)
    extra = tuple(
        Condition(name=f"also{number}", label=label, runs=runs, task=_task_of(label, runs, plan))
        for number, (label, runs) in enumerate(request.also.items(), start=1)
    )
    # Only runs made elsewhere: nothing is trained.
    conditions = extra if study.only_also and extra else (*plan.conditions, *extra)
    # The name under which the study's folder finds it again.
    kind = LISTED if isinstance(study, ListedStudy) else name
    return replace(plan, kind=kind, conditions=conditions)


def _task_of(label: str, runs: Sequence[str], plan: Plan) -> str:
    """Return the task whose clips runs made elsewhere are of; '' for runs on mixes.

    Raises:
        ConfigError: they are of the clips of no task, or of several.
    """
    stored = Run.open(runs[0]).config.get("clips")
    if not isinstance(stored, dict):
        return ""
    same = [
        name
        for name, clips in plan.tasks.items()
        if all(stored.get(key) == getattr(clips, key) for key in ("corpus", "task", "classes", "largest"))
        and stored.get("value", "") == clips.value
    ]
    if len(same) != 1:
        raise ConfigError(
            f"--also {label}: the clips of {runs[0]} (corpus {stored.get('corpus')}, task "
            f"{stored.get('task')!r}) must be those of exactly one task of the study; they are those of "
            f"{', '.join(same) or 'none'} of {', '.join(plan.tasks) or 'no tasks'}.",
            code="conflicting-settings",
        )
    return same[0]


def _refuse_equal(name: str, conditions: Sequence[Condition]) -> None:
    """Refuse conditions that differ in nothing but what they are called: their runs would be the same.

    Raises:
        ConfigError: there are such; the message names them.
    """
    first: list[tuple[Condition, Condition]] = []
    for condition in conditions:
        bare = replace(condition, name="", label="", values={})
        if same := next((seen for own, seen in first if own == bare), None):
            raise ConfigError(
                f"The study {name}: the conditions {same.name!r} and {condition.name!r} are the same but for "
                f"what they are called (overrides {dict(condition.overrides)!r}). Change one, or drop it.",
                code="invalid-study",
            )
        first.append((bare, condition))


def parse_also(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Turn ``LABEL=RUN[,RUN...]`` options into run folders by label; a folder of runs stands for all in it.

    Raises:
        ConfigError: no label, or no run where one is named.
    """
    found: dict[str, tuple[str, ...]] = {}
    for text in texts:
        label, equals, listed = text.partition("=")
        if not equals or not label or label in found:
            raise ConfigError(
                f"--also takes LABEL=RUN[,RUN...], every label once; found {text!r}.", code="malformed-option"
            )
        runs: list[str] = []
        for part in listed.split(","):
            below = [str(run.path) for run in Run.find(Path(part).expanduser())]
            if not below:
                raise ConfigError(
                    f"--also {label}: there is no run at or below {part!r}.", code="run-not-found"
                )
            runs += [str(Path(path).absolute()) for path in below]
        found[label] = tuple(runs)
    return found
