"""What an outside corpus gives: clips with classes that are present, absent or unknown."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixlab.taxonomy import LabelSet

__all__ = ["JAMENDO_SPLIT", "Clip", "ClipSet"]

JAMENDO_SPLIT = 0
"""The official split of MTG-Jamendo that is scored, as in what is published."""


@dataclass(frozen=True)
class Clip:
    """One audio file.

    Attributes:
        key: The corpus's own id.
        path: The file.
        group: The recording, artist or track it is from; intervals draw these.
    """

    key: str
    path: Path
    group: str


@dataclass(frozen=True)
class ClipSet:
    """One part of an outside corpus.

    Attributes:
        benchmark: Its name on the command line.
        part: ``train`` or ``test``, as the corpus has it.
        labels: The C classes, bound to nodes of the taxonomy.
        clips: N clips whose files are there.
        targets: ``(N, C)`` 1 present, 0 absent, float32.
        mask: ``(N, C)`` True where it is known.
        source: Who read the tree: ``mirdata`` with its version, or mixlab itself and why.
        notes: What must be known to read the numbers.
        missing: Keys whose files are not there.
        windows: 0 lays overlapping windows over a whole clip; else so many evenly spaced ones.
    """

    benchmark: str
    part: str
    labels: LabelSet
    clips: tuple[Clip, ...]
    targets: NDArray[np.float32]
    mask: NDArray[np.bool_]
    source: str
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    windows: int = 0

    def __len__(self) -> int:
        return len(self.clips)
