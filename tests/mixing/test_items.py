"""The items of one epoch by number: the stream's own, however they are chosen."""

import copy
import itertools
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import (
    ConcatDataset,
    DataLoader,
    DistributedSampler,
    RandomSampler,
    Subset,
    random_split,
)

from mixlab import Catalog, MixConfig, MixDataset, MixItems, MixLoader
from mixlab.errors import CatalogMismatchError, ConfigError, OutOfRangeError
from mixlab.mixing.effects_config import EffectsConfig
from tests.errors import raises

CONFIG = MixConfig(duration_s=0.5, effects=EffectsConfig.none())

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")


def dataset(toy: Catalog, **changes: Any) -> MixDataset:
    return MixDataset(toy, CONFIG, **({"epoch_size": 12, "batch_size": 4, "seed": 7} | changes))


def addresses(batches: Any) -> list[list[tuple[int, int]]]:
    """Epoch and index of every item of every batch."""
    return [list(zip(b["epoch"].tolist(), b["index"].tolist(), strict=True)) for b in batches]


def indices(batches: Any) -> list[int]:
    return [index for batch in addresses(batches) for _, index in batch]


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(torch.as_tensor(one[name]), torch.as_tensor(other[name])), name


def test_items_are_those_of_the_stream(toy: Catalog) -> None:
    data = dataset(toy)
    items = MixItems(data, 3)
    assert len(items) == 12
    assert items.epoch == 3
    for number in (0, 11, np.int64(5), torch.tensor(5)):
        assert_same(items[number], data.item(int(number), 3))  # type: ignore[index]
    for number in (-1, -12):
        assert_same(items[number], data.item(12 + number, 3))
    assert [item["index"] for item in items] == list(range(12))  # type: ignore[attr-defined]


@pytest.mark.parametrize("index", [12, -13, 1 << 70, 1.0, "3", None])
def test_what_is_not_there_is_refused(toy: Catalog, index: Any) -> None:
    with raises(OutOfRangeError, code="index-out-of-range", mentions=("index",)):
        MixItems(dataset(toy))[index]


def test_a_slice_is_refused_with_what_to_take(toy: Catalog) -> None:
    with raises(ConfigError, code="wrong-type", mentions="Subset(items, range(12)[2:-1])"):
        MixItems(dataset(toy))[2:-1]  # type: ignore[index]


@pytest.mark.parametrize("epoch", [-1, 0.5, "1", 1 << 62])
def test_what_is_no_epoch_is_refused(toy: Catalog, epoch: Any) -> None:
    with raises(OutOfRangeError, code="index-out-of-range", mentions="epoch"):
        MixItems(dataset(toy), epoch)
    with raises(OutOfRangeError, code="index-out-of-range", mentions="epoch"):
        MixItems(dataset(toy)).set_epoch(epoch)


def test_what_is_no_mix_dataset_is_refused(toy: Catalog) -> None:
    for wrong in (Subset(MixItems(dataset(toy)), [0]), MixLoader(dataset(toy)), MixDataset, None):
        with raises(ConfigError, code="wrong-type", mentions="MixDataset"):
            MixItems(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("size", [1, 4, 5])
def test_any_batch_size_gives_the_stream(toy: Catalog, workers: int, size: int) -> None:
    data = dataset(toy)
    loader = DataLoader(MixItems(data), size, num_workers=workers)
    batches = list(loader)
    assert indices(batches) == list(range(12))
    whole = MixLoader(dataset(toy, batch_size=12))
    (expected,) = whole
    for name in expected:
        assert torch.equal(torch.cat([batch[name] for batch in batches]), expected[name])


def test_processes_share_the_items_by_a_sampler(toy: Catalog) -> None:
    """Also those of a dataset that knows of several processes: nothing is shared out twice."""
    items = MixItems(dataset(toy, rank=1, world_size=3))
    parts = [
        indices(DataLoader(items, 2, sampler=DistributedSampler(items, 2, rank, shuffle=False)))
        for rank in (0, 1)
    ]
    assert parts == [list(range(0, 12, 2)), list(range(1, 12, 2))]


def test_splits_subsets_and_samplers_choose_by_number(toy: Catalog) -> None:
    items = MixItems(dataset(toy))
    one, other = random_split(items, [8, 4], torch.Generator().manual_seed(0))
    assert sorted(indices(DataLoader(one, 3)) + indices(DataLoader(other, 3))) == list(range(12))
    assert indices(DataLoader(Subset(items, range(12)[-3:]), 2)) == [9, 10, 11]
    both = ConcatDataset([items, MixItems(dataset(toy), 1)])
    assert addresses(DataLoader(both, 12)) == [[(e, i) for i in range(12)] for e in (0, 1)]
    sampler = RandomSampler(items, generator=torch.Generator().manual_seed(0))
    assert sorted(indices(DataLoader(items, 5, sampler=sampler))) == list(range(12))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_workers": 2},
        {"num_workers": 2, "persistent_workers": True},
        pytest.param(
            {"num_workers": 1, "persistent_workers": True, "multiprocessing_context": "spawn"},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_an_epoch_reaches_every_worker(toy: Catalog, options: dict[str, Any]) -> None:
    items = MixItems(dataset(toy))
    loader = DataLoader(items, 4, **options)
    list(itertools.islice(loader, 1))  # left early, with batches of epoch 0 under way
    for epoch in (1, 5):
        items.set_epoch(epoch)
        assert addresses(loader) == [[(epoch, i) for i in range(n, n + 4)] for n in (0, 4, 8)]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda items: pickle.loads(pickle.dumps(items))])
