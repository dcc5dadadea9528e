"""RawNet2 and the STFT ConvNet are those of the paper's tables: shapes, sizes, filters, and limits."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from mixlab.errors import ConfigError
from mixlab.models import ModelConfig, build_model, last_parameters, n_parameters
from mixlab.models.rawnet2 import EMBEDDING_NORM, FeatureMapScaling, SincConv
from tests.errors import raises

N_CLASSES = 16

RAWNET2_SHAPES = {
    "bn": (128, 1, 19683),
    "blocks.1": (128, 1, 2187),
    "blocks.5": (256, 1, 27),
    "embedding": (1024,),
    "output": (16,),
}
"""Table 1, with channels before time, and a height of 1 between."""

CONVNET_SHAPES = {
    "bn": (1, 513, 128),
    "conv1": (256, 125),
    "padded.0": (256, 125),
    "padded.1": (256, 125),
    "padded.2": (256, 125),
    "padded.3": (256, 125),
    "dense1": (480,),
    "dense2": (240,),
    "output": (16,),
}
"""Table 2, with frequency before time in the input, and without the axis of length 1 behind."""


def conv(n_in: int, n_out: int, taps: int) -> int:
    return n_in * n_out * taps + n_out


def rawnet2_size() -> dict[str, int]:
    """Parameters that Table 1 names, and those that the published network has besides."""
    batch_norm = {128: 2 * 128, 256: 2 * 256}
    table = {
        "sinc": 2 * 128,
        "its batch norm": batch_norm[128],
        "narrow": 2 * (2 * batch_norm[128] + 2 * conv(128, 128, 3)),
        "first wide": batch_norm[128] + conv(128, 256, 3) + batch_norm[256] + conv(256, 256, 3),
        "wide": 3 * (2 * batch_norm[256] + 2 * conv(256, 256, 3)),
        "gru": 3 * (256 * 1024 + 1024 * 1024 + 2 * 1024),
        "embedding": conv(1024, 1024, 1),
        "output": conv(1024, 16, 1),
    }
    besides = {
        "the first block begins without batch norm": -batch_norm[128],
        "feature map scaling": 2 * conv(128, 128, 1) + 4 * conv(256, 256, 1),
        "shortcut of the block that widens": conv(128, 256, 1),
        "batch norm before the gru": batch_norm[256],
    }
    return table | besides


CONVNET_SIZE = {
    "batch norm": 2,
    "conv (4, 513)": conv(1, 256, 4 * 513),
    "conv (4, 1)": 4 * conv(256, 256, 4),
    "dense": conv(1024, 480, 1) + conv(480, 240, 1) + conv(240, 16, 1),
}


def shapes(model: nn.Module, names: list[str], n_samples: int) -> dict[str, tuple[int, ...]]:
    """Shapes of what some modules give for one window, without the batch axis."""
    found: dict[str, tuple[int, ...]] = {}

    def keep(name: str) -> None:
        model.get_submodule(name).register_forward_hook(
            lambda _module, _input, result: found.__setitem__(name, tuple(result.shape[1:]))
        )

    for name in names:
        keep(name)
    with torch.inference_mode():
        model.eval()(torch.zeros(1, 1, n_samples))
    return found


@pytest.mark.parametrize(
    ("name", "n_samples", "expected", "size"),
    [
        ("rawnet2", 59_049, RAWNET2_SHAPES, rawnet2_size()),
        ("stft_convnet", 66_150, CONVNET_SHAPES, CONVNET_SIZE),
    ],
)
def test_shapes_and_sizes_are_those_of_the_tables(
    name: str, n_samples: int, expected: dict[str, tuple[int, ...]], size: dict[str, int]
) -> None:
    model = build_model(ModelConfig(name, 22_050), N_CLASSES)
    assert shapes(model, list(expected), n_samples) == expected
    assert n_parameters(model) == sum(size.values()) == {"rawnet2": 7_012_880}.get(name, 2_186_466)
    assert model.embedding_size == 1024
    assert sum(p.numel() for p in last_parameters(model)) == conv(1024 if name == "rawnet2" else 240, 16, 1)


def test_rawnet2_s_recurrent_layer_sees_27_steps() -> None:
    model = build_model(ModelConfig("rawnet2", 22_050), N_CLASSES).eval()
    seen: list[tuple[int, ...]] = []
    model.gru.register_forward_hook(
        lambda _m, given, result: seen.extend([tuple(given[0].shape), tuple(result[0].shape)])
    )
    with torch.inference_mode():
        model(torch.zeros(1, 1, 59_049))
    assert seen == [(1, 27, 256), (1, 27, 1024)]


def test_the_shortest_input_is_what_it_says() -> None:
    for name, shortest in (("rawnet2", 2187), ("stft_convnet", 2560)):
        model = build_model(ModelConfig(name), 3).eval()
        assert model.min_samples == shortest
        with torch.inference_mode():
            assert torch.isfinite(model(torch.zeros(2, 1, shortest))).all()
            with raises(ConfigError, code="audio-too-short", mentions=(name, str(shortest), "16000")):
                model(torch.zeros(2, 1, shortest - 1))
            with raises(ConfigError, code="wrong-shape", mentions=(name, "2")):
                model(torch.zeros(1, 2, 59_049))


@pytest.mark.parametrize(
    ("name", "parameters", "mentions"),
    [
        ("rawnet2", {"taps": 250}, ("model.parameters.taps", "250")),
        ("rawnet2", {"width": 0}, ("model.parameters.width", "1", "0")),
        ("rawnet2", {"depth": 3}, ("depth", "width, taps, gru, dense")),
        ("stft_convnet", {"n_fft": 511}, ("model.parameters.n_fft", "511")),
        ("stft_convnet", {"dropout": 1.0}, ("model.parameters.dropout", "1.0")),
        ("stft_convnet", {"hop": 0}, ("model.parameters.hop", "1", "0")),
    ],
)
def test_bad_settings_are_refused(name: str, parameters: dict[str, object], mentions: object) -> None:
    with raises(ConfigError, code="invalid-setting", mentions=mentions):
        build_model(ModelConfig(name, parameters=parameters), 3)


def test_mel_settings_are_refused() -> None:
    with raises(ConfigError, code="conflicting-settings", mentions="model.n_mels"):
        build_model(ModelConfig("rawnet2", n_mels=64), 3)


def test_a_sinc_filter_lets_its_band_through() -> None:
    """Tones within the band pass at the same level; those an octave outside are 20 dB down."""
    sinc = SincConv(2, 251, 16_000)
    # Low edges at 50 + 950 and 50 + 2950 Hz, widths of 50 + 950 Hz.
    with torch.no_grad():
        sinc.low_hz.copy_(torch.tensor([[950.0], [2950.0]]))
        sinc.band_hz.fill_(950.0)
    time_s = torch.arange(16_000) / 16_000
    tones = torch.stack([torch.sin(2 * math.pi * hz * time_s) for hz in (1300, 1700, 500, 4000, 3500)])
    with torch.inference_mode():
        found = sinc(tones[:, None])[:, :, 0, 2000:-2000].square().mean(dim=2).sqrt()
    assert found.shape == (5, 2)
    np.testing.assert_allclose(found[0, 0], found[1, 0], rtol=0.02)
    assert (found[2:, 0] < 0.1 * found[0, 0]).all()
    assert found[4, 1] > 10 * found[1, 1]


def test_sinc_filters_are_the_windowed_difference_of_two_sincs() -> None:
    """Against SincNet's equation 4 and a symmetric Hamming window, normalised to 1 at the centre."""
    sinc, taps = SincConv(20, 51, 16_000), 51
    n = np.arange(taps) - taps // 2
    low = 50 + sinc.low_hz.detach().numpy().astype(np.float64)
    high = low + 50 + sinc.band_hz.detach().numpy().astype(np.float64)
    plain = (2 * high * np.sinc(2 * high * n / 16_000) - 2 * low * np.sinc(2 * low * n / 16_000)) / (
        2 * (high - low)
    )
    np.testing.assert_allclose(
        sinc.kernels().detach().numpy()[:, 0], plain * np.hamming(taps), rtol=1e-3, atol=2e-5
    )
    assert low[0] == pytest.approx(80)
    assert high[-1] <= 8000


