"""The max constraint loss of Giunchiglia and Lukasiewicz (NeurIPS 2020), with unknown targets."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mixlab.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor


__all__ = ["mcm_loss_with_logits"]


def mcm_loss_with_logits(
    logits: "Tensor", targets: "Tensor", mask: "Tensor", ancestry: "NDArray[np.bool_] | Tensor"
) -> "Tensor":
    """Return the max constraint loss as the mean over the known targets, as a scalar.

    With h the sigmoid of the logits and D_A the class A with its descendants, the loss of class A is
    ``-y_A ln max_{B in D_A} y_B h_B - (1 - y_A) ln(1 - max_{B in D_A} h_B)``: a class that is present is
    shown by itself or by a descendant that is present too, never by one that is absent; a class that is
    absent answers for all its descendants.

    Targets have three values, which the paper does not treat. An unknown target (``mask`` False):

    - gives no loss term of its own, whatever value it holds;
    - cannot prove an ancestor that is present: it might be absent, and then its score must not stand in;
    - does count below an ancestor that is absent, since with it all its descendants are.

    Without descendants this is ``masked_bce_with_logits``, and like there the loss is 0 where nothing is
    known. Computed on logits, where it is exact also for probabilities that float32 rounds to 0 or 1.

    Args:
        logits: ``(B, C)`` model outputs before the sigmoid and before any ``consistent_max``; computed in
            float32 at least, also under autocast.
        targets: ``(B, C)`` 0 or 1, closed under ancestors where known.
        mask: ``(B, C)`` bool, True where the target is known.
        ancestry: ``(C, C)`` bool from ``ancestry``.

    Raises:
        ConfigError: shapes do not fit together.
    """
    import torch
    from torch.nn import functional

    if logits.ndim != 2 or logits.shape != targets.shape or logits.shape != mask.shape:
        raise ConfigError(
            f"Logits, targets and mask must share one shape (B, C); got {tuple(logits.shape)}, "
            f"{tuple(targets.shape)}, {tuple(mask.shape)}.",
            code="wrong-shape",
        )
    related = torch.as_tensor(ancestry, dtype=torch.bool, device=logits.device)
    if related.shape != (logits.shape[1], logits.shape[1]):
        raise ConfigError(
            f"Expected an ancestry for {logits.shape[1]} classes, got {tuple(related.shape)}.",
            code="wrong-shape",
        )
    z = logits if logits.dtype == torch.float64 else logits.float()
    present = mask & (targets > 0.5)
    # (B, A, B'): which classes B' stand in for class A. A itself always does, so none is empty.
    stands_in = related[None] & (~present[:, :, None] | present[:, None, :])
    best = torch.where(stands_in, z[:, None, :], -torch.inf).amax(dim=2)
    losses = functional.softplus(torch.where(present, -best, best))
    known = mask.to(z.dtype)
    return (losses * known).sum() / known.sum().clamp(min=1.0)
