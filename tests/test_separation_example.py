"""The example of separation trains: its error falls on mixes that it has not seen."""

import importlib.util

import numpy as np

from mixlab.catalog.catalog import Catalog
from tests.conftest import REPO


def test_the_error_of_the_mask_network_falls(toy: Catalog) -> None:
    spec = importlib.util.spec_from_file_location("separation", REPO / "examples" / "separation.py")
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    errors = list(example.train(str(toy.path), steps=14, batch_size=2))
    assert len(errors) == 14
    assert np.mean(errors[-3:]) < 0.7 * np.mean(errors[:3])
