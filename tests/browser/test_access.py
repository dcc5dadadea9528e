"""Every page passes axe's checks, in both themes, with all that a click unfolds on it."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

import pytest

from mixlab import Catalog
from tests.app.test_external import WEIGHTS, make_report, of_weights, store
from tests.browser.conftest import PATIENCE_S, missing, part, serve
from tests.scored_run import write_scored
from tests.studies.test_reports import INSIDE, made_up

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.browser.conftest import OpenPage

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CHART = "[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg"
ALL_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLOUR_RULES = ["color-contrast", "link-in-text-block"]
# Colours on their way from one to another have no contrast of their own.
STILL = "*, *::before, *::after { transition: none !important; animation: none !important; }"
# What is about to be replaced is pale, and how soon the server is asked for charts of another
# scheme is not known; what explains a button may open late. Found meanwhile, nothing counts.
FIND_AT_REST = """async ([runOnly, patience]) => {
  const why = (node) => (node.any[0] ?? node.all[0] ?? node.none[0])?.message;
  const said = (v) => v.nodes.slice(0, 4).map((node) =>
    `${v.id}: ${node.target} ${node.html.slice(0, 160)} ${why(node)}`);
  const app = document.querySelector("[data-testid=stApp]");
  const tip = "[data-testid=stTooltipContent]";
  const busy = () => {
    const passing = document.querySelector(`[data-stale=true], ${tip}`);
    if (passing) return passing.outerHTML.slice(0, 300);
    return app.dataset.testScriptState === "notRunning" ? "" : `the script is ${app.dataset.testScriptState}`;
  };
  const explains = (node) => node.matches?.(tip) || node.querySelector?.(tip);
  let worked = false;
  const watcher = new MutationObserver((changes) => {
    worked ||= changes.some((change) =>
      change.type === "attributes" || [...change.addedNodes, ...change.removedNodes].some(explains));
  });
  const attributeFilter = ["data-test-script-state", "data-stale"];
  watcher.observe(document.body, { subtree: true, childList: true, attributeFilter });
  const end = performance.now() + patience;
  let seen = "";
  try {
    for (let calm = 0; performance.now() < end; calm = busy() ? 0 : calm + 1) {
      await new Promise((resolve) => setTimeout(resolve, 70));
      seen = busy() || seen;
      if (calm < 3) continue;
      worked = false;
      const { violations } = await axe.run(document, { runOnly, resultTypes: ["violations"] });
      await new Promise((resolve) => setTimeout(resolve, 70));
      if (!worked && !busy()) return violations.flatMap(said);
      seen = busy() || "a run of the script";
      calm = -1;
    }
  } finally {
    watcher.disconnect();
  }
  return [`the page never came to rest; seen at last: ${seen}`];
}"""


def axe_file() -> Path:
    """Return the script of axe-core, which a package brings."""
    try:
        from axe_playwright_python.base import AXE_FILE_PATH
    except ImportError:
        missing("axe-core is not here: type pip install axe-playwright-python, or make setup.")
    return Path(AXE_FILE_PATH)


@pytest.fixture(scope="module")
def folder(toy: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs, a study, and a report of published weights."""
    folder = tmp_path_factory.mktemp("served")
    first = write_scored(folder / "runs" / "a", toy)
    write_scored(folder / "runs" / "b", toy, noise=2.0, sampled=first.predictions())
    made_up("p_musical", toy, folder / "studies", INSIDE, fail=("p1-seed2",), grid=(0.0, 0.4, 1.0))
    store(of_weights(make_report(folder / "work")), folder / "runs/published/folder-mine.json")
    return folder


@pytest.fixture(scope="module")
def address(browser: "Browser", toy: Catalog, folder: Path) -> Iterator[str]:
    """Address of an explorer that was started beside runs and a study."""
    yield from serve(toy.path, folder)


def button(page: "Page", name: str) -> None:
    page.get_by_role("button", name=re.compile(f"^{name}")).first.click()


def tabs(page: "Page", *names: str) -> Iterator[str]:
    for name in names:
        page.get_by_role("tab", name=name, exact=True).first.click()
        page.get_by_role("tab", name=name, exact=True, selected=True).wait_for()
        yield name


def parts(page: "Page", *names: str) -> Iterator[str]:
    for name in names:
        part(page, name).click()
        part(page, name, checked=True).wait_for()
        yield name


