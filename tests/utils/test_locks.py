"""One process at a time writes to a folder, and none that was killed keeps others from it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import mixlab.utils.locks
from mixlab.errors import OutputError, RunError
from mixlab.utils.files import temporary_path
from mixlab.utils.locks import LOCK, hold_folder
from tests.errors import raises
from tests.unprivileged import unprivileged

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")

HOLD = """
import os, sys, time
from pathlib import Path
from mixlab.errors import RunError
from mixlab.utils.locks import hold_folder
with hold_folder(Path(sys.argv[1]), lambda: RunError("busy", code="run-in-use")):
    if "fork" in sys.argv and os.fork() == 0:
        time.sleep(60)
    print("held", flush=True)
    time.sleep(60)
"""


def busy() -> RunError:
    return RunError("busy", code="run-in-use")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def another(folder: Path, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """Another process that holds a folder until it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # and what it has forked
        process.communicate()


def test_another_process_is_refused_and_a_killed_one_is_not_in_the_way(tmp_path: Path) -> None:
    with another(tmp_path) as holder:
        with raises(RunError, code="run-in-use"), hold_folder(tmp_path, busy):
            pass
        assert names(tmp_path) == [LOCK]
        holder.kill()
        holder.wait()
        assert names(tmp_path) == [LOCK]  # the file stays, the lock does not
        with hold_folder(tmp_path, busy):
            assert names(tmp_path) == [LOCK]
        assert names(tmp_path) == []


def test_a_forked_child_that_outlives_its_parent_does_not_hold_on(tmp_path: Path) -> None:
    with another(tmp_path, "fork") as holder:
        holder.kill()
        holder.wait()
        # The child lets go as it begins, which may be a moment later.
        for attempt in range(100):
            try:
                with hold_folder(tmp_path, busy):
                    return
            except RunError:
                assert attempt < 99, "the child holds on"
                time.sleep(0.05)


def test_a_thread_may_hold_again_what_it_holds_and_another_may_not(tmp_path: Path) -> None:
    refused = []

    def try_it() -> None:
        with pytest.raises(RunError, match="busy"), hold_folder(tmp_path, busy):
            pass
        refused.append(True)

    with hold_folder(tmp_path, busy):
        with hold_folder(tmp_path / ".." / tmp_path.name, busy):
            pass
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()
    assert refused == [True]
    with hold_folder(tmp_path, busy):
        pass


def test_a_lock_on_a_file_that_was_removed_meanwhile_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, tried = mixlab.utils.locks.try_lock, []

    def late(file):  # type: ignore[no-untyped-def]
        tried.append(file)
        if len(tried) == 1:
            (tmp_path / LOCK).unlink()  # as who held it until now does
        return lock(file)

    monkeypatch.setattr(mixlab.utils.locks, "try_lock", late)
    with hold_folder(tmp_path, busy):
        assert len(tried) == 2
        assert (tmp_path / LOCK).is_file()


def test_a_folder_that_was_made_for_nothing_goes_again(tmp_path: Path) -> None:
    with hold_folder(tmp_path / "new", busy):
        pass
    assert names(tmp_path) == []
    with hold_folder(tmp_path / "new", busy):
        (tmp_path / "new" / "result").write_bytes(b"")
    assert names(tmp_path / "new") == ["result"]


def test_what_killed_runs_left_goes_at_once_where_nobody_else_writes(tmp_path: Path) -> None:
    elsewhere = tmp_path / ".a.bin.0123abcd-1-0123abcd.tmp"  # of another machine: nobody knows if it runs
    elsewhere.write_bytes(b"half")
    not_ours = tmp_path / ".a.tmp"
    not_ours.write_bytes(b"mine")
    with temporary_path(tmp_path / "b.bin") as own:
        own.write_bytes(b"whole")
        with hold_folder(tmp_path, busy):
            assert names(tmp_path) == sorted([LOCK, ".a.tmp", own.name])
    assert names(tmp_path) == [".a.tmp", "b.bin"]


def test_a_file_system_without_locks_is_said_and_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno
    import fcntl

    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.warns(RuntimeWarning, match="knows no locks"), hold_folder(tmp_path, busy):
        (tmp_path / "result").write_bytes(b"")
    assert names(tmp_path) == ["result"]


def test_a_folder_that_cannot_be_written_is_an_error_that_names_it() -> None:
    with unprivileged() as folder:
        (folder / "mine").mkdir()
        (folder / "mine").chmod(0o555)
        with (
            raises(OutputError, code="output-not-writable", mentions=("Permission denied", folder / "mine")),
            hold_folder(folder / "mine", busy),
        ):
            pass


def test_a_worker_ends_with_the_process_that_was_killed(tmp_path: Path) -> None:
    script = tmp_path / "work.py"
    script.write_text(
        "import os, sys, time\n"
        "from mixlab.utils.parallel import map_items\n"
        "def work(path):\n"
        "    open(path, 'w').write(str(os.getpid()))\n"
        "    time.sleep(60)\n"
        "if __name__ == '__main__':\n"
        "    list(map_items(work, sys.argv[1:], workers=2))\n"
    )
    files = [tmp_path / "one", tmp_path / "two"]
    parent = subprocess.Popen([sys.executable, str(script), *map(str, files)])
    try:
        wait_for(lambda: all(file.is_file() and file.read_text() for file in files), "both workers to begin")
        workers = [int(file.read_text()) for file in files]
        assert all(map(is_running, workers))
    finally:
        parent.kill()
        parent.wait()
    wait_for(lambda: not any(map(is_running, workers)), "the workers to end")


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_for(what, text: str) -> None:  # type: ignore[no-untyped-def]
    until = time.monotonic() + 60
    while not what():
        assert time.monotonic() < until, f"waited for {text} in vain"
        time.sleep(0.05)
