"""Windows of clips as batches: an endless stream for training, a fixed set for scoring."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from mixlab.audio.io import FloatArray
from mixlab.corpora.clips.base import Clip, ClipSet
from mixlab.errors import AudioError, ConfigError
from mixlab.training.clips.config import WindowConfig
from mixlab.training.clips.reading import clip_samples, load_windows, read_window, side_by_side
from mixlab.training.streams import Batch, EndlessStream, StreamLoader, start_worker
from mixlab.utils.hashing import ordered_digest
from mixlab.utils.random import open_stream

__all__ = ["ClipLoader", "ClipStream", "ClipWindows", "Cut", "window_samples"]

Problems = list[tuple[str, str]]
"""Keys of clips that could not be read, and why."""


@dataclass(frozen=True)
class Cut:
    """How clips become what one network takes.

    Attributes:
        windows: Settings.
        sample_rate: In Hz.
        channels: 1, or 2 for a network that takes stereo.
        samples: Length of a window.
    """

    windows: WindowConfig
    sample_rate: int
    channels: int
    samples: int

    def length(self, clip: Clip) -> int:
        """Return the samples of a clip, by its header; those of a window where it cannot be read."""
        try:
            return clip_samples(clip, self.sample_rate, self.windows)
        except AudioError:
            return self.samples  # said when it is to be read

    def window(self, clip: Clip, start_s: float) -> FloatArray:
        """Read a window ``(channels, samples)`` of a clip."""
        return read_window(clip, start_s, self.samples, self.sample_rate, self.channels, self.windows)

    def all_windows(self, clip: Clip) -> FloatArray:
        """Read the windows ``(K, channels, samples)`` by which a clip is scored."""
        return load_windows(clip, self.sample_rate, self.channels, self.windows, self.samples)


def window_samples(clips: ClipSet, windows: WindowConfig, sample_rate: int) -> int:
    """Return the length of a window: where it is a whole clip, that of the longest clip of the set.

    Raises:
        ConfigError: no clip can be read.
    """
    if not windows.whole:
        return round(windows.duration_s * sample_rate)
    lengths = [Cut(windows, sample_rate, 1, 0).length(clip) for clip in clips.clips]
    if not any(lengths):
        raise ConfigError(
            f"None of the {len(clips)} clips of {clips.corpus} can be read, so that a window has no length. "
            "Is the root right, and are the files whole?",
            code="unreadable-audio",
        )
    return max(lengths)


class ClipStream(EndlessStream):
    """Endless windows for training: each clip (or each of its windows) once before any comes again.

    Item ``index`` of an epoch is a pure function of seed, epoch and index: ``audio`` ``(channels, T)``,
    ``target`` and ``mask`` ``(C,)``, ``index``, ``attempt`` (above 0 where others stood in for clips that
    cannot be read) and ``problems``. Iterate it with ``ClipLoader``.

    An epoch is one pass, down to whole batches; what it leaves out the next one begins with. One of fewer
    items than a batch is a batch.

    Args:
        clips: The clips, such as those of the split ``train``.
        cut: How they are cut.
        seed: Seed of order and places.
        batch_size: Items per batch of one rank.
        rank: This process's number, in distributed training.
        world_size: How many processes take part.
    """

    order = "clip order"

    def __init__(
        self,
        clips: ClipSet,
        cut: Cut,
        *,
        seed: int = 0,
        batch_size: int = 32,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        """Find the windows, where all are taken."""
        if not len(clips):
            raise ConfigError("Expected at least one clip, found none.", code="empty-selection")
        self.clips, self.cut = clips, cut
        self.units = tuple(self._units())
        together = batch_size * world_size
        super().__init__(
            len(self.units),
            seed=seed,
            epoch_size=max(len(self.units) // together, 1) * together,
            batch_size=batch_size,
            rank=rank,
            world_size=world_size,
        )

    def _units(self) -> Iterator[tuple[int, int | None]]:
        """Yield what a pass goes over: the row of a clip and where a window starts, None for anywhere."""
        windows = self.cut.windows
        for row, clip in enumerate(self.clips.clips):
            if windows.whole:
                yield row, 0
            elif windows.training == "random":
                yield row, None
            else:
                size = self.cut.samples
                yield from ((row, start) for start in side_by_side(self.cut.length(clip), size, size))

    @cached_property
    def content_hash(self) -> str:
        """Changes with whatever changes an item."""
        cut = self.cut
        shape = [repr(cut.windows), cut.sample_rate, cut.channels, cut.samples]
        return ordered_digest([self.clips.content_hash, self.units, shape])

    def item(self, index: int, epoch: int = 0) -> dict[str, Any]:
        """Return one item; the next clips stand in for one that cannot be read.

        Raises:
            AudioError: none can be read.
        """
        turn, first = self.place(index, epoch)
        problems: Problems = []
        for attempt in range(len(self.units)):
            unit = (first + attempt) % len(self.units)
            row, start = self.units[unit]
            clip = self.clips.clips[row]
            try:
                audio = self.cut.window(clip, self._start_s(clip, start, turn, unit))
            except AudioError as error:
                problems.append((clip.key, str(error)))
                continue
            known = _known(self.clips, row)
            about = {"index": index, "attempt": attempt, "problems": problems}
            return {"audio": torch.from_numpy(audio), **known, **about}
        raise AudioError(
            f"None of the {len(self.clips)} training clips of {self.clips.corpus} can be read; the first of "
            f"them says: {problems[0][1]}",
            code="unreadable-audio",
        )

    def _start_s(self, clip: Clip, start: int | None, turn: int, unit: int) -> float:
        """Return where a window starts: where the unit says, or anywhere that leaves it within the clip."""
        if start is not None:
            return start / self.cut.sample_rate
        last = max(self.cut.length(clip) - self.cut.samples, 0) / self.cut.sample_rate
        return open_stream(self.seed, turn, unit, "window").uniform(0.0, last)


def _known(clips: ClipSet, row: int) -> Batch:
    return {"target": torch.from_numpy(clips.targets[row]), "mask": torch.from_numpy(clips.mask[row])}


class ClipLoader(StreamLoader):
    """Batches of a ``ClipStream``.

    Attributes:
        problems: Clips that could not be read so far, by their key, and why.
    """

    def __init__(self, stream: ClipStream, *, num_workers: int = 0, pin_memory: bool = False) -> None:
        """Stand at the start of epoch 0."""
        super().__init__(stream, num_workers=num_workers, pin_memory=pin_memory)
        self.problems: dict[str, str] = {}

    @staticmethod
    def collate(items: Sequence[Mapping[str, Any]]) -> tuple[Batch, Problems]:
        """Make a batch of items, and list what is wrong with clips."""
        batch = {name: torch.stack([item[name] for item in items]) for name in ("audio", "target", "mask")}
        batch |= {name: torch.tensor([item[name] for item in items]) for name in ("index", "attempt")}
        return batch, [problem for item in items for problem in item["problems"]]

    def take(self, items: tuple[Batch, Problems]) -> Batch:
        """Return the batch, and remember what could not be read."""
        batch, problems = items
        self.problems |= dict(problems)
        return batch

    def state_dict(self) -> dict[str, Any]:
        """Return where the stream stands, and what could not be read before."""
        return {**super().state_dict(), "problems": dict(self.problems)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state, with any number of workers.

        Raises:
            ConfigError: it belongs to other clips or settings.
        """
        super().load_state_dict(state)
        self.problems |= state["problems"]


