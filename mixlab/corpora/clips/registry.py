"""The corpora of labelled clips by the name that goes into commands and files."""

from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from mixlab.corpora.clips.base import ClipCorpus, ClipSet, Part
from mixlab.errors import ConfigError
from mixlab.utils.discovery import offered

__all__ = ["clip_corpora", "load_benchmark"]


def clip_corpora() -> Mapping[str, ClipCorpus]:
    """Return every corpus of labelled clips by name: each module of this package is one."""
    return offered("mixlab.corpora.clips", "CORPUS")


def load_benchmark(name: str, root: str | Path, part: str = "test") -> ClipSet:
    """Read a part of an external test set.

    Raises:
        ConfigError: there is no such benchmark or part.
        CorpusError: the tree is not laid out as expected.
    """
    known = clip_corpora()
    if name not in known or part not in get_args(Part):
        raise ConfigError(
            f"Expected one of {', '.join(known)} and a part of {', '.join(get_args(Part))}, found "
            f"{name!r} and {part!r}.",
            code="unknown-benchmark",
        )
    return known[name].load(root, part)  # type: ignore[arg-type]
