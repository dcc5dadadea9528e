"""Matched mixes: sources of different songs that fit in tempo and key, on one grid of beats.

The first source is played as it is. Each further one is of a song that reaches its tempo (or half or double
of it) and its key (or the relative one) within the budgets of ``mix.matched``; it is stretched, transposed
and placed such that beats coincide. Percussion without a pitch needs no key. Compare Kratimenos et al. 2019,
"Augmentation methods on monophonic audio for instrument classification in polyphonic music" (arXiv
1911.12505), who synchronise excerpts in pitch or in tempo.

Songs lie in tables by key, sorted by tempo within an octave, so that finding those that fit costs two binary
searches per key.
"""

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.io import HOP_S
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.song_table import SongFacts, SongTable
from mixlab.errors import RecipeError
from mixlab.mixing.candidates import CorpusCandidates
from mixlab.mixing.config import MatchingConfig, MixConfig
from mixlab.taxonomy.pitched import is_unpitched
from mixlab.utils.random import Stream

__all__ = ["Matched", "Matcher", "StemReach", "beat_grid"]

_TRIES = 8
"""Songs that are tried for a source before it is left out: beats may be uneven where its excerpt lies."""

_CLASS_TRIES = 32
"""Songs of a class that are tried before all of them are looked at."""

_GRID_BEATS = 5
"""Fewest beats that a local grid is fitted to."""

_UNEVEN = 0.2
"""Where a beat lies further than this share of a beat off its grid, there is no grid."""

_SAME_RATE = 0.0005
"""A stretch that moves the last beat of 4 s by 2 ms at most is left out."""

_SAME_PITCH = 0.02

Floats = NDArray[np.float64]

Stratum = tuple[tuple[int, tuple[int, ...]], ...]
"""Songs of a class: number of the song, numbers of its parts."""


@dataclass(frozen=True)
class Matched:
    """A source of a matched mix.

    Attributes:
        row: Row of the catalog.
        start_s: Where its excerpt starts in the file, in seconds.
        rate: How many times as fast it is played.
        semitones: By how much it is transposed.
    """

    row: int
    start_s: float
    rate: float = 1.0
    semitones: float = 0.0


@dataclass(frozen=True)
class StemReach:
    """How excerpts of stems are placed; the sampler's own methods.

    Attributes:
        start: Samples the start of an excerpt of a row that is played at a rate.
        active: Counts the active hops of a row from one time to another.
        offset: Where a row's file begins within its song, in seconds.
        duration: Length of a row's file in seconds.
        on_grid: Rounds a start to the grid of positions.
    """

    start: Callable[[Stream, int, float], float]
    active: Callable[[int, float, float], int]
    offset: Callable[[int], float]
    duration: Callable[[int], float]
    on_grid: Callable[[float], float]


