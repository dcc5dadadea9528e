"""Tables, picture and estimates of ``docs/scaling.md``, from what ``benchmarks.scaling`` measured.

python -m benchmarks.scaling_report --write
"""

import argparse
import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

Row = dict[str, Any]

FOLDER = Path(__file__).parent / "results"
DOCS = Path(__file__).parent.parent / "docs"
PAGE = DOCS / "scaling.md"
PICTURE = DOCS / "images" / "scaling.png"

BEGIN, END = "<!-- {}: written by benchmarks.scaling_report -->", "<!-- end of {} -->"

JAMENDO_TRACKS, JAMENDO_HOURS = 55_000, 3_760
"""The full MTG-Jamendo data set, as its authors count it: 55,701 tracks, 3,777 hours; rounded."""

NODES = 100
CORES = 16
"""Of each of the machines of the job on paper."""

STEP_MIXES = 64
"""Mixes that a GPU takes per step of training on paper ..."""
STEPS_PER_S = 10
"""... and how many steps it makes in a second."""


def write(result: Row, out: Path) -> None:
    """Write ``scaling.json`` and ``scaling.md``; into the folder that is kept, also page and picture."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "scaling.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    found = tables(result)
    (out / "scaling.md").write_text("\n\n".join(found.values()) + "\n", encoding="utf-8")
    keep = out.resolve() == FOLDER.resolve()
    if keep:
        PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), found), encoding="utf-8")
    if find_spec("altair") and find_spec("vl_convert"):
        draw(result, PICTURE if keep else out / "scaling.png")
    else:
        print("No picture: altair and vl-convert-python are not installed.")


def with_tables(page: str, found: dict[str, str]) -> str:
    """Return the page with each table between its marks."""
    for name, table in found.items():
        begin, end = BEGIN.format(name), END.format(name)
        pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
        page, times = pattern.subn(lambda _, t=f"{begin}\n{table}\n{end}": t, page)
        if times != 1:
            raise ValueError(f"Expected one place for {name!r} in {PAGE}, found {times}.")
    return page


def tables(result: Row) -> dict[str, str]:
    """Return the page's tables by their names."""
    return {
        "machine": _machine(result),
        "catalogs": _catalogs(result["catalogs"]),
        "indexing": _indexing(result["indexing"]),
        "workers": _workers(result["workers"]),
        "exports": _exports(result["exports"]),
        "paper": _paper(result),
    }


def _machine(result: Row) -> str:
    machine = result["machine"]
    return (
        f"Measured {machine['date']}: {machine['processor']}, {machine['cores']} cores, load "
        f"{machine['load']} at the start and {machine['load_after']} at the end."
    )


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---:"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _short(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _catalogs(rows: list[Row]) -> str:
    head = ["stems", "on disk, MB", "open, ms", "open + dataset, ms", "recipe, ms", "× the smallest"]
    head += ["worker: its share, MB", "worker: its own, MB"]
    least = rows[0]["recipe_ms"]
    return _table(
        head,
        [
            [
                f"{row['stems']:,}",
                _short(row["megabytes"]),
                f"{_short(row['open_ms'])} ({_short(row['open_cpu_ms'])})",
                f"{_short(row['ready_ms'])} ({_short(row['ready_cpu_ms'])})",
                f"{_short(row['recipe_ms'])} ({_short(row['recipe_cpu_ms'])})",
                f"{row['recipe_ms'] / least:.2f}",
                _short(row["worker_pss_mb"]),
                _short(row["worker_private_mb"]),
            ]
            for row in rows
        ],
    )


def _indexing(rows: list[Row]) -> str:
    head = ["files", "index, s", "per file, ms", "index again, s", "per file, ms"]
    return _table(
        head,
        [
            [
                f"{row['stems']:,}",
                f"{_short(row['index_s'])} ({_short(row['index_cpu_s'])})",
                f"{_per(row, 'index_s')} ({_per(row, 'index_cpu_s')})",
                f"{_short(row['again_s'])} ({_short(row['again_cpu_s'])})",
                f"{_per(row, 'again_s')} ({_per(row, 'again_cpu_s')})",
            ]
            for row in rows
        ],
    )


def _per(row: Row, name: str) -> str:
    return _short(1000 * row[name] / row["stems"])


