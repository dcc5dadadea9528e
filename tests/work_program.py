"""A program in the place of mixlab's that carries a work out: ``work_program.py FOLDER STEPS``.

Its commands are ``say CODE``, which ends with a code at once, ``wait CODE``, which waits to be stopped, and
``fork CODE``, which waits with two workers, one forked and one started, and says the numbers of all three.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import time

from mixlab.utils.detached import Work, carry_out, parse_steps
from mixlab.utils.progress import tell_progress

PROGRAM = (sys.executable, __file__)


def command(arguments: list[str]) -> int:
    """Carry a command out."""
    print("carries out", *arguments, flush=True)
    what, code = arguments
    if what == "fork":
        worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,), daemon=True)
        worker.start()
        started = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        print("processes", os.getpid(), worker.pid, started.pid, flush=True)
        what = "wait"
    while what == "wait":
        tell_progress("waiting", 1, 4)
        time.sleep(0.05)
    return int(code)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # as mixlab's own program has it
    folder, steps = sys.argv[1:]
    sys.exit(carry_out(Work(folder), parse_steps(steps), command))
