"""What a frozen network gives as features: embeddings, or the mean activations of its blocks.

The network is that of a run, of a published checkpoint, or one of random weights.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mixlab.audio.io import FloatArray
from mixlab.errors import ConfigError, MissingDependencyError
from mixlab.models import (
    ModelConfig,
    backbone_parameters,
    block_features,
    build_model,
    embed,
    in_channels,
    load_weights,
    plain_settings,
    read_weights,
)
from mixlab.models.config import LATER_SETTINGS
from mixlab.models.pretrained import find_weights, identify
from mixlab.training import load_model
from mixlab.training.baselines.config import RANDOM, BaselineConfig
from mixlab.training.baselines.features import Extract, Mixes
from mixlab.training.run import Run, read_tensors
from mixlab.training.transfer import calibrate_batch_norm, settings_of_model
from mixlab.utils.files import make_folder, write_atomic
from mixlab.utils.hashing import file_digest

__all__ = [
    "BATCH",
    "CALIBRATION_ITEMS",
    "Calibration",
    "Embeddings",
    "NetworkChoice",
    "block_columns",
    "find_embeddings",
    "find_network",
    "network_extract",
    "without_denormals",
]

CALIBRATION_ITEMS = 256
"""Mixes or clips on which the batch norm statistics of a random backbone are measured."""

BATCH = 32
"""Items that a network is given at a time."""


@dataclass(frozen=True)
class NetworkChoice:
    """Which frozen network, and what of it is taken.

    Attributes:
        weights: A run folder, a file, a name that 'mixlab weights' lists, or ``random``.
        model: The network of a file that is not known, and of random weights.
        stream: Which stream of a multi-stream file.
        blocks: Whether the mean activations of all blocks are taken instead of embeddings.
        level: ``peak`` scales audio to full scale first; ``as_mixed`` leaves it; ``auto`` is ``peak`` for
            checkpoint files.
        seed: Of random weights.
    """

    weights: str
    model: ModelConfig
    stream: int | None
    blocks: bool
    level: str
    seed: int


@dataclass(frozen=True)
class Calibration:
    """Audio on which the batch norm statistics of random weights are measured.

    Attributes:
        key: Changes with the audio.
        audio: Given a network's settings, its number of channels and the shortest input that it takes, gives
            batches ``(B, channels, T)``.
    """

    key: tuple[object, ...]
    audio: Callable[[ModelConfig, int, int], Iterator[Tensor]]


@dataclass(frozen=True)
class Embeddings:
    """What one frozen network gives as an ``Extractor``.

    Attributes:
        path: A run folder or a file of weights.
        model: The network of a file; a run folder brings its own.
        stream: Which stream of a multi-stream file.
        peak: Whether audio is scaled to full scale first.
        sha256: Checksum of the file of weights.
        title: What it is, for reports.
        blocks: Whether it gives the mean activations of all blocks, lowest first, instead of embeddings.
        widths: Values of each block, where ``blocks``.
        channels: Channels of the audio it takes.
        min_samples: Shortest audio it takes.
        parameters: Weights of its front end and backbone.
    """

    path: str
    model: ModelConfig
    stream: int | None
    peak: bool
    sha256: str
    title: str
    blocks: bool = False
    widths: tuple[int, ...] = ()
    channels: int = 1
    min_samples: int = 0
    parameters: int = 0

    @property
    def content_hash(self) -> str:
        """Changes with weights, network, level and what is taken."""
        kind = "blocks 1" if self.blocks else "embeddings 1"
        parts = [kind, self.sha256, _shape(self.model), self.stream, self.peak]
        return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:16]

    def load(self) -> Extract:
        """Return the function that computes, in float32 on the CPU: values must not depend on hardware."""
        return network_extract(self.network(), peak=self.peak, blocks=self.blocks)

    def network(self) -> nn.Module:
        """Return the frozen network, in evaluation mode on the CPU."""
        return _load(Path(self.path), self.model, self.stream)


def network_extract(model: nn.Module, *, peak: bool, blocks: bool) -> Extract:
    """Return the function that computes features by a network, on the device where it lies.

    Args:
        model: In evaluation mode.
        peak: Whether audio is scaled to full scale first.
        blocks: Whether the mean activations of all blocks are taken instead of embeddings.
    """

    def extract(audio: FloatArray) -> FloatArray:
        items = _to_peak(audio) if peak else audio
        weight = next(model.parameters(), None)
        device = torch.device("cpu") if weight is None else weight.device
        with torch.inference_mode():
            batches = [
                _taken(model, batch.to(device), blocks).cpu()
                for batch in torch.split(torch.from_numpy(items), BATCH)
            ]
        values: FloatArray = torch.cat(batches).numpy()
        return values

    return extract


def _taken(model: nn.Module, audio: Tensor, blocks: bool) -> Tensor:
    found = torch.cat(block_features(model, audio), dim=1) if blocks else embed(model, audio)
    return found.float()


def block_columns(widths: Sequence[int], layers: Sequence[int]) -> NDArray[np.int64]:
    """Return the columns of some blocks among the values of all, in the order of the blocks.

    Args:
        widths: Values of each block, lowest first.
        layers: Numbers of blocks from 1; none takes all.

    Raises:
        ConfigError: there is no such block.
    """
    if layers and max(layers) > len(widths):
        raise ConfigError(
            f"baseline.layers: this network has {len(widths)} blocks, found {max(layers)}.",
            code="invalid-setting",
        )
    edges = np.cumsum([0, *widths])
    chosen = sorted(layers) or range(1, len(widths) + 1)
    return np.concatenate([np.arange(edges[k - 1], edges[k]) for k in chosen]).astype(np.int64)


def _shape(config: ModelConfig) -> dict[str, Any]:
    """Return a network's settings; later ones with their defaults are left out, as in older caches."""
    usual = ModelConfig()
    return {
        name: value
        for name, value in plain_settings(config).items()
        if name not in LATER_SETTINGS or value != getattr(usual, name)
    }


