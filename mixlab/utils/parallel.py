"""Apply a function to many items, over local processes or an existing ray cluster.

This is the one seam through which indexing, packing, exporting and sweeps run in parallel. Results
come back as they finish, each with its item's position, so that what a run produces never depends on
the number of workers.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Literal, TypeVar

from mixlab.errors import ConfigError, MixlabError
from mixlab.utils.outcome import DIED, Outcome, call_item
from mixlab.utils.remote import Place

__all__ = ["Engine", "Outcome", "default_workers", "follow_parent", "map_items"]

T = TypeVar("T")
R = TypeVar("R")
Engine = Literal["local", "ray"]

_AHEAD = 4  # items handed out per worker: enough to keep it busy, few enough to stop soon


def default_workers() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)


def map_items(
    function: Callable[[T], R],
    items: Sequence[T],
    *,
    engine: Engine = "local",
    workers: int | None = None,
    needs: Sequence[Place] = (),
) -> Iterator[Outcome[R]]:
    """Yield the outcome of ``function(item)`` for every item, as they finish.

    An exception inside ``function`` becomes the ``error`` of that item's outcome. So does the death
    of a worker process: the pool is started again, and only the item that killed it is given up. What a
    lost machine of a cluster had in hand is tried again on another one, a few times.
    Ctrl-C stops the workers and raises ``KeyboardInterrupt`` here.

    Args:
        function: A module-level function; it must pickle unless one worker runs it.
        items: What to work on.
        engine: ``local`` for processes of this machine, ``ray`` for a running ray cluster.
        workers: Processes; 1 stays in this process, None means one per processor (local) or as many
            as the cluster has (ray).
        needs: Folders and files of which each machine of a cluster must see those that this one sees; one
            that does not stops the work, before it takes what is missing for faults of single items. URLs
            are read from everywhere.

    Raises:
        ConfigError: ``workers`` is below 1, or the engine is unknown.
        MissingDependencyError: the engine is ``ray`` and ray is not installed.
        MixlabError: worker processes cannot start at all; or the cluster cannot be reached, or lacks what is
            needed.
    """
    if workers is not None and workers < 1:
        raise ConfigError(f"Expected workers >= 1, found {workers}.", code="invalid-setting")
    if engine == "ray":
        return _on_ray(function, items, workers, needs)
    if engine != "local":
        raise ConfigError(f"Expected engine 'local' or 'ray', found {engine!r}.", code="unknown-engine")
    count = min(workers or default_workers(), max(1, len(items)))
    if count == 1:
        return (call_item(function, i, item) for i, item in enumerate(items))
    return _map_processes(function, items, count)


def _begin_worker() -> None:
    # Ctrl-C reaches the whole process group; only the parent decides what happens then.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def follow_parent() -> None:
    """Let this process, a worker of a loader, be ended by its parent alone, and end when that does.

    Terminals send Ctrl-C to the whole group of processes, ``torchrun`` and others SIGTERM: whoever waits for
    batches wants to finish a step and save, and needs its workers for that.
    """
    if hasattr(os, "setpgrp"):
        os.setpgrp()
    _begin_worker()


def _end_with_parent() -> None:
    """End this worker when whoever started it was killed: it would wait for work, or write, for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _ready() -> bool:
    return True


class _Pool:
    """A process pool that can be replaced after a crash."""

    def __init__(self, workers: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.executor = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin_worker)

    def stop(self) -> None:
        """End all workers at once; their current items are lost."""
        processes = list((getattr(self.executor, "_processes", None) or {}).values())
        self.executor.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        for process in processes:
            process.join(timeout=5)


def _check_start(pool: _Pool) -> None:
    try:
        pool.executor.submit(_ready).result()
    except BrokenProcessPool as error:
        raise MixlabError(
            "Worker processes cannot start. In a script, put the code that starts the work under "
            "`if __name__ == '__main__':`; or use one worker (workers=1, --workers 1).",
            code="workers-not-started",
        ) from error


def _map_processes(function: Callable[[T], R], items: Sequence[T], workers: int) -> Iterator[Outcome[R]]:
    pool = _Pool(workers)
    waiting = deque(range(len(items)))
    running: dict[Future[Outcome[R]], int] = {}
    finished = False
    try:
        _check_start(pool)
        while waiting or running:
            broken = False
            while waiting and len(running) < workers * _AHEAD and not broken:
                index = waiting[0]
                try:
                    running[pool.executor.submit(call_item, function, index, items[index])] = index
                    waiting.popleft()
                except BrokenProcessPool:  # a worker died while whoever takes the outcomes was busy
                    broken = True
            wait(running, return_when=FIRST_COMPLETED)
            for future in [future for future in running if future.done() and not _is_broken(future)]:
                yield _outcome(future, running.pop(future))
            if broken or any(future.done() and _is_broken(future) for future in running):
                suspects = list(running.values())
                running.clear()
                pool.stop()
                yield from _retry_alone(function, items, sorted(suspects))
                pool = _Pool(workers)
        finished = True
    finally:
        if finished:
            pool.executor.shutdown()
        else:
            pool.stop()


def _is_broken(future: "Future[Outcome[R]]") -> bool:
    return isinstance(future.exception(), BrokenProcessPool)


def _outcome(future: "Future[Outcome[R]]", index: int) -> Outcome[R]:
    error = future.exception()
    if error is not None:  # the item or its result does not pickle
        return Outcome(index, None, f"{type(error).__name__}: {error}")
    return future.result()


def _retry_alone(function: Callable[[T], R], items: Sequence[T], suspects: list[int]) -> Iterator[Outcome[R]]:
    """Run the items of a broken pool one by one, which shows the one that kills its worker."""
    pool = _Pool(1)
    try:
        for index in suspects:
            try:
                future = pool.executor.submit(call_item, function, index, items[index])
            except BrokenProcessPool:  # the worker died between two items: not this one's doing
                pool.stop()
                pool = _Pool(1)
                future = pool.executor.submit(call_item, function, index, items[index])
            if not _is_broken(future):
                yield _outcome(future, index)
                continue
            yield Outcome(index, None, DIED)
            pool.stop()
            pool = _Pool(1)
    finally:
        pool.stop()


def _on_ray(
    function: Callable[[T], R], items: Sequence[T], workers: int | None, needs: Sequence[Place]
) -> Iterator[Outcome[R]]:
    from mixlab.utils.ray_cluster import connect, map_on_ray

    connect()  # at once, not with the first outcome
    return map_on_ray(function, items, workers, needs)
