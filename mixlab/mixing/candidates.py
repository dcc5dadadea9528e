"""What may be sampled: a catalog's usable stems of one split, sorted by corpus, song, part and class."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.faults import NEVER_SAMPLED
from mixlab.audio.io import HOP_S
from mixlab.catalog.catalog import Catalog
from mixlab.mixing.config import MixConfig
from mixlab.taxonomy import LabelSet, Taxonomy, load_label_set, load_taxonomy
from mixlab.taxonomy.hierarchy import ancestry

__all__ = [
    "CandidateSong",
    "CorpusCandidates",
    "Lengths",
    "active_counts",
    "find_candidates",
    "long_enough",
    "nodes_of",
    "of_a_class",
    "usable_stems",
]


@dataclass(frozen=True)
class CandidateSong:
    """The stems of one song that may be sampled.

    Attributes:
        parts: Rows of the catalog by part (an instrument; several rows are double tracks).
        duration_s: Where the last of its stems ends.
        duplicates: (corpus, number) of the songs that are the same piece, itself left out: the same MIDI
            file, the same track of the Million Song Dataset, the same song in two corpora.
    """

    parts: tuple[tuple[int, ...], ...]
    duration_s: float
    duplicates: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class CorpusCandidates:
    """What one kind of mix may sample of one corpus.

    Attributes:
        songs: In the order of their names.
        strata: Per class, the songs that have it: (number of the song, numbers of its parts). A part is
            in the stratum of its most specific classes only, so that the strata divide the corpus.
        classes: Names of the classes of ``strata``.
    """

    songs: tuple[CandidateSong, ...]
    strata: tuple[tuple[tuple[int, tuple[int, ...]], ...], ...]
    classes: tuple[str, ...]

    @cached_property
    def by_class(self) -> Mapping[str, tuple[tuple[int, tuple[int, ...]], ...]]:
        """The strata by the names of their classes."""
        return dict(zip(self.classes, self.strata, strict=True))

    @cached_property
    def richest(self) -> tuple[tuple[int, Mapping[str, tuple[int, ...]]], ...]:
        """The songs that have most classes, each with the numbers of its parts by class."""
        held: dict[int, dict[str, tuple[int, ...]]] = defaultdict(dict)
        for name, stratum in self.by_class.items():
            for number, parts in stratum:
                held[number][name] = parts
        most = max(map(len, held.values()), default=0)
        return tuple((number, parts) for number, parts in sorted(held.items()) if len(parts) == most)


def active_counts(catalog: Catalog, i: int, activity_db: float) -> NDArray[np.int64] | NDArray[np.uint32]:
    """Return the running count ``(hops + 1,)`` of the hops of a stem that reach a level in dBFS."""
    if activity_db == catalog.activity_db:
        return catalog.active_cumulative(i)
    active = catalog.envelope(i).astype(np.float32) >= activity_db
    return np.concatenate([[0], np.cumsum(active)])


def nodes_of(catalog: Catalog, stem: int, labels: LabelSet) -> tuple[str, ...]:
    """Return the nodes of which one sounds in a stem (a row), as a label set understands it."""
    nodes: tuple[str, ...] = catalog.column("nodes")[stem]
    if not labels.bound:
        return nodes
    return labels.nodes_of(catalog.column("corpus")[stem], catalog.column("labels")[stem], nodes)


def usable_stems(catalog: Catalog, activity_db: float, labels: LabelSet | None = None) -> NDArray[np.bool_]:
    """Tell for each row whether it has a known instrument that sounds at a threshold in dBFS.

    Also known are stems that the label set binds to a class, though they have no instrument.
    """
    bound = _bound_stems(catalog, labels)
    if activity_db == catalog.activity_db:
        drawable: NDArray[np.bool_] = catalog.column("drawable")
        return drawable | _sounding(catalog, bound, activity_db) if bound.any() else drawable
    known: NDArray[np.bool_] = (catalog.column("ignored") == "") & (catalog.column("frames") > 0)
    return _sounding(catalog, known | bound, activity_db)


def _bound_stems(catalog: Catalog, labels: LabelSet | None) -> NDArray[np.bool_]:
    """Tell which rows without an instrument a label set binds to a class."""
    bound = np.zeros(len(catalog), dtype=np.bool_)
    if labels is not None and labels.bound:
        without = (catalog.column("ignored") != "") & (catalog.column("frames") > 0)
        for i in np.flatnonzero(without).tolist():
            bound[i] = bool(nodes_of(catalog, i, labels))
    return bound


def _sounding(catalog: Catalog, rows: NDArray[np.bool_], activity_db: float) -> NDArray[np.bool_]:
    """Keep the rows that are free of the worst problems and reach a level in dBFS."""
    known = rows.copy()
    problems = catalog.column("problems")
    for i in np.flatnonzero(known).tolist():
        known[i] = NEVER_SAMPLED.isdisjoint(problems[i]) and bool(
            (catalog.envelope(i).astype(np.float32) >= activity_db).any()
        )
    return known


@dataclass(frozen=True)
class Lengths:
    """How many of the songs that might be sampled are as long as a mix.

    Attributes:
        songs: Songs per corpus.
        short: Those that are shorter than a mix.
        longest_s: Length of the longest song of all, in seconds.
    """

    songs: Mapping[str, int]
    short: Mapping[str, int]
    longest_s: float

    def __str__(self) -> str:
        """Say it in words: ``3 of 10 songs (one: 3 of 6, two: 0 of 4)``."""
        each = ", ".join(f"{name}: {self.short.get(name, 0)} of {n}" for name, n in self.songs.items())
        return f"{sum(self.short.values())} of {sum(self.songs.values())} songs ({each})"


def long_enough(
    catalog: Catalog, config: MixConfig, split: str, usable: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], Lengths]:
    """Tell which usable rows of a split lie in songs as long as a mix, and count these.

    A stem that ends before its song does rests, as one does that is silent to the end; beyond the end of a
    song nothing is. A hop of 100 ms too few is no matter.

    Returns:
        Bool per row of the catalog, and the songs counted.
    """
    corpora, songs = catalog.column("corpus"), catalog.column("song")
    ends_s = catalog.column("offset_s") + catalog.column("duration_s")
    rows = [
        i
        for i in np.flatnonzero(usable & (catalog.column("split") == split)).tolist()
        if not config.corpora or corpora[i] in config.corpora
    ]
    lengths_s: dict[tuple[str, str], float] = {}
    for i in rows:
        song = corpora[i], songs[i]
        lengths_s[song] = max(lengths_s.get(song, 0.0), float(ends_s[i]))
    short = {song for song, length_s in lengths_s.items() if length_s < config.duration_s - HOP_S}
    long = np.zeros(len(usable), dtype=np.bool_)
    long[[i for i in rows if (corpora[i], songs[i]) not in short]] = True
    all_songs, short_songs = (Counter(name for name, _ in sorted(part)) for part in (lengths_s, short))
    return long, Lengths(all_songs, short_songs, max(lengths_s.values(), default=0.0))


def of_a_class(catalog: Catalog, usable: NDArray[np.bool_], label_set: str) -> NDArray[np.bool_]:
    """Tell which usable rows are of a class for certain."""
    parts = _parts(catalog, load_label_set(label_set))
    strata = _strata_by_part(parts, label_set)
    return usable & np.array([part in strata for part in parts], dtype=np.bool_)


def find_candidates(
    catalog: Catalog, config: MixConfig, split: str, usable: NDArray[np.bool_], *, bleed: bool
) -> dict[str, CorpusCandidates]:
    """Sort what may be sampled by corpus.

    Args:
        catalog: The catalog.
        config: Names the corpora and the label set.
        split: Split to sample from.
        usable: Result of ``usable_stems``, or of ``long_enough``.
        bleed: Whether stems that hold other instruments are included.
    """
    rows = usable & (catalog.column("split") == split)
    if not bleed:
        rows = rows & ~catalog.column("bleed")
    corpora, songs = (catalog.column(name) for name in ("corpus", "song"))
    parts = _parts(catalog, load_label_set(config.label_set))
    tree: dict[str, dict[str, dict[str, list[int]]]] = {}
    for i in np.flatnonzero(rows).tolist():
        if not config.corpora or corpora[i] in config.corpora:
            song = tree.setdefault(corpora[i], {}).setdefault(songs[i], {})
            song.setdefault(parts[i], []).append(i)
    strata_of = _strata_by_part(parts, config.label_set)
    duplicates = _duplicates(catalog, tree)
    return {
        name: _corpus_candidates(catalog, name, tree[name], strata_of, duplicates) for name in sorted(tree)
    }


def _corpus_candidates(
    catalog: Catalog,
    corpus: str,
    songs: dict[str, dict[str, list[int]]],
    strata_of: Mapping[str, tuple[str, ...]],
    duplicates: Mapping[tuple[str, int], tuple[tuple[str, int], ...]],
) -> CorpusCandidates:
    offsets, durations = catalog.column("offset_s"), catalog.column("duration_s")
    made: list[CandidateSong] = []
    strata: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for number, name in enumerate(sorted(songs)):
        order = sorted(songs[name])
        rows = [i for part in order for i in songs[name][part]]
        end_s = max(float(offsets[i]) + float(durations[i]) for i in rows)
        for position, part in enumerate(order):
            for stratum in strata_of.get(part, ()):
                strata[stratum][number].append(position)
        parts = tuple(tuple(songs[name][part]) for part in order)
        made.append(CandidateSong(parts, end_s, duplicates.get((corpus, number), ())))
    return CorpusCandidates(
        tuple(made),
        tuple(tuple((n, tuple(found)) for n, found in strata[stratum].items()) for stratum in sorted(strata)),
        tuple(sorted(strata)),
    )


def _duplicates(
    catalog: Catalog, tree: Mapping[str, Mapping[str, Mapping[str, list[int]]]]
) -> dict[tuple[str, int], tuple[tuple[str, int], ...]]:
    """Find the songs that are one piece: those that share a group key other than an artist's."""
    groups = catalog.column("groups")
    holders: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for corpus, songs in tree.items():
        for number, name in enumerate(sorted(songs)):
            rows = [i for part in songs[name].values() for i in part]
            for key in {key for i in rows for key in groups[i] if not key.startswith("artist:")}:
                holders[key].add((corpus, number))
    found: dict[tuple[str, int], set[tuple[str, int]]] = defaultdict(set)
    for members in holders.values():
        for place in members if len(members) > 1 else ():
            found[place] |= members
    return {place: tuple(sorted(others - {place})) for place, others in found.items()}


