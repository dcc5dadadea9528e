"""Work that goes on by itself: started once, found again, stopped, and told apart however it ends."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mixlab.errors import RunError
from mixlab.utils.detached import Step, Work, WorkStatus, carry_out, parse_steps
from mixlab.utils.progress import tell_progress
from tests.errors import raises
from tests.work_program import PROGRAM

PATIENCE_S = 300.0


def status_of(work: Work) -> WorkStatus:
    status = work.status()
    assert status is not None
    return status


def wait_until(work: Work, holds: Callable[[WorkStatus], bool]) -> WorkStatus:
    deadline = time.monotonic() + PATIENCE_S
    while not holds(status_of(work)):
        assert time.monotonic() < deadline, (status_of(work), work.log_tail())
        time.sleep(0.05)
    return status_of(work)


def steps(*commands: tuple[str, str]) -> list[Step]:
    return [Step(f"step {n}", command) for n, command in enumerate(commands, start=1)]


def ended(status: WorkStatus) -> bool:
    return not status.at_work


def test_where_nothing_was_started_there_is_no_job(tmp_path: Path) -> None:
    work = Work(tmp_path / "none")
    assert work.status() is None
    assert work.log_tail() == ""
    assert not (tmp_path / "none").exists()


def test_a_job_goes_through_its_steps_and_ends(tmp_path: Path) -> None:
    work = Work(tmp_path / "out")
    assert work.start(
        "index", "Index it", steps(("say", "0"), ("say", "0")), about={"a": "b"}, program=PROGRAM
    )
    status = wait_until(work, ended)
    assert (status.state, status.share, status.steps) == ("done", 1.0, ("step 1", "step 2"))
    assert (status.kind, status.title, status.about) == ("index", "Index it", {"a": "b"})
    assert work.log_tail().count("carries out say 0") == 2


def test_a_step_that_fails_is_the_last(tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.start("index", "", steps(("say", "2"), ("say", "0")), program=PROGRAM)
    status = wait_until(work, ended)
    assert (status.state, status.step) == ("failed", 0)
    assert work.log_tail().count("carries out") == 1


def test_a_job_is_started_once_survives_who_started_it_and_stops(tmp_path: Path) -> None:
    work = Work(tmp_path)
    assert work.start("index", "first", steps(("wait", "0")), program=PROGRAM)
    assert not work.start("index", "second", steps(("wait", "0")), program=PROGRAM)
    status = wait_until(work, lambda status: status.total == 4)
    # Another object, as another page has it, finds the same.
    assert status_of(Work(tmp_path)) == status
    assert (status.state, status.title, status.what, status.share) == ("running", "first", "waiting", 0.25)
    Work(tmp_path).stop()
    assert wait_until(work, ended).state == "stopped"
    assert work.start("index", "again", steps(("say", "0")), program=PROGRAM)
    assert wait_until(work, ended).state == "done"


def test_a_job_that_is_killed_says_so(tmp_path: Path) -> None:
    work = Work(tmp_path)
    script = "import os; os.kill(os.getpid(), 9)"
    work.start("index", "", steps(("wait", "0")), program=(sys.executable, "-c", script))
    assert wait_until(work, ended).state == "killed"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system forks nothing")
def test_a_job_that_is_killed_is_ended_though_its_workers_live(tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.start("index", "", steps(("fork", "0")), program=PROGRAM)
    wait_until(work, lambda status: status.total == 4)
    (said,) = (line for line in work.log_tail().splitlines() if line.startswith("processes "))
    main, *workers = map(int, said.split()[1:])
    try:
        assert status_of(work).state == "running"
        os.kill(main, signal.SIGKILL)
        assert wait_until(work, ended).state == "killed"
        for worker in workers:
            os.kill(worker, 0)  # it lives
        assert work.start("index", "again", steps(("say", "0")), program=PROGRAM)
        assert wait_until(work, ended).state == "done"
    finally:
        for worker in workers:
            os.kill(worker, signal.SIGKILL)


def test_a_damaged_state_is_refused(tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.path.mkdir()
    (work.path / "work.json").write_text(json.dumps({"schema": 1, "kind": 3}), encoding="utf-8")
    with raises(RunError, code="run-damaged", mentions=str(work.path)):
        work.status()


def test_what_is_carried_out_is_never_read_from_the_folder(tmp_path: Path) -> None:
    work = Work(tmp_path)
    other = json.dumps({"schema": 1, "steps": [{"title": "", "arguments": ["say", "7"]}]})
    forge = f"open({str(work.path / 'work.json')!r}, 'w').write({other!r})"
    first = f"{forge}; import runpy; runpy.run_path({PROGRAM[1]!r}, run_name='__main__')"
    work.start("index", "", steps(("say", "0")), program=(sys.executable, "-c", first))
    deadline = time.monotonic() + PATIENCE_S
    while work.is_at_work() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "carries out say 0" in work.log_tail()
    assert "say 7" not in work.log_tail()


@pytest.mark.parametrize(
    ("fault", "code"), [(SystemExit(2), 2), (ValueError("no"), 1), (KeyboardInterrupt(), 130)]
)
def test_whatever_ends_a_command_is_kept(tmp_path: Path, fault: BaseException, code: int) -> None:
    def command(arguments: list[str]) -> int:
        raise fault

    work = Work(tmp_path)
    work.path.mkdir()
    assert carry_out(work, parse_steps('[{"title": "one", "arguments": ["x"]}]'), command) == code
    assert json.loads((work.path / "end.json").read_text())["code"] == code


def test_progress_that_nobody_wants_goes_nowhere(capfd: pytest.CaptureFixture[str]) -> None:
    tell_progress("measuring", 1, 2)
    assert capfd.readouterr() == ("", "")
