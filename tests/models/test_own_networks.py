"""Networks of other makes on the whole way, and what is said of those that cannot go it."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml

from mixlab.catalog.catalog import Catalog
from mixlab.cli.main import main
from mixlab.errors import ConfigError
from mixlab.inference.tagger import Tagger
from mixlab.mixing.effects import EffectsConfig
from mixlab.mixing.recipe import MixConfig
from mixlab.models import ModelConfig, build_model, check_outputs, resolve
from mixlab.training import TrainConfig, load_model, train
from mixlab.training.config import from_plain
from mixlab.training.run import Run
from tests.conftest import REPO
from tests.models import networks
from tests.models.test_conformance import OWN, RATE
from tests.tagged_trees import make_irmas

SHORT = [
    *("--mix.duration_s", "0.8", "--mix.sample_rate", str(RATE), "--mix.max_sources", "3"),
    *("--train.model.sample_rate", str(RATE), "--train.epochs", "1", "--train.epoch_size", "16"),
    *(
        "--train.batch_size",
        "8",
        "--train.val_size",
        "12",
        "--train.test_size",
        "12",
        "--train.precision",
        "fp32",
    ),
    *("--train.accelerator", "cpu", "--train.tensorboard", "false", "--train.bootstrap", "5"),
]


def words(config: ModelConfig) -> list[str]:
    """What names a network on the command line."""
    given = [(f"--train.model.parameters.{name}", str(value)) for name, value in config.parameters.items()]
    return ["--train.model.architecture", config.architecture, *(word for pair in given for word in pair)]


@pytest.mark.parametrize("name", sorted(OWN))
def test_a_network_trains_and_tags_and_is_scored_again(
    name: str, toy: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    arguments = ["--catalog", str(toy.path), "--out", str(out), *SHORT, *words(OWN[name])]
    assert main(["train", *arguments]) == 0
    run = Run.open(out)
    assert run.config["train"]["model"]["architecture"] == OWN[name].architecture
    assert run.card["config"] == {
        "architecture": OWN[name].architecture,
        "sample_rate": RATE,
        "parameters": resolve(OWN[name]).parameters,
    }
    assert set(run.card["moved"]) >= {"backbone", "head"} or name == "stft"
    before = run.predictions().scores
    assert main(["evaluate", str(out)]) == 0
    np.testing.assert_array_equal(Run.open(out).predictions().scores, before)
    short = tmp_path / "short.wav"  # a quarter of a window, and another rate
    soundfile.write(short, 0.3 * np.sin(np.arange(8820) / 20), 44100)
    capsys.readouterr()
    assert main(["tag", str(short), "--run", str(out), "--hop", "0.4"]) == 0
    assert "padded" in capsys.readouterr().out
    tags = Tagger.load(run, device="cpu").tag_audio(np.zeros((1, RATE), np.float32), hop_s=0.4)
    assert np.isfinite(tags.scores).all()
    assert tags.tags == ()


def test_a_frozen_backbone_of_another_run_stays(toy: Catalog, tmp_path: Path) -> None:
    """In Python, with embeddings that are kept; the weights' own settings are needed again."""
    mix = MixConfig(duration_s=0.8, sample_rate=RATE, max_sources=3, effects=EffectsConfig.none())
    sizes = {"epochs": 1, "epoch_size": 16, "batch_size": 8, "val_size": 12, "test_size": 12}
    shared = {**sizes, "precision": "fp32", "accelerator": "cpu", "tensorboard": False, "bootstrap": 5}
    first, _ = train(toy, tmp_path / "first", mix, TrainConfig(model=OWN["waveform"], **shared))
    given = {**shared, "transfer": "frozen", "pretrained": str(first.path), "cached_items": 16}
    second, _ = train(toy, tmp_path / "second", mix, TrainConfig(model=OWN["waveform"], **given))
    moved = second.card["moved"]
    assert moved["backbone"] == {"trainable": False, "weights": 0.0, "statistics": 0.0}
    assert moved["head"]["weights"] > 0
    start, end = first.read_model()[0], second.read_model()[0]
    assert all(torch.equal(end[key], start[key]) for key in start if key.startswith("backbone."))
    wider = ModelConfig(OWN["waveform"].architecture, RATE, parameters={"width": 8})
    with pytest.raises(ConfigError, match=r"needs train\.model\.parameters\.width=6"):
        train(toy, tmp_path / "third", mix, TrainConfig(model=wider, **given))
    assert not (tmp_path / "third").exists()


