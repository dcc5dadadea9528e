"""What a training minimises and which weights it moves: pure functions around a model."""

import copy
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mixlab.models import HEAD_NAMES, backbone_parameters, head_parameters, load_backbone, read_weights
from mixlab.training.config import TrainConfig

__all__ = [
    "faster_precision",
    "freeze_backbone",
    "masked_bce_with_logits",
    "measure_precision",
    "parameter_groups",
    "prepare_model",
    "set_training_mode",
    "step_seed",
]

PRECISIONS = ("fp32", "bf16")

BF16_GAIN = 1.2
"""How many times faster bf16 must be to be taken."""


def masked_bce_with_logits(logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """Return the mean binary cross-entropy over the known targets, as a scalar.

    Unknown targets (``mask`` False) have no influence, whatever value they hold; where nothing is known
    the loss is 0. Under several processes the mean is over each one's own known targets, and the averaged
    gradients are not weighted by how many these are.

    Args:
        logits: ``(B, C)`` model outputs, before the sigmoid.
        targets: ``(B, C)`` 0 or 1.
        mask: ``(B, C)`` bool, True where the target is known.
    """
    # Computed in float32 also under autocast: bfloat16 sums lose small differences.
    known = mask.to(torch.float32)
    safe = torch.where(mask, targets.to(torch.float32), torch.zeros_like(known))
    losses = functional.binary_cross_entropy_with_logits(logits.float(), safe, reduction="none")
    return (losses * known).sum() / known.sum().clamp(min=1.0)


def prepare_model(model: nn.Module, config: TrainConfig) -> None:
    """Load pretrained weights and freeze what ``config.transfer`` says, in place.

    Raises:
        ConfigError: the weights are missing or do not fit.
    """
    if config.transfer == "scratch":
        return
    load_backbone(model, read_weights(Path(config.pretrained), stream=config.pretrained_stream))
    if config.transfer == "frozen":
        freeze_backbone(model)


def freeze_backbone(model: nn.Module) -> None:
    """Exclude front end and backbone from training, in place; ``set_training_mode`` does the rest."""
    for parameter in backbone_parameters(model):
        parameter.requires_grad_(False)


def set_training_mode(model: nn.Module) -> None:
    """Put the model in training mode, its frozen modules in evaluation mode.

    A frozen backbone in training mode would still drift: batch norm moves its running statistics
    without any gradient.
    """
    model.train()
    if any(p.requires_grad for p in backbone_parameters(model)):
        return
    for name, module in model.named_children():
        if name not in (*HEAD_NAMES, "dropout"):
            module.eval()


def parameter_groups(model: nn.Module, config: TrainConfig) -> list[dict[str, Any]]:
    """Return optimizer groups ``head`` and, unless it is frozen, ``backbone``, each with its rate."""
    groups: list[dict[str, Any]] = [{"name": "head", "params": head_parameters(model), "lr": config.lr_head}]
    rate = config.backbone_rate
    if rate is not None:
        groups.append({"name": "backbone", "params": backbone_parameters(model), "lr": rate})
    return groups


def step_seed(seed: int, step: int, rank: int) -> int:
    """Return the seed of one training step's dropout, so that a resumed step repeats it exactly."""
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0] >> 1)


def measure_precision(
    model: nn.Module, n_samples: int, n_classes: int, *, batch_size: int, device: torch.device, steps: int = 4
) -> dict[str, float]:
    """Time training steps in fp32 and in bf16 mixed precision; return items per second of each.

    Works on copies of the model and leaves the global random state as it was. The best of ``steps``
    steps counts, after one to warm up; the two take turns, so that a busy moment of the machine hits both.
    """
    batch = batch_size if device.type != "cpu" else min(batch_size, 8)
    best = dict.fromkeys(PRECISIONS, float("inf"))
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        audio = torch.randn(batch, 1, n_samples, device=device)
        targets = torch.zeros(batch, n_classes, device=device)
        mask = torch.ones(batch, n_classes, dtype=torch.bool, device=device)
        probe = copy.deepcopy(model).to(device)
        set_training_mode(probe)
        for step in range(steps + 1):
            for name in PRECISIONS:
                begin = time.perf_counter()
                with torch.autocast(device.type, torch.bfloat16, enabled=name == "bf16"):
                    logits = probe(audio)
                torch.autograd.backward(masked_bce_with_logits(logits, targets, mask))
                if device.type == "cuda":
                    torch.cuda.synchronize(device)
                if step:
                    best[name] = min(best[name], time.perf_counter() - begin)
    return {name: batch / seconds for name, seconds in best.items()}


def faster_precision(rates: dict[str, float]) -> str:
    """Return ``bf16`` where it is clearly faster, else ``fp32``: its digits are worth something."""
    return "bf16" if rates["bf16"] > BF16_GAIN * rates["fp32"] else "fp32"
