"""The drawer of settings in a real browser: change one, hear the same index before and after, pass it on."""

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from mixlab import Catalog, MixConfig, sample_recipe
from mixlab.training.run import Run
from mixlab.utils.plain import plain
from tests.browser.conftest import choose_option, serve, settle
from tests.browser.test_audition import mix_hash, player, playing, sounding, wait_for_another

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.browser

OF_RUN = MixConfig(p_musical=0.9, min_sources=4, effects={"preset": "studio"})  # type: ignore[arg-type]

LEVEL = """async (root) => {
  let top = 0;
  // What was heard before a change takes a moment to fade.
  await new Promise((resolve) => setTimeout(resolve, 400));
  const end = performance.now() + 900;
  while (performance.now() < end) {
    await new Promise((resolve) => requestAnimationFrame(resolve));
    top = Math.max(top, root.player.levels?.master ?? 0);
  }
  return top;
}"""


@pytest.fixture(scope="module")
def address(browser: "Browser", toy: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an explorer that finds a run."""
    folder = tmp_path_factory.mktemp("served")
    Run.create(folder / "runs" / "own", {"catalog": str(toy.path), "mix": plain(OF_RUN)}, {"seed": 0})
    yield from serve(toy.path, folder)


def find(page: "Page", words: str) -> None:
    """Open the drawer, unless it is, and search it."""
    box = page.get_by_label("Find a setting")
    if not box.count():
        page.get_by_role("button", name=re.compile("^Settings")).click()
    settle(page)
    box.fill(words)
    box.press("Enter")


def type_into(page: "Page", role: str, name: str, value: str) -> None:
    settle(page)
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
    sounding(page, root, 5 * soft)

    # A bad value is refused beside its field, and the page goes on.
    good = mix_hash(page)
    type_into(page, "spinbutton", "effects.gain.p", "7")
    sidebar = page.get_by_test_id("stSidebar")
    sidebar.get_by_text("must be a probability from 0 to 1, found 7").wait_for()
    assert mix_hash(page) == good
    type_into(page, "spinbutton", "effects.gain.p", "1")
    sidebar.get_by_text("must be a probability").wait_for(state="detached")

    settle(page)
    page.get_by_role("button", name="Copy link").click()
    page.get_by_text("Copied").wait_for()
    fresh = open_page(page.evaluate("navigator.clipboard.readText()"))
    player(fresh)
    assert mix_hash(fresh) == good
    find(fresh, "effects.gain.db")
    fresh.get_by_role("textbox", name=re.compile("^effects.gain.db")).wait_for()
    settle(fresh)
    assert fresh.get_by_role("textbox", name=re.compile("^effects.gain.db")).input_value() == "-40, -40"


def test_a_yaml_is_opened_and_python_is_copied(open_page: "OpenPage", toy: Catalog) -> None:
    page = open_page("index=1")
    player(page)
    before = mix_hash(page)
    page.get_by_role("button", name=re.compile("^Settings")).click()
    settle(page)
    page.get_by_text("Open a YAML or a run").click()
    settle(page)
    chooser = page.locator("[data-testid=stFileUploader] input[type=file]")
    chooser.set_input_files(
        {"name": "mix.yaml", "mimeType": "application/yaml", "buffer": b"mix:\n  min_sources: 5\n"}
    )
    wait_for_another(page, before)
    assert mix_hash(page) == sample_recipe(toy, MixConfig(min_sources=5), 0, 0, 1).content_hash
    settle(page)
    page.get_by_text("Copy YAML or Python").click()
    sidebar = page.get_by_test_id("stSidebar")
    sidebar.get_by_text("min_sources: 5").wait_for()
    sidebar.get_by_text("MixConfig.from_dict").wait_for()
    changed = mix_hash(page)
    settle(page)
    page.get_by_role("button", name="Undo all").click()
    wait_for_another(page, changed)
    assert mix_hash(page) == before
    settle(page)
    assert "settings" not in page.url


def test_the_configuration_of_a_run_is_opened_and_a_bad_file_is_refused(
    open_page: "OpenPage", toy: Catalog
) -> None:
    page = open_page("index=1")
    player(page)
    before = mix_hash(page)
    page.get_by_role("button", name=re.compile("^Settings")).click()
    sidebar = page.get_by_test_id("stSidebar")
    settle(page)
    sidebar.get_by_text("Open a YAML or a run").click()
    settle(page)
    box = sidebar.get_by_role("combobox", name="Configuration of a run")
    choose_option(box, page.get_by_role("option", name="runs/own"))
    wait_for_another(page, before)
    opened = mix_hash(page)
    assert opened == sample_recipe(toy, OF_RUN, 0, 0, 1).content_hash
    sidebar.get_by_text("Sources · 1 changed").wait_for()
    settle(page)
    query = parse_qs(urlsplit(page.url).query)
    assert {name: query[name] for name in ("p", "effects", "settings")} == {
        "p": ["0.9"],
        "effects": ["studio"],
        "settings": ['{"min_sources":4}'],
    }
    chooser = page.locator("[data-testid=stFileUploader] input[type=file]")
    bad = {"name": "bad.yaml", "mimeType": "application/yaml", "buffer": b"mix:\n  min_sources: 50\n"}
    chooser.set_input_files(bad)  # type: ignore[arg-type]
    sidebar.get_by_text("found (50, 5)").wait_for()
    assert mix_hash(page) == opened
    sidebar.get_by_role("button", name="Close").click()
    page.get_by_role("button", name=re.compile("^Settings · 1 changed")).wait_for()


def test_before_plays_in_lanes_of_its_own_whatever_its_length_and_rate(
    open_page: "OpenPage", toy: Catalog
) -> None:
    changed = json.dumps({"duration_s": 3.0, "sample_rate": 8000, "max_sources": 2})
    page = open_page(urlencode({"index": 1, "settings": changed}))
    root = player(page)
    page.get_by_role("button", name="Before", exact=True).click()
    page.get_by_text("the first 3 of its 4 s; brought from 16,000 to 8,000 Hz").first.wait_for()
    sources = sample_recipe(toy, MixConfig(), 0, 0, 1).sources
    assert page.locator("[data-lane^=lane]").count() == len(sources)
    root.evaluate("root => root.player.play()")
    sounding(page, root, 0.01)


@pytest.mark.parametrize("width", [400, 1280])
def test_the_drawer_lies_within_the_screen(open_page: "OpenPage", width: int) -> None:
    page = open_page("index=1", width=width)
    player(page)
    page.get_by_role("button", name=re.compile("^Settings")).click()
    box = page.get_by_label("Find a setting")
    box.click(trial=True)  # the drawer slides in: measured only once it stands still
    settle(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    place = box.bounding_box()
    assert place
    assert place["x"] >= 0
    assert place["x"] + place["width"] <= width
