"""Networks for pictures, on a spectrogram in place of one: torchvision's ResNets and Inception v3.

Their layers keep torchvision's names, so that a state dict in torchvision's own format fits without renaming.
What the weights of ImageNet expect of a picture is each network's own (``normalise``); how a spectrogram
becomes one is the same for all (``ImageNetwork.pictures``).
"""

import math
from collections.abc import Callable
from typing import Any, ClassVar, Literal, cast, get_args

import torch
from torch import Tensor, nn

from mixlab.errors import ConfigError, MissingDependencyError
from mixlab.models.base import Card, TaggingModel
from mixlab.models.config import ModelConfig
from mixlab.models.front_end import NATURAL

__all__ = ["ChannelConversion", "ImageNetwork", "InceptionV3", "ResNet18", "ResNet50"]

ChannelConversion = Literal["duplicate", "zero_pad", "stereo"]
"""How one map becomes three channels."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
"""Of red, green and blue over ImageNet's pictures, in [0, 1]; torchvision's weights were trained on these."""

GREY_MEAN, GREY_DEVIATION = 0.449, 0.226
"""Their means over the colours."""

DYNAMIC_RANGE_DB = 100.0
"""From black to white, the level of a sine at full scale."""

PALETTE = (
    (0.0, 0.0, 0.0),
    (0.0, 0.0, 0.5),
    (0.5, 0.0, 0.5),
    (1.0, 0.0, 0.0),
    (1.0, 0.65, 0.0),
    (1.0, 1.0, 0.2),
    (1.0, 1.0, 1.0),
)
"""Red, green and blue at equal steps of brightness: black, blue, purple, red, orange, yellow, white."""


class ImageNetwork(TaggingModel):
    """A network for pictures with three channels: its front end makes some out of audio.

    The map becomes a picture in [0, 1], and that what the network's published weights take (``normalise``).
    The papers leave open how; two ways, by ``model.standardise``:

    - False: brightness is level. White is a sine at full scale, black 100 dB below it, and what is beyond
      is cut off, as in a picture file. Loudness thus stays a cue.
    - True: each excerpt's map has zero mean and unit variance, and gets the mean and the deviation of
      ImageNet's pictures; nothing is cut off. Loudness is no cue. Maps weighted ``per_frequency`` are shown
      in the same way.

    Brightness is linear in decibels or, which is the same picture, in their natural logarithm
    (``model.magnitude``); with ``linear`` it is power, and music is nearly black. ``model.scale`` multiplies
    what the network is given.

    There is no batch norm on the map (``spec_bn``), as the input's range is fixed.

    Args:
        config: Its settings; ``width``, ``n_layers`` and ``dense`` are the published ones.
        n_classes: Number of outputs C.
        channel_conversion: Zhong et al. (section 3.2): ``duplicate``, the picture in all three
            channels; ``zero_pad``, in the first, and zeros, after ``normalise``, in the two others;
            ``stereo``, those of the mean of left and right, of left, and of right, for which the network
            takes audio of two channels.
        image_size: Height and width to which the map is brought, bilinear; 0 leaves it as it is, ``n_mels``
            high and as wide as there are frames.
        colour: Brightness as a colour of ``PALETTE`` instead of grey; goes with ``duplicate``.

    Attributes:
        in_channels: Channels of the audio: 2 for ``stereo``, else 1.

    Shape:
        Input: ``(B, in_channels, T)``. Output: ``(B, C)`` logits.
    """

    head_names: ClassVar[tuple[str, ...]] = ("dropout", "fc")

    least_size: ClassVar[int] = 1
    """Smallest height and width of a picture."""

    def __init__(
        self,
        config: ModelConfig,
        n_classes: int,
        channel_conversion: ChannelConversion = "duplicate",
        image_size: int = 0,
        colour: bool = False,
    ) -> None:
        super().__init__(config, n_classes)
        self.channel_conversion, self.image_size, self.colour = channel_conversion, image_size, colour
        self._check_settings()
        self.in_channels = 2 if channel_conversion == "stereo" else 1
        self.add_module("spec_bn", nn.Identity())
        self.register_buffer("palette", torch.tensor(PALETTE), persistent=False)
        size = self.add_backbone()
        self.embedding_size = size
        self.add_module(self.head_names[0], nn.Dropout(self.config.dropout))
        self.add_module(self.head_names[1], nn.Linear(size, n_classes))

    @classmethod
    def resolve(cls, config: ModelConfig) -> ModelConfig:
        """Return the settings with published values in place of zeros; sizes are the published ones."""
        given = [name for name in ("width", "n_layers", "dense") if getattr(config, name)]
        if given:
            raise ConfigError(
                f"{config.architecture} has its published size: leave model.{given[0]} 0, got "
                f"{getattr(config, given[0])}.",
                code="conflicting-settings",
            )
        return super().resolve(config)

    def _check_settings(self) -> None:
        conversion, size = self.channel_conversion, self.image_size
        if conversion not in get_args(ChannelConversion):
            raise ConfigError(
                "model.parameters.channel_conversion must be one of "
                f"{', '.join(get_args(ChannelConversion))}, got {conversion!r}.",
                code="invalid-setting",
            )
        if size < 0 or 0 < size < self.least_size:
            raise ConfigError(
                f"model.parameters.image_size must be 0 (the map as it is) or at least {self.least_size} for "
                f"{self.config.architecture}, got {size}.",
                code="invalid-setting",
            )
        if not size and self.config.n_mels < self.least_size:
            raise ConfigError(
                f"{self.config.architecture} takes pictures of at least {self.least_size} pixels a side: set "
                f"model.parameters.image_size, or model.n_mels to more than {self.config.n_mels}.",
                code="conflicting-settings",
            )
        if self.colour and conversion != "duplicate":
            raise ConfigError(
                "model.parameters.colour fills all three channels: it goes with channel_conversion="
                f"duplicate, got {conversion}.",
                code="conflicting-settings",
            )
        if conversion == "stereo" and self.config.level == "peak":
            raise ConfigError(
                "model.level=peak would scale left and right each for itself: leave it as_mixed with "
                "channel_conversion=stereo.",
                code="conflicting-settings",
            )

    @property
    def min_frames(self) -> int:
        """As many as the smallest picture is wide."""
        return 1 if self.image_size else self.least_size

    def add_backbone(self) -> int:
        """Add the network's layers but for the last, with random weights; return the embedding's size."""
        raise NotImplementedError

    def normalise(self, pictures: Tensor) -> Tensor:
        """Return pictures ``(B, 3, H, W)`` in [0, 1] as the published weights take them."""
        mean, deviation = (
            pictures.new_tensor(v).view(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_DEVIATION)
        )
        return (pictures - mean) / deviation

    def pictures(self, audio: Tensor) -> Tensor:
        """Return what the network sees of audio ``(B, in_channels, T)``: ``(B, 3, H, W)``, in float32.

        Raises:
            ConfigError: the audio has another shape, or is too short.
        """
        if audio.ndim != 3 or audio.shape[1] != self.in_channels:
            raise ConfigError(
                f"{self.config.architecture} with channel_conversion={self.channel_conversion} takes audio "
                f"of shape (B, {self.in_channels}, T), got {tuple(audio.shape)}.",
                code="wrong-shape",
            )
        with torch.autocast(audio.device.type, enabled=False):
            if self.channel_conversion == "stereo":
                audio = torch.cat([audio.mean(dim=1, keepdim=True), audio], dim=1)
            maps = self.features(audio.reshape(-1, 1, audio.shape[-1])) / self.scale
            grey = self._resized(self.brightness(maps))
            return self._in_channels_of_colour(grey.reshape(len(audio), -1, *grey.shape[2:])) * self.scale

    def brightness(self, maps: Tensor) -> Tensor:
        """Return maps ``(B, 1, n_mels, frames)`` as brightness, in [0, 1] where the map keeps its level."""
        if self.standardise or self.frequency_weighting == "per_frequency":
            return GREY_MEAN + GREY_DEVIATION * maps
        # A Hann window's main lobe holds 1.5 times the power of its middle, and a mel band holds the lobe.
        full_scale = 1.5 * (self.n_fft / 4) ** 2
        if self.magnitude == "linear":
            return (maps / full_scale).clamp(0, 1)
        decibels = maps / NATURAL if self.magnitude == "ln" else maps
        return (1 + (decibels - 10 * math.log10(full_scale)) / DYNAMIC_RANGE_DB).clamp(0, 1)

    def _in_channels_of_colour(self, grey: Tensor) -> Tensor:
        """Return brightness ``(B, 1 or 3, H, W)`` as the network takes it, ``(B, 3, H, W)``."""
        if self.colour:
            return self.normalise(self._coloured(grey))
        shown = self.normalise(grey.expand(-1, 3, -1, -1))
        if self.channel_conversion == "zero_pad":
            shown = torch.cat([shown[:, :1], torch.zeros_like(shown[:, 1:])], dim=1)
        return shown

    def _resized(self, maps: Tensor) -> Tensor:
        if not self.image_size:
            return maps
        size = (self.image_size, self.image_size)
        return nn.functional.interpolate(maps, size, mode="bilinear", antialias=True)

    def _coloured(self, grey: Tensor) -> Tensor:
        """Return brightness ``(B, 1, H, W)`` as the palette's red, green and blue ``(B, 3, H, W)``."""
        palette = cast(Tensor, self.palette)
        place = grey[:, 0].clamp(0, 1) * (len(palette) - 1)
        below = place.floor().long().clamp(max=len(palette) - 2)
        share = (place - below).unsqueeze(-1)
        return torch.lerp(palette[below], palette[below + 1], share).movedim(-1, 1)

    def embed(self, audio: Tensor) -> Tensor:
        """Return embeddings ``(B, E)`` for audio ``(B, in_channels, T)``: the input of the head."""
        return self.encode(self.pictures(audio))

    def classify(self, embedding: Tensor) -> Tensor:
        """Return logits ``(B, C)`` for embeddings ``(B, E)``: the head alone."""
        dropout, last = (self.get_submodule(name) for name in self.head_names)
        return cast(Tensor, last(dropout(embedding)))


