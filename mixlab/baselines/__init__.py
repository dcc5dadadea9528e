"""Classical baselines: features computed once, then one scikit-learn classifier per class.

They are scored on the same fixed mixes as runs and written as runs, so that they stand in every table and
``mixlab compare`` takes them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mixlab.baselines.classifiers import Classifier, fit_forest, fit_linear
    from mixlab.baselines.config import BaselineConfig
    from mixlab.baselines.descriptors import DescriptorConfig, describe, descriptor_names
    from mixlab.baselines.experiment import evaluate_baseline, run_baseline
    from mixlab.baselines.features import Descriptors, Features, Mixes, compute_features

__all__ = [
    "BaselineConfig",
    "Classifier",
    "DescriptorConfig",
    "Descriptors",
    "Features",
    "Mixes",
    "compute_features",
    "describe",
    "descriptor_names",
    "evaluate_baseline",
    "fit_forest",
    "fit_linear",
    "run_baseline",
]

_HOMES = {
    "classifiers": ("Classifier", "fit_forest", "fit_linear"),
    "config": ("BaselineConfig",),
    "descriptors": ("DescriptorConfig", "describe", "descriptor_names"),
    "experiment": ("evaluate_baseline", "run_baseline"),
    "features": ("Descriptors", "Features", "Mixes", "compute_features"),
}
_EXPORTS = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - what a module attribute is cannot be typed closer
    """Load a public name on first use (PEP 562)."""
    if name not in _EXPORTS:
        raise AttributeError(
            f"module 'mixlab.baselines' has no attribute {name!r}; it offers {', '.join(__all__)}"
        )
    return getattr(import_module(f"mixlab.baselines.{_EXPORTS[name]}"), name)
