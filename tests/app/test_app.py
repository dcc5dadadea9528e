"""The explorer's pages on a small catalog: they show what mixlab makes, and moving a control changes it."""

import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import numpy as np
import pytest

pytest.importorskip("streamlit", reason="the app extra is not installed")

from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from app import texts as words
from app.components.payload import Take, pack_mix, read_header
from app.data import mixes as data
from app.data.mixes import LAST_INDEX, find_location
from app.links import MIX_KINDS, Item, Link, bypass_pairs, make_query, read_link
from mixlab import Catalog, Mix, MixConfig, MixDataset, MixRecipe, build_catalog, render_mix, sample_recipe
from mixlab.audio.io import write_wav
from mixlab.catalog.song_table import SONG_FILE
from mixlab.cli.commands.app import app, server_command
from mixlab.errors import CatalogError, ConfigError
from mixlab.mixing.effect_presets import PRESETS
from mixlab.mixing.effects_config import EffectsConfig
from mixlab.mixing.preview import find_classes, label_tree, without_effects
from tests.errors import raises
from tests.own_effects import HISS, TREMOLO
from tests.toy import write_songs

if TYPE_CHECKING:
    from streamlit.testing.v1.element_tree import Element

PAGE = Path(__file__).resolve().parent.parent.parent / "app" / "main.py"
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


def open_page(**query: str | list[str]) -> AppTest:
    test = AppTest.from_file(str(PAGE), default_timeout=60)
    for name, value in query.items():
        test.query_params[name] = value
    return test.run()


