"""Impulse responses of shoebox rooms: early reflections by image sources, then a diffuse tail.

Images are those of Allen and Berkley, "Image method for efficiently simulating small-room acoustics" (J.
Acoust. Soc. Am. 65, 1979), with the same absorption on all walls, which turn the
sign, as Lehmann and Johansson, "Prediction of energy decay in room impulse responses simulated with an
image-source model" (same journal, 124, 2008) have them: many reflections of one sign add up to an offset.
Their number grows with the cube of time, and after some tens of milliseconds nobody tells them from noise; so
the tail is noise, with the power that the images would have on average, falling by 60 dB in the decay time.
Absorption follows from the decay time by Eyring's formula.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.io import FloatArray

__all__ = ["SPEED_OF_SOUND", "Room", "room_response"]

SPEED_OF_SOUND = 343.0

Point = tuple[float, float, float]

_EARLY_S = 0.06
"""Until then every image is computed, counted from when the source is first detected."""

_TAPS, _PHASES = 32, 256
"""Of the sinc that places an image between two samples."""

_MICROPHONES_M = 0.2
"""Distance between the microphones of two channels."""


@dataclass(frozen=True)
class Room:
    """A shoebox with a source and a microphone in it.

    Attributes:
        size_m: Length, width and height.
        source_m: Where the source is, from a corner.
        microphone_m: Where the microphone is; with two channels, the middle between both.
        decay_s: Time in which its sound falls by 60 dB.
        seed: Of the tail's noise.
    """

    size_m: Point
    source_m: Point
    microphone_m: Point
    decay_s: float
    seed: int

    @property
    def reflection(self) -> float:
        """Part of a sound's amplitude that a wall sends back, by Eyring's formula."""
        x, y, z = self.size_m
        surface, volume = 2.0 * (x * y + x * z + y * z), x * y * z
        return math.exp(
            -6.0 * math.log(10.0) * 4.0 * volume / (SPEED_OF_SOUND * surface * self.decay_s) / 2.0
        )

    def distance_m(self, microphone_m: Point) -> float:
        """Return how far a microphone is from the source."""
        return math.dist(self.source_m, microphone_m)


def room_response(room: Room, channels: int, sample_rate: int) -> FloatArray:
    """Return the impulse response of a room, from the moment on in which it is first detected.

    Args:
        room: The room.
        channels: 1 or 2 microphones, 20 cm from each other; each has a tail of its own.
        sample_rate: In Hz.

    Returns:
        float32 ``(channels, taps)``, as long as the decay time; the direct sound has the amplitude
        1 / metres.
    """
    shift = _MICROPHONES_M / 2.0 if channels == 2 else 0.0
    x, y, z = room.microphone_m
    places: list[Point] = [(x - shift, y, z), (x + shift, y, z)][: max(channels, 1)]
    first_s = min(room.distance_m(place) for place in places) / SPEED_OF_SOUND
    early = _early(room, places, first_s, sample_rate)
    tail = _tail(room, len(places), first_s, sample_rate)
    out = np.zeros((len(places), max(early.shape[1], tail.shape[1])))
    out[:, : early.shape[1]] += early
    out[:, : tail.shape[1]] += tail
    return out.astype(np.float32)


def _early(room: Room, places: list[Point], first_s: float, sample_rate: int) -> NDArray[np.float64]:
    from mixlab.audio._kernels import rooms as kernels

    per_m = sample_rate / SPEED_OF_SOUND
    size, source = np.array(room.size_m) * per_m, np.array(room.source_m) * per_m
    first, last = first_s * sample_rate, (first_s + _EARLY_S) * sample_rate
    out = np.zeros((len(places), round(_EARLY_S * sample_rate) + _TAPS))
    for place, channel in zip(places, out, strict=True):
        microphone = np.array(place) * per_m
        kernels.add_images(size, source, microphone, room.reflection, first, last, _sincs(), channel)
    return out * per_m


@lru_cache(maxsize=1)
def _sincs() -> NDArray[np.float64]:
    """Return a windowed sinc for each fraction of a sample, ``(phases, taps)``."""
    fractions = (np.arange(_PHASES) + 0.5) / _PHASES
    offsets = np.arange(_TAPS) - (_TAPS // 2 - 1) - fractions[:, None]
    window = 0.5 + 0.5 * np.cos(np.pi * np.clip(offsets / (_TAPS // 2), -1.0, 1.0))
    return np.ascontiguousarray(np.sinc(offsets) * window)


def _tail(room: Room, channels: int, first_s: float, sample_rate: int) -> NDArray[np.float64]:
    """Return noise from the end of the images on, silence before."""
    start = round(_EARLY_S * sample_rate)
    samples = max(round(room.decay_s * sample_rate), start)
    noise = np.random.default_rng(room.seed).standard_normal((channels, samples - start))
    time_s = first_s + np.arange(start, samples) / sample_rate
    volume = math.prod(room.size_m)
    # An image r metres away has the amplitude 1 / r, and there are 4 pi c**3 t**2 / V of them a second.
    power = 4.0 * math.pi * SPEED_OF_SOUND / volume / sample_rate
    decay = np.exp(-3.0 * math.log(10.0) * time_s / room.decay_s)
    return np.concatenate([np.zeros((channels, start)), noise * decay * math.sqrt(power)], axis=1)
