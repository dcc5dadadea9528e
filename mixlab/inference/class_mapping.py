"""Which of a model's outputs scores which class of another label set: decided by the instrument tree.

How outputs are matched stands in ``mixlab.taxonomy.matching``, what those of a run are in
``mixlab.training.run_outputs``.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mixlab.taxonomy.matching import Kind, Match, RolledUp, match_classes, roll_up
from mixlab.training.run_outputs import run_outputs

__all__ = ["Kind", "Match", "RolledUp", "any_of", "match_classes", "roll_up", "run_outputs"]


def any_of(
    targets: NDArray[np.float32], mask: NDArray[np.bool_], columns: Sequence[int]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return whether any of the columns is present ``(N,)``, and where that is known.

    Known is a presence of one, or the absence of all; anything else is unknown.
    """
    chosen = list(columns)
    present = (targets[:, chosen] > 0.5) & mask[:, chosen]
    some = np.asarray(present.any(axis=1), np.bool_)
    known = np.asarray(some | mask[:, chosen].all(axis=1), np.bool_)
    return np.asarray(some, np.float32), known
