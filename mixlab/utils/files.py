"""Write files so that they are whole or not there, check targets before the work, and lock folders.

Every file that mixlab writes goes through ``open_atomic`` or ``write_atomic``: it is written under a
temporary name in the same folder and then renamed, so that nobody reads half of it, two writers do not
meet in one file, and a full disk costs no earlier result.
"""

import errno
import os
import secrets
import time
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from zipfile import BadZipFile

from mixlab.errors import OutputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "check_writable",
    "discard_damaged",
    "make_folder",
    "open_atomic",
    "read_arrays",
    "temporary_path",
    "try_lock",
    "write_atomic",
]

_LEFTOVER_S = 3600.0
"""Age from which a temporary file of the same name is taken for what a killed run has left."""

_MAX_NAME = 200  # characters of a file's name kept in its temporary name: systems allow 255 bytes

_ADVICE = {
    errno.ENOSPC: "Make space, or choose another folder; what was finished before is kept.",
    errno.EDQUOT: "The quota is used up: make space, or choose another folder.",
    errno.EROFS: "The file system is read-only: choose another folder.",
    errno.EACCES: "You may not write there: choose another folder, or have its permissions changed.",
    errno.EPERM: "You may not write there: choose another folder, or have its permissions changed.",
    errno.ENOTDIR: "A part of that path is a file: choose another folder.",
    errno.EEXIST: "A file of that name is in the way: choose another folder.",
}


def output_error(path: Path, error: OSError) -> OutputError:
    """Return what to raise when ``path`` cannot be written."""
    reason = error.strerror or str(error)
    advice = _ADVICE.get(error.errno or 0, "Check that the folder exists and can be written.")
    return OutputError(f"Could not write {path}: {reason}. {advice}")


@contextmanager
def temporary_path(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """Give a path to write to, which becomes ``path`` when the block ends and vanishes when it fails.

    Args:
        path: The file to write; an earlier one stays in place until the new one is whole.
        sync: Wait until the bytes are on the disk before renaming.

    Raises:
        OutputError: the file cannot be written.
    """
    _remove_leftovers(path)
    temporary = path.with_name(f".{path.name[:_MAX_NAME]}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        if sync:
            _sync(temporary)
        temporary.replace(path)
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def open_atomic(path: Path, *, sync: bool = True) -> Iterator[BinaryIO]:
    """Open a binary file that becomes ``path`` when the block ends; see ``temporary_path``.

    Raises:
        OutputError: the file cannot be written.
    """
    with temporary_path(path, sync=False) as temporary, temporary.open("xb") as file:
        yield file
        if sync:
            file.flush()
            os.fsync(file.fileno())


def write_atomic(path: Path, data: bytes | str, *, sync: bool = True) -> None:
    """Write a whole file, text as UTF-8 with the line ends it has; see ``temporary_path``.

    Raises:
        OutputError: the file cannot be written.
    """
    with open_atomic(path, sync=sync) as file:
        file.write(data.encode() if isinstance(data, str) else data)


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _remove_leftovers(path: Path) -> None:
    """Remove the temporary files that killed runs left of a file, once they are old."""
    prefix, now = f".{path.name[:_MAX_NAME]}.", time.time()
    for leftover in _temporary_files(path.parent, int(now // _LEFTOVER_S)):
        if leftover.name.startswith(prefix):
            with suppress(OSError):
                if leftover.lstat().st_mtime < now - _LEFTOVER_S:
                    leftover.unlink(missing_ok=True)


@lru_cache(maxsize=256)
def _temporary_files(folder: Path, hour: int) -> tuple[Path, ...]:
    """Return the temporary files in a folder, looked for once an hour: it may hold very many others."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries]
    except OSError:
        return ()
    return tuple(folder / name for name in names if name.startswith(".") and name.endswith(".tmp"))


def make_folder(folder: Path) -> Path:
    """Make a folder with its parents, if it is not there, and return it.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
    return folder


def check_writable(folder: Path) -> None:
    """Check that files can be written to a folder, before the work that they hold; leave nothing behind.

    Args:
        folder: The folder, which need not exist: then the nearest one above it that does is tried.

    Raises:
        OutputError: nothing can be written there.
    """
    there = folder.absolute()
    while not os.path.lexists(there) and there != there.parent:
        there = there.parent
    trial = there / f".mixlab-{os.getpid()}-{secrets.token_hex(4)}.tmp"
    try:
        trial.open("xb").close()
        trial.unlink()
    except OSError as error:
        raise output_error(folder, error) from error


def read_arrays(path: Path) -> "dict[str, NDArray[Any]]":
    """Read all arrays of an ``.npz`` file; arrays of Python objects, which are code, are refused.

    Raises:
        OSError: it is not there, or may not be read.
        ValueError: it is damaged, or no such file.
    """
    import numpy as np

    # Opened here: NumPy leaves a damaged file open, and a file that may not be read is not damaged.
    with path.open("rb") as file:
        try:
            with np.load(file, allow_pickle=False) as arrays:
                return dict(arrays)
        except (OSError, EOFError, AttributeError, TypeError, BadZipFile, zlib.error) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error


def discard_damaged(path: Path, error: Exception) -> None:
    """Remove a file of a cache that cannot be read, and say that what it held is made anew."""
    path.unlink(missing_ok=True)
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    warnings.warn(
        f"{path} was damaged ({reason}); it is removed, and what it held is made anew.",
        category=RuntimeWarning,
        stacklevel=2,
    )


def try_lock(file: BinaryIO) -> bool:
    """Lock an open file until it is closed; False when another process holds it.

    Where the file system knows no locks (some network file systems), there is a warning and no lock: two
    writers at once are then the user's to avoid, as they are on Windows.
    """
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES):
            return False
        warnings.warn(
            f"{file.name} cannot be locked ({error.strerror}): this file system knows no locks. Going on "
            "without; see to it that no other run writes there.",
            category=RuntimeWarning,
            stacklevel=2,
        )
    return True
