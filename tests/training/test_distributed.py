"""``mixlab train`` under ``torchrun``: several processes train what one does, also when some are lost.

All run real processes over gloo. The networks have no dropout, whose masks differ between processes, and are
trained by SGD: where gradients agree, weights do. Adam would divide by gradients, however small.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor, nn

from mixlab import Catalog
from mixlab.errors import ConfigError
from mixlab.mixing.config import MixConfig
from mixlab.mixing.effects_config import EffectsConfig
from mixlab.models import ModelConfig
from mixlab.training import TrainConfig, World, train
from mixlab.training.losses import known_terms, masked_bce_with_logits, softmax_cross_entropy
from mixlab.training.run import Run
from mixlab.training.shared_batch_norm import check_batch_norms
from mixlab.utils.plain import plain
from tests.conftest import REPO
from tests.errors import raises

RATE = 8000
MIX = MixConfig(duration_s=0.5, sample_rate=RATE, max_sources=3, effects=EffectsConfig.none())
CONFIG = TrainConfig(
    model=ModelConfig(architecture="tests.small_networks:Normed", sample_rate=RATE),
    optimizer="sgd",
    lr_head=0.05,
    epochs=3,
    epoch_size=40,
    batch_size=8,
    val_size=13,  # uneven: some processes have more of it than others, and the last batch is not full
    test_size=8,
    precision="fp32",
    accelerator="cpu",
    tensorboard=False,
    bootstrap=5,
    channels_last=False,
    seed=5,
)
LONG = replace(CONFIG, epochs=5, epoch_size=256, save_every=5)
"""Some seconds of training: time to be disturbed in."""
WAIT_S = 20.0
"""Seconds that processes wait for each other: more than a busy machine takes for a step."""


def command(folder: Path, toy: Catalog, config: TrainConfig, *launcher: str, **more: Any) -> list[str]:
    """Write a file of settings, and return the command that trains by it under ``torchrun``."""
    settings = {"catalog": str(toy.path), "out": str(folder / "run"), "mix": asdict(MIX)}
    file = folder / "settings.yaml"
    file.write_text(yaml.safe_dump(plain({**settings, "train": asdict(config)})))
    options = [f"--{name}={value}" for name, value in more.items()]
    torchrun = [sys.executable, "-m", "torch.distributed.run", *launcher]
    return [*torchrun, "-m", "mixlab.cli", "train", "--config", str(file), *options]


def on_this_machine(processes: int) -> tuple[str, ...]:
    return ("--standalone", f"--nproc-per-node={processes}")


def launch(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments, cwd=REPO, capture_output=True, text=True, timeout=400, check=False, env=environment()
    )


def environment(**more: str) -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(REPO), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path, **more}


def weights(run: Run) -> dict[str, torch.Tensor]:
    """The weights of the last step, and not of the best epoch."""
    return torch.load(run.last_checkpoint, weights_only=True)["state_dict"]


def assert_same_training(found: Run, expected: Run, *, rtol: float = 1e-5) -> None:
    """Check that two runs agree: losses and scores of every epoch, and the weights at the end.

    Sums are made in another order, and rounding grows from step to step: hundreds of them move a weight by
    a few hundred thousandths, the losses by less than a millionth.
    """
    rows, others = found.metrics(), expected.metrics()
    assert [row["step"] for row in rows] == [row["step"] for row in others]
    for row, other in zip(rows, others, strict=True):
        for name in ("train_loss", "validation_loss"):
            np.testing.assert_allclose(row[name], other[name], rtol=rtol, err_msg=f"{name} of {row['epoch']}")
        for name in ("validation_average_precision", "validation_roc_auc"):
            np.testing.assert_allclose(row[name], other[name], atol=1e-3, err_msg=name)
    mine, theirs = weights(found), weights(expected)
    assert mine.keys() == theirs.keys()
    moved = 0.0
    for name, value in theirs.items():
        if name.startswith("model."):
            torch.testing.assert_close(mine[name], value, rtol=rtol, atol=1e-4, msg=name)
            moved += float(value.float().abs().sum())
    assert moved > 0


@pytest.fixture(scope="module")
def alone(toy: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(toy, tmp_path_factory.mktemp("alone") / "run", MIX, CONFIG)[0]


@pytest.fixture(scope="module")
def long_alone(toy: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(toy, tmp_path_factory.mktemp("long") / "run", MIX, LONG)[0]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("processes", [2, 4])
def test_several_processes_train_what_one_does(
    toy: Catalog, tmp_path: Path, alone: Run, processes: int
) -> None:
    done = launch(command(tmp_path, toy, CONFIG, *on_this_machine(processes)))
    assert done.returncode == 0, done.stderr
    run = Run.open(tmp_path / "run")
    assert run.info["world_size"] == processes
    assert_same_training(run, alone)
    # One process speaks, and one writes: the files are those of a training in one, once each.
    assert done.stdout.count("epoch 1/3") == 1
    files = [sorted(str(file.relative_to(r.path)) for file in r.path.rglob("*")) for r in (run, alone)]
    assert files[0] == files[1]
    for split, size in (("validation", CONFIG.val_size), ("test", CONFIG.test_size)):
        found, expected = run.predictions().only(split), alone.predictions().only(split)
        assert found.index.tolist() == list(range(size))
        assert found.mix_id.tolist() == expected.mix_id.tolist()
        np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.long
def test_batch_norm_of_each_process_alone_trains_another_way(
    toy: Catalog, tmp_path: Path, alone: Run
) -> None:
    """The harm that ``sync_batch_norm`` is against; and the network without batch norm needs none of it."""
    config = replace(CONFIG, sync_batch_norm=False, epochs=1)
    done = launch(command(tmp_path, toy, config, *on_this_machine(2)))
    assert done.returncode == 0, done.stderr
    loss, expected = Run.open(tmp_path / "run").metrics()[0]["train_loss"], alone.metrics()[0]["train_loss"]
    assert abs(loss / expected - 1) > 1e-3
    plain_network = replace(config, model=replace(config.model, architecture="tests.small_networks:Plain"))
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    one = train(toy, tmp_path / "one" / "run", MIX, plain_network)[0]
    done = launch(command(tmp_path / "two", toy, plain_network, *on_this_machine(2)))
    assert done.returncode == 0, done.stderr
    assert_same_training(Run.open(tmp_path / "two" / "run"), one)


def start(arguments: list[str], log: Path, **more: str) -> subprocess.Popen[bytes]:
    """Start a training in a process group of its own, whose output goes into a file."""
    with log.open("wb") as file:
        return subprocess.Popen(
            arguments, cwd=REPO, env=environment(**more), stdout=file, stderr=file, start_new_session=True
        )


def stop_all(*launched: subprocess.Popen[bytes]) -> None:
    for process in launched:
        for pid in [*ranks(process.pid).values(), process.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        process.wait(30)


def ranks(launcher: int) -> dict[int, int]:
    """Return the processes that a ``torchrun`` has started, by their rank."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            variables = (folder / "environ").read_bytes().split(b"\0") if parent == launcher else []
        except OSError:
            continue
        found |= {int(v[5:]): int(folder.name) for v in variables if v.startswith(b"RANK=")}
    return found


