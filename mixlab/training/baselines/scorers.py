"""Fitted classifiers as plain arrays: how they score, and how they are kept in a file and read back.

What scikit-learn has fitted is taken out of its objects at once, so that what is scored in a training is what
is stored, and nothing is ever unpickled. A linear classifier and a kernel give the values of scikit-learn to
within rounding. The trees of a forest take the same way down for every float32 value, as their thresholds are
rounded towards minus infinity; their leaves hold float32, so probabilities differ by less than 1e-6.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.io import FloatArray
from mixlab.training.baselines.softmax import LastLayer, sigmoid, softmax
from mixlab.utils.entries import is_number, is_whole

__all__ = ["Constant", "FittedScores", "Forest", "Kernel", "Linear", "Part", "Scorer", "of_last_layer"]

Floats = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]
Link = Literal["sigmoid", "softmax"]

_ROWS = 256  # items that walk down all trees at a time
_TINY = 1e-7  # probabilities are kept so far inside (0, 1) before their logits are taken


class Scorer(Protocol):
    """From features to the probabilities of K classes."""

    @property
    def n_classes(self) -> int:
        """K."""
        ...

    def __call__(self, values: FloatArray) -> Floats:
        """Return probabilities ``(N, K)`` for features ``(N, D)``."""
        ...

    def check(self, n_values: int) -> None:
        """Raise a ``ValueError`` where its arrays do not belong together, or to ``n_values`` features."""
        ...


@dataclass(frozen=True)
class Constant:
    """One class that was always or never present in training.

    Attributes:
        value: Its probability.
    """

    value: float

    @property
    def n_classes(self) -> int:
        """It is one class."""
        return 1

    def __call__(self, values: FloatArray) -> Floats:
        """Return probabilities ``(N, 1)``."""
        return np.full((len(values), 1), self.value)

    def check(self, n_values: int) -> None:
        """Refuse what is no probability."""
        _expect(0 <= self.value <= 1, "a probability")


@dataclass(frozen=True)
class Linear:
    """A linear classifier on standardised features.

    Attributes:
        mean: ``(D,)`` float32, what is subtracted from features first.
        deviation: ``(D,)`` float32, what they are divided by.
        weights: ``(D, K)``.
        biases: ``(K,)``.
        link: ``sigmoid`` of each class, or ``softmax`` over all.
    """

    mean: FloatArray
    deviation: FloatArray
    weights: NDArray[Any]
    biases: NDArray[Any]
    link: Link

    @property
    def n_classes(self) -> int:
        """Columns of its weights."""
        return len(self.biases)

    def __call__(self, values: FloatArray) -> Floats:
        """Return probabilities ``(N, K)``."""
        distances = (values - self.mean) / self.deviation @ self.weights + self.biases
        return _linked(distances.astype(np.float64), self.link)

    def check(self, n_values: int) -> None:
        """Refuse arrays that do not belong together."""
        _expect_scaling(self.mean, self.deviation, n_values)
        _expect_numbers(self.weights, (n_values, len(self.biases)))
        _expect_numbers(self.biases, (len(self.biases),))
        _expect(len(self.biases) >= 1, "a class")


@dataclass(frozen=True)
class Forest:
    """Decision trees whose leaves hold probabilities; the forest's are their mean.

    Nodes of all trees stand one after the other. A node's left child is the node behind it.

    Attributes:
        first: ``(T,)`` int32, the root of each tree.
        feature: ``(M,)`` int32, the feature that a node asks for; -1 for a leaf.
        threshold: ``(M,)`` float32: values up to it go left.
        right: ``(M,)`` int32, the right child; of a leaf its row in ``leaves``.
        leaves: ``(L, K)`` float32 probabilities.
    """

    first: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    right: NDArray[np.int32]
    leaves: NDArray[np.float32]

    @property
    def n_classes(self) -> int:
        """Columns of its leaves."""
        return int(self.leaves.shape[1])

    def __call__(self, values: FloatArray) -> Floats:
        """Return probabilities ``(N, K)``."""
        parts = [self._walk(values[at : at + _ROWS]) for at in range(0, len(values), _ROWS)]
        return np.concatenate(parts) if parts else np.zeros((0, self.n_classes))

    def _walk(self, values: FloatArray) -> Floats:
        given = np.ascontiguousarray(values, np.float32)
        node = np.repeat(self.first[None].astype(np.int64), len(given), axis=0).ravel()
        item = np.repeat(np.arange(len(given)), len(self.first))
        waiting = np.arange(len(node))
        while len(waiting):
            waiting = waiting[self.feature[node[waiting]] >= 0]
            at = node[waiting]
            left = given[item[waiting], self.feature[at]] <= self.threshold[at]
            node[waiting] = np.where(left, at + 1, self.right[at])
        found = self.leaves[self.right[node]].astype(np.float64)
        return np.asarray(found.reshape(len(given), len(self.first), -1).mean(axis=1))

    def check(self, n_values: int) -> None:
        """Refuse nodes that lead out of the arrays, or back to where one came from."""
        count = len(self.feature)
        for array, kind in ((self.first, "i"), (self.feature, "i"), (self.right, "i"), (self.threshold, "f")):
            _expect(array.ndim == 1 and array.dtype.kind == kind, "lists of nodes")
        _expect(len(self.right) == len(self.threshold) == count, "lists of nodes of one length")
        _expect_numbers(self.leaves, (len(self.leaves), self.leaves.shape[-1]))
        _expect(self.leaves.shape[1] >= 1 and len(self.first) >= 1, "trees with leaves")
        _expect(bool(((self.first >= 0) & (self.first < count)).all()), "roots among the nodes")
        _expect(bool(((self.feature >= -1) & (self.feature < n_values)).all()), "features that there are")
        leaf, at = self.feature < 0, np.arange(count)
        rows = self.right[leaf]
        _expect(bool(((rows >= 0) & (rows < len(self.leaves))).all()), "leaves that there are")
        inner = self.right[~leaf]
        # Children stand behind their parents, so that every walk ends.
        ahead = (inner > at[~leaf]) & (inner < count) & (at[~leaf] + 1 < count)
        _expect(bool(ahead.all()), "children behind their parents")

    @classmethod
    def of_trees(cls, trees: Sequence[Any]) -> "Forest":
        """Take the trees out of a fitted forest of scikit-learn, whose leaves hold shares of classes.

        Args:
            trees: Its ``estimators_``.
        """
        found = [tree.tree_ for tree in trees]
        sizes = np.array([tree.node_count for tree in found])
        first = np.cumsum(sizes) - sizes
        feature = np.concatenate([np.maximum(tree.feature, -1) for tree in found])
        leaf = feature < 0
        left, right = (
            np.concatenate(
                [getattr(tree, f"children_{side}") + at for tree, at in zip(found, first, strict=True)]
            )
            for side in ("left", "right")
        )
        assert (left[~leaf] == np.flatnonzero(~leaf) + 1).all()  # trees are built depth first
        leaves = np.concatenate([tree.value[:, 0, :] for tree in found])[leaf]
        right[leaf] = np.arange(len(leaves))
        threshold = np.where(leaf, 0.0, np.concatenate([tree.threshold for tree in found]))
        return cls(
            first.astype(np.int32),
            feature.astype(np.int32),
            _rounded_down(threshold),
            right.astype(np.int32),
            (leaves / leaves.sum(axis=1, keepdims=True)).astype(np.float32),
        )


def _rounded_down(values: Floats) -> NDArray[np.float32]:
    """Return the largest float32 that is not above each value: no float32 lies between the two."""
    near = values.astype(np.float32)
    return np.where(near > values, np.nextafter(near, np.float32(-np.inf)), near)


@dataclass(frozen=True)
class Kernel:
    """A support vector machine with a radial kernel on standardised features, as libsvm keeps it.

    Attributes:
        mean: ``(D,)`` float32, what is subtracted from features first.
        deviation: ``(D,)`` float32, what they are divided by.
        support: ``(S, D)`` support vectors, class after class.
        dual: ``(P, S)`` their coefficients: one row for a ``sigmoid``, else one fewer than classes.
        counts: ``(K,)`` support vectors of each class, where there are more than two.
        biases: One for each pair of classes.
        gamma: Width of the kernel.
        temperature: What distances are divided by before the softmax.
        link: ``sigmoid`` gives one class, ``softmax`` all.
    """

    mean: FloatArray
    deviation: FloatArray
    support: NDArray[Any]
    dual: NDArray[Any]
    counts: NDArray[np.int32]
    biases: NDArray[Any]
    gamma: float
    temperature: float
    link: Link

    @property
    def n_classes(self) -> int:
        """One with a sigmoid, else two or more."""
        return 1 if self.link == "sigmoid" else len(self.dual) + 1

    def distances(self, values: FloatArray) -> Floats:
        """Return distances ``(N, K)``: the larger, the more probable."""
        near = self._kernel((values - self.mean) / self.deviation)
        if len(self.dual) == 1:
            one = near @ self.dual[0] + self.biases[0]
            return one[:, None] if self.link == "sigmoid" else np.stack([-one, one], axis=1) / 2
        return _votes(self._pairs(near), self.n_classes)

    def _kernel(self, scaled: FloatArray) -> Floats:
        given, held = scaled.astype(np.float64), self.support.astype(np.float64)
        squares = np.square(given).sum(axis=1)[:, None] + np.square(held).sum(axis=1) - 2 * given @ held.T
        return np.asarray(np.exp(-self.gamma * np.maximum(squares, 0)))

    def _pairs(self, near: Floats) -> Floats:
        """Return the distance of every pair of classes ``(N, K (K - 1) / 2)``."""
        ends = np.cumsum(self.counts)
        own = [slice(end - count, end) for end, count in zip(ends, self.counts, strict=True)]
        pairs = [(i, j) for i in range(len(own)) for j in range(i + 1, len(own))]
        found = [
            near[:, own[i]] @ self.dual[j - 1, own[i]] + near[:, own[j]] @ self.dual[i, own[j]]
            for i, j in pairs
        ]
        return np.asarray(np.stack(found, axis=1) + self.biases)

    def __call__(self, values: FloatArray) -> Floats:
        """Return probabilities ``(N, K)``."""
        found = self.distances(values)
        return _linked(found if self.link == "sigmoid" else found / self.temperature, self.link)

    def check(self, n_values: int) -> None:
        """Refuse arrays that do not belong together."""
        _expect_scaling(self.mean, self.deviation, n_values)
        rows, count = self.dual.shape if self.dual.ndim == 2 else (0, 0)
        pairs = rows * (rows + 1) // 2
        _expect(rows >= 1 and (rows == 1 or self.link == "softmax"), "coefficients of classes")
        _expect_numbers(self.dual, (rows, count))
        _expect_numbers(self.support, (count, n_values))
        _expect_numbers(self.biases, (pairs,))
        _expect(self.counts.dtype.kind == "i" and self.counts.shape == (rows + 1,), "vectors of each class")
        _expect(bool((self.counts >= 0).all()) and int(self.counts.sum()) == count, "vectors of each class")
        _expect(self.gamma >= 0 and self.temperature > 0, "a width and a temperature")


def _votes(pairs: Floats, n_classes: int) -> Floats:
    """Return how many pairs each class wins ``(N, K)``, ties broken by distance, as scikit-learn does."""
    won, sums = np.zeros((2, len(pairs), n_classes))
    places = [(i, j) for i in range(n_classes) for j in range(i + 1, n_classes)]
    for (i, j), found in zip(places, pairs.T, strict=True):
        sums[:, i] += found
        sums[:, j] -= found
        won[:, i] += found >= 0
        won[:, j] += found < 0
    return np.asarray(won + sums / (3 * (np.abs(sums) + 1)))


def of_last_layer(layer: LastLayer) -> Linear:
    """Return a layer that was trained by gradient descent as what is kept."""
    link: Link = "softmax" if layer.single_label else "sigmoid"
    return Linear(layer.mean, layer.deviation, layer.weights, layer.biases, link)


@dataclass(frozen=True)
class Part:
    """What scores some of the classes.

    Attributes:
        scorer: Of K classes.
        columns: Which K classes these are.
        curve: Slope and offset of a logistic curve in the logits by which scores are bent; None leaves them.
    """

    scorer: Scorer
    columns: tuple[int, ...]
    curve: tuple[float, float] | None = None

    def scores(self, values: FloatArray) -> Floats:
        """Return probabilities ``(N, K)`` for features ``(N, D)``."""
        found = self.scorer(values)
        if self.curve is None:
            return found
        slope, offset = self.curve
        return _linked(slope * logits(found) + offset, "sigmoid")


def logits(scores: NDArray[Any]) -> Floats:
    """Return the logits of probabilities, kept a little inside (0, 1)."""
    inside = np.clip(np.asarray(scores, np.float64), _TINY, 1 - _TINY)
    return np.asarray(np.log(inside) - np.log1p(-inside))


@dataclass(frozen=True)
class FittedScores:
    """What scores C classes from features, a part of them each.

    Attributes:
        parts: Classes of none have the probability 0.
        n_classes: C.
    """

    parts: tuple[Part, ...]
    n_classes: int

    def scores(self, values: FloatArray) -> NDArray[np.float32]:
        """Return probabilities ``(N, C)``, float32, for features ``(N, D)``."""
        found = np.zeros((len(values), self.n_classes), np.float32)
        if len(values):
            for part in self.parts:
                found[:, list(part.columns)] = part.scores(values)
        return found

    def to_plain(self) -> tuple[list[dict[str, Any]], Arrays]:
        """Return what JSON holds of it, a dict for each part, and its arrays by ``PART.NAME``."""
        told: list[dict[str, Any]] = []
        arrays: Arrays = {}
        for k, part in enumerate(self.parts):
            kind = next(name for name, made in _KINDS.items() if isinstance(part.scorer, made))
            own = {field.name: getattr(part.scorer, field.name) for field in fields(_KINDS[kind])}
            arrays |= {f"{k}.{name}": value for name, value in own.items() if isinstance(value, np.ndarray)}
            plain = {name: value for name, value in own.items() if not isinstance(value, np.ndarray)}
            curve = None if part.curve is None else list(part.curve)
            told.append({"kind": kind, "columns": list(part.columns), "curve": curve, **plain})
        return told, arrays

    @classmethod
    def from_plain(
        cls, told: object, arrays: Mapping[str, NDArray[Any]], *, n_values: int, n_classes: int
    ) -> "FittedScores":
        """Return what ``to_plain`` gave, once it is sure that it scores.

        Args:
            told: What JSON held.
            arrays: By ``PART.NAME``.
            n_values: Features of an item.
            n_classes: C.

        Raises:
            ValueError: something is missing, or does not belong together.
        """
        _expect(isinstance(told, list), "a list of classifiers")
        parts = [_part(k, entry, arrays) for k, entry in enumerate(told)]  # type: ignore[arg-type,var-annotated]
        columns = [column for part in parts for column in part.columns]
        _expect(len(set(columns)) == len(columns), "one classifier for each class")
        _expect(all(is_whole(column, 0, n_classes - 1) for column in columns), "classes that there are")
        for part in parts:
            part.scorer.check(n_values)
            _expect(part.scorer.n_classes == len(part.columns), "as many classes as a classifier scores")
        return cls(tuple(parts), n_classes)


_KINDS: dict[str, type[Any]] = {"constant": Constant, "linear": Linear, "forest": Forest, "kernel": Kernel}


def _part(k: int, entry: object, arrays: Mapping[str, NDArray[Any]]) -> Part:
    _expect(isinstance(entry, Mapping) and entry.get("kind") in _KINDS, f"one of {', '.join(_KINDS)}")
    assert isinstance(entry, Mapping)
    own: dict[str, Any] = {}
    for field in fields(_KINDS[entry["kind"]]):
        if field.name == "link":
            _expect(entry.get("link") in get_args(Link), "a link")
            own["link"] = entry["link"]
        elif field.type is float or field.type == "float":
            _expect(is_number(entry.get(field.name)), f"a number as {field.name}")
            own[field.name] = float(entry[field.name])
        else:
            _expect(f"{k}.{field.name}" in arrays, f"an array {k}.{field.name}")
            own[field.name] = arrays[f"{k}.{field.name}"]
    columns, curve = entry.get("columns", ()), entry.get("curve")
    _expect(isinstance(columns, list) and all(map(is_whole, columns)), "numbers of classes")
    good = isinstance(curve, list) and len(curve) == 2 and all(map(is_number, curve))
    _expect(curve is None or good, "slope and offset of a curve")
    return Part(
        _KINDS[entry["kind"]](**own),
        tuple(columns),
        None if curve is None else (float(curve[0]), float(curve[1])),
    )


def _linked(distances: Floats, link: Link) -> Floats:
    return np.asarray((softmax if link == "softmax" else sigmoid)(distances), np.float64)


def _expect(good: bool, what: str) -> None:
    if not good:
        raise ValueError(f"expected {what} of a classifier")


def _expect_numbers(array: NDArray[Any], shape: tuple[int, ...]) -> None:
    """Refuse an array of another shape, or of other things than finite numbers."""
    good = array.shape == shape and array.dtype.kind == "f" and bool(np.isfinite(array).all())
    _expect(good, f"finite numbers of shape {shape}, found {array.dtype} {array.shape},")


def _expect_scaling(mean: FloatArray, deviation: FloatArray, n_values: int) -> None:
    _expect_numbers(mean, (n_values,))
    _expect_numbers(deviation, (n_values,))
    _expect(bool((deviation > 0).all()), "deviations above 0")
