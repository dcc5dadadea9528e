"""What records do to a synthesizer, in mono: drive, chorus, echo, and making room for the kick."""

import numpy as np
from numpy.typing import NDArray

from mixlab.synthesis.players import SAMPLE_RATE

__all__ = ["chorus", "drive", "duck", "echo"]

FloatArray = NDArray[np.float64]

_STEP = 32


def drive(audio: FloatArray, amount: float) -> FloatArray:
    """Return audio saturated softly; ``amount`` 0 leaves it as it is, 1 is strong."""
    if amount <= 0:
        return audio
    gain = (1 + 7 * amount) / max(float(np.abs(audio).max()), 1e-9)
    return np.asarray(np.tanh(gain * audio) / gain)


def chorus(audio: FloatArray, depth_ms: float, rate_hz: float, phase: float) -> FloatArray:
    """Return audio with two copies of itself, each later by a time that swings; as loud as before, about."""
    if depth_ms <= 0:
        return audio
    from mixlab.synthesis._kernels import effects as kernels

    total, per_ms = audio.copy(), SAMPLE_RATE / 1000
    for voice in range(2):
        omega = 2 * np.pi * rate_hz * (1 + 0.3 * voice) / SAMPLE_RATE
        late, depth = (7.0 + 5.0 * voice) * per_ms, depth_ms * per_ms
        kernels.add_late(audio, late, depth, omega, 2 * np.pi * (phase + 0.4 * voice), total)
    total /= np.sqrt(3)
    return total


def echo(audio: FloatArray, delay_s: float, feedback: float, level: float) -> FloatArray:
    """Return audio with echoes, each duller and ``feedback`` times as loud as the one before."""
    step = round(delay_s * SAMPLE_RATE)
    if level <= 0 or step < 1:
        return audio
    from mixlab.synthesis._kernels import effects as kernels

    total = np.empty_like(audio)
    kernels.echo(audio, step, level, feedback, total)
    return total


def duck(audio: FloatArray, beat_s: float, first_s: float, depth: float) -> FloatArray:
    """Return audio that steps back at every beat, as by a compressor that listens to the kick.

    Args:
        audio: ``(samples,)``.
        beat_s: Time between kicks.
        first_s: Time of one of them.
        depth: 0..1: how far it steps back.
    """
    if depth <= 0:
        return audio
    # Every 32 samples is often enough.
    count = -(-len(audio) // _STEP)
    since = (_STEP * np.arange(count) / SAMPLE_RATE - first_s) % beat_s
    # Down within 10 ms, back over most of the beat.
    closed = np.minimum(since / 0.01, 1.0) * np.exp(-since / (0.35 * beat_s))
    return np.asarray(audio * np.repeat(1.0 - depth * closed, _STEP)[: len(audio)])
