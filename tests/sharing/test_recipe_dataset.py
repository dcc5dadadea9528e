"""A file of recipes in a training loop: the items of the stream it was sampled from, in any loader."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from mixlab import Catalog, MixConfig, MixDataset, MixItems, MixLoader, RecipeDataset, sample_recipe
from mixlab.errors import AudioError, CatalogMismatchError, ConfigError, OutOfRangeError, RecipeError
from mixlab.sharing.recipe_files import recipe_lines
from tests.errors import raises

ITEMS = 7
CONFIG = MixConfig(duration_s=0.5, max_sources=3)
ASKED = {"frames": True, "sources": True, "meta": True}


def write(catalog: Catalog, path: Path, numbers: range, config: MixConfig = CONFIG) -> Path:
    recipes = (sample_recipe(catalog, config, 3, 1, number) for number in numbers)
    path.write_text("\n".join(recipe_lines(recipes, catalog, config)) + "\n")
    return path


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(torch.as_tensor(one[name]), torch.as_tensor(other[name]))
        if not isinstance(one[name], (str, list))
        else one[name] == other[name]
        for name in one
    )


def test_items_are_those_of_the_stream_in_every_loader(toy: Catalog, tmp_path: Path) -> None:
    stream = MixDataset(toy, CONFIG, seed=3, epoch_size=20, **ASKED)
    # Not from the first item on: a place in the file is not one in the stream.
    data = RecipeDataset(toy, write(toy, tmp_path / "r.jsonl", range(5, 5 + ITEMS)), batch_size=3, **ASKED)
    expected = [stream.item(index, 1) for index in range(5, 5 + ITEMS)]
    assert (len(data), data.split) == (ITEMS, "train")
    assert all(same(found, item) for found, item in zip(data, expected, strict=True))
    items = MixItems(data)
    assert same(items[-1], expected[-1])
    for loader in (MixLoader(data, num_workers=1), DataLoader(items, batch_size=3)):
        batches = list(loader)
        assert [batch["index"].tolist() for batch in batches] == [[5, 6, 7], [8, 9, 10], [11]]
        assert batches[0]["mix_id"] == [item["mix_id"] for item in expected[:3]]
        assert torch.equal(batches[1]["audio"][0], torch.as_tensor(expected[3]["audio"]))
    assert data.find(expected[4]["mix_id"]) == stream.recipe(9, 1)
    with raises(RecipeError, code="unknown-mix"):
        data.find(stream.mix_id(0, 1))


def test_a_pass_goes_on_and_ranks_share_it(toy: Catalog, tmp_path: Path) -> None:
    path = write(toy, tmp_path / "r.jsonl", range(ITEMS))
    loader = MixLoader(RecipeDataset(toy, path, batch_size=2))
    passing = iter(loader)
    next(passing)
    state = json.loads(json.dumps(loader.state_dict()))
    rest = MixLoader(RecipeDataset(toy, path, batch_size=2))
    rest.load_state_dict(state)
    assert [batch["index"].tolist() for batch in rest] == [[2, 3], [4, 5], [6]]
    shares = [RecipeDataset(toy, path, batch_size=2, rank=rank, world_size=2) for rank in (0, 1)]
    assert [[item["index"] for item in share] for share in shares] == [[0, 1, 4, 5], [2, 3, 6]]
    other = RecipeDataset(toy, write(toy, tmp_path / "o.jsonl", range(1, ITEMS + 1)), batch_size=2)
    with raises(CatalogMismatchError, code="state-mismatch"):
        MixLoader(other).load_state_dict(state)


def test_nothing_stands_in_for_what_cannot_be_read(toy: Catalog, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(toy.path.parent, copy)
    moved = Catalog.open(copy / "catalog", roots={name: copy / root.name for name, root in toy.roots.items()})
    data = RecipeDataset(moved, write(toy, tmp_path / "r.jsonl", range(ITEMS)))
    stem = moved.find(data.recipe(2).sources[0].stem)
    moved.audio_path(stem).write_bytes(b"no audio")
    with raises(AudioError, code="audio-changed"):
        MixItems(data)[2]


def test_other_recipes_and_options_are_refused(toy: Catalog, tmp_path: Path) -> None:
    path = write(toy, tmp_path / "r.jsonl", range(ITEMS))
    with raises(ConfigError, code="unknown-setting", mentions=("epoch_size", "frames")):
        RecipeDataset(toy, path, epoch_size=3)
    data = RecipeDataset(toy, path)
    with raises(OutOfRangeError, code="index-out-of-range", mentions=ITEMS):
        data.recipe(ITEMS)
    header, first, *lines = path.read_text().splitlines()
    render = json.loads(header)["common"]["render"]
    for change, word in (({"sample_rate": 8000}, "sample_rate"), ({"duration_s": 2.0}, "2")):
        odd = json.dumps({**json.loads(first), "render": {**render, **change}})
        path.write_text("\n".join([header, odd, *lines]) + "\n")
        with raises(RecipeError, code="invalid-recipe", mentions=("line 2", word)):
            RecipeDataset(toy, path).recipe(0)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_read_it_too(toy: Catalog, tmp_path: Path, method: str) -> None:
    data = RecipeDataset(toy, write(toy, tmp_path / "r.jsonl", range(ITEMS)))
    loader = DataLoader(MixItems(data), batch_size=4, num_workers=1, multiprocessing_context=method)
    assert [batch["index"].tolist() for batch in loader] == [[0, 1, 2, 3], [4, 5, 6]]
