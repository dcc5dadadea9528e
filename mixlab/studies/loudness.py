"""How loud clips are: their RMS, and clips sorted into classes by it (black-box transfer paper, section 6).

RMS is over all samples of both channels of a whole clip at 44.1 kHz, a fraction of full scale, as the paper's
Table 4 has it: a sine at full scale has 0.71.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.io import FloatArray
from mixlab.corpora.clips.base import ClipSet
from mixlab.corpora.clips.registry import clip_corpora, find_corpus
from mixlab.errors import CorpusError
from mixlab.training.baselines.clip_features import ClipFeatures, Hearing, compute_clip_features
from mixlab.training.baselines.features import Extract
from mixlab.training.clips.config import WindowConfig

__all__ = ["LEVELS", "LOUDNESS_CORPUS", "LoudnessClasses", "by_loudness", "measure_loudness"]

LEVELS = ("loud1", "loud2", "loud3", "loud4", "loud5")
"""The paper's classes: each a fifth of the clips, from the quietest to the loudest."""

LOUDNESS_CORPUS = "mixlab.studies.loudness:LoudnessClasses"
"""What ``clips.corpus`` calls clips that are sorted by loudness."""

_RATE = 44_100


@dataclass(frozen=True)
class _Rms:
    """RMS as an ``Extractor`` of one value."""

    content_hash: str = "rms 1"

    def load(self) -> Extract:
        """Return the function that computes."""
        return _rms


def _rms(audio: FloatArray) -> FloatArray:
    """Return ``(B, 1)`` for ``(B, channels, T)``."""
    power = np.mean(np.square(audio, dtype=np.float64), axis=(1, 2))
    return np.asarray(np.sqrt(power)[:, None], np.float32)


def measure_loudness(clips: ClipSet, cache: Path, *, workers: int = 0) -> ClipFeatures:
    """Return the RMS of clips, as recorded, as features of one value that are kept in a folder.

    Args:
        clips: The clips.
        cache: Folder of all caches of features.
        workers: Processes; 0 takes one per processor.

    Raises:
        MixlabError: something else than a damaged file was in the way.
    """
    return compute_clip_features(
        clips, Hearing(WindowConfig(duration_s=0), _RATE, 2), _Rms(), cache, workers=workers
    )


class LoudnessClasses:
    """The clips of another corpus in five classes by loudness, instead of its own: a corpus of clips.

    ``clips.task`` names the other corpus, or one of its tasks as ``nsynth/acoustic_family``; ``clips.root``
    is its folder. Groups and splits are that corpus's; the edges of the classes are those of all its clips of
    that task, each class a fifth of them. Loudness is measured once and kept in ``mixlab/features`` in the
    user's cache (``XDG_CACHE_HOME``). Clips that cannot be read are left out and listed as missing.
    """

    name = "loudness"

    @property
    def tasks(self) -> tuple[str, ...]:
        """The corpora that can be sorted, each by its name, for its main task, and by those of its tasks."""
        corpora = clip_corpora()
        return (*corpora, *(f"{name}/{task}" for name, corpus in corpora.items() for task in corpus.tasks))

    def read(self, root: Path, task: str) -> ClipSet:
        """Read the clips of a corpus, or of one of its tasks.

        Raises:
            CorpusError: the tree is not laid out as expected, or has fewer readable clips than classes.
        """
        name, _, own = task.partition("/")
        corpus = find_corpus(name)
        return by_loudness(corpus.read(root, own or corpus.tasks[0]), _cache())


def by_loudness(clips: ClipSet, cache: Path) -> ClipSet:
    """Return clips in classes by loudness, ``LEVELS``, instead of their own; ties go by the order of clips.

    Raises:
        CorpusError: fewer of them can be read than there are classes.
    """
    found = measure_loudness(clips, cache)
    count = len(found.clips)
    if count < len(LEVELS):
        raise CorpusError(
            f"{clips.corpus}: {count} clips can be read; {len(LEVELS)} classes of loudness need at least one "
            "each.",
            code="too-few-groups",
        )
    place = np.empty(count, np.int64)
    place[np.argsort(found.values[:, 0], kind="stable")] = np.arange(count)
    targets = np.zeros((count, len(LEVELS)), np.float32)
    targets[np.arange(count), _fifth(place)] = 1
    return replace(
        found.clips,
        corpus=LoudnessClasses.name,
        task=clips.corpus,
        classes=LEVELS,
        targets=targets,
        mask=np.ones_like(targets, np.bool_),
        label_set=None,
        notes=(*clips.notes, "classes by loudness: each a fifth of all clips, by RMS as recorded"),
        missing=(*clips.missing, *found.unreadable),
    )


def _fifth(place: NDArray[np.int64]) -> NDArray[np.int64]:
    return place * len(LEVELS) // len(place)


def _cache() -> Path:
    named = os.environ.get("XDG_CACHE_HOME")
    return (Path(named) if named else Path.home() / ".cache") / "mixlab" / "features"
