"""The alternatives that mixlab is measured against do the same work, and targets are judged by figures."""

import copy
import html
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.alternatives import (
    AUDIOMENTATIONS,
    DECODE,
    PLAIN,
    PYRUBBERBAND,
    SCAPER,
    alternatives,
    missing,
    mix,
    plain,
    with_pedalboard,
    with_python_stretch,
)
from benchmarks.effects import INSTEAD, measure_effect
from benchmarks.mixing import Bench, measure, mixlab_methods, rows_of
from benchmarks.plot import plot
from benchmarks.prepared import COPY, FILES, PACK, Copy, Files
from benchmarks.readme import PAGES, with_lines
from benchmarks.report import RESULTS
from benchmarks.tables import add_ratios, as_markdown
from benchmarks.targets import find, judge
from benchmarks.workloads import DESCRIPTIONS, NO_EFFECTS, W, sample_recipes, with_engine
from mixlab.catalog.catalog import Catalog
from mixlab.mixing.config import MixConfig
from mixlab.mixing.effect_presets import PRESETS
from mixlab.mixing.effects import EFFECTS
from mixlab.mixing.effects_config import EffectsConfig, PitchRange, StretchRange
from mixlab.mixing.rendering import render_mix
from mixlab.mixing.sampler import RecipeSampler


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.vdot(a, b) / np.sqrt(np.vdot(a, a) * np.vdot(b, b)))


def level_db(audio: np.ndarray) -> float:
    return 10 * np.log10(float(np.mean(np.square(audio, dtype=np.float64))))


@pytest.fixture(scope="module")
def sources(toy: Catalog, tmp_path_factory: pytest.TempPathFactory) -> tuple[Files, Copy]:
    return Files(toy), Copy(toy, tmp_path_factory.mktemp("copy"), 16000)


@pytest.mark.parametrize("kind", [FILES, COPY])
def test_plain_reading_makes_the_mix_that_mixlab_renders_without_effects(
    toy: Catalog, sources: tuple[Files, Copy], kind: str
) -> None:
    spans = next(spans for spans in sources if spans.kind == kind)
    for recipe in sample_recipes(toy, NO_EFFECTS, 3):
        unlimited = replace(recipe, render=replace(recipe.render, peak_limit=0.0))
        ours, theirs = render_mix(unlimited, toy).mixture[0], plain(spans, unlimited)
        assert correlation(ours, theirs) > 0.999
        assert level_db(ours) == pytest.approx(level_db(theirs), abs=0.1)


def test_a_copy_is_read_without_the_files(toy: Catalog, tmp_path: Path) -> None:
    recipe = sample_recipes(toy, NO_EFFECTS, 1)[0]
    expected = plain(Copy(toy, tmp_path, 16000), recipe)
    written = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert len(written) == int(toy.column("drawable").sum())
    np.testing.assert_array_equal(plain(Copy(toy, tmp_path, 16000), recipe), expected)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == written


def test_gain_and_filters_of_an_alternative_are_those_of_the_recipe(toy: Catalog) -> None:
    effects = EffectsConfig(pitch_shift=PitchRange(p=0.0), time_stretch=StretchRange(p=0.0))
    sampler = RecipeSampler(toy, MixConfig(p_musical=0.0, effects=effects, peak_limit=0.0))
    for index in range(6):
        recipe = sampler.sample(0, 0, index)
        ours, theirs = render_mix(recipe, toy).mixture[0], mix(Files(toy), recipe, with_pedalboard)
        assert correlation(ours, theirs) > 0.99
        assert level_db(ours) == pytest.approx(level_db(theirs), abs=0.5)


def test_stretching_alternatives_fill_the_mix_at_its_level(toy: Catalog) -> None:
    pytest.importorskip("python_stretch", reason="the bench extra is not installed")
    for recipe in sample_recipes(toy, W, 3):
        unlimited = replace(recipe, render=replace(recipe.render, peak_limit=0.0))
        ours = render_mix(with_engine(unlimited, "vocoder"), toy).mixture[0]
        for change in (with_pedalboard, with_python_stretch):
            theirs = mix(Files(toy), unlimited, change)
            assert theirs.shape == ours.shape
            assert level_db(ours) == pytest.approx(level_db(theirs), abs=2.0)
            assert np.any(theirs[-1600:] != 0)


