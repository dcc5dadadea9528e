"""What each effect costs, against what one would take instead, and what the presets cost a mix.

An effect changes a source of 4 s at 16 kHz in mono, as in the other parts, in turns with its alternative.
Both do the same kind of work, not the same work: curves, filters and formats differ from library to library.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from benchmarks.alternatives import why_missing
from benchmarks.settings import Settings
from benchmarks.workloads import PAPER, workload
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.pack import PackReader
from mixlab.mixing.effect_presets import PRESETS
from mixlab.mixing.effects import EFFECTS, Effect, find_effect
from mixlab.mixing.rendering import render_mix
from mixlab.mixing.sampler import RecipeSampler
from mixlab.utils.random import open_stream

RATE, SECONDS = 16000, 4.0
VALUES = 8
"""Sampled values of each effect that take part in a round."""

Sound = np.ndarray
Change = Callable[[Sound], object]


@dataclass(frozen=True)
class Instead:
    """What one would take instead of an effect.

    Attributes:
        name: Package and class.
        make: Returns what changes a sound, built with one sample of usual values; given the folder of sounds.
        packages: Distributions that it needs.
    """

    name: str
    make: Callable[[Path], Change]
    packages: tuple[str, ...]

    @property
    def missing(self) -> str:
        """Which package is not installed, and what to do; empty if none."""
        return why_missing(self.packages)


def _pedalboard(kind: str, **values: Any) -> Instead:  # noqa: ANN401 - of a library without types
    def make(folder: Path) -> Change:
        import pedalboard

        unit = getattr(pedalboard, kind)(**values)
        return lambda sound: unit(sound, float(RATE))

    return Instead(f"pedalboard.{kind}", make, ("pedalboard",))


def _audiomentations(kind: str, *needs: str, **values: Any) -> Instead:  # noqa: ANN401 - as above
    def make(folder: Path) -> Change:
        import audiomentations

        settings = {name: folder if value is Path else value for name, value in values.items()}
        transform = getattr(audiomentations, kind)(p=1.0, **settings)
        return lambda sound: transform(sound[0], RATE)

    return Instead(f"audiomentations.{kind}", make, ("audiomentations", *needs))


INSTEAD: Mapping[str, Instead] = {
    "eq_curve": _audiomentations("SevenBandParametricEQ"),
    "compressor": _pedalboard("Compressor", threshold_db=-20.0, ratio=4.0),
    "limiter": _pedalboard("Limiter", threshold_db=-10.0),
    "saturation": _pedalboard("Distortion", drive_db=12.0),
    "convolution": _audiomentations("ApplyImpulseResponse", ir_path=Path),
    "room": _audiomentations("RoomSimulator", "pyroomacoustics"),
    "noise": _audiomentations("AddGaussianSNR"),
    "background": _audiomentations("AddBackgroundNoise", sounds_path=Path),
    "band_limit": _audiomentations("BandPassFilter"),
    "telephone": _pedalboard("GSMFullRateCompressor"),
    "codec": _audiomentations("Mp3Compression", "fast-mp3-augment", backend="fast-mp3-augment"),
}
"""Alternatives by effect; an effect without one is only timed."""


def _ms(change: Change, sound: Sound) -> float:
    begin = time.perf_counter()
    change(sound)
    return 1e3 * (time.perf_counter() - begin)


def _settings_of(name: str, folder: Path) -> dict[str, Any]:
    if name == "codec":
        return {"codecs": ["mp3"]}
    return {"folder": str(folder)} if name in ("convolution", "background") else {}


def _samples(name: str, folder: Path) -> list[Effect]:
    kind: Any = find_effect(name)
    return [kind.sample(open_stream(0, 0, n, name), **_settings_of(name, folder)) for n in range(VALUES)]


def _write_sounds(folder: Path) -> None:
    """Write one impulse response, which serves as a background as well."""
    folder.mkdir(parents=True, exist_ok=True)
    response = np.random.default_rng(0).standard_normal(RATE) * np.exp(-np.arange(RATE) / 2000.0)
    soundfile.write(folder / "room.wav", (0.2 * response).astype(np.float32), RATE)


def bench_effects(catalog: Catalog, pack: PackReader, settings: Settings) -> dict[str, Any]:
    """Measure every effect and every preset.

    Returns:
        ``effects``: rows with name, ms (median of a source's), instead (name), instead_ms; ``presets``: rows
        with name and mixes_per_s.
    """
    print(f"Effects: {len(EFFECTS)} in {settings.rounds} rounds ...", flush=True)
    folder = settings.work / "sounds"
    _write_sounds(folder)
    sound = (0.1 * np.random.default_rng(1).standard_normal((1, round(SECONDS * RATE)))).astype(np.float32)
    for other in INSTEAD.values():
        if other.missing:
            print(f"NOTICE: without figures here: {other.name}: {other.missing}", flush=True)
    rows = [measure_effect(name, folder, sound, settings.rounds) for name in EFFECTS]
    return {"effects": rows, "presets": _measure_presets(catalog, pack, settings)}


def measure_effect(name: str, folder: Path, sound: Sound, rounds: int) -> dict[str, Any]:
    effects, other = _samples(name, folder), INSTEAD.get(name)
    change = None if other is None or other.missing else other.make(folder)
    own, others = [], []
    for number in range(rounds + 1):  # the first one, which does not count, fills caches and compiles
        found = [_ms(lambda audio, e=effect: e.apply(audio, RATE), sound) for effect in effects]
        found_others = [_ms(change, sound) for _ in effects] if change else []
        if number:
            own += found
            others += found_others
    return {
        "name": name,
        "ms": statistics.median(own),
        "instead": other.name if other else "",
        "instead_ms": statistics.median(others) if others else None,
    }


def _measure_presets(catalog: Catalog, pack: PackReader, settings: Settings) -> list[dict[str, Any]]:
    base = workload(PAPER)
    recipes = {}
    for preset in PRESETS:
        sampler = RecipeSampler(catalog, replace(base, effects=replace(base.effects, preset=preset)))
        recipes[preset] = [sampler.sample(0, 0, index) for index in range(settings.mixes)]
    rates: dict[str, list[float]] = {preset: [] for preset in recipes}
    for number in range(settings.rounds + 1):
        for preset, own in recipes.items():
            begin = time.perf_counter()
            for recipe in own:
                render_mix(recipe, catalog, pack)
            if number:
                rates[preset].append(len(own) / (time.perf_counter() - begin))
    return [{"name": preset, "mixes_per_s": statistics.median(found)} for preset, found in rates.items()]