class TorchvisionNetwork(ImageNetwork):
    """One of torchvision's, whose layers are passed one after the other, without its last one."""

    order: list[str]
    """Modules in the order in which they are passed."""

    left_out: ClassVar[tuple[str, ...]] = ("fc",)
    """Modules that are not taken over: the last layer, and what belongs to another loss."""

    blocks: ClassVar[tuple[str, ...]] = ("layer",)
    """How the names of its blocks begin."""

    @staticmethod
    def original() -> nn.Module:
        """Return torchvision's own, with random weights."""
        raise NotImplementedError

    def add_backbone(self) -> int:
        """Take over the layers under torchvision's names."""
        network = type(self).original()
        self.order = [name for name, _ in network.named_children() if name not in self.left_out]
        for name in self.order:
            self.add_module(name, network.get_submodule(name))
        return cast(nn.Linear, network.get_submodule("fc")).in_features

    @property
    def block_names(self) -> tuple[str, ...]:
        """Names of the blocks, lowest first."""
        return tuple(name for name in self.order if name.startswith(self.blocks))

    def encode(self, features: Tensor) -> Tensor:
        """Return ``(B, E)`` for pictures ``(B, 3, H, W)``: the last maps, averaged over height and width."""
        x = features
        for name in self.order:
            x = self.get_submodule(name)(x)
        return x.flatten(1)


