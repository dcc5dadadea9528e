"""Audio as uneven as music, for tests that compare recordings with one another."""

import numpy as np


def played(seed: int, seconds: float = 8.0, rate: int = 22050) -> np.ndarray:
    """Noise and tones in notes of random length and level, float32 ``(2, samples)``."""
    chance = np.random.default_rng(seed)
    parts, length = [], 0
    while length < seconds * rate:
        n = int(chance.uniform(0.08, 0.6) * rate)
        t = np.arange(n) / rate
        note = np.sin(2 * np.pi * chance.uniform(100, 1500) * t) + 0.2 * chance.standard_normal((2, n))
        parts.append(note * np.exp(-t * chance.uniform(1, 8)) * 10 ** (chance.uniform(-30, 0) / 20) * 0.3)
        length += n
    return np.concatenate(parts, axis=1)[:, : round(seconds * rate)].astype(np.float32)
