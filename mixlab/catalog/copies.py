"""Find stems of different songs that are the same audio, from what indexing measured of them.

Equal samples are found exactly, whatever lossless container they are in. Copies that went through another
gain, rate, number of channels or a good lossy encoder are found by their level per 100 ms: it then agrees to
.4 dB, most to a few hundredths, while the closest of 65 000 pairs of equally long stems of different songs
lay 1.1 dB apart. Not found are copies that were cut, moved in time by more than some milliseconds, stretched,
mixed with something else, or squeezed into an MP3 of low quality.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mixlab.utils.disjoint_sets import DisjointSets

__all__ = ["Sound", "Tie", "audio_groups", "describe_ties", "find_ties"]

_RANGE_DB = 40.0  # below its mean power, a stem's level says more about noise and encoders than about it
_TOLERANCE_DB, _TOLERANCE_SHARE = 0.4, 0.2  # RMS over the hops that sound; share of how far levels spread
_LOUDNESS_DB, _PEAK_DB = 0.5, 3.0  # against the mean power; an encoder moves peaks
_DISTINCTIVE_HOPS = 10  # a second of sound tells songs apart where samples agree
_CERTAIN_HOPS = 30  # and this much does where only levels agree
_DISTINCTIVE_DB = 0.4  # if levels spread so far: steady noise has .1 to .3
_HIT_DB, _HITS_SHARE = 0.5, 0.95  # two levels, each within two steps, make up nearly all peaks of a click
_BETWEEN_DB = 10.0  # by which it is quieter between its hits
_BLOCK = 1024
_NAMED = 3  # stems of a pair of songs that a message names


@dataclass(frozen=True)
class Sound:
    """A stem that can be heard, as indexing measured it.

    Attributes:
        song: ``corpus/song``.
        stem: Its name within the song.
        audio_hash: Names its samples.
        envelope: Level per 100 ms in dBFS, ``(hops,)``.
        active_db: From which level on a hop sounds, in dBFS.
        loudness_lufs: Integrated loudness, or NaN.
        peak_db: Highest sample in dBFS.
        channels: Number of channels.
        label: What it is taken for, to be compared with what its copies are.
    """

    song: str
    stem: str
    audio_hash: str
    envelope: NDArray[np.float16]
    active_db: float
    loudness_lufs: float = float("nan")
    peak_db: float = 0.0
    channels: int = 1
    label: str = ""

    @cached_property
    def levels(self) -> NDArray[np.float32]:
        """Level of each hop against the mean power, in dB, at least ``-_RANGE_DB``."""
        levels = self.envelope.astype(np.float32) - np.float32(self.mean_db)
        return np.maximum(levels, np.float32(-_RANGE_DB))  # type: ignore[no-any-return]

    @cached_property
    def mean_db(self) -> float:
        """Mean power in dBFS."""
        power = 10.0 ** (self.envelope.astype(np.float64) / 10.0)
        return float(10.0 * np.log10(power.mean() + 1e-20))

    @cached_property
    def spread_db(self) -> float:
        """Standard deviation of the levels that sound: near 0 for a tone, .1 for noise, 5 for music."""
        active = self.envelope[self.envelope >= self.active_db].astype(np.float64)
        return float(active.std()) if len(active) else 0.0

    @property
    def tolerance_db(self) -> float:
        """How far levels of a copy may be off (RMS): the less they spread, the less they tell."""
        return min(_TOLERANCE_DB, _TOLERANCE_SHARE * self.spread_db)

    def is_distinctive(self, hops: int) -> bool:
        """Tell whether it sounds for that long, and is neither steady nor a click over and over."""
        active = np.count_nonzero(self.envelope >= self.active_db)
        return bool(active >= hops) and self.spread_db >= _DISTINCTIVE_DB and not self._is_click

    @cached_property
    def _is_click(self) -> bool:
        """Whether short hits of one level recur, or of two with the accents: a metronome, one sample."""
        power = 10.0 ** (self.envelope.astype(np.float64) / 10.0)
        # A hit may fall on the border of two hops.
        pairs = np.concatenate([[0.0], power[:-1] + power[1:], [0.0]])
        top = np.flatnonzero((pairs[1:-1] >= pairs[:-2]) & (pairs[1:-1] > pairs[2:]))
        levels = 10.0 * np.log10(pairs[1:-1][top] + 1e-20)
        top, levels = top[levels >= self.active_db], levels[levels >= self.active_db]
        if len(top) < 2:
            return False
        between = np.minimum.reduceat(self.envelope.astype(np.float64), top)[:-1]
        if np.median(np.minimum(levels[:-1], levels[1:]) - between) < _BETWEEN_DB:
            return False
        _, counts = np.unique(np.round(levels / _HIT_DB), return_counts=True)
        return bool(np.sort(counts)[-4:].sum() >= _HITS_SHARE * len(levels))


@dataclass(frozen=True)
class Tie:
    """Stems, of one song or of several, that are the same audio.

    Attributes:
        stems: Two or more positions among the sounds, ascending.
        plain: Their sound is too short or too steady to tell songs apart: a tone, a click, a second of noise.
    """

    stems: tuple[int, ...]
    plain: bool = False


def find_ties(sounds: Sequence[Sound]) -> list[Tie]:
    """Find stems that are the same audio.

    Args:
        sounds: Stems; all of a song's that can be heard.

    Returns:
        One tie per piece of audio that two or more stems hold, by its first stem.
    """
    by_hash: dict[str, list[int]] = defaultdict(list)
    for i, sound in enumerate(sounds):
        by_hash[sound.audio_hash or f"none {i}"].append(i)
    union = DisjointSets(len(sounds))
    for same in by_hash.values():
        for i in same[1:]:
            union.join(same[0], i)
    certain = [same[0] for same in by_hash.values() if sounds[same[0]].is_distinctive(_CERTAIN_HOPS)]
    for i, k in _near(sounds, certain):
        # Most pairs of many copies are of one set already.
        if union.root(i) != union.root(k) and _agree(sounds[i], sounds[k]):
            union.join(i, k)
    return [
        Tie(same, plain=not sounds[same[0]].is_distinctive(_DISTINCTIVE_HOPS))
        for same in union.sets()
        if len(same) > 1
    ]


def _near(sounds: Sequence[Sound], places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield pairs of sounds whose levels may agree, of those in ``places``; lengths may differ by one hop."""
    by_length: dict[int, list[int]] = defaultdict(list)
    for i in places:
        by_length[len(sounds[i].envelope)].append(i)
    for hops in sorted(by_length):
        own = by_length[hops]
        others = own + by_length.get(hops + 1, [])
        if len(others) < 2:
            continue
        table = np.stack([sounds[i].levels[:hops] for i in others])
        powers = np.einsum("nh,nh->n", table, table)
        audible = np.count_nonzero(table > -_RANGE_DB, axis=1)
        allowed = np.array([sounds[i].tolerance_db for i in others])
        for first in range(0, len(own), _BLOCK):
            block = slice(first, min(first + _BLOCK, len(own)))
            apart = powers[block, None] + powers[None] - 2.0 * table[block] @ table.T
            # Twice the tolerance, as sums of large squares round: what passes is compared one by one.
            most = 4.0 * np.square(np.minimum(allowed[block, None], allowed[None]))
            near = apart <= most * np.maximum(audible[block, None], audible[None])
            for row, column in zip(*(found.tolist() for found in np.nonzero(near)), strict=True):
                if column > first + row:
                    yield others[first + row], others[column]


