"""Levels of a source per hop of 100 ms, and what the effects that are not fused do to them.

Labels say what the stem's own recording plays. An effect of one's own may take a sound away, as a gate does,
or add some where there was none, as an echo does: there the recording no longer tells what one hears.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.io import HOP_S, FloatArray, hop_edges
from mixlab.audio.levels import decibels, hop_power
from mixlab.audio.time_pitch import get_engine
from mixlab.errors import ConfigError
from mixlab.mixing.config import RenderSettings
from mixlab.mixing.custom_effects import apply_checked
from mixlab.mixing.effect_plan import EffectPlan, apply_plan
from mixlab.mixing.effects import Effect

__all__ = [
    "FRAME_HOPS_S",
    "Changes",
    "apply_rest",
    "apply_to_mixture",
    "check_frame_hop",
    "count_frames",
    "frame_level_db",
    "own_level_db",
    "to_frames",
]

_LOST_DB = 20.0
"""A hop that loses or gains so much more than the whole sound holds something else than before; what others
cancel of a source is judged by the same measure."""
_AUDIBLE_DB = -50.0
"""What is added counts down to this, against the loudest hop."""


def own_level_db(
    raw: FloatArray, first: int, rate: float, settings: RenderSettings, gain: float = 1.0
) -> FloatArray:
    """Measure the stem behind each hop of a source, before any effect, in dBFS, without offset and drift.

    Whether an instrument plays is a question to its own recording: a filter or a gain that turns it
    down does not silence it, and one that turns up its noise does not make it play. A hop of the source
    stands for ``rate`` hops' worth of the file. It is measured as the mix hears it: of a mono mix the mean of
    the channels, of a stereo mix both.

    Args:
        raw: float32 ``(channels, samples)`` as read.
        first: Sample of ``raw`` at which the source begins.
        rate: Tempo change of the source.
        settings: Length and rate of the source.
        gain: Factor that ``raw`` has been multiplied with since it was recorded.

    Returns:
        float32 ``(hops,)``, at least ``FLOOR_DB``.
    """
    end = min(first + round(settings.samples * rate), raw.shape[1])
    hops = hops_of(settings.samples, settings.sample_rate)
    power = hop_power(raw, first, end, hops, settings.sample_rate * HOP_S * rate, HOP_S * rate)
    return decibels(power * gain**-2).astype(np.float32)


FRAME_HOPS_S = (0.01, 0.02, 0.025, 0.05, HOP_S)
"""What a frame of labels may last: whole fractions of a hop."""


def check_frame_hop(frame_hop_s: object) -> None:
    """Refuse frames that are no whole fraction of a hop.

    Raises:
        ConfigError: they are not.
    """
    if frame_hop_s not in FRAME_HOPS_S:
        raise ConfigError(
            f"frame_hop_s: expected {', '.join(f'{hop:g}' for hop in FRAME_HOPS_S)} seconds, found "
            f"{frame_hop_s!r}.",
            code="invalid-setting",
        )


def count_frames(samples: int, sample_rate: int, frame_hop_s: float) -> int:
    """Return how many frames begin within so many samples."""
    return math.ceil(samples / (sample_rate * frame_hop_s) - 1e-9)


def to_frames(hops: NDArray[np.bool_], frames: int, frame_hop_s: float) -> NDArray[np.bool_]:
    """Spread values per hop ``(hops,)`` over the frames in it, ``(frames,)``."""
    return np.repeat(hops, round(HOP_S / frame_hop_s))[:frames]


def frame_level_db(
    raw: FloatArray,
    first: int,
    rate: float,
    settings: RenderSettings,
    own_db: FloatArray,
    frame_hop_s: float,
    gain: float = 1.0,
) -> FloatArray:
    """Measure the stem behind each frame of a source, as ``own_level_db`` does for each hop.

    Ten milliseconds are less than a period of a low note, so a frame alone cannot tell a note from an
    offset. What a hop loses as its slow part is taken from its frames in equal shares: the mean power of
    the frames of a hop is that of the hop.

    Args:
        raw: float32 ``(channels, samples)`` as read.
        first: Sample of ``raw`` at which the source begins.
        rate: Tempo change of the source.
        settings: Length and rate of the source.
        own_db: What ``own_level_db`` gave for the same arguments.
        frame_hop_s: Seconds per frame, one of ``FRAME_HOPS_S``.
        gain: Factor that ``raw`` has been multiplied with since it was recorded.

    Returns:
        float32 ``(frames,)``; ``own_db`` itself where frames are hops.
    """
    if frame_hop_s == HOP_S:
        return own_db
    frames, parts = (
        count_frames(settings.samples, settings.sample_rate, frame_hop_s),
        round(HOP_S / frame_hop_s),
    )
    end = min(first + round(settings.samples * rate), raw.shape[1])
    edges = first + np.rint(np.arange(frames + 1) * (settings.sample_rate * frame_hop_s * rate))
    edges = np.minimum(edges.astype(np.int64), end)
    total = np.concatenate([[0.0], np.cumsum(np.square(raw, dtype=np.float64).mean(axis=0))])
    energies, lengths = np.diff(total[edges]), np.diff(edges)
    hops = np.arange(frames) // parts
    whole, length = (np.bincount(hops, weights=x, minlength=len(own_db)) for x in (energies, lengths))
    hop_power = 10.0 ** (own_db.astype(np.float64) / 10.0) * gain**2
    share = np.minimum(hop_power * length / np.maximum(whole, 1e-300), 1.0)
    power = energies * share[hops] / np.maximum(lengths, 1)
    return decibels(power * gain**-2).astype(np.float32)


@lru_cache(maxsize=16)
def hops_of(samples: int, sample_rate: int) -> int:
    return len(hop_edges(samples, sample_rate))


@dataclass(frozen=True)
class Changes:
    """What effects of one's own did to a sound, beyond making it louder or softer as a whole.

    Attributes:
        lost: bool ``(hops,)``, in which hops they took it away.
        gained: bool ``(hops,)``, in which they put some where there was next to none.
    """

    lost: NDArray[np.bool_]
    gained: NDArray[np.bool_]

    @classmethod
    def none(cls, hops: int) -> "Changes":
        """Return that nothing was changed in any of so many hops."""
        return _no_changes(hops)

    @classmethod
    def between(cls, before_db: FloatArray, after_db: FloatArray) -> "Changes":
        """Compare levels per hop in dB, each float32 ``(hops,)``."""
        change_db, whole_db = after_db - before_db, _total_db(after_db) - _total_db(before_db)
        gained = (change_db > max(whole_db, 0.0) + _LOST_DB) & (after_db > after_db.max() + _AUDIBLE_DB)
        return cls(change_db < min(whole_db, 0.0) - _LOST_DB, gained)

    def __or__(self, other: "Changes") -> "Changes":
        """Return what either of two did."""
        return Changes(self.lost | other.lost, self.gained | other.gained)

    def of(self, effect: Effect) -> "Changes":
        """Return what of this tells something of the instruments: sound that is not theirs does not."""
        nothing = _no_changes(len(self.gained))
        return Changes(self.lost, nothing.gained) if effect.adds_other_sound else self

    def touch(self, sounds: NDArray[np.bool_], silent: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return in which hops of a source its recording no longer tells whether it sounds, bool ``(hops,)``.

        What is added to a source that never sounds is noise, not the instrument.
        """
        return (sounds & self.lost) | (silent & self.gained & sounds.any())


