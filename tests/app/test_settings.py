"""Settings of the mixing in the explorer: the form has every field, and what it says is what is mixed."""

import json
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import parse_qs

import numpy as np
import pytest

pytest.importorskip("streamlit", reason="the app extra is not installed")

from streamlit.testing.v1 import AppTest

from app import settings
from app.components.payload import read_header
from app.data import mixes as mix_data
from app.links import Item, make_query
from mixlab import Catalog, MixConfig, load_label_set, sample_recipe
from mixlab.audio.io import resample
from mixlab.errors import ConfigError
from mixlab.mixing.effects_config import EffectsConfig
from tests.errors import raises
from tests.own_effects import TREMOLO

PAGE = Path(__file__).resolve().parent.parent.parent / "app" / "main.py"

CHANGED: tuple[dict[str, Any], ...] = (
    {},
    {"balance": 0.5, "min_sources": 3, "corpora": ["folder"]},
    {"effects": {"gain": {"p": 0.0, "db": [-6.0, 0.0]}, "preset": "wild"}},
    {"strategies": {"musical": 0.2, "non_musical": 0.8}, "matched": {"max_semitones": 2}},
    {"effects": {"custom": [{"effect": "compressor", "p": 1.0}]}, "snr_db": [0.0, 6.0]},
    {"label_set": "musdb4", "corpus_weights": {"a": 2.0}, "p_musical": 0.9},
)


def leaves(kind: type[Any], prefix: str = "") -> set[str]:
    found: set[str] = set()
    hints = get_type_hints(kind)
    for each in fields(kind):
        part = is_dataclass(hints[each.name])
        found |= leaves(hints[each.name], f"{prefix}{each.name}.") if part else {prefix + each.name}
    return found


def test_the_form_has_every_field_once_with_what_its_docstring_says() -> None:
    paths = [field.path for field in settings.all_fields()]
    assert len(paths) == len(set(paths))
    assert set(paths) == leaves(MixConfig)
    assert [field.path for field in settings.all_fields() if not field.about] == []
    shown = [field.path for group in settings.grouped().values() for field in group]
    assert sorted(shown) == sorted(paths)


def test_the_groups_name_fields_that_there_are_and_leave_none_out() -> None:
    named = [name for names in settings.GROUPS.values() for name in names]
    assert sorted(named) == sorted(field.name for field in fields(MixConfig))


@pytest.mark.parametrize("field", settings.all_fields(), ids=lambda field: field.path)
def test_every_field_takes_back_what_its_control_shows(field: settings.Field) -> None:
    for data in CHANGED:
        config = MixConfig.from_dict(data)
        shown = settings.shown_value(field, config)
        assert settings.edited(config, {field.path: shown}) == config
    if field.shape == "choice":
        assert field.default in field.choices


@pytest.mark.parametrize("data", CHANGED)
def test_texts_of_settings_give_the_same_settings_again(data: dict[str, Any], tmp_path: Path) -> None:
    config = MixConfig.from_dict(data)
    text = settings.encode(config)
    assert settings.decode(text, config.p_musical, config.effects.preset) == config
    assert "p_musical" not in text
    assert "preset" not in text
    assert MixConfig.from_yaml(settings.yaml_lines(config)) == config
    names: dict[str, Any] = {}
    exec(settings.python_lines(config, tmp_path, 3).rpartition("\n")[0], names)
    assert names["config"] == config
    assert len(settings.python_lines(config, tmp_path, 3).split("\n")) == 3


