"""What the study of genre and speaker says of the paper's claims, by intervals alone."""

from collections.abc import Iterator

import numpy as np

from mixlab.evaluation.bootstrap import MIN_SONGS
from mixlab.studies.claims import claim_line, untold
from mixlab.studies.findings import difference_line
from mixlab.studies.genre_speaker.grid import (
    METRIC,
    NETWORKS,
    TASKS,
    TITLES,
    random_of,
    scratch_of,
    transfer_of,
)
from mixlab.studies.genre_speaker.tables import chance_of, condition_in_table_3, optimizers_of
from mixlab.studies.results import ConditionResult, StudyResults, condition_difference
from mixlab.studies.statistics import Estimate, estimate

__all__ = ["above_chance", "claim_lines", "frequent_classes", "recall_gap"]

_ADAM = "adam"


def claim_lines(results: StudyResults) -> list[str]:
    """Return a line for each of the paper's claims that the study has conditions for."""
    lines = [*_networks(results), *_optimizers(results), *_imbalance(results), *_transfer(results)]
    lines.append(
        untold(
            "genres are inherently easier than speakers",
            "The tasks differ in classes, chance level and data; accuracies of different tasks are no "
            "difference that could be tested.",
        )
    )
    return lines


def _difference_line(
    results: StudyResults, claim: str, reference: str, name: str, *, sign: int = 1
) -> Iterator[str]:
    """Yield a claim with the difference that decides it, where both conditions are done."""
    a, b = results.condition(reference), results.condition(name)
    if a is None or b is None:
        return
    e = condition_difference(a, b, METRIC)
    yield claim_line(claim, f"'{b.condition.label}' minus '{a.condition.label}', accuracy", e, sign=sign)


def _networks(results: StudyResults) -> Iterator[str]:
    for task in TASKS:
        claim = f"RawNet2 is better than ConvNet at the task {task}"
        yield from _difference_line(
            results,
            f"{claim}, each as in Table 3",
            condition_in_table_3("convnet", task),
            condition_in_table_3("rawnet2", task),
        )
        yield from _difference_line(
            results,
            f"{claim}, both trained on it with Adam (like with like; the paper has no such pair)",
            scratch_of("convnet", _ADAM, task),
            scratch_of("rawnet2", _ADAM, task),
        )


def _optimizers(results: StudyResults) -> Iterator[str]:
    for task in TASKS:
        yield from _difference_line(
            results,
            f"AdaDelta is a questionable choice for ConvNet: Adam is better (task {task})",
            scratch_of("convnet", "adadelta", task),
            scratch_of("convnet", _ADAM, task),
        )


def frequent_classes(c: ConditionResult) -> list[int]:
    """Return the classes that together are at least half of the test clips, the most frequent first."""
    support = np.mean([run.support for run in c.test.runs.values()], axis=0)
    order = np.argsort(-support, kind="stable")
    needed = int(np.searchsorted(np.cumsum(support[order]), support.sum() / 2)) + 1
    return [int(column) for column in order[:needed]]


def recall_gap(c: ConditionResult) -> Estimate:
    """Return the mean recall of the frequent classes minus that of the others.

    Classes that fewer groups hold than an interval needs are left out of both.
    """
    frequent, runs = frequent_classes(c), list(c.test.runs.values())
    held = np.all([run.songs >= MIN_SONGS for run in runs], axis=0)
    high = [k for k in frequent if held[k]]
    low = [k for k in range(len(held)) if held[k] and k not in frequent]
    recalls = [run.measured["recall"] for run in runs]
    if not high or not low:
        return Estimate(float("nan"), 0, c.test.wanted, over=runs[0].groups)

    def gap(values: np.ndarray) -> np.ndarray:
        return np.asarray(values[..., high].mean(axis=-1) - values[..., low].mean(axis=-1))

    sampled = [recall.resampled for recall in recalls]
    resampled = (
        None if any(s is None for s in sampled) else np.stack([gap(s) for s in sampled if s is not None])
    )
    found = estimate(np.array([gap(recall.values) for recall in recalls]), resampled, wanted=c.test.wanted)
    return Estimate(**{**vars(found), "over": runs[0].groups})


def _imbalance(results: StudyResults) -> Iterator[str]:
    for network in NETWORKS:
        for optimizer in optimizers_of(results, network):
            c = results.condition(scratch_of(network, optimizer, "genre"))
            if c is None:
                continue
            frequent = ", ".join(c.labels[k] for k in frequent_classes(c))
            yield claim_line(
                f"{TITLES[network]} ({TITLES.get(optimizer, optimizer)}) recognises frequent genres and not "
                "rare ones",
                f"mean recall of {frequent} (half of the test clips) minus that of the others",
                recall_gap(c),
            )


def above_chance(c: ConditionResult) -> Estimate:
    """Return accuracy minus that of naming the class that is most frequent on validation."""
    e, chance = c.test.of(METRIC), chance_of(c)
    moved = {
        name: None if interval is None else type(interval)(interval.low - chance, interval.high - chance)
        for name, interval in (("songs", e.songs), ("seeds", e.seeds))
    }
    return Estimate(
        **{**vars(e), **moved, "value": e.value - chance, "low": e.low - chance, "high": e.high - chance}
    )


def _transfer(results: StudyResults) -> Iterator[str]:
    """Say of each transfer how far it is from training, from chance, and from a random backbone."""
    for task in TASKS:
        for network in NETWORKS:
            for optimizer in optimizers_of(results, network):
                yield from _one_transfer(results, network, optimizer, task)


def _one_transfer(results: StudyResults, network: str, optimizer: str, task: str) -> Iterator[str]:
    name = transfer_of(network, optimizer, task)
    c = results.condition(name)
    if c is None:
        return
    who = f"{TITLES[network]} ({TITLES.get(optimizer, optimizer)}), task {task}"
    yield from _difference_line(
        results,
        f"{who}: retraining the last layer is significantly worse than training",
        scratch_of(network, optimizer, task),
        name,
        sign=-1,
    )
    yield claim_line(
        f"{who}: it is better than chance",
        f"'{c.condition.label}' minus naming the most frequent class, accuracy",
        above_chance(c),
    )
    control = results.condition(random_of(network, task))
    if control is not None:
        e = condition_difference(control, c, METRIC)
        what = f"'{c.condition.label}' minus '{control.condition.label}', accuracy"
        yield (
            f"{who}, what the other task's weights are worth (the paper has no such control): "
            f"{difference_line(what, e)}"
        )
