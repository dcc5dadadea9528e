"""The process of detached work, as ``mixlab.utils.detached`` starts it: it carries out commands of mixlab."""

import signal
import sys

from mixlab.cli.main import main as mixlab
from mixlab.utils.detached import Work, carry_out, parse_steps

__all__ = ["main"]


def main(folder: str, steps: str) -> int:
    """Carry the commands of a work out, and keep its state in its folder."""
    # What a script starts in the background ignores Ctrl-C, and so would all that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return carry_out(Work(folder), parse_steps(steps), mixlab)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
