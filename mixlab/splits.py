"""Divide songs into training, validation and test, and find what leaks between them.

Pure functions over songs; nothing here knows about files. Songs that must stay together (the same
artist, the same MIDI file, the same work) form a *cluster*, and clusters are what is dealt out.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from mixlab.errors import ConfigError
from mixlab.rng import open_stream

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
]

SPLITS = ("train", "validation", "test")
SHARES: Mapping[str, float] = {"train": 0.65, "validation": 0.175, "test": 0.175}
"""Share of songs per split (the paper, section 2.2)."""

SplitMethod = Literal["artist", "random", "corpus"]

# A family that only two clusters hold is put where it can be learned and tested; one cluster, where
# it can be learned.
_COVER_ORDER = ("train", "test", "validation")
# Rarer instruments would take one cluster after another out of training only to be heard once.
_COVERED_HOLDERS = 5
_FITS = 0.5  # songs by which a split may exceed its share
_FAMILY_WEIGHT = 0.3  # balance of families against balance of songs


@dataclass(frozen=True)
class Song:
    """What the division needs to know about a song.

    Attributes:
        key: ``corpus/song``.
        corpus: Name of the corpus.
        artist: Artist group; compared without case, spaces and punctuation, also between corpora.
        groups: Further keys that tie songs together, ``kind:value``.
        families: Families of its drawable stems.
        corpus_split: The corpus's own split, or ''.
        usable: Something can be drawn from it; other songs do not count for the shares.
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
    """

    leaks: tuple[Leak, ...] = ()
    checked: Mapping[str, int] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Whether nothing crosses."""
        return not self.leaks

    @property
    def verdict(self) -> str:
        """The finding in one or two sentences."""
        if self.clean:
            shared = ", ".join(f"{n} shared {kind} keys" for kind, n in sorted(self.checked.items()))
            return (
                f"No leakage: no artist and no group crosses splits ({shared or 'no key is shared at all'})."
            )
        counts = Counter(leak.kind for leak in self.leaks)
        parts = [f"{n} of {self.checked[kind]} shared {kind} keys" for kind, n in sorted(counts.items())]
        tests = {song for leak in self.leaks for song in leak.songs.get("test", ())}
        return (
            f"LEAKAGE: {', '.join(parts)} cross splits; {len(tests)} test songs have a relative elsewhere. "
            "Scores on this split are optimistic; the artist split has none."
        )


def _plain(text: str) -> str:
    kept = "".join(c for c in text.casefold() if c.isalnum())
    return kept or text


def _keys(song: Song) -> list[tuple[str, str]]:
    keys = [("artist", _plain(song.artist))]
    for group in song.groups:
        kind, _, value = group.partition(":")
        keys.append((kind, value) if value else ("group", kind))
    return keys


