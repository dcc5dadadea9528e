"""Catalogs that are made from the page: labels first, work that goes on without it, and what came of it."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("streamlit", reason="the app extra is not installed")

from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from app.data import detached
from mixlab import Catalog, MixConfig, sample_recipe
from mixlab.audio.io import write_wav
from mixlab.cli.main import main as mixlab
from mixlab.training.run import Run
from mixlab.utils.detached import Step, Work
from tests.work_program import PROGRAM

PAGE = Path(__file__).resolve().parent.parent.parent / "app" / "main.py"
PATIENCE_S = 300.0


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the server was started in, empty but for what a test puts there."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What was started, and was not."""
    calls: list[dict[str, Any]] = []

    def start(work: Work, kind: str, title: str, steps: list[Step], **more: Any) -> bool:
        work.path.mkdir(parents=True, exist_ok=True)
        for name, text in (more.get("files") or {}).items():
            (work.path / name).write_text(text, encoding="utf-8")
        calls.append({"folder": work.folder, "kind": kind, "steps": steps})
        return True

    monkeypatch.setattr(Work, "start", start)
    return calls


def open_page(address: str = "") -> AppTest:
    test = AppTest.from_file(str(PAGE), default_timeout=120)
    if address:
        test._page_hash = calc_hash(address)
    test.run()
    assert not test.exception
    return test


def click(page: AppTest, label: str) -> AppTest:
    next(button for button in page.button if button.label == label).click().run()
    assert not page.exception
    return page


def said(page: AppTest) -> str:
    kinds = (page.markdown, page.success, page.info, page.error, page.caption, page.code)
    return " ".join(element.value.replace("\\", "") for kind in kinds for element in kind)


@pytest.fixture
def recordings(here: Path) -> Path:
    """Three songs with a stem that is known, one that is nearly, and one that nobody knows."""
    root, rng = here / "recordings", np.random.default_rng(1)
    for song in range(3):
        for stem in ("piano", "violyn", "zzqqkk"):
            (root / f"song {song}").mkdir(parents=True, exist_ok=True)
            audio = 0.1 * rng.standard_normal((1, 4000)).astype(np.float32)
            write_wav(root / f"song {song}" / f"{stem}.wav", audio, 8000)
    return root


def test_labels_are_checked_first_and_indexed_as_they_were_decided(
    recordings: Path, here: Path, started: list[dict[str, Any]]
) -> None:
    page = open_page("index-folder")
    page.text_input(key="index_folder").set_value(str(recordings)).run()
    click(page, "Check its labels")
    assert "**9 stems** in 3 songs" in said(page)
    assert "**2 unknown**" in said(page)
    assert not page.warning
    choices = {box.label: box for box in page.selectbox if box.label.endswith("(3 stems)")}
    assert choices["violyn (3 stems)"].value == "violin"
    assert choices["zzqqkk (3 stems)"].value == ""
    assert not started
    click(page, "Index")
    (call,) = started
    assert (call["kind"], call["folder"]) == ("index", here / "my-catalog")
    assert [mixlab(list(step.arguments)) for step in call["steps"]] == [0]
    catalog = Catalog.open(here / "my-catalog")
    nodes = {
        stem: tuple(found)
        for stem, found in zip(catalog.column("stem"), catalog.column("nodes"), strict=True)
    }
    assert nodes == {"piano": ("piano",), "violyn": ("violin",), "zzqqkk": ()}


def test_a_folder_that_would_have_no_instrument_says_so(
    recordings: Path, started: list[dict[str, Any]]
) -> None:
    for stem in (*recordings.glob("*/piano.wav"), *recordings.glob("*/violyn.wav")):
        stem.unlink()
    page = open_page("index-folder")
    page.text_input(key="index_folder").set_value(str(recordings)).run()
    click(page, "Check its labels")
    assert "No stem of it would have an instrument" in page.warning[0].value
    (choice,) = (box for box in page.selectbox if box.label.endswith("(3 stems)"))
    choice.set_value("violin").run()
    assert not page.warning


def test_a_folder_that_is_not_there_is_an_error_in_words(here: Path, started: list[dict[str, Any]]) -> None:
    page = open_page("index-folder")
    page.text_input(key="index_folder").set_value(str(here / "none")).run()
    click(page, "Check its labels")
    assert str(here / "none") in page.error[0].value.replace("\\", "")
    assert not [button for button in page.button if button.label == "Index"]


