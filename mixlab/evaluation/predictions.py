"""What a model said about fixed mixes, beside what is true."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mixlab.errors import RecipeError
from mixlab.evaluation.units import MIXES, Quantity, Units

if TYPE_CHECKING:
    from mixlab.mixing.dataset import MixDataset
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
        scores: ``(N, C)`` probabilities, float32; of a regression ``(N, 1)`` predicted numbers in their unit.
        targets: ``(N, C)`` 1 present, 0 absent, float32; of a regression ``(N, 1)`` the true numbers.
        mask: ``(N, C)`` True where the target is known.
        mix_id: ``(N,)`` names of the mixes' audio (``MixRecipe.mix_id``): what predictions are joined on.
        attempt: ``(N,)`` above 0 where files could not be read, and another mix was sampled instead.
        recipes: ``(N,)`` recipes as JSON text, from which the mixes can be heard again: with the catalog that
            they name, ``mixlab.mixing.render_mix`` gives each, with the target and mask of its row.
        single_label: Whether exactly one class is right for each row, and the one with the highest score is
            decided for; else every class is decided on by itself, at its threshold.
        units: What rows and groups are called in reports.
        quantity: What number was predicted, where this is a regression; its name is the only label.
    """

    labels: tuple[str, ...]
    split: NDArray[np.object_]
    index: NDArray[np.int64]
    group: NDArray[np.object_]
    scores: NDArray[np.float32]
    targets: NDArray[np.float32]
    mask: NDArray[np.bool_]
    mix_id: NDArray[np.object_]
    attempt: NDArray[np.int64]
    recipes: NDArray[np.object_]
    single_label: bool = False
    units: Units = MIXES
    quantity: Quantity | None = None

    def __len__(self) -> int:
        return len(self.index)

    def only(self, split: str) -> "Predictions":
        """Return the rows of one split."""
        return self.take(self.split == split)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> "Predictions":
        """Return some rows, by a mask ``(N,)`` or by their numbers."""
        columns = {name: getattr(self, name)[rows] for name in COLUMNS}
        return Predictions(
            self.labels,
            **columns,
            single_label=self.single_label,
            units=self.units,
            quantity=self.quantity,
        )

    def count_replaced(self, split: str) -> int:
        """Return how many mixes of a split are not those meant, as their files could not be read."""
        return int((self.attempt[self.split == split] > 0).sum())

    def recipe(self, row: int) -> "MixRecipe":
        """Return the recipe of a row, ready for ``mixlab.mixing.render_mix``.

        Raises:
            RecipeError: it is none of a mix, but of a whole track or clip; or another version of mixlab wrote
                it.
        """
        from mixlab.mixing.recipe import MixRecipe

        text = str(self.recipes[row])
        if '"sources"' not in text:
            raise RecipeError(
                "This run was scored on whole tracks or clips, not on mixes: there is no recipe to open.",
                code="no-recipe",
            )
        return MixRecipe.from_json(text)

    def mix_recipes(self) -> tuple["MixRecipe", ...]:
        """Return the recipes of all rows; see ``recipe``."""
        return tuple(map(self.recipe, range(len(self))))

    def with_recipes(self, recipes: Sequence["MixRecipe"]) -> "Predictions":
        """Return the predictions with other recipes of the same audio, and the names that these give it."""
        mix_id, texts = _recipe_columns(recipes)
        return replace(self, mix_id=mix_id, recipes=texts)

    @classmethod
    def of_mixes(
        cls,
        dataset: "MixDataset",
        index: NDArray[np.int64],
        attempt: NDArray[np.int64],
        scores: NDArray[np.float32],
        targets: NDArray[np.float32],
        mask: NDArray[np.bool_],
    ) -> "Predictions":
        """Return what a model said about the items of a fixed set.

        Args:
            dataset: The set.
            index: ``(N,)`` its items.
            attempt: ``(N,)`` which attempt of each could be read.
            scores: ``(N, C)`` probabilities.
            targets: ``(N, C)`` 1 present, 0 absent.
            mask: ``(N, C)`` True where the target is known.
        """
        pairs = zip(index.tolist(), attempt.tolist(), strict=True)
        recipes = [dataset.recipe(item, attempt=number) for item, number in pairs]
        mix_id, texts = _recipe_columns(recipes)
        songs = [recipe.sources[0].stem.rpartition("/")[0] if recipe.sources else "" for recipe in recipes]
        return cls(
            labels=dataset.label_names,
            split=np.array([dataset.split] * len(recipes), dtype=object),
            index=index,
            group=np.array(songs, dtype=object),
            scores=scores,
            targets=targets,
            mask=mask,
            mix_id=mix_id,
            attempt=attempt,
            recipes=texts,
        )

    @classmethod
    def join(cls, parts: Sequence["Predictions"]) -> "Predictions":
        """Return the rows of several predictions over the same classes, one after another."""
        columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS}
        first = parts[0]
        return cls(
            first.labels,
            **columns,
            single_label=first.single_label,
            units=first.units,
            quantity=first.quantity,
        )


NOT_COLUMNS = ("labels", "single_label", "units", "quantity")
COLUMNS = tuple(field.name for field in fields(Predictions) if field.name not in NOT_COLUMNS)


def _recipe_columns(recipes: Sequence["MixRecipe"]) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    """Return the names of the mixes, and the recipes as text."""
    return (
        np.array([recipe.mix_id for recipe in recipes], dtype=object),
        np.array([recipe.to_json() for recipe in recipes], dtype=object),
    )