class ResNet18(TorchvisionNetwork):
    """ResNet-18 (He et al. 2016): 11,689,512 parameters with ImageNet's 1,000 outputs."""

    card = Card("ResNet-18 for pictures, on a spectrogram (He et al. 2016; torchvision)", 128, 0)

    @staticmethod
    def original() -> nn.Module:
        """Return torchvision's own, with random weights."""
        return _torchvision("resnet18")(weights=None)


class ResNet50(TorchvisionNetwork):
    """ResNet-50 (He et al. 2016): 25,557,032 parameters with ImageNet's 1,000 outputs."""

    card = Card("ResNet-50 for pictures, on a spectrogram (He et al. 2016; torchvision)", 128, 0)

    @staticmethod
    def original() -> nn.Module:
        """Return torchvision's own, with random weights."""
        return _torchvision("resnet50")(weights=None)


class InceptionV3(TorchvisionNetwork):
    """Inception v3 (Szegedy et al. 2016): 23,834,568 parameters with 1,000 outputs, without the second head.

    torchvision's files hold a second classifier beside the network (``AuxLogits``, 3,326,696 parameters),
    which only helped its training; it is not part of this one, and its entries are passed over. Pictures are
    at least 75 pixels a side; it was published for 299.
    """

    card = Card("Inception v3 for pictures, on a spectrogram (Szegedy et al. 2016; torchvision)", 128, 0)
    left_out = ("fc", "AuxLogits", "dropout")
    blocks = ("Conv2d_", "Mixed_")
    least_size = 75

    @staticmethod
    def original() -> nn.Module:
        """Return torchvision's own, with random weights."""
        return _torchvision("inception_v3")(weights=None, aux_logits=False, init_weights=True)

    def normalise(self, pictures: Tensor) -> Tensor:
        """Return pictures in [0, 1] in [-1, 1]: what its weights were trained on, in TensorFlow."""
        return 2 * pictures - 1


def _torchvision(name: str) -> Callable[..., nn.Module]:
    try:
        from torchvision import models
    except ImportError as error:
        raise MissingDependencyError(
            f"The network {name} needs torchvision: install mixlab[train]."
        ) from error
    found: Any = getattr(models, name)
    return cast(Callable[..., nn.Module], found)
