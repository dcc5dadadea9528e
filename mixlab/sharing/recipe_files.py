"""Files of recipes: a training set as one line of JSON per mix, below a header that names its stems.

The first line holds what all recipes have in common, the configuration they were sampled by, and the digest
of every stem they need (``mixlab.catalog.stem_digests``), by its key ``corpus/song/stem``. So a colleague who
has the corpora, wherever they lie and whatever else is in the catalog, renders the same mixes.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mixlab import __version__
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.stem_digests import stem_digest
from mixlab.errors import RecipeError
from mixlab.mixing.config import MixConfig
from mixlab.mixing.recipe import MixRecipe
from mixlab.mixing.replaying import check_stems
from mixlab.utils.checks import check_number
from mixlab.utils.hashing import ordered_digest

__all__ = ["RecipeFile", "read_recipes", "recipe_lines"]

FILE_VERSION = 1
_MARK = "mixlab_recipes"
_COMMON = ("version", "catalog_hash", "seed", "epoch", "attempt", "split", "render")
"""Fields that every recipe has and most share."""


@dataclass(frozen=True)
class RecipeFile:
    """A file of recipes that was read; each is decoded when it is asked for.

    Attributes:
        header: The first line.
        lines: The recipes' lines by their position in the file, from 0; a selection has some of them.
        digest: 16 hexadecimal digits that name the contents of the whole file.
        source: Where it was read, for messages.
    """

    header: Mapping[str, Any]
    lines: Mapping[int, str]
    digest: str
    source: str

    def __len__(self) -> int:
        """Return how many recipes the file has."""
        return int(self.header["items"])

    @property
    def stems(self) -> Mapping[str, str]:
        """The digest of every stem that is needed, by its key."""
        return dict(self.header["stems"])

    @property
    def config(self) -> Mapping[str, Any]:
        """The configuration that the recipes were sampled by, as plain data; empty where it is not said."""
        return dict(self.header.get("config") or {})

    def recipe(self, position: int) -> MixRecipe:
        """Return a recipe by its position in the file; its stems carry their digests.

        Raises:
            OutOfRangeError: there is no such position.
            RecipeError: its line is damaged, or of another version.
        """
        position = check_number("position", position, len(self), "recipes in the file")
        where = f"{self.source}, line {position + 2}"
        data = _parse(self.lines[position], where)
        try:
            recipe = MixRecipe.decode({**self.header["common"], **data})
        except RecipeError as error:
            raise RecipeError(f"{where}: {error}", code=error.code) from error
        stems = self.header["stems"]
        return replace(
            recipe, sources=tuple(replace(s, digest=stems.get(s.stem, s.digest)) for s in recipe.sources)
        )

    def select(self, positions: Iterable[int]) -> "RecipeFile":
        """Return the same file with the lines of some positions alone, as another process needs it."""
        return replace(self, lines={position: self.lines[position] for position in positions})

    def check(self, catalog: Catalog) -> None:
        """Check that a catalog holds all stems that are needed.

        Raises:
            CatalogMismatchError: some are missing, or have other audio or labels; the message names them.
        """
        check_stems(self.stems, catalog)


def recipe_lines(recipes: Iterable[MixRecipe], catalog: Catalog, config: MixConfig) -> Iterator[str]:
    """Yield the lines of a file of recipes, without line ends; the header first.

    Args:
        recipes: Of this catalog, at least one.
        catalog: The catalog.
        config: The configuration they were sampled by, for whoever reads the file.

    Raises:
        RecipeError: there is no recipe.
    """
    texts: list[str] = []
    common: dict[str, Any] = {}
    stems: dict[str, str] = {}
    for recipe in recipes:
        data = recipe.encode()
        common = common or {name: data[name] for name in _COMMON}
        for source in recipe.sources:
            if source.stem not in stems:
                stems[source.stem] = stem_digest(catalog, catalog.find(source.stem))
        own = {name: value for name, value in data.items() if name not in common or value != common[name]}
        texts.append(_text(own))
    if not texts:
        raise RecipeError("A file of recipes needs at least one, found none.", code="invalid-recipe")
    header = {
        _MARK: FILE_VERSION,
        "mixlab": __version__,
        "items": len(texts),
        "common": common,
        "config": config.to_dict(),
        "stems": dict(sorted(stems.items())),
    }
    yield _text(header)
    yield from texts


def read_recipes(path: str | Path) -> RecipeFile:
    """Read a file of recipes, as ``mixlab recipes`` writes it.

    Raises:
        RecipeError: it is missing, no such file, of another version, or cut off.
    """
    path = Path(path)
    try:
        header_text, *lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(
            f"Expected recipes as 'mixlab recipes' writes them at {path}: {error}.", code="unreadable-file"
        ) from error
    header = _parse(header_text, f"{path}, line 1")
    if _MARK not in header:
        raise RecipeError(
            f"Expected recipes as 'mixlab recipes' writes them in {path}: the first line has no {_MARK!r}. A "
            "single recipe.json is replayed by 'mixlab mix --replay'.",
            code="invalid-recipe",
        )
    if header[_MARK] != FILE_VERSION:
        raise RecipeError(
            f"This mixlab reads files of recipes of version {FILE_VERSION}, {path} has {header[_MARK]!r}. "
            "Read it with the mixlab release that wrote it.",
            code="recipe-version",
        )
    expected = {"items": int, "common": dict, "stems": dict}
    wrong = [name for name, kind in expected.items() if not isinstance(header.get(name), kind)]
    if wrong or not all(isinstance(digest, str) for digest in header["stems"].values()):
        raise RecipeError(
            f"{path}, line 1: expected 'items' (a number), 'common' and 'stems' (objects), found another "
            f"{wrong[0] if wrong else 'digest of a stem'}.",
            code="invalid-recipe",
        )
    if header["items"] != len(lines):
        raise RecipeError(
            f"{path} says that it has {header['items']} recipes, found {len(lines)}: it was cut off or "
            "joined with another. Write it again, or copy it again.",
            code="invalid-recipe",
        )
    return RecipeFile(header, dict(enumerate(lines)), ordered_digest([header_text, *lines]), str(path))


def _text(data: Mapping[str, Any]) -> str:
    return json.dumps(data, separators=(",", ":"))


def _parse(text: str, where: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"{where} is no JSON: {error}.", code="invalid-recipe") from error
    if not isinstance(data, dict):
        raise RecipeError(
            f"{where}: expected a JSON object, found {type(data).__name__}.", code="invalid-recipe"
        )
    return data