def clusters(songs: Sequence[Song]) -> list[tuple[int, ...]]:
    """Join songs that share an artist or a group, directly or over others (union-find).

    Returns:
        Positions of songs, each cluster ascending, clusters by their first song.
    """
    parent = list(range(len(songs)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[tuple[str, str], int] = {}
    for i, song in enumerate(songs):
        for key in _keys(song):
            other = root(first.setdefault(key, i))
            mine = root(i)
            parent[max(mine, other)] = min(mine, other)
    members = defaultdict(list)
    for i in range(len(songs)):
        members[root(i)].append(i)
    return [tuple(cluster) for cluster in members.values()]


def assign_splits(songs: Sequence[Song], method: str = "artist", seed: int = 0) -> SplitResult:
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

    Raises:
        ConfigError: there is no such method.
    """
    ordered = sorted(songs, key=lambda song: song.key)
    if method == "artist":
        assignment = _by_artist(ordered, seed)
        notes = _artist_notes(ordered)
    elif method == "random":
        assignment = _by_song(ordered, seed)
        notes = []
    elif method == "corpus":
        assignment, notes = _by_corpus(ordered, seed)
    else:
        raise ConfigError(f"Expected a split of {', '.join(get_args(SplitMethod))}; found {method!r}.")
    return SplitResult(assignment, empty_cells(ordered, assignment), tuple(notes))


def empty_cells(songs: Iterable[Song], assignment: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the pairs (family, split) without any song, of the families that occur at all."""
    seen = {(family, assignment[song.key]) for song in songs for family in song.families}
    families = sorted({family for family, _ in seen})
    return tuple((f, split) for f in families for split in SPLITS if (f, split) not in seen)


class _Dealer:
    """Deals clusters out, keeping count of songs per split, corpus and family."""

    def __init__(self, songs: Sequence[Song], groups: Sequence[Sequence[int]], seed: int) -> None:
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
            (have[c] + n - SHARES[split] * self.total_corpora[c] for c, n in self.corpora[cluster].items()),
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
            if have[split][name]:
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
                gap = have[name] - SHARES[split] * total[name]
                cost += weight * n * (2 * gap + n) / total[name] ** 2
        return cost

    def deal_rest(self) -> None:
        """Deal out what is left, big clusters first, each to where it is missed most."""
        rest = [k for k in range(len(self.groups)) if not self.split[k]]
        for k in sorted(rest, key=lambda k: -sum(self.corpora[k].values())):
            self.put(k, min(SPLITS, key=lambda split: self._cost(k, split)))


def _rarest_first(holds: Sequence[Counter[str]]) -> list[str]:
    holders = Counter(name for held in holds for name in held)
    return sorted(holders, key=lambda name: (holders[name], name))


def _by_artist(
    songs: Sequence[Song],
    seed: int,
    groups: Sequence[Sequence[int]] | None = None,
    placed: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Deal clusters out; a cluster with a song in ``placed`` goes to that split before all others."""
    dealer = _Dealer(songs, clusters(songs) if groups is None else groups, seed)
    for k, group in enumerate(dealer.groups):
        if placed and songs[group[0]].key in placed:
            dealer.put(k, placed[songs[group[0]].key])
    for family in _rarest_first(dealer.families):
        dealer.cover(dealer.families, dealer.in_families, family)
    for corpus in _rarest_first(dealer.corpora):
        dealer.cover(dealer.corpora, dealer.in_corpora, corpus)
    for instrument in _rarest_first(dealer.instruments):
        if sum(instrument in held for held in dealer.instruments) >= _COVERED_HOLDERS:
            dealer.cover(dealer.instruments, dealer.in_instruments, instrument, needed=False)
    dealer.deal_rest()
    pairs = zip(dealer.groups, dealer.split, strict=True)
    return {songs[i].key: split for group, split in pairs for i in group}


def _artist_notes(songs: Sequence[Song]) -> list[str]:
    count: Counter[str] = Counter()
    for cluster in clusters(songs):
        count.update({songs[i].corpus for i in cluster})
    return [
        f"{corpus} has only {n} artist group{'s' if n > 1 else ''}, too few for three splits; "
        "add songs by others, or split by song (random), which lets the artist leak."
        for corpus, n in sorted(count.items())
        if n < len(SPLITS)
    ]


def _by_song(songs: Sequence[Song], seed: int) -> dict[str, str]:
    assignment = {}
    for corpus in sorted({song.corpus for song in songs}):
        # One stream per corpus: adding a corpus leaves the others' division as it was.
        stream = open_stream(seed, 0, 0, f"split songs {corpus}")
        for usable in (True, False):
            keys = stream.shuffled([s.key for s in songs if s.corpus == corpus and s.usable is usable])
            first = math.floor(SHARES["train"] * len(keys) + 0.5)
            second = math.floor((SHARES["train"] + SHARES["validation"]) * len(keys) + 0.5)
            for position, key in enumerate(keys):
                assignment[key] = SPLITS[(position >= first) + (position >= second)]
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
            leaks.append(Leak(kind, members[0].artist if kind == "artist" else value, where))
    return LeakReport(tuple(leaks), dict(checked))
