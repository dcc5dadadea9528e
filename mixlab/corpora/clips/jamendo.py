"""MTG-Jamendo as labelled clips: the tracks of official split 0, grouped by artist.

The corpus itself is read by ``mixlab.corpora.clips.mtg_jamendo``; its module has the card.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mixlab.corpora.clips.base import JAMENDO_SPLIT, SPLITS, Clip, ClipCorpus, ClipSet, join
from mixlab.corpora.metadata import Labels, MetadataFile, leaves

if TYPE_CHECKING:
    from mixlab.corpora.clips.mtg_jamendo import JamendoCorpus, Subset

__all__ = ["CORPUS", "load_jamendo", "read_jamendo"]

JAMENDO_EXCERPTS = 8
"""Evenly spaced windows per track: tracks last minutes, and tags are of a whole track."""

_TAG = re.compile(r"(genre|instrument|mood/theme)---\S+")
_NOTE = "tags come from the artists: a tag that is not there does not prove that an instrument is absent"


def load_jamendo(
    root: str | Path,
    part: str = "test",
    subset: "Subset" = "top50tags",
    metadata: Path | None = None,
) -> ClipSet:
    """Read the tracks of a part (train, validation or test) of official split 0, grouped by artist."""
    # Only here: what reads the corpus for training loads torch, which a check of labels does not wait for.
    from mixlab.corpora.clips.mtg_jamendo import JamendoConfig, open_jamendo

    corpus = open_jamendo(root, JamendoConfig(subset=subset, split=JAMENDO_SPLIT), metadata=metadata)
    return _clip_set(corpus, part)


def read_jamendo(root: Path, task: str) -> ClipSet:
    """Read all tracks of official split 0 whose audio is there; the task is a subset of its tags."""
    from mixlab.corpora.clips.mtg_jamendo import JamendoConfig, open_jamendo

    corpus = open_jamendo(root, JamendoConfig(subset=task, split=JAMENDO_SPLIT))  # type: ignore[arg-type]
    return join([_clip_set(corpus, part) for part in SPLITS])


def _clip_set(corpus: "JamendoCorpus", part: str) -> ClipSet:
    tracks = [track for track in corpus.tracks[part] if track.audio is not None]
    place = {name: column for column, name in enumerate(corpus.labels.names)}
    targets = np.zeros((len(tracks), len(place)), np.float32)
    for row, track in enumerate(tracks):
        targets[row, [place[tag] for tag in track.tags if tag in place]] = 1.0
    return ClipSet(
        corpus="mtg_jamendo",
        task=corpus.config.subset,
        classes=corpus.labels.names,
        clips=tuple(Clip(t.track, t.audio, t.artist, part) for t in tracks if t.audio is not None),
        targets=targets,
        mask=np.ones(targets.shape, np.bool_),
        label_set=corpus.labels,
        source="read by mixlab: mirdata has a loader for the mood and theme tags only",
        notes=(_NOTE,),
        missing=corpus.missing[part],
        windows=JAMENDO_EXCERPTS,
    )


def read_labels(file: MetadataFile) -> Labels | str | None:
    """Return the tags of a table of tracks, of statistics of tags, of a list, or of the tag map."""
    if isinstance(file.mapping.get("instrument"), dict) and "genre" in file.mapping:
        tags = (f"{category}---{tag}" for category, found in file.mapping.items() for tag in leaves(found))
        return Labels.of("MTG-Jamendo tag map", tags)
    if file.lines and all(_TAG.fullmatch(line) for line in file.lines):
        return Labels.of("MTG-Jamendo tag list", file.lines)
    if file.path.suffix.lower() != ".tsv":
        return None
    if file.header[:1] == ("track_id",) and file.header[-1:] == ("tags",):
        # Tags run over a varying number of further columns.
        first = len(file.header) - 1
        return Labels.of("MTG-Jamendo tags", (tag for row in file.rows[1:] for tag in row[first:] if tag))
    if file.header[:1] == ("tag",):
        if "instrument" not in file.path.name:
            return "tags without their category"
        return Labels.of("MTG-Jamendo statistics", (f"instrument---{row[0]}" for row in file.rows[1:]))
    return None


_TASKS = ("top50tags", "instrument", "genre", "moodtheme", "all")

CORPUS = ClipCorpus("mtg_jamendo", _TASKS, read_jamendo, "mtg_jamendo", read_labels, load_jamendo)
