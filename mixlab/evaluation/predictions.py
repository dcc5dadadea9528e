"""What a model said about fixed mixes, beside what is true."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mixlab.mixing.recipe import MixRecipe


__all__ = ["Predictions"]


@dataclass(frozen=True)
class Predictions:
    """What a model said about fixed mixes, beside what is true.

    Attributes:
        labels: The C class names, in the order of the columns.
        split: ``(N,)`` ``validation`` or ``test``.
        index: ``(N,)`` the item's index within its split.
        group: ``(N,)`` the song it was mixed from, ``corpus/song``.
        scores: ``(N, C)`` probabilities, float32.
        targets: ``(N, C)`` 1 present, 0 absent, float32.
        mask: ``(N, C)`` True where the target is known.
        recipes: ``(N,)`` recipes as JSON text. They fix the test set: with the catalog that they name,
            ``mixlab.mixing.rendering.render`` gives each mix again, with the target and mask of its row.
    """

    labels: tuple[str, ...]
    split: NDArray[np.object_]
    index: NDArray[np.int64]
    group: NDArray[np.object_]
    scores: NDArray[np.float32]
    targets: NDArray[np.float32]
    mask: NDArray[np.bool_]
    recipes: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.index)

    def only(self, split: str) -> "Predictions":
        """Return the rows of one split."""
        rows = self.split == split
        return Predictions(
            self.labels,
            self.split[rows],
            self.index[rows],
            self.group[rows],
            self.scores[rows],
            self.targets[rows],
            self.mask[rows],
            self.recipes[rows],
        )

    def mix_recipes(self) -> tuple["MixRecipe", ...]:
        """Return the recipes decoded, ready for ``mixlab.mixing.rendering.render``.

        Raises:
            RecipeError: they were written with another version of the recipes.
        """
        from mixlab.mixing.recipe import MixRecipe

        return tuple(MixRecipe.from_json(str(text)) for text in self.recipes)

    @classmethod
    def join(cls, parts: Sequence["Predictions"]) -> "Predictions":
        """Return the rows of several predictions over the same classes, one after another."""

        def stacked(name: str) -> Any:  # noqa: ANN401 - each column has its own array type
            return np.concatenate([getattr(part, name) for part in parts])

        columns = ("split", "index", "group", "scores", "targets", "mask", "recipes")
        return cls(parts[0].labels, *map(stacked, columns))
