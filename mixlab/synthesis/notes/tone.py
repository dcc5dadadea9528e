"""Tone as an engineer sets it: stems as bright as their kind usually is, mixes balanced as records are.

What stems are given is a shelf by ear; what the mix is given is one equaliser with five wide bands, the
same for all stems, so that these still sum to the mix. Both go part of the way, within a few decibels.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.filters import Section, section
from mixlab.synthesis.players import SAMPLE_RATE

__all__ = ["balance_sections", "band_levels", "presence_db", "shelf"]

_EDGES_HZ = (20.0, 90.0, 360.0, 1400.0, 5600.0, 16000.0)
"""Between these lie bass, low middle, middle, presence and air."""

_RECORDS_DB = (-6.7, -3.9, -7.6, -9.2, -16.5)
"""Of each band against their sum: the middle of 25 excerpts of ten rock, metal and pop recordings."""

# Level above 2.8 kHz against the whole, in dB: what engineers leave of it, or add.
_PRESENCE_HZ, _PRESENCE_TO_HZ = 2800.0, 11000.0
_PRESENCE_DB = {
    "voice": -13.5, "percussion": -11.0, "plucked-string": -13.5, "bowed-string": -14.5, "key": -16.5,
    "synth": -15.0, "woodwind": -18.0, "brass": -14.0, "bass": -26.0,
}  # fmt: skip
_HALL_DB = -4.0
_PART, _LEAST_DB, _MOST_DB = 0.8, -4.0, 10.0
_SHELF_HZ = 2500.0

_MIX_PART, _MIX_MOST_DB = 0.6, 5.0
_SEGMENTS, _SEGMENT = 64, 4096
_WINDOW = np.hanning(_SEGMENT).astype(np.float32)


def _power(audio: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the power spectrum of a sound ``(samples,)``: the mean over segments from all of it."""
    from scipy import fft

    if len(audio) < _SEGMENT:
        audio = np.pad(audio, (0, _SEGMENT - len(audio)))
    starts = np.linspace(0, len(audio) - _SEGMENT, _SEGMENTS).astype(int)
    segments = np.empty((_SEGMENTS, _SEGMENT), np.float32)
    for segment, at in zip(segments, starts, strict=True):
        np.multiply(audio[at : at + _SEGMENT], _WINDOW, out=segment)
    parts = fft.rfft(segments, axis=1).view(np.float32)
    powers = np.einsum("ij,ij->j", parts, parts).reshape(-1, 2).sum(axis=1) / _SEGMENTS
    return np.asarray(powers, np.float64)


def _between(power: NDArray[np.float64], low_hz: float, high_hz: float) -> float:
    step = SAMPLE_RATE / _SEGMENT
    return float(power[max(round(low_hz / step), 1) : round(high_hz / step)].sum())


def presence_db(audio: NDArray[np.float32], family: str, role: str, hall: bool) -> float:
    """Return the gain of a high shelf that brings a stem near the brightness of its kind.

    Args:
        audio: ``(samples,)``, with some sound.
        family: Family of the instrument.
        role: Its role: basses are dark.
        hall: Recorded from afar, where less treble arrives.
    """
    wanted = _PRESENCE_DB.get("bass" if role == "bass" else family, -15.0) + (_HALL_DB if hall else 0.0)
    power = _power(audio)
    part = _between(power, _PRESENCE_HZ, _PRESENCE_TO_HZ) / max(_between(power, 20.0, 20000.0), 1e-20)
    return float(np.clip(_PART * (wanted - 10.0 * np.log10(max(part, 1e-9))), _LEAST_DB, _MOST_DB))


def shelf(gain_db: float) -> Section:
    """Return the shelf of :func:`presence_db`."""
    return section("high_shelf", _SHELF_HZ, gain_db, 0.6, SAMPLE_RATE)


def band_levels(parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Return the level of the five bands against their sum, in dB, of parts that sound together."""
    total = np.sum([_power(part) for part in parts], axis=0)
    bands = np.array([_between(total, a, b) for a, b in itertools.pairwise(_EDGES_HZ)])
    return np.asarray(10.0 * np.log10(np.maximum(bands, 1e-12) / max(bands.sum(), 1e-12)))


def balance_sections(parts: Sequence[NDArray[np.float32]]) -> list[Section]:
    """Return the equaliser that brings a mix of these parts part of the way to the balance of records.

    Bands that nobody plays in stay: what is 25 dB below records is missing, not quiet.
    """
    missing = np.array(_RECORDS_DB) - band_levels(parts)
    gains = np.where(missing > 25.0, 0.0, np.clip(_MIX_PART * missing, -_MIX_MOST_DB, _MIX_MOST_DB))
    kinds = ("low_shelf", "peak", "peak", "peak", "high_shelf")
    centres, widths = (90.0, 180.0, 700.0, 2800.0, 5600.0), (0.6, 0.6, 0.6, 0.6, 0.6)
    return [
        section(kind, hz, float(gain), width, SAMPLE_RATE)  # type: ignore[arg-type]
        for kind, hz, gain, width in zip(kinds, centres, gains, widths, strict=True)
        if abs(gain) > 0.1
    ]
