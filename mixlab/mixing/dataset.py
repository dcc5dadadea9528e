"""The stream: recipes sampled, rendered and handed to a training loop, in an order that is arithmetic.

Item ``index`` of an epoch is a pure function of catalog, configuration, seed and epoch. Batch ``b`` of
an epoch holds the items ``b * G`` to ``(b + 1) * G - 1``, with ``G`` the batch size over all ranks;
rank ``r`` takes the ``r``-th share of each batch, and ``n`` workers take turns in making batches. So
the same batches come out for any number of workers, and with a constant ``G`` for any number of ranks.
"""

import multiprocessing
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing.context import get_spawning_popen
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import IterableDataset, default_collate, get_worker_info

from mixlab.audio.io import HOP_S
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.pack import PackReader, open_reader
from mixlab.catalog.readers import CatalogReader, Reader
from mixlab.catalog.song_table import load_song_table
from mixlab.errors import AudioError, ConfigError
from mixlab.mixing.batch_layout import NUMBERS, Batch, BatchLayout, Layout, split_buffer
from mixlab.mixing.callers import is_overfitting, items_at_a_time
from mixlab.mixing.class_counts import ClassCounts, labels_of_stems
from mixlab.mixing.config import MixConfig, label_hash
from mixlab.mixing.epochs import EpochCounter
from mixlab.mixing.grouping import check_disjoint
from mixlab.mixing.hop_levels import check_frame_hop
from mixlab.mixing.origins import describe, search
from mixlab.mixing.ranks import ProcessRank, find_rank, given_rank
from mixlab.mixing.recipe import RECIPE_VERSION, MixRecipe, check_config
from mixlab.mixing.rendering import Mix, needed_span, render_mix
from mixlab.mixing.sampler import RecipeSampler
from mixlab.mixing.transforms import (
    ItemTransform,
    SourceTransform,
    check_transform,
    transform_id,
    transform_item,
)
from mixlab.taxonomy import load_label_set
from mixlab.utils.checks import check_number, check_sizes, check_switches
from mixlab.utils.hashing import digest
from mixlab.utils.values import refuse

__all__ = ["MixDataset"]

T = TypeVar("T")
Item = dict[str, Any]
ATTEMPTS = 5
"""How often an item is replaced when a file it needs cannot be read, before the error is raised."""

BEYOND = 1_000_000
"""Distance of the epochs that follow in one iteration: none begins with them, so none repeats them."""

Mode = Literal["training", "evaluation"]


