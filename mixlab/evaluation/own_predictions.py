"""Every score of a report, of predictions that any model made: arrays or tensors in, the same values out."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mixlab.errors import ConfigError
from mixlab.evaluation.own_metrics import find_metrics
from mixlab.evaluation.results import SplitScores
from mixlab.evaluation.scoring import score_split
from mixlab.evaluation.thresholds import DEFAULT_THRESHOLD, Thresholds, class_prevalence
from mixlab.evaluation.units import Units
from mixlab.taxonomy import LabelSet, load_label_set, load_taxonomy
from mixlab.utils.values import refuse

__all__ = ["score"]

_ITEMS = Units("item", "items", "group", "groups")


def score(
    scores: Any,  # noqa: ANN401 - an array, a tensor, lists
    targets: Any,  # noqa: ANN401
    mask: Any,  # noqa: ANN401
    *,
    labels: LabelSet | str | Sequence[str] | None = None,
    thresholds: Thresholds | Mapping[str, float] | ArrayLike = DEFAULT_THRESHOLD,
    prevalence: Mapping[str, float] | ArrayLike | None = None,
    groups: Sequence[str] | None = None,
    metrics: Collection[str] = (),
    n_resamples: int = 1000,
    seed: int = 0,
    single_label: bool = False,
) -> SplitScores:
    """Score the predictions of a model of one's own, as mixlab scores its runs.

    Args:
        scores: ``(N, C)`` probabilities in [0, 1], ``torch.sigmoid`` of logits: a NumPy array, a tensor on
            any device, or lists, as all that follows.
        targets: ``(N, C)`` 1 present, 0 absent. Where ``mask`` is False they may be anything.
        mask: ``(N, C)`` True (or 1) where the target is known; None if all are.
        labels: A label set, or its name, for scores by levels of the tree and after making the scores
            hierarchy-consistent; or the C names of classes; None calls them ``class 0`` and so on.
        thresholds: From which score on a class counts as detected: ``fit_thresholds`` of validation, a number
            for all classes, or C of them, in order or by name. Of a single-label set none is used.
        prevalence: ``(C,)`` what the chance level knows: ``class_prevalence`` of validation; None takes it
            from these very targets.
        groups: N names of what rows are from (songs, recordings): intervals sample whole groups. None takes
            each row for itself, so that intervals are too narrow where several rows are of one song.
        metrics: Names of further metrics (``package.module:NAME``), beside those of every report.
        n_resamples: Bootstrap resamples; 0 leaves intervals out.
        seed: Of the resamples.
        single_label: Exactly one class is right for each item, and the highest score decides.

    Returns:
        Everything that a report says of a split: ``scores`` over all classes by the name of each metric,
        ``classes`` with those of each class. ``mixlab.evaluation.format_text`` writes it as tables.

    Raises:
        ConfigError: shapes differ, a score lies outside [0, 1], a known target or a part of the mask is
            neither 0 nor 1, labels or thresholds are not those of C classes, or there is nothing to score.
        TaxonomyError: there is no label set of that name.

    Example:
        >>> from mixlab.evaluation import score
        >>> found = score(
        ...     scores=[[0.9, 0.2], [0.6, 0.4], [0.3, 0.7]],
        ...     targets=[[1, 0], [1, 1], [0, 1]],
        ...     mask=[[True, True], [True, True], [True, False]],
        ...     labels=["voice", "drums"],
        ...     n_resamples=0,
        ... )
        >>> found.scores["average_precision"].value
        1.0
    """
    t, s = _array(targets), _array(scores)
    m = np.ones(t.shape, np.bool_) if mask is None else _mask(mask)
    if s.ndim != 2 or s.shape != t.shape or s.shape != m.shape:
        raise ConfigError(
            f"Scores, targets and mask must share one shape (N, C); got {s.shape}, {t.shape}, {m.shape}.",
            code="wrong-shape",
        )
    _check_values(t, m, s)
    names, parents = _classes(labels, s.shape[1])
    given = not isinstance(thresholds, Thresholds)
    found = score_split(
        "test",
        names,
        s,
        t,
        m,
        thresholds=_thresholds(thresholds, names),
        prevalence=class_prevalence(t, m)
        if prevalence is None
        else _per_class(prevalence, names, "prevalence"),
        groups=[f"{n}" for n in range(len(s))] if groups is None else [str(group) for group in groups],
        parents=parents,
        metrics=find_metrics(metrics),
        n_resamples=n_resamples,
        seed=seed,
        single_label=single_label,
        units=_ITEMS,
    )
    return replace(found, thresholds_given=given and not single_label)


def _array(values: Any) -> NDArray[np.float64]:  # noqa: ANN401 - an array, a tensor, lists
    """Return numbers of any kind as an array; a tensor may lie on a device and be of any precision."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().double().numpy()
    return np.asarray(values, np.float64)


