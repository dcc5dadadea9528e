"""The voice's source: what the glottis lets through in one period, from pressed to breathy.

The model is that of Liljencrants and Fant: Fant, Liljencrants, Lin, *A four-parameter model of glottal
flow*, STL-QPSR 4 (1985); its shapes are put in order by one number, Rd, as in Fant, *The LF-model revisited*,
STL-QPSR 2-3 (1995).
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["SHAPES", "highest_pitches", "pulse", "pulse_tables"]

SHAPES = (0.4, 0.6, 0.85, 1.15, 1.5, 1.9, 2.4)
"""Rd of the shapes, from pressed to breathy."""

_SIZE = 2048
_LOWEST_HZ, _BANDS_PER_OCTAVE, _BANDS = 55.0, 2, 11


def pulse(rd: float, size: int = _SIZE) -> NDArray[np.float64]:
    """Return one period of the derivative of the glottal flow, ``(size,)``; its lowest value is -1.

    Args:
        rd: Shape, .3 (pressed) to 2.7 (breathy).
        size: Samples per period.
    """
    ra = (-1.0 + 4.8 * rd) / 100.0
    rk = (22.4 + 11.8 * rd) / 100.0
    rg = rk / 4.0 * (0.5 + 1.2 * rk) / (0.11 * rd - ra * (0.5 + 1.2 * rk))
    peak = 1.0 / (2.0 * rg)
    closing = peak * (1.0 + rk)
    decay = _solve(lambda e: e * ra - 1.0 + float(np.exp(-e * (1.0 - closing))), 1.0 / ra * 0.05, 2.0 / ra)
    time = (np.arange(size) + 0.5) / size
    returned = -(np.exp(-decay * (time - closing)) - np.exp(-decay * (1.0 - closing))) / (decay * ra)

    def period(growth: float) -> NDArray[np.float64]:
        opened = np.exp(growth * (time - closing)) * np.sin(np.pi * time / peak)
        return np.asarray(np.where(time < closing, -opened / np.sin(np.pi * closing / peak), returned))

    # The flow returns to where it began: the derivative's mean is zero.
    growth = _solve(lambda a: float(period(a).mean()), -20.0, 60.0)
    return period(growth)


def _solve(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function changes its sign between two places, by halving."""
    below = function(low)
    for _ in range(60):
        middle = (low + high) / 2
        if (function(middle) > 0) == (below > 0):
            low = middle
        else:
            high = middle
    return (low + high) / 2


def highest_pitches() -> NDArray[np.float64]:
    """Return the highest pitch in Hz that each band of ``pulse_tables`` is for."""
    return np.asarray(_LOWEST_HZ * 2.0 ** ((1 + np.arange(_BANDS)) / _BANDS_PER_OCTAVE))


@lru_cache(maxsize=2)
def pulse_tables(rate: int) -> NDArray[np.float32]:
    """Return the pulses ``(shapes, bands, size + 1)``, without the partials that would alias in a band.

    The first sample of each period is repeated at its end.
    """
    spectra = np.fft.rfft(np.array([pulse(rd) for rd in SHAPES]), axis=1)
    tables = np.empty((len(SHAPES), _BANDS, _SIZE + 1), np.float32)
    for band, highest in enumerate(highest_pitches()):
        kept = spectra.copy()
        kept[:, int(0.47 * rate / highest) + 1 :] = 0.0
        kept[:, 0] = 0.0
        tables[:, band, :_SIZE] = np.fft.irfft(kept, _SIZE, axis=1)
    tables[:, :, _SIZE] = tables[:, :, 0]
    return tables
