"""The example of separation trains: its error falls on mixes that it has not seen."""

import importlib.util
from types import ModuleType

import numpy as np
import pytest

from mixlab.catalog.catalog import Catalog
from tests.conftest import REPO


@pytest.fixture
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("separation", REPO / "examples" / "separation.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_the_error_of_the_mask_network_falls(toy: Catalog, example: ModuleType) -> None:
    errors = list(example.train(str(toy.path), steps=14, batch_size=2))
    assert len(errors) == 14
    assert np.mean(errors[-3:]) < 0.7 * np.mean(errors[:3])


def test_it_takes_the_options_that_its_page_names(
    toy: Catalog, example: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    example.main(["--catalog", str(toy.path), "--steps", "1"])
    assert capsys.readouterr().out.startswith("step 0: error ")
