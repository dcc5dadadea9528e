"""What a catalog holds, counted: totals, classes, the instrument tree, distributions.

Pure functions over a catalog and a selection of its stems, for the explorer and for notebooks alike.
All of them work on whole columns, so that a hundred thousand stems take milliseconds; what does not
depend on the selection is worked out once and kept with the catalog.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mixlab.catalog.catalog import Catalog
from mixlab.catalog.splits import SPLITS
from mixlab.errors import ConfigError
from mixlab.taxonomy import load_label_set, load_taxonomy, stem_evidence

__all__ = [
    "ALL",
    "BLEEDS",
    "QUANTITIES",
    "STATES",
    "Across",
    "Histogram",
    "Selection",
    "State",
    "Totals",
    "class_table",
    "histogram",
    "known_nodes",
    "select_rows",
    "totals",
    "tree_table",
]

ALL = "all"
"""The column of totals in a class table."""

State = Literal["all", "usable", "not usable", "with problems", "may bleed"]
"""Which stems of a catalog are counted."""
STATES: tuple[State, ...] = get_args(State)
"""All of ``State``, in the order in which they are offered."""
Across = Literal["corpus", "split"]
"""By what classes are counted: corpora, or splits."""
QUANTITIES = ("duration", "loudness", "active share", "stems per song")
"""What distributions are of: seconds of a stem, its LUFS, the share of it that sounds, stems in a song."""

BLEEDS = "may bleed"
"""The remark on a stem that may hold other instruments."""
_MOST_BINS = 40
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
_LOUDNESS_STEP = 2.0
_SHARE_STEP = 5.0

Bools = NDArray[np.bool_]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Selection:
    """Which stems are looked at. The default is all of them.

    Attributes:
        corpora: Only these corpora; empty for all.
        splits: Only these splits; empty for all.
        node: Only stems in which this node of the instrument tree is certain to sound; '' for any.
        state: All stems, or those that can be sampled, that cannot, that have problems, or that may hold
            other instruments as bleed.
        text: Only stems with this text in key, artist, title, labels or remarks; case does not matter.
        label: Only stems in which this class is certain to sound: name of a label set, and of its class; None
            for any.
        within: Only stems in a bin of ``histogram``: one of ``QUANTITIES``, and both edges as the histogram's
            table has them; None for any.
    """

    corpora: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    node: str = ""
    state: State = "all"
    text: str = ""
    label: tuple[str, str] | None = None
    within: tuple[str, float, float] | None = None


@dataclass(frozen=True)
class Totals:
    """How much there is.

    Attributes:
        songs: Number of songs.
        stems: Number of stems.
        usable: Stems that can be sampled: their instrument is known and they sound.
        hours: Length of all stems.
        active_hours: Their time at or above the activity threshold.
    """

    songs: int
    stems: int
    usable: int
    hours: float
    active_hours: float


@dataclass(frozen=True)
class Histogram:
    """A distribution.

    Attributes:
        table: Columns ``from``, ``to`` and ``count``; a bin holds its lower edge and not its upper one,
            unless that is 100 %, or the values are whole numbers.
        unit: Unit of the edges.
        counted: What is counted, such as ``stems``.
        left_out: How many have no value.
    """

    table: pd.DataFrame
    unit: str
    counted: str
    left_out: int = 0


@dataclass(frozen=True)
class _Facts:
    """Columns of a catalog as codes, and what every distinct set of nodes proves.

    Attributes:
        corpora: Names of all corpora, sorted.
        corpus: Place of each stem's corpus among them.
        split: Place of each stem's split in ``SPLITS``.
        song: Code of each stem's song.
        kind: Which row of ``present`` and ``unknown`` holds for a stem.
        kinds: Nodes and bleed nodes of each kind.
        present: Nodes that are certain, bool ``(kinds, nodes)`` in the order of the tree.
        unknown: Nodes of which it is open whether they sound.
        drawable: Usable stems.
        troubled: Stems with a problem.
        bleeding: Stems that may hold other instruments as bleed.
        text: What a search looks through, in lower case.
    """

    corpora: tuple[str, ...]
    corpus: NDArray[np.int64]
    split: NDArray[np.int64]
    song: NDArray[np.int64]
    kind: NDArray[np.int64]
    kinds: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    present: Bools
    unknown: Bools
    drawable: Bools
    troubled: Bools
    bleeding: Bools
    text: pa.ChunkedArray


def _facts(catalog: Catalog) -> _Facts:
    if "corpus_view" not in catalog.derived:
        catalog.derived["corpus_view"] = _gather(catalog)
    found: _Facts = catalog.derived["corpus_view"]
    return found


def _gather(catalog: Catalog) -> _Facts:
    table = catalog.table
    corpora = tuple(sorted(catalog.roots))  # also those of which no stem was found
    corpus, found = _codes(table.column("corpus"))
    names = pc.binary_join_element_wise(table.column("corpus"), table.column("song"), "/")
    split, split_names = _codes(table.column("split"))
    known: dict[tuple[tuple[str, ...], tuple[str, ...]], int] = {}
    pairs = zip(catalog.column("nodes"), catalog.column("bleed_nodes"), strict=True)
    kind = np.array([known.setdefault(pair, len(known)) for pair in pairs], dtype=np.int64)
    present, unknown = _prove(tuple(known))
    labels = pc.binary_join(table.column("labels"), ", ")
    bleeding = catalog.column("bleed").astype(bool)
    remarks = pc.binary_join_element_wise(
        table.column("ignored"),
        pc.binary_join(table.column("problems"), ", "),
        pa.array(np.where(bleeding, BLEEDS, "")),
        ", ",
        null_handling="skip",
    )
    text = pc.binary_join_element_wise(
        table.column("key"), table.column("artist"), table.column("title"), labels, remarks, "\n"
    )
    return _Facts(
        corpora=corpora,
        corpus=_recode(corpus, found, corpora),
        split=_recode(split, split_names, SPLITS),
        song=_codes(names)[0],
        kind=kind,
        kinds=tuple(known),
        present=present,
        unknown=unknown,
        drawable=catalog.column("drawable"),
        bleeding=bleeding,
        troubled=np.asarray(pc.list_value_length(table.column("problems")).to_numpy()) > 0,
        text=pc.utf8_lower(text),
    )


def _codes(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return a text column as codes, and the texts that they stand for."""
    encoded = column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):  # a column without rows keeps its chunks
        encoded = pa.concat_arrays(encoded.chunks) if encoded.num_chunks else pa.array([]).dictionary_encode()
    return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64), tuple(
        encoded.dictionary.to_pylist()
    )


