"""What it costs when a catalog is big: 25,000 stems of 4 minutes, without any audio behind them."""

import multiprocessing
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.settings import Settings
from mixlab.audio.io import FloatArray
from mixlab.audio.tempo_key import Key, regular_beats
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.song_table import SongFacts, SongTable
from mixlab.catalog.storage import SCHEMA, SCHEMA_VERSION, write_catalog
from mixlab.mixing.config import MixConfig
from mixlab.mixing.dataset import MixDataset
from mixlab.mixing.sampler import RecipeSampler

STEMS_PER_SONG = 10
SECONDS = 240
NODES = (
    "drums",
    "electric-bass",
    "piano",
    "male-singer",
    "electric-guitar",
    "violin",
    "trumpet",
    "flute",
    "cello",
    "synth-lead",
    "acoustic-guitar",
    "clarinet",
    "tenor-saxophone",
    "organ",
    "double-bass",
    "female-singer",
    "trombone",
    "viola",
)


class Silence:
    """A reader for a catalog without audio."""

    def read(self, stem: int, start_s: float, samples: int, sample_rate: int, channels: int) -> FloatArray:
        return np.zeros((channels, samples), dtype=np.float32)

    def read_into(self, out: FloatArray, stem: int, start_s: float, sample_rate: int, gain: float) -> None:
        out.fill(0)


