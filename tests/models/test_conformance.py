"""Every network keeps the same promises: mixlab's own, and those of other makes as users plug them in."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from mixlab.models import (
    MODELS,
    ModelConfig,
    backbone_parameters,
    build_model,
    check_outputs,
    classify,
    embed,
    head_names,
    head_parameters,
    last_parameters,
    resolve,
)
from mixlab.models.parts import belongs_to
from mixlab.training import TrainConfig, parameter_groups, prepare_model, set_training_mode
from tests.models.groups import ON_PICTURES

RATE, SAMPLES, CLASSES = 8000, 6400, 3
OWN = {
    "waveform": ModelConfig("tests.models.networks:WaveNet", RATE, parameters={"width": 6}),
    "stft": ModelConfig("tests.models.networks:StftNet", RATE),
    "image": ModelConfig("tests.models.networks:ImageNet", RATE, parameters={"n_mels": 24}),
    "mel": ModelConfig(
        "tests.models.networks:MelMean", RATE, 256, 128, n_mels=16, f_max=4000, parameters={"depth": 2}
    ),
    "transformer": ModelConfig("tests.models.networks:Transformer", RATE, parameters={"depth": 1}),
}
SMALL: dict[str, dict[str, Any]] = {
    "rawnet2": {"width": 4, "taps": 25, "gru": 12, "dense": 10},
    "stft_convnet": {"n_fft": 256, "hop": 128, "width": 16},
}
"""Settings of the networks that hear no mel map."""


def tiny(name: str) -> ModelConfig:
    """A small network for 0.8 s at 8 kHz."""
    if name in OWN:
        return OWN[name]
    if name in SMALL:
        return ModelConfig(name, RATE, parameters=SMALL[name])
    if name in ON_PICTURES:
        size = 75 if name == "inception_v3" else 32
        return ModelConfig(name, RATE, 256, 128, n_mels=16, f_max=4000, parameters={"image_size": size})
    n_mels, hop = (0, {"fcn": 4, "crnn": 64}[name]) if name in ("fcn", "crnn") else (16, 128)
    return ModelConfig(name, RATE, 256, hop, n_mels=n_mels, f_max=4000, width=4)


def build(name: str, n_classes: int = CLASSES) -> nn.Module:
    torch.manual_seed(7)
    return build_model(tiny(name), n_classes)


def noise(n_items: int, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(n_items, 1, SAMPLES, generator=torch.Generator().manual_seed(seed))


def transferred(name: str, transfer: str, folder: Path) -> tuple[nn.Module, TrainConfig]:
    """A network and its settings, where needed with weights of one of the same make."""
    given: dict[str, Any] = {}
    if transfer in ("frozen", "finetune", "last"):
        given["pretrained"] = str(folder / "start.safetensors")
        save_file({k: v.contiguous() for k, v in build(name, 5).state_dict().items()}, given["pretrained"])
    config = TrainConfig(model=tiny(name), transfer=transfer, **given)  # type: ignore[arg-type]
    torch.manual_seed(8)
    model = build_model(config.model, CLASSES)
    prepare_model(model, config)
    return model, config


def step(model: nn.Module, config: TrainConfig) -> None:
    """One step of training, as the loop takes it."""
    set_training_mode(model, last_only=config.transfer == "last")
    optimizer = torch.optim.SGD(parameter_groups(model, config), lr=0.1)
    loss = nn.functional.binary_cross_entropy_with_logits(model(noise(4)), torch.eye(4)[:, :CLASSES])
    loss.backward()
    optimizer.step()


LARGE = ("resnet50", "inception_v3")
"""Tens of millions of weights, of the same make as resnet18."""

everyone = pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in LARGE)) for name in [*sorted(MODELS), *OWN]],
)


@everyone
def test_windows_become_logits(name: str) -> None:
    """By way of embeddings, each item for itself, and finite ones also of silence."""
    model = build(name).eval()
    audio = noise(3)
    with torch.inference_mode():
        logits, embedding = model(audio), embed(model, audio)
        assert logits.shape == (3, CLASSES)
        assert embedding.ndim == 2
        torch.testing.assert_close(classify(model, embedding), logits)
        for item in range(3):
            torch.testing.assert_close(model(audio[item : item + 1])[0], logits[item], rtol=1e-3, atol=1e-4)
        assert torch.isfinite(model(torch.zeros(1, 1, SAMPLES))).all()
    check_outputs(model, tiny(name), CLASSES, SAMPLES)


@everyone
def test_a_gradient_reaches_every_weight(name: str) -> None:
    model = build(name).train()
    model(noise(4)).square().sum().backward()
    assert [
        n for n, p in model.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()
    ] == []


@everyone
def test_each_weight_is_the_head_s_or_the_backbone_s(name: str) -> None:
    model = build(name)
    head, backbone = head_parameters(model), backbone_parameters(model)
    assert sorted(map(id, [*head, *backbone])) == sorted(map(id, model.parameters()))
    assert {id(p) for p in last_parameters(model)} <= {id(p) for p in head}
    assert [tuple(p.shape) for p in last_parameters(model)][-1] == (CLASSES,)


@everyone
@pytest.mark.parametrize("transfer", ["frozen", "last", "random_frozen"])
def test_what_is_frozen_stays_to_the_bit(name: str, transfer: str, tmp_path: Path) -> None:
    """Weights and buffers alike, the statistics of batch norms too; what is to learn has moved."""
    model, config = transferred(name, transfer, tmp_path)
    start = {key: value.clone() for key, value in model.state_dict().items()}
    step(model, config)
    moved = {key for key, value in model.state_dict().items() if not torch.equal(value, start[key])}
    assert moved
    assert all(belongs_to(key, head_names(model)) for key in moved)
    if transfer == "last":
        last = {id(p) for p in last_parameters(model)}
        assert moved == {key for key, p in model.named_parameters() if id(p) in last}


@everyone
def test_a_frozen_backbone_computes_as_in_evaluation(name: str, tmp_path: Path) -> None:
    model, _ = transferred(name, "random_frozen", tmp_path)
    set_training_mode(model)
    with torch.no_grad():
        learning = embed(model, noise(4))
        torch.testing.assert_close(learning, embed(model.eval(), noise(4)))


@everyone
def test_the_backbone_learns_at_its_own_rate(name: str, tmp_path: Path) -> None:
    model, config = transferred(name, "finetune", tmp_path)
    groups = {group["name"]: group for group in parameter_groups(model, config)}
    assert {key: group["lr"] for key, group in groups.items()} == {"head": 0.01, "backbone": 0.0001}
    assert sum(len(group["params"]) for group in groups.values()) == len(list(model.parameters()))
    start = {key: value.clone() for key, value in model.named_parameters()}
    step(model, config)
    moved = {key for key, value in model.named_parameters() if not torch.equal(value, start[key])}
    in_head = {key for key in moved if belongs_to(key, head_names(model))}
    # A bias before a batch norm has no gradient, but most weights have one.
    assert in_head
    assert len(moved - in_head) > len(groups["backbone"]["params"]) / 2


@everyone
def test_finetuning_takes_the_backbone_and_leaves_the_head(name: str, tmp_path: Path) -> None:
    model, _ = transferred(name, "finetune", tmp_path)
    given, fresh = load_file(tmp_path / "start.safetensors"), build(name)
    torch.manual_seed(8)
    fresh = build_model(tiny(name), CLASSES).state_dict()
    for key, value in model.state_dict().items():
        expected = fresh if belongs_to(key, head_names(model)) else given
        assert torch.equal(value, expected[key]), key


@everyone
def test_stored_weights_give_equal_logits(name: str, tmp_path: Path) -> None:
    source = build(name)
    source.train()(noise(4))  # statistics that are not those of the start
    save_file({k: v.contiguous() for k, v in source.state_dict().items()}, tmp_path / "w.safetensors")
    torch.manual_seed(99)
    target = build_model(tiny(name), CLASSES)
    target.load_state_dict(load_file(tmp_path / "w.safetensors"))
    with torch.inference_mode():
        assert torch.equal(source.eval()(noise(2)), target.eval()(noise(2)))


@everyone
def test_settings_that_were_completed_build_the_same_network(name: str) -> None:
    full = resolve(tiny(name))
    assert resolve(full) == full
    torch.manual_seed(7)
    again = build_model(full, CLASSES).state_dict()
    for key, value in build(name).state_dict().items():
        assert torch.equal(value, again[key]), key


def test_parameters_are_completed_and_typed() -> None:
    assert resolve(OWN["stft"]).parameters == {"n_fft": 256, "sizes": [12, 10]}
    assert resolve(replace(OWN["stft"], parameters={"sizes": [5]})).parameters["sizes"] == [5]
    model = build_model(replace(OWN["stft"], parameters={"n_fft": 128, "sizes": [5, 6, 7]}), 2)
    assert [layer[0].out_channels for layer in model.layers] == [5, 6, 7]
