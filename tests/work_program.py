"""A program in the place of mixlab's that carries a work out: ``work_program.py FOLDER STEPS``.

Its commands are ``say CODE``, which ends with a code at once, and ``wait CODE``, which waits to be stopped.
"""

import signal
import sys
import time

from mixlab.utils.detached import Work, carry_out, parse_steps
from mixlab.utils.progress import tell_progress

PROGRAM = (sys.executable, __file__)


def command(arguments: list[str]) -> int:
    """Carry a command out."""
    print("carries out", *arguments, flush=True)
    what, code = arguments
    while what == "wait":
        tell_progress("waiting", 1, 4)
        time.sleep(0.05)
    return int(code)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # as mixlab's own program has it
    folder, steps = sys.argv[1:]
    sys.exit(carry_out(Work(folder), parse_steps(steps), command))
