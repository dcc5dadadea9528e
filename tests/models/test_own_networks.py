"""Networks of other makes on the whole way, and what is said of those that cannot go it."""

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
import yaml

from mixlab.catalog.catalog import Catalog
from mixlab.cli.main import main
from mixlab.errors import ConfigError
from mixlab.inference.tagger import Tagger
from mixlab.mixing.config import MixConfig
from mixlab.mixing.effects_config import EffectsConfig
from mixlab.models import ModelConfig, build_model, check_outputs, embed, plain_settings, resolve
from mixlab.models.base import TaggingModel
from mixlab.models.config import MEL_SETTINGS
from mixlab.studies.settings import settings_of
from mixlab.training import TrainConfig, load_model, train
from mixlab.training.baselines.embeddings import Embeddings
from mixlab.training.config import from_plain
from mixlab.training.run import Run
from tests.conftest import REPO
from tests.errors import raises
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
    given = {name: getattr(config, name) for name in MEL_SETTINGS}
    usual = ModelConfig()
    typed = {"architecture": config.architecture}
    typed |= {name: value for name, value in given.items() if value != getattr(usual, name)}
    typed |= {f"parameters.{name}": value for name, value in config.parameters.items()}
    return [word for name, value in typed.items() for word in (f"--train.model.{name}", str(value))]


@pytest.mark.parametrize("name", sorted(OWN))
def test_a_network_trains_and_tags_and_is_scored_again(
    name: str, toy: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    arguments = ["--catalog", str(toy.path), "--out", str(out), *SHORT, *words(OWN[name])]
    assert main(["train", *arguments]) == 0
    run = Run.open(out)
    assert run.config["train"]["model"]["architecture"] == OWN[name].architecture
    card = run.card["config"]
    assert card == plain_settings(OWN[name])
    assert card["parameters"] == resolve(OWN[name]).parameters
    assert ("n_mels" in card) is (name == "mel")
    assert all(entry["weights"] > 0 for entry in run.card["moved"].values())
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
    audio = torch.randn(2, 1, 6400)
    features = Embeddings(str(first.path), OWN["waveform"], None, False, "", "").load()(audio.numpy())
    with torch.inference_mode():
        np.testing.assert_allclose(features, embed(load_model(first), audio), atol=1e-6)
    wider = ModelConfig(OWN["waveform"].architecture, RATE, parameters={"width": 8})
    with raises(ConfigError, code="weights-mismatch", mentions="train.model.parameters.width=6"):
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
    monkeypatch.setenv("MIXLAB_RUNS", str(package / "runs"))
    page = tag_page()
    assert [error.value for error in page.error] == []
    assert any("windows of 0.8" in text.value for text in [*page.caption, *page.markdown])

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
    assert "my_package.nets:WaveformCNN" in tag_page().error[0].value.replace("\\", "")  # escapes of Markdown


def tag_page() -> Any:
    """The explorer's page that tags files, as a new process shows it."""
    streamlit = pytest.importorskip("streamlit", reason="the app extra is not installed")
    from streamlit.testing.v1 import AppTest

    streamlit.cache_resource.clear()
    page = AppTest.from_string("from app.views import tag\ntag.show(None)", default_timeout=60).run()
    assert not page.exception
    return page


def test_an_installed_package_offers_a_network_by_name(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (REPO / "docs" / "models.md").read_text(encoding="utf-8")
    group, point = re.findall(r'```toml\n.*entry-points."(.*)"\]\n(.*)\n```', page)[-1]
    info = tmp_path / "site" / "my_package-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my_package\nVersion: 1.0\n")
    lines = [f"[{group}]", point.replace('"', "")]
    (info / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "site"), str(package)])
    model = build_model(ModelConfig("waveform_cnn", parameters={"width": 4}), 2)
    assert type(model).__module__ == "my_package.nets"
    with raises(ConfigError, code="plugin-not-found", mentions="waveform_cnn"):
        resolve(ModelConfig("waveform_cn"))


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
    with raises(ConfigError, code="settings-changed", mentions="my_package.nets:WaveformCNN"):
        train(toy, run.path, mix, replace(config, epochs=2), resume=True)