def _parts(catalog: Catalog, labels: LabelSet) -> list[str]:
    """Return the part of each row; of stems that the label set binds to a class, the nodes of that."""
    parts = list(catalog.column("part"))
    for i in np.flatnonzero(_bound_stems(catalog, labels)).tolist():
        parts[i] = "|".join(sorted(nodes_of(catalog, i, labels)))
    return parts


def _strata_by_part(parts: Sequence[str], label_set: str) -> dict[str, tuple[str, ...]]:
    """Return per part the names of its most specific classes; parts of no class are left out."""
    taxonomy, labels = load_taxonomy(), load_label_set(label_set)
    related = ancestry(labels, taxonomy)
    strata: dict[str, tuple[str, ...]] = {}
    for part in set(parts):
        depths = _depths(taxonomy, labels, [node for node in part.split("|") if node in taxonomy.nodes])
        specific = tuple(
            sorted(
                labels.names[i]
                for i, own in depths.items()
                if not any(_lies_below(d, own, bool(related[i, j])) for j, d in depths.items() if j != i)
            )
        )
        if specific:
            strata[part] = specific
    return strata


def _depths(taxonomy: Taxonomy, labels: LabelSet, nodes: Sequence[str]) -> dict[int, tuple[int, ...]]:
    """Return the classes that hold whatever a part can be, and how deep in the tree they hold each of it."""
    lines = [(node, *taxonomy.ancestors(node)) for node in nodes]
    depths: dict[int, tuple[int, ...]] = {}
    for i, output in enumerate(labels.outputs):
        held = [[len(line) - k for k, node in enumerate(line) if node in output.nodes] for line in lines]
        if held and all(held):
            depths[i] = tuple(max(levels) for levels in held)
    return depths


def _lies_below(depths: tuple[int, ...], others: tuple[int, ...], implies: bool) -> bool:
    """Tell whether a class lies below another of the same part: deeper, or as deep but one of its kinds."""
    if depths == others:
        return implies
    return all(a >= b for a, b in zip(depths, others, strict=True))