def _recode(codes: NDArray[np.int64], names: Sequence[str], order: Sequence[str]) -> NDArray[np.int64]:
    """Turn codes of ``names`` into places in ``order``."""
    places = np.array([order.index(name) for name in names], dtype=np.int64)
    return places[codes] if len(places) else codes


def _prove(kinds: Sequence[tuple[tuple[str, ...], tuple[str, ...]]]) -> tuple[Bools, Bools]:
    taxonomy = load_taxonomy()
    place = {node: i for i, node in enumerate(taxonomy.nodes)}
    present = np.zeros((len(kinds), len(place)), dtype=bool)
    unknown = np.zeros_like(present)
    for row, (nodes, bleed) in enumerate(kinds):
        evidence = stem_evidence(taxonomy, nodes, bleed)
        present[row, [place[node] for node in evidence.present]] = True
        unknown[row, [place[node] for node in evidence.unknown]] = True
    return present, unknown


# ---- the selection ----


def select_rows(catalog: Catalog, selection: Selection) -> Rows:
    """Return the rows of a selection, int64 ``(rows,)``, ascending.

    Raises:
        ConfigError: the selection names a corpus, split, node or state that does not exist.
    """
    facts = _facts(catalog)
    keep = np.ones(len(catalog), dtype=bool)
    if selection.corpora:
        keep &= np.isin(facts.corpus, [_place(name, facts.corpora, "a corpus") for name in selection.corpora])
    if selection.splits:
        keep &= np.isin(facts.split, [_place(name, SPLITS, "a split") for name in selection.splits])
    if selection.node:
        node = _place(selection.node, tuple(load_taxonomy().nodes), "an instrument")
        keep &= facts.present[:, node][facts.kind]
    state = _place(selection.state, STATES, "a state of stems")
    if state:
        keep &= (facts.drawable, ~facts.drawable, facts.troubled, facts.bleeding)[state - 1]
    if selection.text.strip():
        found = pc.match_substring(facts.text, selection.text.strip().lower())
        keep &= found.to_numpy()
    if selection.label is not None:
        label_set, name = selection.label
        column = _place(name, load_label_set(label_set).names, f"a class of {label_set}")
        keep &= _classes(catalog, label_set)[0][:, column][facts.kind]
    rows = np.flatnonzero(keep)
    return rows if selection.within is None else rows[_in_bin(catalog, rows, *selection.within)]


