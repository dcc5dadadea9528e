"""Batch norm over the batch of all processes, also on CPUs: torch's ``SyncBatchNorm`` is for GPUs alone."""

from typing import Any

import torch
import torch.distributed as dist
from lightning.pytorch.plugins import LayerSync, TorchSyncBatchNorm
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mixlab.errors import ConfigError
from mixlab.training.config import TrainConfig
from mixlab.training.distributed import World

__all__ = ["SharedBatchNorm", "SharedBatchNorms", "check_batch_norms", "layer_sync"]

_PLAIN = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
"""Batch norms that do nothing else, so that another can take their place."""


class _Sum(torch.autograd.Function):
    """The sum of a tensor over all processes; whoever uses it has a part in its gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ANN401 - torch's own type is not exported
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:  # noqa: ANN401 - see above
        total = grads[0].contiguous().clone()
        dist.all_reduce(total)
        return total


class SharedBatchNorm(_BatchNorm):
    """Batch norm whose statistics are those of all processes' parts of a batch, which are of one size."""

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected at least two dimensions, found {input.dim()}")

    def forward(self, input: Tensor) -> Tensor:
        """Normalize ``(B, C, ...)``; in evaluation as any batch norm does."""
        if not self.training:
            out: Tensor = super().forward(input)
            return out
        self._check_input_dim(input)
        x, others = input.float(), [0, *range(2, input.dim())]
        count = x.numel() // x.shape[1] * dist.get_world_size()
        # In float64, as the variance is a difference of two of these.
        sums = torch.stack([x.sum(others, dtype=torch.float64), x.square().sum(others, dtype=torch.float64)])
        total, squares = _Sum.apply(sums)  # type: ignore[no-untyped-call]
        mean = total / count
        var = (squares / count - mean.square()).clamp(min=0.0)
        self._follow(mean.detach(), var.detach() * (count / max(count - 1, 1)))
        shape = [1, -1] + [1] * (x.dim() - 2)
        scale = torch.rsqrt(var + self.eps).float().view(shape)
        found: Tensor = (x - mean.float().view(shape)) * scale
        if self.affine:
            found = found * self.weight.view(shape) + self.bias.view(shape)
        return found.to(input.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, var: Tensor) -> None:
        """Let the running statistics follow a batch."""
        if not self.track_running_stats:
            return
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        # Without a momentum, the statistics are the mean over all batches so far.
        rate = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.float(), rate)
        self.running_var.lerp_(var.float(), rate)


class SharedBatchNorms(LayerSync):
    """Puts a ``SharedBatchNorm`` with the same weights and statistics in the place of each batch norm."""

    def __init__(self) -> None:
        """Change nothing yet."""
        self._places: list[tuple[nn.Module, str, nn.Module]] = []

    def apply(self, model: nn.Module) -> nn.Module:
        """Exchange the batch norms below a module, which Lightning does before it trains."""
        for parent in list(model.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, _BatchNorm) and not isinstance(child, SharedBatchNorm):
                    self._places.append((parent, name, child))
                    setattr(parent, name, _shared(child))
        return model

    def revert(self, model: nn.Module) -> nn.Module:
        """Put the batch norms back, whose weights and statistics have been in use all the time."""
        for parent, name, child in self._places:
            child.training = getattr(parent, name).training
            setattr(parent, name, child)
        self._places = []
        return model


def _shared(old: _BatchNorm) -> SharedBatchNorm:
    new = SharedBatchNorm(old.num_features, old.eps, old.momentum, old.affine, old.track_running_stats)
    new.weight, new.bias = old.weight, old.bias
    new.running_mean, new.running_var = old.running_mean, old.running_var
    new.num_batches_tracked = old.num_batches_tracked
    new.training = old.training
    return new


def check_batch_norms(model: nn.Module, config: TrainConfig, world: World) -> None:
    """Refuse batch norms that do more than normalize, where another would take their place.

    Both what is used on CPUs and torch's ``SyncBatchNorm`` exchange subclasses too, whose own ``forward`` (an
    activation, say) would be lost.

    Args:
        model: The network.
        config: Settings.
        world: Which process of how many this is; a single one exchanges nothing.

    Raises:
        ConfigError: the network has such a layer; the message names it.
    """
    if world.size == 1 or not config.sync_batch_norm:
        return
    for name, layer in model.named_modules():
        if isinstance(layer, _BatchNorm) and type(layer) not in _PLAIN:
            kinds = ", ".join(kind.__name__ for kind in _PLAIN)
            raise ConfigError(
                f"train.sync_batch_norm takes the statistics of {kinds} over all {world.size} processes; "
                f"{name or 'the network'} is a {type(layer).__name__}, which may compute something else "
                "besides. Set train.sync_batch_norm=false, or start a single process.",
                code="conflicting-settings",
            )


def layer_sync(accelerator: str) -> LayerSync:
    """Return what lets batch norm take its statistics over all processes, on ``cpu`` or ``cuda``."""
    return TorchSyncBatchNorm() if accelerator == "cuda" else SharedBatchNorms()
