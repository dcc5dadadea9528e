"""The engine ``ray`` on a real cluster of several nodes, which are lost on the way.

One cluster serves all tests of this module. Programs that use it are processes of their own, as a user's are.
"""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from mixlab import __version__
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.song_table import SONG_FILE
from mixlab.cli.main import main
from mixlab.studies.folder import StudyFolder
from mixlab.training.run import Run
from mixlab.utils import ray_cluster
from mixlab.utils.outcome import DIED, Outcome
from mixlab.utils.plain import plain
from tests.conftest import REPO
from tests.ray_commands import STEP, make
from tests.ray_nodes import Nodes, running_nodes
from tests.ray_tasks import DEADLY, FAULTY, LOST, UNPICKLABLE
from tests.tiny_sweep import MIX, TRAIN

pytest.importorskip("ray", reason="the engine 'ray'; extra 'cluster'")


EPOCHS = 60


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with running_nodes(2) as cluster:
        yield cluster


def wait_for(what: Callable[[], object], seconds: float = 600.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def own_part(line: str, *marks: str) -> str:
    """Return what a program itself says in a line, from a mark on; '' where there is none.

    Ray writes a message of several lines in two goes, and ends it behind what the program said meanwhile.
    """
    return next((line[line.index(mark) :].strip() for mark in marks if mark in line), "")


def next_line(program: "subprocess.Popen[str]", mark: str) -> str:
    """Return the next line that a program prints with this mark, from it on."""
    assert program.stdout is not None
    printed = []
    for line in program.stdout:
        printed.append(line)
        if said := own_part(line, mark):
            return said
    raise AssertionError("".join(printed))


def rest(program: "subprocess.Popen[str]", code: int) -> str:
    """Return what else a program prints, and check how it ends."""
    assert program.stdout is not None
    with program.stdout:
        printed = program.stdout.read()
    assert program.wait() == code, printed
    return printed


def contents(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


WORK = """
import os, sys
from pathlib import Path
from mixlab.errors import MixlabError
from mixlab.utils import ray_cluster
from mixlab.utils.parallel import map_items
from tests.ray_tasks import remove, work

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    patience_s, ray_cluster._IDLE_S = ray_cluster._IDLE_S, 3.0
    try:
        list(map_items(work, [(folder, 99)], engine="ray"))
    except MixlabError as error:
        print("REFUSED", error.code, flush=True)
    ray_cluster._IDLE_S = patience_s
    for outcome in map_items(work, [(folder, number) for number in range(12)], engine="ray"):
        print("OUTCOME", repr(outcome), flush=True)
    (folder / "seen").touch()
    (folder / "here").touch()
    os.chdir(folder)
    paths = [Path("here"), Path("seen"), Path("x")]
    found = map_items(remove, paths, engine="ray", workers=1, needs=[folder / "seen"])
    try:
        for outcome in found:
            print("OUTCOME", repr(outcome), flush=True)
    except MixlabError as error:
        print("REFUSED", error.code, str(folder / "seen") in str(error))
"""


@pytest.mark.slow
def test_a_lost_node_costs_only_what_it_had_in_hand(nodes: Nodes, tmp_path: Path) -> None:
    nodes.environment["MIXLAB_SOUNDS"] = "sounds"
    nodes.ask("kill")
    nodes.ask("kill")
    program = nodes.start("-c", WORK, tmp_path)
    assert next_line(program, "REFUSED") == "REFUSED cluster-not-reached"
    nodes.ask("add")
    nodes.ask("add")
    first = tmp_path / f"{LOST}-0"
    wait_for(lambda: first.exists() or program.poll() is not None)
    nodes.ask(f"kill {first.read_text()}")
    nodes.ask("add")
    printed = rest(program, code=0)
    lines = [said for line in printed.splitlines() if (said := own_part(line, "OUTCOME ", "REFUSED "))]
    found = {o.index: o for o in (eval(line.partition(" ")[2]) for line in lines[:12])}
    assert sorted(found) == list(range(12))
    special = {DEADLY, FAULTY, UNPICKLABLE}
    assert {n: o for n, o in found.items() if n not in special} == {
        n: Outcome(n, n**2) for n in range(12) if n not in special
    }
    assert found[DEADLY].error.startswith(f"{DIED}, 3 times")
    assert found[FAULTY].error == "ValueError: not this one"
    assert "pickle" in found[UNPICKLABLE].error
    attempts = {n: len(list(tmp_path.glob(f"{n}-*"))) for n in range(12)}
    assert not list(tmp_path.glob("99-*"))
    assert attempts == {**dict.fromkeys(range(12), 1), LOST: 2, DEADLY: ray_cluster.TRIES}
    # The environment's settings and the folder travel with the work; what is not seen any more stops it.
    assert lines[12:] == [
        "OUTCOME Outcome(index=0, value='sounds', error='')",
        "OUTCOME Outcome(index=1, value='sounds', error='')",
        "REFUSED cluster-unfit True",
    ]


def test_a_machine_that_lacks_something_says_what(tmp_path: Path) -> None:
    assert ray_cluster.unfit(__version__, [tmp_path]) == ""
    assert str(tmp_path / "x") in ray_cluster.unfit(__version__, [tmp_path, tmp_path / "x"])
    assert f"has mixlab {__version__}, expected 0.0.0" in ray_cluster.unfit("0.0.0", [])


@pytest.mark.slow
def test_every_command_gives_what_it_gives_locally_though_a_node_is_lost(
    nodes: Nodes, tmp_path: Path
) -> None:
    pytest.importorskip("librosa", reason="extra 'matched'")
    pytest.importorskip("midirenderer", reason="extra 'demo'")
    program = nodes.start(REPO / "tests" / "ray_commands.py", tmp_path / "ray", "ray")
    next_line(program, f"{STEP}index")
    time.sleep(1.0)
    nodes.ask("kill")
    nodes.ask("add")
    rest(program, code=0)
    make(tmp_path / "local", "local")
    for name in ("demo", "pack", "export"):
        found, expected = (contents(tmp_path / engine / name) for engine in ("ray", "local"))
        assert found.keys() == expected.keys()
        assert [path for path in found if found[path] != expected[path] and not is_dated(path)] == []
    found, expected = (tmp_path / engine / "catalog" for engine in ("ray", "local"))
    assert Catalog.open(found).content_hash == Catalog.open(expected).content_hash
    assert (found / SONG_FILE).read_bytes() == (expected / SONG_FILE).read_bytes()


def is_dated(path: str) -> bool:
    """Whether a file of a pack holds when its stems' files were written."""
    return (path.endswith(".json") and "shard-" in path) or path == "pack.json"


def trainings(study: Path) -> set[int]:
    """Return the processes that train for a study."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:  # ended meanwhile
            continue
        if b"train" in words and any(str(study).encode() in word for word in words):
            found.add(int(folder.name))
    return found


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are looked for in /proc")
def test_trainings_go_on_after_ctrl_c_and_after_a_lost_node(
    nodes: Nodes, toy: Catalog, tmp_path: Path
) -> None:
    settings, out = tmp_path / "settings.yaml", tmp_path / "out"
    settings.write_text(yaml.safe_dump({"mix": plain(MIX), "train": plain(replace(TRAIN, epochs=EPOCHS))}))
    words = ["sweep", "--catalog", str(toy.path), "--config", str(settings), "--vary", "mix.p_musical=0,1"]
    words += ["--seeds", "0", "--resamples", "20"]
    on_ray = [
        "-m",
        "mixlab.cli",
        *words,
        "--out",
        out,
        "--engine",
        "ray",
        "--parallel",
        "2",
        "--threads",
        "1",
    ]
    folder = StudyFolder(out)

    def epochs() -> list[int]:
        return [state.epochs_done for state in folder.states()] if (out / "study.json").exists() else [0]

    def both_beyond(count: int) -> None:
        wait_for(lambda: min(epochs()) > count or program.poll() is not None)
        assert program.poll() is None, rest(program, code=-1)
        assert max(epochs()) < EPOCHS

    program = nodes.start(*on_ray)
    both_beyond(0)
    program.send_signal(signal.SIGINT)
    printed = rest(program, code=130)
    assert trainings(out) == set()
    assert "the same command again" in printed
    assert [state.status for state in folder.states()] == ["interrupted"] * 2

    program, saved = nodes.start(*on_ray), max(epochs())
    both_beyond(saved)
    before = trainings(out)
    assert len(before) == 2
    nodes.ask("kill")
    wait_for(lambda: len(before & trainings(out)) == 1)  # it ends with its machine
    nodes.ask("add")
    printed = rest(program, code=0)
    assert "Report:" in printed

    assert main([*words, "--out", str(tmp_path / "local"), "--parallel", "0"]) == 0
    for state in folder.states():
        runs = [Run.open(path / "runs" / state.name) for path in (out, tmp_path / "local")]
        assert [len(run.metrics()) for run in runs] == [EPOCHS] * 2
        one, other = (run.predictions() for run in runs)
        assert np.array_equal(one.scores, other.scores)
