"""Measure how fast mixes are made, against what one would write or take instead, and write tables and a plot.

    make bench                                  # everything, a quarter of an hour
    make bench ARGS="--only mixing --out FOLDER"  # mixing workers training big indexing effects profile
    make bench ARGS="--quick --out FOLDER"      # every part in a minute or two; figures mean nothing

All rates are of one process on one core, medians over rounds in which the methods take turns, so that a
machine that drifts drifts for all of them. What counts are the ratios.
"""

from benchmarks import one_core  # noqa: F401 - before numpy

# isort: split
import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.alternatives import missing
from benchmarks.big import bench_big
from benchmarks.corpus import describe, open_corpus
from benchmarks.effects import bench_effects
from benchmarks.indexing import bench_indexing
from benchmarks.machine import describe_machine
from benchmarks.mixing import bench_mixing
from benchmarks.profile import profile
from benchmarks.report import RESULTS, write
from benchmarks.settings import Settings
from benchmarks.training import bench_training
from benchmarks.workers import bench_workers

PARTS = ("mixing", "workers", "training", "big", "indexing", "effects", "profile")


def measure(settings: Settings, parts: list[str]) -> dict[str, Any]:
    """Run the parts, and return their results with machine, versions and targets."""
    result: dict[str, Any] = {"machine": describe_machine(), "parts": parts}
    catalog, pack = open_corpus(settings)
    result |= {"corpus": describe(catalog), "mixes": settings.mixes, "rounds": settings.rounds, "rows": []}
    seconds = {}
    for part in parts:
        begin = time.perf_counter()
        if part == "mixing":
            result["rows"] += bench_mixing(catalog, pack, settings)
        elif part == "workers":
            result["rows"] += bench_workers(catalog, pack, settings)
        elif part == "training":
            result["training"] = bench_training(catalog, pack, settings)
        elif part == "big":
            result["big"] = bench_big(catalog, settings)
        elif part == "indexing":
            result["indexing"] = bench_indexing(catalog, settings)
        elif part == "effects":
            result["effects"] = bench_effects(catalog, pack, settings)
        else:
            result["profile"] = profile(catalog, pack, settings)
        seconds[part] = round(time.perf_counter() - begin, 1)
    return result | {"seconds": seconds}


def main() -> None:
    """Read the options, measure, and write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="benchmarks.run"
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="parts to run")
    parser.add_argument("--catalog", type=Path, help="a catalog to mix from; by default a corpus is made")
    parser.add_argument("--mixes", type=int, help="mixes per round")
    parser.add_argument("--rounds", type=int, help="rounds; the median counts")
    parser.add_argument("--out", type=Path, help="folder of latest.json, .md and .svg")
    parser.add_argument("--quick", action="store_true", help="only see that every part works")
    options = parser.parse_args()
    whole = len(set(options.only)) == len(PARTS) and not options.quick and options.catalog is None
    if options.out is None and not whole:
        parser.error(
            f"only a whole run goes to {RESULTS}: with --only, --quick or --catalog say --out FOLDER"
        )
    out = options.out or RESULTS
    if "mixing" in options.only:
        print("".join(f"NOTICE: without figures here: {line}\n" for line in missing()), end="", flush=True)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        settings = Settings.quick(work) if options.quick else Settings(work)
        given = {name: getattr(options, name) for name in ("catalog", "mixes", "rounds")}
        settings = replace(settings, **{name: value for name, value in given.items() if value is not None})
        result = measure(settings, [part for part in PARTS if part in options.only])
        text = write({**result, "quick": options.quick}, out)
    print(f"\n{text}\nWritten to {out}: {', '.join(sorted(path.name for path in out.glob('latest.*')))}")


if __name__ == "__main__":
    main()
