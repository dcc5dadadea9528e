"""Excerpts of tagged tracks as batches: an endless stream for training, a fixed set for scoring."""

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, default_collate

from mixlab.audio.io import FloatArray, probe
from mixlab.corpora.clips.mtg_jamendo import JamendoTrack, even_starts, read_track_excerpt
from mixlab.errors import AudioError, ConfigError, CorpusError
from mixlab.training.streams import Batch, EndlessStream, StreamLoader, start_worker
from mixlab.utils.hashing import ordered_digest
from mixlab.utils.random import open_stream

__all__ = ["TrackExcerpts", "TrackLoader", "TrackStream"]

ATTEMPTS = 5
"""How many other tracks stand in for one that cannot be read, before the error is raised."""


def _duration_s(path: Path) -> float:
    info = probe(path)
    return info.frames / info.sample_rate


def _audio(track: JamendoTrack) -> Path:
    if track.audio is None:
        raise CorpusError(
            f"{track.track} has no audio file; take its corpus from open_jamendo.", code="audio-not-found"
        )
    return track.audio


class _Tagged:
    """Tracks and their targets ``(N, C)``, float32."""

    def __init__(
        self, tracks: Sequence[JamendoTrack], tags: Sequence[str], duration_s: float, sample_rate: int
    ) -> None:
        if not tracks:
            raise ConfigError("Expected at least one track, found none.", code="empty-selection")
        self.tracks = tuple(tracks)
        self.tags = tuple(tags)
        self.duration_s = duration_s
        self.samples = round(duration_s * sample_rate)
        self.sample_rate = sample_rate
        place = {tag: k for k, tag in enumerate(self.tags)}
        self.targets: NDArray[np.float32] = np.zeros((len(self.tracks), len(self.tags)), np.float32)
        for row, track in enumerate(self.tracks):
            self.targets[row, [place[tag] for tag in track.tags if tag in place]] = 1.0

    def known(self, track: int) -> dict[str, torch.Tensor]:
        """Return target and mask of a track: every tag counts as known."""
        return {
            "target": torch.from_numpy(self.targets[track]),
            "mask": torch.ones(len(self.tags), dtype=torch.bool),
        }


