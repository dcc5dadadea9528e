"""Counter-based random streams: any number can be asked for without sampling the ones before it.

A stream is named by (seed, epoch, index, purpose), hashed with BLAKE2b into the start of a
SplitMix64 sequence (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
OOPSLA 2014). Adding a purpose never shifts another one's numbers, and the numbers depend neither on
NumPy's version nor on the platform: the same seed makes the same recipes everywhere. A stream costs
about two microseconds to open, which is why this is not ``np.random.default_rng``.
"""

import math
from collections.abc import Callable, Sequence
from hashlib import blake2b
from struct import Struct
from typing import TypeVar

__all__ = ["Stream", "open_stream", "open_streams"]

T = TypeVar("T")

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_UNIT = 1.0 / (1 << 53)
_unpack = Struct("<Q").unpack


class Stream:
    """A sequence of random numbers that is fully named by its 64-bit start."""

    __slots__ = ("_state",)

    def __init__(self, state: int) -> None:
        """Begin at ``state``, any integer; only its low 64 bits count."""
        self._state = state & _MASK

    def bits(self) -> int:
        """Return the next 64 random bits."""
        self._state = (self._state + _GOLDEN) & _MASK
        z = self._state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return z ^ (z >> 31)

    def unit(self) -> float:
        """Return a number in [0, 1), uniform, with 53 random bits."""
        # The body of ``bits`` once more: recipes take dozens of these, and a call costs as much as the rest.
        z = self._state = (self._state + _GOLDEN) & _MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return ((z ^ (z >> 31)) >> 11) * _UNIT

    def uniform(self, low: float, high: float) -> float:
        """Return a number between ``low`` and ``high``, uniform."""
        return low + (high - low) * self.unit()

    def log_uniform(self, low: float, high: float) -> float:
        """Return a number between ``low`` and ``high`` (both > 0), uniform on a logarithmic scale."""
        start = math.log(low)
        value = math.exp(start + (math.log(high) - start) * self.unit())
        return min(max(value, low), high)  # the logarithm's rounding may lead a hair outside

    def below(self, n: int) -> int:
        """Return an integer in ``range(n)``; ``n`` must be 1 or more.

        The multiply-shift reduction is biased by less than ``n / 2**64``.
        """
        # The body of ``bits``, for the same reason as in ``unit``.
        z = self._state = (self._state + _GOLDEN) & _MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return ((z ^ (z >> 31)) * n) >> 64

    def integer(self, low: int, high: int) -> int:
        """Return an integer from ``low`` to ``high``, both included."""
        return low + self.below(high - low + 1)

    def choice(self, items: Sequence[T]) -> T:
        """Return one of ``items``, uniform."""
        return items[self.below(len(items))]

    def weighted(self, weights: Sequence[float]) -> int:
        """Return an index with probability proportional to ``weights`` (>= 0, not all 0)."""
        target = self.unit() * math.fsum(weights)
        last = 0
        for position, weight in enumerate(weights):
            if weight > 0:
                last = position
                target -= weight
                if target < 0:
                    return position
        return last

    def sample(self, n: int, k: int) -> list[int]:
        """Return ``k`` different integers of ``range(n)`` in random order (all of them if k >= n).

        A partial Fisher-Yates shuffle that remembers only the moved places, so that it costs O(k).
        """
        moved: dict[int, int] = {}
        out = []
        for position in range(min(k, n)):
            other = position + self.below(n - position)
            out.append(moved.get(other, other))
            moved[other] = moved.get(position, position)
        return out

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return ``items`` in random order."""
        return [items[i] for i in self.sample(len(items), len(items))]


def open_stream(seed: int, epoch: int, index: int, purpose: str) -> Stream:
    """Open the stream of one purpose of one item.

    Args:
        seed: The run's seed, any 64-bit integer.
        epoch: Epoch, 0 or more.
        index: Item within the epoch, 0 or more.
        purpose: What the numbers are for, such as ``"kind"`` or ``"source 2 effects"``.
    """
    return open_streams(seed, epoch, index)(purpose)


def open_streams(seed: int, epoch: int, index: int) -> Callable[[str], Stream]:
    """Return what opens the streams of one item by their purpose; see ``open_stream``."""
    item = f"{seed}|{epoch}|{index}|"

    def open_one(purpose: str) -> Stream:
        (state,) = _unpack(blake2b((item + purpose).encode(), digest_size=8).digest())
        return Stream(state)

    return open_one