def test_every_workload_has_its_bounds_and_says_why_a_way_has_no_figure(sources: tuple[Files, Copy]) -> None:
    for name in DESCRIPTIONS:
        methods = alternatives(*sources, effects=name != NO_EFFECTS)
        assert {(PLAIN, FILES), (PLAIN, COPY)} <= {(method.name, method.source) for method in methods}
        assert [method.name for method in methods if not method.task and not method.note] == []


def test_every_peer_but_one_is_measured_from_a_copy_like_a_pack(sources: tuple[Files, Copy]) -> None:
    methods = alternatives(*sources, effects=True)
    files, copy = ({method.name for method in methods if method.source == kind} for kind in (FILES, COPY))
    assert files - copy == {PYRUBBERBAND, SCAPER, DECODE}
    assert copy <= files


def test_a_way_that_cannot_be_measured_keeps_its_row(sources: tuple[Files, Copy], toy: Catalog) -> None:
    methods = [method for method in alternatives(*sources, effects=True) if method.name in (PLAIN, SCAPER)]
    rows = rows_of(W, methods, measure(methods, sample_recipes(toy, W, 1), 1))
    assert find(rows, W, PLAIN) > 0
    assert find(rows, W, PLAIN, COPY) > 0
    assert find(rows, W, SCAPER) is None
    assert "NumPy" in next(row["note"] for row in rows if row["name"] == SCAPER)


