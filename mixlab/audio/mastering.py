"""A mastering chain: equaliser, glue compression, and a limiter to a target loudness."""

import math
from dataclasses import dataclass

import numpy as np

from mixlab.audio.dynamics import compress, limit
from mixlab.audio.filters import cascade, section
from mixlab.audio.io import FloatArray, amplitude
from mixlab.audio.loudness import loudness_lufs
from mixlab.audio.noise import mean_square

__all__ = ["Mastered", "MasteringChain", "is_reached", "master"]

_ROUNDS, _CLOSE_LU = 6, 0.05
"""How often the gain is corrected by what the limiter took, and when that is enough."""


@dataclass(frozen=True)
class MasteringChain:
    """Settings of the chain.

    Attributes:
        low_db: Low shelf at 120 Hz.
        presence_db: Broad peak at 3 kHz.
        high_db: High shelf at 8 kHz.
        ratio: Of the glue compression, which begins at the mean power; 1 for none.
        target_lufs: Integrated loudness to reach (ITU-R BS.1770-4).
        ceiling_db: Highest level of a sample, in dBFS.
        most_limiting_db: By how much the limiter may turn a peak down: where the target would need more, it
            is not reached.
    """

    low_db: float
    presence_db: float
    high_db: float
    ratio: float
    target_lufs: float
    ceiling_db: float
    most_limiting_db: float


@dataclass(frozen=True)
class Mastered:
    """What the chain made of a sound.

    Attributes:
        audio: float32 ``(channels, samples)``.
        lufs: Its integrated loudness; NaN where it has none, as silence.
        reached: Whether that is the target, within 0.1 LU.
    """

    audio: FloatArray
    lufs: float
    reached: bool


def master(audio: FloatArray, sample_rate: int, chain: MasteringChain) -> Mastered:
    """Master a sound, float32 ``(channels, samples)``, which stays as it is.

    What is shorter than 0.4 s or silent has no loudness: it is limited alone.
    """
    filters = [
        section("low_shelf", 120.0, chain.low_db, 0.7, sample_rate),
        section("peak", 3000.0, chain.presence_db, 0.7, sample_rate),
        section("high_shelf", 8000.0, chain.high_db, 0.7, sample_rate),
    ]
    glued = cascade(audio, filters)
    power = mean_square(glued)
    if power > 0.0:
        threshold_db = 10.0 * math.log10(power)
        glued = compress(
            glued, sample_rate, threshold_db=threshold_db, ratio=chain.ratio, attack_ms=30.0, release_ms=200.0
        )
    return _to_loudness(glued, sample_rate, chain)


def _to_loudness(audio: FloatArray, sample_rate: int, chain: MasteringChain) -> Mastered:
    """Raise the gain until the limited sound has the target, or the limiter may take no more."""
    peak = float(np.abs(audio).max(initial=0.0))
    found = loudness_lufs(audio, sample_rate)
    if peak == 0.0 or not math.isfinite(found):
        return Mastered(limit(audio, sample_rate, chain.ceiling_db)[0], found, False)
    most_db = chain.ceiling_db - 20.0 * math.log10(peak) + chain.most_limiting_db
    gain_db = 0.0
    for _ in range(_ROUNDS):
        gain_db = min(gain_db + chain.target_lufs - found, most_db)
        out, _ = limit(audio * np.float32(amplitude(gain_db)), sample_rate, chain.ceiling_db)
        found = loudness_lufs(out, sample_rate)
        if abs(found - chain.target_lufs) < _CLOSE_LU or gain_db == most_db:
            break
    return Mastered(out, found, is_reached(found, chain.target_lufs))


def is_reached(lufs: float, target_lufs: float) -> bool:
    """Tell whether a loudness counts as the one that was asked for: within 0.1 LU, which nobody hears."""
    return abs(lufs - target_lufs) < 0.1
