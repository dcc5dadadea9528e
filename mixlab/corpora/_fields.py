"""Values of metadata that nobody checked: YAML and JSON text, flags, labels, one line of text."""

from collections.abc import Mapping
from typing import Any

import yaml

from mixlab.utils.yaml import load_json, load_yaml

__all__ = ["labels_of", "list_of", "mapping_of", "parse_json", "parse_yaml", "text", "truthy"]


def text(value: object) -> str:
    """Return a metadata value as one line of text: scalars, or lists of them joined with commas.

    None and mappings give ''; so do lists within lists, which YAML may make endless.
    """
    if isinstance(value, list | tuple):
        return ", ".join(part for part in (_scalar(item) for item in value) if part)
    return _scalar(value)


def _scalar(value: object) -> str:
    return (
        "" if value is None or isinstance(value, list | tuple | dict | set) else " ".join(str(value).split())
    )


def truthy(value: object) -> bool:
    """Return whether a metadata flag is set: MedleyDB writes the strings 'yes' and 'no'."""
    return value is True or text(value).casefold() in {"yes", "true", "1"}


def parse_yaml(content: str) -> Any:  # noqa: ANN401 - the document is whatever the file holds
    """Parse YAML text into plain data (no object construction).

    Raises:
        ValueError: the text is not YAML, or nested beyond reason.
    """
    try:
        return load_yaml(content)
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        raise ValueError(f"not valid YAML: {' '.join(str(error).split())[:200]}") from error


def parse_json(content: str) -> Any:  # noqa: ANN401
    """Parse JSON text.

    Raises:
        ValueError: the text is not JSON, nested beyond reason, or says one thing twice.
    """
    try:
        return load_json(content)
    except ValueError as error:
        raise ValueError(f"not valid JSON: {error}") from error


def labels_of(value: object) -> tuple[str, ...]:
    """Return the raw labels of a metadata field that holds a string, a list or nothing."""
    items = value if isinstance(value, list | tuple) else [value]
    return tuple(dict.fromkeys(label for label in (text(item) for item in items) if label))


def mapping_of(value: object) -> Mapping[Any, Any]:
    """Return ``value`` if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def list_of(value: object) -> list[Any]:
    """Return ``value`` if it is a list, else an empty one."""
    return value if isinstance(value, list) else []
