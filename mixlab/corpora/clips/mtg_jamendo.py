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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from mixlab.audio.io import (
    FloatArray,
    check_peak,
    fit_length,
    open_audio,
    read_frames,
    resample,
    to_channels,
)
from mixlab.errors import ConfigError, CorpusError
from mixlab.taxonomy import LabelSet, Output, load_label_map, load_label_set
from mixlab.utils.hashing import ordered_digest
from mixlab.utils.remote import refuse_url

__all__ = [
    "JamendoConfig",
    "JamendoCorpus",
    "JamendoTrack",
    "Subset",
    "even_starts",
    "find_audio",
    "jamendo_labels",
    "open_jamendo",
    "read_track_excerpt",
    "read_tracks",
]

Subset = Literal["top50tags", "instrument", "genre", "moodtheme", "all"]

SPLITS = ("train", "validation", "test")
HEADER = ("TRACK_ID", "ARTIST_ID", "ALBUM_ID", "PATH", "DURATION", "TAGS")
AUDIO_FOLDERS = ("raw_30s/audio", "raw_30s/audio-low", "audio", "audio-low", ".")
SUFFIXES = (".mp3", ".low.mp3", ".flac", ".ogg", ".opus", ".wav")
MARGIN_S = 0.02


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
    refuse_url("root", root)
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
