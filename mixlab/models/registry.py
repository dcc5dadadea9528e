"""From the settings of a model to a network: mixlab's own by name, others by ``package.module:Class``."""

import inspect
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import nn

from mixlab.errors import ConfigError
from mixlab.models.arguments import Arguments, typed_arguments
from mixlab.models.base import TaggingModel
from mixlab.models.choi import CRNN, FCN
from mixlab.models.config import MEL_SETTINGS, ModelConfig
from mixlab.models.efficientnet_lite import EfficientNetLite0
from mixlab.models.image_networks import InceptionV3, ResNet18, ResNet50
from mixlab.models.musicnn import Musicnn
from mixlab.models.parts import check_parts, classify, embed, in_channels
from mixlab.models.rawnet2 import RawNet2
from mixlab.models.short_chunk import ShortChunkCNN, ShortChunkCNNRes, ShortChunkEnsemble
from mixlab.models.stft_convnet import StftConvNet
from mixlab.utils.plugins import find, running, source_digest

__all__ = [
    "MODELS",
    "build_model",
    "check_outputs",
    "network_class",
    "plain_settings",
    "resolve",
    "source_hash",
]

MODELS: dict[str, type[nn.Module]] = {
    "short_chunk_cnn": ShortChunkCNN,
    "short_chunk_cnn_res": ShortChunkCNNRes,
    "short_chunk_ensemble": ShortChunkEnsemble,
    "musicnn": Musicnn,
    "crnn": CRNN,
    "fcn": FCN,
    "rawnet2": RawNet2,
    "stft_convnet": StftConvNet,
    "resnet18": ResNet18,
    "resnet50": ResNet50,
    "inception_v3": InceptionV3,
    "efficientnet_lite0": EfficientNetLite0,
}
"""Networks by the stable name that goes into files."""


def network_class(architecture: str) -> type[nn.Module]:
    """Return the class that a setting names.

    Raises:
        ConfigError: there is none, its module cannot be imported, or it is no ``nn.Module``.
    """
    found = find(architecture, MODELS, "mixlab.models", "network")
    if not isinstance(found, type) or not issubclass(found, nn.Module):
        raise ConfigError(
            f"model.architecture={architecture} is {found!r}; expected a subclass of torch.nn.Module.",
            code="unfit-plugin",
        )
    return found


def resolve(config: ModelConfig) -> ModelConfig:
    """Return the settings with the value that counts in every place, all of them checked.

    For a network on mixlab's mel front end, published values take the place of zeros. For others,
    ``parameters`` hold every argument of the constructor.

    Raises:
        ConfigError: there is no such network, a setting that it does not have, or a value it cannot have.

    Example:
        >>> from mixlab.models import ModelConfig, resolve
        >>> resolve(ModelConfig(architecture="musicnn")).n_mels
        96
    """
    cls = network_class(config.architecture)
    with running("network", config.architecture):
        full = cls.resolve(config) if issubclass(cls, TaggingModel) else _without_mel_settings(config)
    return replace(full, parameters=_arguments(cls, config).plain)


def source_hash(config: ModelConfig) -> str | None:
    """Return the SHA-256 of the file that holds a network's class; None for mixlab's own and where none is.

    Weights fit a class that has changed since as long as their shapes do, and mean something else then.
    """
    cls = network_class(config.architecture)
    return None if config.architecture in MODELS else source_digest(cls)


def plain_settings(config: ModelConfig) -> dict[str, Any]:
    """Return the settings that count for a network as plain data: what its card says of it.

    Raises:
        ConfigError: as ``resolve``.
    """
    full = asdict(resolve(config))
    if not issubclass(network_class(config.architecture), TaggingModel):
        unseen: tuple[str, ...] = MEL_SETTINGS
    else:
        unseen = () if full["parameters"] else ("parameters",)
    return {name: value for name, value in full.items() if name not in unseen}


