"""Processes that train together share out the mixes, whoever started them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from torch.utils.data import DataLoader

from mixlab import Catalog, MixConfig, MixDataset, MixLoader
from mixlab.errors import ConfigError
from mixlab.mixing.ranks import HINTS, LAUNCHERS, ProcessRank, find_rank
from tests.errors import raises

# What a script of a user's does: two iterations of torch's own loader, with workers, and one of ours.
SCRIPT = """
import itertools, json, os, sys
from pathlib import Path
from torch.utils.data import DataLoader
from mixlab import MixConfig, MixDataset, MixLoader

def main():
    if "JOIN" in os.environ:
        import torch.distributed as dist
        dist.init_process_group("gloo")
    mixes = MixDataset(sys.argv[1], MixConfig(duration_s=0.5), epoch_size=16, batch_size=2)
    loader = DataLoader(mixes, batch_size=2, num_workers=2, multiprocessing_context=os.environ.get("METHOD"))
    found = []
    for batches in (loader, loader, MixLoader(mixes)):
        first = itertools.islice(batches, 2 if batches is loader else None)
        found.append([pair for b in first for pair in zip(b["epoch"].tolist(), b["index"].tolist())])
    fixed = MixDataset(sys.argv[1], MixConfig(duration_s=0.5), split="validation", epoch_size=3, batch_size=2)
    found.append([(item["epoch"], item["index"]) for item in fixed])
    (Path(sys.argv[2]) / f"{mixes.rank}-{os.getpid()}.json").write_text(json.dumps(found))

if __name__ == "__main__":
    main()
"""


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what says how these tests themselves were started."""
    names = {name for pair in LAUNCHERS for name in pair} | set(HINTS)
    for name in os.environ:
        if name in names or name.startswith("SLURM_") or name == "LOCAL_RANK":
            monkeypatch.delenv(name)


def run(toy: Catalog, tmp_path: Path, *launcher: str, **environment: str) -> tuple[list[Any], str]:
    """Run the script; return what each process wrote, in order of rank, and what they said."""
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, *launcher, str(tmp_path / "script.py"), str(toy.path), str(tmp_path)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    files = sorted(tmp_path.glob("*.json"), key=lambda path: int(path.name.partition("-")[0]))
    return [json.loads(path.read_text()) for path in files], done.stderr