def beat_grid(beats_s: Floats, centre_s: float, width_s: float) -> tuple[float, float] | None:
    """Fit a grid of equal beats to those around a time: their regression line.

    Args:
        beats_s: All beats of a song in seconds, rising.
        centre_s: Middle of the excerpt.
        width_s: Its length; at least five beats are taken.

    Returns:
        A beat near the middle and the interval, in seconds; None where beats are too few or uneven.
    """
    first, last = np.searchsorted(beats_s, (centre_s - width_s / 2, centre_s + width_s / 2)).tolist()
    lacking = max(_GRID_BEATS - (last - first), 0)
    first = max(min(first - lacking // 2, len(beats_s) - _GRID_BEATS), 0)
    last = min(max(last, first + _GRID_BEATS), len(beats_s))
    if last - first < _GRID_BEATS or not beats_s[0] - width_s < centre_s < beats_s[-1] + width_s:
        return None
    near = beats_s[first:last]
    number = np.arange(len(near)) - (len(near) - 1) / 2
    period_s, middle_s = float(number @ near / (number @ number)), float(near.mean())
    if not period_s > 0 or np.abs(near - middle_s - number * period_s).max() > _UNEVEN * period_s:
        return None
    return (middle_s if len(near) % 2 else middle_s + period_s / 2), period_s


@dataclass(frozen=True)
class _Song:
    """A song that can be matched; its numbers of parts are those of the candidate song."""

    beats_s: Floats
    log_tempo: float
    scale: int
    tuning: float
    pitched: tuple[int, ...]
    unpitched: tuple[int, ...]

    @property
    def parts(self) -> tuple[int, ...]:
        """All that can be matched."""
        return self.pitched + self.unpitched


@dataclass(frozen=True)
class _Sorted:
    """Songs by the fraction of an octave in which their tempo lies; those near its ends stand at both."""

    folds: list[float]
    numbers: list[int]

    @classmethod
    def of(cls, songs: Sequence[tuple[int, _Song]], width: float) -> "_Sorted":
        entries = [(song.log_tempo % 1.0, number) for number, song in songs]
        around = [(f + step, n) for f, n in entries for step in (-1, 0, 1) if -width <= f + step < 1 + width]
        around.sort()
        return cls([f for f, _ in around], [n for _, n in around])

    def span(self, log_tempo: float, width: float) -> tuple[int, int]:
        """Return the first place and the place behind the last of what is within ``width`` of a tempo."""
        fold = log_tempo % 1.0
        return bisect_left(self.folds, fold - width), bisect_right(self.folds, fold + width)


class _CorpusIndex:
    """The songs of one corpus that can be matched, in tables by key."""

    def __init__(
        self, candidates: CorpusCandidates, songs: Mapping[int, _Song], width: float, semitones: int
    ) -> None:
        self.candidates, self.songs, self._width, self._semitones = candidates, songs, width, semitones
        by_scale: dict[int, list[tuple[int, _Song]]] = defaultdict(list)
        for number, song in songs.items():
            if song.pitched:
                by_scale[song.scale].append((number, song))
        self._pitched = {scale: _Sorted.of(own, width) for scale, own in by_scale.items()}
        percussive = [(number, song) for number, song in songs.items() if song.unpitched]
        self._unpitched = _Sorted.of(percussive, width)
        parts = [(len(song.unpitched), len(song.pitched)) for song in songs.values()]
        self.unpitched_share = sum(u / (u + p) for u, p in parts) / max(len(parts), 1)
        self.firsts = [number for number, song in songs.items() if self._has_partner(number, song)]
        self._first = frozenset(self.firsts)

    def _has_partner(self, number: int, song: _Song) -> bool:
        """Tell whether some other song fits, for certain: its copies may be among those that do."""
        copies = 1 + len(self.candidates.songs[number].duplicates)
        key = song.scale if song.pitched else None
        return any(
            sum(last - first for _, first, last in self.fitting(song.log_tempo, key, pitched)) > copies
            for pitched in (True, False)
        )

    def fitting(self, log_tempo: float, scale: int | None, pitched: bool) -> list[tuple[list[int], int, int]]:
        """Return lists of songs, and from where to where in them those lie that fit; any key for None."""
        tables = [self._unpitched]
        if pitched:
            near = range(12) if scale is None else {(scale + k) % 12 for k in self._shifts()}
            tables = [self._pitched[s] for s in sorted(near) if s in self._pitched]
        spans = ((table, *table.span(log_tempo, self._width)) for table in tables)
        return [(table.numbers, first, last) for table, first, last in spans if last > first]

    def parts_of_firsts(self, number: int, parts: tuple[int, ...]) -> list[int]:
        """Return those of some parts of a song that a mix may begin with."""
        return [part for part in parts if part in self.songs[number].parts] if number in self._first else []

    def fitting_parts(
        self, number: int, parts: tuple[int, ...], log_tempo: float, scale: int | None
    ) -> list[int]:
        """Return those of some parts of a song that fit."""
        song = self.songs.get(number)
        if song is None or abs((song.log_tempo - log_tempo + 0.5) % 1.0 - 0.5) > self._width:
            return []
        in_key = scale is None or abs((song.scale - scale + 6) % 12 - 6) <= self._semitones
        return [part for part in parts if part in song.unpitched or (in_key and part in song.pitched)]

    def _shifts(self) -> range:
        return range(-self._semitones, self._semitones + 1)


@dataclass
class _Frame:
    """What the sources of a mix share so far.

    Attributes:
        log_tempo: Of the first source, by its whole song.
        beat_s: One of its beats, in seconds of the mix.
        period_s: From one of its beats to the next.
        key: Scale and tuning of the first source with a pitch, once there is one.
        used: Numbers of songs that may not come again, by corpus.
    """

    log_tempo: float
    beat_s: float
    period_s: float
    key: tuple[int, float] | None
    used: dict[str, set[int]]


class Matcher:
    """Samples the sources of matched mixes.

    Args:
        catalog: Where stems come from.
        config: Every knob.
        candidates: What may be mixed with other songs, by corpus.
        table: Tempo, beats and key of its songs.
        reach: How excerpts are placed.

    Raises:
        RecipeError: no two songs of a corpus fit.
    """

    def __init__(
        self,
        catalog: Catalog,
        config: MixConfig,
        candidates: Mapping[str, CorpusCandidates],
        table: SongTable,
        reach: StemReach,
    ) -> None:
        """Sort the songs that are known well enough into tables by key and tempo."""
        self._config, self._reach = config, reach
        matched = config.matched
        self._width = math.log2(1.0 + matched.max_stretch)
        self._index: dict[str, _CorpusIndex] = {}
        names, nodes = catalog.column("song"), catalog.column("nodes")
        total = 0
        for corpus, own in candidates.items():
            songs = {}
            total += len(own.songs)
            for number, candidate in enumerate(own.songs):
                facts = table.songs.get((corpus, names[candidate.parts[0][0]]))
                unpitched = [is_unpitched(nodes[part[0]]) for part in candidate.parts]
                song = _song(facts, unpitched, matched) if facts else None
                if song is not None:
                    songs[number] = song
            index = _CorpusIndex(own, songs, self._width, matched.max_semitones)
            if index.firsts:
                self._index[corpus] = index
        if not self._index:
            raise RecipeError(
                f"No two songs of {catalog.path} fit: of {total} songs, expected two of one corpus with a "
                f"confidence of {matched.min_confidence:g} or more, whose tempos can meet by a stretch of "
                f"{matched.max_stretch:g} and whose keys by {matched.max_semitones} semitones. Raise "
                "mix.matched.max_stretch or max_semitones, lower min_confidence, or give what you know: "
                f"mixlab analyse {catalog.path} --songs FILE",
                code="nothing-to-match",
            )

    @property
    def corpora(self) -> tuple[str, ...]:
        """The corpora with songs that fit."""
        return tuple(self._index)

    def with_excerpts(self, config: MixConfig, reach: StemReach) -> "Matcher":
        """Return one of the same songs for excerpts of another length."""
        other = copy(self)
        other._config, other._reach = config, reach
        return other

    def sample(self, streams: Callable[[str], Stream], corpus: str, count: int) -> list[Matched]:
        """Sample the sources of a mix; fewer than ``count`` where fewer songs fit.

        Args:
            streams: Opens the random stream of a purpose.
            corpus: One of ``corpora``.
            count: Number of sources.
        """
        first, frame = self._sample_first(streams("matched 0"), corpus)
        sources = [first]
        for place in range(1, count):
            if frame is None:
                break
            stream = streams(f"matched {place}")
            name = self._sample_corpus(stream) if self._config.cross_corpus else corpus
            found = self._sample_next(stream, name, frame)
            if found is not None:
                sources.append(found)
        return sources

    def _sample_corpus(self, stream: Stream) -> str:
        weights = [self._config.corpus_weights.get(name, 1.0) for name in self._index]
        return list(self._index)[stream.weighted(weights) if sum(weights) > 0 else stream.below(len(weights))]

    def _sample_first(self, stream: Stream, corpus: str) -> tuple[Matched, _Frame | None]:
        """Sample the source that the others follow; no frame where all that are tried have uneven beats."""
        index = self._index[corpus]
        for _ in range(_TRIES):
            number, part = self._first_part(stream, index)
            song, candidate = index.songs[number], index.candidates.songs[number]
            row = stream.choice(candidate.parts[part])
            source = Matched(row, self._reach.start(stream, row, 1.0))
            start_s, duration_s = source.start_s + self._reach.offset(row), self._config.duration_s
            grid = beat_grid(song.beats_s, start_s + duration_s / 2, duration_s)
            if grid is not None:
                key = (song.scale, song.tuning) if part in song.pitched else None
                used: dict[str, set[int]] = defaultdict(set)
                frame = _Frame(-math.log2(grid[1] / 60.0), grid[0] - start_s, grid[1], key, used)
                _use(frame, corpus, number, index)
                return source, frame
        return source, None

    def _first_part(self, stream: Stream, index: _CorpusIndex) -> tuple[int, int]:
        """Return numbers of a song that has others that fit, and of one of its parts."""
        strata = index.candidates.strata
        if stream.unit() < self._config.balance and strata:
            found = _of_class(stream, stream.choice(strata), index.parts_of_firsts)
            if found is not None:
                return found
        number = stream.choice(index.firsts)
        return number, stream.choice(index.songs[number].parts)

    def _sample_next(self, stream: Stream, corpus: str, frame: _Frame) -> Matched | None:
        """Sample a source that fits those before it, and note what it uses up; None where none does."""
        index = self._index[corpus]
        for _ in range(_TRIES):
            picked = self._next_part(stream, index, corpus, frame)
            if picked is None:
                return None
            number, part = picked
            song = index.songs[number]
            row = stream.choice(index.candidates.songs[number].parts[part])
            placed = self._place(stream, row, song, frame, index.candidates.songs[number].duration_s)
            if placed is None:
                continue
            _use(frame, corpus, number, index)
            if part not in song.pitched:
                return placed
            frame.key = frame.key or (song.scale, song.tuning)
            return replace(placed, semitones=_transposition(song, frame.key))
        return None

    def _next_part(
        self, stream: Stream, index: _CorpusIndex, corpus: str, frame: _Frame
    ) -> tuple[int, int] | None:
        """Return numbers of an unused song that fits and of a part; percussion is as frequent as in songs."""
        scale, used = frame.key[0] if frame.key else None, frame.used[corpus]
        if stream.unit() < self._config.balance and index.candidates.strata:
            found = _of_class(
                stream,
                stream.choice(index.candidates.strata),
                lambda n, parts: [] if n in used else index.fitting_parts(n, parts, frame.log_tempo, scale),
            )
            if found is not None:
                return found
        pitched = stream.unit() >= index.unpitched_share
        for wanted in (pitched, not pitched):
            number = _unused(stream, index.fitting(frame.log_tempo, scale, wanted), used)
            if number is not None:
                song = index.songs[number]
                return number, stream.choice(song.pitched if wanted else song.unpitched)
        return None

    def _place(self, stream: Stream, row: int, song: _Song, frame: _Frame, song_s: float) -> Matched | None:
        """Return a source with rate and start that bring its beats onto the frame's; None where none do."""
        reach, duration_s, offset_s = self._reach, self._config.duration_s, self._reach.offset(row)
        start_s = reach.start(stream, row, _rate(frame.log_tempo, song.log_tempo))
        grid = beat_grid(song.beats_s, start_s + offset_s + duration_s / 2, duration_s)
        if grid is None:
            return None
        beat_s, period_s = grid
        rate = _rate(-math.log2(frame.period_s / 60.0), -math.log2(period_s / 60.0))
        if abs(math.log2(rate)) > self._width or abs(math.log2(frame.period_s * rate / period_s)) > 1.5:
            return None
        if song_s < duration_s * rate - HOP_S and self._config.short_songs != "allow":
            return None
        rate = 1.0 if abs(rate - 1.0) < _SAME_RATE else rate
        step_s = min(frame.period_s, period_s / rate)
        late_s = (beat_s - offset_s - start_s) / rate - frame.beat_s
        late_s -= step_s * round(late_s / step_s)
        latest_s = max(reach.duration(row) - duration_s * rate, 0.0)
        starts = [reach.on_grid(start_s + (late_s + k * step_s) * rate) for k in (0, 1, -1, 2, -2)]
        starts = [start for start in starts if 0.0 <= start <= latest_s + HOP_S]
        if not starts:
            return None
        needed = math.ceil(self._config.min_active_s * rate / HOP_S - 1e-9)
        active = [min(reach.active(row, start, start + duration_s * rate), needed) for start in starts]
        return Matched(row, starts[active.index(max(active))], rate)


def _song(facts: SongFacts, unpitched: Sequence[bool], matched: MatchingConfig) -> _Song | None:
    """Return what can be matched of a song; None where its beats are not known well enough."""
    beats, key = facts.beats, facts.key
    if beats.confidence < matched.min_confidence or len(beats.times_s) < _GRID_BEATS:
        return None
    with_key = key.tonic >= 0 and key.confidence >= matched.min_confidence
    pitched = tuple(part for part, without in enumerate(unpitched) if not without) if with_key else ()
    percussive = tuple(part for part, without in enumerate(unpitched) if without)
    if not pitched and not percussive:
        return None
    times = np.asarray(beats.times_s)
    return _Song(
        times, math.log2(beats.tempo_bpm), key.scale if with_key else -1, key.tuning, pitched, percussive
    )


def _use(frame: _Frame, corpus: str, number: int, index: _CorpusIndex) -> None:
    """Note that a song, and what is the same piece, may not come again."""
    for name, other in ((corpus, number), *index.candidates.songs[number].duplicates):
        frame.used[name].add(other)


def _unused(stream: Stream, spans: Sequence[tuple[list[int], int, int]], used: set[int]) -> int | None:
    """Return one of the songs in some spans of lists that is not used, uniform; None where all are."""
    total = sum(last - first for _, first, last in spans)
    for _ in range(_TRIES if total else 0):
        number = _entry(spans, stream.below(total))
        if number not in used:
            return number
    left = [n for numbers, first, last in spans for n in numbers[first:last] if n not in used]
    return stream.choice(left) if left else None


def _entry(spans: Sequence[tuple[list[int], int, int]], place: int) -> int:
    """Return what stands at a place of some spans of lists, put end to end."""
    for numbers, first, last in spans:
        if place < last - first:
            return numbers[first + place]
        place -= last - first
    raise AssertionError("unreachable: the place lies in one of the spans")


def _of_class(
    stream: Stream, stratum: Stratum, fitting: Callable[[int, tuple[int, ...]], list[int]]
) -> tuple[int, int] | None:
    """Return a song of a class that fits, and one of its parts that do, uniform; None where none has any."""
    for _ in range(_CLASS_TRIES):
        number, parts = stream.choice(stratum)
        kept = fitting(number, parts)
        if kept:
            return number, stream.choice(kept)
    entries = [(number, kept) for number, parts in stratum if (kept := fitting(number, parts))]
    if not entries:
        return None
    number, kept = stream.choice(entries)
    return number, stream.choice(kept)


def _rate(log_tempo: float, own_log_tempo: float) -> float:
    """Return how many times as fast a song is played to reach a tempo, or one octaves from it."""
    octaves = log_tempo - own_log_tempo
    return float(2.0 ** (octaves - round(octaves)))


def _transposition(song: _Song, key: tuple[int, float]) -> float:
    """Return the semitones that bring a song into a key and to its tuning."""
    semitones = (key[0] - song.scale + 6) % 12 - 6 + key[1] - song.tuning
    return round(semitones, 3) if abs(semitones) >= _SAME_PITCH else 0.0
