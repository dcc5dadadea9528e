"""A folder is indexed from the page of a real browser, which is closed meanwhile."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mixlab import Catalog
from mixlab.audio.io import write_wav
from tests.browser.conftest import PATIENCE_S, serve, settle

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.browser

RATE = 8000
STEMS = {"piano": 330.0, "violyn": 660.0, "zzqqkk": 82.0}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with recordings of six songs, and no catalog."""
    folder = tmp_path / "served"
    folder.mkdir()
    times = np.arange(6 * RATE) / RATE
    for song in range(6):
        below = folder / "recordings" / f"Artist {song} - Song {song}"
        below.mkdir(parents=True)
        for stem, hertz in STEMS.items():
            tone = 0.2 * np.sin(2 * np.pi * (hertz + 10 * song) * times)
            write_wav(below / f"{stem}.wav", tone[None].astype("f4"), RATE)
    return folder


@pytest.fixture
def address(browser: "Browser", folder: Path) -> Iterator[str]:
    """Address of an explorer that was started in that folder."""
    yield from serve(folder / "my-catalog", folder)


def test_a_folder_is_indexed_while_the_page_is_closed(open_page: "OpenPage", folder: Path) -> None:
    page = open_page()
    page.get_by_role("heading", name="Welcome to mixlab").wait_for()
    settle(page)
    field = page.get_by_role("textbox", name="Folder of recordings")
    field.fill(str(folder / "recordings"))
    field.press("Enter")
    page.get_by_role("button", name="Check its labels").click()
    page.get_by_text("2 unknown").wait_for()
    page.get_by_text("violyn (6 stems)").wait_for()
    page.screenshot(path=folder / "checked.png", full_page=True)
    settle(page)
    page.get_by_role("button", name="Index", exact=True).click()
    page.get_by_text("Index /").first.wait_for()
    page.screenshot(path=folder / "started.png")
    page.context.close()
    again = open_page()
    again.locator(".player [data-lane=lane0]").wait_for(
        timeout=10 * PATIENCE_S * 1000
    )  # it was opened as soon as it was there
    catalog = Catalog.open(folder / "my-catalog")
    assert set(zip(catalog.column("stem"), map(tuple, catalog.column("nodes")), strict=True)) == {
        ("piano", ("piano",)),
        ("violyn", ("violin",)),
        ("zzqqkk", ()),
    }