def _mask(values: Any) -> NDArray[np.bool_]:  # noqa: ANN401
    """Return a mask of any kind as booleans; scores in its place are an error, not a mask of ones."""
    given = _array(values)
    wrong = (given != 0) & (given != 1)
    if wrong.any():
        raise refuse(
            "mask", "True or False (scores come first, then targets, then the mask)", float(given[wrong][0])
        )
    return np.asarray(given != 0)


def _check_values(targets: NDArray[np.float64], mask: NDArray[np.bool_], scores: NDArray[np.float64]) -> None:
    wrong = mask & (targets != 0) & (targets != 1)
    if wrong.any():
        raise refuse("targets", "0 or 1 where the mask is True", float(targets[wrong][0]))
    beyond = np.isfinite(scores) & ((scores < 0) | (scores > 1))  # what is not finite has an error of its own
    if beyond.any():
        raise refuse(
            "scores", "probabilities from 0 to 1 (torch.sigmoid of logits)", float(scores[beyond][0])
        )


def _classes(labels: object, count: int) -> tuple[tuple[str, ...], tuple[int | None, ...] | None]:
    """Return the names of the classes, and their parents where they are those of a label set."""
    if labels is None:
        return tuple(f"class {n}" for n in range(count)), None
    parents = None
    if isinstance(labels, str | LabelSet):
        found = load_label_set(labels) if isinstance(labels, str) else labels
        names, parents = found.names, found.parents(load_taxonomy())
    elif isinstance(labels, Sequence) and all(isinstance(name, str) for name in labels):
        names = tuple(labels)
    else:
        raise refuse("labels", "a label set, its name, or the names of the classes", labels)
    if len(names) != count or len(set(names)) < count:
        raise ConfigError(
            f"labels: expected {count} names, one for each column of the scores, found {len(set(names))}: "
            f"{', '.join(names)}.",
            code="wrong-shape",
        )
    return names, parents


def _thresholds(given: object, names: Sequence[str]) -> Thresholds:
    if isinstance(given, Thresholds):
        _per_class(given.values, names, "thresholds")
        return given
    values = _per_class(given, names, "thresholds")
    return Thresholds(values, np.ones(len(names), np.bool_))


def _per_class(given: object, names: Sequence[str], what: str) -> NDArray[np.float64]:
    """Return a number from 0 to 1 for each class ``(C,)``: one for all, in order, or by name."""
    if isinstance(given, Mapping):
        if set(given) != set(names):
            differing = ", ".join(map(str, sorted(set(given) ^ set(names), key=str)))
            raise ConfigError(
                f"{what}: expected a number for each of {', '.join(names)}; these differ: {differing}.",
                code="wrong-shape",
            )
        given = [given[name] for name in names]
    values = _array(given)
    if values.shape not in ((), (len(names),)):
        raise ConfigError(
            f"{what}: expected one number, or {len(names)}; found an array of shape {values.shape}.",
            code="wrong-shape",
        )
    if not ((values >= 0) & (values <= 1)).all():
        raise refuse(what, "numbers from 0 to 1", values.tolist())
    return np.array(np.broadcast_to(values, (len(names),)))