def test_a_label_set_of_ones_own_stands_in_the_address_with_its_contents(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("outputs:\n- {name: strings, nodes: [violin]}\n", encoding="utf-8")
    config = settings.edited(MixConfig(), {"label_set": str(path)})
    text = settings.encode(config)
    path.unlink()
    assert settings.decode(text) == config
    assert settings.find_outsiders(text) == []
    (field,) = (one for one in settings.all_fields() if one.path == "label_set")
    assert settings.say_value(field, config.label_set) == "own (your own)"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", 0),
        ('{"balance":1}', 0),
        ('{"effects":{"custom":[{"effect":"compressor"}]}}', 0),
        ('{"effects":{"custom":["os:system","codec"]}}', 1),
        ('{"effects":{"custom":"os:system"}}', 1),
        ('{"effects":{"custom":{"effect":"x:Y"}}}', 1),
        ('{"effects":{"custom":[{"effect":"background","folder":"/home"}, 3]}}', 2),
        ('{"label_set":"/etc/passwd.yaml"}', 1),
        ('{"label_set":["x"]}', 1),
    ],
)
def test_what_an_address_names_of_others_is_found_without_touching_it(text: str, named: int) -> None:
    assert len(settings.find_outsiders(text)) == named


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "invalid-syntax"),
        ("[1]", "invalid-setting"),
        ("3", "invalid-setting"),
        ("[" * 5000, "invalid-syntax"),
        ('{"balance": 1, "balance": 0}', "invalid-syntax"),
    ],
)
def test_a_text_that_is_no_settings_is_refused(text: str, code: str) -> None:
    with raises(ConfigError, code=code, mentions="address"):
        settings.decode(text)


def test_a_search_finds_settings_by_name_and_by_what_they_do() -> None:
    assert "bleed" in {f.path for f in settings.grouped("bleed")["Sources"]}
    assert "effects.gain.p" in {f.path for f in settings.grouped("probability gain")["Effects"]}
    assert settings.grouped("no such word") == {}


def test_links_hold_the_settings() -> None:
    text = settings.encode(MixConfig(balance=0.5))
    query = parse_qs(make_query(Item(0.4, 0, 0, "train", settings=text), (), (), "c", "m"))
    assert json.loads(query["settings"][0]) == {"balance": 0.5}
    assert "settings" not in parse_qs(make_query(Item(0.4, 0, 0, "train"), (), (), "c", "m"))


# ---- the drawer on the page ----


def open_page(toy: Catalog, monkeypatch: pytest.MonkeyPatch, **query: str) -> AppTest:
    monkeypatch.setenv("MIXLAB_CATALOG", str(toy.path))
    test = AppTest.from_file(str(PAGE), default_timeout=60)
    for name, value in query.items():
        test.query_params[name] = value
    test.run()
    assert not test.exception
    return test


def open_drawer(toy: Catalog, monkeypatch: pytest.MonkeyPatch, find: str, **query: str) -> AppTest:
    page = open_page(toy, monkeypatch, **query)
    page.button(key="open_drawer").click().run()
    page.text_input(key="settings find").set_value(find).run()
    return page


def header(page: AppTest) -> dict[str, Any]:
    (found,) = (one for one in page.get("bidi_component") if one.proto.component_name == "mixlab_player")
    return read_header(found.proto.bytes)


def in_address(page: AppTest) -> str:
    found = page.query_params.get("settings", "")
    return found if isinstance(found, str) else found[-1]


