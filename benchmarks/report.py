"""Write again what is made from the results of the last whole run, without measuring anything.

    python -m benchmarks.report --write

Ratios, targets, tables, the picture and the tables of the README and ``docs/speed.md`` follow from
``benchmarks/results/latest.json``; `make bench` ends with this as well.
"""

import argparse
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.readme import PAGES, with_lines
from benchmarks.tables import add_ratios, as_markdown
from benchmarks.targets import judge

RESULTS = Path(__file__).parent / "results"


def write(result: dict[str, Any], out: Path) -> str:
    """Write ``latest.json``, ``latest.md`` and ``latest.svg``; return the tables.

    Into the folder of the results that are kept, those pages are written as well.
    """
    out.mkdir(parents=True, exist_ok=True)
    add_ratios(result["rows"])
    result = {**result, "targets": judge(result)}
    (out / "latest.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    text = as_markdown(result)
    (out / "latest.md").write_text(text, encoding="utf-8")
    _draw(result, out / "latest.svg")
    if out.resolve() == RESULTS.resolve():
        for page, lines in PAGES.items():
            page.write_text(with_lines(page.read_text(encoding="utf-8"), lines(result)), encoding="utf-8")
    return text


def _draw(result: dict[str, Any], path: Path) -> None:
    if find_spec("altair") and find_spec("vl_convert"):
        from benchmarks.plot import plot

        plot(result, path)
    else:
        print("No picture: altair and vl-convert-python are not installed.")


def main() -> None:
    """Read the results, and write what follows from them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="benchmarks.report"
    )
    parser.add_argument("--write", action="store_true", required=True, help="write everything anew")
    parser.parse_args()
    write(json.loads((RESULTS / "latest.json").read_text(encoding="utf-8")), RESULTS)


if __name__ == "__main__":
    main()