@pytest.fixture
def page(catalog_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The page, opened once on that catalog."""
    monkeypatch.setenv("MIXLAB_CATALOG", str(catalog_path))
    test = open_page()
    assert not test.exception
    return test


@pytest.mark.parametrize(
    ("settings", "seed", "said"),
    [
        ({"p_negative": 1.0}, 901, "Without instruments"),
        ({"snr_db": (0.0, 6.0), "mixture_lufs": (-30.0, -30.0), "min_duration_s": 2.0}, 902, "-30.0 LUFS"),
        ({"label_set": "musdb4", "channels": 2, "full": True}, 903, "usical"),
        (
            {"effects": {"custom": [{"effect": name, "p": 1.0} for name in ("polarity", "swap_channels")]}},
            904,
            "",
        ),
    ],
)
def test_mixes_of_every_sort_are_shown(
    catalog_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], seed: int, said: str
) -> None:
    monkeypatch.setenv("MIXLAB_CATALOG", str(catalog_path))
    monkeypatch.setattr("app.data.mixes.mix_config", lambda item: MixConfig(**settings))
    shown = open_page(seed=str(seed), index="1")
    assert not shown.exception
    assert any(said in element.value for element in shown.markdown)
    assert component(shown, "player") is not None


def component(page: AppTest, name: str) -> "Element | None":
    found = [
        element for element in page.get("bidi_component") if element.proto.component_name == f"mixlab_{name}"
    ]
    return found[0] if found else None


def player(page: AppTest) -> dict[str, Any]:
    element = component(page, "player")
    assert element is not None
    return read_header(element.proto.bytes)


def strip(page: AppTest) -> dict[str, Any]:
    element = component(page, "strip")
    assert element is not None
    return json.loads(element.proto.json)


def link(page: AppTest) -> dict[str, list[str]]:
    element = component(page, "copy_link")
    assert element is not None
    return parse_qs(json.loads(element.proto.json)["query"])


def kind(page: AppTest) -> str:
    (text,) = (
        m.value for m in page.markdown if m.value.startswith(("**Musical", "**Non-musical", "**Matched"))
    )
    return text.partition(":")[0].strip("*")


def table(page: AppTest, location: int) -> dict[str, list[object]]:
    return page.dataframe[location].value.to_dict("list")


def test_the_page_shows_the_mix_that_mixlab_draws(page: AppTest, catalog_path: Path) -> None:
    catalog = Catalog.open(catalog_path)
    mix = render_mix(sample_recipe(catalog, MixConfig(), seed=0, epoch=0, index=0), catalog)
    header = player(page)
    assert header["id"] == mix.recipe.content_hash
    assert len(header["lanes"]) == len(mix.sources)
    sources = table(page, 0)
    keys = zip(sources["corpus"], sources["song"], sources["stem"], strict=True)
    assert ["/".join(map(str, key)) for key in keys] == [source.stem for source in mix.recipe.sources]
    stems, names = [source.stem for source in mix.sources], [name for name, _ in lane_names(page)]
    assert words.label_markdown(label_tree(mix), stems, names) in [m.value for m in page.markdown]
    assert mix.recipe.to_json(indent=2) in [code.value for code in page.code]


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_the_page_shows_the_items_that_the_dataset_yields(
    page: AppTest, catalog_path: Path, split: str
) -> None:
    page.selectbox(key="split").set_value(split).run()
    page.number_input(key="index").set_value(3).run()
    recipe = MixDataset(catalog_path, split=split, epoch_size=100).recipe(3)
    assert not page.exception
    assert player(page)["id"] == recipe.content_hash
    assert kind(page) == ("Musical" if recipe.kind == "musical" else "Non-musical")


def test_every_effect_is_said_with_its_units(page: AppTest) -> None:
    page.session_state["mix_kind"] = "non-musical"
    said: set[str] = set()
    for index in range(12):
        page.number_input(key="index").set_value(index).run()
        assert not page.exception
        for effects in (one.value for one in page.dataframe[1:]):
            said |= {*effects["effect"], *effects["parameter"], *effects["unit"]}
    assert {"gain", "peak", "pitch shift", "time stretch", "low shelf", "high shelf"} <= said
    assert {"dB", "Hz", "Q", "semitones", "times as fast", "frequency", "quality factor"} <= said


def test_p_musical_decides_the_kind(page: AppTest) -> None:
    page.slider(key="p").set_value(1.0).run()
    assert kind(page) == "Musical"
    assert len(set(table(page, 0)["song"])) == 1
    page.slider(key="p").set_value(0.0).run()
    assert kind(page) == "Non-musical"
    songs = table(page, 0)["song"]
    assert len(set(songs)) == len(songs)


def test_moving_p_musical_flips_each_neighbour_at_most_once(page: AppTest) -> None:
    before: set[int] = set()
    for p in (0.0, 0.3, 0.6, 1.0):
        page.slider(key="p").set_value(p).run()
        items = strip(page)["items"]
        musical = {item["index"] for item in items if item["kind"] == "musical"}
        assert before <= musical
        before = musical
    assert [item["index"] for item in items] == list(range(24))
    assert before == set(range(24))


@pytest.mark.parametrize(
    "move",
    [
        lambda page: page.number_input(key="index").set_value(3),
        lambda page: page.number_input(key="seed").set_value(5),
        lambda page: page.selectbox(key="split").set_value("test"),
        lambda page: page.slider(key="p").set_value(1.0 if kind(page) == "Non-musical" else 0.0),
    ],
)
def test_every_control_changes_what_is_heard(page: AppTest, move: Callable[[AppTest], AppTest]) -> None:
    before = player(page)["id"]
    move(page).run()
    assert not page.exception
    assert player(page)["id"] != before


@pytest.mark.parametrize("forced", [name for name in MIX_KINDS[1:] if name != "matched"])
def test_a_forced_kind_is_what_is_shown(page: AppTest, forced: str) -> None:
    page.session_state["mix_kind"] = forced
    page.run()
    assert kind(page).lower() == forced
    assert {item["kind"] for item in strip(page)["items"]} == {forced.replace("-", "_")}
    assert page.slider(key="p").disabled


def test_the_counterpart_is_the_same_index_of_the_other_kind(page: AppTest) -> None:
    own = player(page)["takes"]
    other = "musical" if kind(page) == "Non-musical" else "non-musical"
    page.session_state["mix_kind"] = other
    page.run()
    counterpart = player(page)["takes"]
    assert (counterpart[0]["lufs"], counterpart[1]["lufs"]) == (own[1]["lufs"], own[0]["lufs"])
    assert own[1]["name"].lower().startswith(other)


def test_the_matched_counterpart_needs_an_analysis_and_is_played_after_it(
    page: AppTest, catalog_path: Path
) -> None:
    def matched(page: AppTest) -> dict[str, Any]:
        (take,) = (take for take in player(page)["takes"] if take["name"] == "Matched counterpart")
        return take

    assert "mixlab analyse" in matched(page)["missing"]
    write_songs(Catalog.open(catalog_path))
    try:
        page.run()
        assert not matched(page)["missing"]
        page.session_state["mix_kind"] = "matched"
        page.run()
        assert kind(page) == "Matched"
        assert {item["kind"] for item in strip(page)["items"]} == {"matched"}
        names = [take["name"] for take in player(page)["takes"]]
        assert names[1:3] == ["Musical counterpart", "Non-musical counterpart"]
    finally:
        (catalog_path / SONG_FILE).unlink()


def step(page: AppTest, name: str) -> AppTest:
    """Press a button of the player: AppTest has no components, so what the button calls is called."""

    def script(name: str) -> None:
        import streamlit as st

        from app.views import audition

        location, item, wanted = st.session_state["asked"]
        audition._go(location, item, name, wanted)

    location = find_location(str(page.session_state["catalog_path"]))
    assert location is not None
    index = int(page.number_input(key="index").value)
    item = Item(page.slider(key="p").value, page.number_input(key="seed").value, index, "train")
    stepped = AppTest.from_function(script, kwargs={"name": name})
    stepped.session_state["asked"] = (location, item, tuple(page.multiselect(key="contains").value))
    stepped.run()
    assert not stepped.exception
    said = [toast.value for toast in stepped.toast]
    if "index" in stepped.session_state:
        page.number_input(key="index").set_value(stepped.session_state["index"]).run()
    assert not page.exception
    page.session_state["said"] = said
    return page


def test_steps_change_what_is_heard(page: AppTest) -> None:
    ids = [player(page)["id"]]
    for name in ("next", "random", "previous"):
        ids.append(player(step(page, name))["id"])
    assert len(set(ids)) == len(ids)


def test_the_next_mix_is_made_ahead_with_the_settings_that_it_is_then_shown_with(
    page: AppTest, catalog_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[float, int]] = []
    pack = data._payload

    def count(location: data.Location, item: Item, before: Item | None, *, short: bool) -> bytes:
        if item.seed == 907:  # not what the page that was opened before has in the making
            made.append((item.p, item.index))
        return pack(location, item, before, short=short)

    def made_ahead() -> list[tuple[float, int]]:
        assert data._ahead is not None
        data._ahead.result(timeout=120)
        found, made[:] = made[:], []
        return found

    monkeypatch.setattr(data, "_payload", count)
    page.number_input(key="seed").set_value(907).run()
    p = page.slider(key="p").value
    assert made_ahead() == [(p, 0), (p, 1)]
    step(page, "next")
    assert made_ahead() == [(p, 2)]
    page.slider(key="p").set_value(1.0).run()
    assert made_ahead() == [(1.0, 1), (1.0, 2)]
    step(page, "next")
    assert made_ahead() == [(1.0, 3)]
    catalog, config, wanted = Catalog.open(catalog_path), MixConfig(p_musical=1.0), ["violin", "key"]
    assert player(page)["id"] == sample_recipe(catalog, config, 907, 0, 2).content_hash

    def following(index: int) -> int | None:
        return find_classes(catalog, config, wanted, seed=907, start=index + 1)

    index, found = next((i, found) for i in range(10, 90) if (found := following(i)) not in (None, i + 1))
    page.number_input(key="index").set_value(index)
    page.multiselect(key="contains").set_value(wanted).run()
    assert made_ahead() == [(1.0, index), (1.0, found)]
    step(page, "next")
    assert page.number_input(key="index").value == found
    assert (1.0, found) not in made_ahead()


def test_next_goes_to_a_mix_that_holds_all_of_what_is_asked_for(page: AppTest) -> None:
    page.multiselect(key="contains").set_value(["violin", "key"]).run()
    for _ in range(3):
        step(page, "next")
        assert {"violin", "piano"} <= {lane["name"] for lane in player(page)["lanes"]}
        assert link(page)["contains"] == ["violin", "key"]
    assert "brass" in page.multiselect(key="contains").options
    assert "electric-bass" in page.multiselect(key="contains").options
    page.multiselect(key="contains").set_value(["brass"]).run()
    assert "does not have **brass**" in page.info[0].value
    index = page.number_input(key="index").value
    step(page, "next")
    assert page.number_input(key="index").value == index
    assert "No brass among" in page.session_state["said"][0]


def test_the_steps_end_with_the_stream(page: AppTest) -> None:
    assert player(page)["steps"] == {"previous": False, "next": True, "random": True}
    page.number_input(key="index").set_value(LAST_INDEX).run()
    assert player(page)["steps"] == {"previous": True, "next": False, "random": True}


def test_a_catalog_that_is_indexed_again_or_gone_is_said(
    catalog_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "catalog"
    shutil.copytree(catalog_path, own)
    monkeypatch.setenv("MIXLAB_CATALOG", str(own))
    page = open_page()
    assert not page.warning
    stored = own / "catalog.json"
    stored.write_text(stored.read_text(encoding="utf-8").replace(hash_of(own), "0" * 16), encoding="utf-8")
    page.run()
    assert "indexed again while this page was open" in page.warning[0].value
    page.run()
    assert "indexed again" in page.warning[0].value  # until it is accepted
    next(b for b in page.button if b.label == "Go on with the new catalog").click().run()
    assert not page.warning
    own.rename(tmp_path / "moved")
    page.run()
    assert "not there any more" in page.error[0].value


def test_what_an_address_says_in_vain_is_said(page: AppTest) -> None:
    opened = open_page(p="7", index="-3", split="foo", contains="kazoo", seed="5")
    assert not opened.exception
    said = opened.warning[0].value.replace("\\", "")
    for part in ("p=7 (expected 0 to 1)", "index=-3", "split=foo (expected train", "contains=kazoo"):
        assert part in said
    assert "seed" not in said
    opened.run()
    assert opened.warning  # until it is dismissed
    next(button for button in opened.button if button.label == "Understood").click().run()
    assert not opened.warning
    assert not open_page(p="0.7", index="3", split="test").warning


def hash_of(path: Path) -> str:
    return Catalog.open(path).content_hash


@pytest.mark.parametrize(
    ("view", "title"),
    [
        ("", "Audition"),
        ("corpus", "Corpus"),
        ("runs", "Runs"),
        ("p-musical", "p_musical"),
        ("tag", "Tag a file"),
    ],
)
def test_every_page_has_its_name_the_catalog_and_the_same_buttons(
    page: AppTest, catalog_path: Path, view: str, title: str
) -> None:
    opened = AppTest.from_file(str(PAGE), default_timeout=60)
    opened._page_hash = calc_hash(view) if view else ""
    opened.run()
    head = next(html.proto.body for html in opened.get("html") if "mixlab-head" in html.proto.body)
    assert f"<h2>{title}</h2>" in head
    assert hash_of(catalog_path) in head
    assert f"{len(Catalog.open(catalog_path))} stems" in head
    assert [one.proto.popover.label for one in opened.get("popover")][:2] == ["Catalog", "Folders"]


def test_an_effect_can_be_left_out(page: AppTest, catalog_path: Path) -> None:
    page.session_state["mix_kind"] = "non-musical"
    page.number_input(key="index").set_value(1).run()
    catalog = Catalog.open(catalog_path)
    sampled = sample_recipe(catalog, MixConfig(), 0, 0, 1, kind="non_musical")
    item = player(page)["item"]
    name = next(f"{s + 1}.1 " for s, source in enumerate(sampled.sources) if source.effects)
    (option,) = (o for o in words.effect_names(sampled, lane_names(page)) if o.startswith(name))
    page.session_state["bypass"] = [option]
    page.run()
    assert player(page)["id"] == without_effects(sampled, bypass_pairs([option])).content_hash
    assert player(page)["item"] == item
    assert link(page)["bypass"] == [option]
    page.number_input(key="index").set_value(2).run()
    assert "bypass" not in link(page)


def test_effects_of_ones_own_are_shown_and_can_be_left_out(
    page: AppTest, catalog_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = EffectsConfig(custom=[{"effect": TREMOLO, "p": 1}, {"effect": HISS, "p": 1}])
    config = MixConfig(effects=own)
    monkeypatch.setattr("app.data.mixes.mix_config", lambda item: config)
    page = open_page(seed="77")
    assert not page.exception
    catalog = Catalog.open(catalog_path)
    sampled = sample_recipe(catalog, config, 77, 0, 0)
    assert player(page)["id"] == sampled.content_hash
    assert [take["name"] for take in player(page)["takes"][:2]] == ["Sources", "Mixture"]
    shown = words.effect_table(sampled, lane_names(page))
    assert {"Tremolo", "Hiss"} <= set(shown["effect"])
    assert {"rate", "depth", "level", "seed"} <= set(shown["parameter"])
    assert "mixture" in set(shown["instrument"])
    assert page.dataframe[1].value.astype(str).equals(shown.astype(str))
    (option,) = (
        o for o in words.effect_names(sampled, lane_names(page)) if o.startswith("0.1 mixture: Hiss")
    )
    page.session_state["bypass"] = [option]
    page.run()
    assert player(page)["id"] == replace(sampled, effects=()).content_hash
    assert [take["name"] for take in player(page)["takes"][:1]] == ["This mix"]
    dry = render_mix(without_effects(sampled), catalog)
    assert not dry.recipe.effects
    assert not any(source.effects for source in dry.recipe.sources)


def lane_names(page: AppTest) -> list[tuple[str, str]]:
    return [(lane["name"], lane["detail"]) for lane in player(page)["lanes"]]


def test_a_link_reopens_this_very_mix(page: AppTest) -> None:
    page.slider(key="p").set_value(0.65).run()
    page.number_input(key="seed").set_value(11).run()
    page.number_input(key="index").set_value(7).run()
    linked = open_page(**link(page))
    assert not linked.exception
    assert not linked.warning
    assert player(linked)["id"] == player(page)["id"] == link(page)["mix"][0]
    assert link(linked) == link(page)


def test_a_link_of_another_catalog_warns_instead_of_playing(page: AppTest) -> None:
    linked = open_page(index="7", catalog="0123456789abcdef")
    assert "made on another catalog" in linked.warning[0].value
    assert component(linked, "player") is None
    next(b for b in linked.button if b.label.startswith("Show what")).click().run()
    assert not linked.warning
    assert player(linked)["id"]


def test_a_link_that_names_another_mix_says_so_once(page: AppTest) -> None:
    linked = open_page(**(link(page) | {"mix": ["f" * 16]}))
    assert "was made with another release" in linked.warning[0].value
    linked.run()
    assert not linked.warning


def test_hashes_in_links_are_shown_as_text(page: AppTest) -> None:
    linked = open_page(catalog="<b>[x](http://y)</b>")
    assert "<b>" not in linked.warning[0].value
    assert "](http" not in linked.warning[0].value


@pytest.mark.parametrize(
    ("item", "bypass"),
    [
        (Item(0.4, 0, 0, "train"), []),
        (Item(0.65, 3, 12, "test", "musical"), []),
        (Item(0.65, 3, 12, "train", "matched", preset="wild"), []),
        (Item(0.0, 3, 12, "train", "non-musical", ((0, 1), (2, 0))), ["3.1 bass: gain 2 dB", "1.2 a & b: x"]),
    ],
)
def test_links_hold_all_that_decides_a_mix(item: Item, bypass: list[str]) -> None:
    query = parse_qs(make_query(item, ("violin", "key"), bypass, "c" * 16, "m" * 16))
    assert read_link({key: values[-1] for key, values in query.items()}) == Link("c" * 16, "m" * 16)
    found = float(query["p"][0]), int(query["seed"][0]), int(query["index"][0])
    assert found == (item.p, item.seed, item.index)
    assert query["mix_kind"] == [item.mix_kind]
    assert query["split"] == [item.split]
    assert query["effects"] == [item.preset]
    assert bypass_pairs(query.get("bypass", [])) == item.bypass


@pytest.mark.parametrize(
    "item",
    [
        Item(0.4, 0, 2, "train"),
        Item(0.9, 5, 3, "train"),
        Item(0.4, 1, 4, "test"),
        Item(0.4, 1, 4, "train", "non-musical"),
        Item(0.4, 1, 4, "train", preset="none"),
        Item(0.4, 1, 4, "train", preset="studio"),
    ],
)
def test_the_lines_of_python_make_this_very_mix(page: AppTest, catalog_path: Path, item: Item) -> None:
    shown = open_page(
        p=str(item.p), seed=str(item.seed), index=str(item.index), split=item.split, mix_kind=item.mix_kind,
        effects=item.preset,
    )  # fmt: skip
    code = next(code.value for code in shown.code if code.language == "python")
    assert len(code.split("\n")) == 3 + (item.preset != "paper")
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["mix"].recipe.content_hash == player(shown)["id"]


def test_presets_change_the_effects_and_nothing_else(page: AppTest) -> None:
    found = {}
    for preset in PRESETS:
        page.selectbox(key="effects").select(preset).run()
        found[preset] = MixRecipe.from_json(next(code.value for code in page.code if code.language == "json"))
    assert len({recipe.content_hash for recipe in found.values()}) == len(PRESETS)
    assert not any(source.effects for source in found["none"].sources)
    for preset, recipe in found.items():
        # Without a time stretch less of a stem is needed, which may then begin a little elsewhere.
        exact = preset != "none"
        assert [(s.stem, exact and s.start_s) for s in recipe.sources] == [
            (s.stem, exact and s.start_s) for s in found["paper"].sources
        ]


def test_presets_are_of_training_mixes_alone(page: AppTest) -> None:
    page.selectbox(key="effects").select("studio").run()
    page.selectbox(key="split").select("test").run()
    assert page.selectbox(key="effects").disabled
    assert not MixRecipe.from_json(next(code.value for code in page.code if code.language == "json")).effects


def test_downloads_are_named_after_what_they_hold(page: AppTest) -> None:
    page.number_input(key="seed").set_value(4).run()
    labels = [button.proto.label for button in page.get("download_button")]
    assert labels == ["Mixture (WAV)", "Sources (ZIP)", "Page (HTML)", "Recipe (JSON)"]


def test_without_a_catalog_the_page_says_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    empty = open_page()
    assert not empty.exception
    assert [button.label for button in empty.button][-3:] == [
        "Make a few songs",
        "Make the demo corpora",
        "Check its labels",
    ]
    assert component(empty, "player") is None


def test_a_damaged_catalog_is_an_error_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "catalog.json").write_text("{", encoding="utf-8")
    monkeypatch.setenv("MIXLAB_CATALOG", str(tmp_path))
    broken = open_page()
    assert not broken.exception
    assert "catalog.json" in broken.error[0].value.replace("\\", "")


# ---- the player's blob ----


@pytest.fixture(scope="module")
def busy_mix(toy: Catalog) -> Mix:
    """A mix of four sources or more."""
    recipes = (sample_recipe(toy, MixConfig(), 0, 0, index, kind="non_musical") for index in range(100))
    return render_mix(next(recipe for recipe in recipes if len(recipe.sources) >= 4), toy)


def unpack(blob: bytes) -> tuple[dict[str, Any], np.ndarray]:
    """Read a blob as the player does: header and signals."""
    header = read_header(blob)
    start = 4 + int.from_bytes(blob[:4], "little")
    assert start % 4 == 0
    count = sum(len(take["lanes"]) + take["audio"] for take in header["takes"])
    shape = (count, header["channels"], header["samples"])
    if header.get("encoding") == "int16":
        return header, np.frombuffer(blob, "<i2", offset=start).reshape(shape) / 32767
    return header, np.frombuffer(blob, "<f4", offset=start).reshape(shape)


def test_the_blob_holds_every_sample(busy_mix: Mix, toy: Catalog) -> None:
    own = Take("mix", "This mix", "", busy_mix.mixture)
    whole = Take("mixture", "Mixture", "", 0.5 * busy_mix.mixture)
    names = [(f"source {n} ü", "from") for n in range(len(busy_mix.sources))]
    dry = render_mix(without_effects(busy_mix.recipe), toy)
    other = Take("dry", "Dry", "", dry.mixture, mix=dry, names=names, mixer="mix")
    none = Take("counterpart", "Counterpart", "", missing="there is none")
    header, audio = unpack(pack_mix(busy_mix, "item", names, [own, whole, other, none]))
    assert [lane["name"] for lane in header["lanes"]] == [name for name, _ in names]
    expected = [
        *(source.audio for source in busy_mix.sources),
        whole.mixture,
        *(source.audio for source in dry.sources),
    ]
    assert np.array_equal(audio, np.stack(expected))
    assert np.allclose(audio[: len(names)].sum(axis=0), busy_mix.mixture, atol=1e-6)
    assert [len(take["lanes"]) for take in header["takes"]] == [len(names), 0, len(names), 0]
    assert [take["missing"] for take in header["takes"]] == ["", "", "", "there is none"]
    assert [take.get("mixer") for take in header["takes"]] == [None, None, "mix", None]


def test_a_short_blob_is_half_as_large_and_sounds_alike(busy_mix: Mix) -> None:
    names = [("a", "b")] * len(busy_mix.sources)
    takes = [Take("mix", "This mix", "", busy_mix.mixture)]
    _, exact = unpack(pack_mix(busy_mix, "item", names, takes))
    header, short = unpack(pack_mix(busy_mix, "item", names, takes, short=True))
    assert header["encoding"] == "int16"
    np.testing.assert_allclose(short, exact, atol=0.6 / 32767)


def test_a_label_names_the_lanes_that_it_is_due_to(busy_mix: Mix) -> None:
    names = [(f"source {n}", "from") for n in range(len(busy_mix.sources))]
    header, _ = unpack(pack_mix(busy_mix, "", names, [Take("mix", "", "", busy_mix.mixture)]))
    labels = {label["name"]: label for label in header["takes"][0]["labels"]}
    said = {one.name: one for one in busy_mix.explain()}
    assert {name: label["state"] for name, label in labels.items()} == {n: e.state for n, e in said.items()}
    keys = [source.stem for source in busy_mix.sources]
    for name, label in labels.items():
        held = [n for n, key in enumerate(keys) if re.search(rf"{re.escape(key)}\b", said[name].reason)]
        if label["state"] == "present":
            assert label["lanes"] == held
            assert held
            assert all(f"lane {n + 1} (source {n})" in label["why"] for n in held)
        if label["state"] == "absent":
            assert not label["lanes"]
        assert not any(key in label["why"] for key in keys)


@pytest.mark.parametrize("factor", [0.05, 0.5, 1.0])
def test_takes_are_matched_in_loudness_but_never_clip(busy_mix: Mix, factor: float) -> None:
    loud = busy_mix.mixture / np.abs(busy_mix.mixture).max()
    takes = [Take("mix", "", "", loud), Take("counterpart", "", "", np.float32(factor) * loud)]
    first, counterpart = read_header(pack_mix(busy_mix, "", [("", "")] * len(busy_mix.sources), takes))[
        "takes"
    ]
    assert first["match_db"] == 0.0
    assert counterpart["match_db"] == pytest.approx(min(-20 * np.log10(factor), 24.0), abs=0.02)
    assert counterpart["peak"] * 10 ** (counterpart["match_db"] / 20) <= 1.001


def test_silence_is_matched_to_nothing(busy_mix: Mix) -> None:
    takes = [Take("mix", "", "", busy_mix.mixture), Take("dry", "", "", 0 * busy_mix.mixture)]
    dry = read_header(pack_mix(busy_mix, "", [("", "")] * len(busy_mix.sources), takes))["takes"][1]
    assert (dry["lufs"], dry["match_db"]) == (None, 0.0)


def test_what_markdown_would_format_is_shown_as_it_is() -> None:
    assert words.escape("a|b *c* _d_ <e> [f](g) `h` $i$ :red[j]") == (
        r"a\|b \*c\* \_d\_ \<e\> \[f\]\(g\) \`h\` \$i\$ \:red\[j\]"
    )


def test_a_mix_with_effects_left_out_is_made_from_its_recipe(busy_mix: Mix, toy: Catalog) -> None:
    item = Item(0.4, 0, 0, "train", bypass=((0, 0),))
    text = words.snippet(busy_mix, item, toy.path)
    assert words.file_name(busy_mix, item, ".json") in text
    assert MixRecipe.__name__ in text


# ---- the command ----


def test_the_command_refuses_what_it_cannot_open(tmp_path: Path) -> None:
    with raises(CatalogError, code="catalog-not-found", mentions="catalog.json"):
        app(catalog=tmp_path)
    with raises(ConfigError, code="invalid-setting", mentions=("--port", "1024", "65535", "80")):
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
    assert "--global.disableWidgetStateDuplicationWarning=true" in command  # or pages print stack traces
    assert "--logger.hideWelcomeMessage=true" in command  # or Streamlit's own messages lie over the pages
    assert Path(command[4]) == PAGE