@pytest.mark.parametrize(
    ("config", "code", "mentions"),
    [
        (ModelConfig("resnet9000"), "plugin-not-found", ["resnet9000", "short_chunk_cnn", "mixlab.models"]),
        (ModelConfig("tests.models.networks:Wave"), "plugin-not-found", ["'Wave'", "WaveNet"]),
        (ModelConfig("tests.models.nets:WaveNet"), "plugin-not-found", ["tests.models.nets", "PYTHONPATH"]),
        (ModelConfig("tests.models.networks:pairwise"), "unfit-plugin", ["torch.nn.Module"]),
        (ModelConfig("torch.nn:ReLU"), "unfit-plugin", ["n_classes"]),
        (
            ModelConfig(OWN["waveform"].architecture, parameters={"wdth": 8}),
            "invalid-setting",
            ["model.parameters", "WaveNet", "'wdth'", "width", "dropout"],
        ),
        (
            ModelConfig(OWN["waveform"].architecture, parameters={"width": 1.5}),
            "invalid-setting",
            ["model.parameters.width", "int", "1.5"],
        ),
        (
            ModelConfig(OWN["waveform"].architecture, width=8, hop=128),
            "conflicting-settings",
            ["model.hop", "model.width", "tests.models.networks:WaveNet"],
        ),
        (ModelConfig(parameters={"depth": 3}), "invalid-setting", ["ShortChunkCNN", "'depth'"]),
    ],
)
def test_settings_that_fit_no_network_are_refused(
    config: ModelConfig, code: str, mentions: list[str]
) -> None:
    with raises(ConfigError, code=code, mentions=mentions):
        resolve(config)


def test_networks_that_cannot_be_trained_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What their head is must be clear, and that it is the head."""

    def refused(changed: type, *mentions: str, code: str = "unfit-plugin", rate: int = RATE) -> None:
        monkeypatch.setattr(networks, "Changed", changed, raising=False)
        config = ModelConfig("tests.models.networks:Changed", rate)
        with raises(ConfigError, code=code, mentions=mentions):
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

    class Paired(networks.WaveNet):
        def forward(self, audio: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:  # type: ignore[override]
            return super().forward(audio), audio

    class Misspelt(networks.WaveNet):
        def forward(self, audio: torch.Tensor) -> torch.Tensor:
            return self.haed(audio)

    class Superless(networks.WaveNet):
        def __init__(self, n_classes: int) -> None:
            self.head = torch.nn.Linear(3, n_classes)

    class Failing(networks.WaveNet):
        def __init__(self, n_classes: int) -> None:
            raise OSError("no pretrained weights")

    class Cardless(TaggingModel):
        """On mixlab's mel front end, without what that needs of it."""

    refused(Cardless, "'card'", code="plugin-failed")
    refused(Paired, "forward", "tuple")
    refused(Misspelt, "'haed'", "test_own_networks.py", code="plugin-failed")
    refused(Superless, "AttributeError", "test_own_networks.py", code="plugin-failed")
    refused(Failing, "no pretrained weights", "test_own_networks.py", code="plugin-failed")
    refused(Nameless, "'top'", "(backbone, head)", "head_names")
    refused(Weightless, "ends with 'head'")
    refused(Partless, "'backbone'", "embed(audio)")
    refused(Another, "classify(embed(audio))")
    refused(Narrow, "(1, 2)", "(1, 3)")
    refused(Infinite, "silence")
    refused(networks.StftNet, "8000", "16000", code="sample-rate-mismatch", rate=16000)
    short = build_model(OWN["waveform"], 3).eval()
    with raises(ConfigError, code="plugin-failed", mentions=["(1, 1, 100)", "0.0125 s"]):
        check_outputs(short, OWN["waveform"], 3, 100)


def test_weights_that_two_layers_share_are_stored(tmp_path: Path) -> None:
    layers = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3))
    layers[1].weight = layers[0].weight
    run = Run.create(tmp_path / "run", {}, {})
    run.write_model(layers.state_dict(), {})
    stored, _ = run.read_model()
    assert torch.equal(stored["0.weight"], stored["1.weight"])
    assert stored.keys() == layers.state_dict().keys()


def test_a_setting_of_a_network_can_be_varied() -> None:
    """In sweeps and studies; what the network does not have is refused before the first training."""
    base = MixConfig(duration_s=0.8, sample_rate=RATE), TrainConfig(model=OWN["waveform"])
    _, config = settings_of(*base, {"train.model.parameters.dropout": 0.5})
    assert config.model.parameters == {"width": 6, "dropout": 0.5}
    with raises(ConfigError, code="invalid-setting", mentions="'depth'"):
        settings_of(*base, {"train.model.parameters.depth": 3})
