"""The Corpus page: it shows what the catalog holds, and moving a control changes what is shown."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("streamlit", reason="the app extra is not installed")

from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from app.components.corpus_charts import (
    curve_chart,
    heat_chart,
    heat_table,
    histogram_chart,
    rarest_first,
    say_number,
)
from app.data import corpus as corpus_data
from app.data.corpus import class_option
from app.data.mixes import find_location
from mixlab import Catalog
from mixlab.catalog.browse import judge_splits, problem_table, stem_table
from mixlab.catalog.statistics import QUANTITIES, Selection, class_table, histogram, totals, tree_table
from mixlab.evaluation.charts import DARK, LIGHT, Palette
from tests.odd_catalog import LONG, make_odd_catalog

PAGE = Path(__file__).resolve().parent.parent.parent / "app" / "main.py"
TABS = ("Classes", "Tree", "Distributions", "Stems", "Problems", "Leakage")


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return make_odd_catalog(tmp_path_factory.mktemp("odd"))


def open_corpus(**query: str | list[str]) -> AppTest:
    """Open the explorer at the address of the page, as the navigation of ``app/main.py`` has it."""
    test = AppTest.from_file(str(PAGE), default_timeout=60)
    test._page_hash = calc_hash("corpus")  # switch_page knows pages that are files only
    for name, value in query.items():
        test.query_params[name] = value
    return test.run()


@pytest.fixture
def page(odd: Catalog, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The page, opened once, with few rows to a table."""
    monkeypatch.setenv("MIXLAB_CATALOG", str(odd.path))
    for part in ("stems", "problems"):
        monkeypatch.setattr(f"app.views.corpus_{part}.PAGE_ROWS", 5)
    test = open_corpus()
    assert not test.exception
    assert any("<h2>Corpus</h2>" in html.proto.body for html in test.get("html"))
    return test


def shown(page: AppTest) -> dict[str, Any]:
    """Return all that the page shows, but for the controls themselves."""
    return {
        "texts": [e.value for kind in ("markdown", "caption", "info", "error", "success", "warning")
                  for e in page.get(kind)],
        "metrics": [(metric.label, metric.value, metric.delta) for metric in page.metric],
        "tables": [table.value.to_csv() for table in page.dataframe],
        "charts": [str(chart.proto) for chart in page.get("vega_lite_chart")],
        "audio": [audio.proto.url for audio in page.get("audio")],
    }  # fmt: skip


def column(page: AppTest, name: str, location: int = 0) -> list[Any]:
    return page.dataframe[location].value[name].to_list()


def alt(page: AppTest) -> list[str]:
    return [chart.proto.alt for chart in page.get("vega_lite_chart")]


# ---- what is shown ----


def test_the_totals_are_the_catalogs(page: AppTest, odd: Catalog) -> None:
    found = totals(odd, Selection())
    values = {metric.label: metric.value for metric in page.metric}
    assert values["Songs"] == str(found.songs)
    assert values["Stems"] == str(found.stems) == str(len(odd))
    assert [metric.delta for metric in page.metric][1] == f"{found.usable} usable"


