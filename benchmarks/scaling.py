"""What grows with the size of a collection and with workers, and how fast.

    python -m benchmarks.scaling [--quick] [--out FOLDER]

Catalogs of 100 to 100,000 stems are made without audio (``benchmarks.big``) and opened, sampled from and
shared by two worker processes, each size in a process of its own. Indexing is timed on as many small WAV
files. Then come mixes per second against loader workers, and exports against worker processes and against
nodes of a ray cluster. ``benchmarks.scaling_report`` writes tables and picture of ``docs/scaling.md``.
"""

from benchmarks import one_core  # noqa: F401 - before numpy

# isort: split
import argparse
import csv
import json
import multiprocessing
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from benchmarks.big import NODES, STEMS_PER_SONG, Silence, make_big_catalog
from benchmarks.corpus import open_corpus
from benchmarks.machine import describe_machine
from benchmarks.scaling_report import FOLDER, write
from benchmarks.settings import Settings
from benchmarks.workers import steady_rate
from benchmarks.workloads import W, workload
from mixlab.catalog.build import build_catalog
from mixlab.catalog.catalog import Catalog
from mixlab.mixing.config import MixConfig
from mixlab.mixing.dataset import MixDataset
from mixlab.mixing.rendering import CatalogReader
from mixlab.mixing.sampler import RecipeSampler
from mixlab.sharing.exporting import ExportSettings, export_items
from mixlab.sharing.item_sources import StreamItems

Row = dict[str, Any]

SMALL_RATE, SMALL_SECONDS = 8000, 0.5
"""The files that are indexed."""

SHARED_BY = 2
"""Worker processes whose memory is looked at."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        stems: Sizes of the catalogs that are opened.
        indexed: Sizes of the collections that are indexed.
        recipes: Sampled per round and size.
        rounds: Of which the median counts.
        mixes: Per number of loader workers, from a pack; from files a quarter.
        items: Exported per number of workers.
        songs: Of the corpus that is mixed.
        seconds: Their length.
    """

    stems: tuple[int, ...] = (100, 1000, 10_000, 100_000)
    indexed: tuple[int, ...] = (100, 1000, 10_000, 100_000)
    recipes: int = 2000
    rounds: int = 5
    mixes: int = 800
    items: int = 1536
    songs: int = 14
    seconds: float = 75.0

    @classmethod
    def quick(cls) -> "Sizes":
        """Return sizes under which every part runs and no figure means anything."""
        return cls((50, 100), (20, 40), 20, 1, 16, 8, 9, 10.0)


# Clocks.


@dataclass
class Spent:
    """Time that something took: on the clock, and of processors, its finished children included."""

    wall_s: float = 0.0
    cpu_s: float = 0.0


@contextmanager
def clock() -> Iterator[Spent]:
    """Time what is done inside."""
    spent, begin, busy = Spent(), time.perf_counter(), _cpu_s()
    yield spent
    spent.wall_s, spent.cpu_s = time.perf_counter() - begin, _cpu_s() - busy


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _median(action: Callable[[], object], rounds: int) -> Spent:
    """Return the median times of an action, after one that does not count."""
    found = []
    for _ in range(rounds + 1):
        with clock() as spent:
            action()
        found.append(spent)
    return Spent(
        *(statistics.median(getattr(one, name) for one in found[1:]) for name in ("wall_s", "cpu_s"))
    )


# Catalogs.


def measure_catalog(folder: Path, sizes: Sizes) -> Row:
    """Return what opening a catalog, sampling from it and sharing it cost; in a process with nothing else."""
    catalog = Catalog.open(folder)
    opened = _median(lambda: Catalog.open(folder), sizes.rounds)
    ready = _median(lambda: MixDataset(Catalog.open(folder), MixConfig(), reader=Silence()), sizes.rounds)
    sampler = RecipeSampler(catalog, MixConfig())
    at = iter(range(1 << 30))
    sampled = _median(lambda: [sampler.sample(0, 0, next(at)) for _ in range(sizes.recipes)], sizes.rounds)
    shared = shared_memory(catalog)
    bytes_ = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    return {
        "stems": len(catalog),
        "megabytes": bytes_ / 1e6,
        "open_ms": 1000 * opened.wall_s,
        "open_cpu_ms": 1000 * opened.cpu_s,
        "ready_ms": 1000 * ready.wall_s,
        "ready_cpu_ms": 1000 * ready.cpu_s,
        "recipe_ms": 1000 * sampled.wall_s / sizes.recipes,
        "recipe_cpu_ms": 1000 * sampled.cpu_s / sizes.recipes,
        **shared,
    }