def _agree(one: Sound, other: Sound) -> bool:
    """Tell whether two sounds are the same but for gain, rate, channels and encoding."""
    hops = min(len(one.levels), len(other.levels))
    a, b = one.levels[:hops], other.levels[:hops]
    audible = (a > -_RANGE_DB) | (b > -_RANGE_DB)
    if float(np.sqrt(np.mean(np.square(a - b)[audible]))) > min(one.tolerance_db, other.tolerance_db):
        return False
    if one.channels != other.channels:  # what peak and loudness are to levels depends on their sum
        return True
    louder = [s.loudness_lufs - s.mean_db for s in (one, other)]
    higher = [s.peak_db - s.mean_db for s in (one, other)]
    return not abs(louder[0] - louder[1]) > _LOUDNESS_DB and abs(higher[0] - higher[1]) <= _PEAK_DB


def audio_groups(sounds: Sequence[Sound], ties: Sequence[Tie]) -> dict[str, tuple[str, ...]]:
    """Return the group keys ``audio:corpus/song/stem`` of the songs that audio ties together.

    What is plain ties two songs only if they have all of their audio in common.

    Returns:
        Sorted keys by song, for the songs that have any.
    """
    whole = _all_audio(sounds, ties)
    found: dict[str, set[str]] = defaultdict(set)
    for tie in ties:
        groups: dict[frozenset[int], list[int]] = defaultdict(list)
        for i in tie.stems:
            groups[whole[sounds[i].song] if tie.plain else frozenset()].append(i)
        for members in groups.values():
            songs = {sounds[i].song for i in members}
            for song in songs if len(songs) > 1 else ():
                found[song].add(f"audio:{sounds[members[0]].song}/{sounds[members[0]].stem}")
    return {song: tuple(sorted(keys)) for song, keys in found.items()}


