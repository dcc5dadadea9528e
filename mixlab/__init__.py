"""mixlab: labelled training mixtures out of multitrack collections.

``from mixlab import Catalog, MixConfig, MixDataset`` is all that a training loop needs. Importing
``mixlab`` itself is quick: names are loaded when they are first used, torch only with the datasets.
"""

from typing import TYPE_CHECKING

from mixlab.utils.lazy import lazy_names

if TYPE_CHECKING:
    from mixlab.catalog.build import build_catalog
    from mixlab.catalog.catalog import Catalog, Stem
    from mixlab.errors import MixlabError
    from mixlab.mixing.config import MixConfig
    from mixlab.mixing.dataset import MixDataset
    from mixlab.mixing.gpu import make_device_loader, prepare_batch, render_batch
    from mixlab.mixing.loader import MixLoader, make_loader
    from mixlab.mixing.recipe import MixRecipe
    from mixlab.mixing.rendering import Mix, render_mix
    from mixlab.mixing.sampler import sample_recipe
    from mixlab.taxonomy import load_label_set, load_taxonomy

__version__ = "0.1.0"

_HOMES = {
    "catalog": (
        "Catalog",
        "Stem",
    ),
    "catalog.build": ("build_catalog",),
    "errors": ("MixlabError",),
    "mixing.dataset": ("MixDataset",),
    "mixing.gpu": (
        "make_device_loader",
        "prepare_batch",
        "render_batch",
    ),
    "mixing.loader": (
        "MixLoader",
        "make_loader",
    ),
    "mixing.config": ("MixConfig",),
    "mixing.recipe": ("MixRecipe",),
    "mixing.rendering": (
        "Mix",
        "render_mix",
    ),
    "mixing.sampler": ("sample_recipe",),
    "taxonomy": (
        "load_label_set",
        "load_taxonomy",
    ),
}

__all__ = [
    "Catalog",
    "Mix",
    "MixConfig",
    "MixDataset",
    "MixLoader",
    "MixRecipe",
    "MixlabError",
    "Stem",
    "__version__",
    "build_catalog",
    "load_label_set",
    "load_taxonomy",
    "make_device_loader",
    "make_loader",
    "prepare_batch",
    "render_batch",
    "render_mix",
    "sample_recipe",
]

__getattr__ = lazy_names(__name__, _HOMES)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
