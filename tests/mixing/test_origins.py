"""What a batch says of its mixes, and the way back from a name to its recipe."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from mixlab import Catalog, MixConfig, MixDataset, MixItems, MixLoader, render_mix
from mixlab.errors import ConfigError, OutOfRangeError, RecipeError
from mixlab.mixing.gpu import DeviceLoader
from tests.errors import raises
from tests.toy import BrokenReader

CONFIG = MixConfig(duration_s=0.5, p_musical=0.5)

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")


def dataset(toy: Catalog, **changes: Any) -> MixDataset:
    return MixDataset(toy, CONFIG, **{"epoch_size": 8, "batch_size": 4, "seed": 7, "meta": True} | changes)


def assert_true(batch: dict[str, Any], data: MixDataset) -> None:
    """Check that a batch says what it was made of."""
    places = zip(*(batch[name].tolist() for name in ("index", "epoch", "attempt")), strict=True)
    recipes = [data.recipe(index, epoch, attempt=attempt) for index, epoch, attempt in places]
    assert batch["kind"] == [recipe.kind for recipe in recipes]
    assert batch["mix_id"] == [recipe.mix_id for recipe in recipes]
    assert batch["n_sources"].tolist() == [len(recipe.sources) for recipe in recipes]
    assert batch["n_sources"].dtype == torch.int64
    assert [text.split("\n") for text in batch["stems"]] == [
        [source.stem for source in recipe.sources] for recipe in recipes
    ]


LOADERS: dict[str, Callable[[MixDataset], Any]] = {
    "MixLoader": MixLoader,
    "MixLoader, 2 workers": lambda data: MixLoader(data, num_workers=2),
    "DeviceLoader": lambda data: DeviceLoader(data, device="cpu"),
    "DataLoader": lambda data: DataLoader(data, 4),
    "DataLoader, 2 workers": lambda data: DataLoader(data, 4, num_workers=2),
    "items": lambda data: DataLoader(MixItems(data), 4),
    "batch": lambda data: [data.batch(0)],
}


@pytest.mark.parametrize("how", LOADERS)
def test_every_loader_says_what_a_batch_was_made_of(toy: Catalog, how: str) -> None:
    data = dataset(toy)
    batch = next(iter(LOADERS[how](data)))
    assert_true(batch, data)
    assert set(batch) - {"scale_db"} == set(dataset(toy, meta=False).item(0)) | {
        "kind",
        "mix_id",
        "n_sources",
        "notes",
        "stems",
    }


def test_an_item_says_it_in_plain_values(toy: Catalog) -> None:
    item = dataset(toy).item(3)
    recipe = dataset(toy).recipe(3)
    assert (item["kind"], item["mix_id"]) == (recipe.kind, recipe.mix_id)
    assert item["n_sources"] == len(recipe.sources) == len(item["stems"].split("\n"))
    assert isinstance(item["n_sources"], int)


def test_an_item_without_sources_names_none(toy: Catalog) -> None:
    data = MixDataset(toy, MixConfig(duration_s=0.5, p_negative=1.0), epoch_size=4, batch_size=4, meta=True)
    (batch,) = MixLoader(data)
    assert batch["n_sources"].tolist() == [0] * 4
    assert batch["stems"] == [""] * 4
    assert [data.find(name).index for name in batch["mix_id"]] == list(range(4))


def test_what_it_says_changes_nothing_else(toy: Catalog) -> None:
    plain, told = dataset(toy, meta=False).batch(0), dataset(toy).batch(0)
    assert dataset(toy, meta=False).content_hash == dataset(toy).content_hash
    for name in plain:
        assert torch.equal(plain[name], told[name])


def test_a_mix_that_stands_in_for_another_is_told_as_what_it_is(toy: Catalog) -> None:
    bad = dataset(toy).recipe(2).sources[0].stem
    data = dataset(toy, reader=BrokenReader(toy, bad, np.nan))
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match=r"Item \d+ of epoch 0 is replaced"):
        batch = data.batch(0)
    assert batch["attempt"][2] > 0
    assert bad not in batch["stems"][2].split("\n")
    assert_true(batch, data)
    found = data.find(batch["mix_id"][2])
    assert (found.index, found.epoch, found.attempt) == (2, 0, int(batch["attempt"][2]))


def test_a_batch_is_traced_to_its_recipes_in_one_call(toy: Catalog) -> None:
    data = dataset(toy)
    data.set_epoch(2)
    batch = data.batch(1, 2)
    recipe = data.find(batch["mix_id"][3])
    assert (recipe.index, recipe.epoch, recipe.attempt) == (7, 2, 0)
    np.testing.assert_array_equal(render_mix(recipe, toy).mixture, batch["audio"][3].numpy())
    assert data.find(batch["mix_id"][3], 2) == data.find(batch["mix_id"][3], [1, 2]) == recipe
    fixed = dataset(toy, split="validation")
    assert fixed.find(fixed.mix_id(5)).index == 5


def test_what_is_not_there_is_said_with_where_it_was_looked_for(toy: Catalog) -> None:
    data = dataset(toy)
    far = data.mix_id(0, 3)
    with raises(RecipeError, code="unknown-mix", mentions=(far, "8", "[0]")):
        data.find(far)
    with raises(RecipeError, code="unknown-mix", mentions=(far, "[1, 2]")):
        data.find(far, range(1, 3))
    with raises(RecipeError, code="unknown-mix", mentions="100 to 111"):
        data.find(far, range(100, 112))
    assert data.find(far, range(4)).epoch == 3


@pytest.mark.parametrize("name", ["", "abc", "0" * 15, "G" * 16, "A" * 16, None, 3])
def test_what_is_no_name_is_refused(toy: Catalog, name: Any) -> None:
    with raises(ConfigError, code="invalid-setting", mentions=("mix_id", "16", repr(name))):
        dataset(toy).find(name)


def test_epochs_that_cannot_be_are_refused(toy: Catalog) -> None:
    with raises(OutOfRangeError, code="index-out-of-range", mentions="epoch"):
        dataset(toy).find("0" * 16, [-1])
    with raises(OutOfRangeError, code="index-out-of-range", mentions="epoch"):
        dataset(toy).find("0" * 16, 0.5)  # type: ignore[arg-type]
