"""The public names of mixlab, found in its source, without importing any of it.

Public is what a package of mixlab lists in ``__all__``, and what ``mixlab.errors`` and the modules list that
pages or examples import from. A name that several of them offer has its entry in the first.
"""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

__all__ = [
    "GENERATED",
    "REPO",
    "Entry",
    "entries",
    "imports_of_pages",
    "public_modules",
    "summary_of",
    "written_pages",
]

REPO = Path(__file__).resolve().parents[2]
GENERATED = ("api", "commands", "project")
"""Folders below ``docs`` that hold nothing but generated pages."""

Kind = Literal["class", "function", "data"]


@dataclass(frozen=True)
class Entry:
    """A public name.

    Attributes:
        module: Where it is public, such as ``mixlab.catalog``.
        name: Its name there.
        home: The module that defines it, such as ``mixlab.catalog.catalog``.
        kind: What it is; constants and types with another name are ``data``.
        doc: Its docstring, '' where it has none.
        annotation: Of a constant, its type as it is written, or ''.
        value: Of a constant, its value as it is written.
        at: Full name of its entry: where it is public, or where it is public first.
    """

    module: str
    name: str
    home: str
    kind: Kind
    doc: str
    annotation: str
    value: str
    at: str

    @property
    def full_name(self) -> str:
        """The name to import it by."""
        return f"{self.module}.{self.name}"


def _file(module: str) -> Path:
    path = REPO.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(_file(module).read_text(encoding="utf-8"))


def _assigned(node: ast.stmt) -> str:
    """Return the name that a statement gives a value, or ''."""
    if isinstance(node, ast.Assign):
        target: ast.expr = node.targets[0]
    elif isinstance(node, ast.AnnAssign):
        target = node.target
    else:
        return ""
    return target.id if isinstance(target, ast.Name) else ""


def _listed(module: str) -> list[str]:
    """Return ``__all__`` of a module; empty where it has none."""
    for node in _tree(module).body:
        if _assigned(node) == "__all__":
            return list(ast.literal_eval(node.value))  # type: ignore[attr-defined]
    return []


def written_pages() -> list[Path]:
    """Return the pages and notebooks of ``docs`` that are written by hand, in its folders too, sorted."""
    docs = REPO / "docs"
    found = [*docs.rglob("*.md"), *docs.rglob("*.ipynb")]
    return sorted(path for path in found if path.relative_to(docs).parts[0] not in GENERATED)


def imports_of_pages() -> dict[str, list[str]]:
    """Return what pages and examples import from mixlab: names by module, both sorted."""
    pages = [REPO / "README.md", *written_pages(), *(REPO / "examples").glob("*.py")]
    found: dict[str, set[str]] = {}
    for page in pages:
        text = _text_of(page)
        for module, names in re.findall(r"^ *from (mixlab[\w.]*) import ([\w, ]+)$", text, re.MULTILINE):
            found.setdefault(module, set()).update(name.strip() for name in names.split(","))
    return {module: sorted(names) for module, names in sorted(found.items())}


def _text_of(page: Path) -> str:
    text = page.read_text(encoding="utf-8")
    if page.suffix != ".ipynb":
        return text
    return "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])


def public_modules() -> list[str]:
    """Return the full names of the public modules: ``mixlab``, its packages, and what pages import from."""
    packages = [
        ".".join(path.parent.relative_to(REPO).parts) for path in (REPO / "mixlab").rglob("__init__.py")
    ]
    found = {module for module in packages if _listed(module)}
    found |= {"mixlab.errors", *imports_of_pages()}
    return sorted(found)


def summary_of(module: str) -> str:
    """Return the first paragraph of a module's docstring, on one line."""
    return " ".join((ast.get_docstring(_tree(module)) or "").partition("\n\n")[0].split())


def _imports(module: str) -> Iterator[ast.ImportFrom]:
    return (node for node in ast.walk(_tree(module)) if isinstance(node, ast.ImportFrom))


def _definition(module: str, name: str) -> tuple[str, Kind, str, str, str]:
    """Return the home of a name, its kind, docstring, annotation and value."""
    body = _tree(module).body
    for place, node in enumerate(body):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            kind: Kind = "class" if isinstance(node, ast.ClassDef) else "function"
            return module, kind, ast.get_docstring(node) or "", "", ""
        if _assigned(node) == name:
            after = body[place + 1] if place + 1 < len(body) else None
            held = after.value if isinstance(after, ast.Expr) else None
            text = held.value if isinstance(held, ast.Constant) and isinstance(held.value, str) else ""
            written = ast.unparse(node.annotation) if isinstance(node, ast.AnnAssign) else ""
            value = node.value  # type: ignore[attr-defined]
            return module, "data", text, written, ast.unparse(value) if value else ""
    for found in _imports(module):
        for alias in found.names:
            if (alias.asname or alias.name) == name and found.module and found.module.startswith("mixlab"):
                return _definition(found.module, alias.name)
    raise LookupError(f"{module}.__all__ lists {name!r}, which the module neither defines nor imports")


@cache
def entries() -> tuple[Entry, ...]:
    """Return every public name, module by module, each sorted without regard to case."""
    found: list[Entry] = []
    first: dict[tuple[str, str], str] = {}
    for module in public_modules():
        for name in sorted(_listed(module), key=lambda name: (name.lower(), name)):
            home, kind, doc, annotation, value = _definition(module, name)
            at = first.setdefault((home, name), f"{module}.{name}")
            found.append(Entry(module, name, home, kind, doc, annotation, value, at))
    return tuple(found)
