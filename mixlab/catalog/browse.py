"""What a catalog holds, one by one: its stems in pages, one stem's sound and curve, problems, artists.

The counts are in ``mixlab.catalog.statistics``. Here only the rows that are shown are turned into text, and
only the span of a file that is heard is read.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc
from numpy.typing import NDArray

from mixlab.audio.io import HOP_S, FloatArray, read_span, to_channels
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.splits import SPLITS, Leak, empty_cells, find_leaks, known_artist, plain_name
from mixlab.catalog.statistics import BLEEDS, Selection, select_rows
from mixlab.errors import CatalogError, ConfigError
from mixlab.taxonomy import load_taxonomy
from mixlab.utils.remote import Place

__all__ = [
    "EXCERPT_S",
    "ORDERS",
    "PROBLEM_MEANINGS",
    "SplitVerdict",
    "busiest_start",
    "judge_splits",
    "level_curve",
    "problem_table",
    "read_excerpt",
    "stem_table",
]

EXCERPT_S = 30.0
"""How much of a stem is read at once to be heard, in seconds."""

ORDERS = {
    "name": "key",
    "duration": "duration_s",
    "active share": "",
    "loudness": "loudness_lufs",
    "peak": "peak_db",
    "artist": "artist",
    "instrument": "part",
}
"""What stems can be sorted by, and the column behind it."""

PROBLEM_MEANINGS = {
    "bad-metadata": "A metadata file or one of its entries could not be used.",
    "bad-name": "The file's name is not valid text.",
    "bad-stem": "The corpus is known to be broken here.",
    "beyond-full-scale": "Samples that no sound has: corrupt, or integers stored as floats. Never sampled.",
    "broken-link": "A link leads nowhere: its file has not been fetched, or is gone.",
    "cancels-in-mono": "Its channels cancel each other in mono; it counts as what a mono mix hears of it.",
    "clipped": "Flat tops at full scale. The stem is used.",
    "contradiction": "Two tables of the user's own say different things of one file; the nearer one is used.",
    "crashed": "Measuring the file failed; it is tried again at the next indexing.",
    "damaged": "A part within the file is damaged or missing; what decodes is used.",
    "dc-offset": "It lies off zero, or drifts. Levels are measured without that, but mixes hold it.",
    "duplicate-audio": "The same audio is there twice; songs that share it stay in one split.",
    "duplicate-file": "The metadata lists one file as two stems; it is used once, the rest is open.",
    "duplicate-row": "A table of the user's own says the same of one file twice.",
    "duplicate-song": "Two folders of the corpus claim the same song.",
    "duplicate-stem": "Two files of a song claim the same stem.",
    "empty": "The file holds no samples.",
    "header": "The header contradicts what the file holds; the message says what is used.",
    "joined": "Several recordings in one file, of different kinds; what is of the first kind is used.",
    "link-loop": "A link leads to a folder that it lies in; it is not followed.",
    "missing-file": "The metadata names a file that is not there.",
    "nan": "Samples that are no numbers; they count as zero.",
    "no-label": "Nothing says which instrument it is, so it is never sampled.",
    "path-outside-root": "The path leaves the corpus; it is not read (links are, with --follow_links).",
    "several-songs": "The files of one folder look like those of several songs, but are read as one.",
    "shared-audio": "Two songs have audio in common; see the message for whether that ties them.",
    "short": "Ends before its song does, and counts as silent from there on.",
    "silent": "Never reaches the activity threshold, so it is never sampled.",
    "skipped": "It is there and may be audio, and is not used; the message says why.",
    "time-stamp": "The time stamps of a song's files leave in doubt where its stems start.",
    "truncated": "The file ends early; what there is of it is used.",
    "unmapped-label": "A label without an entry in the corpus's label map.",
    "unreadable": "The file cannot be decoded, so it is never sampled.",
    "unsupported": "A sample rate, number of channels or length that no stem has, so it is never sampled.",
    "unsure-label": "The name leaves open which instrument it is; the label is unknown, not present.",
}
"""What the kinds of problems mean."""

_LOUDSPEAKERS = 2

Numbers = NDArray[Any]
Rows = NDArray[np.int64]


# ---- stems ----


def stem_table(
    catalog: Catalog,
    selection: Selection,
    order: str = "name",
    descending: bool = False,
    start: int = 0,
    count: int | None = None,
) -> pd.DataFrame:
    """Return stems of a selection in an order, or a page of them.

    Args:
        catalog: The catalog.
        selection: Which of its stems.
        order: One of ``ORDERS``; stems without a value come last, equal ones by their name.
        descending: The highest first.
        start: How many to pass over.
        count: Most rows to return; None for all from ``start`` on.

    Raises:
        ConfigError: there is no such order, or the selection names something that does not exist.
    """
    if order not in ORDERS:
        raise ConfigError(
            f"Expected an order of {', '.join(ORDERS)}; found {order!r}.", code="invalid-setting"
        )
    rows = _sorted(catalog, select_rows(catalog, selection), order, descending)
    part = rows[start : None if count is None else start + count]
    table = catalog.table.take(part)
    column = {name: table.column(name).to_numpy(zero_copy_only=False) for name in table.column_names}
    names = {node: value.name for node, value in load_taxonomy().nodes.items()}
    return pd.DataFrame(
        {
            "instrument": [" or ".join(names.get(node, node) for node in nodes) for nodes in column["nodes"]],
            "song": column["song"],
            "stem": column["stem"],
            "corpus": column["corpus"],
            "duration (s)": column["duration_s"].astype(np.float64),
            "active (%)": 100.0 * _share(column["active_s"], column["duration_s"]),
            "loudness (LUFS)": column["loudness_lufs"].astype(np.float64),
            "peak (dBFS)": column["peak_db"].astype(np.float64),
            "split": column["split"],
            "artist": column["artist"],
            "label": [", ".join(labels) for labels in column["labels"]],
            "remarks": [
                "; ".join(filter(None, [ignored, *problems, BLEEDS if bleed else ""]))
                for ignored, problems, bleed in zip(
                    column["ignored"], column["problems"], column["bleed"], strict=True
                )
            ],
        }
    )


def _share(active_s: Numbers, duration_s: Numbers) -> Numbers:
    """Return active time over duration; NaN where a file holds nothing."""
    share: Numbers = np.minimum(active_s / np.where(duration_s > 0, duration_s, np.nan), 1.0)
    return share


def _sorted(catalog: Catalog, rows: Rows, order: str, descending: bool) -> Rows:
    by_name: Rows = rows[pc.sort_indices(catalog.table.column("key").take(rows)).to_numpy()]
    if order == "name":
        return by_name[::-1] if descending else by_name
    if order == "active share":
        values = _share(catalog.column("active_s")[by_name], catalog.column("duration_s")[by_name])
    else:
        column = catalog.table.column(ORDERS[order]).take(by_name)
        values = (
            pc.rank(column, tiebreaker="dense").to_numpy() if column.type == "string" else column.to_numpy()
        )
    values = np.asarray(values, dtype=np.float64)
    # NaN sorts last either way.
    by_value: Rows = by_name[np.argsort(-values if descending else values, kind="stable")]
    return by_value


def level_curve(catalog: Catalog, row: int, points: int = 600) -> pd.DataFrame:
    """Return a stem's level over time, from the stored envelope.

    Args:
        catalog: The catalog.
        row: Row of the stem.
        points: Most points to return; of the levels that share one, the highest is kept.

    Returns:
        Columns ``from`` and ``to`` in seconds, ``level`` in dBFS RMS, and ``active``: whether a level
        there reaches the activity threshold.
    """
    envelope = catalog.envelope(row).astype(np.float64)
    if not len(envelope):
        return pd.DataFrame({"from": [0.0], "to": [0.0], "level": [0.0], "active": [False]}).iloc[:0]
    hops = -(-len(envelope) // points)
    starts = np.arange(0, len(envelope), hops)
    level = np.maximum.reduceat(envelope, starts)
    ends = np.append(starts[1:], len(envelope)) * HOP_S
    ends[-1] = max(starts[-1] * HOP_S, min(ends[-1], float(catalog.column("duration_s")[row])))
    return pd.DataFrame(
        {"from": starts * HOP_S, "to": ends, "level": level, "active": level >= catalog.activity_db}
    )


def busiest_start(catalog: Catalog, row: int, duration_s: float = EXCERPT_S) -> float:
    """Return where the excerpt of a stem with most activity begins, in seconds: the first of the best."""
    counts = catalog.active_cumulative(row).astype(np.int64)
    window = min(round(duration_s / HOP_S), len(counts) - 1)
    if window <= 0:
        return 0.0
    return float(np.argmax(counts[window:] - counts[:-window])) * HOP_S


def read_excerpt(
    catalog: Catalog, row: int, start_s: float, duration_s: float = EXCERPT_S
) -> tuple[FloatArray, int]:
    """Read a span of a stem's file as it was recorded, and no more of it than that.

    Args:
        catalog: The catalog.
        row: Row of the stem.
        start_s: Where to begin, in seconds, 0 or more.
        duration_s: Most seconds to read; the end of the file ends the excerpt too.

    Returns:
        float32 ``(channels, samples)`` and the sample rate in Hz; more than two channels are mixed to one.

    Raises:
        CatalogError: the file lies outside its corpus's root, and the index was not told to follow links; or
            the root is missing.
        AudioError: the file is missing or damaged, or is not the one that was indexed.
    """
    stem = catalog.stem(row)
    path = catalog.audio_path(row)
    root = catalog.roots[stem.corpus]
    if not catalog.follow_links and _leaves(path, root):
        raise CatalogError(
            f"Expected {stem.key} below the root {root}, found a link that leads out of it. It is not read; "
            "put the file itself there, index the folder that it lies in, or index again with "
            "--follow_links.",
            code="path-outside-root",
        )
    if stem.frames == 0:
        raise CatalogError(
            f"{stem.key} holds no sound that decodes: {', '.join(stem.problems) or 'empty'}.",
            code="unreadable-audio",
        )
    first = min(max(0, round(start_s * stem.sample_rate)), stem.frames)
    frames = min(round(duration_s * stem.sample_rate), stem.frames - first)
    audio = read_span(path, first, frames, sample_rate=stem.sample_rate, end=stem.frames)
    return (to_channels(audio, 1) if len(audio) > _LOUDSPEAKERS else audio), stem.sample_rate


def _leaves(path: Place, root: Place) -> bool:
    """Tell whether a link leads a path out of its root; there are none at URLs."""
    if not isinstance(path, Path) or not isinstance(root, Path):
        return False
    return not path.resolve().is_relative_to(root.resolve())


# ---- problems ----


def problem_table(catalog: Catalog, corpora: Sequence[str] = ()) -> pd.DataFrame:
    """Return what indexing found wrong, by kind and place.

    Args:
        catalog: The catalog.
        corpora: Only these corpora; empty for all.

    Returns:
        Columns ``kind``, ``corpus``, ``song``, ``stem``, ``path`` and ``message``, texts all.
    """
    columns = ["kind", "corpus", "song", "stem", "path", "message"]
    found = [p for p in catalog.problems() if not corpora or p.corpus in corpora]
    table = pd.DataFrame([[getattr(p, name) for name in columns] for p in found], columns=columns)
    return table.sort_values(columns[:4], kind="stable", ignore_index=True)


# ---- splits ----


@dataclass(frozen=True)
class SplitVerdict:
    """Whether a division of songs keeps what belongs together together.

    Attributes:
        method: How the songs were divided.
        clean: Nothing crosses, as far as is known.
        text: The finding in one or two sentences.
        leaks: What crosses: ``kind``, ``key``, songs per split, and ``songs``, their names.
        artists: Songs of every known artist per split: ``artist``, ``corpora``, one column per split,
            ``crosses``. Those that cross come first, then those with most songs.
        unnamed: Songs of which no artist is known; they are not in ``artists``.
        empty: Pairs (family, split) without any song, for families that occur at all.
    """

    method: str
    clean: bool
    text: str
    leaks: pd.DataFrame
    artists: pd.DataFrame
    unnamed: int
    empty: tuple[tuple[str, str], ...]


def judge_splits(catalog: Catalog, method: str | None = None) -> SplitVerdict:
    """Judge the splits of a catalog: what crosses them, and where each artist is.

    Args:
        catalog: The catalog.
        method: Judge these splits instead of its own: ``artist``, ``random`` or ``corpus``, with the
            catalog's seed. No file is touched.

    Raises:
        ConfigError: there is no such method.
    """
    if method is not None:
        catalog = catalog.with_splits(method, catalog.split_seed)
    songs, where = catalog.songs(), catalog.split_songs()
    report = find_leaks(songs, where)
    places: dict[str, Counter[str]] = {}
    corpora: dict[str, set[str]] = {}
    names: dict[str, str] = {}
    for song in songs:
        if not (name := known_artist(song)):
            continue
        artist = plain_name(name)
        names.setdefault(artist, name)
        places.setdefault(artist, Counter())[where[song.key]] += 1
        corpora.setdefault(artist, set()).add(song.corpus)
    artists = pd.DataFrame(
        {
            "artist": list(names.values()),
            "corpora": [", ".join(sorted(corpora[artist])) for artist in names],
            **{split: [places[artist][split] for artist in names] for split in SPLITS},
            "crosses": [len(places[artist]) > 1 for artist in names],
        }
    )
    total = artists[list(SPLITS)].sum(axis=1)
    order = np.lexsort((np.arange(len(artists)), -total, ~artists["crosses"]))
    return SplitVerdict(
        catalog.split_method,
        report.clean,
        report.verdict,
        _leak_table(report.leaks),
        artists.iloc[order].reset_index(drop=True),
        report.unknown,
        empty_cells(songs, where),
    )


def _leak_table(leaks: Sequence[Leak]) -> pd.DataFrame:
    columns = ["kind", "key", *SPLITS, "songs"]
    rows = [
        [
            leak.kind,
            leak.key,
            *(len(leak.songs.get(split, ())) for split in SPLITS),
            ", ".join(song for split in SPLITS for song in leak.songs.get(split, ())),
        ]
        for leak in leaks
    ]
    return pd.DataFrame(rows, columns=columns)
