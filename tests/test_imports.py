"""The import graph: rooms import one way, modules in no circle, and importing mixlab is cheap."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

import pytest

import mixlab
from tests.conftest import REPO

# A room imports from the rooms before it, and from itself. ``app`` and ``benchmarks`` stand on top.
ROOMS = (
    "errors",
    "utils",
    "audio",
    "taxonomy",
    "corpora",
    "catalog",
    "mixing",
    "sharing",
    "models",
    "evaluation",
    "training",
    "inference",
    "studies",
    "synthesis",
    "cli",
)
# Views show data by way of components; links and texts serve all of them.
APP_ROOMS = ("links", "settings", "texts", "components", "data", "views", "main")
# The tour types other commands as a user would, so it goes back to the command line, when it is called.
# What lists the files that no adapter looked at names the tree in its annotations only.
BACK = {
    ("mixlab.cli.commands.demo", "mixlab.cli.main"),
    ("mixlab.corpora._skipped", "mixlab.corpora._tree"),
}


def imported_names(source: str) -> Iterator[str]:
    """Yield the full name of everything that a module imports, also inside functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            prefix = "." * node.level + (node.module or "")
            yield from (f"{prefix}.{alias.name}" for alias in node.names)


def modules(package: str) -> dict[str, str]:
    """Return the source of every module of a package by its full name."""
    found = {}
    for path in sorted((REPO / package).rglob("*.py")):
        parts = path.relative_to(REPO).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text(encoding="utf-8")
    return found


MIXLAB = modules("mixlab")
APP = modules("app")


def violations(room: str, source: str) -> list[str]:
    """Say what is wrong with the imports of a module in ``room`` of mixlab."""
    found = []
    for name in imported_names(source):
        root, *rest = name.split(".")
        if root == "":
            found.append(f"relative import of {name}")
        elif root in ("app", "streamlit", "tests", "benchmarks"):
            found.append(f"imports {name}: mixlab stands without it")
        elif root == "mixlab" and rest and rest[0] not in ("__version__", room):
            if rest[0] not in ROOMS:
                found.append(f"imports {name}: not by way of a room")
            elif ROOMS.index(rest[0]) > ROOMS.index(room):
                found.append(f"imports {name}: {rest[0]!r} comes after {room!r}")
    return found


def app_room(name: str) -> str:
    """Return the room of a module of the app."""
    return name.split(".")[1] if "." in name else "main"


def app_violations(room: str, source: str) -> list[str]:
    """Say what is wrong with the imports of a module in ``room`` of the app."""
    found = []
    for name in imported_names(source):
        root, *_ = name.split(".")
        if root == "":
            found.append(f"relative import of {name}")
        elif root in ("tests", "benchmarks"):
            found.append(f"imports {name}: the app stands without it")
        elif root == "app" and APP_ROOMS.index(app_room(name)) > APP_ROOMS.index(room):
            found.append(f"imports {name}: {app_room(name)!r} comes after {room!r}")
    return found


def test_mixlab_holds_its_rooms_and_nothing_else() -> None:
    held = {path.stem for path in (REPO / "mixlab").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert held - {"__init__", "__pycache__"} == set(ROOMS)


@pytest.mark.parametrize("module", sorted(set(MIXLAB) - {"mixlab"}))
def test_rooms_import_one_way(module: str) -> None:
    assert violations(module.split(".")[1], MIXLAB[module]) == []


@pytest.mark.parametrize("module", sorted(APP))
def test_the_app_imports_one_way(module: str) -> None:
    assert app_violations(app_room(module), APP[module]) == []


@pytest.mark.parametrize(
    ("room", "source", "found"),
    [
        ("catalog", "from mixlab.taxonomy import load_taxonomy\nimport numpy", 0),
        ("catalog", "from mixlab.catalog import Stem\nfrom mixlab import __version__", 0),
        ("catalog", "from mixlab.mixing import MixDataset", 1),
        ("catalog", "def f():\n    import mixlab.mixing.rendering", 1),
        ("audio", "from mixlab import taxonomy", 1),
        ("mixing", "from mixlab import Catalog", 1),
        ("mixing", "from . import audio", 1),
        ("cli", "import streamlit as st\nfrom app.main import page", 2),
    ],
)
def test_the_check_itself_finds_wrong_imports(room: str, source: str, found: int) -> None:
    assert len(violations(room, source)) == found


@pytest.mark.parametrize(
    ("room", "source", "found"),
    [
        ("views", "from app.components import heat\nfrom app.data import runs\nimport mixlab", 0),
        ("components", "from app.data import runs", 1),
        ("components", "from app.views import runs", 1),
        ("components", "from tests.toy import make_catalog\nfrom .heat import draw", 2),
    ],
)
def test_the_check_itself_finds_wrong_imports_of_the_app(room: str, source: str, found: int) -> None:
    assert len(app_violations(room, source)) == found


def arrows(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """Return the modules that each module imports, without those that its own package hands on."""
    found: dict[str, set[str]] = {}
    for module, source in sources.items():
        names = set(imported_names(source))
        targets = {name if name in sources else name.rpartition(".")[0] for name in names}
        found[module] = {target for target in targets if target in sources and target != module}
    return found


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {
        module: {target for target in targets if (module, target) not in BACK}
        for module, targets in arrows(MIXLAB | APP).items()
    }
    # A package's __init__ only hands on names, most of them on first use.
    packages = {module for module in graph if any(other.startswith(f"{module}.") for other in graph)}
    inner = {module: targets - packages for module, targets in graph.items() if module not in packages}
    assert len(inner) > 200
    assert len(list(TopologicalSorter(inner).static_order())) == len(inner)


def test_a_circle_would_be_found() -> None:
    with pytest.raises(CycleError, match="cycle"):
        list(TopologicalSorter(arrows({"a.x": "import a.y", "a.y": "from a.x import f"})).static_order())


@pytest.mark.parametrize("name", sorted(set(mixlab.__all__) - {"__version__"}))
def test_public_names_mean_the_same_whatever_was_imported_before(name: str) -> None:
    """A module of the same name would take its place once something imports that module."""
    assert f"mixlab.{name}" not in MIXLAB
    assert getattr(mixlab, name).__name__ == name


def exported(source: str) -> set[str]:
    """Return the names in ``__all__`` of a module."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


@pytest.mark.parametrize("package", sorted(name for name in MIXLAB if exported(MIXLAB[name])))
def test_no_module_is_named_like_what_its_package_exports(package: str) -> None:
    inside = {name.removeprefix(f"{package}.") for name in MIXLAB if name.startswith(f"{package}.")}
    assert inside & exported(MIXLAB[package]) == set()


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("import mixlab", {"torch", "streamlit", "pandas", "numpy"}),
        ("import mixlab.cli.main", {"torch", "streamlit", "pandas", "lightning"}),
        ("from mixlab import Catalog, MixConfig", {"torch", "streamlit"}),
        ("from mixlab import MixDataset", {"torchaudio", "torchvision", "lightning", "streamlit"}),
    ],
)
def test_importing_stays_cheap(statement: str, unwanted: set[str]) -> None:
    code = f"{statement}\nimport json, sys\nprint(json.dumps([m for m in sys.modules if '.' not in m]))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPO)
    loaded = set(json.loads(run.stdout))
    assert "mixlab" in loaded
    assert loaded & unwanted == set()
