"""Make the demo corpora and their catalog in a process of its own; says how far it is, line by line.

A process, because worker processes that a Streamlit session starts would import the page as their
main module, and because it goes on where it was when it is started again.
"""

import sys
from pathlib import Path

from mixlab import MixlabError, build_catalog
from mixlab.demo import DEFAULT_SONGS, make_demo_corpora

MULTITRACKS = ("medleydb", "mixing_secrets", "slakh")


def main(out: Path, songs: int = DEFAULT_SONGS) -> int:
    """Write ``out/corpora`` and ``out/catalog`` as ``mixlab demo`` does."""

    def report(done: int, total: int) -> None:
        print("made", done, total, flush=True)

    try:
        made = make_demo_corpora(out / "corpora", songs=songs, progress=report)
        print("index", flush=True)
        roots = {name: made.roots[name] for name in MULTITRACKS}
        build_catalog(out / "catalog", roots, progress=False)
    except MixlabError as error:
        print("error", error, flush=True)
        return 1
    print("done", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *(int(text) for text in sys.argv[2:3])))
