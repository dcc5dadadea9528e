"""Libraries of notes for tests: tones that stand for recordings, in the layouts of the real ones."""

from pathlib import Path

import numpy as np
import soundfile

RATE = 22_050


def tone(
    pitch: float, seconds: float = 1.0, fall: float = 0.0, level: float = 0.5, rise_s: float = 0.02
) -> np.ndarray:
    time_s = np.arange(round(seconds * RATE)) / RATE
    hz = 440.0 * 2 ** ((pitch - 69) / 12)
    wave = sum(np.sin(2 * np.pi * k * hz * time_s) / k for k in (1, 2, 3))
    rise = np.minimum(time_s / rise_s, 1.0) * np.minimum((seconds - time_s) / 0.05, 1.0)
    return (level / 2 * wave * rise * np.exp(-fall * time_s)).astype(np.float32)


def write(path: Path, audio: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio, RATE)
    return path


def pitch_library(root: Path, name: str, files: dict[str, float], **kind: float) -> Path:
    for stem, pitch in files.items():
        write(root / name / f"{stem}.wav", tone(pitch, **kind))
    return root / name


def drum_kit(root: Path, name: str = "Small Kit") -> Path:
    """A kit of Hydrogen: kick and snare of two layers, a hi-hat closed and open, a clap."""
    folder = root / name
    rng = np.random.default_rng(7)
    pieces = {"Kick": 2, "Snare": 2, "Hat Closed": 1, "Hat Open": 1, "Hand Clap": 1}
    body = ""
    for number, (piece, layers) in enumerate(pieces.items()):
        body += f"<instrument><id>{number}</id><name>{piece}</name>"
        for layer in range(layers):
            length = 2.0 if piece == "Hat Open" else 0.3
            noise = rng.standard_normal(round(length * RATE)) * np.exp(
                -np.linspace(0, 5, round(length * RATE))
            )
            file = f"{piece.replace(' ', '')}{layer}.wav"
            write(folder / file, (0.1 * (layer + 1) * noise).astype(np.float32).clip(-1, 1))
            body += f"<layer><filename>{file}</filename><min>{layer / layers}</min>"
            body += f"<max>{(layer + 1) / layers}</max></layer>"
        body += "</instrument>"
    kit = f"<drumkit_info><license>CC0</license><instrumentList>{body}</instrumentList></drumkit_info>"
    (folder / "drumkit.xml").write_text(kit)
    return folder


def small_orchestra(root: Path) -> Path:
    """Two pianos, a flute, a cello and a kit: three families and what fills a line-up."""
    every_third = {f"{name}{octave}": None for octave in (2, 3, 4, 5) for name in ("C", "Ds", "Fs", "A")}
    steps = {"C": 0, "Ds": 3, "Fs": 6, "A": 9}
    pitches = {stem: steps[stem[:-1]] + 12 * (int(stem[-1]) + 1) for stem in every_third}
    pitch_library(root, "piano", pitches, fall=3.0)
    pitch_library(root, "grand piano", pitches, fall=2.0)
    pitch_library(root, "flute", {k: v for k, v in pitches.items() if v >= 60})
    pitch_library(root, "cello", {k: v for k, v in pitches.items() if v < 72}, seconds=0.7)
    drum_kit(root)
    return root
