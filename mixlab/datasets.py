"""The stream: recipes drawn, rendered and handed to a training loop, in an order that is arithmetic.

Item ``index`` of an epoch is a pure function of catalog, configuration, seed and epoch. Batch ``b`` of
an epoch holds the items ``b * G`` to ``(b + 1) * G - 1``, with ``G`` the batch size over all ranks;
rank ``r`` takes the ``r``-th share of each batch, worker ``w`` of ``n`` makes every ``n``-th batch. So
the same batches come out for any number of workers, and with a constant ``G`` for any number of ranks.
"""

import gc
import importlib
import math
import signal
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from mixlab.audio import hop_edges
from mixlab.catalog import Catalog
from mixlab.drawing import Drawer
from mixlab.errors import AudioError, CatalogMismatchError, ConfigError
from mixlab.pack import PackReader, open_reader
from mixlab.reading import CatalogReader, Reader
from mixlab.recipes import RECIPE_VERSION, MixConfig, MixRecipe, RenderSettings, label_hash
from mixlab.rendering import Mix, needed_span, render
from mixlab.stretch import get_engine
from mixlab.taxonomy import load_label_set

__all__ = ["MixDataset", "MixLoader", "make_loader", "warm_up"]

T = TypeVar("T")
Item = dict[str, Any]
Batch = dict[str, torch.Tensor]
Layout = dict[str, tuple[torch.dtype, tuple[int, ...], int]]
"""Type, shape and first byte of each tensor of a batch, within one buffer."""

STATE_VERSION = 1

ATTEMPTS = 5
"""How often an item is drawn anew when a file it needs cannot be read, before the error is raised."""

AHEAD = 32
"""Mixes that a worker is ahead at least: their costs differ by a factor of ten and should even out."""

