"""The import graph: modules import only from layers before theirs, and importing mixlab is cheap."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mixlab

REPO = Path(__file__).resolve().parent.parent
PACKAGE = REPO / "mixlab"

# A module may import from the lines before its own, and a package from itself. New modules go in here.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("errors",),
    (
        "decoding",
        "disjoint_sets",
        "entries",
        "file_kinds",
        "files",
        "jit",
        "resources",
        "rng",
        "time_stamps",
        "parallel",
        "values",
        "yaml_text",
        "csv_text",
    ),
    ("addresses", "callers", "epochs", "ranks"),
    ("taxonomy", "audio"),
    ("hierarchy",),
    ("lanes",),
    (
        "drawing_kernels",
        "filter_kernels",
        "level_kernels",
        "mix_kernels",
        "resampling_kernels",
        "vocoder_kernels",
    ),
    ("filters", "levels", "resampling", "vocoder"),
    ("faults", "summing"),
    ("hearing",),
    ("corpora", "activity", "uploads", "splits", "stretch"),
    ("copies", "journal", "roots", "scanning"),
    ("catalog_files",),
    ("catalog",),
    ("corpus_view",),
    ("corpus_lists",),
    ("relations",),
    ("indexing",),
    ("demo",),
    ("effects",),
    ("recipes",),
    ("pools",),
    ("drawing",),
    ("reading",),
    ("rendering",),
    ("export", "pack"),
    ("packing",),
    ("audition",),
    ("datasets", "jamendo"),
    ("loaders",),
    ("device",),
    ("models", "runs"),
    ("weights",),
    ("evaluation",),
    ("reporting",),
    ("training",),
    ("tagging", "pretraining", "baselines"),
    ("tag_output", "outside", "studies"),
    ("inspection",),
    ("commands",),
    ("cli",),
)
# The tour types other commands as a user would, so it goes back to the command line, when it is called.
EXCEPTIONS = {"mixlab/commands/demo.py": ["imports mixlab.cli.main: not in a layer before 'commands'"]}
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
MODULES = sorted(path.relative_to(REPO).as_posix() for path in PACKAGE.rglob("*.py"))


def imported_names(source: str) -> Iterator[str]:
    """Yield the full name of everything that a module imports, also inside functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            prefix = "." * node.level + (node.module or "")
            yield from (f"{prefix}.{alias.name}" for alias in node.names)


def violations(part: str, source: str) -> list[str]:
    """Say what is wrong with the imports of a module that belongs to ``part`` of mixlab."""
    found = []
    for name in imported_names(source):
        root, *rest = name.split(".")
        if root == "":
            found.append(f"relative import of {name}")
        elif root in ("app", "streamlit", "tests", "benchmarks"):
            found.append(f"imports {name}: mixlab stands without it")
        elif root == "mixlab" and rest and rest[0] != "__version__" and rest[0] != part:
            if rest[0] not in LEVEL:
                found.append(f"imports {name}: neither a module of the table nor one's own package")
            elif LEVEL[rest[0]] >= LEVEL[part]:
                found.append(f"imports {name}: not in a layer before {part!r}")
    return found


@pytest.mark.parametrize("module", [name for name in MODULES if name != "mixlab/__init__.py"])
def test_imports_point_up_the_table(module: str) -> None:
    part = Path(module).parts[1].removesuffix(".py")
    assert part in LEVEL, f"{module} has no place in LAYERS in {Path(__file__).name}; give it one"
    assert violations(part, (REPO / module).read_text(encoding="utf-8")) == EXCEPTIONS.get(module, [])


@pytest.mark.parametrize(
    ("part", "source", "found"),
    [
        ("catalog", "from mixlab.taxonomy import load_taxonomy\nimport numpy", 0),
        ("catalog", "from mixlab.catalog import Stem\nfrom mixlab import __version__", 0),
        ("catalog", "from mixlab.datasets import MixDataset", 1),
        ("catalog", "def f():\n    import mixlab.rendering", 1),
        ("audio", "from mixlab import taxonomy", 1),
        ("recipes", "from mixlab import Catalog", 1),
        ("rendering", "from . import audio", 1),
        ("commands", "import streamlit as st\nfrom app.main import page", 2),
    ],
)
def test_the_check_itself_finds_wrong_imports(part: str, source: str, found: int) -> None:
    assert len(violations(part, source)) == found


@pytest.mark.parametrize("name", sorted(set(mixlab.__all__) - {"__version__"}))
def test_public_names_mean_the_same_whatever_was_imported_before(name: str) -> None:
    """A module of the same name would take its place once something imports that module."""
    assert not (PACKAGE / name).exists()
    assert not (PACKAGE / f"{name}.py").exists()
    assert getattr(mixlab, name).__name__ == name


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("import mixlab", {"torch", "streamlit", "pandas", "numpy"}),
        ("import mixlab.cli", {"torch", "streamlit", "pandas", "lightning"}),
        ("from mixlab import Catalog, MixConfig", {"torch", "streamlit"}),
        ("import mixlab.datasets", {"torchaudio", "torchvision", "lightning", "streamlit"}),
    ],
)
def test_importing_stays_cheap(statement: str, unwanted: set[str]) -> None:
    code = f"{statement}\nimport json, sys\nprint(json.dumps([m for m in sys.modules if '.' not in m]))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPO)
    loaded = set(json.loads(run.stdout))
    assert "mixlab" in loaded
    assert loaded & unwanted == set()