def wait_until(true: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for something that a training does."""
    end = time.monotonic() + 300
    while not true():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.02)


def await_text(text: str, log: Path) -> None:
    end = time.monotonic() + 240
    while text not in log.read_text():
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.1)


def epochs_done(run: Path) -> int:
    file = run / "metrics.csv"
    return len(file.read_text().splitlines()) - 1 if file.is_file() else 0


@pytest.fixture
def launched() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Trainings that are ended with the test, however it ends."""
    found: list[subprocess.Popen[bytes]] = []
    yield found
    stop_all(*found)


needs_proc = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux's /proc")


@needs_proc
@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(
    ("number", "fewer"), [(signal.SIGKILL, 2), (signal.SIGSTOP, 1)], ids=["killed", "hangs"]
)
def test_a_lost_process_ends_the_job_and_fewer_go_on(
    toy: Catalog,
    tmp_path: Path,
    long_alone: Run,
    launched: list[subprocess.Popen[bytes]],
    number: signal.Signals,
    fewer: int,
) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    # One that is killed is noticed at once, whatever this says.
    config = replace(LONG, wait_s=600.0 if number == signal.SIGKILL else WAIT_S)
    job = start(command(tmp_path, toy, config, *on_this_machine(4)), log)
    launched.append(job)
    wait_until(lambda: epochs_done(run) >= 1, job, log)
    began = time.monotonic()
    os.kill(ranks(job.pid)[2], number)
    # A process that hangs is waited for, asked to end, and killed by torchrun half a minute later.
    assert job.wait(240) != 0
    seconds = time.monotonic() - began
    said = log.read_text()
    assert epochs_done(run) < LONG.epochs, "the training was over before it was disturbed"
    assert "[process-lost]" in said or "SIGKILL" in said, said
    assert seconds < (90 if number == signal.SIGKILL else 180)
    if number == signal.SIGSTOP:
        assert "train.wait_s=20" in said
        assert "--resume=true" in said
    before = epochs_done(run)
    again = launch(command(tmp_path, toy, LONG, *on_this_machine(fewer), resume="true"))
    assert again.returncode == 0, again.stderr
    assert before < LONG.epochs == epochs_done(run)
    assert_same_training(Run.open(run), long_alone)


class Hosts:
    """Two hosts on this machine: network namespaces with a cable between them."""

    def __init__(self) -> None:
        mark = os.getpid() % 10_000
        self.names = [f"mixlab{mark}{letter}" for letter in "ab"]
        self.ends = [f"mx{mark}{letter}" for letter in "ab"]
        self.addresses = ["10.213.7.1", "10.213.7.2"]

    def connect(self) -> str | None:
        """Set them up; return why they cannot be had on this machine."""
        steps = [f"netns add {name}" for name in self.names]
        steps += [f"link add {self.ends[0]} type veth peer name {self.ends[1]}"]
        for name, end, address in zip(self.names, self.ends, self.addresses, strict=True):
            steps += [
                f"link set {end} netns {name}",
                f"-n {name} addr add {address}/24 dev {end}",
                f"-n {name} link set {end} up",
                f"-n {name} link set lo up",
            ]
        for step in steps:
            try:
                subprocess.run(["ip", *step.split()], check=True, capture_output=True, text=True)
            except (OSError, subprocess.CalledProcessError) as error:
                return f"ip {step}: {getattr(error, 'stderr', '') or error}".strip()
        return None

    def cut(self) -> None:
        """Pull the cable."""
        subprocess.run(["ip", "-n", self.names[1], "link", "set", self.ends[1], "down"], check=True)

    def remove(self) -> None:
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)

    def launch(self, host: int, arguments: list[str]) -> list[str]:
        return ["ip", "netns", "exec", self.names[host], *arguments]

    def launcher(self, host: int) -> list[str]:
        """Options of ``torchrun``: two machines with a process each, which meet at the first."""
        return [
            *(
                "--nnodes=2",
                "--nproc-per-node=1",
                "--max-restarts=0",
                "--rdzv-backend=c10d",
                "--rdzv-id=mixlab",
            ),
            *(f"--rdzv-endpoint={self.addresses[0]}:29517", f"--local-addr={self.addresses[host]}"),
            # The host's name, by which torchrun would know it, leads out of the namespace.
            f"--rdzv-conf=is_host={1 - host}",
        ]


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    found = Hosts()
    why = found.connect()
    try:
        if why:
            pytest.skip(f"network namespaces cannot be had here (they need root, or CAP_NET_ADMIN): {why}")
        yield found
    finally:
        found.remove()


