"""How fast files are indexed, next to only decoding them."""

import statistics
import time
from typing import Any

import numpy as np
import soundfile

from benchmarks.settings import Settings
from mixlab.audio.loudness import measure
from mixlab.catalog.catalog import Catalog

FILES = 24


def bench_indexing(catalog: Catalog, settings: Settings) -> dict[str, Any]:
    """Measure stems as indexing does, in turns with only decoding the same files."""
    print("Indexing ...", flush=True)
    usable = np.flatnonzero(catalog.column("drawable"))[:FILES]
    paths = [catalog.audio_path(int(i)) for i in usable]
    seconds = float(catalog.column("duration_s")[usable].sum())
    measure(paths[0])
    measuring, decoding = [], []
    for _ in range(min(settings.rounds, 3)):
        begin = time.perf_counter()
        for path in paths:
            measure(path)
        middle = time.perf_counter()
        for path, frames in zip(paths, catalog.column("frames")[usable].tolist(), strict=True):
            soundfile.read(path, frames, dtype="float32")
        measuring.append(middle - begin)
        decoding.append(time.perf_counter() - middle)
    index_s, decode_s = statistics.median(measuring), statistics.median(decoding)
    return {
        "audio_s": seconds,
        "index_x_realtime": seconds / index_s,
        "decode_x_realtime": seconds / decode_s,
        "index_time_over_decode_time": index_s / decode_s,
    }
