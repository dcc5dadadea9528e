"""Mixes per second in one process on one core: every engine of mixlab and every alternative, in turns."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.alternatives import Alternative, alternatives
from benchmarks.prepared import COPY, FILES, PACK, Copy, Files
from benchmarks.settings import Settings
from benchmarks.workloads import DESCRIPTIONS, NO_EFFECTS, sample_recipes, with_engine, workload
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.pack import PackReader
from mixlab.mixing.dataset import MixDataset
from mixlab.mixing.gpu import prepare_batch, render_batch
from mixlab.mixing.recipe import MixConfig, MixRecipe
from mixlab.mixing.rendering import CatalogReader, Reader, render_mix

Row = dict[str, Any]

ENGINES = ("vocoder", "rubberband", "rubberband_fine")
LONG_S, FEW_ROUNDS = 3.0, 3
"""Ways whose rounds last longer take part in the first few only: their figures hardly scatter."""


@dataclass(frozen=True)
class Bench:
    """What one workload is measured with."""

    catalog: Catalog
    pack: PackReader
    recipes: list[MixRecipe]
    workload: str


def mixlab_methods(bench: Bench) -> list[Alternative]:
    """Return mixlab's own methods: engines, from files and from the pack, bare and through the dataset."""
    files = CatalogReader(bench.catalog)
    engines = ENGINES[:1] if bench.workload == NO_EFFECTS else ENGINES
    methods = []
    for engine in engines:
        suffix = "" if bench.workload == NO_EFFECTS else f", {engine}"
        for source, reader in ((PACK, bench.pack), (FILES, files)):
            methods.append(_method(f"mixlab{suffix}", source, _renderer(bench, engine, reader)))
    for source, reader in ((PACK, bench.pack), (FILES, files)):
        dataset = MixDataset(bench.catalog, workload(bench.workload), reader=reader)
        note = "samples the recipe and makes tensors, as training does; vocoder"
        methods.append(_method("mixlab, dataset items", source, lambda r, d=dataset: d.item(r.index), note))
    note = "all mixes of a round in one batch, by torch on the CPU"
    batch = partial(_render_batch, bench)
    methods.append(
        Alternative("mixlab.mixing.gpu.render_batch", PACK, None, note, ("mixlab",), "mixlab", batch)
    )
    return methods


def _render_batch(bench: Bench, recipes: list[MixRecipe]) -> object:
    return render_batch(prepare_batch(recipes, bench.catalog, bench.pack), "cpu")


def _method(name: str, source: str, task: Callable[[MixRecipe], object], note: str = "") -> Alternative:
    return Alternative(name, source, task, note, ("mixlab",), "mixlab")


def _renderer(bench: Bench, engine: str, reader: Reader) -> Callable[[MixRecipe], object]:
    recipes = {recipe.index: with_engine(recipe, engine) for recipe in bench.recipes}
    return lambda recipe: render_mix(recipes[recipe.index], bench.catalog, reader)


def measure(
    methods: Sequence[Alternative], recipes: Sequence[MixRecipe], rounds: int, shortest_s: float = 0.0
) -> dict[int, list[float]]:
    """Return the rates of each method in mixes per second, a figure per round; they take turns.

    A first round, which does not count, fills caches and compiles.
    """
    measured = [i for i, method in enumerate(methods) if method.task or method.batch]
    first = {i: _rate(methods[i], recipes, 0.0) for i in measured}
    found: dict[int, list[float]] = {i: [] for i in measured}
    for number in range(rounds):
        for i, rates in found.items():
            if number < FEW_ROUNDS or len(recipes) / first[i] <= LONG_S:
                rates.append(_rate(methods[i], recipes, shortest_s))
    return found


def _rate(method: Alternative, recipes: Sequence[MixRecipe], shortest_s: float) -> float:
    begin, made, elapsed = time.perf_counter(), 0, 0.0
    while not made or elapsed < shortest_s:
        if method.batch:
            method.batch(list(recipes))
        elif method.task:
            for recipe in recipes:
                method.task(recipe)
        made += len(recipes)
        elapsed = time.perf_counter() - begin
    return made / elapsed


def bench_mixing(catalog: Catalog, pack: PackReader, settings: Settings) -> list[Row]:
    """Measure every workload; see ``rows_of`` for the rows."""
    rows: list[Row] = []
    files, copy = Files(catalog), Copy(catalog, settings.work / COPY, MixConfig().sample_rate)
    for name in DESCRIPTIONS:
        recipes = sample_recipes(catalog, name, settings.mixes)
        bench = Bench(catalog, pack, recipes, name)
        methods = [*mixlab_methods(bench), *alternatives(files, copy, effects=name != NO_EFFECTS)]
        print(f"Workload {name}: {len(methods)} methods in {settings.rounds} rounds ...", flush=True)
        rows += rows_of(name, methods, measure(methods, recipes, settings.rounds, settings.shortest_s))
    return rows


def rows_of(workload: str, methods: Sequence[Alternative], rates: dict[int, list[float]]) -> list[Row]:
    """Return rows with name, workload, source, group, mixes_per_s (None where unmeasured), spread, note."""
    rows = []
    for i, method in enumerate(methods):
        row: Row = {"name": method.name, "workload": workload, "source": method.source, "group": method.group}
        measured = rates.get(i)
        row["mixes_per_s"] = statistics.median(measured) if measured else None
        row["slowest"] = min(measured) if measured else None
        row["quickest"] = max(measured) if measured else None
        row |= {"workers": 0, "note": method.note, "packages": list(method.packages)}
        rows.append(row)
    return rows