def example() -> tuple[str, list[list[str]], str]:
    """The network, the commands and the settings of the page on models."""
    page = (REPO / "docs" / "models.md").read_text(encoding="utf-8")
    part = page[page.index("## A network of your own") :]
    code, commands, settings = (
        re.findall(rf"```{language}\n(.*?)```", part, flags=re.DOTALL)[0]
        for language in ("python", "sh", "yaml")
    )
    lines = commands.replace("\\\n", " ").splitlines()
    return code, [line.split()[1:] for line in lines if line.startswith("mixlab ")], settings


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder outside the repository with the page's network in a package, and Python started there."""
    folder = tmp_path / "work"
    (folder / "my_package").mkdir(parents=True)
    (folder / "my_package" / "__init__.py").touch()
    (folder / "my_package" / "nets.py").write_text(example()[0], encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield folder
    forget()


def forget() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_package"]:
        del sys.modules[name]


def test_the_page_s_network_works_from_a_folder_of_its_own(
    package: Path,
    toy: Catalog,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """On every command that opens runs; without its module they say what is missing."""
    _, commands, settings = example()
    soundfile.write(package / "song.wav", np.random.default_rng(0).uniform(-0.3, 0.3, 3 * RATE), RATE)
    typed = [[*command] for command in commands]
    for command in typed:
        if command[0] == "train":
            command[command.index("--catalog") + 1] = str(toy.path)
            command += SHORT
        command += ["--hop", "0.4"] if command[0] == "tag" else []
        assert main(command) == 0, command
    runs = [Path(command[command.index("--out") + 1]) for command in typed if command[0] == "train"]
    assert len(runs) == 2
    stored = Run.open(runs[0]).card
    assert stored["config"]["parameters"]["width"] == 16
    assert stored["config"] == resolve_like(settings)
    make_irmas(tmp_path / "irmas")
    outside = [
        "--run",
        str(runs[0]),
        "--root",
        str(tmp_path / "irmas"),
        "--resamples",
        "2",
        "--device",
        "cpu",
    ]
    assert main(["evaluate-on", "irmas", *outside]) == 0
    assert main(["compare", *map(str, runs)]) == 0

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", str(package))])
    forget()
    capsys.readouterr()
    song, (first, second) = str(package / "song.wav"), [str(package / run) for run in runs]
    for command in (
        ["tag", song, "--run", first],
        ["evaluate", first],
        ["evaluate-on", "irmas", "--run", first, *outside[2:]],
    ):
        assert main(command) == 2
        said = capsys.readouterr().err
        assert "my_package.nets:WaveformCNN" in said
        assert "holds a network that is not here" in said
        assert "PYTHONPATH" in said
    assert main(["compare", first, second]) == 0  # predictions are enough for it


def resolve_like(settings: str) -> dict[str, object]:
    """The card of a network as the settings of the page describe it, at the tests' sample rate."""
    model = yaml.safe_load(settings)["train"]["model"]
    full = resolve(from_plain(ModelConfig, {**model, "sample_rate": RATE}))
    return {"architecture": full.architecture, "sample_rate": RATE, "parameters": full.parameters}


def test_a_network_that_changed_since_is_told(package: Path, toy: Catalog) -> None:
    mix = MixConfig(duration_s=0.8, sample_rate=RATE, max_sources=3, effects=EffectsConfig.none())
    config = TrainConfig(
        model=ModelConfig("my_package.nets:WaveformCNN", RATE),
        epochs=1,
        epoch_size=8,
        batch_size=8,
        val_size=8,
        test_size=8,
        precision="fp32",
        accelerator="cpu",
        tensorboard=False,
        bootstrap=0,
    )
    run, _ = train(toy, package / "run", mix, config)
    load_model(run)
    file = package / "my_package" / "nets.py"
    file.write_text(file.read_text(encoding="utf-8") + "\n# another one\n", encoding="utf-8")
    with pytest.warns(UserWarning, match="nets:WaveformCNN has changed since"):
        load_model(run)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (ModelConfig("resnet9000"), "no network 'resnet9000'"),
        (ModelConfig("tests.models.networks:Wave"), "there is no 'Wave'"),
        (ModelConfig("tests.models.nets:WaveNet"), r"no module 'tests\.models\.nets'"),
        (ModelConfig("tests.models.networks:pairwise"), "expected a subclass of torch.nn.Module"),
        (
            ModelConfig(OWN["waveform"].architecture, parameters={"wdth": 8}),
            r"model\.parameters of WaveNet: .*'wdth'; its settings are width, dropout",
        ),
        (
            ModelConfig(OWN["waveform"].architecture, parameters={"width": 1.5}),
            r'"model\.parameters\.width".*<class .int.>.*1\.5',
        ),
        (
            ModelConfig(OWN["waveform"].architecture, width=8, hop=128),
            r"model\.hop, model\.width: not a setting of tests\.models\.networks:WaveNet",
        ),
        (ModelConfig(parameters={"depth": 3}), r"model\.parameters of ShortChunkCNN: .*it has no settings"),
        (ModelConfig("torch.nn:ReLU"), "its constructor takes no n_classes"),
    ],
)
def test_settings_that_fit_no_network_are_refused(config: ModelConfig, message: str) -> None:
    with pytest.raises(ConfigError, match=f"(?s){message}"):
        resolve(config)


