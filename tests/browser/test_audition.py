"""The audition page in a real browser: what is heard, what moves, and what a link reopens."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from mixlab import Catalog, Mix, MixConfig, MixRecipe, render_mix, sample_recipe
from mixlab.mixing.preview import MEL_BANDS, mel_image
from tests.browser.conftest import PATIENCE_S, choose_option, settle, wait_for_address

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

    from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.browser

# Highest level of every lane and of the output, looked at for some time.
LISTEN = """async (root, ms = 900) => {
  const top = { lanes: root.player.sources.map(() => 0), master: 0 };
  const end = performance.now() + ms;
  while (performance.now() < end) {
    await new Promise((resolve) => requestAnimationFrame(resolve));
    const now = root.player.levels;
    if (!now) continue;
    top.lanes = top.lanes.map((level, i) => Math.max(level, now.lanes[i]));
    top.master = Math.max(top.master, now.master);
  }
  return top;
}"""


WHOLE_MS = 4500
"""More than the length of a mix: a source may be silent for a second or two of it."""


@pytest.fixture(scope="module")
def busy(toy: Catalog) -> str:
    """Query of a mix of three sources or more, with effects, and with many of its neighbours sampled by p."""
    for index in range(200):
        recipe = sample_recipe(toy, MixConfig(), 0, 0, index, kind="non_musical")
        if len(recipe.sources) >= 3 and all(source.effects for source in recipe.sources):
            return f"index={index}&mix_kind=non-musical"
    raise AssertionError("the catalog of tones has no such mix")


def player(page: "Page") -> "Locator":
    page.locator(".player [data-lane=lane0]").wait_for()
    return page.locator(".player")


def playing(page: "Page") -> "Locator":
    """Start the player in a loop, so that it does not end while it is looked at."""
    root = player(page)
    page.get_by_role("button", name="Loop", exact=True).click()
    page.get_by_role("button", name="▶ Play").click()
    page.wait_for_function("(root) => root.player.time > 0.2", arg=root.element_handle())
    return root


def sounding(page: "Page", root: "Locator", level: float) -> None:
    """Wait until the output of the player is above a level; on a busy machine sound comes late."""
    loud = "([root, level]) => root.player.levels?.master > level"
    page.wait_for_function(loud, arg=[root.element_handle(), level])


def mix_hash(page: "Page") -> str:
    text = page.get_by_text(re.compile(r"mix [0-9a-f]{16}")).first.inner_text()
    found = re.search(r"mix ([0-9a-f]{16})", text)
    assert found
    return found[1]


def wait_for_another(page: "Page", before: str) -> None:
    """Wait until the page shows another mix, the player and the line below it alike."""
    changed = "([root, id]) => root.player.header.id !== id"
    page.wait_for_function(changed, arg=[player(page).element_handle(), before])
    page.get_by_text(f"mix {before}").wait_for(state="detached")


def kinds(page: "Page") -> dict[int, str]:
    page.locator(".strip button").first.wait_for()
    pairs = page.locator(".strip button").evaluate_all(
        "all => all.map(b => [b.dataset.index, b.dataset.kind])"
    )
    return {int(index): kind for index, kind in pairs}


def test_it_plays_and_pauses_on_the_audio_clock(open_page: "OpenPage", busy: str) -> None:
    page = open_page(busy)
    root = playing(page)
    before = root.evaluate("root => [root.player.context.currentTime, root.player.time]")
    sounding(page, root, 0.01)
    later = "([root, start]) => root.player.context.currentTime > start + 0.5"
    page.wait_for_function(later, arg=[root.element_handle(), before[0]])
    assert root.evaluate("root => root.player.time") != before[1]
    page.get_by_role("button", name="Pause").click()
    held = root.evaluate("root => root.player.time")
    page.wait_for_timeout(300)
    assert root.evaluate("root => root.player.time") == held


def test_nothing_plays_before_it_is_asked_to(open_page: "OpenPage") -> None:
    root = player(open_page())
    assert root.evaluate("root => [root.player.playing, root.player.context ?? null]") == [False, None]


def test_solo_and_mute_silence_lanes_without_a_rerun(open_page: "OpenPage", busy: str) -> None:
    page = open_page(busy)
    root = playing(page)
    settle(page)
    whole = root.evaluate(LISTEN, WHOLE_MS)
    assert min(whole["lanes"]) > 1e-3
    page.evaluate("""() => {
      const send = WebSocket.prototype.send;
      window.sent = 0;
      WebSocket.prototype.send = function (...all) { window.sent += 1; return send.apply(this, all); };
    }""")
    page.get_by_role("button", name=re.compile("^Solo ")).nth(1).click()
    silent = "([root, lanes]) => lanes.every((lane) => root.player.levels?.lanes[lane] < 1e-4)"
    others = [lane for lane in range(len(whole["lanes"])) if lane != 1]
    page.wait_for_function(silent, arg=[root.element_handle(), others])
    solo = root.evaluate(LISTEN, WHOLE_MS)
    assert solo["lanes"][1] > 1e-3
    assert max(solo["lanes"][lane] for lane in others) < 1e-4
    assert page.locator("[data-lane=lane0]").get_by_text("silenced by solo").is_visible()
    page.get_by_role("button", name=re.compile("^Mute ")).nth(2).click()
    page.wait_for_function(silent, arg=[root.element_handle(), [1]])
    assert root.evaluate(LISTEN)["lanes"][1] < 1e-4
    assert page.evaluate("window.sent") == 0


def test_shift_solos_one_source_alone(open_page: "OpenPage", busy: str) -> None:
    page = open_page(busy)
    root = player(page)
    solo = page.get_by_role("button", name=re.compile("^Solo "))
    solo.nth(0).click()
    solo.nth(1).click()
    state = "root => root.player.mixer.lanes.map(lane => lane.solo)"
    assert root.evaluate(state)[:3] == [True, True, False]
    solo.nth(2).click(modifiers=["Shift"])
    assert root.evaluate(state)[:3] == [False, False, True]
    assert solo.nth(2).get_attribute("aria-pressed") == "true"


def test_keys_play_seek_and_solo(open_page: "OpenPage", busy: str) -> None:
    page = open_page(busy)
    root = player(page)
    page.locator(".ruler").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert root.evaluate("root => root.player.time") == pytest.approx(0.5)
    assert page.locator(".ruler").get_attribute("aria-valuenow") == "0.5"
    page.keyboard.press("2")
    assert root.evaluate("root => root.player.mixer.lanes.map(lane => lane.solo)")[:2] == [False, True]
    page.keyboard.press("0")
    assert not any(root.evaluate("root => root.player.mixer.lanes.map(lane => lane.solo)"))
    root.evaluate("root => root.player.setLoop(true)")  # it must not end before it is paused
    page.keyboard.press("Space")
    page.wait_for_function("(root) => root.player.time > 0.6", arg=root.element_handle())
    page.keyboard.press("Space")
    assert root.evaluate("root => root.player.playing") is False


def test_a_click_seeks_and_a_drag_loops(open_page: "OpenPage", busy: str) -> None:
    page = open_page(busy)
    root = player(page)
    settle(page)
    wave = page.locator("[data-lane=main] .wave")
    wave.scroll_into_view_if_needed()
    box = wave.bounding_box()
    assert box
    wave.click(position={"x": box["width"] * 0.5, "y": 20})
    assert root.evaluate("root => root.player.time") == pytest.approx(2.0, abs=0.05)
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 20, steps=5)
    page.mouse.up()
    start, end = root.evaluate("root => root.player.region")
    assert (start, end) == pytest.approx((1.0, 1.6), abs=0.05)
    page.get_by_role("button", name="▶ Play").click()
    times = [
        root.evaluate("root => root.player.time") for _ in range(12) if page.wait_for_timeout(120) is None
    ]
    assert start - 0.01 <= min(times)
    assert max(times) <= end + 0.01
    assert times != sorted(times)


def test_comparing_goes_on_at_the_same_position(open_page: "OpenPage", busy: str) -> None:
    page = open_page(busy)
    root = playing(page)
    for name in ("Musical counterpart", "Dry", "This mix"):
        page.get_by_role("button", name=name, exact=True).click()
        assert root.evaluate("root => root.player.playing") is True
        page.wait_for_timeout(200)
        sounding(page, root, 1e-3)
    page.locator(".ruler").focus()
    page.keyboard.press("b")
    assert page.get_by_role("button", name="Dry", exact=True).get_attribute("aria-pressed") == "true"


def test_controls_and_player_have_one_line_each_and_comparing_moves_nothing(open_page: "OpenPage") -> None:
    page = open_page("p=0.5")
    root = player(page)
    settle(page)
    first, last = page.get_by_label("Seed", exact=True), page.get_by_role("button", name="Settings")
    boxes = [first.bounding_box(), last.bounding_box()]
    assert boxes[0]
    assert boxes[1]
    assert abs(boxes[0]["y"] - boxes[1]["y"]) < 20
    tops = "root => new Set([...root.querySelectorAll('.bar button')].map((one) => one.offsetTop)).size"
    assert root.evaluate(tops) == 1
    top = "root => root.querySelector('.lanes').getBoundingClientRect().top"
    before = root.evaluate(top)
    page.get_by_role("button", name=re.compile("usical counterpart$"), disabled=False).first.click()
    assert "played" in page.locator(".loudness").inner_text()
    assert root.evaluate(top) == before


def test_an_effect_is_bypassed_while_listening(open_page: "OpenPage", busy: str) -> None:
    page = open_page(busy)
    root = playing(page)
    page.get_by_role("button", name=re.compile("^Solo ")).nth(0).click()
    before = mix_hash(page)
    page.get_by_role("tab", name="Effects").click()
    page.locator("[data-testid=stButtonGroup] button").filter(has_text=re.compile(r"^1\.1 ")).click()
    page.wait_for_function(
        "([root, id]) => root.player.header.id !== id", arg=[root.element_handle(), before]
    )
    assert root.evaluate("root => [root.player.playing, root.player.mixer.lanes[0].solo]") == [True, True]
    wait_for_address(page, "bypass=1.1")


def drag_p(page: "Page", start: float, end: float) -> None:
    """Drag the thumb of the p_musical slider from one value to another."""
    settle(page)
    box = page.locator("[data-testid=stSlider] [role=group]").bounding_box()
    assert box
    thumb = page.locator("[data-testid=stSlider] input[type=range]").locator("xpath=../..").bounding_box()
    assert thumb
    y = thumb["y"] + thumb["height"] / 2
    page.mouse.move(box["x"] + start * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + end * box["width"], y, steps=6)
    page.mouse.up()


def test_moving_p_musical_flips_each_neighbour_at_most_once(open_page: "OpenPage") -> None:
    page = open_page()
    seen = [kinds(page)]
    player(page)
    for start, end in ((0.4, 0.6), (0.6, 0.85)):
        drag_p(page, start, end)
        page.wait_for_function(
            "([strip, old]) => Object.values(strip.kinds).join() !== old",
            arg=[page.locator(".strip").element_handle(), ",".join(seen[-1].values())],
        )
        seen.append(kinds(page))
    musical = [{index for index, kind in one.items() if kind == "musical"} for one in seen]
    assert musical[0] < musical[1] < musical[2]
    page.wait_for_function("() => location.search.includes('p=0.85')")


def test_the_strip_and_the_steps_go_to_an_index(open_page: "OpenPage") -> None:
    page = open_page("index=3")
    player(page)
    before = mix_hash(page)
    page.locator(".strip button[data-index='9']").click()
    wait_for_another(page, before)
    wait_for_address(page, "index=9")
    before = mix_hash(page)
    page.get_by_role("button", name="Next").click()
    wait_for_another(page, before)
    wait_for_address(page, "index=10")
    page.locator(".strip button[data-index='10'][aria-current=true]").wait_for()


def test_a_copied_link_reopens_this_very_mix_in_a_fresh_browser(open_page: "OpenPage", busy: str) -> None:
    page = open_page(f"{busy}&seed=5&p=0.7")
    player(page)
    before = mix_hash(page)
    page.get_by_role("button", name="Next").click()
    wait_for_another(page, before)
    settle(page)
    page.get_by_role("button", name="Copy link").click()
    page.get_by_text("Copied").wait_for()
    link = page.evaluate("navigator.clipboard.readText()")
    assert "catalog=" in link
    fresh = open_page(link)
    player(fresh)
    settle(fresh)
    assert mix_hash(fresh) == mix_hash(page)
    assert fresh.locator("[data-testid=stAlert]").count() == 0
    shown = "root => root.player.header.id"
    assert player(fresh).evaluate(shown) == player(page).evaluate(shown) == mix_hash(page)


FOCUSED = (
    "() => document.activeElement.shadowRoot?.activeElement?.className ?? document.activeElement.tagName"
)


def test_the_player_is_worked_by_keys_after_a_step(open_page: "OpenPage", busy: str) -> None:
    page = open_page(busy)
    root = playing(page)
    settle(page)
    # One tab stop for the strip, whose arrows move within it.
    assert page.locator(".strip button[tabindex='0']").count() == 1
    first = mix_hash(page)
    page.get_by_role("button", name="Next").click()
    wait_for_another(page, first)
    assert page.evaluate(FOCUSED) == "player"
    assert root.evaluate("root => root.player.playing") is True
    page.keyboard.press("1")
    assert root.evaluate("root => root.player.mixer.lanes[0].solo") is True
    page.keyboard.press("Space")
    assert root.evaluate("root => root.player.playing") is False
    page.keyboard.press("Space")
    page.get_by_label("play on").uncheck()
    root.evaluate("root => root.focus()")
    before = mix_hash(page)
    page.keyboard.press("p")
    wait_for_another(page, before)
    assert mix_hash(page) == first
    assert root.evaluate("root => root.player.playing") is False


def test_what_a_mix_must_contain_leaves_the_player_as_it_is(open_page: "OpenPage", busy: str) -> None:
    page = open_page(busy)
    root = playing(page)
    page.get_by_role("button", name=re.compile("^Solo ")).nth(1).click()
    box = page.get_by_role("combobox", name=re.compile("Must contain"))
    for name in ("voice", "violin"):
        choose_option(box, page.get_by_role("option", name=name, exact=True).first, typed=name)
        page.wait_for_function("name => location.search.includes(`contains=${name}`)", arg=name)
    page.keyboard.press("Escape")
    kept = (
        "root => [root.isConnected, root.player.playing, root.player.loop, root.player.mixer.lanes[1].solo]"
    )
    assert root.evaluate(kept) == [True, True, True, True]


def soloed(mix: Mix, lanes: list[int]) -> np.ndarray:
    return np.sum([mix.sources[n].audio for n in lanes], axis=0)


def test_labels_lanes_and_pictures_are_those_of_what_plays(
    open_page: "OpenPage", busy: str, toy: Catalog
) -> None:
    page = open_page(busy)
    root = playing(page)
    index = int(busy.partition("&")[0].partition("=")[2])
    mix, other = (
        render_mix(sample_recipe(toy, MixConfig(), 0, 0, index, kind=kind), toy)
        for kind in ("non_musical", "musical")
    )
    lanes = "root => [...root.querySelectorAll('[data-lane^=lane] strong')].map(one => one.textContent)"
    assert len(root.evaluate(lanes)) == len(mix.sources)
    # The spectrogram that the browser makes, soon after the mix came, is that of the library.
    page.wait_for_function("root => root.player.picture", arg=root.element_handle())
    power = root.evaluate("root => Array.from(root.player.picture.power)")
    made = np.array(power).reshape(MEL_BANDS, -1)
    level = np.clip(1 + np.log10(np.maximum(made / made.max(), 1e-30)) / 8, 0, 1)
    assert np.abs(np.rint(255 * level) - mel_image(mix.mixture, 16000)).max() <= 1
    # A label's chip solos the sources that it is due to, and once more hears all.
    chip = page.locator(".chip.present").first
    due = chip.evaluate("chip => chip.lanes")
    wave = page.locator("[data-lane=main] .wave path")
    whole = wave.get_attribute("d")
    chip.click()
    solo = root.evaluate("root => root.player.mixer.lanes.map(lane => lane.solo)")
    assert [n for n, on in enumerate(solo) if on] == due
    assert chip.get_attribute("aria-pressed") == "true"
    # A chip of all sources changes nothing that is seen, so one lane is soloed.
    page.keyboard.press("0")
    page.get_by_role("button", name=re.compile("^Solo ")).nth(0).click()
    page.wait_for_function(
        "([path, old]) => path.getAttribute('d') !== old", arg=[wave.element_handle(), whole]
    )
    with page.expect_download() as expected:
        page.get_by_role("button", name="Save what I hear").click()
    assert expected.value.suggested_filename.endswith("_mix.wav")
    saved, rate = soundfile.read(expected.value.path())
    assert rate == 16000
    np.testing.assert_allclose(saved, soloed(mix, [0])[0], atol=2**-22)
    # The counterpart brings lanes, labels and a mixer of its own.
    page.get_by_role("button", name="Musical counterpart", exact=True).click()
    assert len(root.evaluate(lanes)) == len(other.sources)
    assert not any(root.evaluate("root => root.player.mixer.lanes.map(lane => lane.solo)"))
    present = {one.name for one in other.explain() if one.state == "present"}
    assert {
        text.removeprefix("✓ ") for text in page.locator(".chip.present span").all_inner_texts()
    } == present
    assert len(root.evaluate(LISTEN)["lanes"]) == len(other.sources)
    page.get_by_label("of each lane").check()
    page.locator("[data-lane=lane0] canvas").wait_for()
    page.get_by_role("combobox", name="Spectrogram").select_option("what the model gets")
    page.wait_for_function("root => root.player.picture.bands === 128", arg=root.element_handle())


def test_a_mix_is_saved_as_a_page_that_needs_nothing_else(
    open_page: "OpenPage", browser: "Browser", busy: str, tmp_path: Path
) -> None:
    page = open_page(busy)
    sources = player(page).evaluate("root => root.player.sources.length")
    with page.expect_download() as expected:
        page.get_by_role("button", name="Page (HTML)").click()
    path = tmp_path / expected.value.suggested_filename
    expected.value.save_as(path)
    context = browser.new_context(offline=True)
    context.set_default_timeout(PATIENCE_S * 1000)
    alone, errors = context.new_page(), []
    alone.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    alone.on("pageerror", lambda error: errors.append(str(error)))
    alone.goto(path.as_uri())
    root = playing(alone)
    assert root.evaluate("root => root.player.sources.length") == sources
    sounding(alone, root, 0.01)
    recipe = MixRecipe.from_json(alone.locator("pre").inner_text())
    assert recipe.content_hash == mix_hash(page)
    assert alone.locator("tbody tr").count() == 15
    assert alone.get_by_role("button", name="Next").count() == 0
    context.close()
    assert errors == []


def test_a_mix_of_more_sources_plays_after_one_of_fewer(open_page: "OpenPage", toy: Catalog) -> None:
    sizes = {i: len(sample_recipe(toy, MixConfig(), 0, 0, i, kind="non_musical").sources) for i in range(24)}
    small, large = min(sizes, key=lambda i: sizes[i]), max(sizes, key=lambda i: sizes[i])
    assert sizes[small] < sizes[large]
    page = open_page(f"index={small}&mix_kind=non-musical")
    root = playing(page)
    before = mix_hash(page)
    page.locator(f".strip button[data-index='{large}']").click()
    wait_for_another(page, before)
    assert root.evaluate("root => root.player.sources.length") == sizes[large]
    assert root.evaluate("root => root.player.playing") is True
    assert len(root.evaluate(LISTEN)["lanes"]) == sizes[large]


def test_a_link_of_another_catalog_warns_instead_of_playing(open_page: "OpenPage") -> None:
    page = open_page("index=3&catalog=0123456789abcdef")
    page.get_by_text("made on another catalog").wait_for()
    settle(page)
    assert page.locator(".player").count() == 0
    page.get_by_role("button", name="Show what this address gives here").click()
    assert player(page).is_visible()


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_lies_beyond_the_edge(open_page: "OpenPage", busy: str, width: int, dark: bool) -> None:
    page = open_page(busy, width=width, dark=dark)
    root = player(page)
    settle(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert root.evaluate("root => root.scrollWidth <= root.clientWidth")
    for name in ("mute", "solo"):
        for button in page.locator(f".player .{name}").all():
            box = button.bounding_box()
            assert box
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width


def test_every_control_of_the_player_has_a_name(open_page: "OpenPage", busy: str) -> None:
    page = open_page(busy)
    root = player(page)
    named = root.evaluate("""root => [...root.querySelectorAll("button, input, [role]")].map(node =>
      node.getAttribute("aria-label") || node.textContent.trim() ||
      node.closest("label")?.textContent.trim() || node.getAttribute("role") === "status")""")
    assert len(named) > 20
    assert all(named)
