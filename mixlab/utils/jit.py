"""Compile kernels with numba, and keep what was compiled where this machine lets it.

numba keeps compiled code beside the source or in the user's cache folder, and refuses to go on where it
can write to neither, as in containers without a home. Then it is kept in a private temporary folder, or
compiled anew by every process.
"""

import os
import stat
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numba
from numba.core import config
from numba.core.caching import FunctionCache

__all__ = ["import_alone", "njit"]


def njit(*signature: Any, cache: bool = False, **options: Any) -> Any:  # noqa: ANN401 - as numba's own
    """Return numba's decorator; ``cache`` is passed on where compiled code can be kept at all.

    What is compiled when it is decorated, since its signature is given, and kept, is compiled by one process
    of this user at a time: workers that start together then read what the first has compiled.
    """
    kept = cache and _can_keep()
    decorator: Any = numba.njit
    decorate = decorator(*signature, cache=kept, **options)
    if not (signature and kept):
        return decorate

    def compiled(function: Any) -> Any:  # noqa: ANN401 - as numba's own
        with _alone():
            return decorate(function)

    return compiled


@lru_cache(maxsize=1)
def _can_keep() -> bool:
    """Tell whether compiled code can be kept; say so where that is not in one of numba's own folders."""
    if _numba_finds_a_folder():
        return True
    folder = _private_folder()
    if folder is not None:
        config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]  # set by name when numba starts
        os.environ["NUMBA_CACHE_DIR"] = str(folder)  # for processes that are started from here
        if _numba_finds_a_folder():
            _say(f"it is kept in {folder} for now")
            return True
    _say("every process compiles it anew, which takes some seconds")
    return False


def import_alone(*names: str) -> None:
    """Import modules that compile vectorized functions, while no other process of this user does.

    numba keeps each of these in several files, some of which refer to others. Processes that compile them at
    the same time can leave files that do not fit together, and whoever calls such a function crashes, until
    somebody removes the files.

    Args:
        *names: Full names of the modules.

    Raises:
        ImportError: one of them is not there.
    """
    with _alone():
        for name in names:
            import_module(name)


@contextmanager
def _alone() -> Iterator[None]:
    """Hold a lock that all processes of this user share; where there are no locks, go on without."""
    folder = _private_folder()
    if folder is None:
        yield
        return
    with (folder / "compiling.lock").open("ab") as file:
        with suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        try:
            yield
        finally:
            # Closing alone would leave it to processes that were forked meanwhile and hold the file, too.
            with suppress(ImportError, OSError):
                fcntl.flock(file.fileno(), fcntl.LOCK_UN)


def _say(what: str) -> None:
    warnings.warn(
        f"Compiled code can be kept neither beside mixlab nor in the home folder: {what}. "
        "Set NUMBA_CACHE_DIR to a folder that can be written, to keep it there.",
        category=RuntimeWarning,
        stacklevel=2,
    )


def _numba_finds_a_folder() -> bool:
    """Ask numba itself, for a function of this package."""
    try:
        FunctionCache(_private_folder)  # type: ignore[no-untyped-call]
    except RuntimeError:
        return False
    return True


def _private_folder() -> Path | None:
    """Return a folder among the temporary ones into which nobody but this user can write; None without one.

    What lies there is run, so a folder that another user has made is not taken.
    """
    owner = os.getuid() if hasattr(os, "getuid") else "user"
    try:
        folder = Path(tempfile.gettempdir()) / f"mixlab-numba-{owner}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    mine = stat.S_ISDIR(found.st_mode) and (owner == "user" or found.st_uid == owner)
    return folder if mine and (owner == "user" or not found.st_mode & 0o022) else None
