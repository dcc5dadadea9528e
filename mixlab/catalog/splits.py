"""Divide songs into training, validation and test, and find what leaks between them.

Pure functions over songs, but for ``read_splits``, which reads a list. Songs that must stay together (the
same artist, the same MIDI file, the same work) form a *cluster*, and clusters are what is assigned to splits.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from mixlab.corpora.base import NOBODY
from mixlab.errors import ConfigError
from mixlab.utils.csv import CsvError, read_csv
from mixlab.utils.disjoint_sets import DisjointSets
from mixlab.utils.random import open_stream

__all__ = [
    "SHARES",
    "SPLITS",
    "Leak",
    "LeakReport",
    "Song",
    "SplitMethod",
    "SplitResult",
    "assign_splits",
    "clusters",
    "empty_cells",
    "find_leaks",
    "known_artist",
    "plain_name",
    "read_splits",
]

SPLITS = ("train", "validation", "test")
SHARES: Mapping[str, float] = {"train": 0.65, "validation": 0.175, "test": 0.175}
"""Share of songs per split (the paper, section 2.2)."""

SplitMethod = Literal["artist", "random", "corpus"]

# A family that only two clusters hold is put where it can be learned and tested; one cluster, where
# it can be learned.
_COVER_ORDER = ("train", "test", "validation")
# Rarer instruments would take one cluster after another out of training only to be used once.
_COVERED_HOLDERS = 5
_NUMBERS = {1: "one", 2: "two", 3: "three"}
_FITS = 0.5  # songs by which a split may exceed its share
_FAMILY_WEIGHT = 0.3  # balance of families against balance of songs


@dataclass(frozen=True)
class Song:
    """What the division needs to know about a song.

    Attributes:
        key: ``corpus/song``.
        corpus: Name of the corpus.
        artist: Artist group, or '' where nobody knows; compared without case, spaces and punctuation,
            also between corpora.
        groups: Further keys that tie songs together, ``kind:value``.
        families: Families of its drawable stems.
        corpus_split: The corpus's own split, or ''.
        usable: Something can be sampled from it; other songs do not count for the shares.
        instruments: Nodes below the families that are certain to sound in its drawable stems.
    """

    key: str
    corpus: str
    artist: str
    groups: tuple[str, ...] = ()
    families: frozenset[str] = frozenset()
    corpus_split: str = ""
    usable: bool = True
    instruments: frozenset[str] = frozenset()


@dataclass(frozen=True)
class SplitResult:
    """A division of songs.

    Attributes:
        assignment: Split of each song by its key.
        empty: Pairs (family, split) without any song, for families that occur at all.
        notes: What a user should know, one sentence each.
    """

    assignment: dict[str, str]
    empty: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Leak:
    """One key whose songs lie in more than one split.

    Attributes:
        kind: ``artist``, or the kind of the group (``midi``, ``msd``, ``song``, ...).
        key: The artist or the group's value.
        songs: Songs per split, for the splits that have any.
    """

    kind: str
    key: str
    songs: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class LeakReport:
    """All leaks of a division, and how many keys were checked.

    Attributes:
        leaks: What crosses, by kind and key.
        checked: Number of keys with at least two songs, by kind.
        unknown: Songs of which no artist is known: whether they cross splits, nobody can tell.
    """

    leaks: tuple[Leak, ...] = ()
    checked: Mapping[str, int] = field(default_factory=dict)
    unknown: int = 0

    @property
    def clean(self) -> bool:
        """Whether nothing crosses, as far as is known."""
        return not self.leaks

    @property
    def verdict(self) -> str:
        """The finding in one or two sentences."""
        if self.clean:
            shared = ", ".join(f"{n} shared {kind} keys" for kind, n in sorted(self.checked.items()))
            what = "As far as is known, no artist" if self.unknown else "No leakage: no artist"
            doubt = f"; {self._doubt}" if self.unknown else ""
            checked = shared or "no key is shared at all"
            return f"{what} and no related songs are in two splits ({checked}){doubt}."
        counts = Counter(leak.kind for leak in self.leaks)
        parts = [f"{n} of {self.checked[kind]} shared {kind} keys" for kind, n in sorted(counts.items())]
        tests = {song for leak in self.leaks for song in leak.songs.get("test", ())}
        return (
            f"LEAKAGE: {', '.join(parts)} cross splits; {len(tests)} test songs have a relative elsewhere. "
            "Scores on this split are optimistic; the artist split has none"
            + (f" that is known; {self._doubt}." if self.unknown else ".")
        )

    @property
    def _doubt(self) -> str:
        if self.unknown == 1:
            return "the artist of 1 song is unknown: cannot be checked"
        return f"artists of {self.unknown} songs are unknown: cannot be checked"


def plain_name(text: str) -> str:
    """Return a name as artists are compared: without case, spaces and punctuation."""
    kept = "".join(c for c in text.casefold() if c.isalnum())
    return kept or text


def known_artist(song: Song) -> str:
    """Return a song's artist as its corpus or else its groups name it, '' where nobody is named."""
    return next((value for _, value in _artist_keys(song)), "")


