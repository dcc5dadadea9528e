"""The mean activations of a network's blocks."""

import pytest
import torch
from torch import Tensor, nn

from mixlab.errors import ConfigError
from mixlab.models import MODELS, ModelConfig, block_features, block_names, build_model, embed
from tests.errors import raises

RATE = 8000


def small(name: str) -> nn.Module:
    torch.manual_seed(0)
    config = ModelConfig(name, sample_rate=RATE, f_max=4000, n_fft=256, hop=128, width=4)
    return build_model(config, 2).eval()


def noise(model: nn.Module, n_items: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    n_samples = max(RATE, int(getattr(model, "min_samples", 0)))
    return 0.1 * torch.randn(n_items, 1, n_samples, generator=generator)


class Rows(nn.Module):
    """A network of one's own whose backbone is a sequence."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv1d(1, 3, 9, stride=4), nn.ReLU(), nn.Conv1d(3, 5, 9), nn.AdaptiveMaxPool1d(1), nn.Flatten()
        )
        self.head = nn.Linear(5, n_classes)


@pytest.mark.parametrize(
    ("name", "widths"),
    [
        ("short_chunk_cnn", [4, 4, 8, 8, 8, 8, 16]),
        ("short_chunk_cnn_res", [4, 4, 8, 8, 8, 8, 16]),
        ("fcn", [4, 8, 8, 8, 4]),
        ("crnn", [4, 8, 8, 8, 2]),
        ("musicnn", [561, 4, 4, 4]),
    ],
)
def test_a_block_gives_a_value_per_channel(name: str, widths: list[int]) -> None:
    model = small(name)
    with torch.inference_mode():
        found = block_features(model, noise(model))
    assert [tuple(block.shape) for block in found] == [(2, width) for width in widths]


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_network_says_what_its_blocks_are(name: str) -> None:
    names = block_names(build_model(ModelConfig(name), 2))
    assert len(names) >= 4
    assert len(set(names)) == len(names)


def test_a_value_is_the_mean_of_what_the_block_gives() -> None:
    model = small("short_chunk_cnn")
    audio = noise(model)
    with torch.inference_mode():
        first, second = (model.get_submodule(name) for name in ("layer1", "layer2"))
        low = first(model.features(audio))  # type: ignore[operator]
        found = block_features(model, audio)
        torch.testing.assert_close(found[0], low.mean(dim=(2, 3)))
        torch.testing.assert_close(found[1], second(low).mean(dim=(2, 3)))


def test_blocks_of_a_sequence_are_its_modules_with_weights() -> None:
    model = Rows(2).eval()
    assert block_names(model) == ("backbone.0", "backbone.2")
    with torch.inference_mode():
        found = block_features(model, noise(model))
        torch.testing.assert_close(found[0], model.backbone[0](noise(model)).mean(dim=2))
    assert [block.shape[1] for block in found] == [3, 5]


def test_listening_leaves_the_network_as_it_was() -> None:
    model = small("musicnn")
    with torch.inference_mode():
        before = embed(model, noise(model))
        block_features(model, noise(model))
        torch.testing.assert_close(embed(model, noise(model)), before)
    assert not any(module._forward_hooks for module in model.modules())


def test_a_network_that_does_not_say_is_refused() -> None:
    model = Rows(2)
    model.block_names = ("backbone.9",)  # type: ignore[assignment]
    with raises(ConfigError, code="unfit-plugin", mentions=("Rows", "backbone.9", "block_names")):
        block_names(model)
    model.block_names = ("head",)  # type: ignore[assignment]
    with raises(ConfigError, code="unfit-plugin", mentions=("Rows", "head")):
        block_features(model, noise(model))