def shared_memory(catalog: Catalog) -> Row:
    """Return what each of two workers takes after 200 items, in MB: its share of all, and for itself."""
    if not Path("/proc/self/smaps_rollup").is_file():
        return {"worker_pss_mb": None, "worker_private_mb": None}
    dataset = MixDataset(catalog, MixConfig(duration_s=0.5), reader=Silence())
    context = multiprocessing.get_context()
    barrier = context.Barrier(SHARED_BY)
    pipes = [context.Pipe(duplex=False) for _ in range(SHARED_BY)]
    workers = [context.Process(target=_report_memory, args=(dataset, sender, barrier)) for _, sender in pipes]
    for worker in workers:
        worker.start()
    for _, sender in pipes:
        sender.close()  # so that a worker that dies ends the wait
    found = [receiver.recv() for receiver, _ in pipes]
    for worker in workers:
        worker.join()
    pss, private = (statistics.fmean(one[k] for one in found) for k in (0, 1))
    return {"worker_pss_mb": pss, "worker_private_mb": private}


def _report_memory(dataset: MixDataset, sender: Connection, barrier: Barrier) -> None:
    for index in range(200):
        dataset.item(index)
    barrier.wait()
    text = Path("/proc/self/smaps_rollup").read_text()
    sender.send(
        [int(re.findall(rf"^{name}:\s+(\d+) kB", text, re.M)[0]) / 1024 for name in ("Pss", "Private_Dirty")]
    )
    barrier.wait()  # while both are alive


# Indexing.


def measure_indexing(stems: int, work: Path) -> Row:
    """Return what indexing small files costs, and indexing them again when nothing has changed."""
    root = work / f"small-{stems}"
    write_small_files(root, stems)
    names = {"folder": root / "nodes.csv"}

    def index() -> None:
        build_catalog(
            work / f"catalog-{stems}",
            {"folder": root},
            labels_extra=names,
            workers=os.cpu_count(),
            progress=False,
        )

    with clock() as first:
        index()
    with clock() as again:
        index()
    found = len(Catalog.open(work / f"catalog-{stems}"))
    shutil.rmtree(root)
    shutil.rmtree(work / f"catalog-{stems}")
    return {
        "stems": found,
        "index_s": first.wall_s,
        "index_cpu_s": first.cpu_s,
        "again_s": again.wall_s,
        "again_cpu_s": again.cpu_s,
    }


def write_small_files(root: Path, stems: int) -> None:
    """Write a collection of small WAV files, each another, in songs of ten stems, two songs an artist."""
    rng = np.random.default_rng(stems)
    rows = []
    for i in range(stems):
        node = NODES[i % STEMS_PER_SONG]
        number = i // STEMS_PER_SONG
        name = f"artist {number // 2} - song {number}/{node}.wav"
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        audio = rng.integers(-8000, 8000, int(SMALL_RATE * SMALL_SECONDS), np.int16)
        soundfile.write(path, audio, SMALL_RATE, subtype="PCM_16")
        rows.append((name, node, f"artist {number // 2}"))
    _write_csv(root / "stems.csv", [("file", "label", "artist"), *rows])
    nodes = [(node, node, "", "") for node in NODES[:STEMS_PER_SONG]]
    _write_csv(root / "nodes.csv", [("label", "nodes", "ignored", "note"), *nodes])


