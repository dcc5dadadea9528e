"""A limited training set out of the stream: the same mixes in every pass, in changing order."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mixlab.catalog.catalog import Catalog
from mixlab.errors import CatalogMismatchError, ConfigError
from mixlab.mixing.config import MixConfig
from mixlab.mixing.dataset import MixDataset
from mixlab.mixing.loader import MixLoader
from mixlab.models import ModelConfig
from mixlab.training import TrainConfig, train
from mixlab.training.repeated import RepeatedMixes
from tests.errors import raises

MIX = MixConfig(duration_s=0.5, sample_rate=8000, max_sources=2)


def repeated(catalog: Catalog, distinct_items: int, epoch_size: int = 8) -> RepeatedMixes:
    return RepeatedMixes(
        catalog, MIX, seed=3, epoch_size=epoch_size, batch_size=2, distinct_items=distinct_items
    )


def test_every_pass_has_the_first_mixes_in_another_order(toy: Catalog) -> None:
    """Passes of 6 go on over epochs of 8, and the first is the stream's beginning."""
    stream, limited = MixDataset(toy, MIX, seed=3, epoch_size=8, batch_size=2), repeated(toy, 6)
    first = [stream.mix_id(index) for index in range(6)]
    found = [limited.mix_id(index, epoch) for epoch in range(3) for index in range(8)]
    passes = [found[k : k + 6] for k in range(0, 24, 6)]
    assert passes[0] == first
    assert all(sorted(own) == sorted(first) for own in passes)
    assert len({tuple(own) for own in passes}) == 4
    # A smaller set lies within a larger one, and any item can be asked for on its own.
    assert {repeated(toy, 3).mix_id(index) for index in range(8)} == set(first[:3])
    assert repeated(toy, 6).mix_id(5, 2) == found[21]


def test_addresses_are_those_of_the_mixes(toy: Catalog) -> None:
    limited = repeated(toy, 3)
    for epoch in range(2):
        for index in range(8):
            item = limited.item(index, epoch)
            assert (item["epoch"], item["attempt"]) == (0, 0)
            assert limited.recipe(int(item["index"])) == limited.recipe(index, epoch)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_loaders_resume_within_a_pass(toy: Catalog, num_workers: int) -> None:
    def rest(loader: MixLoader) -> list[torch.Tensor]:
        return [batch["index"] for _ in range(2) for batch in loader]

    whole = rest(MixLoader(repeated(toy, 5)))
    assert sorted(Counter(torch.cat(whole).tolist()).values()) == [3, 3, 3, 3, 4]
    loader = MixLoader(repeated(toy, 5), num_workers=num_workers)
    batches = iter(loader)
    next(batches)
    state = loader.state_dict()
    resumed = MixLoader(repeated(toy, 5), num_workers=num_workers)
    resumed.load_state_dict(state)
    torch.testing.assert_close(torch.stack(rest(resumed)[:3]), torch.stack(whole[1:4]))
    with raises(CatalogMismatchError, code="state-mismatch", mentions="content_hash"):
        MixLoader(repeated(toy, 4)).load_state_dict(state)


def test_sizes_that_cannot_be_are_refused(toy: Catalog) -> None:
    for size in (0, 9):
        with raises(ConfigError, code="invalid-setting", mentions=("distinct_items", "8", str(size))):
            repeated(toy, size)
    with raises(ConfigError, code="conflicting-settings", mentions=("train.distinct_items", "100", "99")):
        TrainConfig(distinct_items=100, epoch_size=99)
    with raises(ConfigError, code="conflicting-settings", mentions="train.cached_items"):
        TrainConfig(distinct_items=64, cached_items=64, transfer="random_frozen")


def test_a_training_sees_no_other_mixes(toy: Catalog, tmp_path: Path) -> None:
    """The loss of four mixes, three passes an epoch, falls faster than that of ever new ones."""
    config = TrainConfig(
        model=ModelConfig(sample_rate=8000, f_max=4000, n_fft=256, hop=128, n_mels=16, width=4, dropout=0),
        **{"epochs": 3, "epoch_size": 32, "batch_size": 4, "val_size": 8, "test_size": 8, "bootstrap": 0},
        **{"precision": "fp32", "accelerator": "cpu", "tensorboard": False, "threads": 1},
    )
    last = {}
    for size in (0, 4):
        run, _ = train(toy.path, tmp_path / str(size), MIX, replace(config, distinct_items=size))
        assert run.config["train"]["distinct_items"] == size
        last[size] = run.metrics()[-1]["train_loss"]
    assert last[4] < 0.8 * last[0]
