"""The results as people read them: tables in Markdown, and one plot."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.alternatives import AUDIOMENTATIONS, PLAIN
from benchmarks.mixing import FEW_ROUNDS
from benchmarks.profile import as_lines
from benchmarks.targets import find, ratio
from benchmarks.workloads import DESCRIPTIONS

Result = dict[str, Any]


def add_ratios(rows: Sequence[Result]) -> None:
    """Say in each row how many times audiomentations and plain decoding it is, in the same workload."""
    for row in rows:
        for name, other in (("times_audiomentations", AUDIOMENTATIONS), ("times_plain", PLAIN)):
            row[name] = ratio(row["mixes_per_s"], find(rows, row["workload"], other))


def as_markdown(result: Result) -> str:
    """Return all tables of a run."""
    lines = [*_head(result), "", *_targets(result["targets"])]
    rows = result.get("rows", [])
    for workload, text in DESCRIPTIONS.items():
        chosen = [row for row in rows if row["workload"] == workload and row["name"] != "mixlab, loader"]
        if chosen:
            lines += ["", f"## {workload}", "", f"{text}.", "", *_rates(chosen)]
    loader = [row for row in rows if row["name"] == "mixlab, loader"]
    sections = (
        ("Workers", _workers(loader) if loader else []),
        ("Training", _training(result["training"]) if "training" in result else []),
        ("A big catalog", _big(result["big"]) if "big" in result else []),
        ("Indexing", _indexing(result["indexing"]) if "indexing" in result else []),
        ("Where the time goes", as_lines(result["profile"]) if "profile" in result else []),
    )
    for title, body in sections:
        if body:
            lines += ["", f"## {title}", "", *body]
    return "\n".join(lines) + "\n"


def _head(result: Result) -> list[str]:
    where, corpus = result["machine"], result["corpus"]
    formats = ", ".join(f"{count} {name}" for name, count in corpus["formats"].items())
    versions = ", ".join(f"{name} {number}" for name, number in where["versions"].items() if number)
    quick = ["**A quick pass to see that every part works: no figure here means anything.**", ""]
    return [
        "# Speed, measured",
        "",
        *(quick if result["quick"] else []),
        f"{where['date']}, {where['processor']}, {where['cores']} cores, {where['memory_gb']} GB, load "
        f"{where['load']} at the start; Python {where['python']}, {versions}.",
        "",
        f"{corpus['stems']} stems of {corpus['songs']} songs ({formats}; {corpus['sample_rate']} Hz, "
        f"{100 * corpus['stereo_share']:.0f} % stereo). Rates are mixes per second of one process on one "
        f"core, medians of {result['rounds']} rounds of {result['mixes']} mixes (slow ways: of "
        f"{FEW_ROUNDS}) in which the ways take turns; all make the same mixes from the same "
        "files. How to read this: [docs/speed.md](../../docs/speed.md).",
    ]


def _targets(targets: Sequence[Result]) -> list[str]:
    lines = ["| target | aim | measured | |", "|---|---:|---:|---|"]
    for target in targets:
        sign = "≥" if target["at_least"] else "<"
        value = "" if target["value"] is None else f"{_short(target['value'])} {target['unit']}"
        aim = f"{sign} {target['aim']:g} {target['unit']}"
        lines.append(f"| {target['name']} | {aim} | {value} | {target['verdict']} |")
    return lines


def _short(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _rates(rows: Sequence[Result]) -> list[str]:
    lines = ["| way | from | mixes/s | rounds | × audiomentations | × plain decoding |"]
    lines.append("|---|---|---:|---:|---:|---:|")
    notes = []
    for row in sorted(rows, key=lambda row: -(row["mixes_per_s"] or 0)):
        if row["note"] and row["note"] not in notes:
            notes.append(row["note"])
        mark = f" [{notes.index(row['note']) + 1}]" if row["note"] else ""
        spread = f"{_short(row['slowest'])} to {_short(row['quickest'])}" if row["mixes_per_s"] else "–"
        name = f"**{row['name']}**" if row["group"] == "mixlab" else row["name"]
        cells = [f"{name}{mark}", row["source"], _short(row["mixes_per_s"]), spread]
        cells += [_short(row[key]) for key in ("times_audiomentations", "times_plain")]
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, "", *(f"[{number}] {note}.  " for number, note in enumerate(notes, 1))]


def _workers(rows: Sequence[Result]) -> list[str]:
    lines = ["| workers | from | mixes/s | times one worker |", "|---:|---|---:|---:|"]
    for row in rows:
        one = find(rows, row["workload"], row["name"], row["source"], 1)
        times = _short(ratio(row["mixes_per_s"], one))
        lines.append(f"| {row['workers']} | {row['source']} | {_short(row['mixes_per_s'])} | {times} |")
    return [*lines, "", "Workload W through `make_loader`, in steady state; 0 workers is the main process."]


def _training(found: Result) -> list[str]:
    lines = [
        "| workers | step on one batch, s | step with the loader, s | wait, ms | lost to the loader, % |"
    ]
    lines.append("|---:|---:|---:|---:|---:|")
    for run in found["runs"]:
        lines.append(
            f"| {run['workers']} | {run['constant_s']:.2f} | {run['loader_s']:.2f} | "
            f"{1000 * run['wait_s']:.0f} | {run['stall_percent']:.1f} ± {run['stall_error']:.1f} |"
        )
    text = (
        f"ShortChunkCNN of width {found['width']}, batches of {found['batch_size']} mixes of 4 s (the "
        f"paper's settings, from a pack) in {found['precision']} on {found['threads']} threads of the "
        f"{found['device']}."
    )
    return [*lines, "", text]


def _big(found: Result) -> list[str]:
    stems = found["stems"]
    lines = [f"| | {stems['small']} stems | {stems['big']} stems |", "|---|---:|---:|"]
    for key, text in (
        ("open_ms", "opening the catalog, ms"),
        ("ready_ms", "opening it and making a dataset, ms"),
        ("draw_ms", "drawing a recipe, ms"),
        ("worker_private_mb", "memory of a worker to itself, MB"),
    ):
        lines.append(f"| {text} | {_short(found[key]['small'])} | {_short(found[key]['big'])} |")
    return lines


def _indexing(found: Result) -> list[str]:
    return [
        f"One process measures {found['index_x_realtime']:.0f} seconds of audio per second; only decoding "
        f"the same files, {found['decode_x_realtime']:.0f}: indexing takes "
        f"{found['index_time_over_decode_time']:.2f} times as long as decoding."
    ]


# The plot.

COLOURS = {"mixlab": "#2a6f97", "alternative": "#b8a38a", "bound": "#d9d9d9"}
SHOWN = ("mixlab, vocoder", "mixlab, rubberband", "mixlab")


def plot(result: Result, folder: Path) -> None:
    """Write ``latest.svg`` and ``latest.png``: a bar per way, grouped by workload, on a logarithmic axis."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullLocator

    groups = {name: _bars(result.get("rows", []), name) for name in DESCRIPTIONS}
    groups = {name: bars for name, bars in groups.items() if bars}
    if not groups:
        return
    heights = [len(bars) + 1.0 for bars in groups.values()]
    figure = Figure(figsize=(8.4, 0.23 * sum(heights) + 0.6), layout="constrained")
    axes = figure.subplots(len(groups), 1, sharex=True, gridspec_kw={"height_ratios": heights}, squeeze=False)
    rates = [row["mixes_per_s"] for bars in groups.values() for row in bars]
    limits = (min(rates) / 1.6, max(rates) * 2.0)
    for axis, (name, bars) in zip(axes[:, 0], groups.items(), strict=True):
        widths = [row["mixes_per_s"] for row in bars]
        colours = [COLOURS[row["group"]] for row in bars]
        drawn = axis.barh([_title(row) for row in bars], widths, color=colours, height=0.72)
        axis.bar_label(drawn, [_short(width) for width in widths], padding=4, fontsize=8, color="#444444")
        axis.set_title(TITLES[name], loc="left", fontsize=9.5, fontweight="bold", color="#222222")
        axis.set_xscale("log")
        axis.set_xlim(*limits)
        axis.set_ylim(len(bars) - 0.4, -0.6)
        axis.tick_params(axis="both", length=0, labelsize=8.5, colors="#333333")
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.grid(axis="x", color="#eeeeee")
        axis.set_axisbelow(True)
        axis.spines[:].set_visible(False)
    axes[-1, 0].set_xlabel("mixes per second, one process on one core (logarithmic)", fontsize=8.5)
    for suffix in ("svg", "png"):
        figure.savefig(
            folder / f"latest.{suffix}", dpi=160, metadata={"Date": None} if suffix == "svg" else {}
        )


TITLES = {
    "W": "W: 4 sources with pitch, time and filters",
    "paper": "The paper's settings",
    "no effects": "4 sources without effects",
}


def _title(row: Result) -> str:
    source = "pack" if row["source"] == "pack" else "files"
    return f"{row['name']}, from {source}" if row["group"] == "mixlab" else row["name"]


def _bars(rows: Sequence[Result], workload: str) -> list[Result]:
    """Return what the plot shows of a workload, quickest first."""
    chosen = [
        row
        for row in rows
        if row["workload"] == workload
        and row["mixes_per_s"]
        and (row["group"] != "mixlab" or row["name"] in SHOWN)
    ]
    return sorted(chosen, key=lambda row: -row["mixes_per_s"])
