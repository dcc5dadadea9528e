"""Which numbers an item, a batch, an epoch or a stream may have."""

import operator

import numpy as np

from mixlab.errors import ConfigError, OutOfRangeError
from mixlab.utils.values import LARGEST_SEED

__all__ = ["check_number", "check_sizes", "check_switches"]

LARGEST = (1 << 62) - 1
"""Epochs beyond would not be 64-bit numbers for all that is added to them."""


def check_number(name: str, value: int, end: int | None = None, counted: str = "") -> int:
    """Return a whole number from 0 to ``end - 1``, or to ``LARGEST``.

    Args:
        name: What it is the number of.
        value: A whole number of any kind.
        end: How many there are; None where there is no end but that of 64-bit numbers.
        counted: What there are so many of.

    Raises:
        OutOfRangeError: it is another number, or none.
    """
    try:
        number = operator.index(value)
    except TypeError:
        raise OutOfRangeError(f"{name} must be a whole number, found {value!r}.") from None
    if not 0 <= number <= (LARGEST if end is None else end - 1):
        bounds = "from 0 to 2**62 - 1" if end is None else f"from 0 to {end - 1}: there are {end} {counted}"
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
            f"batch_size={batch_size}.",
            code="invalid-setting",
        )
    if not isinstance(seed, (int, np.integer)) or not 0 <= seed <= LARGEST_SEED:
        raise ConfigError(f"seed must be from 0 to 2**63 - 1, found {seed}.", code="invalid-setting")


def check_switches(**switches: object) -> None:
    """Check what is on or off: any text, such as "no", would count as on.

    Raises:
        ConfigError: one is neither True nor False.
    """
    for name, found in switches.items():
        if not isinstance(found, (bool, np.bool_)):
            raise ConfigError(f"{name} must be True or False, found {found!r}.", code="invalid-setting")
