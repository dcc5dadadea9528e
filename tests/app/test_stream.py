"""The Stream page: the next mixes, each to be heard, and what the stream is made of beside validation."""

import base64
import io
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import pytest

pytest.importorskip("streamlit", reason="the app extra is not installed")

import soundfile
from streamlit.testing.v1 import AppTest

from app import settings
from app.components import stream_charts as charts
from app.data import stream as stream_data
from mixlab import Catalog, MixConfig, render_mix, sample_recipe
from mixlab.mixing.stream_rates import StreamRates, stream_rates

PAGE = Path(__file__).resolve().parent.parent.parent / "app" / "main.py"
COUNTED = 40


@pytest.fixture
def page(toy: Catalog, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The page, opened once, with fewer mixes counted."""
    monkeypatch.setenv("MIXLAB_CATALOG", str(toy.path))
    monkeypatch.setattr("app.data.stream.COUNTED", COUNTED)
    return open_page(seed="5", index="3")


def open_page(**query: str) -> AppTest:
    """Open the page as its own script: AppTest knows no pages that are functions."""
    test = AppTest.from_function(script, default_timeout=120)
    for name, value in query.items():
        test.query_params[name] = value
    test.run()
    assert not test.exception
    return test


def script() -> None:
    from app.data.mixes import default_catalog, find_location
    from app.views import stream

    location = find_location(default_catalog())
    assert location is not None
    stream.show(location)


def component(page: AppTest, name: str) -> dict[str, Any]:
    (found,) = (one for one in page.get("bidi_component") if one.proto.component_name == f"mixlab_{name}")
    return dict(json.loads(found.proto.json))


def said(page: AppTest, who: str) -> str:
    (text,) = (m.value for m in page.markdown if m.value.startswith(f"**{who}**"))
    return str(text)


def test_the_rows_are_the_next_mixes_of_the_stream(page: AppTest, toy: Catalog) -> None:
    rows = component(page, "mix_table")["rows"]
    assert [row["index"] for row in rows] == list(range(3, 27))
    recipes = [sample_recipe(toy, MixConfig(), 5, 0, index) for index in range(3, 27)]
    assert [row["kind"] for row in rows] == [recipe.kind for recipe in recipes]
    assert [len(row["sources"]) for row in rows] == [len(recipe.sources) for recipe in recipes]
    assert all(row["present"] or row["unknown"] for row in rows)
    assert component(page, "mix_table")["sound"] is None, "nothing is rendered before it is played"
    page.button(key="next_mixes").click().run()
    assert [row["index"] for row in component(page, "mix_table")["rows"]] == list(range(27, 51))


def test_what_is_played_is_that_mix(page: AppTest, toy: Catalog) -> None:
    page.session_state["stream played"] = 7
    page.run()
    sound = component(page, "mix_table")["sound"]
    assert sound["index"] == 7
    audio, rate = soundfile.read(io.BytesIO(base64.b64decode(sound["wav"])), always_2d=True)
    mix = render_mix(sample_recipe(toy, MixConfig(), 5, 0, 7), toy)
    assert rate == 16000
    np.testing.assert_allclose(audio.T, mix.mixture, atol=1e-4)


def test_rates_are_those_of_the_settings_beside_validation(page: AppTest, toy: Catalog) -> None:
    expected = stream_rates(toy, MixConfig(), seed=5, split="train", items=COUNTED)
    assert f"{expected.mean_sources:.1f} sources" in said(page, "Training")
    assert "100 % musical" in said(page, "Validation")
    page.slider(key="p").set_value(1.0).run()
    assert "100 % musical" in said(page, "Training")
    assert {row["kind"] for row in component(page, "mix_table")["rows"]} == {"musical"}


def test_settings_of_the_drawer_change_what_training_sees(page: AppTest, toy: Catalog) -> None:
    page.button(key="open_drawer").click().run()
    page.text_input(key="settings find").set_value("p_single_source").run()
    page.number_input(key="mix.p_single_source").set_value(1.0).run()
    config = MixConfig(p_single_source=1.0)
    assert "1.0 sources" in said(page, "Training")
    assert {len(row["sources"]) for row in component(page, "mix_table")["rows"]} == {1}
    link = parse_qs(component(page, "copy_link")["query"])
    assert page.query_params["settings"] in (link["settings"], link["settings"][0])
    assert (link["settings"], link["index"]) == ([settings.encode(config)], ["3"])


@pytest.mark.parametrize("look", ["Classes", "Together", "Polyphony"])
def test_every_view_draws_a_chart(toy: Catalog, monkeypatch: pytest.MonkeyPatch, look: str) -> None:
    monkeypatch.setenv("MIXLAB_CATALOG", str(toy.path))
    monkeypatch.setattr("app.data.stream.COUNTED", COUNTED)
    shown = open_page(of=look)
    assert shown.get("vega_lite_chart")
    if look == "Together":
        shown.session_state["pairs"] = "difference"
        shown.run()
        assert not shown.exception
        assert shown.get("vega_lite_chart")


def test_without_validation_training_is_shown_alone(toy: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIXLAB_CATALOG", str(toy.path))
    monkeypatch.setattr("app.data.stream.COUNTED", COUNTED)
    monkeypatch.setattr("app.data.stream.get_validation", lambda location, item: "there is no song")
    shown = open_page()
    assert any("there is no song" in caption.value for caption in shown.caption)
    assert [m.value for m in shown.markdown if m.value.startswith("**Validation")] == []


# ---- charts ----


@pytest.fixture(scope="module")
def rates(toy: Catalog) -> dict[str, StreamRates]:
    config = MixConfig()
    return {
        charts.TRAINING: stream_rates(toy, config, seed=0, split="train", items=COUNTED),
        charts.VALIDATION: stream_rates(
            toy, config.for_evaluation(), seed=0, split="validation", items=COUNTED
        ),
    }


def test_rates_of_classes_have_intervals_that_hold_them(rates: dict[str, StreamRates]) -> None:
    table = charts.class_table(rates)
    assert ((table["low"] <= table["value"]) & (table["value"] <= table["high"])).all()
    assert table[["low", "value", "high"]].stack().between(0, 1).all()
    # Wilson's interval of 0 of 40 and of 20 of 40, as R's binom.wilson gives them.
    assert charts.interval(0, 40) == pytest.approx((0.0, 0.0876), abs=1e-4)
    assert charts.interval(20, 40) == pytest.approx((0.3520, 0.6480), abs=1e-4)


def test_shares_of_pairs_are_of_the_first_class(rates: dict[str, StreamRates]) -> None:
    training = rates[charts.TRAINING]
    table = charts.together_table(training)
    for row in table.dropna().to_dict("records"):
        a, b = training.names.index(row["class"]), training.names.index(row["also"])
        assert row["share"] == pytest.approx(training.together[a, b] / training.present[a])
    same = charts.together_table(training, training)
    assert same["share"].dropna().eq(0.0).all()


def test_shares_of_sizes_add_up(rates: dict[str, StreamRates]) -> None:
    for what in ("sources", "classes"):
        table = charts.size_table(rates, what)
        assert table.groupby("stream")["share"].sum().tolist() == pytest.approx([1.0, 1.0])


def test_rates_are_kept_by_settings(toy: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.data.mixes import find_location
    from app.links import Item

    location = find_location(str(toy.path))
    assert location is not None
    monkeypatch.setattr("app.data.stream.COUNTED", 5)
    first = stream_data.get_rates(location, Item(0.3, 11, 0, "train"))
    assert stream_data.get_rates(location, Item(0.3, 11, 96, "train")) is first
    assert stream_data.get_rates(location, Item(0.35, 11, 0, "train")) is not first
