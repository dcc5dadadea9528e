"""Draw recipes: a pure function of catalog, configuration, seed, epoch and index.

The steps are those of Bradl, Huber and Pernkopf 2023, section 2.3: corpus, then musical or not, then
the number of sources, then song, stem, chunk and effects. Every decision has a random stream of its
own (``mixlab.rng``), so that one setting never disturbs what another one draws.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from mixlab.audio import HOP_S
from mixlab.catalog import ACTIVITY_DB, Catalog
from mixlab.effects import Effect, draw_effects, total_rate
from mixlab.errors import RecipeError
from mixlab.recipes import Kind, MixConfig, MixRecipe, SourceRecipe
from mixlab.rng import Stream, open_stream
from mixlab.taxonomy import load_label_set, load_taxonomy

__all__ = ["POSITION_GRID_S", "Drawer", "draw"]

POSITION_GRID_S = 0.02
"""Chunks start on multiples of this, which is a whole number of samples at 8, 16, 22.05, 24, 32, 44.1,
48 and 96 kHz: a chunk is the same audio read from the file or from a resampled copy of it."""

_STEPS_PER_HOP = round(HOP_S / POSITION_GRID_S)


@dataclass(frozen=True)
class _Song:
    """The stems of one song that may be drawn, by part (an instrument, maybe double-tracked)."""

    parts: tuple[tuple[int, ...], ...]
    duration_s: float


@dataclass(frozen=True)
class _Pool:
    """What one kind of mix may draw of one corpus.

    ``cells`` holds, per class cell, the (song, part) positions that belong to it; a stem is in the cell
    of its most specific classes only, so that the cells divide the corpus.
    """

    songs: tuple[_Song, ...]
    cells: tuple[tuple[tuple[int, int], ...], ...]


class Drawer:
    """Draws the recipes of one catalog, configuration and split; cheap to call, costly to make.

    Args:
        catalog: Where stems come from.
        config: Every knob.
        split: ``train``, ``validation`` or ``test``; a mix never crosses splits.

    Raises:
        RecipeError: the split holds nothing that the configuration allows.
    """

    def __init__(self, catalog: Catalog, config: MixConfig, split: str = "train") -> None:
        """Sort the catalog's rows into corpora, songs, parts and class cells."""
        self._catalog = catalog
        self._config = config
        self._split = split
        self._settings = config.render_settings()
        self._needed = max(math.ceil(config.min_active_s / HOP_S - 1e-9), 1)
        self._keys = catalog.column("key")
        self._durations = catalog.column("duration_s")
        self._offsets = catalog.column("offset_s")
        self._gains = catalog.column("gain")
        self._loudness = catalog.column("loudness_lufs")
        self._pools: dict[Kind, dict[str, _Pool]] = {
            "musical": self._make_pools(allow_bleed=config.bleed != "exclude"),
            "non_musical": self._make_pools(allow_bleed=config.bleed == "allow"),
        }
        pools = self._pools["musical"]
        self._corpora = tuple(sorted(pools))
        self._weights = [config.corpus_weights.get(name, 1.0) for name in self._corpora]
        self._check_pools()

    def _check_pools(self) -> None:
        unknown = set(self._config.corpora) - set(self._catalog.column("corpus"))
        if unknown:
            known = sorted(set(self._catalog.column("corpus")))
            raise RecipeError(f"mix.corpora names {sorted(unknown)}, the catalog holds {known}.")
        if not self._corpora or sum(self._weights) <= 0:
            splits, counts = np.unique(self._catalog.column("split"), return_counts=True)
            found = ", ".join(f"{s}: {c}" for s, c in zip(splits, counts, strict=True))
            raise RecipeError(
                f"Nothing to draw in split {self._split!r} of {self._catalog.path}: the catalog has stems "
                f"per split ({found}), of which none here is usable with corpora="
                f"{self._config.corpora or 'all'}, bleed={self._config.bleed!r} and these corpus_weights. "
                f"See 'mixlab catalog {self._catalog.path}'."
            )

    def _make_pools(self, *, allow_bleed: bool) -> dict[str, _Pool]:
        catalog, config = self._catalog, self._config
        usable = catalog.column("drawable") & (catalog.column("split") == self._split)
        if not allow_bleed:
            usable = usable & ~catalog.column("bleed")
        corpora, songs, parts = (catalog.column(name) for name in ("corpus", "song", "part"))
        tree: dict[str, dict[str, dict[str, list[int]]]] = {}
        for i in np.flatnonzero(usable).tolist():
            if config.corpora and corpora[i] not in config.corpora:
                continue
            song = tree.setdefault(corpora[i], {}).setdefault(songs[i], {})
            song.setdefault(parts[i], []).append(i)
        cell_of = _cells_by_part(catalog, config.label_set)
        return {name: self._make_pool(tree[name], cell_of) for name in sorted(tree)}

    def _make_pool(
        self, songs: dict[str, dict[str, list[int]]], cell_of: Mapping[str, tuple[str, ...]]
    ) -> _Pool:
        made: list[_Song] = []
        cells: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for name in sorted(songs):
            parts = songs[name]
            order = sorted(parts)
            stems = [i for part in order for i in parts[part]]
            end = max(float(self._offsets[i]) + float(self._durations[i]) for i in stems)
            for position, part in enumerate(order):
                for cell in cell_of.get(part, ()):
                    cells[cell].append((len(made), position))
            made.append(_Song(tuple(tuple(parts[part]) for part in order), end))
        return _Pool(tuple(made), tuple(tuple(cells[cell]) for cell in sorted(cells)))

    def draw(self, seed: int, epoch: int, index: int, kind: Kind | None = None) -> MixRecipe:
        """Draw one recipe; the same arguments always give the same recipe.

        Args:
            seed: Seed of the stream.
            epoch: Epoch, 0 or more.
            index: Item within the epoch, 0 or more.
            kind: Force one kind. Everything else is drawn as for a mix of that kind.
        """

        def streams(purpose: str) -> Stream:
            return open_stream(seed, epoch, index, purpose)

        drawn: Kind = "musical" if streams("kind").unit() < self._config.p_musical else "non_musical"
        kind = kind or drawn
        corpus = self._corpora[streams("corpus").weighted(self._weights)]
        if kind == "non_musical" and corpus not in self._pools["non_musical"]:
            corpus = self._draw_clean_corpus(streams("clean corpus"))
        count = self._draw_count(streams("sources"))
        make = self._draw_musical if kind == "musical" else self._draw_non_musical
        sources = make(streams, corpus, count)
        return MixRecipe(
            catalog_hash=self._catalog.content_hash,
            seed=seed,
            epoch=epoch,
            index=index,
            split=self._split,
            corpus=corpus,
            kind=kind,
            sources=sources,
            render=self._settings,
        )

    def _draw_clean_corpus(self, stream: Stream) -> str:
        """Draw another corpus where every stem of the drawn one bleeds: it has no non-musical mixes."""
        names = sorted(self._pools["non_musical"])
        weights = [self._config.corpus_weights.get(name, 1.0) for name in names]
        if sum(weights) <= 0:
            raise RecipeError(
                f"No stem of split {self._split!r} may be drawn into a non-musical mix: with bleed="
                f"{self._config.bleed!r} every stem of the weighted corpora is kept out. "
                "Set mix.p_musical to 1, or mix.bleed to 'allow'."
            )
        return names[stream.weighted(weights)]

    def _draw_count(self, stream: Stream) -> int:
        config = self._config
        if stream.unit() < config.p_single_source:
            return 1
        return stream.integer(config.min_sources, config.max_sources)

    # Musical mixes: one song, one position, several parts; no pitch or time effects.

    def _draw_musical(
        self, streams: Callable[[str], Stream], corpus: str, count: int
    ) -> tuple[SourceRecipe, ...]:
        pool = self._pools["musical"][corpus]
        stream = streams("song")
        first: list[int] = []
        if stream.unit() < self._config.balance and pool.cells:
            song_at, part_at = stream.choice(stream.choice(pool.cells))
            first = [part_at]
        else:
            song_at = stream.below(len(pool.songs))
        song = pool.songs[song_at]
        pick = streams("parts")
        if self._config.full:
            stems = [i for part in song.parts for i in part]
        else:
            others = [p for p in pick.sample(len(song.parts), len(song.parts)) if p not in first]
            chosen = [*first, *others][:count]
            stems = [pick.choice(song.parts[p]) for p in chosen]
        position_s = self._musical_position(streams("position"), song, stems)
        sources = []
        for place, i in enumerate(stems):
            effects = self._draw_effects(streams, place, pitch_and_time=False)
            start_s = _round_to_grid(position_s - float(self._offsets[i]))
            sources.append(SourceRecipe(self._keys[i], start_s, self._level_db(i), effects))
        return tuple(sources)

    def _musical_position(self, stream: Stream, song: _Song, stems: list[int]) -> float:
        """Draw a position at which as many of the chosen stems sound as ever do together."""
        window = max(round(self._config.duration_s / HOP_S), 1)
        hops = max(math.floor((song.duration_s - self._config.duration_s) / HOP_S + 1e-6), 0) + 1
        sounding = np.zeros(hops, dtype=np.int16)
        for i in stems:
            shift = round(float(self._offsets[i]) / HOP_S)
            sounding += _active_in_windows(self._cumulative(i), window, hops, shift) >= self._needed
        best = np.flatnonzero(sounding == sounding.max())
        hop = int(best[stream.below(len(best))])
        latest_s = max(song.duration_s - self._config.duration_s, 0.0)
        return min(hop * HOP_S + stream.below(_STEPS_PER_HOP) * POSITION_GRID_S, _floor_to_grid(latest_s))

    # Non-musical mixes: per source another song, its own position, all four effects.

    def _draw_non_musical(
        self, streams: Callable[[str], Stream], corpus: str, count: int
    ) -> tuple[SourceRecipe, ...]:
        pools = self._pools["non_musical"]
        used: dict[str, set[int]] = defaultdict(set)
        sources: list[SourceRecipe] = []
        for place in range(count):
            stream = streams(f"source {place}")
            name = corpus
            if self._config.cross_corpus and place > 0:
                names = sorted(n for n in pools if len(used[n]) < len(pools[n].songs))
                weights = [self._config.corpus_weights.get(n, 1.0) for n in names]
                if not names or sum(weights) <= 0:
                    break
                name = names[stream.weighted(weights)]
            pool = pools[name]
            if len(used[name]) == len(pool.songs):
                break  # fewer songs than sources: two sources of one song are never mixed
            i, song_at = self._draw_stem(stream, pool, used[name])
            used[name].add(song_at)
            effects = self._draw_effects(streams, place, pitch_and_time=True)
            start_s = self._chunk_start(streams(f"chunk {place}"), i, total_rate(effects))
            sources.append(SourceRecipe(self._keys[i], start_s, self._level_db(i), effects))
        return tuple(sources)

    def _draw_stem(self, stream: Stream, pool: _Pool, used: set[int]) -> tuple[int, int]:
        if stream.unit() < self._config.balance and pool.cells:
            cell = stream.choice(pool.cells)
            fresh = [place for place in cell if place[0] not in used] if used else cell
            if fresh:
                song_at, part_at = stream.choice(fresh)
                return stream.choice(pool.songs[song_at].parts[part_at]), song_at
        # The k-th unused song, found by stepping over the few used ones: no rejection.
        song_at = stream.below(len(pool.songs) - len(used))
        for taken in sorted(used):
            song_at += taken <= song_at
        parts = pool.songs[song_at].parts
        return stream.choice(stream.choice(parts)), song_at

    def _chunk_start(self, stream: Stream, i: int, rate: float) -> float:
        """Draw where a chunk starts so that the stem sounds in it for ``min_active_s``.

        An active hop is drawn uniformly (binary search in the running counts), and the chunk laid over
        it and the active hops that follow. Only where these lie too far apart for one chunk are all
        positions looked at, for those at which the stem sounds long enough, or else longest.
        """
        cumulative = self._cumulative(i)
        total = int(cumulative[-1])
        read_s = self._config.duration_s * rate
        latest_s = _floor_to_grid(max(float(self._durations[i]) - read_s, 0.0))
        if total == 0:
            return _floor_to_grid(stream.uniform(0.0, latest_s))
        window = max(math.floor(read_s / HOP_S + 1e-9), 1)
        # Asked for after effects: a slower source needs less of the file.
        needed = min(max(math.ceil(self._config.min_active_s * rate / HOP_S - 1e-9), 1), total, window)
        rank = stream.below(total - needed + 1)
        first = int(np.searchsorted(cumulative, rank, side="right")) - 1
        last = int(np.searchsorted(cumulative, rank + needed - 1, side="right")) - 1
        if last - first < window:
            step = stream.integer((last - window + 1) * _STEPS_PER_HOP, first * _STEPS_PER_HOP)
        else:
            hops = max(math.floor(latest_s / HOP_S + 1e-6), 0) + 1
            active = np.minimum(_active_in_windows(cumulative, window, hops), needed)
            best = np.flatnonzero(active == active.max())
            step = int(best[stream.below(len(best))]) * _STEPS_PER_HOP
        return _round_to_grid(min(max(step * POSITION_GRID_S, 0.0), latest_s))

    def _draw_effects(
        self, streams: Callable[[str], Stream], place: int, *, pitch_and_time: bool
    ) -> tuple[Effect, ...]:
        return draw_effects(
            self._config.effects, lambda name: streams(f"{name} {place}"), pitch_and_time=pitch_and_time
        )

    def _level_db(self, i: int) -> float:
        config = self._config
        if config.level == "as_recorded":
            return 20.0 * math.log10(max(float(self._gains[i]), 1e-6))
        loudness = float(self._loudness[i])
        if not math.isfinite(loudness):
            return 0.0
        return min(config.target_lufs - loudness, config.max_gain_db)

    def _cumulative(self, i: int) -> NDArray[np.uint32]:
        if self._config.activity_db == ACTIVITY_DB:
            return self._catalog.active_cumulative(i)
        return _count_active(self._catalog, i, self._config.activity_db)


