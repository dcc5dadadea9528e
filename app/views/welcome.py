"""What is shown while there is no catalog or no run: what to type, or one click to the demo."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import streamlit as st

from app import texts as words
from app.data import mixes as data
from app.data.mixes import Location
from app.views import chooser, runs_locations

__all__ = ["DEMO", "offer_catalog", "offer_run", "show"]

DEMO = Path("demo-output")
NO_CATALOG = """\
There is no catalog at `{path}`. To make one of your own corpora, type

```sh
mixlab index my-catalog --root medleydb=FOLDER     # see: mixlab index --help
```

and write its folder into the field below. Or try mixlab on demo corpora first: songs that are
composed and played on this machine, in the layouts of MedleyDB, Mixing Secrets and Slakh2100."""
NO_RUN = """\
There is no trained run in {folders}. To train one on your own catalog, type

```sh
mixlab train --catalog {catalog} --out {out}     # see: mixlab train --help
```

Runs that lie elsewhere are opened under Folders. Or train a small one on demo corpora first: songs that
are composed and played on this machine. Its scores show that the steps work, and nothing about real music."""
COST = "Takes a few minutes and about 0.5 GB, downloads nothing, and can be stopped and started again."
RUN_COST = "Takes 5 to 10 minutes and about 0.5 GB, downloads nothing, and can be stopped and started again."
SCRIPT = Path(__file__).resolve().parent.parent / "make_demo.py"
# Shares of the bar for corpora, catalog, validation mixes, epochs.
_STEPS = {False: (0.9, 0.92, 0.92, 0.92), True: (0.45, 0.46, 0.5, 0.95)}


def show(path: str) -> None:
    """Show the page that stands for every page that needs a catalog.

    Args:
        path: Where a catalog was looked for.
    """
    st.markdown("## Welcome to mixlab")
    st.markdown(NO_CATALOG.format(path=path.replace("`", "'")))
    chooser.show()
    offer_catalog()


def offer_catalog() -> None:
    """Offer the demo corpora and their catalog in one click."""
    _offer("Make the demo corpora", COST, with_run=False)


def offer_run(location: Location | None) -> None:
    """Say what to type for a run, and offer a small one in one click.

    Args:
        location: The open catalog, or None.
    """
    looked = [folder.replace("`", "'") for folder, _ in runs_locations.locations(location)]
    folders = ", ".join(f"`{folder}`" for folder in looked) or f"any of the usual places below `{Path.cwd()}`"
    catalog = (location.path if location else "my-catalog").replace("`", "'")
    st.markdown(NO_RUN.format(folders=folders, catalog=catalog, out=Path.cwd() / "runs" / "first"))
    _offer("Make the demo corpora and train a small run", RUN_COST, with_run=True)


def _offer(name: str, cost: str, *, with_run: bool) -> None:
    clicked = st.button(name, type="primary", icon=":material/piano:")
    st.caption(f"They go to `{DEMO.resolve()}`, as `make demo` puts them. {cost}")
    if clicked:
        _make(DEMO.resolve(), with_run=with_run)


def _make(out: Path, *, with_run: bool) -> None:
    bar = st.progress(0.0, "Starting …")
    corpora, catalog, mixes, trained = _STEPS[with_run]
    for line in _run(out, with_run):
        word, _, rest = line.partition(" ")
        if word == "made":
            done, total = map(int, rest.split())
            bar.progress(corpora * done / total, f"Songs and clips: {done} of {total}")
        elif word == "index":
            bar.progress(catalog, "Reading every stem once: levels, silences, problems …")
        elif word == "mixing":
            bar.progress(mixes, "Mixing for the training …")
        elif word == "epoch":
            done, total = map(int, rest.split())
            bar.progress(mixes + (trained - mixes) * done / total, f"Training: {done} of {total} epochs done")
        elif word == "score":
            bar.progress(trained, "Scoring on validation and test mixes …")
        elif word == "error":
            st.error(f"The demo could not be made. {words.escape(rest)}")
            return
        elif word == "done":
            st.cache_data.clear()  # what was found in folders before
            if data.find_location(chooser.chosen_path()) is None:
                chooser.forget()
            st.session_state.pop(runs_locations.KEY, None)  # back to the usual places, where the run is now
            st.rerun()
    st.error("Making the demo ended early. Type `mixlab demo` in a terminal to see why.")


def _run(out: Path, with_run: bool) -> Iterator[str]:
    """Yield the lines of the process; it ends with the session that started it."""
    command = [sys.executable, str(SCRIPT), str(out), *(["--run"] if with_run else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield from (line.strip() for line in process.stdout or ())
        finally:
            process.terminate()
