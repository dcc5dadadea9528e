"""Kernel of ``mixlab.synthesis.singing``, compiled by numba when first imported; free of the GIL.

A glottal pulse from a table, breath and hiss go through a cascade of resonators, as in Klatt, *Software for
a cascade/parallel formant synthesizer*, JASA 67 (1980).
"""

import math

import numpy as np

from mixlab.synthesis._kernels.amplifier import add_filtered
from mixlab.utils.jit import njit

__all__ = ["HOP", "double_rate", "sing"]

AMPLIFIER_HASH = "d7b53f47320a53db"
"""Of ``amplifier.py``: changes this file, and so has numba compile anew, when that one changes."""

HOP = 32
"""Samples between two values of a track."""

_QUIET_FRAMES = 48

_TERMS = (-1 / 6, 1 / 120, -1 / 5040, 1 / 362880, -1 / 39916800, 1 / 6227020800, -1 / 1307674368000)


@njit(nogil=True, error_model="numpy", fastmath={"contract", "nsz"})
def _resonances(rate, formants, widths, out):  # type: ignore[no-untyped-def]
    """Write what a resonator of each formant takes of its input and of its last two outputs.

    By series, so that all are found side by side: errors are below 1e-9 for widths below the rate's twelfth.
    """
    for k in range(len(formants)):
        x = math.pi / rate * widths[k]
        radius = 1.0 - x * (1.0 - x / 2 * (1.0 - x / 3 * (1.0 - x / 4 * (1.0 - x / 5 * (1.0 - x / 6)))))
        half = math.pi / rate * formants[k]
        y = half * half
        high = _TERMS[3] + y * (_TERMS[4] + y * (_TERMS[5] + y * _TERMS[6]))
        sine = half + half * y * (_TERMS[0] + y * (_TERMS[1] + y * (_TERMS[2] + y * high)))
        out[2, k] = -radius * radius
        out[1, k] = 2.0 * radius * (1.0 - 2.0 * sine * sine)
        out[0, k] = 1.0 - out[1, k] - out[2, k]