def _to_peak(audio: FloatArray) -> FloatArray:
    """Scale each mix of ``(B, 1, T)`` so that its peak is 1; silence stays."""
    peak = np.abs(audio).max(axis=(1, 2), keepdims=True)
    return np.asarray(audio / np.where(peak > 0, peak, 1), np.float32)


def _load(path: Path, config: ModelConfig, stream: int | None) -> nn.Module:
    if path.is_dir():
        return without_denormals(load_model(Run.open(path)))
    model = build_model(config, 1)
    load_weights(model, read_weights(path, stream=stream), parts="backbone")
    return without_denormals(model.eval())


def without_denormals(model: nn.Module) -> nn.Module:
    """Set weights below the smallest normal number to 0: they change no value, and cost most of the time.

    The published musicnn holds 31,000 of them, with which a processor takes a hundred times as long.
    """
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.masked_fill_(parameter.abs() < torch.finfo(parameter.dtype).tiny, 0.0)
    return model


def find_embeddings(config: BaselineConfig, training: Mixes, cache: Path) -> Embeddings:
    """Return the extractor that a baseline's settings name.

    Args:
        config: Settings.
        training: The training mixes: the statistics of a random backbone are measured on the first.
        cache: Where random weights are kept, so that every process has the same.

    Raises:
        WeightsError: there are no weights where ``config.weights`` says.
        ConfigError: they do not fit the network, or the network takes another sample rate than the mixes.
    """
    choice = NetworkChoice(
        config.weights,
        config.model,
        config.pretrained_stream,
        config.features == "convnet",
        config.level,
        config.seed,
    )
    n_samples = round(training.mix.duration_s * training.mix.sample_rate)
    found = find_network(choice, _mixes_to_measure(training), cache, n_samples, training.mix.sample_rate)
    if found.channels != 1:
        raise ConfigError(
            f"{found.title} takes {found.channels} channels, mixes of a baseline have one: choose another "
            "channel conversion in baseline.model.parameters.",
            code="mono-required",
        )
    return found


