"""Files to make, in parallel: each has a temporary name until it is complete."""

import os
import secrets
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

from mixlab.errors import ConfigError, MixlabError, OutputError
from mixlab.utils.files import told_as_output_error
from mixlab.utils.locks import hold_folder
from mixlab.utils.parallel import Engine, default_workers, map_items
from mixlab.utils.progress import tell_progress

__all__ = ["Task", "hold_demo", "remove", "remove_partial", "run_tasks"]

_PARTIAL = ".partial-"


@dataclass(frozen=True)
class Task:
    """One folder or file to make; ``target`` appears only when it is complete."""

    target: Path
    write: Callable[[Path], None]

    def __call__(self) -> None:
        """Write it under a temporary name, then give it its own.

        The temporary name is of this attempt alone: a machine that was taken for lost may be at it still.
        """
        own = f"{_PARTIAL}{os.getpid()}-{secrets.token_hex(4)}-{self.target.name}"
        partial_path = self.target.with_name(own)
        try:
            partial_path.parent.mkdir(parents=True, exist_ok=True)
            self.write(partial_path)
        except OSError:
            with suppress(OSError):
                remove(partial_path)  # on a full disk it would be in the way of what is still to come
            raise
        try:
            partial_path.replace(self.target)
        except OSError:
            if not self.target.exists():
                raise
            remove(partial_path)  # the other attempt was first, with the same bytes


def remove(path: Path) -> None:
    """Remove a file or a folder, if there is one."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def hold_demo(out: Path) -> AbstractContextManager[None]:
    """Keep other processes from making demo corpora in a folder for as long as the ``with`` block lasts.

    Raises:
        ConfigError: another process does.
        OutputError: the folder cannot be written.
    """
    return hold_folder(
        out,
        lambda: ConfigError(
            f"Another process makes demo corpora in {out}. Wait for it, or choose another folder.",
            code="demo-in-use",
        ),
    )


def remove_partial(root: Path) -> None:
    """Remove what a call that was interrupted left unfinished; the folder must be held."""
    for leftover in [*root.rglob(f"{_PARTIAL}*")]:
        remove(leftover)


def run_tasks(
    tasks: Sequence[Task],
    total: int,
    workers: int | None,
    progress: Callable[[int, int], None] | None,
    *,
    engine: Engine = "local",
    needs: Sequence[Path] = (),
) -> None:
    """Make what is left to do.

    Args:
        tasks: What is left.
        total: How many there are with those that are done.
        workers: Processes; None takes one per processor.
        progress: Called with (done, total) whenever one is finished.
        engine: ``local`` or ``ray``.
        needs: What each machine of a cluster must see.

    Raises:
        MixlabError: some could not be made; the others are.
        OutputError: there is no space left for more; what was made is kept.
    """
    done = total - len(tasks)
    errors = []
    # Rendering a song holds its stems in memory: more than a few processes gain little here.
    count = workers if engine == "ray" else min(workers or default_workers(), 16)
    for outcome in map_items(_call, tasks, workers=count, engine=engine, needs=needs):
        done += 1
        if outcome.value is not None:
            raise outcome.value
        if outcome.error:
            errors.append(f"{tasks[outcome.index].target.name}: {outcome.error}")
        tell_progress("making songs and clips", done, total)
        if progress is not None:
            progress(done, total)
    if errors:
        raise MixlabError(
            f"{len(errors)} of {total} demo items could not be made; the rest is kept, and the same command "
            f"tries again. First: {errors[0]}",
            code="items-failed",
        )


def _call(task: Task) -> OutputError | None:
    """Carry out a task; return what keeps all tasks from being written, such as a full disk."""
    try:
        with told_as_output_error(task.target):
            task()
    except OutputError as error:
        return error
    return None
