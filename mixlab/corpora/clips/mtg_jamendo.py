"""MTG-Jamendo: tracks with tags, in the official splits, as excerpts for training and for evaluation.

Source: Bogdanov et al. 2019, "The MTG-Jamendo dataset for automatic music tagging"; metadata CC BY-NC-SA
4.0, each track under its own Creative Commons licence.
Layout: the dataset's repository with its folder ``data/`` (below it
``splits/split-{0..4}/autotagging_top50tags-train.tsv`` and so on), and the audio that its script downloads:
``raw_30s/audio`` or ``raw_30s/audio-low``, or these folders by themselves.

Traps, and what is done:

* The last column, TAGS, runs over as many columns as a track has tags: rows are read one by one.
* PATH says ``41/241.mp3``; the smaller download names the same track ``41/241.low.mp3``: both are found.
* The header of an MP3 may promise more than it holds: what is missing reads as silence.
* Tags come from the artists: a missing tag does not prove that the instrument is absent.
"""

import csv
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, default_collate

from mixlab.audio.io import (
    FloatArray,
    check_peak,
    fit_length,
    open_audio,
    probe,
    read_frames,
    resample,
    to_channels,
)
from mixlab.errors import AudioError, ConfigError, CorpusError
from mixlab.taxonomy import LabelSet, Output, load_label_map, load_label_set
from mixlab.utils.hashing import ordered_digest
from mixlab.utils.random import open_stream

__all__ = [
    "JamendoConfig",
    "JamendoCorpus",
    "JamendoTrack",
    "Subset",
    "TrackExcerpts",
    "TrackLoader",
    "TrackStream",
    "even_starts",
    "find_audio",
    "jamendo_labels",
    "open_jamendo",
    "read_track_excerpt",
    "read_tracks",
]

Subset = Literal["top50tags", "instrument", "genre", "moodtheme", "all"]
Batch = dict[str, torch.Tensor]

SPLITS = ("train", "validation", "test")
HEADER = ("TRACK_ID", "ARTIST_ID", "ALBUM_ID", "PATH", "DURATION", "TAGS")
AUDIO_FOLDERS = ("raw_30s/audio", "raw_30s/audio-low", "audio", "audio-low", ".")
SUFFIXES = (".mp3", ".low.mp3", ".flac", ".ogg", ".opus", ".wav")
MARGIN_S = 0.02
ATTEMPTS = 5
"""How many other tracks stand in for one that cannot be read, before the error is raised."""


