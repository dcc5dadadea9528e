"""The paper's classifier (section 2.1) and its residual variant: Won et al. 2020's short-chunk networks."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from mixlab.errors import ConfigError
from mixlab.models.base import Card, ConvBlock, TaggingModel, TwoLayerHead
from mixlab.models.config import ModelConfig

__all__ = ["ShortChunkCNN", "ShortChunkCNNRes", "ShortChunkEnsemble", "ensemble_weights"]

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


class ShortChunkEnsemble(ShortChunkCNN):
    """Several short-chunk networks side by side on one spectrogram; its logits are the mean of theirs.

    Their last layers are one, which takes what all of them give, so that it trains, transfers and is saved as
    any other network. ``ensemble_weights`` puts networks together that were trained one by one.

    Args:
        config: Settings of each of them.
        n_classes: Number of outputs C.
        members: How many, 2 or more.
    """

    card = Card("short-chunk CNNs side by side: the mean of their logits", 128, 128, dense=512)
    head_names: ClassVar[tuple[str, ...]] = ("dense2",)

    def __init__(self, config: ModelConfig, n_classes: int, members: int = 3) -> None:
        if members < 2:
            raise ConfigError(
                f"model.parameters.members must be 2 or more, got {members}; one network alone is "
                "short_chunk_cnn.",
                code="invalid-setting",
            )
        TaggingModel.__init__(self, config, n_classes)  # the parts of one network are not wanted
        config, each = self.config, range(members)
        # The maps of each are normalised by what it was trained with, and scaled after that.
        self.add_module("spec_bn", nn.Identity())
        self.scale = 1.0
        self.norms = nn.ModuleList(nn.Identity() if config.standardise else nn.BatchNorm2d(1) for _ in each)
        self.n_layers = config.n_layers
        widths = _widths(config.width, self.n_layers)
        for k in range(self.n_layers):
            blocks = nn.ModuleList(ConvBlock(widths[k], widths[k + 1]) for _ in each)
            self.add_module(f"layer{k + 1}", blocks)
        self.dense1 = nn.ModuleList(nn.Linear(4 * config.width, config.dense) for _ in each)  # type: ignore[assignment]
        self.bn = nn.ModuleList(nn.BatchNorm1d(config.dense) for _ in each)  # type: ignore[assignment]
        self.dropout = nn.Dropout(config.dropout)
        self.embedding_size = members * config.dense
        self.dense2 = nn.Linear(self.embedding_size, n_classes)

    def encode(self, features: Tensor) -> Tensor:
        """Return ``(B, members * dense)``: what the hidden layers of all give."""
        return torch.cat([self._hidden(features, m) for m in range(len(self.norms))], dim=1)

    def _hidden(self, features: Tensor, member: int) -> Tensor:
        x = self.norms[member](features) * self.config.scale
        for k in range(self.n_layers):
            x = self.get_submodule(f"layer{k + 1}.{member}")(x)
        x = self.get_submodule(f"dense1.{member}")(x.amax(dim=(2, 3)))
        return cast(Tensor, self.dropout(torch.relu(self.get_submodule(f"bn.{member}")(x))))

    def classify(self, embedding: Tensor) -> Tensor:
        """Return logits ``(B, C)`` for embeddings ``(B, E)``: the last layer alone."""
        return cast(Tensor, self.dense2(embedding))


def ensemble_weights(members: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the weights of a ``ShortChunkEnsemble`` that gives the mean of some networks' logits.

    Args:
        members: State dicts of ``ShortChunkCNN`` of the same settings and classes.

    Raises:
        ConfigError: they differ in their entries or shapes.
    """
    shapes = [{name: tuple(value.shape) for name, value in state.items()} for state in members]
    if any(shape != shapes[0] for shape in shapes):
        raise ConfigError(
            "Networks of different settings or classes cannot be put into one ensemble: their weights differ "
            "in names or shapes.",
            code="weights-mismatch",
        )
    found = {name: value for name, value in members[0].items() if name.startswith("spec.")}
    for m, state in enumerate(members):
        for name, value in state.items():
            module, _, entry = name.partition(".")
            if module not in ("spec", "dense2"):
                found[f"{'norms' if module == 'spec_bn' else module}.{m}.{entry}"] = value
    last = [state["dense2.weight"] for state in members]
    found["dense2.weight"] = torch.cat(last, dim=1) / len(members)
    found["dense2.bias"] = torch.stack([state["dense2.bias"] for state in members]).mean(dim=0)
    return found