def _all_audio(sounds: Sequence[Sound], ties: Sequence[Tie]) -> dict[str, frozenset[int]]:
    """Return for each song what it consists of: numbers that are equal for equal audio."""
    piece = list(range(len(sounds)))
    for tie in ties:
        for i in tie.stems:
            piece[i] = tie.stems[0]
    found: dict[str, set[int]] = defaultdict(set)
    for i, sound in enumerate(sounds):
        found[sound.song].add(piece[i])
    return {song: frozenset(pieces) for song, pieces in found.items()}


@dataclass(frozen=True)
class Finding:
    """What a user should know of a song's audio.

    Attributes:
        song: ``corpus/song``.
        stem: Its stem, or '' for the song as a whole.
        kind: ``duplicate-audio`` where all of a song's audio or all of a stem's is there twice, else
            ``shared-audio``.
        message: Both places and what is done about it.
    """

    song: str
    stem: str
    kind: str
    message: str


def describe_ties(sounds: Sequence[Sound], ties: Sequence[Tie]) -> list[Finding]:
    """Say which songs, and which stems of one song, have the same audio.

    A song is compared with the first song that has its audio, so that ten copies are nine findings.
    """
    groups, whole = audio_groups(sounds, ties), _all_audio(sounds, ties)
    audible = Counter(sound.song for sound in sounds)
    shared: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    found = []
    for tie in ties:
        first = tie.stems[0]
        held: dict[str, int] = {}
        for i in tie.stems:
            if held.setdefault(sounds[i].song, i) != i:
                found.append(_twice_in_song(sounds[held[sounds[i].song]], sounds[i]))
            if sounds[i].song != sounds[first].song:
                shared[sounds[first].song, sounds[i].song].append((first, i))
    for (one, other), pairs in sorted(shared.items()):
        together = bool(set(groups.get(one, ())) & set(groups.get(other, ())))
        subset = whole[one] <= whole[other] or whole[other] <= whole[one]
        kind = "duplicate-audio" if subset and together else "shared-audio"
        message = _pair_message(sounds, one, other, pairs, audible[other], together)
        found.append(Finding(other, "", kind, message))
    return found


def _pair_message(
    sounds: Sequence[Sound],
    one: str,
    other: str,
    pairs: Sequence[tuple[int, int]],
    total: int,
    together: bool,
) -> str:
    names = [
        f"{sounds[i].stem} is {sounds[first].stem}" + _contradiction(sounds[first], sounds[i])
        for first, i in pairs
    ]
    if len(names) > _NAMED:
        names[_NAMED:] = [f"and {len(names) - _NAMED} more"]
    done = (
        "Both songs stay in one split and are never mixed with each other; if one is a copy, remove it."
        if together
        else "It is too short or too steady to tell songs apart, so they may be in different splits."
    )
    return (
        f"{len({i for _, i in pairs})} of {total} audible stems of {other} are the audio of stems of {one} "
        f"({', '.join(names)}). {done}"
    )


def _contradiction(one: Sound, other: Sound) -> str:
    return "" if one.label == other.label else f", but labelled {other.label} instead of {one.label}"


def _twice_in_song(one: Sound, other: Sound) -> Finding:
    message = (
        f"Holds the same audio as stem {one.stem} of its song{_contradiction(one, other)}: mixes of the "
        "whole song have it twice. Remove one of the two files."
    )
    return Finding(other.song, other.stem, "duplicate-audio", message)
