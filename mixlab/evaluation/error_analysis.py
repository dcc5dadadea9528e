"""What a model gets wrong, class by class: curves, ranked mistakes, confusions, the tree."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import precision_recall_curve

from mixlab.evaluation.arrays import Floats
from mixlab.evaluation.thresholding import SplitTable

__all__ = [
    "KINDS",
    "Confusion",
    "Kind",
    "TreeBox",
    "adding",
    "confusions",
    "precision_recall",
    "ranked",
    "tree_boxes",
]

Kind = Literal["false positives", "false negatives", "hits"]
KINDS: tuple[Kind, ...] = ("false positives", "false negatives", "hits")


def ranked(table: SplitTable, column: int, threshold: float, kind: Kind) -> NDArray[np.int64]:
    """Return the mixes of one kind, the clearest ones first.

    False positives and hits come with the highest scores first, false negatives (present, and not
    predicted) with the lowest. Mixes in which the class is unknown are none of the three.

    Args:
        table: The split.
        column: The class.
        threshold: Predicted from this score on; of single-label runs the highest score is, whatever this is.
        kind: One of ``KINDS``.

    Returns:
        Rows of ``table``; the same place among equal scores whatever the threshold.
    """
    scores, known = table.scores[:, column], table.known[:, column]
    predicted = table.cells.decisions[:, column] if table.single_label else scores >= np.float64(threshold)
    present = table.present[:, column]
    chosen = {
        "false positives": predicted & ~present & known,
        "false negatives": ~predicted & present,
        "hits": predicted & present,
    }[kind]
    rows = np.flatnonzero(chosen)
    sign = 1 if kind == "false negatives" else -1
    return np.asarray(rows[np.argsort(sign * scores[rows], kind="stable")])


def adding(
    table: SplitTable, rows: NDArray[np.int64], thresholds: ArrayLike, added: int
) -> NDArray[np.int64]:
    """Return those of some rows in which a class is falsely detected: it is absent, and predicted.

    Of the rows in which another class is missed these are what a pair of ``confusions`` counts, and of
    single-label runs a cell of the confusion matrix.

    Args:
        table: The split.
        rows: Rows of ``table``.
        thresholds: ``(C,)``; of single-label runs the highest score decides, whatever these are.
        added: The class that is falsely detected.
    """
    decided = table.cells.decisions if table.single_label else table.scores >= np.asarray(thresholds)
    false = table.known[:, added] & ~table.present[:, added] & decided[:, added]
    return rows[false[rows]]


def precision_recall(table: SplitTable, column: int, *, most: int = 400) -> dict[str, Floats]:
    """Return the precision-recall curve of a class, as scikit-learn's, in at most ``most`` points.

    Args:
        table: The split.
        column: The class.
        most: Points; a curve of more is thinned evenly along recall, its ends are kept.

    Returns:
        ``threshold``, ``precision``, ``recall``, ``f1``, and the counts ``tp``, ``fp``, ``fn``; thresholds
        rise. Empty arrays where the class has no known positive.
    """
    known = table.known[:, column]
    scores, present = table.scores[known, column], table.present[known, column]
    positives = int(present.sum())
    names = ("threshold", "precision", "recall", "f1", "tp", "fp", "fn")
    if not positives:
        return {name: np.empty(0) for name in names}
    precision, recall, thresholds = precision_recall_curve(present, scores)
    # The last point, nothing predicted, has no threshold.
    precision, recall = precision[:-1], recall[:-1]
    if len(thresholds) > most:
        wanted = np.linspace(recall[0], recall[-1], most)
        kept = np.unique(np.searchsorted(-recall, -wanted).clip(0, len(recall) - 1))
        kept = np.union1d(kept, [0, len(recall) - 1])
        precision, recall, thresholds = precision[kept], recall[kept], thresholds[kept]
    tp = np.rint(recall * positives)
    predicted = np.rint(np.divide(tp, precision, out=np.zeros_like(tp), where=precision > 0))
    # Where nothing that is predicted is present, precision 0 does not tell how much is predicted.
    empty = tp == 0
    predicted[empty] = [(scores >= t).sum() for t in thresholds[empty]]
    f1 = 2 * tp / (predicted + positives)
    values = (thresholds, precision, recall, f1, tp, predicted - tp, positives - tp)
    return {name: np.asarray(value, np.float64) for name, value in zip(names, values, strict=True)}


@dataclass(frozen=True)
class Confusion:
    """Class B is added falsely while class A is missed.

    Attributes:
        missed: A: present and not predicted.
        added: B: absent and predicted.
        mixes: In how many mixes both happen.
        possible: Mixes in which A is missed and B is known to be absent.
        share: ``mixes / possible``.
        usual: How often B is added falsely at all: the share of the mixes in which it is absent.
        excess: Mixes beyond those to be expected, ``mixes - possible * usual``.
    """

    missed: str
    added: str
    mixes: int
    possible: int
    share: float
    usual: float
    excess: float


def confusions(table: SplitTable, thresholds: ArrayLike, *, least: int = 1) -> tuple[Confusion, ...]:
    """Return what is detected instead of what: the pairs with more mixes than expected, the most first.

    Several classes sound at once, so a row of a table of confusions does not add up as with one class per
    item: B counts beside A where A was missed, and only as far as it is added more often than usual.

    Args:
        table: The split.
        thresholds: ``(C,)``.
        least: Mixes that a pair needs.
    """
    decided = table.scores >= np.asarray(thresholds, np.float64)
    missed = table.present & ~decided
    absent = table.known & ~table.present
    added = absent & decided
    # By the rows in which a class is missed, which are few: cheaper than a product of whole matrices.
    rows = [np.flatnonzero(missed[:, a]) for a in range(missed.shape[1])]
    both = np.stack([added[own].sum(0) for own in rows])
    possible = np.stack([absent[own].sum(0) for own in rows])
    n_absent = absent.sum(0)
    usual = np.divide(added.sum(0), n_absent, out=np.zeros(len(n_absent)), where=n_absent > 0)
    excess = both - possible * usual
    found = []
    for a, b in np.argwhere((both >= least) & (excess > 0)).tolist():
        mixes, n = int(both[a, b]), int(possible[a, b])
        share = mixes / n
        found.append(
            Confusion(table.labels[a], table.labels[b], mixes, n, share, float(usual[b]), float(excess[a, b]))
        )
    return tuple(sorted(found, key=lambda one: -one.excess))


@dataclass(frozen=True)
class TreeBox:
    """Where a class stands in a sampling of the tree: a box per class, children to the right.

    Attributes:
        column: The class.
        level: 0 for families.
        top: First row that it covers.
        bottom: First row below it.
    """

    column: int
    level: int
    top: int
    bottom: int


def tree_boxes(parents: Sequence[int | None]) -> tuple[TreeBox, ...]:
    """Return a box per class: as high as its children together, a row of its own without any."""
    children: dict[int | None, list[int]] = {}
    for child, parent in enumerate(parents):
        children.setdefault(parent, []).append(child)
    boxes: list[TreeBox] = []

    def place(column: int, level: int, top: int) -> int:
        bottom = top
        for child in children.get(column, []):
            bottom = place(child, level + 1, bottom)
        bottom = max(bottom, top + 1)
        boxes.append(TreeBox(column, level, top, bottom))
        return bottom

    top = 0
    for column in children.get(None, []):
        top = place(column, 0, top)
    return tuple(sorted(boxes, key=lambda box: (box.top, box.level)))
