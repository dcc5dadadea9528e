"""The stream is the same however it is sharded, stopped and resumed."""

import itertools
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from mixlab import Catalog, MixConfig, MixDataset, MixLoader, sample_recipe
from mixlab.catalog.build import build_catalog
from mixlab.errors import AudioError, CatalogMismatchError, ConfigError, OutOfRangeError
from tests.errors import raises
from tests.toy import BrokenReader, make_corpus

CONFIG = MixConfig(duration_s=1.0)

# The order must hold for more workers than the machine has processors, which torch warns about.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")


def dataset(toy: Catalog, **changes: object) -> MixDataset:
    settings: dict[str, object] = {"epoch_size": 24, "batch_size": 4, "seed": 7} | changes
    return MixDataset(toy, CONFIG, **settings)  # type: ignore[arg-type]


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=0, atol=0)


def test_an_item_is_what_the_documentation_says(toy: Catalog) -> None:
    item = dataset(toy).item(3)
    assert item["audio"].shape == (1, 16000)
    assert item["audio"].dtype == torch.float32
    assert item["target"].shape == item["mask"].shape == (15,)
    assert item["mask"].dtype == torch.bool
    assert item["index"] == 3
    assert item["attempt"] == 0
    assert dataset(toy).label_names[:2] == ("voice", "percussion")


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_batches_are_the_same_for_any_number_of_workers(toy: Catalog, workers: int) -> None:
    data = dataset(toy)
    batches = list(MixLoader(data, num_workers=workers))
    assert [batch["index"].tolist() for batch in batches] == [list(range(i, i + 4)) for i in range(0, 24, 4)]
    for batch in batches[::2]:
        for place, index in enumerate(batch["index"].tolist()):
            assert_same(
                {k: v[place] for k, v in batch.items()},
                {k: torch.as_tensor(v) for k, v in data.item(index).items()},
            )


def test_epochs_differ_and_repeat_exactly(toy: Catalog) -> None:
    loader = MixLoader(dataset(toy))
    first, second = list(loader), list(loader)
    assert loader.epoch == 2
    assert not torch.equal(first[0]["audio"], second[0]["audio"])
    loader.set_epoch(0)
    assert_same(next(iter(loader)), first[0])


@pytest.mark.parametrize(("before", "after"), [(0, 2), (2, 0), (4, 1)])
def test_resume_in_mid_epoch_is_exact_with_another_number_of_workers(
    toy: Catalog, before: int, after: int
) -> None:
    whole = list(MixLoader(dataset(toy))) + list(MixLoader(_at_epoch(dataset(toy), 1)))
    loader = MixLoader(dataset(toy), num_workers=before)
    list(itertools.islice(loader, 2))
    state = loader.state_dict()
    assert (state["epoch"], state["next_batch"]) == (0, 2)
    resumed = MixLoader(dataset(toy), num_workers=after)
    resumed.load_state_dict(state)
    rest = list(resumed) + list(resumed)
    assert len(rest) == 4 + 6
    for one, other in zip(rest, whole[2:], strict=True):
        assert_same(one, other)


def _at_epoch(data: MixDataset, epoch: int) -> MixDataset:
    """A view of ``data`` whose first epoch is ``epoch``."""
    real = data.recipe
    data.recipe = lambda index, _=0, *, attempt=0: real(index, epoch, attempt=attempt)  # type: ignore[method-assign]
    return data


def test_a_state_at_the_end_of_an_epoch_goes_on_with_the_next(toy: Catalog) -> None:
    loader = MixLoader(dataset(toy))
    for _ in loader:
        state = loader.state_dict()
    assert (state["epoch"], state["next_batch"]) == (1, 0)


