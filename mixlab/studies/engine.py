"""Train everything that a study lacks: one process per run, what fails never stops the rest."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import torch

from mixlab.catalog.catalog import Catalog
from mixlab.errors import ConfigError, MixlabError
from mixlab.models import build_model, resolve
from mixlab.studies.data import StudyData
from mixlab.studies.display import Display, plain_seconds
from mixlab.studies.folder import StudyFolder
from mixlab.studies.forecast import seconds_left
from mixlab.studies.pairing import CommonTargets
from mixlab.studies.parts import Part
from mixlab.studies.plan import Plan, Trial
from mixlab.studies.processes import training_environment
from mixlab.studies.state import TrialState
from mixlab.taxonomy import load_label_set
from mixlab.training.config import TrainConfig
from mixlab.training.distributed import World
from mixlab.training.losses import faster_precision, measure_precision
from mixlab.training.run import Run
from mixlab.utils.parallel import default_workers

__all__ = [
    "Launcher",
    "ProcessLauncher",
    "StudyResult",
    "explain",
    "resolve_precision",
    "run_study",
    "trial_arguments",
    "with_precision",
]

_WHOLE_CLIP_S = 10.0
"""Length of the noise that precisions are measured on where clips are taken whole."""

_LOOK_S = 2.0
"""How often the table is replaced and the state is written."""

_PART_LOOK_S = 30.0
"""How often a part of a study writes the state: hundreds may do so in one folder on the network."""


class Launcher(Protocol):
    """How a training is carried out."""

    def run(self, folder: StudyFolder, trial: Trial, *, resume: bool) -> str:
        """Train and score a trial to the end; return '' or what went wrong."""

    def stop(self) -> None:
        """Ask what is running to save and end; asked again, end it at once."""


def trial_arguments(folder: StudyFolder, trial: Trial, *, resume: bool) -> list[str]:
    """Return what to type behind ``mixlab`` to carry a trial out, or to go on with it."""
    if not resume:
        return [trial.command, "--config", str(folder.plan_path(trial.name))]
    run = folder.run_path(trial.name)
    return [
        trial.command,
        "--config",
        str(run / "config.yaml"),
        "--out",
        str(run.absolute()),
        "--resume=true",
    ]


def explain(folder: StudyFolder, trial: Trial, code: int) -> str:
    """Return why a training's process ended with a code; '' where all is well."""
    if code == 0:
        return ""
    said = folder.log_tail(trial.name)
    died = f"its process was ended by signal {-code} (out of memory?)" if code < 0 else f"exit code {code}"
    return said if code == 2 and said else f"{died}. {said} See {folder.log_path(trial.name)}"


class ProcessLauncher:
    """Trains each trial in a process of its own, as ``mixlab train`` in a terminal would.

    Args:
        threads: Threads of each process, where its configuration leaves that open.
        lock: Descriptor of the study's lock, which the processes hold as long as they live.
        program: What to start, before ``train --config ...``.
    """

    def __init__(
        self,
        threads: int,
        lock: int | None = None,
        program: Sequence[str] = (sys.executable, "-m", "mixlab.cli"),
    ) -> None:
        self.threads, self.lock, self.program = threads, lock, tuple(program)
        self._running: set[subprocess.Popen[bytes]] = set()
        self._guard = threading.Lock()
        self._stops = 0

    def run(self, folder: StudyFolder, trial: Trial, *, resume: bool) -> str:
        """Train a trial; what it says goes to its log."""
        command = [*self.program, *trial_arguments(folder, trial, resume=resume)]
        with folder.open_log(trial.name) as log:
            process = self._start(command, log.fileno())
            try:
                code = process.wait()
            finally:
                with self._guard:
                    self._running.discard(process)
        return "" if self._stops else explain(folder, trial, code)

    def _start(self, command: Sequence[str], log: int) -> "subprocess.Popen[bytes]":
        with self._guard:
            # A session of its own: Ctrl-C reaches this process only, which passes it on once.
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=training_environment(self.threads),
                start_new_session=True,
                pass_fds=() if self.lock is None or os.name == "nt" else (self.lock,),
            )
            self._running.add(process)
        return process

    def stop(self) -> None:
        """Pass Ctrl-C on; the second time, end the processes."""
        self._stops += 1
        with self._guard:
            for process in self._running:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGINT if self._stops == 1 else signal.SIGTERM)


