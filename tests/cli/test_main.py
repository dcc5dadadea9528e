"""The command line: help without extras, clear errors, and mixes that replay to the same bytes."""

import json
import re
import subprocess
import sys
from dataclasses import fields
from importlib import import_module
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from mixlab.catalog.catalog import Catalog
from mixlab.cli.main import _OF_TRAIN, COMMANDS, main
from mixlab.mixing.config import MixConfig
from mixlab.mixing.dataset import MixDataset
from mixlab.mixing.recipe import MixRecipe
from mixlab.utils.plain import plain
from tests.conftest import REPO


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for name in COMMANDS:
        assert f"  {name} " in out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert f"mixlab {name}" in out
    summary = (
        (import_module(COMMANDS[name].module).__dict__[COMMANDS[name].function].__doc__ or "").strip().split()
    )
    assert summary[0] in out


def test_help_and_version_are_quick_to_import() -> None:
    code = (
        "import sys; from mixlab.cli.main import main; main(['--help']); "
        "print(sorted({'torch', 'pandas', 'streamlit'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.rstrip().endswith("[]")


def test_an_unknown_command_is_told_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["catlog"]) == 2
    assert "Did you mean 'catalog'?" in capsys.readouterr().err


def test_a_missing_catalog_is_one_line_and_says_what_to_type(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mix", str(tmp_path / "none")]) == 2
    err = capsys.readouterr().err
    assert err.startswith("mixlab: error [catalog-not-found]: ")
    assert "mixlab index" in err
    assert "Traceback" not in err


def test_switches_need_no_value_and_names_may_have_dashes(
    toy: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["mix", str(toy.path), f"--out={tmp_path}", "--index=0", "--jams", "--wav-format", "PCM_16"]
    assert main(arguments) == 0
    assert (tmp_path / "000000" / "mix.jams").is_file()
    assert soundfile.info(tmp_path / "000000" / "mixture.wav").subtype == "PCM_16"
    assert main(["catalog", str(toy.path), "--problems"]) == 0
    assert "No problems." in capsys.readouterr().out


@pytest.mark.parametrize("form", [["--root", "folder={}"], ["--root=folder={}"]])
def test_an_option_given_twice_means_both(toy: Catalog, tmp_path: Path, form: list[str]) -> None:
    one = [text.format(toy.roots["folder"]) for text in form]
    other = [text.format(toy.roots["folder@two"]).replace("folder=", "folder@two=") for text in form]
    assert main(["index", str(tmp_path / "catalog"), *one, *other, "--workers", "1"]) == 0
    assert set(Catalog.open(tmp_path / "catalog").roots) == {"folder", "folder@two"}


def test_a_misspelt_setting_is_refused(toy: Catalog, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["mix", str(toy.path), "--mix.p_musicall", "0.3"])
    assert stop.value.code == 2
    assert "p_musicall" in capsys.readouterr().err


def test_a_misspelt_key_in_a_config_file_is_refused(
    toy: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "mix.yaml"
    config.write_text("mix:\n  p_musicale: 0.3\n")
    with pytest.raises(SystemExit) as stop:
        main(["mix", str(toy.path), "--config", str(config)])
    assert stop.value.code == 2
    assert "p_musicale" in capsys.readouterr().err


FILES = {
    "a.yaml": "seed: 3\nmix: {p_musical: 0.9, max_sources: 3, effects: {gain: {p: 0.1}, custom: [a:X]}}\n"
    "root: [old=/x]\nout: from_a\n",
    "b.yaml": "mix: {p_musical: 0.8}\n",
    "mix.yaml": "p_musical: 0.7\nmin_sources: 1\ncorpus_weights: {x: 2.0}\n",
    "place.yaml": "catalog: elsewhere\n",
}
ORDERS = [
    # what is typed, and what it means
    ("--seed=7 | --config a.yaml", {"seed": 7, "mix.p_musical": 0.9, "out": "from_a"}),
    ("--mix.p_musical 0.1 | --config=a.yaml", {"seed": 3, "mix.p_musical": 0.1, "mix.max_sources": 3}),
    ("--mix.effects.gain.p 0.6 | --config a.yaml", {"mix.effects.gain.p": 0.6, "mix.p_musical": 0.9}),
    ("--mix.effects {gain: {p: 0.2}} | --config a.yaml", {"mix.effects.gain.p": 0.2, "mix.max_sources": 3}),
    ("--mix.p-musical .1 | --mix mix.yaml", {"mix.p_musical": 0.1, "mix.min_sources": 1}),
    ("--mix.p_musical .1 | --mix mix.yaml | --config a.yaml", {"mix.p_musical": 0.1, "mix.max_sources": 3}),
    ("--mix mix.yaml | --config a.yaml", {"mix.p_musical": 0.7, "mix.max_sources": 3, "seed": 3}),
    ("--mix.corpus_weights.x=5 | --mix mix.yaml", {"mix.corpus_weights": {"x": 5.0}}),
    ("--mix.corpus_weights {y: 1} | --config a.yaml", {"mix.corpus_weights": {"y": 1.0}}),
    ("--mix.full | --config a.yaml", {"mix.full": True, "mix.p_musical": 0.9}),
    ("CATALOG | --config place.yaml", {"catalog": "CATALOG"}),
    ("--root b=/y | --config a.yaml | --root c=/z", {"root": ["b=/y", "c=/z"]}),
    (
        "--mix.effects.custom b:Y | --config a.yaml | --mix.effects.custom {effect: c:Z, depth: 1}",
        {"mix.effects.custom": ["b:Y", {"effect": "c:Z", "depth": 1}], "mix.p_musical": 0.9},
    ),
    ("--mix.effects.custom [b:Y] | --config a.yaml", {"mix.effects.custom": ["b:Y"]}),
    ("--out here | --config a.yaml", {"out": "here", "root": ["old=/x"]}),
]


def resolved(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    """Return the settings of ``mixlab mix`` as it resolves them, nested ones by their dotted names too."""
    with pytest.raises(SystemExit) as stop:
        main(["mix", *arguments])
    printed = capsys.readouterr()
    assert stop.value.code == 0, printed.err

    def flat(values: dict[str, object], prefix: str) -> dict[str, object]:
        found = {f"{prefix}{name}": value for name, value in values.items()}
        for name, value in values.items():
            found |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {}
        return found

    return flat(yaml.safe_load(printed.out), "")


@pytest.mark.parametrize(("typed", "meant"), ORDERS, ids=[typed for typed, _ in ORDERS])
def test_what_is_typed_wins_over_files_wherever_it_stands(
    typed: str,
    meant: dict[str, object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    pieces = [piece.split(" ", 1) if piece[0] == "-" else [piece] for piece in typed.split(" | ")]
    for order in permutations(pieces):
        found = resolved(capsys, *(text for piece in order for text in piece), "--print_config")
        wanted = dict(meant)
        typed_last = [yaml.safe_load(p[-1]) for p in order]
        for name, value in wanted.items():
            if isinstance(value, list) and len(value) == 2:
                wanted[name] = sorted(value, key=typed_last.index)
        assert {name: found[name] for name in wanted} == wanted, order


def test_of_several_config_files_the_last_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    found = resolved(capsys, "--config=a.yaml", "--seed=9", "--config", "b.yaml", "--print_config")
    assert (found["seed"], found["mix.p_musical"], found["mix.max_sources"]) == (9, 0.8, 3)
    found = resolved(capsys, "--config", "b.yaml", "--print_config", "--config", "a.yaml")
    assert (found["seed"], found["mix.p_musical"], found["mix.max_sources"]) == (3, 0.9, 3)


@pytest.mark.parametrize("option", ["--conf=a.yaml", "--see=8", "--mix.corpus_w={y: 1}", "--roo=b=/y"])
def test_options_are_given_by_their_whole_names(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["mix", "CATALOG", "--seed=7", option, "--print_config"])
    assert stop.value.code == 2
    assert f"unrecognized arguments: {option}" in capsys.readouterr().err.replace("Unrec", "unrec")


@pytest.mark.parametrize("command", ["train", "sweep", "baseline", "study p_musical"])
def test_what_is_typed_wins_in_every_command_with_settings(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yaml").write_text("mix: {p_musical: 0.9, max_sources: 3}\n")
    with pytest.raises(SystemExit):
        main([*command.split(), "--mix.p_musical=0.1", f"--config={tmp_path / 'a.yaml'}", "--print_config"])
    mix = yaml.safe_load(capsys.readouterr().out)["mix"]
    assert (mix["p_musical"], mix["max_sources"]) == (0.1, 3)


def test_a_command_does_what_was_typed_before_its_config_file(toy: Catalog, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("seed: 3\nmix: {p_musical: 0.0, duration_s: 1.0}\n")
    typed = ["--seed", "7", "--mix.p_musical", "1", "--out", str(tmp_path / "out"), "--index", "0"]
    assert main(["mix", str(toy.path), *typed, "--config", str(tmp_path / "a.yaml")]) == 0
    recipe = MixRecipe.from_json((tmp_path / "out" / "000000" / "recipe.json").read_text())
    assert (recipe.seed, recipe.kind, recipe.render.duration_s) == (7, "musical", 1.0)


def test_ones_own_label_set_can_be_given_as_a_path_and_as_its_contents(toy: Catalog, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("outputs: [{name: strings, nodes: [bowed-string, plucked-string]}]\n")
    kept = MixConfig(label_set=str(own))
    (tmp_path / "a.yaml").write_text(yaml.safe_dump({"mix": plain(kept)}))
    arguments = ["mix", str(toy.path), "--index", "0", "--out"]
    assert main([*arguments, str(tmp_path / "path"), "--mix.label_set", str(own)]) == 0
    own.unlink()
    assert main([*arguments, str(tmp_path / "text"), "--config", str(tmp_path / "a.yaml")]) == 0
    recipes = [(tmp_path / name / "000000" / "recipe.json").read_text() for name in ("path", "text")]
    assert recipes[0] == recipes[1]
    copy = tmp_path / "path" / "000000" / "recipe.json"
    assert main(["mix", str(toy.path), "--replay", str(copy), "--out", str(tmp_path / "replayed")]) == 0


def test_a_value_out_of_range_is_refused(
    toy: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(["mix", str(toy.path), "--out", str(tmp_path), "--mix.p_musical", "1.3"])
    except SystemExit as stop:
        code = int(stop.code or 0)
    assert code == 2
    assert "p_musical" in capsys.readouterr().err


def test_mixes_are_written_kept_and_replayed_to_the_same_bytes(
    toy: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mixes"
    arguments = ["mix", str(toy.path), "--out", str(out), "--index", "0:3", "--seed", "5", "--jams", "true"]
    assert main(arguments) == 0
    assert "3 mixes written" in capsys.readouterr().out
    first = out / "000000"
    mixture, rate = soundfile.read(first / "mixture.wav")
    assert rate == 16000
    assert len(mixture) == 64000
    sources = [soundfile.read(path)[0] for path in sorted(first.glob("source_*.wav"))]
    np.testing.assert_allclose(np.sum(sources, axis=0), mixture, atol=len(sources) * 2**-23)
    before = {path.name: path.read_bytes() for path in first.iterdir()}
    assert set(before) >= {"mixture.wav", "recipe.json", "labels.json", "mix.jams"}

    assert main(arguments) == 0
    assert "3 were there already" in capsys.readouterr().out

    again = tmp_path / "again"
    assert (
        main(
            [
                "mix",
                str(toy.path),
                "--out",
                str(again),
                "--replay",
                str(first / "recipe.json"),
                "--jams",
                "true",
            ]
        )
        == 0
    )
    after = {path.name: path.read_bytes() for path in (again / "000000").iterdir()}
    assert after == before


def test_a_folder_with_another_mix_is_not_overwritten(
    toy: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["mix", str(toy.path), "--out", str(tmp_path), "--index", "0"]
    assert main(common) == 0
    assert main([*common, "--seed", "9"]) == 2
    assert "another mix's recipe" in capsys.readouterr().err


def test_what_was_asked_for_later_is_still_written(toy: Catalog, tmp_path: Path) -> None:
    common = ["mix", str(toy.path), "--out", str(tmp_path), "--index", "0"]
    assert main(common) == 0
    assert main([*common, "--jams", "--wav_format", "PCM_16"]) == 0
    assert (tmp_path / "000000" / "mix.jams").is_file()
    assert soundfile.info(tmp_path / "000000" / "mixture.wav").subtype == "PCM_16"


def test_a_folder_of_an_unfinished_mix_keeps_none_of_its_files(toy: Catalog, tmp_path: Path) -> None:
    folder = tmp_path / "000000"
    folder.mkdir()
    (folder / "source_07_old.wav").write_bytes(b"old")
    assert main(["mix", str(toy.path), "--out", str(tmp_path), "--index", "0"]) == 0
    recipe = json.loads((folder / "recipe.json").read_text())
    assert len(list(folder.glob("source_*.wav"))) == len(recipe["sources"])


def test_an_out_that_is_a_file_is_one_clear_line(
    toy: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["mix", str(toy.path), "--out", str(tmp_path / "file"), "--index", "0"]) == 2
    assert f"Could not write {tmp_path / 'file'}" in capsys.readouterr().err


def test_files_of_a_mix_beyond_full_scale_still_add_up(toy: Catalog, tmp_path: Path) -> None:
    loud = [
        "--mix.peak_limit",
        "0",
        "--mix.level",
        "loudness",
        "--mix.target_lufs",
        "0",
        "--mix.max_gain_db",
        "30",
    ]
    assert main(["mix", str(toy.path), "--out", str(tmp_path), "--index", "0:3", *loud]) == 0
    scales = []
    for folder in sorted(tmp_path.iterdir()):
        mixture = soundfile.read(folder / "mixture.wav")[0]
        sources = [soundfile.read(path)[0] for path in folder.glob("source_*.wav")]
        np.testing.assert_allclose(np.sum(sources, axis=0), mixture, atol=len(sources) * 2**-23)
        scales.append(json.loads((folder / "labels.json").read_text())["file_scale_db"])
    assert min(scales) < -1


def test_validation_items_are_those_that_models_are_scored_on(toy: Catalog, tmp_path: Path) -> None:
    assert main(["mix", str(toy.path), "--out", str(tmp_path), "--index", "7", "--split", "validation"]) == 0
    written = MixRecipe.from_json((tmp_path / "000007" / "recipe.json").read_text())
    assert written == MixDataset(toy, split="validation").recipe(7)


def test_a_bad_recipe_and_a_bad_index_are_refused(
    toy: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "recipe.json"
    recipe.write_text("{}")
    assert main(["mix", str(toy.path), "--out", str(tmp_path), "--replay", str(recipe)]) == 2
    assert "reads recipes of version" in capsys.readouterr().err
    assert main(["mix", str(toy.path), "--out", str(tmp_path), "--index", "5:2"]) == 2
    assert "--index takes an item" in capsys.readouterr().err


def test_labels_hold_a_state_and_a_reason_for_every_class(toy: Catalog, tmp_path: Path) -> None:
    assert main(["mix", str(toy.path), "--out", str(tmp_path), "--index", "0"]) == 0
    labels = json.loads((tmp_path / "000000" / "labels.json").read_text())
    assert len(labels["classes"]) == 15
    assert all(
        entry["state"] in ("present", "absent", "unknown") and entry["reason"] for entry in labels["classes"]
    )


def test_rates_count_what_is_sampled(toy: Catalog, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mix", str(toy.path), "--rates", "200", "--mix.p_musical", "1.0"]) == 0
    out = capsys.readouterr().out
    assert "musical             100.0 %" in out
    assert "electric guitar" in out


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_jams_files_are_valid(toy: Catalog, tmp_path: Path) -> None:
    jams = pytest.importorskip("jams")
    assert main(["mix", str(toy.path), "--out", str(tmp_path), "--index", "1", "--jams", "true"]) == 0
    document = jams.load(str(tmp_path / "000001" / "mix.jams"), validate=True)
    tags = document.search(namespace="tag_open")[0]
    labels = json.loads((tmp_path / "000001" / "labels.json").read_text())
    present = {entry["name"] for entry in labels["classes"] if entry["state"] == "present"}
    assert {observation.value for observation in tags.data} == present
    assert document.sandbox.mixlab_recipe["index"] == 1


def test_the_shipped_mix_settings_are_complete_and_the_defaults(
    toy: Catalog, tmp_path: Path, repo: Path
) -> None:
    config = yaml.safe_load((repo / "configs" / "mix.yaml").read_text(encoding="utf-8"))
    assert set(config["mix"]) == {field.name for field in fields(MixConfig)}
    out = ["--out", str(tmp_path), "--index", "0"]
    assert main(["mix", str(toy.path), "--config", str(repo / "configs" / "mix.yaml"), *out]) == 0
    written = MixRecipe.from_json((tmp_path / "000000" / "recipe.json").read_text())
    assert written == MixDataset(toy).recipe(0)


def test_what_fails_in_a_worker_is_said_without_its_traceback(
    toy: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = [f"--train.{name}=4" for name in ("epoch_size", "batch_size", "val_size", "test_size")]
    custom = "--mix.effects.custom=[{effect: tests.own_effects:Stateful, p: 1.0}]"
    arguments = ["train", f"--catalog={toy.path}", f"--out={tmp_path / 'run'}", *sizes, custom]
    assert main([*arguments, "--train.num_workers=1", "--train.accelerator=cpu"]) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    last = said.splitlines()[-1]
    code = "plugin-failed" if sys.version_info >= (3, 11) else "unspecified"  # torch hands on text alone
    assert last.startswith(f"mixlab: error [{code}]: The effect 'tests.own_effects:Stateful' on ")
    assert last.endswith("AudioError: impulse.wav is damaged. Mend it, or take it out.")


@pytest.mark.parametrize(("command", "package"), [("tag", "sklearn"), ("evaluate", "sklearn")])
def test_a_command_without_its_packages_names_the_extra(command: str, package: str, tmp_path: Path) -> None:
    program = (
        "import sys\n"
        f"sys.modules[{package!r}] = None\n"  # as if it were not installed
        "from mixlab.cli.main import main\n"
        f"sys.exit(main([{command!r}, {str(tmp_path / 'none')!r}]))\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert run.stderr.startswith("mixlab: error [missing-dependency]: ")
    assert f"{package!r}, not installed here: pip install 'mixlab[train]'" in run.stderr


def test_packages_that_train_brings_are_those_it_declares() -> None:
    text = (REPO / "pyproject.toml").read_text(encoding="utf-8")
    (listed,) = re.findall(r"^train = \[\n(.*?)^\]", text, re.DOTALL | re.MULTILINE)
    declared = {name.replace("scikit-learn", "sklearn") for name in re.findall(r'"([\w-]+)', listed)}
    assert declared - {"tensorboard", "torch"} == _OF_TRAIN
