"""Iterating a bare training set again goes on with the next epoch, whoever iterates it and how."""

import copy
import itertools
import multiprocessing
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset

from mixlab import Catalog, MixConfig, MixDataset, MixLoader
from mixlab.errors import ConfigError, OutOfRangeError
from mixlab.mixing.dataset import BEYOND
from mixlab.mixing.effects_config import EffectsConfig
from tests.errors import raises

CONFIG = MixConfig(duration_s=0.5, effects=EffectsConfig.none())
BATCH, BATCHES = 2, 4

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")


def dataset(toy: Catalog, **changes: object) -> MixDataset:
    settings: dict[str, object] = {"epoch_size": BATCH * BATCHES, "batch_size": BATCH, "seed": 7} | changes
    return MixDataset(toy, CONFIG, **settings)  # type: ignore[arg-type]


def addresses(batches: Any) -> list[tuple[int, int]]:
    """Epoch and index of every item."""
    return [pair for b in batches for pair in zip(b["epoch"].tolist(), b["index"].tolist(), strict=True)]


def first(batches: int, epoch: int) -> list[tuple[int, int]]:
    return [(epoch, index) for index in range(batches * BATCH)]


WAYS = [
    pytest.param({}, id="no workers"),
    pytest.param({"num_workers": 1}, id="one worker"),
    pytest.param({"num_workers": 3}, id="three workers"),
    pytest.param({"num_workers": 2, "persistent_workers": True}, id="persistent workers"),
    pytest.param(
        {"num_workers": 2, "multiprocessing_context": "spawn"}, id="spawned", marks=pytest.mark.slow
    ),
    pytest.param(
        {"num_workers": 1, "multiprocessing_context": "forkserver", "persistent_workers": True},
        id="persistent workers of a fork server",
    ),
]


@pytest.mark.parametrize("options", WAYS)
def test_iterating_again_begins_the_next_epoch(toy: Catalog, options: dict[str, Any]) -> None:
    data = dataset(toy)
    loader = DataLoader(data, batch_size=BATCH, **options)
    for epoch, batches in enumerate((3, 1, BATCHES)):
        assert data.epoch == epoch
        found = list(itertools.islice(loader, batches))
        assert addresses(found) == first(batches, epoch)
        assert torch.equal(found[0]["audio"], data.batch(0, epoch)["audio"])
    data.set_epoch(1)
    assert addresses(itertools.islice(loader, 2)) == first(2, 1)
    assert addresses(itertools.islice(loader, 2)) == first(2, 2)


@pytest.mark.parametrize("options", WAYS[:4])
def test_an_iteration_beyond_its_epoch_repeats_nothing_and_is_repeated_by_nothing(
    toy: Catalog, options: dict[str, Any]
) -> None:
    loader = DataLoader(dataset(toy), batch_size=BATCH, **options)
    found = [addresses(itertools.islice(loader, 6)) for _ in range(3)]
    assert found == [first(BATCHES, k) + first(2, k + BEYOND) for k in range(3)]
    assert len({pair for part in found for pair in part}) == 3 * 6 * BATCH


def test_the_address_of_an_item_is_that_of_its_recipe(toy: Catalog) -> None:
    data = dataset(toy)
    list(itertools.islice(data, 3))
    *_, item = itertools.islice(data, BATCH * BATCHES + 2)
    assert (item["epoch"], item["index"]) == (1 + BEYOND, 1)
    again = data.item(item["index"], item["epoch"])
    assert torch.equal(item["audio"], again["audio"])
    assert data.recipe(item["index"], item["epoch"]) == data.mix(item["index"], item["epoch"]).recipe


@pytest.mark.parametrize("workers", [0, 2])
def test_seeding_torch_the_same_every_time_does_not_bring_back_an_epoch(toy: Catalog, workers: int) -> None:
    data = dataset(toy)
    found = []
    for _ in range(3):
        torch.manual_seed(0)
        loader = DataLoader(
            data, batch_size=BATCH, num_workers=workers, generator=torch.Generator().manual_seed(5)
        )
        found.append(addresses(itertools.islice(loader, 2)))
    assert found == [first(2, epoch) for epoch in range(3)]