@dataclass(frozen=True)
class StudyResult:
    """How a study stands when its trainings have ended.

    Attributes:
        states: Of every trial, or of those of the part.
        interrupted: Ctrl-C ended it early.
        seconds: What this call took.
    """

    states: tuple[TrialState, ...]
    interrupted: bool
    seconds: float

    @property
    def unfinished(self) -> tuple[TrialState, ...]:
        """The trials that are not done."""
        return tuple(state for state in self.states if state.status != "done")


def with_precision(folder: StudyFolder, plan: Plan, data: StudyData, *, parts: bool = False) -> Plan:
    """Return a plan in which ``precision: auto`` is decided, once for all of its runs.

    Args:
        folder: The study's folder.
        plan: What to run.
        data: What it trains on.
        parts: Whether other processes decide at the same time, for other parts of it: the first one does.
    """
    first = next((condition for condition in plan.trained if condition.how.in_epochs), None)
    if first is None:
        return plan
    settings = plan.settings(first)
    if "mix" in settings:
        samples, classes = settings["mix"].render_settings().samples, _n_classes(settings["mix"].label_set)
    else:
        seconds = settings["windows"].duration_s or _WHOLE_CLIP_S
        samples = round(seconds * settings["train"].model.sample_rate)
        classes = len(data.clips(settings["clips"]).classes)
    train = resolve_precision(folder, plan.train, samples, classes)
    if parts and plan.train.precision == "auto":
        agreed = folder.agree_precision(train.precision)
        train = replace(train, precision="bf16" if agreed == "bf16" else "fp32")
    return replace(plan, train=train)


def _n_classes(label_set: str) -> int:
    return len(load_label_set(label_set))


def resolve_precision(folder: StudyFolder, train: TrainConfig, n_samples: int, n_classes: int) -> TrainConfig:
    """Return settings in which ``precision: auto`` is decided, once for all runs of a study.

    Runs that measured for themselves could choose differently, and conditions would differ in that too.
    """
    if train.precision != "auto":
        return train
    try:
        stored = folder.read_state().precision
    except MixlabError:
        stored = None
    if stored not in ("fp32", "bf16"):
        device = torch.device(World().accelerator(train.accelerator))
        model = build_model(train.model, n_classes)
        rates = measure_precision(model, n_samples, n_classes, batch_size=train.batch_size, device=device)
        stored = faster_precision(rates)
    return replace(train, precision="bf16" if stored == "bf16" else "fp32")


