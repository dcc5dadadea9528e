"""Sample recipes: a pure function of catalog, configuration, seed, epoch and index.

The steps are those of Bradl, Huber and Pernkopf 2023, section 2.3: corpus, then musical or not, then
the number of sources, then song, stem, excerpt and effects. Every decision has a random stream of its
own (``mixlab.utils.random``), so that one setting never disturbs what another one samples.
"""

import math
import warnings
from collections import defaultdict
from collections.abc import Callable
from copy import copy
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.io import HOP_S
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.song_table import load_song_table
from mixlab.errors import CatalogError, ConfigError, RecipeError
from mixlab.mixing._positions import add_active
from mixlab.mixing.candidates import (
    CandidateSong,
    CorpusCandidates,
    active_counts,
    find_candidates,
    long_enough,
    of_a_class,
    usable_stems,
)
from mixlab.mixing.config import Kind, MixConfig
from mixlab.mixing.effect_plan import total_rate
from mixlab.mixing.effects import Effect, PitchShift, TimeStretch
from mixlab.mixing.effects_config import sample_effects, sample_mixture_effects
from mixlab.mixing.matching import Matched, Matcher, StemReach
from mixlab.mixing.noise_floor import NoiseFloor
from mixlab.mixing.recipe import MixRecipe, SourceRecipe, check_config
from mixlab.taxonomy import load_label_set
from mixlab.utils.random import Stream, open_streams

__all__ = ["POSITION_GRID_S", "RecipeSampler", "sample_recipe"]

POSITION_GRID_S = 0.02
"""Excerpts start on multiples of this, which is a whole number of samples at 8, 16, 22.05, 24, 32, 44.1,
48 and 96 kHz: an excerpt is the same audio read from the file or from a resampled copy of it."""

LENGTH_GRID_S = 0.1
"""Mixes of several lengths differ by multiples of this."""

_STEPS_PER_HOP = round(HOP_S / POSITION_GRID_S)

_ATTEMPT_STRIDE = 1 << 48
"""Distance between the random streams of an item's attempts; no index of an epoch comes near it."""

_KEPT_SAMPLERS = 8

Counts = NDArray[np.int64] | NDArray[np.uint32]


