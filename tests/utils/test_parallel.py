"""map_items: every item comes back once, whatever dies on the way."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mixlab.errors import ConfigError, CorpusError, MissingDependencyError, MixlabError
from mixlab.utils.parallel import default_workers, map_items
from tests.errors import raises


def square(number: int) -> int:
    if number == 3:
        raise ValueError("three is not allowed")
    if number == 4:
        raise CorpusError("Expected another number.")
    return number * number


def deadly(number: int) -> int:
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("workers", [1, 2])
def test_every_item_comes_back_once(workers: int) -> None:
    outcomes = sorted(map_items(square, range(12), workers=workers), key=lambda o: o.index)
    assert [o.index for o in outcomes] == list(range(12))
    assert [o.value for o in outcomes] == [0, 1, 4, None, None, *(n * n for n in range(5, 12))]
    assert outcomes[3].error == "ValueError: three is not allowed"
    assert outcomes[4].error == "Expected another number."
    assert outcomes[5].get() == 25
    with raises(MixlabError, code="items-failed", mentions=("three is not allowed", "3", "ValueError")):
        outcomes[3].get()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_an_item_that_kills_its_worker_costs_only_itself() -> None:
    outcomes = sorted(map_items(deadly, range(6), workers=2), key=lambda o: o.index)
    assert [o.value for o in outcomes] == [0, 1, None, 3, 4, 5]
    assert "worker process died" in outcomes[2].error


def deadly_soon(number: int) -> int:
    if number == 1:
        time.sleep(0.2)
        os._exit(1)
    return number


def test_a_worker_may_die_while_the_consumer_is_busy() -> None:
    outcomes = map_items(deadly_soon, range(40), workers=2)
    found = [next(outcomes)]
    time.sleep(0.8)
    found += outcomes
    assert sorted(o.index for o in found) == list(range(40))
    assert {o.index: o.error for o in found if o.error}.keys() == {1}
    assert all(o.value == o.index for o in found if not o.error)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_result_that_does_not_pickle_among_suspects_is_an_error() -> None:
    outcomes = sorted(map_items(_deadly_or_unpicklable, range(4), workers=2), key=lambda o: o.index)
    assert [o.index for o in outcomes] == [0, 1, 2, 3]
    assert "worker process died" in outcomes[0].error
    assert all("pickle" in o.error.lower() for o in outcomes[1:])


def _deadly_or_unpicklable(number: int) -> object:
    if number == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return lambda: number


def test_results_that_do_not_pickle_are_errors() -> None:
    outcomes = list(map_items(_unpicklable, range(2), workers=2))
    assert len(outcomes) == 2
    assert all("pickle" in o.error.lower() for o in outcomes)


def _unpicklable(number: int) -> object:
    return lambda: number


def test_giving_up_early_stops_the_workers() -> None:
    outcomes = map_items(time.sleep, [0.0, *[60.0] * 6], workers=2)
    assert next(iter(outcomes)).index == 0
    begin = time.monotonic()
    outcomes.close()
    assert time.monotonic() - begin < 30


LONG = """
import time
from mixlab.utils.parallel import map_items
for _ in map_items(time.sleep, [0, 600, 600], workers=2):
    print("at work", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_workers_end_with_a_parent_that_was_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", LONG], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "at work\n"
        parent.kill()
        # The workers have the same pipe, which ends when the last of them has ended.
        assert parent.communicate(timeout=20) == ("", None)


def test_nothing_to_do() -> None:
    assert list(map_items(square, [])) == []


def test_one_worker_stays_in_this_process() -> None:
    assert [o.value for o in map_items(lambda _: os.getpid(), [0, 1], workers=1)] == [os.getpid()] * 2


def test_bad_settings_are_refused_at_once() -> None:
    with raises(ConfigError, code="invalid-setting", mentions=("1", "0")):
        map_items(square, [1], workers=0)
    with raises(ConfigError, code="unknown-engine", mentions=("local", "ray", "spark")):
        map_items(square, [1], engine="spark")
    assert default_workers() >= 1


def test_a_cluster_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")

    def init() -> None:
        raise ConnectionError("nobody answers")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    with raises(MixlabError, code="cluster-not-reached", mentions=("10.0.0.1:6379", "nobody answers")):
        map_items(square, [1], engine="ray")


def test_ray_engine_names_its_extra_when_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ray", "ray.util", "ray.util.multiprocessing"):
        monkeypatch.setitem(sys.modules, name, None)
    with raises(MissingDependencyError, code="missing-dependency", mentions="mixlab[cluster]"):
        map_items(square, [1], engine="ray")


LOADER = """
import os, signal
import torch
from torch.utils.data import DataLoader
from {module} import {name}

asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append("stop"))
signal.signal(signal.SIGINT, lambda *_: asked.append("Ctrl-C"))
batches = iter(DataLoader(list(range(400)), batch_size=4, num_workers=2, worker_init_fn={name}))
found = sum(len(next(batches)) for _ in range(2))  # one of each worker: both have begun
for number in (signal.SIGTERM, signal.SIGINT):
    os.killpg(0, number)
    found += sum(len(next(batches)) for _ in range(20))
found += sum(len(batch) for batch in batches)
print(found, *asked, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no process groups")
@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("mixlab.training.streams", "start_worker"),
        pytest.param("mixlab.mixing.loader", "_start_worker", marks=pytest.mark.slow),
    ],
)
def test_signals_to_a_group_leave_the_workers_of_a_loader_alone(module: str, name: str) -> None:
    """As ``torchrun`` and terminals send them: who waits for batches finishes a step and saves."""
    program = LOADER.format(module=module, name=name)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, start_new_session=True
    )
    assert done.stdout == "400 stop Ctrl-C\n", done.stderr


ORPHANS = """
import time
from torch.utils.data import DataLoader, Dataset, get_worker_info
from mixlab.training.streams import start_worker

class Slow(Dataset):
    def __len__(self):
        return 100
    def __getitem__(self, index):
        if index > 3:
            time.sleep(60)
        return index

batches = DataLoader(Slow(), batch_size=1, num_workers=2, worker_init_fn=start_worker)._get_iterator()
next(batches)
print(*(worker.pid for worker in batches._workers), flush=True)
time.sleep(60)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc")
def test_workers_of_a_loader_end_with_a_parent_that_is_killed() -> None:
    """In the midst of an item, too, and though they are of another group than it."""
    with subprocess.Popen([sys.executable, "-c", ORPHANS], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        workers = [int(pid) for pid in parent.stdout.readline().split()]
        parent.kill()
    assert len(workers) == 2
    deadline = time.monotonic() + 10
    while (left := [pid for pid in workers if is_running(pid)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False