def test_a_program_that_is_missing_is_named_with_its_command(
    sources: tuple[Files, Copy], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyrubberband")
    monkeypatch.setenv("PATH", "")
    said = "no program rubberband on the PATH (apt-get install rubberband-cli, or brew install rubberband)"
    assert f"{PYRUBBERBAND}: {said}" in missing()
    methods = [method for method in alternatives(*sources, effects=True) if method.name == PYRUBBERBAND]
    rows = rows_of(W, methods, measure(methods, [], 1))
    target = next(target for target in judge({"rows": rows}) if "pyrubberband" in target["name"])
    assert target["verdict"] == f"not measured: {said}"


def test_mixlab_is_measured_with_every_engine_from_pack_and_files(toy: Catalog) -> None:
    bench = Bench(toy, None, sample_recipes(toy, W, 1), W)  # type: ignore[arg-type]  # nothing is read
    found = {(method.name, method.source) for method in mixlab_methods(bench)}
    for engine in ("vocoder", "rubberband", "rubberband_fine"):
        assert {(f"mixlab, {engine}", "pack"), (f"mixlab, {engine}", "files")} <= found


def row(name: str, workload: str, rate: float, source: str = "files", workers: int = 0) -> dict[str, object]:
    return {"name": name, "workload": workload, "mixes_per_s": rate, "source": source, "workers": workers}


def test_targets_follow_from_the_figures() -> None:
    rows = [
        row(AUDIOMENTATIONS, W, 10.0),
        row(AUDIOMENTATIONS, W, 16.0, COPY),
        row(PYRUBBERBAND, W, 2.0),
        row("mixlab, vocoder", W, 150.0, "pack"),
        row("mixlab, vocoder", W, 29.0),
        row("mixlab, loader", W, 100.0, "pack", 1),
        row("mixlab, loader", W, 185.0, "pack", 2),
    ]
    found = {target["name"]: target for target in judge({"rows": rows})}
    met = {name: target["met"] for name, target in found.items()}
    assert found["W from a pack, times audiomentations from a copy like it"]["value"] == 150 / 16
    assert met["W from a pack, times audiomentations from a copy like it"] is False
    assert met["W from a pack, times audiomentations from FLAC"] is True
    assert found["W from FLAC, times audiomentations from FLAC"]["value"] == pytest.approx(2.9)
    assert met["W from FLAC, times audiomentations from FLAC"] is False
    assert met["two loader workers, times one (W from a pack)"] is True
    assert met["sampling a recipe from it"] is None


def test_a_quick_pass_judges_nothing_that_it_did_not_measure() -> None:
    training = {"width": 8, "runs": [{"workers": 1, "stall_percent": 1.0}]}
    big = {
        "stems": {"big": 300},
        "open_ms": {"big": 1.0},
        "sample_ms": {"big": 0.1},
        "adds_mb_per_worker": 1.0,
    }
    assert {target["met"] for target in judge({"training": training, "big": big})} == {None}


def test_rows_are_compared_with_what_starts_from_the_same() -> None:
    rows = [
        row(AUDIOMENTATIONS, W, 10.0),
        row(AUDIOMENTATIONS, W, 16.0, COPY),
        row(PLAIN, W, 400.0, COPY),
        row("mixlab, vocoder", W, 160.0, PACK),
        row("mixlab, vocoder", W, 30.0),
    ]
    add_ratios(rows)
    assert [found["times_audiomentations"] for found in rows] == [1, 1, 25, 10, 3]
    assert [found["times_plain"] for found in rows] == [None, 0.04, 1, 0.4, None]


# What the results say wherever they are shown.


@pytest.fixture(scope="module")
def kept() -> dict[str, Any]:
    return json.loads((RESULTS / "latest.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_show_the_results_that_are_kept(page: Path, kept: dict[str, Any]) -> None:
    text = page.read_text(encoding="utf-8")
    assert with_lines(text, PAGES[page](kept)) == text, "run: python -m benchmarks.report --write"


def test_the_tables_are_those_of_the_results_that_are_kept(kept: dict[str, Any]) -> None:
    again = copy.deepcopy(kept)
    add_ratios(again["rows"])
    assert again["rows"] == kept["rows"]
    assert judge(kept) == kept["targets"]
    assert as_markdown(kept) == (RESULTS / "latest.md").read_text(encoding="utf-8")
    assert not kept["quick"]


def test_a_page_without_its_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="put them around the table"):
        with_lines("# mixlab\n", ["| a table |"])


def test_the_picture_has_a_bar_for_every_way_of_others(kept: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("vl_convert", reason="the bench extra is not installed")
    assert plot(kept, tmp_path / "speed.svg")
    text = (tmp_path / "speed.svg").read_text(encoding="utf-8")
    names = {r["name"] for r in kept["rows"] if r["group"] == "alternative" and r["mixes_per_s"]}
    assert len(names) >= 5
    assert [name for name in names if html.escape(name, quote=False) not in text] == []
    assert not plot({"rows": []}, tmp_path / "nothing.svg")


def test_every_effect_and_preset_has_a_row() -> None:
    """Alternatives are of effects that exist; the table names each effect and each preset."""
    assert set(INSTEAD) <= set(EFFECTS)
    rows = [{"name": name, "ms": 2.0, "instead": "a.B", "instead_ms": 4.0} for name in EFFECTS]
    presets = [{"name": name, "mixes_per_s": 100.0} for name in PRESETS]
    result = {
        **json.loads((RESULTS / "latest.json").read_text()),
        "effects": {"effects": rows, "presets": presets},
    }
    text = as_markdown(result)
    assert all(f"| {name} | 2.00 | a.B | 4.00 | 2.00 |" in text for name in EFFECTS)
    assert all(f"| {name} | 100 | 1.00 |" in text for name in PRESETS)


def test_an_effect_is_timed_beside_its_alternative(tmp_path: Path) -> None:
    pytest.importorskip("pedalboard")
    sound = (0.1 * np.random.default_rng(0).standard_normal((1, 8000))).astype(np.float32)
    row = measure_effect("compressor", tmp_path, sound, 1)
    assert row["instead"] == "pedalboard.Compressor"
    assert row["ms"] > 0.0
    assert row["instead_ms"] > 0.0
