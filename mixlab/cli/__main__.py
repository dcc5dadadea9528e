"""Run the command line: ``python -m mixlab.cli COMMAND ...``."""

import sys

from mixlab.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
