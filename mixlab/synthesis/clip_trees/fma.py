"""FMA medium: MP3s of 30 s with one top genre each, and the tables ``tracks.csv`` and ``genres.csv``.

Ten of the sixteen genres. As in FMA medium some are frequent and some are rare, but milder: artists are as
many as the square roots of the real numbers of tracks say. Artists have one to three tracks and are in one
split; of each genre a tenth is in validation and a tenth in test, at least one artist.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import sqrt
from pathlib import Path

import numpy as np

from mixlab.synthesis.clip_trees.base import ClipTree, TreeItem, TreeOptions
from mixlab.synthesis.genres import FMA_LINE_UPS, GenreTrack, plan_track, render_track
from mixlab.synthesis.names import artist_name, song_title
from mixlab.synthesis.stems import write_sound
from mixlab.synthesis.synth import SAMPLE_RATE

__all__ = ["TREE"]

_STREAM = 32
_LEAST_ARTISTS = 3

TOP_GENRES = {
    "International": 2, "Blues": 3, "Jazz": 4, "Classical": 5, "Old-Time / Historic": 8, "Country": 9,
    "Pop": 10, "Rock": 12, "Easy Listening": 13, "Soul-RnB": 14, "Electronic": 15, "Folk": 17, "Spoken": 20,
    "Hip-Hop": 21, "Experimental": 38, "Instrumental": 1235,
}  # fmt: skip
"""The sixteen top genres and their ids in ``genres.csv``."""

MEDIUM_COUNTS = {
    "Rock": 7103, "Electronic": 6314, "Hip-Hop": 2201, "Folk": 1519, "Instrumental": 1350, "Pop": 1186,
    "International": 1018, "Classical": 619, "Jazz": 384, "Soul-RnB": 154,
}  # fmt: skip
"""Tracks of FMA medium by top genre (Defferrard et al. 2017), of those that are made here."""

COLUMNS = {
    "album": ("comments", "date_created", "date_released", "engineer", "favorites", "id", "information",
              "listens", "producer", "tags", "title", "tracks", "type"),
    "artist": ("active_year_begin", "active_year_end", "associated_labels", "bio", "comments", "date_created",
               "favorites", "id", "latitude", "location", "longitude", "members", "name", "related_projects",
               "tags", "website", "wikipedia_page"),
    "set": ("split", "subset"),
    "track": ("bit_rate", "comments", "composer", "date_created", "date_recorded", "duration", "favorites",
              "genre_top", "genres", "genres_all", "information", "interest", "language_code", "license",
              "listens", "lyricist", "number", "publisher", "tags", "title"),
}  # fmt: skip
"""The 52 columns of ``tracks.csv``, below two rows of headings."""


@dataclass(frozen=True)
class _Track:
    """One row of ``tracks.csv``, and what it sounds like."""

    id: int
    artist: int
    number: int
    genre: str
    split: str
    sound: GenreTrack


def artists_of(recordings: int) -> dict[str, int]:
    """Return how many artists each genre has, ``recordings`` on average."""
    roots = {genre: sqrt(count) for genre, count in MEDIUM_COUNTS.items()}
    mean = sum(roots.values()) / len(roots)
    return {genre: max(_LEAST_ARTISTS, round(recordings * root / mean)) for genre, root in roots.items()}


def _tracks(options: TreeOptions) -> list[_Track]:
    counts = artists_of(options.recordings)
    artists = [(genre, k, n) for genre, n in counts.items() for k in range(n)]
    numbers = [1 + index % min(3, options.recordings) for index in range(len(artists))]
    rng = np.random.default_rng([options.seed, _STREAM])
    ids = iter(np.sort(rng.choice(np.arange(2, 155_320), size=sum(numbers), replace=False)).tolist())
    # Ids say nothing of the genre: they went by the time of upload.
    order = rng.permutation(len(artists)).tolist()
    return [
        _Track(
            id=next(ids),
            artist=index + 1,
            number=number,
            genre=artists[index][0],
            split=_split(artists[index][1], artists[index][2]),
            sound=plan_track(FMA_LINE_UPS[artists[index][0]], (options.seed, _STREAM, index), number),
        )
        for index in order
        for number in range(numbers[index])
    ]


def _split(artist: int, count: int) -> str:
    held = max(1, round(count / 10))
    if artist < held:
        return "test"
    return "validation" if artist < 2 * held else "training"


def _plan(options: TreeOptions) -> Sequence[TreeItem]:
    assert options.soundfont is not None
    return [
        TreeItem(
            f"fma_medium/{track.id // 1000:03d}/{track.id:06d}.mp3",
            partial(_write, track.sound, options.soundfont, options.track_s),
        )
        for track in _tracks(options)
    ]


def _write(track: GenreTrack, soundfont: Path, seconds: float, path: Path) -> None:
    write_sound(path, render_track(track, soundfont, 2, seconds).T, SAMPLE_RATE, "MP3")


def _finish(root: Path, options: TreeOptions) -> None:
    folder = root / "fma_metadata"
    folder.mkdir(parents=True, exist_ok=True)
    tracks = sorted(_tracks(options), key=lambda track: track.id)
    names = [(part, name) for part, held in COLUMNS.items() for name in held]
    _csv(
        folder / "tracks.csv",
        [
            ["", *(part for part, _ in names)],
            ["", *(name for _, name in names)],
            ["track_id", *[""] * len(names)],
            *_rows(tracks, names, options),
        ],
    )
    counts = {genre: sum(track.genre == genre for track in tracks) for genre in TOP_GENRES}
    genres = [
        [id, counts[genre], 0, genre, id] for genre, id in sorted(TOP_GENRES.items(), key=lambda g: g[1])
    ]
    _csv(folder / "genres.csv", [["genre_id", "#tracks", "parent", "title", "top_level"], *genres])


def _rows(
    tracks: Sequence[_Track], names: Sequence[tuple[str, str]], options: TreeOptions
) -> Iterator[list[object]]:
    seed = options.seed
    for track in tracks:
        genre = TOP_GENRES[track.genre]
        known: dict[tuple[str, str], object] = {
            ("album", "id"): track.artist,
            ("album", "tags"): "[]",
            ("album", "title"): song_title(seed, _STREAM + 1, track.artist),
            ("artist", "id"): track.artist,
            ("artist", "name"): artist_name(seed, _STREAM, track.artist),
            ("artist", "tags"): "[]",
            ("set", "split"): track.split,
            ("set", "subset"): "medium",
            ("track", "duration"): round(options.track_s),
            ("track", "genre_top"): track.genre,
            ("track", "genres"): f"[{genre}]",
            ("track", "genres_all"): f"[{genre}]",
            ("track", "license"): "Generated by mixlab demo-corpora",
            ("track", "number"): track.number + 1,
            ("track", "tags"): "[]",
            ("track", "title"): song_title(seed, _STREAM, track.id),
        }
        yield [track.id, *(known.get(name, "") for name in names)]


def _csv(path: Path, rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


TREE = ClipTree(
    "fma",
    "fma",
    "composed music in ten imitated genres, some of them rare, played by one SoundFont: a genre is a few "
    "line-ups and patterns, far easier than recordings",
    _plan,
    _finish,
)
