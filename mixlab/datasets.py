"""The stream: recipes drawn, rendered and handed to a training loop, in an order that is arithmetic.

Item ``index`` of an epoch is a pure function of catalog, configuration, seed and epoch. Batch ``b`` of
an epoch holds the items ``b * G`` to ``(b + 1) * G - 1``, with ``G`` the batch size over all ranks;
rank ``r`` takes the ``r``-th share of each batch, worker ``w`` of ``n`` makes every ``n``-th batch. So
the same batches come out for any number of workers, and with a constant ``G`` for any number of ranks.
"""

import signal
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, default_collate, get_worker_info

from mixlab.catalog import Catalog
from mixlab.drawing import Drawer
from mixlab.errors import AudioError, CatalogMismatchError, ConfigError
from mixlab.pack import PackReader, open_reader
from mixlab.recipes import RECIPE_VERSION, MixConfig, MixRecipe, label_hash
from mixlab.rendering import Mix, Reader, render
from mixlab.taxonomy import load_label_set

__all__ = ["MixDataset", "MixLoader", "make_loader"]

Item = dict[str, Any]

STATE_VERSION = 1

ATTEMPTS = 5
"""How often an item is drawn anew when a file it needs cannot be read, before the error is raised."""


class MixDataset(IterableDataset[Item]):
    """Endless labelled mixes for training, or a fixed set of musical ones for validation and test.

    Iterating yields dictionaries:

    - ``audio``: float32 ``(channels, samples)``, the mixture;
    - ``target``: float32 ``(classes,)``, 1 present, 0 absent;
    - ``mask``: bool ``(classes,)``, False where the label is unknown and must not count;
    - ``index``: int, the item's index within its epoch;
    - ``attempt``: int, 0 unless a file could not be read and the item was drawn anew;
    - with ``frames=True``: ``frame_target`` and ``frame_mask`` ``(classes, hops)``, per 100 ms;
    - with ``sources=True``: ``sources`` ``(max_sources, channels, samples)``, silent where there
      are fewer, ``source_target`` and ``source_mask`` ``(max_sources, classes)``.

    Use it bare (``DataLoader(dataset, batch_size=dataset.batch_size, num_workers=2)``) for an endless
    stream over epochs, or through ``make_loader`` for epochs with an end and exact resume.

    Args:
        catalog: A catalog or its folder.
        config: Every knob of the mixing.
        split: ``train``, ``validation`` or ``test``.
        seed: Seed of the stream, any integer from 0 to 2**63 - 1.
        epoch_size: Items per epoch.
        batch_size: Items per batch of one rank. A ``DataLoader`` around it must use the same.
        fixed: Every epoch is the same, and iterating ends after one. Default: True for other splits
            than ``train``.
        evaluation: Draw as validation and test do: musical mixes without effects. Default: as
            ``fixed``.
        frames: Also yield labels per 100 ms.
        sources: Also yield the sources.
        rank: This process's number, in distributed training.
        world_size: How many processes take part.
        pack: ``auto`` reads from the catalog's pack where it has one of this rate and these channels (see
            ``mixlab pack``), else from the corpora's files; a folder names a pack; None reads files.
        reader: Where samples come from instead.

    Raises:
        ConfigError: a size is not positive, or the rank lies outside the world.
        RecipeError: the split holds nothing that the configuration allows.
    """

    def __init__(
        self,
        catalog: Catalog | str | Path,
        config: MixConfig | None = None,
        *,
        split: str = "train",
        seed: int = 0,
        epoch_size: int = 10_000,
        batch_size: int = 16,
        fixed: bool | None = None,
        evaluation: bool | None = None,
        frames: bool = False,
        sources: bool = False,
        rank: int = 0,
        world_size: int = 1,
        pack: str | Path | None = "auto",
        reader: Reader | None = None,
    ) -> None:
        """Open the catalog, and check that there is something to draw."""
        super().__init__()
        if epoch_size < 1 or batch_size < 1:
            raise ConfigError(
                f"epoch_size and batch_size must be 1 or more, found epoch_size={epoch_size}, "
                f"batch_size={batch_size}."
            )
        if not 0 <= rank < world_size:
            raise ConfigError(
                f"rank must be from 0 to world_size - 1, found rank={rank}, world_size={world_size}."
            )
        if not 0 <= seed < 1 << 63:
            raise ConfigError(f"seed must be from 0 to 2**63 - 1, found {seed}.")
        self.catalog = catalog if isinstance(catalog, Catalog) else Catalog.open(catalog)
        self.fixed = split != "train" if fixed is None else fixed
        self.evaluation = self.fixed if evaluation is None else evaluation
        config = config or MixConfig()
        self.config = config.for_evaluation() if self.evaluation else config
        if sources and self.config.full:
            raise ConfigError(
                "sources=True stacks max_sources sources, and full=True knows no such limit; choose one."
            )
        self.split, self.seed = split, seed
        self.epoch_size, self.batch_size = epoch_size, batch_size
        self.frames, self.sources = frames, sources
        self.rank, self.world_size = rank, world_size
        if not self.fixed and epoch_size < self.global_batch:
            raise ConfigError(
                f"A training epoch needs at least one whole batch: found epoch_size={epoch_size} and "
                f"{self.global_batch} items per batch over all ranks."
            )
        self.labels = load_label_set(self.config.label_set)
        self._pack, self._own_reader = pack, reader
        self._reader: Reader | None = reader or self._open_reader()
        self._drawer: Drawer | None = Drawer(self.catalog, self.config, split)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what a worker builds quicker than it unpickles."""
        return {**self.__dict__, "_drawer": None, "_reader": self._own_reader}

    def _open_reader(self) -> Reader:
        return open_reader(self.catalog, self.config.sample_rate, self.config.channels, self._pack)

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of ``target``."""
        return self.labels.names

    @property
    def global_batch(self) -> int:
        """Items per batch over all ranks."""
        return self.batch_size * self.world_size

    @property
    def batches_per_epoch(self) -> int:
        """Batches of this rank per epoch.

        In training the items beyond the last whole batch are left out, so that every batch is full. A
        fixed set keeps its last, shorter batch, of which the last ranks may have nothing.
        """
        whole, rest = divmod(self.epoch_size, self.global_batch)
        return whole + (1 if self.fixed and rest > self.rank * self.batch_size else 0)

    @property
    def content_hash(self) -> str:
        """Changes with whatever changes an item: catalog, configuration, labels, split, recipe version.

        A training stream from a pack is another one than from files: pitch and time engines answer the
        pack's rounding with other phases. Sets without effects agree to within that rounding.
        """
        kind = "fixed" if self.fixed else "packed" if isinstance(self._reader, PackReader) else "files"
        parts = (self.catalog.content_hash, self.config.content_hash, label_hash(self.config.label_set))
        return "-".join((f"v{RECIPE_VERSION}", *parts, self.split, kind))

    def recipe(self, index: int, epoch: int = 0, *, attempt: int = 0) -> MixRecipe:
        """Return the recipe of an item, without rendering it.

        Args:
            index: Item, 0 to ``epoch_size - 1``.
            epoch: Epoch; a fixed set is the same in all.
            attempt: Above 0: the recipe that stood in when that of ``attempt - 1`` could not be read.
        """
        if self._drawer is None:
            self._drawer = Drawer(self.catalog, self.config, self.split)
        return self._drawer.draw(self.seed, 0 if self.fixed else epoch, index, attempt=attempt)

    def mix(self, index: int, epoch: int = 0) -> Mix:
        """Return a rendered item with its sources and reasons."""
        return self._mix(index, epoch)[0]

    def _mix(self, index: int, epoch: int) -> tuple[Mix, int]:
        """Render an item; where a file cannot be read, draw the item anew and say so."""
        if self._reader is None:
            self._reader = self._open_reader()
        for attempt in range(ATTEMPTS):
            recipe = self.recipe(index, epoch, attempt=attempt)
            try:
                return render(recipe, self.catalog, self._reader), attempt
            except AudioError as error:
                if attempt == ATTEMPTS - 1:
                    raise
                warnings.warn(
                    f"Item {index} of epoch {epoch} is drawn anew: {error}",
                    category=RuntimeWarning,
                    stacklevel=2,
                )
        raise AssertionError("unreachable: the last attempt returns or raises")

    def item(self, index: int, epoch: int = 0) -> Item:
        """Return one item as iterating yields it."""
        mix, attempt = self._mix(index, epoch)
        item: Item = {
            "audio": torch.from_numpy(mix.mixture),
            "target": torch.from_numpy(mix.target),
            "mask": torch.from_numpy(mix.mask),
            "index": index,
            "attempt": attempt,
        }
        if self.frames:
            frame_target, frame_mask = mix.frames
            item["frame_target"] = torch.from_numpy(frame_target)
            item["frame_mask"] = torch.from_numpy(frame_mask)
        if self.sources:
            item |= self._stack_sources(mix)
        return item

    def _stack_sources(self, mix: Mix) -> Item:
        most, classes = self.config.max_sources, len(self.labels)
        audio = np.zeros((most, *mix.mixture.shape), dtype=np.float32)
        target = np.zeros((most, classes), dtype=np.float32)
        mask = np.zeros((most, classes), dtype=bool)
        for place, source in enumerate(mix.sources):
            audio[place] = source.audio
            target[place], mask[place] = self.labels.encode(source.verdict)
        return {
            "sources": torch.from_numpy(audio),
            "source_target": torch.from_numpy(target),
            "source_mask": torch.from_numpy(mask),
        }

    def batch_indices(self, batch: int) -> range:
        """Return the items of this rank's share of batch number ``batch`` of an epoch."""
        first = batch * self.global_batch + self.rank * self.batch_size
        return range(min(first, self.epoch_size), min(first + self.batch_size, self.epoch_size))

    def __iter__(self) -> Iterator[Item]:
        """Yield this worker's items: endlessly over the epochs, or one fixed epoch."""
        position, step = _worker()
        while not (self.fixed and position >= self.batches_per_epoch):
            epoch, batch = divmod(position, self.batches_per_epoch)
            yield from self.iter_batch(epoch, batch)
            position += step

    def iter_batch(self, epoch: int, batch: int) -> Iterator[Item]:
        """Yield the items of this rank's share of one batch."""
        for index in self.batch_indices(batch):
            yield self.item(index, epoch)


