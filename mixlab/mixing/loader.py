"""Batches of a stream, epoch by epoch: from workers through shared memory, with exact resume in mid-epoch."""

import gc
import importlib
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset

from mixlab.audio.time_pitch import get_engine
from mixlab.errors import CatalogMismatchError, ConfigError
from mixlab.mixing.batch_layout import Batch, split_buffer
from mixlab.mixing.callers import is_overfitting
from mixlab.mixing.config import RenderSettings
from mixlab.mixing.dataset import MixDataset, worker_share
from mixlab.mixing.origins import texts_of
from mixlab.mixing.ranks import ProcessRank
from mixlab.utils.checks import check_number
from mixlab.utils.parallel import follow_parent

__all__ = ["MixLoader", "warm_up"]

T = TypeVar("T")

STATE_VERSION = 1

AHEAD = 32
"""Mixes that a worker is ahead at least: their costs differ by a factor of ten and should even out."""

_LARGE = ("audio", "sources", "groups", "ungrouped")


class Batches(IterableDataset[T]):
    """Batches from a position on, as a function makes them: they may hold anything.

    Args:
        dataset: The dataset.
        epoch: Where to begin.
        first_batch: Where to begin.
        make: Makes a batch of a dataset's items, by number, of an epoch.
    """

    def __init__(
        self,
        dataset: MixDataset,
        epoch: int,
        first_batch: int,
        make: Callable[[MixDataset, range, int], T],
    ) -> None:
        super().__init__()
        self._dataset, self._epoch, self._first_batch = dataset, epoch, first_batch
        self._make = make

    def __iter__(self) -> Iterator[T]:
        """Yield a fixed set to its end; go on to the next epochs in training."""
        for batch, later in turns(self._dataset, self._first_batch):
            yield self._make(self._dataset, self._dataset.batch_indices(batch), self._epoch + later)


def turns(dataset: MixDataset, first_batch: int) -> Iterator[tuple[int, int]]:
    """Yield the batches of this worker from one on, and how many epochs later each comes."""
    number, step = worker_share()
    per_epoch = dataset.batches_per_epoch
    position = first_batch + number
    while position < per_epoch or not dataset.fixed:
        later, batch = divmod(position, per_epoch)
        yield batch, later
        position += step


class _Buffers(IterableDataset[tuple[int, int | torch.Tensor, dict[str, list[str]]]]):
    """Batches from a position on, each as its number of items, the buffer that holds it, and its texts.

    Workers write into shared memory that was set up before they started, and hand over the number of the
    slot: no pickled tensors, no file handles, and no fresh pages, which cost more than the mixing of
    simple mixes. They take turns in their slots; see ``_slots``.

    Args:
        dataset: The dataset.
        epoch: Where to begin.
        first_batch: Where to begin.
        shared: Slots for batches, uint8 ``(workers, slots, bytes)``, of which there are none where no
            worker is: then the buffer itself is handed over.
    """

    def __init__(self, dataset: MixDataset, epoch: int, first_batch: int, shared: torch.Tensor) -> None:
        super().__init__()
        self._dataset, self._epoch, self._first_batch = dataset, epoch, first_batch
        self._shared = shared

    def __iter__(self) -> Iterator[tuple[int, int | torch.Tensor, dict[str, list[str]]]]:
        """Yield a fixed set to its end; go on to the next epochs in training."""
        number, _ = worker_share()
        slots = self._shared.shape[1]
        for turn, (batch, later) in enumerate(turns(self._dataset, self._first_batch)):
            indices = self._dataset.batch_indices(batch)
            mine = self._shared[number, turn % slots] if slots else None
            buffer, made = self._dataset._make(indices, self._epoch + later, mine)
            yield len(indices), number * slots + turn % slots if slots else buffer, texts_of(made)

    def fetch(self, slot: int | torch.Tensor, pin_memory: bool) -> torch.Tensor:
        """Return a buffer of one's own with what a worker has put into a slot."""
        if isinstance(slot, torch.Tensor):
            return slot.pin_memory() if pin_memory else slot
        found = self._shared.flatten(0, 1)[slot]
        buffer = torch.empty(found.shape, dtype=torch.uint8, pin_memory=pin_memory)
        buffer.numpy()[:] = found.numpy()  # by one thread: torch's would wait for processors that mix
        return buffer


