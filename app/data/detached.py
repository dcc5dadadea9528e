"""Work that goes on without the page: what is started, and where it is found again."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import streamlit as st

from mixlab import Catalog, MixlabError
from mixlab.catalog.label_preview import LabelPreview, extra_rows, preview_labels
from mixlab.studies.locations import find_folders
from mixlab.synthesis.starter import STARTER_SECONDS, STARTER_SONGS, starter_splits
from mixlab.training.run import Run
from mixlab.utils.detached import MARKER, Step, Work, WorkStatus
from mixlab.utils.resources import resource_path

__all__ = [
    "BUILDS",
    "DEMO",
    "STARTER",
    "catalog_of",
    "describe_catalog",
    "find_builds",
    "get_preview",
    "get_status",
    "log_of",
    "start_demo",
    "start_index",
    "start_starter",
    "stop",
]

DEMO, STARTER = Path("demo-output"), Path("starter")
BUILDS = ("index", "starter", "demo", "demo run")
"""Kinds of works that make a catalog."""

_LABELS, _SPLITS = "labels.csv", "splits.csv"
_NEAR = 1
_MULTITRACKS = {
    "medleydb": "medleydb",
    "mixing_secrets": "mixing_secrets",
    "slakh": "slakh2100_flac_redux",
}


def get_status(folder: str) -> WorkStatus | None:
    """Return how the work on a folder stands; never cached, as it goes on."""
    return Work(folder).status()


def log_of(folder: str) -> str:
    """Return the end of what the work on a folder has said."""
    return Work(folder).log_tail()


def stop(folder: str) -> None:
    """Ask the work on a folder to stop."""
    Work(folder).stop()


def find_builds() -> list[WorkStatus]:
    """Return the work on catalogs below the folder that the server was started in, the latest first."""
    found = []
    for one in find_folders(MARKER, [(Path.cwd(), _NEAR)]):
        try:
            status = Work(one.path).status()
        except MixlabError:  # of another release, or damaged: nothing to go on with
            continue
        if status is not None and status.kind in BUILDS:
            found.append(status)
    return sorted(found, key=lambda status: status.started, reverse=True)


def catalog_of(status: WorkStatus) -> Path:
    """Return the catalog that a work makes."""
    return status.folder if status.kind == "index" else status.folder / "catalog"


@st.cache_resource(max_entries=8, show_spinner="Looking at names and labels …")
def get_preview(corpus: str, folder: str, asked: int) -> LabelPreview:
    """Return what indexing would make of a folder's labels.

    Args:
        corpus: How it is laid out.
        folder: The folder.
        asked: How often it was asked for: it may have changed in between.
    """
    return preview_labels(corpus, folder)


def describe_catalog(path: Path) -> str:
    """Say what a catalog holds and what is wrong with it, in a line each."""
    catalog = Catalog.open(path)
    songs = len({*zip(catalog.column("corpus"), catalog.column("song"), strict=True)})
    kinds: dict[str, int] = {}
    for problem in catalog.problems():
        kinds[problem.kind] = kinds.get(problem.kind, 0) + 1
    listed = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
    return f"{len(catalog)} stems in {songs} songs. Problems: {listed or 'none'}."


def start_index(
    out: str, corpus: str, folder: str, labels: Mapping[str, Sequence[str]] | None = None
) -> bool:
    """Index a folder, with the meanings chosen for labels that no map knows; return whether it was started.

    Raises:
        OutputError: the catalog's folder cannot be written.
    """
    work, root = Work(out), str(Path(folder).expanduser().absolute())
    arguments = ["index", str(work.folder), "--root", f"{corpus}={root}"]
    files = {}
    if labels:
        files[_LABELS] = extra_rows(labels)
        arguments += ["--labels_extra", f"{corpus}={work.path / _LABELS}"]
    return work.start(
        "index", f"Index {root}", [Step("Index", tuple(arguments))],
        about={"corpus": corpus, "folder": root}, files=files,
    )  # fmt: skip


def start_starter(out: Path = STARTER) -> bool:
    """Make a few short songs and their catalog; return whether that was started."""
    work = Work(out)
    made = ("--songs", f"{STARTER_SONGS}", "--seconds", f"{STARTER_SECONDS:g}", "--tagged", "false")
    steps = _demo_steps(work.folder, made, ("--splits", str(work.path / _SPLITS)))
    return work.start("starter", "A few songs to start with", steps, files={_SPLITS: starter_splits()})


def start_demo(out: Path = DEMO, *, with_run: bool = False) -> bool:
    """Make the demo corpora and their catalog, and train a small run; return whether that was started.

    What is there is not made again.
    """
    folder = Work(out).folder
    steps = _demo_steps(folder)
    if with_run and (step := _training(folder)) is not None:
        steps.append(step)
    title = "Demo corpora and a small run" if with_run else "Demo corpora"
    return Work(out).start("demo run" if with_run else "demo", title, steps)


def _demo_steps(folder: Path, made: tuple[str, ...] = (), indexed: tuple[str, ...] = ()) -> list[Step]:
    corpora = folder / "corpora"
    roots = [x for name, below in _MULTITRACKS.items() for x in ("--root", f"{name}={corpora / below}")]
    return [
        Step("Compose and play", ("demo-corpora", str(corpora), *made)),
        Step("Index", ("index", str(folder / "catalog"), *roots, *indexed)),
    ]


def _training(folder: Path) -> Step | None:
    run = folder / "run"
    started = (run / "run.json").is_file()
    if started and Run.open(run).info.get("status") == "evaluated":
        return None
    config = str(resource_path("configs", "demo.yaml"))
    arguments = ("train", "--config", config, "--catalog", str(folder / "catalog"), "--out", str(run))
    return Step("Train and score", (*arguments, *(("--resume", "true") if started else ())))
