"""Labelled clips: corpora of excerpts and tracks with classes, groups and splits, instead of stems.

Each module that ends in ``CORPUS`` is one; ``open_clips`` opens any of them as a ``ClipsConfig`` says.

>>> from mixlab.corpora.clips import ClipsConfig, open_clips
>>> clips = open_clips(ClipsConfig(corpus="irmas", root="irmas"))  # doctest: +SKIP
"""

from typing import TYPE_CHECKING

from mixlab.utils.lazy import lazy_names

if TYPE_CHECKING:
    from mixlab.corpora.clips.base import Clip, ClipCorpus, ClipSet
    from mixlab.corpora.clips.config import ClipsConfig
    from mixlab.corpora.clips.opening import open_clips, read_clips
    from mixlab.corpora.clips.recordings import read_recordings
    from mixlab.corpora.clips.registry import clip_corpora, find_corpus

__all__ = [
    "Clip",
    "ClipCorpus",
    "ClipSet",
    "ClipsConfig",
    "clip_corpora",
    "find_corpus",
    "open_clips",
    "read_clips",
    "read_recordings",
]

_HOMES = {
    "base": ("Clip", "ClipCorpus", "ClipSet"),
    "config": ("ClipsConfig",),
    "opening": ("open_clips", "read_clips"),
    "recordings": ("read_recordings",),
    "registry": ("clip_corpora", "find_corpus"),
}

__getattr__ = lazy_names(__name__, _HOMES)
