"""How many cases the fuzzing tests try."""

from collections.abc import Iterator

import pytest

from tests.fuzz.laws import Law


@pytest.fixture(params=[pytest.param(1, id="quick"), pytest.param(25, id="many", marks=pytest.mark.slow)])
def scale(request: pytest.FixtureRequest) -> int:
    """How many times the quick number of cases to try; the random numbers are the same every time."""
    return int(request.param)


@pytest.fixture
def law(request: pytest.FixtureRequest) -> Iterator[Law]:
    """The law, which counts the cases of a test."""
    found = Law(lambda name, value: request.node.user_properties.append((name, value)))
    yield found
    found.count(request.node.originalname.removeprefix("test_").replace("_", " "))
