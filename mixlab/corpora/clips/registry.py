"""The external test sets by the name that goes into commands and files."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from mixlab.corpora.clips.base import JAMENDO_SPLIT, Clip, ClipSet
from mixlab.corpora.clips.irmas import load_irmas
from mixlab.corpora.clips.mtg_jamendo import JamendoConfig, Subset, open_jamendo
from mixlab.corpora.clips.openmic import load_openmic
from mixlab.errors import ConfigError

__all__ = ["BENCHMARKS", "load_benchmark"]

Part = Literal["train", "test"]

JAMENDO_EXCERPTS = 8
"""Evenly spaced windows per track: tracks last minutes, and tags are of a whole track."""

_NOTE = "tags come from the artists: a tag that is not there does not prove that an instrument is absent"


def load_jamendo(
    root: str | Path, part: Part = "test", subset: Subset = "top50tags", metadata: Path | None = None
) -> ClipSet:
    """Read the tracks of official split 0 of MTG-Jamendo, grouped by artist."""
    corpus = open_jamendo(root, JamendoConfig(subset=subset, split=JAMENDO_SPLIT), metadata=metadata)
    tracks = [track for track in corpus.tracks[part] if track.audio is not None]
    place = {name: column for column, name in enumerate(corpus.labels.names)}
    targets = np.zeros((len(tracks), len(place)), np.float32)
    for row, track in enumerate(tracks):
        targets[row, [place[tag] for tag in track.tags if tag in place]] = 1.0
    return ClipSet(
        benchmark="jamendo",
        part=part,
        labels=corpus.labels,
        clips=tuple(Clip(t.track, t.audio, t.artist) for t in tracks if t.audio is not None),
        targets=targets,
        mask=np.ones(targets.shape, np.bool_),
        source="read by mixlab: mirdata has a loader for the mood and theme tags only",
        notes=(_NOTE,),
        missing=corpus.missing[part],
        windows=JAMENDO_EXCERPTS,
    )


BENCHMARKS: dict[str, Callable[[str | Path, Part], ClipSet]] = {
    "irmas": load_irmas,
    "openmic": load_openmic,
    "jamendo": load_jamendo,
}


def load_benchmark(name: str, root: str | Path, part: str = "test") -> ClipSet:
    """Read a part of an external test set.

    Raises:
        ConfigError: there is no such benchmark or part.
        CorpusError: the tree is not laid out as expected.
    """
    if name not in BENCHMARKS or part not in get_args(Part):
        raise ConfigError(
            f"Expected one of {', '.join(BENCHMARKS)} and a part of {', '.join(get_args(Part))}, found "
            f"{name!r} and {part!r}."
        )
    return BENCHMARKS[name](root, part)  # type: ignore[arg-type]
