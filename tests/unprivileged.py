"""A user to whom permissions apply: the superuser, as whom containers run, may write anywhere."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65_534


@contextmanager
def unprivileged() -> Iterator[Path]:
    """Be nobody in particular within the block; yields an empty folder that this user owns."""
    folder = Path(tempfile.mkdtemp(prefix="mixlab-test-"))
    root = os.geteuid() == 0
    try:
        if root:
            os.chown(folder, NOBODY, NOBODY)
            os.setegid(NOBODY)
            os.seteuid(NOBODY)
        yield folder
    finally:
        if root:
            os.seteuid(0)
            os.setegid(0)
        for below in folder.rglob("*"):
            if below.is_dir() and not below.is_symlink():
                below.chmod(0o755)
        shutil.rmtree(folder)