def _slots(prefetch: int) -> int:
    """Return how many slots a worker needs, so that none is written to before it was fetched.

    The loader has at most ``prefetch`` batches of a worker on order, and orders one more just before the
    batch that it received is fetched; one slot is to spare.
    """
    return prefetch + 2


def _shared_memory(*shape: int) -> torch.Tensor:
    memory = torch.empty(shape, dtype=torch.uint8)
    try:
        memory.share_memory_()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        raise ConfigError(
            f"Batches of {shape[0]} workers need {memory.nbytes / 1e6:.0f} MB of shared memory on their way, "
            f"found: {error}. Give more of it (Docker: --shm-size), or take fewer workers or smaller "
            "batches.",
            code="no-shared-memory",
        ) from error
    return memory


class MixLoader:
    """Batches of a ``MixDataset``, epoch by epoch, with exact resume in mid-epoch.

    Iterating yields one epoch of dictionaries of stacked tensors. The next iteration is the next epoch, also
    when the first was left early (``break``, ``islice``, Lightning's ``limit_train_batches``); after
    ``load_state_dict`` it is the rest of the saved one, and after an error in making a batch it goes on with
    that batch. ``state_dict`` says how many batches have been handed out; a loader with any number of
    workers, or of ranks with the same global batch, goes on from there. Under Lightning's ``overfit_batches``
    every iteration is the same.

    Workers start with the first batch. In training they go on into the next epoch by themselves, so that
    it begins without a wait; they end with the loader, or with ``close``.

    Attributes:
        mixes: The dataset. It is not called so, as Lightning warns of the length of every loader whose
            ``dataset`` is an ``IterableDataset``, and this one's is exact.
        epoch: The epoch of the next batch.
        replaced: Epoch and index of items that were replaced as a file could not be read.

    Example:
        >>> from mixlab import MixConfig, MixDataset, MixLoader
        >>> config = MixConfig(duration_s=1.0, sample_rate=16_000)
        >>> dataset = MixDataset("my-catalog", config, epoch_size=8, batch_size=4)
        >>> [tuple(batch["audio"].shape) for batch in MixLoader(dataset, num_workers=0)]
        [(4, 1, 16000), (4, 1, 16000)]
    """

    def __init__(self, dataset: MixDataset, *, num_workers: int = 0, pin_memory: bool = False) -> None:
        """Wrap a dataset; nothing is read and no process started before it is iterated.

        Args:
            dataset: A ``MixDataset``; a subclass may override ``item``.
            num_workers: Processes that render; 0 renders in this one.
            pin_memory: Copy batches to page-locked memory, for a GPU; without one, say so and go on.

        Raises:
            ConfigError: it is no ``MixDataset`` (a ``Subset``, say), or overrides ``__iter__``.
        """
        check_dataset(dataset)
        if not isinstance(num_workers, int) or isinstance(num_workers, bool) or num_workers < 0:
            raise ConfigError(f"num_workers must be 0 or more, found {num_workers}.", code="invalid-setting")
        self.mixes = dataset
        self.num_workers = num_workers
        self.pin_memory = pin_memory
        self.epoch = 0
        self.replaced: list[tuple[int, int]] = []
        self._next_batch = 0
        # Whether the next iteration begins at this position, and not with the epoch after the newest.
        self._placed = True
        self._newest = 0
        self._epochs_set = 0
        self._warned = False
        self._stream: Iterator[Batch] | None = None
        self._stream_at = (0, 0, ProcessRank())
        self._follow_dataset()

    def __getstate__(self) -> dict[str, Any]:
        """Let a copy stand where this loader stands, with workers of its own."""
        return {**self.__dict__, "_stream": None, "replaced": list(self.replaced)}

    def __repr__(self) -> str:
        """Say what it loads, and where it stands."""
        options = f"num_workers={self.num_workers}" + (", pin_memory=True" if self.pin_memory else "")
        stands = f"batch {self._next_batch} of {len(self)} of epoch {self.epoch}"
        return f"{type(self).__name__}({self.mixes!r}, {options}: at {stands})"

    def __len__(self) -> int:
        """Batches of this rank per epoch."""
        return self.mixes.batches_per_epoch

    def __iter__(self) -> Iterator[Batch]:
        """Yield an epoch, or the rest of one; see the class."""
        rank = self.mixes.check_rank(warn=not self._warned)
        self._warned = True
        stays = not self.mixes.fixed and is_overfitting()
        epoch, batch = (self.epoch, 0) if stays else self._begin()
        try:
            while batch < len(self):
                items = self._take(epoch, batch, rank)
                batch += 1
                # Counted before it is handed out: a state taken while it is in use goes on after it.
                if not stays:
                    self._advance(epoch, batch)
                self._note_replaced(epoch, items)
                yield items
        finally:
            if self.mixes.fixed:
                self.close()
        if len(self) == 0:
            self._advance(epoch, 0)

    def _begin(self) -> tuple[int, int]:
        """Return epoch and batch with which an iteration begins."""
        self._follow_dataset()
        if not self._placed:
            self.epoch, self._next_batch = self._newest + 1, 0
        self._placed = False
        self._newest = self.epoch
        return self.epoch, self._next_batch

    def _follow_dataset(self) -> None:
        """Take over an epoch that was set in the dataset."""
        times, epoch = self.mixes.epoch_set
        if times != self._epochs_set:
            self._epochs_set = times
            self.set_epoch(epoch)

    def _note_replaced(self, epoch: int, items: Batch) -> None:
        # What a subclass makes of its items may hold anything.
        if isinstance(items, Mapping) and {"index", "attempt"} <= items.keys():
            again = items["index"][items["attempt"] > 0]
            self.replaced.extend((epoch, int(index)) for index in again)

    def _take(self, epoch: int, batch: int, rank: ProcessRank) -> Batch:
        """Return a batch from the running stream; start one there if it stands elsewhere."""
        if self._stream is None or self._stream_at != (epoch, batch, rank):
            self.close()
            self._stream = self._start(epoch, batch)
        try:
            found = next(self._stream)
        except BaseException as error:
            self.close()
            self._placed = self._placed or isinstance(error, Exception)
            raise
        last = batch + 1 == len(self)
        self._stream_at = (epoch + 1, 0, rank) if last else (epoch, batch + 1, rank)
        return found

    def _start(self, epoch: int, batch: int) -> Iterator[Batch]:
        """Return the stream of batches from one on."""
        if self.mixes.changes_items:
            batches = Batches(self.mixes, epoch, batch, MixDataset._stack)
            return iter(self._loader(batches, pin_memory=self._pins()))
        return self._through_buffers(epoch, batch)

    def _through_buffers(self, epoch: int, batch: int) -> Iterator[Batch]:
        shared, pins = torch.empty((0, 0, 0), dtype=torch.uint8), self._pins()
        if self.num_workers:
            size = self.mixes._layout(self.mixes.batch_size)[1]
            shared = _shared_memory(self.num_workers, _slots(self._prefetch), size)
        buffers = _Buffers(self.mixes, epoch, batch, shared)
        for count, slot, texts in self._loader(buffers):
            found = split_buffer(buffers.fetch(slot, pins), self.mixes._layout(count)[0])
            # Copies of what is small: who keeps the targets should not keep the sound in memory with them.
            small = {name: x if name in _LARGE else x.clone() for name, x in found.items()}
            yield {**small, **texts}

    @property
    def _prefetch(self) -> int:
        return max(2, math.ceil(AHEAD / self.mixes.batch_size))

    def _loader(self, batches: IterableDataset[T], *, pin_memory: bool = False) -> DataLoader[T]:
        """Return torch's loader of ready-made batches."""
        options: dict[str, Any] = {}
        if self.num_workers:
            warm_up(self.mixes.config.render_settings())
            options = {"worker_init_fn": _start_worker, "prefetch_factor": self._prefetch}
        return DataLoader(
            batches,
            batch_size=None,
            num_workers=self.num_workers,
            pin_memory=pin_memory,
            collate_fn=_as_it_is,
            generator=torch.Generator(),  # of its own: a resumed run must not sample from torch's again
            **options,
        )

    def _pins(self) -> bool:
        """Return whether batches are pinned; say once, as torch does, where there is no GPU."""
        if self.pin_memory and not _can_pin():
            self.pin_memory = False
            warnings.warn(
                "pin_memory=True, but torch finds no GPU that pinned memory is for: batches are not pinned.",
                category=UserWarning,
                stacklevel=2,
            )
        return self.pin_memory

    def close(self) -> None:
        """End the workers; iterating starts them again where it stands."""
        self._stream = None

    def _advance(self, epoch: int, batch: int) -> None:
        if not self._placed:
            self.epoch, self._next_batch = (epoch + 1, 0) if batch >= len(self) else (epoch, batch)

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration begin an epoch.

        Raises:
            OutOfRangeError: it is not a whole number from 0.
        """
        self.epoch, self._next_batch, self._placed = check_number("epoch", epoch), 0, True

    def state_dict(self) -> dict[str, Any]:
        """Return where the stream stands, as plain data.

        It counts batches handed out by iterating; a batch that is in use counts as done.
        """
        return {
            "version": STATE_VERSION,
            "seed": self.mixes.seed,
            "epoch": self.epoch,
            "next_batch": self._next_batch,
            "epoch_size": self.mixes.epoch_size,
            "global_batch": self.mixes.global_batch,
            "content_hash": self.mixes.content_hash,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state, with any number of workers.

        Raises:
            CatalogMismatchError: the state belongs to another catalog, configuration, seed, epoch size
                or global batch, so that the same position would hold other items.
            OutOfRangeError: its position is none.
        """
        if not isinstance(state, Mapping):
            raise CatalogMismatchError(
                f"Expected the position that state_dict() returned, found {state!r}.", code="invalid-state"
            )
        mine = self.state_dict()
        for name in ("version", "content_hash", "seed", "epoch_size", "global_batch"):
            if state.get(name) != mine[name]:
                raise CatalogMismatchError(
                    f"The saved position was taken with {name}={state.get(name)!r}, this loader has "
                    f"{mine[name]!r}. Resume with the catalog, configuration, pack, folders of sounds and "
                    "transforms it was started with, or start a new run.",
                    code="state-mismatch",
                )
        epoch = check_number("epoch", state.get("epoch", ""))
        batch = check_number("next_batch", state.get("next_batch", ""), len(self) + 1, "places in an epoch")
        self.epoch, self._next_batch = epoch, batch
        self._placed, self._epochs_set = True, self.mixes.epoch_set[0]


