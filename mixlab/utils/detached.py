"""Work that goes on by itself: commands of mixlab in a process of their own, whose state lies in a folder.

Whoever started it may go, as the tab of a browser does; whoever looks into the folder finds it again. It is
started once, however many ask for it: the process holds a lock as long as it lives. What is in ``.work``, in
the folder that the work fills:

=================  ===================================================================================
``work.json``      what was asked for, for people; what is carried out is never read from a file
``log.txt``        what the commands said
``progress.json``  which of them is at work, and how far it is
``end.json``       the exit code; missing where the process was killed
``stop``           a byte for each time that somebody asked it to stop
``lock``           locked as long as the process lives; workers that it forks do not hold it
=================  ===================================================================================
"""

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO, Literal, TypeVar

from mixlab.utils.decode import Source, read_json
from mixlab.utils.files import make_folder, output_error, try_lock, write_atomic
from mixlab.utils.progress import reported_to

__all__ = ["MARKER", "WORK", "Step", "Work", "WorkStatus", "carry_out", "parse_steps", "tail"]

WORK = ".work"
"""Name of the folder with the state of such work."""

MARKER = f"{WORK}/work.json"
"""What a folder holds in which work was started."""

T = TypeVar("T")
State = Literal["running", "stopping", "done", "stopped", "failed", "killed"]

_SCHEMA = 1
_STOPPED = 130
_LOOK_S = 0.3
_LOG_BYTES = 60_000
_PATIENCE_S = 1.0
_WRITTEN_BY = "mixlab app"
_LOCK = "MIXLAB_WORK_LOCK"
"""Tells the process under which number it was handed the lock, which is open."""


@dataclass(frozen=True)
class Step:
    """One command of some work.

    Attributes:
        title: What it does, for people.
        arguments: What to type behind ``mixlab``.
    """

    title: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class _Order:
    """The content of ``work.json``."""

    kind: str
    title: str
    started: str
    steps: tuple[Step, ...]
    about: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Progress:
    """The content of ``progress.json``."""

    step: int
    what: str
    done: int
    total: int


@dataclass(frozen=True)
class _End:
    """The content of ``end.json``."""

    code: int
    ended: str


@dataclass(frozen=True)
class WorkStatus:
    """How work stands.

    Attributes:
        folder: What it fills.
        kind: What sort of work it is.
        title: What it is, in a line.
        about: What it was started with, for whoever starts it again.
        state: ``killed`` where its process went without a word: out of memory, or the machine was turned off.
        started: When, in UTC.
        ended: When, in UTC; '' while it is at work and where that is not known.
        steps: Titles of its commands.
        step: Which of them is at work, or was the last, counted from 0.
        what: What is being done within it, in words; ''.
        done: How much of that is done.
        total: How much there is; 0 where that is not known.
    """

    folder: Path
    kind: str
    title: str
    about: Mapping[str, str]
    state: State
    started: str
    ended: str
    steps: tuple[str, ...]
    step: int
    what: str
    done: int
    total: int

    @property
    def at_work(self) -> bool:
        """Whether its process lives."""
        return self.state in ("running", "stopping")

    @property
    def share(self) -> float:
        """How much of all is done, from 0 to 1, as if every step took equally long."""
        if self.state == "done":
            return 1.0
        within = min(self.done / self.total, 1.0) if self.total > 0 else 0.0
        return min((self.step + within) / max(len(self.steps), 1), 1.0)


