"""What a set is, how long it is and what it holds, as a reader asks it."""

import re
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Subset

from mixlab import Catalog, MixConfig, MixDataset, MixLoader
from mixlab.cli.main import main
from mixlab.errors import ConfigError, OutOfRangeError
from mixlab.mixing.effects_config import EffectsConfig
from mixlab.mixing.gpu import DeviceLoader
from mixlab.taxonomy import load_label_set
from tests.conftest import REPO
from tests.errors import raises

CONFIG = MixConfig(duration_s=0.5, p_musical=0.5)


def dataset(toy: Catalog, **changes: Any) -> MixDataset:
    return MixDataset(toy, CONFIG, **({"epoch_size": 10, "batch_size": 4, "seed": 7} | changes))


@pytest.mark.parametrize("split", ["train", "validation"])
@pytest.mark.parametrize(("mode", "halves"), [("training", False), ("evaluation", True)])
def test_a_mode_sets_both_halves(toy: Catalog, split: str, mode: str, halves: bool) -> None:
    named, by_halves = dataset(toy, split=split, mode=mode), dataset(toy, split=split, fixed=halves)
    assert named.mode == by_halves.mode == mode
    assert [named.recipe(i, 1) for i in range(10)] == [by_halves.recipe(i, 1) for i in range(10)]
    assert named.content_hash == by_halves.content_hash
    assert (named.recipe(0, 0) == named.recipe(0, 1)) == halves


def test_the_split_decides_where_nothing_is_said(toy: Catalog) -> None:
    assert dataset(toy).mode == "training"
    assert dataset(toy, split="test").mode == "evaluation"
    assert dataset(toy, fixed=True, evaluation=False).mode is None
    assert dataset(toy, evaluation=True).mode is None


@pytest.mark.parametrize("half", ["fixed", "evaluation"])
def test_a_mode_and_a_half_of_one_contradict(toy: Catalog, half: str) -> None:
    with raises(ConfigError, code="conflicting-settings", mentions=("training", "fixed", "evaluation")):
        dataset(toy, mode="training", **{half: True})
    with raises(ConfigError, code="invalid-setting", mentions=("mode", "training", "evaluation", "eval")):
        dataset(toy, mode="eval")
    with raises(ConfigError, code="invalid-setting", mentions=(half, "yes")):
        dataset(toy, **{half: "yes"})