def _workers(rows: list[Row]) -> str:
    one = {row["source"]: row["mixes_per_s"] for row in rows if row["workers"] == 1}
    head = ["workers", "from", "mixes/s", "× one worker"]
    return _table(
        head,
        [
            [
                str(row["workers"]),
                row["source"],
                _short(row["mixes_per_s"]),
                f"{row['mixes_per_s'] / one[row['source']]:.2f}",
            ]
            for row in rows
        ],
    )


def _exports(rows: list[Row]) -> str:
    base = rows[0]["items"] / rows[0]["wall_s"]
    head = ["engine", "processes", "items/s", "× one process", "processor time per item, ms"]
    return _table(
        head,
        [
            [
                row["engine"] if row["engine"] == "local" else f"ray, {row['processes']} nodes of one core",
                str(row["processes"]),
                _short(row["items"] / row["wall_s"]),
                f"{row['items'] / row['wall_s'] / base:.2f}",
                _short(1000 * row["cpu_s"] / row["items"] if row["cpu_s"] is not None else None),
            ]
            for row in rows
        ],
    )


def slope(rows: list[Row], name: str) -> float:
    """Return by how much a figure grows per stem, from the two largest sizes."""
    a, b = rows[-2], rows[-1]
    return float((b[name] - a[name]) / (b["stems"] - a["stems"]))


def _at(rows: list[Row], name: str, stems: int) -> float:
    """Return a figure at another size, on the line through the two largest."""
    return float(rows[-1][name] + slope(rows, name) * (stems - rows[-1]["stems"]))


def estimates(result: Row) -> Row:
    """Return what the jobs on paper would cost: stated in hours, seconds, gigabytes and workers."""
    catalogs, indexing = result["catalogs"], result["indexing"]
    stems = JAMENDO_TRACKS
    items = max(row["items"] / row["cpu_s"] for row in result["exports"] if row["cpu_s"])
    bookkeeping = indexing[-1]["index_cpu_s"] / indexing[-1]["stems"]
    one = next(
        row["mixes_per_s"] for row in result["workers"] if (row["source"], row["workers"]) == ("pack", 1)
    )
    needed = STEP_MIXES * STEPS_PER_S
    million = 1_000_000
    return {
        "open_s": _at(catalogs, "open_ms", stems) / 1000,
        "ready_s": _at(catalogs, "ready_ms", stems) / 1000,
        "worker_mb": _at(catalogs, "worker_private_mb", stems),
        "bookkeeping_s": bookkeeping * stems,
        "pack_gb": JAMENDO_HOURS * 3600 * 16_000 * 2 / 1e9,
        "items_per_core": items,
        "export_s": million / (items * NODES * CORES),
        "export_gb": million * 4 * 16_000 * 2 / 1e9,
        "workers_per_gpu": needed / one,
        "million_ready_s": _at(catalogs, "ready_ms", million) / 1000,
        "million_worker_mb": _at(catalogs, "worker_private_mb", million),
        "million_again_s": indexing[-1]["again_s"] / indexing[-1]["stems"] * million,
    }


def _paper(result: Row) -> str:
    e = estimates(result)
    rows = [
        [
            f"{JAMENDO_TRACKS:,} tracks of {JAMENDO_HOURS:,} h",
            "opening the catalog",
            f"{_short(e['open_s'])} s",
        ],
        ["", "opening it and making a dataset", f"{_short(e['ready_s'])} s"],
        ["", "memory of each worker for itself", f"{_short(e['worker_mb'])} MB"],
        ["", "indexing besides decoding, on one core", f"{_short(e['bookkeeping_s'] / 60)} min"],
        ["", "a pack at 16 kHz, mono", f"{_short(e['pack_gb'])} GB"],
        [
            f"a million mixes of 4 s on {NODES} nodes of {CORES} cores",
            "making them, were nothing in the way",
            f"{_short(e['export_s'])} s",
        ],
        ["", "what is written, before compression", f"{_short(e['export_gb'])} GB"],
        ["", "so written per second", f"{_short(e['export_gb'] / e['export_s'])} GB/s"],
        [
            f"training at {STEP_MIXES * STEPS_PER_S} mixes per second and GPU",
            "loader workers per GPU, from a pack",
            _short(float(np.ceil(e["workers_per_gpu"]))),
        ],
        ["a million stems", "opening the catalog and making a dataset", f"{_short(e['million_ready_s'])} s"],
        ["", "memory of each worker for itself", f"{_short(e['million_worker_mb'])} MB"],
        ["", "indexing again when nothing has changed", f"{_short(e['million_again_s'] / 60)} min"],
    ]
    return _table(["job", "what", "on paper"], rows).replace("---:", "---")


