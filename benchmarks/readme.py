"""The tables of the README and of docs/speed.md, made from the results that are kept."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.alternatives import (
    AUDIOMENTATIONS,
    PEDALBOARD,
    PLAIN,
    PYRUBBERBAND,
    PYRUBBERBAND_16K,
    PYTHON_STRETCH,
)
from benchmarks.prepared import COPY, FILES, PACK
from benchmarks.tables import short
from benchmarks.targets import find, ratio
from benchmarks.workloads import NO_EFFECTS, PAPER, W

Result = dict[str, Any]

README = Path(__file__).parent.parent / "README.md"
SPEED = README.parent / "docs" / "speed.md"
BEGIN = "<!-- speed: written by `python -m benchmarks.report --write` -->"
END = "<!-- end of speed -->"

SHOWN = {
    "mixlab, `vocoder` (default)": "mixlab, vocoder",
    "mixlab, `rubberband`": "mixlab, rubberband",
    "python-stretch (Signalsmith) and pedalboard's filters": PYTHON_STRETCH,
    "audiomentations": AUDIOMENTATIONS,
    "pedalboard's Rubber Band (R3)": PEDALBOARD,
    "the paper's steps with pyrubberband at 16 kHz": PYRUBBERBAND_16K,
    "the paper's steps with pyrubberband at 44.1 kHz": PYRUBBERBAND,
    "only read and sum, without effects": PLAIN,
}
"""What the pages call a method, and its name in the results."""

IN_README = (
    "mixlab, `vocoder` (default)",
    "mixlab, `rubberband`",
    "python-stretch (Signalsmith) and pedalboard's filters",
    "audiomentations",
    "pedalboard's Rubber Band (R3)",
    "the paper's steps with pyrubberband at 44.1 kHz",
)
"""The methods that the README shows; docs/speed.md shows all."""


def readme_lines(result: Result) -> list[str]:
    """Return the README's table, of one workload, and where it was measured."""
    where = result["machine"]
    return [
        *_table(result, {title: SHOWN[title] for title in IN_README}, (W,)),
        "",
        f"({where['date']}, {where['processor']}, {where['cores']} cores.)",
    ]


def speed_lines(result: Result) -> list[str]:
    """Return the table of docs/speed.md, of both workloads, and what is said below it."""
    return [*_table(result, SHOWN, (W, PAPER)), "", *_below(result)]


def _table(result: Result, shown: Mapping[str, str], workloads: Sequence[str]) -> list[str]:
    heads = [f"{HEADS[workload]}, from {kind}" for workload in workloads for kind in ("a copy", "FLAC")]
    lines = [
        f"| mixes per second (times audiomentations) | {' | '.join(heads)} |",
        "|---|" + "---:|" * len(heads),
    ]
    for title, name in shown.items():
        cells = [
            _cell(result["rows"], workload, name, source)
            for workload in workloads
            for source in (COPY, FILES)
        ]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return lines


def _cell(rows: Sequence[Result], workload: str, name: str, source: str) -> str:
    own = PACK if source == COPY and name.startswith("mixlab") else source
    rate = find(rows, workload, name, own)
    times = ratio(rate, find(rows, workload, AUDIOMENTATIONS, source))
    return short(rate) + (f" ({short(times)})" if times is not None else "")


def _below(result: Result) -> list[str]:
    rows, where, sample = result["rows"], result["machine"], result["big"]["sample_ms"]
    bare = {source: find(rows, NO_EFFECTS, name, source) for name, source in BARE}
    one, two = (find(rows, W, "mixlab, loader", PACK, workers) for workers in (1, 2))
    stems = result["big"]["stems"]
    return [
        f"({where['date']}, {where['processor']}, {where['cores']} cores.) Without effects "
        f"{short(bare[PACK])} mixes per second",
        f"come from a pack and {short(bare[FILES])} from FLAC; only reading and summing the copy gives "
        f"{short(bare[COPY])}.",
        f"Two loader workers make {short(ratio(two, one))} times as many as one. Sampling a recipe takes "
        f"{short(sample['big'])} ms from a catalog",
        f"of {stems['big']:,} stems, {short(sample['small'])} ms from one of {stems['small']}.",
    ]


HEADS = {W: "4 sources", PAPER: "paper"}
BARE = (("mixlab", PACK), ("mixlab", FILES), (PLAIN, COPY))


PAGES: dict[Path, Callable[[Result], list[str]]] = {README: readme_lines, SPEED: speed_lines}
"""The pages that hold a table, and what makes it."""


def with_lines(text: str, lines: Sequence[str]) -> str:
    """Return a page with the part between the two marks made anew.

    Raises:
        ValueError: the marks are not there once each, in this order.
    """
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"Expected {BEGIN!r} and later {END!r} in the page; put them around the table.")
    return "\n".join([head + begin, *lines, end + tail])
