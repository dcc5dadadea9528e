"""What the examples have in common: their options, the mixes, a small network and its loss."""

import argparse
from collections.abc import Sequence

import torch
from torch import nn

from mixlab import MixConfig, MixDataset


def read_options(about: str, given: Sequence[str] | None) -> argparse.Namespace:
    """Return the options of an example."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--catalog", required=True, help="a folder that `mixlab index` or `mixlab demo` made")
    parser.add_argument("--out", default="example-output", help="where checkpoints and files are written")
    parser.add_argument("--workers", type=int, default=0, help="processes that render mixes")
    parser.add_argument("--items", type=int, default=64, help="mixes per epoch")
    return parser.parse_args(given)


def open_mixes(options: argparse.Namespace) -> MixDataset:
    """Return the mixes to train on: batches of 8 mixes of 2 s."""
    return MixDataset(options.catalog, MixConfig(duration_s=2.0), epoch_size=options.items, batch_size=8)


def small_network(classes: int) -> nn.Module:
    """Return a network that is quick rather than good: audio ``(batch, 1, samples)`` to logits."""
    layers = [nn.Conv1d(1, 16, 400, 160), nn.ReLU(), nn.AdaptiveMaxPool1d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(16, classes))


def masked_loss(logits: torch.Tensor, target: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the mean loss over the labels that are known; unknown ones do not count."""
    losses = nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (losses * mask).sum() / mask.sum().clamp(min=1)
