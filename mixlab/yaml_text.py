"""YAML text to plain data, quickly and safely: what users and corpora hand us is not trusted."""

from typing import Any

import yaml

__all__ = ["load_yaml"]

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Never a loader that builds objects; the one in C where there is one, since it is ten times as fast."""

_MAX_DEPTH = 64


def load_yaml(content: str) -> Any:  # noqa: ANN401 - the document is whatever the text holds
    """Parse one YAML document into dictionaries, lists, texts and numbers.

    Raises:
        yaml.YAMLError: the text is not YAML; its ``problem_mark`` has the line.
        ValueError: collections are nested beyond reason, or a value such as a date is impossible.
    """
    if _nesting_bound(content) > _MAX_DEPTH:
        _check_depth(content)
    return yaml.load(content, Loader=_LOADER)


def _nesting_bound(content: str) -> int:
    """Return a quick upper bound of how deep the collections of a YAML text are nested."""
    flow = content.count("[") + content.count("{")
    block = max((len(line) - len(line.lstrip(" \t-?")) for line in content.splitlines()), default=0)
    return flow + block


def _check_depth(content: str) -> None:
    """Refuse deep nesting from the flat stream of events: building it would overflow the C stack."""
    depth = 0
    for event in yaml.parse(content, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                raise ValueError(f"collections nested more than {_MAX_DEPTH} deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
