"""The Stream page in a real browser: mixes play in place, p_musical moves what training sees, rows open."""

import re
from typing import TYPE_CHECKING

import pytest

from mixlab import Catalog, MixConfig, sample_recipe
from tests.browser.conftest import part, settle, wait_for_address
from tests.browser.test_audition import drag_p, mix_hash, player

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.browser

SOUNDS = "root => ({ playing: root.mixes.playing, state: root.mixes.context?.state ?? null })"


def kinds(page: "Page") -> dict[int, str]:
    page.locator(".mixes tbody tr").first.wait_for()
    pairs = page.locator(".mixes tbody tr").evaluate_all(
        "all => all.map(r => [r.dataset.index, r.dataset.kind])"
    )
    return {int(index): kind for index, kind in pairs}


def musical(page: "Page") -> str:
    text = page.get_by_text(re.compile(r"Training: \d+ %")).first
    text.wait_for()
    return text.inner_text()


def test_mixes_play_in_place_and_only_when_asked(open_page: "OpenPage") -> None:
    page = open_page("seed=5", location="stream")
    assert list(kinds(page)) == list(range(24))
    settle(page)
    root = page.locator(".mixes")
    assert root.evaluate(SOUNDS) == {"playing": None, "state": None}
    # Ticked first: on a slow machine a mix may be over before the next click.
    page.get_by_text("play one after another").click()
    page.get_by_role("button", name="Play mix 3").click()
    page.locator(".mixes tr[data-index='3'][data-state=playing]").wait_for()
    assert root.evaluate(SOUNDS)["state"] == "running"
    page.locator(".mixes tr[data-index='4'][data-state=playing]").wait_for()
    page.get_by_role("button", name="Stop mix").click()
    assert root.evaluate(SOUNDS)["playing"] is None
    page.get_by_role("button", name="Play mix 4").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.locator(".mixes tr[data-index='5'][data-state=playing]").wait_for()


def test_moving_p_musical_shows_what_training_will_see(open_page: "OpenPage", toy: Catalog) -> None:
    page = open_page("seed=5&p=0.4", location="stream")
    before, said = kinds(page), musical(page)
    drag_p(page, 0.4, 0.9)
    wait_for_address(page, "p=0.9")
    page.get_by_text(said).wait_for(state="detached")
    settle(page)
    after = kinds(page)
    one, more = ({index for index, kind in found.items() if kind == "musical"} for found in (before, after))
    assert one < more
    for look in ("Together", "Polyphony", "Classes"):
        part(page, look).click()
        part(page, look, checked=True).wait_for()
        settle(page)
        page.locator(
            "[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg"
        ).first.wait_for()
    page.get_by_role("button", name="Open mix 7 in Audition").click()
    player(page)
    wait_for_address(page, "p=")
    p = float(re.findall(r"p=([\d.]+)", page.url)[0])
    assert mix_hash(page) == sample_recipe(toy, MixConfig(p_musical=p), 5, 0, 7).content_hash


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_lies_beyond_the_edge(open_page: "OpenPage", width: int, dark: bool) -> None:
    page = open_page(location="stream", width=width, dark=dark)
    kinds(page)
    musical(page)
    settle(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".mixes").evaluate("root => root.scrollWidth <= root.clientWidth")
