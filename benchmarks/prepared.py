"""Where alternatives read from: the files as they are, or a copy at the model's rate, made once.

The copy is to them what a pack is to mixlab: every stem in mono at 16 kHz, as 16-bit integers in
memory-mapped NumPy files. No decoding, resampling or averaging is left to do while mixing.
"""

import math
from pathlib import Path
from typing import Protocol

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from mixlab.audio.io import read_span
from mixlab.catalog.catalog import Catalog
from mixlab.mixing.recipe import SourceRecipe

Audio = NDArray[np.float32]

FILES = "files"
COPY = "copy"
PACK = "pack"
PREPARED = (PACK, COPY)
"""Sources that were brought to the model's rate beforehand; mixlab's own and everybody's."""


class Spans(Protocol):
    """A place that a span of a stem is read from."""

    kind: str

    def read(self, source: SourceRecipe, seconds: float) -> tuple[Audio, int]:
        """Return ``seconds`` of a source from its start, as mono ``(samples,)``, and its rate."""


class Files:
    """The files of a catalog: decoded, and averaged where they are stereo."""

    kind = FILES

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def find(self, source: SourceRecipe, seconds: float) -> tuple[Path, int, int, int]:
        """Return file, first frame, frames and rate of a span."""
        stem = self.catalog.find(source.stem)
        rate = int(self.catalog.column("sample_rate")[stem])
        path = self.catalog.audio_path(stem)
        return path, round(source.start_s * rate), math.ceil(seconds * rate), rate

    def read(self, source: SourceRecipe, seconds: float) -> tuple[Audio, int]:
        path, start, frames, rate = self.find(source, seconds)
        audio, _ = soundfile.read(path, frames, start, dtype="float32", always_2d=True)
        return to_mono(audio), rate


def to_mono(audio: Audio) -> Audio:
    """Average ``(samples, channels)``; ``mean(axis=1)`` would take twenty times as long."""
    return audio[:, 0] if audio.shape[1] == 1 else np.float32(0.5) * (audio[:, 0] + audio[:, 1])


class Copy:
    """Memory-mapped 16-bit mono at one rate, a NumPy file for each stem that can be sampled."""

    kind = COPY

    def __init__(self, catalog: Catalog, folder: Path, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.stems: dict[str, NDArray[np.int16]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for i in np.flatnonzero(catalog.column("drawable")).tolist():
            path = folder / f"{i:06d}.npy"
            if not path.is_file():
                np.save(path, self._prepare(catalog, i))
            self.stems[str(catalog.column("key")[i])] = np.load(path, mmap_mode="r")

    def _prepare(self, catalog: Catalog, i: int) -> NDArray[np.int16]:
        stem = catalog.stem(i)
        audio = to_mono(read_span(catalog.audio_path(i), 0, stem.frames, end=stem.frames).T)
        audio = soxr.resample(audio, stem.sample_rate, self.sample_rate, quality="HQ")
        return np.rint(32767 * np.clip(audio, -1, 1)).astype(np.int16)

    def read(self, source: SourceRecipe, seconds: float) -> tuple[Audio, int]:
        start = round(source.start_s * self.sample_rate)
        part = self.stems[source.stem][start : start + math.ceil(seconds * self.sample_rate)]
        return np.multiply(part, np.float32(1 / 32767), dtype=np.float32), self.sample_rate
