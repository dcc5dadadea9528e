"""Corpus adapters: one module per collection on disk, each turning its tree into stem rows.

A module is the corpus: its docstring is the card, and ``ADAPTER`` at its end is what mixlab finds. Its label
map lies in ``taxonomy/corpora``. An adapter outside mixlab is named ``package.module:Class``; docs/corpora.md
writes one.
"""

from collections.abc import Mapping
from typing import Any

from mixlab.corpora._empty import refuse_empty
from mixlab.corpora._rows import check_scan
from mixlab.corpora._skipped import list_skipped
from mixlab.corpora._song_folders import song_folders
from mixlab.corpora._split_folders import folder_split
from mixlab.corpora._tree import TreeScan, check_root, nothing_found
from mixlab.corpora.base import Adapter, Problem, Scan, ScanOptions, StemEntry
from mixlab.corpora.metadata import Labels, MetadataFile
from mixlab.errors import ConfigError, CorpusError
from mixlab.utils.discovery import offered
from mixlab.utils.plugins import find, known_names, running

__all__ = [
    "CORPORA",
    "GROUP",
    "Adapter",
    "Labels",
    "MetadataFile",
    "Problem",
    "Scan",
    "ScanOptions",
    "StemEntry",
    "TreeScan",
    "check_root",
    "check_scan",
    "folder_split",
    "get_adapter",
    "installed_adapters",
    "list_skipped",
    "nothing_found",
    "refuse_empty",
    "song_folders",
]

CORPORA: Mapping[str, Adapter]
"""Every corpus with a module of its own, by stable name; ``mirdata:NAME`` comes on top."""

GROUP = "mixlab.corpora"
"""Entry points of adapters in other packages."""

_NEEDED = ("name", "label_map", "licence", "citation", "description", "scan", "read_labels")


def __getattr__(name: str) -> Any:  # noqa: ANN401 - what a module attribute is cannot be typed closer
    """Collect the adapters on first use (PEP 562)."""
    if name == "CORPORA":
        return offered("mixlab.corpora", "ADAPTER")
    raise AttributeError(f"module 'mixlab.corpora' has no attribute {name!r}; it offers {', '.join(__all__)}")


def get_adapter(name: str) -> Adapter:
    """Return an adapter by name.

    Args:
        name: A key of ``CORPORA``, ``mirdata:NAME``, ``package.module:Class``, or an entry point of the group
            ``mixlab.corpora``.

    Raises:
        CorpusError: there is no such corpus, or it lacks a part of an adapter.

    Example:
        >>> from mixlab.corpora import get_adapter
        >>> get_adapter("slakh").name
        'slakh'
    """
    from mixlab.corpora import via_mirdata

    prefix, _, dataset = name.partition(":")
    if prefix == via_mirdata.PREFIX and dataset:
        return via_mirdata.MirdataAdapter(dataset)
    builtin = offered("mixlab.corpora", "ADAPTER")
    try:
        found: Any = find(name, builtin, GROUP, "corpus")
        with running("corpus", name):
            adapter: Adapter = found() if isinstance(found, type) else found
    except ConfigError as error:
        raise CorpusError(
            f"{error} For a dataset of the mirdata library that has multitracks: {via_mirdata.PREFIX}:NAME.",
            code=error.code,
        ) from error
    if missing := [part for part in _NEEDED if not hasattr(adapter, part)]:
        raise CorpusError(
            f"{name} is no corpus adapter: it lacks {', '.join(missing)}. An adapter has the attributes "
            f"{', '.join(_NEEDED[:5])} and the methods scan and read_labels (mixlab.corpora.base.Adapter).",
            code="unfit-plugin",
        )
    own = adapter.name
    if not isinstance(own, str) or not own.strip() or not {"/", "@", "="}.isdisjoint(own):
        raise CorpusError(
            f"{name}: its attribute 'name' must be a text that is not empty, without '/', '@' and '='; found "
            f"{own!r}.",
            code="unfit-plugin",
        )
    return adapter


def installed_adapters() -> dict[str, Adapter]:
    """Return all adapters that have a name: mixlab's own, and those of installed packages' entry points.

    Example:
        >>> from mixlab.corpora import installed_adapters
        >>> {"folder", "medleydb", "slakh"} <= set(installed_adapters())
        True
    """
    return {name: get_adapter(name) for name in known_names(offered("mixlab.corpora", "ADAPTER"), GROUP)}