def find_network(
    choice: NetworkChoice,
    calibration: Calibration,
    cache: Path,
    n_samples: int,
    sample_rate: int | None = None,
) -> Embeddings:
    """Return a frozen network as an extractor, once it is sure that it works.

    Args:
        choice: Which network.
        calibration: What the statistics of random weights are measured on.
        cache: Where random weights are kept, so that every process has the same.
        n_samples: Length of the audio it is tried on; 0 takes a second, or the shortest that it takes.
        sample_rate: Of the audio; None takes the network's.

    Raises:
        WeightsError: there are no weights where the choice says.
        ConfigError: they do not fit the network, or it takes another sample rate or longer audio.
    """
    random = choice.weights == RANDOM
    path = None if random else find_weights(choice.weights)
    model, title = _network_of(choice, path)
    if sample_rate is not None and model.sample_rate != sample_rate:
        raise ConfigError(
            f"{title} takes audio at {model.sample_rate} Hz: set mix.sample_rate to it, found {sample_rate}.",
            code="sample-rate-mismatch",
        )
    path = _random_weights(choice, calibration, cache) if path is None else path
    file = path / "model.safetensors" if path.is_dir() else path
    peak = choice.level == "peak" or (choice.level == "auto" and not path.is_dir() and not random)
    # Refuses weights and lengths that do not fit before anything is computed.
    loaded = _load(path, model, choice.stream)
    channels, least = in_channels(loaded), _least(loaded)
    silence = torch.zeros(1, channels, n_samples or max(least, model.sample_rate))
    with torch.inference_mode():
        widths = [block.shape[1] for block in block_features(loaded, silence)] if choice.blocks else []
        if not choice.blocks:
            embed(loaded, silence)
    return Embeddings(
        str(path),
        model,
        choice.stream,
        peak,
        file_digest(file),
        title,
        choice.blocks,
        tuple(widths),
        channels,
        least,
        sum(parameter.numel() for parameter in backbone_parameters(loaded)),
    )


def _network_of(choice: NetworkChoice, path: Path | None) -> tuple[ModelConfig, str]:
    """Return the settings of the network that some weights belong to, and what to call it."""
    if path is None:
        return choice.model, "random weights"
    if path.is_dir():
        return settings_of_model(Run.open(path)), str(path)
    known = identify(path)
    if known is None:
        return choice.model, str(path)
    # Of a network for pictures the weights leave open what picture it is shown.
    return choice.model if known.picture_size else known.model, f"{known.name} ({known.trained_on})"


def _mixes_to_measure(training: Mixes) -> Calibration:
    dataset = training.open()

    def audio(model: ModelConfig, channels: int, least: int) -> Iterator[Tensor]:
        count = min(CALIBRATION_ITEMS, training.n_items)
        for first in range(0, count, BATCH):
            items = [dataset.item(index)["audio"] for index in range(first, min(first + BATCH, count))]
            yield torch.stack(items)

    return Calibration((dataset.content_hash, training.seed), audio)


def _least(model: nn.Module) -> int:
    """Return the shortest input that a network takes, in samples; 0 where it does not say."""
    return int(getattr(model, "min_samples", 0))


def _random_weights(choice: NetworkChoice, calibration: Calibration, cache: Path) -> Path:
    """Return a file with a random backbone whose statistics were measured on training audio.

    Without these a map of -60 dB saturates the first layers, and the control would be worse than random
    weights are.
    """
    parts = [_shape(choice.model), choice.seed, *calibration.key]
    name = hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:16]
    file = cache / f"random-{name}.safetensors"
    if read_tensors(file) is not None:
        return file
    torch.manual_seed(choice.seed)
    model = build_model(choice.model, 1).eval()
    calibrate_batch_norm(model, calibration.audio(choice.model, in_channels(model), _least(model)))
    make_folder(cache)
    write_atomic(file, _safetensors().save({k: v.contiguous() for k, v in model.state_dict().items()}))
    return file


def _safetensors() -> Any:  # noqa: ANN401 - a module
    try:
        import safetensors.torch
    except ImportError as error:
        raise MissingDependencyError("Storing weights needs safetensors: install mixlab[train].") from error
    return safetensors.torch
