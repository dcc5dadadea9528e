"""``mixlab catalog``: count what a catalog holds, list its problems, judge its splits."""

import textwrap
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path
from typing import Literal

import numpy as np

from mixlab.catalog.catalog import Catalog
from mixlab.catalog.splits import SPLITS, SplitMethod, empty_cells, find_leaks
from mixlab.cli.commands.options import parse_pairs
from mixlab.corpora.base import Problem
from mixlab.taxonomy import Evidence, load_label_set, load_taxonomy, stem_evidence
from mixlab.utils.csv import csv_text
from mixlab.utils.files import write_atomic
from mixlab.utils.tables import align

__all__ = ["catalog", "class_counts", "column_counts", "format_table", "wrap"]

By = Literal["class", "corpus", "split", "family"]

_HEADER = ("corpus", "split", "stems", "hours", "active", "songs", "artists", "unknown")
_SHOWN_LEAKS = 20


@dataclass
class Count:
    """Totals of one cell of the table.

    Attributes:
        stems: Usable stems.
        hours: Their length.
        active_hours: Their time at or above the activity threshold.
        songs: Keys of their songs.
        artists: Their artists, as far as they are known.
        unknown: Usable stems of which it is not known whether the class sounds in them.
    """

    stems: int = 0
    hours: float = 0.0
    active_hours: float = 0.0
    songs: set[str] = field(default_factory=set)
    artists: set[str] = field(default_factory=set)
    unknown: int = 0

    def add(self, stem: "_Facts") -> None:
        """Count a stem."""
        self.stems += 1
        self.hours += stem.hours
        self.active_hours += stem.active_hours
        self.songs.add(stem.song)
        if stem.artist:
            self.artists.add(stem.artist)


@dataclass(frozen=True)
class _Facts:
    row: int
    corpus: str
    split: str
    family: str
    song: str
    artist: str
    hours: float
    active_hours: float


Table = dict[tuple[str, str, str], Count]
"""Counts by name (of a class, a family, ...), corpus and split."""


def catalog(
    path: Path,
    by: By = "class",
    labels: str = "mixtures15",
    problems: bool = False,
    splits: SplitMethod | None = None,
    seed: int = 0,
    csv: Path | None = None,
    root: list[str] | None = None,
) -> int:
    """Count the usable stems of a catalog by class, corpus and split; sum up its problems and leaks.

    A stem counts for each class that is certain to sound in it. Where it is open whether a class
    sounds (a violin in a string section), the stem counts as unknown for that class.

    Args:
        path: Catalog folder, as 'mixlab index' makes it.
        by: Rows of the table: class, family, corpus or split.
        labels: Label set of the classes: mixtures15, irmas11, openmic20, jamendo50, mtat50, musdb4 or a file.
        problems: List every problem instead.
        splits: Look at another split (artist, random, corpus) than the catalog's own.
        seed: Seed of that other split.
        csv: Write the table, or with --problems the problems, to this file too.
        root: Where a corpus lies now, as NAME=FOLDER, if it has moved since indexing.
    """
    opened = Catalog.open(path, roots=parse_pairs(root, "--root"))
    if splits is not None:
        opened = opened.with_splits(splits, seed)
    if problems:
        found = opened.problems()
        print(_problem_list(found))
        rows: list[Sequence[object]] = [astuple(problem) for problem in found]
        header: Sequence[str] = [f.name for f in fields(Problem)]
    else:
        table = class_counts(opened, labels) if by == "class" else column_counts(opened, by)
        rows = [_cells(key, count) for key, count in table.items()]
        header = (by, *_HEADER)
        shown = [header, *rows] if by in ("corpus", "split") else _pivot(by, table)
        print(_overview(opened))
        print(f"\n{format_table(shown)}\n")
        print(_verdict(opened))
    if csv is not None:
        _write_csv(csv, [header, *rows])
        print(f"\nwritten to {csv}")
    return 0


def _usable(opened: Catalog) -> list[_Facts]:
    names = ("corpus", "split", "family", "song", "artist", "duration_s", "active_s")
    rows = np.flatnonzero(opened.column("drawable"))
    found = []
    for row in rows:
        corpus, split, family, song, artist, duration, active = (opened.column(name)[row] for name in names)
        hours, active_hours = float(duration) / 3600, float(active) / 3600
        found.append(_Facts(int(row), corpus, split, family, f"{corpus}/{song}", artist, hours, active_hours))
    return found


def column_counts(opened: Catalog, by: str) -> Table:
    """Count the usable stems by ``family``, ``corpus`` or ``split``, each over all the others too."""
    table: Table = defaultdict(Count)
    for stem in _usable(opened):
        if by == "family":
            names = {stem.family or "(several)"}
            keys = {(name, corpus, split) for name in names for corpus, split in _margins(stem)}
        elif by == "corpus":
            keys = {(corpus, "", split) for corpus in (stem.corpus, "all") for split in (stem.split, "all")}
        else:
            keys = {(split, corpus, "") for split in (stem.split, "all") for corpus in (stem.corpus, "all")}
        for key in keys:
            table[key].add(stem)
    return _sorted(table, ["all", *(load_taxonomy().families if by == "family" else SPLITS)])


