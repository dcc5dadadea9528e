"""Intervals by sampling songs with replacement."""

from dataclasses import dataclass

import numpy as np

from mixlab.evaluation.arrays import Floats

__all__ = ["LEVEL", "MAX_UNDEFINED", "MIN_SONGS", "Interval", "interval_of", "song_weights"]

LEVEL = 0.95
"""Coverage of every interval."""

MIN_SONGS = 3
"""Songs with positives that a class needs for an interval, and songs that a split needs for any: resamples of
fewer tell next to nothing. Of two songs that score alike, all of them are alike."""

MAX_UNDEFINED = 0.25
"""Share of undefined resamples above which there is no interval: a class in one song alone is missing from
more than a third, one in two songs from a seventh."""


@dataclass(frozen=True)
class Interval:
    """An interval of ``LEVEL`` coverage: of bootstrap percentiles, or over seeds."""

    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether all of it lies on one side of 0."""
        return self.low > 0 or self.high < 0


def song_weights(n_songs: int, n_resamples: int, seed: int) -> Floats | None:
    """Return ``(n_resamples, n_songs)`` how often each resample has each song, sampled with replacement.

    Mixes from one song are alike, so whole songs are sampled. None where there is nothing to sample: fewer
    than ``MIN_SONGS`` songs, or no resamples asked for.
    """
    if n_songs < MIN_SONGS or n_resamples < 1:
        return None
    rng = np.random.default_rng(seed)
    shares = np.full(n_songs, 1 / n_songs)
    return np.asarray(rng.multinomial(n_songs, shares, size=n_resamples), np.float64)


def interval_of(samples: Floats, level: float = LEVEL) -> Interval | None:
    """Return the percentile interval of the defined values of ``(B,)``.

    None without any, and where more than ``MAX_UNDEFINED`` of them are undefined: those that are left are
    the resamples in which the rare songs happen to be, which are too much alike.
    """
    defined = samples[np.isfinite(samples)]
    if defined.size == 0 or defined.size < (1 - MAX_UNDEFINED) * samples.size:
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))