def shares(rank: int, size: int) -> list[list[list[int]]]:
    """What a rank of ``size`` is to hear in the script: batches of two of 16 items."""

    def share(epoch: int, batches: int) -> list[list[int]]:
        firsts = [(batch * size + rank) * 2 for batch in range(batches)]
        return [[epoch, index] for first in firsts for index in (first, first + 1)]

    return [share(0, 2), share(1, 2), share(0, 8 // size), [[0, index] for index in range(3)]]


TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")


@pytest.mark.parametrize("joined", [{}, {"JOIN": "1"}], ids=["environment", "joined"])
def test_torchrun(toy: Catalog, tmp_path: Path, joined: dict[str, str]) -> None:
    found, _ = run(toy, tmp_path, *TORCHRUN, **joined)
    assert found == [shares(rank, 2) for rank in (0, 1)]


@pytest.mark.parametrize(
    "environment",
    [
        {"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"},
        {"SLURM_PROCID": "1", "SLURM_NTASKS": "2", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2"},
    ],
    ids=["mpirun", "srun"],
)
def test_a_launcher_that_says_it_in_the_environment_alone(
    toy: Catalog, tmp_path: Path, environment: dict[str, str]
) -> None:
    found, said = run(toy, tmp_path, **environment)
    assert found == [shares(1, 2)]
    assert "several processes" not in said


@pytest.mark.slow
def test_spawned_workers_are_told_what_their_process_knows(toy: Catalog, tmp_path: Path) -> None:
    found, _ = run(toy, tmp_path, *TORCHRUN, JOIN="1", METHOD="spawn")
    assert found == [shares(rank, 2) for rank in (0, 1)]


def test_where_the_rank_cannot_be_known_it_is_said_once(toy: Catalog, tmp_path: Path) -> None:
    found, said = run(toy, tmp_path, LOCAL_RANK="1")
    assert found == [shares(0, 1)]
    # Once by torch's loader, of which only the first worker of the first iteration speaks, once by ours.
    assert said.count("There seem to be several processes (LOCAL_RANK=1), but nothing says") == 2


SRUN = {"SLURM_JOB_ID": "1", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "4", "SLURM_NTASKS": "4"}


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({}, ProcessRank()),
        *[({rank: "2", size: "4"}, ProcessRank(2, 4)) for rank, size in LAUNCHERS],
        ({"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}, ProcessRank()),
        ({"WORLD_SIZE": "1"}, ProcessRank()),
        # Slurm: a step of srun, on its own, without its own variables, and with fewer tasks than the job.
        ({**SRUN, "SLURM_PROCID": "3"}, ProcessRank(3, 4)),
        ({**SRUN, "SLURM_PROCID": "0"}, ProcessRank(0, 4)),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "2"}, ProcessRank(0, 2)),
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "2"}, ProcessRank(1, 2)),
        ({"SLURM_PROCID": "1", "SLURM_NPROCS": "2"}, ProcessRank(1, 2)),
        ({**SRUN, "SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}, ProcessRank()),
        # Shells of sbatch and salloc, and torchrun and mpirun in them, and in steps of srun.
        ({"SLURM_JOB_ID": "1", "SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, ProcessRank()),
        ({"SLURM_JOB_ID": "1", "SLURM_NTASKS": "4"}, ProcessRank()),
        ({**SRUN, "SLURM_PROCID": "1", "RANK": "5", "WORLD_SIZE": "8"}, ProcessRank(5, 8)),
        ({**SRUN, "SLURM_PROCID": "1", "RANK": "0", "WORLD_SIZE": "1"}, ProcessRank()),
        (
            {"SLURM_JOB_ID": "1", "SLURM_NTASKS": "4", "PMI_RANK": "1", "PMI_SIZE": "2"},
            ProcessRank(1, 2),
        ),
        # More than one, but which?
        ({"LOCAL_RANK": "0"}, ProcessRank(doubt="LOCAL_RANK=0")),
        ({"WORLD_SIZE": "2"}, ProcessRank(doubt="WORLD_SIZE=2")),
        ({"LOCAL_WORLD_SIZE": "2"}, ProcessRank(doubt="LOCAL_WORLD_SIZE=2")),
        ({"SLURM_NTASKS": "2"}, ProcessRank(doubt="SLURM_NTASKS=2")),
        ({"RANK": "1"}, ProcessRank(doubt="RANK=1")),
        ({"RANK": "4", "WORLD_SIZE": "4"}, ProcessRank(doubt="WORLD_SIZE=4, RANK=4")),
        ({"RANK": "one", "WORLD_SIZE": "2"}, ProcessRank(doubt="WORLD_SIZE=2, RANK=one")),
    ],
)
def test_what_launchers_say(environment: dict[str, str], place: ProcessRank) -> None:
    assert find_rank(environment) == place


def dataset(toy: Catalog, **changes: Any) -> MixDataset:
    return MixDataset(toy, MixConfig(duration_s=0.5), **({"epoch_size": 16, "batch_size": 2} | changes))


def test_the_rank_is_asked_for_when_it_is_needed(toy: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    data = dataset(toy)
    loader = MixLoader(data)
    assert next(iter(loader))["index"].tolist() == [0, 1]
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert (data.rank, data.world_size, data.global_batch, len(loader)) == (1, 4, 8, 2)
    assert next(iter(data))["index"] == 2
    assert next(iter(loader))["index"].tolist() == [2, 3]


@pytest.mark.parametrize("method", [None, "fork", "forkserver"])
def test_workers_are_told_what_torch_distributed_says_in_their_process(
    toy: Catalog, method: str | None
) -> None:
    import torch.distributed as dist
    from torch.testing._internal.distributed.fake_pg import FakeStore

    data = dataset(toy)
    dist.init_process_group("fake", rank=1, world_size=2, store=FakeStore())
    try:
        loader = DataLoader(data, 2, num_workers=1 if method else 0, multiprocessing_context=method)
        assert next(iter(loader))["index"].tolist() == [2, 3]
        assert next(iter(loader))["epoch"].tolist() == [1, 1]
    finally:
        dist.destroy_process_group()
    assert next(iter(data))["index"] == 0


def test_what_is_given_counts_and_fixed_sets_are_whole(toy: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "4")
    given = dataset(toy, rank=0, world_size=2)
    assert (given.rank, given.world_size) == (0, 2)
    assert dataset(toy, rank=0, world_size=1).batches_per_epoch == 8
    fixed = dataset(toy, split="validation", epoch_size=3)
    assert [item["index"] for item in fixed] == [0, 1, 2]
    assert dataset(toy, split="validation", rank=1, world_size=4).batch_indices(0) == range(2, 4)


@pytest.mark.parametrize("given", [{"rank": 0}, {"world_size": 2}, {"rank": 2, "world_size": 2}])
def test_half_a_place_is_refused(toy: Catalog, given: dict[str, int]) -> None:
    with raises(ConfigError, code="invalid-setting"):
        dataset(toy, **given)


def test_an_epoch_without_a_batch_for_every_rank_is_refused_when_ranks_are_known(
    toy: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = dataset(toy)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "16")
    for iterable in (data, MixLoader(data)):
        with raises(ConfigError, code="epoch-too-small", mentions=("epoch_size=16", "32")):
            next(iter(iterable))


def test_a_doubt_is_said_once_per_loader_and_not_where_the_rank_is_given(
    toy: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    data = dataset(toy)
    loader = MixLoader(data)
    for iterable in (data, loader):
        with pytest.warns(RuntimeWarning, match=r"several processes \(LOCAL_WORLD_SIZE=2\)"):
            next(iter(iterable))
        next(iter(iterable))
    next(iter(dataset(toy, rank=0, world_size=1)))
