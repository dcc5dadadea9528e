"""A smaller catalog out of a larger one: songs by corpus, artist, genre, length and class.

Whole songs are kept or left out, so that musical mixes stay what they were; where it is asked for, stems of
other classes are left out as well. Every song keeps its split, and nothing is measured again.
"""

import difflib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mixlab.catalog.catalog import Catalog
from mixlab.catalog.song_table import SongTable
from mixlab.catalog.splits import SPLITS, known_artist, plain_name
from mixlab.catalog.storage import SCHEMA, WRITTEN_COLUMNS, hold_catalog, is_unfinished, write_catalog
from mixlab.corpora.base import Problem
from mixlab.errors import CatalogError, ConfigError
from mixlab.taxonomy import keep_label_set, load_label_set, load_taxonomy, stem_evidence
from mixlab.utils.files import check_writable
from mixlab.utils.locks import LOCK
from mixlab.utils.values import check_setting, refuse, settle

__all__ = ["Filters", "Keep", "SubsetReport", "subset_catalog"]

Keep = Literal["songs", "stems"]
Rows = NDArray[np.bool_]


@dataclass(frozen=True)
class Filters:
    """What a song must be to be kept: all that is given.

    Attributes:
        corpora: Names of corpora; empty for all, as in all lists below.
        artists: Artists, compared without case, spaces and punctuation. Songs of unknown ones are left out.
        genres: Genres as corpora state them, compared without case. Songs without one are left out.
        min_duration_s: Least length, to the end of the longest stem, in seconds.
        classes: Classes of ``label_set``: one of them is certain to sound in a usable stem of the song.
        label_set: Name of the label set, or the path of one's own.
        keep: ``songs`` keeps all stems of these songs, ``stems`` only usable ones with one of ``classes``.
    """

    corpora: tuple[str, ...] = ()
    artists: tuple[str, ...] = ()
    genres: tuple[str, ...] = ()
    min_duration_s: float = 0.0
    classes: tuple[str, ...] = ()
    label_set: str = "mixtures15"
    keep: Keep = "songs"

    def __post_init__(self) -> None:
        """Check every value, and bring it to its type.

        Raises:
            ConfigError: a value is of another type, nothing is filtered, or ``keep`` needs classes.
            TaxonomyError: the label set cannot be read.
        """
        settle(self, "subset")
        object.__setattr__(self, "label_set", keep_label_set(self.label_set))
        check_setting("subset", self.min_duration_s >= 0, "min_duration_s", "0 or more", self.min_duration_s)
        if not self.given:
            raise ConfigError(
                f"Give at least one of {', '.join(_TESTS)}; without any, the subset would be all of it.",
                code="missing-setting",
            )
        if self.keep == "stems" and not self.classes:
            raise ConfigError(
                "keep='stems' leaves out stems of other classes: name the classes.", code="missing-setting"
            )

    @property
    def given(self) -> tuple[str, ...]:
        """Names of those that filter, in the order in which they do."""
        return tuple(name for name in _TESTS if getattr(self, name))

    def __str__(self) -> str:
        """Say what is kept, in a line."""
        values = {name: getattr(self, name) for name in self.given}
        said = [f"{name} {', '.join(v) if isinstance(v, tuple) else f'{v:g}'}" for name, v in values.items()]
        return "; ".join([*said, *(["only their stems"] if self.keep == "stems" else [])])


@dataclass(frozen=True)
class SubsetReport:
    """What was kept, and what was left out.

    Attributes:
        path: The new catalog's folder.
        content_hash: Its content hash.
        left_out: Songs that each filter left out of what those before it had kept, by its name.
        unstated: Of these, songs of which the catalog does not know the artist or the genre, by filter.
        songs: Songs that are kept, and all there were.
        stems: Stems that are kept, and all there were.
        usable: Usable stems of them, and all there were.
        splits: Songs that are kept in each split.
    """

    path: Path
    content_hash: str
    left_out: dict[str, int]
    unstated: dict[str, int]
    songs: tuple[int, int]
    stems: tuple[int, int]
    usable: tuple[int, int]
    splits: dict[str, int]


