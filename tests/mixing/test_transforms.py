"""Functions of a user's own on sources and items: the same items everywhere, labels as before."""

import copy
import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from mixlab import Catalog, MixConfig, MixDataset, MixItems, MixLoader, render_mix
from mixlab.audio.io import FloatArray
from mixlab.errors import AudioError, CatalogMismatchError, ConfigError
from mixlab.mixing import SourceRecipe
from mixlab.mixing.gpu import DeviceLoader
from mixlab.mixing.transforms import transform_id
from mixlab.training.repeated import RepeatedMixes
from mixlab.utils.random import Stream
from tests.errors import raises
from tests.own_effects import HISS
from tests.toy import BrokenReader

CONFIG = MixConfig(duration_s=0.5)

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")


def hiss(audio: FloatArray, rng: Stream, source: SourceRecipe) -> FloatArray:
    noise = np.random.default_rng(rng.bits()).standard_normal(audio.shape, dtype=np.float32)
    return audio + np.float32(1e-3) * noise


def cut(item: dict[str, Any], rng: Stream) -> dict[str, Any]:
    first = rng.below(1000)
    return {**item, "audio": item["audio"][:, first : first + 4000], "first": first}


def same_source(audio: FloatArray, rng: Stream, source: SourceRecipe) -> FloatArray:
    return audio


def same_item(item: dict[str, Any], rng: Stream) -> dict[str, Any]:
    return item


def dataset(toy: Catalog, **changes: Any) -> MixDataset:
    settings = {"epoch_size": 8, "batch_size": 2, "seed": 7, "transform": cut, "source_transform": hiss}
    return MixDataset(toy, changes.pop("config", CONFIG), **settings | changes)


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        if isinstance(one[name], torch.Tensor):
            torch.testing.assert_close(one[name], other[name], rtol=0, atol=0)
        else:
            assert one[name] == other[name]


def stacked(data: MixDataset, indices: range, epoch: int = 0) -> dict[str, Any]:
    return torch.utils.data.default_collate([data.item(index, epoch) for index in indices])  # type: ignore[no-any-return]


# Every loader, the same items


LOADERS: dict[str, Callable[[MixDataset], Any]] = {
    "MixLoader": MixLoader,
    "MixLoader, 2 workers": lambda data: MixLoader(data, num_workers=2),
    "DataLoader": lambda data: DataLoader(data, 2),
    "DataLoader, fork": lambda data: DataLoader(data, 2, num_workers=2, multiprocessing_context="fork"),
    "DataLoader, spawn": lambda data: DataLoader(data, 2, num_workers=1, multiprocessing_context="spawn"),
    "items": lambda data: DataLoader(MixItems(data), 2),
    "items, 2 workers": lambda data: DataLoader(MixItems(data), 2, num_workers=2),
    "batch": lambda data: [data.batch(number) for number in range(2)],
}


def spawning(how: str) -> Any:
    return pytest.param(how, marks=pytest.mark.slow) if "spawn" in how else how


@pytest.mark.parametrize("how", [spawning(how) for how in LOADERS])
@pytest.mark.parametrize("transform", [cut, None])
def test_every_loader_honours_transforms(toy: Catalog, how: str, transform: Any) -> None:
    data = dataset(toy, transform=transform)
    plain = dataset(toy, transform=None, source_transform=None)
    for number, batch in enumerate(itertools.islice(LOADERS[how](data), 2)):
        indices = range(2 * number, 2 * number + 2)
        assert_same(batch, stacked(data, indices))
        untouched = stacked(plain, indices)
        assert torch.equal(batch["target"], untouched["target"])
        assert torch.equal(batch["mask"], untouched["mask"])
        if transform is None:
            assert not torch.equal(batch["audio"], untouched["audio"])
        else:
            assert batch["audio"].shape == (2, 1, 4000)


@pytest.mark.parametrize("transform", [cut, None])
@pytest.mark.parametrize("workers", [0, 2])
def test_resume_in_mid_epoch_is_exact(toy: Catalog, transform: Any, workers: int) -> None:
    whole = list(MixLoader(dataset(toy, transform=transform)))
    loader = MixLoader(dataset(toy, transform=transform), num_workers=workers)
    list(itertools.islice(loader, 1))
    resumed = MixLoader(dataset(toy, transform=transform), num_workers=2 - workers)
    resumed.load_state_dict(loader.state_dict())
    for one, other in zip(resumed, whole[1:], strict=True):
        assert_same(one, other)


