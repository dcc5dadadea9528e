"""Embeddings of a frozen backbone as features: of a run, of a published checkpoint, or of random weights."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mixlab.audio.io import FloatArray
from mixlab.errors import ConfigError, MissingDependencyError
from mixlab.models import ModelConfig, build_model, embed, load_weights, plain_settings, read_weights
from mixlab.models.config import LATER_SETTINGS
from mixlab.models.pretrained import find_weights, identify
from mixlab.training import load_model
from mixlab.training.baselines.config import RANDOM, BaselineConfig
from mixlab.training.baselines.features import Extract, Mixes
from mixlab.training.run import Run, read_tensors
from mixlab.training.transfer import calibrate_batch_norm, settings_of_model
from mixlab.utils.files import make_folder, temporary_path
from mixlab.utils.hashing import file_digest

__all__ = ["Embeddings", "find_embeddings"]

CALIBRATION_ITEMS = 256
"""Mixes on which the batch norm statistics of a random backbone are measured."""

_BATCH = 32


@dataclass(frozen=True)
class Embeddings:
    """The embeddings of one frozen backbone as an ``Extractor``.

    Attributes:
        path: A run folder or a file of weights.
        model: The network of a file; a run folder brings its own.
        stream: Which stream of a multi-stream file.
        peak: Whether each mix is scaled to full scale first.
        sha256: Checksum of the file of weights.
        title: What it is, for reports.
    """

    path: str
    model: ModelConfig
    stream: int | None
    peak: bool
    sha256: str
    title: str

    @property
    def content_hash(self) -> str:
        """Changes with weights, network and level."""
        parts = ["embeddings 1", self.sha256, _shape(self.model), self.stream, self.peak]
        return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:16]

    def load(self) -> Extract:
        """Return the function that computes, in float32 on the CPU: values must not depend on hardware."""
        model = _load(Path(self.path), self.model, self.stream)

        def extract(audio: FloatArray) -> FloatArray:
            mixes = _to_peak(audio) if self.peak else audio
            with torch.inference_mode():
                batches = [
                    embed(model, batch).float() for batch in torch.split(torch.from_numpy(mixes), _BATCH)
                ]
            values: FloatArray = torch.cat(batches).numpy()
            return values

        return extract


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
        return _without_denormals(load_model(Run.open(path)))
    model = build_model(config, 1)
    load_weights(model, read_weights(path, stream=stream), parts="backbone")
    return _without_denormals(model.eval())


def _without_denormals(model: nn.Module) -> nn.Module:
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
    if config.weights == RANDOM:
        path, model, title = _random_weights(config, training, cache), config.model, "random weights"
    else:
        path = find_weights(config.weights)
        known = None if path.is_dir() else identify(path)
        model = config.model if known is None or known.picture_size else known.model
        title = f"{known.name} ({known.trained_on})" if known else str(path)
        if path.is_dir():
            model = settings_of_model(Run.open(path))
    if model.sample_rate != training.mix.sample_rate:
        raise ConfigError(
            f"{title} takes audio at {model.sample_rate} Hz: set mix.sample_rate to it, found "
            f"{training.mix.sample_rate}.",
            code="sample-rate-mismatch",
        )
    file = path / "model.safetensors" if path.is_dir() else path
    peak = config.level == "peak" or (
        config.level == "auto" and not path.is_dir() and config.weights != RANDOM
    )
    found = Embeddings(str(path), model, config.pretrained_stream, peak, file_digest(file), title)
    # Refuses weights that do not fit before anything is mixed.
    _load(path, model, config.pretrained_stream)
    return found


def _random_weights(config: BaselineConfig, training: Mixes, cache: Path) -> Path:
    """Return a file with a random backbone whose statistics were measured on training mixes.

    Without these a map of -60 dB saturates the first layers, and the control would be worse than random
    weights are.
    """
    dataset = training.open()
    parts = [_shape(config.model), config.seed, dataset.content_hash, training.seed]
    name = hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:16]
    file = cache / f"random-{name}.safetensors"
    if read_tensors(file) is not None:
        return file
    torch.manual_seed(config.seed)
    model = build_model(config.model, 1).eval()

    def audio() -> Iterator[torch.Tensor]:
        count = min(CALIBRATION_ITEMS, training.n_items)
        for first in range(0, count, _BATCH):
            items = [dataset.item(index)["audio"] for index in range(first, min(first + _BATCH, count))]
            yield torch.stack(items)

    calibrate_batch_norm(model, audio())
    make_folder(cache)
    with temporary_path(file) as temporary:
        _safetensors().save_file({k: v.contiguous() for k, v in model.state_dict().items()}, temporary)
    return file


def _safetensors() -> Any:  # noqa: ANN401 - a module
    try:
        import safetensors.torch
    except ImportError as error:
        raise MissingDependencyError("Storing weights needs safetensors: install mixlab[train].") from error
    return safetensors.torch
