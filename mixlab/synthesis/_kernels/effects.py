"""Kernels of ``mixlab.synthesis.synthesizers.effects``, compiled by numba when imported; free of the GIL."""

import math

import numpy as np

from mixlab.utils.jit import njit

__all__ = ["add_late", "echo"]

_BLOCK = 32


@njit(
    "void(float64[::1], float64, float64, float64, float64, float64[::1])",
    nogil=True,
    cache=True,
    error_model="numpy",
)
def add_late(audio, late, depth, omega, phase, out):  # type: ignore[no-untyped-def]
    """Add a sound to ``out`` that is later by a time that swings.

    Args:
        audio: The sound; silent before its beginning.
        late: By how many samples, in the middle of the swing.
        depth: By how many samples more and less, no more than ``late``.
        omega: Radians per sample.
        phase: Of the first sample, in radians.
        out: Is changed.
    """
    for first in range(0, len(audio), _BLOCK):
        held = out[first : first + _BLOCK]
        begin = first - late - depth * math.sin(omega * first + phase)
        stop = first + _BLOCK - late - depth * math.sin(omega * (first + _BLOCK) + phase)
        step = (stop - begin) / _BLOCK
        if begin >= 0.0 and stop >= 0.0:
            for n in range(len(held)):
                place = begin + step * n
                # Without a sign, so that it cannot count from the end.
                at = np.uint32(place)
                before, after = audio[at], audio[at + np.uint32(1)]
                held[n] += before + (place - at) * (after - before)
        else:
            for n in range(len(held)):
                place = begin + step * n
                if place >= 0.0:
                    whole = int(place)
                    held[n] += audio[whole] + (place - whole) * (audio[whole + 1] - audio[whole])


@njit("void(float64[::1], int64, float64, float64, float64[::1])", nogil=True, cache=True)
def echo(audio, step, level, feedback, out):  # type: ignore[no-untyped-def]
    """Write a sound with echoes ``step`` samples apart, each through a low-pass of one pole.

    Args:
        audio: The sound.
        step: 1 or more.
        level: Of the first echo.
        feedback: Of each echo against the one before, below 1.
        out: As long.
    """
    out[:step] = audio[:step]
    state = 0.0
    for n in range(step, len(audio)):
        # What is in ``out`` beside the sound is echoes.
        before = audio[n - step]
        state = 0.65 * state + 0.35 * (level * before + feedback * (out[n - step] - before))
        if abs(state) < 1e-30:
            state = 0.0
        out[n] = audio[n] + state
