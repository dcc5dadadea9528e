"""A loader whose workers read and whose consumer renders on the device, item for item as ``MixLoader``."""

from collections.abc import Iterator
from typing import Any

import torch

from mixlab.audio.io import HOP_S
from mixlab.errors import ConfigError
from mixlab.mixing.batch_layout import Batch
from mixlab.mixing.dataset import MixDataset
from mixlab.mixing.gpu.raw import RawBatch, join_items, prepare_item
from mixlab.mixing.gpu.rendering import render_batch
from mixlab.mixing.loader import Batches, MixLoader, check_dataset
from mixlab.mixing.origins import describe

__all__ = ["DeviceLoader"]


def _prepare(dataset: MixDataset, indices: range, epoch: int) -> RawBatch:
    recipes = [dataset.recipe(index, epoch) for index in indices]
    reader = dataset._sharing_reader(recipes)
    return join_items(
        [
            dataset._try(recipe, lambda sampled: prepare_item(sampled, dataset.catalog, reader))
            for recipe in recipes
        ]
    )


class DeviceLoader(MixLoader):
    """Batches of a ``MixDataset``, rendered on a device; otherwise as ``MixLoader``.

    The same items in the same order, with the same state to resume from. The dataset needs the rank and world
    size of this process, and the engine ``vocoder``.
    """

    def __init__(
        self,
        dataset: MixDataset,
        *,
        num_workers: int = 0,
        device: torch.device | str | None = None,
        pin_memory: bool | None = None,
    ) -> None:
        """Wrap a dataset.

        Args:
            dataset: A ``MixDataset``; a subclass may override ``recipe``.
            num_workers: Processes that read; 0 reads in this one.
            device: Where to render, and where batches lie: a CPU or CUDA device; by default the CUDA device
                where there is one.
            pin_memory: Hand raw batches over in page-locked memory; by default for CUDA devices.

        Raises:
            ConfigError: the dataset's engine is another than ``vocoder``, it has effects or transforms of
                one's own, or it is no ``MixDataset``, or a subclass that overrides ``item`` or ``__iter__``.
        """
        check_dataset(dataset)
        if dataset.changes_items or dataset.source_transform is not None:
            found = "overrides item()" if dataset.overrides_item else "has a transform"
            raise ConfigError(
                f"{type(dataset).__name__} {found}, but what a device renders are recipes: override "
                "recipe(), change batches after they are rendered, or use MixLoader.",
                code="unsupported-override",
            )
        if dataset.config.engine != "vocoder":
            raise ConfigError(
                f"Mixes are rendered on a device by the engine 'vocoder' alone, found mix.engine "
                f"{dataset.config.engine!r}. Set it to 'vocoder', or use MixLoader.",
                code="unsupported-engine",
            )
        if dataset.config.effects.entries:
            raise ConfigError(
                "Mixes are rendered on a device with the four effects of the paper alone, found "
                f"mix.effects.preset {dataset.config.effects.preset!r} and mix.effects.custom "
                f"{dataset.config.effects.custom}. Leave these out, or use MixLoader.",
                code="unsupported-device",
            )
        if dataset.groups or (dataset.frames and dataset.frame_hop_s != HOP_S):
            raise ConfigError(
                "Mixes are rendered on a device without groups and with frames of 100 ms, found "
                f"groups={dataset.groups} and frame_hop_s={dataset.frame_hop_s:g}. Use MixLoader.",
                code="unsupported-device",
            )
        if dataset.config.min_duration_s:
            raise ConfigError(
                "Mixes rendered on a device have one length, found mix.min_duration_s "
                f"{dataset.config.min_duration_s:g}. Leave it at 0, or use MixLoader.",
                code="unsupported-device",
            )
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        pins = self.device.type == "cuda" if pin_memory is None else pin_memory
        super().__init__(dataset, num_workers=num_workers, pin_memory=pins)

    def _start(self, epoch: int, batch: int) -> Iterator[Batch]:
        """Return the stream of rendered batches from one on."""
        dataset = self.mixes
        for raw in self._loader(Batches(dataset, epoch, batch, _prepare), pin_memory=self._pins()):
            made = render_batch(
                raw,
                self.device,
                sources=dataset.sources,
                frames=dataset.frames,
                max_sources=dataset.source_places if dataset.sources else None,
            )
            yield {**made, **self._origins(made)} if dataset.meta else made

    def _origins(self, batch: Batch) -> dict[str, Any]:
        """Return what each mix of a batch was made of."""
        places = zip(*(batch[name].tolist() for name in ("index", "epoch", "attempt")), strict=True)
        recipes = [self.mixes.recipe(index, epoch, attempt=attempt) for index, epoch, attempt in places]
        n_sources = torch.tensor([len(recipe.sources) for recipe in recipes])
        return {"n_sources": n_sources, **describe(recipes, [()] * len(recipes))}
