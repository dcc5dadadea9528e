"""Where a mask is on, as spans."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["spans"]


def spans(on: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return where a mask is True as ``(N, 2)``: start and end of each run of neighbours, the end exclusive.

    Args:
        on: ``(T,)`` bool.
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], np.asarray(on, np.bool_), [False]])))
    return edges.reshape(-1, 2)
