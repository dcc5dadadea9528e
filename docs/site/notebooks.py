"""Tutorials as pages: the cells of a notebook, with the outputs that ``make tutorials`` has left."""

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

__all__ = ["notebook_page"]

_FENCE = "`" * 8
_LANGUAGES = {"py": "python", "yaml": "yaml", "csv": "text", "sh": "sh"}
_TABLE_STYLE = re.compile(r"<style scoped>.*?</style>| style=\"text-align: right;\"", flags=re.DOTALL)
"""What pandas says of the looks of its tables; the site's style sheet says it for all."""
_FOLDERS = re.compile(r"(?<![\w.+=/])(?:/[\w.@+-]+)+/(?:build/tutorials/work/|(?=mixlab/[\w/]+\.\w))")
"""The folder that a tutorial was executed in, and that of the checkout: nobody's who reads it."""
_WARNING = re.compile(r"^\S+\.py:\d+: (\w*Warning: .*)\n(?: {2}.*\n?)?", flags=re.MULTILINE)
"""A warning as Python prints it, with the line of code that it came from."""
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def notebook_page(notebook: Path, executed: Path) -> str:
    """Return a notebook as Markdown for MyST.

    Args:
        notebook: The notebook, which holds no outputs.
        executed: Folder that may hold its executed copy. The outputs of a copy of other cells are left out.
    """
    cells, outputs = _cells(notebook), _outputs(notebook, executed / notebook.name)
    lines = []
    for number, cell in enumerate(cells):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            lines.append(source)
            if number == 0:
                lines.append(_about(notebook.name, there=outputs is not None))
        elif cell["cell_type"] == "code":
            lines += _code(source)
            found = _joined((outputs or {}).get(number, ()))
            lines += (_FOLDERS.sub("", text) for output in found for text in _shown(output))
    return "\n\n".join(lines) + "\n"


def _cells(notebook: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return found


def _outputs(notebook: Path, copy: Path) -> dict[int, list[dict[str, Any]]] | None:
    """Return the outputs by the number of the cell; None where there is no copy of these very cells."""
    if not copy.is_file():
        return None
    cells = _cells(copy)
    if [cell["source"] for cell in cells] != [cell["source"] for cell in _cells(notebook)]:
        return None
    return {number: cell.get("outputs", []) for number, cell in enumerate(cells)}


def _about(name: str, *, there: bool) -> str:
    outputs = "" if there else " It is shown here without outputs: `make tutorials` makes them."
    return f"*This page is a notebook:* {{download}}`{name}`.{outputs}"


def _code(source: str) -> list[str]:
    """Return a cell of code; what only notebooks understand is said in words, or is a command."""
    magic = re.match(r"%%(bash|writefile (\S+))\n", source)
    if magic and magic[2]:
        language = _LANGUAGES.get(Path(magic[2]).suffix[1:], "text")
        return [f"`{magic[2]}`:", _block(source[magic.end() :], language)]
    if magic:
        return [_block(source[magic.end() :], "sh")]
    if all(line.startswith("!") for line in source.splitlines()):
        return [_block(re.sub(r"^!", "", source, flags=re.MULTILINE), "sh")]
    return [_block(source, "python")]


def _block(text: str, language: str, kind: str = "") -> str:
    options = f":class: {kind}\n\n" if kind else ""
    return f"{_FENCE}{{code-block}} {language}\n{options}{text.rstrip()}\n{_FENCE}"


def _joined(outputs: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield outputs, what was printed in pieces as one."""
    for name, group in groupby(outputs, key=lambda output: output.get("name", "")):
        pieces = list(group)
        if name:
            text = "".join(part for piece in pieces for part in piece["text"])
            yield {"output_type": "stream", "name": name, "text": text}
        else:
            yield from pieces


def _shown(output: dict[str, Any]) -> Iterator[str]:
    """Yield an output as a page shows it: a picture, else HTML, else text."""
    if output["output_type"] == "stream":
        text = _COLOURS.sub("", "".join(output["text"]))
        if output["name"] == "stderr" and text.strip():
            yield _block(_WARNING.sub(r"\1\n", text), "text", "output said")
        elif text.strip():
            yield _block(text, "text", "output")
        return
    data = {
        kind: "".join(value)
        for kind, value in output.get("data", {}).items()
        if isinstance(value, str | list)
    }
    if "image/svg+xml" in data:
        yield _raw(_picture("image/svg+xml", data["image/svg+xml"]))
    elif "image/png" in data:
        yield _raw(_picture("image/png", data["image/png"]))
    elif "text/html" in data:
        yield _raw(f'<div class="output">{_TABLE_STYLE.sub("", data["text/html"])}</div>')
    elif data.get("text/plain", "").strip():
        yield _block(data["text/plain"], "text", "output")


def _picture(kind: str, data: str) -> str:
    # As a picture of its own: names within several SVGs of one page would be taken for each other.
    encoded = b64encode(data.encode()).decode() if kind == "image/svg+xml" else data.replace("\n", "")
    return f'<img class="output" alt="what the cell above shows" src="data:{kind};base64,{encoded}">'


def _raw(text: str) -> str:
    return f"{_FENCE}{{raw}} html\n{text}\n{_FENCE}"
