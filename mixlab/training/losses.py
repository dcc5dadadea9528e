"""What a training minimises, and in which precision: pure functions around a model."""

import copy
import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from mixlab.errors import ConfigError
from mixlab.models import in_channels
from mixlab.training.mcm_loss import mcm_loss_with_logits
from mixlab.training.transfer import set_training_mode

__all__ = [
    "LossFunction",
    "balanced_weights",
    "faster_precision",
    "known_terms",
    "make_loss",
    "masked_bce_with_logits",
    "measure_precision",
    "scores_of",
    "softmax_cross_entropy",
    "step_seed",
]

LossFunction = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Of logits, targets and mask, all ``(B, C)``; returns a scalar."""

PRECISIONS = ("fp32", "bf16")

MAX_WEIGHT = 10.0
"""Most that one target counts under balanced class weights."""

BF16_GAIN = 1.2
"""How many times faster bf16 must be to be taken."""


def masked_bce_with_logits(
    logits: Tensor, targets: Tensor, mask: Tensor, weights: Tensor | None = None
) -> Tensor:
    """Return the mean binary cross-entropy over the known targets, as a scalar.

    Unknown targets (``mask`` False) have no influence, whatever value they hold; where nothing is known
    the loss is 0.

    Args:
        logits: ``(B, C)`` model outputs, before the sigmoid.
        targets: ``(B, C)`` 0 or 1.
        mask: ``(B, C)`` bool, True where the target is known.
        weights: ``(2, C)`` what a negative and a positive of each class counts; None counts all alike. The
            sum is still divided by the number of known targets, so that the step's size does not depend
            on which classes a batch happens to hold.

    Example:
        >>> import torch
        >>> from mixlab.training import masked_bce_with_logits
        >>> logits, targets = torch.tensor([[0.0, 5.0]]), torch.tensor([[1.0, 0.0]])
        >>> round(masked_bce_with_logits(logits, targets, torch.tensor([[True, False]])).item(), 4)
        0.6931
    """
    # Computed in float32 also under autocast: bfloat16 sums lose small differences.
    known = mask.to(torch.float32)
    safe = torch.where(mask, targets.to(torch.float32), torch.zeros_like(known))
    losses = functional.binary_cross_entropy_with_logits(logits.float(), safe, reduction="none")
    if weights is not None:
        weights = weights.to(losses.device)
        losses = losses * torch.where(safe > 0.5, weights[1], weights[0])
    return (losses * known).sum() / known.sum().clamp(min=1.0)


def softmax_cross_entropy(logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """Return the mean cross-entropy over the classes, as a scalar.

    Args:
        logits: ``(B, C)`` model outputs, before the softmax.
        targets: ``(B, C)``, 1 for the one class that an item has.
        mask: ``(B, C)`` bool; items of which a class is unknown are left out.
    """
    known = mask.all(dim=1).to(torch.float32)
    losses = functional.cross_entropy(logits.float(), targets.float(), reduction="none")
    return (losses * known).sum() / known.sum().clamp(min=1.0)


def scores_of(logits: Tensor, loss: str) -> Tensor:
    """Return the probabilities ``(..., C)`` that a model's logits stand for, in float32.

    The one place that says so: whatever scores a model takes it from here.

    Args:
        logits: ``(..., C)`` model outputs.
        loss: What the model was trained with, as ``TrainConfig.loss`` and the model's card have it:
            ``softmax`` gives scores that sum to 1 over the classes, the others a sigmoid of each.
    """
    return torch.softmax(logits.float(), dim=-1) if loss == "softmax" else torch.sigmoid(logits.float())


def balanced_weights(rates: NDArray[np.float64]) -> Tensor:
    """Return the weights of negatives and positives per class, float32 ``(2, C)``, for given rates.

    With the rate r of a class among its known targets, a positive weighs ``1 / (2 r)`` and a negative
    ``1 / (2 (1 - r))``: both halves of every class weigh the same, and the mean weight of a class is 1.
    No weight exceeds ``MAX_WEIGHT``, or a class present once would decide over all others; those of classes
    rarer than one in twenty are thus held back.

    Args:
        rates: ``(C,)`` in (0, 1), as ``mixlab.evaluation.class_prevalence`` returns them.

    Raises:
        ConfigError: a rate outside (0, 1).

    Example:
        >>> import numpy as np
        >>> from mixlab.training import balanced_weights
        >>> balanced_weights(np.array([0.5, 0.2])).tolist()
        [[1.0, 0.625], [1.0, 2.5]]
    """
    if not ((rates > 0) & (rates < 1)).all():
        raise ConfigError(
            f"Class weights need rates between 0 and 1, got {rates.tolist()}.", code="invalid-setting"
        )
    weights = np.stack([0.5 / (1.0 - rates), 0.5 / rates]).clip(max=MAX_WEIGHT)
    return torch.from_numpy(weights.astype(np.float32))


def make_loss(
    kind: str, *, related: NDArray[np.bool_] | None = None, weights: Tensor | None = None
) -> LossFunction:
    """Return the loss of a configuration as a function of logits, targets and mask, all ``(B, C)``.

    Args:
        kind: ``bce``, ``mcm`` or ``softmax``.
        related: For ``mcm``, the ancestry of the classes, ``(C, C)``.
        weights: For ``bce``, float32 ``(2, C)`` from ``balanced_weights``, or None.

    Raises:
        ConfigError: ``mcm`` without an ancestry.

    Example:
        >>> import torch
        >>> from mixlab.training import make_loss
        >>> loss = make_loss("bce")
        >>> loss(torch.zeros(1, 2), torch.ones(1, 2), torch.zeros(1, 2, dtype=torch.bool)).item()
        0.0
    """
    if kind == "mcm":
        if related is None:
            raise ConfigError(
                "The max constraint loss needs the ancestry of the classes.", code="missing-setting"
            )
        tree = related
        return lambda logits, targets, mask: mcm_loss_with_logits(logits, targets, mask, tree)
    if kind == "softmax":
        return softmax_cross_entropy
    return lambda logits, targets, mask: masked_bce_with_logits(logits, targets, mask, weights)


def known_terms(mask: Tensor, loss: str) -> Tensor:
    """Return how many terms the mean of a loss is over, as a float32 scalar.

    Args:
        mask: ``(B, C)`` bool, True where the target is known.
        loss: ``bce``, ``mcm`` or ``softmax``.
    """
    known = mask.all(dim=1) if loss == "softmax" else mask
    return known.sum().to(torch.float32)


def step_seed(seed: int, step: int, rank: int) -> int:
    """Return the seed of one training step's dropout, so that a resumed step repeats it exactly."""
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0]) >> 1


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
        audio = torch.randn(batch, in_channels(model), n_samples, device=device)
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
