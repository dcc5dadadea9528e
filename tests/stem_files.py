"""Small stem files and a sidecar for tests of measuring, indexing and catalogs."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile

RATE = 8000


def tone(
    seconds: float = 1.0, *, amplitude: float = 0.1, frequency_hz: float = 440.0, rate: int = RATE
) -> np.ndarray:
    """A sine, float32 ``(1, samples)``."""
    t = np.arange(round(seconds * rate)) / rate
    return (amplitude * np.sin(2 * np.pi * frequency_hz * t)).astype(np.float32)[None]


def write(path: Path, audio: np.ndarray, rate: int = RATE, subtype: str = "PCM_16") -> Path:
    """Write ``(channels, samples)`` in the format that the name ends in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio.T, rate, subtype=subtype)
    return path


def write_sidecar(root: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Write ``stems.csv`` for the adapter ``folder``."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with (root / "stems.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, restval="")
        writer.writeheader()
        writer.writerows(rows)


def make_corpus(
    root: Path,
    songs: int = 4,
    labels: Sequence[str] = ("violin", "piano"),
    *,
    artists: int | None = None,
    lowest_hz: float = 220.0,
) -> list[dict[str, str]]:
    """Write ``songs`` songs of one second with a stem per label; return the rows of the sidecar."""
    rows = []
    for song in range(songs):
        for place, label in enumerate(labels):
            name = f"song{song:02d}/{place}.wav"
            write(root / name, tone(frequency_hz=lowest_hz + 30 * song + 100 * place))
            artist = f"artist {song % artists if artists else song}"
            rows.append({"file": name, "label": label, "song": f"song{song:02d}", "artist": artist})
    write_sidecar(root, rows)
    return rows
