"""Mixes that have every class of a label set once."""

from pathlib import Path

import numpy as np
import pytest

from mixlab.catalog.catalog import Catalog
from mixlab.errors import RecipeError
from mixlab.mixing.candidates import nodes_of
from mixlab.mixing.config import MixConfig
from mixlab.mixing.dataset import MixDataset
from mixlab.mixing.sampler import RecipeSampler
from mixlab.taxonomy import load_label_set, load_taxonomy, stem_evidence
from tests.errors import raises
from tests.toy import MUSDB_STEMS, make_musdb, make_own_catalog, steady

EACH = MixConfig(label_set="musdb4", one_of_each=True, duration_s=1.0)
LABELS = load_label_set("musdb4")


def classes_of(catalog: Catalog, stems: list[str]) -> list[str]:
    """The classes of stems, each of which is of one for certain."""
    names = []
    for stem in stems:
        nodes = nodes_of(catalog, catalog.find(stem), LABELS)
        target, mask = LABELS.encode(stem_evidence(load_taxonomy(), nodes))
        assert mask.all()
        names += [LABELS.names[i] for i in np.flatnonzero(target)]
    return names


@pytest.mark.parametrize("kind", ["musical", "non_musical"])
def test_a_mix_has_every_class_once(tmp_path: Path, kind: str) -> None:
    catalog = make_musdb(tmp_path)
    sampler = RecipeSampler(catalog, EACH)
    orders = set()
    for index in range(20):
        recipe = sampler.sample(0, 0, index, kind)  # type: ignore[arg-type]
        stems = [source.stem for source in recipe.sources]
        assert classes_of(catalog, stems) == list(MUSDB_STEMS)
        songs = [stem.split("/")[1] for stem in stems]
        assert len(set(songs)) == (1 if kind == "musical" else 4)
        orders.add(tuple(songs))
    assert len(orders) > 2


def test_a_class_of_many_parts_comes_once_and_what_is_of_no_class_for_certain_never(tmp_path: Path) -> None:
    bands = [("piano", "violin", "trumpet", "synthesizer", "drum set"), ("violin", "synthesizer")]
    stems = [
        {"song": f"s{n}{copy}", "label": label, "audio": steady(100.0 + 7 * k + n, 3.0)}
        for n, band in enumerate(bands)
        for copy in range(2)
        for k, label in enumerate(band)
    ]
    catalog = make_own_catalog(tmp_path, stems)  # type: ignore[arg-type]
    with pytest.warns(UserWarning, match="one_of_each.*no vocals, bass"):
        sampler = RecipeSampler(catalog, EACH)
    found = set()
    for index in range(30):
        musical, other = (
            [source.stem for source in sampler.sample(0, 0, index, kind).sources]
            for kind in ("musical", "non_musical")
        )
        assert classes_of(catalog, musical) == ["drums", "other"]
        assert classes_of(catalog, other) in (["drums", "other"], ["drums"])
        found |= {stem.rpartition("_")[2] for stem in musical}
    assert found == {"piano", "violin", "trumpet", "drumset"}


def test_evaluation_takes_one_of_each_from_one_song_and_groups_them(tmp_path: Path) -> None:
    dataset = MixDataset(make_musdb(tmp_path), EACH, evaluation=True, groups=True, sources=True)
    item = dataset.item(0)
    for place in range(4):
        np.testing.assert_array_equal(item["groups"][place], item["sources"][place])
    assert item["group_mask"].all()


def test_more_classes_than_max_sources_have_places(tmp_path: Path) -> None:
    catalog = make_musdb(tmp_path)
    few = MixConfig(label_set="musdb4", one_of_each=True, duration_s=1.0, max_sources=2)
    assert MixDataset(catalog, few, sources=True).item(0)["sources"].shape[0] == 4


def test_a_catalog_without_any_of_the_classes_has_nothing_to_sample(tmp_path: Path) -> None:
    stems = [{"song": f"s{n}", "label": "synthesizer", "audio": steady(100.0, 3.0)} for n in range(2)]
    catalog = make_own_catalog(tmp_path, stems)  # type: ignore[arg-type]
    with raises(RecipeError, code="nothing-to-sample"):
        RecipeSampler(catalog, EACH)
