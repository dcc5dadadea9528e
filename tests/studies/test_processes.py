"""Trainings as processes of a cluster's machine: they end with what watches them."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mixlab.studies import processes, tied
from mixlab.studies.processes import Training, train_on_machine

WATCHER = """
import os, subprocess, sys
program = [sys.executable, "-c", "import time; print('begun', flush=True); time.sleep(60); print('alone')"]
tied = [sys.executable, "-I", sys.argv[1], str(os.getpid())]
subprocess.Popen([*tied, *program], start_new_session=True).wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can tie a process to another")
def test_a_training_ends_with_what_watches_it() -> None:
    with subprocess.Popen([sys.executable, "-c", WATCHER, tied.__file__], stdout=subprocess.PIPE) as watcher:
        assert watcher.stdout is not None
        assert watcher.stdout.readline() == b"begun\n"
        watcher.kill()
        # It has the other end of this pipe, too: the end comes when both are gone.
        assert watcher.stdout.read() == b""


def test_nothing_is_started_for_one_that_is_gone() -> None:
    program = [sys.executable, "-I", tied.__file__, "1", sys.executable, "-c", "print('alone')"]
    done = subprocess.run(program, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")


def test_a_machine_trains_only_where_it_sees_the_study(tmp_path: Path) -> None:
    log = tmp_path / "log"
    training = Training(("taxonomy", "--nonsense"), log, 1, tmp_path, tmp_path, {}, tmp_path / "stop")
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert train_on_machine(training) == (2, "")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert "nonsense" in log.read_text()
    code, reason = train_on_machine(replace(training, study=tmp_path / "elsewhere"))
    assert code == 1
    assert f"does not see {tmp_path / 'elsewhere'}" in reason
    assert "expected 0.0.0" in train_on_machine(replace(training, version="0.0.0"))[1]


SAVES = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
print("begun", flush=True)
try:
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(2.5)
    sys.exit(130)
"""


def test_a_training_that_is_told_to_stop_is_told_once_and_saves(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", SAVES], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        (tmp_path / "stop").touch()
        assert processes._wait(process, tmp_path / "stop") == 130
    training = Training(("taxonomy",), tmp_path / "log", 1, tmp_path, tmp_path, {}, tmp_path / "stop")
    assert train_on_machine(training) == (1, "it was told to stop")
    assert not (tmp_path / "log").exists()


BLOCKED = """
import os, signal, subprocess, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
look = "from signal import *; print(getsignal(SIGINT) is default_int_handler, pthread_sigmask(SIG_BLOCK, []))"
program = [sys.executable, "-I", sys.argv[1], str(os.getpid()), sys.executable, "-c", look]
subprocess.run(program, check=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals cannot be blocked")
def test_ctrl_c_reaches_a_training_though_its_watcher_blocks_and_ignores_it() -> None:
    program = [sys.executable, "-c", BLOCKED, tied.__file__]
    assert subprocess.run(program, capture_output=True, check=True, text=True).stdout == "True set()\n"