@dataclass(frozen=True)
class JamendoConfig:
    """Which of MTG-Jamendo is used, and how tracks are cut.

    Attributes:
        subset: Tags: the 50 most frequent (``top50tags``), those of one category, or ``all`` of them.
        split: Which of the five official splits, 0 to 4.
        duration_s: Length of an excerpt in seconds.
        val_excerpts: Excerpts per track that are scored after every epoch, each by itself.
        eval_excerpts: Evenly spaced excerpts per track whose scores are averaged in the report.
    """

    subset: Subset = "top50tags"
    split: int = 0
    duration_s: float = 4.0
    val_excerpts: int = 1
    eval_excerpts: int = 8

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            ConfigError: a value is out of its range; the message names it.
        """
        if self.subset not in get_args(Subset):
            raise ConfigError(
                f"jamendo.subset: expected one of {', '.join(get_args(Subset))}, found {self.subset!r}.",
                code="invalid-setting",
            )
        if not 0 <= self.split <= 4:
            raise ConfigError(f"jamendo.split: expected 0 to 4, found {self.split}.", code="invalid-setting")
        if not self.duration_s > 0:
            raise ConfigError(
                f"jamendo.duration_s: expected a number above 0, found {self.duration_s}.",
                code="invalid-setting",
            )
        for name in ("val_excerpts", "eval_excerpts"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"jamendo.{name}: expected 1 or more, found {getattr(self, name)}.",
                    code="invalid-setting",
                )


@dataclass(frozen=True)
class JamendoTrack:
    """One row of a TSV.

    Attributes:
        track: Id such as ``track_0000382``.
        artist: Id of its artist; official splits share none.
        album: Id of its album.
        path: Path as in the table, ``82/382.mp3``.
        duration_s: Its length as in the table.
        tags: Its tags, ``category---name``.
        audio: The file on this machine; None where it was not looked for.
    """

    track: str
    artist: str
    album: str
    path: str
    duration_s: float
    tags: tuple[str, ...]
    audio: Path | None = None


@dataclass(frozen=True)
class JamendoCorpus:
    """The tracks of one official split whose audio is there.

    Attributes:
        root: Where it lies.
        config: What was chosen.
        labels: The C tags as a label set: column order is alphabetical, as in the published checkpoints.
        tracks: By ``train``, ``validation`` and ``test``.
        missing: Ids of tracks without an audio file, by split.
    """

    root: Path
    config: JamendoConfig
    labels: LabelSet
    tracks: Mapping[str, tuple[JamendoTrack, ...]]
    missing: Mapping[str, tuple[str, ...]]

    @property
    def content_hash(self) -> str:
        """16 hex digits that change with the tags, the split or which tracks are there."""
        rows = {split: [[t.track, t.tags] for t in tracks] for split, tracks in self.tracks.items()}
        return ordered_digest([self.labels.content_hash, self.config.split, rows])


def read_tracks(path: Path) -> tuple[JamendoTrack, ...]:
    """Read one of the dataset's TSV files.

    Raises:
        CorpusError: the file is missing or has another shape; the message names the row.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file, delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(
            f"{path}: cannot be read as a table of MTG-Jamendo ({error}).", code="unreadable-file"
        ) from error
    if not rows or tuple(rows[0]) != HEADER:
        raise CorpusError(
            f"{path}, row 1: expected the columns {' '.join(HEADER)}, tab-separated, found "
            f"{' '.join(rows[0]) if rows else 'an empty file'!r}.",
            code="invalid-table",
        )
    tracks = tuple(_parse_row(row, f"{path}, row {number}") for number, row in enumerate(rows[1:], start=2))
    first: dict[str, int] = {}
    for number, track in enumerate(tracks, start=2):
        if first.setdefault(track.track, number) != number:
            raise CorpusError(
                f"{path}, row {number}: {track.track} stands in row {first[track.track]} already. Restore "
                "the table from the dataset's repository.",
                code="repeated-entry",
            )
    return tracks


def _parse_row(row: Sequence[str], where: str) -> JamendoTrack:
    try:
        track, artist, album, path, duration_s = row[:5]
        return JamendoTrack(track, artist, album, path, float(duration_s), tuple(t for t in row[5:] if t))
    except ValueError as error:
        raise CorpusError(
            f"{where}: expected at least five columns with a number of seconds in the fifth, found "
            f"{len(row)} columns: {' '.join(row)!r}.",
            code="invalid-table",
        ) from error


def find_audio(root: Path, path: str) -> Path | None:
    """Return the file of a track below ``root``, whatever was downloaded; None where there is none.

    Args:
        root: The dataset's folder, or the folder of its audio.
        path: The table's PATH.
    """
    stem = path.removesuffix(".mp3")
    for folder in AUDIO_FOLDERS:
        if not (root / folder).is_dir():
            continue
        for suffix in SUFFIXES:
            file = root / folder / f"{stem}{suffix}"
            if file.is_file():
                return file
    return None


def jamendo_labels(subset: str, tags: Iterable[str] = ()) -> LabelSet:
    """Return the label set of a subset: ``jamendo50`` for the top 50 tags, else the given tags, sorted.

    Tags of instruments are bound to nodes of the taxonomy, so that runs with these outputs can be scored
    elsewhere; genres and moods have none.
    """
    if subset == "top50tags":
        return load_label_set("jamendo50")
    label_map = load_label_map("mtg_jamendo")
    outputs = []
    for tag in sorted(set(tags)):
        resolved = label_map.resolve(tag)
        outputs.append(Output(tag, () if resolved is None else resolved.nodes))
    digest = ordered_digest([[output.name, output.nodes] for output in outputs])
    return LabelSet(f"jamendo-{subset}", f"MTG-Jamendo, {subset} tags", tuple(outputs), digest)


