"""Kernel of ``mixlab.audio.rooms``, compiled by numba when it is first imported; free of the GIL."""

import math

import numpy as np

from mixlab.utils.jit import njit

__all__ = ["add_images"]


@njit(
    "void(float64[::1], float64[::1], float64[::1], float64, float64, float64, float64[:, ::1],"
    " float64[::1])",
    nogil=True,
    cache=True,
)
def add_images(size, source, microphone, reflection, first, last, table, out):  # type: ignore[no-untyped-def]
    """Add every image of the source that is heard before ``last``; sample 0 of ``out`` is at ``first``.

    ``size``, ``source`` and ``microphone`` are in samples of sound's way. Each image is a row of ``table``, a
    sinc for each fraction of a sample.
    """
    phases, taps = table.shape
    before = taps // 2 - 1
    counts = np.empty(3, np.int64)
    for axis in range(3):
        counts[axis] = int(last / (2.0 * size[axis])) + 1
    for nx in range(-counts[0], counts[0] + 1):
        for px in range(2):
            x = (1 - 2 * px) * source[0] + 2 * nx * size[0] - microphone[0]
            bounces_x = abs(nx - px) + abs(nx)
            if abs(x) > last:
                continue
            for ny in range(-counts[1], counts[1] + 1):
                for py in range(2):
                    y = (1 - 2 * py) * source[1] + 2 * ny * size[1] - microphone[1]
                    flat = x * x + y * y
                    if flat > last * last:
                        continue
                    bounces_xy = bounces_x + abs(ny - py) + abs(ny)
                    for nz in range(-counts[2], counts[2] + 1):
                        for pz in range(2):
                            z = (1 - 2 * pz) * source[2] + 2 * nz * size[2] - microphone[2]
                            way = math.sqrt(flat + z * z)
                            if way > last:
                                continue
                            bounces = bounces_xy + abs(nz - pz) + abs(nz)
                            level = (-reflection) ** bounces / max(way, 1.0)
                            place = way - first
                            whole = math.floor(place)
                            row = int((place - whole) * phases)
                            for k in range(taps):
                                n = whole - before + k
                                if 0 <= n < len(out):
                                    out[n] += level * table[row, k]