def make_big_catalog(stems: int) -> Path:
    """Write a catalog of three corpora whose stems play and rest like those of songs; kept between runs."""
    folder = Path(tempfile.gettempdir()) / f"mixlab-benchmark-big-{stems}-{SCHEMA_VERSION}"
    if (folder / "catalog.json").is_file():
        return folder
    print(f"Making a catalog of {stems} stems in {folder} (once) ...", flush=True)
    rng = np.random.default_rng(0)
    hops = SECONDS * 10
    envelopes = []
    for _ in range(stems):
        plays = np.repeat(rng.random(hops // 50) < 0.6, 50)
        envelopes.append(np.where(plays, rng.uniform(-40, -10, hops), -90.0).astype(np.float16))
    nodes = [NODES[i] for i in rng.integers(len(NODES), size=stems)]
    rows = [
        _row(i, node, float(np.sum(e >= -50) / 10))
        for i, (node, e) in enumerate(zip(nodes, envelopes, strict=True))
    ]
    written = [f.name for f in SCHEMA if f.name not in ("hop_offset", "n_hops", "active_offset")]
    columns = {name: [row[name] for row in rows] for name in written}
    roots = {name: folder / name for name in ("medleydb", "mixing_secrets", "slakh")}
    write_catalog(folder, columns, envelopes, (), roots=roots, split=("artist", 0), measure_version=1)
    return folder


def _row(i: int, node: str, active_s: float) -> dict[str, Any]:
    number = i // STEMS_PER_SONG
    corpus = ("slakh", "slakh", "slakh", "medleydb", "mixing_secrets")[number % 5]
    song, stem = f"song{number:05d}", f"S{i % STEMS_PER_SONG:02d}"
    rate = 44100
    return {
        "key": f"{corpus}/{song}/{stem}",
        "corpus": corpus,
        "song": song,
        "stem": stem,
        "part": node,
        "path": f"{song}/{stem}.flac",
        "labels": (node,),
        "nodes": (node,),
        "ignored": "",
        "family": "",
        "artist": f"artist {number // 2}",
        "title": song,
        "album": "",
        "genre": "",
        "corpus_split": "",
        "split": ("train", "train", "train", "validation", "test")[number // 5 % 5],
        "groups": (f"artist {number // 2}",),
        "bleed": False,
        "bleed_nodes": (),
        "gain": 1.0,
        "offset_s": 0.0,
        "licence": "",
        "sample_rate": rate,
        "frames": SECONDS * rate,
        "channels": 1,
        "duration_s": float(SECONDS),
        "loudness_lufs": -23.0,
        "peak_db": -3.0,
        "audio_hash": f"{i:016x}",
        "time_reference": -1,
        "active_s": active_s,
        "problems": (),
        "size": 10_000_000,
        "mtime_ns": 0,
        "drawable": active_s > 0,
    }


def write_big_songs(catalog: Catalog) -> None:
    """Write tempo, beats and key of every song, as ``mixlab analyse`` would: tempos and keys of all kinds."""
    rng = np.random.default_rng(1)
    facts = {}
    for song in sorted(set(zip(catalog.column("corpus"), catalog.column("song"), strict=True))):
        tempo = float(np.clip(rng.lognormal(np.log(115), 0.25), 60, 200))
        key = Key(int(rng.integers(12)), ("major", "minor")[int(rng.integers(2))], 0.9)
        facts[song] = SongFacts(regular_beats(tempo, float(rng.uniform(0, 0.5)), SECONDS, 0.9), key)
    SongTable(facts, catalog.base_hash).save(catalog.path)
    catalog.derived.clear()


def _ms(action: Callable[[], object], rounds: int = 5) -> float:
    """Return the median time of an action in milliseconds, after one that does not count."""
    times = []
    for _ in range(rounds + 1):
        begin = time.perf_counter()
        action()
        times.append(1000 * (time.perf_counter() - begin))
    return statistics.median(times[1:])


def bench_big(small: Catalog, settings: Settings) -> dict[str, Any]:
    """Compare opening, sampling and memory per worker of a big catalog with those of a small one."""
    folder = make_big_catalog(settings.big_stems)
    print("Opening and sampling from it ...", flush=True)
    catalogs = {"big": Catalog.open(folder), "small": small}
    result: dict[str, Any] = {
        "stems": {name: len(catalog) for name, catalog in catalogs.items()},
        "open_ms": {name: _ms(lambda c=c: Catalog.open(c.path)) for name, c in catalogs.items()},
        "ready_ms": {
            name: _ms(lambda c=c: MixDataset(Catalog.open(c.path), MixConfig(), reader=Silence()))
            for name, c in catalogs.items()
        },
        "sample_ms": _sample_ms(catalogs, settings.n_recipes),
    }
    write_big_songs(catalogs["big"])
    matched = MixConfig(strategies={"matched": 1.0})
    result["sample_matched_ms"] = _sample_ms({"big": catalogs["big"]}, settings.n_recipes, config=matched)[
        "big"
    ]
    used = {name: worker_megabytes(catalog) for name, catalog in catalogs.items()}
    result["worker_private_mb"] = used
    if used["big"] is not None and used["small"] is not None:
        result["adds_mb_per_worker"] = used["big"] - used["small"]
    return result


def _sample_ms(
    catalogs: dict[str, Catalog], n_recipes: int, rounds: int = 5, config: MixConfig = MixConfig()
) -> dict[str, float]:
    samplers = {name: RecipeSampler(catalog, config) for name, catalog in catalogs.items()}
    found: dict[str, list[float]] = {name: [] for name in catalogs}
    for number in range(rounds + 1):
        for name, sampler in samplers.items():
            begin = time.perf_counter()
            for index in range(number * n_recipes, (number + 1) * n_recipes):
                sampler.sample(0, 0, index)
            found[name].append(1000 * (time.perf_counter() - begin) / n_recipes)
    return {name: statistics.median(times[1:]) for name, times in found.items()}


def worker_megabytes(catalog: Catalog) -> float | None:
    """Return how much memory a worker process has to itself after 200 items, in MB; None off Linux.

    Counted are pages that it changed (``Private_Dirty``): mapped files are shared by all processes.
    """
    if not Path("/proc/self/smaps_rollup").is_file():
        return None
    dataset = MixDataset(catalog, MixConfig(duration_s=0.5), reader=Silence())
    context = multiprocessing.get_context()
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_report_memory, args=(dataset, sender))
    process.start()
    sender.close()  # so that a worker that dies ends the wait
    found: float = receiver.recv()
    process.join()
    return found


def _report_memory(dataset: MixDataset, sender: Connection) -> None:
    for index in range(200):
        dataset.item(index)
    text = Path("/proc/self/smaps_rollup").read_text()
    found = re.search(r"Private_Dirty:\s+(\d+) kB", text)
    sender.send(int(found[1]) / 1024 if found else float("nan"))
