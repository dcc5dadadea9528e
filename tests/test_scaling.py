"""The page on scaling says what was measured, and every part of the measurement runs."""

import json
from pathlib import Path

import pytest

from benchmarks.big import make_big_catalog
from benchmarks.scaling import Sizes, measure_catalog, measure_export, measure_indexing
from benchmarks.scaling_report import FOLDER, PAGE, estimates, slope, tables, with_tables
from mixlab.catalog.catalog import Catalog

RESULT = json.loads((FOLDER / "scaling.json").read_text(encoding="utf-8"))


def test_the_page_holds_the_tables_of_what_was_measured() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert with_tables(page, tables(RESULT)) == page


def test_a_page_without_a_place_for_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="one place for 'machine'"):
        with_tables("nothing", {"machine": "x"})


def test_what_is_on_paper_lies_on_the_line_through_the_two_largest_sizes() -> None:
    rows = [{"stems": n, "open_ms": 5 + 0.001 * n} for n in (100, 1000, 5000)]
    assert slope(rows, "open_ms") == pytest.approx(0.001)
    result = {**RESULT, "catalogs": [{**RESULT["catalogs"][0], **row} for row in rows]}
    assert estimates(result)["open_s"] == pytest.approx((5 + 55) / 1000)


@pytest.mark.slow
def test_a_catalog_is_measured() -> None:
    row = measure_catalog(make_big_catalog(50), Sizes.quick())
    assert row["stems"] == 50
    assert row["open_ms"] > 0
    assert row["recipe_ms"] > 0
    assert row["worker_private_mb"] is None or 0 < row["worker_private_mb"] <= row["worker_pss_mb"]


@pytest.mark.slow
def test_indexing_counts_every_file_and_is_quicker_when_nothing_has_changed(tmp_path: Path) -> None:
    row = measure_indexing(40, tmp_path)
    assert row["stems"] == 40
    assert row["again_cpu_s"] < row["index_cpu_s"]
    assert not list(tmp_path.iterdir())  # nothing is left of it


@pytest.mark.slow
def test_an_export_is_measured(toy: Catalog) -> None:
    row = measure_export(toy.path, 4, 1, 0)
    assert (row["engine"], row["items"]) == ("local", 4)
    assert row["wall_s"] > 0
