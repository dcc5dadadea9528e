"""The optimizers and the schedules of learning rates that settings can name."""

from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, StepLR

from mixlab.training.config import TrainConfig

__all__ = ["new_optimizer", "new_schedule"]

MOMENTUM = 0.9
"""Of SGD, as the published ResNets were trained (He et al. 2016, section 3.4)."""


def new_optimizer(groups: list[dict[str, Any]], config: TrainConfig) -> Optimizer:
    """Return the optimizer of a training.

    Args:
        groups: Parameters with their rates, as ``parameter_groups`` returns them.
        config: Settings.
    """
    decay = config.weight_decay
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, weight_decay=decay)
    if config.optimizer == "adadelta":
        return torch.optim.Adadelta(groups, weight_decay=decay)
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, weight_decay=decay, momentum=MOMENTUM, nesterov=True)
    return torch.optim.Adam(groups, weight_decay=decay)


def new_schedule(optimizer: Optimizer, config: TrainConfig) -> LRScheduler:
    """Return what sets the rates of every epoch: those of ``TrainConfig.learning_rates``."""
    if config.schedule == "step" and not config.warmup_epochs:
        # Multiplies anew at every step, whose last digits stored trainings have.
        return StepLR(optimizer, config.lr_step_epochs, config.lr_factor)
    return LambdaLR(optimizer, config.rate_factor)
