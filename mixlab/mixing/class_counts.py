"""How often each class is present, absent and unknown in a stream: what weights of a loss are made of."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixlab.catalog.catalog import Catalog
from mixlab.mixing.candidates import nodes_of
from mixlab.mixing.recipe import MixRecipe
from mixlab.taxonomy import LabelSet, combine_evidence, load_taxonomy, stem_evidence
from mixlab.utils.tables import align

__all__ = ["ClassCounts", "labels_of_stems"]


@dataclass(frozen=True, eq=False)
class ClassCounts:
    """Counts of C classes over some items.

    Attributes:
        names: The classes, in the order of targets.
        positives: int64 ``(C,)`` items in which each is known to be present.
        negatives: int64 ``(C,)`` items in which it is known to be absent.
        unknown: int64 ``(C,)`` items in which it is unknown, which count for neither.
        items: Items that were counted: the sum of the three.
    """

    names: tuple[str, ...]
    positives: NDArray[np.int64]
    negatives: NDArray[np.int64]
    unknown: NDArray[np.int64]
    items: int

    @classmethod
    def of(
        cls, names: tuple[str, ...], labels: Iterable[tuple[NDArray[np.float32], NDArray[np.bool_]]]
    ) -> "ClassCounts":
        """Count targets and masks, each ``(C,)``."""
        positives, known = (np.zeros(len(names), np.int64) for _ in range(2))
        items = 0
        for target, mask in labels:
            positives += (target > 0) & mask
            known += mask
            items += 1
        return cls(names, positives, known - positives, items - known, items)

    def __str__(self) -> str:
        """Return them as a table."""
        columns = (self.names, *(map(str, x) for x in (self.positives, self.negatives, self.unknown)))
        header = ("class", "positives", "negatives", "unknown")
        return "\n".join(align([header, *zip(*columns, strict=True)], {1, 2, 3}))


def labels_of_stems(
    catalog: Catalog, labels: LabelSet, recipe: MixRecipe
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return target and mask ``(C,)`` by the stems of a recipe, as if each of them sounded in the mix."""
    taxonomy, bleed = load_taxonomy(), catalog.column("bleed_nodes")
    stems = [catalog.find(source.stem) for source in recipe.sources]
    return labels.encode(
        combine_evidence(stem_evidence(taxonomy, nodes_of(catalog, i, labels), bleed[i]) for i in stems)
    )
