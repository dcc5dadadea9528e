"""What the label tree says about scores: which outputs imply which, and the scores that agree.

Two ideas of Giunchiglia and Lukasiewicz (Coherent Hierarchical Multi-Label Classification Networks,
NeurIPS 2020), written from their formulas:

- the *max constraint module*: the score of class A becomes the largest score among A and its descendants,
  so that no class scores below one that implies it. It can be put behind any model (``consistent_max``);
- the *max constraint loss*, which trains a model through that module (``mcm_loss_with_logits``).

As the sigmoid is increasing, the maximum over logits and the maximum over probabilities choose the same
class; both functions here may be given either where they say so.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from mixlab.errors import ConfigError
from mixlab.taxonomy import LabelSet, Taxonomy

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ancestry", "ancestry_from_parents", "consistent_max", "output_levels"]

Scores = TypeVar("Scores", NDArray[np.float32], NDArray[np.float64], "Tensor")


def ancestry(labels: LabelSet, taxonomy: Taxonomy) -> NDArray[np.bool_]:
    """Return ``(C, C)`` bool: ``[i, j]`` is True where output j is output i itself or a descendant of it.

    Output j is a descendant of i when each of j's nodes lies at or below a node of i, so that j = 1 gives
    i = 1, and i = 0 gives j = 0. Outputs without nodes (a genre tag) are related to nothing but
    themselves; of outputs that imply each other, which mean the same, later ones stand above earlier ones, as
    in ``LabelSet.parents``.
    """
    implies = np.array([[taxonomy.implies(j.nodes, i.nodes) for j in labels.outputs] for i in labels.outputs])
    later = np.tri(len(labels), k=-1, dtype=np.bool_)
    related: NDArray[np.bool_] = (implies & (later | ~implies.T)) | np.eye(len(labels), dtype=np.bool_)
    return related


def ancestry_from_parents(parents: Sequence[int | None]) -> NDArray[np.bool_]:
    """Return the ``(C, C)`` ancestry of outputs whose nearest ancestors are ``parents``.

    For a run, which stores ``LabelSet.parents``: it is read with the tree it was trained on, whatever the
    installed taxonomy says today.

    Raises:
        ConfigError: an entry is no index of an output, or a class is its own ancestor.
    """
    n = len(parents)
    related = np.eye(n, dtype=np.bool_)
    for child in range(n):
        ancestor = parents[child]
        while ancestor is not None:
            if not 0 <= ancestor < n or ancestor == child or related[ancestor, child]:
                raise ConfigError(
                    f"Parents must be indices 0..{n - 1} or None and hold no cycle; found {ancestor!r} above "
                    f"output {child}.",
                    code="cyclic-hierarchy",
                )
            related[ancestor, child] = True
            ancestor = parents[ancestor]
    return related


def output_levels(related: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return ``(C,)`` how many proper ancestors each output has: 0 for families, 1 or more below."""
    return np.asarray(related.sum(axis=0) - 1, np.int64)


def _check(related: NDArray[np.bool_], n_classes: int) -> None:
    if related.shape != (n_classes, n_classes) or not related.diagonal().all():
        raise ConfigError(
            f"Expected an ancestry of shape {(n_classes, n_classes)} with a True diagonal, as of 'ancestry'; "
            f"got shape {related.shape}.",
            code="wrong-shape",
        )


def consistent_max(scores: Scores, ancestry: NDArray[np.bool_]) -> Scores:
    """Return scores in which no output scores below a descendant of it: the max over its descendants.

    Works behind any model, on probabilities as well as on logits. An output without descendants keeps its
    score; applying it twice changes nothing more; raising one score lowers none.

    Args:
        scores: ``(..., C)`` NumPy array or torch tensor; differentiable in torch.
        ancestry: ``(C, C)`` bool from ``ancestry``.

    Returns:
        A new array of the same shape, type and device.

    Raises:
        ConfigError: the ancestry does not belong to C classes.
    """
    related = np.asarray(ancestry, np.bool_)
    _check(related, scores.shape[-1])
    if isinstance(scores, np.ndarray):
        result = scores.copy()
        for i in _with_descendants(related):
            result[..., i] = scores[..., np.flatnonzero(related[i])].max(axis=-1)
        return result
    import torch

    columns = list(scores.unbind(dim=-1))
    for i in _with_descendants(related):
        members = [scores[..., int(j)] for j in np.flatnonzero(related[i])]
        columns[i] = torch.stack(members, dim=-1).amax(dim=-1)
    return torch.stack(columns, dim=-1)


def _with_descendants(related: NDArray[np.bool_]) -> list[int]:
    return [int(i) for i in np.flatnonzero(related.sum(axis=1) > 1)]