@njit(
    "void(float64, float64[:, ::1], float64[:, ::1], float64[:, ::1], float32[:, :, ::1], float64[::1],"
    " float64[:, ::1], float64, float64, uint64, float64[::1])",
    nogil=True,
    cache=True,
    error_model="numpy",
    fastmath={"contract", "nsz"},
)
def sing(rate, tracks, formants, widths, pulses, highest, wobble, jitter, shimmer, seed, out):  # type: ignore[no-untyped-def]
    """Add a voice to ``out``, which has ``HOP`` samples for every frame but the last.

    Args:
        rate: Samples per second.
        tracks: Rows of ``frames`` values: pitch in Hz; level of the voice; of breath; of hiss; middle and
            width of the hiss in Hz; shape of the pulse (a row of ``pulses``, with fractions); the nasal
            zero in Hz.
        formants: ``(frames, n)`` in Hz; the first is the nasal pole.
        widths: ``(frames, n)`` in Hz.
        pulses: ``(shapes, bands, size + 1)``: a period each.
        highest: Highest pitch in Hz that a band of ``pulses`` is for, rising.
        wobble: ``(2, n)`` normal values: of the length and of the strength of each period.
        jitter: Standard deviation of a period's length, as a part of it.
        shimmer: Standard deviation of a period's strength, as a part of it.
        seed: Of the noise; not 0.
        out: float64.
    """
    frames, count = formants.shape
    shapes, bands, size = pulses.shape
    size -= 1
    block, phases, strengths, noises = np.empty(HOP), np.empty(HOP), np.empty(HOP), np.empty(HOP)
    resonances = np.empty((3, count))
    nasal = math.exp(-math.pi * 100.0 / rate)
    state = np.zeros((count + 2, 4))
    phase, stretch, strength, period = 0.0, 1.0, 1.0, 0
    bits = seed
    resting = hissing = _QUIET_FRAMES
    for frame in range(frames - 1):
        voice, breath, hiss = tracks[1, frame], tracks[2, frame], tracks[3, frame]
        voice_step = (tracks[1, frame + 1] - voice) / HOP
        breath_step = (tracks[2, frame + 1] - breath) / HOP
        hiss_step = (tracks[3, frame + 1] - hiss) / HOP
        sounds = voice + breath + hiss + tracks[1, frame + 1] + tracks[2, frame + 1] + tracks[3, frame + 1]
        resting = 0 if sounds > 1e-6 else resting + 1
        if resting >= _QUIET_FRAMES:
            state[:] = 0.0
            continue
        pitch = tracks[0, frame]
        pitch_step = (tracks[0, frame + 1] - pitch) / HOP
        band = 0
        while band < bands - 1 and highest[band] < max(pitch, tracks[0, frame + 1]):
            band += 1
        shape = min(max(tracks[6, frame], 0.0), shapes - 1.001)
        row = int(shape)
        part = shape - row
        begin = frame * HOP

        # Hiss: noise through a band-pass, past the formants; a second one an octave up, lower.
        hissing = 0 if hiss + tracks[3, frame + 1] > 0 else hissing + 1
        if hissing >= _QUIET_FRAMES:
            state[count:] = 0.0
        for which in range(2 if hissing < _QUIET_FRAMES else 0):
            middle = min(tracks[4, frame] * (1.0 + 0.7 * which), 0.45 * rate)
            angle = 2.0 * math.pi * middle / rate
            lean = 0.5 * math.sin(angle) * tracks[5, frame] / middle
            scale = 1.0 / (1.0 + lean)
            a1, a2 = -2.0 * math.cos(angle) * scale, (1.0 - lean) * scale
            b0 = lean * scale * (1.0 - 0.6 * which)
            x1, x2, y1, y2 = state[count + which, 0], state[count + which, 1], 0.0, 0.0
            y1, y2 = state[count + which, 2], state[count + which, 3]
            noisy = bits
            level = hiss
            for n in range(HOP):
                noisy ^= noisy << np.uint64(13)
                noisy ^= noisy >> np.uint64(7)
                noisy ^= noisy << np.uint64(17)
                level += hiss_step
                x = level * (np.float64(noisy >> np.uint64(11)) * 2.0**-52 - 1.0) * 1.7320508
                y = b0 * (x - x2) - a1 * y1 - a2 * y2
                x2, x1 = x1, x
                y2, y1 = y1, y
                if which == 0:
                    block[n] = y
                else:
                    out[begin + n] += block[n] + y
            state[count + which, 0], state[count + which, 1] = x1, x2
            state[count + which, 2], state[count + which, 3] = y1, y2

        # The source: the pulse, and breath that is let through while the glottis is open.
        for n in range(HOP):
            phase += pitch * stretch / rate
            if phase >= 1.0:
                phase -= 1.0
                period = (period + 1) % wobble.shape[1]
                stretch = 1.0 + jitter * wobble[0, period]
                strength = 1.0 + shimmer * wobble[1, period]
            phases[n], strengths[n] = phase, strength
            pitch += pitch_step
            bits ^= bits << np.uint64(13)
            bits ^= bits >> np.uint64(7)
            bits ^= bits << np.uint64(17)
            noises[n] = (np.float64(bits >> np.uint64(11)) * 2.0**-52 - 1.0) * 1.7320508
        near, far = pulses[row, band], pulses[row + 1, band]
        for n in range(HOP):
            place = phases[n] * size
            whole = np.uint32(place)
            rest = place - whole
            low = near[whole] * (1.0 - rest) + near[whole + np.uint32(1)] * rest
            high = far[whole] * (1.0 - rest) + far[whole + np.uint32(1)] * rest
            voiced, breathed = voice + n * voice_step, breath + n * breath_step
            open_part = 1.0 if voiced < 1e-3 or phases[n] < 0.6 else 0.4
            block[n] = voiced * strengths[n] * (low + part * (high - low)) + breathed * noises[n] * open_part

        # The nasal zero, and the resonators.
        b = 2.0 * nasal * math.cos(2.0 * math.pi * tracks[7, frame] / rate)
        c = -nasal * nasal
        scale = 1.0 / (1.0 - b - c)
        x1, x2 = state[count - 1, 2], state[count - 1, 3]
        for n in range(HOP):
            x = block[n]
            block[n] = scale * (x - b * x1 - c * x2)
            x2, x1 = x1, x
        state[count - 1, 2], state[count - 1, 3] = x1, x2
        _resonances(rate, formants[frame], widths[frame], resonances)
        for k in range(count):
            a, b, c = resonances[0, k], resonances[1, k], resonances[2, k]
            y1, y2 = state[k, 0], state[k, 1]
            for n in range(HOP):
                # What waits for the last sample comes last.
                y = (a * block[n] + c * y2) + b * y1
                y2, y1 = y1, y
                block[n] = y
            state[k, 0], state[k, 1] = y1, y2
        for n in range(HOP):
            out[begin + n] += block[n]


_BLOCK = 512


@njit(
    "void(float32[::1], float32, float32[::1], float32[::1])", nogil=True, cache=True, fastmath={"contract"}
)
def double_rate(audio, same, taps, out):  # type: ignore[no-untyped-def]
    """Write a sound at twice its rate.

    Args:
        audio: The sound; silent before and after it.
        same: Gain of its samples.
        taps: Filter, of 4 n taps, for the places in the middle between two samples.
        out: Twice as long.
    """
    before = len(taps) // 2 - 1
    near, line = np.empty(_BLOCK + len(taps), np.float32), np.empty(_BLOCK, np.float32)
    for first in range(0, len(audio), _BLOCK):
        count = min(_BLOCK, len(audio) - first)
        for n in range(len(near)):
            place = first - before + n
            near[n] = audio[place] if 0 <= place < len(audio) else np.float32(0.0)
        line[:] = np.float32(0.0)
        add_filtered(near, taps, line)
        held, target = audio[first : first + count], out[2 * first : 2 * (first + count)]
        for n in range(count):
            target[2 * n] = same * held[n]
            target[2 * n + 1] = line[n]
