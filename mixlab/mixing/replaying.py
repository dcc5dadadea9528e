"""Which catalogs a recipe can be rendered on: its own, and any that holds the stems it names.

A recipe that carries the digests of its stems (``with_digests``) is checked stem by stem, whatever else is in
the catalog. One without them is rendered on the very catalog that it was sampled from.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from mixlab.catalog.catalog import Catalog
from mixlab.catalog.stem_digests import compare_digests, stem_digest
from mixlab.errors import CatalogError, CatalogMismatchError
from mixlab.mixing.recipe import MixRecipe

__all__ = ["check_recipe", "check_stems", "with_digests"]

_TOLD = 5
"""How many stems a message names."""


def with_digests(recipe: MixRecipe, catalog: Catalog) -> MixRecipe:
    """Return a recipe that carries what its stems are, so that it can be rendered on other catalogs.

    Neither its ``mix_id`` nor its ``content_hash`` changes, and it equals the one without.

    Raises:
        CatalogMismatchError: it cannot be rendered on this catalog.
    """
    check_recipe(recipe, catalog)
    sources = (replace(s, digest=stem_digest(catalog, catalog.find(s.stem))) for s in recipe.sources)
    return replace(recipe, sources=tuple(sources))


def check_recipe(recipe: MixRecipe, catalog: Catalog) -> None:
    """Check that a recipe gives on this catalog the mix that it was sampled for.

    Raises:
        CatalogMismatchError: a stem is missing (``unknown-stem``), or has other audio or labels
            (``stem-changed``), and the message names it; or the catalog is another one, and the recipe does
            not say what its stems are (``catalog-mismatch``).
    """
    known = {source.stem: source.digest for source in recipe.sources if source.digest is not None}
    if known:
        check_stems(known, catalog)
    without = [source.stem for source in recipe.sources if source.digest is None]
    if without and recipe.catalog_hash != catalog.content_hash:
        keys = set(catalog.column("key"))
        gone = [stem for stem in without if stem not in keys]
        raise CatalogMismatchError(
            f"The recipe was sampled from the catalog with hash {recipe.catalog_hash}, {catalog.path} has "
            f"hash {catalog.content_hash}: stems, labels or splits differ{_missing(gone)}. The recipe does "
            "not say what its stems are, so it might be another mix here. Open the catalog it was sampled "
            "from (with its split method and seed), and write it again with 'mixlab mix' or 'mixlab "
            "recipes', whose recipes are rendered wherever their stems are; or sample again.",
            code="catalog-mismatch",
        )


def check_stems(stems: Mapping[str, str], catalog: Catalog) -> None:
    """Check that a catalog holds stems, and that they are those that are meant.

    Args:
        stems: The digest of each by its key.
        catalog: The catalog.

    Raises:
        CatalogMismatchError: some are missing (``unknown-stem``), or have other audio or labels
            (``stem-changed``); the message names them.
    """
    missing: list[str] = []
    changed: list[str] = []
    for key, digest in stems.items():
        try:
            differs = compare_digests(digest, stem_digest(catalog, catalog.find(key)))
        except CatalogError as error:
            if error.code != "unknown-stem":
                raise
            missing.append(key)
            continue
        if differs:
            changed.append(f"{key} (other {differs})")
    if missing:
        raise CatalogMismatchError(
            f"Of {len(stems)} stems that are needed, {len(missing)} are not in {catalog.path}: "
            f"{_listed(missing)}. Index the corpora that hold them, under the same names.",
            code="unknown-stem",
        )
    if changed:
        raise CatalogMismatchError(
            f"Of {len(stems)} stems that are needed, {len(changed)} are others in {catalog.path} than those "
            f"that were mixed: {_listed(changed)}. Restore the files or the labels and index again, or "
            "sample again.",
            code="stem-changed",
        )


def _missing(gone: list[str]) -> str:
    return f"; not in it are {_listed(gone)}" if gone else ""


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return ", ".join(names[:_TOLD]) + more
