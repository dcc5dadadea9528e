"""The networks: audio ``(B, 1, T)`` in, one logit per class ``(B, C)`` out.

A network has a backbone, which turns audio into embeddings, and a head, which turns these into logits
(``mixlab.models.parts``). Any ``nn.Module`` that names the two will do, as ``package.module:Class``;
most of mixlab's own (``MODELS``) begin with a mel front end. The sigmoid is not part of a network: losses
work on logits, and ``torch.sigmoid(model(audio))`` gives scores between zero and one. Names of parameters are
those of the published checkpoints (Won et al. 2020, "Evaluation of CNN-based automatic music tagging
models"), so that their weights fit without renaming.

Names are loaded when they are first used: ``ModelConfig`` alone waits for no torch.
"""

from typing import TYPE_CHECKING

from mixlab.utils.lazy import lazy_names

if TYPE_CHECKING:
    from mixlab.models.base import Card, TaggingModel
    from mixlab.models.blocks import block_features, block_names
    from mixlab.models.checkpoints import Parts, load_backbone, load_weights, read_weights, stream_state
    from mixlab.models.config import ModelConfig
    from mixlab.models.front_end import MelFrontEnd, scale_to_peak
    from mixlab.models.parts import (
        backbone_parameters,
        belongs_to,
        classify,
        embed,
        head_names,
        head_parameters,
        in_channels,
        last_name,
        last_parameters,
        n_parameters,
    )
    from mixlab.models.registry import (
        MODELS,
        build_model,
        check_outputs,
        network_class,
        plain_settings,
        resolve,
        source_hash,
    )

__all__ = [
    "MODELS",
    "Card",
    "MelFrontEnd",
    "ModelConfig",
    "Parts",
    "TaggingModel",
    "backbone_parameters",
    "belongs_to",
    "block_features",
    "block_names",
    "build_model",
    "check_outputs",
    "classify",
    "embed",
    "head_names",
    "head_parameters",
    "in_channels",
    "last_name",
    "last_parameters",
    "load_backbone",
    "load_weights",
    "n_parameters",
    "network_class",
    "plain_settings",
    "read_weights",
    "resolve",
    "scale_to_peak",
    "source_hash",
    "stream_state",
]

_HOMES = {
    "base": ("Card", "TaggingModel"),
    "blocks": ("block_features", "block_names"),
    "checkpoints": ("Parts", "load_backbone", "load_weights", "read_weights", "stream_state"),
    "config": ("ModelConfig",),
    "front_end": ("MelFrontEnd", "scale_to_peak"),
    "parts": (
        "backbone_parameters",
        "belongs_to",
        "classify",
        "embed",
        "head_names",
        "head_parameters",
        "in_channels",
        "last_name",
        "last_parameters",
        "n_parameters",
    ),
    "registry": (
        "MODELS",
        "build_model",
        "check_outputs",
        "network_class",
        "plain_settings",
        "resolve",
        "source_hash",
    ),
}

__getattr__ = lazy_names(__name__, _HOMES)
