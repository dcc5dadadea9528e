"""A real ray cluster of several nodes on this machine, whose nodes tests add and take away by the line.

Run as a program it keeps the cluster: it reads ``add``, ``kill`` and ``kill NODE`` from its input and
answers each with a line. The head has no processor, so that all work is on nodes that can be lost.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import REPO

MARK = "NODES "


class Nodes:
    """The cluster as a test sees it.

    Attributes:
        environment: In which programs find the cluster.
    """

    def __init__(self, keeper: "subprocess.Popen[str]", environment: dict[str, str]) -> None:
        self.keeper, self.environment = keeper, environment
        self.environment["RAY_ADDRESS"] = self._answer()

    def _answer(self) -> str:
        assert self.keeper.stdout is not None
        for line in self.keeper.stdout:  # ray prints lines of its own among ours
            if line.startswith(MARK):
                return line.removeprefix(MARK).strip()
        raise AssertionError(f"the cluster ended with {self.keeper.wait()}")

    def ask(self, line: str) -> str:
        """Have the keeper do something, such as ``add``, and return what it says."""
        assert self.keeper.stdin is not None
        self.keeper.stdin.write(f"{line}\n")
        self.keeper.stdin.flush()
        return self._answer()

    def start(self, *arguments: str | Path) -> "subprocess.Popen[str]":
        """Start ``python ARGUMENTS`` as a program that uses the cluster; ray prints lines among its own."""
        # A shell ignores Ctrl-C for what it starts in the background, such as these tests.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return subprocess.Popen(
                [sys.executable, *map(str, arguments)],
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        finally:
            signal.signal(signal.SIGINT, before)


@contextmanager
def running_nodes(count: int) -> Iterator[Nodes]:
    """Keep a cluster of a head and so many nodes of one processor each while the block runs."""
    folder = tempfile.mkdtemp(prefix="ray")  # a socket's path must be short
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPO),
        "HOME": folder,
        "RAY_TMPDIR": folder,
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_agent_register_timeout_ms": "300000",
    }
    keeper = subprocess.Popen(
        [sys.executable, __file__, str(count)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
    )
    try:
        yield Nodes(keeper, environment)
    finally:
        keeper.communicate(timeout=120)  # the end of its input is the cluster's
        shutil.rmtree(folder, ignore_errors=True)


def be_patient() -> None:
    """Have ray wait longer than its 30 s for a node to start, which a busy machine may need.

    A node's helpers are started without what serves its pages, which no test looks at, and the node does not
    wait for them to say so.
    """
    from ray._private import services, utils
    from ray._raylet import (
        DASHBOARD_AGENT_LISTEN_PORT_NAME,
        METRICS_AGENT_PORT_NAME,
        METRICS_EXPORT_PORT_NAME,
        persist_port,
    )

    once, begin = services.get_node, services.start_raylet

    def get_node(*arguments: object) -> object:
        deadline = time.monotonic() + 240
        while True:
            try:
                return once(*arguments)
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def start_raylet(*arguments: object, **options: object) -> object:
        node, session = arguments[2], arguments[11]
        for name in (DASHBOARD_AGENT_LISTEN_PORT_NAME, METRICS_AGENT_PORT_NAME, METRICS_EXPORT_PORT_NAME):
            persist_port(session, node, name, -1)
        return begin(*arguments, **options)

    services.get_node, services.start_raylet = get_node, start_raylet
    utils.get_dashboard_dependency_error = lambda: ImportError("pages are not wanted here")


def own_port() -> dict[str, int]:
    """Return a free port for a node's helper: else it waits until that says which one it chose."""
    with socket.socket() as free:
        free.bind(("", 0))
        return {"runtime_env_agent_port": free.getsockname()[1]}


def keep(count: int) -> None:
    """Keep a cluster until the input ends."""
    from ray.cluster_utils import Cluster

    be_patient()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as what a script starts in the background has it
    cluster = Cluster()
    cluster.add_node(num_cpus=0, include_dashboard=False, no_monitor=True, **own_port())
    nodes = [cluster.add_node(num_cpus=1, **own_port()) for _ in range(count)]
    print(f"{MARK}{cluster.address}", flush=True)
    for line in sys.stdin:
        word, *names = line.split()
        if word == "add":
            nodes.append(cluster.add_node(num_cpus=1, **own_port()))
        elif word == "kill":
            lost = next(node for node in nodes if node.node_id in (names or [node.node_id]))
            nodes.remove(lost)
            cluster.remove_node(lost, allow_graceful=False)
        print(f"{MARK}{len(nodes)}", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    keep(int(sys.argv[1]))