@pytest.mark.parametrize(
    ("label", "kind", "folder"),
    [("Make a few songs", "starter", "starter"), ("Make the demo corpora", "demo", "demo-output")],
)
def test_one_click_starts_what_it_says(
    here: Path, started: list[dict[str, Any]], label: str, kind: str, folder: str
) -> None:
    click(open_page(), label)
    (call,) = started
    assert (call["kind"], call["folder"]) == (kind, here / folder)
    assert [step.arguments[0] for step in call["steps"]] == ["demo-corpora", "index"]


def wait_for(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def working(here: Path) -> Iterator[Work]:
    """Work on a catalog that goes on until it is stopped."""
    work = Work(here / "my-catalog")
    assert work.start("index", "Index /data", [Step("Index", ("wait", "0"))], program=PROGRAM)
    wait_for(lambda: getattr(work.status(), "what", "") == "waiting")
    yield work
    work.stop()
    wait_for(lambda: not work.is_at_work())


def test_work_is_found_by_every_tab_and_goes_on_until_it_is_stopped(working: Work) -> None:
    first, second = open_page(), open_page("index-folder")
    for page in (first, second):
        assert "Index /data" in said(page)
        assert "goes on when this page is left or closed" in said(page)
    assert not detached.start_index(str(working.folder), "folder", "/data")
    click(second, "Stop")
    wait_for(lambda: not working.is_at_work())
    assert "Stopped." in said(first.run())
    assert "carries out wait 0" in said(first)


def test_work_that_failed_shows_what_it_said(here: Path) -> None:
    work = Work(here / "starter")
    work.start("starter", "Songs", [Step("Compose", ("say", "3"))], program=PROGRAM)
    wait_for(lambda: not work.is_at_work())
    page = open_page()
    assert "It ended with an error." in said(page)
    assert "carries out say 3" in said(page)


def test_what_is_done_is_opened_with_one_click(here: Path, toy: Catalog) -> None:
    shutil.copytree(toy.path, here / "other")
    work = Work(here / "other")
    work.start("index", "Index", [Step("Index", ("say", "0"))], program=PROGRAM)
    wait_for(lambda: not work.is_at_work())
    page = open_page("index-folder")
    assert f"{len(toy)} stems in 26 songs" in said(page)
    click(page, "Open this catalog")
    assert page.session_state["catalog_path"] == str(here / "other")
    assert not [button for button in page.button if button.label == "Open this catalog"]


@pytest.mark.slow
def test_the_starter_has_mixes_of_both_kinds_and_of_every_split(
    here: Path, started: list[dict[str, Any]]
) -> None:
    pytest.importorskip("midirenderer", reason="the demo extra is not installed")
    detached.start_starter()
    assert [mixlab(list(step.arguments)) for step in started[0]["steps"]] == [0, 0]
    catalog = Catalog.open(here / "starter" / "catalog")
    train = [sample_recipe(catalog, MixConfig(), 0, 0, index, split="train") for index in range(24)]
    for kind in ("musical", "non_musical"):
        assert max(len(recipe.sources) for recipe in train if recipe.kind == kind) >= 3
    for split in ("validation", "test"):
        assert sample_recipe(catalog, MixConfig().for_evaluation(), 0, 0, 0, split=split).sources


@pytest.mark.slow
def test_the_demo_makes_corpora_catalog_and_a_run_and_does_nothing_twice(
    here: Path, started: list[dict[str, Any]]
) -> None:
    pytest.importorskip("midirenderer", reason="the demo extra is not installed")
    sizes = [f"--train.{name}={n}" for name, n in (("epochs", 2), ("epoch_size", 32), ("val_size", 16))]
    sizes += ["--train.test_size=16", "--train.num_workers=0"]
    small = {"demo-corpora": ["--songs", "6", "--seconds", "6", "--tagged", "false"], "train": sizes}
    detached.start_demo(with_run=True)
    steps = started[0]["steps"]
    assert [step.arguments[0] for step in steps] == ["demo-corpora", "index", "train"]
    for step in steps:
        assert mixlab([*step.arguments, *small.get(step.arguments[0], [])]) == 0
    assert Run.open(here / "demo-output" / "run").info["status"] == "evaluated"
    detached.start_demo(with_run=True)
    assert [step.arguments[0] for step in started[1]["steps"]] == ["demo-corpora", "index"]
