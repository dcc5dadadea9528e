"""Run Python in a process of its own that may start a ray cluster on this machine, which ends with it."""

import os
import shutil
import subprocess
import sys
import tempfile

from tests.conftest import REPO


def run_with_ray(*arguments: str) -> str:
    """Return what ``python ARGUMENTS`` prints; ray keeps its files where a socket's path is short enough."""
    folder = tempfile.mkdtemp(prefix="ray")
    given = {
        "PYTHONPATH": str(REPO),
        "HOME": folder,
        "RAY_TMPDIR": folder,
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    try:
        done = subprocess.run(
            [sys.executable, *arguments],
            env={**os.environ, **given},
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