_LARGE = ("audio", "sources")
_ALIGNMENT = 64


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
        kind = "fixed" if self.fixed else "packed" if isinstance(self._find_reader(), PackReader) else "files"
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
        return self._render(self.recipe(index, epoch), self._find_reader())[0]

    def _find_reader(self) -> Reader:
        if self._reader is None:
            self._reader = self._open_reader()
        return self._reader

    def _render(
        self, recipe: MixRecipe, reader: Reader, out: NDArray[np.float32] | None = None
    ) -> tuple[Mix, int]:
        """Render an item, drawn anew where a file cannot be read; return which attempt it is, too."""
        mix = self._try(recipe, lambda drawn: render(drawn, self.catalog, reader, out=out))
        return mix, mix.recipe.attempt

    def _try(self, recipe: MixRecipe, make: Callable[[MixRecipe], T]) -> T:
        """Make an item of its recipe; where a file cannot be read, draw the item anew and say so."""
        index, epoch = recipe.index, recipe.epoch
        for attempt in range(ATTEMPTS):
            if attempt:
                recipe = self.recipe(index, epoch, attempt=attempt)
            try:
                return make(recipe)
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
        item = self._make([index], epoch)[1]
        return {name: int(x[0]) if name in ("index", "attempt") else x[0] for name, x in item.items()}

    def batch(self, batch: int, epoch: int = 0) -> Batch:
        """Return this rank's share of a batch of an epoch: its items, stacked."""
        return self._make(self.batch_indices(batch), epoch)[1]

    def _make(
        self, indices: Sequence[int], epoch: int, buffer: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Batch]:
        """Render items into the rows of a batch; return its one buffer, and the tensors that lie in it."""
        layout, size = self._layout(len(indices))
        if buffer is None:
            buffer = torch.empty(size, dtype=torch.uint8)
        batch = _split(buffer, layout)
        rows = {name: tensor.numpy() for name, tensor in batch.items()}
        recipes = [self.recipe(index, epoch) for index in indices]
        reader = self._sharing_reader(recipes)
        for row, recipe in enumerate(recipes):
            mix, attempt = self._render(recipe, reader, rows["audio"][row])
            self._write({name: values[row : row + 1] for name, values in rows.items()}, mix)
            rows["index"][row], rows["attempt"][row] = indices[row], attempt
        return buffer, batch

    def _sharing_reader(self, recipes: Sequence[MixRecipe]) -> Reader:
        """Return a reader that decodes once what several sources of a batch have in common."""
        reader = self._find_reader()
        if not isinstance(reader, CatalogReader):
            return reader
        spans = []
        for recipe in recipes:
            for source in recipe.sources:
                start_s, samples, _ = needed_span(source, recipe.render)
                spans.append((self.catalog.find(source.stem), start_s, samples / recipe.render.sample_rate))
        return reader.sharing(spans)

    def _write(self, row: Mapping[str, NDArray[Any]], mix: Mix) -> None:
        """Write all of a mix but its mixture, which is there, to a row of a batch."""
        row["target"][0], row["mask"][0] = mix.target, mix.mask
        if self.frames:
            row["frame_target"][0], row["frame_mask"][0] = mix.frames
        if self.sources:
            for name in ("sources", "source_target", "source_mask"):
                row[name][0, len(mix.sources) :] = 0
            for place, source in enumerate(mix.sources):
                row["sources"][0, place] = source.audio
                encoded = self.labels.encode(source.verdict)
                row["source_target"][0, place], row["source_mask"][0, place] = encoded

    def _layout(self, items: int) -> tuple[Layout, int]:
        """Lay out the tensors of a batch one after another; return where each lies, and the bytes of all."""
        config, classes = self.config, len(self.labels)
        mixture = (config.channels, round(config.duration_s * config.sample_rate))
        shapes: dict[str, tuple[torch.dtype, tuple[int, ...]]] = {
            "audio": (torch.float32, mixture),
            "target": (torch.float32, (classes,)),
            "mask": (torch.bool, (classes,)),
            "index": (torch.int64, ()),
            "attempt": (torch.int64, ()),
        }
        if self.frames:
            hops = len(hop_edges(mixture[1], config.sample_rate))
            shapes["frame_target"] = (torch.float32, (classes, hops))
            shapes["frame_mask"] = (torch.bool, (classes, hops))
        if self.sources:
            most = config.max_sources
            shapes["sources"] = (torch.float32, (most, *mixture))
            shapes["source_target"] = (torch.float32, (most, classes))
            shapes["source_mask"] = (torch.bool, (most, classes))
        layout: Layout = {}
        size = 0
        for name, (dtype, shape) in shapes.items():
            layout[name] = (dtype, (items, *shape), size)
            size += math.prod((items, *shape)) * dtype.itemsize
            size = -(-size // _ALIGNMENT) * _ALIGNMENT
        return layout, size

    def batch_indices(self, batch: int) -> range:
        """Return the items of this rank's share of batch number ``batch`` of an epoch."""
        first = batch * self.global_batch + self.rank * self.batch_size
        return range(min(first, self.epoch_size), min(first + self.batch_size, self.epoch_size))

    def __iter__(self) -> Iterator[Item]:
        """Yield this worker's items: endlessly over the epochs, or one fixed epoch."""
        position, step = _worker()
        while not (self.fixed and position >= self.batches_per_epoch):
            epoch, batch = divmod(position, self.batches_per_epoch)
            for index in self.batch_indices(batch):
                yield self.item(index, epoch)
            position += step


def _split(buffer: torch.Tensor, layout: Layout) -> Batch:
    """Return the tensors that lie in a buffer of bytes, as views."""
    return {
        name: buffer[first : first + math.prod(shape) * dtype.itemsize].view(dtype).view(shape)
        for name, (dtype, shape, first) in layout.items()
    }


def _worker() -> tuple[int, int]:
    """Return this worker's number and how many there are; (0, 1) in the main process."""
    info = get_worker_info()
    return (info.id, info.num_workers) if info else (0, 1)


class _Buffers(IterableDataset[tuple[int, int | torch.Tensor]]):
    """Batches from a position on, each as its number of items and the buffer that holds it.

    Workers write into shared memory that was set up before they started, and hand over the number of the
    place: no pickled tensors, no file handles, and no fresh pages, which cost more than the mixing of
    simple mixes. They take turns in their places; see ``_places``.

    Args:
        dataset: The dataset.
        epoch: Where to begin.
        first_batch: Where to begin.
        shared: Places for batches, uint8 ``(workers, places, bytes)``, of which there are none where no
            worker is: then the buffer itself is handed over.
    """

    def __init__(self, dataset: MixDataset, epoch: int, first_batch: int, shared: torch.Tensor) -> None:
        super().__init__()
        self._dataset, self._epoch, self._first_batch = dataset, epoch, first_batch
        self._shared = shared

    def __iter__(self) -> Iterator[tuple[int, int | torch.Tensor]]:
        """Yield a fixed set to its end; go on to the next epochs in training."""
        number, step = _worker()
        dataset, per_epoch = self._dataset, self._dataset.batches_per_epoch
        places = self._shared.shape[1]
        position, turn = self._first_batch + number, 0
        while position < per_epoch or not dataset.fixed:
            later, batch = divmod(position, per_epoch)
            indices = dataset.batch_indices(batch)
            mine = self._shared[number, turn % places] if places else None
            buffer, _ = dataset._make(indices, self._epoch + later, mine)
            yield len(indices), number * places + turn % places if places else buffer
            position, turn = position + step, turn + 1

    def fetch(self, place: int | torch.Tensor, pin_memory: bool) -> torch.Tensor:
        """Return a buffer of one's own with what a worker has put into a place."""
        if isinstance(place, torch.Tensor):
            return place.pin_memory() if pin_memory else place
        found = self._shared.flatten(0, 1)[place]
        buffer = torch.empty(found.shape, dtype=torch.uint8, pin_memory=pin_memory)
        buffer.numpy()[:] = found.numpy()  # by one thread: torch's would wait for processors that mix
        return buffer


def _places(prefetch: int) -> int:
    """Return how many places a worker needs, so that none is written to before it was fetched.

    The loader has at most ``prefetch`` batches of a worker on order, and orders one more just before the
    batch that it received is fetched; one place is to spare.
    """
    return prefetch + 2


def _shared_memory(*shape: int) -> torch.Tensor:
    memory = torch.empty(shape, dtype=torch.uint8)
    try:
        memory.share_memory_()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        raise ConfigError(
            f"Batches of {shape[0]} workers need {memory.nbytes / 1e6:.0f} MB of shared memory on their way, "
            f"found: {error}. Give more of it (Docker: --shm-size), or take fewer workers or smaller batches."
        ) from error
    return memory


class MixLoader:
    """Batches of a ``MixDataset``, epoch by epoch, with exact resume in mid-epoch.

    Iterating yields one epoch of dictionaries of stacked tensors; the next iteration is the next epoch.
    ``state_dict`` says how many batches have been handed out; a loader with any number of workers, or
    of ranks with the same global batch, goes on from there.

    Workers start with the first batch. In training they go on into the next epoch by themselves, so that
    it begins without a wait; they end with the loader, or with ``close``.

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
        self._stream: Iterator[tuple[int, int | torch.Tensor]] | None = None
        self._buffers: _Buffers | None = None
        self._stream_at = (0, 0)

    def __len__(self) -> int:
        """Batches of this rank per epoch."""
        return self.dataset.batches_per_epoch

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        """Yield the rest of the current epoch, then stand at the start of the next."""
        if self.dataset.fixed and not self._resumed:
            self._next_batch = 0  # a fixed set that was left early is read from its start again
        self._resumed = False
        epoch, batch = self.epoch, self._next_batch
        try:
            while batch < len(self):
                items = self._take(epoch, batch)
                batch += 1
                # Counted before it is handed out: a state taken while it is in use goes on after it.
                self._advance(epoch, batch)
                again = items["index"][items["attempt"] > 0]
                self.redrawn.extend((epoch, int(index)) for index in again)
                yield items
        finally:
            if self.dataset.fixed:
                self.close()
        if len(self) == 0:
            self._advance(epoch, 0)

    def _take(self, epoch: int, batch: int) -> Batch:
        """Return a batch from the running stream; start one there if it stands elsewhere."""
        if self._stream is None or self._buffers is None or self._stream_at != (epoch, batch):
            self.close()
            self._buffers, self._stream = self._start(epoch, batch)
        try:
            count, place = next(self._stream)
            buffer = self._buffers.fetch(place, self.pin_memory)
        except BaseException:
            self.close()
            raise
        last = batch + 1 == len(self)
        self._stream_at = (epoch + 1, 0) if last else (epoch, batch + 1)
        found = _split(buffer, self.dataset._layout(count)[0])
        # Copies of what is small: who keeps the targets should not keep the sound in memory with them.
        return {name: x if name in _LARGE else x.clone() for name, x in found.items()}

    def _start(self, epoch: int, batch: int) -> tuple[_Buffers, Iterator[tuple[int, int | torch.Tensor]]]:
        options: dict[str, Any] = {}
        shared = torch.empty((0, 0, 0), dtype=torch.uint8)
        if self.num_workers:
            warm_up(self.dataset.config.render_settings())
            prefetch = max(2, math.ceil(AHEAD / self.dataset.batch_size))
            options = {"worker_init_fn": _start_worker, "prefetch_factor": prefetch}
            size = self.dataset._layout(self.dataset.batch_size)[1]
            shared = _shared_memory(self.num_workers, _places(prefetch), size)
        buffers = _Buffers(self.dataset, epoch, batch, shared)
        loader = DataLoader(
            buffers,
            batch_size=None,
            num_workers=self.num_workers,
            collate_fn=_as_it_is,
            generator=torch.Generator(),  # of its own: a resumed run must not draw from torch's again
            **options,
        )
        return buffers, iter(loader)

    def close(self) -> None:
        """End the workers; iterating starts them again where it stands."""
        self._stream = self._buffers = None

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
                    f"{mine[name]!r}. Resume with the catalog, configuration and pack it was started "
                    "with, or start a new run."
                )
        self.epoch, self._next_batch = int(state["epoch"]), int(state["next_batch"])
        self._resumed = True


def _as_it_is(batch: Any) -> Any:  # noqa: ANN401 - torch asks for a function of a list
    return batch


def warm_up(settings: RenderSettings) -> None:
    """Load what rendering needs before workers are forked, so that not each of them has to.

    Above all the compiled kernels, which a new installation compiles once and then loads from its cache.
    """
    for name in ("filter_kernels", "mix_kernels", "resampling_kernels"):
        importlib.import_module(f"mixlab.{name}")
    if settings.engine == "vocoder":
        silence = np.zeros((settings.channels, settings.sample_rate // 10), dtype=np.float32)
        get_engine(settings.engine).process(silence, settings.sample_rate, 1.0, 1.1)


def _start_worker(worker: int) -> None:
    """Keep each worker to one thread, and leave Ctrl-C to the process that waits for its batches."""
    # What a forked worker inherits is not garbage; to look through it for some would copy all of it.
    gc.freeze()
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
