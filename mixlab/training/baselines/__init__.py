"""Classical baselines: features computed once, then one scikit-learn classifier per class.

They are scored on the same fixed mixes as runs and written as runs, so that they stand in every table and
``mixlab compare`` takes them.
"""

from typing import TYPE_CHECKING

from mixlab.utils.lazy import lazy_names

if TYPE_CHECKING:
    from mixlab.training.baselines.classifiers import Classifier, fit_forest, fit_linear
    from mixlab.training.baselines.clip_config import ClipBaselineConfig
    from mixlab.training.baselines.clip_experiment import evaluate_clip_baseline, run_clip_baseline
    from mixlab.training.baselines.config import BaselineConfig
    from mixlab.training.baselines.descriptors import DescriptorConfig, describe, descriptor_names
    from mixlab.training.baselines.experiment import evaluate_baseline, run_baseline
    from mixlab.training.baselines.features import Descriptors, Features, Mixes, compute_features

__all__ = [
    "BaselineConfig",
    "Classifier",
    "ClipBaselineConfig",
    "DescriptorConfig",
    "Descriptors",
    "Features",
    "Mixes",
    "compute_features",
    "describe",
    "descriptor_names",
    "evaluate_baseline",
    "evaluate_clip_baseline",
    "fit_forest",
    "fit_linear",
    "run_baseline",
    "run_clip_baseline",
]

_HOMES = {
    "classifiers": ("Classifier", "fit_forest", "fit_linear"),
    "clip_config": ("ClipBaselineConfig",),
    "clip_experiment": ("evaluate_clip_baseline", "run_clip_baseline"),
    "config": ("BaselineConfig",),
    "descriptors": ("DescriptorConfig", "describe", "descriptor_names"),
    "experiment": ("evaluate_baseline", "run_baseline"),
    "features": ("Descriptors", "Features", "Mixes", "compute_features"),
}

__getattr__ = lazy_names(__name__, _HOMES)
