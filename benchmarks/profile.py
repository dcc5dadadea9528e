"""Where the time of one mix goes, and how much of it the arithmetic alone would take.

    python -m benchmarks.profile [--mixes 32]

Stages are timed by wrapping the functions that they are, in workload W from a pack, on one core. The floor
is computed: the Fourier transforms that the mixes' stretches need, at the speed of the quickest library
here, and the bytes that must be moved, at the speed of this machine's memory.
"""

from benchmarks import one_core  # noqa: F401 - before numpy

# isort: split
import argparse
import math
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np

from benchmarks.corpus import open_corpus
from benchmarks.settings import Settings
from benchmarks.workloads import W, sample_recipes, workload
from mixlab.audio.phase_vocoder import FRAME_S, OVERLAP
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.pack import PackReader
from mixlab.mixing.effect_plan import total_rate
from mixlab.mixing.effects import PitchShift
from mixlab.mixing.recipe import MixRecipe
from mixlab.mixing.rendering import needed_span, render_mix
from mixlab.mixing.sampler import RecipeSampler

P = ParamSpec("P")
T = TypeVar("T")

STAGES = {
    "read (integers to float, gain)": ("mixlab.catalog.pack", "PackReader.read_into"),
    "level of each hop": ("mixlab.mixing.rendering", "own_level_db"),
    "filters": ("mixlab.mixing.effect_plan", "cascade"),
    "stretch": ("mixlab.audio.phase_vocoder", "_change_length"),
    "play at another speed (pitch)": ("mixlab.audio.phase_vocoder", "_play"),
    "sum and peak limit": ("mixlab.mixing.rendering", "add_up"),
    "labels of sources": ("mixlab.mixing.rendering", "_label_source"),
}
"""Stages that do not overlap, as the function that each of them is."""


@contextmanager
def timed_stages() -> Iterator[dict[str, float]]:
    """Time the stages while inside; yields seconds by stage."""
    spent: dict[str, float] = defaultdict(float)
    undo: list[tuple[Any, str, Any]] = []
    try:
        for stage, (module, path) in STAGES.items():
            owner, name = _owner(module, path)
            original = getattr(owner, name)
            undo.append((owner, name, original))
            setattr(owner, name, _timed(original, stage, spent))
        yield spent
    finally:
        for owner, name, original in undo:
            setattr(owner, name, original)


def _owner(module: str, path: str) -> tuple[Any, str]:
    *outer, name = path.split(".")
    owner: Any = import_module(module)
    for part in outer:
        owner = getattr(owner, part)
    return owner, name


def _timed(function: Callable[P, T], stage: str, spent: dict[str, float]) -> Callable[P, T]:
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        begin = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            spent[stage] += time.perf_counter() - begin

    return call


def profile(catalog: Catalog, pack: PackReader, settings: Settings) -> dict[str, Any]:
    """Return milliseconds per mix by stage, and the floor, for workload W from a pack."""
    print("Profile of one mix ...", flush=True)
    recipes = sample_recipes(catalog, W, settings.mixes)

    def make_all() -> None:
        for recipe in recipes:
            render_mix(recipe, catalog, pack)

    make_all()
    repeats = max(3, settings.rounds)
    bare = min(_seconds(make_all) for _ in range(repeats))
    with timed_stages() as spent:
        whole = sum(_seconds(make_all) for _ in range(repeats)) / repeats
    stages = {stage: 1000 * spent[stage] / repeats / len(recipes) for stage in STAGES}
    stages["the rest of render"] = 1000 * whole / len(recipes) - sum(stages.values())
    sampler = RecipeSampler(catalog, workload(W))
    sampling = _seconds(lambda: [sampler.sample(0, 1, i) for i in range(100)]) / 100
    return {
        "render_ms": 1000 * bare / len(recipes),
        "stages_ms": {"sample the recipe": 1000 * sampling, **stages},
        "floor": floor(recipes),
    }


