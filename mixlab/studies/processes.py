"""Start a training as a process: with its threads, and bound to the process that watches it.

Nothing here imports torch: machines of a cluster only watch what they start.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mixlab import __version__
from mixlab.studies import tied
from mixlab.utils.ray_cluster import unfit

__all__ = ["Training", "train_on_machine", "training_environment"]

_LOOK_S = 1.0
"""How often what watches a training looks whether it is told to stop."""


def training_environment(threads: int) -> dict[str, str]:
    """Return the environment of a training's process, which has so many threads."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    return {**os.environ, "PYTHONUNBUFFERED": "1", **dict.fromkeys(names, str(threads))}


@dataclass(frozen=True)
class Training:
    """A training as it travels to a machine of a cluster.

    Attributes:
        arguments: What to type behind ``mixlab``.
        log: File that holds what it says.
        threads: Of its process.
        study: Folder that the machine must see.
        folder: Where the study was started, from which paths may start.
        settings: The environment's settings of mixlab.
        stop: File in that folder that tells it to save and end, once it is there.
        version: Of mixlab where the study was started.
    """

    arguments: tuple[str, ...]
    log: Path
    threads: int
    study: Path
    folder: Path
    settings: Mapping[str, str]
    stop: Path
    version: str = __version__


def train_on_machine(training: Training) -> tuple[int, str]:
    """Train in a process of its own on this machine; return its exit code, or why it cannot be.

    Where the file ``stop`` appears, Ctrl-C is passed on to it, and it is waited for until it has saved. It
    ends with this process, however that ends.
    """
    if training.stop.exists():
        return 1, "it was told to stop"
    if reason := unfit(training.version, (training.study,)):
        return 1, reason
    if threading.current_thread() is threading.main_thread():
        # What a script starts in the background, such as the machines of a cluster, ignores Ctrl-C.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    program = [sys.executable, "-m", "mixlab.cli", *training.arguments]
    with training.log.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-I", tied.__file__, str(os.getpid()), *program],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**training_environment(training.threads), **training.settings},
            cwd=training.folder if training.folder.is_dir() else None,
            start_new_session=True,
        )
        return _wait(process, training.stop), ""


def _wait(process: "subprocess.Popen[bytes]", stop: Path) -> int:
    """Return how a training ends; told to stop, it saves first, and a second time would cut that short."""
    told = False
    while True:
        try:
            return process.wait(timeout=_LOOK_S)
        except subprocess.TimeoutExpired:
            if told or not stop.exists():
                continue
        except KeyboardInterrupt:
            if told:
                continue
        process.send_signal(signal.SIGINT)
        told = True
