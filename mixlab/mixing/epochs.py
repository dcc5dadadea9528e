"""Which epoch the next iteration of a dataset takes, also where iterations begin in worker processes.

A ``DataLoader`` gives each of its workers a copy of the dataset, for every iteration or once, and does not
ask the original. So what has begun is written down in memory that all copies share: nothing else is.
"""

import multiprocessing
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.context import get_spawning_popen
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import get_worker_info

from mixlab.errors import ConfigError

__all__ = ["EpochCounter"]

PROCESSES = 256
"""Processes that can iterate copies of one dataset at a time: those of a machine's training, say."""

ITERATIONS = 64
"""Iterations that are remembered until all their workers have come."""

_PATIENCE_S = 60.0
"""How long a process may hold a lock: much less, unless it was killed meanwhile."""


class EpochCounter:
    """Numbers the iterations that a process begins, itself or in the workers of its loaders.

    Each process that iterates counts for itself, with its workers: those that train together (ranks) go
    through the same epochs. A copy (``pickle``, ``copy.deepcopy``) goes on from where the original stands.

    Args:
        first: The first epoch.
    """

    def __init__(self, first: int = 0) -> None:
        """Start before the first iteration."""
        self._first = first
        # Rows of processes: process, next epoch, begun. Rows of iterations: process, seed, number of the
        # first worker, turn, epoch. The last row: how many rows of each kind have been written.
        self._table = torch.zeros((PROCESSES + ITERATIONS + 1, 5), dtype=torch.int64)
        with suppress(RuntimeError):  # without shared memory there can be no workers: ``begin`` says so
            self._table.share_memory_()  # type: ignore[no-untyped-call]
        self._turns = (0, 0)
        # Locks that forked processes share do not travel to spawned ones, and those that do need a helper
        # process: they are made when the first worker is spawned.
        kind = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
        self._locks: dict[str, Any] = {kind: _lock(kind)}

    def __getstate__(self) -> dict[str, Any]:
        """Share the memory with a process that is being started; leave it out of any other copy."""
        if get_spawning_popen() is None:
            return {"first": self.next_epoch}
        if "spawn" not in self._locks:
            self._locks["spawn"] = multiprocessing.get_context("spawn").Lock()
        return {"first": self._first, "table": self._table, "lock": self._locks["spawn"]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over the memory, or begin with one's own."""
        if "table" not in state:
            self.__init__(state["first"])  # type: ignore[misc]
            return
        self._first, self._table, self._turns = state["first"], state["table"], (0, 0)
        self._locks = {"spawn": state["lock"]}

    @property
    def next_epoch(self) -> int:
        """The epoch that the next iteration takes."""
        with self._held() as table:
            return int(self._row(table)[1])

    def set(self, epoch: int) -> None:
        """Let the next iteration take an epoch; in this process and, with its workers, in no other."""
        self._first = epoch
        with self._held() as table:
            self._row(table)[1] = epoch

    def begin(self, *, stay: bool = False) -> tuple[int, bool]:
        """Begin an iteration; all workers of a loader's iteration are given the same epoch.

        Args:
            stay: Leave the next iteration the same epoch.

        Returns:
            The epoch, and whether this is the first call of all for this process.

        Raises:
            ConfigError: this is a worker, and there is no shared memory to agree in.
        """
        worker = get_worker_info()
        if worker is not None and not self._table.is_shared():  # type: ignore[no-untyped-call]
            raise ConfigError(
                "Workers of a DataLoader agree on an epoch in shared memory, of which none could be had: "
                "give more of it (Docker: --shm-size), or use num_workers=0.",
                code="no-shared-memory",
            )
        with self._held() as table:
            row = self._row(table)
            first, row[2] = not row[2], 1
            if stay:
                return int(row[1]), first
            if worker is None:
                epoch, row[1] = int(row[1]), row[1] + 1
                return epoch, first
            seed, number = worker.seed - worker.id, _process_number() - worker.id
            return self._join(table, row, seed, number, worker.num_workers), first

    def _join(
        self, table: NDArray[np.int64], row: NDArray[np.int64], seed: int, number: int, workers: int
    ) -> int:
        """Return the epoch of a worker's iteration, which this worker may be the first to begin.

        Workers of one iteration have the seed of their loader in common, and follow each other in number
        but for processes that others start meanwhile. Workers that persist begin in turns.
        """
        process, turn = int(row[0]), self._turn()
        begun = table[PROCESSES:-1]
        same = (begun[:, 0] == process) & (begun[:, 1] == seed) & (begun[:, 3] == turn)
        found = np.flatnonzero(same & (np.abs(begun[:, 2] - number) < workers))
        if found.size:
            return int(begun[found[0], 4])
        epoch, row[1] = int(row[1]), row[1] + 1
        begun[table[-1, 1] % ITERATIONS] = (process, seed, number, turn, epoch)
        table[-1, 1] += 1
        return epoch

    def _turn(self) -> int:
        """Count the iterations of this worker."""
        process, turn = self._turns
        turn = turn + 1 if process == os.getpid() else 0
        self._turns = (os.getpid(), turn)
        return turn

    def _row(self, table: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the row of the process that iterates, of which this may be a worker."""
        process = _owner()
        found = np.flatnonzero(table[:PROCESSES, 0] == process)
        row: NDArray[np.int64] = table[found[0] if found.size else table[-1, 0] % PROCESSES]
        if found.size:
            return row
        table[-1, 0] += 1
        row[:3] = (process, self._first, 0)
        return row

    @contextmanager
    def _held(self) -> Iterator[NDArray[np.int64]]:
        held = [lock for lock in self._locks.values() if lock.acquire(timeout=_PATIENCE_S)]
        try:
            yield self._table.numpy()
        finally:
            for lock in held:
                lock.release()


def _lock(kind: str) -> Any:  # noqa: ANN401 - of several kinds
    """Return a lock that processes share; one of threads where a system has none for them, nor workers."""
    try:
        return multiprocessing.get_context(kind).Lock()
    except (OSError, ImportError):
        return threading.Lock()


def _owner() -> int:
    """Return the process that iterates: of a loader's worker, the one that started it."""
    parent = multiprocessing.parent_process() if get_worker_info() is not None else None
    return parent.pid if parent is not None and parent.pid is not None else os.getpid()


def _process_number() -> int:
    """Return which of its parent's child processes this is."""
    identity: tuple[int, ...] = getattr(multiprocessing.current_process(), "_identity", ())
    return identity[-1] if identity else 0
