"""The pages on runs in a real browser: they open, a mistake is heard, and its mix opens in Audition."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mixlab import Catalog
from mixlab.training.run import Run
from tests.browser.conftest import serve
from tests.scored_run import write_scored
from tests.studies.test_reports import INSIDE, made_up

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.browser

CHART = "[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg"
LISTEN = "run=runs/a&look=Listen&class=percussion&kind=hits"


@pytest.fixture(scope="module")
def folder(toy: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs and a study."""
    folder = tmp_path_factory.mktemp("served")
    first = write_scored(folder / "runs" / "a", toy)
    write_scored(folder / "runs" / "b", toy, noise=2.0, sampled=first.predictions())
    made_up("p_musical", toy, folder / "studies", INSIDE, fail=("p1-seed2",), grid=(0.0, 0.4, 1.0))
    return folder


@pytest.fixture(scope="module")
def address(browser: "Browser", toy: Catalog, folder: Path) -> Iterator[str]:
    """Address of an explorer that was started in that folder."""
    yield from serve(toy.path, folder)


@pytest.mark.parametrize(
    "look", ["Classes", "Listen", "Tree", "Confusions", "Learning curves", "Differences"]
)
def test_every_view_opens_and_draws(open_page: "OpenPage", look: str) -> None:
    page = open_page(f"run=runs/a&against=runs/b&look={look}", location="runs")
    page.get_by_role("tab", name=look, selected=True).wait_for()
    chart = page.locator(CHART).first
    chart.wait_for()
    box = chart.bounding_box()
    assert box
    assert min(box["width"], box["height"]) > 100
    assert page.locator("[data-testid=stAlert]").count() == 0


def test_a_mix_is_heard_after_a_click_and_never_before(open_page: "OpenPage") -> None:
    page = open_page(LISTEN, location="runs")
    hear = page.get_by_role("button", name=re.compile("Hear")).first
    hear.wait_for()
    assert page.locator("audio").count() == 0
    hear.click()
    audio = page.locator("audio")
    audio.wait_for(state="attached")
    assert audio.evaluate("a => a.paused && !a.autoplay")
    audio.evaluate("a => a.play()")
    page.wait_for_function("a => a.currentTime > 0.3 && a.duration > 1", arg=audio.element_handle())


def test_its_mix_opens_in_audition_and_its_sources_can_be_soloed(open_page: "OpenPage", folder: Path) -> None:
    page = open_page(LISTEN, location="runs")
    page.get_by_role("button", name=re.compile("Hear")).first.wait_for()
    page.get_by_role("link", name="Audition").nth(1).click()  # the first one is in the navigation
    page.locator(".player [data-lane=lane0]").wait_for()
    page.get_by_text("With the settings of the run").wait_for()
    shown = page.locator(".player").evaluate("root => root.player.header.id")
    scored = Run.open(folder / "runs" / "a").predictions().only("test").mix_recipes()
    index = re.search(r"index=(\d+)", page.url)
    assert [r.content_hash for r in scored if r.index == int(index[1] if index else 0)] == [shown]
    assert page.get_by_text("The link names").count() == 0
    solo = page.get_by_role("button", name=re.compile("^Solo ")).first
    solo.click()
    assert solo.get_attribute("aria-pressed") == "true"


def test_the_threshold_moves_by_keys_and_numbers_follow(open_page: "OpenPage") -> None:
    page = open_page("run=runs/a&thresholds=one+for+all&at=0.5", location="runs")
    value = page.locator("[data-testid=stMetricValue]").first
    value.wait_for()
    before = value.inner_text()
    page.locator("[data-testid=stSlider] input[type=range]").focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("() => location.search.includes('at=0.7')")
    page.wait_for_function(
        "old => document.querySelector('[data-testid=stMetricValue]').innerText !== old", arg=before
    )
    assert 0 <= float(value.inner_text()) <= 1


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_lies_beyond_the_edge(open_page: "OpenPage", width: int, dark: bool) -> None:
    for location, query in (("runs", "run=runs/a"), ("runs", LISTEN), ("p-musical", "")):
        page = open_page(query, location=location, width=width, dark=dark)
        page.locator(CHART).first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_sweep_is_drawn_and_names_what_is_missing(open_page: "OpenPage") -> None:
    page = open_page("study=studies/p_musical", location="p-musical")
    page.locator(CHART).first.wait_for()
    page.get_by_text("1 point is missing").wait_for()
    command = page.get_by_text("mixlab train --config").first
    command.wait_for()
    assert "plans" in command.inner_text()
