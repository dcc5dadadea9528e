"""Where a run's catalog and audio lie, also after the run or the catalog has moved."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mixlab.catalog.catalog import Catalog
from mixlab.errors import CatalogError, CatalogMismatchError, ConfigError
from mixlab.training.run import Run
from mixlab.utils.remote import Place, RemotePath, as_place

__all__ = ["as_catalog", "catalog_entry", "open_catalog"]


def catalog_entry(catalog: Catalog, run_folder: Path) -> dict[str, Any]:
    """Return what ``run.json`` says of a catalog: path, path from the run, moved audio, content hash."""
    entry: dict[str, Any] = {"path": catalog.place, "content_hash": catalog.content_hash, "relative": None}
    with suppress(ValueError):  # another drive on Windows: no path leads there from the run
        entry["relative"] = Path(os.path.relpath(catalog.path.resolve(), run_folder.resolve())).as_posix()
    own = Catalog.open(catalog.path).roots
    entry["roots"] = {name: str(root) for name, root in catalog.roots.items() if root != own.get(name)}
    return entry


def as_catalog(catalog: Catalog | str | Path, roots: Mapping[str, str | Path] | None = None) -> Catalog:
    """Return a catalog as it is, or open its folder with ``roots``.

    Raises:
        ConfigError: roots for a catalog that is open already.
        CatalogError: there is none in the folder, or it is damaged.
    """
    if not isinstance(catalog, Catalog):
        return Catalog.open(catalog, roots)
    if roots:
        raise ConfigError(
            "Roots go with a catalog's folder: give them to Catalog.open instead.",
            code="conflicting-settings",
        )
    return catalog


def open_catalog(
    run: Run, catalog: Catalog | str | Path | None = None, roots: Mapping[str, str | Path] | None = None
) -> Catalog:
    """Return the catalog that a run was trained with.

    Without ``catalog``, or when it is the path in the run's configuration: if the run's catalog is not
    there, the same place as before in relation to the run folder is tried, so that both can move together.

    Args:
        run: The run.
        catalog: The catalog, or where it lies now; None takes the run's configuration.
        roots: Where corpora lie now, by corpus name; those that the run was started with stay, where they
            exist.

    Raises:
        CatalogError: there is no catalog at these places, or it is damaged.
        CatalogMismatchError: the catalog is not the one the run was trained with.
    """
    if isinstance(catalog, Catalog):
        return _checked(run, as_catalog(catalog, roots))
    entry, stored = run.info.get("catalog", {}), as_place(run.config["catalog"])
    known = {name: root for name, root in entry.get("roots", {}).items() if _may_be_there(as_place(root))}
    known |= {name: str(root) for name, root in (roots or {}).items()}
    if catalog is not None and not _are_same(as_place(catalog), stored):
        return _checked(run, Catalog.open(catalog, known))
    if isinstance(stored, RemotePath):
        return _checked(run, Catalog.open(stored, known))
    places = [stored]
    if entry.get("relative"):
        beside = Path(os.path.normpath(run.path.resolve() / entry["relative"]))
        places += [beside] if beside != stored.absolute() else []
    found = [Catalog.open(place, known) for place in places if (place / "catalog.json").is_file()]
    if not found:
        raise CatalogError(
            f"The catalog of {run.path} is not at {' nor at '.join(map(str, places))}. Say where it lies now "
            "(--catalog).",
            code="catalog-not-found",
        )
    expected = entry.get("content_hash")
    return _checked(run, next((c for c in found if c.content_hash == expected), found[0]))


def _may_be_there(root: Place) -> bool:
    """Tell whether to look for a root at a place; URLs are asked for their files alone."""
    return isinstance(root, RemotePath) or root.is_dir()


def _are_same(one: Place, other: Place) -> bool:
    if isinstance(one, Path) and isinstance(other, Path):
        return one.absolute() == other.absolute()
    return one == other


def _checked(run: Run, catalog: Catalog) -> Catalog:
    expected = run.info.get("catalog", {}).get("content_hash")
    if expected != catalog.content_hash:
        raise CatalogMismatchError(
            f"{run.path} belongs to the catalog with hash {expected}, {catalog.path} has "
            f"{catalog.content_hash}. Give the catalog it was trained with (--catalog).",
            code="catalog-mismatch",
        )
    return catalog