def test_the_line_below_the_totals_warns(
    page: AppTest, toy: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaks, problems = (button for button in page.button if "badge" in button.label)
    assert "✗ splits leak" in leaks.label
    assert "problems]" in problems.label
    problems.click().run()
    assert page.session_state["show"] == "Problems"
    assert any("What indexing found" in caption.value for caption in page.caption)
    monkeypatch.setenv("MIXLAB_CATALOG", str(toy.path))
    leaks, problems = (button.label for button in open_corpus().button if "badge" in button.label)
    assert "✓ no leakage" in leaks
    assert "✓ no problems" in problems


def test_a_bar_of_a_histogram_and_a_cell_of_the_heat_table_list_what_they_count(
    odd: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the addresses that a click leads to; the click itself is tried in a browser."""
    monkeypatch.setenv("MIXLAB_CATALOG", str(odd.path))
    for quantity in ("duration", "stems per song"):
        bars = histogram(odd, Selection(), quantity).table
        bar = bars.iloc[int(bars["count"].argmax())]
        page = open_corpus(show="Stems", within=f"{quantity}:{bar['from']:g}:{bar['to']:g}")
        listed = column(page, "song")
        counted = len(set(zip(listed, column(page, "corpus"), strict=True)))
        assert bar["count"] == (counted if quantity == "stems per song" else len(listed))
        assert any(f"Only **{quantity}**" in m.value for m in page.markdown)
    next(button for button in page.button if button.label == "Leave it").click().run()
    assert len(column(page, "song")) == len(odd)
    assert len(column(open_corpus(show="Stems", within="duration:x:9"), "song")) == len(odd)
    cells = class_table(odd, Selection(), "openmic20", "split")
    cell = cells[(cells["split"] == "train") & (cells["stems"] > 0)].iloc[0]
    option = class_option("openmic20", cell["class"])
    page = open_corpus(show="Stems", stems="usable", splits="train", instrument=option)
    assert len(column(page, "song")) == cell["stems"]


def test_the_numbers_behind_the_heat_table_are_shown(page: AppTest, odd: Catalog) -> None:
    expected = heat_table(rarest_first(class_table(odd, Selection()), "corpus", "stems"), "corpus", "stems")
    pd.testing.assert_frame_equal(page.dataframe[0].value, expected, check_dtype=False)
    empty = int((expected[["folder", "folder@tones"]] == 0).sum().sum())
    assert f"{empty} of 30 cells are empty" in alt(page)[0]
    assert any(m.value.startswith(f"{empty} of 30 cells are empty") for m in page.markdown)


def test_the_tree_shows_rolled_up_counts(page: AppTest, odd: Catalog) -> None:
    page.session_state["show"] = "Tree"
    page.run()
    table = tree_table(odd, Selection())
    there = table[table["stems"] > 0]
    assert [name.strip("\u2003└ ") for name in column(page, "instrument")] == there["name"].to_list()
    assert column(page, "stems") == there["stems"].to_list()
    page.toggle(key="absent").set_value(True).run()
    assert len(column(page, "stems")) == len(table)


def test_distributions_have_their_tables(page: AppTest, odd: Catalog) -> None:
    page.session_state["show"] = "Distributions"
    page.run()
    assert len(alt(page)) == len(page.dataframe) == len(QUANTITIES)
    # Two columns, the first of which holds the first and the third.
    for location, quantity in enumerate((*QUANTITIES[::2], *QUANTITIES[1::2])):
        assert f"Histogram of {quantity}" in alt(page)[location]
        expected = histogram(odd, Selection(), quantity).table
        np.testing.assert_allclose(page.dataframe[location].value.to_numpy(), expected.to_numpy())


def test_stems_come_in_pages(page: AppTest, odd: Catalog) -> None:
    page.session_state["show"] = "Stems"
    page.session_state["sort"] = "duration"
    page.session_state["down"] = True
    seen = []
    for at in range(1, 5):
        page.session_state["page"] = at
        page.run()
        seen += list(zip(column(page, "song"), column(page, "stem"), strict=True))
    expected = stem_table(odd, Selection(), "duration", descending=True)
    assert seen == list(zip(expected["song"], expected["stem"], strict=True))
    page.session_state["splits"] = ["test"]
    page.run()
    assert not page.exception
    assert set(column(page, "split")) == {"test"}


def choose_long(page: AppTest, odd: Catalog) -> str:
    row = next(i for i in range(len(odd)) if odd.column("labels")[i] == (LONG,))
    key = str(odd.column("key")[row])
    page.session_state["show"] = "Stems"
    page.session_state["search"] = LONG
    page.run()
    page.selectbox(key="stem").set_value(key).run()
    return key


def test_a_chosen_stem_is_played_beside_its_curve(page: AppTest, odd: Catalog) -> None:
    key = choose_long(page, odd)
    assert not page.exception
    (audio,) = page.get("audio")
    assert audio.proto.alt == f"{key} from 20 to 50 s"
    assert not audio.proto.autoplay
    assert alt(page) == [f"Level of {key} over 65 s; it sounds for about 35 s."]
    assert any("**acoustic guitar** in third" in m.value for m in page.markdown)
    page.slider(key=f"from {key}").set_value(30.0).run()
    (moved,) = page.get("audio")
    assert moved.proto.alt == f"{key} from 30 to 60 s"
    assert moved.proto.url != audio.proto.url


def test_what_is_played_is_the_file_as_it_is(odd: Catalog) -> None:
    import io

    import soundfile

    location = find_location(str(odd.path))
    assert location is not None
    row = int(np.argmax(odd.column("duration_s")))
    played, rate = soundfile.read(io.BytesIO(corpus_data.excerpt(location, odd.stem(row).key, 20.0)))
    recorded, _ = soundfile.read(odd.audio_path(row), start=20 * rate, frames=30 * rate)
    np.testing.assert_allclose(played, recorded, atol=2**-15)


def test_a_stem_whose_file_is_gone_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = make_odd_catalog(tmp_path)
    key = catalog.stem(0).key
    catalog.audio_path(0).unlink()
    monkeypatch.setenv("MIXLAB_CATALOG", str(catalog.path))
    page = open_corpus(show="Stems", stem=key)
    assert not page.exception
    assert "found no file" in page.error[0].value.replace("\\", "")
    assert not page.get("audio")
    assert alt(page)  # the curve is the catalog's own


def test_an_address_of_a_stem_that_is_not_here_says_so(page: AppTest) -> None:
    other = open_corpus(show="Stems", stem="no/such/`stem`")
    assert not other.exception
    assert "This catalog has no stem" in other.warning[0].value
    assert not other.get("audio")


def test_problems_are_listed_by_kind(page: AppTest, odd: Catalog) -> None:
    page.session_state["show"] = "Problems"
    page.run()
    table = problem_table(odd)
    assert dict(zip(column(page, "kind"), column(page, "problems"), strict=True)) == dict(
        table["kind"].value_counts()
    )
    assert all(column(page, "meaning"))
    assert len(column(page, "kind", 1)) == min(5, len(table))
    page.selectbox(key="problem").set_value("silent").run()
    assert set(column(page, "kind", 1)) == {"silent"}
    page.multiselect(key="corpora").set_value(["folder@tones"]).run()
    assert [s.value for s in page.success] == ["Indexing found no problems."]


def test_the_verdict_is_said_in_words(page: AppTest, odd: Catalog) -> None:
    page.session_state["show"] = "Leakage"
    page.run()
    verdict = judge_splits(odd)
    assert page.error[0].value.replace("\\", "") == verdict.text
    assert column(page, "key")[0] == "Ann"
    assert column(page, "artist", 1) == verdict.artists["artist"].to_list()[:5]
    assert column(page, "crosses", 1)[0] == "✗ crosses"
    page.selectbox(key="judged").set_value("artist").run()
    assert not page.error
    assert not page.success
    assert (
        page.warning[0]
        .value.replace("\\", "")
        .endswith("the artist of 1 song is unknown: cannot be checked.")
    )


def test_long_tables_say_that_they_are_cut(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.views.corpus_problems.PAGE_ROWS", 1)
    page.session_state["show"] = "Leakage"
    page.run()
    assert any("The first 1 of" in caption.value for caption in page.caption)
    assert len(column(page, "artist", 1)) == 1


def test_every_chart_has_words_and_a_table(page: AppTest) -> None:
    for tab in TABS:
        page.session_state["show"] = tab
        page.run()
        assert not page.exception
        assert all(alt(page))
        assert len(page.dataframe) >= max(1, len(alt(page)))


# ---- controls ----

CONTROLS = [
    ("Classes", "corpora", ["folder"]),
    ("Classes", "splits", ["test", "validation"]),
    ("Classes", "instrument", "violin"),
    ("Classes", "stems", "with problems"),
    ("Classes", "search", "ann"),
    ("Classes", "show", "Tree"),
    ("Classes", "labels", "irmas11"),
    ("Classes", "across", "split"),
    ("Classes", "unit", "active hours"),
    ("Classes", "sorted_by", "as in the label set"),
    ("Stems", "stems", "may bleed"),
    ("Tree", "absent", True),
    ("Stems", "sort", "loudness"),
    ("Stems", "down", True),
    ("Stems", "page", 2),
    ("Stems", "stem", "folder/first/00_violin"),
    ("Problems", "problem", "clipped"),
    ("Leakage", "judged", "artist"),
]
"""Tab, key and another value of every control but the span of a stem, which has a test of its own."""


def test_every_control_changes_what_is_shown(page: AppTest) -> None:
    for tab, key, value in CONTROLS:
        page.session_state["show"] = tab
        page.run()
        before, kept = shown(page), page.session_state[key]
        page.session_state[key] = value
        page.run()
        assert not page.exception, key
        assert page.session_state[key] == value
        assert shown(page) != before, key
        page.session_state[key] = kept
        page.run()
        assert shown(page) == before, key


@pytest.mark.parametrize(
    "query",
    [
        {"corpora": ["folder"], "splits": ["test"], "instrument": "brass", "search": "ann"},
        {"unit": "songs", "across": "split", "labels": "openmic20", "stems": "usable"},
        {"show": "Stems", "sort": "duration", "page": "2"},
    ],
)
def test_an_address_reopens_what_was_seen(page: AppTest, query: dict[str, Any]) -> None:
    linked = open_corpus(**query)
    for key, value in query.items():
        assert str(linked.session_state[key]) == str(value)
        page.session_state[key] = int(value) if key == "page" else value
    page.run()
    assert not linked.exception
    assert shown(linked) == shown(page)


def test_filters_without_a_match_say_so_and_can_be_cleared(page: AppTest) -> None:
    page.session_state["splits"] = ["test"]
    page.text_input(key="search").set_value("no such thing").run()
    for tab in TABS[:4]:
        page.session_state["show"] = tab
        page.run()
        assert not page.exception
        assert [info.value for info in page.info] == ["No stem of the catalog matches these filters."]
    assert {metric.value for metric in page.metric} <= {"0", "0.0"}
    next(button for button in page.button if button.label == "Clear the filters").click().run()
    assert not page.info or "Choose a stem" in page.info[0].value
    assert page.text_input(key="search").value == ""
    assert page.multiselect(key="splits").value == []


def test_a_page_beyond_the_last_is_the_last(page: AppTest) -> None:
    page.session_state["show"] = "Stems"
    page.session_state["page"] = 4
    page.run()
    page.session_state["stems"] = "not usable"
    page.run()
    assert not page.exception
    assert any(caption.value.startswith("Stems 1 to 2 of 2") for caption in page.caption)


# ---- other catalogs ----


def test_without_a_catalog_the_page_offers_to_index_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = open_corpus()
    assert not page.exception
    assert any("Welcome" in m.value for m in page.markdown)
    assert {"Make a few songs", "Make the demo corpora"} <= {button.label for button in page.button}
    assert any("folder" in field.label.lower() for field in page.text_input)


def test_a_damaged_catalog_is_an_error_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "catalog.json").write_text("{", encoding="utf-8")
    monkeypatch.setenv("MIXLAB_CATALOG", str(tmp_path))
    page = open_corpus()
    assert not page.exception
    assert "catalog.json" in page.error[0].value.replace("\\", "")


# ---- charts ----


@pytest.mark.parametrize("colours", [LIGHT, DARK])
@pytest.mark.parametrize("unit", ["stems", "songs", "active hours"])
def test_every_cell_has_its_number_and_empty_ones_say_so(odd: Catalog, unit: str, colours: Palette) -> None:
    table = class_table(odd, Selection())
    spec = heat_chart(table, "corpus", unit, colours).to_dict()
    (rows,) = spec["datasets"].values()
    assert len(rows) == 45  # 15 classes in two corpora, and their sums
    sums = {row["class"]: row[unit] for row in rows if row["sum"]}
    for name, found in sums.items():
        assert found == pytest.approx(sum(r[unit] for r in rows if r["class"] == name and not r["sum"]))
    for row in rows:
        assert row["shown"] == ("none" if row["stems"] == 0 else say_number(row[unit], unit))


@pytest.mark.parametrize("unit", ["stems", "active hours"])
def test_classes_are_sorted_by_how_rare_they_are(odd: Catalog, unit: str) -> None:
    table = class_table(odd, Selection())
    rare = rarest_first(table, "corpus", unit)
    total = rare[rare["corpus"] == "all"]
    assert total[unit].is_monotonic_increasing
    assert list(dict.fromkeys(rare["class"])) == total["class"].to_list()
    assert list(dict.fromkeys(rare["corpus"])) == list(dict.fromkeys(table["corpus"]))
    pd.testing.assert_frame_equal(
        rare.sort_values(["corpus", "class"], ignore_index=True),
        table.sort_values(["corpus", "class"], ignore_index=True),
    )


def test_charts_hold_what_they_are_given(odd: Catalog) -> None:
    for quantity in QUANTITIES:
        found = histogram(odd, Selection(), quantity)
        (rows,) = histogram_chart(found, quantity, LIGHT).to_dict()["datasets"].values()
        assert [row["count"] for row in rows] == found.table["count"].to_list()
    curve = pd.DataFrame(
        {"from": [0.0, 1.0], "to": [1.0, 2.0], "level": [-110.0, -20.0], "active": [False, True]}
    )
    draw: Callable[..., Any] = lambda span: curve_chart(curve, -50.0, span, 2.0, LIGHT).to_dict()  # noqa: E731
    assert len(draw((0.0, 2.0))["layer"]) == 2
    assert len(draw((0.5, 1.5))["layer"]) == 3  # framed, since it is not all
    levels = [
        row["level"] for rows in draw((0.0, 2.0))["datasets"].values() for row in rows if "active" in row
    ]
    assert levels == [-80.0, -20.0]
