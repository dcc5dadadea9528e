"""What a demo tree of labelled clips is: the files to make, and the tables that belong to no single one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixlab.errors import ConfigError

__all__ = ["DEFAULT_RECORDINGS", "ClipTree", "TreeItem", "TreeOptions", "within_full_scale"]

_FULL_SCALE = 0.98

DEFAULT_RECORDINGS = 8


@dataclass(frozen=True)
class TreeOptions:
    """How large a tree is, and how it sounds.

    Attributes:
        recordings: Recordings, artists, speakers or instruments of each class.
        seed: Another seed gives other music; the same one gives the same files, byte for byte.
        soundfont: What plays it; None where nothing is played.
        track_s: Length of a track in seconds, in trees whose clips are tracks of 30 s (GTZAN, FMA,
            Extended Ballroom).
    """

    recordings: int = DEFAULT_RECORDINGS
    seed: int = 0
    soundfont: Path | None = None
    track_s: float = 30.0

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            ConfigError: a number is out of range.
        """
        if not 1 <= self.recordings <= 150:
            raise ConfigError(
                f"Expected 1 to 150 recordings of each class, found {self.recordings}.",
                code="invalid-setting",
            )
        if not 2.0 <= self.track_s <= 600.0:
            raise ConfigError(
                f"Expected tracks of 2 to 600 seconds, found {self.track_s}.", code="invalid-setting"
            )


@dataclass(frozen=True)
class TreeItem:
    """One file of a tree.

    Attributes:
        target: Its path below the tree's folder.
        write: Writes it at a path of the same ending. Another process calls it: a function at the top of a
            module, or a ``functools.partial`` of one, with plain data.
    """

    target: str
    write: Callable[[Path], None]


def within_full_scale(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return audio as it is, or so much softer that nothing is clipped."""
    peak = float(np.abs(audio).max(initial=0.0))
    return audio if peak <= _FULL_SCALE else audio * np.float32(_FULL_SCALE / peak)


def _nothing(root: Path, options: TreeOptions) -> None:
    """Write no table."""


@dataclass(frozen=True)
class ClipTree:
    """A demo tree: one object per module of this package.

    Attributes:
        name: The corpus, as in ``clips.corpus`` of configurations.
        folder: Name of the folder it is made in.
        about: What it can show and what it cannot, in a sentence.
        plan: Returns its files; known before anything is rendered, so that a rerun can tell what is left to
            do.
        finish: Writes into the tree's folder what belongs to no single file.
        played: It is played with a SoundFont.
    """

    name: str
    folder: str
    about: str
    plan: Callable[[TreeOptions], Sequence[TreeItem]]
    finish: Callable[[Path, TreeOptions], None] = _nothing
    played: bool = True