@pytest.mark.parametrize("world_size", [2, 4])
def test_ranks_share_each_global_batch(toy: Catalog, world_size: int) -> None:
    whole = [batch["index"].tolist() for batch in MixLoader(dataset(toy))]
    parts = [
        [
            b["index"].tolist()
            for b in MixLoader(dataset(toy, batch_size=4 // world_size, rank=r, world_size=world_size))
        ]
        for r in range(world_size)
    ]
    joined = [[i for rank in parts for i in rank[batch]] for batch in range(len(whole))]
    assert joined == whole


def test_a_state_resumes_on_another_number_of_ranks_with_the_same_global_batch(toy: Catalog) -> None:
    loader = MixLoader(dataset(toy, batch_size=2, rank=1, world_size=2))
    list(itertools.islice(loader, 3))
    alone = MixLoader(dataset(toy, batch_size=4))
    alone.load_state_dict(loader.state_dict())
    assert next(iter(alone))["index"].tolist() == [12, 13, 14, 15]


def test_the_bare_dataset_is_endless_and_its_order_does_not_depend_on_workers(toy: Catalog) -> None:
    def first(workers: int) -> list[dict[str, torch.Tensor]]:
        loader = DataLoader(dataset(toy), batch_size=4, num_workers=workers)
        return list(itertools.islice(loader, 9))  # one and a half epochs

    alone, shared = first(0), first(2)
    assert [b["index"].tolist()[0] for b in alone] == [0, 4, 8, 12, 16, 20, 0, 4, 8]
    for one, other in zip(alone, shared, strict=True):
        assert_same(one, other)
    assert not torch.equal(alone[0]["audio"], alone[6]["audio"])


def test_validation_is_finite_fixed_musical_and_without_effects(toy: Catalog) -> None:
    data = dataset(toy, split="validation", epoch_size=10)
    recipes = [data.recipe(index, epoch) for epoch in (0, 5) for index in range(10)]
    assert recipes[:10] == recipes[10:]
    assert {recipe.kind for recipe in recipes} == {"musical"}
    assert not any(source.effects for recipe in recipes for source in recipe.sources)
    indices = [item["index"] for item in data]
    assert indices == list(range(10))
    assert [len(batch["index"]) for batch in MixLoader(data)] == [4, 4, 2]


def test_ranks_of_an_uneven_fixed_set_see_each_item_once_in_every_pass(toy: Catalog) -> None:
    loaders = [
        MixLoader(dataset(toy, split="validation", epoch_size=10, rank=rank, world_size=2)) for rank in (0, 1)
    ]
    for _ in range(3):
        passes = [[b["index"].tolist() for b in loader] for loader in loaders]
        assert passes == [[[0, 1, 2, 3], [8, 9]], [[4, 5, 6, 7]]]
        assert [len(loader) for loader in loaders] == [2, 1]


def test_a_fixed_set_that_was_left_early_is_read_from_its_start_again(toy: Catalog) -> None:
    loader = MixLoader(dataset(toy, split="validation", epoch_size=10))
    next(iter(loader))
    assert [b["index"].tolist()[0] for b in loader] == [0, 4, 8]


def test_a_loader_leaves_the_global_random_numbers_alone(toy: Catalog) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    next(iter(MixLoader(dataset(toy))))
    assert torch.equal(torch.rand(1), expected)


def test_workers_that_are_spawned_make_the_same_batches(toy: Catalog) -> None:
    data = dataset(toy)
    loader = DataLoader(data, batch_size=4, num_workers=1, multiprocessing_context="spawn")
    assert_same(next(iter(loader)), data.batch(0))


def test_frames_and_sources_come_on_request(toy: Catalog) -> None:
    data = MixDataset(toy, CONFIG, epoch_size=8, batch_size=4, frames=True, sources=True)
    batch = next(iter(MixLoader(data)))
    assert batch["frame_target"].shape == batch["frame_mask"].shape == (4, 15, 10)
    assert batch["sources"].shape == (4, 5, 1, 16000)
    assert batch["source_target"].shape == batch["source_mask"].shape == (4, 5, 15)
    torch.testing.assert_close(batch["sources"].sum(dim=1), batch["audio"], rtol=0, atol=1e-6)
    with raises(ConfigError, code="conflicting-settings", mentions="full=True"):
        MixDataset(toy, MixConfig(full=True), sources=True)


def test_a_dataset_pickles_small_and_draws_the_same(toy: Catalog) -> None:
    data = dataset(toy)
    packed = pickle.dumps(data)
    assert len(packed) < 20_000
    assert pickle.loads(packed).recipe(5, 1) == data.recipe(5, 1)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"seed": 8}, "seed"),
        ({"epoch_size": 48}, "epoch_size"),
        ({"batch_size": 8}, "global_batch"),
        ({"split": "test"}, "content_hash"),
    ],
)
def test_a_state_of_another_stream_is_refused(toy: Catalog, changes: dict[str, object], name: str) -> None:
    state = MixLoader(dataset(toy)).state_dict()
    with raises(CatalogMismatchError, code="state-mismatch", mentions=f"{name}="):
        MixLoader(dataset(toy, **changes)).load_state_dict(state)