def test_chance_is_of_the_item_and_moves_nothing_else(toy: Catalog) -> None:
    data, plain = dataset(toy), dataset(toy, transform=None, source_transform=None)
    places = [(index, epoch) for epoch in (0, 1) for index in range(8)]
    assert len({data.item(*place)["first"] for place in places}) > 12
    assert all(data.recipe(*place) == plain.recipe(*place) for place in places)
    assert data.item(3)["first"] != dataset(toy, seed=8).item(3)["first"]
    fixed = dataset(toy, split="validation")
    assert_same(fixed.item(3, 0), fixed.item(3, 5))
    again = RepeatedMixes(toy, CONFIG, distinct_items=2, epoch_size=8, batch_size=2, transform=cut)
    firsts = {again.item(index)["index"]: again.item(index)["first"] for index in range(8)}
    assert firsts == {again.item(index, 1)["index"]: again.item(index, 1)["first"] for index in range(8)}


def test_each_source_has_a_stream_of_its_own_and_says_what_it_is(toy: Catalog) -> None:
    seen: list[tuple[str, int]] = []

    def note(audio: FloatArray, rng: Stream, source: SourceRecipe) -> FloatArray:
        seen.append((source.stem, rng.bits()))
        return audio

    data = dataset(
        toy, transform=None, source_transform=note, config=MixConfig(duration_s=0.5, min_sources=3)
    )
    data.item(0)
    assert [stem for stem, _ in seen] == [source.stem for source in data.recipe(0).sources]
    assert len({bits for _, bits in seen}) == len(seen) > 1


def test_an_item_that_was_replaced_has_other_chance(toy: Catalog) -> None:
    bad = dataset(toy).recipe(2).sources[0].stem
    data = dataset(toy, reader=BrokenReader(toy, bad, np.nan))
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match=r"Item \d+ of epoch 0 is replaced"):
        item = data.item(2)
    assert item["attempt"] > 0
    assert item["first"] != dataset(toy).item(2)["first"]


# What a transform of sources does to a mix


def test_a_transform_that_changes_nothing_changes_nothing(toy: Catalog) -> None:
    config = MixConfig(duration_s=0.5, effects={"custom": [{"effect": HISS, "p": 1.0}]})  # type: ignore[arg-type]
    options = {"sources": True, "frames": True, "config": config}
    plain = dataset(toy, transform=None, source_transform=None, **options)
    data = dataset(toy, transform=same_item, source_transform=same_source, **options)
    for index in range(8):
        assert_same(data.item(index), plain.item(index))


def test_the_mixture_is_the_sum_of_what_was_returned(toy: Catalog) -> None:
    def double(audio: FloatArray, rng: Stream, source: SourceRecipe) -> FloatArray:
        audio *= 2.0
        return audio

    config = MixConfig(duration_s=0.5, peak_limit=0.0)
    options: dict[str, Any] = {"transform": None, "sources": True, "config": config}
    plain = dataset(toy, source_transform=None, **options)
    data = dataset(toy, source_transform=double, **options)
    for index in range(4):
        item = data.item(index)
        torch.testing.assert_close(item["sources"].sum(dim=0), item["audio"], rtol=0, atol=1e-6)
        torch.testing.assert_close(item["audio"], 2 * plain.item(index)["audio"], rtol=0, atol=1e-6)
        np.testing.assert_array_equal(data.mix(index).mixture, item["audio"].numpy())


def test_labels_are_told_by_recordings(toy: Catalog) -> None:
    def soften(audio: FloatArray, rng: Stream, source: SourceRecipe) -> FloatArray:
        return audio * np.float32(0.01)

    data = dataset(toy, source_transform=soften, transform=None, frames=True)
    plain = dataset(toy, source_transform=None, transform=None, frames=True)
    for index in range(8):
        for name in ("target", "mask", "frame_target", "frame_mask"):
            assert torch.equal(data.item(index)[name], plain.item(index)[name])


def test_a_stored_recipe_gives_the_same_sound_with_the_same_function(toy: Catalog) -> None:
    data = dataset(toy, transform=None)
    recipe = type(data.recipe(3)).from_json(data.recipe(3).to_json())
    np.testing.assert_array_equal(
        render_mix(recipe, toy, source_transform=hiss).mixture, data.item(3)["audio"].numpy()
    )


# What tells that transforms are in play


class Louder:
    def __init__(self, gain: float, content_hash: str | None = None) -> None:
        self.gain = gain
        if content_hash is not None:
            self.content_hash = content_hash

    def __call__(self, item: dict[str, Any], rng: Stream) -> dict[str, Any]:
        return {**item, "audio": self.gain * item["audio"]}


