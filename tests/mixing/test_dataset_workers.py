"""How batches get from workers to the training: in shared memory, without a stop between epochs."""

import pickle
import sys
from collections.abc import Iterable
from multiprocessing import active_children
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from mixlab import Catalog, MixConfig, MixDataset, MixLoader
from mixlab.catalog.readers import CatalogReader, Reader, Span
from mixlab.errors import AudioError, ConfigError
from mixlab.mixing import loader as loaders
from mixlab.mixing.batch_layout import split_buffer
from mixlab.mixing.loader import _Buffers, _shared_memory, warm_up
from tests.errors import raises

CONFIG = MixConfig(duration_s=0.5)

# The order must hold for more workers than the machine has processors, which torch warns about.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")


def dataset(toy: Catalog, **changes: object) -> MixDataset:
    settings: dict[str, object] = {"epoch_size": 48, "batch_size": 4, "seed": 7} | changes
    return MixDataset(toy, CONFIG, **settings)  # type: ignore[arg-type]


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=0, atol=0)


def test_a_batch_is_its_items_stacked(toy: Catalog) -> None:
    data = dataset(toy, frames=True, sources=True, epoch_size=10, split="validation")
    for number, size in ((0, 4), (2, 2)):
        batch = data.batch(number)
        items = [data.item(index) for index in data.batch_indices(number)]
        assert len(items) == size
        assert_same(
            batch, {name: torch.stack([torch.as_tensor(i[name]) for i in items]) for name in items[0]}
        )


