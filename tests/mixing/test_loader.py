"""Loaders honour what a user changes, refuse what they cannot hand out, and do as Lightning asks."""

import copy
import itertools
import pickle
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.utils.data import ChainDataset, ConcatDataset, DataLoader, IterableDataset, Subset

from mixlab import Catalog, MixConfig, MixDataset, MixLoader
from mixlab.errors import CatalogMismatchError, ConfigError, OutOfRangeError
from mixlab.mixing.effects_config import EffectsConfig
from mixlab.mixing.gpu import DeviceLoader
from tests.errors import raises

CONFIG = MixConfig(duration_s=0.5, effects=EffectsConfig.none())

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")


def dataset(toy: Catalog, **changes: Any) -> MixDataset:
    return MixDataset(toy, CONFIG, **({"epoch_size": 16, "batch_size": 2, "seed": 7} | changes))


def addresses(batches: Any) -> list[list[tuple[int, int]]]:
    """Epoch and index of every item of every batch."""
    return [list(zip(b["epoch"].tolist(), b["index"].tolist(), strict=True)) for b in batches]


def whole(epoch: int, batches: int = 8) -> list[list[tuple[int, int]]]:
    return [[(epoch, 2 * batch), (epoch, 2 * batch + 1)] for batch in range(batches)]


# torch's own loader: its batch size is its own affair


