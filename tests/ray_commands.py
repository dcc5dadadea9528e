"""Every command that works on items, one after another on demo corpora: ``ray_commands.py OUT ENGINE``."""

import sys
from pathlib import Path

from mixlab.catalog.catalog import Catalog
from mixlab.catalog.packing import pack_catalog
from mixlab.cli.main import main
from mixlab.synthesis.build import CORPORA
from mixlab.utils.parallel import Engine

STEP = "STEP "


def make(out: Path, engine: Engine) -> None:
    """Compose, index, analyse, pack and export; say what comes next."""
    how = ["--engine", engine, *(["--workers", "1"] if engine == "local" else [])]
    demo, catalog = out / "demo", out / "catalog"
    roots = [f"--root={name}={demo / CORPORA[name]}" for name in ("medleydb", "mixing_secrets", "slakh")]
    commands = {
        "compose": ["demo-corpora", demo, "--songs", "3", "--seconds", "4", "--tagged", "false"],
        "index": ["index", catalog, *roots],
        "analyse": ["analyse", catalog],
        "export": ["export", catalog, out / "export", "--items=9", "--shard_items=2", "--mix.duration_s=1"],
    }
    for name, words in commands.items():
        print(f"{STEP}{name}", flush=True)
        assert main([*map(str, words), *how]) in (0, 1)  # damaged files are there on purpose
    print(f"{STEP}pack", flush=True)
    workers = 1 if engine == "local" else None
    pack_catalog(Catalog.open(catalog), out / "pack", shard_bytes=500_000, engine=engine, workers=workers)


if __name__ == "__main__":
    make(Path(sys.argv[1]), sys.argv[2])  # type: ignore[arg-type]
