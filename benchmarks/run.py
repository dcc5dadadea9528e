"""Measure mixing and indexing against the obvious ways, in one process, and write a table.

``make bench`` runs it. All rates are of one process on one core, medians over rounds in which the
alternatives take turns, so that a machine that drifts drifts for all of them. What counts are the
ratios.
"""

import argparse
import json
import math
import os
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from importlib.metadata import version
from pathlib import Path

# One core, whatever the libraries would like; they read this when they are imported, so imports follow.
# ruff: noqa: E402
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np
import soundfile
import soxr

from mixlab.activity import measure
from mixlab.catalog import Catalog
from mixlab.demo import make_demo_corpora
from mixlab.drawing import Drawer
from mixlab.effects import EffectsConfig, PitchShift, TimeStretch
from mixlab.indexing import build_catalog
from mixlab.pack import Pack, PackReader, pack_catalog
from mixlab.recipes import MixConfig, MixRecipe
from mixlab.rendering import CatalogReader, Reader, render

RESULTS = Path(__file__).parent / "results"

Task = Callable[[MixRecipe], object]


def workloads() -> dict[str, MixConfig]:
    """The configurations measured, by name."""
    heavy = MixConfig(p_musical=0.0, p_single_source=0.0, min_sources=4, max_sources=4)
    return {
        "paper": MixConfig(),
        "W": heavy,
        "no effects": replace(heavy, effects=EffectsConfig.none()),
    }


DESCRIPTIONS = {
    "paper": "the defaults: p_musical 0.4, 1 to 5 sources of 4 s, all four effects with p = 0.5",
    "W": "non-musical, 4 sources of 4 s; gain, a filter, pitch +-2 semitones, stretch 0.8-1.25, each p = 0.5",
    "no effects": "non-musical, 4 sources of 4 s, decoded, resampled and summed",
}


def obvious(catalog: Catalog, recipe: MixRecipe) -> np.ndarray:
    """The paper's steps as one would write them: each effect in its order, at the file's own rate.

    Reads only the span that is needed, so it is not made slower than it has to be.
    """
    import pyrubberband

    mixture = np.zeros(recipe.render.samples, dtype=np.float32)
    for source in recipe.sources:
        stem = catalog.find(source.stem)
        rate = int(catalog.column("sample_rate")[stem])
        speed = math.prod(effect.rate for effect in source.effects if isinstance(effect, TimeStretch))
        frames = math.ceil(recipe.render.duration_s * speed * rate)
        start = round(source.start_s * rate)
        audio, _ = soundfile.read(
            catalog.audio_path(stem), start=start, frames=frames, always_2d=True, dtype="float32"
        )
        audio = audio.mean(axis=1)
        for effect in source.effects:
            if isinstance(effect, PitchShift):
                audio = pyrubberband.pitch_shift(audio, rate, effect.semitones)
            elif isinstance(effect, TimeStretch):
                audio = pyrubberband.time_stretch(audio, rate, effect.rate)
            else:
                audio = effect.apply(np.ascontiguousarray(audio, dtype=np.float32)[None], rate)[0]
        audio = soxr.resample(audio, rate, recipe.render.sample_rate)[: len(mixture)]
        mixture[: len(audio)] += audio * np.float32(10 ** (source.level_db / 20))
    return mixture


def decode_only(catalog: Catalog, recipe: MixRecipe) -> None:
    """Read the spans of a recipe and nothing else."""
    for source in recipe.sources:
        stem = catalog.find(source.stem)
        rate = int(catalog.column("sample_rate")[stem])
        soundfile.read(
            catalog.audio_path(stem),
            start=round(source.start_s * rate),
            frames=round(recipe.render.duration_s * rate),
        )


def rates(alternatives: dict[str, Task], recipes: Sequence[MixRecipe], rounds: int) -> dict[str, float]:
    """Return the median rate of each alternative in mixes per second; they take turns."""
    found: dict[str, list[float]] = {name: [] for name in alternatives}
    for task in alternatives.values():
        task(recipes[0])
    for _ in range(rounds):
        for name, task in alternatives.items():
            begin = time.perf_counter()
            for recipe in recipes:
                task(recipe)
            found[name].append(len(recipes) / (time.perf_counter() - begin))
    return {name: statistics.median(values) for name, values in found.items()}


OBVIOUS = "obvious way, pyrubberband at the files' rate"
DECODING = "only decoding the same spans"


def alternatives(catalog: Catalog, pack: PackReader, recipes: Sequence[MixRecipe]) -> dict[str, Task]:
    """Return the ways to make these mixes, by name; engines only where there is something for them to do."""
    files = CatalogReader(catalog)
    effects = [effect for recipe in recipes for source in recipe.sources for effect in source.effects]
    stretches = any(isinstance(effect, PitchShift | TimeStretch) for effect in effects)

    def with_engine(engine: str, reader: Reader) -> Task:
        others = {r.index: replace(r, render=replace(r.render, engine=engine)) for r in recipes}
        return lambda recipe: render(others[recipe.index], catalog, reader)

    engines = ("rubberband", "vocoder", "rubberband_fine") if stretches else ("rubberband",)
    ways = {f"mixlab{f', {name}' if stretches else ''}": with_engine(name, files) for name in engines}
    ways[f"mixlab{', vocoder' if stretches else ''}, from a pack"] = with_engine(
        "vocoder" if stretches else "rubberband", pack
    )
    if stretches and shutil.which("rubberband"):
        ways[OBVIOUS] = lambda recipe: obvious(catalog, recipe)
    ways[DECODING] = lambda recipe: decode_only(catalog, recipe)
    return ways


