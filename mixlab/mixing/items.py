"""One epoch of a stream by numbers, for whatever chooses items itself: samplers, random splits, subsets."""

import operator
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.context import get_spawning_popen
from typing import Any

import torch
from torch.utils.data import Dataset

from mixlab.errors import CatalogMismatchError, ConfigError
from mixlab.mixing.dataset import Item, MixDataset
from mixlab.mixing.loader import check_dataset
from mixlab.utils.checks import check_number

__all__ = ["MixItems"]


class MixItems(Dataset[Item]):
    """The items of one epoch of a ``MixDataset``, each by its index: what torch calls a map-style dataset.

    An item is made when it is asked for, and only that one. So a loader with a sampler goes on in mid-epoch
    without rendering what came before, and anything that deals in indices works: any batch size,
    ``DistributedSampler``, ``random_split``, ``Subset``, torchdata's ``StatefulDataLoader``,
    ``accelerator.prepare`` with ``skip_first_batches``, Hugging Face's ``Trainer``.

    Items are sampled at random already, so that nothing needs to shuffle them; but each epoch has items of
    its own, and the next one comes only with ``set_epoch``. All items are there in every process: whoever
    chooses them shares them out.

    Args:
        dataset: A ``MixDataset``; a subclass may override ``item``.
        epoch: The epoch.

    Attributes:
        mixes: The dataset.

    Raises:
        ConfigError: it is no ``MixDataset`` (a ``Subset``, say), or overrides ``__iter__``.
        OutOfRangeError: there is no such epoch.

    Example:
        >>> from mixlab import MixConfig, MixDataset, MixItems
        >>> dataset = MixDataset("my-catalog", MixConfig(duration_s=1.0), epoch_size=100)
        >>> items = MixItems(dataset, epoch=0)
        >>> len(items), int(items[7]["index"])
        (100, 7)
    """

    def __init__(self, dataset: MixDataset, epoch: int = 0) -> None:
        """Wrap a dataset; nothing is read."""
        check_dataset(dataset)
        self.mixes = dataset
        self._epoch = _shared(epoch)

    def __getstate__(self) -> dict[str, Any]:
        """Share the epoch with a worker that is being spawned; leave it to itself in any other copy."""
        spawning = get_spawning_popen() is not None
        return {**self.__dict__, "_epoch": self._epoch if spawning else self.epoch}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over the shared epoch, or begin with one's own."""
        epoch = state["_epoch"]
        self.__dict__.update(state, _epoch=_shared(epoch) if isinstance(epoch, int) else epoch)

    @property
    def epoch(self) -> int:
        """The epoch of the items."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Let the items be those of another epoch, in workers that persist, too.

        ``accelerate`` and Hugging Face's ``Trainer`` call it by themselves, unless a sampler of theirs
        shuffles. Call it between two iterations of a loader, not within one.

        Raises:
            OutOfRangeError: there is no such epoch.
        """
        self._epoch.fill_(check_number("epoch", epoch))

    def __len__(self) -> int:
        """Items per epoch."""
        return self.mixes.epoch_size

    def __getitem__(self, index: int) -> Item:
        """Return an item; -1 is the last one.

        Raises:
            OutOfRangeError: there is no such item.
            ConfigError: a transform failed, or returned what it may not; or this is a slice.
        """
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Item]:
        """Return several items, as torch's loaders ask for them; see ``__getitem__``."""
        return self.mixes.several([self._number(index) for index in indices], self.epoch)

    def _number(self, index: Any) -> int:  # noqa: ANN401 - whatever was asked for
        if isinstance(index, slice):
            raise ConfigError(
                f"Items are asked for one by one, found {index}: take torch.utils.data.Subset(items, "
                f"range({len(self)})[{_text(index)}]).",
                code="wrong-type",
            )
        with suppress(TypeError):
            number = operator.index(index)
            if -len(self) <= number < 0:
                return number + len(self)
        return check_number("index", index, len(self), "items per epoch (epoch_size)")

    def state_dict(self) -> dict[str, Any]:
        """Return what the items are, as plain data; ``StatefulDataLoader`` keeps it beside its position."""
        mixes = self.mixes
        return {
            "epoch": self.epoch,
            "seed": mixes.seed,
            "epoch_size": len(self),
            "content_hash": mixes.content_hash,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over the epoch of a state.

        Raises:
            CatalogMismatchError: it belongs to another catalog, configuration, seed or epoch size.
            OutOfRangeError: its epoch is none.
        """
        mine = self.state_dict()
        for name in ("content_hash", "seed", "epoch_size"):
            found = state.get(name) if isinstance(state, Mapping) else None
            if found != mine[name]:
                raise CatalogMismatchError(
                    f"The saved items have {name}={found!r}, these have {mine[name]!r}. Resume with "
                    "the catalog, configuration, pack, folders of sounds and transforms they were saved "
                    "with, or start a new run.",
                    code="state-mismatch",
                )
        self.set_epoch(state["epoch"])


def _shared(epoch: int) -> torch.Tensor:
    """Return an epoch in memory that this process has in common with workers that are started later."""
    found = torch.tensor(check_number("epoch", epoch))
    with suppress(RuntimeError):  # without shared memory there can be no workers
        found.share_memory_()  # type: ignore[no-untyped-call]
    return found


def _text(index: slice) -> str:
    parts = [index.start, index.stop] if index.step is None else [index.start, index.stop, index.step]
    return ":".join("" if part is None else str(part) for part in parts)