class MixDataset(IterableDataset[Item]):
    """Endless labelled mixes for training, or a fixed set of musical ones for validation and test.

    Iterating yields dictionaries:

    - ``audio``: float32 ``(channels, samples)``, the mixture;
    - ``target``: float32 ``(classes,)``, 1 present, 0 absent;
    - ``mask``: bool ``(classes,)``, False where the label is unknown and must not count;
    - ``epoch`` and ``index``: int, the item's address: ``recipe(index, epoch)`` is its recipe;
    - with ``min_duration_s`` in the configuration: ``length``, int, the samples of this mix; what follows
      in ``audio`` and other sounds is silence, in ``frame_mask`` False;
    - ``attempt``: int, 0 unless a file could not be read and the item was replaced;
    - with ``frames=True``: ``frame_target`` and ``frame_mask`` ``(classes, frames)``, per 100 ms or
      ``frame_hop_s``;
    - with ``sources=True``: ``sources`` ``(max_sources, channels, samples)``, silent where there
      are fewer, ``source_target`` and ``source_mask`` ``(max_sources, classes)``;
    - with ``groups=True``: ``groups`` ``(classes, channels, samples)``, the sources summed by class,
      ``group_mask`` bool ``(classes,)``, False where that sum is not known, and ``ungrouped`` ``(channels,
      samples)``, the sources that are of no class for certain (``docs/separation.md``).
    - with ``meta=True``: ``kind``, text; ``n_sources``, int; ``mix_id``, text, see ``find``; ``stems``, text,
      the keys of the stems, one a line; ``notes``, text, see ``Mix.notes``, empty for most. Texts of a batch
      are lists.

    Use it bare (``DataLoader(dataset, batch_size=16, num_workers=2)``) for an endless stream, or through
    ``MixLoader`` for epochs with an end and exact resume. Bare:

    - Iterating a training set begins an epoch, and iterating it again the next one, wherever the first
      was left, for any number of worker processes, persistent or not: no mix comes twice before
      ``set_epoch``. The first iteration begins with epoch 0, in this run and in the next.
    - An iteration that goes on beyond its epoch e takes the epochs e + 1,000,000, e + 2,000,000 and so
      on, which no iteration begins with.
    - Of several loaders around one dataset each iteration takes an epoch of its own; which of two that
      start at the same moment takes the earlier one is only certain without workers.
    - The items and their order are the same for any number of workers and any batch size of the loader.

    Args:
        catalog: A catalog or its folder.
        config: Every knob of the mixing.
        split: ``train``, ``validation`` or ``test``.
        seed: Seed of the stream, any integer from 0 to 2**63 - 1.
        epoch_size: Items per epoch.
        batch_size: Items per batch of one rank, in ``MixLoader``; what ranks share is cut by it.
        mode: ``training``: endless mixes as ``config`` says, others in every epoch, which processes share.
            ``evaluation``: ``epoch_size`` musical mixes without effects, the same in every iteration, which
            ends after one pass, and whole in every process. Default: ``training`` for the split ``train``,
            else ``evaluation``.
        fixed: In place of ``mode``, what sets its halves apart: every epoch is the same, and iterating ends
            after one. Default: True for other splits than ``train``.
        evaluation: The other half: sample musical mixes without effects. Default: as ``fixed``.
        frames: Also yield labels per frame.
        frame_hop_s: Seconds per frame: 0.1, 0.05, 0.025, 0.02 or 0.01.
        sources: Also yield the sources; their sum is the mixture, but for effects on the mixture.
        groups: Also yield the sources summed by class of the configuration's label set, whose classes must
            exclude each other (``musdb4``); the sum of all is the mixture, but for effects on the mixture.
        meta: Also yield what each mix was made of.
        transform: Function ``(item, rng)`` that returns what is handed out instead of an item: a changed
            dictionary, or anything else of which batches can be made. ``rng`` is the item's own random stream
            (``mixlab.utils.random.Stream``), the same whenever that item is made.
        source_transform: Function ``(audio, rng, source)`` that returns what is mixed instead of a source:
            ``audio`` is float32 ``(channels, samples)``, with its effects and its level, and may be written
            into; ``rng`` a random stream of that source; ``source`` its ``SourceRecipe``. It returns float32
            of the same shape, finite and not silent. Whether a source sounds is told by its recording; only
            its level in the mixture (``label_rule: audible``) and what others cancel of it are measured on
            what was returned. A ``transform`` changes no label, unless it changes the item's.
        rank: This process's number, in distributed training; goes with ``world_size``. By default a
            training set asks when it is iterated: ``torch.distributed`` where it is initialised, else what
            ``torchrun``, ``accelerate``, ``srun`` or ``mpirun`` left in the environment. A fixed set is
            whole in every process by default.
        world_size: How many processes take part. ``rank=0, world_size=1`` where something else shares out
            the items, such as ``accelerator.prepare(loader)``.
        pack: ``auto`` reads from the catalog's pack where it has one of this rate and these channels (see
            ``mixlab pack``), else from the corpora's files; a folder names a pack; None reads files.
        reader: Where samples come from instead.

    Raises:
        ConfigError: an argument is of another type, a size is not positive, the rank lies outside the
            world, or ``fixed`` or ``evaluation`` stands beside ``mode``. Later, where items are made: a
            transform failed, or returned what it may not.
        RecipeError: the split holds nothing that the configuration allows.

    Example:
        >>> from mixlab import MixConfig, MixDataset
        >>> dataset = MixDataset("my-catalog", MixConfig(duration_s=1.0, sample_rate=16_000))
        >>> item = next(iter(dataset))
        >>> tuple(item["audio"].shape), tuple(item["target"].shape), tuple(item["mask"].shape)
        ((1, 16000), (15,), (15,))
        >>> dataset.mix(7).recipe == dataset.recipe(7)
        True
    """

    attempts: ClassVar[int] = ATTEMPTS

    def __init__(
        self,
        catalog: Catalog | str | Path,
        config: MixConfig | None = None,
        *,
        split: str = "train",
        seed: int = 0,
        epoch_size: int = 10_000,
        batch_size: int = 16,
        mode: Mode | None = None,
        fixed: bool | None = None,
        evaluation: bool | None = None,
        frames: bool = False,
        frame_hop_s: float = HOP_S,
        sources: bool = False,
        groups: bool = False,
        meta: bool = False,
        transform: ItemTransform | None = None,
        source_transform: SourceTransform | None = None,
        rank: int | None = None,
        world_size: int | None = None,
        pack: str | Path | None = "auto",
        reader: Reader | None = None,
    ) -> None:
        """Open the catalog, and check that there is something to sample."""
        super().__init__()
        check_sizes(epoch_size, batch_size, seed)
        self._given = given_rank(rank, world_size)
        self.catalog = _open_catalog(catalog)
        self.fixed, self.evaluation = _mode_halves(mode, split, fixed, evaluation)
        check_switches(
            fixed=self.fixed,
            evaluation=self.evaluation,
            frames=frames,
            sources=sources,
            groups=groups,
            meta=meta,
        )
        check_transform("transform", transform)
        check_transform("source_transform", source_transform)
        config = check_config(MixConfig() if config is None else config)
        self.config = config.for_evaluation() if self.evaluation else config
        if sources and self.config.full:
            raise ConfigError(
                "sources=True stacks max_sources sources, and full=True knows no such limit; choose one, or "
                "groups=True, which has one place for each class.",
                code="conflicting-settings",
            )
        self.split, self.seed = split, seed
        self.epoch_size, self.batch_size = epoch_size, batch_size
        self.frames, self.sources, self.groups, self.meta = frames, sources, groups, meta
        self.transform, self.source_transform = transform, source_transform
        check_frame_hop(frame_hop_s)
        self.frame_hop_s = frame_hop_s
        self._check_epoch(self._given or ProcessRank())
        self.labels = load_label_set(self.config.label_set)
        if groups:
            check_disjoint(self.labels)
        self._pack, self._own_reader = pack, reader
        self._reader: Reader | None = reader or self._open_reader()
        self._sampler: RecipeSampler | None = None
        self._check_items()
        self._epochs = EpochCounter()
        self._noted = False  # whether a warning said that effects do not reach what they are asked for
        # How often an epoch was set, and which: loaders look whether it was.
        self.epoch_set = (0, 0)
        # What workers that are spawned cannot see themselves.
        self._handed: tuple[int, ProcessRank, bool] | None = None

    def _check_items(self) -> None:
        """Check that there is something to sample."""
        self._sampler = RecipeSampler(self.catalog, self.config, self.split)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what a worker builds quicker than it unpickles."""
        handed = None
        if get_spawning_popen() is not None:
            handed = os.getpid(), self._process_rank(), is_overfitting()
        return {**self.__dict__, "_sampler": None, "_reader": self._own_reader, "_handed": handed}

    def __repr__(self) -> str:
        """Say what it is made of, and what its items are."""
        halves = f"fixed={self.fixed}, evaluation={self.evaluation}"
        said = [
            repr(str(self.catalog.path)),
            repr(self.config),
            f"split={self.split!r}",
            halves if self.mode is None else f"mode={self.mode!r}",
            *(f"{name}={getattr(self, name)}" for name in ("seed", "epoch_size", "batch_size")),
            *(f"{name}=True" for name in ("frames", "sources", "groups", "meta") if getattr(self, name)),
            *([f"frame_hop_s={self.frame_hop_s:g}"] if self.frame_hop_s != HOP_S else []),
            *(
                f"{name}={transform_id(own)}"
                for name in ("transform", "source_transform")
                if (own := getattr(self, name)) is not None
            ),
        ]
        shape = (self.config.channels, round(self.config.duration_s * self.config.sample_rate))
        items = f"audio {shape} at {self.config.sample_rate} Hz, {len(self.labels)} classes"
        return f"{type(self).__name__}({', '.join(said)}: {items})"

    @property
    def mode(self) -> Mode | None:
        """``training`` or ``evaluation``; None where ``fixed`` and ``evaluation`` differ."""
        if self.fixed != self.evaluation:
            return None
        return "evaluation" if self.fixed else "training"

    def __len__(self) -> int:
        """Return how many items one pass of a fixed set yields in this process.

        Raises:
            TypeError: of a training set, which is endless.
        """
        if not self.fixed:
            raise TypeError(
                "A training set is endless and has no length. It has epoch_size items per epoch over all "
                "processes, as len(MixItems(dataset)), and batches_per_epoch batches in this one, as "
                "len(MixLoader(dataset)); of the mode 'evaluation' it would have an end."
            )
        return self._items_per_pass(self._process_rank())

    def __bool__(self) -> bool:
        """Return True: a set is never empty, and one without a length is one, too."""
        return True

    def _from_parent(self) -> tuple[ProcessRank, bool] | None:
        """Return what the process that iterates handed to this worker of it, if it did."""
        parent = multiprocessing.parent_process()
        if get_worker_info() is None or self._handed is None or parent is None:
            return None
        process, place, overfits = self._handed
        return (place, overfits) if process == parent.pid else None

    def _process_rank(self) -> ProcessRank:
        """Return which of how many processes this is now, or is a worker of."""
        if self._given is not None:
            return self._given
        if self.fixed:
            return ProcessRank()
        handed = self._from_parent()
        return handed[0] if handed else find_rank()

    def _check_epoch(self, place: ProcessRank) -> None:
        if not self.fixed and self.epoch_size < self.batch_size * place.world_size:
            raise ConfigError(
                f"A training epoch needs at least one whole batch: found epoch_size={self.epoch_size} and "
                f"{self.batch_size * place.world_size} items per batch over all ranks.",
                code="epoch-too-small",
            )

    def check_rank(self, *, warn: bool) -> ProcessRank:
        """Return which of how many processes this is; warn where more are evident than are known.

        Raises:
            ConfigError: an epoch does not have a batch for every process.
        """
        place = self._process_rank()
        self._check_epoch(place)
        if place.doubt and warn:
            warnings.warn(
                f"There seem to be several processes ({place.doubt}), but nothing says which of how many "
                "this is: each of them will be given the same mixes. Initialise torch.distributed before "
                "iterating, or give MixDataset rank and world_size (0 and 1 if this process is alone).",
                category=RuntimeWarning,
                stacklevel=3,
            )
        return place

    @property
    def rank(self) -> int:
        """This process's number, as far as it is known now."""
        return self._process_rank().rank

    @property
    def world_size(self) -> int:
        """How many processes take part, as far as it is known now."""
        return self._process_rank().world_size

    @property
    def epoch(self) -> int:
        """The epoch that the next iteration of this dataset begins; a fixed set has but one."""
        return 0 if self.fixed else self._epochs.next_epoch

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration, of this dataset or of a loader around it, begin an epoch.

        Raises:
            OutOfRangeError: it is not a whole number from 0.
        """
        epoch = check_number("epoch", epoch)
        self._epochs.set(epoch)
        self.epoch_set = (self.epoch_set[0] + 1, epoch)

    def _open_reader(self) -> Reader:
        return open_reader(self.catalog, self.config.sample_rate, self.config.channels, self._pack)

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of ``target``."""
        return self.labels.names

    @property
    def source_places(self) -> int:
        """How many sources a batch has room for per item, with ``sources=True``."""
        return max(self.config.max_sources, len(self.labels) if self.config.one_of_each else 0)

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

        Tempo, beats and key of the songs count where matched mixes are sampled, by the hash of their table.

        A training stream from a pack is another one than from files: pitch and time engines answer the
        pack's rounding with other phases. Sets without effects agree to within that rounding.

        Where effects take sounds from folders, or have a ``content_hash`` of another kind, that counts.

        Of transforms it holds the names (``package.module:function``), and the ``content_hash`` of those that
        have one: their code and their settings are the user's to keep.
        """
        kind = "fixed" if self.fixed else self._read_from
        parts = (self.catalog.content_hash, self.config.content_hash, label_hash(self.config.label_set))
        songs = (load_song_table(self.catalog).content_hash,) if self.config.shares["matched"] else ()
        effects = self.config.effects.contents
        sounds = (f"effects={digest(effects)}",) if effects else ()
        return "-".join((f"v{RECIPE_VERSION}", *parts, *songs, self.split, kind, *sounds, *self._own_code))

    @property
    def _read_from(self) -> str:
        """What samples are read from."""
        return "packed" if isinstance(self._find_reader(), PackReader) else "files"

    @property
    def _own_code(self) -> list[str]:
        """What names the user's own functions."""
        given = {"transform": self.transform, "source_transform": self.source_transform}
        return [f"{name}={transform_id(found)}" for name, found in given.items() if found is not None]

    def recipe(self, index: int, epoch: int = 0, *, attempt: int = 0) -> MixRecipe:
        """Return the recipe of an item, without rendering it.

        Args:
            index: Item, 0 to ``epoch_size - 1``.
            epoch: Epoch; a fixed set is the same in all.
            attempt: Above 0: the recipe that stood in when that of ``attempt - 1`` could not be read.

        Raises:
            OutOfRangeError: there is no such item.
        """
        index = check_number("index", index, self.epoch_size, "items per epoch (epoch_size)")
        epoch, attempt = check_number("epoch", epoch), check_number("attempt", attempt)
        sampler = self._sampler = self._sampler or RecipeSampler(self.catalog, self.config, self.split)
        return sampler.sample(self.seed, 0 if self.fixed else epoch, index, attempt=attempt)

    def mix_id(self, index: int, epoch: int = 0, *, attempt: int = 0) -> str:
        """Return the name of an item's audio, as predictions have it (``MixRecipe.mix_id``)."""
        return self.recipe(index, epoch, attempt=attempt).mix_id

    def find(self, mix_id: str, epochs: int | Iterable[int] | None = None) -> MixRecipe:
        """Return the recipe of the item that has a ``mix_id``; its ``epoch`` and ``index`` say where it is.

        Recipes are sampled one after another, without rendering, until one has the name: some two thousand in
        a second. Recipes that stood in for others, as files could not be read, are looked for last.

        Args:
            mix_id: 16 hexadecimal digits, as a batch says with ``meta=True``, or as predictions have it.
            epochs: Where to look, one or several. By default the epochs from 0 to ``epoch``, which iterating
                this dataset has begun or would begin next (``MixLoader`` counts for itself); of a fixed set
                the only one.

        Raises:
            ConfigError: ``mix_id`` is no such name.
            RecipeError: no item of these epochs has it.
        """
        given = range(self.epoch + 1) if epochs is None else epochs
        given = given if isinstance(given, Iterable) else [given]
        where = [0] if self.fixed else [check_number("epoch", epoch) for epoch in given]
        said = where if len(where) < 10 else f"{where[0]} to {where[-1]}"
        items = (
            self.recipe(index, epoch, attempt=attempt)
            for attempt in range(self.attempts)
            for epoch in where
            for index in range(self.epoch_size)
        )
        return search(mix_id, items, f"{self.epoch_size} items of each of the epochs {said}")

    def mix(self, index: int, epoch: int = 0) -> Mix:
        """Return a rendered item with its sources and reasons, before ``transform``."""
        return self._render(self.recipe(index, epoch), self._find_reader())[0]

    def class_counts(self, items: int = 1000, epoch: int = 0, *, audio: bool = True) -> ClassCounts:
        """Count in how many items each class is present, absent and unknown.

        With ``BCEWithLogitsLoss``, ``pos_weight = negatives / positives`` lets the positives of every class
        weigh as much as its negatives (docs/stream.md).

        Args:
            items: How many to count, from the first of the epoch on; 1 to ``epoch_size``.
            epoch: Of which epoch.
            audio: Count targets as the stream has them, for which the items are rendered. False takes every
                sampled stem for one that sounds, without reading any audio: many times faster, and a few too
                many positives.

        Raises:
            OutOfRangeError: there are not so many items, or there is no such epoch.
            ConfigError: ``audio`` is neither True nor False.
        """
        check_switches(audio=audio)
        last = check_number("items - 1", items - 1, self.epoch_size, "items per epoch (epoch_size)")
        recipes = (self.recipe(index, epoch) for index in range(last + 1))
        if not audio:
            labels = (labels_of_stems(self.catalog, self.labels, recipe) for recipe in recipes)
            return ClassCounts.of(self.label_names, labels)
        mixes = (self._render(recipe, self._find_reader())[0] for recipe in recipes)
        return ClassCounts.of(self.label_names, ((mix.target, mix.mask) for mix in mixes))

    def _find_reader(self) -> Reader:
        if self._reader is None:
            self._reader = self._open_reader()
        return self._reader

    def _render(
        self, recipe: MixRecipe, reader: Reader, out: NDArray[np.float32] | None = None
    ) -> tuple[Mix, int]:
        """Render an item, replaced where a file cannot be read; return which attempt it is, too."""
        mix = self._try(recipe, lambda sampled: self._render_once(sampled, reader, out))
        if mix.notes and not self._noted:
            self._noted = True
            warnings.warn(
                f"Item {recipe.index} of epoch {recipe.epoch} is not all that its recipe asks for: "
                f"{'; '.join(mix.notes)}. It is used as it is, and so are others, of which nothing more is "
                "said: 'notes' of each item does, with meta=True.",
                category=UserWarning,
                stacklevel=2,
            )
        return mix, mix.recipe.attempt

    def _render_once(self, recipe: MixRecipe, reader: Reader, out: NDArray[np.float32] | None) -> Mix:
        hop_s = self.frame_hop_s if self.frames else HOP_S
        if out is not None and out.shape[-1] != recipe.render.samples:
            out = None  # a shorter mix has no such row; it is copied there
        own = self.source_transform
        return render_mix(recipe, self.catalog, reader, out=out, frame_hop_s=hop_s, source_transform=own)

    def _try(self, recipe: MixRecipe, make: Callable[[MixRecipe], T]) -> T:
        """Make an item of its recipe; where a file cannot be read, replace the item and say so."""
        index, epoch = recipe.index, recipe.epoch
        for attempt in range(self.attempts):
            if attempt:
                recipe = self.recipe(index, epoch, attempt=attempt)
            try:
                return make(recipe)
            except AudioError as error:
                if attempt == self.attempts - 1:
                    raise
                warnings.warn(
                    f"Item {index} of epoch {epoch} is replaced: {error}",
                    category=RuntimeWarning,
                    stacklevel=2,
                )
        raise AssertionError("unreachable: the last attempt returns or raises")

    def item(self, index: int, epoch: int = 0) -> Item:
        """Return one item as iterating yields it.

        ``transform`` has changed it. A subclass may change items here, too: iterating, ``batch`` and
        ``MixLoader`` all ask for them.

        Raises:
            OutOfRangeError: there is no such item.
            ConfigError: a transform failed, or returned what it may not.
        """
        return self._make_items([index], epoch)[0]

    def _make_items(self, indices: Sequence[int], epoch: int) -> list[Item]:
        """Return items as this class's ``item`` does; what they read in common is decoded once."""
        batch = self._make(indices, epoch)[1]
        items: list[Item] = [
            {name: int(x[n]) if name in NUMBERS else x[n] for name, x in batch.items()}
            for n in range(len(indices))
        ]
        if self.transform is None:
            return items
        return [transform_item(self.transform, item, self.seed) for item in items]

    @property
    def overrides_item(self) -> bool:
        """Whether ``item`` is another than this class's."""
        return getattr(self.item, "__func__", None) is not MixDataset.item

    @property
    def changes_items(self) -> bool:
        """Whether items are others than rendering gives, and so may hold anything."""
        return self.overrides_item or self.transform is not None

    def several(self, indices: Sequence[int], epoch: int = 0) -> list[Item]:
        """Return items as ``item`` does, quicker than one by one where they are of the same recordings.

        Raises:
            OutOfRangeError: there is no such item.
            ConfigError: a transform failed, or returned what it may not.
        """
        if self.overrides_item:
            return [self.item(index, epoch) for index in indices]
        return self._make_items(indices, epoch)

    def batch(self, batch: int, epoch: int = 0) -> Batch:
        """Return this rank's share of a batch of an epoch: its items, stacked.

        Raises:
            OutOfRangeError: there is no such batch.
        """
        return self._stack(self.batch_indices(batch), epoch)

    def _stack(self, indices: Sequence[int], epoch: int) -> Batch:
        if self.changes_items:
            changed: Batch = default_collate(self.several(indices, epoch))
            return changed
        return self._make(indices, epoch)[1]

    def _make(
        self, indices: Sequence[int], epoch: int, buffer: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Batch]:
        """Render items into the rows of a batch; return its one buffer, and the tensors that lie in it.

        With ``meta`` the batch has lists of texts, too, which lie beside the buffer.
        """
        batch_layout = self._batch_layout
        layout, size = batch_layout.lay_out(len(indices))
        if buffer is None:
            buffer = torch.empty(size, dtype=torch.uint8)
        batch = split_buffer(buffer, layout)
        rows = {name: tensor.numpy() for name, tensor in batch.items()}
        recipes, notes = [self.recipe(index, epoch) for index in indices], list[tuple[str, ...]]()
        reader = self._sharing_reader(recipes)
        for row, recipe in enumerate(recipes):
            mix, attempt = self._render(recipe, reader, rows["audio"][row])
            recipes[row] = mix.recipe
            notes.append(mix.notes)
            batch_layout.write(rows, row, mix, attempt)
        return buffer, {**batch, **describe(recipes, notes)} if self.meta else batch

    def _sharing_reader(self, recipes: Sequence[MixRecipe]) -> Reader:
        """Return a reader that decodes once what several sources of a batch have in common.

        From a pack at a URL, it fetches them all at the same time.
        """
        reader = self._find_reader()
        if not isinstance(reader, CatalogReader) and not (
            isinstance(reader, PackReader) and reader.is_remote
        ):
            return reader
        spans = []
        for recipe in recipes:
            for source in recipe.sources:
                start_s, samples, _ = needed_span(source, recipe.render)
                spans.append((self.catalog.find(source.stem), start_s, samples / recipe.render.sample_rate))
        return reader.sharing(spans)

    @property
    def _batch_layout(self) -> BatchLayout:
        return BatchLayout(
            self.config,
            self.labels,
            self.frame_hop_s,
            frames=self.frames,
            source_places=self.source_places if self.sources else 0,
            groups=self.groups,
            meta=self.meta,
        )

    def _layout(self, items: int) -> tuple[Layout, int]:
        """Return where the tensors of a batch of so many items lie in its buffer, and its bytes."""
        return self._batch_layout.lay_out(items)

    def batch_indices(self, batch: int) -> range:
        """Return the items of this rank's share of batch number ``batch`` of an epoch.

        Raises:
            OutOfRangeError: there is no such batch.
        """
        batch = check_number("batch", batch, self.batches_per_epoch, "batches per epoch of this rank")
        first = batch * self.global_batch + self.rank * self.batch_size
        return range(first, min(first + self.batch_size, self.epoch_size))

    def __iter__(self) -> Iterator[Item]:
        """Begin an iteration: endless, or one pass of a fixed set; yield this worker's items of it."""
        # Not a generator: the epoch is taken now, however late the first item is asked for.
        epoch, first = 0, False
        if not self.fixed:
            handed = self._from_parent()
            stay = handed[1] if handed else is_overfitting()
            epoch, first = self._epochs.begin(stay=stay)
        return self._items(epoch, self.check_rank(warn=first))

    def _items(self, epoch: int, place: ProcessRank) -> Iterator[Item]:
        """Yield the items of this worker: those of every n-th batch of the loader that asks."""
        worker, workers = worker_share()
        size = self._items_at_a_time() if workers > 1 else 1
        own, per_epoch = self.batch_size, self._items_per_pass(place)
        position = worker * size
        while True:
            for number in range(position, position + size):
                if self.fixed and number >= per_epoch:
                    return
                later, here = divmod(number, per_epoch)
                batch, offset = divmod(here, own)
                index = (batch * place.world_size + place.rank) * own + offset
                yield self.item(index, epoch + later * BEYOND)
            position += workers * size

    def _items_per_pass(self, place: ProcessRank) -> int:
        """Return how many items of an epoch are a process's own."""
        own = self.batch_size
        whole, rest = divmod(self.epoch_size, own * place.world_size)
        return whole * own + (min(max(rest - place.rank * own, 0), own) if self.fixed else 0)

    def _items_at_a_time(self) -> int:
        found = items_at_a_time()
        if found is None:
            warnings.warn(
                "What iterates this dataset in several workers does not show how many items it takes for a "
                f"batch: {self.batch_size} (batch_size) are assumed. With another number the batches depend "
                "on the number of workers.",
                category=RuntimeWarning,
                stacklevel=2,
            )
        return found or self.batch_size