def test_feature_maps_are_scaled_and_shifted_by_the_same_number() -> None:
    torch.manual_seed(0)
    layer, x = FeatureMapScaling(3), torch.randn(2, 3, 1, 7)
    scale = torch.sigmoid(layer.fc(x[:, :, 0].mean(dim=2)))
    torch.testing.assert_close(layer(x), (x + 1) * scale[:, :, None, None])


@pytest.mark.parametrize("n_samples", [2187, 2188, 2195])
def test_the_filters_are_a_convolution_taken_another_way(n_samples: int) -> None:
    torch.manual_seed(0)
    sinc, audio = SincConv(6, 51, 16_000), torch.randn(2, 1, n_samples)
    found = sinc(audio)
    weight = torch.randn_like(found)
    expected = nn.functional.conv1d(audio, sinc.kernels(), padding=25)[:, :, None]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    (found * weight).sum().backward()
    given = sinc.low_hz.grad.clone()
    sinc.low_hz.grad = None
    (expected * weight).sum().backward()
    torch.testing.assert_close(given, sinc.low_hz.grad, rtol=1e-3, atol=1e-3)


def test_rawnet2_hears_the_same_at_any_level() -> None:
    """Windows are normalised, so that level and a constant offset do not count; embeddings are 10 long."""
    torch.manual_seed(0)
    model = build_model(ModelConfig("rawnet2", parameters={"width": 8, "gru": 16, "dense": 12}), 3).eval()
    audio = 0.3 * torch.randn(2, 1, 6000)
    with torch.inference_mode():
        one, other = model.embed(audio), model.embed(0.05 * audio + 0.2)
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(one.norm(dim=1), torch.full((2,), EMBEDDING_NORM))


def test_the_convnet_s_spectrogram_is_librosa_s() -> None:
    """Linear magnitudes of the frames that lie wholly within the audio."""
    librosa = pytest.importorskip("librosa")
    model = build_model(ModelConfig("stft_convnet", 22_050), 3).eval()
    audio = 0.3 * torch.randn(1, 1, 66_150, generator=torch.Generator().manual_seed(0))
    expected = np.abs(librosa.stft(audio[0, 0].numpy(), n_fft=1024, hop_length=512, center=False))
    with torch.inference_mode():
        found = model.spectrogram(audio)[0]
    assert found.shape == (513, 128)
    np.testing.assert_allclose(found * math.sqrt(1 + model.bn.eps), expected, rtol=1e-3, atol=1e-3)


def test_the_convnet_hears_a_pattern_wherever_it_stands() -> None:
    """Time is pooled: a click within silence may come earlier or later by whole frames."""
    torch.manual_seed(0)
    model = build_model(ModelConfig("stft_convnet", 22_050, parameters={"width": 8}), 3).eval()
    audio = torch.zeros(2, 1, 66_150)
    audio[0, 0, 20_480] = audio[1, 0, 40_960] = 1.0
    with torch.inference_mode():
        one, other = model.embed(audio)
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