@needs_proc
@pytest.mark.slow
@pytest.mark.long
def test_hosts_train_together_and_a_cable_that_is_pulled_costs_no_result(
    toy: Catalog,
    tmp_path: Path,
    alone: Run,
    long_alone: Run,
    hosts: Hosts,
    launched: list[subprocess.Popen[bytes]],
) -> None:
    def both(folder: Path, config: TrainConfig) -> tuple[list[subprocess.Popen[bytes]], list[Path]]:
        folder.mkdir()
        logs = [folder / f"log{host}" for host in (0, 1)]
        jobs = []
        for host, log in enumerate(logs):
            arguments = hosts.launch(host, command(folder, toy, config, *hosts.launcher(host)))
            jobs.append(start(arguments, log, GLOO_SOCKET_IFNAME=hosts.ends[host]))
            launched.append(jobs[-1])
        return jobs, logs

    jobs, logs = both(tmp_path / "whole", CONFIG)
    assert [job.wait(300) for job in jobs] == [0, 0], [log.read_text() for log in logs]
    run = Run.open(tmp_path / "whole" / "run")
    assert run.info["world_size"] == 2
    assert_same_training(run, alone)

    jobs, logs = both(tmp_path / "cut", replace(LONG, wait_s=WAIT_S))
    path = tmp_path / "cut" / "run"
    wait_until(lambda: epochs_done(path) >= 1, jobs[0], logs[0])
    hosts.cut()
    # Each training says so and ends; torchrun, cut off from its store, may try for minutes to reach it.
    for log in logs:
        await_text("[process-lost]", log)
    stop_all(*jobs)
    assert epochs_done(path) < LONG.epochs, "the training was over before it was disturbed"
    again = launch(command(tmp_path / "cut", toy, LONG, *on_this_machine(1), resume="true"))
    assert again.returncode == 0, again.stderr
    assert_same_training(Run.open(path), long_alone)


NORMS = """
import sys, torch, torch.distributed as dist
from torch import nn
from mixlab.training.shared_batch_norm import SharedBatchNorms

def run(rank, size, file):
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=size)
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3), nn.Flatten(), nn.BatchNorm1d(60, momentum=None)
    )
    x = 5 + torch.randn(8, 2, 4, 5)
    weigh = torch.randn(8, 60)
    parts = SharedBatchNorms()
    mine = slice(rank * 8 // size, (rank + 1) * 8 // size)
    parts.apply(model)
    for _ in range(2):
        own = x[mine].clone().requires_grad_()
        out = model(own)
        (out * weigh[mine]).sum().backward()
    grads = [p.grad for p in model.parameters()]
    for grad in grads:
        dist.all_reduce(grad)
    parts.revert(model)
    assert type(model[1]) is nn.BatchNorm2d
    found = {"out": out.detach(), "x": own.grad, "grads": grads, "state": model.state_dict()}
    torch.save(found, f"{file}.{rank}")

if __name__ == "__main__":
    run(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
"""