def _write_csv(path: Path, rows: list[tuple[str, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


# Workers, processes and nodes.


def measure_workers(settings: Settings, sizes: Sizes) -> list[Row]:
    """Return mixes per second of workload W with 0, 1, 2, ... loader workers, which take turns."""
    catalog, pack = open_corpus(settings)
    files = CatalogReader(catalog)
    rows = []
    for source, reader, mixes in (("pack", pack, sizes.mixes), ("files", files, max(sizes.mixes // 4, 8))):
        found: dict[int, list[float]] = {workers: [] for workers in range((os.cpu_count() or 1) + 1)}
        for _ in range(min(sizes.rounds, 3)):
            for workers, rates in found.items():
                rates.append(steady_rate(catalog, reader, workers, mixes))
        rows += [
            {
                "source": source,
                "workers": workers,
                "mixes_per_s": statistics.median(rates),
                "quickest": max(rates),
            }
            for workers, rates in found.items()
        ]
    return rows


def measure_export(catalog: Path, items: int, processes: int, nodes: int) -> Row:
    """Return what an export costs with worker processes, or on a ray cluster of nodes with one each."""
    engine = "ray" if nodes else "local"
    row: Row = {"engine": engine, "processes": processes, "items": items}
    with tempfile.TemporaryDirectory() as folder:
        source = StreamItems(Catalog.open(catalog), "auto", workload(W), "train", 0, 0)
        export_settings = ExportSettings("webdataset", shard_items=max(items // 16, 1))

        def run(out: str) -> Spent:
            with clock() as spent:
                export_items(
                    source,
                    Path(folder) / out,
                    export_settings,
                    items,
                    workers=processes,
                    engine="ray" if nodes else "local",
                    progress=False,
                )
            return spent

        if not nodes:
            spent = run("out")
            return row | {"wall_s": spent.wall_s, "cpu_s": spent.cpu_s}
        with cluster(nodes):
            run("warm")  # the first tasks wait for ray's worker processes to start
            return row | {"wall_s": run("out").wall_s, "cpu_s": None}


@contextmanager
def cluster(nodes: int) -> Iterator[None]:
    """Run a ray cluster of nodes with a processor each on this machine, and connect to it."""
    import ray
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        for _ in range(nodes - 1):
            made.add_node(num_cpus=1)
        ray.init(address=made.address, logging_level="error", log_to_driver=False)
        yield
    finally:
        ray.shutdown()
        made.shutdown()


# All of them.


def _apart(*arguments: str) -> Row:
    """Measure something in a process of its own, which prints its row as its last line."""
    with tempfile.TemporaryDirectory(prefix="ray") as folder:
        given = {"RAY_TMPDIR": folder, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.scaling", *arguments],
            env={**os.environ, **given},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    row: Row = json.loads(done.stdout.splitlines()[-1])
    return row


def measure(sizes: Sizes, work: Path, quick: list[str]) -> Row:
    """Measure everything."""
    machine = describe_machine()
    settings = replace(Settings(work), songs=sizes.songs, seconds=sizes.seconds)
    print("Compiling ...", flush=True)
    _apart("--catalog", str(make_big_catalog(sizes.stems[0])), "--quick")
    measure_indexing(STEMS_PER_SONG, work)
    catalogs = []
    for stems in sizes.stems:
        folder = make_big_catalog(stems)
        print(f"Catalog of {stems} stems ...", flush=True)
        catalogs.append(_apart("--catalog", str(folder), *quick))
    indexing = []
    for stems in sizes.indexed:
        print(f"Indexing {stems} small files ...", flush=True)
        indexing.append(measure_indexing(stems, work))
    print("Loader workers ...", flush=True)
    workers = measure_workers(settings, sizes)
    corpus = open_corpus(settings)[0].path
    print("Export ...", flush=True)
    cores = os.cpu_count() or 1
    plans = [(processes, 0) for processes in range(1, cores + 1)]
    plans += [(nodes, nodes) for nodes in range(1, cores + 1)] if find_spec("ray") else []
    exports = [
        _apart("--export", str(corpus), str(sizes.items), str(processes), str(nodes))
        for processes, nodes in plans
    ]
    machine["load_after"] = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    return {
        "machine": machine,
        "catalogs": catalogs,
        "indexing": indexing,
        "workers": workers,
        "exports": exports,
    }


def main() -> None:
    """Measure, and write results, tables and the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="benchmarks.scaling"
    )
    parser.add_argument("--quick", action="store_true", help="only see that every part works")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for the results")
    parser.add_argument("--catalog", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--export", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    sizes = Sizes.quick() if given.quick else Sizes()
    if given.catalog:
        print(json.dumps(measure_catalog(given.catalog, sizes)))
    elif given.export:
        folder, *numbers = given.export
        print(json.dumps(measure_export(Path(folder), *map(int, numbers))))
    else:
        if given.quick and given.out == FOLDER:
            parser.error("--quick measures nothing that is worth keeping: give another folder with --out.")
        with tempfile.TemporaryDirectory() as work:
            write(measure(sizes, Path(work), ["--quick"] if given.quick else []), given.out)


if __name__ == "__main__":
    main()
