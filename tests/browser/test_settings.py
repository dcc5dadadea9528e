"""The drawer of settings in a real browser: change one, hear the same index before and after, pass it on."""

import re
from typing import TYPE_CHECKING

import pytest

from mixlab import Catalog, MixConfig, sample_recipe
from tests.browser.test_audition import mix_hash, player, playing, wait_for_another

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.browser

LEVEL = """async (root) => {
  let top = 0;
  const end = performance.now() + 900;
  while (performance.now() < end) {
    await new Promise((resolve) => requestAnimationFrame(resolve));
    top = Math.max(top, root.player.levels?.master ?? 0);
  }
  return top;
}"""


def find(page: "Page", words: str) -> None:
    """Open the drawer, unless it is, and search it."""
    box = page.get_by_label("Find a setting")
    if not box.count():
        page.get_by_role("button", name=re.compile("^Settings")).click()
    box.fill(words)
    box.press("Enter")


def type_into(page: "Page", role: str, name: str, value: str) -> None:
    field = page.get_by_role(role, name=re.compile(f"^{re.escape(name)}"))  # type: ignore[arg-type]
    field.fill(value)
    field.press("Enter")


def test_a_setting_is_changed_heard_before_and_after_and_passed_on(
    open_page: "OpenPage", toy: Catalog
) -> None:
    page = open_page("seed=4&index=2")
    root = playing(page)
    before = mix_hash(page)
    find(page, "effects.gain")
    type_into(page, "spinbutton", "effects.gain.p", "1")
    wait_for_another(page, before)
    first = mix_hash(page)
    type_into(page, "textbox", "effects.gain.db", "-40, -40")
    wait_for_another(page, first)
    config = MixConfig(effects={"gain": {"p": 1.0, "db": (-40.0, -40.0)}})  # type: ignore[arg-type]
    assert mix_hash(page) == sample_recipe(toy, config, 4, 0, 2).content_hash
    assert root.evaluate("root => root.player.playing") is True, "it plays on while settings change"
    page.get_by_text("match loudness").click()  # off: the change is one of level
    soft = root.evaluate(LEVEL)
    page.get_by_role("button", name="Before", exact=True).click()
    assert root.evaluate(LEVEL) > 5 * soft

    # A bad value is refused beside its field, and the page goes on.
    good = mix_hash(page)
    type_into(page, "spinbutton", "effects.gain.p", "7")
    sidebar = page.get_by_test_id("stSidebar")
    sidebar.get_by_text("must be a probability from 0 to 1, found 7").wait_for()
    assert mix_hash(page) == good
    type_into(page, "spinbutton", "effects.gain.p", "1")
    sidebar.get_by_text("must be a probability").wait_for(state="detached")

    page.get_by_role("button", name="Copy link").click()
    page.get_by_text("Copied").wait_for()
    fresh = open_page(page.evaluate("navigator.clipboard.readText()"))
    player(fresh)
    assert mix_hash(fresh) == good
    find(fresh, "effects.gain.db")
    fresh.get_by_role("textbox", name=re.compile("^effects.gain.db")).wait_for()
    assert fresh.get_by_role("textbox", name=re.compile("^effects.gain.db")).input_value() == "-40, -40"


def test_a_yaml_is_opened_and_python_is_copied(open_page: "OpenPage", toy: Catalog) -> None:
    page = open_page("index=1")
    player(page)
    before = mix_hash(page)
    page.get_by_role("button", name=re.compile("^Settings")).click()
    page.get_by_text("Open a YAML or a run").click()
    chooser = page.locator("[data-testid=stFileUploader] input[type=file]")
    chooser.set_input_files(
        {"name": "mix.yaml", "mimeType": "application/yaml", "buffer": b"mix:\n  min_sources: 5\n"}
    )
    wait_for_another(page, before)
    assert mix_hash(page) == sample_recipe(toy, MixConfig(min_sources=5), 0, 0, 1).content_hash
    page.get_by_text("Copy YAML or Python").click()
    sidebar = page.get_by_test_id("stSidebar")
    sidebar.get_by_text("min_sources: 5").wait_for()
    sidebar.get_by_text("MixConfig.from_dict").wait_for()
    changed = mix_hash(page)
    page.get_by_role("button", name="Undo all").click()
    wait_for_another(page, changed)
    assert mix_hash(page) == before
    assert "settings" not in page.url


@pytest.mark.parametrize("width", [400, 1280])
def test_the_drawer_lies_within_the_screen(open_page: "OpenPage", width: int) -> None:
    page = open_page("index=1", width=width)
    player(page)
    page.get_by_role("button", name=re.compile("^Settings")).click()
    box = page.get_by_label("Find a setting")
    box.click(trial=True)  # the drawer slides in: measured only once it stands still
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    place = box.bounding_box()
    assert place
    assert place["x"] >= 0
    assert place["x"] + place["width"] <= width