def class_counts(opened: Catalog, labels: str = "mixtures15") -> Table:
    """Count the usable stems by the classes of a label set: certain ones, and unknown ones apart."""
    taxonomy, label_set = load_taxonomy(), load_label_set(labels)
    nodes, bleed = opened.column("nodes"), opened.column("bleed_nodes")
    seen: dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[list[str], list[str]]] = {}

    def classes(key: tuple[tuple[str, ...], tuple[str, ...]]) -> tuple[list[str], list[str]]:
        evidence: Evidence = stem_evidence(taxonomy, *key)
        target, mask = label_set.encode(evidence)
        present = [name for name, value in zip(label_set.names, target, strict=True) if value > 0]
        return present, [name for name, known in zip(label_set.names, mask, strict=True) if not known]

    table: Table = defaultdict(Count)
    for name in label_set.names:
        table[name, "all", "all"] = Count()
    for stem in _usable(opened):
        key = (nodes[stem.row], bleed[stem.row])
        if key not in seen:
            seen[key] = classes(key)
        for name in seen[key][0]:
            for corpus, split in _margins(stem):
                table[name, corpus, split].add(stem)
        for name in seen[key][1]:
            for corpus, split in _margins(stem):
                table[name, corpus, split].unknown += 1
    return _sorted(table, list(label_set.names))


def _margins(stem: _Facts) -> set[tuple[str, str]]:
    return {(corpus, split) for corpus in (stem.corpus, "all") for split in (stem.split, "all")}


def _sorted(table: Table, names: list[str]) -> Table:
    """Order by name, then corpus, then split; totals come first."""
    splits = ["", "all", *SPLITS]

    def place(key: tuple[str, str, str]) -> tuple[int, str, bool, str, int]:
        name, corpus, split = key
        at = names.index(name) if name in names else len(names)
        return at, name, corpus != "all", corpus, splits.index(split)

    return {key: table[key] for key in sorted(table, key=place)}


def _cells(key: tuple[str, str, str], count: Count) -> tuple[str, ...]:
    return (
        *key,
        str(count.stems),
        f"{count.hours:.2f}",
        f"{count.active_hours:.2f}",
        str(len(count.songs)),
        str(len(count.artists)),
        str(count.unknown),
    )


def _pivot(by: str, table: Table) -> list[tuple[str, ...]]:
    """Return one row per name and corpus, the number of stems per split as columns of their own."""
    lone = len({corpus for _, corpus, _ in table}) <= 2  # "all" would only repeat it
    header = (by, _HEADER[0], *_HEADER[2:], "train", "valid", "test")
    rows: list[tuple[str, ...]] = [header]
    for (name, corpus, split), count in table.items():
        if split == "all" and not (lone and corpus != "all"):
            stems = (str(table.get((name, corpus, s), Count()).stems) for s in SPLITS)
            cells = _cells((name, corpus, split), count)
            rows.append((*cells[:2], *cells[3:], *stems))
    return rows


def format_table(rows: Sequence[Sequence[object]]) -> str:
    """Align rows in columns, the header first; columns of numbers to the right, empty ones left out."""
    texts = [[str(cell) for cell in row] for row in rows]
    columns = [column for column in zip(*texts, strict=True) if any(column[1:])]
    right = {k for k, column in enumerate(columns) if all(c.replace(".", "").isdecimal() for c in column[1:])}
    return "\n".join(align(zip(*columns, strict=True), right))


def wrap(text: str, indent: int = 0) -> str:
    """Break a line at 100 columns, further lines indented; paths and names stay whole."""
    return textwrap.fill(
        text,
        100,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _overview(opened: Catalog) -> str:
    drawable = opened.column("drawable")
    songs = opened.split_songs()
    hours, active_hours = (float(opened.column(name).sum()) / 3600 for name in ("duration_s", "active_s"))
    by_split = ", ".join(f"{split} {sum(s == split for s in songs.values())}" for split in SPLITS)
    lines = [
        f"catalog   {opened.path}  (content {opened.content_hash})",
        f"stems     {len(opened)}, usable {int(drawable.sum())}; {hours:.2f} h, active {active_hours:.2f} h",
        f"songs     {len(songs)}: {by_split}  (split by {opened.split_method}, seed {opened.split_seed})",
    ]
    lines += [f"subset    of {one['path']}: {one['kept']}" for one in opened.subset_of]
    lines += [f"root      {name} = {root}" for name, root in opened.roots.items()]
    kinds = _by_kind(problem.kind for problem in opened.problems())
    lines.append(f"problems  {kinds or 'none'}" + ("  (list them with --problems)" if kinds else ""))
    return "\n".join(lines)


def _by_kind(kinds: Iterable[str]) -> str:
    counts: dict[str, int] = defaultdict(int)
    for kind in kinds:
        counts[kind] += 1
    return ", ".join(f"{kind} {n}" for kind, n in sorted(counts.items()))


def _verdict(opened: Catalog) -> str:
    report = find_leaks(opened.songs(), opened.split_songs())
    empty = empty_cells(opened.songs(), opened.split_songs())
    lines = [f"No {family} in {split}." for family, split in empty]
    lines.append(wrap(report.verdict))
    for leak in report.leaks[:_SHOWN_LEAKS]:
        where = ", ".join(f"{len(songs)} in {split}" for split, songs in leak.songs.items())
        lines.append(f"  {leak.kind} {leak.key}: {where}")
    if len(report.leaks) > _SHOWN_LEAKS:
        lines.append(f"  and {len(report.leaks) - _SHOWN_LEAKS} more")
    return "\n".join(lines)


def _problem_list(found: Sequence[Problem]) -> str:
    if not found:
        return "No problems."
    lines = [f"{len(found)} problems: {_by_kind(problem.kind for problem in found)}"]
    for problem in sorted(found, key=lambda p: (p.kind, p.corpus, p.song, p.stem)):
        where = "/".join(part for part in (problem.corpus, problem.song, problem.stem) if part)
        lines.append(f"\n{problem.kind}  {where}  {problem.path}\n  {problem.message}")
    return "\n".join(lines)


def _write_csv(path: Path, rows: Sequence[Sequence[object]]) -> None:
    write_atomic(path, csv_text(rows))
