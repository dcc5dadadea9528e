"""A small catalog of tones for tests: two corpora, silences, double tracks, bleed, sections."""

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from mixlab.audio.io import write_wav
from mixlab.audio.tempo_key import Key, regular_beats
from mixlab.catalog.build import build_catalog
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.readers import CatalogReader
from mixlab.catalog.song_table import SongFacts, SongTable

RATE = 22050
SECONDS = 7.0

MUSDB_STEMS = ("vocals", "drums", "bass", "other")

# label and frequency in Hz of the stems of song number n: chosen by n so that classes vary
BAND = (
    ("drum set", 90.0),
    ("electric bass", 110.0),
    ("piano", 330.0),
    ("male singer", 440.0),
    ("clean electric guitar", 550.0),
    ("violin", 880.0),
    ("trumpet", 660.0),
    ("string section", 990.0),
)


def tone(
    frequency_hz: float, seconds: float, rng: np.random.Generator, *, quiet: tuple[float, float]
) -> np.ndarray:
    """A decaying tone with a little noise, silent from ``quiet[0]`` to ``quiet[1]`` seconds."""
    t = np.arange(round(seconds * RATE)) / RATE
    audio = 0.15 * np.sin(2 * np.pi * frequency_hz * t) + 0.01 * rng.standard_normal(len(t))
    audio[round(quiet[0] * RATE) : round(quiet[1] * RATE)] = 0.0
    return audio.astype(np.float32)


def make_corpus(root: Path, songs: int, *, seed: int, stereo: bool = False, bleed_every: int = 5) -> None:
    """Write a folder corpus: ``songs`` songs by half as many artists, four or five stems each."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(songs):
        folder = root / f"song{number:02d}"
        folder.mkdir(parents=True)
        picks = [BAND[(number + step) % len(BAND)] for step in (0, 1, 3, 5)]
        picks.append(picks[2])  # a double track
        for track, (label, frequency_hz) in enumerate(picks):
            quiet = (0.0, 0.0) if track % 2 else (1.0 + track, 2.5 + track)
            audio = tone(frequency_hz * (1 + 0.01 * number), SECONDS, rng, quiet=quiet)
            channels = np.stack([audio, 0.5 * audio]) if stereo else audio[None]
            name = f"{track:02d}_{label.replace(' ', '')}.wav"
            write_wav(folder / name, channels, RATE)
            bleeds = number % bleed_every == bleed_every - 1 and track == 0
            rows.append(
                {
                    "file": f"{folder.name}/{name}",
                    "label": label,
                    "song": folder.name,
                    "artist": f"artist {seed} {number // 2}",
                    "bleed": "yes" if bleeds else "no",
                }
            )
    with (root / "stems.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def make_catalog(folder: Path) -> Catalog:
    """Make two corpora below ``folder`` and index them."""
    make_corpus(folder / "one", 16, seed=1)
    make_corpus(folder / "two", 10, seed=2, stereo=True)
    build_catalog(
        folder / "catalog",
        {"folder": folder / "one", "folder@two": folder / "two"},
        workers=1,
        progress=False,
    )
    return Catalog.open(folder / "catalog")


def write_songs(catalog: Catalog, **fixed: object) -> None:
    """Give every song a tempo, a first beat and a key, all different; ``fixed`` facts are those of all."""
    rng = np.random.default_rng(7)
    facts = {}
    for song in sorted(set(zip(catalog.column("corpus"), catalog.column("song"), strict=True))):
        tempo, first = float(rng.uniform(70, 170)), float(rng.uniform(0.0, 0.5))
        mode = "minor" if rng.random() < 0.5 else "major"
        key = Key(int(rng.integers(12)), mode, 0.9, float(rng.uniform(-0.3, 0.3)))
        facts[song] = replace(SongFacts(regular_beats(tempo, first, SECONDS, 0.9), key), **fixed)
    SongTable(facts, catalog.base_hash).save(catalog.path)
    catalog.derived.clear()


def analysed_copy(catalog: Catalog, folder: Path) -> Catalog:
    """Copy a catalog, and give its songs tempo, beats and key."""
    shutil.copytree(catalog.path, folder)
    copy = Catalog.open(folder, roots=catalog.roots)
    write_songs(copy)
    return copy


def make_own_catalog(folder: Path, stems: list[dict[str, object]], **extra: Path) -> Catalog:
    """Index stems that a test makes itself.

    Each has ``song``, ``label`` and ``audio`` (mono samples at ``RATE``), and may have any column of the
    folder corpus's ``stems.csv``. All songs are put into the training split.
    """
    root = folder / "own"
    rows = []
    for number, stem in enumerate(stems):
        place = root / str(stem["song"])
        place.mkdir(parents=True, exist_ok=True)
        name = f"{number:02d}_{str(stem['label']).replace(' ', '')}.wav"
        write_wav(place / name, np.asarray(stem["audio"], dtype=np.float32)[None], RATE, subtype="PCM_24")
        row = {key: str(value) for key, value in stem.items() if key != "audio"}
        rows.append({"file": f"{place.name}/{name}", "split": "train", **row})
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with (root / "stems.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    build_catalog(folder / "catalog", {"folder": root, **extra}, split="corpus", workers=1, progress=False)
    return Catalog.open(folder / "catalog")


def make_musdb(folder: Path, songs: int = 4) -> Catalog:
    """MUSDB18-HQ in small: songs of four stems."""
    for number in range(songs):
        place = folder / "musdb" / "train" / f"Artist {number} - Song {number}"
        place.mkdir(parents=True)
        for n, name in enumerate(MUSDB_STEMS):
            audio = steady(100.0 * (n + 1) + number, 3.0).astype(np.float32)
            write_wav(place / f"{name}.wav", np.stack([audio, 0.3 * audio]), RATE)
    build_catalog(
        folder / "catalog", {"musdb18hq": folder / "musdb"}, split="corpus", workers=1, progress=False
    )
    return Catalog.open(folder / "catalog")


def steady(frequency_hz: float, seconds: float, level_db: float = -20.0) -> np.ndarray:
    """A sine of a given RMS level in dBFS."""
    t = np.arange(round(seconds * RATE)) / RATE
    return np.sqrt(2) * 10 ** (level_db / 20) * np.sin(2 * np.pi * frequency_hz * t)


class BrokenReader:
    """A reader of a stem that holds what no indexed file should."""

    def __init__(self, catalog: Catalog, key: str, value: float) -> None:
        self.files, self.stem, self.value = CatalogReader(catalog), catalog.find(key), value

    def read(self, stem: int, start_s: float, samples: int, sample_rate: int, channels: int) -> np.ndarray:
        audio = self.files.read(stem, start_s, samples, sample_rate, channels)
        if stem == self.stem:
            audio[:, samples // 2] = self.value
        return audio

    def read_into(self, out: np.ndarray, stem: int, start_s: float, sample_rate: int, gain: float) -> None:
        channels, samples = out.shape
        out[:] = self.read(stem, start_s, samples, sample_rate, channels) * np.float32(gain)
