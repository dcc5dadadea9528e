"""Features of labelled clips, computed once and kept on disk, a row per clip.

A row belongs to a file, a part of it and the settings that shape it, not to a run: other classes, splits or
classifiers compute nothing anew. Rows lie in files of a few clips each, so what a stop may cost is little;
what is not there yet is computed, in any order, and a damaged file is removed and made again.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from mixlab.audio.io import FloatArray
from mixlab.corpora.clips.base import Clip, ClipSet
from mixlab.errors import AudioError, MixlabError, OutputError
from mixlab.training.baselines.features import Extract, Extractor, one_thread
from mixlab.training.clips.config import WindowConfig
from mixlab.training.clips.reading import fill, load_windows
from mixlab.utils.files import discard_damaged, make_folder, open_atomic, read_arrays
from mixlab.utils.hashing import digest
from mixlab.utils.parallel import default_workers, map_items

__all__ = [
    "BLOCK",
    "ClipFeatures",
    "Hearing",
    "compute_clip_features",
    "read_rows",
    "row_name",
    "write_rows",
]

BLOCK = 32
"""Clips per file of the cache: some seconds of work, which is what a stop may cost."""

_FEW = 2 * BLOCK  # clips that are not worth starting processes for


@dataclass(frozen=True)
class Hearing:
    """How clips are read and cut for an extractor.

    Attributes:
        windows: Windows of a clip, and its level.
        sample_rate: In Hz.
        channels: 1 or 2.
        min_samples: Shorter windows are filled up to this, as ``windows.padding`` says.
    """

    windows: WindowConfig
    sample_rate: int
    channels: int = 1
    min_samples: int = 0

    @property
    def content_hash(self) -> str:
        """Changes with whatever changes what is heard of a clip."""
        own = asdict(self.windows)
        unused = ("training", "aggregation")
        parts = {name: value for name, value in own.items() if name not in unused}
        return digest([parts, self.sample_rate, self.channels, self.min_samples])

    def hear(self, clip: Clip) -> FloatArray:
        """Return the windows of a clip, float32 ``(windows, channels, samples)``.

        Raises:
            AudioError: it cannot be read.
        """
        cut = load_windows(clip, self.sample_rate, self.channels, self.windows)
        if cut.shape[2] >= self.min_samples:
            return cut
        return np.stack([fill(window, self.min_samples, self.windows.padding) for window in cut])


@dataclass(frozen=True)
class ClipFeatures:
    """Features of those clips of a set that could be read.

    Attributes:
        clips: N clips.
        values: ``(N, D)`` float32.
        unreadable: What is wrong with the others, by their keys.
    """

    clips: ClipSet
    values: FloatArray
    unreadable: Mapping[str, str]


@dataclass(frozen=True)
class _Block:
    """What one call in a worker computes: the rows of some clips, into ``file``."""

    clips: tuple[Clip, ...]
    names: tuple[str, ...]
    hearing: Hearing
    extractor: Extractor
    file: str
    alone: bool


_LOADED: dict[str, Extract] = {}
"""What this process has loaded: a worker computes many blocks with the same extractor."""


def _extract(block: _Block) -> Extract:
    key = block.extractor.content_hash
    if key not in _LOADED:
        if not block.alone:
            one_thread()
        _LOADED.clear()
        _LOADED[key] = block.extractor.load()
    return _LOADED[key]


def _compute(block: _Block) -> dict[str, str] | OutputError:
    """Write the rows of the clips that can be read; return what is wrong with the others, by name.

    Where they cannot be written, that is returned.
    """
    try:
        return _make(block)
    except OutputError as error:
        return error


def _make(block: _Block) -> dict[str, str]:
    extract, rows, faults = _extract(block), dict[str, FloatArray](), dict[str, str]()
    for clip, name in zip(block.clips, block.names, strict=True):
        try:
            row = extract(block.hearing.hear(clip)).mean(axis=0)
        except AudioError as error:
            faults[name] = str(error)
            continue
        if np.isfinite(row).all():
            rows[name] = row.astype(np.float32)
        else:
            faults[name] = "its features are not finite numbers"
    write_rows(Path(block.file), rows)
    return faults


def write_rows(path: Path, rows: Mapping[str, FloatArray]) -> None:
    """Write rows ``(D,)`` by name into a file of the cache; without any there is none."""
    if rows:
        with open_atomic(path) as file:
            np.savez(file, names=np.array(list(rows)), values=np.stack(list(rows.values())))


def compute_clip_features(
    clips: ClipSet,
    hearing: Hearing,
    extractor: Extractor,
    cache: Path,
    *,
    workers: int = 0,
    show: bool = False,
) -> ClipFeatures:
    """Return the features of clips, from the cache as far as they are there.

    Args:
        clips: Which clips.
        hearing: How they are read and cut; a clip's features are the mean over its windows.
        extractor: Which features.
        cache: Folder of all caches; each kind of features has its own folder in it.
        workers: Processes; 0 takes one per processor, 1 stays in this one. The values are the same.
        show: Whether to show a progress bar on a terminal.

    Raises:
        MixlabError: features could not be computed, for another reason than that a clip cannot be read;
            those that could are kept.
    """
    folder = make_folder(cache / f"clips-{digest([extractor.content_hash, hearing.content_hash])}")
    names = [row_name(clip, clips.corpus) for clip in clips.clips]
    found = read_rows(folder, set(names))
    faults = dict[str, str]()
    # A second pass, clip by clip, finds the one that ended a whole block.
    for size in (BLOCK, 1):
        missing = [k for k, name in enumerate(names) if name not in found and name not in faults]
        count = 1 if len(missing) <= _FEW else workers or default_workers()
        blocks = _blocks(clips, names, missing, size, hearing, extractor, folder, alone=count == 1)
        problems = _run(blocks, faults, len(clips), len(missing), count, show)
        found |= read_rows(folder, {names[k] for k in missing})
        if not problems:
            break
    _LOADED.clear()
    if problems:
        raise MixlabError(
            f"Features of {len(problems)} of {len(clips)} clips could not be computed; the others are kept "
            f"in {folder}. The first says: {problems[0]}",
            code="items-failed",
        )
    return _gather(clips, names, found, faults, folder)


def row_name(clip: Clip, corpus: str) -> str:
    """Return what the row of a clip is kept under: it changes with its file, too."""
    try:
        status = clip.path.stat()
        file = [str(clip.path.absolute()), status.st_size, status.st_mtime_ns]
    except OSError:
        file = [str(clip.path.absolute())]  # reading it will say what is wrong
    return digest([corpus, clip.key, clip.start_s, clip.end_s, file])


def _blocks(
    clips: ClipSet,
    names: Sequence[str],
    missing: Sequence[int],
    size: int,
    hearing: Hearing,
    extractor: Extractor,
    folder: Path,
    *,
    alone: bool,
) -> list[_Block]:
    blocks = []
    for first in range(0, len(missing), size):
        rows = missing[first : first + size]
        own = tuple(names[k] for k in rows)
        file = str(folder / f"{digest(own)}.npz")
        blocks.append(_Block(tuple(clips.clips[k] for k in rows), own, hearing, extractor, file, alone))
    return blocks


def _run(
    blocks: Sequence[_Block], faults: dict[str, str], total: int, missing: int, workers: int, show: bool
) -> list[str]:
    """Compute blocks; add what is wrong with single clips to ``faults``, return what ended whole blocks."""
    from tqdm import tqdm

    problems, hidden = [], None if show and sys.stderr.isatty() else True
    with tqdm(
        total=total, initial=total - missing, desc="features", unit="clip", leave=False, disable=hidden
    ) as bar:
        for outcome in map_items(_compute, blocks, workers=workers):
            block = blocks[outcome.index]
            if isinstance(outcome.value, OutputError):
                raise outcome.value
            if outcome.error:
                problems.append(f"{block.clips[0].key}: {outcome.error}")
            else:
                faults |= outcome.value or {}
                bar.update(len(block.clips))
    return problems


def read_rows(folder: Path, wanted: set[str]) -> dict[str, FloatArray]:
    """Return the kept rows of some names; damaged files are removed."""
    found = dict[str, FloatArray]()
    for file in sorted(folder.glob("*.npz")) if wanted else ():
        try:
            arrays = read_arrays(file)
            names, values = arrays["names"].tolist(), arrays["values"]
            if values.ndim != 2 or values.dtype != np.float32 or not np.isfinite(values).all():
                raise ValueError("it holds no features")
            found |= {n: row for n, row in zip(names, values, strict=True) if n in wanted}
        except (ValueError, KeyError, TypeError) as error:
            discard_damaged(file, error)
    return found


def _gather(
    clips: ClipSet,
    names: Sequence[str],
    found: Mapping[str, FloatArray],
    faults: Mapping[str, str],
    folder: Path,
) -> ClipFeatures:
    keys = [clip.key for clip in clips.clips]
    lost = [key for key, name in zip(keys, names, strict=True) if name not in found and name not in faults]
    if lost:
        raise MixlabError(
            f"The features of {lost[0]} were written to {folder} and cannot be read back; look at the disk "
            "and start again.",
            code="written-file-lost",
        )
    kept = [k for k, name in enumerate(names) if name in found]
    values = np.stack([found[names[k]] for k in kept]) if kept else np.zeros((0, 0), np.float32)
    unreadable = {key: faults[name] for key, name in zip(keys, names, strict=True) if name in faults}
    return ClipFeatures(clips.take(kept), values, unreadable)
