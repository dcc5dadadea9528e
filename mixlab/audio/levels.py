"""The level of what is heard: RMS per hop of 100 ms, without what no ear takes for sound.

An offset (DC), a step of it, a slow drift and rumble below the lowest notes are no sound, whatever their
level. So each hop is measured without its slow part: the polynomial of degree 5 that fits it best. That takes
out all of an offset and of a straight drift, 31 dB at 10 Hz, 14 dB at 15 Hz, and leaves the lowest string of
a five-string bass (31 Hz) and the lowest key of a piano (27.5 Hz) within 2 dB. No filter is carried from hop
to hop, so an excerpt measures what the whole file does. What is heard of several channels is their mean where
the mix is mono.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.io import FLOOR_DB, HOP_S, FloatArray, hop_edges, to_channels

__all__ = [
    "DOWNMIX",
    "FLOOR_POWER",
    "FRAMES_PER_HOP",
    "FRAME_S",
    "KINDS",
    "SIDES",
    "SWINGS",
    "WEIGHTED",
    "decibels",
    "envelope_db",
    "frame_energies",
    "hop_power",
    "plan_hops",
    "slow_basis",
]

KINDS = DOWNMIX, SWINGS, SIDES, WEIGHTED = range(4)
"""What is measured of a file per hop: the mono sum without its slow part, and without its mean; the mean over
channels, each without its mean; the mono sum, K-weighted."""

FLOOR_POWER = 10.0 ** (FLOOR_DB / 10.0)

FRAME_S, FRAMES_PER_HOP = 0.01, 10
"""Length in seconds of the frames that ``frame_energies`` is meant for, and how many make a hop."""

_TERMS_PER_S = 60.0
"""Terms of the polynomial per second of a hop, the constant one included: 6 in 100 ms."""

_STEPS, _SHORTEST_STEP = 25, 8
"""In so many equal steps a hop's slow part is fitted, fewer where steps would be shorter, in samples."""


def plan_hops(hop: float, last: int, hop_s: float = HOP_S) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the basis of the slow part of whole hops, and that of the last one.

    Args:
        hop: Length of a whole hop in samples, a fraction included.
        last: Length of the last hop in samples.
        hop_s: Length of a whole hop in seconds of the recording.
    """
    per_sample = _TERMS_PER_S * hop_s / hop
    return _basis(int(hop), per_sample), _basis(last, per_sample)


def _basis(samples: int, terms_per_sample: float) -> NDArray[np.float64]:
    steps = min(max(samples // _SHORTEST_STEP, 1), _STEPS)
    return slow_basis(steps, min(max(round(samples * terms_per_sample), 1), steps))


@lru_cache(maxsize=512)
def slow_basis(steps: int, terms: int) -> NDArray[np.float64]:
    """Return orthonormal polynomials of degree 1 to ``terms - 1`` over equal steps, a row each."""
    middles = (2.0 * np.arange(steps) + 1.0) / steps - 1.0
    values = np.polynomial.legendre.legvander(middles, terms - 1)
    return np.ascontiguousarray(np.linalg.qr(values)[0].T[1:])


def hop_power(
    audio: FloatArray, first: int, end: int, hops: int, hop: float, hop_s: float = HOP_S
) -> NDArray[np.float64]:
    """Measure the mean square of each hop over all channels, without its slow part.

    Args:
        audio: float32 ``(channels, samples)``, C-contiguous.
        first: Where the first hop begins.
        end: Where the last one ends, at most ``samples``.
        hops: How many there are.
        hop: Length of a hop in samples; a fraction is rounded per hop.
        hop_s: Length of a hop in seconds of the recording.

    Returns:
        float64 ``(hops,)``.
    """
    from mixlab.audio._kernels import level as level_kernels

    out = np.empty(hops, dtype=np.float64)
    last = max(end - first - round((hops - 1) * hop), 0)
    level_kernels.hop_power(audio, first, hop, end, *plan_hops(hop, last, hop_s), out)
    return out


def frame_energies(signal: FloatArray, frame: int) -> NDArray[np.float64]:
    """Return the energy of each frame, of which hops of ``FRAMES_PER_HOP`` lose their slow part.

    Args:
        signal: float32 ``(samples,)``.
        frame: Samples in a frame, about ``FRAME_S``; the last one may be shorter.

    Returns:
        float64 ``(frames,)``, sums of squares.
    """
    hop = frame * FRAMES_PER_HOP
    hops = -(-len(signal) // hop)
    if hops == 0:
        return np.zeros(0)
    lengths = np.minimum(hop, len(signal) - hop * np.arange(hops))
    downmixed = hop_power(np.ascontiguousarray(signal)[None], 0, len(signal), hops, float(hop)) * lengths
    frames = np.pad(signal, (0, hops * hop - len(signal))).reshape(hops, FRAMES_PER_HOP, frame)
    plain = np.einsum("hfn,hfn->hf", frames, frames, dtype=np.float64)
    # The slow part is spread over the frames of a hop as the energy is.
    share = downmixed / np.maximum(plain.sum(axis=1), 1e-300)
    energies: NDArray[np.float64] = (plain * np.minimum(share, 1.0)[:, None]).ravel()
    return energies[: -(-len(signal) // frame)]


def decibels(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return levels in dBFS, at least ``FLOOR_DB``."""
    out: NDArray[np.float64] = 10.0 * np.log10(np.maximum(power, FLOOR_POWER))
    return out


def envelope_db(audio: FloatArray, sample_rate: int) -> NDArray[np.float16]:
    """Measure the RMS level of each 100 ms hop of the mono sum, in dBFS, as the catalog's envelopes have it.

    Hop ``k`` covers the samples ``round(k * rate / 10)`` to ``round((k + 1) * rate / 10)``; a last
    partial hop is measured over what there is. Silence is ``FLOOR_DB``.

    Args:
        audio: float32 ``(channels, samples)``; the mean of the channels is measured.
        sample_rate: In Hz.

    Returns:
        float16 ``(hops,)``; empty for no samples.
    """
    samples = audio.shape[-1]
    hops = len(hop_edges(samples, sample_rate))
    if hops == 0:
        return np.zeros(0, dtype=np.float16)
    mono = np.ascontiguousarray(to_channels(audio, 1), dtype=np.float32)
    return decibels(hop_power(mono, 0, samples, hops, sample_rate * HOP_S)).astype(np.float16)
