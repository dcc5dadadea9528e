"""A run on clips in a real browser: its confusion matrix is drawn, and a clip is heard."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from mixlab import Catalog
from tests.browser.conftest import part, serve, settle
from tests.browser.test_runs import CHART
from tests.clip_run import write_clip_run
from tests.training.clips.tone_clips import make_tones

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(browser: "Browser", toy: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an explorer that was started beside a run on clips."""
    folder = tmp_path_factory.mktemp("served")
    write_clip_run(folder / "runs" / "clips", make_tones(folder / "tones", groups=12), noise=3.0)
    yield from serve(toy.path, folder)


@pytest.mark.parametrize("width", [400, 1280])
def test_the_confusion_matrix_is_drawn_with_all_its_rows(open_page: "OpenPage", width: int) -> None:
    page = open_page("run=runs/clips&look=Confusions", location="runs", width=width)
    part(page, "Confusions", checked=True).wait_for()
    chart = page.locator(CHART).first
    chart.wait_for()
    settle(page)
    box = chart.bounding_box()
    assert box
    assert min(box["width"], box["height"]) > 150
    page.get_by_text("accuracy", exact=True).first.wait_for()
    assert page.get_by_text("Thresholds", exact=True).count() == 0


def test_a_clip_is_heard_after_a_click(open_page: "OpenPage") -> None:
    page = open_page("run=runs/clips&look=Listen&class=low&kind=hits", location="runs")
    page.get_by_role("button", name=re.compile("Hear")).first.click()
    audio = page.locator("audio")
    audio.wait_for(state="attached")
    settle(page)
    audio.evaluate("a => a.play()")
    page.wait_for_function("a => a.currentTime > 0.2 && a.duration > 0.9", arg=audio.element_handle())