def subset_catalog(
    catalog: Catalog,
    out: str | Path,
    *,
    corpora: Collection[str] = (),
    artists: Collection[str] = (),
    genres: Collection[str] = (),
    min_duration_s: float = 0.0,
    classes: Collection[str] = (),
    label_set: str = "mixtures15",
    keep: Keep = "songs",
) -> SubsetReport:
    """Write a catalog of some songs of another one; no audio is read, and the other one is not touched.

    Songs keep their splits. The new catalog records what it was made of (``Catalog.subset_of``), and reads
    from that one's packs as long as it has none of its own.

    Args:
        catalog: The catalog, or a view of it with other splits.
        out: Folder of the new one: missing, empty, or a subset that is written anew.
        corpora: See ``Filters``, as all that follows.
        artists: Artists.
        genres: Genres.
        min_duration_s: Least length in seconds.
        classes: Classes of ``label_set``.
        label_set: Label set of ``classes``.
        keep: ``songs`` or ``stems``.

    Raises:
        ConfigError: nothing is filtered, a name is none of the catalog's (the message has the nearest one),
            or ``out`` holds something else.
        CatalogError: no song with a usable stem is left; the message says what each filter left out. Or
            another process writes there.
        TaxonomyError: the label set cannot be read.
        OutputError: nothing can be written at ``out``.

    Example:
        >>> from mixlab import Catalog, subset_catalog
        >>> report = subset_catalog(Catalog.open("my-catalog"), "violins", classes=["violin"])
        >>> 0 < len(Catalog.open("violins")) < 130
        True
    """
    filters = Filters(
        tuple(corpora), tuple(artists), tuple(genres), min_duration_s, tuple(classes), label_set, keep
    )
    folder = Path(out).expanduser().absolute()
    check_writable(folder)
    _refuse_other(folder, catalog)
    table = _Songs(catalog, filters)
    kept, left_out, unstated = np.ones(table.count, np.bool_), {}, {}
    for name in filters.given:
        fits, stated = _TESTS[name](table)
        left_out[name], unstated[name] = int((kept & ~fits).sum()), int((kept & ~stated).sum())
        kept &= fits
    rows = kept[table.number]
    if filters.keep == "stems":
        rows = rows & table.has_class
    usable = np.asarray(catalog.column("drawable"), np.bool_)
    if not (rows & usable).any():
        steps = ", ".join(f"{name} left out {count}" for name, count in left_out.items())
        raise CatalogError(
            f"No song with a usable stem is left of the {table.count} songs of {catalog.path}: {steps}. "
            "Ask for less; nothing was written.",
            code="empty-subset",
        )
    with hold_catalog(folder):
        _refuse_other(folder, catalog)  # again: until now another process may have written
        content_hash = _write(catalog, folder, np.flatnonzero(rows), filters)
        _take_along_analysis(catalog, Catalog.open(folder))
    of_song = dict(zip(table.number[rows].tolist(), catalog.column("split")[rows], strict=True))
    return SubsetReport(
        path=folder,
        content_hash=content_hash,
        left_out=left_out,
        unstated=unstated,
        songs=(len(of_song), table.count),
        stems=(int(rows.sum()), len(catalog)),
        usable=(int((rows & usable).sum()), int(usable.sum())),
        splits={split: list(of_song.values()).count(split) for split in SPLITS},
    )


class _Songs:
    """The songs of a catalog, numbered, and which of them fit each filter.

    Attributes:
        number: ``(n_stems,)`` the song of each row.
        count: Songs.
    """

    def __init__(self, catalog: Catalog, filters: Filters) -> None:
        self.catalog, self.filters = catalog, filters
        self.songs = catalog.songs()
        numbers = {song.key: n for n, song in enumerate(self.songs)}
        keys = zip(catalog.column("corpus"), catalog.column("song"), strict=True)
        self.number = np.array([numbers[f"{corpus}/{song}"] for corpus, song in keys], np.int64)
        self.count = len(self.songs)

    @cached_property
    def has_class(self) -> Rows:
        """``(n_stems,)`` True for usable stems in which one of the classes is certain to sound."""
        labels, tree = load_label_set(self.filters.label_set), load_taxonomy()
        wanted = [labels.names.index(name) for name in self.filters.classes]
        nodes, bleed, usable = (self.catalog.column(name) for name in ("nodes", "bleed_nodes", "drawable"))
        known: dict[tuple[Any, Any], bool] = {}
        for key in set(zip(nodes, bleed, strict=True)):
            known[key] = bool(labels.encode(stem_evidence(tree, *key))[0][wanted].any())
        has = [known[key] for key in zip(nodes, bleed, strict=True)]
        return np.asarray(np.array(has, np.bool_) & usable, np.bool_)

    def any_row(self, rows: Rows) -> Rows:
        """Return which songs have one of some rows."""
        return np.asarray(np.bincount(self.number[rows], minlength=self.count) > 0)

    def by_corpus(self) -> tuple[Rows, Rows]:
        names = [song.corpus for song in self.songs]
        return self._among("corpora", names, str), np.ones(self.count, np.bool_)

    def by_artist(self) -> tuple[Rows, Rows]:
        names = [known_artist(song) for song in self.songs]
        return self._among("artists", names, plain_name), np.array([bool(name) for name in names])

    def by_genre(self) -> tuple[Rows, Rows]:
        names = [""] * self.count
        for number, genre in zip(self.number.tolist(), self.catalog.column("genre"), strict=True):
            names[number] = names[number] or genre
        return self._among("genres", names, str.casefold), np.array([bool(name) for name in names])

    def by_duration(self) -> tuple[Rows, Rows]:
        offset_s, frames, rate = (self.catalog.column(name) for name in ("offset_s", "frames", "sample_rate"))
        ends_s = offset_s + frames / np.maximum(rate, 1)
        lengths_s = np.zeros(self.count)
        np.maximum.at(lengths_s, self.number, ends_s)
        return lengths_s >= self.filters.min_duration_s, np.ones(self.count, np.bool_)

    def by_class(self) -> tuple[Rows, Rows]:
        known = load_label_set(self.filters.label_set).names
        for name in self.filters.classes:
            _check_known("classes", name, known, str)
        return self.any_row(self.has_class), np.ones(self.count, np.bool_)

    def _among(self, name: str, found: Sequence[str], spell: Callable[[str], str]) -> Rows:
        """Return which songs have one of the names of a filter; refuse a name that none of them has."""
        for wanted in getattr(self.filters, name):
            _check_known(name, wanted, [text for text in dict.fromkeys(found) if text], spell)
        names = {spell(wanted) for wanted in getattr(self.filters, name)}
        return np.array([bool(text) and spell(text) in names for text in found], np.bool_)


