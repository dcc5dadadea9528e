"""The bytes of a file, read when they are asked for.

Unlike a memory map, a file that is cut or lost meanwhile ends in an error, not in the end of the process.
"""

import os
import weakref
from pathlib import Path

from mixlab.utils.remote import RemoteBytes

__all__ = ["Bytes", "FileBytes"]


class FileBytes:
    """A file that is sliced as if it were ``bytes``.

    Args:
        path: The file; it stays open as long as the object lives, or until ``close``.
    """

    def __init__(self, path: Path) -> None:
        """Open it."""
        self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._size = os.fstat(self._descriptor).st_size
        self._close = weakref.finalize(self, os.close, self._descriptor)

    def __len__(self) -> int:
        """Return its length."""
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        """Return the bytes of a slice without a step; fewer at the end.

        Raises:
            RuntimeError: the file has become shorter since it was opened.
        """
        start, stop, _ = part.indices(self._size)
        blocks, at = [], start
        while at < stop and (block := self._read(at, stop - at)):
            blocks.append(block)
            at += len(block)
        if at < stop:
            raise RuntimeError("the file has become shorter since it was opened")
        return b"".join(blocks)

    def _read(self, at: int, size: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._descriptor, size, at)
        os.lseek(self._descriptor, at, os.SEEK_SET)  # Windows
        return os.read(self._descriptor, size)

    def close(self) -> None:
        """Close it; again does nothing."""
        self._close()


Bytes = bytes | FileBytes | RemoteBytes
