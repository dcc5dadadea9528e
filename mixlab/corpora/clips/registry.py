"""The corpora of labelled clips by the name that goes into commands and files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from mixlab.corpora.clips.base import ClipCorpus, ClipSet, Part
from mixlab.errors import ConfigError
from mixlab.utils.discovery import offered
from mixlab.utils.plugins import find, running

__all__ = ["BENCHMARKS", "GROUP", "clip_corpora", "find_corpus", "load_benchmark"]

GROUP = "mixlab.clips"
"""Entry points of corpora of labelled clips in other packages."""

BENCHMARKS = {"irmas": "irmas", "openmic": "openmic", "jamendo": "mtg_jamendo"}
"""The corpora that runs are scored on by ``mixlab evaluate-on``, by the name there and in its reports."""

_NEEDED = ("name", "tasks", "read")


def clip_corpora() -> Mapping[str, ClipCorpus]:
    """Return every corpus of labelled clips by name: each module of this package is one.

    Example:
        >>> from mixlab.corpora.clips import clip_corpora
        >>> {"folder", "gtzan", "irmas"} <= set(clip_corpora())
        True
    """
    return offered("mixlab.corpora.clips", "CORPUS")


def find_corpus(name: str) -> ClipCorpus:
    """Return a corpus of labelled clips by name, ``package.module:Class``, or that of an entry point.

    Raises:
        ConfigError: there is none, or it lacks what :class:`ClipCorpus` has.
    """
    found: Any = find(name, clip_corpora(), GROUP, "corpus of clips")
    with running("corpus of clips", name):
        corpus: ClipCorpus = found() if isinstance(found, type) else found
    if lacking := [part for part in _NEEDED if not hasattr(corpus, part)]:
        raise ConfigError(
            f"{name} is no corpus of clips: it lacks {', '.join(lacking)}. It needs a name, tasks and "
            "read(root, task), as mixlab.corpora.clips.base.ClipCorpus.",
            code="unfit-plugin",
        )
    return corpus


def load_benchmark(name: str, root: str | Path, part: str = "test") -> ClipSet:
    """Read a part of an external test set.

    Raises:
        ConfigError: there is no such benchmark or part.
        CorpusError: the tree is not laid out as expected.
    """
    if name not in BENCHMARKS or part not in get_args(Part):
        raise ConfigError(
            f"Expected one of {', '.join(BENCHMARKS)} and a part of {', '.join(get_args(Part))}, found "
            f"{name!r} and {part!r}.",
            code="unknown-benchmark",
        )
    load_part = clip_corpora()[BENCHMARKS[name]].load_part
    assert load_part is not None
    return load_part(root, part)  # type: ignore[arg-type]