def _active_in_windows(
    cumulative: NDArray[np.uint32], window: int, hops: int, shift: int = 0
) -> NDArray[np.int64]:
    """Count the active hops in each of the windows that start at hop 0 to ``hops - 1``.

    ``shift`` is where the stem's first hop lies within the song; outside the stem there is silence.
    """
    first = np.clip(np.arange(-shift, hops - shift), 0, len(cumulative) - 1)
    last = np.clip(np.arange(window - shift, window + hops - shift), 0, len(cumulative) - 1)
    return cumulative[last].astype(np.int64) - cumulative[first]


@lru_cache(maxsize=4096)
def _count_active(catalog: Catalog, i: int, activity_db: float) -> NDArray[np.uint32]:
    """Count active hops as the catalog does, at another threshold than the one it stores."""
    active = catalog.envelope(i).astype(np.float32) >= activity_db
    return np.concatenate([[0], np.cumsum(active)]).astype(np.uint32)


def _cells_by_part(catalog: Catalog, label_set: str) -> dict[str, tuple[str, ...]]:
    """Return per part the names of its most specific classes; parts of no class are left out."""
    taxonomy, labels = load_taxonomy(), load_label_set(label_set)
    cells: dict[str, tuple[str, ...]] = {}
    for part in set(catalog.column("part")):
        closures = [taxonomy.closure([node]) for node in part.split("|") if node in taxonomy.nodes]
        present = frozenset.intersection(*closures) if closures else frozenset()
        nodes = {node: output.name for output in labels.outputs for node in output.nodes if node in present}
        above = {ancestor for node in nodes for ancestor in taxonomy.ancestors(node)}
        specific = tuple(sorted({name for node, name in nodes.items() if node not in above}))
        if specific:
            cells[part] = specific
    return cells


