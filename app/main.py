"""The explorer's entry: choose a catalog, then a page."""

import sys
from pathlib import Path

import streamlit as st

# In a wheel the app lies among the package's data, where Python finds no package `app` by itself.
_ROOT = str(Path(__file__).resolve().parent.parent)
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)


def main() -> None:
    """Show the chosen page."""
    from app.data import find_place
    from app.views import audition, chooser, welcome

    icon = Path(__file__).resolve().with_name("icon.svg")
    st.set_page_config("mixlab", page_icon=str(icon), layout="wide")
    path = chooser.chosen_path()
    place = find_place(path)

    def home() -> None:
        if place is None:
            welcome.show(path)
        else:
            audition.show(place)

    pages = [
        st.Page(home, title="Audition", icon=":material/headphones:", url_path="audition", default=True),
    ]
    st.navigation(pages, position="top").run()


main()
