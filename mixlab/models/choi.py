"""CRNN (Choi et al. 2017) and FCN (Choi et al. 2016), in the variants that Won et al. 2020 published."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from mixlab.errors import ConfigError
from mixlab.models.base import Card, ConvBlock, OneLayerHead
from mixlab.models.config import ModelConfig

__all__ = ["CRNN", "FCN"]

CRNN_POOLING = ((2, 2), (3, 3), (4, 4), (4, 4))
"""Pooling of mel bands and frames per block: 96 of each become one."""

FCN_POOLING = ((2, 4), (2, 4), (2, 4), (3, 5), (4, 4))
"""Pooling of mel bands and frames per block: 96 bands and 1,280 frames become one."""


def _product(poolings: tuple[tuple[int, int], ...], axis: int) -> int:
    total = 1
    for pooling in poolings:
        total *= pooling[axis]
    return total


class ChoiNetwork(OneLayerHead):
    """A network whose poolings bring the published number of mel bands down to one, and no other."""

    @classmethod
    def resolve(cls, config: ModelConfig) -> ModelConfig:
        """Return the settings with published values in place of zeros; refuse another number of bands."""
        n_mels = cls.card.n_mels
        if config.n_mels not in (0, n_mels):
            raise ConfigError(
                f"{config.architecture} pools {n_mels} mel bands down to one: set model.n_mels to 0 "
                f"or {n_mels}, got {config.n_mels}.",
                code="conflicting-settings",
            )
        return super().resolve(replace(config, n_mels=n_mels))


class CRNN(ChoiNetwork):
    """Four blocks of convolution and pooling, then two recurrent layers; the last state is the embedding.

    With published sizes and 50 outputs it has 394,100 parameters; keys ``layer{1..4}``, ``layer5`` (GRU).
    """

    card = Card("convolutions, then a recurrent layer (Choi et al. 2017; Won et al. 2020)", 96, 64)

    def __init__(self, config: ModelConfig, n_classes: int) -> None:
        super().__init__(config, n_classes)
        w = self.config.width
        self.layer1 = ConvBlock(1, w, CRNN_POOLING[0])
        self.layer2 = ConvBlock(w, 2 * w, CRNN_POOLING[1])
        self.layer3 = ConvBlock(2 * w, 2 * w, CRNN_POOLING[2])
        self.layer4 = ConvBlock(2 * w, 2 * w, CRNN_POOLING[3])
        self.layer5 = nn.GRU(2 * w, w // 2, num_layers=2, batch_first=True)
        self.add_head(w // 2, n_classes)

    @classmethod
    def resolve(cls, config: ModelConfig) -> ModelConfig:
        """Return the settings with published values in place of zeros; refuse an odd width."""
        full = super().resolve(config)
        if full.width % 2:
            raise ConfigError(
                f"crnn's recurrent layer has half of model.width units: it must be even, got {full.width}.",
                code="invalid-setting",
            )
        return full

    @property
    def min_frames(self) -> int:
        """The recurrent layers need one step."""
        return _product(CRNN_POOLING, 1)

    def encode(self, features: Tensor) -> Tensor:
        """Return ``(B, width / 2)``: the upper recurrent layer after the last step."""
        x = self.layer4(self.layer3(self.layer2(self.layer1(features))))
        steps, _ = self.layer5(x.squeeze(2).transpose(1, 2).contiguous())
        return torch.as_tensor(steps[:, -1])


class FCN(ChoiNetwork):
    """Five blocks of convolution and pooling; trained on 29 s, of which 20.5 s make one value per channel.

    With published sizes and 50 outputs it has about 450,000 parameters; keys ``layer{1..5}``, ``dense``.
    Input longer than twice that leaves several values, of which the largest is taken.
    """

    card = Card("convolutions only, 29 s input (Choi et al. 2016; Won et al. 2020)", 96, 64)

    def __init__(self, config: ModelConfig, n_classes: int) -> None:
        super().__init__(config, n_classes)
        w = self.config.width
        widths = [1, w, 2 * w, 2 * w, 2 * w, w]
        for k, pooling in enumerate(FCN_POOLING):
            self.add_module(f"layer{k + 1}", ConvBlock(widths[k], widths[k + 1], pooling))
        self.add_head(w, n_classes)

    @property
    def min_frames(self) -> int:
        """All poolings together."""
        return _product(FCN_POOLING, 1)

    def encode(self, features: Tensor) -> Tensor:
        """Return ``(B, width)``: the maximum of the last map over time."""
        x = features
        for k in range(len(FCN_POOLING)):
            x = self.get_submodule(f"layer{k + 1}")(x)
        return x.amax(dim=(2, 3))
