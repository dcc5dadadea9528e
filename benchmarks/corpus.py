"""What mixes are made of: 44.1 kHz FLAC stems, stereo and mono, made once and kept between runs."""

import csv
import hashlib
import json
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import soundfile
import soxr

import mixlab
from benchmarks.settings import Settings
from mixlab.audio.io import read_span
from mixlab.catalog.build import build_catalog
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.pack import Pack, PackReader
from mixlab.catalog.packing import pack_catalog
from mixlab.synthesis import make_demo_corpora

SAMPLE_RATE = 44100
CORPUS_VERSION = 1
"""Part of the folder's name; grows when what is written changes."""


def open_corpus(settings: Settings) -> tuple[Catalog, PackReader]:
    """Return the catalog to measure on, and its pack; both are made where they are missing."""
    folder = settings.catalog or _made_catalog(settings.songs, settings.seconds)
    catalog = Catalog.open(folder)
    place = settings.work / f"pack-{catalog.content_hash}"
    pack_catalog(catalog, place)
    return catalog, PackReader(catalog, Pack(place))


def _made_catalog(songs: int, seconds: float) -> Path:
    key = hashlib.sha256(json.dumps([CORPUS_VERSION, mixlab.__version__, songs, seconds]).encode())
    folder = Path(tempfile.gettempdir()) / f"mixlab-benchmark-{key.hexdigest()[:12]}"
    if not (folder / "catalog" / "catalog.json").is_file():
        print(f"Making {songs} songs of {seconds:g} s as FLAC in {folder} (once) ...", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        made = make_demo_corpora(folder / "demo", songs=songs, seconds=seconds, tagged=False)
        build_catalog(folder / "demo-catalog", made.roots, progress=False)
        _write_flac(Catalog.open(folder / "demo-catalog"), folder / "stems")
        names = {"folder": folder / "stems" / "nodes.csv"}
        build_catalog(folder / "catalog", {"folder": folder / "stems"}, labels_extra=names, progress=False)
        shutil.rmtree(folder / "demo")
        shutil.rmtree(folder / "demo-catalog")
    return folder / "catalog"


def _write_flac(demo: Catalog, root: Path) -> None:
    """Rewrite the usable stems of the demo corpora as 16-bit FLAC, each as mono or stereo as it is."""
    rows, nodes = [], set()
    for i in np.flatnonzero(demo.column("drawable")).tolist():
        stem = demo.stem(i)
        path = Path(f"{stem.corpus}-{stem.song}", f"{stem.stem}.flac")
        # As far as it decodes: a demo corpus holds a broken file or two.
        audio = read_span(demo.audio_path(i), 0, stem.frames, end=stem.frames).T
        if stem.sample_rate != SAMPLE_RATE:
            audio = soxr.resample(audio, stem.sample_rate, SAMPLE_RATE)
        (root / path.parent).mkdir(parents=True, exist_ok=True)
        soundfile.write(root / path, audio, SAMPLE_RATE, subtype="PCM_16")
        bleed = "yes" if stem.bleed else ""
        rows.append((path.as_posix(), ";".join(stem.nodes), stem.artist, bleed, stem.gain, stem.offset_s))
        nodes.update(stem.nodes)
    with (root / "stems.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file", "label", "artist", "bleed", "gain", "offset_s"), *rows])
    with (root / "nodes.csv").open("w", newline="", encoding="utf-8") as file:
        table = [(node, node, "", "") for node in sorted(nodes)]
        csv.writer(file).writerows([("label", "nodes", "ignored", "note"), *table])


def describe(catalog: Catalog) -> dict[str, object]:
    """Say what a catalog holds, as far as it matters for speed."""
    usable = catalog.column("drawable")
    rates, counts = np.unique(catalog.column("sample_rate")[usable], return_counts=True)
    suffixes = Counter(Path(str(path)).suffix.lstrip(".").upper() for path in catalog.column("path")[usable])
    return {
        "stems": int(usable.sum()),
        "songs": len(set(catalog.column("song")[usable].tolist())),
        "hours": round(float(catalog.column("duration_s")[usable].sum()) / 3600, 2),
        "formats": dict(suffixes),
        "sample_rate": int(rates[counts.argmax()]),
        "stereo_share": round(float((catalog.column("channels")[usable] > 1).mean()), 2),
    }