def test_a_changed_setting_is_mixed_compared_and_stands_in_the_address(
    toy: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_drawer(toy, monkeypatch, "effects.gain", seed="4", index="2")
    before = header(page)
    page.number_input(key="mix.effects.gain.p").set_value(1.0).run()
    page.text_input(key="mix.effects.gain.db").set_value("-30, -30").run()
    config = MixConfig(effects=EffectsConfig(gain={"p": 1.0, "db": (-30.0, -30.0)}))  # type: ignore[arg-type]
    assert header(page)["id"] == sample_recipe(toy, config, 4, 0, 2).content_hash
    assert in_address(page) == settings.encode(config)
    take = header(page)["takes"][1]
    assert (take["name"], take["lufs"]) == ("Before", before["takes"][0]["lufs"])
    assert header(page)["item"] == before["item"], "the player goes on at its place"
    linked = open_page(toy, monkeypatch, seed="4", index="2", settings=settings.encode(config))
    assert header(linked)["id"] == header(page)["id"]
    names: dict[str, Any] = {}
    exec(next(code.value for code in linked.code if "sample_recipe" in code.value), names)
    assert names["mix"].recipe.content_hash == header(page)["id"]
    (button,) = (b for b in page.button if b.label == "Undo all")
    button.click().run()
    assert header(page)["id"] == before["id"]
    assert not in_address(page)


def test_a_mix_is_asked_for_classes_of_the_label_set_in_the_settings(
    toy: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_drawer(toy, monkeypatch, "label_set")
    asked = page.multiselect(key="contains")
    assert asked.options[:15] == list(load_label_set("mixtures15").names)
    location = mix_data.find_location(str(toy.path))
    assert location is not None
    gone = next(name for name in asked.options if name not in mix_data.instrument_names(location, "musdb4"))
    asked.set_value([gone, "piano"]).run()
    page.selectbox(key="mix.label_set").set_value("musdb4").run()
    assert not page.exception
    asked = page.multiselect(key="contains")
    assert asked.options[:4] == list(load_label_set("musdb4").names)
    assert asked.value == ["piano"]  # an instrument of the tree; the class is none of these four
    asked.set_value(["vocals", "bass"]).run()
    linked = open_page(toy, monkeypatch, contains=["vocals", "bass"], settings='{"label_set":"musdb4"}')
    assert linked.multiselect(key="contains").value == ["vocals", "bass"]
    assert not [one for one in linked.warning if "no setting here" in one.value]


NOISY: dict[str, Any] = {"effects": {"custom": [{"effect": "noise", "stage": "mixture", "p": 1.0}]}}


@pytest.mark.parametrize(
    ("was", "now", "said", "has_lanes"),
    [
        ({}, {"duration_s": 3.0}, " (the first 3 of its 4 s)", True),
        ({}, {"duration_s": 5.0}, " (4 s, then silence)", True),
        ({}, {"sample_rate": 8000}, " (brought from 16,000 to 8,000 Hz)", True),
        ({}, NOISY, "", True),
        (NOISY, {"duration_s": 3.0}, " (the first 3 of its 4 s)", False),
    ],
    ids=["shorter", "longer", "slower", "noise", "noise before"],
)
def test_before_is_what_it_was_whatever_its_length_rate_and_effects(
    toy: Catalog, was: dict[str, Any], now: dict[str, Any], said: str, has_lanes: bool
) -> None:
    location = mix_data.find_location(str(toy.path))
    assert location is not None
    items = [
        Item(0.4, 3, 1, "train", settings=settings.encode(MixConfig.from_dict(given))) for given in (was, now)
    ]
    blob = mix_data.get_payload(location, items[1], items[0])
    header = read_header(blob)
    (place,) = (n for n, take in enumerate(header["takes"]) if take["key"] == "before")
    take = header["takes"][place]
    assert take["about"] == f"index 1 with the settings before they were changed{said}"
    old = mix_data.get_mix(location, items[0])
    assert len(take["lanes"]) == (len(old.sources) if has_lanes else 0)
    assert take["audio"] is not has_lanes
    # What is sent of it adds up to its mixture.
    size = header["channels"] * header["samples"]
    sent = np.frombuffer(blob[4 + int.from_bytes(blob[:4], "little") :], "<f4").reshape(-1, size)
    first = sum(len(one["lanes"]) + one["audio"] for one in header["takes"][:place])
    played = sent[first : first + max(len(take["lanes"]), 1)].sum(axis=0)
    rate = old.recipe.render.sample_rate
    whole = (
        old.mixture if rate == header["sample_rate"] else resample(old.mixture, rate, header["sample_rate"])
    )
    expected = np.zeros(size, np.float32)
    expected[: whole.shape[1]] = whole[0, :size]
    np.testing.assert_allclose(played, expected, atol=1e-5)


def test_a_bad_value_is_refused_beside_its_field_until_its_partner_fits(
    toy: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_drawer(toy, monkeypatch, "sources")
    before = header(page)["id"]
    page.number_input(key="mix.min_sources").set_value(7).run()
    assert [e.value for e in page.sidebar.error if "max\\_sources" in e.value and "7" in e.value]
    assert page.number_input(key="mix.min_sources").value == 7
    assert header(page)["id"] == before
    page.number_input(key="mix.max_sources").set_value(8).run()
    assert not page.sidebar.error
    config = MixConfig(min_sources=7, max_sources=8)
    assert in_address(page) == settings.encode(config)
    assert header(page)["id"] == sample_recipe(toy, config, 0, 0, 0).content_hash


@pytest.mark.parametrize(
    ("key", "typed", "said"),
    [
        ("mix.corpora", "nowhere", "nowhere"),
        ("mix.effects.custom", "- effect: no_such_effect", "no\\_such\\_effect"),
        ("mix.snr_db", "6, 0", "snr\\_db"),
        ("mix.corpus_weights", "a: [", "no YAML"),
    ],
)
def test_what_only_the_catalog_or_an_effect_can_refuse_is_said_there_too(
    toy: Catalog, monkeypatch: pytest.MonkeyPatch, key: str, typed: str, said: str
) -> None:
    page = open_drawer(toy, monkeypatch, key.partition(".")[2].rpartition(".")[2])
    control = page.text_area(key=key) if key.endswith("custom") else page.text_input(key=key)
    control.set_value(typed).run()
    assert not page.exception
    assert any(said in error.value for error in page.sidebar.error)
    assert not in_address(page)


def test_p_musical_and_the_preset_are_those_of_the_page(
    toy: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_drawer(toy, monkeypatch, "p_musical paper")
    page.number_input(key="mix.p_musical").set_value(1.0).run()
    assert page.slider(key="p").value == 1.0
    page.text_input(key="settings find").set_value("preset").run()
    page.selectbox(key="mix.effects.preset").set_value("studio").run()
    assert page.selectbox(key="effects").value == "studio"
    assert not in_address(page)
    page.text_input(key="settings find").set_value("strategies").run()
    page.text_input(key="mix.strategies").set_value("musical: 1").run()
    assert page.slider(key="p").disabled


def test_a_yaml_is_opened_and_one_that_is_none_says_why(
    toy: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_drawer(toy, monkeypatch, "")
    page.session_state["settings opening"] = True
    page.run()
    page.text_area(key="settings yaml").set_value("mix:\n  balanse: 1").run()
    assert any("balanse" in error.value for error in page.sidebar.error)
    page.text_area(key="settings yaml").set_value("mix:\n  balance: 1\n  p_musical: 0.9").run()
    assert not page.sidebar.error
    assert in_address(page) == '{"balance":1.0}'
    assert page.slider(key="p").value == 0.9
    page.session_state["settings copying"] = True
    page.run()
    yaml_code, python = (code.value for code in page.sidebar.code)
    assert MixConfig.from_yaml(yaml_code) == MixConfig(balance=1.0, p_musical=0.9)
    assert "MixDataset" in python


def test_an_address_runs_no_code_before_it_is_allowed(toy: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    text = json.dumps({"effects": {"custom": [{"effect": TREMOLO, "p": 1.0}]}})
    monkeypatch.setattr("app.settings.MixConfig.from_dict", lambda data: pytest.fail("it was read"))
    page = open_page(toy, monkeypatch, settings=text)
    assert TREMOLO.partition(":")[2] in page.warning[0].value
    assert [element.key for element in page.get("bidi_component")] == ["steps"]  # no player
    monkeypatch.undo()
    monkeypatch.setenv("MIXLAB_CATALOG", str(toy.path))
    page.button[-2].click().run()
    assert not page.warning
    assert header(page)["takes"][0]["name"]


def test_settings_that_are_none_in_an_address_are_said(toy: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    page = open_page(toy, monkeypatch, settings='{"balance": 7}')
    assert "balance" in page.warning[0].value
    assert header(page)["id"] == sample_recipe(toy, MixConfig(), 0, 0, 0).content_hash
    assert not in_address(page)
