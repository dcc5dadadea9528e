"""The pages on runs in a real browser: they open, a mistake is heard, and its mix opens in Audition."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote_plus, urlsplit

import pytest

from mixlab import Catalog
from mixlab.evaluation.marks import read_marks
from mixlab.training.run import Run
from tests.app.test_external import WEIGHTS, make_report, of_weights, store
from tests.app.test_runs import write_small_model
from tests.browser.conftest import choose_option, part, serve, settle, wait_for_address
from tests.scored_run import write_scored
from tests.studies.test_reports import INSIDE, made_up

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.browser

CHART = "[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg"
LISTEN = "run=runs/a&look=Listen&class=percussion&kind=hits"


@pytest.fixture(scope="module")
def folder(toy: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs, a study, and a report of published weights."""
    folder = tmp_path_factory.mktemp("served")
    first = write_scored(folder / "runs" / "a", toy)
    write_small_model(write_scored(folder / "runs" / "b", toy, noise=2.0, sampled=first.predictions()))
    made_up("p_musical", toy, folder / "studies", INSIDE, fail=("p1-seed2",), grid=(0.0, 0.4, 1.0))
    store(of_weights(make_report(folder / "work")), folder / "runs/published/folder-mine.json")
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
    part(page, look, checked=True).wait_for()
    chart = page.locator(CHART).first
    chart.wait_for()
    settle(page)
    box = chart.bounding_box()
    assert box
    assert min(box["width"], box["height"]) > 100
    assert page.locator("[data-testid=stAlert]").count() == 0


def query_of(page: "Page") -> dict[str, str]:
    """Return the controls in the address."""
    return {name: values[-1] for name, values in parse_qs(urlsplit(page.url).query).items()}


def wait_for_query(page: "Page", **values: str | None) -> None:
    """Wait until the address says so of some controls; None where it names none."""
    page.wait_for_function(
        "wanted => { const found = new URLSearchParams(location.search);"
        " return Object.entries(wanted).every(([name, value]) => found.get(name) === value); }",
        arg=values,
    )


def selected_tab(page: "Page", name: str) -> None:
    part(page, name, checked=True).wait_for()


def test_the_address_forgets_a_part_that_is_gone(open_page: "OpenPage") -> None:
    page = open_page("run=runs/a&against=runs/b", location="runs")
    part(page, "Differences").click()
    selected_tab(page, "Differences")
    wait_for_query(page, look="Differences")
    against = page.get_by_role("combobox", name="Compare with")
    choose_option(against, page.get_by_role("option", name="no other run", exact=True))
    selected_tab(page, "Classes")
    wait_for_query(page, look=None)
    part(page, "Tree").click()  # nor does it come back with what is chosen next
    selected_tab(page, "Tree")
    wait_for_query(page, look="Tree")


def test_mistakes_are_heard_marked_and_left_again(open_page: "OpenPage", folder: Path) -> None:
    """The loop of a day's work: a class by its dot, its mixes by keys, a mark, and Back all the way."""
    page = open_page("run=runs/a", location="runs")
    chart = page.locator(CHART).first
    chart.wait_for()
    settle(page)
    label = "percussion"
    name, box = chart.get_by_text(label, exact=True).bounding_box(), chart.bounding_box()
    assert name
    assert box
    # Anywhere along its row.
    y = name["y"] + name["height"] / 2 - box["y"]
    chart.click(position={"x": 0.6 * box["width"], "y": y})
    selected_tab(page, "Listen")
    wait_for_query(page, **{"class": label})
    settle(page)
    page.get_by_text("hits", exact=True).first.click()
    page.get_by_text(re.compile("hits of")).first.wait_for()
    page.get_by_role("button", name=re.compile("^Next"), disabled=False).first.wait_for()
    settle(page)
    assert page.locator(".player").count() == 0
    page.keyboard.press("n")
    page.locator(".player [data-lane=lane0]").wait_for()
    settle(page)
    first = query_of(page)["item"]
    player = page.locator(".player")
    assert player.evaluate("root => root.player.playing") is False
    player.evaluate("root => root.player.play()")
    page.wait_for_function("root => root.player.time > 0.3", arg=player.element_handle())
    page.keyboard.press("n")
    page.wait_for_function(f"() => new URLSearchParams(location.search).get('item') !== '{first}'")
    settle(page)
    second = query_of(page)["item"]
    page.keyboard.press("w")
    page.get_by_text("Marked of").wait_for()
    page.screenshot(path=folder / "listen.png")
    (mark,) = read_marks(folder / "runs" / "a").values()
    assert (str(mark.index), mark.label, mark.verdict) == (second, label, "label wrong")
    settle(page)
    page.go_back()
    wait_for_query(page, item=first, **{"class": label})
    page.get_by_text("1 marked by ear").wait_for()
    settle(page)
    page.go_back()
    wait_for_query(page, item=None, kind="hits", **{"class": label})
    settle(page)
    page.go_back()
    wait_for_query(page, look=None, **{"class": None})
    selected_tab(page, "Classes")


