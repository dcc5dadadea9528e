"""How the mixes of a batch lie in memory: one buffer of bytes, in it a tensor for each thing asked for.

A worker writes a batch into shared memory once, and the training reads it there as tensors: nothing is
stacked, pickled or copied on the way.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray

from mixlab.mixing.config import MixConfig
from mixlab.mixing.grouping import group_sources
from mixlab.mixing.hop_levels import count_frames
from mixlab.mixing.rendering import Mix
from mixlab.taxonomy import LabelSet

__all__ = ["ADDRESS", "NUMBERS", "Batch", "BatchLayout", "Layout", "fill_row", "split_buffer"]

Batch = dict[str, torch.Tensor]
"""With ``meta`` there are lists of texts in it, too."""

Layout = dict[str, tuple[torch.dtype, tuple[int, ...], int]]
"""Type, shape and first byte of each tensor of a batch, within one buffer."""

Rows = Mapping[str, NDArray[Any]]

ADDRESS = ("epoch", "index", "attempt")
"""What says of which item of the stream a mix is."""

NUMBERS = (*ADDRESS, "length", "n_sources")
"""What is one number for each mix."""

_ALIGNMENT = 64


@dataclass(frozen=True)
class BatchLayout:
    """What is asked for of each mix, see ``MixDataset``, and how it is laid out and written.

    Attributes:
        config: Of the mixes.
        labels: Their classes.
        frame_hop_s: Seconds per frame.
        frames: Whether there are labels per frame.
        source_places: For how many sources there is room; 0 where they are not asked for.
        groups: Whether there are sources summed by class.
        meta: Whether the number of sources is asked for.
    """

    config: MixConfig
    labels: LabelSet
    frame_hop_s: float
    frames: bool
    source_places: int
    groups: bool
    meta: bool

    def lay_out(self, items: int) -> tuple[Layout, int]:
        """Lay out the tensors of a batch one after another; return where each lies, and the bytes of all."""
        layout: Layout = {}
        size = 0
        for name, (dtype, shape) in self._shapes().items():
            layout[name] = (dtype, (items, *shape), size)
            size += math.prod((items, *shape)) * dtype.itemsize
            size = -(-size // _ALIGNMENT) * _ALIGNMENT
        return layout, size

    def _shapes(self) -> dict[str, tuple[torch.dtype, tuple[int, ...]]]:
        """Return type and shape of each tensor for one mix."""
        config, classes = self.config, len(self.labels)
        mixture = (config.channels, round(config.duration_s * config.sample_rate))
        shapes: dict[str, tuple[torch.dtype, tuple[int, ...]]] = {
            "audio": (torch.float32, mixture),
            "target": (torch.float32, (classes,)),
            "mask": (torch.bool, (classes,)),
            **dict.fromkeys(ADDRESS, (torch.int64, ())),
        }
        if config.min_duration_s:
            shapes["length"] = (torch.int64, ())
        if self.meta:
            shapes["n_sources"] = (torch.int64, ())
        if self.frames:
            hops = count_frames(mixture[1], config.sample_rate, self.frame_hop_s)
            shapes["frame_target"] = (torch.float32, (classes, hops))
            shapes["frame_mask"] = (torch.bool, (classes, hops))
        if self.source_places:
            shapes["sources"] = (torch.float32, (self.source_places, *mixture))
            shapes["source_target"] = (torch.float32, (self.source_places, classes))
            shapes["source_mask"] = (torch.bool, (self.source_places, classes))
        if self.groups:
            shapes["groups"] = (torch.float32, (classes, *mixture))
            shapes["group_mask"] = (torch.bool, (classes,))
            shapes["ungrouped"] = (torch.float32, mixture)
        return shapes

    def write(self, rows: Rows, row: int, mix: Mix, attempt: int) -> None:
        """Write a mix to its row of a batch.

        Args:
            rows: The batch's tensors as arrays.
            row: Which row of them.
            mix: The mix; one of full length was rendered into its row of ``audio``.
            attempt: How many recipes of the item could not be read before this one.
        """
        if mix.recipe.render.samples < rows["audio"].shape[-1]:
            fill_row(rows["audio"][row], mix.mixture)
        rows["target"][row], rows["mask"][row] = mix.target, mix.mask
        for name, number in zip(ADDRESS, (mix.recipe.epoch, mix.recipe.index, attempt), strict=True):
            rows[name][row] = number
        if "length" in rows:
            rows["length"][row] = mix.recipe.render.samples
        if self.meta:
            rows["n_sources"][row] = len(mix.sources)
        if self.frames:
            for name, values in zip(("frame_target", "frame_mask"), mix.frames, strict=True):
                fill_row(rows[name][row], values)
        if self.source_places:
            self._write_sources(rows, row, mix)
        if self.groups:
            groups = group_sources(mix)
            rows["group_mask"][row] = groups.mask
            fill_row(rows["groups"][row], groups.audio)
            fill_row(rows["ungrouped"][row], groups.ungrouped)

    def _write_sources(self, rows: Rows, row: int, mix: Mix) -> None:
        for name in ("sources", "source_target", "source_mask"):
            rows[name][row, len(mix.sources) :] = 0
        for place, source in enumerate(mix.sources):
            fill_row(rows["sources"][row, place], source.audio)
            encoded = self.labels.encode(source.verdict)
            rows["source_target"][row, place], rows["source_mask"][row, place] = encoded


def fill_row(row: NDArray[Any], values: NDArray[Any]) -> None:
    """Write values to a row that may be longer, and zeros behind them."""
    row[..., : values.shape[-1]] = values
    row[..., values.shape[-1] :] = 0


def split_buffer(buffer: torch.Tensor, layout: Layout) -> Batch:
    """Return the tensors that lie in a buffer of bytes, as views."""
    return {
        name: buffer[first : first + math.prod(shape) * dtype.itemsize].view(dtype).view(shape)
        for name, (dtype, shape, first) in layout.items()
    }
