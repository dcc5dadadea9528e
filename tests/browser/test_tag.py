"""Tagging a file in a real browser: uploaded, heard, sought in the map, downloaded."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from mixlab import Catalog
from mixlab.inference.output import audacity_labels
from mixlab.inference.tagger import Tagger
from tests.browser.conftest import serve, settle, wait_for_address
from tests.tiny_run import LABELS, write_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

    from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.browser

SECONDS = 12.0


def song() -> bytes:
    """Eight seconds of a tone, then silence, as stereo FLAC at 44.1 kHz."""
    t = np.arange(round(SECONDS * 44100)) / 44100
    audio = 0.4 * np.sin(2 * np.pi * 440 * t) * (t < 8.0)
    buffer = io.BytesIO()
    soundfile.write(buffer, np.stack([audio, audio], axis=1), 44100, format="FLAC")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("tagging") / "runs" / "tiny").path


@pytest.fixture(scope="module")
def tags_address(
    browser: "Browser", toy: Catalog, run: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Address of the page on a server that finds the tiny run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIXLAB_RUNS", str(run.parent))
        for address in serve(toy.path, tmp_path_factory.mktemp("server")):
            yield f"{address}/tag"


def upload(page: "Page", data: bytes, name: str = "my song.flac") -> None:
    box = page.locator("[data-testid=stFileUploaderDropzoneInput]")
    box.wait_for(state="attached")
    settle(page)
    box.set_input_files({"name": name, "mimeType": "audio/flac", "buffer": data})


def player(page: "Page") -> "Locator":
    page.locator(".player .strip").first.wait_for()
    settle(page)
    return page.locator(".player")


def test_an_uploaded_file_gets_tags_that_can_be_downloaded(
    open_page: "OpenPage", tags_address: str, run: Path, tmp_path: Path
) -> None:
    page = open_page(tags_address)
    upload(page, song())
    root = player(page)
    assert root.evaluate("root => root.player.duration") == pytest.approx(SECONDS, abs=0.01)
    assert page.locator(".heat-row").count() == len(LABELS)
    page.get_by_text("✓ voice").wait_for()
    with page.expect_download() as expected:
        page.get_by_role("button", name="Audacity labels").click()
    assert expected.value.suggested_filename == "my song.labels.txt"
    text = Path(expected.value.path()).read_text(encoding="utf-8")
    (tmp_path / "x.flac").write_bytes(song())
    assert text == audacity_labels(Tagger.load(run, device="cpu").tag(tmp_path / "x.flac"))
    assert {line.split("\t")[2] for line in text.splitlines()} == {"voice", "singer"}


def test_it_plays_and_the_map_follows_and_seeks(open_page: "OpenPage", tags_address: str) -> None:
    page = open_page(tags_address)
    upload(page, song())
    root = player(page)
    assert root.evaluate("root => [root.player.playing, root.player.context ?? null]") == [False, None]
    strip = page.locator(".strip").nth(2)
    strip.scroll_into_view_if_needed()
    box = strip.bounding_box()
    assert box
    strip.click(position={"x": box["width"] * 0.25, "y": 8})
    assert root.evaluate("root => root.player.time") == pytest.approx(3.0, abs=0.1)
    # One cursor: every lane and every row of the map stands at the same place.
    locations = root.evaluate(
        "root => [...root.querySelectorAll('.cursor')].map(c => getComputedStyle(c).left)"
    )
    assert len(locations) == 2 + len(LABELS)
    assert len(set(locations)) == 1
    page.get_by_role("button", name="▶ Play").click()
    page.wait_for_function("(root) => root.player.time > 3.6", arg=root.element_handle())
    page.wait_for_function("(root) => root.player.levels.master > 0.1", arg=root.element_handle())
    root.evaluate("root => root.player.seek(10.0)")
    page.get_by_text(re.compile(r"From .* s: silent")).wait_for()
    page.wait_for_function("(root) => root.player.levels.master < 1e-3", arg=root.element_handle())


def test_moving_the_threshold_changes_the_map_while_it_plays_on(
    open_page: "OpenPage", tags_address: str
) -> None:
    page = open_page(f"{tags_address}?tag_decide=one+for+all")
    upload(page, song())
    root = player(page)
    page.get_by_role("button", name="Loop", exact=True).click()
    page.get_by_role("button", name="▶ Play").click()
    page.wait_for_function("(root) => root.player.time > 0.2", arg=root.element_handle())
    thumb = page.get_by_role("slider", name="Threshold")
    thumb.focus()
    page.keyboard.press("Home")
    page.wait_for_function(
        "(root) => root.querySelectorAll('.undetected').length === 0", arg=root.element_handle()
    )
    thumb.focus()
    page.keyboard.press("End")
    page.get_by_text("No class reaches its threshold").wait_for()
    assert root.evaluate("root => root.player.playing") is True
    wait_for_address(page, "tag_threshold=1")


def test_a_file_that_is_no_audio_gets_a_message_and_the_next_one_is_tagged(
    open_page: "OpenPage", tags_address: str
) -> None:
    page = open_page(tags_address)
    upload(page, b"Dear Sir or Madam, " * 50, "letter.wav")
    page.get_by_text("is no audio file").wait_for()
    assert page.locator(".player").count() == 0
    page.get_by_role("button", name=re.compile("Remove|Delete")).first.click()
    page.get_by_text("is no audio file").wait_for(state="detached")
    upload(page, song())
    player(page)


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_lies_beyond_the_edge(
    open_page: "OpenPage", tags_address: str, width: int, dark: bool
) -> None:
    page = open_page(tags_address, width=width, dark=dark)
    upload(page, song())
    root = player(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert root.evaluate("root => root.scrollWidth <= root.clientWidth")


def test_every_picture_and_control_has_a_name(open_page: "OpenPage", tags_address: str) -> None:
    page = open_page(tags_address)
    upload(page, song())
    root = player(page)
    named = root.evaluate("""root => [...root.querySelectorAll("button, input, canvas, [role]")]
      .filter(node => !node.hidden)
      .map(node => node.getAttribute("aria-label") || node.textContent.trim() || node.role === "status")""")
    assert len(named) > 8
    assert all(named)
    said = page.locator(".strip canvas").first.get_attribute("aria-label")
    assert said
    assert "voice: detected for" in said