@pytest.mark.parametrize("workers", [0, 2])
def test_iterations_at_the_same_time_share_no_epoch(toy: Catalog, workers: int) -> None:
    data = dataset(toy)
    one, other = (iter(DataLoader(data, batch_size=BATCH, num_workers=workers)) for _ in range(2))
    pairs = [(next(one), next(other)) for _ in range(3)]
    assert sorted(addresses(part) for part in zip(*pairs, strict=True)) == [first(3, 0), first(3, 1)]
    assert addresses(itertools.islice(DataLoader(data, batch_size=BATCH), 1)) == first(1, 2)


class Doubled(IterableDataset[dict[str, Any]]):
    """A user's wrapper that goes through the mixes in pieces."""

    def __init__(self, mixes: MixDataset) -> None:
        super().__init__()
        self.mixes = mixes

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for _ in range(2):
            for item in itertools.islice(self.mixes, BATCH):
                yield item | {"audio": 2 * item["audio"]}


@pytest.mark.parametrize("workers", [0, 2])
def test_a_wrapper_may_iterate_as_often_as_it_likes(toy: Catalog, workers: int) -> None:
    loader = DataLoader(Doubled(dataset(toy)), batch_size=BATCH, num_workers=workers)
    found = addresses(loader) + addresses(loader)
    assert len(found) == 2 * 2 * BATCH * max(workers, 1)
    assert len(set(found)) == len(found)
    assert {epoch for epoch, _ in found} == {0, 1, 2, 3}


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda data: pickle.loads(pickle.dumps(data))])
def test_a_copy_goes_on_from_where_the_original_stands_and_then_for_itself(toy: Catalog, copied: Any) -> None:
    data = dataset(toy)
    iter(data)
    again = copied(data)
    assert [addresses(itertools.islice(DataLoader(x, BATCH), 1)) for x in (again, again, data)] == [
        first(1, 1),
        first(1, 2),
        first(1, 1),
    ]


def _train(data: MixDataset, results: Any) -> None:
    loader = DataLoader(data, batch_size=BATCH, num_workers=1)
    results.put([addresses(itertools.islice(loader, 1)) for _ in range(2)])


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_processes_that_were_given_the_same_dataset_count_for_themselves(toy: Catalog, method: str) -> None:
    data = dataset(toy)
    data.set_epoch(4)
    context = multiprocessing.get_context(method)
    results = context.Queue()
    processes = [context.Process(target=_train, args=(data, results)) for _ in range(2)]
    for process in processes:
        process.start()
    assert [results.get(timeout=120) for _ in processes] == [[first(1, 4), first(1, 5)]] * 2
    for process in processes:
        process.join(60)
    assert data.epoch == 4


@pytest.mark.parametrize("workers", [0, 2])
def test_a_fixed_set_is_the_same_every_time(toy: Catalog, workers: int) -> None:
    data = dataset(toy, split="validation", epoch_size=5)
    loader = DataLoader(data, batch_size=BATCH, num_workers=workers)
    next(iter(loader))
    data.set_epoch(3)
    assert addresses(loader) == addresses(loader) == [(0, index) for index in range(5)]
    assert data.epoch == 0


def test_without_shared_memory_workers_are_refused_and_the_main_process_goes_on(
    toy: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: torch.Tensor) -> None:
        raise RuntimeError("unable to allocate shared memory")

    monkeypatch.setattr(torch.Tensor, "share_memory_", refuse)
    data = dataset(toy)
    monkeypatch.undo()
    with raises(ConfigError, code="no-shared-memory", mentions="num_workers=0"):
        next(iter(DataLoader(data, batch_size=BATCH, num_workers=1)))
    assert addresses(itertools.islice(DataLoader(data, BATCH), 1)) == first(1, 0)


def test_a_system_without_locks_for_processes_still_has_a_stream(
    toy: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(multiprocessing.context.BaseContext, "Lock", refuse)
    data = dataset(toy)
    assert [addresses(itertools.islice(DataLoader(data, BATCH), 1)) for _ in range(2)] == [
        first(1, 0),
        first(1, 1),
    ]


@pytest.mark.parametrize("epoch", [-1, 1.5, "2", None, 1 << 62, 1 << 63])
def test_what_is_no_epoch_is_refused(toy: Catalog, epoch: Any) -> None:
    for thing in (dataset(toy), MixLoader(dataset(toy))):
        with raises(OutOfRangeError, code="index-out-of-range", mentions="epoch"):
            thing.set_epoch(epoch)