@pytest.mark.slow
@pytest.mark.long
def test_shared_batch_norm_is_that_of_the_whole_batch(tmp_path: Path) -> None:
    (tmp_path / "norms.py").write_text(NORMS)
    file = tmp_path / "meet"
    arguments = [sys.executable, str(tmp_path / "norms.py")]
    jobs = [subprocess.Popen([*arguments, str(rank), "2", str(file)], env=environment()) for rank in (0, 1)]
    assert [job.wait(240) for job in jobs] == [0, 0]
    found = [torch.load(f"{file}.{rank}") for rank in (0, 1)]
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3), nn.Flatten(), nn.BatchNorm1d(60, momentum=None)
    )
    x, weigh = 5 + torch.randn(8, 2, 4, 5), torch.randn(8, 60)
    for _ in range(2):
        whole = x.clone().requires_grad_()
        out = model(whole)
        (out * weigh).sum().backward()
    close = {"rtol": 1e-4, "atol": 1e-4}
    assert whole.grad is not None
    torch.testing.assert_close(torch.cat([f["out"] for f in found]), out.detach(), **close)
    torch.testing.assert_close(torch.cat([f["x"] for f in found]), whole.grad, **close)
    for n, parameter in enumerate(model.parameters()):
        torch.testing.assert_close(found[0]["grads"][n], parameter.grad, **close)
    for name, value in model.state_dict().items():
        for f in found:
            torch.testing.assert_close(f["state"][name], value, **close)


class NormAndRectify(nn.BatchNorm2d):
    """As networks of others have it: a batch norm that does more."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input).relu()


def test_batch_norms_that_do_more_are_not_replaced() -> None:
    config = replace(CONFIG, sync_batch_norm=True)
    plain = nn.Sequential(nn.BatchNorm1d(3), nn.BatchNorm2d(3), nn.BatchNorm3d(3), nn.SyncBatchNorm(3))
    check_batch_norms(plain, config, World(0, 2, 2))
    more = nn.Sequential(plain, nn.Sequential(NormAndRectify(3)))
    mentions = ("1.0", "NormAndRectify", "train.sync_batch_norm=false", "2")
    with raises(ConfigError, code="conflicting-settings", mentions=mentions):
        check_batch_norms(more, config, World(0, 2, 2))
    check_batch_norms(more, config, World())
    check_batch_norms(more, replace(config, sync_batch_norm=False), World(0, 2, 2))


@pytest.mark.parametrize("loss", ["bce", "softmax"])
def test_parts_weighed_by_their_known_terms_have_the_loss_of_the_whole(loss: str) -> None:
    generator = torch.Generator().manual_seed(1)
    logits, targets = torch.randn(8, 3, generator=generator), torch.eye(3)[torch.arange(8) % 3]
    mask = torch.rand(8, 3, generator=generator) < 0.6
    function = {"bce": masked_bce_with_logits, "softmax": softmax_cross_entropy}[loss]
    parts = [function(logits[part], targets[part], mask[part]) for part in (slice(0, 6), slice(6, 8))]
    terms = [known_terms(mask[part], loss) for part in (slice(0, 6), slice(6, 8))]
    mean = sum(part * count for part, count in zip(parts, terms, strict=True)) / sum(terms)
    torch.testing.assert_close(mean, function(logits, targets, mask))
    assert terms[0] != 3 * terms[1], "an even share of known targets would show nothing"


def test_every_process_has_a_part_of_validation() -> None:
    for items in (4, 5, 7, 13, 1000):
        world = World(0, 4, 4)
        size = world.share_fixed(items, 32)
        last = [number for number in range(items) if number // size % 4 == 3]
        assert 1 <= size <= 8
        assert last
    with raises(ConfigError, code="conflicting-settings", mentions=("3", "4", "train.val_size")):
        World(0, 4, 4).share_fixed(3, 32)


def test_machines_with_other_numbers_of_processes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("TORCHELASTIC_RUN_ID", "x"),
        ("RANK", "0"),
        ("WORLD_SIZE", "3"),
        ("LOCAL_WORLD_SIZE", "2"),
    ):
        monkeypatch.setenv(name, value)
    with raises(ConfigError, code="processes-not-joined", mentions=("3", "2", "--nproc-per-node")):
        World.from_environment()
