"""Kill mixlab at random moments, some hundred times, and see that nothing is lost.

    make harm                                     # everything, about half an hour on two cores
    make harm ARGS="--only index pack --cases 20" # of some jobs
    make harm ARGS="--seconds 60"                 # what a minute allows

A case is one ``kill -9`` that hit. Each job is killed in chains: started, killed at a random moment, started
again by the same command, ... and then left alone; what it has made must be what it makes when nobody
disturbs it, byte for byte. Works on Linux alone.
"""

# Workers of the jobs import this module again, so that it must cost them nothing.
import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "harm.md"


def main() -> int:
    """Read the options, kill, and write the table; 1 if anything was lost."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="tests.harm"
    )
    parser.add_argument("--only", nargs="+", metavar="JOB", help="jobs to kill; --list shows them")
    parser.add_argument("--list", action="store_true", help="list the jobs and end")
    parser.add_argument(
        "--cases",
        type=int,
        default=40,
        help="kills of each job, a quarter of long ones (default: %(default)s)",
    )
    parser.add_argument(
        "--pairs", type=int, help="kills of one of two processes at once, of each job; by default a quarter"
    )
    parser.add_argument(
        "--fresh", type=int, help="kills of newly started interpreters, of each job; by default a tenth"
    )
    parser.add_argument("--seconds", type=float, default=3600.0, help="time limit of all (default: one hour)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: %(default)s)")
    parser.add_argument(
        "--out", type=Path, help=f"file of the table; by default only a whole run writes {RESULTS}"
    )
    parser.add_argument(
        "--keep", type=Path, help="folder for what failed chains leave; by default a temporary one"
    )
    options = parser.parse_args()
    if not sys.platform.startswith("linux"):
        parser.error("needs /proc, which is Linux's")
    from tests.harm.campaign import carry_out

    return carry_out(options, RESULTS, parser.error)


if __name__ == "__main__":
    sys.exit(main())