def _in_bin(catalog: Catalog, rows: Rows, quantity: str, low: float, high: float) -> Bools:
    """Tell which stems of a selection a bin of its histogram counts, or are of songs that it counts."""
    _place(quantity, QUANTITIES, "a quantity")
    if quantity == "stems per song":
        _, song, sizes = np.unique(_facts(catalog).song[rows], return_inverse=True, return_counts=True)
        return (sizes >= low)[song] & (sizes <= high)[song]
    values = _values(catalog, rows, quantity)
    # The last bin of shares holds 100 %.
    return (values >= low) & (
        (values < high) | ((quantity == "active share") & (high >= 100) & (values <= high))
    )


def _values(catalog: Catalog, rows: Rows, quantity: str) -> NDArray[np.float64]:
    """Return a quantity of stems, NaN where one has none."""
    duration_s = catalog.column("duration_s")[rows].astype(np.float64)
    if quantity == "loudness":
        return np.asarray(catalog.column("loudness_lufs")[rows], np.float64)
    there = np.where(duration_s > 0, duration_s, np.nan)
    if quantity == "duration":
        return there
    # A last hop that the file fills only in part counts as a whole one.
    return np.minimum(100.0 * catalog.column("active_s")[rows] / there, 100.0)


def _place(name: str, names: Sequence[str], what: str) -> int:
    if name not in names:
        shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
        raise ConfigError(f"Expected {what} of {shown}; found {name!r}.", code="invalid-setting")
    return names.index(name)


def known_nodes(catalog: Catalog) -> tuple[str, ...]:
    """Return the nodes that are certain to sound in a stem of the catalog, in the order of the tree."""
    found = np.flatnonzero(_facts(catalog).present.any(axis=0))
    nodes = tuple(load_taxonomy().nodes)
    return tuple(nodes[i] for i in found)


def totals(catalog: Catalog, selection: Selection) -> Totals:
    """Count songs, stems and hours of a selection."""
    facts, rows = _facts(catalog), select_rows(catalog, selection)
    hours, active_hours = (
        float(catalog.column(name)[rows].sum(dtype=np.float64)) / 3600 for name in ("duration_s", "active_s")
    )
    songs = len(np.unique(facts.song[rows]))
    return Totals(songs, len(rows), int(facts.drawable[rows].sum()), hours, active_hours)


# ---- classes and nodes ----


@dataclass(frozen=True)
class _Counts:
    """Numbers ``(classes, groups)``."""

    stems: NDArray[np.int64]
    songs: NDArray[np.int64]
    active_hours: NDArray[np.float64]
    unknown: NDArray[np.int64]


def _count(
    catalog: Catalog, rows: Rows, present: Bools, unknown: Bools, group: NDArray[np.int64], n_groups: int
) -> _Counts:
    """Count usable stems by class and group.

    Args:
        catalog: The catalog.
        rows: Stems to count, usable or not.
        present: Classes that are certain, bool ``(kinds, classes)``.
        unknown: Classes of which it is open whether they sound, likewise.
        group: Group of each stem of the catalog.
        n_groups: Number of groups.
    """
    facts = _facts(catalog)
    rows = rows[facts.drawable[rows]]
    kind, place, song = facts.kind[rows], group[rows], facts.song[rows]
    shape = (len(facts.kinds), n_groups)
    cell = kind * n_groups + place
    stems = np.bincount(cell, minlength=shape[0] * n_groups).reshape(shape)
    active_s = np.bincount(cell, catalog.column("active_s")[rows], shape[0] * n_groups).reshape(shape)
    certain = present.astype(np.float64)
    songs = np.zeros((present.shape[1], n_groups), dtype=np.int64)
    for column in range(n_groups):
        here = place == column
        if here.any():
            songs[:, column] = _count_songs(kind[here], song[here], present)
    return _Counts(
        np.rint(certain.T @ stems).astype(np.int64),
        songs,
        certain.T @ active_s / 3600,
        np.rint(unknown.astype(np.float64).T @ stems).astype(np.int64),
    )


