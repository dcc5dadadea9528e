"""Training and scoring of taggers; ``train`` and ``evaluate_run`` do all of it in one call.

Names are loaded when they are first used: a command line that only needs ``TrainConfig`` for its help
waits neither for scikit-learn nor for Lightning.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mixlab.training.config import TrainConfig
    from mixlab.training.experiment import Evaluation, evaluate_run, load_model, predict, train
    from mixlab.training.objective import (
        balanced_weights,
        make_loss,
        masked_bce_with_logits,
        measure_precision,
    )
    from mixlab.training.places import open_catalog
    from mixlab.training.transfer import (
        calibrate_batch_norm,
        freeze_backbone,
        movement,
        parameter_groups,
        prepare_model,
        set_training_mode,
    )
    from mixlab.training.world import World

__all__ = [
    "Evaluation",
    "TrainConfig",
    "World",
    "balanced_weights",
    "calibrate_batch_norm",
    "evaluate_run",
    "freeze_backbone",
    "load_model",
    "make_loss",
    "masked_bce_with_logits",
    "measure_precision",
    "movement",
    "open_catalog",
    "parameter_groups",
    "predict",
    "prepare_model",
    "set_training_mode",
    "train",
]

_HOMES = {
    "config": ("TrainConfig",),
    "experiment": ("Evaluation", "evaluate_run", "load_model", "predict", "train"),
    "objective": ("balanced_weights", "make_loss", "masked_bce_with_logits", "measure_precision"),
    "places": ("open_catalog",),
    "transfer": (
        "calibrate_batch_norm",
        "freeze_backbone",
        "movement",
        "parameter_groups",
        "prepare_model",
        "set_training_mode",
    ),
    "world": ("World",),
}
_EXPORTS = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - what a module attribute is cannot be typed closer
    """Load a public name on first use (PEP 562)."""
    if name not in _EXPORTS:
        raise AttributeError(
            f"module 'mixlab.training' has no attribute {name!r}; it offers {', '.join(__all__)}"
        )
    return getattr(import_module(f"mixlab.training.{_EXPORTS[name]}"), name)
