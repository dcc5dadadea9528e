"""What seeds give stays the same: recipes, levels of what is rendered, and labels."""

import json

import numpy as np
import pytest

from mixlab import Catalog
from tests.golden import CONFIGS, GOLDEN, golden


@pytest.fixture(scope="module")
def now(toy: Catalog) -> dict:
    return golden(toy)


@pytest.fixture(scope="module")
def before() -> dict:
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


@pytest.mark.parametrize("key", ["recipe_version", "catalog"])
def test_versions_and_catalogs_are_the_same(key: str, now: dict, before: dict) -> None:
    assert now[key] == before[key]


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("key", ["config", "recipes", "sources", "targets"])
def test_seeds_give_the_same(name: str, key: str, now: dict, before: dict) -> None:
    assert now[name][key] == before[name][key]


@pytest.mark.parametrize("name", CONFIGS)
def test_renders_sound_the_same(name: str, now: dict, before: dict) -> None:
    np.testing.assert_allclose(now[name]["levels"], before[name]["levels"], rtol=1e-3, atol=0.01)
