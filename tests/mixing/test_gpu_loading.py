"""The loader that renders on a device hands out the items of the one that does not, in the same order."""

from pathlib import Path

import pytest
import torch

from mixlab import Catalog, MixConfig, MixDataset, MixLoader
from mixlab.catalog.build import build_catalog
from mixlab.errors import CatalogMismatchError, ConfigError
from mixlab.mixing.effects_config import EffectsConfig
from mixlab.mixing.gpu import DeviceLoader, RawBatch, prepare_batch
from tests.errors import raises
from tests.own_effects import TREMOLO
from tests.toy import make_corpus

CONFIG = MixConfig(duration_s=1.0, engine="vocoder")

# The order must hold for more workers than the machine has processors, which torch warns about.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")


def dataset(toy: Catalog, **changes: object) -> MixDataset:
    settings: dict[str, object] = {"epoch_size": 12, "batch_size": 4, "seed": 7} | changes
    return MixDataset(toy, CONFIG, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("workers", [0, 2])
def test_the_same_items_come_in_the_same_order(toy: Catalog, workers: int) -> None:
    data = dataset(toy, frames=True, sources=True)
    plain = list(MixLoader(data))
    batches = list(DeviceLoader(data, num_workers=workers, device="cpu"))
    assert len(batches) == len(plain) == 3
    for one, other in zip(batches, plain, strict=True):
        assert one.keys() - {"scale_db"} == other.keys()
        for name in other:
            assert one[name].dtype == other[name].dtype, name
            assert one[name].shape == other[name].shape, name
            if name not in ("audio", "sources"):
                torch.testing.assert_close(one[name], other[name], rtol=0, atol=0)
        # Excerpts from files are rounded to 16 bits here, which the vocoder may answer with other phases.
        level, expected = (x["audio"].square().mean((1, 2)).sqrt() for x in (one, other))
        torch.testing.assert_close(level, expected, rtol=0.05, atol=0)


def test_batches_are_the_same_for_any_number_of_workers(toy: Catalog) -> None:
    alone, shared = (list(DeviceLoader(dataset(toy), num_workers=n, device="cpu")) for n in (0, 3))
    for one, other in zip(alone, shared, strict=True):
        for name in one:
            torch.testing.assert_close(one[name], other[name], rtol=0, atol=0)


def test_ranks_share_each_batch(toy: Catalog) -> None:
    whole = next(iter(DeviceLoader(dataset(toy), device="cpu")))["index"]
    parts = [
        next(iter(DeviceLoader(dataset(toy, batch_size=2, rank=n, world_size=2), device="cpu")))["index"]
        for n in (0, 1)
    ]
    assert torch.cat(parts).tolist() == whole.tolist()


def test_a_state_resumes_in_mid_epoch_and_in_the_plain_loader(toy: Catalog) -> None:
    loader = DeviceLoader(dataset(toy), device="cpu")
    stream = iter(loader)
    next(stream)
    state = loader.state_dict()
    expected = next(stream)
    resumed = DeviceLoader(dataset(toy), num_workers=1, device="cpu")
    resumed.load_state_dict(state)
    torch.testing.assert_close(next(iter(resumed))["audio"], expected["audio"], rtol=0, atol=0)
    plain = MixLoader(dataset(toy))
    plain.load_state_dict(state)
    assert next(iter(plain))["index"].tolist() == expected["index"].tolist()
    with raises(CatalogMismatchError, code="state-mismatch", mentions="seed"):
        DeviceLoader(dataset(toy, seed=8), device="cpu").load_state_dict(state)


def test_epochs_follow_each_other_and_fixed_sets_repeat(toy: Catalog) -> None:
    loader = DeviceLoader(dataset(toy), device="cpu")
    first, second = list(loader), list(loader)
    assert not torch.equal(first[0]["audio"], second[0]["audio"])
    fixed = DeviceLoader(dataset(toy, split="validation", epoch_size=6), device="cpu")
    once, twice = list(fixed), list(fixed)
    assert [len(batch["audio"]) for batch in once] == [4, 2]
    assert torch.equal(once[1]["audio"], twice[1]["audio"])


def test_an_unreadable_file_means_another_draw_as_in_the_plain_loader(tmp_path: Path) -> None:
    make_corpus(tmp_path / "one", 8, seed=3)
    build_catalog(tmp_path / "catalog", {"folder": tmp_path / "one"}, workers=1, progress=False)
    catalog = Catalog.open(tmp_path / "catalog")
    data = MixDataset(catalog, CONFIG, epoch_size=8, batch_size=4)
    lost = data.recipe(2).sources[0].stem
    catalog.audio_path(catalog.find(lost)).write_bytes(b"")
    loaders = (MixLoader(data), DeviceLoader(data, device="cpu"))
    found = []
    for loader in loaders:
        with pytest.warns(RuntimeWarning, match="is replaced"):
            found.append([batch["attempt"].tolist() for batch in loader])
    assert found[0] == found[1]
    assert loaders[0].replaced == loaders[1].replaced
    assert loaders[1].replaced


def test_another_engine_is_refused(toy: Catalog) -> None:
    data = MixDataset(toy, MixConfig(duration_s=1.0, engine="rubberband"), epoch_size=8, batch_size=4)
    with raises(ConfigError, code="unsupported-engine", mentions=("vocoder", "rubberband", "mix.engine")):
        DeviceLoader(data)


def test_what_travels_is_a_handful_of_tensors_whatever_the_batch_holds(toy: Catalog) -> None:
    data = dataset(toy)
    small, large = (prepare_batch([data.recipe(i) for i in range(n)], toy) for n in (1, 9))
    assert isinstance(large, RawBatch)
    assert len(small) == 1
    assert len(large) == 9
    kinds = {name: type(value) for name, value in vars(large).items()}
    assert kinds == {name: type(value) for name, value in vars(small).items()}
    assert sum(kind is not torch.Tensor for kind in kinds.values()) == 1
    assert large.samples.dtype == torch.int16


@pytest.mark.gpu
def test_batches_lie_on_the_gpu_and_hold_what_the_processor_makes(toy: Catalog) -> None:
    data = dataset(toy)
    for one, other in zip(DeviceLoader(data, num_workers=1), DeviceLoader(data, device="cpu"), strict=True):
        assert one["audio"].is_cuda
        torch.testing.assert_close(one["target"].cpu(), other["target"], rtol=0, atol=0)
        difference = (one["audio"].cpu() - other["audio"]).square().mean((1, 2))
        assert float((difference / other["audio"].square().mean((1, 2))).median()) < 1e-8


def test_effects_of_ones_own_are_refused(toy: Catalog) -> None:
    config = MixConfig(effects=EffectsConfig(custom=[TREMOLO]))
    with raises(ConfigError, code="unsupported-device", mentions=("mix.effects.custom", TREMOLO)):
        DeviceLoader(MixDataset(toy, config), device="cpu")
