"""The explorer's page on a small catalog: it shows what mixlab draws, and moving a control changes it."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("streamlit", reason="the app extra is not installed")

from streamlit.testing.v1 import AppTest

from mixlab import Catalog, MixConfig, MixDataset, build_catalog, draw, render
from mixlab.audio import write_wav
from mixlab.commands.app import app, server_command
from mixlab.errors import CatalogError, ConfigError

if TYPE_CHECKING:
    from streamlit.testing.v1.element_tree import Element

PAGE = Path(__file__).resolve().parent.parent / "app" / "main.py"
STEMS = {"violin": 660.0, "piano": 330.0, "electric bass": 82.0}
RATE = 8000


@pytest.fixture(scope="module")
def catalog_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of nine songs of three steady tones each."""
    root = tmp_path_factory.mktemp("corpus")
    times = np.arange(6 * RATE) / RATE
    for song in range(9):
        folder = root / f"Artist {song} - Song {song}"
        folder.mkdir()
        for label, hertz in STEMS.items():
            tone = 0.2 * np.sin(2 * np.pi * (hertz + 10 * song) * times)
            write_wav(folder / f"{label}.wav", tone[None].astype("f4"), RATE)
    out = tmp_path_factory.mktemp("catalog")
    build_catalog(out, {"folder": root}, workers=1, progress=False)
    return out


@pytest.fixture
def page(catalog_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The page, opened once on that catalog."""
    monkeypatch.setenv("MIXLAB_CATALOG", str(catalog_path))
    test = AppTest.from_file(str(PAGE), default_timeout=60).run()
    assert not test.exception
    return test


def kind(page: AppTest) -> str:
    return page.markdown[0].value.partition(":")[0].strip("*")


def player(page: AppTest) -> "Element":
    (audio,) = page.get("audio")
    return audio


def table(page: AppTest, place: int) -> dict[str, list[object]]:
    return page.dataframe[place].value.to_dict("list")


def test_the_page_shows_the_mix_that_mixlab_draws(page: AppTest, catalog_path: Path) -> None:
    catalog = Catalog.open(catalog_path)
    mix = render(draw(catalog, MixConfig(), seed=0, epoch=0, index=0), catalog)
    sources, labels = table(page, 0), table(page, 1)
    keys = zip(sources["corpus"], sources["song"], sources["stem"], strict=True)
    assert ["/".join(map(str, key)) for key in keys] == [source.stem for source in mix.recipe.sources]
    assert labels["class"] == list(mix.labels.names)
    words = {(True, True): "✓ present", (False, True): "– absent"}
    expected = [words.get((t > 0, bool(m)), "? unknown") for t, m in zip(mix.target, mix.mask, strict=True)]
    assert labels["label"] == expected
    assert all(labels["why"])


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_the_page_shows_the_items_that_the_dataset_yields(
    page: AppTest, catalog_path: Path, split: str
) -> None:
    page.selectbox(key="split").set_value(split).run()
    page.number_input(key="index").set_value(3).run()
    recipe = MixDataset(catalog_path, split=split, epoch_size=100).recipe(3)
    assert not page.exception
    assert table(page, 0)["stem"] == [source.stem.split("/")[2] for source in recipe.sources]
    assert kind(page) == ("Musical" if recipe.kind == "musical" else "Non-musical")


def test_every_effect_is_said_with_its_units(page: AppTest) -> None:
    page.slider(key="p").set_value(0.0).run()
    said = []
    for index in range(12):
        page.number_input(key="index").set_value(index).run()
        assert not page.exception
        said += [str(effects) for effects in table(page, 0)["effects"]]
    together = " ".join(said)
    for words in (
        "gain",
        "dB",
        "shelf",
        "Hz",
        "peak",
        "pitch shift",
        "semitones",
        "time stretch",
        "times as fast",
    ):
        assert words in together


def test_p_musical_decides_the_kind(page: AppTest) -> None:
    page.slider(key="p").set_value(1.0).run()
    assert kind(page) == "Musical"
    assert len(set(table(page, 0)["song"])) == 1
    page.slider(key="p").set_value(0.0).run()
    assert kind(page) == "Non-musical"
    songs = table(page, 0)["song"]
    assert len(set(songs)) == len(songs)


@pytest.mark.parametrize(
    "move",
    [
        lambda page: page.number_input(key="index").set_value(3),
        lambda page: page.number_input(key="seed").set_value(5),
        lambda page: page.selectbox(key="split").set_value("test"),
    ],
)
def test_every_control_changes_what_is_heard(page: AppTest, move: Callable[[AppTest], AppTest]) -> None:
    before = player(page).proto.url
    move(page).run()
    assert not page.exception
    assert player(page).proto.url != before


def test_a_link_opens_the_view_it_names(page: AppTest) -> None:
    page.number_input(key="index").set_value(7).run()
    linked = AppTest.from_file(str(PAGE), default_timeout=60)
    linked.query_params["index"] = "7"
    linked.run()
    assert linked.number_input(key="index").value == 7
    assert table(linked, 0) == table(page, 0)


def test_the_recipe_can_be_downloaded_under_a_name_that_tells_what_it_is(page: AppTest) -> None:
    page.number_input(key="seed").set_value(4).run()
    (button,) = page.get("download_button")
    assert button.proto.label == "Download the recipe"
    assert "mix_s4_i0_" in page.code[0].value


def test_without_a_catalog_the_page_says_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    empty = AppTest.from_file(str(PAGE), default_timeout=60).run()
    assert not empty.exception
    assert "make demo" in empty.info[0].value
    assert not empty.get("audio")


def test_a_damaged_catalog_is_an_error_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "catalog.json").write_text("{", encoding="utf-8")
    monkeypatch.setenv("MIXLAB_CATALOG", str(tmp_path))
    broken = AppTest.from_file(str(PAGE), default_timeout=60).run()
    assert not broken.exception
    assert "catalog.json" in broken.error[0].value


def test_the_command_refuses_what_it_cannot_open(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"catalog\.json is missing"):
        app(catalog=tmp_path)
    with pytest.raises(ConfigError, match="--port takes 1024 to 65535, found 80"):
        app(port=80)


def test_the_command_serves_the_catalog_it_is_given(
    catalog_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    monkeypatch.setattr(os, "execve", lambda *call: started.append(call))
    app(catalog=catalog_path, port=8600, browser=False)
    ((program, command, environment),) = started
    assert program == sys.executable
    assert command == server_command(8600, browser=False)
    assert environment["MIXLAB_CATALOG"] == str(catalog_path.resolve())


def test_the_server_stays_on_this_machine_and_watches_no_files() -> None:
    command = server_command(8600, browser=False)
    assert {"--server.address=localhost", "--server.port=8600", "--server.fileWatcherType=none"} <= set(
        command
    )
    assert "--server.headless=true" in command
    assert Path(command[4]) == PAGE
