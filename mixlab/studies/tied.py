"""Run a program that ends with the process that started it, however that ends: ``tied.py PARENT PROGRAM``.

A training must not go on alone when the worker of its cluster is gone: it is begun again on another machine,
and two would write one run. Linux knows how to say so; elsewhere the program runs as any other. This file is
run by its path, and imports nothing of mixlab, so that it takes no time.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Take the parent's number and the program from the command line, and become that program."""
    parent, program = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # Ray's workers block Ctrl-C, and what a script starts in the background ignores it: both are inherited.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    if os.getppid() != parent:  # gone before it could be asked for
        sys.exit(1)
    os.execv(program[0], program)


if __name__ == "__main__":
    main()
