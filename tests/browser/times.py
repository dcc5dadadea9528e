"""Measure what one waits for in the explorer: the first mix, the next one, another page.

Type ``python -m tests.browser.times CATALOG [PRESSES]``. A browser and a server share the machine, so that
each figure is worth what the load beside it says.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, sync_playwright

from tests.browser.conftest import find_program, free_port, wait_for

PRESSES = 30
LISTEN_S = 2.0
ROUNDS = 5
PATIENCE_MS = 300_000
CHART = "[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg"
PLAYER = ".player [data-lane=lane0]"
PAGES = {"Corpus": CHART, "Stream": ".mixes tbody tr", "Audition": PLAYER}
# From the press to the first sample of the next mix; how much of it passed until its bytes were there.
PRESS = """async (root) => {
  const player = root.player, before = player.header.id, load = player.load, start = performance.now();
  let came = 0;
  player.load = function (blob) { came ||= performance.now(); return load.call(player, blob); };
  player.go("next");
  while (player.header.id === before || !player.playing || player.time <= 0) {
    await new Promise((resolve) => setTimeout(resolve, 4));
  }
  delete player.load;
  return [performance.now() - start, came - start];
}"""


@contextmanager
def explorer(browser: Browser, *options: str) -> Iterator[tuple[Page, str, float]]:
    """Run ``mixlab app`` in an empty folder; yield a page, the address, and when it was started."""
    port = free_port()
    address = f"http://localhost:{port}"
    command = [
        sys.executable, "-m", "mixlab.cli.main", "app", *options, "--port", str(port), "--browser", "false",
    ]  # fmt: skip
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(PATIENCE_MS)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as work:
        log = Path(work) / "server.log"
        started = time.monotonic()
        with log.open("w", encoding="utf-8") as out:
            server = subprocess.Popen(command, cwd=work, stdout=out, stderr=out)
        try:
            wait_for(address, server, log)
            yield page, address, started
        finally:
            page.close()
            server.terminate()
            server.wait(timeout=60)


def play(page: Page) -> float:
    """Wait for the player and press *Play*; return when the first sample played."""
    page.locator(PLAYER).wait_for()
    page.get_by_role("button", name="▶ Play").click()
    root = page.locator(".player")
    page.wait_for_function("root => root.player.time > 0", arg=root.element_handle(), polling=10)
    return time.monotonic()


def newcomer(browser: Browser) -> None:
    """Print how long someone without any recordings waits for a mix."""
    with explorer(browser) as (page, address, started):
        page.goto(address)
        button = page.get_by_role("button", name="Make a few songs")
        button.wait_for()
        welcomed = time.monotonic()
        button.click()
        played = play(page)
    print(
        f"first mix of a newcomer: {played - welcomed:.1f} s from the welcome, which came after "
        f"{welcomed - started:.1f} s (load {os.getloadavg()[0]:.1f})",
        flush=True,
    )


def presses(page: Page, count: int, listen_s: float) -> list[tuple[float, float]]:
    """Press *Next* so often, listening in between; return of each what ``PRESS`` does, in milliseconds."""
    root: Locator = page.locator(".player")
    if not root.evaluate("root => root.player.loop"):  # the mix must not end while it is listened to
        page.get_by_role("button", name="Loop", exact=True).click()
    found = []
    for _ in range(count):
        page.wait_for_timeout(1000 * listen_s)
        total, sent = root.evaluate(PRESS)
        found.append((float(total), float(sent)))
    return found


def page_switches(page: Page) -> dict[str, list[float]]:
    """Go from page to page; return by name the milliseconds until what one came for is there."""
    found: dict[str, list[float]] = {name: [] for name in PAGES}
    for _ in range(ROUNDS):
        for name, mark in PAGES.items():
            start = time.monotonic()
            page.get_by_test_id("stTopNavLink").filter(has_text=name).first.click()
            page.wait_for_function("name => document.querySelector('h2')?.textContent === name", arg=name)
            page.locator(mark).first.wait_for()
            found[name].append(1000 * (time.monotonic() - start))
    return found


def say(what: str, values: Sequence[float]) -> None:
    """Print median, ninth decile and worst of some milliseconds, and how busy the machine is."""
    ordered = sorted(values)
    ninth = ordered[min(int(0.9 * len(ordered)), len(ordered) - 1)]
    print(
        f"{what}: median {statistics.median(ordered):.0f} ms, ninth decile {ninth:.0f}, "
        f"worst {ordered[-1]:.0f} ({len(ordered)} times, load {os.getloadavg()[0]:.1f}, "
        f"{os.cpu_count()} cores)",
        flush=True,
    )


def measure(page: Page, address: str, started: float, count: int) -> None:
    """Measure and print what one waits for on a catalog."""
    page.goto(address)
    print(f"first mix: {play(page) - started:.1f} s (load {os.getloadavg()[0]:.1f})", flush=True)
    for name, listen_s in ((f"Next after {LISTEN_S:g} s of listening", LISTEN_S), ("Next at once", 0.0)):
        found = presses(page, count, listen_s)
        say(f"{name}, to audio", [total for total, _ in found])
        say(f"{name}, to its bytes", [sent for _, sent in found])
    for name, values in page_switches(page).items():
        say(f"to the page {name}", values)


def main(catalog: Path, count: int = PRESSES) -> None:
    """Start ``mixlab app`` and a browser, and measure."""
    program = find_program()
    if program is None:
        raise SystemExit("No chromium here. Type: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--autoplay-policy=no-user-gesture-required", "--mute-audio"]
        )
        with explorer(browser, "--catalog", str(catalog.resolve())) as (page, address, started):
            measure(page, address, started, count)
        newcomer(browser)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:3]))
