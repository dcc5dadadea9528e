"""Print how much of the code the measured tests ran, for each room and in all; fail below the floor.

    python .ci/coverage_report.py

Reads what pytest-cov left behind. What is measured and left out, and the floor, stand in pyproject.toml.
"""

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

DATA = Path(".coverage") / "data"


def main() -> int:
    """Print the table; return 0, or 2 below the floor, as coverage does."""
    coverage = [sys.executable, "-m", "coverage"]
    if list(DATA.parent.glob(f"{DATA.name}.*")):  # of processes that outlived the test that started them
        subprocess.run([*coverage, "combine", "--append", "--quiet"], check=True)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "coverage.json"
        done = subprocess.run([*coverage, "json", "--quiet", "-o", str(out)], check=False)
        if not out.is_file():
            return done.returncode or 1
        found = json.loads(out.read_text(encoding="utf-8"))
    rooms: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for name, file in found["files"].items():
        rooms[room_of(name)][0] += file["summary"]["covered_lines"]
        rooms[room_of(name)][1] += file["summary"]["num_statements"]
    print(f"{'lines run by tests':<24} {'of':>7} {'%':>6}")
    for room, (run, lines) in sorted(rooms.items()):
        print(f"{room:<16} {run:>7} {lines:>7} {100 * run / max(lines, 1):>6.1f}")
    totals = found["totals"]
    run, lines, percent = totals["covered_lines"], totals["num_statements"], totals["percent_covered"]
    print(f"{'all':<16} {run:>7} {lines:>7} {percent:>6.1f}")
    return done.returncode


def room_of(name: str) -> str:
    """Return ``mixlab/audio`` for a file in it; files beside the rooms count as ``mixlab``."""
    parts = Path(name).parts
    return "/".join(parts[: min(2, len(parts) - 1)])


if __name__ == "__main__":
    sys.exit(main())
