"""The tables of the study of genre and speaker."""

from collections.abc import Sequence

import numpy as np

from mixlab.evaluation.report import Table
from mixlab.studies.genre_speaker.grid import (
    METRIC,
    NETWORKS,
    TASKS,
    TITLES,
    random_of,
    scratch_of,
    transfer_of,
)
from mixlab.studies.genre_speaker.paper import SOURCE, TABLE_3
from mixlab.studies.paper_tables import Beside, paper_table
from mixlab.studies.results import ConditionResult, StudyResults
from mixlab.studies.tables import score_text
from mixlab.training.run import Run

__all__ = [
    "IN_TABLE_3",
    "chance_of",
    "condition_in_table_3",
    "confusion_of",
    "confusion_table",
    "methods_table",
    "optimizers_of",
    "table_3",
]

IN_TABLE_3 = {
    ("convnet", "genre"): (scratch_of, "adadelta"),
    ("convnet", "speaker"): (transfer_of, "adadelta"),
    ("rawnet2", "genre"): (transfer_of, "adam"),
    ("rawnet2", "speaker"): (scratch_of, "adam"),
}
"""What comes nearest to how the paper trained each cell of its Table 3."""


def optimizers_of(results: StudyResults, network: str) -> list[str]:
    """Return the optimizers of a network that the study has, in its order."""
    names = [c.condition.name for c in results.conditions]
    trained = [
        name.removesuffix("_genre") for name in names if name.endswith("_genre") and "_to_" not in name
    ]
    found = [name.partition("_")[2] for name in trained if name.startswith(f"{network}_")]
    return [name for name in found if name != "random"]


def condition_in_table_3(network: str, task: str) -> str:
    """Return the name of the condition that stands for a cell of Table 3."""
    name, optimizer = IN_TABLE_3[network, task]
    return name(network, optimizer, task)


def table_3(results: StudyResults) -> Table:
    """Return the paper's Table 3 with our accuracies on test clips, in per cent."""
    rows: list[tuple[str | Beside, ...]] = [
        (
            TITLES[network],
            *(Beside(condition_in_table_3(network, task), METRIC, TABLE_3[network][task]) for task in TASKS),
        )
        for network in NETWORKS
    ]
    return paper_table(
        results,
        "accuracy on test clips, per cent: ConvNet (AdaDelta) trained on genres, then its last layer on "
        "speakers; RawNet2 (Adam) trained on speakers, then its last layer on genres",
        ("network", "genres", "speakers"),
        rows,
        source=SOURCE,
        scale=100,
        digits=2,
    )


def chance_of(c: ConditionResult) -> float:
    """Return the accuracy of naming the class that is most frequent on validation, over the seeds."""
    return float(np.mean([run.chance[METRIC].mean for run in c.test.runs.values()]))


def methods_table(results: StudyResults) -> Table:
    """Return a row per network, optimizer and task: trained on it, transferred to it, random, and chance."""
    rows = [
        _methods(results, network, optimizer, task)
        for task in TASKS
        for network in NETWORKS
        for optimizer in optimizers_of(results, network)
    ]
    header = ("network", "task", "trained on it", "last layer only", "random backbone", "most frequent class")
    title = (
        "accuracy both ways: all weights trained on the task; only the last layer, of the network of the "
        "other task; the head on a random backbone, by the last of the network's optimizers; mean over seeds "
        "(95 % over groups) ±SD over seeds"
    )
    return Table(title, header, tuple(rows), 0)


def _methods(results: StudyResults, network: str, optimizer: str, task: str) -> tuple[str, ...]:
    names = (
        scratch_of(network, optimizer, task),
        transfer_of(network, optimizer, task),
        random_of(network, task),
    )
    found = [results.condition(name) for name in names]
    done = [c for c in found if c is not None]
    return (
        f"{TITLES[network]}, {TITLES.get(optimizer, optimizer)}",
        task,
        *("-" if c is None else score_text(c.test.of(METRIC)) for c in found),
        f"{chance_of(done[0]):.3f}" if done else "-",
    )


def confusion_of(c: ConditionResult) -> np.ndarray:
    """Return ``(C, C)`` test clips of each class (row) by the class decided for, over all seeds."""
    reports = [Run.open(path).report() for path in c.runs.values()]
    counts = [np.asarray(report.splits["test"].confusion, np.int64) for report in reports]
    return np.asarray(np.sum(counts, axis=0))


def confusion_table(c: ConditionResult) -> Table:
    """Return what a condition took for what, in per cent of each class, over all seeds."""
    counts = confusion_of(c)
    rows = [_row(c.labels, k, counts[k]) for k in range(len(c.labels))]
    header = ("clips of", "all seeds", *(f"({k})" for k in range(1, len(c.labels) + 1)))
    title = f"'{c.condition.label}': in truth (rows), decided for (columns), per cent of the row"
    return Table(title, header, tuple(rows), 0)


def _row(labels: Sequence[str], k: int, counts: np.ndarray) -> tuple[str, ...]:
    total = int(counts.sum())
    shares = (f"{100 * count / total:.0f}" if total else "-" for count in counts)
    return (f"({k + 1}) {labels[k]}", str(total), *shares)