class ClipWindows(Dataset[tuple[int, FloatArray | None, str]]):
    """A fixed set: the windows by which clips are scored, as batches, again and again.

    An item is a clip: its row, its windows ``(K, channels, T)`` (None where it cannot be read) and what is
    wrong with it.

    Args:
        clips: The clips.
        cut: How they are cut.
        batch_size: Windows per batch.
        num_workers: Processes that decode.
        progress: Called with the number of clips that are done.

    Attributes:
        problems: Clips that could not be read, by their key, and why.
    """

    def __init__(
        self,
        clips: ClipSet,
        cut: Cut,
        *,
        batch_size: int,
        num_workers: int = 0,
        progress: Callable[[int], object] | None = None,
    ) -> None:
        """Keep what is needed; nothing is read before it is iterated."""
        self.clips, self.cut = clips, cut
        self.batch_size, self.num_workers, self.progress = batch_size, num_workers, progress
        self.problems: dict[str, str] = {}

    def __len__(self) -> int:
        """Clips."""
        return len(self.clips)

    def __getitem__(self, row: int) -> tuple[int, FloatArray | None, str]:
        """Return one clip."""
        try:
            return row, self.cut.all_windows(self.clips.clips[row]), ""
        except AudioError as error:
            return row, None, str(error)

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches as ``mixlab.training.predict`` takes them; ``index`` is the row of the clip.

        Every batch but the last is full: a clip may be spread over several.
        """
        waiting: list[tuple[int, FloatArray]] = []
        for row, windows in self._read():
            waiting += [(row, window) for window in windows]
            while len(waiting) >= self.batch_size:
                yield self._batch(waiting[: self.batch_size])
                waiting = waiting[self.batch_size :]
        if waiting:
            yield self._batch(waiting)

    def _read(self) -> Iterator[tuple[int, FloatArray]]:
        loader: DataLoader[Any] = DataLoader(
            self,
            batch_size=None,
            num_workers=self.num_workers,
            collate_fn=_as_it_is,
            worker_init_fn=start_worker if self.num_workers else None,
            generator=torch.Generator(),
        )
        for row, windows, problem in loader:
            if self.progress is not None:
                self.progress(1)
            if windows is None:
                self.problems[self.clips.clips[row].key] = problem
            else:
                yield row, windows

    def _batch(self, windows: Sequence[tuple[int, FloatArray]]) -> Batch:
        rows = np.array([row for row, _ in windows], np.int64)
        return {
            "audio": torch.from_numpy(np.stack([audio for _, audio in windows])),
            "target": torch.from_numpy(self.clips.targets[rows]),
            "mask": torch.from_numpy(self.clips.mask[rows]),
            "index": torch.from_numpy(rows),
            "attempt": torch.zeros(len(rows), dtype=torch.int64),
        }


def _as_it_is(item: Any) -> Any:  # noqa: ANN401 - torch asks for a function of an item
    return item
