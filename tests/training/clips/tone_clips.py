"""Trees of tiny clips whose classes are tones: a folder per class, a folder per recording in it."""

from pathlib import Path

import numpy as np

from mixlab.audio.io import FloatArray, write_wav
from mixlab.models import ModelConfig
from mixlab.training import TrainConfig

RATE = 8000
TONES = {"high": 2400.0, "low": 300.0, "middle": 900.0}
MODEL = ModelConfig(sample_rate=RATE, f_max=4000, n_fft=256, hop=128, n_mels=16, width=8)
CONFIG = TrainConfig(
    model=MODEL,
    loss="softmax",
    lr_head=0.01,
    epochs=10,
    batch_size=6,
    precision="fp32",
    accelerator="cpu",
    tensorboard=False,
    bootstrap=5,
    monitor="loss",
    save_every=0,
)


def tone(frequency_hz: float, seconds: float, *, seed: int = 0, gain: float = 0.3) -> FloatArray:
    """A tone of any phase in soft noise, ``(1, samples)``."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE)) / RATE
    wave = gain * np.sin(2 * np.pi * (frequency_hz * t + rng.random()))
    return (wave + 0.01 * rng.standard_normal(len(t))).astype(np.float32)[None]


def make_tones(root: Path, *, groups: int = 6, per_group: int = 2, seconds: float = 1.0) -> Path:
    """Write ``groups`` recordings of ``per_group`` clips for every class; return the folder."""
    for place, (name, frequency_hz) in enumerate(TONES.items()):
        for group in range(groups):
            for take in range(per_group):
                seed = 100 * place + 10 * group + take
                file = root / name / f"{name} {group}" / f"take {take}.wav"
                file.parent.mkdir(parents=True, exist_ok=True)
                write_wav(file, tone(frequency_hz, seconds, seed=seed), RATE)
    return root