def _seconds(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def floor(recipes: list[MixRecipe]) -> dict[str, Any]:
    """Return what one of these mixes needs at least: transforms and bytes, and the time of each."""
    settings = recipes[0].render
    size = max(64, 2 ** round(math.log2(FRAME_S * settings.sample_rate)))
    frames = sum(_stretch_frames(recipe, size) for recipe in recipes) / len(recipes)
    moved = sum(_bytes(recipe) for recipe in recipes) / len(recipes)
    libraries = transform_us(size)
    quickest = min(libraries, key=lambda name: libraries[name])
    transforms = 3 * frames  # per output frame two frames of the input, and one back
    bandwidth = memory_bandwidth()
    transforms_ms = transforms * libraries[quickest] / 1000
    bytes_ms = 1000 * moved / bandwidth
    return {
        "frame": size,
        "transforms": transforms,
        "transform_us": libraries,
        "quickest": quickest,
        "transforms_ms": transforms_ms,
        "megabytes": moved / 1e6,
        "memory_gb_per_s": bandwidth / 1e9,
        "bytes_ms": bytes_ms,
        "floor_ms": transforms_ms + bytes_ms,
    }


def _stretch_frames(recipe: MixRecipe, size: int) -> float:
    """Return the output frames of all stretches of a mix."""
    settings, hop, frames = recipe.render, size // OVERLAP, 0.0
    for source in recipe.sources:
        shifts = [effect.semitones for effect in source.effects if isinstance(effect, PitchShift)]
        rate, ratio = total_rate(source.effects), 2.0 ** (sum(shifts) / 12)
        if shifts or rate != 1.0:
            _, samples, _ = needed_span(source, settings)
            frames += math.ceil((samples / rate * ratio + size / 2) / hop) * settings.channels
    return frames


def _bytes(recipe: MixRecipe) -> int:
    """Return the bytes of a mix: integers read, each source and the mixture written as float32."""
    settings = recipe.render
    read = sum(2 * needed_span(source, settings)[1] for source in recipe.sources)
    return settings.channels * (read + 4 * settings.samples * (len(recipe.sources) + 1))


def transform_us(size: int, batch: int = 64) -> dict[str, float]:
    """Return microseconds of one real float32 transform of ``size``, by library, in batches, best of 20."""
    import scipy.fft
    import torch

    audio = np.random.default_rng(0).standard_normal((batch, size)).astype(np.float32)
    tensor = torch.from_numpy(audio)
    calls: dict[str, Callable[[], object]] = {
        "numpy": lambda: np.fft.rfft(audio),
        "scipy": lambda: scipy.fft.rfft(audio),
        "torch": lambda: torch.fft.rfft(tensor),
    }
    return {
        name: 1e6 * min(_seconds(lambda c=call: [c() for _ in range(10)]) for _ in range(20)) / (10 * batch)
        for name, call in calls.items()
    }


def memory_bandwidth() -> float:
    """Return bytes per second that one core reads and writes when it copies 128 MB, best of 5."""
    source = np.ones(1 << 25, dtype=np.float32)
    target = np.empty_like(source)
    return 2 * source.nbytes / min(_seconds(lambda: np.copyto(target, source)) for _ in range(6))


def as_lines(found: dict[str, Any]) -> list[str]:
    """Return the profile as Markdown."""
    total = sum(found["stages_ms"].values())
    lines = ["| stage of one mix (W, from a pack) | ms | % |", "|---|---:|---:|"]
    for stage, ms in found["stages_ms"].items():
        lines.append(f"| {stage} | {ms:.2f} | {100 * ms / total:.0f} |")
    low = found["floor"]
    rates = ", ".join(f"{name} {us:.1f} µs" for name, us in low["transform_us"].items())
    return [
        *lines,
        f"| all | {total:.2f} | 100 |",
        "",
        f"The floor: a mix needs {low['transforms']:.0f} real Fourier transforms of {low['frame']} samples "
        f"(two in and one back per output frame), which take {low['transforms_ms']:.2f} ms at the speed of "
        f"{low['quickest']}, the quickest library here ({rates} each); and it moves "
        f"{low['megabytes']:.1f} MB, which takes {low['bytes_ms']:.2f} ms at "
        f"{low['memory_gb_per_s']:.1f} GB/s. Together "
        f"{low['floor_ms']:.2f} ms; rendering takes {found['render_ms']:.2f} ms, "
        f"{found['render_ms'] / low['floor_ms']:.1f} times that.",
    ]


def main() -> None:
    """Print the profile."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--catalog", type=Path, help="a catalog to mix from; by default one is made")
    parser.add_argument("--mixes", type=int, default=32, help="mixes to look at")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(Path(folder), options.catalog, options.mixes)
        print("\n".join(as_lines(profile(*open_corpus(settings), settings))))


if __name__ == "__main__":
    main()
