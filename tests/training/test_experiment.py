"""From a catalog to a scored run and back: reload, resume, evaluate again, and what is refused."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from mixlab.audio.io import write_wav
from mixlab.catalog.catalog import Catalog
from mixlab.cli.main import main
from mixlab.errors import AudioError, CatalogError, CatalogMismatchError, ConfigError, RunError
from mixlab.evaluation.results import Report
from mixlab.inference.class_mapping import run_outputs
from mixlab.mixing.config import MixConfig
from mixlab.mixing.dataset import MixDataset
from mixlab.mixing.effects_config import EffectsConfig
from mixlab.mixing.recipe import MixRecipe
from mixlab.mixing.rendering import render_mix
from mixlab.models import ModelConfig
from mixlab.training import TrainConfig, evaluate_run, load_model, open_catalog, train
from mixlab.training.run import Run
from mixlab.utils.plain import plain
from tests.errors import raises
from tests.file_server import serving

RATE = 8000
MIX = MixConfig(duration_s=0.5, sample_rate=RATE, max_sources=3, effects=EffectsConfig.none())
CONFIG = TrainConfig(
    model=ModelConfig(sample_rate=RATE, f_max=4000, n_fft=256, hop=128, n_mels=16, width=4),
    epochs=2,
    epoch_size=32,
    batch_size=8,
    val_size=24,
    test_size=20,
    precision="fp32",
    accelerator="cpu",
    tensorboard=False,
    bootstrap=20,
    seed=5,  # not that of the fixed mixes, so that no test takes one for the other
)


@pytest.fixture(scope="module")
def trained(toy: Catalog, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Report]:
    run, evaluation = train(toy.path, tmp_path_factory.mktemp("runs") / "run", MIX, CONFIG)
    assert evaluation is not None
    return run, evaluation


def interrupting(epoch: int, number: signal.Signals = signal.SIGINT) -> Callable[[str], None]:
    """Press Ctrl-C, or end the process politely, when an epoch's line is printed."""

    def report(line: str) -> None:
        if line.startswith(f"epoch {epoch}/"):
            os.kill(os.getpid(), number)

    return report


PARTS = """
from dataclasses import dataclass

from mixlab.mixing import Effect


@dataclass(frozen=True)
class Half(Effect):
    factor: float

    @classmethod
    def sample(cls, rng):
        return cls(rng.uniform(0.4, 0.6))

    def apply(self, audio, sample_rate):
        return audio * audio.dtype.type(self.factor)
"""
METRIC = """
def found(scores, present):
    return float((scores[present] > 0.5).mean())
"""


