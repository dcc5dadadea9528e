"""What the samples of a file say of it: broken numbers, clipping, offsets, channels that cancel, corruption.

Kinds: ``nan``, ``clipped``, ``beyond-full-scale``, ``dc-offset``, ``cancels-in-mono``. A stem with
``beyond-full-scale`` is never sampled: one corrupt sample would have the peak limit turn the whole mix down.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.io import HOP_S, PEAK_LIMIT_DB, amplitude
from mixlab.audio.levels import DOWNMIX, SIDES, SWINGS

__all__ = ["CANCELS_DB", "NEVER_SAMPLED", "OFFSET_DB", "Samples", "cancels", "find_faults"]

NEVER_SAMPLED = frozenset({"beyond-full-scale"})
"""Kinds of problems whose stems no mix may hold, whatever else is known of them."""

OFFSET_DB = -50.0
"""Offset from which on it is a problem, in dBFS: 0.3 % of full scale, the level at which sound counts."""

CANCELS_DB = -20.0
"""Channels cancel where so little is left of them in their mean."""

_HOTTEST_DB = 12.0  # usual RMS: hot stems in float files peak there, 8-bit integers lie above
_FEW_HOPS = 10  # of so few an offset cannot be told from what a low or short sound leaves
_INAUDIBLE_S = 1.0
_MARGIN_DB = 6.0  # the lowest notes lose up to 2 dB with the slow part
_CANCELLED_SHARE = 0.1  # of the time in which the channels sound
_INTEGERS = ((8, 128.0), (16, 32768.0), (24, 8388608.0), (32, 2147483648.0))


@dataclass(frozen=True)
class Samples:
    """What a pass over a file counted.

    Attributes:
        peak: Highest magnitude.
        bad: Samples that are not finite.
        clips: Flat tops at full scale.
        beyond: Samples beyond ``PEAK_LIMIT_DB``.
        lone: Hops in which one sample beyond +6 dBFS holds a tenth of the energy, as in no sound.
        offsets: ``(hops,)``, means of the mono sum.
        levels_db: ``(kinds, hops)``, see ``mixlab.audio.levels.KINDS``.
    """

    peak: float
    bad: int
    clips: int
    beyond: int
    lone: int
    offsets: NDArray[np.float64]
    levels_db: NDArray[np.float64]


def find_faults(path: Path, samples: Samples) -> list[tuple[str, str]]:
    """Return what is wrong, as pairs of a kind and a message."""
    found = []
    if samples.bad:
        found.append(("nan", f"{samples.bad} samples of {path} are NaN or infinite; they count as zero."))
    if samples.beyond or samples.lone or _usual_db(samples) > _HOTTEST_DB:
        # Beside it, whatever else was measured says nothing.
        return [*found, ("beyond-full-scale", _beyond(path, samples))]
    if samples.clips:
        found.append(("clipped", f"{samples.clips} flat tops of 4 or more samples at full scale in {path}."))
    lifted = np.abs(samples.offsets) >= amplitude(OFFSET_DB)
    swinging = samples.levels_db[SWINGS] >= OFFSET_DB
    inaudible = samples.levels_db[DOWNMIX] < OFFSET_DB - _MARGIN_DB
    inaudible_s = _seconds((lifted | swinging) & inaudible)
    # The usual hop: drums lie off zero for a moment, and not in their rests.
    offset = float(np.median(samples.offsets)) if len(samples.offsets) else 0.0
    if abs(offset) >= amplitude(OFFSET_DB) + _stray(samples) or inaudible_s >= _INAUDIBLE_S:
        found.append(("dc-offset", _offset(path, offset, inaudible_s)))
    sounding = samples.levels_db[SIDES] >= OFFSET_DB
    cancelled = sounding & cancels(samples.levels_db[SWINGS], samples.levels_db[SIDES])
    if cancelled.sum() > _CANCELLED_SHARE * sounding.sum():
        found.append(("cancels-in-mono", _cancels(path, _seconds(cancelled), _seconds(sounding))))
    return found


def cancels(mono_db: NDArray[np.float64], sides_db: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell in which hops channels of a mean level ``sides_db`` cancel, where their mean has ``mono_db``."""
    return np.asarray(mono_db <= sides_db + CANCELS_DB)


def _seconds(hops: NDArray[np.bool_]) -> float:
    return float(np.count_nonzero(hops)) * HOP_S


def _stray(samples: Samples) -> float:
    """Return how far off zero the usual hop may lie by chance: a hop does not hold whole periods."""
    hops = len(samples.offsets)
    if hops == 0:
        return 0.0
    swing = amplitude(float(np.median(samples.levels_db[SWINGS]))) if hops < _FEW_HOPS else 0.0
    return max(2.5 * float(np.std(samples.offsets)) / math.sqrt(hops), swing / 2.0)


def _usual_db(samples: Samples) -> float:
    """Return the median level of the hops in which the channels sound."""
    levels = samples.levels_db[SIDES]
    sounding = levels > OFFSET_DB
    return float(np.median(levels[sounding])) if sounding.any() else OFFSET_DB


def _beyond(path: Path, samples: Samples) -> str:
    peak = f"{path} peaks at {samples.peak:.6g} ({20.0 * np.log10(samples.peak):.0f} dBFS)"
    usual_db = _usual_db(samples)
    if usual_db > _HOTTEST_DB or (samples.beyond and usual_db > 0.0):
        bits = next((bits for bits, most in _INTEGERS if samples.peak <= 1.001 * most), 0)
        what = f"{bits}-bit integers" if bits else "numbers of another scale"
        return f"{peak} and is that loud throughout: it looks like {what} stored as floats. Scale it to +-1."
    if samples.beyond:
        count = f"{samples.beyond} samples lie beyond {PEAK_LIMIT_DB:g} dBFS, as in no sound"
    else:
        count = f"in {samples.lone} hops of 100 ms a single sample outshouts all others, as in no sound"
    return f"{peak}; {count}: they are corrupt. It is not sampled; restore it from its source."


def _offset(path: Path, offset: float, inaudible_s: float) -> str:
    said = f"{path} lies {100.0 * offset:.2g} % of full scale off zero"
    if inaudible_s:
        said += (
            f", and for {inaudible_s:.1f} s it reaches {OFFSET_DB:g} dBFS by an offset or a slow drift alone"
        )
    return said + ". Levels are measured without it, but mixes hold it; a high-pass filter takes it out."


def _cancels(path: Path, cancelled_s: float, sounding_s: float) -> str:
    return (
        f"The channels of {path} cancel each other in mono for {cancelled_s:.1f} of the {sounding_s:.1f} s "
        f"in which they sound ({-CANCELS_DB:g} dB or more are lost). What a mono mix hears counts; turn the "
        "polarity of one channel over if that was not meant."
    )