def test_a_transform_is_named_in_the_content_hash() -> None:
    assert transform_id(cut) == f"{__name__}:cut"
    assert transform_id(functools.partial(cut, rng=None)) == f"{__name__}:cut"
    assert transform_id(Louder(2.0)) == f"{__name__}:Louder"
    assert transform_id(Louder(2.0).__call__) == f"{__name__}:Louder.__call__"
    assert transform_id(Louder(2.0, "gain 2")) == f"{__name__}:Louder@gain 2"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"transform": cut}, {"transform": None}),
        ({"transform": None}, {"transform": cut}),
        ({"transform": cut}, {"transform": same_item}),
        ({"source_transform": hiss}, {"source_transform": same_source}),
        ({"transform": Louder(2.0, "2")}, {"transform": Louder(3.0, "3")}),
    ],
)
def test_a_state_with_other_transforms_is_refused(
    toy: Catalog, before: dict[str, Any], after: dict[str, Any]
) -> None:
    state = MixLoader(dataset(toy, **before)).state_dict()
    with raises(CatalogMismatchError, code="state-mismatch", mentions="content_hash="):
        MixLoader(dataset(toy, **after)).load_state_dict(state)
    kept = MixItems(dataset(toy, **before)).state_dict()
    with raises(CatalogMismatchError, code="state-mismatch", mentions="content_hash="):
        MixItems(dataset(toy, **after)).load_state_dict(kept)


def test_without_transforms_the_content_hash_is_as_it_was(toy: Catalog) -> None:
    plain = dataset(toy, transform=None, source_transform=None)
    assert dataset(toy).content_hash == (
        f"{plain.content_hash}-transform={__name__}:cut-source_transform={__name__}:hiss"
    )
    assert copy.deepcopy(dataset(toy)).content_hash == dataset(toy).content_hash


# Faults


@pytest.mark.parametrize("name", ["transform", "source_transform"])
@pytest.mark.parametrize("value", ["louder", 2.0, {"gain": 2}])
def test_what_is_no_function_is_refused(toy: Catalog, name: str, value: Any) -> None:
    with raises(ConfigError, code="wrong-type", mentions=name):
        dataset(toy, **{name: value})


def fail(*_: object) -> Any:
    raise AudioError("impulse.wav is damaged.", code="damaged-audio")


@pytest.mark.parametrize("name", ["transform", "source_transform"])
@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_of_a_transform_says_where_it_was_and_how_to_see_it_again(
    toy: Catalog, name: str, workers: int
) -> None:
    """Also one that would be taken for that of a damaged file, for which another item would stand in."""
    data = dataset(toy, **{name: fail})
    data.set_epoch(5)
    mentions = (f"{__name__}:fail", "item 0", "epoch 5", "dataset.item(0, 5)", "seed=7", "impulse.wav")
    with raises(ConfigError, code="plugin-failed", mentions=mentions):
        next(iter(MixLoader(data, num_workers=workers)))
    with raises(ConfigError, code="plugin-failed", mentions=mentions):
        next(iter(DataLoader(data, 2, num_workers=workers)))


RETURNED: dict[str, tuple[Callable[[FloatArray], Any], str]] = {
    "nothing": (lambda audio: None, "NoneType"),
    "fewer samples": (lambda audio: audio[:, 1:], "7999"),
    "doubles": (lambda audio: audio.astype(np.float64), "float64"),
    "a tensor": (torch.from_numpy, "Tensor"),
    "NaN": (lambda audio: audio * np.float32("nan"), "NaN"),
    "silence": (lambda audio: 0 * audio, "silence"),
}


@pytest.mark.parametrize("what", RETURNED)
def test_sound_that_cannot_stand_in_a_mix_is_refused(toy: Catalog, what: str) -> None:
    make, mention = RETURNED[what]
    data = dataset(toy, source_transform=lambda audio, rng, source: make(audio))
    mentions = ("item 3", "epoch 1", data.recipe(3, 1).sources[0].stem, mention)
    with raises(ConfigError, code="unfit-plugin", mentions=mentions):
        data.item(3, 1)


def test_an_item_that_was_not_returned_is_missed(toy: Catalog) -> None:
    def forget(item: dict[str, Any], rng: Stream) -> None:
        item["audio"] *= 2

    with raises(ConfigError, code="unfit-plugin", mentions=("item 3", "epoch 1", "None")):
        dataset(toy, transform=forget).item(3, 1)


@pytest.mark.parametrize("name", ["transform", "source_transform"])
def test_what_a_device_would_not_do_is_refused(toy: Catalog, name: str) -> None:
    others = {"transform": None, "source_transform": None}
    data = dataset(toy, **others | {name: cut if name == "transform" else hiss})
    with raises(ConfigError, code="unsupported-override", mentions="transform"):
        DeviceLoader(data)
