"""Spans of a mask: they hold what is on, in order, and touch nothing that is off."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mixlab.utils.spans import spans


@given(st.lists(st.booleans(), max_size=40))
def test_spans_rebuild_the_mask(on: list[bool]) -> None:
    found = spans(np.array(on, np.bool_))
    rebuilt = np.zeros(len(on), np.bool_)
    for start, end in found:
        assert start < end
        rebuilt[start:end] = True
    assert rebuilt.tolist() == on
    assert (found[1:, 0] > found[:-1, 1]).all()  # neighbours are one span
