"""Features of the mixes of a stream, computed once and kept on disk.

Item ``i`` of a stream does not depend on how many are asked for, so features are kept in blocks of items:
asking for more computes only what is new, and what was finished before a stop is not computed again.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.io import FloatArray
from mixlab.catalog.catalog import Catalog
from mixlab.errors import CatalogError, MixlabError, OutputError
from mixlab.mixing.config import MixConfig
from mixlab.mixing.dataset import MixDataset
from mixlab.training.baselines.descriptors import DescriptorConfig, describe
from mixlab.utils.files import discard_damaged, make_folder, open_atomic, read_arrays
from mixlab.utils.hashing import digest
from mixlab.utils.parallel import default_workers, map_items

__all__ = ["BLOCK", "Descriptors", "Extractor", "Features", "Mixes", "compute_features", "one_thread"]

BLOCK = 128
"""Mixes per file of the cache: a few seconds of work, which is what a stop may cost."""

Extract = Callable[[FloatArray], FloatArray]
"""From audio ``(B, 1, T)`` to features ``(B, D)``."""


class Extractor(Protocol):
    """A kind of features. It travels to other processes as it is, and loads what it needs there."""

    @property
    def content_hash(self) -> str:
        """Changes with whatever changes a value."""
        ...

    def load(self) -> Extract:
        """Return the function that computes."""
        ...


@dataclass(frozen=True)
class Descriptors:
    """The hand-made descriptors as an ``Extractor``.

    Attributes:
        sample_rate: Of the mixes, in Hz.
        config: Resolution.
    """

    sample_rate: int
    config: DescriptorConfig = field(default_factory=DescriptorConfig)

    @property
    def content_hash(self) -> str:
        """Changes with the settings and with librosa's release."""
        from importlib.metadata import version

        return digest(["descriptors 1", self.sample_rate, asdict(self.config), version("librosa")])

    def load(self) -> Extract:
        """Return the function that computes."""
        return lambda audio: np.stack([describe(mix, self.sample_rate, self.config) for mix in audio])


@dataclass(frozen=True)
class Mixes:
    """The first mixes of a stream, as plain data that any process can open.

    Attributes:
        catalog: Folder of the catalog.
        roots: Where corpora lie now, by name, if they have moved.
        mix: Settings of the mixing.
        split: ``train``, ``validation`` or ``test``.
        seed: Of the stream.
        n_items: How many.
        as_given: Whether validation and test take the settings as they are, and not
            ``mix.for_evaluation()``.
    """

    catalog: str
    roots: tuple[tuple[str, str], ...]
    mix: MixConfig
    split: str
    seed: int
    n_items: int
    as_given: bool = False

    def open(self) -> MixDataset:
        """Return the stream: epoch 0 of a training stream, or a fixed set."""
        return MixDataset(
            Catalog.open(self.catalog, dict(self.roots)),
            self.mix,
            split=self.split,
            seed=self.seed,
            epoch_size=self.n_items,
            batch_size=1,
            evaluation=False if self.as_given else None,
            rank=0,
            world_size=1,
        )


@dataclass(frozen=True)
class Features:
    """Features of N mixes beside what is true of them.

    Attributes:
        values: ``(N, D)`` float32.
        targets: ``(N, C)`` 1 present, 0 absent, float32.
        mask: ``(N, C)`` True where the target is known.
        attempt: ``(N,)`` above 0 where a file could not be read and the mix was replaced.
    """

    values: FloatArray
    targets: NDArray[np.float32]
    mask: NDArray[np.bool_]
    attempt: NDArray[np.int64]


@dataclass(frozen=True)
class _Block:
    """What one call in a worker computes: items ``first`` to ``last - 1``, into ``file``."""

    mixes: Mixes
    extractor: Extractor
    first: int
    last: int
    file: str
    alone: bool


_OPENED: dict[str, tuple[MixDataset, Extract]] = {}
"""What this process has opened: a worker computes many blocks of the same stream."""


_ARRAYS = ("values", "target", "mask", "attempt")


def _opened(block: _Block) -> tuple[MixDataset, Extract]:
    key = str(Path(block.file).parent)
    if key not in _OPENED:
        if not block.alone:
            one_thread()
        _OPENED.clear()
        _OPENED[key] = block.mixes.open(), block.extractor.load()
    return _OPENED[key]


def one_thread() -> None:
    """Keep a worker to one thread: there are as many workers as processors."""
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    threadpool_limits(1)


