"""Make the demo corpora, their catalog and a small run, in a process of its own; says how far it is.

A line each: ``made DONE ALL``, ``index``, ``mixing``, ``epoch DONE ALL``, ``score``, ``done``, or
``error MESSAGE``. A process, because worker processes that a Streamlit session starts would import the
page as their main module, and because it goes on where it was when it is started again.
"""

import argparse
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

from mixlab import MixlabError, build_catalog
from mixlab.errors import RunError
from mixlab.synthesis import DEFAULT_SONGS, make_demo_corpora

MULTITRACKS = ("medleydb", "mixing_secrets", "slakh")
_POLL_S = 1.0


def say(*words: object) -> None:
    """Write a line at once, also while the training's own lines go elsewhere."""
    print(*words, file=sys.__stdout__, flush=True)


def make_catalog(out: Path, songs: int) -> None:
    """Write ``out/corpora`` and ``out/catalog`` as ``mixlab demo`` does."""

    def report(done: int, total: int) -> None:
        say("made", done, total)

    made = make_demo_corpora(out / "corpora", songs=songs, progress=report)
    say("index")
    roots = {name: made.roots[name] for name in MULTITRACKS}
    build_catalog(out / "catalog", roots, progress=False)


def make_run(out: Path, options: list[str]) -> None:
    """Train ``out/run`` as ``mixlab demo`` does; ``options`` are further ones of ``mixlab train``."""
    from mixlab.cli.main import main as mixlab
    from mixlab.training.run import Run
    from mixlab.utils.resources import resource_path

    folder = out / "run"
    started = (folder / "run.json").is_file()
    if started and Run.open(folder).info.get("status") == "evaluated":
        return
    say("mixing")
    arguments = ["train", "--config", resource_path("configs", "demo.yaml")]
    arguments += ["--catalog", out / "catalog", "--out", folder, *(["--resume", "true"] if started else [])]
    with _watched(folder), redirect_stdout(sys.stderr):
        code = mixlab([*map(str, arguments), *options])
    if code != 0:
        raise MixlabError(
            f"The training stopped (exit code {code}). Type: mixlab demo --out {out}", code="step-failed"
        )


@contextmanager
def _watched(folder: Path) -> Iterator[None]:
    """Say which epoch is done while a run is trained."""
    ended = threading.Event()

    def watch() -> None:
        said = ""
        while not ended.wait(_POLL_S):
            line = _epochs(folder)
            if line and line != said:
                said = line
                say(line)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _epochs(folder: Path) -> str:
    from mixlab.training.run import Run

    try:
        run = Run.open(folder)
        done, total = len(run.metrics()), int(run.config["train"]["epochs"])
        return "score" if done and run.info.get("status") == "trained" else f"epoch {done} {total}"
    except (RunError, KeyError):  # not written yet
        return ""


def main(arguments: list[str] | None = None) -> int:
    """Make what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("songs", type=int, nargs="?", default=DEFAULT_SONGS)
    parser.add_argument("--run", action="store_true", help="also train a small run")
    chosen, options = parser.parse_known_args(arguments)
    try:
        make_catalog(chosen.out, chosen.songs)
        if chosen.run:
            make_run(chosen.out, options)
    except MixlabError as error:
        say("error", " ".join(str(error).split()))
        return 1
    say("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