def _find_tables(folders: Sequence[Path], config: JamendoConfig) -> dict[str, Path]:
    infix = "" if config.subset == "all" else f"_{config.subset}"
    for folder in folders:
        for inner in ("data/splits", "splits", "."):
            place = folder / inner / f"split-{config.split}"
            found = {split: place / f"autotagging{infix}-{split}.tsv" for split in SPLITS}
            if all(file.is_file() for file in found.values()):
                return found
    raise CorpusError(
        f"Expected data/splits/split-{config.split}/autotagging{infix}-{{{','.join(SPLITS)}}}.tsv below "
        f"{' or '.join(map(str, folders))}, found none. They come with the repository "
        "MTG/mtg-jamendo-dataset; if its metadata lies elsewhere than the audio, say where (--metadata).",
        code="metadata-not-found",
    )


def open_jamendo(
    root: str | Path, config: JamendoConfig | None = None, *, metadata: str | Path | None = None
) -> JamendoCorpus:
    """Find tables and audio.

    Args:
        root: The dataset's folder, or the folder of its audio.
        config: What to use of it.
        metadata: Where the tables lie, if not below ``root``.

    Raises:
        CorpusError: there are no tables, or a split has no audio at all.
    """
    root, config = Path(root), config or JamendoConfig()
    if not root.is_dir():
        raise CorpusError(f"Expected MTG-Jamendo at {root}, which is no folder.", code="root-not-found")
    tables = _find_tables([Path(metadata)] if metadata else [root], config)
    rows = {split: read_tracks(path) for split, path in tables.items()}
    _check_apart(tables, rows)
    labels = jamendo_labels(config.subset, (t for tracks in rows.values() for x in tracks for t in x.tags))
    tracks, missing = {}, {}
    for split, listed in rows.items():
        files = [find_audio(root, track.path) for track in listed]
        tracks[split] = tuple(
            JamendoTrack(t.track, t.artist, t.album, t.path, t.duration_s, t.tags, file)
            for t, file in zip(listed, files, strict=True)
            if file is not None
        )
        missing[split] = tuple(t.track for t, file in zip(listed, files, strict=True) if file is None)
        if not tracks[split]:
            first = listed[0].path if listed else "NN/N.mp3"
            raise CorpusError(
                f"None of the {len(listed)} {split} tracks has audio below {root}: looked for {first} and "
                f"its .low.mp3 in {', '.join(AUDIO_FOLDERS)}. The dataset's scripts/download fetches it.",
                code="audio-not-found",
            )
    return JamendoCorpus(root, config, labels, tracks, missing)


def _check_apart(tables: Mapping[str, Path], rows: Mapping[str, Sequence[JamendoTrack]]) -> None:
    """Refuse tables of which two hold the same track: it would be trained on and scored."""
    owner: dict[str, str] = {}
    for split, tracks in rows.items():
        for track in tracks:
            if owner.setdefault(track.track, split) != split:
                raise CorpusError(
                    f"{track.track} stands in {tables[owner[track.track]]} and in {tables[split]}: a track "
                    "belongs to one split. Restore the tables from the dataset's repository.",
                    code="split-overlap",
                )


def even_starts(duration_s: float, excerpt_s: float, count: int) -> list[float]:
    """Return where ``count`` excerpts start: around the middles of equal parts of a track.

    Ends of tracks, often faded, are not preferred. A track shorter than an excerpt gives starts of 0.
    """
    last = max(duration_s - excerpt_s, 0.0)
    middles = [(k + 0.5) / count * duration_s for k in range(count)]
    return [min(max(middle - excerpt_s / 2, 0.0), last) for middle in middles]


