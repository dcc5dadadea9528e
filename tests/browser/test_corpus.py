"""The Corpus page in a real browser: it opens without errors, and a stem that is chosen plays."""

import re
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import part, settle, wait_for_address

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page, WebSocketRoute

    from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.browser

TABS = ("Classes", "Tree", "Distributions", "Stems", "Problems", "Leakage")
FIRST_LINE = {"x": 18, "y": 52}
"""Where the box of a table's first line is, in pixels from the table's corner."""


def opened(page: "Page") -> "Page":
    page.get_by_text("This page answers on this machine only").wait_for()
    return page


def choose_first(page: "Page") -> "Locator":
    """Choose the first stem of the list, and return the player that appears."""
    table = page.get_by_test_id("stDataFrame").first
    table.locator("canvas").first.wait_for()
    settle(page)
    table.click(position=FIRST_LINE)
    player = page.get_by_test_id("stAudio")
    player.wait_for()
    return player


def test_a_stem_that_is_chosen_plays_beside_its_curve(open_page: "OpenPage") -> None:
    page = opened(open_page("show=Stems", location="corpus"))
    assert page.get_by_test_id("stAudio").count() == 0
    player = choose_first(page)
    page.get_by_test_id("stVegaLiteChart").locator("canvas, svg").first.wait_for()
    wait_for_address(page, "stem=folder")
    settle(page)
    assert player.evaluate("audio => audio.paused")
    player.evaluate("async audio => { audio.muted = true; await audio.play(); }")
    page.wait_for_function("audio => audio.currentTime > 0.3", arg=player.element_handle())


def test_an_address_reopens_the_stem_and_the_filters(open_page: "OpenPage") -> None:
    page = opened(open_page("show=Stems&splits=train&sort=loudness", location="corpus"))
    choose_first(page)
    wait_for_address(page, "stem=")
    settle(page)
    fresh = opened(open_page(page.url))
    fresh.get_by_test_id("stAudio").wait_for()
    settle(fresh)
    name = "[data-testid=stAudio]"
    assert fresh.locator(name).get_attribute("aria-label") == page.locator(name).get_attribute("aria-label")
    for word in ("show=Stems", "splits=train", "sort=loudness", "stem="):
        assert word in fresh.url


def test_pages_follow_each_other_without_errors(open_page: "OpenPage") -> None:
    page = opened(open_page(location="corpus"))
    for tab in TABS:
        part(page, tab).click()
        part(page, tab, checked=True).wait_for()
    settle(page)
    page.get_by_role("link", name="Audition").click()
    page.locator(".player [data-lane=lane0]").wait_for()
    settle(page)
    assert "corpora=" not in page.url
    page.get_by_role("link", name="Corpus").click()
    page.wait_for_function("() => location.pathname === '/corpus'")
    settle(opened(page))
    names = [re.sub(r"\s+", " ", link.inner_text()) for link in page.get_by_test_id("stTopNavLink").all()]
    assert [name.split()[-1] for name in names] == [
        "Audition",
        "Stream",
        "Corpus",
        "Runs",
        "runs",
        "p_musical",
        "file",
        "catalog",
    ]


def test_an_answer_that_is_late_does_not_undo_a_later_click(browser: "Browser", address: str) -> None:
    page = browser.new_page()
    page.set_default_timeout(60_000)
    held: list[str | bytes] = []
    routes: list[WebSocketRoute] = []
    slow = False

    def connect(route: "WebSocketRoute") -> None:
        server = route.connect_to_server()
        route.on_message(server.send)
        server.on_message(lambda message: held.append(message) if slow else route.send(message))
        routes.append(route)

    page.route_web_socket("**/_stcore/stream", connect)
    page.goto(f"{address}/corpus")
    settle(opened(page))
    slow = True
    part(page, "Tree").click()
    for _ in range(30):  # until the server has answered, and the answer is under way
        known = len(held)
        page.wait_for_timeout(2000)
        if known == len(held) > 0:
            break
    assert held
    first, held = held, []
    part(page, "Stems").click()
    for message in first:
        routes[-1].send(message)
    page.wait_for_timeout(1000)
    assert part(page, "Stems", checked=True).count() == 1
    while held:  # while one is sent, another may come
        routes[-1].send(held.pop(0))
    slow = False
    page.get_by_test_id("stDataFrame").first.wait_for()
    settle(page)
    assert part(page, "Stems", checked=True).count() == 1
    assert "show=Stems" in page.url
    page.close()


def test_a_cell_a_bar_and_a_badge_open_what_they_count_and_back_returns(open_page: "OpenPage") -> None:
    page = opened(open_page("across=split&sorted_by=as+in+the+label+set", location="corpus"))
    chart = page.get_by_test_id("stVegaLiteChart").locator("canvas, svg").first
    chart.wait_for()
    settle(page)
    box = chart.bounding_box()
    assert box
    chart.click(position={"x": 0.2 * box["width"], "y": 45})  # the first class on train
    part(page, "Stems", checked=True).wait_for()
    wait_for_address(page, "splits=train", "instrument=")
    settle(page)
    page.go_back()
    part(page, "Classes", checked=True).wait_for()
    page.wait_for_function("() => !location.search.includes('splits=') && location.search.includes('split')")
    settle(page)
    page.get_by_role("button", name=re.compile("leak")).click()
    part(page, "Leakage", checked=True).wait_for()
    settle(page)
    page.go_back()
    part(page, "Classes", checked=True).wait_for()
    settle(page)
    part(page, "Distributions").click()
    bars = page.get_by_test_id("stVegaLiteChart").nth(2).locator("canvas, svg").first
    bars.wait_for()
    settle(page)
    box = bars.bounding_box()
    assert box
    bars.click(position={"x": 0.55 * box["width"], "y": 0.5 * box["height"]})  # most stems are that loud
    page.get_by_text("as clicked under Distributions").wait_for()
    part(page, "Stems", checked=True).wait_for()


@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_lies_beyond_the_edge(open_page: "OpenPage", width: int) -> None:
    page = opened(open_page(location="corpus", width=width, dark=width == 400))
    for tab in TABS:
        part(page, tab).click()
        part(page, tab, checked=True).wait_for()
        settle(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= width
