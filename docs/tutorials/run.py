"""Execute the tutorials: ``python -m docs.tutorials.run``, or ``make tutorials``.

Each notebook runs in a kernel of its own, all of them in one folder, so that the first
makes the demo corpora and the others find them. The executed copies lie in
``build/tutorials``; the notebooks themselves hold no outputs.
"""

import argparse
import hashlib
import os
import resource
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from traitlets.config import Config

__all__ = ["HERE", "REPO", "execute", "main", "notebooks", "run", "sources_digest"]

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
OUT = REPO / "build" / "tutorials"
CELL_TIMEOUT_S = 1800
START_TIMEOUT_S = 600
_USED = (
    "mixlab/**/*.py",
    "mixlab/models/shipped/*",
    "taxonomy/**/*.*",
    "configs/**/*.yaml",
)


def notebooks(names: Sequence[str] = ()) -> list[Path]:
    """Return the notebooks in their order, or those whose names begin as asked for."""
    found = sorted(HERE.glob("*.ipynb"))
    missing = [
        name for name in names if not any(path.stem.startswith(name) for path in found)
    ]
    if missing:
        there = ", ".join(path.stem for path in found)
        sys.exit(f"No tutorial begins with {', '.join(missing)}; there are {there}.")
    return [path for path in found if not names or path.stem.startswith(tuple(names))]


def sources_digest(notebook: Path) -> str:
    """Return 64 hex digits that change with the notebook and with what it runs."""
    files: Iterable[Path] = (path for pattern in _USED for path in REPO.glob(pattern))
    digest = hashlib.sha256()
    for path in (notebook, *sorted(files)):
        digest.update(f"{path.relative_to(REPO)}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def execute(notebook: Path, out: Path) -> str:
    """Execute one notebook, and write the copy that holds its outputs.

    Args:
        notebook: The notebook without outputs.
        out: Folder of the copy, which has the same name; the kernel works in ``out/work``.

    Returns:
        "" where all went well, else the cell that failed and why; then the copy is called
        ``NAME.failed.ipynb``.
    """
    work = out / "work"
    work.mkdir(parents=True, exist_ok=True)
    content = nbformat.read(notebook, as_version=4)
    # What goes to and from the kernel is nothing that others on this machine could read.
    private = Config({"KernelManager": {"transport_encryption": "auto"}})
    resources = {"metadata": {"path": str(work)}}
    client = NotebookClient(
        content,
        timeout=CELL_TIMEOUT_S,
        startup_timeout=START_TIMEOUT_S,
        resources=resources,
        config=private,
    )
    failed = out / f"{notebook.stem}.failed.ipynb"
    failed.unlink(missing_ok=True)
    try:
        client.execute(env=_environment())
    except (CellExecutionError, CellTimeoutError, RuntimeError) as error:
        nbformat.write(content, failed)
        return f"{type(error).__name__}: {error}"
    content.metadata["mixlab"] = {"made_of": sources_digest(notebook)}
    partial = out / f"{notebook.stem}.partial"
    nbformat.write(content, partial)
    partial.replace(out / notebook.name)
    return ""


def _environment() -> dict[str, str]:
    """Have notebooks use this checkout, and commands (``!mixlab ...``) this environment."""
    first = {"PYTHONPATH": str(REPO), "PATH": str(Path(sys.executable).parent)}
    rest = {name: os.environ.get(name) for name in first}
    joined = {
        name: os.pathsep.join(filter(None, (first[name], rest[name]))) for name in first
    }
    # Progress bars as widgets are nobody's who reads a page.
    return {**os.environ, **joined, "PYTHONWARNINGS": "ignore:IProgress not found"}


def is_done(notebook: Path, out: Path) -> bool:
    """Whether the copy is there, and of this very notebook and this very mixlab."""
    copy = out / notebook.name
    if not copy.is_file():
        return False
    made = nbformat.read(copy, as_version=4).metadata.get("mixlab", {})
    return bool(made.get("made_of") == sources_digest(notebook))


def run(
    names: Sequence[str] = (), out: Path = OUT, *, force: bool = False
) -> dict[str, str]:
    """Execute what is not done yet, whatever fails.

    Returns:
        What failed, by the notebook's name.
    """
    failures = {}
    for notebook in notebooks(names):
        if not force and is_done(notebook, out):
            print(f"{notebook.stem}: done already", flush=True)
            continue
        print(f"{notebook.stem}: ", end="", flush=True)
        before = _processor_s()
        failure = execute(notebook, out)
        took = f"{_processor_s() - before:.1f} s of processor time"
        print(f"{'FAILED' if failure else 'ok'}, {took}", flush=True)
        if failure:
            failures[notebook.stem] = failure
    return failures


def _processor_s() -> float:
    """Seconds of processor time of the processes that have ended, as kernels have."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(arguments: Sequence[str] | None = None) -> int:
    """Execute the tutorials, and say at the end what failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "names", nargs="*", help="beginnings of names, such as 03; all by default"
    )
    parser.add_argument(
        "--out", type=Path, default=OUT, help="folder of the executed copies"
    )
    parser.add_argument("--force", action="store_true", help="execute also what is done")
    given = parser.parse_args(arguments)
    failures = run(given.names, given.out.resolve(), force=given.force)
    for name, why in failures.items():
        print(f"\n== {name}: see {given.out / name}.failed.ipynb\n{why}")
    if failures:
        print(f"\nFailed: {', '.join(failures)}. The same command keeps what went well.")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
