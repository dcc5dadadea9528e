"""mixlab: labelled training mixtures out of multitrack collections.

``from mixlab import Catalog, MixConfig, MixDataset`` is all that a training loop needs. Importing
``mixlab`` itself is quick: names are loaded when they are first used, torch only with the datasets.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mixlab.catalog import Catalog, Stem
    from mixlab.datasets import MixDataset
    from mixlab.device import make_device_loader, prepare_batch, render_batch
    from mixlab.drawing import draw
    from mixlab.errors import MixlabError
    from mixlab.indexing import build_catalog
    from mixlab.loaders import MixLoader, make_loader
    from mixlab.recipes import MixConfig, MixRecipe
    from mixlab.rendering import Mix, render
    from mixlab.taxonomy import load_label_set, load_taxonomy

__version__ = "0.1.0"

_EXPORTS = {
    "Catalog": "mixlab.catalog",
    "Mix": "mixlab.rendering",
    "MixConfig": "mixlab.recipes",
    "MixDataset": "mixlab.datasets",
    "MixLoader": "mixlab.loaders",
    "MixRecipe": "mixlab.recipes",
    "MixlabError": "mixlab.errors",
    "Stem": "mixlab.catalog",
    "build_catalog": "mixlab.indexing",
    "draw": "mixlab.drawing",
    "load_label_set": "mixlab.taxonomy",
    "load_taxonomy": "mixlab.taxonomy",
    "make_device_loader": "mixlab.device",
    "make_loader": "mixlab.loaders",
    "prepare_batch": "mixlab.device",
    "render": "mixlab.rendering",
    "render_batch": "mixlab.device",
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
    "draw",
    "load_label_set",
    "load_taxonomy",
    "make_device_loader",
    "make_loader",
    "prepare_batch",
    "render",
    "render_batch",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - what a module attribute is cannot be typed closer
    """Load a public name on first use (PEP 562)."""
    if name not in _EXPORTS:
        raise AttributeError(f"module 'mixlab' has no attribute {name!r}; it offers {', '.join(__all__)}")
    return getattr(import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