def check_dataset(dataset: object) -> None:
    """Refuse what has no items by number: wrappers, and datasets that iterate in a way of their own."""
    if not isinstance(dataset, MixDataset):
        found = f"the class {dataset.__name__}" if isinstance(dataset, type) else type(dataset).__name__
        raise ConfigError(
            f"Expected a MixDataset, found {found}: wrappers (Subset, ConcatDataset and the "
            "like) have no epochs to stop in and resume. To change items, override item() in a subclass of "
            "MixDataset; for fewer of them, give a smaller epoch_size.",
            code="wrong-type",
        )
    if type(dataset).__iter__ is not MixDataset.__iter__:
        raise ConfigError(
            f"{type(dataset).__name__} overrides __iter__, which this loader does not use: it asks for items "
            "by number. Override item(), or take torch's DataLoader.",
            code="unsupported-override",
        )


def _can_pin() -> bool:
    accelerator = getattr(torch, "accelerator", None)  # since torch 2.6
    if accelerator is None:
        return torch.cuda.is_available()
    return bool(accelerator.is_available()) and accelerator.current_accelerator().type != "mps"


def _as_it_is(batch: Any) -> Any:  # noqa: ANN401 - torch asks for a function of a list
    return batch


def warm_up(settings: RenderSettings) -> None:
    """Load what rendering needs before workers are forked, so that not each of them has to.

    Above all the compiled kernels, which a new installation compiles once and then loads from its cache.
    """
    for name in ("filter", "flac", "mix", "resampling"):
        importlib.import_module(f"mixlab.audio._kernels.{name}")
    if settings.engine == "vocoder":
        silence = np.zeros((settings.channels, settings.sample_rate // 10), dtype=np.float32)
        get_engine(settings.engine).process(silence, settings.sample_rate, 1.0, 1.1)


def _start_worker(worker: int) -> None:
    """Keep each worker to one thread, and leave signals to the process that waits for its batches."""
    # What a forked worker inherits is not garbage; to look through it for some would copy all of it.
    gc.freeze()
    follow_parent()
    torch.set_num_threads(1)