@pytest.mark.parametrize(
    ("changes", "code", "mentions"),
    [
        ({"batch_size": 0}, "invalid-setting", ("1", "epoch_size=24", "batch_size=0")),
        ({"rank": 2, "world_size": 2}, "invalid-setting", ("rank=2", "world_size=2")),
        ({"rank": 0.0, "world_size": 2.0}, "invalid-setting", ("rank=0.0", "world_size=2.0")),
        ({"rank": "0", "world_size": "2"}, "invalid-setting", ("rank=0", "world_size=2")),
        ({"epoch_size": 24.0}, "invalid-setting", ("1", "epoch_size=24.0")),
        ({"batch_size": "4"}, "invalid-setting", ("1", "epoch_size=24", "batch_size=4")),
        ({"seed": -1}, "invalid-setting", ("seed", "0")),
        ({"seed": 1.5}, "invalid-setting", ("seed", "0")),
        ({"epoch_size": 3}, "epoch-too-small", ("epoch_size=3", "4")),
    ],
)
def test_bad_sizes_are_refused(toy: Catalog, changes: dict[str, object], code: str, mentions: object) -> None:
    with raises(ConfigError, code=code, mentions=mentions):
        dataset(toy, **changes)


@pytest.mark.parametrize("config", [{"duration_s": 1.0}, "train", "config.yaml", MixConfig, {}, 0])
def test_what_is_no_configuration_is_refused(toy: Catalog, config: Any) -> None:
    for make in (lambda: MixDataset(toy, config), lambda: sample_recipe(toy, config, 0, 0, 0)):
        with raises(ConfigError, code="wrong-type", mentions=("config", "MixConfig")):
            make()


@pytest.mark.parametrize("catalog", [None, 3, ["catalog"], {}])
def test_what_is_no_catalog_is_refused(catalog: Any) -> None:
    with raises(ConfigError, code="wrong-type"):
        MixDataset(catalog)


@pytest.mark.parametrize("name", ["fixed", "evaluation", "frames", "sources"])
@pytest.mark.parametrize("value", ["no", "false", 0, 1.0])
def test_a_switch_is_on_or_off_and_nothing_else(toy: Catalog, name: str, value: Any) -> None:
    with raises(ConfigError, code="invalid-setting", mentions=(name, value)):
        dataset(toy, **{name: value})


ASKED: dict[str, Callable[[MixDataset, Any], object]] = {
    "index of item": lambda data, number: data.item(number),
    "index of mix": lambda data, number: data.mix(number),
    "index of recipe": lambda data, number: data.recipe(number, 3),
    "batch": lambda data, number: data.batch(number),
    "batch of indices": lambda data, number: data.batch_indices(number),
}


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("split", ["train", "validation"])
@pytest.mark.parametrize("number", [-1, -24, 24, 99, 1 << 70, 1.0, 2.5, "3", None, float("nan"), [1]])
def test_what_is_not_in_an_epoch_is_refused(toy: Catalog, asked: str, split: str, number: Any) -> None:
    data = dataset(toy, split=split)
    last = 5 if asked.startswith("batch") else 23
    mentions = ("0", last, last + 1, number) if isinstance(number, int) else repr(number)
    with raises(ConfigError, code="index-out-of-range", mentions=mentions) as caught:
        ASKED[asked](data, number)
    assert isinstance(caught.value, IndexError)


