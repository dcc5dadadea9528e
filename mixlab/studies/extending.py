"""A study that is there, as a plan again: to go on with it, and to give it more values and more seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mixlab.corpora.clips.config import ClipsConfig
from mixlab.errors import ConfigError
from mixlab.mixing.config import MixConfig
from mixlab.studies.base import StudyRequest
from mixlab.studies.curves import P_MUSICAL
from mixlab.studies.grids import grid_conditions
from mixlab.studies.plan import Condition, Plan
from mixlab.studies.registry import find_study
from mixlab.studies.state import StudyState
from mixlab.studies.sweep import SWEEP
from mixlab.training.clips.config import WindowConfig
from mixlab.training.config import TrainConfig, from_plain

__all__ = ["can_grow", "extend_plan", "plan_of"]


def plan_of(state: StudyState) -> Plan:
    """Return the plan that a study was carried out by.

    Raises:
        ConfigError: its settings are none of this release.
    """
    base = state.base
    return Plan(
        kind=state.kind,
        title=state.title,
        conditions=state.conditions,
        seeds=state.seeds,
        mix=from_plain(MixConfig, base["mix"]),
        train=from_plain(TrainConfig, base["train"]),
        vary=state.vary,
        tasks={name: from_plain(ClipsConfig, clips) for name, clips in base.get("tasks", {}).items()},
        windows=from_plain(WindowConfig, base.get("windows", {})),
    )


def can_grow(kind: str, vary: Mapping[str, Sequence[Any]]) -> bool:
    """Tell whether a study is a grid that can have more values."""
    return bool(vary) and (kind == SWEEP or set(vary) == {P_MUSICAL})


def extend_plan(
    plan: Plan, vary: Mapping[str, Sequence[Any]] | None = None, seeds: Sequence[int] = ()
) -> Plan:
    """Return a plan with more values and more seeds; the conditions that it has keep their names.

    Args:
        plan: Of a study that is there.
        vary: Further values of the settings that it varies.
        seeds: Further seeds.

    Raises:
        ConfigError: it varies no such setting.
    """
    plan = replace(plan, seeds=tuple(dict.fromkeys((*plan.seeds, *seeds))))
    if not vary:
        return plan
    if not can_grow(plan.kind, plan.vary) or not set(vary) <= set(plan.vary):
        varied = ", ".join(plan.vary) or "no setting along a grid"
        raise ConfigError(
            f"The study {plan.title!r} varies {varied}; found more values of {', '.join(vary)}. A study "
            "gets more values of what it varies already; another setting is another study (--out).",
            code="conflicting-settings",
        )
    merged = {name: _merged(values, vary.get(name, ())) for name, values in plan.vary.items()}
    known = {_place(condition, merged): condition for condition in plan.conditions if condition.values}
    grid = [known.get(_place(made, merged), made) for made in _grid(plan, merged)]
    others = [condition for condition in plan.conditions if condition not in grid]
    return replace(plan, vary=merged, conditions=(*grid, *others))


def _merged(values: Sequence[Any], more: Sequence[Any]) -> tuple[Any, ...]:
    """Return values without doubles, numbers in their order."""
    found = [*values]
    found += [value for value in more if value not in found]
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in found)
    return tuple(sorted(found)) if numbers else tuple(found)


def _place(condition: Condition, vary: Mapping[str, Any]) -> str:
    """Return where a condition stands in a grid; 0 and 0.0 are one place."""
    values = [condition.values.get(name) for name in vary]
    return repr([float(v) if isinstance(v, int) and not isinstance(v, bool) else v for v in values])


def _grid(plan: Plan, vary: Mapping[str, tuple[Any, ...]]) -> Sequence[Condition]:
    if plan.kind == SWEEP:
        return grid_conditions(vary)
    request = StudyRequest(mix=plan.mix, train=plan.train, seeds=plan.seeds, grid=vary[P_MUSICAL])
    return find_study(plan.kind).conditions(request)
