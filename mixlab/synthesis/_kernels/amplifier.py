"""Kernels of ``mixlab.synthesis.notes.amplifier``, compiled by numba when first imported; free of the GIL."""

import numpy as np

from mixlab.utils.jit import njit

__all__ = ["TAPS", "TIMES", "add_filtered", "bend", "drive"]

TIMES, TAPS = 4, 24
"""How many times the sample rate sounds are bent at, and taps of a filter for each place between samples."""

_BLOCK = 512
_MOST = np.float32(7.90531110763549805)
# Of a quotient of polynomials, which is tanh to a few parts in ten million (as Eigen and XLA have it).
_ABOVE = tuple(
    np.float32(each)
    for each in (
        4.89352455891786e-03, 6.37261928875436e-04, 1.48572235717979e-05, 5.12229709037114e-08,
        -8.60467152213735e-11, 2.00018790482477e-13, -2.76076847742355e-16,
    )
)  # fmt: skip
_BELOW = tuple(
    np.float32(each)
    for each in (4.89352518554385e-03, 2.26843463243900e-03, 1.18534705686654e-04, 1.19825839466702e-06)
)


@njit(nogil=True, inline="always")
def _tanh(x):  # type: ignore[no-untyped-def]
    x = _MOST if x > _MOST else -_MOST if x < -_MOST else x
    y = x * x
    above = _ABOVE[5] + y * _ABOVE[6]
    above = _ABOVE[0] + y * (_ABOVE[1] + y * (_ABOVE[2] + y * (_ABOVE[3] + y * (_ABOVE[4] + y * above))))
    return x * above / (_BELOW[0] + y * (_BELOW[1] + y * (_BELOW[2] + y * _BELOW[3])))


@njit(
    "void(float32[::1])",
    nogil=True,
    cache=True,
    error_model="numpy",
    fastmath={"contract", "nnan", "nsz"},
)
def bend(audio):  # type: ignore[no-untyped-def]
    """Take the hyperbolic tangent of a sound in place."""
    for n in range(len(audio)):
        audio[n] = _tanh(audio[n])


@njit(nogil=True, inline="always")
def add_filtered(audio, taps, out):  # type: ignore[no-untyped-def]
    """Add to each sample of ``out`` the one of ``audio`` at its place and those behind it, by ``taps``."""
    for k in range(0, len(taps), 4):
        a, b, c, d = taps[k], taps[k + 1], taps[k + 2], taps[k + 3]
        held = audio[k : k + len(out) + 3]
        for n in range(len(out)):
            out[n] += a * held[n] + b * held[n + 1] + c * held[n + 2] + d * held[n + 3]


@njit(
    "void(float32[::1], float32[:, ::1], float32[:, ::1], float32, float32, float32[::1])",
    nogil=True,
    cache=True,
    error_model="numpy",
    fastmath={"contract", "nnan", "nsz"},
)
def drive(audio, up, down, gain, bias, out):  # type: ignore[no-untyped-def]
    """Write a sound through tanh, bent at ``TIMES`` times its rate; silence stays silence.

    Args:
        audio: The sound; silent before and after it.
        up: ``(TIMES, TAPS)``: filters for each place between two samples.
        down: The same, back.
        gain: Before the curve.
        bias: Added before it; what it is by itself is taken away behind it.
        out: As long.
    """
    near = np.empty(_BLOCK + 2 * TAPS, np.float32)
    bent = np.empty(_BLOCK + TAPS, np.float32)
    rest = _tanh(bias)
    for first in range(0, len(audio), _BLOCK):
        count = min(_BLOCK, len(audio) - first)
        for n in range(len(near)):
            place = first - TAPS + n
            near[n] = gain * audio[place] if 0 <= place < len(audio) else np.float32(0.0)
        target = out[first : first + count]
        target[:] = np.float32(0.0)
        for k in range(TIMES):
            # From half of the taps before the block on.
            bent[:] = bias
            add_filtered(near[1:], up[k], bent)
            for n in range(len(bent)):
                bent[n] = _tanh(bent[n]) - rest
            add_filtered(bent, down[k], target)
