"""Kernel of ``mixlab.audio.varispeed``, compiled by numba when it is first imported; free of the GIL."""

import math

import numpy as np

from mixlab.utils.jit import njit

__all__ = ["play"]


@njit("void(float32[:, ::1], float64[::1], float32[:, ::1], float32[:, ::1])", nogil=True, cache=True)
def play(audio, places, table, out):  # type: ignore[no-untyped-def]
    """Read a sound at places between its samples; between two rows of ``table`` filters follow a line."""
    channels, samples = audio.shape
    phases, taps = len(table) - 1, table.shape[1]
    filter_ = np.empty(taps, np.float32)
    before = taps // 2 - 1
    for n in range(len(places)):
        whole = math.floor(places[n])
        at = (places[n] - whole) * phases
        row = int(at)
        part = np.float32(at - row)
        for k in range(taps):
            filter_[k] = table[row, k] + part * (table[row + 1, k] - table[row, k])
        first = whole - before
        for c in range(channels):
            total = np.float32(0.0)
            for k in range(max(-first, 0), min(taps, samples - first)):
                total += filter_[k] * audio[c, first + k]
            out[c, n] = total
