"""From the name in a configuration to a network, and which of its parameters are the head's."""

from torch import nn

from mixlab.models.base import TaggingModel
from mixlab.models.choi import CRNN, FCN
from mixlab.models.config import ModelConfig
from mixlab.models.musicnn import Musicnn
from mixlab.models.short_chunk import ShortChunkCNN, ShortChunkCNNRes

__all__ = [
    "MODELS",
    "backbone_parameters",
    "build_model",
    "head_parameters",
    "last_parameters",
    "n_parameters",
]

MODELS: dict[str, type[TaggingModel]] = {
    "short_chunk_cnn": ShortChunkCNN,
    "short_chunk_cnn_res": ShortChunkCNNRes,
    "musicnn": Musicnn,
    "crnn": CRNN,
    "fcn": FCN,
}
"""Networks by the stable name that goes into files; their published sizes are in ``ARCHITECTURES``."""


def build_model(config: ModelConfig, n_classes: int) -> TaggingModel:
    """Build a model with random weights, drawn from torch's global generator (seed it first)."""
    return MODELS[config.architecture](config, n_classes)


def _within(name: str, modules: tuple[str, ...]) -> bool:
    return name.split(".", 1)[0] in modules


def head_parameters(model: TaggingModel) -> list[nn.Parameter]:
    """Return the parameters of the fully connected head."""
    return [p for name, p in model.named_parameters() if _within(name, model.head_names)]


def last_parameters(model: TaggingModel) -> list[nn.Parameter]:
    """Return the parameters of the last fully connected layer."""
    return [p for name, p in model.named_parameters() if _within(name, (model.last_name,))]


def backbone_parameters(model: TaggingModel) -> list[nn.Parameter]:
    """Return the parameters of front end and backbone: all that are not the head's."""
    return [p for name, p in model.named_parameters() if not _within(name, model.head_names)]


def n_parameters(model: nn.Module, *, trainable: bool = False) -> int:
    """Count parameters; with ``trainable`` only those that a gradient may move."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad or not trainable)