def _round_to_grid(start_s: float) -> float:
    return round(round(start_s / POSITION_GRID_S) * POSITION_GRID_S, 2)


def _floor_to_grid(start_s: float) -> float:
    return round(math.floor(start_s / POSITION_GRID_S + 1e-6) * POSITION_GRID_S, 2)


_DRAWERS: "WeakKeyDictionary[Catalog, dict[tuple[str, str], Drawer]]" = WeakKeyDictionary()


def draw(
    catalog: Catalog,
    config: MixConfig,
    seed: int,
    epoch: int,
    index: int,
    *,
    split: str = "train",
    kind: Kind | None = None,
) -> MixRecipe:
    """Draw one recipe: a pure function of its arguments, whatever was drawn before.

    Because the number that decides the kind is drawn first and alone, raising ``config.p_musical``
    turns each index from non-musical to musical at most once.

    Args:
        catalog: Where stems come from.
        config: Every knob.
        seed: Seed of the stream.
        epoch: Epoch, 0 or more.
        index: Item within the epoch, 0 or more.
        split: ``train``, ``validation`` or ``test``.
        kind: Force one kind of mix.

    Raises:
        RecipeError: the split holds nothing that the configuration allows.
    """
    drawers = _DRAWERS.setdefault(catalog, {})
    key = (config.content_hash, split)
    if key not in drawers:
        drawers[key] = Drawer(catalog, config, split)
    return drawers[key].draw(seed, epoch, index, kind)
