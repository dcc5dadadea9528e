"""The network is the published one: its size, its keys, its front end, and its limits."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mixlab.errors import ConfigError
from mixlab.models import (
    MODELS,
    ModelConfig,
    ShortChunkCNN,
    backbone_parameters,
    build_model,
    head_parameters,
    load_backbone,
    n_blocks,
    n_parameters,
    read_weights,
    stream_state,
)

TINY = ModelConfig(sample_rate=8000, f_max=4000, n_fft=256, hop=128, n_mels=16, width=4)


def tiny(n_classes: int = 3) -> ShortChunkCNN:
    torch.manual_seed(0)
    model = build_model(TINY, n_classes).eval()
    assert isinstance(model, ShortChunkCNN)
    return model


def test_full_width_is_the_published_network() -> None:
    model = build_model(ModelConfig(), 50)
    assert n_parameters(model) == 3_687_348
    widths = [model.get_submodule(f"layer{k}.conv").weight.shape[0] for k in range(1, 8)]
    assert widths == [128, 128, 256, 256, 256, 256, 512]
    keys = set(model.state_dict())
    assert {"spec.spectrogram.window", "spec.mel_scale.fb", "spec_bn.running_mean", "dense2.weight"} <= keys
    assert {"layer7.conv.weight", "layer7.bn.running_var", "dense1.bias", "bn.weight"} <= keys
    assert model.min_samples == 32512  # 2.032 s


@pytest.mark.parametrize(("n_mels", "blocks"), [(128, 7), (96, 6), (64, 6), (16, 4), (256, 7)])
def test_blocks_follow_the_mel_bands(n_mels: int, blocks: int) -> None:
    assert n_blocks(ModelConfig(n_mels=n_mels)) == blocks


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_model_maps_audio_to_finite_logits(name: str) -> None:
    model = build_model(replace(TINY, architecture=name), 3).eval()
    audio = torch.randn(2, 1, 8000)
    with torch.inference_mode():
        logits = model(audio)
        assert logits.shape == (2, 3)
        assert torch.isfinite(logits).all()
        torch.testing.assert_close(model(audio[:1]), logits[:1], rtol=1e-4, atol=1e-5)
    assert len(head_parameters(model)) + len(backbone_parameters(model)) == len(list(model.parameters()))


def test_embedding_and_head_make_the_model() -> None:
    model, audio = tiny(), torch.randn(2, 1, 8000)
    with torch.inference_mode():
        embedding = model.embed(audio)
        assert embedding.shape == (2, 16)
        torch.testing.assert_close(model.classify(embedding), model(audio))


def test_front_end_measures_power_in_decibels() -> None:
    """Twice the amplitude is 6.02 dB more in every band that is above the floor."""
    model = tiny()
    torch.nn.init.constant_(model.spec_bn.running_var, 1.0 - model.spec_bn.eps)
    tone = 0.1 * torch.sin(2 * torch.pi * 1000 * torch.arange(8000) / 8000)[None, None]
    with torch.inference_mode():
        low, high = model.features(tone), model.features(2 * tone)
    loud = low > -60
    assert loud.sum() > 20
    np.testing.assert_allclose((high - low)[loud], 20 * np.log10(2), atol=1e-3)


def test_silence_meets_the_floor() -> None:
    model = tiny()
    torch.nn.init.constant_(model.spec_bn.running_var, 1.0 - model.spec_bn.eps)
    with torch.inference_mode():
        np.testing.assert_allclose(model.features(torch.zeros(1, 1, 8000)), -100.0, rtol=1e-5)


def test_front_end_stays_float32_under_autocast() -> None:
    model = tiny().to(memory_format=torch.channels_last)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert model.features(torch.randn(1, 1, 8000)).dtype == torch.float32
        assert model(torch.randn(1, 1, 8000)).dtype == torch.bfloat16


def test_too_short_audio_names_the_shortest() -> None:
    model = tiny()
    with torch.inference_mode():
        model(torch.zeros(1, 1, model.min_samples))
        with pytest.raises(ConfigError, match=r"need at least 0\.240 s \(1920 samples at 8000 Hz\)"):
            model(torch.zeros(1, 1, model.min_samples - 1))


def test_stereo_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"mono mixes|mono audio of shape \(B, 1, T\)"):
        tiny()(torch.zeros(1, 2, 8000))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "resnet9000"}, "Unknown model.architecture 'resnet9000'"),
        ({"width": 0}, "model.width must be at least 1"),
        ({"dropout": 1.0}, r"model.dropout must lie in \[0, 1\)"),
        ({"f_max": 5000}, r"model.f_max must lie in \(0, 4000\] Hz"),
        ({"n_mels": 2}, "model.n_mels must be at least 4"),
        ({"n_layers": 5}, "between 2 and 4 for 16 mel bands"),
    ],
)
def test_bad_shapes_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(TINY, **change)  # type: ignore[arg-type]


def test_backbone_weights_load_and_the_head_stays(tmp_path: Path) -> None:
    source, target = tiny(5), build_model(TINY, 3)
    save_file({k: v.contiguous() for k, v in source.state_dict().items()}, tmp_path / "model.safetensors")
    torch.save(source.state_dict(), tmp_path / "model.pth")
    head = target.get_submodule("dense2").weight.detach().clone()
    for file in (tmp_path, tmp_path / "model.pth"):
        load_backbone(target, read_weights(file))
        torch.testing.assert_close(
            target.state_dict()["layer4.conv.weight"], source.state_dict()["layer4.conv.weight"]
        )
        torch.testing.assert_close(target.get_submodule("dense2").weight, head)


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    state = tiny().state_dict()
    with pytest.raises(ConfigError, match="do not fit this model"):
        load_backbone(build_model(replace(TINY, width=8), 3), state)
    del state["layer1.bn.weight"]
    with pytest.raises(ConfigError, match=r"lack 1 backbone entries: layer1\.bn\.weight"):
        load_backbone(tiny(), state)
    with pytest.raises(ConfigError, match="No weights at"):
        read_weights(tmp_path / "absent.pth")
    (tmp_path / "broken.pth").write_bytes(b"not a checkpoint")
    with pytest.raises(ConfigError, match="is not a readable state dict"):
        read_weights(tmp_path / "broken.pth")
    (tmp_path / "broken.safetensors").write_bytes(b"not a checkpoint")
    with pytest.raises(ConfigError, match="is not a readable safetensors file"):
        read_weights(tmp_path / "broken.safetensors")


def test_published_stream_fits_a_narrow_backbone(shared: Path) -> None:
    """One stream of the published multi-stream checkpoint fills a backbone of width 32, key by key."""
    file = shared / "weights" / "mtat_short_multi_32.pth"
    if not file.is_file():
        pytest.skip(f"published checkpoint not found: {file}")
    with pytest.raises(ConfigError, match="several parallel streams"):
        read_weights(file)
    state = read_weights(file, stream=1)
    model = build_model(ModelConfig(width=32), 15)
    assert isinstance(model, ShortChunkCNN)
    ours = model.state_dict()
    np.testing.assert_allclose(ours["spec.mel_scale.fb"], state["spec.mel_scale.fb"], atol=2e-5)
    np.testing.assert_array_equal(ours["spec.spectrogram.window"], state["spec.spectrogram.window"])
    load_backbone(model, state)
    wanted = [key for key in ours if key.split(".")[0] not in ("dense1", "bn", "dense2")]
    for key in wanted:
        assert torch.equal(model.state_dict()[key], state[key]), key
    with torch.inference_mode():
        # White noise at the level of music: normalised features must lie around zero.
        features = model.eval().features(0.1 * torch.randn(1, 1, 64000))
        assert features.abs().mean() < 3
        assert model.embed(0.1 * torch.randn(1, 1, 64000)).std() > 0
    with pytest.raises(ConfigError, match=r"pretrained_stream must lie in 0\.\.3, got 4"):
        stream_state(torch.load(file, map_location="cpu", weights_only=True), 4)
