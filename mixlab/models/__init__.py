"""The networks: audio ``(B, 1, T)`` in, one logit per class ``(B, C)`` out.

A model is a front end (mel spectrogram in decibels, batch-normalised), a backbone (convolutions) and
a head (fully connected layers). The sigmoid is not part of a model: losses work on logits, and
``torch.sigmoid(model(audio))`` gives scores between zero and one. Names of parameters are those of the
published checkpoints (Won et al. 2020, "Evaluation of CNN-based automatic music tagging models"), so
that their weights fit without renaming.

Names are loaded when they are first used: ``ModelConfig`` alone waits for no torch.
"""

from typing import TYPE_CHECKING

from mixlab.utils.lazy import lazy_names

if TYPE_CHECKING:
    from mixlab.models.base import TaggingModel
    from mixlab.models.checkpoints import Parts, load_backbone, load_weights, read_weights, stream_state
    from mixlab.models.choi import CRNN, FCN
    from mixlab.models.config import ARCHITECTURES, ModelConfig, n_blocks
    from mixlab.models.musicnn import Musicnn
    from mixlab.models.registry import (
        MODELS,
        backbone_parameters,
        build_model,
        head_parameters,
        last_parameters,
        n_parameters,
    )
    from mixlab.models.short_chunk import ShortChunkCNN, ShortChunkCNNRes

__all__ = [
    "ARCHITECTURES",
    "CRNN",
    "FCN",
    "MODELS",
    "ModelConfig",
    "Musicnn",
    "Parts",
    "ShortChunkCNN",
    "ShortChunkCNNRes",
    "TaggingModel",
    "backbone_parameters",
    "build_model",
    "head_parameters",
    "last_parameters",
    "load_backbone",
    "load_weights",
    "n_blocks",
    "n_parameters",
    "read_weights",
    "stream_state",
]

_HOMES = {
    "base": ("TaggingModel",),
    "checkpoints": ("Parts", "load_backbone", "load_weights", "read_weights", "stream_state"),
    "choi": ("CRNN", "FCN"),
    "config": ("ARCHITECTURES", "ModelConfig", "n_blocks"),
    "musicnn": ("Musicnn",),
    "registry": (
        "MODELS",
        "backbone_parameters",
        "build_model",
        "head_parameters",
        "last_parameters",
        "n_parameters",
    ),
    "short_chunk": ("ShortChunkCNN", "ShortChunkCNNRes"),
}

__getattr__ = lazy_names(__name__, _HOMES)