def test_the_next_mistake_plays_on_and_lanes_say_what_they_score(open_page: "OpenPage", folder: Path) -> None:
    page = open_page("run=runs/b&look=Listen&class=key&kind=hits&item=0", location="runs")
    player, scores = page.locator(".player"), page.locator(".player .score")
    alone = scores.filter(has_text=re.compile(r"^alone [01]\.\d\d.* mix without it [01]\.\d\d"))
    scores.filter(has_text=re.compile(r"^key [01]\.\d\d.*, threshold [01]\.\d\d$")).wait_for()
    settle(page)
    assert alone.count() == player.evaluate("root => root.player.header.lanes.length")
    page.screenshot(path=folder / "scores.png")
    player.evaluate("root => { root.player.play(); root.player.setLoop(true); }")
    moved = "([root, old]) => root.player.header.id !== old && root.player.playing === "
    first = player.evaluate("root => root.player.header.id")
    page.keyboard.press("n")
    page.wait_for_function(f"{moved} true", arg=[player.element_handle(), first])
    second = player.evaluate("root => root.player.header.id")
    player.evaluate("root => root.player.toggle()")
    settle(page)
    page.keyboard.press("p")
    page.wait_for_function(f"{moved} false", arg=[player.element_handle(), second])
    settle(page)
    assert player.evaluate("root => [root.player.header.id, root.player.playing]") == [first, False]


def test_back_from_audition_returns_to_class_tab_and_page(open_page: "OpenPage") -> None:
    page = open_page("run=runs/a&thresholds=one+for+all&at=0.1", location="runs")
    part(page, "Listen").click()
    selected_tab(page, "Listen")
    settle(page)
    page.get_by_text("hits", exact=True).first.click()
    settle(page)
    page.get_by_role("button", name="Next page").click()
    page.get_by_text(re.compile(r"^9 to \d+ of ")).wait_for()
    wait_for_address(page, "list=2-")
    settle(page)
    before = query_of(page)
    assert (before["look"], before["kind"]) == ("Listen", "hits")
    page.get_by_role("link", name="Audition").nth(1).click()  # the first one is in the navigation
    page.locator(".player [data-lane=lane0]").wait_for()
    page.get_by_text("With the settings of the run").wait_for()
    settle(page)
    page.go_back()
    page.get_by_text(re.compile(r"^9 to \d+ of ")).wait_for()
    settle(page)
    assert urlsplit(page.url).path == "/runs"
    assert query_of(page) == before
    selected_tab(page, "Listen")


