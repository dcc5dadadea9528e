"""The mixes of a file of recipes as a dataset: what a colleague trains on who was given the file."""

from pathlib import Path
from typing import Any, ClassVar

from mixlab.catalog.catalog import Catalog
from mixlab.errors import ConfigError, RecipeError
from mixlab.mixing.config import MixConfig
from mixlab.mixing.dataset import MixDataset
from mixlab.mixing.recipe import RECIPE_VERSION, MixRecipe
from mixlab.sharing.recipe_files import RecipeFile, read_recipes
from mixlab.utils.checks import check_number

__all__ = ["RecipeDataset"]


class RecipeDataset(MixDataset):
    r"""A fixed set of mixes from a file of recipes, on any catalog that holds their stems.

    The file is one that ``mixlab recipes`` writes. Number i is the recipe of line i + 2, and an item says in
    ``epoch`` and ``index`` where its recipe came from in the stream that it was sampled from. Items hold what
    those of ``MixDataset`` hold. ``MixItems(dataset)`` is the set by numbers, which a ``DataLoader`` shuffles
    and samplers share out; ``MixLoader(dataset)`` gives the batches of one pass in the order of the file.

    A file of audio that cannot be read is an error: there is no other recipe to take the place of one.

    Args:
        catalog: A catalog that holds the stems, or its folder.
        recipes: The file, or its path.
        batch_size: As of ``MixDataset``.
        **options: ``frames``, ``frame_hop_s``, ``sources``, ``groups``, ``meta``, ``transform``,
            ``source_transform``, ``rank``, ``world_size``, ``pack`` and ``reader``, as of ``MixDataset``.

    Raises:
        CatalogMismatchError: the catalog lacks a stem, or has another one under its name.
        ConfigError: an option is none of these; or as ``MixDataset``.
        RecipeError: the file is damaged or of another version. Later, where items are made: a recipe is
            damaged, of another sample rate, number of channels or label set than the file's, or longer.

    Attributes:
        file: The file of recipes.

    Example:
        >>> from pathlib import Path
        >>> from mixlab import Catalog, MixConfig, RecipeDataset, sample_recipe
        >>> from mixlab.sharing.recipe_files import recipe_lines
        >>> catalog, config = Catalog.open("my-catalog"), MixConfig(duration_s=1.0)
        >>> recipes = [sample_recipe(catalog, config, seed=0, epoch=0, index=i) for i in range(4)]
        >>> lines = recipe_lines(recipes, catalog, config)    # as the command ``mixlab recipes`` writes them
        >>> written = Path("recipes.jsonl").write_text("\n".join(lines) + "\n")
        >>> dataset = RecipeDataset("my-catalog", "recipes.jsonl")
        >>> len(dataset.file), dataset.recipe(3) == recipes[3]
        (4, True)
    """

    attempts: ClassVar[int] = 1

    def __init__(
        self,
        catalog: Catalog | str | Path,
        recipes: RecipeFile | str | Path,
        *,
        batch_size: int = 16,
        **options: Any,  # noqa: ANN401 - handed on
    ) -> None:
        """Read the file, and check that the catalog holds what it needs."""
        unknown = sorted(options.keys() - _OPTIONS)
        if unknown:
            raise ConfigError(
                f"RecipeDataset: expected options among {', '.join(sorted(_OPTIONS))}, found "
                f"{', '.join(unknown)}. How its mixes are made is said by their recipes.",
                code="unknown-setting",
            )
        self.file = recipes if isinstance(recipes, RecipeFile) else read_recipes(recipes)
        first = self.file.recipe(0)
        super().__init__(
            catalog,
            _config(self.file, first),
            split=first.split,
            seed=first.seed,
            epoch_size=len(self.file),
            batch_size=batch_size,
            fixed=True,
            evaluation=False,
            **options,
        )

    def _check_items(self) -> None:
        """Check that the catalog holds all stems."""
        self.file.check(self.catalog)

    def __repr__(self) -> str:
        """Say what it is made of."""
        return (
            f"{type(self).__name__}({str(self.catalog.path)!r}, {self.file.source!r}: {len(self.file)} items)"
        )

    @property
    def content_hash(self) -> str:
        """Changes with whatever changes an item: recipes, which name their stems, and one's own functions."""
        return "-".join((f"v{RECIPE_VERSION}", "recipes", self.file.digest, self._read_from, *self._own_code))

    def recipe(self, index: int, epoch: int = 0, *, attempt: int = 0) -> MixRecipe:
        """Return the recipe of a number in the file.

        Args:
            index: 0 to the number of recipes less one.
            epoch: Any; all are the same.
            attempt: 0: no other recipe stands in for one.

        Raises:
            OutOfRangeError: there is no such recipe.
            RecipeError: it is damaged, or does not fit the others.
        """
        index = check_number("index", index, self.epoch_size, "recipes in the file")
        check_number("attempt", attempt, 1, "recipes for an item")
        recipe = self.file.recipe(index)
        settings, config = recipe.render, self.config.render_settings()
        for name in ("sample_rate", "channels", "label_set"):
            if getattr(settings, name) != getattr(config, name):
                raise RecipeError(
                    f"{self.file.source}, line {index + 2}: expected the {name} of the file's configuration, "
                    f"{getattr(config, name)!r}, found {getattr(settings, name)!r}. Put recipes of other "
                    "settings into a file of their own.",
                    code="invalid-recipe",
                )
        if settings.samples > config.samples:
            raise RecipeError(
                f"{self.file.source}, line {index + 2}: expected at most {config.duration_s:g} seconds, as "
                f"the file's configuration says, found {settings.duration_s:g}.",
                code="invalid-recipe",
            )
        return recipe


_OPTIONS = frozenset(
    (
        *("frames", "frame_hop_s", "sources", "groups", "meta"),
        *("transform", "source_transform", "rank", "world_size", "pack", "reader"),
    )
)


def _config(file: RecipeFile, first: MixRecipe) -> MixConfig:
    """Return the configuration that the recipes were sampled by, as the file says, or its first recipe."""
    if file.config:
        return MixConfig.from_dict(file.config)
    settings = first.render
    return MixConfig(
        duration_s=settings.duration_s,
        sample_rate=settings.sample_rate,
        channels=settings.channels,
        label_set=settings.label_set,
    )