_TESTS: dict[str, Callable[[_Songs], tuple[Rows, Rows]]] = {
    "corpora": _Songs.by_corpus,
    "artists": _Songs.by_artist,
    "genres": _Songs.by_genre,
    "min_duration_s": _Songs.by_duration,
    "classes": _Songs.by_class,
}
"""By name, in order: which songs ``(count,)`` fit a filter, and of which the catalog knows what is asked."""

_SHOWN = 12


def _check_known(where: str, wanted: str, known: Sequence[str], spell: Callable[[str], str]) -> None:
    spelled = {spell(name): name for name in reversed(known)}
    if spell(wanted) in spelled:
        return
    near = difflib.get_close_matches(spell(wanted), spelled, n=1)
    if near:
        raise refuse(where, f"one that the catalog has (did you mean {spelled[near[0]]!r}?)", wanted)
    shown = ", ".join(known[:_SHOWN]) + (", ..." if len(known) > _SHOWN else "")
    raise refuse(where, f"one that the catalog has ({shown or 'it has none'})", wanted)


def _refuse_other(folder: Path, catalog: Catalog) -> None:
    """Refuse a folder that holds anything but another subset, which can be made again without measuring."""
    there = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    if all(name == LOCK or is_unfinished(name) for name in there):
        return
    try:
        is_subset = bool(Catalog.open(folder).subset_of) and folder.resolve() != catalog.path.resolve()
    except CatalogError:
        is_subset = False
    if not is_subset:
        raise ConfigError(
            f"{folder} holds something else than another subset: choose another folder.",
            code="folder-not-empty",
        )


def _write(catalog: Catalog, folder: Path, rows: NDArray[np.int64], filters: Filters) -> str:
    names = [name for name in SCHEMA.names if name not in WRITTEN_COLUMNS or name == "split"]
    columns = {name: catalog.column(name)[rows].tolist() for name in names}
    there = set(columns["corpus"])
    return write_catalog(
        folder,
        columns,
        [np.array(catalog.envelope(int(i))) for i in rows],
        list(_problems(catalog, columns)),
        roots={name: root for name, root in catalog.roots.items() if name in there},
        split=(catalog.split_method, catalog.split_seed),
        measure_version=catalog.measure_version,
        activity_db=catalog.activity_db,
        base_hash=catalog.base_hash if len(rows) == len(catalog) else "",
        follow_links=catalog.follow_links,
        subset_of=[*catalog.subset_of, _made_of(catalog, filters)],
    )


def _take_along_analysis(catalog: Catalog, subset: Catalog) -> None:
    """Let tempo, beats and key of the songs stay known, where they are known of all songs of the catalog."""
    table = SongTable.read(catalog.path)
    if table.base_hash != catalog.base_hash:
        return
    kept = set(zip(subset.column("corpus"), subset.column("song"), strict=True))
    songs = {song: facts for song, facts in table.songs.items() if song in kept}
    SongTable(songs, subset.base_hash).save(subset.path)


def _made_of(catalog: Catalog, filters: Filters) -> dict[str, Any]:
    """Return what a subset records of the catalog that it was made of."""
    used = {name: value for name, value in asdict(filters).items() if name in filters.given}
    if filters.classes:
        used |= {"label_set": filters.label_set, "keep": filters.keep}
    return {
        "path": catalog.place,
        "content_hash": catalog.content_hash,
        "filters": used,
        "kept": str(filters),
    }


def _problems(catalog: Catalog, columns: dict[str, list[Any]]) -> Iterator[Problem]:
    """Yield the problems of the corpora, songs and stems that are kept."""
    kept = set(zip(columns["corpus"], columns["song"], columns["stem"], strict=True))
    kept |= {(corpus, song, "") for corpus, song, _ in kept} | {(corpus, "", "") for corpus, _, _ in kept}
    for problem in catalog.problems():
        if (problem.corpus, problem.song, problem.stem) in kept:
            yield problem
