"""A claim is decided by both intervals, in the direction that it claims."""

import math

import pytest

from mixlab.evaluation.bootstrap import Interval
from mixlab.studies.claims import claim_line, no_difference, untold, verdict
from mixlab.studies.statistics import Estimate

ABOVE, BELOW, ACROSS = Interval(0.1, 0.3), Interval(-0.3, -0.1), Interval(-0.1, 0.3)


@pytest.mark.parametrize(
    ("value", "songs", "seeds", "sign", "expected"),
    [
        (0.2, ABOVE, ABOVE, 1, "shows here"),
        (0.2, ABOVE, ABOVE, -1, "does not show here"),
        (-0.2, BELOW, BELOW, -1, "shows here"),
        (-0.2, BELOW, BELOW, 1, "does not show here"),
        (0.2, ABOVE, None, 1, "shows here"),
        (0.2, ABOVE, ACROSS, 1, "cannot be told here"),
        (0.2, ACROSS, ABOVE, 1, "cannot be told here"),
        (0.2, None, ABOVE, 1, "cannot be told here"),
        (math.nan, None, None, 1, "cannot be told here"),
    ],
)
def test_only_a_significant_difference_decides(
    value: float, songs: Interval | None, seeds: Interval | None, sign: int, expected: str
) -> None:
    e = Estimate(value, 3, songs=songs, seeds=seeds)
    assert verdict(e, sign=sign) == expected
    line = claim_line("b is better", "b minus a", e, sign=sign)
    assert line.startswith(f"b is better: {expected}. b minus a: ")


def test_what_no_difference_decides_says_why() -> None:
    assert untold("a is easier", "Classes differ.") == "a is easier: cannot be told here. Classes differ."


@pytest.mark.parametrize(
    ("songs", "n_items", "expected"),
    [
        (Interval(-0.01, 0.01), 100, True),
        (Interval(-0.01, 0.01), 40, None),  # one of them is more than the margin
        (Interval(-0.01, 0.03), 100, None),
        (ABOVE, 100, False),
        (None, 100, None),
    ],
)
def test_no_difference_takes_intervals_within_a_margin(
    songs: Interval | None, n_items: int, expected: bool | None
) -> None:
    assert no_difference(Estimate(0.2, 1, songs=songs), 0.02, n_items) is expected
