"""What tests give a ray cluster to do; a module of its own, as machines import it by its name."""

import os
import signal
import threading
import time
from pathlib import Path

LOST, DEADLY, FAULTY, UNPICKLABLE = 2, 4, 6, 8
"""Items of ``work`` that are special."""


def work(item: tuple[Path, int]) -> object:
    """Write down where an item was begun, and return its square.

    The first attempt at ``LOST`` takes for ever: only the loss of its machine ends it. ``DEADLY`` kills its
    process whenever it is tried, ``FAULTY`` raises an error, and the result of ``UNPICKLABLE`` cannot travel.
    """
    import ray

    folder, number = item
    node = ray.get_runtime_context().get_node_id()
    begun = folder / f"{number}-{len(list(folder.glob(f'{number}-*')))}"
    begun.with_suffix(".tmp").write_text(node)
    begun.with_suffix(".tmp").rename(begun)
    if number == LOST and begun.name.endswith("-0"):
        time.sleep(600)
    if number == DEADLY:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == FAULTY:
        raise ValueError("not this one")
    return threading.Lock() if number == UNPICKLABLE else number**2


def remove(path: Path) -> str:
    """Remove a file, so that the machine does not see it any more."""
    path.unlink()
    return os.environ["MIXLAB_SOUNDS"]
