"""Which numbers an item, a batch, an epoch or a stream may have."""

import operator

import numpy as np

from mixlab.errors import ConfigError, OutOfRangeError

__all__ = ["check_number", "check_sizes"]


def check_number(name: str, value: int, end: int | None = None, counted: str = "") -> int:
    """Return a whole number from 0 to ``end - 1``, or from 0 on.

    Args:
        name: What it is the number of.
        value: A whole number of any kind.
        end: How many there are; None where there is no end.
        counted: What there are so many of.

    Raises:
        OutOfRangeError: it is another number, or none.
    """
    try:
        number = operator.index(value)
    except TypeError:
        raise OutOfRangeError(f"{name} must be a whole number, found {value!r}.") from None
    if number < 0 or (end is not None and number >= end):
        bounds = "0 or more" if end is None else f"from 0 to {end - 1}: there are {end} {counted}"
        raise OutOfRangeError(f"{name} must be {bounds}; found {number}.")
    return number


def check_sizes(epoch_size: int, batch_size: int, seed: int) -> None:
    """Check the sizes and the seed of a stream.

    Raises:
        ConfigError: a size is not a whole number from 1, or the seed none from 0 to 2**63 - 1.
    """
    if not all(isinstance(size, (int, np.integer)) and size >= 1 for size in (epoch_size, batch_size)):
        raise ConfigError(
            f"epoch_size and batch_size must be 1 or more, found epoch_size={epoch_size}, "
            f"batch_size={batch_size}."
        )
    if not isinstance(seed, (int, np.integer)) or not 0 <= seed < 1 << 63:
        raise ConfigError(f"seed must be from 0 to 2**63 - 1, found {seed}.")