@lru_cache(maxsize=16)
def _no_changes(hops: int) -> Changes:
    nothing = np.zeros(hops, dtype=np.bool_)
    nothing.flags.writeable = False
    return Changes(nothing, nothing)


def _total_db(levels_db: FloatArray) -> float:
    return float(10.0 * np.log10(np.mean(10.0 ** (levels_db.astype(np.float64) / 10.0))))


def apply_rest(
    audio: FloatArray, plan: EffectPlan, rate: float, context: int, stem: str, settings: RenderSettings
) -> tuple[FloatArray, Changes]:
    """Apply the effects of a source that are not fused, and those between them.

    Args:
        audio: float32 ``(channels, samples)``, after the fused part of the plan.
        plan: Of all effects of the source.
        rate: Tempo change of all of them.
        context: Samples that were read before the source begins.
        stem: Its key, for messages.
        settings: How it is rendered.

    Raises:
        ConfigError: an effect returned what it may not.
    """
    done, changes = plan.rate, Changes.none(hops_of(settings.samples, settings.sample_rate))
    for effect, following in plan.rest:
        changed = apply_checked(effect, audio, settings.sample_rate, stem)
        first, left = round(context / done), rate / done
        levels = [own_level_db(sound, first, left, settings) for sound in (audio, changed)]
        changes |= Changes.between(*levels).of(effect)
        audio = apply_plan(changed, settings.sample_rate, following, get_engine(settings.engine))
        done *= following.rate
    return audio, changes


def apply_to_mixture(
    mixture: FloatArray, effects: Sequence[Effect], settings: RenderSettings
) -> tuple[FloatArray, Changes, tuple[str, ...]]:
    """Apply the effects on the sum of the sources, one after another.

    Args:
        mixture: float32 ``(channels, samples)``; stays as it is.
        effects: At least one.
        settings: How it is rendered.

    Returns:
        The mixture, what they changed of its sound, and what they say that they could not do.

    Raises:
        ConfigError: an effect returned what it may not.
    """
    notes = []
    before_db = own_level_db(mixture, 0, 1.0, settings)
    changes = Changes.none(len(before_db))
    # Effects that only change what is there are judged together, by what comes out of them in the end.
    for _, together in groupby(effects, key=attrgetter("adds_other_sound")):
        for effect in together:
            mixture = apply_checked(effect, mixture, settings.sample_rate, "the mixture")
            notes.append(effect.shortfall(mixture, settings.sample_rate))
        after_db = own_level_db(mixture, 0, 1.0, settings)
        changes |= Changes.between(before_db, after_db).of(effect)
        before_db = after_db
    return mixture, changes, tuple(note for note in notes if note)