@pytest.mark.parametrize("changed", ["seen_effects", "seen_metrics"])
def test_a_training_does_not_go_on_with_other_code(
    changed: str, toy: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("seen_effects", "seen_metrics"):  # of another case, from another folder
        sys.modules.pop(name, None)
    (tmp_path / "seen_effects.py").write_text(PARTS, encoding="utf-8")
    (tmp_path / "seen_metrics.py").write_text(METRIC, encoding="utf-8")
    mix = replace(MIX, effects=replace(MIX.effects, custom=["seen_effects:Half"]))
    config = replace(CONFIG, epochs=1, bootstrap=0, metrics=("seen_metrics:found",))
    run, _ = train(toy.path, tmp_path / "run", mix, config)
    assert set(run.info["sources_sha256"]) == {"seen_effects:Half", "seen_metrics:found"}
    train(toy.path, run.path, mix, replace(config, epochs=2), resume=True)
    file = tmp_path / f"{changed}.py"
    file.write_text(file.read_text(encoding="utf-8") + "\n# otherwise\n", encoding="utf-8")
    with raises(ConfigError, code="settings-changed", mentions=[changed]):
        train(toy.path, run.path, mix, replace(config, epochs=3), resume=True)


def test_a_training_does_not_go_on_with_other_sounds(
    toy: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, level in (("first", 0.1), ("second", 0.2)):
        folder = tmp_path / number / "streets"
        folder.mkdir(parents=True)
        sound = np.full((1, RATE), level, np.float32) * np.sin(np.arange(RATE, dtype=np.float32))
        write_wav(folder / "street.wav", sound, RATE)
    monkeypatch.setenv("MIXLAB_SOUNDS", str(tmp_path / "first"))
    entry = {"effect": "background", "folder": "streets"}
    mix = replace(MIX, effects=replace(MIX.effects, custom=[entry]))
    config = replace(CONFIG, epochs=1, bootstrap=0)
    run, _ = train(toy.path, tmp_path / "run", mix, config)
    train(toy.path, run.path, mix, replace(config, epochs=2), resume=True)
    monkeypatch.setenv("MIXLAB_SOUNDS", str(tmp_path / "second"))
    again = replace(MIX, effects=replace(MIX.effects, custom=[entry]))
    with raises(ConfigError, code="settings-changed", mentions=["background"]):
        train(toy.path, run.path, again, replace(config, epochs=3), resume=True)


def test_a_run_holds_everything(trained: tuple[Run, Report], toy: Catalog) -> None:
    run, evaluation = Run.open(trained[0].path), trained[1]
    info = run.info
    assert info["status"] == "evaluated"
    assert info["catalog"]["content_hash"] == toy.content_hash
    assert info["training"]["reason"] == "finished"
    assert info["trainable"] == info["parameters"] > 0
    assert {"spec_bn", "layer1", "dense2"} <= set(info["trainable_modules"])
    assert len(run.metrics()) == 2
    assert yaml.safe_load((run.path / "config.yaml").read_text())["train"]["model"]["width"] == 4
    assert {split: s.n_items for split, s in evaluation.splits.items()} == {"validation": 24, "test": 20}
    report = run.report()
    assert repr(report) == repr(evaluation)
    assert [k.name for k in report.splits["test"].classes] == list(info["labels"]["outputs"])
    assert report.thresholds == run.card["thresholds"]
    assert (report.provenance.catalog_hash, report.provenance.command) == (toy.content_hash, "train")
    assert "## test: 20 mixes from" in (run.path / "report.md").read_text()
    assert set(run.card["thresholds"]) == set(info["labels"]["outputs"])


def test_predictions_are_of_musical_mixes_that_can_be_made_again(
    trained: tuple[Run, Report], toy: Catalog
) -> None:
    run, _ = trained
    predictions, model = run.predictions().only("test"), load_model(run)
    split_of = toy.split_songs()
    dataset = MixDataset(toy, MIX, split="test", epoch_size=20, batch_size=8)
    audio = torch.stack([dataset.item(index)["audio"] for index in range(20)])
    with torch.inference_mode():
        scores = torch.sigmoid(model(audio))
    np.testing.assert_allclose(predictions.scores, scores, atol=1e-5)
    for index, (text, group) in enumerate(zip(predictions.recipes, predictions.group, strict=True)):
        recipe = MixRecipe.from_json(text)
        assert recipe == dataset.recipe(index)
        assert recipe.kind == "musical"
        assert {source.stem.rpartition("/")[0] for source in recipe.sources} == {group}
        assert split_of[group] == "test"
        np.testing.assert_array_equal(predictions.targets[index], dataset.item(index)["target"])
        np.testing.assert_array_equal(predictions.mask[index], dataset.item(index)["mask"])


def test_the_stored_recipes_are_the_whole_test_set(trained: tuple[Run, Report], toy: Catalog) -> None:
    stored = Run.open(trained[0].path).predictions()
    recipes, model = stored.mix_recipes(), load_model(trained[0])
    assert len(recipes) == len(stored) == 24 + 20
    for row, recipe in enumerate(recipes):
        mix = render_mix(recipe, toy)
        np.testing.assert_array_equal(mix.target, stored.targets[row])
        np.testing.assert_array_equal(mix.mask, stored.mask[row])
        assert (recipe.split, recipe.index) == (stored.split[row], stored.index[row])
        with torch.inference_mode():
            scores = torch.sigmoid(model(torch.from_numpy(mix.mixture)[None]))[0]
        np.testing.assert_allclose(stored.scores[row], scores, atol=1e-5)


def test_evaluating_again_gives_the_same_report(trained: tuple[Run, Report]) -> None:
    run, first = trained
    before = (run.path / "report.json").read_bytes()
    again = evaluate_run(str(run.path))
    assert repr(again) == repr(first)
    assert (run.path / "report.json").read_bytes() == before


def test_scores_say_themselves_in_a_line(trained: tuple[Run, Report]) -> None:
    _, scores = trained
    assert scores.test is scores.splits["test"]
    value = scores.test.scores["average_precision"].value
    said = str(scores)
    assert said.startswith(f"test, {scores.test.n_items} mixes of {scores.test.n_groups} songs: ")
    assert f"macro AP {value:.3f}" in said
    assert said.count("\n") == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_run_is_readable_and_goes_on_exactly(
    trained: tuple[Run, Report], toy: Catalog, tmp_path: Path, number: signal.Signals
) -> None:
    run, evaluation = train(toy.path, tmp_path / "run", MIX, CONFIG, report=interrupting(1, number))
    assert evaluation is None
    opened = Run.open(run.path)
    assert opened.info["status"] == "interrupted"
    assert opened.info["training"]["epochs"] == 1
    assert len(opened.metrics()) == 1
    assert sum(p.numel() for p in load_model(opened).parameters()) == opened.info["parameters"]
    with raises(RunError, code="predictions-not-found", mentions="mixlab evaluate"):
        opened.predictions()
    run, evaluation = train(toy.path, tmp_path / "run", MIX, CONFIG, resume=True)
    assert repr(evaluation) == repr(trained[1])
    state, expected = run.read_model()[0], trained[0].read_model()[0]
    assert all(torch.equal(state[name], expected[name]) for name in expected)


def test_a_run_keeps_its_own_label_set(toy: Catalog, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        "title: T\noutputs:\n- {name: strings, nodes: [bowed-string, plucked-string]}\n"
        "- {name: k, nodes: [key]}\n"
    )
    mix = replace(MIX, label_set=str(own))
    train(toy.path, tmp_path / "run", mix, CONFIG, report=interrupting(1))
    moved = tmp_path / "moved.yaml"
    moved.write_text(
        "outputs: [{nodes: [bowed-string, plucked-string], name: strings}, {name: k, nodes: [key]}]"
    )
    own.unlink()
    run, evaluation = train(
        toy.path, tmp_path / "run", replace(MIX, label_set=str(moved)), CONFIG, resume=True
    )
    assert evaluation is not None
    moved.unlink()
    assert repr(evaluate_run(run)) == repr(evaluation)
    assert [output.nodes for output in run_outputs(run)] == [("bowed-string", "plucked-string"), ("key",)]
    moved.write_text("outputs: [{name: strings, nodes: [bowed-string]}, {name: k, nodes: [key]}]")
    with raises(RunError, code="label-set-mismatch"):
        run_outputs(run, moved)
    with raises(ConfigError, code="settings-changed"):
        train(toy.path, run.path, replace(MIX, label_set=str(moved)), CONFIG, resume=True)


def test_workers_change_nothing(trained: tuple[Run, Report], toy: Catalog, tmp_path: Path) -> None:
    run, _ = train(toy.path, tmp_path / "run", MIX, replace(CONFIG, num_workers=2))
    state, expected = run.read_model()[0], trained[0].read_model()[0]
    assert all(torch.equal(state[name], expected[name]) for name in expected)


def test_a_finished_run_is_not_trained_again(trained: tuple[Run, Report], toy: Catalog) -> None:
    run, first = trained
    checkpoint = run.last_checkpoint.stat().st_mtime_ns
    _, again = train(toy.path, run.path, MIX, CONFIG, resume=True)
    assert repr(again) == repr(first)
    assert run.last_checkpoint.stat().st_mtime_ns == checkpoint


def test_what_cannot_go_on_is_refused(trained: tuple[Run, Report], toy: Catalog, tmp_path: Path) -> None:
    path = trained[0].path
    before = {name: (path / name).read_bytes() for name in ("config.yaml", "run.json")}
    with raises(RunError, code="run-exists"):
        train(toy.path, path, MIX, CONFIG)
    with raises(ConfigError, code="settings-changed", mentions=("train.lr_head", "0.01", "0.02")):
        train(toy.path, path, MIX, replace(CONFIG, lr_head=0.02), resume=True)
    with raises(ConfigError, code="settings-changed", mentions=("mix.p_musical", "0.4", "1.0")):
        train(toy.path, path, replace(MIX, p_musical=1.0), CONFIG, resume=True)
    with raises(ConfigError, code="settings-changed", mentions=("2", "train.epochs=1")):
        train(toy.path, path, MIX, replace(CONFIG, epochs=1), resume=True)
    with raises(RunError, code="run-not-found"):
        train(toy.path, tmp_path / "absent", MIX, CONFIG, resume=True)
    assert {name: (path / name).read_bytes() for name in before} == before


def test_another_catalog_is_refused(trained: tuple[Run, Report], toy: Catalog) -> None:
    other = toy.with_splits("random", 5)
    assert other.content_hash != toy.content_hash
    with raises(CatalogMismatchError, code="catalog-mismatch"):
        evaluate_run(trained[0], catalog=other)


@pytest.mark.parametrize(
    ("mix", "model", "code", "mentions"),
    [
        ({"channels": 2}, {}, "channels-mismatch", ("mono", "mix.channels")),
        (
            {"sample_rate": 16000},
            {},
            "sample-rate-mismatch",
            ("mix.sample_rate=16000", "train.model.sample_rate=8000"),
        ),
        ({}, {"hop": 512}, "audio-too-short", "0.960"),
    ],
)
def test_mixes_that_do_not_fit_the_model_leave_no_folder(
    toy: Catalog, tmp_path: Path, mix: dict[str, int], model: dict[str, int], code: str, mentions: object
) -> None:
    config = replace(CONFIG, model=replace(CONFIG.model, **model))
    with raises(ConfigError, code=code, mentions=mentions):
        train(toy.path, tmp_path / "run", replace(MIX, **mix), config)
    assert not (tmp_path / "run").exists()


def test_a_card_that_does_not_fit_is_named(trained: tuple[Run, Report], tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", {}, {})
    state, card = trained[0].read_model()
    run.write_model(state, {**card, "config": {**card["config"], "width": 8}})
    with raises(RunError, code="run-damaged", mentions=("model.json", "model.safetensors")):
        load_model(run)


def test_demo_numbers_are_called_so(toy: Catalog, tmp_path: Path) -> None:
    from mixlab.training.provenance import demo_note

    assert demo_note(toy.path) == ""
    marker = toy.path.parent / "demo.json"
    marker.write_text("{}")
    try:
        assert "demo numbers" in demo_note(toy.path)
    finally:
        marker.unlink()


def test_commands_train_and_evaluate(
    toy: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "tiny.yaml"
    settings = {
        "catalog": str(toy.path),
        "mix": {"duration_s": 0.5, "sample_rate": RATE},
        "train": {
            "model": {"sample_rate": RATE, "f_max": 4000, "n_fft": 256, "hop": 128, "n_mels": 16, "width": 4},
            "epochs": 5,
            "epoch_size": 16,
            "batch_size": 8,
            "val_size": 8,
            "test_size": 8,
            "tensorboard": False,
            "bootstrap": 0,
        },
    }
    config.write_text(yaml.safe_dump(settings))
    out = tmp_path / "run"
    arguments = [
        "train",
        "--config",
        str(config),
        "--out",
        str(out),
        "--train.epochs",
        "1",
        "--mix.p_musical",
        "0.3",
    ]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "epoch 1/1  train loss" in printed
    assert "test: 8 mixes from" in printed
    assert f"Report:  {out}/report.md" in printed
    assert Run.open(out).config["mix"]["p_musical"] == 0.3
    assert Run.open(out).info["precision"] in ("fp32", "bf16")
    assert main(["evaluate", str(out), "--split", "validation"]) == 0
    assert "validation: 8 mixes from" in capsys.readouterr().out
    assert main(["train", "--config", f"{out}/config.yaml", "--resume=true"]) == 0
    assert main(["train", "--config", str(config), "--out", str(out)]) == 2
    assert "already holds a run" in capsys.readouterr().err
    assert main(["evaluate", str(tmp_path / "absent")]) == 2
    assert "No run at" in capsys.readouterr().err


def test_ctrl_c_in_the_command_says_how_to_go_on(
    toy: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mixlab.cli.commands.train import RunFolder
    from mixlab.cli.commands.train import train as command

    monkeypatch.setattr("builtins.print", _printing_then_interrupting(print))
    out = RunFolder(tmp_path / "run")
    assert command(toy.path, out, mix=MIX, train=replace(CONFIG, epochs=3)) == 130
    printed = capsys.readouterr().out
    assert "Finishing this step and saving" in printed
    assert f"Go on:   mixlab train --config {tmp_path}/run/config.yaml --resume=true" in printed


@pytest.fixture
def copied(trained: tuple[Run, Report], tmp_path: Path) -> Run:
    """A copy of the trained run that a test may change."""
    shutil.copytree(trained[0].path, tmp_path / "copy")
    return Run.open(tmp_path / "copy")


def settings_file(folder: Path, toy: Catalog) -> Path:
    """Write the settings of the tests' runs as a configuration file."""
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(plain({"catalog": toy.path, "mix": asdict(MIX), "train": asdict(CONFIG)})))
    return file


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


class KilledError(Exception):
    pass


def test_a_killed_run_is_scored_with_its_best_epoch_so_far(toy: Catalog, tmp_path: Path) -> None:
    def die(line: str) -> None:
        if line.startswith("epoch 1/"):
            raise KilledError("killed")

    with pytest.raises(KilledError, match="killed"):
        train(toy.path, tmp_path / "run", MIX, CONFIG, report=die)
    run = Run.open(tmp_path / "run")
    assert "training" not in run.info
    assert evaluate_run(run).splits["test"].n_items == 20
    assert "best epoch 1 of 1" in (run.path / "report.md").read_text()


def test_paths_are_stored_so_that_the_working_folder_does_not_matter(
    trained: tuple[Run, Report], toy: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(toy.path.parent)
    train(toy.path.name, os.path.relpath(tmp_path / "run"), MIX, replace(CONFIG, epochs=1))
    opened = Run.open(tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    assert Path(opened.config["catalog"]) == toy.path
    assert Path(opened.config["out"]).resolve() == (tmp_path / "run").resolve()
    assert (opened.path / opened.info["catalog"]["relative"]).resolve() == toy.path.resolve()
    assert evaluate_run(opened).splits["test"].n_items == 20


def test_run_and_catalog_move_together(
    trained: tuple[Run, Report], copied: Run, toy: Catalog, tmp_path: Path
) -> None:
    places = {**copied.config, "catalog": str(tmp_path / "gone")}
    copied.write_config(places)
    entry = {**copied.info["catalog"], "relative": "../moved"}
    copied.update(catalog=entry)
    with raises(CatalogError, code="catalog-not-found"):
        evaluate_run(copied)
    shutil.copytree(toy.path, tmp_path / "moved")
    roots = {name: toy.roots[name] for name in toy.roots}
    assert repr(evaluate_run(copied, roots=roots)) == repr(trained[1])
    run, again = train(tmp_path / "gone", copied.path, MIX, CONFIG, resume=True, roots=roots)
    assert repr(again) == repr(trained[1])
    assert Path(run.config["catalog"]) == tmp_path / "moved"
    with raises(CatalogError, code="catalog-not-found"):
        evaluate_run(copied, catalog=tmp_path / "other")


def test_a_moved_run_goes_on_where_it_lies_now(
    trained: tuple[Run, Report], copied: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    original = trained[0]
    assert copied.config["out"] == str(original.path)
    before = (original.path / "run.json").read_bytes()
    assert main(["train", "--config", f"{copied.path}/config.yaml", "--resume=true"]) == 0
    assert f"going on in {copied.path}, not in {original.path}" in capsys.readouterr().out
    assert (original.path / "run.json").read_bytes() == before
    assert copied.config["out"] == str(copied.path)


def test_audio_that_moved_is_found_by_root(
    toy: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Roots are kept with the run, so that scoring and going on need not be told again."""
    name, folder = next(iter(toy.roots.items()))
    shutil.copytree(folder, tmp_path / "audio")
    moved = f"{name}={tmp_path / 'audio'}"
    config = settings_file(tmp_path, toy)
    out = tmp_path / "run"
    arguments = ["train", "--config", str(config), "--out", str(out), "--train.epochs", "1"]
    assert main([*arguments, "--root", moved]) == 0
    assert Run.open(out).info["catalog"]["roots"] == {name: str(tmp_path / "audio")}
    kept = open_catalog(Run.open(out)).roots
    assert kept == {**toy.roots, name: tmp_path / "audio"}
    assert main(["evaluate", str(out), "--root", moved]) == 0
    assert main(["evaluate", str(out), "--root", "nosuch=/x"]) == 2
    assert "Roots given for nosuch" in capsys.readouterr().err
    assert main(["train", "--config", f"{out}/config.yaml", "--resume=true", "--root", moved]) == 0
    shutil.rmtree(tmp_path / "audio")
    assert open_catalog(Run.open(out)).roots == toy.roots


def test_a_run_on_urls_is_that_on_folders_and_goes_on(
    trained: tuple[Run, Report], toy: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIXLAB_CACHE", str(tmp_path / "cache"))
    with serving(toy.path.parent) as server:
        url, moved = f"{server.url}/catalog", {"folder": f"{server.url}/one"}
        run, report = train(url, tmp_path / "run", MIX, CONFIG, roots=moved)
        assert repr(report) == repr(trained[1])
        assert run.config["catalog"] == url
        assert run.info["catalog"]["roots"] == moved
        shutil.rmtree(tmp_path / "cache")
        assert {name: str(root) for name, root in open_catalog(run).roots.items()} == {
            **{name: str(root) for name, root in toy.roots.items()},
            **moved,
        }
        assert main(["train", "--config", f"{run.path}/config.yaml", "--resume=true"]) == 0
        assert repr(evaluate_run(run)) == repr(report)
        assert repr(evaluate_run(run, catalog=toy.path)) == repr(report)


def test_an_open_catalog_is_taken_as_it_is(trained: tuple[Run, Report], toy: Catalog, tmp_path: Path) -> None:
    run, again = train(toy, tmp_path / "run", MIX, CONFIG)
    assert repr(again) == repr(trained[1])
    assert repr(evaluate_run(run, catalog=toy)) == repr(again)
    with raises(ConfigError, code="conflicting-settings"):
        train(toy, tmp_path / "other", MIX, CONFIG, roots={"x": "y"})


def test_mixes_that_were_sampled_anew_are_reported(
    trained: tuple[Run, Report],
    copied: Run,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert trained[1].replaced == {"validation": 0, "test": 0}
    assert "replaced" not in (copied.path / "report.md").read_text()
    from mixlab.mixing import dataset as datasets

    render = datasets.render_mix

    def failing(recipe: MixRecipe, *arguments: object, **options: object) -> object:
        if recipe.split == "test" and recipe.index in (3, 7) and recipe.attempt == 0:
            raise AudioError("no such file")
        return render(recipe, *arguments, **options)

    monkeypatch.setattr(datasets, "render_mix", failing)
    with pytest.warns(RuntimeWarning, match="replaced: no such file"):
        assert main(["evaluate", str(copied.path)]) == 0
    note = "2 of 20 test mixes were replaced"
    assert note in capsys.readouterr().out
    assert note in (copied.path / "report.md").read_text()
    assert copied.report().replaced == {"validation": 0, "test": 2}


@pytest.mark.parametrize(
    ("where", "advice"),
    [("_fixed_batches", "Go on:   mixlab train --config"), ("predict", "score it:   mixlab evaluate")],
)
def test_ctrl_c_outside_the_epochs_gives_the_right_advice(
    toy: Catalog,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    where: str,
    advice: str,
) -> None:
    arguments = ["--config", str(settings_file(tmp_path, toy)), "--out", str(tmp_path / "run")]
    with monkeypatch.context() as patch:
        patch.setattr(f"mixlab.training.experiment.{where}", interrupt)
        assert main(["train", *arguments, "--train.epochs", "1"]) == 130
    printed = capsys.readouterr().out
    assert f"{advice} {tmp_path / 'run'}" in printed
    assert ("--resume=true" in printed) == (where == "_fixed_batches")
    command = printed.partition("mixlab ")[2].split()
    if where == "predict":
        with monkeypatch.context() as patch:
            patch.setattr("mixlab.training.experiment.predict", interrupt)
            assert main(command) == 130
        assert f"Score it:  mixlab evaluate {tmp_path / 'run'}" in capsys.readouterr().out
    assert main(command) == 0
    assert "test: 20 mixes from" in capsys.readouterr().out


def test_ctrl_c_before_there_is_a_run_touches_no_other(
    copied: Run,
    toy: Catalog,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("mixlab.training.experiment.new_model", interrupt)
    config = settings_file(tmp_path, toy)
    assert main(["train", "--config", str(config), "--out", str(copied.path)]) == 130
    assert "mixlab evaluate" not in capsys.readouterr().out


@pytest.mark.parametrize("reported", [True, False])
def test_a_training_that_nobody_listens_to_shows_no_bar(
    toy: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reported: bool
) -> None:
    from mixlab.training import callbacks

    bars, tqdm = [], callbacks.tqdm

    def counted(**options: object) -> object:
        bars.append(options)
        return tqdm(**options)

    monkeypatch.setattr(callbacks, "tqdm", counted)
    lines: list[str] = []
    train(
        toy.path, tmp_path / "run", MIX, replace(CONFIG, epochs=1), report=lines.append if reported else None
    )
    assert bool(bars) == bool(lines) == reported


def as_second_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("TORCHELASTIC_RUN_ID", "RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")
    for name, value in zip(names, ("x", "1", "2", "2"), strict=True):
        monkeypatch.setenv(name, value)


def test_several_processes_need_a_folder(
    toy: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    as_second_of_two(monkeypatch)
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--config", str(settings_file(tmp_path, toy))]) == 2
    assert "2 processes must share one run folder" in capsys.readouterr().err


def test_only_the_first_process_writes_settings(
    copied: Run, toy: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_second_of_two(monkeypatch)
    before = {name: (copied.path / name).read_bytes() for name in ("config.yaml", "run.json")}
    result = train(toy.path, copied.path, MIX, replace(CONFIG, num_workers=0, bootstrap=5), resume=True)
    assert result[1] is None
    assert {name: (copied.path / name).read_bytes() for name in before} == before


@pytest.mark.slow
def test_two_processes_train_and_score_together(toy: Catalog, tmp_path: Path) -> None:
    settings = {
        "catalog": str(toy.path),
        "out": str(tmp_path / "run"),
        "mix": asdict(MIX),
        "train": asdict(CONFIG),
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(plain(settings)))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += ["-m", "mixlab.cli", "train", "--config", str(tmp_path / "config.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    run = Run.open(tmp_path / "run")
    assert run.info["world_size"] == 2
    assert [row["step"] for row in run.metrics()] == [4, 8]
    predictions = run.predictions()
    assert predictions.only("validation").index.tolist() == list(range(24))
    assert predictions.only("test").index.tolist() == list(range(20))


def _printing_then_interrupting(original: Callable[..., None]) -> Callable[..., None]:
    def patched(*values: object, **options: object) -> None:
        original(*values, **options)
        if values and str(values[0]).startswith("epoch 1/"):
            os.kill(os.getpid(), signal.SIGINT)

    return patched
