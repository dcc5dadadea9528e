"""Mixup, blanked maps, the mean of weights: what they change, and that a resumed training repeats them."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from mixlab.catalog.catalog import Catalog
from mixlab.errors import ConfigError
from mixlab.models import ModelConfig, build_model
from mixlab.training import TrainConfig, load_model, train
from mixlab.training.augmentation import MapMasks, WeightAverage, mix_up, set_masks
from mixlab.training.config import AugmentConfig
from tests.errors import raises
from tests.training.test_experiment import CONFIG, MIX, RATE, interrupting

SMALL = replace(CONFIG, epoch_size=24, val_size=8, test_size=8, bootstrap=0)
ALL = replace(
    SMALL, ema=0.9, augment=AugmentConfig(frequency_masks=1, time_masks=1, p_mixup=0.5), save_every=1
)


def batch(items: int = 64) -> dict[str, Tensor]:
    """Mixes of which each has a value of its own, with targets that are known, present, both or neither."""
    rng = torch.Generator().manual_seed(0)
    return {
        "audio": (0.001 * 2.0 ** torch.arange(items).remainder(8)).view(-1, 1, 1).repeat(1, 1, 4),
        "target": torch.randint(0, 2, (items, 5), generator=rng).float(),
        "mask": torch.rand(items, 5, generator=rng) < 0.7,
        "index": torch.arange(items),
    }


def test_a_sum_of_mixes_has_what_sounds_in_either() -> None:
    given, gain = batch(2), 10 ** (-3 / 20)
    torch.manual_seed(1)
    found = mix_up(given, AugmentConfig(p_mixup=1.0, mixup_db=(-3.0, -3.0)))
    torch.testing.assert_close(found["audio"], given["audio"] + gain * given["audio"].flip(0))
    for c in range(5):
        cells = [(bool(given["mask"][i, c]), bool(given["target"][i, c] > 0.5)) for i in (0, 1)]
        present = any(known and sounds for known, sounds in cells)
        known = present or all(known for known, _ in cells)
        for i in (0, 1):
            assert bool(found["mask"][i, c]) == known
            assert not known or bool(found["target"][i, c] > 0.5) == present
    assert torch.equal(found["index"], given["index"])


def test_mixup_comes_as_often_as_it_is_set_and_leaves_the_others_alone() -> None:
    given = batch(400)
    torch.manual_seed(2)
    found = mix_up(given, AugmentConfig(p_mixup=0.3))
    same = (found["audio"] == given["audio"]).all(dim=2)[:, 0]
    assert 0.6 < same.float().mean() < 0.8
    for name in ("target", "mask"):
        assert torch.equal(found[name][same], given[name][same])
    loud = mix_up({**given, "audio": given["audio"] * 0 + 0.9}, AugmentConfig(p_mixup=1.0))
    assert loud["audio"].abs().max() <= 1.0


def test_masks_blank_stripes_up_to_their_width_and_nothing_else() -> None:
    maps = torch.randn(200, 1, 40, 50, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(3)
    found = MapMasks(AugmentConfig(frequency_masks=1, frequency_width=0.2, time_masks=1, time_width=0.1))(
        maps
    )
    blank = found != maps
    mean = maps.mean(dim=(2, 3), keepdim=True).expand_as(maps)
    torch.testing.assert_close(found[blank], mean[blank])
    bands, frames = blank.all(dim=3).sum(dim=2), blank.all(dim=2).sum(dim=2)
    assert 6 <= bands.max() <= 9
    assert 4 <= frames.max() <= 6
    assert bands.float().mean() == pytest.approx(4, abs=0.7)
    rows, columns = blank.all(dim=3, keepdim=True), blank.all(dim=2, keepdim=True)
    assert torch.equal(blank, rows | columns)


@pytest.mark.parametrize("architecture", ["short_chunk_cnn", "efficientnet_lite0"])
def test_maps_are_blanked_in_training_alone(architecture: str) -> None:
    config = ModelConfig(architecture=architecture, sample_rate=RATE, f_max=4000, n_fft=256, n_mels=16)
    model = build_model(config, 3)
    audio = torch.randn(2, 1, RATE, generator=torch.Generator().manual_seed(0))
    before = {mode: model.train(mode).features(audio) for mode in (True, False)}
    set_masks(model, AugmentConfig(frequency_masks=3, frequency_width=0.9))
    torch.manual_seed(4)
    assert not torch.equal(model.train().features(audio), before[True])
    assert torch.equal(model.eval().features(audio), before[False]) or architecture == "short_chunk_cnn"
    again = model.eval().features(audio)
    assert torch.equal(model.features(audio), again)


def test_the_mean_of_weights_is_that_of_its_formula() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    average = WeightAverage(model, 0.25)
    wanted = {name: value.clone() for name, value in model.state_dict().items()}
    for n in (1, 2, 3, 4):
        for value in model.state_dict().values():
            value += 1
        average.update(model)
        decay = min(0.25, (1 + n) / (10 + n))
        for name, value in model.state_dict().items():
            whole = not value.is_floating_point()
            wanted[name] = value.clone() if whole else decay * wanted[name] + (1 - decay) * value
    for name, value in average.model.state_dict().items():
        torch.testing.assert_close(value, wanted[name])
    assert not any(p.requires_grad for p in average.model.parameters())


def test_what_is_kept_is_the_mean_of_the_weights(toy: Catalog, tmp_path: Path) -> None:
    config = replace(SMALL, epochs=1, lr_head=0.05)
    plain, _ = train(toy.path, tmp_path / "plain", MIX, config)
    kept, _ = train(toy.path, tmp_path / "kept", MIX, replace(config, ema=0.5))
    step = torch.load(kept.last_checkpoint, weights_only=True)["state_dict"]
    last = {name: step[f"model.{name}"] for name in load_model(plain).state_dict()}
    for name, value in load_model(plain).state_dict().items():
        assert torch.equal(last[name], value), "the training itself must be the same"
    own = load_model(kept).state_dict()
    assert all(torch.equal(own[name], step[f"average.model.{name}"]) for name in own)
    assert not torch.equal(own["dense2.weight"], last["dense2.weight"])


def test_a_training_that_goes_on_repeats_all_of_it(toy: Catalog, tmp_path: Path) -> None:
    whole, _ = train(toy.path, tmp_path / "whole", MIX, ALL)
    stopped, nothing = train(toy.path, tmp_path / "part", MIX, ALL, report=interrupting(1))
    assert nothing is None
    again, _ = train(toy.path, stopped.path, MIX, ALL, resume=True)
    assert again.card["sha256"] == whole.card["sha256"]
    assert [row["train_loss"] for row in again.metrics()] == [row["train_loss"] for row in whole.metrics()]


@pytest.mark.parametrize(
    ("settings", "code", "mentions"),
    [
        ({"augment": {"p_mixup": 0.5}, "loss": "softmax"}, "conflicting-settings", ("p_mixup", "softmax")),
        ({"augment": {"time_masks": 1}, "transfer": "random_frozen"}, "conflicting-settings", "time_masks"),
        ({"augment": {"time_masks": 21}}, "invalid-setting", ("train.augment.time_masks", "21")),
        ({"augment": {"frequency_width": 0.0}}, "invalid-setting", ("frequency_width", "0")),
        ({"augment": {"mixup_db": (3.0, -3.0)}}, "invalid-setting", "mixup_db"),
        ({"ema": 1.0}, "invalid-setting", ("train.ema", "1")),
    ],
)
def test_settings_that_cannot_be_are_refused(
    settings: dict[str, object], code: str, mentions: object
) -> None:
    with raises(ConfigError, code=code, mentions=mentions):
        given = dict(settings)
        augment = given.pop("augment", {})
        TrainConfig(augment=AugmentConfig(**augment), **given)


def test_a_network_without_a_map_has_no_masks() -> None:
    model = build_model(ModelConfig(architecture="rawnet2", sample_rate=16_000), 3)
    with raises(ConfigError, code="conflicting-settings", mentions="RawNet2"):
        set_masks(model, AugmentConfig(time_masks=1))