def worker_share() -> tuple[int, int]:
    """Return this worker's number and how many there are; (0, 1) in the main process."""
    info = get_worker_info()
    return (info.id, info.num_workers) if info else (0, 1)


def _mode_halves(
    mode: str | None, split: str, fixed: bool | None, evaluation: bool | None
) -> tuple[bool, bool]:
    """Return whether a set is fixed, and whether it samples as evaluation does."""
    if mode is None:
        fixed = split != "train" if fixed is None else fixed
        return fixed, fixed if evaluation is None else evaluation
    if mode not in get_args(Mode):
        raise refuse("mode", f"one of {', '.join(get_args(Mode))}", mode)
    if fixed is not None or evaluation is not None:
        raise ConfigError(
            f"mode={mode!r} says both whether a set is fixed and how it is sampled: leave fixed and "
            "evaluation out, or mode.",
            code="conflicting-settings",
        )
    return mode == "evaluation", mode == "evaluation"


def _open_catalog(catalog: object) -> Catalog:
    if isinstance(catalog, Catalog):
        return catalog
    if not isinstance(catalog, (str, os.PathLike)):
        raise ConfigError(
            f"Expected a catalog or the path of its folder, found {catalog!r}.", code="wrong-type"
        )
    return Catalog.open(catalog)
