"""The results as people read them: tables in Markdown."""

from collections.abc import Sequence
from typing import Any

from benchmarks.alternatives import AUDIOMENTATIONS, PLAIN
from benchmarks.mixing import FEW_ROUNDS
from benchmarks.prepared import COPY, FILES, PACK, PREPARED
from benchmarks.profile import as_lines
from benchmarks.targets import find, ratio
from benchmarks.workloads import DESCRIPTIONS, PAPER

Result = dict[str, Any]


def add_ratios(rows: Sequence[Result]) -> None:
    """Say in each row how many times audiomentations and mere reading it is, from a like source."""
    for row in rows:
        like = COPY if row["source"] in PREPARED else FILES
        for name, other in (("times_audiomentations", AUDIOMENTATIONS), ("times_plain", PLAIN)):
            row[name] = ratio(row["mixes_per_s"], find(rows, row["workload"], other, like))


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
        ("Training", _training(result["training"], result["rows"]) if "training" in result else []),
        ("A big catalog", _big(result["big"]) if "big" in result else []),
        ("Indexing", _indexing(result["indexing"]) if "indexing" in result else []),
        ("Effects", _effects(result["effects"]) if "effects" in result else []),
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
        f"core, medians of {result['rounds']} rounds of {result['mixes']} mixes (slow methods: of "
        f"{FEW_ROUNDS}) in which the methods take turns; all make the same mixes from the same "
        "recordings. How to read this: [docs/speed.md](../../docs/speed.md).",
    ]


def _targets(targets: Sequence[Result]) -> list[str]:
    lines = ["| target | aim | measured | |", "|---|---:|---:|---|"]
    for target in targets:
        sign = "≥" if target["at_least"] else "<"
        value = "" if target["value"] is None else f"{short(target['value'])} {target['unit']}"
        aim = f"{sign} {target['aim']:g} {target['unit']}"
        lines.append(f"| {target['name']} | {aim} | {value} | {target['verdict']} |")
    return lines


def short(value: float | None) -> str:
    """Return a figure to three digits, a dash for none."""
    if value is None:
        return "–"
    if abs(value) < 0.1:
        return f"{value:.2g}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


SOURCES = {
    "From a copy at 16 kHz, made once": PREPARED,
    "From the files": (FILES,),
}
"""The two tables of a workload: in each, like stands beside like."""


def _rates(rows: Sequence[Result]) -> list[str]:
    lines: list[str] = []
    notes = list(dict.fromkeys(row["note"] for row in rows if row["note"]))
    for title, sources in SOURCES.items():
        chosen = [row for row in rows if row["source"] in sources]
        if chosen:
            lines += [f"### {title}", "", *_table(chosen, notes), ""]
    return [*lines, *(f"[{number}] {note}.  " for number, note in enumerate(notes, 1))]


def _table(rows: Sequence[Result], notes: Sequence[str]) -> list[str]:
    lines = ["| method | from | mixes/s | rounds | × audiomentations | × reading and summing |"]
    lines.append("|---|---|---:|---:|---:|---:|")
    for row in sorted(rows, key=lambda row: -(row["mixes_per_s"] or 0)):
        mark = f" [{notes.index(row['note']) + 1}]" if row["note"] else ""
        spread = f"{short(row['slowest'])} to {short(row['quickest'])}" if row["mixes_per_s"] else "–"
        name = f"**{row['name']}**" if row["group"] == "mixlab" else row["name"]
        cells = [f"{name}{mark}", row["source"], short(row["mixes_per_s"]), spread]
        cells += [short(row[key]) for key in ("times_audiomentations", "times_plain")]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _workers(rows: Sequence[Result]) -> list[str]:
    lines = ["| workers | from | mixes/s | times one worker |", "|---:|---|---:|---:|"]
    for row in rows:
        one = find(rows, row["workload"], row["name"], row["source"], 1)
        times = short(ratio(row["mixes_per_s"], one))
        lines.append(f"| {row['workers']} | {row['source']} | {short(row['mixes_per_s'])} | {times} |")
    return [*lines, "", "Workload W through `MixLoader`, in steady state; 0 workers is the main process."]


def _training(found: Result, rows: Sequence[Result]) -> list[str]:
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
    rate = find(rows, PAPER, "mixlab, dataset items", PACK)
    if rate is not None:
        batch_s = found["batch_size"] / rate
        share = batch_s / (found["threads"] * found["runs"][-1]["constant_s"])
        text += (
            f" Making a batch takes {1000 * batch_s:.0f} ms of one processor, which is {100 * share:.1f} % "
            f"of what {found['threads']} have in a step: so much is lost here even if nobody waits."
        )
    return [*lines, "", text]


def _big(found: Result) -> list[str]:
    stems = found["stems"]
    lines = [f"| | {stems['small']} stems | {stems['big']} stems |", "|---|---:|---:|"]
    for key, text in (
        ("open_ms", "opening the catalog, ms"),
        ("ready_ms", "opening it and making a dataset, ms"),
        ("sample_ms", "sampling a recipe, ms"),
        ("worker_private_mb", "memory of a worker to itself, MB"),
    ):
        lines.append(f"| {text} | {short(found[key]['small'])} | {short(found[key]['big'])} |")
    return lines


def _effects(found: Result) -> list[str]:
    lines = ["| effect | ms per source | instead | ms | times as quick |", "|---|---:|---|---:|---:|"]
    for row in found["effects"]:
        times = short(ratio(row["instead_ms"], row["ms"]))
        other = short(row["instead_ms"])
        lines.append(f"| {row['name']} | {short(row['ms'])} | {row['instead'] or '–'} | {other} | {times} |")
    paper = next(row["mixes_per_s"] for row in found["presets"] if row["name"] == "paper")
    lines += ["", "| preset | mixes/s | times the paper's |", "|---|---:|---:|"]
    for row in found["presets"]:
        rate = row["mixes_per_s"]
        lines.append(f"| {row['name']} | {short(rate)} | {short(ratio(rate, paper))} |")
    text = "Sources of 4 s at 16 kHz in mono; what stands beside an effect does the same kind of work."
    return [*lines, "", text]


def _indexing(found: Result) -> list[str]:
    return [
        f"One process measures {found['index_x_realtime']:.0f} seconds of audio per second; only decoding "
        f"the same files, {found['decode_x_realtime']:.0f}: indexing takes "
        f"{found['index_time_over_decode_time']:.2f} times as long as decoding."
    ]
