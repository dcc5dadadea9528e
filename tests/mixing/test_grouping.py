"""Sources summed by class: all sound is in a group or outside, and nothing lands in a group by guess."""

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mixlab.catalog.catalog import Catalog
from mixlab.errors import ConfigError
from mixlab.mixing.config import MixConfig
from mixlab.mixing.dataset import MixDataset
from mixlab.mixing.gpu import DeviceLoader
from mixlab.mixing.grouping import group_sources
from mixlab.mixing.loader import MixLoader
from mixlab.mixing.rendering import render_mix
from mixlab.mixing.sampler import sample_recipe
from tests.errors import raises
from tests.toy import MUSDB_STEMS, RATE, make_musdb, make_own_catalog, steady

STEREO = MixConfig(label_set="musdb4", channels=2, sample_rate=RATE, duration_s=1.0)
NAMES = MUSDB_STEMS


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_all_groups_together_are_the_mixture(toy: Catalog, index: int, full: bool) -> None:
    config = MixConfig(label_set="musdb4", channels=2, duration_s=1.0, full=full)
    mix = render_mix(sample_recipe(toy, config, 0, 0, index), toy)
    groups = group_sources(mix)
    assert groups.audio.shape == (4, *mix.mixture.shape)
    np.testing.assert_allclose(groups.audio.sum(axis=0) + groups.ungrouped, mix.mixture, atol=1e-6)
    # A class that certainly is in no source is silent, and known to be.
    held = {i for source in mix.sources for i in np.flatnonzero(mix.labels.encode(source.evidence)[0])}
    for place in set(range(4)) - held:
        assert not groups.audio[place].any()
    assert len(groups.reasons) == len(mix.sources)


def mix_of(folder: Path, *labels: str, bleed: tuple[str, ...] = ()) -> Catalog:
    """A catalog of one song that has a stem for each label, all at once."""
    stems = [
        {
            "song": "s",
            "label": label,
            "audio": steady(110.0 * (n + 1), 3.0),
            "bleed": "yes" if label in bleed else "no",
        }
        for n, label in enumerate(labels)
    ]
    return make_own_catalog(folder, stems)  # type: ignore[arg-type]


def grouped(catalog: Catalog) -> tuple[dict[str, bool], dict[str, bool], bool, str]:
    """Which groups sound, which are known, whether anything is outside, and all reasons."""
    config = MixConfig(label_set="musdb4", p_musical=1.0, full=True, duration_s=1.0)
    groups = group_sources(render_mix(sample_recipe(catalog, config, 0, 0, 0), catalog))
    sounds = {name: bool(audio.any()) for name, audio in zip(NAMES, groups.audio, strict=True)}
    known = dict(zip(NAMES, groups.mask.tolist(), strict=True))
    return sounds, known, bool(groups.ungrouped.any()), " / ".join(groups.reasons)


def test_each_instrument_is_in_its_group(tmp_path: Path) -> None:
    sounds, known, outside, _ = grouped(mix_of(tmp_path, "male singer", "drum set", "electric bass", "piano"))
    assert all(sounds.values())
    assert all(known.values())
    assert not outside


def test_a_group_without_a_source_is_silent_and_known(tmp_path: Path) -> None:
    sounds, known, outside, _ = grouped(mix_of(tmp_path, "violin", "xylophone"))
    assert sounds == {"vocals": False, "drums": False, "bass": False, "other": True}
    assert all(known.values())
    assert not outside


def test_a_stem_of_no_stated_kind_is_in_no_group_and_masks_those_it_may_be_of(tmp_path: Path) -> None:
    sounds, known, outside, why = grouped(mix_of(tmp_path, "male singer", "synthesizer"))
    assert sounds == {"vocals": True, "drums": False, "bass": False, "other": False}
    assert known == {"vocals": True, "drums": True, "bass": False, "other": False}
    assert outside
    assert "may be of bass, other" in why


def test_bleed_masks_both_groups(tmp_path: Path) -> None:
    catalog = mix_of(tmp_path, "male singer", "drum set", "piano", bleed=("male singer",))
    sounds, known, outside, why = grouped(catalog)
    assert sounds["vocals"]
    assert not outside
    assert not known["vocals"]
    assert not known["drums"]
    assert "vocals: may hold" in why


def test_other_of_musdb_is_sampled_with_the_label_set_that_binds_it_alone(tmp_path: Path) -> None:
    catalog = make_musdb(tmp_path)
    usual, bound = (
        {
            s.stem.rpartition("/")[2]
            for i in range(20)
            for s in sample_recipe(catalog, config, 0, 0, i).sources
        }
        for config in (MixConfig(duration_s=1.0), STEREO)
    )
    assert "other" not in usual
    assert "other" in bound
    dataset = MixDataset(
        catalog, MixConfig(label_set="musdb4", p_musical=1.0, full=True, duration_s=1.0), groups=True
    )
    mix = dataset.mix(0)
    assert {e.name: e.state for e in mix.explain()} == dict.fromkeys(NAMES, "present")
    item = dataset.item(0)
    assert item["group_mask"].all()
    assert item["groups"].abs().amax((1, 2)).min() > 0.01
    assert not item["ungrouped"].any()
    found = {source.stem.rpartition("/")[2]: source.audio for source in mix.sources}
    for place, name in enumerate(NAMES):
        np.testing.assert_array_equal(item["groups"][place], found[name])


def test_batches_hold_groups_for_any_number_of_workers(toy: Catalog) -> None:
    dataset = MixDataset(toy, STEREO, epoch_size=8, batch_size=4, groups=True)
    for one, two in zip(MixLoader(dataset), MixLoader(dataset, num_workers=1), strict=True):
        assert one["groups"].shape == (4, 4, 2, RATE)
        assert one["group_mask"].shape == (4, 4)
        for name in ("groups", "group_mask", "ungrouped"):
            np.testing.assert_array_equal(one[name], two[name])
        total = one["groups"].sum(1) + one["ungrouped"]
        np.testing.assert_allclose(total, one["audio"], atol=1e-6)


def test_classes_that_hold_each_other_have_no_groups(toy: Catalog) -> None:
    with raises(
        ConfigError, code="conflicting-settings", mentions=("mixtures15", "voice", "singer", "musdb4")
    ):
        MixDataset(toy, MixConfig(), groups=True)
    with raises(ConfigError, code="unsupported-device", mentions="groups"):
        DeviceLoader(MixDataset(toy, STEREO, groups=True), device="cpu")
    with raises(ConfigError, code="conflicting-settings", mentions="groups=True"):
        MixDataset(toy, MixConfig(full=True), sources=True)
