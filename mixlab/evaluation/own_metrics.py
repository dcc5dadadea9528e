"""Metrics of one's own: found by name, and looked at before a score of theirs is believed."""

import math
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np

from mixlab.errors import ConfigError
from mixlab.evaluation.bootstrap import song_weights
from mixlab.evaluation.cells import Cells, Part
from mixlab.evaluation.measured import apply, resample, resample_by_hand
from mixlab.evaluation.metrics import METRICS, Metric
from mixlab.utils.plugins import find
from mixlab.utils.values import check_names

__all__ = ["Fault", "check_metric", "find_faults", "find_metrics"]

GROUP = "mixlab.metrics"
TOLERANCE = 1e-9


class Fault(NamedTuple):
    """A law that a metric breaks, and how it shows."""

    law: Literal["name", "defined", "range", "arguments", "repeatable", "order", "direction", "resample"]
    text: str


def find_metrics(names: Collection[str] = ()) -> tuple[Metric, ...]:
    """Return the metrics of the table, and after them one's own.

    Args:
        names: ``package.module:name`` of a ``Metric``, or of a function of scores and presence that is
            computed per class and better when higher; or the name of an entry point of the group
            ``mixlab.metrics``.

    Raises:
        ConfigError: there is none of a name, it is no metric, a metric of that name is there already, or
            ``check_metric`` finds fault with it; or its module cannot be imported.

    Example:
        >>> from mixlab.evaluation import METRICS, find_metrics
        >>> [metric.name for metric in find_metrics()] == list(METRICS)
        True
    """
    check_names("metrics", names, once=False)
    found = dict(METRICS)
    for name in dict.fromkeys(names):
        metric = _as_metric(find(name, METRICS, GROUP, "metric"), name)
        if found.get(metric.name, metric) != metric:
            raise ConfigError(
                f"The metric {name!r} is called {metric.name!r}, as that of {found[metric.name].source}. "
                "Give it another name.",
                code="repeated-option",
            )
        if metric.name not in found:
            check_metric(metric)
        found[metric.name] = metric
    return tuple(found.values())


def _as_metric(found: object, name: str) -> Metric:
    if isinstance(found, Metric):
        return found if name in METRICS else replace(found, source=name)
    if not callable(found) or isinstance(found, type):
        raise ConfigError(
            f"Expected a mixlab.evaluation.Metric or a function of scores and presence at {name!r}, found "
            f"{found!r}.",
            code="unfit-plugin",
        )
    own = str(getattr(found, "__name__", name.rpartition(":")[2]))
    said = (getattr(found, "__doc__", None) or "").strip().partition("\n")[0].rstrip(".")
    return Metric(own, own, said, function=found, source=name)


def check_metric(metric: Metric) -> None:
    """Refuse a metric that breaks what scores are taken for, on small data that is made up.

    Its values lie in its range and are defined on ordinary cells; they do not hang on the order of the mixes,
    and are the same when asked again; perfect scores are at the good end; its arguments are left as they are;
    and resamples that it computes itself are those that its function gives.

    Raises:
        ConfigError: it breaks one of these; the message lists all that it breaks.
    """
    faults = find_faults(metric)
    said = "; ".join(fault.text for fault in faults)
    if faults:
        raise ConfigError(
            f"The metric {metric.name} ({metric.source}) cannot be trusted: {said}. "
            "docs/evaluation.md says what a metric must be.",
            code="unfit-plugin",
        )


def find_faults(metric: Metric) -> list[Fault]:
    """Return what ``check_metric`` refuses a metric for; nothing of a sound one."""
    return list(dict.fromkeys(_faults(metric)))


def _faults(metric: Metric) -> Iterator[Fault]:
    cells = _made_up()
    if not metric.name.isidentifier():
        yield Fault("name", f"{metric.name!r} is no name: letters, digits and _ alone can stand in files")
    rng, parts = np.random.default_rng(1), list(cells.parts(metric.over))
    given = [part.take(np.arange(len(part.song))) for part in parts]
    values = [apply(metric, part) for part in parts]
    defined = [value for value in values if not math.isnan(value)]
    if not defined:
        yield Fault("defined", "it is undefined on ordinary scores")
        return
    if not all(_inside(metric, value) for value in defined):
        bounds = f"from {metric.lowest:g} to {'any' if metric.highest is None else f'{metric.highest:g}'}"
        yield Fault("range", f"it gives {_out_of_bounds(metric, defined):g}, and says its values go {bounds}")
    for part, before, value in zip(parts, given, values, strict=True):
        if not all(np.array_equal(a, b) for a, b in zip(before, part, strict=True)):
            yield Fault("arguments", "it changes the arrays that it is given")
        if not _same(apply(metric, part), value):
            yield Fault("repeatable", "it gives another value when asked again")
        if not _same(apply(metric, part.take(rng.permutation(len(part.song)))), value):
            yield Fault("order", "its value hangs on the order of the mixes or classes")
    yield from _direction_faults(metric, cells, values)
    yield from _resample_faults(metric, cells, parts)


def _made_up() -> Cells:
    rng = np.random.default_rng(0)
    shape = (60, 5)
    present, known = rng.random(shape) < 0.4, rng.random(shape) < 0.9
    scores = np.round(rng.random(shape), 2)
    return Cells(scores, scores >= 0.5, present & known, known, np.arange(60) % 12, 12)


def _inside(metric: Metric, value: float) -> bool:
    below = metric.highest is None or value <= metric.highest + TOLERANCE
    return math.isfinite(value) and value >= metric.lowest - TOLERANCE and below


def _out_of_bounds(metric: Metric, values: list[float]) -> float:
    return next(value for value in values if not _inside(metric, value))


def _same(a: float, b: float) -> bool:
    return (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def _direction_faults(metric: Metric, cells: Cells, values: list[float]) -> Iterator[Fault]:
    """Perfect scores are better than all others, and worst ones are worse than perfect ones."""
    perfect, worst = (
        [
            apply(metric, part)
            for part in replace(cells, scores=right.astype(float), decisions=right).parts(metric.over)
        ]
        for right in (cells.present, ~cells.present)
    )
    better = "higher" if metric.higher_is_better else "lower"
    pairs = [(p, w) for p, w in zip(perfect, worst, strict=True) if not (math.isnan(p) or math.isnan(w))]
    if not any(metric.better(p, w) for p, w in pairs) or any(metric.better(w, p) for p, w in pairs):
        yield Fault(
            "direction",
            f"{better} is not better: perfect scores have {perfect[0]:g}, all wrong ones {worst[0]:g}",
        )
    elif any(
        metric.better(value, p) and not _same(value, p) for value, p in zip(values, perfect, strict=True)
    ):
        yield Fault("direction", "random scores are better than perfect ones")


def _resample_faults(metric: Metric, cells: Cells, parts: list[Part]) -> Iterator[Fault]:
    weights = song_weights(cells.n_songs, 10, 0)
    if metric.resample is None or metric.over == "item" or weights is None:
        return
    for part in parts:
        own, by_hand = resample(metric, part, weights), resample_by_hand(metric, part, weights)
        if own.shape != by_hand.shape or not np.allclose(
            own, by_hand, rtol=1e-7, atol=TOLERANCE, equal_nan=True
        ):
            yield Fault("resample", "its resamples are not those that its function gives")