@pytest.mark.parametrize("workers", [1, 3])
def test_batches_stay_what_they_are_when_workers_use_their_places_again(
    toy: Catalog, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr(loaders, "AHEAD", 1)  # as few places as there can be
    data = dataset(toy, batch_size=2, epoch_size=20)
    loader = MixLoader(data, num_workers=workers)
    batches = [*loader, *loader]
    for number, batch in enumerate(batches):
        assert_same(batch, data.batch(number % 10, number // 10))


def test_what_is_pickled_per_batch_is_small_whatever_its_size(
    toy: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    for batch_size in (1, 32):
        data = dataset(toy, batch_size=batch_size)
        shared = _shared_memory(1, 4, data._layout(batch_size)[1])
        buffers = _Buffers(data, 0, 0, shared)
        handed_over = next(iter(buffers))
        sizes.append(len(ForkingPickler.dumps(handed_over)))
        assert shared.is_shared()
        np.testing.assert_array_equal(
            split_buffer(buffers.fetch(handed_over[1], pin_memory=False), data._layout(batch_size)[0])[
                "audio"
            ],
            data.batch(0)["audio"],
        )
    assert max(sizes) < 100


def test_targets_do_not_keep_the_sound_in_memory(toy: Catalog) -> None:
    batch = next(iter(MixLoader(dataset(toy, frames=True))))
    assert batch["target"].untyped_storage().nbytes() == batch["target"].nbytes
    assert batch["frame_target"].untyped_storage().nbytes() == batch["frame_target"].nbytes


def test_workers_that_are_spawned_write_into_the_shared_memory_too(toy: Catalog) -> None:
    data = dataset(toy)
    buffers = _Buffers(data, 1, 2, _shared_memory(1, 4, data._layout(4)[1]))
    loader = DataLoader(buffers, batch_size=None, num_workers=1, multiprocessing_context="spawn")
    _, place, _ = next(iter(loader))
    found = split_buffer(buffers.fetch(int(place), pin_memory=False), data._layout(4)[0])
    assert_same(found, data.batch(2, 1))


def test_training_goes_into_the_next_epoch_with_the_same_workers(toy: Catalog) -> None:
    loader = MixLoader(dataset(toy), num_workers=2)
    before = {child.pid for child in active_children()}
    first = list(loader)
    workers = {child.pid for child in active_children()} - before
    second = list(loader)
    assert len(workers) == 2
    assert {child.pid for child in active_children()} - before == workers
    assert loader.epoch == 2
    assert_same(second[3], loader.mixes.batch(3, 1))
    loader.set_epoch(0)
    assert_same(next(iter(loader)), first[0])
    assert ({child.pid for child in active_children()} - before).isdisjoint(workers)
    loader.close()
    assert {child.pid for child in active_children()} <= before


def test_a_fixed_set_ends_its_workers_with_each_pass(toy: Catalog) -> None:
    loader = MixLoader(dataset(toy, split="validation", epoch_size=10), num_workers=2)
    before = {child.pid for child in active_children()}
    for _ in range(2):
        assert [len(batch["index"]) for batch in loader] == [4, 4, 2]
        assert {child.pid for child in active_children()} <= before


def test_two_iterations_at_once_do_not_disturb_each_other(toy: Catalog) -> None:
    loader = MixLoader(dataset(toy, split="validation", epoch_size=10))
    pairs = list(zip(loader, loader, strict=True))
    assert len(pairs) == 3
    for one, other in pairs:
        assert_same(one, other)


class Failing:
    """A reader that fails when told to."""

    def __init__(self, reader: CatalogReader) -> None:
        self.reader, self.fails = reader, False

    def read_into(self, *args: object) -> None:
        if self.fails:
            raise AudioError("the disk is gone", code="unreadable-audio")
        self.reader.read_into(*args)  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore:Item .* is replaced:RuntimeWarning")
def test_after_an_error_a_loader_goes_on_where_it_stood(toy: Catalog) -> None:
    reader = Failing(CatalogReader(toy))
    loader = MixLoader(dataset(toy, reader=reader))
    batches = iter(loader)
    next(batches)
    reader.fails = True
    with raises(AudioError, code="unreadable-audio", mentions="the disk is gone"):
        next(batches)
    reader.fails = False
    assert next(iter(loader))["index"].tolist() == [4, 5, 6, 7]


def test_too_little_shared_memory_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: torch.Tensor) -> None:
        raise RuntimeError("No space left on device")

    monkeypatch.setattr(torch.Tensor, "share_memory_", refuse)
    with raises(ConfigError, code="no-shared-memory", mentions=("2", "8")):
        _shared_memory(2, 4, 1_000_000)


def test_looking_ahead_changes_no_sample(toy: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    data = dataset(toy, batch_size=12)
    shared = []

    def spy(reader: CatalogReader, spans: Iterable[Span]) -> Reader:
        found = sharing(reader, spans)
        shared.append(found is not reader)
        return found

    sharing = CatalogReader.sharing
    monkeypatch.setattr(CatalogReader, "sharing", spy)
    with_sharing = [data.batch(number) for number in range(2)]
    assert any(shared)
    monkeypatch.setattr(CatalogReader, "sharing", lambda self, spans: self)
    for number, batch in enumerate(with_sharing):
        assert_same(batch, data.batch(number))


def test_warming_up_loads_the_kernels_that_an_engine_needs() -> None:
    settings = MixConfig(engine="vocoder").render_settings()
    warm_up(settings)
    assert {f"mixlab.audio._kernels.{name}" for name in ("filter", "mix", "resampling", "vocoder")} <= set(
        sys.modules
    )


def test_a_worker_gets_little_by_pickle_and_maps_the_activity(toy: Catalog) -> None:
    data = dataset(toy)
    data.item(0)
    packed = pickle.dumps(data)
    assert len(packed) < 4000
    again: MixDataset = pickle.loads(packed)
    for array in (again.catalog.envelope(0), again.catalog.active_cumulative(0)):
        base = array
        while isinstance(base, np.ndarray) and base.base is not None:
            base = base.base
        assert type(base).__name__ == "mmap"


def test_equal_texts_of_a_catalog_are_one_object(toy: Catalog) -> None:
    catalog = Catalog.open(toy.path)
    for name in ("corpus", "song", "part", "split", "nodes", "groups"):
        column = catalog.column(name)
        assert len({id(value) for value in column}) == len(set(column))