class Work:
    """The work that fills a folder, in a process of its own.

    Args:
        folder: The folder; made when it is started.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).expanduser().absolute()
        self.path = self.folder / WORK

    def start(
        self,
        kind: str,
        title: str,
        steps: Sequence[Step],
        *,
        about: Mapping[str, str] | None = None,
        files: Mapping[str, str] | None = None,
        program: Sequence[str] = (sys.executable, "-m", "mixlab.cli.detached"),
    ) -> bool:
        """Start commands, unless some are at work here; return whether they were started.

        Args:
            kind: What sort of work it is.
            title: What it is, in a line.
            steps: The commands, each of which needs that the one before it ended well.
            about: What ``WorkStatus.about`` is to say.
            files: Texts that the commands read, by their names in ``.work``.
            program: What carries them out.

        Raises:
            OutputError: the folder cannot be written.
        """
        make_folder(self.path)
        with self._open_lock() as lock:
            if not _hold(lock):
                return False
            for name in ("end.json", "progress.json", "stop"):
                (self.path / name).unlink(missing_ok=True)
            for name, text in (files or {}).items():
                write_atomic(self.path / name, text)
            order = _Order(kind, title, _now(), tuple(steps), dict(about or {}))
            write_atomic(self.path / "work.json", _json(order))
            self._spawn([*program, str(self.folder), json.dumps([asdict(step) for step in steps])], lock)
        return True

    def _spawn(self, command: Sequence[str], lock: BinaryIO) -> None:
        """Start the process, which keeps the lock when this one lets it go."""
        log = self.path / "log.txt"
        try:
            with log.open("wb") as out:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, "PYTHONUNBUFFERED": "1", _LOCK: str(lock.fileno())},
                    start_new_session=True,  # it outlives the terminal of whoever started it
                    pass_fds=() if os.name == "nt" else (lock.fileno(),),
                )
        except OSError as error:
            raise output_error(log, error) from error
        # Or what has ended would stay among the processes for as long as a server runs.
        threading.Thread(target=process.wait, daemon=True).start()

    def _open_lock(self) -> BinaryIO:
        try:
            return (self.path / "lock").open("ab")
        except OSError as error:
            raise output_error(self.path / "lock", error) from error

    def stop(self) -> None:
        """Ask it to save and end; asked again, it ends what it waits for."""
        with suppress(OSError), (self.path / "stop").open("ab") as file:
            file.write(b".")

    def stops(self) -> int:
        """Return how often it was asked to stop."""
        try:
            return (self.path / "stop").stat().st_size
        except OSError:
            return 0

    def is_at_work(self) -> bool:
        """Whether its process lives; False where that cannot be known."""
        try:
            with (self.path / "lock").open("rb") as lock:
                return not try_lock(lock)
        except OSError:
            return False

    def status(self) -> WorkStatus | None:
        """Return how it stands; None where nothing was ever started here.

        Raises:
            RunError: what is kept of it is damaged, or of another release.
        """
        # In this order: a process that ends in between has written its end before it lets the lock go.
        at_work = self.is_at_work()
        order = self._read("work.json", _Order)
        if order is None:
            return None
        end = None if at_work else self._read("end.json", _End)
        progress = self._read("progress.json", _Progress) or _Progress(0, "", 0, 0)
        return WorkStatus(
            folder=self.folder,
            kind=order.kind,
            title=order.title,
            about=order.about,
            state=_state(at_work, self.stops(), end),
            started=order.started,
            ended="" if end is None else end.ended,
            steps=tuple(step.title for step in order.steps),
            step=min(max(progress.step, 0), max(len(order.steps) - 1, 0)),
            what=progress.what,
            done=progress.done,
            total=progress.total,
        )

    def _read(self, name: str, kind: type[T]) -> T | None:
        file = self.path / name
        if not file.is_file():
            return None
        source = Source(str(file), _WRITTEN_BY)
        return source.decode_file(kind, read_json(file, _WRITTEN_BY), _SCHEMA)

    def log_tail(self, lines: int = 40) -> str:
        """Return the end of what its commands said."""
        return tail(self.path / "log.txt", lines)

    def write_progress(self, step: int, what: str, done: int, total: int) -> None:
        """Say how far it is; for its own process."""
        text = _json(_Progress(step, what, done, total))
        write_atomic(self.path / "progress.json", text, sync=False)

    def write_end(self, code: int) -> None:
        """Say how it ended; for its own process."""
        write_atomic(self.path / "end.json", _json(_End(code, _now())), sync=False)


def tail(file: Path, lines: int) -> str:
    """Return the last lines of a text file; '' where there is none."""
    try:
        with file.open("rb") as opened:
            opened.seek(max(0, file.stat().st_size - _LOG_BYTES))
            text = opened.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def _state(at_work: bool, stops: int, end: _End | None) -> State:
    if at_work:
        return "stopping" if stops else "running"
    if end is None:
        return "killed"
    if end.code == 0:
        return "done"
    return "stopped" if stops or end.code == _STOPPED else "failed"


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _json(content: _Order | _Progress | _End) -> str:
    return json.dumps({"schema": _SCHEMA, **asdict(content)}, indent=1) + "\n"


def _hold(lock: BinaryIO) -> bool:
    """Lock a file; whoever only looks whether it is locked has it for a moment, too."""
    deadline = time.monotonic() + _PATIENCE_S
    while not try_lock(lock):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


# ---- in the process itself ----


def parse_steps(text: str) -> tuple[Step, ...]:
    """Return the commands that ``Work.start`` has given to its process."""
    return tuple(Step(str(one["title"]), tuple(map(str, one["arguments"]))) for one in json.loads(text))


def carry_out(work: Work, steps: Sequence[Step], command: Callable[[list[str]], int]) -> int:
    """Carry commands out one after another, and keep their state; return the exit code.

    Args:
        work: Whose state is kept.
        steps: The commands.
        command: Carries out what stands behind ``mixlab``, and returns the exit code.
    """
    code = 0
    _keep_lock_to_itself()
    progress = _Progressing(work)
    try:
        with reported_to(progress), _stopped_by(work):
            for number, step in enumerate(steps):
                progress.begin(number)
                print(f"$ mixlab {shlex.join(step.arguments)}", flush=True)
                code = command(list(step.arguments))
                if code:
                    break
    except KeyboardInterrupt:
        code = _STOPPED
    except SystemExit as error:  # options that cannot be read
        code = error.code if isinstance(error.code, int) else 2
    except Exception:
        traceback.print_exc()
        code = 1
    work.write_end(code)
    return code


def _keep_lock_to_itself() -> None:
    """Let neither what this process starts nor what it forks hold its lock: it is to end with this process.

    The system lets a lock go only when all copies of the open file are closed, and a worker that was forked
    may outlive a process that was killed.
    """
    number = os.environ.pop(_LOCK, "")
    if not number or not hasattr(os, "register_at_fork"):
        return
    os.set_inheritable(int(number), False)

    def let_go() -> None:
        with suppress(OSError):
            os.close(int(number))

    os.register_at_fork(after_in_child=let_go)


class _Progressing:
    """Writes what is reported, not more often than anybody looks."""

    def __init__(self, work: Work) -> None:
        self._work, self._step, self._written = work, 0, 0.0

    def begin(self, step: int) -> None:
        """Say that a command begins."""
        self._step, self._written = step, 0.0
        self._work.write_progress(step, "", 0, 0)

    def __call__(self, what: str, done: int, total: int) -> None:
        """Say how far it is."""
        now = time.monotonic()
        if now - self._written >= _LOOK_S or done == total:
            self._written = now
            self._work.write_progress(self._step, what, done, total)


@contextmanager
def _stopped_by(work: Work) -> Iterator[None]:
    """Turn each request to stop into a Ctrl-C for this process."""
    ended = threading.Event()

    def watch() -> None:
        passed_on = 0
        while not ended.wait(_LOOK_S):
            if work.stops() > passed_on:
                passed_on += 1
                os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
