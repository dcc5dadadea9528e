"""Compiled code is kept where that is possible, and its absence stops nobody."""

import os
import select
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from mixlab.audio.tempo_key import find_beats
from mixlab.training.baselines.descriptors import load_librosa
from mixlab.utils.jit import _alone
from tests.conftest import REPO

NAME = f"mixlab-numba-{os.getuid()}"
MIX = """
import numpy as np
from mixlab.audio._kernels.mix import add_up
mixture, powers = np.empty((1, 8), np.float32), np.empty((3, 1))
peak = add_up(np.ones((2, 1, 8), np.float32), np.zeros(1, np.int64), mixture, powers)
print(float(peak), mixture.sum())
"""


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A copy of the package beside which nothing can be kept: a file is in the way, also of the superuser."""
    for folder in ("mixlab", "taxonomy"):
        shutil.copytree(REPO / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for package in [path.parent for path in (tmp_path / "mixlab").rglob("__init__.py")]:
        (package / "__pycache__").write_bytes(b"")
    (tmp_path / "tmp").mkdir()
    return tmp_path


def mix(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Import a kernel and run it, as a user without a home."""
    inherited = {k: v for k, v in os.environ.items() if k not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")}
    given = {"PYTHONPATH": str(folder), "HOME": "/dev/null", "TMPDIR": str(folder / "tmp"), **environment}
    command = [sys.executable, "-c", MIX]
    return subprocess.run(command, env=inherited | given, cwd=folder, capture_output=True, text=True)


def test_without_a_home_compiled_code_is_kept_among_the_temporary_files(elsewhere: Path) -> None:
    run = mix(elsewhere)
    assert run.stdout == "2.0 16.0\n", run.stderr
    assert (
        "Compiled code can be kept neither beside mixlab nor in the home folder: it is kept in" in run.stderr
    )
    (kept,) = (elsewhere / "tmp").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    assert any(path.suffix == ".nbc" for path in kept.rglob("*"))


def test_without_any_folder_the_kernels_are_compiled_anew(elsewhere: Path) -> None:
    (elsewhere / "tmp" / NAME).write_bytes(b"in the way")
    run = mix(elsewhere)
    assert run.stdout == "2.0 16.0\n", run.stderr
    assert "every process compiles it anew" in run.stderr


def test_a_folder_that_others_can_write_to_is_not_trusted(elsewhere: Path) -> None:
    open_to_all = elsewhere / "tmp" / NAME
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    run = mix(elsewhere)
    assert run.stdout == "2.0 16.0\n", run.stderr
    assert "every process compiles it anew" in run.stderr
    assert list(open_to_all.iterdir()) == []


def test_a_folder_that_the_user_names_is_used_without_a_word(elsewhere: Path) -> None:
    run = mix(elsewhere, NUMBA_CACHE_DIR=str(elsewhere / "tmp" / "mine"))
    assert (run.stdout, run.stderr) == ("2.0 16.0\n", "")
    assert any(path.suffix == ".nbc" for path in (elsewhere / "tmp" / "mine").rglob("*"))


ALONE = """
import sys
from mixlab.utils import jit
with jit._alone():
    print("alone", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no flock")
def test_processes_compile_one_after_another() -> None:
    """Of two that compile the same functions at once, numba may keep files that crash whoever reads them."""
    command, pipe = [sys.executable, "-c", ALONE], subprocess.PIPE
    started = [subprocess.Popen(command, stdin=pipe, stdout=pipe) for _ in range(2)]
    try:
        outputs = {process.stdout: process for process in started}
        first = select.select(list(outputs), [], [], 120)[0][0]
        assert first.readline() == b"alone\n"
        (other,) = outputs.keys() - {first}
        assert select.select([other], [], [], 1.0)[0] == []
        outputs[first].stdin.close()
        assert other.readline() == b"alone\n"
    finally:
        for process in started:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                assert stream is not None
                stream.close()


MISSES = """
from mixlab.audio._kernels import varispeed
found = [value for value in vars(varispeed).values() if hasattr(value, "stats")]
print(sum(sum(kernel.stats.cache_misses.values()) for kernel in found), len(found))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no flock")
def test_of_workers_that_start_together_one_compiles(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(REPO)}
    command = [sys.executable, "-c", MISSES]
    started = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) for _ in range(2)]
    missed, kernels = zip(*(map(int, process.communicate()[0].split()) for process in started), strict=True)
    assert kernels[0] >= 1
    assert sum(missed) == kernels[0], "each is compiled once"


def test_a_process_forked_meanwhile_does_not_keep_the_lock() -> None:
    with _alone():
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.read(reading, 1)
            os._exit(0)
    waiting = Thread(target=_enter, daemon=True)
    waiting.start()
    waiting.join(timeout=60)
    kept = waiting.is_alive()
    os.write(writing, b"!")  # lets the child end, and with it whatever it holds
    os.waitpid(child, 0)
    os.close(reading)
    os.close(writing)
    assert not kept, "a child that was forked within keeps the lock"


def _enter() -> None:
    with _alone():
        pass


def test_librosa_is_imported_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("librosa", reason="extra 'matched'")
    seen: list[str] = []

    @contextmanager
    def alone() -> Iterator[None]:
        seen.append("alone")
        yield

    monkeypatch.setattr("mixlab.utils.jit._alone", alone)
    find_beats(np.zeros(8, dtype=np.float32))
    load_librosa()
    assert seen == ["alone", "alone"]
