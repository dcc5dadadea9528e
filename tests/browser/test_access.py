"""Every page passes axe's checks, where axe-core is there: name its axe.min.js in ``MIXLAB_AXE``."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mixlab import Catalog
from tests.browser.conftest import serve
from tests.scored_run import write_scored
from tests.studies.test_reports import INSIDE, made_up

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.browser.conftest import OpenPage

AXE = os.environ.get("MIXLAB_AXE", "")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not Path(AXE).is_file(), reason="axe-core is not here: npm pack axe-core, MIXLAB_AXE=.../axe.min.js"
    ),
]

RULES = """async () => {
  const only = ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"];
  const said = (v) => `${v.id}: ${v.nodes.length} x ${v.nodes[0].target} ${v.nodes[0].html.slice(0, 160)}`;
  return (await axe.run(document, { runOnly: only })).violations.map(said);
}"""
PAGES = {
    "": ".player [data-lane=lane0]",
    "corpus": "[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg",
    "runs": "[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg",
    "p-musical": "[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg",
    "tag": "[data-testid=stFileUploaderDropzoneInput], h1",
}


@pytest.fixture(scope="module")
def address(browser: "Browser", toy: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an explorer that was started beside a run and a study."""
    folder = tmp_path_factory.mktemp("served")
    write_scored(folder / "runs" / "a", toy)
    made_up("p_musical", toy, folder / "studies", INSIDE, fail=("p1-seed2",), grid=(0.0, 0.4, 1.0))
    yield from serve(toy.path, folder)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("location", PAGES)
def test_axe_finds_nothing(open_page: "OpenPage", location: str, dark: bool) -> None:
    page = open_page(location=location, dark=dark)
    page.locator(PAGES[location]).first.wait_for(state="attached")
    page.wait_for_timeout(1500)
    page.add_script_tag(path=AXE)
    assert page.evaluate(RULES) == []
