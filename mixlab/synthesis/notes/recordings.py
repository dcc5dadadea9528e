"""A recorded note as sound: where it begins, how long it lasts, whether its pitch swings."""

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.io import open_audio, read_frames
from mixlab.errors import AudioError

__all__ = ["Recording", "load_recording", "stretched"]

_MOST_S = 10.0
"""Read of a note at most: longer ones are looped, or have died away."""

_HOP_S = 0.01
_BEGIN = 0.02
"""Part of the peak at which a note begins."""

_STEADY_DB = 14.0
"""How far below its usual level a note that is held may fall before it counts as ended."""

_CROSSFADE_S = 0.12
_GONE_DB = 75.0
"""What lies so far below the loudest hundredth of a second, up to its end, is cut off a recording."""


@dataclass(frozen=True, eq=False)
class Recording:
    """One note, mono, from just before it sounds.

    Attributes:
        audio: float32 ``(samples,)``; shared by all who play it, who leave it as it is.
        rate: In Hz.
        attack_s: From its beginning until it has half of its level.
        steady: First and last sample between which its level stays; the last is where a held note ends.
        swing_cents: How far its pitch swings at 4 to 8 Hz.
    """

    audio: NDArray[np.float32]
    rate: int
    attack_s: float
    steady: tuple[int, int]
    swing_cents: float


@lru_cache(maxsize=384)
def load_recording(path: Path, start: int, pitch: float) -> Recording:
    """Read a note and find out where it begins and ends.

    Args:
        path: The file.
        start: First sample that counts.
        pitch: MIDI pitch, by which the swing of its pitch is measured; 0 for a sound without one.

    Raises:
        AudioError: the file cannot be read, or is silent.
    """
    with open_audio(path) as file:
        rate = file.samplerate
        frames = min(max(file.frames - start, 0), round(_MOST_S * rate))
        audio = read_frames(file, start, frames).mean(axis=1, dtype=np.float32)
    peak = float(np.abs(audio).max(initial=0.0))
    if peak < 1e-4:
        raise AudioError(
            f"Expected a recorded note in {path}, found silence. Remove it.", code="silent-audio"
        )
    first = int(np.argmax(np.abs(audio) > _BEGIN * peak))
    audio = np.ascontiguousarray(audio[max(first - round(0.003 * rate), 0) :])
    levels = _levels(audio, rate)
    levels = levels[: int(np.flatnonzero(levels > levels.max() * 10 ** (-_GONE_DB / 20))[-1]) + 1]
    audio = audio[: len(levels) * round(_HOP_S * rate)]
    attack = int(np.argmax(levels > 0.5 * levels[: round(0.5 / _HOP_S)].max())) * _HOP_S
    steady = _steady(levels, rate)
    swing = _swing_cents(audio[steady[0] : steady[1]], rate, pitch) if pitch else 0.0
    return Recording(audio, rate, min(attack, 0.12), steady, swing)


def _levels(audio: NDArray[np.float32], rate: int) -> NDArray[np.float64]:
    """Return the RMS of each hop; at least one."""
    hop = round(_HOP_S * rate)
    padded = np.pad(audio, (0, -len(audio) % hop)) if len(audio) % hop or not len(audio) else audio
    rms: NDArray[np.float64] = np.sqrt((padded.reshape(-1, hop).astype(np.float64) ** 2).mean(axis=1))
    return rms


def _steady(levels: NDArray[np.float64], rate: int) -> tuple[int, int]:
    """Return where a held note is steady, in samples: after its attack, and before it fades."""
    usual = float(np.median(levels[: max(len(levels) // 2, 1)]))
    loud = np.flatnonzero(levels > usual * 10 ** (-_STEADY_DB / 20))
    last = int(loud[-1]) if len(loud) else len(levels) - 1
    hop = round(_HOP_S * rate)
    end = max(int(0.94 * last), 1)
    return min(round(0.15 / _HOP_S), end // 3) * hop, end * hop


def _swing_cents(audio: NDArray[np.float32], rate: int, pitch: float) -> float:
    """Return the standard deviation of the fundamental's pitch at the rates of a vibrato, in cents."""
    hop = round(_HOP_S * rate)
    if len(audio) < 64 * hop:
        return 0.0
    hz = 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)
    # The sound turned back by the fundamental, hop by hop, and each hop by all before it.
    back = -2.0 * math.pi * hz / rate * np.arange(hop)
    held = audio[: len(audio) // hop * hop].reshape(-1, hop)
    within = held @ np.cos(back).astype(np.float32) + 1j * (held @ np.sin(back).astype(np.float32))
    # A mean over two hops keeps what is within 50 Hz of the fundamental.
    blocks = within * np.exp(-2j * math.pi * hz / rate * hop * np.arange(len(held)))
    phase = np.unwrap(np.angle(blocks[1:] + blocks[:-1]))
    drift_hz = np.diff(phase) / (2.0 * math.pi * _HOP_S)
    spectrum = np.abs(np.fft.rfft((drift_hz - drift_hz.mean()) * np.hanning(len(drift_hz))))
    rates = np.fft.rfftfreq(len(drift_hz), _HOP_S)
    band = spectrum[(rates >= 4.0) & (rates <= 8.0)]
    deviation_hz = math.sqrt(2.0 * float((band**2).sum()) / 0.375) / len(drift_hz)
    return 1200.0 * math.log2(1.0 + min(deviation_hz / hz, 1.0))


def stretched(note: Recording, samples: int, loop: tuple[int, int] | None) -> NDArray[np.float32]:
    """Return at least ``samples`` samples of a held note, looping its steady part where it is too short.

    The two ends of a loop are matched by their waves and faded into each other.

    Args:
        note: The recording.
        samples: How many are wanted, at its rate.
        loop: A loop that the library gives, in samples of ``note.audio``, or None.
    """
    audio = note.audio
    first, last = loop or (note.steady[0] + (note.steady[1] - note.steady[0]) // 4, note.steady[1])
    last = min(last, len(audio))
    fade = min(round(_CROSSFADE_S * note.rate), (last - first) // 3)
    if samples <= last or fade < 32:
        return audio
    body = _loop_body(note, first, last, fade)
    turns = -(-(samples - (last - fade)) // len(body))
    return np.concatenate([audio[: last - fade], *[body] * turns])


@lru_cache(maxsize=64)
def _loop_body(note: Recording, first: int, last: int, fade: int) -> NDArray[np.float32]:
    """Return what is repeated after a note's first ``last - fade`` samples."""
    audio = note.audio
    first = _matched(audio, first, last, fade)
    rising = np.sin(np.linspace(0.0, math.pi / 2.0, fade, dtype=np.float32)) ** 2
    body = audio[first : last - fade].copy()
    body[:fade] = body[:fade] * rising + audio[last - fade : last] * (1.0 - rising)
    return body


def _matched(audio: NDArray[np.float32], first: int, last: int, fade: int) -> int:
    """Return the place near ``first`` whose wave is most like the one before ``last``."""
    ending = audio[last - fade : last]
    reach = min(1200, len(audio) - first - fade, max(last - first - 2 * fade, 1))
    around = audio[first : first + fade + reach]
    scores = np.correlate(around, ending, "valid")
    energy = np.convolve(around**2, np.ones(fade, np.float32), "valid")
    return first + int(np.argmax(scores / np.sqrt(np.maximum(energy, 1e-12))))
