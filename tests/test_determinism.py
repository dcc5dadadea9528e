"""The law of the stream as a table: what never changes an item, bit for bit, and what moves its last bits.

``docs/stream.md`` says the same in words. Golden hashes (``test_golden.py``) say that a release keeps it.
"""

import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from mixlab import Catalog, MixItems, MixLoader, build_catalog
from mixlab.errors import RecipeError
from mixlab.mixing.recipe import RECIPE_VERSION, MixRecipe
from tests.conftest import REPO
from tests.errors import raises
from tests.stream_items import EPOCH_SIZE, EPOCHS, GLOBAL_BATCH, contents, dataset, digest

Items = dict[tuple[int, int], str]

# The order must hold for more workers than the machine has processors, which torch warns about; and a master
# that is asked for much says that it could not be had.
pytestmark = [
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),
    pytest.mark.filterwarnings("ignore:Item .* is not all that its recipe asks for:UserWarning"),
]


@pytest.fixture(scope="module")
def law(toy: Catalog) -> Items:
    """Every item of the first epochs, made one by one in this process."""
    data = dataset(toy)
    places = [(epoch, index) for epoch in range(EPOCHS) for index in range(EPOCH_SIZE)]
    return {(epoch, index): digest(data.item(index, epoch)) for epoch, index in places}


def epochs_of(loader: MixLoader) -> Items:
    return contents(batch for _ in range(EPOCHS) for batch in loader)


def workers(number: int) -> Callable[[Catalog, Path], Items]:
    return lambda catalog, folder: epochs_of(MixLoader(dataset(catalog), num_workers=number))


def ranks(number: int) -> Callable[[Catalog, Path], Items]:
    """The items of all ranks together, of which none may have one of another's."""

    def found(catalog: Catalog, folder: Path) -> Items:
        size = GLOBAL_BATCH // number
        shares = [dataset(catalog, rank=rank, world_size=number, batch_size=size) for rank in range(number)]
        return contents(batch for share in shares for batch in two_epochs(share))

    return found


def two_epochs(data: Any) -> Iterator[dict[str, torch.Tensor]]:
    loader = MixLoader(data)
    for _ in range(EPOCHS):
        yield from loader


def started_by(method: str) -> Callable[[Catalog, Path], Items]:
    """Torch's own loader, whose batches are of another size."""

    def found(catalog: Catalog, folder: Path) -> Items:
        items = MixItems(dataset(catalog))
        loader = DataLoader(items, batch_size=5, num_workers=2, multiprocessing_context=method)
        parts: Items = {}
        for epoch in range(EPOCHS):
            items.set_epoch(epoch)
            parts |= contents(loader)
        return parts

    return found


def resumed(catalog: Catalog, folder: Path) -> Items:
    """Stopped in mid-epoch, gone on with in two ranks, stopped again, and ended by one with two workers."""
    loader = MixLoader(dataset(catalog))
    first = list(itertools.islice(loader, 3))
    state = json.loads(json.dumps(loader.state_dict()))
    halves = [MixLoader(dataset(catalog, rank=r, world_size=2, batch_size=GLOBAL_BATCH // 2)) for r in (0, 1)]
    for half in halves:
        half.load_state_dict(state)
    parts = [batch for half in halves for batch in half]
    last = MixLoader(dataset(catalog), num_workers=2)
    last.load_state_dict(halves[0].state_dict())
    return contents([*first, *parts, *last])


def threads(catalog: Catalog, folder: Path) -> Items:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        return epochs_of(MixLoader(dataset(catalog)))
    finally:
        torch.set_num_threads(before)


def indexed_again(catalog: Catalog, folder: Path) -> Items:
    """Another catalog of the same corpora, by two processes."""
    build_catalog(folder / "again", dict(catalog.roots), workers=2, progress=False)
    again = Catalog.open(folder / "again")
    assert again.content_hash == catalog.content_hash
    return epochs_of(MixLoader(dataset(again)))


def moved(catalog: Catalog, folder: Path) -> Items:
    """Catalog and corpora in another place."""
    shutil.copytree(catalog.path.parent, folder / "moved")
    roots = {name: folder / "moved" / root.name for name, root in catalog.roots.items()}
    return epochs_of(MixLoader(dataset(Catalog.open(folder / "moved" / "catalog", roots=roots))))


LAW: dict[str, Callable[[Catalog, Path], Items]] = {
    "no worker": workers(0),
    "one worker": workers(1),
    "three workers": workers(3),
    "one rank": ranks(1),
    "two ranks": ranks(2),
    "four ranks": ranks(4),
    "forked workers of torch's loader": started_by("fork"),
    "resumed twice, with other ranks and workers": resumed,
    "three threads of torch": threads,
    "indexed again": indexed_again,
    "moved": moved,
}


@pytest.mark.parametrize("way", LAW)
def test_no_bit_of_an_item_depends_on(way: str, toy: Catalog, tmp_path: Path, law: Items) -> None:
    assert LAW[way](toy, tmp_path) == law


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_no_bit_of_an_item_depends_on_how_workers_start(
    method: str, toy: Catalog, tmp_path: Path, law: Items
) -> None:
    assert started_by(method)(toy, tmp_path) == law


def elsewhere(catalog: Catalog, folder: Path, preset: str, **environment: str) -> dict[str, np.ndarray]:
    """Make the items in a process of its own with other variables."""
    out = folder / f"{len(list(folder.iterdir()))}.npz"
    subprocess.run(
        [sys.executable, "-m", "tests.stream_items", str(catalog.path), str(out), preset],
        cwd=REPO,
        env={**os.environ, "PYTHONPATH": str(REPO), **environment},
        check=True,
        timeout=600,
    )
    return dict(np.load(out))


THREADS = {f"{name}_NUM_THREADS": "3" for name in ("OMP", "MKL", "OPENBLAS", "NUMBA")}


@pytest.mark.slow
def test_no_bit_of_an_item_depends_on_threads_or_on_the_process(
    toy: Catalog, tmp_path: Path, law: Items
) -> None:
    found = elsewhere(toy, tmp_path, "wild", PYTHONHASHSEED="7", **THREADS)
    assert found["digests"].tolist() == list(law.values())


WITHOUT_AVX512 = {
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    **{"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": ""},
    "ATEN_CPU_CAPABILITY": "avx2",
    "OPENBLAS_CORETYPE": "Haswell",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
}
AUDIO_STEP = 1e-3
"""Most by which a sample differs between processors, of full scale; measured: 5.2e-4."""


@pytest.mark.slow
def test_another_processor_moves_the_last_bits_of_audio_alone(toy: Catalog, tmp_path: Path) -> None:
    here = elsewhere(toy, tmp_path, "paper")
    there = elsewhere(toy, tmp_path, "paper", **WITHOUT_AVX512)
    assert here["recipes"].tolist() == there["recipes"].tolist()
    sounds = {"audio", "sources"}
    for name in here.keys() - sounds - {"digests", "recipes"}:
        np.testing.assert_array_equal(here[name], there[name], err_msg=name)
    for name in sounds:
        np.testing.assert_allclose(here[name], there[name], rtol=0, atol=AUDIO_STEP, err_msg=name)


@pytest.mark.parametrize("version", [1, 2, RECIPE_VERSION + 1, None])
def test_recipes_of_other_versions_say_why_they_do_not_replay(toy: Catalog, version: int | None) -> None:
    data = {**dataset(toy).recipe(0).encode(), "version": version}
    with raises(RecipeError, code="recipe-version", mentions=(str(RECIPE_VERSION), str(version))):
        MixRecipe.decode(data)