def test_its_mix_opens_in_audition_and_its_sources_can_be_soloed(open_page: "OpenPage", folder: Path) -> None:
    page = open_page(LISTEN, location="runs")
    page.get_by_role("button", name=re.compile("Hear")).first.wait_for()
    settle(page)
    page.get_by_role("link", name="Audition").nth(1).click()  # the first one is in the navigation
    page.locator(".player [data-lane=lane0]").wait_for()
    page.get_by_text("With the settings of the run").wait_for()
    settle(page)
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
    settle(page)
    before = value.inner_text()
    page.locator("[data-testid=stSlider] input[type=range]").focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    wait_for_address(page, "at=0.7")
    page.wait_for_function(
        "old => document.querySelector('[data-testid=stMetricValue]').innerText !== old", arg=before
    )
    assert 0 <= float(value.inner_text()) <= 1


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_lies_beyond_the_edge(open_page: "OpenPage", width: int, dark: bool) -> None:
    weights = f"run={quote_plus(WEIGHTS)}"
    for location, query in (("runs", "run=runs/a"), ("runs", LISTEN), ("runs", weights), ("p-musical", "")):
        page = open_page(query, location=location, width=width, dark=dark)
        page.locator(CHART).first.wait_for()
        settle(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_reports_of_weights_are_chosen_and_have_their_address(open_page: "OpenPage") -> None:
    page = open_page("run=runs/a", location="runs")
    part(page, "Classes", checked=True).wait_for()
    settle(page)
    option = page.get_by_role("option", name=WEIGHTS, exact=True)
    choose_option(page.get_by_role("combobox", name="Run", exact=True), option)
    page.get_by_role("heading", name="families").wait_for()
    wait_for_query(page, run=WEIGHTS)
    settle(page)
    assert part(page, "Classes").count() == page.get_by_text("Compare with", exact=True).count() == 0
    part(page, "solos").click()
    wait_for_query(page, run=WEIGHTS, part="solos")
    page.get_by_text("4 clips of 4 groups").wait_for()
    again = open_page(page.url)
    part(again, "solos", checked=True).wait_for()
    again.get_by_text("4 clips of 4 groups").wait_for()
    again.locator(CHART).first.wait_for()
    settle(again)
    assert again.locator("[data-testid=stAlert]").count() == 0


def test_the_sweep_is_drawn_and_names_what_is_missing(open_page: "OpenPage") -> None:
    page = open_page("study=studies/p_musical", location="p-musical")
    page.locator(CHART).first.wait_for()
    page.get_by_text("1 point is missing").wait_for()
    settle(page)
    page.get_by_text("The same in a terminal").click()
    command = page.get_by_text("mixlab train --config").first
    command.wait_for()
    assert "plans" in command.inner_text()


def test_the_dot_of_a_seed_opens_its_run_and_back_returns(open_page: "OpenPage") -> None:
    page = open_page("study=studies/p_musical&study_mixes=validation", location="p-musical")
    dot = page.locator(
        "path[aria-roledescription=circle][aria-label^='p_musical: 0.4'][aria-label$='seed: 1']"
    )
    dot.wait_for()
    settle(page)
    before = query_of(page)
    assert before["study_mixes"] == "validation"
    box = dot.bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_url("**/runs?**")
    wait_for_query(page, run="studies/p_musical/runs/p0.4-seed1")
    selected_tab(page, "Classes")
    settle(page)
    page.go_back()
    page.wait_for_url("**/p-musical?**")
    dot.wait_for()
    settle(page)
    # What was clicked is not followed once more.
    assert (urlsplit(page.url).path, query_of(page)) == ("/p-musical", before)


def test_two_runs_are_chosen_in_the_table_and_compared(open_page: "OpenPage") -> None:
    page = open_page("scored_on=test", location="compare")
    table = page.get_by_test_id("stDataFrame").first
    table.locator("canvas").first.wait_for()
    for line in (0, 1):
        settle(page)
        table.click(position={"x": 18, "y": 52 + 35 * line})
    wait_for_query(page, run_a="runs/a", run_b="runs/b", scored_on="test")
    page.get_by_role("heading", name="Settings").wait_for()
    page.get_by_text("They have the same settings").wait_for()
    settle(page)
    assert page.get_by_text("Not paired").count() == 0
    page.get_by_role("link", name="Class by class").click()
    selected_tab(page, "Differences")
    settle(page)
    page.go_back()
    wait_for_query(page, run_a="runs/a", run_b="runs/b", scored_on="test")
    page.get_by_text("They have the same settings").wait_for()


def test_a_third_box_is_not_ignored_silently(open_page: "OpenPage") -> None:
    page = open_page("scored_on=validation", location="compare")
    table = page.get_by_test_id("stDataFrame").first
    table.locator("canvas").first.wait_for()
    settle(page)

    def tick(*lines: int) -> None:
        for line in lines:
            table.click(position={"x": 18, "y": 52 + 35 * line})
            settle(page)

    tick(1, 0)
    wait_for_query(page, run_a="runs/b", run_b="runs/a")
    tick(2)
    said = page.get_by_text("Ticked, but not compared")
    said.wait_for()
    assert "studies/p_musical/runs/p0-seed0" in said.inner_text()
    wait_for_query(page, run_a="runs/b", run_b="runs/a")
    tick(1)
    wait_for_query(page, run_a="runs/a", run_b="studies/p_musical/runs/p0-seed0")
    page.get_by_role("heading", name="Settings").wait_for()
    assert said.count() == 0
    page.reload()  # the address says which are ticked
    page.get_by_role("heading", name="Settings").wait_for()
    settle(page)
    tick(0)
    wait_for_query(page, run_a="studies/p_musical/runs/p0-seed0", run_b=None)