def draw(result: Row, path: Path) -> None:
    """Write the picture: six small panels, as a PNG of few colours."""
    import altair as alt
    import pandas as pd
    from PIL import Image

    def panel(title: str, data: list[Row], x: str, log: bool) -> alt.LayerChart:
        table = pd.DataFrame(data)
        kinds = alt.Scale(type="log") if log else alt.Scale(zero=True)
        axis = alt.Axis(values=sorted({row["x"] for row in data}), format="~s", grid=False)
        base = alt.Chart(table, width=270, height=170, title=alt.Title(title, anchor="start", fontSize=13))
        lines = base.encode(
            x=alt.X("x:Q", title=x, scale=kinds, axis=axis),
            y=alt.Y("y:Q", title=None, scale=kinds),
            color=alt.Color(
                "what:N",
                title=None,
                scale=alt.Scale(range=["#2a6f97", "#c8553d", "#7a9e7e"]),
                legend=alt.Legend(orient="bottom", labelLimit=260),
            ),
        )
        return lines.mark_line() + lines.mark_point(filled=True, size=45)

    def series(rows: list[Row], x: str, **names: str) -> list[Row]:
        return [
            {"x": row[x], "y": row[name], "what": what}
            for name, what in names.items()
            for row in rows
            if row[name] is not None and row[name] > 0
        ]

    catalogs, indexing = result["catalogs"], result["indexing"]
    files = [{**row, "what": row["source"]} for row in result["workers"]]
    exports = [{**row, "rate": row["items"] / row["wall_s"]} for row in result["exports"]]
    panels = [
        panel(
            "Opening a catalog, ms",
            series(catalogs, "stems", open_ms="the catalog", ready_ms="and a dataset of it"),
            "stems",
            log=True,
        ),
        panel(
            "Sampling a recipe, ms",
            series(catalogs, "stems", recipe_ms="on the clock", recipe_cpu_ms="of a processor"),
            "stems",
            log=True,
        ),
        panel(
            "Memory of a worker, MB",
            series(
                catalogs,
                "stems",
                worker_pss_mb="its share of all (PSS)",
                worker_private_mb="for itself alone",
            ),
            "stems",
            log=True,
        ),
        panel(
            "Indexing small files, s",
            series(indexing, "stems", index_s="the first time", again_s="again, nothing changed"),
            "files",
            log=True,
        ),
        panel(
            "Mixes per second (workload W)",
            [{"x": row["workers"], "y": row["mixes_per_s"], "what": f"from {row['what']}"} for row in files],
            "loader workers, on two cores",
            log=False,
        ),
        panel(
            "Exported mixes per second",
            [
                {
                    "x": row["processes"],
                    "y": row["rate"],
                    "what": "processes" if row["engine"] == "local" else "ray nodes",
                }
                for row in exports
            ],
            "processes or nodes, on two cores",
            log=False,
        ),
    ]
    rows = [
        alt.hconcat(*panels[k : k + 3], spacing=30).resolve_scale(color="independent", x="independent")
        for k in (0, 3)
    ]
    picture = alt.vconcat(*rows, spacing=24).resolve_scale(color="independent").configure_view(stroke=None)
    picture.save(path, scale_factor=1.25)
    with Image.open(path) as image:
        flat = Image.new("RGB", image.size, "white")
        flat.paste(image, mask=image.getchannel("A") if image.mode == "RGBA" else None)
    if flat.width > WIDEST:
        flat = flat.resize((WIDEST, round(flat.height * WIDEST / flat.width)), Image.Resampling.LANCZOS)
    flat.quantize(32).save(path, optimize=True)


WIDEST = 1300


def main() -> None:
    """Read the results, and write what follows from them."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        prog="benchmarks.scaling_report",
    )
    parser.add_argument("--write", action="store_true", required=True, help="write everything anew")
    parser.parse_args()
    write(json.loads((FOLDER / "scaling.json").read_text(encoding="utf-8")), FOLDER)


if __name__ == "__main__":
    main()