def read_track_excerpt(path: Path, start_s: float, samples: int, sample_rate: int) -> FloatArray:
    """Read an excerpt as mono float32 ``(1, samples)`` at ``sample_rate``; silence beyond the file's end.

    Raises:
        AudioError: the file is missing or damaged, or holds samples beyond what sound has.
    """
    with open_audio(path) as file:
        rate = file.samplerate
        # A little more on either side, so that the resampler's own edges fall outside the excerpt.
        margin = 0 if rate == sample_rate else round(MARGIN_S * rate)
        frames = math.ceil(samples * rate / sample_rate) + 2 * margin
        audio = np.ascontiguousarray(read_frames(file, round(start_s * rate) - margin, frames).T)
    check_peak(str(path), float(np.abs(audio).max(initial=0.0)))
    audio = resample(to_channels(audio, 1), rate, sample_rate)
    return fit_length(audio[:, round(margin * sample_rate / rate) :], samples)


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


class TrackStream(Dataset[dict[str, Any]]):
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
        self.seed, self.epoch_size, self.batch_size = seed, epoch_size, batch_size
        self.rank, self.world_size = rank, world_size
        self._orders: dict[int, list[int]] = {}

    @property
    def content_hash(self) -> str:
        """Changes with whatever changes an item."""
        tagged = self.tagged
        rows = [[track.track, track.tags] for track in tagged.tracks]
        return ordered_digest([rows, tagged.tags, tagged.samples, tagged.sample_rate])

    def place(self, index: int, epoch: int) -> tuple[int, int]:
        """Return which pass over the tracks an item belongs to, and its track."""
        turn, position = divmod(epoch * self.epoch_size + index, len(self.tagged.tracks))
        if turn not in self._orders:
            order = open_stream(self.seed, turn, 0, "track order").shuffled(range(len(self.tagged.tracks)))
            self._orders = {turn: order, **dict(list(self._orders.items())[:1])}
        return turn, self._orders[turn][position]

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

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        """Return the item of (epoch, index)."""
        epoch, index = key
        return self.item(index, epoch)


class TrackLoader:
    """Batches of a ``TrackStream``, epoch by epoch, with exact resume in mid-epoch.

    Args:
        stream: The stream, with the rank and world size of this process.
        num_workers: Processes that decode; 0 decodes in this one. The batches are the same.
        pin_memory: Copy batches to page-locked memory, for a GPU.
    """

    def __init__(self, stream: TrackStream, *, num_workers: int = 0, pin_memory: bool = False) -> None:
        """Stand at the start of epoch 0."""
        self.stream, self.num_workers, self.pin_memory = stream, num_workers, pin_memory
        self.epoch, self.next_batch, self.replaced = 0, 0, 0

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
            worker_init_fn=_start_worker if self.num_workers else None,
            generator=torch.Generator(),  # of its own: a resumed run must not sample from torch's again
        )
        for items in loader:
            batch += 1
            self.epoch, self.next_batch = (epoch + 1, 0) if batch == len(self) else (epoch, batch)
            self.replaced += int((items["attempt"] > 0).sum())
            yield items

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
            ConfigError: it belongs to other tracks or settings.
        """
        mine = self.state_dict()
        for name in ("content_hash", "seed", "epoch_size", "global_batch"):
            if state.get(name) != mine[name]:
                raise ConfigError(
                    f"The saved position was taken with {name}={state.get(name)!r}, this loader has "
                    f"{mine[name]!r}. Go on with the tracks and settings it was started with.",
                    code="state-mismatch",
                )
        self.epoch, self.next_batch = int(state["epoch"]), int(state["next_batch"])


def _start_worker(worker: int) -> None:
    """Keep each worker to one thread, and leave Ctrl-C to the process that waits for its batches."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)


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
            worker_init_fn=_start_worker if num_workers else None,
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
