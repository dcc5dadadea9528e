"""What a fresh process costs before its first mix and its first batch, with and without compiled kernels.

    python -m benchmarks.cold_start CATALOG [--rounds 3] [--json FILE]

Every step is measured in a process of its own that does nothing else before, in seconds of processor time
(its own and that of its workers), which other programs on the machine change little. *Cold*: numba's cache is
empty, as after an installation. *Warm*: it holds what the same step left there before. Files of Python are
compiled in both, and what the system keeps of files in memory is left as it is.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

__all__ = ["STEPS", "main", "measure"]

_IMPORT = "import mixlab"
_OPEN = "from mixlab import Catalog\ncatalog = Catalog.open(CATALOG)"
_BATCH = f"""{_OPEN}
import torch
from mixlab import MixConfig, MixDataset
dataset = MixDataset(catalog, MixConfig())
batches = iter(torch.utils.data.DataLoader(dataset, batch_size=4, num_workers=2))
next(batches)
del batches"""
_SPAWN = "import multiprocessing\nmultiprocessing.set_start_method('spawn')\n"
STEPS = {
    "Python alone": "pass",
    "import mixlab": _IMPORT,
    "import torch": "import torch",
    "import numba": "import numba",
    "Catalog.open": _OPEN,
    "first mix": f"{_OPEN}\nfrom mixlab import MixConfig, render_mix, sample_recipe\n"
    "render_mix(sample_recipe(catalog, MixConfig(), seed=0, epoch=0, index=0), catalog)",
    "first batch, 2 workers": _BATCH,
    "first batch, 2 spawned workers": _SPAWN + _BATCH,
}
"""What is measured, as the whole text of a program; each holds what the one above it needs again."""


def measure(program: str, catalog: Path, cache: Path) -> float:
    """Return the processor seconds that a program and the processes it starts take.

    Args:
        program: Text of the program, in which ``CATALOG`` is the path of the catalog.
        catalog: A catalog folder.
        cache: Where numba keeps what it compiles.

    Raises:
        RuntimeError: the program fails; the message holds what it says.
    """
    text = f"CATALOG = {str(catalog)!r}\nif __name__ == '__main__':\n" + "".join(
        f"    {line}\n" for line in program.splitlines()
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "step.py"
        file.write_text(text, encoding="utf-8")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(
            [sys.executable, str(file)], env=environment, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise RuntimeError(f"a step of the cold start fails:\n{program}\n{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all steps, cold and warm, and print a table of medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("catalog", type=Path)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured; cold ones once")
    parser.add_argument("--steps", nargs="*", default=list(STEPS), choices=list(STEPS), help="only these")
    parser.add_argument("--json", type=Path, help="write the seconds of all rounds here, too")
    given = parser.parse_args(arguments)
    found: dict[str, dict[str, list[float]]] = {}
    print(f"{'CPU seconds of a fresh process':<34} {'cold':>7} {'warm':>7}")
    for name in given.steps:
        with tempfile.TemporaryDirectory() as cache:
            times = [measure(STEPS[name], given.catalog, Path(cache)) for _ in range(1 + given.rounds)]
        found[name] = {"cold": times[:1], "warm": times[1:]}
        print(f"{name:<34} {times[0]:>7.2f} {statistics.median(times[1:]):>7.2f}", flush=True)
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