def _compute(block: _Block) -> int | MixlabError:
    """Write the features of a block; return of how many mixes, or why the work cannot go on."""
    try:
        return _make(block)
    except (CatalogError, OutputError) as error:
        return error


def _make(block: _Block) -> int:
    dataset, extract = _opened(block)
    items = [dataset.item(index) for index in range(block.first, block.last)]
    target, mask = (np.stack([item[name].numpy() for item in items]) for name in ("target", "mask"))
    values = extract(np.stack([item["audio"].numpy() for item in items]))
    if not np.isfinite(values).all():
        raise MixlabError(
            f"Features of items {block.first} to {block.last - 1} are not finite numbers.",
            code="features-not-finite",
        )
    attempt = np.array([item["attempt"] for item in items], np.int64)
    with open_atomic(Path(block.file)) as file:
        np.savez(file, values=values.astype(np.float32), target=target, mask=mask, attempt=attempt)
    return block.last - block.first


def compute_features(
    mixes: Mixes, extractor: Extractor, cache: Path, *, workers: int = 0, show: bool = False
) -> Features:
    """Return the features of the first mixes of a stream, from the cache as far as they are there.

    Args:
        mixes: Which mixes.
        extractor: Which features.
        cache: Folder of all caches; each stream and kind of features has its own folder in it.
        workers: Processes; 0 takes one per processor, 1 stays in this one. The values are the same.
        show: Whether to show a progress bar on a terminal.

    Raises:
        MixlabError: a block could not be computed; those that could are kept.
        CatalogError: there is no catalog, or it is damaged.
        RecipeError: the split holds nothing that the configuration allows.
    """
    from tqdm import tqdm

    dataset = mixes.open()
    key = digest([dataset.content_hash, mixes.seed, extractor.content_hash])
    folder = cache / f"{mixes.split}-{key}"
    make_folder(folder)
    edges = [*range(0, mixes.n_items, BLOCK), mixes.n_items]
    files = [folder / f"{a:07d}-{b:07d}.npz" for a, b in pairwise(edges)]
    count = workers or default_workers()
    found = {file: block for file in files if (block := _read_block(file)) is not None}
    missing = [
        _Block(mixes, extractor, a, b, str(file), alone=count == 1)
        for (a, b), file in zip(pairwise(edges), files, strict=True)
        if file not in found
    ]
    problems = []
    done = mixes.n_items - sum(block.last - block.first for block in missing)
    hidden = None if show and sys.stderr.isatty() else True
    with tqdm(
        total=mixes.n_items, initial=done, desc=mixes.split, unit="mix", leave=False, disable=hidden
    ) as bar:
        for outcome in map_items(_compute, missing, workers=count):
            if isinstance(outcome.value, MixlabError):
                raise outcome.value
            if outcome.error:
                problems.append(f"{Path(missing[outcome.index].file).name}: {outcome.error}")
            else:
                bar.update(outcome.value or 0)
    _OPENED.clear()
    if problems:
        raise MixlabError(
            f"Features of {len(problems)} of {len(files)} blocks of {mixes.split} mixes could not be "
            f"computed; the others are kept in {folder}. The first says: {problems[0]}",
            code="items-failed",
        )
    found |= {file: block for file in files if file not in found and (block := _read_block(file)) is not None}
    if lost := [file for file in files if file not in found]:
        raise MixlabError(
            f"{lost[0]} was written and cannot be read back; look at the disk and start again.",
            code="written-file-lost",
        )
    return _join([found[file] for file in files])


def _read_block(file: Path) -> dict[str, NDArray[np.generic]] | None:
    """Return the arrays of a block; None where there is no file, or it was damaged, and is removed then."""
    if not file.is_file():
        return None
    try:
        arrays = read_arrays(file)
        block = {name: arrays[name] for name in _ARRAYS}
        rows = len(block["attempt"])
        if any(array.shape[:1] != (rows,) or array.ndim != 2 for array in (*block.values(),)[:3]):
            raise ValueError("its arrays do not belong together")
        if any(array.dtype.kind not in "fbi" for array in block.values()):
            raise ValueError("its arrays hold no numbers")
        return block
    except (ValueError, KeyError, TypeError) as error:
        discard_damaged(file, error)
        return None


def _join(blocks: Sequence[Mapping[str, NDArray[np.generic]]]) -> Features:
    joined = {name: np.concatenate([block[name] for block in blocks]) for name in _ARRAYS}
    return Features(
        values=joined["values"].astype(np.float32),
        targets=joined["target"].astype(np.float32),
        mask=joined["mask"].astype(np.bool_),
        attempt=joined["attempt"].astype(np.int64),
    )
