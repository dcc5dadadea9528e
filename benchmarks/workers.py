"""Mixes per second of the loader with 0, 1, 2, ... worker processes, in steady state."""

import os
import statistics
import time
from typing import Any

from benchmarks.settings import Settings
from benchmarks.workloads import W, workload
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.pack import PackReader
from mixlab.mixing.dataset import MixDataset
from mixlab.mixing.loader import MixLoader
from mixlab.mixing.rendering import CatalogReader, Reader

BATCH = 8
ROUNDS = 3


def bench_workers(catalog: Catalog, pack: PackReader, settings: Settings) -> list[dict[str, Any]]:
    """Measure workload W from the pack and, with fewer mixes, from files; numbers of workers take turns."""
    rows = []
    cores = os.cpu_count() or 1
    files = max(settings.steady_mixes // 4, BATCH)
    for source, reader, mixes in (
        ("pack", pack, settings.steady_mixes),
        ("files", CatalogReader(catalog), files),
    ):
        print(f"Loader with 0 to {cores} workers, {source} ...", flush=True)
        found: dict[int, list[float]] = {workers: [] for workers in range(cores + 1)}
        for _ in range(min(settings.rounds, ROUNDS)):
            for workers, rates in found.items():
                rates.append(steady_rate(catalog, reader, workers, mixes))
        for workers, rates in found.items():
            row = {"name": "mixlab, loader", "workload": W, "source": source, "group": "mixlab"}
            row |= {"mixes_per_s": statistics.median(rates), "workers": workers, "note": "vocoder"}
            rows.append(row | {"slowest": min(rates), "quickest": max(rates), "packages": ["mixlab"]})
    return rows


def steady_rate(catalog: Catalog, reader: Reader, workers: int, mixes: int) -> float:
    """Return mixes per second from when all workers deliver to the end of the epoch.

    Nothing is done with a batch, so none piles up, and a batch arrives when it has been made.
    """
    skipped, counted = 3 * max(workers, 1), -(-mixes // BATCH)
    dataset = MixDataset(
        catalog, workload(W), reader=reader, epoch_size=(skipped + counted) * BATCH, batch_size=BATCH
    )
    loader = MixLoader(dataset, num_workers=workers)
    batches = iter(loader)
    for _ in range(skipped):
        next(batches)
    begin = time.perf_counter()
    made = sum(1 for _ in batches)
    elapsed = time.perf_counter() - begin
    loader.close()
    return made * BATCH / elapsed
