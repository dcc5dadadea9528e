"""Kernel of ``mixlab.synthesis.plucked``, compiled by numba when imported; free of the GIL."""

from mixlab.utils.jit import njit

__all__ = ["ring"]

_LEAST = 1e-5


@njit(
    "void(float64[::1], float64, float64, float64, float64, int64, int64, float32[::1])",
    nogil=True,
    cache=True,
)
def ring(string, tuning, dull, gain, damped, first, end, out):  # type: ignore[no-untyped-def]
    """Add a string to ``out`` that goes round and round, until it is no longer there.

    Args:
        string: One period, less what the filters of the loop are late; is changed.
        tuning: Coefficient of an all-pass: the part of a sample that the period has beyond whole ones.
        dull: Coefficient of a low-pass of one pole: treble dies first.
        gain: From one period to the next.
        damped: The same after ``end``.
        first: Sample of ``out`` where it begins.
        end: Sample of ``out`` where a finger stops it.
        out: Is changed.
    """
    size, place = len(string), 0
    low, before, passed, loudest = 0.0, 0.0, 0.0, 1.0
    for n in range(first, len(out)):
        value = string[place]
        out[n] += value
        low += (1.0 - dull) * (value - low)
        passed = tuning * (low - passed) + before
        before = low
        string[place] = passed * (gain if n < end else damped)
        loudest = max(loudest, abs(value))
        place += 1
        if place == size:
            if loudest < _LEAST:
                return
            place, loudest = 0, 0.0
