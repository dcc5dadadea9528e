"""A study is started from the page of a real browser, and goes on while that is closed."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mixlab import Catalog
from mixlab.training.run import Run
from mixlab.utils.plain import plain
from tests.browser.conftest import PATIENCE_S, choose_option, serve, settle
from tests.studies.test_reports import INSIDE, made_up
from tests.tiny_sweep import MIX, TRAIN

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.browser

CHART = "[data-testid=stVegaLiteChart]"
LONG_MS = 8 * PATIENCE_S * 1000


@pytest.fixture
def folder(toy: Catalog, tmp_path: Path) -> Path:
    """A folder with a run whose settings train in seconds, and a study that is done but for one run."""
    folder = tmp_path / "served"
    folder.mkdir()
    config = {"catalog": str(toy.path), "mix": plain(MIX), "train": plain(TRAIN)}
    made_up("p_musical", toy, folder / "sweeps", INSIDE, fail=("p1-seed2",), grid=(0.0, 0.4, 1.0))
    Run.create(folder / "runs" / "tiny", config, {"seed": 0}).write_metrics({"epoch": 1, "seconds": 2.0})
    return folder


@pytest.fixture
def address(browser: "Browser", toy: Catalog, folder: Path) -> Iterator[str]:
    """Address of an explorer that was started in that folder."""
    yield from serve(toy.path, folder)


def fill(page: "Page", name: str, text: str) -> None:
    """Write into a field as a user does."""
    settle(page)
    field = page.get_by_role("textbox", name=name)
    field.fill(text)
    field.press("Enter")


def test_a_study_goes_on_while_the_page_is_closed(open_page: "OpenPage", folder: Path) -> None:
    page = open_page("new_study=true", location="p-musical")
    page.get_by_role("heading", name="New study of p_musical").wait_for(timeout=LONG_MS)
    settle(page)
    size = page.get_by_role("combobox", name="Size")
    choose_option(size, page.get_by_role("option", name="as the run runs/tiny"))
    page.get_by_text("an epoch of 16 mixes").wait_for(timeout=LONG_MS)
    fill(page, "Values of p_musical", "0,1")
    page.get_by_text("6 runs, about").wait_for()
    fill(page, "Seeds", "0")
    page.get_by_text("2 runs, about").wait_for()
    page.screenshot(path=folder / "form.png")
    settle(page)
    page.get_by_role("button", name="Start the study").click()
    page.get_by_text("goes on when this page is left or closed").wait_for(timeout=LONG_MS)
    page.context.close()

    page = open_page(location="p-musical")
    page.get_by_text("2 runs: 2 done").wait_for(timeout=LONG_MS)
    page.get_by_text("nobody is at work on it").wait_for(timeout=LONG_MS)
    page.locator(f"{CHART} canvas, {CHART} svg").first.wait_for()
    page.screenshot(path=folder / "done.png", full_page=True)
    assert sorted(path.name for path in (folder / "studies" / "p_musical" / "runs").iterdir()) == [
        "p0-seed0",
        "p1-seed0",
    ]