def _worker() -> tuple[int, int]:
    """Return this worker's number and how many there are; (0, 1) in the main process."""
    info = get_worker_info()
    return (info.id, info.num_workers) if info else (0, 1)


class _EpochView(IterableDataset[Item]):
    """The rest of one epoch of a dataset: what a loader sends to its workers."""

    def __init__(self, dataset: MixDataset, epoch: int, first_batch: int) -> None:
        super().__init__()
        self._dataset, self._epoch, self._first_batch = dataset, epoch, first_batch

    def __iter__(self) -> Iterator[Item]:
        number, step = _worker()
        for batch in range(self._first_batch + number, self._dataset.batches_per_epoch, step):
            yield from self._dataset.iter_batch(self._epoch, batch)


class MixLoader:
    """Batches of a ``MixDataset``, epoch by epoch, with exact resume in mid-epoch.

    Iterating yields one epoch of dictionaries of stacked tensors; the next iteration is the next epoch.
    ``state_dict`` says how many batches have been handed out; a loader with any number of workers, or
    of ranks with the same global batch, goes on from there.

    Make it with ``make_loader``.
    """

    def __init__(self, dataset: MixDataset, *, num_workers: int = 0, pin_memory: bool = False) -> None:
        """Wrap ``dataset``; see ``make_loader``."""
        if num_workers < 0:
            raise ConfigError(f"num_workers must be 0 or more, found {num_workers}.")
        self.dataset = dataset
        self.num_workers = num_workers
        self.pin_memory = pin_memory
        self.epoch = 0
        self.redrawn: list[tuple[int, int]] = []
        self._next_batch = 0
        self._resumed = False

    def __len__(self) -> int:
        """Batches of this rank per epoch."""
        return self.dataset.batches_per_epoch

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        """Yield the rest of the current epoch, then stand at the start of the next."""
        if self.dataset.fixed and not self._resumed:
            self._next_batch = 0  # a fixed set that was left early is read from its start again
        self._resumed = False
        epoch, batch = self.epoch, self._next_batch
        loader = DataLoader(
            _EpochView(self.dataset, epoch, batch),
            batch_size=self.dataset.batch_size,
            num_workers=self.num_workers,
            pin_memory=self.pin_memory,
            collate_fn=default_collate,
            worker_init_fn=_start_worker if self.num_workers else None,
            generator=torch.Generator(),  # of its own: a resumed run must not draw from torch's again
        )
        for items in loader:
            batch += 1
            # Counted before it is handed out: a state taken while the batch is in use goes on after it.
            self._advance(epoch, batch)
            again = items["index"][items["attempt"] > 0]
            self.redrawn.extend((epoch, int(index)) for index in again)
            yield items
        if len(self) == 0:
            self._advance(epoch, 0)

    def _advance(self, epoch: int, batch: int) -> None:
        done = batch >= len(self)
        self.epoch, self._next_batch = (epoch + 1, 0) if done else (epoch, batch)

    def set_epoch(self, epoch: int) -> None:
        """Go to the start of an epoch."""
        self.epoch, self._next_batch = epoch, 0

    def state_dict(self) -> dict[str, Any]:
        """Return where the stream stands, as plain data.

        It counts batches handed out by iterating; a batch that is in use counts as done.
        """
        return {
            "version": STATE_VERSION,
            "seed": self.dataset.seed,
            "epoch": self.epoch,
            "next_batch": self._next_batch,
            "epoch_size": self.dataset.epoch_size,
            "global_batch": self.dataset.global_batch,
            "content_hash": self.dataset.content_hash,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state, with any number of workers.

        Raises:
            CatalogMismatchError: the state belongs to another catalog, configuration, seed, epoch size
                or global batch, so that the same position would hold other items.
        """
        mine = self.state_dict()
        for name in ("version", "content_hash", "seed", "epoch_size", "global_batch"):
            if state.get(name) != mine[name]:
                raise CatalogMismatchError(
                    f"The saved position was taken with {name}={state.get(name)!r}, this loader has "
                    f"{mine[name]!r}. Resume with the catalog and configuration it was started with, or "
                    "start a new run."
                )
        self.epoch, self._next_batch = int(state["epoch"]), int(state["next_batch"])
        self._resumed = True


def _start_worker(worker: int) -> None:
    """Keep each worker to one thread, and leave Ctrl-C to the process that waits for its batches."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)


def make_loader(dataset: MixDataset, *, num_workers: int = 0, pin_memory: bool = False) -> MixLoader:
    """Return a loader of whole epochs that can stop and resume anywhere.

    Args:
        dataset: With the rank and world size of this process.
        num_workers: Processes that render; 0 renders in this one.
        pin_memory: Copy batches to page-locked memory, for a GPU.
    """
    return MixLoader(dataset, num_workers=num_workers, pin_memory=pin_memory)