@pytest.mark.parametrize("size", [1, 4, 10, 11])
@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_the_length_of_a_fixed_set_is_what_iterating_yields(toy: Catalog, size: int, world_size: int) -> None:
    sets = [
        dataset(toy, split="test", batch_size=size, rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    assert [len(data) for data in sets] == [len(list(data)) for data in sets]
    assert sum(map(len, sets)) == 10


def test_torch_counts_the_batches_of_a_fixed_set(toy: Catalog) -> None:
    loader = DataLoader(dataset(toy, split="test"), batch_size=3)
    assert len(loader) == len(list(loader)) == 4


def test_a_training_set_says_why_it_has_no_length(toy: Catalog) -> None:
    data = dataset(toy)
    for ask in (
        len,
        lambda each: len(DataLoader(each)),
        lambda each: torch.utils.data.random_split(each, [0.5, 0.5]),
    ):
        with pytest.raises(TypeError, match=r"endless.*epoch_size.*MixLoader"):
            ask(data)
    assert data
    assert len(MixLoader(data)) == data.batches_per_epoch == 2
    assert Subset(data, [0]).dataset is data


def test_representations_say_what_is_there(toy: Catalog) -> None:
    said = repr(dataset(toy, frames=True))
    for part in (
        str(toy.path),
        repr(CONFIG),
        "mode='training'",
        "seed=7",
        "frames=True",
        "(1, 8000)",
        "15 classes",
    ):
        assert part in said
    assert "fixed=True, evaluation=False" in repr(dataset(toy, fixed=True, evaluation=False))
    own = repr(dataset(toy, frames=True, frame_hop_s=0.02, meta=True, transform=dict))
    assert "meta=True, frame_hop_s=0.02, transform=builtins:dict" in own
    loader = MixLoader(dataset(toy))
    next(iter(loader))
    assert repr(loader) == f"MixLoader({loader.mixes!r}, num_workers=0: at batch 1 of 2 of epoch 0)"
    assert repr(DeviceLoader(dataset(toy), device="cpu")).startswith("DeviceLoader(MixDataset(")
    songs = toy.split_songs()
    trained = sum(split == "train" for split in songs.values())
    assert re.fullmatch(
        rf"Catalog\('{toy.path}': {len(toy)} stems, \d+ of them usable, in {len(songs)} songs "
        rf"\(train {trained}, .*\) of folder, folder@two; content {toy.content_hash}\)",
        repr(toy),
    )
    assert repr(load_label_set("irmas11")).startswith("LabelSet('irmas11', 11 classes: cel, cla, flu,")
    assert repr(load_label_set("jamendo50")).endswith(", ...)")


def test_counts_are_those_of_the_items(toy: Catalog) -> None:
    data = dataset(toy)
    counts = data.class_counts(10, epoch=2)
    items = [data.item(index, 2) for index in range(10)]
    target, mask = (np.array([item[name].numpy() for item in items]) for name in ("target", "mask"))
    np.testing.assert_array_equal(counts.positives, (target == 1).sum(0))
    np.testing.assert_array_equal(counts.unknown, (~mask).sum(0))
    np.testing.assert_array_equal(counts.positives + counts.negatives + counts.unknown, 10)
    assert counts.names == data.label_names
    assert counts.items == 10
    assert counts.positives.sum() > 0
    assert str(counts).splitlines()[0].split() == ["class", "positives", "negatives", "unknown"]


def test_counts_without_audio_are_those_of_the_stems(toy: Catalog) -> None:
    config = MixConfig(duration_s=0.5, label_rule="present", effects=EffectsConfig.none())
    data = MixDataset(toy, config, epoch_size=40)
    one, other = data.class_counts(40), data.class_counts(40, audio=False)
    for name in ("positives", "negatives", "unknown"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    by_level = MixDataset(toy, MixConfig(duration_s=0.5, p_musical=1.0, full=True), epoch_size=40)
    more, exact = by_level.class_counts(40, audio=False), by_level.class_counts(40)
    assert (more.positives >= exact.positives).all()
    assert more.positives.sum() > exact.positives.sum()


@pytest.mark.parametrize("items", [0, 11, 2.5])
def test_there_are_only_so_many_items_to_count(toy: Catalog, items: float) -> None:
    with raises(OutOfRangeError, code="index-out-of-range"):
        dataset(toy).class_counts(items)  # type: ignore[arg-type]
    with raises(ConfigError, code="invalid-setting", mentions="audio"):
        dataset(toy).class_counts(1, audio="no")  # type: ignore[arg-type]


def test_the_page_shows_how_to_weigh_rare_classes(toy: Catalog, capsys: pytest.CaptureFixture[str]) -> None:
    page = (REPO / "docs" / "stream.md").read_text(encoding="utf-8")
    (code,) = [
        found for found in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "class_counts" in found
    ]
    values: dict[str, Any] = {}
    exec(code.replace("demo-output/catalog", str(toy.path)).replace("500", "20"), values)
    assert values["pos_weight"].shape == (15,)
    assert bool((values["pos_weight"] > 0).all())
    assert "voice" in capsys.readouterr().out


def test_rates_count_the_same(toy: Catalog, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mix", str(toy.path), "--rates", "20", "--mix.duration_s", "0.5"]) == 0
    data = MixDataset(toy, MixConfig(duration_s=0.5), epoch_size=20)
    counts = data.class_counts(20, audio=False)
    rows = {row[0]: row[1:] for line in capsys.readouterr().out.splitlines() if (row := line.split())}
    for name, present, unknown in zip(counts.names, counts.positives, counts.unknown, strict=True):
        if " " not in name:
            assert rows[name] == [f"{5 * present:.1f}", "%", f"{5 * unknown:.1f}", "%"]