@pytest.mark.parametrize("asked", ASKED)
def test_the_last_of_an_epoch_is_there_as_any_kind_of_whole_number(toy: Catalog, asked: str) -> None:
    last = 5 if asked.startswith("batch") else 23
    data = dataset(toy)
    for number in (last, np.int64(last), torch.tensor(last)):
        ASKED[asked](data, number)
    assert data.item(np.int64(23))["index"] == 23


def test_ranks_have_batches_of_their_own(toy: Catalog) -> None:
    data = dataset(toy, split="validation", epoch_size=10, rank=1, world_size=2)
    assert data.batch(0)["index"].tolist() == [4, 5, 6, 7]
    with raises(OutOfRangeError, code="index-out-of-range", mentions=("batch", "0", "1")):
        data.batch(1)


@pytest.mark.parametrize("epoch", [-1, 0.5, "1", 1 << 62, 1 << 70])
def test_what_is_no_epoch_is_refused(toy: Catalog, epoch: Any) -> None:
    for ask in (dataset(toy).item, dataset(toy).recipe, dataset(toy).mix, dataset(toy).batch):
        with raises(OutOfRangeError, code="index-out-of-range", mentions="epoch"):
            ask(0, epoch)


def test_a_file_lost_during_training_costs_its_items_and_nothing_else(tmp_path: Path) -> None:
    make_corpus(tmp_path / "one", 8, seed=3)
    build_catalog(tmp_path / "catalog", {"folder": tmp_path / "one"}, workers=1, progress=False)
    catalog = Catalog.open(tmp_path / "catalog")
    data = MixDataset(catalog, CONFIG, epoch_size=12, batch_size=4)
    before = [data.item(index) for index in range(12)]
    lost = data.recipe(0).sources[0].stem
    catalog.audio_path(catalog.find(lost)).write_bytes(b"")
    hit = [i for i in range(12) if lost in {source.stem for source in data.recipe(i).sources}]
    loader = MixLoader(data)
    with pytest.warns(RuntimeWarning, match=r"Item \d+ of epoch 0 is replaced"):
        batches = list(loader)
    assert sorted(index for _, index in loader.replaced) == hit
    after = np.concatenate([batch["audio"].numpy() for batch in batches])
    for index in set(range(12)) - set(hit):
        np.testing.assert_array_equal(after[index], before[index]["audio"].numpy())


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_what_is_not_finite_is_sampled_anew(toy: Catalog, value: float) -> None:
    bad = dataset(toy).recipe(2).sources[0].stem
    data = dataset(toy, reader=BrokenReader(toy, bad, value), sources=True)
    hit = [i for i in range(24) if bad in {source.stem for source in data.recipe(i).sources}]
    loader = MixLoader(data)
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match=f"replaced: .* in {bad}:"):
        batches = list(loader)
    assert sorted(index for _, index in loader.replaced) == hit
    for batch in batches:
        assert torch.isfinite(batch["audio"]).all()
        assert torch.isfinite(batch["sources"]).all()


def test_when_nothing_can_be_read_the_error_comes_through(tmp_path: Path) -> None:
    make_corpus(tmp_path / "one", 4, seed=3)
    build_catalog(tmp_path / "catalog", {"folder": tmp_path / "one"}, workers=1, progress=False)
    data = MixDataset(tmp_path / "catalog", CONFIG)
    for path in (tmp_path / "one").rglob("*.wav"):
        path.unlink()
    with (
        pytest.warns(RuntimeWarning, match="replaced"),
        raises(AudioError, code="audio-not-found"),
    ):
        data.item(0)
