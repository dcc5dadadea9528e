"""Let one process at a time write to a folder: a lock that the system lets go with whoever holds it.

The lock is one of the system's (``flock``) on the file ``.lock`` in the folder, so that none stays behind a
process that was killed. Where a file system knows no locks, a warning says so and the work goes on.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from mixlab.errors import MixlabError
from mixlab.utils.files import make_folder, output_error, remove_leftovers, try_lock

__all__ = ["LOCK", "hold_folder"]

LOCK = ".lock"
"""Name of the file; it goes with the lock, and stays where a process was killed."""

_TRIES = 100
"""How often the file is opened again, as it was removed meanwhile by who let it go."""

_HELD: dict[tuple[int, Path], BinaryIO] = {}
"""What this process holds, by thread and folder."""


@contextmanager
def hold_folder(folder: Path, busy: Callable[[], MixlabError]) -> Iterator[None]:
    """Keep other processes from writing to a folder, and remove what killed ones have left in it.

    A thread that holds the folder may hold it again. Processes that are forked meanwhile do not hold it.

    Args:
        folder: The folder; made if it is missing.
        busy: Makes the error that is raised where another process holds it.

    Raises:
        MixlabError: that error.
        OutputError: the folder cannot be written.
    """
    was_there = folder.exists()
    key = threading.get_ident(), make_folder(folder).resolve()
    if key in _HELD:
        yield
        return
    file = _HELD[key] = _open_locked(folder / LOCK, busy)
    try:
        remove_leftovers(folder, locked=True)
        yield
    finally:
        if _HELD.pop(key, None) is file:  # else this is a process that was forked meanwhile
            # Under the lock, or a process that has just opened the file would lose it. Where an open file
            # cannot be removed, it stays. So it does where the folder is gone, or read-only by now.
            with suppress(OSError):
                (folder / LOCK).unlink()
                if not was_there:
                    folder.rmdir()  # if nothing came of it
        file.close()


def _open_locked(path: Path, busy: Callable[[], MixlabError]) -> BinaryIO:
    for _ in range(_TRIES):
        try:
            file = path.open("ab")
        except OSError as error:
            raise output_error(path, error) from error
        if not try_lock(file):
            file.close()
            raise busy()
        # Who held it until now has removed the file that was opened, when it let go.
        with suppress(OSError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()
    raise busy()


def _let_go() -> None:
    """Close what the parent of this process, which was just forked, holds: the lock is to end with it."""
    while _HELD:
        _HELD.popitem()[1].close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
