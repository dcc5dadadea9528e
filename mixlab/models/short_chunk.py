"""The paper's classifier (section 2.1) and its residual variant: Won et al. 2020's short-chunk networks."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from mixlab.errors import ConfigError
from mixlab.models.base import Card, ConvBlock, TwoLayerHead
from mixlab.models.config import ModelConfig

__all__ = ["ShortChunkCNN", "ShortChunkCNNRes"]

MAX_BLOCKS = 7


def _widths(width: int, n_layers: int) -> list[int]:
    """Return channels before and after each block: ``1, w, w, 2w, ..., 2w, 4w``."""
    if n_layers == 2:
        return [1, width, 4 * width]
    return [1, width, width, *[2 * width] * (n_layers - 3), 4 * width]


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, the first with stride 2, beside a third one as shortcut.

    ``(B, in, H, W) -> (B, out, ceil(H / 2), ceil(W / 2))``; names are those of the published checkpoints.
    """

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(n_in, n_out, 3, stride=2, padding=1)
        self.bn_1 = nn.BatchNorm2d(n_out)
        self.conv_2 = nn.Conv2d(n_out, n_out, 3, padding=1)
        self.bn_2 = nn.BatchNorm2d(n_out)
        self.conv_3 = nn.Conv2d(n_in, n_out, 3, stride=2, padding=1)
        self.bn_3 = nn.BatchNorm2d(n_out)

    def forward(self, x: Tensor) -> Tensor:
        """Return the halved map."""
        deep = self.bn_2(self.conv_2(torch.relu(self.bn_1(self.conv_1(x)))))
        return torch.relu(deep + self.bn_3(self.conv_3(x)))


class ShortChunkCNN(TwoLayerHead):
    """A VGG-like network on a mel spectrogram: blocks of convolution and pooling, max over time, head.

    At the published width with 50 outputs it has 3,687,348 parameters; keys ``layer{k}.conv/bn.*``.
    """

    card = Card("short-chunk CNN: VGG-like, 3x3 filters (Won et al. 2020)", 128, 128, dense=512)
    block: type[nn.Module] = ConvBlock

    def __init__(self, config: ModelConfig, n_classes: int) -> None:
        super().__init__(config, n_classes)
        self.n_layers = self.config.n_layers
        widths = _widths(self.config.width, self.n_layers)
        for k in range(self.n_layers):
            self.add_module(f"layer{k + 1}", self.block(widths[k], widths[k + 1]))
        self.add_head(4 * self.config.width, n_classes)

    @classmethod
    def resolve(cls, config: ModelConfig) -> ModelConfig:
        """Return the settings with published values in place of zeros, as many blocks as the bands allow.

        The hidden layer is four times as wide as the first block.
        """
        dense = config.dense or 4 * (config.width or cls.card.width)
        full = super().resolve(replace(config, n_layers=0, dense=dense))
        most = full.n_mels.bit_length() - 1
        if config.n_layers != 0 and not 2 <= config.n_layers <= most:
            raise ConfigError(
                f"model.n_layers must be 0 (automatic) or between 2 and {most} for {full.n_mels} mel bands "
                f"(every block halves them), got {config.n_layers}.",
                code="invalid-setting",
            )
        return replace(full, n_layers=config.n_layers or min(MAX_BLOCKS, most))

    @property
    def min_frames(self) -> int:
        """Every block halves the frames, and one must be left."""
        return 1 << self.n_layers

    def encode(self, features: Tensor) -> Tensor:
        """Return ``(B, 4 * width)``: the maximum of the last map over frequency and time."""
        x = features
        for k in range(self.n_layers):
            x = self.get_submodule(f"layer{k + 1}")(x)
        return x.amax(dim=(2, 3))


class ShortChunkCNNRes(ShortChunkCNN):
    """The residual variant: strided convolutions instead of pooling, so that any length will do.

    At the published width with 50 outputs it has 12,104,244 parameters; keys ``layer{k}.conv_{1,2,3}.*``
    and ``layer{k}.bn_{1,2,3}.*``.
    """

    card = Card("short-chunk CNN with residual blocks (Won et al. 2020)", 128, 128, dense=512)
    block = ResidualBlock

    @property
    def min_frames(self) -> int:
        """Strides round up: a single frame stays one."""
        return 1
