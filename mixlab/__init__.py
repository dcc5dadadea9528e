"""mixlab: labelled training mixtures out of multitrack collections.

``from mixlab import Catalog, MixConfig, MixDataset`` is all that a training loop needs. Importing
``mixlab`` itself is quick: names are loaded when they are first used, torch only with the datasets.
"""

from typing import TYPE_CHECKING

from mixlab.utils.lazy import lazy_names

if TYPE_CHECKING:
    from mixlab.catalog.build import build_catalog
    from mixlab.catalog.catalog import Catalog, Stem
    from mixlab.catalog.packing import pack_catalog
    from mixlab.catalog.subset import subset_catalog
    from mixlab.errors import MixlabError
    from mixlab.inference.tagger import Tagger
    from mixlab.mixing.config import MixConfig
    from mixlab.mixing.dataset import MixDataset
    from mixlab.mixing.items import MixItems
    from mixlab.mixing.loader import MixLoader
    from mixlab.mixing.recipe import MixRecipe
    from mixlab.mixing.rendering import Mix, render_mix
    from mixlab.mixing.sampler import sample_recipe
    from mixlab.sharing.exporting_mixes import export_mixes
    from mixlab.sharing.recipe_dataset import RecipeDataset
    from mixlab.taxonomy import load_label_set, load_taxonomy
    from mixlab.training.config import TrainConfig
    from mixlab.training.experiment import evaluate_run, train
    from mixlab.training.run import Run

__version__ = "0.2.0"
"""The version, as ``pip`` and ``mixlab report-environment`` say it."""

_HOMES = {
    "catalog": (
        "Catalog",
        "Stem",
    ),
    "catalog.build": ("build_catalog",),
    "catalog.packing": ("pack_catalog",),
    "catalog.subset": ("subset_catalog",),
    "errors": ("MixlabError",),
    "inference.tagger": ("Tagger",),
    "mixing.dataset": ("MixDataset",),
    "mixing.items": ("MixItems",),
    "mixing.loader": ("MixLoader",),
    "mixing.config": ("MixConfig",),
    "mixing.recipe": ("MixRecipe",),
    "mixing.rendering": (
        "Mix",
        "render_mix",
    ),
    "mixing.sampler": ("sample_recipe",),
    "sharing.exporting_mixes": ("export_mixes",),
    "sharing.recipe_dataset": ("RecipeDataset",),
    "taxonomy": (
        "load_label_set",
        "load_taxonomy",
    ),
    "training.config": ("TrainConfig",),
    "training.experiment": ("evaluate_run", "train"),
    "training.run": ("Run",),
}

__all__ = [
    "Catalog",
    "Mix",
    "MixConfig",
    "MixDataset",
    "MixItems",
    "MixLoader",
    "MixRecipe",
    "MixlabError",
    "RecipeDataset",
    "Run",
    "Stem",
    "Tagger",
    "TrainConfig",
    "__version__",
    "build_catalog",
    "evaluate_run",
    "export_mixes",
    "load_label_set",
    "load_taxonomy",
    "pack_catalog",
    "render_mix",
    "sample_recipe",
    "subset_catalog",
    "train",
]

__getattr__ = lazy_names(__name__, _HOMES)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
