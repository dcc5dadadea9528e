"""A loader whose workers read and whose consumer renders on the device, item for item as ``MixLoader``."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset

from mixlab.datasets import AHEAD, MixDataset, MixLoader, _as_it_is, _start_worker, _worker, warm_up
from mixlab.device.raw import RawBatch, join_items, prepare_item
from mixlab.device.rendering import render_batch
from mixlab.errors import ConfigError

__all__ = ["DeviceLoader", "make_device_loader"]


class _RawBatches(IterableDataset[RawBatch]):
    """Raw batches from a position on: a fixed set to its end, training into the next epochs."""

    def __init__(self, dataset: MixDataset, epoch: int, first_batch: int) -> None:
        super().__init__()
        self._dataset, self._epoch, self._first_batch = dataset, epoch, first_batch

    def __iter__(self) -> Iterator[RawBatch]:
        number, step = _worker()
        dataset, per_epoch = self._dataset, self._dataset.batches_per_epoch
        position = self._first_batch + number
        while position < per_epoch or not dataset.fixed:
            later, batch = divmod(position, per_epoch)
            yield _prepare(dataset, dataset.batch_indices(batch), self._epoch + later)
            position += step


def _prepare(dataset: MixDataset, indices: range, epoch: int) -> RawBatch:
    recipes = [dataset.recipe(index, epoch) for index in indices]
    reader = dataset._sharing_reader(recipes)
    return join_items(
        [
            dataset._try(recipe, lambda drawn: prepare_item(drawn, dataset.catalog, reader))
            for recipe in recipes
        ]
    )


class DeviceLoader(MixLoader):
    """Batches of a ``MixDataset``, rendered on a device; otherwise as ``MixLoader``.

    The same items in the same order, with the same state to resume from. Make it with
    ``make_device_loader``.
    """

    def __init__(
        self,
        dataset: MixDataset,
        *,
        num_workers: int = 0,
        device: torch.device | str | None = None,
        pin_memory: bool | None = None,
    ) -> None:
        """Wrap ``dataset``; see ``make_device_loader``."""
        if dataset.config.engine != "vocoder":
            raise ConfigError(
                f"Mixes are rendered on a device by the engine 'vocoder' alone, found mix.engine "
                f"{dataset.config.engine!r}. Set it to 'vocoder', or use make_loader."
            )
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        pins = self.device.type == "cuda" if pin_memory is None else pin_memory
        super().__init__(dataset, num_workers=num_workers, pin_memory=pins)
        self._raw: Iterator[RawBatch] | None = None

    def _take(self, epoch: int, batch: int) -> dict[str, torch.Tensor]:
        """Return a batch, rendered, from the running stream; start one there if it stands elsewhere."""
        if self._raw is None or self._stream_at != (epoch, batch):
            self.close()
            self._raw = self._start_raw(epoch, batch)
        try:
            raw = next(self._raw)
        except BaseException:
            self.close()
            raise
        self._stream_at = (epoch + 1, 0) if batch + 1 == len(self) else (epoch, batch + 1)
        config = self.dataset.config
        return render_batch(
            raw,
            self.device,
            sources=self.dataset.sources,
            frames=self.dataset.frames,
            max_sources=config.max_sources if self.dataset.sources else None,
        )

    def _start_raw(self, epoch: int, batch: int) -> Iterator[RawBatch]:
        options: dict[str, Any] = {}
        if self.num_workers:
            warm_up(self.dataset.config.render_settings())
            options["worker_init_fn"] = _start_worker
            options["prefetch_factor"] = max(2, math.ceil(AHEAD / self.dataset.batch_size))
        loader = DataLoader(
            _RawBatches(self.dataset, epoch, batch),
            batch_size=None,
            num_workers=self.num_workers,
            pin_memory=self.pin_memory,
            collate_fn=_as_it_is,
            generator=torch.Generator(),  # of its own: a resumed run must not draw from torch's again
            **options,
        )
        return iter(loader)

    def close(self) -> None:
        """End the workers; iterating starts them again where it stands."""
        self._raw = None


def make_device_loader(
    dataset: MixDataset,
    *,
    num_workers: int = 0,
    device: torch.device | str | None = None,
    pin_memory: bool | None = None,
) -> DeviceLoader:
    """Return a loader of whole epochs that renders on a device and can stop and resume anywhere.

    Args:
        dataset: With the rank and world size of this process, and engine ``vocoder``.
        num_workers: Processes that read; 0 reads in this one.
        device: Where to render, and where batches lie: a CPU or CUDA device; by default the CUDA device
            where there is one.
        pin_memory: Hand raw batches over in page-locked memory; by default for CUDA devices.

    Raises:
        ConfigError: the dataset's engine is another than ``vocoder``.
    """
    return DeviceLoader(dataset, num_workers=num_workers, device=device, pin_memory=pin_memory)
