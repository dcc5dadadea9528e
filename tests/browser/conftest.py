"""A server with the explorer on a catalog of tones, and pages of a real browser on it."""

import os
import re
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mixlab import Catalog
from mixlab.cli.commands.app import server_command

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Where a browser must be there, as in a full check, its absence is a failure instead of a skip.
REQUIRE_BROWSER = os.environ.get("MIXLAB_REQUIRE_BROWSER", "") not in ("", "0")
PATIENCE_S = 60.0
OWN = ("http://localhost:", "blob:", "data:")
# At the address of a page, Streamlit's own script first asks below that address where its server is.
PROBES = re.compile(r"http://localhost:\d+/[\w-]+/_stcore/(health|host-config)")


def missing(message: str) -> None:
    """Skip the test, or fail it where a browser is required."""
    if REQUIRE_BROWSER:
        pytest.fail(f"{message} MIXLAB_REQUIRE_BROWSER forbids to skip it.", pytrace=False)
    pytest.skip(message)


def find_program() -> str | None:
    """Return the path of a browser that the system has."""
    return next((found for found in map(shutil.which, NAMES) if found), None)


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """Chromium as the system has it; Playwright's own download is not needed."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright is not installed: type pip install playwright, or make setup.")
    program = find_program()
    if program is None:
        missing("no chromium here: type apt-get install chromium to run the tests in a real browser.")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=program, args=["--autoplay-policy=no-user-gesture-required", "--mute-audio"]
        )
        yield started
        started.close()


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])


def serve(catalog: Path, folder: Path) -> Generator[str, None, None]:
    """Run the explorer's server, yield its address, and end it."""
    port = free_port()
    address = f"http://localhost:{port}"
    environment = {**os.environ, "MIXLAB_CATALOG": str(catalog)}
    log = folder / "server.log"
    with log.open("w", encoding="utf-8") as out:
        process = subprocess.Popen(
            server_command(port, browser=False), env=environment, cwd=folder, stdout=out, stderr=out
        )
        try:
            wait_for(address, process, log)
            yield address
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE_S)


def wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the server answers."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"The explorer did not start: {log.read_text(encoding='utf-8')[-2000:]}")


@pytest.fixture(scope="session")
def address(browser: "Browser", toy: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an explorer on the catalog of tones."""
    yield from serve(toy.path, tmp_path_factory.mktemp("server"))


def is_error(message: "ConsoleMessage") -> bool:
    """Tell whether a message in the console is an error of ours."""
    return message.type == "error" and not PROBES.fullmatch(str(message.location.get("url", "")))


def is_failure(request: "Request") -> bool:
    """Tell whether a request failed; an audio element stops one itself when it goes on with a span."""
    return not (request.resource_type == "media" and "ERR_ABORTED" in str(request.failure))


def part(page: "Page", name: str, *, checked: bool | None = None) -> "Locator":
    """Return the control that opens a part of a page, or only if that is (not) open."""
    return page.get_by_role("radio", name=name, exact=True, checked=checked)


# When the page asked for a run of the script, when the server began one, and when the page last took that in.
# In Streamlit's messages (Protocol Buffers) the request is field 11, and the beginning field 4 of several.
WATCH = """(() => {
  const seen = (window.scriptRuns = { asked: 0, began: 0, changed: 0 });
  const watched = new WeakSet(), send = WebSocket.prototype.send;
  const holds = (bytes, field) => {
    let at = 0;
    const number = () => {
      for (let value = 0, unit = 1; ; unit *= 128) {
        value += (bytes[at] % 128) * unit;
        if (!(bytes[at++] >= 128)) return value;  // the last byte of a number, or past the end of a message
      }
    };
    while (at < bytes.length) {
      const tag = number(), size = number();
      if (Math.floor(tag / 8) === field) return true;
      if (tag % 8 === 2) at += size;
    }
    return false;
  };
  WebSocket.prototype.send = function (data) {
    if (!watched.has(this)) this.addEventListener("message", ({ data }) => {
      if (holds(new Uint8Array(data), 4)) seen.began = performance.now();
    });
    watched.add(this);
    if (holds(new Uint8Array(data), 11)) seen.asked = performance.now();
    return send.call(this, data);
  };
  new MutationObserver(() => { seen.changed = performance.now(); }).observe(
    document, { subtree: true, attributes: true, attributeFilter: ["data-test-script-state"] });
})()"""
# A short run may come and go unseen, and a page that is watched too late knows of none.
AT_REST = """() => {
  const { asked, began, changed } = window.scriptRuns ?? { asked: 0, began: 0, changed: 0 };
  const app = document.querySelector("[data-testid=stApp]"), now = performance.now();
  const taken = began >= asked && (changed > began || now - began > 3000);
  const still = app?.dataset.testScriptState === "notRunning" && now - changed > 250;
  return still && (taken || now - asked > 20000);
}"""


def settle(page: "Page") -> None:
    """Wait until all that was asked for is drawn; until then charts move, and addresses may change again."""
    page.wait_for_timeout(300)
    page.wait_for_function(AT_REST, polling=100)
    page.wait_for_timeout(300)


def wait_for_address(page: "Page", *parts: str) -> None:
    """Wait until the query of the address holds each of some texts."""
    page.wait_for_function("parts => parts.every((one) => location.search.includes(one))", arg=list(parts))


def choose_option(box: "Locator", option: "Locator", typed: str = "") -> None:
    """Open a select and click an option; where it is not offered, open it again, as a person does.

    Args:
        box: The select. A click on one that is open leaves it open.
        option: What is to be chosen.
        typed: What is written into the select to find it.
    """
    from playwright.sync_api import TimeoutError as InVain

    for patience_s in (10.0, 10.0, 20.0, PATIENCE_S):
        box.click()
        if typed:
            box.fill(typed)
        try:
            option.click(timeout=patience_s * 1000)
        except InVain:
            if patience_s == PATIENCE_S:
                raise
        else:
            return


OpenPage = Callable[..., "Page"]


@pytest.fixture
def open_page(browser: "Browser", address: str) -> Iterator[OpenPage]:
    """Open a page in a browser context of its own; errors and foreign requests fail the test."""
    contexts, errors = [], []

    def opened(query: str = "", *, location: str = "", width: int = 1280, dark: bool = False) -> "Page":
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            permissions=["clipboard-read", "clipboard-write"],
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE_S * 1000)
        context.add_init_script(WATCH)
        page = context.new_page()
        page.on("console", lambda m: errors.append(m.text) if is_error(m) else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        # The page must work without a network, and tell nobody that it is open.
        page.on("request", lambda r: None if r.url.startswith(OWN) else errors.append(f"asked for {r.url}"))
        page.on("requestfailed", lambda r: errors.append(f"{r.url}: {r.failure}") if is_failure(r) else None)
        page.goto(query if query.startswith("http") else f"{address}/{location}?{query}")
        return page

    yield opened
    found = list(errors)  # closing a page cuts its own connections
    for context in contexts:
        context.close()
    assert found == []
