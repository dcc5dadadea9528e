"""What a mix was made of, as batches say it, and the way back from a name to its recipe."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mixlab.errors import ConfigError, RecipeError
from mixlab.mixing.recipe import MixRecipe

__all__ = ["describe", "search", "texts_of"]

_MIX_ID = re.compile(r"[0-9a-f]{16}")


def describe(recipes: Sequence[MixRecipe], notes: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Return what a batch says of its mixes in words: each a list with a text for every mix.

    ``kind``; ``mix_id``; ``stems``, the keys of the stems in the recipe's order, one a line: mixes have
    different numbers of them, and lists of different lengths are what no loader stacks; and ``notes``, those
    of each rendered mix, one a line.
    """
    return {
        "kind": [str(recipe.kind) for recipe in recipes],
        "mix_id": [recipe.mix_id for recipe in recipes],
        "stems": ["\n".join(source.stem for source in recipe.sources) for recipe in recipes],
        "notes": ["\n".join(found) for found in notes],
    }


def texts_of(batch: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return what ``describe`` said in a batch, if it did."""
    return {name: batch[name] for name in ("kind", "mix_id", "stems", "notes") if name in batch}


def search(mix_id: str, recipes: Iterable[MixRecipe], where: str) -> MixRecipe:
    """Return the first recipe that has a ``mix_id``.

    Args:
        mix_id: 16 hexadecimal digits.
        recipes: Where to look.
        where: What these are, for the message.

    Raises:
        ConfigError: ``mix_id`` is no such name.
        RecipeError: none has it.
    """
    if not isinstance(mix_id, str) or not _MIX_ID.fullmatch(mix_id):
        raise ConfigError(
            f"mix_id must be 16 hexadecimal digits, as a batch or a prediction has it, found {mix_id!r}.",
            code="invalid-setting",
        )
    for recipe in recipes:
        if recipe.mix_id == mix_id:
            return recipe
    raise RecipeError(
        f"No mix is named {mix_id}; looked at {where}. It is of another epoch (give find its epochs), or of "
        "another catalog, configuration, split or seed.",
        code="unknown-mix",
    )
