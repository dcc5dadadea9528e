"""The networks are the published ones: their sizes, their keys, their front end, and their limits."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mixlab.errors import ConfigError
from mixlab.models import (
    ModelConfig,
    backbone_parameters,
    build_model,
    head_names,
    head_parameters,
    last_name,
    last_parameters,
    load_backbone,
    load_weights,
    n_parameters,
    network_class,
    read_weights,
    resolve,
    stream_state,
)
from mixlab.models.musicnn import TimbreFilter
from mixlab.models.short_chunk import ShortChunkCNN, ensemble_weights
from tests.errors import raises
from tests.models.groups import ON_MEL

TINY = ModelConfig(sample_rate=8000, f_max=4000, n_fft=256, hop=128, n_mels=16, width=4)


def tiny_config(name: str) -> ModelConfig:
    """A small network of any architecture, for 8 kHz audio."""
    n_mels = 0 if name in ("crnn", "fcn") else 16
    return replace(TINY, architecture=name, n_mels=n_mels, hop=16 if name == "fcn" else 64)


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


@pytest.mark.parametrize(("n_mels", "blocks"), [(0, 7), (128, 7), (96, 6), (64, 6), (16, 4), (256, 7)])
def test_blocks_follow_the_mel_bands(n_mels: int, blocks: int) -> None:
    assert resolve(ModelConfig(n_mels=n_mels)).n_layers == blocks


@pytest.mark.parametrize(
    ("name", "n_parameters_published", "embedding_size", "shortest"),
    [
        ("short_chunk_cnn", 3_687_348, 512, 32_512),
        ("short_chunk_cnn_res", 12_104_244, 512, 257),
        ("musicnn", 784_300, 1506, 257),
        ("crnn", 394_100, 32, 24_320),
        ("fcn", 447_732, 64, 327_424),
    ],
)
def test_published_sizes(name: str, n_parameters_published: int, embedding_size: int, shortest: int) -> None:
    model = build_model(ModelConfig(architecture=name), 50)
    assert n_parameters(model) == n_parameters_published
    assert (model.embedding_size, model.min_samples) == (embedding_size, shortest)
    assert model.config.n_mels == network_class(name).card.n_mels


@pytest.mark.parametrize("name", ON_MEL)
def test_every_model_keeps_its_promises(name: str) -> None:
    """Finite logits, items that do not see each other, embedding plus head, and a shortest input."""
    torch.manual_seed(1)
    model = build_model(tiny_config(name), 3).eval()
    audio = torch.randn(2, 1, 24000)
    with torch.inference_mode():
        logits, embedding = model(audio), model.embed(audio)
        assert logits.shape == (2, 3)
        assert torch.isfinite(logits).all()
        torch.testing.assert_close(model(audio[:1]), logits[:1], rtol=1e-4, atol=1e-5)
        assert embedding.shape == (2, model.embedding_size)
        torch.testing.assert_close(model.classify(embedding), logits)
        torch.testing.assert_close(model.encode(model.features(audio)), embedding)
        assert model(audio[..., : model.min_samples]).shape == (2, 3)
        with raises(ConfigError, code="audio-too-short", mentions=(name,)):
            model(audio[..., : model.min_samples - 1])


@pytest.mark.parametrize("name", ON_MEL)
def test_every_model_knows_its_head(name: str) -> None:
    model = build_model(tiny_config(name), 3)
    head, backbone = head_parameters(model), backbone_parameters(model)
    assert {id(p) for p in head} | {id(p) for p in backbone} == {id(p) for p in model.parameters()}
    assert len(head) + len(backbone) == len(list(model.parameters()))
    assert {id(p) for p in last_parameters(model)} <= {id(p) for p in head}
    assert [tuple(p.shape) for p in last_parameters(model)][-1] == (3,)
    model.eval()
    embedding = torch.randn(2, model.embedding_size)
    torch.autograd.backward(model.classify(embedding).sum())
    assert all(p.grad is not None for p in head)
    assert all(p.grad is None for p in backbone)


@pytest.mark.parametrize("name", ON_MEL)
def test_weights_travel_between_equal_models(name: str, tmp_path: Path) -> None:
    """All of them, or all but the last layer, or the backbone alone; a file may lack the front end."""
    source = build_model(tiny_config(name), 5)
    torch.save(
        {k: v for k, v in source.state_dict().items() if not k.startswith("spec.")}, tmp_path / "w.pth"
    )
    state = read_weights(tmp_path / "w.pth")
    for parts, n_classes in (("all", 5), ("all_but_last", 3), ("backbone", 3)):
        target = build_model(tiny_config(name), n_classes)
        before = {k: v.clone() for k, v in target.state_dict().items()}
        load_weights(target, state, parts=parts)  # type: ignore[arg-type]
        kept = {"all": (), "all_but_last": (last_name(target),), "backbone": head_names(target)}[parts]
        for key, value in target.state_dict().items():
            expected = before if key.split(".")[0] in kept else source.state_dict()
            assert torch.equal(value, expected[key]), (parts, key)
    with raises(ConfigError, code="weights-mismatch"):
        load_weights(build_model(tiny_config(name), 4), state)


def test_a_backbone_has_no_head_to_give() -> None:
    state = {k: v for k, v in tiny().state_dict().items() if not k.startswith(("dense", "bn"))}
    load_backbone(tiny(), state)
    with raises(ConfigError, code="weights-mismatch", mentions="dense1.weight"):
        load_weights(tiny(), state, parts="all_but_last")


def test_weights_of_another_front_end_are_refused() -> None:
    state = build_model(replace(TINY, n_fft=512), 3).state_dict()
    with raises(ConfigError, code="weights-mismatch", mentions=("spec.spectrogram.window", "512", "256")):
        load_backbone(tiny(), state)
    state["spec.spectrogram.window"] = state["spec.mel_scale.fb"] = torch.zeros(0)
    load_backbone(tiny(), state)


def test_musicnn_hears_a_pattern_wherever_it_stands() -> None:
    """Time is pooled by maximum and mean: a sound in the middle of silence may come earlier or later."""
    torch.manual_seed(0)
    model = build_model(tiny_config("musicnn"), 3).eval()
    tone = 0.1 * torch.sin(2 * torch.pi * 1000 * torch.arange(4000) / 8000)
    audio = torch.zeros(2, 1, 40000)
    audio[0, 0, 16000:20000], audio[1, 0, 19200:23200] = tone, tone
    with torch.inference_mode():
        one, other = model.embed(audio)
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


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


def test_level_peak_hears_the_same_at_any_level() -> None:
    """As mixed, 24 dB less is 24 dB less in the map; with ``peak`` a gain of an excerpt changes nothing."""
    torch.manual_seed(0)
    audio = 0.5 * torch.randn(3, 1, 16000) * torch.tensor([1.0, 0.25, 0.05])[:, None, None]
    config = ModelConfig(n_mels=16, hop=512, width=4, n_layers=3)
    for level, same in (("as_mixed", False), ("peak", True)):
        model = build_model(replace(config, level=level), 3).eval()
        loud, quiet = model.features(audio), model.features(0.06 * audio)
        assert torch.allclose(loud, quiet, atol=1e-3) is same
        assert torch.isfinite(model(torch.zeros(1, 1, 16000))).all()
    # What is not there is not lifted: noise 100 dB down stays far below one at full scale.
    model = build_model(replace(config, level="peak"), 3).eval()
    assert (model.features(audio) - model.features(1e-5 * audio)).mean() > 30


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
        with raises(ConfigError, code="audio-too-short", mentions=("0.240", "1920", "8000")):
            model(torch.zeros(1, 1, model.min_samples - 1))


def test_stereo_is_refused() -> None:
    with raises(ConfigError, code="wrong-shape", mentions="1"):
        tiny()(torch.zeros(1, 2, 8000))


@pytest.mark.parametrize(
    ("change", "code", "mentions"),
    [
        ({"architecture": "resnet9000"}, "plugin-not-found", "resnet9000"),
        ({"width": -1}, "invalid-setting", ("model.width", "1", "0", "-1")),
        ({"dropout": 1.0}, "invalid-setting", ("model.dropout", "0", "1")),
        ({"f_max": 5000}, "invalid-setting", ("model.f_max", "0", "4000")),
        ({"n_mels": 2}, "invalid-setting", ("model.n_mels", "4")),
        ({"n_layers": 5}, "invalid-setting", ("2", "4", "16")),
        (
            {"architecture": "crnn"},
            "conflicting-settings",
            ("crnn", "96", "model.n_mels", "0", "16"),
        ),
        ({"architecture": "musicnn", "n_layers": 3}, "conflicting-settings", "musicnn"),
        ({"architecture": "fcn", "n_mels": 0, "dense": 9}, "conflicting-settings", "fcn"),
        ({"architecture": "crnn", "n_mels": 96, "width": 5}, "invalid-setting", "5"),
    ],
)
def test_bad_shapes_are_refused(change: dict[str, object], code: str, mentions: object) -> None:
    with raises(ConfigError, code=code, mentions=mentions):
        resolve(replace(TINY, **change))  # type: ignore[arg-type]


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
    with raises(ConfigError, code="weights-mismatch"):
        load_backbone(build_model(replace(TINY, width=8), 3), state)
    del state["layer1.bn.weight"]
    with raises(ConfigError, code="weights-mismatch", mentions=("1", "layer1.bn.weight")):
        load_backbone(tiny(), state)
    with raises(ConfigError, code="weights-not-found"):
        read_weights(tmp_path / "absent.pth")
    torch.save(tiny().state_dict(), tmp_path / "one.pth")
    with raises(ConfigError, code="conflicting-settings", mentions=("pretrained_stream", "2")):
        read_weights(tmp_path / "one.pth", stream=2)
    (tmp_path / "broken.pth").write_bytes(b"not a checkpoint")
    with raises(ConfigError, code="invalid-weights"):
        read_weights(tmp_path / "broken.pth")
    (tmp_path / "broken.safetensors").write_bytes(b"not a checkpoint")
    with raises(ConfigError, code="invalid-weights", mentions="safetensors"):
        read_weights(tmp_path / "broken.safetensors")


def test_published_stream_fits_a_narrow_backbone(shared: Path) -> None:
    """One stream of the published multi-stream checkpoint fills a backbone of width 32, key by key."""
    file = shared / "weights" / "mtat_short_multi_32.pth"
    if not file.is_file():
        pytest.skip(f"published checkpoint not found: {file}")
    with raises(ConfigError, code="missing-setting"):
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
    with raises(ConfigError, code="invalid-setting", mentions=("pretrained_stream", "0..3", "4")):
        stream_state(torch.load(file, map_location="cpu", weights_only=True), 4)


@pytest.mark.parametrize(("training", "momentum"), [(True, 0.1), (True, None), (False, 0.1)])
def test_the_timbre_filter_is_convolution_batch_norm_and_maximum(
    training: bool, momentum: float | None
) -> None:
    torch.manual_seed(0)
    fast = TimbreFilter(6, 11)
    fast.bn.momentum = momentum
    torch.nn.init.normal_(fast.bn.weight)  # some rise, some fall
    torch.nn.init.normal_(fast.bn.bias)
    fast.bn.running_mean.normal_()
    fast.train(training)
    plain = copy.deepcopy(fast)
    x = torch.randn(3, 1, 30, 25, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    for layer in (fast, plain):  # a batch before, so that the statistics of two are put together
        layer(torch.ones(1, 1, 30, 4)) if layer is fast else layer.bn(layer.conv(torch.ones(1, 1, 30, 4)))
    found = fast(x)
    expected = torch.relu(plain.bn(plain.conv(y))).amax(dim=2)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    weight = torch.randn_like(found)
    (found * weight).sum().backward()
    (expected * weight).sum().backward()
    torch.testing.assert_close(x.grad, y.grad, rtol=1e-3, atol=1e-4)
    for (name, a), (_, b) in zip(fast.named_parameters(), plain.named_parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-3, atol=2e-4, msg=name)
    for (name, a), (_, b) in zip(fast.named_buffers(), plain.named_buffers(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5, msg=name)


def test_an_ensemble_gives_the_mean_of_its_members_logits() -> None:
    torch.manual_seed(0)
    config = replace(TINY, scale=0.5)
    members = [build_model(config, 3).eval() for _ in range(3)]
    for k, member in enumerate(members):
        norm = member.get_submodule("spec_bn")  # as training leaves it: of each its own
        norm.load_state_dict({**norm.state_dict(), "running_mean": torch.tensor([-30.0 - 5 * k])})
    config = replace(config, architecture="short_chunk_ensemble", parameters={"members": 3})
    together = build_model(config, 3).eval()
    load_weights(together, ensemble_weights([member.state_dict() for member in members]))
    audio = 0.1 * torch.randn(2, 1, 24000)
    with torch.inference_mode():
        wanted = torch.stack([member(audio) for member in members]).mean(dim=0)
        torch.testing.assert_close(together(audio), wanted)
        assert not torch.allclose(members[0](audio), wanted, atol=1e-3)
    other = build_model(replace(TINY, width=8), 3)
    with raises(ConfigError, code="weights-mismatch", mentions="different settings"):
        ensemble_weights([members[0].state_dict(), other.state_dict()])
    with raises(ConfigError, code="invalid-setting", mentions="members must be 2 or more"):
        build_model(replace(config, parameters={"members": 1}), 3)
