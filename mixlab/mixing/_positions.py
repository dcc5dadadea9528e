"""The loop over positions that sampling a musical mix needs, compiled."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixlab.utils.jit import njit

__all__ = ["add_active"]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def add_active(
    counts: NDArray[Any], window: int, shift: int, needed: int, sounding: NDArray[np.int16]
) -> None:
    """Add one to each position at which a stem sounds for long enough, or as long as it ever does.

    Args:
        counts: Active hops before each hop of the stem, ``(n_hops + 1,)``.
        window: Hops of an excerpt.
        shift: Hop of the song at which the stem's file begins; outside it the stem is silent.
        needed: Active hops that an excerpt should have.
        sounding: int16 ``(positions,)``, one per hop of the song at which an excerpt may begin; changed.
    """
    last = len(counts) - 1
    most = 0
    for hop in range(len(sounding)):
        first = min(max(hop - shift, 0), last)
        end = min(max(hop - shift + window, 0), last)
        most = max(most, int(counts[end]) - int(counts[first]))
    needed = max(min(needed, most), 1)
    for hop in range(len(sounding)):
        first = min(max(hop - shift, 0), last)
        end = min(max(hop - shift + window, 0), last)
        if int(counts[end]) - int(counts[first]) >= needed:
            sounding[hop] += 1