def _artist_keys(song: Song) -> list[tuple[str, str]]:
    """Return pairs of a key and the name behind it."""
    prefix = "artist:"
    names = [song.artist, *(group.removeprefix(prefix) for group in song.groups if group.startswith(prefix))]
    pairs = [(plain_name(name.strip()), name) for name in names]
    return [(key, name) for key, name in pairs if key not in NOBODY]


def _keys(song: Song) -> list[tuple[str, str]]:
    keys = [("artist", key) for key, _ in _artist_keys(song)]
    for group in song.groups:
        kind, _, value = group.partition(":")
        if kind != "artist":
            keys.append((kind, value) if value else ("group", kind))
    return keys


def clusters(songs: Sequence[Song]) -> list[tuple[int, ...]]:
    """Join songs that share an artist or a group, directly or over others.

    Returns:
        Positions of songs, each cluster ascending, clusters by their first song.
    """
    joined = DisjointSets(len(songs))
    first: dict[tuple[str, str], int] = {}
    for i, song in enumerate(songs):
        for key in _keys(song):
            joined.join(first.setdefault(key, i), i)
    return joined.sets()


def assign_splits(
    songs: Sequence[Song], method: str = "artist", seed: int = 0, given: Mapping[str, str] | None = None
) -> SplitResult:
    """Divide songs 65 / 17.5 / 17.5.

    ``artist`` (default) deals out clusters, balanced per corpus, rare families first so that each
    split has some where that is possible, then rare instruments as far as the shares allow. ``random``
    deals out songs uniformly within each corpus, as the paper does. ``corpus`` keeps the corpus's own
    split. Songs without one go where their relatives of any corpus are (to test, if one of them is there),
    and of the rest, a corpus without any split is divided as with ``artist``, others go to train.

    Args:
        songs: Songs with different keys; their order does not matter.
        method: ``artist``, ``random`` or ``corpus``.
        seed: Names one of the possible divisions; the same seed gives the same one everywhere.
        given: Splits of some songs by key, which stay as they are. A split that is given any song gets no
            others but their relatives (same artist or group); the method divides the rest between the
            splits that are given none, or puts it into train where all are. Songs that are not among
            ``songs`` are passed over, with a note.

    Raises:
        ConfigError: there is no such method or split.
    """
    ordered = sorted(songs, key=lambda song: song.key)
    if given:
        return _after_given(ordered, method, seed, given)
    assignment, notes = _divide(ordered, method, seed)
    return SplitResult(assignment, empty_cells(ordered, assignment), tuple(notes))


