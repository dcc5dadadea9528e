"""What is known of a collection on disk: build, store, split, pack, read and describe."""

from typing import TYPE_CHECKING

from mixlab.utils.lazy import lazy_names

if TYPE_CHECKING:
    from mixlab.catalog.build import BuildReport, build_catalog
    from mixlab.catalog.catalog import Catalog, Stem
    from mixlab.catalog.pack import Pack, PackReader, open_reader
    from mixlab.catalog.packing import pack_catalog
    from mixlab.catalog.subset import SubsetReport, subset_catalog

__all__ = [
    "BuildReport",
    "Catalog",
    "Pack",
    "PackReader",
    "Stem",
    "SubsetReport",
    "build_catalog",
    "open_reader",
    "pack_catalog",
    "subset_catalog",
]

_HOMES = {
    "build": (
        "BuildReport",
        "build_catalog",
    ),
    "catalog": (
        "Catalog",
        "Stem",
    ),
    "pack": (
        "Pack",
        "PackReader",
        "open_reader",
    ),
    "packing": ("pack_catalog",),
    "subset": (
        "SubsetReport",
        "subset_catalog",
    ),
}

__getattr__ = lazy_names(__name__, _HOMES)
