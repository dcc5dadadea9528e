"""Write files so that they are whole or not there, check targets before the work, and lock folders.

Every file that mixlab writes goes through ``open_atomic`` or ``write_atomic``: it is written under a
temporary name in the same folder and then renamed, so that nobody reads half of it, two writers do not
meet in one file, and a full disk costs no earlier result. The temporary name says which process writes, so
that what a killed one has left goes when the next one writes to that folder.
"""

import errno
import math
import os
import re
import secrets
import socket
import time
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from zipfile import ZipFile

from mixlab.errors import OutputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "check_writable",
    "discard_damaged",
    "is_full",
    "make_folder",
    "open_atomic",
    "output_error",
    "read_arrays",
    "remove_leftovers",
    "temporary_path",
    "told_as_output_error",
    "try_lock",
    "write_atomic",
    "write_first",
    "write_together",
]

_LEFTOVER_S = 3600.0
"""Age from which a temporary file is taken for what a killed run has left, whoever writes it."""

_MAX_NAME = 180  # bytes of a file's name kept in its temporary name: systems allow 255

_TEMPORARY = re.compile(r"\..+\.(?:(?P<machine>[0-9a-f]{8})-)?(?P<process>\d+)-[0-9a-f]{8}\.tmp")

_NOT_WRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG})
"""What only writing can fail with, wherever it is raised."""

_ADVICE = {
    errno.ENOSPC: "Make space, or choose another folder; what was finished before is kept.",
    errno.EDQUOT: "The quota is used up: make space, or choose another folder.",
    errno.EFBIG: "The file system or a limit (ulimit -f) forbids files so large: choose another folder.",
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


def is_full(error: BaseException | None) -> bool:
    """Tell whether an error is one that only writing can have: no space, no quota, read-only."""
    return isinstance(error, OSError) and error.errno in _NOT_WRITABLE


@contextmanager
def told_as_output_error(path: Path) -> Iterator[None]:
    """Let what a library fails to write in the block, for want of space, be an error of mixlab's.

    Args:
        path: What is being written, or its folder; an error that names its own file is told of that.

    Raises:
        OutputError: the disk is full, a quota is used up, or the file system is read-only.
    """
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        raise output_error(Path(error.filename) if error.filename else path, error) from error


@lru_cache(maxsize=1)
def _machine() -> str:
    """Name those processes whose numbers this one can look up: of this machine, start and container."""
    try:
        started = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        own = started + str(Path("/proc/self/ns/pid").readlink())
    except OSError:  # no Linux: no containers, either
        own = socket.gethostname()
    return f"{zlib.crc32(own.encode()):08x}"


def _temporary_name(path: Path) -> str:
    return f"{_prefix(path)}{_machine()}-{os.getpid()}-{secrets.token_hex(4)}.tmp"


def _prefix(path: Path) -> str:
    return f".{path.name.encode(errors='ignore')[:_MAX_NAME].decode(errors='ignore')}."


@contextmanager
def temporary_path(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """Give a path to write to, which becomes ``path`` when the block ends and vanishes when it fails.

    Args:
        path: The file to write; an earlier one stays in place until the new one is whole.
        sync: Wait until the bytes are on the disk before renaming.

    Raises:
        OutputError: the file cannot be written.
    """
    _clean(path.parent, int(time.time() // _LEFTOVER_S))
    temporary = path.with_name(_temporary_name(path))
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


def write_first(path: Path, text: str) -> None:
    """Write a small file, unless there is one: of several that write it at once, the first one's stays.

    Where the file system knows no hard links, whoever reads meanwhile may find it empty.

    Raises:
        OutputError: the file cannot be written.
    """
    temporary = path.with_name(_temporary_name(path))
    try:
        temporary.write_bytes(text.encode())
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            return
        except OSError:  # it knows no hard links
            with suppress(FileExistsError), path.open("xb") as file:
                file.write(text.encode())
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_together(files: Mapping[Path, bytes]) -> None:
    """Write files that belong together: none of them is replaced before all of them are on the disk.

    Raises:
        OutputError: one of them cannot be written; then all are as they were.
    """
    with ExitStack() as stack:
        for path, data in files.items():
            temporary = stack.enter_context(temporary_path(path, sync=False))
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


@lru_cache(maxsize=256)
def _clean(folder: Path, hour: int) -> None:
    """Remove what killed runs have left in a folder; once an hour, as it may hold very many files."""
    remove_leftovers(folder)


def remove_leftovers(folder: Path, *, locked: bool = False) -> None:
    """Remove the temporary files that killed runs have left in a folder.

    These are files under the temporary names that this module gives: of processes of this machine that are
    no more, and all that are older than an hour.

    Args:
        folder: The folder; it may be missing.
        locked: Nobody else writes there, as it is locked: all such files go, of other machines, too.
    """
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries]
    except OSError:
        return
    for name in names:
        if found := _TEMPORARY.fullmatch(name):
            with suppress(OSError):
                old = (folder / name).lstat().st_mtime < time.time() - _LEFTOVER_S
                mine = found["machine"] == _machine()
                own = mine and int(found["process"]) == os.getpid()
                if not own and (old or locked or (mine and not _is_alive(int(found["process"])))):
                    (folder / name).unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    """Tell whether a process of this machine runs; True where that cannot be asked."""
    if os.name == "nt":  # asking would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # another user's
        return True
    return True


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
    trial = there / _temporary_name(Path(".mixlab"))
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
            _check_sizes(file)
            with np.load(file, allow_pickle=False) as arrays:
                return dict(arrays)
        except Exception as error:  # NumPy evaluates the header's text, and raises what that raises
            raise ValueError(f"{type(error).__name__}: {error}") from error


def _check_sizes(file: BinaryIO) -> None:
    """See to it, before memory is taken for them, that arrays are as large as their headers say.

    Raises:
        ValueError: one is not.
        Exception: what reading a damaged archive or header raises.
    """
    import numpy as np

    with ZipFile(file) as archive:
        for member in archive.infolist():
            with archive.open(member) as data:
                if np.lib.format.read_magic(data) != (1, 0):
                    raise ValueError("expected version 1.0 of the format of NumPy")
                shape, _, dtype = np.lib.format.read_array_header_1_0(data)
                size = math.prod(shape) * dtype.itemsize
                if size != member.file_size - data.tell():
                    raise ValueError(f"{member.filename} has not the {size} bytes that its header says")
    file.seek(0)


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