def _after_given(songs: Sequence[Song], method: str, seed: int, given: Mapping[str, str]) -> SplitResult:
    """Place the given songs and their relatives, then the rest; see ``assign_splits``."""
    wrong = sorted(set(given.values()) - set(SPLITS))
    if wrong:
        raise ConfigError(f"Expected splits of {', '.join(SPLITS)}; given are {wrong}.", code="unknown-split")
    missing = sorted(given.keys() - {song.key for song in songs})
    given = {key: given[key] for key in given.keys() - set(missing)}
    assignment, tied = dict(given), 0
    for cluster in clusters(songs):
        placed = {given[songs[i].key] for i in cluster if songs[i].key in given}
        # Nothing that is related to a test song may be trained on.
        split = next((s for s in ("test", "validation", "train") if s in placed), "")
        for i in cluster if split else ():
            tied += songs[i].key not in assignment
            assignment.setdefault(songs[i].key, split)
    rest = [song for song in songs if song.key not in assignment]
    free = {split: SHARES[split] for split in SPLITS if split not in given.values()} or {"train": 1.0}
    shares = {split: share / sum(free.values()) for split, share in free.items()}
    divided, notes = _divide(rest, method, seed, shares)
    found = [f"{len(given)} songs are where the list puts them, and {tied} relatives of theirs with them."]
    if missing:
        found.append(f"{len(missing)} songs of the list are not in the corpora, such as {missing[0]!r}.")
    assignment |= divided
    return SplitResult(assignment, empty_cells(songs, assignment), (*found, *notes))


def _divide(
    songs: Sequence[Song], method: str, seed: int, shares: Mapping[str, float] = SHARES
) -> tuple[dict[str, str], list[str]]:
    """Divide songs by a method between the splits that have a share."""
    if method == "artist":
        return _by_artist(songs, seed, shares=shares), _artist_notes(songs, len(shares))
    if method == "random":
        return _by_song(songs, seed, shares), []
    if method == "corpus":
        found, notes = _by_corpus(songs, seed)
        # What may not go to the corpus's own split is rather used in training than in a validation.
        instead = "train" if "train" in shares else next(iter(shares))
        moved = Counter((key.partition("/")[0], own) for key, own in found.items() if own not in shares)
        notes += [
            f"{n} songs of {corpus}'s own {own} split are in {instead}: the list decides {own}."
            for (corpus, own), n in sorted(moved.items())
        ]
        return {key: own if own in shares else instead for key, own in found.items()}, notes
    raise ConfigError(
        f"Expected a split of {', '.join(get_args(SplitMethod))}; found {method!r}.", code="invalid-setting"
    )


def read_splits(path: Path) -> dict[str, str]:
    """Read a table of songs and their splits: CSV with the columns ``song`` (``corpus/song``) and ``split``.

    However it was saved: any common delimiter and encoding is read.

    Returns:
        Split of each song, in the file's order.

    Raises:
        ConfigError: the file is missing or no such table, names a song twice or an unknown split.
    """
    try:
        table = read_csv(path.read_bytes(), ("song", "split"))
    except (OSError, CsvError) as error:
        raise ConfigError(f"Cannot read the splits of {path}: {error}.", code="unreadable-file") from error
    if not {"song", "split"} <= set(table.header):
        columns = ", ".join(table.header)
        raise ConfigError(
            f"{path} needs the columns song and split in its first line, found {columns}.",
            code="invalid-table",
        )
    found: dict[str, str] = {}
    for row in table.rows:
        cells, line = dict(zip(table.header, row.cells, strict=True)), row.number
        song, split = cells["song"], cells["split"]
        if split not in SPLITS:
            raise ConfigError(
                f"{path}, line {line}: expected a split of {', '.join(SPLITS)}, found {split!r}.",
                code="unknown-split",
            )
        if song in found:
            raise ConfigError(f"{path}, line {line}: {song!r} stands there twice.", code="repeated-entry")
        found[song] = split
    if not found:
        raise ConfigError(f"{path} lists no song.", code="empty-table")
    return found