def test_a_copy_has_an_epoch_of_its_own(toy: Catalog, copied: Any) -> None:
    items = MixItems(dataset(toy), 2)
    again = copied(items)
    items.set_epoch(3)
    assert again.epoch == 2
    loader = DataLoader(again, 12, num_workers=1, persistent_workers=True)
    list(loader)
    again.set_epoch(4)
    assert addresses(loader) == [[(4, i) for i in range(12)]]
    assert items.epoch == 3


def test_a_subclass_that_overrides_item_is_asked(toy: Catalog) -> None:
    class Marked(MixDataset):
        def item(self, index: int, epoch: int = 0) -> dict[str, Any]:
            return {**super().item(index, epoch), "mark": 10 * index}

    batch = next(iter(DataLoader(MixItems(Marked(toy, CONFIG, epoch_size=4, batch_size=2)), 3)))
    assert batch["mark"].tolist() == [0, 10, 20]


def test_what_the_items_of_a_batch_have_in_common_is_decoded_once(
    toy: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = dataset(toy)
    asked: list[int] = []
    sharing = data._sharing_reader
    monkeypatch.setattr(
        data, "_sharing_reader", lambda recipes: asked.append(len(recipes)) or sharing(recipes)
    )
    list(DataLoader(MixItems(data), 6))
    assert asked == [6, 6]


# torchdata's loader, which goes on in mid-epoch


class Counting(MixDataset):
    """It says which items were made in this process."""

    made: list[int]

    def item(self, index: int, epoch: int = 0) -> dict[str, Any]:
        self.made.append(index)
        return super().item(index, epoch)


def test_a_stateful_loader_resumes_without_making_what_came_before(toy: Catalog) -> None:
    stateful = pytest.importorskip("torchdata.stateful_dataloader")

    def load() -> tuple[Counting, Any]:
        data = Counting(toy, CONFIG, epoch_size=12, batch_size=4, seed=7)
        data.made = []
        return data, stateful.StatefulDataLoader(MixItems(data), 2)

    data, loader = load()
    loader.dataset.set_epoch(3)
    list(itertools.islice(loader, 4))
    state = pickle.loads(pickle.dumps(loader.state_dict()))
    data, loader = load()
    loader.load_state_dict(state)
    assert addresses(loader) == [[(3, 8), (3, 9)], [(3, 10), (3, 11)]]
    assert data.made == [8, 9, 10, 11]
    loader.dataset.set_epoch(4)
    assert addresses(loader) == [[(4, n), (4, n + 1)] for n in range(0, 12, 2)]


def test_a_stateful_loader_with_workers_resumes_in_its_epoch(toy: Catalog) -> None:
    stateful = pytest.importorskip("torchdata.stateful_dataloader")
    loader = stateful.StatefulDataLoader(MixItems(dataset(toy), 3), 2, num_workers=2)
    list(itertools.islice(loader, 4))
    state = loader.state_dict()
    resumed = stateful.StatefulDataLoader(MixItems(dataset(toy)), 2, num_workers=2)
    resumed.load_state_dict(state)
    assert addresses(resumed) == [[(3, 8), (3, 9)], [(3, 10), (3, 11)]]
    assert resumed.dataset.epoch == 3


@pytest.mark.parametrize(
    ("changes", "name"),
    [({"seed": 8}, "seed"), ({"epoch_size": 24}, "epoch_size"), ({"split": "test"}, "content_hash")],
)
def test_a_state_of_other_items_is_refused(toy: Catalog, changes: dict[str, Any], name: str) -> None:
    state = MixItems(dataset(toy)).state_dict()
    with raises(CatalogMismatchError, code="state-mismatch", mentions=f"{name}="):
        MixItems(dataset(toy, **changes)).load_state_dict(state)
    with raises(CatalogMismatchError, code="state-mismatch"):
        MixItems(dataset(toy)).load_state_dict(None)  # type: ignore[arg-type]
