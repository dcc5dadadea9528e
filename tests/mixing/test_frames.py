"""Labels per frame of 10 to 100 ms: measured on the stem's own recording, consistent with its hops."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mixlab.catalog.catalog import Catalog
from mixlab.errors import ConfigError
from mixlab.mixing.config import MixConfig
from mixlab.mixing.dataset import MixDataset
from mixlab.mixing.effects import TimeStretch
from mixlab.mixing.effects_config import EffectsConfig
from mixlab.mixing.gpu import DeviceLoader
from mixlab.mixing.hop_levels import FRAME_HOPS_S, frame_level_db, own_level_db
from mixlab.mixing.recipe import SourceRecipe
from mixlab.mixing.rendering import render_mix
from mixlab.mixing.sampler import sample_recipe
from tests.errors import raises
from tests.toy import RATE, make_own_catalog, steady

CONFIG = MixConfig(duration_s=1.05, p_musical=1.0, effects=EffectsConfig.none())


@pytest.mark.parametrize("hop_s", FRAME_HOPS_S)
def test_the_frames_of_a_hop_have_its_power(hop_s: float, rng: np.random.Generator) -> None:
    settings = CONFIG.render_settings()
    time_s = np.arange(settings.samples) / settings.sample_rate
    # A low note that swells, on an offset which is no sound.
    audio = (0.3 * time_s * np.sin(2 * np.pi * 41.0 * time_s) + 0.05)[None].astype(np.float32)
    own_db = own_level_db(audio, 0, 1.0, settings)
    fine_db = frame_level_db(audio, 0, 1.0, settings, own_db, hop_s)
    parts = round(0.1 / hop_s)
    assert len(fine_db) == int(np.ceil(1.05 / hop_s - 1e-9))
    power, fine = (10.0 ** (levels.astype(np.float64) / 10) for levels in (own_db, fine_db))
    for hop in range(10):
        assert fine[hop * parts : (hop + 1) * parts].mean() == pytest.approx(power[hop], rel=1e-3)
    if hop_s == 0.1:
        assert fine_db is own_db


@pytest.mark.parametrize("rate", [1.0, 1.25, 0.8])
def test_an_onset_is_found_to_a_frame(tmp_path: Path, rate: float) -> None:
    note = np.concatenate([np.zeros(round(1.73 * RATE)), steady(440.0, 2.0)])
    rest = steady(200.0, 3.7)
    stems = [{"song": "s", "label": "piano", "audio": note}, {"song": "s", "label": "violin", "audio": rest}]
    catalog = make_own_catalog(tmp_path, stems)  # type: ignore[arg-type]
    base = sample_recipe(catalog, CONFIG, 0, 0, 0)
    effects = (TimeStretch(rate),) if rate != 1.0 else ()
    key = next(key for key in catalog.column("key") if "piano" in key)
    recipe = replace(base, sources=(SourceRecipe(key, 1.3, 0.0, effects),))
    target, mask = render_mix(recipe, catalog, frame_hop_s=0.01).frames
    place = MixDataset(catalog, CONFIG).label_names.index("piano")
    onset = round(0.43 / rate / 0.01)
    assert target.shape == mask.shape == (15, 105)
    # What resampling and the stretch spread around the onset may be neither sound nor silence.
    assert mask[place, np.abs(np.arange(105) - onset) > 2].all()
    assert not target[place, : onset - 1].any()
    assert target[place, onset + 1 :].all()


def test_frames_agree_with_hops(toy: Catalog) -> None:
    for index in range(6):
        recipe = sample_recipe(toy, MixConfig(duration_s=1.05), 0, 0, index)
        coarse, fine = (render_mix(recipe, toy, frame_hop_s=hop_s) for hop_s in (0.1, 0.02))
        for wide, narrow in zip(coarse.sources, fine.sources, strict=True):
            np.testing.assert_array_equal(wide.active, narrow.active)
            np.testing.assert_array_equal(wide.frames[0], wide.active)
            # The loudest frame of a hop is at least as loud as the hop.
            sounds = [narrow.frames[0][5 * hop : 5 * hop + 5].any() for hop in range(len(wide.active))]
            assert (np.array(sounds) | ~wide.active).all()
        np.testing.assert_array_equal(coarse.target, fine.target)


def test_batches_have_frames_of_any_hop(toy: Catalog) -> None:
    dataset = MixDataset(toy, CONFIG, batch_size=2, epoch_size=2, frames=True, frame_hop_s=0.025)
    batch = dataset.batch(0)
    assert batch["frame_target"].shape == batch["frame_mask"].shape == (2, 15, 42)
    np.testing.assert_array_equal(
        batch["frame_target"][1], render_mix(dataset.recipe(1), toy, frame_hop_s=0.025).frames[0]
    )
    with raises(ConfigError, code="unsupported-device", mentions="frame_hop_s"):
        DeviceLoader(dataset, device="cpu")


@pytest.mark.parametrize("hop_s", [0.03, 0.2, 0.0, "0.1"])
def test_other_frames_are_refused(toy: Catalog, hop_s: float) -> None:
    with raises(ConfigError, code="invalid-setting", mentions="frame_hop_s"):
        MixDataset(toy, CONFIG, frames=True, frame_hop_s=hop_s)