def test_networks_that_cannot_be_trained_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What their head is must be clear, and that it is the head."""

    def refused(changed: type, message: str, rate: int = RATE) -> None:
        monkeypatch.setattr(networks, "Changed", changed, raising=False)
        config = ModelConfig("tests.models.networks:Changed", rate)
        with pytest.raises(ConfigError, match=message):
            check_outputs(build_model(config, 3).eval(), config, 3, 6400)

    class Nameless(networks.WaveNet):
        head_names = ("top",)

    class Weightless(networks.WaveNet):
        def __init__(self, n_classes: int) -> None:
            super().__init__(n_classes)
            self.head = torch.nn.Flatten()

    class Partless(networks.StftNet):
        embed = property()

    class Another(networks.WaveNet):
        def forward(self, audio: torch.Tensor) -> torch.Tensor:
            return 2 * super().forward(audio) + 1

    class Narrow(networks.WaveNet):
        def __init__(self, n_classes: int) -> None:
            super().__init__(n_classes - 1)

    class Infinite(networks.WaveNet):
        def forward(self, audio: torch.Tensor) -> torch.Tensor:
            return super().forward(audio) / audio.abs().max()

    refused(Nameless, r"has no 'top' among its modules \(backbone, head\)")
    refused(Weightless, "ends with 'head', which has no weights to train")
    refused(Partless, "neither a module 'backbone' nor a method 'embed'")
    refused(Another, "gives other logits than its head does on its embeddings")
    refused(Narrow, r"logits of shape \(1, 2\) .* expected \(1, 3\)")
    refused(Infinite, "no finite numbers for silence")
    refused(networks.StftNet, r"takes audio at 8000 Hz: set model\.sample_rate to it, found 16000", 16000)
    short = build_model(OWN["waveform"], 3).eval()
    with pytest.raises(
        ConfigError, match=r"does not take audio of shape \(1, 1, 100\), a window of 0\.0125 s"
    ):
        check_outputs(short, OWN["waveform"], 3, 100)


def test_a_setting_of_a_network_can_be_varied(toy: Catalog, tmp_path: Path) -> None:
    vary = ["--vary", "train.model.parameters.width=4,8", "--seeds", "0", "--out", str(tmp_path / "sweep")]
    arguments = [
        "--catalog",
        str(toy.path),
        *SHORT,
        "--train.model.architecture",
        OWN["waveform"].architecture,
    ]
    assert main(["sweep", *arguments, *vary]) == 0
    widths = {
        json.loads((path / "model.json").read_text())["config"]["parameters"]["width"]
        for path in (tmp_path / "sweep" / "runs").iterdir()
    }
    assert widths == {4, 8}
