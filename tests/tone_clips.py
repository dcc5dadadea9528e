"""Labelled clips that can be told apart: tones of another pitch for each class, in groups."""

from pathlib import Path

import numpy as np
import soundfile

RATE = 8000

PITCHES_HZ = {"low": 220.0, "middle": 700.0, "high": 2200.0}


def tone(frequency_hz: float, seconds: float, gain: float, seed: int) -> np.ndarray:
    """A tone in a little noise, ``(samples,)``."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE)) / RATE
    return gain * np.sin(2 * np.pi * frequency_hz * t) + 0.01 * rng.standard_normal(len(t))


def make_tones(
    root: Path,
    *,
    groups: int = 6,
    clips: int = 2,
    seconds: float = 0.5,
    names: tuple[str, ...] = ("low", "high"),
) -> Path:
    """A folder per class, ``root/CLASS/GROUP/N.wav``; pitch and level differ a little from clip to clip."""
    rng = np.random.default_rng(7)
    for name in names:
        for group in range(groups):
            folder = root / name / f"{name} {group}"
            folder.mkdir(parents=True)
            for k in range(clips):
                pitch, gain = PITCHES_HZ[name] * rng.uniform(0.9, 1.1), rng.uniform(0.1, 0.6)
                audio = tone(pitch, seconds, gain, int(rng.integers(1 << 30)))
                soundfile.write(folder / f"{k}.wav", audio.astype(np.float32), RATE, "FLOAT")
    return root


def make_table(root: Path, *, groups: int = 10, clips: int = 2, seconds: float = 0.5) -> Path:
    """A ``clips.csv`` of several labels a clip: any of two pitches, both or none sound."""
    rows, rng = ["file,labels,group"], np.random.default_rng(8)
    root.mkdir(parents=True)
    for group in range(groups):
        for k in range(clips):
            chosen = [name for bit, name in enumerate(("low", "high")) if (group * clips + k) >> bit & 1]
            parts = [tone(PITCHES_HZ[n] * rng.uniform(0.9, 1.1), seconds, 0.3, group) for n in chosen]
            audio = sum(parts, 0.01 * rng.standard_normal(round(seconds * RATE)))
            soundfile.write(root / f"{group}-{k}.wav", np.asarray(audio, np.float32), RATE, "FLOAT")
            rows.append(f"{group}-{k}.wav,{'|'.join(chosen)},{group}")
    (root / "clips.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return root