def audition(page: "Page") -> Iterator[str]:
    page.locator(".player [data-lane=lane0]").wait_for()
    yield "the mix"
    yield from tabs(page, "Effects", "Labels", "Recipe")
    for name in ("Catalog", "Folders"):
        button(page, name)
        page.get_by_test_id("stPopoverBody").wait_for()
        yield name
        page.keyboard.press("Escape")
        page.get_by_test_id("stPopoverBody").wait_for(state="detached")


def drawer(page: "Page") -> Iterator[str]:
    page.locator(".player [data-lane=lane0]").wait_for()
    button(page, "Settings")
    search = page.get_by_label("Find a setting")
    search.focus()  # away from the button, which explains itself, early or late, while it has the focus
    yield "the groups"
    search.fill("effects")
    search.press("Enter")
    page.get_by_test_id("stSidebar").get_by_role("spinbutton").first.wait_for()
    yield "what was searched"


def stream(page: "Page") -> Iterator[str]:
    page.locator(".mixes tbody tr").first.wait_for()
    yield from parts(page, "Classes", "Together", "Polyphony")


def corpus(page: "Page") -> Iterator[str]:
    page.get_by_text("This page answers on this machine only").wait_for()
    yield from parts(page, "Classes", "Tree", "Distributions", "Stems", "Problems", "Leakage")


def runs(page: "Page") -> Iterator[str]:
    page.locator(CHART).first.wait_for()
    yield from parts(page, "Classes", "Subsets", "Tree", "Confusions", "Learning curves", "Differences")
    yield from parts(page, "Listen")
    button(page, "Hear")
    page.locator(".player [data-lane=lane0]").wait_for()
    yield "a mix of it"


def published(page: "Page") -> Iterator[str]:
    page.locator(CHART).first.wait_for()
    yield "reports of weights"
    yield from parts(page, "mixes")


def compare(page: "Page") -> Iterator[str]:
    page.get_by_text("Scores", exact=True).first.wait_for()
    yield "two runs"


def p_musical(page: "Page") -> Iterator[str]:
    page.locator(CHART).first.wait_for()
    yield "a study"
    page.get_by_text("New study", exact=True).click()
    page.get_by_role("heading", name="New study of p_musical").wait_for()
    yield "a new one"


def tag(page: "Page") -> Iterator[str]:
    page.locator(".player .strip").first.wait_for()
    yield "an example"


def new_catalog(page: "Page") -> Iterator[str]:
    page.get_by_role("button", name="Check its labels").wait_for()
    yield "the form"


PAGES: dict[str, Callable[["Page"], Iterator[str]]] = {
    "?index=7": audition,
    "?index=8": drawer,
    "stream": stream,
    "corpus": corpus,
    "runs?run=runs/a&against=runs/b": runs,
    f"runs?run={quote_plus(WEIGHTS)}": published,
    "compare?run_a=runs/a&run_b=runs/b": compare,
    "p-musical": p_musical,
    "tag?tag_source=Try+an+example": tag,
    "index-folder": new_catalog,
}


def violations(page: "Page", name: str) -> list[str]:
    """Return what axe finds in the theme that is on, then of colours in the other one, which stays on."""
    found = []
    for rules in (ALL_RULES, COLOUR_RULES):
        if rules is COLOUR_RULES:
            dark = page.evaluate("() => matchMedia('(prefers-color-scheme: dark)').matches")
            page.emulate_media(color_scheme="light" if dark else "dark")
        theme = page.evaluate("() => matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'")
        found += [
            f"{name}, {theme}: {one}" for one in page.evaluate(FIND_AT_REST, [rules, PATIENCE_S * 1000])
        ]
    return found


@pytest.mark.parametrize("where", PAGES)
def test_axe_finds_nothing(open_page: "OpenPage", address: str, where: str) -> None:
    script = axe_file()
    page = open_page(f"{address}/{where}")
    page.add_style_tag(content=STILL)
    page.add_script_tag(path=script)
    found = []
    for name in PAGES[where](page):
        page.mouse.move(0, 0)  # off what explains itself under the pointer
        page.get_by_test_id("stTooltipContent").wait_for(state="detached")
        found += violations(page, name)
    assert not found, "\n".join(found)
