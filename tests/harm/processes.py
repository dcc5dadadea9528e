"""Start a job in a process of its own, and end it with all that it started, as ``kill -9`` does."""

import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

__all__ = ["Process", "fork", "kill_all", "start", "wait_gone"]

_LOOK_S = 0.002
_RUNNING: "set[Process]" = set()


class Process:
    """A job under way, leader of a session of its own.

    Attributes:
        pid: Its process.
        log: What it says.
        began: When it was started, by the monotonic clock.
    """

    def __init__(self, pid: int, log: Path) -> None:
        self.pid, self.log, self.began = pid, log, time.monotonic()
        self.code: int | None = None
        _RUNNING.add(self)

    def wait(self, until: float) -> int | None:
        """Return the exit code, negative for a signal; None if it still runs ``until`` then."""
        while self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
                _RUNNING.discard(self)
            elif time.monotonic() >= until:
                break
            else:
                time.sleep(_LOOK_S)
        return self.code

    def kill(self, *, alone: bool = False) -> list[int]:
        """Kill it, with all processes that descend from it or ``alone``; return those that it started.

        It is halted first, so that it starts no more meanwhile.
        """
        if self.code is not None:
            return []
        os.kill(self.pid, signal.SIGSTOP)
        started = _descendants(self.pid)
        for pid in [self.pid] if alone else [self.pid, *started]:
            _signal(pid, signal.SIGKILL)
        self.wait(time.monotonic() + 60.0)
        return started

    def said(self) -> str:
        """Return all that it said."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.is_file() else ""


def fork(act: Callable[[], int], log: Path) -> Process:
    """Run a function in a copy of this process, whose imports it has: a start costs milliseconds.

    This process must have no other threads, and nothing that is open and must not be shared.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return Process(pid, log)
    code = 99
    try:
        os.setsid()
        _redirect(log)
        code = act()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def start(arguments: Sequence[str], log: Path) -> Process:
    """Start ``mixlab`` anew, as a terminal does."""
    with log.open("ab") as file:
        started = subprocess.Popen(
            [sys.executable, "-m", "mixlab.cli", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    started.returncode = 0  # its end is waited for by its number
    return Process(started.pid, log)


def kill_all() -> None:
    """Kill all that still runs, when the harness itself ends early."""
    for process in list(_RUNNING):
        process.kill()


def wait_gone(pids: Sequence[int], until: float) -> list[int]:
    """Wait until none of these processes is alive, and return those that are ``until`` then."""
    while left := [pid for pid in pids if _is_alive(pid)]:
        if time.monotonic() >= until:
            return left
        time.sleep(10 * _LOOK_S)
    return []


def _redirect(log: Path) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for number, target in ((null, 0), (file, 1), (file, 2)):
        os.dup2(number, target)
    os.close(null)
    os.close(file)


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _stat(pid: int) -> list[str]:
    """Return state, parent, ... of a process from ``/proc``; [] when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()


def _is_alive(pid: int) -> bool:
    stat = _stat(pid)
    return bool(stat) and stat[0] not in "ZX"


def _descendants(root: int) -> list[int]:
    """Return all processes that a process started, and those that these did, whatever their session."""
    children: dict[int, list[int]] = {}
    for pid in [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]:
        if stat := _stat(pid):
            children.setdefault(int(stat[1]), []).append(pid)
    found, todo = [], [root]
    while todo:
        todo += (own := children.get(todo.pop(), []))
        found += own
    return found