def bench_mixing(catalog: Catalog, pack: PackReader, mixes: int, rounds: int) -> list[dict[str, object]]:
    """Measure every workload; rows with name, workload, source, mixes_per_s and the ratio to a base."""
    rows: list[dict[str, object]] = []
    for workload, config in workloads().items():
        drawer = Drawer(catalog, config)
        recipes = [drawer.draw(0, 0, index) for index in range(mixes)]
        measured = rates(alternatives(catalog, pack, recipes), recipes, rounds)
        base = OBVIOUS if OBVIOUS in measured else DECODING
        for name, rate in measured.items():
            source = "pack" if "pack" in name else "files"
            row = {"name": name, "workload": workload, "source": source, "mixes_per_s": rate}
            rows.append(row | {"base": base, "times_base": rate / measured[base]})
    return rows


def bench_drawing(catalog: Catalog, count: int = 2000) -> float:
    """Return milliseconds per drawn recipe."""
    drawer = Drawer(catalog, MixConfig())
    begin = time.perf_counter()
    for index in range(count):
        drawer.draw(0, 0, index)
    return (time.perf_counter() - begin) / count * 1000


def bench_indexing(catalog: Catalog, rounds: int) -> dict[str, float]:
    """Compare measuring stems, as indexing does, with only decoding the same files."""
    usable = np.flatnonzero(catalog.column("drawable"))[:60]
    paths = [catalog.audio_path(int(i)) for i in usable]
    seconds = float(catalog.column("duration_s")[usable].sum())
    measure(paths[0])
    measuring, decoding = [], []
    for _ in range(rounds):
        begin = time.perf_counter()
        for path in paths:
            measure(path)
        middle = time.perf_counter()
        for path in paths:
            soundfile.read(path, dtype="float32")
        measuring.append(middle - begin)
        decoding.append(time.perf_counter() - middle)
    measured_s, decoded_s = statistics.median(measuring), statistics.median(decoding)
    return {
        "audio_s": seconds,
        "index_x_realtime": seconds / measured_s,
        "decode_x_realtime": seconds / decoded_s,
        "index_time_over_decode_time": measured_s / decoded_s,
    }


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    packages = ("numpy", "soundfile", "soxr", "pedalboard", "pyrubberband", "numba")
    cpu = next(
        (line.split(":")[1].strip() for line in _cpu_lines() if line.startswith("model name")),
        platform.processor(),
    )
    return {
        "date": date.today().isoformat(),
        "processor": cpu,
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.is_file() else []


def as_markdown(result: dict[str, object]) -> str:
    """Return the tables for the documentation."""
    rows, indexing, where = result["rows"], result["indexing"], result["machine"]
    assert isinstance(rows, list)
    assert isinstance(indexing, dict)
    assert isinstance(where, dict)
    lines = [
        f"Measured on {where['date']}, one process on one core ({where['processor']}), medians of "
        f"{result['rounds']} rounds over {result['mixes']} mixes, from the demo corpora's WAV and FLAC.",
        "",
        "| workload | way | mixes per second | times the obvious way |",
        "|---|---|---:|---:|",
    ]
    for row in rows:
        ratio = f"{row['times_base']:.1f}" + (" (of decoding)" if row["base"] == DECODING else "")
        lines.append(f"| {row['workload']} | {row['name']} | {row['mixes_per_s']:.1f} | {ratio} |")
    lines += ["", *(f"- **{name}**: {text}." for name, text in DESCRIPTIONS.items()), ""]
    lines.append(
        f"Drawing a recipe takes {result['draw_ms']:.2f} ms. Indexing measures "
        f"{indexing['index_x_realtime']:.0f} seconds of audio per second; only decoding the same files, "
        f"{indexing['decode_x_realtime']:.0f}: indexing takes "
        f"{indexing['index_time_over_decode_time']:.2f} times as long as decoding."
    )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run everything and write ``latest.json`` and ``latest.md``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--catalog", type=Path, help="a catalog to mix from; by default demo corpora are made"
    )
    parser.add_argument("--mixes", type=int, default=8, help="mixes per round")
    parser.add_argument("--rounds", type=int, default=3, help="rounds; the median counts")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for latest.json and latest.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = options.catalog or _demo_catalog(Path(folder))
        catalog = Catalog.open(place)
        pack_catalog(catalog, Path(folder) / "pack")
        pack = PackReader(catalog, Pack(Path(folder) / "pack"))
        result: dict[str, object] = {
            "machine": machine(),
            "mixes": options.mixes,
            "rounds": options.rounds,
            "rows": bench_mixing(catalog, pack, options.mixes, options.rounds),
            "draw_ms": bench_drawing(catalog),
            "indexing": bench_indexing(catalog, options.rounds),
        }
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "latest.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    text = as_markdown(result)
    (options.out / "latest.md").write_text(text, encoding="utf-8")
    print(text)
    print(f"Written to {options.out}")


def _demo_catalog(folder: Path) -> Path:
    print("Making demo corpora to measure on ...", flush=True)
    make_demo_corpora(folder / "corpora")
    roots = {
        "medleydb": folder / "corpora" / "medleydb",
        "mixing_secrets": folder / "corpora" / "mixing_secrets",
        "slakh": folder / "corpora" / "slakh2100_flac_redux",
    }
    build_catalog(folder / "catalog", roots)
    return folder / "catalog"


if __name__ == "__main__":
    main()
