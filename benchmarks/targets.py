"""What was aimed at, and whether this run reached it; every figure comes from the run."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.alternatives import AUDIOMENTATIONS, PLAIN, PYRUBBERBAND
from benchmarks.prepared import COPY, FILES, PACK
from benchmarks.workloads import NO_EFFECTS, W

Result = dict[str, Any]

PAPER_WIDTH = 128
BIG_STEMS = 25_000


@dataclass(frozen=True)
class Target:
    """One aim.

    Attributes:
        name: In words.
        aim: The limit.
        at_least: Whether the value must reach the limit, or stay under it.
        unit: Behind the value.
        value: As measured; None where a part of it was not.
        error: Standard error of the value, where it is known.
        reason: Why it was not measured, where that is known.
    """

    name: str
    aim: float
    at_least: bool
    unit: str
    value: float | None
    error: float = 0.0
    reason: str = ""

    @property
    def verdict(self) -> str:
        """Whether it was reached, as far as the measurement can tell."""
        if self.value is None:
            return f"not measured: {self.reason}" if self.reason else "not measured"
        if abs(self.value - self.aim) <= 2 * self.error:
            return f"**not shown**: ± {self.error:.1f} {self.unit}"
        return "met" if self.met else "**not met**"

    @property
    def met(self) -> bool | None:
        """Whether it was reached; None where not measured, or not to tell from the error."""
        if self.value is None or abs(self.value - self.aim) <= 2 * self.error:
            return None
        return self.value >= self.aim if self.at_least else self.value < self.aim


def find(
    rows: Sequence[Result], workload: str, name: str, source: str = FILES, workers: int = 0
) -> float | None:
    """Return the rate of one method, None where it was not measured."""
    for row in rows:
        key = (row["workload"], row["name"], row["source"], row["workers"])
        if key == (workload, name, source, workers):
            return row["mixes_per_s"]
    return None


def why_not(rows: Sequence[Result], workload: str, name: str) -> str:
    """Return why a method was not measured, '' where it was, or where it is not among the rows."""
    found = (row for row in rows if (row["workload"], row["name"]) == (workload, name))
    return next((row["note"] for row in found if row["mixes_per_s"] is None), "")


def ratio(above: float | None, below: float | None) -> float | None:
    """Return a ratio, None where a part is missing."""
    return above / below if above is not None and below else None


def judge(result: Result) -> list[dict[str, Any]]:
    """Return every target with its value and whether it was met."""
    rows, big, training = result.get("rows", []), result.get("big", {}), result.get("training", {})
    packed, filed = find(rows, W, "mixlab, vocoder", PACK), find(rows, W, "mixlab, vocoder")
    audiomentations = find(rows, W, AUDIOMENTATIONS)
    bare = ratio(find(rows, NO_EFFECTS, "mixlab", PACK), find(rows, NO_EFFECTS, PLAIN))
    one, two = (find(rows, W, "mixlab, loader", PACK, workers) for workers in (1, 2))
    # A quick pass trains a small network and makes a small catalog, for which nothing was aimed at.
    runs = training.get("runs", []) if training.get("width", 0) >= PAPER_WIDTH else []
    stall = next((run["stall_percent"] for run in runs if run["workers"] == 1), None)
    big = big if big.get("stems", {}).get("big", 0) >= BIG_STEMS else {}
    targets = [
        Target(
            "W from a pack, times audiomentations from a copy like it",
            10,
            True,
            "×",
            ratio(packed, find(rows, W, AUDIOMENTATIONS, COPY)),
            reason=why_not(rows, W, AUDIOMENTATIONS),
        ),
        Target(
            "W from FLAC, times audiomentations from FLAC",
            4,
            True,
            "×",
            ratio(filed, audiomentations),
            reason=why_not(rows, W, AUDIOMENTATIONS),
        ),
        Target(
            "W from a pack, times audiomentations from FLAC",
            10,
            True,
            "×",
            ratio(packed, audiomentations),
            reason=why_not(rows, W, AUDIOMENTATIONS),
        ),
        Target(
            "W from a pack, times the paper's steps with pyrubberband from FLAC at 44.1 kHz",
            50,
            True,
            "×",
            ratio(packed, find(rows, W, PYRUBBERBAND)),
            reason=why_not(rows, W, PYRUBBERBAND),
        ),
        Target(
            "without effects from a pack, times decoding FLAC, resampling and summing", 20, True, "×", bare
        ),
        Target("two loader workers, times one (W from a pack)", 1.8, True, "×", ratio(two, one)),
        Target(
            "training of the paper's network on the CPU, lost to the loader (one worker)",
            2,
            False,
            "%",
            stall,
            next((run["stall_error"] for run in runs if run["workers"] == 1), 0.0),
        ),
        Target("opening a catalog of 25,000 stems", 500, False, "ms", big.get("open_ms", {}).get("big")),
        Target("memory that it adds per worker", 50, False, "MB", big.get("adds_mb_per_worker")),
        Target("sampling a recipe from it", 0.3, False, "ms", big.get("sample_ms", {}).get("big")),
        Target("sampling a matched recipe from it", 1.0, False, "ms", big.get("sample_matched_ms")),
    ]
    return [{**asdict(target), "met": target.met, "verdict": target.verdict} for target in targets]
