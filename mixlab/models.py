"""The networks: audio ``(B, 1, T)`` in, one logit per class ``(B, C)`` out.

A model is a front end (mel spectrogram in decibels, batch-normalised), a backbone (convolutions) and
a head (fully connected layers). The sigmoid is not part of a model: losses work on logits, and
``torch.sigmoid(model(audio))`` gives scores between zero and one. Names of parameters are those of the
published checkpoints (Won et al. 2020), so that their weights fit without renaming.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError as _UnpicklingError
from typing import cast

import torch
import torchaudio
from torch import Tensor, nn

from mixlab.errors import ConfigError, MissingDependencyError

__all__ = [
    "MODELS",
    "ModelConfig",
    "ShortChunkCNN",
    "backbone_parameters",
    "build_model",
    "head_parameters",
    "load_backbone",
    "n_blocks",
    "n_parameters",
    "read_weights",
    "stream_state",
]

DECIBEL_FLOOR = 1e-10
"""Smallest power before the logarithm, as in the published front end (-100 dB)."""

MAX_BLOCKS = 7
HEAD_NAMES = ("dense1", "bn", "dense2")
"""Modules that belong to the head; everything else is front end or backbone."""


@dataclass(frozen=True)
class ModelConfig:
    """Shape of a network; the defaults are the published network of the paper's section 2.1.

    Attributes:
        architecture: Key of ``MODELS``.
        sample_rate: Rate of the audio the model takes, in Hz; must be that of the mixes.
        n_fft: Window and FFT length of the spectrogram, in samples.
        hop: Hop of the spectrogram, in samples.
        n_mels: Number of mel bands between 0 Hz and ``f_max``.
        f_max: Upper edge of the mel bands in Hz; at most half of ``sample_rate``.
        width: Channels of the first block. Blocks are ``w, w, 2w, ..., 2w, 4w`` wide and the
            embedding has ``4 * width`` values, so 128 gives the published 128..512.
        n_layers: Blocks, each halving frequency and time. 0 takes as many as ``n_mels`` allows, at
            most seven: seven for 128 mels, six for 64.
        dropout: Dropout probability in the head, in [0, 1).
    """

    architecture: str = "short_chunk_cnn"
    sample_rate: int = 16000
    n_fft: int = 512
    hop: int = 256
    n_mels: int = 128
    f_max: float = 8000.0
    width: int = 128
    n_layers: int = 0
    dropout: float = 0.5

    def __post_init__(self) -> None:
        """Refuse settings no network can be built from.

        Raises:
            ConfigError: a value is out of range; the message names it and the allowed range.
        """
        if self.architecture not in MODELS:
            known = ", ".join(sorted(MODELS))
            raise ConfigError(f"Unknown model.architecture {self.architecture!r}; mixlab has: {known}.")
        for name in ("sample_rate", "n_fft", "hop", "width"):
            if getattr(self, name) < 1:
                raise ConfigError(f"model.{name} must be at least 1, got {getattr(self, name)}.")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"model.dropout must lie in [0, 1), got {self.dropout}.")
        if not 0 < self.f_max <= self.sample_rate / 2:
            raise ConfigError(
                f"model.f_max must lie in (0, {self.sample_rate / 2:g}] Hz, half of model.sample_rate; "
                f"got {self.f_max:g}."
            )
        if self.n_mels < 4:
            raise ConfigError(f"model.n_mels must be at least 4, got {self.n_mels}.")
        most = self.n_mels.bit_length() - 1
        if self.n_layers != 0 and not 2 <= self.n_layers <= most:
            raise ConfigError(
                f"model.n_layers must be 0 (automatic) or between 2 and {most} for {self.n_mels} mel bands "
                f"(every block halves them), got {self.n_layers}."
            )


def n_blocks(config: ModelConfig) -> int:
    """Return the number of convolutional blocks of a configuration."""
    return config.n_layers or min(MAX_BLOCKS, config.n_mels.bit_length() - 1)


class _Block(nn.Module):
    """Conv 3x3, batch norm, ReLU, max-pool 2: ``(B, in, H, W) -> (B, out, H // 2, W // 2)``."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, 3, padding=1)
        self.bn = nn.BatchNorm2d(n_out)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.max_pool2d(torch.relu(self.bn(self.conv(x))), 2)


def _mel_spectrogram(config: ModelConfig) -> torchaudio.transforms.MelSpectrogram:
    with warnings.catch_warnings():
        # 128 bands on 257 frequencies leave the lowest band without a bin; the published front end is so.
        warnings.filterwarnings("ignore", message="At least one mel filterbank has all zero values")
        return torchaudio.transforms.MelSpectrogram(
            sample_rate=config.sample_rate,
            n_fft=config.n_fft,
            hop_length=config.hop,
            f_min=0.0,
            f_max=config.f_max,
            n_mels=config.n_mels,
            power=2.0,
            norm=None,
            mel_scale="htk",
        )


class ShortChunkCNN(nn.Module):
    """The paper's classifier (section 2.1): a VGG-like network on a mel spectrogram.

    At ``width=128`` with 50 outputs it has 3,687,348 parameters, and its state dict has the keys of the
    published checkpoints: ``spec.*``, ``spec_bn.*``, ``layer{k}.conv/bn.*``, ``dense1``, ``bn``, ``dense2``.

    Args:
        config: Shape of the network.
        n_classes: Number of outputs C.

    Shape:
        Input: ``(B, 1, T)`` float audio at ``config.sample_rate``, full scale at +-1, ``T`` at least
        ``min_samples``. Output: ``(B, C)`` logits, without sigmoid.
    """

    spec_bn: nn.BatchNorm2d

    def __init__(self, config: ModelConfig, n_classes: int) -> None:
        super().__init__()
        if n_classes < 1:
            raise ConfigError(f"A model needs at least one class, got {n_classes}.")
        self.config = config
        self.spec = _mel_spectrogram(config)
        self.spec_bn = nn.BatchNorm2d(1)
        self.n_layers = n_blocks(config)
        w = config.width
        widths = [1, w, w, *[2 * w] * (self.n_layers - 3), 4 * w] if self.n_layers > 2 else [1, w, 4 * w]
        for k in range(self.n_layers):
            self.add_module(f"layer{k + 1}", _Block(widths[k], widths[k + 1]))
        self.embedding_size = 4 * w
        self.dense1 = nn.Linear(self.embedding_size, self.embedding_size)
        self.bn = nn.BatchNorm1d(self.embedding_size)
        self.dropout = nn.Dropout(config.dropout)
        self.dense2 = nn.Linear(self.embedding_size, n_classes)

    @property
    def min_samples(self) -> int:
        """Shortest input in samples: every block halves the frames, and one must be left."""
        return max(((1 << self.n_layers) - 1) * self.config.hop, self.config.n_fft // 2 + 1)

    def _too_short(self, n_samples: int) -> str:
        rate = self.config.sample_rate
        return (
            f"Audio of {n_samples / rate:.3f} s is too short: {self.n_layers} blocks at hop "
            f"{self.config.hop} need at least {self.min_samples / rate:.3f} s ({self.min_samples} samples at "
            f"{rate} Hz). Use longer mixes (mix.duration_s), a smaller model.hop or fewer model.n_layers."
        )

    def features(self, audio: Tensor) -> Tensor:
        """Return the normalised log-mel map ``(B, 1, n_mels, frames)`` of audio ``(B, 1, T)``, in float32.

        Runs in float32 also under autocast: a power spectrum spans 100 dB, more than bfloat16 resolves.

        Raises:
            ConfigError: the input has another shape, or is shorter than ``min_samples``.
        """
        if audio.ndim != 3 or audio.shape[1] != 1:
            raise ConfigError(f"A model takes mono audio of shape (B, 1, T), got {tuple(audio.shape)}.")
        if audio.shape[-1] < self.min_samples:
            raise ConfigError(self._too_short(audio.shape[-1]))
        with torch.autocast(audio.device.type, enabled=False):
            power = cast(Tensor, self.spec(audio.float()))
            decibels = 10.0 * torch.log10(torch.clamp(power, min=DECIBEL_FLOOR))
            return cast(Tensor, self.spec_bn(decibels))

    def embed(self, audio: Tensor) -> Tensor:
        """Return the backbone's output ``(B, 4 * width)`` for audio ``(B, 1, T)``: max over time."""
        x = self.features(audio)
        for k in range(self.n_layers):
            x = self.get_submodule(f"layer{k + 1}")(x)
        return x.amax(dim=(2, 3))

    def classify(self, embedding: Tensor) -> Tensor:
        """Return logits ``(B, C)`` for embeddings ``(B, 4 * width)``: the head alone."""
        x = torch.relu(self.bn(self.dense1(embedding)))
        return cast(Tensor, self.dense2(self.dropout(x)))

    def forward(self, audio: Tensor) -> Tensor:
        """Return logits ``(B, C)`` for audio ``(B, 1, T)``."""
        return self.classify(self.embed(audio))


MODELS: dict[str, Callable[[ModelConfig, int], nn.Module]] = {"short_chunk_cnn": ShortChunkCNN}
"""Architectures by the stable name that goes into files."""


def build_model(config: ModelConfig, n_classes: int) -> nn.Module:
    """Build a model with random weights, drawn from torch's global generator (seed it first)."""
    return MODELS[config.architecture](config, n_classes)


def _is_head(name: str) -> bool:
    return name.split(".", 1)[0] in HEAD_NAMES


def head_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Return the parameters of the fully connected head."""
    return [p for name, p in model.named_parameters() if _is_head(name)]


def backbone_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Return the parameters of front end and backbone: all that are not the head's."""
    return [p for name, p in model.named_parameters() if not _is_head(name)]


def n_parameters(model: nn.Module, *, trainable: bool = False) -> int:
    """Count parameters; with ``trainable`` only those that a gradient may move."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad or not trainable)


def read_weights(path: Path, *, stream: int | None = None) -> dict[str, Tensor]:
    """Read a state dict from ``.safetensors``, ``.pth`` / ``.pt``, or a run folder's ``model.safetensors``.

    Pickles are read with ``weights_only=True``: no code in them is run.

    Args:
        path: The file, or a run folder.
        stream: For a checkpoint of parallel streams (``layer1.0.conv.weight``): the stream to take.

    Raises:
        ConfigError: the file is missing, is not a state dict, or holds several streams and none is chosen.
    """
    file = path / "model.safetensors" if path.is_dir() else path
    if not file.is_file():
        raise ConfigError(f"No weights at {file}; expected a .safetensors or .pth file, or a run folder.")
    state = _read_state(file)
    if "layer1.0.conv.weight" in state:
        if stream is None:
            raise ConfigError(
                f"{file} holds several parallel streams; choose one with pretrained_stream (0, 1, ...)."
            )
        return stream_state(state, stream)
    return state


def _read_state(file: Path) -> dict[str, Tensor]:
    if file.suffix == ".safetensors":
        try:
            from safetensors import SafetensorError
            from safetensors.torch import load_file
        except ImportError as error:
            raise MissingDependencyError("Weights need safetensors: install mixlab[train].") from error
        try:
            return dict(load_file(file))
        except SafetensorError as error:
            raise ConfigError(f"{file} is not a readable safetensors file: {error}.") from error
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, ValueError, OSError, _UnpicklingError) as error:
        raise ConfigError(f"{file} is not a readable state dict: {error}") from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ConfigError(f"{file} does not hold a plain state dict (name -> tensor).")
    return state


def stream_state(state: Mapping[str, Tensor], stream: int) -> dict[str, Tensor]:
    """Cut one stream out of a multi-stream ShortChunkCNN checkpoint, as keys of a single-stream backbone.

    The published multi-stream network runs one backbone per separated source (``layer{k}.{stream}.conv``)
    and normalises their decibel maps with one ``BatchNorm2d`` over streams (``spec.bn``). The head sees all
    streams side by side and is left out.

    Raises:
        ConfigError: the checkpoint has no such stream.
    """
    n_streams = state["spec.bn.weight"].shape[0]
    if not 0 <= stream < n_streams:
        raise ConfigError(f"pretrained_stream must lie in 0..{n_streams - 1}, got {stream}.")
    result: dict[str, Tensor] = {}
    for key, value in state.items():
        parts = key.split(".")
        if key.startswith("spec.spec."):
            result[key.removeprefix("spec.")] = value
        elif key.startswith("spec.bn."):
            result["spec_bn." + parts[-1]] = value if value.ndim == 0 else value[stream : stream + 1]
        elif parts[0].startswith("layer") and parts[1] == str(stream):
            result[".".join([parts[0], *parts[2:]])] = value
    return result


def load_backbone(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load front end and backbone weights into ``model``, in place; its head stays as it is.

    The paper's transfer (section 2.4) replaces the fully connected layers by new ones in the same way.

    Raises:
        ConfigError: a backbone weight is missing or has another shape; the message names the first ones.
    """
    wanted = {key: value for key, value in model.state_dict().items() if not _is_head(key)}
    missing = [key for key in wanted if key not in state]
    if missing:
        raise ConfigError(f"The weights lack {len(missing)} backbone entries: {', '.join(missing[:4])}.")
    unlike = [
        f"{key} is {tuple(state[key].shape)}, expected {tuple(value.shape)}"
        for key, value in wanted.items()
        if state[key].shape != value.shape
    ]
    if unlike:
        raise ConfigError(
            "The weights do not fit this model (check model.width, n_mels and n_fft): "
            f"{'; '.join(unlike[:3])}."
        )
    model.load_state_dict({key: state[key] for key in wanted}, strict=False)