def _count_songs(kind: NDArray[np.int64], song: NDArray[np.int64], present: Bools) -> NDArray[np.int64]:
    """Count for each class the songs with a stem of it; a song with several such stems counts once."""
    pairs = np.unique(song * len(present) + kind)
    songs, held_song = np.unique(pairs // len(present), return_inverse=True)
    held_kind = pairs % len(present)
    held = np.zeros((len(songs), present.shape[1]), dtype=bool)
    for k in np.unique(held_kind):
        held[held_song[held_kind == k]] |= present[k]
    found: NDArray[np.int64] = held.sum(axis=0)
    return found


def _classes(catalog: Catalog, label_set: str) -> tuple[Bools, Bools]:
    """Return what every kind of stem proves about the classes of a label set, bool ``(kinds, classes)``."""
    labels, taxonomy = load_label_set(label_set), load_taxonomy()
    kept = f"corpus_view {labels.content_hash}"
    if kept not in catalog.derived:
        kinds = _facts(catalog).kinds
        present = np.zeros((len(kinds), len(labels)), dtype=bool)
        unknown = np.zeros_like(present)
        for row, (nodes, bleed) in enumerate(kinds):
            target, mask = labels.encode(stem_evidence(taxonomy, nodes, bleed))
            present[row], unknown[row] = target > 0, ~mask
        catalog.derived[kept] = (present, unknown)
    found: tuple[Bools, Bools] = catalog.derived[kept]
    return found


def class_table(
    catalog: Catalog, selection: Selection, label_set: str = "mixtures15", across: Across = "corpus"
) -> pd.DataFrame:
    """Count usable stems by the classes of a label set and by corpus or split.

    A stem counts for each class that is certain to sound in it; where that is open (a violin in a
    string section) it is counted under ``unknown`` instead.

    Args:
        catalog: The catalog.
        selection: Which of its stems.
        label_set: Name of a label set, or the path of one.
        across: What the cells of a class are: ``corpus`` or ``split``.

    Returns:
        One row per class and group, every class and every group of the selection, with the columns
        ``class``, the name of ``across``, ``stems``, ``songs``, ``active hours`` and ``unknown``.
        The group ``all`` has the sums.

    Raises:
        ConfigError: the selection or ``across`` names something that does not exist.
        TaxonomyError: there is no such label set.
    """
    _place(across, get_args(Across), "a division")
    facts = _facts(catalog)
    codes, names, chosen = (
        (facts.corpus, facts.corpora, selection.corpora)
        if across == "corpus"
        else (facts.split, SPLITS, selection.splits)
    )
    rows = select_rows(catalog, selection)
    counts = _count(catalog, rows, *_classes(catalog, label_set), codes, len(names))
    classes = load_label_set(label_set).names
    shown = [i for i, name in enumerate(names) if not chosen or name in chosen]
    parts = [_class_part(classes, across, names[i], counts, [i]) for i in shown]
    whole = _class_part(classes, across, ALL, counts, list(range(len(names))))
    return pd.concat([*parts, whole], ignore_index=True)


def _class_part(
    classes: Sequence[str], across: str, name: str, counts: _Counts, columns: list[int]
) -> pd.DataFrame:
    # A song lies in one corpus and in one split, so songs can be summed over them too.
    return pd.DataFrame(
        {
            "class": classes,
            across: name,
            "stems": counts.stems[:, columns].sum(axis=1),
            "songs": counts.songs[:, columns].sum(axis=1),
            "active hours": counts.active_hours[:, columns].sum(axis=1),
            "unknown": counts.unknown[:, columns].sum(axis=1),
        }
    )


def tree_table(catalog: Catalog, selection: Selection) -> pd.DataFrame:
    """Count usable stems by node of the instrument tree, each node with all that lies below it.

    Returns:
        One row per node in the order of the tree, with the columns ``node`` (id), ``name``, ``depth``
        (0 for a family), ``hs`` (Hornbostel-Sachs numbers), ``stems`` (in which the node or something
        below it is certain), ``own`` (of these, where nothing below it is certain), ``songs``,
        ``active hours`` and ``unknown`` (stems in which it may sound).
    """
    taxonomy, facts = load_taxonomy(), _facts(catalog)
    place = {node: i for i, node in enumerate(taxonomy.nodes)}
    deepest = facts.present.copy()
    for node, i in place.items():
        below = [place[child] for child in taxonomy.children(node)]
        deepest[:, i] &= ~facts.present[:, below].any(axis=1)
    rows, one_group = select_rows(catalog, selection), np.zeros(len(catalog), dtype=np.int64)
    whole = _count(catalog, rows, facts.present, facts.unknown, one_group, 1)
    own = _count(catalog, rows, deepest, facts.unknown, one_group, 1)
    return pd.DataFrame(
        {
            "node": list(place),
            "name": [node.name for node in taxonomy.nodes.values()],
            "depth": [len(taxonomy.ancestors(node)) for node in place],
            "hs": [", ".join(node.hs) for node in taxonomy.nodes.values()],
            "stems": whole.stems[:, 0],
            "own": own.stems[:, 0],
            "songs": whole.songs[:, 0],
            "active hours": whole.active_hours[:, 0],
            "unknown": whole.unknown[:, 0],
        }
    )


# ---- distributions ----


def histogram(catalog: Catalog, selection: Selection, quantity: str) -> Histogram:
    """Return the distribution of a quantity over the stems (or songs) of a selection.

    Args:
        catalog: The catalog.
        selection: Which of its stems.
        quantity: ``duration`` in seconds, ``loudness`` in LUFS (ITU-R BS.1770-4, over the whole stem),
            ``active share`` of a stem's time in per cent, or ``stems per song`` within the selection.

    Raises:
        ConfigError: there is no such quantity.
    """
    _place(quantity, QUANTITIES, "a quantity")
    rows = select_rows(catalog, selection)
    if quantity == "stems per song":
        sizes = np.unique(_facts(catalog).song[rows], return_counts=True)[1].astype(np.float64)
        table = _bin(sizes, _step(sizes))
        return Histogram(table.assign(to=table["to"] - 1), "stems", "songs")
    values = _values(catalog, rows, quantity)
    values = values[np.isfinite(values)]
    if quantity == "duration":
        table, unit = _bin(values, _step(values), first=0), "s"
    elif quantity == "loudness":
        table, unit = _bin(values, _LOUDNESS_STEP), "LUFS"
    else:
        table, unit = _bin(values, _SHARE_STEP, first=0, end=round(100 / _SHARE_STEP)), "%"
    return Histogram(table, unit, "stems", len(rows) - len(values))


def _step(values: NDArray[np.float64]) -> float:
    """Return a round width with which the range from 0 has few enough bins."""
    top = float(values.max(initial=0.0))
    return float(next((step for step in _STEPS if top / step <= _MOST_BINS), _STEPS[-1]))


def _bin(
    values: NDArray[np.float64], step: float, *, first: int | None = None, end: int | None = None
) -> pd.DataFrame:
    """Count values by bins at multiples of ``step``.

    Args:
        values: What is counted.
        step: Width of a bin.
        first: The lowest edge in steps; None for the one that is needed.
        end: The highest edge in steps, which its bin holds; None for one above all values.
    """
    if not len(values):
        return pd.DataFrame({"from": [0.0], "to": [0.0], "count": [0]}).iloc[:0]
    low = int(np.floor(values.min() / step)) if first is None else first
    high = int(np.floor(values.max() / step)) + 1 if end is None else end
    edges = np.arange(low, high + 1) * step
    return pd.DataFrame({"from": edges[:-1], "to": edges[1:], "count": np.histogram(values, edges)[0]})