def build_model(config: ModelConfig, n_classes: int) -> nn.Module:
    """Build a network with random weights, sampled from torch's global generator (seed it first).

    Raises:
        ConfigError: as ``resolve``; or the network takes another sample rate, does not name its parts, or
            its constructor fails.

    Example:
        >>> import torch
        >>> from mixlab.models import ModelConfig, build_model
        >>> model = build_model(ModelConfig(architecture="musicnn"), n_classes=15)
        >>> tuple(model.eval()(torch.zeros(2, 1, 48_000)).shape)
        (2, 15)
    """
    if n_classes < 1:
        raise ConfigError(f"A model needs at least one class, got {n_classes}.", code="invalid-setting")
    config = resolve(config)
    cls = network_class(config.architecture)
    values = _arguments(cls, config).values
    with running("network", config.architecture):
        if issubclass(cls, TaggingModel):
            model: nn.Module = cls(config, n_classes, **values)
        else:
            if "sample_rate" in inspect.signature(cls).parameters:
                values["sample_rate"] = config.sample_rate
            model = cls(n_classes=n_classes, **values)
        _check_rate(model, config)
        check_parts(model, config.architecture)
    return model


def check_outputs(model: nn.Module, config: ModelConfig, n_classes: int, n_samples: int) -> None:
    """Refuse a network that does not do with silence of a window's length what it is to do.

    Args:
        model: In evaluation mode.
        config: Its settings.
        n_classes: Outputs that it is to have, C.
        n_samples: Length of the windows it will be given.

    Raises:
        ConfigError: it fails, gives another shape or no finite numbers, or its head on its embeddings gives
            something else than the network as a whole.
    """
    silence, name = torch.zeros(1, in_channels(model), n_samples), config.architecture
    window = f"on audio of shape {tuple(silence.shape)}, a window of {n_samples / config.sample_rate:g} s,"
    with torch.no_grad(), running("network", name, window):
        logits, embedding = model(silence), embed(model, silence)
        for part, result in (("forward", logits), ("embed", embedding)):
            _check_tensor(result, f"{name}, {part}")
        found = classify(model, embedding)
        _check_tensor(found, f"{name}, classify")
    if logits.shape != (1, n_classes) or embedding.ndim != 2:
        raise ConfigError(
            f"{name} gives logits of shape {tuple(logits.shape)} and embeddings of shape "
            f"{tuple(embedding.shape)} for one window; expected (1, {n_classes}) and (1, E).",
            code="unfit-plugin",
        )
    if not torch.isfinite(logits).all():
        raise ConfigError(
            f"{name} gives no finite numbers for silence; mixes can hold silence.", code="unfit-plugin"
        )
    if not torch.allclose(logits, found, rtol=1e-3, atol=1e-4):
        raise ConfigError(
            f"{name} gives other logits than its head does on its embeddings: a frozen backbone could not be "
            "trained behind. Let forward(audio) be classify(embed(audio)), or head(backbone(audio)).",
            code="unfit-plugin",
        )


def _check_tensor(result: object, where: str) -> None:
    if not isinstance(result, torch.Tensor):
        raise ConfigError(
            f"{where}: expected one torch.Tensor, found a {type(result).__name__}.", code="unfit-plugin"
        )


def _without_mel_settings(config: ModelConfig) -> ModelConfig:
    """Return the settings of a network of another make, without those it would not see."""
    plain = ModelConfig(config.architecture, config.sample_rate)
    given = [name for name in MEL_SETTINGS if getattr(config, name) != getattr(plain, name)]
    if given:
        raise ConfigError(
            f"{', '.join(f'model.{name}' for name in given)}: not a setting of {config.architecture}, but of "
            "the networks on mixlab's mel front end. Its own settings go below model.parameters.",
            code="conflicting-settings",
        )
    return plain


def _arguments(cls: type[nn.Module], config: ModelConfig) -> Arguments:
    own = (
        ("n_classes", "sample_rate", "config")
        if issubclass(cls, TaggingModel)
        else ("n_classes", "sample_rate")
    )
    if "n_classes" not in inspect.signature(cls).parameters:
        raise ConfigError(
            f"{config.architecture} cannot be told its number of outputs: its constructor takes no "
            "n_classes.",
            code="unfit-plugin",
        )
    return typed_arguments(cls, config.parameters, skip=own, where="model.parameters")


def _check_rate(model: nn.Module, config: ModelConfig) -> None:
    rate = getattr(model, "sample_rate", config.sample_rate)
    if rate != config.sample_rate:
        raise ConfigError(
            f"{config.architecture} takes audio at {rate} Hz: set model.sample_rate to it, found "
            f"{config.sample_rate}.",
            code="sample-rate-mismatch",
        )
