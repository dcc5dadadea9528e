"""Take the screenshots of the documentation: every view, light and dark, 1280 and 400 pixels wide.

Type ``python -m tests.browser.screenshots CATALOG [FOLDER] [VIEW ...]``, and look at each picture
before it is committed.
"""

import io
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import find_program, serve
from tests.browser.test_corpus import choose_first, opened

SCREENS = ((1280, 1180), (400, 1500))
MOST_BYTES = 200_000


class View(NamedTuple):
    """What is taken: a page, the query of its address, and what makes it worth looking at."""

    page: str
    query: str
    settle: Callable[[Page], object]


def settle_audition(page: Page) -> None:
    """Wait until the page is complete, and move the player's cursor off its start."""
    page.locator(".player [data-lane=lane0]").wait_for(timeout=60_000)
    opened(page)
    page.wait_for_timeout(1500)
    page.locator(".player").evaluate("root => root.player.seek(1.7)")


def settle_corpus(page: Page) -> None:
    """Wait until the page and its charts are complete."""
    opened(page)
    page.get_by_test_id("stVegaLiteChart").locator("canvas, svg").first.wait_for()
    page.wait_for_timeout(2500)


def settle_charts(page: Page) -> None:
    """Wait until charts and buttons are complete."""
    page.get_by_test_id("stVegaLiteChart").locator("canvas, svg").first.wait_for()
    page.wait_for_timeout(6000)


def settle_mistake(page: Page) -> None:
    """Open the clearest mistake, and wait until its lanes say what they score."""
    settle_charts(page)
    page.get_by_role("button", name="Hear").first.click()
    page.locator(".player .score").nth(1).wait_for()
    page.wait_for_timeout(2000)
    page.mouse.move(0, 0)
    page.locator(".player").evaluate("root => root.player.seek(1.7)")


def settle_stems(page: Page) -> None:
    """Choose a stem, and come back to the top of the page."""
    choose_first(opened(page))
    settle_corpus(page)
    if page.evaluate("innerWidth") < 600:  # the stem stands below the list
        page.get_by_test_id("stAudio").scroll_into_view_if_needed()


def settle_tag(page: Page) -> None:
    """Wait until the example is tagged, and move the player's cursor off its start."""
    page.locator(".player .strip").first.wait_for(timeout=120_000)
    page.get_by_role("button", name="Copy link").wait_for()  # the last that the page shows
    page.wait_for_timeout(1500)
    page.locator(".player").evaluate("root => root.player.seek(5.2)")


VIEWS = {
    # A mix worth looking at: of several sources, with effects, and at a time within it.
    "audition": View("", "index=7&p=0.5", settle_audition),
    "stream": View("stream", "seed=5&p=0.5", settle_charts),
    "corpus": View("corpus", "labels=openmic20", settle_corpus),
    "corpus-stems": View("corpus", "show=Stems&instrument=brass&sort=duration", settle_stems),
    # These want a run beside the catalog, as `mixlab demo` leaves one.
    "runs": View("runs", "", settle_charts),
    "tag": View("tag", "run=mixlab_tagger&tag_source=Try+an+example", settle_tag),
    # And this one a study of p_musical.
    "p_musical": View("p-musical", "", settle_charts),
    "runs-listen": View("runs", "look=Listen&class=voice", settle_mistake),
}


def save(png: bytes, path: Path) -> None:
    """Write a picture with few colours, which is all that a page of text and areas needs."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    image.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path}  {image.width} x {image.height}, {size // 1000} kB")
    if size > MOST_BYTES:
        raise SystemExit(f"{path} has {size} bytes, more than {MOST_BYTES}: show less of the page.")


def main(catalog: Path, folder: Path, names: Sequence[str] = ()) -> None:
    """Write ``NAME-SCHEME-WIDTH.png`` for every view, or for those named."""
    folder.mkdir(parents=True, exist_ok=True)
    program = find_program()
    if program is None:
        raise SystemExit("No chromium here. Type: apt-get install chromium")
    with tempfile.TemporaryDirectory() as work, sync_playwright() as playwright:
        server = serve(catalog.resolve(), Path(work))
        address = next(server)
        browser = playwright.chromium.launch(executable_path=program)
        for name in names or VIEWS:
            view = VIEWS[name]
            for scheme in ("light", "dark"):
                for width, height in SCREENS:
                    size = {"width": width, "height": height}
                    page = browser.new_page(viewport=size, color_scheme=scheme)
                    page.set_default_timeout(60_000)
                    page.goto(f"{address}/{view.page}?{view.query}")
                    view.settle(page)
                    save(page.screenshot(), folder / f"{name}-{scheme}-{width}.png")
                    page.close()
        browser.close()
        server.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "docs/images"), sys.argv[3:])