class TrackStream(EndlessStream):
    """Endless excerpts for training: every track once before any comes again, at a random place.

    Item ``index`` of an epoch is a pure function of seed, epoch and index. Iterate it with ``TrackLoader``.
    Items are dictionaries as those of ``MixDataset``: ``audio`` ``(1, T)``, ``target`` and ``mask`` ``(C,)``,
    ``index``, ``attempt`` (above 0 where other tracks stood in for unreadable ones).

    Args:
        tracks: Tracks with audio.
        tags: The C tags, in the order of the targets.
        duration_s: Length of an excerpt.
        sample_rate: Of the excerpts, in Hz.
        seed: Seed of order and places.
        epoch_size: Items per epoch; more or fewer than there are tracks is fine.
        batch_size: Items per batch of one rank.
        rank: This process's number, in distributed training.
        world_size: How many processes take part.
    """

    order = "track order"

    def __init__(
        self,
        tracks: Sequence[JamendoTrack],
        tags: Sequence[str],
        *,
        duration_s: float,
        sample_rate: int,
        seed: int = 0,
        epoch_size: int = 10_000,
        batch_size: int = 16,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        """Check the sizes."""
        self.tagged = _Tagged(tracks, tags, duration_s, sample_rate)
        if epoch_size < batch_size * world_size:
            raise ConfigError(
                f"A training epoch needs at least one whole batch: found epoch_size={epoch_size} and "
                f"{batch_size * world_size} items per batch over all processes.",
                code="epoch-too-small",
            )
        super().__init__(
            len(self.tagged.tracks),
            seed=seed,
            epoch_size=epoch_size,
            batch_size=batch_size,
            rank=rank,
            world_size=world_size,
        )

    @property
    def content_hash(self) -> str:
        """Changes with whatever changes an item."""
        tagged = self.tagged
        rows = [[track.track, track.tags] for track in tagged.tracks]
        return ordered_digest([rows, tagged.tags, tagged.samples, tagged.sample_rate])

    def item(self, index: int, epoch: int = 0) -> dict[str, Any]:
        """Return one item.

        Raises:
            AudioError: neither its track nor those that stand in for it can be read.
        """
        turn, first = self.place(index, epoch)
        for attempt in range(ATTEMPTS):
            track = (first + attempt) % len(self.tagged.tracks)
            try:
                audio = self._excerpt(turn, track)
            except AudioError as error:
                if attempt == ATTEMPTS - 1:
                    raise
                warnings.warn(
                    f"Item {index} of epoch {epoch} is another track: {error}", RuntimeWarning, stacklevel=2
                )
                continue
            known = self.tagged.known(track)
            return {"audio": torch.from_numpy(audio), **known, "index": index, "attempt": attempt}
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _excerpt(self, turn: int, track: int) -> FloatArray:
        file = _audio(self.tagged.tracks[track])
        last = max(_duration_s(file) - self.tagged.duration_s, 0.0)
        start_s = open_stream(self.seed, turn, track, "chunk").uniform(0.0, last)
        return read_track_excerpt(file, start_s, self.tagged.samples, self.tagged.sample_rate)


class TrackLoader(StreamLoader):
    """Batches of a ``TrackStream``; ``replaced`` counts the excerpts that were taken from other tracks."""

    def __init__(self, stream: TrackStream, *, num_workers: int = 0, pin_memory: bool = False) -> None:
        """Stand at the start of epoch 0."""
        super().__init__(stream, num_workers=num_workers, pin_memory=pin_memory)
        self.replaced = 0

    def take(self, items: Batch) -> Batch:
        """Return the batch, and count."""
        self.replaced += int((items["attempt"] > 0).sum())
        return items


class TrackExcerpts(Dataset[dict[str, Any]]):
    """A fixed set: ``count`` evenly spaced excerpts of every track, for validation and test.

    An item is a track: ``audio`` ``(count, 1, T)``, ``target``, ``mask``, ``index`` (the track's place) and
    ``failed`` (True where the track cannot be read; its audio is silence then).

    Args:
        tracks: Tracks with audio.
        tags: The C tags.
        duration_s: Length of an excerpt.
        sample_rate: In Hz.
        count: Excerpts per track.
    """

    def __init__(
        self,
        tracks: Sequence[JamendoTrack],
        tags: Sequence[str],
        *,
        duration_s: float,
        sample_rate: int,
        count: int,
    ) -> None:
        """Keep what is needed."""
        self.tagged = _Tagged(tracks, tags, duration_s, sample_rate)
        self.count = count

    def __len__(self) -> int:
        """Tracks."""
        return len(self.tagged.tracks)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return one track."""
        tagged = self.tagged
        audio = np.zeros((self.count, 1, tagged.samples), np.float32)
        failed = False
        try:
            file = _audio(tagged.tracks[index])
            starts = even_starts(_duration_s(file), tagged.duration_s, self.count)
            for k, start_s in enumerate(starts):
                audio[k] = read_track_excerpt(file, start_s, tagged.samples, tagged.sample_rate)
        except AudioError as error:
            failed = True
            warnings.warn(f"{tagged.tracks[index].track} is left out: {error}", RuntimeWarning, stacklevel=2)
        return {"audio": torch.from_numpy(audio), **tagged.known(index), "index": index, "failed": failed}

    def batches(
        self, batch_size: int, *, num_workers: int = 0, progress: Callable[[int], object] | None = None
    ) -> Iterator[Batch]:
        """Yield batches of excerpts as ``mixlab.training.predict`` takes them.

        ``audio`` is ``(B, 1, T)``; ``index`` says which track an excerpt is of; tracks that cannot be read
        are left out.

        Args:
            batch_size: Excerpts at a time, roughly: whole tracks.
            num_workers: Processes that decode.
            progress: Called with the number of tracks that are done.
        """
        loader: DataLoader[Any] = DataLoader(
            self,
            batch_size=math.ceil(batch_size / self.count),
            num_workers=num_workers,
            collate_fn=default_collate,
            worker_init_fn=start_worker if num_workers else None,
            generator=torch.Generator(),
        )
        for tracks in loader:
            kept = ~tracks["failed"]
            if progress is not None:
                progress(len(kept))
            if kept.any():
                flat = {name: tracks[name][kept] for name in ("target", "mask", "index")}
                batch = {name: values.repeat_interleave(self.count, dim=0) for name, values in flat.items()}
                batch["audio"] = tracks["audio"][kept].flatten(0, 1)
                batch["attempt"] = torch.zeros_like(batch["index"])
                yield batch
