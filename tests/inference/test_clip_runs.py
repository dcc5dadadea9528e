"""Runs on clips elsewhere: scored on other clips by their own windows, and started from."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mixlab.audio.io import write_wav
from mixlab.corpora.clips import ClipsConfig
from mixlab.corpora.clips.registry import load_benchmark
from mixlab.errors import ConfigError
from mixlab.inference.benchmark import evaluate_on
from mixlab.inference.benchmark_text import format_text
from mixlab.taxonomy import load_label_set
from mixlab.training.clips import WindowConfig, train_on_clips
from mixlab.training.run import Run
from tests.errors import raises
from tests.tagged_trees import RATE, make_irmas, sound
from tests.training.clips.tone_clips import CONFIG

IRMAS = replace(
    CONFIG,
    model=replace(CONFIG.model, sample_rate=RATE, f_max=RATE / 2),
    loss="bce",
    epochs=1,
    batch_size=8,
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("irmas")
    make_irmas(folder)
    for k, code in enumerate(load_label_set("irmas11").names):
        name = f"[{code}][cla]{k + 101:04d}__1.wav"
        audio = sound([200.0 + 50 * k], 0.5, 90 + k)[None]
        write_wav(folder / "IRMAS-TrainingData" / code / name, audio, RATE)
    return folder


def trained(root: Path, out: Path, windows: WindowConfig, **clips: Any) -> Run:
    run, scores = train_on_clips(ClipsConfig("irmas", str(root), **clips), out, windows, IRMAS)
    assert scores is not None
    return run


@pytest.mark.parametrize(
    "windows",
    [
        WindowConfig(0.5, overlap=0.25),
        WindowConfig(0.5, count=3, aggregation="s2", level="peak"),
        WindowConfig(0.0),
    ],
    ids=["s1", "s2 at full scale", "whole clips"],
)
def test_an_external_part_is_scored_as_the_runs_own(
    root: Path, tmp_path: Path, windows: WindowConfig
) -> None:
    """By the run's windows, level, aggregation and thresholds of whole clips: the same figures."""
    run = trained(root, tmp_path / "run", windows)
    own = run.report().test
    external = evaluate_on(run, load_benchmark("irmas", root), device="cpu", n_resamples=0)
    assert (external.n_clips, external.thresholds_fitted) == (3, True)
    table = external.tables["exact"]
    for mine, other in zip(own.classes, table.classes, strict=True):
        assert mine.name == other.name
        assert mine.threshold == other.threshold
        for metric in ("average_precision", "f1"):
            np.testing.assert_allclose(other.scores[metric].value, mine.scores[metric].value, atol=1e-6)
    assert external.note == ""
    assert ("s2" in external.windows) == (windows.aggregation == "s2")
    assert external.windows in format_text(external, list(run.card["labels"]["outputs"])).replace("\n", " ")


def test_what_a_run_was_trained_on_does_not_test_it(root: Path, tmp_path: Path) -> None:
    own = trained(root, tmp_path / "own", WindowConfig(0.5))
    with raises(ConfigError, code="training-overlap", mentions=("irmas", "clips.splits=own", "train")):
        evaluate_on(own, load_benchmark("irmas", root, "train"), device="cpu")
    config = replace(IRMAS, transfer="finetune", pretrained=str(own.path))
    fewer = ClipsConfig("irmas", str(root), splits="grouped", classes=["gel", "voi", "flu", "cel"])
    second, _ = train_on_clips(fewer, tmp_path / "second", WindowConfig(0.5), config)
    assert second.card["pretrained_file"]["trained_on"] == "clips of irmas, instrument"
    with raises(ConfigError, code="training-overlap", mentions="clips.splits=grouped"):
        evaluate_on(second, load_benchmark("irmas", root), device="cpu")
    third = replace(config, pretrained=str(second.path))
    run, _ = train_on_clips(ClipsConfig("irmas", str(root)), tmp_path / "third", WindowConfig(0.5), third)
    with raises(ConfigError, code="training-overlap", mentions="clips.splits=grouped"):
        evaluate_on(run, load_benchmark("irmas", root), device="cpu")


def test_a_part_of_the_classes_stays_bound_to_its_instruments(root: Path, tmp_path: Path) -> None:
    run = trained(root, tmp_path / "run", WindowConfig(0.5), classes=["gel", "voi", "flu", "cel"])
    external = evaluate_on(run, load_benchmark("irmas", root), device="cpu", n_resamples=0)
    assert {m.name for m in external.matches if m.kind == "exact"} == {"gel", "voi", "flu", "cel"}
    assert len(external.not_evaluable) == 7


def test_a_single_label_run_is_decided_at_one_half_where_several_are_right(
    root: Path, tmp_path: Path
) -> None:
    """It has no thresholds; it learned one class at a time, and test recordings have up to two."""
    for k, code in enumerate(("flu", "gel", "voi")):
        for group in range(5):
            file = tmp_path / "clips" / code / f"{code} {group}" / "clip.wav"
            file.parent.mkdir(parents=True)
            write_wav(file, sound([300.0 + 200 * k], 0.5, group)[None], RATE)
    clips = ClipsConfig("folder", str(tmp_path / "clips"))
    run, _ = train_on_clips(clips, tmp_path / "run", WindowConfig(0.5), replace(IRMAS, loss="softmax"))
    labels = load_label_set("irmas11")
    nodes = [list(labels.outputs[labels.names.index(name)].nodes) for name in ("flu", "gel", "voi")]
    run.update(labels={**run.info["labels"], "nodes": nodes})
    external = evaluate_on(run, load_benchmark("irmas", root), device="cpu", n_resamples=0)
    assert not external.thresholds_fitted
    assert {scores.rules for scores in external.tables.values()} == {()}
    assert {k.threshold for k in external.tables["exact"].classes} == {0.5}
    assert "thresholds that nobody fitted (0.5" in format_text(external, ["flu", "gel", "voi"]).replace(
        "\n", " "
    )
