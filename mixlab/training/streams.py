"""Endless streams of items by number, and their batches: what tracks and clips have in common."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from mixlab.errors import ConfigError
from mixlab.utils.parallel import follow_parent
from mixlab.utils.random import open_stream

__all__ = ["Batch", "EndlessStream", "StreamLoader", "start_worker"]

Batch = dict[str, Tensor]


class EndlessStream(Dataset[dict[str, Any]]):
    """Items for training: each of some units once, in random order, before any comes again.

    Item ``index`` of an epoch is a pure function of seed, epoch and index. A ``StreamLoader`` iterates it.

    Args:
        n_units: What a pass goes over.
        seed: Seed of the order of every pass.
        epoch_size: Items per epoch; more or fewer than there are units is fine.
        batch_size: Items per batch of one rank.
        rank: This process's number, in distributed training.
        world_size: How many processes take part.
    """

    order: ClassVar[str]
    """What the random numbers of the order are called."""

    def __init__(
        self, n_units: int, *, seed: int, epoch_size: int, batch_size: int, rank: int, world_size: int
    ) -> None:
        self.n_units, self.seed, self.epoch_size = n_units, seed, epoch_size
        self.batch_size, self.rank, self.world_size = batch_size, rank, world_size
        self._orders: dict[int, list[int]] = {}

    @property
    def content_hash(self) -> str:
        """Changes with whatever changes an item."""
        raise NotImplementedError

    def item(self, index: int, epoch: int = 0) -> dict[str, Any]:
        """Return one item."""
        raise NotImplementedError

    def place(self, index: int, epoch: int) -> tuple[int, int]:
        """Return which pass over the units an item belongs to, and its unit."""
        turn, position = divmod(epoch * self.epoch_size + index, self.n_units)
        if turn not in self._orders:
            order = open_stream(self.seed, turn, 0, self.order).shuffled(range(self.n_units))
            self._orders = {turn: order, **dict(list(self._orders.items())[:1])}
        return turn, self._orders[turn][position]

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        """Return the item of (epoch, index)."""
        epoch, index = key
        return self.item(index, epoch)


class StreamLoader:
    """Batches of a stream, epoch by epoch, with exact resume in mid-epoch.

    Args:
        stream: The stream, with the rank and world size of this process.
        num_workers: Processes that decode; 0 decodes in this one. The batches are the same.
        pin_memory: Copy batches to page-locked memory, for a GPU.
    """

    def __init__(self, stream: EndlessStream, *, num_workers: int = 0, pin_memory: bool = False) -> None:
        """Stand at the start of epoch 0."""
        self.stream, self.num_workers, self.pin_memory = stream, num_workers, pin_memory
        self.epoch, self.next_batch = 0, 0

    def __len__(self) -> int:
        """Batches of this rank per epoch; items beyond the last whole batch are left out."""
        return self.stream.epoch_size // (self.stream.batch_size * self.stream.world_size)

    def _keys(self, epoch: int, batch: int) -> list[tuple[int, int]]:
        first = (batch * self.stream.world_size + self.stream.rank) * self.stream.batch_size
        return [(epoch, index) for index in range(first, first + self.stream.batch_size)]

    def __iter__(self) -> Iterator[Batch]:
        """Yield the rest of the current epoch, then stand at the start of the next."""
        epoch, batch = self.epoch, self.next_batch
        loader: DataLoader[Any] = DataLoader(
            self.stream,
            batch_sampler=[self._keys(epoch, k) for k in range(batch, len(self))],
            num_workers=self.num_workers,
            pin_memory=self.pin_memory,
            collate_fn=self.collate,
            worker_init_fn=start_worker if self.num_workers else None,
            generator=torch.Generator(),  # of its own: a resumed run must not sample from torch's again
        )
        for items in loader:
            batch += 1
            self.epoch, self.next_batch = (epoch + 1, 0) if batch == len(self) else (epoch, batch)
            yield self.take(items)

    @staticmethod
    def collate(items: Sequence[Any]) -> Any:  # noqa: ANN401 - what ``take`` is given
        """Make a batch of items, in the process that reads them."""
        return default_collate(list(items))

    def take(self, items: Any) -> Batch:  # noqa: ANN401 - what ``collate`` makes
        """Return the batch that is handed out, and remember what else there is to it."""
        batch: Batch = items
        return batch

    def state_dict(self) -> dict[str, Any]:
        """Return where the stream stands; a batch that was handed out counts as done."""
        return {
            "epoch": self.epoch,
            "next_batch": self.next_batch,
            "seed": self.stream.seed,
            "epoch_size": self.stream.epoch_size,
            "global_batch": self.stream.batch_size * self.stream.world_size,
            "content_hash": self.stream.content_hash,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state, with any number of workers.

        Raises:
            ConfigError: it belongs to other data or settings.
        """
        mine = self.state_dict()
        for name in ("content_hash", "seed", "epoch_size", "global_batch"):
            if state.get(name) != mine[name]:
                raise ConfigError(
                    f"The saved position was taken with {name}={state.get(name)!r}, this loader has "
                    f"{mine[name]!r}. Go on with the data and settings it was started with.",
                    code="state-mismatch",
                )
        self.epoch, self.next_batch = int(state["epoch"]), int(state["next_batch"])


def start_worker(worker: int) -> None:
    """Keep each worker to one thread, and leave signals to the process that waits for its batches."""
    follow_parent()
    torch.set_num_threads(1)
