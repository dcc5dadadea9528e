"""A real disk that is soon full, a small tmpfs; tests that need it are skipped where none can be mounted."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from mixlab.errors import OutputError

T = TypeVar("T")


class SmallDisk:
    """A mounted disk.

    Attributes:
        path: Where it is mounted.
        kib: Its size in KiB.
    """

    def __init__(self, path: Path, kib: int) -> None:
        self.path, self.kib = path, kib

    def grow(self, kib: int) -> None:
        """Make so much more space."""
        self.kib += kib
        _run("mount", "-o", f"remount,size={self.kib}k", str(self.path))

    def fill(self) -> Path:
        """Write a file that takes all the space that is left, and return it."""
        filler = self.path / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while file.write(b"\0" * 1024):
                    pass
            except OSError:
                return filler
        raise AssertionError("a disk that is never full")


@contextmanager
def small_disk(path: Path, kib: int) -> Iterator[SmallDisk]:
    """Mount a disk of so many KiB at a path, which is made, for as long as the ``with`` block lasts."""
    path.mkdir(parents=True)
    try:
        _run("mount", "-t", "tmpfs", "-o", f"size={kib}k", "mixlab-test", str(path))
    except (OSError, subprocess.CalledProcessError) as error:
        why = getattr(error, "stderr", "") or error
        pytest.skip(f"no small disk can be mounted here, which takes Linux and root: {why}")
    try:
        yield SmallDisk(path, kib)
    finally:
        _run("umount", "--lazy", str(path))


def until_it_fits(
    disk: SmallDisk,
    step_kib: int,
    call: Callable[[], T],
    target: Path,
    look: Callable[[], object] = lambda: None,
) -> tuple[T, int]:
    """Call something again with ever more space until it fits; return its result, and how often it failed.

    Args:
        disk: What it writes to.
        step_kib: How much space is made after each failure.
        call: What is called; each failure must be the error of a full disk, with advice.
        target: A path that this error must hold, as a whole or as the beginning of another one.
        look: Called after each failure, with the disk as full as it is then.
    """
    failed = 0
    while True:
        try:
            return call(), failed
        except OutputError as error:
            told = error
        assert told.code == "output-not-writable"
        for text in (str(target), "No space left on device", "Make space"):
            assert text in str(told)
        look()
        failed += 1
        assert failed < 200, "it never fits"
        disk.grow(step_kib)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
