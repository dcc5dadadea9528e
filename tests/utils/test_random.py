"""Laws of the counter-based random streams."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixlab.utils.random import Stream, open_stream

seeds = st.integers(0, 2**63 - 1)


@given(seeds, st.integers(0, 2**40), st.integers(0, 2**60), st.text(max_size=12))
def test_a_stream_is_named_by_its_arguments_alone(seed: int, epoch: int, index: int, purpose: str) -> None:
    first = [open_stream(seed, epoch, index, purpose).bits() for _ in range(2)]
    assert first[0] == first[1]
    assert first[0] != open_stream(seed, epoch + 1, index, purpose).bits()
    assert first[0] != open_stream(seed + 1, epoch, index, purpose).bits()


def test_seed_and_epoch_are_not_added() -> None:
    # seed 1 of epoch 0 must not repeat seed 0 of epoch 1
    assert open_stream(1, 0, 0, "kind").bits() != open_stream(0, 1, 0, "kind").bits()


def test_the_numbers_never_change() -> None:
    # Published values of SplitMix64 from the state 0: other ones would make other recipes of every seed.
    stream = Stream(0)
    assert [stream.bits() for _ in range(3)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


def test_units_are_uniform_and_independent_between_indices() -> None:
    units = np.array([open_stream(3, 0, i, "kind").unit() for i in range(20_000)])
    assert units.min() >= 0.0
    assert units.max() < 1.0
    counts, _ = np.histogram(units, bins=20, range=(0, 1))
    # chi-square with 19 degrees of freedom stays below 43.8 in all but 1 of 1000 good generators
    assert ((counts - 1000) ** 2 / 1000).sum() < 43.8
    assert abs(np.corrcoef(units[1:], units[:-1])[0, 1]) < 0.03


@given(st.integers(0, 2**64 - 1), st.integers(1, 40), st.integers(0, 50))
def test_sample_gives_different_items(state: int, n: int, k: int) -> None:
    sample = Stream(state).sample(n, k)
    assert len(sample) == min(n, k)
    assert len(set(sample)) == len(sample)
    assert all(0 <= value < n for value in sample)


def test_sample_is_uniform_over_orders() -> None:
    orders = [tuple(open_stream(0, 0, i, "order").sample(3, 3)) for i in range(6000)]
    counts = [orders.count(order) for order in set(orders)]
    assert len(counts) == 6
    assert min(counts) > 880
    assert max(counts) < 1120


@given(
    st.integers(0, 2**64 - 1), st.lists(st.floats(0, 10), min_size=1, max_size=8).filter(lambda w: sum(w) > 0)
)
def test_weighted_never_picks_a_weight_of_zero(state: int, weights: list[float]) -> None:
    assert weights[Stream(state).weighted(weights)] > 0


def test_weighted_follows_the_weights() -> None:
    picks = [open_stream(0, 0, i, "corpus").weighted([1.0, 3.0]) for i in range(4000)]
    assert np.mean(picks) == pytest.approx(0.75, abs=0.03)


@given(st.integers(0, 2**64 - 1))
def test_ranges_hold(state: int) -> None:
    stream = Stream(state)
    assert 3 <= stream.integer(3, 5) <= 5
    assert -2.0 <= stream.uniform(-2.0, 1.5) <= 1.5
    assert 0.8 <= stream.log_uniform(0.8, 1.25) <= 1.25 + 1e-12
    assert sorted(stream.shuffled("abcd")) == list("abcd")
