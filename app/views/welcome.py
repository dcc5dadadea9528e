"""What is shown while there is no catalog: what to type, or one click to the demo corpora."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import streamlit as st

from app.views import chooser

__all__ = ["DEMO", "show"]

DEMO = Path("demo-output")
NO_CATALOG = """\
There is no catalog at `{path}`. To make one of your own corpora, type

```sh
mixlab index my-catalog --root medleydb=FOLDER     # see: mixlab index --help
```

and write its folder into the field below. Or try mixlab on demo corpora first: songs that are
composed and played on this machine, in the layouts of MedleyDB, Mixing Secrets and Slakh2100."""
COST = "Takes a few minutes and about 0.5 GB, downloads nothing, and can be stopped and started again."
SCRIPT = Path(__file__).resolve().parent.parent / "make_demo.py"


def show(path: str) -> None:
    """Show the page.

    Args:
        path: Where a catalog was looked for.
    """
    st.title("Welcome to mixlab")
    st.markdown(NO_CATALOG.format(path=path.replace("`", "'")))
    chooser.show()
    clicked = st.button("Make the demo corpora", type="primary", icon=":material/piano:")
    st.caption(f"They go to `{DEMO.resolve()}`, as `make demo` puts them. {COST}")
    if clicked:
        _make(DEMO.resolve())


def _make(out: Path) -> None:
    bar = st.progress(0.0, "Starting …")
    for line in _run(out):
        word, _, rest = line.partition(" ")
        if word == "made":
            done, total = map(int, rest.split())
            bar.progress(0.9 * done / total, f"Songs and clips: {done} of {total}")
        elif word == "index":
            bar.progress(0.92, "Reading every stem once: levels, silences, problems …")
        elif word == "error":
            st.error(f"The demo corpora could not be made. {rest}")
            return
        elif word == "done":
            chooser.forget()
            st.rerun()
    st.error("Making the demo corpora ended early. Type `mixlab demo` in a terminal to see why.")


def _run(out: Path) -> Iterator[str]:
    """Yield the lines of the process; it ends with the session that started it."""
    command = [sys.executable, str(SCRIPT), str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield from (line.strip() for line in process.stdout or ())
        finally:
            process.terminate()
