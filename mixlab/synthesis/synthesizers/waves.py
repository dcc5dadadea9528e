"""Periods of oscillators, kept without the partials that would alias."""

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["TABLES", "highest_pitches", "wave_tables"]

FloatArray = NDArray[np.float64]

_SIZE = 2048
_LOWEST_HZ, _BANDS_PER_OCTAVE, _BANDS = 27.5, 2, 18
_PARTIALS = 800


def _saw(k: FloatArray) -> NDArray[np.complex128]:
    return np.asarray(-1j / k, np.complex128)


def _pulse(width: float) -> Callable[[FloatArray], NDArray[np.complex128]]:
    """Return the partials of a pulse: the difference of two saws, ``width`` of a period apart."""
    return lambda k: np.asarray(_saw(k) * (1 - np.exp(-2j * np.pi * k * width)) / np.sqrt(2), np.complex128)


def _triangle(k: FloatArray) -> NDArray[np.complex128]:
    return np.asarray(np.where(k % 2 == 1, -1j * (-1.0) ** ((k - 1) // 2) / k**2, 0), np.complex128)


def _sine(k: FloatArray) -> NDArray[np.complex128]:
    return np.asarray(np.where(k == 1, -1j, 0), np.complex128)


def _vowel(first: float, second: float) -> Callable[[FloatArray], NDArray[np.complex128]]:
    """Return a saw with two humps, at partials ``first`` and ``second``."""

    def spectrum(k: FloatArray) -> NDArray[np.complex128]:
        humps = 0.15 + np.exp(-(((k - first) / 1.5) ** 2)) + np.exp(-(((k - second) / 2.5) ** 2))
        return np.asarray(_saw(k) * humps, np.complex128)

    return spectrum


def _metal(seed: int) -> Callable[[FloatArray], NDArray[np.complex128]]:
    """Return a few partials at random, of random phase."""

    def spectrum(k: FloatArray) -> NDArray[np.complex128]:
        rng = np.random.default_rng([seed, 811])
        levels = np.where(rng.random(len(k)) < 4.0 / (3.0 + k), 1.0, 0.0) / k**0.8
        levels[0] = 0.7
        return np.asarray(levels * np.exp(2j * np.pi * rng.random(len(k))))

    return spectrum


TABLES: Mapping[str, tuple[Callable[[FloatArray], NDArray[np.complex128]], ...]] = {
    "saw": (_saw,),
    "pulse": tuple(_pulse(width) for width in (0.5, 0.4, 0.3, 0.2, 0.1)),
    "analog": (_sine, _triangle, _saw, _pulse(0.5)),
    "vowel": (_vowel(2, 5), _vowel(3, 8), _vowel(5, 12), _vowel(8, 20)),
    "metal": tuple(_metal(k) for k in range(4)),
    "growth": (_sine, _metal(7), _saw, _vowel(4, 11)),
}
"""Families of shapes, in the order in which an oscillator goes through them."""


def highest_pitches() -> FloatArray:
    """Return the highest pitch in Hz that each band of ``wave_tables`` is for."""
    return np.asarray(_LOWEST_HZ * 2.0 ** ((1 + np.arange(_BANDS)) / _BANDS_PER_OCTAVE))


@lru_cache(maxsize=16)
def wave_tables(name: str, rate: int) -> NDArray[np.float32]:
    """Return the shapes of a family ``(shapes, bands, size, 2)``, each of RMS .5.

    Beside each sample of a period is the step from it to the next one, round to the first.
    """
    shapes = TABLES[name]
    tables = np.empty((len(shapes), _BANDS, _SIZE, 2), np.float32)
    for row, shape in enumerate(shapes):
        spectrum = np.zeros(_SIZE // 2 + 1, np.complex128)
        spectrum[1 : _PARTIALS + 1] = shape(np.arange(1.0, _PARTIALS + 1))
        spectrum *= 0.5 * _SIZE / np.sqrt(2 * (np.abs(spectrum) ** 2).sum())
        for band, highest in enumerate(highest_pitches()):
            kept = spectrum.copy()
            kept[int(0.48 * rate / highest) + 1 :] = 0.0
            tables[row, band, :, 0] = np.fft.irfft(kept, _SIZE)
    tables[..., 1] = np.roll(tables[..., 0], -1, axis=2) - tables[..., 0]
    return tables
