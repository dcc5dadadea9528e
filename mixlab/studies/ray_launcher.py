"""Trainings of a study on a ray cluster: each is a task with the processors that its processes need."""

import contextlib
import secrets
import threading
import time
from pathlib import Path
from typing import Any

from mixlab.errors import ConfigError
from mixlab.studies.engine import explain, trial_arguments
from mixlab.studies.folder import StudyFolder
from mixlab.studies.plan import Trial
from mixlab.studies.processes import Training, train_on_machine
from mixlab.utils.ray_cluster import TRIES, connect, own_settings

__all__ = ["RayLauncher", "share_threads"]

_PAUSE_S = 2.0
"""From a loss to the next try, times the tries so far."""

_LOOK_S = 10.0
"""How often it is looked whether there still is a machine that could take a training."""

_IDLE_S = 300.0
"""How long there may be none before it is given up."""


class RayLauncher:
    """Trains each trial as a task of a ray cluster; after a lost machine it goes on from its last checkpoint.

    Args:
        threads: Threads of each training, where its configuration leaves that open.
        gpus: GPUs of each training, or the share of one.

    Raises:
        MissingDependencyError: ray is not installed.
        MixlabError: the cluster cannot be reached.
    """

    def __init__(self, threads: int, gpus: float = 0.0) -> None:
        self.threads, self.gpus, self.ray = threads, gpus, connect()
        self._running: dict[str, tuple[Any, Path]] = {}
        self._stop = f".stop-{secrets.token_hex(4)}"
        self._guard = threading.Lock()
        self._stops, self._fitted = 0, False

    def run(self, folder: StudyFolder, trial: Trial, *, resume: bool) -> str:
        """Train a trial; what it says goes to its log."""
        processors = self.threads + int(trial.settings.get("num_workers", 0))
        if not self._fitted and (reason := self._lacking(processors)):
            return reason  # it never fitted anywhere; later a machine that is lost may come again
        self._fitted = True
        call = self.ray.remote(num_cpus=processors, num_gpus=self.gpus, max_retries=0)(train_on_machine)
        said = ""
        for tries in range(TRIES):
            if tries:
                time.sleep(_PAUSE_S * tries)
                resume = folder.make_ready(trial)
            try:
                training = self._training(folder, trial, resume)
                code, reason = self._wait(call, training, trial.name, processors)
            except (self.ray.exceptions.TaskCancelledError, KeyboardInterrupt):
                return ""
            except self.ray.exceptions.RayTaskError as error:
                cause = getattr(error, "cause", error)
                return f"the cluster could not start it: {type(cause).__name__}: {cause}"
            except self.ray.exceptions.RayError as error:
                said = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
            else:
                return "" if self._stops else reason or explain(folder, trial, code)
            if self._stops:
                return ""
        return (
            f"its machine, or the process that watched it, was lost {TRIES} times; ray says: {said}. What it "
            f"has learnt is kept, and the same command goes on. See {folder.log_path(trial.name)}"
        )

    def _lacking(self, processors: int) -> str:
        """Return why no machine of the cluster could ever take a training; '' where one can."""
        offers = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        if any(o.get("CPU", 0) >= processors and o.get("GPU", 0) >= self.gpus for o in offers):
            return ""
        most = ", ".join(f"{o.get('CPU', 0):g} CPU and {o.get('GPU', 0):g} GPU" for o in offers)
        return (
            f"it needs {processors} processors (threads and train.num_workers) and {self.gpus:g} GPUs on one "
            f"machine; the machines of the cluster have {most or 'none'}. Lower --threads, train.num_workers "
            "or --gpus, or add a machine."
        )

    def _training(self, folder: StudyFolder, trial: Trial, resume: bool) -> Training:
        return Training(
            arguments=tuple(trial_arguments(folder, trial, resume=resume)),
            log=folder.log_path(trial.name).absolute(),
            threads=self.threads,
            study=folder.path.absolute(),
            folder=Path.cwd(),
            settings=own_settings(),
            stop=folder.path.absolute() / self._stop,
        )

    def _wait(self, call: Any, training: Training, name: str, processors: int) -> tuple[int, str]:  # noqa: ANN401
        """Start a training and wait for its end, as long as there is a machine that could take it."""
        with self._guard:
            if self._stops:
                raise KeyboardInterrupt
            reference = call.remote(training)
            self._running[name] = reference, training.stop
        served = time.monotonic()
        try:
            while not self.ray.wait([reference], timeout=_LOOK_S)[0]:
                lacking, now = self._lacking(processors), time.monotonic()
                served = served if lacking else now
                if now - served > _IDLE_S:
                    self.ray.cancel(reference, force=True)
                    return 1, lacking
            found: tuple[int, str] = self.ray.get(reference)
        finally:
            with self._guard:
                self._running.pop(name, None)
                if not self._running:
                    training.stop.unlink(missing_ok=True)
        return found

    def stop(self) -> None:
        """Pass Ctrl-C on; the second time, end the processes."""
        self._stops += 1
        with self._guard:
            for reference, stop in self._running.values():
                stop.touch()  # those at work look for it; those that wait for a machine are taken back
                with contextlib.suppress(self.ray.exceptions.RayError):
                    self.ray.cancel(reference, force=self._stops > 1)


def share_threads(parallel: int, workers: int) -> int:
    """Return how many threads each training may have, when so many at a time share a cluster.

    Args:
        parallel: Trainings at a time.
        workers: Processes that mix for each.

    Raises:
        ConfigError: the cluster has no processor.
    """
    nodes = [node["Resources"].get("CPU", 0) for node in connect().nodes() if node["Alive"]]
    if not sum(nodes):
        raise ConfigError(
            "The ray cluster has no processor now. Add machines ('ray status' shows them), or say how many "
            "threads each training is to have: --threads 4",
            code="missing-setting",
        )
    return max(1, min(int(sum(nodes)) // parallel, int(max(nodes))) - workers)
