"""What all scores share: checked arrays, and means that leave out what is undefined."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mixlab.errors import ConfigError

__all__ = ["Bools", "Floats", "Integers", "check_arrays", "count_undefined", "divide", "mean_defined"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]


def check_arrays(scores: ArrayLike, targets: ArrayLike, mask: ArrayLike) -> tuple[Floats, Bools, Bools]:
    """Return scores, targets and mask as arrays ``(N, C)`` of one shape.

    Raises:
        ConfigError: shapes differ, or a score is not finite.
    """
    s, t, m = np.asarray(scores, np.float64), np.asarray(targets), np.asarray(mask, np.bool_)
    if s.ndim != 2 or s.shape != t.shape or s.shape != m.shape:
        raise ConfigError(
            f"Scores, targets and mask must share one shape (N, C); got {s.shape}, {t.shape}, {m.shape}.",
            code="wrong-shape",
        )
    if not np.isfinite(s).all():
        raise ConfigError(
            "Scores hold NaN or infinity: the model diverged, so there is nothing to score.",
            code="training-diverged",
        )
    return s, np.asarray(t > 0.5, np.bool_), m


def mean_defined(values: Floats) -> float:
    """Mean of the defined values; NaN when none is."""
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if defined.size else math.nan


def count_undefined(values: Floats) -> int:
    """Count the values that are NaN or infinite."""
    return int((~np.isfinite(values)).sum())


def divide(a: ArrayLike, b: ArrayLike, empty: float = math.nan) -> Floats:
    """Return a / b, and ``empty`` where b is 0."""
    top, bottom = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(b, np.float64))
    result: Floats = np.divide(top, bottom, out=np.full(top.shape, empty), where=bottom != 0)
    return result
