"""The explorer's entry: choose a catalog, then a page."""

import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import streamlit as st

# In a wheel the app lies among the package's data, where Python finds no package `app` by itself.
_ROOT = str(Path(__file__).resolve().parent.parent)
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)


class Entry(NamedTuple):
    """A page: its module in ``app.views``, whose ``show(place)`` draws it, and how it is found.

    Without a catalog, a page that needs one is replaced by the welcome; the others get None.
    """

    view: str
    title: str
    icon: str
    needs_catalog: bool = True

    @property
    def address(self) -> str:
        """What stands for the page in addresses."""
        return self.view.replace("_", "-")


# The first one is the home page.
ENTRIES = (
    Entry("audition", "Audition", ":material/headphones:"),
    Entry("stream", "Stream", ":material/queue_music:"),
    Entry("corpus", "Corpus", ":material/library_music:"),
    Entry("runs", "Runs", ":material/query_stats:", needs_catalog=False),
    Entry("compare", "Compare runs", ":material/compare_arrows:", needs_catalog=False),
    Entry("p_musical", "p_musical", ":material/tune:", needs_catalog=False),
    Entry("tag", "Tag a file", ":material/label:", needs_catalog=False),
    Entry("index_folder", "New catalog", ":material/library_add:", needs_catalog=False),
)


def show(entry: Entry) -> None:
    """Show a page; only now is its module loaded, with what it needs."""
    from app.components.mount import join_steps
    from app.data.mixes import find_location
    from app.views import chooser, header, welcome

    join_steps()
    path = chooser.chosen_path()
    location = find_location(path)
    unfit = location is None and entry.needs_catalog
    header.show(location, entry.title, with_chooser=not unfit)
    if unfit:
        welcome.show(path)
    else:
        import_module(f"app.views.{entry.view}").show(location)


def main() -> None:
    """Show the chosen page."""
    icon = Path(__file__).resolve().with_name("icon.svg")
    st.set_page_config("mixlab", page_icon=str(icon), layout="wide")
    pages = [
        st.Page(partial(show, entry), title=entry.title, icon=entry.icon, url_path=entry.address,
                default=entry is ENTRIES[0])
        for entry in ENTRIES
    ]  # fmt: skip
    st.navigation(pages, position="top").run()


main()