class RecipeSampler:
    """Samples the recipes of one catalog, configuration and split; cheap to call, costly to make.

    Args:
        catalog: Where stems come from.
        config: Every knob.
        split: ``train``, ``validation`` or ``test``; a mix never crosses splits.

    Raises:
        RecipeError: the split holds nothing that the configuration allows, no song of it is as long as a
            mix, or the configuration names a corpus that the catalog does not hold.
        CatalogError: matched mixes are asked for, and tempo and key of the songs are not known.

    Warns:
        UserWarning: some songs are shorter than a mix, and so are not sampled.
    """

    def __init__(self, catalog: Catalog, config: MixConfig, split: str = "train") -> None:
        """Sort the catalog's rows into corpora, songs, parts and strata."""
        self._catalog = catalog
        self._config = config
        self._split = split
        self._settings = config.render_settings()
        _ = config.effects.custom_effects  # found and tried out before anything is mixed
        self._needed = max(math.ceil(config.min_active_s / HOP_S - 1e-9), 1)
        self._keys = catalog.column("key")
        self._durations = _values(catalog, "duration_s")
        self._offsets = _values(catalog, "offset_s")
        self._gains = _values(catalog, "gain")
        self._loudness = _values(catalog, "loudness_lufs")
        self._counts: dict[int, Counts] = {}
        self._matcher: Matcher | None = None
        self._lengths: dict[float, RecipeSampler] = {}
        self._labels = load_label_set(config.label_set)
        usable = self._drawable(usable_stems(catalog, config.activity_db, self._labels))
        certain = of_a_class(catalog, usable, config.label_set) if config.one_of_each else usable
        musical = usable if config.full else certain
        self._candidates: dict[Kind, dict[str, CorpusCandidates]] = {
            "musical": find_candidates(catalog, config, split, musical, bleed=config.bleed != "exclude"),
            "non_musical": find_candidates(catalog, config, split, certain, bleed=config.bleed == "allow"),
        }
        self._corpora = tuple(self._candidates["musical"])
        self._weights = [config.corpus_weights.get(name, 1.0) for name in self._corpora]
        self._check_candidates()
        if config.shares["matched"]:
            self._find_matcher()
        if config.one_of_each:
            self._check_classes()

    def _drawable(self, usable: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Leave out songs that end before a mix would, and say so."""
        duration_s = self._config.duration_s
        if self._config.short_songs == "allow":
            return usable
        long, lengths = long_enough(self._catalog, self._config, self._split, usable)
        if lengths.songs and not long.any():
            raise RecipeError(
                f"No song of split {self._split!r} of {self._catalog.path} is as long as a mix: expected at "
                f"least mix.duration_s={duration_s:g} s, the longest of {sum(lengths.songs.values())} lasts "
                f"{lengths.longest_s:.1f} s. Set mix.duration_s to what songs can fill, or mix.short_songs "
                "to 'allow' for mixes that end in silence.",
                code="songs-too-short",
            )
        if lengths.short:
            warnings.warn(
                f"{lengths} of split {self._split!r} are shorter than mix.duration_s={duration_s:g} s and "
                "never sampled; mix.short_songs='allow' samples them too, with silence behind them.",
                stacklevel=4,
            )
        return long

    def _check_candidates(self) -> None:
        config, known = self._config, sorted(set(self._catalog.column("corpus")))
        for name, given in (("corpora", config.corpora), ("corpus_weights", tuple(config.corpus_weights))):
            unknown = sorted(set(given) - set(known))
            if unknown:
                raise RecipeError(
                    f"mix.{name} names {unknown}, the catalog holds {known}.", code="unknown-corpus"
                )
        if not self._corpora or sum(self._weights) <= 0:
            splits, counts = np.unique(self._catalog.column("split"), return_counts=True)
            found = ", ".join(f"{s}: {c}" for s, c in zip(splits, counts, strict=True))
            raise RecipeError(
                f"Nothing to sample in split {self._split!r} of {self._catalog.path}: the catalog has stems "
                f"per split ({found}), of which none here is usable with corpora="
                f"{config.corpora or 'all'}, bleed={config.bleed!r} and these corpus_weights. "
                f"See 'mixlab catalog {self._catalog.path}'.",
                code="nothing-to-sample",
            )

    def _check_classes(self) -> None:
        """Say which classes mixes of one of each will lack."""
        corpora = {**self._candidates["musical"], **self._candidates["non_musical"]}
        lacking = {
            name: [c for c in self._labels.names if c not in corpora[name].by_class] for name in corpora
        }
        told = [f"{name} has no {', '.join(classes)}" for name, classes in lacking.items() if classes]
        if told:
            warnings.warn(
                f"mix.one_of_each: of split {self._split!r}, {'; '.join(told)}. Mixes of one corpus are "
                "without them; mix.cross_corpus takes them from the others, mix.corpora leaves corpora out.",
                stacklevel=4,
            )

    def sample(
        self, seed: int, epoch: int, index: int, kind: Kind | None = None, *, attempt: int = 0
    ) -> MixRecipe:
        """Sample one recipe; the same arguments always give the same recipe.

        Args:
            seed: Seed of the stream.
            epoch: Epoch, 0 or more.
            index: Item within the epoch, 0 or more.
            kind: Force one kind. Everything else is sampled as for a mix of that kind.
            attempt: Above 0: the recipe that stands in when that of ``attempt - 1`` cannot be read.
        """
        streams = open_streams(seed, epoch, index + attempt * _ATTEMPT_STRIDE)
        kind = kind or self._config.choose_kind(streams("kind").unit())
        corpus = self._corpora[streams("corpus").weighted(self._weights)]
        if kind == "non_musical" and corpus not in self._candidates["non_musical"]:
            corpus = self._sample_clean_corpus(streams("clean corpus"))
        if kind == "matched":
            corpus = self._sample_matched_corpus(corpus, streams)
        count = self._sample_count(streams("sources"))
        own = self._at_length(streams("duration")) if self._config.min_duration_s else self
        makers = {
            "musical": own._sample_musical,
            "non_musical": own._sample_non_musical,
            "matched": own._sample_matched,
        }
        lufs = self._config.mixture_lufs
        noise = self._sample_noise(streams) if self._config.p_negative else None
        return MixRecipe(
            catalog_hash=self._catalog.content_hash,
            seed=seed,
            epoch=epoch,
            index=index,
            attempt=attempt,
            split=self._split,
            corpus=corpus,
            kind=kind,
            sources=() if noise else self._with_ratios(streams, makers[kind](streams, corpus, count)),
            render=own._settings,
            effects=()
            if noise
            else sample_mixture_effects(self._config.effects, lambda name: streams(f"{name} mixture")),
            mixture_lufs=streams("mixture loudness").uniform(*lufs) if lufs and not noise else None,
            noise=noise,
        )

    def _at_length(self, stream: Stream) -> "RecipeSampler":
        """Sample the length of an item, and return a sampler of such mixes over the same candidates."""
        config = self._config
        steps = math.floor((config.duration_s - config.min_duration_s) / LENGTH_GRID_S + 1e-6)
        duration_s = round(config.duration_s - stream.integer(0, steps) * LENGTH_GRID_S, 3)
        if duration_s not in self._lengths:
            sampler = copy(self)
            sampler._config = replace(config, duration_s=duration_s, min_duration_s=0.0)
            sampler._settings = replace(self._settings, duration_s=duration_s)
            if self._matcher is not None:
                sampler._matcher = self._matcher.with_excerpts(sampler._config, sampler._reach())
            self._lengths[duration_s] = sampler
        return self._lengths[duration_s]

    def _sample_noise(self, streams: Callable[[str], Stream]) -> NoiseFloor | None:
        """Sample whether this item is without instruments, and the noise that is there instead."""
        stream = streams("negative")
        if stream.unit() >= self._config.p_negative:
            return None
        return NoiseFloor.sample(stream, self._config.negative_db)

    def _with_ratios(
        self, streams: Callable[[str], Stream], sources: tuple[SourceRecipe, ...]
    ) -> tuple[SourceRecipe, ...]:
        """Sample the ratio of the first source to each further one, where that is asked for."""
        span = self._config.snr_db
        if not span:
            return sources
        ratios = [None, *(streams(f"snr {place}").uniform(*span) for place in range(1, len(sources)))]
        return tuple(replace(source, snr_db=snr) for source, snr in zip(sources, ratios, strict=True))

    def _sample_clean_corpus(self, stream: Stream) -> str:
        """Sample another corpus where every stem of the sampled one bleeds: it has no non-musical mixes."""
        names = list(self._candidates["non_musical"])
        weights = [self._config.corpus_weights.get(name, 1.0) for name in names]
        if sum(weights) <= 0:
            raise RecipeError(
                f"No stem of split {self._split!r} may be sampled into a non-musical mix: with bleed="
                f"{self._config.bleed!r} every stem of the weighted corpora is kept out. "
                "Set mix.p_musical to 1, or mix.bleed to 'allow'.",
                code="nothing-to-sample",
            )
        return names[stream.weighted(weights)]

    def _sample_count(self, stream: Stream) -> int:
        config = self._config
        if stream.unit() < config.p_single_source:
            return 1
        return stream.integer(config.min_sources, config.max_sources)

    # Musical mixes: one song, one position, several parts; no pitch or time effects.

    def _sample_musical(
        self, streams: Callable[[str], Stream], corpus: str, count: int
    ) -> tuple[SourceRecipe, ...]:
        corpus_candidates = self._candidates["musical"][corpus]
        stream = streams("song")
        if self._config.one_of_each and not self._config.full:
            return self._one_part_of_each(streams, corpus_candidates, stream)
        first: list[int] = []
        if stream.unit() < self._config.balance and corpus_candidates.strata:
            number, parts = stream.choice(stream.choice(corpus_candidates.strata))
            first = [stream.choice(parts)]
        else:
            number = stream.below(len(corpus_candidates.songs))
        song = corpus_candidates.songs[number]
        pick = streams("parts")
        if self._config.full:
            stems = [i for part in song.parts for i in part]
        else:
            others = [p for p in pick.sample(len(song.parts), len(song.parts)) if p not in first]
            stems = [pick.choice(song.parts[p]) for p in [*first, *others][:count]]
        return self._musical_sources(streams, song, stems)

    def _one_part_of_each(
        self, streams: Callable[[str], Stream], corpus_candidates: CorpusCandidates, stream: Stream
    ) -> tuple[SourceRecipe, ...]:
        """Sample a song that has most classes, and of each class one of its parts."""
        number, held = stream.choice(corpus_candidates.richest)
        song = corpus_candidates.songs[number]
        stems = []
        for name in self._labels.names:
            if name in held:
                pick = streams(f"class {name}")
                stems.append(pick.choice(song.parts[pick.choice(held[name])]))
        return self._musical_sources(streams, song, list(dict.fromkeys(stems)))

    def _musical_sources(
        self, streams: Callable[[str], Stream], song: CandidateSong, stems: list[int]
    ) -> tuple[SourceRecipe, ...]:
        """Lay the excerpts of a song's stems at one position."""
        position_s = self._musical_position(streams("position"), song, stems)
        sources = []
        for place, i in enumerate(stems):
            effects = self._sample_effects(streams, place, pitch_and_time=False)
            # An offset need not lie on the grid; stems of one song must stay together all the same.
            start_s = round(position_s - self._offsets[i], 6)
            sources.append(SourceRecipe(self._keys[i], start_s, self._level_db(i), effects))
        return tuple(sources)

    def _musical_position(self, stream: Stream, song: CandidateSong, stems: list[int]) -> float:
        """Sample a position at which as many of the chosen stems sound as ever do together.

        A whole song (``full``) keeps its entries and rests: there it is enough that one stem sounds.
        """
        window = max(round(self._config.duration_s / HOP_S), 1)
        hops = max(math.floor((song.duration_s - self._config.duration_s) / HOP_S + 1e-6), 0) + 1
        sounding = np.zeros(hops, dtype=np.int16)
        for i in stems:
            shift = round(self._offsets[i] / HOP_S)
            add_active(self._active(i), window, shift, self._needed, sounding)
        good = sounding >= (1 if self._config.full and sounding.max() > 0 else sounding.max())
        best = np.flatnonzero(good)
        hop = int(best[stream.below(len(best))])
        # Between two hops only where the later one is as good, or a single hit could be missed.
        steps = stream.below(_STEPS_PER_HOP) if hop + 1 < hops and good[hop + 1] else 0
        latest_s = max(song.duration_s - self._config.duration_s, 0.0)
        start_s = hop * HOP_S + steps * POSITION_GRID_S
        return round(min(start_s, _floor_to_grid(latest_s)), 2)

    # Non-musical mixes: per source another song, its own position, all four effects.

    def _sample_non_musical(
        self, streams: Callable[[str], Stream], corpus: str, count: int
    ) -> tuple[SourceRecipe, ...]:
        if self._config.one_of_each:
            return self._one_song_of_each(streams, corpus)
        candidates = self._candidates["non_musical"]
        used: dict[str, set[int]] = defaultdict(set)
        sources: list[SourceRecipe] = []
        for place in range(count):
            stream = streams(f"source {place}")
            name = corpus
            if self._config.cross_corpus and place > 0:
                names = [n for n in candidates if len(used[n]) < len(candidates[n].songs)]
                weights = [self._config.corpus_weights.get(n, 1.0) for n in names]
                if not names or sum(weights) <= 0:
                    break
                name = names[stream.weighted(weights)]
            corpus_candidates = candidates[name]
            if len(used[name]) == len(corpus_candidates.songs):
                break  # fewer songs than sources: two sources of one song are never mixed
            i, number = self._sample_stem(stream, corpus_candidates, used[name])
            sources.append(self._non_musical_source(streams, place, name, (i, number), used))
        return tuple(sources)

    def _one_song_of_each(self, streams: Callable[[str], Stream], corpus: str) -> tuple[SourceRecipe, ...]:
        """Sample of each class a song that has it, and one of its parts."""
        candidates = self._candidates["non_musical"]
        used: dict[str, set[int]] = defaultdict(set)
        sources = []
        for place, label in enumerate(self._labels.names):
            stream = streams(f"class {label}")
            fresh = {
                name: [
                    entry for entry in candidates[name].by_class.get(label, ()) if entry[0] not in used[name]
                ]
                for name in (candidates if self._config.cross_corpus else (corpus,))
            }
            names = [name for name, entries in fresh.items() if entries]
            weights = [self._config.corpus_weights.get(name, 1.0) for name in names]
            if not names or sum(weights) <= 0:
                continue  # no other song has it: the mix is without
            name = names[stream.weighted(weights)]
            number, parts = stream.choice(fresh[name])
            i = stream.choice(candidates[name].songs[number].parts[stream.choice(parts)])
            sources.append(self._non_musical_source(streams, place, name, (i, number), used))
        return tuple(sources)

    def _non_musical_source(
        self,
        streams: Callable[[str], Stream],
        place: int,
        corpus: str,
        stem: tuple[int, int],
        used: dict[str, set[int]],
    ) -> SourceRecipe:
        """Sample effects and excerpt of a stem (its row, and the number of its song, which is used now)."""
        i, number = stem
        song = self._candidates["non_musical"][corpus].songs[number]
        for other, duplicate in ((corpus, number), *song.duplicates):
            used[other].add(duplicate)
        effects = self._sample_effects(streams, place, pitch_and_time=True)
        effects = self._slow_enough(effects, song)
        start_s = self._excerpt_start(streams(f"chunk {place}"), i, total_rate(effects))
        return SourceRecipe(self._keys[i], start_s, self._level_db(i), effects)

    def _sample_stem(
        self, stream: Stream, corpus_candidates: CorpusCandidates, used: set[int]
    ) -> tuple[int, int]:
        """Return a row of the catalog and the number of its song, which is none of the used ones."""
        if stream.unit() < self._config.balance and corpus_candidates.strata:
            stratum = stream.choice(corpus_candidates.strata)
            fresh = [entry for entry in stratum if entry[0] not in used] if used else stratum
            if fresh:
                number, parts = stream.choice(fresh)
                return stream.choice(corpus_candidates.songs[number].parts[stream.choice(parts)]), number
        # The k-th unused song, found by stepping over the few used ones: no rejection.
        number = stream.below(len(corpus_candidates.songs) - len(used))
        for taken in sorted(used):
            number += taken <= number
        return stream.choice(stream.choice(corpus_candidates.songs[number].parts)), number

    def _excerpt_start(self, stream: Stream, i: int, rate: float) -> float:
        """Sample where an excerpt starts so that the stem sounds in it for ``min_active_s``.

        An active hop is sampled uniformly (binary search in the running counts), and the excerpt laid over
        it and the active hops that follow. Only where these lie too far apart for one excerpt are all
        positions looked at, for those at which the stem sounds long enough, or else longest.
        """
        counts = self._active(i)
        total = int(counts[-1])
        if not 0 < total < len(counts) or counts[0] != 0:
            raise CatalogError(
                f"{self._catalog.path} is damaged: expected 1 to {len(counts) - 1} active hops of "
                f"{self._catalog.column('key')[i]!r}, which can be drawn, found {total} counted. Run mixlab "
                f"index {self._catalog.path} again.",
                code="catalog-damaged",
            )
        read_s = self._config.duration_s * rate
        latest_s = _floor_to_grid(max(self._durations[i] - read_s, 0.0))
        window = max(math.floor(read_s / HOP_S + 1e-9), 1)
        # Asked for after effects: a slower source needs less of the file.
        asked = max(math.ceil(self._config.min_active_s * rate / HOP_S - 1e-9), 1)
        needed = min(asked, total, window)
        rank = stream.below(total - needed + 1)
        # Looked up as the counts' own type: any other would have all of them converted first.
        kind = counts.dtype.type
        first = int(counts.searchsorted(kind(rank), side="right")) - 1
        last = int(counts.searchsorted(kind(rank + needed - 1), side="right")) - 1
        if last - first < window:
            # Limited to the file before sampling, so that no excerpt is more likely for lying at an end.
            high = min(first * _STEPS_PER_HOP, round(latest_s / POSITION_GRID_S))
            low = min(max((last - window + 1) * _STEPS_PER_HOP, 0), high)
            return _round_to_grid(stream.integer(low, high) * POSITION_GRID_S)
        hops = max(math.floor(latest_s / HOP_S + 1e-6), 0) + 1
        active = np.minimum(_active_in_windows(counts, window, hops), needed)
        best = np.flatnonzero(active == active.max())
        return _round_to_grid(int(best[stream.below(len(best))]) * HOP_S)

    # Matched mixes: songs that fit in tempo and key, on one grid of beats.

    def _find_matcher(self) -> Matcher:
        if self._config.one_of_each:
            raise ConfigError(
                "mix.one_of_each has musical and non-musical mixes only: no song of each class need fit the "
                "others. Leave matched mixes out.",
                code="conflicting-settings",
            )
        if self._matcher is None:
            table, candidates = load_song_table(self._catalog), self._candidates["non_musical"]
            self._matcher = Matcher(self._catalog, self._config, candidates, table, self._reach())
        return self._matcher

    def _reach(self) -> StemReach:
        return StemReach(
            self._excerpt_start,
            self._active_hops,
            self._offsets.__getitem__,
            self._durations.__getitem__,
            _round_to_grid,
        )

    def _sample_matched_corpus(self, corpus: str, streams: Callable[[str], Stream]) -> str:
        """Return a corpus as it was sampled, or another one where no two of its songs fit."""
        names = self._find_matcher().corpora
        if corpus in names:
            return corpus
        weights = [self._config.corpus_weights.get(name, 1.0) for name in names]
        stream = streams("matched corpus")
        return names[stream.weighted(weights) if sum(weights) > 0 else stream.below(len(names))]

    def _sample_matched(
        self, streams: Callable[[str], Stream], corpus: str, count: int
    ) -> tuple[SourceRecipe, ...]:
        found = self._find_matcher().sample(streams, corpus, count)
        sources = []
        for place, source in enumerate(found):
            effects = (*_fitting_effects(source), *self._sample_effects(streams, place, pitch_and_time=False))
            level_db = self._level_db(source.row)
            sources.append(SourceRecipe(self._keys[source.row], source.start_s, level_db, effects))
        return tuple(sources)

    def _active_hops(self, i: int, start_s: float, end_s: float) -> int:
        """Count the hops between two times of a stem's file that are active."""
        counts = self._active(i)
        last = len(counts) - 1
        first, end = (min(max(round(second / HOP_S), 0), last) for second in (start_s, end_s))
        return int(counts[end]) - int(counts[first])

    def _sample_effects(
        self, streams: Callable[[str], Stream], place: int, *, pitch_and_time: bool
    ) -> tuple[Effect, ...]:
        return sample_effects(
            self._config.effects, lambda name: streams(f"{name} {place}"), pitch_and_time=pitch_and_time
        )

    def _slow_enough(self, effects: tuple[Effect, ...], song: CandidateSong) -> tuple[Effect, ...]:
        """Play no song so fast that it ends before the mix, where it need not."""
        fastest = max(song.duration_s / self._config.duration_s, 1.0)
        if total_rate(effects) <= fastest or self._config.short_songs == "allow":
            return effects
        return tuple(TimeStretch(fastest) if isinstance(e, TimeStretch) else e for e in effects)

    def _level_db(self, i: int) -> float:
        config, loudness = self._config, self._loudness[i]
        if config.level == "as_recorded" or not math.isfinite(loudness):
            return 20.0 * math.log10(max(self._gains[i], 1e-6))
        # A file's loudness is that of its mono sum. On two channels the same sound has twice the power.
        mix_loudness = loudness + 10.0 * math.log10(config.channels)
        return min(config.target_lufs - mix_loudness, config.max_gain_db)

    def _active(self, i: int) -> Counts:
        if self._config.activity_db == self._catalog.activity_db:
            return self._catalog.active_cumulative(i)
        if i not in self._counts:
            self._counts[i] = active_counts(self._catalog, i, self._config.activity_db)
        return self._counts[i]


def _fitting_effects(source: Matched) -> tuple[Effect, ...]:
    stretch = (TimeStretch(source.rate),) if source.rate != 1.0 else ()
    return (*stretch, PitchShift(source.semitones)) if source.semitones else stretch


def _values(catalog: Catalog, name: str) -> memoryview:
    """Return a column of numbers such that an index gives a Python number: several times as fast."""
    return np.ascontiguousarray(catalog.column(name)).data


def _active_in_windows(counts: Counts, window: int, hops: int) -> NDArray[np.int64]:
    """Count the active hops in each of the windows that start at hop 0 to ``hops - 1``."""
    first = np.clip(np.arange(hops), 0, len(counts) - 1)
    last = np.clip(np.arange(window, window + hops), 0, len(counts) - 1)
    return counts[last].astype(np.int64) - counts[first]


def _round_to_grid(start_s: float) -> float:
    return round(round(start_s / POSITION_GRID_S) * POSITION_GRID_S, 2)


def _floor_to_grid(start_s: float) -> float:
    return round(math.floor(start_s / POSITION_GRID_S + 1e-6) * POSITION_GRID_S, 2)


def sample_recipe(
    catalog: Catalog,
    config: MixConfig,
    seed: int,
    epoch: int,
    index: int,
    *,
    split: str = "train",
    kind: Kind | None = None,
) -> MixRecipe:
    """Sample one recipe: a pure function of its arguments, whatever was sampled before.

    Because the number that decides the kind is sampled first and alone, raising ``config.p_musical``
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

    Example:
        >>> from mixlab import Catalog, MixConfig, sample_recipe
        >>> catalog, config = Catalog.open("my-catalog"), MixConfig()
        >>> one, again = (sample_recipe(catalog, config, seed=0, epoch=2, index=5) for _ in range(2))
        >>> one == again
        True
    """
    # Kept with the catalog, so that they go when it goes; the few latest, since sliders make many.
    samplers: dict[tuple[str, str], RecipeSampler] = catalog.derived.setdefault("samplers", {})
    key = (check_config(config).content_hash, split)
    sampler = samplers.get(key)
    if sampler is None:
        sampler = samplers[key] = RecipeSampler(catalog, config, split)
        for old in list(samplers)[:-_KEPT_SAMPLERS]:  # other threads may do the same at this moment
            samplers.pop(old, None)
    return sampler.sample(seed, epoch, index, kind)
