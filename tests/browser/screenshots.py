"""Take the screenshots of the documentation: ``python -m tests.browser.screenshots CATALOG [FOLDER]``.

Every page, light and dark, 1280 and 400 pixels wide. Look at each before it is committed.
"""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import find_program, serve

SCREENS = ((1280, 1180), (400, 1500))
# A mix worth looking at: of several sources, with effects, and at a time within it.
VIEWS = {"audition": "index=7&p=0.5"}
MOST_BYTES = 200_000


def settle(page: Page) -> None:
    """Wait until the page is complete, and move the player's cursor off its start."""
    page.locator(".player [data-lane=lane0]").wait_for(timeout=60_000)
    page.get_by_text("This page answers on this machine only").wait_for(timeout=60_000)
    page.wait_for_timeout(1500)
    page.locator(".player").evaluate("root => root.player.seek(1.7)")


def save(png: bytes, path: Path) -> None:
    """Write a picture with few colours, which is all that a page of text and areas needs."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    image.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path}  {image.width} x {image.height}, {size // 1000} kB")
    if size > MOST_BYTES:
        raise SystemExit(f"{path} has {size} bytes, more than {MOST_BYTES}: show less of the page.")


def main(catalog: Path, folder: Path) -> None:
    """Write ``NAME-SCHEME-WIDTH.png`` for every view."""
    folder.mkdir(parents=True, exist_ok=True)
    program = find_program()
    if program is None:
        raise SystemExit("No chromium here. Type: apt-get install chromium")
    with tempfile.TemporaryDirectory() as work, sync_playwright() as playwright:
        server = serve(catalog.resolve(), Path(work))
        address = next(server)
        browser = playwright.chromium.launch(executable_path=program)
        for name, query in VIEWS.items():
            for scheme in ("light", "dark"):
                for width, height in SCREENS:
                    size = {"width": width, "height": height}
                    page = browser.new_page(viewport=size, color_scheme=scheme)
                    page.goto(f"{address}/?{query}")
                    settle(page)
                    save(page.screenshot(), folder / f"{name}-{scheme}-{width}.png")
                    page.close()
        browser.close()
        server.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else Path("docs/images"))