def run_study(
    folder: StudyFolder,
    plan: Plan,
    catalog: Catalog | StudyData | None = None,
    *,
    parallel: int = 1,
    threads: int = 0,
    roots: Sequence[str] = (),
    launcher: Launcher | None = None,
    part: Part | None = None,
    say: Callable[[str], None] | None = None,
) -> StudyResult:
    """Train what is missing; finished runs are kept, interrupted ones go on, failed ones are tried again.

    Args:
        folder: Where it all lies.
        plan: What to run.
        catalog: What to mix from; None where all conditions are on clips. Or what a study trains on as a
            whole, of which something may be read already.
        parallel: Trainings at a time.
        threads: Threads of each; 0 shares the processors among them.
        roots: ``NAME=FOLDER`` of corpora that have moved.
        launcher: How to train; None takes a process for each run.
        part: Train this part alone; other processes may train the others meanwhile.
        say: Called with lines of progress; None says nothing.

    Raises:
        ConfigError: the study or the part cannot be, or is being worked on; nothing was started.
    """
    if parallel < 1:
        raise ConfigError(
            f"--parallel takes 1 or more trainings at a time, found {parallel}.", code="invalid-setting"
        )
    resolve(plan.train.model)
    folder.check_usable()
    data = catalog if isinstance(catalog, StudyData) else StudyData(catalog)
    trials = data.prepare(plan, plan.trials())
    threads = threads or max(1, default_workers() // parallel)
    with folder.lock(part) as lock:
        with folder.preparing() if part is not None else contextlib.nullcontext():
            folder.prepare(plan, trials, data, threads=threads, roots=roots)
        if part is None:
            folder.clear_errors()
        work = _Work(folder, plan, data, trials, parallel, say, part)
        return work.carry_out(launcher or ProcessLauncher(threads, lock))


class _Work:
    """The trainings of one study while they run."""

    def __init__(
        self,
        folder: StudyFolder,
        plan: Plan,
        data: StudyData,
        trials: Sequence[Trial],
        parallel: int,
        say: Callable[[str], None] | None,
        part: Part | None = None,
    ) -> None:
        self.folder, self.plan, self.data, self.part = folder, plan, data, part
        self.everything, self.trials = trials, trials if part is None else part.own(trials)
        self.parallel, self.say, self.saved = parallel, say, -_PART_LOOK_S
        self.running: dict[Future[str], Trial] = {}
        self.errors: dict[str, str] = {}
        self.begun: dict[str, float] = {}
        self.resumed: dict[str, bool] = {}
        self.walls: dict[str, float] = {}
        self.estimated = False
        self.done: dict[str, TrialState] = {}
        self.targets = CommonTargets(folder.path, plan.mix)

    def states(self) -> tuple[TrialState, ...]:
        return tuple(self._state(trial) for trial in self.trials)

    def _state(self, trial: Trial) -> TrialState:
        """Look at a run, unless it is known to be done."""
        if trial.name not in self.done:
            at_work = any(other.name == trial.name for other in self.running.values())
            state = self.folder.state(trial, running=at_work, error=self.errors.get(trial.name, ""))
            if state.status != "done" or at_work:
                return state
            self.done[trial.name] = state
        return self.done[trial.name]

    def carry_out(self, launcher: Launcher) -> StudyResult:
        """Start what is not done, ``parallel`` trials at a time, until all ended or Ctrl-C was pressed."""
        begin, interrupted = time.monotonic(), False
        states = self.states()
        waiting = deque(j for j, s in zip(self.trials, states, strict=True) if s.status != "done")
        self._announce(states)
        self._label_known(states)
        display = Display(self.plan, enabled=self.say is not None and bool(waiting))
        with ThreadPoolExecutor(self.parallel) as pool, display:
            while waiting or self.running:
                try:
                    while len(self.running) < self.parallel and (ready := self._next(waiting)) is not None:
                        self._start(pool, launcher, ready)
                    states = self._save()
                    self._show(display, states)
                    done, _ = wait(self.running, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
                    for future in done:
                        self._end(future, display)
                except KeyboardInterrupt:
                    waiting.clear()
                    launcher.stop()
                    if not interrupted:
                        display.line("Stopping: the trainings save and end; Ctrl-C again ends them at once.")
                    interrupted = True
            states = self._save(last=True)
            display.show(states, None)
        return StudyResult(states, interrupted, time.monotonic() - begin)

    def _next(self, waiting: "deque[Trial]") -> Trial | None:
        """Take the first trial that can start now; those whose start has failed are given up, and say so."""
        for trial in list(waiting):
            source = next((other for other in self.trials if other.name == trial.starts_from), None)
            if source is not None and self._state(source).status != "done":
                if source in waiting or source in self.running.values():
                    continue
                waiting.remove(trial)
                self.errors[trial.name] = f"not started, as {source.name}, which it starts from, is not done"
                continue
            waiting.remove(trial)
            return trial
        return None

    def _show(self, display: Display, states: Sequence[TrialState]) -> None:
        """Draw the table; say how long it will take as soon as that can be told."""
        left = self._left(states)
        if left is not None and not self.estimated:
            self.estimated = True
            what = "mixes" if self.plan.on_mixes else "clips"
            display.line(f"about {plain_seconds(left)} left, by the {what} per second so far")
        display.show(states, left)

    def _label_known(self, states: Sequence[TrialState]) -> None:
        """Give the runs that are there the study's own targets, those made elsewhere included."""
        relabelled = {trial.name for trial in self.trials if self._relabels(trial)}
        done = [self.folder.run_path(s.name) for s in states if s.status == "done" and s.name in relabelled]
        elsewhere = [Path(path) for c in self.plan.conditions if not c.task for path in c.runs]
        for path in (*done, *elsewhere):
            fault = self._label(path)
            if fault and self.say is not None:
                self.say(f"{path}: {fault}")

    def _relabels(self, trial: Trial) -> bool:
        """Whether a trial's mixes are labelled by other rules than the study's; clips never are."""
        return not trial.how.on_clips and self.targets.differ(trial.mix)

    def _label(self, path: Path) -> str:
        """Make the study's own targets of a run's mixes; return what went wrong, or ''."""
        try:
            self.targets.add(Run.open(path))
        except MixlabError as error:
            return f"its mixes are not labelled by the study's own rules: {error}"
        return ""

    def _train(self, launcher: Launcher, trial: Trial, resume: bool) -> str:
        """Carry a trial out to the end; return '' or what went wrong."""
        error = launcher.run(self.folder, trial, resume=resume)
        if error or not self._relabels(trial) or self.folder.state(trial).status != "done":
            return error
        return self._label(self.folder.run_path(trial.name))

    def _announce(self, states: Sequence[TrialState]) -> None:
        if self.say is None:
            return
        count = {status: sum(s.status == status for s in states) for status in ("done", "interrupted")}
        conditions = sum(condition.trains for condition in self.plan.conditions)
        left = len(states) - count["done"]
        at_a_time = f", {self.parallel} at a time" if self.parallel > 1 else ""
        part = f"part {self.part.number}/{self.part.of}: " if self.part else ""
        of = f" of {len(self.everything)}" if self.part else ""
        self.say(
            f"{part}{len(states)}{of} runs: {conditions} conditions x {len(self.plan.seeds)} seeds; "
            f"{count['done']} done, "
            f"{count['interrupted']} to go on with, {left} to train{at_a_time}"
        )
        apart = self.plan.scored_apart()
        if apart:
            self.say(
                "scored on other mixes, as their settings change validation and test too; differences to "
                f"them are not paired: {', '.join(apart)}"
            )
        estimate = seconds_left(states, {}, parallel=self.parallel) if left else None
        if estimate is not None:
            self.estimated = True
            self.say(f"about {plain_seconds(estimate)} left, by the epochs that are done")
        elif left:
            self.say("how long it takes is said after the first epoch")

    def _start(self, pool: ThreadPoolExecutor, launcher: Launcher, trial: Trial) -> None:
        resume = self.folder.make_ready(trial)
        self.begun[trial.name], self.resumed[trial.name] = time.monotonic(), resume
        self.running[pool.submit(self._train, launcher, trial, resume)] = trial

    def _end(self, future: "Future[str]", display: Display) -> None:
        trial = self.running.pop(future)
        fault = future.exception()
        error = future.result() if fault is None else f"{type(fault).__name__}: {fault}"
        if error:
            self.errors[trial.name] = error
        state = self._state(trial)
        wall = time.monotonic() - self.begun[trial.name]
        if state.status == "done" and not self.resumed[trial.name]:
            self.walls[trial.name] = wall
        left = self._left(self.states())
        rest = f"; about {plain_seconds(left)} left" if left else ""
        done = f"[{len(self.done)}/{len(self.trials)}]"
        text = f"{done} {trial.name}: {state.status} after {plain_seconds(wall)}{rest}"
        display.line(text + (f"\n    {error}" if error else ""))

    def _left(self, states: Sequence[TrialState]) -> float | None:
        """Return an estimate of the seconds left; None before the first epoch is done."""
        now = time.monotonic()
        since = {trial.name: now - self.begun[trial.name] for trial in self.running.values()}
        return seconds_left(states, self.walls, parallel=self.parallel, since=since)

    def _save(self, *, last: bool = False) -> tuple[TrialState, ...]:
        """Write the state of the whole study; return that of the trials at hand."""
        states = self.states()
        if self.part is not None:
            if not last and time.monotonic() - self.saved < _PART_LOOK_S:
                return states
            self.saved = time.monotonic()
            self.folder.write_errors(self.part, self.errors)
        self.folder.write_state(
            self.plan,
            self.data,
            self._all_states(states),
            precision=self.plan.train.precision,
            parallel=self.parallel,
        )
        return states

    def _all_states(self, own: Sequence[TrialState]) -> tuple[TrialState, ...]:
        """Return how every trial stands, those of other parts as their folders say."""
        if self.part is None:
            return tuple(own)
        known, errors = {state.name: state for state in own}, self.folder.read_errors()
        owners = {trial.name: part for part in self.part.all for trial in part.own(self.everything)}
        at_work = {part for part in self.part.all if self.folder.is_part_locked(part)}
        return tuple(
            known.get(t.name) or self._look(t, errors, owners[t.name] in at_work) for t in self.everything
        )

    def _look(self, trial: Trial, errors: Mapping[str, str], at_work: bool) -> TrialState:
        """Look at a run of another part."""
        running = at_work and (self.folder.run_path(trial.name) / "run.json").is_file()
        return self.folder.state(trial, running=running, error=errors.get(trial.name, ""))
