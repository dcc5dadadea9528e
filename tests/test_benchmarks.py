"""The alternatives that mixlab is measured against do the same work, and targets are judged by figures."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.alternatives import (
    AUDIOMENTATIONS,
    PLAIN,
    PYRUBBERBAND,
    alternatives,
    mix,
    plain,
    with_pedalboard,
    with_python_stretch,
)
from benchmarks.mixing import Bench, measure, mixlab_ways, rows_of
from benchmarks.targets import find, judge
from benchmarks.workloads import DESCRIPTIONS, NO_EFFECTS, W, draw_recipes, with_engine
from mixlab.catalog.catalog import Catalog
from mixlab.mixing.config import MixConfig
from mixlab.mixing.effects import EffectsConfig, PitchRange, StretchRange
from mixlab.mixing.rendering import render
from mixlab.mixing.sampler import Drawer


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.vdot(a, b) / np.sqrt(np.vdot(a, a) * np.vdot(b, b)))


def level_db(audio: np.ndarray) -> float:
    return 10 * np.log10(float(np.mean(np.square(audio, dtype=np.float64))))


def test_plain_decoding_makes_the_mix_that_mixlab_renders_without_effects(toy: Catalog) -> None:
    for recipe in draw_recipes(toy, NO_EFFECTS, 3):
        unlimited = replace(recipe, render=replace(recipe.render, peak_limit=0.0))
        ours, theirs = render(unlimited, toy).mixture[0], plain(toy, unlimited)
        assert correlation(ours, theirs) > 0.999
        assert level_db(ours) == pytest.approx(level_db(theirs), abs=0.1)


def test_gain_and_filters_of_an_alternative_are_those_of_the_recipe(toy: Catalog) -> None:
    effects = EffectsConfig(pitch_shift=PitchRange(p=0.0), time_stretch=StretchRange(p=0.0))
    drawer = Drawer(toy, MixConfig(p_musical=0.0, effects=effects, peak_limit=0.0))
    for index in range(6):
        recipe = drawer.draw(0, 0, index)
        ours, theirs = render(recipe, toy).mixture[0], mix(toy, recipe, with_pedalboard)
        assert correlation(ours, theirs) > 0.99
        assert level_db(ours) == pytest.approx(level_db(theirs), abs=0.5)


def test_stretching_alternatives_fill_the_mix_at_its_level(toy: Catalog) -> None:
    pytest.importorskip("python_stretch", reason="the bench extra is not installed")
    for recipe in draw_recipes(toy, W, 3):
        unlimited = replace(recipe, render=replace(recipe.render, peak_limit=0.0))
        ours = render(with_engine(unlimited, "vocoder"), toy).mixture[0]
        for change in (with_pedalboard, with_python_stretch):
            theirs = mix(toy, unlimited, change)
            assert theirs.shape == ours.shape
            assert level_db(ours) == pytest.approx(level_db(theirs), abs=2.0)
            assert np.any(theirs[-1600:] != 0)


def test_every_workload_has_its_bounds_and_says_why_a_way_has_no_figure(toy: Catalog) -> None:
    for name in DESCRIPTIONS:
        ways = alternatives(toy, effects=name != NO_EFFECTS)
        assert PLAIN in [way.name for way in ways]
        assert all(way.task or way.note for way in ways)


def test_a_way_that_cannot_be_measured_keeps_its_row(toy: Catalog) -> None:
    ways = [way for way in alternatives(toy, effects=True) if way.name in (PLAIN, "scaper")]
    rows = rows_of(W, ways, measure(ways, draw_recipes(toy, W, 1), 1))
    assert find(rows, W, PLAIN) > 0
    assert find(rows, W, "scaper") is None
    assert "NumPy" in next(row["note"] for row in rows if row["name"] == "scaper")


def test_mixlab_is_measured_with_every_engine_from_pack_and_files(toy: Catalog) -> None:
    bench = Bench(toy, None, draw_recipes(toy, W, 1), W)  # type: ignore[arg-type]  # nothing is read
    found = {(way.name, way.source) for way in mixlab_ways(bench)}
    for engine in ("vocoder", "rubberband", "rubberband_fine"):
        assert {(f"mixlab, {engine}", "pack"), (f"mixlab, {engine}", "files")} <= found


def row(name: str, workload: str, rate: float, source: str = "files", workers: int = 0) -> dict[str, object]:
    return {"name": name, "workload": workload, "mixes_per_s": rate, "source": source, "workers": workers}


def test_targets_follow_from_the_figures() -> None:
    rows = [
        row(AUDIOMENTATIONS, W, 10.0),
        row(PYRUBBERBAND, W, 2.0),
        row("mixlab, vocoder", W, 150.0, "pack"),
        row("mixlab, vocoder", W, 29.0),
        row("mixlab, loader", W, 100.0, "pack", 1),
        row("mixlab, loader", W, 185.0, "pack", 2),
    ]
    found = {target["name"]: target for target in judge({"rows": rows})}
    met = {name: target["met"] for name, target in found.items()}
    assert met["W from a pack, times audiomentations"] is True
    assert found["W from FLAC without a pack, times audiomentations"]["value"] == pytest.approx(2.9)
    assert met["W from FLAC without a pack, times audiomentations"] is False
    assert met["two loader workers, times one (W from a pack)"] is True
    assert met["drawing a recipe from it"] is None


def test_a_quick_pass_judges_nothing_that_it_did_not_measure() -> None:
    training = {"width": 8, "runs": [{"workers": 1, "stall_percent": 1.0}]}
    big = {"stems": {"big": 300}, "open_ms": {"big": 1.0}, "draw_ms": {"big": 0.1}, "adds_mb_per_worker": 1.0}
    assert {target["met"] for target in judge({"training": training, "big": big})} == {None}