def as_list(items: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """A user's own way of making a batch."""
    return [(item["epoch"], item["index"]) for item in items]


class Louder(IterableDataset[dict[str, Any]]):
    """A user's wrapper."""

    def __init__(self, mixes: MixDataset) -> None:
        super().__init__()
        self.mixes = mixes

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for item in self.mixes:
            yield item | {"audio": 2 * item["audio"]}


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("wrap", [lambda data: data, Louder, lambda data: ChainDataset([data])])
def test_batches_of_another_size_are_the_same_for_any_number_of_workers(
    toy: Catalog, size: int, workers: int, wrap: Any
) -> None:
    data = dataset(toy)
    found = []
    for number in (0, workers):
        data.set_epoch(3)
        loader = DataLoader(wrap(data), batch_size=size, num_workers=number, collate_fn=as_list)
        found.append(list(itertools.islice(loader, 4)))
    assert found[0] == found[1]
    assert [index for batch in found[0] for _, index in batch][:16] == list(range(16))[: 4 * size]


@pytest.mark.parametrize("workers", [0, 2])
def test_without_batches_items_come_one_by_one(toy: Catalog, workers: int) -> None:
    loader = DataLoader(dataset(toy), batch_size=None, num_workers=workers)
    assert [item["index"] for item in itertools.islice(loader, 7)] == list(range(7))


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("drop_last", [False, True])
def test_a_fixed_set_is_whole_in_batches_of_any_size(toy: Catalog, size: int, drop_last: bool) -> None:
    data = dataset(toy, split="validation", epoch_size=7)
    found = [
        [batch["index"].tolist() for batch in DataLoader(data, size, num_workers=n, drop_last=drop_last)]
        for n in (0, 3)
    ]
    expected = [list(range(first, min(first + size, 7))) for first in range(0, 7, size)]
    assert found == [[b for b in expected if len(b) == size or not drop_last]] * 2


def test_ranks_share_the_same_items_whatever_the_batch_size(toy: Catalog) -> None:
    found = [
        [
            item[1]
            for b in itertools.islice(DataLoader(data, 3, num_workers=2, collate_fn=as_list), 2)
            for item in b
        ]
        for data in (dataset(toy, rank=rank, world_size=2) for rank in (0, 1))
    ]
    assert found == [[0, 1, 4, 5, 8, 9], [2, 3, 6, 7, 10, 11]]


def test_what_does_not_show_its_batch_size_is_told_which_one_is_assumed(
    toy: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch.utils.data._utils import worker

    data = dataset(toy)
    monkeypatch.setattr(worker, "_worker_info", worker.WorkerInfo(id=1, num_workers=2, seed=1, dataset=data))
    with pytest.warns(RuntimeWarning, match=r"does not show how many items .* 2 \(batch_size\) are assumed"):
        assert next(iter(data))["index"] == 2


# Subclasses and wrappers


class Halved(MixDataset):
    """What a user may make of an item: another length, and something more."""

    def item(self, index: int, epoch: int = 0) -> dict[str, Any]:
        item = super().item(index, epoch)
        return item | {"audio": item["audio"][:, ::2], "loud": float(item["audio"].abs().max())}


@pytest.mark.parametrize("workers", [0, 2])
def test_a_subclass_that_overrides_item_is_heard_by_every_loader(toy: Catalog, workers: int) -> None:
    data = Halved(toy, CONFIG, epoch_size=6, batch_size=2)
    assert data.changes_items
    loader = MixLoader(data, num_workers=workers)
    ours = list(loader)
    theirs = list(itertools.islice(DataLoader(data, 2, num_workers=workers), 3))
    assert len(ours) == 3
    for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        assert one["audio"].shape == (2, 1, 4000)
        assert one.keys() == other.keys() >= {"loud"}
        for name in one:
            assert torch.equal(one[name], other[name])
            assert torch.equal(one[name], data.batch(number)[name])
    assert addresses(loader) == whole(1, 3)
    state = loader.state_dict()
    list(itertools.islice(loader, 1))
    loader.load_state_dict(state | {"next_batch": 2})
    assert addresses(loader) == whole(2, 3)[2:]


def test_items_of_any_kind_are_handed_on(toy: Catalog) -> None:
    class Pairs(MixDataset):
        def item(self, index: int, epoch: int = 0) -> Any:
            item = super().item(index, epoch)
            return item["audio"], item["target"]

    audio, target = next(iter(MixLoader(Pairs(toy, CONFIG, epoch_size=4, batch_size=4))))
    assert audio.shape == (4, 1, 8000)
    assert target.shape == (4, 15)


def test_an_item_that_is_replaced_in_one_dataset_is_heard_too(toy: Catalog) -> None:
    data = dataset(toy)
    original = data.item
    data.item = lambda index, epoch=0: original(index, epoch) | {"mark": index * 10}  # type: ignore[method-assign]
    assert next(iter(MixLoader(data)))["mark"].tolist() == [0, 10]


def test_a_subclass_that_changes_nothing_goes_the_quick_way(toy: Catalog) -> None:
    class Same(MixDataset):
        def extra(self) -> int:
            return 3

    assert not Same(toy, CONFIG).changes_items
    assert not dataset(toy).changes_items


@pytest.mark.parametrize("make", [MixLoader, DeviceLoader])
@pytest.mark.parametrize(
    ("wrap", "name"),
    [
        (lambda data: Subset(data, [0, 1]), "Subset"),
        (lambda data: ConcatDataset([[1], [2]]), "ConcatDataset"),
        (lambda data: ChainDataset([data]), "ChainDataset"),
        (Louder, "Louder"),
        (lambda data: DataLoader(data), "DataLoader"),
        (lambda data: MixLoader(data), "MixLoader"),
        (lambda data: [data.item(0)], "list"),
        (lambda data: MixDataset, "the class MixDataset"),
        (lambda data: lambda: data, "function"),
        (lambda data: data.catalog, "Catalog"),
        (lambda data: None, "NoneType"),
    ],
)
def test_what_is_no_mix_dataset_is_refused_at_once(toy: Catalog, make: Any, wrap: Any, name: str) -> None:
    with raises(ConfigError, code="wrong-type", mentions=("MixDataset", name)):
        make(wrap(dataset(toy)))


def test_what_a_loader_would_not_use_is_refused(toy: Catalog) -> None:
    class Own(MixDataset):
        def __iter__(self) -> Iterator[dict[str, Any]]:
            yield self.item(0)

    with raises(ConfigError, code="unsupported-override", mentions="__iter__"):
        MixLoader(Own(toy, CONFIG))
    with raises(ConfigError, code="unsupported-override"):
        DeviceLoader(Halved(toy, CONFIG))


# Epochs


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loop_that_is_left_early_is_followed_by_the_next_epoch(toy: Catalog, workers: int) -> None:
    loader = MixLoader(dataset(toy), num_workers=workers)
    assert addresses(itertools.islice(loader, 3)) == whole(0, 3)
    assert loader.state_dict()["next_batch"] == 3
    assert addresses(loader) == whole(1)
    assert addresses(itertools.islice(loader, 1)) == whole(2, 1)
    iter(loader)  # asks for nothing, and so takes nothing
    assert addresses(itertools.islice(loader, 1)) == whole(3, 1)
    loader.set_epoch(1)
    assert addresses(itertools.islice(loader, 1)) == whole(1, 1)


def test_an_epoch_may_be_set_in_the_dataset_too(toy: Catalog) -> None:
    data = dataset(toy)
    data.set_epoch(5)
    loader = MixLoader(data)
    assert loader.epoch == 5
    assert addresses(itertools.islice(loader, 1)) == whole(5, 1)
    assert addresses(itertools.islice(loader, 1)) == whole(6, 1)
    data.set_epoch(2)
    assert addresses(itertools.islice(loader, 1)) == whole(2, 1)
    state = loader.state_dict()
    data.set_epoch(9)
    loader.load_state_dict(state)
    assert addresses(loader) == whole(2)[1:]


def test_iterations_at_the_same_time_take_an_epoch_each(toy: Catalog) -> None:
    loader = MixLoader(dataset(toy))
    pairs = list(zip(loader, loader, strict=True))
    assert [addresses(part) for part in zip(*pairs, strict=True)] == [whole(0), whole(1)]
    assert addresses(itertools.islice(loader, 1)) == whole(2, 1)


def test_pinning_without_a_gpu_is_said_once_and_batches_come_as_they_are(
    toy: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU to pin for")
    for data in (dataset(toy), Halved(toy, CONFIG, epoch_size=16, batch_size=2)):
        loader = MixLoader(data, pin_memory=True)
        with pytest.warns(UserWarning, match="pin_memory=True, but torch finds no GPU"):
            assert addresses(loader) == whole(0)
        assert addresses(loader) == whole(1)
        assert not next(iter(loader))["audio"].is_pinned()


@pytest.mark.gpu
def test_batches_are_pinned_for_a_gpu(toy: Catalog) -> None:
    for data in (dataset(toy), Halved(toy, CONFIG, epoch_size=16, batch_size=2)):
        assert next(iter(MixLoader(data, num_workers=1, pin_memory=True)))["audio"].is_pinned()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda loader: pickle.loads(pickle.dumps(loader))])
@pytest.mark.parametrize("workers", [0, 1])
def test_a_copy_of_a_loader_goes_on_from_where_it_stands(toy: Catalog, workers: int, copied: Any) -> None:
    loader = MixLoader(dataset(toy), num_workers=workers)
    running = iter(loader)
    next(running)
    again = copied(loader)
    assert again.state_dict() == loader.state_dict()
    assert [addresses(itertools.islice(x, 2)) for x in (again, again, loader)] == [
        whole(1, 2),
        whole(2, 2),
        whole(1, 2),
    ]


@pytest.mark.parametrize("number", [True, False, -1, 1.0, "2", None])
def test_a_number_of_workers_is_a_whole_number(toy: Catalog, number: Any) -> None:
    with raises(ConfigError, code="invalid-setting", mentions=("num_workers", "0")):
        MixLoader(dataset(toy), num_workers=number)


@pytest.mark.parametrize("state", [None, 3, "epoch 3", []])
def test_what_is_no_position_is_refused(toy: Catalog, state: Any) -> None:
    with raises(CatalogMismatchError, code="invalid-state", mentions="state_dict()"):
        MixLoader(dataset(toy)).load_state_dict(state)


@pytest.mark.parametrize("changes", [{"next_batch": 99}, {"next_batch": -1}, {"epoch": "2"}, {"epoch": None}])
def test_a_position_outside_an_epoch_is_refused(toy: Catalog, changes: dict[str, Any]) -> None:
    loader = MixLoader(dataset(toy))
    with raises(OutOfRangeError, code="index-out-of-range", mentions=(next(iter(changes)),)):
        loader.load_state_dict(loader.state_dict() | changes)
    assert addresses(itertools.islice(loader, 1)) == whole(0, 1)


# Lightning


def fit(loader: Any, epochs: int, **options: Any) -> list[list[list[tuple[int, int]]]]:
    """Train a user's own module; return the batches of each epoch."""
    pl = pytest.importorskip("lightning.pytorch")
    received: list[list[Any]] = []

    class Module(pl.LightningModule):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(1, 15)

        def on_train_epoch_start(self) -> None:
            received.append([])

        def training_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> torch.Tensor:
            received[-1].append(batch)
            return self.layer(batch["audio"].square().mean(-1)).square().mean()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.01)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)` is deprecated")
        trainer = pl.Trainer(
            accelerator="cpu",
            max_epochs=epochs,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            **options,
        )
        trainer.fit(Module(), loader)
    return [addresses(batches) for batches in received]


@pytest.mark.parametrize("workers", [0, 2])
def test_lightning_goes_on_with_the_next_epoch_without_a_warning(toy: Catalog, workers: int) -> None:
    loader = MixLoader(dataset(toy), num_workers=workers)
    assert fit(loader, 2) == [whole(0), whole(1)]
    assert fit(loader, 2, limit_train_batches=5) == [whole(2, 5), whole(3, 5)]
    assert fit(loader, 2, limit_train_batches=0.25) == [whole(4, 2), whole(5, 2)]
    assert fit(loader, 3, max_steps=10) == [whole(6), whole(7, 2)]


@pytest.mark.parametrize("workers", [0, 2])
def test_lightning_overfits_on_the_same_batches(toy: Catalog, workers: int) -> None:
    loader = MixLoader(dataset(toy), num_workers=workers)
    loader.set_epoch(3)
    assert fit(loader, 3, overfit_batches=2) == [whole(3, 2)] * 3
    assert fit(loader, 2, overfit_batches=8) == [whole(3)] * 2
    assert addresses(itertools.islice(loader, 1)) == whole(3, 1)


@pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers")
@pytest.mark.parametrize("options", [{}, {"num_workers": 2}, {"num_workers": 2, "persistent_workers": True}])
def test_lightning_with_a_loader_of_torch(toy: Catalog, options: dict[str, Any]) -> None:
    loader = DataLoader(dataset(toy), batch_size=2, **options)
    assert fit(loader, 3, limit_train_batches=5) == [whole(epoch, 5) for epoch in range(3)]


@pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers")
# Lightning says that it turns off the shuffling of every loader that is not sequential.
@pytest.mark.filterwarnings("ignore:You requested to overfit but enabled train dataloader shuffling")
@pytest.mark.parametrize("options", [{}, {"num_workers": 2}, {"num_workers": 2, "persistent_workers": True}])
def test_lightning_overfits_with_a_loader_of_torch(toy: Catalog, options: dict[str, Any]) -> None:
    loader = DataLoader(dataset(toy), batch_size=2, **options)
    assert fit(loader, 3, overfit_batches=3) == [whole(0, 3)] * 3
    assert addresses(itertools.islice(loader, 1)) == whole(0, 1)
    assert addresses(itertools.islice(loader, 1)) == whole(1, 1)
