"""Training and scoring of taggers; ``train`` and ``evaluate_run`` do all of it in one call.

Names are loaded when they are first used: a command line that only needs ``TrainConfig`` for its help
waits neither for scikit-learn nor for Lightning.
"""

from typing import TYPE_CHECKING

from mixlab.utils.lazy import lazy_names

if TYPE_CHECKING:
    from mixlab.training.config import TrainConfig
    from mixlab.training.distributed import World
    from mixlab.training.experiment import evaluate_run, predict, train
    from mixlab.training.loading import load_model
    from mixlab.training.locations import open_catalog
    from mixlab.training.losses import balanced_weights, make_loss, masked_bce_with_logits, measure_precision
    from mixlab.training.transfer import (
        calibrate_batch_norm,
        freeze_backbone,
        movement,
        parameter_groups,
        prepare_model,
        set_training_mode,
    )

__all__ = [
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
    "experiment": ("evaluate_run", "predict", "train"),
    "loading": ("load_model",),
    "losses": ("balanced_weights", "make_loss", "masked_bce_with_logits", "measure_precision"),
    "locations": ("open_catalog",),
    "transfer": (
        "calibrate_batch_norm",
        "freeze_backbone",
        "movement",
        "parameter_groups",
        "prepare_model",
        "set_training_mode",
    ),
    "distributed": ("World",),
}

__getattr__ = lazy_names(__name__, _HOMES)