def empty_cells(songs: Iterable[Song], assignment: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the pairs (family, split) without any song, of the families that occur at all."""
    seen = {(family, assignment[song.key]) for song in songs for family in song.families}
    families = sorted({family for family, _ in seen})
    return tuple((f, split) for f in families for split in SPLITS if (f, split) not in seen)


class _Assigner:
    """Deals clusters out, keeping count of songs per split, corpus and family."""

    def __init__(
        self, songs: Sequence[Song], groups: Sequence[Sequence[int]], seed: int, shares: Mapping[str, float]
    ) -> None:
        self.shares = shares
        order = open_stream(seed, 0, 0, "split clusters").shuffled(range(len(groups)))
        self.groups = [groups[i] for i in order]
        self.corpora = [Counter(songs[i].corpus for i in g if songs[i].usable) for g in self.groups]
        self.families = [Counter(f for i in g for f in songs[i].families) for g in self.groups]
        self.instruments = [Counter(n for i in g for n in songs[i].instruments) for g in self.groups]
        self.total_corpora = sum(self.corpora, Counter())
        self.total_families = sum(self.families, Counter())
        self.in_corpora: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
        self.in_families: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
        self.in_instruments: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
        self.split: list[str] = [""] * len(self.groups)

    def put(self, cluster: int, split: str) -> None:
        """Give a cluster to a split."""
        self.split[cluster] = split
        self.in_corpora[split] += self.corpora[cluster]
        self.in_families[split] += self.families[cluster]
        self.in_instruments[split] += self.instruments[cluster]

    def _excess(self, cluster: int, split: str) -> float:
        """By how many songs the split would exceed its share of the corpora concerned."""
        have = self.in_corpora[split]
        return max(
            (
                have[c] + n - self.shares[split] * self.total_corpora[c]
                for c, n in self.corpora[cluster].items()
            ),
            default=0.0,
        )

    def cover(
        self,
        holds: Sequence[Counter[str]],
        have: Mapping[str, Counter[str]],
        name: str,
        needed: bool = True,
    ) -> None:
        """See to it that each split has something of ``name`` (a family, a corpus, an instrument).

        Where it is not ``needed``, only clusters that fit into the split are taken, and among them the
        one that keeps the balance best.
        """
        for split in _COVER_ORDER:
            if split not in self.shares or have[split][name]:
                continue
            free = [k for k, held in enumerate(holds) if held[name] and not self.split[k]]
            if not needed:
                free = [k for k in free if self._excess(k, split) <= _FITS]
            if not free:
                continue
            # What fits is as good as the next, in shuffled order: seeds are to differ.
            if needed:
                best = min(free, key=lambda k: max(1.0, self._excess(k, split)))
            else:
                best = min(free, key=lambda k: self._cost(k, split))
            self.put(best, split)

    def _cost(self, cluster: int, split: str) -> float:
        """Growth of the squared distance from the shares, when the cluster goes to the split."""
        cost = 0.0
        for weight, held, have, total in (
            (1.0, self.corpora[cluster], self.in_corpora[split], self.total_corpora),
            (_FAMILY_WEIGHT, self.families[cluster], self.in_families[split], self.total_families),
        ):
            for name, n in held.items():
                gap = have[name] - self.shares[split] * total[name]
                cost += weight * n * (2 * gap + n) / total[name] ** 2
        return cost

    def assign_rest(self) -> None:
        """Deal out what is left, big clusters first, each to where it is missed most."""
        rest = [k for k in range(len(self.groups)) if not self.split[k]]
        for k in sorted(rest, key=lambda k: -sum(self.corpora[k].values())):
            self.put(k, min(self.shares, key=lambda split: self._cost(k, split)))


def _rarest_first(holds: Sequence[Counter[str]]) -> list[str]:
    holders = Counter(name for held in holds for name in held)
    return sorted(holders, key=lambda name: (holders[name], name))


def _by_artist(
    songs: Sequence[Song],
    seed: int,
    groups: Sequence[Sequence[int]] | None = None,
    placed: Mapping[str, str] | None = None,
    shares: Mapping[str, float] = SHARES,
) -> dict[str, str]:
    """Deal clusters out; a cluster with a song in ``placed`` goes to that split before all others."""
    assigner = _Assigner(songs, clusters(songs) if groups is None else groups, seed, shares)
    for k, group in enumerate(assigner.groups):
        if placed and songs[group[0]].key in placed:
            assigner.put(k, placed[songs[group[0]].key])
    for family in _rarest_first(assigner.families):
        assigner.cover(assigner.families, assigner.in_families, family)
    for corpus in _rarest_first(assigner.corpora):
        assigner.cover(assigner.corpora, assigner.in_corpora, corpus)
    for instrument in _rarest_first(assigner.instruments):
        if sum(instrument in held for held in assigner.instruments) >= _COVERED_HOLDERS:
            assigner.cover(assigner.instruments, assigner.in_instruments, instrument, needed=False)
    assigner.assign_rest()
    pairs = zip(assigner.groups, assigner.split, strict=True)
    return {songs[i].key: split for group, split in pairs for i in group}


def _artist_notes(songs: Sequence[Song], splits: int) -> list[str]:
    count: Counter[str] = Counter()
    for cluster in clusters(songs):
        count.update({songs[i].corpus for i in cluster})
    return [
        f"{corpus} has only {n} artist group{'s' if n > 1 else ''}, too few for {_NUMBERS[splits]} splits; "
        "add songs by others, or split by song (random), which lets the artist leak."
        for corpus, n in sorted(count.items())
        if n < splits
    ]


def _by_song(songs: Sequence[Song], seed: int, shares: Mapping[str, float]) -> dict[str, str]:
    assignment = {}
    for corpus in sorted({song.corpus for song in songs}):
        # One stream per corpus: adding a corpus leaves the others' division as it was.
        stream = open_stream(seed, 0, 0, f"split songs {corpus}")
        for usable in (True, False):
            keys = stream.shuffled([s.key for s in songs if s.corpus == corpus and s.usable is usable])
            # The split in which a position lies is decided by where the shares' borders are rounded to.
            ends = [
                math.floor(sum(list(shares.values())[: n + 1]) * len(keys) + 0.5) for n in range(len(shares))
            ]
            for position, key in enumerate(keys):
                number = sum(position >= end for end in ends[:-1])
                assignment[key] = list(shares)[number]
    return assignment


def _by_corpus(songs: Sequence[Song], seed: int) -> tuple[dict[str, str], list[str]]:
    own = {song.key: song.corpus_split for song in songs if song.corpus_split in SPLITS}
    with_split = {song.corpus for song in songs if song.key in own}
    assignment = dict(own)
    followed: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    bare: list[list[int]] = []  # by cluster, the songs of corpora without a split of their own
    for cluster in clusters(songs):
        relatives = {own[songs[i].key] for i in cluster if songs[i].key in own}
        # Nothing that is related to a test song may be trained on.
        split = next((s for s in ("test", "validation", "train") if s in relatives), "")
        omitted = any(songs[i].corpus in with_split for i in cluster)
        for i in cluster:
            if songs[i].key not in own and (split or omitted):
                (followed if split else alone)[songs[i].corpus] += 1
                assignment[songs[i].key] = split or "train"
        bare.append([i for i in cluster if songs[i].corpus not in with_split])
    assignment |= _by_artist(songs, seed, [group for group in bare if group], assignment)
    notes = []
    for corpus in sorted({song.corpus for song in songs} - with_split):
        tied = followed[corpus] + alone[corpus]
        more = f", but {tied} of its songs follow their relatives in other corpora" if tied else ""
        notes.append(f"{corpus} has no split of its own; it is split by artist{more}.")
    for corpus in sorted((followed | alone).keys() & with_split):
        notes.append(
            f"{followed[corpus] + alone[corpus]} songs of {corpus} are in none of its splits: "
            f"{followed[corpus]} follow their relatives, {alone[corpus]} go to train."
        )
    return assignment, notes


def find_leaks(songs: Sequence[Song], assignment: Mapping[str, str]) -> LeakReport:
    """Find artists and groups whose songs lie in more than one split.

    Args:
        songs: All songs.
        assignment: Split of each song by its key.
    """
    by_key: dict[tuple[str, str], list[Song]] = defaultdict(list)
    for song in sorted(songs, key=lambda s: s.key):
        for key in set(_keys(song)):
            by_key[key].append(song)
    checked: Counter[str] = Counter()
    leaks = []
    for (kind, value), members in sorted(by_key.items()):
        if len(members) < 2:
            continue
        checked[kind] += 1
        where = {s: tuple(m.key for m in members if assignment[m.key] == s) for s in SPLITS}
        where = {split: keys for split, keys in where.items() if keys}
        if len(where) > 1:
            leaks.append(Leak(kind, known_artist(members[0]) if kind == "artist" else value, where))
    unknown = sum(not known_artist(song) for song in songs)
    return LeakReport(tuple(leaks), dict(checked), unknown)
