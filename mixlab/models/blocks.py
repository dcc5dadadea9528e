"""The mean activations of a network's blocks: Choi et al.'s convnet feature, for any network.

Choi, Fazekas, Sandler and Cho, "Transfer learning for music classification and regression tasks" (ISMIR
2017; chapter 6 of Choi's thesis): low blocks see short events, high ones long ones, so a feature that
keeps the mean activation of every channel of every block serves tasks that the last block alone does not.

A network says which of its modules are its blocks by ``block_names``, lowest first: an attribute or a
property with the names of modules. A name may be that of an ``nn.ModuleList`` of layers side by side, which
are one block together. mixlab's own networks state it; of one with a module ``backbone`` that is an
``nn.Sequential``, the blocks are its modules with weights.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor, nn

from mixlab.errors import ConfigError
from mixlab.models.parts import embed

__all__ = ["block_features", "block_names"]


def block_names(model: nn.Module) -> tuple[str, ...]:
    """Return the names of the modules that are a network's blocks, lowest first.

    Raises:
        ConfigError: it does not say, or names modules that it does not have.
    """
    names = tuple(cast(tuple[str, ...], getattr(model, "block_names", ()))) or _of_backbone(model)
    known = dict(model.named_modules())
    lacking = [name for name in names if name not in known]
    if lacking or not names:
        fault = f"names {lacking[0]!r} as a block, which it lacks" if lacking else "names none of its blocks"
        raise ConfigError(
            f"{type(model).__name__} {fault}. Give its class an attribute block_names with the names of "
            "modules, lowest first.",
            code="unfit-plugin",
        )
    return names


def _of_backbone(model: nn.Module) -> tuple[str, ...]:
    backbone = getattr(model, "backbone", None)
    if not isinstance(backbone, nn.Sequential):
        return ()
    weighted = (n for n, child in backbone.named_children() if next(child.parameters(), None) is not None)
    return tuple(f"backbone.{name}" for name in weighted)


def block_features(model: nn.Module, audio: Tensor) -> list[Tensor]:
    """Return the mean activation of every channel of each block, a tensor ``(B, channels)`` per block.

    The mean is over time, and over frequency where a block keeps it; of a recurrent block over its steps.
    The last block of the network of Choi et al. is one value per channel, so its mean is what they take.

    Args:
        model: In evaluation mode.
        audio: ``(B, channels, T)``, as the network takes it.

    Raises:
        ConfigError: the network does not say what its blocks are, or one was not run.
    """
    names = block_names(model)
    with _listening(model, names) as found:
        embed(model, audio)
    silent = [name for name in names if not found[name]]
    if silent:
        raise ConfigError(
            f"{type(model).__name__} names {silent[0]!r} as a block, but does not run it for an embedding.",
            code="unfit-plugin",
        )
    return [torch.cat(found[name], dim=1) for name in names]


@contextmanager
def _listening(model: nn.Module, names: tuple[str, ...]) -> Iterator[dict[str, list[Tensor]]]:
    """Keep the mean activations of modules while the block runs."""
    found: dict[str, list[Tensor]] = {name: [] for name in names}
    handles = []
    for name in names:
        block = model.get_submodule(name)
        for module in block if isinstance(block, nn.ModuleList) else (block,):

            def keep(
                module: nn.Module, given: object, output: object, into: list[Tensor] = found[name]
            ) -> None:
                into.append(_pooled(module, output))

            handles.append(module.register_forward_hook(keep))
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _pooled(module: nn.Module, output: object) -> Tensor:
    """Return the mean over all but batch and channels, ``(B, channels)``."""
    if isinstance(module, nn.RNNBase):
        steps = cast(tuple[Tensor, object], output)[0]
        return steps.mean(dim=1 if module.batch_first else 0)
    activation = cast(Tensor, output)
    return activation if activation.ndim == 2 else activation.flatten(2).mean(dim=2)
